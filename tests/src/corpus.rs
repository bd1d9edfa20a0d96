// SPDX-License-Identifier: GPL-2.0-or-later
//! The scripts to test: whole files, sections of files, and examples of documents.
//!
//! A file may hold several small scripts. Each begins behind a line `//// NAME: what it shows`;
//! before the first such line only comments may stand. Each is compiled and run as a script of its
//! own, and its lines are counted from that line on. A document's example is a block between
//! ```` ```stap ```` and ```` ``` ````; options may stand on the first of these lines
//! (```` ```stap -g ````), and a block ```` ```output ```` that follows holds all that it prints.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::programs::tests_folder;

/// A script under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its path below `tests`: `run/a/b.stp`, of a section `run/a/b/SECTION`.
    pub name: String,
    pub text: String,
    /// The file that it stands in.
    pub file: PathBuf,
    pub kind: Kind,
    /// Compiled as if the kernel's debug files were not installed.
    pub without_dwarf: bool,
}

/// Where a script comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The whole file.
    File,
    /// A part of a file or document, under this name.
    Section(String),
}

impl Script {
    /// The file to give to rstap: for a part of a file, one is written into the folder `place`.
    pub fn source(&self, place: &Path) -> Result<PathBuf, String> {
        let Kind::Section(section) = &self.kind else {
            return Ok(self.file.clone());
        };
        let path = place.join(format!("{section}.stp"));
        std::fs::write(&path, &self.text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }

    /// The content of the file with the whole expected output, if there is one.
    pub fn whole_output(&self) -> Option<String> {
        self.beside("out")
    }

    /// The same for standard error.
    pub fn whole_errors(&self) -> Option<String> {
        self.beside("err")
    }

    fn beside(&self, extension: &str) -> Option<String> {
        match self.kind {
            Kind::File => std::fs::read_to_string(self.file.with_extension(extension)).ok(),
            Kind::Section(_) => None,
        }
    }
}

/// All scripts below `tests/KIND`, sorted by file, sections in their order.
pub fn scripts(kind: &str) -> Result<Vec<Script>, String> {
    let mut files: Vec<PathBuf> = WalkDir::new(tests_folder().join(kind))
        .into_iter()
        .flatten()
        .map(|entry| entry.into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stp"))
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).map_err(|error| failed(&file, &error.to_string()))?;
        // Some scripts hold bytes that are no text, on purpose; rstap reads the file itself.
        let text = String::from_utf8_lossy(&bytes);
        let name = file
            .strip_prefix(tests_folder())
            .unwrap_or(&file)
            .display()
            .to_string();
        found.extend(split(&name, &file, &text).map_err(|problem| failed(&file, &problem))?);
    }
    Ok(found)
}

/// Scripts that say `// TWICE: btf` are given a second time, without DWARF.
pub fn doubled(scripts: Vec<Script>) -> Vec<Script> {
    let says_twice = |text: &str| text.lines().any(|line| line == "// TWICE: btf");
    let both = scripts.into_iter().flat_map(|script| {
        let second = says_twice(&script.text).then(|| Script {
            name: format!("{} (btf)", script.name),
            without_dwarf: true,
            ..script.clone()
        });
        [Some(script), second]
    });
    both.flatten().collect()
}

/// The examples of a document of the source tree, named by the headings they stand under.
pub fn examples(document: &str) -> Result<Vec<Script>, String> {
    let file = tests_folder().join("..").join(document);
    let text = std::fs::read_to_string(&file).map_err(|error| failed(&file, &error.to_string()))?;
    let name = document.trim_end_matches(".md");
    blocks(name, &file, &text).map_err(|problem| failed(&file, &problem))
}

fn failed(file: &Path, problem: &str) -> String {
    format!("{}: {problem}", file.display())
}

fn split(name: &str, file: &Path, text: &str) -> Result<Vec<Script>, String> {
    let mut found: Vec<Script> = Vec::new();
    let mut head = String::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("//// ") {
            let (section, meaning) = title.split_once(':').unwrap_or((title, ""));
            let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if section.is_empty() || !section.chars().all(known) || meaning.trim().is_empty() {
                let number = index + 1;
                return Err(format!(
                    "line {number}: write `//// lower_case_name: meaning`"
                ));
            }
            let full = format!("{}/{section}", name.trim_end_matches(".stp"));
            if found.iter().any(|script| script.name == full) {
                return Err(format!("two scripts are called {section}"));
            }
            found.push(Script {
                name: full,
                text: String::new(),
                file: file.to_path_buf(),
                kind: Kind::Section(section.to_string()),
                without_dwarf: false,
            });
        } else if let Some(script) = found.last_mut() {
            script.text.push_str(line);
            script.text.push('\n');
        } else {
            head.push_str(line);
            head.push('\n');
        }
    }
    if found.is_empty() {
        return Ok(vec![Script {
            name: name.to_string(),
            text: text.to_string(),
            file: file.to_path_buf(),
            kind: Kind::File,
            without_dwarf: false,
        }]);
    }
    let comment = |line: &str| line.trim().is_empty() || line.starts_with("//");
    match head.lines().find(|line| !comment(line)) {
        Some(line) => Err(format!(
            "before the first `////` only comments may stand: {line}"
        )),
        None => Ok(found),
    }
}

/// What a fenced block of a document is for.
enum Block {
    /// A script, with options.
    Script(String),
    Output,
    Other,
}

fn blocks(name: &str, file: &Path, text: &str) -> Result<Vec<Script>, String> {
    let mut found: Vec<Script> = Vec::new();
    let mut heading = String::new();
    let mut open: Option<(Block, String)> = None;
    let mut last_was_script = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let Some(info) = line.strip_prefix("```") else {
            match &mut open {
                Some((_, body)) => {
                    body.push_str(line);
                    body.push('\n');
                }
                None if line.starts_with('#') => heading = slug(line),
                None => {}
            }
            continue;
        };
        let Some((block, body)) = open.take() else {
            let (word, options) = info.split_once(' ').unwrap_or((info, ""));
            let block = match word {
                "stap" => Block::Script(options.to_string()),
                "output" if last_was_script => Block::Output,
                "output" => return Err(format!("line {number}: output of no script")),
                _ => Block::Other,
            };
            open = Some((block, String::new()));
            continue;
        };
        last_was_script = matches!(block, Block::Script(_));
        match (block, found.last_mut()) {
            (Block::Script(options), _) => {
                let count = found
                    .iter()
                    .filter(|script| script.name.starts_with(&format!("{name}/{heading}_")))
                    .count();
                let section = format!("{heading}_{}", count + 1);
                let mut text = body;
                if !options.is_empty() {
                    text.push_str(&format!("// RUN: {options}\n"));
                }
                found.push(Script {
                    name: format!("{name}/{section}"),
                    text,
                    file: file.to_path_buf(),
                    kind: Kind::Section(section),
                    without_dwarf: false,
                });
            }
            (Block::Output, Some(script)) => {
                for line in body.lines() {
                    script.text.push_str(&format!("//> {line}\n"));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// A heading as a name: `## If and else` is `if_and_else`.
fn slug(heading: &str) -> String {
    let words: Vec<String> = heading
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(text: &str) -> Result<Vec<(String, String)>, String> {
        let found = split("run/a.stp", Path::new("a.stp"), text)?;
        Ok(found.into_iter().map(|s| (s.name, s.text)).collect())
    }

    #[test]
    fn a_file_is_one_script_or_several() {
        assert_eq!(
            sections("x\n").unwrap(),
            [("run/a.stp".into(), "x\n".into())]
        );
        assert_eq!(
            sections("// head\n//// one: 1\na\n//// two: 2\nb\n").unwrap(),
            [
                ("run/a/one".into(), "a\n".into()),
                ("run/a/two".into(), "b\n".into())
            ]
        );
        assert!(sections("probe\n//// one: 1\n").is_err());
        assert!(sections("//// one: 1\n//// one: 2\n").is_err());
        assert!(sections("//// one\n").is_err());
    }

    #[test]
    fn examples_carry_options_and_output() {
        let text = "# Big words\n```stap -g\nx\n```\n\n```output\n5\n```\n```sh\n```\n";
        let found = blocks("docs/d", Path::new("d.md"), text).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "docs/d/big_words_1");
        assert_eq!(found[0].text, "x\n// RUN: -g\n//> 5\n");
        assert!(blocks("d", Path::new("d.md"), "```output\n```\n").is_err());
    }
}
