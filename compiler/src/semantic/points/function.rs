// SPDX-License-Identifier: GPL-2.0-or-later
//! `kernel.function`, `module().function` and all that follows them.

use std::rc::Rc;

use rstap_debuginfo::{Address, Function, FunctionKind, ModuleId, Probeable};
use rstap_syntax::diag::Diagnostic;

use super::pattern::{CodePattern, Lines};
use super::place::{self, Copies};
use super::{Build, CodeContext, Context, Found, Request, error, from_target, no_match};
use crate::ir::ProbeKind;

/// What is asked of each function.
enum Variant {
    /// No suffix: the entry and all inlined copies.
    Plain,
    /// `.call`
    Call,
    /// `.inline`
    Inline,
    /// `.exported`
    Exported,
    /// `.return`
    Return { maxactive: u32 },
    /// `.label("L")`
    Label(String),
    /// `.callee("f")`, `.callees`
    Callee(String),
}

impl Variant {
    fn of(request: &Request) -> Result<Variant, Diagnostic> {
        if let Some(label) = request.string("label") {
            return Ok(Variant::Label(label));
        }
        if let Some(callee) = request.string("callee") {
            if request.has("call") || request.has("return") {
                return Err(not_inlined_callee());
            }
            return Ok(Variant::Callee(callee));
        }
        if request.has("callees") {
            return Ok(Variant::Callee("*".to_owned()));
        }
        if request.has("return") {
            let maxactive = request.number("maxactive").unwrap_or(0);
            let Ok(maxactive) = u32::try_from(maxactive) else {
                return Err(error(format!("maxactive value out of range ({maxactive})")));
            };
            return Ok(Variant::Return { maxactive });
        }
        Ok(match () {
            () if request.has("call") => Variant::Call,
            () if request.has("inline") => Variant::Inline,
            () if request.has("exported") => Variant::Exported,
            () => Variant::Plain,
        })
    }

    fn copies(&self) -> Copies {
        match self {
            Variant::Plain | Variant::Label(_) => Copies::All,
            Variant::Inline => Copies::Inlined,
            _ => Copies::Concrete,
        }
    }
}

pub(super) fn build(request: &Request) -> Build {
    let variant = Variant::of(request)?;
    let modules = place::modules(request)?;
    if let Some(address) = request.number("function") {
        return at_address(request, &modules, address.cast_unsigned(), &variant);
    }
    let Some(text) = request.string("function") else { return Err(no_match("", &[])) };
    let pattern = CodePattern::parse(&text).map_err(error)?;
    let mut finder = Finder { request, variant, found: Vec::new() };
    let mut has_function = false;
    let is_wide = pattern.has_wildcard() || modules.len() > 1;
    for &module in &modules {
        let mut functions =
            match place::functions(request, module, &pattern, finder.variant.copies()) {
                Ok(functions) => functions,
                Err(_) if modules.len() > 1 => continue,
                Err(error) => return Err(error),
            };
        if pattern.has_wildcard() {
            keep_lines(request, module, &pattern, &mut functions)?;
        }
        has_function |= !functions.is_empty();
        for function in functions {
            finder.function(&function, is_wide)?;
        }
    }
    if !finder.found.is_empty() {
        return Ok(finder.found);
    }
    if let (Variant::Callee(callee), true) = (&finder.variant, has_function) {
        return Err(no_match("", &[]).note(format!(
            "no inlined copy of '{callee}' in the function; calls of functions that have code of \
             their own are not told apart by their caller"
        )));
    }
    if has_function || request.is_one_of_many {
        return Err(no_match("", &[]));
    }
    Err(place::no_function(request.session, &modules, &text))
}

fn not_inlined_callee() -> Diagnostic {
    error(".callee(...) is supported for inlined copies only")
        .hint("probe the function itself with .call or .return and test the caller's address")
}

/// With `*@file:LINE`, only functions that have code of these lines.
fn keep_lines(
    request: &Request,
    module: ModuleId,
    pattern: &CodePattern,
    functions: &mut Vec<Function>,
) -> Result<(), Diagnostic> {
    let (Lines::Ranges(ranges), Some(file)) = (&pattern.lines, &pattern.file) else {
        return Ok(());
    };
    let mut addresses = Vec::new();
    for &(first, last) in ranges {
        let lines = request.session.target.lines(module, file, first, last);
        let lines = lines.map_err(|error| from_target(&error))?;
        addresses.extend(lines.into_iter().map(|line| line.address.value));
    }
    functions.retain(|function| {
        function.ranges.iter().any(|range| {
            addresses.iter().any(|address| range.contains(*address))
        })
    });
    Ok(())
}

struct Finder<'r> {
    request: &'r Request<'r>,
    variant: Variant,
    found: Vec<Found>,
}

impl Finder<'_> {
    fn function(&mut self, function: &Function, is_wide: bool) -> Result<(), Diagnostic> {
        let session = self.request.session;
        if matches!(self.variant, Variant::Exported) && !function.external {
            return Ok(());
        }
        let request =
            Request { is_one_of_many: self.request.is_one_of_many || is_wide, ..*self.request };
        let Some(probeable) = place::check(&request, function)? else { return Ok(()) };
        let module = function.entry.module;
        let prefix = place::prefix(session, module);
        let front = format!("{prefix}.function(\"{}\")", place::qualified(function));
        match &self.variant {
            Variant::Label(label) => {
                let labels = session.target.labels(function, label);
                for label in labels.map_err(|error| from_target(&error))? {
                    let qualified = match &label.declaration {
                        Some(position) => format!("{}@{position}", function.name),
                        None => place::qualified(function),
                    };
                    let name =
                        format!("{prefix}.function(\"{qualified}\").label(\"{}\")", label.name);
                    self.address(function, label.address, name)?;
                }
                Ok(())
            }
            Variant::Callee(callee) => {
                let pattern = CodePattern::parse(callee).map_err(error)?;
                let copies = place::functions(&request, module, &pattern, Copies::Inlined)?;
                let inside = copies.iter().filter(|copy| {
                    function.ranges.iter().any(|range| range.contains(copy.entry.value))
                });
                for copy in inside {
                    let name = format!("{front}.callee(\"{}\")", place::qualified(copy));
                    self.address(copy, copy.entry, name)?;
                }
                Ok(())
            }
            Variant::Return { maxactive } => {
                let maxactive = *maxactive;
                let place = place::place(session, function.entry)?;
                let name = format!("{front}{}", self.suffix());
                let kind = ProbeKind::Return { place, maxactive };
                self.push(kind, name, context(function, function.entry.value, true));
                Ok(())
            }
            _ if function.kind == FunctionKind::Inlined => {
                let name = format!("{front}{}", self.suffix());
                self.address(function, function.entry, name)
            }
            _ => {
                let place = place::place(session, function.entry)?;
                let name = format!("{front}{}", self.suffix());
                let kind = match probeable {
                    Probeable::Ftrace(_) => ProbeKind::Function(place),
                    _ => ProbeKind::Address(place),
                };
                self.push(kind, name, context(function, function.entry.value, false));
                Ok(())
            }
        }
    }

    /// Components behind `function(...)` as written.
    fn suffix(&self) -> String {
        suffix(self.request)
    }

    fn address(
        &mut self,
        function: &Function,
        address: Address,
        name: String,
    ) -> Result<(), Diagnostic> {
        let place = place::place(self.request.session, address)?;
        self.push(ProbeKind::Address(place), name, context(function, address.value, false));
        Ok(())
    }

    fn push(&mut self, kind: ProbeKind, name: String, context: Context) {
        self.found.push(Found { kind, name, context });
    }
}

fn suffix(request: &Request) -> String {
    let position = request.components.iter().position(|component| component.name == "function");
    let behind = position.and_then(|position| request.components.get(position + 1..));
    match behind {
        Some([]) | None => String::new(),
        Some(behind) => format!(".{}", super::show(behind)),
    }
}

/// What `$` means at an address of a function.
pub(super) fn context(function: &Function, pc: u64, is_return: bool) -> Context {
    Context::Code(Rc::new(CodeContext {
        module: function.entry.module,
        is_entry: pc == function.entry.value && function.kind != FunctionKind::Inlined,
        function: Some(function.clone()),
        pc,
        is_return,
        is_user: false,
    }))
}

/// `kernel.function(0x...)`: the function that has code at the address.
fn at_address(request: &Request, modules: &[ModuleId], value: u64, variant: &Variant) -> Build {
    let session = request.session;
    let Some(&module) = modules.first() else { return Err(no_match("", &[])) };
    let function = session.target.function_at(Address { module, value });
    let Some(function) = function.map_err(|error| from_target(&error))? else {
        return Err(no_match("", &[]));
    };
    if matches!(variant, Variant::Exported) && !function.external {
        return Err(no_match("", &[]));
    }
    let Some(probeable) = place::check(request, &function)? else { return Ok(Vec::new()) };
    let place = place::place(session, function.entry)?;
    let (kind, is_return) = match (variant, probeable) {
        (Variant::Return { maxactive }, _) => {
            (ProbeKind::Return { place, maxactive: *maxactive }, true)
        }
        (_, Probeable::Ftrace(_)) => (ProbeKind::Function(place), false),
        _ => (ProbeKind::Address(place), false),
    };
    request.found(kind, context(&function, function.entry.value, is_return))
}
