// SPDX-License-Identifier: GPL-2.0-or-later
//! A program under construction, piece by piece, and the C it becomes.

use crate::codegen::*;

/// A program under construction.
pub(super) struct Build {
    pub(super) program: Program,
    at: LocationId,
}

pub(super) fn stmt(kind: StmtKind) -> Stmt {
    Stmt {
        kind,
        at: LocationId::new(0),
    }
}

pub(super) fn expr(kind: ExprKind, ty: Type) -> Expr {
    Expr {
        kind,
        ty,
        at: LocationId::new(0),
    }
}

pub(super) fn long(kind: ExprKind) -> Expr {
    expr(kind, Type::Long)
}

pub(super) fn num(value: i64) -> Expr {
    long(ExprKind::Number(value))
}

pub(super) fn text(value: &str) -> Expr {
    expr(ExprKind::String(value.as_bytes().to_vec()), Type::String)
}

pub(super) fn run(value: Expr) -> Stmt {
    stmt(StmtKind::Expr(value))
}

pub(super) fn global(id: GlobalId) -> Expr {
    long(ExprKind::Global(id))
}

pub(super) fn var(id: LocalId) -> Expr {
    long(ExprKind::Local(id))
}

pub(super) fn svar(id: LocalId) -> Expr {
    expr(ExprKind::Local(id), Type::String)
}

pub(super) fn add(left: Expr, right: Expr) -> Expr {
    long(ExprKind::Binary(
        BinaryOperator::Add,
        Box::new(left),
        Box::new(right),
    ))
}

pub(super) fn set(place: Place, value: Expr) -> Expr {
    let ty = value.ty;
    expr(
        ExprKind::Assign {
            place,
            operator: None,
            value: Box::new(value),
        },
        ty,
    )
}

pub(super) fn update(place: Place, operator: BinaryOperator, value: Expr) -> Expr {
    let ty = value.ty;
    expr(
        ExprKind::Assign {
            place,
            operator: Some(operator),
            value: Box::new(value),
        },
        ty,
    )
}

pub(super) fn increment(place: Place) -> Expr {
    long(ExprKind::Step {
        place,
        is_prefix: false,
        by: 1,
    })
}

pub(super) fn call(function: FunctionId, arguments: Vec<Expr>, ty: Type) -> Expr {
    expr(
        ExprKind::Call {
            candidates: vec![function],
            arguments,
        },
        ty,
    )
}

pub(super) fn value(conversion: Conversion, value: Expr) -> PrintPiece {
    let flags = PrintFlags::default();
    PrintPiece::Value {
        conversion,
        flags,
        width: None,
        precision: None,
        value,
    }
}

pub(super) fn printf(pieces: Vec<PrintPiece>) -> Expr {
    expr(
        ExprKind::Print(Box::new(Print {
            is_string: false,
            pieces,
        })),
        Type::Void,
    )
}

pub(super) fn sprintf(pieces: Vec<PrintPiece>) -> Expr {
    expr(
        ExprKind::Print(Box::new(Print {
            is_string: true,
            pieces,
        })),
        Type::String,
    )
}

pub(super) fn literal(text: &str) -> PrintPiece {
    PrintPiece::Literal(text.as_bytes().to_vec())
}

pub(super) fn c_code(text: &str) -> EmbeddedCode {
    EmbeddedCode {
        text: text.to_owned(),
        file: "tapset/context.stp".to_owned(),
        line: 7,
        globals: Vec::new(),
        is_unmangled: false,
        is_pure: true,
    }
}

impl Build {
    pub(super) fn new() -> Self {
        let mut program = Program {
            name: "test.stp".to_owned(),
            ..Program::default()
        };
        let at = program
            .locations
            .push("operator '+' at test.stp:1:2".to_owned());
        Self { program, at }
    }

    pub(super) fn scalar(&mut self, name: &str, ty: Type) -> GlobalId {
        self.program.globals.push(Global {
            name: name.to_owned(),
            c_name: format!("global_{name}"),
            kind: GlobalKind::Scalar { ty, initial: None },
            stat: StatSpec::default(),
            is_parameter: false,
        })
    }

    pub(super) fn array(&mut self, name: &str, keys: &[Type], value: Type) -> GlobalId {
        self.program.globals.push(Global {
            name: name.to_owned(),
            c_name: format!("global_{name}"),
            kind: GlobalKind::Array {
                keys: keys.to_vec(),
                value,
                size: None,
                wrap: false,
            },
            stat: StatSpec::default(),
            is_parameter: false,
        })
    }

    pub(super) fn function(
        &mut self,
        name: &str,
        parameters: &[(&str, Type)],
        locals: &[(&str, Type)],
        returns: Type,
        body: FunctionBody,
    ) -> FunctionId {
        let local = |(name, ty): &(&str, Type)| Local {
            name: (*name).to_owned(),
            ty: *ty,
        };
        self.program.functions.push(Function {
            name: name.to_owned(),
            c_name: name.to_owned(),
            locals: parameters.iter().chain(locals).map(local).collect(),
            parameters: parameters.len(),
            returns,
            body,
            location: self.at,
        })
    }

    pub(super) fn embedded(&mut self, name: &str, returns: Type, text: &str) -> FunctionId {
        self.function(name, &[], &[], returns, FunctionBody::C(c_code(text)))
    }

    pub(super) fn probe(
        &mut self,
        kind: ProbeKind,
        locals: &[(&str, Type)],
        body: Block,
    ) -> HandlerId {
        let local = |(name, ty): &(&str, Type)| Local {
            name: (*name).to_owned(),
            ty: *ty,
        };
        let handler = self.program.handlers.push(Handler {
            locals: locals.iter().map(local).collect(),
            body,
        });
        self.program.probes.push(Probe {
            name: "probe".to_owned(),
            script_name: "probe".to_owned(),
            function: String::new(),
            location: "test.stp:1:1".to_owned(),
            kind,
            handler,
            entry_handler: None,
            saved_words: 0,
            saved_strings: 0,
            condition: None,
            is_optional: false,
            derivation: Vec::new(),
        });
        handler
    }

    pub(super) fn kprobe(&mut self, locals: &[(&str, Type)], body: Block) -> HandlerId {
        self.probe(ProbeKind::Function(CodePlace::default()), locals, body)
    }

    /// The C text, which gcc must accept without a warning.
    pub(super) fn c(&self) -> String {
        let text = match generate(&self.program) {
            Ok(text) => text,
            Err(error) => panic!("{error}"),
        };
        compile(&text);
        text
    }
}

pub(super) const BEGIN: ProbeKind = ProbeKind::Begin { sequence: 0 };
pub(super) const END: ProbeKind = ProbeKind::End { sequence: 0 };

pub(super) fn compile(text: &str) {
    use std::io::Write;
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/include");
    let mut child = std::process::Command::new("gcc")
        .args([
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Werror",
            "-fsyntax-only",
            "-fno-strict-overflow",
        ])
        .args(["-I", include, "-x", "c", "-"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("gcc is needed for the tests");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(text.as_bytes())
        .expect("write to gcc");
    let output = child.wait_with_output().expect("gcc");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{text}");
}

pub(super) fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no `{part}` in:\n{text}");
}

pub(super) fn assert_lacks(text: &str, part: &str) {
    assert!(!text.contains(part), "`{part}` in:\n{text}");
}
