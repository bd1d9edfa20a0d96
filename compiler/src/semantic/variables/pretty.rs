// SPDX-License-Identifier: GPL-2.0-or-later
//! `$x$` and `$x$$`: whole values as text, in SystemTap's format.
//!
//! A printer is a function that gets the address or value and is one `sprintf`
//! inside a `try`, so that a bad address gives `ERROR` and not the script's end.

use rstap_debuginfo::{AggregateKind, Encoding, TypeId, TypeKind};
use rstap_syntax::diag::Diagnostic;

use super::access::{CType, Selected};
use super::location::Spot;
use super::name::Depth;
use super::{Resolver, Value, build};
use crate::ir::arena::IndexVec;
use crate::ir::{
    self, CompareOperator, Conversion, Expr, ExprKind, FunctionBody, Local, LocalId, PrintPiece,
    Space, Stmt, StmtKind, Type,
};

/// Structs inside structs at most.
const DEEPEST: usize = 16;
/// Pieces of one printer at most: what is left is shown as `...`.
const LONGEST: usize = 1000;

impl Resolver<'_> {
    /// The text of a value.
    pub(super) fn pretty(&mut self, selected: Selected, depth: Depth) -> Result<Value, Diagnostic> {
        let expr = self.pretty_text(selected, depth)?;
        Ok(Value { expr, detail: None })
    }

    pub(super) fn pretty_text(
        &mut self,
        selected: Selected,
        depth: Depth,
    ) -> Result<Expr, Diagnostic> {
        // The printer's parameter is the address, or the word that holds the value.
        let parameter: LocalId = ir::arena::EntityId::new(0);
        let inside = build::long(self.at, ExprKind::Local(parameter));
        let (argument, spot) = match &selected.spot {
            Spot::Memory(address) => (address.clone(), Spot::Memory(inside)),
            Spot::Unavailable(reason) => return Err(self.unavailable(reason)),
            // The printer takes what it needs from where it is.
            Spot::Pointee(..) | Spot::Pieces(_) | Spot::Bytes(_) => {
                (build::number(self.at, 0), selected.spot.clone())
            }
            _ => (self.scalar(&selected, 8, false)?, Spot::Value(inside)),
        };
        let mut inner = Selected { spot, ..selected };
        // What a pointer in memory points to is looked up once.
        let mut before = Vec::new();
        if let Spot::Memory(_) = inner.spot
            && let Some(target) = self.followed(inner.ty)?
        {
            let pointee = self.pointee(inner.clone(), target)?;
            if let Spot::Memory(address) = pointee.spot {
                before.push(build::assign(parameter, address));
                inner = Selected {
                    spot: Spot::Memory(build::long(self.at, ExprKind::Local(parameter))),
                    ..pointee
                };
            }
        }
        let mut pieces = Vec::new();
        let levels = match depth {
            Depth::Shallow => 1,
            Depth::Deep => DEEPEST,
        };
        self.print(&inner, levels, before.is_empty(), &mut pieces)?;
        let text = build::sprint(self.at, pieces);
        let otherwise = build::string(self.at, "ERROR");
        Ok(self.attempt(before, text, argument, otherwise))
    }

    /// A function `try { return text } catch { return otherwise }`, called.
    pub(super) fn guarded(&mut self, text: Expr, argument: Expr, otherwise: Expr) -> Expr {
        self.attempt(Vec::new(), text, argument, otherwise)
    }

    fn attempt(&mut self, before: Vec<Stmt>, text: Expr, argument: Expr, otherwise: Expr) -> Expr {
        let at = self.at;
        let statement = |kind| Stmt { kind, at };
        let mut body = before;
        body.push(statement(StmtKind::Return(Some(text))));
        let attempt = StmtKind::Try {
            body,
            error: None,
            catch: vec![statement(StmtKind::Return(Some(otherwise)))],
        };
        self.call("pretty_print", vec![statement(attempt)], argument)
    }

    /// A function of one number that gives a string, called.
    fn call(&mut self, name: &str, body: Vec<Stmt>, argument: Expr) -> Expr {
        let count = &self.cx.session.synthesized;
        let number = count.get();
        count.set(number + 1);
        let name = format!("__dwarf_{name}_{number}");
        let mut locals = IndexVec::default();
        locals.push(Local {
            name: "value".to_owned(),
            ty: Type::Long,
        });
        let function = ir::Function {
            c_name: name.clone(),
            name,
            locals,
            parameters: 1,
            returns: Type::String,
            body: FunctionBody::Script(body),
            location: self.at,
        };
        let id = self.emit.function(function);
        let kind = ExprKind::Call {
            candidates: vec![id],
            arguments: vec![argument],
        };
        Expr {
            kind,
            ty: Type::String,
            at: self.at,
        }
    }

    fn print(
        &mut self,
        selected: &Selected,
        levels: usize,
        is_top: bool,
        pieces: &mut Vec<PrintPiece>,
    ) -> Result<(), Diagnostic> {
        if pieces.len() > LONGEST {
            text(pieces, "...");
            return Ok(());
        }
        let ty = self.settled(selected.ty)?;
        if let Some((element, _)) = self.array_rest(ty)? {
            return self.print_array(selected, element, levels, is_top, pieces);
        }
        let bare = self.bare(ty.id)?;
        match &bare.kind {
            TypeKind::Base { encoding, .. } => {
                self.print_base(selected, *encoding, pieces)?;
            }
            TypeKind::Enumeration { signed, .. } => {
                let conversion = if *signed {
                    Conversion::Decimal
                } else {
                    Conversion::Unsigned
                };
                self.print_scalar(selected, conversion, pieces)?;
            }
            TypeKind::Pointer { target, .. } => {
                self.print_pointer(selected, *target, levels, is_top, pieces)?;
            }
            TypeKind::Aggregate { members, .. } if levels > 0 => {
                text(pieces, "{");
                for (index, member) in members.clone().iter().enumerate() {
                    if index > 0 {
                        text(pieces, ", ");
                    }
                    self.print_member(selected, member, levels, pieces)?;
                }
                text(pieces, "}");
            }
            TypeKind::Aggregate { .. } => text(pieces, "{...}"),
            TypeKind::Function(_) => {
                text(pieces, "<function>:");
                self.print_scalar(selected, Conversion::Pointer, pieces)?;
            }
            _ => text(pieces, "?"),
        }
        Ok(())
    }

    fn print_member(
        &mut self,
        outer: &Selected,
        member: &rstap_debuginfo::Member,
        levels: usize,
        pieces: &mut Vec<PrintPiece>,
    ) -> Result<(), Diagnostic> {
        let inner = self.member_part(outer.spot.clone(), member);
        if member.name.is_empty() {
            let bare = self.bare(member.type_id)?;
            let word = match &bare.kind {
                TypeKind::Aggregate {
                    kind: AggregateKind::Union,
                    ..
                } => "<union>=",
                TypeKind::Aggregate { .. } => "<class>=",
                _ => "<unnamed>=",
            };
            text(pieces, word);
        } else {
            text(pieces, &format!(".{}=", member.name));
        }
        self.print(&inner, levels - 1, false, pieces)
    }

    fn print_base(
        &mut self,
        selected: &Selected,
        encoding: Encoding,
        pieces: &mut Vec<PrintPiece>,
    ) -> Result<(), Diagnostic> {
        match encoding {
            Encoding::SignedChar | Encoding::UnsignedChar if selected.bits.is_none() => {
                text(pieces, "'");
                let value = self.scalar_or_unknown(selected)?;
                match value {
                    Some(value) => {
                        pieces.push(build::piece(Conversion::Character, true, value));
                    }
                    None => text(pieces, "?"),
                }
                text(pieces, "'");
                Ok(())
            }
            Encoding::Signed | Encoding::SignedChar | Encoding::Boolean => {
                self.print_scalar(selected, Conversion::Decimal, pieces)
            }
            Encoding::Unsigned | Encoding::UnsignedChar => {
                self.print_scalar(selected, Conversion::Unsigned, pieces)
            }
            Encoding::Float | Encoding::Other => {
                text(pieces, "?");
                Ok(())
            }
        }
    }

    fn scalar_or_unknown(&mut self, selected: &Selected) -> Result<Option<Expr>, Diagnostic> {
        if matches!(selected.spot, Spot::Unavailable(_)) {
            return Ok(None);
        }
        let token = self.token;
        Ok(self
            .load(selected.clone(), token)
            .ok()
            .map(|value| value.expr))
    }

    fn print_scalar(
        &mut self,
        selected: &Selected,
        conversion: Conversion,
        pieces: &mut Vec<PrintPiece>,
    ) -> Result<(), Diagnostic> {
        match self.scalar_or_unknown(selected)? {
            Some(value) => pieces.push(build::piece(conversion, false, value)),
            None => text(pieces, "?"),
        }
        Ok(())
    }

    fn print_pointer(
        &mut self,
        selected: &Selected,
        target: TypeId,
        levels: usize,
        is_top: bool,
        pieces: &mut Vec<PrintPiece>,
    ) -> Result<(), Diagnostic> {
        let pointed = self.bare(target)?;
        match &pointed.kind {
            kind if is_text(kind) => {
                // A literal that the compiler has optimized away.
                if let Spot::Pointee(pointee, 0) = &selected.spot
                    && let Spot::Bytes(bytes) = pointee.as_ref()
                {
                    self.print_bytes(bytes, pieces);
                    return Ok(());
                }
                match self.scalar_or_unknown(selected)? {
                    Some(address) => self.print_string(address, 0, pieces),
                    None => text(pieces, "?"),
                }
                Ok(())
            }
            TypeKind::Function(_) if is_top => {
                text(pieces, "<function>:");
                self.print_scalar(selected, Conversion::Pointer, pieces)
            }
            TypeKind::Void | TypeKind::Function(_) => {
                self.print_scalar(selected, Conversion::Pointer, pieces)
            }
            // The pointer that the script names is followed, those inside are not.
            _ if is_top => {
                let pointee = self.pointee(selected.clone(), target)?;
                self.print(&pointee, levels, false, pieces)
            }
            _ => self.print_scalar(selected, Conversion::Pointer, pieces),
        }
    }

    /// What a pointer that the script names is followed to: not text, nothing unknown.
    fn followed(&mut self, ty: CType) -> Result<Option<TypeId>, Diagnostic> {
        let ty = self.settled(ty)?;
        if self.array_rest(ty)?.is_some() {
            return Ok(None);
        }
        let TypeKind::Pointer { target, .. } = self.bare(ty.id)?.kind else {
            return Ok(None);
        };
        let pointed = self.bare(target)?;
        let is_left = match &pointed.kind {
            TypeKind::Void | TypeKind::Function(_) => true,
            kind => is_text(kind),
        };
        Ok((!is_left).then_some(target))
    }

    fn print_array(
        &mut self,
        selected: &Selected,
        element: TypeId,
        levels: usize,
        is_top: bool,
        pieces: &mut Vec<PrintPiece>,
    ) -> Result<(), Diagnostic> {
        if levels == 0 && !is_top {
            text(pieces, "[...]");
            return Ok(());
        }
        let bare = self.bare(element)?;
        let is_text = is_text(&bare.kind);
        match &selected.spot {
            Spot::Memory(address) if is_text => {
                let address = address.clone();
                // An array that is full has no NUL at its end.
                let size = self.cx.session.target.size_of(selected.ty.id).unwrap_or(0);
                self.print_string(address, u32::try_from(size).unwrap_or(0), pieces);
            }
            Spot::Bytes(bytes) if is_text => self.print_bytes(bytes, pieces),
            _ => {
                text(pieces, "[");
                let first = Selected {
                    ty: CType::of(element),
                    ..selected.clone()
                };
                // An array of arrays uses levels up: in damaged files one may hold itself.
                let is_nested = matches!(bare.kind, TypeKind::Array { .. });
                let levels = levels.saturating_sub(usize::from(is_top || is_nested));
                self.print(&first, levels, false, pieces)?;
                text(pieces, ", ...]");
            }
        }
        Ok(())
    }

    /// `"text"` that is known here and now.
    fn print_bytes(&self, bytes: &[u8], pieces: &mut Vec<PrintPiece>) {
        let end = bytes.iter().position(|byte| *byte == 0);
        let bytes = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let value = Expr {
            kind: ExprKind::String(bytes.to_vec()),
            ty: Type::String,
            at: self.at,
        };
        text(pieces, "\"");
        pieces.push(build::piece(Conversion::String, true, value));
        text(pieces, "\"");
    }

    /// `"text"` of `limit` bytes at most, any number if 0, or the address if nothing can be
    /// read there.
    fn print_string(&mut self, address: Expr, limit: u32, pieces: &mut Vec<PrintPiece>) {
        let at = self.at;
        let parameter: LocalId = ir::arena::EntityId::new(0);
        let inside = || build::long(at, ExprKind::Local(parameter));
        let quoted = |space| {
            let kind = ExprKind::MemoryString {
                space,
                address: Box::new(inside()),
                limit,
            };
            let ty = Type::String;
            let memory = Expr { kind, ty, at };
            let quoted = vec![
                build::literal("\""),
                build::piece(Conversion::String, true, memory),
                build::literal("\""),
            ];
            build::sprint(at, quoted)
        };
        let plain = vec![build::piece(Conversion::HexLower, true, inside())];
        let plain = build::sprint(at, plain);
        let call = match self.space() {
            Space::User => self.guarded(quoted(Space::User), address, plain),
            // Much of the kernel's text is the caller's, in user space.
            Space::Kernel => {
                let otherwise = self.guarded(quoted(Space::User), inside(), plain);
                self.guarded(quoted(Space::Kernel), address, otherwise)
            }
        };
        pieces.push(build::piece(Conversion::String, false, call));
    }

    /// `@enumname`: the name of a value, or the number.
    pub(super) fn enum_name_call(&mut self, value: Expr, names: Vec<(String, i64)>) -> Expr {
        let at = self.at;
        let parameter: LocalId = ir::arena::EntityId::new(0);
        let inside = || build::long(at, ExprKind::Local(parameter));
        let statement = |kind| Stmt { kind, at };
        let mut body = Vec::new();
        for (name, number) in names {
            let number = build::number(at, number);
            let condition = build::compare(CompareOperator::Equal, inside(), number);
            let name = build::string(at, &name);
            let then = vec![statement(StmtKind::Return(Some(name)))];
            body.push(statement(StmtKind::If {
                condition,
                then,
                otherwise: Vec::new(),
            }));
        }
        let number = vec![build::piece(Conversion::Decimal, false, inside())];
        let number = build::sprint(at, number);
        body.push(statement(StmtKind::Return(Some(number))));
        self.call("enum_name", body, value)
    }
}

/// Whether a sequence of these is shown as text.
fn is_text(kind: &TypeKind) -> bool {
    matches!(
        kind,
        TypeKind::Base {
            encoding: Encoding::SignedChar | Encoding::UnsignedChar,
            ..
        }
    )
}

/// Appends text, glued to text before it.
fn text(pieces: &mut Vec<PrintPiece>, text: &str) {
    if let Some(PrintPiece::Literal(before)) = pieces.last_mut() {
        before.extend_from_slice(text.as_bytes());
        return;
    }
    pieces.push(build::literal(text));
}
