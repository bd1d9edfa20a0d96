// SPDX-License-Identifier: GPL-2.0-or-later

//! Everything rstap knows about compiled code: kernels, their modules and user
//! binaries, from DWARF, BTF and symbol tables.
//!
//! This crate is the only one that maps and reads kernel and debug files. It
//! knows nothing of scripts. Corrupt input gives an [`Error`] that names the
//! file and the place in it, never a panic.
//!
//! ```text
//! KernelPaths::locate(&KernelRequest) -> Result<KernelPaths>        files found, files missing and what brings them
//! DebugInfo::open(KernelPaths) -> Result<DebugInfo>
//!   .module(name) -> Result<ModuleId>                "kernel", "vmlinux", "ext4", "/path/to/binary", "/path/x.ko"
//!   .module_names(glob) -> Vec<String>               modules on disk that match
//!   .has(module, Source) -> bool
//!
//!   .functions(module, &FunctionQuery) -> Result<Vec<Function>>
//!   .prototype(&Function) -> Result<Option<Prototype>>
//!   .variables_at(&Function, pc: u64) -> Result<Vec<Variable>>      parameters first, then locals, inner scopes first
//!   .location(&Function, &Variable, pc: u64) -> Result<Location>    also for globals
//!   .labels(&Function, glob) / .call_sites(&Function) / .callees(&Function)
//!   .function_at(Address) -> Result<Option<Function>>
//!
//!   .source_files(module, glob) / .lines(module, file glob, first..=last) -> Vec<LineAddress>
//!   .lines_of(&Function) -> Vec<LineAddress> / .line_at(Address) -> Option<SourcePosition>
//!
//!   .type_of(TypeId) -> Result<Arc<Type>>            forward declarations already followed
//!   .type_name(TypeId) -> String                     as SystemTap prints it: "struct file*"
//!   .type_by_name(module, "struct file") -> Result<Option<TypeId>>
//!   .size_of(TypeId) -> Result<u64>
//!   .strip(TypeId) -> Result<TypeId>                 typedefs and qualifiers removed
//!   .member(TypeId, name) -> Result<Option<MemberPath>>
//!   .enumerator(module, name) -> Result<Option<i64>>
//!   .globals(module, name, unit glob) -> Result<Vec<Variable>>
//!
//!   .tracepoints(module, glob) -> Result<Vec<Tracepoint>>
//!
//!   .markers(module) -> Result<Vec<Marker>>          static markers of programs (USDT)
//!
//!   .plt(module) -> Result<Vec<PltEntry>>            stubs for functions of other files
//!
//!   .carried_symbols(module) / .carried_frames(module) / .carried_lines(module)
//!   .needed_libraries(module)                        for naming addresses at run time
//!
//!   .symbol(module, name) -> Option<Symbol> / .symbols(module, glob) / .symbol_at(Address)
//!   .placement(Address) -> Placement
//!   .file_offset(Address) -> Result<u64>             place in a program's file, for user probes
//!   .probeable(&Function) -> Probeable
//!   .instruction_at(&Function, Address) -> Result<Option<u64>>      where the instruction begins
//! ```

#![warn(missing_docs)]

mod btf;
mod carried;
mod debuginfod;
mod dwarf;
mod elf;
mod error;
pub mod glob;
mod hash;
mod http;
mod instructions;
mod locate;
mod mapped;
mod markers;
mod plt;
mod probeable;
mod queries;
mod reloc;
mod session;
mod symbols;
mod tracepoints;
mod type_queries;
mod types;

pub use carried::{CarriedFrame, CarriedLine, CarriedSymbol, FrameRule, build_id_of};
pub use debuginfod::DebugServers;
pub use elf::is_elf;
pub use error::{Error, Result};
pub use locate::{KernelPaths, KernelRequest, Missing, MissingPart, running_release};
pub use markers::{Marker, MarkerArgument};
pub use plt::PltEntry;
pub use session::{DebugInfo, ModuleKind};
pub use types::*;
