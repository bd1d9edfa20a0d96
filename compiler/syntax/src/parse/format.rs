// SPDX-License-Identifier: GPL-2.0-or-later
//! The print family and printf formats.

use std::iter::Peekable;

use pest::iterators::Pairs;

use super::Result;
use super::grammar::Rule;
use super::item::{Builder, error};
use crate::ast::{
    Conversion, Directive, ExprKind, FormatFlag, FormatPiece, FormatSize, Print, PrintFunction,
    PrintStyle,
};
use crate::span::Span;

impl Builder<'_> {
    /// A call of `print` and the like; `args` are its arguments.
    pub(super) fn print(
        &mut self,
        function: PrintFunction,
        args: Pairs<'_, Rule>,
        span: Span,
    ) -> Result<ExprKind> {
        let mut tokens: Vec<Span> = Vec::new();
        for arg in args.clone() {
            tokens.push(self.token(&arg).span);
        }
        // SystemTap blames what follows the literal.
        let behind = args
            .clone()
            .next()
            .map(|first| self.token_behind(&first).span);
        let (mut args, height) = self.exprs(args)?;
        self.height = height;
        let mut print = Print {
            function,
            format: Vec::new(),
            delimiter: None,
            literal_span: None,
            args: Vec::new(),
        };
        if matches!(function.style, PrintStyle::Format | PrintStyle::Delimited) {
            let first = if args.is_empty() {
                None
            } else {
                Some(args.remove(0))
            };
            let place = tokens.first().copied().unwrap_or(span.after());
            let Some((literal, at)) = first.and_then(|first| match first.kind {
                ExprKind::String(literal) => Some((literal, first.span)),
                _ => None,
            }) else {
                return error("E0143", "expected literal string", place);
            };
            print.literal_span = Some(at);
            if function.style == PrintStyle::Format {
                print.format = match parse_format(&literal) {
                    Ok(format) => format,
                    Err(text) => return error("E0147", text, behind.unwrap_or(at)),
                };
            } else {
                print.delimiter = Some(literal);
            }
        }
        let least = match (function.style, function.newline) {
            (PrintStyle::Format, _) | (PrintStyle::Plain, true) => 0,
            (PrintStyle::Plain, false) | (PrintStyle::Char, _) => 1,
            (PrintStyle::Delimited, _) => 2,
        };
        if args.len() < least {
            let text = match function.style {
                PrintStyle::Delimited => "expected a delimiter and at least two values",
                _ => "expected literal string or number",
            };
            return error("E0148", text, span);
        }
        print.args = args;
        Ok(ExprKind::Print(Box::new(print)))
    }
}

/// Splits a printf format. The error is SystemTap's sentence.
pub(crate) fn parse_format(text: &[u8]) -> std::result::Result<Vec<FormatPiece>, &'static str> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            literal.push(byte);
            continue;
        }
        if bytes.next_if_eq(&b'%').is_some() {
            literal.push(b'%');
            continue;
        }
        if !literal.is_empty() {
            pieces.push(FormatPiece::Literal(std::mem::take(&mut literal)));
        }
        let flag = match bytes.peek() {
            Some(b'0') => Some(FormatFlag::ZeroPad),
            Some(b'+') => Some(FormatFlag::Plus),
            Some(b'-') => Some(FormatFlag::Left),
            Some(b' ') => Some(FormatFlag::Space),
            Some(b'#') => Some(FormatFlag::Alternate),
            _ => None,
        };
        if flag.is_some() {
            bytes.next();
        }
        let width = size(&mut bytes)?;
        let dot = bytes.next_if_eq(&b'.').is_some();
        let precision = match dot {
            // As in C, a lone `.` is a precision of 0.
            true => match size(&mut bytes)? {
                FormatSize::Unspecified => FormatSize::Fixed(0),
                given => given,
            },
            false => FormatSize::Unspecified,
        };
        // C's length marks say nothing here: every number has 64 bits.
        for _ in 0..2 {
            bytes.next_if_eq(&b'l');
        }
        let conversion = match bytes.next() {
            Some(b'd' | b'i') => Conversion::Decimal,
            Some(b'u') => Conversion::Unsigned,
            Some(b'o') => Conversion::Octal,
            Some(b'x') => Conversion::Hex,
            Some(b'X') => Conversion::HexUpper,
            Some(b'p') => Conversion::Pointer,
            Some(b's') => Conversion::String,
            Some(b'c') => Conversion::Char,
            Some(b'b') => Conversion::Binary,
            Some(b'm') => Conversion::Memory,
            Some(b'M') => Conversion::MemoryHex,
            None if width != FormatSize::Unspecified || dot => {
                return Err("trailing incomplete print format conversion");
            }
            _ => return Err("invalid or missing conversion specifier"),
        };
        pieces.push(FormatPiece::Directive(Directive {
            flag,
            width,
            precision,
            conversion,
        }));
    }
    if !literal.is_empty() {
        pieces.push(FormatPiece::Literal(literal));
    }
    Ok(pieces)
}

/// `*`, a number, or nothing.
fn size(
    bytes: &mut Peekable<impl Iterator<Item = u8>>,
) -> std::result::Result<FormatSize, &'static str> {
    if bytes.next_if_eq(&b'*').is_some() {
        return Ok(FormatSize::Dynamic);
    }
    let mut value: Option<u32> = None;
    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
        let sum = value.unwrap_or(0).checked_mul(10);
        let sum = sum.and_then(|sum| sum.checked_add(u32::from(digit - b'0')));
        value = Some(sum.ok_or("width or precision too large")?);
    }
    Ok(value.map_or(FormatSize::Unspecified, FormatSize::Fixed))
}
