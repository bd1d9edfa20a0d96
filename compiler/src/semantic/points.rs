// SPDX-License-Identifier: GPL-2.0-or-later
//! Probe points: aliases, wildcards, and the places in the kernel they mean.

use std::rc::Rc;

use rstap_debuginfo as debuginfo;
use rstap_syntax::ast;
use rstap_syntax::span::Span;

use super::session::UnitId;
use crate::ir;

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
    /// In the order in which they run: prologues outermost first, the script's
    /// body, epilogues innermost first.
    pub bodies: Vec<Body>,
    /// All must hold.
    pub conditions: Vec<(Rc<ast::Expr>, UnitId)>,
    pub is_optional: bool,
    /// Alias steps from the script's point to the resolved one.
    pub derivation: Vec<String>,
    /// What `$` means here.
    pub context: Context,
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
    /// At the function's entry: the calling convention holds.
    pub is_entry: bool,
    /// Return probe: `$return`, and parameters as they were at entry.
    pub is_return: bool,
    /// User space rather than kernel.
    pub is_user: bool,
}
