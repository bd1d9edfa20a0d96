// SPDX-License-Identifier: GPL-2.0-or-later
//! Signs in a kernel log that the kernel was hurt.

/// Texts that a healthy kernel never logs. Most reports of KASAN, lockdep, RCU and debug objects
/// begin with `BUG:` or `WARNING:`; those that do not are here.
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
    "BUG ",
    "KASAN",
    "suspicious RCU usage",
    "suspicious rcu_",
    "INFO: lockdep is turned off",
    "trying to register non-static key",
    "DEBUG_LOCKS_WARN_ON",
    "ODEBUG:",
    "Poison overwritten",
    "Redzone overwritten",
    "Objects remaining in",
    "corrupted stack end detected",
];

/// Whether a line holds one of [`SIGNS`], not as the end of a longer word as in `a DEBUG kernel`.
fn has_sign(line: &str) -> bool {
    SIGNS.iter().any(|sign| {
        line.match_indices(sign).any(|(at, _)| {
            let before = line.get(..at).and_then(|head| head.chars().last());
            !before.is_some_and(|last| last.is_ascii_alphabetic())
        })
    })
}

/// The lines of `log` that hold one of [`SIGNS`], in order.
pub fn search(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| has_sign(line))
        .map(|line| line.trim_end().to_string())
        .collect()
}

/// The part of `log` worth showing beside a splat: from a little before its first sign, at most
/// `lines` lines.
pub fn excerpt(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().collect();
    let first = all
        .iter()
        .position(|line| has_sign(line))
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
        assert!(search("** This means that this is a DEBUG kernel and it is **").is_empty());
    }

    /// First lines of reports, as kernel 6.1 words them (mm/kasan/report.c, kernel/locking/lockdep.c,
    /// kernel/rcu/update.c, kernel/sched/core.c, lib/ubsan.c, lib/debugobjects.c, lib/list_debug.c,
    /// mm/slub.c, kernel/watchdog.c, kernel/hung_task.c, lib/smp_processor_id.c).
    #[test]
    fn reports_of_a_kernel_that_checks_itself_are_signs() {
        for line in [
            "BUG: KASAN: slab-use-after-free in f+0x10/0x20 [m]",
            "KASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]",
            "WARNING: possible circular locking dependency detected",
            "WARNING: possible recursive locking detected",
            "WARNING: inconsistent lock state",
            "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
            "[ BUG: Invalid wait context ]",
            "WARNING: bad unlock balance detected!",
            "WARNING: suspicious RCU usage",
            "include/linux/x.h:3 suspicious rcu_dereference_check() usage!",
            "INFO: trying to register non-static key.",
            "INFO: lockdep is turned off.",
            "DEBUG_LOCKS_WARN_ON(lock->magic != lock)",
            "BUG: sleeping function called from invalid context at mm/x.c:3",
            "BUG: scheduling while atomic: a/1/0x2",
            "BUG: using smp_processor_id() in preemptible [00000000] code: a/1",
            "UBSAN: array-index-out-of-bounds in x.c:3:4",
            "UBSAN: shift-out-of-bounds in x.c:3:4",
            "ODEBUG: free active (active state 0) object type: timer_list",
            "list_del corruption. next->prev should be 1, but was 2",
            "BUG kmalloc-64 (Tainted: G           O      ): Poison overwritten",
            "BUG kmalloc-64 (Tainted: G           O      ): Right Redzone overwritten",
            "watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [a:1]",
            "INFO: task a:1 blocked for more than 120 seconds.",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "Kernel panic - not syncing: corrupted stack end detected inside scheduler",
        ] {
            // What follows such a line repeats the sign; the first line alone must do.
            assert_eq!(search(line), [line]);
        }
    }

    #[test]
    fn excerpt_starts_before_the_sign() {
        let log = "a\nb\nc\nd\nBUG: e\nf\ng\n";
        assert_eq!(excerpt(log, 5), "b\nc\nd\nBUG: e\nf");
    }
}
