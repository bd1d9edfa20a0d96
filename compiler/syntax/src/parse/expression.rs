// SPDX-License-Identifier: GPL-2.0-or-later
//! Expressions: precedence, prefixes, suffixes.

use std::iter::Peekable;

use pest::iterators::Pairs;

use super::Result;
use super::grammar::Rule;
use super::item::{Builder, Node, error};
use crate::ast::{
    AssignOp, BinaryOp, Expr, ExprKind, Ident, Indexable, Target, TargetSuffix, UnaryOp,
};
use crate::diag::Diagnostic;
use crate::lexer::Token;
use crate::span::Span;

/// What an operator between two operands does.
#[derive(Clone, Copy, PartialEq)]
enum Infix {
    Assign(AssignOp),
    Ternary,
    Binary(BinaryOp),
    In,
    Regex { negated: bool },
}

const ASSIGN: u8 = 1;
const TERNARY: u8 = 2;
const IN: u8 = 8;
const COMPARE: u8 = 9;

/// Operator and precedence, a higher number binds tighter. Not C's: `in` and `.` sit in between.
fn infix(word: &str) -> Option<(Infix, u8)> {
    use BinaryOp as B;
    use Infix::{Assign, Binary, In, Regex, Ternary};
    Some(match word {
        "=" => (Assign(AssignOp::Set), ASSIGN),
        "<<<" => (Assign(AssignOp::Aggregate), ASSIGN),
        "+=" => (Assign(AssignOp::Compound(B::Add)), ASSIGN),
        "-=" => (Assign(AssignOp::Compound(B::Subtract)), ASSIGN),
        "*=" => (Assign(AssignOp::Compound(B::Multiply)), ASSIGN),
        "/=" => (Assign(AssignOp::Compound(B::Divide)), ASSIGN),
        "%=" => (Assign(AssignOp::Compound(B::Modulo)), ASSIGN),
        "<<=" => (Assign(AssignOp::Compound(B::ShiftLeft)), ASSIGN),
        ">>=" => (Assign(AssignOp::Compound(B::ShiftRight)), ASSIGN),
        "&=" => (Assign(AssignOp::Compound(B::And)), ASSIGN),
        "^=" => (Assign(AssignOp::Compound(B::Xor)), ASSIGN),
        "|=" => (Assign(AssignOp::Compound(B::Or)), ASSIGN),
        ".=" => (Assign(AssignOp::Compound(B::Concat)), ASSIGN),
        "?" => (Ternary, TERNARY),
        "||" => (Binary(B::LogicalOr), 3),
        "&&" => (Binary(B::LogicalAnd), 4),
        "|" => (Binary(B::Or), 5),
        "^" => (Binary(B::Xor), 6),
        "&" => (Binary(B::And), 7),
        "in" => (In, IN),
        "<" => (Binary(B::Less), COMPARE),
        ">" => (Binary(B::Greater), COMPARE),
        "<=" => (Binary(B::LessEqual), COMPARE),
        ">=" => (Binary(B::GreaterEqual), COMPARE),
        "==" => (Binary(B::Equal), COMPARE),
        "!=" => (Binary(B::NotEqual), COMPARE),
        "=~" => (Regex { negated: false }, COMPARE),
        "!~" => (Regex { negated: true }, COMPARE),
        "<<" => (Binary(B::ShiftLeft), 10),
        ">>" => (Binary(B::ShiftRight), 10),
        ">>>" => (Binary(B::ShiftRightLogical), 10),
        "." => (Binary(B::Concat), 11),
        "+" => (Binary(B::Add), 12),
        "-" => (Binary(B::Subtract), 12),
        "*" => (Binary(B::Multiply), 13),
        "/" => (Binary(B::Divide), 13),
        "%" => (Binary(B::Modulo), 13),
        _ => return None,
    })
}

/// An operand, which is a list of keys before `in`.
enum Operand {
    Expr(Expr),
    Keys {
        keys: Vec<Option<Expr>>,
        span: Span,
        behind: Token,
    },
}

/// An operator that was met, with all that its operands may need.
struct Met {
    infix: Infix,
    precedence: u8,
    token: Token,
}

type Parts<'p> = Peekable<Pairs<'p, Rule>>;

impl Builder<'_> {
    /// An `expr` pair.
    pub(super) fn expr(&mut self, pair: Node<'_>) -> Result<Expr> {
        let mut parts = pair.into_inner().peekable();
        self.infix_expr(&mut parts, ASSIGN, 0)
    }

    /// Reads operators of at least this precedence. `level` counts the operators whose right
    /// side this is.
    fn infix_expr(&mut self, parts: &mut Parts<'_>, least: u8, level: u32) -> Result<Expr> {
        let Some(first) = parts.next() else {
            return error("E0101", "expected value", Span::default());
        };
        self.raise(level, self.token(&first).span)?;
        let operand = self.operand(first)?;
        // Operators that bind tighter cannot follow what was just read.
        let mut ceiling = u8::MAX;
        let mut compared = false;
        let mut left = match operand {
            Operand::Expr(expr) => expr,
            Operand::Keys { keys, span, behind } => match self.peek(parts) {
                Some(met) if met.infix == Infix::In && least <= IN => {
                    ceiling = IN - 1;
                    self.in_expr(keys, span, parts)?
                }
                _ => {
                    let text = "unexpected comma-separated expression list";
                    return error("E0141", text, behind.span);
                }
            },
        };
        while let Some(met) = self.peek(parts) {
            if met.precedence < least {
                break;
            }
            let regex = matches!(met.infix, Infix::Regex { .. });
            if met.precedence > ceiling || regex && compared {
                let text = match met.infix {
                    Infix::In => "expected statement",
                    _ => "expected literal string or number",
                };
                let diagnostic = Diagnostic::parse_error("E0142", text, met.token.span);
                return Err(Box::new(
                    diagnostic.hint("put the left side into parentheses"),
                ));
            }
            ceiling = match met.infix {
                Infix::In => IN - 1,
                Infix::Regex { .. } => COMPARE - 1,
                _ => u8::MAX,
            };
            compared = met.precedence == COMPARE;
            left = self.combine(left, met, parts, level)?;
        }
        Ok(left)
    }

    /// The operator that comes next.
    fn peek(&self, parts: &mut Parts<'_>) -> Option<Met> {
        let token = self.token(parts.peek()?);
        let (infix, precedence) = infix(self.sources.text(token.span))?;
        Some(Met {
            infix,
            precedence,
            token,
        })
    }

    /// Reads an operator and its right side.
    fn combine(&mut self, left: Expr, met: Met, parts: &mut Parts<'_>, level: u32) -> Result<Expr> {
        let mut height = self.height;
        let start = left.span;
        let Met {
            infix,
            precedence,
            token,
        } = met;
        if infix == Infix::In {
            return self.in_expr(vec![Some(left)], start, parts);
        }
        let operator = parts.next();
        let mut end = start;
        let mut right = |builder: &mut Self, least: u8| -> Result<Box<Expr>> {
            let right = builder.infix_expr(parts, least, level + 1)?;
            height = height.max(builder.height);
            end = right.span;
            Ok(Box::new(right))
        };
        let left = Box::new(left);
        // A right-associative operator lets its own precedence into the right side.
        let kind = match infix {
            Infix::Assign(op) => ExprKind::Assign {
                op,
                target: left,
                value: right(self, precedence)?,
            },
            Infix::Binary(op) => ExprKind::Binary {
                op,
                left,
                right: right(self, precedence + 1)?,
            },
            Infix::Ternary => {
                let otherwise = right(self, precedence)?;
                let arm = operator.and_then(|arm| arm.into_inner().next());
                let Some(arm) = arm else {
                    return error("E0101", "expected ':'", token.span);
                };
                let then = Box::new(self.expr(arm)?);
                height = height.max(self.height);
                ExprKind::Ternary {
                    condition: left,
                    then,
                    otherwise,
                }
            }
            Infix::Regex { negated } => {
                let pattern = right(self, u8::MAX)?;
                let pattern_span = pattern.span;
                match pattern.kind {
                    ExprKind::String(pattern) => ExprKind::Regex {
                        negated,
                        left,
                        pattern,
                        pattern_span,
                    },
                    _ => return error("E0143", "expected literal string", pattern_span),
                }
            }
            Infix::In => return error("E0101", "expected statement", token.span),
        };
        let span = start.to(end);
        self.raise(height, token.span)?;
        Ok(Expr::new(kind, span, token.span))
    }

    /// `in` and the array behind it.
    fn in_expr(
        &mut self,
        indexes: Vec<Option<Expr>>,
        start: Span,
        parts: &mut Parts<'_>,
    ) -> Result<Expr> {
        let height = self.height;
        let token = parts.next().map_or(start, |part| self.token(&part).span);
        let right = parts.next();
        let at = right.as_ref().map_or(token, |part| self.token(part).span);
        let base = match right.map(|part| self.operand(part)).transpose()? {
            Some(Operand::Expr(Expr {
                kind: ExprKind::Ident(name),
                span,
                ..
            })) => Indexable::Array(Ident { name, span }),
            Some(Operand::Expr(Expr {
                kind: ExprKind::Hist(hist),
                ..
            })) => Indexable::Hist(hist),
            _ => return error("E0101", "expected identifier or statistical operation", at),
        };
        self.raise(height.max(self.height), token)?;
        Ok(Expr::new(
            ExprKind::In { indexes, base },
            start.to(at),
            token,
        ))
    }

    /// Prefixes, a primary, and suffixes.
    fn operand(&mut self, pair: Node<'_>) -> Result<Operand> {
        let span = self.span(&pair);
        let behind = self.token_behind(&pair);
        let mut prefixes = Vec::new();
        let mut parts = pair.into_inner();
        let primary = loop {
            let Some(part) = parts.next() else {
                return error("E0101", "expected value", span);
            };
            match part.as_rule() {
                Rule::unary | Rule::step | Rule::address => prefixes.push(self.token(&part)),
                _ => break part,
            }
        };
        let rule = primary.as_rule();
        let mut keys = None;
        let mut expr = if rule == Rule::tuple {
            let list = self.indexes(primary.clone().into_inner())?;
            match <[_; 1]>::try_from(list) {
                // `[x]` alone is `x`.
                Ok([Some(only)]) if self.word(&primary) == "[" && !self.is_before_in(&primary) => {
                    only
                }
                Ok(one) => {
                    keys = Some(Vec::from(one));
                    Expr::new(ExprKind::Number(0), span, span)
                }
                Err(many) => {
                    keys = Some(many);
                    Expr::new(ExprKind::Number(0), span, span)
                }
            }
        } else {
            self.primary(primary)?
        };
        let mut steps = Vec::new();
        for part in parts {
            if keys.is_some() {
                let at = self.token(&part).span;
                return error("E0141", "unexpected comma-separated expression list", at);
            }
            if part.as_rule() == Rule::step {
                steps.push(self.token(&part));
            } else {
                expr = self.suffix(expr, rule, part)?;
            }
        }
        if let Some(keys) = keys {
            return match prefixes.first() {
                None => Ok(Operand::Keys { keys, span, behind }),
                Some(_) => error(
                    "E0141",
                    "unexpected comma-separated expression list",
                    behind.span,
                ),
            };
        }
        // `&` binds tighter than a step behind the operand, and that tighter than other prefixes.
        let prefixed = |builder: &mut Self, expr: Expr, token: Token| -> Result<Expr> {
            let span = token.span.to(expr.span);
            builder.raise(builder.height, token.span)?;
            let kind = builder.prefix_kind(token, expr);
            Ok(Expr::new(kind, span, token.span))
        };
        let is_address = |token: &Token| self.sources.text(token.span) == "&";
        let address = prefixes.pop_if(|token| is_address(token));
        if let Some(token) = address {
            expr = prefixed(self, expr, token)?;
        }
        for token in steps {
            if prefixes
                .last()
                .is_some_and(|token| matches!(self.sources.text(token.span), "++" | "--"))
            {
                return error("E0101", "expected literal string or number", behind.span);
            }
            let span = expr.span.to(token.span);
            let increment = self.sources.text(token.span) == "++";
            let operand = Box::new(expr);
            self.raise(self.height, token.span)?;
            let kind = ExprKind::IncDec {
                increment,
                prefix: false,
                operand,
            };
            expr = Expr::new(kind, span, token.span);
        }
        for token in prefixes.into_iter().rev() {
            expr = prefixed(self, expr, token)?;
        }
        Ok(Operand::Expr(expr))
    }

    fn is_before_in(&self, pair: &Node<'_>) -> bool {
        self.sources.text(self.token_behind(pair).span) == "in"
    }

    fn prefix_kind(&self, token: Token, operand: Expr) -> ExprKind {
        let unary = |op, operand| ExprKind::Unary {
            op,
            operand: Box::new(operand),
        };
        match (self.sources.text(token.span), &operand.kind) {
            ("-", ExprKind::Number(value)) => ExprKind::Number(value.wrapping_neg()),
            ("-", _) => unary(UnaryOp::Negate, operand),
            ("+", _) => unary(UnaryOp::Plus, operand),
            ("!", _) => unary(UnaryOp::Not, operand),
            ("~", _) => unary(UnaryOp::Complement, operand),
            ("&", _) => ExprKind::AddressOf(Box::new(operand)),
            (step, _) => ExprKind::IncDec {
                increment: step == "++",
                prefix: true,
                operand: Box::new(operand),
            },
        }
    }

    /// `->member`, `[index]` or a pretty-printing mark behind an expression.
    fn suffix(&mut self, mut expr: Expr, kind: Rule, pair: Node<'_>) -> Result<Expr> {
        let token = self.token(&pair);
        let span = expr.span.to(self.span(&pair));
        let mut height = self.height;
        let bare = match expr.kind {
            ExprKind::Ident(_) => kind == Rule::variable_name,
            ExprKind::Hist(_) => kind != Rule::parentheses,
            _ => false,
        };
        if pair.as_rule() == Rule::subscript && bare {
            let indexes = self.indexes(pair.into_inner())?;
            height = height.max(self.height);
            if !self.in_delete && indexes.iter().any(Option::is_none) {
                let text = "unexpected '*' in array index";
                let diagnostic = Diagnostic::parse_error("E0139", text, token.span);
                return Err(Box::new(
                    diagnostic
                        .blame()
                        .hint("'*' stands for any key below 'in' and 'delete'"),
                ));
            }
            let base = match expr.kind {
                ExprKind::Hist(hist) => Indexable::Hist(hist),
                ExprKind::Ident(name) => Indexable::Array(Ident {
                    name,
                    span: expr.span,
                }),
                _ => return error("E0101", "expected identifier", expr.span),
            };
            let at = expr.token;
            self.raise(height, token.span)?;
            return Ok(Expr::new(ExprKind::Index { base, indexes }, span, at));
        }
        // Targets collect their suffixes, as long as no parentheses close them off.
        let own = matches!(kind, Rule::target | Rule::cast | Rule::var);
        let collects = own
            || matches!(expr.kind, ExprKind::Autocast { .. }) && kind != Rule::parentheses
            || matches!(expr.kind, ExprKind::Autocast { .. }) && expr.token != expr.span;
        if !collects {
            let at = token.span;
            let inner = Box::new(expr);
            let cast = ExprKind::Autocast {
                operand: inner,
                suffixes: Vec::new(),
            };
            expr = Expr::new(cast, span, at);
        }
        let mut added = self.target_suffixes(pair)?;
        height = height.max(self.height);
        let list = match &mut expr.kind {
            ExprKind::Target(target) => &mut target.suffixes,
            ExprKind::Cast(cast) => &mut cast.suffixes,
            ExprKind::Var { suffixes, .. } | ExprKind::Autocast { suffixes, .. } => suffixes,
            _ => return error("E0101", "expected identifier", token.span),
        };
        if matches!(
            list.last(),
            Some(TargetSuffix::Pretty(_) | TargetSuffix::PrettyDeep(_))
        ) {
            let text = "-> and [ are not accepted for a pretty-printing variable";
            return error("E0144", text, token.span);
        }
        list.append(&mut added);
        expr.span = span;
        self.raise(height, token.span)?;
        Ok(expr)
    }

    /// The suffixes that one pair stands for: `->name$` is two.
    fn target_suffixes(&mut self, pair: Node<'_>) -> Result<Vec<TargetSuffix>> {
        let token = self.token(&pair);
        let span = self.span(&pair);
        self.height = 0;
        match pair.as_rule() {
            Rule::subscript => {
                let mut keys = self.indexes(pair.into_inner())?;
                match (keys.pop(), keys.is_empty()) {
                    (Some(Some(key)), true) => Ok(vec![TargetSuffix::Index(key)]),
                    _ => error("E0145", "expected one index", token.span),
                }
            }
            Rule::pretty => Ok(vec![pretty(self.sources.text(token.span), token.span)]),
            _ => {
                let Some(name) = pair.into_inner().next() else {
                    return error("E0101", "expected identifier or keyword", span);
                };
                let ident = self.ident(&name);
                let (member, mark) = split_pretty(&ident.name);
                let member = Ident {
                    name: member.to_owned(),
                    span: ident.span,
                };
                let mut out = vec![TargetSuffix::Member(member)];
                out.extend(mark.map(|mark| pretty(mark, ident.span)));
                Ok(out)
            }
        }
    }

    /// A `$name` token, whose end may ask for pretty-printing.
    pub(super) fn target(&self, token: Token) -> Target {
        let word = self.sources.text(token.span);
        let (name, mark) = split_pretty(word);
        let suffixes = mark
            .map(|mark| pretty(mark, token.span))
            .into_iter()
            .collect();
        Target {
            name: name.to_owned(),
            suffixes,
        }
    }
}

fn pretty(mark: &str, span: Span) -> TargetSuffix {
    if mark == "$$" {
        TargetSuffix::PrettyDeep(span)
    } else {
        TargetSuffix::Pretty(span)
    }
}

/// A name without its pretty-printing mark, and the mark.
fn split_pretty(word: &str) -> (&str, Option<&'static str>) {
    let parts = [("$$", "$$"), ("$", "$")];
    for (end, mark) in parts {
        if let Some(name) = word.strip_suffix(end)
            && !name.trim_start_matches('$').is_empty()
        {
            return (name, Some(mark));
        }
    }
    (word, None)
}
