// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::span::{Expansion, ExpansionKind, SourceMap};

fn stap(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    Renderer::default().render(diagnostic, sources)
}

fn source(text: &str) -> (SourceMap, impl Fn(&str) -> Span + use<>) {
    let mut sources = SourceMap::new();
    let file = sources.add("<input>", text);
    let text = text.to_owned();
    let find = move |part: &str| {
        let start = text.find(part).unwrap_or(0) as u32;
        Span::new(file, start, start + part.len() as u32)
    };
    (sources, find)
}

#[test]
fn parse_error_in_stap_words() {
    let (sources, find) = source("probe begin { x = ; }");
    let diagnostic =
        Diagnostic::parse_error("E0101", "expected literal string or number", find(";"));
    assert_eq!(
        stap(&diagnostic, &sources),
        "parse error: expected literal string or number\n\
        \x20       saw: operator ';' at <input>:1:19\n\
        \x20    source: probe begin { x = ; }\n\
        \x20                              ^\n\n"
    );
}

#[test]
fn semantic_error_with_cause_in_stap_words() {
    let (sources, find) = source("probe kernel.function(\"vfs_reads\") { println($foo) }");
    let diagnostic = Diagnostic::semantic_error("E0201", "while resolving probe point")
        .at(find("kernel"))
        .caused_by(Diagnostic::semantic_error(
            "E0202",
            "no match (similar functions: vfs_read, vfs_readv)",
        ));
    assert_eq!(
        stap(&diagnostic, &sources),
        "semantic error: while resolving probe point: identifier 'kernel' at <input>:1:7\n\
        \x20       source: probe kernel.function(\"vfs_reads\") { println($foo) }\n\
        \x20                     ^\n\n\
        semantic error: no match (similar functions: vfs_read, vfs_readv)\n\n"
    );
}

#[test]
fn warning_in_stap_words() {
    let (sources, find) = source("probe begin {}");
    let diagnostic =
        Diagnostic::warning("W0301", "Probe 'begin' has been elided").at(find("probe"));
    assert_eq!(
        stap(&diagnostic, &sources),
        "WARNING: Probe 'begin' has been elided: keyword at <input>:1:1\n \
        source: probe begin {}\n         ^\n"
    );
}

#[test]
fn human_shows_labels_notes_hints_and_expansion() {
    let (mut sources, find) = source("probe begin { x = 1 }\nprobe end { x = @s }");
    let call = sources.add_expansion(Expansion {
        kind: ExpansionKind::Macro,
        name: "@s".into(),
        call: find("@s"),
    });
    let primary = Span {
        expansion: call,
        ..find("1")
    };
    let diagnostic = Diagnostic::semantic_error("E0210", "type mismatch (long)")
        .at(primary)
        .label(find("x"), "type was first inferred here (string)")
        .note("variables have one type")
        .hint("use another name");
    let human = Renderer {
        format: ErrorFormat::Human,
        colors: None,
    };
    assert_eq!(
        human.render(&diagnostic, &sources),
        "error[E0210]: type mismatch (long)\n \
        --> <input>:1:19\n\
        1 | probe begin { x = 1 }\n  \
          |                   ^\n \
        ::: <input>:2:17\n\
        2 | probe end { x = @s }\n  \
          |                 -- in the expansion of @s\n \
        ::: <input>:1:15\n\
        1 | probe begin { x = 1 }\n  \
          |               - type was first inferred here (string)\n  \
          = note: variables have one type\n  \
          = help: use another name\n"
    );
}

#[test]
fn json_is_one_line() {
    let (sources, find) = source("probe begin {}");
    let json = Renderer {
        format: ErrorFormat::Json,
        colors: None,
    };
    let diagnostic = Diagnostic::warning("W0301", "say \"x\"\n")
        .at(find("probe"))
        .hint("h");
    assert_eq!(
        json.render(&diagnostic, &sources),
        "{\"code\":\"W0301\",\"severity\":\"warning\",\"category\":\"semantic\",\
        \"message\":\"say \\\"x\\\"\\n\",\"span\":{\"file\":\"<input>\",\"line\":1,\"column\":1,\
        \"end_line\":1,\"end_column\":6,\"start\":0,\"end\":5,\"expansion\":[]},\"labels\":[],\
        \"notes\":[],\"hints\":[\"h\"],\"causes\":[]}\n"
    );
}

#[test]
fn colours_wrap_words() {
    let (sources, find) = source("probe begin {}");
    let renderer = Renderer {
        format: ErrorFormat::Stap,
        colors: Some(Colors::default()),
    };
    let text = renderer.render(
        &Diagnostic::parse_error("E0101", "m", find("begin")),
        &sources,
    );
    assert!(
        text.starts_with("\x1b[01;31mparse error\x1b[m\x1b[K: m\n"),
        "{text}"
    );
    assert_eq!(Colors::parse("error=1:nonsense=2"), None);
    assert_eq!(Colors::parse("error=x"), None);
    assert!(Colors::parse("error=04;31").is_some());
}
