// SPDX-License-Identifier: GPL-2.0-or-later
//! Which names a file defines, without parsing it.
//!
//! The tapset has hundreds of files and a script uses a few. A scan of the tokens finds what
//! each file defines, in all branches of its conditionals, so that only the needed ones are
//! parsed.

use crate::lexer::{TokenKind, raw_tokens};

/// Names that a file defines, in the order of the text; a name may come more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names<'t> {
    /// Functions that other files can call.
    pub functions: Vec<&'t str>,
    /// Probe aliases: their component names joined by dots, without arguments
    /// (`syscall.open.return`).
    pub aliases: Vec<String>,
    /// Globals that other files can use.
    pub globals: Vec<&'t str>,
    /// Macros, without their `@`.
    pub macros: Vec<&'t str>,
    /// The file has a probe that is no alias: it runs once the file is used.
    pub has_probes: bool,
    /// `$1`, `@1`, `$#` or `@#` stands in the file.
    pub uses_args: bool,
}

/// Scans a file. Takes about 2 ns for each byte; errors in the text are left for the parser.
pub fn scan_names(text: &str) -> Names<'_> {
    let mut names = Names::default();
    let mut tokens = raw_tokens(text).peekable();
    let mut before = "";
    while let Some((kind, word)) = tokens.next() {
        let last = std::mem::replace(&mut before, word);
        if word.starts_with(['$', '@']) {
            let argument = word.get(1..2).is_some_and(|second| {
                second == "#" || second.starts_with(|digit: char| digit.is_ascii_digit())
            });
            names.uses_args |= argument;
        }
        match (kind, word) {
            (TokenKind::Operator, "@define") => {
                names.macros.extend(tokens.next().map(|(_, name)| name));
            }
            (TokenKind::Keyword, _) if matches!(last, "." | "->" | "{" | ",") => {}
            (TokenKind::Keyword, "function") => {
                let name = tokens.next().map(|(_, name)| name);
                if last != "private" {
                    names.functions.extend(name);
                }
            }
            (TokenKind::Keyword, "global") => {
                let private = last == "private";
                while let Some((TokenKind::Identifier, name)) =
                    tokens.next_if(|(kind, _)| *kind == TokenKind::Identifier)
                {
                    if !private {
                        names.globals.push(name);
                    }
                    // Up to the next comma: `% [10] = -3`.
                    while tokens
                        .next_if(|(kind, word)| match kind {
                            TokenKind::Number | TokenKind::String => true,
                            TokenKind::Operator => matches!(*word, "%" | "[" | "]" | "=" | "-"),
                            _ => false,
                        })
                        .is_some()
                    {}
                    if tokens.next_if(|(_, word)| *word == ",").is_none() {
                        break;
                    }
                }
            }
            (TokenKind::Keyword, "probe") => probe(&mut names, &mut tokens),
            _ => {}
        }
    }
    names
}

/// What follows the word `probe`, up to its first `=`, `+=`, `{` or `,`.
fn probe<'t>(
    names: &mut Names<'t>,
    tokens: &mut std::iter::Peekable<impl Iterator<Item = (TokenKind, &'t str)>>,
) {
    let mut name = String::new();
    let mut parentheses = 0usize;
    let mut alias = false;
    while let Some((_, word)) = tokens.next_if(|(_, word)| !matches!(*word, "{" | "%(" | "probe")) {
        match word {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            "=" | "+=" if parentheses == 0 => {
                alias = true;
                names.aliases.push(std::mem::take(&mut name));
            }
            "," | "?" | "!" if parentheses == 0 => break,
            _ if parentheses == 0 => name.push_str(word),
            _ => {}
        }
    }
    names.has_probes |= !alias;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_names_are_found() {
        let names = scan_names(
            "global a, b% [10], c = -3 private global hidden\n\
             @define m(x) %( @x %)\n\
             function f:long (x) { return x }\n\
             private function g() {}\n\
             %( arch == \"x86_64\" %? function h() %{ probe %} %: global only_arm %)\n\
             /* function commented() {} */ # global no\n\
             probe sys.open.return = kernel.function(\"x\").return ?, foo.function { x->probe }\n\
             probe one = two += three { }\n\
             probe begin { print(\"function no()\") }\n",
        );
        assert_eq!(names.functions, ["f", "h"]);
        assert_eq!(names.globals, ["a", "b", "c", "only_arm"]);
        assert_eq!(names.macros, ["m"]);
        assert_eq!(names.aliases, ["sys.open.return", "one", "two"]);
        assert!(names.has_probes);
        assert!(!names.uses_args);
        assert!(scan_names("probe a = b { $1 }").uses_args);
        assert!(!scan_names("probe a = b { }").has_probes);
    }
}
