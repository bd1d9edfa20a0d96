// SPDX-License-Identifier: GPL-2.0-or-later
//! The file of answers: lines that begin with what they are, compressed.
//!
//!     release 6.1.0-56-cloud-amd64
//!     systemtap 4.8/0.188, Debian version 4.8-2
//!     ? kernel.function("vfs_read")
//!     = kernel.function("vfs_read@fs/read_write.c:450") $file:struct file* …
//!     ? kernel.function("release_pte_page")
//!     ! release_pte_page@mm/khugepaged.c:495

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// What was asked of one kernel.
#[derive(Debug, Default)]
pub struct Answers {
    pub release: String,
    /// Version of SystemTap, with its package.
    pub systemtap: String,
    pub points: Vec<Answer>,
}

/// What was said to one question.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// `kernel.function("vfs_read")`
    pub point: String,
    /// Lines of `-L`.
    pub lines: Vec<String>,
    /// Functions that SystemTap found but has on its list of those not to probe.
    pub blocked: Vec<String>,
}

impl Answers {
    pub fn read(path: &Path) -> Result<Answers, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut text = String::new();
        GzDecoder::new(File::open(path).map_err(failed)?)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Answers::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    fn parse(text: &str) -> Result<Answers, String> {
        let mut answers = Answers::default();
        for line in text.lines() {
            let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.to_string();
            match (what, answers.points.last_mut()) {
                ("release", _) => answers.release = rest,
                ("systemtap", _) => answers.systemtap = rest,
                ("?", _) => answers.points.push(Answer {
                    point: rest,
                    ..Answer::default()
                }),
                ("=", Some(answer)) => answer.lines.push(rest),
                ("!", Some(answer)) => answer.blocked.push(rest),
                _ => return Err(format!("cannot understand {line:?}")),
            }
        }
        Ok(answers)
    }

    pub fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut text = format!("release {}\nsystemtap {}\n", self.release, self.systemtap);
        for answer in &self.points {
            text.push_str(&format!("? {}\n", answer.point));
            for line in &answer.lines {
                text.push_str(&format!("= {line}\n"));
            }
            for function in &answer.blocked {
                text.push_str(&format!("! {function}\n"));
            }
        }
        let file = File::create(path).map_err(failed)?;
        let mut packed = GzEncoder::new(file, Compression::best());
        packed.write_all(text.as_bytes()).map_err(failed)?;
        packed.finish().map_err(failed)?;
        Ok(())
    }
}
