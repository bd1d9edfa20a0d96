// SPDX-License-Identifier: GPL-2.0-or-later
//! `kprobe.*`: functions by their symbols alone, and addresses.

use rstap_debuginfo::{SymbolKind, glob};

use super::place;
use super::{Build, Context, Found, Request, error, no_match};
use crate::ir::{CodePlace, ProbeKind};

pub(super) fn build(request: &Request) -> Build {
    if let Some(address) = request.number("statement") {
        return absolute(request, address.cast_unsigned());
    }
    let session = request.session;
    let Some(name) = request.string("function") else {
        return Err(no_match("", &[]));
    };
    let maxactive = request.number("maxactive").unwrap_or(0);
    let Ok(maxactive) = u32::try_from(maxactive) else {
        return Err(error(format!("maxactive value out of range ({maxactive})")));
    };
    let is_pattern = glob::is_pattern(&name);
    let sites = place::sites(request)?;
    let mut found = Vec::new();
    for site in &sites {
        let module = site.module;
        let symbols = match session.target.symbol(module, &name) {
            Some(symbol) if !is_pattern => vec![symbol],
            _ => session.target.symbols(module, &name),
        };
        for symbol in symbols {
            if symbol.kind != SymbolKind::Function
                || (is_pattern && place::is_left_out(&name, &symbol.name))
            {
                continue;
            }
            let function = place::symbol_only(symbol);
            let is_wide = request.is_one_of_many || is_pattern;
            let Some(probeable) = site.check(&function, is_wide)? else {
                continue;
            };
            let kind = if request.has("return") {
                site.returning(&function, maxactive)?
            } else {
                site.entry(&function, &probeable)?
            };
            let name = renamed(request, &function.name);
            found.push(Found::new(kind, name, Context::Empty));
        }
    }
    if found.is_empty() {
        return Err(place::no_function(session, &sites, &name));
    }
    Ok(found)
}

/// The point with the wildcard of `function(...)` replaced.
fn renamed(request: &Request, function: &str) -> String {
    let mut components = request.components.to_vec();
    for component in &mut components {
        if component.name == "function"
            && let Some(argument) = &mut component.arg
        {
            argument.value = rstap_syntax::ast::LiteralValue::String(function.into());
        }
    }
    super::show(&components)
}

/// `.statement(ADDRESS).absolute`: an address of the running kernel.
pub(super) fn absolute(request: &Request, address: u64) -> Build {
    if !request.session.options.guru {
        return Err(error(
            "absolute statement probe in unprivileged script; need stap -g",
        ));
    }
    let place = CodePlace {
        offset: address,
        is_absolute: true,
        ..CodePlace::default()
    };
    request.found(ProbeKind::Address(place), Context::Empty)
}
