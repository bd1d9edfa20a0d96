// SPDX-License-Identifier: GPL-2.0-or-later
//! The typed intermediate representation between `semantic` and `codegen`.
//!
//! Everything that needed a name looked up, a type inferred, or a debug file
//! read has been decided: a field access is a [`ExprKind::Read`] of an address,
//! a tapset alias is gone, a wildcard is as many [`Probe`]s as it matched. What
//! is left is a small structured language over 64-bit integers, strings and
//! statistics that codegen turns into C without asking anybody.
//!
//! **Invariants**, checked by [`verify`]: every id is in range; every
//! expression has the type its place wants; `break` and `continue` stand in a
//! loop; a handler that reads registers belongs to probes that have them.

pub mod arena;
pub mod cost;
pub mod print;
mod probe;
pub mod verify;
pub mod visit;
pub mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use arena::{IndexVec, entity_id};
pub use probe::{CodePlace, Probe, ProbeKind, TracepointArgument};
pub use rstap_debuginfo::FrameRule;

entity_id! {
    /// A global variable of the script or of a tapset file.
    GlobalId, "g"
}
entity_id! {
    /// A function.
    FunctionId, "f"
}
entity_id! {
    /// A probe body. Probes with the same body share one.
    HandlerId, "h"
}
entity_id! {
    /// A local variable or parameter of one function or handler.
    LocalId, "l"
}
entity_id! {
    /// A position in a script, as run-time errors name it.
    LocationId, "at"
}

/// The type of a value. `Void` is what a function without a value gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    Long,
    String,
    Stat,
    Void,
}

/// A whole script, ready for code generation.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// File name of the script, for messages.
    pub name: String,
    pub globals: IndexVec<GlobalId, Global>,
    pub functions: IndexVec<FunctionId, Function>,
    pub handlers: IndexVec<HandlerId, Handler>,
    /// In registration order.
    pub probes: Vec<Probe>,
    /// `%{ ... %}` at top level, in order.
    pub embedded: Vec<EmbeddedCode>,
    /// Run-time error positions: `operator '/' at FILE:LINE:COLUMN`.
    pub locations: IndexVec<LocationId, String>,
    pub limits: Limits,
    /// `-D NAME[=VALUE]`, in order; all are also `#define`d for embedded C.
    pub macros: Vec<(String, Option<String>)>,
    /// `-g`.
    pub is_guru: bool,
    pub suppress_handler_errors: bool,
    /// `-t`.
    pub has_timing: bool,
    /// Release of the kernel that it is for, e.g. `6.1.0-56-cloud-amd64`.
    pub kernel_release: String,
    /// Build-id of that kernel in hexadecimal, if known.
    pub kernel_build_id: Option<String>,
    /// Modules of the kernel that addresses were read from, and their build-ids, where known.
    pub module_build_ids: Vec<(String, String)>,
    /// For the sections of kernel modules that [`visit::kernel_sections`] names.
    pub anchors: Vec<Anchor>,
    /// Programs and libraries whose addresses the script names.
    pub user_files: Vec<UserFile>,
    /// Source lines of the kernel, if the script asks for some: offset from `_stext`, file, line;
    /// sorted. A row without file ends what is known.
    pub kernel_lines: Vec<(u32, Arc<str>, u32)>,
}

/// A symbol of a kernel module by which one of its sections is found when the module is loaded
/// while the script runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub module: String,
    pub section: String,
    pub symbol: String,
    /// Of the symbol from the section's start.
    pub offset: u64,
}

/// What is carried along of a program or library. All tables are sorted by their first
/// number, the offset in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFile {
    pub path: String,
    /// Offset, size, name.
    pub symbols: Vec<(u32, u32, String)>,
    pub frames: Vec<(u32, FrameRule)>,
    /// Offset, source file, line.
    pub lines: Vec<(u32, Arc<str>, u32)>,
}

/// Run-time limits; `-D` overrides them (`reference`: SystemTap's table of limits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// MAXSTRINGLEN: bytes of a string including its NUL.
    pub string_size: u32,
    /// MAXMAPENTRIES: entries of an array that states no size.
    pub map_entries: u32,
    /// MAXACTION: statements of one handler run; 0: no limit.
    pub actions: u64,
    /// MAXNESTING, if set; else codegen takes call depth + 1 (+ 10 if recursive).
    pub nesting: Option<u32>,
    /// MAXERRORS.
    pub errors: u32,
    /// MAXSKIPPED.
    pub skipped: u32,
    /// MINSTACKSPACE in bytes.
    pub stack: u32,
    /// MAXBACKTRACE: frames.
    pub backtrace: u32,
    /// STP_OVERLOAD_INTERVAL and _THRESHOLD in cycles; interval 0: unchecked.
    pub overload_interval: u64,
    pub overload_threshold: u64,
    /// STP_MAXMEMORY in bytes; 0: no limit.
    pub memory: u64,
    /// KRETACTIVE: simultaneous calls of a return probe; 0: default of the runtime.
    pub return_active: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            string_size: 512,
            map_entries: 2048,
            actions: 10000,
            nesting: None,
            errors: 0,
            skipped: 100,
            stack: 1024,
            backtrace: 20,
            overload_interval: 1_000_000_000,
            overload_threshold: 500_000_000,
            memory: 0,
            return_active: 0,
        }
    }
}

/// What a statistic must be able to answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatSpec {
    pub histogram: Histogram,
    /// `@variance` is used.
    pub needs_variance: bool,
    /// Bit shift of `@variance(x, shift)`.
    pub variance_shift: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Histogram {
    #[default]
    None,
    Log,
    Linear {
        low: i64,
        high: i64,
        step: i64,
    },
}

#[derive(Debug, Clone)]
pub struct Global {
    /// As the script spells it.
    pub name: String,
    /// Unique C identifier without prefix, e.g. `global_count`.
    pub c_name: String,
    pub kind: GlobalKind,
    /// Used when the value (or an element) is a statistic.
    pub stat: StatSpec,
    /// May be set by `-G` and by staprun's `NAME=VALUE` (scalars of user scripts).
    pub is_parameter: bool,
}

#[derive(Debug, Clone)]
pub enum GlobalKind {
    Scalar {
        ty: Type,
        initial: Option<Constant>,
    },
    Array {
        /// `Long` or `String` each; 1 to 9 of them.
        keys: Vec<Type>,
        value: Type,
        /// Declared size; `None`: MAXMAPENTRIES.
        size: Option<u64>,
        /// `%`: replace the oldest entry when full.
        wrap: bool,
    },
}

impl Global {
    /// Type of the scalar or of an element.
    pub fn value_type(&self) -> Type {
        match &self.kind {
            GlobalKind::Scalar { ty, .. } => *ty,
            GlobalKind::Array { value, .. } => *value,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constant {
    Long(i64),
    String(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    pub name: String,
    /// `Long` or `String`.
    pub ty: Type,
}

#[derive(Debug, Clone)]
pub struct Function {
    pub name: String,
    /// Unique C identifier without prefix.
    pub c_name: String,
    /// The first `parameters` locals are the parameters, in order.
    pub locals: IndexVec<LocalId, Local>,
    pub parameters: usize,
    /// `Long`, `String` or `Void`.
    pub returns: Type,
    pub body: FunctionBody,
    /// Where it was declared, for the call chain of errors.
    pub location: LocationId,
}

#[derive(Debug, Clone)]
pub enum FunctionBody {
    Script(Block),
    C(EmbeddedCode),
}

/// C text from a script or tapset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedCode {
    /// Between `%{` and `%}`.
    pub text: String,
    /// For `#line`: file and line of the text's first character.
    pub file: String,
    pub line: u32,
    /// Globals named by `/* pragma:read:v */` and `pragma:write:v`: name as in the C text, id, writes.
    pub globals: Vec<(String, GlobalId, bool)>,
    /// `/* unmangled */`: parameters are reached through `THIS->x`.
    pub is_unmangled: bool,
    /// `/* pure */`.
    pub is_pure: bool,
}

/// A probe body.
#[derive(Debug, Clone)]
pub struct Handler {
    pub locals: IndexVec<LocalId, Local>,
    pub body: Block,
}

pub type Block = Vec<Stmt>;

#[derive(Debug, Clone)]
pub struct Stmt {
    pub kind: StmtKind,
    pub at: LocationId,
}

#[derive(Debug, Clone)]
pub enum StmtKind {
    Expr(Expr),
    If {
        condition: Expr,
        then: Block,
        otherwise: Block,
    },
    /// `while` and `for`; `continue` runs `step`.
    Loop {
        condition: Option<Expr>,
        step: Option<Expr>,
        body: Block,
    },
    Foreach(Box<Foreach>),
    /// Over the buckets of a histogram.
    ForeachHistogram {
        stat: StatPlace,
        histogram: Histogram,
        bucket: LocalId,
        value: Option<LocalId>,
        /// Ascending or descending by bucket (false) or by count (true).
        sort: Option<(bool, Direction)>,
        limit: Option<Expr>,
        body: Block,
    },
    Break,
    Continue,
    /// In a function only. `None` in a function with a value gives 0 or "".
    Return(Option<Expr>),
    /// In a handler: ends it. In a function: tries the next overload.
    Next,
    /// Whole variable: array cleared, scalar 0, "" or empty.
    DeleteGlobal(GlobalId),
    DeleteLocal(LocalId),
    /// `None` is `*`.
    DeleteElement {
        array: GlobalId,
        keys: Vec<Option<Expr>>,
    },
    Try {
        body: Block,
        /// Gets the error's text.
        error: Option<LocalId>,
        catch: Block,
    },
}

#[derive(Debug, Clone)]
pub struct Foreach {
    pub array: GlobalId,
    /// One per key; `None` if the script gives it no name that is used.
    pub keys: Vec<Option<LocalId>>,
    /// Long or string element; for statistics use [`StatPlace::Iterated`].
    pub value: Option<LocalId>,
    pub sort: Option<Sort>,
    pub limit: Option<Expr>,
    /// `None` where a slice has `*`; empty: no slice.
    pub slice: Vec<Option<Expr>>,
    pub body: Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub by: SortBy,
    pub direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    Key(usize),
    /// The operation is used for statistics only.
    Value(StatOperation),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatOperation {
    Count,
    Sum,
    Minimum,
    Maximum,
    Average,
    Variance,
}

/// A statistic to read or add to.
#[derive(Debug, Clone)]
pub enum StatPlace {
    Scalar(GlobalId),
    Element(GlobalId, Vec<Expr>),
    /// The element that the innermost enclosing `foreach` over this array is at.
    Iterated(GlobalId),
}

#[derive(Debug, Clone)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Type,
    /// What a run-time error in it names.
    pub at: LocationId,
}

impl Expr {
    /// An expression of a type.
    pub fn new(kind: ExprKind, ty: Type, at: LocationId) -> Self {
        Expr { kind, ty, at }
    }

    /// A number.
    pub fn long(kind: ExprKind, at: LocationId) -> Self {
        Expr::new(kind, Type::Long, at)
    }

    /// A string.
    pub fn string(kind: ExprKind, at: LocationId) -> Self {
        Expr::new(kind, Type::String, at)
    }

    /// The same with a type that has been learnt since.
    pub fn of_type(mut self, ty: Type) -> Self {
        self.ty = ty;
        self
    }
}

/// Kernel or user memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    Kernel,
    User,
}

#[derive(Debug, Clone)]
pub enum ExprKind {
    Number(i64),
    /// Bytes without NUL.
    String(Vec<u8>),
    Local(LocalId),
    /// A scalar.
    Global(GlobalId),
    /// `a[k...]`; missing elements read as 0 or "".
    Element(GlobalId, Vec<Expr>),
    /// Gives the value assigned. With an operator: read, combine, write.
    Assign {
        place: Place,
        operator: Option<BinaryOperator>,
        value: Box<Expr>,
    },
    /// `++x` (`is_prefix`), `x++`, `--x`, `x--`.
    Step {
        place: Place,
        is_prefix: bool,
        /// 1 or -1.
        by: i64,
    },
    /// `stat <<< value`; gives the value.
    Accumulate {
        stat: StatPlace,
        value: Box<Expr>,
    },
    Unary(UnaryOperator, Box<Expr>),
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    /// Both sides are long, or both are strings (as `strcmp`).
    Compare(CompareOperator, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Evaluates the first for its effects, gives the second.
    Sequence(Box<Expr>, Box<Expr>),
    Concat(Box<Expr>, Box<Expr>),
    /// `string =~ "pattern"`, POSIX extended expression.
    Match {
        string: Box<Expr>,
        pattern: String,
        /// `!~`
        negated: bool,
        /// matched() or ngroups() is used in this script, so keep sub-matches.
        captures: bool,
    },
    /// `[k...] in a`; `None` is `*`.
    In(GlobalId, Vec<Option<Expr>>),
    /// The first candidate that does not say `next` wins (overloads by priority).
    Call {
        candidates: Vec<FunctionId>,
        arguments: Vec<Expr>,
    },
    Stat(StatOperation, StatPlace),
    /// `@hist_log(x)[n]`
    HistogramBucket {
        stat: StatPlace,
        histogram: Histogram,
        index: Box<Expr>,
    },
    Print(Box<Print>),
    /// Memory of `size` 1, 2, 4 or 8 bytes, sign- or zero-extended.
    Read {
        space: Space,
        address: Box<Expr>,
        size: u8,
        is_signed: bool,
    },
    /// Low `size` bytes of a value, sign- or zero-extended.
    Extend {
        value: Box<Expr>,
        size: u8,
        is_signed: bool,
    },
    /// DWARF register number at the probe point.
    Register(u16),
    /// Return value register of a return probe.
    ReturnValue,
    /// `c->arguments[n]`: tracepoint and marker arguments.
    Argument(usize),
    /// Word `n` of what the entry handler saved for this return probe.
    Saved(usize),
    /// String that the entry handler saved at word `n` (string_size bytes).
    SavedString(usize),
    /// Address of a kernel or module object known by its link-time address.
    Relocated {
        module: Option<String>,
        section: Option<String>,
        offset: u64,
    },
    /// Address of a per-CPU variable's copy on this CPU.
    PerCpu(Box<Expr>),
    /// NUL-terminated string at an address, for pretty printing of char arrays and pointers.
    MemoryString {
        space: Space,
        address: Box<Expr>,
        /// Bytes at most; 0: MAXSTRINGLEN.
        limit: u32,
    },
    /// `$value` of procfs probes.
    ProcfsValue,
    /// `%{ ... %}` as an expression.
    EmbeddedC(EmbeddedCode),
    /// `@const("C text")`.
    CConstant(String),
}

/// What an assignment may change.
#[derive(Debug, Clone)]
pub enum Place {
    Local(LocalId),
    Global(GlobalId),
    Element(GlobalId, Vec<Expr>),
    /// Guru mode.
    Memory {
        space: Space,
        address: Box<Expr>,
        size: u8,
        is_signed: bool,
        /// Bit field inside the `size` bytes: lowest bit and width.
        bits: Option<(u8, u8)>,
    },
    /// Guru mode. Low `size` bytes of a DWARF register.
    Register {
        number: u16,
        size: u8,
        is_signed: bool,
    },
    /// Guru mode.
    ReturnValue {
        size: u8,
        is_signed: bool,
    },
    /// Guru mode: what the runtime takes from a packet hook when its handler is done.
    Argument(usize),
    /// Entry handlers only.
    Saved(usize),
    SavedString(usize),
    ProcfsValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOperator {
    Negate,
    /// `!`
    Not,
    /// `~`
    Complement,
    /// The bits of a `float`, as those of the same `double`.
    FloatToDouble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    /// Error `division by 0`.
    Divide,
    Modulo,
    /// Counts are taken `& 63`.
    ShiftLeft,
    ShiftRight,
    ShiftRightLogical,
    And,
    Or,
    Xor,
    /// `.=` only; on its own it is [`ExprKind::Concat`].
    Concat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOperator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
pub struct Print {
    /// `sprint...` gives a string; else it writes output and has type `Void`.
    pub is_string: bool,
    pub pieces: Vec<PrintPiece>,
}

#[derive(Debug, Clone)]
pub enum PrintPiece {
    Literal(Vec<u8>),
    Value {
        conversion: Conversion,
        flags: PrintFlags,
        width: Option<Expr>,
        precision: Option<Expr>,
        value: Expr,
    },
    Histogram {
        stat: StatPlace,
        histogram: Histogram,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrintFlags {
    pub left: bool,
    pub plus: bool,
    pub space: bool,
    pub zero: bool,
    pub alternate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// `%d` and `%i`
    Decimal,
    Unsigned,
    Octal,
    HexLower,
    HexUpper,
    /// `%p`: as `%#x`
    Pointer,
    String,
    Character,
    /// `%b`: width is the number of bytes
    Binary,
    /// `%m`: value is the address, precision the number of bytes
    Memory,
    /// `%M`
    MemoryHex,
}
