// SPDX-License-Identifier: GPL-2.0-or-later
//! What tests of whole sessions share: the programs, the kernel, modules built for it, and
//! commands in a guest. Everything here panics with a reason, as tests do.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use rstap_vm::guest::{Case, Ending, Guest};
use rstap_vm::{KernelSet, kernels};

use crate::programs::Programs;

/// The programs under test.
pub fn programs() -> Programs {
    Programs::find().unwrap_or_else(|problem| panic!("{problem}"))
}

/// The kernel of `$RSTAP_TEST_KERNEL`, else this machine's suite's.
pub fn kernel() -> KernelSet {
    let wanted = std::env::var("RSTAP_TEST_KERNEL")
        .ok()
        .filter(|text| !text.is_empty());
    kernels::find(wanted.as_deref()).unwrap_or_else(|error| panic!("{error}"))
}

/// rstap with the kernel of the tests.
pub fn rstap(arguments: &[&str]) -> Command {
    let kernel = kernel();
    let mut command = Command::new(programs().rstap);
    command
        .args(["-r", &kernel.release])
        .arg("--sysroot")
        .arg(&kernel.sysroot)
        .args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Bytes as text, for messages and comparisons.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of a command that must have succeeded.
pub fn success(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\n{}",
        output.status,
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Starts a session, interrupts it once it has printed "ready", and gives the rest of what it
/// prints. It must end well, within a minute.
pub fn interrupted_when_ready(mut command: Command) -> String {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(wait(&mut child).success());
    rest
}

/// The status of a child that ends within a minute.
fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("still running after 60 s");
}

/// Compiles a script to `NAME.ko` in `folder`, with these options of rstap.
pub fn module_with(folder: &Path, name: &str, options: &[&str], script: &str) -> PathBuf {
    let output = rstap(&["-p4", "-m", name, "-e", script])
        .args(options)
        .current_dir(folder)
        .output()
        .unwrap();
    success(&output);
    folder.join(format!("{name}.ko"))
}

/// Compiles a script to `NAME.ko` in `folder`.
pub fn module(folder: &Path, name: &str, script: &str) -> PathBuf {
    module_with(folder, name, &[], script)
}

/// What a command in a guest gave.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    /// What it left in the kernel.
    pub leaks: Vec<String>,
}

impl Ran {
    /// Standard output, after checking that the command succeeded.
    pub fn success(self) -> String {
        assert_eq!(self.status, 0, "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a shell script in the guest, which must neither be hurt by it nor have anything left.
pub fn run(guest: &mut Guest, name: &str, script: &str) -> Ran {
    let ran = run_leaving(guest, name, script);
    assert!(ran.leaks.is_empty(), "{name}: {ran:#?}");
    ran
}

/// The same for a script that starts something which stays.
pub fn run_leaving(guest: &mut Guest, name: &str, script: &str) -> Ran {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let case = Case {
        limit: Duration::from_secs(100),
        ..Case::new(name, script)
    };
    let outcome = guest.run(&case, &mut stdout, &mut stderr, None).unwrap();
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    let Ending::Exited(status) = outcome.ending else {
        panic!(
            "{name}: {:?}\n{stdout}\n{stderr}\n{}",
            outcome.ending, outcome.log
        );
    };
    assert!(
        outcome.splats.is_empty(),
        "{name}: {:?}\n{}",
        outcome.splats,
        outcome.log
    );
    Ran {
        status,
        stdout,
        stderr,
        leaks: outcome.leaks,
    }
}
