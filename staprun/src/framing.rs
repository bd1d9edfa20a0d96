// SPDX-License-Identifier: GPL-2.0-or-later
//! The bytes of one `trace<N>` file, cut into messages.
//!
//! Module output is untrusted: a stream may be split anywhere, hold padding
//! (zero words), or be damaged. Damage costs the bytes up to the next header
//! that makes sense, which are counted; it never costs more memory than one
//! message.

/// First word of each message.
pub const MAGIC: u32 = 0x7074_7372;
/// Bytes of a message's header.
pub const HEADER: usize = 16;
/// Longest payload that is believed; the largest relay sub-buffer that a
/// module may use.
pub const PAYLOAD_MAXIMUM: usize = 1 << 20;

/// One message of a handler run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Place in the order of all CPUs' output, from 1.
    pub sequence: u64,
    /// What the script printed.
    pub payload: &'a [u8],
}

/// Cuts a stream into messages; one per CPU.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were dealt with already.
    start: usize,
    damaged: u64,
}

impl Framer {
    /// Adds bytes as a `read()` gave them.
    pub fn push(&mut self, bytes: &[u8]) {
        // Moving the rest to the front now and then keeps the buffer as large
        // as one message and one read, without a move per message.
        if self.start > 0 && self.start * 2 >= self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes come.
    pub fn next_message(&mut self) -> Option<Message<'_>> {
        loop {
            let rest = self.buffer.get(self.start..)?;
            let word = rest.first_chunk::<8>()?;
            if *word == [0; 8] {
                self.start += 8;
                continue;
            }
            let Some(length) = header_length(word) else {
                self.start += 8;
                self.damaged += 8;
                continue;
            };
            // The zeros after the payload belong to it: words stay aligned.
            let end = self.start + HEADER + length.next_multiple_of(8);
            let message = self.buffer.get(self.start..end)?;
            self.start = end;
            let sequence = message.get(8..)?.first_chunk::<8>()?;
            let payload = message.get(HEADER..HEADER + length)?;
            return Some(Message {
                sequence: u64::from_ne_bytes(*sequence),
                payload,
            });
        }
    }

    /// Bytes that belonged to no message. Reset by the call.
    pub fn take_damaged(&mut self) -> u64 {
        std::mem::take(&mut self.damaged)
    }

    /// Bytes of a message that has not come whole; at the end of a session
    /// they are lost.
    #[must_use]
    pub fn leftover(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }
}

/// Payload length from a header's first word, if it can be a header.
fn header_length(word: &[u8; 8]) -> Option<usize> {
    let (magic, length) = word.split_at(4);
    if u32::from_ne_bytes(*magic.first_chunk()?) != MAGIC {
        return None;
    }
    let length = usize::try_from(u32::from_ne_bytes(*length.first_chunk()?)).ok()?;
    (length <= PAYLOAD_MAXIMUM).then_some(length)
}

/// A message as the module would store it; for tests of this and other modules.
#[cfg(test)]
pub fn frame(sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&(payload.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

#[cfg(test)]
mod tests;
