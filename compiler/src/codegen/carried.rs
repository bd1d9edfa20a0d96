// SPDX-License-Identifier: GPL-2.0-or-later
//! Tables of programs: symbols, rules for unwinding, source lines.

use std::collections::HashMap;

use crate::ir::{FrameRule, UserFile};

use super::writer::{Writer, quote, until_nul};

/// Writes `script_user_files` and gives how many there are.
pub(super) fn files(files: &[UserFile], out: &mut Writer) -> usize {
    if files.is_empty() {
        return 0;
    }
    for (index, file) in files.iter().enumerate() {
        let mut names = Names::default();
        let symbols = file.symbols.iter().map(|(offset, size, name)| {
            format!("{{ {offset:#x}, {size:#x}, {} }},", names.offset(name))
        });
        table(out, "symbol", index, symbols.collect());
        let frames = file.frames.iter();
        let frames = frames.map(|(offset, rule)| format!("{{ {offset:#x}, {} }},", frame(rule)));
        table(out, "frame", index, frames.collect());
        let lines = file.lines.iter().map(|(offset, source, line)| {
            format!("{{ {offset:#x}, {}, {line} }},", names.offset(source))
        });
        table(out, "line", index, lines.collect());
        names.write(out, index);
    }
    out.open(format!(
        "static struct rst_user_file script_user_files[{}] =",
        files.len()
    ));
    for (index, file) in files.iter().enumerate() {
        out.open(format!("[{index}] ="));
        out.line(format!(
            ".path = {},",
            quote(until_nul(file.path.as_bytes()))
        ));
        out.line(format!(".names = script_names_{index},"));
        for (name, count) in [
            ("symbol", file.symbols.len()),
            ("frame", file.frames.len()),
            ("line", file.lines.len()),
        ] {
            if count > 0 {
                out.line(format!(".{name}s = script_{name}s_{index},"));
                out.line(format!(".{name}_count = {count},"));
            }
        }
        out.close(",");
    }
    out.close(";");
    out.blank();
    files.len()
}

fn table(out: &mut Writer, name: &str, index: usize, rows: Vec<String>) {
    if rows.is_empty() {
        return;
    }
    out.open(format!(
        "static const struct rst_user_{name} script_{name}s_{index}[{}] =",
        rows.len()
    ));
    for row in rows {
        out.line(row);
    }
    out.close(";");
    out.blank();
}

fn frame(rule: &FrameRule) -> String {
    match rule {
        FrameRule::Unknown => "RST_FRAME_UNKNOWN, 0, 0".to_owned(),
        FrameRule::Outermost => "RST_FRAME_OUTERMOST, 0, 0".to_owned(),
        FrameRule::LinkageStub => "RST_FRAME_STUB, 0, 0".to_owned(),
        FrameRule::Register {
            is_frame_pointer,
            offset,
            saved_frame_pointer,
        } => {
            let saved = saved_frame_pointer.unwrap_or(0);
            match (i32::try_from(*offset), i32::try_from(saved)) {
                (Ok(offset), Ok(saved)) if *is_frame_pointer => {
                    format!("RST_FRAME_POINTER, {offset}, {saved}")
                }
                (Ok(offset), Ok(saved)) => format!("RST_FRAME_STACK, {offset}, {saved}"),
                _ => "RST_FRAME_UNKNOWN, 0, 0".to_owned(),
            }
        }
    }
}

/// Texts one behind the other, each once.
#[derive(Default)]
struct Names {
    offsets: HashMap<String, usize>,
    texts: Vec<String>,
    length: usize,
}

impl Names {
    fn offset(&mut self, text: &str) -> usize {
        if let Some(&known) = self.offsets.get(text) {
            return known;
        }
        let offset = self.length;
        self.offsets.insert(text.to_owned(), offset);
        self.texts.push(text.to_owned());
        self.length += until_nul(text.as_bytes()).len() + 1;
        offset
    }

    fn write(&self, out: &mut Writer, index: usize) {
        out.line(format!("static const char script_names_{index}[] ="));
        for text in &self.texts {
            let bytes = until_nul(text.as_bytes());
            out.line(format!("\t{} \"\\0\"", quote(bytes)));
        }
        out.line("\t\"\";");
        out.blank();
    }
}
