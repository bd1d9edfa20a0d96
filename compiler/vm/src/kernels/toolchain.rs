// SPDX-License-Identifier: GPL-2.0-or-later
//! The compiler that a kernel was built with, when the machine has another.
//!
//! A header tree names its compiler (`gcc-14`) and brings programs of its own (`modpost`,
//! `objtool`) that need its suite's C library. Both are unpacked into the sysroot and told, with
//! `patchelf`, to use the C library beside them, so that they run on the machine as they are:
//! no chroot, no installation.

use std::path::Path;
use std::process::Command;

use walkdir::WalkDir;

use super::archive::{Archive, own_suite};
use super::unpack::unpack;
use crate::process::{find_program, need_program, output};
use crate::{Error, Result};

/// Makes the tree of `release` in `sysroot` buildable on this machine. Nothing to do when the
/// kernel is of the machine's own suite and its compiler is installed.
pub fn provide(archive: &Archive, release: &str, sysroot: &Path) -> Result<()> {
    let variables = sysroot.join(format!("usr/src/linux-headers-{release}/.kernelvariables"));
    let text = std::fs::read_to_string(&variables)
        .map_err(|error| Error::io("read", &variables, error))?;
    let compiler = compiler_name(&text)
        .ok_or_else(|| Error::new(format!("{} names no compiler", variables.display())))?;
    let own = own_suite().is_ok_and(|suite| suite == archive.suite);
    if own && find_program(compiler).is_some() {
        return Ok(());
    }
    if own {
        return Err(
            Error::new(format!("the kernel's compiler {compiler} is not installed"))
                .hint(format!("install it with: apt-get install {compiler}")),
        );
    }
    let patchelf = need_program("patchelf", "patchelf")?;
    unpack_toolchain(archive, compiler, sysroot)?;
    let root = std::fs::canonicalize(sysroot.parent().unwrap_or(sysroot))
        .map_err(|error| Error::io("find", sysroot, error))?
        .join(release);
    patch_programs(&patchelf, sysroot, &root)?;
    link_tools(&sysroot.join("toolchain"), compiler)?;
    let tools = root.join("toolchain/usr/bin").display().to_string();
    std::fs::write(&variables, use_compiler(&text, &tools, compiler))
        .map_err(|error| Error::io("write", &variables, error))
}

/// The last word of the `CC =` line without its prefix, for instance `gcc-14`.
fn compiler_name(variables: &str) -> Option<&str> {
    let line = variables.lines().find(|line| line.starts_with("CC ="))?;
    let word = line.split_whitespace().last()?;
    let name = word.rsplit(')').next()?;
    name.starts_with("gcc-").then_some(name)
}

/// Replaces the compiler and adds the other tools of the toolchain in `folder`.
fn use_compiler(variables: &str, folder: &str, compiler: &str) -> String {
    let mut text = String::new();
    for line in variables.lines() {
        if line.starts_with("CC =") {
            text.push_str(&format!("CC = {folder}/{compiler}\n"));
        } else {
            text.push_str(&format!("{line}\n"));
        }
    }
    text.push_str(&format!(
        "override CROSS_COMPILE = {folder}/x86_64-linux-gnu-\n"
    ));
    text.push_str(&format!("PAHOLE = {folder}/pahole\n"));
    text
}

/// gcc looks for the assembler and linker beside its own parts before it looks in `PATH`.
fn link_tools(toolchain: &Path, compiler: &str) -> Result<()> {
    let version = compiler.trim_start_matches("gcc-");
    for parts in ["usr/libexec/gcc", "usr/lib/gcc"] {
        let folder = toolchain.join(parts).join("x86_64-linux-gnu").join(version);
        if !folder.join("cc1").exists() {
            continue;
        }
        for tool in ["as", "ld"] {
            let link = folder.join(tool);
            std::os::unix::fs::symlink(format!("../../../../bin/x86_64-linux-gnu-{tool}"), &link)
                .map_err(|error| Error::io("link", &link, error))?;
        }
    }
    Ok(())
}

fn unpack_toolchain(archive: &Archive, compiler: &str, sysroot: &Path) -> Result<()> {
    let folder = sysroot.join("toolchain");
    let downloads = sysroot.join("toolchain-packages");
    std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let wanted = [compiler, "binutils", "libelf1", "libssl3", "pahole"];
    let mut packages = Vec::new();
    for name in wanted {
        // Names of libraries differ between suites (libelf1t64); what is absent is not needed.
        for name in [name.to_string(), format!("{name}t64")] {
            if let Ok(closure) = archive.closure(&[name]) {
                packages.extend(closure);
                break;
            }
        }
    }
    packages.sort();
    packages.dedup();
    if !packages.iter().any(|name| name == compiler) {
        return Err(Error::new(format!(
            "suite {} has no {compiler}",
            archive.suite
        )));
    }
    for package in archive.download(&packages, &downloads)? {
        unpack(&package, &folder)?;
    }
    std::fs::remove_dir_all(&downloads).map_err(|error| Error::io("remove", &downloads, error))
}

/// Points every dynamic program under the toolchain and kbuild folders at the C library of the
/// toolchain. `root` is where the sysroot will be.
fn patch_programs(patchelf: &Path, sysroot: &Path, root: &Path) -> Result<()> {
    let toolchain = sysroot.join("toolchain");
    // What /lib64 holds may be an absolute link, which leads out of the folder.
    let loader = [
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    ]
    .into_iter()
    .find(|path| toolchain.join(path).exists())
    .ok_or_else(|| Error::new("the toolchain's C library has no loader"))?;
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
        .map(|path| root.join("toolchain").join(path).display().to_string())
        .join(":");
    for folder in [
        toolchain.join("usr"),
        sysroot.join("usr/lib"),
        sysroot.join("usr/src"),
    ] {
        let entries = WalkDir::new(&folder).into_iter().filter_entry(|entry| {
            // Kernel modules and debug files are ELF as well.
            !matches!(entry.file_name().to_str(), Some("modules" | "debug"))
        });
        for entry in entries
            .flatten()
            .filter(|entry| entry.file_type().is_file())
        {
            if is_program(entry.path()) {
                output(
                    Command::new(patchelf)
                        .arg("--set-interpreter")
                        .arg(root.join("toolchain").join(loader))
                        .args(["--force-rpath", "--set-rpath", &libraries])
                        .arg(entry.path()),
                )?;
            }
        }
    }
    Ok(())
}

/// True for an ELF file with a program interpreter.
fn is_program(path: &Path) -> bool {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    let Ok(mut file) = std::fs::File::open(path) else {
        return false;
    };
    if !file
        .metadata()
        .is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
    {
        return false;
    }
    let mut start = [0u8; 4096];
    let Ok(length) = file.read(&mut start) else {
        return false;
    };
    let start = start.get(..length).unwrap_or_default();
    start.starts_with(b"\x7fELF")
        && start
            .windows(27)
            .any(|window| window.starts_with(b"/lib64/ld-linux-x86-64.so.2"))
        && !path.to_string_lossy().contains(".so")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: &str = "override ARCH = x86\nCC = $(if $(X),$(CCACHE)) \
        $(CROSS_COMPILE)gcc-14\noverride CROSS_COMPILE = x86_64-linux-gnu-\n";

    #[test]
    fn the_compiler_is_named_in_the_variables() {
        assert_eq!(compiler_name(VARIABLES), Some("gcc-14"));
        assert_eq!(compiler_name("override ARCH = x86\n"), None);
    }

    #[test]
    fn variables_take_another_compiler() {
        assert_eq!(
            use_compiler(VARIABLES, "/t", "gcc-14"),
            "override ARCH = x86\nCC = /t/gcc-14\noverride CROSS_COMPILE = x86_64-linux-gnu-\n\
             override CROSS_COMPILE = /t/x86_64-linux-gnu-\nPAHOLE = /t/pahole\n"
        );
    }
}
