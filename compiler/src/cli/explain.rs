// SPDX-License-Identifier: GPL-2.0-or-later
//! `rstap explain CODE`: pages of `docs/diagnostics.md`, which is a part of the program.

/// Sections `## E0101: title`, each followed by its text.
const PAGES: &str = include_str!("../../../docs/diagnostics.md");

/// One page: its heading without `##`, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub heading: &'static str,
    pub text: &'static str,
}

impl Page {
    /// `E0101`
    pub fn code(&self) -> &'static str {
        self.heading.split(':').next().unwrap_or_default().trim()
    }
}

/// All pages, in the file's order.
pub fn pages() -> impl Iterator<Item = Page> {
    PAGES.split("\n## ").skip(1).map(|section| {
        let (heading, text) = section.split_once('\n').unwrap_or((section, ""));
        Page {
            heading: heading.trim(),
            text: text.trim(),
        }
    })
}

/// The page of a code, in any case of letters.
pub fn page(code: &str) -> Option<Page> {
    pages().find(|page| page.code().eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_by_code() {
        let first = pages().next().unwrap();
        assert_eq!(page(&first.code().to_lowercase()), Some(first));
        assert!(!first.text.is_empty());
        assert_eq!(page("E9999"), None);
    }
}
