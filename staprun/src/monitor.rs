// SPDX-License-Identifier: GPL-2.0-or-later
//! The monitor (`-M`): a view of a running script's globals and probes in the
//! terminal, with keys to pause, resume, reset and toggle.
//!
//! What it shows is the JSON of the module's `monitor_status`; what keys do is
//! written to `monitor_control`. Both files are made by scripts compiled with
//! `--monitor`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::json::Json;
use crate::report::{Failure, Result};
use crate::sys;

/// Lines of output that are kept for the view.
const LINES_KEPT: usize = 1000;
/// Longest status text that is read.
const STATUS_MAXIMUM: u64 = 4 << 20;

/// The probe that writes arrays for this view.
const OWN_PROBE: &str = "procfs(\"monitor_globals\").read";

/// What a key asks the session to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Nothing more.
    Handled,
    /// End the session.
    Quit,
}

/// Column by which probes are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Index,
    Hits,
    Minimum,
    Average,
    Maximum,
    Name,
}

/// State of the view, without the terminal.
#[derive(Debug)]
pub struct View {
    status: Option<Json>,
    lines: VecDeque<String>,
    partial: Vec<u8>,
    column: Column,
    scroll: usize,
    shows_status: bool,
    prompt: Option<String>,
    /// Arrays and statistics, a line an entry.
    arrays: Vec<String>,
}

impl Default for View {
    fn default() -> Self {
        View {
            status: None,
            lines: VecDeque::new(),
            partial: Vec::new(),
            column: Column::Hits,
            scroll: 0,
            shows_status: true,
            prompt: None,
            arrays: Vec::new(),
        }
    }
}

/// The view on a terminal; its modes are restored when it goes away.
#[derive(Debug)]
pub struct Monitor {
    view: View,
    status: File,
    control: File,
    /// The file of arrays and statistics, if the script has any; made when it starts.
    arrays: String,
    interval: Duration,
    next: Instant,
    terminal: Option<Termios>,
}

impl Monitor {
    /// Takes the terminal over. The two files are those of the module.
    ///
    /// # Errors
    /// stdin is no terminal.
    pub fn start(status: File, control: File, arrays: String, seconds: u32) -> Result<Monitor> {
        let original = tcgetattr(io::stdin()).map_err(|errno| {
            Failure::new(format!(
                "the monitor (-M) needs a terminal: {}",
                errno.desc()
            ))
        })?;
        let mut raw = original.clone();
        raw.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).map_err(|errno| {
            Failure::new(format!(
                "cannot set up the terminal for the monitor: {}",
                errno.desc()
            ))
        })?;
        print("\x1b[?1049h\x1b[?25l");
        Ok(Monitor {
            view: View::default(),
            status,
            control,
            arrays,
            interval: Duration::from_secs(u64::from(seconds)),
            next: Instant::now(),
            terminal: Some(original),
        })
    }

    /// When the view has to be drawn again.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// Takes output of the script.
    pub fn push(&mut self, bytes: &[u8]) {
        self.view.push(bytes);
    }

    /// Draws if it is time.
    pub fn refresh(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        let mut text = String::new();
        let read = self.status.rewind().and_then(|()| {
            (&mut self.status)
                .take(STATUS_MAXIMUM)
                .read_to_string(&mut text)
        });
        if read.is_ok() {
            self.view.status = Json::parse(&text).or(self.view.status.take());
        }
        // Each opening runs the probe that writes it.
        if let Ok(bytes) = std::fs::read(&self.arrays) {
            let text = String::from_utf8_lossy(&bytes);
            self.view.arrays = text.lines().map(str::to_owned).collect();
        }
        self.draw();
    }

    /// Takes bytes typed by the user.
    pub fn keys(&mut self, bytes: &[u8]) -> Key {
        let (command, quit) = self.view.keys(bytes);
        for command in command {
            // A module that is just ending takes no more commands.
            let _ = self.control.write_all(command.as_bytes());
        }
        self.next = Instant::now();
        if quit { Key::Quit } else { Key::Handled }
    }

    fn draw(&self) {
        let (rows, columns) = sys::terminal_size().unwrap_or((24, 80));
        let mut screen = String::from("\x1b[H");
        for line in self.view.render(usize::from(rows), usize::from(columns)) {
            screen.push_str(&line);
            screen.push_str("\x1b[K\r\n");
        }
        // No newline after the last row: it would scroll.
        let screen = screen.strip_suffix("\r\n").unwrap_or(&screen);
        print(&format!("{screen}\x1b[J"));
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        print("\x1b[?25h\x1b[?1049l");
        if let Some(original) = self.terminal.take() {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &original);
        }
        for line in &self.view.lines {
            print(&format!("{line}\n"));
        }
    }
}

fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

impl View {
    fn push(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.lines
                .push_back(line.trim_end_matches(['\n', '\r']).to_owned());
            if self.lines.len() > LINES_KEPT {
                self.lines.pop_front();
            }
        }
    }

    /// Commands for the module, and whether the user wants to leave.
    fn keys(&mut self, bytes: &[u8]) -> (Vec<String>, bool) {
        let mut commands = Vec::new();
        let mut rest = bytes;
        while let Some((byte, tail)) = rest.split_first() {
            rest = tail;
            if let Some(prompt) = &mut self.prompt {
                match byte {
                    b'0'..=b'9' => prompt.push(char::from(*byte)),
                    8 | 127 => drop(prompt.pop()),
                    b'\n' | b'\r' => commands.extend(self.prompt.take().filter(|p| !p.is_empty())),
                    _ => self.prompt = None,
                }
                continue;
            }
            match byte {
                b'q' => return (commands, true),
                b'c' => commands.push("clear".to_owned()),
                b'p' => commands.push("pause".to_owned()),
                b'r' => commands.push("resume".to_owned()),
                b's' => self.column = self.column.next(),
                b't' => self.prompt = Some(String::new()),
                b'x' => self.shows_status = !self.shows_status,
                b'j' => self.scroll += 1,
                b'k' => self.scroll = self.scroll.saturating_sub(1),
                // Arrow keys are ESC [ A and ESC [ B.
                0x1b => {
                    match rest.strip_prefix(b"[").and_then(<[u8]>::first) {
                        Some(b'A') => self.scroll = self.scroll.saturating_sub(1),
                        Some(b'B') => self.scroll += 1,
                        _ => {}
                    }
                    rest = rest.get(2..).unwrap_or_default();
                }
                _ => {}
            }
        }
        (commands, false)
    }

    /// The screen, line by line, at most `rows` of at most `columns`
    /// characters.
    fn render(&self, rows: usize, columns: usize) -> Vec<String> {
        let mut lines = Vec::new();
        if self.shows_status {
            self.render_status(rows / 2, &mut lines);
        }
        let room = rows.saturating_sub(lines.len() + 1);
        let output = self
            .lines
            .iter()
            .skip(self.lines.len().saturating_sub(room));
        lines.extend(output.cloned());
        lines.resize(rows.saturating_sub(1), String::new());
        lines.push(match &self.prompt {
            Some(typed) => format!("probe to switch on or off: {typed}_"),
            None => "c reset  s sort  t toggle  r resume  p pause  x status  q quit".to_owned(),
        });
        lines.iter().map(|line| cut(line, columns)).collect()
    }

    fn render_status(&self, rows: usize, lines: &mut Vec<String>) {
        let Some(status) = &self.status else {
            lines.push("waiting for the script's status".to_owned());
            return;
        };
        let field = |key| status.get(key).map_or("", Json::text);
        lines.push(format!(
            "{}  uptime: {}  uid: {}  memory: {}",
            field("module_name"),
            field("uptime"),
            field("uid"),
            field("memory")
        ));
        if let Some(Json::Object(globals)) = status.get("globals") {
            let mut line = String::from("globals:");
            for (name, value) in globals {
                // Writing to a String cannot fail.
                let _ = write!(line, "  {name}={}", shown(value));
            }
            lines.push(line);
        }
        // The rest is for the probes.
        lines.extend(
            self.arrays
                .iter()
                .take(rows / 2)
                .map(|line| format!("  {line}")),
        );
        lines.push(format!(
            "{:>5} {:>5} {:>12} {:>12} {:>12} {:>12}  {} (by {})",
            "index",
            "state",
            "hits",
            "min",
            "avg",
            "max",
            "name",
            self.column.title()
        ));
        let Some(Json::List(probes)) = status.get("probe_list") else {
            return;
        };
        let own = |probe: &&Json| probe.get("name").map_or("", Json::text) == OWN_PROBE;
        let mut probes: Vec<&Json> = probes.iter().filter(|probe| !own(probe)).collect();
        probes.sort_by(|a, b| self.column.compare(a, b));
        let room = rows.saturating_sub(lines.len() + 1);
        let start = self.scroll.min(probes.len().saturating_sub(1));
        for probe in probes.iter().skip(start).take(room) {
            let field = |key| probe.get(key).map_or("", Json::text);
            lines.push(format!(
                "{:>5} {:>5} {:>12} {:>12} {:>12} {:>12}  {}",
                field("index"),
                field("state"),
                field("hits"),
                field("min"),
                field("avg"),
                field("max"),
                field("name")
            ));
        }
        lines.push(String::new());
    }
}

impl Column {
    fn next(self) -> Column {
        match self {
            Column::Index => Column::Hits,
            Column::Hits => Column::Minimum,
            Column::Minimum => Column::Average,
            Column::Average => Column::Maximum,
            Column::Maximum => Column::Name,
            Column::Name => Column::Index,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Column::Index => "index",
            Column::Hits => "hits",
            Column::Minimum => "min",
            Column::Average => "avg",
            Column::Maximum => "max",
            Column::Name => "name",
        }
    }

    /// Names and indices rise, counts and times fall.
    fn compare(self, a: &Json, b: &Json) -> std::cmp::Ordering {
        let text = |probe: &Json| probe.get(self.title()).map_or("", Json::text).to_owned();
        let number = |probe: &Json| text(probe).parse::<i64>().unwrap_or(0);
        match self {
            Column::Name => text(a).cmp(&text(b)),
            Column::Index => number(a).cmp(&number(b)),
            _ => number(b).cmp(&number(a)),
        }
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::Plain(text) => text.clone(),
        Json::Text(text) => format!("\"{text}\""),
        Json::List(values) => format!("[{} values]", values.len()),
        Json::Object(pairs) => format!("[{} entries]", pairs.len()),
    }
}

/// At most `columns` characters, with control characters made harmless: a
/// script's text must not drive the terminal here.
fn cut(line: &str, columns: usize) -> String {
    line.chars()
        .map(|character| match character {
            '\t' => ' ',
            c if c.is_control() => '?',
            c => c,
        })
        .take(columns)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{"uptime":"00:00:07","uid":0,"memory":"100k","module_name":"m",
        "globals":{"count":5,"name":"x","map":{"a":1}},
        "probe_list":[
        {"index":0,"state":"on","hits":1,"min":1,"avg":2,"max":3,"name":"begin"},
        {"index":1,"state":"off","hits":9,"min":4,"avg":5,"max":6,"name":"timer.s(1)"}]}"#;

    fn view() -> View {
        View {
            status: Json::parse(STATUS),
            ..View::default()
        }
    }

    #[test]
    fn the_screen_has_status_probes_output_and_keys() {
        let mut view = view();
        view.push(b"one\ntwo\x1b[2J\nthr");
        let screen = view.render(24, 80);
        assert_eq!(screen.len(), 24);
        assert!(screen[0].contains("uptime: 00:00:07"));
        assert!(screen[1].contains("count=5") && screen[1].contains("[1 entries]"));
        assert!(
            screen[3].contains("timer.s(1)"),
            "most hits first: {screen:?}"
        );
        assert!(screen.iter().any(|line| line == "two?[2J"));
        assert!(screen[23].contains("q quit"));
        assert!(
            view.render(3, 10)
                .iter()
                .all(|line| line.chars().count() <= 10)
        );
        assert!(view.render(0, 0).len() <= 1);
    }

    #[test]
    fn keys_become_commands() {
        let mut view = view();
        assert_eq!(
            view.keys(b"cpr"),
            (vec!["clear".into(), "pause".into(), "resume".into()], false)
        );
        assert_eq!(view.keys(b"t12\n"), (vec!["12".into()], false));
        assert_eq!(view.keys(b"t1\x1b"), (vec![], false));
        assert_eq!(view.keys(b"\x1b[B\x1b[B\x1b[A"), (vec![], false));
        assert_eq!(view.scroll, 1);
        assert_eq!(view.keys(b"ssq"), (vec![], true));
        assert_eq!(view.column, Column::Average);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut view = view();
        for number in 0..LINES_KEPT + 50 {
            view.push(format!("{number}\n").as_bytes());
        }
        assert_eq!(view.lines.len(), LINES_KEPT);
        assert_eq!(view.lines.front().map(String::as_str), Some("50"));
    }
}
