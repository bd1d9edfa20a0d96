// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel that checks itself (KASAN, lockdep, UBSAN, …), which the distribution does not package:
//! built from the sources of the machine's own suite, and kept like the packaged ones.

use std::path::Path;
use std::process::Command;

use walkdir::WalkDir;

use super::archive::Archive;
use super::fetch::{download_and_unpack, lock, remove_folder, sibling};
use super::{KernelSet, MARKER, SANITIZE, cache_folder, kernels_folder, list};
use crate::process::{need_program, output};
use crate::{Error, Result};

/// All that differs from a kernel with nothing in it.
const CONFIGURATION: &str = include_str!("sanitize.config");
/// It stays in the tree, and tells a kernel that was built with another one.
const FRAGMENT: &str = "sanitize.config";

/// Programs that building a kernel takes, and their packages.
pub const NEEDED: &[(&str, &str)] = &[
    ("make", "make"),
    ("gcc", "gcc"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("pahole", "pahole"),
    ("xz", "xz-utils"),
    ("depmod", "kmod"),
];

/// Builds the kernel unless the cache has it: an hour of processor time, 2 GB of disk meanwhile.
/// `progress` is told what is being done.
pub fn build(progress: &mut dyn FnMut(&str)) -> Result<KernelSet> {
    let kernels = kernels_folder()?;
    std::fs::create_dir_all(&kernels).map_err(|error| Error::io("create", &kernels, error))?;
    let _lock = lock(&kernels.join("lock"))?;
    let is_current = |kernel: &KernelSet| kernel.checks_itself() && was_built_so(&kernel.headers);
    if let Some(kernel) = list()?.into_iter().rfind(is_current) {
        return Ok(kernel);
    }
    for (program, package) in NEEDED {
        need_program(program, package)?;
    }
    let partial = sibling(&kernels.join(SANITIZE), "partial")?;
    remove_folder(&partial)?;
    std::fs::create_dir_all(&partial).map_err(|error| Error::io("create", &partial, error))?;
    progress("fetching the kernel's sources");
    let tree = unpack_sources(&partial)?;
    let release = configure(&tree)?;
    progress(&format!("building {release}, which takes long"));
    make(&tree, &["bzImage", "modules"])?;
    arrange(&tree, &partial, &release)?;
    let sysroot = kernels.join(&release);
    remove_folder(&sysroot)?;
    std::fs::rename(&partial, &sysroot).map_err(|error| Error::io("create", &sysroot, error))?;
    KernelSet::open(&sysroot)
        .ok_or_else(|| Error::new(format!("{} holds no bootable image", sysroot.display())))
}

/// Leaves the source tree that the suite's package `linux-source` holds in `usr/src` of `sysroot`.
fn unpack_sources(sysroot: &Path) -> Result<std::path::PathBuf> {
    let archive = Archive::open(&cache_folder()?, None)?;
    let package = archive
        .dependencies("linux-source")?
        .into_iter()
        .find(|name| name.starts_with("linux-source-"))
        .ok_or_else(|| Error::new(format!("suite {} names no kernel source", archive.suite)))?;
    download_and_unpack(&archive, std::slice::from_ref(&package), sysroot)?;
    let folder = sysroot.join("usr/src");
    let packed = folder.join(format!("{package}.tar.xz"));
    output(
        Command::new("tar")
            .arg("-xf")
            .arg(&packed)
            .current_dir(&folder),
    )?;
    std::fs::remove_file(&packed).map_err(|error| Error::io("remove", &packed, error))?;
    Ok(folder.join(package))
}

/// True if the tree was configured as it would be today.
fn was_built_so(tree: &Path) -> bool {
    std::fs::read_to_string(tree.join(FRAGMENT)).is_ok_and(|text| text == CONFIGURATION)
}

/// Configures the tree; gives the release that it will be.
fn configure(tree: &Path) -> Result<String> {
    let fragment = tree.join(FRAGMENT);
    std::fs::write(&fragment, CONFIGURATION)
        .map_err(|error| Error::io("write", &fragment, error))?;
    let setting = format!("KCONFIG_ALLCONFIG={FRAGMENT}");
    make(tree, &[&setting, "allnoconfig"])?;
    let file = tree.join(".config");
    let text = std::fs::read_to_string(&file).map_err(|error| Error::io("read", &file, error))?;
    let missing = missing(CONFIGURATION, &text);
    if !missing.is_empty() {
        return Err(Error::new(format!(
            "the kernel's configuration does not take {}",
            missing.join(", ")
        ))
        .hint("see what they depend on in the Kconfig files of this kernel"));
    }
    Ok(output(make_in(tree).args(["-s", "kernelrelease"]))?
        .trim()
        .to_string())
}

/// Options that were asked for and are not there: their dependencies changed.
fn missing<'a>(wanted: &'a str, configuration: &str) -> Vec<&'a str> {
    wanted
        .lines()
        .filter(|line| line.starts_with("CONFIG_"))
        .filter(|line| !configuration.lines().any(|have| have == *line))
        .collect()
}

fn make_in(tree: &Path) -> Command {
    let mut command = Command::new("make");
    command.arg("-C").arg(tree);
    // Of the make that may have started us.
    for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        command.env_remove(variable);
    }
    command
}

fn make(tree: &Path, arguments: &[&str]) -> Result<()> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    output(make_in(tree).arg(format!("-j{jobs}")).args(arguments)).map(drop)
}

/// Puts what was built where the packages have it, and leaves of the tree what modules are built
/// with.
fn arrange(tree: &Path, sysroot: &Path, release: &str) -> Result<()> {
    let mut install = std::ffi::OsString::from("INSTALL_MOD_PATH=");
    install.push(sysroot);
    output(make_in(tree).arg(install).arg("modules_install"))?;
    let modules = sysroot.join("lib/modules").join(release);
    for link in ["build", "source"] {
        let link = modules.join(link);
        if link.is_symlink() {
            std::fs::remove_file(&link).map_err(|error| Error::io("remove", &link, error))?;
        }
    }
    for (from, to) in [
        ("arch/x86/boot/bzImage", format!("boot/vmlinuz-{release}")),
        ("vmlinux", format!("usr/lib/debug/boot/vmlinux-{release}")),
        (
            "System.map",
            format!("usr/lib/debug/boot/System.map-{release}"),
        ),
    ] {
        let (from, to) = (tree.join(from), sysroot.join(to));
        let folder = to.parent().unwrap_or(sysroot);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::rename(&from, &to))
            .map_err(|error| Error::io("create", &to, error))?;
    }
    remove_objects(tree)?;
    let headers = sysroot.join(format!("usr/src/linux-headers-{release}"));
    std::fs::rename(tree, &headers).map_err(|error| Error::io("create", &headers, error))?;
    let link = modules.join("build");
    std::os::unix::fs::symlink(format!("../../../usr/src/linux-headers-{release}"), &link)
        .map_err(|error| Error::io("link", &link, error))?;
    let marker = sysroot.join(MARKER);
    std::fs::write(&marker, format!("suite={SANITIZE}\n"))
        .map_err(|error| Error::io("write", &marker, error))
}

/// Objects are most of a built tree; those of its tools are needed no more than the others.
fn remove_objects(tree: &Path) -> Result<()> {
    for entry in WalkDir::new(tree).into_iter().flatten() {
        let path = entry.path();
        let object = path
            .extension()
            .is_some_and(|extension| ["o", "a", "ko"].iter().any(|name| extension == *name));
        if object && entry.file_type().is_file() {
            std::fs::remove_file(path).map_err(|error| Error::io("remove", path, error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_another_configuration_is_told() {
        let tree = tempfile::tempdir().unwrap();
        assert!(!was_built_so(tree.path()));
        std::fs::write(tree.path().join(FRAGMENT), CONFIGURATION).unwrap();
        assert!(was_built_so(tree.path()));
        std::fs::write(tree.path().join(FRAGMENT), "CONFIG_A=y\n").unwrap();
        assert!(!was_built_so(tree.path()));
    }

    #[test]
    fn what_a_configuration_lacks_is_named() {
        let wanted = "# a comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n";
        assert_eq!(missing(wanted, "CONFIG_A=y\nCONFIG_C=y\n"), ["CONFIG_C=m"]);
        assert!(missing(wanted, "CONFIG_C=m\nCONFIG_A=y\n").is_empty());
    }
}
