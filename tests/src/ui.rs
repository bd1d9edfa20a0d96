// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of passes 1 to 3: what they print, and that messages point to the right line.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use rstap_vm::KernelSet;

use crate::corpus::{Script, scripts};
use crate::directives::{self, Requirement};
use crate::expect::{Actual, compare, first_difference, misplaced, notes};
use crate::options::Options;
use crate::programs::{Programs, capture};
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
    let scripts = match scripts("ui") {
        Ok(scripts) => scripts,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    for script in scripts {
        if options.selects(&script.name) {
            let start = Instant::now();
            let verdict = test(&script, &programs, kernel.as_ref());
            report.add(&script.name, start.elapsed(), &verdict);
        }
    }
    report.finish()
}

fn test(script: &Script, programs: &Programs, kernel: Option<&KernelSet>) -> Verdict {
    match check(script, programs, kernel) {
        Ok(verdict) => verdict,
        Err(problem) => Verdict::Failed(vec![problem]),
    }
}

fn check(
    script: &Script,
    programs: &Programs,
    kernel: Option<&KernelSet>,
) -> Result<Verdict, String> {
    let mut wanted = directives::parse(&script.text)?;
    let notes = notes(&script.text);
    if wanted.requirements.contains(&Requirement::Dwarf)
        && kernel.is_none_or(|kernel| kernel.debug.is_none())
    {
        return Ok(Verdict::Skipped(
            "the kernel's debug files are not here".to_string(),
        ));
    }
    let errors = script.whole_errors();
    let has_failed = |text: &String| text.contains("failed.  [man error::pass");
    if wanted.status == 0 {
        let fails = !notes.is_empty() || errors.as_ref().is_some_and(has_failed);
        wanted.status = i32::from(fails);
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = &script.source(folder.path())?;
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
    let mut problems = compare(&wanted, script.whole_output().as_deref(), &actual);
    if let Some(wanted) = errors {
        let actual = relative(&String::from_utf8_lossy(&actual.stderr), path);
        if wanted != actual {
            problems.push(first_difference(&wanted, &actual));
        }
    }
    problems.extend(misplaced(&notes, path, &actual.stderr));
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
