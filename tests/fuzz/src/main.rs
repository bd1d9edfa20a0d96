// SPDX-License-Identifier: GPL-2.0-or-later
//! libFuzzer over one target: `RSTAP_FUZZ_TARGET=script rstap-fuzz CORPUS... [OPTIONS]`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rstap_fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("RSTAP_FUZZ_TARGET").unwrap_or_default();
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => *target,
        None => {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("set RSTAP_FUZZ_TARGET to one of: {}", names.join(", "));
            std::process::exit(2)
        }
    }
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
