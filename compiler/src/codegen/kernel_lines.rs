// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's source lines: a million rows, packed into some bytes each. `kernel_lines.c` of
//! the runtime reads them.

use std::collections::HashMap;
use std::sync::Arc;

use super::writer::{Writer, quote, until_nul};

/// Rows that are read in a row: each block can be read by itself.
const BLOCK: usize = 64;
/// Bytes of one line of the text.
const LINE: usize = 1024;

/// Writes `script_kernel_lines`; gives whether there are any.
///
/// In a block, a row is the distance from the row before it, then twice the change of the line
/// (an odd number if the file changes as well), then the file. Each is a number of the kind that
/// DWARF calls ULEB128, the change of the line with its sign in the lowest bit.
pub(super) fn write(lines: &[(u32, Arc<str>, u32)], out: &mut Writer) -> bool {
    if lines.is_empty() {
        return false;
    }
    let mut files = Files::default();
    let mut rows = Vec::new();
    let mut blocks = Vec::new();
    for block in lines.chunks(BLOCK) {
        let (mut offset, mut file, mut line) = (block.first().map_or(0, |row| row.0), 0, 0);
        blocks.push((offset, rows.len()));
        for (row_offset, row_file, row_line) in block {
            let row_file = files.number(row_file);
            let change = i64::from(*row_line) - i64::from(line);
            let change = (change.unsigned_abs() << 1) | u64::from(change < 0);
            put(&mut rows, u64::from(row_offset - offset));
            put(&mut rows, (change << 1) | u64::from(row_file != file));
            if row_file != file {
                put(&mut rows, row_file);
            }
            (offset, file, line) = (*row_offset, row_file, *row_line);
        }
    }
    out.open(format!(
        "static const struct rst_line_block script_line_blocks[{}] =",
        blocks.len()
    ));
    for (offset, position) in &blocks {
        out.line(format!("{{ {offset:#x}, {position} }},"));
    }
    out.close(";");
    out.line("static const unsigned char script_line_rows[] =");
    for bytes in rows.chunks(LINE) {
        out.line(quote(bytes));
    }
    out.line(";");
    files.write(out);
    out.open("static const struct rst_kernel_lines script_kernel_lines =");
    out.line(".blocks = script_line_blocks,");
    out.line(format!(".block_count = {},", blocks.len()));
    out.line(".rows = script_line_rows,");
    out.line(format!(".size = {},", rows.len()));
    out.line(".files = script_line_files,");
    out.close(";");
    out.blank();
    true
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Files by number; 0: none.
#[derive(Default)]
struct Files {
    numbers: HashMap<Arc<str>, u64>,
    names: Vec<Arc<str>>,
}

impl Files {
    fn number(&mut self, name: &Arc<str>) -> u64 {
        if name.is_empty() {
            return 0;
        }
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        self.names.push(name.clone());
        let number = self.names.len() as u64;
        self.numbers.insert(name.clone(), number);
        number
    }

    fn write(&self, out: &mut Writer) {
        out.open("static const char *const script_line_files[] =");
        out.line("NULL,");
        for name in &self.names {
            out.line(format!("{},", quote(until_nul(name.as_bytes()))));
        }
        out.close(";");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_packed() {
        let file: Arc<str> = Arc::from("a.c");
        let none: Arc<str> = Arc::from("");
        let lines = [
            (0x10, file.clone(), 300),
            (0x14, file, 298),
            (0x200, none, 0),
        ];
        let mut out = Writer::at(0);
        assert!(write(&lines, &mut out));
        let text = out.into_text();
        // 300: 300 * 4 + 1, file 1; -2: (2 * 2 + 1) * 2; -298 and no file
        let rows = [0, 0xb1, 9, 1, 4, 10, 0xec, 3, 0xab, 9, 0];
        assert!(text.contains(&quote(&rows)), "{text}");
        assert!(text.contains("{ 0x10, 0 },"), "{text}");
        assert!(!write(&[], &mut Writer::at(0)));
    }
}
