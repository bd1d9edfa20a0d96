// SPDX-License-Identifier: GPL-2.0-or-later
//! Directives in the comments at the top of a test script.
//!
//! | directive | meaning |
//! |---|---|
//! | `// RUN: -g -c 'CMD'` | options of rstap; `-c` is the loader's |
//! | `// STAPRUN: -v global=1` | more options of the loader; `name=value` go after the module |
//! | `// ARGS: one 'two words'` | arguments of the script |
//! | `code //> line` | a line of output; such lines are the whole standard output |
//! | `// EXPECT: line` | a line of output, in the order of the directives |
//! | `// EXPECT-REGEX: pattern` | the same, as a regular expression for the whole line |
//! | `// EXPECT-NOT: text` | no line of output holds this |
//! | `// EXPECT-ERROR: text` | standard error, of the compiler or the loader, holds this |
//! | `// EXIT: 1` | the exit status; 0 if absent |
//! | `// REQUIRES: dwarf` | skipped when the kernel's debug files are not there |
//! | `// REQUIRES: kernel>=6.1` | skipped on older kernels |
//! | `// REQUIRES: CONFIG_NFSD` | skipped on kernels that were configured without it |
//! | `// REQUIRES: CONFIG_KASAN=n` | skipped on kernels that were configured with it |
//! | `// REQUIRES: program NAME` | skipped when the host has no such program, or cannot share it with the guest |
//! | `// TIMEOUT: 60` | seconds in the guest of an idle machine; 30 if absent |
//! | `// STDIN: text` | standard input of the loader, a line each |
//! | `// PROGRAM: file.c -O2` | a C file beside the script, compiled to `./file`, with these options instead of `-O1 -static -pthread` |
//! | `// EXAMPLE: file.stp` | the script is this file of the folder `examples` |
//! | `// MODULE: folder` | a kernel module, its sources in a folder beside the script, loaded as `./folder.ko` |
//! | `// TWICE: btf` | run again as if the debug files were not installed; the same is expected |
//! | `// SHELL: command` | a line of what runs in the guest instead of the loader; `$STAPRUN`, `$MODULE` are set, `$KERNEL` to the folder that holds this kernel's `lib/modules`, and `$STRESS`, 1 or how much more of everything is wanted; `await TEXT COMMAND` runs a command until it prints the text, or long enough, and prints what it printed last; a file outside its folder bears the test's name, since the guest is not new for each |
//!
//! `$TESTS` in `RUN` is the folder `tests`.
//!
//! A script that never calls `exit()` and names no command runs with `-c true`. A file with the
//! script's name and `.out` instead of `.stp` holds the whole standard output, in `tests/ui` one with
//! `.err` the whole standard error.

use std::time::Duration;

/// A line of output to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Exact(String),
    Pattern(String),
}

/// A condition for a test to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    Dwarf,
    Btf,
    /// At least this kernel version.
    Kernel(Vec<u64>),
    /// An option that the kernel was configured with, or without.
    Option {
        name: String,
        wanted: bool,
    },
    /// A program of the host, to be run in the guest.
    Program(String),
}

/// All that a script's comments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    pub options: Vec<String>,
    pub command: Option<String>,
    pub loader_options: Vec<String>,
    pub arguments: Vec<String>,
    /// The whole standard output, if the script says it.
    pub whole: Option<String>,
    pub lines: Vec<Line>,
    pub absent: Vec<String>,
    pub errors: Vec<String>,
    pub status: i32,
    pub requirements: Vec<Requirement>,
    pub limit: Duration,
    pub input: Vec<u8>,
    pub programs: Vec<String>,
    pub modules: Vec<String>,
    pub example: Option<String>,
    pub shell: Option<String>,
}

/// Reads the directives of a script. The error names the line.
pub fn parse(script: &str) -> Result<Directives, String> {
    let mut found = Directives {
        options: Vec::new(),
        command: None,
        loader_options: Vec::new(),
        arguments: Vec::new(),
        whole: None,
        lines: Vec::new(),
        absent: Vec::new(),
        errors: Vec::new(),
        status: 0,
        requirements: Vec::new(),
        limit: Duration::from_secs(30),
        input: Vec::new(),
        programs: Vec::new(),
        modules: Vec::new(),
        example: None,
        shell: None,
    };
    let mut calls_exit = false;
    for (index, line) in script.lines().enumerate() {
        let text = line.trim_start();
        if let Some((_, output)) = line.split_once("//>") {
            let whole = found.whole.get_or_insert_default();
            whole.push_str(output.strip_prefix(' ').unwrap_or(output));
            whole.push('\n');
        }
        let Some(comment) = text.strip_prefix("//").or_else(|| text.strip_prefix('#')) else {
            calls_exit |= text.contains("exit");
            continue;
        };
        if let Some((name, value)) = comment.trim_start().split_once(':') {
            let value = value.strip_prefix(' ').unwrap_or(value);
            found
                .take(name, value)
                .map_err(|problem| format!("line {}: {name}: {problem}", index + 1))?;
        }
    }
    if found.command.is_none() && !calls_exit && found.shell.is_none() {
        found.command = Some("true".to_string());
    }
    Ok(found)
}

impl Directives {
    /// True if nothing is said about output, errors or the status.
    pub fn expects_nothing(&self) -> bool {
        self.whole.is_none()
            && self.lines.is_empty()
            && self.absent.is_empty()
            && self.errors.is_empty()
            && self.status == 0
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "RUN" => {
                let mut words = split_words(value)?.into_iter();
                while let Some(word) = words.next() {
                    if word == "-c" {
                        self.command = Some(words.next().ok_or("-c needs a command")?);
                    } else {
                        self.options.push(word);
                    }
                }
            }
            "STAPRUN" => self.loader_options.extend(split_words(value)?),
            "ARGS" => self.arguments.extend(split_words(value)?),
            "EXPECT" => self.lines.push(Line::Exact(value.to_string())),
            "EXPECT-REGEX" => self.lines.push(Line::Pattern(value.to_string())),
            "EXPECT-NOT" => self.absent.push(value.to_string()),
            "EXPECT-ERROR" => self.errors.push(value.to_string()),
            "EXIT" => self.status = value.trim().parse().map_err(|_| "not a number")?,
            "REQUIRES" => self.requirements.push(requirement(value.trim())?),
            "TIMEOUT" => {
                let seconds = value.trim().parse().map_err(|_| "not a number")?;
                self.limit = Duration::from_secs(seconds);
            }
            "STDIN" => {
                self.input.extend_from_slice(value.as_bytes());
                self.input.push(b'\n');
            }
            "PROGRAM" => self.programs.push(value.trim().to_string()),
            "MODULE" => self.modules.push(value.trim().to_string()),
            "EXAMPLE" => self.example = Some(value.trim().to_string()),
            "SHELL" => {
                let shell = self.shell.get_or_insert_default();
                if !shell.is_empty() {
                    shell.push('\n');
                }
                shell.push_str(value);
            }
            // Other comments may hold colons as well.
            _ => {}
        }
        Ok(())
    }
}

fn requirement(text: &str) -> Result<Requirement, String> {
    match text {
        "dwarf" => Ok(Requirement::Dwarf),
        "btf" => Ok(Requirement::Btf),
        _ => {
            if let Some(version) = text.strip_prefix("kernel>=") {
                Ok(Requirement::Kernel(version_numbers(version)))
            } else if text.starts_with("CONFIG_") {
                let absent = text.strip_suffix("=n");
                Ok(Requirement::Option {
                    name: absent.unwrap_or(text).to_string(),
                    wanted: absent.is_none(),
                })
            } else if let Some(name) = text.strip_prefix("program ") {
                Ok(Requirement::Program(name.trim().to_string()))
            } else {
                Err(format!(
                    "{text:?} is not dwarf, btf, kernel>=VERSION, CONFIG_NAME, CONFIG_NAME=n or program NAME"
                ))
            }
        }
    }
}

/// The numbers of a version or release: `6.1.0-56-cloud` is 6, 1, 0, 56.
pub fn version_numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

/// Splits a line into words as a shell does: spaces separate, quotes and backslashes protect.
pub fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(c),
            (_, '\\') => {
                let next = characters.next().ok_or("ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_string());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(
            split_words(r#"-g -c 'a "b"' "" x\ y"#).unwrap(),
            ["-g", "-c", "a \"b\"", "", "x y"]
        );
        assert!(split_words("'open").is_err());
    }

    #[test]
    fn output_stands_beside_the_code() {
        let found = parse("println(5) //> 5\n//>\n//>  x\n").unwrap();
        assert_eq!(found.whole.as_deref(), Some("5\n\n x\n"));
        assert_eq!(parse("").unwrap().whole, None);
    }

    #[test]
    fn the_command_is_taken_out_of_the_options() {
        let found =
            parse("// RUN: -g -c 'cat /x' --vp 1\n// EXPECT:  two  \n// EXIT: 3\n").unwrap();
        assert_eq!(found.options, ["-g", "--vp", "1"]);
        assert_eq!(found.command.as_deref(), Some("cat /x"));
        assert_eq!(found.lines, [Line::Exact(" two  ".into())]);
        assert_eq!(found.status, 3);
    }

    #[test]
    fn scripts_that_end_by_themselves_get_no_command() {
        assert_eq!(parse("probe begin { exit() }").unwrap().command, None);
        assert_eq!(
            parse("probe begin { }").unwrap().command.as_deref(),
            Some("true")
        );
    }

    #[test]
    fn mistakes_name_their_line() {
        assert!(
            parse("\n// EXIT: x")
                .unwrap_err()
                .starts_with("line 2: EXIT")
        );
        assert!(parse("// REQUIRES: luck").is_err());
    }

    #[test]
    fn a_program_of_the_host_can_be_required() {
        let found = parse("// REQUIRES: dwarf\n// REQUIRES: program stress-ng\n").unwrap();
        let program = Requirement::Program("stress-ng".to_string());
        assert_eq!(found.requirements, [Requirement::Dwarf, program]);
    }

    #[test]
    fn the_kernel_may_have_to_be_configured_with_something_or_without() {
        let found = parse("// REQUIRES: CONFIG_NFSD\n// REQUIRES: CONFIG_KASAN=n\n").unwrap();
        let option = |name: &str, wanted| Requirement::Option {
            name: name.to_string(),
            wanted,
        };
        assert_eq!(
            found.requirements,
            [option("CONFIG_NFSD", true), option("CONFIG_KASAN", false)]
        );
    }
}
