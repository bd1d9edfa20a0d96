// SPDX-License-Identifier: GPL-2.0-or-later

//! Plain data that crosses the border between debug information and the rest
//! of the compiler. Nothing here borrows from a file or knows DWARF or BTF.

use std::fmt;
use std::sync::Arc;

/// One opened file of code: the kernel, one of its modules, or a user binary.
/// Given out by `DebugInfo`; [`ModuleId::KERNEL`] is always the kernel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u32);

impl ModuleId {
    /// The kernel proper (vmlinux).
    pub const KERNEL: ModuleId = ModuleId(0);
}

/// Where a fact came from. The order is the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `.debug_info` of the kernel, module or binary.
    Dwarf,
    /// BPF type format: types and prototypes, no locations.
    Btf,
    /// ELF symbol table, System.map or kallsyms: names and addresses alone.
    Symbols,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Dwarf => "DWARF",
            Source::Btf => "BTF",
            Source::Symbols => "symbols",
        })
    }
}

/// An entry of one debug information source. Opaque: compare, hash, hand back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId {
    /// The file it belongs to.
    pub module: ModuleId,
    /// Which of the file's sources.
    pub source: Source,
    /// Offset in `.debug_info`, BTF id, or index in the symbol list.
    pub offset: u64,
}

/// A type. [`TypeId::VOID`] is `void`, which neither DWARF nor BTF stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub EntityId);

impl TypeId {
    /// `void` of any source.
    pub const VOID: TypeId = TypeId(EntityId {
        module: ModuleId(u32::MAX),
        source: Source::Btf,
        offset: 0,
    });

    /// True for `void`. Every source's void compares equal to [`TypeId::VOID`].
    pub fn is_void(self) -> bool {
        self == TypeId::VOID
    }
}

/// An address as written in a file. For the kernel this is the link-time
/// address (KASLR moves it by one constant); for a module, whose sections have
/// no addresses of their own, the reader lays the sections out one after the
/// other and `DebugInfo::placement` gives section and offset back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The file.
    pub module: ModuleId,
    /// The address within the file's own numbering.
    pub value: u64,
}

/// The stable form of an [`Address`], for use in generated code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Section name, e.g. `.text`, `.init.text`.
    pub section: String,
    /// Bytes from the section's start.
    pub section_offset: u64,
    /// For the kernel: bytes from `_stext` (modulo 2^64), what the runtime adds to the running
    /// kernel's `_stext`. `None` for modules and for per-CPU addresses.
    pub stext_offset: Option<u64>,
    /// Closest symbol at or before the address, and the distance from it.
    pub symbol: Option<(String, u64)>,
}

/// Half-open range of addresses in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressRange {
    /// First address.
    pub begin: u64,
    /// One past the last address.
    pub end: u64,
}

impl AddressRange {
    /// Whether `address` lies in the range.
    pub fn contains(&self, address: u64) -> bool {
        self.begin <= address && address < self.end
    }
}

/// A position in a source file. The path is shortened as SystemTap prints it:
/// relative to the tree in which the kernel was built (`fs/read_write.c`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePosition {
    /// Path of the file.
    pub file: Arc<str>,
    /// Line, from 1; 0 when unknown.
    pub line: u32,
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a [`Function`] is in the machine code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FunctionKind {
    /// Code of its own, with an entry that is called.
    Concrete,
    /// One copy inlined into another function.
    Inlined,
    /// Known by its symbol alone or by BTF: entry address, no body.
    SymbolOnly,
}

/// One place where a source function's code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name in the source.
    pub name: Arc<str>,
    /// Name of the symbol at the entry, which may carry a compiler's suffix
    /// (`foo.isra.0`, `foo.constprop.0`); equals `name` if there is no symbol.
    pub linkage_name: Arc<str>,
    /// Concrete, inlined or symbol.
    pub kind: FunctionKind,
    /// Where it is declared; `None` when only a symbol or BTF is known.
    pub declaration: Option<SourcePosition>,
    /// Where it starts. For an inlined copy the address of its first
    /// instruction.
    pub entry: Address,
    /// All its code. Empty if unknown.
    pub ranges: Vec<AddressRange>,
    /// `DW_AT_external`: visible to other units (`.exported` in a probe point
    /// means this).
    pub external: bool,
    /// The concrete function that contains an inlined copy; `None` otherwise.
    pub inlined_into: Option<Arc<str>>,
    /// Where this description comes from.
    pub source: Source,
    /// Handle for further questions.
    pub id: EntityId,
}

/// Which functions are asked for.
#[derive(Debug, Clone, Default)]
pub struct FunctionQuery {
    /// Name, with `*`, `?` and `[...]` as in fnmatch.
    pub name: String,
    /// Source file pattern after `@`; matched against the end of the path at
    /// a `/`, so `read_write.c` finds `fs/read_write.c`.
    pub file: Option<String>,
    /// Also report copies inlined into other functions.
    pub inlined: bool,
    /// Of the copies of a function only one that can be probed, if there is
    /// one: enough for a list of names.
    pub one_of_each: bool,
}

/// What a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VariableKind {
    /// Formal parameter.
    Parameter,
    /// Local of the function or of an inner block.
    Local,
    /// Variable of a unit or of the whole program.
    Global,
}

/// A parameter, local or global variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name in the source.
    pub name: String,
    /// Its type.
    pub type_id: TypeId,
    /// Parameter, local or global.
    pub kind: VariableKind,
    /// Whether a value can be had at the address asked about.
    pub available: bool,
    /// Line of its declaration, 0 when unknown.
    pub line: u32,
    /// 0 for the function's own scope, more for blocks inside it. SystemTap
    /// shows only the function's own scope in `.function` probes, and all
    /// scopes in `.statement` probes.
    pub scope_depth: u32,
    /// Position among the parameters, from 0.
    pub parameter_index: Option<u32>,
    /// Handle for `DebugInfo::location`.
    pub id: EntityId,
}

/// One argument of a prototype or tracepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name; empty when the source has none.
    pub name: String,
    /// Its type.
    pub type_id: TypeId,
}

/// A function's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prototype {
    /// What it returns; [`TypeId::VOID`] for nothing.
    pub return_type: TypeId,
    /// Its parameters in order.
    pub parameters: Vec<Parameter>,
    /// Whether `...` follows.
    pub variadic: bool,
}

/// How the bits of a base type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// Two's complement integer.
    Signed,
    /// Unsigned integer.
    Unsigned,
    /// `char` of either signedness: prints as a character.
    SignedChar,
    /// Unsigned character.
    UnsignedChar,
    /// `_Bool`.
    Boolean,
    /// IEEE floating point.
    Float,
    /// Complex float and what else exists; bytes only.
    Other,
}

/// `const`, `volatile` and their kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// `const`
    Const,
    /// `volatile`
    Volatile,
    /// `restrict`
    Restrict,
    /// `_Atomic`
    Atomic,
    /// BTF type tag or DWARF annotation such as `__user`; means nothing for
    /// the layout.
    Tag,
}

/// A field of a struct or union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name; empty for an anonymous struct or union and unnamed bit fields.
    pub name: String,
    /// Its type.
    pub type_id: TypeId,
    /// Bytes from the start of the containing type. For a bit field, the
    /// byte of its storage unit.
    pub byte_offset: u64,
    /// Present for bit fields only.
    pub bit_field: Option<BitField>,
}

/// Place of a bit field inside the storage unit at [`Member::byte_offset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BitField {
    /// Bits from the least significant bit of the storage unit.
    pub bit_offset: u8,
    /// Width in bits.
    pub bit_size: u8,
    /// Bytes of the storage unit to read (1, 2, 4 or 8).
    pub storage_size: u8,
}

/// One name of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enumerator {
    /// Name.
    pub name: String,
    /// Value, sign-extended if the type is signed.
    pub value: i64,
}

/// Struct, class or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateKind {
    /// `struct` (and C++ `class`).
    Struct,
    /// `union`
    Union,
}

/// What a type is. Names are empty when the type has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeKind {
    /// No type.
    Void,
    /// Integer, character, boolean or floating point number.
    Base {
        /// Name in the compiler's spelling (`long unsigned int`).
        name: String,
        /// Bytes.
        size: u64,
        /// How to read it.
        encoding: Encoding,
    },
    /// Pointer; `size` in bytes.
    Pointer {
        /// What it points to.
        target: TypeId,
        /// Bytes of the pointer itself.
        size: u64,
        /// C++ reference rather than pointer.
        reference: bool,
    },
    /// Struct or union with all its members.
    Aggregate {
        /// Struct or union.
        kind: AggregateKind,
        /// Tag.
        name: String,
        /// Bytes.
        size: u64,
        /// Members in the order of the source.
        members: Vec<Member>,
        /// True if no definition is to be found in any source.
        declaration: bool,
    },
    /// Array.
    Array {
        /// Type of an element after all dimensions.
        element: TypeId,
        /// Element counts from the outermost dimension; `None` for `[]`.
        dimensions: Vec<Option<u64>>,
    },
    /// Enumeration.
    Enumeration {
        /// Tag.
        name: String,
        /// Bytes.
        size: u64,
        /// Whether values are signed.
        signed: bool,
        /// Its constants.
        enumerators: Vec<Enumerator>,
        /// True if no definition is to be found.
        declaration: bool,
    },
    /// Another name for a type.
    Typedef {
        /// The name.
        name: String,
        /// The type named.
        target: TypeId,
    },
    /// Qualified type.
    Qualified {
        /// Which qualifier.
        qualifier: Qualifier,
        /// The type it applies to.
        target: TypeId,
    },
    /// Function, as behind a function pointer.
    Function(Prototype),
    /// A kind that is not supported, by its name in the standard.
    Unknown(String),
}

/// A type, resolved one level deep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// Its id. When the id asked for was a forward declaration whose
    /// definition is elsewhere, this is the definition's id.
    pub id: TypeId,
    /// What it is.
    pub kind: TypeKind,
}

/// One step on the way to a member, from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPath {
    /// The member found; its `byte_offset` is relative to the outermost type,
    /// anonymous levels added up.
    pub member: Member,
    /// Types passed through, the outermost first, anonymous ones included.
    pub through: Vec<TypeId>,
}

/// Operators with one operand in a [`LocationExpr`]. All are 64 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOperator {
    /// Two's complement negation.
    Negate,
    /// Bitwise complement.
    Not,
    /// Absolute value of the operand as signed.
    Absolute,
}

/// Operators with two operands in a [`LocationExpr`]. All are 64 bits wide and
/// wrap; comparisons are signed and give 0 or 1 (DWARF 5 §2.5.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// Signed division; a zero divisor is an error at run time.
    Divide,
    /// Unsigned remainder; a zero divisor is an error at run time.
    Modulo,
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `<<`; 64 and more gives 0.
    ShiftLeft,
    /// Logical `>>`; 64 and more gives 0.
    ShiftRight,
    /// Arithmetic `>>`.
    ShiftRightArithmetic,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A 64-bit value computed at the probe: what a DWARF expression becomes.
/// The CFA and frame base are already replaced by registers and offsets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LocationExpr {
    /// A number.
    Constant(u64),
    /// Full width of a register, by DWARF number, as it is at the probe.
    Register(u16),
    /// Value a register had when the function was entered. Usable at the
    /// entry itself (equal to `Register`), in a return probe that saved it,
    /// or not at all.
    EntryRegister(u16),
    /// An address in the file, to be relocated to where the file is loaded.
    Address(Address),
    /// Offset in the per-CPU area: add the CPU's base.
    PerCpu(Address),
    /// A value that is not known after all, which turns out at run time: an error.
    Unknown,
    /// Offset in thread-local storage of a user program.
    ThreadLocal(Box<LocationExpr>),
    /// Zero-extended `size` bytes (1, 2, 4, 8) at an address. May fault.
    Dereference {
        /// Bytes to read.
        size: u8,
        /// Where.
        address: Box<LocationExpr>,
    },
    /// The return address kept at this place of the stack, even while a return probe has put
    /// another in its place. May fault.
    ReturnAddress(Box<LocationExpr>),
    /// One operand.
    Unary(UnaryOperator, Box<LocationExpr>),
    /// Two operands.
    Binary(BinaryOperator, Box<LocationExpr>, Box<LocationExpr>),
    /// `condition ? then : otherwise`, from `DW_OP_bra`.
    Select {
        /// Tested against zero.
        condition: Box<LocationExpr>,
        /// If not zero.
        then: Box<LocationExpr>,
        /// If zero.
        otherwise: Box<LocationExpr>,
    },
    /// Low bits of a value, extended: from typed operations and conversions.
    Extend {
        /// Bytes that count (1, 2, 4).
        size: u8,
        /// Sign-extend, else zero-extend.
        signed: bool,
        /// The value.
        value: Box<LocationExpr>,
    },
}

/// Where a variable is at one address of the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In memory, at this address. Readable and writable.
    Memory(LocationExpr),
    /// In a register, by DWARF number. Readable and writable.
    Register(u16),
    /// Nowhere, but its value can be computed. Not writable.
    Value(LocationExpr),
    /// Nowhere, but its bytes are known. Not writable.
    Bytes(Vec<u8>),
    /// In several places, first bits first.
    Pieces(Vec<Piece>),
    /// A pointer without a value whose target is another variable
    /// (`DW_OP_implicit_pointer`): `*p` can be read, `p` cannot.
    ImplicitPointer {
        /// Where the target is.
        target: Box<Location>,
        /// Bytes added to it.
        offset: i64,
    },
    /// Passed by the calling convention as this integer argument (from 0);
    /// the debug information gives no location, or there is only BTF. True
    /// at the function's entry only.
    Argument(u32),
    /// Not to be had, and why.
    Unavailable(String),
}

impl Location {
    /// Whether there is a value at all.
    pub fn is_available(&self) -> bool {
        match self {
            Location::Unavailable(_) => false,
            Location::Pieces(pieces) => pieces.iter().any(|piece| piece.location.is_available()),
            _ => true,
        }
    }
}

/// Part of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where this part is.
    pub location: Location,
    /// Its width in bits.
    pub bit_size: u64,
    /// Bits to skip at the location.
    pub bit_offset: u64,
}

/// A C label in a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub declaration: Option<SourcePosition>,
    /// Its address.
    pub address: Address,
}

/// A call made by a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSite {
    /// The function called, if the call is direct.
    pub callee: Option<String>,
    /// Address after the call instruction (`DW_AT_call_return_pc`).
    pub return_address: Address,
    /// A jump in place of a call and return.
    pub tail_call: bool,
    /// That jump, where it is one that is always taken.
    pub jump: Option<Jump>,
}

/// A jump to a fixed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Where the instruction is.
    pub from: Address,
    /// Where it goes.
    pub to: Address,
}

/// What a function's own code calls, without what code inlined into it calls.
#[derive(Debug, Clone, PartialEq)]
pub enum Callee {
    /// A copy inlined into the function.
    Inlined(Function),
    /// A call.
    Called(CallSite),
}

/// One row of the line table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineAddress {
    /// File and line.
    pub position: SourcePosition,
    /// First address of the row.
    pub address: Address,
    /// Recommended breakpoint.
    pub is_statement: bool,
    /// Where the function's prologue ends, if the compiler says so.
    pub prologue_end: bool,
}

/// A tracepoint of the kernel or of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracepoint {
    /// `sched` in `sched:sched_switch`; empty if it cannot be found out.
    pub system: String,
    /// `sched_switch`
    pub name: String,
    /// Arguments of the probe function, without the leading `void *__data`.
    /// `None` when only the name is known.
    pub arguments: Option<Vec<Parameter>>,
    /// Kernel or module that has it.
    pub module: ModuleId,
    /// DWARF, BTF or symbols.
    pub source: Source,
}

/// What kind of symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Data.
    Object,
    /// Data in the per-CPU area; the address is an offset.
    PerCpu,
    /// Anything else with a name and an address.
    Other,
}

/// A name with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The name.
    pub name: String,
    /// Its address in the file.
    pub address: Address,
    /// Bytes; 0 when unknown.
    pub size: u64,
    /// Kind.
    pub kind: SymbolKind,
    /// Visible outside its object file.
    pub global: bool,
}

/// Whether and how a function can be probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probeable {
    /// The function starts with an ftrace call site at this address (the
    /// entry, or after `endbr64`).
    Ftrace(Address),
    /// No ftrace site; a kprobe is possible.
    Kprobe,
    /// The kernel refuses, for this reason.
    Refused(String),
}

/// Place of a bit field that starts `from_start` bits into its structure: in
/// the smallest aligned storage unit that holds all of it, so that reading and
/// writing it touches nothing else. A packed field that straddles 8 bytes is
/// read unaligned.
pub(crate) fn bit_field(from_start: u64, bit_size: u64) -> (u64, Option<BitField>) {
    let width = u8::try_from(bit_size).unwrap_or(64).clamp(0, 64);
    let end = from_start.saturating_add(bit_size);
    for storage in [1_u8, 2, 4, 8] {
        let unit = u64::from(storage) * 8;
        let start = from_start / unit * unit;
        if end <= start.saturating_add(unit) {
            let bit_offset = u8::try_from(from_start - start).unwrap_or(0);
            let place = BitField {
                bit_offset,
                bit_size: width,
                storage_size: storage,
            };
            return (start / 8, Some(place));
        }
    }
    let bit_offset = u8::try_from(from_start % 8).unwrap_or(0);
    (
        from_start / 8,
        Some(BitField {
            bit_offset,
            bit_size: width,
            storage_size: 8,
        }),
    )
}
