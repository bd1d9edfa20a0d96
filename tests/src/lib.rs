// SPDX-License-Identifier: GPL-2.0-or-later
//! The test harness: scripts with expectations in comments, run by the built programs.
//!
//! * `tests/ui/**/*.stp` stop before pass 4; `//~ error: text` stands on the line that a message
//!   must point to ([`ui`]).
//! * `tests/run/**/*.stp` are compiled here and run in a virtual machine ([`run`]); their
//!   directives are described in [`directives`].

pub mod bench;
pub mod corpus;
pub mod directives;
pub mod expect;
pub mod modules;
pub mod options;
pub mod programs;
pub mod report;
pub mod run;
pub mod ui;
