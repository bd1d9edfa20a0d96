// SPDX-License-Identifier: GPL-2.0-or-later
use std::collections::BTreeSet;
use std::path::Path;

use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, LibraryMacros, parse_library_macros, parse_script};

use super::*;
use crate::library::TapsetLibrary;
use crate::semantic::analyze::analyze;
use crate::semantic::session::{SemanticOptions, Session};
use crate::target::FixtureTarget;

/// Codes whose cause is no script: files that cannot be read, or are damaged; options.
const WITHOUT_EXAMPLE: [&str; 5] = ["E0412", "W0206", "W0207", "W0208", "W0103"];

/// All codes in the sources of the compiler.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let roots = ["src", "syntax/src"].map(|root| Path::new(env!("CARGO_MANIFEST_DIR")).join(root));
    let entries = roots.iter().flat_map(walkdir::WalkDir::new);
    for entry in entries.map(|entry| entry.expect("readable")) {
        let path = entry.path();
        let is_test = path.components().any(|part| {
            let name = part.as_os_str().to_string_lossy();
            name == "tests" || name == "tests.rs"
        });
        if is_test || path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("readable");
        let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        codes.extend(
            code.split('"')
                .filter(|word| {
                    word.len() == 5
                        && word.starts_with(['E', 'W'])
                        && word.chars().skip(1).all(|digit| digit.is_ascii_digit())
                })
                .map(str::to_owned),
        );
    }
    codes
}

/// The first indented block.
fn example(page: &Page) -> Option<String> {
    let lines = page
        .text
        .lines()
        .skip_while(|line| !line.starts_with("    "));
    let lines: Vec<&str> = lines.map_while(|line| line.strip_prefix("    ")).collect();
    (!lines.is_empty()).then(|| lines.join("\n") + "\n")
}

/// A script with what its first line says of how it is run.
struct Example {
    text: String,
    guru: bool,
    skip_badvars: bool,
    arguments: Vec<String>,
    is_macro_file: bool,
    is_read_twice: bool,
    /// `-E`
    extra: String,
    /// A file of the tapset library.
    library: String,
}

impl Example {
    fn new(text: &str) -> Example {
        let mut example = Example {
            text: text.to_owned(),
            guru: false,
            skip_badvars: false,
            arguments: Vec::new(),
            is_macro_file: false,
            is_read_twice: false,
            extra: String::new(),
            library: String::new(),
        };
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        if let Some(extra) = first.strip_prefix("# rstap -E ") {
            example.extra = extra.trim_matches('\'').to_owned();
        } else if let Some(library) = first.strip_prefix("# with a library: ") {
            example.library = library.to_owned();
        } else if let Some(words) = first.strip_prefix("# rstap ") {
            let mut words = words.split(' ').map(|word| word.trim_matches('\''));
            for word in words.by_ref() {
                match word {
                    "-g" => example.guru = true,
                    "--skip-badvars" => example.skip_badvars = true,
                    "-" => break,
                    other => panic!("{other} in {text}"),
                }
            }
            example.arguments = words.map(str::to_owned).collect();
        } else if let Some(words) = first.strip_prefix("# library.stpm") {
            example.is_macro_file = true;
            example.is_read_twice = words == " twice";
        } else if let Some(words) = first.strip_prefix("# repeat ") {
            let (count, piece) = words.split_once(" times: ").expect("count and piece");
            let many = piece.repeat(count.parse().expect("a number"));
            example.text = rest.replacen(piece, &many, 1);
        }
        example
    }

    /// Codes of all messages, causes among them.
    fn codes(&self) -> BTreeSet<&'static str> {
        let mut sources = SourceMap::new();
        let environment = Environment {
            guru: self.guru,
            ..Environment::default()
        };
        let mut macros = LibraryMacros::default();
        let mut found = BTreeSet::new();
        if self.is_macro_file {
            for _ in 0..=usize::from(self.is_read_twice) {
                let messages = parse_library_macros(
                    &mut sources,
                    "library.stpm",
                    &self.text,
                    &environment,
                    &mut macros,
                );
                collect(&messages, &mut found);
            }
            return found;
        }
        let (file, messages) = parse_script(
            &mut sources,
            "<input>",
            self.text.as_str(),
            &environment,
            &macros,
            &self.arguments,
        );
        collect(&messages, &mut found);
        if messages.iter().any(Diagnostic::is_error) {
            return found;
        }
        let target = FixtureTarget::with_vfs_read();
        let options = SemanticOptions {
            guru: self.guru,
            skip_badvars: self.skip_badvars,
            ..SemanticOptions::default()
        };
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("library.stp"), &self.library).expect("a tapset");
        let (extra, _) = parse_script(
            &mut sources,
            "<extra>",
            self.extra.as_str(),
            &environment,
            &macros,
            &[],
        );
        let roots = [folder.path().to_owned()];
        let environment = Environment {
            tapset: true,
            ..environment
        };
        let library = TapsetLibrary::open(&roots, environment, &mut sources);
        let session = Session::new(&target, &library, options, sources);
        session.add_user_file(file);
        session.add_user_file(extra);
        analyze(&session, "input");
        collect(&session.take_diagnostics(), &mut found);
        found
    }
}

fn collect(messages: &[Diagnostic], found: &mut BTreeSet<&'static str>) {
    for message in messages {
        found.insert(message.code);
        collect(&message.causes, found);
    }
}

#[test]
fn pages_are_found_by_code() {
    let first = pages().next().expect("pages");
    assert_eq!(page(&first.code().to_lowercase()), Some(first));
    assert_eq!(page("E9999"), None);
}

#[test]
fn every_code_has_one_page_and_every_page_a_code() {
    let written: Vec<String> = pages().map(|page| page.code().to_owned()).collect();
    let sorted: Vec<String> = codes().into_iter().collect();
    assert_eq!(written, sorted);
    for page in pages() {
        assert!(page.text.len() > 40, "{}", page.heading);
    }
}

#[test]
fn examples_produce_their_code() {
    for page in pages().filter(|page| !WITHOUT_EXAMPLE.contains(&page.code())) {
        let text = example(&page).unwrap_or_else(|| panic!("{} has no example", page.heading));
        let codes = Example::new(&text).codes();
        assert!(
            codes.contains(page.code()),
            "{} gives {codes:?}: {text}",
            page.heading
        );
    }
}

/// What a page calls right must be accepted.
#[test]
fn corrected_examples_are_right() {
    let mut corrected = 0;
    for page in pages() {
        let Some((_, text)) = page.text.split_once(" is:\n\n") else {
            continue;
        };
        let block = Page { text, ..page };
        let text = example(&block).expect("an example behind the colon");
        let codes = Example::new(&text).codes();
        let errors: Vec<_> = codes.iter().filter(|code| code.starts_with('E')).collect();
        // The fixture knows no structures.
        assert!(
            errors.is_empty() || text.contains("->"),
            "{} gives {errors:?}: {text}",
            page.heading
        );
        corrected += 1;
    }
    assert!(corrected > 8, "{corrected}");
}
