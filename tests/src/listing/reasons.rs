// SPDX-License-Identifier: GPL-2.0-or-later
//! Why the two lists may differ; each reason is checked for each function that it excuses.

use super::answers::Answer;
use super::ask::Rstap;
use super::{Difference, Line};

/// A reason, by the name that `docs/listing-differences.md` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SystemTap's own list forbids the function; the kernel does not.
    BlockedBySystemtap,
    /// The kernel refuses a probe there.
    RefusedByKernel,
    /// A weak function in whose place the kernel has another one of its name.
    Replaced,
    /// Known by its symbol alone, which SystemTap leaves out.
    SymbolAlone,
    /// SystemTap shows variables that it then cannot read.
    Unreadable,
    /// rstap reads variables that SystemTap does not know of.
    MoreReadable,
    /// The same variables, in the order of another copy of the function.
    OrderOfCopies,
    /// SystemTap shows one dimension of arrays.
    ArrayDimensions,
}

impl Reason {
    pub const ALL: [Reason; 8] = [
        Reason::BlockedBySystemtap,
        Reason::RefusedByKernel,
        Reason::Replaced,
        Reason::SymbolAlone,
        Reason::Unreadable,
        Reason::MoreReadable,
        Reason::OrderOfCopies,
        Reason::ArrayDimensions,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::BlockedBySystemtap => "blocked-by-systemtap",
            Reason::RefusedByKernel => "refused-by-kernel",
            Reason::Replaced => "replaced",
            Reason::SymbolAlone => "symbol-alone",
            Reason::Unreadable => "unreadable",
            Reason::MoreReadable => "more-readable",
            Reason::OrderOfCopies => "order-of-copies",
            Reason::ArrayDimensions => "array-dimensions",
        }
    }
}

/// The reason of a difference, if there is one that holds.
pub fn of(
    rstap: &Rstap,
    answer: &Answer,
    difference: &Difference,
) -> Result<Option<Reason>, String> {
    match (&difference.theirs, &difference.ours) {
        (None, Some(ours)) => Ok(only_ours(answer, ours)),
        (Some(theirs), None) => only_theirs(rstap, theirs),
        (Some(theirs), Some(ours)) => other_variables(rstap, theirs, ours),
        (None, None) => Ok(None),
    }
}

fn only_ours(answer: &Answer, ours: &Line) -> Option<Reason> {
    let is_this = |blocked: &String| ours.name.contains(&format!("(\"{blocked}\")"));
    if answer.blocked.iter().any(is_this) {
        return Some(Reason::BlockedBySystemtap);
    }
    let is_symbol = !ours.name.contains('@') && answer.lines.is_empty();
    is_symbol.then_some(Reason::SymbolAlone)
}

fn only_theirs(rstap: &Rstap, theirs: &Line) -> Result<Option<Reason>, String> {
    // By its name alone: with a file or a line it would be a pattern.
    let point = match theirs.name.split_once('@') {
        Some((front, _)) => format!("{front}\")"),
        None => theirs.name.clone(),
    };
    let script = format!("probe {point} {{ }}");
    let (_, told) = rstap.run(&["-p2", "-e", &script])?;
    if told.contains("cannot be probed:") {
        return Ok(Some(Reason::RefusedByKernel));
    }
    // The function that replaced it stands elsewhere.
    let (listed, _) = rstap.run(&["-l", &point])?;
    let has_file = |line: &str| line.contains('@') && line != theirs.name;
    Ok(listed.lines().any(has_file).then_some(Reason::Replaced))
}

/// Whether a script with this variable can be translated.
fn reads(rstap: &Rstap, point: &str, variable: &str) -> Result<bool, String> {
    let name = variable.split(':').next().unwrap_or_default();
    // As text, which structures have as well as numbers.
    let script = format!("probe {point} {{ println({name}$) }}");
    let (_, told) = rstap.run(&["-p2", "-e", &script])?;
    match (told.contains("semantic error"), told.contains(name)) {
        (false, _) => Ok(true),
        (true, true) => Ok(false),
        (true, false) => Err(format!("an error that is not about {name}: {told}")),
    }
}

fn other_variables(rstap: &Rstap, theirs: &Line, ours: &Line) -> Result<Option<Reason>, String> {
    let flat = |line: &Line| -> Vec<String> {
        let flat = |variable: &String| {
            let mut text = variable.clone();
            while text.contains("[][]") {
                text = text.replace("[][]", "[]");
            }
            text
        };
        line.variables.iter().map(flat).collect()
    };
    let (their_variables, our_variables) = (flat(theirs), flat(ours));
    if their_variables == our_variables {
        return Ok(Some(Reason::ArrayDimensions));
    }
    let missing: Vec<&String> = their_variables
        .iter()
        .filter(|variable| !our_variables.contains(variable))
        .collect();
    for variable in &missing {
        if reads(rstap, &theirs.name, variable)? {
            return Ok(None);
        }
    }
    let added: Vec<&String> = our_variables
        .iter()
        .filter(|variable| !their_variables.contains(variable))
        .collect();
    for variable in &added {
        if !reads(rstap, &ours.name, variable)? {
            return Ok(None);
        }
    }
    let known = our_variables
        .iter()
        .filter(|variable| !added.contains(variable));
    if missing.is_empty() && !added.is_empty() && known.eq(&their_variables) {
        return Ok(Some(Reason::MoreReadable));
    }
    let readable: Vec<&String> = their_variables
        .iter()
        .filter(|variable| !missing.contains(variable))
        .collect();
    if readable.iter().copied().eq(&our_variables) {
        return Ok(Some(Reason::Unreadable));
    }
    let (mut one, mut other) = (readable.clone(), our_variables.iter().collect::<Vec<_>>());
    one.sort();
    other.sort();
    if one != other {
        return Ok(None);
    }
    // One of the copies must have them in SystemTap's order.
    let (copies, _) = rstap.run(&["-v", "-L", &theirs.name])?;
    let has_order = copies.lines().any(|copy| {
        let variables = flat(&Line::parse(copy));
        variables
            .iter()
            .filter(|variable| readable.contains(variable))
            .eq(readable.iter().copied())
    });
    let is_one_of_several = copies.lines().count() > 1 && has_order;
    Ok(is_one_of_several.then_some(Reason::OrderOfCopies))
}
