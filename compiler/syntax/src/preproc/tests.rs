// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::environment::Privilege;

fn world() -> Environment<'static> {
    Environment {
        kernel_release: "6.1.0-56-cloud-amd64".to_owned(),
        guru: true,
        privilege: Privilege::System,
        config: Box::new(|name| {
            let value = match name {
                "CONFIG_SMP" | "CONFIG_MODULES" => "y",
                "CONFIG_EXT4_FS" => "m",
                "CONFIG_HZ" => "250",
                _ => return None,
            };
            Some(value.to_owned())
        }),
        ..Environment::default()
    }
}

/// Texts of the tokens, joined by blanks; messages behind a `!`.
fn expand_with(text: &str, library: &LibraryMacros, sources: &mut SourceMap) -> String {
    let file = sources.add("<input>", text);
    let out = preprocess(
        sources,
        file,
        &world(),
        library,
        &["7".to_owned(), "b c".to_owned()],
    );
    let words = out
        .tokens
        .iter()
        .map(|token| sources.text(token.span).to_owned());
    let errors = out
        .diagnostics
        .iter()
        .map(|diagnostic| format!("!{}", diagnostic.message));
    words.chain(errors).collect::<Vec<_>>().join(" ")
}

fn expand(text: &str) -> String {
    expand_with(text, &LibraryMacros::default(), &mut SourceMap::new())
}

#[test]
fn tokens_are_the_longest_that_match() {
    for (text, expected) in [
        ("a<<<b>>>c<<=d>>=e", "a <<< b >>> c <<= d >>= e"),
        ("a==b!=c<=d>=e=~f!~g", "a == b != c <= d >= e =~ f !~ g"),
        (
            "a+=b-=c*=d/=e%=f&=g^=h|=i.=j",
            "a += b -= c *= d /= e %= f &= g ^= h |= i .= j",
        ),
        (
            "a&&b||c++d--e->f<<g>>h",
            "a && b || c ++ d -- e -> f << g >> h",
        ),
        ("a # b\nc // d\ne /* f\n */ g", "a c e g"),
        ("$a $$b a$b @cast _x9 0x1fz", "$a $$b a$b @cast _x9 0x1fz"),
        (
            "\"a # b\" \"c\\\"d\" %{ x } \" %}",
            "\"a # b\" \"c\\\"d\" %{ x } \" %}",
        ),
        ("/**/a/***/b", "a b"),
    ] {
        assert_eq!(expand(text), expected, "{text}");
    }
}

#[test]
fn conditions_ask_about_the_world() {
    for (condition, expected) in [
        ("kernel_v == \"6.1.0\"", true),
        ("kernel_v >= \"6.1\" && kernel_v < \"6.12\"", true),
        ("kernel_v > \"6.1.0-1\"", false),
        ("kernel_vr == \"6.1.0-56-cloud-amd64\"", true),
        ("kernel_vr == \"*cloud*\"", true),
        ("kernel_vr != \"*.el[78].*\"", true),
        ("systemtap_v >= \"4.8\"", true),
        ("systemtap_v < \"5.6\"", false),
        ("arch == \"x86_64\"", true),
        ("arch != \"i?86\"", true),
        ("runtime == \"kernel\"", true),
        ("systemtap_privilege == \"stapsys\"", true),
        ("guru_mode == 1", true),
        ("guru_mode == 0", false),
        ("CONFIG_SMP == \"y\"", true),
        ("CONFIG_EXT4_FS == \"[ym]\"", true),
        ("CONFIG_UNSET == \"\"", true),
        ("CONFIG_UNSET != \"y\"", true),
        ("CONFIG_HZ == 250", true),
        ("CONFIG_HZ < 1000", true),
        ("CONFIG_SMP == CONFIG_MODULES", true),
        ("CONFIG_SMP == CONFIG_UNSET", false),
        ("\"a\" < \"b\"", true),
        ("0x10 == 16", true),
        ("1 == 2 || 1 == 1", true),
        ("1 == 1 || 1 == 1 && 1 == 2", true),
        ("1 == 2 && 1 == 1 || 1 == 2", false),
        ("$1 == 7", true),
        ("@2 == \"b c\"", true),
        ("$# > 1", true),
        ("CONFIG_SMP > CONFIG_MODULES", false),
    ] {
        let text = format!("%( {condition} %? yes %: no %)");
        assert_eq!(
            expand(&text),
            if expected { "yes" } else { "no" },
            "{condition}"
        );
    }
}

#[test]
fn conditionals_nest_and_may_lack_an_else() {
    assert_eq!(expand("a %( 1 == 2 %? b %) c"), "a c");
    assert_eq!(
        expand("%( 1 == 1 %? %( 1 == 2 %? a %: b %) %: %( 1 == 1 %? c %) %)"),
        "b"
    );
    assert_eq!(expand("@define m %( 1 == 1 %) %( @m %? a %: b %)"), "a");
    // A branch that is not taken defines nothing.
    assert_eq!(
        expand("%( 1 == 2 %? @define m %( a %) %: @define m %( b %) %) @m"),
        "b"
    );
}

#[test]
fn conditions_with_errors_are_left_out() {
    for (condition, message) in [
        ("foo == \"x\"", "expected 'arch'"),
        ("1 ==", "expected 'arch'"),
        ("1 == 1 foo", "expected '%?', '&&' or '||'"),
        ("1 = 1", "expected comparison operator"),
        ("arch < \"x\"", "expected '==' or '!='"),
        ("kernel_v == 3", "expected string literal"),
        ("guru_mode == \"x\"", "expected number"),
    ] {
        let out = expand(&format!("a %( {condition} %? b %: c %) d"));
        assert!(
            out.starts_with(&format!("a d !{message}")),
            "{condition}: {out}"
        );
    }
}

#[test]
fn macros_take_closures() {
    for (text, expected) in [
        ("@define m %( a b %) @m @m", "a b a b"),
        ("@define m() %( a %) @m()", "a"),
        ("@define m(x) %( (@x) %) @m(1, 2)", "!"),
        (
            "@define m(x, y) %( @y @x %) @m(f(1, 2), a[3, 4])",
            "a [ 3 , 4 ] f ( 1 , 2 )",
        ),
        ("@define m(x) %( @x + @x %) @m()", "+"),
        // An argument means what it meant at the call.
        (
            "@define inner(x) %( [ @x ] %) @define out(x) %( @inner(@x . 1) %) @out(a)",
            "[ a . 1 ]",
        ),
        ("@define a %( 1 %) @define m(a) %( @a %) @m(@a)", "1"),
        ("@define m %( $1 %) @m", "7"),
        ("@unknown(x)", "@unknown ( x )"),
        (
            "@define m(x) %( %( @x == 1 %? a %: b %) %) @m(1) @m(2)",
            "a b",
        ),
    ] {
        let out = expand(text);
        if expected == "!" {
            assert!(
                out.contains("too many parameters for macro '@m' (expected 1)"),
                "{out}"
            );
        } else {
            assert_eq!(out, expected, "{text}");
        }
    }
}

#[test]
fn spans_remember_the_chain_of_expansions() {
    let mut sources = SourceMap::new();
    let text = "@define inner(x) %( @x %) @define out %( @inner(z) $1 %) @out";
    assert_eq!(
        expand_with(text, &LibraryMacros::default(), &mut sources),
        "z 7"
    );
    let file = sources.add("<again>", text);
    let out = preprocess(
        &mut sources,
        file,
        &world(),
        &LibraryMacros::default(),
        &["7".to_owned()],
    );
    let chain = |index: usize| -> Vec<String> {
        let span = out.tokens[index].span;
        sources
            .expansion_chain(span)
            .map(|step| step.name.to_string())
            .collect()
    };
    assert_eq!(chain(0), ["@x", "@inner", "@out"]);
    assert_eq!(chain(1), ["$1", "@out"]);
}

#[test]
fn library_macros_are_for_all_files() {
    let mut sources = SourceMap::new();
    let mut library = LibraryMacros::default();
    let text = "@define lib(x) %( lib @x %) %( arch == \"x86_64\" %? @define here %( yes %) %)";
    let messages = parse_library_macros(&mut sources, "a.stpm", text, &world(), &mut library);
    assert_eq!(messages, []);
    let mut names: Vec<_> = library.names().collect();
    names.sort_unstable();
    assert_eq!(names, ["here", "lib"]);
    assert_eq!(
        expand_with("@lib(1) @here", &library, &mut sources),
        "lib 1 yes"
    );
    // A file's own macro hides the library's.
    assert_eq!(
        expand_with("@define here %( no %) @here", &library, &mut sources),
        "no"
    );
    let text = "@define lib %( %) probe begin { }";
    let messages = parse_library_macros(&mut sources, "b.stpm", text, &world(), &mut library);
    let codes: Vec<_> = messages.iter().map(|message| message.code).collect();
    assert_eq!(codes, ["E0120", "E0121"]);
}

#[test]
fn redefining_an_operator_warns() {
    let out = expand("@define count(x) %( 3 %) @count(y)");
    assert_eq!(out, "3 !macro redefines built-in operator '@count'");
}
