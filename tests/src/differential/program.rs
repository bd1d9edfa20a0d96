// SPDX-License-Identifier: GPL-2.0-or-later
//! The programs that are compared, as trees. Every expression knows its type from its shape, so that
//! neither the printer nor the interpreter has to find types out.

/// What a variable or expression holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Long,
    Text,
}

/// What a global holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Value(Type),
    Statistic,
}

/// A global variable; without keys it is a scalar.
#[derive(Debug, Clone)]
pub struct Global {
    pub keys: Vec<Type>,
    pub holds: Holds,
    /// How a scalar begins; an array is empty.
    pub initial: Option<Expression>,
    /// An array's greatest number of elements.
    pub size: Option<usize>,
    /// A full array drops its oldest element.
    pub wraps: bool,
}

/// Operators on two numbers that have the same precedence in `op=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    Left,
    Right,
    /// `>>>`, which has no assignment.
    RightLogical,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Minus,
    Plus,
    Not,
    Complement,
}

/// How an assignment changes what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Set,
    Calculate(Arithmetic),
    Append,
}

/// What `@count` and its like extract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extract {
    Count,
    Sum,
    Min,
    Max,
    Average,
}

/// Functions of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    Strlen,
    Substr,
    Stringat,
    Isinstr,
    Strpos,
    StrReplace,
    Strtol,
    Tokenize,
    TokenizeNext,
}

/// Something that can be assigned to.
#[derive(Debug, Clone)]
pub enum Place {
    Local(Type, usize),
    /// A global and its keys, if it is an array.
    Global(usize, Vec<Expression>),
}

/// A directive of a format.
#[derive(Debug, Clone)]
pub struct Directive {
    /// One of `-0+ #`, or nothing.
    pub flag: Option<u8>,
    pub width: Option<usize>,
    /// The width is `*`: an argument before the value.
    pub takes_width: bool,
    pub precision: Option<usize>,
    /// One of `diuoxXpcs`.
    pub conversion: u8,
}

#[derive(Debug, Clone)]
pub enum Piece {
    Literal(Vec<u8>),
    Directive(Directive),
}

/// How values are printed: those of the `print` family, or their `sprint` twins.
#[derive(Debug, Clone)]
pub enum Style {
    /// `printf`.
    Format(Vec<Piece>),
    /// `print`, or with a line's end `println`.
    Joined { is_line: bool },
    /// `printd`, or with a line's end `printdln`.
    Separated { by: Vec<u8>, is_line: bool },
}

/// A call of the print family.
#[derive(Debug, Clone)]
pub struct Output {
    pub style: Style,
    pub arguments: Vec<Expression>,
}

#[derive(Debug, Clone)]
pub enum Expression {
    Number(i64),
    Text(Vec<u8>),
    Read(Place),
    Assign(Place, Change, Box<Expression>),
    /// `++` or `--`, before or behind.
    Step {
        place: Place,
        up: bool,
        before: bool,
    },
    Unary(Unary, Box<Expression>),
    Arithmetic(Arithmetic, Box<Expression>, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    /// `&&` if true, else `||`.
    Logic(bool, Box<Expression>, Box<Expression>),
    Conditional(Box<Expression>, Box<Expression>, Box<Expression>),
    Join(Box<Expression>, Box<Expression>),
    /// `[k, …] in array`; `None` is `*`.
    Contains(usize, Vec<Option<Expression>>),
    /// `=~` if true, else `!~`.
    Matches(bool, Box<Expression>, String),
    /// What the last match matched.
    Matched,
    Call(usize, Vec<Expression>),
    Library(Library, Vec<Expression>),
    /// As text.
    Printed(Output),
    Extract(Extract, usize, Vec<Expression>),
}

/// What a `foreach` is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    Key(usize),
    Value,
    Statistic(Extract),
}

#[derive(Debug, Clone)]
pub struct Foreach {
    pub array: usize,
    /// Locals that take the keys.
    pub keys: Vec<usize>,
    /// The local that takes the value.
    pub value: Option<usize>,
    /// With true, upwards.
    pub sort: Option<(SortBy, bool)>,
    /// Which keys; `None` is `*`.
    pub slice: Option<Vec<Option<Expression>>>,
    pub limit: Option<Expression>,
    pub body: Vec<Statement>,
}

#[derive(Debug, Clone)]
pub enum Statement {
    Expression(Expression),
    Print(Output),
    If(Expression, Vec<Statement>, Option<Vec<Statement>>),
    /// The local counts the rounds, of which there are at most so many.
    While {
        counter: usize,
        most: i64,
        condition: Option<Expression>,
        body: Vec<Statement>,
    },
    /// From 0 to `most - 1`.
    For {
        counter: usize,
        most: i64,
        body: Vec<Statement>,
    },
    Foreach(Foreach),
    Break,
    Continue,
    Return(Option<Expression>),
    Next,
    /// A scalar, an element, elements (`None` is `*`), or without keys a whole array.
    Delete(usize, Vec<Option<Expression>>),
    /// With the local that takes the message.
    Try(Vec<Statement>, Option<usize>, Vec<Statement>),
    Error(Expression),
    Sample(usize, Vec<Expression>, Expression),
}

/// A function; its parameters are its first locals of each type, in order.
#[derive(Debug, Clone)]
pub struct Function {
    pub parameters: Vec<(Type, usize)>,
    /// The first parameter says how deep it may still call itself.
    pub is_recursive: bool,
    /// `None` if it gives nothing.
    pub result: Option<Type>,
    /// The types stand in the text.
    pub declares_types: bool,
    pub body: Vec<Statement>,
}

#[derive(Debug, Clone)]
pub struct Program {
    /// `-D MAXSTRINGLEN`: one more than the longest string.
    pub string_size: usize,
    pub globals: Vec<Global>,
    pub functions: Vec<Function>,
    /// The handlers of begin probes, in order.
    pub probes: Vec<Vec<Statement>>,
}

impl Program {
    /// The type of an expression of this program.
    pub fn type_of(&self, expression: &Expression) -> Type {
        match expression {
            Expression::Text(_)
            | Expression::Join(..)
            | Expression::Matched
            | Expression::Printed(_) => Type::Text,
            Expression::Read(place) | Expression::Assign(place, ..) => self.type_of_place(place),
            Expression::Conditional(_, yes, _) => self.type_of(yes),
            Expression::Call(index, _) => self.functions[*index].result.unwrap_or(Type::Long),
            Expression::Library(
                Library::Substr | Library::StrReplace | Library::Tokenize | Library::TokenizeNext,
                _,
            ) => Type::Text,
            _ => Type::Long,
        }
    }

    fn type_of_place(&self, place: &Place) -> Type {
        match place {
            Place::Local(kind, _) => *kind,
            Place::Global(index, _) => match self.globals[*index].holds {
                Holds::Value(kind) => kind,
                Holds::Statistic => Type::Long,
            },
        }
    }
}
