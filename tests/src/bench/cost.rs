// SPDX-License-Identifier: GPL-2.0-or-later
//! What a probe adds to one system call, in guest instructions.
//!
//! The guest's clock counts instructions (`-icount`), so the numbers repeat exactly and do not
//! depend on the host. They leave out what hardware adds for exceptions and caches.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rstap_vm::KernelSet;
use rstap_vm::guest::{Accelerator, Case, Ending, Guest, Machine, Root, quote};
use rstap_vm::initramfs::PackedFile;
use rstap_vm::process::find_program;

use super::{Options, print_table};
use crate::corpus::scripts;
use crate::modules;
use crate::programs::{Programs, capture};

/// One script of `tests/bench`, with the facts in its comments.
struct Script {
    title: String,
    module: String,
    limit: String,
    floor: String,
    systemtap: String,
    bpftrace: String,
    bpftrace_program: Option<String>,
}

/// Instructions of one call.
#[derive(Debug, Clone, Copy)]
struct Sample {
    median: i64,
    mean: i64,
}

pub(super) const RESULT: &str = "/run/rstap/result";

/// Measures all selected scripts and prints the table.
pub fn table(options: &Options, programs: &Programs, kernel: &KernelSet) -> Result<(), String> {
    let folder = tempfile::Builder::new()
        .prefix("rstap-bench-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let place = folder.path();
    let sources = crate::programs::tests_folder().join("bench");
    run(Command::new("gcc")
        .args(["-O2", "-static", "-o"])
        .arg(place.join("caller"))
        .arg(sources.join("caller.c")))?;
    modules::build(&sources.join("floor"), &place.join("floor"), kernel)?;
    let scripts = compile_scripts(options, programs, kernel, place)?;

    let mut guest = boot(options, programs, kernel, place)?;
    let call = format!("{} {RESULT}", place.join("caller").display());
    let base = sample(&mut guest, "base", &format!("{call}; cat {RESULT}"))
        .map_err(|problem| format!("the call alone cannot be measured: {problem}"))?;
    println!(
        "Guest instructions that a probe adds to one getppid() of {} instructions on {}\n\
         (median; SystemTap's and bpftrace's numbers are for 6.1)\n",
        base.median, kernel.release
    );
    bare_hooks(&mut guest, &call, place, base)?;
    let mut rows = vec![heading(options)];
    for script in &scripts {
        rows.push(row(
            &mut guest, script, programs, place, &call, base, options,
        )?);
    }
    print_table(&rows);
    println!();
    guest.power_off().map_err(|error| error.to_string())?;
    Ok(())
}

fn heading(options: &Options) -> Vec<String> {
    let mut heading = vec!["script", "kernel's floor", "SystemTap 5.6", "bpftrace 0.17"];
    if !options.no_bpftrace {
        heading.push("bpftrace here");
    }
    heading.extend(["to reach", "rstap", "mean", ""]);
    heading.into_iter().map(str::to_string).collect()
}

fn row(
    guest: &mut Guest,
    script: &Script,
    programs: &Programs,
    place: &Path,
    call: &str,
    base: Sample,
    options: &Options,
) -> Result<Vec<String>, String> {
    let text = format!(
        "cd {}\n{} -o /dev/null -c {} {} || exit\ncat {RESULT}\n",
        quote(&place.display().to_string()),
        quote(&programs.staprun.display().to_string()),
        quote(call),
        script.module,
    );
    let mut cells = vec![
        format!("`{}`", script.title),
        script.floor.clone(),
        script.systemtap.clone(),
        script.bpftrace.clone(),
    ];
    if !options.no_bpftrace {
        cells.push(bpftrace(guest, script, call, base));
    }
    cells.push(format!("≤ {}", script.limit));
    match sample(guest, &script.module.replace(".ko", ""), &text) {
        Ok(found) => {
            let added = found.median - base.median;
            let limit: i64 = script.limit.parse().unwrap_or(i64::MAX);
            cells.push(added.to_string());
            cells.push((found.mean - base.mean).to_string());
            cells.push(if added <= limit { "reached" } else { "over" }.to_string());
        }
        Err(problem) => {
            cells.extend(["–".to_string(), "–".to_string(), "failed".to_string()]);
            eprintln!("{}: {problem}", script.title);
        }
    }
    Ok(cells)
}

fn bpftrace(guest: &mut Guest, script: &Script, call: &str, base: Sample) -> String {
    let Some(program) = &script.bpftrace_program else {
        return "–".to_string();
    };
    let text = format!(
        "/usr/bin/bpftrace -c {} -e {} >/dev/null || exit\ncat {RESULT}\n",
        quote(call),
        quote(program)
    );
    match sample(guest, "bpftrace", &text) {
        Ok(found) => (found.median - base.median).to_string(),
        Err(problem) => {
            eprintln!("bpftrace: {}: {problem}", script.title);
            "–".to_string()
        }
    }
}

/// The same count by the kernel's hooks alone, for the title line.
fn bare_hooks(guest: &mut Guest, call: &str, place: &Path, base: Sample) -> Result<(), String> {
    let mut parts = Vec::new();
    for mode in ["ftrace", "kprobe", "kretprobe", "tracepoint"] {
        let text = format!(
            "insmod {} mode={mode} || exit\n{call}\nrmmod floor\ncat {RESULT}\n",
            place.join("floor/floor.ko").display()
        );
        let found = sample(guest, mode, &text)
            .map_err(|problem| format!("the bare {mode} cannot be measured: {problem}"))?;
        parts.push(format!("{mode} {}", found.median - base.median));
    }
    println!(
        "Bare hooks with one per-CPU increment: {}\n",
        parts.join(", ")
    );
    Ok(())
}

/// Runs a guest script that prints "minimum median mean" last.
fn sample(guest: &mut Guest, name: &str, text: &str) -> Result<Sample, String> {
    match numbers(guest, name, text)?.as_slice() {
        [_, median, mean] => Ok(Sample {
            median: *median,
            mean: *mean,
        }),
        found => Err(format!("no result: {found:?}")),
    }
}

/// The numbers of the last line that a guest script prints.
pub(super) fn numbers(guest: &mut Guest, name: &str, text: &str) -> Result<Vec<i64>, String> {
    let mut case = Case::new(name, text);
    case.limit = Duration::from_secs(300);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let outcome = guest
        .run(&case, &mut stdout, &mut stderr, None)
        .map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&stdout);
    let stderr = String::from_utf8_lossy(&stderr);
    if outcome.ending != Ending::Exited(0) || !outcome.splats.is_empty() {
        return Err(format!(
            "{:?} {:?} {stderr}{stdout}",
            outcome.ending, outcome.splats
        ));
    }
    let last = stdout.lines().last().unwrap_or_default();
    last.split_whitespace()
        .map(|word| {
            word.parse()
                .map_err(|_| format!("no result: {stdout}{stderr}"))
        })
        .collect()
}

fn compile_scripts(
    options: &Options,
    programs: &Programs,
    kernel: &KernelSet,
    place: &Path,
) -> Result<Vec<Script>, String> {
    let mut found = Vec::new();
    for (index, script) in scripts("bench")?.into_iter().enumerate() {
        let (name, text) = (script.name, script.text);
        if !options.selects(&name) {
            continue;
        }
        let fact = |key: &str| {
            let start = format!("// {key}: ");
            text.lines()
                .find_map(|line| line.strip_prefix(&start))
                .map(str::to_string)
        };
        let module = format!("rstap_bench_{index}");
        let mut command = Command::new(&programs.rstap);
        command.args(["-p4", "-m", &module, "-r", &kernel.release]);
        command
            .arg("--sysroot")
            .arg(&kernel.sysroot)
            .arg(&script.file)
            .current_dir(place);
        if let Err(problem) = run(&mut command) {
            eprintln!("{name}: {problem}");
            continue;
        }
        found.push(Script {
            title: fact("TITLE").unwrap_or(name),
            module: format!("{module}.ko"),
            limit: fact("LIMIT").unwrap_or_default(),
            floor: fact("FLOOR").unwrap_or_default(),
            systemtap: fact("SYSTEMTAP").unwrap_or_default(),
            bpftrace: fact("BPFTRACE").unwrap_or_default(),
            bpftrace_program: fact("BPFTRACE-PROGRAM"),
        });
    }
    Ok(found)
}

/// Runs a program that must succeed; gives its standard error.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = capture(command, 300)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let name = command.get_program().to_string_lossy().into_owned();
    Err(format!(
        "{name} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn boot(
    options: &Options,
    programs: &Programs,
    kernel: &KernelSet,
    place: &Path,
) -> Result<Guest, String> {
    let root = if !options.no_bpftrace {
        if find_program("bpftrace").is_none() {
            return Err(
                "bpftrace is not installed; install it with: apt-get install bpftrace, or leave \
                 it out with --no-bpftrace"
                    .into(),
            );
        }
        Root::Host
    } else {
        // Nothing else runs in a packed guest.
        let mut files = vec![packed(&programs.staprun)];
        for entry in walkdir::WalkDir::new(place).into_iter().flatten() {
            let module = entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "ko");
            if entry.file_type().is_file() && (module || entry.file_name() == "caller") {
                files.push(packed(entry.path()));
            }
        }
        Root::Packed(files)
    };
    let mut machine = Machine::new(kernel.clone(), root);
    machine.accelerator = Accelerator::CountedTcg;
    machine.boot().map_err(|error| error.to_string())
}

/// A file at the same place in the guest.
pub(super) fn packed(path: &Path) -> PackedFile {
    PackedFile::new(path, path.display().to_string())
}
