// SPDX-License-Identifier: GPL-2.0-or-later
//! Parts of places: members, bytes and bits of what is in memory, in registers,
//! in several registers, or constant.

use rstap_debuginfo::{BitField, Member, Piece};
use rstap_syntax::diag::Diagnostic;

use super::access::{CType, Selected};
use super::location::Spot;
use super::{Resolver, build};
use crate::ir::{self, BinaryOperator, ExprKind};

impl Resolver<'_> {
    /// A member of the structure or union at a spot.
    pub(super) fn member_part(&self, outer: Spot, member: &Member) -> Selected {
        let size = match member.bit_field {
            Some(field) => u64::from(field.storage_size),
            None => self.cx.session.target.size_of(member.type_id).unwrap_or(0),
        };
        let (spot, bits) = match (outer, member.bit_field) {
            // The other bits of the storage unit may not be anywhere.
            (Spot::Pieces(pieces), Some(field)) => {
                let begin = 8 * member.byte_offset + u64::from(field.bit_offset);
                let spot = clip(pieces, begin, begin + u64::from(field.bit_size));
                let bits = BitField {
                    bit_offset: 0,
                    ..field
                };
                (spot, Some(bits))
            }
            (outer, bits) => (self.part(outer, member.byte_offset, size), bits),
        };
        Selected {
            spot,
            ty: CType::of(member.type_id),
            bits,
            is_pointee: false,
        }
    }

    /// `size` bytes at an offset inside a spot.
    pub(super) fn part(&self, spot: Spot, offset: u64, size: u64) -> Spot {
        let shifted = |value: ir::Expr| match offset {
            0 => Spot::Value(value),
            1..8 => {
                let shift = build::number(self.at, 8 * offset.cast_signed());
                Spot::Value(build::binary(
                    BinaryOperator::ShiftRightLogical,
                    value,
                    shift,
                ))
            }
            _ => Spot::Unavailable("it is not in the register".to_owned()),
        };
        match spot {
            Spot::Memory(address) => Spot::Memory(build::add(address, offset.cast_signed())),
            Spot::Value(value) => shifted(value),
            Spot::Register(number) if offset != 0 => {
                shifted(build::long(self.at, ExprKind::Register(number)))
            }
            Spot::ReturnValue if offset != 0 => {
                shifted(build::long(self.at, ExprKind::ReturnValue))
            }
            Spot::Bytes(bytes) => {
                let begin = usize::try_from(offset).unwrap_or(usize::MAX);
                match bytes.get(begin..) {
                    Some(rest) => Spot::Bytes(rest.to_vec()),
                    None => Spot::Unavailable("it is not in the constant".to_owned()),
                }
            }
            Spot::Pieces(pieces) => {
                match clip(pieces, 8 * offset, 8 * offset.saturating_add(size)) {
                    // A part that is in one place is as good as one that always was.
                    Spot::Pieces(pieces) => match <[_; 1]>::try_from(pieces) {
                        Ok([(spot, piece)]) if piece.bit_offset % 8 == 0 => {
                            self.part(spot, piece.bit_offset / 8, size)
                        }
                        Ok([only]) => Spot::Pieces(vec![only]),
                        Err(pieces) => Spot::Pieces(pieces),
                    },
                    spot => spot,
                }
            }
            spot => spot,
        }
    }

    /// Low bytes of what a spot holds.
    pub(super) fn scalar(
        &mut self,
        selected: &Selected,
        size: u8,
        is_signed: bool,
    ) -> Result<ir::Expr, Diagnostic> {
        let at = self.at;
        let value = match &selected.spot {
            Spot::Memory(address) => {
                return Ok(build::read(self.space(), address.clone(), size, is_signed));
            }
            Spot::Value(value) => value.clone(),
            Spot::Register(number) => build::long(at, ExprKind::Register(*number)),
            Spot::ReturnValue => build::long(at, ExprKind::ReturnValue),
            Spot::Bytes(bytes) => {
                let mut word = [0; 8];
                for (to, from) in word.iter_mut().zip(bytes) {
                    *to = *from;
                }
                build::number(at, i64::from_le_bytes(word))
            }
            Spot::Pieces(pieces) => self.composed(pieces.clone(), 8 * u64::from(size))?,
            Spot::Pointee(..) => {
                return Err(self.unavailable("the pointer has no value, only its target has"));
            }
            Spot::Unavailable(reason) => return Err(self.unavailable(reason)),
        };
        Ok(build::extend(value, size, is_signed))
    }

    /// The first bits of what is in several places.
    fn composed(&mut self, pieces: Vec<(Spot, Piece)>, bits: u64) -> Result<ir::Expr, Diagnostic> {
        let mut whole: Option<ir::Expr> = None;
        let mut start = 0;
        for (spot, piece) in pieces {
            if start >= bits {
                break;
            }
            let spot = self.part(spot, piece.bit_offset / 8, piece.bit_size.div_ceil(8));
            let low = piece.bit_offset % 8;
            let width = piece.bit_size.min(bits - start).min(64 - low);
            let size = (low + width).div_ceil(8).next_power_of_two();
            let narrow = |count: u64| u8::try_from(count).unwrap_or(8);
            let part = Selected {
                spot,
                ty: CType::of(rstap_debuginfo::TypeId::VOID),
                bits: None,
                is_pointee: false,
            };
            let value = self.scalar(&part, narrow(size), false)?;
            let value = build::bits(value, narrow(low), narrow(width), false);
            let value = match start {
                0 => value,
                _ => {
                    let count = build::number(self.at, start.cast_signed());
                    build::binary(BinaryOperator::ShiftLeft, value, count)
                }
            };
            whole = Some(match whole {
                Some(before) => build::binary(BinaryOperator::Or, before, value),
                None => value,
            });
            start += piece.bit_size;
        }
        whole.ok_or_else(|| self.unavailable("it has no size"))
    }

    /// The value of a bit field.
    pub(super) fn bit_field(
        &mut self,
        selected: &Selected,
        field: BitField,
        is_signed: bool,
    ) -> Result<ir::Expr, Diagnostic> {
        let storage = self.scalar(selected, field.storage_size, false)?;
        let in_first = 64u8.saturating_sub(field.bit_offset);
        if field.bit_size <= in_first {
            return Ok(build::bits(
                storage,
                field.bit_offset,
                field.bit_size,
                is_signed,
            ));
        }
        // A packed field that no eight bytes hold: the rest is in the ninth.
        let ninth = Selected {
            spot: self.part(selected.spot.clone(), 8, 1),
            ..selected.clone()
        };
        let ninth = self.scalar(&ninth, 1, false)?;
        let high = build::bits(ninth, 0, field.bit_size - in_first, is_signed);
        let count = |count: u8| build::number(self.at, i64::from(count));
        let high = build::binary(BinaryOperator::ShiftLeft, high, count(in_first));
        let low = build::bits(storage, field.bit_offset, in_first, false);
        Ok(build::binary(BinaryOperator::Or, low, high))
    }
}

/// Bits `begin` to `end` of what is in several places.
fn clip(pieces: Vec<(Spot, Piece)>, begin: u64, end: u64) -> Spot {
    let mut kept = Vec::new();
    let mut start = 0;
    for (spot, mut piece) in pieces {
        let stop = start + piece.bit_size;
        let (from, to) = (begin.max(start), end.min(stop));
        if from < to {
            piece.bit_offset += from - start;
            piece.bit_size = to - from;
            kept.push((spot, piece));
        }
        start = stop;
    }
    match kept.is_empty() {
        true => Spot::Unavailable("no part of it is anywhere".to_owned()),
        false => Spot::Pieces(kept),
    }
}
