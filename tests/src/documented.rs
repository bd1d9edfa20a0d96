// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of tests in `docs/language.md` names every script of the language, and nothing else.

use crate::corpus::scripts;

/// What is wrong with the table of a document.
///
/// # Errors
/// The scripts cannot be read.
fn check(document: &str) -> Result<Vec<String>, String> {
    let mut tests: Vec<String> = Vec::new();
    for kind in ["run", "ui"] {
        let names = scripts(kind)?.into_iter().map(|script| script.name);
        tests.extend(names.map(|name| {
            let name = name.strip_prefix("run/language/").unwrap_or(&name);
            name.trim_end_matches(".stp").to_string()
        }));
    }
    let named = names(document);
    let mut problems = Vec::new();
    for name in &named {
        if !tests.iter().any(|test| stands_for(name, test)) {
            problems.push(format!("no test is called {name}"));
        }
    }
    let of_the_language = |test: &&String| !test.starts_with("ui/") && !test.starts_with("run/");
    for test in tests.iter().filter(of_the_language) {
        if !named.iter().any(|name| stands_for(name, test)) {
            problems.push(format!("the table does not name {test}"));
        }
    }
    Ok(problems)
}

/// `a/*` is all that is in the folder or file `a`.
fn stands_for(name: &str, test: &str) -> bool {
    match name.strip_suffix('*') {
        Some(folder) => test.starts_with(folder),
        None => name == test,
    }
}

/// The names between backquotes in the last column of the table behind the heading `Tests`.
fn names(document: &str) -> Vec<String> {
    let table = document
        .rsplit_once("\n## Tests\n")
        .map_or("", |(_, end)| end);
    table
        .lines()
        .filter_map(|line| line.trim_end_matches([' ', '|']).rsplit_once('|'))
        .flat_map(|(_, column)| column.split('`').skip(1).step_by(2))
        .filter(|name| !name.ends_with(".rs"))
        .map(str::to_string)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_last_column() {
        let text = "`no`\n## Tests\n\n| a | b |\n|---|---|\n| `x` | `c/*`, `d` |\n| y | `z.rs` |\n";
        assert_eq!(names(text), ["c/*", "d"]);
        assert!(stands_for("c/*", "c/d") && !stands_for("c", "c/d"));
    }

    #[test]
    fn every_script_of_the_language_is_documented() {
        let file = crate::programs::tests_folder().join("../docs/language.md");
        let document = std::fs::read_to_string(file).unwrap();
        let none: [String; 0] = [];
        assert_eq!(check(&document).unwrap(), none);
        assert!(!check("").unwrap().is_empty());
    }
}
