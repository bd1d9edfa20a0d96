// SPDX-License-Identifier: GPL-2.0-or-later

//! Questions about types, whichever source they come from.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use crate::btf::NameSpace;
use crate::dwarf::Class;
use crate::error::{Error, Result};
use crate::session::{DebugInfo, Module};
use crate::types::{
    AggregateKind, EntityId, Member, MemberPath, ModuleId, Qualifier, Source, Type, TypeId,
    TypeKind,
};

/// Longest chain of typedefs, qualifiers or anonymous members followed.
const CHAIN: u32 = 64;
/// Longest name of a type; prototypes in damaged files take themselves as parameters.
const LONGEST_NAME: usize = 1 << 16;
/// More members than the largest structure of any kernel or program has.
const MOST_MEMBERS: usize = 100_000;

/// What a name of a type asks for, by its keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Struct,
    Union,
    Enum,
    /// Without a keyword: a typedef or base type, else any tag of the name.
    Any,
}

impl DebugInfo {
    /// `void`, or a type that was read before.
    fn known_type(&self, id: TypeId) -> Option<Arc<Type>> {
        if id.is_void() {
            return Some(Arc::new(Type {
                id,
                kind: TypeKind::Void,
            }));
        }
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.get(&id).cloned()
    }

    /// Reads a type. A forward declaration is followed to the definition, in
    /// the same file first, then in the kernel.
    pub fn type_of(&self, id: TypeId) -> Result<Arc<Type>> {
        if let Some(known) = self.known_type(id) {
            return Ok(known);
        }
        let kind = self.read_type(id)?;
        let mut read = Arc::new(Type { id, kind });
        if let Some(definition) = self.definition_of(id, &read.kind) {
            let kind = self.read_type(definition)?;
            read = Arc::new(Type {
                id: definition,
                kind,
            });
        }
        self.types
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, read.clone());
        Ok(read)
    }

    fn read_type(&self, id: TypeId) -> Result<TypeKind> {
        let EntityId {
            module,
            source,
            offset,
        } = id.0;
        let module = self.get(module)?;
        match source {
            Source::Dwarf => self.need_dwarf(&module)?.type_at(module.id, offset),
            Source::Btf => match self.btf(&module)? {
                Some(btf) => btf.type_at(module.id, offset),
                None => Err(self.no_debug_info(&module)),
            },
            Source::Symbols => Err(Error::new("symbols have no types")),
        }
    }

    /// The definition of a forward declaration.
    fn definition_of(&self, id: TypeId, kind: &TypeKind) -> Option<TypeId> {
        let (wanted, keyword, name) = match kind {
            TypeKind::Aggregate {
                kind: AggregateKind::Struct,
                name,
                declaration: true,
                ..
            } => (Wanted::Struct, "struct", name),
            TypeKind::Aggregate {
                kind: AggregateKind::Union,
                name,
                declaration: true,
                ..
            } => (Wanted::Union, "union", name),
            TypeKind::Enumeration {
                name,
                declaration: true,
                ..
            } => (Wanted::Enum, "enum", name),
            _ => return None,
        };
        if name.is_empty() {
            return None;
        }
        let key = (id.0.module, format!("{keyword} {name}"));
        let known = self
            .definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .copied();
        if let Some(known) = known {
            return known;
        }
        let found = [id.0.module, ModuleId::KERNEL]
            .into_iter()
            .find_map(|module| {
                let module = self.get(module).ok()?;
                self.find_type(&module, name, wanted).ok().flatten()
            });
        // Never a declaration again, or reading would not end.
        let found = found.filter(|found| {
            let kind = self.read_type(*found);
            kind.is_ok_and(|kind| {
                !matches!(
                    kind,
                    TypeKind::Aggregate {
                        declaration: true,
                        ..
                    } | TypeKind::Enumeration {
                        declaration: true,
                        ..
                    }
                )
            })
        });
        self.definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, found);
        found
    }

    fn find_type(&self, module: &Module, name: &str, wanted: Wanted) -> Result<Option<TypeId>> {
        if let Some(dwarf) = &module.dwarf {
            let classes: &[&[Class]] = match wanted {
                Wanted::Struct => &[&[Class::Struct]],
                Wanted::Union => &[&[Class::Union]],
                Wanted::Enum => &[&[Class::Enum]],
                Wanted::Any => &[
                    &[Class::Typedef, Class::Base],
                    &[Class::Struct],
                    &[Class::Union],
                    &[Class::Enum],
                ],
            };
            let id = |offset: u64| {
                TypeId(EntityId {
                    module: module.id,
                    source: Source::Dwarf,
                    offset,
                })
            };
            for classes in classes {
                if let Some(offset) = dwarf.types_named(name, classes).first() {
                    return Ok(Some(id(*offset)));
                }
            }
        }
        let Some(btf) = self.btf(module)? else {
            return Ok(None);
        };
        let spaces: &[NameSpace] = match wanted {
            Wanted::Struct => &[NameSpace::Struct],
            Wanted::Union => &[NameSpace::Union],
            Wanted::Enum => &[NameSpace::Enum],
            Wanted::Any => &[
                NameSpace::Ordinary,
                NameSpace::Struct,
                NameSpace::Union,
                NameSpace::Enum,
            ],
        };
        Ok(spaces.iter().find_map(|space| {
            let found = btf.by_name(name, *space)?;
            Some(TypeId(EntityId {
                module: module.id,
                source: Source::Btf,
                offset: u64::from(found),
            }))
        }))
    }

    /// A type by its C name: `struct file`, `union u`, `enum e`, a typedef or
    /// base type; a bare tag is found too. Looked up in the module, then in
    /// the kernel. Pointers and qualifiers are not part of a name.
    pub fn type_by_name(&self, module: ModuleId, name: &str) -> Result<Option<TypeId>> {
        // A tapset asks for the same few names again and again; each search reads the whole index.
        let key = (module, name.to_owned());
        let known = self
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.search_type(module, name)?;
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, found);
        Ok(found)
    }

    fn search_type(&self, module: ModuleId, name: &str) -> Result<Option<TypeId>> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = name.strip_prefix("const ").unwrap_or(&name);
        let (wanted, name) = if let Some(tag) = name.strip_prefix("struct ") {
            (Wanted::Struct, tag)
        } else if let Some(tag) = name.strip_prefix("union ") {
            (Wanted::Union, tag)
        } else if let Some(tag) = name.strip_prefix("enum ") {
            (Wanted::Enum, tag)
        } else {
            (Wanted::Any, name)
        };
        let spellings = spellings_of(name);
        let own = self.get(module)?;
        for spelling in &spellings {
            if let Some(found) = self.find_type(&own, spelling, wanted)? {
                return Ok(Some(found));
            }
        }
        if module == ModuleId::KERNEL || own.kind == crate::session::ModuleKind::Binary {
            return Ok(None);
        }
        let kernel = self.get(ModuleId::KERNEL)?;
        for spelling in &spellings {
            if let Some(found) = self.find_type(&kernel, spelling, wanted)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The type without typedefs and qualifiers.
    pub fn strip(&self, id: TypeId) -> Result<TypeId> {
        let mut id = id;
        for _ in 0..CHAIN {
            let read = self.type_of(id)?;
            id = match &read.kind {
                TypeKind::Typedef { target, .. } | TypeKind::Qualified { target, .. } => *target,
                _ => return Ok(read.id),
            };
        }
        Err(self.bad_type(id, "a type refers to itself"))
    }

    /// An error about a type, with its place in the file it comes from.
    fn bad_type(&self, id: TypeId, message: &str) -> Error {
        let section = match id.0.source {
            Source::Btf => ".BTF",
            _ => ".debug_info",
        };
        let path = self.get(id.0.module).ok().and_then(|module| {
            let elf = module.elf.as_ref().map(|elf| elf.path.clone());
            elf.or_else(|| self.paths().btf.clone())
        });
        let error = Error::new(message).at(section, id.0.offset);
        Error { path, ..error }
    }

    /// Size of a type in bytes; 0 for void, functions, and what is only
    /// declared or has no fixed size.
    pub fn size_of(&self, id: TypeId) -> Result<u64> {
        let stripped = self.type_of(self.strip(id)?)?;
        Ok(match &stripped.kind {
            TypeKind::Base { size, .. }
            | TypeKind::Pointer { size, .. }
            | TypeKind::Aggregate { size, .. }
            | TypeKind::Enumeration { size, .. } => *size,
            TypeKind::Array {
                element,
                dimensions,
            } => {
                // An array cannot contain itself by value, but a corrupt file may say so.
                let element = self.type_of(self.strip(*element)?)?;
                let one = match &element.kind {
                    TypeKind::Array { .. } => {
                        return Err(self.bad_type(element.id, "an array of itself"));
                    }
                    _ => self.size_of(element.id)?,
                };
                dimensions
                    .iter()
                    .fold(one, |size, count| size.saturating_mul(count.unwrap_or(0)))
            }
            _ => 0,
        })
    }

    /// The member of a struct or union (through typedefs and qualifiers),
    /// also inside anonymous structs and unions; `None` if there is none.
    pub fn member(&self, id: TypeId, name: &str) -> Result<Option<MemberPath>> {
        self.member_below(id, name, &mut HashSet::new())
    }

    /// `seen` are the types that were searched already: damaged files have structs that contain
    /// themselves.
    fn member_below(
        &self,
        id: TypeId,
        name: &str,
        seen: &mut HashSet<TypeId>,
    ) -> Result<Option<MemberPath>> {
        let aggregate = self.type_of(self.strip(id)?)?;
        let TypeKind::Aggregate { members, .. } = &aggregate.kind else {
            return Ok(None);
        };
        if let Some(member) = members.iter().find(|member| member.name == name) {
            let path = MemberPath {
                member: member.clone(),
                through: vec![aggregate.id],
            };
            return Ok(Some(path));
        }
        if name.is_empty() || seen.len() >= CHAIN as usize || !seen.insert(aggregate.id) {
            return Ok(None);
        }
        for outer in members.iter().filter(|member| member.name.is_empty()) {
            if let Some(mut path) = self.member_below(outer.type_id, name, seen)? {
                path.through.insert(0, aggregate.id);
                path.member.byte_offset = path.member.byte_offset.wrapping_add(outer.byte_offset);
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// All members that can be named, those of anonymous structs and unions
    /// included, with offsets from the start of the whole.
    pub fn members(&self, id: TypeId) -> Result<Vec<Member>> {
        let mut found = Vec::new();
        self.members_below(id, 0, 0, &mut 0, &mut found)?;
        Ok(found)
    }

    fn members_below(
        &self,
        id: TypeId,
        base: u64,
        depth: u32,
        visits: &mut usize,
        found: &mut Vec<Member>,
    ) -> Result<()> {
        let aggregate = self.type_of(self.strip(id)?)?;
        let TypeKind::Aggregate { members, .. } = &aggregate.kind else {
            return Ok(());
        };
        *visits += members.len();
        if depth > CHAIN || *visits > MOST_MEMBERS {
            return Err(self.bad_type(aggregate.id, "a structure contains itself"));
        }
        for member in members {
            let byte_offset = base.wrapping_add(member.byte_offset);
            if !member.name.is_empty() {
                found.push(Member {
                    byte_offset,
                    ..member.clone()
                });
            } else {
                self.members_below(member.type_id, byte_offset, depth + 1, visits, found)?;
            }
        }
        Ok(())
    }

    /// The value of an enumeration constant of a module or the kernel.
    pub fn enumerator(&self, module: ModuleId, name: &str) -> Result<Option<i64>> {
        for module in [module, ModuleId::KERNEL] {
            let module = self.get(module)?;
            // BTF has every enumeration once and is a hundred times smaller: what it lacks, DWARF
            // lacks too.
            let found = match (self.btf(&module)?, &module.dwarf) {
                (Some(btf), _) => btf.enumerator(name),
                (None, Some(dwarf)) => dwarf.enumerator(name),
                (None, None) => None,
            };
            if found.is_some() {
                return Ok(found);
            }
            if module.kind == crate::session::ModuleKind::Binary {
                break;
            }
        }
        Ok(None)
    }

    /// A type as SystemTap prints it: `struct file*`, `char const*`,
    /// `long unsigned int`, `char[]`, `int (*) (void*)`.
    pub fn type_name(&self, id: TypeId) -> String {
        let mut name = String::new();
        self.write_name(id, 0, &mut name);
        name
    }

    fn write_name(&self, id: TypeId, depth: u32, out: &mut String) {
        if depth > CHAIN || out.len() > LONGEST_NAME {
            out.push_str("...");
            return;
        }
        // The declaration's own name is enough, and its definition has the same.
        let kind = match self.read_type_shallow(id) {
            Ok(kind) => kind,
            Err(_) => return out.push_str("<unknown>"),
        };
        let tagged = |out: &mut String, keyword: &str, name: &str| {
            out.push_str(keyword);
            out.push(' ');
            out.push_str(if name.is_empty() { "{...}" } else { name });
        };
        match &kind.kind {
            TypeKind::Void => out.push_str("void"),
            TypeKind::Base { name, .. } | TypeKind::Typedef { name, .. } => out.push_str(name),
            TypeKind::Aggregate {
                kind: AggregateKind::Struct,
                name,
                ..
            } => {
                tagged(out, "struct", name);
            }
            TypeKind::Aggregate {
                kind: AggregateKind::Union,
                name,
                ..
            } => {
                tagged(out, "union", name);
            }
            TypeKind::Enumeration { name, .. } => tagged(out, "enum", name),
            TypeKind::Qualified { qualifier, target } => {
                self.write_name(*target, depth + 1, out);
                out.push_str(match qualifier {
                    Qualifier::Const => " const",
                    Qualifier::Volatile => " volatile",
                    Qualifier::Restrict => " restrict",
                    Qualifier::Atomic => " _Atomic",
                    Qualifier::Tag => "",
                });
            }
            TypeKind::Array {
                element,
                dimensions,
            } => {
                self.write_name(*element, depth + 1, out);
                for _ in dimensions {
                    out.push_str("[]");
                }
            }
            TypeKind::Pointer {
                target, reference, ..
            } => {
                let mark = if *reference { "&" } else { "*" };
                match self.read_type_shallow(*target).as_deref() {
                    Ok(Type {
                        kind: TypeKind::Function(prototype),
                        ..
                    }) => {
                        self.write_name(prototype.return_type, depth + 1, out);
                        out.push_str(" (");
                        out.push_str(mark);
                        out.push(')');
                        self.write_parameters(prototype, depth, out);
                    }
                    // What a parameter of type va_list is on x86_64 (System V ABI).
                    Ok(Type {
                        kind: TypeKind::Aggregate { name, .. },
                        ..
                    }) if name == "__va_list_tag" => {
                        out.push_str("va_list");
                    }
                    _ => {
                        self.write_name(*target, depth + 1, out);
                        out.push_str(mark);
                    }
                }
            }
            TypeKind::Function(prototype) => {
                self.write_name(prototype.return_type, depth + 1, out);
                self.write_parameters(prototype, depth, out);
            }
            TypeKind::Unknown(_) => out.push_str("<unknown>"),
        }
    }

    fn write_parameters(&self, prototype: &crate::types::Prototype, depth: u32, out: &mut String) {
        out.push_str(" (");
        if prototype.parameters.is_empty() && !prototype.variadic {
            out.push_str("void");
        }
        for (index, parameter) in prototype.parameters.iter().enumerate() {
            if index != 0 {
                out.push_str(", ");
            }
            self.write_name(parameter.type_id, depth + 1, out);
        }
        if prototype.variadic {
            out.push_str(if prototype.parameters.is_empty() {
                "..."
            } else {
                ", ..."
            });
        }
        out.push(')');
    }

    /// A type that need not be a definition: for names.
    fn read_type_shallow(&self, id: TypeId) -> Result<Arc<Type>> {
        match self.known_type(id) {
            Some(known) => Ok(known),
            None => Ok(Arc::new(Type {
                id,
                kind: self.read_type(id)?,
            })),
        }
    }
}

/// Other ways to write a base type, the compiler's own among them: GCC calls
/// `unsigned long` `long unsigned int`.
fn spellings_of(name: &str) -> Vec<String> {
    let mut spellings = vec![name.to_string()];
    let words: Vec<&str> = name.split(' ').collect();
    let known = ["unsigned", "signed", "long", "short", "int", "char"];
    if words.iter().all(|word| known.contains(word)) {
        let count = |wanted: &str| words.iter().filter(|word| **word == wanted).count();
        let unsigned = count("unsigned") > 0;
        let base = if count("char") > 0 {
            match (unsigned, count("signed") > 0) {
                (true, _) => "unsigned char",
                (_, true) => "signed char",
                _ => "char",
            }
        } else {
            match (count("long"), count("short") > 0, unsigned) {
                (0, true, true) => "short unsigned int",
                (0, true, false) => "short int",
                (0, false, true) => "unsigned int",
                (0, false, false) => "int",
                (1, _, true) => "long unsigned int",
                (1, _, false) => "long int",
                (_, _, true) => "long long unsigned int",
                (_, _, false) => "long long int",
            }
        };
        spellings.push(base.to_string());
        // Clang and BTF made from it keep the words in the order of the source.
        let clang = match base {
            "long unsigned int" => "unsigned long",
            "long int" => "long",
            "short unsigned int" => "unsigned short",
            "short int" => "short",
            "long long unsigned int" => "unsigned long long",
            "long long int" => "long long",
            other => other,
        };
        spellings.push(clang.to_string());
        spellings.dedup();
    }
    spellings
}
