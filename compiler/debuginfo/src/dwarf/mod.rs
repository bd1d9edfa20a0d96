// SPDX-License-Identifier: GPL-2.0-or-later

//! DWARF 2 to 5 of one file. Everything is read on demand: the index of names
//! on the first question about a name, a unit on the first question about
//! something in it.

mod alternate;
mod callers;
mod cfi;
mod class;
mod functions;
mod index;
mod lines;
mod location;
mod scan;
mod types;
mod unit;
mod variables;

use std::path::PathBuf;
use std::sync::OnceLock;

use gimli::{EndianSlice, LittleEndian, UnitHeader};

use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::mapped;

use alternate::Joined;
pub(crate) use cfi::{Frames, UnwindRow};
pub(crate) use class::Class;
pub(crate) use index::{Index, Row};
use scan::{Malformed, Programs, UnitBytes};
pub(crate) use unit::Unit;

pub(crate) type Slice = EndianSlice<'static, LittleEndian>;

/// A unit's place, and its contents once read.
pub(crate) struct UnitEntry {
    pub header: UnitHeader<Slice>,
    /// Offset of the header in `.debug_info`.
    pub start: u64,
    /// Offset of the end.
    pub end: u64,
    unit: OnceLock<std::result::Result<Unit, String>>,
}

/// DWARF of one file.
pub(crate) struct DwarfFile {
    pub path: PathBuf,
    pub dwarf: gimli::Dwarf<Slice>,
    pub units: Vec<UnitEntry>,
    info: &'static [u8],
    abbreviations: &'static [u8],
    strings: &'static [u8],
    string_offsets: &'static [u8],
    frames: cfi::Frames,
    /// Addresses of the per-CPU area, if the file has one.
    percpu: Option<(u64, u64)>,
    has_full_paths: bool,
    index: OnceLock<Index>,
    /// Ranges of addresses with the unit they belong to, sorted.
    addresses: OnceLock<Vec<(u64, u64, u32)>>,
}

impl DwarfFile {
    /// Reads the unit headers. `None` if the file has no DWARF. `image` is the
    /// loaded file, whose `.eh_frame` counts; often the same. `shared` is what
    /// dwz(1) moved a part of the entries to.
    pub fn open(elf: &Elf, image: &Elf, shared: Option<&Elf>) -> Result<Option<DwarfFile>> {
        if !elf.has_section(".debug_info") {
            return Ok(None);
        }
        let joined = shared.map(|shared| Joined::new(elf, shared)).transpose()?;
        let data = |name: &str| match joined.as_ref().and_then(|joined| joined.section(name)) {
            Some(bytes) => Ok(bytes),
            None => elf.section_data(name),
        };
        let dwarf = gimli::Dwarf::load(|id| {
            data(id.name()).map(|bytes| EndianSlice::new(bytes, LittleEndian))
        })?;
        let info = data(".debug_info")?;
        if u32::try_from(info.len()).is_err() {
            return Err(Error::in_file(
                &elf.path,
                ".debug_info is larger than 4 GiB",
            ));
        }
        let mut units = Vec::new();
        let mut headers = dwarf.units();
        loop {
            match headers.next() {
                Ok(Some(header)) => {
                    let start = header
                        .debug_info_offset()
                        .map_or(0, |offset| offset.0 as u64);
                    let end = start.saturating_add(header.length_including_self() as u64);
                    units.push(UnitEntry {
                        header,
                        start,
                        end,
                        unit: OnceLock::new(),
                    });
                }
                Ok(None) => break,
                Err(error) => {
                    let at = units.last().map_or(0, |unit| unit.end);
                    return Err(
                        Error::in_file(&elf.path, format!("bad unit header: {error}"))
                            .at(".debug_info", at),
                    );
                }
            }
        }
        Ok(Some(DwarfFile {
            path: elf.path.clone(),
            dwarf,
            units,
            info,
            abbreviations: data(".debug_abbrev")?,
            strings: data(".debug_str")?,
            string_offsets: data(".debug_str_offsets")?,
            frames: cfi::Frames::open(elf, image)?,
            percpu: elf
                .sections
                .iter()
                .find(|section| section.name == ".data..percpu")
                .map(|section| {
                    (
                        section.address,
                        section.address.saturating_add(section.size),
                    )
                }),
            has_full_paths: false,
            index: OnceLock::new(),
            addresses: OnceLock::new(),
        }))
    }

    /// Names source files with the directory that they were compiled in, as is done for programs.
    pub fn with_full_paths(self) -> DwarfFile {
        DwarfFile {
            has_full_paths: true,
            ..self
        }
    }

    /// Whether the file only says in which other files the entries are
    /// (`-gsplit-dwarf`). The first unit with code tells, others may be assembly.
    pub fn is_split(&self) -> bool {
        const FEW: usize = 64;
        self.units.iter().take(FEW).any(|entry| {
            let Ok(unit) = gimli::Unit::new(&self.dwarf, entry.header) else {
                return false;
            };
            unit.dwo_id.is_some() || matches!(unit.dwo_name(), Ok(Some(_)))
        })
    }

    /// An error of gimli's about something in a unit.
    pub(super) fn malformed(&self, unit: &Unit, error: gimli::Error) -> Error {
        Error::in_file(&self.path, format!("bad DWARF: {error}")).at(".debug_info", unit.start)
    }

    /// The index of names.
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::build(self))
    }

    /// Index of the unit that contains an offset of `.debug_info`, if one does.
    pub fn position_of(&self, offset: u64) -> usize {
        self.units.partition_point(|unit| unit.end <= offset)
    }

    /// The unit that contains an offset of `.debug_info`.
    pub fn unit_of(&self, offset: u64) -> Result<&Unit> {
        let position = self.position_of(offset);
        match self.units.get(position) {
            Some(entry) if entry.start <= offset => self.unit(position),
            _ => Err(Error::in_file(&self.path, "reference to no unit").at(".debug_info", offset)),
        }
    }

    /// The unit with this index.
    pub fn unit(&self, position: usize) -> Result<&Unit> {
        let Some(entry) = self.units.get(position) else {
            return Err(Error::in_file(&self.path, format!("no unit {position}")));
        };
        entry
            .unit
            .get_or_init(|| {
                Unit::read(&self.dwarf, entry, position, self.has_full_paths)
                    .map_err(|error| error.to_string())
            })
            .as_ref()
            .map_err(|message| {
                Error::in_file(&self.path, format!("bad unit: {message}"))
                    .at(".debug_info", entry.start)
            })
    }

    /// Gives back the memory of these (sorted) units' entries, which will
    /// hardly be asked for again.
    fn release_units(&self, positions: &[usize]) {
        let entry = |position: Option<&usize>| self.units.get(*position?);
        let (Some(first), Some(last)) = (entry(positions.first()), entry(positions.last())) else {
            return;
        };
        // Units of 64-bit offsets end within the section, whose length is an address.
        let bytes = self.info.get(first.start as usize..last.end as usize);
        mapped::release(bytes.unwrap_or_default());
    }

    /// The unit whose code contains an address.
    pub fn unit_at(&self, address: u64) -> Result<Option<&Unit>> {
        let addresses = self.addresses.get_or_init(|| self.read_addresses());
        let after = addresses.partition_point(|(begin, _, _)| *begin <= address);
        match after
            .checked_sub(1)
            .and_then(|before| addresses.get(before))
        {
            Some((_, end, unit)) if address < *end => self.unit(*unit as usize).map(Some),
            _ => Ok(None),
        }
    }

    /// From `.debug_aranges` where a unit has an entry there, else from the
    /// unit's root.
    fn read_addresses(&self) -> Vec<(u64, u64, u32)> {
        let mut covered = vec![false; self.units.len()];
        let mut found = Vec::new();
        let mut headers = self.dwarf.debug_aranges.headers();
        while let Ok(Some(header)) = headers.next() {
            let offset = header.debug_info_offset().0 as u64;
            let Ok(position) = self.units.binary_search_by_key(&offset, |unit| unit.start) else {
                continue;
            };
            let mut entries = header.entries();
            while let Ok(Some(entry)) = entries.next() {
                if entry.address() != 0 && entry.length() != 0 {
                    let end = entry.address().saturating_add(entry.length());
                    found.push((entry.address(), end, position as u32));
                }
            }
            if let Some(covered) = covered.get_mut(position) {
                *covered = true;
            }
        }
        for (position, _) in covered.iter().enumerate().filter(|(_, covered)| !**covered) {
            let Ok(unit) = self.unit(position) else {
                continue;
            };
            let Ok(root) = unit.unit.entry(unit.unit.header.root_offset()) else {
                continue;
            };
            for range in unit.ranges(&self.dwarf, &root) {
                found.push((range.begin, range.end, position as u32));
            }
        }
        found.sort_unstable();
        found
    }

    /// The name of an index row; empty for instances and broken offsets.
    pub fn row_name(&self, row: &Row) -> &'static [u8] {
        let section = match row.class {
            Class::FunctionInstance | Class::VariableInstance | Class::AnonymousEnum => return &[],
            _ if row.inline_name => self.info,
            _ => self.strings,
        };
        let rest = section.get(row.name as usize..).unwrap_or_default();
        rest.get(..memchr::memchr(0, rest).unwrap_or(0))
            .unwrap_or_default()
    }

    /// How a unit is encoded, for the scanner.
    fn encoding(entry: &UnitEntry) -> scan::Encoding {
        let encoding = entry.header.encoding();
        scan::Encoding {
            version: encoding.version,
            address_size: encoding.address_size,
            offset_size: encoding.format.word_size(),
        }
    }

    /// The bytes of a unit, for the scanner.
    pub(super) fn unit_bytes(&self, entry: &UnitEntry) -> UnitBytes<'static> {
        let end = usize::try_from(entry.end)
            .unwrap_or(usize::MAX)
            .min(self.info.len());
        UnitBytes {
            info: self.info.get(..end).unwrap_or_default(),
            start: entry.start,
            root: entry
                .start
                .saturating_add(entry.header.header_size() as u64),
            encoding: DwarfFile::encoding(entry),
        }
    }

    /// Compiles the abbreviations of a unit.
    pub(super) fn read_programs(
        &self,
        entry: &UnitEntry,
        programs: &mut Programs,
    ) -> std::result::Result<(), Malformed> {
        let offset = entry.header.debug_abbrev_offset().0 as u64;
        programs.read(self.abbreviations, offset, DwarfFile::encoding(entry))
    }

    /// Offset in `.debug_str` of an indexed string of a unit.
    fn indexed_string(&self, entry: &UnitEntry, base: u64, index: u64) -> Option<u64> {
        let size = u64::from(DwarfFile::encoding(entry).offset_size);
        // Without DW_AT_str_offsets_base the unit's part follows the section's header.
        let base = if base == 0 { 2 * size } else { base };
        let at = usize::try_from(index.checked_mul(size)?.checked_add(base)?).ok()?;
        let bytes = self
            .string_offsets
            .get(at..at.checked_add(size as usize)?)?;
        let mut value = [0; 8];
        value.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(value))
    }
}
