// SPDX-License-Identifier: GPL-2.0-or-later
//! Getting the newest cloud kernel of a suite into the cache.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::archive::{Archive, own_suite};
use super::unpack::{relocate, unpack};
use super::{KernelSet, MARKER, cache_folder, kernels_folder, list, toolchain};
use crate::{Error, Result};

/// What to fetch.
#[derive(Debug, Clone, Default)]
pub struct FetchRequest {
    /// The suite; the machine's own if absent.
    pub suite: Option<String>,
    /// A release that the suite still has; the one that the suite's meta package names if absent.
    pub release: Option<String>,
    /// Also the debug files: about 300 MB to fetch, 1.7 GB unpacked.
    pub debug: bool,
    /// Ask the archive for a newer release even if the suite's kernel is in the cache.
    pub newest: bool,
}

/// Fetches and unpacks a kernel unless the cache has it. `progress` is told what is being done.
/// Concurrent calls, also of other processes, wait for each other.
pub fn fetch(request: &FetchRequest, progress: &mut dyn FnMut(&str)) -> Result<KernelSet> {
    let kernels = kernels_folder()?;
    std::fs::create_dir_all(&kernels).map_err(|error| Error::io("create", &kernels, error))?;
    let _lock = lock(&kernels.join("lock"))?;
    if let Some(kernel) = cached(request)? {
        return Ok(kernel);
    }

    progress("asking the archive for its newest kernel");
    let archive = Archive::open(&cache_folder()?, request.suite.as_deref())?;
    let release = match &request.release {
        Some(release) => release.clone(),
        None => newest_release(&archive)?,
    };
    let sysroot = kernels.join(&release);
    if KernelSet::open(&sysroot).is_none() {
        progress(&format!("fetching {release}"));
        unpack_release(&archive, &release, &sysroot)?;
    }
    if request.debug && KernelSet::open(&sysroot).is_none_or(|kernel| kernel.debug.is_none()) {
        progress(&format!("fetching the debug files of {release}"));
        unpack_debug(&archive, &release, &sysroot)?;
    }
    KernelSet::open(&sysroot).ok_or_else(|| {
        Error::new(format!("the packages of {release} hold no bootable image"))
            .hint(format!("look into {}", sysroot.display()))
    })
}

pub(super) fn lock(path: &Path) -> Result<Flock<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| Error::io("open", path, error))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, error)| Error::io("lock", path, error.into()))
}

/// A kernel in the cache that already is what is asked for.
fn cached(request: &FetchRequest) -> Result<Option<KernelSet>> {
    if request.newest {
        return Ok(None);
    }
    let suite = match &request.suite {
        Some(suite) => suite.clone(),
        None => own_suite()?,
    };
    Ok(list()?.into_iter().rfind(|kernel| {
        kernel.suite == suite
            && request
                .release
                .as_ref()
                .is_none_or(|release| *release == kernel.release)
            && (!request.debug || kernel.debug.is_some())
    }))
}

/// The release that the meta package of the suite names today.
fn newest_release(archive: &Archive) -> Result<String> {
    archive
        .dependencies("linux-image-cloud-amd64")?
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .find(|name| !name.ends_with("-unsigned"))
        .map(str::to_string)
        .ok_or_else(|| Error::new(format!("suite {} names no cloud kernel", archive.suite)))
}

fn unpack_release(archive: &Archive, release: &str, sysroot: &Path) -> Result<()> {
    let packages = kernel_packages(archive, release)?;
    // Into a folder beside it first: a sysroot is there as a whole or not at all.
    let partial = sibling(sysroot, "partial")?;
    remove_folder(&partial)?;
    std::fs::create_dir_all(&partial).map_err(|error| Error::io("create", &partial, error))?;
    download_and_unpack(archive, &packages, &partial)?;
    relocate(&partial, release)?;
    toolchain::provide(archive, release, &partial)?;
    let marker = partial.join(MARKER);
    std::fs::write(&marker, format!("suite={}\n", archive.suite))
        .map_err(|error| Error::io("write", &marker, error))?;
    remove_folder(sysroot)?;
    std::fs::rename(&partial, sysroot).map_err(|error| Error::io("create", sysroot, error))
}

fn unpack_debug(archive: &Archive, release: &str, sysroot: &Path) -> Result<()> {
    // vmlinux appears last, by rename: KernelSet takes its presence for the whole.
    let partial = sibling(sysroot, "debug-partial")?;
    remove_folder(&partial)?;
    std::fs::create_dir_all(&partial).map_err(|error| Error::io("create", &partial, error))?;
    download_and_unpack(archive, &[format!("linux-image-{release}-dbg")], &partial)?;
    let (from, to) = (partial.join("usr/lib/debug"), sysroot.join("usr/lib/debug"));
    std::fs::create_dir_all(sysroot.join("usr/lib"))
        .and_then(|()| std::fs::rename(&from, &to))
        .map_err(|error| Error::io("create", &to, error))?;
    remove_folder(&partial)
}

/// The image, headers and kbuild packages of a release: what the image and header packages depend
/// on, followed through names that belong to the kernel.
fn kernel_packages(archive: &Archive, release: &str) -> Result<Vec<String>> {
    let mut packages = BTreeSet::new();
    let mut queue = vec![
        format!("linux-image-{release}"),
        format!("linux-headers-{release}"),
    ];
    while let Some(package) = queue.pop() {
        if packages.insert(package.clone()) {
            queue.extend(
                archive
                    .dependencies(&package)?
                    .into_iter()
                    .filter(|name| is_part_of_kernel(name, release)),
            );
        }
    }
    Ok(packages.into_iter().collect())
}

fn is_part_of_kernel(name: &str, release: &str) -> bool {
    if name.ends_with("-unsigned") {
        return false;
    }
    ["linux-headers-", "linux-kbuild-", "linux-compiler-"]
        .iter()
        .any(|p| name.starts_with(p))
        || (name.starts_with("linux-") && name.ends_with(release))
}

pub(super) fn download_and_unpack(
    archive: &Archive,
    packages: &[String],
    folder: &Path,
) -> Result<()> {
    let downloads = sibling(folder, "packages")?;
    remove_folder(&downloads)?;
    for package in archive.download(packages, &downloads)? {
        unpack(&package, folder)?;
    }
    remove_folder(&downloads)
}

pub(super) fn sibling(folder: &Path, suffix: &str) -> Result<PathBuf> {
    let name = folder
        .file_name()
        .ok_or_else(|| Error::new(format!("{} is no folder's name", folder.display())))?;
    Ok(folder.with_file_name(format!(
        ".{}.{suffix}",
        name.to_string_lossy().trim_start_matches('.')
    )))
}

pub(super) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder, error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_packages_are_told_from_others() {
        let release = "7.2.13+deb14-cloud-amd64";
        for name in [
            "linux-modules-7.2.13+deb14-cloud-amd64",
            "linux-headers-7.2.13+deb14-common",
            "linux-kbuild-7.2.13+deb14",
        ] {
            assert!(is_part_of_kernel(name, release), "{name}");
        }
        for name in [
            "linux-base",
            "gcc-16",
            "linux-image-7.2.13+deb14-cloud-amd64-unsigned",
        ] {
            assert!(!is_part_of_kernel(name, release), "{name}");
        }
    }
}
