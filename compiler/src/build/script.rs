// SPDX-License-Identifier: GPL-2.0-or-later
//! A script's C to a module, with the commands that kbuild used for the runtime.

use crate::output::{tell, tell_line};
use std::fs;
use std::path::{Path, PathBuf};

use super::command::{Runner, join};
use super::error::BuildError;
use super::runtime::Runtime;
use super::{BuildRequest, elf, full};

/// Everything that one script's build needs.
pub(super) struct ScriptBuild<'a> {
    pub request: &'a BuildRequest<'a>,
    pub runtime: &'a Runtime,
    /// The C file.
    pub source: &'a Path,
    /// Of the module.
    pub name: &'a str,
}

/// Headers that SystemTap's runtime includes before any embedded C, so that scripts written for it
/// name none. `rstap.h` leaves its own typedefs out when they are there.
const PRELUDE: &str = "\
#include <linux/module.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <linux/version.h>
#include <linux/string.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/mm.h>
#include <linux/fs.h>
#include <linux/dcache.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/uaccess.h>
#include <linux/delay.h>
#include <linux/timer.h>
#include <linux/ktime.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/rcupdate.h>
#include <linux/kallsyms.h>
";

/// Bytes of C from which on a script is compiled with -O1: gcc takes a third less time, and a hit
/// of `probe syscall.* { printf("%s %s\n", name, argstr) }` costs from 0.6 % less to 0.5 % more.
const LARGE: usize = 300_000;

/// What the compiler said.
enum Compiled {
    Ok,
    Refused(String),
}

impl ScriptBuild<'_> {
    /// Compiles and links; `text` is what is in the C file.
    pub(super) fn build(&self, text: &str) -> Result<PathBuf, BuildError> {
        let object = self.path("script.o");
        let mut needs_headers = includes_headers(text);
        let is_large = text.len() >= LARGE;
        let mut result = self.compile(&object, needs_headers, is_large)?;
        if let (Compiled::Refused(_), true, false) =
            (&result, self.request.has_embedded_c, needs_headers)
        {
            if self.request.verbosity > 0 {
                tell_line!(
                    "Compiling again with kernel headers: the embedded C seems to need them."
                );
            }
            needs_headers = true;
            result = self.compile(&object, needs_headers, is_large)?;
        }
        if let Compiled::Refused(output) = result {
            return Err(BuildError::Compile { output });
        }
        let data = fs::read(&object).map_err(BuildError::io("read", &object))?;
        let unknown: Vec<String> = elf::symbols(&data, "the script's object")?
            .undefined
            .into_iter()
            .filter(|symbol| !self.runtime.symbols.contains(symbol))
            .collect();
        if !unknown.is_empty() {
            if self.request.verbosity > 0 {
                tell_line!(
                    "Building with the kernel's kbuild: the script refers to {}.",
                    unknown.join(", ")
                );
            }
            return full::build(self, needs_headers);
        }
        if !self.runtime.objtool.is_empty() {
            let mut words = self.runtime.objtool.clone();
            words.push(object.display().to_string());
            self.runner().run_step("objtool", &words)?;
        }
        self.link(&object)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.request.temporary.join(name)
    }

    fn runner(&self) -> Runner {
        Runner {
            directory: self.runtime.working_directory.clone(),
            is_verbose: self.request.verbosity > 1,
        }
    }

    fn compile(
        &self,
        object: &Path,
        with_headers: bool,
        is_large: bool,
    ) -> Result<Compiled, BuildError> {
        let mut words = Vec::new();
        let mut flags = self.runtime.compile.iter();
        while let Some(flag) = flags.next() {
            match flag.as_str() {
                // kbuild's forced headers cost 2 ms and mean nothing to a file without kernel code
                "-include" if !with_headers => {
                    flags.next();
                }
                "-g" if !self.request.keep_debug => {}
                flag if flag.starts_with("-gdwarf") && !self.request.keep_debug => {}
                // the kernel's headers are not made for it
                "-O2" if is_large && !with_headers => words.push("-O1".into()),
                _ => words.push(flag.clone()),
            }
        }
        words.push(format!(
            "-I{}",
            self.runtime.directory.join("include").display()
        ));
        if with_headers {
            words.extend(self.header_flags()?);
        }
        words.extend([
            "-DKBUILD_BASENAME=\"script\"".into(),
            "-c".into(),
            "-o".into(),
            object.display().to_string(),
            self.source.display().to_string(),
        ]);
        let (output, text) = self.runner().run(&words)?;
        if !output.status.success() {
            if self.request.verbosity > 2 {
                tell_line!("{}\n{text}", join(&words));
            }
            return Ok(Compiled::Refused(text));
        }
        if !text.is_empty() && self.request.verbosity > 0 {
            tell!("{text}");
        }
        Ok(Compiled::Ok)
    }

    /// Options that put kernel headers before everything else.
    pub(super) fn header_flags(&self) -> Result<[String; 3], BuildError> {
        let prelude = self.path("rstap_prelude.h");
        fs::write(&prelude, PRELUDE).map_err(BuildError::io("write", &prelude))?;
        Ok([
            "-D__KERNEL_HEADERS_INCLUDED__".into(),
            "-include".into(),
            prelude.display().to_string(),
        ])
    }

    fn link(&self, object: &Path) -> Result<PathBuf, BuildError> {
        let module = self.path(&format!("{}.ko", self.name));
        let mut words = self.runtime.link.clone();
        words.extend(["-o".into(), module.display().to_string()]);
        let script = object.to_owned();
        words.extend(
            [&script]
                .into_iter()
                .chain(&self.runtime.objects)
                .map(|path| path.display().to_string()),
        );
        self.runner().run_step("linking the module", &words)?;
        let mut data = fs::read(&module).map_err(BuildError::io("read", &module))?;
        elf::set_module_name(&mut data, self.name)?;
        fs::write(&module, &data).map_err(BuildError::io("write", &module))?;
        Ok(module)
    }
}

/// Whether the C includes anything but the runtime's own header.
fn includes_headers(text: &str) -> bool {
    text.lines().any(|line| {
        line.trim_start()
            .strip_prefix('#')
            .and_then(|rest| rest.trim_start().strip_prefix("include"))
            .is_some_and(|file| !file.trim().trim_matches('"').starts_with("rstap"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_headers_are_seen() {
        assert!(includes_headers("x\n  # include <linux/fs.h>\n"));
        assert!(!includes_headers(
            "#include \"rstap.h\"\n// #include is fine\n"
        ));
    }
}
