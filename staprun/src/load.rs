// SPDX-License-Identifier: GPL-2.0-or-later
//! From a module's name to the module in the kernel.

use std::ffi::CString;
use std::fs::File;

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
        let file = File::open(wanted)
            .map_err(|error| Failure::new(format!("cannot open module {wanted}: {error}")))?;
        return Ok((wanted.to_owned(), file));
    }
    for directory in &directories {
        let path = format!("{directory}/{wanted}.ko");
        match File::open(&path) {
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
    let parameters = match buffer_megabytes {
        Some(megabytes) => format!("rstap_buffer_kb={}", u64::from(megabytes) * 1024),
        None => String::new(),
    };
    let parameters = CString::new(parameters).map_err(|error| Failure::new(error.to_string()))?;
    init_module(&module.image, &parameters).map_err(|errno| refusal(module, errno))
}

/// The text for a module of that name that is there already.
#[must_use]
pub fn already_loaded(name: &str) -> Failure {
    Failure::new(format!(
        "a module named {name} is already loaded; unload it with 'staprun -d {name}', \
         or use -R to give this one a name of its own"
    ))
}

fn refusal(module: &ModuleFile, errno: Errno) -> Failure {
    let (path, name) = (&module.path, &module.name);
    let why = match errno {
        Errno::EEXIST => return already_loaded(name),
        Errno::EPERM if kernel::modules_disabled() => "loading modules was switched off until the \
             next boot (kernel.modules_disabled=1)"
            .to_owned(),
        Errno::EKEYREJECTED | Errno::EBADMSG if module.is_signed() => format!(
            "its signature is not valid ({}); sign it again with: rstap --sign-module",
            errno.desc()
        ),
        Errno::ENOKEY if module.is_signed() => {
            "this machine does not know the key that signed it; \
             enroll the key's certificate (mokutil --import) and boot again"
                .to_owned()
        }
        Errno::EPERM | Errno::ENOKEY | Errno::EKEYREJECTED | Errno::EBADMSG => {
            let reason = kernel::lockdown_reason()
                .unwrap_or("root or CAP_SYS_MODULE is needed, or a security policy forbids it");
            format!(
                "{reason}; where modules must be signed, build it with rstap --sign-module and \
                 enroll the key (mokutil --import)"
            )
        }
        Errno::ENOEXEC => "the kernel finds its format or version magic wrong; the last lines of \
             dmesg say what, and building it again with rstap -p4 usually helps"
            .to_owned(),
        Errno::ENOENT => {
            "it uses a symbol that this kernel does not have; the last lines of dmesg \
             name it"
                .to_owned()
        }
        Errno::ENOMEM => "not enough memory; a smaller buffer (-s MB) may help".to_owned(),
        Errno::EBUSY => "another module of that name is just coming or going; try again".to_owned(),
        other => format!("{}; the last lines of dmesg may say more", other.desc()),
    };
    Failure::new(format!("cannot load {path}: {why}"))
}
