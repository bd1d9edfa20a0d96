// SPDX-License-Identifier: GPL-2.0-or-later
//! What the directives of `printf` print.

use super::program::{Directive, Piece};
use super::table::Value;

/// A format with these values.
pub fn pieces(pieces: &[Piece], values: Vec<Value>) -> Vec<u8> {
    let mut values = values.into_iter();
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(bytes) => text.extend(bytes),
            Piece::Directive(wanted) => {
                let mut wanted = wanted.clone();
                if wanted.takes_width {
                    let width = values.next().map_or(0, |width| width.long());
                    wanted.width = usize::try_from(width).ok();
                }
                let value = values.next().unwrap_or(Value::Long(0));
                text.extend(directive(&wanted, &value));
            }
        }
    }
    text
}

/// The text of one value.
fn directive(directive: &Directive, value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => {
            let most = directive.precision.unwrap_or(text.len());
            padded(directive, b"", text.get(..most).unwrap_or(text))
        }
        Value::Long(number) => number_text(directive, *number),
    }
}

fn number_text(directive: &Directive, number: i64) -> Vec<u8> {
    let prefix_wanted = directive.flag == Some(b'#');
    let (prefix, mut digits): (&[u8], String) = match directive.conversion {
        b'c' => return padded(directive, b"", &[number as u8]),
        b'd' | b'i' => {
            let prefix: &[u8] = match directive.flag {
                _ if number < 0 => b"-",
                Some(b'+') => b"+",
                Some(b' ') => b" ",
                _ => b"",
            };
            (prefix, number.unsigned_abs().to_string())
        }
        b'u' => (b"", (number as u64).to_string()),
        b'o' => (b"", format!("{number:o}")),
        b'x' => (
            if prefix_wanted { b"0x" } else { b"" },
            format!("{number:x}"),
        ),
        b'p' => (b"0x", format!("{number:x}")),
        _ => (
            if prefix_wanted { b"0X" } else { b"" },
            format!("{number:X}"),
        ),
    };
    match directive.precision {
        Some(0) if number == 0 => digits.clear(),
        Some(precision) => digits = format!("{digits:0>precision$}"),
        None => {}
    }
    // As in C, `#` makes the first octal digit a zero.
    if directive.conversion == b'o' && prefix_wanted && !digits.starts_with('0') {
        digits.insert(0, '0');
    }
    padded(directive, prefix, digits.as_bytes())
}

/// Fills up to the width: with spaces, on the right after `-`; with zeros behind the prefix after `0`.
fn padded(directive: &Directive, prefix: &[u8], body: &[u8]) -> Vec<u8> {
    let width = directive.width.unwrap_or(0);
    let missing = width.saturating_sub(prefix.len() + body.len());
    let spaces = vec![b' '; missing];
    match directive.flag {
        Some(b'-') => [prefix, body, &spaces].concat(),
        Some(b'0') if directive.conversion != b's' && directive.conversion != b'c' => {
            [prefix, &vec![b'0'; missing], body].concat()
        }
        _ => [&spaces, prefix, body].concat(),
    }
}
