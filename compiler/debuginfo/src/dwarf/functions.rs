// SPDX-License-Identifier: GPL-2.0-or-later

//! Functions by pattern: those with code of their own and inlined copies.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use gimli::constants as dw;
use rayon::prelude::*;

use super::scan::Programs;
use super::unit::{Entry, Unit};
use super::{Class, DwarfFile, Row};
use crate::error::Result;
use crate::glob;
use crate::symbols::SymbolList;
use crate::types::{
    Address, EntityId, Function, FunctionKind, FunctionQuery, ModuleId, Source, SourcePosition,
};

/// What all instances of a source function share.
#[derive(Debug, Clone)]
struct Origin {
    name: Arc<str>,
    declaration: Option<SourcePosition>,
    external: bool,
}

/// An entry of an inlined copy, and the top-level function around it.
struct InlinedCopy {
    die: u64,
    origin: u64,
    around: u64,
}

/// Longest chain of `DW_AT_abstract_origin` and `DW_AT_specification`.
const ORIGIN_CHAIN: usize = 8;

/// Things that belong together while functions of one unit are described.
struct Describer<'a> {
    file: &'a DwarfFile,
    unit: &'a Unit,
    module: ModuleId,
    symbols: &'a SymbolList,
    pattern: Option<&'a str>,
    /// By entry: `None` if the file pattern excludes it.
    origins: HashMap<u64, Option<Origin>>,
    /// Linkage names of enclosing functions, by entry.
    enclosing: HashMap<u64, Option<Arc<str>>>,
}

impl DwarfFile {
    /// Functions that match, in the order of the file. Units that cannot be
    /// read are left out. `is_probeable` matters to `one_of_each` alone.
    pub fn functions(
        &self,
        module: ModuleId,
        symbols: &SymbolList,
        query: &FunctionQuery,
        is_probeable: &(dyn Fn(u64) -> bool + Sync),
    ) -> Vec<Function> {
        let index = self.index();
        let mut rows = index.matching(self, &query.name, &[Class::Function]);
        let abstract_dies: Vec<u32> = rows
            .iter()
            .filter(|row| !row.has_code)
            .map(|row| row.die)
            .collect();
        // Units with abstract entries are where inlined copies are.
        let mut units_with_copies = match query.inlined && !abstract_dies.is_empty() {
            true if index.crosses_units => (0..self.units.len()).collect(),
            true => self.units_of(&abstract_dies),
            false => Vec::new(),
        };
        rows.retain(|row| row.has_code);
        rows.extend(
            index
                .instances(Class::FunctionInstance, &abstract_dies)
                .into_iter()
                .filter(|row| row.has_code),
        );
        rows.sort_unstable_by_key(|row| row.die);
        let dies: Vec<u32> = rows.iter().map(|row| row.die).collect();
        let mut units = self.units_of(&dies);
        units.extend_from_slice(&units_with_copies);
        units.sort_unstable();
        units.dedup();
        units_with_copies.dedup();
        let named = Mutex::new(HashSet::new());
        let describe_unit = |programs: &mut Programs, position: usize| -> Vec<Function> {
            // Where one of each will do, thousands of units are read that nobody asks about again.
            let passing;
            let unit = match (query.one_of_each, self.units.get(position)) {
                (true, Some(entry)) => {
                    passing = Unit::read(&self.dwarf, entry, position, self.has_full_paths);
                    passing.as_ref().ok()
                }
                _ => self.unit(position).ok(),
            };
            let Some(unit) = unit else {
                return Vec::new();
            };
            let mut describer = Describer {
                file: self,
                unit,
                module,
                symbols,
                pattern: query.file.as_deref(),
                origins: HashMap::new(),
                enclosing: HashMap::new(),
            };
            let mut found = Vec::new();
            let from = rows.partition_point(|row| u64::from(row.die) < unit.start);
            let rest = rows.get(from..).unwrap_or_default();
            for row in rest.iter().take_while(|row| unit.holds(u64::from(row.die))) {
                found.extend(describer.concrete(row));
            }
            if units_with_copies.binary_search(&position).is_err() {
                return found;
            }
            let copies = self.inlined_copies(programs, position, &abstract_dies);
            if !query.one_of_each {
                found.extend(copies.iter().filter_map(|copy| describer.inlined(copy)));
                return found;
            }
            let mut done = HashSet::new();
            for copy in copies {
                if done.contains(&copy.origin) {
                    continue;
                }
                // A function of a header is one function, whatever the unit.
                let named = || named.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(origin) = describer.origin(copy.origin) else {
                    continue;
                };
                let name = (origin.name, origin.declaration);
                if named().contains(&name) {
                    done.insert(copy.origin);
                    continue;
                }
                let Some(function) = describer.inlined(&copy) else {
                    continue;
                };
                if is_probeable(function.entry.value) {
                    named().insert(name);
                    done.insert(copy.origin);
                }
                found.push(function);
            }
            found
        };
        units
            .par_chunks(8)
            .flat_map_iter(|chunk| {
                let mut programs = Programs::default();
                let functions = chunk
                    .iter()
                    .flat_map(|unit| describe_unit(&mut programs, *unit));
                let functions = functions.collect::<Vec<_>>();
                if query.one_of_each {
                    self.release_units(chunk);
                }
                functions
            })
            .collect()
    }

    /// Indices of the units that hold these (sorted) entries.
    fn units_of(&self, dies: &[u32]) -> Vec<usize> {
        let mut units: Vec<usize> = Vec::new();
        let mut end = 0;
        for die in dies.iter().map(|die| u64::from(*die)) {
            if die >= end {
                let position = self.position_of(die);
                end = self.units.get(position).map_or(u64::MAX, |unit| unit.end);
                units.push(position);
            }
        }
        units
    }

    /// All copies in a unit of the functions with these (sorted) entries.
    fn inlined_copies(
        &self,
        programs: &mut Programs,
        position: usize,
        origins: &[u32],
    ) -> Vec<InlinedCopy> {
        let mut found = Vec::new();
        let Some(entry) = self.units.get(position) else {
            return found;
        };
        if self.read_programs(entry, programs).is_err() {
            return found;
        }
        let mut around = 0;
        // A malformed unit gives what was read before the error.
        let _ = self.unit_bytes(entry).scan(programs, true, |die, depth| {
            if depth <= 1 {
                around = die.offset;
            } else if die.tag == dw::DW_TAG_inlined_subroutine.0
                && die.has_code
                && u32::try_from(die.origin)
                    .is_ok_and(|origin| origins.binary_search(&origin).is_ok())
            {
                found.push(InlinedCopy {
                    die: die.offset,
                    origin: die.origin,
                    around,
                });
            }
        });
        found
    }

    /// The function whose code contains an address: the innermost inlined
    /// copy, or the function itself if `inlined` is false.
    pub fn function_at(
        &self,
        module: ModuleId,
        symbols: &SymbolList,
        address: u64,
        inlined: bool,
    ) -> Result<Option<Function>> {
        let Some(unit) = self.unit_at(address)? else {
            return Ok(None);
        };
        let failed = |error: gimli::Error| self.malformed(unit, error);
        let mut best: Option<(u64, u64, bool)> = None;
        let mut entries = unit.unit.entries();
        let mut around = 0;
        let mut in_around = false;
        while let Some(entry) = entries.next_dfs().map_err(failed)? {
            let tag = entry.tag();
            let top = tag == dw::DW_TAG_subprogram;
            if !top && (tag != dw::DW_TAG_inlined_subroutine || !in_around || !inlined) {
                continue;
            }
            let inside = unit
                .ranges(&self.dwarf, entry)
                .iter()
                .any(|range| range.contains(address));
            let offset = unit.global(entry.offset());
            if top {
                if best.is_some() && !inside {
                    break;
                }
                around = offset;
                in_around = inside;
            }
            if inside {
                best = Some((offset, around, top));
            }
        }
        let Some((die, around, top)) = best else {
            return Ok(None);
        };
        Ok(self.describe(module, symbols, die, (!top).then_some(around)))
    }

    /// Describes the function at an entry.
    pub fn describe(
        &self,
        module: ModuleId,
        symbols: &SymbolList,
        die: u64,
        around: Option<u64>,
    ) -> Option<Function> {
        let unit = self.unit_of(die).ok()?;
        let mut describer = Describer {
            file: self,
            unit,
            module,
            symbols,
            pattern: None,
            origins: HashMap::new(),
            enclosing: HashMap::new(),
        };
        match around {
            None => describer.instance(die, die, None),
            Some(around) => {
                let entry = unit.entry(die).ok()?;
                let origin = unit.reference(&entry, dw::DW_AT_abstract_origin)?;
                describer.inlined(&InlinedCopy {
                    die,
                    origin,
                    around,
                })
            }
        }
    }
}

impl Describer<'_> {
    /// A function's own code. What the compiler split off it (`f.part.0`) is
    /// left to its symbol: whoever calls the function may never get there, or
    /// from an inlined copy of the rest.
    fn concrete(&mut self, row: &Row) -> Option<Function> {
        let origin = match row.class {
            Class::FunctionInstance => u64::from(row.name),
            _ => u64::from(row.die),
        };
        let function = self.instance(u64::from(row.die), origin, None)?;
        let clone = function.linkage_name.strip_prefix(&*function.name);
        (!clone.is_some_and(|clone| clone.starts_with(".part."))).then_some(function)
    }

    fn inlined(&mut self, copy: &InlinedCopy) -> Option<Function> {
        self.instance(copy.die, copy.origin, Some(copy.around))
    }

    fn instance(&mut self, die: u64, origin: u64, around: Option<u64>) -> Option<Function> {
        let origin = self.origin(origin)?;
        let dwarf = &self.file.dwarf;
        let entry = self.unit.entry(die).ok()?;
        let ranges = self.unit.ranges(dwarf, &entry);
        // An inlined copy may have shrunk to nothing and still have a place.
        let low = self
            .unit
            .address(dwarf, &entry, dw::DW_AT_low_pc)
            .filter(|low| *low != 0);
        let first = ranges.first().map(|range| range.begin).or(low);
        let entry_address = match entry.attr_value(dw::DW_AT_entry_pc) {
            Some(value) => match dwarf.attr_address(&self.unit.unit, value) {
                Ok(Some(address)) => address,
                // A number counts from the base address of the entry (DWARF 5 §2.18).
                _ => first?.wrapping_add(value.udata_value().unwrap_or(0)),
            },
            None => first?,
        };
        if entry_address == 0 {
            return None;
        }
        let inlined_into = around.and_then(|around| self.linkage_name_of(around));
        let linkage_name = match around {
            Some(_) => origin.name.clone(),
            None => symbol_for(self.symbols, entry_address, &origin.name),
        };
        Some(Function {
            name: origin.name,
            linkage_name,
            kind: if around.is_some() {
                FunctionKind::Inlined
            } else {
                FunctionKind::Concrete
            },
            declaration: origin.declaration,
            entry: Address {
                module: self.module,
                value: entry_address,
            },
            ranges,
            external: origin.external,
            inlined_into,
            source: Source::Dwarf,
            id: EntityId {
                module: self.module,
                source: Source::Dwarf,
                offset: die,
            },
        })
    }

    fn origin(&mut self, die: u64) -> Option<Origin> {
        if let Some(origin) = self.origins.get(&die) {
            return origin.clone();
        }
        let origin = self
            .file
            .origin(self.unit, die)
            .filter(|origin| match self.pattern {
                None => true,
                Some(pattern) => origin
                    .declaration
                    .as_ref()
                    .is_some_and(|position| glob::matches_path(pattern, &position.file)),
            });
        self.origins.insert(die, origin.clone());
        origin
    }

    fn linkage_name_of(&mut self, die: u64) -> Option<Arc<str>> {
        if let Some(name) = self.enclosing.get(&die) {
            return name.clone();
        }
        let name = self.file.origin(self.unit, die).map(|origin| {
            let first =
                self.unit.entry(die).ok().and_then(|entry| {
                    Some(self.unit.ranges(&self.file.dwarf, &entry).first()?.begin)
                });
            match first {
                Some(first) => symbol_for(self.symbols, first, &origin.name),
                None => origin.name,
            }
        });
        self.enclosing.insert(die, name.clone());
        name
    }
}

impl DwarfFile {
    /// Calls `visit` for an entry and what it refers to as its abstract origin
    /// or specification, until it returns something.
    pub(super) fn along_origins<T>(
        &self,
        die: u64,
        mut visit: impl FnMut(&Unit, &Entry) -> Option<T>,
    ) -> Option<T> {
        let mut die = die;
        for _ in 0..ORIGIN_CHAIN {
            let unit = self.unit_of(die).ok()?;
            let entry = unit.entry(die).ok()?;
            if let Some(found) = visit(unit, &entry) {
                return Some(found);
            }
            die = unit
                .reference(&entry, dw::DW_AT_abstract_origin)
                .or_else(|| unit.reference(&entry, dw::DW_AT_specification))?;
        }
        None
    }

    /// Name of an entry, its own or its origin's.
    pub(super) fn name_of(&self, die: u64) -> Option<String> {
        self.along_origins(die, |unit, entry| {
            unit.string(&self.dwarf, entry, dw::DW_AT_name)
        })
    }

    fn origin(&self, near: &Unit, die: u64) -> Option<Origin> {
        let (mut name, mut declaration, mut external) = (None, None, false);
        let mut look = |unit: &Unit, entry: &Entry| {
            name = name
                .take()
                .or_else(|| unit.string(&self.dwarf, entry, dw::DW_AT_name));
            declaration = declaration
                .take()
                .or_else(|| unit.declaration(&self.dwarf, entry));
            external |= Unit::flag(entry, dw::DW_AT_external);
            let more = entry.has_attr(dw::DW_AT_abstract_origin)
                || entry.has_attr(dw::DW_AT_specification);
            (!more).then_some(())
        };
        let entry = near.entry(die).ok().filter(|_| near.holds(die));
        match entry {
            Some(entry) if look(near, &entry).is_some() => {}
            _ => {
                self.along_origins(die, look);
            }
        }
        // Assembly is described without a declaration: its first line is as good.
        let first_line = || {
            let unit = self.unit_of(die).ok()?;
            let address = unit.address(&self.dwarf, &unit.entry(die).ok()?, dw::DW_AT_low_pc)?;
            self.line_at(address).ok()?
        };
        Some(Origin {
            name: name?.into(),
            declaration: declaration.or_else(first_line),
            external,
        })
    }
}

/// Name of the symbol at a function's entry: the one that is the source name
/// or starts with it and a dot, else the source name.
fn symbol_for(symbols: &SymbolList, entry: u64, name: &Arc<str>) -> Arc<str> {
    let mut clone = None;
    for symbol in symbols.exactly_at(entry) {
        match symbol.name.strip_prefix(&**name) {
            Some("") => return name.clone(),
            Some(rest) if rest.starts_with('.') => clone = clone.or(Some(symbol.name)),
            _ => {}
        }
    }
    clone.map_or_else(|| name.clone(), Arc::from)
}
