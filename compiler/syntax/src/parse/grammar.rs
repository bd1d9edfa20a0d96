// SPDX-License-Identifier: GPL-2.0-or-later
//! The grammar, and its errors in SystemTap's words.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use pest::Parser as _;
use pest::error::InputLocation;
use pest::iterators::Pair;
use pest_derive::Parser;

use super::Result;
use super::encode::Encoded;
use crate::diag::Diagnostic;
use crate::lexer::{Token, TokenKind};
use crate::span::{FileId, SourceMap, Span};

#[derive(Parser)]
#[grammar = "stp.pest"]
pub(super) struct Grammar;

/// Parses one item. `last`: nothing follows it in the file.
pub(super) fn parse<'e>(
    sources: &SourceMap,
    file: FileId,
    encoded: &'e Encoded,
    last: bool,
) -> Result<Pair<'e, Rule>> {
    match Grammar::parse(Rule::item, &encoded.text) {
        Ok(mut pairs) => match pairs.next() {
            Some(pair) => Ok(pair),
            None => Err(failure(sources, file, encoded, 0, last)),
        },
        Err(error) => {
            let offset = match error.location {
                InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
            };
            Err(failure(sources, file, encoded, offset, last))
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
        match token.as_str() {
            "BUILTIN_RULE" => END.to_owned(),
            range if range.contains("..") => STATEMENT.to_owned(),
            word => word.trim_end().to_owned(),
        }
    });
    Some((attempts.max_position, tokens.collect()))
}

/// Stands for any word that begins a statement.
const STATEMENT: &str = "statement";
/// Stands for the item's end.
const END: &str = "end";

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
    last: bool,
) -> Box<Diagnostic> {
    let (offset, expected) = expected_tokens(&encoded.text).unwrap_or((offset, BTreeSet::new()));
    let index = encoded.token_at(offset);
    let seen = encoded.tokens.get(index).copied();
    let mut message = wording(&expected, seen);
    let mut code = "E0101";
    let Some(token) = seen else {
        // The item ends too early: at the end of the file, or where the next item begins.
        let end = encoded
            .tokens
            .last()
            .map_or(Span::new(file, 0, 0), |token| token.span.after());
        let diagnostic = Diagnostic::parse_error(code, message, end);
        return Box::new(if last {
            diagnostic.at_end()
        } else {
            diagnostic
        });
    };
    let word = sources.text(token.span);
    if token.kind == TokenKind::Operator && word.starts_with('@') && expected.contains("U") {
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

/// SystemTap's sentence for a set of possible tokens.
fn wording(expected: &BTreeSet<String>, seen: Option<Token>) -> String {
    let has = |token: &str| expected.contains(token);
    let keyword = seen.is_some_and(|token| token.kind == TokenKind::Keyword);
    if has(END) || has("probe") && has("global") && has("function") && has("C") {
        return "expected 'probe', 'global', 'private', 'function', or '%{'".to_owned();
    }
    if has("N") && has("X") && has("@cast") {
        let statement = has(STATEMENT);
        return match seen {
            None if statement => "expected statement",
            None => "expected value",
            Some(_) if statement && keyword => "expected statement",
            Some(_) => "expected literal string or number",
        }
        .to_owned();
    }
    if has("{") && has("=") && has("+=") {
        return "expected one of ', { } = +='".to_owned();
    }
    if has("X") && has("W") {
        return "expected identifier or '*' or '{'".to_owned();
    }
    if has("X") && has("@hist_log") {
        return "expected identifier or statistical operation".to_owned();
    }
    if has("X") && has(STATEMENT) {
        return "expected identifier or keyword".to_owned();
    }
    if has("N") && has("S") {
        return "expected literal string or number".to_owned();
    }
    if has("@count") && has("+") {
        // Inside the head of a foreach.
        return "expected ')'".to_owned();
    }
    let wanted = |token: &&String| !CONTINUATIONS.contains(&token.as_str());
    let mut rest: Vec<&str> = expected.iter().filter(wanted).map(String::as_str).collect();
    if rest.is_empty() {
        rest = expected.iter().map(String::as_str).collect();
    }
    let word = |token: &str| match token {
        "X" => "identifier".to_owned(),
        "N" => "number".to_owned(),
        "S" => "string".to_owned(),
        "C" => "'%{'".to_owned(),
        other => format!("'{other}'"),
    };
    match rest.as_slice() {
        [] => "unexpected token".to_owned(),
        [one] => format!("expected {}", word(one)),
        ["+", "-"] => "expected sort directive".to_owned(),
        [one, two] if word(one).starts_with('\'') != word(two).starts_with('\'') => {
            format!("expected {} or {}", word(one), word(two))
        }
        ["long", "string"] => "expected 'string' or 'long'".to_owned(),
        many if many.iter().all(|token| word(token).starts_with('\'')) => {
            format!("expected one of '{}'", many.join(" "))
        }
        many => {
            let words: Vec<_> = many.iter().map(|token| word(token)).collect();
            format!("expected {}", words.join(" or "))
        }
    }
}
