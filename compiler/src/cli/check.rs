// SPDX-License-Identifier: GPL-2.0-or-later
//! What an option's value must look like, with SystemTap's messages.

use std::path::{Path, PathBuf};

use super::error::UsageError;

/// Longest name of a module: kernel MODULE_NAME_LEN without the NUL.
pub const MODULE_NAME_LONGEST: usize = 55;

/// SystemTap shows the pattern that a value must match; the patterns are tools' knowledge.
fn mismatch(value: &str, option: &str, pattern: &str) -> UsageError {
    UsageError::new(format!(
        "ERROR: Safety pattern mismatch for {option} parameter ('{value}' vs. '{pattern}') rc=1"
    ))
}

/// `^[a-z_][a-z_0-9]*`, in any case.
fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|next| next.is_ascii_alphanumeric() || next == '_')
}

pub fn pass(value: &str) -> Result<u8, UsageError> {
    match value.parse() {
        Ok(pass @ 1..=5) => Ok(pass),
        _ => Err(UsageError::new("Invalid pass number (should be 1-5).")),
    }
}

/// 1 to 5 digits.
pub fn verbosity(value: &str) -> Result<Vec<u32>, UsageError> {
    let digits: Option<Vec<u32>> = value.chars().map(|digit| digit.to_digit(10)).collect();
    digits
        .filter(|digits| (1..=5).contains(&digits.len()))
        .ok_or_else(|| UsageError::new("Invalid --vp argument: it takes 1 to 5 digits."))
}

pub fn command(value: &str) -> Result<String, UsageError> {
    if value.is_empty() {
        Err(UsageError::new("Empty CMD string invalid."))
    } else {
        Ok(value.to_owned())
    }
}

pub fn process(value: &str, message: &str) -> Result<i64, UsageError> {
    match value.parse() {
        Ok(process @ 1..=4_194_304) => Ok(process),
        _ => Err(UsageError::new(message)),
    }
}

pub fn buffer_size(value: &str) -> Result<u32, UsageError> {
    match value.parse() {
        Ok(size @ 1..=4095) => Ok(size),
        _ => Err(UsageError::new("Invalid buffer size (should be 1-4095).")),
    }
}

pub fn rotation(value: &str) -> Result<String, UsageError> {
    let is_number =
        |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    let is_good = match value.split_once(',') {
        Some((size, count)) => is_number(size) && is_number(count),
        None => is_number(value),
    };
    if !is_good {
        return Err(mismatch(value, "-S", "^[0-9]+(,[0-9]+)?$"));
    }
    let is_zero = |text: &str| text.chars().all(|digit| digit == '0');
    match value.split(',').any(is_zero) {
        true => Err(UsageError::new(
            "Invalid file size option for -S: megabytes and number of files must be above 0.",
        )),
        false => Ok(value.to_owned()),
    }
}

pub fn output_file(value: &str) -> Result<PathBuf, UsageError> {
    match value.is_empty() {
        true => Err(UsageError::new("Empty FILE name of -o invalid.")),
        false => Ok(PathBuf::from(value)),
    }
}

/// Seconds with a fraction, to milliseconds.
pub fn timeout(value: &str) -> Result<u64, UsageError> {
    let seconds: f64 = value.parse().unwrap_or(0.0);
    let milliseconds = seconds * 1000.0;
    if (1.0..1e12).contains(&milliseconds) {
        // in range, so nothing is lost but the fraction
        Ok(milliseconds as u64)
    } else {
        Err(UsageError::new("Invalid timeout interval."))
    }
}

/// `NAME=VALUE` of `-G`.
pub fn global_value(value: &str) -> Result<(String, String), UsageError> {
    let pattern = "^[a-z_][a-z0-9_]*=[a-z0-9_.-]+$";
    let is_value = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    match value.split_once('=') {
        Some((name, text)) if is_identifier(name) && is_value(text) => {
            Ok((name.to_owned(), text.to_owned()))
        }
        _ => Err(mismatch(value, "-G", pattern)),
    }
}

/// `NAME[=VALUE]` of `-D`.
pub fn macro_definition(value: &str) -> Result<(String, Option<String>), UsageError> {
    let pattern = "^[a-z_][a-z_0-9]*(=-?[a-z_0-9]+)?$";
    let is_value = |text: &str| {
        let text = text.strip_prefix('-').unwrap_or(text);
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match value.split_once('=') {
        Some((name, text)) if is_identifier(name) && is_value(text) => {
            Ok((name.to_owned(), Some(text.to_owned())))
        }
        None if is_identifier(value) => Ok((value.to_owned(), None)),
        _ => Err(mismatch(value, "-D", pattern)),
    }
}

/// A module's name, and a warning if it had to be cut.
pub fn module_name(value: &str) -> Result<(String, Option<String>), UsageError> {
    let name = value.strip_suffix(".ko").unwrap_or(value);
    let is_good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_good {
        return Err(mismatch(name, "-m", "^[a-z0-9_]+$"));
    }
    // ASCII by the check before
    let cut: String = name.chars().take(MODULE_NAME_LONGEST).collect();
    let warning = (cut.len() < name.len()).then(|| format!("Truncating module name to '{cut}'"));
    Ok((cut, warning))
}

pub fn modinfo(value: &str) -> Result<String, UsageError> {
    match value.split_once('=') {
        Some((name, text))
            if is_identifier(name) && !text.is_empty() && !text.contains(['\n', '\0']) =>
        {
            Ok(value.to_owned())
        }
        _ => Err(mismatch(value, "--modinfo", "^[a-z_][a-z0-9_]*=.+$")),
    }
}

pub fn assignment(value: &str) -> Result<(String, String), UsageError> {
    match value.split_once('=') {
        Some((name, text)) if is_identifier(name) => Ok((name.to_owned(), text.to_owned())),
        _ => Err(UsageError::new(format!(
            "ERROR: --sysenv {value}: it must be NAME=VALUE"
        ))),
    }
}

pub fn directory(value: &str) -> Result<PathBuf, UsageError> {
    match std::fs::canonicalize(value) {
        Ok(path) if path.is_dir() => Ok(path),
        _ => Err(UsageError::new(format!(
            "ERROR: {value} is an invalid directory for --sysroot"
        ))),
    }
}

/// A release, or an absolute path.
pub fn release(value: &str) -> Result<String, UsageError> {
    let is_release = !value.is_empty()
        && !value.starts_with('-')
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.+~".contains(c));
    if is_release || Path::new(value).is_absolute() {
        Ok(value.to_owned())
    } else {
        Err(mismatch(value, "-r", "^[a-z0-9_.+~][a-z0-9_.+~-]*$|^/"))
    }
}

/// Seconds; without a value one.
pub fn monitor(value: &str) -> Result<u32, UsageError> {
    if value.is_empty() {
        return Ok(1);
    }
    match value.parse() {
        Ok(seconds @ 1..) => Ok(seconds),
        _ => Err(UsageError::new("Invalid monitor interval.")),
    }
}

pub fn limit(option: &str, value: &str) -> Result<u64, UsageError> {
    value.parse().map_err(|_| {
        UsageError::new(format!(
            "Unable to convert {option} resource limit '{value}'."
        ))
    })
}

/// A version of SystemTap that this language follows or an older one.
pub fn compatible(value: &str) -> Result<String, UsageError> {
    let newest = (5, 6);
    let mut numbers = value.split('.').map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        (Some(Ok(major)), None) => Some((major, 0)),
        _ => None,
    };
    match version {
        Some(version) if version <= newest => Ok(value.to_owned()),
        _ => Err(UsageError::new(format!(
            "ERROR: systemtap version {}.{} cannot be compatible with future version {value}",
            newest.0, newest.1
        ))),
    }
}
