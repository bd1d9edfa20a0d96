// SPDX-License-Identifier: GPL-2.0-or-later

//! Kinds of entries that can be found by name.

use gimli::constants as dw;

/// What a row describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A function with a name: its only entry, or the abstract one.
    Function,
    /// Code of a function whose name is in another entry.
    FunctionInstance,
    Struct,
    Union,
    Enum,
    Typedef,
    Base,
    Variable,
    /// The definition of a variable declared in another entry.
    VariableInstance,
    /// An enumeration without a name, kept for its constants.
    AnonymousEnum,
}

/// What an entry with this tag is, if it is of a kind that is kept.
#[inline]
pub(crate) fn class_of(tag: u16) -> Option<Class> {
    Some(match dw::DwTag(tag) {
        dw::DW_TAG_subprogram => Class::Function,
        dw::DW_TAG_structure_type | dw::DW_TAG_class_type => Class::Struct,
        dw::DW_TAG_union_type => Class::Union,
        dw::DW_TAG_enumeration_type => Class::Enum,
        dw::DW_TAG_typedef => Class::Typedef,
        dw::DW_TAG_base_type => Class::Base,
        dw::DW_TAG_variable => Class::Variable,
        _ => return None,
    })
}
