// SPDX-License-Identifier: GPL-2.0-or-later
//! Textual form of the IR, for `-p2` and for tests: the sections `# globals`,
//! `# functions` and `# probes` that SystemTap prints (systemtap.md §3.4); the
//! bodies are in the script language as far as that can say it.

use std::fmt::Write;

use super::arena::IndexVec;
use super::*;

/// The whole program with all bodies.
pub fn print(program: &Program) -> String {
    render(program, true)
}

/// What `-p2` without `-v` prints: names and types only.
pub fn summary(program: &Program) -> String {
    render(program, false)
}

fn render(program: &Program, with_bodies: bool) -> String {
    let mut p = Printer {
        program,
        locals: None,
        text: String::new(),
        depth: 0,
    };
    if !program.globals.is_empty() {
        p.line("# globals");
        for global in program.globals.values() {
            p.global(global);
        }
    }
    if !program.functions.is_empty() {
        p.line("# functions");
        for function in program.functions.values() {
            p.function(function, with_bodies);
        }
    }
    if !program.probes.is_empty() {
        p.line("# probes");
        for probe in &program.probes {
            p.probe(probe, with_bodies);
        }
    }
    p.text
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Long => "long",
        Type::String => "string",
        Type::Stat => "stats",
        Type::Void => "unknown",
    }
}

fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
    text.push('"');
    text
}

struct Printer<'a> {
    program: &'a Program,
    locals: Option<&'a IndexVec<LocalId, Local>>,
    text: String,
    depth: usize,
}

impl<'a> Printer<'a> {
    fn line(&mut self, line: impl AsRef<str>) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn global(&mut self, global: &Global) {
        let name = &global.name;
        self.line(match &global.kind {
            GlobalKind::Scalar { ty, .. } => format!("{name}:{}", type_name(*ty)),
            GlobalKind::Array {
                keys,
                value,
                size,
                wrap,
            } => {
                let keys = keys
                    .iter()
                    .map(|key| type_name(*key))
                    .collect::<Vec<_>>()
                    .join(", ");
                let size = size.map_or_else(String::new, |size| format!("[{size}]"));
                let wrap = if *wrap { "%" } else { "" };
                format!("{name}{wrap}{size}:{} [{keys}]", type_name(*value))
            }
        });
    }

    fn locals(&mut self, locals: &'a IndexVec<LocalId, Local>, skip: usize) {
        if locals.len() > skip {
            self.line("  # locals");
            for local in locals.values().skip(skip) {
                self.line(format!("  {}:{}", local.name, type_name(local.ty)));
            }
        }
        self.locals = Some(locals);
    }

    fn function(&mut self, function: &'a Function, with_body: bool) {
        let parameters = function
            .locals
            .values()
            .take(function.parameters)
            .map(|local| format!("{}:{}", local.name, type_name(local.ty)))
            .collect::<Vec<_>>()
            .join(", ");
        self.line(format!(
            "{}:{} ({parameters})",
            function.name,
            type_name(function.returns)
        ));
        self.locals(&function.locals, function.parameters);
        if !with_body {
            return;
        }
        match &function.body {
            FunctionBody::Script(block) => self.braces(block),
            FunctionBody::C(code) => self.line(format!("%{{{}%}}", code.text)),
        }
    }

    fn probe(&mut self, probe: &Probe, with_body: bool) {
        let mut line = probe.name.clone();
        if let Some(place) = place_text(&probe.kind) {
            let _ = write!(line, " /* {place} */");
        }
        if !probe.derivation.is_empty() {
            let _ = write!(line, " /* <- {} */", probe.derivation.join(" <- "));
        }
        if let Some(condition) = &probe.condition {
            let _ = write!(line, " if ({})", self.expression(condition));
        }
        self.line(line);
        if !with_body {
            if let Some(handler) = self.program.handlers.get(probe.handler) {
                self.locals(&handler.locals, 0);
            }
            return;
        }
        if let Some(entry) = probe
            .entry_handler
            .and_then(|id| self.program.handlers.get(id))
        {
            self.line("# at entry");
            self.locals(&entry.locals, 0);
            self.braces(&entry.body);
        }
        if let Some(handler) = self.program.handlers.get(probe.handler) {
            self.locals(&handler.locals, 0);
            self.braces(&handler.body);
        }
        self.locals = None;
    }

    fn braces(&mut self, block: &[Stmt]) {
        self.line("{");
        self.depth += 1;
        for statement in block {
            self.statement(statement);
        }
        self.depth -= 1;
        self.line("}");
    }

    fn statement(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Expr(value) => {
                let value = self.expression(value);
                self.line(value);
            }
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.expression(condition);
                self.line(format!("if ({condition})"));
                self.braces(then);
                if !otherwise.is_empty() {
                    self.line("else");
                    self.braces(otherwise);
                }
            }
            StmtKind::Loop {
                condition,
                step,
                body,
            } => {
                let part = |p: &Self, e: &Option<Expr>| {
                    e.as_ref().map_or_else(String::new, |e| p.expression(e))
                };
                let (condition, step) = (part(self, condition), part(self, step));
                self.line(format!("for (; {condition}; {step})"));
                self.braces(body);
            }
            StmtKind::Foreach(foreach) => {
                let line = self.foreach(foreach);
                self.line(line);
                self.braces(&foreach.body);
            }
            StmtKind::ForeachHistogram {
                stat,
                histogram,
                bucket,
                value,
                sort,
                limit,
                body,
            } => {
                let value = value.map_or_else(String::new, |id| format!("{} = ", self.local(id)));
                let sort = sort.map_or("", |(_, direction)| sign(direction));
                let limit = limit.as_ref().map_or_else(String::new, |limit| {
                    format!(" limit {}", self.expression(limit))
                });
                self.line(format!(
                    "foreach ({value}[{}] in {}{sort}{limit})",
                    self.local(*bucket),
                    self.histogram(stat, histogram)
                ));
                self.braces(body);
            }
            StmtKind::Break => self.line("break"),
            StmtKind::Continue => self.line("continue"),
            StmtKind::Return(value) => {
                let value = value
                    .as_ref()
                    .map_or_else(String::new, |value| format!(" {}", self.expression(value)));
                self.line(format!("return{value}"));
            }
            StmtKind::Next => self.line("next"),
            StmtKind::DeleteGlobal(id) => self.line(format!("delete {}", self.global_name(*id))),
            StmtKind::DeleteLocal(id) => self.line(format!("delete {}", self.local(*id))),
            StmtKind::DeleteElement { array, keys } => {
                let keys = self.optional_keys(keys);
                self.line(format!("delete {}[{keys}]", self.global_name(*array)));
            }
            StmtKind::Try { body, error, catch } => {
                self.line("try");
                self.braces(body);
                let error = error.map_or_else(String::new, |id| format!(" ({})", self.local(id)));
                self.line(format!("catch{error}"));
                self.braces(catch);
            }
        }
    }

    fn foreach(&self, foreach: &Foreach) -> String {
        let mut keys = Vec::new();
        for (index, key) in foreach.keys.iter().enumerate() {
            let name = key.map_or("_", |id| self.local(id));
            let mark = match foreach.sort {
                Some(Sort {
                    by: SortBy::Key(by),
                    direction,
                }) if by == index => sign(direction),
                _ => "",
            };
            keys.push(format!("{name}{mark}"));
        }
        let value = foreach
            .value
            .map_or_else(String::new, |id| format!("{} = ", self.local(id)));
        let mut line = format!(
            "foreach ({value}[{}] in {}",
            keys.join(", "),
            self.global_name(foreach.array)
        );
        if !foreach.slice.is_empty() {
            let _ = write!(line, "[{}]", self.optional_keys(&foreach.slice));
        }
        if let Some(Sort {
            by: SortBy::Value(operation),
            direction,
        }) = foreach.sort
        {
            let global = self.program.globals.get(foreach.array);
            if global.is_some_and(|global| global.value_type() == Type::Stat) {
                let _ = write!(line, " @{}", operation_name(operation));
            }
            line.push_str(sign(direction));
        }
        if let Some(limit) = &foreach.limit {
            let _ = write!(line, " limit {}", self.expression(limit));
        }
        line + ")"
    }

    fn local(&self, id: LocalId) -> &str {
        self.locals
            .and_then(|locals| locals.get(id))
            .map_or("?", |local| local.name.as_str())
    }

    fn global_name(&self, id: GlobalId) -> &str {
        self.program
            .globals
            .get(id)
            .map_or("?", |global| global.name.as_str())
    }

    fn list(&self, expressions: &[Expr]) -> String {
        expressions
            .iter()
            .map(|e| self.expression(e))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn optional_keys(&self, keys: &[Option<Expr>]) -> String {
        keys.iter()
            .map(|key| {
                key.as_ref()
                    .map_or_else(|| "*".to_owned(), |key| self.expression(key))
            })
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn stat(&self, place: &StatPlace) -> String {
        match place {
            StatPlace::Scalar(id) => self.global_name(*id).to_owned(),
            StatPlace::Element(id, keys) => {
                format!("{}[{}]", self.global_name(*id), self.list(keys))
            }
            StatPlace::Iterated(id) => format!("{}[this]", self.global_name(*id)),
        }
    }

    fn histogram(&self, place: &StatPlace, histogram: &Histogram) -> String {
        let stat = self.stat(place);
        match histogram {
            Histogram::Linear { low, high, step } => {
                format!("@hist_linear({stat}, {low}, {high}, {step})")
            }
            Histogram::None | Histogram::Log => format!("@hist_log({stat})"),
        }
    }

    fn place(&self, place: &Place) -> String {
        match place {
            Place::Local(id) => self.local(*id).to_owned(),
            Place::Global(id) => self.global_name(*id).to_owned(),
            Place::Element(id, keys) => {
                format!("{}[{}]", self.global_name(*id), self.list(keys))
            }
            Place::Memory {
                space,
                address,
                size,
                bits,
                ..
            } => {
                let bits =
                    bits.map_or_else(String::new, |(low, width)| format!(", bits {low}+{width}"));
                format!(
                    "{}({size}, {}{bits})",
                    access(*space),
                    self.expression(address)
                )
            }
            Place::Register { number, .. } => format!("@kregister({number})"),
            Place::ReturnValue { .. } => "$return".to_owned(),
            Place::Argument(n) => format!("argument({n})"),
            Place::Saved(n) => format!("saved({n})"),
            Place::SavedString(n) => format!("saved_string({n})"),
            Place::ProcfsValue => "$value".to_owned(),
        }
    }

    fn expression(&self, expression: &Expr) -> String {
        match &expression.kind {
            ExprKind::Number(value) => value.to_string(),
            ExprKind::String(bytes) => quote(bytes),
            ExprKind::Local(id) => self.local(*id).to_owned(),
            ExprKind::Global(id) => self.global_name(*id).to_owned(),
            ExprKind::Element(id, keys) => {
                format!("{}[{}]", self.global_name(*id), self.list(keys))
            }
            ExprKind::Assign {
                place,
                operator,
                value,
            } => {
                let operator = operator.map_or("", binary);
                format!(
                    "({} {operator}= {})",
                    self.place(place),
                    self.expression(value)
                )
            }
            ExprKind::Step {
                place,
                is_prefix,
                by,
            } => {
                let symbol = if *by < 0 { "--" } else { "++" };
                let place = self.place(place);
                if *is_prefix {
                    format!("({symbol}{place})")
                } else {
                    format!("({place}{symbol})")
                }
            }
            ExprKind::Accumulate { stat, value } => {
                format!("({} <<< {})", self.stat(stat), self.expression(value))
            }
            ExprKind::Unary(operator, value) => {
                let symbol = match operator {
                    UnaryOperator::Negate => "-",
                    UnaryOperator::Not => "!",
                    UnaryOperator::Complement => "~",
                    UnaryOperator::FloatToDouble => "fp32_to_fp64",
                };
                format!("{symbol}({})", self.expression(value))
            }
            ExprKind::Binary(operator, a, b) => self.infix(a, binary(*operator), b),
            ExprKind::Compare(operator, a, b) => {
                let symbol = match operator {
                    CompareOperator::Equal => "==",
                    CompareOperator::NotEqual => "!=",
                    CompareOperator::Less => "<",
                    CompareOperator::LessOrEqual => "<=",
                    CompareOperator::Greater => ">",
                    CompareOperator::GreaterOrEqual => ">=",
                };
                self.infix(a, symbol, b)
            }
            ExprKind::And(a, b) => self.infix(a, "&&", b),
            ExprKind::Or(a, b) => self.infix(a, "||", b),
            ExprKind::Sequence(a, b) => self.infix(a, ",", b),
            ExprKind::Concat(a, b) => self.infix(a, ".", b),
            ExprKind::Ternary(condition, a, b) => format!(
                "({} ? {} : {})",
                self.expression(condition),
                self.expression(a),
                self.expression(b)
            ),
            ExprKind::Match {
                string,
                pattern,
                negated,
                ..
            } => {
                let symbol = if *negated { "!~" } else { "=~" };
                format!(
                    "({} {symbol} {})",
                    self.expression(string),
                    quote(pattern.as_bytes())
                )
            }
            ExprKind::In(id, keys) => {
                format!(
                    "([{}] in {})",
                    self.optional_keys(keys),
                    self.global_name(*id)
                )
            }
            ExprKind::Call {
                candidates,
                arguments,
            } => {
                let function = candidates
                    .first()
                    .and_then(|id| self.program.functions.get(*id));
                let name = function.map_or("?", |function| function.name.as_str());
                format!("{name}({})", self.list(arguments))
            }
            ExprKind::Stat(operation, place) => {
                format!("@{}({})", operation_name(*operation), self.stat(place))
            }
            ExprKind::HistogramBucket {
                stat,
                histogram,
                index,
            } => {
                format!(
                    "{}[{}]",
                    self.histogram(stat, histogram),
                    self.expression(index)
                )
            }
            ExprKind::Print(print) => self.print(print),
            ExprKind::Read {
                space,
                address,
                size,
                is_signed,
            } => {
                let sign = if *is_signed { "s" } else { "u" };
                format!("{}({sign}{}, {})", access(*space), 8 * u32::from(*size), {
                    self.expression(address)
                })
            }
            ExprKind::Extend {
                value,
                size,
                is_signed,
            } => {
                let sign = if *is_signed { "s" } else { "u" };
                format!("{sign}{}({})", 8 * u32::from(*size), self.expression(value))
            }
            ExprKind::Register(number) => format!("@kregister({number})"),
            ExprKind::ReturnValue => "$return".to_owned(),
            ExprKind::Argument(n) => format!("$arg{}", n + 1),
            ExprKind::Saved(n) => format!("saved({n})"),
            ExprKind::SavedString(n) => format!("saved_string({n})"),
            ExprKind::Relocated {
                module,
                section,
                offset,
            } => format!(
                "address({}{}+{offset:#x})",
                module.as_deref().unwrap_or("_stext"),
                section.as_deref().unwrap_or("")
            ),
            ExprKind::PerCpu(address) => format!("this_cpu({})", self.expression(address)),
            ExprKind::MemoryString {
                space,
                address,
                limit,
            } => {
                let function = match space {
                    Space::Kernel => "kernel_string_n",
                    Space::User => "user_string_n",
                };
                format!("{function}({}, {limit})", self.expression(address))
            }
            ExprKind::ProcfsValue => "$value".to_owned(),
            ExprKind::EmbeddedC(code) => format!("%{{{}%}}", code.text),
            ExprKind::CConstant(text) => format!("@const({})", quote(text.as_bytes())),
        }
    }

    fn infix(&self, a: &Expr, symbol: &str, b: &Expr) -> String {
        format!("({} {symbol} {})", self.expression(a), self.expression(b))
    }

    /// A print function as printf with its format.
    fn print(&self, print: &Print) -> String {
        let (mut format, mut arguments) = (Vec::new(), String::new());
        for piece in &print.pieces {
            match piece {
                PrintPiece::Literal(bytes) => {
                    for byte in bytes {
                        format.push(*byte);
                        if *byte == b'%' {
                            format.push(b'%');
                        }
                    }
                }
                PrintPiece::Value {
                    conversion,
                    flags,
                    width,
                    precision,
                    value,
                } => {
                    format.push(b'%');
                    for (is_set, flag) in [
                        (flags.left, b'-'),
                        (flags.plus, b'+'),
                        (flags.space, b' '),
                        (flags.zero, b'0'),
                        (flags.alternate, b'#'),
                    ] {
                        if is_set {
                            format.push(flag);
                        }
                    }
                    for (prefix, part) in [("", width), (".", precision)] {
                        match part.as_ref().map(|part| &part.kind) {
                            None => {}
                            Some(ExprKind::Number(number)) => {
                                format.extend(format!("{prefix}{number}").bytes());
                            }
                            Some(_) => {
                                format.extend(format!("{prefix}*").bytes());
                                let part = part.as_ref().map(|part| self.expression(part));
                                let _ = write!(arguments, ", {}", part.unwrap_or_default());
                            }
                        }
                    }
                    format.push(letter(*conversion));
                    let _ = write!(arguments, ", {}", self.expression(value));
                }
                PrintPiece::Histogram { stat, histogram } => {
                    format.extend(b"%H");
                    let _ = write!(arguments, ", {}", self.histogram(stat, histogram));
                }
            }
        }
        let name = if print.is_string { "sprintf" } else { "printf" };
        format!("{name}({}{arguments})", quote(&format))
    }
}

fn letter(conversion: Conversion) -> u8 {
    match conversion {
        Conversion::Decimal => b'd',
        Conversion::Unsigned => b'u',
        Conversion::Octal => b'o',
        Conversion::HexLower => b'x',
        Conversion::HexUpper => b'X',
        Conversion::Pointer => b'p',
        Conversion::String => b's',
        Conversion::Character => b'c',
        Conversion::Binary => b'b',
        Conversion::Memory => b'm',
        Conversion::MemoryHex => b'M',
    }
}

fn sign(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "+",
        Direction::Descending => "-",
    }
}

fn access(space: Space) -> &'static str {
    match space {
        Space::Kernel => "@kderef",
        Space::User => "@uderef",
    }
}

fn operation_name(operation: StatOperation) -> &'static str {
    match operation {
        StatOperation::Count => "count",
        StatOperation::Sum => "sum",
        StatOperation::Minimum => "min",
        StatOperation::Maximum => "max",
        StatOperation::Average => "avg",
        StatOperation::Variance => "variance",
    }
}

fn binary(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        BinaryOperator::ShiftLeft => "<<",
        BinaryOperator::ShiftRight => ">>",
        BinaryOperator::ShiftRightLogical => ">>>",
        BinaryOperator::And => "&",
        BinaryOperator::Or => "|",
        BinaryOperator::Xor => "^",
        BinaryOperator::Concat => ".",
    }
}

/// `pc=_stext+0x34cc50` for probes at an instruction.
fn place_text(kind: &ProbeKind) -> Option<String> {
    let place = match kind {
        ProbeKind::Function(place)
        | ProbeKind::Address(place)
        | ProbeKind::Return { place, .. }
        | ProbeKind::Breakpoint { place, .. } => place,
        _ => return None,
    };
    let base = match (&place.module, &place.section) {
        _ if place.is_absolute => return Some(format!("pc={:#x}", place.offset)),
        (None, _) => "_stext",
        (Some(_), Some(section)) => section,
        (Some(module), None) => module,
    };
    Some(format!("pc={base}+{:#x}", place.offset))
}
