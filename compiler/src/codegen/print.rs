// SPDX-License-Identifier: GPL-2.0-or-later
//! Print functions as straight calls: no format is interpreted at run time.
//! All values are evaluated before the first byte is written.

use crate::ir::*;

use super::body::{Body, Home, Result, Value};
use super::fields::{self, Base};
use super::writer::{bare, number, quote, until_nul};

/// A piece whose operands have been evaluated.
enum Piece {
    Literal(Vec<u8>),
    Value {
        conversion: Conversion,
        flags: PrintFlags,
        width: Option<String>,
        precision: Option<String>,
        value: String,
    },
    /// Entries of a table, each with the text before it.
    Fields {
        base: Base,
        entries: Vec<String>,
    },
    Histogram {
        stat: (String, bool),
        spec: String,
    },
}

impl Body<'_> {
    pub fn print(&mut self, print: &Print, at: LocationId) -> Result<()> {
        let pieces = self.pieces(print, None, at)?;
        self.put(&pieces, "&c->output");
        let reads_memory = |piece: &Piece| {
            matches!(
                piece,
                Piece::Value {
                    conversion: Conversion::Memory | Conversion::MemoryHex,
                    ..
                }
            )
        };
        if pieces.iter().any(reads_memory) {
            self.check(Some(at));
        }
        Ok(())
    }

    pub fn print_to_string(&mut self, print: &Print, at: LocationId) -> Result<Value> {
        // Strings and constants need no output to go through.
        match print.pieces.as_slice() {
            [] => return Ok(Value::string("RST_LITERAL(\"\")", Home::Outside)),
            [PrintPiece::Literal(text)] => {
                return Ok(Value::string(super::writer::literal(text), Home::Outside));
            }
            [
                PrintPiece::Value {
                    conversion: Conversion::String,
                    width: None,
                    precision: None,
                    value,
                    ..
                },
            ] => return self.expression(value),
            _ => {}
        }
        let pieces = self.pieces(print, fields::base_of(self, print, at), at)?;
        let output = self.variable("o", |name| format!("struct rst_output {name};"));
        let name = self.temporary(Type::String);
        self.line(format!("{output} = rst_string_output(c);"));
        self.take_strings(1);
        self.put(&pieces, &format!("&{output}"));
        self.line(format!("{name} = rst_string_finish(c, &{output});"));
        self.check(Some(at));
        Ok(Value::string(name, Home::Statement))
    }

    /// Evaluates the operands in order and merges neighbouring literals. The fields of `base` are
    /// left to the runtime, which reads them as it prints them.
    fn pieces(&mut self, print: &Print, base: Option<Base>, at: LocationId) -> Result<Vec<Piece>> {
        let field = |piece: &PrintPiece| {
            fields::field(piece, at)
                .filter(|(found, _)| Some(*found) == base)
                .map(|(_, field)| field)
        };
        let mut operands = Vec::new();
        for piece in &print.pieces {
            if field(piece).is_some() {
                continue;
            }
            if let PrintPiece::Value {
                width,
                precision,
                value,
                ..
            } = piece
            {
                operands.extend(width);
                operands.extend(precision);
                operands.push(value);
            }
        }
        let mut values = self
            .operands(&operands)?
            .into_iter()
            .map(|value| value.text);
        let mut take = |wanted: bool| {
            if wanted { values.next() } else { None }
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let literal = |pieces: &mut Vec<Piece>, text: &[u8]| match pieces.last_mut() {
            Some(Piece::Literal(last)) => last.extend_from_slice(text),
            _ => pieces.push(Piece::Literal(text.to_vec())),
        };
        for piece in &print.pieces {
            match piece {
                PrintPiece::Literal(text) => literal(&mut pieces, until_nul(text)),
                PrintPiece::Value {
                    conversion,
                    flags,
                    width,
                    precision,
                    value,
                } => {
                    if let (Some(base), Some(field)) = (base, field(piece)) {
                        let before = match pieces.pop_if(|p| matches!(p, Piece::Literal(_))) {
                            Some(Piece::Literal(text)) => text,
                            _ => Vec::new(),
                        };
                        let entry = field.entry(&before, letter(*conversion), &flags_text(*flags));
                        match pieces.last_mut() {
                            Some(Piece::Fields { entries, .. }) => entries.push(entry),
                            _ => pieces.push(Piece::Fields {
                                base,
                                entries: vec![entry],
                            }),
                        }
                        continue;
                    }
                    let width = take(width.is_some());
                    let precision = take(precision.is_some());
                    let text = take(true).unwrap_or_default();
                    match (&value.kind, conversion) {
                        (ExprKind::String(text), Conversion::String)
                            if width.is_none() && precision.is_none() && !flags.alternate =>
                        {
                            literal(&mut pieces, until_nul(text));
                        }
                        _ => pieces.push(Piece::Value {
                            conversion: *conversion,
                            flags: *flags,
                            width,
                            precision,
                            value: bare(&text).to_owned(),
                        }),
                    }
                }
                PrintPiece::Histogram { stat, .. } => {
                    let (stat, spec) = self.histogram_operand(stat, at)?;
                    pieces.push(Piece::Histogram { stat, spec });
                }
            }
        }
        Ok(pieces)
    }

    fn put(&mut self, pieces: &[Piece], output: &str) {
        for piece in pieces {
            let call = match piece {
                Piece::Literal(text) if text.is_empty() => continue,
                Piece::Literal(text) => {
                    format!("rst_put({output}, {}, {});", quote(text), text.len())
                }
                Piece::Histogram { stat, spec } => {
                    self.put_histogram(output, stat, spec);
                    continue;
                }
                Piece::Fields { base, entries } => {
                    let lines = entries.join("\n\t\t");
                    let table = self.variable("f", |name| {
                        format!("static const struct rst_field {name}[] = {{\n\t\t{lines}\n\t}};")
                    });
                    let is_user = i32::from(base.space == Space::User);
                    format!(
                        "rst_put_fields({output}, c, {}, {is_user}, {table}, {});",
                        self.local(base.local),
                        entries.len()
                    )
                }
                Piece::Value {
                    conversion,
                    flags,
                    width,
                    precision,
                    value,
                } => {
                    let is_plain =
                        width.is_none() && precision.is_none() && *flags == PrintFlags::default();
                    let has_escapes = flags.alternate;
                    let flags = flags_text(*flags);
                    let width = width.as_deref().map_or("-1", bare);
                    let precision = precision.as_deref().map_or("-1", bare);
                    match conversion {
                        Conversion::Decimal if is_plain => {
                            format!("rst_put_decimal({output}, {value});")
                        }
                        Conversion::String if is_plain => {
                            format!("rst_put_string({output}, {value});")
                        }
                        Conversion::String if has_escapes => format!(
                            "rst_put_escaped({output}, {value}, {flags}, {width}, {precision});"
                        ),
                        Conversion::String => format!(
                            "rst_put_padded({output}, {value}, {flags}, {width}, {precision});"
                        ),
                        Conversion::Character => {
                            format!("rst_put_character({output}, {value}, {flags}, {width});")
                        }
                        Conversion::Binary => {
                            let size = if width == "-1" {
                                number(8)
                            } else {
                                width.to_owned()
                            };
                            format!("rst_put_binary({output}, {value}, {size});")
                        }
                        Conversion::Memory | Conversion::MemoryHex => {
                            let is_hex = i32::from(*conversion == Conversion::MemoryHex);
                            format!(
                                "rst_put_memory({output}, c, {value}, {is_hex}, {flags}, \
                                 {width}, {precision});"
                            )
                        }
                        _ => format!(
                            "rst_put_number({output}, {value}, '{}', {flags}, {width}, \
                             {precision});",
                            letter(*conversion)
                        ),
                    }
                }
            };
            self.line(call);
        }
    }
}

fn letter(conversion: Conversion) -> char {
    match conversion {
        Conversion::Unsigned => 'u',
        Conversion::Octal => 'o',
        Conversion::HexLower => 'x',
        Conversion::HexUpper => 'X',
        Conversion::Pointer => 'p',
        Conversion::Character => 'c',
        _ => 'd',
    }
}

fn flags_text(flags: PrintFlags) -> String {
    let names = [
        (flags.left, "RST_PRINT_LEFT"),
        (flags.plus, "RST_PRINT_PLUS"),
        (flags.space, "RST_PRINT_SPACE"),
        (flags.zero, "RST_PRINT_ZERO"),
        (flags.alternate, "RST_PRINT_ALTERNATE"),
    ];
    let set: Vec<&str> = names
        .iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        "0".to_owned()
    } else {
        set.join(" | ")
    }
}
