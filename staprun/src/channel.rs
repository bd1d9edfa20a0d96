// SPDX-License-Identifier: GPL-2.0-or-later
//! The files of a loaded module: the control file and one output file per CPU.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::O_NONBLOCK;

use crate::framing::Framer;
use crate::kernel::MODULES_DIRECTORY;
use crate::protocol::{self, Event, Request};
use crate::report::{Failure, Result};

/// The control file.
#[derive(Debug)]
pub struct Control {
    file: File,
    name: String,
}

/// Output of one CPU.
#[derive(Debug)]
pub struct Trace {
    /// Number of the CPU.
    pub cpu: u32,
    /// Its file.
    pub file: File,
    /// What was read of it.
    pub framer: Framer,
    /// Whether the last byte was read.
    pub ended: bool,
}

/// Opens all files of a module.
///
/// # Errors
/// Another staprun has them, or they are not there.
pub fn open(name: &str) -> Result<(Control, Vec<Trace>)> {
    let directory = format!("{MODULES_DIRECTORY}/{name}");
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open(format!("{directory}/.cmd"))
        .map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EBUSY) => {
                Failure::new(format!("another staprun is attached to module {name}"))
            }
            Some(Errno::ENOENT) => Failure::new(format!(
                "no module {name} of rstap is loaded ({directory}/.cmd)"
            )),
            Some(Errno::EACCES) => Failure::new(format!(
                "cannot open {directory}/.cmd: {error}; root or CAP_DAC_OVERRIDE is needed"
            )),
            _ => Failure::new(format!("cannot open {directory}/.cmd: {error}")),
        })?;
    let failed = |error: std::io::Error| {
        Failure::new(format!(
            "cannot open the output files in {directory}: {error}"
        ))
    };
    let mut traces = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let Some(cpu) = file_name
            .to_str()
            .and_then(|name| name.strip_prefix("trace"))
            .and_then(|number| number.parse().ok())
        else {
            continue;
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(entry.path())
            .map_err(failed)?;
        traces.push(Trace {
            cpu,
            file,
            framer: Framer::default(),
            ended: false,
        });
    }
    traces.sort_by_key(|trace| trace.cpu);
    if traces.is_empty() {
        return Err(Failure::new(format!(
            "module {name} has no output files in {directory}"
        )));
    }
    Ok((
        Control {
            file: control,
            name: name.to_owned(),
        },
        traces,
    ))
}

/// Whether a loader has the control file of a module open.
#[must_use]
pub fn is_attached(name: &str) -> bool {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open(format!("{MODULES_DIRECTORY}/{name}/.cmd"))
        .is_err_and(|error| error.raw_os_error() == Some(Errno::EBUSY as i32))
}

impl Control {
    /// A control file that is open already.
    #[cfg(test)]
    pub fn over(file: File, name: &str) -> Control {
        Control {
            file,
            name: name.to_owned(),
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// What the module answered to the `write()`.
    pub fn send(&self, request: &Request<'_>) -> nix::Result<()> {
        /// Attempts a millisecond apart, should the module be busy.
        const ATTEMPTS: u32 = 1000;
        let message = request.encode().ok_or(Errno::EMSGSIZE)?;
        for _ in 0..ATTEMPTS {
            match nix::unistd::write(&self.file, &message) {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Sends a message that a session cannot do without.
    ///
    /// # Errors
    /// As [`Control::send`], with words around it.
    pub fn demand(&self, request: &Request<'_>) -> Result<()> {
        self.send(request)
            .map_err(|errno| self.refused(request, errno))
    }

    /// What to say of a message that the module did not take.
    pub fn refused(&self, request: &Request<'_>, errno: Errno) -> Failure {
        let why = match (request, errno) {
            (Request::Parameter { .. }, Errno::E2BIG | Errno::EMSGSIZE) => {
                "it is longer than the script's strings can be (rstap -DMAXSTRINGLEN=N)"
            }
            (Request::Hello { .. }, Errno::ENOTCONN) => {
                "it was loaded and never started, as by insmod; unload it with staprun -d"
            }
            _ => errno.desc(),
        };
        Failure::new(format!(
            "module {} refused {}: {why}",
            self.name,
            what(request),
        ))
    }

    /// The next message, if one is waiting. `Err` when the module is gone.
    ///
    /// # Errors
    /// As `read(2)`.
    pub fn receive(&self) -> nix::Result<Received> {
        let mut buffer = [0; protocol::CONTROL_HEADER + protocol::CONTROL_MAXIMUM];
        match nix::unistd::read(&self.file, &mut buffer) {
            Ok(0) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(Received::Nothing),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                Ok(protocol::decode(bytes).map_or(Received::Unknown, Received::Event))
            }
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What a read of the control file gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Event(Event),
    /// Bytes that are no message known here.
    Unknown,
    /// No message was there.
    Nothing,
}

fn what(request: &Request<'_>) -> String {
    match request {
        Request::Hello { .. } => "this staprun".to_owned(),
        Request::Parameter { name, .. } => format!("the value of {name}"),
        Request::Symbol { name, .. } => format!("the address of {name}"),
        Request::Module { name: module } | Request::Section { module, .. } => {
            format!("the sections of {module}")
        }
        Request::Start { .. } => "to start".to_owned(),
        Request::Exit => "to stop".to_owned(),
        Request::Detach => "to go on alone".to_owned(),
        _ => "a message".to_owned(),
    }
}
