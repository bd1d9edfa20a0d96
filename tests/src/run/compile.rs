// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of a test that happens here: passes 1 to 4, and helper programs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rstap_vm::KernelSet;

use super::{Compiled, Prepared, Test};
use crate::directives::{self, Directives, Requirement, version_numbers};
use crate::expect::{Actual, compare};
use crate::modules::Built;
use crate::programs::{Programs, capture};
use crate::report::{Verdict, shown};

/// The first script on a kernel compiles the runtime as well.
const LIMIT: u64 = 240;

/// Compiles one test into a folder of its own below `folder`.
pub fn compile(
    test: &Test,
    index: usize,
    programs: &Programs,
    kernel: &KernelSet,
    modules: &Built,
    folder: &Path,
) -> Compiled {
    let place = &folder.join(format!("{index:04}"));
    let start = Instant::now();
    let decided = |verdict| Compiled::Decided(test.name.clone(), start.elapsed(), verdict);
    let provide = |name: &str| {
        let source = test.path.with_file_name(name);
        modules.provide(&source, place, folder, kernel)
    };
    match prepare(test, index, programs, kernel, place, &provide, start) {
        Ok(Ok(prepared)) => Compiled::Ready(Box::new(prepared)),
        Ok(Err(verdict)) => decided(verdict),
        Err(problem) => decided(Verdict::Failed(vec![problem])),
    }
}

fn prepare(
    test: &Test,
    index: usize,
    programs: &Programs,
    kernel: &KernelSet,
    place: &Path,
    provide: &dyn Fn(&str) -> Result<(), String>,
    start: Instant,
) -> Result<Result<Prepared, Verdict>, String> {
    let script = std::fs::read_to_string(&test.path).map_err(|error| error.to_string())?;
    let wanted = directives::parse(&script)?;
    if let Some(reason) = unmet(&wanted, kernel) {
        return Ok(Err(Verdict::Skipped(reason)));
    }
    std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
    for program in &wanted.programs {
        build_program(&test.path, program, place)?;
    }
    for module in &wanted.modules {
        provide(module)?;
    }
    let name = format!("rstap_test_{index}");
    let mut command = Command::new(&programs.rstap);
    command.args(["-p4", "-m", &name, "-r", &kernel.release]);
    command.arg("--sysroot").arg(&kernel.sysroot);
    command
        .args(&wanted.options)
        .arg(&test.path)
        .args(&wanted.arguments)
        .current_dir(place);
    let output = capture(&mut command, LIMIT)?;
    let whole = std::fs::read_to_string(test.path.with_extension("out")).ok();
    if !output.status.success() {
        let status = output.status.code().unwrap_or(-1);
        return Ok(Err(judge_failure(
            &wanted,
            output.stdout,
            output.stderr,
            status,
        )));
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
        whole,
        folder: place.to_path_buf(),
        module,
        compiled_in: start.elapsed(),
    }))
}

/// A script that does not compile passes only if it says that it must not.
fn judge_failure(wanted: &Directives, stdout: Vec<u8>, stderr: Vec<u8>, status: i32) -> Verdict {
    if wanted.errors.is_empty() {
        let mut problems = vec![format!("does not compile (status {status})")];
        problems.extend(shown("standard error", &stderr));
        return Verdict::Failed(problems);
    }
    let mut wanted = wanted.clone();
    wanted.lines.clear();
    if wanted.status == 0 {
        wanted.status = 1;
    }
    let actual = Actual {
        stdout,
        stderr,
        status,
    };
    let mut problems = compare(&wanted, None, &actual);
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
                Some("the kernel's debug files are not here".to_string())
            }
            Requirement::Kernel(version) if version_numbers(&kernel.release) < *version => {
                Some(format!("the kernel {} is too old", kernel.release))
            }
            _ => None,
        })
}

/// Compiles a C file beside the script; statically, as the guest may have no C library.
fn build_program(script: &Path, source: &str, place: &Path) -> Result<(), String> {
    let source = script.with_file_name(source);
    let target = place.join(source.file_stem().unwrap_or_default());
    let mut command = Command::new("gcc");
    command
        .args(["-O1", "-g", "-static", "-pthread", "-o"])
        .arg(target)
        .arg(&source);
    let output = capture(&mut command, Duration::from_secs(60).as_secs())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("cannot compile {}: {text}", source.display()))
}
