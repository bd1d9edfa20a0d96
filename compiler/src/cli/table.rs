// SPDX-License-Identifier: GPL-2.0-or-later
//! The one table of options. The parser, `--help`, the manual page and the shell completions are
//! all made from it; nothing about an option is written anywhere else.

use Support::{No, Yes};
use Value::{Flag, Optional, Required};

/// Whether an option takes a value, and what the value is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Flag,
    Required(&'static str),
    /// Only with `=`: `--color[=WHEN]`.
    Optional(&'static str),
}

/// Whether rstap does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Yes,
    /// SystemTap has it and rstap has not: why, and what to do instead.
    No(&'static str),
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Name for the code: the long name, or the short one where there is no long.
    pub id: &'static str,
    pub short: Option<char>,
    pub long: Option<&'static str>,
    pub value: Value,
    pub section: Section,
    /// Full sentences for the manual; the help shows it too.
    pub help: &'static str,
    /// Environment variable with the same effect.
    pub environment: Option<&'static str>,
    /// Not in the help.
    pub is_hidden: bool,
    pub support: Support,
}

/// Chapters of the help, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Script,
    Passes,
    Run,
    Kernel,
    Language,
    Files,
    Help,
    Other,
}

impl Section {
    pub const ALL: [Section; 8] = [
        Section::Script,
        Section::Passes,
        Section::Run,
        Section::Kernel,
        Section::Language,
        Section::Files,
        Section::Help,
        Section::Other,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Section::Script => "What to run",
            Section::Passes => "Passes and messages",
            Section::Run => "Running",
            Section::Kernel => "Kernel to build for",
            Section::Language => "Language and safety",
            Section::Files => "Files and caches",
            Section::Help => "Help",
            Section::Other => "Options of SystemTap that rstap does not have",
        }
    }
}

const fn option(
    id: &'static str,
    short: Option<char>,
    long: Option<&'static str>,
    value: Value,
    section: Section,
    help: &'static str,
) -> OptionSpec {
    OptionSpec {
        id,
        short,
        long,
        value,
        section,
        help,
        environment: None,
        is_hidden: false,
        support: Yes,
    }
}

/// An option with a long name only.
const fn long(
    name: &'static str,
    value: Value,
    section: Section,
    help: &'static str,
) -> OptionSpec {
    option(name, None, Some(name), value, section, help)
}

/// An option with a short name only.
const fn short(
    id: &'static str,
    name: char,
    value: Value,
    section: Section,
    help: &'static str,
) -> OptionSpec {
    option(id, Some(name), None, value, section, help)
}

const fn hidden(mut spec: OptionSpec) -> OptionSpec {
    spec.is_hidden = true;
    spec
}

const fn environment(mut spec: OptionSpec, variable: &'static str) -> OptionSpec {
    spec.environment = Some(variable);
    spec
}

const fn unsupported(name: &'static str, value: Value, why: &'static str) -> OptionSpec {
    let mut spec = long(name, value, Section::Other, why);
    spec.support = No(why);
    spec
}

const fn unsupported_short(
    id: &'static str,
    short: Option<char>,
    long: Option<&'static str>,
    why: &'static str,
) -> OptionSpec {
    let mut spec = option(id, short, long, Flag, Section::Other, why);
    spec.support = No(why);
    spec
}

/// Every option, in the order of the help.
#[rustfmt::skip]
pub const OPTIONS: &[OptionSpec] = &[
    short("e", 'e', Required("SCRIPT"), Section::Script, "Run the given script."),
    short("E", 'E', Required("SCRIPT"), Section::Script, "Run this script too, beside the main one; may be repeated."),
    short("l", 'l', Required("PROBE"), Section::Script, "List the matching probe points."),
    short("L", 'L', Required("PROBE"), Section::Script, "List the matching probe points and their variables."),
    long("dump-probe-types", Flag, Section::Script, "List the kinds of probe points."),
    long("dump-probe-aliases", Flag, Section::Script, "List the probe aliases of the tapset library."),
    long("dump-functions", Flag, Section::Script, "List the functions of the tapset library."),
    long("example", Flag, Section::Script, "Take FILE from the example scripts that come with rstap."),
    short("v", 'v', Flag, Section::Passes, "Say more, in all passes; may be repeated."),
    long("vp", Required("NNNNN"), Section::Passes, "Say more in single passes: one digit for each of the five."),
    short("p", 'p', Required("NUM"), Section::Passes, "Stop after pass NUM: 1 parse, 2 analyse, 3 translate, 4 compile, 5 run (default)."),
    short("k", 'k', Flag, Section::Passes, "Keep the temporary directory and say its name."),
    short("w", 'w', Flag, Section::Passes, "Suppress warnings."),
    short("W", 'W', Flag, Section::Passes, "Turn warnings into errors."),
    short("u", 'u', Flag, Section::Passes, "Do not optimise the script."),
    long("color", Optional("WHEN"), Section::Passes, "Colour messages: always, never or auto (default)."),
    hidden(long("colour", Optional("WHEN"), Section::Passes, "The same as --color.")),
    long("error-format", Required("FORMAT"), Section::Passes, "How to show errors: stap (default), human or json."),
    long("explain-cost", Flag, Section::Passes, "Say what each probe costs at most, and stop after pass 2: statements as MAXACTION counts them, calls, operations on arrays, bytes of output."),
    long("semantic-keep-going", Flag, Section::Passes, "Go on after semantic errors and list them in a form for programs."),
    short("c", 'c', Required("CMD"), Section::Run, "Start the probes, run CMD, and end when it ends; target() is its process."),
    short("x", 'x', Required("PID"), Section::Run, "Make target() this process."),
    short("o", 'o', Required("FILE"), Section::Run, "Write the script's output to FILE, whose name may have strftime(3) formats."),
    short("s", 's', Required("MB"), Section::Run, "Size of the output buffer of each CPU in megabytes, 1 to 4095."),
    short("b", 'b', Flag, Section::Run, "Write the output of each CPU to a file of its own."),
    short("S", 'S', Required("SIZE[,N]"), Section::Run, "Start a new output file every SIZE megabytes and keep the last N."),
    short("F", 'F', Flag, Section::Run, "Flight recorder: stay loaded and keep the newest output, in memory or with -o in files."),
    short("T", 'T', Required("SECONDS"), Section::Run, "End the script after this time."),
    short("t", 't', Flag, Section::Run, "Count the hits and cycles of each probe; at the end print them with its place and derivation on standard error."),
    long("summary", Required("FORMAT"), Section::Run, "Print the account of errors, skips and losses at the end as json on standard error."),
    short("G", 'G', Required("VAR=VALUE"), Section::Run, "Set a global variable of the script."),
    long("monitor", Optional("SECONDS"), Section::Run, "Show the running script's probes and globals on the terminal."),
    long("remote", Required("URL"), Section::Run, "Run pass 5 elsewhere: vm or vm:RELEASE is a throwaway virtual machine with that kernel, vm+kvm the same with KVM, ssh://[USER@]HOST[:PORT] is another machine, direct:// is here."),
    long("remote-prefix", Flag, Section::Run, "Begin each line of remote output with the number of the remote."),
    long("target-namespaces", Required("PID"), Section::Run, "Take process numbers in the name spaces of this process."),
    environment(short("r", 'r', Required("RELEASE"), Section::Kernel, "Build for an installed kernel of this release, or for the build tree /DIR. Another kernel than the running one stops after pass 4."), "SYSTEMTAP_RELEASE"),
    short("a", 'a', Required("ARCH"), Section::Kernel, "Build for this architecture; x86_64 is the only one so far."),
    long("sysroot", Required("DIR"), Section::Kernel, "Where kernel, modules and programs of the target are, instead of /."),
    long("sysenv", Required("VAR=VALUE"), Section::Kernel, "An environment variable of the target, where it differs. Follows --sysroot."),
    short("m", 'm', Required("NAME"), Section::Kernel, "Name of the module; NAME.ko is left in the current directory."),
    short("B", 'B', Required("NAME=VALUE"), Section::Kernel, "An argument for the kernel's make."),
    long("modinfo", Required("NAME=VALUE"), Section::Kernel, "Put this MODULE_INFO() into the module."),
    short("d", 'd', Required("OBJECT"), Section::Kernel, "Carry symbols of this module or program, for addresses in backtraces."),
    long("ldd", Flag, Section::Kernel, "Carry symbols of the shared libraries of all programs named."),
    long("all-modules", Flag, Section::Kernel, "Carry symbols of all modules that are loaded."),
    long("sign-module", Optional("DIR"), Section::Kernel, "Sign the module with the kernel's sign-file, for Secure Boot; DIR holds signing_key.priv and signing_key.x509."),
    environment(long("download-debuginfo", Optional("WHEN"), Section::Kernel, "Fetch missing debug files from the servers of DEBUGINFOD_URLS: yes (default), no, or a time-out in seconds."), "DEBUGINFOD_URLS"),
    short("g", 'g', Flag, Section::Language, "Guru mode: embedded C and writing to the target are allowed."),
    short("D", 'D', Required("NAME[=VALUE]"), Section::Language, "Define a C macro; sets run-time limits such as MAXACTION, which are numbers with a range of their own."),
    environment(short("I", 'I', Required("DIR"), Section::Language, "Look for tapset files here too."), "SYSTEMTAP_TAPSET"),
    option("prologue-searching", Some('P'), Some("prologue-searching"), Optional("WHEN"), Section::Language, "Where a function's prologue ends is searched for, not taken from debug information: always, never or auto (default)."),
    long("skip-badvars", Flag, Section::Language, "Variables of the target that are not there read as 0."),
    long("suppress-handler-errors", Flag, Section::Language, "A run-time error ends the handler and is counted, not the script."),
    long("suppress-time-limits", Flag, Section::Language, "No limit on the time and statements of a handler. Needs -g."),
    long("no-global-var-display", Flag, Section::Language, "Do not print globals at the end that the script never prints."),
    long("compatible", Required("VERSION"), Section::Language, "Speak the language of this version of SystemTap."),
    long("check-version", Flag, Section::Language, "Warn about what depends on the language's version."),
    long("privilege", Required("LEVEL"), Section::Language, "Refuse what this level may not do: stapusr, stapsys or stapdev (default)."),
    long("unprivileged", Flag, Section::Language, "The same as --privilege=stapusr."),
    long("runtime", Required("MODE"), Section::Language, "Kind of run time; kernel is the only one."),
    environment(short("R", 'R', Required("DIR"), Section::Files, "Where the C sources of the runtime are."), "SYSTEMTAP_RUNTIME"),
    environment(long("tmpdir", Required("DIR"), Section::Files, "Use this as the temporary directory."), "TMPDIR"),
    long("disable-cache", Flag, Section::Files, "Neither use nor fill the cache."),
    long("poison-cache", Flag, Section::Files, "Fill the cache but do not use what is in it."),
    long("clean-cache", Flag, Section::Files, "Empty the cache and stop."),
    long("debug", Flag, Section::Files, "Build the module with debug information; implies -k."),
    long("print-paths", Flag, Section::Files, "Say which tapsets, runtime, cache and loader are used, and stop."),
    long("rlimit-as", Required("BYTES"), Section::Files, "Limit the memory of rstap."),
    long("rlimit-cpu", Required("SECONDS"), Section::Files, "Limit the processor time of rstap."),
    long("rlimit-nproc", Required("NUM"), Section::Files, "Limit the number of processes."),
    long("rlimit-stack", Required("BYTES"), Section::Files, "Limit the stack of rstap."),
    long("rlimit-fsize", Required("BYTES"), Section::Files, "Limit the size of files that rstap writes."),
    option("help", Some('h'), Some("help"), Flag, Section::Help, "Show this help."),
    option("version", Some('V'), Some("version"), Flag, Section::Help, "Show the version."),
    hidden(long("generate", Required("WHAT"), Section::Help, "Print the manual page or completions: man, bash, zsh or fish.")),
    unsupported_short("interactive", Some('i'), Some("interactive"), "write the script into a file and run that"),
    unsupported_short("q", Some('q'), None, "there is no coverage database"),
    unsupported("language-server", Flag, "the language server is not a part of rstap"),
    unsupported("dyninst", Flag, "rstap's scripts run in the kernel; a user's own processes can be traced with process() probes"),
    unsupported("bpf", Flag, "rstap's scripts run as kernel modules"),
    unsupported("use-server", Optional("SPEC"), "there is no compile server: build with -p4 -m NAME on one machine and run the module with staprun on another"),
    unsupported("list-servers", Optional("WHAT"), "there is no compile server"),
    unsupported("trust-servers", Optional("WHAT"), "there is no compile server"),
    unsupported("use-server-on-error", Optional("WHEN"), "there is no compile server"),
    unsupported("use-http-server", Required("URL"), "there is no compile server"),
    unsupported("client-options", Flag, "there is no compile server"),
    unsupported("save-uprobes", Flag, "uprobes are a part of every kernel that rstap knows; there is nothing to save"),
    unsupported("build-as", Optional("USER"), "run rstap -p4 as that user and the module with staprun"),
    unsupported("benchmark-sdt", Optional("SPEC"), "it is SystemTap's own test"),
];

/// An option by its [`OptionSpec::id`].
pub fn find(id: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|spec| spec.id == id)
}

impl OptionSpec {
    /// `-p NUM` or `--color[=WHEN]`: as the help shows it.
    pub fn usage(&self) -> String {
        let mut text = String::new();
        if let Some(short) = self.short {
            text.push('-');
            text.push(short);
            if self.long.is_some() {
                text.push_str(", ");
            }
        }
        if let Some(long) = self.long {
            text.push_str("--");
            text.push_str(long);
        }
        match (self.value, self.long) {
            (Flag, _) => {}
            (Required(name), Some(_)) => {
                text.push('=');
                text.push_str(name);
            }
            (Required(name), None) => {
                text.push(' ');
                text.push_str(name);
            }
            (Optional(name), _) => {
                text.push_str("[=");
                text.push_str(name);
                text.push(']');
            }
        }
        text
    }

    /// `-p` or `--color`: as a message names it.
    pub fn name(&self) -> String {
        match (self.long, self.short) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => self.id.to_owned(),
        }
    }
}
