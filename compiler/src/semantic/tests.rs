// SPDX-License-Identifier: GPL-2.0-or-later
//! Nothing that parses makes passes 2 and 3 panic, hang or exhaust the stack.

use std::path::{Path, PathBuf};

use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, LibraryMacros};

use super::analyze::analyze;
use super::points::tests::NoLibrary;
use super::session::{SemanticOptions, Session};
use crate::target::FixtureTarget;
use crate::{codegen, ir};

/// What became of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It has a C file.
    Translated,
    /// It has messages.
    Refused,
}

/// Passes 1 to 3. Panics where the compiler does, and when pass 3 refuses what pass 2 made.
fn translate(text: &str) -> Outcome {
    let target = FixtureTarget::with_vfs_read();
    let environment = Environment {
        guru: true,
        ..Environment::default()
    };
    let mut sources = SourceMap::new();
    let macros = LibraryMacros::default();
    let (file, problems) =
        rstap_syntax::parse_script(&mut sources, "<input>", text, &environment, &macros, &[]);
    if problems.iter().any(|problem| problem.is_error()) {
        return Outcome::Refused;
    }
    let options = SemanticOptions {
        guru: true,
        ..SemanticOptions::default()
    };
    let session = Session::new(&target, &NoLibrary, options, sources);
    session.add_user_file(file);
    let Some(program) = analyze(&session, "input") else {
        assert!(session.has_errors(), "refused without a message: {text}");
        return Outcome::Refused;
    };
    let verified = ir::verify::verify(&program);
    assert!(verified.is_ok(), "{verified:?} in {text}");
    let generated = codegen::generate(&program);
    assert!(generated.is_ok(), "{:?} in {text}", generated.err());
    Outcome::Translated
}

/// Runs with the stack that the program has.
fn survive(text: &str) -> Outcome {
    let owned = text.to_owned();
    let thread = std::thread::Builder::new()
        .stack_size(crate::program::STACK_SIZE)
        .spawn(move || translate(&owned));
    match thread.map(|thread| thread.join()) {
        Ok(Ok(outcome)) => outcome,
        _ => panic!("{}", text.chars().take(3000).collect::<String>()),
    }
}

/// The scripts of the tests that run on a kernel.
fn scripts() -> Vec<String> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "stp") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/run"),
        &mut paths,
    );
    paths.sort();
    paths
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        // A file may hold several scripts.
        .map(|text| text.replace("\n//// ", "\n\0// "))
        .flat_map(|text| text.split('\0').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Words, numbers, strings and single characters; comments are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || "_$@".contains(first) {
                rest.find(|c: char| !c.is_alphanumeric() && !"_$@".contains(c))
            } else if first == '"' {
                rest.get(1..)
                    .and_then(|inner| inner.find('"'))
                    .map(|at| at + 2)
            } else {
                Some(first.len_utf8())
            };
            let (token, after) = rest.split_at(length.unwrap_or(rest.len()).min(rest.len()));
            if !token.trim().is_empty() {
                found.push(token.to_owned());
            }
            rest = after;
        }
        found.push("\n".to_owned());
    }
    found
}

/// A generator of numbers that are the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// What scripts call from the library, in short.
const LIBRARY: &str = r#"
function exit() { printf("") }
function error(why) { println(why) }
function strlen:long(s:string) { return 1 }
function substr:string(s:string, start:long, length:long) { return s }
function matched:string(n:long) { return "" }
function ngroups:long() { return 1 }
function pid:long() { return 1 }
function pp:string() { return "" }
function pn:string() { return "" }
"#;

/// Joins tokens so that those of one operator stay together.
fn join(tokens: &[String]) -> String {
    let mut text = String::new();
    for token in tokens {
        let is_word = |c: char| c.is_alphanumeric() || "_$@\"".contains(c);
        if text.ends_with(is_word) && token.starts_with(is_word) {
            text.push(' ');
        }
        text.push_str(token);
    }
    text
}

#[test]
fn changed_scripts_are_translated_or_refused() {
    let scripts: Vec<Vec<String>> = scripts()
        .iter()
        .filter(|text| text.len() < 2000 && !text.contains("%{"))
        .map(|text| tokens(text))
        .filter(|tokens| tokens.len() > 10)
        .collect();
    assert!(scripts.len() > 40);
    // For long runs by hand.
    let setting = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let mut random = Random(setting("RSTAP_FUZZ_SEED").unwrap_or(7));
    let mut translated = 0;
    for _ in 0..setting("RSTAP_FUZZ_ROUNDS").unwrap_or(600) {
        let mut script = scripts[random.below(scripts.len())].clone();
        let other = &scripts[random.below(scripts.len())];
        for _ in 0..=random.below(3) / 2 {
            let at = random.below(script.len());
            match random.below(4) {
                0 => {
                    script.remove(at);
                }
                1 => script.insert(at, other[random.below(other.len())].clone()),
                2 => script[at] = other[random.below(other.len())].clone(),
                _ => {
                    let with = random.below(script.len());
                    script.swap(at, with);
                }
            }
            if script.is_empty() {
                break;
            }
        }
        translated +=
            usize::from(survive(&format!("{LIBRARY}{}", join(&script))) == Outcome::Translated);
    }
    // Otherwise the changes test the parser alone.
    assert!(translated > 30, "{translated}");
}

#[test]
fn deep_and_long_scripts_are_translated_or_refused() {
    let many = |count: usize, text: &str| text.repeat(count);
    for text in [
        format!(
            "probe begin {{ x = 1 println({}x{}) }}",
            many(100, "-("),
            many(100, ")")
        ),
        format!("probe begin {{ x = 1 println(x{}) }}", many(3000, " + x")),
        format!(
            "probe begin {{ s = \"a\" println(s{}) }}",
            many(500, " . s")
        ),
        format!("probe begin {{ {} println(1) }}", many(80, "if (pid_) ")),
        format!("probe begin {{ {} x++ println(x) }}", many(80, "for (;;) ")),
        format!(
            "probe begin {{ {} println(1) {} }}",
            many(60, "try { "),
            many(60, "} catch { println(2) }")
        ),
        format!("probe begin {{ {} println(x) }}", many(4000, "x = x + 1\n")),
        format!(
            "probe begin {{ println(0{}) }}",
            many(90, " ? 1 : (0") + &many(90, ")")
        ),
        format!(
            "{} probe begin {{ f(1) }}",
            many(300, "function f(x) { next }\n")
        ),
        (1..400).fold("function f0(x) { return x }\n".to_owned(), |text, n| {
            format!("{text}function f{n}(x) {{ return f{}(x) + 1 }}\n", n - 1)
        }) + "probe begin { println(f399(1)) }",
        (1..150).fold("function f0(x) { return x }\n".to_owned(), |text, n| {
            format!(
                "{text}function f{n}(x) {{ return f{0}(x) + f{0}(x) }}\n",
                n - 1
            )
        }) + "probe begin { println(f149(1)) }",
        (1..150).fold("probe a0 = begin { v0 = 1 }\n".to_owned(), |text, n| {
            format!("{text}probe a{n} = a{} {{ v{n} = 1 }}\n", n - 1)
        }) + "probe a149 { println(v0) }",
        "probe a = b { } probe b = a { } probe a { println(1) }".to_owned(),
        (1..40).fold("probe a0 = begin, end { }\n".to_owned(), |text, n| {
            format!("{text}probe a{n} = a{0}, a{0} {{ }}\n", n - 1)
        }) + "probe a39 { println(1) }",
        "probe a = a.* { } probe a.* { println(1) }".to_owned(),
        "function f(x) { return g(x) } function g(x) { return f(x) } probe begin { println(f(1)) }"
            .to_owned(),
        "global a probe begin { a[a[a[a[1]]]] = a[a[1]]++ println(a[1]) }".to_owned(),
        format!(
            "probe begin {{ println(\"{}\" =~ \"{}\") }}",
            many(400, "a"),
            many(300, "(a|b)*")
        ),
        format!(
            "probe begin {{ println(\"x\" =~ \"{}x{}\") }}",
            many(2000, "("),
            many(2000, ")")
        ),
        "probe begin { println(\"x\" =~ \"((a{1,50}){1,50}){1,50}\") }".to_owned(),
    ] {
        survive(&text);
    }
}
