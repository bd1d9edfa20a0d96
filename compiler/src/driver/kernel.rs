// SPDX-License-Identifier: GPL-2.0-or-later
//! Which kernel a script is for, and where its files are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rstap_debuginfo::{DebugServers, KernelPaths, KernelRequest};
use rstap_vm::KernelSet;

use super::ssh::Connection;
use crate::build::{BuildError, KernelTree};
use crate::cli::Options;
use crate::cli::options::{Download, Remote};
use crate::output::tell;

/// The kernel of this session.
#[derive(Debug)]
pub struct Kernel {
    pub paths: KernelPaths,
    /// What a virtual machine boots, with `--remote=vm`.
    pub machine: Option<KernelSet>,
    /// Where it runs, with `--remote=ssh://…`.
    pub connection: Option<Connection>,
    /// Whether the script can run here or in the machine; otherwise pass 4 is the last.
    pub is_runnable: bool,
    config: OnceLock<HashMap<String, String>>,
}

impl Kernel {
    /// Finds the kernel that the options mean: `-r`, `--sysroot`, `--remote=vm`, else the one that
    /// runs here. A release that is not installed may be one that the lab has fetched.
    pub fn choose(options: &Options) -> Result<Kernel, String> {
        let wanted = options
            .release
            .clone()
            .or_else(|| std::env::var("SYSTEMTAP_RELEASE").ok())
            .filter(|release| !release.is_empty());
        let mut request = KernelRequest {
            debuginfo_path: std::env::var("SYSTEMTAP_DEBUGINFO_PATH").ok(),
            sysroot: options.sysroot.clone(),
            servers: servers(options),
            ..KernelRequest::default()
        };
        let machine = machine(options, wanted.as_deref())?;
        let connection = connect(options)?;
        // What is compiled is for the kernel that runs there.
        let wanted = match &connection {
            Some(connection) => Some(connection.release.clone()),
            None => wanted,
        };
        if let Some(set) = &machine {
            request.release = Some(set.release.clone());
            request.sysroot = Some(set.sysroot.clone());
        } else if let Some(wanted) = &wanted {
            if wanted.starts_with('/') {
                let tree = KernelTree::at(Path::new(wanted)).map_err(|error| error.to_string())?;
                // an unpacked package tree brings its debug files beside it
                request.sysroot = request.sysroot.or_else(|| sysroot_of(&tree));
                request.release = Some(tree.release);
                request.build_dir = Some(tree.build);
            } else {
                request.release = Some(wanted.clone());
                let is_here = request.sysroot.is_some()
                    || Path::new("/lib/modules").join(wanted).is_dir()
                    || KernelTree::below(Path::new("/"), wanted).is_some();
                if !is_here
                    && let Ok(set) = rstap_vm::kernels::find(Some(wanted))
                    && set.release == *wanted
                {
                    request.sysroot = Some(set.sysroot);
                }
            }
        }
        let paths = KernelPaths::locate(&request).map_err(|error| error.to_string())?;
        let is_runnable = machine.is_some() || connection.is_some() || paths.running;
        Ok(Kernel {
            paths,
            machine,
            connection,
            is_runnable,
            config: OnceLock::new(),
        })
    }

    /// The build tree, or an error that names the package.
    pub fn tree(&self) -> Result<KernelTree, BuildError> {
        let searched = || KernelTree::candidates(&self.paths.sysroot, &self.paths.release);
        let build = self
            .paths
            .build_dir
            .clone()
            .ok_or_else(|| BuildError::NoBuildTree {
                release: self.paths.release.clone(),
                searched: searched(),
            })?;
        let build = build.canonicalize().unwrap_or(build);
        Ok(KernelTree {
            release: self.paths.release.clone(),
            build,
        })
    }

    /// A `CONFIG_` option of this kernel. The file is read at the first question.
    pub fn config(&self, name: &str) -> Option<String> {
        self.config
            .get_or_init(|| {
                let text = self
                    .paths
                    .config
                    .as_ref()
                    .and_then(|path| std::fs::read_to_string(path).ok())
                    .unwrap_or_default();
                parse_config(&text)
            })
            .get(name)
            .cloned()
    }
}

/// Where missing debug files may be fetched from.
fn servers(options: &Options) -> Option<DebugServers> {
    if options.download_debuginfo == Download::No {
        return None;
    }
    let Some(mut servers) = DebugServers::from_environment() else {
        if options.download_debuginfo != Download::Auto {
            tell!("WARNING: nothing is downloaded: DEBUGINFOD_URLS names no server\n");
        }
        return None;
    };
    if let Download::Timeout(seconds) = options.download_debuginfo {
        servers.timeout = Duration::from_secs(seconds.into());
    }
    if options.verbose(2) > 0 {
        servers.progress = Some(|what| tell!("{what}\n"));
    }
    Some(servers)
}

/// The kernel of the machine that `--remote=vm` asks for.
fn machine(options: &Options, wanted: Option<&str>) -> Result<Option<KernelSet>, String> {
    let Some(Remote::Machine { release, .. }) = options
        .remotes
        .iter()
        .find(|remote| matches!(remote, Remote::Machine { .. }))
    else {
        return Ok(None);
    };
    let release = release.as_deref().or(wanted);
    rstap_vm::kernels::find(release)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// The connection that `--remote=ssh://…` asks for.
fn connect(options: &Options) -> Result<Option<Connection>, String> {
    let elsewhere = |remote: &&Remote| !matches!(remote, Remote::Direct);
    if options.remotes.iter().filter(elsewhere).count() > 1 {
        return Err("one --remote at a time: start rstap once for each machine".to_owned());
    }
    let place = options.remotes.iter().find_map(|remote| match remote {
        Remote::Ssh { host, port } => Some((host, *port)),
        _ => None,
    });
    place
        .map(|(host, port)| Connection::open(host, port))
        .transpose()
}

/// `ROOT` of `ROOT/usr/src/linux-headers-R`, if it is not `/`.
fn sysroot_of(tree: &KernelTree) -> Option<PathBuf> {
    let source = tree.build.parent()?;
    let root = source.strip_suffix_path("usr/src")?;
    (root != Path::new("/")).then(|| root.to_owned())
}

/// Taking the end off a path.
trait StripSuffix {
    fn strip_suffix_path(&self, suffix: &str) -> Option<&Path>;
}

impl StripSuffix for Path {
    fn strip_suffix_path(&self, suffix: &str) -> Option<&Path> {
        if self.ends_with(suffix) {
            self.ancestors().nth(Path::new(suffix).components().count())
        } else {
            None
        }
    }
}

/// Lines `CONFIG_X=value`.
fn parse_config(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter(|line| line.starts_with("CONFIG_"))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read() {
        let config = parse_config("# CONFIG_X is not set\nCONFIG_SMP=y\nCONFIG_N=\"a b\"\n");
        assert_eq!(config.get("CONFIG_SMP").map(String::as_str), Some("y"));
        assert_eq!(config.get("CONFIG_N").map(String::as_str), Some("a b"));
        assert_eq!(config.get("CONFIG_X"), None);
    }

    #[test]
    fn the_root_of_unpacked_packages_is_found() {
        let tree = |path: &str| KernelTree {
            release: "r".into(),
            build: path.into(),
        };
        assert_eq!(
            sysroot_of(&tree("/k/usr/src/linux-headers-r")),
            Some("/k".into())
        );
        assert_eq!(sysroot_of(&tree("/usr/src/linux-headers-r")), None);
        assert_eq!(sysroot_of(&tree("/home/me/linux")), None);
    }
}
