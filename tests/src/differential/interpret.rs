// SPDX-License-Identifier: GPL-2.0-or-later
//! What a program does, from the specification: `docs/language.md` in code.

use regex::bytes::Regex;

use super::format;
use super::library::{self, Tokens};
use super::program::*;
use super::table::{Cell, Full, Statistic, Table, Value, fits};

/// What a program prints and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub stdout: Vec<u8>,
    /// The message of the error that ended it.
    pub error: Option<Vec<u8>>,
    /// Some array had no place for an element.
    pub was_full: bool,
    /// Some string was cut.
    pub was_cut: bool,
}

/// A program that does more than this is not worth running.
const MOST_STEPS: u64 = 30_000;
/// Nor one whose functions call one another deeper.
const MOST_DEPTH: u64 = 40;
/// Nor one that prints more.
const MOST_OUTPUT: usize = 100_000;

/// Runs a program; `None` if it takes too long.
pub fn run(program: &Program) -> Option<Expected> {
    let mut machine = Machine::new(program);
    let mut error = None;
    for body in &program.probes {
        let mut frame = Frame::default();
        match machine.block(body, &mut frame) {
            Err(Stop::Error(message)) => {
                error = Some(message);
                break;
            }
            Err(Stop::Endless) => return None,
            Ok(_) => {}
        }
    }
    machine.display();
    Some(Expected {
        stdout: machine.output,
        error,
        was_full: machine.tables.iter().any(|table| table.full > 0),
        was_cut: machine.was_cut,
    })
}

/// Why a handler cannot go on.
enum Stop {
    Error(Vec<u8>),
    /// The program takes too long.
    Endless,
}

/// What comes after a statement.
enum Flow {
    On,
    Break,
    Continue,
    /// Leaves the function, or the handler.
    Leave(Option<Value>),
}

type Result<T> = std::result::Result<T, Stop>;

/// The locals of one call.
#[derive(Default)]
struct Frame {
    longs: Vec<i64>,
    texts: Vec<Vec<u8>>,
}

impl Frame {
    fn read(&self, kind: Type, index: usize) -> Value {
        match kind {
            Type::Long => Value::Long(self.longs.get(index).copied().unwrap_or(0)),
            Type::Text => Value::Text(self.texts.get(index).cloned().unwrap_or_default()),
        }
    }

    fn write(&mut self, index: usize, value: Value) {
        fn put<T: Default + Clone>(list: &mut Vec<T>, index: usize, value: T) {
            if list.len() <= index {
                list.resize(index + 1, T::default());
            }
            list[index] = value;
        }
        match value {
            Value::Long(number) => put(&mut self.longs, index, number),
            Value::Text(text) => put(&mut self.texts, index, text),
        }
    }
}

/// A place whose keys are known.
enum Spot {
    Local(Type, usize),
    Global(usize, Vec<Value>),
}

struct Machine<'a> {
    program: &'a Program,
    tables: Vec<Table>,
    tokens: Tokens,
    matched: Vec<u8>,
    output: Vec<u8>,
    steps: u64,
    depth: u64,
    was_cut: bool,
}

fn error<T>(message: &str) -> Result<T> {
    Err(Stop::Error(message.as_bytes().to_vec()))
}

impl From<Full> for Stop {
    fn from(full: Full) -> Stop {
        let limit = match full.0 {
            Some(size) => format!("size limit ({size})"),
            None => "MAXMAPENTRIES".to_string(),
        };
        Stop::Error(format!("Array overflow, check {limit}").into_bytes())
    }
}

impl<'a> Machine<'a> {
    fn new(program: &'a Program) -> Machine<'a> {
        let mut machine = Machine {
            program,
            tables: program.globals.iter().map(Table::new).collect(),
            tokens: Tokens::default(),
            matched: Vec::new(),
            output: Vec::new(),
            steps: 0,
            depth: 0,
            was_cut: false,
        };
        for (table, global) in machine.tables.iter_mut().zip(&program.globals) {
            let value = match &global.initial {
                Some(Expression::Number(number)) => Value::Long(*number),
                Some(Expression::Text(text)) => Value::Text(text.clone()),
                _ => continue,
            };
            // A new table has place.
            let _ = table.write(Vec::new(), value);
        }
        machine
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.output.len() > MOST_OUTPUT {
            return Err(Stop::Endless);
        }
        Ok(())
    }

    /// Cuts a string that was made to the longest that there may be.
    fn cut(&mut self, mut text: Vec<u8>) -> Value {
        if text.len() >= self.program.string_size {
            text.truncate(self.program.string_size - 1);
            self.was_cut = true;
        }
        Value::Text(text)
    }

    // Statements

    fn block(&mut self, body: &[Statement], frame: &mut Frame) -> Result<Flow> {
        for statement in body {
            match self.statement(statement, frame)? {
                Flow::On => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::On)
    }

    fn statement(&mut self, statement: &Statement, frame: &mut Frame) -> Result<Flow> {
        self.step()?;
        match statement {
            Statement::Expression(expression) => {
                self.value(expression, frame)?;
            }
            Statement::Print(output) => {
                let text = self.format(output, frame)?;
                self.output.extend(text);
            }
            Statement::If(condition, yes, no) => {
                if self.long(condition, frame)? != 0 {
                    return self.block(yes, frame);
                }
                if let Some(no) = no {
                    return self.block(no, frame);
                }
            }
            Statement::While {
                counter,
                most,
                condition,
                body,
            } => {
                frame.write(*counter, Value::Long(0));
                loop {
                    self.step()?;
                    let round = frame.read(Type::Long, *counter).long();
                    frame.write(*counter, Value::Long(round + 1));
                    if round >= *most {
                        break;
                    }
                    if let Some(condition) = condition
                        && self.long(condition, frame)? == 0
                    {
                        break;
                    }
                    match self.block(body, frame)? {
                        Flow::Break => break,
                        leave @ Flow::Leave(_) => return Ok(leave),
                        _ => {}
                    }
                }
            }
            Statement::For {
                counter,
                most,
                body,
            } => {
                for round in 0.. {
                    self.step()?;
                    frame.write(*counter, Value::Long(round));
                    if round >= *most {
                        break;
                    }
                    match self.block(body, frame)? {
                        Flow::Break => break,
                        leave @ Flow::Leave(_) => return Ok(leave),
                        _ => {}
                    }
                }
            }
            Statement::Foreach(foreach) => return self.foreach(foreach, frame),
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Next => return Ok(Flow::Leave(None)),
            Statement::Return(None) => return Ok(Flow::Leave(None)),
            Statement::Return(Some(value)) => {
                return Ok(Flow::Leave(Some(self.value(value, frame)?)));
            }
            Statement::Delete(index, keys) => {
                let keys = self.some_keys(keys, frame)?;
                self.tables[*index].delete(&keys);
            }
            Statement::Try(body, message, handler) => match self.block(body, frame) {
                Err(Stop::Error(text)) => {
                    if let Some(local) = message {
                        let text = self.cut(text);
                        frame.write(*local, text);
                    }
                    return self.block(handler, frame);
                }
                other => return other,
            },
            Statement::Error(message) => {
                return Err(Stop::Error(self.text(message, frame)?));
            }
            Statement::Sample(index, keys, value) => {
                let keys = self.keys(keys, frame)?;
                let value = self.long(value, frame)?;
                self.tables[*index].sample(keys, value)?;
            }
        }
        Ok(Flow::On)
    }

    fn foreach(&mut self, foreach: &Foreach, frame: &mut Frame) -> Result<Flow> {
        let wanted = match &foreach.slice {
            Some(slice) => self.some_keys(slice, frame)?,
            None => Vec::new(),
        };
        let limit = match &foreach.limit {
            Some(limit) => Some(self.long(limit, frame)?),
            None => None,
        };
        let table = &self.tables[foreach.array];
        let mut elements = table.elements.clone();
        elements.retain(|(keys, _)| fits(keys, &wanted));
        if let Some((by, up)) = foreach.sort {
            let key = |(keys, cell): &(Vec<Value>, Cell)| match (by, cell) {
                (SortBy::Key(index), _) => keys.get(index).cloned(),
                (SortBy::Value, Cell::Value(value)) => Some(value.clone()),
                (SortBy::Statistic(extract), Cell::Statistic(found)) => {
                    Statistic::extract(Some(found), extract).map(Value::Long)
                }
                _ => None,
            };
            // Equal ones keep their order.
            elements.sort_by(|left, right| match up {
                true => key(left).cmp(&key(right)),
                false => key(right).cmp(&key(left)),
            });
        }
        if let Some(limit) = limit {
            elements.truncate(usize::try_from(limit).unwrap_or(0));
        }
        for (keys, cell) in elements {
            self.step()?;
            for (&local, key) in foreach.keys.iter().zip(keys) {
                frame.write(local, key);
            }
            if let (Some(local), Cell::Value(value)) = (foreach.value, cell) {
                frame.write(local, value);
            }
            match self.block(&foreach.body, frame)? {
                Flow::Break => break,
                leave @ Flow::Leave(_) => return Ok(leave),
                _ => {}
            }
        }
        Ok(Flow::On)
    }

    // Places

    fn keys(&mut self, keys: &[Expression], frame: &mut Frame) -> Result<Vec<Value>> {
        keys.iter().map(|key| self.value(key, frame)).collect()
    }

    fn some_keys(
        &mut self,
        keys: &[Option<Expression>],
        frame: &mut Frame,
    ) -> Result<Vec<Option<Value>>> {
        let mut values = Vec::new();
        for key in keys {
            values.push(match key {
                Some(key) => Some(self.value(key, frame)?),
                None => None,
            });
        }
        Ok(values)
    }

    fn spot(&mut self, place: &Place, frame: &mut Frame) -> Result<Spot> {
        Ok(match place {
            Place::Local(kind, index) => Spot::Local(*kind, *index),
            Place::Global(index, keys) => Spot::Global(*index, self.keys(keys, frame)?),
        })
    }

    fn read(&self, spot: &Spot, frame: &Frame) -> Value {
        match spot {
            Spot::Local(kind, index) => frame.read(*kind, *index),
            Spot::Global(index, keys) => {
                self.tables[*index].read(keys, self.program.globals[*index].holds)
            }
        }
    }

    fn write(&mut self, spot: Spot, value: Value, frame: &mut Frame) -> Result<()> {
        match spot {
            Spot::Local(_, index) => frame.write(index, value),
            Spot::Global(index, keys) => self.tables[index].write(keys, value)?,
        }
        Ok(())
    }

    // Expressions

    fn long(&mut self, expression: &Expression, frame: &mut Frame) -> Result<i64> {
        Ok(self.value(expression, frame)?.long())
    }

    fn text(&mut self, expression: &Expression, frame: &mut Frame) -> Result<Vec<u8>> {
        Ok(self.value(expression, frame)?.text())
    }

    /// Operands from left to right.
    fn value(&mut self, expression: &Expression, frame: &mut Frame) -> Result<Value> {
        self.step()?;
        Ok(match expression {
            Expression::Number(number) => Value::Long(*number),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Read(place) => {
                let spot = self.spot(place, frame)?;
                self.read(&spot, frame)
            }
            Expression::Assign(place, change, value) => {
                let spot = self.spot(place, frame)?;
                let value = self.value(value, frame)?;
                // As SystemTap has it: the right side may have changed it.
                let old = self.read(&spot, frame);
                let value = match change {
                    Change::Set => value,
                    Change::Calculate(operator) => {
                        Value::Long(calculate(*operator, old.long(), value.long())?)
                    }
                    Change::Append => self.cut([old.text(), value.text()].concat()),
                };
                self.write(spot, value.clone(), frame)?;
                value
            }
            Expression::Step { place, up, before } => {
                let spot = self.spot(place, frame)?;
                let old = self.read(&spot, frame).long();
                let new = old.wrapping_add(if *up { 1 } else { -1 });
                self.write(spot, Value::Long(new), frame)?;
                Value::Long(if *before { new } else { old })
            }
            Expression::Unary(operator, operand) => {
                let operand = self.long(operand, frame)?;
                Value::Long(match operator {
                    Unary::Minus => operand.wrapping_neg(),
                    Unary::Plus => operand,
                    Unary::Not => i64::from(operand == 0),
                    Unary::Complement => !operand,
                })
            }
            Expression::Arithmetic(operator, left, right) => {
                let left = self.long(left, frame)?;
                let right = self.long(right, frame)?;
                Value::Long(calculate(*operator, left, right)?)
            }
            Expression::Compare(operator, left, right) => {
                let left = self.value(left, frame)?;
                let right = self.value(right, frame)?;
                Value::Long(i64::from(match operator {
                    Comparison::Less => left < right,
                    Comparison::LessEqual => left <= right,
                    Comparison::Greater => left > right,
                    Comparison::GreaterEqual => left >= right,
                    Comparison::Equal => left == right,
                    Comparison::NotEqual => left != right,
                }))
            }
            Expression::Logic(both, left, right) => {
                let left = self.long(left, frame)? != 0;
                let result = match left == *both {
                    true => self.long(right, frame)? != 0,
                    false => left,
                };
                Value::Long(i64::from(result))
            }
            Expression::Conditional(condition, yes, no) => {
                let chosen = if self.long(condition, frame)? != 0 {
                    yes
                } else {
                    no
                };
                self.value(chosen, frame)?
            }
            Expression::Join(left, right) => {
                let left = self.text(left, frame)?;
                let right = self.text(right, frame)?;
                self.cut([left, right].concat())
            }
            Expression::Contains(array, keys) => {
                let keys = self.some_keys(keys, frame)?;
                let mut elements = self.tables[*array].elements.iter();
                Value::Long(i64::from(elements.any(|(own, _)| fits(own, &keys))))
            }
            Expression::Matches(wanted, text, pattern) => {
                let text = self.text(text, frame)?;
                let found = longest_match(pattern, &text);
                let is_found = found.is_some();
                if let Some(found) = found {
                    self.matched = found;
                }
                Value::Long(i64::from(is_found == *wanted))
            }
            Expression::Matched => Value::Text(self.matched.clone()),
            Expression::Call(index, arguments) => {
                let arguments = self.keys(arguments, frame)?;
                self.call(*index, arguments)?
            }
            Expression::Library(function, arguments) => {
                let arguments = self.keys(arguments, frame)?;
                self.library(*function, &arguments)
            }
            Expression::Printed(output) => {
                let text = self.format(output, frame)?;
                self.cut(text)
            }
            Expression::Extract(extract, index, keys) => {
                let keys = self.keys(keys, frame)?;
                let found = Statistic::extract(self.tables[*index].statistic(&keys), *extract);
                match found {
                    Some(number) => Value::Long(number),
                    None => return error("empty aggregate"),
                }
            }
        })
    }

    fn call(&mut self, index: usize, arguments: Vec<Value>) -> Result<Value> {
        let function = &self.program.functions[index];
        let mut frame = Frame::default();
        for (&(_, local), argument) in function.parameters.iter().zip(arguments) {
            frame.write(local, argument);
        }
        let empty = Value::empty(function.result.unwrap_or(Type::Long));
        if self.depth == MOST_DEPTH {
            return Err(Stop::Endless);
        }
        self.depth += 1;
        let flow = self.block(&function.body, &mut frame);
        self.depth -= 1;
        Ok(match flow? {
            Flow::Leave(Some(value)) => value,
            _ => empty,
        })
    }

    fn library(&mut self, function: Library, arguments: &[Value]) -> Value {
        let text = |index: usize| arguments[index].clone().text();
        let long = |index: usize| arguments[index].long();
        match function {
            Library::Strlen => Value::Long(text(0).len() as i64),
            Library::Substr => Value::Text(library::substr(&text(0), long(1), long(2))),
            Library::Stringat => Value::Long(library::stringat(&text(0), long(1))),
            Library::Isinstr => Value::Long(i64::from(library::strpos(&text(0), &text(1)) >= 0)),
            Library::Strpos => Value::Long(library::strpos(&text(0), &text(1))),
            Library::StrReplace => {
                let text = library::str_replace(&text(0), &text(1), &text(2));
                self.cut(text)
            }
            Library::Strtol => Value::Long(library::strtol(&text(0), long(1))),
            Library::Tokenize => {
                self.tokens = Tokens::new(text(0));
                Value::Text(self.tokens.next(&text(1)))
            }
            Library::TokenizeNext => Value::Text(self.tokens.next(&text(0))),
        }
    }

    fn format(&mut self, output: &Output, frame: &mut Frame) -> Result<Vec<u8>> {
        let values = self.keys(&output.arguments, frame)?;
        let (by, is_line): (&[u8], bool) = match &output.style {
            Style::Format(pieces) => return Ok(format::pieces(pieces, values)),
            Style::Joined { is_line } => (b"", *is_line),
            Style::Separated { by, is_line } => (by, *is_line),
        };
        let values: Vec<Vec<u8>> = values.iter().map(shown).collect();
        let mut text = values.join(by);
        if is_line {
            text.push(b'\n');
        }
        Ok(text)
    }

    /// What the last probe of the script prints.
    fn display(&mut self) {
        for (index, global) in self.program.globals.iter().enumerate() {
            let table = &self.tables[index];
            let mut elements = table.elements.clone();
            match (global.holds, global.keys.is_empty()) {
                // A scalar is always there.
                (Holds::Value(_), true) => {
                    let value = table.read(&[], global.holds);
                    elements = vec![(Vec::new(), Cell::Value(value))];
                }
                (Holds::Statistic, true) => {
                    let found = table.statistic(&[]);
                    let count = Statistic::extract(found, Extract::Count).unwrap_or(0);
                    let sum = Statistic::extract(found, Extract::Sum).unwrap_or(0);
                    self.output
                        .extend(format!("g{index}: {count} {sum}\n").into_bytes());
                    continue;
                }
                (Holds::Statistic, false) if global.keys.len() == 1 => {
                    elements.sort_by_key(|(keys, _)| keys.clone())
                }
                (Holds::Statistic, false) => {
                    let mut total = 0i64;
                    for (keys, cell) in &elements {
                        let Cell::Statistic(found) = cell else {
                            continue;
                        };
                        let sum = Statistic::extract(Some(found), Extract::Sum);
                        let min = Statistic::extract(Some(found), Extract::Min);
                        let (Some(sum), Some(min)) = (sum, min) else {
                            continue;
                        };
                        let keys: Vec<Vec<u8>> = keys.iter().map(shown).collect();
                        let length = self.cut(keys.join(&b',')).text().len();
                        total = total.wrapping_add(sum ^ min ^ length as i64);
                    }
                    self.output
                        .extend(format!("g{index}: {total}\n").into_bytes());
                    continue;
                }
                (Holds::Value(_), false) => {}
            }
            for (keys, cell) in elements {
                let mut line = format!("g{index}").into_bytes();
                if !keys.is_empty() {
                    let keys: Vec<Vec<u8>> = keys.iter().map(shown).collect();
                    line.push(b'[');
                    line.extend(keys.join(&b','));
                    line.push(b']');
                }
                match cell {
                    Cell::Value(value) => {
                        line.push(b'=');
                        line.extend(shown(&value));
                    }
                    Cell::Statistic(found) => {
                        let count = Statistic::extract(Some(&found), Extract::Count);
                        let max = Statistic::extract(Some(&found), Extract::Max);
                        let (count, max) = (count.unwrap_or(0), max.unwrap_or(0));
                        line.extend(format!(": {count} {max}").into_bytes());
                    }
                }
                line.push(b'\n');
                self.output.extend(line);
            }
        }
    }
}

/// A value as `%d` and `%s` print it.
fn shown(value: &Value) -> Vec<u8> {
    match value {
        Value::Long(number) => number.to_string().into_bytes(),
        Value::Text(text) => text.clone(),
    }
}

/// Wraps at 64 bits.
fn calculate(operator: Arithmetic, left: i64, right: i64) -> Result<i64> {
    let shift = (right & 63) as u32;
    Ok(match operator {
        Arithmetic::Add => left.wrapping_add(right),
        Arithmetic::Subtract => left.wrapping_sub(right),
        Arithmetic::Multiply => left.wrapping_mul(right),
        Arithmetic::Divide | Arithmetic::Modulo if right == 0 => return error("division by 0"),
        Arithmetic::Divide => left.wrapping_div(right),
        Arithmetic::Modulo => left.wrapping_rem(right),
        Arithmetic::And => left & right,
        Arithmetic::Or => left | right,
        Arithmetic::Xor => left ^ right,
        Arithmetic::Left => left << shift,
        Arithmetic::Right => left >> shift,
        Arithmetic::RightLogical => ((left as u64) >> shift) as i64,
    })
}

/// The match that begins first, and of those the longest, as POSIX has it. The pattern's own anchors
/// stand at its ends.
fn longest_match(pattern: &str, text: &[u8]) -> Option<Vec<u8>> {
    let (inner, at_start) = pattern
        .strip_prefix('^')
        .map_or((pattern, false), |rest| (rest, true));
    let (inner, at_end) = inner
        .strip_suffix('$')
        .map_or((inner, false), |rest| (rest, true));
    let regex = Regex::new(&format!("(?s-u)^(?:{inner})$")).ok()?;
    let last = if at_start { 0 } else { text.len() };
    (0..=last).find_map(|from| {
        let first = if at_end { text.len() } else { from };
        let mut ends = (first..=text.len()).rev();
        let end = ends.find(|&end| regex.is_match(&text[from..end]))?;
        Some(text[from..end].to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_the_first_matches_counts() {
        let found = |pattern, text: &str| longest_match(pattern, text.as_bytes());
        assert_eq!(found("(a|ab)", "xab ab").unwrap(), b"ab");
        assert_eq!(found("b*", "ab").unwrap(), b"");
        assert_eq!(found("[^a]$", "ba"), None);
        assert_eq!(found("^b", "ab"), None);
    }

    #[test]
    fn numbers_wrap_and_shifts_are_masked() {
        let two = |operator, left, right| calculate(operator, left, right).ok();
        assert_eq!(two(Arithmetic::Divide, i64::MIN, -1), Some(i64::MIN));
        assert_eq!(two(Arithmetic::Modulo, i64::MIN, -1), Some(0));
        assert_eq!(two(Arithmetic::Modulo, -7, 2), Some(-1));
        assert_eq!(two(Arithmetic::Left, 1, 65), Some(2));
        assert_eq!(two(Arithmetic::Right, -8, -63), Some(-4));
        assert_eq!(two(Arithmetic::RightLogical, -1, 60), Some(15));
        assert_eq!(two(Arithmetic::Divide, 1, 0), None);
    }
}
