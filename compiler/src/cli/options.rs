// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line as plain data: validated, independent of how it was parsed.

use std::path::PathBuf;

/// Where the main script comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptSource {
    /// `-`
    Standard,
    /// `-e`
    Text(String),
    File(PathBuf),
    /// `--example FILE`
    Example(String),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Passes 1 to [`Options::last_pass`] over a script.
    Script(ScriptSource),
    /// `-l`, and `-L` with variables.
    List {
        point: String,
        with_variables: bool,
    },
    DumpProbeTypes,
    DumpProbeAliases,
    DumpFunctions,
    CleanCache,
    PrintPaths,
    Help,
    Version,
    /// `--generate=WHAT`
    Generate(Generated),
    /// `rstap info`
    Info,
    /// `rstap explain CODE`; no code lists them all.
    Explain(Option<String>),
}

/// What `--generate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    Man,
    Bash,
    Zsh,
    Fish,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    Always,
    Never,
    #[default]
    Auto,
}

/// `--error-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageFormat {
    #[default]
    Stap,
    Human,
    Json,
}

/// `--privilege`: who will load the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Privilege {
    User,
    System,
    #[default]
    Developer,
}

/// `--download-debuginfo`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Download {
    /// Where `$DEBUGINFOD_URLS` says, if it is set.
    #[default]
    Auto,
    No,
    Yes,
    Ask,
    /// Seconds.
    Timeout(u32),
}

/// Where pass 5 happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// Here: `direct://`.
    Direct,
    /// `vm`, `vm:RELEASE`, `vm+kvm[:RELEASE]`
    Machine {
        release: Option<String>,
        with_kvm: bool,
    },
    /// `ssh://[USER@]HOST[:PORT]` or `[USER@]HOST`
    Ssh { host: String, port: Option<u16> },
}

/// A limit for rstap itself: the resource's name as in `--rlimit-NAME`, and its value.
pub type ResourceLimit = (&'static str, u64);

/// Everything that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub action: Action,
    /// `-E`, in order.
    pub extra_scripts: Vec<String>,
    /// `$1`, `@1`, …
    pub arguments: Vec<String>,

    /// 1 to 5.
    pub last_pass: u8,
    /// Verbosity of passes 1 to 5.
    pub verbosity: [u32; 5],
    pub keep_temporary: bool,
    pub suppress_warnings: bool,
    pub warnings_are_errors: bool,
    pub unoptimized: bool,
    pub color: When,
    pub error_format: MessageFormat,
    pub semantic_keep_going: bool,
    /// The last pass is 2 then.
    pub explain_cost: bool,

    pub command: Option<String>,
    pub target_pid: Option<i64>,
    pub output: Option<PathBuf>,
    /// MB per CPU.
    pub buffer_size: Option<u32>,
    pub bulk: bool,
    /// `SIZE[,N]` as it was given.
    pub rotation: Option<String>,
    pub flight_recorder: bool,
    /// `-T`, in milliseconds.
    pub timeout: Option<u64>,
    pub timing: bool,
    /// `--summary=json`
    pub has_json_summary: bool,
    /// `-G`, in order.
    pub global_values: Vec<(String, String)>,
    /// `--monitor`, seconds between updates.
    pub monitor: Option<u32>,
    pub remotes: Vec<Remote>,
    pub remote_prefix: bool,
    pub target_namespaces: Option<i64>,

    /// A release, or a build tree's absolute path.
    pub release: Option<String>,
    pub sysroot: Option<PathBuf>,
    pub sysenv: Vec<(String, String)>,
    pub module_name: Option<String>,
    pub make_arguments: Vec<String>,
    pub modinfo: Vec<String>,
    /// `-d`
    pub symbol_modules: Vec<String>,
    pub ldd: bool,
    pub all_modules: bool,
    /// `--sign-module`; the inner value is its folder.
    pub sign_module: Option<Option<PathBuf>>,
    pub download_debuginfo: Download,

    pub guru: bool,
    /// `-D`, in order.
    pub macros: Vec<(String, Option<String>)>,
    pub include_directories: Vec<PathBuf>,
    pub prologue_searching: When,
    pub skip_badvars: bool,
    pub suppress_handler_errors: bool,
    pub suppress_time_limits: bool,
    pub no_global_var_display: bool,
    /// SystemTap version whose language is spoken, e.g. `4.8`.
    pub compatible: Option<String>,
    pub check_version: bool,
    pub privilege: Privilege,

    pub runtime_directory: Option<PathBuf>,
    pub temporary_directory: Option<PathBuf>,
    pub disable_cache: bool,
    pub poison_cache: bool,
    pub debug: bool,
    pub resource_limits: Vec<ResourceLimit>,
    /// Warnings that the command line itself gave.
    pub warnings: Vec<String>,
}

impl Options {
    /// Verbosity of a pass, 1 to 5.
    pub fn verbose(&self, pass: usize) -> u32 {
        pass.checked_sub(1)
            .and_then(|index| self.verbosity.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// Whether modules of the cache may be taken and put there: not for `-m`, `-k` and `--debug`,
    /// as with SystemTap.
    pub fn uses_module_cache(&self) -> bool {
        !self.disable_cache && self.module_name.is_none() && !self.keep_temporary && !self.debug
    }
}
