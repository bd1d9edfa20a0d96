// SPDX-License-Identifier: GPL-2.0-or-later
//! `statement("function@file:line")` and `statement(ADDRESS)`.

use std::collections::{BTreeMap, BTreeSet};

use rstap_debuginfo::{Address, Function, LineAddress};
use rstap_syntax::diag::Diagnostic;

use super::pattern::{CodePattern, Lines};
use super::place::{self, Copies, Site};
use super::{Build, Found, Request, error, from_target, kprobe, no_match};

pub(super) fn build(request: &Request) -> Build {
    if request.has("absolute") {
        let address = request.number("statement").unwrap_or(0);
        return kprobe::absolute(request, address.cast_unsigned());
    }
    let sites = place::sites(request)?;
    if let Some(address) = request.number("statement") {
        let Some(site) = sites.first() else {
            return Err(no_match("", &[]));
        };
        return at_address(request, site, address.cast_unsigned());
    }
    let Some(text) = request.string("statement") else {
        return Err(no_match("", &[]));
    };
    let pattern = CodePattern::parse(&text).map_err(error)?;
    let is_nearest = request.has("nearest");
    let mut found = Vec::new();
    let mut problem = None;
    for site in &sites {
        match in_site(site, &pattern, is_nearest) {
            Ok(some) => found.extend(some),
            Err(error) => problem = Some(error),
        }
    }
    match problem {
        _ if !found.is_empty() => Ok(found),
        Some(problem) => Err(problem),
        None => Err(place::no_function(request.session, &sites, &text)),
    }
}

fn at_address(request: &Request, site: &Site, value: u64) -> Build {
    let target = request.session.target;
    let mut address = Address {
        module: site.module,
        value,
    };
    let function = target
        .function_at(address, true)
        .map_err(|error| from_target(&error))?;
    let Some(function) = function else {
        return Err(no_match("", &[]));
    };
    if request.has("nearest") {
        let lines = target
            .lines_of(&function)
            .map_err(|error| from_target(&error))?;
        let nearest = lines
            .iter()
            .map(|line| line.address.value)
            .filter(|&start| start <= value);
        address.value = nearest.max().unwrap_or(value);
    }
    let begin = target.instruction_at(&function, address);
    if let Some(begin) = begin.map_err(|error| from_target(&error))?
        && begin != address.value
    {
        let message = format!(
            "address {:#x} is in the middle of the instruction at {begin:#x} of '{}'",
            address.value, function.name
        );
        return Err(error(message).hint(format!("probe {begin:#x}, or the line with .nearest")));
    }
    let kind = site.address(address)?;
    site.at_address(kind, site.context(Some(&function), address.value, false))
}

fn in_site(site: &Site, pattern: &CodePattern, is_nearest: bool) -> Build {
    let functions = place::functions(site, pattern, Copies::All)?;
    if functions.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let is_wide = pattern.has_wildcard();
    let mut missing = None;
    for function in &functions {
        if site
            .check(function, is_wide || site.request.is_one_of_many)?
            .is_none()
        {
            continue;
        }
        match in_function(site, pattern, function, is_nearest) {
            Ok(some) => found.extend(some),
            Err(error) => missing = Some(error),
        }
    }
    match missing {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// The lines of one function that a pattern asks for.
fn in_function(site: &Site, pattern: &CodePattern, function: &Function, is_nearest: bool) -> Build {
    let suffix = if is_nearest { ".nearest" } else { "" };
    let statement =
        |qualified: &str| format!("{}.statement(\"{qualified}\"){suffix}", site.prefix());
    if pattern.lines == Lines::None {
        let name = statement(&place::qualified(function));
        let kind = site.address(function.entry)?;
        let context = site.context(Some(function), function.entry.value, false);
        return Ok(vec![Found::new(kind, name, context)]);
    }
    let rows = site
        .session()
        .target
        .lines_of(function)
        .map_err(|error| from_target(&error))?;
    let rows = own_rows(site, function, rows);
    let lines = first_addresses(function, &rows);
    let mut wanted = Vec::new();
    let mut missing = None;
    match &pattern.lines {
        Lines::None => {}
        Lines::All => wanted.extend(lines.keys().map(|&line| (line, line))),
        Lines::Relative(delta) => {
            let declared = function
                .declaration
                .as_ref()
                .map_or(0, |position| position.line);
            let line = declared.saturating_add(*delta);
            pick(&lines, line, is_nearest, &mut wanted, &mut missing);
        }
        Lines::Ranges(ranges) => {
            for &(first, last) in ranges {
                if first == last {
                    // With a wildcard most functions do not have the line.
                    pick(&lines, first, is_nearest, &mut wanted, &mut missing);
                } else {
                    wanted.extend(lines.range(first..=last).map(|(&line, _)| (line, line)));
                }
            }
        }
    }
    if let (Some(line), true) = (missing, wanted.is_empty()) {
        return Err(no_line(function, &lines, line));
    }
    let file = function
        .declaration
        .as_ref()
        .map_or("", |position| &*position.file);
    let mut found = Vec::new();
    for (asked, line) in wanted {
        let Some(&address) = lines.get(&line) else {
            continue;
        };
        let name = statement(&format!("{}@{file}:{asked}", function.name));
        let kind = site.address(address)?;
        found.push(Found::new(
            kind,
            name,
            site.context(Some(function), address.value, false),
        ));
    }
    Ok(found)
}

/// Rows of a function's own lines, without those of functions of the same file
/// that are inlined into it.
fn own_rows(site: &Site, function: &Function, rows: Vec<LineAddress>) -> Vec<LineAddress> {
    let Some(own) = &function.declaration else {
        return rows;
    };
    let target = site.session().target;
    let is_own = |row: &LineAddress| {
        let line = row.position.line;
        let Ok(Some(innermost)) = target.function_at(row.address, true) else {
            return true;
        };
        match &innermost.declaration {
            Some(other) if innermost.name != function.name && other.file == own.file => {
                line >= own.line && (other.line < own.line || line < other.line)
            }
            _ => line >= own.line,
        }
    };
    rows.into_iter().filter(is_own).collect()
}

/// First address of each line of a function's own file. What was moved away from the function
/// because it seldom runs may lie before its entry, as in programs, and comes last.
fn first_addresses(function: &Function, rows: &[LineAddress]) -> BTreeMap<u32, Address> {
    let mut lines = BTreeMap::new();
    for row in rows {
        let is_own = match &function.declaration {
            Some(position) => position.file == row.position.file,
            None => true,
        };
        if !is_own || row.position.line == 0 {
            continue;
        }
        let order = |address: &Address| (address.value < function.entry.value, address.value);
        let first = lines.entry(row.position.line).or_insert(row.address);
        if order(&row.address) < order(first) {
            *first = row.address;
        }
    }
    lines
}

/// Adds a line, or the closest one with code, or notes that it has none.
fn pick(
    lines: &BTreeMap<u32, Address>,
    line: u32,
    is_nearest: bool,
    wanted: &mut Vec<(u32, u32)>,
    missing: &mut Option<u32>,
) {
    if lines.contains_key(&line) {
        wanted.push((line, line));
        return;
    }
    let nearest = lines.keys().min_by_key(|&&known| known.abs_diff(line));
    match nearest {
        Some(&nearest) if is_nearest => wanted.push((line, nearest)),
        _ => *missing = Some(line),
    }
}

fn no_line(function: &Function, lines: &BTreeMap<u32, Address>, line: u32) -> Diagnostic {
    let before = lines.range(..line).next_back().map(|(line, _)| *line);
    let after = lines.range(line..).next().map(|(line, _)| *line);
    let near: BTreeSet<u32> = before.into_iter().chain(after).collect();
    let near: Vec<String> = near.iter().map(|line| format!(":{line}")).collect();
    let advice = match near.is_empty() {
        true => String::new(),
        false => format!(" (try {})", near.join(" or ")),
    };
    let file = function
        .declaration
        .as_ref()
        .map_or("", |position| &*position.file);
    let message = format!("no line records for {file}:{line} [man error::dwarf]{advice}");
    no_match("", &[]).caused_by(error(message))
}
