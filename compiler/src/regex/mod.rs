// SPDX-License-Identifier: GPL-2.0-or-later
//! POSIX extended regular expressions, compiled at translate time.
//!
//! A pattern becomes a tree ([`parse`]), a program for Pike's machine
//! ([`program`], also run by the runtime when sub-matches are wanted), and a
//! minimal table of states ([`table`]) that answers "does it occur anywhere"
//! with one look-up per byte.

mod parse;
mod program;
mod table;
#[cfg(test)]
mod tests;

pub use table::Table;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Regex {
    pub pattern: String,
    pub table: Table,
    /// Instructions and, after them, sets of bytes (`enum rst_regex_opcode` of the runtime), and how
    /// many instructions there are.
    pub program: Option<(Vec<u32>, usize)>,
    /// Groups `( )` of the pattern.
    pub groups: u32,
}

/// Compiles `pattern`; with `captures` also the program that finds sub-matches.
///
/// # Errors
///
/// What is wrong with the pattern and where, or that it is too large.
pub fn compile(pattern: &str, captures: bool) -> Result<Regex, String> {
    let in_pattern = |error: String| format!("{error} in \"{pattern}\"");
    let (tree, groups) = parse::parse(pattern.as_bytes()).map_err(in_pattern)?;
    let code = program::assemble(&tree).map_err(in_pattern)?;
    let table = table::build(&code).map_err(in_pattern)?;
    let program = captures.then(|| (program::words(&code), code.len()));
    Ok(Regex {
        pattern: pattern.to_owned(),
        table,
        program,
        groups,
    })
}

/// Whether [`compile`] takes a pattern.
///
/// # Errors
///
/// What is wrong with it and where; the pattern itself is not in the text.
pub fn check(pattern: &str) -> Result<(), String> {
    let (tree, _) = parse::parse(pattern.as_bytes())?;
    table::build(&program::assemble(&tree)?)?;
    Ok(())
}

impl Regex {
    /// Scratch bytes that finding sub-matches takes: three lists of threads of
    /// 68 bytes and two of marks, one entry per instruction (runtime's regex.c).
    pub fn scratch(&self) -> u64 {
        self.program.as_ref().map_or(0, |(_, length)| {
            let length = u64::try_from(*length).unwrap_or(u64::MAX / 1024);
            (3 * 68 + 2 * 4) * (length + 2) + 64
        })
    }
}
