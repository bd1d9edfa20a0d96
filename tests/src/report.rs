// SPDX-License-Identifier: GPL-2.0-or-later
//! Printing results as they come, and the last line.

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
    passed: usize,
    failed: Vec<String>,
    skipped: usize,
}

impl Report {
    /// Prints one verdict and counts it.
    pub fn add(&mut self, name: &str, took: Duration, verdict: &Verdict) {
        let mut out = std::io::stdout().lock();
        let seconds = took.as_secs_f64();
        // A closed standard output is no reason to stop testing.
        let _ = match verdict {
            Verdict::Passed => {
                self.passed += 1;
                writeln!(out, "ok      {name} ({seconds:.2} s)")
            }
            Verdict::Skipped(reason) => {
                self.skipped += 1;
                writeln!(out, "skipped {name}: {reason}")
            }
            Verdict::Failed(reasons) => {
                self.failed.push(name.to_string());
                let text = reasons.join("\n").replace('\n', "\n        ");
                writeln!(out, "FAILED  {name} ({seconds:.2} s)\n        {text}")
            }
        };
        let _ = out.flush();
    }

    /// Prints the last line.
    pub fn finish(&self) -> ExitCode {
        if !self.failed.is_empty() {
            println!("\nfailed:");
            for name in &self.failed {
                println!("    {name}");
            }
        }
        let skipped = if self.skipped > 0 {
            format!(", {} skipped", self.skipped)
        } else {
            String::new()
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
