// SPDX-License-Identifier: GPL-2.0-or-later
//! Which programs a script carries tables of, so that it can name their addresses and walk
//! their stacks: those of its probes, of `-c` and `-x`, and what `-d` and `--ldd` add.

use std::collections::BTreeSet;
use std::sync::Arc;

use rstap_debuginfo::CarriedLine;
use rstap_syntax::diag::Diagnostic;

use super::session::Session;
use crate::ir::{self, FunctionBody, ProbeKind, UserFile};

/// Functions of the run-time that need tables, as the tapset uses them.
const NAMES_ADDRESSES: &[&str] = &["rst_user_symbol(", "RST_USER_FULL", "RST_USER_BRIEF"];
const WALKS_STACKS: &[&str] = &["rst_user_backtrace("];
const NAMES_LINES: &[&str] = &["rst_user_line(", "RST_USER_FILELINE"];
const NAMES_KERNEL_LINES: &[&str] = &["rst_kernel_line(", "rst_print_backtrace_lines("];

/// Fills in [`ir::Program::user_files`] and [`ir::Program::kernel_lines`] if a function of the
/// script needs them.
pub(super) fn collect(session: &Session, program: &mut ir::Program) {
    let uses = |texts: &[&str]| {
        program
            .functions
            .values()
            .any(|function| match &function.body {
                FunctionBody::C(code) => texts.iter().any(|text| code.text.contains(text)),
                FunctionBody::Script(_) => false,
            })
    };
    if uses(NAMES_KERNEL_LINES) {
        program.kernel_lines = kernel_lines(session);
    }
    let has = (uses(NAMES_ADDRESSES), uses(WALKS_STACKS), uses(NAMES_LINES));
    if has == (false, false, false) {
        return;
    }
    let mut files = Vec::new();
    for path in paths(session, program) {
        match file(session, &path, has) {
            Ok(file) => files.push(file),
            Err(error) => session.report(Diagnostic::warning(
                "W0206",
                format!("no symbols of {path}: {error}"),
            )),
        }
    }
    program.user_files = files;
}

fn kernel_lines(session: &Session) -> Vec<(u32, Arc<str>, u32)> {
    let found = session
        .target
        .module("kernel")
        .and_then(|kernel| session.target.carried_lines(kernel));
    small_lines(found.unwrap_or_else(|error| {
        let message = format!("no source lines of the kernel: {error}");
        session.report(Diagnostic::warning("W0206", message));
        Vec::new()
    }))
}

fn small_lines(lines: Vec<CarriedLine>) -> Vec<(u32, Arc<str>, u32)> {
    lines
        .into_iter()
        .filter_map(|line| Some((u32::try_from(line.offset).ok()?, line.file, line.line)))
        .collect()
}

fn paths(session: &Session, program: &ir::Program) -> BTreeSet<String> {
    let options = &session.options;
    let mut paths: BTreeSet<String> = program
        .probes
        .iter()
        .flat_map(|probe| match &probe.kind {
            ProbeKind::User { path, program, .. } => [Some(path.clone()), program.clone()],
            ProbeKind::Task { path, .. } | ProbeKind::Syscall { path, .. } => [path.clone(), None],
            _ => [None, None],
        })
        .flatten()
        .collect();
    let programs = options.target_program.iter().chain(&options.symbol_files);
    paths.extend(programs.filter_map(|name| session.target.program(name).ok()));
    if options.ldd {
        let libraries: Vec<String> = paths
            .iter()
            .flat_map(|path| libraries(session.target, path))
            .collect();
        paths.extend(libraries);
    }
    paths
}

/// The shared libraries of a program, and theirs.
pub(super) fn libraries(target: &dyn crate::target::Target, program: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut new = vec![program.to_owned()];
    while let Some(path) = new.pop() {
        let needed = target
            .module(&path)
            .and_then(|module| target.needed_libraries(module))
            .unwrap_or_default();
        for name in needed {
            if let Ok(library) = target.library(&name)
                && found.insert(library.clone())
            {
                new.push(library);
            }
        }
    }
    found
}

fn file(
    session: &Session,
    path: &str,
    (has_symbols, has_frames, has_lines): (bool, bool, bool),
) -> rstap_debuginfo::Result<UserFile> {
    let target = session.target;
    let module = target.module(path)?;
    let mut file = UserFile {
        path: path.to_owned(),
        ..UserFile::default()
    };
    let small = |offset: u64| u32::try_from(offset).ok();
    if has_symbols || has_lines {
        let symbols = target.carried_symbols(module)?.into_iter();
        file.symbols = symbols
            .filter_map(|symbol| Some((small(symbol.offset)?, small(symbol.size)?, symbol.name)))
            .collect();
    }
    if has_frames {
        let frames = target.carried_frames(module)?.into_iter();
        file.frames = frames
            .filter_map(|frame| Some((small(frame.offset)?, frame.rule)))
            .collect();
    }
    if has_lines {
        file.lines = small_lines(target.carried_lines(module)?);
    }
    Ok(file)
}
