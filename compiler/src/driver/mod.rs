// SPDX-License-Identifier: GPL-2.0-or-later
//! One run of the program: what the options ask for, done in passes.
//!
//! [`passes`] does 1 to 4, [`run`] the fifth. The passes' own logic is elsewhere; here is where
//! files are found, times taken, and messages and exit statuses given.

mod builds;
mod clock;
mod embedded;
mod info;
pub mod kernel;
mod listing;
pub mod locate;
mod messages;
mod passes;
mod run;
mod session;
mod ssh;

use crate::output::tell_line;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::resource::{Resource, setrlimit};

use crate::build::Cache;
use crate::cli::options::{Action, Generated, ScriptSource};
use crate::cli::{Options, completions, explain, help};
use crate::output::{say, say_line};
use kernel::Kernel;
use messages::Messages;
use passes::{Failed, Passes};
use session::Session;

/// Does what the options ask for. Status 0 for success, 1 for any failure.
pub fn run(options: &Options) -> ExitCode {
    for warning in &options.warnings {
        tell_line!("{warning}");
    }
    let is_good = match &options.action {
        Action::Help => {
            say!("{}\n{}", help::version(), help::help());
            true
        }
        Action::Version => {
            say!("{}", help::version());
            true
        }
        Action::Generate(what) => {
            say!(
                "{}",
                match what {
                    Generated::Man => help::manual(),
                    Generated::Bash => completions::bash(),
                    Generated::Zsh => completions::zsh(),
                    Generated::Fish => completions::fish(),
                }
            );
            true
        }
        Action::Explain(code) => explain_code(code.as_deref()),
        Action::CleanCache => clean_cache(),
        Action::PrintPaths => print_paths(options),
        Action::Info => told(info::info(options)),
        Action::Script(script) => told(limit(options).and_then(|()| run_script(options, script))),
        Action::List { .. }
        | Action::DumpProbeTypes
        | Action::DumpProbeAliases
        | Action::DumpFunctions => told(limit(options).and_then(|()| list(options))),
    };
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Shows an error that no pass has shown.
fn told(result: Result<bool, String>) -> bool {
    result.unwrap_or_else(|error| {
        tell_line!("ERROR: {error}");
        false
    })
}

fn run_script(options: &Options, script: &ScriptSource) -> Result<bool, String> {
    let kernel = Kernel::choose(options)?;
    let mut last_pass = options.last_pass;
    if last_pass == 5 && !kernel.is_runnable {
        tell_line!("WARNING: kernel release/architecture mismatch with host forces last-pass 4.");
        last_pass = 4;
    }
    let is_here = kernel.machine.is_none() && kernel.connection.is_none();
    if last_pass == 5 && is_here && options.sign_module.is_none() {
        info::refuse_unsigned()?;
    }
    let session = new_session(options)?;
    let passes = Passes {
        options,
        last_pass,
        kernel: &kernel,
        session: &session,
        cache_folder: cache_folder(options, &session)?,
        cache: open_cache(options)?,
        messages: Messages::new(options),
    };
    let compiled = passes.compile(script);
    passes.messages.finish();
    match compiled {
        Ok(Some(module)) => {
            session.begin_run();
            let is_good = run::run(options, &module, &kernel)?;
            if !is_good {
                tell_line!("Pass 5: run failed.  [man error::pass5]");
            }
            Ok(is_good)
        }
        Ok(None) => Ok(true),
        Err(Failed) => Ok(false),
    }
}

fn list(options: &Options) -> Result<bool, String> {
    let kernel = Kernel::choose(options)?;
    let session = new_session(options)?;
    let passes = Passes {
        options,
        last_pass: 2,
        kernel: &kernel,
        session: &session,
        cache_folder: cache_folder(options, &session)?,
        cache: None,
        messages: Messages::new(options),
    };
    Ok(listing::list(&passes))
}

fn new_session(options: &Options) -> Result<Session, String> {
    Session::new(
        options.temporary_directory.as_deref(),
        options.keep_temporary,
    )
    .map_err(|error| {
        format!(
            "cannot make a temporary directory: {error}\n  name another place:  TMPDIR=FOLDER rstap ..."
        )
    })
}

/// Where the cache is, or without caches a folder of the session.
fn cache_folder(options: &Options, session: &Session) -> Result<PathBuf, String> {
    if options.disable_cache {
        Ok(session.directory().join("cache"))
    } else {
        locate::cache()
    }
}

fn open_cache(options: &Options) -> Result<Option<Cache>, String> {
    if options.disable_cache {
        return Ok(None);
    }
    Cache::open(&locate::cache()?)
        .map(Some)
        .map_err(|error| error.to_string())
}

fn clean_cache() -> bool {
    let cleared = locate::cache().and_then(|folder| {
        if !folder.exists() {
            return Ok(0);
        }
        Cache::open(&folder)
            .and_then(|cache| cache.clear())
            .map_err(|error| error.to_string())
    });
    told(cleared.map(|_| true))
}

fn print_paths(options: &Options) -> bool {
    let cache = match locate::cache() {
        Ok(cache) => cache,
        Err(error) => {
            tell_line!("ERROR: {error}");
            return false;
        }
    };
    let mut is_good = true;
    for (name, kind, wanted) in [
        ("tapset", locate::Data::Tapset, None),
        (
            "runtime",
            locate::Data::Runtime,
            options.runtime_directory.as_deref(),
        ),
        ("examples", locate::Data::Examples, None),
    ] {
        match locate::data(kind, wanted, &cache) {
            Ok(found) => say_line!("{name}: {} ({})", found.path.display(), found.how),
            Err(error) => {
                tell_line!("ERROR: {name}: {error}");
                is_good = false;
            }
        }
    }
    say_line!("cache: {}", cache.display());
    match locate::staprun() {
        Ok(path) => say_line!("staprun: {}", path.display()),
        Err(error) => {
            tell_line!("ERROR: {error}");
            is_good = false;
        }
    }
    is_good
}

fn explain_code(code: Option<&str>) -> bool {
    match code {
        None => {
            for page in explain::pages() {
                say_line!("{}", page.heading);
            }
            true
        }
        Some(code) => match explain::page(code) {
            Some(page) => {
                say_line!("{}\n\n{}", page.heading, page.text);
                true
            }
            None => {
                tell_line!(
                    "There is no page about '{code}'. `rstap explain` lists those that there are."
                );
                false
            }
        },
    }
}

/// `--rlimit-…`, for this process and its children.
fn limit(options: &Options) -> Result<(), String> {
    for (name, value) in &options.resource_limits {
        let resource = match *name {
            "as" => Resource::RLIMIT_AS,
            "cpu" => Resource::RLIMIT_CPU,
            "nproc" => Resource::RLIMIT_NPROC,
            "stack" => Resource::RLIMIT_STACK,
            _ => Resource::RLIMIT_FSIZE,
        };
        setrlimit(resource, *value, *value)
            .map_err(|error| format!("cannot set --rlimit-{name} to {value}: {error}"))?;
    }
    Ok(())
}
