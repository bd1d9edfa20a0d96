// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the compiler keeps a variable, as IR.

use rstap_debuginfo::{Address, BinaryOperator as B, Location, LocationExpr, ModuleId, Piece};
use rstap_syntax::diag::Diagnostic;

use super::{Resolver, build, error};
use crate::arch::{self, ArgumentPlace};
use crate::ir::arena::IndexVec;
use crate::ir::{self, BinaryOperator, CompareOperator, ExprKind, Space, UnaryOperator};
use crate::semantic::points::{CodeContext, Context};

/// DWARF number of the register that holds the probe's address (System V ABI
/// for x86_64, figure 3.36: the return address column).
const INSTRUCTION_POINTER: u16 = 16;

/// A place that a value can be read from, and perhaps written to.
#[derive(Debug, Clone)]
pub(super) enum Spot {
    /// In memory, at this address.
    Memory(ir::Expr),
    /// A register, by DWARF number.
    Register(u16),
    /// The register that holds a function's result.
    ReturnValue,
    /// Computed: cannot be written.
    Value(ir::Expr),
    /// These bytes, wherever it would be.
    Bytes(Vec<u8>),
    /// In several places, first bits first.
    Pieces(Vec<(Spot, Piece)>),
    /// A pointer that has no value, whose target is here.
    Pointee(Box<Spot>, i64),
    /// Not there, and why.
    Unavailable(String),
}

impl Resolver<'_> {
    /// The code context, if the probe has one.
    pub(super) fn code(&self) -> Option<&CodeContext> {
        match self.cx.context {
            Context::Code(code) => Some(code),
            _ => None,
        }
    }

    /// Memory that pointers of the probed code point to.
    pub(super) fn space(&self) -> Space {
        match self.cx.context {
            Context::Code(code) if code.is_user => Space::User,
            Context::Mark(_) | Context::Plt(_) => Space::User,
            _ => Space::Kernel,
        }
    }

    pub(super) fn spot(&mut self, location: &Location) -> Result<Spot, Diagnostic> {
        Ok(match location {
            Location::Memory(address) => Spot::Memory(self.computed(address)?),
            Location::Register(number) if *number > arch::LAST_REGISTER => {
                Spot::Unavailable("it is in a floating-point register".to_owned())
            }
            Location::Register(number) => Spot::Register(*number),
            Location::Value(value) => Spot::Value(self.computed(value)?),
            Location::Bytes(bytes) => Spot::Bytes(bytes.clone()),
            Location::Pieces(pieces) => {
                let mut spots = Vec::new();
                for piece in pieces {
                    spots.push((self.spot(&piece.location)?, piece.clone()));
                }
                Spot::Pieces(spots)
            }
            Location::ImplicitPointer { target, offset } => {
                Spot::Pointee(Box::new(self.spot(target)?), *offset)
            }
            Location::Argument(index) => match arch::argument(*index) {
                ArgumentPlace::Register(number) => Spot::Register(number),
                ArgumentPlace::Stack(offset) => {
                    let stack = build::long(self.at, ExprKind::Register(arch::STACK_POINTER));
                    Spot::Memory(build::add(stack, offset.cast_signed()))
                }
            },
            Location::Unavailable(reason) => Spot::Unavailable(reason.clone()),
        })
    }

    /// A computed value or address.
    fn computed(&mut self, expr: &LocationExpr) -> Result<ir::Expr, Diagnostic> {
        let at = self.at;
        Ok(match expr {
            LocationExpr::Constant(value) => build::number(at, value.cast_signed()),
            LocationExpr::Register(number) if *number > arch::LAST_REGISTER => {
                return Err(self.unavailable("it is computed from a floating-point register"));
            }
            LocationExpr::Register(number) => build::long(at, ExprKind::Register(*number)),
            LocationExpr::EntryRegister(number) => {
                if !self.code().is_some_and(|code| code.is_entry) {
                    let message = "not accessible at this address: it depends on a register's \
                                   value when the function was entered; probe its entry, or \
                                   use @entry in a .return probe [man error::dwarf]";
                    return Err(error(message).at(self.token));
                }
                build::long(at, ExprKind::Register(*number))
            }
            LocationExpr::Address(address) => self.relocated(*address)?,
            LocationExpr::PerCpu(address) => {
                // The kernel's per-CPU variables were numbered from 0 until 6.15; now, as those of
                // modules always have been, they are at addresses like others.
                let is_number =
                    address.module == ModuleId::KERNEL && address.value.cast_signed() >= 0;
                let offset = match is_number {
                    true => build::number(at, address.value.cast_signed()),
                    false => self.in_kernel(*address)?,
                };
                build::long(at, ExprKind::PerCpu(Box::new(offset)))
            }
            LocationExpr::Unknown => self.unknown(),
            LocationExpr::ThreadLocal(_) => {
                return Err(error("thread-local variables are not accessible").at(self.token));
            }
            LocationExpr::Dereference { size, address } => {
                let address = self.computed(address)?;
                build::read(self.space(), address, *size, false)
            }
            LocationExpr::ReturnAddress(slot) => {
                let slot = self.computed(slot)?;
                self.return_address(slot)
            }
            LocationExpr::Unary(operator, operand) => {
                let operand = self.computed(operand)?;
                use rstap_debuginfo::UnaryOperator as U;
                let unary = |operator, operand: ir::Expr| {
                    build::long(at, ExprKind::Unary(operator, Box::new(operand)))
                };
                match operator {
                    U::Negate => unary(UnaryOperator::Negate, operand),
                    U::Not => unary(UnaryOperator::Complement, operand),
                    U::Absolute => {
                        let zero = build::number(at, 0);
                        let test = build::compare(CompareOperator::Less, operand.clone(), zero);
                        let negative = unary(UnaryOperator::Negate, operand.clone());
                        ternary(at, test, negative, operand)
                    }
                }
            }
            LocationExpr::Binary(operator, left, right) => {
                let (left, right) = (self.computed(left)?, self.computed(right)?);
                match (operator, &right.kind) {
                    (B::Add, ExprKind::Number(offset)) => build::add(left, *offset),
                    _ => operation(*operator, left, right),
                }
            }
            LocationExpr::Select {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.computed(condition)?;
                let (then, otherwise) = (self.computed(then)?, self.computed(otherwise)?);
                ternary(at, condition, then, otherwise)
            }
            LocationExpr::Extend {
                size,
                signed,
                value,
            } => build::extend(self.computed(value)?, *size, *signed),
        })
    }

    /// An error at run time: what only callers know, and this caller is not one of them.
    fn unknown(&mut self) -> ir::Expr {
        let count = &self.cx.session.synthesized;
        let name = format!("__dwarf_unknown_caller_{}", count.get());
        count.set(count.get() + 1);
        let text = " STAP_ERROR(\"not accessible: only the function's caller knows the value, and \"\n\
                    \t\"it was called from elsewhere [man error::dwarf]\"); ";
        self.c_call(name, text, &[], Vec::new())
    }

    /// The return address at a place of the stack, which a return probe may have replaced.
    fn return_address(&mut self, slot: ir::Expr) -> ir::Expr {
        let found = build::read(self.space(), slot.clone(), 8, false);
        let text = " STAP_RETVALUE = rst_return_address(STAP_ARG_slot, STAP_ARG_found); ";
        let name = "__dwarf_return_address".to_owned();
        self.c_call(name, text, &["slot", "found"], vec![slot, found])
    }

    /// A call of a function in C with these numbers as parameters.
    fn c_call(
        &mut self,
        name: String,
        text: &str,
        parameters: &[&str],
        arguments: Vec<ir::Expr>,
    ) -> ir::Expr {
        let code = ir::EmbeddedCode {
            text: text.to_owned(),
            file: "target variable".to_owned(),
            line: 1,
            globals: Vec::new(),
            is_unmangled: false,
            is_pure: true,
        };
        let mut locals = IndexVec::default();
        for parameter in parameters {
            locals.push(ir::Local {
                name: (*parameter).to_owned(),
                ty: ir::Type::Long,
            });
        }
        let function = ir::Function {
            c_name: name.clone(),
            name,
            locals,
            parameters: parameters.len(),
            returns: ir::Type::Long,
            body: ir::FunctionBody::C(code),
            location: self.at,
        };
        let kind = ExprKind::Call {
            candidates: vec![self.emit.function(function)],
            arguments,
        };
        build::long(self.at, kind)
    }

    /// Run-time address of an object of the kernel, of a module, or of the probed program.
    pub(super) fn relocated(&self, address: Address) -> Result<ir::Expr, Diagnostic> {
        let target = self.cx.session.target;
        let (module, pc, is_return) = match self.cx.context {
            Context::Code(code) if code.is_user => (code.module, code.instruction, code.is_return),
            Context::Mark(marker) => (marker.address.module, marker.address.value, false),
            _ => return self.in_kernel(address),
        };
        if module != address.module {
            return match target.placement(address) {
                Ok(placement) if placement.stext_offset.is_some() => self.in_kernel(address),
                _ => Err(error("variables of another program are not accessible").at(self.token)),
            };
        }
        if is_return {
            let message = "global variables of user programs are not accessible in .return probes";
            return Err(error(message)
                .at(self.token)
                .hint("keep the value in a .call probe of the same function"));
        }
        // Wherever the program was loaded, its parts keep their distance.
        let here = build::long(self.at, ExprKind::Register(INSTRUCTION_POINTER));
        let distance = address.value.wrapping_sub(pc);
        Ok(build::add(here, distance.cast_signed()))
    }

    fn in_kernel(&self, address: Address) -> Result<ir::Expr, Diagnostic> {
        let target = self.cx.session.target;
        let placement = target.placement(address);
        let placement = placement
            .map_err(|problem| crate::semantic::points::from_target(&problem).at(self.token))?;
        let kind = match placement.stext_offset {
            Some(offset) if address.module == ModuleId::KERNEL => ExprKind::Relocated {
                module: None,
                section: None,
                offset,
            },
            _ => ExprKind::Relocated {
                module: Some(target.module_name(address.module)),
                section: Some(placement.section),
                offset: placement.section_offset,
            },
        };
        Ok(build::long(self.at, kind))
    }
}

fn ternary(at: ir::LocationId, test: ir::Expr, then: ir::Expr, otherwise: ir::Expr) -> ir::Expr {
    build::long(
        at,
        ExprKind::Ternary(Box::new(test), Box::new(then), Box::new(otherwise)),
    )
}

/// A shift as DWARF means it: by 64 and more nothing is left but, of an arithmetic shift, the
/// sign. Those of the language take the count modulo 64.
fn shift(operator: BinaryOperator, value: ir::Expr, count: ir::Expr) -> ir::Expr {
    let at = value.at;
    let beyond = match operator {
        BinaryOperator::ShiftRight => build::binary(operator, value.clone(), build::number(at, 63)),
        _ => build::number(at, 0),
    };
    match count.kind {
        ExprKind::Number(0..64) => build::binary(operator, value, count),
        ExprKind::Number(_) => beyond,
        _ => {
            let bits = build::binary(
                BinaryOperator::ShiftRightLogical,
                count.clone(),
                build::number(at, 6),
            );
            ternary(at, bits, beyond, build::binary(operator, value, count))
        }
    }
}

fn operation(operator: B, left: ir::Expr, right: ir::Expr) -> ir::Expr {
    let arithmetic = |operator| build::binary(operator, left.clone(), right.clone());
    let comparison = |operator| build::compare(operator, left.clone(), right.clone());
    match operator {
        B::Add => arithmetic(BinaryOperator::Add),
        B::Subtract => arithmetic(BinaryOperator::Subtract),
        B::Multiply => arithmetic(BinaryOperator::Multiply),
        B::Divide => arithmetic(BinaryOperator::Divide),
        B::Modulo => arithmetic(BinaryOperator::Modulo),
        B::And => arithmetic(BinaryOperator::And),
        B::Or => arithmetic(BinaryOperator::Or),
        B::Xor => arithmetic(BinaryOperator::Xor),
        B::ShiftLeft => shift(BinaryOperator::ShiftLeft, left, right),
        B::ShiftRight => shift(BinaryOperator::ShiftRightLogical, left, right),
        B::ShiftRightArithmetic => shift(BinaryOperator::ShiftRight, left, right),
        B::Equal => comparison(CompareOperator::Equal),
        B::NotEqual => comparison(CompareOperator::NotEqual),
        B::Less => comparison(CompareOperator::Less),
        B::LessOrEqual => comparison(CompareOperator::LessOrEqual),
        B::Greater => comparison(CompareOperator::Greater),
        B::GreaterOrEqual => comparison(CompareOperator::GreaterOrEqual),
    }
}
