// SPDX-License-Identifier: GPL-2.0-or-later
//! Globals that are written and never read are printed when the script ends; with `--monitor`,
//! arrays and statistics can be read from a file while it runs.

use super::super::session::Origin;
use super::Lowering;
use super::print::{literal, plain_value};
use super::stmt::global_id;
use crate::ir;
use crate::ir::arena::IndexVec;

/// How the probe for `--monitor` is called in the list of probes.
const MONITOR_PROBE: &str = "procfs(\"monitor_globals\").read";

impl Lowering<'_, '_> {
    /// Adds a last `end` probe (and one for errors) that prints such globals.
    pub(super) fn add_global_display(&mut self) {
        let at = match self.program.probes.first() {
            Some(_) => self
                .program
                .locations
                .push("automatic display of globals".to_owned()),
            None => return,
        };
        let mut handler = ir::Handler {
            locals: IndexVec::default(),
            body: Vec::new(),
        };
        for index in 0..self.globals.len() {
            let info = &self.globals[index];
            if info.is_read
                || !info.is_written
                || self.session.unit(info.unit).origin != Origin::User
            {
                continue;
            }
            let id = global_id(index);
            let Some(global) = self.program.globals.get(id) else {
                continue;
            };
            display(id, global, at, &print, &mut handler);
        }
        let kinds = [
            ("end", ir::ProbeKind::End { sequence: i64::MAX }),
            ("error", ir::ProbeKind::Error { sequence: i64::MAX }),
        ];
        self.add_probes(handler, kinds.to_vec());
    }

    /// Adds a probe that writes arrays and statistics for whoever reads the file; scalars are in
    /// the file that the runtime makes.
    pub(super) fn add_monitor_display(&mut self) {
        let at = self
            .program
            .locations
            .push("display of globals for --monitor".to_owned());
        let mut handler = ir::Handler {
            locals: IndexVec::default(),
            body: Vec::new(),
        };
        for index in 0..self.globals.len() {
            let id = global_id(index);
            let unit = self.session.unit(self.globals[index].unit);
            if let (Origin::User, Some(global)) = (unit.origin, self.program.globals.get(id))
                && !matches!(&global.kind, ir::GlobalKind::Scalar { ty, .. } if *ty != ir::Type::Stat)
            {
                display(id, global, at, &append, &mut handler);
            }
        }
        let kind = ir::ProbeKind::ProcfsRead {
            path: "monitor_globals".to_owned(),
            mode: 0,
            maximum_size: 1 << 16,
        };
        self.add_probes(handler, vec![(MONITOR_PROBE, kind)]);
    }

    fn add_probes(&mut self, handler: ir::Handler, kinds: Vec<(&str, ir::ProbeKind)>) {
        if handler.body.is_empty() {
            return;
        }
        let handler = self.program.handlers.push(handler);
        for (name, kind) in kinds {
            self.program.probes.push(ir::Probe {
                name: name.to_owned(),
                script_name: name.to_owned(),
                function: String::new(),
                location: "automatic display".to_owned(),
                kind,
                handler,
                entry_handler: None,
                saved_words: 0,
                saved_strings: 0,
                condition: None,
                is_optional: false,
                derivation: Vec::new(),
            });
        }
    }
}

/// Makes a statement that gives the pieces to whom they are for.
type Emit = dyn Fn(Vec<ir::PrintPiece>, ir::LocationId) -> ir::Stmt;

fn display(
    id: ir::GlobalId,
    global: &ir::Global,
    at: ir::LocationId,
    emit: &Emit,
    handler: &mut ir::Handler,
) {
    match &global.kind {
        ir::GlobalKind::Scalar { ty, .. } => {
            let mut pieces = Vec::new();
            literal(&mut pieces, global.name.as_bytes());
            match ty {
                ir::Type::Stat => stat_pieces(&ir::StatPlace::Scalar(id), at, &mut pieces),
                _ => {
                    let value = ir::Expr::new(ir::ExprKind::Global(id), *ty, at);
                    value_pieces(value, &mut pieces);
                }
            }
            literal(&mut pieces, b"\n");
            let mut block = vec![emit(pieces, at)];
            if *ty == ir::Type::Stat {
                // An empty statistic has no minimum.
                let mut empty = Vec::new();
                literal(
                    &mut empty,
                    format!("{} @count=0x0\n", global.name).as_bytes(),
                );
                let empty = vec![emit(empty, at)];
                block = vec![if_any(ir::StatPlace::Scalar(id), block, empty, at)];
            }
            handler.body.append(&mut block);
        }
        ir::GlobalKind::Array { keys, value, .. } => {
            let mut pieces = Vec::new();
            literal(&mut pieces, format!("{}[", global.name).as_bytes());
            let mut key_locals = Vec::new();
            for (number, ty) in keys.iter().enumerate() {
                let name = format!("{}_key{number}", global.c_name);
                let local = handler.locals.push(ir::Local { name, ty: *ty });
                key_locals.push(Some(local));
                if number > 0 {
                    literal(&mut pieces, b",");
                }
                let key = ir::Expr::new(ir::ExprKind::Local(local), *ty, at);
                if *ty == ir::Type::String {
                    literal(&mut pieces, b"\"");
                    pieces.push(escaped(key));
                    literal(&mut pieces, b"\"");
                } else {
                    pieces.push(plain_value(ir::Conversion::Decimal, key));
                }
            }
            literal(&mut pieces, b"]");
            let mut value_local = None;
            if *value == ir::Type::Stat {
                stat_pieces(&ir::StatPlace::Iterated(id), at, &mut pieces);
            } else {
                let name = format!("{}_value", global.c_name);
                let local = handler.locals.push(ir::Local { name, ty: *value });
                value_local = Some(local);
                let value = ir::Expr::new(ir::ExprKind::Local(local), *value, at);
                value_pieces(value, &mut pieces);
            }
            literal(&mut pieces, b"\n");
            handler.body.push(ir::Stmt {
                at,
                kind: ir::StmtKind::Foreach(Box::new(ir::Foreach {
                    array: id,
                    keys: key_locals,
                    value: value_local,
                    sort: Some(ir::Sort {
                        by: ir::SortBy::Value(ir::StatOperation::Count),
                        direction: ir::Direction::Descending,
                    }),
                    limit: None,
                    slice: Vec::new(),
                    body: vec![emit(pieces, at)],
                })),
            });
        }
    }
}

fn print(pieces: Vec<ir::PrintPiece>, at: ir::LocationId) -> ir::Stmt {
    let kind = ir::ExprKind::Print(Box::new(ir::Print {
        is_string: false,
        pieces,
    }));
    ir::Stmt {
        kind: ir::StmtKind::Expr(ir::Expr::new(kind, ir::Type::Void, at)),
        at,
    }
}

/// `$value .= sprintf(...)`
fn append(pieces: Vec<ir::PrintPiece>, at: ir::LocationId) -> ir::Stmt {
    let text = ir::ExprKind::Print(Box::new(ir::Print {
        is_string: true,
        pieces,
    }));
    let kind = ir::ExprKind::Assign {
        place: ir::Place::ProcfsValue,
        operator: Some(ir::BinaryOperator::Concat),
        value: Box::new(ir::Expr::new(text, ir::Type::String, at)),
    };
    ir::Stmt {
        kind: ir::StmtKind::Expr(ir::Expr::new(kind, ir::Type::String, at)),
        at,
    }
}

fn if_any(
    stat: ir::StatPlace,
    then: ir::Block,
    otherwise: ir::Block,
    at: ir::LocationId,
) -> ir::Stmt {
    let condition = ir::Expr::long(ir::ExprKind::Stat(ir::StatOperation::Count, stat), at);
    ir::Stmt {
        kind: ir::StmtKind::If {
            condition,
            then,
            otherwise,
        },
        at,
    }
}

/// A string between quotes, so that its own are told apart.
fn escaped(value: ir::Expr) -> ir::PrintPiece {
    ir::PrintPiece::Value {
        conversion: ir::Conversion::String,
        flags: ir::PrintFlags {
            alternate: true,
            ..Default::default()
        },
        width: None,
        precision: None,
        value,
    }
}

/// `=5` or `="text"`
fn value_pieces(value: ir::Expr, pieces: &mut Vec<ir::PrintPiece>) {
    if value.ty == ir::Type::String {
        literal(pieces, b"=\"");
        pieces.push(escaped(value));
        literal(pieces, b"\"");
        return;
    }
    literal(pieces, b"=");
    pieces.push(plain_value(ir::Conversion::Decimal, value));
}

/// ` @count=1 @min=2 @max=2 @sum=2 @avg=2`
fn stat_pieces(stat: &ir::StatPlace, at: ir::LocationId, pieces: &mut Vec<ir::PrintPiece>) {
    for (text, operation) in [
        (" @count=", ir::StatOperation::Count),
        (" @min=", ir::StatOperation::Minimum),
        (" @max=", ir::StatOperation::Maximum),
        (" @sum=", ir::StatOperation::Sum),
        (" @avg=", ir::StatOperation::Average),
    ] {
        literal(pieces, text.as_bytes());
        let kind = ir::ExprKind::Stat(operation, stat.clone());
        let value = ir::Expr::long(kind, at);
        pieces.push(plain_value(ir::Conversion::Decimal, value));
    }
}
