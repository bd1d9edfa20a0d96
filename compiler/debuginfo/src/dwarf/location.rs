// SPDX-License-Identifier: GPL-2.0-or-later

//! DWARF expressions (DWARF 5 §2.5, §2.6) lowered to [`Location`]: the stack
//! machine is run on symbols instead of numbers. Branches run both ways and
//! meet in a `Select`.

use gimli::{
    AttributeValue, DieReference, Expression, Operation, Reader as _, UnitOffset, constants as dw,
};

use super::callers::Given;
use super::cfi::Cfa;
use super::unit::{Entry, Unit};
use super::{DwarfFile, Slice};
use crate::types::{
    Address, BinaryOperator as Op, Location, LocationExpr as Expr, ModuleId, Piece, UnaryOperator,
};

/// Operations run for one variable, both sides of branches included.
const FUEL: u32 = 2_000;
/// Expressions within expressions (frame base, implicit pointers).
const NESTING: u32 = 6;
/// Largest tree given out; repeated `DW_OP_dup` can double it each time.
const TREE_LIMIT: usize = 4_000;

/// Where a question about a location is asked.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub file: &'a DwarfFile,
    pub module: ModuleId,
    pub unit: &'a Unit,
    /// Address at which the location is wanted; `None` for globals.
    pub pc: Option<u64>,
    /// Entry of the function around, for its frame base.
    pub function: Option<u64>,
    /// `pc` is the first instruction of that function.
    pub at_entry: bool,
    pub nesting: u32,
}

pub(super) type Lowered<T> = Result<T, String>;

/// Width and signedness of a typed stack entry; `None` is the generic type.
type Kind = Option<(u8, bool)>;

struct Machine<'a> {
    context: Context<'a>,
    bytes: Slice,
    encoding: gimli::Encoding,
    fuel: u32,
}

impl<'a> Context<'a> {
    /// The location of a variable, from its `DW_AT_location` or
    /// `DW_AT_const_value`. `None` if the entry has neither.
    pub fn of_entry(&self, entry: &Entry) -> Option<Location> {
        if let Some(value) = entry.attr_value(dw::DW_AT_location) {
            return Some(
                self.of_attribute(value)
                    .unwrap_or_else(Location::Unavailable),
            );
        }
        let constant = entry.attr_value(dw::DW_AT_const_value)?;
        Some(match constant {
            AttributeValue::Block(bytes) | AttributeValue::String(bytes) => {
                Location::Bytes(bytes.slice().to_vec())
            }
            AttributeValue::DebugStrRef(_)
            | AttributeValue::DebugStrOffsetsIndex(_)
            | AttributeValue::DebugLineStrRef(_) => {
                match self.file.dwarf.attr_string(&self.unit.unit, constant) {
                    Ok(bytes) => Location::Bytes([bytes.slice(), &[0]].concat()),
                    Err(error) => Location::Unavailable(format!("bad constant: {error}")),
                }
            }
            value => match value
                .sdata_value()
                .map(|value| value as u64)
                .or(value.udata_value())
            {
                Some(value) => Location::Value(Expr::Constant(value)),
                None => Location::Unavailable("constant of an unknown form".into()),
            },
        })
    }

    fn of_attribute(&self, value: AttributeValue<Slice>) -> Lowered<Location> {
        if let AttributeValue::Exprloc(expression) = value {
            return self.of_expression(expression, self.unit.unit.encoding());
        }
        if let AttributeValue::Block(bytes) = value {
            return self.of_expression(Expression(bytes), self.unit.unit.encoding());
        }
        let list = self.file.dwarf.attr_locations(&self.unit.unit, value);
        let Some(mut list) = list.map_err(malformed)? else {
            return Err("location of an unknown form".into());
        };
        let Some(pc) = self.pc else {
            return Err("its location depends on the place in the code".into());
        };
        while let Some(item) = list.next().map_err(malformed)? {
            if item.range.begin <= pc && pc < item.range.end {
                return self.of_expression(item.data, self.unit.unit.encoding());
            }
        }
        Err("the compiler keeps no value of it here".into())
    }

    /// Lowers one expression.
    pub fn of_expression(
        &self,
        expression: Expression<Slice>,
        encoding: gimli::Encoding,
    ) -> Lowered<Location> {
        if expression.0.is_empty() {
            return Err("optimized out".into());
        }
        if self.nesting > NESTING {
            return Err("location expressions are nested too deeply".into());
        }
        let mut machine = Machine {
            context: *self,
            bytes: expression.0,
            encoding,
            fuel: FUEL,
        };
        let location = machine.run(0, Vec::new(), Vec::new())?;
        if size(&location) > TREE_LIMIT {
            return Err("location expression is too large".into());
        }
        Ok(location)
    }

    /// The canonical frame address at `pc`.
    pub(super) fn cfa(&self) -> Lowered<Expr> {
        let pc = self.pc.ok_or("a frame is needed, and there is none")?;
        match self.file.frames.cfa(pc) {
            Some(Cfa::Register(register, offset)) => {
                Ok(add(Expr::Register(register), offset as u64))
            }
            Some(Cfa::Expression(expression, encoding)) => {
                let inner = Context {
                    nesting: self.nesting + 1,
                    ..*self
                };
                address_of(inner.of_expression(expression, encoding)?)
            }
            None => Err("no call frame information here".into()),
        }
    }

    fn frame_base(&self) -> Lowered<Expr> {
        let function = self
            .function
            .ok_or("a frame is needed, and there is none")?;
        let base = self.file.along_origins(function, |unit, entry| {
            Some((unit.position, entry.attr_value(dw::DW_AT_frame_base)?))
        });
        let Some((position, base)) = base else {
            return Err("the function has no frame base".into());
        };
        let unit = self
            .file
            .unit(position)
            .map_err(|error| error.to_string())?;
        let inner = Context {
            unit,
            nesting: self.nesting + 1,
            ..*self
        };
        // A frame base is the value of the expression, also when that names a register.
        match inner.of_attribute(base)? {
            Location::Register(register) => Ok(Expr::Register(register)),
            location => address_of(location),
        }
    }

    pub(super) fn address(&self, value: u64) -> Expr {
        let address = Address {
            module: self.module,
            value,
        };
        match self.file.percpu {
            Some((begin, end)) if begin <= value && value < end => Expr::PerCpu(address),
            _ => Expr::Address(address),
        }
    }

    fn entry_register(&self, register: u16) -> Expr {
        if self.at_entry {
            return Expr::Register(register);
        }
        self.at_call(Given::Register(register))
            .unwrap_or(Expr::EntryRegister(register))
    }

    /// Width and signedness of a base type; `None` for the generic type.
    fn kind(&self, base_type: UnitOffset) -> Lowered<Kind> {
        if base_type.0 == 0 {
            return Ok(None);
        }
        let entry = self.unit.unit.entry(base_type).map_err(malformed)?;
        let size = Unit::number(&entry, dw::DW_AT_byte_size).unwrap_or(0);
        let signed = match entry.attr_value(dw::DW_AT_encoding) {
            Some(AttributeValue::Encoding(dw::DW_ATE_signed | dw::DW_ATE_signed_char)) => true,
            Some(AttributeValue::Encoding(
                dw::DW_ATE_unsigned
                | dw::DW_ATE_unsigned_char
                | dw::DW_ATE_boolean
                | dw::DW_ATE_address
                | dw::DW_ATE_UTF,
            )) => false,
            _ => return Err("its value is computed in floating point".into()),
        };
        match u8::try_from(size) {
            Ok(size @ (1 | 2 | 4 | 8)) => Ok(Some((size, signed))),
            _ => Err(format!("its value is computed with {size} bytes")),
        }
    }
}

type Stack = Vec<(Expr, Kind)>;

impl Machine<'_> {
    /// Runs from byte `at` to the end.
    fn run(&mut self, at: usize, mut stack: Stack, mut pieces: Vec<Piece>) -> Lowered<Location> {
        let mut at = at;
        // Set by operations that end the description of a simple location.
        let mut ended: Option<Location> = None;
        loop {
            let all = self.bytes.slice();
            let rest = all.get(at..).ok_or("branch out of the expression")?;
            let mut rest = Slice::new(rest, gimli::LittleEndian);
            if rest.is_empty() {
                break;
            }
            self.fuel = self
                .fuel
                .checked_sub(1)
                .ok_or("location expression does not end")?;
            let operation = Operation::parse(&mut rest, self.encoding).map_err(malformed)?;
            at = all.len() - rest.len();
            if let Operation::Piece {
                size_in_bits,
                bit_offset,
            } = operation
            {
                let location = match ended.take() {
                    Some(location) => location,
                    None => match stack.pop() {
                        Some((address, _)) => Location::Memory(address),
                        None => Location::Unavailable("this part is optimized out".into()),
                    },
                };
                stack.clear();
                let bit_offset = bit_offset.unwrap_or(0);
                pieces.push(Piece {
                    location,
                    bit_size: size_in_bits,
                    bit_offset,
                });
                if pieces.len() > 256 {
                    return Err("too many pieces".into());
                }
                continue;
            }
            if ended.is_some() {
                // DW_OP_GNU_uninit may follow a register.
                match operation {
                    Operation::Uninitialized | Operation::Nop => continue,
                    _ => return Err("operation after the end of a location".into()),
                }
            }
            match operation {
                Operation::Bra { target } => {
                    let (condition, _) = pop(&mut stack)?;
                    let taken = at
                        .checked_add_signed(isize::from(target))
                        .ok_or("branch out of the expression")?;
                    let then = self.run(taken, stack.clone(), pieces.clone())?;
                    let otherwise = self.run(at, stack, pieces)?;
                    return Ok(select(condition, then, otherwise));
                }
                Operation::Skip { target } => {
                    at = at
                        .checked_add_signed(isize::from(target))
                        .ok_or("branch out of the expression")?;
                }
                other => ended = self.step(other, &mut stack)?,
            }
        }
        if !pieces.is_empty() {
            return Ok(Location::Pieces(pieces));
        }
        match (ended, stack.pop()) {
            (Some(location), _) => Ok(location),
            (None, Some((address, _))) => Ok(Location::Memory(address)),
            (None, None) => Err("location expression gives nothing".into()),
        }
    }

    /// One operation. Gives a location if it ends the description of one.
    fn step(&self, operation: Operation<Slice>, stack: &mut Stack) -> Lowered<Option<Location>> {
        let generic = |expr| (expr, None);
        match operation {
            Operation::Nop => {}
            Operation::UnsignedConstant { value } => stack.push(generic(Expr::Constant(value))),
            Operation::SignedConstant { value } => {
                stack.push(generic(Expr::Constant(value as u64)));
            }
            Operation::TypedLiteral { base_type, value } => {
                let kind = self.context.kind(base_type)?;
                let mut bytes = [0; 8];
                let slice = value.slice().get(..8).unwrap_or(value.slice());
                bytes
                    .get_mut(..slice.len())
                    .unwrap_or_default()
                    .copy_from_slice(slice);
                let constant = Expr::Constant(u64::from_le_bytes(bytes));
                stack.push((narrow(constant, kind), kind));
            }
            Operation::Address { address } => stack.push(generic(self.context.address(address))),
            Operation::AddressIndex { index } | Operation::ConstantIndex { index } => {
                let unit = &self.context.unit.unit;
                let value = self
                    .context
                    .file
                    .dwarf
                    .address(unit, index)
                    .map_err(malformed)?;
                let constant = matches!(operation, Operation::ConstantIndex { .. });
                stack.push(generic(if constant {
                    Expr::Constant(value)
                } else {
                    self.context.address(value)
                }));
            }
            Operation::Register { register } => return Ok(Some(Location::Register(register.0))),
            Operation::RegisterOffset {
                register,
                offset,
                base_type,
            } => {
                let kind = self.context.kind(base_type)?;
                let value = add(Expr::Register(register.0), offset as u64);
                stack.push((narrow(value, kind), kind));
            }
            Operation::FrameOffset { offset } => {
                stack.push(generic(add(self.context.frame_base()?, offset as u64)));
            }
            Operation::CallFrameCFA => stack.push(generic(self.context.cfa()?)),
            Operation::EntryValue { expression } => {
                stack.push(generic(self.entry_value(expression)?));
            }
            Operation::Drop => {
                pop(stack)?;
            }
            Operation::Pick { index } => {
                let at = stack.len().checked_sub(usize::from(index) + 1);
                let picked = at.and_then(|at| stack.get(at)).cloned();
                stack.push(picked.ok_or("stack of the expression is too short")?);
            }
            Operation::Swap => {
                let (first, second) = (pop(stack)?, pop(stack)?);
                stack.extend([first, second]);
            }
            Operation::Rot => {
                let (first, second, third) = (pop(stack)?, pop(stack)?, pop(stack)?);
                stack.extend([first, third, second]);
            }
            Operation::Deref {
                base_type,
                size,
                space,
            } => {
                if space {
                    return Err("its address is in another address space".into());
                }
                let kind = self.context.kind(base_type)?;
                if !matches!(size, 1 | 2 | 4 | 8) {
                    return Err(format!("its location reads {size} bytes at once"));
                }
                let (address, _) = pop(stack)?;
                let value = Expr::Dereference {
                    size,
                    address: Box::new(address),
                };
                stack.push((narrow(value, kind), kind));
            }
            Operation::Abs => unary(stack, UnaryOperator::Absolute)?,
            Operation::Neg => unary(stack, UnaryOperator::Negate)?,
            Operation::Not => unary(stack, UnaryOperator::Not)?,
            Operation::PlusConstant { value } => {
                let (left, kind) = pop(stack)?;
                stack.push((narrow(add(left, value), kind), kind));
            }
            Operation::Plus => binary(stack, Op::Add)?,
            Operation::Minus => binary(stack, Op::Subtract)?,
            Operation::Mul => binary(stack, Op::Multiply)?,
            Operation::Div => binary(stack, Op::Divide)?,
            Operation::Mod => binary(stack, Op::Modulo)?,
            Operation::And => binary(stack, Op::And)?,
            Operation::Or => binary(stack, Op::Or)?,
            Operation::Xor => binary(stack, Op::Xor)?,
            Operation::Shl => binary(stack, Op::ShiftLeft)?,
            Operation::Shr => binary(stack, Op::ShiftRight)?,
            Operation::Shra => binary(stack, Op::ShiftRightArithmetic)?,
            Operation::Eq => binary(stack, Op::Equal)?,
            Operation::Ne => binary(stack, Op::NotEqual)?,
            Operation::Lt => binary(stack, Op::Less)?,
            Operation::Le => binary(stack, Op::LessOrEqual)?,
            Operation::Gt => binary(stack, Op::Greater)?,
            Operation::Ge => binary(stack, Op::GreaterOrEqual)?,
            Operation::Convert { base_type } | Operation::Reinterpret { base_type } => {
                let kind = self.context.kind(base_type)?;
                let (value, _) = pop(stack)?;
                stack.push((narrow(value, kind), kind));
            }
            Operation::TLS => {
                let (offset, _) = pop(stack)?;
                stack.push(generic(Expr::ThreadLocal(Box::new(offset))));
            }
            Operation::StackValue => return Ok(Some(Location::Value(pop(stack)?.0))),
            Operation::ImplicitValue { data } => {
                return Ok(Some(Location::Bytes(data.slice().to_vec())));
            }
            Operation::ImplicitPointer { value, byte_offset } => {
                let context = Context {
                    nesting: self.context.nesting + 1,
                    ..self.context
                };
                if context.nesting > NESTING {
                    return Err("location expressions are nested too deeply".into());
                }
                let target = context
                    .file
                    .location_of(context, value.0 as u64)
                    .unwrap_or_else(|| Location::Unavailable("optimized out".into()));
                let target = Box::new(target);
                return Ok(Some(Location::ImplicitPointer {
                    target,
                    offset: byte_offset,
                }));
            }
            Operation::Uninitialized => {}
            Operation::Bra { .. } | Operation::Skip { .. } | Operation::Piece { .. } => {}
            Operation::Call { offset } => return self.call(offset, stack),
            Operation::ParameterRef { offset } => {
                let parameter = Given::Parameter(self.context.unit.global(offset));
                stack.push(generic(self.context.at_call(parameter)?));
            }
            Operation::PushObjectAddress
            | Operation::VariableValue { .. }
            | Operation::WasmLocal { .. }
            | Operation::WasmGlobal { .. }
            | Operation::WasmStack { .. } => {
                return Err("its location uses an operation that is not supported".into());
            }
        }
        Ok(None)
    }

    /// `DW_OP_call2`, `call4` and `call_ref`: the location of another entry, computed on this
    /// stack. An entry without a location changes nothing.
    fn call(&self, callee: DieReference<usize>, stack: &mut Stack) -> Lowered<Option<Location>> {
        let nesting = self.context.nesting + 1;
        if nesting > NESTING {
            return Err("location expressions are nested too deeply".into());
        }
        let offset = match callee {
            DieReference::UnitRef(offset) => self.context.unit.global(offset),
            DieReference::DebugInfoRef(offset) => offset.0 as u64,
        };
        let file = self.context.file;
        let failed = |error: crate::error::Error| error.to_string();
        let unit = file.unit_of(offset).map_err(failed)?;
        let entry = unit.entry(offset).map_err(malformed)?;
        let Some(AttributeValue::Exprloc(expression)) = entry.attr_value(dw::DW_AT_location) else {
            return Ok(None);
        };
        let machine = Machine {
            context: Context {
                unit,
                nesting,
                ..self.context
            },
            bytes: expression.0,
            encoding: unit.unit.encoding(),
            fuel: 0,
        };
        let mut rest = expression.0;
        let mut ended = None;
        while !rest.is_empty() {
            let operation = Operation::parse(&mut rest, machine.encoding).map_err(malformed)?;
            ended = match operation {
                Operation::Bra { .. } | Operation::Skip { .. } | Operation::Piece { .. } => {
                    return Err("its location calls a part that branches".into());
                }
                _ if ended.is_some() => return Err("operation after the end of a location".into()),
                operation => machine.step(operation, stack)?,
            };
        }
        Ok(ended)
    }

    fn entry_value(&self, expression: Slice) -> Lowered<Expr> {
        let mut rest = expression;
        match Operation::parse(&mut rest, self.encoding).map_err(malformed)? {
            Operation::Register { register } if rest.is_empty() => {
                Ok(self.context.entry_register(register.0))
            }
            Operation::RegisterOffset {
                register,
                offset,
                base_type,
            } if rest.is_empty() && base_type.0 == 0 => {
                Ok(add(self.context.entry_register(register.0), offset as u64))
            }
            _ => Err("its value at the function's entry was not in a register".into()),
        }
    }
}

fn malformed(error: gimli::Error) -> String {
    format!("bad DWARF: {error}")
}

fn pop(stack: &mut Stack) -> Lowered<(Expr, Kind)> {
    stack
        .pop()
        .ok_or_else(|| "stack of the expression is too short".into())
}

fn unary(stack: &mut Stack, operator: UnaryOperator) -> Lowered<()> {
    let (value, kind) = pop(stack)?;
    stack.push((narrow(Expr::Unary(operator, Box::new(value)), kind), kind));
    Ok(())
}

fn binary(stack: &mut Stack, operator: Op) -> Lowered<()> {
    let (right, _) = pop(stack)?;
    let (left, kind) = pop(stack)?;
    let unsigned64 = kind == Some((8, false));
    let ordered = matches!(
        operator,
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
    );
    let (left, right) = match operator {
        Op::Divide | Op::Modulo if kind == Some((8, operator == Op::Modulo)) => {
            return Err("its location divides in a way that is not supported".into());
        }
        // Unsigned order of 64 bits is the signed order of both with the top bit flipped.
        _ if ordered && unsigned64 => {
            let flip =
                |value| Expr::Binary(Op::Xor, Box::new(value), Box::new(Expr::Constant(1 << 63)));
            (flip(left), flip(right))
        }
        _ => (left, right),
    };
    let comparison = ordered || matches!(operator, Op::Equal | Op::NotEqual);
    let kind = if comparison { None } else { kind };
    let value = match (operator, right) {
        (Op::Add, Expr::Constant(value)) => add(left, value),
        (Op::Subtract, Expr::Constant(value)) => add(left, value.wrapping_neg()),
        (_, right) => Expr::Binary(operator, Box::new(left), Box::new(right)),
    };
    stack.push((narrow(value, kind), kind));
    Ok(())
}

/// Cuts a value to the width of its type.
fn narrow(value: Expr, kind: Kind) -> Expr {
    match kind {
        Some((size, signed)) if size < 8 => Expr::Extend {
            size,
            signed,
            value: Box::new(value),
        },
        _ => value,
    }
}

/// `value + constant`, folded where that is free.
pub(super) fn add(value: Expr, constant: u64) -> Expr {
    if constant == 0 {
        return value;
    }
    match value {
        Expr::Constant(value) => Expr::Constant(value.wrapping_add(constant)),
        Expr::Address(address) => Expr::Address(Address {
            value: address.value.wrapping_add(constant),
            ..address
        }),
        Expr::Binary(Op::Add, left, right) => match *right {
            Expr::Constant(value) => add(*left, value.wrapping_add(constant)),
            right => Expr::Binary(
                Op::Add,
                Box::new(Expr::Binary(Op::Add, left, Box::new(right))),
                Box::new(Expr::Constant(constant)),
            ),
        },
        value => Expr::Binary(Op::Add, Box::new(value), Box::new(Expr::Constant(constant))),
    }
}

/// The value that an expression leaves, where the standard wants an address
/// rather than the location of one.
pub(super) fn address_of(location: Location) -> Lowered<Expr> {
    match location {
        Location::Memory(value) | Location::Value(value) => Ok(value),
        Location::Register(register) => Ok(Expr::Register(register)),
        Location::Unavailable(reason) => Err(reason),
        _ => Err("its frame is not simple".into()),
    }
}

/// Both ends of a branch as one location.
fn select(condition: Expr, then: Location, otherwise: Location) -> Location {
    let both = |then, otherwise| Expr::Select {
        condition: Box::new(condition),
        then: Box::new(then),
        otherwise: Box::new(otherwise),
    };
    let value = |location| match location {
        Location::Register(register) => Ok(Expr::Register(register)),
        Location::Value(value) => Ok(value),
        other => Err(other),
    };
    match (then, otherwise) {
        (then, otherwise) if then == otherwise => then,
        (Location::Memory(then), Location::Memory(otherwise)) => {
            Location::Memory(both(then, otherwise))
        }
        (then, otherwise) => match (value(then), value(otherwise)) {
            (Ok(then), Ok(otherwise)) => Location::Value(both(then, otherwise)),
            _ => Location::Unavailable("its location depends on a condition".into()),
        },
    }
}

/// Number of nodes, counted only as far as the limit needs.
fn size(location: &Location) -> usize {
    fn count(expr: &Expr, total: &mut usize) {
        *total += 1;
        if *total > TREE_LIMIT {
            return;
        }
        match expr {
            Expr::Constant(_)
            | Expr::Register(_)
            | Expr::EntryRegister(_)
            | Expr::Address(_)
            | Expr::Unknown
            | Expr::PerCpu(_) => {}
            Expr::ThreadLocal(value)
            | Expr::ReturnAddress(value)
            | Expr::Unary(_, value)
            | Expr::Extend { value, .. }
            | Expr::Dereference { address: value, .. } => count(value, total),
            Expr::Binary(_, left, right) => {
                count(left, total);
                count(right, total);
            }
            Expr::Select {
                condition,
                then,
                otherwise,
            } => {
                count(condition, total);
                count(then, total);
                count(otherwise, total);
            }
        }
    }
    let mut total = 0;
    match location {
        Location::Memory(value) | Location::Value(value) => count(value, &mut total),
        Location::Pieces(pieces) => total = pieces.iter().map(|piece| size(&piece.location)).sum(),
        Location::ImplicitPointer { target, .. } => total = size(target),
        _ => {}
    }
    total
}
