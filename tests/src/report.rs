// SPDX-License-Identifier: GPL-2.0-or-later
//! Printing results as they come, and the last line.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// What came of one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// With the reasons, and output to look at.
    Failed(Vec<String>),
    Skipped(String),
}

/// Counts and prints verdicts.
#[derive(Debug, Default)]
pub struct Report {
    /// Verdicts are counted only.
    silent: bool,
    passed: usize,
    /// Names, with the reasons.
    failed: Vec<(String, Vec<String>)>,
    /// By reason.
    skipped: BTreeMap<String, usize>,
}

impl Report {
    /// One that prints no verdicts.
    pub fn silent() -> Report {
        Report {
            silent: true,
            ..Report::default()
        }
    }

    /// The names of what failed, with the reasons.
    pub fn failures(&self) -> &[(String, Vec<String>)] {
        &self.failed
    }

    /// Counts one verdict and prints it.
    pub fn add(&mut self, name: &str, took: Duration, verdict: &Verdict) {
        let seconds = took.as_secs_f64();
        let line = match verdict {
            Verdict::Passed => {
                self.passed += 1;
                format!("ok      {name} ({seconds:.2} s)")
            }
            Verdict::Skipped(reason) => {
                *self.skipped.entry(reason.clone()).or_default() += 1;
                format!("skipped {name}: {reason}")
            }
            Verdict::Failed(reasons) => {
                self.failed.push((name.to_string(), reasons.clone()));
                let text = reasons.join("\n").replace('\n', "\n        ");
                format!("FAILED  {name} ({seconds:.2} s)\n        {text}")
            }
        };
        if !self.silent {
            let mut out = std::io::stdout().lock();
            // A closed standard output is no reason to stop testing.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
    }

    /// The counts as a row of a table: `| 5.10.0 | 136 | 6 | 21: reason; 2: another |`.
    pub fn row(&self, kernel: &str) -> String {
        let skipped: Vec<String> = self
            .skipped
            .iter()
            .map(|(reason, count)| format!("{count}: {reason}"))
            .collect();
        let (passed, failed) = (self.passed, self.failed.len());
        format!(
            "| {kernel} | {passed} | {failed} | {} |",
            skipped.join("; ")
        )
    }

    /// Prints the last line.
    pub fn finish(&self) -> ExitCode {
        if !self.failed.is_empty() {
            println!("\nfailed:");
            for (name, _) in &self.failed {
                println!("    {name}");
            }
        }
        let skipped = match self.skipped.values().sum::<usize>() {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        println!(
            "\n{} passed, {} failed{skipped}",
            self.passed,
            self.failed.len()
        );
        if self.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Text for a report: the first lines of it, indented, with a title.
pub fn shown(title: &str, bytes: &[u8]) -> Option<String> {
    const MOST: usize = 150;
    let text = String::from_utf8_lossy(bytes);
    if text.trim().is_empty() {
        return None;
    }
    let mut lines: Vec<&str> = text.lines().take(MOST).collect();
    if text.lines().count() > MOST {
        lines.push("…");
    }
    Some(format!("{title}:\n    {}", lines.join("\n    ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_scripts_are_counted_by_reason() {
        let mut report = Report::default();
        for (name, verdict) in [
            ("a", Verdict::Passed),
            ("b", Verdict::Skipped("too old".to_string())),
            ("c", Verdict::Failed(vec!["wrong".to_string()])),
            ("d", Verdict::Skipped("no files".to_string())),
            ("e", Verdict::Skipped("too old".to_string())),
        ] {
            report.add(name, Duration::ZERO, &verdict);
        }
        let row = "| 6.1 | 1 | 1 | 1: no files; 2: too old |";
        assert_eq!(report.row("6.1"), row);
    }
}
