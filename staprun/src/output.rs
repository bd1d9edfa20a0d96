// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the script's output goes: stdout, a file or a row of files, or one
//! file for each CPU.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{O_NONBLOCK, S_IFIFO, S_IFMT, S_IFREG};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::bulk;
use crate::framing::Message;
use crate::monitor::Monitor;
use crate::options::Rotation;
use crate::sys;

/// A descriptor that polls writable takes this much without blocking
/// (`pipe(7)`: `PIPE_BUF`).
const CHUNK: usize = 4096;
/// Bytes of one write that cannot block.
const LARGE_CHUNK: usize = 1 << 20;

/// Where output goes.
#[derive(Debug)]
pub enum Output {
    /// stdout or a named pipe, which may be slow: what it does not take waits here.
    Stdout(StdoutQueue),
    /// `-o`.
    Files(FileSeries),
    /// `-b`: a series for each CPU.
    Bulk(BulkFiles),
    /// `-M`: the lower half of the monitor.
    Screen(Box<Monitor>),
    /// Nowhere, after a failure.
    Discard,
}

impl Output {
    /// Output to stdout.
    #[must_use]
    pub fn stdout() -> Output {
        Output::Stdout(StdoutQueue::new())
    }

    /// Output to `-o FILE`; the first file is created at once. A named pipe is served as stdout
    /// is: its reader may be slow, or go away.
    ///
    /// # Errors
    /// It cannot be created; the text names it.
    pub fn files(template: &str, rotation: Option<Rotation>) -> io::Result<Output> {
        let is_pipe = std::fs::metadata(template).is_ok_and(|file| file.file_type().is_fifo());
        if rotation.is_none() && is_pipe {
            return Ok(Output::Stdout(StdoutQueue {
                bytes: VecDeque::new(),
                pipe: Some(open_pipe(template).map_err(|error| named(template, &error))?),
                is_file: false,
            }));
        }
        let name = filled_in(template);
        Ok(Output::Files(FileSeries::create(
            template, &name, "", rotation,
        )?))
    }

    /// Bulk output; `stpd` is SystemTap's name for files without `-o`. The files of `cpus` are
    /// created at once: none of an earlier session stays beside them, and what forbids them is
    /// known before anything is printed. Other CPUs get theirs when they print.
    ///
    /// # Errors
    /// One cannot be created; the text names it.
    pub fn bulk(
        template: Option<&str>,
        rotation: Option<Rotation>,
        cpus: impl IntoIterator<Item = u32>,
    ) -> io::Result<Output> {
        let template = template.unwrap_or("stpd").to_owned();
        let mut files = BulkFiles {
            name: filled_in(&template),
            template,
            rotation,
            series: BTreeMap::new(),
        };
        for cpu in cpus {
            files.of(cpu)?;
        }
        Ok(Output::Bulk(files))
    }

    /// Takes text in its final order.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Output::Stdout(queue) => {
                queue.bytes.extend(bytes);
                queue.pump()
            }
            Output::Files(series) => series.write_lines(bytes),
            Output::Screen(monitor) => {
                monitor.push(bytes);
                Ok(())
            }
            Output::Bulk(_) | Output::Discard => Ok(()),
        }
    }

    /// Takes a message of one CPU (bulk mode).
    ///
    /// # Errors
    /// The file could not be created or written.
    pub fn write_bulk(&mut self, cpu: u32, message: &Message<'_>) -> io::Result<()> {
        let Output::Bulk(files) = self else {
            return Ok(());
        };
        let series = files.of(cpu)?;
        series.write_record(&bulk::record(message))
    }

    /// Goes on in a new file (`SIGUSR2`).
    ///
    /// # Errors
    /// It cannot be created.
    pub fn switch(&mut self) -> io::Result<()> {
        match self {
            Output::Files(series) => series.switch(),
            Output::Bulk(bulk) => bulk.series.values_mut().try_for_each(FileSeries::switch),
            Output::Stdout(_) | Output::Screen(_) | Output::Discard => Ok(()),
        }
    }

    /// Bytes that wait for stdout.
    #[must_use]
    pub fn waiting(&self) -> usize {
        match self {
            Output::Stdout(queue) => queue.bytes.len(),
            _ => 0,
        }
    }

    /// Writes what stdout takes without blocking.
    ///
    /// # Errors
    /// stdout is closed or failed.
    pub fn pump(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(queue) => queue.pump(),
            _ => Ok(()),
        }
    }
}

/// Bytes on their way to stdout.
#[derive(Debug)]
pub struct StdoutQueue {
    bytes: VecDeque<u8>,
    /// The same pipe, opened once more so that it alone is non-blocking:
    /// the flag of stdout itself belongs to others too.
    pipe: Option<File>,
    is_file: bool,
}

impl StdoutQueue {
    fn new() -> StdoutQueue {
        let kind = nix::sys::stat::fstat(sys::stdout()).map(|status| status.st_mode & S_IFMT);
        let pipe = (kind == Ok(S_IFIFO)).then(|| {
            let mut options = File::options();
            options.write(true).custom_flags(O_NONBLOCK);
            options.open("/proc/self/fd/1").ok()
        });
        StdoutQueue {
            bytes: VecDeque::new(),
            pipe: pipe.flatten(),
            is_file: kind == Ok(S_IFREG),
        }
    }

    /// Writes what does not block: signals must be seen even when the reader of
    /// stdout has stopped reading.
    fn pump(&mut self) -> io::Result<()> {
        let stdout = sys::stdout();
        let chunk = if self.is_file || self.pipe.is_some() {
            LARGE_CHUNK
        } else {
            CHUNK
        };
        while !self.bytes.is_empty() {
            let (front, _) = self.bytes.as_slices();
            let part = front.get(..front.len().min(chunk)).unwrap_or(front);
            let written = match &self.pipe {
                Some(pipe) => nix::unistd::write(pipe, part),
                None if self.is_file || is_writable(stdout)? => nix::unistd::write(stdout, part),
                None => break,
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.bytes.drain(..count.min(self.bytes.len()))),
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Opens a named pipe when it has a reader. Signals are blocked now, so they are looked for.
fn open_pipe(path: &str) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).custom_flags(O_NONBLOCK);
    loop {
        match options.open(path) {
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {}
            result => return result,
        }
        if sys::is_interrupted() {
            let text = "interrupted while waiting for somebody to read this pipe";
            return Err(io::Error::new(io::ErrorKind::Interrupted, text));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_writable(descriptor: BorrowedFd<'_>) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    poll(&mut descriptors, PollTimeout::ZERO)?;
    Ok(descriptors.iter().any(|fd| fd.any().unwrap_or(false)))
}

/// The files of bulk mode.
#[derive(Debug)]
pub struct BulkFiles {
    template: String,
    /// The template as it was filled in at the start: one name for all CPUs.
    name: String,
    rotation: Option<Rotation>,
    series: BTreeMap<u32, FileSeries>,
}

impl BulkFiles {
    /// The files of a CPU.
    fn of(&mut self, cpu: u32) -> io::Result<&mut FileSeries> {
        match self.series.entry(cpu) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(FileSeries::create(
                &self.template,
                &self.name,
                &format!("_cpu{cpu}"),
                self.rotation,
            )?)),
        }
    }
}

/// A file, or `FILE.0`, `FILE.1` … of limited size.
#[derive(Debug)]
pub struct FileSeries {
    template: String,
    suffix: String,
    rotation: Option<Rotation>,
    number: u64,
    current: File,
    written: u64,
    paths: VecDeque<String>,
}

impl FileSeries {
    /// The first file is called `name`, the next are what the template says then.
    fn create(
        template: &str,
        name: &str,
        suffix: &str,
        rotation: Option<Rotation>,
    ) -> io::Result<FileSeries> {
        let (current, path) = open(name, suffix, rotation.map(|_| 0))?;
        Ok(FileSeries {
            template: template.to_owned(),
            suffix: suffix.to_owned(),
            rotation,
            number: 0,
            current,
            written: 0,
            paths: VecDeque::from([path]),
        })
    }

    /// Writes text; a file ends after the last whole line that fits into it.
    fn write_lines(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(room) = self.room()
            && bytes.len() as u64 > room
        {
            let fits = bytes
                .get(..usize::try_from(room).unwrap_or(usize::MAX))
                .unwrap_or(bytes);
            let cut = fits
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |last| last + 1);
            // A line longer than a file has to be cut somewhere.
            let cut = if cut == 0 && self.written == 0 {
                fits.len().max(1)
            } else {
                cut
            };
            let (now, later) = bytes.split_at(cut.min(bytes.len()));
            self.write_all(now)?;
            self.switch()?;
            bytes = later;
        }
        self.write_all(bytes)
    }

    /// Writes bytes that belong together.
    fn write_record(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written > 0 && self.room().is_some_and(|room| bytes.len() as u64 > room) {
            self.switch()?;
        }
        self.write_all(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current
            .write_all(bytes)
            .map_err(|error| named(&self.path(), &error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn room(&self) -> Option<u64> {
        let limit = self
            .rotation
            .map(|rotation| rotation.bytes)
            .filter(|bytes| *bytes > 0)?;
        Some(limit.saturating_sub(self.written))
    }

    fn switch(&mut self) -> io::Result<()> {
        self.number += 1;
        let (file, path) = open(&filled_in(&self.template), &self.suffix, Some(self.number))?;
        self.current = file;
        self.written = 0;
        self.paths.push_back(path);
        let keep = self.rotation.map_or(0, |rotation| rotation.keep);
        while keep > 0 && self.paths.len() as u64 > keep {
            if let Some(oldest) = self.paths.pop_front() {
                // Somebody may have moved it away already.
                let _ = std::fs::remove_file(oldest);
            }
        }
        Ok(())
    }

    fn path(&self) -> String {
        self.paths.back().cloned().unwrap_or_default()
    }
}

/// The template with the time filled in.
fn filled_in(template: &str) -> String {
    let time = template
        .contains('%')
        .then(|| sys::format_local_time(template));
    time.flatten().unwrap_or_else(|| template.to_owned())
}

fn open(name: &str, suffix: &str, number: Option<u64>) -> io::Result<(File, String)> {
    let mut path = format!("{name}{suffix}");
    if let Some(number) = number {
        path.push_str(&format!(".{number}"));
    }
    let file = File::create(&path).map_err(|error| named(&path, &error))?;
    Ok((file, path))
}

fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// What to poll of stdout: room for what waits, and always the loss of its reader.
#[must_use]
pub fn stdout_poll(output: &Output) -> Option<PollFd<'_>> {
    let Output::Stdout(queue) = output else {
        return None;
    };
    let events = match queue.bytes.is_empty() {
        true => PollFlags::empty(),
        false => PollFlags::POLLOUT,
    };
    let descriptor = queue.pipe.as_ref().map_or(sys::stdout(), AsFd::as_fd);
    Some(PollFd::new(descriptor, events))
}

#[cfg(test)]
mod tests;
