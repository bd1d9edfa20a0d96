// SPDX-License-Identifier: GPL-2.0-or-later
//! How long the compiler takes on this machine, and how much memory.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rstap_vm::KernelSet;

use super::{Options, print_table};
use crate::programs::Programs;

/// A job of the table. SystemTap gets the same arguments.
struct Job {
    title: &'static str,
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

const ALL_OF_FS: &str = "probe kernel.function(\"*@fs/*.c\").call { \
    printf(\"%s %s\\n\", ppfunc(), $$parms) }";

const JOBS: &[Job] = &[
    Job {
        title: "-p4 of hello world, new script",
        limit: 0.10,
        memory: None,
        arguments: &["-p4", "-e", "probe begin { println(\"hello {}\") exit() }"],
        cached: false,
        first: false,
    },
    Job {
        title: "-p2 of hello world",
        limit: 0.015,
        memory: Some(60),
        arguments: &["-p2", "-e", "probe begin { println(\"hello {}\") exit() }"],
        cached: false,
        first: false,
    },
    Job {
        title: "-p2 of 5,000 lines",
        limit: 0.15,
        memory: Some(60),
        arguments: &["-p2", "{long}"],
        cached: false,
        first: false,
    },
    Job {
        title: "-p4 with two DWARF function probes and $file$$",
        limit: 0.25,
        memory: None,
        arguments: &["-p4", "-e", TWO_PROBES],
        cached: false,
        first: false,
    },
    Job {
        title: "the same again, cached",
        limit: 0.02,
        memory: None,
        arguments: &["-p4", "-e", TWO_PROBES],
        cached: true,
        first: false,
    },
    Job {
        title: "first script ever on a kernel",
        limit: 3.0,
        memory: None,
        arguments: &["-p4", "-e", "probe begin { println(\"hello {}\") exit() }"],
        cached: false,
        first: true,
    },
    Job {
        title: "-l 'kernel.function(\"*\")'",
        limit: 1.0,
        memory: Some(300),
        arguments: &["-l", "kernel.function(\"*\")"],
        cached: false,
        first: false,
    },
    Job {
        title: "-L 'kernel.function(\"vfs_*\")'",
        limit: 0.1,
        memory: None,
        arguments: &["-L", "kernel.function(\"vfs_*\")"],
        cached: false,
        first: false,
    },
    Job {
        title: "-L 'kernel.trace(\"*\")'",
        limit: 0.1,
        memory: None,
        arguments: &["-L", "kernel.trace(\"*\")"],
        cached: false,
        first: false,
    },
    Job {
        title: "-p3 of `*@fs/*.c` with ppfunc() and $$parms",
        limit: 1.0,
        memory: Some(400),
        arguments: &["-p3", "-e", ALL_OF_FS],
        cached: false,
        first: false,
    },
    Job {
        title: "-L 'syscall.*'",
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

/// What SystemTap may take: it has eaten whole machines.
const PEER_MEMORY_KB: u64 = 3_000_000;
const PEER_TIME: Duration = Duration::from_secs(60);

/// What rstap may take before it counts as hanging.
const TIME: Duration = Duration::from_secs(120);

/// What a program took.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    seconds: f64,
    /// User and system time, of all processes that were started.
    cpu_seconds: f64,
    /// Of the largest process.
    memory_kb: u64,
}

impl Taken {
    fn cells(&self) -> [String; 3] {
        [
            format!("{:.3} s", self.seconds),
            format!("{:.3} s", self.cpu_seconds),
            format!("{} MB", self.memory_kb / 1024),
        ]
    }
}

/// Measures all selected jobs and prints the table.
pub fn table(options: &Options, programs: &Programs, kernel: &KernelSet) -> Result<(), String> {
    let place = tempfile::Builder::new()
        .prefix("rstap-bench-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let long = place.path().join("long.stp");
    std::fs::write(&long, long_script())
        .map_err(|error| format!("cannot write {}: {error}", long.display()))?;
    let peer = peer_version();
    println!(
        "Times on this machine, warm, median of {RUNS}; SystemTap: {}, second run, at most {} s and \
         {} MB\n",
        peer.as_deref().unwrap_or("not installed"),
        PEER_TIME.as_secs(),
        PEER_MEMORY_KB / 1000,
    );
    let mut rows = vec![
        [
            "job",
            "to reach",
            "rstap",
            "CPU",
            "memory",
            "",
            "SystemTap",
            "CPU",
            "memory",
        ]
        .map(str::to_string)
        .to_vec(),
    ];
    for job in JOBS.iter().filter(|job| options.selects(job.title)) {
        let mut cells = vec![
            format!("`{}`", job.title),
            match job.memory {
                Some(megabytes) => format!("≤ {} s, {megabytes} MB", job.limit),
                None => format!("≤ {} s", job.limit),
            },
        ];
        match measure(job, programs, kernel, place.path()) {
            Ok(taken) => {
                cells.extend(taken.cells());
                let has_room = |most: u64| taken.memory_kb <= most * 1024;
                let is_reached = taken.seconds <= job.limit && job.memory.is_none_or(has_room);
                cells.push(if is_reached { "reached" } else { "over" }.to_string());
            }
            Err(problem) => {
                cells.extend(["–", "–", "–", "failed"].map(str::to_string));
                eprintln!("{}: {problem}", job.title);
            }
        }
        if peer.is_some() {
            match measure_peer(job, kernel, place.path()) {
                Ok(taken) => cells.extend(taken.cells()),
                Err(problem) => {
                    eprintln!("{}: SystemTap: {problem}", job.title);
                    cells.extend([problem, "–".to_string(), "–".to_string()]);
                }
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

/// The medians of the times and the largest memory.
fn measure(
    job: &Job,
    programs: &Programs,
    kernel: &KernelSet,
    place: &Path,
) -> Result<Taken, String> {
    let mut all = Vec::new();
    let runs = if job.first { FIRST_RUNS } else { RUNS };
    eprintln!("measuring {}", job.title);
    // One more than counted, to warm up.
    for index in 0..=runs {
        let mut command = Command::new(&programs.rstap);
        job.complete(&mut command, kernel, place);
        if job.first {
            let cache = place.join(format!("cache-{index}"));
            command
                .env("RSTAP_CACHE_DIR", &cache)
                .env("XDG_CACHE_HOME", &cache);
        }
        let taken = run(&mut command, TIME)?;
        if index > 0 {
            all.push(taken);
        }
    }
    let median = |of: &dyn Fn(&Taken) -> f64| {
        let mut times: Vec<f64> = all.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    Ok(Taken {
        seconds: median(&|taken| taken.seconds),
        cpu_seconds: median(&|taken| taken.cpu_seconds),
        memory_kb: all.iter().map(|taken| taken.memory_kb).max().unwrap_or(0),
    })
}

/// The same job by SystemTap, the second time, with its limits.
fn measure_peer(job: &Job, kernel: &KernelSet, place: &Path) -> Result<Taken, String> {
    let mut taken = Taken::default();
    for index in 0..2 {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -v {PEER_MEMORY_KB}; exec stap \"$@\"");
        command.args(["-c", &limited, "stap"]);
        job.complete(&mut command, kernel, place);
        let cache = match job.first {
            true => format!("systemtap-{index}"),
            false => "systemtap".to_string(),
        };
        command.env("SYSTEMTAP_DIR", place.join(cache));
        taken = run(&mut command, PEER_TIME).map_err(|problem| {
            // Of its output the first error says most, and fits into a cell.
            let mut lines = problem.lines();
            let line = lines.find(|line| line.contains("rror") || line.contains("not done"));
            let line = line.or_else(|| problem.lines().last()).unwrap_or("failed");
            line.chars().take(60).collect::<String>()
        })?;
    }
    Ok(taken)
}

/// SystemTap's version, if it is installed.
fn peer_version() -> Option<String> {
    let output = Command::new("stap").arg("-V").output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let start = text.find("version ")?;
    let version = text.get(start + "version ".len()..)?;
    Some(version.split(['/', ',', ')']).next()?.to_string())
}

impl Job {
    /// Adds the arguments for a kernel.
    fn complete(&self, command: &mut Command, kernel: &KernelSet, place: &Path) {
        let number = if self.cached { 0 } else { unique() };
        command
            .args(["-r", &kernel.release])
            .arg(format!("--sysroot={}", kernel.sysroot.display()))
            .current_dir(place);
        for argument in self.arguments {
            let long = place.join("long.stp").display().to_string();
            let argument = argument.replace("{}", &number.to_string());
            command.arg(argument.replace("{long}", &long));
        }
    }
}

/// A number that differs from run to run and from day to day.
fn unique() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
        % 1_000_000_000_000_000
}

/// Runs to the end. The peak of memory is read from `/proc` while it runs, so a rise in the last
/// millisecond can be missed.
fn run(command: &mut Command, limit: Duration) -> Result<Taken, String> {
    let before = children_cpu_seconds();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A program that takes too long goes with all that it has started.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
    // Read all along, or a program that complains much would wait for us.
    let pipe = child.stderr.take();
    let complaints = std::thread::spawn(move || {
        let mut text = Vec::new();
        // What was read before an error will do.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut memory_kb = 0;
    loop {
        memory_kb = memory_kb.max(largest(child.id(), 0));
        match child.try_wait() {
            Ok(Some(status)) if status.success() => {
                return Ok(Taken {
                    seconds: start.elapsed().as_secs_f64(),
                    cpu_seconds: children_cpu_seconds() - before,
                    memory_kb,
                });
            }
            Ok(None) if start.elapsed() < limit => {}
            Ok(None) => {
                let group = nix::unistd::Pid::from_raw(child.id().cast_signed());
                // It may have ended just now; then there is nothing to kill.
                let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
                let _ = child.wait();
                return Err(format!("not done after {} s", limit.as_secs()));
            }
            Ok(Some(status)) => {
                let text = complaints.join().unwrap_or_default();
                return Err(format!("{text}\n{status}"));
            }
            Err(error) => return Err(error.to_string()),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// CPU time of all children that have ended so far.
fn children_cpu_seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0.0, |usage| {
        let microseconds =
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        microseconds as f64 / 1e6
    })
}

/// The largest peak of a process and those it has started, in kB.
fn largest(process: u32, depth: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let own = peak_memory(&status).unwrap_or(0);
    let children = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    let below = children
        .split_whitespace()
        .filter(|_| depth < 8)
        .filter_map(|child| Some(largest(child.parse().ok()?, depth + 1)));
    below.max().unwrap_or(0).max(own)
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
