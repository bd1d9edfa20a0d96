// SPDX-License-Identifier: GPL-2.0-or-later

//! Which names are defined where: one row for each function, type and variable
//! at the top level of a unit. Built on first use, in parallel, never written
//! to disk.

use std::collections::HashMap;

use gimli::constants as dw;
use rayon::prelude::*;

use super::DwarfFile;
use super::scan::{Die, Malformed, Name};
use crate::glob;

/// What a row describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A function with a name: its only entry, or the abstract one.
    Function,
    /// Code of a function whose name is in another entry.
    FunctionInstance,
    Struct,
    Union,
    Enum,
    Typedef,
    Base,
    Variable,
    /// The definition of a variable declared in another entry.
    VariableInstance,
    /// An enumeration without a name, kept for its constants.
    AnonymousEnum,
}

/// One entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Offset of the name in `.debug_str`, or in `.debug_info` if
    /// `inline_name`; for an instance, offset of the entry with the name.
    pub name: u32,
    /// Offset of the entry in `.debug_info`.
    pub die: u32,
    /// Index of the unit.
    pub unit: u32,
    pub class: Class,
    pub inline_name: bool,
    /// The entry has addresses of code.
    pub has_code: bool,
}

/// All rows, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub rows: Vec<Row>,
    /// Units that could not be read, and why.
    pub malformed: Vec<Malformed>,
}

impl Index {
    /// Scans all units of a file.
    pub fn build(file: &DwarfFile) -> Index {
        let units: Vec<usize> = (0..file.units.len()).collect();
        let parts: Vec<(Vec<Row>, Vec<Malformed>)> = units
            .par_chunks(16)
            .map(|chunk| {
                let (mut rows, mut malformed) = (Vec::new(), Vec::new());
                for unit in chunk {
                    if let Err(problem) = scan_unit(file, *unit, &mut rows) {
                        malformed.push(problem);
                    }
                }
                (rows, malformed)
            })
            .collect();
        let mut index = Index::default();
        index
            .rows
            .reserve_exact(parts.iter().map(|part| part.0.len()).sum());
        for (rows, malformed) in parts {
            index.rows.extend_from_slice(&rows);
            index.malformed.extend(malformed);
        }
        index
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
        self.rows
            .iter()
            .filter(|row| wanted(row))
            .copied()
            .collect()
    }

    /// Rows of some classes whose name matches a pattern.
    pub fn matching(&self, file: &DwarfFile, pattern: &str, classes: &[Class]) -> Vec<Row> {
        if !glob::is_pattern(pattern) {
            return self.named(file, pattern, classes);
        }
        let everything = pattern == "*";
        self.rows
            .par_chunks(1 << 16)
            .map(|rows| {
                let mut known: HashMap<u32, bool> = HashMap::new();
                let mut found = Vec::new();
                for row in rows {
                    if !classes.contains(&row.class) {
                        continue;
                    }
                    let test =
                        || glob::matches(pattern, &String::from_utf8_lossy(file.row_name(row)));
                    let wanted = everything
                        || if row.inline_name {
                            test()
                        } else {
                            *known.entry(row.name).or_insert_with(test)
                        };
                    if wanted {
                        found.push(*row);
                    }
                }
                found
            })
            .flatten()
            .collect()
    }

    /// Instances of the entries in `origins`, which must be sorted.
    pub fn instances(&self, class: Class, origins: &[u32]) -> Vec<Row> {
        self.rows
            .iter()
            .filter(|row| row.class == class && origins.binary_search(&row.name).is_ok())
            .copied()
            .collect()
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

fn scan_unit(file: &DwarfFile, unit: usize, rows: &mut Vec<Row>) -> Result<(), Malformed> {
    let Some(entry) = file.units.get(unit) else {
        return Ok(());
    };
    let bytes = file.unit_bytes(entry);
    let programs = file.programs(entry)?;
    let mut string_offsets_base = 0;
    let unit = u32::try_from(unit).unwrap_or(u32::MAX);
    // A variable that a header declares has its name there: its definition, further down in
    // the unit, only refers to the declaration. In the order of their offsets.
    let mut declared: Vec<(u64, Name)> = Vec::new();
    bytes.scan(&programs, false, |die, depth| {
        if depth == 0 {
            string_offsets_base = die.string_offsets_base;
            return;
        }
        let mut die = *die;
        if dw::DwTag(die.tag) == dw::DW_TAG_variable {
            if die.declaration {
                declared.push((die.offset, die.name));
            } else if die.is_specification
                && let Ok(at) = declared.binary_search_by_key(&die.origin, |(offset, _)| *offset)
                && let Some((_, name)) = declared.get(at)
            {
                die.name = *name;
            }
        }
        rows.extend(row(file, unit, string_offsets_base, &die));
    })
}

/// The row for an entry, if it is of a kind that is kept.
fn row(file: &DwarfFile, unit: u32, string_offsets_base: u64, die: &Die) -> Option<Row> {
    let class = match dw::DwTag(die.tag) {
        dw::DW_TAG_subprogram => Class::Function,
        dw::DW_TAG_structure_type | dw::DW_TAG_class_type => Class::Struct,
        dw::DW_TAG_union_type => Class::Union,
        dw::DW_TAG_enumeration_type => Class::Enum,
        dw::DW_TAG_typedef => Class::Typedef,
        dw::DW_TAG_base_type => Class::Base,
        dw::DW_TAG_variable => Class::Variable,
        _ => return None,
    };
    // A declaration says nothing that its definition, elsewhere, does not.
    if die.declaration {
        return None;
    }
    let offset = u32::try_from(die.offset).ok()?;
    let make = |class, name: u64, inline_name| {
        let name = u32::try_from(name).ok()?;
        Some(Row {
            name,
            die: offset,
            unit,
            class,
            inline_name,
            has_code: die.has_code,
        })
    };
    match die.name {
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
