// SPDX-License-Identifier: GPL-2.0-or-later
//! Where text came from: files, byte ranges, and the chain of macro expansions behind a range.

use std::sync::Arc;

/// Index of a file in a [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// Index of an [`Expansion`] in a [`SourceMap`]; [`ExpansionId::NONE`] means text written in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExpansionId(pub u32);

impl ExpansionId {
    /// The text was not produced by a macro or an argument paste.
    pub const NONE: ExpansionId = ExpansionId(u32::MAX);
}

impl Default for ExpansionId {
    fn default() -> Self {
        ExpansionId::NONE
    }
}

/// A half-open byte range `start..end` of one file, and the expansion it was seen through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// File that holds the text.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Innermost macro expansion or argument paste that put the text where the parser saw it.
    pub expansion: ExpansionId,
}

impl Span {
    /// A range of text that stands where it was written.
    pub fn new(file: FileId, start: u32, end: u32) -> Self {
        Span {
            file,
            start,
            end,
            expansion: ExpansionId::NONE,
        }
    }

    /// The smallest span that covers both. When the two come from different files or
    /// expansions there is no such range, and `self` is returned.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file || self.expansion != other.expansion {
            return self;
        }
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            ..self
        }
    }

    /// The empty span just behind this one.
    pub fn after(self) -> Span {
        Span {
            start: self.end,
            ..self
        }
    }
}

/// What put text somewhere else than where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpansionKind {
    /// `@name` or `@name(...)`: the text is part of the macro's body.
    Macro,
    /// `@parameter` inside a macro's body: the text is part of the caller's argument.
    MacroParameter,
    /// `$1`, `@1`, `$#`, `@#`: the text comes from the command line.
    Argument,
}

/// One expansion: where it was asked for.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// What was expanded.
    pub kind: ExpansionKind,
    /// Name as written, `@foo` or `$1`.
    pub name: Arc<str>,
    /// The place of the call; its own `expansion` continues the chain outwards.
    pub call: Span,
}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A source text with its line table.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: Arc<str>,
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// Name for messages: a path, or `<input>` for text given with `-e`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Line and column of a byte offset; offsets behind the end give the end.
    pub fn line_column(&self, offset: u32) -> LineColumn {
        let line = self
            .line_starts
            .partition_point(|&start| start <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = (offset as usize).min(self.text.len()).max(start);
        let bytes = self.text.as_bytes().get(start..end).unwrap_or_default();
        // Continuation bytes of UTF-8 are not columns of their own.
        let column = bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u32 + 1;
        LineColumn {
            line: line as u32,
            column,
        }
    }

    /// Text of a line (from 1) without its newline; empty for a line that does not exist.
    pub fn line(&self, line: u32) -> &str {
        let index = (line as usize).wrapping_sub(1);
        let Some(&start) = self.line_starts.get(index) else {
            return "";
        };
        let end = self
            .line_starts
            .get(index + 1)
            .map_or(self.text.len(), |&next| next as usize);
        let text = self.text.get(start as usize..end).unwrap_or("");
        text.trim_end_matches(['\n', '\r'])
    }
}

/// All texts of one compilation, and all expansions.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    expansions: Vec<Expansion>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text and gives its id. Offsets are 32 bits wide: text behind 4 GiB is cut off.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let mut text: Arc<str> = text.into();
        if text.len() >= u32::MAX as usize {
            let mut end = u32::MAX as usize - 1;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text = text.get(..end).unwrap_or("").into();
        }
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0)
            .chain(newlines.map(|(index, _)| index as u32 + 1))
            .collect();
        let id = FileId(self.files.len() as u32);
        self.files.push(SourceFile {
            name: name.into(),
            text,
            line_starts,
        });
        id
    }

    /// The file with this id, `None` if the id belongs to another map.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// All files in the order in which they were added.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files
            .iter()
            .enumerate()
            .map(|(index, file)| (FileId(index as u32), file))
    }

    /// Text of a span, empty if the span does not fit the file.
    pub fn text(&self, span: Span) -> &str {
        let text = self.file(span.file).map(|file| &*file.text);
        text.and_then(|text| text.get(span.start as usize..span.end as usize))
            .unwrap_or("")
    }

    /// Name of the file of a span.
    pub fn file_name(&self, span: Span) -> &str {
        self.file(span.file).map_or("<unknown>", SourceFile::name)
    }

    /// Line and column of the first byte of a span.
    pub fn line_column(&self, span: Span) -> LineColumn {
        let file = self.file(span.file);
        file.map_or(LineColumn { line: 1, column: 1 }, |file| {
            file.line_column(span.start)
        })
    }

    /// `FILE:LINE:COLUMN` of the first byte of a span.
    pub fn location(&self, span: Span) -> String {
        let LineColumn { line, column } = self.line_column(span);
        format!("{}:{line}:{column}", self.file_name(span))
    }

    /// Remembers an expansion.
    pub fn add_expansion(&mut self, expansion: Expansion) -> ExpansionId {
        let id = ExpansionId(self.expansions.len() as u32);
        self.expansions.push(expansion);
        id
    }

    /// The expansions behind a span, innermost first.
    pub fn expansion_chain(&self, span: Span) -> impl Iterator<Item = &Expansion> {
        let get = |id: ExpansionId| self.expansions.get(id.0 as usize);
        std::iter::successors(get(span.expansion), move |expansion| {
            get(expansion.call.expansion)
        })
    }

    /// The place in the outermost text: where the outermost macro was called.
    pub fn outermost(&self, span: Span) -> Span {
        self.expansion_chain(span)
            .last()
            .map_or(span, |expansion| expansion.call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let mut map = SourceMap::new();
        let file = map.add("a.stp", "ab\ncé d\n");
        let at = |start| map.line_column(Span::new(file, start, start + 1));
        assert_eq!(at(0), LineColumn { line: 1, column: 1 });
        assert_eq!(at(1), LineColumn { line: 1, column: 2 });
        assert_eq!(at(3), LineColumn { line: 2, column: 1 });
        assert_eq!(at(7), LineColumn { line: 2, column: 4 });
        assert_eq!(at(900), LineColumn { line: 3, column: 1 });
        assert_eq!(map.file(file).map(|file| file.line(2)), Some("cé d"));
        assert_eq!(map.file(file).map(|file| file.line(9)), Some(""));
        assert_eq!(map.location(Span::new(file, 3, 4)), "a.stp:2:1");
    }

    #[test]
    fn spans_of_different_files_do_not_merge() {
        let one = Span::new(FileId(0), 3, 4);
        assert_eq!(
            one.to(Span::new(FileId(0), 7, 9)),
            Span::new(FileId(0), 3, 9)
        );
        assert_eq!(one.to(Span::new(FileId(1), 7, 9)), one);
    }

    #[test]
    fn expansion_chain_goes_outwards() {
        let mut map = SourceMap::new();
        let file = map.add("a.stp", "@a @b xx");
        let outer = map.add_expansion(Expansion {
            kind: ExpansionKind::Macro,
            name: "@a".into(),
            call: Span::new(file, 0, 2),
        });
        let call = Span {
            expansion: outer,
            ..Span::new(file, 3, 5)
        };
        let inner = map.add_expansion(Expansion {
            kind: ExpansionKind::Macro,
            name: "@b".into(),
            call,
        });
        let span = Span {
            expansion: inner,
            ..Span::new(file, 6, 8)
        };
        let names: Vec<_> = map.expansion_chain(span).map(|step| &*step.name).collect();
        assert_eq!(names, ["@b", "@a"]);
        assert_eq!(map.outermost(span), Span::new(file, 0, 2));
    }
}
