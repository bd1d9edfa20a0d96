// SPDX-License-Identifier: GPL-2.0-or-later
//! Starting helper programs that cannot outlive us.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Error, Result};

/// Finds a program in `PATH`, and in the administrator's folders, which an ordinary user's `PATH`
/// lacks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file)
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Like [`find_program`], but a missing program is an error that names the package holding it.
pub fn need_program(name: &str, package: &str) -> Result<PathBuf> {
    find_program(name).ok_or_else(|| {
        Error::new(format!("the program {name} is not installed"))
            .hint(format!("install it with: apt-get install {package}"))
    })
}

/// Runs a program to its end and returns its standard output; failure carries the last lines of
/// its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let result = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::new(format!("cannot start {name}: {error}")))?;
    check(&name, &result)?;
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

fn check(name: &str, result: &Output) -> Result<()> {
    if result.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&result.stderr);
    let mut tail: Vec<&str> = text
        .lines()
        .rev()
        .filter(|l| !l.trim().is_empty())
        .take(3)
        .collect();
    tail.reverse();
    Err(Error::new(format!(
        "{name} failed ({}): {}",
        result.status,
        tail.join("; ")
    )))
}

/// A running helper. It is in its own process group, so that a Ctrl-C at the terminal reaches us
/// alone, and the kernel kills it when the thread that started it ends, however that happens.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    name: String,
}

impl Helper {
    /// Starts `program`. `setup` adds arguments and redirections.
    ///
    /// `setpriv` (util-linux, always present on Debian) asks for the parent-death signal; doing it
    /// here would need unsafe code between fork and exec.
    pub fn start(program: &Path, setup: impl FnOnce(&mut Command)) -> Result<Helper> {
        use std::os::unix::process::CommandExt;
        let setpriv = need_program("setpriv", "util-linux")?;
        let mut command = Command::new(setpriv);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .process_group(0);
        setup(&mut command);
        let name = program.display().to_string();
        let child = command
            .spawn()
            .map_err(|error| Error::new(format!("cannot start {name}: {error}")))?;
        Ok(Helper { child, name })
    }

    /// The child, for taking its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The exit status if it has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .map_err(|error| Error::new(format!("cannot wait for {}: {error}", self.name)))
    }

    /// Waits until it ends by itself; gives `None` after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            if start.elapsed() >= limit {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it and all it started, and collects it.
    pub fn stop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            if let Ok(pid) = i32::try_from(self.child.id()) {
                // The group: virtiofsd forks. Failure means that it is gone already.
                let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_shell_and_reports_what_is_missing() {
        assert!(find_program("sh").is_some());
        let error = need_program("no-such-program-here", "nothing").unwrap_err();
        assert!(error.hint.unwrap().contains("apt-get install nothing"));
    }

    #[test]
    fn output_carries_the_reason() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(error.message.contains("why"), "{}", error.message);
    }

    #[test]
    fn a_dropped_helper_is_gone() {
        let sleep = find_program("sleep").unwrap();
        let helper = Helper::start(&sleep, |command| {
            command.arg("60");
        })
        .unwrap();
        let pid = Pid::from_raw(helper.child.id() as i32);
        drop(helper);
        assert!(kill(pid, None).is_err());
    }
}
