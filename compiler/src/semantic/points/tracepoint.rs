// SPDX-License-Identifier: GPL-2.0-or-later
//! `kernel.trace`, `kernel.tracepoint` and `module().tracepoint`.

use std::rc::Rc;

use rstap_debuginfo::{Encoding, ModuleId, Parameter, Tracepoint, TypeId, TypeKind, glob};

use super::place;
use super::table::Family;
use super::{Build, Context, Found, Request, from_target, no_match, suggest};
use crate::ir::{ProbeKind, TracepointArgument};
use crate::semantic::session::Session;

pub(super) fn build(request: &Request) -> Build {
    let session = request.session;
    let is_raw = request.family == Family::Tracepoint;
    let text = request
        .string(if is_raw { "tracepoint" } else { "trace" })
        .unwrap_or_default();
    let (system, pattern) = match text.split_once(':') {
        Some((system, pattern)) => (Some(system), pattern),
        None => (None, text.as_str()),
    };
    let mut found = Vec::new();
    let sites = place::sites(request)?;
    for site in &sites {
        let points = session.target.tracepoints(site.module, pattern);
        match points {
            Ok(points) => collect(request, points, system, &mut found),
            Err(_) if sites.len() > 1 => {}
            Err(error) => return Err(from_target(&error)),
        }
    }
    // Most modules name the system of their tracepoints, and these, after themselves: kvm_exit.
    let named = system.or_else(|| pattern.split_once('_').map(|(module, _)| module));
    if let (true, Some(named)) = (found.is_empty() && !is_raw, named)
        && !glob::is_pattern(named)
        && let Ok(module) = session.target.module(named)
        && let Ok(points) = session.target.tracepoints(module, pattern)
    {
        collect(request, points, system, &mut found);
    }
    if found.is_empty() {
        let names: Vec<String> = match session.target.tracepoints(ModuleId::KERNEL, "*") {
            Ok(points) => points.into_iter().map(|point| point.name).collect(),
            Err(_) => Vec::new(),
        };
        let similar = suggest::similar(pattern, names.iter().map(String::as_str));
        return Err(no_match("tracepoints", &similar));
    }
    Ok(found)
}

fn collect(
    request: &Request,
    points: Vec<Tracepoint>,
    system: Option<&str>,
    found: &mut Vec<Found>,
) {
    for point in points {
        if system.is_some_and(|system| !glob::matches(system, &point.system)) {
            continue;
        }
        found.push(describe(request, point));
    }
}

fn describe(request: &Request, mut point: Tracepoint) -> Found {
    let session = request.session;
    let module =
        (point.module != ModuleId::KERNEL).then(|| session.target.module_name(point.module));
    let name = if request.family == Family::Tracepoint {
        let prefix = match &module {
            Some(module) => format!("module(\"{module}\")"),
            None => "kernel".to_owned(),
        };
        // Names of arguments are not promised here: `$arg1` and so on.
        for (index, argument) in point.arguments.iter_mut().flatten().enumerate() {
            argument.name = format!("arg{}", index + 1);
        }
        format!("{prefix}.tracepoint(\"{}\")", point.name)
    } else if point.system.is_empty() {
        format!("kernel.trace(\"{}\")", point.name)
    } else {
        format!("kernel.trace(\"{}:{}\")", point.system, point.name)
    };
    let arguments = point.arguments.iter().flatten();
    let arguments = arguments.map(|argument| shape(session, argument)).collect();
    let kind = ProbeKind::Tracepoint {
        module,
        name: point.name.clone(),
        arguments,
    };
    Found::new(kind, name, Context::Tracepoint(Rc::new(point)))
}

/// How an argument is read out of the register it is passed in.
fn shape(session: &Session, argument: &Parameter) -> TracepointArgument {
    let (size, is_signed) = integer_shape(session, argument.type_id).unwrap_or((8, false));
    TracepointArgument {
        name: argument.name.clone(),
        size,
        is_signed,
    }
}

/// Bytes and signedness of a scalar type; `None` for all that is no scalar.
pub(crate) fn integer_shape(session: &Session, id: TypeId) -> Option<(u8, bool)> {
    let target = session.target;
    let ty = target.type_of(target.strip(id).ok()?).ok()?;
    let (size, is_signed) = match &ty.kind {
        TypeKind::Base { size, encoding, .. } => (
            *size,
            matches!(encoding, Encoding::Signed | Encoding::SignedChar),
        ),
        TypeKind::Enumeration { size, signed, .. } => (*size, *signed),
        TypeKind::Pointer { size, .. } => (*size, false),
        _ => return None,
    };
    match u8::try_from(size) {
        Ok(size @ (1 | 2 | 4 | 8)) => Some((size, is_signed)),
        _ => None,
    }
}
