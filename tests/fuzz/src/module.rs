// SPDX-License-Identifier: GPL-2.0-or-later
//! What a module tells the loader, and the module's file.

use std::time::Instant;

use rstap_staprun::bulk;
use rstap_staprun::framing::Framer;
use rstap_staprun::json::Json;
use rstap_staprun::merge::Merger;
use rstap_staprun::module::{ModuleFile, RunningKernel};
use rstap_staprun::protocol::{self, Event};
use rstap_staprun::summary::{Account, Line};

/// Output of a module: two CPUs' streams, read in pieces; control messages; the status page; the
/// account of a session; the files of bulk mode.
///
/// The first byte is the size of the pieces.
pub fn stream(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match protocol::decode(bytes) {
        Some(Event::Summary(text)) => account(&text),
        _ => account(&text),
    }
    let _ = Json::parse(&text);
    files(bytes);
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let mut merger = Merger::new(Some(1));
    let mut framers = [Framer::default(), Framer::default()];
    let mut output = Vec::new();
    let mut damaged = 0;
    let mut messages = 0;
    let now = Instant::now();
    for (index, piece) in bytes.chunks(usize::from(size) + 1).enumerate() {
        let framer = &mut framers[index % 2];
        framer.push(piece);
        while let Some(message) = framer.next_message() {
            messages += message.payload.len();
            merger.push(message, now, &mut output);
        }
        damaged += framer.take_damaged();
    }
    merger.finish(&mut output);
    let left: usize = framers.iter().map(Framer::leftover).sum();
    // Nothing is made up, and nothing that came whole is dropped silently.
    assert!(messages + damaged as usize + left <= bytes.len());
    if merger.unexpected() == 0 {
        assert_eq!(output.len(), messages);
    }
}

/// The account at the end: its lines, behind a blank line each.
fn account(text: &str) {
    let account = Account {
        lines: text.split("\n\n").filter_map(Line::parse).collect(),
        ..Account::default()
    };
    for text in account.warnings().iter().chain(&account.replacements()) {
        assert!(!text.is_empty());
    }
    let _ = account.timing_report();
    let _ = account.memory_report();
    let json = account.json();
    assert!(Json::parse(&json).is_some(), "{json}");
}

/// Two files of bulk mode: a half each.
fn files(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let files = [("first", first), ("second", second)].map(|(name, part)| (name.to_owned(), part));
    let mut output = Vec::new();
    let mut told = 0;
    let merged = bulk::merge(files.into(), &mut output, &mut |_, _, length| {
        told += length;
    });
    assert!(output.len() <= bytes.len());
    if merged.is_ok() {
        assert_eq!(told, output.len());
    }
}

/// A module's file, and the changes made to its copy before it is loaded.
pub fn file(bytes: &[u8]) {
    let Ok(mut module) = ModuleFile::parse("module.ko", bytes.to_vec()) else {
        return;
    };
    let length = module.image.len();
    let _ = module.check_kernel(&RunningKernel {
        release: "6.1.0".to_owned(),
        build_id: Some("00".to_owned()),
    });
    let _ = module.check_modules(|_| Some("22".to_owned()));
    let _ = module.is_bulk();
    let _ = module.parameter_values(&[("n".to_owned(), "1".to_owned())]);
    let _ = module.weak_symbols();
    let _ = module.is_signed();
    let _ = module.rename("stap_other_name_1");
    assert_eq!(module.image.len(), length);
}
