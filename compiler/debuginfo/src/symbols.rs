// SPDX-License-Identifier: GPL-2.0-or-later

//! Symbol lists: from an ELF file, System.map or kallsyms.

use std::path::Path;
use std::sync::OnceLock;

use object::{Object as _, ObjectSymbol as _};
use rayon::prelude::*;

use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::hash::FastMap;
use crate::types::SymbolKind;
use crate::{glob, mapped};

/// One symbol, borrowing its name from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub name: &'static str,
    pub address: u64,
    pub size: u64,
    pub kind: SymbolKind,
    pub global: bool,
}

/// All symbols of one file.
#[derive(Debug, Default)]
pub(crate) struct SymbolList {
    entries: Vec<Entry>,
    /// Made at the first question for a name.
    by_name: OnceLock<FastMap<&'static str, u32>>,
    /// Indices of non-per-CPU entries, by address; made at the first question
    /// for an address.
    by_address: OnceLock<Vec<u32>>,
}

impl SymbolList {
    /// Symbols of an ELF file: `.symtab`, or `.dynsym` if it was stripped.
    pub fn from_elf(elf: &Elf) -> SymbolList {
        let percpu = elf
            .sections
            .iter()
            .find(|section| section.name == ".data..percpu");
        let mut entries = Vec::new();
        let dynamic = elf.file.symbols().next().is_none();
        let symbols: Box<dyn Iterator<Item = _>> = if dynamic {
            Box::new(elf.file.dynamic_symbols())
        } else {
            Box::new(elf.file.symbols())
        };
        for symbol in symbols {
            let Ok(name) = symbol.name() else { continue };
            if name.is_empty() {
                continue;
            }
            let (section, base) = match symbol.section() {
                object::SymbolSection::Section(index) => {
                    let Some(section) = elf.section_by_index(index) else {
                        continue;
                    };
                    (
                        Some(section),
                        if elf.relocatable { section.address } else { 0 },
                    )
                }
                object::SymbolSection::Absolute => (None, 0),
                _ => continue,
            };
            let kind = match symbol.kind() {
                object::SymbolKind::Text => SymbolKind::Function,
                object::SymbolKind::Section | object::SymbolKind::File => continue,
                _ if section.is_some() && section.map(|s| s.index) == percpu.map(|s| s.index) => {
                    SymbolKind::PerCpu
                }
                object::SymbolKind::Data => SymbolKind::Object,
                // Assembly without .type: what lies in code is code.
                _ if section.is_some_and(|section| section.executable) => SymbolKind::Function,
                _ => SymbolKind::Other,
            };
            entries.push(Entry {
                name,
                address: symbol.address().wrapping_add(base),
                size: symbol.size(),
                kind,
                global: symbol.is_global(),
            });
        }
        SymbolList::new(entries)
    }

    /// Symbols of a `System.map` or of `/proc/kallsyms` (kernel part only).
    pub fn from_map(path: &Path) -> Result<SymbolList> {
        let text = std::str::from_utf8(mapped::contents(path)?).map_err(|error| {
            Error::in_file(path, "not text").at("file", error.valid_up_to() as u64)
        })?;
        let mut entries = Vec::new();
        let mut offset = 0_u64;
        for line in text.split_inclusive('\n') {
            let mut words = line.split_whitespace();
            if let (Some(address), Some(letter), Some(name)) =
                (words.next(), words.next(), words.next())
            {
                let address = u64::from_str_radix(address, 16).map_err(|_| {
                    Error::in_file(path, "bad address in symbol list").at("file", offset)
                })?;
                // Symbols of modules follow the kernel's, with "[name]" at the end.
                if words.next().is_none() {
                    let kind = match letter {
                        "t" | "T" | "w" | "W" | "i" => SymbolKind::Function,
                        "A" | "a" => SymbolKind::PerCpu,
                        "d" | "D" | "b" | "B" | "r" | "R" if address < 1 << 32 => {
                            SymbolKind::PerCpu
                        }
                        "d" | "D" | "b" | "B" | "r" | "R" | "V" | "v" => SymbolKind::Object,
                        _ => SymbolKind::Other,
                    };
                    let global = letter.starts_with(|letter: char| letter.is_ascii_uppercase());
                    entries.push(Entry {
                        name,
                        address,
                        size: 0,
                        kind,
                        global,
                    });
                }
            }
            offset = offset.saturating_add(line.len() as u64);
        }
        if entries.is_empty() {
            return Err(Error::in_file(path, "no symbols in it"));
        }
        if entries.iter().all(|entry| entry.address == 0) {
            return Err(Error::in_file(path, "addresses are hidden")
                .hint("run as root, or write 0 to /proc/sys/kernel/kptr_restrict"));
        }
        mark_per_cpu(&mut entries);
        Ok(SymbolList::new(entries))
    }

    fn new(mut entries: Vec<Entry>) -> SymbolList {
        // Indices have 32 bits, of which the sort by address takes three.
        entries.truncate(1 << 29);
        SymbolList {
            entries,
            ..SymbolList::default()
        }
    }

    fn indexed(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(&self.entries)
    }

    /// Ready to be asked for names, which otherwise the first question waits for.
    pub fn with_names(self) -> SymbolList {
        self.names();
        self
    }

    fn names(&self) -> &FastMap<&'static str, u32> {
        self.by_name.get_or_init(|| {
            let mut by_name = FastMap::default();
            by_name.reserve(self.entries.len());
            for (index, entry) in self.indexed() {
                // Several statics may share a name; a global one is what the name means.
                let slot = by_name.entry(entry.name).or_insert(index);
                if entry.global {
                    *slot = index;
                }
            }
            by_name
        })
    }

    fn addresses(&self) -> &[u32] {
        self.by_address.get_or_init(|| {
            let mut keys: Vec<(u64, u32)> = self
                .indexed()
                .filter(|(_, entry)| entry.kind != SymbolKind::PerCpu)
                .map(|(index, entry)| {
                    // At one address: functions first, then the ones with a size, then global ones.
                    let rank = u32::from(entry.kind != SymbolKind::Function) << 2
                        | u32::from(entry.size == 0) << 1
                        | u32::from(!entry.global);
                    (entry.address, rank << 29 | index)
                })
                .collect();
            keys.par_sort_unstable();
            let index = |(_, key): &(u64, u32)| key & ((1 << 29) - 1);
            keys.iter().map(index).collect()
        })
    }

    /// All symbols in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The symbol with this name; a global one before a static one.
    pub fn by_name(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.names().get(name)? as usize)
    }

    /// Symbols that match a pattern, in the order of the file.
    pub fn matching<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = &'a Entry> + 'a {
        self.entries
            .iter()
            .filter(move |entry| glob::matches(pattern, entry.name))
    }

    /// All symbols at exactly this address, the best name first.
    pub fn exactly_at(&self, address: u64) -> impl Iterator<Item = &Entry> {
        let start = self.addresses().partition_point(|index| {
            self.entries
                .get(*index as usize)
                .is_some_and(|entry| entry.address < address)
        });
        self.addresses()
            .get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(|index| self.entries.get(*index as usize))
            .take_while(move |entry| entry.address == address)
    }

    /// The best symbol at or before an address.
    pub fn at_or_before(&self, address: u64) -> Option<&Entry> {
        let end = self.addresses().partition_point(|index| {
            self.entries
                .get(*index as usize)
                .is_some_and(|entry| entry.address <= address)
        });
        let last = self.addresses().get(end.checked_sub(1)?)?;
        let nearest = self.entries.get(*last as usize)?.address;
        self.exactly_at(nearest).next()
    }
}

/// Since 6.15 the per-CPU variables of x86 are at addresses like all others, in a part of their own.
fn mark_per_cpu(entries: &mut [Entry]) {
    let address = |name: &str| {
        let found = entries.iter().find(|entry| entry.name == name);
        found.map(|entry| entry.address)
    };
    let (Some(start), Some(end)) = (address("__per_cpu_start"), address("__per_cpu_end")) else {
        return;
    };
    for entry in entries {
        if (start..end).contains(&entry.address) && entry.kind == SymbolKind::Object {
            entry.kind = SymbolKind::PerCpu;
        }
    }
}
