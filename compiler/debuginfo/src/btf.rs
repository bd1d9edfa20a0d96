// SPDX-License-Identifier: GPL-2.0-or-later

//! BPF type format (`Documentation/bpf/btf.rst`), read in place: one pass
//! notes where each type starts, everything else is read when asked for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::hash::FastMap;
use crate::types::{
    AggregateKind, Encoding, EntityId, Enumerator, Member, ModuleId, Parameter, Prototype,
    Qualifier, Source, TypeId, TypeKind,
};

const MAGIC: u16 = 0xeb9f;

/// Kinds of types, by number.
mod kind {
    pub const INT: u8 = 1;
    pub const POINTER: u8 = 2;
    pub const ARRAY: u8 = 3;
    pub const STRUCT: u8 = 4;
    pub const UNION: u8 = 5;
    pub const ENUM: u8 = 6;
    pub const FORWARD: u8 = 7;
    pub const TYPEDEF: u8 = 8;
    pub const VOLATILE: u8 = 9;
    pub const CONST: u8 = 10;
    pub const RESTRICT: u8 = 11;
    pub const FUNCTION: u8 = 12;
    pub const PROTOTYPE: u8 = 13;
    pub const VARIABLE: u8 = 14;
    pub const DATA_SECTION: u8 = 15;
    pub const FLOAT: u8 = 16;
    pub const DECLARATION_TAG: u8 = 17;
    pub const TYPE_TAG: u8 = 18;
    pub const ENUM64: u8 = 19;
}

/// What a name can be looked up as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum NameSpace {
    Struct,
    Union,
    Enum,
    /// Typedefs and base types, which share a name space in C.
    Ordinary,
    Function,
    Variable,
}

/// BTF of the kernel, or of a module on top of the kernel's.
pub(crate) struct Btf {
    path: PathBuf,
    bytes: &'static [u8],
    /// Offset of the first string in `bytes`, and length of all.
    strings: (usize, usize),
    /// Offset in `bytes` of each type; the first is of id `first_id`.
    offsets: Vec<u32>,
    base: Option<Arc<Btf>>,
    /// The base is the module's own summary of the kernel's types
    /// (`.BTF.base`), not the kernel's BTF.
    distilled: bool,
    names: OnceLock<FastMap<(&'static str, NameSpace), u32>>,
}

/// The fixed part of a type.
#[derive(Debug, Clone, Copy)]
struct Head {
    name: u32,
    kind: u8,
    count: usize,
    flag: bool,
    /// Size or type, by kind.
    value: u32,
    /// Where the rest of it is.
    rest: usize,
}

impl Btf {
    /// Reads BTF from `bytes`, which came from `path`.
    pub fn parse(path: &Path, bytes: &'static [u8], base: Option<Arc<Btf>>) -> Result<Btf> {
        Btf::parse_on(path, bytes, base, false)
    }

    /// Reads BTF of a module that brings a summary of the base it was built
    /// against: ids count from there.
    pub fn parse_distilled(path: &Path, bytes: &'static [u8], base: &'static [u8]) -> Result<Btf> {
        let base = Btf::parse_on(path, base, None, true)?;
        Btf::parse_on(path, bytes, Some(Arc::new(base)), false)
    }

    fn parse_on(
        path: &Path,
        bytes: &'static [u8],
        base: Option<Arc<Btf>>,
        distilled: bool,
    ) -> Result<Btf> {
        let failed = |message: &str, offset: usize| {
            Error::in_file(path, format!("bad BTF: {message}")).at(".BTF", offset as u64)
        };
        let word = |at: usize| read_u32(bytes, at).ok_or_else(|| failed("ends early", at));
        let magic = bytes.get(..2).ok_or_else(|| failed("ends early", 0))?;
        if magic != MAGIC.to_le_bytes() {
            return Err(failed("wrong magic number", 0));
        }
        let header = word(4)? as usize;
        let (type_offset, type_length) = (word(8)? as usize, word(12)? as usize);
        let (string_offset, string_length) = (word(16)? as usize, word(20)? as usize);
        let types = header.saturating_add(type_offset);
        let types_end = types.saturating_add(type_length);
        let strings = header.saturating_add(string_offset);
        if types_end > bytes.len() || strings.saturating_add(string_length) > bytes.len() {
            return Err(failed("sections reach beyond the end", 8));
        }
        let mut btf = Btf {
            path: path.to_path_buf(),
            bytes,
            strings: (strings, string_length),
            offsets: Vec::with_capacity(type_length / 40),
            base,
            distilled,
            names: OnceLock::new(),
        };
        let mut at = types;
        while at < types_end {
            let head = btf.head(at).ok_or_else(|| failed("type ends early", at))?;
            let rest = match head.kind {
                kind::INT | kind::VARIABLE | kind::DECLARATION_TAG => 4,
                kind::ARRAY => 12,
                kind::STRUCT | kind::UNION | kind::DATA_SECTION | kind::ENUM64 => head.count * 12,
                kind::ENUM | kind::PROTOTYPE => head.count * 8,
                kind::POINTER
                | kind::FORWARD
                | kind::TYPEDEF
                | kind::VOLATILE
                | kind::CONST
                | kind::RESTRICT
                | kind::FUNCTION
                | kind::FLOAT
                | kind::TYPE_TAG => 0,
                // Its length is unknown, so nothing after it can be read; what came before can.
                _ if !btf.offsets.is_empty() => break,
                other => return Err(failed(&format!("unknown kind {other}"), at)),
            };
            btf.offsets
                .push(u32::try_from(at).map_err(|_| failed("larger than 4 GiB", at))?);
            at = head.rest + rest;
        }
        if at > types_end {
            return Err(failed("last type reaches beyond the end", types_end));
        }
        Ok(btf)
    }

    fn head(&self, at: usize) -> Option<Head> {
        let info = read_u32(self.bytes, at + 4)?;
        Some(Head {
            name: read_u32(self.bytes, at)?,
            kind: (info >> 24) as u8 & 0x1f,
            count: (info & 0xffff) as usize,
            flag: info >> 31 != 0,
            value: read_u32(self.bytes, at + 8)?,
            rest: at + 12,
        })
    }

    /// Id of the first type in this file; lower ids are the base's.
    fn first_id(&self) -> u32 {
        self.base.as_ref().map_or(1, |base| base.end_id())
    }

    /// One more than the highest id.
    fn end_id(&self) -> u32 {
        self.first_id().saturating_add(self.offsets.len() as u32)
    }

    fn type_head(&self, id: u32) -> Option<(&Btf, Head)> {
        let first = self.first_id();
        if id < first {
            return self.base.as_ref()?.type_head(id);
        }
        let at = *self.offsets.get((id - first) as usize)?;
        Some((self, self.head(at as usize)?))
    }

    fn string(&self, offset: u32) -> &'static str {
        let shared = self.base.as_ref().map_or(0, |base| base.string_end());
        if offset < shared {
            return self.base.as_ref().map_or("", |base| base.string(offset));
        }
        let (start, length) = self.strings;
        let strings = self.bytes.get(start..start + length).unwrap_or_default();
        let rest = strings
            .get((offset - shared) as usize..)
            .unwrap_or_default();
        let end = memchr::memchr(0, rest).unwrap_or(0);
        std::str::from_utf8(rest.get(..end).unwrap_or_default()).unwrap_or_default()
    }

    fn string_end(&self) -> u32 {
        let below = self.base.as_ref().map_or(0, |base| base.string_end());
        below.saturating_add(self.strings.1 as u32)
    }

    fn names(&self) -> &FastMap<(&'static str, NameSpace), u32> {
        self.names.get_or_init(|| {
            let mut names = FastMap::default();
            names.reserve(self.offsets.len() / 2);
            let first = self.first_id();
            for (index, at) in self.offsets.iter().enumerate() {
                let Some(head) = self.head(*at as usize) else {
                    continue;
                };
                let space = match head.kind {
                    kind::STRUCT => NameSpace::Struct,
                    kind::UNION => NameSpace::Union,
                    kind::ENUM | kind::ENUM64 => NameSpace::Enum,
                    kind::TYPEDEF | kind::INT | kind::FLOAT => NameSpace::Ordinary,
                    kind::FUNCTION => NameSpace::Function,
                    kind::VARIABLE => NameSpace::Variable,
                    _ => continue,
                };
                let name = self.string(head.name);
                if !name.is_empty() {
                    names.entry((name, space)).or_insert(first + index as u32);
                }
            }
            names
        })
    }

    /// The type, function or variable of this name, here or in the kernel's
    /// BTF below.
    pub fn by_name(&self, name: &str, space: NameSpace) -> Option<u32> {
        let found = lookup(self.names(), name, space);
        found.or_else(|| {
            let base = self.base.as_ref().filter(|base| !base.distilled)?;
            base.by_name(name, space)
        })
    }

    /// Names in this file (not its base), in no particular order.
    pub fn all_names(&self, space: NameSpace) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        let wanted = move |((name, of), id): (&(&'static str, NameSpace), &u32)| {
            (*of == space).then_some((*name, *id))
        };
        self.names().iter().filter_map(wanted)
    }

    /// The id used by callers for a type of this file or its base.
    fn type_id(&self, module: ModuleId, id: u32) -> TypeId {
        if id == 0 {
            return TypeId::VOID;
        }
        // Types of the kernel have one id, also when met through a module.
        let shared = self.base.as_ref().is_some_and(|base| !base.distilled);
        let module = if shared && id < self.first_id() {
            ModuleId::KERNEL
        } else {
            module
        };
        TypeId(EntityId {
            module,
            source: Source::Btf,
            offset: u64::from(id),
        })
    }

    /// Reads the type with an id.
    pub fn type_at(&self, module: ModuleId, id: u64) -> Result<TypeKind> {
        let number = u32::try_from(id).unwrap_or(u32::MAX);
        let unknown = || Error::in_file(&self.path, format!("no BTF type {id}")).at(".BTF", id);
        let (owner, head) = self.type_head(number).ok_or_else(unknown)?;
        let target = self.type_id(module, head.value);
        let name = self.string_of(owner, head.name);
        let word = |at: usize| {
            read_u32(owner.bytes, at).ok_or_else(|| {
                Error::in_file(&self.path, "bad BTF: type ends early").at(".BTF", at as u64)
            })
        };
        let qualified = |qualifier| TypeKind::Qualified { qualifier, target };
        Ok(match head.kind {
            kind::INT => {
                let encoding = word(head.rest)? >> 24 & 0xf;
                let character = matches!(name, "char" | "signed char" | "unsigned char");
                TypeKind::Base {
                    name: name.to_string(),
                    size: u64::from(head.value),
                    encoding: match (encoding, character) {
                        (4, _) => Encoding::Boolean,
                        // pahole does not set the "char" flag. Kernels are built with signed
                        // char on x86 and with -funsigned-char since 6.2; both print alike.
                        (1, true) => Encoding::SignedChar,
                        (_, true) if name == "char" => Encoding::SignedChar,
                        (_, true) => Encoding::UnsignedChar,
                        (1, _) => Encoding::Signed,
                        _ => Encoding::Unsigned,
                    },
                }
            }
            kind::FLOAT => TypeKind::Base {
                name: name.to_string(),
                size: u64::from(head.value),
                encoding: Encoding::Float,
            },
            kind::POINTER => TypeKind::Pointer {
                target,
                size: 8,
                reference: false,
            },
            kind::ARRAY => self.array(module, owner, head)?,
            kind::STRUCT | kind::UNION => {
                let mut members = Vec::with_capacity(head.count);
                for index in 0..head.count {
                    let at = head.rest + index * 12;
                    members.push(self.member(
                        module,
                        self.string_of(owner, word(at)?),
                        word(at + 4)?,
                        word(at + 8)?,
                        head.flag,
                    ));
                }
                TypeKind::Aggregate {
                    kind: if head.kind == kind::UNION {
                        AggregateKind::Union
                    } else {
                        AggregateKind::Struct
                    },
                    name: name.to_string(),
                    size: u64::from(head.value),
                    members,
                    declaration: owner.distilled,
                }
            }
            kind::ENUM | kind::ENUM64 => {
                let wide = head.kind == kind::ENUM64;
                let mut enumerators = Vec::with_capacity(head.count);
                let mut negative = false;
                for index in 0..head.count {
                    let at = head.rest + index * if wide { 12 } else { 8 };
                    let low = word(at + 4)?;
                    let value = if wide {
                        i64::from(low) | i64::from(word(at + 8)?) << 32
                    } else {
                        // Without the flag (kernels before 6.1) values are known only as 32 bits.
                        i64::from(low as i32)
                    };
                    negative |= value < 0;
                    let name = self.string_of(owner, word(at)?).to_string();
                    enumerators.push(Enumerator { name, value });
                }
                TypeKind::Enumeration {
                    name: name.to_string(),
                    size: u64::from(head.value),
                    signed: head.flag || negative,
                    enumerators,
                    declaration: owner.distilled || (head.count == 0 && head.value == 0),
                }
            }
            kind::FORWARD => TypeKind::Aggregate {
                kind: if head.flag {
                    AggregateKind::Union
                } else {
                    AggregateKind::Struct
                },
                name: name.to_string(),
                size: 0,
                members: Vec::new(),
                declaration: true,
            },
            kind::TYPEDEF => TypeKind::Typedef {
                name: name.to_string(),
                target,
            },
            kind::VOLATILE => qualified(Qualifier::Volatile),
            kind::CONST => qualified(Qualifier::Const),
            kind::RESTRICT => qualified(Qualifier::Restrict),
            kind::TYPE_TAG => qualified(Qualifier::Tag),
            kind::PROTOTYPE => TypeKind::Function(self.read_prototype(module, owner, head)?),
            // Damaged files have functions whose type is the function itself.
            kind::FUNCTION => match self.prototype(module, number)? {
                Some(prototype) => TypeKind::Function(prototype),
                None => TypeKind::Unknown("function without a prototype".to_string()),
            },
            other => TypeKind::Unknown(format!("BTF kind {other}")),
        })
    }

    /// A string of a type that may belong to the base.
    fn string_of(&self, owner: &Btf, offset: u32) -> &'static str {
        owner.string(offset)
    }

    fn array(&self, module: ModuleId, owner: &Btf, head: Head) -> Result<TypeKind> {
        let mut dimensions = Vec::new();
        let (mut owner, mut head) = (owner, head);
        // An array of arrays is one array with two dimensions.
        loop {
            let word = |at: usize| {
                read_u32(owner.bytes, at).ok_or_else(|| {
                    Error::in_file(&self.path, "bad BTF: array ends early").at(".BTF", at as u64)
                })
            };
            let (element, count) = (word(head.rest)?, word(head.rest + 8)?);
            dimensions.push((count != 0 || !dimensions.is_empty()).then_some(u64::from(count)));
            match self.type_head(element) {
                Some((inner_owner, inner))
                    if inner.kind == kind::ARRAY && dimensions.len() < 16 =>
                {
                    (owner, head) = (inner_owner, inner);
                }
                _ => {
                    let element = self.type_id(module, element);
                    return Ok(TypeKind::Array {
                        element,
                        dimensions,
                    });
                }
            }
        }
    }

    fn member(
        &self,
        module: ModuleId,
        name: &str,
        type_id: u32,
        offset: u32,
        with_bits: bool,
    ) -> Member {
        let (bits, from_start) = if with_bits {
            (offset >> 24, offset & 0xff_ffff)
        } else {
            (0, offset)
        };
        let (byte_offset, bit_field) = if bits != 0 {
            crate::types::bit_field(u64::from(from_start), u64::from(bits))
        } else if let Some(bits) = self.narrow_integer(type_id) {
            // Old encoding: the width is in the type.
            crate::types::bit_field(u64::from(from_start), bits)
        } else {
            (u64::from(from_start / 8), None)
        };
        Member {
            name: name.to_string(),
            type_id: self.type_id(module, type_id),
            byte_offset,
            bit_field,
        }
    }

    /// Width of an integer type that is narrower than its size.
    fn narrow_integer(&self, id: u32) -> Option<u64> {
        let (owner, head) = self.type_head(id)?;
        if head.kind != kind::INT {
            return None;
        }
        let bits = read_u32(owner.bytes, head.rest)? & 0xff;
        (u64::from(bits) < u64::from(head.value).saturating_mul(8)).then_some(u64::from(bits))
    }

    fn read_prototype(&self, module: ModuleId, owner: &Btf, head: Head) -> Result<Prototype> {
        let mut prototype = Prototype {
            return_type: self.type_id(module, head.value),
            parameters: Vec::with_capacity(head.count),
            variadic: false,
        };
        for index in 0..head.count {
            let at = head.rest + index * 8;
            let (Some(name), Some(type_id)) =
                (read_u32(owner.bytes, at), read_u32(owner.bytes, at + 4))
            else {
                return Err(Error::in_file(&self.path, "bad BTF: prototype ends early")
                    .at(".BTF", at as u64));
            };
            // "..." is a last parameter without name and type.
            if type_id == 0 && index + 1 == head.count {
                prototype.variadic = true;
                break;
            }
            prototype.parameters.push(Parameter {
                name: self.string_of(owner, name).to_string(),
                type_id: self.type_id(module, type_id),
            });
        }
        Ok(prototype)
    }

    /// The prototype of a function, or of what a typedef like `btf_trace_x`
    /// points to.
    pub fn prototype(&self, module: ModuleId, id: u32) -> Result<Option<Prototype>> {
        let mut id = id;
        for _ in 0..8 {
            let Some((owner, head)) = self.type_head(id) else {
                break;
            };
            match head.kind {
                kind::PROTOTYPE => return self.read_prototype(module, owner, head).map(Some),
                kind::FUNCTION | kind::TYPEDEF | kind::POINTER => id = head.value,
                _ => break,
            }
        }
        Ok(None)
    }

    /// The type of a variable.
    pub fn variable_type(&self, module: ModuleId, name: &str) -> Option<TypeId> {
        let id = self.by_name(name, NameSpace::Variable)?;
        let (_, head) = self.type_head(id)?;
        Some(self.type_id(module, head.value))
    }

    /// The value of an enumeration constant.
    pub fn enumerator(&self, name: &str) -> Option<i64> {
        for at in &self.offsets {
            let Some(head) = self.head(*at as usize) else {
                continue;
            };
            let (stride, wide) = match head.kind {
                kind::ENUM => (8, false),
                kind::ENUM64 => (12, true),
                _ => continue,
            };
            for index in 0..head.count {
                let at = head.rest + index * stride;
                if read_u32(self.bytes, at).map(|offset| self.string(offset)) != Some(name) {
                    continue;
                }
                let low = read_u32(self.bytes, at + 4)?;
                return Some(if wide {
                    i64::from(low) | i64::from(read_u32(self.bytes, at + 8)?) << 32
                } else {
                    i64::from(low as i32)
                });
            }
        }
        self.base
            .as_ref()
            .filter(|base| !base.distilled)?
            .enumerator(name)
    }
}

fn lookup(
    names: &FastMap<(&'static str, NameSpace), u32>,
    name: &str,
    space: NameSpace,
) -> Option<u32> {
    // Covariance shortens the keys' lifetime to that of `name`.
    let names: &FastMap<(&str, NameSpace), u32> = names;
    names.get(&(name, space)).copied()
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}
