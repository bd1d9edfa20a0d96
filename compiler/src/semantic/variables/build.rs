// SPDX-License-Identifier: GPL-2.0-or-later
//! Short ways to write IR.

use crate::ir::{
    BinaryOperator, CompareOperator, Conversion, Expr, ExprKind, LocalId, LocationId, Place, Print,
    PrintFlags, PrintPiece, Space, Stmt, StmtKind, Type,
};

pub fn long(at: LocationId, kind: ExprKind) -> Expr {
    Expr {
        kind,
        ty: Type::Long,
        at,
    }
}

pub fn number(at: LocationId, value: i64) -> Expr {
    long(at, ExprKind::Number(value))
}

pub fn string(at: LocationId, text: &str) -> Expr {
    Expr {
        kind: ExprKind::String(text.as_bytes().to_vec()),
        ty: Type::String,
        at,
    }
}

pub fn binary(operator: BinaryOperator, left: Expr, right: Expr) -> Expr {
    let at = left.at;
    long(
        at,
        ExprKind::Binary(operator, Box::new(left), Box::new(right)),
    )
}

pub fn compare(operator: CompareOperator, left: Expr, right: Expr) -> Expr {
    let at = left.at;
    long(
        at,
        ExprKind::Compare(operator, Box::new(left), Box::new(right)),
    )
}

/// `base + offset`; numbers are added here and now.
pub fn add(base: Expr, offset: i64) -> Expr {
    let at = base.at;
    match base.kind {
        _ if offset == 0 => base,
        ExprKind::Number(value) => number(at, value.wrapping_add(offset)),
        ExprKind::Binary(BinaryOperator::Add, left, right) => match right.kind {
            ExprKind::Number(value) => add(*left, value.wrapping_add(offset)),
            _ => {
                let sum = long(at, ExprKind::Binary(BinaryOperator::Add, left, right));
                binary(BinaryOperator::Add, sum, number(at, offset))
            }
        },
        kind => binary(BinaryOperator::Add, long(at, kind), number(at, offset)),
    }
}

/// `base + index * scale`
pub fn add_scaled(base: Expr, index: Expr, scale: u64) -> Expr {
    let scale = scale.cast_signed();
    if let ExprKind::Number(index) = index.kind {
        return add(base, index.wrapping_mul(scale));
    }
    let at = index.at;
    let offset = match scale {
        1 => index,
        _ => binary(BinaryOperator::Multiply, index, number(at, scale)),
    };
    binary(BinaryOperator::Add, base, offset)
}

pub fn read(space: Space, address: Expr, size: u8, is_signed: bool) -> Expr {
    let at = address.at;
    long(
        at,
        ExprKind::Read {
            space,
            address: Box::new(address),
            size,
            is_signed,
        },
    )
}

/// Low bytes of a value.
pub fn extend(value: Expr, size: u8, is_signed: bool) -> Expr {
    if size >= 8 {
        return value;
    }
    let at = value.at;
    long(
        at,
        ExprKind::Extend {
            value: Box::new(value),
            size,
            is_signed,
        },
    )
}

/// `width` bits of a value from bit `low` on.
pub fn bits(value: Expr, low: u8, width: u8, is_signed: bool) -> Expr {
    let at = value.at;
    if width >= 64 {
        return value;
    }
    let count = |count: u8| number(at, i64::from(count));
    if is_signed {
        let left = 64u8.saturating_sub(low).saturating_sub(width);
        let value = binary(BinaryOperator::ShiftLeft, value, count(left));
        return binary(BinaryOperator::ShiftRight, value, count(64 - width));
    }
    let value = match low {
        0 => value,
        _ => binary(BinaryOperator::ShiftRightLogical, value, count(low)),
    };
    let mask = (1u64 << width) - 1;
    binary(BinaryOperator::And, value, number(at, mask.cast_signed()))
}

/// `local = value`
pub fn assign(local: LocalId, value: Expr) -> Stmt {
    let at = value.at;
    let kind = ExprKind::Assign {
        place: Place::Local(local),
        operator: None,
        value: Box::new(value),
    };
    Stmt {
        kind: StmtKind::Expr(long(at, kind)),
        at,
    }
}

/// A conversion without width and precision.
pub fn piece(conversion: Conversion, is_alternate: bool, value: Expr) -> PrintPiece {
    let flags = PrintFlags {
        alternate: is_alternate,
        ..PrintFlags::default()
    };
    PrintPiece::Value {
        conversion,
        flags,
        width: None,
        precision: None,
        value,
    }
}

pub fn literal(text: impl Into<Vec<u8>>) -> PrintPiece {
    PrintPiece::Literal(text.into())
}

/// `sprintf`
pub fn sprint(at: LocationId, pieces: Vec<PrintPiece>) -> Expr {
    let kind = ExprKind::Print(Box::new(Print {
        is_string: true,
        pieces,
    }));
    Expr {
        kind,
        ty: Type::String,
        at,
    }
}
