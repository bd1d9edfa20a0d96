// SPDX-License-Identifier: GPL-2.0-or-later
//! Writing cpio archives in the "newc" format, which the kernel unpacks as its first root file
//! system (kernel: `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::HashSet;

/// An archive being written, in memory. Parent folders are added as needed.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    seen: HashSet<String>,
    entries: u32,
}

const FOLDER: u32 = 0o040000;
const FILE: u32 = 0o100000;
const LINK: u32 = 0o120000;
const CHARACTER_DEVICE: u32 = 0o020000;

impl Archive {
    /// An empty archive.
    pub fn new() -> Archive {
        Archive::default()
    }

    /// Adds a folder and those above it; one that is there already stays as it is.
    pub fn folder(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || self.seen.contains(path) {
            return;
        }
        self.parents(path);
        self.entry(path, FOLDER | 0o755, (0, 0), &[]);
    }

    /// Adds a file with permission bits `mode`; a second one of the same path is ignored.
    pub fn file(&mut self, path: &str, mode: u32, contents: &[u8]) {
        self.leaf(path, FILE | (mode & 0o7777), (0, 0), contents);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.leaf(path, LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.leaf(
            path,
            CHARACTER_DEVICE | (mode & 0o7777),
            (major, minor),
            &[],
        );
    }

    /// True if the path was added.
    pub fn contains(&self, path: &str) -> bool {
        self.seen.contains(path.trim_matches('/'))
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn leaf(&mut self, path: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        let path = path.trim_matches('/');
        if path.is_empty() || self.seen.contains(path) {
            return;
        }
        self.parents(path);
        self.entry(path, mode, device, contents);
    }

    fn parents(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        self.seen.insert(path.to_string());
        self.entries += 1;
        let fields = [
            self.entries, // inode
            mode,
            0, // user
            0, // group
            1, // links
            0, // modification time
            u32::try_from(contents.len()).unwrap_or(u32::MAX),
            0,
            0, // device that holds the file
            device.0,
            device.1,
            u32::try_from(path.len() + 1).unwrap_or(u32::MAX),
            0, // checksum, unused in this format
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_they_hold_and_once() {
        let mut archive = Archive::new();
        archive.file("/a/b/one", 0o755, b"hello");
        archive.file("/a/b/two", 0o644, b"");
        archive.folder("a/b");
        assert!(archive.contains("a/b/one"));
        let text = String::from_utf8_lossy(&archive.finish()).into_owned();
        let position = |needle: &str| text.find(needle).unwrap();
        assert!(position("a/b\u{0}") < position("a/b/one\u{0}"));
        assert_eq!(text.matches("a/b\u{0}").count(), 1);
    }

    #[test]
    fn entries_are_aligned() {
        let mut archive = Archive::new();
        archive.file("x", 0o644, b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        // header 110 + "x\0" = 112, contents at 112, padded to 120, then the trailer.
        assert_eq!(&bytes[112..117], b"12345");
        assert_eq!(&bytes[120..126], b"070701");
    }
}
