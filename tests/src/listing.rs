// SPDX-License-Identifier: GPL-2.0-or-later
//! What `-L` says of two and a half thousand functions, compared with what SystemTap says: the same probe
//! points, the same variables in the same order, of the same types. A difference must have a
//! reason that the test can check; `docs/listing-differences.md` explains each.
//!
//! SystemTap's answers for one kernel are kept in `tests/listing`, because asking it takes ten
//! minutes. For another kernel a tenth of the functions is asked anew, if SystemTap is installed.
//! `cargo test -p rstap-tests --test listing -- --regenerate` makes the file again.

mod answers;
mod ask;
mod reasons;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use crate::options::Options;
use crate::programs::{Programs, tests_folder};
use crate::report::{Report, Verdict};
use answers::{Answer, Answers};
use ask::Rstap;
use reasons::Reason;

const FILE: &str = "listing/answers.txt.gz";

/// Of the functions of an unexpected kernel one of so many is asked about.
const SAMPLE: usize = 10;

/// Unexplained differences that are shown.
const SHOWN: usize = 30;

/// Runs the comparison, or with `--regenerate` makes the answers again.
pub fn main() -> ExitCode {
    let mut report = Report::default();
    if !Options::from_environment().selects("listing") {
        return report.finish();
    }
    let start = Instant::now();
    let verdict = compare().unwrap_or_else(|problem| Verdict::Failed(vec![problem]));
    report.add("listing", start.elapsed(), &verdict);
    report.finish()
}

fn compare() -> Result<Verdict, String> {
    let options = Options::from_environment();
    let programs = Programs::find()?;
    let Ok(kernel) = rstap_vm::kernels::find(options.kernel.as_deref()) else {
        return Ok(skipped("no kernel is here; get one with: make lab"));
    };
    if kernel.debug.is_none() {
        return Ok(skipped(
            "the kernel's debug files are not here; get them with: make lab",
        ));
    }
    let rstap = Rstap { programs, kernel };
    let path = tests_folder().join(FILE);
    if std::env::args().any(|argument| argument == "--regenerate") {
        let points = ask::points(&rstap)?;
        let answers = ask::systemtap(&rstap, &points)?;
        answers.write(&path)?;
        println!("{} answers are in {}", answers.points.len(), path.display());
    }
    let mut answers = Answers::read(&path)?;
    if answers.release != rstap.kernel.release {
        let reason = format!(
            "the answers kept are for {}, the kernel here is {}",
            answers.release, rstap.kernel.release
        );
        if ask::systemtap_version().is_none() {
            return Ok(skipped(&format!(
                "{reason}, and SystemTap is not installed to be asked"
            )));
        }
        println!("{reason}: SystemTap is asked about one function of {SAMPLE}");
        let points: Vec<String> = ask::points(&rstap)?.into_iter().step_by(SAMPLE).collect();
        answers = ask::systemtap(&rstap, &points)?;
    }
    let points: Vec<String> = answers
        .points
        .iter()
        .map(|answer| answer.point.clone())
        .collect();
    let ours = rstap.list(&points)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let mut same = 0;
    for (theirs, ours) in answers.points.iter().zip(&ours) {
        let differences = differences(theirs, ours);
        if differences.is_empty() {
            same += 1;
        }
        for difference in differences {
            match reasons::of(&rstap, theirs, &difference)? {
                Some(reason) => *counts.entry(reason.name()).or_default() += 1,
                None => unexplained.push(difference.to_string()),
            }
        }
    }
    println!(
        "{} functions of {}, SystemTap {}: {same} the same",
        points.len(),
        answers.release,
        answers.systemtap
    );
    for reason in Reason::ALL {
        let count = counts.get(reason.name()).unwrap_or(&0);
        println!("    {count:>4} {}", reason.name());
    }
    if unexplained.is_empty() {
        return Ok(Verdict::Passed);
    }
    let count = unexplained.len();
    unexplained.truncate(SHOWN);
    unexplained.insert(0, format!("{count} differences without a reason:"));
    Ok(Verdict::Failed(unexplained))
}

/// A reason not to test must be seen even by those who look at the last lines only.
fn skipped(reason: &str) -> Verdict {
    eprintln!("\nNOT COMPARED WITH SYSTEMTAP: {reason}\n");
    Verdict::Skipped(reason.to_string())
}

/// One probe point of a function, with its variables: `$file:struct file*`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// `kernel.function("vfs_read@fs/read_write.c:450")`
    name: String,
    variables: Vec<String>,
}

impl Line {
    fn parse(text: &str) -> Line {
        // The `?` of the question is part of the answer.
        let text = text.replacen("\")?", "\")", 1);
        let (name, variables) = text.split_once(' ').unwrap_or((&text, ""));
        let mut split: Vec<String> = Vec::new();
        for word in variables.split(' ').filter(|word| !word.is_empty()) {
            match split.last_mut() {
                Some(last) if !word.starts_with('$') => {
                    last.push(' ');
                    last.push_str(word);
                }
                _ => split.push(word.to_string()),
            }
        }
        Line {
            name: name.to_string(),
            variables: split,
        }
    }
}

/// A point that only one of both has, or has with other variables.
#[derive(Debug)]
struct Difference {
    theirs: Option<Line>,
    ours: Option<Line>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |line: &Option<Line>| match line {
            Some(line) => format!("{} {}", line.name, line.variables.join(" ")),
            None => "nothing".to_string(),
        };
        let (theirs, ours) = (of(&self.theirs), of(&self.ours));
        write!(formatter, "SystemTap: {theirs}\n    rstap: {ours}")
    }
}

fn differences(theirs: &Answer, ours: &Answer) -> Vec<Difference> {
    let parse = |answer: &Answer| -> BTreeMap<String, Line> {
        let lines = answer.lines.iter().map(|line| Line::parse(line));
        lines.map(|line| (line.name.clone(), line)).collect()
    };
    let (mut theirs, mut ours) = (parse(theirs), parse(ours));
    let names: std::collections::BTreeSet<String> =
        theirs.keys().chain(ours.keys()).cloned().collect();
    let pairs = names.iter().map(|name| Difference {
        theirs: theirs.remove(name),
        ours: ours.remove(name),
    });
    pairs.filter(|pair| pair.theirs != pair.ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let line = Line::parse("kernel.function(\"f@a.c:1\")? $a:struct x* $b:char const[] const");
        assert_eq!(line.name, "kernel.function(\"f@a.c:1\")");
        assert_eq!(line.variables, ["$a:struct x*", "$b:char const[] const"]);
        assert_eq!(Line::parse("kernel.function(\"f\")").variables, [""; 0]);
    }

    #[test]
    fn differences_are_found() {
        let answer = |lines: &[&str]| Answer {
            lines: lines.iter().map(|line| line.to_string()).collect(),
            ..Answer::default()
        };
        let same = differences(&answer(&["a $x:int"]), &answer(&["a $x:int"]));
        assert!(same.is_empty(), "{same:?}");
        assert_eq!(
            differences(&answer(&["a $x:int"]), &answer(&["a"])).len(),
            1
        );
        assert_eq!(differences(&answer(&["a"]), &answer(&["b"])).len(), 2);
    }

    #[test]
    fn answers_are_many_and_every_reason_is_explained() {
        let answers = Answers::read(&tests_folder().join(FILE)).unwrap();
        assert!(answers.points.len() >= 2000, "{}", answers.points.len());
        let page = tests_folder().join("../docs/listing-differences.md");
        let page = std::fs::read_to_string(page).unwrap();
        for reason in Reason::ALL {
            let row = format!("| `{}` |", reason.name());
            assert!(page.contains(&row), "no row {row}");
        }
    }
}
