// SPDX-License-Identifier: GPL-2.0-or-later
//! Many small scripts in one request to the guest.
//!
//! Under emulation, setting up a request and looking for what it left in the kernel takes longer
//! than a small script runs. So several run one after the other in one shell, which marks the end
//! of each in both of its outputs. If anything is wrong with the kernel afterwards, or the shell did
//! not come to its end, all of them run again one by one, which shows the one to blame.

use std::time::Duration;

use rstap_vm::Outcome;
use rstap_vm::guest::{Case, Ending};

use super::Prepared;
use super::execute::command;
use crate::expect::Actual;
use crate::programs::Programs;

/// How many scripts run in one request.
pub const SIZE: usize = 16;

/// Stands, with the script's exit status behind it, where its output ends.
const MARK: &str = "===== rstap: end of test, status ";

/// What one request with these tests is.
pub fn case(index: usize, tests: &[Prepared], programs: &Programs) -> Case {
    let mut script = String::new();
    for test in tests {
        // A shell of its own, as a whole request has; its variables and folder end with it.
        script.push_str(&format!("({})\n", command(test, programs).trim_end()));
        script.push_str(&format!("echo \"{MARK}$?\"; echo '{MARK}0' >&2\n"));
    }
    let limits = tests.iter().map(|test| super::limit(&test.wanted));
    Case {
        name: format!("batch-{index}"),
        script,
        stdin: Some(Vec::new()),
        limit: limits.max().unwrap_or_default() + Duration::from_secs(30),
    }
}

/// The output of each test; `None` if the request did not go as it should.
pub fn split(outcome: &Outcome, actual: &Actual, count: usize) -> Option<Vec<Actual>> {
    let is_sound = matches!(outcome.ending, Ending::Exited(0))
        && outcome.leaks.is_empty()
        && outcome.splats.is_empty();
    let outputs = parts(&actual.stdout);
    let errors = parts(&actual.stderr);
    if !is_sound || outputs.len() != count || errors.len() != count {
        return None;
    }
    let each = outputs.into_iter().zip(errors);
    let each = each.map(|((stdout, status), (stderr, _))| Actual {
        stdout,
        stderr,
        status,
    });
    Some(each.collect())
}

/// Cuts an output at the marks.
fn parts(bytes: &[u8]) -> Vec<(Vec<u8>, i32)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest
        .windows(MARK.len())
        .position(|window| window == MARK.as_bytes())
    {
        let (output, tail) = rest.split_at(at);
        let tail = tail.get(MARK.len()..).unwrap_or_default();
        let end = tail.iter().position(|&byte| byte == b'\n');
        let (status, tail) = tail.split_at(end.unwrap_or(tail.len()));
        let status = String::from_utf8_lossy(status).parse().unwrap_or(-1);
        found.push((output.to_vec(), status));
        rest = tail.get(1..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_told_apart() {
        let text = format!("one\n{MARK}0\n{MARK}1\nno newline{MARK}2\nrest");
        let found: Vec<(String, i32)> = parts(text.as_bytes())
            .into_iter()
            .map(|(output, status)| (String::from_utf8(output).unwrap(), status))
            .collect();
        let wanted = [("one\n", 0), ("", 1), ("no newline", 2)];
        assert_eq!(
            found,
            wanted.map(|(text, status)| (text.to_string(), status))
        );
    }

    #[test]
    fn a_sick_kernel_spoils_all() {
        let mut outcome = Outcome {
            ending: Ending::Exited(0),
            leaks: Vec::new(),
            splats: Vec::new(),
            log: String::new(),
        };
        let actual = Actual {
            stdout: format!("{MARK}0\n").into_bytes(),
            stderr: format!("{MARK}0\n").into_bytes(),
            status: 0,
        };
        assert_eq!(split(&outcome, &actual, 1).map(|all| all.len()), Some(1));
        assert!(split(&outcome, &actual, 2).is_none());
        outcome.leaks.push("module x".to_string());
        assert!(split(&outcome, &actual, 1).is_none());
    }
}
