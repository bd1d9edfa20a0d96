// SPDX-License-Identifier: GPL-2.0-or-later
//! The slow way: kbuild itself builds the module, from the runtime's object and the script's C.
//! modpost then finds the checksums of whatever kernel functions the script calls.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use super::error::BuildError;
use super::runtime::run_make;
use super::script::ScriptBuild;

pub(super) fn build(script: &ScriptBuild<'_>, with_headers: bool) -> Result<PathBuf, BuildError> {
    let directory = script.path("kbuild");
    fs::create_dir_all(&directory).map_err(BuildError::io("make folder", &directory))?;
    let copy = |from: &std::path::Path, name: &str| {
        let to = directory.join(name);
        fs::copy(from, &to).map_err(BuildError::io("copy", from))
    };
    copy(script.source, "rstap_script.c")?;
    // kbuild copies a `_shipped` file instead of building it
    copy(&script.runtime.raw_core, "rstap_core.o_shipped")?;
    // modpost with checksums of versions wants a record for every object
    let record = directory.join(".rstap_core.o.cmd");
    fs::write(&record, "").map_err(BuildError::io("write", &record))?;
    let kbuild = directory.join("Kbuild");
    fs::write(&kbuild, kbuild_text(script, with_headers)?)
        .map_err(BuildError::io("write", &kbuild))?;
    let compiler = script
        .runtime
        .compile
        .first()
        .map(|program| format!("CC={program}"));
    run_make(
        script.request.kernel,
        &directory,
        compiler
            .into_iter()
            .chain(script.request.make_arguments.iter().cloned()),
        script.request.verbosity,
    )?;
    let built = directory.join(format!("{}.ko", script.name));
    let module = script.path(&format!("{}.ko", script.name));
    fs::rename(&built, &module).map_err(BuildError::io("move", &built))?;
    Ok(module)
}

fn kbuild_text(script: &ScriptBuild<'_>, with_headers: bool) -> Result<String, BuildError> {
    let name = script.name;
    let include = script.runtime.directory.join("include");
    let mut text = format!(
        "obj-m := {name}.o\n{name}-y := rstap_core.o rstap_script.o\n\
         ccflags-y := -I{}\nccflags-remove-y := $(CC_FLAGS_FTRACE)\n",
        include.display()
    );
    if with_headers {
        // writing to a String does not fail
        let _ = writeln!(text, "ccflags-y += {}", script.header_flags()?.join(" "));
    }
    if !script.request.keep_debug {
        text.push_str("ccflags-y += -g0\n");
    }
    Ok(text)
}
