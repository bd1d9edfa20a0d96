// SPDX-License-Identifier: GPL-2.0-or-later
//! How long a line takes from its probe to the end of the loader's pipe, and what arrives of the
//! lines of two busy CPUs. Both are measured by a program in a guest, by the guest's clock.

use std::process::Command;
use std::time::Duration;

use rstap_vm::KernelSet;
use rstap_vm::guest::{Case, Ending, Machine, Root};

use super::cost::{packed, run};
use super::print_table;
use crate::programs::{Programs, tests_folder};

/// Prints the time of each call of the program that measures.
const SCRIPT: &str = "probe kernel.function(\"__x64_sys_getppid\") { \
    if (execname() == \"latency\") printf(\"%d\\n\", gettimeofday_ns()) }";

/// Measures and prints.
pub fn table(programs: &Programs, kernel: &KernelSet) -> Result<(), String> {
    let folder = tempfile::Builder::new()
        .prefix("rstap-bench-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let sources = tests_folder().join("bench/latency");
    let program = folder.path().join("latency");
    let module = folder.path().join("latency.ko");
    run(Command::new("gcc")
        .args(["-O2", "-static", "-o"])
        .arg(&program)
        .arg(sources.join("latency.c")))?;
    run(Command::new(&programs.rstap)
        .args(["-p4", "-DSTP_NO_OVERLOAD", "-m", "latency", "-r"])
        .arg(&kernel.release)
        .arg("--sysroot")
        .arg(&kernel.sysroot)
        .args(["-e", SCRIPT])
        .current_dir(folder.path()))?;

    let files = [&program, &module, &programs.staprun].map(|file| packed(file));
    let machine = Machine::new(kernel.clone(), Root::Packed(files.to_vec()));
    let mut guest = machine.boot().map_err(|error| error.to_string())?;
    let line = [&program, &programs.staprun, &module].map(|file| file.display().to_string());
    let case = Case {
        limit: Duration::from_secs(300),
        ..Case::new("latency", line.join(" "))
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let outcome = guest
        .run(&case, &mut stdout, &mut stderr, None)
        .map_err(|error| error.to_string())?;
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    let numbers: Vec<u64> = stdout
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [median, longest, made, arrived, taken] = numbers[..] else {
        return Err(format!(
            "latency: {:?}: {stdout}{stderr}{}",
            outcome.ending, outcome.log
        ));
    };
    let lost = stderr
        .split_once("\"lost_messages\":")
        .and_then(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok());
    let (Some(lost), Ending::Exited(0)) = (lost, outcome.ending) else {
        return Err(format!("latency: no account: {stderr}{}", outcome.log));
    };
    println!("A line's way from its probe to whoever reads staprun, in an emulated machine\n");
    let exact = match arrived + lost == made {
        true => "all accounted for",
        false => "NOT ACCOUNTED FOR",
    };
    print_table(&[
        ["job", "to reach", "measured", ""]
            .map(str::to_owned)
            .to_vec(),
        vec![
            "idle, median of 101 lines".to_owned(),
            "≤ 50 ms".to_owned(),
            format!("{}.{:03} ms", median / 1000, median % 1000),
            format!("longest {} ms", longest.div_ceil(1000)),
        ],
        vec![
            format!("{made} lines of 2 CPUs"),
            "all counted".to_owned(),
            format!("{}/s", made * 1000 / taken.max(1)),
            format!("{arrived} arrived, {lost} lost: {exact}"),
        ],
    ]);
    println!();
    guest.power_off().map_err(|error| error.to_string())?;
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
