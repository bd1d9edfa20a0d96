// SPDX-License-Identifier: GPL-2.0-or-later
//! Where rstap's own files are: tapset library, runtime sources, examples, loader, cache.
//!
//! First hit wins: what the user names; `../share/rstap` beside the program; the source tree, when
//! the program was built in it; the copy that is a part of the program, unpacked into the cache.

use std::env;
use std::path::{Path, PathBuf};

use super::embedded;

/// A folder and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// `--print-paths` says it.
    pub how: &'static str,
}

/// Kinds of data folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    Tapset,
    Runtime,
    Examples,
}

impl Data {
    /// Name below `share/rstap`, and in the source tree.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Data::Tapset => ("tapsets", "tapsets"),
            Data::Runtime => ("runtime", "runtime"),
            Data::Examples => ("examples", "examples"),
        }
    }

    fn variables(self) -> &'static [&'static str] {
        match self {
            Data::Tapset => &["RSTAP_TAPSET", "SYSTEMTAP_TAPSET"],
            Data::Runtime => &["RSTAP_RUNTIME", "SYSTEMTAP_RUNTIME"],
            Data::Examples => &["RSTAP_EXAMPLES"],
        }
    }
}

/// Finds a data folder. `wanted` is what an option named.
pub fn data(kind: Data, wanted: Option<&Path>, cache: &Path) -> Result<Found, String> {
    if let Some(path) = wanted {
        return Ok(Found {
            path: path.to_owned(),
            how: "named by an option",
        });
    }
    for variable in kind.variables() {
        if let Some(path) = variable_path(variable) {
            return Ok(Found {
                path,
                how: "named by the environment",
            });
        }
    }
    let (shared, source) = kind.names();
    let executable = env::current_exe()
        .and_then(|path| path.canonicalize())
        .unwrap_or_default();
    let beside = executable
        .parent()
        .map(|directory| directory.join("../share/rstap").join(shared));
    if let Some(path) = beside.filter(|path| path.is_dir()) {
        return Ok(Found {
            path: path.canonicalize().unwrap_or(path),
            how: "beside the program",
        });
    }
    if let Some(path) = source_tree(&executable).map(|tree| tree.join(source))
        && path.is_dir()
    {
        return Ok(Found {
            path,
            how: "in the source tree",
        });
    }
    embedded::unpack(&cache.join("share"))
        .map(|share| Found {
            path: share.join(source),
            how: "a part of the program",
        })
        .map_err(|error| {
            format!(
                "cannot unpack rstap's own files into {}: {error}",
                cache.display()
            )
        })
}

/// The source tree that the program was built in, if it was built there and runs from there: from
/// any place below the tree, or with a target directory elsewhere, from the tree that it remembers.
fn source_tree(executable: &Path) -> Option<PathBuf> {
    let is_tree =
        |path: &Path| path.join("tapsets").is_dir() && path.join("runtime/Kbuild").is_file();
    if let Some(tree) = executable.ancestors().find(|path| is_tree(path)) {
        return Some(tree.to_owned());
    }
    // A program that cargo just built sits in a folder `release` or `debug`; an installed one
    // must not read a tree that someone else may own.
    let profile = executable.parent()?.file_name()?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    ((profile == "release" || profile == "debug" || profile == "deps") && is_tree(built))
        .then(|| built.to_owned())
}

/// The loader: `RSTAP_STAPRUN` or `SYSTEMTAP_STAPRUN`, else the one beside this program; never one
/// of PATH, which may be SystemTap's.
pub fn staprun() -> Result<PathBuf, String> {
    for variable in ["RSTAP_STAPRUN", "SYSTEMTAP_STAPRUN"] {
        if let Some(path) = variable_path(variable) {
            return Ok(path);
        }
    }
    let executable = env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| format!("cannot find out where rstap itself is: {error}"))?;
    let beside = executable.with_file_name("staprun");
    if beside.is_file() {
        Ok(beside)
    } else {
        Err(format!(
            "the loader is missing: {}\n  build it:  cargo build --release -p rstap-staprun",
            beside.display()
        ))
    }
}

/// `$RSTAP_DIR/cache`, `$SYSTEMTAP_DIR/cache`, else `$RSTAP_CACHE_DIR`, `$XDG_CACHE_HOME/rstap` or
/// `~/.cache/rstap`.
pub fn cache() -> Result<PathBuf, String> {
    for variable in ["RSTAP_DIR", "SYSTEMTAP_DIR"] {
        if let Some(path) = variable_path(variable) {
            return Ok(path.join("cache"));
        }
    }
    if let Some(path) = variable_path("RSTAP_CACHE_DIR") {
        return Ok(path);
    }
    if let Some(path) = variable_path("XDG_CACHE_HOME") {
        return Ok(path.join("rstap"));
    }
    variable_path("HOME")
        .map(|home| home.join(".cache/rstap"))
        .ok_or_else(|| {
            "there is no place for a cache: HOME is not set.\n  \
             name one:  RSTAP_DIR=FOLDER rstap ...   or do without:  rstap --disable-cache ..."
                .to_owned()
        })
}

/// More tapset folders of the user: `$XDG_DATA_HOME/rstap/tapset`, then `systemtap/tapset` below
/// each of `$XDG_DATA_DIRS`, as SystemTap has it, but not where SystemTap installs its own library:
/// ours stands for that one. Only those that exist.
pub fn user_tapsets() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let home = variable_path("XDG_DATA_HOME")
        .or_else(|| variable_path("HOME").map(|home| home.join(".local/share")));
    if let Some(home) = home {
        folders.push(home.join("rstap/tapset"));
    }
    let shared = env::var_os("XDG_DATA_DIRS").unwrap_or_default();
    folders.extend(
        env::split_paths(&shared)
            .filter(|folder| folder.is_absolute())
            .filter(|folder| {
                !["/usr/share", "/usr/local/share"]
                    .map(Path::new)
                    .contains(&&**folder)
            })
            .map(|folder| folder.join("systemtap/tapset")),
    );
    folders.retain(|folder| folder.is_dir());
    folders
}

/// A path in an environment variable; an empty one counts as unset.
pub fn variable_path(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
