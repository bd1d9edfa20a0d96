// SPDX-License-Identifier: GPL-2.0-or-later
//! `kernel.data` and `process.data`: hardware breakpoints on data.

use rstap_debuginfo::{ModuleId, SymbolKind};

use rstap_syntax::diag::Diagnostic;

use super::table::Family;
use super::{Build, Context, Request, error, from_target, no_match, place, process, suggest};
use crate::arch;
use crate::ir::{CodePlace, ProbeKind};

pub(super) fn build(request: &Request) -> Build {
    let session = request.session;
    let length = request.number("length").unwrap_or(1);
    let length = match u32::try_from(length) {
        Ok(length) if length.is_power_of_two() && length <= arch::BREAKPOINT_LENGTH => length,
        _ => {
            let message = format!("invalid length {length} of a data breakpoint");
            let hint = format!("1, 2, 4 or {} bytes", arch::BREAKPOINT_LENGTH);
            return Err(error(message).hint(hint));
        }
    };
    let reads = request.has("rw");
    if request.family == Family::ProcessData {
        let place = CodePlace {
            offset: process_address(request)?,
            is_absolute: true,
            ..CodePlace::default()
        };
        return request.found(
            ProbeKind::Breakpoint {
                symbol: None,
                place,
                length,
                reads,
                in_process: true,
            },
            Context::Empty,
        );
    }
    let (symbol, place) = match (request.number("data"), request.string("data")) {
        (Some(address), _) => {
            let offset = address.cast_unsigned();
            (
                None,
                CodePlace {
                    offset,
                    is_absolute: true,
                    ..CodePlace::default()
                },
            )
        }
        (None, Some(name)) => {
            let kernel = session
                .target
                .module("kernel")
                .map_err(|error| from_target(&error))?;
            let Some(symbol) = session.target.symbol(kernel, &name) else {
                let symbols = session.target.symbols(ModuleId::KERNEL, "*");
                let data = symbols
                    .iter()
                    .filter(|symbol| symbol.kind == SymbolKind::Object);
                let names = data.map(|symbol| symbol.name.as_str());
                return Err(no_match("variables", &suggest::similar(&name, names)));
            };
            if symbol.kind == SymbolKind::PerCpu {
                let message = format!("'{name}' is a per-CPU variable: it has no one address");
                return Err(error(message));
            }
            let place = place::place(session, symbol.address)?;
            (Some(name), place)
        }
        (None, None) => return Err(no_match("", &[])),
    };
    request.found(
        ProbeKind::Breakpoint {
            symbol,
            place,
            length,
            reads,
            in_process: false,
        },
        Context::Empty,
    )
}

/// The address that is watched in the process of `-c` or `-x`.
fn process_address(request: &Request) -> Result<u64, Diagnostic> {
    let session = request.session;
    if !session.options.has_target_process {
        return Err(error(
            "process.data watches the process of -c COMMAND or -x PID, and neither is given",
        ));
    }
    let Some(name) = request.string("data") else {
        return Ok(request.number("data").unwrap_or(0).cast_unsigned());
    };
    let program = process::program(request)?.path;
    let module = session
        .target
        .module(&program)
        .map_err(|error| from_target(&error))?;
    let Some(symbol) = session.target.symbol(module, &name) else {
        let symbols = session.target.symbols(module, "*");
        let data = symbols
            .iter()
            .filter(|symbol| symbol.kind == SymbolKind::Object);
        let names = data.map(|symbol| symbol.name.as_str());
        return Err(no_match("variables", &suggest::similar(&name, names)));
    };
    if session.target.is_position_independent(module) {
        let message = format!("where '{name}' will be is not known: {program} is loaded anywhere");
        return Err(error(message).hint(
            "link the program with -no-pie, or give the address in a running process: -x PID",
        ));
    }
    Ok(symbol.address.value)
}
