// SPDX-License-Identifier: GPL-2.0-or-later
//! Walks over the tree: every expression of a statement, outer ones first.

use rstap_syntax::ast::{self, ExprKind, StmtKind, TargetSuffix};

type Visitor<'v> = &'v mut dyn FnMut(&ast::Expr);

/// Calls `f` for every expression in a statement.
pub fn statement(stmt: &ast::Stmt, f: Visitor) {
    match &stmt.kind {
        StmtKind::Empty | StmtKind::Break | StmtKind::Continue | StmtKind::Next => {}
        StmtKind::Block(block) => block.iter().for_each(|stmt| statement(stmt, f)),
        StmtKind::Expr(expr) | StmtKind::Delete(expr) => expression(expr, f),
        StmtKind::If {
            condition,
            then,
            otherwise,
        } => {
            expression(condition, f);
            statement(then, f);
            if let Some(otherwise) = otherwise {
                statement(otherwise, f);
            }
        }
        StmtKind::While { condition, body } => {
            expression(condition, f);
            statement(body, f);
        }
        StmtKind::For {
            init,
            condition,
            step,
            body,
        } => {
            [init, condition, step]
                .into_iter()
                .flatten()
                .for_each(|expr| expression(expr, f));
            statement(body, f);
        }
        StmtKind::Foreach(foreach) => {
            indexable(&foreach.base, f);
            foreach
                .slice
                .iter()
                .flatten()
                .flatten()
                .for_each(|expr| expression(expr, f));
            if let Some(limit) = &foreach.limit {
                expression(limit, f);
            }
            statement(&foreach.body, f);
        }
        StmtKind::Return(value) => value.iter().for_each(|expr| expression(expr, f)),
        StmtKind::Try { body, handler, .. } => {
            statement(body, f);
            statement(handler, f);
        }
    }
}

fn indexable(base: &ast::Indexable, f: Visitor) {
    if let ast::Indexable::Hist(hist) = base {
        expression(&hist.operand, f);
    }
}

fn suffixes(suffixes: &[TargetSuffix], f: Visitor) {
    for suffix in suffixes {
        if let TargetSuffix::Index(index) = suffix {
            expression(index, f);
        }
    }
}

/// Calls `f` for an expression and all below it.
pub fn expression(expr: &ast::Expr, f: Visitor) {
    f(expr);
    match &expr.kind {
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Ident(_)
        | ExprKind::Perf(_)
        | ExprKind::Const(_)
        | ExprKind::Enum(_)
        | ExprKind::EmbeddedC(_) => {}
        ExprKind::Target(target) => suffixes(&target.suffixes, f),
        ExprKind::Cast(cast) => {
            expression(&cast.operand, f);
            suffixes(&cast.suffixes, f);
        }
        ExprKind::Var { suffixes: list, .. } => suffixes(list, f),
        ExprKind::Autocast {
            operand,
            suffixes: list,
        } => {
            expression(operand, f);
            suffixes(list, f);
        }
        ExprKind::AddressOf(inner)
        | ExprKind::Entry(inner)
        | ExprKind::Defined(inner)
        | ExprKind::Probewrite(inner)
        | ExprKind::EnumName { value: inner, .. }
        | ExprKind::Register { number: inner, .. }
        | ExprKind::Unary { operand: inner, .. }
        | ExprKind::IncDec { operand: inner, .. }
        | ExprKind::Stat { operand: inner, .. }
        | ExprKind::Regex { left: inner, .. } => expression(inner, f),
        ExprKind::Deref { size, address, .. } => {
            expression(size, f);
            expression(address, f);
        }
        ExprKind::Binary { left, right, .. } => {
            expression(left, f);
            expression(right, f);
        }
        ExprKind::Assign { target, value, .. } => {
            expression(target, f);
            expression(value, f);
        }
        ExprKind::Ternary {
            condition,
            then,
            otherwise,
        } => {
            expression(condition, f);
            expression(then, f);
            expression(otherwise, f);
        }
        ExprKind::In { indexes, base } | ExprKind::Index { base, indexes } => {
            indexable(base, f);
            indexes
                .iter()
                .flatten()
                .for_each(|index| expression(index, f));
        }
        ExprKind::Call { args, .. } => args.iter().for_each(|argument| expression(argument, f)),
        ExprKind::Hist(hist) => expression(&hist.operand, f),
        ExprKind::Print(print) => print
            .args
            .iter()
            .for_each(|argument| expression(argument, f)),
    }
}
