// SPDX-License-Identifier: GPL-2.0-or-later
//! Expressions to C. Whatever has effects or can fail becomes statements, in
//! source order; the rest stays one C expression, which gcc can work with.

use crate::ir::*;

use super::CodegenError;
use super::analysis::as_add;
use super::body::{Body, Home, Reads, Result, Value};
use super::embedded;
use super::writer::{Writer, bare, literal, number, quote_or_null};

impl Body<'_> {
    /// Evaluates for the effects only. `is_statement`: no part of another expression.
    pub fn effect(&mut self, expression: &Expr, is_statement: bool) -> Result<()> {
        if is_statement
            && let Some((id, operand)) = as_add(expression)
            && self.unit.analysis.atomic.contains(&id)
        {
            return self.atomic_add(id, expression, operand);
        }
        match &expression.kind {
            ExprKind::Assign {
                place,
                operator,
                value,
            } => {
                self.assign(place, *operator, value, expression.at, false)?;
            }
            ExprKind::Step { place, by, .. } => {
                let one = Expr {
                    kind: ExprKind::Number(*by),
                    ty: Type::Long,
                    at: expression.at,
                };
                self.assign(place, Some(BinaryOperator::Add), &one, expression.at, false)?;
            }
            ExprKind::Accumulate { stat, value } => {
                self.accumulate(stat, value, expression.at)?;
            }
            ExprKind::Call {
                candidates,
                arguments,
            } => {
                self.call(candidates, arguments, expression, false)?;
            }
            ExprKind::Print(print) if !print.is_string => self.print(print, expression.at)?,
            ExprKind::Sequence(first, second) => {
                self.effect(first, is_statement)?;
                self.effect(second, false)?;
            }
            ExprKind::Ternary(condition, left, right) => {
                let condition = self.expression(condition)?;
                self.out.open(format!("if ({})", bare(&condition.text)));
                self.effect(left, false)?;
                self.out.otherwise();
                self.effect(right, false)?;
                self.out.close("");
            }
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                let left = self.expression(left)?;
                let not = if matches!(expression.kind, ExprKind::Or(..)) {
                    "!"
                } else {
                    ""
                };
                self.out.open(format!("if ({not}{})", left.text));
                self.effect(right, false)?;
                self.out.close("");
            }
            ExprKind::EmbeddedC(code) => {
                embedded::global_macros(&mut self.out, self.unit, code, true);
                embedded::source_line(&mut self.out, code);
                self.out.raw(&format!("(void)({});\n", code.text));
                self.out.raw(embedded::HERE);
                embedded::global_macros(&mut self.out, self.unit, code, false);
            }
            _ => {
                // Only what it does or how it can fail is left; the value is dropped.
                self.expression(expression)?;
            }
        }
        Ok(())
    }

    fn atomic_add(
        &mut self,
        id: GlobalId,
        expression: &Expr,
        operand: Option<&Expr>,
    ) -> Result<()> {
        let name = self.global(id);
        let text = match (&expression.kind, operand) {
            (_, Some(operand)) => self.expression(operand)?.text,
            (ExprKind::Step { by, .. }, _) => number(*by),
            _ => number(1),
        };
        let function = match &expression.kind {
            ExprKind::Assign {
                operator: Some(BinaryOperator::Subtract),
                ..
            } => "sub",
            _ => "add",
        };
        self.line(format!(
            "__atomic_fetch_{function}(&{name}.value, {}, __ATOMIC_RELAXED);",
            bare(&text)
        ));
        Ok(())
    }

    /// Evaluates; see [`Value`].
    pub fn expression(&mut self, expression: &Expr) -> Result<Value> {
        let at = expression.at;
        Ok(match &expression.kind {
            ExprKind::Number(value) => Value::long(number(*value)),
            ExprKind::String(bytes) => Value::string(literal(bytes), Home::Outside),
            ExprKind::Local(id) => self.local_value(*id),
            ExprKind::Global(id) => self.global_value(*id),
            ExprKind::Element(id, keys) => self.element(*id, keys, at)?,
            ExprKind::Assign {
                place,
                operator,
                value,
            } => self.assign(place, *operator, value, at, true)?,
            ExprKind::Step {
                place,
                is_prefix,
                by,
            } => self.step(place, *is_prefix, *by, at)?,
            ExprKind::Accumulate { stat, value } => self.accumulate(stat, value, at)?,
            ExprKind::Unary(operator, value) => {
                let value = self.expression(value)?;
                let operator = match operator {
                    UnaryOperator::Negate => "-",
                    UnaryOperator::Not => "!",
                    UnaryOperator::Complement => "~",
                    UnaryOperator::FloatToDouble => "rst_double_of_float",
                };
                value.map(|text| format!("({operator}({text}))"))
            }
            ExprKind::Binary(operator, left, right) => {
                let mut values = self.operands(&[left, right])?.into_iter();
                match (values.next(), values.next()) {
                    (Some(left), Some(right)) => self.binary(*operator, left, right, at)?,
                    _ => return Err(CodegenError::new("an operator without operands")),
                }
            }
            ExprKind::Compare(operator, left, right) => self.compare(*operator, left, right)?,
            ExprKind::And(left, right) => self.short_circuit(left, right, true)?,
            ExprKind::Or(left, right) => self.short_circuit(left, right, false)?,
            ExprKind::Ternary(condition, left, right) => {
                self.ternary(condition, left, right, expression.ty)?
            }
            ExprKind::Sequence(first, second) => {
                self.effect(first, false)?;
                self.expression(second)?
            }
            ExprKind::Concat(left, right) => {
                let values = self.operands(&[left, right])?;
                self.concat(&values, at)
            }
            ExprKind::Match {
                string,
                pattern,
                negated,
                captures,
            } => {
                let string = self.expression(string)?;
                let (index, scratch) = self.unit.regex(pattern, *captures)?;
                let not = if *negated { "!" } else { "" };
                let name = self.temporary(Type::Long);
                self.line(format!(
                    "{name} = {not}rst_regex_match(c, &script_regex_{index}, {});",
                    string.text
                ));
                if scratch > 0 {
                    self.take(scratch);
                    self.check(Some(at));
                }
                Value::long(name)
            }
            ExprKind::In(id, keys) => self.contains(*id, keys, at)?,
            ExprKind::Call {
                candidates,
                arguments,
            } => self.call(candidates, arguments, expression, true)?,
            ExprKind::Stat(operation, place) => self.stat_operation(*operation, place, at)?,
            ExprKind::HistogramBucket { stat, index, .. } => {
                self.histogram_bucket(stat, index, at)?
            }
            ExprKind::Print(print) if print.is_string => self.print_to_string(print, at)?,
            ExprKind::Print(print) => {
                self.print(print, at)?;
                Value::long("0")
            }
            ExprKind::Read {
                space,
                address,
                size,
                is_signed,
            } => {
                let address = self.expression(address)?;
                let name = self.read(*space, &address.text, *size, *is_signed);
                self.check(Some(at));
                Value::long(name)
            }
            ExprKind::Extend {
                value,
                size,
                is_signed,
            } => {
                let cast = integer_type(*size, *is_signed);
                self.expression(value)?
                    .map(|text| format!("((int64_t)({cast})({}))", bare(text)))
            }
            ExprKind::Register(register) => other(Value::long(format!(
                "((int64_t){})",
                register_name(*register)?
            ))),
            ExprKind::ReturnValue => other(Value::long("((int64_t)rst_return_register(c))")),
            ExprKind::Argument(n) => {
                if *n >= 12 {
                    return Err(CodegenError::new(format!(
                        "argument {} of a tracepoint: 12 are supported",
                        n + 1
                    )));
                }
                Value::long(format!("((int64_t)c->arguments[{n}])"))
            }
            ExprKind::Saved(n) => other(Value::long(format!("((int64_t)c->saved[{n}])"))),
            ExprKind::SavedString(n) => {
                let size = self.unit.string_size();
                Value::string(
                    format!("rst_string_from_buffer((const char *)&c->saved[{n}], {size})"),
                    Home::Frame,
                )
            }
            ExprKind::Relocated {
                module,
                section,
                offset,
            } => {
                let name = self.temporary(Type::Long);
                let module = quote_or_null(module.as_deref());
                let section = quote_or_null(section.as_deref());
                self.line(format!(
                    "{name} = rst_relocate(c, {module}, {section}, {offset:#x});"
                ));
                self.check(Some(at));
                Value::long(name)
            }
            ExprKind::PerCpu(address) => {
                let address = self.expression(address)?;
                let name = self.temporary(Type::Long);
                self.line(format!(
                    "{name} = rst_this_cpu_address(c, {});",
                    bare(&address.text)
                ));
                Value::long(name)
            }
            ExprKind::MemoryString {
                space,
                address,
                limit,
            } => {
                let address = self.expression(address)?;
                let function = match space {
                    Space::Kernel => "rst_kernel_string",
                    Space::User => "rst_user_string",
                };
                let name = self.temporary(Type::String);
                self.line(format!(
                    "{name} = {function}(c, {}, {limit});",
                    bare(&address.text)
                ));
                self.take_strings(1);
                self.check(Some(at));
                Value::string(name, Home::Statement)
            }
            ExprKind::ProcfsValue => other(Value::string("c->procfs_value", Home::Frame)),
            ExprKind::EmbeddedC(code) => self.embedded_expression(code, expression.ty),
            ExprKind::CConstant(text) => Value::long(format!("((int64_t)({text}))")),
        })
    }

    fn local_value(&self, id: LocalId) -> Value {
        let ty = self.locals.get(id).map_or(Type::Long, |local| local.ty);
        let is_assigned = self.uses.assigned.contains(&id);
        let home = if self.uses.confined.contains(&id) {
            Home::Statement
        } else if self.uses.assigned_in_loop.contains(&id) {
            Home::Variable
        } else if self.is_parameter(id) && !is_assigned {
            Home::Outside
        } else {
            Home::Frame
        };
        let reads = Reads {
            locals: [id].into(),
            ..Reads::default()
        };
        Value {
            text: self.local(id).to_owned(),
            ty,
            reads,
            home,
        }
    }

    fn global_value(&self, id: GlobalId) -> Value {
        let name = self.global(id);
        let ty = self.unit.program.globals[id].value_type();
        let reads = Reads {
            globals: [id].into(),
            ..Reads::default()
        };
        let is_written = self.unit.analysis.is_written(id);
        let text = match ty {
            Type::String => format!("script_string(&{name}.value)"),
            _ if self.unit.analysis.atomic.contains(&id) => {
                format!("__atomic_load_n(&{name}.value, __ATOMIC_RELAXED)")
            }
            _ => format!("{name}.value"),
        };
        let home = if is_written {
            Home::Variable
        } else {
            Home::Outside
        };
        Value {
            text,
            ty,
            reads,
            home,
        }
    }

    /// `left operator right`, with the check that a division needs.
    pub fn binary(
        &mut self,
        operator: BinaryOperator,
        left: Value,
        right: Value,
        at: LocationId,
    ) -> Result<Value> {
        if operator == BinaryOperator::Concat {
            return Ok(self.concat(&[left, right], at));
        }
        let right = if matches!(operator, BinaryOperator::Divide | BinaryOperator::Modulo) {
            let constant = constant(&right.text);
            if constant.is_some_and(|value| value != 0) {
                right
            } else {
                let right = self.simple(right)?;
                self.fail_if(&format!("{} == 0", right.text), "division by 0", at);
                right
            }
        } else {
            right
        };
        let (a, b) = (&left.text, &right.text);
        let is_plain_divisor = constant(b).is_some_and(|value| value != 0 && value != -1);
        let text = match operator {
            BinaryOperator::Add => format!("({a} + {b})"),
            BinaryOperator::Subtract => format!("({a} - {b})"),
            BinaryOperator::Multiply => format!("({a} * {b})"),
            BinaryOperator::Divide if is_plain_divisor => format!("({a} / {b})"),
            BinaryOperator::Modulo if is_plain_divisor => format!("({a} % {b})"),
            BinaryOperator::Divide => format!("rst_divide({}, {})", bare(a), bare(b)),
            BinaryOperator::Modulo => format!("rst_modulo({}, {})", bare(a), bare(b)),
            BinaryOperator::And => format!("({a} & {b})"),
            BinaryOperator::Or => format!("({a} | {b})"),
            BinaryOperator::Xor => format!("({a} ^ {b})"),
            BinaryOperator::ShiftLeft => format!("(int64_t)((uint64_t){a} << {})", shift(b)),
            BinaryOperator::ShiftRight => format!("((int64_t){a} >> {})", shift(b)),
            BinaryOperator::ShiftRightLogical => {
                format!("(int64_t)((uint64_t){a} >> {})", shift(b))
            }
            BinaryOperator::Concat => String::new(),
        };
        let text = if text.starts_with("(int64_t)") {
            format!("({text})")
        } else {
            text
        };
        Ok(Value {
            text,
            ty: Type::Long,
            reads: left.reads.and(&right.reads),
            home: Home::Outside,
        })
    }

    pub fn concat(&mut self, values: &[Value], at: LocationId) -> Value {
        let name = self.temporary(Type::String);
        let list = values
            .iter()
            .map(|value| value.text.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        self.line(format!("{name} = rst_string_concat(c, {list});"));
        self.take_strings(1);
        self.check(Some(at));
        Value::string(name, Home::Statement)
    }

    fn compare(&mut self, operator: CompareOperator, left: &Expr, right: &Expr) -> Result<Value> {
        let is_string = left.ty == Type::String;
        let values = self.operands(&[left, right])?;
        let [a, b] = values.as_slice() else {
            return Err(CodegenError::new("a comparison without operands"));
        };
        let symbol = match operator {
            CompareOperator::Equal => "==",
            CompareOperator::NotEqual => "!=",
            CompareOperator::Less => "<",
            CompareOperator::LessOrEqual => "<=",
            CompareOperator::Greater => ">",
            CompareOperator::GreaterOrEqual => ">=",
        };
        let text = match (is_string, operator) {
            (false, _) => format!("({} {symbol} {})", a.text, b.text),
            (true, CompareOperator::Equal) => format!("rst_string_equal({}, {})", a.text, b.text),
            (true, CompareOperator::NotEqual) => {
                format!("(!rst_string_equal({}, {}))", a.text, b.text)
            }
            (true, _) => format!("(rst_string_compare({}, {}) {symbol} 0)", a.text, b.text),
        };
        let reads = a.reads.clone().and(&b.reads);
        Ok(Value {
            text,
            ty: Type::Long,
            reads,
            home: Home::Outside,
        })
    }

    /// Runs `action` with its statements going to a text of their own.
    fn apart<T>(&mut self, action: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, Writer)> {
        let inner = Writer::at(self.out.depth() + 1);
        let outer = std::mem::replace(&mut self.out, inner);
        let result = action(self);
        let inner = std::mem::replace(&mut self.out, outer);
        Ok((result?, inner))
    }

    fn short_circuit(&mut self, left: &Expr, right: &Expr, is_and: bool) -> Result<Value> {
        let left = self.expression(left)?;
        let (right, statements) = self.apart(|body| body.expression(right))?;
        if statements.is_empty() {
            let symbol = if is_and { "&&" } else { "||" };
            let reads = left.reads.and(&right.reads);
            let text = format!("({} {symbol} {})", left.text, right.text);
            return Ok(Value {
                text,
                ty: Type::Long,
                reads,
                home: Home::Outside,
            });
        }
        let name = self.temporary(Type::Long);
        self.line(format!("{name} = {} != 0;", left.text));
        self.out
            .open(format!("if ({}{name})", if is_and { "" } else { "!" }));
        self.out.raw(&statements.into_text());
        self.line(format!("{name} = {} != 0;", right.text));
        self.out.close("");
        Ok(Value::long(name))
    }

    fn ternary(&mut self, condition: &Expr, left: &Expr, right: &Expr, ty: Type) -> Result<Value> {
        let condition = self.expression(condition)?;
        let (a, first) = self.apart(|body| body.expression(left))?;
        let (b, second) = self.apart(|body| body.expression(right))?;
        let home = a.home.min(b.home);
        if first.is_empty() && second.is_empty() && ty != Type::Void {
            let reads = condition.reads.and(&a.reads).and(&b.reads);
            let text = format!("({} ? {} : {})", condition.text, a.text, b.text);
            return Ok(Value {
                text,
                ty,
                reads,
                home,
            });
        }
        let name = self.temporary(ty);
        self.out.open(format!("if ({})", bare(&condition.text)));
        self.out.raw(&first.into_text());
        self.line(format!("{name} = {};", bare(&a.text)));
        self.out.otherwise();
        self.out.raw(&second.into_text());
        self.line(format!("{name} = {};", bare(&b.text)));
        self.out.close("");
        let reads = if ty == Type::String && home == Home::Variable {
            a.reads.and(&b.reads)
        } else {
            Reads::default()
        };
        Ok(Value {
            text: name,
            ty,
            reads,
            home,
        })
    }

    /// Reads memory into a temporary; the caller checks for failure.
    pub fn read(&mut self, space: Space, address: &str, size: u8, is_signed: bool) -> String {
        let function = match space {
            Space::Kernel => "rst_read_kernel",
            Space::User => "rst_read_user",
        };
        let cast = if is_signed && size < 8 {
            format!("({})", integer_type(size, true))
        } else {
            String::new()
        };
        let name = self.temporary(Type::Long);
        self.line(format!(
            "{name} = {cast}{function}(c, {}, {size});",
            bare(address)
        ));
        name
    }

    fn embedded_expression(&mut self, code: &EmbeddedCode, ty: Type) -> Value {
        let name = self.temporary(ty);
        let (before, after) = match ty {
            Type::String => ("rst_string_from_buffer((", "), MAXSTRINGLEN)"),
            _ => ("(int64_t)(", ")"),
        };
        embedded::global_macros(&mut self.out, self.unit, code, true);
        self.line(format!("{name} = {before}"));
        embedded::source_line(&mut self.out, code);
        self.out.raw(&code.text);
        self.out.raw("\n");
        self.out.raw(embedded::HERE);
        self.line(format!("{after};"));
        embedded::global_macros(&mut self.out, self.unit, code, false);
        if embedded::traits(&code.text).may_fail {
            self.check(None);
        }
        let value = Value::string(name.clone(), Home::Statement);
        if ty == Type::String {
            value
        } else {
            Value::long(name)
        }
    }

    /// A call of the first candidate, and of the next ones if it says `next`.
    fn call(
        &mut self,
        candidates: &[FunctionId],
        arguments: &[Expr],
        expression: &Expr,
        is_wanted: bool,
    ) -> Result<Value> {
        let list: Vec<&Expr> = arguments.iter().collect();
        let mut values = self.operands(&list)?;
        let callee_uses = super::analysis::Uses {
            functions: candidates.iter().copied().collect(),
            ..super::analysis::Uses::default()
        };
        for value in &mut values {
            // A string argument is a view; the callee must not pull it away.
            if value.ty == Type::String && self.conflicts(value, &callee_uses) {
                *value = self.save(value.clone())?;
            } else if candidates.len() > 1 {
                *value = self.simple(value.clone())?;
            }
        }
        let infos: Vec<_> = candidates
            .iter()
            .map(|id| self.unit.function_info(*id))
            .collect();
        let returns = expression.ty;
        let result = if infos.iter().any(|info| info.needs_result) {
            let buffer = self.variable("result_", |name| format!("char *{name};"));
            let size = self.unit.string_bytes();
            self.line(format!("{buffer} = rst_scratch(c, {size});"));
            self.take(size);
            self.check_if(&format!("RST_UNLIKELY(!{buffer})"), Some(expression.at));
            Some(buffer)
        } else {
            None
        };
        if infos.iter().any(|info| info.leaves_scratch) {
            self.take_strings(1);
        }
        let target = match returns {
            Type::Void | Type::Stat => None,
            Type::Long | Type::String if is_wanted => Some(self.temporary(returns)),
            Type::Long | Type::String => None,
        };
        let mut depth = 0;
        let mut can_fail = false;
        let mut is_exhaustible = true;
        for (id, info) in candidates.iter().zip(&infos) {
            let mut list = vec!["c".to_owned()];
            if info.needs_result {
                list.extend(result.clone());
            }
            list.extend(values.iter().map(|value| bare(&value.text).to_owned()));
            let name = self.unit.function_name(*id);
            let assign = target
                .as_ref()
                .map_or_else(String::new, |target| format!("{target} = "));
            self.line(format!("{assign}{name}({});", list.join(", ")));
            can_fail |= info.may_fail;
            if !info.may_say_next {
                is_exhaustible = false;
                break;
            }
            self.out.open("if (RST_UNLIKELY(c->next))");
            self.line("c->next = 0;");
            depth += 1;
        }
        if is_exhaustible {
            self.fail("all functions exhausted", expression.at);
        }
        for _ in 0..depth {
            self.out.close("");
        }
        if can_fail {
            self.out.open("if (RST_FAILED(c))");
            let location = self.unit.location(expression.at);
            self.line(format!("rst_fail_called_from(c, {location});"));
            self.fail_jump();
            self.out.close("");
        }
        let Some(target) = target else {
            return Ok(Value::long("0"));
        };
        if returns == Type::Long {
            return Ok(Value::long(target));
        }
        let mut value = Value::string(target, Home::Statement);
        if infos.iter().any(|info| info.returns_argument) {
            // As lasting as the least lasting argument.
            for argument in values.iter().filter(|value| value.ty == Type::String) {
                value.home = value.home.min(argument.home);
                if argument.home == Home::Variable {
                    value.reads = value.reads.and(&argument.reads);
                }
            }
        } else if result.is_none() && infos.iter().all(|info| !info.leaves_scratch) {
            value.home = Home::Outside;
        }
        Ok(value)
    }
}

fn other(mut value: Value) -> Value {
    value.reads.other = true;
    value
}

/// The value of a constant's C text.
pub(super) fn constant(text: &str) -> Option<i64> {
    bare(text).strip_suffix("LL")?.parse().ok()
}

/// A shift count as SystemTap takes it.
fn shift(text: &str) -> String {
    match constant(text) {
        Some(count) => format!("{}", count & 63),
        None => format!("({text} & 63)"),
    }
}

/// `int32_t`, `uint8_t` and so on; odd sizes are taken whole.
pub(super) fn integer_type(size: u8, is_signed: bool) -> &'static str {
    match (size, is_signed) {
        (1, true) => "int8_t",
        (1, false) => "uint8_t",
        (2, true) => "int16_t",
        (2, false) => "uint16_t",
        (4, true) => "int32_t",
        (4, false) => "uint32_t",
        (_, true) => "int64_t",
        (_, false) => "uint64_t",
    }
}

/// The lvalue of a DWARF register.
pub(super) fn register_name(number: u16) -> Result<String> {
    if number > 16 {
        return Err(CodegenError::new(format!(
            "DWARF register {number} is not available at probe points (0 to 16 are)"
        )));
    }
    Ok(format!("rst_register(c, {number})"))
}
