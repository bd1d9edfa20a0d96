// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2: from trees to the typed [`crate::ir`].
//!
//! - [`session`]: what one compilation knows: files, the tapset library, messages.
//! - [`points`]: a probe point of the script becomes [`points::Derived`] probes:
//!   aliases and wildcards expanded, the family's place in the kernel found.
//! - [`variables`]: `$x->y[i]`, `@cast`, `@var`, `$$vars`, pretty printing: C types
//!   and places become addresses and reads.
//! - [`infer`]: types of globals, functions and locals, over all bodies.
//! - [`lower`]: bodies to IR.
//! - [`optimize`]: what can be left out of the IR.
//! - [`limits`]: what `-D` sets.
//! - [`list`]: `-l`, `-L` and the dumps.
//! - [`analyze`]: all of it in order.
//!
//! **Invariant**: nothing here opens a file or writes C. The kernel is asked
//! through [`crate::target::Target`] alone.

pub mod analyze;
mod carried;
pub mod infer;
pub mod limits;
pub mod list;
pub mod lower;
pub mod optimize;
pub mod points;
pub mod session;
pub mod similar;
pub mod variables;
pub mod visit;

#[cfg(test)]
mod tests;
