// SPDX-License-Identifier: GPL-2.0-or-later
//! `--remote=ssh://USER@HOST`: the script is compiled here for the kernel that runs there, the
//! module and the loader are copied, and the output streams back. Only `ssh` is needed here, and
//! nothing there. One connection serves all: the first command opens it, and asks for passwords
//! if it has to; the others share it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rstap_vm::guest::quote_all;
use signal_hook::iterator::Signals;

use super::passes::Module;
use super::run::Prefixed;

/// Status of `ssh` itself when the connection failed.
const CONNECTION_FAILED: i32 = 255;

/// The shared connection ends by itself, should nobody be left to end it.
const SHARED_FOR: &str = "-oControlPersist=600";

/// An open connection to another machine. It and the folder there go away with it.
#[derive(Debug)]
pub struct Connection {
    /// `HOST` or `USER@HOST`.
    host: String,
    port: Option<u16>,
    /// Holds the socket that commands share the connection through.
    local: tempfile::TempDir,
    /// The folder of this session there, once it was made.
    folder: String,
    /// `uname -r` there.
    pub release: String,
    is_root: bool,
}

impl Connection {
    /// Connects, and asks which kernel runs there.
    pub fn open(host: &str, port: Option<u16>) -> Result<Connection, String> {
        let local = tempfile::Builder::new()
            .prefix("rstap-ssh-")
            .tempdir()
            .map_err(|error| format!("cannot make a temporary directory: {error}"))?;
        let mut connection = Connection {
            host: host.to_owned(),
            port,
            local,
            folder: String::new(),
            release: String::new(),
            is_root: false,
        };
        let facts = connection
            .tell(
                &["-oControlMaster=auto", SHARED_FOR],
                "uname -r; uname -m; id -u; mktemp -d /tmp/rstap-XXXXXX",
                Stdio::null(),
            )
            .map_err(|problem| format!("cannot connect with ssh: {problem}"))?;
        let mut facts = facts.lines().map(str::to_owned);
        let (Some(release), Some(machine), Some(user), Some(folder)) =
            (facts.next(), facts.next(), facts.next(), facts.next())
        else {
            return Err(format!("{host} does not answer as a Linux machine does"));
        };
        connection.folder = folder;
        if machine != std::env::consts::ARCH {
            return Err(format!(
                "{host} is a machine of type {machine}; this rstap makes modules for {} only",
                std::env::consts::ARCH
            ));
        }
        connection.release = release;
        connection.is_root = user == "0";
        Ok(connection)
    }

    /// ssh with what each use of it needs.
    fn ssh(&self, options: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command
            .arg("-S")
            .arg(self.local.path().join("socket"))
            .args(self.port.map(|port| format!("-p{port}")))
            .args(options);
        command
    }

    /// A command there, which reads this file; its standard output.
    fn tell(&self, options: &[&str], script: &str, stdin: Stdio) -> Result<String, String> {
        let output = self
            .ssh(options)
            .args([&self.host, script])
            .stdin(stdin)
            .stderr(Stdio::inherit())
            .output()
            .map_err(cannot_start)?;
        if !output.status.success() {
            return Err(format!(
                "{}: '{script}' failed ({})",
                self.host, output.status
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn copy(&self, file: &Path, name: &str) -> Result<(), String> {
        let from =
            File::open(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let path = format!("{}/{name}", self.folder);
        let script = format!("cat >{path} && chmod 755 {path}");
        self.tell(&[], &script, Stdio::from(from)).map(drop)
    }

    /// Copies the module, and for root the loader, and runs it with `arguments`, the last of which
    /// is the module. Gives the loader's success.
    pub fn run(
        &self,
        staprun: &Path,
        arguments: &[String],
        module: &Module,
        has_prefix: bool,
    ) -> Result<bool, String> {
        let file = format!("{}.ko", module.name);
        // Others may load modules only with a loader that was installed for them.
        self.copy(&module.path, &file)?;
        let mut loader = "staprun";
        if self.is_root {
            self.copy(staprun, loader)?;
            loader = "./staprun";
        }
        let address = format!("0:ssh://{}", self.host);
        let mut words = vec![loader, "-r", &address];
        let (_, options) = arguments.split_last().unwrap_or((&file, &[]));
        words.extend(options.iter().map(String::as_str));
        let path = format!("{}/{file}", self.folder);
        words.push(&path);
        // The shell becomes the loader, so its number is the loader's.
        let script = format!(
            "cd {} && echo $$ >pid && exec {}",
            self.folder,
            quote_all(words)
        );
        let mut command = self.ssh(&[]);
        command.args([&self.host, &script]);
        if !module.reads_stdin {
            // The terminal's interrupt is for us, who pass it on.
            command.stdin(Stdio::null()).process_group(0);
        }
        self.wait(command, has_prefix)
    }

    fn wait(&self, mut command: Command, has_prefix: bool) -> Result<bool, String> {
        if has_prefix {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut signals = Signals::new(super::session::endings())
            .map_err(|error| format!("cannot catch signals: {error}"))?;
        let handle = signals.handle();
        let mut child = command.spawn().map_err(cannot_start)?;
        let has_failed = AtomicBool::new(false);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let status = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in signals.forever() {
                    // It may just have ended.
                    let _ = self.tell(
                        &[],
                        &format!("kill -INT $(cat {}/pid)", self.folder),
                        Stdio::null(),
                    );
                }
            });
            if let Some(from) = stdout {
                scope.spawn(|| pass_on(from, io::stdout(), &has_failed));
            }
            if let Some(from) = stderr {
                scope.spawn(|| pass_on(from, io::stderr(), &has_failed));
            }
            let status = child.wait();
            handle.close();
            status
        })
        .map_err(|error| format!("cannot wait for ssh: {error}"))?;
        if status.code() == Some(CONNECTION_FAILED) {
            return Err(format!("lost the connection to {}", self.host));
        }
        Ok(status.success() && !has_failed.load(Ordering::Relaxed))
    }
}

fn cannot_start(error: io::Error) -> String {
    format!("cannot start ssh: {error}\n  install it:  apt-get install openssh-client")
}

/// Copies lines with the number of the machine before each.
fn pass_on(mut from: impl io::Read, to: impl Write, has_failed: &AtomicBool) {
    if io::copy(&mut from, &mut Prefixed::new(to, true)).is_err() {
        has_failed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.folder.starts_with("/tmp/rstap-") {
            let _ = self.tell(&[], &format!("rm -rf {}", self.folder), Stdio::null());
        }
        let _ = self
            .ssh(&["-O", "exit"])
            .arg(&self.host)
            .stderr(Stdio::null())
            .status();
    }
}
