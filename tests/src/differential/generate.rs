// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs from seeds. Whatever is generated is valid, ends, and does what the specification defines:
//! loops have counters, recursion has a depth, and arrays are not changed while they are walked.

mod expressions;
mod statements;

use super::program::*;
use super::random::Random;

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut random = Random::new(seed);
    let mut generator = Generator {
        program: Program {
            string_size: random.pick(&[512, 512, 128, 64, 40, 17]),
            globals: Vec::new(),
            functions: Vec::new(),
            probes: Vec::new(),
        },
        // Programs that have much of little find more than those that have some of everything.
        longs: random.pick(&[20, 50, 60, 80]),
        enabled: random.bits() | random.bits(),
        random,
        changes: Vec::new(),
    };
    generator.globals();
    for _ in 0..generator.random.between(1, 5) {
        generator.function();
    }
    for _ in 0..generator.random.between(1, 3) {
        generator.probe();
    }
    generator.last_probe();
    generator.program
}

/// Locals of each type that a body uses beside those of its loops.
const LOCALS: usize = 3;

struct Generator {
    random: Random,
    program: Program,
    /// How many of a hundred values are numbers.
    longs: usize,
    /// A bit for each kind of statement that there may be.
    enabled: u64,
    /// Which globals each function changes, itself or by what it calls.
    changes: Vec<Vec<usize>>,
}

/// What can be used where code is being made.
struct Scope {
    /// Locals that can be read, and those that can be written to.
    readable: Vec<(Type, usize)>,
    writable: Vec<(Type, usize)>,
    /// The number of the next local, of either type.
    next_local: usize,
    /// How many loops are around.
    loops: usize,
    /// Arrays that are being walked.
    walked: Vec<usize>,
    /// Globals that are changed.
    changes: Vec<usize>,
    /// The function being made, whose first parameter is how deep it may still call itself.
    itself: Option<usize>,
    is_probe: bool,
    /// Where errors are caught, they are wanted more often.
    is_caught: bool,
    /// Nothing may fail here: what nobody uses is left out, and its errors with it.
    is_safe: bool,
    /// Statements that may still come.
    budget: usize,
}

impl Scope {
    fn new(parameters: &[(Type, usize)]) -> Scope {
        let mut scope = Scope {
            readable: parameters.to_vec(),
            writable: parameters.to_vec(),
            next_local: parameters.len(),
            loops: 0,
            walked: Vec::new(),
            changes: Vec::new(),
            itself: None,
            is_probe: false,
            is_caught: false,
            is_safe: false,
            budget: 0,
        };
        for kind in [Type::Long, Type::Text] {
            for _ in 0..LOCALS {
                let local = scope.fresh(kind);
                scope.writable.push(local);
            }
        }
        scope
    }

    /// A local of which nobody knows yet.
    fn fresh(&mut self, kind: Type) -> (Type, usize) {
        let local = (kind, self.next_local);
        self.next_local += 1;
        self.readable.push(local);
        local
    }
}

impl Generator {
    fn kind(&mut self) -> Type {
        match self.random.percent(self.longs) {
            true => Type::Long,
            false => Type::Text,
        }
    }

    fn globals(&mut self) {
        for kind in [Type::Long, Type::Text] {
            for _ in 0..2 {
                self.scalar(Holds::Value(kind));
            }
        }
        self.scalar(Holds::Statistic);
        for _ in 0..self.random.between(2, 5) {
            let keys = (0..self.random.between(1, 3))
                .map(|_| self.kind())
                .collect();
            let holds = match self.random.percent(25) {
                true => Holds::Statistic,
                false => Holds::Value(self.kind()),
            };
            // Which elements a full array of statistics has depends on the processors they were added on.
            let is_small = holds != Holds::Statistic && self.random.percent(50);
            let global = Global {
                keys,
                holds,
                initial: None,
                size: is_small.then(|| self.random.between(1, 6)),
                wraps: is_small && self.random.percent(80),
            };
            self.program.globals.push(global);
        }
    }

    fn scalar(&mut self, holds: Holds) {
        let initial = match holds {
            Holds::Value(Type::Long) => Some(Expression::Number(self.number())),
            Holds::Value(Type::Text) => Some(Expression::Text(self.bytes())),
            Holds::Statistic => None,
        };
        self.program.globals.push(Global {
            keys: Vec::new(),
            holds,
            initial,
            size: None,
            wraps: false,
        });
    }

    fn function(&mut self) {
        let index = self.program.functions.len();
        let is_recursive = self.random.percent(40);
        let mut parameters: Vec<(Type, usize)> = Vec::new();
        if is_recursive {
            parameters.push((Type::Long, 0));
        }
        for _ in 0..self.random.below(4) {
            let kind = self.kind();
            parameters.push((kind, parameters.len()));
        }
        let result = match self.random.below(5) {
            0 => None,
            1 | 2 => Some(Type::Text),
            _ => Some(Type::Long),
        };
        let mut scope = Scope::new(&parameters);
        scope.budget = self.random.between(2, 8);
        let mut body = Vec::new();
        let function = Function {
            parameters: parameters.clone(),
            is_recursive,
            result,
            declares_types: true,
            body: Vec::new(),
        };
        self.program.functions.push(function);
        self.changes.push(Vec::new());
        if is_recursive {
            scope.writable.remove(0);
            let depth = Expression::Read(Place::Local(Type::Long, 0));
            let limit = Expression::Number(0);
            let ended =
                Expression::Compare(Comparison::LessEqual, Box::new(depth), Box::new(limit));
            let value = result.map(|kind| self.expression(kind, 1, &mut scope));
            body.push(Statement::If(ended, vec![Statement::Return(value)], None));
            scope.itself = Some(index);
        }
        let begin = body.len();
        body.extend(self.statements(&mut scope, result));
        if let Some(kind) = result
            && self.random.percent(85)
        {
            let value = self.expression(kind, 3, &mut scope);
            body.push(Statement::Return(Some(value)));
        }
        // What is printed only, or set in what is never reached, has no type otherwise.
        let own = scope.readable.split_off(parameters.len());
        let first: Vec<Statement> = own.into_iter().map(|local| self.initial(local)).collect();
        body.splice(begin..begin, first);
        // Types that nothing tells must stand there.
        let tells = |body: &[Statement]| matches!(body.last(), Some(Statement::Return(Some(_))));
        self.program.functions[index].declares_types =
            self.random.percent(50) || (result.is_some() && !tells(&body));
        self.program.functions[index].body = body;
        self.changes[index] = scope.changes;
    }

    /// Gives a local its first value.
    fn initial(&mut self, (kind, local): (Type, usize)) -> Statement {
        let value = match kind {
            Type::Long => Expression::Number(self.number()),
            Type::Text => Expression::Text(self.bytes()),
        };
        let place = Place::Local(kind, local);
        Statement::Expression(Expression::Assign(place, Change::Set, Box::new(value)))
    }

    /// Calls all functions: what is never called has no types.
    fn last_probe(&mut self) {
        let mut scope = Scope::new(&[]);
        let mut body = Vec::new();
        for index in 0..self.program.functions.len() {
            let call = self.call_of(index, 1, &mut scope);
            body.push(match self.program.functions[index].result {
                Some(kind) => show(call, kind),
                None => Statement::Expression(call),
            });
        }
        self.program.probes.push(body);
    }

    fn probe(&mut self) {
        let mut scope = Scope::new(&[]);
        scope.budget = self.random.between(5, 25);
        scope.is_probe = true;
        let mut body = Vec::new();
        while scope.budget > 0 {
            body.extend(self.statements(&mut scope, None));
        }
        for &(kind, index) in &scope.readable {
            body.push(show(Expression::Read(Place::Local(kind, index)), kind));
        }
        self.program.probes.push(body);
    }
}

/// Prints a value in a line of its own.
fn show(value: Expression, kind: Type) -> Statement {
    let directive = Directive {
        flag: None,
        width: None,
        takes_width: false,
        precision: None,
        conversion: if kind == Type::Long { b'd' } else { b's' },
    };
    Statement::Print(Output {
        style: Style::Format(vec![
            Piece::Literal(b"<".to_vec()),
            Piece::Directive(directive),
            Piece::Literal(b">\n".to_vec()),
        ]),
        arguments: vec![value],
    })
}
