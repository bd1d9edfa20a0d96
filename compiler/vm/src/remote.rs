// SPDX-License-Identifier: GPL-2.0-or-later
//! One command in a machine of its own: what `rstap --remote=vm` does.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::guest::{Accelerator, Case, Ending, Machine, Root, can_share_host_files, quote};
use crate::initramfs::PackedFile;
use crate::{Error, KernelSet, Result, splat};

/// A command to run, and the machine for it.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The kernel to boot.
    pub kernel: KernelSet,
    /// The program (an absolute path of the host) and its arguments. Paths among them mean files
    /// of the host.
    pub argv: Vec<String>,
    /// Host files that the command needs, at the same paths in the guest. Only used when the
    /// host's files cannot be shared; the program itself is among them anyway.
    pub files: Vec<PathBuf>,
    /// Environment variables to set.
    pub environment: Vec<(String, String)>,
    /// The working directory.
    pub folder: PathBuf,
    /// Pass our standard input on.
    pub stdin: bool,
    /// KVM only when asked for by name.
    pub accelerator: Accelerator,
    /// CPUs of the guest.
    pub cpus: u32,
    /// Kernel modules to insert at boot, by name.
    pub modules: Vec<String>,
}

impl RunRequest {
    /// A command with the defaults: the current folder, no input, two emulated CPUs.
    pub fn new(kernel: KernelSet, argv: Vec<String>) -> RunRequest {
        RunRequest {
            kernel,
            argv,
            files: Vec::new(),
            environment: Vec::new(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            stdin: false,
            accelerator: Accelerator::Tcg,
            cpus: 2,
            modules: Vec::new(),
        }
    }
}

/// Boots, runs the command, ends the machine. Output goes to `stdout` and `stderr` as it comes.
/// SIGINT, SIGTERM or SIGHUP of ours becomes SIGINT of the command, a second one ends the machine
/// at once. Returns the command's exit status. A hurt kernel is reported on `stderr` and gives
/// status 1 at least.
pub fn run(request: &RunRequest, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<i32> {
    let interrupts = Arc::new(AtomicUsize::new(0));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Error::new(format!("cannot catch signals: {error}")))?;
    let handle = signals.handle();
    let count = Arc::clone(&interrupts);
    let catcher = std::thread::spawn(move || {
        for _ in signals.forever() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let result = run_caught(request, stdout, stderr, &interrupts);
    handle.close();
    // It cannot have panicked.
    let _ = catcher.join();
    result
}

fn run_caught(
    request: &RunRequest,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
    interrupts: &AtomicUsize,
) -> Result<i32> {
    let program = request
        .argv
        .first()
        .ok_or_else(|| Error::new("there is no command to run in the virtual machine"))?;
    let root = if can_share_host_files() {
        Root::Host
    } else {
        let own = PathBuf::from(program);
        let files = request.files.iter().chain([&own]);
        Root::Packed(
            files
                .map(|file| PackedFile::new(file, file.display().to_string()))
                .collect(),
        )
    };
    let mut machine = Machine::new(request.kernel.clone(), root);
    machine.accelerator = request.accelerator;
    machine.cpus = request.cpus;
    machine.modules.clone_from(&request.modules);
    let mut guest = machine.boot()?;
    if request.stdin
        && let Some(port) = guest.input()
    {
        forward_input(port);
    }
    let case = Case {
        name: "command".to_string(),
        script: script(request),
        stdin: if request.stdin {
            None
        } else {
            Some(Vec::new())
        },
        limit: Duration::from_secs(10 * 365 * 24 * 3600),
    };
    let outcome = guest.run(&case, stdout, stderr, Some(interrupts))?;
    let mut status = match &outcome.ending {
        Ending::Exited(status) => *status,
        Ending::Expired => 1,
        Ending::Lost(how) => {
            complain(stderr, &format!("virtual machine: {how}"));
            1
        }
    };
    for text in &outcome.leaks {
        complain(
            stderr,
            &format!("virtual machine: left behind in its kernel: {text}"),
        );
        status = status.max(1);
    }
    if !outcome.splats.is_empty() {
        complain(
            stderr,
            "virtual machine: its kernel was hurt; the log says:",
        );
        complain(stderr, &splat::excerpt(&outcome.log, 40));
        status = status.max(1);
    }
    Ok(status)
}

fn complain(stderr: &mut dyn Write, text: &str) {
    // Nowhere is left to report a failure to.
    let _ = writeln!(stderr, "{text}");
}

/// The command as a shell script that becomes it.
fn script(request: &RunRequest) -> String {
    let mut text = String::new();
    for (name, value) in &request.environment {
        if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty() {
            text.push_str(&format!("export {name}={}\n", quote(value)));
        }
    }
    let folder = quote(&request.folder.display().to_string());
    // The folder may not exist in a packed root.
    text.push_str(&format!("mkdir -p {folder}\ncd {folder}\nexec"));
    for word in &request.argv {
        text.push(' ');
        text.push_str(&quote(word));
    }
    text.push('\n');
    text
}

/// Copies our standard input to the guest until it ends.
fn forward_input(mut port: UnixStream) {
    std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        let mut input = std::io::stdin();
        while let Ok(length) = input.read(&mut buffer) {
            let piece = buffer.get(..length).unwrap_or_default();
            if piece.is_empty() || port.write_all(piece).is_err() {
                break;
            }
        }
    });
}
