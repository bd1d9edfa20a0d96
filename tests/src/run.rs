// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of whole scripts: compiled here, all run in one virtual machine.

mod batch;
mod compile;
mod execute;

pub use compile::symbols_alone;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use rstap_vm::KernelSet;

use crate::corpus::{Script, doubled, examples, scripts};
use crate::directives::Directives;
use crate::modules::Built;
use crate::options::Options;
use crate::programs::Programs;
use crate::report::{Report, Verdict};

/// Documents whose examples are run.
const DOCUMENTS: [&str; 1] = ["docs/language.md"];

/// A script that is ready to run in the guest.
#[derive(Debug)]
pub struct Prepared {
    pub name: String,
    pub wanted: Directives,
    /// The whole expected output, if there is a file with it.
    pub whole: Option<String>,
    /// The folder that holds the kernel's `lib/modules`.
    pub kernel: PathBuf,
    /// Where it runs; holds the module and helper programs.
    pub folder: PathBuf,
    /// The file in it to load.
    pub module: String,
    /// What the compiler said on standard error.
    pub warnings: Vec<u8>,
    /// True if nothing may be said on standard error but what is wanted.
    pub strict: bool,
    /// How long the compiler took.
    pub compiled_in: Duration,
}

/// How many times as long as on an idle machine a test may take: others may be busy with it, too.
const SLACK: u32 = 4;

/// What compiling gave.
#[derive(Debug)]
pub enum Compiled {
    Ready(Box<Prepared>),
    /// There is nothing to run: the verdict is known.
    Decided(String, Duration, Verdict),
}

/// How many times as long and as often as usual tests that ask `$STRESS` shall go on: `$RSTAP_STRESS`.
pub fn stress() -> u32 {
    std::env::var("RSTAP_STRESS")
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or(1, |factor: u32| factor.max(1))
}

/// How long a test may take in the guest.
fn limit(wanted: &Directives) -> Duration {
    wanted.limit.saturating_mul(stress()).saturating_mul(SLACK)
}

/// Runs all scripts in `tests/run`, and the examples of the documents.
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
    let mut tests = doubled(scripts("run")?);
    for document in DOCUMENTS {
        tests.extend(examples(document)?);
    }
    tests.retain(|test| options.selects(&test.name));
    println!("{} scripts for {}", tests.len(), kernel.release);
    let start = Instant::now();
    let mut report = Report::default();
    run_scripts(&tests, &programs, &kernel, &options.boot, &mut report)?;
    println!("in {:.1} s", start.elapsed().as_secs_f64());
    println!("\n{}", report.row(&kernel.release));
    Ok(report)
}

/// Compiles scripts on all processors and runs them in one virtual machine as they are ready.
pub fn run_scripts(
    tests: &[Script],
    programs: &Programs,
    kernel: &KernelSet,
    boot: &[String],
    report: &mut Report,
) -> Result<(), String> {
    let folder = tempfile::Builder::new()
        .prefix("rstap-run-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let (sender, compiled) = channel();
    let next = AtomicUsize::new(0);
    let modules = Built::new(folder.path());
    std::thread::scope(|scope| {
        let (next, modules, place) = (&next, &modules, folder.path());
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let sender = sender.clone();
            scope.spawn(move || {
                compile_some(tests, programs, kernel, modules, place, next, &sender)
            });
        }
        drop(sender);
        let finished = execute::run_all(compiled, programs, kernel, boot, report);
        // Whoever still compiles has nobody to compile for if running failed.
        next.store(tests.len(), Ordering::Relaxed);
        finished
    })
}

/// Compiles scripts that no other thread has taken, until there are none.
fn compile_some(
    tests: &[Script],
    programs: &Programs,
    kernel: &KernelSet,
    modules: &Built,
    folder: &Path,
    next: &AtomicUsize,
    done: &Sender<Compiled>,
) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(test) = tests.get(index) else { break };
        let place = folder.join(format!("{index:04}"));
        let result = compile::compile(test, index, programs, kernel, modules, &place);
        if done.send(result).is_err() {
            break;
        }
    }
}
