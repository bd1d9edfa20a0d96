// SPDX-License-Identifier: GPL-2.0-or-later
//! The systemd units: enabled, stopped, restarted, failing, and there again after a reboot. The
//! guest runs the host's own systemd over a layer on a disk, which the second boot finds again.

use std::path::Path;
use std::process::Command;

use rstap_tests::lab::{self, kernel, module, programs, run, run_leaving, text};
use rstap_tests::programs::tests_folder;
use rstap_vm::guest::{Case, Ending, Guest, Machine, Root, can_share_host_files, quote};

/// Counts seconds until it is stopped.
const TICKS: &str = "global threshold = 1, n \
     probe begin { printf(\"ticks threshold %d\\n\", threshold) } \
     probe timer.s(1) { n++ } \
     probe end { printf(\"ticks ended, alive %d\\n\", n >= 0) }";
const HELLO: &str = "probe begin { printf(\"hello %d %s guru %d\\n\", $1, @2, %{ 1 %}) }\n\
     probe end { println(\"hello ended\") }\n";
const BROKEN: &str = "probe begin { nosuch() }\n";

/// An empty ext4 image.
fn disk(folder: &Path) -> std::path::PathBuf {
    let image = folder.join("layer.img");
    let output = Command::new("/sbin/mke2fs")
        .args(["-q", "-t", "ext4", "-F"])
        .arg(&image)
        .arg("512M")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    image
}

/// Polls a shell condition in the guest; what the units said shows why it never came true.
fn until(condition: &str) -> String {
    format!(
        "n=0; until {condition}; do n=$((n+1)); sleep 0.2\n\
         if [ $n -gt 200 ]; then journalctl -b -u 'rstap*' -u 'staprun*'; exit 9; fi; done\n"
    )
}

fn journal(unit: &str, line: &str) -> String {
    until(&format!(
        "journalctl -b -u {unit} | grep -qF {}",
        quote(line)
    ))
}

#[test]
fn units_run_stop_restart_fail_and_survive_a_reboot() {
    if !can_share_host_files() {
        // systemd is the host's; sharing it needs root.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    module(folder.path(), "ticks", TICKS);
    for (name, script) in [("hello", HELLO), ("broken", BROKEN)] {
        std::fs::write(folder.path().join(format!("{name}.stp")), script).unwrap();
    }
    // The runtime takes seconds to compile here and minutes there: the unit finds it in its cache.
    let mut warm = lab::rstap(&["-p4", "-g", "-e", "probe begin { exit() }"]);
    warm.env("SYSTEMTAP_DIR", folder.path().join("cache"));
    lab::success(&warm.output().unwrap());
    let mut machine = Machine::new(kernel(), Root::Host);
    machine.systemd = true;
    machine.layer = Some(disk(folder.path()));

    let mut guest = machine.boot().unwrap();
    install(&mut guest, folder.path());
    a_module_is_stopped(&mut guest);
    a_killed_loader_is_started_again(&mut guest);
    a_script_has_options_of_its_own(&mut guest);
    reload_starts_a_new_file(&mut guest);
    a_wrong_script_fails(&mut guest);
    a_missing_script_fails(&mut guest);
    switch_off(guest);

    let mut guest = machine.boot().unwrap();
    let script = until("systemctl -q is-active staprun@ticks rstap@hello")
        + &journal("staprun@ticks", "ticks threshold 42")
        + &journal("rstap@hello", "hello 7 eth0 guru 1")
        + "journalctl -b -1 -u staprun@ticks\n";
    let ran = run_leaving(&mut guest, "again", &script);
    // The end probes ran when the machine went down.
    assert!(ran.success().contains("ticks ended, alive 1"));
    switch_off(guest);
}

fn install(guest: &mut Guest, folder: &Path) {
    let programs = programs();
    let (rstap, staprun) = (programs.rstap.display(), programs.staprun.display());
    let release = kernel().release;
    let sysroot = kernel().sysroot.display().to_string();
    let units = tests_folder().join("../staprun/units");
    let script = format!(
        "set -e; ln -s {rstap} {staprun} /usr/local/bin/\n\
         mkdir -p /etc/rstap /lib/modules/{release}/systemtap /var/log/journal\n\
         ln -s {sysroot}/lib/modules/{release}/build /lib/modules/{release}/build\n\
         cp {units}/*.service /etc/systemd/system/\n\
         cp {folder}/ticks.ko /lib/modules/{release}/systemtap/\n\
         cp {folder}/*.stp /etc/rstap/\n\
         cp -r {folder}/cache /var/cache/rstap\n\
         echo STAPRUN_PARAMETERS=threshold=42 >/etc/rstap/ticks.conf\n\
         echo RSTAP_OPTIONS=-g -v >/etc/rstap/hello.conf\n\
         echo RSTAP_ARGUMENTS=7 eth0 >>/etc/rstap/hello.conf\n\
         systemctl daemon-reload\n\
         systemctl --wait is-system-running || systemctl --failed\n",
        units = units.display(),
        folder = folder.display(),
    );
    println!("{}", run(guest, "install", &script).success());
}

fn a_module_is_stopped(guest: &mut Guest) {
    let script = "systemctl start staprun@ticks || exit 1\n".to_string()
        + &journal("staprun@ticks", "ticks threshold 42")
        + "grep -q '^ticks ' /proc/modules || exit 2\n\
           systemctl stop staprun@ticks || exit 3\n\
           systemctl show -p Result -p ExecMainStatus staprun@ticks\n"
        + &journal("staprun@ticks", "ticks ended, alive 1");
    let shown = run(guest, "stop", &script).success();
    assert_eq!(shown, "Result=success\nExecMainStatus=0\n");
}

fn a_killed_loader_is_started_again(guest: &mut Guest) {
    let script = "systemctl enable --now staprun@ticks || exit 1\n".to_string()
        + &until("grep -q '^ticks ' /proc/modules")
        + "systemctl kill --kill-whom=main -s KILL staprun@ticks || exit 2\n"
        + &until("systemctl show -p NRestarts staprun@ticks | grep -q =1")
        + &until("grep -q '^ticks ' /proc/modules");
    let ran = run_leaving(guest, "restart", &script);
    assert_eq!(ran.leaks, ["module ticks"], "{ran:?}");
    ran.success();
}

fn a_script_has_options_of_its_own(guest: &mut Guest) {
    let script = "systemctl enable --now rstap@hello || exit 1\n".to_string()
        + &journal("rstap@hello", "hello 7 eth0 guru 1");
    run_leaving(guest, "compile", &script).success();
}

fn reload_starts_a_new_file(guest: &mut Guest) {
    let script = "cd /etc/rstap; cp hello.stp re-load.v2.stp\n\
         echo RSTAP_OPTIONS=-g -o /run/reload >re-load.v2.conf\n\
         echo RSTAP_ARGUMENTS=7 eth0 >>re-load.v2.conf\n\
         systemctl start rstap@re-load.v2 || exit 1\n"
        .to_string()
        + &until("grep -qs eth0 /run/reload")
        + "systemctl reload rstap@re-load.v2 || exit 2\n"
        + &until("[ -e /run/reload.1 ]")
        + "systemctl stop rstap@re-load.v2 || exit 3\n\
           systemctl show -p Result rstap@re-load.v2; cat /run/reload.1\n";
    let shown = run_leaving(guest, "reload", &script).success();
    assert_eq!(shown, "Result=success\nhello ended\n");
}

fn a_missing_script_fails(guest: &mut Guest) {
    let script = "systemctl start rstap@nosuch && echo started; echo $?";
    assert_eq!(run_leaving(guest, "missing", script).success(), "1\n");
}

fn a_wrong_script_fails(guest: &mut Guest) {
    let script = "folder=/etc/systemd/system/rstap@broken.service.d; mkdir $folder\n\
         printf '[Service]\\nRestartSec=200ms\\n' >$folder/soon.conf\n\
         systemctl daemon-reload; systemctl start rstap@broken\n"
        .to_string()
        + &until("systemctl -q is-failed rstap@broken")
        + "systemctl show -p ExecMainStatus -p Result rstap@broken\n\
           journalctl -u rstap@broken -o cat\n";
    let shown = run(guest, "broken", &script).success();
    assert!(shown.starts_with("Result="), "{shown}");
    assert!(shown.contains("ExecMainStatus=1\n"), "{shown}");
    assert!(shown.contains("unresolved function"), "{shown}");
}

/// As a person does it; services are stopped.
fn switch_off(mut guest: Guest) {
    let case = Case::new("off", "systemctl poweroff; sleep 50");
    let outcome = guest
        .run(&case, &mut Vec::new(), &mut Vec::new(), None)
        .unwrap();
    assert!(matches!(outcome.ending, Ending::Lost(_)), "{outcome:?}");
    assert!(outcome.splats.is_empty(), "{outcome:?}");
}
