// SPDX-License-Identifier: GPL-2.0-or-later
//! The runtime's objects for one kernel: built by that kernel's own kbuild, once, and kept.
//!
//! `CACHE/runtime/<hash>/` gets a copy of the sources, is built there, and holds in the end `core.o`
//! (all of the runtime but the stub that stands for a script), `mod.o` (modpost's part, compiled
//! with a placeholder for the module's name) and `record`: the commands that kbuild used, which
//! scripts are then compiled with. `record` is written last; a folder without it is unfinished, and
//! what only its making needed is removed then. The time of `record` is that of the last use.

use crate::output::{tell, tell_line};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nix::fcntl::FlockArg;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::cache::{self, RECORD};
use super::command::{Recorded, Runner, join, split_shell};
use super::elf::{self, NAME_PLACEHOLDER};
use super::error::{BuildError, names_interface};
use super::hexadecimal;
use super::tree::{KernelTree, file_identity};

/// Layout of the folder; part of the hash, so that a new rstap does not read an old one.
const FORMAT: &str = "rstap runtime cache 2";

/// Where a kernel's build folder has the program that checks objects and makes tables for unwinding.
const OBJTOOL: &str = "tools/objtool/objtool";

/// What kbuild is asked to build the runtime with.
#[derive(Debug, Clone)]
pub struct RuntimeRequest<'a> {
    pub kernel: &'a KernelTree,
    /// Folder with `Kbuild`, `src` and `include`.
    pub sources: &'a Path,
    /// `-B` arguments for make.
    pub make_arguments: &'a [String],
    pub verbosity: u32,
}

/// A runtime that is built. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    pub directory: PathBuf,
    /// Where the recorded commands' relative paths count from.
    pub working_directory: PathBuf,
    /// Compiles a script: everything but source, output and dependency files.
    pub compile: Vec<String>,
    /// Processes an object in place; its path is to be appended. Empty when the kernel does without.
    pub objtool: Vec<String>,
    /// Links a module: everything but objects and output.
    pub link: Vec<String>,
    /// Objects besides the script's: `core.o`, `mod.o`, and `.module-common.o` where kbuild has it.
    pub objects: Vec<PathBuf>,
    /// The runtime before objtool, for a full kbuild with a script.
    pub raw_core: PathBuf,
    /// What a script may refer to: functions of the runtime, and of the kernel with a checksum
    /// in `mod.o`.
    pub symbols: BTreeSet<String>,
}

impl RuntimeRequest<'_> {
    /// Identity of the result, in hexadecimal: kernel tree, compiler, sources, arguments.
    pub fn hash(&self) -> Result<String, BuildError> {
        let mut hash = Sha256::new();
        hash.update(FORMAT.as_bytes());
        self.kernel.hash_into(&mut hash);
        let compiler = self.compiler();
        hash.update(compiler.identity.as_bytes());
        for argument in self.make_arguments {
            hash.update(argument.as_bytes());
            hash.update([0]);
        }
        for (name, path) in source_files(self.sources)? {
            let data = fs::read(&path).map_err(BuildError::io("read", &path))?;
            hash.update(name.as_os_str().as_encoded_bytes());
            hash.update((data.len() as u64).to_le_bytes());
            hash.update(&data);
        }
        Ok(hexadecimal(&hash.finalize())
            .chars()
            .take(32)
            .collect::<String>())
    }

    /// The compiler that kbuild will use: the kernel's own if it is installed, else `gcc`.
    fn compiler(&self) -> Compiler {
        let wanted = self.kernel.compiler();
        let found = wanted.as_deref().and_then(find_program);
        let argument = match (&wanted, &found) {
            (Some(_), None) => Some("CC=gcc".to_owned()),
            _ => None,
        };
        let path = found.or_else(|| find_program("gcc"));
        Compiler {
            identity: path.map_or_else(String::new, |path| {
                format!("{} {}", path.display(), file_identity(&path))
            }),
            missing: argument.as_ref().and(wanted),
            argument,
        }
    }

    /// Gives the runtime, building it unless `root` (`CACHE/runtime`) has it already.
    pub fn get(&self, root: &Path, hash: &str) -> Result<Runtime, BuildError> {
        let directory = root.join(hash);
        if let Some(runtime) = Runtime::read(&directory) {
            cache::used_now(&directory.join(RECORD));
            return Ok(runtime);
        }
        fs::create_dir_all(root).map_err(BuildError::io("make folder", root))?;
        let _lock = cache::lock_runtime(&directory, FlockArg::LockExclusive)?;
        // another rstap may have built it while this one waited
        if let Some(runtime) = Runtime::read(&directory) {
            return Ok(runtime);
        }
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(BuildError::io("remove", &directory))?;
        }
        self.build(&directory)
    }

    /// What the compiler refuses, or the kernel does not export, is an interface that this kernel
    /// has in another form.
    fn name_interface(&self, error: BuildError) -> BuildError {
        match error {
            BuildError::Step { output, .. } if names_interface(&output) => {
                if self.verbosity > 1 {
                    tell_line!("{}", output.trim_end());
                }
                BuildError::Runtime {
                    release: self.kernel.release.clone(),
                    output,
                }
            }
            other => other,
        }
    }

    fn build(&self, directory: &Path) -> Result<Runtime, BuildError> {
        if self.verbosity > 0 {
            tell_line!(
                "Building the runtime for kernel {} (once).",
                self.kernel.release
            );
        }
        for (name, path) in source_files(self.sources)? {
            let to = directory.join(name);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(BuildError::io("make folder", parent))?;
            }
            fs::copy(&path, &to).map_err(BuildError::io("copy", &path))?;
        }
        let compiler = self.compiler();
        if let (Some(missing), true) = (&compiler.missing, self.verbosity > 0) {
            tell_line!("This kernel's compiler, {missing}, is not installed: using gcc.");
        }
        let make = |more: Option<String>| {
            let arguments = compiler.argument.iter().chain(self.make_arguments).cloned();
            run_make(
                self.kernel,
                directory,
                arguments.chain(more),
                self.verbosity,
            )
            .map_err(|error| self.name_interface(error))
        };
        make(None)?;
        let mut finish = Finish::new(self.kernel, directory, self.verbosity)?;
        if finish.objtool.is_none() && self.kernel.build.join(OBJTOOL).exists() {
            // kbuild of Linux 5.10 runs it without recording that: it is made to show it. A script's
            // object without it would end every call stack that leads through the script.
            let model = finish.model()?;
            fs::remove_file(&model).map_err(BuildError::io("remove", &model))?;
            finish.objtool = objtool_shown(&make(Some("V=1".to_owned()))?);
        }
        let runtime = finish.finish()?;
        runtime.tidy()?;
        runtime.write()?;
        Ok(runtime)
    }
}

struct Compiler {
    /// Path, size and time of change.
    identity: String,
    /// What to tell make, if it would not find its compiler.
    argument: Option<String>,
    /// The compiler that the kernel asks for and that is not there.
    missing: Option<String>,
}

/// Runs kbuild for the module sources in a folder. Gives what it printed.
pub(super) fn run_make(
    kernel: &KernelTree,
    directory: &Path,
    arguments: impl Iterator<Item = String>,
    verbosity: u32,
) -> Result<String, BuildError> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut words: Vec<String> = [
        // what the caller's own make or kbuild has in the environment is not for this one
        "env",
        "-u",
        "MAKEFLAGS",
        "-u",
        "MFLAGS",
        "-u",
        "MAKELEVEL",
        "-u",
        "ARCH",
        "-u",
        "M",
        "make",
        "--no-print-directory",
    ]
    .map(String::from)
    .to_vec();
    words.push(format!("-j{jobs}"));
    words.push("-C".into());
    words.push(kernel.build.display().to_string());
    words.push(format!("M={}", directory.display()));
    if verbosity > 2 {
        words.push("V=1".into());
    }
    words.extend(arguments);
    words.push("modules".into());
    let runner = Runner {
        directory: directory.to_owned(),
        is_verbose: verbosity > 1,
    };
    let text = runner.run_step("building with the kernel's kbuild", &words)?;
    if verbosity > 2 {
        tell!("{text}");
    }
    Ok(text)
}

/// The command with which a talkative kbuild ran objtool, without its object.
fn objtool_shown(output: &str) -> Option<Vec<String>> {
    let commands = split_shell(output);
    let shown = commands
        .iter()
        .find(|words| words.first().is_some_and(|word| word.ends_with(OBJTOOL)))?;
    Some(without_object(shown))
}

/// The steps between kbuild's result and a [`Runtime`].
struct Finish<'a> {
    directory: &'a Path,
    runner: Runner,
    /// Name of the module that the runtime's Kbuild builds.
    module: String,
    /// objtool and its options, if kbuild ran it.
    objtool: Option<Vec<String>>,
}

impl<'a> Finish<'a> {
    fn new(kernel: &KernelTree, directory: &'a Path, verbosity: u32) -> Result<Self, BuildError> {
        let module = directory_names(directory)?
            .into_iter()
            .find_map(|name| name.strip_suffix(".mod.c").map(str::to_owned))
            .ok_or_else(|| {
                BuildError::unexpected(format!("kbuild left no .mod.c in {}", directory.display()))
            })?;
        let mut finish = Finish {
            directory,
            runner: Runner {
                directory: kernel.build.clone(),
                is_verbose: verbosity > 1,
            },
            module,
            objtool: None,
        };
        // Linux 6.13 and later run kbuild in the module's folder and name targets relative to it
        let link = finish.recorded(&format!(".{}.ko.cmd", finish.module))?;
        if !link.target.starts_with('/') {
            finish.runner.directory = directory.to_owned();
        }
        // kernels with IBT or LTO run objtool on the linked module instead of on each object
        let on_object = finish.recorded_of(&finish.model()?)?;
        let on_module = finish.combined()?;
        finish.objtool = on_object
            .program("objtool")
            .or(on_module.program("objtool"))
            .map(|words| without_object(words));
        Ok(finish)
    }

    /// How the objects became one.
    fn combined(&self) -> Result<Recorded, BuildError> {
        self.recorded(&format!(".{}.o.cmd", self.module))
    }

    /// The object that a script's is compiled like.
    fn model(&self) -> Result<PathBuf, BuildError> {
        // an object that stands where a script's will be, if there is one
        let objects = self.module_objects()?;
        stub_of(&objects)
            .or(objects.first())
            .cloned()
            .ok_or_else(|| BuildError::unexpected("kbuild built the runtime of no objects at all"))
    }

    fn recorded(&self, file: &str) -> Result<Recorded, BuildError> {
        let path = self.directory.join(file);
        let text = fs::read_to_string(&path).map_err(BuildError::io("read", &path))?;
        Recorded::parse(&text)
            .ok_or_else(|| BuildError::unexpected(format!("{} records no command", path.display())))
    }

    fn finish(&self) -> Result<Runtime, BuildError> {
        let objects = self.module_objects()?;
        let stub = stub_of(&objects);
        let stub_record = self.recorded_of(&self.model()?)?;
        let combined = self.combined()?;
        let final_link = self.recorded(&format!(".{}.ko.cmd", self.module))?;
        let compile = stub_record
            .commands
            .first()
            .ok_or_else(|| BuildError::unexpected("kbuild recorded no compiler command"))?;

        let raw_core =
            self.link_core(&combined, objects.iter().filter(|path| Some(*path) != stub))?;
        let objtool = self.objtool.clone().unwrap_or_default();
        let core = self.directory.join("core.o");
        fs::copy(&raw_core, &core).map_err(BuildError::io("copy", &raw_core))?;
        if combined.program("objtool").is_some() {
            self.runner
                .run_step("objtool", &core_objtool(&objtool, &core))?;
        }
        let mut objects = vec![core.clone(), self.compile_mod()?];
        let common = self.directory.join(".module-common.o");
        if common.exists() {
            let stripped = self.directory.join("common.o");
            self.strip(&common, &stripped)?;
            objects.push(stripped);
        }

        let read = |path: &Path| {
            let data = fs::read(path).map_err(BuildError::io("read", path))?;
            elf::symbols(&data, &path.display().to_string())
        };
        let core_symbols = read(&core)?;
        let mut symbols = core_symbols.defined;
        symbols.extend(core_symbols.undefined);
        if let Some(stub) = stub {
            symbols.extend(read(stub)?.undefined);
        }

        Ok(Runtime {
            directory: self.directory.to_owned(),
            working_directory: self.runner.directory.clone(),
            compile: compile_flags(compile),
            objtool,
            link: link_flags(&final_link)?,
            objects,
            raw_core,
            symbols,
        })
    }

    /// The objects that the module is made of, as kbuild lists them in `MODULE.mod`.
    fn module_objects(&self) -> Result<Vec<PathBuf>, BuildError> {
        let path = self.directory.join(format!("{}.mod", self.module));
        let text = fs::read_to_string(&path).map_err(BuildError::io("read", &path))?;
        Ok(text
            .split_whitespace()
            .map(|name| self.directory.join(name))
            .collect())
    }

    /// The record of an object of the module.
    fn recorded_of(&self, object: &Path) -> Result<Recorded, BuildError> {
        let name = object.file_name().unwrap_or_default().to_string_lossy();
        let path = object.with_file_name(format!(".{name}.cmd"));
        let text = fs::read_to_string(&path).map_err(BuildError::io("read", &path))?;
        Recorded::parse(&text)
            .ok_or_else(|| BuildError::unexpected(format!("{} records no command", path.display())))
    }

    /// Links the runtime's objects into one, without debug information.
    fn link_core<'b>(
        &self,
        combined: &Recorded,
        objects: impl Iterator<Item = &'b PathBuf>,
    ) -> Result<PathBuf, BuildError> {
        let core = self.directory.join("core-raw.o");
        let linker = combined
            .commands
            .iter()
            .find(|words| words.iter().any(|word| word == "-r"))
            .ok_or_else(|| BuildError::unexpected("kbuild recorded no linker command"))?;
        let mut words: Vec<String> = Vec::new();
        let mut rest = linker.iter();
        while let Some(word) = rest.next() {
            if word == "-o" {
                rest.next();
            } else if !word.starts_with('@') && !word.ends_with(".o") && !word.ends_with(".a") {
                words.push(word.clone());
            }
        }
        words.extend(["--strip-debug".into(), "-o".into(), text(&core)]);
        words.extend(objects.map(|path| text(path)));
        self.runner.run_step("linking the runtime", &words)?;
        Ok(core)
    }

    /// Compiles modpost's part once more, with the placeholder as the module's name.
    fn compile_mod(&self) -> Result<PathBuf, BuildError> {
        let object = self.directory.join("mod.o");
        let recorded = self.recorded(&format!(".{}.mod.o.cmd", self.module))?;
        let compile = recorded
            .commands
            .first()
            .ok_or_else(|| BuildError::unexpected("kbuild recorded no command for mod.o"))?;
        let mut words: Vec<String> = compile_flags(compile)
            .into_iter()
            .filter(|word| word != "-g" && !word.starts_with("-gdwarf"))
            .collect();
        for word in &mut words {
            if let Some(value) = word.strip_prefix("-DKBUILD_MODNAME=") {
                *word = format!(
                    "-DKBUILD_MODNAME={}",
                    value.replace(&self.module, NAME_PLACEHOLDER)
                );
            }
        }
        let source = self.directory.join(format!("{}.mod.c", self.module));
        words.extend(["-c".into(), "-o".into(), text(&object), text(&source)]);
        self.runner.run_step("compiling modpost's part", &words)?;
        if let Some(objtool) = recorded.program("objtool") {
            let mut words = without_object(objtool);
            words.push(text(&object));
            self.runner.run_step("objtool", &words)?;
        }
        Ok(object)
    }

    fn strip(&self, from: &Path, to: &Path) -> Result<(), BuildError> {
        let words = ["objcopy", "--strip-debug", &text(from), &text(to)].map(String::from);
        self.runner.run_step("stripping", &words).map(drop)
    }
}

impl Runtime {
    /// What [`Runtime::write`] wrote. `None` if it is unfinished, damaged, or of another format.
    fn read(directory: &Path) -> Option<Runtime> {
        let record = fs::read_to_string(directory.join(RECORD)).ok()?;
        let mut lines = record.lines();
        if lines.next()? != FORMAT {
            return None;
        }
        let mut line = |name: &str| {
            let words = lines.next()?.strip_prefix(name)?;
            Some(split_shell(words).into_iter().next().unwrap_or_default())
        };
        let runtime = Runtime {
            directory: directory.to_owned(),
            working_directory: line("directory ")?.first()?.into(),
            compile: line("compile ")?,
            objtool: line("objtool ")?,
            link: line("link ")?,
            objects: line("objects ")?.iter().map(PathBuf::from).collect(),
            raw_core: line("core ")?.first()?.into(),
            symbols: line("symbols ")?.into_iter().collect(),
        };
        (!runtime.compile.is_empty() && runtime.objects.iter().all(|path| path.exists()))
            .then_some(runtime)
    }

    fn write(&self) -> Result<(), BuildError> {
        let objects: Vec<String> = self.objects.iter().map(|path| text(path)).collect();
        let symbols: Vec<String> = self.symbols.iter().cloned().collect();
        let record = format!(
            "{FORMAT}\ndirectory {}\ncompile {}\nobjtool {}\nlink {}\nobjects {}\ncore {}\nsymbols {}\n",
            join(&[text(&self.working_directory)]),
            join(&self.compile),
            join(&self.objtool),
            join(&self.link),
            join(&objects),
            join(&[text(&self.raw_core)]),
            join(&symbols),
        );
        cache::write_whole(&self.directory.join(RECORD), record.as_bytes())
    }

    /// Removes what no script needs: a twentieth of the folder stays.
    fn tidy(&self) -> Result<(), BuildError> {
        let kept = [RECORD, "include"].map(|name| self.directory.join(name));
        for name in directory_names(&self.directory)? {
            let path = self.directory.join(name);
            if kept.contains(&path) || self.objects.contains(&path) || self.raw_core == path {
                continue;
            }
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(BuildError::io("remove", &path))?;
        }
        Ok(())
    }
}

fn stub_of(objects: &[PathBuf]) -> Option<&PathBuf> {
    objects
        .iter()
        .find(|path| path.file_name().is_some_and(|name| name == "script_stub.o"))
}

/// A compiler command without input, output, dependency files and the names of its own source.
fn compile_flags(command: &[String]) -> Vec<String> {
    let mut flags = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        let is_own = word == "-c"
            // the runtime's debug information would only be taken out again
            || word == "-g0"
            || word.starts_with("-Wp,-MD,")
            || word.starts_with("-Wp,-MMD,")
            || word.starts_with("-DKBUILD_BASENAME=")
            || (word.ends_with(".c") && !word.starts_with('-'));
        if word == "-o" {
            words.next();
        } else if !is_own {
            flags.push(word.clone());
        }
    }
    flags
}

/// The final linker command without objects and output.
fn link_flags(recorded: &Recorded) -> Result<Vec<String>, BuildError> {
    let command = recorded
        .commands
        .iter()
        .find(|words| words.iter().any(|word| word == "-r"))
        .ok_or_else(|| BuildError::unexpected("kbuild recorded no command for the module"))?;
    let mut flags = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        if word == "-o" {
            words.next();
        } else if !word.ends_with(".o") && !word.starts_with('@') {
            flags.push(word.clone());
        }
    }
    Ok(flags)
}

/// objtool's words without the object that it was run on.
fn without_object(words: &[String]) -> Vec<String> {
    words
        .iter()
        .filter(|word| !word.ends_with(".o"))
        .cloned()
        .collect()
}

/// objtool for the runtime alone. It must not seal entry points against indirect calls that only
/// a script makes, so it runs without `--ibt`.
fn core_objtool(words: &[String], core: &Path) -> Vec<String> {
    words
        .iter()
        .filter(|word| *word != "--ibt")
        .cloned()
        .chain([text(core)])
        .collect()
}

/// Source files below a folder, by relative name in a fixed order: what kbuild reads, nothing that
/// it or an editor left.
fn source_files(sources: &Path) -> Result<Vec<(PathBuf, PathBuf)>, BuildError> {
    let mut files = Vec::new();
    let walk = WalkDir::new(sources)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() != 1 || entry.file_name() != "tests");
    for entry in walk {
        let entry = entry.map_err(|error| {
            BuildError::unexpected(format!("cannot read the runtime's sources: {error}"))
        })?;
        let name = entry.file_name().to_string_lossy();
        let is_source = ["Kbuild", "Makefile"].contains(&&*name)
            || [".h", ".c", ".S", ".sh"]
                .iter()
                .any(|ending| name.ends_with(ending));
        if !entry.file_type().is_file()
            || !is_source
            || name.starts_with('.')
            || name.ends_with(".mod.c")
        {
            continue;
        }
        if let Ok(relative) = entry.path().strip_prefix(sources) {
            files.push((relative.to_owned(), entry.path().to_owned()));
        }
    }
    if !files.iter().any(|(name, _)| name == Path::new("Kbuild")) {
        return Err(BuildError::unexpected(format!(
            "{} does not hold the runtime's sources: it has no Kbuild",
            sources.display()
        )));
    }
    Ok(files)
}

fn directory_names(directory: &Path) -> Result<Vec<String>, BuildError> {
    let entries = fs::read_dir(directory).map_err(BuildError::io("read", directory))?;
    Ok(entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect())
}

/// Where a program is in PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
