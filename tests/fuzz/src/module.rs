// SPDX-License-Identifier: GPL-2.0-or-later
//! What a module tells the loader, and the module's file.

use std::time::Instant;

use rstap_staprun::framing::Framer;
use rstap_staprun::json::Json;
use rstap_staprun::merge::Merger;
use rstap_staprun::module::{ModuleFile, RunningKernel};
use rstap_staprun::protocol;

/// Output of a module: two CPUs' streams, read in pieces; control messages; the status page.
///
/// The first byte is the size of the pieces.
pub fn stream(bytes: &[u8]) {
    let _ = protocol::decode(bytes);
    let _ = Json::parse(&String::from_utf8_lossy(bytes));
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
    let _ = module.check_parameters(&[("n".to_owned(), "1".to_owned())]);
    let _ = module.weak_symbols();
    let _ = module.is_signed();
    let _ = module.rename("stap_other_name_1");
    assert_eq!(module.image.len(), length);
}
