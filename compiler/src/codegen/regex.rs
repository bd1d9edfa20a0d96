// SPDX-License-Identifier: GPL-2.0-or-later
//! A compiled regular expression as C tables.

use std::fmt::Write;

use crate::regex::Regex;

/// Definition of `const struct rst_regex name`.
pub(super) fn definition(regex: &Regex, name: &str) -> String {
    let table = &regex.table;
    let mut text = format!(
        "/* {} */\n",
        regex.pattern.replace("*/", "* /").replace('\n', " ")
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
    if let Some((words, _)) = &regex.program {
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
    if let Some((_, length)) = &regex.program {
        let _ = writeln!(text, "\t.program = {name}_program,");
        let _ = writeln!(text, "\t.program_length = {length},");
        let _ = writeln!(text, "\t.group_count = {},", regex.groups);
    }
    text.push_str("};\n\n");
    text
}
