// SPDX-License-Identifier: GPL-2.0-or-later
//! Asking the distribution's archive, with a private apt state for each suite.
//!
//! The private state needs no root and leaves the machine's own lists alone. The archive's address
//! comes from the machine's own sources, so mirrors and proxies keep working.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{need_program, output};
use crate::{Error, Result};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One suite of the archive, with its package lists fetched.
pub struct Archive {
    folder: PathBuf,
    pub suite: String,
}

/// Where the machine's own sources say that the archive is.
struct Addresses {
    suite: String,
    main: String,
    security: Option<String>,
}

/// The machine's own suite, for instance `bookworm`.
pub fn own_suite() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release")
        .map_err(|error| Error::io("read", Path::new("/etc/os-release"), error))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|value| value.trim_matches('"').to_string())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| {
            Error::new("/etc/os-release does not name this machine's suite")
                .hint("name it with --suite, for instance --suite bookworm")
        })
}

fn addresses() -> Result<Addresses> {
    let apt_get = need_program("apt-get", "apt")?;
    let text = output(Command::new(apt_get).args([
        "indextargets",
        "--format",
        "$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
        "Created-By: Packages",
    ]))?;
    parse_addresses(&text).ok_or_else(|| {
        Error::new("this machine's apt sources name no Debian archive")
            .hint("`apt-get indextargets` must list one; add it to /etc/apt/sources.list")
    })
}

/// Takes the first plain suite with a `main` component, and the first security suite.
fn parse_addresses(text: &str) -> Option<Addresses> {
    let rows = text.lines().filter_map(|line| {
        let mut fields = line.split('|');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let mut found: BTreeMap<bool, (String, String)> = BTreeMap::new();
    for (address, suite, component) in rows {
        let security = suite.ends_with("-security");
        if component == "main" && !address.is_empty() && (security || !suite.contains('-')) {
            found
                .entry(security)
                .or_insert_with(|| (address.to_string(), suite.to_string()));
        }
    }
    let (main, suite) = found.remove(&false)?;
    Some(Addresses {
        suite,
        main,
        security: found.remove(&true).map(|(address, _)| address),
    })
}

/// The content of a one-line-style source list for `suite`.
fn source_list(addresses: &Addresses, suite: &str, keyring: bool) -> String {
    let options = if keyring {
        format!("[signed-by={KEYRING}] ")
    } else {
        String::new()
    };
    let mut list = format!("deb {options}{} {suite} main\n", addresses.main);
    // Unstable has no security suite: fixes go there directly.
    if let Some(security) = addresses.security.as_ref().filter(|_| suite != "sid") {
        list.push_str(&format!("deb {options}{security} {suite}-security main\n"));
    }
    list
}

impl Archive {
    /// Prepares the private state under `cache` and fetches the suite's package lists. Without a
    /// suite, the machine's own.
    pub fn open(cache: &Path, suite: Option<&str>) -> Result<Archive> {
        let addresses = addresses()?;
        let suite = suite.unwrap_or(&addresses.suite).to_string();
        if !suite.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') || suite.is_empty() {
            return Err(Error::new(format!("{suite:?} is not the name of a suite")));
        }
        let folder = cache.join("apt").join(&suite);
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).map_err(|error| Error::io("create", &part, error))?;
        }
        let list = folder.join("sources.list");
        std::fs::write(
            &list,
            source_list(&addresses, &suite, Path::new(KEYRING).exists()),
        )
        .map_err(|error| Error::io("write", &list, error))?;
        let archive = Archive { folder, suite };
        output(archive.apt("apt-get")?.arg("update")).map_err(|error| {
            error.hint("is the network reachable, and is that the name of a suite?")
        })?;
        Ok(archive)
    }

    fn apt(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(need_program(program, "apt")?);
        let path = |part: &str| self.folder.join(part).display().to_string();
        let mut options = vec![
            format!("Dir::Etc::SourceList={}", path("sources.list")),
            "Dir::Etc::SourceParts=/dev/null".to_string(),
            format!("Dir::State::Lists={}", path("lists")),
            format!("Dir::Cache={}", path("cache")),
            "Dir::State::status=/dev/null".to_string(),
            "Acquire::Languages=none".to_string(),
            "APT::Sandbox::User=root".to_string(),
        ];
        for target in [
            "DEP-11",
            "DEP-11-icons",
            "DEP-11-icons-small",
            "DEP-11-icons-hidpi",
        ] {
            options.push(format!(
                "Acquire::IndexTargets::deb::{target}::DefaultEnabled=false"
            ));
        }
        for option in options {
            command.arg("-o").arg(option);
        }
        command.env("LC_ALL", "C");
        Ok(command)
    }

    /// What `package` depends on directly; all names of an "either or".
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let text = output(
            self.apt("apt-cache")?
                .args(["depends", "--important", package]),
        )
        .map_err(|error| {
            Error::new(format!("suite {} has no package {package}", self.suite)).hint(error.message)
        })?;
        Ok(parse_dependencies(&text))
    }

    /// Downloads packages into `folder` and returns the files.
    pub fn download(&self, packages: &[String], folder: &Path) -> Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        output(
            self.apt("apt-get")?
                .arg("download")
                .args(packages)
                .current_dir(folder),
        )?;
        let entries =
            std::fs::read_dir(folder).map_err(|error| Error::io("list", folder, error))?;
        Ok(entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect())
    }

    /// All packages that an installation of `packages` on an empty machine would bring.
    pub fn closure(&self, packages: &[String]) -> Result<Vec<String>> {
        let text = output(
            self.apt("apt-get")?
                .args(["install", "--simulate", "--no-install-recommends"])
                .args(packages),
        )?;
        Ok(text
            .lines()
            .filter_map(|line| line.strip_prefix("Inst "))
            .filter_map(|rest| rest.split_whitespace().next())
            .map(str::to_string)
            .collect())
    }
}

fn parse_dependencies(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            line.trim_start_matches([' ', '|'])
                .strip_prefix("Depends: ")
        })
        .map(|name| name.trim().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_from_plain_and_security_suites() {
        let text = "http://a/debian/|bookworm-updates|main\nhttp://a/debian/|bookworm|contrib\n\
                    http://a/debian/|bookworm|main\nhttp://a/security/|bookworm-security|main\n";
        let found = parse_addresses(text).unwrap();
        assert_eq!(found.suite, "bookworm");
        assert_eq!(
            source_list(&found, "trixie", false),
            "deb http://a/debian/ trixie main\ndeb http://a/security/ trixie-security main\n"
        );
        assert_eq!(
            source_list(&found, "sid", false),
            "deb http://a/debian/ sid main\n"
        );
        assert!(parse_addresses("nothing here\n").is_none());
    }

    #[test]
    fn dependencies_are_read_with_alternatives() {
        let text = "linux-headers-x\n  Depends: linux-base\n |Depends: a\n  Depends: b\n";
        assert_eq!(parse_dependencies(text), ["linux-base", "a", "b"]);
    }
}
