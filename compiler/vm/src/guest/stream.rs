// SPDX-License-Identifier: GPL-2.0-or-later
//! What comes out of the guest: bytes of four channels, as events in one queue.

use std::io::Read;
use std::sync::mpsc::Sender;

/// Something that the guest wrote.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A line of the agent.
    Control(String),
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// Bytes of the kernel's log.
    Log(Vec<u8>),
    /// The machine is gone.
    End,
}

/// Reads `source` to its end in a thread and sends what `make` makes of the pieces.
pub fn forward(
    mut source: impl Read + Send + 'static,
    events: Sender<Event>,
    mut make: impl FnMut(&[u8]) -> Vec<Event> + Send + 'static,
    last: Option<Event>,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0u8; 65536];
        loop {
            let length = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            for event in make(buffer.get(..length).unwrap_or_default()) {
                if events.send(event).is_err() {
                    return;
                }
            }
        }
        if let Some(last) = last {
            // Nobody may be listening any more.
            let _ = events.send(last);
        }
    });
}

/// Cuts pieces into the lines of the control port.
pub fn control_lines() -> impl FnMut(&[u8]) -> Vec<Event> {
    let mut rest: Vec<u8> = Vec::new();
    move |piece| {
        rest.extend_from_slice(piece);
        let mut lines = Vec::new();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            lines.push(Event::Control(
                String::from_utf8_lossy(&line).trim_end().to_string(),
            ));
        }
        lines
    }
}

/// Passes a stream on until the mark that ends a script's output, and knows when it has come.
#[derive(Debug)]
pub struct MarkFilter {
    mark: Vec<u8>,
    held: Vec<u8>,
    found: bool,
    done: bool,
}

impl MarkFilter {
    /// A filter for one script.
    pub fn new(mark: &str) -> MarkFilter {
        MarkFilter {
            mark: mark.as_bytes().to_vec(),
            held: Vec::new(),
            found: false,
            done: false,
        }
    }

    /// Takes the next piece, gives what belongs to the output.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        if self.found {
            self.done |= self.held.contains(&b'\n');
            return Vec::new();
        }
        let position = self
            .held
            .windows(self.mark.len().max(1))
            .position(|window| window == self.mark);
        if let Some(position) = position {
            self.found = true;
            let rest = self.held.split_off(position);
            self.done = rest.contains(&b'\n');
            return std::mem::replace(&mut self.held, rest);
        }
        // The mark may have begun; keep what could be its start.
        let keep = (1..self.mark.len())
            .rev()
            .find(|&length| {
                self.mark
                    .get(..length)
                    .is_some_and(|start| self.held.ends_with(start))
            })
            .unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        std::mem::replace(&mut self.held, rest)
    }

    /// True once the whole line with the mark has come.
    pub fn done(&self) -> bool {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_wherever_it_is_cut() {
        let stream = b"one\ntwMmarMARK name\n";
        for first in 0..stream.len() {
            for second in first..stream.len() {
                let mut filter = MarkFilter::new("MARK");
                let mut output = filter.feed(&stream[..first]);
                output.extend(filter.feed(&stream[first..second]));
                assert!(!filter.done());
                output.extend(filter.feed(&stream[second..]));
                assert_eq!(output, b"one\ntwMmar");
                assert!(filter.done());
            }
        }
    }

    #[test]
    fn output_is_not_held_back_without_need() {
        let mut filter = MarkFilter::new("MARK");
        assert_eq!(filter.feed(b"line\n"), b"line\n");
    }

    #[test]
    fn control_lines_survive_cuts() {
        let mut lines = control_lines();
        assert!(lines(b"rea").is_empty());
        assert_eq!(
            lines(b"dy\nend a 0\nx"),
            [
                Event::Control("ready".into()),
                Event::Control("end a 0".into())
            ]
        );
    }
}
