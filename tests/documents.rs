// SPDX-License-Identifier: GPL-2.0-or-later
//! Pages that say what there is must say so of what is there.
//!
//! `UPDATE=1 cargo test -p rstap-tests --test documents` writes docs/tapsets.md anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstap_tests::programs::{Programs, capture, tests_folder};

fn root() -> PathBuf {
    tests_folder().parent().unwrap_or(Path::new(".")).to_owned()
}

/// Lines that rstap prints of what it has.
fn dump(option: &str) -> BTreeSet<String> {
    let programs = Programs::find().unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(programs.rstap);
    command
        .arg(option)
        .env("RSTAP_TAPSET", root().join("tapsets"));
    let output = capture(&mut command, 120).unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{option}: {output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// Names that SystemTap 5.6 lists on x86_64 with Linux 6.1.
fn reference(name: &str) -> BTreeSet<String> {
    let path = tests_folder().join("reference").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_probe_type_of_systemtap_is_known() {
    let known = dump("--dump-probe-types");
    let missing: Vec<_> = reference("probe-types.txt")
        .difference(&known)
        .cloned()
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Rows of a table in a page: the cells.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'))
        .map(|row| row.split(" | ").map(str::trim).collect())
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_probe_type_stands_in_the_table_with_its_test() {
    let page = std::fs::read_to_string(root().join("docs/probes.md")).expect("docs/probes.md");
    let mut families = Vec::new();
    for row in rows(&page).filter(|row| row.len() == 3) {
        let tests: Vec<&str> = quoted(row[2]).collect();
        let has_test = tests
            .iter()
            .any(|test| tests_folder().join("run").join(test).exists());
        assert!(
            has_test
                || row[2] == "tests"
                || row[2].starts_with("---")
                || row[2].starts_with("refused"),
            "{row:?} names no test"
        );
        for test in &tests {
            let path = tests_folder().join("run").join(test);
            assert!(path.exists(), "{} is not there", path.display());
        }
        families.extend(quoted(row[0]).map(str::to_owned));
    }
    // `.return` of a row stands for all types that end so behind the row's own.
    let is_covered = |probe_type: &String| {
        families.iter().any(|family| {
            probe_type == family
                || probe_type.starts_with(&format!("{family}."))
                || probe_type.starts_with(&format!("{family}("))
        })
    };
    let missing: Vec<_> = dump("--dump-probe-types")
        .into_iter()
        .filter(|probe_type| !is_covered(probe_type))
        .collect();
    assert!(missing.is_empty(), "not in docs/probes.md: {missing:?}");
}

/// Why names of a group are not there.
const REASONS: &[(&str, &str)] = &[
    (
        "process",
        "these are probe points of their own, not aliases",
    ),
    ("stap", "marks in SystemTap's own programs"),
    ("staprun", "marks in SystemTap's own programs"),
    (
        "syscall",
        "system calls of 16 and 32 bits, and some that no kernel since 5.10 has",
    ),
    ("ipmib", "SystemTap's own resolve to nothing on this kernel"),
];

/// The page: what SystemTap's library has and ours does not.
fn tally() -> String {
    let name = |line: String| line.split([':', ' ']).next().unwrap_or_default().to_owned();
    let functions: BTreeSet<String> = dump("--dump-functions").into_iter().map(name).collect();
    let aliases: BTreeSet<String> = dump("--dump-probe-aliases").into_iter().map(name).collect();
    let wanted = reference("functions.txt");
    let missing: Vec<&String> = wanted.difference(&functions).collect();
    let mut page = String::from(
        "# The tapset library against SystemTap's\n\n\
         Made by `UPDATE=1 cargo test -p rstap-tests --test documents`, which fails when this page is\n\
         out of date. The names are those that SystemTap 5.6 lists on x86_64 with Linux 6.1.\n\n",
    );
    let here = wanted.len() - missing.len();
    let _ = writeln!(page, "## Functions: {here} of {}\n", wanted.len());
    let _ = writeln!(page, "Not there: {}.\n", list(&missing));
    page.push_str(
        "Nothing public says what the functions `cve_*` do; those for Java print the stacks of \
         `java` probe points,\nwhich are not there either.\n\n",
    );
    let mut groups: BTreeMap<&str, (usize, Vec<&String>)> = BTreeMap::new();
    let wanted = reference("aliases.txt");
    for alias in &wanted {
        let group = groups
            .entry(alias.split('.').next().unwrap_or_default())
            .or_default();
        group.0 += 1;
        if !aliases.contains(alias) {
            group.1.push(alias);
        }
    }
    let missing: usize = groups.values().map(|(_, missing)| missing.len()).sum();
    let _ = writeln!(
        page,
        "## Probe aliases: {} of {}\n",
        wanted.len() - missing,
        wanted.len()
    );
    page.push_str("| group | there | of | why the others are not |\n|---|---|---|---|\n");
    for (group, (all, missing)) in &groups {
        let reason = REASONS.iter().find(|(known, _)| known == group);
        let reason = match (missing.is_empty(), reason) {
            (true, _) => "",
            (false, Some((_, reason))) => reason,
            (false, None) => "not written yet",
        };
        let _ = writeln!(
            page,
            "| `{group}.*` | {} | {all} | {reason} |",
            all - missing.len()
        );
    }
    for (group, (_, missing)) in groups
        .iter()
        .filter(|(_, (_, missing))| !missing.is_empty())
    {
        let _ = writeln!(page, "\n`{group}.*`: {}.", list(missing));
    }
    page
}

/// Names in lines of a page's width.
fn list(names: &[&String]) -> String {
    let mut text = String::new();
    let mut width = 0;
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            text.push(',');
            width += name.len() + 4;
            match width > 90 {
                true => {
                    text.push('\n');
                    width = name.len();
                }
                false => text.push(' '),
            }
        }
        let _ = write!(text, "`{name}`");
    }
    text
}

#[test]
fn the_tally_of_the_library_is_up_to_date() {
    let page = tally();
    let path = root().join("docs/tapsets.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/tapsets.md is out of date: UPDATE=1 cargo test -p rstap-tests --test documents"
    );
}
