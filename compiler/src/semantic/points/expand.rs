// SPDX-License-Identifier: GPL-2.0-or-later
//! From the point in a script to rows of the pattern table: aliases, wildcards
//! over component names, `?`, `!` and conditions.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use rstap_debuginfo::{Address, glob};
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::table::{self, ArgumentKind, Family, Pattern};
use super::{
    Body, Build, Context, Derived, Found, Request, data, error, from_target, function, kprobe,
    name_span, netfilter, no_match, perf, process, procfs, show, simple, statement, suggest, timer,
    tracepoint,
};
use crate::ir::ProbeKind;
use crate::semantic::session::{Session, UnitId};

/// Aliases inside aliases at most; more is taken for a loop that no guard saw.
const DEEPEST: usize = 100;
/// Aliases that one `probe` may go through; each of a few can double the points of the next.
const MOST_USES: usize = 20_000;

/// All probes of one `probe` item. Errors go to the session.
pub fn derive(session: &Session, probe: &Rc<ast::Probe>, unit: UnitId) -> Vec<Derived> {
    let mut expander = Expander {
        session,
        blocks: HashMap::new(),
        uses: 0,
    };
    let body = Body {
        block: Rc::new(probe.body.clone()),
        unit,
    };
    let state = State {
        keyword: probe.keyword,
        before: Vec::new(),
        body,
        after: Vec::new(),
        conditions: Vec::new(),
        is_optional: false,
        is_one_of_many: false,
        derivation: Vec::new(),
        listed: None,
        script: None,
        path: Vec::new(),
    };
    let (derived, errors) = expander.list(&probe.points, unit, &state);
    for error in errors {
        session.report(error);
    }
    derived
}

/// What a point has inherited from the aliases above it.
#[derive(Clone)]
struct State {
    keyword: Span,
    before: Vec<Body>,
    body: Body,
    after: Vec<Body>,
    conditions: Vec<(Rc<ast::Expr>, UnitId)>,
    is_optional: bool,
    is_one_of_many: bool,
    derivation: Vec<String>,
    listed: Option<String>,
    /// The script's own point: text and place.
    script: Option<(String, Span)>,
    /// Aliases being expanded, to find loops.
    path: Vec<*const ast::Alias>,
}

struct Expander<'s> {
    session: &'s Session<'s>,
    /// Bodies of aliases by address, so that probes share them.
    blocks: HashMap<*const ast::Alias, (Rc<ast::Stmt>, Option<Rc<ast::Stmt>>)>,
    /// Aliases gone through so far.
    uses: usize,
}

/// A way to read a point.
enum Alternative {
    Row(&'static Pattern, Vec<ast::Component>),
    Alias {
        alias: Rc<ast::Alias>,
        unit: UnitId,
        /// The name as used, wildcards replaced.
        name: Vec<ast::Component>,
        /// Components behind the name.
        suffix: Vec<ast::Component>,
    },
}

impl Expander<'_> {
    /// A comma list: `!` ends it at the first success.
    fn list(
        &mut self,
        points: &[ast::ProbePoint],
        unit: UnitId,
        state: &State,
    ) -> (Vec<Derived>, Vec<Diagnostic>) {
        let mut derived = Vec::new();
        let mut errors = Vec::new();
        for point in points {
            match self.point(point, unit, state) {
                Ok(found) => {
                    let is_found = !found.is_empty();
                    derived.extend(found);
                    if is_found && point.sufficient {
                        break;
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        (derived, errors)
    }

    /// One point. An optional one that matches nothing gives an empty list.
    fn point(
        &mut self,
        point: &ast::ProbePoint,
        unit: UnitId,
        outer: &State,
    ) -> Result<Vec<Derived>, Diagnostic> {
        let mut state = outer.clone();
        state.is_optional |= point.optional;
        if let Some(condition) = &point.condition {
            state.conditions.push((Rc::new(condition.clone()), unit));
        }
        if state.script.is_none() {
            state.script = Some((show_point(point), point.span));
        }
        let resolving = || {
            let error = Diagnostic::semantic_error("E0401", "while resolving probe point");
            match point.components.first() {
                Some(first) => error.at(name_span(first)),
                None => error.at(point.span),
            }
        };
        match self.alternatives(point, &state) {
            Ok(derived) => Ok(derived),
            Err(_) if state.is_optional => Ok(Vec::new()),
            Err(errors) => Err(errors.into_iter().fold(resolving(), Diagnostic::caused_by)),
        }
    }

    fn alternatives(
        &mut self,
        point: &ast::ProbePoint,
        state: &State,
    ) -> Result<Vec<Derived>, Vec<Diagnostic>> {
        let wildcard = point
            .components
            .iter()
            .position(|component| component.name.contains('*'));
        let mut state = state.clone();
        state.is_one_of_many |= wildcard.is_some() || state.is_optional;
        let mut derived = Vec::new();
        let mut errors = Vec::new();
        let alternatives = self.find(&point.components);
        let has_any = !alternatives.is_empty();
        for alternative in alternatives {
            let result = match &alternative {
                Alternative::Row(pattern, components) => {
                    // A nested alias may have said otherwise meanwhile.
                    self.session.errors_are_dropped.set(state.is_one_of_many);
                    self.build(pattern.family, components, &state)
                        .map_err(|error| vec![error])
                }
                Alternative::Alias {
                    alias,
                    unit,
                    name,
                    suffix,
                } => self.alias(alias, *unit, name, suffix, &state),
            };
            match result {
                Ok(found) => derived.extend(found),
                Err(_) if wildcard.is_some() => {}
                Err(found) => errors.extend(found),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if !derived.is_empty() {
            return Ok(derived);
        }
        match wildcard {
            Some(position) => Err(vec![self.no_wildcard_match(&point.components, position)]),
            None if has_any => Err(vec![no_match("", &[])]),
            None => Err(vec![self.mismatch(&point.components)]),
        }
    }

    /// Rows and aliases that a point's components match. Whole names win; an alias
    /// with components left over comes into play when nothing matches as a whole.
    fn find(&self, components: &[ast::Component]) -> Vec<Alternative> {
        let mut whole = Vec::new();
        for pattern in table::patterns() {
            if let Some((concrete, [])) = match_row(components, pattern) {
                whole.push(Alternative::Row(pattern, concrete));
            }
        }
        let mut partial: Vec<(usize, Alternative)> = Vec::new();
        let Some(first) = components.first() else {
            return whole;
        };
        for (alias, unit) in self.session.aliases(&first.name) {
            for candidate in &alias.names {
                let Some((name, rest)) = match_alias(components, &candidate.components) else {
                    continue;
                };
                let suffix = rest.to_vec();
                let used = components.len() - suffix.len();
                let alias = Rc::clone(&alias);
                if suffix.is_empty() {
                    whole.push(Alternative::Alias {
                        alias,
                        unit,
                        name,
                        suffix,
                    });
                } else {
                    partial.push((
                        used,
                        Alternative::Alias {
                            alias,
                            unit,
                            name,
                            suffix,
                        },
                    ));
                }
                break;
            }
        }
        if !whole.is_empty() {
            return whole;
        }
        let longest = partial.iter().map(|(used, _)| *used).max();
        partial
            .into_iter()
            .filter(|(used, _)| Some(*used) == longest)
            .map(|(_, alternative)| alternative)
            .collect()
    }

    fn alias(
        &mut self,
        alias: &Rc<ast::Alias>,
        unit: UnitId,
        name: &[ast::Component],
        suffix: &[ast::Component],
        state: &State,
    ) -> Result<Vec<Derived>, Vec<Diagnostic>> {
        let used: Vec<ast::Component> = name.iter().chain(suffix).cloned().collect();
        let mut inner = state.clone();
        if state.path.contains(&Rc::as_ptr(alias)) || state.path.len() >= DEEPEST {
            let text = show(&used);
            let place = used
                .first()
                .map(|component| self.session.location(component.span));
            let place = place.unwrap_or_default();
            let message = format!("recursive loop in alias expansion of {text} at {place}");
            return Err(vec![error(message)]);
        }
        self.uses += 1;
        if self.uses > MOST_USES {
            let message = format!("aliases of aliases stand for more than {MOST_USES} points");
            return Err(vec![error(message)]);
        }
        inner.path.push(Rc::as_ptr(alias));
        let (block, epilogue) = self
            .blocks
            .entry(Rc::as_ptr(alias))
            .or_insert_with(|| {
                let epilogue = alias.epilogue.as_ref().map(|block| Rc::new(block.clone()));
                (Rc::new(alias.body.clone()), epilogue)
            })
            .clone();
        match alias.kind {
            ast::AliasKind::Prologue => inner.before.insert(0, Body { block, unit }),
            ast::AliasKind::Epilogue => inner.after.push(Body { block, unit }),
        }
        if let Some(block) = epilogue {
            inner.after.push(Body { block, unit });
        }
        let text = show(&used);
        inner.listed.get_or_insert_with(|| text.clone());
        inner.derivation.insert(0, text);
        inner.derivation.insert(0, show_definition(alias));

        let points: Vec<ast::ProbePoint> = alias
            .points
            .iter()
            .map(|point| {
                let mut point = point.clone();
                point.components.extend(suffix.iter().cloned());
                point
            })
            .collect();
        let (derived, errors) = self.list(&points, unit, &inner);
        if errors.is_empty() {
            Ok(derived)
        } else {
            Err(errors)
        }
    }

    fn build(
        &self,
        family: Family,
        components: &[ast::Component],
        state: &State,
    ) -> Result<Vec<Derived>, Diagnostic> {
        let request = Request {
            session: self.session,
            family,
            components,
            is_one_of_many: state.is_one_of_many,
        };
        let found = match family {
            Family::Begin | Family::End | Family::Error | Family::Never => simple::build(&request),
            Family::Timer | Family::Profile => timer::build(&request),
            Family::Function => function::build(&request),
            Family::Statement => statement::build(&request),
            Family::Kprobe => kprobe::build(&request),
            Family::Trace | Family::Tracepoint => tracepoint::build(&request),
            Family::Data => data::build(&request),
            Family::Perf => perf::build(&request),
            Family::Procfs => procfs::build(&request),
            Family::Netfilter => netfilter::build(&request),
            Family::ProcessEvent
            | Family::ProcessSyscall
            | Family::ProcessFunction
            | Family::ProcessStatement
            | Family::ProcessMark
            | Family::ProcessPlt
            | Family::ProcessData => process::build(&request),
        }?;
        Ok(self
            .probeable(&request, found)?
            .into_iter()
            .map(|found| self.finish(found, components, state))
            .collect())
    }

    /// Leaves out instructions of the kernel that it lets nobody probe. One copy of an inlined
    /// function may begin with such an instruction, the others are probed all the same.
    fn probeable(&self, request: &Request, found: Vec<Found>) -> Build {
        let mut kept = Vec::new();
        let mut refused = Vec::new();
        for found in found {
            match self.refusal(&found)? {
                None => kept.push(found),
                Some(reason) => refused.push((found.name, reason)),
            }
        }
        let place = request
            .components
            .first()
            .map(name_span)
            .unwrap_or_default();
        let has_pattern = |component: &ast::Component| {
            let text = component.arg.as_ref().and_then(|arg| arg.as_str());
            text.is_some_and(|text| glob::is_pattern(&text))
        };
        let is_wide = request.is_one_of_many || request.components.iter().any(has_pattern);
        for (name, reason) in refused {
            if kept.is_empty() {
                let message = format!("'{name}' cannot be probed: {reason}");
                return Err(error(message).hint("probe another line, or the function around it"));
            }
            if !is_wide && self.session.is_users(place) {
                let message = format!("probe '{name}' is left out: {reason}");
                let warning = Diagnostic::warning("W0207", message).at(place);
                self.session.report(warning);
            }
        }
        Ok(kept)
    }

    fn refusal(&self, found: &Found) -> Result<Option<String>, Diagnostic> {
        match (&found.kind, &found.context) {
            (ProbeKind::Address(_), Context::Code(code)) => {
                let address = Address {
                    module: code.module,
                    value: code.pc,
                };
                let refusal = self.session.target.refusal(address);
                refusal.map_err(|error| from_target(&error))
            }
            _ => Ok(None),
        }
    }

    fn finish(&self, found: Found, components: &[ast::Component], state: &State) -> Derived {
        let unit = state.body.unit;
        let guard = found.guard.map(|block| Body { block, unit });
        let mut bodies: Vec<Body> = guard.into_iter().collect();
        bodies.extend(state.before.iter().cloned());
        bodies.push(state.body.clone());
        bodies.extend(state.after.iter().cloned());
        let mut conditions = state.conditions.clone();
        if found.is_never {
            conditions.push((Rc::new(never(components)), state.body.unit));
        }
        let (script_name, span) = state.script.clone().unwrap_or_default();
        let mut derivation = state.derivation.clone();
        if derivation.is_empty() {
            derivation.push(show(components));
        }
        Derived {
            kind: found.kind,
            listed: state.listed.clone().unwrap_or_else(|| found.name.clone()),
            name: found.name,
            script_name,
            keyword: state.keyword,
            span,
            bodies,
            conditions,
            is_optional: state.is_optional,
            derivation,
            context: found.context,
        }
    }

    /// Names that may stand at `position` behind the components before it.
    fn names_at(&self, components: &[ast::Component], position: usize) -> BTreeSet<String> {
        let before = components.get(..position).unwrap_or(components);
        let mut names = BTreeSet::new();
        for pattern in table::patterns() {
            let part = pattern.parts.get(position).filter(|_| {
                let head = pattern.parts.iter().take(position);
                before
                    .iter()
                    .zip(head)
                    .all(|(component, part)| fits(component, part))
            });
            names.extend(part.map(|part| part.name.clone()));
        }
        for dotted in self.session.library.alias_names() {
            let parts: Vec<&str> = split_name(&dotted);
            let is_below = before.iter().zip(&parts).all(|(component, part)| {
                part.split('(')
                    .next()
                    .is_some_and(|part| part == component.name)
            });
            if let Some(part) = parts.get(position).filter(|_| is_below) {
                names.extend(part.split('(').next().map(str::to_owned));
            }
        }
        for unit in self.session.units() {
            for name in unit.aliases.iter().flat_map(|alias| &alias.names) {
                let is_below = before
                    .iter()
                    .zip(&name.components)
                    .all(|(component, part)| component.name == part.name);
                if let Some(part) = name.components.get(position).filter(|_| is_below) {
                    names.insert(part.name.clone());
                }
            }
        }
        names
    }

    /// Components that some name begins with, and whether a name ends there.
    fn mismatch(&self, components: &[ast::Component]) -> Diagnostic {
        if let Some(refused) = suggest::refused(components) {
            return refused;
        }
        let mut position = 0;
        let mut names = self.names_at(components, 0);
        while let Some(component) = components.get(position) {
            let is_known = names.contains(&component.name) && self.has_prefix(components, position);
            if !is_known {
                break;
            }
            position += 1;
            names = self.names_at(components, position);
        }
        let position = position.min(components.len().saturating_sub(1));
        let Some(component) = components.get(position) else {
            return error("probe point mismatch");
        };
        if position > 0
            && !self
                .find(components.get(..position).unwrap_or_default())
                .is_empty()
        {
            return Diagnostic::semantic_error("E0403", "invalid suffix for probe")
                .at(name_span(component));
        }
        let names = self.names_at(components, position);
        self.with_similar("probe point mismatch", component, &names)
    }

    /// Whether some row or alias begins with the components up to `position`.
    fn has_prefix(&self, components: &[ast::Component], position: usize) -> bool {
        let head = components.get(..=position).unwrap_or(components);
        let is_row = table::patterns().iter().any(|pattern| {
            pattern.parts.len() >= head.len()
                && head
                    .iter()
                    .zip(&pattern.parts)
                    .all(|(component, part)| fits(component, part))
        });
        let Some(first) = head.first() else {
            return false;
        };
        is_row
            || self.session.aliases(&first.name).iter().any(|(alias, _)| {
                alias.names.iter().any(|name| {
                    name.components.len() >= head.len()
                        && head.iter().zip(&name.components).all(|(component, part)| {
                            component.name == part.name && same_argument(component, part)
                        })
                })
            })
    }

    fn no_wildcard_match(&self, components: &[ast::Component], position: usize) -> Diagnostic {
        let names = self.names_at(components, position);
        let message = "probe point mismatch: didn't find any wildcard matches";
        match components.get(position) {
            Some(component) => self.with_similar(message, component, &names),
            None => error(message),
        }
    }

    fn with_similar(
        &self,
        message: &str,
        component: &ast::Component,
        names: &BTreeSet<String>,
    ) -> Diagnostic {
        let names = suggest::similar(&component.name, names.iter().map(String::as_str));
        let message = match names.as_slice() {
            [] => message.to_owned(),
            names => format!("{message} (similar: {})", names.join(", ")),
        };
        Diagnostic::semantic_error("E0402", message).at(name_span(component))
    }
}

/// Splits `a.b("c.d").e` at the dots outside of quotes.
fn split_name(dotted: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    for (index, byte) in dotted.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'.' if !is_quoted => {
                parts.push(dotted.get(start..index).unwrap_or_default());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(dotted.get(start..).unwrap_or_default());
    parts
}

/// Whether a component without wildcards is this part of a row.
fn fits(component: &ast::Component, part: &table::Part) -> bool {
    component.name == part.name && argument_kind(component) == part.argument
}

fn argument_kind(component: &ast::Component) -> ArgumentKind {
    match component.arg.as_ref().map(|argument| &argument.value) {
        None => ArgumentKind::None,
        Some(ast::LiteralValue::Number(_)) => ArgumentKind::Number,
        Some(ast::LiteralValue::String(_)) => ArgumentKind::String,
    }
}

fn same_argument(left: &ast::Component, right: &ast::Component) -> bool {
    left.arg.as_ref().map(|argument| &argument.value)
        == right.arg.as_ref().map(|argument| &argument.value)
}

/// Whether a component's name, perhaps a wildcard, means this name. Names with
/// a leading underscore are private: a wildcard has to say the underscore.
fn name_matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == name;
    }
    (!name.starts_with('_') || pattern.starts_with('_')) && glob::matches(pattern, name)
}

/// Matches the start of a point against the parts of a name. `concrete` gets the
/// components with their wildcards replaced. Gives what is left of the point.
fn match_parts<'c, P>(
    components: &'c [ast::Component],
    parts: &[P],
    name: &impl Fn(&P) -> &str,
    accepts: &impl Fn(&ast::Component, &P) -> bool,
    concrete: &mut Vec<ast::Component>,
) -> Option<&'c [ast::Component]> {
    let Some((part, parts_left)) = parts.split_first() else {
        return Some(components);
    };
    let (component, left) = components.split_first()?;
    if !component.name.contains("**") {
        if !name_matches(&component.name, name(part)) || !accepts(component, part) {
            return None;
        }
        concrete.push(ast::Component {
            name: name(part).to_owned(),
            ..component.clone()
        });
        return match_parts(left, parts_left, name, accepts, concrete);
    }
    // `**` stands for one or more components without arguments.
    let pattern = component.name.replace("**", "*");
    let length = concrete.len();
    for count in 1..=parts.len() {
        let (taken, parts_left) = parts.split_at(count);
        if !taken.iter().all(|part| accepts(component, part)) {
            break;
        }
        let dotted = taken.iter().map(name).collect::<Vec<_>>().join(".");
        if !name_matches(&pattern, &dotted) || taken.iter().any(|part| name(part).starts_with('_'))
        {
            continue;
        }
        for part in taken {
            let concrete_component = ast::Component {
                name: name(part).to_owned(),
                arg: None,
                span: component.span,
            };
            concrete.push(concrete_component);
        }
        if let Some(rest) = match_parts(left, parts_left, name, accepts, concrete) {
            return Some(rest);
        }
        concrete.truncate(length);
    }
    None
}

fn match_row<'c>(
    components: &'c [ast::Component],
    pattern: &Pattern,
) -> Option<(Vec<ast::Component>, &'c [ast::Component])> {
    let mut concrete = Vec::new();
    let accepts =
        |component: &ast::Component, part: &table::Part| argument_kind(component) == part.argument;
    let rest = match_parts(
        components,
        &pattern.parts,
        &row_name,
        &accepts,
        &mut concrete,
    )?;
    Some((concrete, rest))
}

fn match_alias<'c>(
    components: &'c [ast::Component],
    name: &[ast::Component],
) -> Option<(Vec<ast::Component>, &'c [ast::Component])> {
    let mut concrete = Vec::new();
    let rest = match_parts(components, name, &alias_name, &same_argument, &mut concrete)?;
    Some((concrete, rest))
}

fn row_name(part: &table::Part) -> &str {
    &part.name
}

fn alias_name(component: &ast::Component) -> &str {
    &component.name
}

/// A point as the script has it.
fn show_point(point: &ast::ProbePoint) -> String {
    let mut text = show(&point.components);
    match (point.optional, point.sufficient) {
        (_, true) => text.push('!'),
        (true, false) => text.push('?'),
        (false, false) => {}
    }
    text
}

/// `b, c?`
pub fn show_points(points: &[ast::ProbePoint]) -> String {
    points.iter().map(show_point).collect::<Vec<_>>().join(", ")
}

/// `a = b, c?`
fn show_definition(alias: &ast::Alias) -> String {
    let names: Vec<String> = alias
        .names
        .iter()
        .map(|name| show(&name.components))
        .collect();
    let operator = match alias.kind {
        ast::AliasKind::Prologue => "=",
        ast::AliasKind::Epilogue => "+=",
    };
    format!(
        "{} {operator} {}",
        names.join(" = "),
        show_points(&alias.points)
    )
}

/// The condition of `never`.
fn never(components: &[ast::Component]) -> ast::Expr {
    let span = components.first().map(name_span).unwrap_or_default();
    ast::Expr::new(ast::ExprKind::Number(0), span, span)
}
