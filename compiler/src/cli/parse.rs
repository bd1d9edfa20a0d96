// SPDX-License-Identifier: GPL-2.0-or-later
//! Words of a command line to [`Options`], in SystemTap's way and with its messages.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::path::PathBuf;

use super::check;
use super::error::UsageError;
use super::options::{
    Action, Download, Generated, MessageFormat, Options, Privilege, Remote, ScriptSource, When,
};
use super::table::{OPTIONS, Support, Value, find};

/// Where the words of a command line that are no options go.
const WORDS: &str = "words";

/// clap's view of the table.
fn command() -> Command {
    let mut command = Command::new("rstap")
        .disable_help_flag(true)
        .disable_version_flag(true)
        // getopt_long takes unambiguous beginnings of names
        .infer_long_args(true)
        .arg(Arg::new(WORDS).num_args(0..).action(ArgAction::Append));
    for spec in OPTIONS {
        let mut arg = Arg::new(spec.id);
        if let Some(short) = spec.short {
            arg = arg.short(short);
        }
        if let Some(long) = spec.long {
            arg = arg.long(long);
        }
        arg = match spec.value {
            Value::Flag => arg.action(ArgAction::Count),
            Value::Required(name) => arg
                .value_name(name)
                .allow_hyphen_values(true)
                .action(ArgAction::Append),
            Value::Optional(name) => arg
                .value_name(name)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("")
                .action(ArgAction::Append),
        };
        command = command.arg(arg);
    }
    command
}

/// Reads the words after the program's name.
pub fn parse(words: &[String]) -> Result<Options, UsageError> {
    if let Some(action) = first_word(words) {
        let rest = words.get(1..).unwrap_or_default();
        return subcommand(action, rest);
    }
    let matches = command()
        .no_binary_name(true)
        .try_get_matches_from(words)
        .map_err(|error| clap_error(&error))?;
    convert(&Matches(&matches))
}

#[derive(Clone, Copy)]
enum Subcommand {
    Info,
    Explain,
}

/// `info` and `explain` as first words, unless a file of that name is meant with a path.
fn first_word(words: &[String]) -> Option<Subcommand> {
    match words.first()?.as_str() {
        "info" => Some(Subcommand::Info),
        "explain" => Some(Subcommand::Explain),
        _ => None,
    }
}

fn subcommand(which: Subcommand, rest: &[String]) -> Result<Options, UsageError> {
    let mut options = match which {
        Subcommand::Info => parse(rest_with(rest, "info", "-V")?.as_slice())?,
        Subcommand::Explain => parse(&["-V".to_owned()])?,
    };
    options.action = match (which, rest) {
        (Subcommand::Info, _) => Action::Info,
        (Subcommand::Explain, [code]) => Action::Explain(Some(code.clone())),
        (Subcommand::Explain, []) => Action::Explain(None),
        (Subcommand::Explain, _) => {
            return Err(UsageError::new("usage: rstap explain [CODE]"));
        }
    };
    Ok(options)
}

/// Options after `info`, which takes no other words.
fn rest_with(rest: &[String], name: &str, flag: &str) -> Result<Vec<String>, UsageError> {
    let matches = command()
        .no_binary_name(true)
        .try_get_matches_from(rest)
        .map_err(|error| clap_error(&error))?;
    if matches.get_many::<String>(WORDS).is_some() {
        return Err(UsageError::new(format!(
            "usage: rstap {name} [options]   (a script of that name is run as ./{name})"
        )));
    }
    let mut words = rest.to_vec();
    words.push(flag.to_owned());
    Ok(words)
}

/// getopt's words for what clap found.
fn clap_error(error: &clap::Error) -> UsageError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join("' '")),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    // `--color[=<WHEN>]` and `-p <NUM>`: the name alone
    let name = argument
        .split([' ', '=', '[', '.'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let message = match error.kind() {
        ErrorKind::UnknownArgument => {
            let mut message = match name.strip_prefix("--") {
                Some(_) => ambiguity(&name)
                    .unwrap_or_else(|| format!("rstap: unrecognized option '{name}'")),
                None => format!(
                    "rstap: invalid option -- '{}'",
                    name.trim_start_matches('-')
                ),
            };
            if let Some(similar) = text(ContextKind::SuggestedArg) {
                message.push_str(&format!("\nDid you mean '{similar}'?"));
            }
            message
        }
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::WrongNumberOfValues => {
            match name.strip_prefix("--") {
                Some(_) => format!("rstap: option '{name}' requires an argument"),
                None => format!(
                    "rstap: option requires an argument -- '{}'",
                    name.trim_start_matches('-')
                ),
            }
        }
        ErrorKind::TooManyValues => {
            format!("rstap: option '{name}' doesn't allow an argument")
        }
        ErrorKind::InvalidUtf8 => "rstap: the command line is not valid UTF-8".to_owned(),
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            format!("rstap: {}", line.trim_start_matches("error: "))
        }
    };
    UsageError::with_help(message)
}

/// The message for a beginning of several long names.
fn ambiguity(name: &str) -> Option<String> {
    let names: Vec<String> = OPTIONS
        .iter()
        .filter(|spec| !spec.is_hidden)
        .filter_map(|spec| spec.long)
        .map(|long| format!("'--{long}'"))
        .filter(|long| long.starts_with(&format!("'{name}")))
        .collect();
    (names.len() > 1).then(|| {
        format!(
            "rstap: option '{name}' is ambiguous; possibilities: {}",
            names.join(" ")
        )
    })
}

/// What clap found, by the table's names.
struct Matches<'a>(&'a ArgMatches);

impl Matches<'_> {
    fn count(&self, id: &str) -> u32 {
        u32::from(self.0.get_count(id))
    }

    fn has(&self, id: &str) -> bool {
        self.count(id) > 0
    }

    fn values(&self, id: &str) -> Vec<String> {
        self.0
            .get_many::<String>(id)
            .map(|values| values.cloned().collect())
            .unwrap_or_default()
    }

    /// The last one wins, as with getopt.
    fn value(&self, id: &str) -> Option<String> {
        self.values(id).pop()
    }

    /// Checks all values with a function.
    fn checked<T>(
        &self,
        id: &str,
        check: impl Fn(&str) -> Result<T, UsageError>,
    ) -> Result<Vec<T>, UsageError> {
        self.values(id).iter().map(|value| check(value)).collect()
    }

    fn last_checked<T>(
        &self,
        id: &str,
        check: impl Fn(&str) -> Result<T, UsageError>,
    ) -> Result<Option<T>, UsageError> {
        Ok(self.checked(id, check)?.pop())
    }
}

fn convert(matches: &Matches<'_>) -> Result<Options, UsageError> {
    refuse_unsupported(matches)?;
    let mut warnings = Vec::new();
    let mut words = matches.values(WORDS);
    let last_pass = matches.last_checked("p", check::pass)?;
    let action = action(matches, &mut words, last_pass.is_some())?;
    let module_name = matches
        .last_checked("m", check::module_name)?
        .map(|(name, warning)| {
            warnings.extend(warning);
            name
        });
    let verbose = matches.count("v");
    let mut verbosity = [verbose; 5];
    for digits in matches.checked("vp", check::verbosity)? {
        for (level, digit) in verbosity.iter_mut().zip(digits) {
            *level += digit;
        }
    }
    let remotes = matches.checked("remote", remote)?;
    let sysroot = matches.last_checked("sysroot", check::directory)?;
    if sysroot.is_none() && !matches.values("sysenv").is_empty() {
        return Err(UsageError::new("ERROR: --sysenv must follow --sysroot"));
    }
    check_platform(matches)?;
    let privilege = if matches.has("unprivileged") {
        Privilege::User
    } else {
        matches
            .last_checked("privilege", privilege)?
            .unwrap_or_default()
    };
    warn_without_effect(matches, &mut warnings);
    let mut resource_limits = Vec::new();
    for id in [
        "rlimit-as",
        "rlimit-cpu",
        "rlimit-nproc",
        "rlimit-stack",
        "rlimit-fsize",
    ] {
        if let Some(value) = matches.last_checked(id, |value| check::limit(id, value))? {
            resource_limits.push((id.trim_start_matches("rlimit-"), value));
        }
    }
    let mut colors = matches.checked("color", |value| when("--color", value))?;
    colors.extend(matches.checked("colour", |value| when("--colour", value))?);

    let options = Options {
        action,
        extra_scripts: matches.values("E"),
        arguments: words,
        last_pass: match (matches.has("explain-cost"), last_pass.unwrap_or(5)) {
            (true, last) => last.min(2),
            (false, last) => last,
        },
        verbosity,
        keep_temporary: matches.has("k") || matches.has("debug"),
        suppress_warnings: matches.has("w"),
        warnings_are_errors: matches.has("W"),
        unoptimized: matches.has("u"),
        color: colors.pop().unwrap_or_default(),
        error_format: matches
            .last_checked("error-format", error_format)?
            .unwrap_or_default(),
        semantic_keep_going: matches.has("semantic-keep-going"),
        explain_cost: matches.has("explain-cost"),
        command: matches.last_checked("c", check::command)?,
        target_pid: matches.last_checked("x", |value| {
            check::process(value, "Invalid target process ID number.")
        })?,
        output: matches.last_checked("o", check::output_file)?,
        buffer_size: matches.last_checked("s", check::buffer_size)?,
        bulk: matches.has("b"),
        rotation: matches.last_checked("S", check::rotation)?,
        flight_recorder: matches.has("F"),
        timeout: matches.last_checked("T", check::timeout)?,
        timing: matches.has("t"),
        has_json_summary: matches.last_checked("summary", summary_format)?.is_some(),
        global_values: matches.checked("G", check::global_value)?,
        monitor: matches.last_checked("monitor", check::monitor)?,
        remotes,
        remote_prefix: matches.has("remote-prefix"),
        target_namespaces: matches.last_checked("target-namespaces", |value| {
            check::process(value, "Invalid process ID number for target namespaces.")
        })?,
        release: matches.last_checked("r", check::release)?,
        sysroot,
        sysenv: matches.checked("sysenv", check::assignment)?,
        module_name,
        make_arguments: matches.values("B"),
        modinfo: matches.checked("modinfo", check::modinfo)?,
        symbol_modules: matches.values("d"),
        ldd: matches.has("ldd"),
        all_modules: matches.has("all-modules"),
        sign_module: matches
            .value("sign-module")
            .map(|value| Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty())),
        download_debuginfo: matches
            .last_checked("download-debuginfo", download)?
            .unwrap_or_default(),
        guru: matches.has("g"),
        macros: matches.checked("D", check::macro_definition)?,
        include_directories: matches.values("I").into_iter().map(PathBuf::from).collect(),
        prologue_searching: matches
            .last_checked("prologue-searching", |value| {
                when("--prologue-searching", value)
            })?
            .unwrap_or_default(),
        skip_badvars: matches.has("skip-badvars"),
        suppress_handler_errors: matches.has("suppress-handler-errors"),
        suppress_time_limits: matches.has("suppress-time-limits"),
        no_global_var_display: matches.has("no-global-var-display"),
        compatible: matches.last_checked("compatible", check::compatible)?,
        check_version: matches.has("check-version"),
        privilege,
        runtime_directory: matches.value("R").map(PathBuf::from),
        temporary_directory: matches.value("tmpdir").map(PathBuf::from),
        disable_cache: matches.has("disable-cache"),
        poison_cache: matches.has("poison-cache"),
        debug: matches.has("debug"),
        resource_limits,
        warnings,
    };
    check_together(&options)?;
    Ok(options)
}

fn refuse_unsupported(matches: &Matches<'_>) -> Result<(), UsageError> {
    for spec in OPTIONS {
        let given = match spec.value {
            Value::Flag => matches.has(spec.id),
            _ => matches.0.contains_id(spec.id),
        };
        if let (true, Support::No(why)) = (given, spec.support) {
            return Err(UsageError::new(format!(
                "rstap: option '{}' is not supported: {why}",
                spec.name()
            )));
        }
    }
    Ok(())
}

/// What is asked for; takes the script's name off the words.
fn action(
    matches: &Matches<'_>,
    words: &mut Vec<String>,
    has_pass: bool,
) -> Result<Action, UsageError> {
    if matches.has("help") {
        return Ok(Action::Help);
    }
    if matches.has("version") {
        return Ok(Action::Version);
    }
    if let Some(what) = matches.last_checked("generate", generated)? {
        return Ok(Action::Generate(what));
    }
    if matches.has("clean-cache") {
        return Ok(Action::CleanCache);
    }
    if matches.has("print-paths") {
        return Ok(Action::PrintPaths);
    }
    let mut listings = Vec::new();
    listings.extend(matches.values("l").into_iter().map(|point| Action::List {
        point,
        with_variables: false,
    }));
    listings.extend(matches.values("L").into_iter().map(|point| Action::List {
        point,
        with_variables: true,
    }));
    for (id, action) in [
        ("dump-probe-types", Action::DumpProbeTypes),
        ("dump-probe-aliases", Action::DumpProbeAliases),
        ("dump-functions", Action::DumpFunctions),
    ] {
        if matches.has(id) {
            listings.push(action);
        }
    }
    let mut texts = matches.values("e");
    if texts.len() > 1 {
        return Err(UsageError::new(
            "Only one script can be given on the command line.",
        ));
    }
    if listings.len() > 1 {
        return Err(UsageError::new(
            "ERROR: only one of the -l/-L/--dump-* switches may be specified",
        ));
    }
    if let Some(listing) = listings.pop() {
        if !texts.is_empty() {
            return Err(UsageError::with_help(
                "Cannot specify a script with -l/-L/--dump-* switches.",
            ));
        }
        if has_pass {
            return Err(UsageError::with_help(
                "Cannot specify -p with -l/-L/--dump-* switches.",
            ));
        }
        return Ok(listing);
    }
    let source = if let Some(text) = texts.pop() {
        if matches.has("example") {
            return Err(UsageError::new(
                "Only one script can be given on the command line.",
            ));
        }
        ScriptSource::Text(text)
    } else if words.is_empty() {
        return Err(UsageError::with_help("A script must be specified."));
    } else {
        let file = words.remove(0);
        match file.as_str() {
            _ if matches.has("example") => ScriptSource::Example(file),
            "-" => ScriptSource::Standard,
            _ => ScriptSource::File(file.into()),
        }
    };
    Ok(Action::Script(source))
}

/// Options that are taken for the sake of scripts that give them, and what they ask for is so
/// anyway or not done.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    (
        "all-modules",
        "addresses of the kernel are named by the kernel itself, nothing has to be carried",
    ),
    (
        "prologue-searching",
        "the place behind a prologue is taken from the line table",
    ),
    ("check-version", "the language of one version only is known"),
    (
        "sysenv",
        "paths of the target's environment are not searched",
    ),
];

fn warn_without_effect(matches: &Matches<'_>, warnings: &mut Vec<String>) {
    for (id, why) in WITHOUT_EFFECT {
        let Some(spec) = find(id) else { continue };
        let is_given = match spec.value {
            Value::Flag => matches.has(id),
            _ => matches
                .values(id)
                .iter()
                .any(|value| !["no", "never", "auto"].contains(&value.as_str())),
        };
        if is_given && !matches.has("w") {
            warnings.push(format!(
                "WARNING: option {} has no effect: {why}",
                spec.name()
            ));
        }
    }
}

/// Options that exclude or need each other.
fn check_together(options: &Options) -> Result<(), UsageError> {
    if options.command.is_some() && options.target_pid.is_some() {
        return Err(UsageError::with_help(
            "You can't specify -c and -x together.",
        ));
    }
    if options.privilege != Privilege::Developer {
        return Err(UsageError::new(
            "rstap: options '--privilege' (below stapdev) and '--unprivileged' are not supported: \
             scripts are not checked for what a level may do. Build the module as an \
             administrator and install it below /lib/modules/RELEASE/rstap, where members of \
             stapusr may run it",
        ));
    }
    if options.suppress_time_limits && !options.guru {
        return Err(UsageError::new(
            "ERROR --suppress-time-limits requires guru mode (-g)",
        ));
    }
    if options.rotation.is_some() && options.output.is_none() {
        return Err(UsageError::with_help(
            "You must specify an output file (-o) with -S.",
        ));
    }
    if options.flight_recorder && options.monitor.is_some() {
        return Err(UsageError::with_help(
            "You can't specify -F and --monitor together.",
        ));
    }
    if options.flight_recorder && options.command.is_some() {
        return Err(UsageError::with_help(
            "You can't specify -F and -c together.",
        ));
    }
    crate::semantic::limits::from_macros(&options.macros)
        .map_err(|problem| UsageError::new(format!("ERROR: {problem}")))?;
    Ok(())
}

/// Architecture and run time: there is one of each.
fn check_platform(matches: &Matches<'_>) -> Result<(), UsageError> {
    for architecture in matches.values("a") {
        if architecture != "x86_64" {
            return Err(UsageError::new(format!(
                "ERROR: rstap cannot build for architecture '{architecture}': x86_64 is the only one so far"
            )));
        }
    }
    for mode in matches.values("runtime") {
        match mode.as_str() {
            "kernel" => {}
            "dyninst" | "bpf" => {
                let why = match find(&mode).map(|spec| spec.support) {
                    Some(Support::No(why)) => why,
                    _ => "",
                };
                return Err(UsageError::new(format!(
                    "rstap: option '--runtime={mode}' is not supported: {why}"
                )));
            }
            _ => {
                return Err(UsageError::new(format!(
                    "ERROR: {mode} is an invalid argument for --runtime"
                )));
            }
        }
    }
    Ok(())
}

fn invalid(value: &str, option: &str) -> UsageError {
    UsageError::new(format!("Invalid argument '{value}' for {option}."))
}

fn when(option: &str, value: &str) -> Result<When, UsageError> {
    match value {
        "" | "always" => Ok(When::Always),
        "never" => Ok(When::Never),
        "auto" => Ok(When::Auto),
        _ => Err(invalid(value, option)),
    }
}

/// JSON is the only one so far.
fn summary_format(value: &str) -> Result<(), UsageError> {
    match value {
        "json" => Ok(()),
        _ => Err(invalid(value, "--summary")),
    }
}

fn error_format(value: &str) -> Result<MessageFormat, UsageError> {
    match value {
        "stap" => Ok(MessageFormat::Stap),
        "human" => Ok(MessageFormat::Human),
        "json" => Ok(MessageFormat::Json),
        _ => Err(invalid(value, "--error-format")),
    }
}

fn privilege(value: &str) -> Result<Privilege, UsageError> {
    match value {
        "stapusr" => Ok(Privilege::User),
        "stapsys" => Ok(Privilege::System),
        "stapdev" => Ok(Privilege::Developer),
        _ => Err(invalid(value, "--privilege")),
    }
}

fn download(value: &str) -> Result<Download, UsageError> {
    match value {
        "" | "yes" => Ok(Download::Yes),
        "no" => Ok(Download::No),
        "ask" => Ok(Download::Ask),
        _ => value.parse().map(Download::Timeout).map_err(|_| {
            UsageError::new(format!(
                "ERROR: {value} is not a valid value. Use 'yes', 'no', 'ask' or a timeout value."
            ))
        }),
    }
}

fn generated(value: &str) -> Result<Generated, UsageError> {
    match value {
        "man" => Ok(Generated::Man),
        "bash" => Ok(Generated::Bash),
        "zsh" => Ok(Generated::Zsh),
        "fish" => Ok(Generated::Fish),
        _ => Err(invalid(value, "--generate")),
    }
}

fn remote(value: &str) -> Result<Remote, UsageError> {
    let (kind, release) = match value.split_once(':') {
        Some((kind, release)) => (kind, Some(release)),
        None => (value, None),
    };
    match kind {
        "vm" | "vm+kvm" => Ok(Remote::Machine {
            release: release
                .map(|release| release.trim_start_matches('/').to_owned())
                .filter(|release| !release.is_empty()),
            with_kvm: kind == "vm+kvm",
        }),
        "direct" => Ok(Remote::Direct),
        "unix" | "libvirt" => Err(UsageError::new(format!(
            "ERROR: --remote={value}: {kind} is not supported. Use ssh://USER@HOST, vm or direct://"
        ))),
        _ => ssh(value).ok_or_else(|| {
            UsageError::new(format!(
                "ERROR: --remote={value}: not a place that rstap knows. Use vm, vm:RELEASE, \
                 ssh://[USER@]HOST[:PORT] or direct://"
            ))
        }),
    }
}

/// `ssh://[USER@]HOST[:PORT]`, or without the first part a host alone.
fn ssh(value: &str) -> Option<Remote> {
    let place = value.strip_prefix("ssh://").unwrap_or(value);
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (place, None),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "@.-_%+[]:".contains(c);
    let is_host = !host.is_empty() && !host.starts_with('-') && host.chars().all(is_name);
    is_host.then(|| Remote::Ssh {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests;
