// SPDX-License-Identifier: GPL-2.0-or-later
//! The little of ELF that a loader of kernel modules needs.
//!
//! 64-bit little-endian relocatable files only. Offsets come from the file and
//! are checked against its length wherever they are used. Field positions are
//! those of the System V ABI's tables (`Elf64_Ehdr`, `Elf64_Shdr`, `Elf64_Sym`).

use std::ops::Range;

/// `e_machine` of x86_64.
pub const MACHINE_X86_64: u16 = 62;
/// `e_machine` of arm64.
pub const MACHINE_AARCH64: u16 = 183;
/// Section index of absolute symbols.
pub const SECTION_ABSOLUTE: u16 = 0xfff1;

const TYPE_RELOCATABLE: u16 = 1;
const SECTION_HEADER_SIZE: usize = 64;
const SECTION_SYMBOLS: u32 = 2;
const SECTION_NO_BITS: u32 = 8;
const SYMBOL_SIZE: usize = 24;
const BINDING_WEAK: u8 = 2;

/// One section of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Where its bytes are in the file; empty for sections without any.
    pub bytes: Range<usize>,
    kind: u32,
    link: usize,
}

/// The tables of a file; its bytes stay with the caller, who may patch them.
#[derive(Debug, Clone)]
pub struct Elf {
    /// `e_machine`.
    pub machine: u16,
    /// All sections.
    pub sections: Vec<Section>,
}

/// An undefined weak symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeakSymbol {
    /// Its name.
    pub name: String,
    /// Where its table entry is in the file.
    entry: usize,
}

impl Elf {
    /// Reads headers and section table.
    ///
    /// # Errors
    /// The text says what the file is instead, or that it is cut short.
    pub fn parse(file: &[u8]) -> Result<Elf, String> {
        if file.is_empty() {
            return Err("the file is empty".to_owned());
        }
        if file.get(..4) != Some(b"\x7fELF".as_slice()) {
            return Err(match file.get(..4) {
                Some([0x1f, 0x8b, ..]) => "it is gzip-compressed; unpack it first".to_owned(),
                Some([0x28, 0xb5, 0x2f, 0xfd]) => {
                    "it is zstd-compressed; unpack it first".to_owned()
                }
                Some([0xfd, b'7', b'z', b'X']) => "it is xz-compressed; unpack it first".to_owned(),
                _ => "it is not an ELF file".to_owned(),
            });
        }
        let cut = || "the file is cut short (its ELF tables lie beyond its end)".to_owned();
        let [class, data] = *file
            .get(4..)
            .and_then(|rest| rest.first_chunk())
            .ok_or_else(cut)?;
        if class != 2 {
            return Err("it is a 32-bit ELF file; 64 bits are needed".to_owned());
        }
        if data != 1 {
            return Err("it is a big-endian ELF file; little-endian is needed".to_owned());
        }
        if u16_at(file, 16).ok_or_else(cut)? != TYPE_RELOCATABLE {
            return Err("it is an ELF program or library, not a kernel module".to_owned());
        }
        let machine = u16_at(file, 18).ok_or_else(cut)?;
        let table = offset_at(file, 40).ok_or_else(cut)?;
        let (count, names) = (
            usize::from(u16_at(file, 60).ok_or_else(cut)?),
            usize::from(u16_at(file, 62).ok_or_else(cut)?),
        );
        let mut raw = Vec::with_capacity(count);
        for index in 0..count {
            let header = index
                .checked_mul(SECTION_HEADER_SIZE)
                .and_then(|offset| table.checked_add(offset))
                .and_then(|start| file.get(start..start.checked_add(SECTION_HEADER_SIZE)?))
                .ok_or_else(cut)?;
            raw.push(raw_section(header, file.len()).ok_or_else(cut)?);
        }
        let name_table = raw.get(names).map(|(_, section)| section.bytes.clone());
        let name_table = name_table
            .and_then(|bytes| file.get(bytes))
            .unwrap_or_default();
        let sections = raw
            .into_iter()
            .map(|(name, section)| Section {
                name: text_at(name_table, name),
                ..section
            })
            .collect();
        Ok(Elf { machine, sections })
    }

    /// Where the bytes of the first section of that name are.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<Range<usize>> {
        self.sections
            .iter()
            .find(|section| section.name == name)
            .map(|found| found.bytes.clone())
    }

    /// The weak symbols that no section defines.
    #[must_use]
    pub fn undefined_weak(&self, file: &[u8]) -> Vec<WeakSymbol> {
        let mut found = Vec::new();
        for section in self
            .sections
            .iter()
            .filter(|section| section.kind == SECTION_SYMBOLS)
        {
            let Some(table) = file.get(section.bytes.clone()) else {
                continue;
            };
            let names = self
                .sections
                .get(section.link)
                .map(|names| names.bytes.clone());
            let names = names.and_then(|bytes| file.get(bytes)).unwrap_or_default();
            for (index, symbol) in table.chunks_exact(SYMBOL_SIZE).enumerate() {
                let weak = symbol.get(4).is_some_and(|info| info >> 4 == BINDING_WEAK);
                if !weak || u16_at(symbol, 6) != Some(0) {
                    continue;
                }
                let name = offset32_at(symbol, 0)
                    .map(|at| text_at(names, at))
                    .unwrap_or_default();
                if !name.is_empty() {
                    let entry = section.bytes.start + index * SYMBOL_SIZE;
                    found.push(WeakSymbol { name, entry });
                }
            }
        }
        found
    }
}

impl WeakSymbol {
    /// Makes the symbol absolute, at `address`, in the file's bytes: the
    /// kernel's module loader then takes the value as it is
    /// (`simplify_symbols()`, case `SHN_ABS`).
    pub fn define(&self, file: &mut [u8], address: u64) {
        if let Some(index) = file.get_mut(self.entry + 6..self.entry + 8) {
            index.copy_from_slice(&SECTION_ABSOLUTE.to_le_bytes());
        }
        if let Some(value) = file.get_mut(self.entry + 8..self.entry + 16) {
            value.copy_from_slice(&address.to_le_bytes());
        }
    }
}

fn raw_section(header: &[u8], file_length: usize) -> Option<(usize, Section)> {
    let kind = u32_at(header, 4)?;
    let bytes = if kind == 0 || kind == SECTION_NO_BITS {
        0..0
    } else {
        let start = offset_at(header, 24)?;
        let end = start.checked_add(offset_at(header, 32)?)?;
        if end > file_length {
            return None;
        }
        start..end
    };
    let link = offset32_at(header, 40)?;
    Some((
        offset32_at(header, 0)?,
        Section {
            name: String::new(),
            bytes,
            kind,
            link,
        },
    ))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u32::from_le_bytes(*chunk))
}

fn offset32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}

fn offset_at(bytes: &[u8], at: usize) -> Option<usize> {
    let value = bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u64::from_le_bytes(*chunk))?;
    usize::try_from(value).ok()
}

/// The NUL-terminated text at `at` of a string table.
fn text_at(table: &[u8], at: usize) -> String {
    let bytes = table
        .get(at..)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .next();
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// Writes small files for the tests of this and other modules.
#[cfg(test)]
pub mod crafted {
    use super::*;

    /// A symbol: name, `st_info`, `st_shndx`.
    pub type Symbol<'a> = (&'a str, u8, u16);

    /// A relocatable file with these sections and one symbol table.
    pub fn file(machine: u16, sections: &[(&str, &[u8])], symbols: &[Symbol<'_>]) -> Vec<u8> {
        let mut strings = vec![0];
        let mut name = |text: &str| {
            let at = strings.len() as u32;
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at
        };
        let mut headers: Vec<(u32, u32, Vec<u8>, u32)> = vec![(0, 0, Vec::new(), 0)];
        for (section, bytes) in sections {
            headers.push((name(section), 1, bytes.to_vec(), 0));
        }
        let mut table = vec![0; SYMBOL_SIZE];
        for (symbol, info, index) in symbols {
            table.extend_from_slice(&name(symbol).to_le_bytes());
            table.extend_from_slice(&[*info, 0]);
            table.extend_from_slice(&index.to_le_bytes());
            table.extend_from_slice(&[0; 16]);
        }
        let strings_index = headers.len() as u32 + 1;
        headers.push((name(".symtab"), SECTION_SYMBOLS, table, strings_index));
        let own = name(".strtab");
        headers.push((own, 3, strings.clone(), 0));

        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend_from_slice(&TYPE_RELOCATABLE.to_le_bytes());
        file.extend_from_slice(&machine.to_le_bytes());
        file.resize(64, 0);
        let mut table = Vec::new();
        for (name, kind, bytes, link) in &headers {
            table.extend_from_slice(&name.to_le_bytes());
            table.extend_from_slice(&kind.to_le_bytes());
            table.extend_from_slice(&[0; 16]);
            table.extend_from_slice(&(file.len() as u64).to_le_bytes());
            table.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            table.extend_from_slice(&link.to_le_bytes());
            table.extend_from_slice(&[0; 20]);
            file.extend_from_slice(bytes);
        }
        let offset = file.len() as u64;
        file.extend_from_slice(&table);
        file[40..48].copy_from_slice(&offset.to_le_bytes());
        file[60..62].copy_from_slice(&(headers.len() as u16).to_le_bytes());
        file[62..64].copy_from_slice(&(strings_index as u16).to_le_bytes());
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    const WEAK: u8 = 0x20;
    const GLOBAL: u8 = 0x10;

    fn sample() -> Vec<u8> {
        crafted::file(
            MACHINE_X86_64,
            &[(".modinfo", b"name=x\0"), (".text", b"\x90")],
            &[
                ("printk", GLOBAL, 0),
                ("hidden", WEAK, 0),
                ("mine", WEAK, 2),
            ],
        )
    }

    #[test]
    fn sections_and_weak_symbols_are_found() {
        let file = sample();
        let elf = Elf::parse(&file).expect("valid");
        assert_eq!(elf.machine, MACHINE_X86_64);
        assert_eq!(
            file.get(elf.section(".modinfo").expect("there")),
            Some(&b"name=x\0"[..])
        );
        assert_eq!(elf.section(".none"), None);
        let names: Vec<_> = elf
            .undefined_weak(&file)
            .into_iter()
            .map(|s| s.name)
            .collect();
        assert_eq!(names, ["hidden"]);
    }

    #[test]
    fn a_defined_symbol_is_absolute() {
        let mut file = sample();
        let elf = Elf::parse(&file).expect("valid");
        let symbol = elf.undefined_weak(&file).remove(0);
        symbol.define(&mut file, 0xffff_ffff_8100_0000);
        assert_eq!(u16_at(&file, symbol.entry + 6), Some(SECTION_ABSOLUTE));
        assert_eq!(
            offset_at(&file, symbol.entry + 8),
            Some(0xffff_ffff_8100_0000)
        );
        assert!(
            Elf::parse(&file)
                .expect("still valid")
                .undefined_weak(&file)
                .is_empty()
        );
    }

    #[test]
    fn every_cut_is_an_error() {
        let file = sample();
        for length in 0..file.len() {
            assert!(Elf::parse(&file[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn damage_never_panics() {
        let mut random = Random::new(4);
        let whole = sample();
        for _ in 0..20_000 {
            let mut file = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(file.len());
                file[at] = random.next() as u8;
            }
            if let Ok(elf) = Elf::parse(&file) {
                for symbol in elf.undefined_weak(&file) {
                    symbol.define(&mut file, 1);
                }
            }
        }
    }

    #[test]
    fn other_files_are_named() {
        let text = |bytes: &[u8]| Elf::parse(bytes).expect_err("no module");
        assert!(text(b"").contains("empty"));
        assert!(text(b"#!/bin/sh\n").contains("not an ELF file"));
        assert!(text(b"\x28\xb5\x2f\xfdxxxx").contains("zstd"));
        let mut program = sample();
        program[16] = 3;
        assert!(text(&program).contains("not a kernel module"));
    }
}
