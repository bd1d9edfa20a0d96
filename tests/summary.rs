// SPDX-License-Identifier: GPL-2.0-or-later
//! `staprun --summary=json`: every field, with sessions that lose what it counts.

use rstap_staprun::json::Json;
use rstap_tests::lab::{kernel, module_with, programs, run};
use rstap_vm::guest::{Guest, Machine, Root};

/// All totals, in the order in which staprun(8) lists them.
const TOTALS: [&str; 15] = [
    "errors",
    "suppressed_errors",
    "skipped_probes",
    "missed_returns",
    "missed_kprobes",
    "lost_messages",
    "lost_bytes",
    "unexpected_sequences",
    "damaged_bytes",
    "lost_notices",
    "truncated_strings",
    "full_map_refusals",
    "short_map_refusals",
    "replaced_entries",
    "memory_bytes",
];

/// An account that was read, and what the script printed.
struct Account {
    json: Json,
    stdout: String,
}

impl Account {
    fn total(&self, name: &str) -> u64 {
        number(&self.json, name)
    }

    /// The entries of a kind.
    fn details(&self, kind: &str) -> Vec<&Json> {
        let Some(Json::List(details)) = self.json.get("details") else {
            panic!("no details: {:?}", self.json);
        };
        let of_kind = |entry: &&Json| entry.get("kind").map(Json::text) == Some(kind);
        details.iter().filter(of_kind).collect()
    }

    /// The only entry of a kind, which has exactly these fields.
    fn only(&self, kind: &str, fields: &[&str]) -> &Json {
        let [entry] = self.details(kind)[..] else {
            panic!("not one '{kind}': {:?}", self.json);
        };
        assert_eq!(names(entry)[1..], *fields, "{entry:?}");
        entry
    }
}

fn names(object: &Json) -> Vec<&str> {
    let Json::Object(pairs) = object else {
        panic!("no object: {object:?}");
    };
    pairs.iter().map(|(name, _)| name.as_str()).collect()
}

fn number(object: &Json, name: &str) -> u64 {
    match object.get(name) {
        Some(Json::Plain(text)) => text.parse().unwrap(),
        other => panic!("{name} is {other:?} in {object:?}"),
    }
}

fn field<'a>(object: &'a Json, name: &str) -> &'a str {
    match object.get(name) {
        Some(Json::Text(text)) => text,
        other => panic!("{name} is {other:?} in {object:?}"),
    }
}

/// Runs a script in the guest; `shell` starts `$RUN` with the loader's options behind it. The
/// script must end itself.
fn account(guest: &mut Guest, name: &str, options: &[&str], script: &str, shell: &str) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let module = module_with(folder.path(), name, options, script);
    let line = format!(
        "M={name}; RUN='{} --summary=json {}'; {shell}",
        programs().staprun.display(),
        module.display(),
    );
    let ran = run(guest, name, &line);
    let json = ran.stderr.lines().find(|line| line.starts_with('{'));
    let json = json.and_then(Json::parse);
    let json = json.unwrap_or_else(|| panic!("no account: {ran:#?}"));
    let mut wanted = TOTALS.to_vec();
    wanted.push("details");
    assert_eq!(names(&json), wanted);
    let account = Account {
        json,
        stdout: ran.stdout,
    };
    // Totals are the sums of their details.
    for (total, kind, key) in [
        ("errors", "errors", "count"),
        ("suppressed_errors", "suppressed-errors", "count"),
        ("skipped_probes", "skipped", "count"),
        ("missed_returns", "missed-returns", "count"),
        ("missed_kprobes", "missed-kprobes", "count"),
        ("lost_messages", "lost-output", "messages"),
        ("lost_bytes", "lost-output", "bytes"),
        ("lost_notices", "lost-messages", "count"),
        ("truncated_strings", "truncated-strings", "count"),
        ("full_map_refusals", "full-map", "count"),
        ("short_map_refusals", "short-map", "count"),
        ("replaced_entries", "replaced-entries", "count"),
        ("memory_bytes", "memory", "bytes"),
    ] {
        let details = account.details(kind);
        let sum: u64 = details.iter().map(|entry| number(entry, key)).sum();
        assert_eq!(account.total(total), sum, "{total}: {:?}", account.json);
    }
    assert!(account.total("memory_bytes") > 0);
    let memory = account.only("memory", &["bytes", "cpus"]);
    assert_eq!(number(memory, "cpus"), 2);
    account
}

fn quiet(guest: &mut Guest) {
    let script = "probe begin { println(\"here\") exit() }";
    let quiet = account(guest, "quiet", &["-t"], script, "$RUN");
    for total in TOTALS.iter().filter(|name| **name != "memory_bytes") {
        assert_eq!(quiet.total(total), 0, "{total}");
    }
    let fields = [
        "hits",
        "minimum",
        "average",
        "maximum",
        "cycles",
        "squares_low",
        "squares_high",
        "index",
        "probe",
        "place",
        "from",
    ];
    let probe = quiet.only("probe", &fields);
    assert_eq!(number(probe, "hits"), 1);
    assert_eq!(number(probe, "index"), 0);
    let cycles = number(probe, "cycles");
    assert!(cycles > 0);
    for name in ["minimum", "average", "maximum"] {
        assert_eq!(number(probe, name), cycles, "{name}");
    }
    let square = u128::from(cycles) * u128::from(cycles);
    let squares = u128::from(number(probe, "squares_high")) << 64;
    assert_eq!(squares + u128::from(number(probe, "squares_low")), square);
    assert_eq!(field(probe, "probe"), "begin");
    assert_eq!(field(probe, "place"), "<input>:1:7");
    assert_eq!(field(probe, "from"), "begin");
}

fn cut_full_and_failed(guest: &mut Guest) {
    let script = "global small[2], s \
        probe begin { s = \"0123456789\" while (strlen(s) < 63) s .= s } \
        probe procfs(\"go\").write { try { for (i = 0; i < 5; i++) small[i] = i } catch { } \
            error(\"on purpose\") } \
        probe procfs(\"stop\").write { exit() } \
        probe end { println(strlen(s)) delete small }";
    let options = ["-DMAXSTRINGLEN=64", "-DMAXERRORS=9"];
    let shell = "$RUN & until echo x >/proc/systemtap/$M/go; do sleep 0.1; done 2>/dev/null; \
        echo x >/proc/systemtap/$M/go; echo x >/proc/systemtap/$M/stop; wait";
    let failed = account(guest, "failed", &options, script, shell);
    assert_eq!(failed.stdout, "63\n");
    assert_eq!(failed.total("errors"), 2);
    failed.only("errors", &["count"]);
    let cut = failed.only("truncated-strings", &["count", "probe"]);
    assert_eq!(number(cut, "count"), 1);
    assert_eq!(field(cut, "probe"), "begin");
    let full = failed.only("full-map", &["map", "count"]);
    assert_eq!(field(full, "map"), "small");
    assert_eq!(number(full, "count"), 2);

    let mut options = options.to_vec();
    options.extend(["-g", "--suppress-handler-errors"]);
    let kept = account(guest, "kept", &options, script, shell);
    assert_eq!(kept.total("errors"), 0);
    assert_eq!(kept.total("suppressed_errors"), 2);
    kept.only("suppressed-errors", &["count"]);
}

fn skipped(guest: &mut Guest) {
    let script = "global n probe kernel.function(\"__x64_sys_umask\") { n++ } \
        probe end { println(n) }";
    let options = ["-DMINSTACKSPACE=1000000", "-DMAXSKIPPED=1000000"];
    let shell = "$RUN -c 'sh -c \"for i in 1 2 3 4 5; do umask 22; done\"'";
    let skipped = account(guest, "skipped", &options, script, shell);
    assert_eq!(skipped.stdout, "0\n");
    let entry = skipped.only("skipped", &["reason", "count", "probe"]);
    assert_eq!(field(entry, "reason"), "low-stack");
    assert!(number(entry, "count") >= 5);
    let probe = field(entry, "probe");
    assert!(
        probe.starts_with("kernel.function(\"__x64_sys_umask"),
        "{probe}"
    );
}

fn missed(guest: &mut Guest) {
    let script = "global n \
        probe kernel.function(\"hrtimer_nanosleep\").return.maxactive(1) { n++ } \
        probe procfs(\"stop\").write { exit() } probe end { println(n > 0) }";
    // Three processes sleep at once, then all of them return.
    let shell = "$RUN & until [ -e /proc/systemtap/$M/stop ]; do sleep 0.1; done; l=$!; p=; \
        for i in 1 2 3; do sleep 1000 & p=\"$p $!\"; done; \
        for i in $p; do until grep -q '^230 ' /proc/$i/syscall; do sleep 0.1; done; done; \
        kill $p; wait $p; echo x >/proc/systemtap/$M/stop; wait $l";
    let missed = account(guest, "missed", &[], script, shell);
    assert_eq!(missed.stdout, "1\n");
    let entry = missed.only("missed-returns", &["count", "probe"]);
    assert!(number(entry, "count") >= 1);
    let probe = field(entry, "probe");
    assert!(probe.contains("hrtimer_nanosleep"), "{probe}");
}

/// The loader is stopped while more is printed than its buffers hold.
fn lost(guest: &mut Guest) {
    let script = "global n probe procfs(\"go\").write { n++ \
            for (i = 0; i < 15; i++) printf(\"%0500d\", n) println(\"\") } \
        probe procfs(\"stop\").write { exit() }";
    let shell = "$RUN -b 1 >/run/out & l=$!; until echo x >/proc/systemtap/$M/go; do sleep 0.1; done \
        2>/dev/null; until [ -s /run/out ]; do sleep 0.1; done; kill -STOP $l; \
        for i in $(seq 499); do echo x >/proc/systemtap/$M/go; done; kill -CONT $l; \
        echo x >/proc/systemtap/$M/stop; wait; wc -l </run/out; wc -c </run/out";
    let options = ["-DMAXACTION=100000", "-DSTP_NO_OVERLOAD"];
    let lost = account(guest, "lost", &options, script, shell);
    let words: Vec<u64> = lost
        .stdout
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    let [lines, bytes] = words[..] else {
        panic!("{}", lost.stdout);
    };
    let messages = lost.total("lost_messages");
    assert!(messages > 0, "{:?}", lost.json);
    // What arrived and what is said to be lost is what was printed.
    assert_eq!(lines + messages, 500);
    assert_eq!(bytes + lost.total("lost_bytes"), 500 * 7501);
    let entry = lost.only("lost-output", &["bytes", "messages", "probe"]);
    assert_eq!(field(entry, "probe"), "procfs(\"go\").write");
    let hits: u64 = lost
        .details("probe")
        .iter()
        .filter(|probe| field(probe, "probe") == "procfs(\"go\").write")
        .map(|probe| number(probe, "hits"))
        .sum();
    assert_eq!(hits, 500);
}

#[test]
fn every_loss_is_counted_where_it_happened() {
    let mut guest = Machine::new(kernel(), Root::Host).boot().unwrap();
    quiet(&mut guest);
    cut_full_and_failed(&mut guest);
    skipped(&mut guest);
    missed(&mut guest);
    lost(&mut guest);
}
