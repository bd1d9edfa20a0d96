// SPDX-License-Identifier: GPL-2.0-or-later
//! `stap-merge`: puts the files of bulk mode together.

use std::process::ExitCode;

use rstap_staprun::bulk;
use rstap_staprun::report::Reporter;

const USAGE: &str = "\
Usage: stap-merge [-v] [-o OUTPUT] FILE...

Merges the files that 'staprun -b' wrote, one for each CPU, into the order in
which the script printed, on standard output.

  -o OUTPUT   Write to this file.
  -v          Tell each record on standard error.
  -h          Print this help.
";

fn main() -> ExitCode {
    let mut reporter = Reporter::default();
    let mut output = None;
    let mut is_verbose = false;
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-v" => is_verbose = true,
            "-o" => output = arguments.next(),
            "-h" | "--help" => {
                print!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            option if option.starts_with('-') => {
                reporter.error(&format!("unknown option '{option}'; see 'stap-merge -h'"));
                return ExitCode::FAILURE;
            }
            _ => files.push(argument),
        }
    }
    if files.is_empty() {
        reporter.error("no files to merge; see 'stap-merge -h'");
        return ExitCode::FAILURE;
    }
    match bulk::merge_files(&files, output.as_deref(), is_verbose) {
        Ok(merged) => {
            if merged.missing > 0 {
                reporter.warning(&format!(
                    "{} messages are in none of the files",
                    merged.missing
                ));
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            reporter.error(&failure.0);
            ExitCode::FAILURE
        }
    }
}
