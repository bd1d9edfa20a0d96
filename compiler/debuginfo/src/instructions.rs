// SPDX-License-Identifier: GPL-2.0-or-later

//! Where instructions of x86_64 begin: code is walked from a place where one is known to begin.

use iced_x86::{Decoder, DecoderOptions};

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

/// Length of the instruction that begins with these bytes. `None` for what is none or is cut off.
pub(crate) fn length(code: &[u8]) -> Option<usize> {
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let instruction = decoder.decode();
    (!instruction.is_invalid()).then(|| instruction.len())
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
        for bytes in [[0x06, 0, 0], [0x9a, 0, 0], [0xd6, 0, 0], [0xea, 0, 0]] {
            assert_eq!(length(&bytes), None, "{bytes:x?}");
        }
        assert_eq!(length(&[0x66; 20]), None);
        assert_eq!(length(&[]), None);
    }
}
