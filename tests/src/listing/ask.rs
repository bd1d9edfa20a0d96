// SPDX-License-Identifier: GPL-2.0-or-later
//! Asking both about functions, and which functions these are.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::Command;

use rstap_vm::KernelSet;
use walkdir::WalkDir;

use super::answers::{Answer, Answers};
use crate::programs::{Programs, capture};

/// Every so many functions of the kernel proper are asked about, in the order of their names.
const KERNEL_STEP: usize = 40;

/// From each module so many functions, evenly spread.
const OF_EACH_MODULE: usize = 80;

const MODULES: [&str; 11] = [
    "kvm",
    "xfs",
    "nfs",
    "btrfs",
    "virtio_net",
    "nfsd",
    "sunrpc",
    "cifs",
    "ceph",
    "nf_tables",
    "nfsv4",
];

/// Questions that rstap is asked at once.
const BATCH: usize = 200;

/// Questions that SystemTap is asked at once: what it needs a second for.
const SYSTEMTAP_BATCH: usize = 40;

/// SystemTap has eaten whole machines.
const MEMORY_KB: u64 = 3_000_000;
const SECONDS: u64 = 60;

/// rstap and the kernel that it is asked about.
pub struct Rstap {
    pub programs: Programs,
    pub kernel: KernelSet,
}

impl Rstap {
    /// Standard output and standard error of a run that stops before pass 4.
    pub fn run(&self, arguments: &[&str]) -> Result<(String, String), String> {
        let mut command = Command::new(&self.programs.rstap);
        let output = capture(complete(&mut command, &self.kernel, arguments), 300)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&output.stdout), text(&output.stderr)))
    }

    /// What `-L` says of each point.
    pub fn list(&self, points: &[String]) -> Result<Vec<Answer>, String> {
        in_batches(points, BATCH, |question| Ok(self.run(&["-L", question])?.0))
    }
}

/// Release and sysroot, which both programs take alike, before other arguments.
fn complete<'c>(
    command: &'c mut Command,
    kernel: &KernelSet,
    arguments: &[&str],
) -> &'c mut Command {
    command
        .args(["-r", &kernel.release])
        .arg(format!("--sysroot={}", kernel.sysroot.display()))
        .args(arguments)
        .env("LC_ALL", "C")
}

/// Asks `a?,b?,…` and sorts the lines of the answer to their questions.
fn in_batches(
    points: &[String],
    size: usize,
    ask: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    for batch in points.chunks(size) {
        let question: Vec<String> = batch.iter().map(|point| format!("{point}?")).collect();
        let text = ask(&question.join(","))?;
        let mut lines: HashMap<String, Vec<String>> = HashMap::new();
        for line in text.lines() {
            let point = asked(line).ok_or_else(|| format!("not a function: {line}"))?;
            lines.entry(point).or_default().push(line.to_string());
        }
        for point in batch {
            answers.push(Answer {
                point: point.clone(),
                lines: lines.remove(point).unwrap_or_default(),
                blocked: Vec::new(),
            });
        }
        // SystemTap reads the names of some system calls as those of others too.
        for line in lines.values().flatten() {
            println!("not asked for: {line}");
        }
    }
    Ok(answers)
}

/// The question to an answer: `kernel.function("f@a.c:1") $x` was `kernel.function("f")`.
fn asked(line: &str) -> Option<String> {
    let start = line.find("function(\"")? + "function(\"".len();
    let (front, rest) = line.split_at_checked(start)?;
    let name = rest.get(..rest.find(['@', '"'])?)?;
    Some(format!("{front}{name}\")"))
}

/// The functions to ask about, by a fixed rule: all names that the symbol table or rstap has, in
/// the order of their bytes, every so many of them.
pub fn points(rstap: &Rstap) -> Result<Vec<String>, String> {
    let kernel = &rstap.kernel;
    let debug = kernel.debug.as_ref().ok_or("no debug files")?;
    let mut files: Vec<(String, PathBuf, usize)> = vec![("kernel".into(), debug.clone(), 0)];
    let folder = kernel.sysroot.join("usr/lib/debug/lib/modules");
    for module in MODULES {
        let is_it = |path: &PathBuf| {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().replace('-', "_"));
            name.is_some_and(|name| name.split('.').next() == Some(module))
        };
        let files_of = WalkDir::new(folder.join(&kernel.release)).sort_by_file_name();
        let mut paths = files_of
            .into_iter()
            .flatten()
            .map(|entry| entry.into_path());
        let path = paths.find(is_it);
        let path = path.ok_or_else(|| format!("no debug file of the module {module}"))?;
        files.push((format!("module(\"{module}\")"), path, OF_EACH_MODULE));
    }
    let mut points = Vec::new();
    for (front, path, wanted) in files {
        let names = names(rstap, &front, &path)?;
        let step = match wanted {
            0 => KERNEL_STEP,
            wanted => (names.len() / wanted).max(1),
        };
        let names = names.iter().step_by(step);
        points.extend(names.map(|name| format!("{front}.function(\"{name}\")")));
    }
    Ok(points)
}

/// Names of functions that can be written in a script; padding before functions left out.
fn names(rstap: &Rstap, front: &str, file: &std::path::Path) -> Result<BTreeSet<String>, String> {
    let (listed, _) = rstap.run(&["-l", &format!("{front}.function(\"*\")")])?;
    let symbols = capture(Command::new("nm").arg("--defined-only").arg(file), 100)?;
    let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
    let of_symbol = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let is_function = ["t", "T", "w", "W"].contains(&words.next()?);
        is_function.then(|| words.next().map(str::to_string))?
    };
    let of_line = |line: &str| Some(asked(line)?.split('"').nth_back(1)?.to_string());
    let names = symbols.lines().filter_map(of_symbol);
    let names = names.chain(listed.lines().filter_map(of_line));
    let is_name = |name: &String| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        name.bytes().all(is_word) && !name.starts_with("__pfx_")
    };
    Ok(names.filter(is_name).collect())
}

/// SystemTap's version with that of its package, if it is installed.
pub fn systemtap_version() -> Option<String> {
    let output = capture(Command::new("stap").arg("-V"), 20).ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let version = text.get(text.find("(version ")? + "(version ".len()..)?;
    Some(version.get(..version.find(')')?)?.to_string())
}

/// What SystemTap says of each point.
pub fn systemtap(rstap: &Rstap, points: &[String]) -> Result<Answers, String> {
    let systemtap = systemtap_version().ok_or("SystemTap is not installed")?;
    let ask = |arguments: &[&str]| -> Result<(String, String), String> {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -v {MEMORY_KB}; exec stap \"$@\"");
        command.args(["-c", &limited, "stap"]);
        let output = capture(complete(&mut command, &rstap.kernel, arguments), SECONDS)?;
        if output.status.code().is_none_or(|code| code > 1) {
            return Err(format!("SystemTap ended with {}", output.status));
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(&output.stdout), text(&output.stderr)))
    };
    let mut points = in_batches(points, SYSTEMTAP_BATCH, |question| {
        println!("asking SystemTap about {question:.60}…");
        Ok(ask(&["-L", question])?.0)
    })?;
    // Why there is nothing is told to those who ask twice.
    let mut silent: Vec<&mut Answer> = points
        .iter_mut()
        .filter(|answer| answer.lines.is_empty())
        .collect();
    for batch in silent.chunks_mut(SYSTEMTAP_BATCH) {
        let question: Vec<String> = batch
            .iter()
            .map(|answer| format!("{}?", answer.point))
            .collect();
        let (listed, told) = ask(&["-vv", "-L", &question.join(",")])?;
        for line in listed.lines().chain(told.lines()) {
            let Some(function) = line.strip_suffix(" - blocklisted") else {
                continue;
            };
            let mut words = function.split(' ').skip(1);
            let (Some(function), Some(place)) = (words.next(), words.next()) else {
                continue;
            };
            let name = function.split('@').next().unwrap_or_default();
            let point = match place.strip_prefix("module=") {
                None => format!("kernel.function(\"{name}\")"),
                Some(module) => format!("module(\"{module}\").function(\"{name}\")"),
            };
            let answer = batch.iter_mut().find(|answer| answer.point == point);
            if let Some(answer) = answer
                && !answer.blocked.iter().any(|known| known == function)
            {
                answer.blocked.push(function.to_string());
            }
        }
    }
    Ok(Answers {
        release: rstap.kernel.release.clone(),
        systemtap,
        points,
    })
}
