// SPDX-License-Identifier: GPL-2.0-or-later
//! Expressions.

use super::super::program::*;
use super::{Generator, Scope};

/// Bytes that strings are made of.
const BYTES: &[u8] = b"aabbccABC0123 _-.,%\"\\\t\xe9";
/// Of which delimiters are made.
const DELIMITERS: &[u8] = b" ,.ab";

const OPERATORS: [Arithmetic; 11] = [
    Arithmetic::Add,
    Arithmetic::Subtract,
    Arithmetic::Multiply,
    Arithmetic::And,
    Arithmetic::Or,
    Arithmetic::Xor,
    Arithmetic::Left,
    Arithmetic::Right,
    Arithmetic::RightLogical,
    Arithmetic::Divide,
    Arithmetic::Modulo,
];

impl Generator {
    /// A number, often one at an edge.
    pub fn number(&mut self) -> i64 {
        let power = 1i64 << self.random.below(64);
        match self.random.below(12) {
            0..=6 => self.random.below(9) as i64 - 2,
            7 => power,
            8 => power.wrapping_sub(1),
            9 => power.wrapping_neg(),
            10 => self
                .random
                .pick(&[i64::MIN, i64::MAX, i64::MIN + 1, 63, 64, 65]),
            _ => self.random.bits() as i64,
        }
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        let length = match self.random.below(10) {
            0 => 0,
            9 => self.random.between(10, 16),
            _ => self.random.between(1, 4),
        };
        (0..length).map(|_| self.random.pick(BYTES)).collect()
    }

    pub fn expression(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Expression {
        match kind {
            Type::Long => self.long(depth, scope),
            Type::Text => self.text(depth, scope),
        }
    }

    fn boxed(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Box<Expression> {
        Box::new(self.expression(kind, depth.saturating_sub(1), scope))
    }

    /// True where something that fails may stand.
    fn risks(&mut self, scope: &Scope) -> bool {
        let chance = match (scope.is_safe, scope.is_caught, scope.is_probe) {
            (true, _, _) => 0,
            (false, true, _) => 25,
            // A call of a function that can fail may be left out, too.
            (false, false, is_probe) => 2 * usize::from(is_probe),
        };
        self.random.percent(chance)
    }

    fn leaf(&mut self, kind: Type, scope: &mut Scope) -> Expression {
        match (self.random.percent(35), kind) {
            (true, Type::Long) => Expression::Number(self.number()),
            (true, Type::Text) => Expression::Text(self.bytes()),
            (false, _) => match self.readable(kind, 1, scope) {
                Some(place) => Expression::Read(place),
                None => self.expression(kind, 0, scope),
            },
        }
    }

    /// Something of this type to read.
    fn readable(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Option<Place> {
        if self.random.percent(50) {
            return self.global(Holds::Value(kind), depth, scope, false);
        }
        let known: Vec<_> = scope
            .readable
            .iter()
            .filter(|local| local.0 == kind)
            .collect();
        let &&(kind, index) = known.get(self.random.below(known.len()))?;
        Some(Place::Local(kind, index))
    }

    /// Something of this type to write to.
    pub fn writable(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Option<Place> {
        if self.random.percent(50) {
            return self.global(Holds::Value(kind), depth, scope, true);
        }
        let known: Vec<_> = scope
            .writable
            .iter()
            .filter(|local| local.0 == kind)
            .collect();
        let &&(kind, index) = known.get(self.random.below(known.len()))?;
        Some(Place::Local(kind, index))
    }

    /// A global, or an element of one.
    pub fn global(
        &mut self,
        holds: Holds,
        depth: usize,
        scope: &mut Scope,
        is_written: bool,
    ) -> Option<Place> {
        let globals = self.program.globals.iter().enumerate();
        let known: Vec<usize> = globals
            .filter(|(_, global)| global.holds == holds)
            .map(|(index, _)| index)
            .filter(|index| !is_written || !scope.walked.contains(index))
            .collect();
        let &index = known.get(self.random.below(known.len()))?;
        let global = &self.program.globals[index];
        let is_strict = global.size.is_some() && !global.wraps;
        if is_written {
            if is_strict && !self.risks(scope) {
                return None;
            }
            scope.changes.push(index);
        }
        let keys = self.keys(index, depth, scope);
        Some(Place::Global(index, keys))
    }

    pub fn keys(&mut self, index: usize, depth: usize, scope: &mut Scope) -> Vec<Expression> {
        let kinds = self.program.globals[index].keys.clone();
        let keys = kinds.into_iter().map(|kind| self.key(kind, depth, scope));
        keys.collect()
    }

    /// Keys come from few values, so that elements are met again.
    pub fn key(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Expression {
        match (kind, self.random.below(10)) {
            (Type::Long, 0..=4) => Expression::Number(self.random.below(4) as i64),
            (Type::Long, 5..=7) if depth > 0 => {
                let number = self.boxed(kind, depth, scope);
                Expression::Arithmetic(Arithmetic::And, number, Box::new(Expression::Number(3)))
            }
            (Type::Text, 0..=6) => {
                let choices: [&[u8]; 5] = [b"", b"a", b"b", b"ab", b"abc"];
                Expression::Text(self.random.pick(&choices).to_vec())
            }
            (_, _) if depth > 0 => self.expression(kind, depth - 1, scope),
            (Type::Long, _) => Expression::Number(self.number()),
            (Type::Text, _) => Expression::Text(self.bytes()),
        }
    }

    fn long(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        if depth == 0 {
            return match self.random.percent(40) {
                true => Expression::Number(self.number()),
                false => {
                    let locals = scope.readable.iter().filter(|local| local.0 == Type::Long);
                    let locals: Vec<usize> = locals.map(|local| local.1).collect();
                    match locals.is_empty() {
                        true => Expression::Number(self.number()),
                        false => {
                            Expression::Read(Place::Local(Type::Long, self.random.pick(&locals)))
                        }
                    }
                }
            };
        }
        match self.random.below(26) {
            0..=5 => self.arithmetic(depth, scope),
            6 => {
                let choices = [Unary::Minus, Unary::Plus, Unary::Not, Unary::Complement];
                let operator = self.random.pick(&choices);
                Expression::Unary(operator, self.boxed(Type::Long, depth, scope))
            }
            7..=9 => self.comparison(depth, scope),
            10 | 11 => {
                let both = self.random.percent(50);
                let left = self.boxed(Type::Long, depth, scope);
                Expression::Logic(both, left, self.boxed(Type::Long, depth, scope))
            }
            12 => self.conditional(Type::Long, depth, scope),
            13 => self.contains(depth, scope),
            14 => {
                let wanted = self.random.percent(60);
                let text = self.boxed(Type::Text, depth, scope);
                Expression::Matches(wanted, text, self.pattern())
            }
            15 => self.extract(depth, scope),
            16 | 17 => self.call(Type::Long, depth, scope),
            18 | 19 => match self.writable(Type::Long, depth - 1, scope) {
                Some(place) => Expression::Step {
                    place,
                    up: self.random.percent(50),
                    before: self.random.percent(50),
                },
                None => self.leaf(Type::Long, scope),
            },
            20 => self.assignment(Type::Long, depth, scope),
            21 | 22 => self.number_of_text(depth, scope),
            _ => self.leaf(Type::Long, scope),
        }
    }

    fn arithmetic(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        let operator = self.random.pick(&OPERATORS);
        let left = self.boxed(Type::Long, depth, scope);
        let right = self.right_operand(operator, depth, scope);
        Expression::Arithmetic(operator, left, right)
    }

    /// Zeros on the right of a division only where they may be.
    fn right_operand(
        &mut self,
        operator: Arithmetic,
        depth: usize,
        scope: &mut Scope,
    ) -> Box<Expression> {
        let divides = matches!(operator, Arithmetic::Divide | Arithmetic::Modulo);
        if divides && !self.risks(scope) {
            if self.random.percent(40) {
                return Box::new(Expression::Number(self.random.pick(&[
                    -1,
                    2,
                    3,
                    7,
                    -8,
                    i64::MIN,
                ])));
            }
            let one = Box::new(Expression::Number(1));
            let value = self.boxed(Type::Long, depth, scope);
            return Box::new(Expression::Arithmetic(Arithmetic::Or, value, one));
        }
        self.boxed(Type::Long, depth, scope)
    }

    fn comparison(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        let choices = [
            Comparison::Less,
            Comparison::LessEqual,
            Comparison::Greater,
            Comparison::GreaterEqual,
            Comparison::Equal,
            Comparison::NotEqual,
        ];
        let operator = self.random.pick(&choices);
        let kind = self.kind();
        let left = self.boxed(kind, depth, scope);
        Expression::Compare(operator, left, self.boxed(kind, depth, scope))
    }

    fn conditional(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Expression {
        let condition = self.boxed(Type::Long, depth, scope);
        let yes = self.boxed(kind, depth, scope);
        Expression::Conditional(condition, yes, self.boxed(kind, depth, scope))
    }

    fn contains(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        let arrays = self.arrays(|_| true);
        let array = self.random.pick(&arrays);
        let keys = self.keys(array, depth - 1, scope);
        Expression::Contains(array, self.some(keys, 20))
    }

    /// Some of the keys are `*` instead.
    pub fn some(&mut self, keys: Vec<Expression>, chance: usize) -> Vec<Option<Expression>> {
        let keys = keys.into_iter();
        keys.map(|key| (!self.random.percent(chance)).then_some(key))
            .collect()
    }

    /// Arrays of which something is true.
    pub fn arrays(&self, wanted: impl Fn(&Global) -> bool) -> Vec<usize> {
        let globals = self.program.globals.iter().enumerate();
        globals
            .filter(|(_, global)| !global.keys.is_empty() && wanted(global))
            .map(|(index, _)| index)
            .collect()
    }

    pub fn extractor(&mut self) -> Extract {
        let choices = [
            Extract::Count,
            Extract::Sum,
            Extract::Min,
            Extract::Max,
            Extract::Average,
        ];
        self.random.pick(&choices)
    }

    fn extract(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        let extract = self.extractor();
        let Some(Place::Global(index, keys)) =
            self.global(Holds::Statistic, depth - 1, scope, false)
        else {
            return self.leaf(Type::Long, scope);
        };
        let value = Expression::Extract(extract, index, keys.clone());
        if matches!(extract, Extract::Count | Extract::Sum) || self.risks(scope) {
            return value;
        }
        // Of the same element only if finding it changes nothing.
        let keys = keys.into_iter().map(|key| match key {
            Expression::Number(_) | Expression::Text(_) => key,
            _ => match self.program.type_of(&key) {
                Type::Long => Expression::Number(0),
                Type::Text => Expression::Text(b"a".to_vec()),
            },
        });
        let keys: Vec<Expression> = keys.collect();
        Expression::Conditional(
            Box::new(Expression::Extract(Extract::Count, index, keys.clone())),
            Box::new(Expression::Extract(extract, index, keys)),
            Box::new(Expression::Number(-1)),
        )
    }

    fn call(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Expression {
        match self.any_call(Some(kind), depth, scope) {
            Some(call) => call,
            None => self.leaf(kind, scope),
        }
    }

    /// A call of a function with this result that may be called here.
    pub fn any_call(
        &mut self,
        result: Option<Type>,
        depth: usize,
        scope: &mut Scope,
    ) -> Option<Expression> {
        let functions = self.program.functions.iter().enumerate();
        let known: Vec<usize> = functions
            .filter(|(_, function)| function.result == result)
            .map(|(index, _)| index)
            .filter(|&index| {
                let is_made = !self.program.functions[index].body.is_empty();
                let is_itself = scope.itself == Some(index) && scope.walked.is_empty();
                let changes = &self.changes[index];
                (is_made || is_itself)
                    && !changes.iter().any(|global| scope.walked.contains(global))
            })
            .collect();
        let &index = known.get(self.random.below(known.len()))?;
        Some(self.call_of(index, depth, scope))
    }

    /// A call of this function.
    pub fn call_of(&mut self, index: usize, depth: usize, scope: &mut Scope) -> Expression {
        let function = &self.program.functions[index];
        let (parameters, is_recursive) = (function.parameters.clone(), function.is_recursive);
        let is_itself = scope.itself == Some(index);
        scope.changes.extend(&self.changes[index]);
        let mut arguments = Vec::new();
        for (position, (kind, _)) in parameters.into_iter().enumerate() {
            arguments.push(match position {
                0 if is_itself => {
                    let depth = Box::new(Expression::Read(Place::Local(Type::Long, 0)));
                    let one = Box::new(Expression::Number(1));
                    Expression::Arithmetic(Arithmetic::Subtract, depth, one)
                }
                0 if is_recursive => Expression::Number(self.random.below(4) as i64),
                _ => self.expression(kind, depth.saturating_sub(1), scope),
            });
        }
        Expression::Call(index, arguments)
    }

    pub fn assignment(&mut self, kind: Type, depth: usize, scope: &mut Scope) -> Expression {
        let Some(place) = self.writable(kind, depth - 1, scope) else {
            return self.leaf(kind, scope);
        };
        let change = match (self.random.percent(40), kind) {
            (true, _) => Change::Set,
            (false, Type::Text) => Change::Append,
            // `>>>` has no assignment.
            (false, Type::Long) => match self.random.pick(&OPERATORS) {
                Arithmetic::RightLogical => Change::Set,
                operator => Change::Calculate(operator),
            },
        };
        let was_safe = scope.is_safe;
        scope.is_safe |= matches!(place, Place::Local(..));
        let value = match change {
            Change::Calculate(operator) => self.right_operand(operator, depth, scope),
            _ => self.boxed(kind, depth, scope),
        };
        scope.is_safe = was_safe;
        Expression::Assign(place, change, value)
    }

    fn number_of_text(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        let text = self.text(depth - 1, scope);
        let (function, arguments) = match self.random.below(6) {
            0 | 1 => (Library::Strlen, vec![text]),
            2 => {
                let position = Expression::Number(self.random.below(6) as i64 - 1);
                (Library::Stringat, vec![text, position])
            }
            3 => (Library::Isinstr, vec![text, self.text(depth - 1, scope)]),
            4 => (Library::Strpos, vec![text, self.text(depth - 1, scope)]),
            _ => {
                let base = self.random.pick(&[0, 8, 10, 10, 16, 2, 36]);
                (Library::Strtol, vec![text, Expression::Number(base)])
            }
        };
        Expression::Library(function, arguments)
    }

    fn text(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        if depth == 0 {
            let locals = scope.readable.iter().filter(|local| local.0 == Type::Text);
            let locals: Vec<usize> = locals.map(|local| local.1).collect();
            return match self.random.percent(50) || locals.is_empty() {
                true => Expression::Text(self.bytes()),
                false => Expression::Read(Place::Local(Type::Text, self.random.pick(&locals))),
            };
        }
        match self.random.below(16) {
            0..=3 => {
                let left = self.boxed(Type::Text, depth, scope);
                Expression::Join(left, self.boxed(Type::Text, depth, scope))
            }
            4 => self.conditional(Type::Text, depth, scope),
            5 | 6 => self.call(Type::Text, depth, scope),
            7 | 8 => self.assignment(Type::Text, depth, scope),
            9 | 10 => Expression::Printed(self.output(depth, scope)),
            11 | 12 => self.part_of_text(depth, scope),
            13 => {
                let text = self.boxed(Type::Text, depth, scope);
                let matches = Expression::Matches(true, text, self.pattern());
                let other = Expression::Text(self.bytes());
                Expression::Conditional(
                    Box::new(matches),
                    Box::new(Expression::Matched),
                    Box::new(other),
                )
            }
            _ => self.leaf(Type::Text, scope),
        }
    }

    fn part_of_text(&mut self, depth: usize, scope: &mut Scope) -> Expression {
        let text = self.text(depth - 1, scope);
        let delimiters = Expression::Text(vec![
            self.random.pick(DELIMITERS),
            self.random.pick(DELIMITERS),
        ]);
        let (function, arguments) = match self.random.below(5) {
            0 | 1 => {
                let start = Expression::Number(self.random.below(5) as i64 - 1);
                let length = Expression::Number(self.random.below(8) as i64 - 1);
                (Library::Substr, vec![text, start, length])
            }
            2 => {
                let wanted = self.text(0, scope);
                (
                    Library::StrReplace,
                    vec![text, wanted, self.text(depth - 1, scope)],
                )
            }
            3 => (Library::Tokenize, vec![text, delimiters]),
            _ => (Library::TokenizeNext, vec![delimiters]),
        };
        Expression::Library(function, arguments)
    }

    /// Something for the print family.
    pub fn output(&mut self, depth: usize, scope: &mut Scope) -> Output {
        if self.random.percent(70) {
            return self.formatted(depth, scope);
        }
        let is_line = self.random.percent(50);
        let style = match self.random.percent(50) {
            true => Style::Joined { is_line },
            false => Style::Separated {
                by: self.bytes(),
                is_line,
            },
        };
        let arguments = (0..self.random.between(2, 4)).map(|_| {
            let kind = self.kind();
            self.expression(kind, depth.saturating_sub(1), scope)
        });
        let arguments = arguments.collect();
        Output { style, arguments }
    }

    fn formatted(&mut self, depth: usize, scope: &mut Scope) -> Output {
        let (mut pieces, mut arguments) = (Vec::new(), Vec::new());
        for _ in 0..self.random.between(1, 3) {
            if self.random.percent(50) {
                let literal = self.bytes();
                pieces.push(Piece::Literal(literal));
            }
            let conversion = self.random.pick(b"dddddssssiuoxXpc");
            let kind = if conversion == b's' {
                Type::Text
            } else {
                Type::Long
            };
            let flags: &[u8] = match conversion {
                b'd' | b'i' => b"-0+ ",
                b'x' | b'X' | b'o' => b"-0#",
                b'u' => b"-0",
                _ => b"-",
            };
            let flag = self.random.percent(25).then(|| self.random.pick(flags));
            let has_precision = flag != Some(b'0') && !matches!(conversion, b'p' | b'c');
            let directive = Directive {
                flag,
                takes_width: self.random.percent(10),
                width: self.random.percent(30).then(|| self.random.between(1, 24)),
                precision: (has_precision && self.random.percent(15)).then(|| self.random.below(8)),
                conversion,
            };
            if directive.takes_width {
                let width = self.long(depth.saturating_sub(1), scope);
                let most = Box::new(Expression::Number(15));
                arguments.push(Expression::Arithmetic(
                    Arithmetic::And,
                    Box::new(width),
                    most,
                ));
            }
            pieces.push(Piece::Directive(directive));
            let value = self.expression(kind, depth.saturating_sub(1), scope);
            arguments.push(match conversion {
                b'c' => {
                    let mask = Box::new(Expression::Number(15));
                    let low = Expression::Arithmetic(Arithmetic::And, Box::new(value), mask);
                    let base = Box::new(Expression::Number(65));
                    Expression::Arithmetic(Arithmetic::Add, Box::new(low), base)
                }
                _ => value,
            });
        }
        Output {
            style: Style::Format(pieces),
            arguments,
        }
    }

    /// A regular expression that POSIX and Rust read alike.
    fn pattern(&mut self) -> String {
        let mut pattern = String::new();
        if self.random.percent(25) {
            pattern.push('^');
        }
        for _ in 0..self.random.between(1, 3) {
            let atoms = [
                "a", "b", "c", "1", ".", "[a-c]", "[^a]", "[0-9]", "(ab|c)", "(a|ab)", "(a|b|01)",
                " ",
            ];
            pattern.push_str(self.random.pick(&atoms));
            pattern.push_str(
                self.random
                    .pick(&["", "", "", "*", "+", "?", "{1,2}", "{2}"]),
            );
        }
        if self.random.percent(25) {
            pattern.push('$');
        }
        pattern
    }
}
