// SPDX-License-Identifier: GPL-2.0-or-later
//! Who may load what, and giving privileges up.
//!
//! Root may load any module. Where staprun is installed setuid root, or with
//! the file capabilities `cap_sys_module,cap_dac_override,cap_syslog+ep`, the
//! groups of SystemTap decide: `stapdev` may load any module, `stapusr` and
//! `stapsys` those that root put into `/lib/modules/RELEASE/rstap` or
//! `.../systemtap`.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Group, getegid, geteuid, getgid, getgroups, getuid, setresgid, setresuid};

use crate::report::{Failure, Result};
use crate::sys;

/// Which modules the user may load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any file.
    Any,
    /// Only those that root installed.
    Installed,
}

/// Environment variables that change what a shell does.
const SHELL_VARIABLES: [&str; 4] = ["IFS", "CDPATH", "ENV", "BASH_ENV"];

/// What the user may load.
///
/// # Errors
/// Nothing: the privilege or the group is missing.
pub fn access() -> Result<Access> {
    if !sys::may_load_modules() {
        let who = if getuid().is_root() {
            "root has no CAP_SYS_MODULE here (a container?); run it on the host"
        } else {
            "run it as root, or become a member of the groups stapusr and stapdev where staprun \
             is installed setuid root or with file capabilities"
        };
        return Err(Failure::new(format!(
            "loading modules needs CAP_SYS_MODULE: {who}"
        )));
    }
    if getuid().is_root() {
        return Ok(Access::Any);
    }
    let own = getgroups().map_err(|errno| {
        Failure::new(format!(
            "cannot read the groups of this user: {}",
            errno.desc()
        ))
    })?;
    let member = |name: &str| {
        Group::from_name(name)
            .ok()
            .flatten()
            .is_some_and(|group| own.contains(&group.gid) || group.gid == getgid())
    };
    if member("stapdev") {
        return Ok(Access::Any);
    }
    if member("stapusr") || member("stapsys") {
        return Ok(Access::Installed);
    }
    Err(Failure::new(
        "You are trying to run systemtap as a normal user. You should either be root, or be part \
         of the group \"stapusr\" and possibly one of the groups \"stapsys\" or \"stapdev\".",
    ))
}

/// Whether this process runs with more rights than the user who started it.
#[must_use]
pub fn is_elevated() -> bool {
    !getuid().is_root()
}

/// Cleans the environment of a program with more rights than its user.
///
/// Call it first; the program has one thread.
pub fn clean_environment() {
    if is_elevated() {
        sys::remove_variables(&SHELL_VARIABLES);
    }
}

/// Opens a module that root installed, for a user who may load no others. The
/// folder is opened and checked, the file is opened inside that very folder and
/// checked, and no path is looked up twice.
///
/// # Errors
/// The path leads elsewhere, or others than root may change the file.
pub fn open_installed(
    wanted: &str,
    is_path: bool,
    directories: &[String; 2],
) -> Result<(String, File)> {
    let elsewhere = || {
        Failure::new(format!(
            "members of stapusr may load modules of {} and {} only, not {wanted}",
            directories[0], directories[1]
        ))
    };
    let path = Path::new(wanted);
    let file_name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(elsewhere)?;
    let file_name = match file_name.ends_with(".ko") {
        true => file_name.to_owned(),
        false => format!("{file_name}.ko"),
    };
    if is_path && wanted.contains('/') {
        let parent = path.parent().and_then(Path::to_str).unwrap_or_default();
        if !directories.iter().any(|directory| directory == parent) {
            return Err(elsewhere());
        }
    }
    for directory in directories {
        if is_path && wanted.contains('/') && !wanted.starts_with(directory.as_str()) {
            continue;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let Ok(folder) = open(directory.as_str(), flags, Mode::empty()) else {
            continue;
        };
        let folder = File::from(folder);
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let Ok(file) = openat(&folder, file_name.as_str(), flags, Mode::empty()) else {
            continue;
        };
        let (file, path) = (File::from(file), format!("{directory}/{file_name}"));
        if !is_roots(&folder) {
            return Err(Failure::new(format!(
                "{directory}: others than root may change it"
            )));
        }
        if !is_roots(&file) {
            return Err(Failure::new(format!(
                "{path}: others than root may change it"
            )));
        }
        return Ok((path, file));
    }
    Err(Failure::new(format!(
        "no module '{file_name}' in {} or {}",
        directories[0], directories[1]
    )))
}

fn is_roots(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.uid() == 0 && metadata.mode() & 0o022 == 0)
}

/// Becomes the user who started the program, for good.
///
/// # Errors
/// The kernel refuses; then nothing more may be done.
pub fn drop_for_good() -> Result<()> {
    if !is_elevated() {
        return Ok(());
    }
    let failed = |errno: nix::errno::Errno| {
        Failure::new(format!("cannot give privileges up: {}", errno.desc()))
    };
    let (user, group) = (getuid(), getgid());
    if geteuid().is_root() {
        setresgid(group, group, group).map_err(failed)?;
        setresuid(user, user, user).map_err(failed)?;
    }
    sys::drop_capabilities().map_err(failed)?;
    if geteuid() != user || getegid() != group || sys::may_load_modules() {
        return Err(Failure::new(
            "cannot give privileges up: they are still there",
        ));
    }
    Ok(())
}

/// Becomes root in every respect, so that the user cannot send signals to this
/// process. For the guard of a setuid program; does nothing otherwise.
pub fn become_root() {
    if geteuid().is_root() {
        let (root, group) = (nix::unistd::Uid::from_raw(0), Gid::from_raw(0));
        let _ = setresgid(group, group, group);
        let _ = setresuid(root, root, root);
    }
}
