// SPDX-License-Identifier: GPL-2.0-or-later
//! Users other than root: the groups stapusr, stapsys and stapdev, with a loader that is setuid
//! root and with one that has file capabilities; and modules that do not fit this machine.

use std::path::Path;

use rstap_tests::lab::{Ran, kernel, module, programs, run};
use rstap_vm::guest::{Guest, Machine, Root, can_share_host_files};

const SCRIPT: &str = "global n probe kernel.function(\"do_sys_openat2\") { n++ } \
     probe begin { println(\"begun\") } probe end { println(n > 0 ? \"counted\" : \"nothing\") }";

/// The guest's files are in an overlay; only root can read where its module lies.
const IN_A_MODULE: &str = "global n probe module(\"overlay\").function(\"ovl_*\").call { n++ } \
     probe end { println(n > 0 ? \"counted\" : \"nothing\") }";

/// Users of the guest, and their groups' numbers for setpriv.
const USERS: &[(&str, &str)] = &[
    ("nobody", "1500"),
    ("stapusr", "1500,900"),
    ("stapsys", "1500,901"),
    ("stapdev", "1500,902"),
];

fn refused(ran: &Ran, reason: &str) {
    assert_eq!(ran.status, 1, "{ran:#?}");
    assert!(ran.stderr.contains(reason), "{ran:#?}");
}

fn set_up(guest: &mut Guest, folder: &Path) {
    let (release, staprun) = (kernel().release, programs().staprun);
    let script = format!(
        "set -e; mkdir -p /lib/modules/{release}/rstap /opt/caps /opt/suid /opt/plain /home/u\n\
         sed -i /^stap/d /etc/group\n\
         printf 'stapusr:x:900:\\nstapsys:x:901:\\nstapdev:x:902:\\n' >>/etc/group\n\
         echo u:x:1500:1500::/home/u:/bin/sh >>/etc/passwd; chown 1500 /home/u\n\
         cp {module} /lib/modules/{release}/rstap/; cp {module} /home/u/\n\
         cp {overlaid} /lib/modules/{release}/rstap/\n\
         cp {module} /lib/modules/{release}/rstap/loose.ko\n\
         chmod 666 /lib/modules/{release}/rstap/loose.ko\n\
         ln -s /home/u/granted.ko /lib/modules/{release}/rstap/linked.ko\n\
         for way in caps suid plain; do cp {staprun} /opt/$way/staprun; done\n\
         setcap cap_sys_module,cap_dac_override,cap_syslog+ep /opt/caps/staprun\n\
         chmod 4755 /opt/suid/staprun\n",
        module = folder.join("granted.ko").display(),
        overlaid = folder.join("overlaid.ko").display(),
        staprun = staprun.display(),
    );
    run(guest, "set-up", &script).success();
}

/// A command line of a user, whose folder is the current one.
fn as_user(guest: &mut Guest, user: &str, line: &str) -> Ran {
    let groups = USERS.iter().find(|(name, _)| *name == user).unwrap().1;
    let script = format!(
        "cd /home/u; exec /usr/bin/setpriv --reuid=1500 --regid=1500 --groups={groups} \
         --inh-caps=-all --bounding-set=+all sh -c '{line}'"
    );
    run(guest, user, &script)
}

fn check(guest: &mut Guest, way: &str) {
    let staprun = format!("/opt/{way}/staprun");
    let release = kernel().release;
    let ran = as_user(guest, "nobody", &format!("{staprun} granted"));
    refused(&ran, "You are trying to run systemtap as a normal user");

    for user in ["stapusr", "stapsys"] {
        let line =
            format!("{staprun} -o out -c \"id -u\" granted; cat out; stat -c %u out; rm out");
        let output = as_user(guest, user, &line).success();
        // The command and the file are the user's; the probes saw its calls.
        assert_eq!(output, "1500\nbegun\ncounted\n1500\n", "{way} {user}");
        let line = format!("{staprun} -c \"ls /\" overlaid | tail -n 1");
        assert_eq!(as_user(guest, user, &line).success(), "counted\n", "{way}");
        let others = format!("members of stapusr may load modules of /lib/modules/{release}/rstap");
        let ran = as_user(guest, user, &format!("{staprun} ./granted.ko"));
        refused(&ran, &others);
        let ran = as_user(
            guest,
            user,
            &format!("{staprun} /lib/modules/{release}/rstap/../granted.ko"),
        );
        refused(&ran, &others);
        refused(
            &as_user(guest, user, &format!("{staprun} loose")),
            "others than root may change it",
        );
        refused(
            &as_user(guest, user, &format!("{staprun} linked")),
            "no module",
        );
        refused(
            &as_user(guest, user, &format!("{staprun} -d granted")),
            "for root and members of stapdev",
        );
        refused(
            &as_user(guest, user, &format!("{staprun} -A granted")),
            "for root and members of stapdev",
        );
    }

    let line = format!("{staprun} -L ./granted.ko && {staprun} -d granted && echo gone");
    let output = as_user(guest, "stapdev", &line).success();
    assert!(output.ends_with("gone\n"), "{way}: {output}");
    let line = format!("{staprun} -c true -R ./granted.ko");
    assert!(as_user(guest, "stapdev", &line).success().contains("begun"));
}

#[test]
fn groups_decide_who_may_load_what() {
    if !can_share_host_files() {
        // The guest needs programs of the host.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    module(folder.path(), "granted", SCRIPT);
    module(folder.path(), "overlaid", IN_A_MODULE);
    let mut guest = Machine::new(kernel(), Root::Host).boot().unwrap();
    set_up(&mut guest, folder.path());
    check(&mut guest, "caps");
    check(&mut guest, "suid");
    let ran = as_user(&mut guest, "stapdev", "/opt/plain/staprun ./granted.ko");
    refused(&ran, "loading modules needs CAP_SYS_MODULE");
    misfits(&mut guest);
    foreign_module(&mut guest, folder.path());
    opened_once(&mut guest);
    locked_down(&mut guest);
}

/// A script that knows addresses of a module of the kernel, which is another build now.
fn foreign_module(guest: &mut Guest, folder: &Path) {
    let change = format!(
        "sed s/module_build_id=overlay:..../module_build_id=overlay:0000/ {} >/run/other.ko; \
         /opt/plain/staprun /run/other.ko",
        folder.join("overlaid.ko").display()
    );
    let reason = "Build-id mismatch: it was built for a module overlay";
    refused(&run(guest, "foreign", &change), reason);
}

/// What is checked is what is loaded: the module's path is looked up once, and its contents go to
/// the kernel from memory; the command runs without any capability.
fn opened_once(guest: &mut Guest) {
    let line = "cp /home/u/granted.ko /run/once.ko; \
         strace -f -o /run/calls /opt/suid/staprun -c \"grep ^Cap /proc/self/status\" /run/once.ko \
         && grep -e once.ko -e init_module /run/calls";
    let text = run(guest, "once", line).success();
    let calls: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("(") && !line.contains("execve("))
        .collect();
    let [opened, loaded] = calls.as_slice() else {
        panic!("{text}");
    };
    assert!(
        opened.contains("openat(") && opened.contains("once.ko"),
        "{text}"
    );
    assert!(loaded.contains(" init_module("), "{text}");
}

/// The last one: nothing unlocks the guest again. rstap says it before it compiles anything.
fn locked_down(guest: &mut Guest) {
    let script = format!(
        "mountpoint -q /sys/kernel/security || mount -t securityfs s /sys/kernel/security\n\
         echo integrity >/sys/kernel/security/lockdown\n\
         {} -v -e 'probe begin {{ exit() }}'",
        programs().rstap.display()
    );
    let ran = run(guest, "locked", &script);
    refused(&ran, "this kernel is locked down (mode integrity");
    assert!(!ran.stderr.contains("Pass 4"), "{ran:#?}");
}

/// Modules for another processor, another release, another build.
fn misfits(guest: &mut Guest) {
    let release = kernel().release;
    let other: String = release
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    // Lengths stay the same, so the file stays whole.
    for (name, change, reason) in [
        (
            "machine",
            "printf \"\\267\\000\" | dd of=x.ko bs=1 seek=18 conv=notrunc 2>/dev/null".to_owned(),
            "it was built for arm64, this machine is x86_64".to_owned(),
        ),
        (
            "release",
            format!("sed -i s/vermagic={release}/vermagic={other}/ x.ko"),
            format!("module was built for {other}, running kernel is {release}"),
        ),
        (
            "build",
            "sed -i s/build_id=..../build_id=0000/ x.ko".to_owned(),
            "Build-id mismatch".to_owned(),
        ),
    ] {
        let script =
            format!("cd /run; cp /home/u/granted.ko x.ko; {change}; /opt/plain/staprun ./x.ko");
        refused(&run(guest, name, &script), &reason);
    }
}
