// SPDX-License-Identifier: GPL-2.0-or-later
//! The little that pass 4 must know of object files: their symbols, and the place of the module's
//! name.

use std::collections::BTreeSet;

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol};

use super::error::BuildError;

/// Bytes of `struct module.name` (kernel `include/linux/moduleparam.h`: MODULE_NAME_LEN, 64 minus
/// the size of a long), with its NUL.
pub const MODULE_NAME_SIZE: usize = 56;

/// The name that the runtime's `mod.o` is compiled with: as long as a name can be, so that any
/// other fits in its place.
pub const NAME_PLACEHOLDER: &str = "rstap_module_name_placeholder_0123456789_0123456789_012";

/// Symbols by what a linker wants to know of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Symbols {
    /// Global and weak ones that the object defines.
    pub defined: BTreeSet<String>,
    /// Used and not defined. Weak references are not in it: they may stay open.
    pub undefined: BTreeSet<String>,
}

/// Reads an object file's symbols.
pub fn symbols(data: &[u8], name: &str) -> Result<Symbols, BuildError> {
    let file = parse(data, name)?;
    let mut symbols = Symbols::default();
    for symbol in file.symbols() {
        let Ok(text) = symbol.name() else {
            return Err(BuildError::unexpected(format!(
                "{name}: a symbol has no readable name"
            )));
        };
        if text.is_empty() || symbol.is_local() {
            continue;
        }
        if !symbol.is_undefined() {
            symbols.defined.insert(text.to_owned());
        } else if !symbol.is_weak() {
            symbols.undefined.insert(text.to_owned());
        }
    }
    Ok(symbols)
}

/// Writes the module's name over the placeholder, in `.gnu.linkonce.this_module` and `.modinfo`;
/// what is left of the placeholder becomes zeros, which the kernel's reader of `.modinfo` skips
/// (kernel `kernel/module/main.c`, `module_next_tag_pair`).
pub fn set_module_name(data: &mut [u8], name: &str) -> Result<(), BuildError> {
    if name.is_empty() || name.len() >= MODULE_NAME_SIZE || name.contains('\0') {
        return Err(BuildError::unexpected(format!(
            "'{name}' cannot be a module's name: it has {} characters, 1 to {} are possible",
            name.len(),
            MODULE_NAME_SIZE - 1
        )));
    }
    for section in [".gnu.linkonce.this_module", ".modinfo"] {
        let range = section_range(data, section)?;
        let bytes = data
            .get_mut(range)
            .ok_or_else(|| BuildError::unexpected(format!("{section} is cut off")))?;
        let at = find(bytes, NAME_PLACEHOLDER.as_bytes()).ok_or_else(|| {
            BuildError::unexpected(format!("{section} of the module has no place for its name"))
        })?;
        if let Some(place) = bytes.get_mut(at..at + NAME_PLACEHOLDER.len()) {
            place.fill(0);
            for (to, from) in place.iter_mut().zip(name.bytes()) {
                *to = from;
            }
        }
    }
    Ok(())
}

/// Offset and length of a section's bytes in the file.
fn section_range(data: &[u8], section: &str) -> Result<std::ops::Range<usize>, BuildError> {
    let file = parse(data, "the module")?;
    let (offset, size) = file
        .section_by_name(section)
        .and_then(|found| found.file_range())
        .ok_or_else(|| BuildError::unexpected(format!("the module has no section {section}")))?;
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
    Ok(start..end)
}

fn parse<'data>(data: &'data [u8], name: &str) -> Result<ElfFile64<'data, Endianness>, BuildError> {
    ElfFile64::parse(data)
        .map_err(|error| BuildError::unexpected(format!("{name} is not an object file: {error}")))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

const _: () = assert!(NAME_PLACEHOLDER.len() == MODULE_NAME_SIZE - 1);
