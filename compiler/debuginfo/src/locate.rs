// SPDX-License-Identifier: GPL-2.0-or-later

//! Finding the files of a kernel: headers, debug files, BTF, modules.

use std::path::{Path, PathBuf};

use crate::debuginfod::DebugServers;
use crate::elf::Elf;
use crate::error::{Error, Result};

/// Which kernel is meant.
#[derive(Debug, Clone, Default)]
pub struct KernelRequest {
    /// Release as `uname -r` prints it. Without it: the build tree's, else the
    /// one under `sysroot` if there is only one, else the running kernel's.
    pub release: Option<String>,
    /// Tree in which modules are built, if not the release's own.
    pub build_dir: Option<PathBuf>,
    /// Directory that takes the place of `/`, with unpacked packages.
    pub sysroot: Option<PathBuf>,
    /// `$SYSTEMTAP_DEBUGINFO_PATH`: directories separated by `:`; `build` is
    /// the build tree.
    pub debuginfo_path: Option<String>,
    /// Where debug files that are not here may be fetched from.
    pub servers: Option<DebugServers>,
}

/// Something that would help and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What it is.
    pub what: MissingPart,
    /// Which places were looked at.
    pub looked_in: Vec<PathBuf>,
    /// The command that brings it, if known for this distribution.
    pub command: Option<String>,
}

/// Parts of a kernel that can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissingPart {
    /// Build tree with headers: no module can be built without it.
    Headers,
    /// vmlinux with DWARF: locals, statements, inlined functions.
    DebugInfo,
    /// BTF: types without DWARF.
    Btf,
    /// Directory of modules.
    Modules,
    /// System.map or kallsyms.
    Symbols,
}

/// Where the files of one kernel are.
#[derive(Debug, Clone, Default)]
pub struct KernelPaths {
    /// Release as `uname -r` prints it.
    pub release: String,
    /// It is the kernel that runs here.
    pub running: bool,
    /// `/` or the directory in its place.
    pub sysroot: PathBuf,
    /// Tree in which modules are built.
    pub build_dir: Option<PathBuf>,
    /// vmlinux with DWARF.
    pub vmlinux: Option<PathBuf>,
    /// Bootable image, `vmlinuz`.
    pub image: Option<PathBuf>,
    /// File with the kernel's BTF: raw, or an ELF file with a `.BTF` section.
    pub btf: Option<PathBuf>,
    /// Directory with BTF of loaded modules (`/sys/kernel/btf`), if running.
    pub module_btf_dir: Option<PathBuf>,
    /// System.map with real contents, or `/proc/kallsyms` if running.
    pub symbols: Option<PathBuf>,
    /// `lib/modules/R`.
    pub modules_dir: Option<PathBuf>,
    /// Directories that hold debug files of modules, in the layout of
    /// `lib/modules/R`.
    pub debug_module_dirs: Vec<PathBuf>,
    /// Directories searched for `.build-id/xx/yyyy.debug`.
    pub debug_roots: Vec<PathBuf>,
    /// Kernel configuration.
    pub config: Option<PathBuf>,
    /// Where debug files that are not here may be fetched from, once they are
    /// needed.
    pub servers: Option<DebugServers>,
    /// What was not found.
    pub missing: Vec<Missing>,
}

/// The running kernel's release.
pub fn running_release() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/osrelease");
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_string()),
        Err(error) => {
            Err(Error::in_file(path, error.to_string()).hint("name the kernel with -r RELEASE"))
        }
    }
}

impl KernelPaths {
    /// Looks for everything that belongs to a kernel. What is not there is
    /// noted in `missing`; only a kernel without a name is an error.
    pub fn locate(request: &KernelRequest) -> Result<KernelPaths> {
        let sysroot = request
            .sysroot
            .clone()
            .unwrap_or_else(|| PathBuf::from("/"));
        let running = running_release().ok();
        let release = match (&request.release, &request.build_dir) {
            (Some(release), _) => release.clone(),
            (None, Some(build_dir)) => release_of_build_dir(build_dir)?,
            (None, None) if request.sysroot.is_some() => only_release_under(&sysroot)?,
            (None, None) => running_release()?,
        };
        let running = request.sysroot.is_none() && running.as_deref() == Some(release.as_str());
        let mut paths = KernelPaths {
            release,
            running,
            sysroot,
            servers: request.servers.clone(),
            ..KernelPaths::default()
        };
        paths.find_build_dir(request);
        paths.find_debug_roots(request);
        paths.find_modules();
        paths.find_vmlinux();
        paths.find_btf();
        paths.find_symbols();
        let release = &paths.release;
        let config = [
            paths.build_dir.as_ref().map(|dir| dir.join(".config")),
            Some(paths.at(&format!("boot/config-{release}"))),
            paths.modules_dir.as_ref().map(|dir| dir.join("config")),
            paths.running.then(|| PathBuf::from("/proc/config.gz")),
        ];
        paths.config = config.into_iter().flatten().find(|path| path.is_file());
        let image = [
            Some(paths.at(&format!("boot/vmlinuz-{release}"))),
            paths.modules_dir.as_ref().map(|dir| dir.join("vmlinuz")),
        ];
        paths.image = image.into_iter().flatten().find(|path| path.is_file());
        Ok(paths)
    }

    fn at(&self, relative: &str) -> PathBuf {
        self.sysroot.join(relative)
    }

    fn find_build_dir(&mut self, request: &KernelRequest) {
        let release = &self.release;
        let candidates = match &request.build_dir {
            Some(dir) => vec![dir.clone()],
            None => vec![
                self.at(&format!("lib/modules/{release}/build")),
                self.at(&format!("usr/lib/modules/{release}/build")),
                self.at(&format!("usr/src/linux-headers-{release}")),
                self.at(&format!("usr/src/kernels/{release}")),
            ],
        };
        let candidates: Vec<PathBuf> = candidates
            .iter()
            .map(|path| within(&self.sysroot, path))
            .collect();
        self.build_dir = candidates
            .iter()
            .find(|dir| dir.join("Makefile").is_file())
            .cloned();
        if self.build_dir.is_none() {
            self.miss(MissingPart::Headers, candidates);
        }
    }

    fn find_debug_roots(&mut self, request: &KernelRequest) {
        let mut roots = Vec::new();
        let path = request
            .debuginfo_path
            .as_deref()
            .unwrap_or("/usr/lib/debug:build");
        for part in path.split(':') {
            // "+" and "-" say whether elfutils checks the CRC.
            let part = part.trim_start_matches(['+', '-']);
            if part == "build" {
                roots.extend(self.build_dir.clone());
            } else if part.starts_with('/') {
                // A directory named by the user may lie outside the sysroot.
                if request.debuginfo_path.is_some() {
                    roots.push(PathBuf::from(part));
                }
                roots.push(self.at(part.trim_start_matches('/')));
            }
        }
        roots.dedup();
        self.debug_roots = roots;
    }

    fn find_modules(&mut self) {
        let release = &self.release;
        let candidates: Vec<PathBuf> = ["lib/modules", "usr/lib/modules"]
            .iter()
            .map(|dir| self.at(&format!("{dir}/{release}")))
            .collect();
        self.modules_dir = candidates
            .iter()
            .find(|dir| dir.join("kernel").is_dir())
            .cloned();
        if self.modules_dir.is_none() {
            self.miss(MissingPart::Modules, candidates);
        }
        let mut debug = Vec::new();
        for root in &self.debug_roots {
            for layout in ["lib/modules", "usr/lib/modules"] {
                debug.push(root.join(layout).join(&self.release));
            }
            // The build tree itself, if the kernel was built there.
            debug.push(root.clone());
        }
        debug.retain(|dir| dir.join("kernel").is_dir());
        debug.dedup();
        self.debug_module_dirs = debug;
    }

    fn find_vmlinux(&mut self) {
        let release = &self.release;
        let mut candidates = Vec::new();
        for root in &self.debug_roots {
            candidates.push(root.join(format!("boot/vmlinux-{release}")));
            candidates.push(root.join(format!("lib/modules/{release}/vmlinux")));
            candidates.push(root.join(format!("usr/lib/modules/{release}/vmlinux")));
            candidates.push(root.join(format!("vmlinux-{release}")));
            candidates.push(root.join("vmlinux"));
        }
        candidates.push(self.at(&format!("boot/vmlinux-{release}")));
        candidates.extend(self.modules_dir.as_ref().map(|dir| dir.join("vmlinux")));
        candidates.extend(self.build_dir.as_ref().map(|dir| dir.join("vmlinux")));
        if self.running
            && let Some(build_id) = running_build_id()
        {
            candidates.extend(
                self.debug_roots
                    .iter()
                    .filter_map(|root| build_id_path(root, &build_id)),
            );
        }
        self.vmlinux = candidates
            .iter()
            .find(|path| has_section(path, ".debug_info"))
            .cloned();
        if self.vmlinux.is_none() {
            self.miss(MissingPart::DebugInfo, candidates);
        }
    }

    fn find_btf(&mut self) {
        let mut candidates = Vec::new();
        if self.running {
            candidates.push(PathBuf::from("/sys/kernel/btf/vmlinux"));
            self.module_btf_dir = Some(PathBuf::from("/sys/kernel/btf")).filter(|dir| dir.is_dir());
        }
        let release = &self.release;
        candidates.push(self.at(&format!("boot/vmlinux-{release}.btf")));
        candidates.extend(self.build_dir.as_ref().map(|dir| dir.join("vmlinux")));
        candidates.extend(self.modules_dir.as_ref().map(|dir| dir.join("vmlinux")));
        candidates.extend(self.vmlinux.clone());
        self.btf = candidates.iter().find(|path| is_btf(path)).cloned();
        if self.btf.is_none() {
            self.miss(MissingPart::Btf, candidates);
        }
    }

    fn find_symbols(&mut self) {
        let release = &self.release;
        let mut candidates = Vec::new();
        for root in &self.debug_roots {
            candidates.push(root.join(format!("boot/System.map-{release}")));
            candidates.push(root.join("System.map"));
        }
        candidates.push(self.at(&format!("boot/System.map-{release}")));
        candidates.extend(self.modules_dir.as_ref().map(|dir| dir.join("System.map")));
        candidates.extend(self.build_dir.as_ref().map(|dir| dir.join("System.map")));
        // Debian's is a stub of one line that says where the real one is.
        let real = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|data| data.len() > 4096);
        self.symbols = candidates.iter().find(|path| real(path)).cloned();
        if self.symbols.is_none() && self.running {
            self.symbols = Some(PathBuf::from("/proc/kallsyms")).filter(|path| path.exists());
        }
        if self.symbols.is_none() && self.vmlinux.is_none() {
            self.miss(MissingPart::Symbols, candidates);
        }
    }

    /// The kernel's build id: of the one that runs, or of the bootable image,
    /// which takes a part of a second to unpack.
    pub(crate) fn build_id(&self) -> Option<String> {
        if self.running {
            return running_build_id();
        }
        let kernel = Elf::open_image(self.image.as_ref()?).ok()?;
        build_id_in(kernel.section_data(".notes").ok()?)
    }

    fn miss(&mut self, what: MissingPart, looked_in: Vec<PathBuf>) {
        let command = command_for(what, &self.release, &distribution());
        self.missing.push(Missing {
            what,
            looked_in,
            command,
        });
    }

    /// Adds what this process can still do about a missing part.
    pub fn hint_for(&self, what: MissingPart) -> Option<&str> {
        self.missing
            .iter()
            .find(|missing| missing.what == what)?
            .command
            .as_deref()
    }
}

/// The place of a debug file with this build id below a debug directory.
pub(crate) fn build_id_path(root: &Path, build_id: &str) -> Option<PathBuf> {
    let (first, rest) = build_id.split_at_checked(2)?;
    Some(
        root.join(".build-id")
            .join(first)
            .join(format!("{rest}.debug")),
    )
}

fn has_section(path: &Path, section: &str) -> bool {
    path.is_file() && Elf::open(path).is_ok_and(|elf| elf.has_section(section))
}

fn is_btf(path: &Path) -> bool {
    use std::io::Read as _;

    let mut magic = [0; 2];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && (magic == [0x9f, 0xeb] || has_section(path, ".BTF"))
}

/// Follows a symbolic link that was made for the system which `sysroot` is.
fn within(sysroot: &Path, path: &Path) -> PathBuf {
    match std::fs::read_link(path) {
        Ok(target) if target.is_absolute() && sysroot != Path::new("/") => {
            let inside = sysroot.join(target.strip_prefix("/").unwrap_or(&target));
            if inside.exists() {
                inside
            } else {
                path.to_path_buf()
            }
        }
        _ => path.to_path_buf(),
    }
}

fn release_of_build_dir(dir: &Path) -> Result<String> {
    let path = dir.join("include/config/kernel.release");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_string()),
        Err(error) => Err(Error::in_file(&path, error.to_string()).hint(format!(
            "{} is not a kernel build tree; run make prepare in it",
            dir.display()
        ))),
    }
}

fn only_release_under(sysroot: &Path) -> Result<String> {
    let mut releases: Vec<String> = ["lib/modules", "usr/lib/modules"]
        .iter()
        .filter_map(|dir| std::fs::read_dir(sysroot.join(dir)).ok())
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    releases.sort();
    releases.dedup();
    match releases.as_slice() {
        [release] => Ok(release.clone()),
        [] => Err(Error::in_file(sysroot, "no kernel under lib/modules")
            .hint("name the kernel with -r RELEASE")),
        several => Err(
            Error::in_file(sysroot, format!("several kernels: {}", several.join(", ")))
                .hint("choose one with -r RELEASE"),
        ),
    }
}

/// Build id of the running kernel, from its notes.
fn running_build_id() -> Option<String> {
    build_id_in(&std::fs::read("/sys/kernel/notes").ok()?)
}

/// The build id among notes.
fn build_id_in(notes: &[u8]) -> Option<String> {
    let word = |at: usize| {
        Some(u32::from_le_bytes(notes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize)
    };
    let mut at = 0_usize;
    loop {
        let (name_size, size, kind) = (word(at)?, word(at + 4)?, word(at + 8)?);
        let name = at + 12;
        let data = name.checked_add(name_size)?.next_multiple_of(4);
        if kind == 3 && notes.get(name..name.checked_add(3)?) == Some(b"GNU") {
            let id = notes.get(data..data.checked_add(size)?)?;
            return Some(id.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        at = data.checked_add(size)?.next_multiple_of(4);
    }
}

/// `ID` and `ID_LIKE` of this machine's distribution.
fn distribution() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_matches('"').to_string()
    };
    format!("{} {}", field("ID="), field("ID_LIKE="))
}

fn command_for(what: MissingPart, release: &str, distribution: &str) -> Option<String> {
    let is = |name: &str| distribution.split(' ').any(|word| word == name);
    if is("ubuntu") {
        return match what {
            MissingPart::Headers => Some(format!("apt-get install linux-headers-{release}")),
            MissingPart::DebugInfo => Some(format!("apt-get install linux-image-{release}-dbgsym")),
            MissingPart::Modules => Some(format!("apt-get install linux-modules-{release}")),
            _ => None,
        };
    }
    if is("debian") {
        return match what {
            MissingPart::Headers => Some(format!("apt-get install linux-headers-{release}")),
            MissingPart::DebugInfo | MissingPart::Symbols => {
                Some(format!("apt-get install linux-image-{release}-dbg"))
            }
            MissingPart::Modules => Some(format!("apt-get install linux-image-{release}")),
            MissingPart::Btf => None,
        };
    }
    if is("fedora") || is("rhel") || is("centos") {
        return match what {
            MissingPart::Headers => Some(format!("dnf install kernel-devel-{release}")),
            MissingPart::DebugInfo => Some(format!("dnf debuginfo-install kernel-{release}")),
            MissingPart::Modules => Some(format!("dnf install kernel-modules-{release}")),
            _ => None,
        };
    }
    None
}
