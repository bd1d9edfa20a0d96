// SPDX-License-Identifier: GPL-2.0-or-later

//! Types of `.debug_info`, one level at a time.

use gimli::{AttributeValue, constants as dw};

use super::unit::{Entry, Unit};
use super::{Class, DwarfFile};
use crate::error::Result;
use crate::types::{
    AggregateKind, BitField, Encoding, EntityId, Enumerator, Member, ModuleId, Parameter,
    Prototype, Qualifier, Source, TypeId, TypeKind,
};

/// More members than any structure has; stops runaway reading of corrupt files.
const MEMBER_LIMIT: usize = 100_000;

impl DwarfFile {
    /// Reads the type at an entry. Forward declarations are given as such.
    pub fn type_at(&self, module: ModuleId, die: u64) -> Result<TypeKind> {
        let unit = self.unit_of(die)?;
        let entry = unit
            .entry(die)
            .map_err(|error| self.malformed_at(die, error))?;
        let name = || {
            unit.string(&self.dwarf, &entry, dw::DW_AT_name)
                .unwrap_or_default()
        };
        let size = Unit::number(&entry, dw::DW_AT_byte_size);
        let target = || self.reference_type(module, unit, &entry, dw::DW_AT_type);
        let declaration = Unit::flag(&entry, dw::DW_AT_declaration);
        let qualified = |qualifier| TypeKind::Qualified {
            qualifier,
            target: target(),
        };
        Ok(match entry.tag() {
            dw::DW_TAG_base_type => TypeKind::Base {
                name: name(),
                size: size.unwrap_or(0),
                encoding: encoding(&entry),
            },
            dw::DW_TAG_unspecified_type => TypeKind::Void,
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type => TypeKind::Pointer {
                target: target(),
                size: size.unwrap_or(u64::from(unit.unit.encoding().address_size)),
                reference: entry.tag() != dw::DW_TAG_pointer_type,
            },
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type => {
                let size = size.unwrap_or(0);
                TypeKind::Aggregate {
                    kind: if entry.tag() == dw::DW_TAG_union_type {
                        AggregateKind::Union
                    } else {
                        AggregateKind::Struct
                    },
                    name: name(),
                    size,
                    members: self.members(module, unit, die)?,
                    declaration,
                }
            }
            dw::DW_TAG_array_type => TypeKind::Array {
                element: target(),
                dimensions: self.dimensions(unit, die)?,
            },
            dw::DW_TAG_enumeration_type => {
                let (enumerators, signed) = self.enumerators(unit, die)?;
                TypeKind::Enumeration {
                    name: name(),
                    size: size.unwrap_or(4),
                    signed: match encoding_of_target(self, unit, &entry) {
                        Some(Encoding::Unsigned | Encoding::UnsignedChar) => false,
                        Some(Encoding::Signed | Encoding::SignedChar) => true,
                        _ => signed,
                    },
                    enumerators,
                    declaration,
                }
            }
            dw::DW_TAG_typedef => TypeKind::Typedef {
                name: name(),
                target: target(),
            },
            dw::DW_TAG_const_type => qualified(Qualifier::Const),
            dw::DW_TAG_volatile_type => qualified(Qualifier::Volatile),
            dw::DW_TAG_restrict_type => qualified(Qualifier::Restrict),
            dw::DW_TAG_atomic_type => qualified(Qualifier::Atomic),
            dw::DW_TAG_subroutine_type => {
                let mut prototype = Prototype {
                    return_type: target(),
                    parameters: Vec::new(),
                    variadic: false,
                };
                self.children(unit, die, |child| {
                    match child.tag() {
                        dw::DW_TAG_formal_parameter => prototype.parameters.push(Parameter {
                            name: String::new(),
                            type_id: self.reference_type(module, unit, child, dw::DW_AT_type),
                        }),
                        dw::DW_TAG_unspecified_parameters => prototype.variadic = true,
                        _ => {}
                    }
                    prototype.parameters.len() < MEMBER_LIMIT
                })?;
                TypeKind::Function(prototype)
            }
            other => TypeKind::Unknown(other.to_string()),
        })
    }

    fn reference_type(
        &self,
        module: ModuleId,
        unit: &Unit,
        entry: &Entry,
        name: gimli::DwAt,
    ) -> TypeId {
        unit.reference(entry, name).map_or(TypeId::VOID, |offset| {
            TypeId(EntityId {
                module,
                source: Source::Dwarf,
                offset,
            })
        })
    }

    fn members(&self, module: ModuleId, unit: &Unit, die: u64) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        self.children(unit, die, |child| {
            if !matches!(child.tag(), dw::DW_TAG_member | dw::DW_TAG_inheritance) {
                return true;
            }
            // Static members of C++ have no place.
            if Unit::flag(child, dw::DW_AT_external) || Unit::flag(child, dw::DW_AT_declaration) {
                return true;
            }
            let type_id = self.reference_type(module, unit, child, dw::DW_AT_type);
            let (byte_offset, bit_field) = self.place(unit, child);
            members.push(Member {
                name: unit
                    .string(&self.dwarf, child, dw::DW_AT_name)
                    .unwrap_or_default(),
                type_id,
                byte_offset,
                bit_field,
            });
            members.len() < MEMBER_LIMIT
        })?;
        Ok(members)
    }

    /// Offset of a member, and its bits if it is a bit field.
    fn place(&self, unit: &Unit, member: &Entry) -> (u64, Option<BitField>) {
        let byte_offset = match member.attr_value(dw::DW_AT_data_member_location) {
            Some(AttributeValue::Exprloc(expression)) => constant_offset(unit, expression),
            Some(AttributeValue::Block(bytes)) => constant_offset(unit, gimli::Expression(bytes)),
            Some(value) => value.udata_value().unwrap_or(0),
            None => 0,
        };
        let Some(bit_size) = Unit::number(member, dw::DW_AT_bit_size) else {
            return (byte_offset, None);
        };
        let from_start = if let Some(bits) = Unit::number(member, dw::DW_AT_data_bit_offset) {
            byte_offset.saturating_mul(8).saturating_add(bits)
        } else if let Some(from_top) = Unit::number(member, dw::DW_AT_bit_offset) {
            // DWARF 2 and 3 count from the most significant bit of the storage unit.
            let storage = Unit::number(member, dw::DW_AT_byte_size)
                .or_else(|| self.byte_size(unit.reference(member, dw::DW_AT_type)?, 0))
                .unwrap_or(4);
            byte_offset
                .saturating_add(storage)
                .saturating_mul(8)
                .wrapping_sub(from_top)
                .wrapping_sub(bit_size)
        } else {
            byte_offset.saturating_mul(8)
        };
        crate::types::bit_field(from_start, bit_size)
    }

    /// Size of a type, through typedefs and qualifiers.
    fn byte_size(&self, die: u64, depth: u32) -> Option<u64> {
        let unit = self.unit_of(die).ok()?;
        let entry = unit.entry(die).ok()?;
        Unit::number(&entry, dw::DW_AT_byte_size).or_else(|| {
            let target = unit.reference(&entry, dw::DW_AT_type)?;
            (depth < 32).then(|| self.byte_size(target, depth + 1))?
        })
    }

    fn dimensions(&self, unit: &Unit, die: u64) -> Result<Vec<Option<u64>>> {
        let mut dimensions = Vec::new();
        self.children(unit, die, |child| {
            if child.tag() == dw::DW_TAG_subrange_type {
                let count = Unit::number(child, dw::DW_AT_count).or_else(|| {
                    let lower = Unit::number(child, dw::DW_AT_lower_bound).unwrap_or(0);
                    let upper = Unit::number(child, dw::DW_AT_upper_bound)?;
                    // GCC writes [0] as an upper bound of -1, in the width of the form.
                    let empty = matches!(upper, u64::MAX | 0xffff_ffff);
                    Some(if empty {
                        0
                    } else {
                        upper.wrapping_sub(lower).wrapping_add(1)
                    })
                });
                dimensions.push(count);
            }
            dimensions.len() < 64
        })?;
        if dimensions.is_empty() {
            dimensions.push(None);
        }
        Ok(dimensions)
    }

    /// Constants of an enumeration, and whether any is negative.
    fn enumerators(&self, unit: &Unit, die: u64) -> Result<(Vec<Enumerator>, bool)> {
        let mut enumerators = Vec::new();
        let mut negative = false;
        self.children(unit, die, |child| {
            if child.tag() == dw::DW_TAG_enumerator {
                let value = child.attr_value(dw::DW_AT_const_value);
                let value = match value {
                    Some(AttributeValue::Udata(value)) => value as i64,
                    Some(value) => value
                        .sdata_value()
                        .or_else(|| value.udata_value().map(|value| value as i64))
                        .unwrap_or(0),
                    None => 0,
                };
                negative |= value < 0;
                enumerators.push(Enumerator {
                    name: unit
                        .string(&self.dwarf, child, dw::DW_AT_name)
                        .unwrap_or_default(),
                    value,
                });
            }
            enumerators.len() < MEMBER_LIMIT
        })?;
        Ok((enumerators, negative))
    }

    /// Types by name in some classes, definitions only; one per unit that has
    /// it, the first unit first.
    pub fn types_named(&self, name: &str, classes: &[Class]) -> Vec<u64> {
        let rows = self.index().named(self, name, classes);
        rows.iter().map(|row| u64::from(row.die)).collect()
    }

    /// The value of an enumeration constant, searched in all units.
    pub fn enumerator(&self, name: &str) -> Option<i64> {
        use rayon::prelude::*;

        if memchr::memmem::find(self.strings, &[name.as_bytes(), &[0]].concat()).is_none()
            && memchr::memmem::find(self.info, &[name.as_bytes(), &[0]].concat()).is_none()
        {
            return None;
        }
        self.index().parts().par_iter().find_map_first(|rows| {
            rows.iter()
                .filter(|row| matches!(row.class, Class::Enum | Class::AnonymousEnum))
                .find_map(|row| {
                    let die = u64::from(row.die);
                    let (enumerators, _) = self.enumerators(self.unit_of(die).ok()?, die).ok()?;
                    enumerators
                        .iter()
                        .find(|one| one.name == name)
                        .map(|one| one.value)
                })
        })
    }

    fn malformed_at(&self, die: u64, error: gimli::Error) -> crate::error::Error {
        crate::error::Error::in_file(&self.path, format!("bad DWARF: {error}"))
            .at(".debug_info", die)
    }
}

fn encoding(entry: &Entry) -> Encoding {
    match entry.attr_value(dw::DW_AT_encoding) {
        Some(AttributeValue::Encoding(encoding)) => match encoding {
            dw::DW_ATE_signed => Encoding::Signed,
            dw::DW_ATE_unsigned | dw::DW_ATE_address => Encoding::Unsigned,
            dw::DW_ATE_signed_char => Encoding::SignedChar,
            dw::DW_ATE_unsigned_char => Encoding::UnsignedChar,
            dw::DW_ATE_boolean => Encoding::Boolean,
            dw::DW_ATE_UTF => Encoding::Unsigned,
            dw::DW_ATE_float => Encoding::Float,
            _ => Encoding::Other,
        },
        _ => Encoding::Other,
    }
}

/// Encoding of the type an enumeration is stored as, if it names one.
fn encoding_of_target(file: &DwarfFile, unit: &Unit, entry: &Entry) -> Option<Encoding> {
    let target = unit.reference(entry, dw::DW_AT_type)?;
    let unit = file.unit_of(target).ok()?;
    let entry = unit.entry(target).ok()?;
    (entry.tag() == dw::DW_TAG_base_type).then(|| encoding(&entry))
}

/// The offset that an old-style member location adds.
fn constant_offset(unit: &Unit, expression: gimli::Expression<super::Slice>) -> u64 {
    let mut operations = expression.operations(unit.unit.encoding());
    let mut offset = 0_u64;
    while let Ok(Some(operation)) = operations.next() {
        match operation {
            gimli::Operation::PlusConstant { value }
            | gimli::Operation::UnsignedConstant { value } => offset = offset.wrapping_add(value),
            gimli::Operation::SignedConstant { value } => {
                offset = offset.wrapping_add(value as u64);
            }
            _ => {}
        }
    }
    offset
}
