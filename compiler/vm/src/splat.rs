// SPDX-License-Identifier: GPL-2.0-or-later
//! Signs in a kernel log that the kernel was hurt.

/// Texts that a healthy kernel never logs.
pub const SIGNS: &[&str] = &[
    "Kernel panic",
    "BUG:",
    "WARNING:",
    "Oops",
    "general protection",
    "unable to handle",
    "soft lockup",
    "hard LOCKUP",
    "rcu: INFO",
    "blocked for more than",
    "list_add corruption",
    "list_del corruption",
    "refcount_t",
    "UBSAN",
    "Unpatched return thunk",
    "scheduling while atomic",
    "possible recursive locking",
    "sleeping function called from invalid context",
];

/// The lines of `log` that hold one of [`SIGNS`], in order.
pub fn search(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| SIGNS.iter().any(|sign| line.contains(sign)))
        .map(|line| line.trim_end().to_string())
        .collect()
}

/// The part of `log` worth showing beside a splat: from a little before its first sign, at most
/// `lines` lines.
pub fn excerpt(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().collect();
    let first = all
        .iter()
        .position(|line| SIGNS.iter().any(|sign| line.contains(sign)))
        .unwrap_or(all.len().saturating_sub(lines));
    let start = first.saturating_sub(3);
    all.iter()
        .skip(start)
        .take(lines)
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_signs_and_nothing_else() {
        let log = "booting\n[ 1.0] WARNING: CPU: 0 PID: 1 at x.c:3\nfine\n";
        assert_eq!(search(log), ["[ 1.0] WARNING: CPU: 0 PID: 1 at x.c:3"]);
        assert!(search("hello: loading out-of-tree module taints kernel.").is_empty());
    }

    #[test]
    fn excerpt_starts_before_the_sign() {
        let log = "a\nb\nc\nd\nBUG: e\nf\ng\n";
        assert_eq!(excerpt(log, 5), "b\nc\nd\nBUG: e\nf");
    }
}
