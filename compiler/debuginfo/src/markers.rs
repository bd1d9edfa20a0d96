// SPDX-License-Identifier: GPL-2.0-or-later

//! Static markers of programs (`<sys/sdt.h>`, USDT): the notes in
//! `.note.stapsdt` that each leaves, with the place of its `nop` and of its
//! arguments. The format is described in the SystemTap wiki,
//! "UserSpaceProbeImplementation".

use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::session::{DebugInfo, Module};
use crate::types::{Address, BinaryOperator, Location, LocationExpr, ModuleId};

/// A static marker of a program: one place in its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Who defines it: often the program's or library's name.
    pub provider: String,
    /// Its name; several places may share one.
    pub name: String,
    /// The instruction to probe.
    pub address: Address,
    /// A 16-bit counter that must not be 0 while somebody listens.
    pub semaphore: Option<Address>,
    /// `arg1` and so on.
    pub arguments: Vec<MarkerArgument>,
}

/// An argument of a [`Marker`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerArgument {
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Sign-extend, else zero-extend.
    pub signed: bool,
    /// Where it is when the marker is passed; memory is the program's.
    pub location: Location,
}

/// Type of a marker's note (`<sys/sdt.h>`).
const NOTE_TYPE: u32 = 3;

impl DebugInfo {
    /// All static markers of a program or shared library, in the order of its
    /// notes. Empty if it has none.
    ///
    /// # Errors
    ///
    /// The notes are cut off or malformed.
    pub fn markers(&self, module: ModuleId) -> Result<Vec<Marker>> {
        let module = self.get(module)?;
        let Some(image) = &module.image else {
            return Ok(Vec::new());
        };
        self.read_markers(&module, image)
    }

    fn read_markers(&self, module: &Module, image: &Elf) -> Result<Vec<Marker>> {
        const SECTION: &str = ".note.stapsdt";
        let mut rest = image.section_data(SECTION)?;
        let total = rest.len();
        // Prelinked files were moved after their notes were written.
        let base = image
            .sections
            .iter()
            .find(|section| section.name == ".stapsdt.base")
            .map(|section| section.address);
        let symbol = |name: &str| {
            let symbols = self.symbols_of(module).ok()?;
            Some(symbols.by_name(name)?.address)
        };
        let mut found = Vec::new();
        while !rest.is_empty() {
            let at = (total - rest.len()) as u64;
            let Some((kind, note, after)) = split_note(rest) else {
                return Err(Error::in_file(&image.path, "marker note is cut off").at(SECTION, at));
            };
            rest = after;
            if kind != NOTE_TYPE {
                continue;
            }
            let Some(note) = Note::parse(note) else {
                return Err(Error::in_file(&image.path, "malformed marker note").at(SECTION, at));
            };
            let moved = base.map_or(0, |base| base.wrapping_sub(note.base));
            let address = |value: u64| Address {
                module: module.id,
                value: value.wrapping_add(moved),
            };
            found.push(Marker {
                provider: note.provider.to_owned(),
                name: note.name.to_owned(),
                address: address(note.pc),
                semaphore: (note.semaphore != 0).then(|| address(note.semaphore)),
                arguments: arguments(note.arguments, module.id, &symbol),
            });
        }
        Ok(found)
    }
}

/// The first note of a section, its type and description, and what follows (ELF
/// gABI, "Note Section"): three words, name and description padded to 4 bytes.
/// A note of another owner has the type 0.
fn split_note(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let word = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let (name_size, size, kind) = (word(0)?, word(4)?, word(8)?);
    let name = bytes.get(12..12_usize.checked_add(name_size)?)?;
    let start = 12_usize.checked_add(name_size.checked_next_multiple_of(4)?)?;
    let description = bytes.get(start..start.checked_add(size)?)?;
    let end = start.checked_add(size.checked_next_multiple_of(4)?)?;
    let kind = match name {
        b"stapsdt\0" => u32::try_from(kind).ok()?,
        _ => 0,
    };
    Some((kind, description, bytes.get(end..).unwrap_or_default()))
}

/// The description of a marker's note.
struct Note<'a> {
    pc: u64,
    /// Address of `.stapsdt.base` when the note was written.
    base: u64,
    semaphore: u64,
    provider: &'a str,
    name: &'a str,
    arguments: &'a str,
}

impl Note<'_> {
    fn parse(bytes: &[u8]) -> Option<Note<'_>> {
        let word = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
        };
        let mut texts = bytes.get(24..)?.split(|byte| *byte == 0);
        let mut text = || std::str::from_utf8(texts.next()?).ok();
        Some(Note {
            pc: word(0)?,
            base: word(8)?,
            semaphore: word(16)?,
            provider: text()?,
            name: text()?,
            arguments: text()?,
        })
    }
}

/// `-4@%eax 8@-24(%rbp) 1@$3`: sizes, negative for signed ones, and operands of
/// the assembler.
fn arguments(
    text: &str,
    module: ModuleId,
    symbol: &dyn Fn(&str) -> Option<u64>,
) -> Vec<MarkerArgument> {
    let mut found = Vec::new();
    for word in text.split_whitespace() {
        let (size, operand) = word.split_once('@').unwrap_or(("8", word));
        let (size, is_float) = match size.strip_suffix('f') {
            Some(size) => (size, true),
            None => (size, false),
        };
        let size: i8 = size.parse().unwrap_or(0);
        let location = match size.unsigned_abs() {
            _ if is_float => Location::Unavailable("it is a floating-point number".into()),
            1 | 2 | 4 | 8 => operand_location(operand, module, symbol)
                .unwrap_or_else(|| Location::Unavailable(format!("unknown operand {operand}"))),
            _ => Location::Unavailable(format!("unknown size in {word}")),
        };
        found.push(MarkerArgument {
            size: match size.unsigned_abs() {
                size @ (1 | 2 | 4 | 8) => size,
                _ => 8,
            },
            signed: size < 0,
            location,
        });
    }
    found
}

/// An operand in AT&T syntax for x86_64: `$5`, `%rdi`, `16(%rbp)`, `(%rax,%rdx,4)`,
/// `name+8(%rip)`.
fn operand_location(
    text: &str,
    module: ModuleId,
    symbol: &dyn Fn(&str) -> Option<u64>,
) -> Option<Location> {
    if let Some(number) = text.strip_prefix('$') {
        return Some(Location::Value(LocationExpr::Constant(integer(number)?)));
    }
    if let Some(name) = text.strip_prefix('%') {
        let (number, shift) = register(name)?;
        return Some(match shift {
            0 => Location::Register(number),
            shift => Location::Value(LocationExpr::Binary(
                BinaryOperator::ShiftRight,
                Box::new(LocationExpr::Register(number)),
                Box::new(LocationExpr::Constant(shift)),
            )),
        });
    }
    let (displacement, inside) = match text.split_once('(') {
        Some((displacement, inside)) => (displacement, inside.strip_suffix(')')?),
        None => (text, ""),
    };
    let mut parts = inside.split(',').map(str::trim);
    let base = parts.next().filter(|base| !base.is_empty());
    let index = parts.next().filter(|index| !index.is_empty());
    let scale = match parts.next() {
        Some(scale) => integer(scale)?,
        None => 1,
    };
    if base == Some("%rip") || (base.is_none() && index.is_none()) {
        let value = named(displacement, symbol)?;
        let address = LocationExpr::Address(Address { module, value });
        return Some(Location::Memory(address));
    }
    let displacement = match displacement {
        "" => 0,
        text => integer(text)?,
    };
    let mut address = LocationExpr::Constant(displacement);
    if let Some(index) = index {
        let index = LocationExpr::Register(whole(index)?);
        let scaled = binary(
            BinaryOperator::Multiply,
            index,
            LocationExpr::Constant(scale),
        );
        address = binary(BinaryOperator::Add, scaled, address);
    }
    if let Some(base) = base {
        let base = LocationExpr::Register(whole(base)?);
        address = binary(BinaryOperator::Add, base, address);
    }
    Some(Location::Memory(address))
}

fn binary(operator: BinaryOperator, left: LocationExpr, right: LocationExpr) -> LocationExpr {
    LocationExpr::Binary(operator, Box::new(left), Box::new(right))
}

/// A register that holds an address: all of its bits count.
fn whole(name: &str) -> Option<u16> {
    match register(name.strip_prefix('%')?)? {
        (number, 0) => Some(number),
        _ => None,
    }
}

/// `name`, `name+8`, `name-8`.
fn named(text: &str, symbol: &dyn Fn(&str) -> Option<u64>) -> Option<u64> {
    if let Some(address) = symbol(text) {
        return Some(address);
    }
    let split = text.rfind(['+', '-'])?;
    let (name, offset) = text.split_at_checked(split)?;
    let offset = integer(offset.strip_prefix('+').unwrap_or(offset))?;
    Some(symbol(name)?.wrapping_add(offset))
}

/// A number as the assembler writes it, in two's complement.
fn integer(text: &str) -> Option<u64> {
    let (text, is_negative) = match text.strip_prefix('-') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse::<u64>().ok()?,
    };
    Some(if is_negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// DWARF number of a register of x86_64 by any of its names, and the bits to
/// shift it right by (8 for `ah` and its like).
fn register(name: &str) -> Option<(u16, u64)> {
    const HIGH: [(&str, u16); 4] = [("ah", 0), ("dh", 1), ("ch", 2), ("bh", 3)];
    const NAMES: [[&str; 4]; 8] = [
        ["rax", "eax", "ax", "al"],
        ["rdx", "edx", "dx", "dl"],
        ["rcx", "ecx", "cx", "cl"],
        ["rbx", "ebx", "bx", "bl"],
        ["rsi", "esi", "si", "sil"],
        ["rdi", "edi", "di", "dil"],
        ["rbp", "ebp", "bp", "bpl"],
        ["rsp", "esp", "sp", "spl"],
    ];
    if let Some((_, number)) = HIGH.iter().find(|(high, _)| *high == name) {
        return Some((*number, 8));
    }
    if let Some(number) = NAMES.iter().position(|names| names.contains(&name)) {
        return Some((u16::try_from(number).ok()?, 0));
    }
    let number = name.strip_prefix('r')?;
    let number = number.strip_suffix(['d', 'w', 'b']).unwrap_or(number);
    let number: u16 = number.parse().ok()?;
    (8..16).contains(&number).then_some((number, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<MarkerArgument> {
        arguments(text, ModuleId(1), &|name| {
            (name == "counter").then_some(0x4000)
        })
    }

    #[test]
    fn operands() {
        let found = parse("-4@%edi 8@$-5 2@%ah 1@8(%rbp) 8@-8(%rax,%r9,4) 4@counter+4(%rip)");
        let [edi, number, ah, local, element, global] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((edi.size, edi.signed), (4, true));
        assert_eq!(edi.location, Location::Register(5));
        let minus_five = LocationExpr::Constant((-5_i64).cast_unsigned());
        assert_eq!(number.location, Location::Value(minus_five));
        assert!(matches!(ah.location, Location::Value(_)));
        let base = LocationExpr::Register(6);
        let at = binary(BinaryOperator::Add, base, LocationExpr::Constant(8));
        assert_eq!(local.location, Location::Memory(at));
        assert!(matches!(element.location, Location::Memory(_)));
        let address = Address {
            module: ModuleId(1),
            value: 0x4004,
        };
        let address = LocationExpr::Address(address);
        assert_eq!(global.location, Location::Memory(address));
    }

    #[test]
    fn what_is_not_understood_is_unavailable() {
        for text in [
            "8f@%xmm0",
            "9@%rdi",
            "8@%what",
            "8@nobody(%rip)",
            "8@(%rdi",
            "@",
            "4@$",
        ] {
            let found = parse(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(!found[0].location.is_available(), "{text}: {found:?}");
        }
    }

    #[test]
    fn notes_that_are_cut_off() {
        let mut note = Vec::new();
        for word in [8_u32, 41, NOTE_TYPE] {
            note.extend(word.to_le_bytes());
        }
        note.extend(b"stapsdt\0");
        for word in [0x1000_u64, 0x2000, 0] {
            note.extend(word.to_le_bytes());
        }
        note.extend(b"app\0start\08@%rdi\0");
        let (kind, description, rest) = split_note(&note).unwrap();
        assert_eq!((kind, rest.len()), (NOTE_TYPE, 0));
        let parsed = Note::parse(description).unwrap();
        assert_eq!((parsed.provider, parsed.name), ("app", "start"));
        assert_eq!((parsed.pc, parsed.arguments), (0x1000, "8@%rdi"));
        for length in 0..note.len() {
            assert!(split_note(&note[..length]).is_none(), "{length}");
        }
    }
}
