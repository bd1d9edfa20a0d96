// SPDX-License-Identifier: GPL-2.0-or-later
//! Text on stdout and stderr. `println!` and `eprintln!` panic when the reader has gone
//! (`rstap -l ... | head`); these do not.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Writes to stdout, and says so on stderr when that is impossible. A reader that has gone is no
/// error: it has read what it wanted.
pub fn write(text: Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_fmt(text).and_then(|()| stdout.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        tell_raw(format_args!(
            "ERROR: cannot write to standard output: {error}\n"
        ));
    }
}

/// Writes to stderr. Nobody is left to tell when that is impossible.
pub fn tell_raw(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// `print!` with [`write`].
macro_rules! say {
    ($($argument:tt)*) => { $crate::output::write(format_args!($($argument)*)) };
}

/// `println!` with [`write`].
macro_rules! say_line {
    ($($argument:tt)*) => {
        $crate::output::write(format_args!("{}\n", format_args!($($argument)*)))
    };
}

/// `eprint!` with [`tell_raw`].
macro_rules! tell {
    ($($argument:tt)*) => { $crate::output::tell_raw(format_args!($($argument)*)) };
}

/// `eprintln!` with [`tell_raw`].
macro_rules! tell_line {
    () => { $crate::output::tell_raw(format_args!("\n")) };
    ($($argument:tt)*) => {
        $crate::output::tell_raw(format_args!("{}\n", format_args!($($argument)*)))
    };
}

pub(crate) use {say, say_line, tell, tell_line};
