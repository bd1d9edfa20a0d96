// SPDX-License-Identifier: GPL-2.0-or-later
//! Target variables: from `$file->f_inode->i_ino` to reads of addresses.

use rstap_debuginfo::TypeId;
use rstap_syntax::span::Span;

use crate::ir;

/// What the resolution of a target expression may ask of the body being lowered.
pub trait Emit {
    /// Interns a position for run-time errors.
    fn location(&mut self, token: Span) -> ir::LocationId;
    /// Adds a function made for this script (pretty printers). Equal bodies may share.
    fn function(&mut self, function: ir::Function) -> ir::FunctionId;
    /// Return probes: a word to be saved at entry; gives its number for [`ir::ExprKind::Saved`].
    fn saved(&mut self, entry_value: ir::Expr) -> usize;
}

/// Value that a target expression means.
#[derive(Debug, Clone)]
pub struct Value {
    pub expr: ir::Expr,
    /// Its C type, so that `->` can be applied to what it is stored in.
    pub detail: Option<TypeId>,
}
