// SPDX-License-Identifier: GPL-2.0-or-later

//! A reader of `.debug_info` that only looks for names, references and
//! siblings: each abbreviation is compiled to a short program that skips the
//! rest. Indexing a kernel visits millions of entries; everything else in this
//! crate reads entries through gimli.

use std::collections::HashMap;

use gimli::constants as dw;

use super::class::class_of;

/// Size and version facts of a unit, which decide how attributes are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Encoding {
    pub version: u16,
    pub address_size: u8,
    /// 4, or 8 in 64-bit DWARF.
    pub offset_size: u8,
}

/// Where the name of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Name {
    #[default]
    None,
    /// Offset in `.debug_str`.
    Str(u64),
    /// Offset in `.debug_info`: the text is in the entry itself.
    Inline(u64),
    /// Index for `.debug_str_offsets`.
    Index(u64),
}

/// What the scan keeps of an entry.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Die {
    /// Offset in `.debug_info`.
    pub offset: u64,
    pub tag: u16,
    pub name: Name,
    /// Offset of the next sibling in `.debug_info`, 0 if not given.
    pub sibling: u64,
    /// `DW_AT_abstract_origin` or `DW_AT_specification`, 0 if neither.
    pub origin: u64,
    /// The origin is a specification.
    pub is_specification: bool,
    pub declaration: bool,
    /// Has `DW_AT_low_pc` or `DW_AT_ranges`.
    pub has_code: bool,
    /// `DW_AT_str_offsets_base`, in a root entry.
    pub string_offsets_base: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Name,
    Sibling,
    Origin,
    Specification,
    StringOffsetsBase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Skip(u32),
    SkipLeb,
    SkipString,
    /// A block whose length is in the next 1, 2 or 4 bytes, or a LEB128 (0).
    SkipBlock(u8),
    SkipIndirect,
    /// `DW_FORM_flag` of `DW_AT_declaration`.
    Declaration,
    NameInline,
    NameLeb,
    NameFixed(u8),
    NameOffset,
    Reference(Use, u8, bool),
    ReferenceLeb(Use),
}

/// One abbreviation, compiled.
#[derive(Debug, Default)]
struct Program {
    tag: u16,
    children: bool,
    declaration: bool,
    has_code: bool,
    /// Entries of this kind are shown when only the top level is asked for.
    matters: bool,
    /// Where its steps are among those of the unit.
    first: u32,
    end: u32,
    /// Of an entry whose attributes are all of known sizes, as most are: no steps are needed.
    layout: Option<Layout>,
}

/// Offsets in an entry, behind its code, of what the scan keeps of it. All are of four bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Layout {
    length: u32,
    /// In `.debug_str`.
    name: Option<u32>,
    sibling: Option<u32>,
    origin: Option<(Use, u32)>,
}

/// The four bytes at an offset.
#[inline]
fn number(bytes: &[u8], at: Option<u32>) -> Option<u64> {
    let bytes = bytes.get(at? as usize..)?.first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*bytes)))
}

impl Layout {
    /// `None` if a step has no fixed size, or is one that few entries have.
    fn of(steps: &[Step], encoding: Encoding) -> Option<Layout> {
        let mut layout = Layout::default();
        for step in steps {
            let at = layout.length;
            let size = match *step {
                Step::Skip(count) => count,
                Step::NameOffset if encoding.offset_size == 4 => {
                    layout.name = Some(at);
                    4
                }
                Step::Reference(Use::Sibling, 4, false) => {
                    layout.sibling = Some(at);
                    4
                }
                Step::Reference(what @ (Use::Origin | Use::Specification), 4, false)
                    if layout.origin.is_none() =>
                {
                    layout.origin = Some((what, at));
                    4
                }
                _ => return None,
            };
            layout.length = layout.length.checked_add(size)?;
        }
        Some(layout)
    }
}

/// The abbreviations of one unit. Kept from unit to unit, so that a scan of
/// thousands of units does not allocate for each.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    programs: Vec<Program>,
    steps: Vec<Step>,
    /// Only if the codes are not 1, 2, 3, …
    by_code: HashMap<u64, usize>,
    /// An origin may be in another unit.
    pub crosses_units: bool,
    /// What was read, for units that share a table.
    table: Option<(u64, Encoding)>,
}

/// A malformed place: offset in the section read, and what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub section: &'static str,
    pub offset: u64,
    pub what: &'static str,
}

/// A position in a section's bytes.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    section: &'static str,
}

impl<'a> Cursor<'a> {
    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed {
            section: self.section,
            offset: self.at as u64,
            what,
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self
            .bytes
            .get(self.at)
            .ok_or_else(|| self.malformed("ends early"))?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn take(&mut self, count: u32) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest
            .get(..count as usize)
            .ok_or_else(|| self.malformed("ends early"))?;
        self.at += taken.len();
        Ok(taken)
    }

    #[inline]
    fn skip(&mut self, count: u64) -> Result<(), Malformed> {
        let left = (self.bytes.len() - self.at) as u64;
        if count > left {
            return Err(self.malformed("ends early"));
        }
        self.at += count as usize;
        Ok(())
    }

    #[inline]
    fn fixed(&mut self, size: u8) -> Result<u64, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // Nearly all are of four bytes.
        if size == 4
            && let Some(bytes) = rest.first_chunk::<4>()
        {
            self.at += 4;
            return Ok(u64::from(u32::from_le_bytes(*bytes)));
        }
        let size = usize::from(size.min(8));
        let bytes = rest
            .get(..size)
            .ok_or_else(|| self.malformed("ends early"))?;
        self.at += size;
        let mut value = [0; 8];
        value[..size].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(value))
    }

    #[inline]
    fn leb(&mut self) -> Result<u64, Malformed> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.long_leb(first)
    }

    /// Two numbers, nearly always of a byte each.
    #[inline]
    fn pair(&mut self) -> Result<(u64, u64), Malformed> {
        if let Some([first, second, ..]) = self.bytes.get(self.at..)
            && (first | second) < 0x80
        {
            self.at += 2;
            return Ok((u64::from(*first), u64::from(*second)));
        }
        Ok((self.leb()?, self.leb()?))
    }

    /// The rest of a number of more than one byte.
    fn long_leb(&mut self, first: u8) -> Result<u64, Malformed> {
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
            if shift > 70 {
                return Err(self.malformed("number too long"));
            }
        }
    }

    fn skip_string(&mut self) -> Result<(), Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(0, rest).ok_or_else(|| self.malformed("string without end"))?;
        self.at += end + 1;
        Ok(())
    }
}

impl Programs {
    /// Reads the abbreviation table at `offset` of `.debug_abbrev` in place of
    /// the one before.
    pub fn read(
        &mut self,
        abbrev: &[u8],
        offset: u64,
        encoding: Encoding,
    ) -> Result<(), Malformed> {
        if self.table == Some((offset, encoding)) {
            return Ok(());
        }
        self.table = None;
        self.programs.clear();
        self.steps.clear();
        self.by_code.clear();
        self.crosses_units = false;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(abbrev.len());
        let mut cursor = Cursor {
            bytes: abbrev,
            at: start,
            section: ".debug_abbrev",
        };
        let mut sequential = true;
        let mut codes = Vec::new();
        loop {
            let code = cursor.leb()?;
            if code == 0 {
                break;
            }
            sequential &= code == codes.len() as u64 + 1;
            codes.push(code);
            let mut program = Program {
                tag: u16::try_from(cursor.leb()?).map_err(|_| cursor.malformed("bad tag"))?,
                children: cursor.byte()? != 0,
                first: u32::try_from(self.steps.len()).unwrap_or(u32::MAX),
                ..Program::default()
            };
            loop {
                let (attribute, form) = cursor.pair()?;
                let implicit = form == u64::from(dw::DW_FORM_implicit_const.0);
                if implicit {
                    cursor.leb()?;
                }
                if attribute == 0 && form == 0 {
                    break;
                }
                let (Ok(attribute), Ok(form)) = (u16::try_from(attribute), u16::try_from(form))
                else {
                    return Err(cursor.malformed("bad attribute or form"));
                };
                program
                    .add(
                        &mut self.steps,
                        dw::DwAt(attribute),
                        dw::DwForm(form),
                        encoding,
                    )
                    .ok_or_else(|| cursor.malformed("unknown attribute form"))?;
            }
            program.end = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
            program.layout = Layout::of(self.steps(&program), encoding);
            program.matters = program.has_name();
            self.crosses_units |= self.steps(&program).iter().any(|step| {
                matches!(
                    step,
                    Step::Reference(Use::Origin | Use::Specification, _, true)
                )
            });
            self.programs.push(program);
        }
        if !sequential {
            let codes = codes.into_iter().enumerate();
            self.by_code = codes.map(|(at, code)| (code, at)).collect();
        }
        self.table = Some((offset, encoding));
        Ok(())
    }

    #[inline]
    fn steps(&self, program: &Program) -> &[Step] {
        self.steps
            .get(program.first as usize..program.end as usize)
            .unwrap_or_default()
    }

    #[inline]
    fn get(&self, code: u64) -> Option<&Program> {
        if self.by_code.is_empty() {
            self.programs
                .get(usize::try_from(code.checked_sub(1)?).ok()?)
        } else {
            self.programs.get(*self.by_code.get(&code)?)
        }
    }
}

impl Program {
    /// Whether something is defined by its name here, or below as in C++'s name spaces. Types
    /// without a name, declarations of functions and the like are half of what a kernel has.
    fn has_name(&self) -> bool {
        let tag = dw::DwTag(self.tag);
        let is_defined = !self.declaration || tag == dw::DW_TAG_variable;
        (is_defined && class_of(self.tag).is_some())
            || matches!(tag, dw::DW_TAG_namespace | dw::DW_TAG_module)
    }

    /// Appends the steps for one attribute; `None` if the form is unknown.
    fn add(
        &mut self,
        steps: &mut Vec<Step>,
        attribute: dw::DwAt,
        form: dw::DwForm,
        encoding: Encoding,
    ) -> Option<()> {
        let reference = match attribute {
            dw::DW_AT_sibling => Some(Use::Sibling),
            dw::DW_AT_abstract_origin => Some(Use::Origin),
            dw::DW_AT_specification => Some(Use::Specification),
            dw::DW_AT_str_offsets_base => Some(Use::StringOffsetsBase),
            dw::DW_AT_name => Some(Use::Name),
            _ => None,
        };
        if matches!(attribute, dw::DW_AT_low_pc | dw::DW_AT_ranges) {
            self.has_code = true;
        }
        if attribute == dw::DW_AT_declaration {
            if form == dw::DW_FORM_flag_present {
                self.declaration = true;
                return Some(());
            }
            if form == dw::DW_FORM_flag {
                steps.push(Step::Declaration);
                return Some(());
            }
        }
        let offset = encoding.offset_size;
        if let Some(what) = reference {
            let step = match (what, form) {
                (Use::Name, dw::DW_FORM_string) => Some(Step::NameInline),
                (Use::Name, dw::DW_FORM_strp) => Some(Step::NameOffset),
                (Use::Name, dw::DW_FORM_strx) => Some(Step::NameLeb),
                (Use::Name, dw::DW_FORM_strx1) => Some(Step::NameFixed(1)),
                (Use::Name, dw::DW_FORM_strx2) => Some(Step::NameFixed(2)),
                (Use::Name, dw::DW_FORM_strx3) => Some(Step::NameFixed(3)),
                (Use::Name, dw::DW_FORM_strx4) => Some(Step::NameFixed(4)),
                (Use::Name, _) => None,
                (_, dw::DW_FORM_ref1) => Some(Step::Reference(what, 1, false)),
                (_, dw::DW_FORM_ref2) => Some(Step::Reference(what, 2, false)),
                (_, dw::DW_FORM_ref4) => Some(Step::Reference(what, 4, false)),
                (_, dw::DW_FORM_ref8) => Some(Step::Reference(what, 8, false)),
                (_, dw::DW_FORM_ref_udata) => Some(Step::ReferenceLeb(what)),
                (_, dw::DW_FORM_ref_addr) if encoding.version >= 3 => {
                    Some(Step::Reference(what, offset, true))
                }
                (_, dw::DW_FORM_sec_offset) => Some(Step::Reference(what, offset, true)),
                _ => None,
            };
            if let Some(step) = step {
                steps.push(step);
                return Some(());
            }
        }
        let step = match form {
            dw::DW_FORM_flag_present | dw::DW_FORM_implicit_const => return Some(()),
            dw::DW_FORM_data1
            | dw::DW_FORM_ref1
            | dw::DW_FORM_flag
            | dw::DW_FORM_strx1
            | dw::DW_FORM_addrx1 => Step::Skip(1),
            dw::DW_FORM_data2 | dw::DW_FORM_ref2 | dw::DW_FORM_strx2 | dw::DW_FORM_addrx2 => {
                Step::Skip(2)
            }
            dw::DW_FORM_strx3 | dw::DW_FORM_addrx3 => Step::Skip(3),
            dw::DW_FORM_data4
            | dw::DW_FORM_ref4
            | dw::DW_FORM_strx4
            | dw::DW_FORM_addrx4
            | dw::DW_FORM_ref_sup4 => Step::Skip(4),
            dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sig8 | dw::DW_FORM_ref_sup8 => {
                Step::Skip(8)
            }
            dw::DW_FORM_data16 => Step::Skip(16),
            dw::DW_FORM_addr => Step::Skip(u32::from(encoding.address_size)),
            dw::DW_FORM_ref_addr if encoding.version <= 2 => {
                Step::Skip(u32::from(encoding.address_size))
            }
            dw::DW_FORM_sec_offset
            | dw::DW_FORM_strp
            | dw::DW_FORM_line_strp
            | dw::DW_FORM_strp_sup
            | dw::DW_FORM_ref_addr
            | dw::DW_FORM_GNU_ref_alt
            | dw::DW_FORM_GNU_strp_alt => Step::Skip(u32::from(offset)),
            dw::DW_FORM_udata
            | dw::DW_FORM_sdata
            | dw::DW_FORM_ref_udata
            | dw::DW_FORM_strx
            | dw::DW_FORM_addrx
            | dw::DW_FORM_loclistx
            | dw::DW_FORM_rnglistx
            | dw::DW_FORM_GNU_addr_index
            | dw::DW_FORM_GNU_str_index => Step::SkipLeb,
            dw::DW_FORM_string => Step::SkipString,
            dw::DW_FORM_block1 => Step::SkipBlock(1),
            dw::DW_FORM_block2 => Step::SkipBlock(2),
            dw::DW_FORM_block4 => Step::SkipBlock(4),
            dw::DW_FORM_block | dw::DW_FORM_exprloc => Step::SkipBlock(0),
            dw::DW_FORM_indirect => Step::SkipIndirect,
            _ => return None,
        };
        match (steps.get_mut(self.first as usize..), step) {
            (Some([.., Step::Skip(total)]), Step::Skip(count)) => *total += count,
            _ => steps.push(step),
        }
        Some(())
    }
}

/// The bytes of a unit and how to read them.
pub(crate) struct UnitBytes<'a> {
    /// All of `.debug_info` up to the end of the unit.
    pub info: &'a [u8],
    /// Offset of the unit's header.
    pub start: u64,
    /// Offset of the root entry.
    pub root: u64,
    pub encoding: Encoding,
}

impl UnitBytes<'_> {
    /// Calls `visit` for the root and then for what has a name among its children, with depth 0
    /// for the root; or, if `copies`, for functions with code and all copies inlined into them.
    /// Namespaces are entered in any case, and their children count as children of the root.
    pub fn scan(
        &self,
        programs: &Programs,
        copies: bool,
        mut visit: impl FnMut(&Die, u32),
    ) -> Result<(), Malformed> {
        let at = usize::try_from(self.root)
            .unwrap_or(usize::MAX)
            .min(self.info.len());
        let mut cursor = Cursor {
            bytes: self.info,
            at,
            section: ".debug_info",
        };
        let mut die = Die::default();
        let mut depth = 0_u32;
        // Levels of namespaces we are directly in; their children count as depth 1.
        let mut namespaces = 0_u32;
        while cursor.at < self.info.len() {
            let offset = cursor.at as u64;
            let code = cursor.leb()?;
            if code == 0 {
                depth = depth.saturating_sub(1);
                namespaces = namespaces.min(depth.saturating_sub(1));
                if depth == 0 {
                    break;
                }
                continue;
            }
            let program = programs
                .get(code)
                .ok_or_else(|| cursor.malformed("unknown abbreviation"))?;
            let shown = depth.saturating_sub(namespaces);
            let top = shown <= 1;
            let tag = dw::DwTag(program.tag);
            let is_function = program.has_code && tag == dw::DW_TAG_subprogram;
            let is_copy = program.has_code && tag == dw::DW_TAG_inlined_subroutine;
            let is_shown = match copies {
                true => is_copy || (top && is_function),
                false => top && program.matters,
            };
            let sibling = match &program.layout {
                Some(layout) if depth > 0 && !is_shown => {
                    let entry = cursor.take(layout.length)?;
                    let sibling = number(entry, layout.sibling);
                    sibling.map_or(0, |sibling| sibling.wrapping_add(self.start))
                }
                _ => {
                    self.read(&mut cursor, offset, programs, program, &mut die)?;
                    if is_shown || depth == 0 {
                        visit(&die, shown);
                    }
                    die.sibling
                }
            };
            if !program.children {
                if depth == 0 {
                    break;
                }
                continue;
            }
            let namespace = top && matches!(tag, dw::DW_TAG_namespace | dw::DW_TAG_module);
            // What is inlined is in functions alone.
            let is_entered = depth == 0 || namespace || (copies && (is_function || !top));
            if !is_entered && sibling > offset {
                let target = usize::try_from(sibling).unwrap_or(usize::MAX);
                if target > self.info.len() {
                    return Err(cursor.malformed("sibling outside the unit"));
                }
                cursor.at = cursor.at.max(target);
                continue;
            }
            depth += 1;
            if namespace {
                namespaces += 1;
            }
        }
        Ok(())
    }

    /// Reads the entry at an offset, behind its code.
    #[inline]
    fn read(
        &self,
        cursor: &mut Cursor<'_>,
        offset: u64,
        programs: &Programs,
        program: &Program,
        die: &mut Die,
    ) -> Result<(), Malformed> {
        *die = Die {
            offset,
            tag: program.tag,
            declaration: program.declaration,
            has_code: program.has_code,
            ..Die::default()
        };
        if let Some(layout) = &program.layout {
            let entry = cursor.take(layout.length)?;
            if let Some(name) = number(entry, layout.name) {
                die.name = Name::Str(name);
            }
            if let Some(sibling) = number(entry, layout.sibling) {
                die.refer(Use::Sibling, sibling.wrapping_add(self.start));
            }
            if let Some((what, at)) = layout.origin
                && let Some(origin) = number(entry, Some(at))
            {
                die.refer(what, origin.wrapping_add(self.start));
            }
            return Ok(());
        }
        for step in programs.steps(program) {
            match *step {
                Step::Skip(count) => cursor.skip(u64::from(count))?,
                Step::SkipLeb => {
                    cursor.leb()?;
                }
                Step::SkipString => cursor.skip_string()?,
                Step::SkipBlock(0) => {
                    let length = cursor.leb()?;
                    cursor.skip(length)?;
                }
                Step::SkipBlock(size) => {
                    let length = cursor.fixed(size)?;
                    cursor.skip(length)?;
                }
                Step::SkipIndirect => self.skip_indirect(cursor)?,
                Step::Declaration => die.declaration = cursor.byte()? != 0,
                Step::NameInline => {
                    die.name = Name::Inline(cursor.at as u64);
                    cursor.skip_string()?;
                }
                Step::NameLeb => die.name = Name::Index(cursor.leb()?),
                Step::NameFixed(size) => die.name = Name::Index(cursor.fixed(size)?),
                Step::NameOffset => {
                    die.name = Name::Str(cursor.fixed(self.encoding.offset_size)?);
                }
                Step::Reference(what, size, absolute) => {
                    let base = if absolute { 0 } else { self.start };
                    let value = cursor.fixed(size)?.wrapping_add(base);
                    die.refer(what, value);
                }
                Step::ReferenceLeb(what) => {
                    let value = cursor.leb()?.wrapping_add(self.start);
                    die.refer(what, value);
                }
            }
        }
        Ok(())
    }

    fn skip_indirect(&self, cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
        let form = u16::try_from(cursor.leb()?).map_err(|_| cursor.malformed("bad form"))?;
        if form == dw::DW_FORM_indirect.0 {
            return Err(cursor.malformed("indirect form in an indirect form"));
        }
        let mut steps = Vec::new();
        Program::default()
            .add(&mut steps, dw::DwAt(0), dw::DwForm(form), self.encoding)
            .ok_or_else(|| cursor.malformed("unknown attribute form"))?;
        match steps.first() {
            None => Ok(()),
            Some(Step::Skip(count)) => cursor.skip(u64::from(*count)),
            Some(Step::SkipString) => cursor.skip_string(),
            Some(Step::SkipBlock(0)) => {
                let length = cursor.leb()?;
                cursor.skip(length)
            }
            Some(Step::SkipBlock(size)) => {
                let length = cursor.fixed(*size)?;
                cursor.skip(length)
            }
            Some(_) => cursor.leb().map(|_| ()),
        }
    }
}

impl Die {
    #[inline]
    fn refer(&mut self, what: Use, value: u64) {
        match what {
            Use::Sibling => self.sibling = value,
            Use::Origin => self.origin = value,
            Use::Specification => {
                self.origin = value;
                self.is_specification = true;
            }
            Use::StringOffsetsBase => self.string_offsets_base = value,
            Use::Name => {}
        }
    }
}
