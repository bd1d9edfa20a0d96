// SPDX-License-Identifier: GPL-2.0-or-later
//! Similar names for messages.

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;

use super::{error, name_span};
use crate::semantic::similar::distance;

/// Names of a message at most.
const LIMIT: usize = 5;

/// All names, the most similar first and equal ones by the alphabet.
pub fn sorted<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|name| !name.is_empty())
        .filter_map(|name| Some((distance(wanted, name, usize::MAX)?, name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, name)| name).collect()
}

/// The five most similar names, as SystemTap orders them.
pub fn similar<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    // Tens of thousands of functions: names worse than the fifth so far are given up early.
    let mut best: Vec<(usize, &str)> = Vec::new();
    for name in names {
        if name.is_empty() {
            continue;
        }
        let limit = match best.get(LIMIT - 1) {
            Some((worst, _)) => *worst,
            None => usize::MAX,
        };
        let Some(distance) = distance(wanted, name, limit) else {
            continue;
        };
        let entry = (distance, name);
        if let Err(position) = best.binary_search(&entry) {
            best.insert(position, entry);
            best.truncate(LIMIT);
        }
    }
    best.into_iter().map(|(_, name)| name).collect()
}

/// Points that SystemTap documents, or once had, and why they are not here: the first component,
/// the one that tells, and what is said.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "process",
        "insn",
        "process.insn is not supported: it would step through every instruction",
        "probe .function or .statement instead",
    ),
    (
        "kernel",
        "lsm",
        "kernel.lsm is not supported: the hooks of security modules are open to BPF programs alone",
        "probe the function: kernel.function(\"security_file_open\")",
    ),
    (
        "kernel",
        "mark",
        "kernel.mark is not supported: no kernel since 2.6.31 has these markers",
        "tracepoints took their place: kernel.trace(\"NAME\")",
    ),
    (
        "java",
        "java",
        "java probes are not supported",
        "process(\"java\").mark(\"*\") has the markers of the virtual machine itself",
    ),
    (
        "python2",
        "python2",
        "python2 probes are not supported",
        "process(\"python3\").mark(\"*\") has the markers of the interpreter itself",
    ),
    (
        "python3",
        "python3",
        "python3 probes are not supported",
        "process(\"python3\").mark(\"*\") has the markers of the interpreter itself",
    ),
    (
        "debuginfod",
        "debuginfod",
        "debuginfod.process is not supported",
        "name the program, or give its build-id: process(\"BUILD-ID\")",
    ),
];

/// The message for a point of a kind that is left out on purpose.
pub(super) fn refused(components: &[ast::Component]) -> Option<Diagnostic> {
    let first = components.first()?;
    components.iter().find_map(|component| {
        let (_, _, why, hint) = REFUSED
            .iter()
            .find(|(head, tells, ..)| first.name == *head && component.name == *tells)?;
        Some(error(*why).at(name_span(component)).hint(*hint))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_distance_then_name() {
        let names = [
            "__readb",
            "vfs_readv",
            "vfs_write",
            "vcs_read",
            "vfs_read",
            "fb_read",
        ];
        assert_eq!(
            similar("vfs_reads", names),
            ["vfs_read", "vfs_readv", "vcs_read", "fb_read", "__readb"]
        );
        assert_eq!(
            sorted("foo", ["f_pos", "f_op", "f_ep"]),
            ["f_op", "f_ep", "f_pos"]
        );
    }
}
