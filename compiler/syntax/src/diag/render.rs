// SPDX-License-Identifier: GPL-2.0-or-later
//! Text of a diagnostic: in SystemTap's words, for people, or for programs.

use std::fmt::Write as _;

use super::{Category, Diagnostic, Severity, TokenRole};
use crate::lexer::describe_token;
use crate::span::{ExpansionKind, SourceMap, Span};

/// Where a person finds the text: an argument of the command line is shown where the script
/// pastes it, for it has no file of its own.
fn in_script(mut span: Span, sources: &SourceMap) -> Span {
    while let Some(step) = sources.expansion_chain(span).next() {
        if step.kind != ExpansionKind::Argument {
            break;
        }
        span = step.call;
    }
    span
}

/// Which text to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorFormat {
    /// Word for word as SystemTap prints it.
    #[default]
    Stap,
    /// With the source, all labels, notes and hints.
    Human,
    /// One JSON object in one line.
    Json,
}

/// Terminal colours as SGR parameters (`01;31`); empty means none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colors {
    error: String,
    warning: String,
    source: String,
    caret: String,
    token: String,
}

impl Default for Colors {
    /// SystemTap's own colours.
    fn default() -> Self {
        let owned = str::to_owned;
        Colors {
            error: owned("01;31"),
            warning: owned("00;33"),
            source: owned("00;34"),
            caret: owned("01"),
            token: owned("01"),
        }
    }
}

impl Colors {
    /// Reads `SYSTEMTAP_COLORS`: `error=01;31:warning=00;33:...`. Keys that are not named keep
    /// their default. `None` if the text has a key that does not exist or a bad value; SystemTap
    /// then falls back to the defaults.
    pub fn parse(text: &str) -> Option<Colors> {
        let mut colors = Colors::default();
        for pair in text.split(':').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=')?;
            if !value
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b';')
            {
                return None;
            }
            let slot = match key {
                "error" => &mut colors.error,
                "warning" => &mut colors.warning,
                "source" => &mut colors.source,
                "caret" => &mut colors.caret,
                "token" => &mut colors.token,
                _ => return None,
            };
            value.clone_into(slot);
        }
        Some(colors)
    }
}

/// Makes text of diagnostics.
#[derive(Clone, Debug, Default)]
pub struct Renderer {
    /// Which text.
    pub format: ErrorFormat,
    /// `None`: no colours.
    pub colors: Option<Colors>,
}

impl Renderer {
    /// Text of one diagnostic, with its last newline.
    pub fn render(&self, diagnostic: &Diagnostic, sources: &SourceMap) -> String {
        let mut out = String::new();
        match self.format {
            ErrorFormat::Stap => self.stap(&mut out, diagnostic, sources),
            ErrorFormat::Human => self.human(&mut out, diagnostic, sources),
            ErrorFormat::Json => {
                json_diagnostic(&mut out, diagnostic, sources);
                out.push('\n');
            }
        }
        out
    }

    fn paint(&self, pick: impl Fn(&Colors) -> &String, text: &str) -> String {
        match &self.colors {
            Some(colors) if !pick(colors).is_empty() => {
                format!("\x1b[{}m{text}\x1b[m\x1b[K", pick(colors))
            }
            _ => text.to_owned(),
        }
    }

    fn heading(&self, diagnostic: &Diagnostic) -> String {
        match diagnostic.severity {
            Severity::Error => self.paint(|colors| &colors.error, diagnostic.heading()),
            Severity::Warning => self.paint(|colors| &colors.warning, diagnostic.heading()),
        }
    }

    /// `identifier 'x' at file:1:2`
    fn token_at(&self, span: Span, sources: &SourceMap) -> String {
        let (kind, content) = describe_token(sources, span);
        let content = content
            .map(|content| format!(" '{}'", self.paint(|colors| &colors.token, &content)))
            .unwrap_or_default();
        format!(
            "{kind}{content} at {}",
            sources.location(in_script(span, sources))
        )
    }

    /// `source: LINE` and the caret below; `width` is the column at which the line begins.
    fn source(&self, out: &mut String, span: Span, sources: &SourceMap, width: usize) {
        let span = in_script(span, sources);
        let position = sources.line_column(span);
        let line = sources
            .file(span.file)
            .map_or("", |file| file.line(position.line));
        let word = self.paint(|colors| &colors.source, "source:");
        let _ = writeln!(
            out,
            "{:pad$}{word} {line}",
            "",
            pad = width.saturating_sub(8)
        );
        let caret = self.paint(|colors| &colors.caret, "^");
        // Tabs stay tabs, so that the caret stands below its token.
        let before = line.chars().take(position.column as usize - 1);
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let _ = writeln!(out, "{:width$}{indent}{caret}", "");
    }

    fn expansion_trace(&self, out: &mut String, span: Span, sources: &SourceMap) {
        let chain = sources.expansion_chain(span);
        for step in chain.filter(|step| step.kind != ExpansionKind::Argument) {
            let token = self.token_at(step.call, sources);
            let _ = writeln!(out, "\tin expansion of macro: {token}");
            self.source(out, step.call, sources, 13);
        }
    }

    /// The lines below a parse error's message.
    fn parse_place(&self, out: &mut String, role: TokenRole, span: Span, sources: &SourceMap) {
        let visible = in_script(span, sources);
        match role {
            TokenRole::EndOfFile => {
                let _ = writeln!(out, "        saw: {} EOF", sources.file_name(visible));
                return;
            }
            TokenRole::Seen => {
                let _ = writeln!(out, "        saw: {}", self.token_at(span, sources));
            }
            TokenRole::Blamed => {
                let _ = writeln!(out, "         at: {}", self.token_at(span, sources));
            }
            TokenRole::BlamedAs(words) => {
                let _ = writeln!(out, "         at: {words} at {}", sources.location(visible));
            }
        }
        self.source(out, span, sources, 13);
        self.expansion_trace(out, span, sources);
    }

    fn stap(&self, out: &mut String, diagnostic: &Diagnostic, sources: &SourceMap) {
        let heading = self.heading(diagnostic);
        let message = &diagnostic.message;
        match (diagnostic.severity, diagnostic.primary) {
            (Severity::Warning, Some(span)) => {
                let _ = writeln!(
                    out,
                    "{heading}: {message}: {}",
                    self.token_at(span, sources)
                );
                self.source(out, span, sources, 9);
            }
            (Severity::Warning, None) => {
                let _ = writeln!(out, "{heading}: {message}");
            }
            (Severity::Error, None) if diagnostic.category == Category::Parse => {
                let _ = writeln!(out, "{message}");
            }
            (Severity::Error, Some(span)) if diagnostic.category == Category::Parse => {
                let _ = writeln!(out, "{heading}: {message}");
                self.parse_place(out, diagnostic.token, span, sources);
                out.push('\n');
            }
            (Severity::Error, primary) => {
                let _ = write!(out, "{heading}: {message}");
                if let Some(span) = primary {
                    let _ = writeln!(out, ": {}", self.token_at(span, sources));
                    self.source(out, span, sources, 16);
                    self.expansion_trace(out, span, sources);
                } else {
                    out.push('\n');
                }
                out.push('\n');
            }
        }
        let parse = diagnostic.category == Category::Parse;
        for label in &diagnostic.labels {
            if parse {
                let _ = writeln!(out, "{heading}: {}", label.message);
                self.parse_place(out, TokenRole::Blamed, label.span, sources);
                out.push('\n');
                continue;
            }
            let token = self.token_at(label.span, sources);
            let _ = writeln!(out, "{heading}: {}: {token}", label.message);
            self.source(out, label.span, sources, 16);
            out.push('\n');
        }
        for cause in &diagnostic.causes {
            self.stap(out, cause, sources);
        }
    }

    fn human(&self, out: &mut String, diagnostic: &Diagnostic, sources: &SourceMap) {
        let word = match diagnostic.severity {
            Severity::Error => self.paint(|colors| &colors.error, "error"),
            Severity::Warning => self.paint(|colors| &colors.warning, "warning"),
        };
        let _ = writeln!(out, "{word}[{}]: {}", diagnostic.code, diagnostic.message);
        if let Some(span) = diagnostic.primary {
            let end = diagnostic.token == TokenRole::EndOfFile;
            let text = if end { "the file ends here" } else { "" };
            self.human_place(out, "-->", span, text, '^', sources);
            for step in sources.expansion_chain(span) {
                let text = format!("in the expansion of {}", step.name);
                self.human_place(out, ":::", step.call, &text, '-', sources);
            }
        }
        for label in &diagnostic.labels {
            self.human_place(out, ":::", label.span, &label.message, '-', sources);
        }
        for note in &diagnostic.notes {
            let _ = writeln!(out, "  = note: {note}");
        }
        for hint in &diagnostic.hints {
            let _ = writeln!(out, "  = help: {hint}");
        }
        for cause in &diagnostic.causes {
            self.human(out, cause, sources);
        }
    }

    fn human_place(
        &self,
        out: &mut String,
        arrow: &str,
        span: Span,
        text: &str,
        mark: char,
        sources: &SourceMap,
    ) {
        let position = sources.line_column(span);
        let line = sources
            .file(span.file)
            .map_or("", |file| file.line(position.line));
        let number = position.line.to_string();
        let margin = number.len();
        let bar = self.paint(|colors| &colors.source, "|");
        let _ = writeln!(out, "{:margin$}{arrow} {}", "", sources.location(span));
        let _ = writeln!(out, "{number} {bar} {}", line.replace('\t', " "));
        let before = position.column as usize - 1;
        let length = sources
            .text(span)
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .count();
        let rest = line.chars().count().saturating_sub(before);
        let marks = mark.to_string().repeat(length.min(rest).max(1));
        let marks = self.paint(|colors| &colors.caret, &marks);
        let _ = writeln!(
            out,
            "{}",
            format!("{:margin$} {bar} {:before$}{marks} {text}", "", "").trim_end()
        );
    }
}

fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn json_list<T>(out: &mut String, key: &str, items: &[T], mut each: impl FnMut(&mut String, &T)) {
    let _ = write!(out, ",\"{key}\":[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

fn json_span(out: &mut String, span: Span, sources: &SourceMap) {
    let position = sources.line_column(span);
    let end = sources.line_column(span.after());
    out.push_str("{\"file\":");
    json_string(out, sources.file_name(span));
    let _ = write!(
        out,
        ",\"line\":{},\"column\":{},\"end_line\":{},\"end_column\":{},\"start\":{},\"end\":{}",
        position.line, position.column, end.line, end.column, span.start, span.end
    );
    let chain: Vec<_> = sources.expansion_chain(span).collect();
    json_list(out, "expansion", &chain, |out, step| {
        out.push_str("{\"name\":");
        json_string(out, &step.name);
        out.push_str(",\"at\":");
        json_string(out, &sources.location(step.call));
        out.push('}');
    });
    out.push('}');
}

fn json_diagnostic(out: &mut String, diagnostic: &Diagnostic, sources: &SourceMap) {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let category = match diagnostic.category {
        super::Category::Parse => "parse",
        super::Category::Semantic => "semantic",
    };
    let _ = write!(
        out,
        "{{\"code\":\"{}\",\"severity\":\"{severity}\"",
        diagnostic.code
    );
    let _ = write!(out, ",\"category\":\"{category}\",\"message\":");
    json_string(out, &diagnostic.message);
    out.push_str(",\"span\":");
    match diagnostic.primary {
        Some(span) => json_span(out, span, sources),
        None => out.push_str("null"),
    }
    json_list(out, "labels", &diagnostic.labels, |out, label| {
        out.push_str("{\"message\":");
        json_string(out, &label.message);
        out.push_str(",\"span\":");
        json_span(out, label.span, sources);
        out.push('}');
    });
    json_list(out, "notes", &diagnostic.notes, |out, note| {
        json_string(out, note)
    });
    json_list(out, "hints", &diagnostic.hints, |out, hint| {
        json_string(out, hint)
    });
    json_list(out, "causes", &diagnostic.causes, |out, cause| {
        json_diagnostic(out, cause, sources)
    });
    out.push('}');
}
