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

use std::fmt::Write;

pub use table::Table;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Regex {
    pattern: String,
    pub table: Table,
    /// Instructions and, after them, sets of bytes; see `enum rst_regex_opcode`.
    program: Option<(Vec<u32>, usize)>,
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

    /// Definition of `const struct rst_regex name`.
    pub fn to_c(&self, name: &str) -> String {
        let table = &self.table;
        let mut text = format!(
            "/* {} */\n",
            self.pattern.replace("*/", "* /").replace('\n', " ")
        );
        let join = |numbers: &mut dyn Iterator<Item = u32>| {
            let mut lines = String::new();
            for (index, number) in numbers.enumerate() {
                lines.push_str(if index % 16 == 0 { "\n\t" } else { " " });
                // Writing to a String cannot fail.
                let _ = write!(lines, "{number},");
            }
            lines
        };
        let classes = join(&mut table.classes.iter().map(|class| u32::from(*class)));
        let _ = writeln!(
            text,
            "static const unsigned char {name}_classes[256] = {{{classes}\n}};"
        );
        let transitions = join(&mut table.transitions.iter().map(|state| u32::from(*state)));
        let _ = writeln!(
            text,
            "static const unsigned short {name}_transitions[] = {{{transitions}\n}};"
        );
        let accepting = join(&mut table.is_accepting.iter().map(|yes| u32::from(*yes)));
        let _ = writeln!(
            text,
            "static const unsigned char {name}_accepting[] = {{{accepting}\n}};"
        );
        if let Some((words, _)) = &self.program {
            let words = join(&mut words.iter().copied());
            let _ = writeln!(
                text,
                "static const unsigned int {name}_program[] = {{{words}\n}};"
            );
        }
        let _ = writeln!(text, "static const struct rst_regex {name} = {{");
        let _ = writeln!(text, "\t.classes = {name}_classes,");
        let _ = writeln!(text, "\t.transitions = {name}_transitions,");
        let _ = writeln!(text, "\t.is_accepting = {name}_accepting,");
        let _ = writeln!(text, "\t.class_count = {},", table.class_count);
        let _ = writeln!(text, "\t.start = {},", table.start);
        if let Some((_, length)) = &self.program {
            let _ = writeln!(text, "\t.program = {name}_program,");
            let _ = writeln!(text, "\t.program_length = {length},");
            let _ = writeln!(text, "\t.group_count = {},", self.groups);
        }
        text.push_str("};\n\n");
        text
    }
}
