// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements.

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::Lowering;
use super::body::{BodyState, Owner};
use crate::ir;

impl Lowering<'_, '_> {
    /// Lowers one statement into a block.
    pub(super) fn statement(
        &mut self,
        state: &mut BodyState,
        stmt: &ast::Stmt,
        block: &mut ir::Block,
    ) {
        let kind = match &stmt.kind {
            ast::StmtKind::Empty => return,
            ast::StmtKind::Block(statements) => {
                for statement in statements {
                    self.statement(state, statement, block);
                }
                return;
            }
            ast::StmtKind::Expr(expr) => {
                let value = self.expr_or_void(state, expr);
                if is_constant(&value.expr) && !self.session.options.unoptimized {
                    // What has an error stands there as a number.
                    if self.errors.is_empty() {
                        self.warn(
                            "W0203",
                            "Eliding side-effect-free expression".to_owned(),
                            expr.token,
                        );
                    }
                    return;
                }
                ir::StmtKind::Expr(value.expr)
            }
            ast::StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.long(state, condition);
                // What @defined() decided is decided here: the dead arm may name
                // variables that do not exist.
                if let ir::ExprKind::Number(number) = condition.kind {
                    let taken = if number != 0 {
                        Some(then)
                    } else {
                        otherwise.as_ref()
                    };
                    if let Some(taken) = taken {
                        self.statement(state, taken, block);
                    }
                    return;
                }
                let then = self.block(state, then);
                let otherwise = otherwise
                    .as_ref()
                    .map(|stmt| self.block(state, stmt))
                    .unwrap_or_default();
                ir::StmtKind::If {
                    condition,
                    then,
                    otherwise,
                }
            }
            ast::StmtKind::While { condition, body } => {
                let condition = self.long(state, condition);
                if matches!(condition.kind, ir::ExprKind::Number(0)) {
                    return;
                }
                ir::StmtKind::Loop {
                    condition: Some(condition),
                    step: None,
                    body: self.loop_body(state, body),
                }
            }
            ast::StmtKind::For {
                init,
                condition,
                step,
                body,
            } => {
                if let Some(init) = init {
                    let value = self.expr_or_void(state, init);
                    let at = value.expr.at;
                    block.push(ir::Stmt {
                        kind: ir::StmtKind::Expr(value.expr),
                        at,
                    });
                }
                let condition = condition.as_ref().map(|expr| self.long(state, expr));
                let step = step
                    .as_ref()
                    .map(|expr| self.expr_or_void(state, expr).expr);
                ir::StmtKind::Loop {
                    condition,
                    step,
                    body: self.loop_body(state, body),
                }
            }
            ast::StmtKind::Foreach(foreach) => match self.foreach(state, foreach, stmt.span) {
                Some(kind) => kind,
                None => return,
            },
            ast::StmtKind::Break | ast::StmtKind::Continue if state.loops == 0 => {
                let word = if stmt.kind == ast::StmtKind::Break {
                    "break"
                } else {
                    "continue"
                };
                self.error(
                    Diagnostic::semantic_error(
                        "E0210",
                        format!("found '{word}' not in loop context"),
                    )
                    .at(stmt.span),
                );
                return;
            }
            ast::StmtKind::Break => ir::StmtKind::Break,
            ast::StmtKind::Continue => ir::StmtKind::Continue,
            ast::StmtKind::Return(value) => {
                match self.return_value(state, value.as_ref(), stmt.span) {
                    Some(kind) => kind,
                    None => return,
                }
            }
            ast::StmtKind::Next => ir::StmtKind::Next,
            ast::StmtKind::Delete(target) => match self.delete(state, target) {
                Some(kind) => kind,
                None => return,
            },
            ast::StmtKind::Try {
                body,
                variable,
                handler,
            } => {
                let body = self.block(state, body);
                let mut catch = ir::Block::new();
                let error = variable.as_ref().map(|name| {
                    let (id, ty) = self.set_variable(state, name, &mut catch);
                    self.unify(ty, Ty::STRING, name.span);
                    id
                });
                self.statement(state, handler, &mut catch);
                ir::StmtKind::Try { body, error, catch }
            }
        };
        let at = self.location(first_token(stmt));
        block.push(ir::Stmt { kind, at });
    }

    /// A statement as a block of its own.
    pub(super) fn block(&mut self, state: &mut BodyState, stmt: &ast::Stmt) -> ir::Block {
        let mut block = ir::Block::new();
        self.statement(state, stmt, &mut block);
        block
    }

    fn loop_body(&mut self, state: &mut BodyState, stmt: &ast::Stmt) -> ir::Block {
        state.loops += 1;
        let block = self.block(state, stmt);
        state.loops -= 1;
        block
    }

    fn return_value(
        &mut self,
        state: &mut BodyState,
        value: Option<&ast::Expr>,
        span: Span,
    ) -> Option<ir::StmtKind> {
        let Owner::Function(index) = state.owner else {
            self.error(
                Diagnostic::semantic_error("E0137", "found 'return' not in function context")
                    .at(span),
            );
            return None;
        };
        let Some(value) = value else {
            return Some(ir::StmtKind::Return(None));
        };
        let returns = self.functions[index].returns;
        let token = value.token;
        let value = self.expr(state, value);
        self.unify(value.ty, returns, token);
        self.types.add_detail(returns, value.detail);
        Some(ir::StmtKind::Return(Some(value.expr)))
    }

    fn delete(&mut self, state: &mut BodyState, target: &ast::Expr) -> Option<ir::StmtKind> {
        match &target.kind {
            ast::ExprKind::Ident(name) => {
                if state.lookup(name).is_none()
                    && let Some(global) = self.global(name, state.unit)
                {
                    self.writes(global, target.token);
                    return Some(ir::StmtKind::DeleteGlobal(global_id(global)));
                }
                let (id, _) = self.local(state, name);
                state.written.insert(id);
                Some(ir::StmtKind::DeleteLocal(id))
            }
            ast::ExprKind::Index {
                base: ast::Indexable::Array(array),
                indexes,
            } => {
                let global = self.array(state, array, indexes.len())?;
                let keys = self.keys(state, global, indexes);
                self.writes(global, target.token);
                Some(ir::StmtKind::DeleteElement {
                    array: global_id(global),
                    keys,
                })
            }
            _ => {
                self.error(
                    Diagnostic::semantic_error("E0212", "invalid operand of delete expression")
                        .at(target.span)
                        .hint("a variable, an array or an array element can be deleted"),
                );
                None
            }
        }
    }

    fn foreach(
        &mut self,
        state: &mut BodyState,
        foreach: &ast::Foreach,
        span: Span,
    ) -> Option<ir::StmtKind> {
        let limit = foreach.limit.as_ref().map(|expr| self.long(state, expr));
        let array = match &foreach.base {
            ast::Indexable::Hist(hist) => {
                return self.foreach_histogram(state, foreach, hist, limit, span);
            }
            ast::Indexable::Array(array) => array,
        };
        let global = self.array(state, array, foreach.indexes.len())?;
        self.globals[global].is_read = true;
        let slice = match &foreach.slice {
            Some(slice) if slice.len() != foreach.indexes.len() => {
                self.error(
                    Diagnostic::semantic_error(
                        "E0203",
                        format!(
                            "inconsistent arity: '{}' has {}, the slice {}",
                            array.name,
                            match foreach.indexes.len() {
                                1 => "1 index".to_owned(),
                                count => format!("{count} indexes"),
                            },
                            slice.len()
                        ),
                    )
                    .at(array.span),
                );
                Vec::new()
            }
            Some(slice) => self.keys(state, global, slice),
            None => Vec::new(),
        };
        let mut body = ir::Block::new();
        let mut keys = Vec::new();
        for (number, index) in foreach.indexes.iter().enumerate() {
            let (id, ty) = self.set_variable(state, index, &mut body);
            let key = self.globals[global]
                .keys
                .get(number)
                .copied()
                .unwrap_or(Ty::LONG);
            self.unify(ty, key, index.span);
            keys.push(Some(id));
        }
        let value_ty = self.globals[global].value;
        let is_stat = self.types.get(value_ty) == Some(ir::Type::Stat);
        let mut value = None;
        if let Some(name) = &foreach.value {
            if is_stat {
                state.iterated.push((name.name.clone(), global));
            } else {
                let (id, ty) = self.set_variable(state, name, &mut body);
                self.unify(ty, value_ty, name.span);
                let detail = self.types.detail(value_ty);
                self.types.add_detail(ty, detail);
                value = Some(id);
            }
        }
        let sort = foreach.sort.as_ref().map(|sort| ir::Sort {
            by: match sort.key {
                ast::SortKey::Index(index) => ir::SortBy::Key(index),
                ast::SortKey::Value(operation) => {
                    if let Some(operation) = operation {
                        self.unify(value_ty, Ty::STAT, sort.span);
                        if operation == ast::StatOp::Variance {
                            self.globals[global].stat.needs_variance = true;
                        }
                    }
                    ir::SortBy::Value(
                        operation.map_or(ir::StatOperation::Count, super::stat::operation),
                    )
                }
            },
            direction: direction(sort.direction),
        });
        body.extend(self.loop_body(state, &foreach.body));
        if is_stat && foreach.value.is_some() {
            state.iterated.pop();
        }
        Some(ir::StmtKind::Foreach(Box::new(ir::Foreach {
            array: global_id(global),
            keys,
            value,
            sort,
            limit,
            slice,
            body,
        })))
    }

    fn foreach_histogram(
        &mut self,
        state: &mut BodyState,
        foreach: &ast::Foreach,
        hist: &ast::Hist,
        limit: Option<ir::Expr>,
        span: Span,
    ) -> Option<ir::StmtKind> {
        let (stat, histogram) = self.histogram(state, hist)?;
        let [bucket] = foreach.indexes.as_slice() else {
            self.error(
                Diagnostic::semantic_error("E0203", "a histogram has one index: its bucket")
                    .at(span),
            );
            return None;
        };
        let mut body = ir::Block::new();
        let (bucket_id, ty) = self.set_variable(state, bucket, &mut body);
        self.unify(ty, Ty::LONG, bucket.span);
        let value = foreach.value.as_ref().map(|name| {
            let (id, ty) = self.set_variable(state, name, &mut body);
            self.unify(ty, Ty::LONG, name.span);
            id
        });
        let sort = foreach.sort.as_ref().map(|sort| {
            (
                matches!(sort.key, ast::SortKey::Value(_)),
                direction(sort.direction),
            )
        });
        body.extend(self.loop_body(state, &foreach.body));
        Some(ir::StmtKind::ForeachHistogram {
            stat,
            histogram,
            bucket: bucket_id,
            value,
            sort,
            limit,
            body,
        })
    }

    /// The variable that `foreach` or `catch` sets. When it is a global, a local stands for it
    /// and `first` gets the statement that hands the value on.
    fn set_variable(
        &mut self,
        state: &mut BodyState,
        name: &ast::Ident,
        first: &mut ir::Block,
    ) -> (ir::LocalId, Ty) {
        let global = match state.lookup(&name.name) {
            Some(_) => None,
            None => self.global(&name.name, state.unit),
        };
        let Some(global) = global.filter(|&global| self.set_arity(global, 0, name.span)) else {
            let (id, ty) = self.local(state, &name.name);
            state.written.insert(id);
            return (id, ty);
        };
        let (id, ty) = self.local(state, &format!("{} for the loop", name.name));
        state.written.insert(id);
        let value = self.globals[global].value;
        self.unify(ty, value, name.span);
        self.writes(global, name.span);
        let at = self.location(name.span);
        let known = self.types.get(value).unwrap_or(ir::Type::Long);
        let local = ir::Expr::new(ir::ExprKind::Local(id), known, at);
        let kind = ir::ExprKind::Assign {
            place: ir::Place::Global(global_id(global)),
            operator: None,
            value: Box::new(local),
        };
        let expr = ir::Expr::new(kind, known, at);
        first.push(ir::Stmt {
            kind: ir::StmtKind::Expr(expr),
            at,
        });
        (id, ty)
    }
}

/// Globals keep their number as their id in the program.
pub(super) fn global_id(index: usize) -> ir::GlobalId {
    ir::arena::EntityId::new(index)
}

fn direction(direction: ast::SortDirection) -> ir::Direction {
    match direction {
        ast::SortDirection::Ascending => ir::Direction::Ascending,
        ast::SortDirection::Descending => ir::Direction::Descending,
    }
}

/// An expression whose evaluation does nothing.
fn is_constant(expr: &ir::Expr) -> bool {
    matches!(expr.kind, ir::ExprKind::Number(_) | ir::ExprKind::String(_))
}

/// The token that errors in a statement name: its first one.
fn first_token(stmt: &ast::Stmt) -> Span {
    match &stmt.kind {
        ast::StmtKind::Expr(expr) => expr.token,
        kind => {
            let length = match kind {
                ast::StmtKind::If { .. } => 2,
                ast::StmtKind::While { .. } | ast::StmtKind::Break => 5,
                ast::StmtKind::For { .. } | ast::StmtKind::Try { .. } => 3,
                ast::StmtKind::Foreach(_) => 7,
                ast::StmtKind::Continue => 8,
                ast::StmtKind::Return(_) | ast::StmtKind::Delete(_) => 6,
                ast::StmtKind::Next => 4,
                _ => 1,
            };
            let end = stmt.span.end.min(stmt.span.start.saturating_add(length));
            Span { end, ..stmt.span }
        }
    }
}
