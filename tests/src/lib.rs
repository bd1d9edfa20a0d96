// SPDX-License-Identifier: GPL-2.0-or-later
//! The test harness: scripts with expectations in comments, run by the built programs.
//!
//! * `tests/ui/**/*.stp` stop before pass 4; `//~ error: text` stands on the line that a message
//!   must point to ([`ui`]).
//! * `tests/run/**/*.stp` are compiled here and run in a virtual machine ([`run`]); their
//!   directives are described in [`directives`].
//! * What `-L` says is compared with what SystemTap says ([`listing`]).
//! * The whole tapset library is compiled for each kernel ([`tapset`]).
//! * Tests of whole sessions (`guest.rs`, `session.rs`, …) are plain Rust; what they share is in
//!   [`lab`].

pub mod bench;
pub mod corpus;
pub mod differential;
pub mod directives;
#[cfg(test)]
mod documented;
pub mod expect;
pub mod lab;
pub mod listing;
pub mod modules;
pub mod options;
pub mod programs;
pub mod published;
pub mod report;
pub mod run;
pub mod tapset;
pub mod ui;
