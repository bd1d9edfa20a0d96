// SPDX-License-Identifier: GPL-2.0-or-later
//! Passes 1 to 4: a script's text to a module's file, with SystemTap's line for each under `-v`.

use crate::output::tell_line;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, ast, parse_script};

use super::builds;
use super::clock::{Stopwatch, memory};
use super::kernel::Kernel;
use super::locate::{self, Data};
use super::messages::Messages;
use super::session::Session;
use crate::build::{BuildError, BuildRequest, Cache, Plan, cache::write_whole};
use crate::cli::Options;
use crate::cli::options::{Privilege, ScriptSource};
use crate::ir::ProbeKind;
use crate::library::TapsetLibrary;
use crate::output::{say, say_line};
use crate::semantic::analyze::analyze;
use crate::semantic::session::{Library, SemanticOptions, Session as Semantic};
use crate::target::RealTarget;
use crate::{codegen, ir};

/// A pass ended the work; its messages are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// What the passes work with.
#[derive(Debug)]
pub struct Passes<'a> {
    pub options: &'a Options,
    /// The last pass to do: that of the options, or 4 when the kernel is another.
    pub last_pass: u8,
    pub kernel: &'a Kernel,
    pub session: &'a Session,
    /// Where the cache would be, for unpacking our own files; used for modules by `cache`.
    pub cache_folder: PathBuf,
    pub cache: Option<Cache>,
    pub messages: Messages,
}

/// A module that is ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub path: PathBuf,
    pub name: String,
    /// It has probes of standard input, which staprun then feeds.
    pub reads_stdin: bool,
}

/// A script of the user, parsed.
#[derive(Debug)]
struct UserFile {
    name: String,
    tree: ast::File,
}

impl<'a> Passes<'a> {
    /// Does passes 1 to 4, as far as is asked. `Ok(None)`: nothing is left to do.
    pub fn compile(&self, script: &ScriptSource) -> Result<Option<Module>, Failed> {
        let mut sources = SourceMap::new();
        let watch = Stopwatch::start();
        let library = self.library(&mut sources);
        let files = self.parse(script, &library, &mut sources, watch)?;
        if self.last_pass < 2 {
            return Ok(None);
        }
        let program = self.analyze(&library, files, sources)?;
        if self.last_pass < 3 {
            return Ok(None);
        }
        let translated = self.translate(&program)?;
        self.build(&translated)
    }

    /// `Pass N: …` under `-v`.
    fn say(&self, pass: usize, text: &str) {
        if self.options.verbose(pass) > 0 {
            tell_line!("Pass {pass}: {text}");
        }
    }

    fn fail(&self, pass: usize, what: &str) -> Failed {
        tell_line!("Pass {pass}: {what} failed.  [man error::pass{pass}]");
        Failed
    }

    /// What a script may ask about its kernel.
    fn environment(&self, is_tapset: bool) -> Environment<'a> {
        let kernel = self.kernel;
        let mut environment = Environment {
            kernel_release: self.kernel.paths.release.clone(),
            arch: "x86_64".to_owned(),
            runtime: "kernel".to_owned(),
            privilege: match self.options.privilege {
                Privilege::User => rstap_syntax::Privilege::User,
                Privilege::System => rstap_syntax::Privilege::System,
                Privilege::Developer => rstap_syntax::Privilege::Developer,
            },
            guru: self.options.guru,
            tapset: is_tapset,
            config: Box::new(|name| kernel.config(name)),
            ..Environment::default()
        };
        if let Some(version) = &self.options.compatible {
            environment.compatible.clone_from(version);
        }
        environment
    }

    /// The tapset folders, the user's before our own.
    pub fn tapset_folders(&self) -> Vec<PathBuf> {
        let mut folders = self.options.include_directories.clone();
        for folder in &folders {
            if !folder.is_dir() {
                self.messages.warn(&format!(
                    "tapset folder '{}' does not exist",
                    folder.display()
                ));
            }
        }
        folders.extend(locate::user_tapsets());
        match locate::data(Data::Tapset, None, &self.cache_folder) {
            Ok(found) => folders.push(found.path),
            Err(error) => self.messages.warn(&error),
        }
        folders
    }

    /// The index of the tapset library.
    pub fn library(&self, sources: &mut SourceMap) -> TapsetLibrary<'a> {
        let mut library =
            TapsetLibrary::open(&self.tapset_folders(), self.environment(true), sources);
        library.arguments.clone_from(&self.options.arguments);
        library
    }
}

/// Pass 1.
impl Passes<'_> {
    fn parse(
        &self,
        script: &ScriptSource,
        library: &TapsetLibrary<'_>,
        sources: &mut SourceMap,
        watch: Stopwatch,
    ) -> Result<Vec<UserFile>, Failed> {
        let mut texts = vec![self.read(script)?];
        for text in &self.options.extra_scripts {
            texts.push(("<input>".to_owned(), text.clone()));
        }
        if let Some(milliseconds) = self.options.timeout {
            // -T is a probe like any other, in a file of its own
            let text = format!("probe timer.ms({milliseconds}) {{ exit() }}\n");
            texts.push(("<timeout>".to_owned(), text));
        }
        let environment = self.environment(false);
        let mut diagnostics = library.diagnostics.clone();
        let mut files = Vec::new();
        let mut uses_argument_globals = false;
        for (name, text) in texts {
            uses_argument_globals |= names_argument_globals(&text);
            let (tree, found) = parse_script(
                sources,
                &name,
                text.as_str(),
                &environment,
                library.macros(),
                &self.options.arguments,
            );
            diagnostics.extend(found);
            files.push(UserFile { name, tree });
        }
        drop(environment);
        if !uses_argument_globals {
            self.warn_unused_arguments(&files);
        }
        let errors = self.messages.show(&diagnostics, sources);
        let without_place = |message: &&Diagnostic| message.is_error() && message.primary.is_none();
        let placed = errors - diagnostics.iter().filter(without_place).count();
        if placed > 0 {
            let plural = if placed == 1 { "" } else { "s" };
            tell_line!("{placed} parse error{plural}.");
        }
        if errors == 0 && self.last_pass == 1 {
            say_line!("# parse tree dump");
            for file in &files {
                say_line!("# file {}", file.name);
                say_line!("{}", rstap_syntax::print::file(&file.tree));
            }
        }
        self.say(
            1,
            &format!(
                "parsed user script and {} library scripts {}in {}",
                Library::file_count(library),
                memory(),
                watch.times()
            ),
        );
        if errors > 0 {
            return Err(self.fail(1, "parse"));
        }
        Ok(files)
    }

    /// A text of our own making as a user's file.
    pub fn parse_text(
        &self,
        library: &TapsetLibrary<'_>,
        sources: &mut SourceMap,
        text: &str,
    ) -> (ast::File, Vec<Diagnostic>) {
        parse_script(
            sources,
            "<input>",
            text,
            &self.environment(false),
            library.macros(),
            &[],
        )
    }

    /// The script's name for messages, and its text.
    fn read(&self, script: &ScriptSource) -> Result<(String, String), Failed> {
        let read = |path: &PathBuf| -> io::Result<(String, String)> {
            let bytes = fs::read(path)?;
            Ok((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ))
        };
        let result = match script {
            ScriptSource::Text(text) => Ok(("<input>".to_owned(), text.clone())),
            ScriptSource::Standard => {
                let mut bytes = Vec::new();
                io::stdin().read_to_end(&mut bytes).map(|_| {
                    (
                        "<input>".to_owned(),
                        String::from_utf8_lossy(&bytes).into_owned(),
                    )
                })
            }
            ScriptSource::File(path) => read(path),
            ScriptSource::Example(name) => {
                match locate::data(Data::Examples, None, &self.cache_folder) {
                    Ok(found) => match find_example(&found.path, name) {
                        Some(path) => read(&path),
                        None => {
                            tell_line!("No example '{name}' in {}.", found.path.display());
                            return Err(self.fail(1, "parse"));
                        }
                    },
                    Err(error) => {
                        tell_line!("ERROR: {error}");
                        return Err(self.fail(1, "parse"));
                    }
                }
            }
        };
        result.map_err(|error| {
            let name = match script {
                ScriptSource::File(path) => path.display().to_string(),
                _ => "<input>".to_owned(),
            };
            if error.kind() == io::ErrorKind::NotFound {
                tell_line!("Input file '{name}' is missing.");
            } else {
                tell_line!("Input file '{name}' cannot be read: {error}");
            }
            self.fail(1, "parse")
        })
    }

    /// Arguments that no script asks for are a mistake worth a word.
    fn warn_unused_arguments(&self, files: &[UserFile]) {
        for (index, argument) in self.options.arguments.iter().enumerate() {
            let number = index + 1;
            let is_used = files
                .iter()
                .any(|file| file.tree.used_args.contains(&number));
            if !is_used {
                self.messages.warn(&format!(
                    "unused command line option ${number}/@{number}: '{argument}'"
                ));
            }
        }
    }
}

/// Whether a script uses `argc`, `argv` or `argv_1` of the library, which hold all arguments.
fn names_argument_globals(text: &str) -> bool {
    rstap_syntax::lexer::raw_tokens(text)
        .any(|(_, word)| word == "argc" || word == "argv" || word.starts_with("argv_"))
}

/// An example's file by its name or path below the examples, with or without `.stp`.
fn find_example(folder: &std::path::Path, name: &str) -> Option<PathBuf> {
    let wanted = [name.to_owned(), format!("{name}.stp")];
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .find(|path| wanted.iter().any(|wanted| path.ends_with(wanted)))
}

/// Passes 2 and 3.
impl Passes<'_> {
    /// What pass 2 must know of the options.
    pub fn semantic_options(&self) -> SemanticOptions {
        let options = self.options;
        SemanticOptions {
            guru: options.guru,
            unoptimized: options.unoptimized,
            skip_badvars: options.skip_badvars,
            suppress_time_limits: options.suppress_time_limits,
            suppress_handler_errors: options.suppress_handler_errors,
            no_global_display: options.no_global_var_display,
            monitor: options.monitor.is_some(),
            timing: options.timing,
            has_target_process: options.command.is_some() || options.target_pid.is_some(),
            target_program: self.target_program(),
            symbol_files: options.symbol_modules.clone(),
            ldd: options.ldd,
            globals: options.global_values.clone(),
            macros: self.macros(),
        }
    }

    /// Those of `-D`, and SystemTap's for `-b`, which staprun finds in the module.
    fn macros(&self) -> Vec<(String, Option<String>)> {
        let mut macros = self.options.macros.clone();
        if self.options.bulk {
            macros.push(("STP_BULKMODE".to_owned(), None));
        }
        macros
    }

    /// The program that `-c` runs or `-x` names.
    fn target_program(&self) -> Option<String> {
        if let Some(pid) = self.options.target_pid {
            return fs::read_link(format!("/proc/{pid}/exe"))
                .ok()
                .map(|path| path.display().to_string());
        }
        let command = self.options.command.as_deref()?;
        let words = crate::cli::rc::split_words(command);
        let program = words.first()?;
        let path = if program.contains('/') {
            PathBuf::from(program)
        } else {
            std::env::split_paths(&std::env::var_os("PATH")?)
                .map(|folder| folder.join(program))
                .find(|path| path.is_file())?
        };
        path.canonicalize()
            .ok()
            .map(|path| path.display().to_string())
    }

    fn analyze(
        &self,
        library: &TapsetLibrary<'_>,
        files: Vec<UserFile>,
        sources: SourceMap,
    ) -> Result<ir::Program, Failed> {
        let watch = Stopwatch::start();
        let target = RealTarget::new(self.kernel.paths.clone());
        let semantic = Semantic::new(&target, library, self.semantic_options(), sources);
        let name = files
            .first()
            .map_or_else(String::new, |file| file.name.clone());
        for file in files {
            semantic.add_user_file(file.tree);
        }
        let program = analyze(&semantic, &name);
        let diagnostics = semantic.take_diagnostics();
        let errors = self.messages.show(&diagnostics, &semantic.sources.borrow());
        if self.options.semantic_keep_going {
            say!("{}", error_table(&diagnostics, &semantic.sources.borrow()));
        }
        let mut program = program.filter(|_| errors == 0);
        if let (Some(program), Some(files)) = (&mut program, target.if_opened()) {
            builds::bind(program, files);
        }
        if let (Some(program), 2) = (&program, self.last_pass) {
            let print = match (self.options.explain_cost, self.options.verbose(2)) {
                (true, _) => ir::cost::report,
                (false, 0) => ir::print::summary,
                (false, _) => ir::print::print,
            };
            say!("{}", print(program));
        }
        let counted = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        let found = program.as_ref().map_or((0, 0, 0, 0), |program| {
            (
                program.probes.len(),
                program.functions.len(),
                program.embedded.len(),
                program.globals.len(),
            )
        });
        self.say(
            2,
            &format!(
                "analyzed script: {}, {}, {}, {} {}in {}",
                counted(found.0, "probe"),
                counted(found.1, "function"),
                counted(found.2, "embed"),
                counted(found.3, "global"),
                memory(),
                watch.times()
            ),
        );
        program.ok_or_else(|| self.fail(2, "analysis"))
    }

    fn translate(&self, program: &ir::Program) -> Result<Translated, Failed> {
        let watch = Stopwatch::start();
        let c_source = codegen::generate(program).map_err(|error| {
            tell_line!("ERROR: {error}");
            self.fail(3, "translation")
        })?;
        if self.last_pass == 3 {
            say!("{c_source}");
        }
        let reads_stdin = program.probes.iter().any(
            |probe| matches!(&probe.kind, ProbeKind::ProcfsWrite { path, .. } if path == "__stdin"),
        );
        Ok(Translated {
            c_source,
            reads_stdin,
            watch,
        })
    }
}

/// `--semantic-keep-going`: SystemTap's table of errors for programs.
fn error_table(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let errors: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .collect();
    let mut text = format!("SEMANTIC_ERRORS: {}\n", errors.len());
    for error in errors {
        let place = error.primary.map_or_else(
            || "\t\t\t".to_owned(),
            |span| {
                let at = sources.line_column(span);
                format!(
                    "{}\t{}\t{}\t{}",
                    sources.file_name(span),
                    at.line,
                    at.column,
                    sources.text(span)
                )
            },
        );
        text.push_str(&format!("SEMANTIC_ERROR\t{place}\t{}\n", error.message));
    }
    text.push_str("SEMANTIC_ERRORS_END\n");
    text
}

/// The C of a script, and when its translation began.
#[derive(Debug)]
struct Translated {
    c_source: String,
    reads_stdin: bool,
    watch: Stopwatch,
}

/// Pass 4.
impl Passes<'_> {
    fn build(&self, translated: &Translated) -> Result<Option<Module>, Failed> {
        let c_source = &translated.c_source;
        let tree = self.kernel.tree();
        if self.last_pass == 3 {
            let name = self
                .options
                .module_name
                .clone()
                .unwrap_or_else(|| format!("rstap_{}", std::process::id()));
            self.write_c(&name, translated)?;
            return Ok(None);
        }
        let watch = Stopwatch::start();
        let result = tree.and_then(|tree| {
            let runtime = locate::data(
                Data::Runtime,
                self.options.runtime_directory.as_deref(),
                &self.cache_folder,
            )
            .map_err(BuildError::unexpected)?;
            let runtime_root = match &self.cache {
                Some(cache) => cache.directory().join("runtime"),
                None => self.session.directory().join("runtime"),
            };
            let keys = self.signing_keys();
            let request = BuildRequest {
                c_source,
                has_embedded_c: self.options.guru,
                kernel: &tree,
                runtime_sources: &runtime.path,
                runtime_root: &runtime_root,
                temporary: self.session.directory(),
                verbosity: self.options.verbose(4),
                keep_debug: self.options.debug,
                make_arguments: &self.options.make_arguments,
                modinfo: &self.options.modinfo,
                sign: keys.as_deref(),
            };
            let plan = request.plan()?;
            self.build_or_take(&request, &plan, translated, watch)
        });
        match result {
            Ok(module) => {
                if self.last_pass == 4 {
                    say_line!("{}", module.path.display());
                    return Ok(None);
                }
                Ok(Some(module))
            }
            Err(error) => {
                match error {
                    // gcc's own words, with the script's file and line
                    BuildError::Compile { .. } => tell_line!("{error}"),
                    _ => tell_line!("ERROR: {error}"),
                }
                Err(self.fail(4, "compilation"))
            }
        }
    }

    /// From the cache, or built and put there.
    fn build_or_take(
        &self,
        request: &BuildRequest<'_>,
        plan: &Plan,
        translated: &Translated,
        watch: Stopwatch,
    ) -> Result<Module, BuildError> {
        let options = self.options;
        let name = options.module_name.as_ref().unwrap_or(&plan.name).clone();
        self.write_c(&name, translated)
            .map_err(|Failed| BuildError::unexpected("the C file could not be written"))?;
        let cache = self.cache.as_ref().filter(|_| options.uses_module_cache());
        if let Some(cache) = cache
            && !options.poison_cache
            && let Some(path) = cache.find(&name)
        {
            self.say(4, &format!("using cached {}", path.display()));
            return Ok(Module {
                path,
                name,
                reads_stdin: translated.reads_stdin,
            });
        }
        let mut path = request.compile(plan, &name)?;
        if let Some(cache) = cache {
            // a cache that cannot be written to is no reason to fail
            let stored = fs::read(&path)
                .map_err(BuildError::io("read", &path))
                .and_then(|data| cache.store(&name, "ko", &data))
                .and_then(|stored| {
                    cache.store(&name, "c", translated.c_source.as_bytes())?;
                    Ok(stored)
                });
            match stored {
                Ok(stored) => path = stored,
                Err(error) => self.messages.warn(&error.to_string()),
            }
            if let Some(text) = cache.clean()
                && options.verbose(4) > 0
            {
                tell_line!("{text}");
            }
        }
        let is_lost = cache.is_none() && !options.keep_temporary;
        let is_left_here = options.module_name.is_some() || (self.last_pass == 4 && is_lost);
        if is_left_here {
            let here = PathBuf::from(format!("{name}.ko"));
            let data = fs::read(&path).map_err(BuildError::io("read", &path))?;
            write_whole(&here, &data)?;
            if self.last_pass == 4 {
                path = here;
            }
        }
        self.say(
            4,
            &format!("compiled C into \"{name}.ko\" in {}", watch.times()),
        );
        Ok(Module {
            path,
            name,
            reads_stdin: translated.reads_stdin,
        })
    }

    /// Puts the C file into the temporary directory and says so.
    fn write_c(&self, name: &str, translated: &Translated) -> Result<(), Failed> {
        let path = self.session.directory().join(format!("{name}_src.c"));
        fs::write(&path, &translated.c_source).map_err(|error| {
            tell_line!("ERROR: cannot write {}: {error}", path.display());
            self.fail(3, "translation")
        })?;
        self.say(
            3,
            &format!(
                "translated to C into \"{}\" {}in {}",
                path.display(),
                memory(),
                translated.watch.times()
            ),
        );
        Ok(())
    }

    /// The folder with the key for `--sign-module`.
    fn signing_keys(&self) -> Option<PathBuf> {
        let named = self.options.sign_module.as_ref()?;
        Some(named.clone().unwrap_or_else(|| {
            crate::cli::rc::directory()
                .unwrap_or_default()
                .join("ssl/server/moks")
        }))
    }
}
