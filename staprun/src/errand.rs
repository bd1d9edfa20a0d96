// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests that take their time: START runs the begin probes and EXIT the end
//! probes before the `write()` comes back. A thread waits for it, so that what
//! these probes print is read meanwhile and signals are seen.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::JoinHandle;

use nix::errno::Errno;

use crate::channel::Control;
use crate::protocol::Request;
use crate::report::{Failure, Result};

/// One request on its way.
#[derive(Debug)]
pub struct Errand {
    thread: JoinHandle<()>,
    answer: PipeReader,
}

impl Errand {
    /// Sends `request` as soon as `previous`, if any, is done.
    ///
    /// # Errors
    /// No pipe or descriptor could be had.
    pub fn start(
        control: &Control,
        request: &Request<'_>,
        previous: Option<Errand>,
    ) -> Result<Errand> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot send a request to the module: {error}"))
        };
        let control = control.try_clone().map_err(failed)?;
        let message = request
            .encode()
            .ok_or_else(|| Failure::new("a request is too long"))?;
        let (answer, report) = std::io::pipe().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .spawn(move || carry_out(&control, &message, previous, report))
            .map_err(failed)?;
        Ok(Errand { thread, answer })
    }

    /// Waits until the request is done; call it when [`Errand::as_fd`] is
    /// readable.
    ///
    /// # Errors
    /// What the module answered to the `write()`.
    pub fn finish(mut self) -> nix::Result<()> {
        let mut number = [0; 4];
        let answered = self.answer.read_exact(&mut number);
        let _ = self.thread.join();
        match i32::from_ne_bytes(number) {
            0 if answered.is_ok() => Ok(()),
            0 => Err(Errno::EIO),
            number => Err(Errno::from_raw(number)),
        }
    }
}

impl AsFd for Errand {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.answer.as_fd()
    }
}

fn carry_out(control: &Control, message: &[u8], previous: Option<Errand>, mut report: PipeWriter) {
    if let Some(previous) = previous {
        let _ = previous.finish();
    }
    let number = control
        .send_encoded(message)
        .err()
        .map_or(0, |errno| errno as i32);
    let _ = report.write_all(&number.to_ne_bytes());
}
