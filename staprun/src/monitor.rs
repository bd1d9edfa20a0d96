// SPDX-License-Identifier: GPL-2.0-or-later
//! The monitor (`-M`): a running script's globals and probes in the terminal, with keys to pause,
//! resume, reset and toggle.
//!
//! What it shows is the JSON of the module's `monitor_status`; what keys do is
//! written to `monitor_control`. Both files are made by scripts compiled with
//! `--monitor`. [`view`] holds what is shown, [`screen`] the terminal.

mod screen;
mod view;

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use crate::json::Json;
use crate::report::Result;
use screen::Screen;
use view::View;

pub use screen::Modes;

/// Longest status text that is read.
const STATUS_MAXIMUM: u64 = 4 << 20;

/// What a key asks the session to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Nothing more.
    Handled,
    /// End the session.
    Quit,
}

/// The view on a terminal, which is as it was before when this goes away.
#[derive(Debug)]
pub struct Monitor {
    view: View,
    status: File,
    control: File,
    /// The file of arrays and statistics, if the script has any; made when it starts.
    arrays: String,
    interval: Duration,
    next: Instant,
    screen: Screen,
}

impl Monitor {
    /// Takes the terminal over. The two files are those of the module.
    ///
    /// # Errors
    /// stdin or stdout is no terminal.
    pub fn start(status: File, control: File, arrays: String, seconds: u32) -> Result<Monitor> {
        Ok(Monitor {
            view: View::default(),
            status,
            control,
            arrays,
            interval: Duration::from_secs(u64::from(seconds)),
            next: Instant::now(),
            screen: Screen::start()?,
        })
    }

    /// When the view has to be drawn again.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// The terminal has another size: draws at the next occasion.
    pub fn resized(&mut self) {
        self.next = Instant::now();
    }

    /// Gives the terminal back for as long as `stopped` takes.
    pub fn suspend(&mut self, stopped: impl FnOnce()) {
        self.screen.leave();
        stopped();
        self.screen.enter();
        self.next = Instant::now();
    }

    /// Takes output of the script.
    pub fn push(&mut self, bytes: &[u8]) {
        self.view.push(bytes);
    }

    /// Draws if it is time.
    pub fn refresh(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        let mut bytes = Vec::new();
        let read = self.status.rewind().and_then(|()| {
            (&mut self.status)
                .take(STATUS_MAXIMUM)
                .read_to_end(&mut bytes)
        });
        // A string of the script need not be UTF-8.
        if let (Ok(_), Some(status)) = (read, Json::parse(&String::from_utf8_lossy(&bytes))) {
            self.view.show_status(status);
        }
        // Each opening runs the probe that writes it.
        if let Ok(bytes) = std::fs::read(&self.arrays) {
            self.view.show_arrays(&String::from_utf8_lossy(&bytes));
        }
        self.screen
            .draw(|rows, columns| self.view.render(rows, columns));
    }

    /// Takes bytes typed by the user.
    pub fn keys(&mut self, bytes: &[u8]) -> Key {
        let (commands, quit) = self.view.keys(bytes);
        for command in commands {
            // A module that is just ending takes no more commands.
            let _ = self.control.write_all(command.as_bytes());
        }
        self.next = Instant::now();
        if quit { Key::Quit } else { Key::Handled }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.screen.leave();
        for line in self.view.output() {
            screen::print(&format!("{line}\n"));
        }
    }
}
