// SPDX-License-Identifier: GPL-2.0-or-later
//! `$$vars`, `$$parms`, `$$locals`, `$$return`, `$$name`, `$$system`.

use std::collections::HashSet;
use std::rc::Rc;

use rstap_debuginfo::{Marker, TypeKind, VariableKind};
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;

use super::access::Selected;
use super::name::Depth;
use super::{Resolver, build};
use crate::ir::visit::{Visitor, walk_expression};
use crate::ir::{Conversion, Expr, ExprKind, PrintPiece};
use crate::semantic::points::{Context, from_target};

impl Resolver<'_> {
    /// The text that a `$$` name means here; `None` if it is no such name.
    pub(super) fn summary(
        &mut self,
        name: &str,
        depth: Option<Depth>,
    ) -> Result<Option<Expr>, Diagnostic> {
        match self.cx.context {
            Context::Tracepoint(point) => {
                let text = match name {
                    "$$name" => point.name.clone(),
                    "$$system" => point.system.clone(),
                    "$$vars" | "$$parms" => {
                        let arguments = point.arguments.as_deref().unwrap_or_default();
                        let names: Vec<String> = arguments
                            .iter()
                            .map(|argument| argument.name.clone())
                            .collect();
                        return self.list(&names, depth).map(Some);
                    }
                    _ => return Ok(None),
                };
                Ok(Some(build::string(self.at, &text)))
            }
            Context::Mark(marker) => {
                let marker = Rc::clone(marker);
                let text = match name {
                    "$$name" => marker.name.clone(),
                    "$$provider" => marker.provider.clone(),
                    "$$vars" | "$$parms" => return Ok(Some(self.marker_list(&marker))),
                    _ => return Ok(None),
                };
                Ok(Some(build::string(self.at, &text)))
            }
            Context::Plt(function) => match name {
                "$$name" => Ok(Some(build::string(self.at, function))),
                _ => Ok(None),
            },
            Context::Syscall { is_return } => {
                let names: Vec<&str> = match (name, is_return) {
                    ("$$vars", false) => {
                        vec!["syscall", "arg1", "arg2", "arg3", "arg4", "arg5", "arg6"]
                    }
                    ("$$vars" | "$$return", true) => vec!["return"],
                    _ => return Ok(None),
                };
                let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
                self.list(&names, depth).map(Some)
            }
            Context::Code(code) => {
                let is_wanted = |kind| match name {
                    "$$vars" => kind != VariableKind::Global,
                    "$$parms" => kind == VariableKind::Parameter,
                    "$$locals" => kind == VariableKind::Local,
                    _ => false,
                };
                let Some(function) = &code.function else {
                    return Ok(None);
                };
                if name == "$$return" && code.is_return {
                    let prototype = self.cx.session.target.prototype(function);
                    let has_value = match prototype {
                        Ok(Some(prototype)) => !self.bare(prototype.return_type)?.id.is_void(),
                        Ok(None) => true,
                        Err(problem) => return Err(from_target(&problem).at(self.token)),
                    };
                    let names = if has_value {
                        vec!["return".to_owned()]
                    } else {
                        Vec::new()
                    };
                    return self.list(&names, depth).map(Some);
                }
                if !matches!(name, "$$vars" | "$$parms" | "$$locals") {
                    return Ok(None);
                }
                let variables = self.cx.session.target.variables_at(function, code.pc);
                let variables =
                    variables.map_err(|problem| from_target(&problem).at(self.token))?;
                let mut seen = HashSet::new();
                let names: Vec<String> = variables
                    .into_iter()
                    .filter(|variable| is_wanted(variable.kind) && !variable.name.is_empty())
                    .filter(|variable| seen.insert(variable.name.clone()))
                    .map(|variable| variable.name)
                    .collect();
                self.list(&names, depth).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// `$arg1=0x1 $arg2=?` as a marker's `$$vars` print it.
    fn marker_list(&mut self, marker: &Marker) -> Expr {
        let mut pieces = Vec::new();
        for number in 1..=marker.arguments.len() {
            let space = if number > 1 { " " } else { "" };
            let name = format!("$arg{number}");
            match self.marker_argument(marker, &name) {
                Ok(value) => {
                    pieces.push(build::literal(format!("{space}{name}=")));
                    pieces.push(build::piece(Conversion::HexLower, true, value));
                }
                Err(_) => pieces.push(build::literal(format!("{space}{name}=?"))),
            }
        }
        build::sprint(self.at, glue(pieces))
    }

    /// `a=0x1 b=?`
    fn list(&mut self, names: &[String], depth: Option<Depth>) -> Result<Expr, Diagnostic> {
        let mut pieces = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            let label = format!("{space}{name}=");
            match self.item(name, depth) {
                Ok(item) => {
                    pieces.push(build::literal(label));
                    pieces.push(item);
                }
                Err(_) => pieces.push(build::literal(format!("{label}?"))),
            }
        }
        Ok(build::sprint(self.at, glue(pieces)))
    }

    fn item(&mut self, name: &str, depth: Option<Depth>) -> Result<PrintPiece, Diagnostic> {
        let target = ast::Target {
            name: format!("${name}"),
            suffixes: Vec::new(),
        };
        let kind = ast::ExprKind::Target(target);
        let expr = ast::Expr::new(kind, self.token, self.token);
        let (selected, _) = self.start(&expr, None)?;
        if let Some(depth) = depth {
            let text = self.pretty_text(selected, depth)?;
            return Ok(build::piece(Conversion::String, false, text));
        }
        self.short(selected)
    }

    fn short(&mut self, selected: Selected) -> Result<PrintPiece, Diagnostic> {
        let bare = self.bare(selected.ty.id)?;
        match &bare.kind {
            TypeKind::Aggregate { .. } => Ok(build::literal("{...}")),
            TypeKind::Array { .. } => Ok(build::literal("[...]")),
            TypeKind::Base {
                encoding: rstap_debuginfo::Encoding::Float,
                ..
            } => Ok(build::literal("?")),
            _ => {
                let token = self.token;
                let value = self.load(selected, token)?.expr;
                let may_fail = calls(&value);
                let piece = build::piece(Conversion::HexLower, true, value);
                if !may_fail {
                    return Ok(piece);
                }
                // What turns out to be unknown must not cost the others.
                let text = build::sprint(self.at, vec![piece]);
                let nothing = build::number(self.at, 0);
                let otherwise = build::string(self.at, "?");
                let text = self.guarded(text, nothing, otherwise);
                Ok(build::piece(Conversion::String, false, text))
            }
        }
    }
}

/// Whether a value depends on who called the function.
fn calls(value: &Expr) -> bool {
    struct Search(bool);
    impl Visitor for Search {
        fn expression(&mut self, expression: &Expr) {
            self.0 |= matches!(expression.kind, ExprKind::Call { .. });
            walk_expression(self, expression);
        }
    }
    let mut search = Search(false);
    search.expression(value);
    search.0
}

/// Puts neighbouring literals together.
fn glue(pieces: Vec<PrintPiece>) -> Vec<PrintPiece> {
    let mut glued: Vec<PrintPiece> = Vec::new();
    for piece in pieces {
        match (glued.last_mut(), piece) {
            (Some(PrintPiece::Literal(before)), PrintPiece::Literal(text)) => before.extend(text),
            (_, piece) => glued.push(piece),
        }
    }
    glued
}
