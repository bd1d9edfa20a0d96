// SPDX-License-Identifier: GPL-2.0-or-later

//! Parameters, locals, globals, labels and calls of functions.

use gimli::constants as dw;

use super::location::Context;
use super::unit::{Entry, Unit};
use super::{Class, DwarfFile};
use crate::error::Result;
use crate::glob;
use crate::symbols::SymbolList;
use crate::types::{
    Address, CallSite, Callee, EntityId, Function, Label, Location, ModuleId, Parameter, Prototype,
    Source, TypeId, Variable, VariableKind,
};

impl DwarfFile {
    /// Names a function's parameters and the locals in scope at `pc`: outer
    /// scopes before inner ones, so the last of a name is the visible one.
    pub fn variables_at(&self, function: &Function, pc: u64) -> Result<Vec<Variable>> {
        let die = function.id.offset;
        let unit = self.unit_of(die)?;
        let context = self.context(function, unit, pc);
        let mut found = Vec::new();
        self.collect_variables(&context, die, pc, 0, &mut found)?;
        Ok(found)
    }

    fn collect_variables(
        &self,
        context: &Context<'_>,
        scope: u64,
        pc: u64,
        depth: u32,
        found: &mut Vec<Variable>,
    ) -> Result<()> {
        let unit = context.unit;
        let mut inner = None;
        self.children(unit, scope, |entry| {
            let kind = match entry.tag() {
                dw::DW_TAG_formal_parameter => VariableKind::Parameter,
                dw::DW_TAG_variable => VariableKind::Local,
                dw::DW_TAG_lexical_block => {
                    let ranges = unit.ranges(&self.dwarf, entry);
                    if ranges.iter().any(|range| range.contains(pc)) {
                        inner = Some(unit.global(entry.offset()));
                    }
                    return true;
                }
                _ => return true,
            };
            let offset = unit.global(entry.offset());
            let Some(name) = self.name_of(offset) else {
                return true;
            };
            let parameters = found
                .iter()
                .filter(|other| other.kind == VariableKind::Parameter)
                .count();
            let location = self.location_of(*context, offset);
            found.push(Variable {
                name,
                type_id: self.type_attribute(context.module, offset),
                kind,
                available: location.is_some_and(|location| location.is_available()),
                line: self
                    .along_origins(offset, |_, entry| Unit::number(entry, dw::DW_AT_decl_line))
                    .and_then(|line| u32::try_from(line).ok())
                    .unwrap_or(0),
                scope_depth: depth,
                parameter_index: (kind == VariableKind::Parameter)
                    .then_some(u32::try_from(parameters).unwrap_or(u32::MAX)),
                id: EntityId {
                    module: context.module,
                    source: Source::Dwarf,
                    offset,
                },
            });
            true
        })?;
        match inner {
            Some(block) if depth < 256 => {
                self.collect_variables(context, block, pc, depth + 1, found)
            }
            _ => Ok(()),
        }
    }

    /// Calls `visit` for the children of an entry, until it returns false.
    pub(super) fn children(
        &self,
        unit: &Unit,
        parent: u64,
        mut visit: impl FnMut(&Entry) -> bool,
    ) -> Result<()> {
        let failed = |error: gimli::Error| self.malformed(unit, error);
        let mut cursor = unit
            .unit
            .entries_at_offset(unit.local(parent))
            .map_err(failed)?;
        match cursor.next_dfs().map_err(failed)? {
            Some(entry) if entry.has_children() => {}
            _ => return Ok(()),
        }
        let Some(first) = cursor.next_dfs().map_err(failed)? else {
            return Ok(());
        };
        if first.depth() != 1 {
            return Ok(());
        }
        if !visit(first) {
            return Ok(());
        }
        while let Some(entry) = cursor.next_sibling().map_err(failed)? {
            if !visit(entry) {
                break;
            }
        }
        Ok(())
    }

    fn context<'a>(&'a self, function: &Function, unit: &'a Unit, pc: u64) -> Context<'a> {
        let (around, entry) = self.concrete_around(unit, function);
        Context {
            file: self,
            module: function.id.module,
            unit,
            pc: Some(pc),
            function: Some(around),
            at_entry: entry == Some(pc),
            nesting: 0,
        }
    }

    /// The entry of the function with a frame of its own around an inlined
    /// copy, and its first address.
    fn concrete_around(&self, unit: &Unit, function: &Function) -> (u64, Option<u64>) {
        let die = function.id.offset;
        if function.inlined_into.is_none() {
            return (die, Some(function.entry.value));
        }
        // The last function of the unit that starts before the copy; rows are in that order.
        let around = self
            .index()
            .before(die)
            .take_while(|row| u64::from(row.die) >= unit.start)
            .find(|row| matches!(row.class, Class::Function | Class::FunctionInstance))
            .map_or(die, |row| u64::from(row.die));
        let first = unit
            .entry(around)
            .ok()
            .and_then(|entry| Some(unit.ranges(&self.dwarf, &entry).first()?.begin));
        (around, first)
    }

    /// Where a variable is at an address inside a function.
    pub fn location(&self, function: &Function, variable: u64, pc: u64) -> Result<Location> {
        let unit = self.unit_of(variable)?;
        let context = self.context(function, unit, pc);
        Ok(self.location_of(context, variable).unwrap_or_else(not_kept))
    }

    /// Where a global variable is.
    pub fn global_location(&self, module: ModuleId, variable: u64) -> Result<Location> {
        let unit = self.unit_of(variable)?;
        let context = Context {
            file: self,
            module,
            unit,
            pc: None,
            function: None,
            at_entry: false,
            nesting: 0,
        };
        Ok(self.location_of(context, variable).unwrap_or_else(not_kept))
    }

    /// Location of the variable at an entry or at its origin; `None` if there
    /// is no attribute that tells.
    pub(super) fn location_of(&self, context: Context<'_>, variable: u64) -> Option<Location> {
        self.along_origins(variable, |unit, entry| {
            // `unit` is borrowed from this file for as long as the file lives.
            let unit = self.unit(unit.position).ok()?;
            Context { unit, ..context }.of_entry(entry)
        })
    }

    /// The type an entry or its origin refers to; void without one.
    pub(super) fn type_attribute(&self, module: ModuleId, die: u64) -> TypeId {
        self.along_origins(die, |unit, entry| unit.reference(entry, dw::DW_AT_type))
            .map_or(TypeId::VOID, |offset| {
                TypeId(EntityId {
                    module,
                    source: Source::Dwarf,
                    offset,
                })
            })
    }

    /// Parameters and return type of a function as declared.
    pub fn prototype(&self, module: ModuleId, die: u64) -> Result<Prototype> {
        // The abstract entry, if there is one, has the parameters in the order of the source.
        let mut declared = die;
        self.along_origins(die, |unit, entry| -> Option<()> {
            declared = unit.global(entry.offset());
            None
        });
        let unit = self.unit_of(declared)?;
        let mut prototype = Prototype {
            return_type: self.type_attribute(module, die),
            parameters: Vec::new(),
            variadic: false,
        };
        self.children(unit, declared, |entry| {
            match entry.tag() {
                dw::DW_TAG_formal_parameter => {
                    let offset = unit.global(entry.offset());
                    prototype.parameters.push(Parameter {
                        name: self.name_of(offset).unwrap_or_default(),
                        type_id: self.type_attribute(module, offset),
                    });
                }
                dw::DW_TAG_unspecified_parameters => prototype.variadic = true,
                _ => {}
            }
            true
        })?;
        Ok(prototype)
    }

    /// Global variables by name, in units whose name matches a pattern.
    pub fn globals(&self, module: ModuleId, name: &str, unit: Option<&str>) -> Vec<Variable> {
        let index = self.index();
        let mut rows = index.matching(self, name, &[Class::Variable]);
        let mut declarations: Vec<u32> = rows.iter().map(|row| row.die).collect();
        declarations.sort_unstable();
        rows.extend(index.instances(Class::VariableInstance, &declarations));
        let mut found = Vec::new();
        for row in rows {
            let Ok(of) = self.unit_of(u64::from(row.die)) else {
                continue;
            };
            if unit.is_some_and(|pattern| !glob::matches_path(pattern, &of.name())) {
                continue;
            }
            let offset = u64::from(row.die);
            let location = self.global_location(module, offset);
            let Some(name) = self.name_of(offset) else {
                continue;
            };
            found.push(Variable {
                name,
                type_id: self.type_attribute(module, offset),
                kind: VariableKind::Global,
                available: location.is_ok_and(|location| location.is_available()),
                line: self
                    .along_origins(offset, |_, entry| Unit::number(entry, dw::DW_AT_decl_line))
                    .and_then(|line| u32::try_from(line).ok())
                    .unwrap_or(0),
                scope_depth: 0,
                parameter_index: None,
                id: EntityId {
                    module,
                    source: Source::Dwarf,
                    offset,
                },
            });
        }
        // A definition before what only declares the same name.
        found.sort_by_key(|variable| !variable.available);
        found
    }

    /// Labels of a function that match a pattern and have an address.
    pub fn labels(&self, function: &Function, pattern: &str) -> Result<Vec<Label>> {
        let unit = self.unit_of(function.id.offset)?;
        let mut found = Vec::new();
        self.descendants(unit, function.id.offset, |entry| {
            if entry.tag() != dw::DW_TAG_label {
                return;
            }
            let offset = unit.global(entry.offset());
            let Some(address) = unit.address(&self.dwarf, entry, dw::DW_AT_low_pc) else {
                return;
            };
            let Some(name) = self
                .name_of(offset)
                .filter(|name| glob::matches(pattern, name))
            else {
                return;
            };
            found.push(Label {
                name,
                declaration: self
                    .along_origins(offset, |unit, entry| unit.declaration(&self.dwarf, entry)),
                address: Address {
                    module: function.id.module,
                    value: address,
                },
            });
        })?;
        Ok(found)
    }

    /// Calls in a function's code, those in inlined copies included.
    pub fn call_sites(&self, function: &Function) -> Result<Vec<CallSite>> {
        let unit = self.unit_of(function.id.offset)?;
        let mut found = Vec::new();
        self.descendants(unit, function.id.offset, |entry| {
            found.extend(self.call_site(function, unit, entry));
        })?;
        Ok(found)
    }

    /// Copies inlined into a function's own code, and its own calls.
    pub fn callees(&self, symbols: &SymbolList, function: &Function) -> Result<Vec<Callee>> {
        let unit = self.unit_of(function.id.offset)?;
        let mut found = Vec::new();
        // Everything below an inlined copy is the copy's.
        let mut hidden_below = None;
        self.descendants(unit, function.id.offset, |entry| {
            let depth = entry.depth();
            if hidden_below.is_some_and(|limit| depth > limit) {
                return;
            }
            hidden_below = None;
            if entry.tag() == dw::DW_TAG_inlined_subroutine {
                hidden_below = Some(depth);
                let die = unit.global(entry.offset());
                let around = Some(function.id.offset);
                let copy = self.describe(function.id.module, symbols, die, around);
                found.extend(copy.map(Callee::Inlined));
                return;
            }
            found.extend(self.call_site(function, unit, entry).map(Callee::Called));
        })?;
        Ok(found)
    }

    /// The call that an entry describes, if it describes one.
    fn call_site(&self, function: &Function, unit: &Unit, entry: &Entry) -> Option<CallSite> {
        if !matches!(entry.tag(), dw::DW_TAG_call_site | dw::DW_TAG_GNU_call_site) {
            return None;
        }
        let address = [
            dw::DW_AT_call_return_pc,
            dw::DW_AT_call_pc,
            dw::DW_AT_low_pc,
        ]
        .into_iter()
        .find_map(|name| unit.address(&self.dwarf, entry, name))?;
        let callee = unit
            .reference(entry, dw::DW_AT_call_origin)
            .or_else(|| unit.reference(entry, dw::DW_AT_abstract_origin))
            .and_then(|origin| self.name_of(origin));
        Some(CallSite {
            callee,
            return_address: Address {
                module: function.id.module,
                value: address,
            },
            tail_call: Unit::flag(entry, dw::DW_AT_call_tail_call)
                || Unit::flag(entry, dw::DW_AT_GNU_tail_call),
            jump: None,
        })
    }

    /// Calls `visit` for everything below an entry.
    fn descendants(&self, unit: &Unit, parent: u64, mut visit: impl FnMut(&Entry)) -> Result<()> {
        let failed = |error: gimli::Error| self.malformed(unit, error);
        let mut cursor = unit
            .unit
            .entries_at_offset(unit.local(parent))
            .map_err(failed)?;
        match cursor.next_dfs().map_err(failed)? {
            Some(entry) if entry.has_children() => {}
            _ => return Ok(()),
        }
        while let Some(entry) = cursor.next_dfs().map_err(failed)? {
            if entry.depth() <= 0 {
                break;
            }
            visit(entry);
        }
        Ok(())
    }
}

fn not_kept() -> Location {
    Location::Unavailable("optimized out: the compiler keeps no location for it".into())
}
