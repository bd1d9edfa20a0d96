// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding a kernel's build tree, and telling when it has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::BuildError;

/// A kernel that modules are built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelTree {
    /// `6.1.0-56-cloud-amd64`.
    pub release: String,
    /// Where `make` finds the kernel's Makefile, `.config` and `Module.symvers`. Checked to exist.
    pub build: PathBuf,
}

impl KernelTree {
    /// A tree that is known by its place. `release` is read from it.
    pub fn at(build: &Path) -> Result<KernelTree, BuildError> {
        let build = fs::canonicalize(build).map_err(BuildError::io("open build tree", build))?;
        if !build.join("Makefile").exists() {
            return Err(BuildError::unexpected(format!(
                "{} is not a kernel build tree: it has no Makefile",
                build.display()
            )));
        }
        let release = release_of(&build).ok_or_else(|| {
            BuildError::unexpected(format!(
                "{0} is not a configured kernel build tree: {0}/include/config/kernel.release is missing.\n  \
                 prepare it:  make -C {0} modules_prepare",
                build.display()
            ))
        })?;
        Ok(KernelTree { release, build })
    }

    /// The tree of a release below a root: `/`, a sysroot, or an unpacked set of packages.
    /// `None` if there is none. A link in it that leads out of the sysroot (as the packages'
    /// absolute `build` links do) is followed inside.
    pub fn below(root: &Path, release: &str) -> Option<KernelTree> {
        Self::candidates(root, release)
            .into_iter()
            .find(|path| path.join("Makefile").exists())
            .and_then(|path| fs::canonicalize(path).ok())
            .map(|build| KernelTree {
                release: release.to_owned(),
                build,
            })
    }

    /// Where [`KernelTree::below`] looks, first to last.
    pub fn candidates(root: &Path, release: &str) -> Vec<PathBuf> {
        let headers = root
            .join("usr/src")
            .join(format!("linux-headers-{release}"));
        let kernels = root.join("usr/src/kernels").join(release);
        let modules = root.join("lib/modules").join(release).join("build");
        if root == Path::new("/") {
            vec![modules, headers, kernels]
        } else {
            vec![headers, kernels, modules]
        }
    }

    /// The text of one `CONFIG_` option: `y`, `m`, a number, a string without quotes. `None` when
    /// it is not set.
    pub fn config(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.build.join(".config")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    }

    /// The compiler that the kernel's build tree asks for: `gcc-12`, or a path.
    pub fn compiler(&self) -> Option<String> {
        // Debian's trees name it for make; else it is the one that the configuration was made with
        if let Ok(text) = fs::read_to_string(self.build.join(".kernelvariables"))
            && let Some(word) = text
                .lines()
                .find(|line| line.starts_with("CC ="))
                .and_then(|line| line.split_whitespace().next_back())
                .and_then(|word| word.rsplit(')').next())
        {
            return Some(word.to_owned());
        }
        let text = self.config("CONFIG_CC_VERSION_TEXT")?;
        text.split_whitespace().next().map(str::to_owned)
    }

    /// Feeds a hash with everything of the tree that decides what a module of it looks like.
    pub(crate) fn hash_into(&self, hash: &mut Sha256) {
        hash.update(self.release.as_bytes());
        hash.update(self.build.as_os_str().as_encoded_bytes());
        for name in [
            ".config",
            "Makefile",
            "Module.symvers",
            "include/generated/autoconf.h",
            "include/generated/utsrelease.h",
        ] {
            hash.update(name.as_bytes());
            hash.update(file_identity(&self.build.join(name)).as_bytes());
        }
    }
}

/// Size and time of change of a file, or a text that says that there is none.
pub(crate) fn file_identity(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(data) => format!("{} {}.{};", data.len(), data.mtime(), data.mtime_nsec()),
        Err(_) => "absent;".to_owned(),
    }
}

fn release_of(build: &Path) -> Option<String> {
    // Debian's trees are prepared under the upstream version and set the release for make
    if let Ok(text) = fs::read_to_string(build.join(".kernelvariables"))
        && let Some(release) = text
            .lines()
            .find_map(|line| line.strip_prefix("override KERNELRELEASE = "))
    {
        return Some(release.trim().to_owned());
    }
    if let Ok(text) = fs::read_to_string(build.join("include/config/kernel.release")) {
        return Some(text.trim().to_owned());
    }
    let text = fs::read_to_string(build.join("include/generated/utsrelease.h")).ok()?;
    text.split('"').nth(1).map(str::to_owned)
}
