// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading JSON (RFC 8259), as much as a module's status file needs. The text
//! comes from a module and is untrusted: depth is bounded, errors give `None`.

/// A JSON value. Numbers keep their text: the counters have 64 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`, `true`, `false` or a number, as written.
    Plain(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order of the text.
    Object(Vec<(String, Json)>),
}

/// Deepest nesting that is read.
const DEPTH_MAXIMUM: u32 = 32;

impl Json {
    /// Reads one value that is the whole text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Json> {
        let mut reader = Reader { rest: text };
        let value = reader.value(0)?;
        reader.skip_space();
        reader.rest.is_empty().then_some(value)
    }

    /// The value of a key of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Text of a string or of a plain value; empty for others.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Json::Plain(text) | Json::Text(text) => text,
            _ => "",
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, character: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: u32) -> Option<Json> {
        if depth > DEPTH_MAXIMUM {
            return None;
        }
        if self.take('{') {
            return self.object(depth);
        }
        if self.take('[') {
            return self.list(depth);
        }
        if self.take('"') {
            return self.string().map(Json::Text);
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        let is_plain = matches!(word, "null" | "true" | "false") || word.parse::<f64>().is_ok();
        self.rest = rest;
        is_plain.then(|| Json::Plain(word.to_owned()))
    }

    fn object(&mut self, depth: u32) -> Option<Json> {
        let mut pairs = Vec::new();
        if self.take('}') {
            return Some(Json::Object(pairs));
        }
        loop {
            if !self.take('"') {
                return None;
            }
            let key = self.string()?;
            if !self.take(':') {
                return None;
            }
            pairs.push((key, self.value(depth + 1)?));
            if self.take('}') {
                return Some(Json::Object(pairs));
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: u32) -> Option<Json> {
        let mut values = Vec::new();
        if self.take(']') {
            return Some(Json::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.take(']') {
                return Some(Json::List(values));
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    /// The rest of a string after its first quote.
    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next()? {
                '"' => {
                    self.rest = characters.as_str();
                    return Some(text);
                }
                '\\' => text.push(match characters.next()? {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'u' => {
                        let digits = characters.as_str().get(..4)?;
                        let code = u32::from_str_radix(digits, 16).ok()?;
                        characters = characters.as_str().get(4..)?.chars();
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    other => other,
                }),
                other => text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn values_are_read() {
        let json = Json::parse(
            r#" {"uptime": 12, "name":"a\"b\u0041\n", "list":[1, -2.5e3, true, null], "o":{} } "#,
        )
        .expect("valid");
        assert_eq!(json.get("uptime").map(Json::text), Some("12"));
        assert_eq!(json.get("name").map(Json::text), Some("a\"bA\n"));
        let Some(Json::List(list)) = json.get("list") else {
            panic!("no list")
        };
        assert_eq!(list.len(), 4);
        assert_eq!(json.get("o"), Some(&Json::Object(Vec::new())));
    }

    #[test]
    fn wrong_texts_are_refused() {
        for text in [
            "",
            "{",
            "{\"a\"}",
            "[1,",
            "\"a",
            "tru",
            "{} x",
            "[1 2]",
            "\"\\u12\"",
            "{1:2}",
        ] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
        assert_eq!(Json::parse(&"[".repeat(100_000)), None);
    }

    #[test]
    fn random_texts_never_panic() {
        let mut random = Random::new(6);
        let alphabet: Vec<char> = "{}[]\",:\\u12tea\u{e9} ".chars().collect();
        for _ in 0..20_000 {
            let length = random.below(30);
            let text: String = (0..length)
                .map(|_| alphabet[random.below(alphabet.len())])
                .collect();
            let _ = Json::parse(&text);
        }
    }
}
