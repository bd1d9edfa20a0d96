// SPDX-License-Identifier: GPL-2.0-or-later
//! How long a traced process is held up when probes are set and taken out.
//!
//! `tests/bench/pause.c` runs at the highest priority on a guest's only CPU. Its calls take longer
//! by what probes cost and by locks that are held meanwhile; it wakes up late when the kernel is
//! busy for long without looking for others, as it is when any ftrace hook is set (second row). The
//! guest's clock counts instructions: a millisecond is a million of them.

use std::path::Path;
use std::process::Command;

use rstap_vm::KernelSet;
use rstap_vm::guest::{Accelerator, Guest, Machine, Root, quote};

use super::cost::{RESULT, numbers, packed, run};
use super::{Options, print_table};
use crate::modules;
use crate::programs::Programs;

/// The calls may take no more than this many nanoseconds.
const LIMIT: i64 = 1_000_000;

/// More than a thousand functions of the kernel, many of which the process calls.
const FUNCTIONS: &str = "kernel.function(\"vfs_*\").call?, kernel.function(\"__x64_sys_*\").call?, \
    kernel.function(\"tcp_*\").call?, kernel.function(\"d_*\").call?, \
    kernel.function(\"*_open\").call?, kernel.function(\"*_read\").call?, \
    kernel.function(\"*_write\").call?";
const OWN_FUNCTIONS: &str = "process(\"{}\").function(\"own_*\").call";

/// What happens meanwhile: a title, probe points, and whether a condition switches them.
const JOBS: &[(&str, &str, bool)] = &[
    (
        "functions of the kernel, set and taken out",
        FUNCTIONS,
        false,
    ),
    (
        "the same, switched ten times by a condition",
        FUNCTIONS,
        true,
    ),
    ("functions of the process itself", OWN_FUNCTIONS, false),
    (
        "the same, switched ten times by a condition",
        OWN_FUNCTIONS,
        true,
    ),
];

/// Measures and prints the table.
pub fn table(options: &Options, programs: &Programs, kernel: &KernelSet) -> Result<(), String> {
    let folder = tempfile::Builder::new()
        .prefix("rstap-pause-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let place = folder.path();
    let program = place.join("pause");
    let sources = crate::programs::tests_folder().join("bench");
    run(Command::new("gcc")
        .args(["-O2", "-g", "-static", "-o"])
        .arg(&program)
        .arg(sources.join("pause.c")))?;
    modules::build(&sources.join("floor"), &place.join("floor"), kernel)?;
    let mut files = vec![
        packed(&programs.staprun),
        packed(&program),
        packed(&place.join("floor/floor.ko")),
    ];
    let mut scripts = Vec::new();
    for (index, (title, points, is_switched)) in JOBS.iter().enumerate() {
        let name = format!("rstap_pause_{index}");
        let points = points.replace("{}", &program.display().to_string());
        let condition = if *is_switched { " if (on)" } else { "" };
        let script = format!(
            "global n, on, flips probe {points}{condition} {{ n++ }} \
             probe timer.ms(200) {{ on = !on if (++flips == 10) exit() }} \
             probe end {{ println(n > 0 ? \"hit\" : \"never hit\") }}"
        );
        let mut command = Command::new(&programs.rstap);
        command
            .args([
                "-p4",
                "-v",
                "-m",
                &name,
                "-r",
                &kernel.release,
                "-e",
                &script,
            ])
            .args(["-DSTP_NO_OVERLOAD", "--sysroot"])
            .arg(&kernel.sysroot)
            .current_dir(place);
        let said = run(&mut command)?;
        scripts.push((
            format!("{} {title}", probes(&said)),
            place.join(format!("{name}.ko")),
        ));
    }
    files.extend(scripts.iter().map(|(_, module)| packed(module)));
    let mut machine = Machine::new(kernel.clone(), Root::Packed(files));
    machine.accelerator = Accelerator::CountedTcg;
    let mut guest = machine.boot().map_err(|error| error.to_string())?;

    let mut rows = vec![
        ["meanwhile", "wake-up", "calls", ""]
            .map(String::from)
            .to_vec(),
    ];
    let floor = place.join("floor/floor.ko").display().to_string();
    let others = [
        ("nothing".to_owned(), "sleep 2".to_owned()),
        (
            "a module of one ftrace hook comes and goes".to_owned(),
            format!("insmod {floor} mode=ftrace; sleep 1; rmmod floor"),
        ),
    ];
    let ours = scripts.iter().map(|(title, module)| {
        let staprun = quote(&programs.staprun.display().to_string());
        let text = format!(
            "test \"$({staprun} {})\" = hit",
            quote(&module.display().to_string())
        );
        (title.clone(), text)
    });
    for (title, text) in others.into_iter().chain(ours) {
        if options.selects(&title) {
            rows.push(row(&mut guest, &program, title, &text)?);
        }
    }
    println!(
        "Longest pause of a process on {}, in guest instructions (nanoseconds)\n",
        kernel.release
    );
    print_table(&rows);
    println!();
    guest.power_off().map_err(|error| error.to_string())?;
    Ok(())
}

/// The number of probes, of `Pass 2: analyzed script: N probes, …`.
fn probes(said: &str) -> String {
    said.split_once("analyzed script: ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .unwrap_or_default()
        .to_owned()
}

fn row(
    guest: &mut Guest,
    program: &Path,
    title: String,
    text: &str,
) -> Result<Vec<String>, String> {
    let text = format!(
        "{} {RESULT} & p=$!; sleep 1; {text} || exit; kill -TERM $p; wait $p; cat {RESULT}",
        quote(&program.display().to_string())
    );
    let found = numbers(guest, "pause", &text).map_err(|problem| format!("{title}: {problem}"))?;
    let [wake_up, calls, _] = found.as_slice() else {
        return Err(format!("{title}: no result"));
    };
    let verdict = if *calls < LIMIT { "reached" } else { "over" };
    Ok(vec![
        title,
        wake_up.to_string(),
        calls.to_string(),
        verdict.to_owned(),
    ])
}
