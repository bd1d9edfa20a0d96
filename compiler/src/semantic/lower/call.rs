// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls: overloads, and functions made once for each probe whose `$variables` they use.

use std::collections::HashMap;
use std::rc::Rc;

use rstap_syntax::ast;
use rstap_syntax::diag::{Diagnostic, counted};
use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::super::points::Context;
use super::super::session::{Origin, UnitId};
use super::super::{similar, visit};
use super::body::BodyState;
use super::embedded::has_tag;
use super::expr::Lowered;
use super::{FunctionInfo, FunctionKey, Lowering, Overload};
use crate::ir;

impl Lowering<'_, '_> {
    pub(super) fn call(
        &mut self,
        state: &mut BodyState,
        name: &ast::Ident,
        args: &[ast::Expr],
        token: Span,
    ) -> Lowered {
        if state.in_condition {
            let text = "probe condition must not reference function";
            self.error(Diagnostic::semantic_error("E0230", text).at(token));
            return self.nothing(token);
        }
        if matches!(name.name.as_str(), "matched" | "ngroups") {
            self.captures_used = true;
        }
        let overloads = self.overloads(&name.name, state.unit);
        let fitting: Vec<&Overload> = overloads
            .iter()
            .filter(|(function, _)| function.params.len() == args.len())
            .collect();
        if fitting.is_empty() {
            self.no_function(name, args.len(), &overloads);
            // The arguments may hold errors of their own.
            for argument in args {
                self.expr(state, argument);
            }
            return self.nothing(token);
        }
        let needs_guru = |(function, _): &&Overload| match &function.body {
            ast::FunctionBody::EmbeddedC(code) => has_tag(&code.code, "guru"),
            ast::FunctionBody::Block(_) => false,
        };
        if !self.session.options.guru && fitting.iter().any(needs_guru) {
            let text = format!(
                "function '{}' may not be used unless -g is specified",
                name.name
            );
            let hint = "it can harm the kernel or a process; -g (guru mode) allows it";
            self.error(
                Diagnostic::semantic_error("E0213", text)
                    .at(name.span)
                    .hint(hint),
            );
            return self.nothing(token);
        }
        let indexes: Vec<usize> = fitting
            .iter()
            .map(|(function, unit)| self.function_instance(state, function, *unit))
            .collect();
        let mut arguments = Vec::with_capacity(args.len());
        for (position, argument) in args.iter().enumerate() {
            let value = self.expr(state, argument);
            let mut known = None;
            for &index in &indexes {
                let Some(&parameter) = self.functions[index].parameters.get(position) else {
                    continue;
                };
                self.unify(value.ty, parameter, argument.token);
                self.types.add_detail(parameter, value.detail);
                known = known.or(self.types.get(parameter));
            }
            let mut expr = value.expr;
            expr.ty = known.unwrap_or(expr.ty);
            arguments.push(expr);
        }
        let first = indexes.first().copied().unwrap_or_default();
        let returns = self.functions[first].returns;
        for &index in indexes.iter().skip(1) {
            let other = self.functions[index].returns;
            self.unify(returns, other, token);
        }
        let candidates = indexes
            .iter()
            .map(|&index| ir::arena::EntityId::new(index))
            .collect();
        let ty = self.types.get(returns).unwrap_or(ir::Type::Void);
        let at = self.location(token);
        let detail = self.types.detail(returns);
        let kind = ir::ExprKind::Call {
            candidates,
            arguments,
        };
        Lowered {
            expr: ir::Expr::new(kind, ty, at),
            ty: returns,
            detail,
        }
    }

    /// All declarations of a name, in the order in which they are tried.
    fn overloads(&mut self, name: &str, unit: UnitId) -> Rc<Vec<Overload>> {
        let key = (unit, name.to_owned());
        if let Some(known) = self.function_names.get(&key) {
            return Rc::clone(known);
        }
        let mut found = self.session.functions(name, unit);
        found.sort_by_key(|(function, unit)| {
            let is_user = self.session.unit(*unit).origin == Origin::User;
            function.priority.unwrap_or(i64::from(!is_user))
        });
        let found = Rc::new(found);
        self.function_names.insert(key, Rc::clone(&found));
        found
    }

    fn no_function(&mut self, name: &ast::Ident, arity: usize, overloads: &[Overload]) {
        let mut error =
            Diagnostic::semantic_error("E0206", format!("unresolved function {}", name.name))
                .at(name.span);
        if overloads.is_empty() {
            let mut names = self.session.library.function_names();
            for unit in self.session.units() {
                names.extend(
                    unit.functions
                        .iter()
                        .map(|function| function.name.name.clone()),
                );
            }
            let similar = similar::several(&name.name, &names);
            if !similar.is_empty() {
                error.message = format!("{} (similar: {})", error.message, similar.join(", "));
            }
        } else {
            let arities: Vec<String> = overloads
                .iter()
                .map(|(function, _)| function.params.len().to_string())
                .collect();
            error.message = format!(
                "arity mismatch found (function '{}' takes {} args)",
                name.name,
                arities.join(" or "),
            );
            for (function, _) in overloads {
                error = error.label(
                    function.name.span,
                    format!(
                        "this one takes {}, not {arity}",
                        counted(function.params.len() as u64, "argument")
                    ),
                );
            }
        }
        self.error(error);
    }

    /// The number of a function as it is called from here.
    pub(super) fn function_instance(
        &mut self,
        state: &BodyState,
        function: &Rc<ast::Function>,
        unit: UnitId,
    ) -> usize {
        let probe = if self.function_uses_target(function, unit, 0) {
            state.probe
        } else {
            None
        };
        let key = FunctionKey {
            declaration: Rc::as_ptr(function),
            probe,
        };
        if let Some(&index) = self.function_ids.get(&key) {
            return index;
        }
        let declared = |this: &mut Self, ty: Option<ast::Type>| match ty {
            Some(ast::Type::Long) => {
                let var = Ty::Var(this.types.fresh());
                // A variable and not the bare type, so that a C type can be kept with it.
                let _ = this.types.unify(var, Ty::LONG, function.name.span);
                var
            }
            Some(ast::Type::String) => Ty::STRING,
            None => Ty::Var(this.types.fresh()),
        };
        let parameters = function
            .params
            .iter()
            .map(|param| declared(self, param.ty))
            .collect();
        let returns = declared(self, function.return_type);
        let index = self.functions.len();
        self.functions.push(FunctionInfo {
            declaration: Rc::clone(function),
            unit,
            parameters,
            returns,
            locals: HashMap::new(),
            context: if probe.is_some() {
                state.context.clone()
            } else {
                Context::Empty
            },
            probe,
        });
        self.function_ids.insert(key, index);
        index
    }

    /// Whether a function, or one that it calls, uses `$variables` of the probe.
    fn function_uses_target(
        &mut self,
        function: &Rc<ast::Function>,
        unit: UnitId,
        depth: usize,
    ) -> bool {
        let pointer = Rc::as_ptr(function);
        if let Some(&known) = self.uses_target.get(&pointer) {
            return known;
        }
        // Recursive functions meet themselves here: no new fact then.
        self.uses_target.insert(pointer, false);
        let ast::FunctionBody::Block(body) = &function.body else {
            return false;
        };
        let mut uses = false;
        let mut calls = Vec::new();
        visit::statement(body, &mut |expr| match &expr.kind {
            ast::ExprKind::Target(_) => uses = true,
            ast::ExprKind::Call { name, args } => calls.push((name.name.clone(), args.len())),
            _ => {}
        });
        // Beyond this depth a chain of calls is not followed for `$`.
        if !uses && depth < 32 {
            for (name, arity) in calls {
                let overloads = self.overloads(&name, unit);
                uses = overloads
                    .iter()
                    .filter(|(callee, _)| callee.params.len() == arity)
                    .any(|(callee, unit)| self.function_uses_target(callee, *unit, depth + 1));
                if uses {
                    break;
                }
            }
        }
        self.uses_target.insert(pointer, uses);
        uses
    }

    /// Adds a pretty printer, or finds an equal one, wherever in the script that was asked for:
    /// its errors stay inside it.
    pub(super) fn synthesize(&mut self, mut function: ir::Function) -> ir::FunctionId {
        let base = self.functions.len();
        let number = self.synthesized.len();
        let place = format!("at: {:?}", function.location);
        let text = format!("{:?} {:?}", function.locals, function.body).replace(&place, "at");
        let entry = self.synthesized.entry(text);
        let position = entry.index();
        entry.or_insert_with(|| {
            function.c_name = format!("{}_s{number}", function.name);
            function
        });
        ir::arena::EntityId::new(base + position)
    }
}
