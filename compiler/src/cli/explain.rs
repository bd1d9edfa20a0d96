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
    let sections = PAGES.split("\n## ").skip(1);
    // The last chapter is no page.
    let is_page = |section: &&str| section.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let pages = sections.filter(is_page);
    pages.map(|section| {
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
mod tests;
