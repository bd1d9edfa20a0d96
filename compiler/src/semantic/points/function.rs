// SPDX-License-Identifier: GPL-2.0-or-later
//! `kernel.function`, `module().function`, `process().function` and all that follows them.

use std::collections::HashSet;
use std::sync::Arc;

use rstap_debuginfo::{Address, AddressRange, Function, FunctionKind, SourcePosition};
use rstap_syntax::diag::Diagnostic;

use crate::ir::{CodePlace, ProbeKind};

use super::callee::{self, Wanted};
use super::pattern::{CodePattern, Lines};
use super::place::{self, Copies, Site};
use super::{Build, Context, Found, Request, error, from_target, no_match};

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
    Callee(Wanted),
}

impl Variant {
    fn of(request: &Request) -> Result<Variant, Diagnostic> {
        if let Some(label) = request.string("label") {
            return Ok(Variant::Label(label));
        }
        if let Some(wanted) = Wanted::of(request)? {
            return Ok(Variant::Callee(wanted));
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
    let sites = place::sites(request)?;
    if let Some(address) = request.number("function") {
        return at_address(request, &sites, address.cast_unsigned(), &variant);
    }
    let Some(text) = request.string("function") else {
        return Err(no_match("", &[]));
    };
    let pattern = CodePattern::parse(&text).map_err(error)?;
    let is_wide = pattern.has_wildcard() || sites.len() > 1 || request.is_one_of_many;
    let is_names = request.session.is_listing_names.get()
        && matches!(variant, Variant::Plain)
        && !matches!(pattern.lines, Lines::Ranges(_));
    let copies = match is_names {
        true => Copies::OneOfEach,
        false => variant.copies(),
    };
    let mut finder = Finder {
        suffix: suffix(request),
        variant,
        is_wide,
        named: is_names.then(HashSet::new),
        found: Vec::new(),
    };
    let mut has_function = false;
    for site in &sites {
        let functions = place::functions(site, &pattern, copies);
        let mut functions = match functions {
            Ok(functions) => functions,
            // Of many modules some have no debug information.
            Err(_) if sites.len() > 1 => continue,
            Err(error) => return Err(error),
        };
        if pattern.has_wildcard() {
            keep_lines(site, &pattern, &mut functions)?;
        }
        has_function |= !functions.is_empty();
        for function in functions {
            finder.function(site, &function)?;
        }
    }
    if !finder.found.is_empty() {
        return Ok(finder.found);
    }
    if let (Variant::Callee(_), true) = (&finder.variant, has_function) {
        return Err(no_match("", &[]).note(callee::none_found(&text)));
    }
    if has_function || request.is_one_of_many {
        return Err(no_match("", &[]));
    }
    Err(place::no_function(request.session, &sites, &text))
}

/// With `*@file:LINE`, only functions that have code of these lines.
fn keep_lines(
    site: &Site,
    pattern: &CodePattern,
    functions: &mut Vec<Function>,
) -> Result<(), Diagnostic> {
    let (Lines::Ranges(ranges), Some(file)) = (&pattern.lines, &pattern.file) else {
        return Ok(());
    };
    let mut addresses = Vec::new();
    for &(first, last) in ranges {
        let lines = site.session().target.lines(site.module, file, first, last);
        let lines = lines.map_err(|error| from_target(&error))?;
        addresses.extend(lines.into_iter().map(|line| line.address.value));
    }
    functions.retain(|function| {
        let has = |range: &AddressRange| addresses.iter().any(|address| range.contains(*address));
        function.ranges.iter().any(has)
    });
    Ok(())
}

struct Finder {
    variant: Variant,
    /// Components behind `function(...)` as written.
    suffix: String,
    /// Functions that cannot be probed are left out.
    is_wide: bool,
    /// With a list of names: what is on it already.
    named: Option<HashSet<(Arc<str>, Option<SourcePosition>)>>,
    found: Vec<Found>,
}

impl Finder {
    fn function(&mut self, site: &Site, function: &Function) -> Result<(), Diagnostic> {
        if matches!(self.variant, Variant::Exported) && !function.external {
            return Ok(());
        }
        let Some(probeable) = site.check(function, self.is_wide)? else {
            return Ok(());
        };
        let front = |qualified: &str| format!("{}.function(\"{qualified}\")", site.prefix());
        let name = || format!("{}{}", front(&place::qualified(function)), self.suffix);
        if let Some(named) = &mut self.named {
            // Of an inlined function one copy that can be probed is enough.
            let refused = match function.kind {
                FunctionKind::Inlined => site.session().target.refusal(function.entry),
                _ => Ok(None),
            };
            if refused.map_err(|error| from_target(&error))?.is_some() {
                return Ok(());
            }
            if named.insert((function.name.clone(), function.declaration.clone())) {
                // Nobody asks where it is.
                let kind = ProbeKind::Function(CodePlace::default());
                self.found.push(Found::new(kind, name(), Context::Empty));
            }
            return Ok(());
        }
        let entry = function.entry.value;
        match &self.variant {
            Variant::Label(label) => {
                let labels = site.session().target.labels(function, label);
                let file = function.declaration.as_ref().map(|position| &position.file);
                for label in labels.map_err(|error| from_target(&error))? {
                    // Labels of code inlined into it belong to that function.
                    let label_file = label.declaration.as_ref().map(|position| &position.file);
                    if file.is_some() && label_file.is_some() && file != label_file {
                        continue;
                    }
                    let qualified = match &label.declaration {
                        Some(position) => format!("{}@{position}", function.name),
                        None => place::qualified(function),
                    };
                    let name = format!("{}.label(\"{}\")", front(&qualified), label.name);
                    self.address(site, function, label.address, name)?;
                }
                Ok(())
            }
            Variant::Callee(wanted) if callee::has_calls(function) => {
                wanted.find(site, function, &mut self.found)
            }
            Variant::Callee(_) => Ok(()),
            Variant::Return { maxactive } => {
                let kind = site.returning(function, *maxactive)?;
                let context = site.context(Some(function), entry, true);
                self.found.push(Found::new(kind, name(), context));
                Ok(())
            }
            _ if function.kind == FunctionKind::Inlined => {
                let name = name();
                self.address(site, function, function.entry, name)
            }
            _ => {
                let kind = site.entry(function, &probeable)?;
                let context = site.context(Some(function), entry, false);
                self.found.push(Found::new(kind, name(), context));
                Ok(())
            }
        }
    }

    fn address(
        &mut self,
        site: &Site,
        function: &Function,
        address: Address,
        name: String,
    ) -> Result<(), Diagnostic> {
        let kind = site.address(address)?;
        let context = site.context(Some(function), address.value, false);
        self.found.push(Found::new(kind, name, context));
        Ok(())
    }
}

fn suffix(request: &Request) -> String {
    let position = request
        .components
        .iter()
        .position(|component| component.name == "function");
    let behind = position.and_then(|position| request.components.get(position + 1..));
    match behind {
        Some([]) | None => String::new(),
        Some(behind) => format!(".{}", super::show(behind)),
    }
}

/// `kernel.function(0x...)`: the function that has code at the address.
fn at_address(request: &Request, sites: &[Site], value: u64, variant: &Variant) -> Build {
    let Some(site) = sites.first() else {
        return Err(no_match("", &[]));
    };
    let function = request.session.target.function_at(
        Address {
            module: site.module,
            value,
        },
        false,
    );
    let Some(function) = function.map_err(|error| from_target(&error))? else {
        return Err(no_match("", &[]));
    };
    if matches!(variant, Variant::Exported) && !function.external {
        return Err(no_match("", &[]));
    }
    let Some(probeable) = site.check(&function, request.is_one_of_many)? else {
        return Ok(Vec::new());
    };
    let entry = function.entry.value;
    match variant {
        Variant::Return { maxactive } => {
            let kind = site.returning(&function, *maxactive)?;
            site.at_address(kind, site.context(Some(&function), entry, true))
        }
        _ => {
            let kind = site.entry(&function, &probeable)?;
            site.at_address(kind, site.context(Some(&function), entry, false))
        }
    }
}
