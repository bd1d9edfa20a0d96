// SPDX-License-Identifier: GPL-2.0-or-later
//! rstap: compiles SystemTap scripts to Linux kernel modules.
//!
//! The rooms, in the order a script goes through them: `rstap_syntax` (text to
//! AST), [`semantic`] (AST to typed [`ir`]), [`codegen`] (IR to one C file),
//! `build` (C to a module), and the loader `staprun`, a program of its own.
//! `driver` runs the passes; `cli` reads the options.

mod arch;
mod build;
mod cli;
pub mod codegen;
mod driver;
pub mod ir;
pub mod library;
mod output;
pub mod program;
mod regex;
pub mod semantic;
pub mod target;
