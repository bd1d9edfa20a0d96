// SPDX-License-Identifier: GPL-2.0-or-later
//! Walks that change the IR, and the statements of a block in order. To read expressions, see
//! [`super::visit`].

use super::{
    Block, Expr, ExprKind, Foreach, FunctionBody, Place, PrintPiece, Program, StatPlace, Stmt,
    StmtKind,
};

/// Calls `f` for every expression of the program, inner ones before outer ones.
pub fn program_expressions_mut(program: &mut Program, f: &mut dyn FnMut(&mut Expr)) {
    for (_, function) in program.functions.iter_mut() {
        if let FunctionBody::Script(body) = &mut function.body {
            block_expressions_mut(body, f);
        }
    }
    for (_, handler) in program.handlers.iter_mut() {
        block_expressions_mut(&mut handler.body, f);
    }
    for probe in &mut program.probes {
        if let Some(condition) = &mut probe.condition {
            expression_mut(condition, f);
        }
    }
}

/// Calls `f` for every expression of a block, inner ones before outer ones.
pub fn block_expressions_mut(block: &mut Block, f: &mut dyn FnMut(&mut Expr)) {
    for stmt in block {
        statement_expressions_mut(stmt, f);
    }
}

fn option_mut(expr: &mut Option<Expr>, f: &mut dyn FnMut(&mut Expr)) {
    if let Some(expr) = expr {
        expression_mut(expr, f);
    }
}

fn statement_expressions_mut(stmt: &mut Stmt, f: &mut dyn FnMut(&mut Expr)) {
    match &mut stmt.kind {
        StmtKind::Expr(expr) => expression_mut(expr, f),
        StmtKind::If {
            condition,
            then,
            otherwise,
        } => {
            expression_mut(condition, f);
            block_expressions_mut(then, f);
            block_expressions_mut(otherwise, f);
        }
        StmtKind::Loop {
            condition,
            step,
            body,
        } => {
            option_mut(condition, f);
            option_mut(step, f);
            block_expressions_mut(body, f);
        }
        StmtKind::Foreach(foreach) => {
            let Foreach {
                limit, slice, body, ..
            } = foreach.as_mut();
            option_mut(limit, f);
            slice.iter_mut().for_each(|expr| option_mut(expr, f));
            block_expressions_mut(body, f);
        }
        StmtKind::ForeachHistogram {
            stat, limit, body, ..
        } => {
            stat_mut(stat, f);
            option_mut(limit, f);
            block_expressions_mut(body, f);
        }
        StmtKind::Return(expr) => option_mut(expr, f),
        StmtKind::DeleteElement { keys, .. } => {
            keys.iter_mut().for_each(|expr| option_mut(expr, f));
        }
        StmtKind::Try { body, catch, .. } => {
            block_expressions_mut(body, f);
            block_expressions_mut(catch, f);
        }
        StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Next
        | StmtKind::DeleteGlobal(_)
        | StmtKind::DeleteLocal(_) => {}
    }
}

fn stat_mut(stat: &mut StatPlace, f: &mut dyn FnMut(&mut Expr)) {
    if let StatPlace::Element(_, keys) = stat {
        keys.iter_mut().for_each(|key| expression_mut(key, f));
    }
}

fn place_mut(place: &mut Place, f: &mut dyn FnMut(&mut Expr)) {
    match place {
        Place::Element(_, keys) => keys.iter_mut().for_each(|key| expression_mut(key, f)),
        Place::Memory { address, .. } => expression_mut(address, f),
        Place::Local(_)
        | Place::Global(_)
        | Place::Register { .. }
        | Place::ReturnValue { .. }
        | Place::Argument(_)
        | Place::Saved(_)
        | Place::SavedString(_)
        | Place::ProcfsValue => {}
    }
}

/// Calls `f` for an expression and all below it, inner ones first.
pub fn expression_mut(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    match &mut expr.kind {
        ExprKind::Element(_, keys) => keys.iter_mut().for_each(|key| expression_mut(key, f)),
        ExprKind::Assign { place, value, .. } => {
            place_mut(place, f);
            expression_mut(value, f);
        }
        ExprKind::Step { place, .. } => place_mut(place, f),
        ExprKind::Accumulate { stat, value } => {
            stat_mut(stat, f);
            expression_mut(value, f);
        }
        ExprKind::Unary(_, value)
        | ExprKind::Extend { value, .. }
        | ExprKind::PerCpu(value)
        | ExprKind::Read { address: value, .. }
        | ExprKind::MemoryString { address: value, .. }
        | ExprKind::Match { string: value, .. } => expression_mut(value, f),
        ExprKind::Binary(_, left, right)
        | ExprKind::Compare(_, left, right)
        | ExprKind::And(left, right)
        | ExprKind::Or(left, right)
        | ExprKind::Sequence(left, right)
        | ExprKind::Concat(left, right) => {
            expression_mut(left, f);
            expression_mut(right, f);
        }
        ExprKind::Ternary(condition, then, otherwise) => {
            expression_mut(condition, f);
            expression_mut(then, f);
            expression_mut(otherwise, f);
        }
        ExprKind::In(_, keys) => keys.iter_mut().for_each(|key| option_mut(key, f)),
        ExprKind::Call { arguments, .. } => {
            arguments
                .iter_mut()
                .for_each(|argument| expression_mut(argument, f));
        }
        ExprKind::Stat(_, stat) => stat_mut(stat, f),
        ExprKind::HistogramBucket { stat, index, .. } => {
            stat_mut(stat, f);
            expression_mut(index, f);
        }
        ExprKind::Print(print) => {
            for piece in &mut print.pieces {
                match piece {
                    PrintPiece::Literal(_) => {}
                    PrintPiece::Value {
                        width,
                        precision,
                        value,
                        ..
                    } => {
                        option_mut(width, f);
                        option_mut(precision, f);
                        expression_mut(value, f);
                    }
                    PrintPiece::Histogram { stat, .. } => stat_mut(stat, f),
                }
            }
        }
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Local(_)
        | ExprKind::Global(_)
        | ExprKind::Register(_)
        | ExprKind::ReturnValue
        | ExprKind::Argument(_)
        | ExprKind::Saved(_)
        | ExprKind::SavedString(_)
        | ExprKind::Relocated { .. }
        | ExprKind::ProcfsValue
        | ExprKind::EmbeddedC(_)
        | ExprKind::CConstant(_) => {}
    }
    f(expr);
}

/// Calls `f` for every statement of a block, outer ones before inner ones.
pub fn statements(block: &[Stmt], f: &mut dyn FnMut(&Stmt)) {
    for stmt in block {
        f(stmt);
        for inner in inner_blocks(stmt) {
            statements(inner, f);
        }
    }
}

/// The blocks directly inside a statement.
pub fn inner_blocks(stmt: &Stmt) -> Vec<&Block> {
    match &stmt.kind {
        StmtKind::If {
            then, otherwise, ..
        } => vec![then, otherwise],
        StmtKind::Loop { body, .. } | StmtKind::ForeachHistogram { body, .. } => vec![body],
        StmtKind::Foreach(foreach) => vec![&foreach.body],
        StmtKind::Try { body, catch, .. } => vec![body, catch],
        _ => Vec::new(),
    }
}
