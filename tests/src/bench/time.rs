// SPDX-License-Identifier: GPL-2.0-or-later
//! How long the compiler takes on this machine, and how much memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rstap_vm::KernelSet;

use super::{Options, print_table};
use crate::programs::Programs;

/// A job of the table.
struct Job {
    title: &'static str,
    systemtap: &'static str,
    limit: f64,
    /// Megabytes, where no debug file is read.
    memory: Option<u64>,
    /// Arguments of rstap; `{}` becomes a number that was not used before, `{long}` the path of a
    /// script of 5,000 lines.
    arguments: &'static [&'static str],
    /// The number stays the same, so that the cache has the result.
    cached: bool,
    /// With an empty cache each time.
    first: bool,
}

const TWO_PROBES: &str = "probe kernel.function(\"vfs_read\") { println($file$$) } \
    probe kernel.function(\"vfs_write\") { println($file$$) } probe end { println({}) }";

const JOBS: &[Job] = &[
    Job {
        title: "-p4 of hello world, new script",
        systemtap: "1.73 s",
        limit: 0.10,
        memory: None,
        arguments: &["-p4", "-e", "probe begin { println(\"hello {}\") exit() }"],
        cached: false,
        first: false,
    },
    Job {
        title: "-p2 of hello world",
        systemtap: "0.24 s, 99 MB",
        limit: 0.015,
        memory: Some(60),
        arguments: &["-p2", "-e", "probe begin { println(\"hello {}\") exit() }"],
        cached: false,
        first: false,
    },
    Job {
        title: "-p2 of 5,000 lines",
        systemtap: "",
        limit: 0.15,
        memory: Some(60),
        arguments: &["-p2", "{long}"],
        cached: false,
        first: false,
    },
    Job {
        title: "-p4 with two DWARF function probes and $file$$",
        systemtap: "2.75 s",
        limit: 0.25,
        memory: None,
        arguments: &["-p4", "-e", TWO_PROBES],
        cached: false,
        first: false,
    },
    Job {
        title: "the same again, cached",
        systemtap: "0.15 s",
        limit: 0.02,
        memory: None,
        arguments: &["-p4", "-e", TWO_PROBES],
        cached: true,
        first: false,
    },
    Job {
        title: "first script ever on a kernel",
        systemtap: "9.2 s",
        limit: 3.0,
        memory: None,
        arguments: &["-p4", "-e", "probe begin { println(\"hello {}\") exit() }"],
        cached: false,
        first: true,
    },
    Job {
        title: "-l 'kernel.function(\"*\")'",
        systemtap: "97 s, 1.3 GB",
        limit: 1.0,
        memory: None,
        arguments: &["-l", "kernel.function(\"*\")"],
        cached: false,
        first: false,
    },
    Job {
        title: "-L 'kernel.function(\"vfs_*\")'",
        systemtap: "0.39 s",
        limit: 0.1,
        memory: None,
        arguments: &["-L", "kernel.function(\"vfs_*\")"],
        cached: false,
        first: false,
    },
    Job {
        title: "-L 'kernel.trace(\"*\")'",
        systemtap: "0.36 s",
        limit: 0.1,
        memory: None,
        arguments: &["-L", "kernel.trace(\"*\")"],
        cached: false,
        first: false,
    },
    Job {
        title: "-L 'syscall.*'",
        systemtap: "1.45 s",
        limit: 0.3,
        memory: None,
        arguments: &["-L", "syscall.*"],
        cached: false,
        first: false,
    },
];

/// Runs per job; the median counts.
const RUNS: usize = 5;

/// Runs of a job that compiles the whole runtime.
const FIRST_RUNS: usize = 1;

/// Measures all selected jobs and prints the table.
pub fn table(options: &Options, programs: &Programs, kernel: &KernelSet) -> Result<(), String> {
    let place = tempfile::Builder::new()
        .prefix("rstap-bench-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let long = place.path().join("long.stp");
    std::fs::write(&long, long_script())
        .map_err(|error| format!("cannot write {}: {error}", long.display()))?;
    println!("Times on this machine, warm, median of {RUNS}\n");
    let mut rows = vec![
        [
            "job",
            "SystemTap 5.6",
            "to reach",
            "rstap",
            "processor",
            "peak memory",
            "",
        ]
        .map(str::to_string)
        .to_vec(),
    ];
    for job in JOBS.iter().filter(|job| options.selects(job.title)) {
        let mut cells = vec![
            format!("`{}`", job.title),
            job.systemtap.to_string(),
            match job.memory {
                Some(megabytes) => format!("≤ {} s, {megabytes} MB", job.limit),
                None => format!("≤ {} s", job.limit),
            },
        ];
        match measure(job, programs, kernel, place.path()) {
            Ok(cost) => {
                let is_small = job.memory.is_none_or(|most| cost.kilobytes <= most * 1024);
                let is_reached = cost.seconds <= job.limit && is_small;
                cells.extend([
                    format!("{:.3} s", cost.seconds),
                    format!("{:.3} s", cost.processor),
                    format!("{} MB", cost.kilobytes / 1024),
                    if is_reached { "reached" } else { "over" }.to_string(),
                ]);
            }
            Err(problem) => {
                cells.extend(["–", "–", "–", "failed"].map(str::to_string));
                eprintln!("{}: {problem}", job.title);
            }
        }
        rows.push(cells);
    }
    print_table(&rows);
    Ok(())
}

/// 500 functions of ten lines, as long scripts have them, and a probe that calls them all.
fn long_script() -> String {
    let mut text = String::from("global hits, sizes\n");
    let mut calls = String::new();
    for number in 0..500 {
        text.push_str(&format!(
            "function step_{number}(key, size) {{\n\
             \tif (size > {number} && key != \"\") {{\n\
             \t\thits[key, size]++\n\
             \t\tsizes[key] <<< size * {number} + (size >> 3)\n\
             \t}} else\n\
             \t\thits[sprintf(\"%s-%d\", key, size), {number}] += size\n\
             \tfor (i = 0; i < 3; i++)\n\
             \t\tsize += i ? size : -i\n\
             \treturn size % 97\n\
             }}\n"
        ));
        calls.push_str(&format!(" n += step_{number}(\"k\", n)"));
    }
    text.push_str(&format!("probe begin {{ n = 1{calls} println(n) }}\n"));
    text
}

/// What a job took.
struct Cost {
    seconds: f64,
    /// Seconds of processors, of all processes together; hardly changes on a busy machine.
    processor: f64,
    /// The most at any time.
    kilobytes: u64,
}

/// The medians of the times, and the most memory.
fn measure(
    job: &Job,
    programs: &Programs,
    kernel: &KernelSet,
    place: &Path,
) -> Result<Cost, String> {
    let mut times = Vec::new();
    let mut processor = Vec::new();
    let mut memory = 0;
    let runs = if job.first { FIRST_RUNS } else { RUNS };
    eprintln!("measuring {}", job.title);
    // One more than counted, to warm up.
    for index in 0..=runs {
        let number = if job.cached { 0 } else { unique() };
        let mut command = Command::new(&programs.rstap);
        command
            .args(["-r", &kernel.release])
            .arg("--sysroot")
            .arg(&kernel.sysroot);
        for argument in job.arguments {
            let long = place.join("long.stp").display().to_string();
            command.arg(
                argument
                    .replace("{}", &number.to_string())
                    .replace("{long}", &long),
            );
        }
        if job.first {
            let cache = place.join(format!("cache-{index}"));
            command
                .env("RSTAP_CACHE_DIR", &cache)
                .env("XDG_CACHE_HOME", &cache);
        }
        command.current_dir(place);
        let before = children_time()?;
        let (seconds, kilobytes) = run(&mut command)?;
        memory = memory.max(kilobytes);
        if index > 0 {
            times.push(seconds);
            processor.push(children_time()? - before);
        }
    }
    Ok(Cost {
        seconds: median(times),
        processor: median(processor),
        kilobytes: memory,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Processor time of all children that have ended, in seconds.
fn children_time() -> Result<f64, String> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| error.to_string())?;
    let seconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// A number that differs from run to run and from day to day.
fn unique() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
        % 1_000_000_000_000_000
}

/// Runs to the end; gives seconds and the peak of resident memory in kB. The peak is read from
/// `/proc` while it runs, so a rise in the last millisecond can be missed.
fn run(command: &mut Command) -> Result<(f64, u64), String> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start rstap: {error}"))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status_file) {
            peak = peak_memory(&text).unwrap_or(peak);
        }
        match child.try_wait() {
            Ok(Some(status)) if status.success() => {
                return Ok((start.elapsed().as_secs_f64(), peak));
            }
            Ok(None) if start.elapsed() < Duration::from_secs(120) => {}
            Ok(None) => {
                // It may have ended just now; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                return Err("not done after 120 s".to_string());
            }
            Ok(Some(_)) => {
                use std::io::Read;
                let mut text = String::new();
                if let Some(mut pipe) = child.stderr.take() {
                    pipe.read_to_string(&mut text)
                        .map_err(|error| error.to_string())?;
                }
                return Err(text);
            }
            Err(error) => return Err(error.to_string()),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn peak_memory(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_script_has_five_thousand_lines() {
        assert_eq!(long_script().lines().count(), 5002);
    }

    #[test]
    fn peak_memory_is_read_from_the_status() {
        assert_eq!(peak_memory("Name:\tx\nVmHWM:\t  1234 kB\n"), Some(1234));
        assert_eq!(peak_memory("Name:\tx\n"), None);
    }
}
