// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls of the print family and their formats.

use super::Expr;
use crate::span::Span;

/// A call of the print family.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// Which function.
    pub function: PrintFunction,
    /// Parsed format of `printf` and `sprintf`, empty otherwise.
    pub format: Vec<FormatPiece>,
    /// Delimiter of `printd`, `printdln`, `sprintd` and `sprintdln`.
    pub delimiter: Option<Vec<u8>>,
    /// Place of the format or delimiter literal.
    pub literal_span: Option<Span>,
    /// Values to print, without format and delimiter.
    pub args: Vec<Expr>,
}

/// Which function of the print family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrintFunction {
    /// `sprint...`: gives a string instead of printing.
    pub to_string: bool,
    /// How the arguments are put together.
    pub style: PrintStyle,
    /// `...ln`: ends with a newline.
    pub newline: bool,
}

/// How a print function puts its arguments together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrintStyle {
    /// `print`: one after the other, each in its type's way.
    Plain,
    /// `printf`: by format.
    Format,
    /// `printd`: with a delimiter in between.
    Delimited,
    /// `print_char`: one byte.
    Char,
}

/// A part of a printf format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatPiece {
    /// Text; `%%` is in here as `%`.
    Literal(Vec<u8>),
    /// A conversion that takes arguments.
    Directive(Directive),
}

/// `%[flag][width][.precision]conversion`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    /// One of `0 + - space #`.
    pub flag: Option<FormatFlag>,
    /// Least number of characters.
    pub width: FormatSize,
    /// Digits of a number, longest length of a string, bytes of a memory dump.
    pub precision: FormatSize,
    /// What is printed.
    pub conversion: Conversion,
}

/// Flag of a printf directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FormatFlag {
    /// `0`
    ZeroPad,
    /// `+`
    Plus,
    /// `-`
    Left,
    /// a space
    Space,
    /// `#`
    Alternate,
}

/// Width or precision of a printf directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FormatSize {
    /// Not given.
    Unspecified,
    /// A number in the format.
    Fixed(u32),
    /// `*`: an argument before the value.
    Dynamic,
}

/// Conversion of a printf directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// `%d`, `%i`
    Decimal,
    /// `%u`
    Unsigned,
    /// `%o`
    Octal,
    /// `%x`
    Hex,
    /// `%X`
    HexUpper,
    /// `%p`
    Pointer,
    /// `%s`
    String,
    /// `%c`
    Char,
    /// `%b`: raw little-endian bytes, width 1, 2, 4 or 8.
    Binary,
    /// `%m`: memory at the address; `%#m` reads user memory.
    Memory,
    /// `%M`: memory at the address, as hexadecimal.
    MemoryHex,
}

impl PrintFunction {
    /// The function that a script calls by this name.
    pub fn from_name(name: &str) -> Option<PrintFunction> {
        if name == "print_char" {
            let style = PrintStyle::Char;
            return Some(PrintFunction {
                to_string: false,
                style,
                newline: false,
            });
        }
        let to_string = name.starts_with('s');
        let (style, newline) = match name.strip_prefix('s').unwrap_or(name) {
            "print" => (PrintStyle::Plain, false),
            "println" => (PrintStyle::Plain, true),
            "printf" => (PrintStyle::Format, false),
            "printd" => (PrintStyle::Delimited, false),
            "printdln" => (PrintStyle::Delimited, true),
            _ => return None,
        };
        Some(PrintFunction {
            to_string,
            style,
            newline,
        })
    }

    /// The name as written.
    pub fn name(self) -> &'static str {
        match (self.style, self.newline, self.to_string) {
            (PrintStyle::Plain, false, false) => "print",
            (PrintStyle::Plain, false, true) => "sprint",
            (PrintStyle::Plain, true, false) => "println",
            (PrintStyle::Plain, true, true) => "sprintln",
            (PrintStyle::Format, _, false) => "printf",
            (PrintStyle::Format, _, true) => "sprintf",
            (PrintStyle::Delimited, false, false) => "printd",
            (PrintStyle::Delimited, false, true) => "sprintd",
            (PrintStyle::Delimited, true, false) => "printdln",
            (PrintStyle::Delimited, true, true) => "sprintdln",
            (PrintStyle::Char, _, _) => "print_char",
        }
    }
}
