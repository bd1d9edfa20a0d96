// SPDX-License-Identifier: GPL-2.0-or-later
//! Bodies to IR, and types on the way.
//!
//! One walk does both: it unifies types as it meets uses and emits IR with the
//! types known so far. The walk over all bodies is repeated until it learns
//! nothing new; only the last one, in which every type is final, keeps its IR
//! and reports errors.

mod assign;
mod body;
mod call;
mod condition;
mod display;
mod embedded;
mod expr;
mod index;
mod print;
mod stat;
mod stmt;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use indexmap::IndexMap;
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use self::body::BodyState;
use super::infer::{Mismatch, Ty, TypeVar, Types, type_name};
use super::points::{Body, Context, Derived};
use super::session::{Origin, Session, UnitId};
use crate::ir;

/// More walks than any chain of calls needs that a person wrote.
const MAXIMUM_WALKS: usize = 64;

/// A declaration of a function and the file that it is in.
pub type Overload = (Rc<ast::Function>, UnitId);

/// A function as called from one kind of place. Functions that use `$variables`
/// are made once for each probe that calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FunctionKey {
    declaration: *const ast::Function,
    probe: Option<usize>,
}

/// Tokens by the number of their location.
pub type Places = HashMap<ir::LocationId, Span>;

/// What is known of a function in all walks.
struct FunctionInfo {
    declaration: Rc<ast::Function>,
    unit: UnitId,
    parameters: Vec<Ty>,
    returns: Ty,
    locals: HashMap<String, TypeVar>,
    context: Context,
    probe: Option<usize>,
}

/// What is known of a global in all walks.
struct GlobalInfo {
    declaration: Rc<ast::Global>,
    unit: UnitId,
    /// `None` until its first use: scalar (0) or number of keys.
    arity: Option<(usize, Span)>,
    keys: Vec<Ty>,
    value: Ty,
    stat: ir::StatSpec,
    variance_shift: Option<i64>,
    is_read: bool,
    is_written: bool,
    /// By a script that it does not belong to; said once.
    is_overwritten: bool,
}

/// Turns derived probes into a program.
pub struct Lowering<'s, 'a> {
    session: &'s Session<'a>,
    types: Types,
    program: ir::Program,
    locations: HashMap<Span, ir::LocationId>,
    /// Globals in the order of their first use.
    globals: Vec<GlobalInfo>,
    global_ids: HashMap<*const ast::Global, usize>,
    /// What a name means in a file; `None`: no global.
    global_names: HashMap<(UnitId, String), Option<usize>>,
    /// Functions in the order of their first call.
    functions: Vec<FunctionInfo>,
    function_ids: HashMap<FunctionKey, usize>,
    function_names: HashMap<(UnitId, String), Rc<Vec<Overload>>>,
    uses_target: HashMap<*const ast::Function, bool>,
    /// Locals of each probe.
    probe_locals: Vec<HashMap<String, TypeVar>>,
    /// IR of functions of this walk, by number; filled as they are reached.
    bodies: Vec<Option<ir::Function>>,
    /// Functions made for pretty printing, in this walk, by what they do.
    synthesized: IndexMap<String, ir::Function>,
    errors: Vec<Diagnostic>,
    /// Tokens of expressions that have an error, in this walk.
    failed: HashSet<Span>,
    warned: HashSet<String>,
    is_final: bool,
    captures_used: bool,
}

impl<'s, 'a> Lowering<'s, 'a> {
    pub fn new(session: &'s Session<'a>) -> Self {
        Lowering {
            session,
            types: Types::default(),
            program: ir::Program::default(),
            locations: HashMap::new(),
            globals: Vec::new(),
            global_ids: HashMap::new(),
            global_names: HashMap::new(),
            functions: Vec::new(),
            function_ids: HashMap::new(),
            function_names: HashMap::new(),
            uses_target: HashMap::new(),
            probe_locals: Vec::new(),
            bodies: Vec::new(),
            synthesized: IndexMap::new(),
            errors: Vec::new(),
            failed: HashSet::new(),
            warned: HashSet::new(),
            is_final: false,
            captures_used: false,
        }
    }

    /// The whole of it. Errors are reported to the session; the program is then not usable.
    pub fn run(self, probes: &[Derived]) -> ir::Program {
        self.run_with_places(probes).0
    }

    /// The same, with the tokens that the program's locations stand for.
    pub fn run_with_places(mut self, probes: &[Derived]) -> (ir::Program, Places) {
        self.settle(probes);
        self.is_final = true;
        self.walk(probes);
        self.finish()
    }

    /// Types of values and parameters of functions, as far as their bodies tell; `None` is unknown.
    pub fn signatures(
        mut self,
        functions: &[Overload],
    ) -> Vec<(Option<ir::Type>, Vec<Option<ir::Type>>)> {
        let indexes: Vec<usize> = functions
            .iter()
            .map(|(function, unit)| {
                self.function_instance(&BodyState::bare(*unit), function, *unit)
            })
            .collect();
        self.settle(&[]);
        indexes
            .into_iter()
            .filter_map(|index| self.functions.get(index))
            .map(|info| {
                let types = &mut self.types;
                let parameters = info.parameters.iter().map(|ty| types.get(*ty)).collect();
                (types.get(info.returns), parameters)
            })
            .collect()
    }

    /// Walks until nothing new is learnt.
    fn settle(&mut self, probes: &[Derived]) {
        self.probe_locals.resize_with(probes.len(), HashMap::new);
        for _ in 0..MAXIMUM_WALKS {
            let known = |this: &Self| {
                (
                    this.types.changes(),
                    this.functions.len(),
                    this.globals.len(),
                )
            };
            let before = known(self);
            self.walk(probes);
            if before == known(self) {
                break;
            }
        }
    }

    /// One pass over all bodies that are reached.
    fn walk(&mut self, probes: &[Derived]) {
        self.program.handlers = Default::default();
        self.program.probes.clear();
        self.synthesized.clear();
        self.bodies.clear();
        self.errors.clear();
        self.failed.clear();
        for global in &mut self.globals {
            global.is_read = false;
            global.is_written = false;
        }
        let mut merged: HashMap<String, ir::HandlerId> = HashMap::new();
        for (index, probe) in probes.iter().enumerate() {
            self.probe(index, probe, &mut merged);
        }
        // Functions reach others: the list grows while it is walked.
        let mut index = 0;
        while index < self.functions.len() {
            if index >= self.bodies.len() {
                self.bodies.resize_with(index + 1, || None);
            }
            let body = self.function_body(index);
            self.bodies[index] = Some(body);
            index += 1;
        }
    }

    fn probe(
        &mut self,
        index: usize,
        probe: &Derived,
        merged: &mut HashMap<String, ir::HandlerId>,
    ) {
        let mut state = BodyState::for_probe(index, probe);
        let mut block = ir::Block::new();
        for Body { block: body, unit } in &probe.bodies {
            state.unit = *unit;
            self.statement(&mut state, body, &mut block);
        }
        let mut condition: Option<ir::Expr> = None;
        state.in_condition = true;
        for (expr, unit) in &probe.conditions {
            state.unit = *unit;
            let value = self.long(&mut state, expr);
            self.check_condition(&value, expr);
            condition = Some(match condition {
                None => value,
                Some(first) => ir::Expr {
                    ty: ir::Type::Long,
                    at: value.at,
                    kind: ir::ExprKind::And(Box::new(first), Box::new(value)),
                },
            });
        }
        state.in_condition = false;
        self.report_unset(&state);
        let entry = self.entry_handler(&mut state);
        let first = state.saved.words.len();
        let words = self.saved_string_words();
        ir::walk::block_expressions_mut(&mut block, &mut |expr| {
            if let ir::ExprKind::SavedString(number) = &mut expr.kind {
                *number = first + *number * words;
            }
        });
        let handler = ir::Handler {
            locals: state.take_locals(self),
            body: block,
        };
        let handler = self.merge(handler, merged);
        let entry_handler = entry.map(|entry| self.merge(entry, merged));
        self.program.probes.push(ir::Probe {
            name: probe.name.clone(),
            script_name: probe.script_name.clone(),
            function: probe.function(),
            location: self.session.location(probe.span),
            kind: probe.kind.clone(),
            handler,
            entry_handler,
            saved_words: state.saved.words.len(),
            saved_strings: state.saved.strings.len(),
            condition,
            is_optional: probe.is_optional,
            derivation: probe.derivation.clone(),
        });
    }

    /// Handlers with equal bodies are one.
    fn merge(
        &mut self,
        handler: ir::Handler,
        merged: &mut HashMap<String, ir::HandlerId>,
    ) -> ir::HandlerId {
        if !self.is_final {
            return self.program.handlers.push(handler);
        }
        let key = format!("{handler:?}");
        if !self.session.options.unoptimized
            && let Some(&id) = merged.get(&key)
        {
            return id;
        }
        let id = self.program.handlers.push(handler);
        merged.insert(key, id);
        id
    }

    /// MAXSTRINGLEN.
    fn string_size(&self) -> usize {
        super::limits::limits(&self.session.options).string_size as usize
    }

    /// Words that a kept string takes; strings are kept behind the numbers.
    fn saved_string_words(&self) -> usize {
        self.string_size().div_ceil(8)
    }

    /// What a return probe has to keep from the call's entry.
    fn entry_handler(&mut self, state: &mut BodyState) -> Option<ir::Handler> {
        if state.saved.words.is_empty() && state.saved.strings.is_empty() {
            return None;
        }
        let string_words = self.saved_string_words();
        let words = state
            .saved
            .words
            .iter()
            .enumerate()
            .map(|(n, e)| (ir::Place::Saved(n), e.clone()));
        let strings = state.saved.strings.iter().enumerate().map(|(n, e)| {
            let word = state.saved.words.len() + n * string_words;
            (ir::Place::SavedString(word), e.clone())
        });
        let body = words
            .chain(strings)
            .map(|(place, value)| ir::Stmt {
                at: value.at,
                kind: ir::StmtKind::Expr(ir::Expr {
                    ty: value.ty,
                    at: value.at,
                    kind: ir::ExprKind::Assign {
                        place,
                        operator: None,
                        value: Box::new(value),
                    },
                }),
            })
            .collect();
        Some(ir::Handler {
            locals: Default::default(),
            body,
        })
    }

    fn function_body(&mut self, index: usize) -> ir::Function {
        let info = &self.functions[index];
        let declaration = Rc::clone(&info.declaration);
        let mut state = BodyState::for_function(index, info);
        let returns = info.returns;
        for (param, ty) in declaration.params.iter().zip(info.parameters.clone()) {
            let id = state.declare(&param.name.name, ty);
            state.written.insert(id);
        }
        let parameters = declaration.params.len();
        let body = match &declaration.body {
            ast::FunctionBody::Block(block) => {
                let mut statements = ir::Block::new();
                self.statement(&mut state, block, &mut statements);
                ir::FunctionBody::Script(statements)
            }
            ast::FunctionBody::EmbeddedC(code) => {
                ir::FunctionBody::C(self.embedded_code(&state, code))
            }
        };
        self.report_unset(&state);
        let returns = self.types.get(returns).unwrap_or(ir::Type::Void);
        ir::Function {
            name: declaration.name.name.clone(),
            c_name: format!("{}_{index}", declaration.name.name),
            locals: state.take_locals(self),
            parameters,
            returns,
            body,
            location: self.location(declaration.name.span),
        }
    }

    /// Puts globals and functions into the program and gives it away.
    fn finish(mut self) -> (ir::Program, Places) {
        self.check_scalars();
        for error in std::mem::take(&mut self.errors) {
            self.session.report(error);
        }
        self.report_unused();
        let functions = std::mem::take(&mut self.bodies);
        for function in functions.into_iter().flatten() {
            self.program.functions.push(function);
        }
        for function in std::mem::take(&mut self.synthesized).into_values() {
            self.program.functions.push(function);
        }
        self.add_globals();
        for unit in self.session.units() {
            for code in &unit.embedded {
                let state = BodyState::bare(unit.id);
                let code = self.embedded_code(&state, code);
                self.program.embedded.push(code);
            }
        }
        if self.captures_used {
            set_captures(&mut self.program);
        }
        if !self.session.options.no_global_display {
            self.add_global_display();
        }
        if self.session.options.monitor {
            self.add_monitor_display();
        }
        let places = self
            .locations
            .into_iter()
            .map(|(span, id)| (id, span))
            .collect();
        (self.program, places)
    }

    /// A misspelt `-G` would change nothing without a word.
    fn check_given_values(&self) {
        let is_scalar = |name: &str| {
            let is_named = |info: &&GlobalInfo| info.declaration.name.name == name;
            let is_array = |info: &GlobalInfo| info.arity.is_some_and(|(arity, _)| arity > 0);
            self.globals
                .iter()
                .find(is_named)
                .is_some_and(|info| !is_array(info))
        };
        for (name, value) in &self.session.options.globals {
            if !is_scalar(name) {
                let message = format!(
                    "-G {name}={value} has no effect: the script has no global number or text '{name}'"
                );
                self.session.report(Diagnostic::warning("W0208", message));
            }
        }
    }

    fn add_globals(&mut self) {
        self.check_given_values();
        for index in 0..self.globals.len() {
            let info = &self.globals[index];
            let (declaration, unit) = (Rc::clone(&info.declaration), info.unit);
            let (keys, value) = (info.keys.clone(), info.value);
            let is_user = self.session.unit(unit).origin == Origin::User;
            let keys: Vec<_> = keys
                .iter()
                .map(|&key| self.types.get(key).unwrap_or(ir::Type::Long))
                .collect();
            let value = self.types.get(value).unwrap_or(ir::Type::Long);
            let is_array = self.globals[index]
                .arity
                .is_some_and(|(arity, _)| arity > 0);
            let kind = if is_array {
                ir::GlobalKind::Array {
                    keys,
                    value,
                    size: declaration.size.and_then(|size| u64::try_from(size).ok()),
                    wrap: declaration.wrap,
                }
            } else {
                ir::GlobalKind::Scalar {
                    ty: value,
                    initial: self.initial(&declaration, value),
                }
            };
            let info = &self.globals[index];
            self.program.globals.push(ir::Global {
                name: declaration.name.name.clone(),
                c_name: format!("{}_{index}", declaration.name.name),
                kind,
                stat: info.stat.clone(),
                is_parameter: is_user && !is_array && !declaration.private,
            });
        }
    }

    /// Initial value of a scalar: `-G` before the declaration's own.
    fn initial(&self, declaration: &ast::Global, ty: ir::Type) -> Option<ir::Constant> {
        let name = &declaration.name.name;
        let given = self
            .session
            .options
            .globals
            .iter()
            .rev()
            .find(|(given, _)| given == name);
        if let Some((_, text)) = given {
            return match ty {
                ir::Type::String => Some(ir::Constant::String(text.clone().into_bytes())),
                _ => parse_number(text).map(ir::Constant::Long),
            };
        }
        match &declaration.init.as_ref()?.value {
            ast::LiteralValue::Number(number) => Some(ir::Constant::Long(*number)),
            ast::LiteralValue::String(bytes) => Some(ir::Constant::String(bytes.clone())),
        }
    }

    /// Interns the position of a token, described as run-time errors do.
    fn location(&mut self, token: Span) -> ir::LocationId {
        if let Some(&id) = self.locations.get(&token) {
            return id;
        }
        let text = self.session.describe(token);
        let id = self.program.locations.push(text);
        self.locations.insert(token, id);
        id
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        if !self.errors.contains(&diagnostic) {
            self.errors.push(diagnostic);
        }
    }

    /// A warning, once, in the walk that counts.
    fn warn(&mut self, code: &'static str, message: String, at: Span) {
        if self.is_final
            && self.session.is_users(at)
            && self.warned.insert(format!("{message} {at:?}"))
        {
            self.session
                .report(Diagnostic::warning(code, message).at(at));
        }
    }

    /// Notes that a global is written to. That a script writes to one of the library is rarely
    /// meant: its author took the name for a free one.
    fn writes(&mut self, global: usize, at: Span) {
        self.globals[global].is_written = true;
        let info = &self.globals[global];
        if self.session.unit(info.unit).origin == Origin::Library
            && self.is_final
            && self.session.is_users(at)
            && !std::mem::replace(&mut self.globals[global].is_overwritten, true)
        {
            let info = &self.globals[global];
            let name = info.declaration.name.clone();
            let place = self.session.sources.borrow().location(name.span);
            let text = format!(
                "global variable '{}' of the tapset library ({place}) is overwritten",
                name.name
            );
            self.warn("W0204", text, at);
        }
    }

    fn unify(&mut self, left: Ty, right: Ty, at: Span) {
        if let Err(mismatch) = self.types.unify(left, right, at) {
            self.error(mismatch_error(mismatch, "", at));
        }
    }

    /// The number of a global by its name in a file.
    fn global(&mut self, name: &str, unit: UnitId) -> Option<usize> {
        let key = (unit, name.to_owned());
        if let Some(&known) = self.global_names.get(&key) {
            return known;
        }
        let found = self.session.global(name, unit).map(|(declaration, unit)| {
            let pointer = Rc::as_ptr(&declaration);
            if let Some(&index) = self.global_ids.get(&pointer) {
                return index;
            }
            let index = self.globals.len();
            let value = Ty::Var(self.types.fresh());
            self.globals.push(GlobalInfo {
                declaration: Rc::clone(&declaration),
                unit,
                arity: None,
                keys: Vec::new(),
                value,
                stat: ir::StatSpec::default(),
                variance_shift: None,
                is_read: false,
                is_written: false,
                is_overwritten: false,
            });
            self.global_ids.insert(pointer, index);
            if let Some(init) = &declaration.init {
                let ty = match init.value {
                    ast::LiteralValue::Number(_) => Ty::LONG,
                    ast::LiteralValue::String(_) => Ty::STRING,
                };
                self.unify(value, ty, init.span);
                self.set_arity(index, 0, init.span);
            }
            index
        });
        self.global_names.insert(key, found);
        found
    }

    /// Says that a global is used with this number of keys.
    fn set_arity(&mut self, global: usize, arity: usize, at: Span) -> bool {
        match self.globals[global].arity {
            None => {
                let keys = (0..arity).map(|_| Ty::Var(self.types.fresh())).collect();
                let info = &mut self.globals[global];
                info.arity = Some((arity, at));
                info.keys = keys;
                true
            }
            Some((known, _)) if known == arity => true,
            Some((known, place)) => {
                let name = self.globals[global].declaration.name.name.clone();
                let note = match (known, arity) {
                    (0, _) => format!("scalar '{name}' used as an array"),
                    (_, 0) => format!("array '{name}' used as a scalar"),
                    _ => format!(
                        "array '{name}' has {known} index{}, not {arity}",
                        if known == 1 { "" } else { "es" }
                    ),
                };
                let text = format!("inconsistent arity ({known} vs {arity})");
                self.error(
                    Diagnostic::semantic_error("E0203", text)
                        .at(at)
                        .note(note)
                        .label(place, format!("arity {known} first inferred here")),
                );
                false
            }
        }
    }

    /// `[size]` and `%` are for arrays.
    fn check_scalars(&mut self) {
        for index in 0..self.globals.len() {
            let info = &self.globals[index];
            let declaration = Rc::clone(&info.declaration);
            let Some((0, place)) = info.arity else {
                continue;
            };
            let name = declaration.name.span;
            if declaration.size.is_some() {
                self.error(
                    Diagnostic::semantic_error("E0203", "inconsistent arity")
                        .at(name)
                        .label(
                            place,
                            "a scalar here, but the declaration gives an array's size",
                        ),
                );
            } else if declaration.wrap {
                self.error(
                    Diagnostic::semantic_error("E0203", "wrapping not supported for scalars")
                        .at(name)
                        .label(place, "a scalar here"),
                );
            }
        }
    }

    /// Locals that are read and never set are misspelt more often than not.
    fn report_unset(&mut self, state: &BodyState) {
        if !self.is_final {
            return;
        }
        for (id, place) in &state.read {
            let Some(name) = state.name(*id).filter(|_| !state.written.contains(id)) else {
                continue;
            };
            let similar = self.similar_variables(name, state.names());
            self.warn(
                "W0201",
                format!("never-assigned local variable '{name}'{similar}"),
                *place,
            );
        }
    }

    /// ` (similar: a, b)` for the variables of a body and the user's globals, or nothing.
    fn similar_variables<'n>(&self, name: &str, locals: impl Iterator<Item = &'n str>) -> String {
        let mut names: Vec<String> = locals.map(str::to_owned).collect();
        names.extend(
            self.globals
                .iter()
                .map(|info| info.declaration.name.name.clone()),
        );
        let similar = super::similar::several(name, &names);
        if similar.is_empty() {
            return String::new();
        }
        format!(" (similar: {})", similar.join(", "))
    }

    fn report_unused(&mut self) {
        for index in 0..self.globals.len() {
            let info = &self.globals[index];
            let declaration = Rc::clone(&info.declaration);
            if self.session.unit(info.unit).origin == Origin::User
                && info.is_read
                && !info.is_written
                && declaration.init.is_none()
                && !self
                    .session
                    .options
                    .globals
                    .iter()
                    .any(|(n, _)| *n == declaration.name.name)
            {
                let name = declaration.name.name.clone();
                let similar = self.similar_variables(&name, std::iter::empty());
                let text = format!("never-assigned global variable '{name}'{similar}");
                self.warn("W0201", text, declaration.name.span);
            }
        }
    }
}

/// `type mismatch (long)` with the place where the other type came from; `whose` is empty or
/// `index 0 ` for an array's key.
fn mismatch_error(mismatch: Mismatch, whose: &str, at: Span) -> Diagnostic {
    let wanted = type_name(mismatch.wanted);
    let inferred = type_name(mismatch.inferred);
    let Some(place) = mismatch.inferred_at else {
        let text = format!("{whose}type mismatch: expected {wanted} but found {inferred}");
        return Diagnostic::semantic_error("E0201", text).at(at);
    };
    let of = if whose.is_empty() { "" } else { "of " };
    let first = format!("type {of}{whose}was first inferred here ({inferred})");
    Diagnostic::semantic_error("E0201", format!("{whose}type mismatch ({wanted})"))
        .at(at)
        .caused_by(Diagnostic::semantic_error("E0202", first).at(place))
}

/// A number as C writes it: decimal, 0x or 0 octal, with a sign.
fn parse_number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        u64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse::<u64>().ok()?
    };
    let value = value as i64;
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// Sub-matches are wanted somewhere, so every match keeps them.
fn set_captures(program: &mut ir::Program) {
    let mut set = |expr: &mut ir::Expr| {
        if let ir::ExprKind::Match { captures, .. } = &mut expr.kind {
            *captures = true;
        }
    };
    ir::walk::program_expressions_mut(program, &mut set);
}
