// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be left out of the IR.
//!
//! Tapset aliases set many variables that a script never reads; each costs
//! reads of memory and formatting on every hit. So: assignments to locals that
//! nobody reads go, then expressions without effect, then what the entry of a
//! call need not save, then handlers and functions that are left with nothing
//! to do or nobody to call them. Equal handlers become one.

use std::collections::{HashMap, HashSet};

use crate::ir::arena::{EntityId, IndexVec};
use crate::ir::visit::{self, Visitor};
use crate::ir::walk;
use crate::ir::{
    BinaryOperator, Block, Expr, ExprKind, FunctionBody, FunctionId, GlobalId, Handler, HandlerId,
    Local, LocalId, LocationId, Place, Program, StatPlace, Stmt, StmtKind,
};

/// The value of an operation on two numbers; `None` where it is an error at run time.
pub fn fold(operator: BinaryOperator, left: i64, right: i64) -> Option<i64> {
    let shift = (right & 63) as u32;
    Some(match operator {
        BinaryOperator::Add => left.wrapping_add(right),
        BinaryOperator::Subtract => left.wrapping_sub(right),
        BinaryOperator::Multiply => left.wrapping_mul(right),
        BinaryOperator::Divide if right != 0 => left.wrapping_div(right),
        BinaryOperator::Modulo if right != 0 => left.wrapping_rem(right),
        BinaryOperator::ShiftLeft => left.wrapping_shl(shift),
        BinaryOperator::ShiftRight => left.wrapping_shr(shift),
        BinaryOperator::ShiftRightLogical => (left as u64).wrapping_shr(shift) as i64,
        BinaryOperator::And => left & right,
        BinaryOperator::Or => left | right,
        BinaryOperator::Xor => left ^ right,
        BinaryOperator::Divide | BinaryOperator::Modulo | BinaryOperator::Concat => return None,
    })
}

/// What was left out and may be a mistake in the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A local was set and never read.
    Assignment(String, LocationId),
    /// A statement had no effect.
    Expression(LocationId),
}

/// Runs all of it. Gives what was removed, in the order of the program.
pub fn optimize(program: &mut Program) -> Vec<Removed> {
    let mut removed = Vec::new();
    let pure = pure_functions(program);
    let ids: Vec<HandlerId> = program.handlers.ids().collect();
    for id in ids {
        if let Some(handler) = program.handlers.get_mut(id) {
            remove_dead_code(&mut handler.body, &handler.locals, &pure, &mut removed);
        }
    }
    for (_, function) in program.functions.iter_mut() {
        if let FunctionBody::Script(body) = &mut function.body {
            remove_dead_code(body, &function.locals, &pure, &mut removed);
        }
    }
    trim_saved(program);
    merge_handlers(program);
    remove_functions(program);
    removed
}

/// Functions without effects: results depend on arguments and the probe alone,
/// or are at least not missed.
fn pure_functions(program: &Program) -> HashSet<FunctionId> {
    let mut pure: HashSet<FunctionId> = program.functions.ids().collect();
    // Effects spread from callees to callers until nothing changes.
    loop {
        let before = pure.len();
        for (id, function) in program.functions.iter() {
            let is_pure = match &function.body {
                FunctionBody::C(code) => code.is_pure,
                FunctionBody::Script(body) => !block_has_effects(body, &pure, true),
            };
            if !is_pure {
                pure.remove(&id);
            }
        }
        if pure.len() == before {
            return pure;
        }
    }
}

/// Whether running a block can be noticed. In a function, its own locals do not count.
fn block_has_effects(block: &Block, pure: &HashSet<FunctionId>, locals_are_own: bool) -> bool {
    block.iter().any(|stmt| {
        let own = match &stmt.kind {
            StmtKind::Expr(expr) => expr_has_effects(expr, pure, locals_are_own),
            StmtKind::If { condition, .. } => expr_has_effects(condition, pure, locals_are_own),
            StmtKind::Loop {
                condition, step, ..
            } => [condition, step]
                .into_iter()
                .flatten()
                .any(|expr| expr_has_effects(expr, pure, locals_are_own)),
            StmtKind::Foreach(foreach) => foreach
                .limit
                .iter()
                .chain(foreach.slice.iter().flatten())
                .any(|expr| expr_has_effects(expr, pure, locals_are_own)),
            StmtKind::ForeachHistogram { .. } => true,
            StmtKind::Return(value) => value
                .iter()
                .any(|expr| expr_has_effects(expr, pure, locals_are_own)),
            StmtKind::Next | StmtKind::DeleteGlobal(_) | StmtKind::DeleteElement { .. } => true,
            StmtKind::DeleteLocal(_) => !locals_are_own,
            StmtKind::Break | StmtKind::Continue | StmtKind::Try { .. } => false,
        };
        own || walk::inner_blocks(stmt)
            .into_iter()
            .any(|inner| block_has_effects(inner, pure, locals_are_own))
    })
}

fn expr_has_effects(expr: &Expr, pure: &HashSet<FunctionId>, locals_are_own: bool) -> bool {
    let mut found = false;
    each_expr(expr, &mut |expr| {
        found |= match &expr.kind {
            ExprKind::Assign {
                place: Place::Local(_),
                ..
            }
            | ExprKind::Step {
                place: Place::Local(_),
                ..
            } => !locals_are_own,
            ExprKind::Assign { .. } | ExprKind::Step { .. } | ExprKind::Accumulate { .. } => true,
            ExprKind::Print(print) => !print.is_string,
            ExprKind::Call { candidates, .. } => candidates.iter().any(|id| !pure.contains(id)),
            ExprKind::EmbeddedC(code) => !code.is_pure,
            // matched() looks at what the last match found.
            ExprKind::Match { captures, .. } => *captures,
            _ => false,
        };
    });
    found
}

/// Calls `f` for every expression below what it visits, outer ones first.
struct Each<'f>(&'f mut dyn FnMut(&Expr));

impl Visitor for Each<'_> {
    fn expression(&mut self, expression: &Expr) {
        (self.0)(expression);
        visit::walk_expression(self, expression);
    }
}

fn each_expr(expr: &Expr, f: &mut dyn FnMut(&Expr)) {
    Each(f).expression(expr);
}

fn each_expr_in(block: &[Stmt], f: &mut dyn FnMut(&Expr)) {
    Each(f).block(block);
}

fn remove_dead_code(
    body: &mut Block,
    locals: &IndexVec<LocalId, Local>,
    pure: &HashSet<FunctionId>,
    removed: &mut Vec<Removed>,
) {
    loop {
        let read = locals_read(body);
        let mut changed = false;
        let mut pass = Pass {
            read: &read,
            locals,
            pure,
            changed: &mut changed,
            removed,
        };
        simplify(body, &mut pass);
        if !changed {
            return;
        }
    }
}

/// Locals whose value is used: everywhere but left of `=`.
fn locals_read(body: &Block) -> HashSet<LocalId> {
    let mut read = HashSet::new();
    each_expr_in(body, &mut |expr| match &expr.kind {
        ExprKind::Local(id) => {
            read.insert(*id);
        }
        // The value of an assignment may be used by what is around it.
        ExprKind::Assign {
            place: Place::Local(id),
            operator: Some(_),
            ..
        } => {
            read.insert(*id);
        }
        ExprKind::Step {
            place: Place::Local(id),
            ..
        } => {
            read.insert(*id);
        }
        _ => {}
    });
    // `x++` and `x += 1` as statements of their own read only for themselves.
    let mut statements_only: HashMap<LocalId, usize> = HashMap::new();
    let mut all: HashMap<LocalId, usize> = HashMap::new();
    walk::statements(body, &mut |stmt| {
        if let StmtKind::Expr(expr) = &stmt.kind
            && let Some(id) = self_update(expr)
        {
            *statements_only.entry(id).or_default() += 1;
        }
    });
    each_expr_in(body, &mut |expr| match &expr.kind {
        ExprKind::Local(id) => *all.entry(*id).or_default() += 1,
        _ => {
            if let Some(id) = self_update(expr) {
                *all.entry(id).or_default() += 1;
            }
        }
    });
    for (id, count) in statements_only {
        if all.get(&id) == Some(&count) {
            read.remove(&id);
        }
    }
    read
}

/// The local that `x++` or `x += ...` updates.
fn self_update(expr: &Expr) -> Option<LocalId> {
    match &expr.kind {
        ExprKind::Step {
            place: Place::Local(id),
            ..
        }
        | ExprKind::Assign {
            place: Place::Local(id),
            operator: Some(_),
            ..
        } => Some(*id),
        _ => None,
    }
}

/// What one pass over a body knows and notes.
struct Pass<'p> {
    read: &'p HashSet<LocalId>,
    locals: &'p IndexVec<LocalId, Local>,
    pure: &'p HashSet<FunctionId>,
    changed: &'p mut bool,
    removed: &'p mut Vec<Removed>,
}

impl Pass<'_> {
    fn note_assignment(&mut self, id: LocalId, at: LocationId) {
        *self.changed = true;
        if let Some(local) = self.locals.get(id) {
            self.removed
                .push(Removed::Assignment(local.name.clone(), at));
        }
    }
}

fn simplify(block: &mut Block, pass: &mut Pass) {
    let (read, pure) = (pass.read, pass.pure);
    let mut kept = Block::with_capacity(block.len());
    for mut stmt in std::mem::take(block) {
        for inner in inner_blocks_mut(&mut stmt) {
            simplify(inner, pass);
        }
        // An assignment nobody reads leaves what its right side does.
        let mut is_reported = false;
        while let StmtKind::Expr(expr) = &mut stmt.kind {
            let dead = match &expr.kind {
                ExprKind::Assign {
                    place: Place::Local(id),
                    ..
                } if !read.contains(id) => *id,
                _ => break,
            };
            pass.note_assignment(dead, expr.at);
            is_reported = true;
            if let ExprKind::Assign { value, .. } =
                std::mem::replace(&mut expr.kind, ExprKind::Number(0))
            {
                *expr = *value;
            }
        }
        let is_useless = match &stmt.kind {
            StmtKind::Expr(expr) => {
                let dead_step = matches!(&expr.kind,
                    ExprKind::Step { place: Place::Local(id), .. } if !read.contains(id));
                dead_step || !expr_has_effects(expr, pure, false)
            }
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                then.is_empty() && otherwise.is_empty() && !expr_has_effects(condition, pure, false)
            }
            StmtKind::Foreach(foreach) => {
                foreach.body.is_empty()
                    && foreach
                        .keys
                        .iter()
                        .flatten()
                        .chain(&foreach.value)
                        .all(|id| !read.contains(id))
                    && !block_has_effects(&vec![stmt.clone()], pure, false)
            }
            StmtKind::Try { body, .. } => body.is_empty(),
            StmtKind::DeleteLocal(id) => !read.contains(id),
            _ => false,
        };
        if is_useless {
            *pass.changed = true;
            if let StmtKind::Expr(expr) = &stmt.kind
                && !is_reported
            {
                pass.removed.push(Removed::Expression(expr.at));
            }
        } else {
            kept.push(stmt);
        }
    }
    *block = kept;
}

fn inner_blocks_mut(stmt: &mut Stmt) -> Vec<&mut Block> {
    match &mut stmt.kind {
        StmtKind::If {
            then, otherwise, ..
        } => vec![then, otherwise],
        StmtKind::Loop { body, .. } | StmtKind::ForeachHistogram { body, .. } => vec![body],
        StmtKind::Foreach(foreach) => vec![&mut foreach.body],
        StmtKind::Try { body, catch, .. } => vec![body, catch],
        _ => Vec::new(),
    }
}

/// Entry handlers save only what the return handler reads.
fn trim_saved(program: &mut Program) {
    for index in 0..program.probes.len() {
        let Some(probe) = program.probes.get(index) else {
            continue;
        };
        let Some(entry) = probe.entry_handler else {
            continue;
        };
        let mut words = HashSet::new();
        let mut strings = HashSet::new();
        if let Some(handler) = program.handlers.get(probe.handler) {
            each_expr_in(&handler.body, &mut |expr| match &expr.kind {
                ExprKind::Saved(word) => {
                    words.insert(*word);
                }
                ExprKind::SavedString(word) => {
                    strings.insert(*word);
                }
                _ => {}
            });
        }
        let Some(handler) = program.handlers.get(entry) else {
            continue;
        };
        let mut handler = handler.clone();
        handler.body.retain(|stmt| match &stmt.kind {
            StmtKind::Expr(Expr {
                kind: ExprKind::Assign { place, .. },
                ..
            }) => match place {
                Place::Saved(word) => words.contains(word),
                Place::SavedString(word) => strings.contains(word),
                _ => true,
            },
            _ => true,
        });
        let replacement = if handler.body.is_empty() {
            None
        } else {
            Some(program.handlers.push(handler))
        };
        if let Some(probe) = program.probes.get_mut(index) {
            probe.entry_handler = replacement;
            if replacement.is_none() {
                probe.saved_words = 0;
                probe.saved_strings = 0;
            }
        }
    }
}

/// Keeps the handlers that probes use, equal ones once.
fn merge_handlers(program: &mut Program) {
    let old = std::mem::take(&mut program.handlers);
    let mut new: IndexVec<HandlerId, Handler> = IndexVec::default();
    let mut by_text: HashMap<String, HandlerId> = HashMap::new();
    let mut mapped: HashMap<HandlerId, HandlerId> = HashMap::new();
    let mut map = |id: HandlerId| {
        if let Some(&known) = mapped.get(&id) {
            return known;
        }
        let Some(handler) = old.get(id) else {
            return id;
        };
        let new_id = *by_text
            .entry(format!("{handler:?}"))
            .or_insert_with(|| new.push(handler.clone()));
        mapped.insert(id, new_id);
        new_id
    };
    for probe in &mut program.probes {
        probe.handler = map(probe.handler);
        probe.entry_handler = probe.entry_handler.map(&mut map);
    }
    program.handlers = new;
}

/// Drops functions that no handler reaches.
fn remove_functions(program: &mut Program) {
    let mut reached: Vec<FunctionId> = Vec::new();
    let mut seen = HashSet::new();
    let mut visit = |block: &Block, reached: &mut Vec<FunctionId>| {
        each_expr_in(block, &mut |expr| {
            if let ExprKind::Call { candidates, .. } = &expr.kind {
                reached.extend(candidates.iter().filter(|id| seen.insert(**id)));
            }
        });
    };
    for handler in program.handlers.values() {
        visit(&handler.body, &mut reached);
    }
    let mut next = 0;
    while let Some(&id) = reached.get(next) {
        if let Some(function) = program.functions.get(id)
            && let FunctionBody::Script(body) = &function.body
        {
            visit(body, &mut reached);
        }
        next += 1;
    }
    let mut kept: Vec<FunctionId> = reached;
    kept.sort();
    let mapped: HashMap<FunctionId, FunctionId> = kept
        .iter()
        .enumerate()
        .map(|(new, &old)| (old, EntityId::new(new)))
        .collect();
    let old = std::mem::take(&mut program.functions);
    program.functions = kept.iter().filter_map(|&id| old.get(id).cloned()).collect();
    walk::program_expressions_mut(program, &mut |expr| {
        if let ExprKind::Call { candidates, .. } = &mut expr.kind {
            for id in candidates {
                if let Some(new) = mapped.get(id) {
                    *id = *new;
                }
            }
        }
    });
}

/// Arrays that a block changes, also through the functions it calls.
pub fn arrays_changed(program: &Program, block: &[Stmt]) -> HashSet<GlobalId> {
    let mut changed = HashSet::new();
    let mut seen = HashSet::new();
    let mut waiting: Vec<&[Stmt]> = vec![block];
    while let Some(block) = waiting.pop() {
        walk::statements(block, &mut |stmt| match &stmt.kind {
            StmtKind::DeleteGlobal(id) | StmtKind::DeleteElement { array: id, .. } => {
                changed.insert(*id);
            }
            _ => {}
        });
        let mut calls = Vec::new();
        each_expr_in(block, &mut |expr| match &expr.kind {
            ExprKind::Assign {
                place: Place::Element(id, _),
                ..
            }
            | ExprKind::Step {
                place: Place::Element(id, _),
                ..
            }
            | ExprKind::Accumulate {
                stat: StatPlace::Element(id, _),
                ..
            } => {
                changed.insert(*id);
            }
            ExprKind::Call { candidates, .. } => calls.extend(candidates.iter().copied()),
            _ => {}
        });
        for id in calls {
            if seen.insert(id)
                && let Some(function) = program.functions.get(id)
                && let FunctionBody::Script(body) = &function.body
            {
                waiting.push(body);
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_wraps_masks_shifts_and_leaves_errors_to_run_time() {
        assert_eq!(fold(BinaryOperator::Add, i64::MAX, 1), Some(i64::MIN));
        assert_eq!(fold(BinaryOperator::ShiftLeft, 1, 65), Some(2));
        assert_eq!(fold(BinaryOperator::ShiftRightLogical, -1, 63), Some(1));
        assert_eq!(fold(BinaryOperator::Divide, i64::MIN, -1), Some(i64::MIN));
        assert_eq!(fold(BinaryOperator::Modulo, 7, 0), None);
    }
}
