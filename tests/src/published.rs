// SPDX-License-Identifier: GPL-2.0-or-later
//! The scripts that SystemTap publishes as examples, in Debian's package of its documentation:
//! each has a file with the command that checks it, which is run here with rstap in the place of
//! `stap`, up to pass 3. `tests/published.txt` names those that this kernel or machine cannot
//! translate, with the reason.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use regex::Regex;
use rstap_vm::KernelSet;

use crate::options::Options;
use crate::programs::{Programs, capture, tests_folder};
use crate::report::{Report, Verdict};

/// Seconds for one script.
const LIMIT: u64 = 120;
const PACKAGE: &str = "systemtap-doc";

/// Checks all scripts, or those that the arguments select.
pub fn main() -> ExitCode {
    match check_all(&Options::from_environment()) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// A script's check.
#[derive(Debug, PartialEq, Eq)]
struct Check {
    name: String,
    folder: PathBuf,
    command: String,
}

fn check_all(options: &Options) -> Result<ExitCode, String> {
    let programs = Programs::find()?;
    let kernel =
        rstap_vm::kernels::find(options.kernel.as_deref()).map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let reasons = read(&tests_folder().join("published.txt"))?;
    let known = known(&reasons);
    let root = unpack(folder.path())?;
    let path = stand_in(folder.path(), &programs, &kernel)?;
    let mut report = Report::default();
    for check in checks(&root)? {
        if options.selects(&check.name) {
            let start = Instant::now();
            let verdict = judge(&check, &path, known.get(check.name.as_str()).copied());
            report.add(&check.name, start.elapsed(), &verdict);
        }
    }
    Ok(report.finish())
}

fn judge(check: &Check, path: &str, known: Option<&str>) -> Verdict {
    let mut command = Command::new("bash");
    command
        .args(["-c", &check.command])
        .current_dir(&check.folder)
        .env("PATH", path);
    let output = match capture(&mut command, LIMIT) {
        Ok(output) => output,
        Err(problem) => return Verdict::Failed(vec![problem]),
    };
    match (output.status.success(), known) {
        (true, None) => Verdict::Passed,
        (true, Some(_)) => Verdict::Failed(vec![
            "it passes: take it off tests/published.txt".to_owned(),
        ]),
        // A panic or a time-out is excused by nothing.
        (false, Some(reason)) if output.status.code() == Some(1) => {
            Verdict::Skipped(reason.to_owned())
        }
        (false, _) => {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            Verdict::Failed(vec![check.command.clone(), errors])
        }
    }
}

/// Downloads the package and unpacks it below `folder`; the folder of the examples.
fn unpack(folder: &Path) -> Result<PathBuf, String> {
    run(Command::new("apt-get")
        .args(["download", PACKAGE])
        .current_dir(folder))?;
    let script = format!("dpkg-deb -x {PACKAGE}_*.deb package");
    run(Command::new("sh").args(["-c", &script]).current_dir(folder))?;
    Ok(folder.join("package/usr/share/systemtap/examples"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = capture(command, LIMIT)?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{:?} failed: {errors}", command.get_program()))
}

/// A folder with a `stap` that is rstap for the kernel, before the rest of `$PATH`.
fn stand_in(folder: &Path, programs: &Programs, kernel: &KernelSet) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;

    let path = folder.join("stap");
    let text = format!(
        "#!/bin/sh\nexec '{}' -r '{}' --sysroot '{}' \"$@\"\n",
        programs.rstap.display(),
        kernel.release,
        kernel.sysroot.display()
    );
    std::fs::write(&path, text)
        .and_then(|()| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let rest = std::env::var("PATH").unwrap_or_default();
    Ok(format!("{}:{rest}", folder.display()))
}

fn checks(root: &Path) -> Result<Vec<Check>, String> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let path = entry.map_err(|error| error.to_string())?.into_path();
        if path.extension().is_some_and(|ending| ending == "meta")
            && let Some(folder) = path.parent()
        {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            found.extend(commands(&read(&path)?).map(|command| Check {
                name: name.clone().into_owned(),
                folder: folder.to_path_buf(),
                command,
            }));
        }
    }
    Ok(found)
}

/// The commands of `test_check:` lines that translate a script, up to pass 3.
fn commands(text: &str) -> impl Iterator<Item = String> {
    let pass = Regex::new("(stap .*?-[a-z]*)p4").ok();
    text.lines()
        .filter_map(|line| line.strip_prefix("test_check:"))
        .filter_map(move |line| {
            let pass = pass.as_ref()?;
            pass.is_match(line)
                .then(|| pass.replace_all(line.trim(), "${1}p3").into_owned())
        })
}

/// `name: reason` lines.
fn known(text: &str) -> HashMap<&str, &str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .collect()
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stop_after_pass_3() {
        let text = "title: x\ntest_check: stap -gp4 a.stp -x $$\ntest_check: file ./a\n\
                    test_installcheck: stap a.stp\n";
        let found: Vec<String> = commands(text).collect();
        assert_eq!(found, ["stap -gp3 a.stp -x $$"]);
    }

    #[test]
    fn reasons_are_read_by_name() {
        let known = known("# about\nbkl: the big lock is gone\n");
        assert_eq!(known.get("bkl").copied(), Some("the big lock is gone"));
        assert_eq!(known.len(), 1);
    }
}
