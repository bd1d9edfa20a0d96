// SPDX-License-Identifier: GPL-2.0-or-later

//! Symbols that the kernel and its modules export, from `Module.symvers`.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::mapped;
use crate::session::DebugInfo;

/// An exported symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// `vmlinux` or the module's path in the build tree.
    pub provider: String,
    /// For modules under the GPL only (`EXPORT_SYMBOL_GPL`).
    pub gpl_only: bool,
    /// Checksum of its type, 0 without `CONFIG_MODVERSIONS`.
    pub checksum: u32,
}

impl DebugInfo {
    /// How a symbol is exported; `None` if it is not, or nothing is known.
    pub fn exported(&self, name: &str) -> Option<&Export> {
        let exports = self.exports.get_or_init(|| match &self.paths().symvers {
            Some(path) => read(path).unwrap_or_default(),
            None => HashMap::new(),
        });
        exports.get(name)
    }
}

fn read(path: &Path) -> Result<HashMap<String, Export>> {
    let text = std::str::from_utf8(mapped::contents(path)?)
        .map_err(|error| Error::in_file(path, "not text").at("file", error.valid_up_to() as u64))?;
    let mut exports = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        if let (Some(checksum), Some(name), Some(provider), Some(kind)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        {
            let checksum = checksum.trim_start_matches("0x");
            let checksum = u32::from_str_radix(checksum, 16).unwrap_or(0);
            let export = Export {
                provider: provider.to_string(),
                gpl_only: kind.ends_with("GPL"),
                checksum,
            };
            exports.insert(name.to_string(), export);
        }
    }
    Ok(exports)
}
