// SPDX-License-Identifier: GPL-2.0-or-later
//! `stap-merge`: puts the files of bulk mode together.

use std::ffi::OsString;
use std::process::ExitCode;

use rstap_staprun::bulk::{self, Merged};
use rstap_staprun::report::{Failure, Reporter, Result, counted, print};

const USAGE: &str = "\
Usage: stap-merge [-v] [-o OUTPUT] FILE...

Merges the files that 'rstap -b' wrote, one for each CPU, into the order in
which the script printed, on standard output.

  -o OUTPUT   Write to this file.
  -v          Tell each record on standard error.
  -V          Print the version.
  -h          Print this help.
";

/// The command line.
#[derive(Default)]
struct Options {
    output: Option<OsString>,
    is_verbose: bool,
    files: Vec<OsString>,
}

/// Reads the command line; `None` when it was `-h` or `-V`, which are answered already.
fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Option<Options>> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-v") => options.is_verbose = true,
            Some("-o") => match arguments.next() {
                Some(file) => options.output = Some(file),
                None => {
                    return Err(Failure::new(
                        "option '-o' needs a file name; see 'stap-merge -h'",
                    ));
                }
            },
            Some("-h" | "--help") => {
                print(USAGE);
                return Ok(None);
            }
            Some("-V" | "--version") => {
                print(&format!(
                    "stap-merge (rstap) {}\n",
                    env!("CARGO_PKG_VERSION")
                ));
                return Ok(None);
            }
            Some("--") => options.files.extend(arguments.by_ref()),
            Some(option) if option.len() > 2 && option.starts_with("-o") => {
                options.output = option.get(2..).map(OsString::from);
            }
            Some(option) if option.len() > 1 && option.starts_with('-') => {
                return Err(Failure::new(format!(
                    "unknown option '{option}'; see 'stap-merge -h'"
                )));
            }
            _ => options.files.push(argument),
        }
    }
    match options.files.is_empty() {
        true => Err(Failure::new("no files to merge; see 'stap-merge -h'")),
        false => Ok(Some(options)),
    }
}

fn main() -> ExitCode {
    let mut reporter = Reporter::default();
    let merged = parse(std::env::args_os().skip(1)).and_then(|options| match options {
        Some(options) => bulk::merge_files(
            &options.files,
            options.output.as_deref(),
            options.is_verbose,
        ),
        None => Ok(Merged::default()),
    });
    match merged {
        Ok(merged) => {
            for text in &merged.damaged {
                reporter.error(text);
            }
            if merged.missing > 0 {
                let is = if merged.missing == 1 { "is" } else { "are" };
                reporter.warning(&format!(
                    "{} {is} in none of the files",
                    counted(merged.missing, "message")
                ));
            }
            if merged.repeated > 0 {
                reporter.warning(&format!(
                    "{} came twice; are all files of one session, and given once?",
                    counted(merged.repeated, "message")
                ));
            }
        }
        Err(failure) => reporter.error(&failure.0),
    }
    match reporter.errors() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
