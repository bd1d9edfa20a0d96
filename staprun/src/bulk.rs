// SPDX-License-Identifier: GPL-2.0-or-later
//! The files of bulk mode (`-b`): one for each CPU, of records that can be put into order again.
//! The framing is SystemTap's: four bytes of magic, a sequence number and a length of 32 bits
//! each, in the machine's byte order, then the text.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};

use crate::framing::Message;
use crate::report::{Failure, Result, print_error_line};

pub(crate) const MAGIC: [u8; 4] = [0xf0, 0x9f, 0xa9, 0xba];
/// More than any CPU's buffer holds: a longer record is none.
const RECORD_MAXIMUM: u32 = 64 << 20;

/// A message as a record. SystemTap's counter has 32 bits and wraps.
#[must_use]
pub fn record(message: &Message<'_>) -> Vec<u8> {
    let mut record = Vec::with_capacity(12 + message.payload.len());
    record.extend_from_slice(&MAGIC);
    record.extend_from_slice(&(message.sequence as u32).to_ne_bytes());
    record.extend_from_slice(&(message.payload.len() as u32).to_ne_bytes());
    record.extend_from_slice(message.payload);
    record
}

/// What a merge found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub records: u64,
    /// Numbers that no file has: messages that were lost, or a file that was not given.
    pub missing: u64,
    /// Records whose number had been there: a file that was given twice, or of another session.
    pub repeated: u64,
    /// Files that could not be read to their end, with the reason.
    pub damaged: Vec<String>,
}

/// One file, with its next record read.
struct Source<R> {
    name: String,
    from: R,
    head: Option<(u32, Vec<u8>)>,
}

impl<R: Read> Source<R> {
    fn advance(&mut self) -> std::result::Result<(), String> {
        self.head = None;
        let failed = |text: &str| format!("{}: {text}", self.name);
        let mut header = [0; 12];
        let mut have = 0;
        while have < header.len() {
            let room = header.get_mut(have..).unwrap_or_default();
            match self.from.read(room) {
                Ok(0) if have == 0 => return Ok(()),
                Ok(0) => return Err(failed("it ends within a record")),
                Ok(count) => have += count,
                Err(error) => return Err(failed(&format!("cannot read it: {error}"))),
            }
        }
        let word = |at: usize| {
            let bytes = header.get(at..).and_then(<[u8]>::first_chunk);
            u32::from_ne_bytes(bytes.copied().unwrap_or_default())
        };
        let length = word(8);
        if !header.starts_with(&MAGIC) || length > RECORD_MAXIMUM {
            return Err(failed("what follows is no record of bulk mode (rstap -b)"));
        }
        let mut text = vec![0; length as usize];
        self.from
            .read_exact(&mut text)
            .map_err(|_| failed("it ends within a record"))?;
        self.head = Some((word(4), text));
        Ok(())
    }
}

/// How far a number is from another; the counter of 32 bits wraps.
fn distance(number: u32, from: u32) -> i32 {
    number.wrapping_sub(from) as i32
}

/// Puts the records of all files into the order in which they were printed. `tell` gets the
/// file's name, the number and the length of each. A file that is cut short, as by a full disk,
/// gives what it has.
///
/// # Errors
/// `to` cannot be written.
pub fn merge<R: Read>(
    files: Vec<(String, R)>,
    to: &mut dyn Write,
    tell: &mut dyn FnMut(&str, u32, usize),
) -> io::Result<Merged> {
    let mut merged = Merged::default();
    let mut sources = Vec::new();
    for (name, from) in files {
        let head = None;
        let mut source = Source { name, from, head };
        merged.damaged.extend(source.advance().err());
        sources.push(source);
    }
    // The first message of a session has the number 1; rotated files may start later.
    let numbers = sources.iter().filter_map(|source| source.head.as_ref());
    let numbers = numbers.map(|(number, _)| *number);
    let earlier = |one, other| match distance(other, one) < 0 {
        true => other,
        false => one,
    };
    let mut next = numbers.reduce(earlier).unwrap_or(0);
    loop {
        let first = sources
            .iter_mut()
            .filter_map(|source| {
                let number = source.head.as_ref()?.0;
                Some((distance(number, next), source))
            })
            .min_by_key(|(distance, _)| *distance);
        let Some((distance, source)) = first else {
            return Ok(merged);
        };
        if let Some((number, text)) = source.head.take() {
            to.write_all(&text)?;
            tell(&source.name, number, text.len());
            merged.records += 1;
            match u64::try_from(distance) {
                Ok(gap) => {
                    merged.missing += gap;
                    next = number.wrapping_add(1);
                }
                Err(_) => merged.repeated += 1,
            }
        }
        merged.damaged.extend(source.advance().err());
    }
}

/// `stap-merge`: merges the files to `output`, or to stdout.
///
/// # Errors
/// A file cannot be opened or created, or the output cannot be written.
pub fn merge_files(files: &[OsString], output: Option<&OsStr>, is_verbose: bool) -> Result<Merged> {
    let failed = |name: &OsStr, error| {
        Failure::new(format!("cannot open {}: {error}", name.to_string_lossy()))
    };
    let mut sources = Vec::new();
    for name in files {
        let file = File::open(name).map_err(|error| failed(name, error))?;
        sources.push((name.to_string_lossy().into_owned(), BufReader::new(file)));
    }
    let to: Box<dyn Write> = match output {
        Some(name) => Box::new(File::create(name).map_err(|error| failed(name, error))?),
        None => Box::new(io::stdout()),
    };
    let mut to = BufWriter::new(to);
    let mut tell = |name: &str, number: u32, length: usize| {
        if is_verbose {
            print_error_line(&format!("[{name}, sequence {number}, length {length}]"));
        }
    };
    let merged = merge(sources, &mut to, &mut tell).and_then(|merged| {
        to.flush()?;
        Ok(merged)
    });
    match merged {
        // Whoever reads it has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Merged::default()),
        merged => merged.map_err(|error| Failure::new(format!("cannot write: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[(u64, &str)]) -> Vec<u8> {
        let messages = records.iter().map(|(sequence, text)| Message {
            sequence: *sequence,
            payload: text.as_bytes(),
        });
        messages.flat_map(|message| record(&message)).collect()
    }

    fn merged(files: &[Vec<u8>]) -> (String, Merged) {
        let files = files.iter().enumerate();
        let files = files.map(|(index, bytes)| (format!("f{index}"), bytes.as_slice()));
        let mut text = Vec::new();
        let merged = merge(files.collect(), &mut text, &mut |_, _, _| {}).expect("written");
        (String::from_utf8_lossy(&text).into_owned(), merged)
    }

    #[test]
    fn records_come_in_the_order_of_their_numbers() {
        let files = [file(&[(1, "a"), (4, "d")]), file(&[(2, "b"), (3, "c")])];
        let (text, found) = merged(&files);
        assert_eq!(text, "abcd");
        assert_eq!((found.records, found.missing), (4, 0));
    }

    #[test]
    fn the_counter_wraps_and_gaps_are_counted() {
        let last = u64::from(u32::MAX);
        for files in [
            [
                file(&[(last - 1, "a"), (last + 1, "c")]),
                file(&[(last, "b"), (last + 4, "d")]),
            ],
            [
                file(&[(last + 1, "c"), (last + 4, "d")]),
                file(&[(last - 1, "a"), (last, "b")]),
            ],
        ] {
            let (text, found) = merged(&files);
            assert_eq!(text, "abcd");
            assert_eq!((found.missing, found.repeated), (2, 0));
        }
    }

    #[test]
    fn a_file_that_was_given_twice_is_no_loss() {
        let one = file(&[(1, "a"), (3, "c")]);
        let (text, found) = merged(&[one.clone(), file(&[(2, "b")]), one]);
        assert_eq!(text, "aabcc");
        assert_eq!((found.missing, found.repeated), (0, 2));
    }

    #[test]
    fn damaged_files_are_named_and_the_rest_is_merged() {
        let whole = file(&[(1, "text")]);
        for bytes in [
            b"plain text, no record".to_vec(),
            whole[..14].to_vec(),
            whole[..5].to_vec(),
        ] {
            let others = file(&[(2, "good"), (3, " rest")]);
            let (text, found) = merged(&[bytes, others]);
            assert_eq!(text, "good rest");
            assert!(found.damaged[0].starts_with("f0: "), "{found:?}");
            assert_eq!(found.damaged.len(), 1);
        }
        let (text, found) = merged(&[[whole.as_slice(), &whole[..9]].concat()]);
        assert_eq!((text.as_str(), found.damaged.len()), ("text", 1));
        assert_eq!(merged(&[Vec::new()]).1, Merged::default());
    }
}
