// SPDX-License-Identifier: GPL-2.0-or-later
//! SystemTap's language: from text to a tree and back. No I/O, no knowledge of kernels.

// pest without `std` names the crate itself.
extern crate alloc;

pub mod ast;
pub mod diag;
pub mod environment;
pub mod lexer;
mod number;
pub mod parse;
pub mod preproc;
pub mod print;
pub mod scan;
pub mod span;
pub mod version;

pub use environment::{Environment, Privilege};
pub use parse::parse_script;
pub use preproc::{LibraryMacros, parse_library_macros};
pub use scan::scan_names;
