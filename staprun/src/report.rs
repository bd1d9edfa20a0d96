// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes to stderr: errors, warnings, logs and the steps of `-v`.

use std::collections::HashSet;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::net::UnixDatagram;

/// Different warnings that are remembered to print each once, as SystemTap.
const REMEMBERED_WARNINGS: usize = 1024;

/// Failure with the text for the user; where, why and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Result of the loader's steps.
pub type Result<T> = std::result::Result<T, Failure>;

/// `1 string`, `2 strings`.
#[must_use]
pub fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        _ => format!("{count} {thing}s"),
    }
}

/// When `ERROR:` and `WARNING:` are coloured (`-C`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// When stderr is a terminal that is not dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes to stderr and remembers whether an error was among it.
#[derive(Debug, Default)]
pub struct Reporter {
    verbosity: u32,
    suppress_warnings: bool,
    colours: Option<Colours>,
    seen: HashSet<String>,
    errors: u64,
    syslog: Option<UnixDatagram>,
}

impl Reporter {
    /// `verbosity` counts `-v`, `suppress_warnings` is `-w`.
    #[must_use]
    pub fn new(verbosity: u32, suppress_warnings: bool, colour: Colour) -> Self {
        let variable = std::env::var("SYSTEMTAP_COLORS").ok();
        let coloured = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                std::io::stderr().is_terminal()
                    && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
                    && variable.as_deref() != Some("")
            }
        };
        Self {
            verbosity,
            suppress_warnings,
            colours: coloured.then(|| Colours::parse(&variable.unwrap_or_default())),
            ..Self::default()
        }
    }

    /// `ERROR: text`; the status of the session will be 1.
    pub fn error(&mut self, text: &str) {
        self.errors += 1;
        self.labelled("ERROR:", |colours| &colours.error, text);
    }

    /// `WARNING: text`, each text once unless `-v`, nothing under `-w`.
    pub fn warning(&mut self, text: &str) {
        if self.suppress_warnings {
            return;
        }
        if self.verbosity == 0 {
            if self.seen.contains(text) {
                return;
            }
            if self.seen.len() < REMEMBERED_WARNINGS {
                self.seen.insert(text.to_owned());
            }
        }
        self.labelled("WARNING:", |colours| &colours.warning, text);
    }

    /// A line as it is.
    pub fn line(&self, text: &str) {
        let Some(syslog) = &self.syslog else {
            return print_error_line(text);
        };
        for line in text.lines() {
            // Facility daemon, severity notice (RFC 3164: 3 * 8 + 5).
            let record = format!("<29>staprun[{}]: {line}", std::process::id());
            let _ = syslog.send(record.as_bytes());
        }
    }

    /// From now on everything goes to the system log (`-D`). Without one it is
    /// lost, as stderr is.
    pub fn use_syslog(&mut self) {
        self.colours = None;
        self.syslog = UnixDatagram::unbound()
            .and_then(|socket| socket.connect("/dev/log").map(|()| socket))
            .ok();
    }

    /// A step of `-v`; `level` is how many `-v` it takes.
    pub fn step(&self, level: u32, text: impl FnOnce() -> String) {
        if self.verbosity >= level {
            self.line(&format!("staprun: {}", text()));
        }
    }

    /// Errors so far.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    fn labelled(&self, label: &str, colour: fn(&Colours) -> &str, text: &str) {
        match &self.colours {
            Some(colours) => self.line(&format!("\x1b[{}m{label}\x1b[m {text}", colour(colours))),
            None => self.line(&format!("{label} {text}")),
        }
    }
}

/// What stands between `ESC [` and `m`.
#[derive(Debug)]
struct Colours {
    error: String,
    warning: String,
}

impl Colours {
    /// Reads `SYSTEMTAP_COLORS`: `error=01;31:warning=00;33:...`. The other keys are the
    /// compiler's. A text with a bad value gives the defaults, as in SystemTap.
    fn parse(text: &str) -> Colours {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            let mut bytes = value.bytes();
            let is_good = bytes.all(|byte| byte.is_ascii_digit() || byte == b';');
            is_good.then(|| (key.to_owned(), value.to_owned()))
        };
        let pairs: Option<Vec<_>> = text
            .split(':')
            .filter(|pair| !pair.is_empty())
            .map(pair)
            .collect();
        let of = |wanted: &str, default: &str| {
            let mut pairs = pairs.iter().flatten();
            pairs
                .find(|(key, _)| key == wanted)
                .map_or_else(|| default.to_owned(), |(_, value)| value.clone())
        };
        Colours {
            error: of("error", "01;31"),
            warning: of("warning", "00;33"),
        }
    }
}

/// Text for stdout. Nothing can be said if that is closed.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// One write for a whole line, so that lines of several processes do not mix.
/// A closed stderr is no reason to stop.
pub fn print_error_line(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_from_the_environment() {
        let colours = |text| {
            let colours = Colours::parse(text);
            (colours.error, colours.warning)
        };
        let default = ("01;31".to_owned(), "00;33".to_owned());
        assert_eq!(colours(""), default);
        assert_eq!(colours("error=x:warning=1"), default);
        assert_eq!(
            colours("error=04:token=01:warning=00;35"),
            ("04".to_owned(), "00;35".to_owned())
        );
    }
}
