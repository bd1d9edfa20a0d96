// SPDX-License-Identifier: GPL-2.0-or-later
//! What the condition of a probe may hold. It is asked outside of any handler, where there is no
//! scratch memory for strings and no way to raise an error.

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;

use super::Lowering;
use crate::ir::visit::{Visitor, walk_expression};
use crate::ir::{BinaryOperator, Expr, ExprKind, Type};

impl Lowering<'_, '_> {
    /// Reports what in a condition cannot be asked.
    pub(super) fn check_condition(&mut self, value: &Expr, condition: &ast::Expr) {
        if !self.is_final {
            return;
        }
        let mut search = Search { found: None };
        search.expression(value);
        if let Some(what) = search.found {
            let text = format!("probe condition must not use {what}");
            self.error(
                Diagnostic::semantic_error("E0230", text)
                    .at(condition.token)
                    .hint("test it with `if` inside the probe instead"),
            );
        }
    }
}

struct Search {
    found: Option<&'static str>,
}

impl Visitor for Search {
    fn expression(&mut self, expression: &Expr) {
        let found = match &expression.kind {
            ExprKind::Element(..) if expression.ty != Type::Long => {
                Some("a string element of an array")
            }
            ExprKind::Element(_, keys) if !keys.iter().all(is_usable_key) => {
                Some("a key that is a string variable")
            }
            ExprKind::In(_, keys) if keys.iter().any(Option::is_none) => Some("`*` as a key"),
            ExprKind::In(_, keys) if !keys.iter().flatten().all(is_usable_key) => {
                Some("a key that is a string variable")
            }
            ExprKind::Binary(BinaryOperator::Concat, ..) => Some("string concatenation"),
            ExprKind::Number(_)
            | ExprKind::String(_)
            | ExprKind::Global(_)
            | ExprKind::Element(..)
            | ExprKind::In(..)
            | ExprKind::Unary(..)
            | ExprKind::Binary(..)
            | ExprKind::Compare(..)
            | ExprKind::And(..)
            | ExprKind::Or(..)
            | ExprKind::Ternary(..)
            | ExprKind::Extend { .. }
            | ExprKind::CConstant(_) => None,
            ExprKind::Stat(..) => Some("a statistic"),
            _ => Some("this kind of expression"),
        };
        self.found = self.found.or(found);
        walk_expression(self, expression);
    }
}

fn is_usable_key(key: &Expr) -> bool {
    key.ty == Type::Long || matches!(key.kind, ExprKind::String(_))
}
