// SPDX-License-Identifier: GPL-2.0-or-later
//! Thompson's construction: a tree to instructions for Pike's machine.

use super::parse::{ByteSet, Node};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    Match,
    Set(ByteSet),
    /// Continue at both; the first is preferred.
    Split(usize, usize),
    Jump(usize),
    Save(u32),
    Begin,
    End,
}

/// What the runtime's bounded machine can hold in scratch memory is far less
/// than this; the limit keeps the translator's own work small.
const MOST_INSTRUCTIONS: usize = 4000;

/// The whole pattern is group 0.
pub(super) fn assemble(tree: &Node) -> Result<Vec<Instruction>, String> {
    let mut code = vec![Instruction::Save(0)];
    emit(tree, &mut code)?;
    code.push(Instruction::Save(1));
    code.push(Instruction::Match);
    Ok(code)
}

fn push(code: &mut Vec<Instruction>, instruction: Instruction) -> Result<usize, String> {
    if code.len() >= MOST_INSTRUCTIONS {
        return Err(format!(
            "more than {MOST_INSTRUCTIONS} instructions are needed (nested repetitions?)"
        ));
    }
    code.push(instruction);
    Ok(code.len() - 1)
}

fn set(code: &mut [Instruction], at: usize, instruction: Instruction) {
    if let Some(slot) = code.get_mut(at) {
        *slot = instruction;
    }
}

fn emit(node: &Node, code: &mut Vec<Instruction>) -> Result<(), String> {
    match node {
        Node::Empty => {}
        Node::Set(bytes) => {
            push(code, Instruction::Set(*bytes))?;
        }
        Node::Begin => {
            push(code, Instruction::Begin)?;
        }
        Node::End => {
            push(code, Instruction::End)?;
        }
        Node::Sequence(nodes) => {
            for node in nodes {
                emit(node, code)?;
            }
        }
        Node::Group(number, inner) => {
            push(code, Instruction::Save(2 * number))?;
            emit(inner, code)?;
            push(code, Instruction::Save(2 * number + 1))?;
        }
        Node::Either(branches) => {
            let mut ends = Vec::new();
            for (index, branch) in branches.iter().enumerate() {
                if index + 1 == branches.len() {
                    emit(branch, code)?;
                    break;
                }
                let split = push(code, Instruction::Jump(0))?;
                emit(branch, code)?;
                ends.push(push(code, Instruction::Jump(0))?);
                let next = code.len();
                set(code, split, Instruction::Split(split + 1, next));
            }
            let end = code.len();
            for at in ends {
                set(code, at, Instruction::Jump(end));
            }
        }
        Node::Repeat { node, least, most } => repeat(node, *least, *most, code)?,
    }
    Ok(())
}

fn repeat(
    node: &Node,
    least: u32,
    most: Option<u32>,
    code: &mut Vec<Instruction>,
) -> Result<(), String> {
    for _ in 0..least {
        emit(node, code)?;
    }
    match most {
        None => {
            let split = push(code, Instruction::Jump(0))?;
            emit(node, code)?;
            push(code, Instruction::Jump(split))?;
            let end = code.len();
            set(code, split, Instruction::Split(split + 1, end));
        }
        Some(most) => {
            let mut splits = Vec::new();
            for _ in least..most {
                splits.push(push(code, Instruction::Jump(0))?);
                emit(node, code)?;
            }
            let end = code.len();
            for split in splits {
                set(code, split, Instruction::Split(split + 1, end));
            }
        }
    }
    Ok(())
}

/// As `struct rst_regex` has it: three words per instruction (opcode and two
/// operands), then eight words for each set, which instructions name by index.
pub(super) fn words(code: &[Instruction]) -> Vec<u32> {
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let mut words = Vec::with_capacity(code.len() * 3);
    let mut sets: Vec<ByteSet> = Vec::new();
    for instruction in code {
        let three = match instruction {
            Instruction::Match => [MATCH, 0, 0],
            Instruction::Jump(to) => [JUMP, word(*to), 0],
            Instruction::Split(first, second) => [SPLIT, word(*first), word(*second)],
            Instruction::Save(slot) => [SAVE, *slot, 0],
            Instruction::Begin => [BEGIN, 0, 0],
            Instruction::End => [END, 0, 0],
            Instruction::Set(set) => {
                let index = sets
                    .iter()
                    .position(|known| known == set)
                    .unwrap_or_else(|| {
                        sets.push(*set);
                        sets.len() - 1
                    });
                [SET, word(code.len() * 3 + index * 8), 0]
            }
        };
        words.extend(three);
    }
    for set in sets {
        for half in set.0 {
            // Truncation is meant: low half, then high half.
            words.push((half & 0xffff_ffff) as u32);
            words.push((half >> 32) as u32);
        }
    }
    words
}

// enum rst_regex_opcode in rstap.h.
const SET: u32 = 1;
const SPLIT: u32 = 3;
const JUMP: u32 = 4;
const SAVE: u32 = 5;
const BEGIN: u32 = 6;
const END: u32 = 7;
const MATCH: u32 = 8;
