// SPDX-License-Identifier: GPL-2.0-or-later
//! Subset construction and minimisation: instructions to a table of states.
//!
//! The search is unanchored: every state also holds a fresh attempt. State 0 is
//! dead, an accepting state stays accepting. The last class stands for the end
//! of the text, which `$` waits for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::parse::ByteSet;
use super::program::Instruction;

/// As `struct rst_regex` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Byte to class; 256 of them.
    pub classes: Vec<u8>,
    /// `state * class_count + class` to state.
    pub transitions: Vec<u16>,
    pub is_accepting: Vec<bool>,
    pub class_count: usize,
    pub start: usize,
}

/// More than this would be a module of several megabytes.
const MOST_STATES: usize = 4000;

type Threads = BTreeSet<usize>;

pub(super) fn build(code: &[Instruction]) -> Result<Table, String> {
    let (classes, examples) = byte_classes(code);
    let class_count = examples.len() + 1;
    let fresh = closure(code, [0], false, false);
    let start = closure(code, [0], true, false);

    // States 0 and 1 are dead and accepting.
    let mut rows: Vec<Vec<usize>> = vec![vec![0; class_count], vec![1; class_count]];
    let mut numbers: HashMap<(bool, Threads), usize> = HashMap::new();
    let mut work: Vec<(bool, Threads, usize)> = Vec::new();
    let mut number = |is_start: bool,
                      threads: Threads,
                      rows: &mut Vec<Vec<usize>>,
                      work: &mut Vec<(bool, Threads, usize)>|
     -> Result<usize, String> {
        if accepts(code, &threads) {
            return Ok(1);
        }
        if threads.is_empty() {
            return Ok(0);
        }
        if let Some(known) = numbers.get(&(is_start, threads.clone())) {
            return Ok(*known);
        }
        if rows.len() >= MOST_STATES {
            return Err(format!(
                "more than {MOST_STATES} states are needed (repetitions after '.'?)"
            ));
        }
        rows.push(Vec::new());
        let id = rows.len() - 1;
        numbers.insert((is_start, threads.clone()), id);
        work.push((is_start, threads, id));
        Ok(id)
    };
    let first = number(true, start, &mut rows, &mut work)?;
    while let Some((is_start, threads, id)) = work.pop() {
        let mut row = Vec::with_capacity(class_count);
        for example in &examples {
            let next = threads.iter().filter_map(|at| match code.get(*at) {
                Some(Instruction::Set(set)) if set.contains(*example) => Some(at + 1),
                _ => None,
            });
            let mut reached = closure(code, next, false, false);
            reached.extend(&fresh);
            row.push(number(false, reached, &mut rows, &mut work)?);
        }
        let at_end = closure(code, threads, is_start, true);
        row.push(usize::from(accepts(code, &at_end)));
        if let Some(slot) = rows.get_mut(id) {
            *slot = row;
        }
    }
    minimise(&rows, first, classes, class_count)
}

fn accepts(code: &[Instruction], threads: &Threads) -> bool {
    threads
        .iter()
        .any(|at| code.get(*at) == Some(&Instruction::Match))
}

/// Follows everything that needs no byte.
fn closure(
    code: &[Instruction],
    from: impl IntoIterator<Item = usize>,
    at_begin: bool,
    at_end: bool,
) -> Threads {
    let mut seen = Threads::new();
    let mut result = Threads::new();
    let mut work: Vec<usize> = from.into_iter().collect();
    while let Some(at) = work.pop() {
        if !seen.insert(at) {
            continue;
        }
        match code.get(at) {
            Some(Instruction::Split(first, second)) => work.extend([*first, *second]),
            Some(Instruction::Jump(to)) => work.push(*to),
            Some(Instruction::Save(_)) => work.push(at + 1),
            Some(Instruction::Begin) if at_begin => work.push(at + 1),
            Some(Instruction::End) if at_end => work.push(at + 1),
            // The text has begun: this can never match.
            Some(Instruction::Begin) | None => {}
            Some(Instruction::End | Instruction::Set(_) | Instruction::Match) => {
                result.insert(at);
            }
        }
    }
    result
}

/// Bytes that no set tells apart are one class. Gives the class of each byte
/// and a byte of each class.
fn byte_classes(code: &[Instruction]) -> (Vec<u8>, Vec<u8>) {
    let sets: BTreeSet<&ByteSet> = code
        .iter()
        .filter_map(|instruction| match instruction {
            Instruction::Set(set) => Some(set),
            _ => None,
        })
        .collect();
    let mut known: BTreeMap<Vec<bool>, u8> = BTreeMap::new();
    let mut examples = Vec::new();
    let mut classes = Vec::with_capacity(256);
    for byte in 0..=255u8 {
        let signature: Vec<bool> = sets.iter().map(|set| set.contains(byte)).collect();
        // At most 256 classes, the last of which is number 255.
        let next = u8::try_from(examples.len()).unwrap_or(u8::MAX);
        let class = *known.entry(signature).or_insert_with(|| {
            examples.push(byte);
            next
        });
        classes.push(class);
    }
    (classes, examples)
}

/// Moore's algorithm: states stay together while their successors do.
fn minimise(
    rows: &[Vec<usize>],
    start: usize,
    classes: Vec<u8>,
    class_count: usize,
) -> Result<Table, String> {
    let mut group: Vec<usize> = (0..rows.len())
        .map(|state| usize::from(state == 1))
        .collect();
    let mut count = 2;
    loop {
        let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut next = Vec::with_capacity(rows.len());
        for (state, row) in rows.iter().enumerate() {
            let mut signature = vec![group.get(state).copied().unwrap_or(0)];
            signature.extend(row.iter().map(|to| group.get(*to).copied().unwrap_or(0)));
            // In order of appearance, so dead stays 0 and accepting 1.
            let fresh = known.len();
            next.push(*known.entry(signature).or_insert(fresh));
        }
        let is_stable = known.len() == count;
        count = known.len();
        group = next;
        if is_stable {
            break;
        }
    }
    let mut transitions = vec![0u16; count * class_count];
    let mut is_accepting = vec![false; count];
    for (state, row) in rows.iter().enumerate() {
        let Some(id) = group.get(state).copied() else {
            continue;
        };
        for (class, to) in row.iter().enumerate() {
            let to = group.get(*to).copied().unwrap_or(0);
            if let Some(slot) = transitions.get_mut(id * class_count + class) {
                *slot = u16::try_from(to).map_err(|_| "too many states".to_owned())?;
            }
        }
    }
    if let Some(accepting) = group.get(1).and_then(|id| is_accepting.get_mut(*id)) {
        *accepting = true;
    }
    let start = group.get(start).copied().unwrap_or(0);
    Ok(Table {
        classes,
        transitions,
        is_accepting,
        class_count,
        start,
    })
}
