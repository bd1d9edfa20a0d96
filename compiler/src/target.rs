// SPDX-License-Identifier: GPL-2.0-or-later
//! The only door from pass 2 to the kernel being probed.

mod fixture;
mod real;

use std::sync::Arc;

use rstap_debuginfo::{
    Address, Callee, CarriedFrame, CarriedLine, CarriedSymbol, Function, FunctionQuery, Label,
    LineAddress, Location, Marker, MemberPath, ModuleId, Placement, PltEntry, Probeable, Prototype,
    Result, Symbol, Tracepoint, Type, TypeId, Variable,
};

pub use fixture::FixtureTarget;
pub use real::RealTarget;

/// What pass 2 may ask about the kernel. Implemented over `rstap_debuginfo`
/// for real kernels and over plain data in tests.
///
/// Nothing is opened before the first question that needs it, so that a script
/// with timers alone costs no debug information. The methods mean what those of
/// `rstap_debuginfo::DebugInfo` with the same names mean.
pub trait Target {
    /// Release of the kernel, `6.1.0-56-cloud-amd64`.
    fn release(&self) -> String;

    /// `kernel`, a module's name, or the path of a module or binary.
    fn module(&self, name: &str) -> Result<ModuleId>;
    /// Modules of the kernel whose name matches.
    fn module_names(&self, glob: &str) -> Vec<String>;
    /// Name under which the module was opened: `kernel`, `ext4`, `/usr/bin/true`.
    fn module_name(&self, module: ModuleId) -> String;
    /// Absolute path of a user program: a path, or a name to be searched in `$PATH`.
    fn program(&self, name: &str) -> Result<String>;
    /// Absolute paths of the programs and libraries whose path matches, or whose name does if the
    /// pattern has no slash: those in `$PATH`. Sorted, each file once.
    fn programs(&self, pattern: &str) -> Vec<String>;
    /// Absolute path of the program with a build-id (hexadecimal): `first` if it is that one, else
    /// what debug files name, runs, or is in `$PATH`.
    fn program_with_build_id(&self, id: &str, first: Option<&str>) -> Result<String>;
    /// Absolute path of a shared library: a path, or a name to be searched where the
    /// dynamic linker looks.
    fn library(&self, name: &str) -> Result<String>;
    /// Byte offset in its file of an address of a user program.
    fn file_offset(&self, address: Address) -> Result<u64>;

    fn functions(&self, module: ModuleId, query: &FunctionQuery) -> Result<Vec<Function>>;
    fn prototype(&self, function: &Function) -> Result<Option<Prototype>>;
    fn variables_at(&self, function: &Function, pc: u64) -> Result<Vec<Variable>>;
    fn location(
        &self,
        function: Option<&Function>,
        variable: &Variable,
        pc: u64,
    ) -> Result<Location>;
    fn labels(&self, function: &Function, glob: &str) -> Result<Vec<Label>>;
    fn callees(&self, function: &Function) -> Result<Vec<Callee>>;
    fn frame_at(&self, address: Address) -> Option<(u16, i64)>;
    /// The function with code at an address: the innermost inlined copy, or the concrete one.
    fn function_at(&self, address: Address, inlined: bool) -> Result<Option<Function>>;

    /// Rows of the line table of files that match, lines `first` to `last`.
    fn lines(
        &self,
        module: ModuleId,
        file: &str,
        first: u32,
        last: u32,
    ) -> Result<Vec<LineAddress>>;
    fn lines_of(&self, function: &Function) -> Result<Vec<LineAddress>>;

    fn type_of(&self, id: TypeId) -> Result<Arc<Type>>;
    /// As SystemTap prints it: `struct file*`.
    fn type_name(&self, id: TypeId) -> String;
    /// `struct file`, `enum x`, `size_t`; also a bare tag.
    fn type_by_name(&self, module: ModuleId, name: &str) -> Result<Option<TypeId>>;
    fn size_of(&self, id: TypeId) -> Result<u64>;
    /// Typedefs and qualifiers removed.
    fn strip(&self, id: TypeId) -> Result<TypeId>;
    fn member(&self, id: TypeId, name: &str) -> Result<Option<MemberPath>>;
    fn enumerator(&self, module: ModuleId, name: &str) -> Result<Option<i64>>;
    fn globals(&self, module: ModuleId, name: &str, unit: Option<&str>) -> Result<Vec<Variable>>;

    fn tracepoints(&self, module: ModuleId, glob: &str) -> Result<Vec<Tracepoint>>;

    /// Static markers of a user program.
    fn markers(&self, module: ModuleId) -> Result<Vec<Marker>>;
    /// Stubs through which a user program calls functions of other files.
    fn plt(&self, module: ModuleId) -> Result<Vec<PltEntry>>;
    /// Tables that a script carries along of a user program.
    fn carried_symbols(&self, module: ModuleId) -> Result<Vec<CarriedSymbol>>;
    fn carried_frames(&self, module: ModuleId) -> Result<Vec<CarriedFrame>>;
    fn carried_lines(&self, module: ModuleId) -> Result<Vec<CarriedLine>>;
    fn is_position_independent(&self, module: ModuleId) -> bool;
    fn needed_libraries(&self, module: ModuleId) -> Result<Vec<String>>;

    fn symbol(&self, module: ModuleId, name: &str) -> Option<Symbol>;
    fn symbols(&self, module: ModuleId, glob: &str) -> Vec<Symbol>;
    fn placement(&self, address: Address) -> Result<Placement>;
    fn probeable(&self, function: &Function) -> Result<Probeable>;
    /// Why no probe can be at an address, if none can.
    fn refusal(&self, address: Address) -> Result<Option<String>>;
    /// Where the instruction begins that the byte at an address of a function belongs to. `None`
    /// if that cannot be told.
    fn instruction_at(&self, function: &Function, address: Address) -> Result<Option<u64>>;
}
