// SPDX-License-Identifier: GPL-2.0-or-later
//! Assignments and `++`, `--`.

use rstap_debuginfo::TypeId;
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::super::variables;
use super::Lowering;
use super::body::BodyState;
use super::expr::{Lowered, binary_operator};
use super::stmt::global_id;
use crate::ir;

/// A place with the type of what is in it.
struct PlaceInfo {
    place: ir::Place,
    ty: Ty,
    detail: Option<TypeId>,
}

impl Lowering<'_, '_> {
    pub(super) fn assign(
        &mut self,
        state: &mut BodyState,
        op: ast::AssignOp,
        target: &ast::Expr,
        value: &ast::Expr,
        token: Span,
    ) -> Lowered {
        if state.in_condition {
            let text = "probe condition must not modify any variables";
            self.error(Diagnostic::semantic_error("E0230", text).at(token));
            return self.nothing(token);
        }
        let operator = match op {
            ast::AssignOp::Aggregate => return self.accumulate(state, target, value, token),
            ast::AssignOp::Set => None,
            ast::AssignOp::Compound(op) => Some(binary_operator(op)),
        };
        let Some(place) = self.place(state, target) else {
            return self.nothing(token);
        };
        let value_token = value.token;
        let mut value = self.expr(state, value);
        match operator {
            None => {
                self.unify(place.ty, value.ty, value_token);
                self.types.add_detail(place.ty, value.detail);
            }
            Some(ir::BinaryOperator::Concat) => {
                self.unify(place.ty, Ty::STRING, target.token);
                self.unify(value.ty, Ty::STRING, value_token);
            }
            Some(_) => {
                self.unify(place.ty, Ty::LONG, target.token);
                self.unify(value.ty, Ty::LONG, value_token);
            }
        }
        let known = self.types.get(place.ty).unwrap_or(ir::Type::Long);
        if known == ir::Type::Stat {
            let text = "a statistic cannot be assigned to";
            self.error(
                Diagnostic::semantic_error("E0226", text)
                    .at(token)
                    .hint("add samples with <<<"),
            );
            return self.nothing(token);
        }
        value.expr.ty = known;
        let at = self.location(token);
        let kind = ir::ExprKind::Assign {
            place: place.place,
            operator,
            value: Box::new(value.expr),
        };
        let detail = place.detail.or(value.detail);
        Lowered {
            expr: ir::Expr::new(kind, known, at),
            ty: place.ty,
            detail,
        }
    }

    pub(super) fn step(
        &mut self,
        state: &mut BodyState,
        increment: bool,
        is_prefix: bool,
        operand: &ast::Expr,
        token: Span,
    ) -> Lowered {
        if state.in_condition {
            let text = "probe condition must not modify any variables";
            self.error(Diagnostic::semantic_error("E0230", text).at(token));
            return self.nothing(token);
        }
        let Some(place) = self.place(state, operand) else {
            return self.nothing(token);
        };
        self.unify(place.ty, Ty::LONG, operand.token);
        let at = self.location(token);
        let by = if increment { 1 } else { -1 };
        let kind = ir::ExprKind::Step {
            place: place.place,
            is_prefix,
            by,
        };
        Lowered::long(kind, at)
    }

    /// What stands left of an assignment. Errors are reported.
    fn place(&mut self, state: &mut BodyState, target: &ast::Expr) -> Option<PlaceInfo> {
        match &target.kind {
            ast::ExprKind::Ident(name) => {
                if state.lookup(name).is_none()
                    && let Some(global) = self.global(name, state.unit)
                {
                    if !self.set_arity(global, 0, target.token) {
                        return None;
                    }
                    self.writes(global, target.token);
                    let ty = self.globals[global].value;
                    let place = ir::Place::Global(global_id(global));
                    return Some(PlaceInfo {
                        place,
                        ty,
                        detail: None,
                    });
                }
                let (id, ty) = self.local(state, name);
                state.written.insert(id);
                Some(PlaceInfo {
                    place: ir::Place::Local(id),
                    ty,
                    detail: None,
                })
            }
            ast::ExprKind::Index {
                base: ast::Indexable::Array(array),
                indexes,
            } if state.lookup(&array.name).is_none() => {
                let global = self.array(state, array, indexes.len())?;
                let keys: Option<Vec<_>> = self.keys(state, global, indexes).into_iter().collect();
                self.writes(global, target.token);
                let ty = self.globals[global].value;
                let place = ir::Place::Element(global_id(global), keys?);
                Some(PlaceInfo {
                    place,
                    ty,
                    detail: None,
                })
            }
            ast::ExprKind::Target(_)
            | ast::ExprKind::Cast(_)
            | ast::ExprKind::Var { .. }
            | ast::ExprKind::Autocast { .. }
            | ast::ExprKind::Deref { .. }
            | ast::ExprKind::Register { .. } => self.target_place(state, target),
            ast::ExprKind::Index {
                base: ast::Indexable::Array(array),
                indexes,
            } => {
                self.array_local(array, indexes.len());
                None
            }
            _ => {
                self.error(
                    Diagnostic::semantic_error("E0235", "Expecting lvalue for assignment")
                        .at(target.token)
                        .hint(
                            "a variable, an array element or a target variable can be assigned to",
                        ),
                );
                None
            }
        }
    }

    fn target_place(&mut self, state: &mut BodyState, target: &ast::Expr) -> Option<PlaceInfo> {
        let (operand, indexes) = self.target_operands(state, target);
        let result = self.with_variables(state, |cx, emit| {
            variables::resolve_place(cx, target, operand, indexes, emit)
        });
        match result {
            Ok((place, detail)) => {
                let ty = match place {
                    ir::Place::ProcfsValue | ir::Place::SavedString(_) => Ty::STRING,
                    _ => Ty::LONG,
                };
                Some(PlaceInfo { place, ty, detail })
            }
            Err(error) => {
                self.error(error);
                None
            }
        }
    }
}
