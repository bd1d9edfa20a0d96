// SPDX-License-Identifier: GPL-2.0-or-later
//! Embedded C: its magic comments and where it came from.

use rstap_syntax::ast;
use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::Lowering;
use super::body::BodyState;
use super::expr::Lowered;
use super::stmt::global_id;
use crate::ir;

impl Lowering<'_, '_> {
    /// A block of C with the globals that its `pragma:read:` and `pragma:write:` name.
    pub(super) fn embedded_code(
        &mut self,
        state: &BodyState,
        code: &ast::EmbeddedC,
    ) -> ir::EmbeddedCode {
        self.c_text(state, &code.code, code.span)
    }

    pub(super) fn embedded_expr(&mut self, state: &BodyState, code: &str, token: Span) -> Lowered {
        let ty = if has_tag(code, "string") {
            ir::Type::String
        } else {
            ir::Type::Long
        };
        let kind = ir::ExprKind::EmbeddedC(self.c_text(state, code, token));
        let at = self.location(token);
        Lowered::new(ir::Expr::new(kind, ty, at), Ty::Known(ty))
    }

    fn c_text(&mut self, state: &BodyState, code: &str, span: Span) -> ir::EmbeddedCode {
        let mut globals: Vec<(String, ir::GlobalId, bool)> = Vec::new();
        for (tag, writes) in [("pragma:read:", false), ("pragma:write:", true)] {
            for (_, name) in tagged_names(code, tag) {
                let Some(global) = self.global(name, state.unit) else {
                    self.error(
                        rstap_syntax::diag::Diagnostic::semantic_error(
                            "E0207",
                            format!("unresolved global '{name}' in embedded C pragma"),
                        )
                        .at(span),
                    );
                    continue;
                };
                self.set_arity(global, 0, span);
                let info = &mut self.globals[global];
                info.is_read = true;
                info.is_written |= writes;
                if let Some(known) = globals.iter_mut().find(|(known, _, _)| known == name) {
                    known.2 |= writes;
                } else {
                    globals.push((name.to_owned(), global_id(global), writes));
                }
            }
        }
        let sources = self.session.sources.borrow();
        ir::EmbeddedCode {
            text: code.to_owned(),
            file: sources.file_name(span).to_owned(),
            line: sources.line_column(span).line,
            globals,
            is_unmangled: has_tag(code, "unmangled"),
            is_pure: has_tag(code, "pure"),
        }
    }
}

/// Whether a comment of the text holds this magic word: `/* pure unprivileged */` holds two.
pub(super) fn has_tag(code: &str, tag: &str) -> bool {
    code.split("/*")
        .skip(1)
        .filter_map(|rest| rest.split("*/").next())
        .any(|comment| comment.split_whitespace().any(|word| word == tag))
}

/// Names behind a tag such as `pragma:read:`, with their offsets.
fn tagged_names<'t>(code: &'t str, tag: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    code.match_indices(tag).filter_map(move |(offset, _)| {
        let rest = code.get(offset + tag.len()..)?;
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let name = rest.get(..end)?;
        (!name.is_empty()).then_some((offset, name))
    })
}
