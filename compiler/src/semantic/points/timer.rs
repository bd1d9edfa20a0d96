// SPDX-License-Identifier: GPL-2.0-or-later
//! Timers.

use super::table::Family;
use super::{Build, Context, Request, error};
use crate::ir::ProbeKind;

/// Shortest and longest interval of a high resolution timer (man stapprobes).
const SHORTEST_NS: i64 = 100_000;
const LONGEST_NS: i64 = 86_400_000_000_000;
const LONGEST_JIFFIES: i64 = 1_000_000;

/// `PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_CPU_CLOCK` of `linux/perf_event.h`.
const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
/// A tick of `timer.profile` in nanoseconds of CPU time.
const PROFILE_PERIOD: u64 = 1_000_000;

pub(super) fn build(request: &Request) -> Build {
    if request.family == Family::Profile {
        let kind = ProbeKind::Perf {
            ty: SOFTWARE,
            config: CPU_CLOCK,
            period: PROFILE_PERIOD,
            is_frequency: false,
            program: None,
            counter: None,
        };
        return request.found(kind, Context::Empty);
    }
    let Some(unit) = request.components.get(1) else {
        return Err(error("a timer needs an interval, as in timer.s(1)"));
    };
    let value = unit
        .arg
        .as_ref()
        .and_then(|argument| argument.as_number())
        .unwrap_or(0);
    let randomize = request.number("randomize");
    let nanoseconds = match unit.name.as_str() {
        "jiffies" => return jiffies(request, value, randomize.unwrap_or(0)),
        "hz" => return hertz(request, value),
        "s" | "sec" => 1_000_000_000,
        "ms" | "msec" => 1_000_000,
        "us" | "usec" => 1000,
        _ => 1,
    };
    let shortest = (SHORTEST_NS / nanoseconds).max(1);
    let longest = LONGEST_NS / nanoseconds;
    if !(shortest..=longest).contains(&value) {
        return Err(error(format!(
            "interval value out of range ({shortest}, {longest})"
        )));
    }
    let randomize = randomize.unwrap_or(0);
    if !(0..=value).contains(&randomize) {
        return Err(error("randomization value out of range"));
    }
    let kind = ProbeKind::Timer {
        interval_ns: value.saturating_mul(nanoseconds).unsigned_abs(),
        randomize_ns: randomize.saturating_mul(nanoseconds).unsigned_abs(),
    };
    request.found(kind, Context::Empty)
}

fn jiffies(request: &Request, interval: i64, randomize: i64) -> Build {
    if !(1..=LONGEST_JIFFIES).contains(&interval) {
        return Err(error("invalid interval for jiffies timer"));
    }
    if !(0..=interval).contains(&randomize) {
        return Err(error("invalid randomize for jiffies timer"));
    }
    let kind = ProbeKind::Jiffies {
        interval: interval.unsigned_abs(),
        randomize: randomize.unsigned_abs(),
    };
    request.found(kind, Context::Empty)
}

fn hertz(request: &Request, frequency: i64) -> Build {
    if frequency <= 0 {
        return Err(error("frequency must be greater than 0"));
    }
    let interval = 1_000_000_000 / frequency;
    if interval < SHORTEST_NS {
        return Err(error(format!(
            "interval value out of range ({SHORTEST_NS}, {LONGEST_NS})"
        )));
    }
    let kind = ProbeKind::Timer {
        interval_ns: interval.unsigned_abs(),
        randomize_ns: 0,
    };
    request.found(kind, Context::Empty)
}
