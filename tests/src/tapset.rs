// SPDX-License-Identifier: GPL-2.0-or-later
//! Every function and every alias of the library, translated and compiled for one kernel, many in
//! one script. `tests/tapset.txt` names those that a kernel has not, with the reason: a name that
//! fails must stand there, and one that stands there must fail.
//!
//! Aliases are compiled with `-u`, which keeps the variables that a script does not use. Each
//! stands on a line of its own, so that most messages say which one failed; what they do not say
//! is found by halving. With `--btf` the kernel's debug files are hidden, as on most machines;
//! `--quick` leaves pass 4 out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use regex::Regex;
use rstap_vm::KernelSet;

use crate::options::Options;
use crate::programs::{Programs, capture, tests_folder};
use crate::report::{Report, Verdict};
use crate::run::symbols_alone;

/// Names of one script: as many as compile in some seconds.
const TOGETHER: usize = 200;
/// Seconds for one script.
const LIMIT: u64 = 300;
const TABLE: &str = "tapset.txt";

/// Compiles what the arguments select, all without them.
pub fn main() -> ExitCode {
    match check(&Options::from_environment()) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn check(options: &Options) -> Result<ExitCode, String> {
    let mut report = Report::default();
    let kernel = match rstap_vm::kernels::find(options.kernel.as_deref()) {
        Ok(kernel) => kernel,
        Err(_) => {
            let reason = "no kernel is here; get one with: make lab".to_owned();
            report.add("tapset", Duration::ZERO, &Verdict::Skipped(reason));
            return Ok(report.finish());
        }
    };
    let path = tests_folder().join(TABLE);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let is_hidden = std::env::args().any(|argument| argument == "--btf");
    let debug_files = is_hidden
        .then(|| symbols_alone(&kernel, folder.path()))
        .transpose()?;
    let has_dwarf = kernel.debug.is_some() && !is_hidden;
    let mut table = Table::parse(&text, &kernel.release, has_dwarf)?;
    let lab = Lab {
        debug_files,
        is_quick: std::env::args().any(|argument| argument == "--quick"),
        programs: Programs::find()?,
        script: folder.path().join("library.stp"),
        kernel,
    };
    let kinds = [Kind::Functions, Kind::Aliases];
    for kind in kinds
        .into_iter()
        .filter(|kind| options.selects(kind.title()))
    {
        let names = lab.names(kind)?;
        for batch in names.chunks(TOGETHER) {
            let start = Instant::now();
            let missing = lab.failing(kind, batch)?;
            let title = format!("{} {}…", kind.title(), kind.name(&batch[0]));
            let problems = table.judge(kind, batch, &missing);
            let verdict = match problems.is_empty() {
                true => Verdict::Passed,
                false => Verdict::Failed(problems),
            };
            report.add(&title, start.elapsed(), &verdict);
        }
    }
    if options.filters.is_empty() {
        let unused = table.unused();
        if !unused.is_empty() {
            report.add(TABLE, Duration::ZERO, &Verdict::Failed(unused));
        }
    }
    Ok(report.finish())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Functions,
    Aliases,
}

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Kind::Functions => "tapset/functions",
            Kind::Aliases => "tapset/aliases",
        }
    }

    /// The option that lists them, a line each.
    fn option(self) -> &'static str {
        match self {
            Kind::Functions => "--dump-functions",
            Kind::Aliases => "--dump-probe-aliases",
        }
    }

    /// What ends a name in such a line.
    fn name(self, line: &str) -> &str {
        line.split([':', ' ']).next().unwrap_or(line)
    }

    /// A probe, in one line, that uses it.
    fn probe(self, line: &str) -> String {
        match self {
            Kind::Functions => format!("probe begin {{ {} }}", call(line)),
            Kind::Aliases => format!("probe {} {{ library_number++ }}", self.name(line)),
        }
    }
}

/// Whether it has the body of an alias of `syscall.*`, which is compiled.
fn is_double(line: &str) -> bool {
    line.starts_with("dw_syscall.") || line.starts_with("nd_syscall.")
}

/// A call of a function that is listed as `name:type (parameter:type, …) /* tags */`, whose value
/// is used.
fn call(line: &str) -> String {
    let signature = line.split("/*").next().unwrap_or(line);
    let (head, parameters) = signature.split_once('(').unwrap_or((signature, ""));
    let (name, result) = head.trim().split_once(':').unwrap_or((head.trim(), ""));
    let arguments: Vec<&str> = parameters
        .trim_end()
        .trim_end_matches(')')
        .split(',')
        .filter(|parameter| !parameter.trim().is_empty())
        .map(|parameter| match parameter.contains(":string") {
            true => "library_text",
            false => "library_number",
        })
        .collect();
    let used = match result.trim() {
        "long" => "library_number += ",
        "string" => "library_text .= ",
        _ => "",
    };
    format!("{used}{name}({})", arguments.join(", "))
}

struct Lab {
    programs: Programs,
    kernel: KernelSet,
    /// The folder of debug files, if not the kernel's own.
    debug_files: Option<PathBuf>,
    script: PathBuf,
    /// Up to pass 3 alone.
    is_quick: bool,
}

impl Lab {
    fn rstap(&self, arguments: &[&str]) -> Result<Output, String> {
        let root = tests_folder().parent().unwrap_or(Path::new("."));
        let mut command = Command::new(&self.programs.rstap);
        command
            .env("RSTAP_TAPSET", root.join("tapsets"))
            .env("RSTAP_RUNTIME", root.join("runtime"))
            .args(["-g", "-w", "-r", &self.kernel.release, "--sysroot"])
            .arg(&self.kernel.sysroot)
            .args(arguments);
        if let Some(folder) = &self.debug_files {
            command.env("SYSTEMTAP_DEBUGINFO_PATH", folder);
        }
        capture(&mut command, LIMIT)
    }

    /// Lines of a dump.
    fn names(&self, kind: Kind) -> Result<Vec<String>, String> {
        let output = self.rstap(&[kind.option()])?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if !output.status.success() || lines.is_empty() {
            return Err(format!("{}: {output:?}", kind.option()));
        }
        // several aliases may have one name
        if kind == Kind::Aliases {
            lines.dedup_by(|next, line| kind.name(next) == kind.name(line));
        }
        lines.sort_by_key(|line| !is_double(line));
        Ok(lines)
    }

    /// Those that cannot be translated, with the messages.
    fn failing(&self, kind: Kind, lines: &[String]) -> Result<Vec<Failure>, String> {
        let mut failures = Vec::new();
        let mut left: Vec<&String> = lines.iter().collect();
        if kind == Kind::Aliases {
            // optional points that match nothing are no error beside others
            let points: Vec<&str> = lines.iter().map(|line| kind.name(line)).collect();
            let output = self.rstap(&["-l", &points.join(", ")])?;
            let listed = String::from_utf8_lossy(&output.stdout).into_owned();
            let listed: BTreeSet<&str> = listed.lines().collect();
            let (found, missing): (Vec<&String>, Vec<&String>) = left
                .into_iter()
                .partition(|line| listed.contains(kind.name(line)));
            failures.extend(missing.into_iter().map(|line| Failure {
                name: kind.name(line).to_owned(),
                message: "no match".to_owned(),
            }));
            left = found;
        }
        self.compile(kind, left, &mut failures)?;
        Ok(failures)
    }

    fn compile(
        &self,
        kind: Kind,
        mut lines: Vec<&String>,
        failures: &mut Vec<Failure>,
    ) -> Result<(), String> {
        while !lines.is_empty() {
            let Some(message) = self.message(kind, &lines)? else {
                return Ok(());
            };
            let mut named = named_lines(&message, lines.len());
            if lines.len() == 1 {
                named = BTreeSet::from([0]);
            }
            if named.is_empty() {
                let second = lines.split_off(lines.len() / 2);
                self.compile(kind, lines, failures)?;
                lines = second;
                continue;
            }
            let mut passing = Vec::new();
            for (index, line) in lines.into_iter().enumerate() {
                match named.contains(&index) {
                    true => failures.push(Failure {
                        name: kind.name(line).to_owned(),
                        message: message.clone(),
                    }),
                    false => passing.push(line),
                }
            }
            lines = passing;
        }
        Ok(())
    }

    /// What rstap says of a script with all of these, if it fails.
    fn message(&self, kind: Kind, lines: &[&String]) -> Result<Option<String>, String> {
        let mut text: String = lines
            .iter()
            .map(|line| format!("{}\n", kind.probe(line)))
            .collect();
        text.push_str("global library_number, library_text = \"x\"\n");
        std::fs::write(&self.script, text).map_err(|error| error.to_string())?;
        let script = self.script.to_string_lossy().into_owned();
        let pass = match self.is_quick || lines.iter().all(|line| is_double(line)) {
            true => "-p3",
            false => "-p4",
        };
        let mut options = vec!["-v", pass, script.as_str()];
        if kind == Kind::Aliases {
            options.insert(0, "-u");
        }
        let output = self.rstap(&options)?;
        Ok(
            (!output.status.success())
                .then(|| String::from_utf8_lossy(&output.stderr).into_owned()),
        )
    }
}

struct Failure {
    name: String,
    message: String,
}

/// Lines of the script, from 0, that messages name.
fn named_lines(message: &str, count: usize) -> BTreeSet<usize> {
    let Ok(place) = Regex::new(r"library\.stp:(\d+):") else {
        return BTreeSet::new();
    };
    place
        .captures_iter(message)
        .filter_map(|captures| captures[1].parse::<usize>().ok()?.checked_sub(1))
        .filter(|&line| line < count)
        .collect()
}

/// `NAMES | KERNELS | REASON` lines; a name may hold `*`. Kernels are beginnings of releases; `-btf`
/// behind one is for it without debug files, `-dwarf` for it with them, `btf` alone is for all without.
struct Table {
    rows: Vec<Row>,
}

struct Row {
    line: String,
    names: Vec<Regex>,
    is_used: bool,
}

impl Table {
    /// The rows about a kernel.
    fn parse(text: &str, release: &str, has_dwarf: bool) -> Result<Table, String> {
        let mut rows = Vec::new();
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let cells: Vec<&str> = line.split(" | ").collect();
            let [names, kernels, reason] = cells[..] else {
                return Err(format!("{TABLE}: not NAMES | KERNELS | REASON: {line}"));
            };
            if reason.trim().is_empty() {
                return Err(format!("{TABLE}: no reason: {line}"));
            }
            let is_about = kernels.split_whitespace().any(|kernel| {
                let (version, files) = kernel.split_once('-').unwrap_or((kernel, ""));
                (version == "btf" && !has_dwarf)
                    || (release.starts_with(&format!("{version}."))
                        && (files.is_empty() || has_dwarf == (files == "dwarf")))
            });
            if is_about {
                let names = names
                    .split_whitespace()
                    .map(|name| Regex::new(&pattern(name)).map_err(|error| error.to_string()))
                    .collect::<Result<_, _>>()?;
                rows.push(Row {
                    line: line.to_owned(),
                    names,
                    is_used: false,
                });
            }
        }
        Ok(Table { rows })
    }

    /// What is not as the table says.
    fn judge(&mut self, kind: Kind, lines: &[String], failures: &[Failure]) -> Vec<String> {
        let mut problems = Vec::new();
        for line in lines {
            let name = kind.name(line);
            let failure = failures.iter().find(|failure| failure.name == name);
            let row = self
                .rows
                .iter_mut()
                .find(|row| row.names.iter().any(|pattern| pattern.is_match(name)));
            match (failure, row) {
                (Some(_), Some(row)) => row.is_used = true,
                (Some(failure), None) => problems.push(format!("{name}: {}", failure.message)),
                (None, Some(row)) => {
                    problems.push(format!("{name} works, but {TABLE} says: {}", row.line));
                }
                (None, None) => {}
            }
        }
        problems
    }

    /// Rows that no name needed.
    fn unused(&self) -> Vec<String> {
        self.rows
            .iter()
            .filter(|row| !row.is_used)
            .map(|row| format!("nothing fails for this reason: {}", row.line))
            .collect()
    }
}

fn pattern(name: &str) -> String {
    format!("^{}$", regex::escape(name).replace(r"\*", ".*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_made_of_signatures() {
        assert_eq!(
            call("substr:string (str:string, start:long, length:long) /* pure */"),
            "library_text .= substr(library_text, library_number, library_number)"
        );
        assert_eq!(call("exit:unknown ()"), "exit()");
    }

    #[test]
    fn messages_name_lines() {
        let message = "error at /tmp/a/library.stp:2:7\n source: x at :1:1 library.stp:99:1";
        assert_eq!(named_lines(message, 3), BTreeSet::from([1]));
    }

    #[test]
    fn the_table_says_what_fails_where() -> Result<(), String> {
        let text = "# about\nvfs.old* b | 6.1-dwarf 7.2 | gone since 5.17\n\
                    vfs.new | 5.10 btf 6.1-btf | since 6.5\n";
        let mut table = Table::parse(text, "6.1.0-56-cloud-amd64", true)?;
        let lines = ["vfs.old1", "vfs.new"].map(|name| format!("{name} = begin"));
        let failures = [Failure {
            name: "vfs.old1".into(),
            message: "no match".into(),
        }];
        assert_eq!(table.unused().len(), 1);
        assert!(table.judge(Kind::Aliases, &lines, &failures).is_empty());
        assert!(table.unused().is_empty());
        assert_eq!(table.judge(Kind::Aliases, &lines, &[]).len(), 1);
        let lines = ["vfs.new = begin".to_owned()];
        let failures = [Failure {
            name: "vfs.new".into(),
            message: "no match".into(),
        }];
        assert_eq!(table.judge(Kind::Aliases, &lines, &failures).len(), 1);
        Ok(())
    }
}
