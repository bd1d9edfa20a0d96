// SPDX-License-Identifier: GPL-2.0-or-later
//! What a pass cost, in the words of SystemTap's `-v` lines.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

/// Runs from its making; of the process and the children that it has waited for.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    start: Instant,
    user: i64,
    system: i64,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        let (user, system) = processor_time();
        Stopwatch {
            start: Instant::now(),
            user,
            system,
        }
    }

    /// `10usr/20sys/35real ms.`
    pub fn times(&self) -> String {
        let (user, system) = processor_time();
        format!(
            "{}usr/{}sys/{}real ms.",
            user.saturating_sub(self.user),
            system.saturating_sub(self.system),
            self.start.elapsed().as_millis()
        )
    }
}

/// User and system milliseconds of this process and its children so far.
fn processor_time() -> (i64, i64) {
    let mut total = (0, 0);
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        if let Ok(usage) = getrusage(who) {
            let user = usage.user_time();
            let system = usage.system_time();
            total.0 += user.tv_sec() * 1000 + user.tv_usec() / 1000;
            total.1 += system.tv_sec() * 1000 + system.tv_usec() / 1000;
        }
    }
    total
}

/// `using 163100virt/99408res/6296shr/109552data kb`, from `/proc/self/statm`, or an empty text
/// without a /proc.
pub fn memory() -> String {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096);
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| memory_text(&text, page / 1024))
        .unwrap_or_default()
}

/// statm's fields (proc(5)): size resident shared text lib data dt, in pages.
fn memory_text(statm: &str, page_kb: u64) -> Option<String> {
    let pages: Vec<u64> = statm
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let kb = |index: usize| pages.get(index).map(|pages| pages * page_kb);
    Some(format!(
        "using {}virt/{}res/{}shr/{}data kb, ",
        kb(0)?,
        kb(1)?,
        kb(2)?,
        kb(5)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_kilobytes() {
        assert_eq!(
            memory_text("10 5 2 1 0 7 0\n", 4).unwrap(),
            "using 40virt/20res/8shr/28data kb, "
        );
        assert_eq!(memory_text("10 5", 4), None);
    }

    #[test]
    fn times_have_systemtaps_form() {
        let times = Stopwatch::start().times();
        assert!(times.ends_with("real ms."), "{times}");
        assert!(times.contains("usr/") && times.contains("sys/"));
    }
}
