// SPDX-License-Identifier: GPL-2.0-or-later
//! Primaries: literals, names, calls, and the `@` operators.

use super::Result;
use super::grammar::Rule;
use super::item::{Builder, Node, error};
use crate::ast::{Cast, Expr, ExprKind, Hist, HistKind, PrintFunction, StatOp};

impl Builder<'_> {
    /// What stands between prefixes and suffixes.
    pub(super) fn primary(&mut self, pair: Node<'_>) -> Result<Expr> {
        let span = self.span(&pair);
        let token = self.token(&pair);
        self.height = 0;
        let kind = match pair.as_rule() {
            // Parentheses leave no trace but in the tree's shape.
            Rule::parentheses => return self.inner_expr(pair),
            Rule::call => {
                let mut inner = pair.into_inner();
                let Some(name) = inner.next() else {
                    return error("E0101", "expected identifier", span);
                };
                let name = self.ident(&name);
                if let Some(function) = PrintFunction::from_name(&name.name) {
                    self.print(function, inner, span)?
                } else {
                    let (args, height) = self.exprs(inner)?;
                    self.height = height;
                    ExprKind::Call { name, args }
                }
            }
            Rule::variable_name => {
                let name = self.word(&pair);
                if PrintFunction::from_name(&name).is_some() {
                    return error("E0101", "expected '('", self.token_behind(&pair).span);
                }
                ExprKind::Ident(name)
            }
            Rule::number => ExprKind::Number(self.number(&pair)?),
            Rule::string => ExprKind::String(self.string(&pair)),
            Rule::target => ExprKind::Target(self.target(token)),
            Rule::c_expr => ExprKind::EmbeddedC(self.embedded_c(&pair)?.code),
            Rule::hist_log | Rule::hist_linear => ExprKind::Hist(Box::new(self.hist(pair)?)),
            Rule::unknown => {
                let word = self.word(&pair);
                return error("E0106", format!("unknown operator {word}"), token.span);
            }
            _ => self.at_operator(pair)?,
        };
        self.raise(self.height, span)?;
        Ok(Expr::new(kind, span, token.span))
    }

    fn inner_expr(&mut self, pair: Node<'_>) -> Result<Expr> {
        let span = self.span(&pair);
        match pair.into_inner().find(|part| part.as_rule() == Rule::expr) {
            Some(inner) => self.expr(inner),
            None => error("E0101", "expected value", span),
        }
    }

    fn at_operator(&mut self, pair: Node<'_>) -> Result<ExprKind> {
        let span = self.span(&pair);
        let token = self.token(&pair);
        let word = self.word(&pair);
        let rule = pair.as_rule();
        if matches!(word.as_str(), "@const" | "@kderef" | "@kregister") {
            self.need_guru(&format!("using {word} operator not permitted"), token)?;
        }
        let inner: Vec<_> = pair.into_inner().collect();
        let strings = |builder: &Self| -> Vec<String> {
            let strings = inner.iter().filter(|part| part.as_rule() == Rule::string);
            strings.map(|part| builder.text(part)).collect()
        };
        let numbers = inner.iter().find(|part| part.as_rule() == Rule::number);
        let mut texts = strings(self).into_iter();
        let number = numbers.map(|part| self.number(part)).transpose()?;
        let operator = inner.iter().find(|part| part.as_rule() == Rule::stat_name);
        let operator = operator.and_then(|part| self.stat_op(part));
        let exprs = inner
            .iter()
            .filter(|part| part.as_rule() == Rule::expr)
            .cloned();
        let (exprs, height) = self.exprs(exprs)?;
        self.height = height;
        let mut exprs = exprs.into_iter();
        if rule == Rule::var || rule == Rule::name_operator {
            let Some(name) = texts.next() else {
                return error("E0101", "expected string", span);
            };
            return Ok(match word.as_str() {
                "@perf" => ExprKind::Perf(name),
                "@const" => ExprKind::Const(name),
                "@enum" => ExprKind::Enum(name),
                _ => ExprKind::Var {
                    name,
                    module: texts.next(),
                    suffixes: Vec::new(),
                },
            });
        }
        let Some(first) = exprs.next() else {
            return error("E0101", "expected value", span);
        };
        let user = word.starts_with("@u");
        Ok(match (rule, exprs.next()) {
            (Rule::defined, _) => ExprKind::Defined(Box::new(first)),
            (Rule::entry, _) => ExprKind::Entry(Box::new(first)),
            (Rule::one_operand, _) if word == "@probewrite" => {
                ExprKind::Probewrite(Box::new(first))
            }
            (Rule::one_operand, _) => ExprKind::Register {
                user,
                number: Box::new(first),
            },
            (Rule::deref, Some(address)) => {
                let (size, address) = (Box::new(first), Box::new(address));
                ExprKind::Deref {
                    user,
                    size,
                    address,
                }
            }
            (Rule::enum_name, _) => ExprKind::EnumName {
                value: Box::new(first),
                type_name: texts.next(),
                module: texts.next(),
            },
            (Rule::cast, _) => ExprKind::Cast(Box::new(Cast {
                operand: first,
                type_name: texts.next().unwrap_or_default(),
                module: texts.next(),
                suffixes: Vec::new(),
            })),
            (Rule::stat, _) => {
                let op = operator.unwrap_or(StatOp::Count);
                if let Some(shift) = number {
                    if op != StatOp::Variance {
                        return error("E0101", "expected ')'", token.span);
                    }
                    if !(0..=62).contains(&shift) {
                        let text = "bit shift of @variance must be 0 to 62";
                        return error("E0146", text, token.span);
                    }
                }
                ExprKind::Stat {
                    op,
                    operand: Box::new(first),
                    shift: number,
                }
            }
            _ => return error("E0101", "expected value", span),
        })
    }

    /// `@hist_log(s)` or `@hist_linear(s, low, high, step)`
    pub(super) fn hist(&mut self, pair: Node<'_>) -> Result<Hist> {
        let span = self.span(&pair);
        let linear = pair.as_rule() == Rule::hist_linear;
        let mut bounds = Vec::new();
        let mut operand = None;
        for part in pair.into_inner() {
            if part.as_rule() != Rule::bound {
                operand = Some(self.expr(part)?);
                continue;
            }
            let negative = self.word(&part) == "-";
            for number in part.into_inner() {
                let value = self.number(&number)?;
                bounds.push(if negative {
                    value.wrapping_neg()
                } else {
                    value
                });
            }
        }
        let Some(operand) = operand else {
            return error("E0101", "expected value", span);
        };
        let kind = match bounds.as_slice() {
            &[low, high, step] if linear => HistKind::Linear { low, high, step },
            _ => HistKind::Log,
        };
        Ok(Hist {
            operand,
            kind,
            span,
        })
    }
}
