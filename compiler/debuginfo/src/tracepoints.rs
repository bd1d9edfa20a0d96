// SPDX-License-Identifier: GPL-2.0-or-later

//! Tracepoints: names from symbols or BTF, arguments from the prototypes of
//! `__traceiter_NAME` (`include/linux/tracepoint.h`), systems from the
//! `trace_event_call` in the data of the file, which for a kernel without
//! vmlinux is unpacked from its bootable image. No header is read.

use std::collections::{BTreeMap, HashMap};

use crate::btf::{Btf, NameSpace};
use crate::elf::Elf;
use crate::error::Result;
use crate::glob;
use crate::session::{DebugInfo, Module, ModuleKind};
use crate::symbols::SymbolList;
use crate::types::{FunctionQuery, ModuleId, Parameter, Prototype, Source, SymbolKind, Tracepoint};

/// What a name of a tracepoint is known from.
type Names = BTreeMap<String, Option<(Vec<Parameter>, Source)>>;

/// `struct trace_event_call`: offset of `class` on every kernel since 2.6.35,
/// after a list head. Used when no type information is at hand.
const CLASS_OFFSET: u64 = 16;

impl DebugInfo {
    /// Tracepoints of the kernel or a module that match `name` or
    /// `system:name`, sorted by name.
    pub fn tracepoints(&self, module: ModuleId, pattern: &str) -> Result<Vec<Tracepoint>> {
        let module = self.get(module)?;
        let (system, pattern) = match pattern.split_once(':') {
            Some((system, name)) => (Some(system), name),
            None => (None, pattern),
        };
        let names = self.tracepoint_names(&module, pattern)?;
        let systems = self.systems(&module, &names);
        let tracepoints = names.into_iter().filter_map(|(name, known)| {
            let of = systems.get(&name).cloned().unwrap_or_default();
            if system.is_some_and(|system| !glob::matches(system, &of)) {
                return None;
            }
            let (arguments, source) = match known {
                Some((arguments, source)) => (Some(arguments), source),
                None => (None, Source::Symbols),
            };
            Some(Tracepoint {
                system: of,
                name,
                arguments,
                module: module.id,
                source,
            })
        });
        Ok(tracepoints.collect())
    }

    fn tracepoint_names(&self, module: &Module, pattern: &str) -> Result<Names> {
        let mut names = Names::new();
        let btf = self.btf(module)?;
        // Ahead of DWARF for once: it says the same, and reading it takes milliseconds.
        if let Some(btf) = &btf {
            for (name, _) in btf.all_names(NameSpace::Ordinary) {
                if let Some(name) = name.strip_prefix("btf_trace_")
                    && glob::matches(pattern, name)
                    && let Some(arguments) = from_btf(btf, module.id, name)
                {
                    names.insert(name.to_string(), Some((arguments, Source::Btf)));
                }
            }
        }
        let mut unknown = false;
        if let Ok(symbols) = self.symbols_of(module) {
            for symbol in symbols.entries() {
                let Some(name) = symbol.name.strip_prefix("__tracepoint_") else {
                    continue;
                };
                if symbol.kind == SymbolKind::Function || !glob::matches(pattern, name) {
                    continue;
                }
                // Pointers to tracepoints, in a table of their own.
                let target = name
                    .strip_prefix("ptr_")
                    .map(|rest| format!("__tracepoint_{rest}"));
                if target.is_some_and(|target| symbols.by_name(&target).is_some()) {
                    continue;
                }
                if !names.contains_key(name) {
                    unknown = true;
                    names.insert(name.to_string(), None);
                }
            }
        }
        if (unknown || names.is_empty()) && module.dwarf.is_some() {
            self.add_from_dwarf(module, pattern, &mut names)?;
        }
        Ok(names)
    }

    fn add_from_dwarf(&self, module: &Module, pattern: &str, names: &mut Names) -> Result<()> {
        let dwarf = self.need_dwarf(module)?;
        let query = FunctionQuery {
            name: format!("__traceiter_{pattern}"),
            ..FunctionQuery::default()
        };
        let symbols = SymbolList::default();
        for function in dwarf.functions(module.id, &symbols, &query, &|_| true) {
            let Some(name) = function.name.strip_prefix("__traceiter_") else {
                continue;
            };
            let slot = names.entry(name.to_string()).or_default();
            if slot.is_none()
                && let Ok(prototype) = dwarf.prototype(module.id, function.id.offset)
            {
                *slot = Some((arguments_of(prototype), Source::Dwarf));
            }
        }
        Ok(())
    }

    /// The system of each tracepoint that can be told.
    fn systems(&self, module: &Module, names: &Names) -> HashMap<String, String> {
        let mut systems = HashMap::new();
        // The debug file of a module has no data, the module itself has.
        let own;
        let (elf, symbols): (Option<&Elf>, Option<&SymbolList>) = match (&module.image, &module.elf)
        {
            (Some(image), Some(elf)) if image.path != elf.path => {
                own = SymbolList::from_elf(image);
                (Some(image.as_ref()), Some(&own))
            }
            (_, None) if module.kind == ModuleKind::Kernel && !self.paths().running => {
                (self.packed_kernel(), self.symbols_of(module).ok())
            }
            (_, elf) => (elf.as_deref(), self.symbols_of(module).ok()),
        };
        let (class, system) = self.event_offsets();
        if let (Some(elf), Some(symbols)) = (elf, symbols) {
            // Symbols of a kernel that ran at a random address, with the image as it was linked.
            let text = elf.sections.iter().find(|section| section.name == ".text");
            let moved = match (module.kind, symbols.by_name("_text"), text) {
                (ModuleKind::Kernel, Some(symbol), Some(text)) => {
                    symbol.address.wrapping_sub(text.address)
                }
                _ => 0,
            };
            for name in names.keys() {
                let event = symbols.by_name(&format!("event_{name}"));
                let found = event.and_then(|event| {
                    let event = event.address.wrapping_sub(moved);
                    let class = elf.word_at(event.wrapping_add(class))?;
                    elf.string_at(elf.word_at(class.wrapping_add(system))?)
                });
                if let Some(found) = found.filter(|found| !found.is_empty()) {
                    systems.insert(name.clone(), found.to_string());
                }
            }
        }
        if module.kind == ModuleKind::Kernel && self.paths().running && systems.is_empty() {
            systems_of_running_kernel(&mut systems);
        }
        self.systems_by_header(module, names, &mut systems);
        systems
    }

    /// Tracepoints without an event (`DECLARE_TRACE`) have no system of their
    /// own; SystemTap names them after the header they are declared in.
    fn systems_by_header(
        &self,
        module: &Module,
        names: &Names,
        systems: &mut HashMap<String, String>,
    ) {
        let (Some(dwarf), Ok(symbols)) = (&module.dwarf, self.symbols_of(module)) else {
            return;
        };
        for name in names
            .keys()
            .filter(|name| !systems.contains_key(*name))
            .collect::<Vec<_>>()
        {
            let header = symbols
                .by_name(&format!("__traceiter_{name}"))
                .and_then(|symbol| {
                    let function = dwarf.function_at(module.id, symbols, symbol.address, false);
                    function.ok()??.declaration
                })
                .and_then(|position| {
                    let file = position.file.rsplit('/').next()?.strip_suffix(".h")?;
                    Some(file.to_string())
                });
            if let Some(header) = header {
                systems.insert(name.clone(), header);
            }
        }
    }

    /// Offsets of `trace_event_call.class` and `trace_event_class.system`.
    fn event_offsets(&self) -> (u64, u64) {
        let offset = |structure: &str, member: &str| {
            // BTF only: indexing DWARF for two offsets that do not change is not worth it.
            let kernel = self.get(ModuleId::KERNEL).ok()?;
            let btf = self.btf(&kernel).ok()??;
            let id = btf.by_name(structure, NameSpace::Struct)?;
            let crate::types::TypeKind::Aggregate { members, .. } =
                btf.type_at(ModuleId::KERNEL, u64::from(id)).ok()?
            else {
                return None;
            };
            Some(
                members
                    .iter()
                    .find(|other| other.name == member)?
                    .byte_offset,
            )
        };
        (
            offset("trace_event_call", "class").unwrap_or(CLASS_OFFSET),
            offset("trace_event_class", "system").unwrap_or(0),
        )
    }
}

/// Arguments by the prototype of `__traceiter_NAME`, which has names, else of
/// the type `btf_trace_NAME`, which has none.
fn from_btf(btf: &Btf, module: ModuleId, name: &str) -> Option<Vec<Parameter>> {
    let iterator = btf.by_name(&format!("__traceiter_{name}"), NameSpace::Function);
    let id = match iterator {
        Some(id) => id,
        None => btf.by_name(&format!("btf_trace_{name}"), NameSpace::Ordinary)?,
    };
    let mut arguments = arguments_of(btf.prototype(module, id).ok()??);
    for (index, argument) in arguments.iter_mut().enumerate() {
        if argument.name.is_empty() {
            argument.name = format!("arg{}", index + 1);
        }
    }
    Some(arguments)
}

/// Without the first parameter, which is the probe's own data.
fn arguments_of(prototype: Prototype) -> Vec<Parameter> {
    prototype.parameters.into_iter().skip(1).collect()
}

/// Reads `SYSTEM:NAME` lines of tracefs.
fn systems_of_running_kernel(systems: &mut HashMap<String, String>) {
    for root in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
        let Ok(text) = std::fs::read_to_string(format!("{root}/available_events")) else {
            continue;
        };
        for (system, name) in text.lines().filter_map(|line| line.split_once(':')) {
            systems.insert(name.to_string(), system.to_string());
        }
        return;
    }
}
