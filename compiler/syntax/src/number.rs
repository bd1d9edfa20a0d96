// SPDX-License-Identifier: GPL-2.0-or-later
//! Number literals, as `strtoull(3)` with base 0 reads them.

/// Value of a literal: decimal, `0x` or octal with a leading `0`. Up to 2^64-1, two's
/// complement. `None` if it is malformed or too large.
pub fn parse(text: &str) -> Option<i64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    if !digits.starts_with(|digit: char| digit.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix)
        .ok()
        .map(|value| value as i64)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_wrap_at_64_bits() {
        for (text, value) in [
            ("0", Some(0)),
            ("42", Some(42)),
            ("0x1F", Some(31)),
            ("017", Some(15)),
            ("9223372036854775808", Some(i64::MIN)),
            ("18446744073709551615", Some(-1)),
            ("18446744073709551616", None),
            ("018", None),
            ("0x", None),
            ("0x+1", None),
            ("1e3", None),
            ("", None),
        ] {
            assert_eq!(parse(text), value, "{text}");
        }
    }
}
