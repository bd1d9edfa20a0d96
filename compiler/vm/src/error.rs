// SPDX-License-Identifier: GPL-2.0-or-later
//! One error type: what went wrong, and what to do next.

use std::fmt;
use std::path::Path;

/// A failure to show to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What failed, where and why, in one line.
    pub message: String,
    /// What the reader can do about it, for instance a command to run.
    pub hint: Option<String>,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without advice.
    pub fn new(message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            hint: None,
        }
    }

    /// Adds advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// An input/output error with what was being done to which path.
    pub fn io(action: &str, path: &Path, error: std::io::Error) -> Error {
        Error::new(format!("cannot {action} {}: {error}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
