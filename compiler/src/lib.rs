// SPDX-License-Identifier: GPL-2.0-or-later
//! rstap: compiles SystemTap scripts to Linux kernel modules.
//!
//! The rooms, in the order a script goes through them: `rstap_syntax` (text to
//! AST), [`semantic`] (AST to typed [`ir`]), [`codegen`] (IR to one C file),
//! [`build`] (C to a module), and the loader `staprun`, a program of its own.
//! [`driver`] runs the passes; [`cli`] reads the options.

pub mod arch;
pub mod build;
pub mod cli;
pub mod codegen;
pub mod driver;
pub mod ir;
pub mod library;
pub mod output;
pub mod program;
pub mod regex;
pub mod semantic;
pub mod target;
