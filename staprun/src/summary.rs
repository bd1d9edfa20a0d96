// SPDX-License-Identifier: GPL-2.0-or-later
//! The final account of a session: what was skipped, missed, lost or cut.
//!
//! The module sends it as `key=value` lines (`SUMMARY` messages); absence of a
//! line means that nothing of the kind happened. Texts that SystemTap prints
//! too are worded as it words them.

use std::fmt::Write as _;

use crate::report::counted;

/// One line of the account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// `kind=`, for example `skipped`.
    pub kind: String,
    fields: Vec<(String, String)>,
}

impl Line {
    /// Reads `kind=K key=value … probe=REST OF LINE`, behind which each line is one more
    /// `key=value`; `None` without a kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Line> {
        let mut lines = text.lines();
        let text = lines.next()?;
        let (head, probe) = match text.find(" probe=") {
            Some(at) => (text.get(..at)?, text.get(at + " probe=".len()..)),
            None => (text, None),
        };
        let mut line = Line::default();
        for word in head.split_ascii_whitespace() {
            let (key, value) = word.split_once('=')?;
            if key == "kind" {
                line.kind = value.to_owned();
            } else {
                line.fields.push((key.to_owned(), value.to_owned()));
            }
        }
        if let Some(probe) = probe {
            line.fields.push(("probe".to_owned(), probe.to_owned()));
        }
        let more = lines.filter_map(|more| more.split_once('='));
        line.fields
            .extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
        (!line.kind.is_empty()).then_some(line)
    }

    fn text(&self, key: &str) -> &str {
        self.fields
            .iter()
            .find(|(name, _)| name == key)
            .map_or("", |(_, value)| value)
    }

    fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(0)
    }
}

/// Fields that are text whatever they look like.
const TEXTS: [&str; 4] = ["probe", "map", "place", "from"];

/// Everything that is known at the end of a session.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// What the module sent.
    pub lines: Vec<Line>,
    /// Messages that never reached the reader (gaps in the sequence).
    pub missing_messages: u64,
    /// Messages that came late or twice.
    pub unexpected_messages: u64,
    /// Bytes of output that belonged to no message.
    pub damaged_bytes: u64,
}

impl Account {
    fn total(&self, kind: &str, key: &str) -> u64 {
        self.of(kind)
            .fold(0, |sum, line| sum.saturating_add(line.number(key)))
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.kind == kind)
    }

    /// Texts of the warnings, without `WARNING: `, most important first. Empty
    /// when nothing was lost.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let (errors, skipped) = (
            // --suppress-handler-errors keeps them from being told, not from being counted
            self.total("errors", "count")
                .saturating_add(self.total("suppressed-errors", "count")),
            self.total("skipped", "count"),
        );
        if errors > 0 || skipped > 0 {
            texts.push(format!(
                "Number of errors: {errors}, skipped probes: {skipped}"
            ));
        }
        for line in self.of("skipped") {
            let (count, reason) = (line.number("count"), reason_text(line.text("reason")));
            texts.push(format!(
                "Skipped due to {reason}: {count}{}",
                at_probe(line)
            ));
        }
        for line in self.of("missed-returns") {
            let count = line.number("count");
            texts.push(format!(
                "Skipped due to missed return (raise .maxactive): {count}{}",
                at_probe(line)
            ));
        }
        for line in self.of("missed-kprobes") {
            let count = line.number("count");
            texts.push(format!(
                "Skipped due to missed kprobe: {count}{}",
                at_probe(line)
            ));
        }
        let messages = self
            .total("lost-output", "messages")
            .max(self.missing_messages);
        let bytes = self.total("lost-output", "bytes");
        let unexpected = self.unexpected_messages;
        if messages > 0 || bytes > 0 || unexpected > 0 {
            // SystemTap's words, also for one
            texts.push(format!(
                "There were {messages} lost messages, {bytes} lost bytes, and {unexpected} \
                 unexpected sequences. Try a larger buffer: -s MEGABYTES."
            ));
        }
        for line in self.of("lost-output") {
            let messages = counted(line.number("messages"), "message");
            let bytes = counted(line.number("bytes"), "byte");
            texts.push(match line.text("probe") {
                "" => format!("Overwritten: {messages}, {bytes}"),
                probe => format!("Lost: {messages}, {bytes} in probe {probe}"),
            });
        }
        if self.damaged_bytes > 0 {
            let bytes = counted(self.damaged_bytes, "damaged byte");
            texts.push(format!("The module's output had {bytes}."));
        }
        let cut = self.total("truncated-strings", "count");
        if cut > 0 {
            let were_cut = if cut == 1 { "was cut" } else { "were cut" };
            texts.push(format!(
                "{} {were_cut} at the string limit (-DMAXSTRINGLEN=N).",
                counted(cut, "string")
            ));
        }
        for line in self.of("truncated-strings") {
            let count = line.number("count");
            texts.push(format!("Strings cut: {count}{}", at_probe(line)));
        }
        for line in self.of("full-map") {
            let (map, times) = (line.text("map"), counted(line.number("count"), "time"));
            texts.push(format!(
                "Array {map} was full {times}; raise its size or -DMAXMAPENTRIES=N."
            ));
        }
        for line in self.of("short-map") {
            let (map, count) = (line.text("map"), line.number("count"));
            let long_texts = counted(count, "long text");
            texts.push(format!(
                "Array {map} had no memory for {long_texts} that came too fast; a smaller \
                 -DMAXSTRINGLEN=N needs less."
            ));
        }
        let notices = self.total("lost-messages", "count");
        match notices {
            0 => {}
            1 => texts
                .push("A warning or command of system() came too fast and was dropped.".to_owned()),
            _ => texts.push(format!(
                "{notices} warnings and commands of system() came too fast and were dropped."
            )),
        }
        texts
    }

    /// What the module's memory came to, for `-v`; `None` from a module that did not say.
    #[must_use]
    pub fn memory_report(&self) -> Option<String> {
        let line = self.of("memory").next()?;
        let (bytes, cpus) = (line.number("bytes"), line.number("cpus").max(1));
        let kib = bytes.div_ceil(1024);
        let each = bytes.div_ceil(1024 * cpus);
        Some(format!(
            "memory {kib} KiB, {each} KiB for each of {}",
            counted(cpus, "CPU")
        ))
    }

    /// What arrays that wrap (`%`) gave up, for `-v`: the script wanted it so.
    #[must_use]
    pub fn replacements(&self) -> Vec<String> {
        self.of("replaced-entries")
            .map(|line| {
                let (map, count) = (line.text("map"), line.number("count"));
                format!("array {map} replaced {count} of its oldest entries")
            })
            .collect()
    }

    /// SystemTap's probe hit report (`-t`), or nothing when the module was not
    /// built to measure.
    #[must_use]
    pub fn timing_report(&self) -> String {
        let mut report = String::new();
        // Hits are always counted, cycles only when asked for.
        if self.total("probe", "maximum") == 0 {
            return report;
        }
        for line in self.of("probe") {
            if report.is_empty() {
                report.push_str("----- probe hit report: \n");
            }
            // Writing to a String cannot fail.
            let _ = writeln!(
                report,
                "{}, ({}), hits: {}, cycles: {}min/{}avg/{}max, variance: {}, from: {}, index: {}",
                line.text("probe"),
                line.text("place"),
                line.number("hits"),
                line.number("minimum"),
                line.number("average"),
                line.number("maximum"),
                variance(line),
                line.text("from"),
                line.number("index"),
            );
        }
        report
    }

    /// Names and values of the totals in JSON; `staprun(8)` says what they mean.
    fn totals(&self) -> [(&'static str, u64); 15] {
        let messages = self.total("lost-output", "messages");
        [
            ("errors", self.total("errors", "count")),
            (
                "suppressed_errors",
                self.total("suppressed-errors", "count"),
            ),
            ("skipped_probes", self.total("skipped", "count")),
            ("missed_returns", self.total("missed-returns", "count")),
            ("missed_kprobes", self.total("missed-kprobes", "count")),
            ("lost_messages", messages.max(self.missing_messages)),
            ("lost_bytes", self.total("lost-output", "bytes")),
            ("unexpected_sequences", self.unexpected_messages),
            ("damaged_bytes", self.damaged_bytes),
            ("lost_notices", self.total("lost-messages", "count")),
            (
                "truncated_strings",
                self.total("truncated-strings", "count"),
            ),
            ("full_map_refusals", self.total("full-map", "count")),
            ("short_map_refusals", self.total("short-map", "count")),
            ("replaced_entries", self.total("replaced-entries", "count")),
            ("memory_bytes", self.total("memory", "bytes")),
        ]
    }

    /// The account as one JSON object on one line, for machines
    /// (`--summary=json`). Counts are numbers, everything else is text.
    #[must_use]
    pub fn json(&self) -> String {
        let mut json = String::from("{");
        for (name, number) in self.totals() {
            let _ = write!(json, "\"{name}\":{number},");
        }
        json.push_str("\"details\":[");
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            let _ = write!(json, "{{\"kind\":{}", json_string(&line.kind));
            for (key, value) in &line.fields {
                let _ = write!(json, ",{}:", json_string(key));
                match value.parse::<u64>() {
                    Ok(number) if !TEXTS.contains(&key.as_str()) => {
                        let _ = write!(json, "{number}");
                    }
                    _ => json.push_str(&json_string(value)),
                }
            }
            json.push('}');
        }
        json.push_str("]}");
        json
    }
}

/// Of the cycles of a probe's hits, from their sum and the sum of their squares.
fn variance(line: &Line) -> u128 {
    let wide = |key| u128::from(line.number(key));
    let (hits, cycles) = (wide("hits"), wide("cycles"));
    let squares = (wide("squares_high") << 64) | wide("squares_low");
    match hits {
        0 | 1 => 0,
        // The product is below 2^128: both are below 2^64.
        _ => squares.saturating_sub(cycles * cycles / hits) / (hits - 1),
    }
}

fn at_probe(line: &Line) -> String {
    match line.text("probe") {
        "" => String::new(),
        probe => format!(" in probe {probe}"),
    }
}

fn reason_text(reason: &str) -> &str {
    match reason {
        "reentrant" => "reentrancy",
        "low-stack" => "low stack",
        "overload" => "probe overload",
        "nmi" => "non-maskable interrupt",
        "state" => "session state",
        "memory" => "lack of memory",
        "" => "unknown reason",
        other => other,
    }
}

fn json_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(lines: &[&str]) -> Account {
        Account {
            lines: lines.iter().filter_map(|line| Line::parse(line)).collect(),
            ..Account::default()
        }
    }

    #[test]
    fn the_probe_runs_to_the_end_of_the_line() {
        let line = Line::parse("kind=skipped reason=nmi count=3 probe=kernel.trace(\"a b\") x=1")
            .expect("a line");
        assert_eq!(line.text("probe"), "kernel.trace(\"a b\") x=1");
        assert_eq!(line.number("count"), 3);
        assert_eq!(Line::parse("count=3"), None);
        assert_eq!(Line::parse("junk"), None);
        assert_eq!(Line::parse(""), None);
    }

    #[test]
    fn nothing_lost_says_nothing() {
        assert!(account(&["kind=memory bytes=4096"]).warnings().is_empty());
    }

    #[test]
    fn warnings_have_systemtaps_totals_first() {
        let account = account(&[
            "kind=errors count=1",
            "kind=skipped reason=reentrant count=3 probe=begin",
            "kind=skipped reason=nmi count=4 probe=timer.profile",
            "kind=lost-output bytes=10 messages=2 probe=timer.s(1)",
            "kind=truncated-strings count=5 probe=begin",
            "kind=lost-messages count=6",
            "kind=replaced-entries map=m count=7",
        ]);
        let warnings = account.warnings();
        assert!(warnings.contains(&"Lost: 2 messages, 10 bytes in probe timer.s(1)".to_owned()));
        assert!(warnings.contains(&"Strings cut: 5 in probe begin".to_owned()));
        assert!(
            warnings
                .iter()
                .any(|text| text.starts_with("6 warnings and commands"))
        );
        assert!(!warnings.iter().any(|text| text.contains("replaced")));
        assert_eq!(
            account.replacements(),
            ["array m replaced 7 of its oldest entries"]
        );
        assert_eq!(warnings[0], "Number of errors: 1, skipped probes: 7");
        assert_eq!(warnings[1], "Skipped due to reentrancy: 3 in probe begin");
        assert!(
            warnings[3].starts_with(
                "There were 2 lost messages, 10 lost bytes, and 0 unexpected sequences."
            )
        );
    }

    #[test]
    fn memory_is_told_for_all_and_for_each() {
        let account = account(&["kind=memory bytes=3145729 cpus=2"]);
        assert_eq!(
            account.memory_report().as_deref(),
            Some("memory 3073 KiB, 1537 KiB for each of 2 CPUs")
        );
        assert_eq!(Account::default().memory_report(), None);
    }

    #[test]
    fn json_is_one_object_with_totals_and_details() {
        let json = account(&["kind=skipped reason=nmi count=4 probe=a\"b\\"]).json();
        assert!(json.contains("\"skipped_probes\":4,"), "{json}");
        assert!(
            json.ends_with(
                "\"details\":[{\"kind\":\"skipped\",\"reason\":\"nmi\",\"count\":4,\
                 \"probe\":\"a\\\"b\\\\\"}]}"
            ),
            "{json}"
        );
    }

    #[test]
    fn the_timing_report_has_one_line_per_probe() {
        let account = account(&[
            "kind=probe hits=3 minimum=1 average=2 maximum=3 cycles=6 squares_low=14 \
             squares_high=0 index=0 probe=a.b, c\nplace=a file.stp:1:1\nfrom=a.* <- x",
        ]);
        assert_eq!(
            account.timing_report(),
            "----- probe hit report: \n\
             a.b, c, (a file.stp:1:1), hits: 3, cycles: 1min/2avg/3max, variance: 1, \
             from: a.* <- x, index: 0\n"
        );
        let huge = Line::parse(
            "kind=probe hits=2 cycles=18446744073709551615 squares_low=1 \
             squares_high=18446744073709551615 probe=p",
        );
        assert!(variance(&huge.expect("a line")) > 0);
    }
}
