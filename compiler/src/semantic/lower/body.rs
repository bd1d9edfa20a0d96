// SPDX-License-Identifier: GPL-2.0-or-later
//! The state of one body while it is lowered: its locals and what it saves.

use std::collections::{HashMap, HashSet};

use rstap_syntax::span::Span;

use super::super::infer::Ty;
use super::super::points::{Context, Derived};
use super::super::session::UnitId;
use super::super::variables::Emit;
use super::{FunctionInfo, Lowering};
use crate::ir;
use crate::ir::arena::IndexVec;

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Probe(usize),
    Function(usize),
    /// No body at all: C text at top level.
    Nothing,
}

/// See the module's documentation.
pub(super) struct BodyState {
    pub owner: Owner,
    /// The file whose names are seen now.
    pub unit: UnitId,
    pub context: Context,
    /// In a probe on a function's return: `@entry` can be used.
    pub is_return: bool,
    /// The probe whose `$variables` these are, for functions that use them.
    pub probe: Option<usize>,
    names: HashMap<String, ir::LocalId>,
    locals: IndexVec<ir::LocalId, (String, Ty)>,
    /// Where locals were first read, in that order.
    pub read: Vec<(ir::LocalId, Span)>,
    /// Locals that something sets.
    pub written: HashSet<ir::LocalId>,
    /// Return probes: values kept at entry.
    pub saved: Saved,
    /// Loops around the place being lowered.
    pub loops: usize,
    /// Value variables of the `foreach` loops around it that stand for a statistic.
    pub iterated: Vec<(String, usize)>,
    /// Within `@entry(...)`.
    pub in_entry: bool,
    /// Within a probe's condition.
    pub in_condition: bool,
}

/// What a return probe keeps from the call's entry.
#[derive(Default)]
pub(super) struct Saved {
    pub words: Vec<ir::Expr>,
    pub strings: Vec<ir::Expr>,
}

impl Saved {
    /// Keeps a value, once however often it is asked for; gives what it is in the return probe.
    pub fn keep(&mut self, value: ir::Expr, ty: ir::Type) -> ir::Expr {
        let is_string = ty == ir::Type::String;
        let list = if is_string {
            &mut self.strings
        } else {
            &mut self.words
        };
        let at = value.at;
        let text = format!("{:?}", value.kind);
        let known = list
            .iter()
            .position(|expr| format!("{:?}", expr.kind) == text);
        let number = known.unwrap_or_else(|| {
            list.push(value);
            list.len() - 1
        });
        let (kind, ty) = if is_string {
            (ir::ExprKind::SavedString(number), ir::Type::String)
        } else {
            (ir::ExprKind::Saved(number), ir::Type::Long)
        };
        ir::Expr { kind, ty, at }
    }
}

impl BodyState {
    pub fn bare(unit: UnitId) -> Self {
        BodyState {
            owner: Owner::Nothing,
            unit,
            context: Context::Empty,
            is_return: false,
            probe: None,
            names: HashMap::new(),
            locals: IndexVec::default(),
            read: Vec::new(),
            written: HashSet::new(),
            saved: Saved::default(),
            loops: 0,
            iterated: Vec::new(),
            in_entry: false,
            in_condition: false,
        }
    }

    pub fn for_probe(index: usize, probe: &Derived) -> Self {
        BodyState {
            owner: Owner::Probe(index),
            context: probe.context.clone(),
            is_return: matches!(
                probe.kind,
                ir::ProbeKind::Return { .. }
                    | ir::ProbeKind::User {
                        is_return: true,
                        ..
                    }
            ),
            probe: Some(index),
            ..Self::bare(probe.bodies.first().map_or(UnitId(0), |body| body.unit))
        }
    }

    pub fn for_function(index: usize, info: &FunctionInfo) -> Self {
        BodyState {
            owner: Owner::Function(index),
            context: info.context.clone(),
            probe: info.probe,
            ..Self::bare(info.unit)
        }
    }

    /// The local of this name, if the body has it already.
    pub fn lookup(&self, name: &str) -> Option<(ir::LocalId, Ty)> {
        let id = *self.names.get(name)?;
        Some((id, self.locals[id].1))
    }

    /// Notes that a local is read.
    pub fn note_read(&mut self, id: ir::LocalId, place: Span) {
        if !self.read.iter().any(|(known, _)| *known == id) {
            self.read.push((id, place));
        }
    }

    /// The name of a local.
    pub fn name(&self, id: ir::LocalId) -> Option<&str> {
        self.locals.get(id).map(|(name, _)| name.as_str())
    }

    /// The names of all locals.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.locals.values().map(|(name, _)| name.as_str())
    }

    /// A new local.
    pub fn declare(&mut self, name: &str, ty: Ty) -> ir::LocalId {
        let id = self.locals.push((name.to_owned(), ty));
        self.names.insert(name.to_owned(), id);
        id
    }

    /// The locals with their final types.
    pub fn take_locals(&mut self, lowering: &mut Lowering) -> IndexVec<ir::LocalId, ir::Local> {
        std::mem::take(&mut self.locals)
            .values()
            .map(|(name, ty)| ir::Local {
                name: name.clone(),
                ty: lowering.types.get(*ty).unwrap_or(ir::Type::Long),
            })
            .collect()
    }
}

impl Lowering<'_, '_> {
    /// The local of this name, made on first sight.
    pub(super) fn local(&mut self, state: &mut BodyState, name: &str) -> (ir::LocalId, Ty) {
        if let Some(found) = state.lookup(name) {
            return found;
        }
        let known = match state.owner {
            Owner::Probe(index) => self.probe_locals.get_mut(index),
            Owner::Function(index) => self.functions.get_mut(index).map(|info| &mut info.locals),
            Owner::Nothing => None,
        };
        let var = match known {
            Some(known) => match known.get(name) {
                Some(&var) => var,
                None => {
                    let var = self.types.fresh();
                    known.insert(name.to_owned(), var);
                    var
                }
            },
            None => self.types.fresh(),
        };
        let ty = Ty::Var(var);
        (state.declare(name, ty), ty)
    }
}

/// What target variables may ask for while a body is lowered.
pub(super) struct BodyEmit<'x, 's, 'a> {
    pub lowering: &'x mut Lowering<'s, 'a>,
    pub saved: &'x mut Saved,
}

impl Emit for BodyEmit<'_, '_, '_> {
    fn location(&mut self, token: Span) -> ir::LocationId {
        self.lowering.location(token)
    }

    fn function(&mut self, function: ir::Function) -> ir::FunctionId {
        self.lowering.synthesize(function)
    }

    fn saved(&mut self, entry_value: ir::Expr) -> ir::Expr {
        let ty = entry_value.ty;
        self.saved.keep(entry_value, ty)
    }

    fn warn(&mut self, message: String, at: Span) {
        self.lowering.warn("W0205", message, at);
    }
}
