// SPDX-License-Identifier: GPL-2.0-or-later

//! Which functions the kernel lets be probed, and by which means: ftrace call
//! sites from `__mcount_loc` or the code itself, and what kprobes refuse
//! (`kernel/kprobes.c`, `arch/x86/kernel/kprobes/core.c`).

use crate::elf::Elf;
use crate::error::Result;
use crate::session::{DebugInfo, Module, ModuleKind};
use crate::symbols::SymbolList;
use crate::types::{Address, AddressRange, Function, FunctionKind, Probeable, SymbolKind};

/// What is known about one file, read once.
#[derive(Debug, Default)]
pub(crate) struct ProbeSites {
    /// Ftrace call sites, sorted; empty if the file does not tell.
    ftrace: Vec<u64>,
    /// Code that cannot be probed, with the reason: sorted, without overlaps.
    refused: Vec<(AddressRange, &'static str)>,
}

const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
const NOP5: [u8; 5] = [0x0f, 0x1f, 0x44, 0x00, 0x00];
const ENTRY: &str = "it is entry code, where no probe can run";
const NOINSTR: &str = "it is marked noinstr, because no probe may run there";
const KPROBES: &str = "it is part of the probe mechanism itself (__kprobes)";
const BLACKLIST: &str = "the kernel's source forbids it (NOKPROBE_SYMBOL)";
const PATCHED: &str =
    "the kernel rewrites this instruction while it runs (a jump label or static call)";
/// Size of the jump or call that the kernel writes there.
const PATCHED_SIZE: u64 = 5;
const INIT: &str = "its code is discarded once the kernel has started (__init)";

/// Tables of patched instructions: what stands behind `__start_` and `__stop_` in the kernel, the
/// section of a module, and the size of an entry (`struct jump_entry`, `struct static_call_site`). An
/// entry begins with its distance to the instruction.
const PATCHED_TABLES: [(&str, &str, usize); 2] = [
    ("___jump_table", "__jump_table", 16),
    ("static_call_sites", ".static_call_sites", 8),
];

/// Pairs of symbols around code of the kernel that kprobes refuse.
const FORBIDDEN: [(&str, &str, &str); 4] = [
    ("_sinittext", "_einittext", INIT),
    ("__entry_text_start", "__entry_text_end", ENTRY),
    ("__noinstr_text_start", "__noinstr_text_end", NOINSTR),
    ("__kprobes_text_start", "__kprobes_text_end", KPROBES),
];

impl DebugInfo {
    /// How a function's entry can be probed. Inlined copies are probed like
    /// any other address.
    pub fn probeable(&self, function: &Function) -> Result<Probeable> {
        let module = self.get(function.entry.module)?;
        if module.kind == ModuleKind::Binary {
            return Ok(Probeable::Kprobe);
        }
        let sites = self.sites(&module);
        let entry = function.entry.value;
        if let Some(reason) = sites.refusal(entry) {
            return Ok(Probeable::Refused(reason.to_string()));
        }
        if function.kind == FunctionKind::Inlined {
            return Ok(Probeable::Kprobe);
        }
        let site = if sites.ftrace.is_empty() {
            match module.elf.as_deref() {
                Some(elf) if elf.bytes_at(entry, 9).is_some() => {
                    self.site_in_code(&module, elf, entry)
                }
                // No code to look at. Most functions of the kernel have a site, and the runtime takes
                // a kprobe where there is none.
                _ if module.kind == ModuleKind::Kernel => Some(entry),
                _ => None,
            }
        } else {
            // At the entry, or after endbr64; with call padding never further.
            let after = sites.ftrace.partition_point(|site| *site < entry);
            sites
                .ftrace
                .get(after)
                .copied()
                .filter(|site| *site <= entry.saturating_add(4))
        };
        Ok(match site {
            Some(value) => Probeable::Ftrace(Address {
                module: function.entry.module,
                value,
            }),
            None => Probeable::Kprobe,
        })
    }

    /// Why a probe at an address is refused, if it is.
    pub fn refusal(&self, address: Address) -> Result<Option<String>> {
        let module = self.get(address.module)?;
        if module.kind == ModuleKind::Binary {
            return Ok(None);
        }
        let sites = self.sites(&module);
        Ok(sites.refusal(address.value).map(str::to_string))
    }

    /// Whether nothing forbids a probe at an address of a file.
    pub(crate) fn is_allowed(&self, module: &Module, address: u64) -> bool {
        module.kind == ModuleKind::Binary || self.sites(module).refusal(address).is_none()
    }

    fn sites<'a>(&self, module: &'a Module) -> &'a ProbeSites {
        module.sites.get_or_init(|| self.read_sites(module))
    }

    fn read_sites(&self, module: &Module) -> ProbeSites {
        let mut sites = ProbeSites::default();
        let empty = SymbolList::default();
        let symbols = self.symbols_of(module).unwrap_or(&empty);
        // Symbols alone tell of whole stretches of code.
        if module.kind == ModuleKind::Kernel {
            for (begin, end, reason) in FORBIDDEN {
                let range = between(symbols, begin, end);
                sites.refused.extend(range.map(|range| (range, reason)));
            }
        }
        match (module.elf.as_deref(), module.kind) {
            (Some(elf), ModuleKind::Kernel) => kernel_sites(elf, symbols, &mut sites),
            (Some(elf), _) => module_sites(module, elf, symbols, &mut sites),
            (None, _) => {}
        }
        sites.ftrace.sort_unstable();
        sites.order();
        // What is refused for a function is so for its clones and parts, by their names
        // (`within_kprobe_blacklist()`).
        let is_of_function = |reason: &str| reason != PATCHED && reason != INIT;
        let clones = symbols.entries().iter().filter_map(|symbol| {
            let (function, _) = symbol.name.split_once('.')?;
            let function = symbols.by_name(function)?;
            let reason = sites.refusal(function.address)?;
            (symbol.kind == SymbolKind::Function && is_of_function(reason))
                .then(|| (range_of(symbols, symbol.address), reason))
        });
        let clones: Vec<_> = clones.collect();
        sites.refused.extend(clones);
        sites.order();
        sites
    }

    /// Looks for the call of `__fentry__`, or the nop the build put there.
    fn site_in_code(&self, module: &Module, elf: &Elf, entry: u64) -> Option<u64> {
        let bytes = elf.bytes_at(entry, 9)?;
        let skip = if bytes.starts_with(&ENDBR64) {
            ENDBR64.len()
        } else {
            0
        };
        let (at, code) = (entry.wrapping_add(skip as u64), bytes.get(skip..skip + 5)?);
        if code == NOP5 {
            return Some(at);
        }
        let [0xe8, distance @ ..] = code else {
            return None;
        };
        let distance = i32::from_le_bytes(distance.try_into().ok()?);
        let target = at.wrapping_add(5).wrapping_add_signed(i64::from(distance));
        let fentry = self.symbols_of(module).ok()?.by_name("__fentry__")?;
        (fentry.address == target).then_some(at)
    }
}

impl ProbeSites {
    /// Sorts what is refused; of what overlaps, the first stays.
    fn order(&mut self) {
        let mut refused = std::mem::take(&mut self.refused);
        refused.sort_by_key(|(range, _)| range.begin);
        for (mut range, reason) in refused {
            let end = self.refused.last().map_or(0, |(last, _)| last.end);
            range.begin = range.begin.max(end);
            if range.begin < range.end {
                self.refused.push((range, reason));
            }
        }
    }

    fn refusal(&self, address: u64) -> Option<&'static str> {
        let after = self
            .refused
            .partition_point(|(range, _)| range.begin <= address);
        let (range, reason) = self.refused.get(after.checked_sub(1)?)?;
        range.contains(address).then_some(*reason)
    }
}

fn words(elf: &Elf, begin: u64, end: u64) -> Vec<u64> {
    let Some(size) = end
        .checked_sub(begin)
        .and_then(|size| usize::try_from(size).ok())
    else {
        return Vec::new();
    };
    let bytes = elf.bytes_at(begin, size).unwrap_or_default();
    let words = bytes
        .chunks_exact(8)
        .map(|word| word.try_into().map_or(0, u64::from_le_bytes));
    words.filter(|word| *word != 0).collect()
}

/// Addresses of the instructions that a table names, whose first entry is at `begin`.
fn patched(begin: u64, bytes: &[u8], entry_size: usize) -> impl Iterator<Item = u64> {
    let entries = bytes.chunks_exact(entry_size).enumerate();
    entries.filter_map(move |(index, entry)| {
        let at = begin.wrapping_add((index * entry_size) as u64);
        let distance = i32::from_le_bytes(*entry.first_chunk()?);
        Some(at.wrapping_add_signed(i64::from(distance)))
    })
}

fn patched_range(begin: u64) -> (AddressRange, &'static str) {
    let end = begin.saturating_add(PATCHED_SIZE);
    (AddressRange { begin, end }, PATCHED)
}

fn range_of(symbols: &SymbolList, address: u64) -> AddressRange {
    let size = symbols
        .exactly_at(address)
        .map(|symbol| symbol.size)
        .max()
        .unwrap_or(0);
    AddressRange {
        begin: address,
        end: address.saturating_add(size.max(1)),
    }
}

fn between(symbols: &SymbolList, begin: &str, end: &str) -> Option<AddressRange> {
    Some(AddressRange {
        begin: symbols.by_name(begin)?.address,
        end: symbols.by_name(end)?.address,
    })
}

fn kernel_sites(elf: &Elf, symbols: &SymbolList, sites: &mut ProbeSites) {
    let between = |begin: &str, end: &str| between(symbols, begin, end);
    if let Some(range) = between("__start_mcount_loc", "__stop_mcount_loc") {
        sites.ftrace = words(elf, range.begin, range.end);
    }
    if let Some(range) = between("__start_kprobe_blacklist", "__stop_kprobe_blacklist") {
        for address in words(elf, range.begin, range.end) {
            sites.refused.push((range_of(symbols, address), BLACKLIST));
        }
    }
    for (table, _, entry_size) in PATCHED_TABLES {
        let range = between(&format!("__start_{table}"), &format!("__stop_{table}"));
        let Some(range) = range else { continue };
        let size = usize::try_from(range.end.saturating_sub(range.begin)).unwrap_or(0);
        let bytes = elf.bytes_at(range.begin, size).unwrap_or_default();
        let found = patched(range.begin, bytes, entry_size);
        sites.refused.extend(found.map(patched_range));
    }
    for section in &elf.sections {
        if matches!(section.name.as_str(), ".init.text" | ".exit.text") {
            let end = section.address.saturating_add(section.size);
            let begin = section.address;
            sites.refused.push((AddressRange { begin, end }, INIT));
        }
    }
}

fn module_sites(module: &Module, elf: &Elf, symbols: &SymbolList, sites: &mut ProbeSites) {
    let image = module.image.as_deref().unwrap_or(elf);
    // Addresses of the module itself, which may be laid out unlike its debug file.
    let translate = |address: u64| {
        let section = image.section_at(address)?;
        let same = elf
            .sections
            .iter()
            .find(|other| other.name == section.name)?;
        Some(
            address
                .wrapping_sub(section.address)
                .wrapping_add(same.address),
        )
    };
    let table = |name: &str| {
        let bytes = image.section_data(name).unwrap_or_default();
        let words = bytes
            .chunks_exact(8)
            .map(|word| word.try_into().map_or(0, u64::from_le_bytes));
        words.filter_map(translate).collect::<Vec<u64>>()
    };
    sites.ftrace = table("__mcount_loc");
    if sites.ftrace.is_empty() {
        sites.ftrace = table("__patchable_function_entries");
    }
    for address in table("_kprobe_blacklist") {
        sites.refused.push((range_of(symbols, address), BLACKLIST));
    }
    for (_, name, entry_size) in PATCHED_TABLES {
        let begin = image.sections.iter().find(|section| section.name == name);
        let begin = begin.map_or(0, |section| section.address);
        let bytes = image.section_data(name).unwrap_or_default();
        let found = patched(begin, bytes, entry_size).filter_map(translate);
        sites.refused.extend(found.map(patched_range));
    }
    for section in &elf.sections {
        let end = section.address.saturating_add(section.size);
        let range = AddressRange {
            begin: section.address,
            end,
        };
        match section.name.as_str() {
            ".noinstr.text" => sites.refused.push((range, NOINSTR)),
            ".kprobes.text" => sites.refused.push((range, KPROBES)),
            _ => {}
        }
    }
}
