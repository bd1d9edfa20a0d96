// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel modules of our own, for tests that need a function called with known arguments.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use rstap_vm::KernelSet;

use crate::programs::capture;

/// Builds the module in the folder `source`, which holds its sources and a `Makefile` for kbuild,
/// in the new folder `place`.
pub fn build(source: &Path, place: &Path, kernel: &KernelSet) -> Result<(), String> {
    copy_files(source, place)?;
    let mut command = Command::new("make");
    command
        .arg("-C")
        .arg(&kernel.headers)
        .arg(format!("M={}", place.display()))
        .arg("modules");
    let output = capture(&mut command, 300)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("cannot build {}: {text}", source.display()))
}

fn copy_files(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot copy {}: {error}", from.display());
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)?.flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
        }
    }
    Ok(())
}

/// The modules of one run: each is built once, however many tests load it.
#[derive(Debug)]
pub struct Built {
    folder: PathBuf,
    known: Mutex<HashMap<PathBuf, Result<PathBuf, String>>>,
}

impl Built {
    /// Builds go on below `folder`.
    pub fn new(folder: &Path) -> Built {
        Built {
            folder: folder.to_path_buf(),
            known: Mutex::default(),
        }
    }

    /// Puts `NAME.ko` of the module in the folder `source`, whose last part is `NAME`, into
    /// `place`.
    pub fn provide(&self, source: &Path, place: &Path, kernel: &KernelSet) -> Result<(), String> {
        let name = source.file_name().unwrap_or_default();
        let file = format!("{}.ko", name.display());
        let module = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let number = known.len();
            let make = || {
                let build_place = self.folder.join(format!("module-{number}"));
                build(source, &build_place, kernel).map(|()| build_place.join(&file))
            };
            known
                .entry(source.to_path_buf())
                .or_insert_with(make)
                .clone()?
        };
        // A copy, as a guest without the host's files is given the files of the test's folder.
        std::fs::copy(&module, place.join(&file))
            .map(|_| ())
            .map_err(|error| format!("cannot copy {}: {error}", module.display()))
    }
}
