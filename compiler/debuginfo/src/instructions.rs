// SPDX-License-Identifier: GPL-2.0-or-later

//! Where instructions of x86_64 begin. Only their lengths are known here (Intel SDM volume 2,
//! chapter 2 and appendix A): code is walked from a place where one is known to begin.

use crate::error::Result;
use crate::session::{DebugInfo, Module};
use crate::types::{Address, Function};

/// The longest instruction, in bytes.
const LONGEST: usize = 15;
/// Code walked through at most: more than any function without a line table has.
const WALKED: usize = 1 << 20;

impl DebugInfo {
    /// Where the instruction begins that the byte at an address of a function belongs to. `None`
    /// if that cannot be told: the code is not here, or holds what is not known.
    pub fn instruction_at(&self, function: &Function, address: Address) -> Result<Option<u64>> {
        let module = self.get(address.module)?;
        // Each row of the line table begins with an instruction. Without one there is the entry.
        let rows = self.lines_of(function).unwrap_or_default();
        let rows = rows.iter().map(|row| row.address.value);
        let ranges = function.ranges.iter().map(|range| range.begin);
        let begin = rows
            .chain(ranges)
            .chain([function.entry.value])
            .filter(|begin| *begin <= address.value)
            .max();
        Ok(begin.and_then(|begin| walk(&module, begin, address.value)))
    }
}

fn walk(module: &Module, begin: u64, wanted: u64) -> Option<u64> {
    let distance = usize::try_from(wanted.checked_sub(begin)?).ok()?;
    if distance > WALKED {
        return None;
    }
    // The last instruction of a section may be shorter than the longest.
    let code = (0..=LONGEST)
        .rev()
        .find_map(|more| module.code_at(begin, distance + more))?;
    let mut at = 0;
    while at < distance {
        let next = at + length(code.get(at..)?)?;
        if next > distance {
            break;
        }
        at = next;
    }
    Some(begin + at as u64)
}

/// What stands behind the opcode.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Operands {
    has_modrm: bool,
    /// Bytes of constants and distances.
    constant: usize,
}

const NONE: Operands = plain(0);
const MODRM: Operands = with_modrm(0);

const fn plain(constant: usize) -> Operands {
    Operands {
        has_modrm: false,
        constant,
    }
}

const fn with_modrm(constant: usize) -> Operands {
    Operands {
        has_modrm: true,
        constant,
    }
}

/// What prefixes change of the length.
#[derive(Default)]
struct Prefixes {
    /// 0x66
    is_narrow: bool,
    /// 0x67
    has_short_address: bool,
    /// 0xf2 or 0xf3
    is_repeated: bool,
    /// `REX.W`
    is_wide: bool,
}

impl Prefixes {
    /// Size of a constant that is as large as the operand, but never has eight bytes.
    fn constant(&self) -> usize {
        match self.is_narrow && !self.is_wide {
            true => 2,
            false => 4,
        }
    }
}

/// Length of the instruction that begins with these bytes. `None` for what is none, is cut off, or
/// is not known.
pub(crate) fn length(code: &[u8]) -> Option<usize> {
    let mut prefixes = Prefixes::default();
    let mut at = 0;
    let opcode = loop {
        let byte = *code.get(at)?;
        at += 1;
        // Only the last prefix may be a REX.
        let is_wide = std::mem::take(&mut prefixes.is_wide);
        match byte {
            0x66 => prefixes.is_narrow = true,
            0x67 => prefixes.has_short_address = true,
            0xf2 | 0xf3 => prefixes.is_repeated = true,
            0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0xf0 => {}
            0x40..=0x4f => prefixes.is_wide = byte & 8 != 0,
            opcode => {
                prefixes.is_wide = is_wide;
                break opcode;
            }
        }
    };
    let byte = |at: usize| code.get(at).copied();
    let operands = match opcode {
        0x0f => match byte(at)? {
            0x38 => {
                at += 2;
                MODRM
            }
            0x3a => {
                at += 2;
                with_modrm(1)
            }
            second => {
                at += 1;
                two_bytes(second, &prefixes)?
            }
        },
        // VEX of two and three bytes, EVEX.
        0xc5 => {
            let opcode = byte(at + 1)?;
            at += 2;
            vector(1, opcode)?
        }
        0xc4 => {
            let (map, opcode) = (byte(at)? & 0x1f, byte(at + 2)?);
            at += 3;
            vector(map, opcode)?
        }
        0x62 => {
            let (map, opcode) = (byte(at)? & 7, byte(at + 3)?);
            at += 4;
            vector(map, opcode)?
        }
        // XOP of AMD.
        0x8f if byte(at)? & 0x1f >= 8 => {
            let map = byte(at)? & 0x1f;
            at += 3;
            match map {
                8 => with_modrm(1),
                9 => MODRM,
                10 => with_modrm(4),
                _ => return None,
            }
        }
        // With a constant if it is a TEST.
        0xf6 if byte(at)? & 0x38 <= 8 => with_modrm(1),
        0xf7 if byte(at)? & 0x38 <= 8 => with_modrm(prefixes.constant()),
        opcode => one_byte(opcode, &prefixes)?,
    };
    if operands.has_modrm {
        at += 1 + address_size(byte(at)?, byte(at + 1));
    }
    let length = at + operands.constant;
    (length <= LONGEST.min(code.len())).then_some(length)
}

/// Bytes of an address behind its ModRM byte.
fn address_size(modrm: u8, next: Option<u8>) -> usize {
    let (mode, register) = (modrm >> 6, modrm & 7);
    let has_scale = mode != 3 && register == 4;
    let base = match has_scale {
        true => next.unwrap_or(0) & 7,
        false => register,
    };
    let distance = match mode {
        0 if base == 5 => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    usize::from(has_scale) + distance
}

fn one_byte(opcode: u8, prefixes: &Prefixes) -> Option<Operands> {
    Some(match opcode {
        // Arithmetic in rows of eight.
        0x00..=0x3f => match opcode & 7 {
            0..=3 => MODRM,
            4 => plain(1),
            5 => plain(prefixes.constant()),
            _ => return None,
        },
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xf6 | 0xf7 | 0xfe | 0xff => MODRM,
        0x68 | 0xa9 => plain(prefixes.constant()),
        0x69 | 0x81 | 0xc7 => with_modrm(prefixes.constant()),
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => with_modrm(1),
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe0..=0xe7 | 0xeb => plain(1),
        0xa0..=0xa3 if prefixes.has_short_address => plain(4),
        0xa0..=0xa3 => plain(8),
        0xb8..=0xbf if prefixes.is_wide => plain(8),
        0xb8..=0xbf => plain(prefixes.constant()),
        0xc2 | 0xca => plain(2),
        0xc8 => plain(3),
        // Near calls and jumps keep their four bytes whatever stands before them.
        0xe8 | 0xe9 => plain(4),
        0x50..=0x5f | 0x6c..=0x6f | 0x90..=0x99 | 0x9b..=0x9f | 0xa4..=0xa7 | 0xaa..=0xaf => NONE,
        0xc3 | 0xc9 | 0xcb | 0xcc | 0xcf | 0xd7 | 0xec..=0xef | 0xf1 | 0xf4 | 0xf5 => NONE,
        0xf8..=0xfd => NONE,
        _ => return None,
    })
}

fn two_bytes(opcode: u8, prefixes: &Prefixes) -> Option<Operands> {
    Some(match opcode {
        0x04 | 0x0a | 0x0c | 0x24..=0x27 | 0x36 | 0x39 | 0x3b..=0x3f | 0xff => return None,
        0x05..=0x09 | 0x0b | 0x0e | 0x30..=0x37 | 0x77 => NONE,
        0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf => NONE,
        // EXTRQ and INSERTQ of AMD; without a prefix it is VMREAD.
        0x78 if prefixes.is_narrow || prefixes.is_repeated => with_modrm(2),
        0x80..=0x8f => plain(4),
        0x0f | 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => with_modrm(1),
        _ => MODRM,
    })
}

/// Instructions behind VEX and EVEX, by the map that these name.
fn vector(map: u8, opcode: u8) -> Option<Operands> {
    Some(match (map, opcode) {
        // VZEROUPPER
        (1, 0x77) => NONE,
        (1, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6) | (3, _) => with_modrm(1),
        (1 | 2 | 5 | 6, _) => MODRM,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_assembler() {
        // As `objdump -d` shows them, one instruction a line.
        let instructions = "
            f3 0f 1e fa | 90 | c3 | 0f 0b | cc | f4 | 55 | 41 57 | c9 | 66 90 | f3 90
            0f 1f 44 00 00 | 66 2e 0f 1f 84 00 00 00 00 00 | 66 66 2e 0f 1f 84 00 00 00 00 00
            e8 01 02 03 04 | e9 01 02 03 04 | eb 05 | 74 05 | 0f 84 01 02 03 04 | 66 66 48 e8 01 02 03 04
            48 89 e5 | 48 83 ec 10 | 48 81 ec 00 01 00 00 | 66 81 3f 00 01 | 48 8b 05 01 02 03 04
            65 48 8b 04 25 28 00 00 00 | 64 48 2b 14 25 28 00 00 00 | 48 8d 44 24 10 | 8b 44 98 10
            8b 84 98 00 01 00 00 | 8b 04 85 00 00 00 00 | 4c 89 6c 24 30 | 48 c7 45 f8 00 00 00 00
            66 c7 45 f8 01 00 | c6 45 f8 01 | b8 01 00 00 00 | 66 b8 01 00 | 48 b8 01 02 03 04 05 06 07 08
            a8 01 | 66 a9 01 00 | 48 a9 01 00 00 00 | 6a 01 | 68 01 02 03 04 | 69 c0 01 02 03 04 | 6b c0 03
            f6 c1 01 | f6 d1 | f7 c1 01 02 03 04 | 66 f7 c1 01 02 | f7 d9 | 48 f7 e1 | ff d0 | ff 24 c5 00 00 00 00
            a0 01 02 03 04 05 06 07 08 | 67 a1 01 02 03 04 | c8 10 00 01 | c2 08 00 | cd 80 | 0f 05 | 0f a2 | 0f 01 d0
            f0 48 0f b1 11 | f0 0f ba 2f 03 | 48 0f ac c2 08 | 0f a4 c2 08 | 0f c7 f8 | 0f b6 c0 | f3 48 0f b8 c1
            0f 38 f0 07 | 66 0f 3a 0f c1 08 | 66 0f 70 c0 1b | 0f 77 | 0f c6 c1 00 | f2 0f 78 c1 02 03 | 0f 78 c1
            c5 f8 77 | c5 f9 6f 07 | c5 f9 70 c0 1b | c4 e2 79 18 07 | c4 e3 79 0f c1 08 | c4 e2 f0 f7 c0
            62 f1 7c 48 10 07 | 62 f1 7c 48 10 47 01 | 62 f3 7d 48 25 c1 ff | 8f e9 78 81 c0 | 8f e8 78 c0 c1 02 | 8f 00
            d9 05 01 02 03 04 | df e0 | 67 8b 04 24 | 0f 1f 40 00 | 0f 0d 0f | 67 0f b9 40 12";
        let mut count = 0;
        for text in instructions.split(['|', '\n']) {
            let mut bytes: Vec<u8> = text
                .split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect();
            if bytes.is_empty() {
                continue;
            }
            let expected = bytes.len();
            assert_eq!(length(&bytes), Some(expected), "{text}");
            for cut in 0..expected {
                let cut = bytes.get(..cut).unwrap();
                assert!(
                    length(cut).is_none_or(|length| length <= cut.len()),
                    "{text}"
                );
            }
            bytes.extend([0x90; LONGEST]);
            assert_eq!(length(&bytes), Some(expected), "{text} and more");
            count += 1;
        }
        assert!(count > 90, "{count}");
    }

    #[test]
    fn what_is_no_instruction_has_no_length() {
        for bytes in [
            [0x06, 0, 0],
            [0x0f, 0xff, 0],
            [0x9a, 0, 0],
            [0xd6, 0, 0],
            [0xea, 0, 0],
        ] {
            assert_eq!(length(&bytes), None, "{bytes:x?}");
        }
        assert_eq!(length(&[0x66; 20]), None);
        assert_eq!(length(&[]), None);
    }
}
