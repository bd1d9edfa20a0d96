// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 5: the module goes to staprun, here, in a virtual machine, or on another machine.

use crate::output::tell_line;
use std::io::{self, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstap_vm::guest::Accelerator;
use rstap_vm::{KernelSet, RunRequest};

use super::clock::Stopwatch;
use super::kernel::Kernel;
use super::locate;
use super::passes::Module;
use crate::cli::Options;
use crate::cli::options::{Remote, When};

/// The staprun that runs, for signals that came to us alone; 0 when there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// A signal that was sent to us by a process (not by the terminal, which sends it to staprun too).
pub fn pass_on(signal: i32) {
    let child = CHILD.load(Ordering::SeqCst);
    if let (true, Ok(signal)) = (child > 0, Signal::try_from(signal)) {
        // it may just have ended
        let _ = kill(Pid::from_raw(child), signal);
    }
}

/// Runs the module to its end. `Ok(true)`: it ran without errors.
pub fn run(options: &Options, module: &Module, kernel: &Kernel) -> Result<bool, String> {
    let watch = Stopwatch::start();
    let verbosity = options.verbose(5);
    if verbosity > 0 {
        tell_line!("Pass 5: starting run.");
    }
    let staprun = locate::staprun()?;
    let mut words = vec![staprun.display().to_string()];
    words.extend(arguments(options, module));
    if verbosity > 1 {
        tell_line!("Running {}", crate::build::command::join(&words));
    }
    let is_good = match (&kernel.machine, &kernel.connection) {
        (Some(machine), _) => in_machine(options, machine, &words, module)?,
        (_, Some(connection)) => {
            let arguments = words.get(1..).unwrap_or_default();
            connection.run(&staprun, arguments, module, options.remote_prefix)?
        }
        _ => here(&words)?,
    };
    if verbosity > 0 {
        tell_line!("Pass 5: run completed in {}", watch.times());
    }
    Ok(is_good)
}

/// staprun's words for what rstap was told, in SystemTap's order.
pub fn arguments(options: &Options, module: &Module) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |letter: &str, value: Option<String>| {
        words.push(letter.to_owned());
        words.extend(value);
    };
    for _ in 1..options.verbose(5) {
        add("-v", None);
    }
    if options.suppress_warnings {
        add("-w", None);
    }
    if let Some(output) = &options.output {
        add("-o", Some(output.display().to_string()));
    }
    if let Some(command) = &options.command {
        add("-c", Some(command.clone()));
    }
    if let Some(process) = options.target_pid {
        add("-t", Some(process.to_string()));
    }
    if let Some(process) = options.target_namespaces {
        add("-N", Some(process.to_string()));
    }
    if let Some(megabytes) = options.buffer_size {
        add("-b", Some(megabytes.to_string()));
    }
    if module.reads_stdin && !options.flight_recorder && options.monitor.is_none() {
        add("-i", None);
    }
    if options.flight_recorder {
        add(if options.output.is_some() { "-D" } else { "-L" }, None);
    }
    // a name of the user's stays; a signed module must not be changed
    if options.module_name.is_none() && options.sign_module.is_none() {
        add("-R", None);
    }
    if let Some(rotation) = &options.rotation {
        add("-S", Some(rotation.clone()));
    }
    match options.color {
        When::Always => add("-C", Some("always".to_owned())),
        When::Never => add("-C", Some("never".to_owned())),
        When::Auto => {}
    }
    if let Some(seconds) = options.monitor {
        add("-M", Some(seconds.to_string()));
    }
    if options.has_json_summary {
        words.push("--summary=json".to_owned());
    }
    words.push(module.path.display().to_string());
    words
}

fn here(words: &[String]) -> Result<bool, String> {
    let status = spawn(words)
        .and_then(|mut child| {
            let status = child.wait();
            CHILD.store(0, Ordering::SeqCst);
            status
        })
        .map_err(|error| cannot_run(words, &error))?;
    Ok(is_success(status))
}

fn spawn(words: &[String]) -> io::Result<Child> {
    let (program, rest) = words
        .split_first()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let child = Command::new(program).args(rest).spawn()?;
    CHILD.store(i32::try_from(child.id()).unwrap_or(0), Ordering::SeqCst);
    Ok(child)
}

fn cannot_run(words: &[String], error: &io::Error) -> String {
    format!(
        "cannot run {}: {error}",
        words.first().map_or("staprun", String::as_str)
    )
}

/// staprun gives 0 for a good run, also an interrupted one.
fn is_success(status: ExitStatus) -> bool {
    status.success()
}

fn in_machine(
    options: &Options,
    kernel: &KernelSet,
    words: &[String],
    module: &Module,
) -> Result<bool, String> {
    let mut argv = words.to_vec();
    let path = module
        .path
        .canonicalize()
        .map_err(|error| format!("cannot find {}: {error}", module.path.display()))?;
    if let Some(last) = argv.last_mut() {
        *last = path.display().to_string();
    }
    let mut request = RunRequest::new(kernel.clone(), argv);
    request.files = vec![path];
    request.stdin = module.reads_stdin;
    let with_kvm = options
        .remotes
        .iter()
        .any(|remote| matches!(remote, Remote::Machine { with_kvm: true, .. }));
    if with_kvm {
        request.accelerator = Accelerator::Kvm;
    }
    let mut stdout = Prefixed::new(io::stdout(), options.remote_prefix);
    let mut stderr = Prefixed::new(io::stderr(), options.remote_prefix);
    let status =
        rstap_vm::run(&request, &mut stdout, &mut stderr).map_err(|error| error.to_string())?;
    Ok(status == 0)
}

/// `--remote-prefix`: `0: ` before each line.
pub struct Prefixed<W> {
    to: W,
    is_on: bool,
    at_start: bool,
}

impl<W: Write> Prefixed<W> {
    /// Writes to `to`, with prefixes if they are on.
    pub fn new(to: W, is_on: bool) -> Self {
        Prefixed {
            to,
            is_on,
            at_start: true,
        }
    }
}

impl<W: Write> Write for Prefixed<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if !self.is_on {
            return self.to.write(data);
        }
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            if self.at_start {
                self.to.write_all(b"0: ")?;
            }
            self.to.write_all(line)?;
            self.at_start = line.ends_with(b"\n");
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> String {
        words_for(line, false)
    }

    fn words_for(line: &str, reads_stdin: bool) -> String {
        let line = crate::cli::rc::split_words(line);
        let options = crate::cli::parse(&line).unwrap();
        let module = Module {
            path: "/t/m.ko".into(),
            name: "m".to_owned(),
            reads_stdin,
        };
        arguments(&options, &module).join(" ")
    }

    #[test]
    fn staprun_is_told_as_systemtap_tells_it() {
        assert_eq!(words("a.stp"), "-R /t/m.ko");
        assert_eq!(words("-v a.stp"), "-R /t/m.ko");
        assert_eq!(
            words("-vv -w -o f -c ls -b -S 1,2 -m n a.stp"),
            "-v -w -o f -c ls -S 1,2 /t/m.ko"
        );
        assert_eq!(words("-F a.stp"), "-L -R /t/m.ko");
        assert_eq!(words_for("a.stp", true), "-i -R /t/m.ko");
        assert_eq!(words("-F -o x a.stp"), "-o x -D -R /t/m.ko");
        assert_eq!(
            words("-x 5 -s 8 --color=never --summary=json a.stp"),
            "-t 5 -b 8 -R -C never --summary=json /t/m.ko"
        );
    }

    #[test]
    fn each_line_gets_the_number_of_its_remote() {
        let mut text = Prefixed::new(Vec::new(), true);
        text.write_all(b"a\nb").unwrap();
        text.write_all(b"c\n").unwrap();
        assert_eq!(text.to, b"0: a\n0: bc\n");
    }
}
