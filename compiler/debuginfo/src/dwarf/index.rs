// SPDX-License-Identifier: GPL-2.0-or-later

//! Which names are defined where: one row for each function, type and variable
//! at the top level of a unit. Built on first use, in parallel, never written
//! to disk.

use rayon::prelude::*;

use super::class::{Class, class_of};
use super::scan::{Die, Malformed, Name, Programs};
use super::{DwarfFile, UnitEntry};
use crate::glob;

/// One entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Offset of the name in `.debug_str`, or in `.debug_info` if
    /// `inline_name`; for an instance, offset of the entry with the name.
    pub name: u32,
    /// Offset of the entry in `.debug_info`.
    pub die: u32,
    pub class: Class,
    pub inline_name: bool,
    /// The entry has addresses of code.
    pub has_code: bool,
}

/// Units whose rows are kept together: enough of them that threads rarely ask
/// for more, few enough that the sizes of units even out.
const UNITS_TOGETHER: usize = 16;

/// All rows, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// In parts as they were read, none of them empty.
    parts: Vec<Vec<Row>>,
    /// Units that could not be read, and why.
    pub malformed: Vec<Malformed>,
    /// Some unit has entries whose origin may be in another unit (link-time
    /// optimization, dwz).
    pub crosses_units: bool,
}

impl Index {
    /// Scans all units of a file.
    pub fn build(file: &DwarfFile) -> Index {
        let units: Vec<usize> = (0..file.units.len()).collect();
        let parts: Vec<(Vec<Row>, Vec<Malformed>, bool)> = units
            .par_chunks(UNITS_TOGETHER)
            .map(|chunk| {
                let (mut rows, mut malformed) = (Vec::new(), Vec::new());
                let mut programs = Programs::default();
                let mut crosses = false;
                for unit in chunk {
                    if let Err(problem) = scan_unit(file, *unit, &mut programs, &mut rows) {
                        malformed.push(problem);
                    }
                    crosses |= programs.crosses_units;
                }
                rows.shrink_to_fit();
                (rows, malformed, crosses)
            })
            .collect();
        let mut index = Index::default();
        for (rows, malformed, crosses) in parts {
            index.parts.push(rows);
            index.malformed.extend(malformed);
            index.crosses_units |= crosses;
        }
        index.parts.retain(|part| !part.is_empty());
        index
    }

    /// All rows, part by part.
    pub fn parts(&self) -> &[Vec<Row>] {
        &self.parts
    }

    /// The rows up to an entry, the last one first.
    pub fn before(&self, die: u64) -> impl Iterator<Item = &Row> {
        let is_before = |row: &Row| u64::from(row.die) <= die;
        let parts = self
            .parts
            .partition_point(|part| part.first().is_some_and(is_before));
        let (last, whole) = match self.parts.get(..parts).and_then(<[_]>::split_last) {
            Some((last, whole)) => (last.as_slice(), whole),
            None => (&[][..], &[][..]),
        };
        let last = last
            .get(..last.partition_point(is_before))
            .unwrap_or_default();
        let whole = whole.iter().rev().flat_map(|part| part.iter().rev());
        last.iter().rev().chain(whole)
    }

    fn select(&self, wanted: impl Fn(&Row) -> bool + Sync) -> Vec<Row> {
        let of = |part: &Vec<Row>| -> Vec<Row> {
            part.iter().filter(|row| wanted(row)).copied().collect()
        };
        let parts: Vec<Vec<Row>> = self.parts.par_iter().map(of).collect();
        parts.concat()
    }

    /// Rows of some classes whose name is `name`.
    pub fn named(&self, file: &DwarfFile, name: &str, classes: &[Class]) -> Vec<Row> {
        let offsets = offsets_of(file.strings, name);
        let wanted = |row: &Row| {
            classes.contains(&row.class)
                && if row.inline_name {
                    file.row_name(row) == name.as_bytes()
                } else {
                    match offsets.as_slice() {
                        [one] => row.name == *one,
                        several => several.binary_search(&row.name).is_ok(),
                    }
                }
        };
        self.select(wanted)
    }

    /// Rows of some classes whose name matches a pattern.
    pub fn matching(&self, file: &DwarfFile, pattern: &str, classes: &[Class]) -> Vec<Row> {
        if !glob::is_pattern(pattern) {
            return self.named(file, pattern, classes);
        }
        let everything = pattern == "*";
        self.select(|row| {
            classes.contains(&row.class)
                && (everything || glob::matches_bytes(pattern.as_bytes(), file.row_name(row)))
        })
    }

    /// Instances of the entries in `origins`, which must be sorted.
    pub fn instances(&self, class: Class, origins: &[u32]) -> Vec<Row> {
        self.select(|row| row.class == class && origins.binary_search(&row.name).is_ok())
    }
}

/// Offsets in a string section at which exactly `name` starts. Linkers share
/// tails, so a name may be the end of a longer string.
fn offsets_of(strings: &[u8], name: &str) -> Vec<u32> {
    let mut needle = name.as_bytes().to_vec();
    needle.push(0);
    memchr::memmem::find_iter(strings, &needle)
        .filter_map(|at| u32::try_from(at).ok())
        .collect()
}

fn scan_unit(
    file: &DwarfFile,
    unit: usize,
    programs: &mut Programs,
    rows: &mut Vec<Row>,
) -> Result<(), Malformed> {
    let Some(entry) = file.units.get(unit) else {
        return Ok(());
    };
    let bytes = file.unit_bytes(entry);
    file.read_programs(entry, programs)?;
    let mut string_offsets_base = 0;
    // A variable that a header declares has its name there: its definition, further down in
    // the unit, only refers to the declaration. In the order of their offsets.
    let mut declared: Vec<(u64, Name)> = Vec::new();
    bytes.scan(programs, false, |die, depth| {
        if depth == 0 {
            string_offsets_base = die.string_offsets_base;
            return;
        }
        let Some(class) = class_of(die.tag) else {
            return;
        };
        let mut name = die.name;
        if class == Class::Variable {
            if die.declaration {
                declared.push((die.offset, die.name));
            } else if die.is_specification
                && let Ok(at) = declared.binary_search_by_key(&die.origin, |(offset, _)| *offset)
                && let Some((_, its_name)) = declared.get(at)
            {
                name = *its_name;
            }
        }
        // A declaration says nothing that its definition, elsewhere, does not.
        if !die.declaration {
            rows.extend(row(file, entry, string_offsets_base, class, name, die));
        }
    })
}

/// The row for an entry, if something can be found by it.
fn row(
    file: &DwarfFile,
    unit: &UnitEntry,
    string_offsets_base: u64,
    class: Class,
    name: Name,
    die: &Die,
) -> Option<Row> {
    let offset = u32::try_from(die.offset).ok()?;
    let make = |class, name: u64, inline_name| {
        let name = u32::try_from(name).ok()?;
        Some(Row {
            name,
            die: offset,
            class,
            inline_name,
            has_code: die.has_code,
        })
    };
    match name {
        Name::Str(name) => make(class, name, false),
        Name::Inline(name) => make(class, name, true),
        Name::Index(index) => make(
            class,
            file.indexed_string(unit, string_offsets_base, index)?,
            false,
        ),
        Name::None => match class {
            Class::Function if die.origin != 0 => make(Class::FunctionInstance, die.origin, false),
            Class::Variable if die.origin != 0 => make(Class::VariableInstance, die.origin, false),
            Class::Enum => make(Class::AnonymousEnum, 0, false),
            _ => None,
        },
    }
}
