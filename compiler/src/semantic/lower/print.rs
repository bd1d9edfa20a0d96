// SPDX-License-Identifier: GPL-2.0-or-later
//! The print family: every call becomes literals and single conversions.

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::Lowering;
use super::body::BodyState;
use super::expr::Lowered;
use crate::ir;

/// SystemTap's words.
const WRONG_NUMBER: &str = "Wrong number of args to formatted print operator";

impl Lowering<'_, '_> {
    pub(super) fn print(
        &mut self,
        state: &mut BodyState,
        print: &ast::Print,
        token: Span,
    ) -> Lowered {
        let mut pieces = Vec::new();
        match print.function.style {
            ast::PrintStyle::Plain => {
                for argument in &print.args {
                    self.print_plain(state, argument, &mut pieces);
                }
            }
            ast::PrintStyle::Delimited => {
                for (index, argument) in print.args.iter().enumerate() {
                    if index > 0 {
                        literal(&mut pieces, print.delimiter.as_deref().unwrap_or_default());
                    }
                    self.print_plain(state, argument, &mut pieces);
                }
            }
            ast::PrintStyle::Char => {
                for argument in &print.args {
                    let value = self.long(state, argument);
                    pieces.push(plain_value(ir::Conversion::Character, value));
                }
            }
            ast::PrintStyle::Format => self.print_format(state, print, token, &mut pieces),
        }
        if print.function.newline {
            literal(&mut pieces, b"\n");
        }
        let is_string = print.function.to_string;
        let (ty, known) = if is_string {
            (ir::Type::String, Ty::STRING)
        } else {
            (ir::Type::Void, Ty::Known(ir::Type::Void))
        };
        let at = self.location(token);
        let kind = ir::ExprKind::Print(Box::new(ir::Print { is_string, pieces }));
        Lowered::new(ir::Expr::new(kind, ty, at), known)
    }

    fn print_plain(
        &mut self,
        state: &mut BodyState,
        argument: &ast::Expr,
        pieces: &mut Vec<ir::PrintPiece>,
    ) {
        if let ast::ExprKind::Hist(hist) = &argument.kind {
            if let Some((stat, histogram)) = self.histogram(state, hist) {
                pieces.push(ir::PrintPiece::Histogram { stat, histogram });
            }
            return;
        }
        let value = self.expr(state, argument);
        let conversion = match self.types.get(value.ty) {
            Some(ir::Type::String) => ir::Conversion::String,
            Some(ir::Type::Long) => ir::Conversion::Decimal,
            Some(ir::Type::Stat) => {
                self.error(
                    Diagnostic::semantic_error("E0226", "a statistic cannot be printed as a value")
                        .at(argument.span)
                        .hint("print @count(), @avg() or another operator of it, or its histogram"),
                );
                return;
            }
            Some(ir::Type::Void) | None => {
                self.unresolved(argument.token);
                return;
            }
        };
        if let ir::ExprKind::String(bytes) = &value.expr.kind {
            literal(pieces, bytes);
        } else {
            pieces.push(plain_value(conversion, value.expr));
        }
    }

    fn print_format(
        &mut self,
        state: &mut BodyState,
        print: &ast::Print,
        token: Span,
        pieces: &mut Vec<ir::PrintPiece>,
    ) {
        let mut arguments = print.args.iter();
        let mut missing = false;
        for piece in &print.format {
            let directive = match piece {
                ast::FormatPiece::Literal(bytes) => {
                    literal(pieces, bytes);
                    continue;
                }
                ast::FormatPiece::Directive(directive) => directive,
            };
            let mut size = |this: &mut Self, state: &mut BodyState, size| match size {
                ast::FormatSize::Unspecified => None,
                ast::FormatSize::Fixed(number) => Some(this.number(i64::from(number), token)),
                ast::FormatSize::Dynamic => match arguments.next() {
                    Some(argument) => Some(this.long(state, argument)),
                    None => {
                        missing = true;
                        None
                    }
                },
            };
            let width = size(self, state, directive.width);
            let precision = size(self, state, directive.precision);
            let Some(argument) = arguments.next() else {
                missing = true;
                break;
            };
            let conversion = conversion(directive.conversion);
            let value = if conversion == ir::Conversion::String {
                self.string(state, argument)
            } else {
                self.long(state, argument)
            };
            let flags = flags(directive.flag);
            if conversion == ir::Conversion::String
                && width.is_none()
                && precision.is_none()
                && !flags.alternate
                && let ir::ExprKind::String(bytes) = &value.kind
            {
                literal(pieces, bytes);
                continue;
            }
            pieces.push(ir::PrintPiece::Value {
                conversion,
                flags,
                width,
                precision,
                value,
            });
        }
        if missing {
            self.error(
                Diagnostic::semantic_error("E0227", WRONG_NUMBER)
                    .at(token)
                    .hint("the format has more directives than there are arguments"),
            );
        } else if let Some(extra) = arguments.next() {
            self.error(
                Diagnostic::semantic_error("E0228", WRONG_NUMBER)
                    .at(token)
                    .label(extra.span, "no directive of the format is left for this"),
            );
        }
    }
}

/// Adds text, joined with the literal before it.
pub(super) fn literal(pieces: &mut Vec<ir::PrintPiece>, text: &[u8]) {
    if text.is_empty() {
        return;
    }
    if let Some(ir::PrintPiece::Literal(last)) = pieces.last_mut() {
        last.extend_from_slice(text);
    } else {
        pieces.push(ir::PrintPiece::Literal(text.to_vec()));
    }
}

/// A value without flags, width or precision.
pub(super) fn plain_value(conversion: ir::Conversion, value: ir::Expr) -> ir::PrintPiece {
    ir::PrintPiece::Value {
        conversion,
        flags: ir::PrintFlags::default(),
        width: None,
        precision: None,
        value,
    }
}

fn conversion(conversion: ast::Conversion) -> ir::Conversion {
    match conversion {
        ast::Conversion::Decimal => ir::Conversion::Decimal,
        ast::Conversion::Unsigned => ir::Conversion::Unsigned,
        ast::Conversion::Octal => ir::Conversion::Octal,
        ast::Conversion::Hex => ir::Conversion::HexLower,
        ast::Conversion::HexUpper => ir::Conversion::HexUpper,
        ast::Conversion::Pointer => ir::Conversion::Pointer,
        ast::Conversion::String => ir::Conversion::String,
        ast::Conversion::Char => ir::Conversion::Character,
        ast::Conversion::Binary => ir::Conversion::Binary,
        ast::Conversion::Memory => ir::Conversion::Memory,
        ast::Conversion::MemoryHex => ir::Conversion::MemoryHex,
    }
}

fn flags(flag: Option<ast::FormatFlag>) -> ir::PrintFlags {
    let mut flags = ir::PrintFlags::default();
    match flag {
        Some(ast::FormatFlag::ZeroPad) => flags.zero = true,
        Some(ast::FormatFlag::Plus) => flags.plus = true,
        Some(ast::FormatFlag::Left) => flags.left = true,
        Some(ast::FormatFlag::Space) => flags.space = true,
        Some(ast::FormatFlag::Alternate) => flags.alternate = true,
        None => {}
    }
    flags
}
