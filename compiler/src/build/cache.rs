// SPDX-License-Identifier: GPL-2.0-or-later
//! The cache folder: modules by content, runtimes by kernel.
//!
//! `DIR/XX/rstap_<hash>_<len>.{c,ko,log}` are modules; `DIR/runtime/<hash>/` the runtime built for
//! one kernel. A module of the cache is complete or absent: files are written beside and renamed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use walkdir::WalkDir;

use super::error::BuildError;

/// Bytes of modules kept when the cache has no `cache_mb_limit` file (SystemTap's default, MB).
const DEFAULT_LIMIT_MB: u64 = 256;
/// Seconds between two cleanings (SystemTap's `cache_clean_interval_s`).
const DEFAULT_CLEAN_INTERVAL: u64 = 300;

/// The cache folder of a user.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Opens, making it if needed. It is private to the user (mode 0700), since what is in it gets
    /// loaded into the kernel.
    pub fn open(directory: &Path) -> Result<Cache, BuildError> {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt};
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(BuildError::io("make cache folder", directory))?;
        let data = fs::metadata(directory).map_err(BuildError::io("open", directory))?;
        let user = nix::unistd::geteuid();
        if data.uid() != user.as_raw() {
            return Err(BuildError::unexpected(format!(
                "the cache folder {} belongs to another user; modules from it are not safe to load.\n  \
                 use another:  RSTAP_DIR=FOLDER rstap ...   or   rstap --disable-cache ...",
                directory.display()
            )));
        }
        Ok(Cache {
            directory: directory.to_owned(),
        })
    }

    /// The folder itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a module's file is or would be. `name` is `rstap_<hash>_<len>`.
    pub fn path(&self, name: &str, extension: &str) -> PathBuf {
        let digits = name
            .strip_prefix("rstap_")
            .and_then(|rest| rest.get(..2))
            .unwrap_or("00");
        self.directory
            .join(digits)
            .join(format!("{name}.{extension}"))
    }

    /// A module that is already there. Its time of use becomes now, so that cleaning spares it.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let path = self.path(name, "ko");
        let file = fs::File::open(&path).ok()?;
        if file.metadata().ok()?.len() == 0 {
            return None;
        }
        let now = fs::FileTimes::new().set_modified(SystemTime::now());
        // a cache that cannot be written to is still good to read
        let _ = file.set_times(now);
        Some(path)
    }

    /// Puts a file in, whole or not at all.
    pub fn store(&self, name: &str, extension: &str, data: &[u8]) -> Result<PathBuf, BuildError> {
        let path = self.path(name, extension);
        write_whole(&path, data)?;
        Ok(path)
    }

    /// Removes all modules and runtimes (`--clean-cache`). Gives the number of files removed.
    pub fn clear(&self) -> Result<usize, BuildError> {
        let mut removed = 0;
        for (path, _, _) in self.files() {
            fs::remove_file(&path).map_err(BuildError::io("remove", &path))?;
            removed += 1;
        }
        let runtime = self.directory.join("runtime");
        if runtime.exists() {
            removed += WalkDir::new(&runtime)
                .into_iter()
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_file())
                .count();
            fs::remove_dir_all(&runtime).map_err(BuildError::io("remove", &runtime))?;
        }
        Ok(removed)
    }

    /// Keeps the cache below its limit, at most once in five minutes: the oldest modules go first.
    /// Trouble here is never a reason to fail; it gives a text for `-v` when it removed something.
    pub fn clean(&self) -> Option<String> {
        let stamp = self.directory.join("cache_clean_stamp");
        let interval = self.setting("cache_clean_interval_s", DEFAULT_CLEAN_INTERVAL);
        let age = fs::metadata(&stamp)
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age < Duration::from_secs(interval)) {
            return None;
        }
        fs::write(&stamp, b"").ok()?;
        let limit = self.setting("cache_mb_limit", DEFAULT_LIMIT_MB) << 20;
        let mut files = self.files();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort_by_key(|(_, _, time)| *time);
        let (mut removed, mut freed) = (0u32, 0);
        for (path, size, _) in files {
            if total <= limit {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total -= size;
                freed += size;
                removed += 1;
            }
        }
        (removed > 0).then(|| {
            format!(
                "Cache cleaned: {removed} files removed, {} KB freed.",
                freed >> 10
            )
        })
    }

    /// A number in a file of that name in the cache folder, as SystemTap keeps its settings.
    fn setting(&self, name: &str, default: u64) -> u64 {
        fs::read_to_string(self.directory.join(name))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(default)
    }

    /// Files of modules: path, size, time of last use.
    fn files(&self) -> Vec<(PathBuf, u64, SystemTime)> {
        WalkDir::new(&self.directory)
            .min_depth(2)
            .max_depth(2)
            .into_iter()
            .filter_entry(|entry| entry.depth() != 1 || entry.file_name() != "runtime")
            .filter_map(Result::ok)
            .filter(|entry| {
                entry.file_type().is_file()
                    && entry.file_name().to_string_lossy().starts_with("rstap_")
            })
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some((entry.into_path(), data.len(), data.modified().ok()?))
            })
            .collect()
    }
}

/// Writes a file whole or not at all: a temporary file beside it is renamed.
pub(crate) fn write_whole(path: &Path, data: &[u8]) -> Result<(), BuildError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(BuildError::io("make folder", directory))?;
    let mut file = tempfile::NamedTempFile::new_in(directory)
        .map_err(BuildError::io("write into", directory))?;
    file.write_all(data)
        .map_err(BuildError::io("write", path))?;
    use std::os::unix::fs::PermissionsExt;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))
        .map_err(BuildError::io("write", path))?;
    file.persist(path)
        .map_err(|error| BuildError::io("write", path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        assert_eq!(cache.find("rstap_ab12_5"), None);
        let path = cache.store("rstap_ab12_5", "ko", b"module").unwrap();
        assert!(path.ends_with("cache/ab/rstap_ab12_5.ko"));
        assert_eq!(cache.find("rstap_ab12_5"), Some(path));
        assert_eq!(cache.clear().unwrap(), 1);
        assert_eq!(cache.find("rstap_ab12_5"), None);
    }

    #[test]
    fn cleaning_takes_the_oldest_first() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        fs::write(directory.path().join("cache_mb_limit"), "1").unwrap();
        fs::write(directory.path().join("cache_clean_interval_s"), "0").unwrap();
        let big = vec![0; 700 << 10];
        let old = cache.store("rstap_aa_1", "ko", &big).unwrap();
        let file = fs::File::options().write(true).open(&old).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let new = cache.store("rstap_bb_1", "ko", &big).unwrap();
        assert!(cache.clean().unwrap().starts_with("Cache cleaned: 1 files"));
        assert!(!old.exists() && new.exists());
        assert_eq!(cache.clean(), None);
    }
}
