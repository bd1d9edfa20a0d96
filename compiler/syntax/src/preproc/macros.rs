// SPDX-License-Identifier: GPL-2.0-or-later
//! `@define`, calls of macros, and parameters.

use std::sync::Arc;

use super::{BUILTIN_OPERATORS, Macro, Preprocessor, Scope};
use crate::diag::Diagnostic;
use crate::lexer::{Token, TokenKind};
use crate::span::ExpansionKind;

impl Preprocessor<'_, '_> {
    /// An `@word` at `tokens[at]`; gives the place behind what it used.
    pub(super) fn at_word(
        &mut self,
        tokens: &[Token],
        at: usize,
        name: &str,
        scope: &Scope<'_>,
        depth: usize,
    ) -> usize {
        if let Some(index) = scope.params.iter().position(|param| param == name) {
            self.parameter(tokens, at, name, index, scope, depth);
            return at + 1;
        }
        if name == "define" {
            return self.define(tokens, at);
        }
        let found = self
            .local
            .get(name)
            .or_else(|| self.library.macros.get(name))
            .cloned();
        match (found, tokens.get(at)) {
            (Some(definition), _) => self.call(tokens, at, name, &definition, scope, depth),
            (None, Some(&token)) => {
                self.emit(token, scope);
                at + 1
            }
            (None, None) => at + 1,
        }
    }

    fn parameter(
        &mut self,
        tokens: &[Token],
        at: usize,
        name: &str,
        index: usize,
        scope: &Scope<'_>,
        depth: usize,
    ) {
        let (Some(token), Some(arg), Some(caller)) =
            (tokens.get(at), scope.args.get(index), scope.caller)
        else {
            return;
        };
        let call = self.placed(token.span, scope);
        let kind = ExpansionKind::MacroParameter;
        let Some(expansion) = self.begin(kind, name, call, depth + 1) else {
            return;
        };
        // The argument means what it meant where it was written.
        let scope = Scope {
            expansion,
            ..*caller
        };
        self.expand(arg, &scope, depth + 1);
    }

    fn call(
        &mut self,
        tokens: &[Token],
        at: usize,
        name: &str,
        definition: &Arc<Macro>,
        scope: &Scope<'_>,
        depth: usize,
    ) -> usize {
        let Some(token) = tokens.get(at) else {
            return at + 1;
        };
        let call = self.placed(token.span, scope);
        let (args, next) = match &definition.params {
            None => (Vec::new(), at + 1),
            Some(params) => match self.arguments(tokens, at, name, params.len(), scope) {
                Some(found) => found,
                // Go on behind the call as if it had been a string: one error is enough.
                None => {
                    let token = Token {
                        kind: TokenKind::RawString,
                        span: call,
                    };
                    self.emit(token, &Scope::FILE);
                    return self.skip_parentheses(tokens, at + 1);
                }
            },
        };
        if scope.is_inside(name) {
            self.limit(call, format!("macro '@{name}' contains itself"));
        }
        if let Some(expansion) = self.begin(ExpansionKind::Macro, name, call, depth + 1) {
            let params = definition.params.as_deref().unwrap_or_default();
            let scope = Scope {
                name,
                params,
                args: &args,
                caller: Some(scope),
                expansion,
            };
            self.expand(&definition.body, &scope, depth + 1);
        }
        next
    }

    /// The arguments of a call, split at top-level commas, and the place behind `)`.
    fn arguments<'t>(
        &mut self,
        tokens: &'t [Token],
        at: usize,
        name: &str,
        expected: usize,
        scope: &Scope<'_>,
    ) -> Option<(Vec<&'t [Token]>, usize)> {
        if !self.is(tokens.get(at + 1), "(") {
            let span = tokens.get(at + 1).or(tokens.get(at))?.span;
            let span = self.placed(span, scope);
            let noun = if expected == 1 {
                "parameter"
            } else {
                "parameters"
            };
            let text =
                format!("expected '(' in invocation of macro '@{name}' taking {expected} {noun}");
            self.report(Diagnostic::parse_error("E0114", text, span).blame());
            return None;
        }
        let mut args = Vec::new();
        let mut start = at + 2;
        let mut depth = 0usize;
        let mut surplus = None;
        for (index, &token) in tokens.iter().enumerate().skip(at + 2) {
            if token.kind != TokenKind::Operator {
                continue;
            }
            match self.word(token) {
                "(" | "[" => depth += 1,
                ")" if depth == 0 => {
                    let arg = tokens.get(start..index).unwrap_or_default();
                    if !(args.is_empty() && arg.is_empty() && expected == 0) {
                        args.push(arg);
                    }
                    let place = surplus.unwrap_or(token);
                    return self.checked_count(args, name, expected, place, scope, index + 1);
                }
                ")" | "]" => depth = depth.saturating_sub(1),
                "," if depth == 0 => {
                    args.push(tokens.get(start..index).unwrap_or_default());
                    start = index + 1;
                    if args.len() == expected {
                        surplus = Some(token);
                    }
                }
                _ => {}
            }
        }
        let span = self.placed(tokens.get(at)?.span, scope);
        let text = "could not find end of macro invocation";
        self.report(
            Diagnostic::parse_error("E0115", text, span)
                .blame()
                .hint("add a ')'"),
        );
        None
    }

    fn checked_count<'t>(
        &mut self,
        args: Vec<&'t [Token]>,
        name: &str,
        expected: usize,
        place: Token,
        scope: &Scope<'_>,
        next: usize,
    ) -> Option<(Vec<&'t [Token]>, usize)> {
        if args.len() == expected {
            return Some((args, next));
        }
        let many = if args.len() < expected { "few" } else { "many" };
        let text = format!("too {many} parameters for macro '@{name}' (expected {expected})");
        let span = self.placed(place.span, scope);
        let got = format!("{} given", args.len());
        self.report(
            Diagnostic::parse_error("E0116", text, span)
                .blame()
                .note(got),
        );
        None
    }

    /// The place behind the parentheses that begin at `tokens[at]`, or `at` if none do.
    fn skip_parentheses(&self, tokens: &[Token], at: usize) -> usize {
        if !self.is(tokens.get(at), "(") {
            return at;
        }
        let mut depth = 0usize;
        for (index, token) in tokens.iter().enumerate().skip(at) {
            if self.is(Some(token), "(") {
                depth += 1;
            } else if self.is(Some(token), ")") {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
        }
        tokens.len()
    }

    /// `@define NAME[(params)] %( body %)` at `tokens[at]`; gives the place behind it.
    fn define(&mut self, tokens: &[Token], at: usize) -> usize {
        let Some(&keyword) = tokens.get(at) else {
            return at + 1;
        };
        let Some(&name) = tokens.get(at + 1) else {
            let text = "incomplete macro definition - missing its name";
            self.report(Diagnostic::parse_error("E0110", text, keyword.span).blame());
            return at + 1;
        };
        let mut at = at + 2;
        if name.kind != TokenKind::Identifier {
            self.report(
                Diagnostic::parse_error("E0110", "expected identifier", name.span)
                    .blame()
                    .note("a macro is defined by '@define NAME %( BODY %)'"),
            );
            if self.is(Some(&name), "%(") {
                return self.skip_body(tokens, at - 1).unwrap_or(tokens.len());
            }
        }
        let params = if self.is(tokens.get(at), "(") {
            let Some((params, next)) = self.parameters(tokens, at + 1) else {
                return self.skip_body(tokens, at).unwrap_or(tokens.len());
            };
            at = next;
            Some(params)
        } else {
            None
        };
        if !self.is(tokens.get(at), "%(") {
            let span = tokens.get(at).map_or(name.span, |token| token.span);
            let expected = if params.is_some() {
                "expected '%('"
            } else {
                "expected '%(' or '('"
            };
            self.report(Diagnostic::parse_error("E0111", expected, span).blame());
            return at;
        }
        let Some(end) = self.skip_body(tokens, at) else {
            let text = "incomplete macro definition - missing '%)'";
            self.report(Diagnostic::parse_error("E0112", text, name.span).blame());
            return tokens.len();
        };
        let body = tokens
            .get(at + 1..end.saturating_sub(1))
            .unwrap_or_default()
            .to_vec();
        if name.kind == TokenKind::Identifier {
            self.add_macro(name, params, body);
        }
        end
    }

    fn add_macro(&mut self, name: Token, params: Option<Vec<String>>, body: Vec<Token>) {
        let word = self.word(name).to_owned();
        if BUILTIN_OPERATORS.contains(&word.as_str()) {
            let text = format!("macro redefines built-in operator '@{word}'");
            self.report(Diagnostic::warning("W0102", text).at(name.span));
        }
        if let Some(&inner) = body.iter().find(|&&token| self.is(Some(&token), "@define")) {
            let text = "'@define' forbidden inside macro body";
            self.report(Diagnostic::parse_error("E0118", text, inner.span).blame());
        }
        if let Some(first) = self.local.get(&word) {
            let text = format!("attempt to redefine macro '@{word}' in the same file");
            let label = format!("macro '@{word}' first defined here");
            let diagnostic = Diagnostic::parse_error("E0117", text, name.span);
            let diagnostic = diagnostic.blame().label(first.span, label);
            self.report(diagnostic);
            return;
        }
        self.local.insert(
            word,
            Arc::new(Macro {
                span: name.span,
                params,
                body,
            }),
        );
    }

    /// Parameter names up to `)`, and the place behind it.
    fn parameters(&mut self, tokens: &[Token], mut at: usize) -> Option<(Vec<String>, usize)> {
        let mut params = Vec::new();
        if self.is(tokens.get(at), ")") {
            return Some((params, at + 1));
        }
        loop {
            let (name, separator) = (tokens.get(at)?, tokens.get(at + 1));
            if name.kind != TokenKind::Identifier {
                let diagnostic = Diagnostic::parse_error("E0110", "expected identifier", name.span);
                self.report(
                    diagnostic
                        .blame()
                        .note("a macro's parameter is a plain name"),
                );
                return None;
            }
            params.push(self.word(*name).to_owned());
            at += 2;
            if self.is(separator, ")") {
                return Some((params, at));
            }
            if !self.is(separator, ",") {
                let span = separator.unwrap_or(name).span;
                self.report(Diagnostic::parse_error("E0110", "expected ',' or ')'", span).blame());
                return None;
            }
        }
    }

    /// The place behind the `%)` of the first `%(` at or behind `tokens[at]`.
    pub(super) fn skip_body(&self, tokens: &[Token], at: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (index, token) in tokens.iter().enumerate().skip(at) {
            if self.is(Some(token), "%(") {
                depth += 1;
            } else if depth > 0 && self.is(Some(token), "%)") {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
        }
        None
    }
}
