// SPDX-License-Identifier: GPL-2.0-or-later
//! Top-level items: probes, aliases, functions, globals.

use pest::iterators::Pair;

use super::encode::Encoded;
use super::grammar::Rule;
use super::{MAX_TREE_DEPTH, Result};
use crate::ast::{
    Alias, AliasKind, Component, EmbeddedC, Expr, Function, FunctionBody, Global, Ident, Item,
    Literal, LiteralValue, Param, Probe, ProbePoint, Stmt, Type,
};
use crate::diag::Diagnostic;
use crate::environment::Environment;
use crate::lexer::{Token, TokenKind, decode_string};
use crate::number;
use crate::span::{SourceMap, Span};

/// Points that one probe's `{a,b}` groups may multiply out to.
const MAX_POINTS: usize = 65_536;

pub(super) type Node<'p> = Pair<'p, Rule>;

/// Turns the pairs of one item into nodes.
pub(super) struct Builder<'a> {
    pub sources: &'a SourceMap,
    environment: &'a Environment<'a>,
    encoded: &'a Encoded,
    /// Height of the node that was built last.
    pub height: u32,
    /// `return` is permitted.
    pub in_function: bool,
    /// `*` is permitted as a key.
    pub in_delete: bool,
}

/// A point while its groups are multiplied out.
#[derive(Clone, Default)]
struct Draft {
    components: Vec<Component>,
    optional: bool,
    sufficient: bool,
    condition: Option<Expr>,
}

pub(super) fn error<T>(code: &'static str, message: impl Into<String>, span: Span) -> Result<T> {
    Err(Box::new(Diagnostic::parse_error(code, message, span)))
}

impl<'a> Builder<'a> {
    pub fn new(
        sources: &'a SourceMap,
        environment: &'a Environment<'a>,
        encoded: &'a Encoded,
    ) -> Self {
        Builder {
            sources,
            environment,
            encoded,
            height: 0,
            in_function: false,
            in_delete: false,
        }
    }

    /// Items of a parsed slice; a `global` gives one for each of its variables.
    pub fn item(&mut self, parsed: Node<'_>) -> Result<Vec<Item>> {
        let Some(pair) = parsed.into_inner().next() else {
            return Ok(Vec::new());
        };
        match pair.as_rule() {
            Rule::probe => Ok(vec![self.probe(pair)?]),
            Rule::function => Ok(vec![self.function(pair, false)?]),
            Rule::global => self.globals(pair, false),
            Rule::private => match pair.clone().into_inner().next() {
                Some(inner) if inner.as_rule() == Rule::function => {
                    Ok(vec![self.function(inner, true)?])
                }
                Some(inner) if inner.as_rule() == Rule::global => self.globals(inner, true),
                _ => self.globals(pair, true),
            },
            _ => Ok(vec![Item::EmbeddedC(self.embedded_c(&pair)?)]),
        }
    }

    /// The first token of a pair.
    pub fn token(&self, pair: &Node<'_>) -> Token {
        self.token_number(self.encoded.token_at(pair.as_span().start()))
    }

    /// The token behind a pair, or the last one.
    pub fn token_behind(&self, pair: &Node<'_>) -> Token {
        self.token_number(self.encoded.token_at(pair.as_span().end()))
    }

    fn last_token(&self, pair: &Node<'_>) -> Token {
        let behind = self.encoded.token_at(pair.as_span().end());
        self.token_number(behind.saturating_sub(1))
    }

    fn token_number(&self, index: usize) -> Token {
        let tokens = &self.encoded.tokens;
        let none = Token {
            kind: TokenKind::Junk,
            span: Span::default(),
        };
        tokens.get(index).or(tokens.last()).copied().unwrap_or(none)
    }

    /// From a pair's first token to its last.
    pub fn span(&self, pair: &Node<'_>) -> Span {
        self.token(pair).span.to(self.last_token(pair).span)
    }

    /// Text of a pair's first token.
    pub fn word(&self, pair: &Node<'_>) -> String {
        self.sources.text(self.token(pair).span).to_owned()
    }

    pub fn ident(&self, pair: &Node<'_>) -> Ident {
        Ident {
            name: self.word(pair),
            span: self.token(pair).span,
        }
    }

    /// Sets the height of a node whose highest child has this height.
    pub fn raise(&mut self, children: u32, span: Span) -> Result<()> {
        self.height = children + 1;
        if self.height > MAX_TREE_DEPTH {
            let text = format!("more than {MAX_TREE_DEPTH} levels of operators and statements");
            let diagnostic = Diagnostic::parse_error("E0131", text, span).blame();
            return Err(Box::new(diagnostic.hint("split it up")));
        }
        Ok(())
    }

    /// Value of a `string` pair: all its literals glued.
    pub fn string(&self, pair: &Node<'_>) -> Vec<u8> {
        let first = self.encoded.token_at(pair.as_span().start());
        let behind = self.encoded.token_at(pair.as_span().end());
        let mut value = Vec::new();
        for token in self.encoded.tokens.get(first..behind).unwrap_or_default() {
            let text = self.sources.text(token.span);
            match token.kind {
                TokenKind::RawString => value.extend_from_slice(text.as_bytes()),
                TokenKind::String => {
                    let inner = text.strip_prefix('"').unwrap_or(text);
                    value.extend(decode_string(inner.strip_suffix('"').unwrap_or(inner)));
                }
                _ => {}
            }
        }
        value
    }

    /// As [`Builder::string`]; bytes that are not UTF-8 are replaced.
    pub fn text(&self, pair: &Node<'_>) -> String {
        String::from_utf8_lossy(&self.string(pair)).into_owned()
    }

    pub fn number(&self, pair: &Node<'_>) -> Result<i64> {
        let token = self.token(pair);
        match number::parse(self.sources.text(token.span)) {
            Some(value) => Ok(value),
            None => error("E0107", "number invalid or out of range", token.span),
        }
    }

    /// `literal`: a string, or a number with an optional sign.
    fn literal(&self, pair: &Node<'_>) -> Result<Literal> {
        let span = self.span(pair);
        let value = match self.token(pair).kind {
            TokenKind::String | TokenKind::RawString => LiteralValue::String(self.string(pair)),
            TokenKind::Number => LiteralValue::Number(self.number(pair)?),
            _ => {
                let number = self.last_token(pair);
                match number::parse(self.sources.text(number.span)) {
                    Some(value) => LiteralValue::Number(value.wrapping_neg()),
                    None => {
                        return error("E0107", "number invalid or out of range", number.span);
                    }
                }
            }
        };
        Ok(Literal { value, span })
    }

    /// Fails unless expert features are permitted.
    pub fn need_guru(&self, what: &str, token: Token) -> Result<()> {
        if self.environment.allows_embedded_c() {
            return Ok(());
        }
        let diagnostic =
            Diagnostic::parse_error("E0108", format!("{what}; need stap -g"), token.span)
                .hint("run with -g if you trust this script with the whole kernel");
        Err(Box::new(diagnostic))
    }

    /// Text of a C block without its marks.
    pub fn embedded_c(&self, pair: &Node<'_>) -> Result<EmbeddedC> {
        let token = self.token(pair);
        self.need_guru("embedded code in unprivileged script", token)?;
        let text = self.sources.text(token.span);
        let code = text.strip_prefix("%{").unwrap_or(text);
        let code = code.strip_suffix("%}").unwrap_or(code).to_owned();
        Ok(EmbeddedC {
            code,
            span: token.span,
        })
    }

    fn probe(&mut self, pair: Node<'_>) -> Result<Item> {
        let span = self.span(&pair);
        let keyword = self.token(&pair).span;
        let mut names = Vec::new();
        let mut kind = None;
        let mut points = Vec::new();
        let mut body = None;
        let mut epilogue = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::alias_head => {
                    for inner in part.into_inner() {
                        if inner.as_rule() == Rule::alias_op {
                            let plus = self.word(&inner) == "+=";
                            kind = Some(if plus {
                                AliasKind::Epilogue
                            } else {
                                AliasKind::Prologue
                            });
                        } else {
                            names.extend(self.point(&inner)?);
                        }
                    }
                }
                Rule::points => {
                    for point in part.into_inner() {
                        points.extend(self.point(&point)?);
                    }
                }
                Rule::block => body = Some(self.statement(part)?),
                Rule::epilogue => {
                    let comma = self.token(&part).span;
                    match kind {
                        Some(AliasKind::Prologue) => {}
                        Some(AliasKind::Epilogue) => {
                            let text = "Combined prologue and epilogue cannot be defined with '+='";
                            return error("E0109", text, comma);
                        }
                        None => {
                            let text = "expected 'probe', 'global', 'private', 'function', or '%{'";
                            return error("E0101", text, comma);
                        }
                    }
                    for block in part.into_inner() {
                        epilogue = Some(self.statement(block)?);
                    }
                }
                _ => {}
            }
        }
        let Some(body) = body else {
            return error("E0101", "expected '{'", span);
        };
        Ok(match kind {
            None => Item::Probe(Probe {
                keyword,
                points,
                body,
                span,
            }),
            Some(kind) => {
                let alias = Alias {
                    keyword,
                    names,
                    points,
                    kind,
                    body,
                    epilogue,
                    span,
                };
                Item::Alias(Box::new(alias))
            }
        })
    }

    /// A probe point with its groups multiplied out, in the order of the text.
    fn point(&mut self, pair: &Node<'_>) -> Result<Vec<ProbePoint>> {
        let span = self.span(pair);
        let drafts = self.drafts(pair.clone())?;
        let point = |draft: Draft| ProbePoint {
            components: draft.components,
            optional: draft.optional,
            sufficient: draft.sufficient,
            condition: draft.condition,
            span,
        };
        Ok(drafts.into_iter().map(point).collect())
    }

    fn drafts(&mut self, pair: Node<'_>) -> Result<Vec<Draft>> {
        let span = self.span(&pair);
        let mut drafts = vec![Draft::default()];
        for part in pair.into_inner() {
            let part_span = self.span(&part);
            if drafts
                .iter()
                .any(|draft| draft.optional || draft.condition.is_some())
                && matches!(part.as_rule(), Rule::component | Rule::group)
            {
                let text = "'?', '!' and 'if' must stand behind the last component";
                return error("E0132", text, part_span);
            }
            match part.as_rule() {
                Rule::component => {
                    let component = self.component(part)?;
                    for draft in &mut drafts {
                        draft.components.push(component.clone());
                    }
                }
                Rule::group => {
                    let mut choices = Vec::new();
                    for choice in part.into_inner() {
                        choices.extend(self.drafts(choice)?);
                    }
                    if drafts.len().saturating_mul(choices.len()) > MAX_POINTS {
                        let text = format!("probe point stands for more than {MAX_POINTS} points");
                        return error("E0133", text, span);
                    }
                    let multiplied = drafts.iter().flat_map(|draft| {
                        choices.iter().map(|choice| {
                            let mut draft = draft.clone();
                            draft.components.extend(choice.components.iter().cloned());
                            draft.optional |= choice.optional;
                            draft.sufficient |= choice.sufficient;
                            draft.condition = choice.condition.clone();
                            draft
                        })
                    });
                    drafts = multiplied.collect();
                }
                Rule::point_mark => {
                    let sufficient = self.word(&part) == "!";
                    for draft in &mut drafts {
                        draft.optional = true;
                        draft.sufficient |= sufficient;
                    }
                }
                Rule::condition => {
                    for expr in part.into_inner() {
                        let condition = self.expr(expr)?;
                        for draft in &mut drafts {
                            draft.condition = Some(condition.clone());
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(drafts)
    }

    fn component(&self, pair: Node<'_>) -> Result<Component> {
        let span = self.span(&pair);
        let mut name = String::new();
        let mut arg = None;
        for part in pair.into_inner() {
            if part.as_rule() == Rule::literal {
                arg = Some(self.literal(&part)?);
            } else {
                name = self.word(&part);
            }
        }
        Ok(Component { name, arg, span })
    }

    fn function(&mut self, pair: Node<'_>, private: bool) -> Result<Item> {
        let span = self.span(&pair);
        let mut name = Ident {
            name: String::new(),
            span,
        };
        let mut params = Vec::new();
        let mut return_type = None;
        let mut priority = None;
        let mut body = None;
        self.in_function = true;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::function_name => name = self.ident(&part),
                Rule::type_mark => return_type = self.type_mark(part),
                Rule::params => params = part.into_inner().map(|part| self.param(part)).collect(),
                Rule::priority => {
                    for value in part.into_inner() {
                        let number = self.number(&value)?;
                        if number < 1 {
                            let at = self.token(&value).span;
                            return error("E0134", "specified priority must be > 0", at);
                        }
                        priority = Some(number);
                    }
                }
                Rule::block => body = Some(FunctionBody::Block(self.statement(part)?)),
                _ => body = Some(FunctionBody::EmbeddedC(self.embedded_c(&part)?)),
            }
        }
        self.in_function = false;
        for (index, param) in params.iter().enumerate() {
            if params
                .iter()
                .take(index)
                .any(|other: &Param| other.name.name == param.name.name)
            {
                return error("E0149", "duplicate parameter names", param.name.span);
            }
        }
        let Some(body) = body else {
            return error("E0101", "expected '{'", span);
        };
        Ok(Item::Function(Function {
            name,
            params,
            return_type,
            priority,
            private,
            body,
            span,
        }))
    }

    fn type_mark(&self, pair: Node<'_>) -> Option<Type> {
        let inner = pair.into_inner().next()?;
        Some(if self.word(&inner) == "long" {
            Type::Long
        } else {
            Type::String
        })
    }

    fn param(&self, pair: Node<'_>) -> Param {
        let name = self.ident(&pair);
        let mark = pair
            .into_inner()
            .find(|part| part.as_rule() == Rule::type_mark);
        Param {
            name,
            ty: mark.and_then(|mark| self.type_mark(mark)),
        }
    }

    fn globals(&mut self, pair: Node<'_>, private: bool) -> Result<Vec<Item>> {
        let variables = pair
            .into_inner()
            .filter(|part| part.as_rule() == Rule::variable);
        variables.map(|part| self.global(part, private)).collect()
    }

    fn global(&mut self, pair: Node<'_>, private: bool) -> Result<Item> {
        let span = self.span(&pair);
        let name = self.ident(&pair);
        let mut global = Global {
            name,
            private,
            wrap: false,
            size: None,
            init: None,
            span,
        };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::wrap => global.wrap = true,
                Rule::size => {
                    for value in part.into_inner() {
                        let size = self.number(&value)?;
                        if !(1..=1_000_000).contains(&size) {
                            let at = self.token(&value).span;
                            return error("E0135", "array size out of range", at);
                        }
                        global.size = Some(size);
                    }
                }
                Rule::init => {
                    let equals = self.token(&part).span;
                    if global.size.is_some() || global.wrap {
                        let text = "only scalar globals can be initialized";
                        return error("E0136", text, equals);
                    }
                    for value in part.into_inner() {
                        global.init = Some(self.literal(&value)?);
                    }
                }
                _ => {}
            }
        }
        Ok(Item::Global(global))
    }

    /// Builds each pair and gives the nodes and the greatest height.
    pub fn exprs<'p>(&mut self, pairs: impl Iterator<Item = Node<'p>>) -> Result<(Vec<Expr>, u32)> {
        let mut height = 0;
        let mut out = Vec::new();
        for pair in pairs {
            out.push(self.expr(pair)?);
            height = height.max(self.height);
        }
        Ok((out, height))
    }

    /// Empty block, for what follows an error that cannot happen.
    pub fn empty_block(span: Span) -> Stmt {
        Stmt {
            kind: crate::ast::StmtKind::Block(Vec::new()),
            span,
        }
    }
}
