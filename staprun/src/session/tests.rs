// SPDX-License-Identifier: GPL-2.0-or-later
//! Sessions with a module made of sockets and pipes.
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use super::*;
use crate::framing::{Framer, frame};
use crate::report::Colour;

/// Types of `rstap_protocol.h` that the module sends.
const STARTED: u32 = 32;
const WARNING: u32 = 33;
const ERROR: u32 = 34;
const REQUEST_EXIT: u32 = 37;
const ENDED: u32 = 38;
const SUMMARY: u32 = 39;

struct Module {
    control: UnixDatagram,
    traces: Vec<io::PipeWriter>,
}

impl Module {
    fn new(cpus: u32) -> (Module, Control, Vec<Trace>) {
        let (ours, theirs) = UnixDatagram::pair().expect("a socket pair");
        theirs.set_nonblocking(true).expect("non-blocking");
        let control = Control::over(File::from(OwnedFd::from(theirs)), "fake");
        let (readers, traces): (Vec<_>, Vec<_>) =
            (0..cpus).map(|_| io::pipe().expect("a pipe")).unzip();
        let readers = readers.into_iter().zip(0..).map(|(reader, cpu)| Trace {
            cpu,
            file: File::from(OwnedFd::from(reader)),
            framer: Framer::default(),
            ended: false,
        });
        (
            Module {
                control: ours,
                traces,
            },
            control,
            readers.collect(),
        )
    }

    fn say(&self, kind: u32, payload: &[u8]) {
        let length = payload.len() as u32;
        let message = [&kind.to_ne_bytes()[..], &length.to_ne_bytes(), payload].concat();
        self.control.send(&message).expect("sent");
    }

    fn print(&mut self, cpu: usize, sequence: u64, text: &str) {
        self.traces[cpu]
            .write_all(&frame(sequence, text.as_bytes()))
            .expect("printed");
    }

    /// Types of what the loader sent.
    fn heard(&self) -> Vec<u32> {
        self.control.set_nonblocking(true).expect("non-blocking");
        let mut buffer = [0; 5000];
        std::iter::from_fn(|| {
            self.control
                .recv(&mut buffer)
                .ok()
                .map(|_| buffer[0].into())
        })
        .collect()
    }
}

fn plan() -> Plan {
    Plan {
        child: None,
        target: 0,
        attach: false,
        detach: false,
        daemon: false,
        stdin: None,
        summary_json: false,
    }
}

struct Outcome {
    ending: Result<(Ending, bool)>,
    text: String,
    heard: Vec<u32>,
}

/// Runs a session whose module has said everything already.
fn run(name: &str, plan: Plan, cpus: u32, script: impl FnOnce(&mut Module)) -> Outcome {
    let (mut module, control, traces) = Module::new(cpus);
    script(&mut module);
    module.traces.clear();
    let path = std::env::temp_dir().join(format!("staprun-{name}-{}", std::process::id()));
    let template = path.to_string_lossy().into_owned();
    let output = Output::files(&template, None).expect("created");
    let mut reporter = Reporter::new(0, true, Colour::Never);
    let ending = Session::new(&control, traces, output, &mut reporter, plan).run();
    let text = std::fs::read_to_string(&path).expect("read");
    let _ = std::fs::remove_file(path);
    Outcome {
        ending,
        text,
        heard: module.heard(),
    }
}

#[test]
fn a_session_prints_in_order_and_ends() {
    let outcome = run("order", plan(), 2, |module| {
        module.say(STARTED, &0i64.to_ne_bytes());
        module.print(1, 2, "second\n");
        module.print(0, 1, "first\n");
        module.print(0, 3, "third\n");
        module.say(REQUEST_EXIT, b"");
        module.say(SUMMARY, b"kind=errors count=0");
        module.say(ENDED, b"");
    });
    assert_eq!(outcome.ending, Ok((Ending::Ended, false)));
    assert_eq!(outcome.text, "first\nsecond\nthird\n");
    assert_eq!(outcome.heard, [5, 6]);
}

#[test]
fn an_error_makes_the_session_fail_and_a_warning_does_not() {
    let outcome = run("error", plan(), 1, |module| {
        module.say(STARTED, &0i64.to_ne_bytes());
        module.say(ERROR, b"division by 0 near operator '/' at x.stp:1:20");
        module.say(ENDED, b"");
    });
    assert_eq!(outcome.ending, Ok((Ending::Ended, true)));
    let outcome = run("warning", plan(), 1, |module| {
        module.say(STARTED, &0i64.to_ne_bytes());
        module.say(WARNING, b"something");
        module.say(ENDED, b"");
    });
    assert_eq!(outcome.ending, Ok((Ending::Ended, false)));
}

#[test]
fn a_start_that_failed_ends_the_session() {
    let outcome = run("start", plan(), 1, |module| {
        module.say(STARTED, &(-22i64).to_ne_bytes());
        module.say(ENDED, b"");
    });
    assert_eq!(outcome.ending, Ok((Ending::Ended, true)));
    assert_eq!(outcome.heard, [5, 6]);
}

#[test]
fn lost_and_damaged_output_still_ends() {
    let outcome = run("damage", plan(), 1, |module| {
        module.say(STARTED, &0i64.to_ne_bytes());
        module.print(0, 1, "one\n");
        module.traces[0].write_all(&[0xaa; 24]).expect("written");
        module.print(0, 9, "nine\n");
        module.traces[0].write_all(b"rstp").expect("written");
        module.say(ENDED, b"");
    });
    assert_eq!(outcome.ending, Ok((Ending::Ended, false)));
    assert_eq!(outcome.text, "one\nnine\n");
}

#[test]
fn detaching_leaves_the_module() {
    let outcome = run(
        "detach",
        Plan {
            detach: true,
            ..plan()
        },
        1,
        |module| {
            module.say(STARTED, &0i64.to_ne_bytes());
        },
    );
    assert_eq!(outcome.ending, Ok((Ending::Detached, false)));
    assert_eq!(outcome.heard, [5, 8]);
}

#[test]
fn unknown_messages_are_passed_over() {
    let outcome = run("unknown", plan(), 1, |module| {
        module.control.send(b"x").expect("sent");
        module.say(4711, b"");
        module.say(STARTED, b"short");
        module.say(SUMMARY, b"\xff\xfe");
        module.say(STARTED, &0i64.to_ne_bytes());
        module.say(ENDED, b"");
    });
    assert_eq!(outcome.ending, Ok((Ending::Ended, false)));
}

#[test]
fn a_session_that_fails_is_not_left_running() {
    let mut leaving = plan();
    leaving.detach = true;
    let outcome = run("left", leaving, 1, |module| {
        module.say(ERROR, b"in begin\0");
        module.say(STARTED, &0i64.to_ne_bytes());
        module.print(0, 1, "before the error\n");
        module.say(REQUEST_EXIT, b"");
        module.say(ENDED, b"");
    });
    assert_eq!(outcome.ending, Ok((Ending::Ended, true)));
    assert_eq!(outcome.text, "before the error\n");
}
