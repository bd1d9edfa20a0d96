// SPDX-License-Identifier: GPL-2.0-or-later
//! The files of bulk mode (`-b`): one for each CPU, of records that can be put into order again.
//! The framing is SystemTap's: four bytes of magic, a sequence number and a length of 32 bits
//! each, in the machine's byte order, then the text.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};

use crate::framing::Message;
use crate::report::{Failure, Result};

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
}

/// One file, with its next record read.
struct Source<R> {
    name: String,
    from: R,
    head: Option<(u32, Vec<u8>)>,
}

impl<R: Read> Source<R> {
    fn advance(&mut self) -> Result<()> {
        self.head = None;
        let failed = |text: &str| Failure::new(format!("{}: {text}", self.name));
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
            return Err(failed("it is no file of bulk mode (staprun -b)"));
        }
        let mut text = vec![0; length as usize];
        self.from
            .read_exact(&mut text)
            .map_err(|_| failed("it ends within a record"))?;
        self.head = Some((word(4), text));
        Ok(())
    }
}

/// Puts the records of all files into the order in which they were printed. `tell` gets the
/// file's name, the number and the length of each.
///
/// # Errors
/// A file cannot be read or is none of bulk mode, or `to` cannot be written.
pub fn merge<R: Read>(
    files: Vec<(String, R)>,
    to: &mut dyn Write,
    tell: &mut dyn FnMut(&str, u32, usize),
) -> Result<Merged> {
    let mut sources = Vec::new();
    for (name, from) in files {
        let head = None;
        let mut source = Source { name, from, head };
        source.advance()?;
        sources.push(source);
    }
    let mut merged = Merged::default();
    // The first message of a session has the number 1; rotated files may start later.
    let numbers = sources.iter().filter_map(|source| source.head.as_ref());
    let mut next = numbers.map(|(number, _)| *number).min().unwrap_or(0);
    loop {
        let first = sources
            .iter_mut()
            .filter(|source| source.head.is_some())
            .min_by_key(|source| {
                let head = source.head.as_ref();
                head.map_or(u32::MAX, |(number, _)| number.wrapping_sub(next))
            });
        let Some(source) = first else {
            return Ok(merged);
        };
        if let Some((number, text)) = source.head.take() {
            to.write_all(&text)
                .map_err(|error| Failure::new(format!("cannot write: {error}")))?;
            tell(&source.name, number, text.len());
            merged.records += 1;
            merged.missing += u64::from(number.wrapping_sub(next));
            next = number.wrapping_add(1);
        }
        source.advance()?;
    }
}

/// `stap-merge`: merges the files to `output`, or to stdout.
///
/// # Errors
/// As [`merge`], or a file cannot be opened or created.
pub fn merge_files(files: &[String], output: Option<&str>, is_verbose: bool) -> Result<Merged> {
    let failed = |name: &str, error| Failure::new(format!("cannot open {name}: {error}"));
    let sources = files
        .iter()
        .map(|name| match File::open(name) {
            Ok(file) => Ok((name.clone(), BufReader::new(file))),
            Err(error) => Err(failed(name, error)),
        })
        .collect::<Result<Vec<_>>>()?;
    let to: Box<dyn Write> = match output {
        Some(name) => Box::new(File::create(name).map_err(|error| failed(name, error))?),
        None => Box::new(std::io::stdout()),
    };
    let mut to = BufWriter::new(to);
    let merged = merge(sources, &mut to, &mut |name, number, length| {
        if is_verbose {
            eprintln!("[{name}, sequence {number}, length {length}]");
        }
    })?;
    to.flush()
        .map_err(|error| Failure::new(format!("cannot write: {error}")))?;
    Ok(merged)
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

    fn merged(files: &[Vec<u8>]) -> Result<(String, Merged)> {
        let files = files.iter().enumerate();
        let files = files.map(|(index, bytes)| (format!("f{index}"), bytes.as_slice()));
        let mut text = Vec::new();
        let merged = merge(files.collect(), &mut text, &mut |_, _, _| {})?;
        Ok((String::from_utf8_lossy(&text).into_owned(), merged))
    }

    #[test]
    fn records_come_in_the_order_of_their_numbers() {
        let files = [file(&[(1, "a"), (4, "d")]), file(&[(2, "b"), (3, "c")])];
        let (text, found) = merged(&files).expect("good files");
        assert_eq!(text, "abcd");
        assert_eq!((found.records, found.missing), (4, 0));
    }

    #[test]
    fn the_counter_wraps_and_gaps_are_counted() {
        let last = u64::from(u32::MAX);
        let files = [
            file(&[(last - 1, "a"), (last + 1, "c")]),
            file(&[(last, "b"), (last + 4, "d")]),
        ];
        let (text, found) = merged(&files).expect("good files");
        assert_eq!(text, "abcd");
        assert_eq!(found.missing, 2);
    }

    #[test]
    fn other_files_are_refused() {
        let whole = file(&[(1, "text")]);
        for bytes in [
            b"plain text, no record".to_vec(),
            whole[..14].to_vec(),
            whole[..5].to_vec(),
        ] {
            assert!(merged(&[bytes]).is_err());
        }
        assert_eq!(merged(&[Vec::new()]).expect("empty").1, Merged::default());
    }
}
