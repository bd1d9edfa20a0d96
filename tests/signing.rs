// SPDX-License-Identifier: GPL-2.0-or-later
//! `--sign-module` on a machine with UEFI Secure Boot, whose firmware trusts one certificate. The
//! kernel locks itself down and takes only modules that a key known to the firmware has signed.

use std::path::{Path, PathBuf};
use std::process::Command;

use rstap_tests::lab::{Ran, kernel, module, module_with, programs, run, text};
use rstap_vm::guest::{Guest, Machine, Root, SNAKE_OIL};
use rstap_vm::initramfs::PackedFile;

/// A script that needs addresses, which cannot be written into a signed module.
const SCRIPT: &str = "global n, r probe kernel.function(\"do_sys_openat2\") { n++ } \
     probe kernel.function(\"do_sys_openat2\").return { r += $return > 0 } \
     probe kernel.trace(\"sched_switch\") { n++ } \
     probe end { println(n > 0 && r > 0 ? \"counted\" : \"nothing\") }";

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// The folder with the key that the firmware trusts, as `--sign-module=DIR` takes it.
fn trusted_keys(folder: &Path) -> PathBuf {
    let keys = folder.join("trusted");
    std::fs::create_dir(&keys).unwrap();
    let [key, certificate] = SNAKE_OIL;
    let path = |name: &str| keys.join(name).display().to_string();
    openssl(&[
        "rsa",
        "-in",
        key,
        "-passin",
        "pass:snakeoil",
        "-out",
        &path("signing_key.priv"),
    ]);
    openssl(&[
        "x509",
        "-in",
        certificate,
        "-outform",
        "DER",
        "-out",
        &path("signing_key.x509"),
    ]);
    keys
}

/// A key of its own, made with the command that rstap gives when there is none.
fn other_keys(folder: &Path) -> PathBuf {
    let keys = folder.join("other");
    std::fs::create_dir(&keys).unwrap();
    let option = format!("--sign-module={}", keys.display());
    let output = rstap_tests::lab::rstap(&["-p4", &option, "-e", "probe begin { exit() }"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    let command = message
        .lines()
        .find_map(|line| line.split_once("make one: "))
        .unwrap_or_else(|| panic!("{message}"))
        .1;
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    keys
}

fn signed(folder: &Path, name: &str, keys: &Path) -> PathBuf {
    let option = format!("--sign-module={}", keys.display());
    let module = module_with(folder, name, &[&option], SCRIPT);
    let output = Command::new("/sbin/modinfo").arg(&module).output().unwrap();
    let fields = text(&output.stdout);
    assert!(fields.contains("sig_hashalgo:"), "{fields}");
    module
}

fn refused(ran: &Ran, reason: &str) {
    assert_eq!(ran.status, 1, "{ran:#?}");
    assert!(ran.stderr.contains(reason), "{ran:#?}");
}

#[test]
fn secure_boot_takes_modules_signed_by_a_known_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let keys = trusted_keys(folder);
    let modules = [
        signed(folder, "trusted", &keys),
        signed(folder, "foreign", &other_keys(folder)),
        module(folder, "unsigned", SCRIPT),
    ];
    let mut kernel = kernel();
    let image = folder.join("vmlinuz");
    let output = Command::new("sbsign")
        .arg("--key")
        .arg(keys.join("signing_key.priv"))
        .args(["--cert", SNAKE_OIL[1], "--output"])
        .args([&image, &kernel.vmlinuz])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    kernel.vmlinuz = image;

    let mut files = vec![PackedFile::new(programs().staprun, "/staprun")];
    files.extend(modules.iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        PackedFile::new(path, format!("/{name}"))
    }));
    let mut machine = Machine::new(kernel, Root::Packed(files));
    machine.secure_boot = true;
    let mut guest = machine.boot().unwrap();
    locked_down(&mut guest, "[integrity]");
    let ran = run(&mut guest, "renamed", "/staprun -R -c true /trusted.ko");
    refused(&ran, "it is signed");
    let ran = run(&mut guest, "foreign", "/staprun -c true /foreign.ko");
    refused(&ran, "does not know the key");
    let ran = run(&mut guest, "unsigned", "/staprun -c true /unsigned.ko");
    refused(&ran, "it is not signed");
    let change = "cp /trusted.ko /changed.ko\n\
         printf x | dd of=/changed.ko bs=1 seek=5000 conv=notrunc 2>/dev/null\n\
         /staprun -c true /changed.ko";
    let ran = run(&mut guest, "changed", change);
    refused(&ran, "its signature does not fit");
    drop(guest);
    confidential(machine);
}

/// The guest is locked down in this mode, and a signed module does its work.
fn locked_down(guest: &mut Guest, mode: &str) {
    let command = "mount -t securityfs s /sys/kernel/security; cat /sys/kernel/security/lockdown";
    let ran = run(guest, "lockdown", command);
    assert!(ran.stdout.contains(mode), "{ran:?}");
    let command = "/staprun -c 'cat /etc/hostname' /trusted.ko";
    assert!(run(guest, "trusted", command).success().contains("counted"));
}

/// The stricter mode forbids users to set kprobes and to read kernel memory; a signed module is the
/// kernel itself.
fn confidential(mut machine: Machine) {
    machine
        .kernel_arguments
        .push("lockdown=confidentiality".to_owned());
    let mut guest = machine.boot().unwrap();
    locked_down(&mut guest, "[confidentiality]");
    let ran = run(&mut guest, "unsigned", "/staprun -c true /unsigned.ko");
    refused(&ran, "build it with: rstap --sign-module");
}

#[test]
fn a_refusal_says_which_rule_was_broken() {
    let folder = tempfile::tempdir().unwrap();
    let files = vec![
        PackedFile::new(programs().staprun, "/staprun"),
        PackedFile::new(module(folder.path(), "plain", SCRIPT), "/plain.ko"),
    ];
    let mut guest = Machine::new(kernel(), Root::Packed(files)).boot().unwrap();
    let lock = "mount -t securityfs s /sys/kernel/security\n\
         echo integrity >/sys/kernel/security/lockdown; /staprun -c true /plain.ko";
    refused(&run(&mut guest, "lockdown", lock), "locked down");
    let enforce = "echo 1 >/sys/module/module/parameters/sig_enforce; /staprun -c true /plain.ko";
    refused(&run(&mut guest, "enforce", enforce), "it is not signed");
    let disable = "echo 1 >/proc/sys/kernel/modules_disabled; /staprun -c true /plain.ko";
    refused(&run(&mut guest, "disable", disable), "modules_disabled");
}
