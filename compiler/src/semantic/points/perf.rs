// SPDX-License-Identifier: GPL-2.0-or-later
//! `perf.type(N).config(M)`: performance counters that overflow.

use super::{Build, Context, Request, error, process};
use crate::ir::ProbeKind;

/// Events between two hits where the script says nothing (man stapprobes).
const DEFAULT_PERIOD: u64 = 1_000_000;

pub(super) fn build(request: &Request) -> Build {
    let counter = request.string("counter");
    let program = match request.has("process") {
        true => Some(process::program(request)?.path),
        false => None,
    };
    if counter.is_some() && !request.session.options.has_target_process {
        return Err(error(
            "a perf counter counts the process of -c COMMAND or -x PID, and neither is given",
        ));
    }
    let number = |name| request.number(name).unwrap_or(0);
    let Ok(ty) = u32::try_from(number("type")) else {
        return Err(error(format!("invalid perf type {}", number("type"))));
    };
    let config = number("config").cast_unsigned();
    let (period, is_frequency) = match (request.number("sample"), request.number("hz")) {
        (Some(period), _) if period > 0 => (period.unsigned_abs(), false),
        (Some(period), _) => return Err(error(format!("invalid perf sample period {period}"))),
        (None, Some(frequency)) if frequency > 0 => (frequency.unsigned_abs(), true),
        (None, Some(frequency)) => {
            return Err(error(format!(
                "invalid perf sampling frequency {frequency}"
            )));
        }
        (None, None) => (DEFAULT_PERIOD, false),
    };
    request.found(
        ProbeKind::Perf {
            ty,
            config,
            period,
            is_frequency,
            program,
            counter,
        },
        Context::Empty,
    )
}
