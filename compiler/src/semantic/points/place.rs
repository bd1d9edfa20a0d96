// SPDX-License-Identifier: GPL-2.0-or-later
//! Addresses of debug information as the run-time knows them, and the functions
//! that a pattern means.

use std::collections::HashSet;
use std::rc::Rc;

use rstap_debuginfo::{
    Address, EntityId, Function, FunctionKind, FunctionQuery, Marker, ModuleId, Probeable, Source,
    Symbol, SymbolKind,
};
use rstap_syntax::ast::Component;
use rstap_syntax::diag::Diagnostic;

use super::pattern::CodePattern;
use super::{
    Build, CodeContext, Context, Found, Request, error, from_target, no_match, process, suggest,
};
use crate::ir::{CodePlace, ProbeKind};
use crate::semantic::session::Session;

/// The stable form of an address of the kernel or of a module of it.
pub(super) fn place(session: &Session, address: Address) -> Result<CodePlace, Diagnostic> {
    let placement = session
        .target
        .placement(address)
        .map_err(|error| from_target(&error))?;
    let (symbol, symbol_offset) = match placement.symbol {
        Some((name, offset)) => (Some(name), offset),
        None => (None, 0),
    };
    if address.module == ModuleId::KERNEL {
        let Some(offset) = placement.stext_offset else {
            let message = format!("address {:#x} is not in the kernel's text", address.value);
            return Err(error(message));
        };
        return Ok(CodePlace {
            symbol,
            symbol_offset,
            offset,
            ..CodePlace::default()
        });
    }
    Ok(CodePlace {
        module: Some(session.target.module_name(address.module)),
        section: Some(placement.section),
        symbol,
        symbol_offset,
        offset: placement.section_offset,
        is_absolute: false,
    })
}

/// One file of code in which places are looked for.
pub(super) struct Site<'r> {
    pub request: &'r Request<'r>,
    pub module: ModuleId,
    /// Set for user space.
    pub program: Option<Program>,
}

/// A user program.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Absolute.
    pub path: String,
    /// The program that uses it, if this is a library and no process was named.
    pub user: Option<String>,
    /// 0: all processes that run it.
    pub pid: i64,
    /// `process("...")`, perhaps with `.library("...")`.
    pub prefix: String,
}

impl Program {
    /// A program by its path; `pid` 0 means all processes that run it.
    pub fn of_path(path: String, pid: i64) -> Program {
        let prefix = format!("process(\"{path}\")");
        Program {
            path,
            user: None,
            pid,
            prefix,
        }
    }

    /// A library of this program.
    pub fn library(&self, path: String) -> Program {
        Program {
            prefix: format!("{}.library(\"{path}\")", self.prefix),
            path,
            user: (self.pid == 0).then(|| self.path.clone()),
            pid: self.pid,
        }
    }
}

impl<'r> Site<'r> {
    pub fn session(&self) -> &'r Session<'r> {
        self.request.session
    }

    /// `kernel`, `module("ext4")` or `process("/usr/bin/true")`: the front of a resolved name.
    pub fn prefix(&self) -> String {
        match &self.program {
            Some(program) => program.prefix.clone(),
            None if self.module == ModuleId::KERNEL => "kernel".to_owned(),
            None => format!(
                "module(\"{}\")",
                self.session().target.module_name(self.module)
            ),
        }
    }

    /// A single probe at an address, named as it was asked for but with the file that was meant.
    pub fn at_address(&self, kind: ProbeKind, context: Context) -> Build {
        let components = self.request.components;
        let is_place =
            |component: &Component| component.name == "function" || component.name == "statement";
        let behind = components.iter().position(is_place);
        let behind = behind.and_then(|position| components.get(position..));
        let behind = super::show(behind.unwrap_or_default());
        let name = format!("{}.{behind}", self.prefix());
        Ok(vec![Found::new(kind, name, context)])
    }

    fn user(&self, program: &Program, address: Address, is_return: bool) -> Made {
        let offset = self.session().target.file_offset(address);
        Ok(ProbeKind::User {
            path: program.path.clone(),
            program: program.user.clone(),
            offset: offset.map_err(|error| from_target(&error))?,
            reference_counter: 0,
            pid: program.pid,
            is_return,
            maxactive: 0,
        })
    }

    /// A probe at a static marker of the program.
    pub fn marker(&self, marker: &Marker) -> Made {
        let mut kind = self.address(marker.address)?;
        if let (
            ProbeKind::User {
                reference_counter, ..
            },
            Some(semaphore),
        ) = (&mut kind, marker.semaphore)
        {
            let offset = self.session().target.file_offset(semaphore);
            *reference_counter = offset.map_err(|error| from_target(&error))?;
        }
        Ok(kind)
    }

    /// A probe at the entry of a function with code of its own.
    pub fn entry(&self, function: &Function, probeable: &Probeable) -> Made {
        if let Some(program) = &self.program {
            return self.user(program, function.entry, false);
        }
        let place = entry_place(self.session(), function)?;
        Ok(match probeable {
            Probeable::Ftrace(_) => ProbeKind::Function(place),
            _ => ProbeKind::Address(place),
        })
    }

    /// A probe when a function returns.
    pub fn returning(&self, function: &Function, maxactive: u32) -> Made {
        if let Some(program) = &self.program {
            return self.user(program, function.entry, true);
        }
        Ok(ProbeKind::Return {
            place: entry_place(self.session(), function)?,
            maxactive,
        })
    }

    /// A probe at an instruction of a program, or at the return of what is called by going there.
    pub fn instruction(&self, address: Address, is_return: bool) -> Made {
        match &self.program {
            Some(program) => self.user(program, address, is_return),
            None => self.address(address),
        }
    }

    /// A probe at any instruction.
    pub fn address(&self, address: Address) -> Made {
        match &self.program {
            Some(program) => self.user(program, address, false),
            None => Ok(ProbeKind::Address(place(self.session(), address)?)),
        }
    }

    /// What `$` means at an address.
    pub fn context(&self, function: Option<&Function>, pc: u64, is_return: bool) -> Context {
        let is_entry = function.is_some_and(|function| {
            pc == function.entry.value && function.kind != FunctionKind::Inlined
        });
        Context::Code(Rc::new(CodeContext {
            module: self.module,
            function: function.cloned(),
            pc,
            instruction: pc,
            is_entry,
            is_return,
            is_user: self.program.is_some(),
        }))
    }

    /// What `$` means at a jump to a function's entry.
    pub fn context_of_jump(&self, function: &Function, jump: u64, is_return: bool) -> Context {
        Context::Code(Rc::new(CodeContext {
            module: self.module,
            function: Some(function.clone()),
            pc: function.entry.value,
            instruction: jump,
            is_entry: true,
            is_return,
            is_user: self.program.is_some(),
        }))
    }

    /// Whether the function may be probed; `Err` says why not, unless the function is
    /// one of many, which gives `Ok(None)`.
    pub fn check(
        &self,
        function: &Function,
        is_one_of_many: bool,
    ) -> Result<Option<Probeable>, Diagnostic> {
        if self.request.has("return") && is_cold_part(&function.linkage_name) {
            if is_one_of_many {
                return Ok(None);
            }
            // What would be taken for its return address is anything that lies on the stack.
            let name = &function.linkage_name;
            let whole = name.split('.').next().unwrap_or(name);
            let message = format!(
                "'{name}' does not return: it is a part of '{whole}' that is jumped to, not called"
            );
            return Err(error(message).hint(format!("probe the return of '{whole}'")));
        }
        // Of inlined copies some may be refused: `expand` looks at each of them.
        if self.program.is_some() || function.kind == FunctionKind::Inlined {
            return Ok(Some(Probeable::Kprobe));
        }
        match self.session().target.probeable(function) {
            Err(problem) => Err(from_target(&problem)),
            Ok(Probeable::Refused(_)) if is_one_of_many => Ok(None),
            Ok(Probeable::Refused(reason)) => {
                let message = format!("function '{}' cannot be probed: {reason}", function.name);
                Err(error(message).hint("probe its callers, or use a tracepoint instead"))
            }
            Ok(probeable) => Ok(Some(probeable)),
        }
    }
}

type Made = Result<ProbeKind, Diagnostic>;

/// Place of a function's entry. With BTF alone its address is not known: the
/// run-time finds it by its name.
fn entry_place(session: &Session, function: &Function) -> Result<CodePlace, Diagnostic> {
    if function.entry.value != 0 {
        let mut place = place(session, function.entry)?;
        if place.symbol_offset == 0 {
            place.symbol = Some(function.linkage_name.to_string());
        }
        return Ok(place);
    }
    let module = function.entry.module;
    let is_kernel = module == ModuleId::KERNEL;
    Ok(CodePlace {
        module: (!is_kernel).then(|| session.target.module_name(module)),
        symbol: Some(function.linkage_name.to_string()),
        ..CodePlace::default()
    })
}

/// The files of code that the front of a point names.
pub(super) fn sites<'r>(request: &'r Request<'r>) -> Result<Vec<Site<'r>>, Diagnostic> {
    if request
        .components
        .first()
        .is_some_and(|first| first.name == "process")
    {
        return process::sites(request);
    }
    let site = |module| Site {
        request,
        module,
        program: None,
    };
    let target = request.session.target;
    let Some(name) = request.string("module") else {
        let kernel = target
            .module("kernel")
            .map_err(|error| from_target(&error))?;
        return Ok(vec![site(kernel)]);
    };
    if name.contains('/') || !rstap_debuginfo::glob::is_pattern(&name) {
        let module = target.module(&name).map_err(|error| {
            let cause = no_match("", &[]).note(error.to_string());
            error
                .hint
                .iter()
                .fold(cause, |cause, hint| cause.hint(hint.clone()))
        })?;
        return Ok(vec![site(module)]);
    }
    let names = target.module_names(&name);
    Ok(names
        .iter()
        .filter_map(|name| target.module(name).ok())
        .map(site)
        .collect())
}

/// `vfs_read@fs/read_write.c:450`, or the bare name when there is no source.
pub(super) fn qualified(function: &Function) -> String {
    match &function.declaration {
        Some(position) => format!("{}@{position}", function.name),
        None => function.name.to_string(),
    }
}

/// Which copies of a function are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    All,
    /// Enough of them to name each function that can be probed.
    OneOfEach,
    /// Those with an entry of their own.
    Concrete,
    Inlined,
}

/// All functions of a file that match, without those that wildcards leave out.
/// Empty if there are none.
pub(super) fn functions(
    site: &Site,
    pattern: &CodePattern,
    copies: Copies,
) -> Result<Vec<Function>, Diagnostic> {
    let module = site.module;
    let target = site.session().target;
    let query = FunctionQuery {
        name: pattern.function.clone(),
        file: pattern.file.clone(),
        inlined: copies != Copies::Concrete,
        one_of_each: copies == Copies::OneOfEach,
    };
    let mut found = target
        .functions(module, &query)
        .map_err(|error| from_target(&error))?;
    if found.is_empty() && pattern.file.is_none() && !pattern.has_wildcard() {
        found.extend(from_symbol(site.session(), module, &pattern.function)?);
    }
    let is_wanted = |function: &Function| match copies {
        Copies::All | Copies::OneOfEach => true,
        Copies::Concrete => function.kind != FunctionKind::Inlined,
        Copies::Inlined => function.kind == FunctionKind::Inlined,
    };
    let mut seen = HashSet::new();
    found.retain(|function| {
        is_wanted(function)
            && !is_left_out(&pattern.function, &function.name)
            && (copies == Copies::OneOfEach
                || seen.insert((function.entry, function.kind, function.name.clone())))
    });
    Ok(found)
}

/// Whether a symbol of code is none that a pattern means, unless it says so: padding before
/// functions (`CONFIG_FUNCTION_PADDING`), which is never run, and what functions seldom run.
pub(super) fn is_left_out(pattern: &str, name: &str) -> bool {
    (name.starts_with("__pfx_") && !pattern.starts_with("__pfx_"))
        || (is_cold_part(name) && !pattern.contains(".cold"))
}

/// Whether a symbol is not a function but the part of one that compilers move away because it
/// seldom runs: `f.cold`, `f.part.0.cold`, `f.cold.1`.
fn is_cold_part(name: &str) -> bool {
    name.split('.').skip(1).any(|part| part == "cold")
}

/// A function that the debug information does not have under this name: system
/// call wrappers and other aliases.
fn from_symbol(
    session: &Session,
    module: ModuleId,
    name: &str,
) -> Result<Option<Function>, Diagnostic> {
    let Some(symbol) = session.target.symbol(module, name) else {
        return Ok(None);
    };
    if symbol.kind != SymbolKind::Function {
        return Ok(None);
    }
    Ok(Some(symbol_only(symbol)))
}

/// A function of which nothing but its symbol is known.
pub(super) fn symbol_only(symbol: Symbol) -> Function {
    Function {
        linkage_name: symbol.name.as_str().into(),
        name: symbol.name.into(),
        kind: FunctionKind::SymbolOnly,
        declaration: None,
        entry: symbol.address,
        ranges: Vec::new(),
        external: symbol.global,
        inlined_into: None,
        source: Source::Symbols,
        id: EntityId {
            module: symbol.address.module,
            source: Source::Symbols,
            offset: symbol.address.value,
        },
    }
}

/// `no match` with the functions that sound alike.
pub(super) fn no_function(session: &Session, sites: &[Site], name: &str) -> Diagnostic {
    if session.errors_are_dropped.get() {
        return no_match("functions", &[]);
    }
    let wanted = name.split('@').next().unwrap_or(name);
    let mut names = Vec::new();
    for site in sites {
        let symbols = session.target.symbols(site.module, "*");
        let functions = symbols
            .into_iter()
            .filter(|symbol| symbol.kind == SymbolKind::Function);
        names.extend(functions.map(|symbol| symbol.name));
    }
    no_match(
        "functions",
        &suggest::similar(wanted, names.iter().map(String::as_str)),
    )
}
