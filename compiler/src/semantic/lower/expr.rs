// SPDX-License-Identifier: GPL-2.0-or-later
//! Expressions.

use rstap_debuginfo::TypeId;
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::super::points::{CodeContext, Context};
use super::super::variables::{self, VariableCx};
use super::Lowering;
use super::body::{BodyEmit, BodyState};
use super::stmt::global_id;
use crate::ir;

/// The tapset's function behind `@perf`.
const READ_COUNTER: &str = "__perf_counter";

/// A lowered expression with its type and, if it is a C value, its C type.
pub(super) struct Lowered {
    pub expr: ir::Expr,
    pub ty: Ty,
    pub detail: Option<TypeId>,
}

impl Lowered {
    pub fn new(expr: ir::Expr, ty: Ty) -> Self {
        Lowered {
            expr,
            ty,
            detail: None,
        }
    }

    pub fn long(kind: ir::ExprKind, at: ir::LocationId) -> Self {
        Lowered::new(ir::Expr::long(kind, at), Ty::LONG)
    }

    pub fn string(kind: ir::ExprKind, at: ir::LocationId) -> Self {
        Lowered::new(ir::Expr::string(kind, at), Ty::STRING)
    }
}

impl Lowering<'_, '_> {
    pub(super) fn number(&mut self, number: i64, token: Span) -> ir::Expr {
        let at = self.location(token);
        ir::Expr::long(ir::ExprKind::Number(number), at)
    }

    /// Stands for an expression that has an error.
    pub(super) fn nothing(&mut self, token: Span) -> Lowered {
        // No number: a condition of it must not make a branch look dead.
        let expr = ir::Expr::long(
            ir::ExprKind::CConstant("0".to_owned()),
            self.location(token),
        );
        self.failed.insert(token);
        Lowered::new(expr, Ty::Var(self.types.fresh_unlinked()))
    }

    /// Reports that nothing says what type this is, unless something worse is wrong with it.
    pub(super) fn unresolved(&mut self, token: Span) {
        if self.failed.contains(&token) {
            return;
        }
        self.error(Diagnostic::semantic_error("E0204", "unresolved type").at(token));
    }

    /// An expression that must be a number.
    pub(super) fn long(&mut self, state: &mut BodyState, expr: &ast::Expr) -> ir::Expr {
        let value = self.expr(state, expr);
        self.unify(value.ty, Ty::LONG, expr.token);
        value.expr.of_type(ir::Type::Long)
    }

    /// An expression that must be a string.
    pub(super) fn string(&mut self, state: &mut BodyState, expr: &ast::Expr) -> ir::Expr {
        let value = self.expr(state, expr);
        self.unify(value.ty, Ty::STRING, expr.token);
        value.expr.of_type(ir::Type::String)
    }

    /// An expression with a value.
    pub(super) fn expr(&mut self, state: &mut BodyState, expr: &ast::Expr) -> Lowered {
        let value = self.expr_or_void(state, expr);
        if matches!(value.expr.kind, ir::ExprKind::Print(_)) && value.expr.ty == ir::Type::Void {
            // As a value, what prints is zero.
            let zero = self.number(0, expr.token);
            let at = value.expr.at;
            let kind = ir::ExprKind::Sequence(Box::new(value.expr), Box::new(zero));
            return Lowered::long(kind, at);
        }
        if value.expr.ty == ir::Type::Void && self.is_final {
            self.unresolved(expr.token);
        }
        // What `x++` or `x += 1` gives is a use of the variable's old value.
        if let ir::ExprKind::Step { place, .. }
        | ir::ExprKind::Assign {
            place,
            operator: Some(_),
            ..
        } = &value.expr.kind
            && let ir::Place::Global(id) | ir::Place::Element(id, _) = place
        {
            self.globals[ir::arena::EntityId::index(*id)].is_read = true;
        }
        value
    }

    /// An expression that may be a call without a value.
    pub(super) fn expr_or_void(&mut self, state: &mut BodyState, expr: &ast::Expr) -> Lowered {
        use ast::ExprKind as E;
        match &expr.kind {
            E::Number(number) => Lowered::new(self.number(*number, expr.token), Ty::LONG),
            E::String(bytes) => {
                let at = self.location(expr.token);
                let kind = ir::ExprKind::String(bytes.clone());
                Lowered::string(kind, at)
            }
            E::Ident(name) => self.identifier(state, name, expr.token),
            E::Target(target) if state.in_condition => {
                let text = format!(
                    "probe condition must not reference target variable '{}'",
                    target.name
                );
                self.error(Diagnostic::semantic_error("E0230", text).at(expr.token));
                self.nothing(expr.token)
            }
            E::Target(_)
            | E::Cast(_)
            | E::Var { .. }
            | E::Autocast { .. }
            | E::AddressOf(_)
            | E::Enum(_)
            | E::EnumName { .. }
            | E::Deref { .. }
            | E::Register { .. }
            | E::Probewrite(_) => self.target(state, expr),
            E::Perf(name) => {
                self.session.note_counter(name, expr.token);
                let span = expr.token;
                let text = E::String(name.clone().into_bytes());
                let call = E::Call {
                    name: ast::Ident {
                        name: READ_COUNTER.to_owned(),
                        span,
                    },
                    args: vec![ast::Expr::new(text, span, span)],
                };
                self.expr(state, &ast::Expr::new(call, span, span))
            }
            E::Entry(inner) => self.entry(state, inner, expr.token),
            E::Defined(inner) => {
                let is_defined = self.is_defined(state, inner);
                Lowered::new(self.number(i64::from(is_defined), expr.token), Ty::LONG)
            }
            E::Const(text) => {
                let at = self.location(expr.token);
                let kind = ir::ExprKind::CConstant(text.clone());
                Lowered::long(kind, at)
            }
            E::Unary { op, operand } => self.unary(state, *op, operand, expr.token),
            E::Binary { op, left, right } => self.binary(state, *op, left, right, expr.token),
            E::Regex {
                negated,
                left,
                pattern,
                pattern_span,
            } => {
                let string = self.string(state, left);
                let at = self.location(expr.token);
                let Ok(pattern) = String::from_utf8(pattern.clone()) else {
                    let text = "regular expression is not valid UTF-8";
                    self.error(Diagnostic::semantic_error("E0231", text).at(*pattern_span));
                    return self.nothing(expr.token);
                };
                if self.is_final
                    && let Err(problem) = crate::regex::check(&pattern)
                {
                    let text = format!("regex compilation error: {problem}");
                    self.error(Diagnostic::semantic_error("E0236", text).at(*pattern_span));
                    return self.nothing(expr.token);
                }
                let kind = ir::ExprKind::Match {
                    string: Box::new(string),
                    pattern,
                    negated: *negated,
                    captures: false,
                };
                Lowered::long(kind, at)
            }
            E::Assign { op, target, value } => self.assign(state, *op, target, value, expr.token),
            E::IncDec {
                increment,
                prefix,
                operand,
            } => self.step(state, *increment, *prefix, operand, expr.token),
            E::Ternary {
                condition,
                then,
                otherwise,
            } => self.ternary(state, condition, then, otherwise, expr.token),
            E::In { indexes, base } => self.membership(state, indexes, base, expr.token),
            E::Index { base, indexes } => self.index(state, base, indexes, expr.token),
            E::Call { name, args } => self.call(state, name, args, expr.token),
            E::Stat { op, operand, shift } => {
                self.stat_operation(state, *op, operand, *shift, expr.token)
            }
            E::Hist(_) => {
                let text = "a histogram can only be printed, indexed or iterated over";
                self.error(Diagnostic::semantic_error("E0229", text).at(expr.token));
                self.nothing(expr.token)
            }
            E::Print(print) => self.print(state, print, expr.token),
            E::EmbeddedC(code) => self.embedded_expr(state, code, expr.token),
        }
    }

    fn identifier(&mut self, state: &mut BodyState, name: &str, token: Span) -> Lowered {
        let at = self.location(token);
        if state.lookup(name).is_none()
            && let Some(global) = self.global(name, state.unit)
        {
            self.globals[global].is_read = true;
            if !self.set_arity(global, 0, token) {
                return self.nothing(token);
            }
            let ty = self.globals[global].value;
            if self.types.get(ty) == Some(ir::Type::Stat) {
                let text = format!("statistic '{name}' cannot be used as a value");
                self.error(
                    Diagnostic::semantic_error("E0226", text)
                        .at(token)
                        .hint("use @count(), @sum(), @min(), @max() or @avg() of it"),
                );
                return self.nothing(token);
            }
            let known = self.types.get(ty).unwrap_or(ir::Type::Long);
            let kind = ir::ExprKind::Global(global_id(global));
            let detail = self.types.detail(ty);
            return Lowered {
                expr: ir::Expr::new(kind, known, at),
                ty,
                detail,
            };
        }
        if state.in_condition {
            let text = format!("probe condition must not reference undeclared global '{name}'");
            self.error(Diagnostic::semantic_error("E0230", text).at(token));
            return self.nothing(token);
        }
        let (id, ty) = self.local(state, name);
        state.note_read(id, token);
        let known = self.types.get(ty).unwrap_or(ir::Type::Long);
        let detail = self.types.detail(ty);
        Lowered {
            expr: ir::Expr::new(ir::ExprKind::Local(id), known, at),
            ty,
            detail,
        }
    }

    /// Target variables and what else needs debug information.
    pub(super) fn target(&mut self, state: &mut BodyState, expr: &ast::Expr) -> Lowered {
        let (operand, indexes) = self.target_operands(state, expr);
        let result = self.with_variables(state, |cx, emit| {
            variables::resolve(cx, expr, operand, indexes, emit)
        });
        match result {
            Ok(value) => Lowered {
                ty: Ty::Known(value.expr.ty),
                expr: value.expr,
                detail: value.detail,
            },
            Err(error) => {
                self.error(error);
                self.nothing(expr.token)
            }
        }
    }

    /// What `resolve` finds out about target variables where this body stands.
    pub(super) fn with_variables<T>(
        &mut self,
        state: &mut BodyState,
        resolve: impl FnOnce(&VariableCx, &mut BodyEmit) -> T,
    ) -> T {
        let context = state.context.clone();
        let cx = VariableCx {
            session: self.session,
            context: &context,
        };
        let mut emit = BodyEmit {
            lowering: self,
            saved: &mut state.saved,
        };
        resolve(&cx, &mut emit)
    }

    /// What stands inside a target expression, lowered: the operand of a cast
    /// and the indexes, in order.
    pub(super) fn target_operands(
        &mut self,
        state: &mut BodyState,
        expr: &ast::Expr,
    ) -> (Option<(ir::Expr, Option<TypeId>)>, Vec<ir::Expr>) {
        use ast::ExprKind as E;
        let (operand, suffixes): (Option<&ast::Expr>, &[ast::TargetSuffix]) = match &expr.kind {
            E::AddressOf(inner) | E::Probewrite(inner) => {
                return self.target_operands(state, inner);
            }
            E::Target(target) => (None, &target.suffixes),
            E::Cast(cast) => (Some(&cast.operand), &cast.suffixes),
            E::Var { suffixes, .. } => (None, suffixes),
            E::Autocast { operand, suffixes } => (Some(operand), suffixes),
            E::EnumName { value, .. } => (Some(value), &[]),
            E::Deref { size, address, .. } => {
                let size = self.long(state, size);
                let address = self.long(state, address);
                return (Some((address, None)), vec![size]);
            }
            E::Register { number, .. } => (Some(number), &[]),
            _ => (None, &[]),
        };
        let operand = operand.map(|operand| {
            let value = self.expr(state, operand);
            self.unify(value.ty, Ty::LONG, operand.token);
            (value.expr, value.detail)
        });
        let indexes = suffixes
            .iter()
            .filter_map(|suffix| match suffix {
                ast::TargetSuffix::Index(index) => Some(self.long(state, index)),
                _ => None,
            })
            .collect();
        (operand, indexes)
    }

    /// Whether an expression can be resolved here; nothing is reported.
    pub(super) fn is_defined(&mut self, state: &mut BodyState, expr: &ast::Expr) -> bool {
        let errors = std::mem::take(&mut self.errors);
        self.dropped(state, expr);
        let is_defined = self.errors.is_empty();
        self.errors = errors;
        is_defined
    }

    /// The type of an expression that is not evaluated; what it would need is forgotten.
    fn dropped(&mut self, state: &mut BodyState, expr: &ast::Expr) -> Ty {
        let synthesized = self.synthesized.len();
        let (words, strings) = (state.saved.words.len(), state.saved.strings.len());
        let read = state.read.len();
        let ty = self.expr_or_void(state, expr).ty;
        self.synthesized.truncate(synthesized);
        state.saved.words.truncate(words);
        state.saved.strings.truncate(strings);
        state.read.truncate(read);
        ty
    }

    /// `@entry(expr)`: evaluated when the function is entered, kept for its return.
    fn entry(&mut self, state: &mut BodyState, inner: &ast::Expr, token: Span) -> Lowered {
        if !state.is_return || state.in_entry {
            return self.entry_error(token);
        }
        let at_entry = match &state.context {
            Context::Code(code) => Context::Code(std::rc::Rc::new(CodeContext {
                is_return: false,
                is_entry: true,
                ..CodeContext::clone(code)
            })),
            other => other.clone(),
        };
        let context = std::mem::replace(&mut state.context, at_entry);
        let was_entry = std::mem::replace(&mut state.in_entry, true);
        let value = self.expr(state, inner);
        state.context = context;
        state.in_entry = was_entry;
        let ty = match self.types.get(value.ty) {
            Some(ir::Type::String) => ir::Type::String,
            _ => ir::Type::Long,
        };
        Lowered {
            expr: state.saved.keep(value.expr, ty),
            ty: Ty::Known(ty),
            detail: value.detail,
        }
    }

    fn entry_error(&mut self, token: Span) -> Lowered {
        let text = "@entry is only valid in .return probes";
        self.error(Diagnostic::semantic_error("E0232", text).at(token));
        self.nothing(token)
    }

    fn unary(
        &mut self,
        state: &mut BodyState,
        op: ast::UnaryOp,
        operand: &ast::Expr,
        token: Span,
    ) -> Lowered {
        let operand = self.long(state, operand);
        let at = self.location(token);
        let operator = match op {
            ast::UnaryOp::Plus => return Lowered::new(operand, Ty::LONG),
            ast::UnaryOp::Negate => ir::UnaryOperator::Negate,
            ast::UnaryOp::Not => ir::UnaryOperator::Not,
            ast::UnaryOp::Complement => ir::UnaryOperator::Complement,
        };
        if let ir::ExprKind::Number(number) = operand.kind {
            let number = match op {
                ast::UnaryOp::Plus => number,
                ast::UnaryOp::Negate => number.wrapping_neg(),
                ast::UnaryOp::Not => i64::from(number == 0),
                ast::UnaryOp::Complement => !number,
            };
            return Lowered::new(self.number(number, token), Ty::LONG);
        }
        let kind = ir::ExprKind::Unary(operator, Box::new(operand));
        Lowered::long(kind, at)
    }

    fn binary(
        &mut self,
        state: &mut BodyState,
        op: ast::BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        token: Span,
    ) -> Lowered {
        use ast::BinaryOp as B;
        let at = self.location(token);
        if op == B::Concat {
            let left = self.string(state, left);
            let right = self.string(state, right);
            let kind = match (&left.kind, &right.kind) {
                // What is longer is cut, and counted, where it is joined.
                (ir::ExprKind::String(left), ir::ExprKind::String(right))
                    if left.len() + right.len() < self.string_size() =>
                {
                    ir::ExprKind::String([left.as_slice(), right.as_slice()].concat())
                }
                _ => ir::ExprKind::Concat(Box::new(left), Box::new(right)),
            };
            return Lowered::string(kind, at);
        }
        if matches!(op, B::LogicalAnd | B::LogicalOr) {
            return self.logical(state, op == B::LogicalAnd, left, right, token);
        }
        if op.is_comparison() {
            return self.comparison(state, op, left, right, token);
        }
        let left = self.long(state, left);
        let right = self.long(state, right);
        let operator = binary_operator(op);
        if let (ir::ExprKind::Number(one), ir::ExprKind::Number(other)) = (&left.kind, &right.kind)
            && let Some(number) = super::super::optimize::fold(operator, *one, *other)
        {
            return Lowered::new(self.number(number, token), Ty::LONG);
        }
        let kind = ir::ExprKind::Binary(operator, Box::new(left), Box::new(right));
        Lowered::long(kind, at)
    }

    fn logical(
        &mut self,
        state: &mut BodyState,
        is_and: bool,
        left: &ast::Expr,
        right: &ast::Expr,
        token: Span,
    ) -> Lowered {
        let at = self.location(token);
        let left = self.long(state, left);
        if let ir::ExprKind::Number(number) = left.kind {
            if (number != 0) != is_and {
                return Lowered::new(self.number(i64::from(!is_and), token), Ty::LONG);
            }
            let right = self.long(state, right);
            let kind = if let ir::ExprKind::Number(number) = right.kind {
                ir::ExprKind::Number(i64::from(number != 0))
            } else {
                let zero = self.number(0, token);
                ir::ExprKind::Compare(
                    ir::CompareOperator::NotEqual,
                    Box::new(right),
                    Box::new(zero),
                )
            };
            return Lowered::long(kind, at);
        }
        let right = self.long(state, right);
        let (left, right) = (Box::new(left), Box::new(right));
        let kind = if is_and {
            ir::ExprKind::And(left, right)
        } else {
            ir::ExprKind::Or(left, right)
        };
        Lowered::long(kind, at)
    }

    fn comparison(
        &mut self,
        state: &mut BodyState,
        op: ast::BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        token: Span,
    ) -> Lowered {
        use ast::BinaryOp as B;
        let at = self.location(token);
        let right_token = right.token;
        let left = self.expr(state, left);
        let right = self.expr(state, right);
        self.unify(left.ty, right.ty, right_token);
        match self.types.get(left.ty) {
            None if self.is_final => self.unresolved(token),
            Some(ir::Type::Stat) => {
                let text = "statistics cannot be compared";
                self.error(Diagnostic::semantic_error("E0226", text).at(token));
            }
            _ => {}
        }
        let operator = match op {
            B::Less => ir::CompareOperator::Less,
            B::Greater => ir::CompareOperator::Greater,
            B::LessEqual => ir::CompareOperator::LessOrEqual,
            B::GreaterEqual => ir::CompareOperator::GreaterOrEqual,
            B::NotEqual => ir::CompareOperator::NotEqual,
            _ => ir::CompareOperator::Equal,
        };
        if let Some(result) = fold_comparison(operator, &left.expr.kind, &right.expr.kind) {
            return Lowered::new(self.number(i64::from(result), token), Ty::LONG);
        }
        let (mut left, mut right) = (left.expr, right.expr);
        // One side may have been learnt from the other.
        if left.ty == ir::Type::String || right.ty == ir::Type::String {
            left.ty = ir::Type::String;
            right.ty = ir::Type::String;
        }
        let kind = ir::ExprKind::Compare(operator, Box::new(left), Box::new(right));
        Lowered::long(kind, at)
    }

    fn ternary(
        &mut self,
        state: &mut BodyState,
        condition: &ast::Expr,
        then: &ast::Expr,
        otherwise: &ast::Expr,
        token: Span,
    ) -> Lowered {
        let asks = asks_target(condition);
        let condition = self.long(state, condition);
        if let ir::ExprKind::Number(number) = condition.kind {
            let (taken, dropped) = if number != 0 {
                (then, otherwise)
            } else {
                (otherwise, then)
            };
            let taken = self.expr_or_void(state, taken);
            // What `@defined` rules out need not make sense on this kernel; all else must.
            if !asks {
                let dropped_ty = self.dropped(state, dropped);
                self.unify(dropped_ty, taken.ty, dropped.token);
            }
            return taken;
        }
        let other_token = otherwise.token;
        let then = self.expr(state, then);
        let otherwise = self.expr(state, otherwise);
        self.unify(otherwise.ty, then.ty, other_token);
        let ty = if self.types.get(then.ty).is_some() {
            then.ty
        } else {
            otherwise.ty
        };
        let known = self.types.get(ty).unwrap_or(ir::Type::Long);
        let at = self.location(token);
        let detail = match (then.detail, otherwise.detail) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => one.or(other),
        };
        let (then, otherwise) = (then.expr.of_type(known), otherwise.expr.of_type(known));
        let kind = ir::ExprKind::Ternary(Box::new(condition), Box::new(then), Box::new(otherwise));
        Lowered {
            expr: ir::Expr::new(kind, known, at),
            ty,
            detail,
        }
    }
}

pub(super) fn binary_operator(op: ast::BinaryOp) -> ir::BinaryOperator {
    use ast::BinaryOp as B;
    match op {
        B::Subtract => ir::BinaryOperator::Subtract,
        B::Multiply => ir::BinaryOperator::Multiply,
        B::Divide => ir::BinaryOperator::Divide,
        B::Modulo => ir::BinaryOperator::Modulo,
        B::ShiftLeft => ir::BinaryOperator::ShiftLeft,
        B::ShiftRight => ir::BinaryOperator::ShiftRight,
        B::ShiftRightLogical => ir::BinaryOperator::ShiftRightLogical,
        B::And => ir::BinaryOperator::And,
        B::Or => ir::BinaryOperator::Or,
        B::Xor => ir::BinaryOperator::Xor,
        B::Concat => ir::BinaryOperator::Concat,
        // Comparisons and logic are handled before; what is left is the sum.
        _ => ir::BinaryOperator::Add,
    }
}

fn fold_comparison(
    operator: ir::CompareOperator,
    left: &ir::ExprKind,
    right: &ir::ExprKind,
) -> Option<bool> {
    let ordering = match (left, right) {
        (ir::ExprKind::Number(left), ir::ExprKind::Number(right)) => left.cmp(right),
        (ir::ExprKind::String(left), ir::ExprKind::String(right)) => left.cmp(right),
        _ => return None,
    };
    Some(match operator {
        ir::CompareOperator::Equal => ordering.is_eq(),
        ir::CompareOperator::NotEqual => ordering.is_ne(),
        ir::CompareOperator::Less => ordering.is_lt(),
        ir::CompareOperator::LessOrEqual => ordering.is_le(),
        ir::CompareOperator::Greater => ordering.is_gt(),
        ir::CompareOperator::GreaterOrEqual => ordering.is_ge(),
    })
}

/// Whether an expression depends on what the kernel or program has.
fn asks_target(expr: &ast::Expr) -> bool {
    let mut asks = false;
    super::super::visit::expression(expr, &mut |expr| {
        asks |= matches!(
            expr.kind,
            ast::ExprKind::Defined(_) | ast::ExprKind::Probewrite(_)
        );
    });
    asks
}
