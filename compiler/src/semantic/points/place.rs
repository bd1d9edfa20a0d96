// SPDX-License-Identifier: GPL-2.0-or-later
//! Addresses of debug information as the run-time knows them, and the functions
//! that a pattern means.

use std::collections::HashSet;

use rstap_debuginfo::{
    Address, EntityId, Function, FunctionKind, FunctionQuery, ModuleId, Probeable, Source, Symbol,
    SymbolKind,
};
use rstap_syntax::diag::Diagnostic;

use super::pattern::CodePattern;
use super::{Request, error, from_target, no_match, suggest};
use crate::ir::CodePlace;
use crate::semantic::session::Session;

/// The stable form of an address of the kernel or of a module of it.
pub(super) fn place(session: &Session, address: Address) -> Result<CodePlace, Diagnostic> {
    let placement = session.target.placement(address).map_err(|error| from_target(&error))?;
    let (symbol, symbol_offset) = match placement.symbol {
        Some((name, offset)) => (Some(name), offset),
        None => (None, 0),
    };
    if address.module == ModuleId::KERNEL {
        let Some(offset) = placement.stext_offset else {
            let message = format!("address {:#x} is not in the kernel's text", address.value);
            return Err(error(message));
        };
        return Ok(CodePlace { symbol, symbol_offset, offset, ..CodePlace::default() });
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

/// The files of code that `kernel` or `module("PATTERN")` names.
pub(super) fn modules(request: &Request) -> Result<Vec<ModuleId>, Diagnostic> {
    let target = request.session.target;
    let Some(name) = request.string("module") else {
        let kernel = target.module("kernel").map_err(|error| from_target(&error))?;
        return Ok(vec![kernel]);
    };
    let is_path = name.contains('/') || !rstap_debuginfo::glob::is_pattern(&name);
    if is_path {
        return match target.module(&name) {
            Ok(module) => Ok(vec![module]),
            // A module that is not there is `no match`; one that cannot be read says why.
            Err(error) if error.hint.is_some() || error.position.is_some() => {
                Err(no_match("", &[]).caused_by(from_target(&error)))
            }
            Err(error) => Err(no_match("", &[]).note(error.to_string())),
        };
    }
    let names = target.module_names(&name);
    Ok(names.iter().filter_map(|name| target.module(name).ok()).collect())
}

/// `kernel` or `module("ext4")` as the front of a resolved name.
pub(super) fn prefix(session: &Session, module: ModuleId) -> String {
    if module == ModuleId::KERNEL {
        return "kernel".to_owned();
    }
    format!("module(\"{}\")", session.target.module_name(module))
}

/// `vfs_read@fs/read_write.c:450`, or the bare name when there is no source.
pub(super) fn qualified(function: &Function) -> String {
    match &function.declaration {
        Some(position) => format!("{}@{position}", function.name),
        None => function.name.clone(),
    }
}

/// Which copies of a function are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    All,
    /// Those with an entry of their own.
    Concrete,
    Inlined,
}

/// All functions of a file that match, without those that wildcards leave out.
/// Empty if there are none.
pub(super) fn functions(
    request: &Request,
    module: ModuleId,
    pattern: &CodePattern,
    copies: Copies,
) -> Result<Vec<Function>, Diagnostic> {
    let target = request.session.target;
    let query = FunctionQuery {
        name: pattern.function.clone(),
        file: pattern.file.clone(),
        inlined: copies != Copies::Concrete,
    };
    let mut found = target.functions(module, &query).map_err(|error| from_target(&error))?;
    if found.is_empty() && pattern.file.is_none() && !pattern.has_wildcard() {
        found.extend(from_symbol(request.session, module, &pattern.function)?);
    }
    let is_wanted = |function: &Function| match copies {
        Copies::All => true,
        Copies::Concrete => function.kind != FunctionKind::Inlined,
        Copies::Inlined => function.kind == FunctionKind::Inlined,
    };
    // Padding before functions (CONFIG_FUNCTION_PADDING) has symbols but is never run.
    let hides_padding = !pattern.function.starts_with("__pfx_");
    let mut seen = HashSet::new();
    found.retain(|function| {
        is_wanted(function)
            && !(hides_padding && function.name.starts_with("__pfx_"))
            && seen.insert((function.entry, function.kind, function.name.clone()))
    });
    Ok(found)
}

/// A function that the debug information does not have under this name: system
/// call wrappers and other aliases.
fn from_symbol(
    session: &Session,
    module: ModuleId,
    name: &str,
) -> Result<Option<Function>, Diagnostic> {
    let Some(symbol) = session.target.symbol(module, name) else { return Ok(None) };
    if symbol.kind != SymbolKind::Function {
        return Ok(None);
    }
    Ok(Some(symbol_only(symbol)))
}

/// A function of which nothing but its symbol is known.
pub(super) fn symbol_only(symbol: Symbol) -> Function {
    Function {
        linkage_name: symbol.name.clone(),
        name: symbol.name,
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

/// Whether the kernel lets the function be probed; `Err` says why not, unless it is
/// one of many, which gives `Ok(None)`.
pub(super) fn check(
    request: &Request,
    function: &Function,
) -> Result<Option<Probeable>, Diagnostic> {
    match request.session.target.probeable(function) {
        Probeable::Refused(_) if request.is_one_of_many => Ok(None),
        Probeable::Refused(reason) => {
            let message = format!("function '{}' cannot be probed: {reason}", function.name);
            Err(error(message).hint("probe its callers, or use a tracepoint instead"))
        }
        probeable => Ok(Some(probeable)),
    }
}

/// `no match` with the functions that sound alike.
pub(super) fn no_function(session: &Session, modules: &[ModuleId], name: &str) -> Diagnostic {
    let wanted = name.split('@').next().unwrap_or(name);
    let mut names = Vec::new();
    for &module in modules {
        let symbols = session.target.symbols(module, "*");
        let functions = symbols.into_iter().filter(|symbol| symbol.kind == SymbolKind::Function);
        names.extend(functions.map(|symbol| symbol.name));
    }
    no_match("functions", &suggest::similar(wanted, names.iter().map(String::as_str)))
}
