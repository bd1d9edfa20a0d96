// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::testing::Random;

type Owned = (u64, Vec<u8>);

fn collect(framer: &mut Framer) -> Vec<Owned> {
    let mut messages = Vec::new();
    while let Some(message) = framer.next_message() {
        messages.push((message.sequence, message.payload.to_vec()));
    }
    messages
}

fn random_messages(random: &mut Random, count: u64) -> Vec<Owned> {
    (1..=count)
        .map(|sequence| {
            let length = random.below(60);
            let payload = (0..length).map(|_| random.next() as u8).collect();
            (sequence, payload)
        })
        .collect()
}

#[test]
fn streams_split_anywhere_give_the_same_messages() {
    let mut random = Random::new(1);
    for _ in 0..200 {
        let messages = random_messages(&mut random, 30);
        let mut stream = Vec::new();
        for (sequence, payload) in &messages {
            stream.extend(frame(*sequence, payload));
            // Padding to the end of a sub-buffer.
            stream.extend(vec![0; 8 * random.below(4)]);
        }
        let mut framer = Framer::default();
        let mut got = Vec::new();
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let cut = (1 + random.below(70)).min(rest.len());
            let (piece, tail) = rest.split_at(cut);
            framer.push(piece);
            got.extend(collect(&mut framer));
            rest = tail;
        }
        assert_eq!(got, messages);
        assert_eq!(framer.take_damaged(), 0);
        assert_eq!(framer.leftover(), 0);
    }
}

#[test]
fn damage_costs_only_what_was_hit() {
    let mut random = Random::new(2);
    for _ in 0..500 {
        let messages = random_messages(&mut random, 20);
        let mut stream = Vec::new();
        let hit = random.below(20);
        for (index, (sequence, payload)) in messages.iter().enumerate() {
            let mut bytes = frame(*sequence, payload);
            if index == hit {
                bytes[random.below(4)] ^= 0x55;
            }
            stream.extend(bytes);
        }
        let mut framer = Framer::default();
        framer.push(&stream);
        let got = collect(&mut framer);
        assert!(framer.take_damaged() > 0);
        let expected: Vec<_> = messages
            .iter()
            .filter(|(sequence, _)| *sequence != hit as u64 + 1)
            .cloned()
            .collect();
        assert_eq!(got, expected);
    }
}

#[test]
fn random_bytes_never_panic_and_never_grow_the_buffer() {
    let mut random = Random::new(3);
    let mut framer = Framer::default();
    for _ in 0..20_000 {
        let length = random.below(100);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if random.below(4) == 0 {
            let at = random.below(bytes.len().max(1)).min(bytes.len());
            bytes.splice(at..at, MAGIC.to_ne_bytes());
        }
        if random.below(8) == 0 {
            bytes.extend(frame(random.next(), b"ok"));
        }
        framer.push(&bytes);
        while framer.next_message().is_some() {}
        assert!(framer.leftover() <= PAYLOAD_MAXIMUM + HEADER + 200);
    }
}

#[test]
fn a_length_beyond_belief_is_damage() {
    let mut framer = Framer::default();
    let mut bytes = MAGIC.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&u32::MAX.to_ne_bytes());
    framer.push(&bytes);
    framer.push(&frame(1, b"after"));
    assert_eq!(
        framer.next_message().map(|m| m.payload.to_vec()),
        Some(b"after".to_vec())
    );
    assert_eq!(framer.take_damaged(), 8);
}
