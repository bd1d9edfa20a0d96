// SPDX-License-Identifier: GPL-2.0-or-later

//! The canonical frame address at an address of the code, from `.debug_frame`
//! or `.eh_frame`.

use std::sync::OnceLock;

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, EndianSlice, LittleEndian, Register,
    RegisterRule, UnwindContext, UnwindSection, UnwindTableRow,
};

use super::Slice;
use crate::carried::FrameRule;
use crate::elf::Elf;
use crate::error::Result;

/// How to compute the canonical frame address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cfa {
    /// A register, by DWARF number, plus an offset.
    Register(u16, i64),
    /// A DWARF expression.
    Expression(gimli::Expression<Slice>, gimli::Encoding),
}

/// Where the caller's value of a register is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// Still in the register.
    Same,
    /// In memory, this far from the canonical frame address.
    At(i64),
}

/// DWARF numbers of the registers that functions leave as they are: rbx, rbp, r12 to r15
/// (System V ABI for x86_64, §3.2.1).
const KEPT: [u16; 6] = [3, 6, 12, 13, 14, 15];

fn rule_of_frame<S>(
    row: &UnwindTableRow<usize>,
    section: &S,
    encoding: gimli::Encoding,
) -> Option<Cfa>
where
    S: UnwindSection<Slice>,
{
    match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => Some(Cfa::Register(register.0, *offset)),
        CfaRule::Expression(expression) => {
            Some(Cfa::Expression(expression.get(section).ok()?, encoding))
        }
    }
}

/// Ranges of code with the offset of their frame description, sorted.
type Table = Vec<(u64, u64, usize)>;

/// Call frame information of one file.
pub(crate) struct Frames {
    debug_frame: DebugFrame<Slice>,
    eh_frame: EhFrame<Slice>,
    bases: BaseAddresses,
    debug_table: OnceLock<Table>,
    eh_table: OnceLock<Table>,
}

impl Frames {
    /// `.debug_frame` is taken from `elf`, `.eh_frame` from `image`.
    pub fn open(elf: &Elf, image: &Elf) -> Result<Frames> {
        let address = |name: &str| {
            image
                .sections
                .iter()
                .find(|section| section.name == name)
                .map_or(0, |s| s.address)
        };
        let bytes = |elf: &Elf, name: &str| {
            elf.section_data(name)
                .map(|data| EndianSlice::new(data, LittleEndian))
        };
        Ok(Frames {
            debug_frame: DebugFrame::from(bytes(elf, ".debug_frame")?),
            eh_frame: EhFrame::from(bytes(image, ".eh_frame")?),
            bases: BaseAddresses::default()
                .set_eh_frame(address(".eh_frame"))
                .set_text(address(".text"))
                .set_got(address(".got")),
            debug_table: OnceLock::new(),
            eh_table: OnceLock::new(),
        })
    }

    /// The rule at an address; `None` if no table covers it or it is malformed.
    pub fn cfa(&self, address: u64) -> Option<Cfa> {
        self.look_up(&self.debug_frame, &self.debug_table, address, rule_of_frame)
            .or_else(|| self.look_up(&self.eh_frame, &self.eh_table, address, rule_of_frame))
    }

    /// Where the caller's value of a register is; `None` if nobody knows.
    pub fn saved(&self, address: u64, register: u16) -> Option<Saved> {
        fn saved(row: &UnwindTableRow<usize>, register: u16) -> Option<Saved> {
            match row.register(Register(register)) {
                Some(RegisterRule::Offset(offset)) => Some(Saved::At(offset)),
                Some(RegisterRule::SameValue) => Some(Saved::Same),
                None | Some(RegisterRule::Undefined) if KEPT.contains(&register) => {
                    Some(Saved::Same)
                }
                _ => None,
            }
        }
        let in_debug = |row: &UnwindTableRow<usize>, _: &_, _| saved(row, register);
        let in_eh = |row: &UnwindTableRow<usize>, _: &_, _| saved(row, register);
        self.look_up(&self.debug_frame, &self.debug_table, address, in_debug)
            .or_else(|| self.look_up(&self.eh_frame, &self.eh_table, address, in_eh))
    }

    fn look_up<S, T>(
        &self,
        section: &S,
        table: &OnceLock<Table>,
        address: u64,
        read: impl FnOnce(&UnwindTableRow<usize>, &S, gimli::Encoding) -> Option<T>,
    ) -> Option<T>
    where
        S: UnwindSection<Slice>,
    {
        let table = table.get_or_init(|| self.read_table(section));
        let after = table.partition_point(|(begin, _, _)| *begin <= address);
        let (_, end, offset) = table.get(after.checked_sub(1)?)?;
        if address >= *end {
            return None;
        }
        let offset = S::Offset::from(*offset);
        let fde = section
            .fde_from_offset(&self.bases, offset, |section, bases, offset| {
                section.cie_from_offset(bases, offset)
            })
            .ok()?;
        let encoding = fde.cie().encoding();
        let mut context = UnwindContext::new();
        let row = fde
            .unwind_info_for_address(section, &self.bases, &mut context, address)
            .ok()?;
        read(row, section, encoding)
    }

    fn read_table<S>(&self, section: &S) -> Table
    where
        S: UnwindSection<Slice>,
    {
        let mut table = Table::new();
        let mut entries = section.entries(&self.bases);
        let mut last_cie = None;
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else {
                continue;
            };
            let cie_offset: usize = gimli::UnwindOffset::into(partial.cie_offset());
            let parsed = partial.parse(|section, bases, offset| match &last_cie {
                Some((known, cie)) if *known == cie_offset => Ok(Clone::clone(cie)),
                _ => {
                    let cie = section.cie_from_offset(bases, offset)?;
                    last_cie = Some((cie_offset, cie.clone()));
                    Ok(cie)
                }
            });
            let Ok(fde) = parsed else { continue };
            if fde.initial_address() != 0 && fde.len() != 0 {
                table.push((fde.initial_address(), fde.end_address(), fde.offset()));
            }
        }
        table.sort_unstable();
        table
    }
}

/// A range of code with one rule.
pub(crate) struct UnwindRow {
    pub begin: u64,
    pub end: u64,
    pub rule: FrameRule,
}

/// DWARF numbers of x86_64 (System V ABI, figure 3.36).
const FRAME_POINTER: Register = Register(6);
const STACK_POINTER: Register = Register(7);
const RETURN_ADDRESS: Register = Register(16);

impl Frames {
    /// All rows of `.eh_frame`, or else of `.debug_frame`, by address. What is malformed is left out.
    pub fn unwind_rows(&self) -> Vec<UnwindRow> {
        let mut rows = self.rows_of(&self.eh_frame, &self.eh_table);
        if rows.is_empty() {
            rows = self.rows_of(&self.debug_frame, &self.debug_table);
        }
        rows
    }

    fn rows_of<S>(&self, section: &S, table: &OnceLock<Table>) -> Vec<UnwindRow>
    where
        S: UnwindSection<Slice>,
    {
        let mut found = Vec::new();
        let mut context = UnwindContext::new();
        for (_, _, offset) in table.get_or_init(|| self.read_table(section)) {
            let offset = S::Offset::from(*offset);
            let Ok(fde) = section.fde_from_offset(&self.bases, offset, |section, bases, offset| {
                section.cie_from_offset(bases, offset)
            }) else {
                continue;
            };
            let Ok(mut rows) = fde.rows(section, &self.bases, &mut context) else {
                continue;
            };
            while let Ok(Some(row)) = rows.next_row() {
                found.push(UnwindRow {
                    begin: row.start_address(),
                    end: row.end_address(),
                    rule: rule(row),
                });
            }
        }
        found
    }
}

fn rule(row: &UnwindTableRow<usize>) -> FrameRule {
    if row.register(RETURN_ADDRESS) == Some(RegisterRule::Undefined) {
        return FrameRule::Outermost;
    }
    if row.register(RETURN_ADDRESS) != Some(RegisterRule::Offset(-8)) {
        return FrameRule::Unknown;
    }
    let saved_frame_pointer = match row.register(FRAME_POINTER) {
        Some(RegisterRule::Offset(offset)) => Some(offset),
        None | Some(RegisterRule::Undefined | RegisterRule::SameValue) => None,
        _ => return FrameRule::Unknown,
    };
    match *row.cfa() {
        CfaRule::RegisterAndOffset { register, offset }
            if register == STACK_POINTER || register == FRAME_POINTER =>
        {
            FrameRule::Register {
                is_frame_pointer: register == FRAME_POINTER,
                offset,
                saved_frame_pointer,
            }
        }
        // The only expression in use is that of the procedure linkage table.
        CfaRule::Expression(_) if saved_frame_pointer.is_none() => FrameRule::LinkageStub,
        _ => FrameRule::Unknown,
    }
}

impl super::DwarfFile {
    /// The frame at an address as a register and an offset.
    pub(crate) fn frame_at(&self, address: u64) -> Option<(u16, i64)> {
        match self.frames.cfa(address)? {
            Cfa::Register(register, offset) => Some((register, offset)),
            Cfa::Expression(..) => None,
        }
    }
}
