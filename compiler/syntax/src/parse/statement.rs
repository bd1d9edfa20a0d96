// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements.

use super::Result;
use super::grammar::Rule;
use super::item::{Builder, Node, error};
use crate::ast::{
    Expr, Foreach, Ident, Indexable, Sort, SortDirection, SortKey, StatOp, Stmt, StmtKind,
};
use crate::span::Span;

impl Builder<'_> {
    /// A statement of any kind.
    pub(super) fn statement(&mut self, pair: Node<'_>) -> Result<Stmt> {
        let span = self.span(&pair);
        self.height = 0;
        let kind = match pair.as_rule() {
            Rule::block => {
                let mut height = 0;
                let mut body = Vec::new();
                for part in pair.into_inner() {
                    body.push(self.statement(part)?);
                    height = height.max(self.height);
                }
                self.raise(height, span)?;
                StmtKind::Block(body)
            }
            Rule::empty => StmtKind::Empty,
            Rule::expr_statement => return self.expr_statement(pair),
            Rule::if_statement => self.if_statement(pair, span)?,
            Rule::while_statement => {
                let mut inner = pair.into_inner();
                let condition = self.next_expr(&mut inner, span)?;
                let height = self.height;
                let body = Box::new(self.next_statement(&mut inner, span)?);
                self.raise(height.max(self.height), span)?;
                StmtKind::While { condition, body }
            }
            Rule::for_statement => self.for_statement(pair, span)?,
            Rule::foreach => self.foreach(pair, span)?,
            Rule::break_statement => StmtKind::Break,
            Rule::continue_statement => StmtKind::Continue,
            Rule::next_statement => StmtKind::Next,
            Rule::return_statement => {
                let keyword = self.token(&pair);
                if !self.in_function {
                    let text = "found 'return' not in function context";
                    let mut diagnostic =
                        crate::diag::Diagnostic::parse_error("E0137", text, keyword.span);
                    diagnostic
                        .hints
                        .push("'next' leaves a probe's handler".to_owned());
                    return Err(Box::new(diagnostic));
                }
                let value = pair
                    .into_inner()
                    .next()
                    .map(|value| self.expr(value))
                    .transpose()?;
                self.raise(self.height, span)?;
                StmtKind::Return(value)
            }
            Rule::delete => {
                self.in_delete = true;
                let value = self.next_expr(&mut pair.into_inner(), span);
                self.in_delete = false;
                let value = value?;
                self.raise(self.height, span)?;
                StmtKind::Delete(value)
            }
            _ => self.try_statement(pair, span)?,
        };
        Ok(Stmt { kind, span })
    }

    /// The span of an expression's statement leaves the `;` out.
    fn expr_statement(&mut self, pair: Node<'_>) -> Result<Stmt> {
        let span = self.span(&pair);
        let expr = self.next_expr(&mut pair.into_inner(), span)?;
        let span = expr.span;
        self.raise(self.height, span)?;
        Ok(Stmt {
            kind: StmtKind::Expr(expr),
            span,
        })
    }

    /// The next pair as an expression. The grammar says that there is one.
    fn next_expr<'p>(
        &mut self,
        pairs: &mut impl Iterator<Item = Node<'p>>,
        span: Span,
    ) -> Result<Expr> {
        match pairs.next() {
            Some(pair) => self.expr(pair),
            None => error("E0101", "expected value", span),
        }
    }

    fn next_statement<'p>(
        &mut self,
        pairs: &mut impl Iterator<Item = Node<'p>>,
        span: Span,
    ) -> Result<Stmt> {
        match pairs.next() {
            Some(pair) => self.statement(pair),
            None => error("E0101", "expected statement", span),
        }
    }

    fn if_statement(&mut self, pair: Node<'_>, span: Span) -> Result<StmtKind> {
        let mut inner = pair.into_inner();
        let condition = self.next_expr(&mut inner, span)?;
        let mut height = self.height;
        let then = self.next_statement(&mut inner, span)?;
        height = height.max(self.height);
        let mut arms = Vec::new();
        let mut otherwise = None;
        let mut tail_height = 0;
        for part in inner {
            let part_span = self.span(&part);
            let is_arm = part.as_rule() == Rule::else_if;
            let mut inner = part.into_inner();
            if is_arm {
                let condition = self.next_expr(&mut inner, part_span)?;
                let height = self.height;
                let body = self.next_statement(&mut inner, part_span)?;
                arms.push((condition, body, part_span, height.max(self.height)));
            } else {
                otherwise = Some(Box::new(self.next_statement(&mut inner, part_span)?));
                tail_height = self.height;
            }
        }
        // From the last arm to the first: each is the `else` of the one before.
        for (condition, body, part_span, arm_height) in arms.into_iter().rev() {
            self.raise(tail_height.max(arm_height), part_span)?;
            tail_height = self.height;
            // The arm begins at its `if`, but without a second token that place is not known.
            let span = condition.span.to(part_span.to(span));
            let then = Box::new(body);
            let kind = StmtKind::If {
                condition,
                then,
                otherwise,
            };
            otherwise = Some(Box::new(Stmt { kind, span }));
        }
        self.raise(height.max(tail_height), span)?;
        Ok(StmtKind::If {
            condition,
            then: Box::new(then),
            otherwise,
        })
    }

    fn for_statement(&mut self, pair: Node<'_>, span: Span) -> Result<StmtKind> {
        let mut height = 0;
        let (mut init, mut condition, mut step) = (None, None, None);
        let mut body = Self::empty_block(span);
        for part in pair.into_inner() {
            let slot = match part.as_rule() {
                Rule::for_init => &mut init,
                Rule::for_condition => &mut condition,
                Rule::for_step => &mut step,
                _ => {
                    body = self.statement(part)?;
                    height = height.max(self.height);
                    continue;
                }
            };
            *slot = part
                .into_inner()
                .next()
                .map(|part| self.expr(part))
                .transpose()?;
            height = height.max(self.height);
        }
        self.raise(height, span)?;
        Ok(StmtKind::For {
            init,
            condition,
            step,
            body: Box::new(body),
        })
    }

    fn try_statement(&mut self, pair: Node<'_>, span: Span) -> Result<StmtKind> {
        let mut inner = pair.into_inner();
        let body = Box::new(self.next_statement(&mut inner, span)?);
        let height = self.height;
        let mut variable = None;
        let mut handler = Self::empty_block(span);
        for part in inner {
            if part.as_rule() == Rule::catch_variable {
                variable = part.into_inner().next().map(|name| self.ident(&name));
            } else {
                handler = self.statement(part)?;
            }
        }
        self.raise(height.max(self.height), span)?;
        Ok(StmtKind::Try {
            body,
            variable,
            handler: Box::new(handler),
        })
    }

    fn foreach(&mut self, pair: Node<'_>, span: Span) -> Result<StmtKind> {
        let name = Ident {
            name: String::new(),
            span,
        };
        let mut foreach = Foreach {
            value: None,
            indexes: Vec::new(),
            base: Indexable::Array(name),
            slice: None,
            sort: None,
            limit: None,
            body: Self::empty_block(span),
        };
        let mut height = 0;
        for part in pair.into_inner() {
            self.height = 0;
            match part.as_rule() {
                Rule::loop_value => {
                    foreach.value = Some(self.ident(&part));
                    let mark = part
                        .into_inner()
                        .find(|part| part.as_rule() == Rule::direction);
                    self.sort(&mut foreach, SortKey::Value(None), mark.as_ref())?;
                }
                Rule::loop_indexes => {
                    for (position, index) in part.into_inner().enumerate() {
                        foreach.indexes.push(self.ident(&index));
                        let mut inner = index.into_inner();
                        let mark = inner.find(|part| part.as_rule() == Rule::direction);
                        self.sort(&mut foreach, SortKey::Index(position), mark.as_ref())?;
                    }
                }
                Rule::indexable => foreach.base = self.indexable(part)?,
                Rule::slice => foreach.slice = Some(self.indexes(part.into_inner())?),
                Rule::array_sort => {
                    let mut operator = None;
                    for mark in part.into_inner() {
                        if mark.as_rule() == Rule::stat_name {
                            operator = self.stat_op(&mark);
                        } else {
                            self.sort(&mut foreach, SortKey::Value(operator), Some(&mark))?;
                        }
                    }
                }
                Rule::limit => foreach.limit = Some(self.next_expr(&mut part.into_inner(), span)?),
                _ => foreach.body = self.statement(part)?,
            }
            height = height.max(self.height);
        }
        self.raise(height, span)?;
        Ok(StmtKind::Foreach(Box::new(foreach)))
    }

    fn sort(&self, foreach: &mut Foreach, key: SortKey, mark: Option<&Node<'_>>) -> Result<()> {
        let Some(mark) = mark else { return Ok(()) };
        let span = self.token(mark).span;
        if foreach.sort.is_some() {
            return error("E0138", "multiple sort directives", span);
        }
        let descending = self.word(mark) == "-";
        let direction = if descending {
            SortDirection::Descending
        } else {
            SortDirection::Ascending
        };
        foreach.sort = Some(Sort {
            key,
            direction,
            span,
        });
        Ok(())
    }

    /// Keys with `None` for `*`.
    pub(super) fn indexes<'p>(
        &mut self,
        pairs: impl Iterator<Item = Node<'p>>,
    ) -> Result<Vec<Option<Expr>>> {
        let mut height = 0;
        let mut out = Vec::new();
        for pair in pairs {
            let wildcard = pair.as_rule() == Rule::wildcard;
            out.push(if wildcard {
                None
            } else {
                Some(self.expr(pair)?)
            });
            height = height.max(self.height);
        }
        self.height = height;
        Ok(out)
    }

    /// A name or a histogram.
    pub(super) fn indexable(&mut self, pair: Node<'_>) -> Result<Indexable> {
        let span = self.span(&pair);
        let Some(inner) = pair.into_inner().next() else {
            return error(
                "E0101",
                "expected identifier or statistical operation",
                span,
            );
        };
        if inner.as_rule() == Rule::identifier {
            self.height = 0;
            return Ok(Indexable::Array(self.ident(&inner)));
        }
        Ok(Indexable::Hist(Box::new(self.hist(inner)?)))
    }

    pub(super) fn stat_op(&self, pair: &Node<'_>) -> Option<StatOp> {
        Some(match self.word(pair).as_str() {
            "@count" => StatOp::Count,
            "@sum" => StatOp::Sum,
            "@min" => StatOp::Min,
            "@max" => StatOp::Max,
            "@avg" => StatOp::Avg,
            "@variance" => StatOp::Variance,
            _ => return None,
        })
    }
}
