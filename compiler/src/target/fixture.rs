// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel made of data, for unit tests: no file is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use rstap_debuginfo::{
    Address, AddressRange, AggregateKind, BitField, Callee, CarriedFrame, CarriedLine,
    CarriedSymbol, Encoding, EntityId, Enumerator, Error, Function, FunctionKind, FunctionQuery,
    Label, LineAddress, Location, Marker, Member, MemberPath, ModuleId, Parameter, Placement,
    PltEntry, Probeable, Prototype, Result, Source, SourcePosition, Symbol, SymbolKind, Tracepoint,
    Type, TypeId, TypeKind, Variable, VariableKind, glob,
};

use super::Target;

/// `_stext` of the made-up kernel.
const STEXT: u64 = 0x1000;
/// Bytes of every function.
const FUNCTION_SIZE: u64 = 0x100;

/// A small kernel. Build one with [`FixtureTarget::new`] and the `add_` methods.
#[derive(Default)]
pub struct FixtureTarget {
    types: Vec<TypeKind>,
    functions: Vec<(Function, Prototype)>,
    locals: Vec<(EntityId, Variable, Location)>,
    globals: Vec<(Variable, Location)>,
    tracepoints: Vec<Tracepoint>,
    refused: BTreeMap<String, String>,
    refused_addresses: BTreeMap<u64, String>,
    lines: Vec<LineAddress>,
}

impl FixtureTarget {
    pub fn new() -> FixtureTarget {
        FixtureTarget::default()
    }

    /// A kernel of one function: `long vfs_read(long count)`.
    pub fn with_vfs_read() -> FixtureTarget {
        let mut target = FixtureTarget::new();
        let long = target.base("long int", 8, Encoding::Signed);
        let place = ("fs/read_write.c", 450);
        target.add_function("vfs_read", place, long, &[("count", long)]);
        target
    }

    fn entity(offset: usize) -> EntityId {
        EntityId {
            module: ModuleId::KERNEL,
            source: Source::Dwarf,
            offset: offset as u64,
        }
    }

    /// Adds any type.
    pub fn add_type(&mut self, kind: TypeKind) -> TypeId {
        self.types.push(kind);
        TypeId(Self::entity(self.types.len() - 1))
    }

    /// An integer, or what `encoding` says.
    pub fn base(&mut self, name: &str, size: u64, encoding: Encoding) -> TypeId {
        self.add_type(TypeKind::Base {
            name: name.to_owned(),
            size,
            encoding,
        })
    }

    pub fn pointer(&mut self, target: TypeId) -> TypeId {
        self.add_type(TypeKind::Pointer {
            target,
            size: 8,
            reference: false,
        })
    }

    pub fn typedef(&mut self, name: &str, target: TypeId) -> TypeId {
        self.add_type(TypeKind::Typedef {
            name: name.to_owned(),
            target,
        })
    }

    pub fn array(&mut self, element: TypeId, count: u64) -> TypeId {
        self.add_type(TypeKind::Array {
            element,
            dimensions: vec![Some(count)],
        })
    }

    pub fn enumeration(&mut self, name: &str, constants: &[(&str, i64)]) -> TypeId {
        let enumerators = constants
            .iter()
            .map(|(name, value)| Enumerator {
                name: (*name).to_owned(),
                value: *value,
            })
            .collect();
        self.add_type(TypeKind::Enumeration {
            name: name.to_owned(),
            size: 4,
            signed: false,
            enumerators,
            declaration: false,
        })
    }

    /// A struct or union: name, type, byte offset and bit field of each member.
    pub fn aggregate(
        &mut self,
        kind: AggregateKind,
        name: &str,
        size: u64,
        members: &[(&str, TypeId, u64, Option<BitField>)],
    ) -> TypeId {
        let members = members
            .iter()
            .map(|&(name, type_id, byte_offset, bit_field)| Member {
                name: name.to_owned(),
                type_id,
                byte_offset,
                bit_field,
            })
            .collect();
        let name = name.to_owned();
        self.add_type(TypeKind::Aggregate {
            kind,
            name,
            size,
            members,
            declaration: false,
        })
    }

    /// A struct without bit fields.
    pub fn structure(&mut self, name: &str, size: u64, members: &[(&str, TypeId, u64)]) -> TypeId {
        let members: Vec<_> = members
            .iter()
            .map(|&(name, ty, offset)| (name, ty, offset, None))
            .collect();
        self.aggregate(AggregateKind::Struct, name, size, &members)
    }

    /// A function of its own at `_stext + 0x100 * n` whose parameters are where
    /// the calling convention puts them.
    pub fn add_function(
        &mut self,
        name: &str,
        position: (&str, u32),
        return_type: TypeId,
        parameters: &[(&str, TypeId)],
    ) -> Function {
        let index = self.functions.len();
        let begin = STEXT + FUNCTION_SIZE * index as u64;
        let function = Function {
            name: name.into(),
            linkage_name: name.into(),
            kind: FunctionKind::Concrete,
            declaration: Some(SourcePosition {
                file: position.0.into(),
                line: position.1,
            }),
            entry: Address {
                module: ModuleId::KERNEL,
                value: begin,
            },
            ranges: vec![AddressRange {
                begin,
                end: begin + FUNCTION_SIZE,
            }],
            external: !name.starts_with("static_"),
            inlined_into: None,
            source: Source::Dwarf,
            id: Self::entity(index),
        };
        let parameters: Vec<Parameter> = parameters
            .iter()
            .map(|&(name, type_id)| Parameter {
                name: name.to_owned(),
                type_id,
            })
            .collect();
        for (index, parameter) in parameters.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let kind = VariableKind::Parameter;
            let location = Location::Argument(index);
            let name = parameter.name.clone();
            self.add_local(
                &function,
                &name,
                parameter.type_id,
                kind,
                location,
                Some(index),
            );
        }
        self.functions.push((
            function.clone(),
            Prototype {
                return_type,
                parameters,
                variadic: false,
            },
        ));
        function
    }

    /// A variable of a function.
    pub fn add_local(
        &mut self,
        function: &Function,
        name: &str,
        type_id: TypeId,
        kind: VariableKind,
        location: Location,
        parameter_index: Option<u32>,
    ) {
        let variable = Variable {
            name: name.to_owned(),
            type_id,
            kind,
            available: location.is_available(),
            line: 0,
            scope_depth: 0,
            parameter_index,
            id: Self::entity(self.locals.len()),
        };
        self.locals.push((function.id, variable, location));
    }

    /// A copy of a function inlined into another.
    pub fn add_inlined(&mut self, name: &str, position: (&str, u32), into: &Function, pc: u64) {
        let mut copy = self.add_function(name, position, TypeId::VOID, &[]);
        copy.kind = FunctionKind::Inlined;
        copy.inlined_into = Some(into.name.clone());
        copy.entry.value = pc;
        if let Some((function, _)) = self.functions.last_mut() {
            *function = copy;
        }
    }

    /// A variable of the whole kernel.
    pub fn add_global(&mut self, name: &str, type_id: TypeId, location: Location) {
        let variable = Variable {
            name: name.to_owned(),
            type_id,
            kind: VariableKind::Global,
            available: location.is_available(),
            line: 0,
            scope_depth: 0,
            parameter_index: None,
            id: Self::entity(self.globals.len()),
        };
        self.globals.push((variable, location));
    }

    pub fn add_tracepoint(&mut self, system: &str, name: &str, arguments: &[(&str, TypeId)]) {
        let arguments = arguments
            .iter()
            .map(|&(name, type_id)| Parameter {
                name: name.to_owned(),
                type_id,
            })
            .collect();
        self.tracepoints.push(Tracepoint {
            system: system.to_owned(),
            name: name.to_owned(),
            arguments: Some(arguments),
            module: ModuleId::KERNEL,
            source: Source::Dwarf,
        });
    }

    /// The kernel refuses probes in this function.
    pub fn refuse(&mut self, function: &str, reason: &str) {
        self.refused.insert(function.to_owned(), reason.to_owned());
    }

    /// The kernel refuses probes at this address.
    pub fn refuse_address(&mut self, address: u64, reason: &str) {
        self.refused_addresses.insert(address, reason.to_owned());
    }

    /// A row of the line table.
    pub fn add_line(&mut self, file: &str, line: u32, address: u64) {
        self.lines.push(LineAddress {
            position: SourcePosition {
                file: file.into(),
                line,
            },
            address: Address {
                module: ModuleId::KERNEL,
                value: address,
            },
            is_statement: true,
            prologue_end: false,
        });
    }

    fn function_of(&self, function: &Function) -> Option<&(Function, Prototype)> {
        self.functions
            .iter()
            .find(|(known, _)| known.id == function.id)
    }
}

impl Target for FixtureTarget {
    fn release(&self) -> String {
        "6.1.0-fixture".to_owned()
    }

    fn module(&self, name: &str) -> Result<ModuleId> {
        match name {
            "kernel" | "vmlinux" => Ok(ModuleId::KERNEL),
            _ => Err(Error::new(format!("no module '{name}'"))),
        }
    }

    fn module_names(&self, _glob: &str) -> Vec<String> {
        Vec::new()
    }

    fn module_name(&self, _module: ModuleId) -> String {
        "kernel".to_owned()
    }

    fn program(&self, name: &str) -> Result<String> {
        Ok(format!("/usr/bin/{name}"))
    }

    fn programs(&self, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn program_with_build_id(&self, id: &str, _first: Option<&str>) -> Result<String> {
        Err(Error::new(format!("no program with the build-id {id}")))
    }

    fn library(&self, name: &str) -> Result<String> {
        Ok(format!("/usr/lib/{name}"))
    }

    fn file_offset(&self, address: Address) -> Result<u64> {
        Ok(address.value)
    }

    fn functions(&self, _module: ModuleId, query: &FunctionQuery) -> Result<Vec<Function>> {
        let is_match = |function: &&Function| {
            let is_file = match (&query.file, &function.declaration) {
                (None, _) => true,
                (Some(pattern), Some(position)) => glob::matches_path(pattern, &position.file),
                (Some(_), None) => false,
            };
            is_file
                && glob::matches(&query.name, &function.name)
                && (query.inlined || function.kind != FunctionKind::Inlined)
        };
        Ok(self
            .functions
            .iter()
            .map(|(function, _)| function)
            .filter(is_match)
            .cloned()
            .collect())
    }

    fn prototype(&self, function: &Function) -> Result<Option<Prototype>> {
        Ok(self
            .function_of(function)
            .map(|(_, prototype)| prototype.clone()))
    }

    fn variables_at(&self, function: &Function, _pc: u64) -> Result<Vec<Variable>> {
        let of_function = self
            .locals
            .iter()
            .filter(|(owner, ..)| *owner == function.id);
        Ok(of_function
            .map(|(_, variable, _)| variable.clone())
            .collect())
    }

    fn location(
        &self,
        _function: Option<&Function>,
        variable: &Variable,
        _pc: u64,
    ) -> Result<Location> {
        let found = match variable.kind {
            VariableKind::Global => self
                .globals
                .iter()
                .find(|(known, _)| known.id == variable.id)
                .map(|entry| &entry.1),
            _ => self
                .locals
                .iter()
                .find(|(_, known, _)| known.id == variable.id)
                .map(|entry| &entry.2),
        };
        found.cloned().ok_or_else(|| Error::new("no such variable"))
    }

    fn labels(&self, _function: &Function, _glob: &str) -> Result<Vec<Label>> {
        Ok(Vec::new())
    }

    fn callees(&self, _function: &Function) -> Result<Vec<Callee>> {
        Ok(Vec::new())
    }

    fn frame_at(&self, _address: Address) -> Option<(u16, i64)> {
        None
    }

    fn function_at(&self, address: Address, _inlined: bool) -> Result<Option<Function>> {
        let holds = |function: &&Function| {
            function
                .ranges
                .iter()
                .any(|range| range.contains(address.value))
        };
        Ok(self
            .functions
            .iter()
            .map(|(function, _)| function)
            .find(holds)
            .cloned())
    }

    fn lines(
        &self,
        _module: ModuleId,
        file: &str,
        first: u32,
        last: u32,
    ) -> Result<Vec<LineAddress>> {
        let is_match = |line: &&LineAddress| {
            glob::matches_path(file, &line.position.file)
                && (first..=last).contains(&line.position.line)
        };
        Ok(self.lines.iter().filter(is_match).cloned().collect())
    }

    fn lines_of(&self, function: &Function) -> Result<Vec<LineAddress>> {
        let holds = |line: &&LineAddress| {
            function
                .ranges
                .iter()
                .any(|range| range.contains(line.address.value))
        };
        Ok(self.lines.iter().filter(holds).cloned().collect())
    }

    fn type_of(&self, id: TypeId) -> Result<Arc<Type>> {
        if id.is_void() {
            return Ok(Arc::new(Type {
                id,
                kind: TypeKind::Void,
            }));
        }
        let kind = self.types.get(id.0.offset as usize).cloned();
        let kind = kind.ok_or_else(|| Error::new("no such type"))?;
        Ok(Arc::new(Type { id, kind }))
    }

    fn type_name(&self, id: TypeId) -> String {
        let Ok(ty) = self.type_of(id) else {
            return String::new();
        };
        match &ty.kind {
            TypeKind::Void => "void".to_owned(),
            TypeKind::Base { name, .. } | TypeKind::Typedef { name, .. } => name.clone(),
            TypeKind::Pointer { target, .. } => format!("{}*", self.type_name(*target)),
            TypeKind::Aggregate {
                kind: AggregateKind::Struct,
                name,
                ..
            } => format!("struct {name}"),
            TypeKind::Aggregate { name, .. } => format!("union {name}"),
            TypeKind::Array { element, .. } => format!("{}[]", self.type_name(*element)),
            TypeKind::Enumeration { name, .. } => format!("enum {name}"),
            TypeKind::Qualified { target, .. } => format!("{} const", self.type_name(*target)),
            TypeKind::Function(_) => "function".to_owned(),
            TypeKind::Unknown(name) => name.clone(),
        }
    }

    fn type_by_name(&self, _module: ModuleId, name: &str) -> Result<Option<TypeId>> {
        let ids = (0..self.types.len()).map(|index| TypeId(Self::entity(index)));
        Ok(ids.into_iter().find(|&id| self.type_name(id) == name))
    }

    fn size_of(&self, id: TypeId) -> Result<u64> {
        let id = self.strip(id)?;
        Ok(match &self.type_of(id)?.kind {
            TypeKind::Base { size, .. }
            | TypeKind::Pointer { size, .. }
            | TypeKind::Aggregate { size, .. }
            | TypeKind::Enumeration { size, .. } => *size,
            TypeKind::Array {
                element,
                dimensions,
            } => {
                let count: u64 = dimensions.iter().map(|count| count.unwrap_or(0)).product();
                self.size_of(*element)? * count
            }
            _ => 0,
        })
    }

    fn strip(&self, id: TypeId) -> Result<TypeId> {
        match &self.type_of(id)?.kind {
            TypeKind::Typedef { target, .. } | TypeKind::Qualified { target, .. } => {
                self.strip(*target)
            }
            _ => Ok(id),
        }
    }

    fn member(&self, id: TypeId, name: &str) -> Result<Option<MemberPath>> {
        let id = self.strip(id)?;
        let ty = self.type_of(id)?;
        let TypeKind::Aggregate { members, .. } = &ty.kind else {
            return Ok(None);
        };
        for member in members {
            if member.name == name {
                return Ok(Some(MemberPath {
                    member: member.clone(),
                    through: vec![id],
                }));
            }
            if member.name.is_empty()
                && let Some(mut path) = self.member(member.type_id, name)?
            {
                path.member.byte_offset += member.byte_offset;
                path.through.insert(0, id);
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn enumerator(&self, _module: ModuleId, name: &str) -> Result<Option<i64>> {
        let constants = self.types.iter().flat_map(|kind| match kind {
            TypeKind::Enumeration { enumerators, .. } => enumerators.as_slice(),
            _ => &[],
        });
        let mut constants = constants.filter(|constant| constant.name == name);
        Ok(constants.next().map(|constant| constant.value))
    }

    fn globals(&self, _module: ModuleId, name: &str, _unit: Option<&str>) -> Result<Vec<Variable>> {
        let found = self
            .globals
            .iter()
            .filter(|(variable, _)| variable.name == name);
        Ok(found.map(|(variable, _)| variable.clone()).collect())
    }

    fn tracepoints(&self, _module: ModuleId, pattern: &str) -> Result<Vec<Tracepoint>> {
        let found = self
            .tracepoints
            .iter()
            .filter(|point| glob::matches(pattern, &point.name));
        Ok(found.cloned().collect())
    }

    fn markers(&self, _module: ModuleId) -> Result<Vec<Marker>> {
        Ok(Vec::new())
    }

    fn plt(&self, _module: ModuleId) -> Result<Vec<PltEntry>> {
        Ok(Vec::new())
    }

    fn carried_symbols(&self, _module: ModuleId) -> Result<Vec<CarriedSymbol>> {
        Ok(Vec::new())
    }

    fn carried_frames(&self, _module: ModuleId) -> Result<Vec<CarriedFrame>> {
        Ok(Vec::new())
    }

    fn carried_lines(&self, _module: ModuleId) -> Result<Vec<CarriedLine>> {
        Ok(Vec::new())
    }

    fn is_position_independent(&self, _module: ModuleId) -> bool {
        true
    }

    fn needed_libraries(&self, _module: ModuleId) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn symbol(&self, module: ModuleId, name: &str) -> Option<Symbol> {
        self.symbols(module, name).into_iter().next()
    }

    fn symbols(&self, _module: ModuleId, pattern: &str) -> Vec<Symbol> {
        let concrete = self
            .functions
            .iter()
            .map(|(function, _)| function)
            .filter(|function| {
                function.kind == FunctionKind::Concrete && glob::matches(pattern, &function.name)
            });
        concrete
            .map(|function| Symbol {
                name: function.name.to_string(),
                address: function.entry,
                size: FUNCTION_SIZE,
                kind: SymbolKind::Function,
                global: function.external,
            })
            .collect()
    }

    fn placement(&self, address: Address) -> Result<Placement> {
        Ok(Placement {
            section: ".text".to_owned(),
            section_offset: address.value.wrapping_sub(STEXT),
            stext_offset: Some(address.value.wrapping_sub(STEXT)),
            symbol: self.function_at(address, false)?.map(|function| {
                (
                    function.name.to_string(),
                    address.value - function.entry.value,
                )
            }),
        })
    }

    fn probeable(&self, function: &Function) -> Result<Probeable> {
        Ok(match self.refused.get(&*function.name) {
            Some(reason) => Probeable::Refused(reason.clone()),
            None => Probeable::Ftrace(function.entry),
        })
    }

    fn refusal(&self, address: Address) -> Result<Option<String>> {
        Ok(self.refused_addresses.get(&address.value).cloned())
    }

    fn instruction_at(&self, _function: &Function, _address: Address) -> Result<Option<u64>> {
        Ok(None)
    }
}
