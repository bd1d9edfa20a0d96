// SPDX-License-Identifier: GPL-2.0-or-later
//! Facts about the running kernel, from `/proc` and `/sys`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::module::{RunningKernel, is_module_name};
use crate::report::{Failure, Result};

/// Directory under which each module of rstap has its files.
pub const MODULES_DIRECTORY: &str = "/proc/systemtap";

/// `uname -r` and the build-id of the running kernel.
///
/// # Errors
/// `/proc` is not mounted.
pub fn running() -> Result<RunningKernel> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "cannot read /proc/sys/kernel/osrelease: {error}; is /proc mounted?"
        ))
    };
    let release =
        fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|error| failed(&error))?;
    if release.trim().is_empty() {
        return Err(failed(&"it is empty"));
    }
    let build_id = fs::read("/sys/kernel/notes")
        .ok()
        .and_then(|notes| build_id(&notes));
    Ok(RunningKernel {
        release: release.trim().to_owned(),
        build_id,
    })
}

/// The build-id among ELF notes (`NT_GNU_BUILD_ID`, owner `GNU`).
#[must_use]
pub fn build_id(mut notes: &[u8]) -> Option<String> {
    const BUILD_ID: u32 = 3;
    loop {
        let word = |at: usize| {
            let bytes = notes.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let (name, size, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let name_end = 12usize.checked_add(name)?;
        let start = name_end.checked_next_multiple_of(4)?;
        let end = start.checked_add(size)?;
        let owner = notes.get(12..name_end)?;
        let content = notes.get(start..end)?;
        if kind == BUILD_ID && owner == b"GNU\0" {
            return Some(content.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

/// The build-id of a loaded module of the kernel; `None` when it is not loaded or has none.
#[must_use]
pub fn module_build_id(module: &str) -> Option<String> {
    let module = module.replace('-', "_");
    if !is_module_name(&module) {
        return None;
    }
    let notes = fs::read(format!("/sys/module/{module}/notes/.note.gnu.build-id")).ok()?;
    build_id(&notes)
}

/// What `/proc/kallsyms` says of the symbols that were asked for.
#[derive(Debug, Default)]
pub struct Symbols {
    found: HashMap<String, Candidates>,
}

#[derive(Debug, Default)]
struct Candidates {
    global: Option<u64>,
    local: Vec<u64>,
}

impl Symbols {
    /// Looks names up in the kernel proper.
    ///
    /// # Errors
    /// `/proc/kallsyms` cannot be read or hides addresses.
    pub fn look_up<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Symbols> {
        let file = File::open("/proc/kallsyms")
            .map_err(|error| Failure::new(format!("cannot read /proc/kallsyms: {error}")))?;
        Symbols::scan(BufReader::with_capacity(1 << 18, file), names)
    }

    fn scan<'a>(
        mut reader: impl std::io::BufRead,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Symbols> {
        let mut found: HashMap<String, Candidates> = names
            .into_iter()
            .map(|name| (name.to_owned(), Candidates::default()))
            .collect();
        let mut line = Vec::new();
        let mut hidden = true;
        let mut wanted = found.len();
        loop {
            line.clear();
            let count = reader
                .read_until(b'\n', &mut line)
                .map_err(|error| Failure::new(format!("cannot read /proc/kallsyms: {error}")))?;
            if count == 0 {
                break;
            }
            let mut words = line
                .split(|byte| byte.is_ascii_whitespace())
                .filter(|word| !word.is_empty());
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            // Symbols of modules come last, with "[module]" behind the name.
            if words.next().is_some() {
                break;
            }
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            let Some(candidates) = found.get_mut(name) else {
                continue;
            };
            let address = std::str::from_utf8(address).unwrap_or_default();
            let address = u64::from_str_radix(address, 16).unwrap_or(0);
            if address == 0 {
                continue;
            }
            hidden = false;
            if kind.first().is_some_and(u8::is_ascii_uppercase) {
                wanted -= usize::from(candidates.global.is_none());
                candidates.global = Some(address);
                // The kernel takes long to print the rest.
                if wanted == 0 {
                    break;
                }
            } else {
                candidates.local.push(address);
            }
        }
        if hidden && !found.is_empty() {
            return Err(Failure::new(
                "/proc/kallsyms shows no addresses; staprun needs CAP_SYSLOG, and \
                 kernel.kptr_restrict must not be 2 (sysctl kernel.kptr_restrict=1)",
            ));
        }
        Ok(Symbols { found })
    }

    /// The address of a symbol, unless several local ones share the name.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<u64> {
        let candidates = self.found.get(name)?;
        match (candidates.global, candidates.local.as_slice()) {
            (Some(address), _) => Some(address),
            (None, [address]) => Some(*address),
            _ => None,
        }
    }
}

/// What a kernel module is at: `live`, `coming` or `going`; `None` when it is not loaded.
#[must_use]
pub fn module_state(module: &str) -> Option<String> {
    let module = module.replace('-', "_");
    if !is_module_name(&module) {
        return None;
    }
    // Built-in modules have a folder too, but no initstate.
    let state = fs::read_to_string(format!("/sys/module/{module}/initstate")).ok()?;
    Some(state.trim().to_owned())
}

/// Sections of a loaded kernel module with their addresses; empty when it is
/// not loaded. Sections that are freed after start are given as 0.
#[must_use]
pub fn module_sections(module: &str) -> Vec<(String, u64)> {
    let module = module.replace('-', "_");
    if !is_module_name(&module) {
        return Vec::new();
    }
    let Ok(directory) = fs::read_dir(format!("/sys/module/{module}/sections")) else {
        return Vec::new();
    };
    let mut sections = Vec::new();
    for entry in directory.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let Ok(text) = fs::read_to_string(entry.path()) else {
            continue;
        };
        let digits = text.trim().trim_start_matches("0x");
        let Ok(address) = u64::from_str_radix(digits, 16) else {
            continue;
        };
        sections.push((
            name.clone(),
            if name.starts_with(".init") {
                0
            } else {
                address
            },
        ));
    }
    sections.sort();
    sections
}

/// Whether a module of that name is loaded.
#[must_use]
pub fn is_loaded(name: &str) -> bool {
    module_state(name).is_some()
}

/// Whether a loaded module is one of rstap's.
#[must_use]
pub fn is_rstap_module(name: &str) -> bool {
    is_module_name(name)
        && Path::new(&format!("{MODULES_DIRECTORY}/{name}/.cmd")).exists()
        && (name.starts_with("rstap_")
            || Path::new(&format!("/sys/module/{name}/parameters/rstap_buffer_kb")).exists())
}

/// Whether a loaded module of rstap writes a file for each CPU, see `load::insert`.
#[must_use]
pub fn is_bulk_module(name: &str) -> bool {
    fs::read(format!("/sys/module/{name}/parameters/rstap_bulk"))
        .is_ok_and(|value| value.starts_with(b"Y"))
}

/// All loaded modules of rstap and how often each is in use.
///
/// # Errors
/// `/proc` is not mounted.
pub fn loaded_rstap_modules() -> Result<Vec<(String, u64)>> {
    let text = fs::read_to_string("/proc/modules").map_err(|error| {
        Failure::new(format!(
            "cannot read /proc/modules: {error}; is /proc mounted?"
        ))
    })?;
    let modules = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        let uses = words.nth(1)?.parse().ok()?;
        is_rstap_module(name).then(|| (name.to_owned(), uses))
    });
    Ok(modules.collect())
}

/// Numbers of the CPUs that are online; none without `/sys`.
#[must_use]
pub fn online_cpus() -> Vec<u32> {
    cpu_list(&fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default())
}

/// `0-2,5` (Documentation/admin-guide/cputopology.rst). What is no number is left out.
fn cpu_list(text: &str) -> Vec<u32> {
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// The process that a thread belongs to; `None` without `/proc`, or when it has just ended.
#[must_use]
pub fn process_of(thread: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// The kernel's log from a moment on.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Follows the log from now on, if this user may read it.
    #[must_use]
    pub fn from_now() -> Option<Log> {
        let mut file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        Some(Log(file))
    }

    /// The messages since then, at most eight. A read gives one record: `numbers;text`, and lines
    /// that begin with a space (`Documentation/ABI/testing/dev-kmsg`).
    #[must_use]
    pub fn lines(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut record = [0; 8192];
        while lines.len() < 8 {
            match self.0.read(&mut record) {
                Ok(length) if length > 0 => {
                    let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                    let first = text.lines().next().and_then(|line| line.split_once(';'));
                    lines.extend(first.map(|(_, text)| text.to_owned()));
                }
                _ => break,
            }
        }
        lines
    }
}

/// Why the kernel refuses unsigned modules, as far as it can be told.
#[must_use]
pub fn lockdown_reason() -> Option<&'static str> {
    let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[integrity]") || lockdown.contains("[confidentiality]") {
        return Some("the kernel is locked down (as with Secure Boot)");
    }
    let enforce =
        fs::read_to_string("/sys/module/module/parameters/sig_enforce").unwrap_or_default();
    enforce
        .starts_with(['Y', '1'])
        .then_some("the kernel takes signed modules only (sig_enforce)")
}

/// Whether loading modules was switched off until the next boot.
#[must_use]
pub fn modules_disabled() -> bool {
    fs::read_to_string("/proc/sys/kernel/modules_disabled").is_ok_and(|text| text.trim() == "1")
}

/// Reads a whole file that is already open; at most 1 GiB is believed to be a
/// module.
///
/// # Errors
/// The reading fails or the file is larger.
pub fn read_open_file(file: &mut File, path: &str) -> Result<Vec<u8>> {
    const MAXIMUM: u64 = 1 << 30;
    let mut bytes = Vec::new();
    file.take(MAXIMUM + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("cannot read {path}: {error}")))?;
    if bytes.len() as u64 > MAXIMUM {
        return Err(Failure::new(format!(
            "cannot load {path}: it is larger than 1 GiB"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_are_online_have_gaps() {
        assert_eq!(cpu_list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(cpu_list("0\n"), [0]);
        assert_eq!(cpu_list(""), [0; 0]);
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes() {
        let mut notes = Vec::new();
        let mut note = |kind: u32, name: &[u8], content: &[u8]| {
            notes.extend_from_slice(&(name.len() as u32).to_ne_bytes());
            notes.extend_from_slice(&(content.len() as u32).to_ne_bytes());
            notes.extend_from_slice(&kind.to_ne_bytes());
            notes.extend_from_slice(name);
            notes.resize(notes.len().next_multiple_of(4), 0);
            notes.extend_from_slice(content);
            notes.resize(notes.len().next_multiple_of(4), 0);
        };
        note(3, b"Xen\0", b"\x01\x02\x03");
        note(3, b"GNU\0", b"\xab\xcd");
        assert_eq!(build_id(&notes).as_deref(), Some("abcd"));
        for length in 0..notes.len() - 4 {
            assert_eq!(build_id(&notes[..length]), None);
        }
        assert_eq!(build_id(&[0xff; 64]), None);
    }

    #[test]
    fn symbols_are_taken_when_there_is_one_meaning() {
        let text = "ffffffff81000000 T _stext\n\
            ffffffff81000010 t twice\n\
            ffffffff81000020 t twice\n\
            ffffffff81000030 t once\n\
            ffffffff81000040 t both\n\
            ffffffff81000050 T both\n\
            ffffffffc0000000 t late\t[e1000]\n";
        let names = ["_stext", "twice", "once", "both", "late", "none"];
        let symbols = Symbols::scan(text.as_bytes(), names).expect("readable");
        assert_eq!(symbols.address("_stext"), Some(0xffff_ffff_8100_0000));
        assert_eq!(symbols.address("twice"), None);
        assert_eq!(symbols.address("once"), Some(0xffff_ffff_8100_0030));
        assert_eq!(symbols.address("both"), Some(0xffff_ffff_8100_0050));
        assert_eq!(symbols.address("late"), None);
        assert_eq!(symbols.address("none"), None);
    }

    #[test]
    fn nothing_is_read_behind_the_last_global_symbol() {
        let text = "ffffffff81000000 T _stext\nffffffff81000010 T _stext\n";
        let symbols = Symbols::scan(text.as_bytes(), ["_stext"]).expect("readable");
        assert_eq!(symbols.address("_stext"), Some(0xffff_ffff_8100_0000));
    }

    #[test]
    fn hidden_addresses_are_explained() {
        let text = "0000000000000000 T _stext\n";
        let failure = Symbols::scan(text.as_bytes(), ["_stext"]).expect_err("hidden");
        assert!(failure.0.contains("kptr_restrict"));
    }
}
