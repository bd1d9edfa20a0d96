// SPDX-License-Identifier: GPL-2.0-or-later
//! Comparing output with what a script's directives expect.

use std::path::Path;

use regex::Regex;

use crate::directives::{Directives, Line};

/// What a program printed and how it ended.
#[derive(Debug, Clone, Default)]
pub struct Actual {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub status: i32,
}

/// All that is wrong with `actual`; empty if nothing is. `whole` is the content of the `.out` file.
pub fn compare(wanted: &Directives, whole: Option<&str>, actual: &Actual) -> Vec<String> {
    let whole = whole.or(wanted.whole.as_deref());
    let stdout = String::from_utf8_lossy(&actual.stdout);
    let stderr = String::from_utf8_lossy(&actual.stderr);
    let mut problems = Vec::new();
    if actual.status != wanted.status {
        problems.push(format!(
            "exit status {} instead of {}",
            actual.status, wanted.status
        ));
    }
    if let Some(problem) = find_lines(&wanted.lines, &stdout) {
        problems.push(problem);
    }
    for text in &wanted.absent {
        if let Some(line) = stdout.lines().find(|line| line.contains(text.as_str())) {
            problems.push(format!("unwanted line: {line}"));
        }
    }
    for text in &wanted.errors {
        if !stderr.contains(text.as_str()) {
            problems.push(format!("standard error lacks: {text}"));
        }
    }
    if let Some(whole) = whole
        && whole != stdout
    {
        problems.push(first_difference(whole, &stdout));
    }
    problems
}

/// Looks for the lines in order; others may stand between them.
fn find_lines(wanted: &[Line], stdout: &str) -> Option<String> {
    let mut lines = stdout.lines();
    for line in wanted {
        let found = match line {
            Line::Exact(text) => lines.any(|actual| actual == text),
            Line::Pattern(pattern) => match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(regex) => lines.any(|actual| regex.is_match(actual)),
                Err(error) => return Some(format!("bad pattern {pattern}: {error}")),
            },
        };
        if !found {
            let (kind, text) = match line {
                Line::Exact(text) => ("line", text),
                Line::Pattern(text) => ("line like", text),
            };
            return Some(format!("missing (or out of order) {kind}: {text}"));
        }
    }
    None
}

/// Says which line differs first.
pub fn first_difference(wanted: &str, actual: &str) -> String {
    let mut actual_lines = actual.lines();
    for (index, line) in wanted.lines().enumerate() {
        let other = actual_lines.next();
        if other != Some(line) {
            let number = index + 1;
            return match other {
                Some(other) => format!("line {number} of output is {other:?} instead of {line:?}"),
                None => format!("output ends before line {number}: {line:?}"),
            };
        }
    }
    match actual_lines.next() {
        Some(line) => format!("more output than expected: {line:?}"),
        None => "output differs in its last line ending".to_string(),
    }
}

/// `//~ error: text` notes with the line they stand on; `//~^` means the line above.
pub fn notes(script: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in script.lines().enumerate() {
        let Some((_, note)) = line.split_once("//~") else {
            continue;
        };
        let above = note.chars().take_while(|&c| c == '^').count();
        let note = note.trim_start_matches('^').trim();
        let text = note.strip_prefix("error:").unwrap_or(note).trim();
        found.push(((index + 1).saturating_sub(above), text.to_string()));
    }
    found
}

/// True if `file:line` stands somewhere in the text, not followed by a digit.
fn points_to(text: &str, file: &str, line: usize) -> bool {
    let place = format!("{file}:{line}");
    text.match_indices(&place).any(|(start, _)| {
        let after = text
            .get(start + place.len()..)
            .and_then(|rest| rest.chars().next());
        !after.is_some_and(|c| c.is_ascii_digit())
    })
}

/// Which of the notes have no message, or one that points elsewhere than to their line of `path`.
pub fn misplaced(notes: &[(usize, String)], path: &Path, stderr: &[u8]) -> Vec<String> {
    let stderr = String::from_utf8_lossy(stderr);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let problem = |(line, text): &(usize, String)| {
        if !stderr.contains(text.as_str()) {
            Some(format!("line {line} lacks its message: {text}"))
        } else if !points_to(&stderr, &file, *line) {
            Some(format!("no message points to {file}:{line}: {text}"))
        } else {
            None
        }
    };
    notes.iter().filter_map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::parse;

    fn actual(stdout: &str) -> Actual {
        Actual {
            stdout: stdout.into(),
            ..Actual::default()
        }
    }

    #[test]
    fn lines_count_in_order() {
        let wanted = parse("// EXPECT: a\n// EXPECT-REGEX: b[0-9]+\n").unwrap();
        assert!(compare(&wanted, None, &actual("x\na\ny\nb12\n")).is_empty());
        assert_eq!(compare(&wanted, None, &actual("b12\na\n")).len(), 1);
        assert_eq!(compare(&wanted, None, &actual("a\nb12c\n")).len(), 1);
    }

    #[test]
    fn whole_output_is_compared_to_the_end() {
        let wanted = parse("").unwrap();
        assert!(compare(&wanted, Some("a\n"), &actual("a\n")).is_empty());
        for other in ["a", "a\nb\n", "", "b\n"] {
            assert_eq!(
                compare(&wanted, Some("a\n"), &actual(other)).len(),
                1,
                "{other:?}"
            );
        }
    }

    #[test]
    fn status_and_errors_count() {
        let wanted = parse("// EXPECT-ERROR: no such\n// EXIT: 1\n").unwrap();
        let failed = Actual {
            stderr: b"WARNING: no such thing".to_vec(),
            status: 1,
            ..Actual::default()
        };
        assert!(compare(&wanted, None, &failed).is_empty());
        assert_eq!(compare(&wanted, None, &actual("")).len(), 2);
    }

    #[test]
    fn notes_know_their_line() {
        let found = notes("probe x { } //~ error: no such\nb\n//~^ wrong\n");
        assert_eq!(
            found,
            [(1, "no such".to_string()), (2, "wrong".to_string())]
        );
    }

    #[test]
    fn a_line_number_is_a_whole_number() {
        assert!(points_to("at a.stp:12:3", "a.stp", 12));
        assert!(!points_to("at a.stp:12:3", "a.stp", 1));
    }
}
