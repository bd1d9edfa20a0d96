// SPDX-License-Identifier: GPL-2.0-or-later
//! What running a probe's body costs at most, for `--explain-cost` and for codegen, which counts
//! statements at run time only where this bound may reach MAXACTION.
//!
//! Statements are counted as MAXACTION counts them: one for each [`Stmt`] that is reached, none for
//! a call. Every bound is the longest way through the body: the dearer branch of an `if`, all
//! overloads of a call, and a `catch` in addition to what it guards.

use super::arena::IndexVec;
use super::visit::{Visitor, walk_expression, walk_place, walk_stat, walk_statement};
use super::*;
use rstap_syntax::diag::counted;

/// Buckets of `@hist_log`.
const LOG_BUCKETS: u64 = 128;
/// The longest line of a printed histogram: value, 50 columns of bar, count, and what is between.
const HISTOGRAM_LINE: u64 = 96;
/// The runtime cuts the width and the precision of a conversion there.
const WIDTH_MAXIMUM: u64 = 8192;

/// Why there is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endless {
    /// A `while` or `for`.
    Loop(LocationId),
    /// A function that may call itself.
    Recursion(LocationId),
}

/// At most this much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    pub statements: u64,
    /// Of functions, also of those in embedded C, whose own work is not known.
    pub calls: u64,
    /// Look-ups, changes and deletions of array elements, and loops over arrays.
    pub map_operations: u64,
    /// Bytes printed.
    pub output: u64,
    /// The first thing that has no bound; the numbers then hold for one round of it.
    pub endless: Option<Endless>,
    /// Also for loops that are bounded by the size of an array.
    pub has_loop: bool,
}

impl Cost {
    /// This and then that.
    fn then(&mut self, other: Cost) {
        self.statements = self.statements.saturating_add(other.statements);
        self.calls = self.calls.saturating_add(other.calls);
        self.map_operations = self.map_operations.saturating_add(other.map_operations);
        self.output = self.output.saturating_add(other.output);
        self.endless = self.endless.or(other.endless);
        self.has_loop |= other.has_loop;
    }

    /// This or that.
    fn or(self, other: Cost) -> Cost {
        Cost {
            statements: self.statements.max(other.statements),
            calls: self.calls.max(other.calls),
            map_operations: self.map_operations.max(other.map_operations),
            output: self.output.max(other.output),
            endless: self.endless.or(other.endless),
            has_loop: self.has_loop | other.has_loop,
        }
    }

    fn times(self, rounds: u64) -> Cost {
        Cost {
            statements: self.statements.saturating_mul(rounds),
            calls: self.calls.saturating_mul(rounds),
            map_operations: self.map_operations.saturating_mul(rounds),
            output: self.output.saturating_mul(rounds),
            ..self
        }
    }
}

/// The costs of all handlers. `program` has passed the verifier.
#[must_use]
pub fn of_handlers(program: &Program) -> IndexVec<HandlerId, Cost> {
    let functions = of_functions(program);
    program
        .handlers
        .values()
        .map(|handler| measure(program, &functions, |meter| meter.block(&handler.body)))
        .collect()
}

/// Callees before callers; who meets a callee that is not known yet is in a circle. An explicit
/// stack: scripts may nest calls deeper than ours allows.
fn of_functions(program: &Program) -> IndexVec<FunctionId, Option<Cost>> {
    let mut known: IndexVec<FunctionId, Option<Cost>> =
        program.functions.ids().map(|_| None).collect();
    let mut is_seen: IndexVec<FunctionId, bool> = program.functions.ids().map(|_| false).collect();
    for root in program.functions.ids() {
        let mut stack = vec![(root, false)];
        while let Some((id, is_ready)) = stack.pop() {
            let FunctionBody::Script(body) = &program.functions[id].body else {
                known[id] = Some(Cost::default());
                continue;
            };
            if is_ready {
                known[id] = Some(measure(program, &known, |meter| meter.block(body)));
            } else if !std::mem::replace(&mut is_seen[id], true) {
                stack.push((id, true));
                let mut callees = Callees(Vec::new());
                callees.block(body);
                stack.extend(callees.0.into_iter().map(|callee| (callee, false)));
            }
        }
    }
    known
}

struct Callees(Vec<FunctionId>);

impl Visitor for Callees {
    fn expression(&mut self, expression: &Expr) {
        if let ExprKind::Call { candidates, .. } = &expression.kind {
            self.0.extend(candidates);
        }
        walk_expression(self, expression);
    }
}

fn measure(
    program: &Program,
    functions: &IndexVec<FunctionId, Option<Cost>>,
    walk: impl FnOnce(&mut Meter<'_>),
) -> Cost {
    let mut meter = Meter {
        program,
        functions,
        cost: Cost::default(),
    };
    walk(&mut meter);
    meter.cost
}

struct Meter<'a> {
    program: &'a Program,
    functions: &'a IndexVec<FunctionId, Option<Cost>>,
    cost: Cost,
}

impl Meter<'_> {
    fn apart(&self, walk: impl FnOnce(&mut Meter<'_>)) -> Cost {
        measure(self.program, self.functions, walk)
    }

    fn entries(&self, array: GlobalId) -> u64 {
        match &self.program.globals[array].kind {
            GlobalKind::Array { size, .. } => {
                size.unwrap_or(u64::from(self.program.limits.map_entries))
            }
            GlobalKind::Scalar { .. } => 0,
        }
    }

    /// The body of a loop. An empty one is charged as one statement a round.
    fn rounds(&mut self, rounds: u64, body: &[Stmt]) {
        let mut round = self.apart(|meter| meter.block(body));
        round.statements = round.statements.max(1);
        self.cost.then(round.times(rounds));
        self.cost.has_loop = true;
    }

    fn output(&self, print: &Print) -> u64 {
        let text = u64::from(self.program.limits.string_size.saturating_sub(1));
        // What is not a constant may be as large as the runtime allows.
        let bound = |value: &Expr| match value.kind {
            ExprKind::Number(number) => {
                u64::try_from(number).map_or(WIDTH_MAXIMUM, |n| n.min(WIDTH_MAXIMUM))
            }
            _ => WIDTH_MAXIMUM,
        };
        let mut bytes = 0u64;
        for piece in &print.pieces {
            let piece = match piece {
                PrintPiece::Literal(text) => text.len() as u64,
                PrintPiece::Histogram { histogram, .. } => {
                    (buckets(*histogram) + 2).saturating_mul(HISTOGRAM_LINE)
                }
                PrintPiece::Value {
                    conversion,
                    flags,
                    width,
                    precision,
                    value,
                } => {
                    let precise = precision.as_ref().map(bound);
                    let digits = |most: u64| precise.map_or(most, |least| least + 3).max(most);
                    let natural = match conversion {
                        Conversion::Decimal | Conversion::Unsigned => digits(20),
                        Conversion::Octal => digits(23),
                        Conversion::HexLower | Conversion::HexUpper | Conversion::Pointer => {
                            digits(18)
                        }
                        Conversion::String => {
                            let length = match &value.kind {
                                ExprKind::String(bytes) => bytes.len() as u64,
                                _ => text,
                            };
                            let length = precise.map_or(length, |most| length.min(most));
                            // escapes of %#s
                            if flags.alternate { 4 * length } else { length }
                        }
                        Conversion::Character => 4,
                        // its width is the number of bytes
                        Conversion::Binary => 8,
                        Conversion::Memory => precise.unwrap_or(1),
                        Conversion::MemoryHex => 2 * precise.unwrap_or(1),
                    };
                    width.as_ref().map_or(0, bound).max(natural)
                }
            };
            bytes = bytes.saturating_add(piece);
        }
        bytes
    }
}

impl Visitor for Meter<'_> {
    fn statement(&mut self, statement: &Stmt) {
        self.cost.statements = self.cost.statements.saturating_add(1);
        match &statement.kind {
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                self.expression(condition);
                let then = self.apart(|meter| meter.block(then));
                let otherwise = self.apart(|meter| meter.block(otherwise));
                self.cost.then(then.or(otherwise));
            }
            StmtKind::Loop {
                condition,
                step,
                body,
            } => {
                for part in [condition, step].into_iter().flatten() {
                    self.expression(part);
                }
                self.cost.endless = self.cost.endless.or(Some(Endless::Loop(statement.at)));
                self.rounds(1, body);
            }
            StmtKind::Foreach(foreach) => {
                self.keys(&foreach.slice);
                self.cost.map_operations = self.cost.map_operations.saturating_add(1);
                let mut rounds = self.entries(foreach.array);
                if let Some(limit) = &foreach.limit {
                    self.expression(limit);
                    if let ExprKind::Number(number) = limit.kind {
                        rounds = u64::try_from(number).map_or(rounds, |limit| limit.min(rounds));
                    }
                }
                self.rounds(rounds, &foreach.body);
            }
            StmtKind::ForeachHistogram {
                stat,
                histogram,
                limit,
                body,
                ..
            } => {
                self.stat(stat);
                if let Some(limit) = limit {
                    self.expression(limit);
                }
                self.rounds(buckets(*histogram), body);
            }
            StmtKind::DeleteElement { keys, .. } => {
                self.cost.map_operations = self.cost.map_operations.saturating_add(1);
                self.keys(keys);
            }
            _ => walk_statement(self, statement),
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match &expression.kind {
            ExprKind::Element(..) | ExprKind::In(..) => {
                self.cost.map_operations = self.cost.map_operations.saturating_add(1);
            }
            ExprKind::Ternary(condition, left, right) => {
                self.expression(condition);
                let left = self.apart(|meter| meter.expression(left));
                let right = self.apart(|meter| meter.expression(right));
                self.cost.then(left.or(right));
                return;
            }
            ExprKind::Call { candidates, .. } => {
                for candidate in candidates {
                    self.cost.calls = self.cost.calls.saturating_add(1);
                    match self.functions[*candidate] {
                        Some(cost) => self.cost.then(cost),
                        None => {
                            let at = self.program.functions[*candidate].location;
                            self.cost.endless = self.cost.endless.or(Some(Endless::Recursion(at)));
                        }
                    }
                }
            }
            ExprKind::Print(print) if !print.is_string => {
                self.cost.output = self.cost.output.saturating_add(self.output(print));
            }
            _ => {}
        }
        walk_expression(self, expression);
    }

    fn place(&mut self, place: &Place) {
        if let Place::Element(..) = place {
            self.cost.map_operations = self.cost.map_operations.saturating_add(1);
        }
        walk_place(self, place);
    }

    fn stat(&mut self, place: &StatPlace) {
        if let StatPlace::Element(..) = place {
            self.cost.map_operations = self.cost.map_operations.saturating_add(1);
        }
        walk_stat(self, place);
    }
}

fn buckets(histogram: Histogram) -> u64 {
    match histogram {
        Histogram::None => 0,
        Histogram::Log => LOG_BUCKETS,
        Histogram::Linear { low, high, step } => {
            let range = high.abs_diff(low);
            range / step.unsigned_abs().max(1) + 3
        }
    }
}

/// `--explain-cost`: a paragraph for each body, with the probes that share it.
#[must_use]
pub fn report(program: &Program) -> String {
    let costs = of_handlers(program);
    let mut bodies: Vec<((HandlerId, bool), Vec<&Probe>)> = Vec::new();
    for probe in &program.probes {
        let entry = probe.entry_handler.map(|handler| (handler, true));
        for body in [Some((probe.handler, false)), entry].into_iter().flatten() {
            match bodies.iter_mut().find(|(known, _)| *known == body) {
                Some((_, probes)) => probes.push(probe),
                None => bodies.push((body, vec![probe])),
            }
        }
    }
    let mut text = String::new();
    for ((handler, is_entry), probes) in bodies {
        let Some(first) = probes.first() else {
            continue;
        };
        text.push_str(&first.name);
        if probes.len() > 1 {
            text.push_str(&format!(" and {} more", probes.len() - 1));
        }
        text.push_str(&format!(" ({})", first.location));
        if is_entry {
            text.push_str(", what it saves at the function's entry");
        }
        text.push('\n');
        text.push_str(&lines(program, &costs[handler]));
    }
    text
}

fn lines(program: &Program, cost: &Cost) -> String {
    let limit = program.limits.actions;
    let stop = match limit {
        0 => "never stopped (--suppress-time-limits)".to_owned(),
        limit => format!("stopped at MAXACTION, {limit}"),
    };
    let location = |at: LocationId| {
        let text = program.locations.get(at).map_or("", String::as_str);
        text.rsplit_once(" at ")
            .map_or(text, |(_, place)| place)
            .to_owned()
    };
    let statements = match cost.endless {
        Some(Endless::Loop(at)) => format!("unbounded: loop at {}, {stop}", location(at)),
        Some(Endless::Recursion(at)) => {
            format!("unbounded: recursive function at {}, {stop}", location(at))
        }
        None if limit > 0 && cost.statements > limit => format!("{}, {stop}", cost.statements),
        None => cost.statements.to_string(),
    };
    let round = match cost.endless {
        Some(_) => format!(
            "  in one round      {}\n",
            counted(cost.statements, "statement")
        ),
        None => String::new(),
    };
    format!(
        "  statements        {statements}\n{round}  calls             {}\n  map operations    {}\n  \
         bytes of output   {}\n",
        cost.calls, cost.map_operations, cost.output
    )
}
