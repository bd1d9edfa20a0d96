// SPDX-License-Identifier: GPL-2.0-or-later
//! Characters to tokens.
//!
//! Comments and blanks disappear here, and so do `$1`, `@1`, `$#` and `@#`: they are replaced
//! by the tokens of the script's arguments. Everything else is a token with its place.

use std::collections::BTreeSet;

use crate::diag::Diagnostic;
use crate::span::{Expansion, ExpansionId, ExpansionKind, FileId, SourceMap, Span};

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// `[A-Za-z_$][A-Za-z0-9_$]*`
    Identifier,
    /// A reserved word.
    Keyword,
    /// `"..."`, one literal.
    String,
    /// `@1`: the span's text is the string's value as it is, without quotes and escapes.
    RawString,
    /// A digit and the letters and digits behind it.
    Number,
    /// Punctuation, and `@word`.
    Operator,
    /// `%{ ... %}`
    EmbeddedC,
    /// `$1` or `@1` that cannot be replaced. An error only where the text counts: scripts ask
    /// `%( $# > 0 %? $1 %)`.
    BadArgument,
    /// A byte that no script may hold outside strings and comments.
    Junk,
}

/// A token and its place; its text is [`SourceMap::text`] of the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

/// Reserved words. They are allowed as probe point components and as member names.
/// `private` is one only from `--compatible=3.0` on.
pub const KEYWORDS: [&str; 20] = [
    "probe", "global", "private", "function", "if", "else", "for", "foreach", "in", "limit",
    "return", "delete", "while", "break", "continue", "next", "string", "long", "try", "catch",
];

/// Operators of two and three characters, longest first.
const OPERATORS: [&str; 30] = [
    "<<<", ">>>", "<<=", ">>=", "==", "!=", "<=", ">=", "=~", "!~", "+=", "-=", "*=", "/=", "%=",
    "&=", "^=", "|=", ".=", "&&", "||", "++", "--", "->", "<<", ">>", "%(", "%?", "%:", "%)",
];

/// What the lexer needs besides the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct LexOptions<'a> {
    /// Arguments of the script, `$1` first.
    pub args: &'a [String],
    /// `private` is an ordinary name, as before SystemTap 3.0.
    pub private_is_name: bool,
}

/// Tokens of a file, and what was found on the way.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// All tokens in order.
    pub tokens: Vec<Token>,
    /// Errors and warnings; the tokens at fault are replaced by harmless ones.
    pub diagnostics: Vec<Diagnostic>,
    /// Which arguments were pasted, counted from 1.
    pub used_args: BTreeSet<usize>,
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// Length of the blanks and comments at the start of `bytes`.
fn skip_blank(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match bytes.get(at..).unwrap_or_default() {
            [blank, ..] if blank.is_ascii_whitespace() || *blank == 0x0b => at += 1,
            [b'#', ..] | [b'/', b'/', ..] => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .unwrap_or(rest.len());
            }
            [b'/', b'*', rest @ ..] => {
                let end = rest.windows(2).position(|pair| pair == b"*/");
                at = end.map_or(bytes.len(), |end| at + 2 + end + 2);
            }
            _ => return at,
        }
    }
}

/// Kind and length of the token at the start of `text`, which begins with no blank or comment.
/// A string or an embedded block without its end is `Junk`.
fn first_token(text: &str) -> (TokenKind, usize) {
    let bytes = text.as_bytes();
    let run = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|&&byte| is_word(byte)).count()
    };
    match bytes {
        [] => (TokenKind::Junk, 0),
        [byte, ..] if is_word_start(*byte) => {
            let length = run(1);
            let keyword = text
                .get(..length)
                .is_some_and(|word| KEYWORDS.contains(&word));
            (
                if keyword {
                    TokenKind::Keyword
                } else {
                    TokenKind::Identifier
                },
                length,
            )
        }
        [b'@', ..] => (TokenKind::Operator, run(1)),
        [byte, ..] if byte.is_ascii_digit() => {
            let digits = bytes
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
            (TokenKind::Number, digits)
        }
        [b'"', ..] => string_token(bytes),
        [b'%', b'{', ..] => text.find("%}").map_or((TokenKind::Junk, text.len()), |e| {
            (TokenKind::EmbeddedC, e + 2)
        }),
        [first, rest @ ..] if first.is_ascii() => {
            // All longer operators have one of these in second place.
            let longer = rest
                .first()
                .is_some_and(|byte| b"<>=~&|+-?:()".contains(byte));
            let operator = OPERATORS
                .iter()
                .find(|operator| longer && text.starts_with(**operator));
            (
                TokenKind::Operator,
                operator.map_or(1, |operator| operator.len()),
            )
        }
        _ => (
            TokenKind::Junk,
            text.chars().next().map_or(1, char::len_utf8),
        ),
    }
}

fn string_token(bytes: &[u8]) -> (TokenKind, usize) {
    let mut length = 1;
    while let Some(&byte) = bytes.get(length) {
        match byte {
            b'"' => return (TokenKind::String, length + 1),
            b'\n' => break,
            b'\\' => length += 2,
            _ => length += 1,
        }
    }
    (TokenKind::Junk, length.min(bytes.len()))
}

/// Splits a file of the map into tokens. Never fails: what is wrong is reported in the result.
pub fn lex(sources: &mut SourceMap, file: FileId, options: LexOptions<'_>) -> Lexed {
    let mut lexer = Lexer {
        sources,
        options,
        out: Lexed::default(),
        in_open_string: false,
    };
    lexer.file(file, ExpansionId::NONE);
    lexer.out
}

struct Lexer<'a> {
    sources: &'a mut SourceMap,
    options: LexOptions<'a>,
    out: Lexed,
    /// A string without end was reported in this item. The closing quote of a string over
    /// several lines looks like an opening one and is not worth another message.
    in_open_string: bool,
}

impl Lexer<'_> {
    fn file(&mut self, file: FileId, expansion: ExpansionId) {
        let Some(text) = self.sources.file(file).map(|file| file.text().clone()) else {
            return;
        };
        let mut at = 0;
        loop {
            at += skip_blank(text.as_bytes().get(at..).unwrap_or_default());
            let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else {
                return;
            };
            let argument = argument_length(rest);
            let (kind, length) = match argument {
                Some(length) => (TokenKind::Identifier, length),
                None => first_token(rest),
            };
            let start = at as u32;
            at += length.max(1);
            let span = Span {
                file,
                start,
                end: start + length as u32,
                expansion,
            };
            let word = rest.get(..length).unwrap_or("");
            match argument {
                Some(_) => at += self.argument(word, span, rest.get(length..).unwrap_or("")),
                None => self.token(kind, span, word),
            }
        }
    }

    fn token(&mut self, mut kind: TokenKind, span: Span, word: &str) {
        match kind {
            TokenKind::Keyword if word == "private" && self.options.private_is_name => {
                kind = TokenKind::Identifier;
            }
            TokenKind::Keyword if matches!(word, "probe" | "function" | "global") => {
                self.in_open_string = false;
            }
            TokenKind::Junk if word.starts_with('"') => {
                if !self.in_open_string {
                    self.junk("E0102", "Could not find matching closing quote", span);
                }
                self.in_open_string = true;
                kind = TokenKind::String;
            }
            TokenKind::Junk if word.starts_with("%{") => {
                self.junk(
                    "E0103",
                    "Could not find matching '%}' to close embedded function block",
                    span,
                );
                kind = TokenKind::EmbeddedC;
            }
            TokenKind::EmbeddedC if word.contains("}%") && !word.contains("}%}") => {
                let text = "possible erroneous closing '}%', use '%}'?";
                self.out
                    .diagnostics
                    .push(Diagnostic::warning("W0101", text).at(span));
            }
            _ => {}
        }
        self.out.tokens.push(Token { kind, span });
    }

    fn junk(&mut self, code: &'static str, message: &str, span: Span) {
        let diagnostic = Diagnostic::parse_error(code, message, span).blame_as("junk ''");
        self.out.diagnostics.push(diagnostic);
    }

    /// `$1`, `@1`, `$#` or `@#`, before the text `rest`. Returns how much of `rest` it took.
    fn argument(&mut self, word: &str, span: Span, rest: &str) -> usize {
        let quoted = word.starts_with('@');
        let number = word.get(1..).unwrap_or("");
        let value = if number == "#" {
            Some(self.options.args.len().to_string())
        } else {
            let index = number.parse::<usize>().ok();
            let value = index.and_then(|index| self.options.args.get(index.wrapping_sub(1)));
            self.out.used_args.extend(index);
            value.cloned()
        };
        let inside_argument = self
            .sources
            .expansion_chain(span)
            .any(|expansion| expansion.kind == ExpansionKind::Argument);
        let Some(value) = value.filter(|_| !inside_argument) else {
            let kind = TokenKind::BadArgument;
            self.out.tokens.push(Token { kind, span });
            return 0;
        };
        let glued = if quoted { 0 } else { glued(&value, rest) };
        let value = value + rest.get(..glued).unwrap_or("");
        let length = value.len() as u32;
        let file = self.sources.add(format!("<argument {word}>"), value);
        let kind = ExpansionKind::Argument;
        let expansion = self.sources.add_expansion(Expansion {
            kind,
            name: word.into(),
            call: span,
        });
        if quoted {
            let span = Span {
                file,
                start: 0,
                end: length,
                expansion,
            };
            self.out.tokens.push(Token {
                kind: TokenKind::RawString,
                span,
            });
        } else {
            self.file(file, expansion);
        }
        glued
    }
}

/// How much of `rest` continues the last token of a pasted `value`: with `$1` being `ab`, `$1c` is
/// the name `abc`.
fn glued(value: &str, rest: &str) -> usize {
    let Some((_, last)) = raw_tokens(value).last() else {
        return 0;
    };
    if !value.ends_with(last) {
        return 0;
    }
    let (_, length) = first_token(&format!("{last}{rest}"));
    length.saturating_sub(last.len())
}

/// Length of `$1`, `@1`, `$#` or `@#` at the start of the text.
fn argument_length(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [b'$' | b'@', b'#', ..] => Some(2),
        [b'$' | b'@', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => Some(
            1 + digits
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count(),
        ),
        _ => None,
    }
}

/// Tokens of a text alone, without arguments and messages: for fast scans.
pub fn raw_tokens(text: &str) -> impl Iterator<Item = (TokenKind, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.get(skip_blank(rest.as_bytes())..).unwrap_or("");
        if rest.is_empty() {
            return None;
        }
        let (kind, length) = first_token(rest);
        let (word, tail) = rest.split_at_checked(length.max(1)).unwrap_or((rest, ""));
        rest = tail;
        Some((kind, word))
    })
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
        TokenKind::EmbeddedC => ("embedded-code", None),
        TokenKind::Junk | TokenKind::BadArgument => {
            // One byte, as the file has it.
            let byte = content
                .bytes()
                .next()
                .filter(|byte| !matches!(byte, b'"' | b'%'));
            (
                "junk",
                Some(byte.map_or(String::new(), |byte| byte.escape_ascii().to_string())),
            )
        }
        TokenKind::String | TokenKind::RawString => {
            let inner = content
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'));
            ("string", Some(inner.unwrap_or(content).to_owned()))
        }
    }
}

/// Bytes of a string literal without its quotes: C's escapes are decoded, any other
/// backslash disappears (`\q` is `q`).
pub fn decode_string(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(escape) = bytes.next() else { break };
        out.push(match escape {
            b'a' => 0x07,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0b,
            b'f' => 0x0c,
            b'r' => b'\r',
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    let Some(digit) = bytes.next_if(|byte| matches!(byte, b'0'..=b'7')) else {
                        break;
                    };
                    value = value * 8 + u32::from(digit - b'0');
                }
                value as u8
            }
            b'x' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let mut value = None;
                for _ in 0..2 {
                    let Some(next) = bytes.next_if(|&byte| digit(byte).is_some()) else {
                        break;
                    };
                    value = Some(value.unwrap_or(0) * 16 + digit(next).unwrap_or(0));
                }
                value.map_or(b'x', |value| value as u8)
            }
            other => other,
        });
    }
    out
}
