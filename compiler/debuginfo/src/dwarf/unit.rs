// SPDX-License-Identifier: GPL-2.0-or-later

//! One unit of DWARF, and the questions asked of single entries.

use std::sync::{Arc, OnceLock};

use gimli::{AttributeValue, DebuggingInformationEntry, UnitOffset};

use super::callers::Calls;
use super::{Slice, UnitEntry};
use crate::types::{AddressRange, SourcePosition};

/// A unit with its abbreviations and line table header.
pub(crate) struct Unit {
    pub unit: gimli::Unit<Slice>,
    /// Index of the unit in its file.
    pub position: usize,
    /// Offset of its header in `.debug_info`.
    pub start: u64,
    /// Offset of its end.
    pub end: u64,
    /// Source files are named with the directory that they were compiled in.
    has_full_paths: bool,
    files: OnceLock<Vec<OnceLock<Option<Arc<str>>>>>,
    calls: OnceLock<Calls>,
}

/// An entry with its attributes.
pub(crate) type Entry = DebuggingInformationEntry<Slice>;

impl Unit {
    pub fn read(
        dwarf: &gimli::Dwarf<Slice>,
        entry: &UnitEntry,
        position: usize,
        has_full_paths: bool,
    ) -> gimli::Result<Unit> {
        let unit = gimli::Unit::new(dwarf, entry.header)?;
        Ok(Unit {
            unit,
            position,
            start: entry.start,
            end: entry.end,
            has_full_paths,
            files: OnceLock::new(),
            calls: OnceLock::new(),
        })
    }

    /// The calls that its functions make, read at the first question.
    pub fn calls(&self, read: impl FnOnce(&Unit) -> Calls) -> &Calls {
        self.calls.get_or_init(|| read(self))
    }

    /// Name of the unit's main source file.
    pub fn name(&self) -> String {
        self.unit
            .name
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Whether an offset of `.debug_info` lies in this unit.
    pub fn holds(&self, offset: u64) -> bool {
        self.start <= offset && offset < self.end
    }

    /// Reads the entry at an offset of `.debug_info`.
    pub fn entry(&self, offset: u64) -> gimli::Result<Entry> {
        self.unit.entry(self.local(offset))
    }

    /// An offset of `.debug_info` as one within this unit.
    pub fn local(&self, offset: u64) -> UnitOffset {
        UnitOffset(usize::try_from(offset.wrapping_sub(self.start)).unwrap_or(usize::MAX))
    }

    /// An offset within this unit as one of `.debug_info`.
    pub fn global(&self, offset: UnitOffset) -> u64 {
        self.start.wrapping_add(offset.0 as u64)
    }

    /// Where a reference attribute points, as an offset of `.debug_info`.
    pub fn reference(&self, entry: &Entry, name: gimli::DwAt) -> Option<u64> {
        match entry.attr_value(name)? {
            AttributeValue::UnitRef(offset) => Some(self.global(offset)),
            AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64),
            _ => None,
        }
    }

    /// A string attribute.
    pub fn string(
        &self,
        dwarf: &gimli::Dwarf<Slice>,
        entry: &Entry,
        name: gimli::DwAt,
    ) -> Option<String> {
        let value = entry.attr_value(name)?;
        let text = dwarf.attr_string(&self.unit, value).ok()?;
        Some(text.to_string_lossy().into_owned())
    }

    /// A flag attribute.
    pub fn flag(entry: &Entry, name: gimli::DwAt) -> bool {
        matches!(entry.attr_value(name), Some(AttributeValue::Flag(true)))
    }

    /// An unsigned number attribute.
    pub fn number(entry: &Entry, name: gimli::DwAt) -> Option<u64> {
        let value = entry.attr_value(name)?;
        value
            .udata_value()
            .or_else(|| value.sdata_value().map(|value| value as u64))
    }

    /// Name of a source file by its index in the line table, as SystemTap
    /// prints it: in the kernel relative to the compilation directory where that is a
    /// prefix, in programs with that directory.
    /// A kernel's units name a third of a million files, so each is put together when it is
    /// asked for.
    pub fn file_name(&self, dwarf: &gimli::Dwarf<Slice>, index: u64) -> Option<&Arc<str>> {
        let files = self.files.get_or_init(|| {
            let program = self.unit.line_program.as_ref();
            let count = program.map_or(0, |program| program.header().file_names().len());
            // Before DWARF 5 the first file has the index 1.
            (0..=count).map(|_| OnceLock::new()).collect()
        });
        files
            .get(usize::try_from(index).ok()?)?
            .get_or_init(|| self.read_file(dwarf, index))
            .as_ref()
    }

    /// All source files with their indices in the line table.
    pub fn file_names(
        &self,
        dwarf: &gimli::Dwarf<Slice>,
    ) -> impl Iterator<Item = (u64, &Arc<str>)> {
        let program = self.unit.line_program.as_ref();
        let count = program.map_or(0, |program| program.header().file_names().len() as u64);
        (0..=count).filter_map(move |index| Some((index, self.file_name(dwarf, index)?)))
    }

    fn read_file(&self, dwarf: &gimli::Dwarf<Slice>, index: u64) -> Option<Arc<str>> {
        let header = self.unit.line_program.as_ref()?.header();
        let file = header.file(index)?;
        let text = |value| {
            let text = dwarf.attr_string(&self.unit, value).ok()?;
            Some(text.to_string_lossy())
        };
        let root = self.unit.comp_dir.map(|text| text.to_string_lossy());
        let root = root.unwrap_or_default();
        // Before DWARF 5 directory 0 is the compilation directory and not in the list.
        let directory = match file.directory_index() {
            0 if header.version() < 5 => None,
            _ => file.directory(header),
        };
        let directory = directory.and_then(text).unwrap_or_default();
        let name = text(file.path_name())?;
        let path = shorten(&root, &directory, &name);
        match self.has_full_paths && !path.starts_with('/') {
            true => Some(format!("{root}/{path}").into()),
            false => (!path.is_empty()).then(|| path.into()),
        }
    }

    /// Where an entry says it is declared.
    pub fn declaration(
        &self,
        dwarf: &gimli::Dwarf<Slice>,
        entry: &Entry,
    ) -> Option<SourcePosition> {
        let index = match entry.attr_value(gimli::DW_AT_decl_file)? {
            AttributeValue::FileIndex(index) => index,
            value => value.udata_value()?,
        };
        let line = Unit::number(entry, gimli::DW_AT_decl_line).unwrap_or(0);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Some(SourcePosition {
            file: self.file_name(dwarf, index)?.clone(),
            line,
        })
    }

    /// All code addresses of an entry, in the order given. What the linker
    /// removed (ranges at 0) is left out.
    pub fn ranges(&self, dwarf: &gimli::Dwarf<Slice>, entry: &Entry) -> Vec<AddressRange> {
        let mut found = Vec::new();
        // gimli adds the two without looking.
        if let Some(AttributeValue::Udata(size)) = entry.attr_value(gimli::DW_AT_high_pc)
            && let Some(begin) = self.address(dwarf, entry, gimli::DW_AT_low_pc)
            && begin.checked_add(size).is_none()
        {
            return found;
        }
        let Ok(mut ranges) = dwarf.die_ranges(&self.unit, entry) else {
            return found;
        };
        while let Ok(Some(range)) = ranges.next() {
            if range.begin != 0 && range.begin < range.end {
                found.push(AddressRange {
                    begin: range.begin,
                    end: range.end,
                });
            }
        }
        found
    }

    /// An address attribute.
    pub fn address(
        &self,
        dwarf: &gimli::Dwarf<Slice>,
        entry: &Entry,
        name: gimli::DwAt,
    ) -> Option<u64> {
        dwarf
            .attr_address(&self.unit, entry.attr_value(name)?)
            .ok()
            .flatten()
    }
}

/// Path of a source file relative to the directory the unit was compiled in.
fn shorten(root: &str, directory: &str, name: &str) -> String {
    let joined = if name.starts_with('/') || directory.is_empty() {
        name.to_string()
    } else {
        format!("{directory}/{name}")
    };
    let below = |path: &str| {
        let rest = path.strip_prefix(root)?.strip_prefix('/')?;
        (!root.is_empty()).then(|| rest.to_string())
    };
    let path = below(&joined).unwrap_or(joined);
    match path.strip_prefix("./") {
        Some(rest) => rest.to_string(),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn paths_are_relative_to_the_compilation_directory() {
        assert_eq!(shorten("/b", "fs", "read_write.c"), "fs/read_write.c");
        assert_eq!(shorten("/b", "/b/fs", "a.c"), "fs/a.c");
        assert_eq!(shorten("/b", "/b", "a.c"), "a.c");
        assert_eq!(shorten("/b", "./include", "a.h"), "include/a.h");
        assert_eq!(shorten("/b", "/usr/include", "a.h"), "/usr/include/a.h");
        assert_eq!(shorten("/b", "", "/c/a.h"), "/c/a.h");
    }
}
