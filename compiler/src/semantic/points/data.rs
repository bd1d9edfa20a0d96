// SPDX-License-Identifier: GPL-2.0-or-later
//! `kernel.data`: hardware breakpoints on data.

use rstap_debuginfo::{ModuleId, SymbolKind};

use super::place;
use super::{Build, Context, Request, error, from_target, no_match, suggest};
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
        },
        Context::Empty,
    )
}
