// SPDX-License-Identifier: GPL-2.0-or-later
//! The lab itself: a plain guest with a plain module, without rstap.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rstap_tests::lab::kernel;
use rstap_vm::KernelSet;
use rstap_vm::guest::{Case, Ending, Guest, Machine, Outcome, Root};
use rstap_vm::initramfs::PackedFile;

/// Builds the module `hello` for the kernel in `folder`.
fn build_hello(kernel: &KernelSet, folder: &Path) -> PathBuf {
    let source = "#include <linux/module.h>\n\
        static int __init hello_init(void) { pr_info(\"hello is here\\n\"); return 0; }\n\
        static void __exit hello_exit(void) { }\n\
        module_init(hello_init);\nmodule_exit(hello_exit);\n\
        MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"does nothing\");\n";
    std::fs::write(folder.join("hello.c"), source).unwrap();
    std::fs::write(folder.join("Makefile"), "obj-m := hello.o\n").unwrap();
    let output = Command::new("make")
        .arg("-C")
        .arg(&kernel.headers)
        .arg(format!("M={}", folder.display()))
        .arg("modules")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder.join("hello.ko")
}

struct Ran {
    outcome: Outcome,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn run(guest: &mut Guest, case: &Case) -> Ran {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let outcome = guest.run(case, &mut stdout, &mut stderr, None).unwrap();
    Ran {
        outcome,
        stdout,
        stderr,
    }
}

fn exited(ran: &Ran) -> i32 {
    match &ran.outcome.ending {
        Ending::Exited(status) => *status,
        other => panic!("{other:?}\n{}", ran.outcome.log),
    }
}

#[test]
fn many_scripts_run_in_one_packed_guest() {
    let kernel = kernel();
    let folder = tempfile::tempdir().unwrap();
    let module = build_hello(&kernel, folder.path());
    let program = PathBuf::from("/usr/bin/env");
    let files = vec![
        PackedFile::new(module, "/hello.ko"),
        PackedFile::new(program, "/dynamic"),
    ];
    let mut guest = Machine::new(kernel.clone(), Root::Packed(files))
        .boot()
        .unwrap();

    let ran = run(
        &mut guest,
        &Case::new("streams", "uname -r; echo no >&2; exit 7"),
    );
    assert_eq!(exited(&ran), 7);
    assert_eq!(
        String::from_utf8(ran.stdout).unwrap(),
        format!("{}\n", kernel.release)
    );
    assert_eq!(ran.stderr, b"no\n");
    assert!(ran.outcome.splats.is_empty() && ran.outcome.leaks.is_empty());

    let bytes: Vec<u8> = (0..=255u8).cycle().take(100_000).collect();
    let mut case = Case::new("bytes", "cat");
    case.stdin = Some(bytes.clone());
    assert_eq!(run(&mut guest, &case).stdout, bytes);

    let ran = run(
        &mut guest,
        &Case::new("libraries", "exec /dynamic echo linked"),
    );
    assert_eq!(
        ran.stdout,
        b"linked\n",
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );

    let ran = run(
        &mut guest,
        &Case::new("module", "insmod /hello.ko && rmmod hello"),
    );
    assert_eq!(exited(&ran), 0);
    assert!(ran.outcome.leaks.is_empty(), "{:?}", ran.outcome.leaks);
    assert!(
        ran.outcome.log.contains("hello is here"),
        "{}",
        ran.outcome.log
    );

    let ran = run(&mut guest, &Case::new("leak", "insmod /hello.ko"));
    assert_eq!(ran.outcome.leaks, ["module hello"]);

    let mut case = Case::new("slow", "echo start; sleep 50");
    case.limit = Duration::from_secs(1);
    let ran = run(&mut guest, &case);
    assert_eq!(ran.outcome.ending, Ending::Expired);
    assert_eq!(ran.stdout, b"start\n");

    let ran = run(&mut guest, &Case::new("after", "echo still here"));
    assert_eq!(ran.stdout, b"still here\n");

    let ran = run(
        &mut guest,
        &Case::new("warn", "echo 'WARNING: CPU: 0' >/dev/kmsg"),
    );
    assert_eq!(ran.outcome.splats.len(), 1);

    let ran = run(
        &mut guest,
        &Case::new("crash", "echo c >/proc/sysrq-trigger; sleep 30"),
    );
    assert!(
        matches!(ran.outcome.ending, Ending::Lost(_)),
        "{:?}",
        ran.outcome.ending
    );
    assert!(
        ran.outcome
            .splats
            .iter()
            .any(|line| line.contains("Kernel panic"))
    );
    assert!(guest.is_lost());
}

#[test]
fn an_interrupt_reaches_the_script() {
    let mut guest = Machine::new(kernel(), Root::Packed(Vec::new()))
        .boot()
        .unwrap();
    let interrupts = AtomicUsize::new(0);
    /// Interrupts as soon as the script has spoken.
    struct Sink<'a>(&'a AtomicUsize, Vec<u8>);
    impl std::io::Write for Sink<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.store(1, Ordering::Relaxed);
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut stdout = Sink(&interrupts, Vec::new());
    let script = "trap 'echo interrupted; exit 3' INT\necho ready\nwhile :; do sleep 0.1; done";
    let start = Instant::now();
    let outcome = guest
        .run(
            &Case::new("loop", script),
            &mut stdout,
            &mut Vec::new(),
            Some(&interrupts),
        )
        .unwrap();
    assert_eq!(outcome.ending, Ending::Exited(3));
    assert_eq!(stdout.1, b"ready\ninterrupted\n");
    assert!(start.elapsed() < Duration::from_secs(20));
    let log = guest.power_off().unwrap();
    assert!(log.contains("rstap-guest: end loop 3"), "{log}");
}

#[test]
fn the_hosts_files_are_there_and_stay_as_they_are() {
    if !rstap_vm::guest::can_share_host_files() {
        // Only root may share them on Debian 12; packing is tested above.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "from the host\n").unwrap();
    let mut guest = Machine::new(kernel(), Root::Host).boot().unwrap();
    let path = file.display();
    let script = format!("cat {path}; echo changed >{path}; cat {path}; /usr/bin/env true");
    let ran = run(&mut guest, &Case::new("files", script));
    assert_eq!(exited(&ran), 0);
    assert_eq!(ran.stdout, b"from the host\nchanged\n");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "from the host\n");
}
