// SPDX-License-Identifier: GPL-2.0-or-later
//! The grammar, and its errors in SystemTap's words.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use pest::Parser as _;
use pest::error::InputLocation;
use pest::iterators::Pair;
use pest_derive::Parser;

use super::Result;
use super::encode::{self, Encoded};
use crate::ast::PrintFunction;
use crate::diag::Diagnostic;
use crate::lexer::{Token, TokenKind};
use crate::span::{FileId, SourceMap, Span};

#[derive(Parser)]
#[grammar = "stp.pest"]
pub(super) struct Grammar;

/// Parses one item; `next` is the token behind it, if it is not the last of the file.
pub(super) fn parse<'e>(
    sources: &SourceMap,
    file: FileId,
    encoded: &'e Encoded,
    next: Option<Token>,
) -> Result<Pair<'e, Rule>> {
    match Grammar::parse(Rule::item, &encoded.text) {
        Ok(mut pairs) => match pairs.next() {
            Some(pair) => Ok(pair),
            None => Err(failure(sources, file, encoded, 0, next)),
        },
        Err(error) => {
            let offset = match error.location {
                InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
            };
            Err(failure(sources, file, encoded, offset, next))
        }
    }
}

/// Which tokens could have stood where the item went wrong. The grammar is run once more with
/// pest's bookkeeping switched on; that switch is global, so one thread at a time.
fn expected_tokens(text: &str) -> Option<(usize, BTreeSet<String>)> {
    static DETAIL: Mutex<()> = Mutex::new(());
    let _guard = DETAIL.lock().unwrap_or_else(PoisonError::into_inner);
    pest::set_error_detail(true);
    let error = Grammar::parse(Rule::item, text).err();
    pest::set_error_detail(false);
    let attempts = error?.parse_attempts()?;
    let tokens = attempts.expected_tokens().into_iter().map(|token| {
        let token = token.to_string();
        token.trim_end().to_owned()
    });
    Some((attempts.max_position, tokens.collect()))
}

/// Only a statement can begin with this word.
const STATEMENT: &str = "while";
/// Only an expression can begin with this token.
const EXPRESSION: &str = "U";

/// Tokens that may always follow an operand; nobody wants to read them.
const CONTINUATIONS: [&str; 44] = [
    "=", "+", ".", "-", "==", "in", "&&", "||", "<", ">", "!=", "<<<", "&", "*", "/", "%", "|",
    "^", "<=", ">=", "=~", "!~", "<<", ">>", ">>>", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=",
    "&=", "^=", "|=", ".=", "?", "->", "[", "P", "++", "--", "S", "(",
];

fn failure(
    sources: &SourceMap,
    file: FileId,
    encoded: &Encoded,
    offset: usize,
    next: Option<Token>,
) -> Box<Diagnostic> {
    let (offset, expected) = expected_tokens(&encoded.text).unwrap_or((offset, BTreeSet::new()));
    let index = encoded.token_at(offset);
    let seen = encoded.tokens.get(index).copied();
    let mut code = "E0101";
    let word = seen.map_or("", |token| sources.text(token.span));
    let printing = is_printing(sources, encoded.tokens.get(..index).unwrap_or_default());
    let mut message = wording(&expected, seen, word, printing);
    let before = index
        .checked_sub(1)
        .and_then(|index| encoded.tokens.get(index));
    if let Some(token) = before.filter(|token| encode::is_unknown(sources, token)) {
        // `@nosuch(1)`: a name that has no meaning is the cause of all that follows.
        let message = format!("unknown operator {}", sources.text(token.span));
        return Box::new(Diagnostic::parse_error("E0106", message, token.span));
    }
    let Some(token) = seen else {
        // The item ends too early: at the end of the file, or where the next item begins.
        if let Some(next) = next {
            return Box::new(Diagnostic::parse_error(code, message, next.span));
        }
        let end = encoded
            .tokens
            .last()
            .map_or(Span::new(file, 0, 0), |token| token.span.after());
        return Box::new(Diagnostic::parse_error(code, message, end).at_end());
    };
    if token.kind == TokenKind::Operator && word.starts_with('@') && expected.contains(EXPRESSION) {
        message = format!("unknown operator {word}");
        code = "E0106";
    }
    let diagnostic = Diagnostic::parse_error(code, message, token.span);
    Box::new(hint(diagnostic, token, word, &expected))
}

/// Advice for common slips.
fn hint(
    diagnostic: Diagnostic,
    token: Token,
    word: &str,
    expected: &BTreeSet<String>,
) -> Diagnostic {
    let statement = expected.contains(STATEMENT);
    match (token.kind, word) {
        (TokenKind::Keyword, "else") if statement => {
            diagnostic.hint("is a '}' missing before 'else', or its 'if'?")
        }
        (TokenKind::Keyword, "probe" | "function" | "global") if statement => {
            diagnostic.hint("is a '}' missing before this?")
        }
        (TokenKind::Operator, "**") => diagnostic.hint("there is no power operator"),
        (TokenKind::Identifier, "do" | "switch" | "goto") => {
            diagnostic.hint(format!("there is no '{word}' statement"))
        }
        _ => diagnostic,
    }
}

/// Whether the innermost open parenthesis is that of a print function.
fn is_printing(sources: &SourceMap, tokens: &[Token]) -> bool {
    let mut closed = 0usize;
    for (at, token) in tokens.iter().enumerate().rev() {
        match sources.text(token.span) {
            ")" | "]" => closed += 1,
            "(" | "[" if closed > 0 => closed -= 1,
            "[" => return false,
            "(" => {
                let name = at.checked_sub(1).and_then(|before| tokens.get(before));
                return name.is_some_and(|name| {
                    PrintFunction::from_name(sources.text(name.span)).is_some()
                });
            }
            _ => {}
        }
    }
    false
}

/// SystemTap's sentence for a set of possible tokens.
fn wording(expected: &BTreeSet<String>, seen: Option<Token>, word: &str, printing: bool) -> String {
    let has = |token: &str| expected.contains(token);
    let all = |tokens: &[&str]| tokens.iter().all(|token| has(token));
    let keyword = seen.is_some_and(|token| token.kind == TokenKind::Keyword);
    let fixed = if has("E") || all(&["probe", "global", "function", "C"]) {
        "expected 'probe', 'global', 'private', 'function', or '%{'"
    } else if has(EXPRESSION) {
        let statement = has(STATEMENT);
        match seen {
            None if statement => "expected statement",
            None => "expected value",
            Some(token) if statement && (keyword || token.kind == TokenKind::Junk) => {
                "expected statement"
            }
            Some(_) => "expected literal string or number",
        }
    } else if all(&["{", "=", "+="]) || expected.len() == 3 && all(&["{", ",", "if"]) {
        "expected one of ', { } = +='"
    } else if all(&[",", "?", "if"]) && matches!(word, "=" | "+=") {
        "expected probe point specifier"
    } else if all(&[",", "?", "if"]) || expected.len() == 2 && all(&[",", "{"]) {
        "expected one of ', { } = +='"
    } else if seen.is_none() && (all(&["N", "S"]) || all(&["X", "W"])) {
        "unexpected end-of-file"
    } else if all(&["X", "W"]) {
        "expected identifier or '*' or '{'"
    } else if all(&["X", "@hist_log"]) {
        "expected identifier or statistical operation"
    } else if all(&["X", "function"]) && !has("while") {
        "expected 'function' or identifier"
    } else if all(&["X", "while"]) {
        "expected identifier or keyword"
    } else if all(&["N", "S"]) {
        "expected literal string or number"
    } else if has("@count") {
        // Inside the head of a foreach, behind the array.
        "expected ')'"
    } else if has("in") && !has("N") && !has("&&") {
        "expected 'in'"
    } else if all(&["]", ",", "+"]) && !has("&&") {
        "expected ',' or ']'"
    } else if has("X") {
        "expected identifier"
    } else if all(&["C", "{"]) {
        "expected '{'"
    } else if all(&[":", "("]) && !has("&&") {
        "expected '('"
    } else if all(&[")", ",", ":"]) {
        "expected ',' or ')'"
    } else if all(&["long", "string"]) {
        "expected 'string' or 'long'"
    } else if expected.len() == 2 && all(&["+", "-"]) {
        "expected sort directive"
    } else {
        ""
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    let wanted = |token: &&String| !CONTINUATIONS.contains(&token.as_str());
    let mut rest: Vec<&str> = expected.iter().filter(wanted).map(String::as_str).collect();
    if rest.is_empty() {
        rest = expected.iter().map(String::as_str).collect();
    }
    // `] ,`, but `, )` behind `print(`: as SystemTap lists them.
    rest.sort_by_key(|token| (*token == ",") != printing);
    match rest.as_slice() {
        [] => "unexpected token".to_owned(),
        ["N"] => "expected number".to_owned(),
        ["S"] => "expected string".to_owned(),
        [one] => format!("expected '{one}'"),
        many => format!("expected one of '{}'", many.join(" ")),
    }
}
