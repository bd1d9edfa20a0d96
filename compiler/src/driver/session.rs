// SPDX-License-Identifier: GPL-2.0-or-later
//! The session's temporary directory, and what happens to it when the user interrupts.

use crate::output::tell_line;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// Before pass 5 an interrupt ends the program.
const COMPILING: u8 = 0;
/// In pass 5 it is for staprun, which gets it too, or for the virtual machine.
const RUNNING: u8 = 1;

/// Signals that end the session. SIGHUP is none of them under nohup(1), which then holds for
/// staprun, too: a signal that is caught here is not ignored there.
pub fn endings() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok())
        .unwrap_or(0);
    let survives_hangup = ignored & (1 << (SIGHUP - 1)) != 0;
    let signals = [SIGINT, SIGTERM, SIGHUP].into_iter();
    signals
        .filter(|signal| !(survives_hangup && *signal == SIGHUP))
        .collect()
}

/// Removed with everything in it when dropped, unless it is to be kept.
#[derive(Debug)]
pub struct Session {
    directory: PathBuf,
    keep: bool,
    state: Arc<AtomicU8>,
}

impl Session {
    /// Makes `/tmp/rstapXXXXXX`, or takes `wanted` (`--tmpdir`), and watches for signals.
    pub fn new(wanted: Option<&Path>, keep: bool) -> io::Result<Session> {
        let (directory, keep) = match wanted {
            Some(path) => {
                std::fs::create_dir_all(path)?;
                // what the user named is the user's
                (std::fs::canonicalize(path)?, true)
            }
            None => {
                let directory = tempfile::Builder::new()
                    .prefix("rstap")
                    .rand_bytes(6)
                    .tempdir()?;
                (directory.keep(), keep)
            }
        };
        let state = Arc::new(AtomicU8::new(COMPILING));
        // In pass 5 staprun leaves the module running, or starts a new output file.
        let others = [SIGQUIT, SIGUSR2];
        let mut signals = SignalsInfo::<WithOrigin>::new(endings().into_iter().chain(others))?;
        let shared = Arc::clone(&state);
        let path = directory.clone();
        std::thread::spawn(move || {
            for origin in &mut signals {
                let is_compiling = shared.load(Ordering::SeqCst) == COMPILING;
                if is_compiling && origin.signal != SIGUSR2 {
                    if !keep {
                        // nobody is left to tell if it fails
                        let _ = std::fs::remove_dir_all(&path);
                    }
                    std::process::exit(1);
                }
                // the terminal's interrupt reaches staprun without us
                if let Cause::Sent(_) = origin.cause {
                    super::run::pass_on(origin.signal);
                }
            }
        });
        Ok(Session {
            directory,
            keep,
            state,
        })
    }

    /// The temporary directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// From now on an interrupt ends the script, not this program.
    pub fn begin_run(&self) {
        self.state.store(RUNNING, Ordering::SeqCst);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.keep {
            tell_line!(
                "Keeping temporary directory \"{}\"",
                self.directory.display()
            );
        } else if let Err(error) = std::fs::remove_dir_all(&self.directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            tell_line!(
                "WARNING: cannot remove temporary directory {}: {error}",
                self.directory.display()
            );
        }
    }
}
