// SPDX-License-Identifier: GPL-2.0-or-later

//! The one error of this crate: which file, where in it, what is wrong, what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Something about a file or a question that could not be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The file, if one is involved.
    pub path: Option<PathBuf>,
    /// Section and byte offset in it, if known.
    pub position: Option<(String, u64)>,
    /// What is wrong, in one lower-case phrase.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl Error {
    /// An error without a file.
    pub fn new(message: impl Into<String>) -> Error {
        Error {
            path: None,
            position: None,
            message: message.into(),
            hint: None,
        }
    }

    /// An error about a file.
    pub fn in_file(path: &Path, message: impl Into<String>) -> Error {
        Error {
            path: Some(path.to_path_buf()),
            ..Error::new(message)
        }
    }

    /// Adds the place in the file.
    pub fn at(mut self, section: &str, offset: u64) -> Error {
        self.position = Some((section.to_string(), offset));
        self
    }

    /// Adds advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        if let Some((section, offset)) = &self.position {
            write!(f, "{section}+{offset:#x}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
