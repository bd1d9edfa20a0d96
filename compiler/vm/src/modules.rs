// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel modules of a release: where they are, and in which order to insert them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{need_program, output};
use crate::{Error, Result};

/// The modules of one release, as `modules.dep` and `modules.builtin` (written by depmod and
/// kbuild) list them.
#[derive(Debug, Default)]
pub struct ModuleList {
    folder: PathBuf,
    /// Module name to its file and the files that it needs, both relative to the folder. The
    /// files needed come in reverse order of insertion.
    loadable: HashMap<String, (String, Vec<String>)>,
    built_in: HashSet<String>,
}

impl ModuleList {
    /// Reads the lists in `folder`, which is `lib/modules/RELEASE`.
    pub fn read(folder: &Path) -> Result<ModuleList> {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))
        };
        let mut list = ModuleList::parse(&text("modules.dep")?, &text("modules.builtin")?);
        list.folder = folder.to_path_buf();
        Ok(list)
    }

    fn parse(dependencies: &str, built_in: &str) -> ModuleList {
        let mut list = ModuleList::default();
        for line in dependencies.lines() {
            if let Some((file, needs)) = line.split_once(':') {
                let needs = needs.split_whitespace().map(str::to_string).collect();
                list.loadable
                    .insert(module_name(file), (file.to_string(), needs));
            }
        }
        list.built_in = built_in.lines().map(module_name).collect();
        list
    }

    /// The files to insert, in order, for `names` to be there. Built-in modules need none.
    pub fn insertion_order(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut files: Vec<&str> = Vec::new();
        for name in names {
            let name = name.replace('-', "_");
            let Some((file, needs)) = self.loadable.get(&name) else {
                if self.built_in.contains(&name) {
                    continue;
                }
                return Err(Error::new(format!(
                    "there is no module {name} in {}",
                    self.folder.display()
                )));
            };
            for file in needs.iter().rev().chain([file]) {
                if !files.contains(&file.as_str()) {
                    files.push(file);
                }
            }
        }
        Ok(files
            .into_iter()
            .map(|file| self.folder.join(file))
            .collect())
    }
}

/// `kernel/fs/fuse/virtiofs.ko.xz` is the module `virtiofs`; dashes count as underscores.
pub fn module_name(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split(".ko").next().unwrap_or(base).replace('-', "_")
}

/// The contents of a module file, decompressed if it is an `.xz` or `.zst` one.
pub fn contents(file: &Path) -> Result<Vec<u8>> {
    let tool = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => ("xz", "xz-utils"),
        Some("zst") => ("zstd", "zstd"),
        _ => return std::fs::read(file).map_err(|error| Error::io("read", file, error)),
    };
    let program = need_program(tool.0, tool.1)?;
    let result = Command::new(program)
        .arg("-dc")
        .arg(file)
        .output()
        .map_err(|error| Error::io("decompress", file, error))?;
    if !result.status.success() {
        // For its message.
        output(Command::new(tool.0).arg("-t").arg(file))?;
    }
    Ok(result.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_modules_come_first_and_once() {
        let list = ModuleList::parse(
            "kernel/c.ko: kernel/b.ko kernel/a.ko\nkernel/b.ko: kernel/a.ko\nkernel/a.ko:\n\
             kernel/d-e.ko.xz: kernel/a.ko\n",
            "kernel/fs/fuse/fuse.ko\n",
        );
        let order = list.insertion_order(&["c", "fuse", "d-e"]).unwrap();
        let order: Vec<String> = order
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        assert_eq!(
            order,
            [
                "kernel/a.ko",
                "kernel/b.ko",
                "kernel/c.ko",
                "kernel/d-e.ko.xz"
            ]
        );
        assert!(list.insertion_order(&["nothing"]).is_err());
    }
}
