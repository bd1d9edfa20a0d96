// SPDX-License-Identifier: GPL-2.0-or-later
//! Assignments, steps and the places that they change.

use crate::ir::*;

use super::CodegenError;
use super::body::{Body, Home, Reads, Result, Value};
use super::expression::{integer_type, register_name};
use super::writer::{bare, number};

/// Where a number is stored, once keys and addresses have been evaluated.
enum Target {
    /// A C lvalue of type int64_t.
    Lvalue(String),
    Memory {
        space: Space,
        address: String,
        size: u8,
        is_signed: bool,
        bits: Option<(u8, u8)>,
    },
    /// An unsigned long of which the low `size` bytes are meant.
    Register {
        lvalue: String,
        size: u8,
        is_signed: bool,
    },
}

impl Body<'_> {
    /// `place operator= value`; gives what was stored if `is_wanted`.
    pub fn assign(
        &mut self,
        place: &Place,
        operator: Option<BinaryOperator>,
        value: &Expr,
        at: LocationId,
        is_wanted: bool,
    ) -> Result<Value> {
        if value.ty == Type::String {
            return self.assign_string_place(place, operator, value, at, is_wanted);
        }
        // The right side comes first, as SystemTap has it: it may change what is in the place.
        let mut operands = place_operands(place);
        operands.push(value);
        let mut values = self.operands(&operands)?;
        let Some(right) = values.pop() else {
            return Err(CodegenError::new("an assignment without a value"));
        };
        // A division must be checked before an element is made for its result.
        let right = match operator {
            Some(BinaryOperator::Divide | BinaryOperator::Modulo)
                if super::expression::constant(&right.text).is_none_or(|value| value == 0) =>
            {
                let right = self.simple(right)?;
                self.fail_if(&format!("{} == 0", right.text), "division by 0", at);
                right
            }
            _ => right,
        };
        let target = self.target(place, values, at)?;
        let stored = match operator {
            None => right,
            Some(operator) => {
                if let (Target::Lvalue(lvalue), Some(symbol)) = (&target, symbol(operator)) {
                    let text = bare(&right.text).to_owned();
                    let lvalue = lvalue.clone();
                    match super::expression::constant(&text) {
                        Some(1) if symbol == "+" => self.line(format!("{lvalue}++;")),
                        Some(-1) if symbol == "+" => self.line(format!("{lvalue}--;")),
                        _ => self.line(format!("{lvalue} {symbol}= {text};")),
                    }
                    return self.stored(place, &target, is_wanted);
                }
                let old = self.load(&target, at);
                self.combine(operator, &old, &right)
            }
        };
        let stored = if is_wanted {
            self.simple(stored)?
        } else {
            stored
        };
        self.store(&target, &stored, at);
        if matches!(place, Place::Local(_)) {
            return self.stored(place, &target, is_wanted);
        }
        match &target {
            Target::Lvalue(_) => Ok(stored),
            Target::Memory {
                size, is_signed, ..
            }
            | Target::Register {
                size, is_signed, ..
            } => {
                let cast = integer_type(*size, *is_signed);
                Ok(stored.map(|text| format!("((int64_t)({cast}){text})")))
            }
        }
    }

    /// `left operator right` where a division has been checked already.
    fn combine(&self, operator: BinaryOperator, left: &Value, right: &Value) -> Value {
        let (a, b) = (&left.text, &right.text);
        let text = match operator {
            BinaryOperator::Divide => format!("rst_divide({}, {})", bare(a), bare(b)),
            BinaryOperator::Modulo => format!("rst_modulo({}, {})", bare(a), bare(b)),
            BinaryOperator::ShiftLeft => format!("(int64_t)((uint64_t){a} << ({b} & 63))"),
            BinaryOperator::ShiftRight => format!("({a} >> ({b} & 63))"),
            BinaryOperator::ShiftRightLogical => {
                format!("(int64_t)((uint64_t){a} >> ({b} & 63))")
            }
            _ => format!("({a} {} {b})", symbol(operator).unwrap_or("+")),
        };
        let reads = left.reads.clone().and(&right.reads);
        Value {
            text,
            ty: Type::Long,
            reads,
            home: Home::Outside,
        }
    }

    /// What an assignment gives: read back, or nothing.
    fn stored(&mut self, place: &Place, target: &Target, is_wanted: bool) -> Result<Value> {
        let Target::Lvalue(lvalue) = target else {
            return Ok(Value::long("0"));
        };
        if !is_wanted {
            return Ok(Value::long("0"));
        }
        let value = Value::long(lvalue.clone());
        if let Place::Local(id) = place {
            let reads = Reads {
                locals: [*id].into(),
                ..Reads::default()
            };
            return Ok(Value { reads, ..value });
        }
        self.save(value)
    }

    /// `place++` and its like where the value is wanted.
    pub fn step(
        &mut self,
        place: &Place,
        is_prefix: bool,
        by: i64,
        at: LocationId,
    ) -> Result<Value> {
        let values = self.operands(&place_operands(place))?;
        let target = self.target(place, values, at)?;
        let old = self.load(&target, at);
        let old = self.save(old)?;
        let new = Value::long(format!("({} + {})", old.text, number(by)));
        if is_prefix {
            let new = self.save(new)?;
            self.store(&target, &new, at);
            Ok(new)
        } else {
            self.store(&target, &new, at);
            Ok(old)
        }
    }

    /// The value of a place that can be read without any effect.
    fn current(&self, place: &Place) -> Option<Value> {
        match place {
            Place::Local(id) => {
                let ty = self.locals.get(*id)?.ty;
                let reads = Reads {
                    locals: [*id].into(),
                    ..Reads::default()
                };
                let home = Home::Variable;
                Some(Value {
                    text: self.local(*id).to_owned(),
                    ty,
                    reads,
                    home,
                })
            }
            Place::Global(id) => {
                let ty = self.unit.program.globals[*id].value_type();
                let name = self.global(*id);
                let text = match ty {
                    Type::String => format!("script_string(&{name}.value)"),
                    _ => format!("{name}.value"),
                };
                let reads = Reads {
                    globals: [*id].into(),
                    ..Reads::default()
                };
                Some(Value {
                    text,
                    ty,
                    reads,
                    home: Home::Variable,
                })
            }
            _ => None,
        }
    }

    fn target(&mut self, place: &Place, operands: Vec<Value>, at: LocationId) -> Result<Target> {
        Ok(match place {
            Place::Local(id) => Target::Lvalue(self.local(*id).to_owned()),
            Place::Global(id) => Target::Lvalue(format!("{}.value", self.global(*id))),
            Place::Element(id, _) => {
                let node = self.insert(*id, &operands, at)?;
                let pointer = self.variable("p", |name| format!("int64_t *{name};"));
                self.line(format!("{pointer} = rst_node_long({node});"));
                Target::Lvalue(format!("(*{pointer})"))
            }
            Place::Memory {
                space,
                size,
                is_signed,
                bits,
                ..
            } => {
                let Some(address) = operands.into_iter().next() else {
                    return Err(CodegenError::new("a memory access without an address"));
                };
                let address = self.simple(address)?.text;
                Target::Memory {
                    space: *space,
                    address,
                    size: *size,
                    is_signed: *is_signed,
                    bits: *bits,
                }
            }
            Place::Register {
                number,
                size,
                is_signed,
            } => Target::Register {
                lvalue: register_name(*number)?,
                size: *size,
                is_signed: *is_signed,
            },
            Place::ReturnValue { size, is_signed } => Target::Register {
                lvalue: "rst_return_register(c)".to_owned(),
                size: *size,
                is_signed: *is_signed,
            },
            Place::Argument(n) => Target::Lvalue(format!("c->arguments[{n}]")),
            Place::Saved(n) => Target::Lvalue(format!("c->saved[{n}]")),
            Place::SavedString(_) | Place::ProcfsValue => {
                return Err(CodegenError::new("a number assigned to a string"));
            }
        })
    }

    fn load(&mut self, target: &Target, at: LocationId) -> Value {
        match target {
            Target::Lvalue(text) => Value::long(text.clone()),
            Target::Register {
                lvalue,
                size,
                is_signed,
            } => Value::long(format!(
                "((int64_t)({}){lvalue})",
                integer_type(*size, *is_signed)
            )),
            Target::Memory {
                space,
                address,
                size,
                is_signed,
                bits,
            } => {
                let raw = self.read(*space, address, *size, *is_signed);
                self.check(Some(at));
                let Some((low, width)) = *bits else {
                    return Value::long(raw);
                };
                let left = 64u32.saturating_sub(u32::from(low) + u32::from(width));
                let right = 64u32.saturating_sub(u32::from(width));
                let ty = if *is_signed { "int64_t" } else { "uint64_t" };
                Value::long(format!(
                    "((int64_t)(({ty})((uint64_t){raw} << {left}) >> {right}))"
                ))
            }
        }
    }

    fn store(&mut self, target: &Target, value: &Value, at: LocationId) {
        let text = bare(&value.text).to_owned();
        match target {
            Target::Lvalue(lvalue) => self.line(format!("{lvalue} = {text};")),
            Target::Register { lvalue, size, .. } if *size >= 8 => {
                self.line(format!("{lvalue} = {text};"));
            }
            Target::Register { lvalue, size, .. } => {
                let mask = mask(u32::from(*size) * 8);
                self.line(format!(
                    "{lvalue} = ({lvalue} & ~{mask}) | ((uint64_t)({text}) & {mask});"
                ));
            }
            Target::Memory {
                space,
                address,
                size,
                bits,
                ..
            } => {
                let function = match space {
                    Space::Kernel => "rst_write_kernel",
                    Space::User => "rst_write_user",
                };
                let text = match *bits {
                    None => text,
                    Some((low, width)) => {
                        let raw = self.read(*space, address, *size, false);
                        self.check(Some(at));
                        let mask = mask(u32::from(width));
                        format!(
                            "((uint64_t){raw} & ~({mask} << {low})) | \
                             (((uint64_t)({text}) & {mask}) << {low})"
                        )
                    }
                };
                self.line(format!("{function}(c, {address}, {text}, {size});"));
                self.check(Some(at));
            }
        }
    }

    fn assign_string_place(
        &mut self,
        place: &Place,
        operator: Option<BinaryOperator>,
        value: &Expr,
        at: LocationId,
        is_wanted: bool,
    ) -> Result<Value> {
        if operator.is_some_and(|operator| operator != BinaryOperator::Concat) {
            return Err(CodegenError::new("arithmetic on a string"));
        }
        let mut operands = place_operands(place);
        operands.push(value);
        let mut values = self.operands(&operands)?;
        let Some(mut right) = values.pop() else {
            return Err(CodegenError::new("an assignment without a value"));
        };
        if operator.is_some()
            && let Some(old) = self.current(place)
        {
            right = self.concat(&[old, right], at);
        }
        match place {
            Place::Local(id) => {
                self.assign_string(*id, &right, at);
                return Ok(self.current(place).map_or(right, |value| Value {
                    home: if self.uses.assigned_in_loop.contains(id) {
                        Home::Variable
                    } else {
                        Home::Frame
                    },
                    ..value
                }));
            }
            Place::Global(id) => {
                let name = self.global(*id);
                self.line(format!(
                    "{name}.value.length = rst_string_copy(c, {name}.value.text, {}).length;",
                    right.text
                ));
                return Ok(self.current(place).unwrap_or(right));
            }
            Place::Element(id, _) => {
                let mut right = if operator.is_some() || is_wanted {
                    self.simple(right)?
                } else {
                    right
                };
                let node = self.insert(*id, &values, at)?;
                let map = self.global(*id);
                if operator.is_some() {
                    let old = self.temporary(Type::String);
                    self.line(format!("{old} = rst_node_string(c, {node});"));
                    self.take_strings(1);
                    let old = Value::string(old, Home::Statement);
                    right = self.concat(&[old, right], at);
                }
                self.line(format!(
                    "rst_node_set_string(c, {map}.value, {node}, {});",
                    right.text
                ));
                self.check(Some(at));
                return Ok(right);
            }
            Place::SavedString(n) => {
                let size = self.unit.string_size();
                let mut right = self.simple(right)?;
                if operator.is_some() {
                    let old =
                        format!("rst_string_from_buffer((const char *)&c->saved[{n}], {size})");
                    right = self.concat(&[Value::string(old, Home::Frame), right], at);
                }
                self.line(format!(
                    "rst_string_copy(c, (char *)&c->saved[{n}], {});",
                    right.text
                ));
                return Ok(right);
            }
            Place::ProcfsValue => {
                // `$value = s` replaces what the reader will get, `.=` adds to it.
                let right = self.simple(right)?;
                self.out.open("if (c->procfs_output)");
                if operator.is_none() {
                    self.line("c->procfs_output->cursor = c->procfs_output->start;");
                }
                self.line(format!("rst_put_string(c->procfs_output, {});", right.text));
                self.out.close("");
                return Ok(right);
            }
            Place::Memory { .. }
            | Place::Register { .. }
            | Place::ReturnValue { .. }
            | Place::Argument(_)
            | Place::Saved(_) => {}
        }
        Err(CodegenError::new("a string assigned to a number"))
    }
}

/// Expressions inside a place, in order of evaluation.
fn place_operands(place: &Place) -> Vec<&Expr> {
    match place {
        Place::Element(_, keys) => keys.iter().collect(),
        Place::Memory { address, .. } => vec![address],
        _ => Vec::new(),
    }
}

/// Operators that C has as `lvalue op= value` with the same meaning.
fn symbol(operator: BinaryOperator) -> Option<&'static str> {
    Some(match operator {
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::And => "&",
        BinaryOperator::Or => "|",
        BinaryOperator::Xor => "^",
        _ => return None,
    })
}

/// The low `bits` bits.
fn mask(bits: u32) -> String {
    match 1u64.checked_shl(bits) {
        Some(end) if bits < 64 => format!("{:#x}ull", end - 1),
        _ => "0xffffffffffffffffull".to_owned(),
    }
}
