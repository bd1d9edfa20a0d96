// SPDX-License-Identifier: GPL-2.0-or-later
//! SystemTap's language: from text to a tree and back. No I/O, no knowledge of kernels.

pub mod ast;
pub mod diag;
pub mod lexer;
pub mod span;
