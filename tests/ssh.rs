// SPDX-License-Identifier: GPL-2.0-or-later
//! `--remote=ssh://…` into a guest with an ssh server.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rstap_tests::lab::{interrupted_when_ready, kernel, programs, success, text};
use rstap_vm::guest::{Case, Machine, Root, can_share_host_files};

/// Writes a key, and an `ssh` that uses it and reaches the guest at `port`.
fn client(folder: &Path, port: u16) {
    let key = folder.join("key");
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .output()
        .unwrap();
    success(&output);
    let config = format!(
        "Host guest\nHostName 127.0.0.1\nPort {port}\nIdentityFile {}\nBatchMode yes\n\
         LogLevel ERROR\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n",
        key.display()
    );
    std::fs::write(folder.join("config"), config).unwrap();
    let wrapper = folder.join("ssh");
    let config = folder.join("config").display().to_string();
    let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {config} \"$@\"\n");
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
}

/// The shell script with which the guest serves until it is interrupted.
fn server(folder: &Path) -> String {
    format!(
        "ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up; mkdir -p /root/.ssh\n\
         chmod 700 /root /root/.ssh; cp {}/key.pub /root/.ssh/authorized_keys\n\
         chmod 600 /root/.ssh/authorized_keys\n\
         dropbearkey -t ed25519 -f /run/host-key >/dev/null 2>&1\n\
         trap 'kill $server; ls -d /tmp/rstap-??????; exit 0' INT\n\
         dropbear -F -s -p 22 -r /run/host-key </dev/null >/dev/null 2>&1 & server=$!\n\
         until grep -q ':0016 0*:0000 0A' /proc/net/tcp /proc/net/tcp6 2>/dev/null; do sleep 0.1; done\n\
         echo ready; while :; do sleep 0.2; done\n",
        folder.display()
    )
}

/// Shows what the guest says, and tells when it says something first.
struct Words(Vec<u8>, Option<Sender<()>>);

impl std::io::Write for Words {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if let Some(sender) = self.1.take() {
            let _ = sender.send(());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A port that nobody listens at.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn rstap(folder: &Path, arguments: &[&str]) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(programs().rstap);
    command
        .args(arguments)
        .env("PATH", format!("{}:{path}", folder.display()))
        .stdin(Stdio::null());
    command
}

#[test]
fn a_script_runs_on_another_machine() {
    if !can_share_host_files() {
        // The ssh server is the host's.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let port = free_port();
    client(folder, port);
    let mut machine = Machine::new(kernel(), Root::Host);
    machine.ssh_port = Some(port);
    let mut guest = machine.boot().unwrap();
    let done = AtomicUsize::new(0);
    let (sender, ready) = channel();
    let (outcome, said) = std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let case = Case {
                limit: Duration::from_secs(200),
                ..Case::new("server", server(folder))
            };
            let mut words = Words(Vec::new(), Some(sender));
            let outcome = guest.run(&case, &mut words, &mut Vec::new(), Some(&done));
            (outcome.unwrap(), text(&words.0))
        });
        // An assertion that fails must not leave the guest serving.
        let _ = ready.recv_timeout(Duration::from_secs(100));
        let result = std::panic::catch_unwind(|| sessions(folder));
        done.store(1, Ordering::Relaxed);
        let served = server.join().unwrap();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        served
    });
    // The folders of the sessions are gone, and so is all in the kernel.
    assert_eq!(said, "ready\n");
    assert!(
        outcome.leaks.is_empty() && outcome.splats.is_empty(),
        "{outcome:?}"
    );
}

fn sessions(folder: &Path) {
    let script = "probe begin { printf(\"on %s\\n\", remote_uri()) } \
                  probe end { println(\"ended\") }";
    let command = "cat /proc/sys/kernel/osrelease";
    let arguments = [
        "--remote=root@guest",
        "--remote-prefix",
        "-e",
        script,
        "-c",
        command,
    ];
    let output = rstap(folder, &arguments).output().unwrap();
    let mut lines: Vec<String> = success(&output).lines().map(str::to_owned).collect();
    lines.sort();
    let release = format!("0: {}", kernel().release);
    assert_eq!(
        lines,
        [release.as_str(), "0: ended", "0: on ssh://root@guest"]
    );

    // An interrupt here ends the script there.
    let script = "probe begin { println(\"ready\") } probe end { println(\"ended\") }";
    let command = rstap(folder, &["--remote=ssh://root@guest", "-e", script]);
    assert_eq!(interrupted_when_ready(command), "ended\n");
}

#[test]
fn a_machine_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    client(folder.path(), free_port());
    let arguments = ["--remote=ssh://guest", "-e", "probe begin { exit() }"];
    let output = rstap(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.contains("cannot connect with ssh: guest"),
        "{message}"
    );
    // ssh's own words come first.
    assert!(message.contains("refused"), "{message}");
}
