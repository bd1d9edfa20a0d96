// SPDX-License-Identifier: GPL-2.0-or-later
//! `rstap-lab`: fetches kernels for the virtual machines and runs commands in them.

use std::io::{stderr, stdout};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Args, Parser, Subcommand};

use rstap_vm::guest::Accelerator;
use rstap_vm::kernels::{self, FetchRequest};
use rstap_vm::process::find_program;
use rstap_vm::{Error, Result, RunRequest};

/// Kernels for throwaway virtual machines, fetched as packages and never installed.
#[derive(Parser)]
#[command(name = "rstap-lab", version)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fetch the newest cloud kernel of a suite, with its headers.
    Fetch(Fetch),
    /// Build a kernel that checks itself (KASAN, lockdep, UBSAN) from the suite's sources; it is
    /// called `sanitize` like a suite.
    Build,
    /// List the kernels that were fetched.
    List,
    /// Print the path of the root folder of a fetched kernel, for `rstap --sysroot`.
    Sysroot {
        /// A release or its beginning, or a suite; this machine's own suite if absent.
        kernel: Option<String>,
    },
    /// Install the programs that the virtual machines need (needs root).
    Deps(Deps),
    /// Run a command in a machine of its own that sees the host's files.
    Run(Run),
}

#[derive(Args)]
struct Fetch {
    /// The suite, for instance bookworm; this machine's own if absent.
    #[arg(long)]
    suite: Option<String>,
    /// A release that the suite still has, instead of its newest.
    #[arg(long)]
    release: Option<String>,
    /// Also the debug files (300 MB to fetch, 1.7 GB on disk).
    #[arg(long)]
    with_debug: bool,
    /// Look for a newer kernel even if one is here.
    #[arg(long)]
    newest: bool,
}

#[derive(Args)]
struct Deps {
    /// Also those for kernels of other suites than this machine's.
    #[arg(long)]
    all: bool,
    /// Also those for the tests of services, of Secure Boot and under load.
    #[arg(long)]
    tests: bool,
    /// Also those for building a kernel.
    #[arg(long)]
    build: bool,
    /// Also those that `make bench` compares with.
    #[arg(long)]
    bench: bool,
}

#[derive(Args)]
struct Run {
    /// The kernel: a release or its beginning, or a suite.
    #[arg(long)]
    kernel: Option<String>,
    /// Use the host's virtualisation instead of emulation.
    #[arg(long)]
    kvm: bool,
    /// Count instructions as time (one CPU).
    #[arg(long, conflicts_with = "kvm")]
    icount: bool,
    /// Emulate each CPU in a thread of its own. Needs qemu 8.1 to be sound: older ones can hang when
    /// the kernel patches its code.
    #[arg(long, conflicts_with_all = ["kvm", "icount"])]
    threads: bool,
    /// Pass standard input on.
    #[arg(long, short)]
    interactive: bool,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    match act(&Cli::parse().action) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("rstap-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act(action: &Action) -> Result<u8> {
    match action {
        Action::Fetch(fetch) => {
            let request = FetchRequest {
                suite: fetch.suite.clone(),
                release: fetch.release.clone(),
                debug: fetch.with_debug,
                newest: fetch.newest,
            };
            let kernel = kernels::fetch(&request, &mut |text| eprintln!("rstap-lab: {text}"))?;
            // Function probes need names and addresses; a kernel that will not boot may still be
            // good for building.
            if let Err(error) = kernels::symbols::provide(&kernel) {
                eprintln!("rstap-lab: {error}");
            }
            println!("{}", kernel.sysroot.display());
        }
        Action::Build => {
            let kernel = kernels::sanitize::build(&mut |text| eprintln!("rstap-lab: {text}"))?;
            println!("{}", kernel.sysroot.display());
        }
        Action::List => {
            for kernel in kernels::list()? {
                let debug = if kernel.debug.is_some() {
                    "with debug files"
                } else {
                    ""
                };
                let line = format!(
                    "{:<28} {:<10} {} {debug}",
                    kernel.release,
                    kernel.suite,
                    kernel.sysroot.display()
                );
                println!("{}", line.trim_end());
            }
        }
        Action::Sysroot { kernel } => {
            println!("{}", kernels::find(kernel.as_deref())?.sysroot.display());
        }
        Action::Deps(deps) => install(deps)?,
        Action::Run(run) => return run_command(run),
    }
    Ok(0)
}

/// Programs and the packages that hold them.
const NEEDED: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("xz", "xz-utils"),
    ("setpriv", "util-linux"),
    ("make", "make"),
    ("gcc", "gcc"),
];

/// The same for tests of services, of Secure Boot, of `--remote=ssh`, under load, of networks and
/// of JSON.
const NEEDED_BY_TESTS: &[(&str, &str)] = &[
    ("mke2fs", "e2fsprogs"),
    ("systemctl", "systemd"),
    ("sbsign", "sbsigntool"),
    ("openssl", "openssl"),
    ("ssh", "openssh-client"),
    ("dropbear", "dropbear-bin"),
    ("setcap", "libcap2-bin"),
    ("strace", "strace"),
    ("stress-ng", "stress-ng"),
    ("ip", "iproute2"),
    ("python3", "python3"),
];

/// What `make bench` runs in the same guest.
const NEEDED_BY_BENCH: &[(&str, &str)] = &[("bpftrace", "bpftrace")];

fn install(deps: &Deps) -> Result<()> {
    let groups = [
        (true, NEEDED),
        (deps.tests, NEEDED_BY_TESTS),
        (deps.build, kernels::sanitize::NEEDED),
        (deps.bench, NEEDED_BY_BENCH),
    ];
    let mut packages: Vec<&str> = groups
        .iter()
        .filter(|(is_wanted, _)| *is_wanted)
        .flat_map(|(_, programs)| *programs)
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if deps.all && find_program("patchelf").is_none() {
        packages.push("patchelf");
    }
    // Only the static one runs in a guest that has no C library.
    if !packages.contains(&"busybox-static") && !busybox_is_static() {
        packages.push("busybox-static");
    }
    if deps.tests && !PathBuf::from("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd").exists() {
        packages.push("ovmf");
    }
    // The kernel's objtool is linked with it.
    if !PathBuf::from("/usr/lib/x86_64-linux-gnu/libelf.so.1").exists() {
        packages.push("libelf1");
    }
    // Its header, for the kernel's own objtool.
    if deps.build && !PathBuf::from("/usr/include/libelf.h").exists() {
        packages.push("libelf-dev");
    }
    let old_server = PathBuf::from("/usr/lib/qemu/virtiofsd");
    let new_server = PathBuf::from("/usr/libexec/virtiofsd");
    if !old_server.exists() && !new_server.exists() {
        packages.push(if is_debian_12() {
            "qemu-system-common"
        } else {
            "virtiofsd"
        });
    }
    if packages.is_empty() {
        return Ok(());
    }
    let line = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    if !nix::unistd::geteuid().is_root() {
        return Err(
            Error::new("programs that virtual machines need are not installed")
                .hint(format!("install them with: sudo {line}")),
        );
    }
    eprintln!("rstap-lab: {line}");
    apt_get(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

fn busybox_is_static() -> bool {
    find_program("busybox").is_some_and(|program| {
        let result = Command::new("ldd").arg(program).output();
        result.is_ok_and(|result| !String::from_utf8_lossy(&result.stdout).contains("=>"))
    })
}

fn is_debian_12() -> bool {
    std::fs::read_to_string("/etc/os-release")
        .is_ok_and(|text| text.contains("VERSION_CODENAME=bookworm"))
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::process::Stdio::null())
        .status()
        .map_err(|error| Error::new(format!("cannot start apt-get: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(format!(
        "apt-get {} failed ({status})",
        arguments.join(" ")
    )))
}

fn run_command(run: &Run) -> Result<u8> {
    let kernel = kernels::find(run.kernel.as_deref())?;
    let mut request = RunRequest::new(kernel, run.command.clone());
    request.stdin = run.interactive;
    if run.kvm {
        request.accelerator = Accelerator::Kvm;
    }
    if run.icount {
        request.accelerator = Accelerator::CountedTcg;
    }
    if run.threads {
        request.accelerator = Accelerator::ThreadedTcg;
    }
    let status = rstap_vm::run(&request, &mut stdout(), &mut stderr())?;
    Ok(u8::try_from(status).unwrap_or(1))
}
