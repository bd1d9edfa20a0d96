// SPDX-License-Identifier: GPL-2.0-or-later
//! Comparing versions and matching shell patterns, for conditionals.

use std::cmp::Ordering;

/// Compares versions as glibc's `strverscmp(3)` does: runs of digits compare as numbers, and
/// digits behind a leading zero as fractions.
pub fn compare(left: &str, right: &str) -> Ordering {
    let byte = |text: &str, at: usize| text.as_bytes().get(at).copied().unwrap_or(0);
    let pairs = left.bytes().zip(right.bytes());
    let differ = pairs.take_while(|(a, b)| a == b).count();
    let (a, b) = (byte(left, differ), byte(right, differ));
    // The run of digits in which the texts differ begins here.
    let same = left.as_bytes().get(..differ).unwrap_or_default();
    let start = differ
        - same
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
    let is_number = |text| matches!(byte(text, start), b'1'..=b'9');
    if is_number(left) && is_number(right) {
        let digits = |text: &str| {
            let run = text.bytes().skip(start);
            run.take_while(u8::is_ascii_digit).count()
        };
        return digits(left).cmp(&digits(right)).then(a.cmp(&b));
    }
    let zeros = same.iter().skip(start).all(|&byte| byte == b'0');
    if zeros && start < differ && (a.is_ascii_digit() || b.is_ascii_digit()) {
        // A fraction: "00" comes before "0" and "01" before "0x", so digits come first.
        return a.wrapping_sub(b'0').cmp(&b.wrapping_sub(b'0'));
    }
    a.cmp(&b)
}

/// Whether `text` matches a shell pattern with `*`, `?` and `[...]`, as `fnmatch(3)` without
/// flags. Takes time proportional to the product of the lengths.
pub fn fnmatch(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when a later part does not match: the last star takes one byte more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                retry = Some((p + 1, t));
                Some((p + 1, t))
            }
            (None, None) => return true,
            (_, None) => return false,
            (Some(b'?'), Some(_)) => Some((p + 1, t + 1)),
            (Some(b'['), Some(&byte)) => match bracket(pattern, p, byte) {
                Some((true, next)) => Some((next, t + 1)),
                Some((false, _)) => None,
                None => (byte == b'[').then_some((p + 1, t + 1)),
            },
            (Some(b'\\'), Some(&byte)) if pattern.len() > p + 1 => {
                (pattern.get(p + 1) == Some(&byte)).then_some((p + 2, t + 1))
            }
            (Some(want), Some(byte)) => (want == byte).then_some((p + 1, t + 1)),
            (None, Some(_)) => None,
        };
        match (step, &mut retry) {
            (Some((next_p, next_t)), _) => (p, t) = (next_p, next_t),
            (None, Some((after_star, from))) => {
                *from += 1;
                (p, t) = (*after_star, *from);
            }
            (None, None) => return false,
        }
    }
}

/// Matches one byte against the bracket at `pattern[at]`; gives the result and the place behind
/// the bracket. `None` if the bracket does not end.
fn bracket(pattern: &[u8], at: usize, byte: u8) -> Option<(bool, usize)> {
    let mut at = at + 1;
    let negated = matches!(pattern.get(at)?, b'!' | b'^');
    at += usize::from(negated);
    let first = at;
    let mut hit = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((hit != negated, at + 1));
        }
        let high = match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => Some(high),
            _ => None,
        };
        at += if high.is_some() { 3 } else { 1 };
        let high = high.unwrap_or(low);
        hit |= (low..=high).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (small, large) in [
            ("2.6", "2.6.18"),
            ("2.6.9", "2.6.18"),
            ("3.10", "4.2"),
            ("4.19.0", "5.10.0"),
            ("6.1.0-9", "6.1.0-56-cloud-amd64"),
            ("5.9", "5.10"),
            ("4.8", "5.6"),
            ("abc", "abd"),
            ("a", "a1"),
            ("000", "00"),
            ("00", "01"),
            ("01", "010"),
            ("010", "09"),
            ("09", "0"),
            ("0", "1"),
            ("1", "9"),
            ("9", "10"),
        ] {
            assert_eq!(compare(small, large), Ordering::Less, "{small} {large}");
            assert_eq!(compare(large, small), Ordering::Greater, "{large} {small}");
            assert_eq!(compare(small, small), Ordering::Equal);
        }
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("i?86", "i686", true),
            ("i?86", "x86", false),
            ("*.el[567].*", "2.6.32-431.el6.x86_64", true),
            ("*.el[567].*", "2.6.32-431.el8.x86_64", false),
            ("[!a-c]x", "dx", true),
            ("[!a-c]x", "bx", false),
            ("[a-]", "-", true),
            ("[]]", "]", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            assert_eq!(fnmatch(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!fnmatch(&"*a".repeat(2000), &"b".repeat(2000)));
    }
}
