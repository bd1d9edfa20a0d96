// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 4: one C file to a kernel module.
//!
//! The runtime is compiled by the kernel's own kbuild once ([`runtime`]); a script is compiled with
//! the commands recorded there and linked with it ([`script`]). What that cannot do (embedded C
//! that calls kernel functions unknown to the runtime) goes through kbuild again ([`full`]).
//!
//! **Invariants**: no flag is guessed, all come from a kbuild record of the same kernel; a file in
//! the cache is complete; generated C is the only thing read of a script.

pub mod cache;
pub mod command;
pub mod elf;
pub mod error;
mod full;
pub mod runtime;
mod script;
pub mod sign;
pub mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use cache::Cache;
pub use error::BuildError;
pub use runtime::RuntimeRequest;
pub use tree::KernelTree;

/// What pass 4 is to build.
#[derive(Debug, Clone)]
pub struct BuildRequest<'a> {
    /// The C that codegen made.
    pub c_source: &'a str,
    /// Whether a part of it was written by the user; then kernel headers are tried when it does not
    /// compile without, as SystemTap's embedded C has them all.
    pub has_embedded_c: bool,
    pub kernel: &'a KernelTree,
    /// Folder with the runtime's `Kbuild`, `src` and `include`.
    pub runtime_sources: &'a Path,
    /// Where runtimes are kept: a folder of the cache, or of the session when caches are off.
    pub runtime_root: &'a Path,
    /// Where files of the build go.
    pub temporary: &'a Path,
    pub verbosity: u32,
    /// `--debug`: keep debug information.
    pub keep_debug: bool,
    /// `-B NAME=VALUE`.
    pub make_arguments: &'a [String],
    /// `--modinfo NAME=VALUE`.
    pub modinfo: &'a [String],
    /// `--sign-module`: folder with `signing_key.priv` and `signing_key.x509`.
    pub sign: Option<&'a Path>,
}

/// A request with what identifies its result.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Of the module: `rstap_<32 hexadecimal digits>_<bytes of C>`.
    pub name: String,
    runtime_hash: String,
}

impl BuildRequest<'_> {
    fn runtime_request(&self) -> RuntimeRequest<'_> {
        RuntimeRequest {
            kernel: self.kernel,
            sources: self.runtime_sources,
            make_arguments: self.make_arguments,
            verbosity: self.verbosity,
        }
    }

    /// Names the result. Equal requests have equal names, and nothing that changes the module
    /// leaves its name as it is.
    pub fn plan(&self) -> Result<Plan, BuildError> {
        let runtime_hash = self.runtime_request().hash()?;
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION").as_bytes());
        hash.update(runtime_hash.as_bytes());
        hash.update([u8::from(self.has_embedded_c), u8::from(self.keep_debug)]);
        for text in self.modinfo {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        if let Some(keys) = self.sign {
            hash.update(keys.as_os_str().as_encoded_bytes());
        }
        hash.update(self.c_source.as_bytes());
        let digits: String = hexadecimal(&hash.finalize()).chars().take(32).collect();
        Ok(Plan {
            name: format!("rstap_{digits}_{}", self.c_source.len()),
            runtime_hash,
        })
    }

    /// Builds the module `name` (the plan's, or `-m`) and gives its file, in `temporary`.
    pub fn compile(&self, plan: &Plan, name: &str) -> Result<PathBuf, BuildError> {
        let runtime = self
            .runtime_request()
            .get(self.runtime_root, &plan.runtime_hash)?;
        let source = self.temporary.join(format!("{name}_src.c"));
        let mut text = self.c_source.to_owned();
        for (number, entry) in self.modinfo.iter().enumerate() {
            text.push_str(&modinfo_line(number, entry));
        }
        fs::write(&source, &text).map_err(BuildError::io("write", &source))?;
        let build = script::ScriptBuild {
            request: self,
            runtime: &runtime,
            source: &source,
            name,
        };
        let module = build.build(&text)?;
        if let Some(keys) = self.sign {
            sign::sign(self.kernel, keys, &module, self.verbosity)?;
        }
        Ok(module)
    }
}

/// A `.modinfo` entry in C that needs no kernel header.
fn modinfo_line(number: usize, entry: &str) -> String {
    let escaped = entry.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "static const char rstap_modinfo_{number}[] __attribute__((used, section(\".modinfo\"), aligned(1))) = \"{escaped}\";\n"
    )
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing to a String does not fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
