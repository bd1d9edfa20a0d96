// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

const STATUS: &str = r#"{"uptime":"00:00:07","uid":0,"memory":"100k","module_name":"m",
    "globals":{"count":5,"name":"x","map":{"a":1}},
    "probe_list":[
    {"index":0,"state":"on","hits":1,"min":1,"avg":2,"max":3,"name":"begin"},
    {"index":1,"state":"off","hits":9,"min":4,"avg":5,"max":6,"name":"timer.s(1)"}]}"#;

fn view() -> View {
    View {
        status: Json::parse(STATUS),
        ..View::default()
    }
}

fn with_output(lines: usize) -> View {
    let mut view = view();
    for number in 0..lines {
        view.push(format!("line {number}\n").as_bytes());
    }
    view
}

fn position(screen: &[String], text: &str) -> Option<usize> {
    screen.iter().position(|line| line.contains(text))
}

#[test]
fn the_screen_has_status_probes_output_and_keys() {
    let mut view = view();
    view.push(b"one\ntwo\x1b[2J\nthr");
    let screen = view.render(24, 100);
    assert_eq!(screen.len(), 24);
    assert!(screen[0].contains("uptime: 00:00:07"));
    assert!(screen[1].contains("count=5") && screen[1].contains("[1 entry]"));
    assert!(
        screen[3].contains("timer.s(1)"),
        "most hits first: {screen:?}"
    );
    assert_eq!(position(&screen, "two?[2J"), Some(6));
    assert_eq!(screen[7], "thr", "a line that is not complete");
    assert!(screen[23].contains("q quit") && screen[23].ends_with("Tab scroll output"));
}

#[test]
fn every_size_is_kept() {
    let mut view = with_output(50);
    for rows in 0..12 {
        for columns in 0..12 {
            let screen = view.render(rows, columns);
            assert_eq!(screen.len(), rows);
            assert!(screen.iter().all(|line| line.chars().count() <= columns));
        }
    }
    // The smallest useful one: a line of status, of output and of keys.
    let screen = view.render(3, 80);
    assert!(screen[0].contains("uptime"), "{screen:?}");
    assert_eq!(screen[1], "line 49");
}

#[test]
fn names_are_seen_on_narrow_screens() {
    let mut view = view();
    for (columns, header) in [
        (40, "index state         hits  name (by hits)"),
        (80, "index state         hits          avg  name (by hits)"),
        (
            100,
            "index state         hits          min          avg          max  name (by hits)",
        ),
    ] {
        let screen = view.render(24, columns);
        let at = position(&screen, "index").unwrap();
        assert_eq!(screen[at], header);
        assert!(screen[at + 1].ends_with("  timer.s(1)"), "{screen:?}");
    }
}

#[test]
fn keys_become_commands() {
    let mut view = view();
    assert_eq!(
        view.keys(b"cpr"),
        (vec!["clear".into(), "pause".into(), "resume".into()], false)
    );
    assert_eq!(view.keys(b"t12\n"), (vec!["12".into()], false));
    assert_eq!(view.keys(b"t1\x7f3\r"), (vec!["3".into()], false));
    assert_eq!(view.keys(b"t1\x1b"), (vec![], false));
    assert_eq!(view.keys(b"t\n"), (vec![], false));
    assert_eq!(view.keys(b"ssq"), (vec![], true));
    assert_eq!(view.column, Column::Average);
}

#[test]
fn navigation_scrolls_the_window_that_tab_chose() {
    let mut view = with_output(50);
    // 9 rows: 4 of status, 4 of output, the keys.
    let screen = view.render(9, 100);
    assert!(screen[1].starts_with("globals") && screen[7] == "line 49");
    view.keys(b"\x1b[B");
    let screen = view.render(9, 100);
    assert!(screen[0].contains("uptime"), "the first line stays");
    assert!(screen[1].contains("index"), "{screen:?}");
    view.keys(b"\x1b[6~\x1b[6~");
    let screen = view.render(9, 100);
    assert!(screen[3].contains("begin"), "not below the end: {screen:?}");
    view.keys(b"\x1b[H");
    assert!(view.render(9, 100)[1].starts_with("globals"));

    view.keys(b"\t\x1bOA\x1b[A");
    let screen = view.render(9, 100);
    assert_eq!((&*screen[4], &*screen[7]), ("line 44", "line 47"));
    assert!(screen[8].ends_with("Tab scroll status"));
    // What comes meanwhile does not move it.
    view.push(b"new\n");
    assert_eq!(view.render(9, 100)[7], "line 47");
    view.keys(b"\x1b[5~");
    assert_eq!(view.render(9, 100)[7], "line 43");
    view.keys(b"\x1b[1~");
    assert_eq!(view.render(9, 100)[4], "line 0");
    view.keys(b"\x1b[F");
    assert_eq!(view.render(9, 100)[7], "new");
    // Without a status window there is one to scroll.
    view.keys(b"x");
    assert_eq!(view.render(9, 100)[0], "line 43");
    view.keys(b"\tk");
    assert_eq!(view.render(9, 100)[7], "line 49");
}

#[test]
fn a_keys_sequence_may_come_in_pieces() {
    let mut view = with_output(50);
    view.keys(b"\t");
    for byte in b"\x1b[5~" {
        assert_eq!(view.keys(&[*byte]), (vec![], false));
    }
    assert_eq!(view.output_scroll, 10);
    // Unknown ones do nothing, and no letter of theirs is a command.
    assert_eq!(view.keys(b"\x1b[3;5~\x1b[1;5c\x1bOq"), (vec![], false));
    assert_eq!(view.keys(b"\x1b\x1bq"), (vec![], true));
}

#[test]
fn long_values_are_shortened_and_many_globals_take_lines() {
    let long = "v".repeat(500);
    let globals: Vec<String> = (0..9).map(|n| format!("\"g{n}\":\"{long}\"")).collect();
    let text = format!(
        "{{\"globals\":{{{}}},\"probe_list\":[]}}",
        globals.join(",")
    );
    let mut view = View {
        status: Json::parse(&text),
        ..View::default()
    };
    let screen = view.render(30, 80);
    for number in 0..9 {
        let at = position(&screen, &format!("  g{number}=\"vvv"));
        let line = &screen[at.expect("each global has its place")];
        assert!(
            line.ends_with("...") && line.chars().count() <= 80,
            "{line}"
        );
    }
}

#[test]
fn only_the_last_lines_are_kept() {
    let view = with_output(LINES_KEPT + 50);
    assert_eq!(view.lines.len(), LINES_KEPT);
    assert_eq!(view.lines.front().map(String::as_str), Some("line 50"));
}

#[test]
fn output_without_an_end_takes_no_memory_without_an_end() {
    let mut view = view();
    for _ in 0..LINES_KEPT + 50 {
        view.push(&[b'x'; LINE_MAXIMUM - 1]);
    }
    assert!(view.partial.len() <= LINE_MAXIMUM);
    assert_eq!(view.lines.len(), LINES_KEPT);
    view.push(&[b'y'; 3 * LINE_MAXIMUM]);
    view.push(b"\nend\n");
    assert!(view.lines.iter().all(|line| line.len() <= LINE_MAXIMUM));
    assert_eq!(view.lines.back().map(String::as_str), Some("end"));
}

#[test]
fn to_the_first_line_twice_while_lines_come() {
    let mut view = with_output(50);
    view.keys(b"\t\x1b[H\x1b[H\x1b[H");
    view.push(b"one\ntwo\n");
    assert_eq!(view.render(9, 100)[4], "line 0");
}
