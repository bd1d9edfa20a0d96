// SPDX-License-Identifier: GPL-2.0-or-later
//! `%( CONDITION %? tokens %: tokens %)`

use std::cmp::Ordering;

use super::{Preprocessor, Scope};
use crate::diag::Diagnostic;
use crate::lexer::{Token, TokenKind, decode_string};
use crate::version;

const EXPECTED_OPERAND: &str = "expected 'arch', 'kernel_v', 'kernel_vr', 'systemtap_v',\n\
    \x20            'runtime', 'systemtap_privilege', 'CONFIG_...', or\n\
    \x20            comparison between strings or integers";

/// Value of an operand.
enum Value {
    Text(String),
    Number(i64),
}

impl Preprocessor<'_, '_> {
    /// The conditional at `tokens[at]`: expands the branch that holds; gives the place behind.
    pub(super) fn conditional(
        &mut self,
        tokens: &[Token],
        at: usize,
        scope: &Scope<'_>,
        depth: usize,
    ) -> usize {
        let Some(&open) = tokens.get(at) else {
            return at + 1;
        };
        let span = self.placed(open.span, scope);
        if depth > super::MAX_DEPTH {
            let text = format!(
                "conditionals are nested more than {} deep",
                super::MAX_DEPTH
            );
            self.limit(span, text);
            return tokens.len();
        }
        let Some(end) = self.skip_body(tokens, at) else {
            let text = "incomplete conditional at end of file";
            self.report(
                Diagnostic::parse_error("E0122", text, span)
                    .blame()
                    .hint("add a '%)'"),
            );
            return tokens.len();
        };
        // Marks of this conditional, not of those inside it.
        let mut nested = 0usize;
        let (mut question, mut colon) = (None, None);
        for (index, token) in tokens.iter().enumerate().take(end - 1).skip(at + 1) {
            if token.kind != TokenKind::Operator {
                continue;
            }
            match self.word(*token) {
                "%(" => nested += 1,
                "%)" => nested = nested.saturating_sub(1),
                "%?" if nested == 0 && question.is_none() => question = Some(index),
                "%:" if nested == 0 && question.is_some() && colon.is_none() => colon = Some(index),
                "%?" | "%:" if nested == 0 => {
                    let span = self.placed(token.span, scope);
                    let text = "invalid conditional - missing '%('";
                    self.report(Diagnostic::parse_error("E0123", text, span).blame());
                }
                _ => {}
            }
        }
        let Some(question) = question else {
            let text = "incomplete conditional - missing '%?'";
            self.report(Diagnostic::parse_error("E0123", text, span).blame());
            return end;
        };
        let condition = tokens.get(at + 1..question).unwrap_or_default();
        let Some(holds) = self.condition(condition, open, scope, depth) else {
            return end;
        };
        let branch = match (holds, colon) {
            (true, colon) => tokens.get(question + 1..colon.unwrap_or(end - 1)),
            (false, Some(colon)) => tokens.get(colon + 1..end - 1),
            (false, None) => None,
        };
        self.expand(branch.unwrap_or_default(), scope, depth + 1);
        end
    }

    /// Whether a condition holds; `None` after an error.
    fn condition(
        &mut self,
        tokens: &[Token],
        open: Token,
        scope: &Scope<'_>,
        depth: usize,
    ) -> Option<bool> {
        // Macros may stand in conditions.
        let kept = std::mem::take(&mut self.tokens);
        self.expand(tokens, scope, depth + 1);
        let tokens = std::mem::replace(&mut self.tokens, kept);
        let mut any = false;
        let mut all = true;
        let mut rest = tokens.as_slice();
        loop {
            let (left, operator, right) = match rest {
                [left, operator, right, ..] => (*left, *operator, *right),
                [_, operator] if comparison_operator(self.word(*operator)).is_none() => {
                    return self.no_operator(*operator);
                }
                _ => {
                    let span = rest.last().or(tokens.last()).unwrap_or(&open).span;
                    let diagnostic = Diagnostic::parse_error("E0124", EXPECTED_OPERAND, span);
                    self.report(
                        diagnostic
                            .blame()
                            .note("a condition is 'LEFT OPERATOR RIGHT'"),
                    );
                    return None;
                }
            };
            all &= self.comparison(left, operator, right)?;
            rest = rest.get(3..).unwrap_or_default();
            let Some(&joint) = rest.first() else {
                return Some(any || all);
            };
            match self.word(joint) {
                "&&" => {}
                "||" => {
                    any |= all;
                    all = true;
                }
                _ => {
                    let text = "expected '%?', '&&' or '||'";
                    self.report(Diagnostic::parse_error("E0124", text, joint.span).blame());
                    return None;
                }
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    fn comparison(&mut self, left: Token, operator: Token, right: Token) -> Option<bool> {
        let Some(compare) = comparison_operator(self.word(operator)) else {
            return self.no_operator(operator);
        };
        let equality = matches!(self.word(operator), "==" | "!=");
        let word = self.word(left).to_owned();
        let environment = self.environment;
        let version = match (left.kind, word.as_str()) {
            (TokenKind::Identifier, "kernel_v") => Some(environment.kernel_version()),
            (TokenKind::Identifier, "kernel_vr") => Some(&*environment.kernel_release),
            (TokenKind::Identifier, "systemtap_v") => Some(&*environment.compatible),
            _ => None,
        };
        if let Some(version) = version {
            let wanted = self.string(right)?;
            if equality && wanted.contains(['*', '?', '[']) {
                let matches = version::fnmatch(&wanted, version);
                return Some(matches == compare(Ordering::Equal));
            }
            return Some(compare(version::compare(version, &wanted)));
        }
        let exact = match (left.kind, word.as_str()) {
            (TokenKind::Identifier, "arch") => Some(environment.arch.clone()),
            (TokenKind::Identifier, "runtime") => Some(environment.runtime.clone()),
            (TokenKind::Identifier, "systemtap_privilege") => {
                Some(environment.privilege.name().to_owned())
            }
            _ => None,
        };
        if let Some(text) = exact {
            let wanted = self.string(right)?;
            if !equality {
                return self.bad_operator(operator);
            }
            return Some(version::fnmatch(&wanted, &text) == compare(Ordering::Equal));
        }
        match (left.kind, word.as_str()) {
            (TokenKind::Identifier, "guru_mode") => {
                let wanted = self.number(right)?;
                if !equality {
                    return self.bad_operator(operator);
                }
                Some(compare(i64::from(environment.guru).cmp(&wanted)))
            }
            (TokenKind::Identifier, _) if word.starts_with("CONFIG_") => {
                let value = (environment.config)(&word).unwrap_or_default();
                self.configuration(&value, operator, right, equality, compare)
            }
            (TokenKind::String | TokenKind::RawString, _) => {
                let left = self.string(left)?;
                Some(compare(left.cmp(&self.string(right)?)))
            }
            (TokenKind::Number, _) if right.kind == TokenKind::Number => {
                let left = self.number(left)?;
                Some(compare(left.cmp(&self.number(right)?)))
            }
            _ => {
                let diagnostic = Diagnostic::parse_error("E0124", EXPECTED_OPERAND, left.span);
                self.report(diagnostic.blame());
                None
            }
        }
    }

    /// `CONFIG_x op right`; an option that is not set is the empty string.
    fn configuration(
        &mut self,
        value: &str,
        operator: Token,
        right: Token,
        equality: bool,
        compare: fn(Ordering) -> bool,
    ) -> Option<bool> {
        let wanted = match right.kind {
            TokenKind::Number => Value::Number(self.number(right)?),
            TokenKind::Identifier if self.word(right).starts_with("CONFIG_") => {
                let name = self.word(right).to_owned();
                Value::Text((self.environment.config)(&name).unwrap_or_default())
            }
            _ => Value::Text(self.string(right)?),
        };
        match wanted {
            Value::Number(wanted) => {
                let number = crate::number::parse(value).unwrap_or(0);
                Some(compare(number.cmp(&wanted)))
            }
            Value::Text(wanted) if equality => {
                Some(version::fnmatch(&wanted, value) == compare(Ordering::Equal))
            }
            // SystemTap orders two options as texts, but not an option and a literal.
            Value::Text(wanted) if right.kind == TokenKind::Identifier => {
                Some(compare(value.cmp(wanted.as_str())))
            }
            Value::Text(_) => self.bad_operator(operator),
        }
    }

    fn no_operator(&mut self, operator: Token) -> Option<bool> {
        let text = "expected comparison operator";
        self.report(Diagnostic::parse_error("E0125", text, operator.span).blame());
        None
    }

    fn bad_operator(&mut self, operator: Token) -> Option<bool> {
        let text = "expected '==' or '!='";
        let note = "only versions and numbers have an order";
        let diagnostic = Diagnostic::parse_error("E0125", text, operator.span);
        self.report(diagnostic.blame().note(note));
        None
    }

    fn string(&mut self, token: Token) -> Option<String> {
        let word = self.word(token);
        match token.kind {
            TokenKind::RawString => Some(word.to_owned()),
            TokenKind::String => {
                let inner = word.get(1..word.len().saturating_sub(1)).unwrap_or("");
                Some(String::from_utf8_lossy(&decode_string(inner)).into_owned())
            }
            _ => {
                let text = "expected string literal";
                self.report(Diagnostic::parse_error("E0126", text, token.span).blame());
                None
            }
        }
    }

    fn number(&mut self, token: Token) -> Option<i64> {
        let number = crate::number::parse(self.word(token));
        if token.kind != TokenKind::Number || number.is_none() {
            let text = "expected number";
            self.report(Diagnostic::parse_error("E0126", text, token.span).blame());
            return None;
        }
        number
    }
}

fn comparison_operator(word: &str) -> Option<fn(Ordering) -> bool> {
    Some(match word {
        "==" => Ordering::is_eq,
        "!=" => Ordering::is_ne,
        "<" => Ordering::is_lt,
        "<=" => Ordering::is_le,
        ">" => Ordering::is_gt,
        ">=" => Ordering::is_ge,
        _ => return None,
    })
}
