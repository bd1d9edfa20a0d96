// SPDX-License-Identifier: GPL-2.0-or-later
//! What a script may ask about the world at compile time. The caller knows; nothing is read here.

use std::cmp::Ordering;

use crate::version;

/// Privilege level of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// `stapusr`
    User,
    /// `stapsys`
    System,
    /// `stapdev`
    #[default]
    Developer,
}

impl Privilege {
    /// Name of the Unix group, as `systemtap_privilege` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Privilege::User => "stapusr",
            Privilege::System => "stapsys",
            Privilege::Developer => "stapdev",
        }
    }
}

/// Looks up a kernel configuration symbol, `CONFIG_SMP`; `None` if it is not set.
pub type ConfigLookup<'a> = dyn Fn(&str) -> Option<String> + Send + Sync + 'a;

/// Answers to `%( ... %? ... %)` conditions, and what the session permits.
pub struct Environment<'a> {
    /// Release of the kernel that the script is for, `6.1.0-56-cloud-amd64`.
    pub kernel_release: String,
    /// `x86_64`, `arm64`, ...
    pub arch: String,
    /// `kernel`, `dyninst` or `bpf`.
    pub runtime: String,
    /// Version whose language is spoken: `--compatible`, otherwise [`LANGUAGE_VERSION`].
    pub compatible: String,
    /// `--privilege`
    pub privilege: Privilege,
    /// `-g`: the value of `guru_mode`.
    pub guru: bool,
    /// The file belongs to the tapset: embedded C is permitted without `-g`.
    pub tapset: bool,
    /// Kernel configuration.
    pub config: Box<ConfigLookup<'a>>,
}

/// The language that this crate speaks.
pub const LANGUAGE_VERSION: &str = "5.6";

impl Default for Environment<'_> {
    /// A kernel 6.1 on x86_64 without any configuration: for tests and formatters.
    fn default() -> Self {
        Environment {
            kernel_release: "6.1.0".to_owned(),
            arch: "x86_64".to_owned(),
            runtime: "kernel".to_owned(),
            compatible: LANGUAGE_VERSION.to_owned(),
            privilege: Privilege::default(),
            guru: false,
            tapset: false,
            config: Box::new(|_| None),
        }
    }
}

impl Environment<'_> {
    /// `kernel_v`: the release up to its first `-`.
    pub fn kernel_version(&self) -> &str {
        self.kernel_release.split('-').next().unwrap_or("")
    }

    /// Whether the spoken language is at least this version.
    pub fn speaks(&self, version: &str) -> bool {
        version::compare(&self.compatible, version) != Ordering::Less
    }

    /// Whether embedded C and other expert features are permitted.
    pub fn allows_embedded_c(&self) -> bool {
        self.guru || self.tapset
    }
}
