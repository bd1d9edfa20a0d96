// SPDX-License-Identifier: GPL-2.0-or-later
//! What is fuzzed: functions that take any bytes and must come back.
//!
//! `make fuzz` searches for inputs that panic or hang; `tests/replay.rs` runs the
//! inputs kept in `corpus/` on every `make check`.

mod debug;
mod module;
mod script;

/// One thing to fuzz.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name, also of its folder in `corpus/`.
    pub name: &'static str,
    /// Runs one input. Panics are findings.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "script",
        run: script::parse,
    },
    Target {
        name: "translate",
        run: script::translate,
    },
    Target {
        name: "elf",
        run: debug::elf,
    },
    Target {
        name: "btf",
        run: debug::btf,
    },
    Target {
        name: "stream",
        run: module::stream,
    },
    Target {
        name: "module",
        run: module::file,
    },
];
