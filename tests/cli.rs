// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line of passes 1 to 3: every option and environment variable with what it prints
//! and how it ends. No module is built and no machine is started.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rstap_tests::programs::Programs;
use tempfile::TempDir;

/// One run of rstap in a folder of its own.
struct Run {
    folder: TempDir,
    environment: Vec<(String, String)>,
    input: &'static str,
}

/// How it ended.
struct Ended {
    line: String,
    status: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn new() -> Run {
        Run {
            folder: TempDir::new().expect("a folder"),
            environment: Vec::new(),
            input: "",
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn file(self, name: &str, text: &str) -> Run {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Run {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn input(mut self, text: &'static str) -> Run {
        self.input = text;
        self
    }

    fn rstap(&self, words: &[&str]) -> Ended {
        let programs = Programs::find().unwrap_or_else(|problem| panic!("{problem}"));
        let mut command = Command::new("timeout");
        command
            .arg("60")
            .arg(programs.rstap)
            .args(words)
            .current_dir(self.folder.path())
            .env("SYSTEMTAP_DIR", self.path("settings"))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("rstap starts");
        let mut input = child.stdin.take().expect("a pipe");
        // rstap need not read it.
        let _ = input.write_all(self.input.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("rstap ends");
        Ended {
            line: words.join(" "),
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command of the shell among the files, which must succeed.
    #[track_caller]
    fn shell(&self, command: &str) {
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(self.folder.path())
            .status();
        assert!(status.expect("sh starts").success(), "{command}");
    }
}

fn rstap(words: &[&str]) -> Ended {
    Run::new().rstap(words)
}

impl Ended {
    #[track_caller]
    fn holds(&self, condition: bool, what: &str) {
        assert!(
            condition,
            "rstap {}: {what}\nstatus {}\n{}\n{}",
            self.line, self.status, self.stdout, self.stderr
        );
    }

    /// It succeeded, without a word on standard error.
    #[track_caller]
    fn good(&self) -> &Ended {
        self.holds(self.status == 0, "failed");
        self.holds(self.stderr.is_empty(), "has messages");
        self
    }

    #[track_caller]
    fn bad(&self, message: &str) -> &Ended {
        self.holds(self.status == 1, "should fail");
        self.told(message)
    }

    #[track_caller]
    fn told(&self, message: &str) -> &Ended {
        self.holds(self.stderr.contains(message), message);
        self
    }

    #[track_caller]
    fn silent_about(&self, message: &str) -> &Ended {
        self.holds(!self.stderr.contains(message), message);
        self
    }

    #[track_caller]
    fn printed(&self, text: &str) -> &Ended {
        self.holds(self.stdout.contains(text), text);
        self
    }
}

const HELLO: &str = "probe begin { println(1) }";
const UNUSED: &str = "probe begin { x = 1 println(2) }";

#[test]
fn scripts_come_from_a_file_the_command_line_or_standard_input() {
    rstap(&["-p1", "-e", HELLO]).good().printed("println(1)");
    let run = Run::new().file("hello.stp", HELLO);
    run.rstap(&["-p1", "hello.stp"])
        .good()
        .printed("# file hello.stp\nprobe begin");
    let run = run.input("probe begin { println(3) }");
    run.rstap(&["-p1", "-"]).good().printed("println(3)");
    rstap(&["-p1", "nosuch.stp"]).bad("Input file 'nosuch.stp' is missing.");
    rstap(&["-p1"]).bad("A script must be specified.");
    rstap(&["-p1", "-e", HELLO, "-e", HELLO]).bad("Only one script can be given");
    rstap(&["-p1", "--example", "nosuch"]).bad("No example 'nosuch'");
}

#[test]
fn more_scripts_share_functions_and_globals() {
    let more = "function f() { println(3) }";
    rstap(&["-p2", "-e", "probe begin { f() }", "-E", more])
        .good()
        .printed("f:unknown ()");
    rstap(&[
        "-p2",
        "-e",
        "global a probe begin { a = 1 println(a) }",
        "-E",
        "global a",
    ])
    .bad("semantic error: conflicting global variables: identifier 'a'")
    .told("semantic error: first declared here: identifier 'a'");
}

#[test]
fn words_behind_the_script_are_its_arguments() {
    let script = "probe begin { println($1, @2, $#) }";
    rstap(&["-p1", "-e", script, "5", "two words"])
        .good()
        .printed("println(5, \"two words\", 2)");
    rstap(&["-p1", "-e", script, "5"]).bad("command line argument out of range [1-1]");
    rstap(&["-p1", "-e", HELLO, "5"])
        .told("WARNING: unused command line option $1/@1: '5'")
        .holds(true, "");
}

#[test]
fn passes_stop_where_they_are_told() {
    rstap(&["-p1", "-e", HELLO])
        .good()
        .printed("# parse tree dump");
    rstap(&["-p2", "-e", HELLO])
        .good()
        .printed("# probes\nbegin");
    rstap(&["-p3", "-e", HELLO])
        .good()
        .printed("#include \"rstap.h\"");
    for wrong in ["0", "6", "x", "12"] {
        rstap(&["-p", wrong, "-e", HELLO]).bad("Invalid pass number (should be 1-5).");
    }
    rstap(&["-p1", "-e", "probe begin {"]).bad("Pass 1: parse failed.  [man error::pass1]");
    rstap(&["-p2", "-e", "probe nosuch { }"]).bad("Pass 2: analysis failed.  [man error::pass2]");
}

#[test]
fn verbosity_is_for_all_passes_or_for_each() {
    let all = rstap(&["-v", "-p2", "-e", HELLO]);
    all.told("Pass 1: parsed user script and ")
        .told("Pass 2: analyzed script: 1 probe, 0 functions, 0 embeds, 0 globals using ");
    // Tools read the times at the end of these lines.
    let is_timed = |line: &str| line.ends_with("real ms.") && line.contains("usr/");
    all.holds(
        all.stderr
            .lines()
            .filter(|line| line.starts_with("Pass "))
            .all(is_timed),
        "lines without times",
    );
    rstap(&["--vp", "01", "-p2", "-e", HELLO])
        .told("Pass 2: analyzed")
        .silent_about("Pass 1: parsed");
    rstap(&["--vp=10", "-p2", "-e", HELLO])
        .told("Pass 1: parsed")
        .silent_about("Pass 2: analyzed");
    for wrong in ["", "x", "111111"] {
        rstap(&["--vp", wrong, "-p2", "-e", HELLO]).bad("Invalid --vp argument");
    }
}

#[test]
fn bodies_show_in_a_verbose_second_pass_only() {
    let quiet = rstap(&["-p2", "-e", HELLO]);
    quiet.holds(!quiet.stdout.contains("printf"), "bodies");
    rstap(&["-p2", "-v", "-e", HELLO]).printed("printf(\"%d\\n\", 1)");
}

#[test]
fn warnings_are_shown_suppressed_or_errors() {
    let text = "WARNING: Eliding assignment to 'x'";
    rstap(&["-p2", "-e", UNUSED]).told(text).printed("# probes");
    rstap(&["-w", "-p2", "-e", UNUSED]).good();
    rstap(&["-W", "-p2", "-e", UNUSED]).bad(text);
}

#[test]
fn nothing_is_left_out_unoptimized() {
    rstap(&["-u", "-p2", "-v", "-e", UNUSED]).printed("x = 1");
    rstap(&["-u", "-p2", "-e", "probe begin { }"])
        .good()
        .printed("begin");
    rstap(&["-p2", "-e", "probe begin { }"]).bad("semantic error: no probes found");
}

#[test]
fn guru_mode_permits_embedded_c() {
    let script = "function f() %{ /* C */ %} probe begin { f() }";
    rstap(&["-p2", "-e", script]).bad("embedded code in unprivileged script; need stap -g");
    rstap(&["-g", "-p2", "-e", script]).good();
}

#[test]
fn macros_for_c_are_checked_and_reach_the_c_file() {
    rstap(&["-DMAXACTION=5", "-D", "ALONE", "-p3", "-e", HELLO])
        .good()
        .printed("#define MAXACTION 5\n")
        .printed("#define ALONE");
    for wrong in ["A B", "5=1", "A=", "A=b c", ""] {
        rstap(&["-D", wrong, "-p3", "-e", HELLO])
            .bad("ERROR: Safety pattern mismatch for -D parameter");
    }
}

#[test]
fn limits_are_numbers_in_their_range() {
    for (wrong, message) in [
        (
            "MAXMAPENTRIES=abc",
            "ERROR: -DMAXMAPENTRIES=abc: 'abc' is no number; MAXMAPENTRIES is a number from 1 to ",
        ),
        (
            "MAXSTRINGLEN=1x",
            "ERROR: -DMAXSTRINGLEN=1x: '1x' is no number; MAXSTRINGLEN is a number from 16 to ",
        ),
        ("MAXSTRINGLEN=5", "ERROR: -DMAXSTRINGLEN=5: out of range; "),
        ("MAXACTION=0", "ERROR: -DMAXACTION=0: out of range; "),
        (
            "MAXSKIPPED=-1",
            "ERROR: -DMAXSKIPPED=-1: '-1' is no number; ",
        ),
        ("STP_MAXMEMORY=many", "ERROR: -DSTP_MAXMEMORY=many: "),
    ] {
        for pass in ["-p1", "-p3"] {
            rstap(&["-D", wrong, pass, "-e", HELLO]).bad(message);
        }
    }
    // A macro that stands for another, and one that is none of the limits.
    rstap(&[
        "-DN=64",
        "-DMAXSTRINGLEN=N",
        "-DMINE=abc",
        "-p3",
        "-e",
        HELLO,
    ])
    .good()
    .printed("#define MINE abc\n")
    .printed(".string_size = 64,");
}

#[test]
fn globals_get_values() {
    let script = "global count = 1 probe begin { println(count) }";
    rstap(&["-G", "count=77", "-p3", "-e", script])
        .good()
        .printed("77");
    let script = "global seen probe begin { seen[1] = 1 foreach (k in seen) println(k) }";
    for nowhere in ["seen=2", "conut=2"] {
        let ended = rstap(&["-G", nowhere, "-p2", "-e", script]);
        ended.holds(ended.status == 0, "failed");
        let place = "no effect: the script has no global number or text";
        ended.told(&format!("WARNING: -G {nowhere} has {place}"));
    }
    for wrong in ["count", "count=", "=5", "5=5", "count=a b"] {
        rstap(&["-G", wrong, "-p2", "-e", script])
            .bad("ERROR: Safety pattern mismatch for -G parameter");
    }
}

#[test]
fn a_time_limit_is_one_probe_more() {
    rstap(&["-T", "1.5", "-p2", "-e", HELLO])
        .good()
        .printed("timer.ms(1500)");
    for wrong in ["x", "0", "-1", ""] {
        rstap(&["-T", wrong, "-p2", "-e", HELLO]).bad("Invalid timeout interval.");
    }
}

#[test]
fn temporary_files_are_kept_on_request() {
    let run = Run::new();
    let folder = run.path("own");
    std::fs::create_dir(&folder).expect("a folder");
    let run = run.variable("TMPDIR", &folder);
    let files = || std::fs::read_dir(&folder).expect("the folder").count();
    run.rstap(&["-p3", "-e", HELLO]).good();
    assert_eq!(files(), 0);
    run.rstap(&["-k", "-p3", "-e", HELLO])
        .told(&format!("Keeping temporary directory \"{folder}"));
    assert_eq!(files(), 1);
    // A folder that is named is kept.
    let named = run.path("named");
    run.rstap(&[&format!("--tmpdir={named}"), "-p3", "-e", HELLO])
        .told(&format!("Keeping temporary directory \"{named}"));
    assert!(Path::new(&named).is_dir());
}

#[test]
fn missing_target_variables_are_errors_or_zero() {
    let script = "probe begin { println($nosuch) }";
    rstap(&["-p2", "-e", script]).bad("unresolved target-symbol expression: identifier '$nosuch'");
    let ended = rstap(&["--skip-badvars", "-p2", "-v", "-e", script]);
    ended
        .told("WARNING: unresolved target-symbol expression")
        .silent_about("similar error messages suppressed")
        .printed("printf(\"%d\\n\", 0)");
    ended.holds(ended.status == 0, "failed");
}

#[test]
fn limits_of_handlers_are_lifted() {
    rstap(&["--suppress-time-limits", "-p3", "-e", HELLO])
        .bad("ERROR --suppress-time-limits requires guru mode (-g)");
    let plain = rstap(&["-g", "-p3", "-e", HELLO]);
    let lifted = rstap(&["-g", "--suppress-time-limits", "-p3", "-e", HELLO]);
    lifted.good();
    assert_ne!(plain.stdout, lifted.stdout);
    let lifted = rstap(&["-g", "--suppress-handler-errors", "-p3", "-e", HELLO]);
    lifted.good();
    assert_ne!(plain.stdout, lifted.stdout);
}

#[test]
fn costs_are_explained() {
    let script = "global seen, total%[10]
function step(n) { seen[n]++ return n + 1 }
function down(n) { return n > 0 ? down(n - 1) : 0 }
probe begin { if (seen[1] > 2) { step(1) step(2) } else printf(\"%d of %s\\n\", 1, execname()) }
probe timer.s(1), timer.s(2) { foreach (n in total) println(n) total[1] = 1 }
probe timer.s(3) { while (seen[0] < 5) step(0) }
probe timer.s(4) { println(down(3)) }
";
    let run = Run::new().file("costs.stp", script);
    let ended = run.rstap(&["--explain-cost", "--no-global-var-display", "costs.stp"]);
    ended.good();
    assert_eq!(
        ended.stdout,
        "\
begin (costs.stp:4:7)
  statements        7
  calls             2
  map operations    3
  bytes of output   536
timer.s(1) and 1 more (costs.stp:5:7)
  statements        12
  calls             0
  map operations    2
  bytes of output   210
timer.s(3) (costs.stp:6:7)
  statements        unbounded: loop at costs.stp:6:20, stopped at MAXACTION, 10000
  in one round      4 statements
  calls             1
  map operations    2
  bytes of output   0
timer.s(4) (costs.stp:7:7)
  statements        unbounded: recursive function at costs.stp:3:10, stopped at MAXACTION, 10000
  in one round      2 statements
  calls             2
  map operations    0
  bytes of output   21
"
    );
    run.rstap(&["--explain-cost", "-DMAXACTION=3", "costs.stp"])
        .good()
        .printed("statements        7, stopped at MAXACTION, 3\n");
}

#[test]
fn globals_are_shown_at_the_end_or_not() {
    let script = "global n probe timer.s(1) { n++ }";
    rstap(&["-p2", "-e", script]).printed("end");
    let without = rstap(&["--no-global-var-display", "-p2", "-e", script]);
    without.holds(!without.stdout.contains("end /*"), "an end probe");
}

#[test]
fn errors_are_listed_for_programs() {
    let script = "probe begin { println(a) } probe end { x = 1 x = \"s\" println(x) }";
    let ended = rstap(&["--semantic-keep-going", "-p2", "-e", script]);
    ended
        .bad("semantic error: unresolved type")
        .printed("SEMANTIC_ERRORS: 2\n")
        .printed("SEMANTIC_ERROR\t<input>\t1\t23\ta\tunresolved type\n")
        .printed("SEMANTIC_ERROR\t<input>\t1\t50\t\"s\"\ttype mismatch (string)\n")
        .printed("SEMANTIC_ERRORS_END\n");
}

#[test]
fn older_languages_are_spoken_and_newer_ones_refused() {
    let script =
        "%( systemtap_v < \"3\" %? probe begin { println(7) } %: probe begin { println(8) } %)";
    rstap(&["--compatible=2.5", "-p1", "-e", script])
        .good()
        .printed("println(7)");
    rstap(&["-p1", "-e", script]).good().printed("println(8)");
    rstap(&["--compatible=99", "-p1", "-e", script])
        .bad("cannot be compatible with future version 99");
}

#[test]
fn messages_have_three_formats() {
    let script = "probe begin { println(cuont) }";
    rstap(&["-p2", "-e", script]).bad(
        "semantic error: unresolved type: identifier 'cuont' at <input>:1:23\n        source: ",
    );
    rstap(&["--error-format=stap", "-p2", "-e", script]).bad("semantic error: unresolved type");
    rstap(&["--error-format=human", "-p2", "-e", script])
        .bad("error[E0204]: unresolved type\n --> <input>:1:23\n");
    let json = rstap(&["--error-format=json", "-p2", "-e", script]);
    json.bad("{\"code\":\"E0204\",\"severity\":\"error\",\"category\":\"semantic\",");
    rstap(&["--error-format=xml", "-p2", "-e", script])
        .bad("Invalid argument 'xml' for --error-format.");
}

#[test]
fn colours_are_asked_for() {
    let red = "\x1b[01;31mparse error\x1b[m";
    rstap(&["--color=always", "-p1", "-e", "x"]).bad(red);
    rstap(&["--color", "-p1", "-e", "x"]).bad(red);
    // Standard error is no terminal here.
    for words in [
        ["--color=never", "-p1", "-e", "x"],
        ["--color=auto", "-p1", "-e", "x"],
    ] {
        rstap(&words).bad("parse error").silent_about("\x1b");
    }
    rstap(&["--color=maybe", "-p1", "-e", "x"]).bad("Invalid argument 'maybe' for --color.");
    let blue = Run::new().variable("SYSTEMTAP_COLORS", "error=00;34:warning=00;35");
    blue.rstap(&["--color=always", "-p1", "-e", "x"])
        .bad("\x1b[00;34mparse error\x1b[m");
}

#[test]
fn help_and_version_answer_and_stop() {
    let version = rstap(&["-V"]);
    version
        .good()
        .printed("rstap (SystemTap-compatible) version ");
    assert_eq!(version.stdout, rstap(&["--version"]).stdout);
    let help = rstap(&["--help"]);
    help.good().printed("Usage: rstap [options] FILE [ARG]...");
    assert_eq!(help.stdout, rstap(&["-h"]).stdout);
    rstap(&["--nosuch"]).bad("rstap: unrecognized option '--nosuch'");
}

#[test]
fn kinds_of_probes_are_listed() {
    let types = rstap(&["--dump-probe-types"]);
    types
        .good()
        .printed("begin\nbegin(number)\n")
        .printed("kernel.function(string).return.maxactive(number)\n");
    rstap(&["--dump-probe-types", "-p2"]).bad("Cannot specify -p with -l/-L/--dump-* switches.");
    rstap(&["--dump-probe-types", "-e", HELLO]).bad("Cannot specify a script with");
}

/// A library of our own, so that others may change theirs.
fn with_library() -> Run {
    Run::new().file(
        "tapset/own.stp",
        "probe own.first = begin, never ? { }\n\
         probe _own.hidden = begin { }\n\
         function own_sum(a, b) { return a + b + own_offset }\n\
         function own_text(a, b) { return a . sprint(own_sum(b, 1)) }\n\
         function own_print(x) { println(x) }\n\
         function own_c:long(p:long) %{ /* pure */ /* unprivileged */ %}\n\
         function __own_hidden() { return 1 }\n\
         global own_offset\n",
    )
}

#[test]
fn aliases_are_listed() {
    let run = with_library();
    let run = run.variable("SYSTEMTAP_TAPSET", "tapset");
    let aliases = run.rstap(&["--dump-probe-aliases"]);
    aliases
        .printed("own.first = begin, never?\n")
        .holds(!aliases.stdout.contains("_own.hidden"), "hidden ones");
    run.rstap(&["--dump-probe-aliases", "-v"])
        .printed("_own.hidden = begin\n");
}

#[test]
fn functions_are_listed_with_the_types_that_their_bodies_give() {
    let run = with_library();
    let functions = run.rstap(&["-I", "tapset", "--dump-functions"]);
    functions
        .printed("own_sum:long (a:long, b:long)\n")
        .printed("own_text:string (a:string, b:long)\n")
        .printed("own_print:unknown (x:unknown)\n")
        .printed("own_c:long (p:long) /* unprivileged */\n")
        .holds(!functions.stdout.contains("__own_hidden"), "hidden ones");
    run.rstap(&["-I", "tapset", "--dump-functions", "-v"])
        .printed("__own_hidden:long ()\n")
        .printed("own_c:long (p:long) /* pure */ /* unprivileged */\n");
}

#[test]
fn tapset_folders_are_added() {
    let run = with_library();
    let script = "probe begin { println(own_sum(1, 2)) }";
    run.rstap(&["-p2", "-e", script])
        .bad("unresolved function own_sum");
    run.rstap(&["-I", "tapset", "-p2", "-e", script])
        .printed("own_sum:long (a:long, b:long)");
    run.rstap(&["-I", "nosuch", "-p2", "-e", HELLO])
        .told("WARNING: tapset folder 'nosuch' does not exist");
    let home = Run::new().file(
        "data/systemtap/tapset/mine.stp",
        "function mine() { return 5 }",
    );
    let data = home.path("data");
    let home = home.variable("XDG_DATA_DIRS", &data);
    home.rstap(&["-p2", "-e", "probe begin { println(mine()) }"])
        .good()
        .printed("mine:long ()");
}

#[test]
fn overwriting_the_librarys_variables_is_worth_a_warning() {
    let run = with_library();
    run.rstap(&[
        "-I",
        "tapset",
        "-p2",
        "-e",
        "probe begin { own_offset = 5 }",
    ])
    .told("WARNING: global variable 'own_offset' of the tapset library (");
    let own = "global own_offset probe begin { own_offset = 5 println(own_offset) }";
    run.rstap(&["-I", "tapset", "-p2", "-e", own]).good();
}

#[test]
fn options_come_from_the_settings_too() {
    let run = Run::new().file(
        "settings/rc",
        "-p1 # stops early\n-E 'probe end { println(9) }'\n",
    );
    run.rstap(&["-e", HELLO]).good().printed("println(9)");
}

#[test]
fn paths_come_from_the_environment() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime");
    let runtime = own
        .canonicalize()
        .expect("the runtime")
        .display()
        .to_string();
    let run = Run::new().variable("SYSTEMTAP_RUNTIME", &runtime);
    run.rstap(&["--print-paths"]).printed(&runtime);
    run.rstap(&["-R", &runtime, "--print-paths"])
        .printed(&runtime);
    let cache = run.path("settings");
    run.rstap(&["--print-paths"]).printed(&cache);
}

#[test]
fn the_kernel_comes_from_the_environment() {
    let script = "%( kernel_vr == \"4.9.0-none\" %? probe begin { println(49) } %)";
    let run = Run::new().variable("SYSTEMTAP_RELEASE", "4.9.0-none");
    run.rstap(&["-p1", "-e", script]).printed("println(49)");
    rstap(&["-r", "4.9.0-none", "-p1", "-e", script]).printed("println(49)");
    rstap(&["-r", "a b", "-p1", "-e", script]).bad("Safety pattern mismatch for -r parameter");
}

#[test]
fn every_code_is_explained() {
    rstap(&["explain", "E0101"])
        .good()
        .printed("E0101: the script does not parse");
    rstap(&["explain"]).good().printed("W0201");
    rstap(&["explain", "E9999"]).bad("E9999");
}

/// What stands behind a name in the report of `rstap info`.
fn row<'r>(report: &'r Ended, name: &str) -> &'r str {
    let line = report
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(name));
    report.holds(line.is_some(), &format!("no row {name}"));
    line.unwrap_or_default().trim()
}

#[test]
fn info_says_what_is_missing_and_what_brings_it() {
    let run = Run::new().file("root/lib/modules/9.9.9-test/kernel/x", "");
    let root = format!("--sysroot={}", run.path("root"));
    let report = run.rstap(&["info", "-r", "9.9.9-test", &root]);
    report.holds(report.status == 1, "no script could be run");
    assert_eq!(row(&report, "kernel "), "9.9.9-test");
    for name in ["build tree", "debug info", "BTF", "symbols"] {
        report.holds(row(&report, name).starts_with("missing"), name);
    }
    report.holds(
        row(&report, "modules").ends_with("lib/modules/9.9.9-test"),
        "modules",
    );
    // The command is known for the distributions that have packages of debug files.
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if release.lines().any(|line| line == "ID=debian") {
        let command = "missing; apt-get install linux-image-9.9.9-test-dbg";
        assert_eq!(row(&report, "debug info"), command);
    }
    assert!(row(&report, "debug file servers").starts_with("none"));
}

#[test]
fn info_names_the_servers_for_debug_files() {
    let run = Run::new().variable("DEBUGINFOD_URLS", "http://a.example/ http://b.example");
    let report = run.rstap(&["info", "-r", "9.9.9-test"]);
    assert_eq!(
        row(&report, "debug file servers"),
        "http://a.example http://b.example"
    );
    let report = run.rstap(&["info", "-r", "9.9.9-test", "--download-debuginfo=no"]);
    assert!(row(&report, "debug file servers").starts_with("none"));
}

#[test]
fn addresses_of_programs_are_listed_with_the_whole_path() {
    let text = "__attribute__((section(\".fixed\"))) int fixed(int value) { return value * 2; }\n\
                int main(int argc, char **argv) { return fixed(argc); }\n";
    let run = Run::new().file("fixed.c", text);
    let build = "gcc -g -O1 -no-pie -Wl,--section-start=.fixed=0x700000 fixed.c -o fixed";
    run.shell(build);
    let path = run.folder.path().canonicalize().expect("a path");
    let path = path.join("fixed");
    for point in ["function(0x700000)", "statement(0x700000)"] {
        let listed = run.rstap(&["-L", &format!("process(\"./fixed\").{point}")]);
        let line = format!("process(\"{}\").{point} $value:int\n", path.display());
        assert_eq!(listed.good().stdout, line);
    }
    let returned = run.rstap(&["-L", "process(\"./fixed\").function(0x700000).return"]);
    returned
        .good()
        .printed(".function(0x700000).return $return:int $value:int\n");
}

#[test]
fn addresses_in_the_middle_of_an_instruction_are_refused() {
    let text = "__asm__(\".pushsection .fixed,\\\"ax\\\"\\n.type fixed,@function\\nfixed: \"\n\
                \"mov $1,%eax\\nret\\n.size fixed,.-fixed\\n.popsection\");\n\
                int fixed(void);\nint main(void) { return fixed(); }\n";
    let run = Run::new().file("fixed.c", text);
    let build = "gcc -O1 -no-pie -Wl,--section-start=.fixed=0x700000 fixed.c -o fixed";
    run.shell(build);
    let point = |address| format!("process(\"./fixed\").statement({address})");
    for address in ["0x700000", "0x700005"] {
        run.rstap(&["-l", &point(address)]).good();
    }
    let body = format!("probe {} {{ println(1) }}", point("0x700002"));
    let refused = run.rstap(&["-p2", "-e", &body]);
    refused.bad("address 0x700002 is in the middle of the instruction at 0x700000 of 'fixed'");
    let listed = run.rstap(&["-l", &point("0x700002")]);
    listed.holds(listed.stdout.is_empty(), "lists what cannot be probed");
}
