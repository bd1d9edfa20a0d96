// SPDX-License-Identifier: GPL-2.0-or-later
//! What the monitor shows: a status window above, the script's output below, and what keys do to
//! them. No terminal is needed here.

use std::collections::VecDeque;

use crate::json::Json;
use crate::report::counted;

/// Lines of output that are kept for the view.
const LINES_KEPT: usize = 1000;
/// A line of output that has no end is broken here.
const LINE_MAXIMUM: usize = 8192;
/// Longest text typed at the prompt.
const PROMPT_MAXIMUM: usize = 10;
/// Longest value of a global in the list of them.
const VALUE_MAXIMUM: usize = 60;

/// The probe that writes arrays for this view.
const OWN_PROBE: &str = "procfs(\"monitor_globals\").read";

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

/// Window that navigation keys scroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Status,
    Output,
}

/// State of the view.
#[derive(Debug)]
pub struct View {
    status: Option<Json>,
    /// Arrays and statistics, a line an entry.
    arrays: Vec<String>,
    lines: VecDeque<String>,
    /// Output behind the last newline.
    partial: Vec<u8>,
    column: Column,
    window: Window,
    /// First line of the status that is shown.
    status_scroll: usize,
    /// How many lines of output are hidden below the window.
    output_scroll: usize,
    shows_status: bool,
    prompt: Option<String>,
    /// Start of a key's sequence whose end was not read yet.
    sequence: Vec<u8>,
    /// Lines of a page, by the last drawing.
    page: usize,
}

impl Default for View {
    fn default() -> Self {
        View {
            status: None,
            arrays: Vec::new(),
            lines: VecDeque::new(),
            partial: Vec::new(),
            column: Column::Hits,
            window: Window::Status,
            status_scroll: 0,
            output_scroll: 0,
            shows_status: true,
            prompt: None,
            sequence: Vec::new(),
            page: 10,
        }
    }
}

impl View {
    /// Takes output of the script.
    pub fn push(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in line.chunks(LINE_MAXIMUM) {
                if self.partial.len() + piece.len() > LINE_MAXIMUM {
                    self.end_line();
                }
                self.partial.extend_from_slice(piece);
            }
            if line.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.lines.push_back(text_of(&self.partial));
        self.partial.clear();
        if self.lines.len() > LINES_KEPT {
            self.lines.pop_front();
        }
        // Who has scrolled back goes on seeing the same.
        if self.output_scroll > 0 {
            self.output_scroll = self.output_scroll.saturating_add(1);
        }
    }

    /// The output that is kept.
    pub fn output(&self) -> impl Iterator<Item = String> {
        let partial = (!self.partial.is_empty()).then(|| text_of(&self.partial));
        self.lines.iter().cloned().chain(partial)
    }

    /// Takes what `monitor_status` says.
    pub fn show_status(&mut self, status: Json) {
        self.status = Some(status);
    }

    /// Takes the arrays, a line an entry.
    pub fn show_arrays(&mut self, text: &str) {
        self.arrays = text.lines().map(str::to_owned).collect();
    }

    /// Takes typed bytes: commands for the module, and whether the user wants to leave.
    pub fn keys(&mut self, bytes: &[u8]) -> (Vec<String>, bool) {
        let mut commands = Vec::new();
        for &byte in bytes {
            if let Some(prompt) = &mut self.prompt {
                match byte {
                    b'0'..=b'9' if prompt.len() < PROMPT_MAXIMUM => prompt.push(char::from(byte)),
                    b'0'..=b'9' => {}
                    8 | 127 => drop(prompt.pop()),
                    b'\n' | b'\r' => commands.extend(self.prompt.take().filter(|p| !p.is_empty())),
                    _ => self.prompt = None,
                }
                continue;
            }
            if self.continues_sequence(byte) {
                continue;
            }
            match byte {
                b'q' => return (commands, true),
                b'c' => commands.push("clear".to_owned()),
                b'p' => commands.push("pause".to_owned()),
                b'r' => commands.push("resume".to_owned()),
                b's' => self.column = self.column.next(),
                b't' => self.prompt = Some(String::new()),
                b'x' => {
                    self.shows_status = !self.shows_status;
                    self.window = Window::Output;
                    if self.shows_status {
                        self.window = Window::Status;
                    }
                }
                b'\t' if self.shows_status => {
                    self.window = match self.window {
                        Window::Status => Window::Output,
                        Window::Output => Window::Status,
                    };
                }
                b'j' => self.scroll(1),
                b'k' => self.scroll(-1),
                _ => {}
            }
        }
        (commands, false)
    }

    /// Whether a byte belongs to what a key sends: `ESC [ A`, `ESC O A` or `ESC [ 5 ~`.
    fn continues_sequence(&mut self, byte: u8) -> bool {
        match (self.sequence.as_slice(), byte) {
            ([], 0x1b) | ([0x1b], b'[' | b'O') => self.sequence.push(byte),
            ([0x1b, _, parameters @ ..], b'0'..=b'9' | b';') if parameters.len() < 8 => {
                self.sequence.push(byte);
            }
            ([0x1b, _, parameters @ ..], last) => {
                let page = isize::try_from(self.page).unwrap_or(isize::MAX);
                let lines = match (parameters, last) {
                    ([], b'A') => -1,
                    ([], b'B') => 1,
                    (b"5", b'~') => -page,
                    (b"6", b'~') => page,
                    ([], b'H') | (b"1" | b"7", b'~') => isize::MIN,
                    ([], b'F') | (b"4" | b"8", b'~') => isize::MAX,
                    _ => 0,
                };
                self.sequence.clear();
                self.scroll(lines);
            }
            ([], _) => return false,
            // ESC alone means nothing.
            _ => {
                self.sequence.clear();
                return byte == 0x1b && self.continues_sequence(byte);
            }
        }
        true
    }

    /// Moves the window down by so many lines; drawing keeps it within what there is.
    fn scroll(&mut self, lines: isize) {
        match self.window {
            Window::Status => self.status_scroll = self.status_scroll.saturating_add_signed(lines),
            // Counted from the other end.
            Window::Output => {
                let up = lines.checked_neg().unwrap_or(isize::MAX);
                self.output_scroll = self.output_scroll.saturating_add_signed(up);
            }
        }
    }

    /// The screen, line by line, at most `rows` of at most `columns` characters.
    pub fn render(&mut self, rows: usize, columns: usize) -> Vec<String> {
        let room = rows.saturating_sub(1);
        let mut lines = match self.shows_status {
            true => self.status_lines(room.div_ceil(2), columns),
            false => Vec::new(),
        };
        let output_room = room.saturating_sub(lines.len());
        let output: Vec<String> = self.output().collect();
        self.output_scroll = self
            .output_scroll
            .min(output.len().saturating_sub(output_room));
        let end = output.len() - self.output_scroll;
        let start = end.saturating_sub(output_room);
        lines.extend(output.into_iter().take(end).skip(start));
        lines.resize(room, String::new());
        self.page = match self.window {
            Window::Status => room.div_ceil(2).saturating_sub(1),
            Window::Output => output_room,
        }
        .max(1);
        lines.push(match (&self.prompt, self.window) {
            (Some(typed), _) => format!("probe to switch on or off: {typed}_"),
            (None, Window::Status) => format!("{KEYS}output"),
            (None, Window::Output) => format!("{KEYS}status"),
        });
        lines.truncate(rows);
        lines.iter().map(|line| cut(line, columns)).collect()
    }

    /// At most `room` lines: one about the session, and those that were scrolled to.
    fn status_lines(&mut self, room: usize, columns: usize) -> Vec<String> {
        let Some(status) = &self.status else {
            return vec!["waiting for the script's status".to_owned()];
        };
        let field = |key| status.get(key).map_or("", Json::text);
        let mut lines = vec![format!(
            "{}  uptime: {}  uid: {}  memory: {}",
            field("module_name"),
            field("uptime"),
            field("uid"),
            field("memory")
        )];
        let mut body = global_lines(status, columns);
        body.extend(self.probe_lines(status, columns));
        body.extend(self.arrays.iter().map(|line| format!("  {line}")));
        let room = room.saturating_sub(lines.len());
        self.status_scroll = self.status_scroll.min(body.len().saturating_sub(room));
        lines.extend(body.into_iter().skip(self.status_scroll).take(room));
        lines
    }

    fn probe_lines(&self, status: &Json, columns: usize) -> Vec<String> {
        // Names matter more than times where there is no room for both.
        let shown: &[Column] = match columns {
            ..60 => &[Column::Hits],
            60..100 => &[Column::Hits, Column::Average],
            _ => &[
                Column::Hits,
                Column::Minimum,
                Column::Average,
                Column::Maximum,
            ],
        };
        let line = |field: &dyn Fn(&'static str) -> String, name: String| {
            let numbers: String = shown
                .iter()
                .map(|column| format!(" {:>12}", field(column.title())))
                .collect();
            format!(
                "{:>5} {:>5}{numbers}  {name}",
                field("index"),
                field("state")
            )
        };
        let sorted = format!("name (by {})", self.column.title());
        let mut lines = vec![line(&str::to_owned, sorted)];
        let Some(Json::List(probes)) = status.get("probe_list") else {
            return lines;
        };
        let own = |probe: &&Json| probe.get("name").map_or("", Json::text) == OWN_PROBE;
        let mut probes: Vec<&Json> = probes.iter().filter(|probe| !own(probe)).collect();
        probes.sort_by(|a, b| self.column.compare(a, b));
        lines.extend(probes.into_iter().map(|probe| {
            let field = |key| probe.get(key).map_or("", Json::text).to_owned();
            line(&field, field("name"))
        }));
        lines
    }
}

const KEYS: &str = "c reset  s sort  t toggle  r resume  p pause  x status  q quit  Tab scroll ";

/// As many globals on a line as fit, long values shortened.
fn global_lines(status: &Json, columns: usize) -> Vec<String> {
    let Some(Json::Object(globals)) = status.get("globals") else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let mut line = String::from("globals:");
    for (name, value) in globals {
        let shown = format!("  {name}={}", shortened(&shown(value), VALUE_MAXIMUM));
        if line.chars().count() + shown.chars().count() > columns && line != "globals:" {
            lines.push(std::mem::replace(&mut line, " ".repeat(8)));
        }
        line.push_str(&shown);
    }
    lines.push(line);
    lines
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
        Json::List(values) => format!("[{}]", counted(values.len() as u64, "value")),
        Json::Object(pairs) if pairs.len() == 1 => "[1 entry]".to_owned(),
        Json::Object(pairs) => format!("[{} entries]", pairs.len()),
    }
}

/// At most `most` characters, with dots for what is left out.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 3).chain("...".chars()).collect(),
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches(['\n', '\r'])
        .to_owned()
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
mod tests;
