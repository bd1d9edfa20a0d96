// SPDX-License-Identifier: GPL-2.0-or-later
//! Many numbers of one structure, as `$x$$` prints them: a table that the runtime
//! goes through. As code, each of them is a call, a check, a variable on the
//! kernel's small stack, and a millisecond of the compiler's time.

use crate::ir::*;

use super::analysis::{Uses, uses_of_expression};
use super::body::Body;
use super::writer::quote;

/// Fewer are printed by straight code, which runs faster.
const FEWEST: usize = 8;

/// Where a structure is: an address that a local holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base {
    pub space: Space,
    pub local: LocalId,
}

/// A number in memory, `offset` bytes from the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    offset: i32,
    size: u8,
    is_signed: bool,
    /// How far a word is shifted left and then right, so that only the value remains of it.
    left: u8,
    right: u8,
}

impl Field {
    /// An entry of the table.
    pub fn entry(&self, text: &[u8], conversion: char, flags: &str) -> String {
        let Field {
            offset,
            size,
            left,
            right,
            ..
        } = self;
        format!(
            "{{ {}, {}, {offset}, {size}, {left}, {right}, '{conversion}', {flags}, {} }},",
            quote(text),
            text.len(),
            i32::from(self.is_signed)
        )
    }
}

/// Where the fields of a print lie, if it has many and it does not matter when they are read.
pub(super) fn base_of(body: &Body<'_>, print: &Print, at: LocationId) -> Option<Base> {
    let mut found: Option<Base> = None;
    let mut count = 0;
    for piece in &print.pieces {
        if let Some((base, _)) = field(piece, at)
            && *found.get_or_insert(base) == base
        {
            count += 1;
        }
    }
    let base = found.filter(|_| count >= FEWEST)?;
    is_calm(body, print, base.local).then_some(base)
}

/// Whether nothing that is printed changes memory or the local.
fn is_calm(body: &Body<'_>, print: &Print, local: LocalId) -> bool {
    let analysis = &body.unit.analysis;
    let has_effects = |uses: &Uses| {
        let mut callees = analysis.callees(uses).into_iter();
        uses.has_other_effects
            || uses.assigned.contains(&local)
            || callees.any(|id| analysis.function(id).has_other_effects)
    };
    !print.pieces.iter().any(|piece| match piece {
        PrintPiece::Value {
            width,
            precision,
            value,
            ..
        } => [Some(value), width.as_ref(), precision.as_ref()]
            .into_iter()
            .flatten()
            .any(|operand| has_effects(&uses_of_expression(operand))),
        PrintPiece::Literal(_) => false,
        PrintPiece::Histogram { .. } => true,
    })
}

/// The piece as a field, with where its structure is.
pub(super) fn field(piece: &PrintPiece, at: LocationId) -> Option<(Base, Field)> {
    let PrintPiece::Value {
        conversion,
        width: None,
        precision: None,
        value,
        ..
    } = piece
    else {
        return None;
    };
    let is_number = !matches!(
        conversion,
        Conversion::String | Conversion::Binary | Conversion::Memory | Conversion::MemoryHex
    );
    // An error in it would name its own place.
    if !is_number || value.at != at {
        return None;
    }
    number_in_memory(value)
}

/// `*(base + offset)` or some bits of it, as pass 2 writes them.
fn number_in_memory(value: &Expr) -> Option<(Base, Field)> {
    use BinaryOperator::{And, ShiftLeft, ShiftRight, ShiftRightLogical};

    if let Some((base, offset, size, is_signed)) = read(value) {
        let unused = 64u8.checked_sub(size.checked_mul(8)?)?;
        let field = Field {
            offset,
            size,
            is_signed,
            left: unused,
            right: unused,
        };
        return Some((base, field));
    }
    let (word, left, right, is_signed) = match &value.kind {
        // The highest bits: sign and all.
        ExprKind::Binary(ShiftRight, inner, right) => {
            let (word, left) = operation(inner, ShiftLeft)?;
            (word, left, constant(right)?, true)
        }
        ExprKind::Binary(And, inner, mask) => {
            let mask = constant(mask)?.cast_unsigned();
            let width = i64::from(mask.trailing_ones());
            if mask.checked_shr(mask.trailing_ones()).unwrap_or(0) != 0 {
                return None;
            }
            let (word, low) = match operation(inner, ShiftRightLogical) {
                Some(found) => found,
                None => (inner.as_ref(), 0),
            };
            let left = 64i64.checked_sub(low)?.checked_sub(width)?;
            (word, left, 64 - width, false)
        }
        _ => return None,
    };
    let (base, offset, size, _) = read(word).filter(|(.., is_signed)| !is_signed)?;
    let shift = |count: i64| u8::try_from(count).ok().filter(|count| *count < 64);
    let field = Field {
        offset,
        size,
        is_signed,
        left: shift(left)?,
        right: shift(right)?,
    };
    Some((base, field))
}

/// Base, offset, size and whether it is signed.
fn read(value: &Expr) -> Option<(Base, i32, u8, bool)> {
    let ExprKind::Read {
        space,
        address,
        size,
        is_signed,
    } = &value.kind
    else {
        return None;
    };
    let (start, offset) = match operation(address, BinaryOperator::Add) {
        Some((start, offset)) => (start, i32::try_from(offset).ok()?),
        None => (address.as_ref(), 0),
    };
    let ExprKind::Local(local) = start.kind else {
        return None;
    };
    let base = Base {
        space: *space,
        local,
    };
    Some((base, offset, *size, *is_signed))
}

/// The left side of `operator` and the constant at its right.
fn operation(value: &Expr, wanted: BinaryOperator) -> Option<(&Expr, i64)> {
    match &value.kind {
        ExprKind::Binary(operator, left, right) if *operator == wanted => {
            Some((left, constant(right)?))
        }
        _ => None,
    }
}

fn constant(value: &Expr) -> Option<i64> {
    match value.kind {
        ExprKind::Number(value) => Some(value),
        _ => None,
    }
}
