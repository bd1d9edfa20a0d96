// SPDX-License-Identifier: GPL-2.0-or-later
//! Lists probe points of an unpacked kernel, to compare with other tools by hand:
//!
//! `probe-list SYSROOT 'kernel.function("vfs_read")'...` prints what `-L` prints;
//! an argument that begins with `{` is a body for the point before it: its IR.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use rstap::semantic::list::{self, Listing};
use rstap::semantic::session::{Library, SemanticOptions, Session};
use rstap::target::RealTarget;
use rstap_debuginfo::{KernelPaths, KernelRequest};
use rstap_syntax::diag::{Diagnostic, Renderer};
use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, LibraryMacros, ast};

struct NoLibrary;

impl Library for NoLibrary {
    fn files_with_function(&self, _name: &str) -> Vec<usize> {
        Vec::new()
    }
    fn files_with_global(&self, _name: &str) -> Vec<usize> {
        Vec::new()
    }
    fn files_with_alias(&self, _first_component: &str) -> Vec<usize> {
        Vec::new()
    }
    fn function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn alias_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn file_count(&self) -> usize {
        0
    }
    fn parse(
        &self,
        _file: usize,
        _sources: &mut SourceMap,
    ) -> (String, ast::File, Vec<Diagnostic>) {
        (String::new(), ast::File::default(), Vec::new())
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let sysroot = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    if sysroot == "--dump-probe-types" {
        return print!("{}", rstap::semantic::points::table::dump());
    }
    let request = KernelRequest {
        sysroot: Some(PathBuf::from(sysroot)),
        ..Default::default()
    };
    let paths = match KernelPaths::locate(&request) {
        Ok(paths) => paths,
        Err(error) => return eprintln!("{error}"),
    };
    let target = RealTarget::new(paths);
    for (index, point) in arguments.iter().enumerate() {
        if point.starts_with('{') {
            continue;
        }
        let body = arguments
            .get(index + 1)
            .filter(|body| body.starts_with('{'));
        let start = Instant::now();
        let text = format!("probe {point} {}", body.map_or("{}", String::as_str));
        one(&target, &text, body.is_some());
        eprintln!("-- {} ms: {point}", start.elapsed().as_millis());
    }
}

fn one(target: &RealTarget, text: &str, is_body: bool) {
    let mut sources = SourceMap::new();
    let environment = Environment::default();
    let macros = LibraryMacros::default();
    let (file, problems) =
        rstap_syntax::parse_script(&mut sources, "<input>", text, &environment, &macros, &[]);
    let options = SemanticOptions {
        guru: true,
        ..SemanticOptions::default()
    };
    let session = Session::new(target, &NoLibrary, options, sources);
    let unit = session.add_user_file("<input>".to_owned(), file);
    problems
        .into_iter()
        .for_each(|problem| session.report(problem));
    if is_body {
        if let Some(program) = rstap::semantic::analyze::analyze(&session, "<input>") {
            println!("{program:#?}");
        }
    } else if let Some(probe) = session.unit(unit).probes.first() {
        let listing = Listing {
            has_variables: true,
            is_verbose: false,
        };
        let probe = Rc::clone(probe);
        for line in list::list(&session, &probe, unit, listing, &|_| Vec::new()) {
            println!("{line}");
        }
    }
    let diagnostics = session.take_diagnostics();
    let sources = session.sources.borrow();
    for diagnostic in diagnostics {
        eprint!("{}", Renderer::default().render(&diagnostic, &sources));
    }
}
