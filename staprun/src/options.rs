// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line.

use std::ffi::OsString;

use crate::report::{Colour, Failure, Result};

/// `-h` and the text after a wrong option.
pub const USAGE: &str = "\
Usage: staprun [OPTION]... MODULE[.ko] [NAME=VALUE]...
       staprun -A MODULE
       staprun -d MODULE...

Loads a module that rstap built, prints what it prints, and unloads it.
MODULE with a slash or ending in .ko is a path; a plain name is looked for in
/lib/modules/RELEASE/rstap and /lib/modules/RELEASE/systemtap.
NAME=VALUE sets a global variable of the script.

  -v            Say more; repeat for more still.
  -V            Print the version.
  -h            Print this help.
  -w            Print no warnings.
  -c CMD        Run CMD; target() is its process; the session ends with it.
  -x PID        target() is PID (also -t PID).
  -N PID        Take the namespaces of PID as the target's.
  -o FILE       Write output to FILE; strftime(3) formats are filled in.
  -b MB         Buffer of each CPU, 1 to 4095 megabytes (also -s MB).
  -S SIZE[,N]   Start a new file after SIZE megabytes, keep the last N.
  -D            Go to the background; needs -o.
  -T MS         Accepted for compatibility; readers are woken, not polled.
  -L            Load, start, and leave the module running.
  -A            Attach to a module that is running.
  -d            Unload modules; '*' for all that nobody uses.
  -R            Give the module a name of its own, so that several can run.
  -r N:URI      This machine's number and address for the script.
  -C WHEN       Colour messages: auto, always or never.
  -M SECONDS    Show the monitor, refreshed every SECONDS.
  -i            Give standard input to the script (input.char, input.line).
  -u            Accepted for compatibility; every kernel has uprobes.
      --summary=json   Print the final account as JSON on stderr.

Signals: INT, TERM, HUP end the session; USR2 starts a new output file; QUIT
leaves the module running.
";

/// What to do with the modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Load, run, unload.
    #[default]
    Run,
    /// `-L`: load, start, leave.
    LoadAndDetach,
    /// `-A`: take over a running module.
    Attach,
    /// `-d`: unload.
    Delete,
    /// `-h`.
    Help,
    /// `-V`.
    Version,
}

/// `-S SIZE[,N]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of one file; 0 for no limit (only `SIGUSR2` switches).
    pub bytes: u64,
    /// How many files are kept; 0 for all.
    pub keep: u64,
}

/// The command line, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// What to do.
    pub mode: Mode,
    /// How many `-v`.
    pub verbosity: u32,
    /// `-w`.
    pub suppress_warnings: bool,
    /// `-c`.
    pub command: Option<String>,
    /// `-x` or `-t`.
    pub target: Option<i32>,
    /// `-N`.
    pub namespaces: Option<i32>,
    /// `-o`.
    pub output: Option<String>,
    /// `-b` or `-s`, in megabytes.
    pub buffer_megabytes: Option<u32>,
    /// `-S`.
    pub rotation: Option<Rotation>,
    /// `-D`.
    pub daemon: bool,
    /// `-R`.
    pub rename: bool,
    /// `-r`.
    pub remote: Option<(u64, String)>,
    /// `-C`.
    pub colour: Colour,
    /// `-M`, in seconds.
    pub monitor: Option<u32>,
    /// `-i`.
    pub stdin: bool,
    /// `--summary=json`.
    pub summary_json: bool,
    /// MODULE; several only for [`Mode::Delete`].
    pub modules: Vec<String>,
    /// `NAME=VALUE` for the script's globals.
    pub parameters: Vec<(String, String)>,
}

/// Most parameters of a module, as SystemTap.
const PARAMETERS_MAXIMUM: usize = 64;

/// Reads the arguments after the program's name.
///
/// # Errors
/// An unknown option, a missing or wrong value, or options that exclude each
/// other.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Options> {
    let mut options = Options::default();
    let mut words = Vec::new();
    let mut arguments = arguments.into_iter().map(|argument| {
        argument.into_string().map_err(|bad| {
            Failure::new(format!(
                "argument '{}' is not UTF-8 text",
                bad.to_string_lossy()
            ))
        })
    });
    while let Some(argument) = arguments.next().transpose()? {
        if argument == "--" {
            words.extend(arguments.by_ref().collect::<Result<Vec<_>>>()?);
        } else if let Some(long) = argument.strip_prefix("--") {
            long_option(&mut options, long)?;
        } else if argument.len() > 1 && argument.starts_with('-') {
            short_options(&mut options, &argument, &mut arguments)?;
        } else {
            words.push(argument);
        }
    }
    assign_words(&mut options, words)?;
    check(&options)?;
    Ok(options)
}

fn long_option(options: &mut Options, option: &str) -> Result<()> {
    match option {
        "help" => options.mode = Mode::Help,
        "version" => options.mode = Mode::Version,
        "summary=json" => options.summary_json = true,
        other => {
            return Err(Failure::new(format!(
                "unknown option '--{other}'; 'staprun -h' lists them"
            )));
        }
    }
    Ok(())
}

/// A cluster such as `-vvw` or `-ofile`.
fn short_options(
    options: &mut Options,
    cluster: &str,
    arguments: &mut impl Iterator<Item = Result<String>>,
) -> Result<()> {
    let mut letters = cluster.chars();
    letters.next();
    while let Some(letter) = letters.next() {
        // -u may have a path behind it, and does nothing with it.
        if letter == 'u' {
            return Ok(());
        }
        if "bcxtNosSTrCM".contains(letter) {
            let attached = letters.as_str();
            let value = if attached.is_empty() {
                arguments.next().transpose()?.ok_or_else(|| {
                    Failure::new(format!(
                        "option '-{letter}' needs a value; see 'staprun -h'"
                    ))
                })?
            } else {
                attached.to_owned()
            };
            return valued_option(options, letter, value);
        }
        flag(options, letter)?;
    }
    Ok(())
}

fn flag(options: &mut Options, letter: char) -> Result<()> {
    match letter {
        'v' => options.verbosity += 1,
        'w' => options.suppress_warnings = true,
        'D' => options.daemon = true,
        'R' => options.rename = true,
        'i' => options.stdin = true,
        'h' => options.mode = Mode::Help,
        'V' => options.mode = Mode::Version,
        'L' => set_mode(options, Mode::LoadAndDetach)?,
        'A' => set_mode(options, Mode::Attach)?,
        'd' => set_mode(options, Mode::Delete)?,
        other => {
            return Err(Failure::new(format!(
                "unknown option '-{other}'; 'staprun -h' lists them"
            )));
        }
    }
    Ok(())
}

fn set_mode(options: &mut Options, mode: Mode) -> Result<()> {
    if matches!(options.mode, Mode::Help | Mode::Version) {
        return Ok(());
    }
    if options.mode != Mode::Run && options.mode != mode {
        return Err(Failure::new(
            "You can only use one of the -L, -A and -d options.",
        ));
    }
    options.mode = mode;
    Ok(())
}

fn valued_option(options: &mut Options, letter: char, value: String) -> Result<()> {
    match letter {
        'c' => {
            if value.trim().is_empty() {
                return Err(Failure::new("the command of -c is empty"));
            }
            options.command = Some(value);
        }
        'x' | 't' => options.target = Some(process(letter, &value)?),
        'N' => options.namespaces = Some(process(letter, &value)?),
        'o' => {
            if value.is_empty() {
                return Err(Failure::new("the file name of -o is empty"));
            }
            options.output = Some(value);
        }
        'b' | 's' => {
            let size = value.parse().ok().filter(|size| (1..=4095).contains(size));
            options.buffer_megabytes = Some(size.ok_or_else(|| {
                Failure::new(format!("Invalid buffer size '{value}' (should be 1-4095)."))
            })?);
        }
        'S' => options.rotation = Some(rotation(&value)?),
        'T' => {
            let timeout = value.parse::<u32>().ok().filter(|timeout| *timeout > 0);
            timeout.ok_or_else(|| {
                Failure::new(format!(
                    "-T takes a number of milliseconds above 0, not '{value}'"
                ))
            })?;
        }
        'r' => options.remote = Some(remote(&value)?),
        'C' => {
            options.colour = match value.as_str() {
                "auto" => Colour::Auto,
                "always" => Colour::Always,
                "never" => Colour::Never,
                _ => {
                    return Err(Failure::new(format!(
                        "Invalid argument '{value}' for -C (should be auto, always or never)."
                    )));
                }
            };
        }
        _ => {
            let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
            options.monitor = Some(seconds.ok_or_else(|| {
                Failure::new(format!(
                    "-M takes a number of seconds above 0, not '{value}'"
                ))
            })?);
        }
    }
    Ok(())
}

fn process(letter: char, value: &str) -> Result<i32> {
    value.parse().ok().filter(|pid| *pid > 0).ok_or_else(|| {
        Failure::new(format!(
            "Invalid process id '{value}' for -{letter}: a number above 0."
        ))
    })
}

fn rotation(value: &str) -> Result<Rotation> {
    let invalid = || {
        Failure::new(format!(
            "Invalid file size option '{value}' for -S: SIZE[,N], both above 0, SIZE in megabytes."
        ))
    };
    let (size, keep) = match value.split_once(',') {
        Some((size, keep)) => (
            size,
            keep.parse()
                .ok()
                .filter(|keep| *keep > 0)
                .ok_or_else(invalid)?,
        ),
        None => (value, 0),
    };
    let megabytes: u64 = size
        .parse()
        .ok()
        .filter(|size| *size > 0)
        .ok_or_else(invalid)?;
    let bytes = megabytes.checked_mul(1 << 20).ok_or_else(invalid)?;
    Ok(Rotation { bytes, keep })
}

fn remote(value: &str) -> Result<(u64, String)> {
    value
        .split_once(':')
        .and_then(|(number, uri)| Some((number.parse().ok()?, uri.to_owned())))
        .ok_or_else(|| Failure::new(format!("Cannot process remote id option '{value}': N:URI.")))
}

fn assign_words(options: &mut Options, words: Vec<String>) -> Result<()> {
    if matches!(options.mode, Mode::Help | Mode::Version) {
        return Ok(());
    }
    if options.mode == Mode::Delete {
        options.modules = words;
    } else {
        let mut words = words.into_iter();
        options.modules.extend(words.next());
        for word in words {
            let (name, value) = word
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| {
                    Failure::new(format!(
                        "Invalid module option '{word}': it must be NAME=VALUE."
                    ))
                })?;
            options.parameters.push((name.to_owned(), value.to_owned()));
        }
    }
    if options.modules.is_empty() {
        return Err(Failure::new(
            "Need a module name or path to load; see 'staprun -h'.",
        ));
    }
    if options.parameters.len() > PARAMETERS_MAXIMUM {
        return Err(Failure::new(format!(
            "Too many module options: {} of at most {PARAMETERS_MAXIMUM}.",
            options.parameters.len()
        )));
    }
    Ok(())
}

impl Options {
    /// Warnings about options that the others leave nothing to do for.
    pub fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        let is_left = self.mode == Mode::LoadAndDetach;
        let texts = [
            (
                is_left && self.output.is_some(),
                "-o has no effect with -L; give it to 'staprun -A', which reads the output",
            ),
            (
                is_left && self.stdin,
                "-i has no effect with -L; give it to 'staprun -A'",
            ),
            (
                is_left && self.summary_json,
                "--summary=json has no effect with -L; give it to 'staprun -A'",
            ),
            (
                self.mode == Mode::Attach && self.rename,
                "-R has no effect with -A; the module keeps its name",
            ),
        ];
        texts
            .into_iter()
            .filter_map(|(applies, text)| applies.then_some(text))
    }
}

fn check(options: &Options) -> Result<()> {
    let rules = [
        (
            options.command.is_some() && options.target.is_some(),
            "You can't specify the '-c' and '-x' options together.",
        ),
        (
            options.mode == Mode::Attach && options.buffer_megabytes.is_some(),
            "You can't specify the '-A' and '-b' options together.",
        ),
        (
            options.mode == Mode::Attach && options.command.is_some(),
            "You can't specify the '-A' and '-c' options together.",
        ),
        (
            options.mode == Mode::Attach && options.target.is_some(),
            "You can't specify the '-A' and '-x' options together.",
        ),
        (
            options.mode == Mode::Attach && options.namespaces.is_some(),
            "You can't specify the '-A' and '-N' options together.",
        ),
        (
            options.mode == Mode::Attach && options.remote.is_some(),
            "You can't specify the '-A' and '-r' options together.",
        ),
        (
            options.mode == Mode::Attach && !options.parameters.is_empty(),
            "Module options can't be set for a module that is running (-A).",
        ),
        (
            options.daemon && options.mode == Mode::LoadAndDetach,
            "You can't specify the '-D' and '-L' options together.",
        ),
        (
            options.daemon && options.mode == Mode::Delete,
            "You can't specify the '-D' and '-d' options together.",
        ),
        (
            options.daemon && options.command.is_some(),
            "You can't specify the '-D' and '-c' options together.",
        ),
        (
            options.mode == Mode::LoadAndDetach && options.command.is_some(),
            "You can't specify the '-L' and '-c' options together.",
        ),
        (
            options.mode == Mode::LoadAndDetach && options.monitor.is_some(),
            "You can't specify the '-L' and '-M' options together.",
        ),
        (
            options.daemon && options.output.is_none(),
            "You have to specify output FILE with '-D'.",
        ),
        (
            options.rotation.is_some() && options.output.is_none(),
            "You have to specify output FILE with '-S'.",
        ),
        (
            options.daemon && options.monitor.is_some(),
            "You can't specify the '-D' and '-M' options together.",
        ),
        (
            options.monitor.is_some() && options.output.is_some(),
            "You can't specify the '-M' and '-o' options together.",
        ),
        (
            options.stdin && (options.daemon || options.monitor.is_some()),
            "You can't specify the '-i' option together with '-D' or '-M'.",
        ),
    ];
    match rules.iter().find(|(broken, _)| *broken) {
        Some((_, text)) => Err(Failure::new(*text)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
