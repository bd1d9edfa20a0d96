// SPDX-License-Identifier: GPL-2.0-or-later
//! `->`, `[]` and `&`: walking through C types.

use std::sync::Arc;

use rstap_debuginfo::{BitField, Encoding, Type, TypeId, TypeKind};
use rstap_syntax::ast::{self, TargetSuffix};
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::location::Spot;
use super::{Resolver, Value, build, error};
use crate::arch::WORD_SIZE;
use crate::ir;
use crate::semantic::points::{Context, from_target, suggest};

/// The argument of a packet hook that says what becomes of the packet.
pub(super) const VERDICT: usize = 4;

/// A C type on the way: arrays lose dimensions one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CType {
    pub id: TypeId,
    /// Dimensions of the array `id` that are indexed away already.
    pub indexed: usize,
}

impl CType {
    pub fn of(id: TypeId) -> CType {
        CType { id, indexed: 0 }
    }
}

/// Where a walk has come to.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub spot: Spot,
    pub ty: CType,
    pub bits: Option<BitField>,
    /// What a cast's operand points to: `[1]` is the object behind it.
    pub is_pointee: bool,
}

impl Selected {
    pub fn new(spot: Spot, id: TypeId) -> Selected {
        Selected {
            spot,
            ty: CType::of(id),
            bits: None,
            is_pointee: false,
        }
    }
}

/// Bytes and signedness of an integer, pointer or enumeration.
pub(super) struct Shape {
    pub size: u8,
    pub is_signed: bool,
}

/// A number that is read as the bits of a `double`.
fn is_float(ty: &Type) -> bool {
    matches!(
        ty.kind,
        TypeKind::Base {
            encoding: Encoding::Float,
            ..
        }
    )
}

impl Resolver<'_> {
    fn failed(&self, problem: &rstap_debuginfo::Error) -> Diagnostic {
        from_target(problem).at(self.token)
    }

    /// A type without typedefs and qualifiers.
    pub(super) fn bare(&self, id: TypeId) -> Result<Arc<Type>, Diagnostic> {
        let target = self.cx.session.target;
        let id = target.strip(id).map_err(|problem| self.failed(&problem))?;
        target.type_of(id).map_err(|problem| self.failed(&problem))
    }

    pub(super) fn type_name(&self, id: TypeId) -> String {
        self.cx.session.target.type_name(id)
    }

    /// Scalars only.
    pub(super) fn shape(&self, ty: &Type) -> Option<Shape> {
        let (size, is_signed) = match &ty.kind {
            TypeKind::Base { size, encoding, .. } => (
                *size,
                matches!(encoding, Encoding::Signed | Encoding::SignedChar),
            ),
            TypeKind::Pointer { size, .. } => (*size, false),
            TypeKind::Enumeration { size, signed, .. } => (*size, *signed),
            _ => return None,
        };
        let size = u8::try_from(size)
            .ok()
            .filter(|size| matches!(size, 1 | 2 | 4 | 8))?;
        Some(Shape { size, is_signed })
    }

    /// What is left of an array's type after some dimensions: the element's type if none.
    pub(super) fn array_rest(&self, ty: CType) -> Result<Option<(TypeId, Vec<u64>)>, Diagnostic> {
        let bare = self.bare(ty.id)?;
        let TypeKind::Array {
            element,
            dimensions,
        } = &bare.kind
        else {
            return Ok(None);
        };
        let rest = dimensions.iter().skip(ty.indexed);
        let rest: Vec<u64> = rest.map(|count| count.unwrap_or(0)).collect();
        Ok((!rest.is_empty()).then_some((*element, rest)))
    }

    /// The type itself, or its element's if all dimensions are used.
    pub(super) fn settled(&self, ty: CType) -> Result<CType, Diagnostic> {
        if ty.indexed == 0 {
            return Ok(ty);
        }
        let bare = self.bare(ty.id)?;
        match &bare.kind {
            TypeKind::Array {
                element,
                dimensions,
            } if ty.indexed >= dimensions.len() => Ok(CType::of(*element)),
            _ => Ok(ty),
        }
    }

    /// Applies all suffixes but the printing ones.
    pub(super) fn walk(
        &mut self,
        start: Selected,
        suffixes: &[TargetSuffix],
        indexes: Vec<ir::Expr>,
    ) -> Result<Selected, Diagnostic> {
        let mut selected = start;
        let mut indexes = indexes.into_iter();
        for suffix in suffixes {
            selected = match suffix {
                TargetSuffix::Member(name) => self.member(selected, name)?,
                TargetSuffix::Index(written) => {
                    let index = indexes.next().unwrap_or_else(|| build::number(self.at, 0));
                    self.index(selected, index, written)?
                }
                TargetSuffix::Pretty(_) | TargetSuffix::PrettyDeep(_) => selected,
            };
        }
        Ok(selected)
    }

    /// The object that a pointer points to.
    pub(super) fn pointee(
        &mut self,
        pointer: Selected,
        id: TypeId,
    ) -> Result<Selected, Diagnostic> {
        if let Spot::Pointee(target, offset) = pointer.spot {
            let target = match (*target, offset) {
                (Spot::Memory(address), offset) => Spot::Memory(build::add(address, offset)),
                (spot, 0) => spot,
                _ => Spot::Unavailable("only a part of its target is known".to_owned()),
            };
            return Ok(Selected::new(target, id));
        }
        let address = self.scalar(&pointer, WORD_SIZE, false)?;
        Ok(Selected::new(Spot::Memory(address), id))
    }

    fn member(&mut self, selected: Selected, name: &ast::Ident) -> Result<Selected, Diagnostic> {
        let ty = self.settled(selected.ty)?;
        let bare = self.bare(ty.id)?;
        let arrow = name.span;
        match &bare.kind {
            TypeKind::Pointer { target, .. } => {
                let pointed = self.bare(*target)?;
                if pointed.id.is_void() {
                    let message = format!("invalid access '->{}' vs 'void*'", name.name);
                    return Err(error(message).at(arrow));
                }
                let pointee = self.pointee(selected, *target)?;
                if matches!(pointed.kind, TypeKind::Aggregate { .. }) {
                    return self.member_of(pointee, &pointed, name);
                }
                let of = self.type_name(pointed.id);
                Err(error(format!("invalid access '->{}' vs. {of}", name.name)).at(arrow))
            }
            TypeKind::Aggregate { .. } => self.member_of(selected, &bare, name),
            TypeKind::Array { .. } => {
                let message = format!("invalid access '->{}' for array type", name.name);
                Err(error(message).at(arrow))
            }
            _ => {
                let of = self.type_name(bare.id);
                Err(error(format!("invalid access '->{}' vs. {of}", name.name)).at(arrow))
            }
        }
    }

    fn member_of(
        &mut self,
        aggregate: Selected,
        ty: &Type,
        name: &ast::Ident,
    ) -> Result<Selected, Diagnostic> {
        let target = self.cx.session.target;
        let found = target
            .member(ty.id, &name.name)
            .map_err(|problem| self.failed(&problem))?;
        let Some(path) = found else {
            let mut names = Vec::new();
            self.member_names(ty, &mut names, 0);
            let names = suggest::sorted(&name.name, names.iter().map(String::as_str));
            let of = self.type_name(ty.id);
            let message = match (&ty.kind, names.as_slice()) {
                (
                    TypeKind::Aggregate {
                        declaration: true, ..
                    },
                    _,
                ) => {
                    format!("unresolved {of}: no debug information defines it")
                }
                (_, []) => format!("unable to find member '{}' for {of}", name.name),
                (_, names) => format!(
                    "unable to find member '{}' for {of} (alternatives: {})",
                    name.name,
                    names.join(", ")
                ),
            };
            return Err(error(message).at(name.span));
        };
        Ok(self.member_part(aggregate.spot, &path.member))
    }

    fn member_names(&self, ty: &Type, names: &mut Vec<String>, depth: usize) {
        let TypeKind::Aggregate { members, .. } = &ty.kind else {
            return;
        };
        for member in members {
            if !member.name.is_empty() {
                names.push(member.name.clone());
            } else if let (Ok(inner), true) = (self.bare(member.type_id), depth < 8) {
                self.member_names(&inner, names, depth + 1);
            }
        }
    }

    fn index(
        &mut self,
        selected: Selected,
        index: ir::Expr,
        written: &ast::Expr,
    ) -> Result<Selected, Diagnostic> {
        let target = self.cx.session.target;
        let ty = self.settled(selected.ty)?;
        if let Some((element, rest)) = self.array_rest(ty)? {
            let size = target
                .size_of(element)
                .map_err(|problem| self.failed(&problem))?;
            let inner: u64 = rest.iter().skip(1).product();
            let size = size.saturating_mul(inner);
            let spot = match (selected.spot, &index.kind) {
                (Spot::Memory(address), _) => Spot::Memory(build::add_scaled(address, index, size)),
                (spot, ir::ExprKind::Number(number)) => {
                    let offset = number.cast_unsigned().saturating_mul(size);
                    self.part(spot, offset, size)
                }
                _ => Spot::Unavailable("it is not in memory: index it by a number".to_owned()),
            };
            let ty = CType {
                id: ty.id,
                indexed: ty.indexed + 1,
            };
            return Ok(Selected {
                spot,
                ty: self.settled(ty)?,
                bits: None,
                is_pointee: false,
            });
        }
        let bare = self.bare(ty.id)?;
        if let TypeKind::Pointer {
            target: element, ..
        } = &bare.kind
        {
            let size = target
                .size_of(*element)
                .map_err(|problem| self.failed(&problem))?;
            let pointee = self.pointee(selected, *element)?;
            let spot = match (pointee.spot, &index.kind) {
                (Spot::Memory(address), _) => {
                    Spot::Memory(build::add_scaled(address, index, size.max(1)))
                }
                (spot, ir::ExprKind::Number(0)) => spot,
                (spot @ Spot::Bytes(_), ir::ExprKind::Number(number)) => {
                    let offset = number.cast_unsigned().saturating_mul(size);
                    self.part(spot, offset, size)
                }
                _ => Spot::Unavailable("only its first element is known".to_owned()),
            };
            return Ok(Selected { spot, ..pointee });
        }
        if let (true, Spot::Memory(address)) = (selected.is_pointee, &selected.spot) {
            let size = target
                .size_of(ty.id)
                .map_err(|problem| self.failed(&problem))?;
            let spot = Spot::Memory(build::add_scaled(address.clone(), index, size.max(1)));
            return Ok(Selected::new(spot, ty.id));
        }
        let of = self.type_name(bare.id);
        let sources = self.cx.session.sources.borrow();
        let text = sources.text(written.span);
        Err(error(format!("invalid access '[{text}]' vs. {of}")).at(written.span))
    }

    pub(super) fn unavailable(&self, reason: &str) -> Diagnostic {
        let pc = self.code().map_or(0, |code| code.pc);
        error(format!(
            "not accessible at this address (pc: {pc:#x}): {reason} [man error::dwarf]"
        ))
        .at(self.token)
    }

    /// The value of a scalar, or the address that an array decays to.
    pub(super) fn load(&mut self, selected: Selected, token: Span) -> Result<Value, Diagnostic> {
        let ty = self.settled(selected.ty)?;
        let bare = self.bare(ty.id)?;
        if let Some(field) = selected.bits {
            let is_signed = self.shape(&bare).is_some_and(|shape| shape.is_signed);
            let expr = self.bit_field(&selected, field, is_signed)?;
            return Ok(Value { expr, detail: None });
        }
        if let Some(Shape { size, is_signed }) = self.shape(&bare) {
            let mut expr = self.scalar(&selected, size, is_signed)?;
            if size == 4 && is_float(&bare) {
                let operator = ir::UnaryOperator::FloatToDouble;
                expr = build::long(self.at, ir::ExprKind::Unary(operator, Box::new(expr)));
            }
            return Ok(Value {
                expr,
                detail: Some(ty.id),
            });
        }
        match (&bare.kind, selected.spot) {
            (TypeKind::Array { .. } | TypeKind::Function(_), Spot::Memory(address)) => {
                let detail = (ty.indexed == 0).then_some(ty.id);
                Ok(Value {
                    expr: address,
                    detail,
                })
            }
            (TypeKind::Aggregate { members, .. }, _) => {
                let of = self.type_name(bare.id);
                let first = members.iter().find(|member| !member.name.is_empty());
                let message = match first {
                    Some(member) => format!(
                        "'{of}' is being accessed instead of a member such as '->{}'",
                        member.name
                    ),
                    None => format!("'{of}' is being accessed instead of a member"),
                };
                Err(error(message).at(token))
            }
            (TypeKind::Void, _) => Err(error("a value of type void is accessed").at(token)),
            (_, Spot::Unavailable(reason)) => Err(self.unavailable(&reason)),
            _ => {
                let of = self.type_name(bare.id);
                Err(error(format!("a value of type {of} cannot be read")).at(token))
            }
        }
    }

    /// `&x`
    pub(super) fn address(&mut self, selected: Selected) -> Result<Value, Diagnostic> {
        if selected.bits.is_some() {
            return Err(error("cannot take the address of a bit field").at(self.token));
        }
        let ty = self.settled(selected.ty)?;
        match selected.spot {
            Spot::Memory(expr) => {
                let bare = self.bare(ty.id)?;
                let stands_for_address = ty.indexed == 0
                    && matches!(
                        bare.kind,
                        TypeKind::Aggregate { .. } | TypeKind::Array { .. }
                    );
                Ok(Value {
                    expr,
                    detail: stands_for_address.then_some(ty.id),
                })
            }
            Spot::Unavailable(reason) => Err(self.unavailable(&reason)),
            _ => {
                let message = "cannot take the address of a value that is not in memory";
                Err(error(message).at(self.token))
            }
        }
    }

    /// What an assignment changes.
    pub(super) fn place(
        &mut self,
        selected: Selected,
    ) -> Result<(ir::Place, Option<TypeId>), Diagnostic> {
        let ty = self.settled(selected.ty)?;
        let bare = self.bare(ty.id)?;
        let Some(Shape { size, is_signed }) = self.shape(&bare) else {
            let of = self.type_name(bare.id);
            return Err(error(format!("cannot write a value of type {of}")).at(self.token));
        };
        let refuse = |reason: &str| {
            error(format!("cannot write this target variable: {reason}")).at(self.token)
        };
        if size == 4 && is_float(&bare) {
            return Err(refuse("values are doubles, and it is a float"));
        }
        let place = match (selected.spot, selected.bits) {
            (Spot::Memory(address), None) => ir::Place::Memory {
                space: self.space(),
                address: Box::new(address),
                size,
                is_signed,
                bits: None,
            },
            (Spot::Memory(_), Some(field)) if field.bit_offset + field.bit_size > 64 => {
                return Err(refuse("the bit field is spread over nine bytes"));
            }
            (Spot::Memory(address), Some(field)) => ir::Place::Memory {
                space: self.space(),
                address: Box::new(address),
                size: field.storage_size,
                is_signed,
                bits: Some((field.bit_offset, field.bit_size)),
            },
            (Spot::Register(number), None) => ir::Place::Register {
                number,
                size,
                is_signed,
            },
            (Spot::ReturnValue, None) => ir::Place::ReturnValue { size, is_signed },
            (Spot::Value(value), None)
                if matches!(self.cx.context, Context::Netfilter)
                    && matches!(value.kind, ir::ExprKind::Argument(VERDICT)) =>
            {
                ir::Place::Argument(VERDICT)
            }
            (Spot::Unavailable(reason), _) => return Err(self.unavailable(&reason)),
            (Spot::Pieces(_), _) => return Err(refuse("it is spread over several places")),
            _ if self.code().is_some_and(|code| code.is_return) => {
                return Err(refuse(
                    "in a return probe it is a value kept from the entry",
                ));
            }
            _ => {
                return Err(refuse(
                    "the compiler keeps it nowhere: its value is computed",
                ));
            }
        };
        Ok((place, Some(ty.id)))
    }
}
