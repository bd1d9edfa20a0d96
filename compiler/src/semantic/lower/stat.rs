// SPDX-License-Identifier: GPL-2.0-or-later
//! Statistics: `<<<`, `@count` and its kin, histograms.

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::Lowering;
use super::body::BodyState;
use super::expr::Lowered;
use super::stmt::global_id;
use crate::ir;

impl Lowering<'_, '_> {
    /// The statistic that an operand names, and the global it belongs to.
    pub(super) fn stat_place(
        &mut self,
        state: &mut BodyState,
        operand: &ast::Expr,
    ) -> Option<(ir::StatPlace, usize)> {
        match &operand.kind {
            ast::ExprKind::Ident(name) => {
                if let Some((_, global)) = state
                    .iterated
                    .iter()
                    .rev()
                    .find(|(iterated, _)| iterated == name)
                {
                    return Some((ir::StatPlace::Iterated(global_id(*global)), *global));
                }
                if let Some(global) = self.global(name, state.unit)
                    && state.lookup(name).is_none()
                {
                    if !self.set_arity(global, 0, operand.span) {
                        return None;
                    }
                    let value = self.globals[global].value;
                    self.unify(value, Ty::STAT, operand.span);
                    return Some((ir::StatPlace::Scalar(global_id(global)), global));
                }
            }
            ast::ExprKind::Index {
                base: ast::Indexable::Array(array),
                indexes,
            } => {
                let global = self.array(state, array, indexes.len())?;
                let value = self.globals[global].value;
                self.unify(value, Ty::STAT, operand.span);
                let keys: Option<Vec<_>> = self.keys(state, global, indexes).into_iter().collect();
                return Some((ir::StatPlace::Element(global_id(global), keys?), global));
            }
            _ => {}
        }
        // In early walks a foreach value may not be known to be a statistic yet.
        self.error(
            Diagnostic::semantic_error(
                "E0220",
                "stat locals not supported, missing global declaration?",
            )
            .at(operand.span),
        );
        None
    }

    /// `stat <<< value`
    pub(super) fn accumulate(
        &mut self,
        state: &mut BodyState,
        target: &ast::Expr,
        value: &ast::Expr,
        token: Span,
    ) -> Lowered {
        let value = self.long(state, value);
        let Some((stat, global)) = self.stat_place(state, target) else {
            return self.nothing(token);
        };
        self.writes(global, token);
        let at = self.location(token);
        Lowered::new(
            ir::Expr {
                kind: ir::ExprKind::Accumulate {
                    stat,
                    value: Box::new(value),
                },
                ty: ir::Type::Long,
                at,
            },
            Ty::LONG,
        )
    }

    /// `@count(stat)` and its kin.
    pub(super) fn stat_operation(
        &mut self,
        state: &mut BodyState,
        op: ast::StatOp,
        operand: &ast::Expr,
        shift: Option<i64>,
        token: Span,
    ) -> Lowered {
        let Some((stat, global)) = self.stat_place(state, operand) else {
            return self.nothing(token);
        };
        self.globals[global].is_read = true;
        if op == ast::StatOp::Variance {
            self.variance(global, shift.unwrap_or(0), token);
        }
        let at = self.location(token);
        Lowered::new(
            ir::Expr::long(ir::ExprKind::Stat(operation(op), stat), at),
            Ty::LONG,
        )
    }

    fn variance(&mut self, global: usize, shift: i64, at: Span) {
        if !(0..=62).contains(&shift) {
            let text = "bit shift of @variance must be between 0 and 62";
            self.error(Diagnostic::semantic_error("E0146", text).at(at));
            return;
        }
        let info = &mut self.globals[global];
        info.stat.needs_variance = true;
        if info.variance_shift.is_some_and(|known| known != shift) {
            let name = info.declaration.name.name.clone();
            let text = format!("multiple bit shifts of @variance declared for '{name}'");
            self.error(Diagnostic::semantic_error("E0222", text).at(at));
            return;
        }
        info.variance_shift = Some(shift);
        info.stat.variance_shift = shift as u32;
    }

    /// `@hist_log(stat)` or `@hist_linear(stat, low, high, step)`
    pub(super) fn histogram(
        &mut self,
        state: &mut BodyState,
        hist: &ast::Hist,
    ) -> Option<(ir::StatPlace, ir::Histogram)> {
        let (stat, global) = self.stat_place(state, &hist.operand)?;
        let wanted = match hist.kind {
            ast::HistKind::Log => ir::Histogram::Log,
            ast::HistKind::Linear { low, high, step } => {
                if step <= 0 || high <= low {
                    let text = "histogram needs low < high and a step above 0";
                    self.error(Diagnostic::semantic_error("E0223", text).at(hist.span));
                    return None;
                }
                let buckets = (i128::from(high) - i128::from(low)) / i128::from(step);
                if buckets + 3 > 128 {
                    let text = format!(
                        "histogram of {} buckets is too large; 128 is the limit",
                        buckets + 3
                    );
                    self.error(Diagnostic::semantic_error("E0224", text).at(hist.span));
                    return None;
                }
                ir::Histogram::Linear { low, high, step }
            }
        };
        let info = &mut self.globals[global];
        info.is_read = true;
        if info.stat.histogram != ir::Histogram::None && info.stat.histogram != wanted {
            let name = info.declaration.name.name.clone();
            let text = format!("multiple histogram types declared on '{name}'");
            self.error(Diagnostic::semantic_error("E0225", text).at(hist.span));
            return None;
        }
        info.stat.histogram = wanted;
        Some((stat, wanted))
    }
}

/// The IR's name of a statistics operator.
pub(super) fn operation(op: ast::StatOp) -> ir::StatOperation {
    match op {
        ast::StatOp::Count => ir::StatOperation::Count,
        ast::StatOp::Sum => ir::StatOperation::Sum,
        ast::StatOp::Min => ir::StatOperation::Minimum,
        ast::StatOp::Max => ir::StatOperation::Maximum,
        ast::StatOp::Avg => ir::StatOperation::Average,
        ast::StatOp::Variance => ir::StatOperation::Variance,
    }
}
