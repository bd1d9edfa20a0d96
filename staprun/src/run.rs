// SPDX-License-Identifier: GPL-2.0-or-later
//! The modes of the program, from checked options to the exit status.

use std::fs::{File, OpenOptions};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigmaskHow, kill, sigprocmask};
use nix::unistd::Pid;

use crate::channel::{self, Control, Trace};
use crate::child::HeldChild;
use crate::guard::{self, Guard};
use crate::kernel::{self, MODULES_DIRECTORY};
use crate::load;
use crate::module::{ModuleFile, is_module_name, private_name};
use crate::monitor::{Modes, Monitor};
use crate::options::{Mode, Options};
use crate::output::Output;
use crate::privilege::{self, Access};
use crate::protocol::{
    HELLO_ATTACH, HELLO_BULK, HELLO_FLIGHT_RECORDER, HELLO_SUPPRESS_WARNINGS, Request,
};
use crate::report::{Failure, Reporter, Result, print};
use crate::session::{self, Ending, Plan, Session};
use crate::sys;

/// Attempts to unload for `-d`, 20 ms apart.
const DELETE_ATTEMPTS: u32 = 50;
/// Attempts to read the sections of a module that comes or goes.
const SECTION_ATTEMPTS: u32 = 100;
const SECTION_PAUSE: Duration = Duration::from_millis(2);

/// Does what the options say; gives the exit status.
///
/// # Errors
/// What stopped it, for the user.
pub fn run(options: &Options, reporter: &mut Reporter) -> Result<i32> {
    for text in options.without_effect() {
        reporter.warning(text);
    }
    match options.mode {
        Mode::Help => {
            print(crate::options::USAGE);
            Ok(0)
        }
        Mode::Version => {
            print(&format!("staprun (rstap) {}\n", env!("CARGO_PKG_VERSION")));
            Ok(0)
        }
        Mode::Delete => delete(options, reporter),
        Mode::Attach => attach(options, reporter),
        Mode::Run | Mode::LoadAndDetach => load_and_run(options, reporter),
    }
}

fn load_and_run(options: &Options, reporter: &mut Reporter) -> Result<i32> {
    // First of all: a signal that comes while loading waits for the session,
    // also where a shell made background jobs ignore it.
    block_signals()?;
    let access = privilege::access()?;
    let running = kernel::running()?;
    let wanted = options
        .modules
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    let (path, mut file) = load::open(wanted, &running, access)?;
    let image = kernel::read_open_file(&mut file, &path)?;
    drop(file);
    let mut module = ModuleFile::parse(&path, image)?;
    module.check_kernel(&running)?;
    module.check_modules(kernel::module_build_id)?;
    let parameters = module.parameter_values(&options.parameters)?;
    check_target(options, reporter)?;
    check_monitor(options, &path, module.is_bulk())?;
    if options.rename {
        let name = private_name(&module.name, std::process::id());
        reporter.step(1, || format!("{} becomes {name}", module.name));
        module.rename(&name)?;
    }
    if kernel::is_loaded(&module.name) {
        return Err(load::already_loaded(&module.name));
    }
    let symbols = load::resolve(&mut module, reporter)?;

    let mut guard = Guard::start(&module.name, terminal(options)?)?;
    guard.module_is_loaded();
    if let Err(failure) = load::insert(&module, options.buffer_megabytes) {
        guard.leave();
        return Err(failure);
    }
    reporter.step(1, || format!("loaded {path} as {}", module.name));
    // The image is large and not needed any more.
    module.image = Vec::new();
    let result = start(options, reporter, &module, &symbols, &parameters);
    finish(result, guard, &module.name, reporter)
}

/// Everything between the module's load and its unload.
fn start(
    options: &Options,
    reporter: &mut Reporter,
    module: &ModuleFile,
    symbols: &[(String, u64)],
    parameters: &[(String, String)],
) -> Result<(Ending, bool)> {
    tell_children(options, &module.name);
    let (control, traces) = channel::open(&module.name)?;
    let monitor = open_monitor_files(options, &module.name)?;
    control.demand(&Request::Hello {
        flags: hello_flags(options, module.is_bulk()),
    })?;
    // root's to read, as the addresses of symbols
    for name in module.values("module") {
        tell_sections(&control, name)?;
    }
    privilege::drop_for_good()?;
    let output = open_output(options, &module.name, module.is_bulk(), &traces, monitor)?;
    for (name, address) in symbols {
        control.demand(&Request::Symbol {
            address: *address,
            name,
        })?;
    }
    send_optional(options, &control, reporter);
    if let Some(process) = options.namespaces {
        control.demand(&Request::Namespace {
            pid: i64::from(process),
        })?;
    }
    for (name, value) in parameters {
        control.demand(&Request::Parameter { name, value })?;
    }
    let child = options
        .command
        .as_deref()
        .map(HeldChild::start)
        .transpose()?;
    let target = match &child {
        Some(child) => i64::from(child.process.as_raw()),
        None => options.target.map_or(0, i64::from),
    };
    let plan = Plan {
        child,
        target,
        attach: false,
        detach: options.mode == Mode::LoadAndDetach,
        daemon: options.daemon,
        stdin: options.stdin.then(|| stdin_file(&module.name)),
        summary_json: options.summary_json,
    };
    reporter.step(1, || "starting".to_owned());
    Session::new(&control, traces, output, reporter, plan).run()
}

/// Tells where the sections of a kernel module are, while it may come or go.
fn tell_sections(control: &Control, module: &str) -> Result<()> {
    for attempt in 1..=SECTION_ATTEMPTS {
        control.demand(&Request::Module { name: module })?;
        let sections = kernel::module_sections(module);
        // Read last: a module that is not going now is noticed when it goes.
        let is_complete = match kernel::module_state(module).as_deref() {
            Some("live") => true,
            // Not all of them may be there; an init function can take its time.
            Some("coming") => attempt == SECTION_ATTEMPTS,
            _ => return Ok(()),
        };
        if is_complete && tell(control, module, &sections)? {
            return Ok(());
        }
        std::thread::sleep(SECTION_PAUSE);
    }
    // Always another one: it counts as not loaded until it comes again.
    control.demand(&Request::Module { name: module })
}

/// `false`: it has come or gone since they were read.
fn tell(control: &Control, module: &str, sections: &[(String, u64)]) -> Result<bool> {
    for (section, address) in sections {
        let request = Request::Section {
            address: *address,
            module,
            section,
        };
        match control.send(&request) {
            Err(Errno::ESTALE) => return Ok(false),
            sent => sent.map_err(|errno| control.refused(&request, errno))?,
        }
    }
    Ok(true)
}

fn attach(options: &Options, reporter: &mut Reporter) -> Result<i32> {
    block_signals()?;
    if privilege::access()? != Access::Any {
        return Err(Failure::new(
            "attaching (-A) is for root and members of stapdev",
        ));
    }
    let name = running_name(
        options
            .modules
            .first()
            .map(String::as_str)
            .unwrap_or_default(),
    )?;
    if !kernel::is_rstap_module(name) {
        return Err(Failure::new(format!(
            "no module {name} of rstap is running"
        )));
    }
    let is_bulk = kernel::is_bulk_module(name);
    check_monitor(options, name, is_bulk)?;
    // Before the files are opened: the guard must not hold them.
    let mut guard = Guard::start(name, terminal(options)?)?;
    let (control, traces) = match channel::open(name) {
        Ok(files) => files,
        Err(failure) => {
            guard.leave();
            return Err(failure);
        }
    };
    tell_children(options, name);
    // Until the module knows its new loader it goes on as before, whatever fails here.
    let taken_over = (|| {
        let monitor = open_monitor_files(options, name)?;
        privilege::drop_for_good()?;
        let output = open_output(options, name, is_bulk, &traces, monitor)?;
        control.demand(&Request::Hello {
            flags: hello_flags(options, is_bulk),
        })?;
        Ok(output)
    })();
    let output = match taken_over {
        Ok(output) => output,
        Err(failure) => {
            guard.leave();
            return Err(failure);
        }
    };
    guard.module_is_loaded();
    let plan = Plan {
        child: None,
        target: 0,
        attach: true,
        detach: false,
        daemon: options.daemon,
        stdin: options.stdin.then(|| stdin_file(name)),
        summary_json: options.summary_json,
    };
    reporter.step(1, || format!("attached to {name}"));
    let result = Session::new(&control, traces, output, reporter, plan).run();
    drop(control);
    finish(result, guard, name, reporter)
}

/// What becomes of the module after a session, and of the exit status.
fn finish(
    result: Result<(Ending, bool)>,
    guard: Guard,
    name: &str,
    reporter: &mut Reporter,
) -> Result<i32> {
    match result {
        Ok((Ending::InBackground(process), _)) => {
            print(&format!("{process}\n"));
            // The other process has the guard and the module now.
            sys::exit_at_once(0)
        }
        Ok((Ending::Detached, failed)) => {
            guard.leave();
            reporter.line(&format!(
                "Disconnecting from systemtap module.\n\
                 To reconnect, type \"staprun -A {name}\""
            ));
            Ok(i32::from(failed))
        }
        Ok((Ending::Ended, failed)) => {
            guard.delete(name)?;
            reporter.step(1, || format!("unloaded {name}"));
            Ok(i32::from(failed))
        }
        Err(failure) => {
            if let Err(second) = guard.delete(name) {
                reporter.error(&second.0);
            }
            Err(failure)
        }
    }
}

fn delete(options: &Options, reporter: &mut Reporter) -> Result<i32> {
    if privilege::access()? != Access::Any {
        return Err(Failure::new(
            "unloading (-d) is for root and members of stapdev",
        ));
    }
    for wanted in &options.modules {
        if wanted != "*" {
            delete_one(wanted, reporter);
            continue;
        }
        for (name, uses) in kernel::loaded_rstap_modules()? {
            if uses == 0 && !channel::is_attached(&name) {
                delete_one(&name, reporter);
            }
        }
    }
    Ok(i32::from(reporter.errors() > 0))
}

/// Unloads a module, or says why it cannot be.
fn delete_one(wanted: &str, reporter: &mut Reporter) {
    match running_name(wanted).and_then(|name| unload(name).map(|()| name)) {
        Ok(name) => reporter.step(1, || format!("unloaded {name}")),
        Err(failure) => reporter.error(&failure.0),
    }
}

fn unload(name: &str) -> Result<()> {
    if kernel::is_loaded(name) {
        if !kernel::is_rstap_module(name) {
            return Err(Failure::new(format!(
                "cannot unload module {name}: it is none of rstap's; use rmmod"
            )));
        }
        if channel::is_attached(name) {
            return Err(Failure::new(format!(
                "cannot unload module {name}: a staprun is attached to it; end that one first"
            )));
        }
    }
    guard::delete_with_retries(name, DELETE_ATTEMPTS)
        .map_err(|errno| guard::unload_failure(name, errno))
}

/// The name in the kernel of a module given by name or by path.
fn running_name(wanted: &str) -> Result<&str> {
    let file_name = wanted.rsplit('/').next().unwrap_or(wanted);
    let name = file_name.strip_suffix(".ko").unwrap_or(file_name);
    match is_module_name(name) {
        true => Ok(name),
        false => Err(Failure::new(format!("'{wanted}' is no name of a module"))),
    }
}

/// What the command of `-c` and those of `system()` find in their environment, as SystemTap's do.
fn tell_children(options: &Options, module: &str) {
    sys::set_variable("SYSTEMTAP_MODULE", module);
    sys::set_variable("SYSTEMTAP_VERBOSE", &options.verbosity.to_string());
}

fn check_target(options: &Options, reporter: &mut Reporter) -> Result<()> {
    for (option, process) in [("-x", options.target), ("-N", options.namespaces)] {
        let Some(process) = process else { continue };
        // EPERM says that it is there.
        if kill(Pid::from_raw(process), None) == Err(Errno::ESRCH) {
            return Err(Failure::new(format!(
                "no process {process} is running ({option})"
            )));
        }
    }
    if let Some(thread) = options.target
        && let Some(process) = kernel::process_of(thread).filter(|process| *process != thread)
    {
        reporter.warning(&format!(
            "{thread} (-x) is a thread of process {process}: tid() can be {thread}, pid() never; \
             use -x {process} for the whole process"
        ));
    }
    Ok(())
}

fn check_monitor(options: &Options, module: &str, is_bulk: bool) -> Result<()> {
    if is_bulk && options.monitor.is_some() {
        return Err(Failure::new(format!(
            "cannot monitor {module} (-M): it was built to write a file for each CPU (rstap -b)"
        )));
    }
    Ok(())
}

fn block_signals() -> Result<()> {
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&session::signals()), None)
        .map_err(|errno| Failure::new(format!("cannot block signals: {}", errno.desc())))
}

fn hello_flags(options: &Options, is_bulk: bool) -> u32 {
    let mut flags = 0;
    if is_bulk {
        flags |= HELLO_BULK;
    }
    if options.mode == Mode::LoadAndDetach {
        flags |= HELLO_FLIGHT_RECORDER;
    }
    if options.suppress_warnings {
        flags |= HELLO_SUPPRESS_WARNINGS;
    }
    if options.mode == Mode::Attach {
        flags |= HELLO_ATTACH;
    }
    flags
}

/// Facts that a module may do without.
fn send_optional(options: &Options, control: &Control, reporter: &mut Reporter) {
    let send = |request: Request<'_>| {
        if let Err(errno) = control.send(&request) {
            reporter.step(1, || {
                format!("the module does not take {request:?}: {}", errno.desc())
            });
        }
    };
    if let Some((offset, name)) = sys::timezone() {
        send(Request::Timezone {
            offset,
            name: &name,
        });
    }
    if let Some((index, uri)) = &options.remote {
        send(Request::Remote { index: *index, uri });
    }
}

/// For the guard, when the monitor will take it over.
fn terminal(options: &Options) -> Result<Option<Modes>> {
    options.monitor.map(|_| Modes::now()).transpose()
}

/// Status and control file of a script that was built to be monitored.
fn open_monitor_files(options: &Options, name: &str) -> Result<Option<(File, File)>> {
    if options.monitor.is_none() {
        return Ok(None);
    }
    let open =
        |file: &str, writes: bool| {
            let path = format!("{MODULES_DIRECTORY}/{name}/{file}");
            OpenOptions::new().read(!writes).write(writes).open(&path).map_err(|error| {
            Failure::new(format!(
                "cannot monitor module {name} ({path}: {error}); build it with rstap --monitor"
            ))
        })
        };
    Ok(Some((
        open("monitor_status", false)?,
        open("monitor_control", true)?,
    )))
}

fn open_output(
    options: &Options,
    name: &str,
    is_bulk: bool,
    traces: &[Trace],
    monitor: Option<(File, File)>,
) -> Result<Output> {
    if let (Some((status, control)), Some(seconds), None) =
        (monitor, options.monitor, &options.output)
    {
        return Ok(Output::Screen(Box::new(Monitor::start(
            status,
            control,
            format!("{MODULES_DIRECTORY}/{name}/monitor_globals"),
            seconds,
        )?)));
    }
    let template = options.output.as_deref();
    let output = match template {
        // Whoever attaches says where its output goes; here it is seen only if it fails.
        _ if options.mode == Mode::LoadAndDetach => Ok(Output::stdout()),
        _ if is_bulk => {
            let online = kernel::online_cpus();
            let cpus = traces.iter().map(|trace| trace.cpu);
            Output::bulk(
                template,
                options.rotation,
                cpus.filter(|cpu| online.contains(cpu)),
            )
        }
        Some(template) => Output::files(template, options.rotation),
        None => Ok(Output::stdout()),
    };
    output.map_err(|error| Failure::new(format!("cannot create output file {error}")))
}

/// The file that a script with probes of standard input makes when it starts, for everybody.
fn stdin_file(name: &str) -> String {
    format!("{MODULES_DIRECTORY}/{name}/__stdin")
}
