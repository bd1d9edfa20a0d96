// SPDX-License-Identifier: GPL-2.0-or-later
//! The copy of tapsets, runtime and examples that is a part of the program, for when it stands
//! alone. `build.rs` lists the files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::build::hexadecimal;

include!(concat!(env!("OUT_DIR"), "/embedded_files.rs"));

/// Unpacks all files below `root/<hash of them>/`, unless they are there, and gives that folder.
/// The folder appears whole: it is filled under another name and renamed.
pub fn unpack(root: &Path) -> io::Result<PathBuf> {
    let mut hash = Sha256::new();
    for (name, data) in EMBEDDED_FILES {
        hash.update(name.as_bytes());
        hash.update((data.len() as u64).to_le_bytes());
        hash.update(data);
    }
    let digits: String = hexadecimal(&hash.finalize()).chars().take(16).collect();
    let folder = root.join(digits);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(root)?;
    let unfinished = tempfile::Builder::new().prefix(".new").tempdir_in(root)?;
    for (name, data) in EMBEDDED_FILES {
        let path = unfinished.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, data)?;
    }
    let unfinished = unfinished.keep();
    if let Err(error) = fs::rename(&unfinished, &folder) {
        let _ = fs::remove_dir_all(&unfinished);
        // another rstap was faster
        if !folder.is_dir() {
            return Err(error);
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_unpacks_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = unpack(root.path()).unwrap();
        assert!(folder.join("runtime/include/rstap.h").is_file());
        assert_eq!(unpack(root.path()).unwrap(), folder);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
