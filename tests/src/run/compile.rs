// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of a test that happens here: passes 1 to 4, and helper programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rstap_vm::KernelSet;
use rstap_vm::guest::can_share_host_files;
use rstap_vm::process::find_program;

use super::{Compiled, Prepared};
use crate::corpus::{Kind, Script};
use crate::directives::{self, Directives, Requirement, version_numbers};
use crate::expect::{Actual, compare, misplaced, notes};
use crate::modules::Built;
use crate::programs::{Programs, capture, tests_folder};
use crate::report::{Verdict, shown};

/// The first script on a kernel compiles the runtime as well.
const LIMIT: u64 = 240;

/// Compiles one test into the folder `place`.
pub fn compile(
    test: &Script,
    index: usize,
    programs: &Programs,
    kernel: &KernelSet,
    modules: &Built,
    place: &Path,
) -> Compiled {
    let start = Instant::now();
    let decided = |verdict| Compiled::Decided(test.name.clone(), start.elapsed(), verdict);
    match prepare(test, index, programs, kernel, modules, place, start) {
        Ok(Ok(prepared)) => Compiled::Ready(Box::new(prepared)),
        Ok(Err(verdict)) => decided(verdict),
        Err(problem) => decided(Verdict::Failed(vec![problem])),
    }
}

fn prepare(
    test: &Script,
    index: usize,
    programs: &Programs,
    kernel: &KernelSet,
    modules: &Built,
    place: &Path,
    start: Instant,
) -> Result<Result<Prepared, Verdict>, String> {
    let mut wanted = directives::parse(&test.text)?;
    let notes = notes(&test.text);
    let strict = test.kind != Kind::File;
    if strict && notes.is_empty() && wanted.expects_nothing() {
        return Err("it expects nothing, so it cannot fail".to_string());
    }
    if let Some(reason) = unmet(&wanted, kernel) {
        return Ok(Err(Verdict::Skipped(reason)));
    }
    wanted.limit = wanted.limit.saturating_mul(kernel.slowness());
    // There, the time that probes take says nothing of them.
    if kernel.checks_itself() && !wanted.options.iter().any(|word| word.contains("OVERLOAD")) {
        wanted.options.push("-DSTP_NO_OVERLOAD".to_string());
    }
    std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
    for program in &wanted.programs {
        build_program(&test.file, program, place)?;
    }
    for module in &wanted.modules {
        modules.provide(&test.file.with_file_name(module), place, kernel)?;
    }
    for option in &mut wanted.options {
        *option = option.replace("$TESTS", &tests_folder().display().to_string());
    }
    let source = match &wanted.example {
        Some(example) => tests_folder().join("../examples").join(example),
        None => test.source(place)?,
    };
    let name = format!("rstap_test_{index}");
    let mut command = Command::new(&programs.rstap);
    command.args(["-p4", "-m", &name, "-r", &kernel.release]);
    command.arg("--sysroot").arg(&kernel.sysroot);
    // It names the program of points such as process.function("f").
    if let Some(target) = &wanted.command {
        command.arg("-c").arg(target);
    }
    command
        .args(&wanted.options)
        .arg(&source)
        .args(&wanted.arguments)
        .current_dir(place);
    if test.without_dwarf {
        command.env("SYSTEMTAP_DEBUGINFO_PATH", symbols_alone(kernel, place)?);
    }
    let output = capture(&mut command, LIMIT)?;
    if !output.status.success() {
        let actual = Actual {
            stdout: output.stdout,
            stderr: output.stderr,
            status: output.status.code().unwrap_or(-1),
        };
        let misplaced = misplaced(&notes, &source, &actual.stderr);
        wanted
            .errors
            .extend(notes.into_iter().map(|(_, text)| text));
        return Ok(Err(judge_failure(wanted, misplaced, &actual)));
    }
    if !notes.is_empty() {
        return Err("it compiles, in spite of its notes of errors".to_string());
    }
    let module = format!("{name}.ko");
    if !place.join(&module).is_file() {
        return Err(format!(
            "rstap -p4 -m {name} succeeded but left no {module}"
        ));
    }
    Ok(Ok(Prepared {
        name: test.name.clone(),
        wanted,
        whole: test.whole_output(),
        kernel: kernel.sysroot.clone(),
        folder: place.to_path_buf(),
        module,
        warnings: output.stderr,
        strict,
        compiled_in: start.elapsed(),
    }))
}

/// A folder of debug files that has the list of symbols only, which a running kernel tells itself.
pub fn symbols_alone(kernel: &KernelSet, place: &Path) -> Result<PathBuf, String> {
    let folder = place.join("no-debug-files");
    let file = format!("boot/System.map-{}", kernel.release);
    let list = kernel.sysroot.join("usr/lib/debug").join(&file);
    let link = || {
        std::fs::create_dir_all(folder.join("boot"))?;
        match list.is_file() {
            true => std::os::unix::fs::symlink(&list, folder.join(&file)),
            false => Ok(()),
        }
    };
    link().map_err(|error| format!("cannot link {}: {error}", list.display()))?;
    Ok(folder)
}

/// A script that does not compile passes only if it says that it must not.
fn judge_failure(mut wanted: Directives, misplaced: Vec<String>, actual: &Actual) -> Verdict {
    if wanted.errors.is_empty() {
        let mut problems = vec![format!("does not compile (status {})", actual.status)];
        problems.extend(shown("standard error", &actual.stderr));
        return Verdict::Failed(problems);
    }
    wanted.lines.clear();
    if wanted.status == 0 {
        wanted.status = 1;
    }
    let mut problems = compare(&wanted, None, actual);
    problems.extend(misplaced);
    if problems.is_empty() {
        return Verdict::Passed;
    }
    problems.extend(shown("standard error", &actual.stderr));
    Verdict::Failed(problems)
}

/// Why a test cannot run on this kernel.
fn unmet(wanted: &Directives, kernel: &KernelSet) -> Option<String> {
    wanted
        .requirements
        .iter()
        .find_map(|requirement| match requirement {
            Requirement::Dwarf if kernel.debug.is_none() => {
                Some("debug files not here".to_string())
            }
            Requirement::Kernel(version) if version_numbers(&kernel.release) < *version => {
                Some("kernel too old".to_string())
            }
            Requirement::Option { name, wanted } if kernel.has_option(name) != *wanted => {
                let how = if *wanted { "without" } else { "with" };
                Some(format!("kernel {how} {name}"))
            }
            Requirement::Program(name) if find_program(name).is_none() => Some(format!(
                "{name} is not installed (rstap-lab deps --tests installs it)"
            )),
            Requirement::Program(name) if !can_share_host_files() => {
                Some(format!("{name} cannot be shared with the guest"))
            }
            _ => None,
        })
}

/// Compiles a C file beside the script; statically, as the guest may have no C library, unless
/// options follow its name.
fn build_program(script: &Path, program: &str, place: &Path) -> Result<(), String> {
    let (source, options) = program
        .split_once(' ')
        .unwrap_or((program, "-O1 -static -pthread"));
    let source = script.with_file_name(source);
    let target = place.join(source.file_stem().unwrap_or_default());
    let mut command = Command::new("gcc");
    command
        .arg("-g")
        .args(options.split_whitespace())
        .arg("-o")
        .arg(target)
        .arg(&source);
    let output = capture(&mut command, Duration::from_secs(60).as_secs())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("cannot compile {}: {text}", source.display()))
}
