// SPDX-License-Identifier: GPL-2.0-or-later

//! The procedure linkage table of programs and shared libraries: the stubs through which
//! they call functions of others (System V ABI for x86_64, §5.2).

use std::collections::HashMap;

use object::{Object as _, ObjectSymbol as _, ObjectSymbolTable as _, RelocationTarget};

use crate::elf::Elf;
use crate::error::Result;
use crate::session::DebugInfo;
use crate::types::{Address, ModuleId};

/// A stub of the procedure linkage table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PltEntry {
    /// The function that it calls.
    pub name: String,
    /// Its first instruction.
    pub address: Address,
}

/// Sections of stubs. With control-flow protection calls go to `.plt.sec`; `.plt` then only
/// serves lazy binding.
const SECTIONS: [&str; 3] = [".plt.sec", ".plt", ".plt.got"];

impl DebugInfo {
    /// The stubs through which a program or shared library calls functions of others, by
    /// name. Empty if it has none: linked statically, or compiled with `-fno-plt`.
    ///
    /// # Errors
    ///
    /// A section cannot be read.
    pub fn plt(&self, module: ModuleId) -> Result<Vec<PltEntry>> {
        let module = self.get(module)?;
        let Some(image) = &module.image else {
            return Ok(Vec::new());
        };
        let slots = slots(image);
        let mut found: HashMap<&str, u64> = HashMap::new();
        for section in SECTIONS {
            let Some(section) = image.sections.iter().find(|known| known.name == section) else {
                continue;
            };
            let code = image.section_data(&section.name)?;
            for (offset, slot) in jumps(code, section.address) {
                let Some(name) = slots.get(&slot) else {
                    continue;
                };
                let address = section.address.wrapping_add(offset);
                // The first section that has a stub for a function is the one in use.
                found.entry(name.as_str()).or_insert(address);
            }
        }
        let mut entries: Vec<PltEntry> = found
            .into_iter()
            .map(|(name, value)| PltEntry {
                name: name.to_owned(),
                address: Address {
                    module: module.id,
                    value,
                },
            })
            .collect();
        entries.sort();
        Ok(entries)
    }
}

/// Names of the functions whose addresses the dynamic linker writes, by where it does.
fn slots(image: &Elf) -> HashMap<u64, String> {
    let mut slots = HashMap::new();
    let Some(symbols) = image.file.dynamic_symbol_table() else {
        return slots;
    };
    for (slot, relocation) in image.file.dynamic_relocations().into_iter().flatten() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            continue;
        };
        let name = symbols.symbol_by_index(index).ok();
        let name = name.and_then(|symbol| symbol.name().ok().map(str::to_owned));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            slots.insert(slot, name);
        }
    }
    slots
}

/// The stubs of a section: where each begins, and the word that it jumps through. A stub is
/// `[endbr64] [bnd] jmp *disp32(%rip)`.
fn jumps(code: &[u8], address: u64) -> Vec<(u64, u64)> {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    const BND: u8 = 0xf2;
    const JUMP: [u8; 2] = [0xff, 0x25];
    let mut found = Vec::new();
    // Stubs are aligned to 8 bytes.
    for start in (0..code.len()).step_by(8) {
        let Some(mut rest) = code.get(start..) else {
            break;
        };
        rest = rest.strip_prefix(&ENDBR64).unwrap_or(rest);
        rest = rest.strip_prefix(&[BND]).unwrap_or(rest);
        let Some(operand) = rest
            .strip_prefix(&JUMP)
            .and_then(|rest| rest.first_chunk::<4>())
        else {
            continue;
        };
        let used = code.len() - rest.len() + JUMP.len() + operand.len();
        let next = address.wrapping_add(used as u64);
        let slot = next.wrapping_add_signed(i64::from(i32::from_le_bytes(*operand)));
        found.push((start as u64, slot));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_of_all_kinds() {
        let mut code = vec![0xff, 0x35, 0, 0, 0, 0, 0xff, 0x25];
        code.extend([0x90; 8]);
        code.extend([0xff, 0x25, 0x10, 0, 0, 0, 0x68, 0]);
        code.extend([
            0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xf0, 0xff, 0xff, 0xff,
        ]);
        assert_eq!(
            jumps(&code, 0x1000),
            [(16, 0x1000 + 22 + 0x10), (24, 0x1000 + 35 - 0x10)]
        );
    }
}
