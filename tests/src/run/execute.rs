// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of a test that happens in the guest.

use std::sync::mpsc::Receiver;
use std::time::Instant;

use rstap_vm::guest::{Case, Ending, Guest, Machine, Root, can_share_host_files, quote, quote_all};
use rstap_vm::initramfs::PackedFile;
use rstap_vm::{KernelSet, Outcome, splat};

use super::{Compiled, Prepared, batch};
use crate::expect::{Actual, compare};
use crate::programs::Programs;
use crate::report::{Report, Verdict, shown};

/// Runs tests as they come from the compiler, in one boot unless a test kills the machine or hurts
/// its kernel.
pub fn run_all(
    compiled: Receiver<Compiled>,
    programs: &Programs,
    kernel: &KernelSet,
    boot: &[String],
    report: &mut Report,
) -> Result<(), String> {
    // A guest without the host's files gets all that it needs at boot.
    let shared = can_share_host_files();
    let packed: Vec<Compiled> = if shared {
        Vec::new()
    } else {
        compiled.iter().collect()
    };
    let mut machine = machine(shared, &packed, programs, kernel);
    machine.kernel_arguments = boot.to_vec();
    let mut runner = Runner {
        machine,
        guest: None,
        programs,
        report,
        requests: 0,
    };
    let mut batch = Vec::new();
    for item in packed.into_iter().chain(compiled) {
        match item {
            Compiled::Decided(name, took, verdict) => runner.report.add(&name, took, &verdict),
            Compiled::Ready(test) if fits_a_batch(&test) => batch.push(*test),
            Compiled::Ready(test) => runner.run_alone(&test)?,
        }
        if batch.len() == batch::SIZE {
            runner.run_batch(&std::mem::take(&mut batch))?;
        }
    }
    runner.run_batch(&batch)?;
    match runner.guest {
        Some(guest) => guest
            .power_off()
            .map(|_| ())
            .map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

/// Small scripts need no request of their own.
fn fits_a_batch(test: &Prepared) -> bool {
    test.strict && test.wanted.shell.is_none() && test.wanted.input.is_empty()
}

struct Runner<'a> {
    machine: Machine,
    guest: Option<Guest>,
    programs: &'a Programs,
    report: &'a mut Report,
    /// How many requests were sent to guests.
    requests: usize,
}

impl Runner<'_> {
    /// The running guest, or a new one.
    fn guest(&mut self) -> Result<Guest, String> {
        self.requests += 1;
        match self.guest.take() {
            Some(running) => Ok(running),
            None => self.machine.boot().map_err(|error| error.to_string()),
        }
    }

    fn run_batch(&mut self, tests: &[Prepared]) -> Result<(), String> {
        if tests.is_empty() {
            return Ok(());
        }
        let mut guest = self.guest()?;
        let case = batch::case(self.requests, tests, self.programs);
        let start = Instant::now();
        let mut actual = Actual::default();
        let outcome = guest.run(&case, &mut actual.stdout, &mut actual.stderr, None);
        let took = start.elapsed() / u32::try_from(tests.len()).unwrap_or(u32::MAX);
        let outcome = outcome.map_err(|error| error.to_string())?;
        if let Some(each) = batch::split(&outcome, &actual, tests.len()) {
            self.guest = Some(guest);
            for (test, mut actual) in tests.iter().zip(each) {
                let outcome = Outcome {
                    ending: Ending::Exited(actual.status),
                    ..outcome.clone()
                };
                let verdict = judge(test, &mut actual, &outcome);
                self.report
                    .add(&test.name, took + test.compiled_in, &verdict);
            }
            return Ok(());
        }
        // Somebody in it is to blame.
        drop(guest);
        for test in tests {
            self.run_alone(test)?;
        }
        Ok(())
    }

    fn run_alone(&mut self, test: &Prepared) -> Result<(), String> {
        let mut guest = self.guest()?;
        let start = Instant::now();
        let (verdict, usable) = run_one(self.requests, test, self.programs, &mut guest);
        let took = start.elapsed() + test.compiled_in;
        self.report.add(&test.name, took, &verdict);
        self.guest = Some(guest).filter(|_| usable);
        Ok(())
    }
}

fn machine(shared: bool, packed: &[Compiled], programs: &Programs, kernel: &KernelSet) -> Machine {
    let root = if shared {
        Root::Host
    } else {
        let same_path = |path: &std::path::Path| PackedFile::new(path, path.display().to_string());
        let files = packed
            .iter()
            .filter_map(|item| match item {
                Compiled::Ready(test) => std::fs::read_dir(&test.folder).ok(),
                Compiled::Decided(..) => None,
            })
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
        script: command(test, programs),
        stdin: Some(test.wanted.input.clone()),
        limit: super::limit(&test.wanted),
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
    let mut stderr = test.warnings.clone();
    stderr.append(&mut actual.stderr);
    actual.stderr = stderr;
    if test.strict && test.wanted.errors.is_empty() && !actual.stderr.is_empty() {
        problems.push("standard error is not empty".to_string());
    }
    match &outcome.ending {
        Ending::Exited(status) => actual.status = *status,
        Ending::Expired => {
            actual.status = -1;
            problems.push(format!(
                "not done after {} s",
                super::limit(&test.wanted).as_secs()
            ));
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

/// For what takes effect some time after it was asked for.
const AWAIT: &str = "await() { wanted=$1; shift; for turn in $(seq 100); do got=$(\"$@\"); \
                     [ \"$got\" = \"$wanted\" ] && break; sleep 0.1; done; echo \"$got\"; }\n";

/// The script for the guest's shell, which becomes the loader so that it gets the signals.
pub fn command(test: &Prepared, programs: &Programs) -> String {
    let folder = quote(&test.folder.display().to_string());
    let staprun = programs.staprun.display().to_string();
    let mut text = format!(
        "cd {folder}\nexport STAPRUN={} MODULE={} KERNEL={} STRESS={}\n",
        quote(&staprun),
        quote(&test.module),
        quote(&test.kernel.display().to_string()),
        super::stress()
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
        Some(shell) => text.push_str(&format!("{AWAIT}{shell}")),
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
