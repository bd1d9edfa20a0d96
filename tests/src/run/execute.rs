// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of a test that happens in the guest.

use std::time::Instant;

use rstap_vm::guest::{Case, Ending, Guest, Machine, Root, can_share_host_files, quote, quote_all};
use rstap_vm::initramfs::PackedFile;
use rstap_vm::{KernelSet, Outcome, splat};

use super::Prepared;
use crate::expect::{Actual, compare};
use crate::programs::Programs;
use crate::report::{Report, Verdict, shown};

/// Runs all tests, in one boot unless a test kills the machine or hurts its kernel.
pub fn run_all(
    tests: &[Prepared],
    programs: &Programs,
    kernel: &KernelSet,
    report: &mut Report,
) -> Result<(), String> {
    let machine = machine(tests, programs, kernel);
    let mut guest: Option<Guest> = None;
    for (index, test) in tests.iter().enumerate() {
        let mut running = match guest.take() {
            Some(running) => running,
            None => machine.boot().map_err(|error| error.to_string())?,
        };
        let start = Instant::now();
        let (verdict, usable) = run_one(index, test, programs, &mut running);
        report.add(&test.name, start.elapsed() + test.compiled_in, &verdict);
        if usable {
            guest = Some(running);
        }
    }
    if let Some(guest) = guest {
        guest.power_off().map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn machine(tests: &[Prepared], programs: &Programs, kernel: &KernelSet) -> Machine {
    let root = if can_share_host_files() {
        Root::Host
    } else {
        let same_path = |path: &std::path::Path| PackedFile::new(path, path.display().to_string());
        let files = tests
            .iter()
            .filter_map(|test| std::fs::read_dir(&test.folder).ok())
            .flat_map(|entries| entries.flatten())
            .map(|entry| same_path(&entry.path()))
            .chain([same_path(&programs.staprun)])
            .collect();
        Root::Packed(files)
    };
    Machine::new(kernel.clone(), root)
}

/// Runs one test; false when the machine must not be used again.
fn run_one(
    index: usize,
    test: &Prepared,
    programs: &Programs,
    guest: &mut Guest,
) -> (Verdict, bool) {
    let case = Case {
        name: format!("test-{index}"),
        script: script(test, programs),
        stdin: Some(test.wanted.input.clone()),
        limit: test.wanted.limit,
    };
    let mut actual = Actual::default();
    let outcome = match guest.run(&case, &mut actual.stdout, &mut actual.stderr, None) {
        Ok(outcome) => outcome,
        Err(error) => return (Verdict::Failed(vec![error.to_string()]), false),
    };
    let verdict = judge(test, &mut actual, &outcome);
    let lost = matches!(outcome.ending, Ending::Lost(_));
    (
        verdict,
        !lost && outcome.splats.is_empty() && outcome.leaks.is_empty(),
    )
}

fn judge(test: &Prepared, actual: &mut Actual, outcome: &Outcome) -> Verdict {
    let mut problems = Vec::new();
    match &outcome.ending {
        Ending::Exited(status) => actual.status = *status,
        Ending::Expired => {
            actual.status = -1;
            problems.push(format!("not done after {} s", test.wanted.limit.as_secs()));
        }
        Ending::Lost(how) => {
            actual.status = -1;
            problems.push(how.clone());
        }
    }
    problems.extend(compare(&test.wanted, test.whole.as_deref(), actual));
    problems.extend(
        outcome
            .leaks
            .iter()
            .map(|leak| format!("left behind: {leak}")),
    );
    problems.extend(
        outcome
            .splats
            .iter()
            .map(|line| format!("kernel log: {line}")),
    );
    if problems.is_empty() {
        return Verdict::Passed;
    }
    problems.extend(shown("standard output", &actual.stdout));
    problems.extend(shown("standard error", &actual.stderr));
    if !outcome.splats.is_empty() || matches!(outcome.ending, Ending::Lost(_)) {
        problems.extend(shown(
            "kernel log",
            splat::excerpt(&outcome.log, 60).as_bytes(),
        ));
    }
    Verdict::Failed(problems)
}

/// The script for the guest's shell, which becomes the loader so that it gets the signals.
fn script(test: &Prepared, programs: &Programs) -> String {
    let folder = quote(&test.folder.display().to_string());
    let staprun = programs.staprun.display().to_string();
    let mut text = format!(
        "cd {folder}\nexport STAPRUN={} MODULE={}\n",
        quote(&staprun),
        quote(&test.module)
    );
    // Beneath the script: it is loaded first and goes last.
    let modules = &test.wanted.modules;
    for module in modules {
        text.push_str(&format!(
            "insmod {} || exit\n",
            quote(&format!("./{module}.ko"))
        ));
    }
    let (settings, options): (Vec<&str>, Vec<&str>) = test
        .wanted
        .loader_options
        .iter()
        .map(String::as_str)
        .partition(|word| !word.starts_with('-') && word.contains('='));
    let mut words = vec![staprun.as_str()];
    words.extend(options);
    if let Some(command) = &test.wanted.command {
        words.extend(["-c", command.as_str()]);
    }
    words.push(&test.module);
    words.extend(settings);
    let loader = quote_all(words);
    match &test.wanted.shell {
        Some(shell) => text.push_str(shell),
        None if modules.is_empty() => text.push_str(&format!("exec {loader}")),
        None => text.push_str(&loader),
    }
    text.push('\n');
    if !modules.is_empty() {
        text.push_str("status=$?\n");
        for module in modules.iter().rev() {
            text.push_str(&format!("rmmod {}\n", quote(module)));
        }
        text.push_str("exit $status\n");
    }
    text
}
