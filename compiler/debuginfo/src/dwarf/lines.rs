// SPDX-License-Identifier: GPL-2.0-or-later

//! Line tables: source lines to addresses and back.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rayon::prelude::*;

use super::DwarfFile;
use super::unit::Unit;
use crate::error::Result;
use crate::glob;
use crate::types::{Address, AddressRange, Function, LineAddress, ModuleId, SourcePosition};

/// One row of a line table.
struct Row {
    address: u64,
    file: u64,
    line: u32,
    is_statement: bool,
    prologue_end: bool,
}

impl DwarfFile {
    /// Names of source files that match a pattern, as in [`SourcePosition`].
    pub fn source_files(&self, pattern: &str) -> BTreeSet<Arc<str>> {
        (0..self.units.len())
            .into_par_iter()
            .flat_map_iter(|position| {
                let unit = self.unit(position).into_iter();
                unit.flat_map(|unit| unit.file_names(&self.dwarf))
                    .filter(|(_, name)| glob::matches_path(pattern, name))
            })
            .fold(BTreeSet::new, |mut all, (_, name)| {
                if !all.contains(name) {
                    all.insert(name.clone());
                }
                all
            })
            .reduce(BTreeSet::new, |mut all, some| {
                all.extend(some);
                all
            })
    }

    /// All rows for some lines of files that match, by unit and address.
    pub fn lines(
        &self,
        module: ModuleId,
        pattern: &str,
        lines: &RangeInclusive<u32>,
    ) -> Vec<LineAddress> {
        (0..self.units.len())
            .into_par_iter()
            .flat_map_iter(|position| {
                let mut found = Vec::new();
                let Ok(unit) = self.unit(position) else {
                    return found;
                };
                let wanted: Vec<u64> = unit
                    .file_names(&self.dwarf)
                    .filter(|(_, name)| glob::matches_path(pattern, name))
                    .map(|(index, _)| index)
                    .collect();
                if wanted.is_empty() {
                    return found;
                }
                self.rows(unit, |row, _| {
                    if lines.contains(&row.line) && wanted.binary_search(&row.file).is_ok() {
                        found.extend(self.line_address(module, unit, row));
                    }
                });
                found
            })
            .collect()
    }

    /// All rows inside a function, those of inlined code included, by address.
    pub fn lines_of(&self, function: &Function) -> Result<Vec<LineAddress>> {
        let unit = self.unit_of(function.id.offset)?;
        let mut found = Vec::new();
        self.rows(unit, |row, _| {
            if function
                .ranges
                .iter()
                .any(|range| range.contains(row.address))
            {
                found.extend(self.line_address(function.id.module, unit, row));
            }
        });
        found.sort_by_key(|line| line.address);
        Ok(found)
    }

    /// All rows of all line tables; a row without file ends a sequence.
    pub fn all_lines(&self) -> Vec<(u64, Arc<str>, u32)> {
        (0..self.units.len())
            .into_par_iter()
            .flat_map_iter(|position| {
                let mut found = Vec::new();
                let Ok(unit) = self.unit(position) else {
                    return found;
                };
                let mut end = 0;
                self.rows(unit, |row, range| {
                    if end != 0 && end != range.begin {
                        found.push((end, Arc::from(""), 0));
                    }
                    end = range.end;
                    if let Some(file) = unit.file_name(&self.dwarf, row.file) {
                        found.push((range.begin, file.clone(), row.line));
                    }
                });
                if end != 0 {
                    found.push((end, Arc::from(""), 0));
                }
                found
            })
            .collect()
    }

    /// The source line of an address.
    pub fn line_at(&self, address: u64) -> Result<Option<SourcePosition>> {
        let Some(unit) = self.unit_at(address)? else {
            return Ok(None);
        };
        let mut found = None;
        self.rows(unit, |row, range| {
            // Of several rows at one address the last describes the code there.
            if range.contains(address) {
                found = Some((row.file, row.line));
            }
        });
        Ok(found.and_then(|(file, line)| {
            let file = unit.file_name(&self.dwarf, file)?.clone();
            Some(SourcePosition { file, line })
        }))
    }

    fn line_address(&self, module: ModuleId, unit: &Unit, row: &Row) -> Option<LineAddress> {
        Some(LineAddress {
            position: SourcePosition {
                file: unit.file_name(&self.dwarf, row.file)?.clone(),
                line: row.line,
            },
            address: Address {
                module,
                value: row.address,
            },
            is_statement: row.is_statement,
            prologue_end: row.prologue_end,
        })
    }

    /// Runs a unit's line program; `visit` gets each row and the addresses it
    /// covers. A malformed program ends early.
    fn rows(&self, unit: &Unit, mut visit: impl FnMut(&Row, AddressRange)) {
        let Some(program) = unit.unit.line_program.clone() else {
            return;
        };
        let mut rows = program.rows();
        let mut last: Option<Row> = None;
        while let Ok(Some((_, row))) = rows.next_row() {
            if let Some(before) = last.take()
                && before.address != 0
            {
                let range = AddressRange {
                    begin: before.address,
                    end: row.address(),
                };
                visit(&before, range);
            }
            if !row.end_sequence() {
                last = Some(Row {
                    address: row.address(),
                    file: row.file_index(),
                    line: row
                        .line()
                        .map_or(0, |line| u32::try_from(line.get()).unwrap_or(0)),
                    is_statement: row.is_stmt(),
                    prologue_end: row.prologue_end(),
                });
            }
        }
    }
}
