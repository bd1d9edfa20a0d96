// SPDX-License-Identifier: GPL-2.0-or-later
//! `process.*`: programs in user space.

use std::rc::Rc;

use rstap_debuginfo::{Marker, glob};
use rstap_syntax::diag::Diagnostic;

use super::place::{self, Program, Site};
use super::table::Family;
use super::{
    Build, Context, Found, Request, data, error, from_target, function, no_match, statement,
    suggest,
};
use crate::ir::ProbeKind;
use crate::semantic::carried;

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
        _ => data::build(request),
    }
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
        return Ok(Program {
            prefix: format!("process({pid})"),
            ..Program::of_path(locate(&format!("/proc/{pid}/exe"))?, pid)
        });
    }
    if let Some(name) = request.string("process") {
        let path = match is_build_id(&name) {
            true => target
                .program_with_build_id(&name, options.target_program.as_deref())
                .map_err(|error| no_match("", &[]).note(error.to_string()))?,
            false => locate(&name)?,
        };
        return Ok(Program::of_path(path, 0));
    }
    match &options.target_program {
        Some(name) => Ok(Program::of_path(locate(name)?, 0)),
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

/// The files of code for functions, statements, markers and stubs: the program or some of its
/// libraries, more than one if there is a wildcard.
pub(super) fn sites<'r>(request: &'r Request<'r>) -> Result<Vec<Site<'r>>, Diagnostic> {
    let target = request.session.target;
    let programs = match request.string("process") {
        Some(pattern) if glob::is_pattern(&pattern) => target
            .programs(&pattern)
            .into_iter()
            .map(|path| Program::of_path(path, 0))
            .collect(),
        _ => vec![program(request)?],
    };
    let mut files = Vec::new();
    match request.string("library") {
        None => files = programs,
        Some(pattern) if glob::is_pattern(&pattern) => {
            for program in &programs {
                let libraries = carried::libraries(target, &program.path);
                let wanted = libraries
                    .into_iter()
                    .filter(|path| is_named(&pattern, path));
                files.extend(wanted.map(|path| program.library(path)));
            }
        }
        Some(name) => {
            let path = target.library(&name).map_err(|error| {
                no_match("", &[])
                    .note(error.to_string())
                    .hint("give the library's full path")
            })?;
            files.extend(programs.iter().map(|program| program.library(path.clone())));
        }
    }
    let is_one = files.len() == 1;
    let mut sites = Vec::new();
    for program in files {
        match target.module(&program.path) {
            Ok(module) => sites.push(Site {
                request,
                module,
                program: Some(program),
            }),
            Err(error) if is_one => return Err(from_target(&error)),
            // Of many files some are none that can be read.
            Err(_) => {}
        }
    }
    if sites.is_empty() {
        return Err(no_match("", &[]).note("no program or library of that name"));
    }
    Ok(sites)
}

/// Whether a pattern means a library, by its path or its file's name.
fn is_named(pattern: &str, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    glob::matches(pattern, path) || glob::matches(pattern, name)
}

/// Static markers, by name and perhaps provider; both may have wildcards.
fn mark(request: &Request) -> Build {
    let wanted = request.string("mark").unwrap_or_default();
    let provider = request.string("provider");
    let is_wanted = |marker: &&Marker| {
        glob::matches(&wanted, &marker.name)
            && provider
                .as_ref()
                .is_none_or(|pattern| glob::matches(pattern, &marker.provider))
    };
    let mut found = Vec::new();
    let mut names = Vec::new();
    for site in place::sites(request)? {
        let markers = request.session.target.markers(site.module);
        let markers = markers.map_err(|error| from_target(&error))?;
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
        names.extend(markers.into_iter().map(|marker| marker.name));
    }
    if found.is_empty() {
        let names = names.iter().map(String::as_str);
        return Err(no_match("markers", &suggest::similar(&wanted, names)));
    }
    Ok(found)
}

/// Stubs of the procedure linkage table, by the name of the function that they call.
fn plt(request: &Request) -> Build {
    let wanted = request.string("plt").unwrap_or_else(|| "*".to_owned());
    let is_return = request.has("return");
    let suffix = if is_return { ".return" } else { "" };
    let mut found = Vec::new();
    let mut names = Vec::new();
    for site in place::sites(request)? {
        let entries = request.session.target.plt(site.module);
        let entries = entries.map_err(|error| from_target(&error))?;
        for entry in &entries {
            if glob::matches(&wanted, &entry.name) {
                let kind = site.instruction(entry.address, is_return)?;
                let name = format!("{}.plt(\"{}\"){suffix}", site.prefix(), entry.name);
                found.push(Found::new(kind, name, Context::Plt(entry.name.clone())));
            }
        }
        names.extend(entries.into_iter().map(|entry| entry.name));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if names.is_empty() {
        let message = "it has no procedure linkage table: it is linked statically, or compiled \
                       with -fno-plt";
        return Err(no_match("", &[]).note(message));
    }
    let names = names.iter().map(String::as_str);
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
