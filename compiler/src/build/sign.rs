// SPDX-License-Identifier: GPL-2.0-or-later
//! Signing a module for kernels that load signed ones only (Secure Boot): the kernel's own
//! `scripts/sign-file` with a machine owner's key.

use std::path::{Path, PathBuf};

use super::command::Runner;
use super::error::BuildError;
use super::tree::KernelTree;

/// Names of a key and its certificate that are looked for in the folder, first to last.
const KEYS: &[(&str, &str)] = &[
    ("signing_key.priv", "signing_key.x509"),
    ("MOK.priv", "MOK.der"),
    ("mok.priv", "mok.der"),
    ("mok.key", "mok.pub"),
];

/// Appends a signature to the module, in place.
pub fn sign(
    kernel: &KernelTree,
    keys: &Path,
    module: &Path,
    verbosity: u32,
) -> Result<(), BuildError> {
    let (key, certificate) = find_keys(keys)?;
    let program = kernel.build.join("scripts/sign-file");
    if !program.exists() {
        return Err(BuildError::Sign {
            why: format!(
                "{} is missing.\n  build it:  make -C {} scripts",
                program.display(),
                kernel.build.display()
            ),
        });
    }
    let hash = kernel
        .config("CONFIG_MODULE_SIG_HASH")
        .unwrap_or_else(|| "sha256".into());
    let words = [
        program.display().to_string(),
        hash,
        key.display().to_string(),
        certificate.display().to_string(),
        module.display().to_string(),
    ];
    let runner = Runner {
        directory: kernel.build.clone(),
        is_verbose: verbosity > 1,
    };
    let (output, text) = runner.run(&words)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(BuildError::Sign {
            why: text.trim().to_owned(),
        })
    }
}

fn find_keys(directory: &Path) -> Result<(PathBuf, PathBuf), BuildError> {
    KEYS.iter()
        .map(|(key, certificate)| (directory.join(key), directory.join(certificate)))
        .find(|(key, certificate)| key.exists() && certificate.exists())
        .ok_or_else(|| BuildError::Sign {
            why: format!(
                "{0} holds no key (looked for {1}).\n  make one:  \
                 openssl req -new -x509 -newkey rsa:4096 -nodes -days 3650 -subj /CN=rstap/ \
                 -outform DER -keyout {0}/signing_key.priv -out {0}/signing_key.x509\n  \
                 enrol it:  mokutil --import {0}/signing_key.x509   and restart",
                directory.display(),
                KEYS.iter()
                    .map(|(key, certificate)| format!("{key} with {certificate}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        })
}
