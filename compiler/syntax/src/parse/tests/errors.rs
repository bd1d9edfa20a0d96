// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages, word for word as SystemTap 4.8 prints them unless a comment says otherwise.

use super::*;

#[track_caller]
fn messages(text: &str, args: &[&str]) -> String {
    let (_, messages) = parse_with(text, &Environment::default(), args);
    messages
}

/// Message and the line below it of the first error.
#[track_caller]
fn first(text: &str) -> String {
    let messages = messages(text, &[]);
    let mut lines = messages.lines();
    let message = lines
        .next()
        .unwrap_or("")
        .trim_start_matches("parse error: ");
    format!("{message} | {}", lines.next().unwrap_or("").trim())
}

#[test]
fn an_error_shows_its_place() {
    assert_eq!(
        messages("probe begin { x = ; }", &[]),
        "parse error: expected literal string or number\n\
        \x20       saw: operator ';' at <input>:1:19\n\
        \x20    source: probe begin { x = ; }\n\
        \x20                              ^\n\n"
    );
}

#[test]
fn macro_expansion_is_traced() {
    assert_eq!(
        messages(
            "@define foo(a) %( 1 + @a %) probe begin { x = @foo(;) }",
            &[]
        ),
        "parse error: expected literal string or number\n\
        \x20       saw: operator ';' at <input>:1:52\n\
        \x20    source: @define foo(a) %( 1 + @a %) probe begin { x = @foo(;) }\n\
        \x20                                                               ^\n\
        \tin expansion of macro: operator '@a' at <input>:1:23\n\
        \x20    source: @define foo(a) %( 1 + @a %) probe begin { x = @foo(;) }\n\
        \x20                                  ^\n\
        \tin expansion of macro: operator '@foo' at <input>:1:47\n\
        \x20    source: @define foo(a) %( 1 + @a %) probe begin { x = @foo(;) }\n\
        \x20                                                          ^\n\n"
    );
}

#[test]
fn arguments_are_blamed_where_they_are_pasted() {
    for (args, expected) in [
        (
            ["$2", "1"].as_slice(),
            "invalid nested substitution of command line arguments",
        ),
        (&[], "command line argument out of range [1-0]"),
    ] {
        assert_eq!(
            messages("probe begin { x = $1 }", args),
            format!(
                "parse error: {expected}\n         at: junk '' at <input>:1:19\n     \
                 source: probe begin {{ x = $1 }}\n                               ^\n\n"
            )
        );
    }
    let text = messages("probe begin { x = $1 }", &[")"]);
    assert!(
        text.contains("saw: operator ')' at <input>:1:19\n     source: probe"),
        "{text}"
    );
}

#[test]
fn every_item_reports_its_error() {
    let text = "global a probe begin { foo( } probe end { x = ] } probe error { y = ) } foo";
    assert_eq!(messages(text, &[]).matches("parse error:").count(), 3);
    let (file, _) = parse_with("probe a { ( } probe b { } 3", &guru(), &[]);
    assert_eq!(print::file(&file), "");
    let (file, _) = parse_with("probe a { ( } probe b { } global c", &guru(), &[]);
    assert_eq!(print::file(&file), "probe b {\n}\nglobal c\n");
}

#[test]
fn wording_follows_systemtap() {
    for (text, expected) in [
        (
            "probe begin { x = 1 ",
            "expected statement | saw: <input> EOF",
        ),
        ("probe begin { x = ", "expected value | saw: <input> EOF"),
        (
            "probe begin { /* x }",
            "expected statement | saw: <input> EOF",
        ),
        ("global a = ", "unexpected end-of-file | saw: <input> EOF"),
        (
            "probe 3 {}",
            "expected identifier or '*' or '{' | saw: number '3' at <input>:1:7",
        ),
        (
            "probe {}",
            "expected identifier or '*' or '{' | saw: operator '}' at <input>:1:8",
        ),
        (
            "foo bar",
            "expected 'probe', 'global', 'private', 'function', or '%{' | \
             saw: identifier 'foo' at <input>:1:1",
        ),
        (
            "probe begin { } }",
            "expected 'probe', 'global', 'private', 'function', or '%{' | \
             saw: operator '}' at <input>:1:17",
        ),
        (
            "probe begin { x = 99999999999999999999 }",
            "number invalid or out of range | saw: number '99999999999999999999' at <input>:1:19",
        ),
        (
            "probe begin { x = \"abc\n\" }",
            "Could not find matching closing quote | at: junk '' at <input>:1:19",
        ),
        (
            "probe begin { x = %{ 1 }",
            "Could not find matching '%}' to close embedded function block | \
             at: junk '' at <input>:1:19",
        ),
        (
            "probe begin { x = é }",
            "expected literal string or number | saw: junk '\\xc3' at <input>:1:19",
        ),
        (
            "function foo() %{ %} probe begin {}",
            "embedded code in unprivileged script; need stap -g | saw: embedded-code at <input>:1:16",
        ),
        (
            "probe begin { x = @const(\"x\") }",
            "using @const operator not permitted; need stap -g | saw: operator '@const' at <input>:1:19",
        ),
        (
            "global x = y",
            "expected literal string or number | saw: identifier 'y' at <input>:1:12",
        ),
        (
            "global x[3] = 4",
            "only scalar globals can be initialized | saw: operator '=' at <input>:1:13",
        ),
        (
            "global e[x]",
            "expected number | saw: identifier 'x' at <input>:1:10",
        ),
        (
            "probe begin { printf(x) }",
            "expected literal string | saw: identifier 'x' at <input>:1:22",
        ),
        (
            "probe begin { printf(\"%z\", 1) }",
            "invalid or missing conversion specifier | saw: operator ',' at <input>:1:26",
        ),
        (
            "probe begin { printf(\"%5\", 3) }",
            "trailing incomplete print format conversion | saw: operator ',' at <input>:1:26",
        ),
        (
            "probe begin { x = (1 }",
            "expected ')' | saw: operator '}' at <input>:1:22",
        ),
        (
            "probe begin { x[1 = 2 }",
            "expected one of '] ,' | saw: operator '}' at <input>:1:23",
        ),
        (
            "probe begin { foo(1 2) }",
            "expected one of ') ,' | saw: number '2' at <input>:1:21",
        ),
        (
            "probe begin { if x }",
            "expected '(' | saw: identifier 'x' at <input>:1:18",
        ),
        (
            "probe begin x=1",
            "expected one of ', { } = +=' | saw: identifier 'x' at <input>:1:13",
        ),
        (
            "probe foo * bar {}",
            "expected one of ', { } = +=' | saw: operator '*' at <input>:1:11",
        ),
        (
            "probe a = b, c = d {}",
            "expected probe point specifier | saw: operator '=' at <input>:1:16",
        ),
        (
            "probe a += b {} , { x=1 }",
            "Combined prologue and epilogue cannot be defined with '+=' | \
             saw: operator ',' at <input>:1:17",
        ),
        (
            "probe begin { a =~ b }",
            "expected literal string | saw: identifier 'b' at <input>:1:20",
        ),
        (
            "probe begin { x = a =~ \"b\" == 1 }",
            "expected literal string or number | saw: operator '==' at <input>:1:28",
        ),
        (
            "probe begin { x = [a,b]; y = 1 }",
            "unexpected comma-separated expression list | saw: operator ';' at <input>:1:24",
        ),
        (
            "probe begin { x = [a,*] in b in c }",
            "expected statement | saw: keyword at <input>:1:30",
        ),
        (
            "probe begin { x = 1 in 3 }",
            "expected identifier or statistical operation | saw: number '3' at <input>:1:24",
        ),
        (
            "probe begin { foreach (a in b @sum) {} }",
            "expected sort directive | saw: operator ')' at <input>:1:35",
        ),
        (
            "probe begin { foreach (a+ in b-) {} }",
            "multiple sort directives | saw: operator '-' at <input>:1:31",
        ),
        (
            "probe begin { foreach (a,b in c) {} }",
            "expected 'in' | saw: operator ',' at <input>:1:25",
        ),
        (
            "probe begin { foreach ([a.b] in c) {} }",
            "expected ',' or ']' | saw: operator '.' at <input>:1:26",
        ),
        (
            "probe begin { foreach (x in y z) {} }",
            "expected ')' | saw: identifier 'z' at <input>:1:31",
        ),
        (
            "probe begin { for (x=1) {} }",
            "expected ';' | saw: operator ')' at <input>:1:23",
        ),
        (
            "probe begin { return }",
            "found 'return' not in function context | saw: keyword at <input>:1:15",
        ),
        (
            "function f() :0 { }",
            "specified priority must be > 0 | saw: number '0' at <input>:1:15",
        ),
        (
            "private probe x {}",
            "expected 'function' or identifier | saw: keyword at <input>:1:9",
        ),
        (
            "function 3() {}",
            "expected identifier | saw: number '3' at <input>:1:10",
        ),
        (
            "function f(a) a+1",
            "expected '{' | saw: identifier 'a' at <input>:1:15",
        ),
        (
            "function f(a b) {}",
            "expected ',' or ')' | saw: identifier 'b' at <input>:1:14",
        ),
        (
            "function f(a:int) {}",
            "expected 'string' or 'long' | saw: identifier 'int' at <input>:1:14",
        ),
        (
            "probe begin { x = @foo(3) }",
            "unknown operator @foo | saw: operator '@foo' at <input>:1:19",
        ),
        (
            "probe begin { x = @cast(3, foo) }",
            "expected string | saw: identifier 'foo' at <input>:1:28",
        ),
        (
            "probe begin { x = a-> }",
            "expected identifier or keyword | saw: operator '}' at <input>:1:23",
        ),
        (
            "probe begin { x = $a->b$->c }",
            "-> and [ are not accepted for a pretty-printing variable | saw: operator '->' at <input>:1:25",
        ),
        (
            "probe begin { try { } x }",
            "expected 'catch' | saw: identifier 'x' at <input>:1:23",
        ),
        (
            "probe begin { else x }",
            "expected statement | saw: keyword at <input>:1:15",
        ),
        (
            "probe begin { x = a ? b }",
            "expected ':' | saw: operator '}' at <input>:1:25",
        ),
        // The preprocessor's own.
        (
            "probe begin { x %) }",
            "incomplete conditional - missing '%(' | at: operator '%)' at <input>:1:17",
        ),
        (
            "probe begin { %( 1 == 1 %? x }",
            "incomplete conditional at end of file | at: operator '%(' at <input>:1:15",
        ),
        (
            "probe begin { %( kernel_v == 3 %? x %) }",
            "expected string literal | at: number '3' at <input>:1:30",
        ),
        (
            "@define foo %( 1 %) @define foo %( 2 %) probe begin { x = @foo }",
            "attempt to redefine macro '@foo' in the same file | at: identifier 'foo' at <input>:1:29",
        ),
        (
            "@define foo(a,b) %( 1 %) probe begin { x = @foo(1) }",
            "too few parameters for macro '@foo' (expected 2) | at: operator ')' at <input>:1:50",
        ),
        (
            "@define foo(a,b) %( 1 %) probe begin { x = @foo }",
            "expected '(' in invocation of macro '@foo' taking 2 parameters | at: operator '}' at <input>:1:49",
        ),
        (
            "@define foo 3 probe begin { }",
            "expected '%(' or '(' | at: number '3' at <input>:1:13",
        ),
        (
            "@define 3 %( 1 %) probe begin { }",
            "expected identifier | at: number '3' at <input>:1:9",
        ),
        (
            "@define foo %( 1 probe begin { }",
            "incomplete macro definition - missing '%)' | at: identifier 'foo' at <input>:1:9",
        ),
    ] {
        assert_eq!(first(text), expected, "{text}");
    }
}
