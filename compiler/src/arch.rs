// SPDX-License-Identifier: GPL-2.0-or-later
//! What differs between processors: registers by DWARF number and the calling
//! conventions. The one place of the compiler that knows; x86_64 for now.

/// Pointers and longs, in bytes.
pub const WORD_SIZE: u8 = 8;

/// DWARF number of the stack pointer (System V ABI for x86_64, figure 3.36).
pub const STACK_POINTER: u16 = 7;

/// DWARF number of the frame pointer, a register that functions keep for their callers.
pub const FRAME_POINTER: u16 = 6;

/// The last DWARF number of a register that probes can read, the return address' column; behind it
/// are those for floating point.
pub const LAST_REGISTER: u16 = 16;

/// DWARF numbers of the registers that integer arguments are passed in:
/// rdi, rsi, rdx, rcx, r8, r9 (System V ABI for x86_64, §3.2.3).
const ARGUMENTS: [u16; 6] = [5, 4, 1, 2, 8, 9];

/// DWARF number of the register with the second word of a structure that a function
/// returns in two, rdx.
pub const SECOND_RESULT: u16 = 1;

/// Where an integer argument (from 0) is at a function's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentPlace {
    /// In a register, by DWARF number.
    Register(u16),
    /// On the stack, this many bytes above the stack pointer.
    Stack(u64),
}

/// Integer argument `index` by the calling convention, at the first instruction
/// of a function: the return address is on top of the stack.
pub fn argument(index: u32) -> ArgumentPlace {
    match ARGUMENTS.get(index as usize) {
        Some(&register) => ArgumentPlace::Register(register),
        None => {
            let beyond = u64::from(index) - ARGUMENTS.len() as u64;
            ArgumentPlace::Stack(u64::from(WORD_SIZE) * (beyond + 1))
        }
    }
}

/// Largest length of a data breakpoint in bytes; it must be a power of two.
pub const BREAKPOINT_LENGTH: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_by_the_convention() {
        assert_eq!(argument(0), ArgumentPlace::Register(5));
        assert_eq!(argument(5), ArgumentPlace::Register(9));
        assert_eq!(argument(6), ArgumentPlace::Stack(8));
        assert_eq!(argument(7), ArgumentPlace::Stack(16));
    }
}
