// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of whole scripts: compiled here, all run in one virtual machine.

mod compile;
mod execute;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rstap_vm::KernelSet;

use crate::directives::Directives;
use crate::modules::Built;
use crate::options::Options;
use crate::programs::{Programs, scripts};
use crate::report::{Report, Verdict};

/// A script under test.
#[derive(Debug)]
pub struct Test {
    /// Its path below `tests`.
    pub name: String,
    pub path: PathBuf,
}

/// A script that is ready to run in the guest.
#[derive(Debug)]
pub struct Prepared {
    pub name: String,
    pub wanted: Directives,
    /// The whole expected output, if there is a file with it.
    pub whole: Option<String>,
    /// Where it runs; holds the module and helper programs.
    pub folder: PathBuf,
    /// The file in it to load.
    pub module: String,
    /// How long the compiler took.
    pub compiled_in: Duration,
}

/// What compiling gave.
#[derive(Debug)]
pub enum Compiled {
    Ready(Box<Prepared>),
    /// There is nothing to run: the verdict is known.
    Decided(String, Duration, Verdict),
}

/// Runs all scripts in `tests/run`.
pub fn main() -> ExitCode {
    let options = Options::from_environment();
    match run(&options) {
        Ok(report) => report.finish(),
        Err(problem) => {
            eprintln!("{problem}");
            println!("\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Report, String> {
    let programs = Programs::find()?;
    let kernel = rstap_vm::kernels::find(options.kernel.as_deref()).map_err(|e| e.to_string())?;
    let tests: Vec<Test> = scripts("run")
        .into_iter()
        .filter(|(name, _)| options.selects(name))
        .map(|(name, path)| Test { name, path })
        .collect();
    println!("{} scripts for {}", tests.len(), kernel.release);
    let folder = tempfile::Builder::new()
        .prefix("rstap-run-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let start = Instant::now();
    let compiled = compile_all(&tests, &programs, &kernel, folder.path());
    println!("compiled in {:.1} s", start.elapsed().as_secs_f64());

    let mut report = Report::default();
    let mut ready = Vec::new();
    for item in compiled {
        match item {
            Compiled::Ready(prepared) => ready.push(*prepared),
            Compiled::Decided(name, took, verdict) => report.add(&name, took, &verdict),
        }
    }
    execute::run_all(&ready, &programs, &kernel, &mut report)?;
    Ok(report)
}

/// Compiles with as many threads as there are CPUs; results are in the order of the tests.
fn compile_all(
    tests: &[Test],
    programs: &Programs,
    kernel: &KernelSet,
    folder: &std::path::Path,
) -> Vec<Compiled> {
    let next = AtomicUsize::new(0);
    let modules = Built::default();
    let results: Mutex<Vec<(usize, Compiled)>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(test) = tests.get(index) else { break };
                    let result = compile::compile(test, index, programs, kernel, &modules, folder);
                    results
                        .lock()
                        .unwrap_or_else(|poison| poison.into_inner())
                        .push((index, result));
                }
            });
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
