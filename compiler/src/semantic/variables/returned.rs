// SPDX-License-Identifier: GPL-2.0-or-later
//! `$return`: where a function leaves its result.

use rstap_debuginfo::{Encoding, Function, Location, Piece, Type, TypeId, TypeKind};
use rstap_syntax::diag::Diagnostic;

use super::access::Selected;
use super::location::Spot;
use super::{Resolver, build, error};
use crate::arch::{self, WORD_SIZE};
use crate::ir::ExprKind;
use crate::semantic::points::from_target;

/// Structures within structures at most.
const DEEPEST: usize = 16;

/// How the calling convention classifies a structure (System V ABI for x86_64, §3.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Integer,
    Float,
    Memory,
}

impl Resolver<'_> {
    /// `$return`
    pub(super) fn returned(&mut self, function: &Function) -> Result<Selected, Diagnostic> {
        let target = self.cx.session.target;
        let prototype = target.prototype(function);
        let prototype = prototype.map_err(|problem| from_target(&problem).at(self.token))?;
        let Some(prototype) = prototype else {
            return Ok(Selected::new(Spot::ReturnValue, self.long_type()?));
        };
        if self.bare(prototype.return_type)?.id.is_void() {
            let file = function
                .declaration
                .as_ref()
                .map_or("", |position| &*position.file);
            let message = format!("function {} ({file}) has no return value", function.name);
            return Err(error(message).at(self.token));
        }
        let spot = self.result(prototype.return_type)?;
        Ok(Selected::new(spot, prototype.return_type))
    }

    /// Where the calling convention puts a result of this type.
    fn result(&mut self, id: TypeId) -> Result<Spot, Diagnostic> {
        let float = || Spot::Unavailable("it is in a floating-point register".to_owned());
        let bare = self.bare(id)?;
        let size = match &bare.kind {
            TypeKind::Base {
                encoding: Encoding::Float | Encoding::Other,
                ..
            } => return Ok(float()),
            TypeKind::Aggregate { size, .. } => *size,
            _ => return Ok(Spot::ReturnValue),
        };
        let word = u64::from(WORD_SIZE);
        let class = match size > 2 * word {
            true => Class::Memory,
            false => self.class(&bare, 0, 0)?,
        };
        Ok(match class {
            // The function returns the address that the caller gave it.
            Class::Memory => Spot::Memory(build::long(self.at, ExprKind::ReturnValue)),
            Class::Float => float(),
            Class::Integer if size <= word => Spot::ReturnValue,
            Class::Integer => {
                let piece = |bytes: u64| Piece {
                    location: Location::Unavailable(String::new()),
                    bit_size: 8 * bytes,
                    bit_offset: 0,
                };
                Spot::Pieces(vec![
                    (Spot::ReturnValue, piece(word)),
                    (Spot::Register(arch::SECOND_RESULT), piece(size - word)),
                ])
            }
        })
    }

    /// The class of a small structure: that of its least convenient member.
    fn class(&self, ty: &Type, base: u64, depth: usize) -> Result<Class, Diagnostic> {
        let target = self.cx.session.target;
        Ok(match &ty.kind {
            TypeKind::Base {
                encoding: Encoding::Float | Encoding::Other,
                ..
            } => Class::Float,
            TypeKind::Aggregate { members, .. } if depth < DEEPEST => {
                let mut class = Class::Integer;
                for member in members {
                    let bare = self.bare(member.type_id)?;
                    let offset = base + member.byte_offset;
                    let size = target.size_of(bare.id).unwrap_or(1);
                    let is_scalar = self.shape(&bare).is_some() && member.bit_field.is_none();
                    // Packed structures with members that are not aligned go through memory.
                    let one = match is_scalar && !offset.is_multiple_of(size) {
                        true => Class::Memory,
                        false => self.class(&bare, offset, depth + 1)?,
                    };
                    class = class.max(one);
                }
                class
            }
            TypeKind::Array { element, .. } if depth < DEEPEST => {
                let bare = self.bare(*element)?;
                self.class(&bare, base, depth + 1)?
            }
            _ => Class::Integer,
        })
    }
}
