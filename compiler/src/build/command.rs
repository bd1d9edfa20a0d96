// SPDX-License-Identifier: GPL-2.0-or-later
//! The commands that kbuild recorded in its `.NAME.o.cmd` files, taken apart.
//!
//! kbuild writes `cmd_TARGET := COMMAND` (`savedcmd_TARGET` since Linux 6.3), where COMMAND is shell
//! text, with `$` doubled and `#` escaped for make (kernel `scripts/Kbuild.include`, `make-cmd`).
//! COMMAND may be several simple commands joined by `;` or `&&`.

use crate::output::tell_line;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::error::BuildError;

/// The simple commands of one recorded target, each as its words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// As kbuild names it; relative when kbuild ran in the module's directory.
    pub target: String,
    pub commands: Vec<Vec<String>>,
}

impl Recorded {
    /// Reads the text of a `.cmd` file. `None` if it records no command.
    pub fn parse(text: &str) -> Option<Recorded> {
        let line = text.lines().find(|line| {
            (line.starts_with("cmd_") || line.starts_with("savedcmd_")) && line.contains(":=")
        })?;
        let (name, command) = line.split_once(":=")?;
        let target = name.trim().split_once('_')?.1.to_owned();
        Some(Recorded {
            target,
            commands: split_shell(&unescape_make(command)),
        })
    }

    /// The first command whose program's file name is `name`.
    pub fn program(&self, name: &str) -> Option<&Vec<String>> {
        self.commands.iter().find(|words| {
            words
                .first()
                .and_then(|word| Path::new(word).file_name())
                .is_some_and(|file| file == name)
        })
    }
}

/// Undoes what make needs in a `.cmd` file: `$$` and `\#`.
fn unescape_make(text: &str) -> String {
    text.replace("$$", "$")
        .replace("\\#", "#")
        .replace("$(pound)", "#")
}

/// Splits shell text into simple commands and words. Knows quotes, backslashes, `;`, `&&`, `||`,
/// `|` and newlines as separators; anything else of the shell is left in the words as it is.
pub fn split_shell(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                for inner in characters.by_ref() {
                    if inner == '\'' {
                        break;
                    }
                    word.push(inner);
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(inner) = characters.next() {
                    match inner {
                        '"' => break,
                        '\\' if matches!(characters.peek(), Some('"' | '\\' | '$' | '`')) => {
                            word.extend(characters.next());
                        }
                        _ => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            ';' | '&' | '|' | '\n' => {
                words.extend(word.take());
                if !words.is_empty() {
                    commands.push(std::mem::take(&mut words));
                }
            }
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    if !words.is_empty() {
        commands.push(words);
    }
    commands
}

/// How commands are run: where, and whether they are shown.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Working directory that recorded relative paths count from.
    pub directory: PathBuf,
    /// `-vv` and more: each command goes to stderr before it runs.
    pub is_verbose: bool,
}

impl Runner {
    /// Runs one command and waits. Gives what it printed (stdout and stderr together as captured,
    /// stderr last); a status other than 0 is left to the caller.
    pub fn run(&self, words: &[String]) -> Result<(Output, String), BuildError> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(BuildError::unexpected("an empty build command"));
        };
        if self.is_verbose {
            tell_line!("Running {}", join(words));
        }
        let output = Command::new(program)
            .args(arguments.iter().map(OsString::from))
            .current_dir(&self.directory)
            // messages are parsed and matched by tools: keep them in English
            .env("LC_ALL", "C")
            // kbuild exports it, and objtool of Linux 6.12 and later reads it
            .env("SRCARCH", "x86")
            .stdin(Stdio::null())
            .output()
            .map_err(|source| BuildError::Program {
                program: program.clone(),
                source,
            })?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output, text))
    }

    /// As [`Runner::run`], and a failure is a [`BuildError::Step`].
    pub fn run_step(&self, step: &'static str, words: &[String]) -> Result<String, BuildError> {
        let (output, text) = self.run(words)?;
        if output.status.success() {
            Ok(text)
        } else {
            Err(BuildError::Step {
                step,
                command: join(words),
                output: text,
            })
        }
    }
}

/// Words as a line that a shell reads back to the same words.
pub fn join(words: &[String]) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        let is_plain = !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_=+./:,@%^".contains(c));
        if is_plain {
            line.push_str(word);
        } else {
            line.push('\'');
            line.push_str(&word.replace('\'', "'\\''"));
            line.push('\'');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_recorded_command_apart() {
        let text = "savedcmd_/m/s.o := gcc-12 -Wp,-MMD,/m/.s.o.d -DKBUILD_BASENAME='\"s\"' \
                    -DX=\\#a -c -o /m/s.o /m/s.c   ; ./tools/objtool/objtool --orc --module /m/s.o\n\
                    \nsource_/m/s.o := /m/s.c\n";
        let recorded = Recorded::parse(text).unwrap();
        assert_eq!(recorded.target, "/m/s.o");
        assert_eq!(recorded.commands.len(), 2);
        assert_eq!(recorded.commands[0][2], "-DKBUILD_BASENAME=\"s\"");
        assert_eq!(recorded.commands[0][3], "-DX=#a");
        assert_eq!(
            recorded.program("objtool").unwrap().join(" "),
            "./tools/objtool/objtool --orc --module /m/s.o"
        );
        assert!(recorded.program("ld").is_none());
    }

    #[test]
    fn shell_words_survive_joining() {
        let words: Vec<String> = ["a b", "it's", "", "-DX=\"y\"", "plain"]
            .map(String::from)
            .to_vec();
        assert_eq!(split_shell(&join(&words)), [words]);
    }

    #[test]
    fn nothing_recorded_gives_nothing() {
        assert_eq!(Recorded::parse("source_x := y\n"), None);
        assert_eq!(split_shell(" ;; \n"), Vec::<Vec<String>>::new());
        assert_eq!(split_shell("a 'unclosed"), [["a", "unclosed"]]);
    }
}
