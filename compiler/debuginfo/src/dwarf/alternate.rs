// SPDX-License-Identifier: GPL-2.0-or-later

//! Debug information that dwz(1) moved to a file which several share. Both
//! files' sections are put one behind the other, and what points into the
//! shared file is changed to point there: what dwz calls `DW_FORM_GNU_ref_alt`
//! becomes `DW_FORM_ref_addr`, `DW_FORM_GNU_strp_alt` becomes `DW_FORM_strp`.
//! So nothing above knows that there were two files.

use gimli::constants as dw;
use gimli::{AttributeSpecification, DebugAbbrev, EndianSlice, LittleEndian, UnitHeader};

use super::Slice;
use crate::elf::Elf;
use crate::error::{Error, Result};

const INFO: &str = ".debug_info";
const ABBREVIATIONS: &str = ".debug_abbrev";
const STRINGS: &str = ".debug_str";
const LINES: &str = ".debug_line";
const LINE_STRINGS: &str = ".debug_line_str";

/// The sections of two files as one. Others (addresses, locations, ranges)
/// describe code, of which a shared file has none.
pub(super) struct Joined {
    sections: Vec<(&'static str, &'static [u8])>,
}

/// A section's parts while they are put together.
struct Parts {
    bytes: Vec<u8>,
    /// Where the second one starts.
    second: u64,
}

impl Joined {
    /// # Errors
    ///
    /// One of the files is malformed, or both together are too large.
    pub fn new(elf: &Elf, shared: &Elf) -> Result<Joined> {
        let join = |name: &str| -> Result<Parts> {
            let first = elf.section_data(name)?;
            Ok(Parts {
                bytes: [first, shared.section_data(name)?].concat(),
                second: first.len() as u64,
            })
        };
        let mut info = join(INFO)?;
        let mut abbreviations = join(ABBREVIATIONS)?;
        let [strings, lines, line_strings] = [join(STRINGS)?, join(LINES)?, join(LINE_STRINGS)?];
        let failed = |elf: &Elf| {
            let path = elf.path.clone();
            move |what: String| Error::in_file(&path, what).at(INFO, 0)
        };
        let second = info.second;
        each_unit(elf, &mut |header, start, abbreviations_of| {
            each_attribute(header, abbreviations_of, &mut |at, specification| {
                let shift = match specification.form() {
                    dw::DW_FORM_GNU_ref_alt if header.version() >= 3 => second,
                    dw::DW_FORM_GNU_ref_alt => return Err("version 2 of DWARF".to_string()),
                    dw::DW_FORM_GNU_strp_alt => strings.second,
                    _ => return Ok(()),
                };
                add(&mut info.bytes, start + at, header, shift)
            })
        })
        .map_err(failed(elf))?;
        rename_forms(&mut abbreviations)
            .ok_or("bad abbreviations".to_string())
            .map_err(failed(elf))?;
        each_unit(shared, &mut |header, start, abbreviations_of| {
            let start = start + info.second as usize;
            // Behind the length, the version and, in DWARF 5, the kind and the size of addresses.
            let length_size = if header.format().word_size() == 8 {
                12
            } else {
                4
            };
            let behind = length_size + if header.version() >= 5 { 4 } else { 2 };
            add(
                &mut info.bytes,
                start + behind,
                header,
                abbreviations.second,
            )?;
            each_attribute(header, abbreviations_of, &mut |at, specification| {
                let shift = match (specification.form(), specification.name()) {
                    (dw::DW_FORM_ref_addr, _) if header.version() >= 3 => second,
                    (dw::DW_FORM_strp, _) => strings.second,
                    (dw::DW_FORM_line_strp, _) => line_strings.second,
                    (dw::DW_FORM_sec_offset, dw::DW_AT_stmt_list) => lines.second,
                    _ => return Ok(()),
                };
                add(&mut info.bytes, start + at, header, shift)
            })
        })
        .map_err(failed(shared))?;
        let names = [INFO, ABBREVIATIONS, STRINGS, LINES, LINE_STRINGS];
        let parts = [info, abbreviations, strings, lines, line_strings];
        let leak = |parts: Parts| -> &'static [u8] { Vec::leak(parts.bytes) };
        Ok(Joined {
            sections: names.into_iter().zip(parts.map(leak)).collect(),
        })
    }

    /// A section of both, if it was put together.
    pub fn section(&self, name: &str) -> Option<&'static [u8]> {
        let mut sections = self.sections.iter();
        sections
            .find(|(known, _)| *known == name)
            .map(|(_, bytes)| *bytes)
    }
}

type Header = UnitHeader<Slice>;
type Done = std::result::Result<(), String>;

/// Calls `visit` with each unit of a file, its offset, and the abbreviations
/// of all units.
fn each_unit(
    elf: &Elf,
    visit: &mut dyn FnMut(&Header, usize, &DebugAbbrev<Slice>) -> Done,
) -> Done {
    let text = |error: Error| error.to_string();
    let info = elf.section_data(INFO).map_err(text)?;
    let abbreviations = elf.section_data(ABBREVIATIONS).map_err(text)?;
    let abbreviations = DebugAbbrev::new(abbreviations, LittleEndian);
    let info = gimli::DebugInfo::from(EndianSlice::new(info, LittleEndian));
    let mut units = info.units();
    while let Some(header) = units.next().map_err(|error| error.to_string())? {
        let start = header.debug_info_offset().map_or(0, |offset| offset.0);
        visit(&header, start, &abbreviations)?;
    }
    Ok(())
}

/// Calls `visit` with the place in the unit and the kind of each attribute.
fn each_attribute(
    header: &Header,
    abbreviations: &DebugAbbrev<Slice>,
    visit: &mut dyn FnMut(usize, &AttributeSpecification) -> Done,
) -> Done {
    let text = |error: gimli::Error| error.to_string();
    let abbreviations = header.abbreviations(abbreviations).map_err(text)?;
    let mut entries = header.entries_raw(&abbreviations, None).map_err(text)?;
    while !entries.is_empty() {
        let Some(abbreviation) = entries.read_abbreviation().map_err(text)? else {
            continue;
        };
        for specification in abbreviation.attributes() {
            let at = entries.next_offset().0;
            entries.read_attribute(*specification).map_err(text)?;
            visit(at, specification)?;
        }
    }
    Ok(())
}

/// Adds to the offset at a place.
fn add(bytes: &mut [u8], at: usize, header: &Header, shift: u64) -> Done {
    let size = usize::from(header.format().word_size());
    let mut changed = || {
        let field = bytes.get_mut(at..at.checked_add(size)?)?;
        let mut value = [0; 8];
        value.get_mut(..size)?.copy_from_slice(field);
        let value = u64::from_le_bytes(value).checked_add(shift)?;
        if size == 4 {
            u32::try_from(value).ok()?;
        }
        field.copy_from_slice(value.to_le_bytes().get(..size)?);
        Some(())
    };
    changed().ok_or_else(|| format!("offset at {at:#x} out of range"))
}

/// Replaces the forms of the first part of `.debug_abbrev` that point into the
/// shared file. They take two bytes as LEB128; so do the new ones, padded.
fn rename_forms(abbreviations: &mut Parts) -> Option<()> {
    let end = usize::try_from(abbreviations.second).ok()?;
    let bytes = abbreviations.bytes.get_mut(..end)?;
    let mut at = 0;
    // Tables follow one another; a code of 0 ends one.
    while at < bytes.len() {
        if leb(bytes, &mut at)? == 0 {
            continue;
        }
        leb(bytes, &mut at)?;
        at += 1;
        loop {
            let attribute = leb(bytes, &mut at)?;
            let place = at;
            let form = leb(bytes, &mut at)?;
            if (attribute, form) == (0, 0) {
                break;
            }
            let new = match u16::try_from(form).map(gimli::DwForm) {
                Ok(dw::DW_FORM_GNU_ref_alt) => dw::DW_FORM_ref_addr,
                Ok(dw::DW_FORM_GNU_strp_alt) => dw::DW_FORM_strp,
                Ok(dw::DW_FORM_implicit_const) => {
                    leb(bytes, &mut at)?;
                    continue;
                }
                _ => continue,
            };
            let padded = [u8::try_from(new.0).ok()? | 0x80, 0];
            bytes
                .get_mut(place..at)?
                .get_mut(..2)?
                .copy_from_slice(&padded);
        }
    }
    Some(())
}

/// An unsigned LEB128; of more than 64 bits the first ones.
fn leb(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if shift < 64 {
            value |= u64::from(byte & 0x7f) << shift;
        }
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}
