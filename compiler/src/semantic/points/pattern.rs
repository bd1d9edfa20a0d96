// SPDX-License-Identifier: GPL-2.0-or-later
//! The text in `function("NAME@FILE:LINE")` and `statement("...")`.

/// `NAME[@FILE[:LINE]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePattern {
    /// Name or wildcard.
    pub function: String,
    /// Path or wildcard; matches at the end of a path.
    pub file: Option<String>,
    pub lines: Lines,
}

/// Lines of a code pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lines {
    /// None given.
    None,
    /// `:10`, `:10-20,30`: inclusive ranges.
    Ranges(Vec<(u32, u32)>),
    /// `+n` from the function's declaration.
    Relative(u32),
    /// `:*`
    All,
}

impl CodePattern {
    /// Takes the text apart. Gives the reason if a line is not a number.
    pub fn parse(text: &str) -> Result<CodePattern, String> {
        let Some((function, rest)) = text.split_once('@') else {
            return Ok(CodePattern {
                function: text.to_owned(),
                file: None,
                lines: Lines::None,
            });
        };
        let (file, lines) = split_lines(rest)?;
        Ok(CodePattern {
            function: function.to_owned(),
            file: Some(file.to_owned()),
            lines,
        })
    }

    /// Whether the function's name has wildcards.
    pub fn has_wildcard(&self) -> bool {
        rstap_debuginfo::glob::is_pattern(&self.function)
    }
}

fn split_lines(text: &str) -> Result<(&str, Lines), String> {
    if let Some((file, lines)) = text.rsplit_once(':') {
        if lines == "*" {
            return Ok((file, Lines::All));
        }
        if let Some(relative) = lines.strip_prefix('+') {
            return Ok((file, Lines::Relative(number(relative)?)));
        }
        let mut ranges = Vec::new();
        for part in lines.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last {
                return Err(format!(
                    "invalid line range {part}: it ends before it begins"
                ));
            }
            ranges.push((first, last));
        }
        return Ok((file, Lines::Ranges(ranges)));
    }
    if let Some((file, relative)) = text.rsplit_once('+')
        && !relative.is_empty()
        && relative.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok((file, Lines::Relative(number(relative)?)));
    }
    Ok((text, Lines::None))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("invalid line number '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        CodePattern::parse(text)
            .map(|pattern| pattern.lines)
            .unwrap_or(Lines::None)
    }

    #[test]
    fn parts() {
        let pattern = CodePattern::parse("vfs_read@fs/read_write.c:450");
        assert_eq!(
            pattern,
            Ok(CodePattern {
                function: "vfs_read".into(),
                file: Some("fs/read_write.c".into()),
                lines: Lines::Ranges(vec![(450, 450)]),
            })
        );
        assert_eq!(lines("f@a.c"), Lines::None);
        assert_eq!(lines("f@a.c:*"), Lines::All);
        assert_eq!(lines("f@a.c+3"), Lines::Relative(3));
        assert_eq!(lines("f@a.c:+3"), Lines::Relative(3));
        assert_eq!(lines("f@a.c:1,3-5"), Lines::Ranges(vec![(1, 1), (3, 5)]));
        assert_eq!(lines("f@g++.c"), Lines::None);
        assert!(CodePattern::parse("f@a.c:x").is_err());
        assert!(CodePattern::parse("f@a.c:9-1").is_err());
    }
}
