// SPDX-License-Identifier: GPL-2.0-or-later
//! `.callee("f")` and `.callees(DEPTH)`: a function only when another one calls it.
//!
//! A copy inlined into the caller has a place of its own. A callee with code of its own is
//! probed at its entry, behind a test that the return addresses on the stack are those of
//! the calls that lead from the caller to it. The kernel's own unwinder finds them; in
//! programs, where on the stack they are is known from the frame description of each call.
//! The distance of a return address from the callee is the same wherever the file is loaded.

use std::collections::BTreeMap;
use std::rc::Rc;

use rstap_debuginfo::{Address, CallSite, Callee, Function, FunctionKind, glob};
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::pattern::{CodePattern, Lines};
use super::place::{self, Copies, Site};
use super::{Found, Request, error, from_target, name_span};
use crate::arch;

/// What is asked of the callees.
pub(super) struct Wanted {
    pattern: CodePattern,
    /// Calls of calls: 1 for direct ones alone.
    depth: u32,
    /// `.call`: those with code of their own.
    is_call: bool,
    is_return: bool,
}

/// Tapset function that gives a return address as its distance from the probed function.
const CALLER: &str = "__caller_distance";

impl Wanted {
    /// `None` if the point is not about callees.
    pub fn of(request: &Request) -> Result<Option<Wanted>, Diagnostic> {
        if let Some(callee) = request.string("callee") {
            return Ok(Some(Wanted {
                pattern: CodePattern::parse(&callee).map_err(error)?,
                depth: 1,
                is_call: request.has("call"),
                is_return: request.has("return"),
            }));
        }
        if !request.has("callees") {
            return Ok(None);
        }
        let depth = request.number("callees").unwrap_or(1);
        let depth = match u32::try_from(depth) {
            Ok(depth @ 1..) => depth,
            _ => return Err(error(format!("invalid depth {depth} of .callees"))),
        };
        let pattern = CodePattern {
            function: "*".to_owned(),
            file: None,
            lines: Lines::None,
        };
        Ok(Some(Wanted {
            pattern,
            depth,
            is_call: false,
            is_return: false,
        }))
    }

    /// The probes of what a function calls.
    pub fn find(
        &self,
        site: &Site,
        caller: &Function,
        found: &mut Vec<Found>,
    ) -> Result<(), Diagnostic> {
        let mut walk = Walk {
            wanted: self,
            site,
            known: BTreeMap::new(),
            calls: BTreeMap::new(),
            found,
        };
        walk.enter(caller, &Vec::new(), 1)?;
        walk.finish()
    }
}

/// Return addresses that must be on the stack, the outermost first.
type Chain = Vec<Address>;

struct Walk<'w> {
    wanted: &'w Wanted,
    site: &'w Site<'w>,
    /// Functions with code of their own, by name.
    known: BTreeMap<String, Vec<Function>>,
    /// Ways to a callee, by names and place of caller and callee.
    calls: BTreeMap<(String, String, u64), (Function, Vec<Chain>)>,
    found: &'w mut Vec<Found>,
}

impl Walk<'_> {
    fn enter(&mut self, caller: &Function, chain: &Chain, depth: u32) -> Result<(), Diagnostic> {
        let callees = self.site.session().target.callees(caller);
        for callee in callees.map_err(|error| from_target(&error))? {
            match callee {
                Callee::Inlined(copy) => self.inlined(caller, &copy, chain, depth)?,
                Callee::Called(call) if !call.tail_call => {
                    let Some(name) = &call.callee else { continue };
                    let mut longer = chain.clone();
                    longer.push(call.return_address);
                    for function in self.named(name)? {
                        self.called(caller, &function, &longer, depth)?;
                    }
                }
                Callee::Called(call) if chain.is_empty() => self.jumped(caller, &call)?,
                // Of what jumps lead on to, nothing tells where it came from.
                Callee::Called(_) => {}
            }
        }
        Ok(())
    }

    fn inlined(
        &mut self,
        caller: &Function,
        copy: &Function,
        chain: &Chain,
        depth: u32,
    ) -> Result<(), Diagnostic> {
        let only_others = self.wanted.is_call || self.wanted.is_return;
        // A copy inside a callee with code of its own runs for other callers, too.
        if !only_others && chain.is_empty() && self.is_wanted(copy) {
            let kind = self.site.address(copy.entry)?;
            let context = self.site.context(Some(copy), copy.entry.value, false);
            let name = self.name(&place::qualified(caller), copy);
            self.found.push(Found::new(kind, name, context));
        }
        if depth < self.wanted.depth {
            self.enter(copy, chain, depth + 1)?;
        }
        Ok(())
    }

    fn called(
        &mut self,
        caller: &Function,
        callee: &Function,
        chain: &Chain,
        depth: u32,
    ) -> Result<(), Diagnostic> {
        if self.is_wanted(callee) && self.site.check(callee, true)?.is_some() {
            let key = (
                place::qualified(caller),
                place::qualified(callee),
                callee.entry.value,
            );
            let (_, chains) = self
                .calls
                .entry(key)
                .or_insert_with(|| (callee.clone(), Vec::new()));
            chains.push(chain.clone());
        }
        if depth < self.wanted.depth {
            self.enter(callee, chain, depth + 1)?;
        }
        Ok(())
    }

    /// A jump in place of a call leaves no return address behind, but at the jump itself
    /// everything is as it will be at the callee's entry.
    fn jumped(&mut self, caller: &Function, call: &CallSite) -> Result<(), Diagnostic> {
        let (Some(name), Some(jump)) = (&call.callee, call.jump) else {
            return Ok(());
        };
        let is_return = self.wanted.is_return;
        // A return probe takes the return address that is on the stack at the jump; those of
        // the kernel can be put at entries only.
        if is_return && self.site.program.is_none() {
            return Ok(());
        }
        for callee in self.named(name)? {
            if callee.entry == jump.to && self.is_wanted(&callee) {
                let kind = self.site.instruction(jump.from, is_return)?;
                let context = self
                    .site
                    .context_of_jump(&callee, jump.from.value, is_return);
                let name = self.name(&place::qualified(caller), &callee);
                self.found.push(Found::new(kind, name, context));
            }
        }
        Ok(())
    }

    fn is_wanted(&self, function: &Function) -> bool {
        let pattern = &self.wanted.pattern;
        glob::matches(&pattern.function, &function.name)
            && pattern.file.as_ref().is_none_or(|file| {
                function
                    .declaration
                    .as_ref()
                    .is_some_and(|position| glob::matches_path(file, &position.file))
            })
    }

    fn named(&mut self, name: &str) -> Result<Vec<Function>, Diagnostic> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let pattern = CodePattern {
            function: name.to_owned(),
            file: None,
            lines: Lines::None,
        };
        let functions = place::functions(self.site, &pattern, Copies::Concrete)?;
        self.known.insert(name.to_owned(), functions.clone());
        Ok(functions)
    }

    fn name(&self, caller: &str, callee: &Function) -> String {
        let suffix = match (self.wanted.is_call, self.wanted.is_return) {
            (true, _) => ".call",
            (_, true) => ".return",
            _ => "",
        };
        format!(
            "{}.function(\"{caller}\").callee(\"{}\"){suffix}",
            self.site.prefix(),
            place::qualified(callee)
        )
    }

    /// Makes the probes of callees that have code of their own.
    fn finish(mut self) -> Result<(), Diagnostic> {
        for ((caller, _, entry), (callee, chains)) in std::mem::take(&mut self.calls) {
            let tests: Vec<ast::Expr> = chains
                .iter()
                .filter_map(|chain| self.test(&callee, chain))
                .collect();
            let Some(test) = any(tests) else { continue };
            let is_return = self.wanted.is_return;
            let Some(probeable) = self.site.check(&callee, true)? else {
                continue;
            };
            let kind = match is_return {
                true => self.site.returning(&callee, 0)?,
                false => self.site.entry(&callee, &probeable)?,
            };
            let context = self.site.context(Some(&callee), entry, is_return);
            let name = self.name(&caller, &callee);
            self.found.push(Found {
                guard: Some(Rc::new(unless(test))),
                ..Found::new(kind, name, context)
            });
        }
        Ok(())
    }

    /// Whether the return addresses of a chain are on the stack. `None` if it is not known
    /// where one of them is.
    fn test(&self, callee: &Function, chain: &Chain) -> Option<ast::Expr> {
        let span = self.span();
        let number = |value| ast::Expr::new(ast::ExprKind::Number(value), span, span);
        // Where the next return address is: a register at the callee's entry, and an offset.
        let mut slot = (arch::STACK_POINTER, 0);
        let mut tests = Vec::new();
        for (index, address) in chain.iter().rev().enumerate() {
            let distance = address.value.wrapping_sub(callee.entry.value);
            let name = ast::Ident {
                name: CALLER.to_owned(),
                span,
            };
            let level = i64::try_from(index).ok()?;
            let args = vec![number(level), number(i64::from(slot.0)), number(slot.1)];
            let call = ast::Expr::new(ast::ExprKind::Call { name, args }, span, span);
            tests.push(binary(
                ast::BinaryOp::Equal,
                call,
                number(distance.cast_signed()),
            ));
            if index + 1 == chain.len() || self.site.program.is_none() {
                continue;
            }
            let of_call = Address {
                value: address.value.wrapping_sub(1),
                ..*address
            };
            let (register, offset) = self.site.session().target.frame_at(of_call)?;
            slot = match register {
                // The call itself took one word, which the return address was in.
                arch::STACK_POINTER => (slot.0, slot.1 + offset),
                // Functions in between keep it, so it is as it was in the innermost caller.
                arch::FRAME_POINTER if index == 0 => {
                    (arch::FRAME_POINTER, offset - i64::from(arch::WORD_SIZE))
                }
                _ => return None,
            };
        }
        tests
            .into_iter()
            .reduce(|left, right| binary(ast::BinaryOp::LogicalAnd, left, right))
    }

    fn span(&self) -> Span {
        let first = self.site.request.components.first();
        first.map(name_span).unwrap_or_default()
    }
}

fn binary(op: ast::BinaryOp, left: ast::Expr, right: ast::Expr) -> ast::Expr {
    let span = left.span;
    let kind = ast::ExprKind::Binary {
        op,
        left: Box::new(left),
        right: Box::new(right),
    };
    ast::Expr::new(kind, span, span)
}

fn any(tests: Vec<ast::Expr>) -> Option<ast::Expr> {
    tests
        .into_iter()
        .reduce(|left, right| binary(ast::BinaryOp::LogicalOr, left, right))
}

/// `if (!test) next`
fn unless(test: ast::Expr) -> ast::Stmt {
    let span = test.span;
    let kind = ast::ExprKind::Unary {
        op: ast::UnaryOp::Not,
        operand: Box::new(test),
    };
    let then = ast::Stmt {
        kind: ast::StmtKind::Next,
        span,
    };
    let kind = ast::StmtKind::If {
        condition: ast::Expr::new(kind, span, span),
        then: Box::new(then),
        otherwise: None,
    };
    ast::Stmt { kind, span }
}

/// Functions with no copy inlined and no call of a callee that is known.
pub(super) fn none_found(caller: &str) -> String {
    format!(
        "'{caller}' makes no such call that the debug information describes: only direct calls \
         of functions in the same file are known, no calls through pointers"
    )
}

/// Whether a caller's calls can be known at all.
pub(super) fn has_calls(caller: &Function) -> bool {
    caller.kind != FunctionKind::SymbolOnly
}
