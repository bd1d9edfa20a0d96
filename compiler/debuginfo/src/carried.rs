// SPDX-License-Identifier: GPL-2.0-or-later

//! What a script carries along of a program, so that addresses can be named and stacks
//! walked while it runs: symbols, rules for unwinding, source lines. All places are offsets
//! in the file, since that is what a mapping tells; in the kernel they count from `_stext`.

use std::path::Path;
use std::sync::Arc;

use object::LittleEndian;
use object::elf::{DT_NEEDED, ET_DYN, SHT_DYNAMIC};
use object::read::elf::SectionHeader as _;

use crate::dwarf::{Frames, UnwindRow};
use crate::elf::Elf;
use crate::error::Result;
use crate::session::{DebugInfo, Module, ModuleKind};
use crate::types::{ModuleId, SymbolKind};

/// A function of a program by its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CarriedSymbol {
    /// Offset of its first byte in the file.
    pub offset: u64,
    /// Bytes; 0 if not known.
    pub size: u64,
    /// Its name.
    pub name: String,
}

/// How to find the caller's frame, from this place in the file on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CarriedFrame {
    /// Offset in the file from which on it holds.
    pub offset: u64,
    /// The rule.
    pub rule: FrameRule,
}

/// Where the canonical frame address is; the return address is in the word below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameRule {
    /// No code, or a rule that is not followed.
    Unknown,
    /// The outermost function: it has no caller.
    Outermost,
    /// A register plus an offset, and where the caller's frame pointer was saved, as an
    /// offset from the frame address.
    Register {
        /// The frame pointer rather than the stack pointer.
        is_frame_pointer: bool,
        /// Added to the register.
        offset: i64,
        /// `None`: the frame pointer is as the caller left it.
        saved_frame_pointer: Option<i64>,
    },
    /// A stub of the procedure linkage table: one word more on the stack behind its push.
    LinkageStub,
}

/// A row of the line table by its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CarriedLine {
    /// Offset in the file, in the kernel from `_stext`, from which on it holds.
    pub offset: u64,
    /// Source file; empty behind the last row.
    pub file: Arc<str>,
    /// Line in it.
    pub line: u32,
}

impl DebugInfo {
    fn image(&self, module: ModuleId) -> Result<Option<(Arc<Module>, Arc<Elf>)>> {
        let module = self.get(module)?;
        let image = module.image.clone();
        Ok(image.map(|image| (module, image)))
    }

    /// Functions of a program, by place; of several names for one place the first.
    ///
    /// # Errors
    ///
    /// The program has no symbols that can be read.
    pub fn carried_symbols(&self, module: ModuleId) -> Result<Vec<CarriedSymbol>> {
        let Some((module, image)) = self.image(module)? else {
            return Ok(Vec::new());
        };
        let mut found: Vec<CarriedSymbol> = self
            .symbols_of(&module)?
            .matching("*")
            .filter(|symbol| symbol.kind == SymbolKind::Function)
            .filter_map(|symbol| {
                Some(CarriedSymbol {
                    offset: image.file_offset(symbol.address)?,
                    size: symbol.size,
                    // A version may follow: `name@@VERSION`.
                    name: symbol.name.split('@').next()?.to_owned(),
                })
            })
            .collect();
        // A symbol with a size before one without.
        found.sort_by(|one, other| {
            (one.offset, one.size == 0, &one.name).cmp(&(
                other.offset,
                other.size == 0,
                &other.name,
            ))
        });
        found.dedup_by_key(|symbol| symbol.offset);
        Ok(found)
    }

    /// Rules for unwinding a program's stack, by place.
    ///
    /// # Errors
    ///
    /// A section cannot be read.
    pub fn carried_frames(&self, module: ModuleId) -> Result<Vec<CarriedFrame>> {
        let Some((_, image)) = self.image(module)? else {
            return Ok(Vec::new());
        };
        let mut found: Vec<CarriedFrame> = Vec::new();
        for row in Frames::open(&image, &image)?.unwind_rows() {
            let UnwindRow { begin, end, rule } = row;
            let Some(offset) = image.file_offset(begin) else {
                continue;
            };
            let behind = offset.saturating_add(end.saturating_sub(begin));
            if found.last().is_some_and(|last| last.offset >= offset) {
                found.pop();
            }
            found.push(CarriedFrame { offset, rule });
            found.push(CarriedFrame {
                offset: behind,
                rule: FrameRule::Unknown,
            });
        }
        found.dedup_by_key(|frame| frame.rule);
        Ok(found)
    }

    /// Source lines of the code of a program or of the kernel, by place. Empty for a program without
    /// debug information.
    ///
    /// # Errors
    ///
    /// The debug information cannot be read.
    pub fn carried_lines(&self, module: ModuleId) -> Result<Vec<CarriedLine>> {
        let module = self.get(module)?;
        let is_kernel = module.kind == ModuleKind::Kernel;
        let dwarf = match &module.dwarf {
            Some(dwarf) => dwarf,
            None if is_kernel => self.need_dwarf(&module)?,
            None => return Ok(Vec::new()),
        };
        let stext = match self.symbols_of(&module) {
            Ok(symbols) if is_kernel => symbols.by_name("_stext").map(|symbol| symbol.address),
            _ => None,
        };
        let place = |address: u64| match stext {
            Some(stext) => address.checked_sub(stext),
            None => module.image.as_ref()?.file_offset(address),
        };
        let mut found: Vec<CarriedLine> = dwarf
            .all_lines()
            .into_iter()
            .filter_map(|(address, file, line)| {
                Some(CarriedLine {
                    offset: place(address)?,
                    file,
                    line,
                })
            })
            .collect();
        // The end of one sequence is often the begin of another: that one counts.
        found.sort_by(|one, other| {
            (one.offset, !one.file.is_empty()).cmp(&(other.offset, !other.file.is_empty()))
        });
        found.reverse();
        found.dedup_by_key(|line| line.offset);
        found.reverse();
        found.dedup_by(|next, known| next.file == known.file && next.line == known.line);
        Ok(found)
    }

    /// Whether a program or library may be loaded anywhere.
    pub fn is_position_independent(&self, module: ModuleId) -> bool {
        let image = self.image(module).ok().flatten();
        image.is_some_and(|(_, image)| image.file.elf_header().e_type.get(LittleEndian) == ET_DYN)
    }

    /// Names of the shared libraries that a program or library asks for.
    ///
    /// # Errors
    ///
    /// The dynamic section cannot be read.
    pub fn needed_libraries(&self, module: ModuleId) -> Result<Vec<String>> {
        let Some((_, image)) = self.image(module)? else {
            return Ok(Vec::new());
        };
        let endian = LittleEndian;
        let data = image.file.data();
        let sections = image.file.elf_section_table();
        let mut found = Vec::new();
        for section in sections.iter() {
            if section.sh_type(endian) != SHT_DYNAMIC {
                continue;
            }
            let Ok(Some((entries, strings))) = section.dynamic(endian, data) else {
                continue;
            };
            let Ok(strings) = sections.strings(endian, data, strings) else {
                continue;
            };
            for entry in entries {
                if entry.d_tag.get(endian) == DT_NEEDED
                    && let Ok(offset) = u32::try_from(entry.d_val.get(endian))
                    && let Ok(name) = strings.get(offset)
                {
                    found.push(String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        Ok(found)
    }
}

/// Build-id of a program or library, in hexadecimal. `None` if it has none or is no such file.
pub fn build_id_of(path: &Path) -> Option<String> {
    Elf::open(path).ok()?.build_id()
}
