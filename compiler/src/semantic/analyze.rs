// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2 from end to end.

use std::collections::{HashMap, HashSet};

use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::carried;
use super::lower::{Lowering, Places};
use super::optimize::{self, Removed};
use super::points::{self, Derived};
use super::session::{Session, UnitId};
use crate::ir::{self, StmtKind, walk};

/// More rounds than a library whose probes pull in files with probes has.
const MAXIMUM_ROUNDS: usize = 8;

/// Analyses the files of the session. `None` when there are errors, which are
/// reported to the session together with the warnings.
pub fn analyze(session: &Session, name: &str) -> Option<ir::Program> {
    report_clashes(session);
    let mut derived: Vec<Derived> = Vec::new();
    let mut done: HashSet<UnitId> = HashSet::new();
    let mut program = None;
    let mut places = Places::new();
    for _ in 0..MAXIMUM_ROUNDS {
        derive_new(session, &mut done, &mut derived);
        let is_incomplete = session.has_errors();
        if derived.is_empty() {
            if !is_incomplete {
                session.report(Diagnostic::semantic_error("E0208", "no probes found"));
            }
            return None;
        }
        // Messages of a round that is repeated come again.
        let kept = session.take_diagnostics();
        let (lowered, tokens) = Lowering::new(session).run_with_places(&derived);
        program = Some(lowered);
        places = tokens;
        if session
            .units()
            .iter()
            .all(|unit| done.contains(&unit.id) || unit.probes.is_empty())
        {
            let mut new = session.take_diagnostics();
            // What a probe that could not be found would have told is not known.
            new.retain(|message| !is_incomplete || message.is_error() && message.code != "E0204");
            kept.into_iter()
                .chain(new)
                .for_each(|diagnostic| session.report(diagnostic));
            break;
        }
        session.take_diagnostics();
        kept.into_iter()
            .for_each(|diagnostic| session.report(diagnostic));
    }
    if session.has_errors() {
        return None;
    }
    let mut program = program?;
    program.name = name.to_owned();
    check_loops(session, &program, &places);
    check_counters(session, &program);
    if session.has_errors() {
        return None;
    }
    if !session.options.unoptimized {
        let removed = optimize::optimize(&mut program);
        report_removed(session, removed, &places);
        remove_empty_probes(session, &derived, &mut program);
        if program.probes.is_empty() {
            session.report(Diagnostic::semantic_error("E0208", "no probes found"));
            return None;
        }
    }
    settings(session, &mut program);
    carried::collect(session, &mut program);
    Some(program)
}

/// Files of the user's share their globals, so each name can be declared in one of them only.
fn report_clashes(session: &Session) {
    let mut seen: HashMap<String, (UnitId, Span)> = HashMap::new();
    for unit in session.units() {
        for global in unit.globals.iter().filter(|global| !global.private) {
            let name = &global.name;
            match seen.get(&name.name) {
                Some((first, place)) if *first != unit.id => session.report(
                    Diagnostic::semantic_error("E0211", "conflicting global variables")
                        .at(name.span)
                        .label(*place, "first declared here")
                        .hint("declare it in one of the files, or as 'private' in both"),
                ),
                Some(_) => {}
                None => {
                    seen.insert(name.name.clone(), (unit.id, name.span));
                }
            }
        }
    }
}

/// Derives the probes of files that came in since the last time.
fn derive_new(session: &Session, done: &mut HashSet<UnitId>, derived: &mut Vec<Derived>) {
    for unit in session.units() {
        if !done.insert(unit.id) {
            continue;
        }
        for probe in &unit.probes {
            derived.extend(points::derive(session, probe, unit.id));
        }
    }
}

/// An array must not change while it is walked.
fn check_loops(session: &Session, program: &ir::Program, places: &Places) {
    let mut bodies: Vec<&ir::Block> = program
        .handlers
        .values()
        .map(|handler| &handler.body)
        .collect();
    for function in program.functions.values() {
        if let ir::FunctionBody::Script(body) = &function.body {
            bodies.push(body);
        }
    }
    let mut reported = HashSet::new();
    for body in bodies {
        walk::statements(body, &mut |stmt| {
            let StmtKind::Foreach(foreach) = &stmt.kind else {
                return;
            };
            if !optimize::arrays_changed(program, &foreach.body).contains(&foreach.array)
                || !reported.insert(stmt.at)
            {
                return;
            }
            let name = program
                .globals
                .get(foreach.array)
                .map_or("", |global| &global.name);
            let text = format!("variable '{name}' modified during 'foreach' iteration");
            let error = Diagnostic::semantic_error("E0209", text)
                .hint("collect what is to change first, and change it after the loop");
            let change = first_change(program, &foreach.body, foreach.array).unwrap_or(stmt.at);
            session.report(match places.get(&change) {
                Some(place) => error.at(*place),
                None => error,
            });
        });
    }
}

fn counter_of(probe: &ir::Probe) -> Option<&str> {
    match &probe.kind {
        ir::ProbeKind::Perf { counter, .. } => counter.as_deref(),
        _ => None,
    }
}

/// `@perf` reads what a `.counter` probe counts.
fn check_counters(session: &Session, program: &ir::Program) {
    let known: HashSet<&str> = program.probes.iter().filter_map(counter_of).collect();
    for (name, place) in session.counters() {
        if !known.contains(name.as_str()) {
            let text = format!("perf counter '{name}' not defined");
            let hint = format!("probe perf.hw.instructions.process.counter(\"{name}\") {{ }}");
            session.report(
                Diagnostic::semantic_error("E0237", text)
                    .at(place)
                    .hint(hint),
            );
        }
    }
}

/// The first statement in a loop's body that changes an array, itself or in what it calls.
fn first_change(
    program: &ir::Program,
    body: &ir::Block,
    array: ir::GlobalId,
) -> Option<ir::LocationId> {
    let changes = |stmt: &&ir::Stmt| {
        optimize::arrays_changed(program, std::slice::from_ref(*stmt)).contains(&array)
    };
    let stmt = body.iter().find(changes)?;
    let inner = walk::inner_blocks(stmt);
    let within = inner
        .into_iter()
        .find_map(|block| first_change(program, block, array));
    Some(within.unwrap_or(stmt.at))
}

/// Warns about assignments and expressions of the user's that nobody misses.
fn report_removed(session: &Session, removed: Vec<Removed>, places: &Places) {
    let mut warned = HashSet::new();
    for removed in removed {
        let (at, text) = match removed {
            Removed::Assignment(name, at) => (at, format!("Eliding assignment to '{name}'")),
            Removed::Expression(at) => (at, "Eliding side-effect-free expression".to_owned()),
        };
        let Some(&place) = places.get(&at).filter(|place| session.is_users(**place)) else {
            continue;
        };
        if warned.insert(place) {
            session.report(Diagnostic::warning("W0203", text).at(place));
        }
    }
}

/// Probes that do nothing are left out, with a warning.
fn remove_empty_probes(session: &Session, derived: &[Derived], program: &mut ir::Program) {
    let mut index = 0;
    let mut warned = HashSet::new();
    let handlers = std::mem::take(&mut program.handlers);
    program.probes.retain(|probe| {
        let is_empty = handlers
            .get(probe.handler)
            .is_some_and(|handler| handler.body.is_empty())
            && counter_of(probe).is_none();
        if is_empty
            && let Some(derived) = derived.get(index)
            && session.is_users(derived.keyword)
        {
            let text = format!("Probe '{}' has been elided", derived.script_name);
            if warned.insert((derived.keyword, text.clone())) {
                session.report(Diagnostic::warning("W0202", text).at(derived.keyword));
            }
        }
        index += 1;
        !is_empty
    });
    program.handlers = handlers;
}

/// Limits from `-D`, and facts about the kernel.
fn settings(session: &Session, program: &mut ir::Program) {
    let options = &session.options;
    program.is_guru = options.guru;
    program.suppress_handler_errors = options.suppress_handler_errors;
    program.has_timing = options.timing;
    program.macros = options.macros.clone();
    program.kernel_release = session.target.release();
    program.limits = super::limits::limits(options);
}
