// SPDX-License-Identifier: GPL-2.0-or-later
use std::rc::Rc;

use rstap_debuginfo::{Encoding, TypeId};
use rstap_syntax::diag::{Diagnostic, Renderer};
use rstap_syntax::span::SourceMap;
use rstap_syntax::{Environment, LibraryMacros, ast};

use super::{Context, Derived};
use crate::ir::ProbeKind;
use crate::semantic::session::{Library, SemanticOptions, Session};
use crate::target::FixtureTarget;

/// No tapset.
pub(crate) struct NoLibrary;

impl Library for NoLibrary {
    fn files_with_function(&self, _name: &str) -> Vec<usize> {
        Vec::new()
    }
    fn files_with_global(&self, _name: &str) -> Vec<usize> {
        Vec::new()
    }
    fn files_with_alias(&self, _first_component: &str) -> Vec<usize> {
        Vec::new()
    }
    fn function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn alias_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn file_count(&self) -> usize {
        0
    }
    fn parse(&self, _file: usize, _sources: &mut SourceMap) -> (ast::File, Vec<Diagnostic>) {
        (ast::File::default(), Vec::new())
    }
}

fn kernel() -> FixtureTarget {
    let mut target = FixtureTarget::new();
    let long = target.base("long int", 8, Encoding::Signed);
    let read = target.add_function(
        "vfs_read",
        ("fs/read_write.c", 450),
        long,
        &[("count", long)],
    );
    target.add_function("vfs_write", ("fs/read_write.c", 570), long, &[]);
    target.add_function("static_helper", ("fs/open.c", 10), TypeId::VOID, &[]);
    target.add_function("do_int3", ("arch/x86/traps.c", 5), TypeId::VOID, &[]);
    target.refuse("do_int3", "it is on the kernel's kprobe blacklist");
    target.add_inlined("verify", ("fs/read_write.c", 355), &read, 0x1010);
    target.add_tracepoint("sched", "sched_switch", &[("preempt", long)]);
    target.add_inlined("access_ok", ("fs/read_write.c", 300), &read, 0x1018);
    target.add_inlined("access_ok", ("fs/read_write.c", 300), &read, 0x101c);
    target.add_inlined("might_sleep", ("fs/read_write.c", 200), &read, 0x1018);
    target.refuse_address(0x1018, "it is patched");
    let part = ("fs/read_write.c", 450);
    target.add_function("vfs_read.part.0.cold", part, TypeId::VOID, &[]);
    target.add_line("fs/read_write.c", 451, 0x1000);
    target.add_line("fs/read_write.c", 454, 0x1020);
    target
}

/// Derives all probes of a script; also gives the messages.
fn derive(script: &str) -> (Vec<Derived>, String) {
    let target = kernel();
    let mut sources = SourceMap::new();
    let environment = Environment::default();
    let macros = LibraryMacros::default();
    let (file, problems) =
        rstap_syntax::parse_script(&mut sources, "<input>", script, &environment, &macros, &[]);
    assert_eq!(problems, []);
    let session = Session::new(&target, &NoLibrary, SemanticOptions::default(), sources);
    let id = session.add_user_file(file);
    let mut derived = Vec::new();
    for probe in &session.unit(id).probes {
        derived.extend(super::derive(&session, &Rc::clone(probe), id));
    }
    let messages: String = session
        .take_diagnostics()
        .iter()
        .map(|message| Renderer::default().render(message, &session.sources.borrow()))
        .collect();
    (derived, messages)
}

fn names(script: &str) -> Vec<String> {
    let (derived, messages) = derive(script);
    assert_eq!(messages, "", "{script}");
    derived.into_iter().map(|derived| derived.name).collect()
}

fn message(script: &str) -> String {
    let (derived, messages) = derive(script);
    assert!(derived.is_empty(), "{script}");
    messages
}

#[test]
fn names_are_resolved() {
    for (point, expected) in [
        ("begin", "begin"),
        ("begin(-3)", "begin(-3)"),
        ("timer.ms(10)", "timer.ms(10)"),
        (
            "kernel.function(\"vfs_read\")",
            "kernel.function(\"vfs_read@fs/read_write.c:450\")",
        ),
        (
            "kernel.function(\"vfs_read@read_write.c\").return.maxactive(3)",
            "kernel.function(\"vfs_read@fs/read_write.c:450\").return.maxactive(3)",
        ),
        (
            "kernel.function(\"verify\").inline",
            "kernel.function(\"verify@fs/read_write.c:355\").inline",
        ),
        (
            "kernel.statement(\"vfs_read@fs/read_write.c+4\")",
            "kernel.statement(\"vfs_read@fs/read_write.c:454\")",
        ),
        (
            "kernel.trace(\"sched_*\")",
            "kernel.trace(\"sched:sched_switch\")",
        ),
        (
            "kprobe.function(\"vfs_w*\")",
            "kprobe.function(\"vfs_write\")",
        ),
        ("procfs(\"x\").read", "procfs(\"x\").read"),
    ] {
        assert_eq!(names(&format!("probe {point} {{}}")), [expected]);
    }
}

#[test]
fn wildcards_leave_out_what_cannot_be_probed() {
    let found = names("probe kernel.function(\"*\").call {}");
    assert_eq!(found.len(), 3);
    let refused = message("probe kernel.function(\"do_int3\") {}");
    assert!(
        refused.contains("it is on the kernel's kprobe blacklist"),
        "{refused}"
    );
    assert_eq!(names("probe timer.*(100) {}").len(), 8);
    assert_eq!(names("probe begin* {}"), ["begin"]);
}

#[test]
fn parts_moved_away_are_no_functions() {
    let read = "kernel.function(\"vfs_read@fs/read_write.c:450\")";
    assert_eq!(names("probe kernel.function(\"vfs_r*\") {}"), [read]);
    assert_eq!(
        names("probe kernel.function(\"vfs_r*\").return {}"),
        [format!("{read}.return")]
    );
    let part = "kernel.function(\"vfs_read.part.0.cold@fs/read_write.c:450\")";
    assert_eq!(
        names("probe kernel.function(\"vfs_read.part.0.cold\") {}"),
        [part]
    );
    assert_eq!(names("probe kernel.function(\"*.cold\") {}"), [part]);
    let refused = message("probe kernel.function(\"vfs_read.part.0.cold\").return {}");
    assert!(
        refused.contains("a part of 'vfs_read' that is jumped to"),
        "{refused}"
    );
    let refused = message("probe kprobe.function(\"vfs_read.part.0.cold\").return {}");
    assert!(refused.contains("does not return"), "{refused}");
    let by_symbol = names("probe kprobe.function(\"vfs_r*\") {}");
    assert_eq!(by_symbol, ["kprobe.function(\"vfs_read\")"]);
}

#[test]
fn aliases_wrap_bodies_from_the_inside_out() {
    let script = "probe a = b { x = 1 } , { x = 9 } probe b = begin { x = 2 }
        probe b += end { x = 8 } probe a { x = 5 }";
    let (derived, messages) = derive(script);
    assert_eq!(messages, "");
    let (first, second) = (&derived[0], &derived[1]);
    assert_eq!(
        (first.name.as_str(), second.name.as_str()),
        ("begin", "end")
    );
    assert_eq!(first.listed, "a");
    // b's and a's prologues, the body, a's epilogue.
    assert_eq!(first.bodies.len(), 4);
    // a's prologue, the body, a's and b's epilogues.
    assert_eq!(second.bodies.len(), 4);
    assert_eq!(first.derivation, ["b = begin", "b", "a = b", "a"]);
}

#[test]
fn suffixes_and_conditions_go_through_aliases() {
    let script = "global g probe a.read = kernel.function(\"vfs_read\") if (g) {}
        probe a.read.return if (g > 1) {} probe a.* {}";
    let (derived, messages) = derive(script);
    assert_eq!(messages, "");
    assert!(matches!(derived[0].kind, ProbeKind::Return { .. }));
    assert_eq!(derived[0].conditions.len(), 2);
    assert_eq!(derived[0].listed, "a.read.return");
    assert_eq!(derived[1].listed, "a.read");
    assert_eq!(derived[1].conditions.len(), 1);
}

#[test]
fn optional_and_sufficient_points() {
    assert_eq!(
        names("probe kernel.function(\"none\")?, begin {}"),
        ["begin"]
    );
    assert_eq!(names("probe begin!, end {}"), ["begin"]);
    assert_eq!(names("probe kernel.function(\"none\")!, end {}"), ["end"]);
    assert!(names("probe kernel.function(\"none\")? {}").is_empty());
}

#[test]
fn private_names_are_hidden_from_wildcards() {
    let script = "probe x._hidden = begin {} probe x.shown = end {} ";
    assert_eq!(names(&format!("{script} probe x.* {{}}")), ["end"]);
    assert_eq!(names(&format!("{script} probe x._h* {{}}")), ["begin"]);
    assert_eq!(names(&format!("{script} probe x** {{}}")), ["end"]);
}

#[test]
fn messages_are_systemtaps() {
    for (point, expected) in [
        (
            "kernel.function(\"vfs_reads\")",
            "no match (similar functions: vfs_read, vfs_write",
        ),
        (
            "kernle.function(\"x\")",
            "probe point mismatch (similar: kernel, kprobe, end, error,",
        ),
        (
            "timer.s",
            "probe point mismatch (similar: s, ms, ns, us, hz)",
        ),
        (
            "begin.foo",
            "invalid suffix for probe: identifier 'foo' at <input>:1:13",
        ),
        ("timer.s(-1)", "interval value out of range (1, 86400)"),
        (
            "timer.us(10)",
            "interval value out of range (100, 86400000000)",
        ),
        ("timer.hz(0)", "frequency must be greater than 0"),
        (
            "timer.ms(10).randomize(20)",
            "randomization value out of range",
        ),
        ("timer.jiffies(0)", "invalid interval for jiffies timer"),
        ("kernel.statement(4096).absolute", "need stap -g"),
        ("procfs(\"../x\").read", "procfs path cannot be relative"),
        ("kernel.*(\"none\")", "didn't find any wildcard matches"),
        (
            "kernel.trace(\"sched_swich\")",
            "no match (similar tracepoints: sched_switch)",
        ),
        (
            "kernel.statement(\"vfs_read@fs/read_write.c:452\")",
            "no line records for fs/read_write.c:452 [man error::dwarf] (try :451 or :454)",
        ),
        (
            "netfilter.hook(\"X\").pf(\"NFPROTO_IPV4\")",
            "unsupported netfilter hook \"X\"",
        ),
    ] {
        let text = message(&format!("probe {point} {{}}"));
        assert!(text.contains(expected), "{point}: {text}");
        assert!(
            text.contains("while resolving probe point: identifier"),
            "{text}"
        );
    }
    let text = message("probe a = b {} probe b = a {} probe a {}");
    assert!(
        text.contains("recursive loop in alias expansion of"),
        "{text}"
    );
}

#[test]
fn never_is_a_probe_that_is_never_armed() {
    let (derived, _) = derive("probe never {}");
    assert_eq!(derived[0].name, "never");
    assert_eq!(derived[0].conditions.len(), 1);
}

#[test]
fn instructions_that_cannot_be_probed_are_left_out() {
    let (derived, messages) = derive("probe kernel.function(\"access_ok\") { }");
    let [derived] = derived.as_slice() else {
        panic!("{derived:?}");
    };
    let Context::Code(code) = &derived.context else {
        panic!("{derived:?}");
    };
    assert_eq!(code.pc, 0x101c);
    let warning = "WARNING: probe 'kernel.function(\"access_ok@fs/read_write.c:300\")' is left out: it is \
                   patched";
    assert!(messages.contains(warning), "{messages}");
    // With a wildcard nobody asked for this one, and without another copy there is nothing to probe.
    assert_eq!(names("probe kernel.function(\"access*\") { }").len(), 1);
    assert!(
        message("probe kernel.function(\"might_sleep\") { }")
            .contains("cannot be probed: it is patched")
    );
}
