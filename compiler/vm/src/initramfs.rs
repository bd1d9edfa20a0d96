// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's first file system: busybox, the modules it needs to reach us, the agent, and files
//! of the caller's choice.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cpio::Archive;
use crate::modules::{self, ModuleList};
use crate::process::{find_program, need_program};
use crate::{Error, KernelSet, Result};

/// A file of the host to put into the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Its absolute path in the guest.
    pub guest: String,
}

impl PackedFile {
    /// `host` at the path `guest`.
    pub fn new(host: impl Into<PathBuf>, guest: impl Into<String>) -> PackedFile {
        PackedFile {
            host: host.into(),
            guest: guest.into(),
        }
    }
}

/// What the file system is made of.
#[derive(Debug)]
pub struct Contents<'a> {
    pub kernel: &'a KernelSet,
    /// Kernel modules to insert at boot besides those that the machine's own devices need.
    pub modules: &'a [String],
    pub files: &'a [PackedFile],
    /// Use the host's files as the root file system, through virtiofs.
    pub host_root: bool,
    /// The layer above the host's files is on a disk.
    pub layer: bool,
    /// `name='value'` lines that the agent reads.
    pub settings: String,
}

/// Modules for the channel between host and guest.
const CHANNEL: &[&str] = &["virtio_pci", "virtio_console"];
/// Modules for the host's files.
const HOST_FILES: &[&str] = &["virtiofs", "overlay"];
/// Modules for a disk with a layer above them.
const LAYER: &[&str] = &["virtio_blk", "ext4"];

const INIT: &str = include_str!("guest/init.sh");
const AGENT: &str = include_str!("guest/agent.sh");
const AGENT_UNIT: &str = include_str!("guest/rstap-agent.service");

/// Builds the archive. It is not compressed: unpacking costs more under emulation than reading.
pub fn build(contents: &Contents) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for folder in [
        "proc", "sys", "dev", "run", "tmp", "root", "etc", "lower", "new", "usr/bin",
    ] {
        archive.folder(folder);
    }
    archive.device("dev/console", 0o600, 5, 1);
    archive.device("dev/null", 0o666, 1, 3);
    let busybox = need_program("busybox", "busybox-static")?;
    let program = std::fs::read(&busybox).map_err(|error| Error::io("read", &busybox, error))?;
    archive.file("bin/busybox", 0o755, &program);
    archive.link("bin/sh", "busybox");
    archive.file("init", 0o755, INIT.as_bytes());
    archive.file("rstap/agent.sh", 0o755, AGENT.as_bytes());
    archive.file("rstap/rstap-agent.service", 0o644, AGENT_UNIT.as_bytes());
    archive.file("rstap/settings", 0o644, contents.settings.as_bytes());
    archive.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
    archive.file("etc/group", 0o644, b"root:x:0:\n");
    archive.file("etc/hostname", 0o644, b"guest\n");
    add_modules(&mut archive, contents)?;
    for file in contents.files {
        add_file(&mut archive, file)?;
    }
    Ok(archive.finish())
}

/// Numbers the modules so that a shell's `*` inserts them in order.
fn add_modules(archive: &mut Archive, contents: &Contents) -> Result<()> {
    let list = ModuleList::read(&contents.kernel.modules)?;
    let mut names: Vec<&str> = CHANNEL.to_vec();
    if contents.host_root {
        names.extend(HOST_FILES);
    }
    if contents.layer {
        names.extend(LAYER);
    }
    names.extend(contents.modules.iter().map(String::as_str));
    archive.folder("rstap/modules");
    for (number, file) in list.insertion_order(&names)?.iter().enumerate() {
        let name = modules::module_name(&file.to_string_lossy());
        let bytes = modules::contents(file)?;
        archive.file(
            &format!("rstap/modules/{number:03}-{name}.ko"),
            0o644,
            &bytes,
        );
    }
    Ok(())
}

/// Adds a file, and for a dynamic program the libraries that it needs.
fn add_file(archive: &mut Archive, file: &PackedFile) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let io = |error| Error::io("read", &file.host, error);
    let bytes = std::fs::read(&file.host).map_err(io)?;
    let mode = std::fs::metadata(&file.host)
        .map_err(io)?
        .permissions()
        .mode();
    archive.file(&file.guest, mode, &bytes);
    if bytes.starts_with(b"\x7fELF") && mode & 0o111 != 0 {
        for library in libraries(&file.host) {
            let bytes = std::fs::read(&library)
                .map_err(|error| Error::io("read", Path::new(&library), error))?;
            archive.file(&library, 0o755, &bytes);
        }
    }
    Ok(())
}

/// The shared libraries and the loader of a program, as `ldd` prints them; none for a static one.
fn libraries(program: &Path) -> Vec<String> {
    let Some(ldd) = find_program("ldd") else {
        return Vec::new();
    };
    let Ok(result) = Command::new(ldd).arg(program).output() else {
        return Vec::new();
    };
    parse_libraries(&String::from_utf8_lossy(&result.stdout))
}

fn parse_libraries(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(|word| word.trim_end_matches(':').to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_absolute_paths() {
        let text = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x2)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        assert_eq!(
            parse_libraries(text),
            ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
        assert!(parse_libraries("\tstatically linked\n").is_empty());
    }
}
