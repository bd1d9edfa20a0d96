// SPDX-License-Identifier: GPL-2.0-or-later
//! What must be known about the whole program before C is written: who uses
//! which global, which globals need a lock or an atomic add, who calls whom,
//! and where statements have to be counted against MAXACTION.

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::arena::{EntityId, IndexVec};
use crate::ir::cost;
use crate::ir::visit::{Visitor, walk_expression, walk_place, walk_stat, walk_statement};
use crate::ir::*;

use super::embedded;

/// How often a body uses a global; a use in a loop counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Use {
    pub reads: u32,
    /// Also foreach: it uses the iteration memory of the array.
    pub writes: u32,
    /// Statements `g++`, `g--`, `g += e`, `g -= e`.
    pub adds: u32,
    /// `g <<< e`, which the runtime does without our lock.
    pub accumulates: u32,
    /// Those of the writes that are `delete g` or `delete g[e]`.
    pub deletes: u32,
}

/// What one body or statement uses by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Uses {
    pub globals: BTreeMap<GlobalId, Use>,
    pub functions: BTreeSet<FunctionId>,
    pub registers: bool,
    /// Bit n: tracepoint argument n.
    pub arguments: u64,
    /// Locals assigned, and those assigned inside a loop.
    pub assigned: BTreeSet<LocalId>,
    pub assigned_in_loop: BTreeSet<LocalId>,
    /// Names of a foreach that are mentioned only in bodies of foreach: their
    /// bytes can stay in the iteration's scratch memory.
    pub confined: BTreeSet<LocalId>,
    pub mentions: BTreeMap<LocalId, u32>,
    pub has_next: bool,
    /// Registers, saved words, memory or output may change.
    pub has_other_effects: bool,
}

#[derive(Default)]
struct Collector {
    uses: Uses,
    loops: u32,
    /// Names of foreach with their mentions in the bodies.
    names: BTreeMap<LocalId, u32>,
}

impl Collector {
    fn weight(&self) -> u32 {
        if self.loops > 0 { 2 } else { 1 }
    }
    fn global(&mut self, id: GlobalId) -> &mut Use {
        self.uses.globals.entry(id).or_default()
    }
    fn read(&mut self, id: GlobalId) {
        let weight = self.weight();
        self.global(id).reads += weight;
    }
    fn write(&mut self, id: GlobalId) {
        let weight = self.weight();
        self.global(id).writes += weight;
    }
    fn delete(&mut self, id: GlobalId) {
        let weight = self.weight();
        self.global(id).deletes += weight;
        self.write(id);
    }
    fn mention(&mut self, id: LocalId) {
        *self.uses.mentions.entry(id).or_default() += 1;
    }
    fn assign(&mut self, id: LocalId) {
        self.mention(id);
        self.uses.assigned.insert(id);
        if self.loops > 0 {
            self.uses.assigned_in_loop.insert(id);
        }
    }
    fn finish(mut self) -> Uses {
        for (id, inside) in &self.names {
            let all = self.uses.mentions.get(id).copied().unwrap_or(0);
            if all == *inside && !self.uses.assigned_in_loop.contains(id) {
                self.uses.confined.insert(*id);
            } else {
                self.uses.assigned_in_loop.insert(*id);
            }
        }
        self.uses
    }
    fn in_loop(&mut self, action: impl FnOnce(&mut Self)) {
        self.loops += 1;
        action(self);
        self.loops -= 1;
    }
    fn embedded(&mut self, code: &EmbeddedCode) {
        for (_, id, writes) in &code.globals {
            self.read(*id);
            if *writes {
                self.write(*id);
            }
        }
        let traits = embedded::traits(&code.text);
        self.uses.registers |= traits.needs_registers;
        self.uses.has_next |= traits.may_say_next;
        self.uses.has_other_effects |= !code.is_pure;
    }
}

impl Visitor for Collector {
    fn statement(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Expr(value) => {
                if let Some((id, operand)) = as_add(value) {
                    let weight = self.weight();
                    self.global(id).adds += weight;
                    if let Some(operand) = operand {
                        self.expression(operand);
                    }
                } else {
                    self.expression(value);
                }
            }
            StmtKind::Loop { .. } => self.in_loop(|this| walk_statement(this, statement)),
            StmtKind::Foreach(foreach) => {
                self.write(foreach.array);
                self.read(foreach.array);
                self.keys(&foreach.slice);
                if let Some(limit) = &foreach.limit {
                    self.expression(limit);
                }
                let inside = uses_of_block(&foreach.body);
                for id in foreach.keys.iter().flatten().chain(&foreach.value) {
                    self.uses.assigned.insert(*id);
                    *self.names.entry(*id).or_default() +=
                        inside.mentions.get(id).copied().unwrap_or(0);
                }
                self.in_loop(|this| this.block(&foreach.body));
            }
            StmtKind::ForeachHistogram { bucket, value, .. } => self.in_loop(|this| {
                this.assign(*bucket);
                if let Some(value) = value {
                    this.assign(*value);
                }
                walk_statement(this, statement);
            }),
            StmtKind::Next => self.uses.has_next = true,
            StmtKind::DeleteGlobal(id) => self.delete(*id),
            StmtKind::DeleteLocal(id) => self.assign(*id),
            StmtKind::DeleteElement { array, keys } => {
                self.delete(*array);
                self.keys(keys);
            }
            StmtKind::Try { error, .. } => {
                if let Some(error) = error {
                    self.assign(*error);
                }
                walk_statement(self, statement);
            }
            _ => walk_statement(self, statement),
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match &expression.kind {
            ExprKind::Global(id) | ExprKind::Element(id, _) | ExprKind::In(id, _) => self.read(*id),
            ExprKind::Local(id) => self.mention(*id),
            ExprKind::Accumulate { stat, value } => {
                let weight = self.weight();
                if let StatPlace::Scalar(id) | StatPlace::Element(id, _) = stat {
                    self.global(*id).accumulates += weight;
                }
                // Only the keys: the statistic itself is not read.
                walk_stat(self, stat);
                self.expression(value);
                return;
            }
            ExprKind::Call { candidates, .. } => {
                self.uses.functions.extend(candidates.iter().copied());
            }
            ExprKind::Register(_) | ExprKind::ReturnValue => self.uses.registers = true,
            ExprKind::Argument(n) => {
                self.uses.arguments |= 1u64
                    .checked_shl(u32::try_from(*n).unwrap_or(64))
                    .unwrap_or(0);
            }
            ExprKind::Assign {
                place, operator, ..
            } => {
                if let (Place::Global(id) | Place::Element(id, _), Some(_)) = (place, operator) {
                    self.read(*id);
                }
            }
            ExprKind::Step {
                place: Place::Global(id) | Place::Element(id, _),
                ..
            } => {
                self.read(*id);
            }
            ExprKind::EmbeddedC(code) => self.embedded(code),
            ExprKind::Print(print) => self.uses.has_other_effects |= !print.is_string,
            _ => {}
        }
        walk_expression(self, expression);
    }

    fn place(&mut self, place: &Place) {
        match place {
            Place::Local(id) => self.assign(*id),
            Place::Global(id) | Place::Element(id, _) => self.write(*id),
            Place::Register { .. } | Place::ReturnValue { .. } => {
                self.uses.registers = true;
                self.uses.has_other_effects = true;
            }
            Place::Memory { .. }
            | Place::Argument(_)
            | Place::Saved(_)
            | Place::SavedString(_)
            | Place::ProcfsValue => self.uses.has_other_effects = true,
        }
        walk_place(self, place);
    }

    fn stat(&mut self, place: &StatPlace) {
        let (StatPlace::Scalar(id) | StatPlace::Element(id, _) | StatPlace::Iterated(id)) = place;
        self.read(*id);
        walk_stat(self, place);
    }
}

/// `g++`, `g += e` and so on as a statement: the global and `e` (None: a constant step).
pub(super) fn as_add(expression: &Expr) -> Option<(GlobalId, Option<&Expr>)> {
    match &expression.kind {
        ExprKind::Step {
            place: Place::Global(id),
            ..
        } => Some((*id, None)),
        ExprKind::Assign {
            place: Place::Global(id),
            operator: Some(BinaryOperator::Add | BinaryOperator::Subtract),
            value,
        } => Some((*id, Some(value))),
        _ => None,
    }
}

pub(super) fn uses_of_block(block: &[Stmt]) -> Uses {
    let mut collector = Collector::default();
    collector.block(block);
    collector.finish()
}

pub(super) fn uses_of_expression(expression: &Expr) -> Uses {
    let mut collector = Collector::default();
    collector.expression(expression);
    collector.finish()
}

fn uses_of_function(function: &Function) -> Uses {
    match &function.body {
        FunctionBody::Script(block) => uses_of_block(block),
        FunctionBody::C(code) => {
            let mut collector = Collector::default();
            collector.embedded(code);
            collector.uses
        }
    }
}

/// Answers about the whole program.
#[derive(Debug)]
pub(super) struct Analysis {
    handlers: IndexVec<HandlerId, Uses>,
    functions: IndexVec<FunctionId, Uses>,
    /// All functions that may run when one is called, itself included.
    reachable: IndexVec<FunctionId, BTreeSet<FunctionId>>,
    /// May run on several CPUs at once.
    concurrent: BTreeSet<HandlerId>,
    pub locked: BTreeSet<GlobalId>,
    pub atomic: BTreeSet<GlobalId>,
    /// Statistics that a concurrent handler both reads and deletes from: what other CPUs add in
    /// between would be lost.
    frozen: BTreeSet<GlobalId>,
    /// Handlers and functions that count statements.
    counting_handlers: BTreeSet<HandlerId>,
    counting_functions: BTreeSet<FunctionId>,
    condition_globals: BTreeSet<GlobalId>,
    /// Written by anybody, or set from outside.
    written: BTreeSet<GlobalId>,
}

impl Analysis {
    /// `program` has passed the verifier, so all ids are in range.
    pub fn new(program: &Program) -> Self {
        let handlers: IndexVec<HandlerId, Uses> = program
            .handlers
            .values()
            .map(|handler| uses_of_block(&handler.body))
            .collect();
        let functions: IndexVec<FunctionId, Uses> =
            program.functions.values().map(uses_of_function).collect();
        let reachable = functions.ids().map(|id| closure(&functions, id)).collect();
        let mut concurrent = BTreeSet::new();
        let mut condition_globals = BTreeSet::new();
        for probe in &program.probes {
            if !matches!(
                probe.kind,
                ProbeKind::Begin { .. } | ProbeKind::End { .. } | ProbeKind::Error { .. }
            ) {
                concurrent.insert(probe.handler);
                concurrent.extend(probe.entry_handler);
            }
            if let Some(condition) = &probe.condition {
                condition_globals.extend(uses_of_expression(condition).globals.into_keys());
            }
        }
        let mut analysis = Self {
            handlers,
            functions,
            reachable,
            concurrent,
            locked: BTreeSet::new(),
            atomic: BTreeSet::new(),
            frozen: BTreeSet::new(),
            counting_handlers: BTreeSet::new(),
            counting_functions: BTreeSet::new(),
            condition_globals,
            written: BTreeSet::new(),
        };
        analysis.find_locks(program);
        analysis.find_counting(program);
        analysis
    }

    pub fn handler(&self, id: HandlerId) -> &Uses {
        &self.handlers[id]
    }

    pub fn function(&self, id: FunctionId) -> &Uses {
        &self.functions[id]
    }

    /// Functions that `uses` may run, directly or through others.
    pub fn callees(&self, uses: &Uses) -> BTreeSet<FunctionId> {
        uses.functions
            .iter()
            .flat_map(|id| self.reachable[*id].iter().copied())
            .collect()
    }

    pub fn is_recursive(&self, id: FunctionId) -> bool {
        self.functions[id]
            .functions
            .iter()
            .any(|callee| self.reachable[*callee].contains(&id))
    }

    pub fn counts_handler(&self, id: HandlerId) -> bool {
        self.counting_handlers.contains(&id)
    }

    pub fn counts_function(&self, id: FunctionId) -> bool {
        self.counting_functions.contains(&id)
    }

    pub fn is_written(&self, id: GlobalId) -> bool {
        self.written.contains(&id)
    }

    /// Uses of globals with those of all functions called. Adds in functions
    /// count as reads and writes: an atomic add must be alone in its handler.
    pub fn all_globals(&self, uses: &Uses) -> BTreeMap<GlobalId, Use> {
        let mut all = uses.globals.clone();
        for function in self.callees(uses) {
            for (id, used) in &self.functions[function].globals {
                let entry = all.entry(*id).or_default();
                entry.reads += 2 * (used.reads + used.adds);
                entry.writes += 2 * (used.writes + used.adds);
                entry.accumulates += 2 * used.accumulates;
                entry.deletes += 2 * used.deletes;
            }
        }
        all
    }

    /// Globals that evaluating this may change.
    pub fn globals_written(&self, uses: &Uses) -> BTreeSet<GlobalId> {
        self.all_globals(uses)
            .into_iter()
            .filter(|(_, used)| used.writes + used.adds + used.accumulates > 0)
            .map(|(id, _)| id)
            .collect()
    }

    /// Whether registers are looked at, also by functions called.
    pub fn needs_registers(&self, uses: &Uses) -> bool {
        uses.registers
            || self
                .callees(uses)
                .iter()
                .any(|id| self.functions[*id].registers)
    }

    /// Tracepoint arguments used, also by functions called.
    pub fn arguments(&self, uses: &Uses) -> u64 {
        self.callees(uses).iter().fold(uses.arguments, |bits, id| {
            bits | self.functions[*id].arguments
        })
    }

    /// Whether a global is written that some probe's condition reads.
    pub fn changes_conditions(&self, uses: &Uses) -> bool {
        self.globals_written(uses)
            .iter()
            .any(|id| self.condition_globals.contains(id))
    }

    /// What must be held while a handler runs what uses this: the global's lock, or, of a
    /// statistic that stays as it is meanwhile, all CPUs' parts.
    pub fn locks_of(&self, program: &Program, uses: &Uses) -> BTreeSet<GlobalId> {
        self.all_globals(uses)
            .into_iter()
            .filter(|(id, used)| {
                (self.locked.contains(id) || self.frozen.contains(id))
                    && needs_lock(&program.globals[*id], *used)
            })
            .map(|(id, _)| id)
            .collect()
    }

    /// The statistics that must not change while a handler runs what uses this.
    pub fn frozen_by(&self, uses: &Uses) -> BTreeSet<GlobalId> {
        self.all_globals(uses)
            .into_iter()
            .filter(|(id, used)| self.frozen.contains(id) && freezes(*used))
            .map(|(id, _)| id)
            .collect()
    }

    /// The locks of what a probe's condition reads, but for numbers: one load reads those.
    pub fn locks_of_condition(&self, program: &Program, condition: &Expr) -> BTreeSet<GlobalId> {
        uses_of_expression(condition)
            .globals
            .into_keys()
            .filter(|id| {
                let is_number = matches!(
                    program.globals[*id].kind,
                    GlobalKind::Scalar { ty: Type::Long, .. }
                );
                self.locked.contains(id) && !is_number
            })
            .collect()
    }

    pub fn is_concurrent(&self, id: HandlerId) -> bool {
        self.concurrent.contains(&id)
    }

    fn find_locks(&mut self, program: &Program) {
        let all: Vec<(HandlerId, BTreeMap<GlobalId, Use>)> = self
            .handlers
            .iter()
            .map(|(id, uses)| (id, self.all_globals(uses)))
            .collect();
        for (id, global) in program.globals.iter() {
            if global.is_parameter {
                self.written.insert(id);
            }
        }
        for (handler, globals) in &all {
            for (id, used) in globals {
                let Some(global) = program.globals.get(*id) else {
                    continue;
                };
                if used.writes + used.adds + used.accumulates > 0 {
                    self.written.insert(*id);
                }
                if !self.concurrent.contains(handler) {
                    continue;
                }
                let is_lockable = match &global.kind {
                    // The runtime's per-CPU parts protect themselves.
                    GlobalKind::Scalar { ty: Type::Stat, .. } => false,
                    // Merging uses memory of the array; adding does not.
                    GlobalKind::Array {
                        value: Type::Stat, ..
                    } => used.reads + used.writes > 0,
                    _ => used.writes + used.adds > 0,
                };
                if is_lockable {
                    self.locked.insert(*id);
                }
                if global.value_type() == Type::Stat && freezes(*used) {
                    self.frozen.insert(*id);
                }
            }
        }
        // An atomic add replaces the lock where every concurrent handler that
        // writes the global does nothing else with locked globals, and every one
        // that reads it does so once (two reads might differ).
        for (id, global) in program.globals.iter() {
            if !self.locked.contains(&id)
                || !matches!(global.kind, GlobalKind::Scalar { ty: Type::Long, .. })
            {
                continue;
            }
            let is_atomic = all
                .iter()
                .filter(|(handler, _)| self.concurrent.contains(handler))
                .filter_map(|(_, globals)| globals.get(&id).map(|used| (globals, used)))
                .all(|(globals, used)| {
                    if used.adds + used.writes == 0 {
                        return used.reads <= 1;
                    }
                    let is_alone = globals
                        .iter()
                        .filter(|(other, _)| self.locked.contains(other))
                        .all(|(other, used)| {
                            *other == id || !needs_lock(&program.globals[*other], *used)
                        });
                    used.adds == 1 && used.reads + used.writes == 0 && is_alone
                });
            if is_atomic {
                self.atomic.insert(id);
            }
        }
        for id in &self.atomic {
            self.locked.remove(id);
        }
    }

    /// A handler without loops and recursion runs at most as many statements as its longest way
    /// has: no need to count when that is allowed.
    fn find_counting(&mut self, program: &Program) {
        let limit = program.limits.actions;
        if limit == 0 {
            return;
        }
        for (id, cost) in cost::of_handlers(program).iter() {
            if cost.has_loop || cost.endless.is_some() || cost.statements > limit {
                self.counting_handlers.insert(id);
                self.counting_functions
                    .extend(self.callees(&self.handlers[id]));
            }
        }
    }

    /// Functions that handlers can reach, callees before callers.
    pub fn functions_in_order(&self) -> Vec<FunctionId> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        // An explicit stack: scripts may nest calls deeper than ours allows.
        for uses in self.handlers.values() {
            for root in &uses.functions {
                let mut stack = vec![(*root, false)];
                while let Some((id, is_done)) = stack.pop() {
                    if is_done {
                        order.push(id);
                    } else if seen.insert(id) {
                        stack.push((id, true));
                        stack.extend(self.functions[id].functions.iter().map(|c| (*c, false)));
                    }
                }
            }
        }
        order
    }

    /// Longest chain of calls below a handler, each function counted once.
    pub fn call_depth(&self) -> u32 {
        let mut depths: BTreeMap<FunctionId, u32> = BTreeMap::new();
        for id in self.functions_in_order() {
            let below = self.functions[id]
                .functions
                .iter()
                .filter_map(|callee| depths.get(callee))
                .max()
                .copied()
                .unwrap_or(0);
            depths.insert(id, below + 1);
        }
        depths.into_values().max().unwrap_or(0)
    }
}

/// Reads and deletes: nothing may be added in between.
fn freezes(used: Use) -> bool {
    used.reads > 0 && used.deletes > 0
}

fn needs_lock(global: &Global, used: Use) -> bool {
    match global.value_type() {
        Type::Stat => used.reads + used.writes > 0,
        _ => true,
    }
}

fn closure(functions: &IndexVec<FunctionId, Uses>, start: FunctionId) -> BTreeSet<FunctionId> {
    let mut seen = BTreeSet::from([start]);
    let mut work = vec![start];
    while let Some(id) = work.pop() {
        for callee in functions
            .get(id)
            .map(|uses| &uses.functions)
            .into_iter()
            .flatten()
        {
            if callee.index() < functions.len() && seen.insert(*callee) {
                work.push(*callee);
            }
        }
    }
    seen
}
