// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of passes 1 to 3: what they print, and that messages point to the right line.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use rstap_vm::KernelSet;

use crate::directives::{self, Requirement};
use crate::expect::{Actual, compare, first_difference};
use crate::options::Options;
use crate::programs::{Programs, capture, scripts};
use crate::report::{Report, Verdict, shown};

/// Runs all scripts in `tests/ui`.
pub fn main() -> ExitCode {
    let options = Options::from_environment();
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    let kernel = rstap_vm::kernels::find(options.kernel.as_deref()).ok();
    let mut report = Report::default();
    for (name, path) in scripts("ui") {
        if options.selects(&name) {
            let start = Instant::now();
            let verdict = test(&path, &programs, kernel.as_ref());
            report.add(&name, start.elapsed(), &verdict);
        }
    }
    report.finish()
}

fn test(path: &Path, programs: &Programs, kernel: Option<&KernelSet>) -> Verdict {
    match check(path, programs, kernel) {
        Ok(verdict) => verdict,
        Err(problem) => Verdict::Failed(vec![problem]),
    }
}

fn check(path: &Path, programs: &Programs, kernel: Option<&KernelSet>) -> Result<Verdict, String> {
    let script = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut wanted = directives::parse(&script)?;
    let notes = notes(&script);
    if wanted.requirements.contains(&Requirement::Dwarf)
        && kernel.is_none_or(|kernel| kernel.debug.is_none())
    {
        return Ok(Verdict::Skipped(
            "the kernel's debug files are not here".to_string(),
        ));
    }
    let errors = std::fs::read_to_string(path.with_extension("err")).ok();
    let has_failed = |text: &String| text.contains("failed.  [man error::pass");
    if wanted.status == 0 {
        let fails = !notes.is_empty() || errors.as_ref().is_some_and(has_failed);
        wanted.status = i32::from(fails);
    }
    let mut command = Command::new(&programs.rstap);
    if let Some(kernel) = kernel {
        command
            .args(["-r", &kernel.release])
            .arg("--sysroot")
            .arg(&kernel.sysroot);
    }
    if !wanted
        .options
        .iter()
        .any(|option| option.starts_with("-p") || option.starts_with("-l"))
    {
        command.arg("-p3");
    }
    command
        .args(&wanted.options)
        .arg(path)
        .args(&wanted.arguments);
    let output = capture(&mut command, wanted.limit.as_secs())?;
    let actual = Actual {
        stdout: output.stdout,
        stderr: output.stderr,
        status: output.status.code().unwrap_or(-1),
    };
    let whole = std::fs::read_to_string(path.with_extension("out")).ok();
    let mut problems = compare(&wanted, whole.as_deref(), &actual);
    let stderr = String::from_utf8_lossy(&actual.stderr);
    if let Some(wanted) = errors {
        let actual = relative(&stderr, path);
        if wanted != actual {
            problems.push(first_difference(&wanted, &actual));
        }
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    for (line, text) in &notes {
        if !stderr.contains(text.as_str()) {
            problems.push(format!("line {line} lacks its message: {text}"));
        } else if !points_to(&stderr, &file, *line) {
            problems.push(format!("no message points to {file}:{line}: {text}"));
        }
    }
    if problems.is_empty() {
        return Ok(Verdict::Passed);
    }
    problems.extend(shown("standard error", &actual.stderr));
    problems.extend(shown(
        "standard output",
        actual.stdout.get(..2000).unwrap_or(&actual.stdout),
    ));
    Ok(Verdict::Failed(problems))
}

/// Standard error with the script's name instead of its path.
fn relative(text: &str, path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).display();
    text.replace(&format!("{folder}/"), "")
}

/// `//~ error: text` notes with the line they stand on; `//~^` means the line above.
fn notes(script: &str) -> Vec<(usize, String)> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
