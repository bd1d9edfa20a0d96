// SPDX-License-Identifier: GPL-2.0-or-later
//! From a module's name to the module in the kernel.

use std::ffi::CString;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;

use nix::errno::Errno;
use nix::kmod::init_module;

use crate::kernel::{self, Symbols};
use crate::module::{ModuleFile, RunningKernel};
use crate::privilege::Access;
use crate::report::{Failure, Reporter, Result};

/// Opens the module that the user named; the file is opened once and never
/// looked up again.
///
/// # Errors
/// It is not there, or this user may not load it.
pub fn open(wanted: &str, running: &RunningKernel, access: Access) -> Result<(String, File)> {
    let directories =
        ["rstap", "systemtap"].map(|folder| format!("/lib/modules/{}/{folder}", running.release));
    let is_path = wanted.contains('/') || wanted.ends_with(".ko");
    if access == Access::Installed {
        return crate::privilege::open_installed(wanted, is_path, &directories);
    }
    if is_path {
        let file = open_file(wanted)
            .map_err(|error| Failure::new(format!("cannot open module {wanted}: {error}")))?;
        return Ok((wanted.to_owned(), file));
    }
    for directory in &directories {
        let path = format!("{directory}/{wanted}.ko");
        match open_file(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::new(format!("cannot open module {path}: {error}")));
            }
        }
    }
    Err(Failure::new(format!(
        "no module '{wanted}' in {} or {}; give a path (./{wanted}.ko) for one elsewhere",
        directories[0], directories[1]
    )))
}

/// Opens without waiting, should it be a pipe: what comes of it is no module.
fn open_file(path: &str) -> std::io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)
}

/// Addresses that the module needs: fills its undefined weak symbols, unless it
/// is signed, and gives back what `SYMBOL` messages tell it.
///
/// # Errors
/// The kernel hides its addresses.
pub fn resolve(module: &mut ModuleFile, reporter: &mut Reporter) -> Result<Vec<(String, u64)>> {
    let weak = module.weak_symbols();
    let needs: Vec<String> = module.values("needs").map(str::to_owned).collect();
    let names = weak
        .iter()
        .map(|symbol| symbol.name.as_str())
        .chain(needs.iter().map(String::as_str))
        .chain(["_stext"]);
    let symbols = Symbols::look_up(names)?;
    if module.is_signed() {
        reporter.step(1, || {
            format!("{} is signed and loaded as it is", module.path)
        });
    } else {
        for symbol in &weak {
            match symbols.address(&symbol.name) {
                Some(address) => {
                    reporter.step(2, || format!("{} is at {address:#x}", symbol.name));
                    symbol.define(&mut module.image, address);
                }
                None => reporter.step(1, || {
                    format!("this kernel has no single {}; doing without", symbol.name)
                }),
            }
        }
    }
    let told = ["_stext".to_owned()].into_iter().chain(needs);
    Ok(told
        .filter_map(|name| symbols.address(&name).map(|address| (name, address)))
        .collect())
}

/// Puts the module into the kernel.
///
/// # Errors
/// The kernel refuses it; the text says why and what to do.
pub fn insert(module: &ModuleFile, buffer_megabytes: Option<u32>) -> Result<()> {
    if let Some(why) = forbidden(module) {
        return Err(Failure::new(format!("cannot load {}: {why}", module.path)));
    }
    let mut parameters = match buffer_megabytes {
        Some(megabytes) => format!("rstap_buffer_kb={} ", u64::from(megabytes) * 1024),
        None => String::new(),
    };
    if module.is_bulk() {
        parameters.push_str("rstap_bulk=1");
    }
    let parameters = CString::new(parameters).map_err(|error| Failure::new(error.to_string()))?;
    let log = kernel::Log::from_now();
    init_module(&module.image, &parameters).map_err(|errno| {
        refusal(
            module,
            errno,
            &log.map(kernel::Log::lines).unwrap_or_default(),
        )
    })
}

/// The text for a module of that name that is there already.
#[must_use]
pub fn already_loaded(name: &str) -> Failure {
    Failure::new(format!(
        "a module named {name} is already loaded; unload it with 'staprun -d {name}', \
         or use -R to give this one a name of its own"
    ))
}

/// What forbids this module before it is tried: one cause, one command.
fn forbidden(module: &ModuleFile) -> Option<String> {
    if kernel::modules_disabled() {
        return Some(
            "loading modules was switched off until the next boot (kernel.modules_disabled=1)"
                .to_owned(),
        );
    }
    let rule = kernel::lockdown_reason().filter(|_| !module.is_signed())?;
    Some(format!(
        "it is not signed, and {rule}; build it with: rstap --sign-module"
    ))
}

/// Why the kernel refused a module; `said` are the lines of its log meanwhile.
fn refusal(module: &ModuleFile, errno: Errno, said: &[String]) -> Failure {
    let (path, name) = (&module.path, &module.name);
    let log = || match said {
        [] => "the last lines of dmesg may say more".to_owned(),
        lines => format!("the kernel says: {}", lines.join("; ")),
    };
    let why = match errno {
        Errno::EEXIST => return already_loaded(name),
        Errno::EPERM | Errno::ENOKEY | Errno::EKEYREJECTED | Errno::EBADMSG => {
            signature_problem(module, errno, said)
        }
        Errno::ENOEXEC => format!(
            "its format or version magic does not fit, and building it again with rstap -p4 \
             usually helps; {}",
            log()
        ),
        Errno::ENOENT => format!("it uses a symbol that this kernel does not have; {}", log()),
        Errno::ENOMEM => "not enough memory; a smaller buffer (-s MB) may help".to_owned(),
        Errno::EBUSY => "another module of that name is just coming or going; try again".to_owned(),
        other => format!("{}; {}", other.desc(), log()),
    };
    Failure::new(format!("cannot load {path}: {why}"))
}

/// With enforced signatures the number is the same for a missing signature, an unknown key and
/// changed contents; the kernel's log tells which.
fn signature_problem(module: &ModuleFile, errno: Errno, said: &[String]) -> String {
    let rule = kernel::lockdown_reason();
    let enroll = "enroll its certificate (mokutil --import DIR/signing_key.x509) and restart";
    let unknown_key = said.iter().any(|line| line.contains("unavailable key"));
    match (module.is_signed(), rule) {
        (true, _) if errno == Errno::ENOKEY || unknown_key => {
            format!("this kernel does not know the key that signed it; {enroll}")
        }
        (true, Some(_)) => "its signature does not fit its contents: the file was changed or cut \
             after signing; sign it again with rstap --sign-module=DIR"
            .to_owned(),
        _ => format!(
            "{}; root or CAP_SYS_MODULE is needed, or a security policy forbids it",
            errno.desc()
        ),
    }
}
