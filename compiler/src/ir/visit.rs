// SPDX-License-Identifier: GPL-2.0-or-later
//! Walking the IR. A [`Visitor`] overrides what it cares about and calls the
//! `walk_` function of the same name to go deeper.

use super::*;

/// Sees every node below what it is given, in source order.
pub trait Visitor {
    fn statement(&mut self, statement: &Stmt) {
        walk_statement(self, statement);
    }
    fn expression(&mut self, expression: &Expr) {
        walk_expression(self, expression);
    }
    fn place(&mut self, place: &Place) {
        walk_place(self, place);
    }
    fn stat(&mut self, place: &StatPlace) {
        walk_stat(self, place);
    }
    /// The bodies of all functions and handlers.
    fn bodies(&mut self, program: &Program) {
        for handler in program.handlers.values() {
            self.block(&handler.body);
        }
        for function in program.functions.values() {
            if let FunctionBody::Script(block) = &function.body {
                self.block(block);
            }
        }
    }
    fn block(&mut self, block: &[Stmt]) {
        for statement in block {
            self.statement(statement);
        }
    }
    fn keys(&mut self, keys: &[Option<Expr>]) {
        for key in keys.iter().flatten() {
            self.expression(key);
        }
    }
}

/// Visits what a statement consists of.
pub fn walk_statement<V: Visitor + ?Sized>(visitor: &mut V, statement: &Stmt) {
    match &statement.kind {
        StmtKind::Expr(value) => visitor.expression(value),
        StmtKind::If {
            condition,
            then,
            otherwise,
        } => {
            visitor.expression(condition);
            visitor.block(then);
            visitor.block(otherwise);
        }
        StmtKind::Loop {
            condition,
            step,
            body,
        } => {
            for part in [condition, step].into_iter().flatten() {
                visitor.expression(part);
            }
            visitor.block(body);
        }
        StmtKind::Foreach(foreach) => {
            visitor.keys(&foreach.slice);
            if let Some(limit) = &foreach.limit {
                visitor.expression(limit);
            }
            visitor.block(&foreach.body);
        }
        StmtKind::ForeachHistogram {
            stat, limit, body, ..
        } => {
            visitor.stat(stat);
            if let Some(limit) = limit {
                visitor.expression(limit);
            }
            visitor.block(body);
        }
        StmtKind::Return(Some(value)) => visitor.expression(value),
        StmtKind::DeleteElement { keys, .. } => visitor.keys(keys),
        StmtKind::Try { body, catch, .. } => {
            visitor.block(body);
            visitor.block(catch);
        }
        StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Return(None)
        | StmtKind::Next
        | StmtKind::DeleteGlobal(_)
        | StmtKind::DeleteLocal(_) => {}
    }
}

/// Visits the operands of an expression.
pub fn walk_expression<V: Visitor + ?Sized>(visitor: &mut V, expression: &Expr) {
    match &expression.kind {
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
        ExprKind::Element(_, keys) => {
            for key in keys {
                visitor.expression(key);
            }
        }
        ExprKind::Assign { place, value, .. } => {
            visitor.place(place);
            visitor.expression(value);
        }
        ExprKind::Step { place, .. } => visitor.place(place),
        ExprKind::Accumulate { stat, value } => {
            visitor.stat(stat);
            visitor.expression(value);
        }
        ExprKind::Unary(_, value) | ExprKind::PerCpu(value) => visitor.expression(value),
        ExprKind::Binary(_, left, right)
        | ExprKind::Compare(_, left, right)
        | ExprKind::And(left, right)
        | ExprKind::Or(left, right)
        | ExprKind::Sequence(left, right)
        | ExprKind::Concat(left, right) => {
            visitor.expression(left);
            visitor.expression(right);
        }
        ExprKind::Ternary(condition, left, right) => {
            visitor.expression(condition);
            visitor.expression(left);
            visitor.expression(right);
        }
        ExprKind::Match { string, .. } => visitor.expression(string),
        ExprKind::In(_, keys) => visitor.keys(keys),
        ExprKind::Call { arguments, .. } => {
            for argument in arguments {
                visitor.expression(argument);
            }
        }
        ExprKind::Stat(_, stat) => visitor.stat(stat),
        ExprKind::HistogramBucket { stat, index, .. } => {
            visitor.stat(stat);
            visitor.expression(index);
        }
        ExprKind::Print(print) => {
            for piece in &print.pieces {
                match piece {
                    PrintPiece::Literal(_) => {}
                    PrintPiece::Value {
                        width,
                        precision,
                        value,
                        ..
                    } => {
                        for part in [width, precision].into_iter().flatten() {
                            visitor.expression(part);
                        }
                        visitor.expression(value);
                    }
                    PrintPiece::Histogram { stat, .. } => visitor.stat(stat),
                }
            }
        }
        ExprKind::Read { address, .. } | ExprKind::MemoryString { address, .. } => {
            visitor.expression(address);
        }
        ExprKind::Extend { value, .. } => visitor.expression(value),
    }
}

/// Visits the keys or the address of a place.
pub fn walk_place<V: Visitor + ?Sized>(visitor: &mut V, place: &Place) {
    match place {
        Place::Element(_, keys) => {
            for key in keys {
                visitor.expression(key);
            }
        }
        Place::Memory { address, .. } => visitor.expression(address),
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

/// Visits the keys of a statistic.
pub fn walk_stat<V: Visitor + ?Sized>(visitor: &mut V, place: &StatPlace) {
    if let StatPlace::Element(_, keys) = place {
        for key in keys {
            visitor.expression(key);
        }
    }
}

/// Modules of the kernel that probes or expressions refer to, without `.ko`, and in which section:
/// the addresses of the sections are needed.
#[must_use]
pub fn kernel_sections(program: &Program) -> BTreeSet<(String, String)> {
    fn pair(module: &str, section: Option<&str>) -> (String, String) {
        (module.to_owned(), section.unwrap_or(".text").to_owned())
    }
    struct Search(BTreeSet<(String, String)>);
    impl Visitor for Search {
        fn expression(&mut self, expression: &Expr) {
            if let ExprKind::Relocated {
                module: Some(module),
                section,
                ..
            } = &expression.kind
            {
                self.0.insert(pair(module, section.as_deref()));
            }
            walk_expression(self, expression);
        }
    }
    let places = program.probes.iter().filter_map(|probe| match &probe.kind {
        ProbeKind::Function(place)
        | ProbeKind::Return { place, .. }
        | ProbeKind::Address(place)
        | ProbeKind::Breakpoint { place, .. } => {
            let module = place.module.as_deref()?;
            Some(pair(module, place.section.as_deref()))
        }
        _ => None,
    });
    let mut search = Search(places.collect());
    search.bodies(program);
    search.0
}

/// Modules of the kernel that probes or expressions refer to, without `.ko`.
#[must_use]
pub fn kernel_modules(program: &Program) -> BTreeSet<String> {
    let sections = kernel_sections(program).into_iter();
    sections.map(|(module, _)| module).collect()
}
