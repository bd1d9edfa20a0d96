// SPDX-License-Identifier: GPL-2.0-or-later
use std::rc::Rc;

use rstap_debuginfo::{
    AggregateKind, BitField, Encoding, Location, LocationExpr, TypeId, VariableKind,
};
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::{SourceMap, Span};
use rstap_syntax::{Environment, LibraryMacros, ast};

use super::{Emit, VariableCx, resolve, resolve_place};
use crate::ir::arena::EntityId;
use crate::ir::{self, BinaryOperator, ExprKind, PrintPiece, StmtKind};
use crate::semantic::points::{self, tests::NoLibrary};
use crate::semantic::session::{SemanticOptions, Session};
use crate::target::FixtureTarget;

#[derive(Default)]
struct Collect {
    functions: Vec<ir::Function>,
    saved: Vec<ir::Expr>,
    warnings: Vec<String>,
}

impl Emit for Collect {
    fn location(&mut self, _token: Span) -> ir::LocationId {
        EntityId::new(0)
    }
    fn function(&mut self, function: ir::Function) -> ir::FunctionId {
        self.functions.push(function);
        EntityId::new(self.functions.len() - 1)
    }
    fn saved(&mut self, entry_value: ir::Expr) -> ir::Expr {
        let kind = match entry_value.ty {
            ir::Type::String => ExprKind::SavedString(self.saved.len()),
            _ => ExprKind::Saved(self.saved.len()),
        };
        let (ty, at) = (entry_value.ty, entry_value.at);
        self.saved.push(entry_value);
        ir::Expr { kind, ty, at }
    }
    fn warn(&mut self, message: String, _at: Span) {
        self.warnings.push(message);
    }
}

fn kernel() -> FixtureTarget {
    let mut target = FixtureTarget::new();
    let int = target.base("int", 4, Encoding::Signed);
    let long = target.base("long int", 8, Encoding::Signed);
    let flags = target.base("unsigned int", 4, Encoding::Unsigned);
    let char = target.base("char", 1, Encoding::SignedChar);
    let name = target.array(char, 16);
    let text = target.pointer(char);
    let numbers = target.array(int, 3);
    let bits = BitField {
        bit_offset: 3,
        bit_size: 5,
        storage_size: 4,
    };
    let anonymous = target.aggregate(AggregateKind::Union, "", 4, &[("low", int, 0, None)]);
    let inode = target.structure("inode", 16, &[("i_ino", long, 8)]);
    let inode_pointer = target.pointer(inode);
    let file = target.aggregate(
        AggregateKind::Struct,
        "file",
        64,
        &[
            ("f_inode", inode_pointer, 0, None),
            ("f_flags", flags, 8, None),
            ("mode", flags, 12, Some(bits)),
            ("name", name, 16, None),
            ("numbers", numbers, 32, None),
            ("", anonymous, 44, None),
            ("inner", inode, 48, None),
        ],
    );
    let file_pointer = target.pointer(file);
    target.enumeration("color", &[("RED", 0), ("GREEN", 5)]);
    let parameters = [("file", file_pointer), ("count", int), ("text", text)];
    let function = target.add_function("f", ("fs/f.c", 4), long, &parameters);
    let gone = Location::Unavailable("optimized out".to_owned());
    target.add_local(&function, "gone", int, VariableKind::Local, gone, None);
    let address = LocationExpr::Constant(0x5000);
    let place = Location::Memory(address);
    target.add_local(&function, "local", file, VariableKind::Local, place, None);
    target.add_function("nothing", ("fs/f.c", 9), TypeId::VOID, &[]);
    target.add_tracepoint("sched", "switch", &[("prev", file_pointer), ("state", int)]);
    target
}

struct Outcome {
    value: Result<ir::Expr, Diagnostic>,
    emitted: Collect,
}

/// Resolves an expression in a probe.
fn run(point: &str, expression: &str) -> Outcome {
    with_session(point, expression, false, |cx, expr| {
        let mut emitted = Collect::default();
        let indexes = indexes(expr);
        let operand = matches!(expr.kind, ast::ExprKind::Cast(_))
            .then(|| (super::build::number(EntityId::new(0), 0x9000), None));
        let value = resolve(cx, expr, operand, indexes, &mut emitted).map(|value| value.expr);
        Outcome { value, emitted }
    })
}

fn indexes(expr: &ast::Expr) -> Vec<ir::Expr> {
    let ast::ExprKind::Target(target) = &expr.kind else {
        return Vec::new();
    };
    let numbers = target.suffixes.iter().filter_map(|suffix| match suffix {
        ast::TargetSuffix::Index(ast::Expr {
            kind: ast::ExprKind::Number(number),
            ..
        }) => Some(super::build::number(EntityId::new(0), *number)),
        _ => None,
    });
    numbers.collect()
}

fn with_session<R>(
    point: &str,
    expression: &str,
    guru: bool,
    use_it: impl FnOnce(&VariableCx, &ast::Expr) -> R,
) -> R {
    let target = kernel();
    let mut sources = SourceMap::new();
    let script = format!("probe {point} {{ {expression} }}");
    let environment = Environment::default();
    let macros = LibraryMacros::default();
    let (file, problems) =
        rstap_syntax::parse_script(&mut sources, "<input>", script, &environment, &macros, &[]);
    assert_eq!(problems, [], "{expression}");
    let options = SemanticOptions {
        guru,
        ..SemanticOptions::default()
    };
    let session = Session::new(&target, &NoLibrary, options, sources);
    let unit = session.add_user_file(file);
    let probe = Rc::clone(&session.unit(unit).probes[0]);
    let derived = points::derive(&session, &probe, unit);
    let context = derived[0].context.clone();
    let ast::StmtKind::Block(statements) = &probe.body.kind else {
        panic!("no block")
    };
    let ast::StmtKind::Expr(expr) = &statements[0].kind else {
        panic!("no expression")
    };
    let cx = VariableCx {
        session: &session,
        context: &context,
    };
    use_it(&cx, expr)
}

const ENTRY: &str = "kernel.function(\"f\")";
const RETURN: &str = "kernel.function(\"f\").return";

fn value(expression: &str) -> String {
    match run(ENTRY, expression).value {
        Ok(expr) => show(&expr),
        Err(error) => error.message,
    }
}

/// IR in a short form.
fn show(expr: &ir::Expr) -> String {
    match &expr.kind {
        ExprKind::Number(number) => format!("{number:#x}"),
        ExprKind::Register(number) => format!("r{number}"),
        ExprKind::Argument(number) => format!("arg{number}"),
        ExprKind::Saved(number) => format!("saved{number}"),
        ExprKind::ReturnValue => "result".to_owned(),
        ExprKind::Local(_) => "value".to_owned(),
        ExprKind::Read {
            address,
            size,
            is_signed,
            ..
        } => {
            format!(
                "{}{size}({})",
                if *is_signed { "s" } else { "u" },
                show(address)
            )
        }
        ExprKind::Extend {
            value,
            size,
            is_signed,
        } => {
            format!(
                "ext{}{size}({})",
                if *is_signed { "s" } else { "u" },
                show(value)
            )
        }
        ExprKind::Binary(operator, left, right) => {
            let symbol = match operator {
                BinaryOperator::Add => "+",
                BinaryOperator::ShiftRightLogical => ">>>",
                BinaryOperator::And => "&",
                _ => "?",
            };
            format!("{}{symbol}{}", show(left), show(right))
        }
        ExprKind::Call { arguments, .. } => {
            format!(
                "call({})",
                arguments.iter().map(show).collect::<Vec<_>>().join(",")
            )
        }
        ExprKind::Print(print) => print.pieces.iter().map(show_piece).collect(),
        ExprKind::MemoryString { address, .. } => format!("string({})", show(address)),
        other => format!("{other:?}"),
    }
}

fn show_piece(piece: &PrintPiece) -> String {
    match piece {
        PrintPiece::Literal(text) => String::from_utf8_lossy(text).into_owned(),
        PrintPiece::Value {
            conversion, value, ..
        } => format!("<{conversion:?} {}>", show(value)),
        PrintPiece::Histogram { .. } => "histogram".to_owned(),
    }
}

fn show_statement(statement: &ir::Stmt) -> String {
    match &statement.kind {
        StmtKind::Return(Some(text)) => show(text),
        StmtKind::Expr(ir::Expr {
            kind: ExprKind::Assign { value, .. },
            ..
        }) => format!("value={} ", show(value)),
        other => panic!("{other:?}"),
    }
}

/// What a printer function does when all goes well.
fn printed(function: &ir::Function) -> String {
    let ir::FunctionBody::Script(body) = &function.body else {
        panic!("C")
    };
    let StmtKind::Try { body, .. } = &body[0].kind else {
        panic!("no try")
    };
    body.iter().map(show_statement).collect()
}

#[test]
fn members_and_elements() {
    assert_eq!(value("$count"), "exts4(r4)");
    assert_eq!(value("$file"), "r5");
    assert_eq!(value("$file->f_flags"), "u4(r5+0x8)");
    assert_eq!(value("$file->f_inode->i_ino"), "s8(u8(r5)+0x8)");
    assert_eq!(value("$file->mode"), "u4(r5+0xc)>>>0x3&0x1f");
    assert_eq!(value("$file->name"), "r5+0x10");
    assert_eq!(value("$file->name[2]"), "s1(r5+0x12)");
    assert_eq!(value("$file->numbers[1]"), "s4(r5+0x24)");
    assert_eq!(value("$file->low"), "s4(r5+0x2c)");
    assert_eq!(value("$file[1]->f_flags"), "u4(r5+0x48)");
    assert_eq!(value("&$file->inner"), "r5+0x30");
    assert_eq!(value("$local->f_flags"), "u4(0x5008)");
    assert_eq!(value("$GREEN"), "0x5");
    assert_eq!(
        value("@cast(1, \"struct inode\", \"kernel\")->i_ino"),
        "s8(0x9008)"
    );
}

#[test]
fn messages() {
    for (expression, expected) in [
        (
            "$foo",
            "unable to find local 'foo', [man error::dwarf] dieoffset 0x0 in kernel, near pc",
        ),
        (
            "$file->foo",
            "unable to find member 'foo' for struct file (alternatives: ",
        ),
        ("$count->x", "invalid access '->x' vs. int"),
        (
            "$file->inner",
            "'struct inode' is being accessed instead of a member such as '->i_ino'",
        ),
        ("$file->name->x", "invalid access '->x' for array type"),
        ("&$file->mode", "cannot take the address of a bit field"),
        (
            "$gone",
            "not accessible at this address (pc: 0x1000): optimized out [man error::dwarf]",
        ),
        (
            "@cast(1, \"struct none\")->x",
            "type definition 'struct none' not found in 'kernel'",
        ),
        (
            "@var(\"none@a.c\")",
            "unable to find global 'none' in kernel, in a.c",
        ),
    ] {
        assert!(
            value(expression).starts_with(expected),
            "{expression}: {}",
            value(expression)
        );
    }
}

#[test]
fn return_probes_keep_parameters() {
    let outcome = run(RETURN, "$file->f_flags");
    assert_eq!(
        outcome.value.map(|expr| show(&expr)),
        Ok("saved0".to_owned())
    );
    assert_eq!(show(&outcome.emitted.saved[0]), "u4(r5+0x8)");
    let outcome = run(RETURN, "$return");
    assert_eq!(
        outcome.value.map(|expr| show(&expr)),
        Ok("result".to_owned())
    );
    let nothing = run("kernel.function(\"nothing\").return", "$return");
    let message = nothing
        .value
        .map_err(|error| error.message)
        .map(|expr| show(&expr));
    assert_eq!(
        message,
        Err("function nothing (fs/f.c) has no return value".to_owned())
    );
}

#[test]
fn tracepoint_arguments() {
    let trace = "kernel.trace(\"switch\")";
    let show = |expression: &str| run(trace, expression).value.map(|expr| show(&expr));
    assert_eq!(show("$prev->f_flags"), Ok("u4(arg0+0x8)".to_owned()));
    assert_eq!(
        show("$$vars"),
        Ok("prev=<HexLower arg0> state=<HexLower exts4(arg1)>".to_owned())
    );
}

#[test]
fn whole_values_as_text() {
    let outcome = run(ENTRY, "$file$");
    assert_eq!(
        outcome.value.map(|expr| show(&expr)),
        Ok("call(r5)".to_owned())
    );
    let text = printed(&outcome.emitted.functions[0]);
    assert_eq!(
        text,
        "{.f_inode=<Pointer u8(value)>, .f_flags=<Unsigned u4(value+0x8)>, \
         .mode=<Unsigned u4(value+0xc)>>>0x3&0x1f>, .name=[...], .numbers=[...], \
         <union>={...}, .inner={...}}"
    );
    // A pointer in memory is followed once.
    let inode = run(ENTRY, "$file->f_inode$");
    assert_eq!(
        inode.value.map(|expr| show(&expr)),
        Ok("call(r5)".to_owned())
    );
    assert_eq!(
        printed(&inode.emitted.functions[0]),
        "value=u8(value) {.i_ino=<Decimal s8(value+0x8)>}"
    );
    let deep = run(ENTRY, "$file$$");
    let text = printed(deep.emitted.functions.last().expect("a printer"));
    assert!(text.contains(".name=<String call(value+0x10)>"), "{text}");
    assert!(
        text.contains(".numbers=[<Decimal s4(value+0x20)>, ...]"),
        "{text}"
    );
    assert!(
        text.contains("<union>={.low=<Decimal s4(value+0x2c)>}"),
        "{text}"
    );
    assert!(
        text.contains(".inner={.i_ino=<Decimal s8(value+0x38)>}"),
        "{text}"
    );
    assert_eq!(value("$$locals"), "gone=? local={...}");
    assert!(value("$$parms").starts_with("file=<HexLower r5> count=<HexLower exts4(r4)>"));
}

#[test]
fn writes_need_guru_mode() {
    let place = |guru, expression: &str| {
        with_session(ENTRY, expression, guru, |cx, expr| {
            resolve_place(cx, expr, None, indexes(expr), &mut Collect::default())
                .map(|(place, _)| place)
                .map_err(|error| error.message)
        })
    };
    let refused = place(false, "$count").map(|_| ());
    let message = "write to target variable not permitted; need stap -g";
    assert_eq!(refused, Err(message.to_owned()));
    assert!(matches!(
        place(true, "$count"),
        Ok(ir::Place::Register {
            number: 4,
            size: 4,
            ..
        })
    ));
    let bits = place(true, "$file->mode");
    assert!(matches!(
        bits,
        Ok(ir::Place::Memory {
            bits: Some((3, 5)),
            size: 4,
            ..
        })
    ));
}
