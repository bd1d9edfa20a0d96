// SPDX-License-Identifier: GPL-2.0-or-later
//! What one compilation knows: its files, the tapset library behind them, the
//! kernel it is for, and the messages so far.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::lexer::describe_token;
use rstap_syntax::span::{FileId, SourceMap, Span};

use crate::target::Target;

/// A parsed file in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitId(pub usize);

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The script, or one of `-E`.
    User,
    /// The tapset library or an `-I` directory: parsed with guru rights.
    Library,
}

/// A file's items, shared so that bodies can be kept by those who derive from them.
#[derive(Debug)]
pub struct Unit {
    pub id: UnitId,
    /// Its text.
    pub file: FileId,
    pub origin: Origin,
    pub probes: Vec<Rc<ast::Probe>>,
    pub aliases: Vec<Rc<ast::Alias>>,
    pub functions: Vec<Rc<ast::Function>>,
    pub globals: Vec<Rc<ast::Global>>,
    pub embedded: Vec<Rc<ast::EmbeddedC>>,
}

impl Unit {
    /// Takes a parsed file apart.
    pub fn new(id: UnitId, origin: Origin, file: ast::File) -> Unit {
        let mut unit = Unit {
            id,
            file: file.id,
            origin,
            probes: Vec::new(),
            aliases: Vec::new(),
            functions: Vec::new(),
            globals: Vec::new(),
            embedded: Vec::new(),
        };
        for item in file.items {
            match item {
                ast::Item::Probe(probe) => unit.probes.push(Rc::new(probe)),
                ast::Item::Alias(alias) => unit.aliases.push(Rc::new(*alias)),
                ast::Item::Global(global) => unit.globals.push(Rc::new(global)),
                ast::Item::Function(function) => unit.functions.push(Rc::new(function)),
                ast::Item::EmbeddedC(code) => unit.embedded.push(Rc::new(code)),
            }
        }
        unit
    }
}

/// Gives library files by the names they define. Implemented by the driver's
/// tapset index, which scans names quickly and parses a file when it is first
/// asked for.
pub trait Library {
    /// Files that define a function of this name.
    fn files_with_function(&self, name: &str) -> Vec<usize>;
    /// Files that define a global of this name.
    fn files_with_global(&self, name: &str) -> Vec<usize>;
    /// Files with an alias whose dotted name's first component is this; `*` and `?`
    /// are wildcards.
    fn files_with_alias(&self, first_component: &str) -> Vec<usize>;
    /// All function names, for suggestions and `--dump-functions`.
    fn function_names(&self) -> Vec<String>;
    /// All dotted alias names (arguments as written), for suggestions and listing.
    fn alias_names(&self) -> Vec<String>;
    /// Number of files.
    fn file_count(&self) -> usize;
    /// A file's tree, and the messages about it.
    fn parse(&self, file: usize, sources: &mut SourceMap) -> (ast::File, Vec<Diagnostic>);
}

/// Options that change what pass 2 does.
#[derive(Debug, Clone, Default)]
pub struct SemanticOptions {
    /// `-g`
    pub guru: bool,
    /// `-u`
    pub unoptimized: bool,
    /// `--skip-badvars`
    pub skip_badvars: bool,
    /// `--suppress-time-limits`
    pub suppress_time_limits: bool,
    /// `--suppress-handler-errors`
    pub suppress_handler_errors: bool,
    /// `--no-global-var-display`
    pub no_global_display: bool,
    /// `--monitor`
    pub monitor: bool,
    /// `-t`
    pub timing: bool,
    /// `-c CMD` or `-x PID` is given.
    pub has_target_process: bool,
    /// Path of the `-c` command's or `-x` process's program.
    pub target_program: Option<String>,
    /// `-d`: programs and libraries whose addresses may come up.
    pub symbol_files: Vec<String>,
    /// `--ldd`: also the libraries of all programs.
    pub ldd: bool,
    /// `-G NAME=VALUE`
    pub globals: Vec<(String, String)>,
    /// `-D NAME[=VALUE]`
    pub macros: Vec<(String, Option<String>)>,
}

/// See the module's documentation.
pub struct Session<'a> {
    pub target: &'a dyn Target,
    pub library: &'a dyn Library,
    pub options: SemanticOptions,
    pub sources: RefCell<SourceMap>,
    units: RefCell<Vec<Rc<Unit>>>,
    /// Library file number to the unit it became.
    loaded: RefCell<HashMap<usize, UnitId>>,
    diagnostics: RefCell<Vec<Diagnostic>>,
    /// Counts the functions made for pretty printing.
    pub synthesized: Cell<usize>,
    /// Errors of the point being resolved will be dropped (`?`, wildcards): similar names,
    /// which take a look at every symbol of the kernel, need not be searched.
    pub errors_are_dropped: Cell<bool>,
    /// Only names of probes are wanted (`-l`): of many places with one name one will do.
    pub is_listing_names: Cell<bool>,
    /// Counters that `@perf` reads, and where.
    counters: RefCell<HashMap<String, Span>>,
}

impl<'a> Session<'a> {
    pub fn new(
        target: &'a dyn Target,
        library: &'a dyn Library,
        options: SemanticOptions,
        sources: SourceMap,
    ) -> Self {
        Session {
            target,
            library,
            options,
            sources: RefCell::new(sources),
            units: RefCell::default(),
            loaded: RefCell::default(),
            diagnostics: RefCell::default(),
            synthesized: Cell::new(0),
            errors_are_dropped: Cell::new(false),
            is_listing_names: Cell::new(false),
            counters: RefCell::default(),
        }
    }

    /// Adds a file of the user's.
    pub fn add_user_file(&self, file: ast::File) -> UnitId {
        self.add(Origin::User, file)
    }

    fn add(&self, origin: Origin, file: ast::File) -> UnitId {
        let mut units = self.units.borrow_mut();
        let id = UnitId(units.len());
        units.push(Rc::new(Unit::new(id, origin, file)));
        id
    }

    /// A unit by its id. Ids come from this session, so they are always in range.
    pub fn unit(&self, id: UnitId) -> Rc<Unit> {
        Rc::clone(&self.units.borrow()[id.0])
    }

    /// All files in use so far.
    pub fn units(&self) -> Vec<Rc<Unit>> {
        self.units.borrow().clone()
    }

    /// Parses a library file, once.
    pub fn load(&self, file: usize) -> UnitId {
        if let Some(&id) = self.loaded.borrow().get(&file) {
            return id;
        }
        let (tree, diagnostics) = {
            let mut sources = self.sources.borrow_mut();
            self.library.parse(file, &mut sources)
        };
        self.diagnostics.borrow_mut().extend(diagnostics);
        let id = self.add(Origin::Library, tree);
        self.loaded.borrow_mut().insert(file, id);
        id
    }

    /// Aliases, the user's before the library's, whose name starts with this
    /// component (`*` and `?` are wildcards). Parses the library files needed.
    pub fn aliases(&self, first_component: &str) -> Vec<(Rc<ast::Alias>, UnitId)> {
        for file in self.library.files_with_alias(first_component) {
            self.load(file);
        }
        let mut found = Vec::new();
        for unit in self.units() {
            for alias in &unit.aliases {
                let is_match = alias.names.iter().any(|name| {
                    name.components.first().is_some_and(|component| {
                        rstap_debuginfo::glob::matches(first_component, &component.name)
                    })
                });
                if is_match {
                    found.push((Rc::clone(alias), unit.id));
                }
            }
        }
        found
    }

    /// Overloads of a function: the user's, else the library's.
    pub fn functions(&self, name: &str, from: UnitId) -> Vec<(Rc<ast::Function>, UnitId)> {
        let find = || {
            let mut found = Vec::new();
            for unit in self.units() {
                for function in &unit.functions {
                    if function.name.name == name && (!function.private || unit.id == from) {
                        found.push((Rc::clone(function), unit.id));
                    }
                }
            }
            found
        };
        let found = find();
        if found
            .iter()
            .any(|(_, unit)| self.unit(*unit).origin == Origin::User)
        {
            return found;
        }
        for file in self.library.files_with_function(name) {
            self.load(file);
        }
        find()
    }

    /// The global that a name in a file means, with the file that declares it. A library
    /// file does not see the user's: its locals may have any name.
    pub fn global(&self, name: &str, from: UnitId) -> Option<(Rc<ast::Global>, UnitId)> {
        let is_library = self.unit(from).origin == Origin::Library;
        let find = || {
            let mut public = None;
            for unit in self.units() {
                for global in &unit.globals {
                    if global.name.name != name {
                        continue;
                    }
                    if unit.id == from {
                        return Some((Rc::clone(global), unit.id));
                    }
                    let is_visible = !(global.private || is_library && unit.origin == Origin::User);
                    if is_visible && public.is_none() {
                        public = Some((Rc::clone(global), unit.id));
                    }
                }
            }
            public
        };
        find().or_else(|| {
            for file in self.library.files_with_global(name) {
                self.load(file);
            }
            find()
        })
    }

    /// Whether a place is in a file of the user's: nobody wants warnings about the library.
    pub fn is_users(&self, place: Span) -> bool {
        self.units
            .borrow()
            .iter()
            .any(|unit| unit.file == place.file && unit.origin == Origin::User)
    }

    /// Remembers that `@perf` reads a counter.
    pub fn note_counter(&self, name: &str, place: Span) {
        self.counters.borrow_mut().insert(name.to_owned(), place);
    }

    /// The counters that `@perf` reads, and where.
    pub fn counters(&self) -> HashMap<String, Span> {
        self.counters.borrow().clone()
    }

    /// Remembers a message. Bodies are walked several times: the same warning comes again.
    pub fn report(&self, diagnostic: Diagnostic) {
        let mut diagnostics = self.diagnostics.borrow_mut();
        if diagnostic.is_error() || !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.borrow().iter().any(Diagnostic::is_error)
    }

    /// Takes the messages so far.
    pub fn take_diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics = std::mem::take(&mut *self.diagnostics.borrow_mut());
        // A type that nothing decides is often due to another error: that one comes first.
        diagnostics.sort_by_key(|diagnostic| diagnostic.code == "E0204");
        diagnostics
    }

    /// `identifier 'x' at FILE:LINE:COLUMN`: how errors name a token.
    pub fn describe(&self, token: Span) -> String {
        let sources = self.sources.borrow();
        let place = sources.location(token);
        match describe_token(&sources, token) {
            (kind, Some(text)) => format!("{kind} '{text}' at {place}"),
            (kind, None) => format!("{kind} at {place}"),
        }
    }

    /// `FILE:LINE:COLUMN`
    pub fn location(&self, span: Span) -> String {
        self.sources.borrow().location(span)
    }
}
