// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding and running the built programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The programs under test.
#[derive(Debug, Clone)]
pub struct Programs {
    pub rstap: PathBuf,
    pub staprun: PathBuf,
}

impl Programs {
    /// Those in `$RSTAP_BIN_DIR`, else those of the same build as this test program.
    pub fn find() -> Result<Programs, String> {
        let folder = match std::env::var_os("RSTAP_BIN_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::current_exe()
                .ok()
                .and_then(|own| Some(own.parent()?.parent()?.to_path_buf()))
                .ok_or("cannot tell where the built programs are; set RSTAP_BIN_DIR")?,
        };
        // Tests change the working directory.
        let folder = std::fs::canonicalize(&folder)
            .map_err(|error| format!("cannot find {}: {error}", folder.display()))?;
        let programs = Programs {
            rstap: folder.join("rstap"),
            staprun: folder.join("staprun"),
        };
        for program in [&programs.rstap, &programs.staprun] {
            if !program.is_file() {
                return Err(format!(
                    "{} is not there; build first with: make",
                    program.display()
                ));
            }
        }
        Ok(programs)
    }
}

/// The folder `tests` of the source tree.
pub fn tests_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program to its end without input, at most `seconds` long. The error says why not.
pub fn capture(command: &mut Command, seconds: u64) -> Result<Output, String> {
    let mut limited = Command::new("timeout");
    limited
        .arg(seconds.to_string())
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            limited.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))
}
