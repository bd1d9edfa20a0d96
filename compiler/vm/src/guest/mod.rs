// SPDX-License-Identifier: GPL-2.0-or-later
//! A running guest, and scripts run in it one after the other.
//!
//! The guest's agent (`agent.sh`) talks over four virtio ports: `control` carries lines, `stdin`,
//! `stdout` and `stderr` carry bytes as they are. The kernel's log comes over the serial line.

mod machine;
mod stream;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

pub use machine::{Accelerator, Machine, Root, SNAKE_OIL, can_share_host_files};

use crate::process::Helper;
use crate::{Error, Result, splat};
use stream::{Event, MarkFilter};

/// How long a guest may need, under emulation on a busy host, for what takes it a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shell script to run in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// One word that names it in the log.
    pub name: String,
    /// What busybox's shell runs. What it becomes by `exec` receives signals.
    pub script: String,
    /// What it reads as standard input; `None` connects [`Guest::input`].
    pub stdin: Option<Vec<u8>>,
    /// When the guest ends it.
    pub limit: Duration,
}

impl Case {
    /// A script without input that may take a minute.
    pub fn new(name: impl Into<String>, script: impl Into<String>) -> Case {
        Case {
            name: name.into(),
            script: script.into(),
            stdin: Some(Vec::new()),
            limit: Duration::from_secs(60),
        }
    }

    /// The script as sent: what it reads is part of it.
    fn text(&self) -> String {
        match &self.stdin {
            None => self.script.clone(),
            Some(bytes) if bytes.is_empty() => format!("exec </dev/null\n{}", self.script),
            Some(bytes) => format!(
                "echo {} | base64 -d >/run/rstap/stdin\nexec </run/rstap/stdin\n{}",
                base64(bytes),
                self.script
            ),
        }
    }
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status (128 + signal number if a signal ended it).
    Exited(i32),
    /// It was ended when its time was up.
    Expired,
    /// The machine died or stopped answering; the text says which.
    Lost(String),
}

/// What came of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub ending: Ending,
    /// Modules, kprobes and ftrace functions that were there after it but not before.
    pub leaks: Vec<String>,
    /// Lines of the kernel log that a healthy kernel does not write.
    pub splats: Vec<String>,
    /// The kernel's log during the script.
    pub log: String,
}

/// A guest that was booted. Dropping it ends the machine.
#[derive(Debug)]
pub struct Guest {
    qemu: Helper,
    /// Kept alive for the guest's sake.
    _files: Option<Helper>,
    _folder: tempfile::TempDir,
    control: UnixStream,
    input: Option<UnixStream>,
    events: Receiver<Event>,
    mark: String,
    log: Vec<u8>,
    lines: VecDeque<String>,
    ended: bool,
    /// [`PATIENCE`] with this kernel.
    patience: Duration,
}

impl Guest {
    /// Waits for the agent's first word.
    fn await_ready(mut self) -> Result<Guest> {
        let deadline = Instant::now() + 4 * self.patience;
        loop {
            if self.lines.pop_front().is_some_and(|line| line == "ready") {
                return Ok(self);
            }
            if self.ended || Instant::now() > deadline {
                let what = if self.ended {
                    "ended"
                } else {
                    "did not answer"
                };
                let log = String::from_utf8_lossy(&self.log).into_owned();
                return Err(Error::new(format!(
                    "the virtual machine {what} while booting; its log ends with:\n{}",
                    tail(&log, 20)
                )));
            }
            self.pump(Duration::from_millis(100), &mut |_| {});
        }
    }

    /// The guest's kernel log since boot.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log).into_owned()
    }

    /// True when the machine is gone.
    pub fn is_lost(&self) -> bool {
        self.ended
    }

    /// Where to write what a script with `stdin: None` reads; closing it is end of file. Can be
    /// taken once.
    pub fn input(&mut self) -> Option<UnixStream> {
        self.input.take()
    }

    /// Takes one event in. Output events go to `output`.
    fn pump(&mut self, limit: Duration, output: &mut dyn FnMut(Event)) {
        match self.events.recv_timeout(limit) {
            Ok(Event::Control(line)) => self.lines.push_back(line),
            Ok(Event::Log(bytes)) => self.log.extend_from_slice(&bytes),
            Ok(Event::End) => self.ended = true,
            Ok(event) => output(event),
            Err(RecvTimeoutError::Disconnected) => self.ended = true,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }

    fn send(&mut self, line: &str) -> Result<()> {
        self.control
            .write_all(line.as_bytes())
            .and_then(|()| self.control.write_all(b"\n"))
            .map_err(|error| Error::new(format!("the virtual machine is gone: {error}")))
    }

    /// Runs a script. What it writes goes to `stdout` and `stderr` as it comes. Failure to write
    /// there interrupts the script and is an error, except that a closed pipe is none. When
    /// `interrupts` (a count) rises, the script gets SIGINT for the first, and the machine ends at
    /// the second.
    pub fn run(
        &mut self,
        case: &Case,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
        interrupts: Option<&AtomicUsize>,
    ) -> Result<Outcome> {
        let log_start = self.log.len();
        self.lines.clear();
        let seconds = case.limit.as_secs().max(1);
        self.send(&format!(
            "run {} {seconds} {}",
            case.name,
            base64(case.text().as_bytes())
        ))?;
        let mut deadline = Instant::now() + case.limit + self.patience;
        let mut filters = (MarkFilter::new(&self.mark), MarkFilter::new(&self.mark));
        let mut leaks = Vec::new();
        let mut ending = None;
        let mut interrupted = 0;
        let mut trouble = None;
        loop {
            self.pump(Duration::from_millis(20), &mut |event| {
                let written = match event {
                    Event::Stdout(bytes) => write_all(stdout, &filters.0.feed(&bytes)),
                    Event::Stderr(bytes) => write_all(stderr, &filters.1.feed(&bytes)),
                    _ => Ok(()),
                };
                if let Err(error) = written {
                    trouble.get_or_insert(error);
                }
            });
            while let Some(line) = self.lines.pop_front() {
                match parse_answer(&line, &case.name) {
                    Some(Answer::Leak(text)) => leaks.push(text),
                    Some(Answer::End(found)) => {
                        ending = Some(found);
                        deadline = Instant::now() + self.patience;
                    }
                    None => {}
                }
            }
            if let (Some(found), true) = (&ending, filters.0.done() && filters.1.done()) {
                let found = found.clone();
                self.await_log(&format!("rstap-guest: end {}", case.name));
                return self.outcome(found, leaks, log_start, trouble);
            }
            if self.ended {
                let found = Ending::Lost("the machine ended".to_string());
                return self.outcome(found, leaks, log_start, trouble);
            }
            if Instant::now() > deadline {
                self.qemu.stop();
                self.ended = true;
                let found = Ending::Lost("the machine stopped answering".to_string());
                return self.outcome(found, leaks, log_start, trouble);
            }
            let count = interrupts.map_or(0, |count| count.load(Ordering::Relaxed));
            // A reader that went away is the user's "enough", as SIGPIPE is in a pipeline.
            let count = if trouble.is_some() {
                count.max(1)
            } else {
                count
            };
            if count > interrupted {
                if interrupted == 0 {
                    self.send("signal INT")?;
                    deadline = deadline.min(Instant::now() + self.patience);
                } else {
                    self.qemu.stop();
                    self.ended = true;
                }
                interrupted = count;
            }
        }
    }

    fn outcome(
        &mut self,
        ending: Ending,
        leaks: Vec<String>,
        log_start: usize,
        trouble: Option<std::io::Error>,
    ) -> Result<Outcome> {
        // A reader that had enough is no failure; the script was told to end.
        let trouble = trouble.filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
        if let Some(error) = trouble {
            return Err(Error::new(format!(
                "cannot write what the guest printed: {error}"
            )));
        }
        let log = self.log.get(log_start..).unwrap_or_default();
        let log = String::from_utf8_lossy(log).into_owned();
        Ok(Outcome {
            splats: splat::search(&log),
            ending,
            leaks,
            log,
        })
    }

    /// The serial line is slower than the ports; waits until the log has caught up.
    fn await_log(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(3);
        let window = text.len() + 4096;
        while !self.ended && Instant::now() < deadline {
            let start = self.log.len().saturating_sub(window);
            let tail = self.log.get(start..).unwrap_or_default();
            if String::from_utf8_lossy(tail).contains(text) {
                return;
            }
            self.pump(Duration::from_millis(20), &mut |_| {});
        }
    }

    /// Switches the machine off and returns its whole log.
    pub fn power_off(mut self) -> Result<String> {
        if !self.ended {
            self.send("off")?;
            let deadline = Instant::now() + self.patience;
            while !self.ended && Instant::now() < deadline {
                self.pump(Duration::from_millis(100), &mut |_| {});
            }
            self.qemu.wait(Duration::from_secs(2))?;
        }
        self.qemu.stop();
        Ok(self.log())
    }
}

fn write_all(sink: &mut dyn Write, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    sink.write_all(bytes)?;
    sink.flush()
}

enum Answer {
    Leak(String),
    End(Ending),
}

/// Reads a line of the agent about the script `name`.
fn parse_answer(line: &str, name: &str) -> Option<Answer> {
    let (verb, rest) = line.split_once(' ')?;
    let rest = rest.strip_prefix(name)?.strip_prefix(' ')?;
    match verb {
        "leak" => Some(Answer::Leak(rest.to_string())),
        "end" if rest == "expired" => Some(Answer::End(Ending::Expired)),
        "end" => rest
            .parse()
            .ok()
            .map(|status| Answer::End(Ending::Exited(status))),
        _ => None,
    }
}

/// The last `count` lines of a text.
fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(count)..)
        .unwrap_or_default()
        .join("\n")
}

/// Base64 (RFC 4648 section 4), for scripts on a line of text.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..4usize {
            if position <= chunk.len() {
                let digit = (group >> (18 - 6 * position)) & 63;
                text.push(char::from(
                    DIGITS.get(digit as usize).copied().unwrap_or(b'='),
                ));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Quotes a word for a shell.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A shell line of `words`.
pub fn quote_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for word in words {
        let separator = if line.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator}{}", quote(word));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn answers_are_for_one_script() {
        assert!(matches!(
            parse_answer("end one 3", "one"),
            Some(Answer::End(Ending::Exited(3)))
        ));
        assert!(matches!(
            parse_answer("end one expired", "one"),
            Some(Answer::End(Ending::Expired))
        ));
        assert!(parse_answer("end one 3", "on").is_none());
        assert!(matches!(
            parse_answer("leak a module x", "a"),
            Some(Answer::Leak(_))
        ));
    }

    #[test]
    fn words_are_quoted() {
        assert_eq!(quote_all(["a b", "it's"]), r"'a b' 'it'\''s'");
    }
}
