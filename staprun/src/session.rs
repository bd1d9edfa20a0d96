// SPDX-License-Identifier: GPL-2.0-or-later
//! A session: one loop over the control file, the output files, signals and
//! stdout, from START to the last byte.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::channel::{Control, Received, Trace};
use crate::child::{self, HeldChild};
use crate::errand::{self, Errand};
use crate::merge::Merger;
use crate::monitor::Key;
use crate::output::{self, Output};
use crate::protocol::{Event, Request};
use crate::report::{Failure, Reporter, Result};
use crate::summary::{Account, Line};
use crate::sys;

/// Bytes of one read of an output file.
const READ_SIZE: usize = 1 << 16;
/// Reads of one CPU before the next has its turn.
const READS_IN_A_ROW: usize = 16;
/// Output that waits for a slow stdout before no more is read from the module,
/// which then counts what it has to drop.
const WAITING_MAXIMUM: usize = 8 << 20;
/// Ends of a session that a user asked for before nothing is waited for.
const INTERRUPTS_TO_FORCE: u32 = 3;

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The probes are gone; unload the module.
    Ended,
    /// Leave the module running.
    Detached,
    /// This process is the parent of the one that goes on in the background.
    InBackground(Pid),
}

/// What a session starts with.
pub struct Plan {
    /// Held command of `-c`.
    pub child: Option<HeldChild>,
    /// `target()`.
    pub target: i64,
    /// Whether the module runs already (`-A`).
    pub attach: bool,
    /// Leave as soon as it runs (`-L`).
    pub detach: bool,
    /// Go to the background as soon as it runs (`-D`).
    pub daemon: bool,
    /// `-i`: the path of the file that the bytes of stdin go to.
    pub stdin: Option<String>,
    /// `--summary=json`.
    pub summary_json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
    Stopping,
    Ended,
}

/// The state of the loop.
pub struct Session<'a> {
    control: &'a Control,
    traces: Vec<Trace>,
    output: Output,
    /// Whether it is bulk mode, in which nothing is put in order, also after a failure.
    is_bulk: bool,
    reporter: &'a mut Reporter,
    plan: Plan,
    merger: Merger,
    /// Whether all output that the module has was read.
    is_drained: bool,
    phase: Phase,
    /// START or EXIT, while the module is at it.
    errand: Option<Errand>,
    /// The next request of that kind.
    order: Option<Request<'static>>,
    command: Option<Pid>,
    /// Takes what is read from stdin.
    stdin: Option<File>,
    interrupts: u32,
    failed: bool,
    account: Account,
}

/// Signals that the loop reads from a descriptor; blocked everywhere else. SIGHUP is none of
/// them under nohup(1); SIGINT is one even where a shell made a background job ignore it.
#[must_use]
pub fn signals() -> SigSet {
    let survives_hangup = sys::is_ignored(Signal::SIGHUP);
    [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR2,
        Signal::SIGCHLD,
        Signal::SIGWINCH,
        Signal::SIGTSTP,
        // Blocked so that a limit of the size of files is an error of write(2).
        Signal::SIGXFSZ,
    ]
    .into_iter()
    .filter(|signal| !(survives_hangup && *signal == Signal::SIGHUP))
    .collect()
}

impl<'a> Session<'a> {
    /// A session over open files.
    pub fn new(
        control: &'a Control,
        traces: Vec<Trace>,
        output: Output,
        reporter: &'a mut Reporter,
        plan: Plan,
    ) -> Session<'a> {
        let (first, phase) = match plan.attach {
            true => (None, Phase::Running),
            false => (Some(1), Phase::Starting),
        };
        Session {
            control,
            traces,
            is_bulk: matches!(output, Output::Bulk(_)),
            output,
            reporter,
            plan,
            merger: Merger::new(first),
            is_drained: false,
            phase,
            errand: None,
            order: None,
            command: None,
            stdin: None,
            interrupts: 0,
            failed: false,
            account: Account::default(),
        }
    }

    /// Runs to the end. `true` with it means that something failed on the way
    /// (and was reported).
    ///
    /// # Errors
    /// The session could not start, or the module is gone.
    pub fn run(mut self) -> Result<(Ending, bool)> {
        let signals =
            SignalFd::with_flags(&signals(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
                .map_err(|errno| {
                    Failure::new(format!("cannot receive signals: {}", errno.desc()))
                })?;
        if self.phase == Phase::Starting {
            self.order = Some(Request::Start {
                target: self.plan.target,
            });
        } else {
            self.open_stdin();
        }
        loop {
            let followed = match self.order.take() {
                Some(order) => {
                    let (errand, report) = Errand::open()?;
                    self.errand = Some(errand);
                    let control = self.control;
                    std::thread::scope(|scope| {
                        let follower = scope.spawn(|| self.follow(&signals));
                        errand::carry_out(control, &order, report);
                        follower.join()
                    })
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                }
                // No other thread runs now, as a fork demands.
                None if self.phase == Phase::Running && self.plan.daemon => self
                    .go_to_background()
                    .map(|ending| Some((ending?, self.failed))),
                None => self.follow(&signals),
            };
            if let Some(result) = followed? {
                return Ok(result);
            }
        }
    }

    /// Handles what happens until the session ends, or until the errand is done or there is an
    /// order for one.
    fn follow(&mut self, signals: &SignalFd) -> Result<Option<(Ending, bool)>> {
        let has_errand = self.errand.is_some();
        loop {
            self.wait(signals)?;
            while let Ok(Some(signal)) = signals.read_signal() {
                if let Some(ending) = self.on_signal(signal.ssi_signo)? {
                    return Ok(Some((ending, self.failed)));
                }
            }
            if self.interrupts >= INTERRUPTS_TO_FORCE && self.errand.is_none() {
                self.reporter
                    .warning("interrupted again; not waiting for the rest of the output");
                return Ok(Some((Ending::Ended, true)));
            }
            if let Some(ending) = self.on_control()? {
                return Ok(Some((ending, self.failed)));
            }
            self.take_stdin();
            self.collect();
            if self.phase == Phase::Ended
                && self.traces.iter().all(|trace| trace.ended)
                && self.output.waiting() == 0
                && self.order.is_none()
            {
                self.finish_errand()?;
                // The terminal is as it was before the account is printed.
                self.output = Output::Discard;
                self.conclude();
                let failed = self.failed || self.reporter.errors() > 0;
                return Ok(Some((Ending::Ended, failed)));
            }
            if self.errand.is_none() && (has_errand || self.order.is_some()) {
                return Ok(None);
            }
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self, signals: &SignalFd) -> Result<()> {
        let mut descriptors = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if self.phase != Phase::Ended {
            descriptors.push(PollFd::new(self.control.as_fd(), PollFlags::POLLIN));
        }
        let full = self.output.waiting() >= WAITING_MAXIMUM;
        let readable = self.traces.iter().filter(|trace| !trace.ended && !full);
        descriptors
            .extend(readable.map(|trace| PollFd::new(trace.file.as_fd(), PollFlags::POLLIN)));
        let stdout = descriptors.len();
        // What is only left running prints nothing here, and whoever reads it may go.
        let stdout_poll = output::stdout_poll(&self.output).filter(|_| !self.plan.detach);
        descriptors.extend(stdout_poll);
        let stdout = stdout..descriptors.len();
        let errand = descriptors.len();
        descriptors.extend(
            self.errand
                .as_ref()
                .map(|errand| PollFd::new(errand.as_fd(), PollFlags::POLLIN)),
        );
        let errand = errand..descriptors.len();
        let stdin = io::stdin();
        let monitor = match &self.output {
            Output::Screen(monitor) => Some(monitor.deadline()),
            _ => None,
        };
        if (self.stdin.is_some() || monitor.is_some()) && self.phase == Phase::Running {
            descriptors.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        let gap = self.merger.deadline().filter(|_| self.is_drained);
        let deadlines = [gap, monitor];
        let timeout = match deadlines.into_iter().flatten().min() {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                // One more millisecond: rounding down would spin.
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO)
            }
            None => PollTimeout::NONE,
        };
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => {
                return Err(Failure::new(format!(
                    "cannot wait for output: {}",
                    errno.desc()
                )));
            }
        }
        let has = |range, flags| {
            let descriptors: &[PollFd<'_>] = descriptors.get(range).unwrap_or_default();
            descriptors
                .iter()
                .any(|fd| fd.revents().is_some_and(|events| events.intersects(flags)))
        };
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        let is_closed = has(stdout, gone);
        let is_done = has(errand, PollFlags::POLLIN | gone);
        if is_closed {
            self.check_output(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if is_done {
            self.finish_errand()?;
        }
        Ok(())
    }

    /// Takes the answer to START or EXIT.
    fn finish_errand(&mut self) -> Result<()> {
        let Some(errand) = self.errand.take() else {
            return Ok(());
        };
        let Err(errno) = errand.finish() else {
            return Ok(());
        };
        // The module may have said why.
        self.on_control()?;
        if self.phase == Phase::Starting {
            return Err(Failure::new(format!(
                "the module did not start: {}",
                errno.desc()
            )));
        }
        self.reporter
            .error(&format!("the module did not stop: {}", errno.desc()));
        self.failed = true;
        self.phase = Phase::Ended;
        Ok(())
    }

    fn on_signal(&mut self, number: u32) -> Result<Option<Ending>> {
        let signal = i32::try_from(number)
            .ok()
            .and_then(|number| Signal::try_from(number).ok());
        match signal {
            Some(Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP) => {
                self.interrupts += 1;
                self.stop();
            }
            Some(Signal::SIGQUIT) if self.phase == Phase::Running => {
                return self.detach().map(Some);
            }
            // As soon as it runs.
            Some(Signal::SIGQUIT) if self.phase == Phase::Starting => self.plan.detach = true,
            Some(Signal::SIGUSR2) => self.switch_file(),
            Some(Signal::SIGCHLD) => self.reap(),
            Some(Signal::SIGWINCH) => {
                if let Output::Screen(monitor) = &mut self.output {
                    monitor.resized();
                }
            }
            Some(Signal::SIGTSTP) => self.suspend(),
            _ => {}
        }
        Ok(None)
    }

    /// What SIGTSTP does where it is not blocked, with the terminal given back meanwhile.
    fn suspend(&mut self) {
        let stop = || {
            // Cannot fail: the signal exists.
            let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        };
        match &mut self.output {
            Output::Screen(monitor) => monitor.suspend(stop),
            _ => stop(),
        }
    }

    fn reap(&mut self) {
        while let Some((process, status)) = sys::ended_child() {
            // Others are commands of system(), whose end nobody waits for.
            if self.command != Some(Pid::from_raw(process)) {
                continue;
            }
            self.command = None;
            if let Some(text) = child::ending(status) {
                self.failed = true;
                self.reporter.warning(&text);
            }
            self.stop();
        }
    }

    /// Asks the module to stop, once.
    fn stop(&mut self) {
        if !matches!(self.phase, Phase::Starting | Phase::Running) {
            return;
        }
        self.reporter.step(1, || "stopping".to_owned());
        self.phase = Phase::Stopping;
        self.plan.detach = false;
        self.order = Some(Request::Exit);
    }

    fn detach(&mut self) -> Result<Ending> {
        self.finish_errand()?;
        self.control.demand(&Request::Detach)?;
        self.collect();
        self.finish_merging();
        Ok(Ending::Detached)
    }

    fn switch_file(&mut self) {
        let switched = self.output.switch();
        self.check_output(switched);
    }

    fn on_control(&mut self) -> Result<Option<Ending>> {
        loop {
            match self.control.receive() {
                Ok(Received::Nothing) if self.is_leaving() => return self.detach().map(Some),
                Ok(Received::Nothing) => return Ok(None),
                Ok(Received::Unknown) => {
                    self.reporter
                        .step(1, || "the module sent an unknown message".to_owned());
                }
                Ok(Received::Event(event)) => {
                    if let Some(ending) = self.on_event(event)? {
                        return Ok(Some(ending));
                    }
                }
                Err(Errno::EIO | Errno::ENODEV) => {
                    return Err(Failure::new("the module was unloaded by somebody else"));
                }
                Err(errno) => {
                    return Err(Failure::new(format!("lost the module: {}", errno.desc())));
                }
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Result<Option<Ending>> {
        match event {
            Event::Started(0) => return self.on_started(),
            Event::Started(number) => {
                let errno =
                    i32::try_from(number.saturating_neg()).map_or(Errno::EIO, Errno::from_raw);
                self.reporter.error(&format!(
                    "the probes could not be started: {}",
                    errno.desc()
                ));
                self.stop();
            }
            Event::Warning(text) => self.reporter.warning(&text),
            Event::Error(text) => self.reporter.error(&text),
            Event::Log(text) => self.reporter.line(&text),
            Event::System(command) => self.system(&command),
            Event::SwitchFile => self.switch_file(),
            Event::RequestExit => self.stop(),
            Event::Ended => self.phase = Phase::Ended,
            Event::Summary(text) => match Line::parse(&text) {
                Some(line) => self.account.lines.push(line),
                None => self
                    .reporter
                    .step(1, || format!("unreadable summary line '{text}'")),
            },
        }
        Ok(None)
    }

    /// The file is there when the probes are.
    fn open_stdin(&mut self) {
        let Some(path) = &self.plan.stdin else { return };
        match File::options().write(true).open(path) {
            Ok(file) => self.stdin = Some(file),
            Err(error) => self.reporter.step(1, || {
                format!("the script does not read stdin ({path}: {error})")
            }),
        }
    }

    fn on_started(&mut self) -> Result<Option<Ending>> {
        self.reporter.step(1, || "the probes are armed".to_owned());
        self.open_stdin();
        if self.phase == Phase::Starting {
            self.phase = Phase::Running;
        }
        if let Some(child) = self.plan.child.take() {
            self.command = Some(child.process);
            if let Err(failure) = child.release() {
                self.failed = true;
                self.reporter.error(&failure.0);
                self.command = None;
                self.stop();
            }
        }
        // A session with errors may be at its end: what else the module says comes first.
        if self.is_leaving() && self.reporter.errors() == 0 {
            return self.detach().map(Some);
        }
        Ok(None)
    }

    fn is_leaving(&self) -> bool {
        self.plan.detach && self.phase == Phase::Running
    }

    fn go_to_background(&mut self) -> Result<Option<Ending>> {
        let failed = |text: &str| Failure::new(format!("cannot go to the background: {text}"));
        match sys::fork_single_threaded().map_err(|errno| failed(errno.desc()))? {
            nix::unistd::ForkResult::Parent { child } => Ok(Some(Ending::InBackground(child))),
            nix::unistd::ForkResult::Child => {
                self.plan.daemon = false;
                let _ = nix::unistd::setsid();
                let null = std::fs::OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open("/dev/null");
                let null = null.map_err(|error| failed(&error.to_string()))?;
                let _ = nix::unistd::dup2_stdin(null.as_fd());
                let _ = nix::unistd::dup2_stdout(null.as_fd());
                let _ = nix::unistd::dup2_stderr(null.as_fd());
                self.reporter.use_syslog();
                Ok(None)
            }
        }
    }

    fn system(&mut self, command: &[u8]) {
        use std::os::unix::ffi::OsStrExt as _;
        // What the script printed before comes first.
        let pumped = self.output.pump();
        self.check_output(pumped);
        let spawned = Command::new("sh")
            .arg("-c")
            .arg(std::ffi::OsStr::from_bytes(command))
            .stdin(Stdio::null())
            .spawn();
        // Not waited for here: reap() sees its end.
        if let Err(error) = spawned {
            self.reporter
                .warning(&format!("system() could not start sh: {error}"));
        }
    }

    /// Takes what was typed: for the monitor, or for the probes of stdin, which
    /// expect a byte at a time.
    fn take_stdin(&mut self) {
        let has_monitor = matches!(self.output, Output::Screen(_));
        if self.phase != Phase::Running || !(has_monitor || self.stdin.is_some()) {
            return;
        }
        let stdin = io::stdin();
        let mut descriptors = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut descriptors, PollTimeout::ZERO), Ok(ready) if ready > 0) {
            return;
        }
        let mut bytes = [0; 256];
        let count = nix::unistd::read(stdin.as_fd(), &mut bytes).unwrap_or(0);
        let fed = bytes.get(..count).unwrap_or_default();
        if let Output::Screen(monitor) = &mut self.output {
            if count == 0 || monitor.keys(fed) == Key::Quit {
                self.stop();
            }
            return;
        }
        let Some(file) = &mut self.stdin else {
            return;
        };
        if count == 0 || fed.iter().any(|byte| file.write_all(&[*byte]).is_err()) {
            self.stdin = None;
        }
    }

    /// Reads what the CPUs printed and passes on what is in order.
    fn collect(&mut self) {
        // A module that is only loaded keeps its output for whoever attaches to it.
        if self.plan.detach {
            return;
        }
        self.is_drained = self.output.waiting() < WAITING_MAXIMUM && self.read_traces();
        let now = Instant::now();
        let mut ready = Vec::new();
        // What is missing may wait in a file that was not read to its end.
        if self.is_drained {
            self.merger.expire(now, &mut ready);
        }
        let all_read = self.phase == Phase::Ended && self.traces.iter().all(|trace| trace.ended);
        if all_read {
            self.merger.finish(&mut ready);
        }
        self.pass_on(&ready);
        if let Output::Screen(monitor) = &mut self.output {
            monitor.refresh(now);
        }
        let pumped = self.output.pump();
        self.check_output(pumped);
    }

    /// Whether every CPU's file was read until nothing was there.
    fn read_traces(&mut self) -> bool {
        let mut drained = 0;
        let mut buffer = vec![0; READ_SIZE];
        let mut ready = Vec::new();
        for index in 0..self.traces.len() {
            for _ in 0..READS_IN_A_ROW {
                let Some(trace) = self.traces.get_mut(index).filter(|trace| !trace.ended) else {
                    drained += 1;
                    break;
                };
                match trace.file.read(&mut buffer) {
                    Ok(0) => {
                        // Before the end, 0 says no more than EAGAIN does.
                        trace.ended = self.phase == Phase::Ended;
                        drained += 1;
                        break;
                    }
                    Ok(count) => trace.framer.push(buffer.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        if error.kind() != io::ErrorKind::WouldBlock {
                            let text = format!("cannot read output of CPU {}: {error}", trace.cpu);
                            trace.ended = true;
                            self.failed = true;
                            self.reporter.error(&text);
                        }
                        drained += 1;
                        break;
                    }
                }
                let now = Instant::now();
                while let Some(message) = trace.framer.next_message() {
                    if !self.is_bulk {
                        self.merger.push(message, now, &mut ready);
                    } else if let Err(error) = self.output.write_bulk(trace.cpu, &message) {
                        self.check_output(Err(error));
                        break;
                    }
                }
            }
        }
        self.pass_on(&ready);
        drained == self.traces.len()
    }

    fn finish_merging(&mut self) {
        let mut ready = Vec::new();
        self.merger.finish(&mut ready);
        self.pass_on(&ready);
    }

    fn pass_on(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let written = self.output.write(bytes);
            self.check_output(written);
        }
    }

    /// A closed pipe ends the session quietly, any other failure with a word.
    fn check_output(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        self.output = Output::Discard;
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.reporter.step(1, || "stdout was closed".to_owned());
        } else {
            self.failed = true;
            self.reporter
                .error(&format!("cannot write output: {error}"));
        }
        self.stop();
    }

    /// Tells what was lost.
    fn conclude(&mut self) {
        self.account.missing_messages = self.merger.missing();
        self.account.unexpected_messages = self.merger.unexpected();
        for trace in &mut self.traces {
            let damaged = trace.framer.take_damaged() + trace.framer.leftover() as u64;
            self.account.damaged_bytes += damaged;
        }
        for text in self.account.warnings() {
            self.reporter.warning(&text);
        }
        let timing = self.account.timing_report();
        if !timing.is_empty() {
            self.reporter.line(timing.trim_end());
        }
        for text in self.account.replacements() {
            self.reporter.step(1, || text);
        }
        if let Some(memory) = self.account.memory_report() {
            self.reporter.step(1, || memory);
        }
        if self.plan.summary_json {
            self.reporter.line(&self.account.json());
        }
    }
}

#[cfg(test)]
mod tests;
