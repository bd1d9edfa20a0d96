// SPDX-License-Identifier: GPL-2.0-or-later
//! Conditions of probes: `if (global > 3)`. The runtime asks them outside of any
//! handler, so they have no context: no scratch memory and no errors. A division
//! by zero gives 0.

use std::collections::BTreeSet;

use crate::ir::*;

use super::expression::integer_type;
use super::writer::{Writer, bare, literal, number, until_nul};
use super::{CodegenError, Unit, global_name};

/// Writes one function for each different condition; gives the name for each probe.
pub(super) fn functions(
    unit: &Unit,
    out: &mut Writer,
) -> Result<Vec<Option<String>>, CodegenError> {
    let mut texts: Vec<(String, BTreeSet<GlobalId>)> = Vec::new();
    let mut names = Vec::new();
    for probe in &unit.program.probes {
        let Some(condition) = &probe.condition else {
            names.push(None);
            continue;
        };
        let text = expression(unit, condition)?;
        let index = texts
            .iter()
            .position(|(known, _)| *known == text)
            .unwrap_or_else(|| {
                texts.push((
                    text,
                    unit.analysis.locks_of_condition(unit.program, condition),
                ));
                texts.len() - 1
            });
        names.push(Some(format!("script_condition_{index}")));
    }
    for (index, (text, locks)) in texts.iter().enumerate() {
        out.open_function(format!("static bool script_condition_{index}(void)"));
        let locks: Vec<String> = locks
            .iter()
            .map(|id| global_name(&unit.program.globals[*id]))
            .collect();
        if locks.is_empty() {
            out.line(format!("return ({}) != 0;", bare(text)));
        } else {
            // Handlers on other CPUs change arrays and strings meanwhile.
            out.line("bool is_true;");
            out.blank();
            for name in &locks {
                out.line(format!("rst_lock(&{name}.lock);"));
            }
            out.line(format!("is_true = ({}) != 0;", bare(text)));
            for name in locks.iter().rev() {
                out.line(format!("rst_unlock(&{name}.lock);"));
            }
            out.line("return is_true;");
        }
        out.close("");
        out.blank();
    }
    Ok(names)
}

fn expression(unit: &Unit, condition: &Expr) -> Result<String, CodegenError> {
    let operand = |e: &Expr| expression(unit, e);
    Ok(match &condition.kind {
        ExprKind::Number(value) => number(*value),
        ExprKind::String(bytes) => literal(bytes),
        ExprKind::Global(id) => {
            let name = global_name(&unit.program.globals[*id]);
            match condition.ty {
                Type::String => format!("script_string(&{name}.value)"),
                // Handlers on other CPUs change it meanwhile.
                _ => format!("__atomic_load_n(&{name}.value, __ATOMIC_RELAXED)"),
            }
        }
        ExprKind::Element(id, keys) => {
            let node = format!(
                "rst_map_find({}.value, {})",
                global_name(&unit.program.globals[*id]),
                key(unit, keys)?
            );
            if condition.ty != Type::Long {
                return Err(unsupported("a string element of an array"));
            }
            format!("({{ struct rst_node *node = {node}; node ? *rst_node_long(node) : 0; }})")
        }
        ExprKind::In(id, keys) => {
            let keys: Option<Vec<Expr>> = keys.iter().cloned().collect();
            let keys = keys.ok_or_else(|| unsupported("`*` as a key"))?;
            let name = global_name(&unit.program.globals[*id]);
            let function = match unit.program.globals[*id].value_type() {
                Type::Stat => "rst_stat_map_contains",
                _ => "rst_map_find",
            };
            format!("({function}({name}.value, {}) != 0)", key(unit, &keys)?)
        }
        ExprKind::Unary(operator, value) => {
            let operator = match operator {
                UnaryOperator::Negate => "-",
                UnaryOperator::Not => "!",
                UnaryOperator::Complement => "~",
                UnaryOperator::FloatToDouble => "rst_double_of_float",
            };
            format!("({operator}({}))", operand(value)?)
        }
        ExprKind::Binary(operator, left, right) => {
            let (a, b) = (operand(left)?, operand(right)?);
            match operator {
                BinaryOperator::Add => format!("({a} + {b})"),
                BinaryOperator::Subtract => format!("({a} - {b})"),
                BinaryOperator::Multiply => format!("({a} * {b})"),
                BinaryOperator::And => format!("({a} & {b})"),
                BinaryOperator::Or => format!("({a} | {b})"),
                BinaryOperator::Xor => format!("({a} ^ {b})"),
                BinaryOperator::Divide => divide("rst_divide", &a, &b),
                BinaryOperator::Modulo => divide("rst_modulo", &a, &b),
                BinaryOperator::ShiftLeft => {
                    format!("((int64_t)((uint64_t){a} << ({b} & 63)))")
                }
                BinaryOperator::ShiftRight => format!("((int64_t){a} >> ({b} & 63))"),
                BinaryOperator::ShiftRightLogical => {
                    format!("((int64_t)((uint64_t){a} >> ({b} & 63)))")
                }
                BinaryOperator::Concat => return Err(unsupported("string concatenation")),
            }
        }
        ExprKind::Compare(operator, left, right) => {
            let symbol = match operator {
                CompareOperator::Equal => "==",
                CompareOperator::NotEqual => "!=",
                CompareOperator::Less => "<",
                CompareOperator::LessOrEqual => "<=",
                CompareOperator::Greater => ">",
                CompareOperator::GreaterOrEqual => ">=",
            };
            let (a, b) = (operand(left)?, operand(right)?);
            if left.ty == Type::String {
                format!("(rst_string_compare({a}, {b}) {symbol} 0)")
            } else {
                format!("({a} {symbol} {b})")
            }
        }
        ExprKind::And(left, right) => format!("({} && {})", operand(left)?, operand(right)?),
        ExprKind::Or(left, right) => format!("({} || {})", operand(left)?, operand(right)?),
        ExprKind::Ternary(condition, left, right) => {
            format!(
                "({} ? {} : {})",
                operand(condition)?,
                operand(left)?,
                operand(right)?
            )
        }
        ExprKind::Extend {
            value,
            size,
            is_signed,
        } => {
            format!(
                "((int64_t)({}){})",
                integer_type(*size, *is_signed),
                operand(value)?
            )
        }
        ExprKind::CConstant(text) => format!("((int64_t)({text}))"),
        _ => return Err(unsupported("this kind of expression")),
    })
}

fn divide(function: &str, a: &str, b: &str) -> String {
    // One read of the divisor: another CPU may set it to 0 between two.
    format!("({{ int64_t divisor = {b}; divisor ? {function}({a}, divisor) : 0; }})")
}

/// A key in the function's own stack frame; strings must be constants.
fn key(unit: &Unit, keys: &[Expr]) -> Result<String, CodegenError> {
    let mut words = Vec::new();
    for key in keys {
        if key.ty == Type::Long {
            words.push(format!("(uint64_t){}", expression(unit, key)?));
            continue;
        }
        let ExprKind::String(bytes) = &key.kind else {
            return Err(unsupported("a key that is a string variable"));
        };
        let bytes = until_nul(bytes);
        words.push(format!("{}", bytes.len()));
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            words.push(format!("{:#x}ull", u64::from_le_bytes(word)));
        }
    }
    Ok(format!(
        "rst_key_of((uint64_t[]){{ {} }}, {})",
        words.join(", "),
        words.len()
    ))
}

fn unsupported(what: &str) -> CodegenError {
    CodegenError::new(format!(
        "the condition of a probe cannot use {what}; test it with `if` inside the probe instead"
    ))
}
