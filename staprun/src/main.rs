// SPDX-License-Identifier: GPL-2.0-or-later
//! `staprun`: runs a module that rstap built.

use std::process::ExitCode;

use rstap_staprun::report::Reporter;
use rstap_staprun::{options, privilege, run};

fn main() -> ExitCode {
    privilege::clean_environment();
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(failure) => {
            Reporter::default().error(&failure.0);
            return ExitCode::FAILURE;
        }
    };
    let mut reporter = Reporter::new(options.verbosity, options.suppress_warnings, options.colour);
    match run::run(&options, &mut reporter) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            reporter.error(&failure.0);
            ExitCode::FAILURE
        }
    }
}
