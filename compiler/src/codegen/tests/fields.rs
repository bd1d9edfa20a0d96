// SPDX-License-Identifier: GPL-2.0-or-later
//! Numbers of one structure: a table for the runtime.

use super::*;

fn binary(operator: BinaryOperator, left: Expr, right: i64) -> Expr {
    long(ExprKind::Binary(
        operator,
        Box::new(left),
        Box::new(num(right)),
    ))
}

fn word(offset: i64, size: u8, is_signed: bool) -> Expr {
    let start = var(LocalId::new(0));
    long(ExprKind::Read {
        space: Space::Kernel,
        address: Box::new(match offset {
            0 => start,
            _ => add(start, num(offset)),
        }),
        size,
        is_signed,
    })
}

/// The C of `sprintf` with a text before each value, in a function of an address.
fn printer(values: Vec<PrintPiece>) -> String {
    let pieces = values
        .into_iter()
        .flat_map(|value| [literal("="), value])
        .collect();
    let mut b = Build::new();
    let body = vec![stmt(StmtKind::Return(Some(sprintf(pieces))))];
    let parameters = [("value", Type::Long)];
    let function = b.function(
        "printer",
        &parameters,
        &[],
        Type::String,
        FunctionBody::Script(body),
    );
    b.kprobe(
        &[],
        vec![run(printf(vec![value(
            Conversion::String,
            call(function, vec![num(4096)], Type::String),
        )]))],
    );
    b.c()
}

fn words(count: i64) -> Vec<PrintPiece> {
    (0..count)
        .map(|index| value(Conversion::Decimal, word(8 * index, 8, true)))
        .collect()
}

#[test]
fn many_fields_are_a_table() {
    let mut values = words(7);
    let mut letter = value(Conversion::Character, word(56, 1, true));
    if let PrintPiece::Value { flags, .. } = &mut letter {
        flags.alternate = true;
    }
    values.push(letter);
    values.push(value(Conversion::Pointer, word(57, 4, false)));
    let c = printer(values);
    assert_has(&c, "{ \"=\", 1, 0, 8, 0, 0, 'd', 0, 1 },");
    assert_has(&c, "{ \"=\", 1, 48, 8, 0, 0, 'd', 0, 1 },");
    assert_has(
        &c,
        "{ \"=\", 1, 56, 1, 56, 56, 'c', RST_PRINT_ALTERNATE, 1 },",
    );
    assert_has(&c, "{ \"=\", 1, 57, 4, 32, 32, 'p', 0, 0 },");
    assert_has(&c, ", c, l_value, 0, f3, 9);");
    assert_lacks(&c, "rst_read_kernel");
}

#[test]
fn bit_fields_are_shifted_out() {
    use BinaryOperator::{And, ShiftLeft, ShiftRight, ShiftRightLogical};
    let mut values = words(6);
    let unsigned = |value| binary(And, value, 31);
    let low = word(48, 4, false);
    values.push(value(Conversion::Unsigned, unsigned(low.clone())));
    let high = binary(ShiftRightLogical, low.clone(), 3);
    values.push(value(Conversion::Unsigned, unsigned(high)));
    let signed = binary(ShiftRight, binary(ShiftLeft, low.clone(), 56), 59);
    values.push(value(Conversion::Decimal, signed));
    // Two runs of bits are no bit field.
    values.push(value(Conversion::Unsigned, binary(And, low, 5)));
    let c = printer(values);
    assert_has(&c, "{ \"=\", 1, 48, 4, 59, 59, 'u', 0, 0 },");
    assert_has(&c, "{ \"=\", 1, 48, 4, 56, 59, 'u', 0, 0 },");
    assert_has(&c, "{ \"=\", 1, 48, 4, 56, 59, 'd', 0, 1 },");
    assert_has(&c, "& 5LL");
}

#[test]
fn few_fields_and_other_values_are_code() {
    assert_lacks(&printer(words(7)), "struct rst_field");
    let mut values = words(8);
    values.insert(4, value(Conversion::Decimal, num(7)));
    let c = printer(values);
    assert_has(&c, "f3, 4);\n");
    assert_has(&c, "f4, 4);\n");
    assert_has(&c, "rst_put_decimal(&o");
}

#[test]
fn what_an_operand_changes_is_read_before() {
    let mut values = words(8);
    let parameter = Place::Local(LocalId::new(0));
    values.push(value(Conversion::Decimal, increment(parameter)));
    let c = printer(values);
    assert_lacks(&c, "struct rst_field");
    let mut values = words(8);
    values.push(value(Conversion::Decimal, increment(Place::Saved(0))));
    assert_lacks(&printer(values), "struct rst_field");
}
