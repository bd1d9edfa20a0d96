// SPDX-License-Identifier: GPL-2.0-or-later

//! Relocation of kernel modules and other `ET_REL` files, once, into a copy:
//! ten times cheaper than looking up each value as it is read.

use object::read::elf::ElfSection;
use object::{
    LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationKind,
    RelocationTarget,
};

use crate::elf::{Elf, Section};
use crate::error::{Error, Result};

/// Patches `bytes`, the contents of `section`, for the layout that `elf` chose.
/// References to symbols of other files are left as they are: they stay 0.
pub(crate) fn apply(
    elf: &Elf,
    section: &Section,
    object_section: &ElfSection<'static, '_, object::elf::FileHeader64<LittleEndian>>,
    bytes: &mut [u8],
) -> Result<()> {
    let failed =
        |message: String, offset: u64| Error::in_file(&elf.path, message).at(&section.name, offset);
    for (offset, relocation) in object_section.relocations() {
        let target = match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let symbol = elf
                    .file
                    .symbol_by_index(index)
                    .map_err(|error| failed(format!("bad relocation: {error}"), offset))?;
                match symbol.section() {
                    object::SymbolSection::Section(index) => elf
                        .section_address(index)
                        .unwrap_or_default()
                        .wrapping_add(symbol.address()),
                    object::SymbolSection::Absolute => symbol.address(),
                    _ => continue,
                }
            }
            RelocationTarget::Section(index) => elf.section_address(index).unwrap_or_default(),
            _ => 0,
        };
        let value = target.wrapping_add_signed(relocation.addend());
        let value = match relocation.kind() {
            RelocationKind::Absolute => value,
            RelocationKind::Relative | RelocationKind::PltRelative => {
                value.wrapping_sub(section.address.wrapping_add(offset))
            }
            // Calls through tables and the like: code only, which nobody reads here.
            _ => continue,
        };
        let width = usize::from(relocation.size() / 8);
        let place = usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get_mut(start..start.checked_add(width)?))
            .ok_or_else(|| failed("relocation outside the section".into(), offset))?;
        let value = value.to_le_bytes();
        let Some(low) = value.get(..width) else {
            continue;
        };
        place.copy_from_slice(low);
    }
    Ok(())
}
