// SPDX-License-Identifier: GPL-2.0-or-later
//! Tokens to a tree.
//!
//! The token stream is cut into top-level items, each is parsed by the grammar in `stp.pest`
//! and turned into [`ast`](crate::ast) nodes. An item with an error is reported once and left
//! out; parsing goes on at the next word that begins an item.

mod encode;
mod expression;
mod format;
mod grammar;
mod item;
mod operator;
mod statement;

use crate::ast::{File, Item};
use crate::diag::{Category, Diagnostic, Severity, TokenRole};
use crate::environment::Environment;
use crate::lexer::{Token, TokenKind};
use crate::preproc::{self, LibraryMacros};
use crate::span::{FileId, SourceMap, Span};

/// An error on the way from tokens to the tree.
type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// Nodes inside one another in one item. What walks the tree recursively relies on it.
pub const MAX_TREE_DEPTH: u32 = 1000;

/// Errors of one file; each makes the parser look at the rest of the file again.
const MAX_ERRORS: usize = 50;

/// Parses a script or a tapset file.
///
/// `name` is for messages, `args` are `$1`, `$2`... of the command line. The tree holds all items
/// without errors; it is complete when no diagnostic [is an error](Diagnostic::is_error).
pub fn parse_script(
    sources: &mut SourceMap,
    name: &str,
    text: impl Into<std::sync::Arc<str>>,
    environment: &Environment<'_>,
    library: &LibraryMacros,
    args: &[String],
) -> (File, Vec<Diagnostic>) {
    let id = sources.add(name, text);
    let out = preproc::preprocess(sources, id, environment, library, args);
    let mut diagnostics = out.diagnostics;
    let items = if out.exhausted {
        Vec::new()
    } else if out.tokens.is_empty() && diagnostics.is_empty() && !environment.tapset {
        let when = if out.empty {
            ""
        } else {
            " after preprocessing"
        };
        let text = format!("Input file '{name}' is empty{when}.");
        diagnostics.push(Diagnostic::new(
            "E0140",
            Severity::Error,
            Category::Parse,
            text,
        ));
        Vec::new()
    } else {
        parse_items(sources, id, environment, &out.tokens, &mut diagnostics)
    };
    let file = File {
        id,
        items,
        used_args: out.used_args,
    };
    (file, diagnostics)
}

/// Whether an item can begin at `tokens[at]`. The words are ordinary names behind `.` and `->`.
fn begins_item(sources: &SourceMap, tokens: &[Token], at: usize) -> bool {
    let word = |index: usize| tokens.get(index).map(|token| sources.text(token.span));
    let Some(token) = tokens
        .get(at)
        .filter(|token| token.kind == TokenKind::Keyword)
    else {
        return false;
    };
    let starts = ["probe", "global", "function", "private"].contains(&sources.text(token.span));
    let before = at.checked_sub(1).and_then(word);
    // `private function` and `private global` are one item.
    let is_name = at
        .checked_sub(1)
        .and_then(|index| tokens.get(index))
        .is_some_and(|token| token.kind == TokenKind::Identifier);
    let inside = !is_name && matches!(before, Some("." | "->" | "private" | "function"));
    // `{function, statement}` in a probe point.
    let listed = matches!(word(at + 1), Some("," | "}" | "." | "(" | "?" | "!"));
    starts && !inside && !listed
}

/// The error about a global that the file declares twice.
fn duplicate(items: &[Item], item: &Item) -> Option<Diagnostic> {
    let Item::Global(global) = item else {
        return None;
    };
    let first = items.iter().find_map(|item| match item {
        Item::Global(other) if other.name.name == global.name.name => Some(other.name.span),
        _ => None,
    })?;
    Some(
        Diagnostic::parse_error("E0150", "duplicate global name", global.name.span)
            .label(first, "first declared here"),
    )
}

fn parse_items(
    sources: &SourceMap,
    file: FileId,
    environment: &Environment<'_>,
    tokens: &[Token],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start = 0;
    let mut errors = 0;
    let earlier = diagnostics.len();
    while start < tokens.len() {
        let end = item_end(sources, tokens, start);
        let slice = tokens.get(start..end).unwrap_or_default();
        let next = tokens.get(end).copied();
        let parsed = encode::encode(sources, slice).and_then(|encoded| {
            let pair = grammar::parse(sources, file, &encoded, next)?;
            item::Builder::new(sources, environment, &encoded).item(pair)
        });
        match parsed {
            Ok(found) => {
                for item in found {
                    diagnostics.extend(duplicate(&items, &item));
                    items.push(item);
                }
                start = end;
            }
            Err(failure) => {
                // Go on at the next item, which may have been swallowed by a missing brace.
                let at = failure.primary.and_then(|span| {
                    let seen = |token: &Token| token.span == span;
                    slice.iter().rposition(seen).map(|index| start + index)
                });
                if !is_explained(sources, tokens, start, &failure, diagnostics.get(..earlier)) {
                    diagnostics.push(*failure);
                }
                errors += 1;
                if errors == MAX_ERRORS {
                    break;
                }
                let from = at.map_or(end, |at| at.max(start + 1));
                let next = (from..tokens.len()).find(|&at| begins_item(sources, tokens, at));
                start = next.unwrap_or(tokens.len());
            }
        }
    }
    items
}

/// Whether an earlier error, of a token or a macro, stands between the item's beginning and the
/// place where it went wrong: then it is the cause, and one message is enough.
fn is_explained(
    sources: &SourceMap,
    tokens: &[Token],
    start: usize,
    failure: &Diagnostic,
    earlier: Option<&[Diagnostic]>,
) -> bool {
    let offset = |span: Span| sources.outermost(span).start;
    let before = start.checked_sub(1).and_then(|index| tokens.get(index));
    let from = before.map_or(0, |token| offset(token.span) + 1);
    let to = match failure.token {
        TokenRole::EndOfFile => u32::MAX,
        _ => failure.primary.map_or(u32::MAX, offset),
    };
    earlier
        .unwrap_or_default()
        .iter()
        .filter(|earlier| earlier.is_error())
        .filter_map(|earlier| earlier.primary)
        .any(|span| (from..=to).contains(&offset(span)))
}

/// The place behind the item that begins at `tokens[start]`: before the next word that begins
/// an item outside braces, or behind an embedded C block at top level.
fn item_end(sources: &SourceMap, tokens: &[Token], start: usize) -> usize {
    if tokens
        .get(start)
        .is_some_and(|token| token.kind == TokenKind::EmbeddedC)
    {
        return start + 1;
    }
    let mut depth = 0usize;
    let mut closed = false;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.kind {
            TokenKind::Operator => match sources.text(token.span) {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    closed = depth == 0;
                }
                _ => {}
            },
            TokenKind::Keyword if depth == 0 && at > start && begins_item(sources, tokens, at) => {
                return at;
            }
            // Behind a body, C is an item of its own; behind `)` it is a function's body.
            TokenKind::EmbeddedC if depth == 0 => {
                let before = at.checked_sub(1).and_then(|before| tokens.get(before));
                let before = before.map_or("", |token| sources.text(token.span));
                let body = before == ")" || is_priority(sources, tokens, at);
                if !body || closed {
                    return at;
                }
                return at + 1;
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Whether `): 3` stands before `tokens[at]`.
fn is_priority(sources: &SourceMap, tokens: &[Token], at: usize) -> bool {
    let before = at
        .checked_sub(3)
        .and_then(|from| tokens.get(from..at))
        .unwrap_or_default();
    match before {
        [close, colon, number] => {
            sources.text(close.span) == ")"
                && sources.text(colon.span) == ":"
                && number.kind == TokenKind::Number
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
