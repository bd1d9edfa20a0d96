// SPDX-License-Identifier: GPL-2.0-or-later
//! Arrays: `a[x]`, `[x] in a`, buckets of histograms, and pointers with an index.

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::body::BodyState;
use super::expr::Lowered;
use super::stmt::global_id;
use super::{Lowering, mismatch_error};
use crate::ir;

impl Lowering<'_, '_> {
    /// An array by its name, with its number of keys noted.
    pub(super) fn array(
        &mut self,
        state: &BodyState,
        array: &ast::Ident,
        arity: usize,
    ) -> Option<usize> {
        if let Some(global) = self.global(&array.name, state.unit) {
            return self.set_arity(global, arity, array.span).then_some(global);
        }
        self.array_local(array, arity);
        None
    }

    /// Reports an array that is no global.
    pub(super) fn array_local(&mut self, array: &ast::Ident, arity: usize) {
        let text = format!(
            "unresolved arity-{arity} global array {}, missing global declaration?",
            array.name
        );
        let mut error = Diagnostic::semantic_error("E0205", text).at(array.span);
        let names: Vec<String> = self
            .globals
            .iter()
            .map(|info| info.declaration.name.name.clone())
            .collect();
        if let Some(similar) = super::super::similar::closest(&array.name, &names) {
            error = error.hint(format!("a global with a similar name is '{similar}'"));
        } else {
            error = error.hint(format!("add 'global {}' to the script", array.name));
        }
        self.error(error);
    }

    /// Index expressions with the types of the array's keys.
    pub(super) fn keys(
        &mut self,
        state: &mut BodyState,
        global: usize,
        indexes: &[Option<ast::Expr>],
    ) -> Vec<Option<ir::Expr>> {
        let types = self.globals[global].keys.clone();
        let mut keys = Vec::with_capacity(indexes.len());
        for (number, (index, key)) in indexes.iter().zip(types).enumerate() {
            keys.push(index.as_ref().map(|index| {
                let value = self.expr(state, index);
                if let Err(mismatch) = self.types.unify(key, value.ty, index.token) {
                    let whose = format!("index {number} ");
                    self.error(mismatch_error(mismatch, &whose, index.token));
                }
                match self.types.get(key) {
                    Some(ir::Type::Stat) => {
                        let text = "a statistic cannot be an array index";
                        self.error(Diagnostic::semantic_error("E0226", text).at(index.token));
                    }
                    None if self.is_final => self.unresolved(index.token),
                    _ => {}
                }
                let known = self.types.get(key).unwrap_or(ir::Type::Long);
                value.expr.of_type(known)
            }));
        }
        keys
    }

    pub(super) fn membership(
        &mut self,
        state: &mut BodyState,
        indexes: &[Option<ast::Expr>],
        base: &ast::Indexable,
        token: Span,
    ) -> Lowered {
        let at = self.location(token);
        match base {
            ast::Indexable::Array(array) => {
                let Some(global) = self.array(state, array, indexes.len()) else {
                    return self.nothing(token);
                };
                self.globals[global].is_read = true;
                let keys = self.keys(state, global, indexes);
                let kind = ir::ExprKind::In(global_id(global), keys);
                Lowered::long(kind, at)
            }
            ast::Indexable::Hist(_) => {
                let text = "'in' needs an array on its right side";
                self.error(Diagnostic::semantic_error("E0233", text).at(token));
                self.nothing(token)
            }
        }
    }

    pub(super) fn index(
        &mut self,
        state: &mut BodyState,
        base: &ast::Indexable,
        indexes: &[Option<ast::Expr>],
        token: Span,
    ) -> Lowered {
        let at = self.location(token);
        match base {
            ast::Indexable::Hist(hist) => {
                let Some((stat, histogram)) = self.histogram(state, hist) else {
                    return self.nothing(token);
                };
                let [Some(index)] = indexes else {
                    let text = "a histogram has one index: its bucket";
                    self.error(Diagnostic::semantic_error("E0203", text).at(token));
                    return self.nothing(token);
                };
                let index = Box::new(self.long(state, index));
                let kind = ir::ExprKind::HistogramBucket {
                    stat,
                    histogram,
                    index,
                };
                Lowered::long(kind, at)
            }
            ast::Indexable::Array(array) => {
                // `x[i]` on a local that holds a C pointer.
                if state.lookup(&array.name).is_some()
                    && let [Some(index)] = indexes
                {
                    return self.pointer_index(state, array, index, token);
                }
                let Some(global) = self.array(state, array, indexes.len()) else {
                    return self.nothing(token);
                };
                let keys: Option<Vec<_>> = self.keys(state, global, indexes).into_iter().collect();
                let Some(keys) = keys else {
                    let text = "wildcards are for 'in', foreach and delete";
                    self.error(Diagnostic::semantic_error("E0139", text).at(token));
                    return self.nothing(token);
                };
                self.globals[global].is_read = true;
                let ty = self.globals[global].value;
                let known = self.types.get(ty).unwrap_or(ir::Type::Long);
                if known == ir::Type::Stat {
                    let text = format!("statistic '{}' cannot be used as a value", array.name);
                    self.error(
                        Diagnostic::semantic_error("E0226", text)
                            .at(token)
                            .hint("use @count(), @sum(), @min(), @max() or @avg() of it"),
                    );
                    return self.nothing(token);
                }
                let detail = self.types.detail(ty);
                let kind = ir::ExprKind::Element(global_id(global), keys);
                Lowered {
                    expr: ir::Expr::new(kind, known, at),
                    ty,
                    detail,
                }
            }
        }
    }

    fn pointer_index(
        &mut self,
        state: &mut BodyState,
        name: &ast::Ident,
        index: &ast::Expr,
        token: Span,
    ) -> Lowered {
        let ident = ast::Expr::new(
            ast::ExprKind::Ident(name.name.clone()),
            name.span,
            name.span,
        );
        let autocast = ast::Expr::new(
            ast::ExprKind::Autocast {
                operand: Box::new(ident),
                suffixes: vec![ast::TargetSuffix::Index(index.clone())],
            },
            token,
            token,
        );
        self.target(state, &autocast)
    }
}
