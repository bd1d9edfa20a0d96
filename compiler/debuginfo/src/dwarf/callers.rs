// SPDX-License-Identifier: GPL-2.0-or-later

//! Values that only a function's callers know: what a register held when the function was entered
//! (`DW_OP_entry_value`), or what stands for a parameter that a clone does without
//! (`DW_OP_GNU_parameter_ref`), from the entries of the calls (DWARF 5, §3.4).
//!
//! Only functions that cannot be called by name from another unit have their calls looked for, and
//! the return address on the stack tells at run time which call it was, since they may still
//! be called through pointers.

use std::collections::HashMap;

use gimli::{AttributeValue, Expression, Operation, constants as dw};

use super::cfi::Saved;
use super::location::{Context, Lowered, add, address_of};
use super::unit::{Entry, Unit};
use super::{DwarfFile, Slice};
use crate::types::{BinaryOperator, LocationExpr as Expr};

/// Calls of one function at most.
const MOST: usize = 8;
/// Callers of callers at most.
const DEEPEST: u32 = 2;
/// DWARF number of the stack pointer of x86_64.
const STACK_POINTER: u16 = 7;

/// What a call gives a value to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// A register, by DWARF number.
    Register(u16),
    /// A parameter, by its entry, that is not passed.
    Parameter(u64),
}

/// A call with the values that it gives.
pub(crate) struct Call {
    return_address: u64,
    /// The function that makes it.
    caller: u64,
    values: Vec<(Given, Expression<Slice>)>,
}

/// Calls of a unit by the entry of the function that is called.
pub(crate) type Calls = HashMap<u64, Vec<Call>>;

impl DwarfFile {
    fn read_calls(&self, unit: &Unit) -> gimli::Result<Calls> {
        let mut calls = Calls::new();
        let mut caller = None;
        // The call whose parameters follow.
        let mut open: Option<(isize, u64)> = None;
        let mut cursor = unit.unit.entries();
        while let Some(entry) = cursor.next_dfs()? {
            let depth = entry.depth();
            match entry.tag() {
                dw::DW_TAG_subprogram => caller = Some(unit.global(entry.offset())),
                dw::DW_TAG_call_site | dw::DW_TAG_GNU_call_site => {
                    open = self.call(unit, entry, caller).map(|(callee, call)| {
                        calls.entry(callee).or_default().push(call);
                        (depth, callee)
                    });
                }
                dw::DW_TAG_call_site_parameter | dw::DW_TAG_GNU_call_site_parameter => {
                    if let Some((above, callee)) = open
                        && depth > above
                        && let Some(value) = parameter(unit, entry)
                        && let Some(call) =
                            calls.get_mut(&callee).and_then(|calls| calls.last_mut())
                    {
                        call.values.push(value);
                    }
                }
                _ => {}
            }
        }
        Ok(calls)
    }

    fn call(&self, unit: &Unit, entry: &Entry, caller: Option<u64>) -> Option<(u64, Call)> {
        let callee = unit
            .reference(entry, dw::DW_AT_call_origin)
            .or_else(|| unit.reference(entry, dw::DW_AT_abstract_origin))?;
        let return_address = unit
            .address(&self.dwarf, entry, dw::DW_AT_call_return_pc)
            .or_else(|| unit.address(&self.dwarf, entry, dw::DW_AT_low_pc))?;
        let call = Call {
            return_address,
            caller: caller?,
            values: Vec::new(),
        };
        Some((callee, call))
    }
}

fn parameter(unit: &Unit, entry: &Entry) -> Option<(Given, Expression<Slice>)> {
    let expression = |name| match entry.attr_value(name)? {
        AttributeValue::Exprloc(expression) => Some(expression),
        _ => None,
    };
    let value =
        expression(dw::DW_AT_call_value).or_else(|| expression(dw::DW_AT_GNU_call_site_value))?;
    let Some(place) = expression(dw::DW_AT_location) else {
        let entry = unit
            .reference(entry, dw::DW_AT_call_parameter)
            .or_else(|| unit.reference(entry, dw::DW_AT_abstract_origin))?;
        return Some((Given::Parameter(entry), value));
    };
    match Operation::parse(&mut place.0.clone(), unit.unit.encoding()).ok()? {
        Operation::Register { register } => Some((Given::Register(register.0), value)),
        _ => None,
    }
}

impl Context<'_> {
    /// What the call gave when the function was entered, computed where the probe is.
    pub fn at_call(&self, wanted: Given) -> Lowered<Expr> {
        let unknown = || "only the function's callers know it".to_owned();
        let (Some(function), Some(pc)) = (self.function, self.pc) else {
            return Err(unknown());
        };
        let is_external = self
            .file
            .along_origins(function, |_, entry| {
                Unit::flag(entry, dw::DW_AT_external).then_some(())
            })
            .is_some();
        if is_external || self.nesting >= DEEPEST {
            return Err(unknown());
        }
        let calls = self
            .unit
            .calls(|unit| self.file.read_calls(unit).unwrap_or_default());
        let mut names = Vec::new();
        self.file
            .along_origins(function, |unit, entry| -> Option<()> {
                names.push(unit.global(entry.offset()));
                None
            });
        let calls: Vec<&Call> = names
            .iter()
            .filter_map(|name| calls.get(name))
            .flatten()
            .collect();
        if calls.len() > MOST {
            return Err(unknown());
        }
        let frame = self.cfa()?;
        let slot = add(frame.clone(), (-8_i64).cast_unsigned());
        let came_from = Expr::ReturnAddress(Box::new(slot));
        let mut value = Expr::Unknown;
        for call in calls {
            let Some((_, expression)) = call.values.iter().find(|(given, _)| *given == wanted)
            else {
                continue;
            };
            let there = Context {
                pc: Some(call.return_address.wrapping_sub(1)),
                function: Some(call.caller),
                at_entry: false,
                nesting: self.nesting + 1,
                ..*self
            };
            let Ok(given) = there
                .of_expression(*expression, self.unit.unit.encoding())
                .and_then(address_of)
                .and_then(|given| self.in_callee(given, &frame, pc))
            else {
                continue;
            };
            value = Expr::Select {
                condition: Box::new(Expr::Binary(
                    BinaryOperator::Equal,
                    Box::new(came_from.clone()),
                    Box::new(self.address(call.return_address)),
                )),
                then: Box::new(given),
                otherwise: Box::new(value),
            };
        }
        match value {
            Expr::Unknown => Err(unknown()),
            value => Ok(value),
        }
    }

    /// A value of the caller in terms of what the registers hold at `pc` in the function called.
    fn in_callee(&self, value: Expr, frame: &Expr, pc: u64) -> Lowered<Expr> {
        let inner = |value: Box<Expr>| self.in_callee(*value, frame, pc).map(Box::new);
        Ok(match value {
            Expr::Register(STACK_POINTER) => frame.clone(),
            Expr::Register(register) => match self.file.frames.saved(pc, register) {
                Some(Saved::Same) => value,
                Some(Saved::At(offset)) => Expr::Dereference {
                    size: 8,
                    address: Box::new(add(frame.clone(), offset.cast_unsigned())),
                },
                None => return Err("the caller's register is gone".into()),
            },
            Expr::EntryRegister(_) => return Err("the caller's caller is not known".into()),
            Expr::Constant(_) | Expr::Address(_) | Expr::PerCpu(_) | Expr::Unknown => value,
            Expr::ThreadLocal(value) => Expr::ThreadLocal(inner(value)?),
            Expr::Dereference { size, address } => Expr::Dereference {
                size,
                address: inner(address)?,
            },
            Expr::ReturnAddress(slot) => Expr::ReturnAddress(inner(slot)?),
            Expr::Unary(operator, value) => Expr::Unary(operator, inner(value)?),
            Expr::Binary(operator, left, right) => {
                Expr::Binary(operator, inner(left)?, inner(right)?)
            }
            Expr::Select {
                condition,
                then,
                otherwise,
            } => Expr::Select {
                condition: inner(condition)?,
                then: inner(then)?,
                otherwise: inner(otherwise)?,
            },
            Expr::Extend {
                size,
                signed,
                value,
            } => Expr::Extend {
                size,
                signed,
                value: inner(value)?,
            },
        })
    }
}
