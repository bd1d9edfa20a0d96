// SPDX-License-Identifier: GPL-2.0-or-later

//! Name patterns as in fnmatch(3): `*`, `?`, `[a-z]`, `[!x]`, `\` quotes.

/// Whether `pattern` contains anything special.
pub fn is_pattern(pattern: &str) -> bool {
    pattern
        .bytes()
        .any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// Whether the whole of `text` matches `pattern`. `*` matches `/` too.
pub fn matches(pattern: &str, text: &str) -> bool {
    matches_bytes(pattern.as_bytes(), text.as_bytes())
}

/// Whether a file pattern matches a path: the whole path, or its end after a
/// `/`, which is SystemTap's implicit `*/`.
pub fn matches_path(pattern: &str, path: &str) -> bool {
    if matches(pattern, path) {
        return true;
    }
    let path = path.as_bytes();
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern).as_bytes();
    path.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .any(|(position, _)| {
            path.get(position.saturating_add(1)..)
                .is_some_and(|tail| matches_bytes(pattern, tail))
        })
}

/// [`matches`] for text of any encoding.
pub(crate) fn matches_bytes(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to resume after the last `*`: backtracking to the last one is enough.
    let mut resume: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                resume = Some((p + 1, t));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(_), Some(byte)) => one(&pattern[p..], *byte),
            _ => None,
        };
        match (step, resume) {
            (Some(width), _) => {
                p += width;
                t += 1;
            }
            (None, Some((after_star, from))) if from < text.len() => {
                p = after_star;
                t = from + 1;
                resume = Some((after_star, from + 1));
            }
            _ => return false,
        }
    }
}

/// Matches one byte against the start of a pattern; gives the pattern's width.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', quoted, ..] => (*quoted == byte).then_some(2),
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((matched, width)) => matched.then_some(width + 1),
            None => (byte == b'[').then_some(1),
        },
        [first, ..] => (*first == byte).then_some(1),
        [] => None,
    }
}

/// Matches a byte against the inside of `[...]`; `None` if it is not closed.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let mut matched = false;
    let first = at;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((matched != negated, at + 1));
        }
        if let (Some(b'-'), Some(high)) = (pattern.get(at + 1), pattern.get(at + 2))
            && *high != b']'
        {
            matched |= low <= byte && byte <= *high;
            at += 3;
        } else {
            matched |= low == byte;
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches("vfs_*", "vfs_read"));
        assert!(!matches("vfs_*", "xvfs_read"));
        assert!(matches("*a*b*c", "xxaxxbxxbc"));
        assert!(!matches("*a*b*c", "xxaxxbxxb"));
        assert!(matches("sys_[rw]*", "sys_write"));
        assert!(matches("x[!a-c]y", "xdy"));
        assert!(!matches("x[!a-c]y", "xby"));
        assert!(matches("a[]]b", "a]b"));
        assert!(matches("a[b", "a[b"));
        assert!(matches("", ""));
        assert!(matches("*", ""));
        assert!(!matches("?", ""));
    }

    #[test]
    fn paths() {
        assert!(matches_path("read_write.c", "fs/read_write.c"));
        assert!(matches_path("fs/*.c", "fs/read_write.c"));
        assert!(matches_path("*.c", "fs/read_write.c"));
        assert!(!matches_path("write.c", "fs/read_write.c"));
    }
}
