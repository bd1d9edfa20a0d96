// SPDX-License-Identifier: GPL-2.0-or-later
//! `procfs`: files below `/proc/systemtap/MODULE/`.

use super::{Build, Context, Request, error, name_span};
use crate::ir::ProbeKind;

/// File of `procfs.read` and `procfs.write` (man stapprobes).
const DEFAULT_PATH: &str = "command";

pub(super) fn build(request: &Request) -> Build {
    let path = request
        .string("procfs")
        .unwrap_or_else(|| DEFAULT_PATH.to_owned());
    let at = |diagnostic: rstap_syntax::diag::Diagnostic| match request.components.first() {
        Some(first) => diagnostic.at(name_span(first)),
        None => diagnostic,
    };
    if path.starts_with('/') {
        return Err(at(error("procfs path cannot start with a '/'")));
    }
    if path.split('/').any(|part| part == "." || part == "..") {
        let message = "procfs path cannot be relative (and contain '.' or '..')";
        return Err(at(error(message)));
    }
    if path.is_empty() || path.split('/').any(str::is_empty) {
        return Err(at(error("procfs path cannot have an empty part")));
    }
    let maximum_size = match request.number("maxsize") {
        None => 0,
        Some(size) => match u32::try_from(size) {
            Ok(size @ 1..) => size,
            _ => return Err(error("maxsize must be greater than 0")),
        },
    };
    let is_read = request.has("read");
    let mode = match (request.number("umask"), is_read) {
        (None, true) => 0o400,
        (None, false) => 0o200,
        (Some(umask), is_read) => {
            let all: i64 = if is_read { 0o444 } else { 0o222 };
            u32::try_from(all & !umask).unwrap_or(0)
        }
    };
    let kind = match is_read {
        true => ProbeKind::ProcfsRead {
            path,
            mode,
            maximum_size,
        },
        false => ProbeKind::ProcfsWrite {
            path,
            mode,
            maximum_size,
        },
    };
    request.found(kind, Context::Procfs { is_read })
}
