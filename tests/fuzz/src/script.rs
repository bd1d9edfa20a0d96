// SPDX-License-Identifier: GPL-2.0-or-later
//! Scripts: passes 1 to 3 without a kernel.

use rstap::library::TapsetLibrary;
use rstap::semantic::analyze::analyze;
use rstap::semantic::session::{SemanticOptions, Session};
use rstap::target::FixtureTarget;
use rstap::{codegen, ir};
use rstap_debuginfo::{AggregateKind, Encoding};
use rstap_syntax::ast::File;
use rstap_syntax::diag::{Diagnostic, ErrorFormat, Renderer};
use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, LibraryMacros, parse_library_macros, parse_script, print};
use tempfile::TempDir;

/// What scripts call, in short: the real library's functions read kernel data.
const TAPSET: &str = r#"
global held
function exit() %{ /* unprivileged */ STAP_RETURN(); %}
function error(why) %{ STAP_ERROR("%s", STAP_ARG_why); %}
function strlen:long(s:string) { return 1 }
function substr:string(s:string, start:long, length:long) { return s }
function matched:string(n:long) { return "" }
function ngroups:long() { return 1 }
function pid:long() %{ /* pure */ STAP_RETURN(1); %}
function execname:string() { return "a" }
function pp:string() { return "" }
function pn:string() { return "" }
function user_string:string(a) { return "x" }
function kernel_string:string(a) { held++ return "x" }
probe vfs.read = kernel.function("vfs_read") { file = $file bytes = $count name = "read" }
probe vfs.read.return = kernel.function("vfs_read").return { bytes = $return ret = $return }
probe vfs.any = vfs.read !, never { } , { held = 0 }
probe syscall.a = vfs.read ? { argstr = sprintf("%p", $file) }
probe syscall.b = timer.s(1) { argstr = "" }
"#;

/// Macros of a library.
const MACROS: &str = "@define twice(x) %( (2 * (@x)) %) @define entry_of(x) %( @entry(@x) %)";

fn library_folder() -> TempDir {
    let folder = TempDir::new().expect("a folder for the tapset");
    std::fs::write(folder.path().join("library.stp"), TAPSET).expect("a tapset file");
    std::fs::write(folder.path().join("library.stpm"), MACROS).expect("a macro file");
    folder
}

thread_local! {
    // Not a static of the process: such a one is never dropped, and the folder would stay.
    static LIBRARY_FOLDER: TempDir = library_folder();
}

fn guru(tapset: bool) -> Environment<'static> {
    Environment {
        guru: true,
        tapset,
        config: Box::new(|name| (name == "CONFIG_SMP").then(|| "y".to_owned())),
        ..Environment::default()
    }
}

fn arguments() -> Vec<String> {
    ["7", "a \"b\"", "$1 x ("].map(str::to_owned).to_vec()
}

/// Shows messages in all formats.
fn render(messages: &[Diagnostic], sources: &SourceMap) {
    for format in [ErrorFormat::Stap, ErrorFormat::Human, ErrorFormat::Json] {
        let renderer = Renderer {
            format,
            colors: None,
        };
        for message in messages {
            let text = renderer.render(message, sources);
            assert!(!text.is_empty(), "{message:?}");
        }
    }
}

fn parse_text(text: &str) -> (SourceMap, File, Vec<Diagnostic>) {
    let mut sources = SourceMap::new();
    let mut macros = LibraryMacros::default();
    parse_library_macros(&mut sources, "m.stpm", MACROS, &guru(true), &mut macros);
    let environment = guru(false);
    let (file, messages) = parse_script(
        &mut sources,
        "<input>",
        text,
        &environment,
        &macros,
        &arguments(),
    );
    (sources, file, messages)
}

/// Pass 1, messages, and what parses must print to what parses to the same tree.
pub fn parse(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = rstap_syntax::scan_names(&text);
    let mut sources = SourceMap::new();
    let mut macros = LibraryMacros::default();
    let messages = parse_library_macros(&mut sources, "m.stpm", &text, &guru(true), &mut macros);
    render(&messages, &sources);

    let (sources, file, messages) = parse_text(&text);
    render(&messages, &sources);
    let printed = print::file(&file);
    if messages.iter().any(Diagnostic::is_error) {
        return;
    }
    let (sources, again, messages) = parse_text(&printed);
    if messages.iter().any(Diagnostic::is_error) {
        let texts: String = messages
            .iter()
            .map(|message| Renderer::default().render(message, &sources))
            .collect();
        panic!("printed text does not parse:\n{texts}\n{text}\n{printed}");
    }
    assert_eq!(
        print::shape(&file),
        print::shape(&again),
        "{text}\n{printed}"
    );
}

/// A small kernel.
fn kernel() -> FixtureTarget {
    let mut target = FixtureTarget::new();
    let long = target.base("long int", 8, Encoding::Signed);
    let int = target.base("int", 4, Encoding::Signed);
    let byte = target.base("char", 1, Encoding::SignedChar);
    let text = target.pointer(byte);
    let array = target.array(int, 4);
    let inode = target.aggregate(
        AggregateKind::Struct,
        "inode",
        24,
        &[("i_mode", int, 0, None), ("i_ino", long, 8, None)],
    );
    let inode_pointer = target.pointer(inode);
    let file = target.aggregate(
        AggregateKind::Struct,
        "file",
        40,
        &[
            ("f_inode", inode_pointer, 0, None),
            ("name", text, 8, None),
            ("slots", array, 16, None),
            ("f_flags", int, 32, None),
        ],
    );
    let file_pointer = target.pointer(file);
    let parameters = [("file", file_pointer), ("buf", text), ("count", long)];
    target.add_function("vfs_read", ("fs/read_write.c", 450), long, &parameters);
    target.add_function("vfs_write", ("fs/read_write.c", 570), long, &parameters);
    target
}

/// Passes 1 to 3. A refusal needs a message; what pass 2 made, pass 3 must accept.
pub fn translate(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let target = kernel();
    let mut sources = SourceMap::new();
    let roots = [LIBRARY_FOLDER.with(|folder| folder.path().to_owned())];
    let library = TapsetLibrary::open(&roots, guru(true), &mut sources);
    let (file, messages) = parse_script(
        &mut sources,
        "<input>",
        text.as_ref(),
        &guru(false),
        library.macros(),
        &arguments(),
    );
    if messages.iter().any(Diagnostic::is_error) {
        return;
    }
    let options = SemanticOptions {
        guru: true,
        ..SemanticOptions::default()
    };
    let session = Session::new(&target, &library, options, sources);
    session.add_user_file(file);
    let program = analyze(&session, "input");
    let has_errors = session.has_errors();
    render(&session.take_diagnostics(), &session.sources.borrow());
    let Some(program) = program else {
        assert!(has_errors, "refused without a message: {text}");
        return;
    };
    let _ = ir::print::print(&program);
    if let Err(problem) = ir::verify::verify(&program) {
        panic!("{problem:?} in {text}");
    }
    if let Err(problem) = codegen::generate(&program) {
        panic!("{problem:?} in {text}");
    }
}
