// SPDX-License-Identifier: GPL-2.0-or-later
//! Unpacking packages into a sysroot, and making what they hold independent of where that is.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;

use crate::process::{need_program, output};
use crate::{Error, Result};

/// Unpacks one package file into `sysroot` without installing it: no script of it runs.
pub fn unpack(package: &Path, sysroot: &Path) -> Result<()> {
    let dpkg_deb = need_program("dpkg-deb", "dpkg")?;
    output(
        Command::new(dpkg_deb)
            .arg("--extract")
            .arg(package)
            .arg(sysroot),
    )
    .map(drop)
}

/// Replaces every absolute link and path that kbuild follows by a relative one, gives `lib` its
/// usual place, and writes the modules' dependency lists (`depmod` does so at installation).
pub fn relocate(sysroot: &Path, release: &str) -> Result<()> {
    merge_lib(sysroot)?;
    relative_links(sysroot)?;
    relative_includes(&sysroot.join(format!("usr/src/linux-headers-{release}/Makefile")))?;
    let depmod = need_program("depmod", "kmod")?;
    output(Command::new(depmod).arg("-b").arg(sysroot).arg(release)).map(drop)
}

/// Newer suites keep modules in `usr/lib` alone, with `/lib` a link to it.
fn merge_lib(sysroot: &Path) -> Result<()> {
    let lib = sysroot.join("lib");
    if lib.symlink_metadata().is_ok() {
        return Ok(());
    }
    std::os::unix::fs::symlink("usr/lib", &lib).map_err(|error| Error::io("link", &lib, error))
}

fn relative_links(sysroot: &Path) -> Result<()> {
    for entry in WalkDir::new(sysroot).into_iter().flatten() {
        if !entry.path_is_symlink() {
            continue;
        }
        let link = entry.path();
        let Ok(target) = std::fs::read_link(link) else {
            continue;
        };
        let Ok(inside) = link.strip_prefix(sysroot) else {
            continue;
        };
        if let Some(relative) = relative_target(inside, &target) {
            std::fs::remove_file(link).map_err(|error| Error::io("replace", link, error))?;
            std::os::unix::fs::symlink(relative, link)
                .map_err(|error| Error::io("link", link, error))?;
        }
    }
    Ok(())
}

/// The relative form of the absolute `target` of the link `inside` the sysroot.
fn relative_target(inside: &Path, target: &Path) -> Option<PathBuf> {
    let rest = target.strip_prefix("/").ok()?;
    let depth = inside
        .components()
        .filter(|c| matches!(c, Component::Normal(_)))
        .count();
    let mut relative = PathBuf::new();
    for _ in 1..depth {
        relative.push("..");
    }
    Some(relative.join(rest))
}

/// Debian's header tree for one flavour is a Makefile that includes the common tree's by absolute
/// path (and, from 7.x on, names itself as the output folder).
fn relative_includes(makefile: &Path) -> Result<()> {
    let text =
        std::fs::read_to_string(makefile).map_err(|error| Error::io("read", makefile, error))?;
    std::fs::write(makefile, rewrite_includes(&text))
        .map_err(|error| Error::io("write", makefile, error))
}

fn rewrite_includes(text: &str) -> String {
    const HERE: &str = "$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../";
    text.replace("/usr/src/", HERE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_become_relative() {
        let relative = relative_target(
            Path::new("lib/modules/6.1/build"),
            Path::new("/usr/src/headers"),
        );
        assert_eq!(
            relative.as_deref(),
            Some(Path::new("../../../usr/src/headers"))
        );
        assert_eq!(relative_target(Path::new("a/b"), Path::new("c")), None);
    }

    #[test]
    fn includes_follow_the_tree() {
        assert_eq!(
            rewrite_includes("include /usr/src/linux-headers-1-common/Makefile\n"),
            "include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../\
             linux-headers-1-common/Makefile\n"
        );
    }
}
