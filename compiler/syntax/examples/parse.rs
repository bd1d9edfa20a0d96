// SPDX-License-Identifier: GPL-2.0-or-later
//! Parses a script and prints its tree: `cargo run --example parse -- -e 'probe begin {}' ARGS`
//! or `-- FILE ARGS`. `-g` permits embedded C.

use std::process::ExitCode;

use rstap_syntax::diag::{ErrorFormat, Renderer};
use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, LibraryMacros, parse_script, print};

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut take = |flag: &str| {
        let place = args.iter().position(|arg| arg == flag);
        place.map(|at| args.remove(at)).is_some()
    };
    let guru = take("-g");
    let human = take("--human");
    let inline = take("-e");
    if args.is_empty() {
        eprintln!("usage: parse [-g] [--human] (FILE | -e TEXT) [ARGUMENT...]");
        return ExitCode::FAILURE;
    }
    let first = args.remove(0);
    let (name, text) = if inline {
        ("<input>".to_owned(), first)
    } else {
        match std::fs::read(&first) {
            Ok(bytes) => (first, String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                eprintln!("{first}: {error}");
                return ExitCode::FAILURE;
            }
        }
    };
    let mut sources = SourceMap::new();
    let environment = Environment {
        guru,
        ..Environment::default()
    };
    let library = LibraryMacros::default();
    let (file, diagnostics) =
        parse_script(&mut sources, &name, text, &environment, &library, &args);
    let format = if human {
        ErrorFormat::Human
    } else {
        ErrorFormat::Stap
    };
    let renderer = Renderer {
        format,
        colors: None,
    };
    for diagnostic in &diagnostics {
        eprint!("{}", renderer.render(diagnostic, &sources));
    }
    print!("{}", print::file(&file));
    match diagnostics.iter().any(|diagnostic| diagnostic.is_error()) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
