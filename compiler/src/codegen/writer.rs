// SPDX-License-Identifier: GPL-2.0-or-later
//! C text with the kernel's indentation, and C spellings of constants.

/// Collects lines of C. Blocks are opened and closed in pairs.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// A writer whose lines start `depth` tabs to the right.
    pub fn at(depth: usize) -> Self {
        Self {
            text: String::new(),
            depth,
        }
    }

    pub fn line(&mut self, line: impl AsRef<str>) {
        for _ in 0..self.depth {
            self.text.push('\t');
        }
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// A line that starts a block; `{` is added.
    pub fn open(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        self.line(if line.is_empty() {
            "{".to_owned()
        } else {
            format!("{line} {{")
        });
        self.depth += 1;
    }

    /// A function's head; its brace stands alone, as the kernel has it.
    pub fn open_function(&mut self, head: impl AsRef<str>) {
        self.line(head);
        self.line("{");
        self.depth += 1;
    }

    /// Ends a block with `}` and what follows it.
    pub fn close(&mut self, after: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(format!("}}{after}"));
    }

    /// `} else {`
    pub fn otherwise(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.line("} else {");
        self.depth += 1;
    }

    /// A goto label, in the first column.
    pub fn label(&mut self, name: &str) {
        self.text.push_str(name);
        self.text.push_str(":;\n");
    }

    /// Text as it is.
    pub fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

/// A 64-bit constant: always `long long`, so that `1 << 40` needs no cast.
pub(super) fn number(value: i64) -> String {
    match value {
        i64::MIN => "(-9223372036854775807LL - 1)".to_owned(),
        negative if negative < 0 => format!("({negative}LL)"),
        _ => format!("{value}LL"),
    }
}

/// A C string literal with these bytes. Octal escapes take three digits, so no
/// digit that follows can be mistaken for a part of them.
pub(super) fn quote(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            // Two question marks would start a trigraph.
            b'?' => text.push_str("\\?"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text.push('"');
    text
}

/// A `struct rst_string` constant. Bytes from the first NUL on are not part of
/// a string, as in SystemTap.
pub(super) fn literal(bytes: &[u8]) -> String {
    format!("RST_LITERAL({})", quote(until_nul(bytes)))
}

/// What a C string of these bytes would be.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// `text` or `NULL`.
pub(super) fn quote_or_null(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| quote(text.as_bytes()))
}

/// Turns a script's name into a part of a C identifier.
pub(super) fn identifier(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// The expression without parentheses that its place does not need.
pub(super) fn bare(text: &str) -> &str {
    let Some(inner) = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    else {
        return text;
    };
    // "(a) + (b)" and casts keep theirs; so does anything with quotes, to stay simple.
    let mut depth = 0i32;
    for c in inner.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '"' | '\'' | '{' => return text,
            _ => {}
        }
        if depth < 0 {
            return text;
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_long_long() {
        assert_eq!(number(5), "5LL");
        assert_eq!(number(-5), "(-5LL)");
        assert_eq!(number(i64::MIN), "(-9223372036854775807LL - 1)");
    }

    #[test]
    fn quoting_is_safe_for_any_byte() {
        assert_eq!(quote(b"a\"\\\n\x0019?"), r#""a\"\\\n\00019\?""#);
        assert_eq!(literal(b"ab\0cd"), r#"RST_LITERAL("ab")"#);
    }

    #[test]
    fn bare_strips_only_matching_parentheses() {
        assert_eq!(bare("(a + b)"), "a + b");
        assert_eq!(bare("(a) + (b)"), "(a) + (b)");
        assert_eq!(bare("((a) + (b))"), "(a) + (b)");
    }
}
