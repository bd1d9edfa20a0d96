// SPDX-License-Identifier: GPL-2.0-or-later
//! `begin`, `end`, `error` with their sequence numbers, and `never`.

use super::table::Family;
use super::{Build, Context, Found, Request};
use crate::ir::ProbeKind;

pub(super) fn build(request: &Request) -> Build {
    let sequence = |name| request.number(name).unwrap_or(0);
    let kind = match request.family {
        Family::Begin => ProbeKind::Begin {
            sequence: sequence("begin"),
        },
        Family::End => ProbeKind::End {
            sequence: sequence("end"),
        },
        Family::Error => ProbeKind::Error {
            sequence: sequence("error"),
        },
        // Accepted, checked, and never run.
        _ => ProbeKind::Begin { sequence: 0 },
    };
    let mut found = Found::new(kind, request.text(), Context::Empty);
    found.is_never = request.family == Family::Never;
    Ok(vec![found])
}
