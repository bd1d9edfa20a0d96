// SPDX-License-Identifier: GPL-2.0-or-later
//! The command of `-c`: started before the probes, executed after them, so that
//! its process number is known to the script and nothing of it is missed.

use std::ffi::CString;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{ForkResult, Pid, execvp};

use crate::report::{Failure, Result};
use crate::sys;

/// A process that waits to become the command.
#[derive(Debug)]
pub struct HeldChild {
    /// Its number; `target()` of the script.
    pub process: Pid,
    command: String,
    go: PipeWriter,
    failure: PipeReader,
}

impl HeldChild {
    /// Forks the process. It runs the command only after [`HeldChild::release`]
    /// and goes away if this value is dropped before.
    ///
    /// # Errors
    /// No pipe or process could be had, or the command has a NUL.
    pub fn start(command: &str) -> Result<HeldChild> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(format!("cannot start '{command}': {error}"))
        };
        let words = words(command)
            .into_iter()
            .map(CString::new)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| failed(&error))?;
        let (mut wait, go) = std::io::pipe().map_err(|error| failed(&error))?;
        let (failure, mut report) = std::io::pipe().map_err(|error| failed(&error))?;
        match sys::fork_single_threaded().map_err(|error| failed(&error))? {
            ForkResult::Child => {
                drop(go);
                drop(failure);
                let mut byte = [0];
                if wait.read_exact(&mut byte).is_ok() {
                    sys::restore_sigpipe();
                    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
                    let errno = match words.first() {
                        Some(program) => match execvp(program, &words) {
                            Ok(never) => match never {},
                            Err(errno) => errno,
                        },
                        None => Errno::EINVAL,
                    };
                    let _ = report.write_all(&(errno as i32).to_ne_bytes());
                }
                sys::exit_at_once(127)
            }
            ForkResult::Parent { child } => Ok(HeldChild {
                process: child,
                command: command.to_owned(),
                go,
                failure,
            }),
        }
    }

    /// Lets the process execute the command.
    ///
    /// # Errors
    /// It could not be executed.
    pub fn release(mut self) -> Result<()> {
        let failed = |text: &str| Failure::new(format!("cannot run '{}': {text}", self.command));
        self.go
            .write_all(b"g")
            .map_err(|error| failed(&error.to_string()))?;
        let mut number = [0; 4];
        // The pipe closes without a word when the program is executed.
        match self.failure.read_exact(&mut number) {
            Ok(()) => Err(failed(Errno::from_raw(i32::from_ne_bytes(number)).desc())),
            Err(_) => Ok(()),
        }
    }
}

/// The arguments to execute: the words of a plain command, else the shell, so
/// that `target()` is the program itself where that is possible.
fn words(command: &str) -> Vec<String> {
    const SPECIAL: &str = "|&;<>()$`\\*?[]#~!{}\n";
    let shell = || vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()];
    let Some(plain) = unquoted(command) else {
        return shell();
    };
    // NAME=VALUE before the program is the shell's business, behind it an argument.
    let assigns = plain.first().is_some_and(|word| word.contains('='));
    let builtin = plain.first().is_some_and(|word| {
        matches!(
            word.as_str(),
            "exit" | "cd" | "exec" | "ulimit" | "umask" | "set" | "." | ":"
        ) || matches!(
            word.as_str(),
            "if" | "for" | "while" | "until" | "case" | "trap" | "eval"
        )
    });
    if builtin || assigns || command.contains(|character| SPECIAL.contains(character)) {
        return shell();
    }
    plain
}

/// Words at blanks, quotes taken away; `None` if a quote is not closed.
fn unquoted(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in command.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => word.get_or_insert_default().push(character),
            None if character == '\'' || character == '"' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_ascii_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// How a command ended by its `wait(2)` status, if that was not with success: the words of
/// SystemTap.
#[must_use]
pub fn ending(status: i32) -> Option<String> {
    if !libc::WIFSIGNALED(status) {
        let status = libc::WEXITSTATUS(status);
        return (status != 0).then(|| format!("child process exited with status {status}"));
    }
    let number = libc::WTERMSIG(status);
    let name = match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        // Real-time signals have numbers only.
        Err(_) => "real-time signal".to_owned(),
    };
    Some(format!(
        "child process exited with signal {number} ({name})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};

    #[test]
    fn plain_commands_need_no_shell() {
        assert_eq!(words("ls -l  /tmp"), ["ls", "-l", "/tmp"]);
        assert_eq!(words("exit 3"), ["sh", "-c", "exit 3"]);
        assert_eq!(words("a | b"), ["sh", "-c", "a | b"]);
        assert_eq!(words("A=1 b"), ["sh", "-c", "A=1 b"]);
        assert_eq!(words("dd if=/dev/zero"), ["dd", "if=/dev/zero"]);
        assert_eq!(words("echo 'a b' \"c\""), ["echo", "a b", "c"]);
        assert_eq!(words("echo 'a"), ["sh", "-c", "echo 'a"]);
    }

    #[test]
    fn endings_are_worded() {
        // As wait(2) gives them: the status in the second byte, or a signal in the first.
        let endings = [0, 3 << 8, 9, 11 | 0x80, 35].map(ending);
        let texts = endings.each_ref().map(Option::as_deref);
        assert_eq!(
            texts,
            [
                None,
                Some("child process exited with status 3"),
                Some("child process exited with signal 9 (SIGKILL)"),
                Some("child process exited with signal 11 (SIGSEGV)"),
                Some("child process exited with signal 35 (real-time signal)"),
            ]
        );
    }

    #[test]
    fn a_released_child_runs_and_a_dropped_one_goes_away() {
        let child = HeldChild::start("true").expect("forked");
        let process = child.process;
        child.release().expect("executed");
        assert_eq!(waitpid(process, None), Ok(WaitStatus::Exited(process, 0)));

        let child = HeldChild::start("true").expect("forked");
        let process = child.process;
        drop(child);
        assert_eq!(waitpid(process, None), Ok(WaitStatus::Exited(process, 127)));
    }

    #[test]
    fn a_missing_program_is_reported() {
        let child = HeldChild::start("/nowhere/at/all").expect("forked");
        let process = child.process;
        let failure = child.release().expect_err("missing");
        assert!(failure.0.contains("No such file"), "{failure}");
        let _ = waitpid(process, None);
    }
}
