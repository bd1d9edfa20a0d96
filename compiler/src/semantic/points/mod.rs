// SPDX-License-Identifier: GPL-2.0-or-later
//! Probe points: aliases, wildcards, and the places in the kernel they mean.
//!
//! [`derive`] is the door. `expand` replaces aliases and wildcards until a row of
//! the [`table`] is left; the row's family, one file each, finds the place.

mod callee;
mod data;
mod expand;
mod function;
mod kprobe;
mod netfilter;
mod pattern;
mod perf;
mod place;
mod process;
mod procfs;
mod simple;
mod statement;
pub mod suggest;
pub mod table;
mod timer;
mod tracepoint;

use std::rc::Rc;

use rstap_debuginfo as debuginfo;
use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::session::{Session, UnitId};
use crate::ir;

pub use expand::{derive, show_points};

/// A block that runs in a probe, with the file whose names it sees.
#[derive(Debug, Clone)]
pub struct Body {
    pub block: Rc<ast::Stmt>,
    pub unit: UnitId,
}

/// A probe at one place of the kernel (or of time), aliases gone.
#[derive(Debug, Clone)]
pub struct Derived {
    /// Family and place; see [`ir::ProbeKind`].
    pub kind: ir::ProbeKind,
    /// Resolved name, `kernel.function("vfs_read@fs/read_write.c:450")`.
    pub name: String,
    /// As the script wrote it.
    pub script_name: String,
    /// The probe keyword in the user's script, for warnings such as `has been elided`.
    pub keyword: Span,
    /// The point in the script (outermost).
    pub span: Span,
    /// In the order in which they run: prologues, that of the alias closest to the
    /// kernel first; the script's body; epilogues, that of the alias closest to the
    /// script first. All are one scope: what a prologue sets, the body sees.
    pub bodies: Vec<Body>,
    /// All must hold.
    pub conditions: Vec<(Rc<ast::Expr>, UnitId)>,
    pub is_optional: bool,
    /// Alias steps for `-p2`, innermost first: `a = begin`, then `a`.
    pub derivation: Vec<String>,
    /// How `-l` shows it: the outermost alias with its wildcards replaced, or `name`.
    pub listed: String,
    /// What `$` means here.
    pub context: Context,
}

impl Derived {
    /// The function that it is in, or its tracepoint; empty if there is none.
    pub fn function(&self) -> String {
        match &self.context {
            Context::Code(code) => match &code.function {
                Some(function) => function.name.to_string(),
                None => String::new(),
            },
            Context::Tracepoint(point) => point.name.clone(),
            Context::Plt(name) => name.clone(),
            _ => self.kind.symbol().unwrap_or_default().to_owned(),
        }
    }
}

/// What target variables a probe point has.
#[derive(Debug, Clone)]
pub enum Context {
    /// None at all (`begin`, timers).
    Empty,
    /// A place in compiled code.
    Code(Rc<CodeContext>),
    /// Tracepoint arguments by name.
    Tracepoint(Rc<debuginfo::Tracepoint>),
    /// `$value`; reading probes write it.
    Procfs { is_read: bool },
    /// `$syscall`, `$arg1`...; `$return`.
    Syscall { is_return: bool },
    /// `$arg1`... of a static marker in a user program.
    Mark(Rc<debuginfo::Marker>),
    /// `$$name` of a stub that calls a function of another file.
    Plt(String),
    /// `$hooknum $skb $in $out $verdict`
    Netfilter,
}

/// A place in compiled code.
#[derive(Debug, Clone)]
pub struct CodeContext {
    pub module: debuginfo::ModuleId,
    /// `None` for bare symbols and absolute addresses.
    pub function: Option<debuginfo::Function>,
    /// Address of the probe in the file's own numbering.
    pub pc: u64,
    /// Address of the instruction that is probed: `pc`, or a jump to there.
    pub instruction: u64,
    /// At the function's entry: the calling convention holds.
    pub is_entry: bool,
    /// Return probe: `$return`, and parameters as they were at entry.
    pub is_return: bool,
    /// User space rather than kernel.
    pub is_user: bool,
}

/// What a family finds: one concrete probe.
pub(crate) struct Found {
    pub kind: ir::ProbeKind,
    /// Resolved name.
    pub name: String,
    pub context: Context,
    /// `never`: gets a condition that is always false.
    pub is_never: bool,
    /// Runs before all bodies and may say `next`.
    pub guard: Option<Rc<ast::Stmt>>,
}

impl Found {
    pub fn new(kind: ir::ProbeKind, name: String, context: Context) -> Found {
        Found {
            kind,
            name,
            context,
            is_never: false,
            guard: None,
        }
    }
}

/// What a family is asked: a point whose wildcards over component names are gone.
pub(crate) struct Request<'r> {
    pub session: &'r Session<'r>,
    pub family: table::Family,
    pub components: &'r [ast::Component],
    /// Came from a wildcard or is optional: what cannot be probed is left out silently.
    pub is_one_of_many: bool,
}

/// One or more probes, or why there are none.
pub(crate) type Build = Result<Vec<Found>, Diagnostic>;

impl Request<'_> {
    /// The component of this name.
    pub fn component(&self, name: &str) -> Option<&ast::Component> {
        self.components
            .iter()
            .find(|component| component.name == name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.component(name).is_some()
    }

    /// The number in the parentheses of a component.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.component(name)?.arg.as_ref()?.as_number()
    }

    /// The string in the parentheses of a component.
    pub fn string(&self, name: &str) -> Option<String> {
        Some(self.component(name)?.arg.as_ref()?.as_str()?.into_owned())
    }

    /// The point as text.
    pub fn text(&self) -> String {
        show(self.components)
    }

    /// A single probe that keeps its name.
    pub fn found(&self, kind: ir::ProbeKind, context: Context) -> Build {
        Ok(vec![Found::new(kind, self.text(), context)])
    }
}

/// A `semantic error` of this room.
pub(crate) fn error(message: impl Into<String>) -> Diagnostic {
    Diagnostic::semantic_error("E0410", message)
}

/// `no match`, with similar names if there are any.
pub(crate) fn no_match(what: &str, similar: &[&str]) -> Diagnostic {
    let message = match similar {
        [] => "no match".to_owned(),
        names => format!("no match (similar {what}: {})", names.join(", ")),
    };
    Diagnostic::semantic_error("E0411", message)
}

/// An error of the debug information as a message.
pub(crate) fn from_target(error: &debuginfo::Error) -> Diagnostic {
    let diagnostic = Diagnostic::semantic_error("E0412", error.to_string());
    match &error.hint {
        Some(hint) => diagnostic.hint(hint.clone()),
        None => diagnostic,
    }
}

/// Place of a component's name without its argument.
pub(crate) fn name_span(component: &ast::Component) -> Span {
    let length = u32::try_from(component.name.len()).unwrap_or(0);
    Span {
        end: component.span.start.saturating_add(length),
        ..component.span
    }
}

/// `a.b("c").d(5)`
pub fn show(components: &[ast::Component]) -> String {
    let mut text = String::new();
    for component in components {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(&component.name);
        match component.arg.as_ref().map(|argument| &argument.value) {
            None => {}
            Some(ast::LiteralValue::Number(number)) => {
                text.push('(');
                text.push_str(&show_number(&component.name, *number));
                text.push(')');
            }
            Some(ast::LiteralValue::String(bytes)) => {
                text.push_str("(\"");
                text.push_str(&String::from_utf8_lossy(bytes));
                text.push_str("\")");
            }
        }
    }
    text
}

/// Addresses in hexadecimal, all else in decimal.
fn show_number(component: &str, number: i64) -> String {
    match component {
        "function" | "statement" | "data" => format!("{number:#x}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
