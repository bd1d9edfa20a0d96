// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with a command line.

/// Why a command line is refused. `Display` is the whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    pub message: String,
    /// Whether the help is of use.
    pub mentions_help: bool,
}

impl UsageError {
    /// A message that explains itself.
    pub fn new(message: impl Into<String>) -> UsageError {
        UsageError {
            message: message.into(),
            mentions_help: false,
        }
    }

    /// A message after which the help is named.
    pub fn with_help(message: impl Into<String>) -> UsageError {
        UsageError {
            message: message.into(),
            mentions_help: true,
        }
    }
}

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        if self.mentions_help {
            write!(f, "\nTry '--help' for more information. [man rstap]")?;
        }
        Ok(())
    }
}

impl std::error::Error for UsageError {}
