// SPDX-License-Identifier: GPL-2.0-or-later
//! A program as text, with no more parentheses than the table of precedence in `docs/language.md`
//! asks for, so that the parser is tested as well.

use std::fmt::Write;

use super::program::*;

/// The script of a program. At its end all globals are printed.
pub fn script(program: &Program) -> String {
    let mut printer = Printer {
        program,
        text: String::new(),
        depth: 0,
    };
    printer.globals();
    for (index, function) in program.functions.iter().enumerate() {
        printer.function(index, function);
    }
    for (index, body) in program.probes.iter().enumerate() {
        printer.block(&format!("probe begin({index})"), body);
    }
    printer.line("probe begin(100) { exit() }");
    printer.line("probe end, error {");
    printer.display();
    printer.line("}");
    printer.text
}

struct Printer<'a> {
    program: &'a Program,
    text: String,
    depth: usize,
}

/// How tightly an expression binds; its operands must not bind less.
fn level(expression: &Expression) -> usize {
    match expression {
        // What follows `=~` is a literal, and what may stand around it is not said.
        Expression::Matches(..) => 0,
        Expression::Assign(..) => 1,
        Expression::Conditional(..) => 2,
        Expression::Logic(false, ..) => 3,
        Expression::Logic(true, ..) => 4,
        Expression::Arithmetic(operator, ..) => level_of(*operator),
        Expression::Contains(..) => 8,
        Expression::Compare(..) => 9,
        Expression::Join(..) => 11,
        Expression::Unary(..) => 14,
        Expression::Number(number) if *number < 0 => 14,
        Expression::Step { .. } => 15,
        _ => 16,
    }
}

fn level_of(operator: Arithmetic) -> usize {
    match operator {
        Arithmetic::Or => 5,
        Arithmetic::Xor => 6,
        Arithmetic::And => 7,
        Arithmetic::Left | Arithmetic::Right | Arithmetic::RightLogical => 10,
        Arithmetic::Add | Arithmetic::Subtract => 12,
        Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Modulo => 13,
    }
}

fn sign(operator: Arithmetic) -> &'static str {
    match operator {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
        Arithmetic::Modulo => "%",
        Arithmetic::And => "&",
        Arithmetic::Or => "|",
        Arithmetic::Xor => "^",
        Arithmetic::Left => "<<",
        Arithmetic::Right => ">>",
        Arithmetic::RightLogical => ">>>",
    }
}

fn comparison(operator: Comparison) -> &'static str {
    match operator {
        Comparison::Less => "<",
        Comparison::LessEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterEqual => ">=",
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
    }
}

fn extractor(extract: Extract) -> &'static str {
    match extract {
        Extract::Count => "@count",
        Extract::Sum => "@sum",
        Extract::Min => "@min",
        Extract::Max => "@max",
        Extract::Average => "@avg",
    }
}

fn library(function: Library) -> &'static str {
    match function {
        Library::Strlen => "strlen",
        Library::Substr => "substr",
        Library::Stringat => "stringat",
        Library::Isinstr => "isinstr",
        Library::Strpos => "strpos",
        Library::StrReplace => "str_replace",
        Library::Strtol => "strtol",
        Library::Tokenize | Library::TokenizeNext => "tokenize",
    }
}

/// The name of a local: `n0` is a number, `s0` a string.
fn local(kind: Type, index: usize) -> String {
    match kind {
        Type::Long => format!("n{index}"),
        Type::Text => format!("s{index}"),
    }
}

/// Bytes as a literal's inside.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        let _ = match byte {
            b'"' | b'\\' => write!(text, "\\{}", byte as char),
            b'\n' => write!(text, "\\n"),
            b'\t' => write!(text, "\\t"),
            b' '..=b'~' => write!(text, "{}", byte as char),
            _ => write!(text, "\\{byte:03o}"),
        };
    }
    text
}

/// The format between its quotes.
fn format_text(format: &[Piece]) -> String {
    let mut text = String::new();
    for piece in format {
        match piece {
            Piece::Literal(bytes) => text.push_str(&escaped(bytes).replace('%', "%%")),
            Piece::Directive(directive) => {
                text.push('%');
                text.extend(directive.flag.map(char::from));
                if directive.takes_width {
                    text.push('*');
                } else if let Some(width) = directive.width {
                    text.push_str(&width.to_string());
                }
                if let Some(precision) = directive.precision {
                    let _ = write!(text, ".{precision}");
                }
                text.push(directive.conversion as char);
            }
        }
    }
    text
}

impl Printer<'_> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{}{text}", "    ".repeat(self.depth));
    }

    fn globals(&mut self) {
        for (index, global) in self.program.globals.iter().enumerate() {
            let mut text = format!("global g{index}");
            if global.wraps {
                text.push('%');
            }
            if let Some(size) = global.size {
                let _ = write!(text, "[{size}]");
            }
            if let Some(initial) = &global.initial {
                let _ = write!(text, " = {}", self.expression(initial, 1));
            }
            self.line(&text);
        }
    }

    /// What the last probe does: statistics of scalars, and all elements in an order that is defined.
    fn display(&mut self) {
        for (index, global) in self.program.globals.iter().enumerate() {
            let name = format!("g{index}");
            let mark = |kind: &Type| match kind {
                Type::Long => "%d",
                Type::Text => "%s",
            };
            let keys: Vec<String> = (0..global.keys.len())
                .map(|key| format!("k{index}_{key}"))
                .collect();
            let marks: Vec<&str> = global.keys.iter().map(mark).collect();
            let marks = marks.join(",");
            let listed = keys.join(", ");
            let text = match (&global.holds, keys.is_empty()) {
                (Holds::Value(kind), true) => {
                    format!("printf(\"{name}={}\\n\", {name})", mark(kind))
                }
                (Holds::Value(kind), false) => format!(
                    "foreach (v{index} = [{listed}] in {name}) printf(\"{name}[{marks}]={}\\n\", {listed}, v{index})",
                    mark(kind)
                ),
                (Holds::Statistic, true) => {
                    format!("printf(\"{name}: %d %d\\n\", @count({name}), @sum({name}))")
                }
                (Holds::Statistic, false) if keys.len() == 1 => format!(
                    "foreach ([{listed}+] in {name}) printf(\"{name}[{marks}]: %d %d\\n\", {listed}, @count({name}[{listed}]), @max({name}[{listed}]))",
                ),
                // Its order depends on the processors that the samples were added on.
                (Holds::Statistic, false) => format!(
                    "total{index} = 0; foreach ([{listed}] in {name}) total{index} += @sum({name}[{listed}]) ^ @min({name}[{listed}]) ^ strlen(sprintf(\"{marks}\", {listed})); printf(\"{name}: %d\\n\", total{index})"
                ),
            };
            self.depth += 1;
            self.line(&text);
            self.depth -= 1;
        }
    }

    fn function(&mut self, index: usize, function: &Function) {
        let typed = |text: String, kind: Type| match (function.declares_types, kind) {
            (false, _) => text,
            (true, Type::Long) => text + ":long",
            (true, Type::Text) => text + ":string",
        };
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|&(kind, number)| typed(local(kind, number), kind))
            .collect();
        let name = format!("function f{index}");
        let name = function
            .result
            .map_or(name.clone(), |kind| typed(name, kind));
        self.block(
            &format!("{name}({})", parameters.join(", ")),
            &function.body,
        );
    }

    fn block(&mut self, head: &str, body: &[Statement]) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        for statement in body {
            self.statement(statement);
        }
        self.depth -= 1;
        self.line("}");
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Expression(expression) => {
                let text = self.expression(expression, 0);
                self.line(&format!("{text};"));
            }
            Statement::Print(output) => {
                let text = self.output("", output);
                self.line(&format!("{text};"));
            }
            Statement::If(condition, yes, no) => {
                let head = format!("if ({})", self.expression(condition, 0));
                self.block(&head, yes);
                if let Some(no) = no {
                    self.block("else", no);
                }
            }
            Statement::While {
                counter,
                most,
                condition,
                body,
            } => {
                self.line(&format!("n{counter} = 0;"));
                let more = condition
                    .as_ref()
                    .map(|condition| self.expression(condition, 5));
                let more = more.map_or(String::new(), |text| format!(" && {text}"));
                self.block(&format!("while (n{counter}++ < {most}{more})"), body);
            }
            Statement::For {
                counter,
                most,
                body,
            } => self.block(
                &format!("for (n{counter} = 0; n{counter} < {most}; n{counter}++)"),
                body,
            ),
            Statement::Foreach(foreach) => {
                let head = self.foreach(foreach);
                self.block(&head, &foreach.body);
            }
            Statement::Break => self.line("break;"),
            Statement::Continue => self.line("continue;"),
            Statement::Next => self.line("next;"),
            Statement::Return(None) => self.line("return;"),
            Statement::Return(Some(value)) => {
                let text = self.expression(value, 0);
                self.line(&format!("return {text};"));
            }
            Statement::Delete(index, keys) => {
                let keys = self.some_keys(keys);
                self.line(&format!("delete g{index}{keys};"));
            }
            Statement::Try(body, message, handler) => {
                self.block("try", body);
                let message = message.map_or(String::new(), |number| format!(" (s{number})"));
                self.block(&format!("catch{message}"), handler);
            }
            Statement::Error(message) => {
                let text = self.expression(message, 0);
                self.line(&format!("error({text});"));
            }
            Statement::Sample(index, keys, value) => {
                let place = self.place(&Place::Global(*index, keys.clone()));
                let value = self.expression(value, 1);
                self.line(&format!("{place} <<< {value};"));
            }
        }
    }

    fn foreach(&self, foreach: &Foreach) -> String {
        let global = &self.program.globals[foreach.array];
        let Holds::Value(kind) = global.holds else {
            return self.foreach_head(foreach, Type::Long);
        };
        self.foreach_head(foreach, kind)
    }

    fn foreach_head(&self, foreach: &Foreach, kind: Type) -> String {
        let global = &self.program.globals[foreach.array];
        let direction = |up| if up { "+" } else { "-" };
        let mut keys: Vec<String> = foreach
            .keys
            .iter()
            .zip(&global.keys)
            .map(|(&number, &kind)| local(kind, number))
            .collect();
        if let Some((SortBy::Key(key), up)) = foreach.sort {
            keys[key].push_str(direction(up));
        }
        let mut text = String::from("foreach (");
        if let Some(value) = foreach.value {
            let _ = write!(text, "{} = ", local(kind, value));
        }
        let _ = write!(text, "[{}] in g{}", keys.join(", "), foreach.array);
        if let Some(slice) = &foreach.slice {
            text.push_str(&self.some_keys(slice));
        }
        match foreach.sort {
            Some((SortBy::Value, up)) => text.push_str(direction(up)),
            Some((SortBy::Statistic(extract), up)) => {
                let _ = write!(text, " {}{}", extractor(extract), direction(up));
            }
            _ => {}
        }
        if let Some(limit) = &foreach.limit {
            let _ = write!(text, " limit {}", self.expression(limit, 3));
        }
        text + ")"
    }

    fn some_keys(&self, keys: &[Option<Expression>]) -> String {
        if keys.is_empty() {
            return String::new();
        }
        let key = |key: &Option<Expression>| match key {
            Some(key) => self.expression(key, 1),
            None => "*".to_string(),
        };
        let keys: Vec<String> = keys.iter().map(key).collect();
        format!("[{}]", keys.join(", "))
    }

    fn list(&self, expressions: &[Expression]) -> String {
        let each = expressions
            .iter()
            .map(|expression| self.expression(expression, 1));
        each.collect::<Vec<String>>().join(", ")
    }

    fn place(&self, place: &Place) -> String {
        match place {
            Place::Local(kind, number) => local(*kind, *number),
            Place::Global(index, keys) if keys.is_empty() => format!("g{index}"),
            Place::Global(index, keys) => format!("g{index}[{}]", self.list(keys)),
        }
    }

    /// `prefix` is `s` if the text is wanted.
    fn output(&self, prefix: &str, output: &Output) -> String {
        let (function, first) = match &output.style {
            Style::Format(pieces) => ("printf", Some(format_text(pieces))),
            Style::Joined { is_line: false } => ("print", None),
            Style::Joined { is_line: true } => ("println", None),
            Style::Separated { by, is_line } => {
                let function = if *is_line { "printdln" } else { "printd" };
                (function, Some(escaped(by)))
            }
        };
        let first = first.map(|text| format!("\"{text}\""));
        let arguments = output
            .arguments
            .iter()
            .map(|argument| self.expression(argument, 1));
        let all: Vec<String> = first.into_iter().chain(arguments).collect();
        format!("{prefix}{function}({})", all.join(", "))
    }

    /// An expression where at least `wanted` is how tightly it must bind.
    fn expression(&self, expression: &Expression, wanted: usize) -> String {
        let text = self.bare(expression);
        match level(expression) < wanted {
            true => format!("({text})"),
            false => text,
        }
    }

    fn two(&self, sign: &str, level: usize, left: &Expression, right: &Expression) -> String {
        let left = self.expression(left, level);
        let right = self.expression(right, level + 1);
        format!("{left} {sign} {right}")
    }

    fn bare(&self, expression: &Expression) -> String {
        match expression {
            Expression::Number(number) => number.to_string(),
            Expression::Text(bytes) => format!("\"{}\"", escaped(bytes)),
            Expression::Read(place) => self.place(place),
            Expression::Assign(place, change, value) => {
                let sign = match change {
                    Change::Set => "=".to_string(),
                    Change::Calculate(operator) => format!("{}=", sign(*operator)),
                    Change::Append => ".=".to_string(),
                };
                let value = self.expression(value, 1);
                format!("{} {sign} {value}", self.place(place))
            }
            Expression::Step { place, up, before } => {
                let sign = if *up { "++" } else { "--" };
                match before {
                    true => format!("{sign}{}", self.place(place)),
                    false => format!("{}{sign}", self.place(place)),
                }
            }
            Expression::Unary(operator, operand) => {
                let sign = match operator {
                    Unary::Minus => "-",
                    Unary::Plus => "+",
                    Unary::Not => "!",
                    Unary::Complement => "~",
                };
                let operand = self.expression(operand, 14);
                // `--x` would be something else.
                let space = if operand.starts_with(sign) { " " } else { "" };
                format!("{sign}{space}{operand}")
            }
            Expression::Arithmetic(operator, left, right) => {
                self.two(sign(*operator), level_of(*operator), left, right)
            }
            Expression::Compare(operator, left, right) => {
                self.two(comparison(*operator), 9, left, right)
            }
            Expression::Logic(both, left, right) => {
                let sign = if *both { "&&" } else { "||" };
                self.two(sign, level(expression), left, right)
            }
            Expression::Conditional(condition, yes, no) => {
                let condition = self.expression(condition, 3);
                let yes = self.expression(yes, 3);
                let no = self.expression(no, 2);
                format!("{condition} ? {yes} : {no}")
            }
            Expression::Join(left, right) => self.two(".", 11, left, right),
            Expression::Contains(array, keys) => format!("{} in g{array}", self.some_keys(keys)),
            Expression::Matches(wanted, text, pattern) => {
                let sign = if *wanted { "=~" } else { "!~" };
                let text = self.expression(text, 10);
                format!("{text} {sign} \"{}\"", escaped(pattern.as_bytes()))
            }
            Expression::Matched => "matched(0)".to_string(),
            Expression::Call(index, arguments) => format!("f{index}({})", self.list(arguments)),
            Expression::Library(function, arguments) => {
                format!("{}({})", library(*function), self.list(arguments))
            }
            Expression::Printed(output) => self.output("s", output),
            Expression::Extract(extract, index, keys) => {
                let place = self.place(&Place::Global(*index, keys.clone()));
                format!("{}({place})", extractor(*extract))
            }
        }
    }
}
