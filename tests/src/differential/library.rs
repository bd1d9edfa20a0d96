// SPDX-License-Identifier: GPL-2.0-or-later
//! What functions of the library give.

/// Part of a string; "" outside.
pub fn substr(text: &[u8], start: i64, length: i64) -> Vec<u8> {
    let Ok(start) = usize::try_from(start) else {
        return Vec::new();
    };
    let length = usize::try_from(length).unwrap_or(0);
    text.iter().skip(start).take(length).copied().collect()
}

/// The byte at a position; 0 outside.
pub fn stringat(text: &[u8], position: i64) -> i64 {
    let position = usize::try_from(position).ok();
    let found = position.and_then(|position| text.get(position));
    found.map_or(0, |&byte| i64::from(byte))
}

/// Where a string begins in another; -1 if nowhere.
pub fn strpos(text: &[u8], wanted: &[u8]) -> i64 {
    let fits = |&from: &usize| text[from..].starts_with(wanted);
    let found = (0..=text.len()).find(fits);
    found.map_or(-1, |from| from as i64)
}

pub fn str_replace(text: &[u8], wanted: &[u8], with: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        match rest.strip_prefix(wanted) {
            Some(behind) if !wanted.is_empty() => {
                result.extend(with);
                rest = behind;
            }
            _ => {
                result.push(first);
                rest = tail;
            }
        }
    }
    result
}

/// The number that a text begins with, as C's `strtol` reads it but for overflow.
pub fn strtol(text: &[u8], base: i64) -> i64 {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(text.len());
    let (negative, text) = match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (base, digits) = match (base, text) {
        (0 | 16, [b'0', b'x' | b'X', rest @ ..]) => (16, rest),
        (0, [b'0', ..]) => (8, text),
        (0, _) => (10, text),
        _ => (base, text),
    };
    let base = u32::try_from(base).unwrap_or(10);
    let mut value = 0i64;
    for digit in digits
        .iter()
        .map_while(|&byte| (byte as char).to_digit(base))
    {
        value = value
            .wrapping_mul(i64::from(base))
            .wrapping_add(i64::from(digit));
    }
    if negative {
        value.wrapping_neg()
    } else {
        value
    }
}

/// What `tokenize` has still to cut up.
#[derive(Debug, Default)]
pub struct Tokens(Vec<u8>);

impl Tokens {
    pub fn new(text: Vec<u8>) -> Tokens {
        Tokens(text)
    }

    /// The next token that is not empty; "" when there is none.
    pub fn next(&mut self, delimiters: &[u8]) -> Vec<u8> {
        let separates = |byte: &u8| delimiters.contains(byte);
        let start = self.0.iter().position(|byte| !separates(byte));
        let mut rest = self.0.split_off(start.unwrap_or(self.0.len()));
        let end = rest.iter().position(separates).unwrap_or(rest.len());
        self.0 = rest.split_off(end);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_in_c() {
        assert_eq!(strtol(b" -0x1fz", 0), -31);
        assert_eq!(strtol(b"0x1f", 16), 31);
        assert_eq!(strtol(b"0x1f", 10), 0);
        assert_eq!(strtol(b"0179", 0), 15);
        assert_eq!(strtol(b"z1", 36), 35 * 36 + 1);
        assert_eq!(strtol(b"-", 10), 0);
    }

    #[test]
    fn tokens_are_never_empty() {
        let mut tokens = Tokens::new(b"  a,bc ".to_vec());
        assert_eq!(tokens.next(b" ,"), b"a");
        assert_eq!(tokens.next(b" "), b",bc");
        assert_eq!(tokens.next(b" "), b"");
    }

    #[test]
    fn strings_are_cut_out_and_replaced() {
        assert_eq!(substr(b"abc", 1, 9), b"bc");
        assert_eq!(substr(b"abc", -1, 2), b"");
        assert_eq!(str_replace(b"aaa", b"aa", b"b"), b"ba");
        assert_eq!(str_replace(b"aaa", b"", b"b"), b"aaa");
        assert_eq!(strpos(b"abc", b""), 0);
    }
}
