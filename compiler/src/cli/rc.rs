// SPDX-License-Identifier: GPL-2.0-or-later
//! `$SYSTEMTAP_DIR/rc`: options that come before those of the command line.

use std::path::{Path, PathBuf};

/// The file's words, each line split as a shell does; `#` begins a comment. A missing file has none.
pub fn words(directory: Option<&Path>) -> Vec<String> {
    let Some(directory) = directory else {
        return Vec::new();
    };
    let Ok(text) = std::fs::read_to_string(directory.join("rc")) else {
        return Vec::new();
    };
    text.lines().flat_map(split_words).collect()
}

/// `$RSTAP_DIR`, `$SYSTEMTAP_DIR`, or `~/.systemtap`: settings that a user has for SystemTap hold.
pub fn directory() -> Option<PathBuf> {
    let from = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    from("RSTAP_DIR")
        .or_else(|| from("SYSTEMTAP_DIR"))
        .or_else(|| from("HOME").map(|home| home.join(".systemtap")))
}

/// Splits a line into words: quotes, backslash, `$NAME`, `${NAME}`, `~/` and `#` as in a shell,
/// nothing that runs a command.
pub fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            blank if blank.is_whitespace() => words.extend(word.take()),
            '#' if word.is_none() => break,
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(characters.by_ref().take_while(|next| *next != '\''));
            }
            '"' => {
                let word = word.get_or_insert_default();
                while let Some(next) = characters.next() {
                    match next {
                        '"' => break,
                        '\\' if matches!(characters.peek(), Some('"' | '\\' | '$')) => {
                            word.extend(characters.next());
                        }
                        '$' => word.push_str(&variable(&mut characters)),
                        _ => word.push(next),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            '$' => word
                .get_or_insert_default()
                .push_str(&variable(&mut characters)),
            '~' if word.is_none() && matches!(characters.peek(), None | Some('/')) => {
                word = Some(std::env::var("HOME").unwrap_or_default());
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// The value of the variable whose name comes next; a `$` before anything else is itself.
fn variable(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let is_braced = characters.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(next) = characters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
        name.push(next);
    }
    if is_braced {
        characters.next_if_eq(&'}');
    } else if name.is_empty() {
        return "$".to_owned();
    }
    std::env::var(&name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(
            split_words("-v --vp 01  -D \"A=b\" -c 'ls -l' a\\ b '' # comment"),
            ["-v", "--vp", "01", "-D", "A=b", "-c", "ls -l", "a b", ""]
        );
        assert_eq!(split_words("a#b $ x"), ["a#b", "$", "x"]);
        assert_eq!(split_words("  # all of it"), Vec::<String>::new());
    }

    #[test]
    fn a_missing_file_has_no_words() {
        assert!(words(None).is_empty());
        assert!(words(Some(Path::new("/nonexistent"))).is_empty());
    }
}
