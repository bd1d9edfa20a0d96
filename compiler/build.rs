// SPDX-License-Identifier: GPL-2.0-or-later
//! Makes the list of files that become a part of the program: tapset library, runtime sources,
//! example scripts.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders of the source tree, and the endings of what is taken from them.
const FOLDERS: &[(&str, &[&str])] = &[
    ("tapsets", &["stp", "stpm"]),
    ("runtime", &["c", "h", "S", "Kbuild"]),
    ("examples", &["stp", "sh", "md"]),
];

fn main() -> io::Result<()> {
    let tree = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let tree = tree.canonicalize()?;
    let mut list = String::from(
        "/// Path below the source tree, and contents.\npub const EMBEDDED_FILES: &[(&str, &[u8])] = &[\n",
    );
    for (folder, endings) in FOLDERS {
        let path = tree.join(folder);
        println!("cargo::rerun-if-changed={}", path.display());
        let mut files = Vec::new();
        if path.is_dir() {
            collect(&path, endings, &mut files)?;
        }
        files.sort();
        for file in files {
            let name = file.strip_prefix(&tree).unwrap_or(&file);
            // writing to a String does not fail
            let _ = writeln!(list, "    ({name:?}, include_bytes!({file:?})),");
        }
    }
    list.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("embedded_files.rs"), list)
}

fn collect(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if name != "tests" && !name.starts_with('.') {
                collect(&path, endings, files)?;
            }
        } else {
            let ending = name.rsplit('.').next().unwrap_or_default();
            let is_made = name.ends_with(".mod.c") || name.starts_with('.');
            if endings.contains(&ending) && !is_made {
                files.push(path);
            }
        }
    }
    Ok(())
}
