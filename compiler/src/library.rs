// SPDX-License-Identifier: GPL-2.0-or-later
//! The tapset library: an index of names over all files, and trees on demand.
//!
//! Scanning the names of the whole library takes milliseconds, parsing it takes
//! much longer; so a file is parsed when a script uses a name of it. Names are
//! collected from all branches of `%( ... %)`: which one counts is decided when
//! the file is parsed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rstap_syntax::ast;
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, LibraryMacros, parse_library_macros, parse_script, scan_names};

use crate::semantic::session::Library;

/// A tapset file and what it defines.
struct LibraryFile {
    path: PathBuf,
    text: String,
    /// Dotted names of its aliases.
    aliases: Vec<String>,
}

/// See the module's documentation.
pub struct TapsetLibrary<'e> {
    files: Vec<LibraryFile>,
    functions: HashMap<String, Vec<usize>>,
    globals: HashMap<String, Vec<usize>>,
    /// By the first component of an alias's name.
    aliases: HashMap<String, Vec<usize>>,
    macros: LibraryMacros,
    environment: Environment<'e>,
    /// Arguments of the user's script, which library files may ask for too.
    pub arguments: Vec<String>,
    /// Messages about macro files, and files that could not be read.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'e> TapsetLibrary<'e> {
    /// Indexes the `*.stp` and `*.stpm` files below each root, in the order of
    /// the specification: kernel version and architecture before `linux` before
    /// the root itself. Roots that do not exist are passed over.
    pub fn open(roots: &[PathBuf], environment: Environment<'e>, sources: &mut SourceMap) -> Self {
        let mut library = TapsetLibrary {
            files: Vec::new(),
            functions: HashMap::new(),
            globals: HashMap::new(),
            aliases: HashMap::new(),
            macros: LibraryMacros::default(),
            environment,
            arguments: Vec::new(),
            diagnostics: Vec::new(),
        };
        for root in roots {
            let folders = folders(root, &library.environment);
            for folder in &folders {
                for path in files(folder, "stpm") {
                    library.add_macros(&path, sources);
                }
            }
            for folder in &folders {
                for path in files(folder, "stp") {
                    library.add_file(path);
                }
            }
        }
        library
    }

    /// Macros of all `*.stpm` files, for the user's script.
    pub fn macros(&self) -> &LibraryMacros {
        &self.macros
    }

    fn add_macros(&mut self, path: &Path, sources: &mut SourceMap) {
        let Ok(text) = std::fs::read_to_string(path) else {
            self.unreadable(path);
            return;
        };
        let name = path.to_string_lossy();
        let diagnostics =
            parse_library_macros(sources, &name, &text, &self.environment, &mut self.macros);
        self.diagnostics.extend(diagnostics);
    }

    fn add_file(&mut self, path: PathBuf) {
        let Ok(text) = std::fs::read_to_string(&path) else {
            self.unreadable(&path);
            return;
        };
        let names = scan_names(&text);
        let index = self.files.len();
        for name in &names.functions {
            self.functions
                .entry((*name).to_owned())
                .or_default()
                .push(index);
        }
        for name in &names.globals {
            self.globals
                .entry((*name).to_owned())
                .or_default()
                .push(index);
        }
        for name in &names.aliases {
            let first = first_component(name);
            let files = self.aliases.entry(first.to_owned()).or_default();
            if files.last() != Some(&index) {
                files.push(index);
            }
        }
        let aliases = names.aliases.iter().map(ToString::to_string).collect();
        drop(names);
        self.files.push(LibraryFile {
            path,
            text,
            aliases,
        });
    }

    fn unreadable(&mut self, path: &Path) {
        let text = format!("cannot read tapset file '{}'", path.display());
        self.diagnostics.push(Diagnostic::warning("W0103", text));
    }
}

/// `vfs` of `vfs.read`, `process` of `process("x").begin`.
fn first_component(alias: &str) -> &str {
    alias.split(['.', '(']).next().unwrap_or(alias)
}

/// The folders of a root that are searched for this kernel, most special first.
fn folders(root: &Path, environment: &Environment) -> Vec<PathBuf> {
    let release = environment.kernel_release.as_str();
    let mut versions = vec![release];
    // 6.1.0-56-cloud-amd64, 6.1.0, 6.1
    let base = release.split('-').next().unwrap_or(release);
    let mut version = base;
    loop {
        if !version.is_empty() && !versions.contains(&version) {
            versions.push(version);
        }
        match version.rfind('.') {
            Some(dot) => version = version.get(..dot).unwrap_or(""),
            None => break,
        }
    }
    let arch = environment.arch.as_str();
    let mut found = Vec::new();
    for prefix in [root.join("linux"), root.to_path_buf()] {
        for version in &versions {
            found.push(prefix.join(version).join(arch));
            found.push(prefix.join(version));
        }
        found.push(prefix.join(arch));
        found.push(prefix);
    }
    found.retain(|folder| folder.is_dir());
    found
}

/// Files of a folder with this ending, sorted; not of its sub-folders.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .min_depth(1)
        .max_depth(1)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

impl Library for TapsetLibrary<'_> {
    fn files_with_function(&self, name: &str) -> Vec<usize> {
        self.functions.get(name).cloned().unwrap_or_default()
    }

    fn files_with_global(&self, name: &str) -> Vec<usize> {
        self.globals.get(name).cloned().unwrap_or_default()
    }

    fn files_with_alias(&self, first_component: &str) -> Vec<usize> {
        if let Some(files) = self.aliases.get(first_component) {
            return files.clone();
        }
        if !first_component.contains(['*', '?', '[']) {
            return Vec::new();
        }
        let mut files: Vec<usize> = self
            .aliases
            .iter()
            .filter(|(name, _)| rstap_debuginfo::glob::matches(first_component, name))
            .flat_map(|(_, files)| files.iter().copied())
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    fn function_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.functions.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn alias_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .files
            .iter()
            .flat_map(|file| file.aliases.iter().cloned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn file_count(&self) -> usize {
        self.files.len()
    }

    fn parse(&self, file: usize, sources: &mut SourceMap) -> (ast::File, Vec<Diagnostic>) {
        let Some(file) = self.files.get(file) else {
            return Default::default();
        };
        parse_script(
            sources,
            &file.path.to_string_lossy(),
            file.text.as_str(),
            &self.environment,
            &self.macros,
            &self.arguments,
        )
    }
}
