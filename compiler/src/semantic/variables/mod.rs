// SPDX-License-Identifier: GPL-2.0-or-later
//! Target variables: from `$file->f_inode->i_ino` to reads of addresses.
//!
//! `name` finds what stands first (`$x`, `@cast`, `@var`); `location` turns
//! where the compiler keeps it into IR; `access` walks `->` and `[]`; `parts`
//! reads what is spread over several places; `pretty` and `summary` print whole values.

mod access;
mod build;
mod location;
mod name;
mod parts;
mod pretty;
mod returned;
mod summary;

use rstap_debuginfo::TypeId;
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::points::Context;
use super::session::Session;
use crate::ir;

/// What the resolution of a target expression may ask of the body being lowered.
pub trait Emit {
    /// Interns a position for run-time errors.
    fn location(&mut self, token: Span) -> ir::LocationId;
    /// Adds a function made for this script (pretty printers). Equal bodies may share.
    fn function(&mut self, function: ir::Function) -> ir::FunctionId;
    /// Return probes: a value to be kept at entry; gives what it is at the return.
    fn saved(&mut self, entry_value: ir::Expr) -> ir::Expr;
    /// Warns about a place in a script of the user's, once.
    fn warn(&mut self, message: String, at: Span);
}

/// Value that a target expression means.
#[derive(Debug, Clone)]
pub struct Value {
    pub expr: ir::Expr,
    /// Its C type, so that `->` can be applied to what it is stored in. A struct,
    /// union or array stands for its address.
    pub detail: Option<TypeId>,
}

/// Where a target expression stands.
pub struct VariableCx<'c> {
    pub session: &'c Session<'c>,
    pub context: &'c Context,
}

/// An operand that is lowered already: value and C type.
pub type Operand = Option<(ir::Expr, Option<TypeId>)>;

/// The value of a target expression. `operand` is the lowered operand of `@cast`,
/// `@enumname`, an autocast, or the address of `@kderef`; `indexes` are the lowered
/// `[...]` suffixes in order.
///
/// # Errors
///
/// The message says what is not known or not accessible, at the token that asks for it.
pub fn resolve(
    cx: &VariableCx,
    expr: &ast::Expr,
    operand: Operand,
    indexes: Vec<ir::Expr>,
    emit: &mut dyn Emit,
) -> Result<Value, Diagnostic> {
    let at = emit.location(expr.token);
    let mut resolver = Resolver {
        cx,
        token: expr.token,
        at,
        emit,
    };
    let result = resolver.value(expr, operand, indexes);
    match result {
        Err(error) if cx.session.options.skip_badvars => {
            let warning = Diagnostic::warning("W0301", error.message.clone()).at(expr.token);
            cx.session.report(warning);
            let expr = if is_pretty(expr) {
                build::string(at, "")
            } else {
                build::number(at, 0)
            };
            Ok(Value { expr, detail: None })
        }
        result => result,
    }
}

/// What an assignment to a target expression changes, and its C type.
///
/// # Errors
///
/// Not in guru mode, not found, or nothing that can be written.
pub fn resolve_place(
    cx: &VariableCx,
    expr: &ast::Expr,
    operand: Operand,
    indexes: Vec<ir::Expr>,
    emit: &mut dyn Emit,
) -> Result<(ir::Place, Option<TypeId>), Diagnostic> {
    if let (Context::Procfs { .. }, ast::ExprKind::Target(target)) = (cx.context, &expr.kind) {
        return name::procfs_place(cx, target, expr.token);
    }
    if !cx.session.options.guru {
        let message = "write to target variable not permitted; need stap -g";
        return Err(error(message).at(expr.token));
    }
    let at = emit.location(expr.token);
    let mut resolver = Resolver {
        cx,
        token: expr.token,
        at,
        emit,
    };
    let (start, suffixes) = resolver.start(expr, operand)?;
    let selected = resolver.walk(start, suffixes, indexes)?;
    resolver.place(selected)
}

/// One expression being resolved.
struct Resolver<'r> {
    cx: &'r VariableCx<'r>,
    /// First token of the expression.
    token: Span,
    at: ir::LocationId,
    emit: &'r mut dyn Emit,
}

/// An error of this room.
fn error(message: impl Into<String>) -> Diagnostic {
    Diagnostic::semantic_error("E0301", message)
}

/// Whether a target expression prints its value to a string.
fn is_pretty(expr: &ast::Expr) -> bool {
    let suffixes = match &expr.kind {
        ast::ExprKind::Target(target) if target.name.starts_with("$$") => return true,
        ast::ExprKind::Target(target) => &target.suffixes,
        ast::ExprKind::Cast(cast) => &cast.suffixes,
        ast::ExprKind::Var { suffixes, .. } | ast::ExprKind::Autocast { suffixes, .. } => suffixes,
        ast::ExprKind::EnumName { .. } => return true,
        _ => return false,
    };
    matches!(
        suffixes.last(),
        Some(ast::TargetSuffix::Pretty(_) | ast::TargetSuffix::PrettyDeep(_))
    )
}

#[cfg(test)]
mod tests;
