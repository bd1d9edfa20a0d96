// SPDX-License-Identifier: GPL-2.0-or-later
//! Every input in the corpus once more: none panics, none takes long.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rstap_fuzz::{TARGETS, Target};

/// The longest that an input may take, in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
/// As in the program (`rstap::cli`).
const STACK_SIZE: usize = 256 << 20;

fn inputs(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder)
        .expect("the target's folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), std::fs::read(&path).expect("an input")))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// Runs on a thread of its own, so that a hang is seen.
fn replay(target: &'static Target) {
    let (started, starts) = mpsc::channel();
    let inputs = inputs(target);
    let names: Vec<PathBuf> = inputs.iter().map(|(path, _)| path.clone()).collect();
    let worker = std::thread::Builder::new()
        .stack_size(STACK_SIZE)
        .spawn(move || {
            for (path, bytes) in inputs {
                if started.send(path).is_err() {
                    return;
                }
                (target.run)(&bytes);
            }
        })
        .expect("a thread");
    let mut current = PathBuf::new();
    let mut seen = 0;
    let mut since = Instant::now();
    loop {
        match starts.recv_timeout(LIMIT) {
            Ok(path) => {
                current = path;
                seen += 1;
                since = Instant::now();
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("{} runs for {:?}", current.display(), since.elapsed())
            }
        }
    }
    assert!(worker.join().is_ok(), "{} panics", current.display());
    assert_eq!(seen, names.len());
}

macro_rules! replays {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let name = stringify!($name);
            replay(TARGETS.iter().find(|target| target.name == name).expect("a target"));
        }
    )*
        #[test]
        fn no_target_is_forgotten() {
            let replayed = [$(stringify!($name)),*];
            let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(targets, replayed);
        }
    };
}

replays!(script translate elf btf stream module);
