// SPDX-License-Identifier: GPL-2.0-or-later
//! The guard: a small process that unloads the module whatever becomes of the
//! loader.
//!
//! It is forked before the module is loaded, keeps the privileges that the
//! loader gives up, ignores all signals, and listens on a pipe. Asked to delete,
//! it deletes and answers; if the pipe closes without a word (the loader was
//! killed), it gives the terminal back that the monitor had taken, waits for the
//! module to disarm and deletes it as well.

use std::ffi::CString;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, delete_module};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};

use crate::monitor::Modes;
use crate::report::{Failure, Result};
use crate::sys;

const LOADED: u8 = b'l';
const DELETE: u8 = b'd';
const LEAVE: u8 = b'q';

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(20);
/// Attempts when asked (5 s); the answer then is the last error.
const ATTEMPTS_ASKED: u32 = 250;
/// Attempts after the loader was killed (60 s): the module disarms within one
/// second, the rest is for readers that still hold its files.
const ATTEMPTS_ALONE: u32 = 3000;

/// The loader's end.
#[derive(Debug)]
pub struct Guard {
    requests: PipeWriter,
    answers: PipeReader,
    process: Pid,
}

impl Guard {
    /// Starts the process for the module `name`. `terminal` is what it gives back if the loader
    /// cannot.
    ///
    /// # Errors
    /// No pipe or process could be had.
    pub fn start(name: &str, terminal: Option<Modes>) -> Result<Guard> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(format!(
                "cannot start the process that unloads the module: {error}"
            ))
        };
        let module = CString::new(name).map_err(|error| failed(&error))?;
        let (request_reader, requests) = std::io::pipe().map_err(|error| failed(&error))?;
        let (answers, answer_writer) = std::io::pipe().map_err(|error| failed(&error))?;
        match sys::fork_single_threaded().map_err(|error| failed(&error))? {
            ForkResult::Child => {
                drop(requests);
                drop(answers);
                serve(&module, terminal.as_ref(), request_reader, answer_writer);
                sys::exit_at_once(0)
            }
            ForkResult::Parent { child } => Ok(Guard {
                requests,
                answers,
                process: child,
            }),
        }
    }

    /// Says that the module is loaded (or about to be), so that it must go.
    pub fn module_is_loaded(&mut self) {
        let _ = self.requests.write_all(&[LOADED]);
    }

    /// Unloads the module; waits until it is gone. That somebody else unloaded it
    /// is as good.
    ///
    /// # Errors
    /// The module is still in use, or the guard is gone.
    pub fn delete(mut self, name: &str) -> Result<()> {
        let mut answer = [0; 4];
        let asked = self.requests.write_all(&[DELETE]);
        let answered = asked.and_then(|()| self.answers.read_exact(&mut answer));
        let result = match answered {
            Ok(()) => match i32::from_ne_bytes(answer) {
                0 => Ok(()),
                number if number == Errno::ENOENT as i32 => Ok(()),
                number => Err(unload_failure(name, Errno::from_raw(number))),
            },
            Err(_) => delete_with_retries(name, ATTEMPTS_ASKED)
                .map_err(|errno| unload_failure(name, errno)),
        };
        drop(self.requests);
        // Fails when the guard is the child of another process (-D); no matter.
        let _ = waitpid(self.process, None);
        result
    }

    /// Ends the guard and leaves the module as it is.
    pub fn leave(mut self) {
        let _ = self.requests.write_all(&[LEAVE]);
        drop(self.requests);
        let _ = waitpid(self.process, None);
    }
}

/// Unloads a module by name, trying again while it is in use.
///
/// # Errors
/// As `delete_module(2)`.
pub fn delete_with_retries(name: &str, attempts: u32) -> nix::Result<()> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    delete_c(&name, attempts)
}

fn delete_c(name: &CString, attempts: u32) -> nix::Result<()> {
    let mut last = Errno::EINVAL;
    for attempt in 0..attempts.max(1) {
        if attempt > 0 {
            std::thread::sleep(RETRY);
        }
        match delete_module(name, DeleteModuleFlags::O_NONBLOCK) {
            Ok(()) => return Ok(()),
            Err(errno @ (Errno::EWOULDBLOCK | Errno::EBUSY | Errno::EINTR)) => last = errno,
            Err(errno) => return Err(errno),
        }
    }
    Err(last)
}

/// The text for a module that would not go.
#[must_use]
pub fn unload_failure(name: &str, errno: Errno) -> Failure {
    let next = match errno {
        Errno::EWOULDBLOCK | Errno::EBUSY => {
            format!("it is still in use; try again with: staprun -d {name}")
        }
        Errno::ENOENT => "no such module is loaded".to_owned(),
        Errno::EPERM => "root or CAP_SYS_MODULE is needed".to_owned(),
        other => format!("{}; the kernel's log (dmesg) may say more", other.desc()),
    };
    Failure::new(format!("cannot unload module {name}: {next}"))
}

/// The guard's life. Nothing of the loader's is used here but the name.
fn serve(
    module: &CString,
    terminal: Option<&Modes>,
    mut requests: PipeReader,
    mut answers: PipeWriter,
) {
    let _ = nix::unistd::setsid();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    crate::privilege::become_root();
    let _ = nix::sys::prctl::set_name(c"staprun-guard");
    let _ = std::env::set_current_dir("/");
    // A reader of the loader's stdout must see its end with the loader's, and
    // module files must not be held open.
    if let Ok(null) = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        let _ = nix::unistd::dup2_stdin(null.as_fd());
        let _ = nix::unistd::dup2_stdout(null.as_fd());
        let _ = nix::unistd::dup2_stderr(null.as_fd());
    }
    let mut loaded = false;
    loop {
        let mut request = [0];
        match requests.read(&mut request) {
            Ok(1) => match request {
                [LOADED] => loaded = true,
                [DELETE] => {
                    let result = delete_c(module, ATTEMPTS_ASKED);
                    let number = result.err().map_or(0, |errno| errno as i32);
                    let _ = answers.write_all(&number.to_ne_bytes());
                    return;
                }
                [LEAVE] => return,
                _ => {}
            },
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    if let Some(terminal) = terminal {
        terminal.restore();
    }
    if loaded {
        let _ = delete_c(module, ATTEMPTS_ALONE);
    }
}
