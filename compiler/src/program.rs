// SPDX-License-Identifier: GPL-2.0-or-later
//! The program `rstap`: from the command line to the exit status.

use crate::cli::{parse, rc};
use crate::driver;
use crate::output::tell_line;

/// The whole program: reads the command line, does what it asks, gives the exit status.
pub fn main() -> std::process::ExitCode {
    let mut words = rc::words(rc::directory().as_deref());
    for word in std::env::args_os().skip(1) {
        match word.into_string() {
            Ok(word) => words.push(word),
            Err(word) => {
                tell_line!(
                    "rstap: '{}' on the command line is not valid UTF-8",
                    word.to_string_lossy()
                );
                return std::process::ExitCode::FAILURE;
            }
        }
    }
    match parse(&words) {
        Ok(options) => with_deep_stack(|| driver::run(&options)),
        Err(error) => {
            tell_line!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// The passes follow the nesting of scripts, which the parser bounds: this holds the deepest
/// that it lets through. Memory that is not used is not taken.
pub(crate) const STACK_SIZE: usize = 256 << 20;

fn with_deep_stack(work: impl FnOnce() -> std::process::ExitCode + Send) -> std::process::ExitCode {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, work);
        match thread.map(|thread| thread.join()) {
            Ok(Ok(code)) => code,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => {
                tell_line!("rstap: cannot start a thread: {error}");
                std::process::ExitCode::FAILURE
            }
        }
    })
}
