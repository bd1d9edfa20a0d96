// SPDX-License-Identifier: GPL-2.0-or-later
//! `rstap info`: what this machine and kernel can do for a script, and what would bring the rest.

use std::path::Path;

use rstap_debuginfo::MissingPart;

use super::kernel::Kernel;
use super::locate::{self, Data};
use crate::build::error::headers_command;
use crate::cli::Options;
use crate::output::say_line;

/// Prints the report. `Ok(false)` when no script could be run.
pub fn info(options: &Options) -> Result<bool, String> {
    let kernel = Kernel::choose(options)?;
    let paths = &kernel.paths;
    let mut is_good = true;
    row("rstap", env!("CARGO_PKG_VERSION"));
    row(
        "kernel",
        &format!(
            "{}{}",
            paths.release,
            if paths.running { " (running)" } else { "" }
        ),
    );
    match kernel.tree() {
        Ok(tree) => {
            row("build tree", &tree.build.display().to_string());
            let compiler = tree.compiler().unwrap_or_else(|| "gcc".into());
            let found = crate::build::runtime::find_program(&compiler);
            let text = match found {
                Some(path) => path.display().to_string(),
                None => format!("{compiler} is not installed; gcc is used instead"),
            };
            row("compiler", &text);
        }
        Err(_) => {
            is_good = false;
            row(
                "build tree",
                &format!("missing; {}", headers_command(&paths.release)),
            );
        }
    }
    for (name, path, part) in [
        ("debug info", &paths.vmlinux, MissingPart::DebugInfo),
        ("BTF", &paths.btf, MissingPart::Btf),
        ("symbols", &paths.symbols, MissingPart::Symbols),
        ("modules", &paths.modules_dir, MissingPart::Modules),
    ] {
        let text = match (path, paths.hint_for(part)) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(command)) => format!("missing; {command}"),
            (None, None) => "missing".to_owned(),
        };
        row(name, &text);
    }
    let servers = paths.servers.as_ref();
    let servers = servers.map_or_else(
        || "none (DEBUGINFOD_URLS is not set)".to_owned(),
        |servers| servers.urls.join(" "),
    );
    row("debug file servers", &servers);
    for (name, option) in [
        ("ftrace", "CONFIG_DYNAMIC_FTRACE"),
        ("kprobes", "CONFIG_KPROBES"),
        ("uprobes", "CONFIG_UPROBES"),
        ("tracepoints", "CONFIG_TRACEPOINTS"),
        ("perf events", "CONFIG_PERF_EVENTS"),
        ("module unloading", "CONFIG_MODULE_UNLOAD"),
        ("signed modules only", "CONFIG_MODULE_SIG_FORCE"),
    ] {
        let is_on = kernel.config(option).is_some();
        row(name, if is_on { "yes" } else { "no" });
    }
    if paths.running {
        row("lockdown", &lockdown());
        row("may load modules", may_load());
    }
    let cache = locate::cache()?;
    for (name, kind) in [("tapset", Data::Tapset), ("runtime", Data::Runtime)] {
        let found = locate::data(kind, None, &cache)?;
        row(name, &found.path.display().to_string());
    }
    row("cache", &cache.display().to_string());
    match locate::staprun() {
        Ok(path) => row("loader", &path.display().to_string()),
        Err(error) => {
            is_good = false;
            row("loader", &error);
        }
    }
    let machines = rstap_vm::kernels::list().unwrap_or_default();
    let releases: Vec<&str> = machines.iter().map(|set| set.release.as_str()).collect();
    row(
        "kernels for --remote=vm",
        &if releases.is_empty() {
            "none; rstap-lab fetch".to_owned()
        } else {
            releases.join(" ")
        },
    );
    Ok(is_good)
}

fn row(name: &str, value: &str) {
    say_line!("{name:<24} {value}");
}

/// Says before anything is compiled that this machine would not load it.
pub fn refuse_unsigned() -> Result<(), String> {
    let mode = lockdown();
    if !matches!(mode.as_str(), "integrity" | "confidentiality") {
        return Ok(());
    }
    Err(format!(
        "this kernel is locked down (mode {mode}, as with Secure Boot) and loads signed modules only\n  \
         sign the script's module:  rstap --sign-module ..."
    ))
}

/// The mode in brackets of `none [integrity] confidentiality`.
fn lockdown() -> String {
    std::fs::read_to_string(Path::new("/sys/kernel/security/lockdown"))
        .ok()
        .and_then(|text| {
            let start = text.find('[')? + 1;
            let end = text.find(']')?;
            text.get(start..end).map(str::to_owned)
        })
        .unwrap_or_else(|| "unknown (no securityfs)".to_owned())
}

fn may_load() -> &'static str {
    // CAP_SYS_MODULE is bit 16 (include/uapi/linux/capability.h)
    let has_capability = std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .is_some_and(|bits| bits & (1 << 16) != 0);
    if has_capability {
        "yes"
    } else {
        "no: be root, or build here with -p4 -m NAME and load it as root with staprun"
    }
}
