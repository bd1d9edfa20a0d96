// SPDX-License-Identifier: GPL-2.0-or-later
//! A module's file: what it says of itself, the checks before it is loaded, and
//! the two changes made to the copy in memory (a new name, missing symbols).

use crate::elf::{Elf, MACHINE_AARCH64, MACHINE_X86_64, WeakSymbol};
use crate::report::{Failure, Result};

/// Last bytes of a signed module (`include/linux/module_signature.h`).
const SIGNATURE_END: &[u8] = b"~Module signature appended~\n";
/// Longest name of a module: `MODULE_NAME_LEN` less the NUL
/// (`include/linux/module.h`: 64 - sizeof(unsigned long)).
pub const NAME_MAXIMUM: usize = 55;
/// Where `char name[]` is in `struct module`, after `state` and `list`.
const NAME_OFFSET: usize = 24;

/// A module as read from its file; patched in place before it is loaded.
#[derive(Debug)]
pub struct ModuleFile {
    /// Its path, for messages.
    pub path: String,
    /// Its bytes.
    pub image: Vec<u8>,
    /// Name under which the kernel will know it.
    pub name: String,
    elf: Elf,
    /// `key=value` of `.modinfo`.
    modinfo: Vec<(String, String)>,
    /// `key=value` of `.rstap.info`.
    info: Vec<(String, String)>,
}

/// What the running kernel is.
#[derive(Debug, Clone, Default)]
pub struct RunningKernel {
    /// `uname -r`.
    pub release: String,
    /// Its build-id in hexadecimal, if known.
    pub build_id: Option<String>,
}

impl ModuleFile {
    /// Reads a file's tables.
    ///
    /// # Errors
    /// Not a kernel module, cut short, for another processor, or not built by
    /// rstap.
    pub fn parse(path: &str, image: Vec<u8>) -> Result<ModuleFile> {
        let refuse = |why: String| Failure::new(format!("cannot load {path}: {why}"));
        let elf = Elf::parse(&image).map_err(refuse)?;
        if elf.machine != native_machine() {
            return Err(refuse(format!(
                "it was built for {}, this machine is {}",
                machine_name(elf.machine),
                machine_name(native_machine())
            )));
        }
        let pairs = |section: &str| {
            let bytes = elf.section(section).and_then(|range| image.get(range))?;
            Some(key_values(bytes))
        };
        let modinfo = pairs(".modinfo").ok_or_else(|| {
            refuse("it is an object file, not a kernel module (no .modinfo section)".to_owned())
        })?;
        let info = pairs(".rstap.info").ok_or_else(|| {
            refuse(
                "it was not built by rstap (no .rstap.info section); \
                 use insmod for other kernel modules, and stap's own staprun for SystemTap's"
                    .to_owned(),
            )
        })?;
        let name = this_module_name(&elf, &image)
            .or_else(|| value(&modinfo, "name").map(str::to_owned))
            .filter(|name| is_module_name(name))
            .ok_or_else(|| refuse("it has no valid module name".to_owned()))?;
        let file = ModuleFile {
            path: path.to_owned(),
            image,
            name,
            elf,
            modinfo,
            info,
        };
        match file.value("version") {
            Some("1") => Ok(file),
            other => Err(refuse(format!(
                "it needs version {} of staprun's protocol, this staprun speaks version 1; \
                 build the script again with the rstap of this staprun",
                other.unwrap_or("(none)")
            ))),
        }
    }

    /// First value of a key of `.rstap.info`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        value(&self.info, key)
    }

    /// All values of a key of `.rstap.info`.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.info
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the script was built to write a file for each CPU (`rstap -b`).
    #[must_use]
    pub fn is_bulk(&self) -> bool {
        self.value("bulk") == Some("1")
    }

    /// Whether a signature follows the file; then nothing of it may change.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.image.ends_with(SIGNATURE_END)
    }

    /// Compares the kernel that the module was built for with the running one.
    ///
    /// # Errors
    /// Another release (`vermagic`), or another build of the same release, or one that cannot be
    /// told where it matters.
    pub fn check_kernel(&self, running: &RunningKernel) -> Result<()> {
        let built_for = value(&self.modinfo, "vermagic")
            .and_then(|magic| magic.split_ascii_whitespace().next())
            .or_else(|| self.value("release"))
            .unwrap_or("an unknown kernel");
        let release = &running.release;
        let script = self.value("script").unwrap_or("script.stp");
        let name = &self.name;
        if built_for != release {
            return Err(Failure::new(format!(
                "{}: module was built for {built_for}, running kernel is {release}; \
                 build it with: rstap -r {release} -p4 -m {name} {script}",
                self.path
            )));
        }
        match (self.value("build_id"), &running.build_id) {
            (Some(built), Some(runs)) if !built.eq_ignore_ascii_case(runs) => {
                Err(Failure::new(format!(
                    "{}: Build-id mismatch: module was built for kernel {release} with build-id \
                     {built}, the running one has {runs} (same release, other build); install the \
                     debug files of the running kernel and build it again with: \
                     rstap -p4 -m {name} {script}",
                    self.path
                )))
            }
            (Some(_), None) => Err(Failure::new(format!(
                "{}: cannot tell whether the running kernel is the build that the module was made \
                 for: /sys/kernel/notes cannot be read; mount it with: mount -t sysfs sysfs /sys",
                self.path
            ))),
            _ => Ok(()),
        }
    }

    /// Compares the kernel's modules whose addresses the script knows with those that are loaded.
    /// `build_id` gives a loaded module's build-id.
    ///
    /// # Errors
    /// A loaded module is another build.
    pub fn check_modules(&self, build_id: impl Fn(&str) -> Option<String>) -> Result<()> {
        for (name, built) in self
            .values("module_build_id")
            .filter_map(|entry| entry.split_once(':'))
        {
            if let Some(runs) = build_id(name)
                && !built.eq_ignore_ascii_case(&runs)
            {
                return Err(Failure::new(format!(
                    "{}: Build-id mismatch: it was built for a module {name} with build-id \
                     {built}, the one that is loaded has {runs}; load the file that is installed \
                     with: modprobe -r {name} && modprobe {name}, and build the script again",
                    self.path
                )));
            }
        }
        Ok(())
    }

    /// Checks `NAME=VALUE` against the parameters that the script has, and gives the values in
    /// the form in which the module takes them: numbers in decimal, texts without the quotes
    /// that parameters of kernel modules may have around them.
    ///
    /// # Errors
    /// An unknown name, or text for a number.
    pub fn parameter_values(
        &self,
        parameters: &[(String, String)],
    ) -> Result<Vec<(String, String)>> {
        let mut values = Vec::new();
        for (name, text) in parameters {
            let kind = self.values("parameter").find_map(|parameter| {
                parameter
                    .split_once(':')
                    .filter(|(known, _)| known == name)
                    .map(|(_, kind)| kind)
            });
            let value = match kind {
                None => {
                    let known: Vec<_> = self
                        .values("parameter")
                        .map(|parameter| parameter.split(':').next().unwrap_or_default())
                        .collect();
                    let known = match known.as_slice() {
                        [] => "it has no global that can be set".to_owned(),
                        names => format!("it has: {}", names.join(", ")),
                    };
                    return Err(Failure::new(format!(
                        "{}: the script has no global variable '{name}' to set; {known}",
                        self.path
                    )));
                }
                Some("long") => match parse_number(text) {
                    Some(number) => number.to_string(),
                    None => {
                        return Err(Failure::new(format!(
                            "{}: global variable '{name}' is a number of 64 bits, '{text}' is none",
                            self.path
                        )));
                    }
                },
                Some(_) => unquoted(text).to_owned(),
            };
            values.push((name.clone(), value));
        }
        Ok(values)
    }

    /// Gives the module another name (`-R`): `wanted`, cut to what fits.
    ///
    /// # Errors
    /// A signed module, or one whose name is not where it must be.
    pub fn rename(&mut self, wanted: &str) -> Result<()> {
        let refuse =
            |why: &str| Failure::new(format!("cannot rename module of {} (-R): {why}", self.path));
        if self.is_signed() {
            return Err(refuse(
                "it is signed, and a change would break its signature",
            ));
        }
        if !is_module_name(wanted) {
            return Err(refuse("the new name is not valid"));
        }
        let this_module = self
            .elf
            .section(".gnu.linkonce.this_module")
            .filter(|range| range.len() > NAME_OFFSET + NAME_MAXIMUM)
            .ok_or_else(|| refuse("no name field was found"))?;
        let modinfo = self.elf.section(".modinfo");
        let start = this_module.start + NAME_OFFSET;
        let field = self
            .image
            .get_mut(start..=start + NAME_MAXIMUM)
            .ok_or_else(|| refuse("the file is cut short"))?;
        field.fill(0);
        field
            .iter_mut()
            .zip(wanted.bytes())
            .for_each(|(byte, new)| *byte = new);
        // The kernel takes the name from struct module when .modinfo has none
        // (setup_load_info()), and skips the zeros left here.
        if let Some(bytes) = modinfo.and_then(|range| self.image.get_mut(range)) {
            blank_value(bytes, b"name=");
        }
        wanted.clone_into(&mut self.name);
        Ok(())
    }

    /// Undefined weak symbols: functions of the kernel without an export.
    #[must_use]
    pub fn weak_symbols(&self) -> Vec<WeakSymbol> {
        self.elf.undefined_weak(&self.image)
    }
}

/// A module's name for `-R`: a prefix of its own and the process's number.
#[must_use]
pub fn private_name(name: &str, process: u32) -> String {
    let suffix = format!("_{process}");
    let kept = NAME_MAXIMUM.saturating_sub(suffix.len());
    // Names are ASCII (is_module_name), so that any cut is between characters.
    format!("{}{suffix}", name.get(..kept).unwrap_or(name))
}

/// Letters, digits and underscores, as kbuild makes them, and not too long. A
/// name becomes part of paths, so nothing else is let through.
#[must_use]
pub fn is_module_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAXIMUM
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A text without the quotes around it, which the kernel takes away, too, from the parameters
/// that `insmod` gives it (`lib/cmdline.c`: `next_arg()`).
fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// Decimal, `0x` hexadecimal or `0` octal, with sign, as in scripts: up to 2^64 - 1, and down to
/// -2^63.
fn parse_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    // from_str_radix() would take one more sign.
    let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match negative {
        true => 0i64.checked_sub_unsigned(magnitude),
        false => Some(magnitude as i64),
    }
}

fn this_module_name(elf: &Elf, image: &[u8]) -> Option<String> {
    let section = image.get(elf.section(".gnu.linkonce.this_module")?)?;
    let field = section.get(NAME_OFFSET..=NAME_OFFSET + NAME_MAXIMUM)?;
    let name = field.split(|byte| *byte == 0).next()?;
    String::from_utf8(name.to_vec())
        .ok()
        .filter(|name| !name.is_empty())
}

fn key_values(bytes: &[u8]) -> Vec<(String, String)> {
    bytes
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let text = String::from_utf8_lossy(entry);
            let (key, value) = text.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        })
        .collect()
}

fn value<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_str())
}

/// Zeroes the `key=value` entry that starts with `key`.
fn blank_value(bytes: &mut [u8], key: &[u8]) {
    for entry in bytes.split_mut(|byte| *byte == 0) {
        if entry.starts_with(key) {
            entry.fill(0);
        }
    }
}

fn native_machine() -> u16 {
    if cfg!(target_arch = "aarch64") {
        MACHINE_AARCH64
    } else {
        MACHINE_X86_64
    }
}

fn machine_name(machine: u16) -> String {
    match machine {
        MACHINE_X86_64 => "x86_64".to_owned(),
        MACHINE_AARCH64 => "arm64".to_owned(),
        21 => "ppc64".to_owned(),
        22 => "s390x".to_owned(),
        243 => "riscv".to_owned(),
        other => format!("another processor (ELF machine {other})"),
    }
}

#[cfg(test)]
mod tests;
