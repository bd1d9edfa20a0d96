// SPDX-License-Identifier: GPL-2.0-or-later
//! The cache folder: modules by content, runtimes by kernel.
//!
//! `DIR/XX/rstap_<hash>_<len>.{c,ko,log}` are modules; `DIR/runtime/<hash>/` the runtime built for
//! one kernel. A module of the cache is complete or absent: files are written beside and renamed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};
use rstap_syntax::diag::counted;
use walkdir::{DirEntry, WalkDir};

use super::error::BuildError;

/// Bytes of modules and runtimes kept when the cache has no `cache_mb_limit` file (SystemTap's default, MB).
const DEFAULT_LIMIT_MB: u64 = 256;
/// Seconds between two cleanings (SystemTap's `cache_clean_interval_s`).
const DEFAULT_CLEAN_INTERVAL: u64 = 300;

/// What the names of files begin with that are being written.
const UNFINISHED: &str = ".new";

/// The file that makes a folder of the cache a runtime.
pub(super) const RECORD: &str = "record";

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
        if fs::metadata(&path).ok()?.len() == 0 {
            return None;
        }
        used_now(&path);
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
        for module in self.modules() {
            fs::remove_file(&module.path).map_err(BuildError::io("remove", &module.path))?;
            removed += 1;
        }
        let runtime = self.directory.join("runtime");
        if runtime.exists() {
            removed += files_below(&runtime).count();
            fs::remove_dir_all(&runtime).map_err(BuildError::io("remove", &runtime))?;
        }
        Ok(removed)
    }

    /// Keeps the cache below its limit, at most once in five minutes: what was used longest ago
    /// goes first.
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
        let mut kept = self.modules();
        kept.extend(self.runtimes());
        let mut total: u64 = kept.iter().map(|kept| kept.size).sum();
        kept.sort_by_key(|kept| kept.used);
        let (mut removed, mut freed) = self.remove_unfinished();
        for Kept { path, size, .. } in kept {
            if total <= limit {
                break;
            }
            let files = if path.is_dir() {
                let files = files_below(&path).count();
                // Without it the rest is no runtime, also when removing stops half-way.
                fs::remove_file(path.join(RECORD))
                    .and_then(|()| fs::remove_dir_all(&path))
                    .map(|()| files)
            } else {
                fs::remove_file(&path).map(|()| 1)
            };
            if let Ok(files) = files {
                total -= size;
                freed += size;
                removed += files;
            }
        }
        (removed > 0).then(|| {
            format!(
                "Cache cleaned: {} removed, {} KB freed.",
                counted(removed as u64, "file"),
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

    fn modules(&self) -> Vec<Kept> {
        WalkDir::new(&self.directory)
            .min_depth(2)
            .max_depth(2)
            .into_iter()
            .filter_entry(|entry| entry.depth() != 1 || entry.file_name() != "runtime")
            .filter_map(Result::ok)
            .filter(|entry| {
                entry.file_type().is_file() && is_of_module(&entry.file_name().to_string_lossy())
            })
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                Some(Kept {
                    path: entry.into_path(),
                    size: data.len(),
                    used: data.modified().ok()?,
                })
            })
            .collect()
    }

    /// Removes what is left of runtimes whose making, or removing, was interrupted; gives files and
    /// bytes.
    fn remove_unfinished(&self) -> (usize, u64) {
        let (mut removed, mut freed) = (0, 0);
        for path in self.runtime_folders() {
            // one that is being made is locked
            let Ok(_lock) = lock_runtime(&path, FlockArg::LockExclusiveNonblock) else {
                continue;
            };
            if path.join(RECORD).exists() {
                continue;
            }
            let files: Vec<DirEntry> = files_below(&path).collect();
            if fs::remove_dir_all(&path).is_ok() {
                removed += files.len();
                freed += size_of_all(&files);
            }
        }
        (removed, freed)
    }

    fn runtime_folders(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(self.directory.join("runtime"));
        let entries = entries.into_iter().flatten().filter_map(Result::ok);
        entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
    }

    /// The runtimes that are finished.
    fn runtimes(&self) -> Vec<Kept> {
        self.runtime_folders()
            .filter_map(|path| {
                let record = fs::metadata(path.join(RECORD)).ok()?;
                let files: Vec<DirEntry> = files_below(&path).collect();
                Some(Kept {
                    size: size_of_all(&files),
                    used: record.modified().ok()?,
                    path,
                })
            })
            .collect()
    }
}

/// Also a file that was never finished and has no name yet, see [`write_whole`].
fn is_of_module(name: &str) -> bool {
    name.starts_with("rstap_") || name.starts_with(UNFINISHED)
}

/// A module's file or a runtime's folder.
struct Kept {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

fn files_below(folder: &Path) -> impl Iterator<Item = DirEntry> {
    let entries = WalkDir::new(folder).into_iter().filter_map(Result::ok);
    entries.filter(|entry| entry.file_type().is_file())
}

fn size_of_all(files: &[DirEntry]) -> u64 {
    let sizes = files.iter().filter_map(|file| file.metadata().ok());
    sizes.map(|data| data.len()).sum()
}

/// The lock of whoever makes a runtime in a folder. The programs that it starts hold it as well:
/// they may outlive it, and go on writing.
pub(super) fn lock_runtime(
    directory: &Path,
    kind: FlockArg,
) -> Result<Flock<fs::File>, BuildError> {
    let path = directory.with_extension("lock");
    let file = fs::File::create(&path).map_err(BuildError::io("make", &path))?;
    let lock = Flock::lock(file, kind)
        .map_err(|(_, error)| BuildError::io("lock", &path)(error.into()))?;
    fcntl(&*lock, FcntlArg::F_SETFD(FdFlag::empty()))
        .map_err(|error| BuildError::io("lock", &path)(error.into()))?;
    Ok(lock)
}

/// Says of a file of the cache that it is in use, so that cleaning spares it.
pub(crate) fn used_now(path: &Path) {
    // a cache that cannot be written to is still good to read
    if let Ok(file) = fs::File::open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Writes a file whole or not at all: a temporary file beside it is renamed.
pub(crate) fn write_whole(path: &Path, data: &[u8]) -> Result<(), BuildError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(BuildError::io("make folder", directory))?;
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(directory)
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
        assert!(cache.clean().unwrap().starts_with("Cache cleaned: 1 file "));
        assert!(!old.exists() && new.exists());
        assert_eq!(cache.clean(), None);

        // A runtime counts as well, from its last use on.
        let [unused, used] = ["00", "01"].map(|hash| directory.path().join("runtime").join(hash));
        for (runtime, is_used) in [(&unused, false), (&used, true)] {
            fs::create_dir_all(runtime).unwrap();
            fs::write(runtime.join("core.o"), &big[..200 << 10]).unwrap();
            let record = fs::File::create(runtime.join("record")).unwrap();
            record.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            if is_used {
                used_now(&runtime.join("record"));
            }
        }
        assert!(cache.clean().unwrap().starts_with("Cache cleaned: 2 files"));
        assert!(!unused.exists() && used.exists() && new.exists());
    }

    #[test]
    fn cleaning_removes_runtimes_that_nobody_finishes() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        fs::write(directory.path().join("cache_clean_interval_s"), "0").unwrap();
        let [left, built, finished] =
            ["00", "01", "02"].map(|hash| directory.path().join("runtime").join(hash));
        for runtime in [&left, &built, &finished] {
            fs::create_dir_all(runtime.join("src")).unwrap();
            fs::write(runtime.join("src/main.c"), "int i;").unwrap();
        }
        fs::write(finished.join(RECORD), "").unwrap();
        let lock = lock_runtime(&built, FlockArg::LockExclusive).unwrap();
        assert!(cache.clean().unwrap().starts_with("Cache cleaned: 1 file "));
        assert!(!left.exists() && built.exists() && finished.exists());
        drop(lock);
        assert!(cache.clean().is_some());
        assert!(!built.exists() && finished.exists());
        assert_eq!(cache.clean(), None);
    }
}
