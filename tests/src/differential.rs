// SPDX-License-Identifier: GPL-2.0-or-later
//! Random programs, compiled and run on a kernel, compared with what an interpreter of a page or two
//! says that they do.
//!
//! The interpreter ([`interpret`]) works on the tree that the generator ([`generate`]) made; it shares
//! nothing with the compiler. Each program is compiled twice, with and without optimisation. One that
//! behaves otherwise is made smaller for as long as it does ([`shrink`]), and printed as a script that
//! can become a test.

mod format;
mod generate;
mod interpret;
mod library;
mod program;
mod random;
mod shrink;
mod table;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use rstap_vm::KernelSet;

use crate::corpus::{Kind, Script};
use crate::programs::Programs;
use crate::report::Report;
use crate::run::run_scripts;
use interpret::Expected;
use program::Program;

/// Programs whose scripts are made, compiled and run at a time.
const BATCH: u64 = 40;
/// Differences that are made smaller; the others are named only.
const SHRUNK: usize = 3;

/// What is compared where.
struct Lab {
    programs: Programs,
    kernel: KernelSet,
}

/// The number that a script's name begins with.
fn seed_of(name: &str) -> Option<u64> {
    name.split(' ').next().and_then(|text| text.parse().ok())
}

/// A number from the environment.
fn setting(name: &str, default: u64) -> Result<u64, String> {
    match std::env::var(name).ok().filter(|text| !text.is_empty()) {
        Some(text) => text
            .parse()
            .map_err(|_| format!("{name} must be a number, not {text}")),
        None => Ok(default),
    }
}

/// Compares the programs of `COUNT` seeds from `SEED` on.
pub fn main() -> ExitCode {
    match compare() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The number of programs that behave otherwise.
fn compare() -> Result<usize, String> {
    let first = setting("SEED", 1)?;
    let count = setting("COUNT", 40)?;
    if std::env::args().any(|word| word == "--print") {
        print!(
            "{}",
            script(first, false).map_or(String::new(), |script| script.text)
        );
        return Ok(0);
    }
    let kernel = std::env::var("RSTAP_TEST_KERNEL")
        .ok()
        .filter(|text| !text.is_empty());
    let lab = Lab {
        programs: Programs::find()?,
        kernel: rstap_vm::kernels::find(kernel.as_deref()).map_err(|error| error.to_string())?,
    };
    let start = Instant::now();
    let mut differing = Vec::new();
    let (mut compared, mut endless) = (0, 0);
    let mut seed = first;
    while seed < first + count {
        let last = (seed + BATCH).min(first + count);
        let scripts: Vec<Script> = (seed..last)
            .filter_map(|seed| both(&seed.to_string(), &generate::program(seed)))
            .flatten()
            .collect();
        endless += (last - seed) as usize - scripts.len() / 2;
        compared += scripts.len() / 2;
        for (name, reasons) in lab.failures(&scripts)? {
            println!(
                "seed {name}: {}",
                reasons
                    .first()
                    .map_or("", String::as_str)
                    .lines()
                    .next()
                    .unwrap_or_default()
            );
            differing.push((name, reasons));
        }
        println!("seeds {seed} to {}: done", last - 1);
        seed = last;
    }
    // Both scripts of a program mostly differ for the same reason.
    differing.dedup_by_key(|(name, _)| seed_of(name));
    for (name, reasons) in differing.iter().take(SHRUNK) {
        let Some(seed) = seed_of(name) else { continue };
        let program = generate::program(seed);
        let small = shrink::smallest(&program, reasons, |programs| lab.differing(programs))?;
        let script =
            script_of(name, &small.program, false).map_or(String::new(), |script| script.text);
        println!(
            "\nseed {name}, made smaller:\n{script}\n{}",
            small.reasons.join("\n")
        );
    }
    println!(
        "{compared} programs compared on {}, {endless} left out as they take too long, {} differ, in {:.1} s",
        lab.kernel.release,
        differing.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(differing.len())
}

impl Lab {
    /// The scripts that do something else than they say.
    fn failures(&self, scripts: &[Script]) -> Result<Vec<(String, Vec<String>)>, String> {
        let mut report = Report::silent();
        run_scripts(scripts, &self.programs, &self.kernel, &[], &mut report)?;
        Ok(report.failures().to_vec())
    }

    /// Why each of these programs behaves otherwise; `None` if it does not, or takes too long.
    fn differing(&self, programs: &[Program]) -> Result<Vec<Option<Vec<String>>>, String> {
        let scripts = programs.iter().enumerate();
        let scripts: Vec<Script> = scripts
            .filter_map(|(index, program)| both(&index.to_string(), program))
            .flatten()
            .collect();
        let mut found = vec![None; programs.len()];
        for (name, reasons) in self.failures(&scripts)? {
            let index = seed_of(&name).and_then(|index| usize::try_from(index).ok());
            if let Some(place) = index.and_then(|index| found.get_mut(index)) {
                place.get_or_insert(reasons);
            }
        }
        Ok(found)
    }
}

fn script(seed: u64, is_plain: bool) -> Option<Script> {
    script_of(&seed.to_string(), &generate::program(seed), is_plain)
}

/// A program's scripts, with and without optimisation.
fn both(name: &str, program: &Program) -> Option<[Script; 2]> {
    Some([
        script_of(name, program, false)?,
        script_of(name, program, true)?,
    ])
}

/// A script with what it must print; `None` if it takes too long.
fn script_of(name: &str, program: &Program, is_plain: bool) -> Option<Script> {
    let expected = interpret::run(program)?;
    let text = text::script(program) + &directives(program, &expected, is_plain);
    Some(Script {
        name: if is_plain {
            format!("{name} -u")
        } else {
            name.to_string()
        },
        text,
        file: PathBuf::from("differential.stp"),
        kind: Kind::Section("program".to_string()),
        without_dwarf: false,
    })
}

/// What the harness shall expect.
fn directives(program: &Program, expected: &Expected, is_plain: bool) -> String {
    let plain = if is_plain { " -u" } else { "" };
    let mut text = format!(
        "// RUN: -w{plain} -DMAXACTION=1000000 -DMAXNESTING=60 -DMAXSTRINGLEN={}\n",
        program.string_size
    );
    if let Some(message) = &expected.error {
        let message = String::from_utf8_lossy(message).into_owned();
        text.push_str(&format!(
            "// EXIT: 1\n// EXPECT-ERROR: ERROR: {message} near \n"
        ));
    }
    if expected.was_full {
        text.push_str("// EXPECT-ERROR: was full\n");
    }
    if expected.was_cut {
        // It is said there, unless nobody uses the string.
        text.push_str("// EXPECT-ERROR: \n");
    }
    for line in String::from_utf8_lossy(&expected.stdout).lines() {
        text.push_str(&format!("//> {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_always_the_same_program() {
        let text = |seed| text::script(&generate::program(seed));
        assert_eq!(text(5), text(5));
        assert_ne!(text(5), text(6));
    }

    #[test]
    fn most_programs_end() {
        let ended = (0..300).filter(|&seed| interpret::run(&generate::program(seed)).is_some());
        assert!(ended.count() > 250);
    }

    /// Scripts of which the harness expects what the language says, so that a wrong output is seen.
    #[test]
    fn what_is_expected_stands_in_the_script() {
        let program = generate::program(3);
        let expected = interpret::run(&program).unwrap();
        let script = script_of("3", &program, true).unwrap();
        let wanted = crate::directives::parse(&script.text).unwrap();
        let stdout = String::from_utf8_lossy(&expected.stdout);
        assert_eq!(wanted.whole.as_deref(), Some(&*stdout));
        assert!(wanted.options.contains(&"-u".to_string()));
        assert_eq!(wanted.status, i32::from(expected.error.is_some()));
    }
}
