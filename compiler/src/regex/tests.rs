// SPDX-License-Identifier: GPL-2.0-or-later

use super::*;

/// As rst_regex_match() of the runtime steps through the table.
fn matches(pattern: &str, text: &str) -> bool {
    let table = compile(pattern, false).expect(pattern).table;
    let step = |state: usize, class: usize| {
        usize::from(table.transitions[state * table.class_count + class])
    };
    let mut state = table.start;
    for byte in text.bytes() {
        if table.is_accepting[state] {
            return true;
        }
        state = step(state, usize::from(table.classes[usize::from(byte)]));
        if state == 0 {
            return false;
        }
    }
    table.is_accepting[state] || table.is_accepting[step(state, table.class_count - 1)]
}

#[test]
fn posix_semantics() {
    for (pattern, text, expected) in [
        ("abc", "xxabcxx", true),
        ("abc", "ab c", false),
        ("^abc", "abcd", true),
        ("^abc", "xabc", false),
        ("abc$", "xabc", true),
        ("abc$", "abcx", false),
        ("^$", "", true),
        ("^$", "a", false),
        ("", "anything", true),
        ("a*", "", true),
        ("^a+b?c{2,3}$", "aabcc", true),
        ("^a+b?c{2,3}$", "acccc", false),
        ("^(foo|ba[rz])+$", "foobazbar", true),
        ("^(foo|ba[rz])+$", "foobat", false),
        ("^[[:alpha:]_][[:alnum:]_]*$", "_x9", true),
        ("^[^0-9]+$", "ab1", false),
        ("^[]a]+$", "]a]", true),
        ("^[a-]+$", "a-a", true),
        ("a.c", "a\nc", true),
        ("a\\.c", "abc", false),
        ("a\\.c", "a.c", true),
        ("x{0}y", "y", true),
        ("^(a|ab)(c|bcd)$", "abcd", true),
        ("(^a|b)c", "xbc", true),
        ("(^a|b)c", "xac", false),
        ("a(b$|c)", "ab", true),
        ("a{,2}b", "aab", true),
        ("a{b", "a{b", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
    }
}

#[test]
fn errors_say_where() {
    for (pattern, words) in [
        ("(a", "missing ')' at character 3"),
        ("a)", "')' without '(' at character 2"),
        ("*a", "nothing to repeat before '*' at character 1"),
        ("[a", "missing ']'"),
        ("[[:foo:]]", "unknown class [:foo:]"),
        ("[z-a]", "the wrong way round"),
        ("a{3,2}", "the wrong way round"),
        ("a{300}", "more than 255"),
        ("(a)\\1", "back-references"),
        ("((a{200}){200})", "instructions"),
        ("a\\", "'\\' at the end"),
    ] {
        let error = compile(pattern, false).expect_err(pattern);
        assert!(error.contains(words), "{pattern}: {error}");
    }
}

#[test]
fn large_automata_are_refused() {
    assert!(
        compile("(a|b)*a(a|b){20}", false)
            .expect_err("exponential")
            .contains("states")
    );
}

#[test]
fn tables_are_minimal() {
    assert_eq!(
        compile("abc", false).expect("abc").table.is_accepting.len(),
        5
    );
    assert_eq!(
        compile("(a|aa|aaa)", false)
            .expect("a")
            .table
            .is_accepting
            .len(),
        3
    );
}

#[test]
fn programs_name_their_sets() {
    let regex = compile("a(b|c)", true).expect("pattern");
    let (words, length) = regex.program.expect("program");
    assert_eq!(regex.groups, 1);
    // save 0, a, save 2, split, b, jump, c, save 3, save 1, match; sets a, b, c.
    assert_eq!(length, 10);
    assert_eq!(words.len(), 10 * 3 + 3 * 8);
    assert_eq!(&words[3..6], &[1, 30, 0]);
    assert_eq!(words[30 + 3], 1 << 1, "'a' is bit 97: word 3, bit 1");
}
