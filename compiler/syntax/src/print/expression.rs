// SPDX-License-Identifier: GPL-2.0-or-later
//! Text of expressions, with as few parentheses as the grammar needs.

use std::fmt::Write as _;

use super::list;
use crate::ast::{
    BinaryOp, Conversion, Expr, ExprKind, FormatFlag, FormatPiece, FormatSize, Hist, HistKind,
    Indexable, Print, PrintStyle, TargetSuffix,
};

const ASSIGN: u8 = 1;
const TERNARY: u8 = 2;
const IN: u8 = 8;
const UNARY: u8 = 14;
const STEP: u8 = 15;
const ADDRESS: u8 = 16;
const PRIMARY: u8 = 17;

fn binary_level(op: BinaryOp) -> u8 {
    use BinaryOp as B;
    match op {
        B::LogicalOr => 3,
        B::LogicalAnd => 4,
        B::Or => 5,
        B::Xor => 6,
        B::And => 7,
        B::Less | B::Greater | B::LessEqual | B::GreaterEqual | B::Equal | B::NotEqual => 9,
        B::ShiftLeft | B::ShiftRight | B::ShiftRightLogical => 10,
        B::Concat => 11,
        B::Add | B::Subtract => 12,
        B::Multiply | B::Divide | B::Modulo => 13,
    }
}

/// How tight an expression binds; one with a lower level needs parentheses.
fn level(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Assign { .. } => ASSIGN,
        ExprKind::Ternary { .. } => TERNARY,
        ExprKind::Binary { op, .. } => binary_level(*op),
        // A match does not chain with comparisons, so it counts as looser.
        ExprKind::In { .. } | ExprKind::Regex { .. } => IN,
        ExprKind::Unary { .. } => UNARY,
        ExprKind::Number(number) if *number < 0 => UNARY,
        ExprKind::IncDec { .. } => STEP,
        ExprKind::AddressOf(_) => ADDRESS,
        _ => PRIMARY,
    }
}

/// Writes an expression in a place that needs at least this level.
pub(super) fn expression(out: &mut String, expr: &Expr, least: u8) {
    if level(expr) < least {
        out.push('(');
        bare(out, expr);
        out.push(')');
    } else {
        bare(out, expr);
    }
}

/// `@name(first, ...)`: expressions, then string literals.
fn at_call(out: &mut String, name: &str, exprs: &[&Expr], texts: &[Option<&str>]) {
    let _ = write!(out, "{name}(");
    list(out, ", ", exprs, |out, expr| expression(out, expr, 0));
    for (index, text) in texts.iter().flatten().enumerate() {
        if index > 0 || !exprs.is_empty() {
            out.push_str(", ");
        }
        string(out, text.as_bytes());
    }
    out.push(')');
}

fn bare(out: &mut String, expr: &Expr) {
    match &expr.kind {
        ExprKind::Number(number) => {
            let _ = write!(out, "{number}");
        }
        ExprKind::String(text) => string(out, text),
        ExprKind::Ident(name) => out.push_str(name),
        ExprKind::Target(target) => {
            out.push_str(&target.name);
            suffixes(out, &target.suffixes);
        }
        ExprKind::Cast(cast) => {
            let texts = [Some(cast.type_name.as_str()), cast.module.as_deref()];
            at_call(out, "@cast", &[&cast.operand], &texts);
            suffixes(out, &cast.suffixes);
        }
        ExprKind::Var {
            name,
            module,
            suffixes: list,
        } => {
            at_call(out, "@var", &[], &[Some(name), module.as_deref()]);
            suffixes(out, list);
        }
        ExprKind::Autocast {
            operand,
            suffixes: list,
        } => autocast(out, operand, list),
        ExprKind::AddressOf(operand) => prefix(out, "&", operand, PRIMARY),
        ExprKind::Entry(operand) => at_call(out, "@entry", &[operand], &[]),
        ExprKind::Defined(operand) => at_call(out, "@defined", &[operand], &[]),
        ExprKind::Probewrite(operand) => at_call(out, "@probewrite", &[operand], &[]),
        ExprKind::Perf(name) => at_call(out, "@perf", &[], &[Some(name)]),
        ExprKind::Const(name) => at_call(out, "@const", &[], &[Some(name)]),
        ExprKind::Enum(name) => at_call(out, "@enum", &[], &[Some(name)]),
        ExprKind::EnumName {
            value,
            type_name,
            module,
        } => {
            at_call(
                out,
                "@enumname",
                &[value],
                &[type_name.as_deref(), module.as_deref()],
            );
        }
        ExprKind::Deref {
            user,
            size,
            address,
        } => {
            let name = if *user { "@uderef" } else { "@kderef" };
            at_call(out, name, &[size, address], &[]);
        }
        ExprKind::Register { user, number } => {
            let name = if *user { "@uregister" } else { "@kregister" };
            at_call(out, name, &[number], &[]);
        }
        ExprKind::Unary { op, operand } => prefix(out, op.symbol(), operand, UNARY),
        ExprKind::Binary { op, left, right } => {
            let level = binary_level(*op);
            expression(out, left, level);
            let _ = write!(out, " {} ", op.symbol());
            expression(out, right, level + 1);
        }
        ExprKind::Regex {
            negated,
            left,
            pattern,
            ..
        } => {
            expression(out, left, IN + 2);
            out.push_str(if *negated { " !~ " } else { " =~ " });
            string(out, pattern);
        }
        ExprKind::Assign { op, target, value } => {
            expression(out, target, TERNARY);
            let _ = write!(out, " {} ", op.symbol());
            expression(out, value, ASSIGN);
        }
        ExprKind::IncDec {
            increment,
            prefix: before,
            operand,
        } => {
            let symbol = if *increment { "++" } else { "--" };
            if *before {
                prefix(out, symbol, operand, ADDRESS);
            } else {
                expression(out, operand, ADDRESS);
                out.push_str(symbol);
            }
        }
        ExprKind::Ternary {
            condition,
            then,
            otherwise,
        } => {
            expression(out, condition, TERNARY + 1);
            out.push_str(" ? ");
            expression(out, then, 0);
            out.push_str(" : ");
            expression(out, otherwise, TERNARY);
        }
        ExprKind::In {
            indexes: keys,
            base,
        } => {
            match keys.as_slice() {
                [Some(key)] => expression(out, key, IN + 1),
                keys => indexes(out, keys),
            }
            out.push_str(" in ");
            indexable(out, base);
        }
        ExprKind::Index {
            base,
            indexes: keys,
        } => {
            indexable(out, base);
            indexes(out, keys);
        }
        ExprKind::Call { name, args } => {
            let _ = write!(out, "{}(", name.name);
            list(out, ", ", args, |out, arg| expression(out, arg, 0));
            out.push(')');
        }
        ExprKind::Stat { op, operand, shift } => {
            let _ = write!(out, "{}(", op.symbol());
            expression(out, operand, 0);
            if let Some(shift) = shift {
                let _ = write!(out, ", {shift}");
            }
            out.push(')');
        }
        ExprKind::Hist(hist) => histogram(out, hist),
        ExprKind::Print(print) => print_call(out, print),
        ExprKind::EmbeddedC(code) => {
            let _ = write!(out, "%{{{code}%}}");
        }
    }
}

/// A prefix operator, kept apart from what would make another operator of it.
fn prefix(out: &mut String, symbol: &str, operand: &Expr, least: u8) {
    out.push_str(symbol);
    let start = out.len();
    expression(out, operand, least);
    if out
        .get(start..)
        .is_some_and(|rest| rest.starts_with(['+', '-', '!', '~', '&']))
    {
        out.insert(start, ' ');
    }
}

fn autocast(out: &mut String, operand: &Expr, list: &[TargetSuffix]) {
    // Without parentheses the suffixes would belong to these.
    let collects = match operand.kind {
        ExprKind::Target(_) | ExprKind::Cast(_) | ExprKind::Var { .. } => true,
        ExprKind::Autocast { .. } => true,
        // A `$` behind a name would become a part of it.
        ExprKind::Ident(_) => !matches!(list.first(), Some(TargetSuffix::Member(_))),
        ExprKind::Hist(_) => matches!(list.first(), Some(TargetSuffix::Index(_))),
        _ => false,
    };
    expression(out, operand, if collects { u8::MAX } else { PRIMARY });
    suffixes(out, list);
}

fn suffixes(out: &mut String, list: &[TargetSuffix]) {
    for suffix in list {
        match suffix {
            TargetSuffix::Member(name) => {
                let _ = write!(out, "->{}", name.name);
            }
            TargetSuffix::Index(index) => {
                out.push('[');
                expression(out, index, 0);
                out.push(']');
            }
            TargetSuffix::Pretty(_) => out.push('$'),
            TargetSuffix::PrettyDeep(_) => out.push_str("$$"),
        }
    }
}

/// `[a, *, c]`
pub(super) fn indexes(out: &mut String, keys: &[Option<Expr>]) {
    out.push('[');
    list(out, ", ", keys, |out, key| match key {
        Some(key) => expression(out, key, 0),
        None => out.push('*'),
    });
    out.push(']');
}

/// A name or a histogram.
pub(super) fn indexable(out: &mut String, base: &Indexable) {
    match base {
        Indexable::Array(name) => out.push_str(&name.name),
        Indexable::Hist(hist) => histogram(out, hist),
    }
}

fn histogram(out: &mut String, hist: &Hist) {
    out.push_str(match hist.kind {
        HistKind::Log => "@hist_log(",
        HistKind::Linear { .. } => "@hist_linear(",
    });
    expression(out, &hist.operand, 0);
    if let HistKind::Linear { low, high, step } = hist.kind {
        let _ = write!(out, ", {low}, {high}, {step}");
    }
    out.push(')');
}

fn print_call(out: &mut String, print: &Print) {
    let _ = write!(out, "{}(", print.function.name());
    let literal = match print.function.style {
        PrintStyle::Format => Some(format_text(&print.format)),
        _ => print.delimiter.clone(),
    };
    if let Some(literal) = &literal {
        string(out, literal);
    }
    for (index, arg) in print.args.iter().enumerate() {
        if index > 0 || literal.is_some() {
            out.push_str(", ");
        }
        expression(out, arg, 0);
    }
    out.push(')');
}

/// A printf format as it was written, but for `%i` and length marks.
fn format_text(pieces: &[FormatPiece]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        let directive = match piece {
            FormatPiece::Literal(text) => {
                for &byte in text {
                    out.extend_from_slice(if byte == b'%' { b"%%" } else { &[] });
                    out.extend((byte != b'%').then_some(byte));
                }
                continue;
            }
            FormatPiece::Directive(directive) => directive,
        };
        let mut text = String::from("%");
        text.extend(directive.flag.map(|flag| match flag {
            FormatFlag::ZeroPad => '0',
            FormatFlag::Plus => '+',
            FormatFlag::Left => '-',
            FormatFlag::Space => ' ',
            FormatFlag::Alternate => '#',
        }));
        for (mark, size) in [("", directive.width), (".", directive.precision)] {
            let _ = match size {
                FormatSize::Unspecified => Ok(()),
                FormatSize::Fixed(size) => write!(text, "{mark}{size}"),
                FormatSize::Dynamic => write!(text, "{mark}*"),
            };
        }
        text.push(match directive.conversion {
            Conversion::Decimal => 'd',
            Conversion::Unsigned => 'u',
            Conversion::Octal => 'o',
            Conversion::Hex => 'x',
            Conversion::HexUpper => 'X',
            Conversion::Pointer => 'p',
            Conversion::String => 's',
            Conversion::Char => 'c',
            Conversion::Binary => 'b',
            Conversion::Memory => 'm',
            Conversion::MemoryHex => 'M',
        });
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// A string literal with its quotes and escapes.
pub(super) fn string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_ascii_control() => {
                    let _ = write!(out, "\\{:03o}", c as u32);
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\{byte:03o}");
        }
    }
    out.push('"');
}
