// SPDX-License-Identifier: GPL-2.0-or-later
//! Requests that take their time: START runs the begin probes and EXIT the end
//! probes before the `write()` comes back. Meanwhile another thread follows what
//! happens, so that what these probes print is read and signals are seen. The
//! probes run in the first thread because C in scripts walks the list of
//! processes from `current`, and other threads are not in it.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use crate::channel::Control;
use crate::protocol::Request;
use crate::report::{Failure, Result};

/// One request on its way, as the other thread sees it.
#[derive(Debug)]
pub struct Errand {
    answer: PipeReader,
}

impl Errand {
    /// An errand, and where [`carry_out`] reports to it.
    ///
    /// # Errors
    /// No pipe could be had.
    pub fn open() -> Result<(Errand, PipeWriter)> {
        let (answer, report) = std::io::pipe().map_err(|error| {
            Failure::new(format!("cannot send a request to the module: {error}"))
        })?;
        Ok((Errand { answer }, report))
    }

    /// Waits until the request is done; call it when [`Errand::as_fd`] is
    /// readable.
    ///
    /// # Errors
    /// What the module answered to the `write()`.
    pub fn finish(mut self) -> nix::Result<()> {
        let mut number = [0; 4];
        match self
            .answer
            .read_exact(&mut number)
            .map(|()| i32::from_ne_bytes(number))
        {
            Ok(0) => Ok(()),
            Ok(number) => Err(Errno::from_raw(number)),
            Err(_) => Err(Errno::EIO),
        }
    }
}

impl AsFd for Errand {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.answer.as_fd()
    }
}

/// Sends the request, waits for its end, and says how it went.
pub fn carry_out(control: &Control, request: &Request<'_>, mut report: PipeWriter) {
    let number = control.send(request).err().map_or(0, |errno| errno as i32);
    // Nobody who has given up waits for it.
    let _ = report.write_all(&number.to_ne_bytes());
}
