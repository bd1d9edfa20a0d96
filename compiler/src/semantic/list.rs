// SPDX-License-Identifier: GPL-2.0-or-later
//! `-l`, `-L` and the dumps of what there is to probe and to call.

use std::collections::BTreeSet;
use std::rc::Rc;

use rstap_debuginfo::{FunctionKind, ModuleId};
use rstap_syntax::ast;

use super::lower::Lowering;
use super::points::{self, CodeContext, Context, Derived};
use super::session::{Session, UnitId};
use crate::ir;

/// What a line of the list has besides the point.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listing {
    /// `-L`: variables as well.
    pub has_variables: bool,
    /// `-v`: equal lines stay, and each says its place.
    pub is_verbose: bool,
}

/// Variables of a derived probe's script bodies, by the closure's owner.
pub type LocalsOf<'l> = &'l dyn Fn(&Derived) -> Vec<(String, ir::Type)>;

/// The lines of `-l` and `-L`, sorted. Errors of points that do not resolve are in
/// the session; the caller shows them with `-vv` only.
pub fn list(
    session: &Session,
    probe: &Rc<ast::Probe>,
    unit: UnitId,
    listing: Listing,
    locals_of: LocalsOf,
) -> Vec<String> {
    let derived = points::derive(session, probe, unit);
    let mut lines: Vec<Line> = derived
        .into_iter()
        .map(|derived| line(session, derived, listing, locals_of))
        .collect();
    if !listing.is_verbose {
        lines = merge(lines);
    }
    let mut lines: Vec<String> = lines.into_iter().map(Line::text).collect();
    lines.sort_unstable();
    lines
}

/// A line before it is put together.
struct Line {
    name: String,
    /// `name:long`, `$name:type`.
    variables: Vec<String>,
    place: Option<String>,
}

impl Line {
    fn text(self) -> String {
        let mut text = self.name;
        if let Some(place) = self.place {
            text.push_str(&format!(" /* pc={place} */"));
        }
        for variable in self.variables {
            text.push(' ');
            text.push_str(&variable);
        }
        text
    }
}

/// Probes of one name are one line, with the variables that all of them have.
fn merge(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|one, other| one.name.cmp(&other.name));
    lines.dedup_by(|line, first| {
        let is_same = line.name == first.name;
        if is_same {
            first
                .variables
                .retain(|known| line.variables.contains(known));
        }
        is_same
    });
    lines
}

fn line(session: &Session, derived: Derived, listing: Listing, locals_of: LocalsOf) -> Line {
    let mut variables = Vec::new();
    if listing.has_variables {
        let locals = locals_of(&derived).into_iter();
        variables.extend(locals.map(|(name, ty)| format!("{name}:{}", type_word(ty))));
        let context = context_variables(session, &derived.context).into_iter();
        variables.extend(context.map(|(name, ty)| format!("${name}:{ty}")));
    }
    let place = if listing.is_verbose {
        place(session, &derived.context)
    } else {
        None
    };
    Line {
        name: derived.listed,
        variables,
        place,
    }
}

fn type_word(ty: ir::Type) -> &'static str {
    match ty {
        ir::Type::Long => "long",
        ir::Type::String => "string",
        ir::Type::Stat => "stats",
        ir::Type::Void => "unknown",
    }
}

/// `_stext+0x34cc50`
fn place(session: &Session, context: &Context) -> Option<String> {
    let Context::Code(code) = context else {
        return None;
    };
    if code.is_user {
        // A program counts from where it is loaded, if that may be anywhere.
        let base = match session.target.is_position_independent(code.module) {
            true => ".dynamic",
            false => ".absolute",
        };
        return Some(format!("{base}+{:#x}", code.pc));
    }
    let address = rstap_debuginfo::Address {
        module: code.module,
        value: code.pc,
    };
    let placement = session.target.placement(address).ok()?;
    match placement.stext_offset {
        Some(offset) if code.module == ModuleId::KERNEL => Some(format!("_stext+{offset:#x}")),
        _ => Some(format!(
            "{}+{:#x}",
            placement.section, placement.section_offset
        )),
    }
}

/// Names, without `$`, and C types of the target variables that have a value.
pub fn context_variables(session: &Session, context: &Context) -> Vec<(String, String)> {
    let long = |name: &str| (name.to_owned(), "long".to_owned());
    match context {
        Context::Code(code) => code_variables(session, code),
        Context::Tracepoint(point) => point
            .arguments
            .iter()
            .flatten()
            .map(|argument| {
                (
                    argument.name.to_string(),
                    session.target.type_name(argument.type_id),
                )
            })
            .collect(),
        Context::Syscall { is_return: true } => vec![long("return")],
        Context::Syscall { is_return: false } => {
            ["syscall", "arg1", "arg2", "arg3", "arg4", "arg5", "arg6"]
                .map(long)
                .to_vec()
        }
        Context::Mark(marker) => (1..=marker.arguments.len())
            .map(|number| long(&format!("arg{number}")))
            .collect(),
        Context::Empty | Context::Plt(_) | Context::Procfs { .. } | Context::Netfilter => {
            Vec::new()
        }
    }
}

fn code_variables(session: &Session, code: &CodeContext) -> Vec<(String, String)> {
    let Some(function) = &code.function else {
        return Vec::new();
    };
    let target = session.target;
    let mut found = Vec::new();
    if code.is_return
        && let Ok(Some(prototype)) = target.prototype(function)
        && !target
            .strip(prototype.return_type)
            .is_ok_and(|id| id.is_void())
    {
        found.push(("return".to_owned(), target.type_name(prototype.return_type)));
    }
    let is_at_start = code.pc == function.entry.value || function.kind == FunctionKind::Inlined;
    let mut seen = BTreeSet::new();
    for variable in target.variables_at(function, code.pc).unwrap_or_default() {
        let is_shown = variable.available
            && !variable.name.is_empty()
            && !(is_at_start && variable.scope_depth > 0);
        if is_shown && seen.insert(variable.name.to_string()) {
            found.push((
                variable.name.to_string(),
                target.type_name(variable.type_id),
            ));
        }
    }
    found
}

/// Whether a name is one of a library's own, shown with `-v` only.
fn is_private(name: &str) -> bool {
    name.starts_with('_')
}

fn load_all(session: &Session) {
    for file in 0..session.library.file_count() {
        session.load(file);
    }
}

/// `--dump-probe-aliases`: `syscall.openat = dw_syscall.openat!, nd_syscall.openat?`
pub fn dump_aliases(session: &Session, is_verbose: bool) -> String {
    load_all(session);
    let mut lines = BTreeSet::new();
    for unit in session.units() {
        for alias in &unit.aliases {
            for name in &alias.names {
                let name = points::show(&name.components);
                if is_verbose || !is_private(&name) {
                    lines.insert(format!("{name} = {}\n", points::show_points(&alias.points)));
                }
            }
        }
    }
    lines.into_iter().collect()
}

/// `--dump-functions`: `ansi_cursor_move:unknown (x:long, y:long)`
pub fn dump_functions(session: &Session, is_verbose: bool) -> String {
    load_all(session);
    let mut functions = Vec::new();
    for unit in session.units() {
        for function in &unit.functions {
            if !function.private && (is_verbose || !is_private(&function.name.name)) {
                functions.push((Rc::clone(function), unit.id));
            }
        }
    }
    let signatures = Lowering::new(session).signatures(&functions);
    let word = |ty: Option<ir::Type>| ty.map_or("unknown", type_word);
    let mut lines = BTreeSet::new();
    for ((function, _), (value, types)) in functions.iter().zip(signatures) {
        let parameters: Vec<String> = function
            .params
            .iter()
            .zip(types)
            .map(|(parameter, ty)| format!("{}:{}", parameter.name.name, word(ty)))
            .collect();
        lines.insert(format!(
            "{}:{} ({}){}\n",
            function.name.name,
            word(value),
            parameters.join(", "),
            tags(function, is_verbose)
        ));
    }
    lines.into_iter().collect()
}

/// The magic comments of embedded C.
fn tags(function: &ast::Function, is_verbose: bool) -> String {
    let ast::FunctionBody::EmbeddedC(code) = &function.body else {
        return String::new();
    };
    let shown: &[&str] = match is_verbose {
        true => &[
            "/* guru */",
            "/* pure */",
            "/* stable */",
            "/* unprivileged */",
        ],
        false => &["/* guru */", "/* unprivileged */"],
    };
    let present = shown.iter().filter(|tag| code.code.contains(**tag));
    present.map(|tag| format!(" {tag}")).collect()
}
