// SPDX-License-Identifier: GPL-2.0-or-later
//! Run-time limits: the defaults, and what `-D` says.

use std::ops::RangeInclusive;

use super::session::SemanticOptions;
use crate::ir::Limits;

/// A macro that sets a limit, the values that it may have, and what it changes.
type Setting = (&'static str, RangeInclusive<u64>, fn(&mut Limits, u64));

const SMALL: RangeInclusive<u64> = 0..=u32::MAX as u64;
const COUNT: RangeInclusive<u64> = 1..=i32::MAX as u64;
const LONG: RangeInclusive<u64> = 1..=i64::MAX as u64;
/// Shorter ones cannot hold a number, longer ones cost each CPU megabytes.
const STRING: RangeInclusive<u64> = 16..=1 << 20;

const SETTINGS: &[Setting] = &[
    ("MAXSTRINGLEN", STRING, |limits, n| {
        limits.string_size = small(n)
    }),
    // Strings of arrays are as long as others.
    ("MAP_STRING_LENGTH", STRING, |limits, n| {
        limits.string_size = limits.string_size.max(small(n));
    }),
    ("MAXMAPENTRIES", COUNT, |limits, n| {
        limits.map_entries = small(n)
    }),
    ("MAXACTION", LONG, |limits, n| limits.actions = n),
    ("MAXACTION_INTERRUPTIBLE", LONG, |limits, n| {
        limits.actions = n
    }),
    ("MAXNESTING", COUNT, |limits, n| {
        limits.nesting = Some(small(n))
    }),
    ("MAXERRORS", SMALL, |limits, n| limits.errors = small(n)),
    ("MAXSKIPPED", SMALL, |limits, n| limits.skipped = small(n)),
    ("MINSTACKSPACE", SMALL, |limits, n| limits.stack = small(n)),
    ("MAXBACKTRACE", COUNT, |limits, n| {
        limits.backtrace = small(n)
    }),
    ("STP_OVERLOAD_INTERVAL", LONG, |limits, n| {
        limits.overload_interval = n
    }),
    ("STP_OVERLOAD_THRESHOLD", LONG, |limits, n| {
        limits.overload_threshold = n
    }),
    ("STP_MAXMEMORY", LONG, |limits, n| {
        limits.memory = n.saturating_mul(1024)
    }),
    ("KRETACTIVE", COUNT, |limits, n| {
        limits.return_active = small(n)
    }),
];

/// The limits of a script. What is wrong with `-D` was said when the command line was read.
pub fn limits(options: &SemanticOptions) -> Limits {
    let mut limits = from_macros(&options.macros).unwrap_or_default();
    if options.suppress_time_limits {
        limits.actions = 0;
        limits.overload_interval = 0;
    }
    limits
}

/// The limits that macros set.
///
/// # Errors
/// A limit's value is no number, or none that it may have. C's compiler would only find the first,
/// and say it of a line of generated code.
pub fn from_macros(macros: &[(String, Option<String>)]) -> Result<Limits, String> {
    let mut limits = Limits::default();
    for (name, _, set) in SETTINGS {
        if let Some(number) = setting(macros, name)? {
            set(&mut limits, number);
        }
    }
    // These are asked for by #ifdef: any value will do.
    let is_defined = |wanted: &str| macros.iter().any(|(name, _)| name == wanted);
    if is_defined("STP_NO_OVERLOAD") {
        limits.overload_interval = 0;
    }
    if is_defined("STAP_SUPPRESS_TIME_LIMITS_ENABLE") {
        limits.actions = 0;
    }
    Ok(limits)
}

/// What a limit is set to: its last definition counts.
fn setting(macros: &[(String, Option<String>)], name: &str) -> Result<Option<u64>, String> {
    let Some((_, range, _)) = SETTINGS.iter().find(|(known, _, _)| *known == name) else {
        return Ok(None);
    };
    let Some(value) = value_of(macros, name) else {
        return Ok(None);
    };
    let mut text = value;
    // A macro may stand for another one, as in C; a circle of them is no number.
    for _ in 0..macros.len() {
        match value_of(macros, text) {
            Some(behind) => text = behind,
            None => break,
        }
    }
    match c_number(text) {
        Some(number) if range.contains(&number) => Ok(Some(number)),
        number => Err(format!(
            "-D{name}={value}: {}; {name} is a number from {} to {}",
            match number {
                Some(_) => "out of range".to_owned(),
                None => format!("'{text}' is no number"),
            },
            range.start(),
            range.end()
        )),
    }
}

/// The text of a macro; one without is 1, as for C's compiler.
fn value_of<'m>(macros: &'m [(String, Option<String>)], name: &str) -> Option<&'m str> {
    let mut definitions = macros.iter().rev();
    definitions
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_deref().unwrap_or("1"))
}

/// A number as C writes it, for it goes into C too: `1000`, `0x10`, `010`, `1000000000LL`.
fn c_number(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['u', 'U', 'l', 'L']);
    if text.len() - digits.len() > 3 {
        return None;
    }
    if let Some(digits) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        return u64::from_str_radix(digits, 16).ok();
    }
    match digits.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => digits.parse().ok(),
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Result<Limits, String> {
        let macros: Vec<_> = words
            .iter()
            .map(|word| match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => ((*word).to_owned(), None),
            })
            .collect();
        from_macros(&macros)
    }

    #[test]
    fn numbers_are_written_as_in_c() {
        assert_eq!(given(&["MAXACTION=0x10"]).unwrap().actions, 16);
        assert_eq!(given(&["MAXACTION=010"]).unwrap().actions, 8);
        assert_eq!(given(&["MAXACTION=7ULL"]).unwrap().actions, 7);
        assert_eq!(given(&["MAXACTION"]).unwrap().actions, 1);
        assert_eq!(given(&["MAXACTION=2", "MAXACTION=3"]).unwrap().actions, 3);
        assert_eq!(given(&["N=5", "MAXMAPENTRIES=N"]).unwrap().map_entries, 5);
        assert_eq!(given(&["OTHER=abc"]).unwrap(), Limits::default());
    }

    #[test]
    fn switches_need_no_number() {
        assert_eq!(
            given(&["STP_NO_OVERLOAD=yes"]).unwrap().overload_interval,
            0
        );
        let late = ["STP_NO_OVERLOAD", "STP_OVERLOAD_INTERVAL=5"];
        assert_eq!(given(&late).unwrap().overload_interval, 0);
    }

    #[test]
    fn what_is_no_limit_is_said() {
        assert_eq!(
            given(&["MAXMAPENTRIES=abc"]).unwrap_err(),
            "-DMAXMAPENTRIES=abc: 'abc' is no number; MAXMAPENTRIES is a number from 1 to 2147483647"
        );
        assert_eq!(
            given(&["MAXSTRINGLEN=8"]).unwrap_err(),
            "-DMAXSTRINGLEN=8: out of range; MAXSTRINGLEN is a number from 16 to 1048576"
        );
        for wrong in [
            "MAXSTRINGLEN=1x",
            "MAXSTRINGLEN",
            "MAXACTION=0",
            "MAXACTION=-1",
            "MAXSKIPPED=4294967296",
            "MAXERRORS=08",
            "MAXNESTING=0x",
            "KRETACTIVE=99999999999999999999",
            "MAXACTION=1llll",
        ] {
            assert!(given(&[wrong]).is_err(), "{wrong}");
        }
        assert!(given(&["A=B", "B=A", "MAXACTION=A"]).is_err());
    }
}
