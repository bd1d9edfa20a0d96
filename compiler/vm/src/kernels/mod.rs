// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernels as the distribution packages them, unpacked into a cache folder and never installed.
//!
//! Each release has one folder, its *sysroot*, laid out like the root of a machine that has it:
//! `boot/vmlinuz-R`, `lib/modules/R`, `usr/src/linux-headers-R`, `usr/lib/debug/boot/vmlinux-R`.
//! The header tree is made relocatable, so that `make -C SYSROOT/usr/src/linux-headers-R M=…`
//! works anywhere.

mod archive;
mod fetch;
pub mod sanitize;
pub mod symbols;
mod toolchain;
mod unpack;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

pub use fetch::{FetchRequest, fetch};

use crate::{Error, Result};

/// Marks a sysroot as complete; holds `name=value` lines.
const MARKER: &str = ".rstap-kernel";
/// What stands for a suite where the kernel is one that checks itself.
const SANITIZE: &str = "sanitize";

/// Where things of one kernel release are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSet {
    /// The release as `uname -r` prints it.
    pub release: String,
    /// The suite of the distribution it came from, for instance `bookworm`.
    pub suite: String,
    /// The folder that looks like a root file system; `rstap --sysroot` takes it.
    pub sysroot: PathBuf,
    /// The bootable image.
    pub vmlinuz: PathBuf,
    /// `lib/modules/RELEASE`.
    pub modules: PathBuf,
    /// The tree for building modules.
    pub headers: PathBuf,
    /// `vmlinux` with DWARF, if the debug package was fetched.
    pub debug: Option<PathBuf>,
}

impl KernelSet {
    /// True for the kernel that [`sanitize::build`] makes.
    pub fn checks_itself(&self) -> bool {
        self.suite == SANITIZE
    }

    /// True if it was configured with this option (`CONFIG_…`), built in or as a module.
    pub fn has_option(&self, name: &str) -> bool {
        let text = std::fs::read_to_string(self.headers.join(".config")).unwrap_or_default();
        text.lines().any(|line| {
            line.strip_prefix(name)
                .is_some_and(|value| value == "=y" || value == "=m")
        })
    }

    /// How many times longer than on the distribution's kernel things may take.
    pub fn slowness(&self) -> u32 {
        if self.checks_itself() { 8 } else { 1 }
    }

    /// Describes the complete sysroot at `sysroot`, or `None` if it is not one.
    fn open(sysroot: &Path) -> Option<KernelSet> {
        let marker = std::fs::read_to_string(sysroot.join(MARKER)).ok()?;
        let release = sysroot.file_name()?.to_str()?.to_string();
        let suite = marker
            .lines()
            .find_map(|line| line.strip_prefix("suite="))?
            .to_string();
        let modules = sysroot.join("lib/modules").join(&release);
        let vmlinuz = [
            sysroot.join(format!("boot/vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ]
        .into_iter()
        .find(|file| file.is_file())?;
        let debug = sysroot.join(format!("usr/lib/debug/boot/vmlinux-{release}"));
        Some(KernelSet {
            headers: sysroot.join(format!("usr/src/linux-headers-{release}")),
            debug: debug.is_file().then_some(debug),
            sysroot: sysroot.to_path_buf(),
            release,
            suite,
            vmlinuz,
            modules,
        })
    }
}

/// The folder that holds what this project caches for the user: `$RSTAP_CACHE_DIR`, or
/// `$XDG_CACHE_HOME/rstap`, or `~/.cache/rstap`.
pub fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = non_empty("RSTAP_CACHE_DIR") {
        return Ok(folder);
    }
    if let Some(folder) = non_empty("XDG_CACHE_HOME") {
        return Ok(folder.join("rstap"));
    }
    non_empty("HOME")
        .map(|home| home.join(".cache/rstap"))
        .ok_or_else(|| {
            Error::new("there is no folder to keep kernels in: HOME is not set")
                .hint("set RSTAP_CACHE_DIR to a folder that you can write")
        })
}

fn non_empty(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The folder with one sysroot per release.
fn kernels_folder() -> Result<PathBuf> {
    Ok(cache_folder()?.join("kernels"))
}

/// All kernels that were fetched, oldest release first.
pub fn list() -> Result<Vec<KernelSet>> {
    let folder = kernels_folder()?;
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &folder, error)),
    };
    let mut kernels: Vec<KernelSet> = entries
        .flatten()
        .filter_map(|entry| KernelSet::open(&entry.path()))
        .collect();
    kernels.sort_by(|a, b| compare_releases(&a.release, &b.release));
    Ok(kernels)
}

/// A fetched kernel: the one of release `wanted`, else the newest whose release or suite begins
/// with it (`6.12`, `trixie`); without a wish, the newest one of this machine's own suite, else
/// the newest of all.
pub fn find(wanted: Option<&str>) -> Result<KernelSet> {
    let kernels = list()?;
    let chosen = match wanted {
        Some(wanted) => kernels
            .iter()
            .rfind(|kernel| kernel.release == wanted)
            .or_else(|| kernels.iter().rfind(|kernel| begins_with(kernel, wanted))),
        None => {
            let own = archive::own_suite().ok();
            kernels
                .iter()
                .rfind(|kernel| Some(&kernel.suite) == own.as_ref())
                .or_else(|| kernels.iter().rfind(|kernel| !kernel.checks_itself()))
        }
    };
    chosen.cloned().ok_or_else(|| {
        if wanted == Some(SANITIZE) {
            return Error::new("the kernel that checks itself was not built yet")
                .hint("build it with: rstap-lab build");
        }
        let have: Vec<&str> = kernels
            .iter()
            .map(|kernel| kernel.release.as_str())
            .collect();
        Error::new(match wanted {
            Some(wanted) if have.is_empty() => format!("no kernel {wanted} was fetched, nor any"),
            Some(wanted) => {
                format!(
                    "no kernel {wanted} was fetched; there are: {}",
                    have.join(", ")
                )
            }
            None => "no kernel was fetched yet for the virtual machine".to_string(),
        })
        .hint("fetch one with: rstap-lab fetch [--suite NAME] [--with-debug]")
    })
}

/// `6.1` stands for 6.1.x but not for 6.12.
fn begins_with(kernel: &KernelSet, wanted: &str) -> bool {
    if kernel.suite == wanted {
        return true;
    }
    // Who asks for 6.1 does not want one that is slow.
    !kernel.checks_itself()
        && kernel.release.strip_prefix(wanted).is_some_and(|rest| {
            let digit = |text: Option<char>| text.is_some_and(|c| c.is_ascii_digit());
            !(digit(rest.chars().next()) && digit(wanted.chars().last()))
        })
}

/// Orders releases by their numbers: 6.2 comes before 6.12.
fn compare_releases(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect()
    };
    numbers(a).cmp(&numbers(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(release: &str, suite: &str) -> KernelSet {
        KernelSet {
            release: release.into(),
            suite: suite.into(),
            sysroot: PathBuf::new(),
            vmlinuz: PathBuf::new(),
            modules: PathBuf::new(),
            headers: PathBuf::new(),
            debug: None,
        }
    }

    #[test]
    fn a_prefix_ends_at_a_number() {
        let new = kernel("6.12.117+deb13-cloud-amd64", "trixie");
        assert!(begins_with(&new, "6.12"));
        assert!(begins_with(&new, "trixie"));
        assert!(begins_with(&new, "6."));
        assert!(!begins_with(&new, "6.1"));
    }

    #[test]
    fn one_that_checks_itself_is_had_by_its_name() {
        let slow = kernel("6.1.192-sanitize", SANITIZE);
        assert!(begins_with(&slow, SANITIZE));
        assert!(!begins_with(&slow, "6.1"));
    }

    #[test]
    fn releases_are_ordered_by_number() {
        assert_eq!(compare_releases("6.2.0-1", "6.12.0-1"), Ordering::Less);
        assert_eq!(
            compare_releases("6.1.0-56-cloud", "6.1.0-9-cloud"),
            Ordering::Greater
        );
    }
}
