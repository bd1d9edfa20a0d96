// SPDX-License-Identifier: GPL-2.0-or-later

//! Debug files by build id from servers (debuginfod(8)), and the folder in
//! which they are kept: the same, with the same layout, as that of elfutils'
//! client, so that what gdb has fetched is not fetched again.
//!
//! `http:` is spoken here; `https:` needs curl(1).

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::http;

/// Where debug files can be fetched from.
#[derive(Debug, Clone, Default)]
pub struct DebugServers {
    /// `$DEBUGINFOD_URLS`: in the order in which they are asked.
    pub urls: Vec<String>,
    /// `$DEBUGINFOD_CACHE_PATH`.
    pub cache: PathBuf,
    /// `$DEBUGINFOD_TIMEOUT`: how long a server may send nothing.
    pub timeout: Duration,
    /// Called with what is being done, for those who want to know.
    pub progress: Option<fn(&str)>,
}

/// How long it is believed that no server has a file; the default of elfutils'
/// client (`cache_miss_s`).
const MISS: Duration = Duration::from_secs(600);

/// The default of elfutils' client.
const TIMEOUT: Duration = Duration::from_secs(90);

impl DebugServers {
    /// As `$DEBUGINFOD_URLS` and the variables beside it say; `None` if no
    /// server is named.
    pub fn from_environment() -> Option<DebugServers> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let urls: Vec<String> = variable("DEBUGINFOD_URLS")?
            .split_whitespace()
            .map(|url| url.trim_end_matches('/').to_string())
            .collect();
        let timeout = variable("DEBUGINFOD_TIMEOUT").and_then(|text| text.parse().ok());
        let home = variable("HOME").map(PathBuf::from);
        let caches = variable("XDG_CACHE_HOME").map(PathBuf::from);
        let caches = caches.or_else(|| Some(home.as_ref()?.join(".cache")));
        // The folder that old clients used stays in use where it is.
        let old = home.map(|home| home.join(".debuginfod_client_cache"));
        let cache = variable("DEBUGINFOD_CACHE_PATH")
            .map(PathBuf::from)
            .or_else(|| old.filter(|old| old.is_dir()))
            .or_else(|| Some(caches?.join("debuginfod_client")))?;
        (!urls.is_empty()).then_some(DebugServers {
            urls,
            cache,
            timeout: timeout.map_or(TIMEOUT, Duration::from_secs),
            progress: None,
        })
    }

    /// The debug file of a build id: out of the cache, or fetched. `None` if
    /// no server has it.
    ///
    /// # Errors
    ///
    /// No server could be asked, or the file cannot be written.
    pub fn debug_file(&self, build_id: &str) -> Result<Option<PathBuf>> {
        // It becomes part of paths.
        if build_id.len() < 4 || !build_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let folder = self.cache.join(build_id);
        let path = folder.join("debuginfo");
        match std::fs::metadata(&path) {
            Ok(data) if data.len() > 0 => return Ok(Some(path)),
            Ok(data) if data.modified().is_ok_and(is_recent) => return Ok(None),
            _ => {}
        }
        let failed = |error: std::io::Error| Error::in_file(&folder, error.to_string());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // Its own name for each process: several may fetch the same file.
        let part = folder.join(format!("debuginfo.{}", std::process::id()));
        let fetched = self.fetch(build_id, &part);
        let result = match fetched {
            Ok(true) => std::fs::rename(&part, &path)
                .map(|()| Some(path))
                .map_err(failed),
            Ok(false) => {
                // An empty file says that there is none.
                let _ = File::create(&path);
                Ok(None)
            }
            Err(error) => Err(error),
        };
        if !matches!(result, Ok(Some(_))) {
            let _ = std::fs::remove_file(&part);
        }
        result
    }

    /// Asks all servers; true if one of them had the file.
    fn fetch(&self, build_id: &str, part: &Path) -> Result<bool> {
        let mut problem = None;
        for server in &self.urls {
            let url = format!("{server}/buildid/{build_id}/debuginfo");
            self.say(&format!("asking {server} for the debug file of {build_id}"));
            let mut file =
                File::create(part).map_err(|error| Error::in_file(part, error.to_string()))?;
            let answer = match url.starts_with("https:") {
                true => self.fetch_by_curl(&url, part),
                false => http::get(&url, self.timeout, &mut |bytes, progress| {
                    self.tell_progress(build_id, progress);
                    file.write_all(bytes)
                }),
            };
            match answer {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(message) => problem = Some(Error::new(format!("{url}: {message}"))),
            }
        }
        match problem {
            Some(error) => Err(error.hint("unset DEBUGINFOD_URLS to do without the server")),
            None => Ok(false),
        }
    }

    /// curl(1) knows how to speak https; 22 is its status for an answer of 400
    /// and more.
    fn fetch_by_curl(&self, url: &str, part: &Path) -> std::result::Result<bool, String> {
        let seconds = self.timeout.as_secs().max(1).to_string();
        let child = Command::new("curl")
            .args(["-fsSL", "--speed-limit", "1", "--speed-time", &seconds])
            .args(["--connect-timeout", &seconds, "-w", "%{http_code}", "-o"])
            .arg(part)
            .args(["--", url])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| {
            format!("cannot start curl, which is needed for https: {error}; install curl")
        })?;
        let read = |pipe: Option<&mut dyn Read>| {
            let mut text = Vec::new();
            // What was read before an error will do.
            let _ = pipe.map(|pipe| pipe.take(4096).read_to_end(&mut text));
            String::from_utf8_lossy(&text).trim().to_string()
        };
        let code = read(child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read));
        let complaint = read(child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read));
        let status = child.wait().map_err(|error| error.to_string())?;
        match (status.success(), code.as_str()) {
            (true, _) => Ok(true),
            (false, "404") => Ok(false),
            _ => Err(complaint),
        }
    }

    fn say(&self, what: &str) {
        if let Some(progress) = self.progress {
            progress(what);
        }
    }

    /// Says how far it is at every tenth part.
    fn tell_progress(&self, build_id: &str, progress: http::Progress) {
        let Some(total) = progress.total.filter(|total| *total > 0) else {
            return;
        };
        let tenth = |bytes: u64| bytes.saturating_mul(10) / total;
        if tenth(progress.before) != tenth(progress.after) {
            let (done, all) = (progress.after >> 20, total >> 20);
            self.say(&format!("{build_id}: {done} of {all} MB"));
        }
    }
}

fn is_recent(time: SystemTime) -> bool {
    time.elapsed().is_ok_and(|age| age < MISS)
}
