// SPDX-License-Identifier: GPL-2.0-or-later
//! Tokens to the short spellings that the grammar reads, and bounds on nesting.

use super::Result;
use crate::diag::Diagnostic;
use crate::lexer::{Token, TokenKind};
use crate::span::{SourceMap, Span};

/// Brackets, `?` and statements without braces inside one another. The grammar's recursion
/// follows these, so this bounds the stack.
const MAX_NESTING: usize = 256;

/// `@words` of the language; others are unknown, for macros are gone by now.
const OPERATORS: [&str; 21] = [
    "@cast",
    "@var",
    "@entry",
    "@defined",
    "@probewrite",
    "@perf",
    "@const",
    "@enum",
    "@enumname",
    "@count",
    "@sum",
    "@min",
    "@max",
    "@avg",
    "@variance",
    "@hist_log",
    "@hist_linear",
    "@kderef",
    "@uderef",
    "@kregister",
    "@uregister",
];

/// Tokens of one item and their spelling.
pub(super) struct Encoded {
    /// The tokens; names with `*` are glued.
    pub tokens: Vec<Token>,
    /// Spelling of all tokens.
    pub text: String,
    /// Where in `text` each token begins.
    pub starts: Vec<u32>,
}

impl Encoded {
    /// Index of the token at an offset in `text`; the number of tokens at its end.
    pub fn token_at(&self, offset: usize) -> usize {
        self.starts
            .partition_point(|&start| (start as usize) < offset)
    }
}

/// Whether a token is an `@word` that means nothing.
pub(super) fn is_unknown(sources: &SourceMap, token: &Token) -> bool {
    let word = sources.text(token.span);
    token.kind == TokenKind::Operator && word.starts_with('@') && !OPERATORS.contains(&word)
}

/// Spells an item. Fails if it is nested too deep.
pub(super) fn encode(sources: &SourceMap, tokens: &[Token]) -> Result<Encoded> {
    let tokens = match tokens.first() {
        Some(token) if sources.text(token.span) == "probe" => glue_globs(sources, tokens),
        _ => tokens.to_vec(),
    };
    let mut text = String::with_capacity(tokens.len() * 3);
    let mut starts = Vec::with_capacity(tokens.len());
    let mut nesting = Nesting::default();
    for &token in &tokens {
        let word = sources.text(token.span);
        if nesting.step(word, token.kind) > MAX_NESTING {
            let message = format!("nested more than {MAX_NESTING} deep");
            let hint = "split it into functions";
            let diagnostic = Diagnostic::parse_error("E0130", message, token.span);
            return Err(Box::new(diagnostic.blame().hint(hint)));
        }
        starts.push(text.len() as u32);
        text.push_str(match token.kind {
            TokenKind::Identifier if matches!(word, "$" | "$$") => "P",
            TokenKind::Identifier if word.starts_with('$') => "T",
            TokenKind::Identifier if word.contains('*') => "W",
            TokenKind::Identifier => "X",
            TokenKind::Number => "N",
            TokenKind::String | TokenKind::RawString => "S",
            TokenKind::EmbeddedC => "C",
            TokenKind::Junk | TokenKind::BadArgument => "J",
            TokenKind::Operator if is_unknown(sources, &token) => "U",
            TokenKind::Keyword | TokenKind::Operator => word,
        });
        text.push(' ');
    }
    text.push_str("E ");
    Ok(Encoded {
        tokens,
        text,
        starts,
    })
}

/// Puts `a*b` in probe points together, as far as nothing stands in between: `a* b` is two.
fn glue_globs(sources: &SourceMap, tokens: &[Token]) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut parentheses = 0usize;
    let mut in_header = true;
    let mut before = "";
    for &token in tokens {
        let word = sources.text(token.span);
        if in_header && token.kind == TokenKind::Operator {
            match word {
                "(" => parentheses += 1,
                ")" => parentheses = parentheses.saturating_sub(1),
                // A brace behind a name or a mark opens the body, any other one a group.
                "{" if parentheses == 0 => {
                    in_header = matches!(before, "." | "," | "{" | "=" | "+=" | "probe");
                }
                _ => {}
            }
        }
        let name = matches!(token.kind, TokenKind::Identifier | TokenKind::Keyword) || word == "*";
        let last = out
            .last_mut()
            .filter(|_| in_header && parentheses == 0 && name);
        match last {
            Some(last)
                if touches(last.span, token.span)
                    && (word == "*" && is_name(*last, before) || before.ends_with('*')) =>
            {
                last.span.end = token.span.end;
                last.kind = TokenKind::Identifier;
            }
            _ => out.push(token),
        }
        before = word;
    }
    out
}

fn is_name(token: Token, word: &str) -> bool {
    matches!(token.kind, TokenKind::Identifier | TokenKind::Keyword) || word == "*"
}

fn touches(left: Span, right: Span) -> bool {
    left.file == right.file && left.expansion == right.expansion && left.end == right.start
}

/// Counts how deep the grammar's rules are inside one another.
#[derive(Default)]
struct Nesting {
    /// One for each open bracket.
    open: Vec<Level>,
    level: Level,
    depth: usize,
    before: Before,
}

#[derive(Clone, Copy, Default)]
struct Level {
    /// `?` without their `:`.
    ternaries: usize,
    /// Statements without braces around the current one.
    statements: usize,
    /// The bracket is the header of a control statement.
    header: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    /// A word that a header follows: `if`, `while`, `for`, `foreach`, `catch`.
    Control,
    /// The end of a header, or `else`: a statement follows that belongs to the last one.
    Header,
    Else,
}

impl Nesting {
    /// Counts a token and gives the depth behind it.
    fn step(&mut self, word: &str, kind: TokenKind) -> usize {
        let before = std::mem::take(&mut self.before);
        match (kind, word) {
            (TokenKind::Operator, "(" | "[" | "{") => {
                self.depth += 1;
                let header = before == Before::Control;
                let outer = std::mem::take(&mut self.level);
                self.open.push(outer);
                self.level.header = header;
            }
            (TokenKind::Operator, ")" | "]" | "}") => {
                self.depth = self.depth.saturating_sub(1 + self.level.ternaries);
                self.depth = self.depth.saturating_sub(self.level.statements);
                if self.level.header {
                    self.before = Before::Header;
                }
                self.level = self.open.pop().unwrap_or_default();
            }
            (TokenKind::Operator, "?") => {
                self.level.ternaries += 1;
                self.depth += 1;
            }
            (TokenKind::Operator, ":") if self.level.ternaries > 0 => {
                self.level.ternaries -= 1;
                self.depth = self.depth.saturating_sub(1);
            }
            (TokenKind::Operator, ";") if !self.level.header => {
                self.depth = self.depth.saturating_sub(self.level.ternaries);
                self.level.ternaries = 0;
            }
            (TokenKind::Keyword, "if" | "while" | "for" | "foreach") => {
                let inner = match before {
                    Before::Header => self.level.statements + 1,
                    // A chain of `else if` is a list.
                    Before::Else if word == "if" => self.level.statements.max(1),
                    Before::Else => self.level.statements + 1,
                    Before::Other | Before::Control => 1,
                };
                self.depth = (self.depth + inner).saturating_sub(self.level.statements);
                self.level.statements = inner;
                self.before = Before::Control;
            }
            (TokenKind::Keyword, "catch") => self.before = Before::Control,
            (TokenKind::Keyword, "else") => self.before = Before::Else,
            _ => {}
        }
        self.depth
    }
}
