// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of all built-in probe point patterns. Matching, wildcards over
//! component names and `--dump-probe-types` all read it.

use std::sync::OnceLock;

/// What a component takes in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArgumentKind {
    None,
    Number,
    String,
}

/// `name` or `name(kind)` of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    pub name: String,
    pub argument: ArgumentKind,
}

/// Who builds probes of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Begin,
    End,
    Error,
    Never,
    Timer,
    Profile,
    Function,
    Statement,
    Kprobe,
    Trace,
    Tracepoint,
    Data,
    Perf,
    Procfs,
    Netfilter,
    ProcessEvent,
    ProcessSyscall,
    ProcessFunction,
    ProcessStatement,
    ProcessMark,
    ProcessPlt,
    ProcessData,
}

/// One row of the table.
#[derive(Debug)]
pub struct Pattern {
    /// `kernel.function(string).call`
    pub text: String,
    pub parts: Vec<Part>,
    pub family: Family,
    /// Shown by `--dump-probe-types`; rows that SystemTap does not have are not.
    pub is_listed: bool,
}

const OF_FUNCTION_NAME: &[&str] = &[
    "",
    ".call",
    ".callee(string)",
    ".callee(string).call",
    ".callee(string).return",
    ".callees",
    ".callees(number)",
    ".exported",
    ".inline",
    ".label(string)",
    ".return",
];
const OF_FUNCTION_ADDRESS: &[&str] = &["", ".call", ".exported", ".return"];
const OF_STATEMENT: &[&str] = &[
    "(number)",
    "(number).nearest",
    "(string)",
    "(string).nearest",
];
const OF_KPROBE: &[&str] = &["", ".call", ".return", ".return.maxactive(number)"];
const OF_DATA: &[&str] = &[".rw", ".write"];

/// The whole table, in the order of the components.
pub fn patterns() -> &'static [Pattern] {
    static TABLE: OnceLock<Vec<Pattern>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut builder = Builder::default();
        builder.simple();
        builder.code();
        builder.process();
        builder.others();
        builder.rows.sort_by(|a, b| a.parts.cmp(&b.parts));
        builder.rows
    })
}

#[derive(Default)]
struct Builder {
    rows: Vec<Pattern>,
}

impl Builder {
    fn add(&mut self, family: Family, text: impl Into<String>) {
        self.push(family, text.into(), true);
    }

    fn push(&mut self, family: Family, text: String, is_listed: bool) {
        let parts = text.split('.').map(part).collect();
        self.rows.push(Pattern {
            text,
            parts,
            family,
            is_listed,
        });
    }

    fn all(&mut self, family: Family, prefix: &str, suffixes: &[&str]) {
        for suffix in suffixes {
            self.add(family, format!("{prefix}{suffix}"));
        }
    }

    fn simple(&mut self) {
        self.all(Family::Begin, "begin", &["", "(number)"]);
        self.all(Family::End, "end", &["", "(number)"]);
        self.all(Family::Error, "error", &["", "(number)"]);
        self.add(Family::Never, "never");
        for unit in [
            "s", "sec", "ms", "msec", "us", "usec", "ns", "nsec", "jiffies",
        ] {
            let prefix = format!("timer.{unit}(number)");
            self.all(Family::Timer, &prefix, &["", ".randomize(number)"]);
        }
        self.add(Family::Timer, "timer.hz(number)");
        self.add(Family::Profile, "timer.profile.tick");
    }

    /// `function` and `statement` below a prefix that names a file of code.
    fn functions(&mut self, prefix: &str, function: Family, statement: Family) {
        self.all(
            function,
            &format!("{prefix}.function(string)"),
            OF_FUNCTION_NAME,
        );
        self.all(
            function,
            &format!("{prefix}.function(number)"),
            OF_FUNCTION_ADDRESS,
        );
        self.all(statement, &format!("{prefix}.statement"), OF_STATEMENT);
    }

    fn code(&mut self) {
        for prefix in ["kernel", "module(string)"] {
            self.functions(prefix, Family::Function, Family::Statement);
            for argument in ["string", "number"] {
                let text = format!("{prefix}.function({argument}).return.maxactive(number)");
                self.add(Family::Function, text);
            }
        }
        self.add(Family::Statement, "kernel.statement(number).absolute");
        self.all(Family::Kprobe, "kprobe.function(string)", OF_KPROBE);
        self.all(
            Family::Kprobe,
            "kprobe.module(string).function(string)",
            OF_KPROBE,
        );
        self.add(Family::Kprobe, "kprobe.statement(number).absolute");
        self.add(Family::Trace, "kernel.trace(string)");
        self.add(Family::Tracepoint, "kernel.tracepoint(string)");
        self.add(Family::Tracepoint, "module(string).tracepoint(string)");
        self.all(Family::Data, "kernel.data(number)", OF_DATA);
        self.all(Family::Data, "kernel.data(number).length(number)", OF_DATA);
        self.all(Family::Data, "kernel.data(string)", OF_DATA);
        for suffix in OF_DATA {
            let text = format!("kernel.data(string).length(number){suffix}");
            self.push(Family::Data, text, false);
        }
    }

    fn process(&mut self) {
        let programs = ["process", "process(number)", "process(string)"];
        let libraries = ["process.library(string)", "process(string).library(string)"];
        for prefix in programs.iter().chain(&libraries) {
            self.functions(prefix, Family::ProcessFunction, Family::ProcessStatement);
            self.all(Family::ProcessMark, prefix, &[".mark(string)"]);
            self.all(
                Family::ProcessMark,
                prefix,
                &[".provider(string).mark(string)"],
            );
            for plt in [".plt", ".plt(string)"] {
                self.all(
                    Family::ProcessPlt,
                    &format!("{prefix}{plt}"),
                    &["", ".return"],
                );
            }
        }
        for prefix in programs {
            let events = [".begin", ".end", ".thread.begin", ".thread.end"];
            self.all(Family::ProcessEvent, prefix, &events);
            self.all(
                Family::ProcessSyscall,
                prefix,
                &[".syscall", ".syscall.return"],
            );
        }
        let absolute = "process(number).statement(number).absolute";
        self.all(Family::ProcessStatement, absolute, &["", ".return"]);
        for argument in ["number", "string"] {
            for length in ["", ".length(number)"] {
                let prefix = format!("process.data({argument}){length}");
                self.all(Family::ProcessData, &prefix, OF_DATA);
            }
        }
    }

    fn others(&mut self) {
        let perf = "perf.type(number).config(number)";
        let of_perf = [
            "",
            ".counter(string)",
            ".hz(number)",
            ".process",
            ".process(string)",
            ".process(string).counter(string)",
            ".sample(number)",
        ];
        self.all(Family::Perf, perf, &of_perf);
        for path in ["procfs", "procfs(string)"] {
            for umask in ["", ".umask(number)"] {
                let prefix = format!("{path}{umask}");
                let ends = [".read", ".read.maxsize(number)", ".write"];
                self.all(Family::Procfs, &prefix, &ends);
            }
        }
        for order in ["hook(string).pf(string)", "pf(string).hook(string)"] {
            let prefix = format!("netfilter.{order}");
            self.all(Family::Netfilter, &prefix, &["", ".priority(string)"]);
        }
    }
}

/// `name` or `name(number)`.
fn part(text: &str) -> Part {
    let (name, argument) = match text.split_once('(') {
        Some((name, "number)")) => (name, ArgumentKind::Number),
        Some((name, _)) => (name, ArgumentKind::String),
        None => (text, ArgumentKind::None),
    };
    Part {
        name: name.to_owned(),
        argument,
    }
}

/// What `--dump-probe-types` prints: one pattern per line.
pub fn dump() -> String {
    let mut text = String::new();
    for pattern in patterns().iter().filter(|pattern| pattern.is_listed) {
        text.push_str(&pattern.text);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dump_has_a_line_per_pattern_in_order() {
        let dump = dump();
        let lines: Vec<&str> = dump.lines().collect();
        for line in [
            "begin(number)",
            "kernel.function(string).return.maxactive(number)",
            "kernel.statement(number).absolute",
            "process(string).library(string).provider(string).mark(string)",
            "timer.profile.tick",
        ] {
            assert!(lines.contains(&line), "{line}");
        }
        assert!(!lines.contains(&"kernel.data(string).length(number).rw"));
        assert_eq!(lines.len(), 264);
    }
}
