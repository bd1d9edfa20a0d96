// SPDX-License-Identifier: GPL-2.0-or-later
//! `process.*`: programs in user space.

use std::rc::Rc;

use rstap_debuginfo::{Marker, glob};
use rstap_syntax::diag::Diagnostic;

use super::place::{Program, Site};
use super::table::Family;
use super::{
    Build, Context, Found, Request, error, from_target, function, no_match, statement, suggest,
};
use crate::ir::ProbeKind;

pub(super) fn build(request: &Request) -> Build {
    match request.family {
        Family::ProcessFunction => function::build(request),
        Family::ProcessStatement if request.has("absolute") => Err(error(
            "process(PID).statement(ADDRESS).absolute is not supported: user probes are set by \
             file and offset",
        )
        .hint("name the program: process(\"PATH\").statement(ADDRESS)")),
        Family::ProcessStatement => statement::build(request),
        Family::ProcessEvent => event(request),
        Family::ProcessSyscall => syscall(request),
        Family::ProcessMark => mark(request),
        Family::ProcessPlt => plt(request),
        _ => Err(unsupported(
            "data breakpoints of processes",
            "kernel.data works",
        )),
    }
}

fn unsupported(what: &str, hint: &str) -> Diagnostic {
    error(format!("{what} are not supported in user programs")).hint(hint)
}

/// The program that the front of a point names.
pub(super) fn program(request: &Request) -> Result<Program, Diagnostic> {
    let options = &request.session.options;
    let target = request.session.target;
    let locate = |name: &str| {
        target
            .program(name)
            .map_err(|error| no_match("", &[]).note(error.to_string()))
    };
    if let Some(pid) = request.number("process") {
        let path = locate(&format!("/proc/{pid}/exe"))?;
        return Ok(Program {
            path,
            pid,
            prefix: format!("process({pid})"),
        });
    }
    if let Some(name) = request.string("process") {
        let path = match is_build_id(&name) {
            true => target
                .program_with_build_id(&name, options.target_program.as_deref())
                .map_err(|error| no_match("", &[]).note(error.to_string()))?,
            false => locate(&name)?,
        };
        let prefix = format!("process(\"{path}\")");
        return Ok(Program {
            path,
            pid: 0,
            prefix,
        });
    }
    match &options.target_program {
        Some(name) => {
            let path = locate(name)?;
            let prefix = format!("process(\"{path}\")");
            Ok(Program {
                path,
                pid: 0,
                prefix,
            })
        }
        None => Err(error(
            "unspecified process probe is invalid without a -c COMMAND or -x PID [man stapprobes]",
        )),
    }
}

/// A build-id is at least 16 hexadecimal digits, two for each byte.
fn is_build_id(name: &str) -> bool {
    name.len() >= 16
        && name.len().is_multiple_of(2)
        && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The file of code for functions and statements: the program or one of its libraries.
pub(super) fn site<'r>(request: &'r Request<'r>) -> Result<Site<'r>, Diagnostic> {
    let target = request.session.target;
    let mut program = program(request)?;
    if let Some(library) = request.string("library") {
        let path = target.library(&library).map_err(|error| {
            no_match("", &[])
                .note(error.to_string())
                .hint("give the library's full path")
        })?;
        program.prefix = format!("{}.library(\"{path}\")", program.prefix);
        program.path = path;
    }
    let module = target
        .module(&program.path)
        .map_err(|error| from_target(&error))?;
    Ok(Site {
        request,
        module,
        program: Some(program),
    })
}

/// Static markers, by name and perhaps provider; both may have wildcards.
fn mark(request: &Request) -> Build {
    let site = site(request)?;
    let target = request.session.target;
    let markers = target
        .markers(site.module)
        .map_err(|error| from_target(&error))?;
    let wanted = request.string("mark").unwrap_or_default();
    let provider = request.string("provider");
    let is_wanted = |marker: &&Marker| {
        glob::matches(&wanted, &marker.name)
            && provider
                .as_ref()
                .is_none_or(|pattern| glob::matches(pattern, &marker.provider))
    };
    let mut found = Vec::new();
    for marker in markers.iter().filter(is_wanted) {
        let name = format!(
            "{}.provider(\"{}\").mark(\"{}\")",
            site.prefix(),
            marker.provider,
            marker.name
        );
        let kind = site.marker(marker)?;
        found.push(Found::new(
            kind,
            name,
            Context::Mark(Rc::new(marker.clone())),
        ));
    }
    if found.is_empty() {
        let names = markers.iter().map(|marker| marker.name.as_str());
        return Err(no_match("markers", &suggest::similar(&wanted, names)));
    }
    Ok(found)
}

/// Stubs of the procedure linkage table, by the name of the function that they call.
fn plt(request: &Request) -> Build {
    let site = site(request)?;
    let entries = request.session.target.plt(site.module);
    let entries = entries.map_err(|error| from_target(&error))?;
    let wanted = request.string("plt").unwrap_or_else(|| "*".to_owned());
    let is_return = request.has("return");
    let suffix = if is_return { ".return" } else { "" };
    let mut found = Vec::new();
    for entry in entries
        .iter()
        .filter(|entry| glob::matches(&wanted, &entry.name))
    {
        let kind = site.instruction(entry.address, is_return)?;
        let name = format!("{}.plt(\"{}\"){suffix}", site.prefix(), entry.name);
        found.push(Found::new(kind, name, Context::Plt(entry.name.clone())));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if entries.is_empty() {
        let message = "it has no procedure linkage table: it is linked statically, or compiled \
                       with -fno-plt";
        return Err(no_match("", &[]).note(message));
    }
    let names = entries.iter().map(|entry| entry.name.as_str());
    Err(no_match("functions", &suggest::similar(&wanted, names)))
}

/// Which processes `begin`, `end` and `syscall` are about.
fn processes(request: &Request) -> Result<(Option<String>, i64, String), Diagnostic> {
    if let Some(pid) = request.number("process") {
        return Ok((None, pid, format!("process({pid})")));
    }
    if request.string("process").is_some() {
        let program = program(request)?;
        return Ok((Some(program.path), 0, program.prefix));
    }
    Ok((None, 0, "process".to_owned()))
}

fn event(request: &Request) -> Build {
    let (path, pid, prefix) = processes(request)?;
    let is_thread = request.has("thread");
    let is_end = request.has("end");
    let event = u32::from(is_end) + 2 * u32::from(is_thread);
    let thread = if is_thread { ".thread" } else { "" };
    let name = format!("{prefix}{thread}.{}", if is_end { "end" } else { "begin" });
    Ok(vec![Found::new(
        ProbeKind::Task { event, path, pid },
        name,
        Context::Empty,
    )])
}

fn syscall(request: &Request) -> Build {
    let (path, pid, prefix) = processes(request)?;
    let is_return = request.has("return");
    let name = format!("{prefix}.syscall{}", if is_return { ".return" } else { "" });
    let kind = ProbeKind::Syscall {
        is_return,
        path,
        pid,
    };
    Ok(vec![Found::new(kind, name, Context::Syscall { is_return })])
}
