// SPDX-License-Identifier: GPL-2.0-or-later
//! The tree of a script: what the parser gives and the rest of the compiler reads.
//!
//! Every node has a [`Span`]. Operators' precedence is gone: the tree's shape says it.
//! Strings are decoded: `"a\n"` is two bytes.

mod print;

use crate::span::{FileId, Span};
pub use print::{
    Conversion, Directive, FormatFlag, FormatPiece, FormatSize, Print, PrintFunction, PrintStyle,
};

/// A parsed file.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct File {
    /// Its id in the source map.
    pub id: FileId,
    /// Items in the order of the text; those with errors are left out.
    pub items: Vec<Item>,
    /// Command line arguments that the file uses, counted from 1, in order.
    pub used_args: Vec<usize>,
}

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// The place.
    pub span: Span,
}

/// Anything at the top level of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `probe POINTS { }`
    Probe(Probe),
    /// `probe NAME = POINTS { }`
    Alias(Box<Alias>),
    /// One variable of a `global` declaration.
    Global(Global),
    /// `function NAME(...) { }`
    Function(Function),
    /// `%{ C %}`
    EmbeddedC(EmbeddedC),
}

/// `probe a, b { }`
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The word `probe`.
    pub keyword: Span,
    /// At least one point, in the order of the text, `{a,b}` groups multiplied out.
    pub points: Vec<ProbePoint>,
    /// Always a [`StmtKind::Block`].
    pub body: Stmt,
    /// The whole item.
    pub span: Span,
}

/// `probe name = a, b { }`
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// The word `probe`.
    pub keyword: Span,
    /// The names being defined: one, or several for `probe a = b = point { }`.
    pub names: Vec<ProbePoint>,
    /// Points that the names stand for.
    pub points: Vec<ProbePoint>,
    /// Which operator defined it. For `Epilogue` the body runs after the user's handler.
    pub kind: AliasKind,
    /// A block.
    pub body: Stmt,
    /// The second block of `probe a = b { }, { }`: it runs after the user's handler.
    pub epilogue: Option<Stmt>,
    /// The whole item.
    pub span: Span,
}

/// Operator of an alias definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasKind {
    /// `=`: the body goes before the user's handler.
    Prologue,
    /// `+=`: the body goes after the user's handler.
    Epilogue,
}

/// A dotted probe point with its suffixes.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbePoint {
    /// At least one.
    pub components: Vec<Component>,
    /// `?` or `!`: no match is not an error.
    pub optional: bool,
    /// `!`: if this resolves, later points of the list are left out.
    pub sufficient: bool,
    /// `if (expr)`.
    pub condition: Option<Expr>,
    /// The whole point.
    pub span: Span,
}

/// `name` or `name(literal)` in a probe point.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// May hold `*`.
    pub name: String,
    /// The literal in parentheses.
    pub arg: Option<Literal>,
    /// The component with its argument.
    pub span: Span,
}

/// A literal and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The value.
    pub value: LiteralValue,
    /// The place, with the sign of a negative number.
    pub span: Span,
}

/// A string or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiteralValue {
    /// Two's complement: `18446744073709551615` is -1.
    Number(i64),
    /// Decoded bytes; scripts may hold any byte through `\xff`.
    String(Vec<u8>),
}

impl Literal {
    /// The number, if it is one.
    pub fn as_number(&self) -> Option<i64> {
        match self.value {
            LiteralValue::Number(number) => Some(number),
            LiteralValue::String(_) => None,
        }
    }

    /// The string, if it is one; bytes that are not UTF-8 are replaced.
    pub fn as_str(&self) -> Option<std::borrow::Cow<'_, str>> {
        match &self.value {
            LiteralValue::Number(_) => None,
            LiteralValue::String(bytes) => Some(String::from_utf8_lossy(bytes)),
        }
    }
}

/// One variable of `global a, b% [10] = 3`.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// The name.
    pub name: Ident,
    /// `private`: visible in its file only.
    pub private: bool,
    /// `%`: a full array drops its oldest element.
    pub wrap: bool,
    /// `[size]`: the array's capacity.
    pub size: Option<i64>,
    /// `= literal`.
    pub init: Option<Literal>,
    /// The declaration of this one variable.
    pub span: Span,
}

/// A declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// 64-bit signed integer.
    Long,
    /// String.
    String,
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// The name.
    pub name: Ident,
    /// Parameters by position.
    pub params: Vec<Param>,
    /// `: type` behind the name.
    pub return_type: Option<Type>,
    /// `: N` behind the parameters, at least 1. `None`: 0 in user scripts, 1 in the tapset.
    pub priority: Option<i64>,
    /// `private`: visible in its file only.
    pub private: bool,
    /// Statements or C.
    pub body: FunctionBody,
    /// The whole item.
    pub span: Span,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The name.
    pub name: Ident,
    /// `: type`.
    pub ty: Option<Type>,
}

/// Body of a function.
#[expect(
    clippy::large_enum_variant,
    reason = "one per function, and most are the large one"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionBody {
    /// Always a [`StmtKind::Block`].
    Block(Stmt),
    /// `%{ C %}`
    EmbeddedC(EmbeddedC),
}

/// `%{ C %}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedC {
    /// The text between `%{` and `%}`.
    pub code: String,
    /// The block with its marks.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: Span,
}

/// Kinds of statements.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `;`
    Empty,
    /// `{ ... }`
    Block(Vec<Stmt>),
    /// An expression for its effect.
    Expr(Expr),
    /// `if (condition) then [else otherwise]`
    If {
        condition: Expr,
        then: Box<Stmt>,
        otherwise: Option<Box<Stmt>>,
    },
    /// `while (condition) body`
    While { condition: Expr, body: Box<Stmt> },
    /// `for (init; condition; step) body`; a missing condition is true.
    For {
        init: Option<Expr>,
        condition: Option<Expr>,
        step: Option<Expr>,
        body: Box<Stmt>,
    },
    /// `foreach (...) body`
    Foreach(Box<Foreach>),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `return [value]`
    Return(Option<Expr>),
    /// `next`
    Next,
    /// `delete lvalue`: an identifier, an array element (possibly with wildcards) or a target.
    Delete(Expr),
    /// `try body catch [(variable)] handler`
    Try {
        body: Box<Stmt>,
        variable: Option<Ident>,
        handler: Box<Stmt>,
    },
}

/// `foreach (value = [indexes] in array[slice] sort limit n) body`
#[derive(Clone, Debug, PartialEq)]
pub struct Foreach {
    /// `value =`
    pub value: Option<Ident>,
    /// Variables for the keys, at least one.
    pub indexes: Vec<Ident>,
    /// What is walked.
    pub base: Indexable,
    /// `array[*, x]`: only elements whose keys match; `None` inside is `*`.
    pub slice: Option<Vec<Option<Expr>>>,
    /// At most one sort order.
    pub sort: Option<Sort>,
    /// `limit expr`
    pub limit: Option<Expr>,
    /// The loop's body.
    pub body: Stmt,
}

/// Sort order of a `foreach`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// What to compare.
    pub key: SortKey,
    /// `+` or `-`.
    pub direction: SortDirection,
    /// The mark's place.
    pub span: Span,
}

/// What a `foreach` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The key at this position, counted from 0.
    Index(usize),
    /// The value. For statistics, the result of the operator (`None` written: `@count`).
    Value(Option<StatOp>),
}

/// Direction of a sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortDirection {
    /// `+`
    Ascending,
    /// `-`
    Descending,
}

/// Something that takes `[index]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Indexable {
    /// An array by name.
    Array(Ident),
    /// `@hist_log(s)` or `@hist_linear(s, ...)`: its buckets.
    Hist(Box<Hist>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// The whole expression.
    pub span: Span,
    /// The place that messages point at: the operator of a binary expression, the name of a
    /// call, otherwise the first token.
    pub token: Span,
}

/// Kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A number, two's complement.
    Number(i64),
    /// A string, decoded; adjacent literals are glued.
    String(Vec<u8>),
    /// A variable: local, parameter or global.
    Ident(String),
    /// `$name->member[index]$`
    Target(Target),
    /// `@cast(operand, "type", "module")->member`
    Cast(Box<Cast>),
    /// `@var("name@unit", "module")->member`
    Var {
        name: String,
        module: Option<String>,
        suffixes: Vec<TargetSuffix>,
    },
    /// Member access on an expression that is not a target: `pointer->member`.
    Autocast {
        operand: Box<Expr>,
        suffixes: Vec<TargetSuffix>,
    },
    /// `&$target`, `&@cast(...)->member`, `&@var(...)`, `&pointer->member`
    AddressOf(Box<Expr>),
    /// `@entry(expr)`: the value at function entry.
    Entry(Box<Expr>),
    /// `@defined(target)`
    Defined(Box<Expr>),
    /// `@probewrite(variable)`
    Probewrite(Box<Expr>),
    /// `@perf("counter")`
    Perf(String),
    /// `@const("C expression")`
    Const(String),
    /// `@enum("NAME")`
    Enum(String),
    /// `@enumname(value, "enum type", "module")`
    EnumName {
        value: Box<Expr>,
        type_name: Option<String>,
        module: Option<String>,
    },
    /// `@kderef(size, address)` or `@uderef(size, address)`
    Deref {
        user: bool,
        size: Box<Expr>,
        address: Box<Expr>,
    },
    /// `@kregister(number)` or `@uregister(number)`: a DWARF register number.
    Register { user: bool, number: Box<Expr> },
    /// `-x`, `!x`, `~x`, `+x`
    Unary { op: UnaryOp, operand: Box<Expr> },
    /// `a + b`, also comparisons, `.`, `&&` and `||`.
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `left =~ "pattern"`; `negated` for `!~`.
    Regex {
        negated: bool,
        left: Box<Expr>,
        pattern: Vec<u8>,
        pattern_span: Span,
    },
    /// `target = value` and `target op= value`.
    Assign {
        op: AssignOp,
        target: Box<Expr>,
        value: Box<Expr>,
    },
    /// `++x`, `x--`
    IncDec {
        increment: bool,
        prefix: bool,
        operand: Box<Expr>,
    },
    /// `c ? a : b`
    Ternary {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// `x in a`, `[x, *] in a`; `None` inside is `*`.
    In {
        indexes: Vec<Option<Expr>>,
        base: Indexable,
    },
    /// `a[x, y]`, `@hist_log(s)[n]`; `None` inside is `*` and only stands below `delete`.
    Index {
        base: Indexable,
        indexes: Vec<Option<Expr>>,
    },
    /// `name(args)`
    Call { name: Ident, args: Vec<Expr> },
    /// `@count(s)` ...; `shift` only for `@variance(s, shift)`.
    Stat {
        op: StatOp,
        operand: Box<Expr>,
        shift: Option<i64>,
    },
    /// A histogram as an argument of `print`.
    Hist(Box<Hist>),
    /// `print(...)` and its family.
    Print(Box<Print>),
    /// `%{ C expression %}`
    EmbeddedC(String),
}

/// `$name` with its suffixes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// With its `$`: `$file`, `$$vars`, `$$return`.
    pub name: String,
    /// Member accesses in the order of the text.
    pub suffixes: Vec<TargetSuffix>,
}

/// One suffix of a target.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetSuffix {
    /// `->name`; stands for C's `->` and `.` alike.
    Member(Ident),
    /// `[expr]`
    Index(Expr),
    /// `$`: print one level. Only as the last suffix.
    Pretty(Span),
    /// `$$`: print all levels. Only as the last suffix.
    PrettyDeep(Span),
}

/// `@cast(operand, "type", "module")`
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    /// The address.
    pub operand: Expr,
    /// C type name.
    pub type_name: String,
    /// Modules or headers, separated by `:`.
    pub module: Option<String>,
    /// Member accesses.
    pub suffixes: Vec<TargetSuffix>,
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Negate,
    /// `!`
    Not,
    /// `~`
    Complement,
}

/// Binary operators that neither assign nor match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `||`
    LogicalOr,
    /// `&&`
    LogicalAnd,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `&`
    And,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<<`
    ShiftLeft,
    /// `>>`, keeps the sign.
    ShiftRight,
    /// `>>>`, fills with zeros.
    ShiftRightLogical,
    /// `.`
    Concat,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

/// Assignment operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssignOp {
    /// `=`
    Set,
    /// `<<<`: add a sample to a statistic.
    Aggregate,
    /// `op=` for one of `+ - * / % << >> & ^ | .`
    Compound(BinaryOp),
}

/// Operators on statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatOp {
    /// `@count`
    Count,
    /// `@sum`
    Sum,
    /// `@min`
    Min,
    /// `@max`
    Max,
    /// `@avg`
    Avg,
    /// `@variance`
    Variance,
}

/// A histogram of a statistic.
#[derive(Clone, Debug, PartialEq)]
pub struct Hist {
    /// The statistic: a global or an array element.
    pub operand: Expr,
    /// Which buckets.
    pub kind: HistKind,
    /// The whole expression.
    pub span: Span,
}

/// Buckets of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HistKind {
    /// `@hist_log`: powers of two.
    Log,
    /// `@hist_linear(s, low, high, step)`
    Linear { low: i64, high: i64, step: i64 },
}

impl Expr {
    /// A node whose messages point at its first token.
    pub fn new(kind: ExprKind, span: Span, token: Span) -> Self {
        Expr { kind, span, token }
    }
}

impl UnaryOp {
    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            UnaryOp::Plus => "+",
            UnaryOp::Negate => "-",
            UnaryOp::Not => "!",
            UnaryOp::Complement => "~",
        }
    }
}

impl BinaryOp {
    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::LogicalOr => "||",
            BinaryOp::LogicalAnd => "&&",
            BinaryOp::Or => "|",
            BinaryOp::Xor => "^",
            BinaryOp::And => "&",
            BinaryOp::Less => "<",
            BinaryOp::Greater => ">",
            BinaryOp::LessEqual => "<=",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::ShiftLeft => "<<",
            BinaryOp::ShiftRight => ">>",
            BinaryOp::ShiftRightLogical => ">>>",
            BinaryOp::Concat => ".",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
        }
    }

    /// Whether the result is 0 or 1 by comparing.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(
            self,
            Less | Greater | LessEqual | GreaterEqual | Equal | NotEqual
        )
    }
}

impl AssignOp {
    /// The operator as written.
    pub fn symbol(self) -> String {
        match self {
            AssignOp::Set => "=".to_owned(),
            AssignOp::Aggregate => "<<<".to_owned(),
            AssignOp::Compound(op) => format!("{}=", op.symbol()),
        }
    }
}

impl StatOp {
    /// The operator as written, `@count`.
    pub fn symbol(self) -> &'static str {
        match self {
            StatOp::Count => "@count",
            StatOp::Sum => "@sum",
            StatOp::Min => "@min",
            StatOp::Max => "@max",
            StatOp::Avg => "@avg",
            StatOp::Variance => "@variance",
        }
    }
}
