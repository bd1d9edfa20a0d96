// SPDX-License-Identifier: GPL-2.0-or-later
//! Characters to tokens.

use crate::span::{SourceMap, Span};

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// `[A-Za-z_$][A-Za-z0-9_$]*`
    Identifier,
    /// A reserved word.
    Keyword,
    /// `"..."`, one literal.
    String,
    /// A digit and the letters and digits behind it.
    Number,
    /// Punctuation, and `@word`.
    Operator,
    /// `%{ ... %}`
    EmbeddedC,
    /// Anything that no script may hold.
    Junk,
}

/// Reserved words. They are allowed as probe point components and as member names.
pub const KEYWORDS: [&str; 20] = [
    "probe", "global", "private", "function", "if", "else", "for", "foreach", "in", "limit",
    "return", "delete", "while", "break", "continue", "next", "string", "long", "try", "catch",
];

/// Operators, longest first.
const OPERATORS: [&str; 39] = [
    "<<<", ">>>", "<<=", ">>=", "==", "!=", "<=", ">=", "=~", "!~", "+=", "-=", "*=", "/=", "%=",
    "&=", "^=", "|=", ".=", "&&", "||", "++", "--", "->", "<<", ">>", "%(", "%?", "%:", "%)", "=",
    "<", ">", "+", "-", "*", "/", "%", "&",
];

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// Kind and length of the token at the start of `text`, which begins with no blank or comment.
fn first_token(text: &str) -> (TokenKind, usize) {
    let bytes = text.as_bytes();
    let run = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|&&byte| is_word(byte)).count()
    };
    match bytes.first() {
        None => (TokenKind::Junk, 0),
        Some(&byte) if is_word_start(byte) => {
            let length = run(1);
            let word = text.get(..length).unwrap_or("");
            let keyword = KEYWORDS.contains(&word);
            (
                if keyword {
                    TokenKind::Keyword
                } else {
                    TokenKind::Identifier
                },
                length,
            )
        }
        Some(b'@') => (TokenKind::Operator, run(1)),
        Some(byte) if byte.is_ascii_digit() => (TokenKind::Number, run(1)),
        Some(b'"') => {
            let mut length = 1;
            while let Some(&byte) = bytes.get(length) {
                length += 1;
                match byte {
                    b'"' => return (TokenKind::String, length),
                    b'\\' => length += 1,
                    b'\n' => break,
                    _ => {}
                }
            }
            (TokenKind::Junk, length.min(bytes.len()))
        }
        Some(b'%') if text.starts_with("%{") => (
            TokenKind::EmbeddedC,
            text.find("%}").map_or(text.len(), |end| end + 2),
        ),
        Some(byte) if byte.is_ascii() => {
            let operator = OPERATORS
                .iter()
                .find(|operator| text.starts_with(**operator));
            (
                TokenKind::Operator,
                operator.map_or(1, |operator| operator.len()),
            )
        }
        Some(_) => (
            TokenKind::Junk,
            text.chars().next().map_or(1, char::len_utf8),
        ),
    }
}

/// The first token of a span in a message's words: its kind, and its text where SystemTap
/// shows it (neither for keywords nor for embedded C).
pub fn describe_token(sources: &SourceMap, span: Span) -> (&'static str, Option<String>) {
    let text = sources
        .file(span.file)
        .map(|file| &**file.text())
        .unwrap_or("");
    let text = text.get(span.start as usize..).unwrap_or("");
    let (kind, length) = first_token(text);
    let content = text.get(..length).unwrap_or("");
    match kind {
        TokenKind::Identifier => ("identifier", Some(content.to_owned())),
        TokenKind::Keyword => ("keyword", None),
        TokenKind::Number => ("number", Some(content.to_owned())),
        TokenKind::Operator => ("operator", Some(content.to_owned())),
        TokenKind::EmbeddedC => ("embedded code", None),
        TokenKind::Junk => ("junk", Some(content.to_owned())),
        TokenKind::String => ("string", Some(content.trim_matches('"').to_owned())),
    }
}
