// SPDX-License-Identifier: GPL-2.0-or-later
//! Whole sessions from the command line: `--remote=vm`, interrupts, `-v`, and modules that travel.

use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;

use rstap_tests::lab::{interrupted_when_ready, kernel, module, programs, rstap, success, text};
use rstap_vm::guest::{Case, Ending, Machine, Root};
use rstap_vm::initramfs::PackedFile;

fn remote(arguments: &[&str]) -> Command {
    let mut command = Command::new(programs().rstap);
    command
        .arg(format!("--remote=vm:{}", kernel().release))
        .args(arguments);
    command.stdin(Stdio::null());
    command
}

#[test]
fn a_script_runs_in_a_machine_of_its_own() {
    let script = "probe begin { printf(\"target %d\\n\", target() > 0) } \
                  probe end { println(\"done\") }";
    let output = remote(&["-e", script, "-c", "echo from the command"])
        .output()
        .unwrap();
    let mut lines: Vec<String> = success(&output).lines().map(str::to_string).collect();
    lines.sort();
    assert_eq!(lines, ["done", "from the command", "target 1"]);
}

#[test]
fn output_is_live_and_one_interrupt_ends_the_session() {
    let script = "probe begin { println(\"ready\") } probe end { println(\"ended\") }";
    let rest = interrupted_when_ready(remote(&["-e", script]));
    assert_eq!(rest, "ended\n");
}

#[test]
fn a_module_runs_where_there_is_no_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let script = "global n probe kernel.function(\"do_sys_openat2\") { n++ } \
                  probe end { println(n > 0 ? \"counted\" : \"nothing\") }";
    let module = module(folder.path(), "travels", script);
    let files = vec![
        PackedFile::new(programs().staprun, "/staprun"),
        PackedFile::new(&module, "/travels.ko"),
    ];
    let mut guest = Machine::new(kernel(), Root::Packed(files)).boot().unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let case = Case::new("travel", "/staprun -c 'cat /etc/hostname' /travels.ko");
    let outcome = guest.run(&case, &mut stdout, &mut stderr, None).unwrap();
    assert_eq!(
        outcome.ending,
        Ending::Exited(0),
        "{}{}",
        text(&stderr),
        outcome.log
    );
    assert!(text(&stdout).contains("counted"), "{}", text(&stdout));
    assert!(
        outcome.leaks.is_empty() && outcome.splats.is_empty(),
        "{outcome:?}"
    );

    // Broken modules are refused with a reason, and leave nothing.
    for (name, command) in [
        (
            "truncated",
            "head -c 3000 /travels.ko >/t.ko; /staprun /t.ko",
        ),
        ("foreign", "echo text >/f.ko; /staprun /f.ko"),
        ("missing", "/staprun /none.ko"),
    ] {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let outcome = guest
            .run(&Case::new(name, command), &mut stdout, &mut stderr, None)
            .unwrap();
        assert_eq!(
            outcome.ending,
            Ending::Exited(1),
            "{name}: {}",
            text(&stderr)
        );
        assert!(text(&stderr).contains("ERROR"), "{name}: {}", text(&stderr));
        assert!(
            outcome.leaks.is_empty() && outcome.splats.is_empty(),
            "{outcome:?}"
        );
    }
}

#[test]
fn verbose_names_the_passes_as_systemtap_does() {
    let folder = tempfile::tempdir().unwrap();
    // A script that no cache has seen.
    let unique = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    let script = format!("probe begin {{ println({unique}) exit() }}");
    let output = rstap(&["-v", "-p4", "-e", &script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    success(&output);
    let stderr = text(&output.stderr);
    let times = r"in \d+usr/\d+sys/\d+real ms\.";
    let memory = r"using \d+virt/\d+res/\d+shr/\d+data kb, ";
    for pattern in [
        format!("(?m)^Pass 1: parsed user script and \\d+ library scripts? {memory}{times}"),
        format!("(?m)^Pass 2: analyzed script: \\d+ probes?, .*{memory}{times}"),
        format!("(?m)^Pass 3: translated to C into .* {times}"),
        format!("(?m)^Pass 4: compiled C into .* {times}"),
    ] {
        assert!(
            Regex::new(&pattern).unwrap().is_match(&stderr),
            "{pattern}\n{stderr}"
        );
    }
}

#[test]
fn a_large_script_is_compiled_with_less_optimization() {
    let folder = tempfile::tempdir().unwrap();
    for (lines, level) in [(1, " -O2 "), (4000, " -O1 ")] {
        let printed = format!("println(\"{}\")\n", "x".repeat(100)).repeat(lines);
        let script = format!("probe begin {{ {printed} exit() }}");
        std::fs::write(folder.path().join("script.stp"), script).unwrap();
        let output = rstap(&["-vv", "-p4", "script.stp"])
            .env("SYSTEMTAP_DIR", folder.path())
            .current_dir(folder.path())
            .output()
            .unwrap();
        success(&output);
        let stderr = text(&output.stderr);
        let is_script = |line: &&str| line.starts_with("Running ") && line.ends_with("_src.c");
        let command = stderr.lines().find(is_script).unwrap_or_default();
        assert!(command.contains(level), "{lines}: {command}\n{stderr}");
    }
}

/// The runtime's sources with a word of its Kbuild replaced, as if the kernel did not have it.
fn runtime_without(words: &[&str], folder: &Path) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime");
    for part in ["src", "include"] {
        std::fs::create_dir(folder.join(part)).unwrap();
        for entry in std::fs::read_dir(sources.join(part)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.join(part).join(entry.file_name())).unwrap();
        }
    }
    let mut kbuild = std::fs::read_to_string(sources.join("Kbuild")).unwrap();
    for word in words {
        let pattern = format!(",{word},");
        assert!(kbuild.contains(&pattern), "{pattern}");
        kbuild = kbuild.replace(&pattern, ",no_such_function_in_any_kernel,");
    }
    std::fs::write(folder.join("Kbuild"), kbuild).unwrap();
}

#[test]
fn an_unknown_kernel_interface_is_named() {
    let folder = tempfile::tempdir().unwrap();
    runtime_without(&["hrtimer_setup", "hrtimer_init"], folder.path());
    let output = rstap(&["-p4", "--disable-cache", "-e", "probe begin { exit() }"])
        .env("RSTAP_RUNTIME", folder.path())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in [
        &format!(
            "the runtime does not compile for kernel {}",
            kernel().release
        ),
        "linux/hrtimer.h has neither hrtimer_setup() nor hrtimer_init()",
        "a newer rstap",
        "src/compat.h",
    ] {
        assert!(stderr.contains(part), "{part}\n{stderr}");
    }
}

/// A signal that cannot be caught leaves a runtime unfinished, and make at work on it.
#[test]
fn what_is_left_of_an_interrupted_build_is_cleaned_up() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::write(cache.join("cache_clean_interval_s"), "0").unwrap();
    let sources = folder.path().join("sources");
    std::fs::create_dir(&sources).unwrap();
    runtime_without(&[], &sources);
    let command = |number: u32| {
        let script = format!("probe begin {{ println({number}) exit() }}");
        let mut command = rstap(&["-p4", "-e", &script]);
        command.env("SYSTEMTAP_DIR", folder.path());
        command.current_dir(folder.path());
        command
    };
    let runtimes = || {
        let entries = std::fs::read_dir(cache.join("runtime"))
            .into_iter()
            .flatten();
        let folders = entries.filter(|entry| entry.as_ref().unwrap().path().is_dir());
        folders.count()
    };
    let await_runtimes = |wanted: &dyn Fn(usize) -> bool, otherwise: &mut dyn FnMut()| {
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while !wanted(runtimes()) {
            assert!(
                std::time::Instant::now() < patience,
                "{} runtimes",
                runtimes()
            );
            otherwise();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    let mut interrupted = command(0)
        .env("RSTAP_RUNTIME", &sources)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    await_runtimes(&|count| count == 1, &mut || {
        assert_eq!(interrupted.try_wait().unwrap(), None);
    });
    interrupted.kill().unwrap();
    interrupted.wait().unwrap();
    // With other sources it is another runtime: nothing asks for the first again.
    std::fs::write(sources.join("src/more.h"), "").unwrap();
    let finish = |number: u32| {
        let output = command(number)
            .env("RSTAP_RUNTIME", &sources)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    finish(0);
    // What the interrupted one started may still be at it.
    let mut number = 0;
    await_runtimes(&|count| count == 1, &mut || {
        number += 1;
        finish(number);
    });
}

/// The kernel of the tests as a newer one may be: a file of its headers (`common`: of those for all
/// configurations) is changed.
fn newer_kernel(folder: &Path, common: bool, file: &str, change: impl Fn(&str) -> String) {
    let kernel = kernel();
    let sources = folder.join("usr/src");
    std::fs::create_dir_all(&sources).unwrap();
    let headers = std::fs::canonicalize(&kernel.headers).unwrap();
    // What the tree's Makefile includes lies beside it.
    for entry in std::fs::read_dir(headers.parent().unwrap()).unwrap() {
        let entry = entry.unwrap().path();
        // Links to files, as thousands of copies take long.
        let status = Command::new("cp")
            .arg("-as")
            .args([&entry, &sources])
            .status();
        assert!(status.unwrap().success());
    }
    let tree = sources.join(headers.file_name().unwrap());
    let makefile = std::fs::read_to_string(headers.join("Makefile")).unwrap();
    // It asks where it really is.
    replace(&tree.join("Makefile"), &makefile);
    let tree = match common {
        false => tree,
        true => std::fs::read_dir(&sources)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().ends_with("-common"))
            .unwrap(),
    };
    let file = tree.join(file);
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "{}", file.display());
    replace(&file, &changed);
}

fn replace(link: &Path, text: &str) {
    std::fs::remove_file(link).unwrap();
    std::fs::write(link, text).unwrap();
}

/// What rstap says on that kernel.
fn refused_by_newer_kernel(folder: &Path) -> String {
    let mut command = Command::new(programs().rstap);
    let output = command
        .args(["-r", &kernel().release, "--sysroot"])
        .arg(folder)
        .args(["-p4", "--disable-cache", "-e", "probe begin { exit() }"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in ["the runtime does not compile for kernel", "a newer rstap"] {
        assert!(stderr.contains(part), "{part}\n{stderr}");
    }
    stderr
}

#[test]
fn a_function_that_a_newer_kernel_renamed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    newer_kernel(folder.path(), true, "include/linux/kprobes.h", |text| {
        text.replace("register_kprobe(", "kprobe_of_tomorrow(")
    });
    let stderr = refused_by_newer_kernel(folder.path());
    assert!(stderr.contains("register_kprobe"), "{stderr}");
}

#[test]
fn a_function_that_a_newer_kernel_keeps_to_itself_is_named() {
    let folder = tempfile::tempdir().unwrap();
    newer_kernel(folder.path(), false, "Module.symvers", |text| {
        let lines = text
            .lines()
            .filter(|line| !line.contains("\tregister_kprobe\t"));
        lines.map(|line| format!("{line}\n")).collect()
    });
    let stderr = refused_by_newer_kernel(folder.path());
    assert!(stderr.contains("\"register_kprobe\""), "{stderr}");
}

#[test]
fn bad_input_gets_one_message_and_status_1() {
    for (arguments, message) in [
        (vec!["-p2", "-e", "probe nosuch { }"], "nosuch"),
        (vec!["-p2", "/no/such/script.stp"], "/no/such/script.stp"),
        (vec!["--no-such-option"], "no-such-option"),
    ] {
        let output = rstap(&arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?} {}",
            text(&output.stderr)
        );
        assert!(
            text(&output.stderr).contains(message),
            "{}",
            text(&output.stderr)
        );
    }
    let mut command = Command::new(programs().rstap);
    let output = command
        .args([
            "-p4",
            "-r",
            "1.2.3-nothing",
            "-e",
            "probe begin { println(1) }",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("1.2.3-nothing"),
        "{}",
        text(&output.stderr)
    );
}
