// SPDX-License-Identifier: GPL-2.0-or-later
//! The terminal of the monitor: taken over, drawn on, given back.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::report::{Failure, Result};
use crate::sys;

/// The other screen, no cursor, and lines that are too long are cut: the width of characters is the
/// terminal's business.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// How the terminal was before the monitor, for whoever has to give it back.
#[derive(Debug)]
pub struct Modes {
    terminal: OwnedFd,
    original: Termios,
}

impl Modes {
    /// Those of the terminal on stdin and stdout.
    ///
    /// # Errors
    /// One of them is no terminal.
    pub fn now() -> Result<Modes> {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::new(format!(
                "the monitor (-M) needs a terminal as standard input and output: {why}"
            ))
        };
        if !io::stdout().is_terminal() {
            return Err(failed(&"standard output is none"));
        }
        let stdin = io::stdin();
        Ok(Modes {
            original: tcgetattr(&stdin).map_err(|errno| failed(&errno.desc()))?,
            terminal: stdin
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| failed(&error))?,
        })
    }

    /// Gives the terminal back, in a process that has no other descriptor of it.
    pub fn restore(&self) {
        let _ = nix::unistd::write(&self.terminal, LEAVE.as_bytes());
        self.set(self.terminal.as_fd());
    }

    fn set(&self, terminal: BorrowedFd<'_>) {
        // Nothing can be done for a terminal that is gone.
        let _ = tcsetattr(terminal, SetArg::TCSANOW, &self.original);
    }
}

/// The terminal while it is the monitor's.
#[derive(Debug)]
pub struct Screen {
    modes: Modes,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// stdin or stdout is none.
    pub fn start() -> Result<Screen> {
        let screen = Screen {
            modes: Modes::now()?,
        };
        screen.enter();
        Ok(screen)
    }

    /// Keys come one by one and are not shown.
    pub fn enter(&self) {
        let mut raw = self.modes.original.clone();
        raw.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO);
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &raw);
        print(ENTER);
    }

    /// Gives the terminal back.
    pub fn leave(&self) {
        print(LEAVE);
        self.modes.set(io::stdin().as_fd());
    }

    /// Draws the lines that `render` gives for a number of rows and columns.
    pub fn draw(&self, render: impl FnOnce(usize, usize) -> Vec<String>) {
        let (rows, columns) = sys::terminal_size().unwrap_or((24, 80));
        let lines = render(usize::from(rows), usize::from(columns));
        // No newline after the last row: it would scroll.
        let text = lines.join("\x1b[K\r\n");
        print(&format!("\x1b[H{text}\x1b[K\x1b[J"));
    }
}

/// Writes to stdout at once.
pub fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
