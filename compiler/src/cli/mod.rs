// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line: a table of options, and everything made from it.
//!
//! [`table`] is the only place that knows an option's name; [`parse`] gives [`Options`], plain
//! data that the driver works from.

pub mod check;
pub mod completions;
pub mod error;
pub mod explain;
pub mod help;
pub mod options;
pub mod parse;
pub mod rc;
pub mod table;

pub use options::{Action, Options};
pub use parse::parse;
