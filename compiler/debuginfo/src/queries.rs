// SPDX-License-Identifier: GPL-2.0-or-later

//! Questions about functions, variables and symbols.

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::btf::NameSpace;
use crate::error::{Error, Result};
use crate::glob;
use crate::session::{DebugInfo, Module, ModuleKind};
use crate::symbols::{Entry, SymbolList};
use crate::types::{
    Address, BinaryOperator, CallSite, Callee, Encoding, EntityId, Function, FunctionKind,
    FunctionQuery, Jump, Label, LineAddress, Location, LocationExpr, ModuleId, Placement,
    Probeable, Prototype, Source, SourcePosition, Symbol, SymbolKind, TypeId, TypeKind, Variable,
    VariableKind,
};

impl DebugInfo {
    /// Functions that match. From DWARF if there is any, else from the symbol
    /// list, else from BTF; a query with a file pattern needs DWARF.
    pub fn functions(&self, module: ModuleId, query: &FunctionQuery) -> Result<Vec<Function>> {
        let module = self.get(module)?;
        let empty = SymbolList::default();
        if let Some(dwarf) = &module.dwarf {
            let (symbols, _) = rayon::join(
                || self.symbols_of(&module).unwrap_or(&empty),
                || dwarf.index(),
            );
            let is_probeable = |address| self.is_allowed(&module, address);
            let mut found = dwarf.functions(module.id, symbols, query, &is_probeable);
            if module.kind != ModuleKind::Binary && !symbols.entries().is_empty() {
                found.retain(|function| is_linked(symbols, function));
            }
            // Code that DWARF does not describe: parts split off, assembly, trampolines.
            if query.file.is_none() {
                let described: HashSet<u64> = found
                    .iter()
                    .filter(|function| function.kind == FunctionKind::Concrete)
                    .map(|function| function.entry.value)
                    .collect();
                found.extend(
                    symbols
                        .matching(&query.name)
                        .filter(|symbol| {
                            symbol.kind == SymbolKind::Function
                                && !described.contains(&symbol.address)
                        })
                        .map(|symbol| from_symbol(module.id, symbol)),
                );
            }
            if module.kind == ModuleKind::Binary && !glob::is_pattern(&query.name) {
                for function in &mut found {
                    self.follow_alias(function)?;
                }
            }
            return Ok(found);
        }
        if query.file.is_some() {
            return Err(self.no_debug_info(&module));
        }
        self.symbol_functions(&module.id, &query.name)
    }

    /// Libraries give functions further names (`puts` is `_IO_puts`): what DWARF has at the
    /// same entry describes them all.
    fn follow_alias(&self, function: &mut Function) -> Result<()> {
        if function.kind != FunctionKind::SymbolOnly {
            return Ok(());
        }
        if let Some(described) = self.function_at(function.entry, false)?
            && described.entry == function.entry
        {
            *function = described;
        }
        Ok(())
    }

    /// Functions by symbol alone, even where there is DWARF; a name stands for the compiler's
    /// clones of the function as well.
    pub fn symbol_functions(&self, module: &ModuleId, pattern: &str) -> Result<Vec<Function>> {
        let module = self.get(*module)?;
        match self.symbols_of(&module) {
            Ok(symbols) => {
                let is_wanted = |symbol: &&Entry| {
                    symbol.kind == SymbolKind::Function
                        && (glob::matches(pattern, symbol.name)
                            || cloned(symbol.name).is_some_and(|name| glob::matches(pattern, name)))
                };
                let functions = symbols.entries().iter().filter(is_wanted);
                Ok(functions
                    .map(|symbol| from_symbol(module.id, symbol))
                    .collect())
            }
            Err(error) => {
                let Some(btf) = self.btf(&module)? else {
                    return Err(error);
                };
                let mut functions: Vec<Function> = btf
                    .all_names(NameSpace::Function)
                    .filter(|(name, _)| glob::matches(pattern, name))
                    .map(|(name, id)| from_btf(module.id, name, id))
                    .collect();
                functions.sort_by(|one, other| one.name.cmp(&other.name));
                Ok(functions)
            }
        }
    }

    /// The function whose code contains an address; with `inlined` the
    /// innermost inlined copy there.
    pub fn function_at(&self, address: Address, inlined: bool) -> Result<Option<Function>> {
        let module = self.get(address.module)?;
        let empty = SymbolList::default();
        let symbols = self.symbols_of(&module);
        if let Some(dwarf) = &module.dwarf {
            let symbols = symbols.as_ref().copied().unwrap_or(&empty);
            return dwarf.function_at(module.id, symbols, address.value, inlined);
        }
        let entry = symbols?.at_or_before(address.value).filter(|symbol| {
            symbol.kind == SymbolKind::Function
                && (symbol.size == 0 || address.value < symbol.address.saturating_add(symbol.size))
        });
        Ok(entry.map(|symbol| from_symbol(module.id, symbol)))
    }

    /// Parameters and return type of a function; from BTF if the function is
    /// known by its symbol alone. `None` if nobody knows.
    pub fn prototype(&self, function: &Function) -> Result<Option<Prototype>> {
        let module = self.get(function.id.module)?;
        if function.id.source == Source::Dwarf {
            let dwarf = self.need_dwarf(&module)?;
            return dwarf.prototype(module.id, function.id.offset).map(Some);
        }
        let Some(btf) = self.btf(&module)? else {
            return Ok(None);
        };
        // Clones (.isra and the like) have parameters of their own that BTF does not tell.
        match btf.by_name(&function.name, NameSpace::Function) {
            Some(id) => btf.prototype(module.id, id),
            None => Ok(None),
        }
    }

    /// Parameters, and locals in scope, at an address inside a function:
    /// outer scopes before inner ones, so the last of a name is the visible
    /// one. Without DWARF: the parameters, at the entry only.
    pub fn variables_at(&self, function: &Function, pc: u64) -> Result<Vec<Variable>> {
        let module = self.get(function.id.module)?;
        if function.id.source == Source::Dwarf {
            let mut variables = self.need_dwarf(&module)?.variables_at(function, pc)?;
            // What can be read at the entry all the same.
            let is_entry = pc == function.entry.value;
            for variable in variables
                .iter_mut()
                .filter(|variable| is_entry && !variable.available)
            {
                variable.available = self.location(function, variable, pc)?.is_available();
            }
            return Ok(variables);
        }
        let Some(prototype) = self.prototype(function)? else {
            return Ok(Vec::new());
        };
        let variables = prototype
            .parameters
            .into_iter()
            .enumerate()
            .map(|(index, parameter)| {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                Variable {
                    name: parameter.name,
                    type_id: parameter.type_id,
                    kind: VariableKind::Parameter,
                    available: pc == function.entry.value,
                    line: 0,
                    scope_depth: 0,
                    parameter_index: Some(index),
                    id: EntityId {
                        offset: u64::from(index),
                        ..function.id
                    },
                }
            });
        Ok(variables.collect())
    }

    /// Where a variable is at an address inside a function. At the entry that
    /// is also where it is behind the call of ftrace, which changes no register
    /// and which compilers leave out of many descriptions. A parameter of which the compiler kept no location, or stores it later in the
    /// prologue, is at the entry still where the calling convention puts it.
    pub fn location(&self, function: &Function, variable: &Variable, pc: u64) -> Result<Location> {
        let module = self.get(variable.id.module)?;
        if variable.id.source == Source::Dwarf {
            let dwarf = self.need_dwarf(&module)?;
            if variable.kind == VariableKind::Global {
                return dwarf.global_location(module.id, variable.id.offset);
            }
            let location = dwarf.location(function, variable.id.offset, pc)?;
            let is_entry = pc == function.entry.value && function.inlined_into.is_none();
            if is_entry
                && !location.is_available()
                && let Probeable::Ftrace(site) = self.probeable(function)?
            {
                let behind = site.value.wrapping_add(FTRACE_CALL);
                let location = dwarf.location(function, variable.id.offset, behind)?;
                if location.is_available() {
                    return Ok(location);
                }
            }
            if is_entry
                && variable.kind == VariableKind::Parameter
                && (!location.is_available() || is_below_stack(&location))
            {
                return self.by_convention(function, variable, location);
            }
            return Ok(location);
        }
        match variable.parameter_index {
            Some(index) if pc == function.entry.value => Ok(Location::Argument(index)),
            Some(_) => Ok(Location::Unavailable(
                "without DWARF parameters are known at the function's entry only".into(),
            )),
            None => self.global_location(variable),
        }
    }

    /// Where the calling convention passes a parameter of which DWARF says
    /// nothing useful at the entry (System V ABI for x86_64, §3.2.3).
    fn by_convention(
        &self,
        function: &Function,
        variable: &Variable,
        described: Location,
    ) -> Result<Location> {
        let given_up = |reason: &str| match &described {
            Location::Unavailable(_) => described.clone(),
            _ => Location::Unavailable(reason.to_string()),
        };
        // Clones (.isra, .constprop) have conventions of their own.
        if function.linkage_name.contains('.') {
            return Ok(given_up("the compiler changed how this clone is called"));
        }
        let Some(prototype) = self.prototype(function)? else {
            return Ok(given_up("the function's prototype is not known"));
        };
        // A large result is written where a hidden first argument says.
        let mut index = match self.passing(prototype.return_type)? {
            Passing::Memory => 1,
            Passing::Parts => return Ok(given_up("how the result is passed is not known")),
            _ => 0,
        };
        for parameter in &prototype.parameters {
            let passing = self.passing(parameter.type_id)?;
            if parameter.name == variable.name {
                return Ok(match passing {
                    Passing::Word => Location::Argument(index),
                    Passing::Float => given_up("it is in a floating-point register"),
                    _ => given_up("it is passed in several parts"),
                });
            }
            match passing {
                Passing::Word => index += 1,
                // With all registers in use, floats would share the stack with words.
                Passing::Float | Passing::Memory if index < REGISTER_ARGUMENTS => {}
                _ => return Ok(given_up("a parameter before it is passed in several parts")),
            }
        }
        Ok(given_up("it is not in the function's prototype"))
    }

    /// How the calling convention passes a value of this type.
    fn passing(&self, id: TypeId) -> Result<Passing> {
        let id = self.strip(id)?;
        Ok(match &self.type_of(id)?.kind {
            TypeKind::Void | TypeKind::Pointer { .. } | TypeKind::Enumeration { .. } => {
                Passing::Word
            }
            TypeKind::Base {
                encoding: Encoding::Float,
                size,
                ..
            } => match size {
                0..=8 => Passing::Float,
                _ => Passing::Memory,
            },
            TypeKind::Base { size, .. } if *size <= 8 => Passing::Word,
            TypeKind::Aggregate { size, .. } if *size > 16 => Passing::Memory,
            _ => Passing::Parts,
        })
    }

    /// Where a global variable is.
    pub fn global_location(&self, variable: &Variable) -> Result<Location> {
        let module = self.get(variable.id.module)?;
        if variable.id.source == Source::Dwarf {
            return self
                .need_dwarf(&module)?
                .global_location(module.id, variable.id.offset);
        }
        let symbol = self.symbols_of(&module)?.by_name(&variable.name);
        Ok(match symbol {
            Some(symbol) => {
                let address = Address {
                    module: module.id,
                    value: symbol.address,
                };
                Location::Memory(match symbol.kind {
                    SymbolKind::PerCpu => LocationExpr::PerCpu(address),
                    _ => LocationExpr::Address(address),
                })
            }
            None => Location::Unavailable("it has no symbol".into()),
        })
    }

    /// Global variables by name (a pattern) in units whose file matches.
    /// Without DWARF: what BTF knows, which is per-CPU variables.
    pub fn globals(
        &self,
        module: ModuleId,
        name: &str,
        unit: Option<&str>,
    ) -> Result<Vec<Variable>> {
        let module = self.get(module)?;
        if let Some(dwarf) = &module.dwarf {
            return Ok(dwarf.globals(module.id, name, unit));
        }
        let Some(btf) = self.btf(&module)? else {
            return Err(self.no_debug_info(&module));
        };
        let mut found = Vec::new();
        if let Some(type_id) = btf.variable_type(module.id, name) {
            found.push(Variable {
                name: name.to_string(),
                type_id,
                kind: VariableKind::Global,
                available: self.symbol(module.id, name).is_some(),
                line: 0,
                scope_depth: 0,
                parameter_index: None,
                id: EntityId {
                    module: module.id,
                    source: Source::Btf,
                    offset: 0,
                },
            });
        }
        Ok(found)
    }

    /// Labels of a function that match a pattern.
    pub fn labels(&self, function: &Function, pattern: &str) -> Result<Vec<Label>> {
        let module = self.get(function.id.module)?;
        self.need_dwarf(&module)?.labels(function, pattern)
    }

    /// Calls in a function's code, those in inlined copies included.
    pub fn call_sites(&self, function: &Function) -> Result<Vec<CallSite>> {
        let module = self.get(function.id.module)?;
        self.need_dwarf(&module)?.call_sites(function)
    }

    /// What a function's own code calls, and what is inlined into it directly.
    pub fn callees(&self, function: &Function) -> Result<Vec<Callee>> {
        let module = self.get(function.id.module)?;
        let empty = SymbolList::default();
        let symbols = self.symbols_of(&module).unwrap_or(&empty);
        let mut callees = self.need_dwarf(&module)?.callees(symbols, function)?;
        for callee in &mut callees {
            if let Callee::Called(call) = callee
                && call.tail_call
            {
                call.jump = jump_at(&module, call.return_address);
            }
        }
        Ok(callees)
    }

    /// The canonical frame address at an address of the code, as a register (by DWARF
    /// number) and an offset. `None` where it is more complicated or not known.
    pub fn frame_at(&self, address: Address) -> Option<(u16, i64)> {
        let module = self.get(address.module).ok()?;
        module.dwarf.as_ref()?.frame_at(address.value)
    }

    /// Names of source files that match a pattern.
    pub fn source_files(&self, module: ModuleId, pattern: &str) -> Result<BTreeSet<Arc<str>>> {
        let module = self.get(module)?;
        Ok(self.need_dwarf(&module)?.source_files(pattern))
    }

    /// All rows of the line tables for some lines of files that match. A line
    /// has several rows where its code is split, inlined or unrolled.
    pub fn lines(
        &self,
        module: ModuleId,
        file: &str,
        lines: RangeInclusive<u32>,
    ) -> Result<Vec<LineAddress>> {
        let module = self.get(module)?;
        Ok(self.need_dwarf(&module)?.lines(module.id, file, &lines))
    }

    /// All rows of the line table inside a function, inlined code included.
    pub fn lines_of(&self, function: &Function) -> Result<Vec<LineAddress>> {
        let module = self.get(function.id.module)?;
        if function.id.source != Source::Dwarf {
            return Err(self.no_debug_info(&module));
        }
        self.need_dwarf(&module)?.lines_of(function)
    }

    /// The source line of an address.
    pub fn line_at(&self, address: Address) -> Result<Option<SourcePosition>> {
        let module = self.get(address.module)?;
        match &module.dwarf {
            Some(dwarf) => dwarf.line_at(address.value),
            None => Ok(None),
        }
    }

    /// The symbol with a name.
    pub fn symbol(&self, module: ModuleId, name: &str) -> Option<Symbol> {
        let module = self.get(module).ok()?;
        let entry = *self.symbols_of(&module).ok()?.by_name(name)?;
        Some(public(module.id, &entry))
    }

    /// Symbols that match a pattern.
    pub fn symbols(&self, module: ModuleId, pattern: &str) -> Result<Vec<Symbol>> {
        let module = self.get(module)?;
        let symbols = self.symbols_of(&module)?;
        Ok(symbols
            .matching(pattern)
            .map(|entry| public(module.id, entry))
            .collect())
    }

    /// The symbol at or before an address, and the distance from it.
    pub fn symbol_at(&self, address: Address) -> Option<(Symbol, u64)> {
        let module = self.get(address.module).ok()?;
        let entry = *self.symbols_of(&module).ok()?.at_or_before(address.value)?;
        Some((
            public(module.id, &entry),
            address.value.wrapping_sub(entry.address),
        ))
    }

    /// Where in a program or shared library the byte of an address is. User
    /// probes are set by file and offset, so this is what they take.
    ///
    /// # Errors
    ///
    /// The address belongs to no loadable segment, or to the kernel, whose code
    /// is not mapped from a file.
    pub fn file_offset(&self, address: Address) -> Result<u64> {
        let module = self.get(address.module)?;
        let image = module.image.as_ref();
        let Some(image) = image.filter(|_| module.kind == ModuleKind::Binary) else {
            return Err(Error::new(format!(
                "{} is not a program: {:#x} has no place in a file",
                module.name, address.value
            )));
        };
        image.file_offset(address.value).ok_or_else(|| {
            Error::in_file(
                &image.path,
                format!("address {:#x} is in no loadable segment", address.value),
            )
        })
    }

    /// An address in the form that generated code can use.
    pub fn placement(&self, address: Address) -> Result<Placement> {
        let module = self.get(address.module)?;
        let section = match &module.elf {
            Some(elf) => elf.section_at(address.value).map(|section| {
                (
                    section.name.clone(),
                    address.value.wrapping_sub(section.address),
                )
            }),
            None => None,
        };
        let stext_offset = self.offset_from_stext(&module, address.value);
        let (section, section_offset) = match section {
            Some(found) => found,
            None if module.kind == ModuleKind::Kernel && stext_offset.is_some() => {
                (".text".to_string(), stext_offset.unwrap_or(0))
            }
            None => {
                let what = format!("address {:#x} is in no section", address.value);
                return Err(match &module.elf {
                    Some(elf) => Error::in_file(&elf.path, what),
                    None => Error::new(what),
                });
            }
        };
        let symbol = self
            .symbol_at(address)
            .map(|(symbol, offset)| (symbol.name, offset));
        Ok(Placement {
            section,
            section_offset,
            stext_offset,
            symbol,
        })
    }

    fn offset_from_stext(&self, module: &Module, address: u64) -> Option<u64> {
        if module.kind != ModuleKind::Kernel {
            return None;
        }
        let stext = self.symbols_of(module).ok()?.by_name("_stext")?.address;
        Some(address.wrapping_sub(stext))
    }
}

/// Integer arguments that travel in registers (System V ABI for x86_64, §3.2.3).
const REGISTER_ARGUMENTS: u32 = 6;

/// Length of the call of ftrace, or of the nop in its place, on x86_64.
const FTRACE_CALL: u64 = 5;

/// DWARF number of the stack pointer of x86_64.
const STACK_POINTER: u16 = 7;

/// Classes of the calling convention, as far as they matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    /// One integer register, or a word of the stack.
    Word,
    /// A register of its own kind.
    Float,
    /// On the stack, as a whole.
    Memory,
    /// In several registers, of kinds that depend on its members.
    Parts,
}

/// Whether a location at a function's entry lies below the stack pointer: code
/// that is not optimized moves its parameters there, but has not done so yet.
fn is_below_stack(location: &Location) -> bool {
    let Location::Memory(LocationExpr::Binary(BinaryOperator::Add, base, offset)) = location else {
        return false;
    };
    matches!(
        (base.as_ref(), offset.as_ref()),
        (LocationExpr::Register(STACK_POINTER), LocationExpr::Constant(offset))
            if offset.cast_signed() < 0
    )
}

/// The jump that ends at an address (as GCC describes it) or begins there (Clang): `jmp rel32`
/// or `jmp rel8`. Whoever uses it compares where it goes with what is known of the call.
fn jump_at(module: &Module, near: Address) -> Option<Jump> {
    let jump = |back: u64| {
        let from = near.value.checked_sub(back)?;
        let (distance, length) = match module.code_at(from, 5)? {
            [0xe9, distance @ ..] => (i64::from(i32::from_le_bytes(*distance.first_chunk()?)), 5),
            [0xeb, distance, ..] => (i64::from(distance.cast_signed()), 2),
            _ => return None,
        };
        let to = from.wrapping_add(length).wrapping_add_signed(distance);
        let at = |value| Address { value, ..near };
        (back == 0 || back == length).then(|| Jump {
            from: at(from),
            to: at(to),
        })
    };
    [5, 2, 0].into_iter().find_map(jump)
}

/// The function that a symbol is a clone of, which does the same for some of its callers
/// (`f.isra.0`, `f.constprop.1.isra.0`) or has been renamed (`f.llvm.123`). `None` for others, and
/// for parts of a function (`f.part.0`, `f.cold`).
fn cloned(name: &str) -> Option<&str> {
    let (function, suffix) = name.split_once('.')?;
    let is_clone = |word: &str| {
        matches!(word, "isra" | "constprop" | "llvm" | "lto_priv")
            || word.bytes().all(|byte| byte.is_ascii_digit())
    };
    suffix.split('.').all(is_clone).then_some(function)
}

fn public(module: ModuleId, entry: &Entry) -> Symbol {
    Symbol {
        name: entry.name.to_string(),
        address: Address {
            module,
            value: entry.address,
        },
        size: entry.size,
        kind: entry.kind,
        global: entry.global,
    }
}

/// False for a weak function that another one of its name replaced: its code is still in the file,
/// but nothing calls it, and the linker took its symbol away.
fn is_linked(symbols: &SymbolList, function: &Function) -> bool {
    function.kind != FunctionKind::Concrete
        || symbols.exactly_at(function.entry.value).next().is_some()
}

fn from_symbol(module: ModuleId, symbol: &Entry) -> Function {
    Function {
        name: symbol.name.into(),
        linkage_name: symbol.name.into(),
        kind: FunctionKind::SymbolOnly,
        declaration: None,
        entry: Address {
            module,
            value: symbol.address,
        },
        ranges: Vec::new(),
        external: symbol.global,
        inlined_into: None,
        source: Source::Symbols,
        id: EntityId {
            module,
            source: Source::Symbols,
            offset: symbol.address,
        },
    }
}

fn from_btf(module: ModuleId, name: &str, id: u32) -> Function {
    Function {
        name: name.into(),
        linkage_name: name.into(),
        kind: FunctionKind::SymbolOnly,
        declaration: None,
        // Unknown here; the running kernel resolves the name.
        entry: Address { module, value: 0 },
        ranges: Vec::new(),
        external: false,
        inlined_into: None,
        source: Source::Btf,
        id: EntityId {
            module,
            source: Source::Btf,
            offset: u64::from(id),
        },
    }
}

impl DebugInfo {
    /// The type a variable or the return value of a function has, with the
    /// path of typedefs kept. Convenience for callers that hold only ids.
    pub fn return_type(&self, function: &Function) -> Result<Option<TypeId>> {
        Ok(self
            .prototype(function)?
            .map(|prototype| prototype.return_type))
    }
}
