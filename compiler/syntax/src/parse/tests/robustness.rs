// SPDX-License-Identifier: GPL-2.0-or-later
//! Nothing that a file can hold makes the parser panic, hang or exhaust its stack.

use super::samples::SAMPLES;
use super::*;

/// Parses on a stack as small as a thread's, prints what came out and drops it.
fn survive(text: String) {
    let work = move || {
        let (file, messages) = parse_with(&text, &guru(), &["$1", "x ( \"", "@1 %("]);
        (print::file(&file).len(), messages.len())
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work);
    let survived = thread.map(|thread| thread.join().is_ok());
    assert!(matches!(survived, Ok(true)));
}

#[test]
fn deep_nesting_is_refused() {
    let deep = 20_000;
    let repeat = |text: &str| text.repeat(deep);
    for text in [
        format!("probe begin {{ x = {}1{} }}", repeat("("), repeat(")")),
        format!("probe begin {{ x = {}", repeat("(")),
        format!("probe begin {}{}", repeat("{"), repeat("}")),
        format!("probe begin {{ x = {}1 }}", repeat("- ")),
        format!("probe begin {{ x = {}1 }}", repeat("a = ")),
        format!(
            "probe begin {{ x = {}1{} }}",
            repeat("a ? "),
            repeat(" : 2")
        ),
        format!("probe begin {{ x = {}1 }}", repeat("a ? 1 : ")),
        format!("probe begin {{ x = 1{} }}", repeat(" + 1")),
        format!("probe begin {{ x = a{} }}", repeat("[1")),
        format!("probe begin {{ x = a{} }}", repeat("->b")),
        format!("probe begin {{ x = f{} }}", repeat("(f")),
        format!("probe begin {{ {} x }}", repeat("if (a) ")),
        format!("probe begin {{ if (a) b {} }}", repeat("else if (a) b ")),
        format!("probe begin {{ if (a) b {} }}", repeat("else while (a) ")),
        format!("probe begin {{ {} x }}", repeat("for (;;) while (1) ")),
        format!("probe begin {{ {}", repeat("try { ")),
        format!("probe {} {{ }}", repeat("{a,")),
        format!("probe a{} {{ }}", repeat(".{b,c}")),
        repeat("%( 1 == 1 %? "),
        repeat("@define a %( "),
        repeat("@a(") + "@define a(x) %( @x %)",
        "@define a %( @a @a %) probe begin { @a }".to_owned(),
        "@define a(x) %( @a(@x @x) %) probe begin { @a(1) }".to_owned(),
        (1..60).fold("@define m0 %( 1 + %) ".to_owned(), |text, n| {
            format!("{text} @define m{n} %( @m{0} @m{0} %) ", n - 1)
        }) + "probe begin { @m59 1 }",
        (1..60).fold("@define m0 %( %) ".to_owned(), |text, n| {
            format!("{text} @define m{n} %( @m{0} @m{0} %) ", n - 1)
        }) + "probe begin { @m59 1 }",
    ] {
        survive(text);
    }
}

/// Within the nesting limit, so that only the grammar's own care bounds the time.
#[test]
fn errors_in_nested_code_take_no_exponential_time() {
    for (open, inside) in [
        ("f(", ""),
        ("a[", ""),
        ("(", ""),
        ("f(a[", "1"),
        ("a + (", ""),
        ("- (", ")"),
        ("a ? (", "b"),
        ("return (", ""),
        ("{", ""),
        ("@count(", ""),
        ("@cast(", ""),
        ("if (a) { } else if (b) { ", "("),
        ("if (a) { } else { ", "("),
        ("while (f(", ""),
        ("foreach (a in b) { ", ""),
        ("try { ", ""),
        ("printf(\"\", ", ""),
        ("[a, ", ""),
        ("&f(", ""),
    ] {
        survive(format!("function f() {{ {}{inside}", open.repeat(60)));
        survive(format!("function f() {{ {}{inside} }}", open.repeat(60)));
    }
    survive(format!("probe {}", "{a.".repeat(60)));
    survive(format!("probe {} {{ }}", "{a, b.".repeat(60)));
    survive("probe a { ".repeat(5000));
    survive("x ".repeat(50_000));
}

#[test]
fn moderate_nesting_is_accepted() {
    parse(&format!(
        "probe begin {{ x = {}1{} }}",
        "(".repeat(200),
        ")".repeat(200)
    ));
    parse(&format!("probe begin {{ x = 1{} }}", " + 1".repeat(800)));
    parse(&format!(
        "probe begin {{ if (a) b {} }}",
        "else if (a) { b } ".repeat(800)
    ));
    parse(&format!(
        "probe begin {{ {} }}",
        "if (a) b = c ? 1 : 2\n".repeat(3000)
    ));
    parse(&format!(
        "probe begin {{ {} }}",
        "x = a . \"b\" ; ".repeat(3000)
    ));
}

/// Steele's splitmix: a fixed sequence, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}

#[test]
fn mutated_scripts_do_no_harm() {
    const PIECES: [&str; 36] = [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "%(",
        "%?",
        "%:",
        "%)",
        "%{",
        "%}",
        "@define ",
        "@a",
        "$1",
        "@1",
        "$#",
        "\"",
        "\\",
        "'",
        "é",
        "\u{0}",
        "if ",
        "else ",
        "probe ",
        "foreach ",
        " in ",
        "?",
        ":",
        "=",
        "0x",
        "99999999999999999999",
        "/*",
        "->",
        "++",
        "\n",
    ];
    let mut random = Random(1);
    for round in 0..2500 {
        let sample = SAMPLES.get(round % SAMPLES.len()).copied().unwrap_or("");
        let mut text: Vec<char> = sample.chars().collect();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len() + 1);
            match random.below(4) {
                0 => {
                    let end = (at + random.below(8)).min(text.len());
                    text.drain(at..end);
                }
                1 => {
                    let piece = PIECES
                        .get(random.below(PIECES.len()))
                        .copied()
                        .unwrap_or("");
                    text.splice(at..at, piece.chars());
                }
                2 => {
                    let other = SAMPLES
                        .get(random.below(SAMPLES.len()))
                        .copied()
                        .unwrap_or("");
                    let from = random.below(other.len());
                    let part: Vec<char> = other.chars().skip(from).take(20).collect();
                    text.splice(at..at, part);
                }
                _ => {
                    let other = random.below(text.len());
                    if at < text.len() && other < text.len() {
                        text.swap(at, other);
                    }
                }
            }
        }
        let text: String = text.into_iter().collect();
        let (file, messages) = parse_with(&text, &guru(), &["1", "$1"]);
        if messages.is_empty() {
            // What parses, prints to what parses to the same tree.
            let printed = print::file(&file);
            let (again, messages) = parse_with(&printed, &guru(), &[]);
            assert_eq!(messages, "", "{text}\n{printed}");
            assert_eq!(shape(&file), shape(&again), "{text}\n{printed}");
        }
        let _ = crate::scan_names(&text);
    }
}
