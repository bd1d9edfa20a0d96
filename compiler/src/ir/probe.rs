// SPDX-License-Identifier: GPL-2.0-or-later
//! Resolved probe points: where in the kernel or in a program, and what runs there.

use super::{Expr, HandlerId};

/// One resolved probe point.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Resolved: `kernel.function("vfs_read@fs/read_write.c:450")`.
    pub name: String,
    /// As the script wrote it.
    pub script_name: String,
    /// Function that it is in, or its tracepoint; empty if there is none.
    pub function: String,
    /// `FILE:LINE:COLUMN`
    pub location: String,
    pub kind: ProbeKind,
    pub handler: HandlerId,
    /// Runs at function entry for a return probe; may assign [`Place::Saved`].
    pub entry_handler: Option<HandlerId>,
    /// Words (of 8 bytes) that the entry handler saves; strings take string_size bytes each, after the words.
    pub saved_words: usize,
    pub saved_strings: usize,
    /// `if (...)`: over globals only.
    pub condition: Option<Expr>,
    pub is_optional: bool,
    /// For `-p2` and `-t`: the aliases and wildcards it came through, innermost first.
    pub derivation: Vec<String>,
}

/// Where in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodePlace {
    /// `None`: the kernel itself.
    pub module: Option<String>,
    /// ELF section of a module that `offset` counts from.
    pub section: Option<String>,
    /// Symbol at or before the place.
    pub symbol: Option<String>,
    pub symbol_offset: u64,
    /// From `_stext` (kernel) or from the section (module).
    pub offset: u64,
    /// `offset` is a run-time address (`.absolute`).
    pub is_absolute: bool,
}

/// What a probe point is in the kernel.
#[derive(Debug, Clone)]
pub enum ProbeKind {
    Begin {
        sequence: i64,
    },
    End {
        sequence: i64,
    },
    Error {
        sequence: i64,
    },
    Timer {
        interval_ns: u64,
        randomize_ns: u64,
    },
    Jiffies {
        interval: u64,
        randomize: u64,
    },
    /// Entry of a function.
    Function(CodePlace),
    Return {
        place: CodePlace,
        /// 0: default.
        maxactive: u32,
    },
    /// Any other instruction.
    Address(CodePlace),
    Tracepoint {
        module: Option<String>,
        name: String,
        /// C-level shape of each argument, in order, for reading it out of its register.
        arguments: Vec<TracepointArgument>,
    },
    Perf {
        ty: u32,
        config: u64,
        period: u64,
        is_frequency: bool,
        /// Of the processes of `-c` and `-x` that run this program, rather than of all CPUs.
        program: Option<String>,
        /// Does not sample: it counts under this name, for `@perf`.
        counter: Option<String>,
    },
    ProcfsRead {
        path: String,
        mode: u32,
        maximum_size: u32,
    },
    ProcfsWrite {
        path: String,
        mode: u32,
        maximum_size: u32,
    },
    User {
        path: String,
        /// What must run in the process, where `path` is a library of it.
        program: Option<String>,
        offset: u64,
        reference_counter: u64,
        pid: i64,
        is_return: bool,
        maxactive: u32,
    },
    Breakpoint {
        symbol: Option<String>,
        place: CodePlace,
        length: u32,
        reads: bool,
        /// Of the process of `-c` or `-x`, not of all CPUs.
        in_process: bool,
    },
    Netfilter {
        hook: i32,
        family: i32,
        priority: i32,
    },
    /// `process.begin/.end/.thread.begin/.thread.end`: 0 to 3 in this order.
    Task {
        event: u32,
        path: Option<String>,
        pid: i64,
    },
    Syscall {
        is_return: bool,
        path: Option<String>,
        pid: i64,
    },
}

impl ProbeKind {
    /// The symbol that a place in the kernel is in; `None` where there is none.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            ProbeKind::Function(place)
            | ProbeKind::Return { place, .. }
            | ProbeKind::Address(place) => place.symbol.as_deref(),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracepointArgument {
    pub name: String,
    /// Bytes, 1 to 8.
    pub size: u8,
    pub is_signed: bool,
}
