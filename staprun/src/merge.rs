// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages of all CPUs, put into the order in which they were printed.
//!
//! Sequence numbers have no gaps but for losses. A message that is not the next
//! one waits for the missing ones: another CPU may have claimed its number and
//! not stored it yet. It waits no longer than [`HOLD`], so that a loss delays
//! the output by that much and no more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::framing::Message;

/// Longest wait for a missing message. A handler is bounded to far less.
pub const HOLD: Duration = Duration::from_millis(20);
/// Bytes held back before the oldest go out in spite of a gap.
const PENDING_MAXIMUM: usize = 64 << 20;

/// Brings messages into sequence.
#[derive(Debug)]
pub struct Merger {
    next: Option<u64>,
    pending: BTreeMap<u64, (Instant, Vec<u8>)>,
    pending_bytes: usize,
    missing: u64,
    unexpected: u64,
}

impl Merger {
    /// `first` is the first number of the stream; `None` when the session is
    /// older than this reader, so that any number may come first.
    #[must_use]
    pub fn new(first: Option<u64>) -> Self {
        Self {
            next: first,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            missing: 0,
            unexpected: 0,
        }
    }

    /// Takes one message that was read at `now`; what can go out is appended
    /// to `output`.
    pub fn push(&mut self, message: Message<'_>, now: Instant, output: &mut Vec<u8>) {
        match self.next {
            Some(next) if message.sequence == next => {
                output.extend_from_slice(message.payload);
                self.next = Some(next.wrapping_add(1));
                self.release_ready(output);
            }
            // Its turn is over: late is better than never.
            Some(next) if message.sequence < next => {
                self.unexpected += 1;
                output.extend_from_slice(message.payload);
            }
            _ => {
                let size = message.payload.len();
                if self
                    .pending
                    .insert(message.sequence, (now, message.payload.to_vec()))
                    .is_some()
                {
                    self.unexpected += 1;
                }
                self.pending_bytes += size;
                while self.pending_bytes > PENDING_MAXIMUM && self.skip_gap(output) {}
            }
        }
    }

    /// Lets go of everything that waited for [`HOLD`] at `now`.
    pub fn expire(&mut self, now: Instant, output: &mut Vec<u8>) {
        while self
            .oldest_wait()
            .is_some_and(|since| now.duration_since(since) >= HOLD)
        {
            if !self.skip_gap(output) {
                break;
            }
        }
    }

    /// Lets go of everything: no more messages will come.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        while self.skip_gap(output) {}
    }

    /// When [`Merger::expire`] has something to do, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.oldest_wait().map(|since| since + HOLD)
    }

    /// Numbers that never came.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Messages that came after their turn or twice.
    #[must_use]
    pub fn unexpected(&self) -> u64 {
        self.unexpected
    }

    /// Since when the message that is next in line waits. Those behind it may
    /// wait longer, but cannot go before it.
    fn oldest_wait(&self) -> Option<Instant> {
        self.pending.values().map(|(since, _)| *since).next()
    }

    fn skip_gap(&mut self, output: &mut Vec<u8>) -> bool {
        let Some((sequence, (_, payload))) = self.pending.pop_first() else {
            return false;
        };
        if let Some(next) = self.next {
            self.missing += sequence.saturating_sub(next);
        }
        self.pending_bytes = self.pending_bytes.saturating_sub(payload.len());
        output.extend_from_slice(&payload);
        self.next = Some(sequence.wrapping_add(1));
        self.release_ready(output);
        true
    }

    fn release_ready(&mut self, output: &mut Vec<u8>) {
        while let Some(entry) = self.pending.first_entry() {
            if Some(*entry.key()) != self.next {
                break;
            }
            let (sequence, (_, payload)) = entry.remove_entry();
            self.pending_bytes = self.pending_bytes.saturating_sub(payload.len());
            output.extend_from_slice(&payload);
            self.next = Some(sequence.wrapping_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn push(merger: &mut Merger, sequence: u64, now: Instant, output: &mut Vec<u8>) {
        let payload = format!("{sequence}\n");
        let payload = payload.as_bytes();
        merger.push(Message { sequence, payload }, now, output);
    }

    fn numbers(output: &[u8]) -> Vec<u64> {
        String::from_utf8_lossy(output)
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }

    #[test]
    fn cpus_are_merged_in_sequence() {
        let mut random = Random::new(5);
        let now = Instant::now();
        for _ in 0..100 {
            let mut cpus: Vec<Vec<u64>> = vec![Vec::new(); 4];
            for sequence in 1..=200 {
                cpus[random.below(4)].push(sequence);
            }
            let mut merger = Merger::new(Some(1));
            let mut output = Vec::new();
            while cpus.iter().any(|cpu| !cpu.is_empty()) {
                let cpu = &mut cpus[random.below(4)];
                let take = random.below(9).min(cpu.len());
                for sequence in cpu.drain(..take) {
                    push(&mut merger, sequence, now, &mut output);
                }
            }
            assert_eq!(numbers(&output), (1..=200).collect::<Vec<_>>());
            assert_eq!((merger.missing(), merger.unexpected()), (0, 0));
            assert_eq!(merger.deadline(), None);
        }
    }

    #[test]
    fn a_loss_delays_by_the_hold_time_and_is_counted() {
        let now = Instant::now();
        let mut merger = Merger::new(Some(1));
        let mut output = Vec::new();
        push(&mut merger, 1, now, &mut output);
        push(&mut merger, 4, now, &mut output);
        push(&mut merger, 5, now, &mut output);
        merger.expire(now + HOLD / 2, &mut output);
        assert_eq!(numbers(&output), [1]);
        assert_eq!(merger.deadline(), Some(now + HOLD));
        merger.expire(now + HOLD, &mut output);
        assert_eq!(numbers(&output), [1, 4, 5]);
        assert_eq!(merger.missing(), 2);
        push(&mut merger, 2, now, &mut output);
        assert_eq!(numbers(&output), [1, 4, 5, 2]);
        assert_eq!(merger.unexpected(), 1);
    }

    #[test]
    fn the_end_releases_everything() {
        let now = Instant::now();
        let mut merger = Merger::new(Some(1));
        let mut output = Vec::new();
        for sequence in [9, 3, u64::MAX, 7] {
            push(&mut merger, sequence, now, &mut output);
        }
        merger.finish(&mut output);
        assert_eq!(numbers(&output), [3, 7, 9, u64::MAX]);
    }

    #[test]
    fn a_reader_that_came_late_starts_anywhere() {
        let now = Instant::now();
        let mut merger = Merger::new(None);
        let mut output = Vec::new();
        push(&mut merger, 501, now, &mut output);
        push(&mut merger, 500, now, &mut output);
        merger.expire(now + HOLD, &mut output);
        assert_eq!(numbers(&output), [500, 501]);
        assert_eq!(merger.missing(), 0);
    }

    #[test]
    fn losses_anywhere_keep_the_order() {
        let mut random = Random::new(8);
        let mut now = Instant::now();
        let mut merger = Merger::new(Some(1));
        let mut output = Vec::new();
        let mut kept = Vec::new();
        for sequence in 1..5000 {
            if random.below(10) == 0 {
                continue;
            }
            kept.push(sequence);
            push(&mut merger, sequence, now, &mut output);
            if random.below(50) == 0 {
                now += HOLD;
                merger.expire(now, &mut output);
            }
        }
        merger.finish(&mut output);
        assert_eq!(numbers(&output), kept);
        assert!(merger.missing() > 0);
    }
}
