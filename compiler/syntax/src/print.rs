// SPDX-License-Identifier: GPL-2.0-or-later
//! Trees back to text that parses to the same tree.

mod expression;

use std::fmt::Write as _;

use crate::ast::{
    Alias, AliasKind, Component, EmbeddedC, Expr, File, Foreach, Function, FunctionBody, Global,
    Item, Literal, LiteralValue, Param, ProbePoint, SortDirection, SortKey, Stmt, StmtKind, Type,
};
use expression::{expression, indexable, indexes, string};

/// Text of a file: one item after the other.
pub fn file(file: &File) -> String {
    let mut out = String::new();
    for item in &file.items {
        print_item(&mut out, item);
    }
    out
}

/// Text of one item, with its last newline.
pub fn item(item: &Item) -> String {
    let mut out = String::new();
    print_item(&mut out, item);
    out
}

/// Text of a statement, with its last newline.
pub fn statement(statement: &Stmt) -> String {
    let mut out = String::new();
    print_statement(&mut out, statement, 0);
    out
}

/// Text of an expression.
pub fn expr(expr: &Expr) -> String {
    let mut out = String::new();
    expression(&mut out, expr, 0);
    out
}

/// Text of a probe point with its suffixes: `kernel.function("f").return ? if (on)`.
pub fn probe_point(point: &ProbePoint) -> String {
    let mut out = String::new();
    print_point(&mut out, point);
    out
}

/// Text of a string literal with its quotes.
pub fn string_literal(bytes: &[u8]) -> String {
    let mut out = String::new();
    string(&mut out, bytes);
    out
}

/// A tree without its places: two trees that mean the same have the same shape.
pub fn shape(file: &File) -> String {
    let text = format!("{:?}", file.items);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        out.push('@');
        // `Span { file: FileId(0), start: 0, end: 0, expansion: ExpansionId(0) }`
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

impl std::fmt::Display for ProbePoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&probe_point(self))
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&expr(self))
    }
}

impl std::fmt::Display for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        match &self.arg {
            Some(arg) => write!(f, "({arg})"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            LiteralValue::Number(number) => write!(f, "{number}"),
            LiteralValue::String(text) => f.write_str(&string_literal(text)),
        }
    }
}

/// Writes items with a separator in between.
fn list<T>(out: &mut String, separator: &str, items: &[T], mut each: impl FnMut(&mut String, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        each(out, item);
    }
}

fn print_point(out: &mut String, point: &ProbePoint) {
    list(out, ".", &point.components, |out, component| {
        let _ = write!(out, "{component}");
    });
    match (point.sufficient, point.optional) {
        (true, _) => out.push_str(" !"),
        (false, true) => out.push_str(" ?"),
        (false, false) => {}
    }
    if let Some(condition) = &point.condition {
        out.push_str(" if (");
        expression(out, condition, 0);
        out.push(')');
    }
}

fn print_item(out: &mut String, item: &Item) {
    match item {
        Item::Probe(probe) => {
            out.push_str("probe ");
            list(out, ", ", &probe.points, print_point);
            print_body(out, &probe.body);
            out.push('\n');
        }
        Item::Alias(alias) => print_alias(out, alias),
        Item::Global(global) => print_global(out, global),
        Item::Function(function) => print_function(out, function),
        Item::EmbeddedC(code) => {
            print_code(out, code);
            out.push('\n');
        }
    }
}

fn print_alias(out: &mut String, alias: &Alias) {
    out.push_str("probe ");
    for name in &alias.names {
        print_point(out, name);
        out.push_str(match alias.kind {
            AliasKind::Prologue => " = ",
            AliasKind::Epilogue => " += ",
        });
    }
    list(out, ", ", &alias.points, print_point);
    print_body(out, &alias.body);
    if let Some(epilogue) = &alias.epilogue {
        out.push(',');
        print_body(out, epilogue);
    }
    out.push('\n');
}

fn print_global(out: &mut String, global: &Global) {
    out.push_str(if global.private {
        "private global "
    } else {
        "global "
    });
    out.push_str(&global.name.name);
    if global.wrap {
        out.push('%');
    }
    if let Some(size) = global.size {
        let _ = write!(out, "[{size}]");
    }
    if let Some(init) = &global.init {
        let _ = write!(out, " = {init}");
    }
    out.push('\n');
}

fn print_type(out: &mut String, ty: Option<Type>) {
    out.push_str(match ty {
        Some(Type::Long) => ":long",
        Some(Type::String) => ":string",
        None => "",
    });
}

fn print_function(out: &mut String, function: &Function) {
    out.push_str(if function.private {
        "private function "
    } else {
        "function "
    });
    out.push_str(&function.name.name);
    print_type(out, function.return_type);
    out.push('(');
    list(out, ", ", &function.params, |out, Param { name, ty }| {
        out.push_str(&name.name);
        print_type(out, *ty);
    });
    out.push(')');
    if let Some(priority) = function.priority {
        let _ = write!(out, " : {priority}");
    }
    match &function.body {
        FunctionBody::Block(body) => print_body(out, body),
        FunctionBody::EmbeddedC(code) => {
            out.push(' ');
            print_code(out, code);
        }
    }
    out.push('\n');
}

fn print_code(out: &mut String, code: &EmbeddedC) {
    let _ = write!(out, "%{{{}%}}", code.code);
}

/// A block behind something in the same line, without its last newline.
fn print_body(out: &mut String, body: &Stmt) {
    out.push(' ');
    print_inner(out, body, 0);
}

fn indent(out: &mut String, depth: usize) {
    // Deep nesting is for machines; do not let blanks grow with its square.
    out.extend(std::iter::repeat_n("  ", depth.min(32)));
}

fn print_statement(out: &mut String, statement: &Stmt, depth: usize) {
    indent(out, depth);
    print_inner(out, statement, depth);
    out.push('\n');
}

/// A statement below `if` and the like: a block in the same line, others in their own.
fn print_nested(out: &mut String, statement: &Stmt, depth: usize) {
    if matches!(statement.kind, StmtKind::Block(_)) {
        out.push(' ');
        print_inner(out, statement, depth);
    } else {
        out.push('\n');
        indent(out, depth + 1);
        print_inner(out, statement, depth + 1);
    }
}

fn head(out: &mut String, word: &str, condition: &Expr) {
    let _ = write!(out, "{word} (");
    expression(out, condition, 0);
    out.push(')');
}

/// A statement without indentation and without its last newline.
fn print_inner(out: &mut String, statement: &Stmt, depth: usize) {
    match &statement.kind {
        StmtKind::Empty => out.push(';'),
        StmtKind::Block(body) => {
            out.push_str("{\n");
            for statement in body {
                print_statement(out, statement, depth + 1);
            }
            indent(out, depth);
            out.push('}');
        }
        StmtKind::Expr(expr) => {
            expression(out, expr, 0);
            out.push(';');
        }
        StmtKind::If {
            condition,
            then,
            otherwise,
        } => {
            head(out, "if", condition);
            print_nested(out, then, depth);
            let mut rest = otherwise;
            while let Some(statement) = rest {
                out.push('\n');
                indent(out, depth);
                let StmtKind::If {
                    condition,
                    then,
                    otherwise,
                } = &statement.kind
                else {
                    out.push_str("else");
                    print_nested(out, statement, depth);
                    break;
                };
                head(out, "else if", condition);
                print_nested(out, then, depth);
                rest = otherwise;
            }
        }
        StmtKind::While { condition, body } => {
            head(out, "while", condition);
            print_nested(out, body, depth);
        }
        StmtKind::For {
            init,
            condition,
            step,
            body,
        } => {
            out.push_str("for (");
            for (index, part) in [init, condition, step].into_iter().enumerate() {
                if let Some(part) = part {
                    out.push_str(if index > 0 { " " } else { "" });
                    expression(out, part, 0);
                }
                out.push_str(if index < 2 { ";" } else { ")" });
            }
            print_nested(out, body, depth);
        }
        StmtKind::Foreach(foreach) => print_foreach(out, foreach, depth),
        StmtKind::Break => out.push_str("break;"),
        StmtKind::Continue => out.push_str("continue;"),
        StmtKind::Next => out.push_str("next;"),
        StmtKind::Return(value) => {
            out.push_str("return");
            if let Some(value) = value {
                out.push(' ');
                expression(out, value, 0);
            }
            out.push(';');
        }
        StmtKind::Delete(value) => {
            out.push_str("delete ");
            expression(out, value, 0);
            out.push(';');
        }
        StmtKind::Try {
            body,
            variable,
            handler,
        } => {
            out.push_str("try");
            print_nested(out, body, depth);
            out.push_str(" catch");
            if let Some(variable) = variable {
                let _ = write!(out, " ({})", variable.name);
            }
            print_nested(out, handler, depth);
        }
    }
}

fn print_foreach(out: &mut String, foreach: &Foreach, depth: usize) {
    let sort = foreach.sort.as_ref();
    let direction = sort.map_or("", |sort| match sort.direction {
        SortDirection::Ascending => "+",
        SortDirection::Descending => "-",
    });
    out.push_str("foreach (");
    if let Some(value) = &foreach.value {
        let _ = write!(out, "{} = ", value.name);
    }
    out.push('[');
    for (position, index) in foreach.indexes.iter().enumerate() {
        out.push_str(if position > 0 { ", " } else { "" });
        out.push_str(&index.name);
        if sort.is_some_and(|sort| sort.key == SortKey::Index(position)) {
            out.push_str(direction);
        }
    }
    out.push_str("] in ");
    indexable(out, &foreach.base);
    if let Some(slice) = &foreach.slice {
        indexes(out, slice);
    }
    if let Some(SortKey::Value(operator)) = sort.map(|sort| sort.key) {
        if let Some(operator) = operator {
            let _ = write!(out, " {} ", operator.symbol());
        }
        out.push_str(direction);
    }
    if let Some(limit) = &foreach.limit {
        out.push_str(" limit ");
        expression(out, limit, 0);
    }
    out.push(')');
    print_nested(out, &foreach.body, depth);
}
