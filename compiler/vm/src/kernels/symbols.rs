// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel's list of symbols. Debian's `System.map` outside the debug package is a stub, so the
//! kernel is asked itself: it boots once, and its `/proc/kallsyms` is kept.

use std::io::Write as _;

use super::KernelSet;
use crate::error::{Error, Result};
use crate::remote::{RunRequest, run};

/// Smaller files than this are stubs; a real list has 100,000 lines.
const SMALLEST_LIST: u64 = 100_000;

/// Puts `boot/System.map-RELEASE` into the sysroot unless a real list is there or comes with the
/// debug files. Addresses are those of that one boot; only distances from `_stext` mean anything.
pub fn provide(kernel: &KernelSet) -> Result<()> {
    let name = format!("System.map-{}", kernel.release);
    let own = kernel.sysroot.join("boot").join(&name);
    let with_debug = kernel.sysroot.join("usr/lib/debug/boot").join(&name);
    let is_list = |path: &std::path::Path| {
        path.metadata()
            .is_ok_and(|data| data.len() >= SMALLEST_LIST)
    };
    if is_list(&own) || is_list(&with_debug) {
        return Ok(());
    }
    let argv = ["/bin/cat", "/proc/kallsyms"].map(str::to_owned).to_vec();
    let request = RunRequest::new(kernel.clone(), argv);
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let status = run(&request, &mut output, &mut errors)?;
    let text = String::from_utf8_lossy(&output);
    // Lines of modules end in [NAME]; an unprivileged view has zeros.
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains('[') && !line.starts_with("0000000000000000 T"))
        .collect();
    if status != 0 || !lines.iter().any(|line| line.ends_with(" _stext")) {
        return Err(Error::new(format!(
            "kernel {} did not tell its symbols",
            kernel.release
        )));
    }
    let folder = kernel.sysroot.join("boot");
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        for line in lines {
            writeln!(file, "{line}")?;
        }
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(everybody)?;
        file.persist(&own)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", &own, error))
}
