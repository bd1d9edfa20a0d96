// SPDX-License-Identifier: GPL-2.0-or-later
//! POSIX ERE text to a tree (IEEE 1003.1 §9.4), without back-references and
//! collating elements of several characters. Bytes, not characters.

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct ByteSet(pub [u64; 4]);

impl ByteSet {
    pub fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
    }
    pub fn contains(&self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte / 64))
            .is_some_and(|word| word >> (byte % 64) & 1 == 1)
    }
    fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

/// What a pattern consists of.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Empty,
    Set(ByteSet),
    /// `^`
    Begin,
    /// `$`
    End,
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        most: Option<u32>,
    },
    Group(u32, Box<Node>),
}

/// `RE_DUP_MAX` of POSIX.
const MOST_REPEATS: u32 = 255;
const DEEPEST_NESTING: u32 = 100;

/// Gives the tree and the number of groups.
pub(super) fn parse(pattern: &[u8]) -> Result<(Node, u32), String> {
    let mut parser = Parser {
        pattern,
        position: 0,
        groups: 0,
        depth: 0,
    };
    let node = parser.either()?;
    match parser.peek() {
        None => Ok((node, parser.groups)),
        Some(_) => Err(parser.error("')' without '('")),
    }
}

struct Parser<'a> {
    pattern: &'a [u8],
    position: usize,
    groups: u32,
    depth: u32,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.position).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }

    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn error(&self, what: &str) -> String {
        format!("{what} at character {}", self.position + 1)
    }

    fn either(&mut self) -> Result<Node, String> {
        let mut branches = vec![self.sequence()?];
        while self.takes(b'|') {
            branches.push(self.sequence()?);
        }
        if branches.len() > 1 {
            return Ok(Node::Either(branches));
        }
        Ok(branches.pop().unwrap_or(Node::Empty))
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while let Some(byte) = self.peek() {
            if byte == b'|' || (byte == b')' && self.depth > 0) {
                break;
            }
            let atom = self.atom()?;
            nodes.push(self.repeats(atom)?);
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            _ => Node::Sequence(nodes),
        })
    }

    fn atom(&mut self) -> Result<Node, String> {
        let Some(byte) = self.next() else {
            return Ok(Node::Empty);
        };
        match byte {
            b'(' => {
                if self.depth >= DEEPEST_NESTING {
                    return Err(self.error("groups nested too deep"));
                }
                self.groups += 1;
                let number = self.groups;
                self.depth += 1;
                let inner = self.either()?;
                self.depth -= 1;
                if !self.takes(b')') {
                    return Err(self.error("missing ')'"));
                }
                Ok(Node::Group(number, Box::new(inner)))
            }
            b')' => {
                self.position -= 1;
                Err(self.error("')' without '('"))
            }
            b'[' => self.bracket().map(Node::Set),
            b'.' => Ok(Node::Set(ByteSet::default().complement())),
            b'^' => Ok(Node::Begin),
            b'$' => Ok(Node::End),
            b'*' | b'+' | b'?' => {
                self.position -= 1;
                Err(self.error(&format!("nothing to repeat before '{}'", char::from(byte))))
            }
            b'{' if self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                self.position -= 1;
                Err(self.error("nothing to repeat before '{'"))
            }
            b'\\' => {
                let Some(escaped) = self.next() else {
                    return Err(self.error("'\\' at the end"));
                };
                if escaped.is_ascii_digit() && escaped != b'0' {
                    return Err(self.error("back-references are not supported"));
                }
                Ok(single(escaped))
            }
            _ => Ok(single(byte)),
        }
    }

    fn repeats(&mut self, mut node: Node) -> Result<Node, String> {
        loop {
            let (least, most) = match self.peek() {
                Some(b'*') => (0, None),
                Some(b'+') => (1, None),
                Some(b'?') => (0, Some(1)),
                Some(b'{')
                    if self
                        .pattern
                        .get(self.position + 1)
                        .is_some_and(|next| next.is_ascii_digit() || *next == b',') =>
                {
                    self.position += 1;
                    let bounds = self.bounds()?;
                    node = Node::Repeat {
                        node: Box::new(node),
                        least: bounds.0,
                        most: bounds.1,
                    };
                    continue;
                }
                _ => return Ok(node),
            };
            self.position += 1;
            node = Node::Repeat {
                node: Box::new(node),
                least,
                most,
            };
        }
    }

    fn number(&mut self) -> Result<Option<u32>, String> {
        let mut value = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            self.position += 1;
            let next = value.unwrap_or(0) * 10 + u32::from(digit - b'0');
            if next > MOST_REPEATS {
                return Err(self.error(&format!("more than {MOST_REPEATS} repetitions")));
            }
            value = Some(next);
        }
        Ok(value)
    }

    /// `{n}`, `{n,}`, `{n,m}`, `{,m}` after the brace.
    fn bounds(&mut self) -> Result<(u32, Option<u32>), String> {
        let least = self.number()?;
        let most = if self.takes(b',') {
            self.number()?
        } else {
            least
        };
        if !self.takes(b'}') {
            return Err(self.error("missing '}'"));
        }
        let least = least.unwrap_or(0);
        if most.is_some_and(|most| most < least) {
            return Err(self.error("repetition with its bounds the wrong way round"));
        }
        Ok((least, most))
    }

    /// A bracket expression after `[`.
    fn bracket(&mut self) -> Result<ByteSet, String> {
        let is_negated = self.takes(b'^');
        let mut set = ByteSet::default();
        let mut is_first = true;
        loop {
            let Some(byte) = self.next() else {
                return Err(self.error("missing ']'"));
            };
            if byte == b']' && !is_first {
                break;
            }
            is_first = false;
            if byte == b'[' && self.peek() == Some(b':') {
                self.class(&mut set)?;
                continue;
            }
            let low = self.element(byte)?;
            let is_range = self.peek() == Some(b'-')
                && self
                    .pattern
                    .get(self.position + 1)
                    .is_some_and(|next| *next != b']');
            let high = if is_range {
                self.position += 1;
                let Some(byte) = self.next() else {
                    return Err(self.error("missing ']'"));
                };
                self.element(byte)?
            } else {
                low
            };
            if high < low {
                return Err(self.error("range with its ends the wrong way round"));
            }
            for byte in low..=high {
                set.insert(byte);
            }
        }
        Ok(if is_negated { set.complement() } else { set })
    }

    /// One byte, also as `[.x.]` or `[=x=]`.
    fn element(&mut self, byte: u8) -> Result<u8, String> {
        let Some(kind) = self
            .peek()
            .filter(|kind| byte == b'[' && matches!(kind, b'.' | b'='))
        else {
            return Ok(byte);
        };
        let rest = self.pattern.get(self.position + 1..).unwrap_or_default();
        match rest {
            [element, end, b']', ..] if *end == kind => {
                self.position += 4;
                Ok(*element)
            }
            _ => Err(self.error("collating elements of one character only")),
        }
    }

    /// `[:name:]` with the position at the first colon.
    fn class(&mut self, set: &mut ByteSet) -> Result<(), String> {
        let rest = self.pattern.get(self.position + 1..).unwrap_or_default();
        let Some(end) = rest.windows(2).position(|pair| pair == b":]") else {
            return Err(self.error("missing ':]'"));
        };
        let name = rest.get(..end).unwrap_or_default();
        let belongs: fn(&u8) -> bool = match name {
            b"alpha" => u8::is_ascii_alphabetic,
            b"digit" => u8::is_ascii_digit,
            b"alnum" => u8::is_ascii_alphanumeric,
            b"upper" => u8::is_ascii_uppercase,
            b"lower" => u8::is_ascii_lowercase,
            b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
            b"blank" => |byte| matches!(byte, b' ' | b'\t'),
            b"punct" => u8::is_ascii_punctuation,
            b"print" => |byte| matches!(byte, b' '..=b'~'),
            b"graph" => u8::is_ascii_graphic,
            b"cntrl" => u8::is_ascii_control,
            b"xdigit" => u8::is_ascii_hexdigit,
            _ => {
                let name = String::from_utf8_lossy(name);
                return Err(self.error(&format!(
                    "unknown class [:{name}:] (there are alpha digit alnum upper lower space \
                     blank punct print graph cntrl xdigit)"
                )));
            }
        };
        (0..=255).filter(belongs).for_each(|byte| set.insert(byte));
        self.position += end + 3;
        Ok(())
    }
}

fn single(byte: u8) -> Node {
    let mut set = ByteSet::default();
    set.insert(byte);
    Node::Set(set)
}
