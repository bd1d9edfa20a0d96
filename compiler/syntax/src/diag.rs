// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages as data, and the ways to show them.
//!
//! A [`Diagnostic`] says what is wrong, where and what to do; a [`Renderer`] turns it into text.
//! Nothing here prints.

mod render;

pub use render::{Colors, ErrorFormat, Renderer};

use crate::span::Span;

/// `1 argument`, `2 arguments`.
pub fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        _ => format!("{count} {thing}s"),
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The script still runs.
    Warning,
    /// The script does not run.
    Error,
}

/// Which part of the compiler speaks; decides the words `parse error` or `semantic error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Pass 1.
    Parse,
    /// Pass 2 and later.
    Semantic,
}

/// A second place that belongs to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there: `type was first inferred here (string)`.
    pub message: String,
}

/// What the token at a parse error's place has to do with the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRole {
    /// It came where something else was expected (`saw:`).
    Seen,
    /// It is wrong itself (`at:`).
    Blamed,
    /// As `Blamed`, described in these words.
    BlamedAs(&'static str),
    /// There is no token: the file ended (`saw: <input> EOF`).
    EndOfFile,
}

/// A message about a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, `E0101` or `W0203`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// Parse or semantic.
    pub category: Category,
    /// One line without a full stop.
    pub message: String,
    /// Where. `None` when there is no such place; a parse error is then a sentence about the
    /// whole file.
    pub primary: Option<Span>,
    /// What stands at the primary place.
    pub token: TokenRole,
    /// Secondary places.
    pub labels: Vec<Label>,
    /// Facts that help to understand it.
    pub notes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
    /// Why: `while resolving probe point` is caused by `no match`. Shown below, in order.
    pub causes: Vec<Diagnostic>,
}

impl Diagnostic {
    /// A message with nothing but its text.
    pub fn new(
        code: &'static str,
        severity: Severity,
        category: Category,
        message: impl Into<String>,
    ) -> Self {
        Diagnostic {
            code,
            severity,
            category,
            message: message.into(),
            primary: None,
            token: TokenRole::Seen,
            labels: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
            causes: Vec::new(),
        }
    }

    /// A `parse error` at a place.
    pub fn parse_error(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Self::new(code, Severity::Error, Category::Parse, message).at(span)
    }

    /// A `semantic error` without a place; add one with [`Diagnostic::at`].
    pub fn semantic_error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, Category::Semantic, message)
    }

    /// A warning without a place; add one with [`Diagnostic::at`].
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, Category::Semantic, message)
    }

    /// Sets the primary place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.primary = Some(span);
        self
    }

    /// The token at the primary place is wrong itself.
    #[must_use]
    pub fn blame(mut self) -> Self {
        self.token = TokenRole::Blamed;
        self
    }

    /// The place is wrong and its text says nothing; `words` describe it.
    #[must_use]
    pub fn blame_as(mut self, words: &'static str) -> Self {
        self.token = TokenRole::BlamedAs(words);
        self
    }

    /// The file ended too early.
    #[must_use]
    pub fn at_end(mut self) -> Self {
        self.token = TokenRole::EndOfFile;
        self
    }

    /// Adds a secondary place.
    #[must_use]
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            message: message.into(),
        });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: Diagnostic) -> Self {
        self.causes.push(cause);
        self
    }

    /// Whether the script cannot run because of this.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// `parse error`, `semantic error` or `WARNING`.
    pub fn heading(&self) -> &'static str {
        match (self.severity, self.category) {
            (Severity::Warning, _) => "WARNING",
            (Severity::Error, Category::Parse) => "parse error",
            (Severity::Error, Category::Semantic) => "semantic error",
        }
    }
}

#[cfg(test)]
mod tests;
