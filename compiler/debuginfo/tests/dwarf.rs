// SPDX-License-Identifier: GPL-2.0-or-later

//! The whole way on small programs: what GCC writes, and what is left of it
//! after bytes were changed at random.

use std::path::{Path, PathBuf};
use std::process::Command;

use rstap_debuginfo::{
    Address, DebugInfo, FunctionKind, FunctionQuery, KernelPaths, Location, ModuleId, Probeable,
    TypeKind,
};

fn compile(name: &str, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample.c");
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let status = Command::new("gcc")
        .args(options)
        .args(["-fno-pie", "-no-pie", "-o"])
        .arg(&output)
        .arg(&source)
        .status()
        .expect("gcc runs");
    assert!(status.success());
    output
}

fn open(path: &Path) -> (DebugInfo, ModuleId) {
    let info = DebugInfo::open(KernelPaths::default()).expect("opens without a kernel");
    let module = info
        .module(&path.display().to_string())
        .expect("opens the file");
    (info, module)
}

fn query(name: &str) -> FunctionQuery {
    FunctionQuery {
        name: name.to_string(),
        file: None,
        inlined: true,
        one_of_each: false,
    }
}

fn check(path: &Path) {
    let (info, module) = open(path);
    let plain = info.functions(module, &query("plain")).expect("functions");
    assert_eq!(plain.len(), 1, "{plain:?}");
    let plain = &plain[0];
    assert_eq!(plain.kind, FunctionKind::Concrete);
    let declaration = plain.declaration.as_ref().expect("declared");
    assert!(declaration.file.ends_with("sample.c"), "{declaration}");
    let variables = info
        .variables_at(plain, plain.entry.value)
        .expect("variables");
    let shown: Vec<String> = variables
        .iter()
        .filter(|variable| variable.parameter_index.is_some())
        .map(|variable| format!("{}:{}", variable.name, info.type_name(variable.type_id)))
        .collect();
    assert_eq!(
        shown,
        ["object:struct outer*", "colour:enum colour", "n:int"]
    );
    let location = info
        .location(plain, &variables[0], plain.entry.value)
        .expect("location");
    assert!(matches!(location, Location::Register(5)), "{location:?}");

    let outer = info
        .type_by_name(module, "struct outer")
        .expect("types")
        .expect("found");
    let field = info
        .member(outer, "b")
        .expect("members")
        .expect("found")
        .member;
    let bits = field.bit_field.expect("a bit field");
    assert_eq!(field.byte_offset * 8 + u64::from(bits.bit_offset), 3);
    assert_eq!(bits.bit_size, 7);
    let next = info
        .member(outer, "next")
        .expect("members")
        .expect("found")
        .member;
    assert_eq!(info.type_name(next.type_id), "struct inner const*");
    let call = info
        .member(outer, "call")
        .expect("members")
        .expect("found")
        .member;
    assert_eq!(
        info.type_name(call.type_id),
        "int (*) (struct inner*, enum colour)"
    );
    let inner = info
        .type_by_name(module, "inner")
        .expect("types")
        .expect("found");
    assert_eq!(info.size_of(inner).expect("size"), 32);
    let deep = info.member(inner, "d").expect("members").expect("found");
    assert_eq!((deep.member.byte_offset, deep.through.len()), (24, 3));
    let grid = info
        .member(outer, "grid")
        .expect("members")
        .expect("found")
        .member;
    let read = info.type_of(grid.type_id).expect("type");
    assert!(
        matches!(&read.kind, TypeKind::Array { dimensions, .. } if *dimensions == [Some(2), Some(3)])
    );
    assert_eq!(
        info.enumerator(module, "GREEN").expect("enumerators"),
        Some(-2)
    );
    assert!(
        info.type_by_name(module, "unsigned long")
            .expect("types")
            .is_some()
    );

    let twice = info.functions(module, &query("twice")).expect("functions");
    assert!(
        twice.iter().all(|copy| copy.kind == FunctionKind::Inlined),
        "{twice:?}"
    );
    assert!(!twice.is_empty());
    assert_eq!(twice[0].inlined_into.as_deref(), Some("plain"));
    let around = info
        .function_at(twice[0].entry, false)
        .expect("function")
        .expect("found");
    assert_eq!(&*around.name, "plain");

    let counter = info.globals(module, "counter", None).expect("globals");
    let location = info.global_location(&counter[0]).expect("location");
    assert!(matches!(location, Location::Memory(_)), "{location:?}");
    let lines = info.lines_of(plain).expect("lines");
    // The code starts at the opening brace, a line after the name.
    assert!(
        lines
            .iter()
            .any(|line| line.position.line == declaration.line + 1)
    );
    assert!(
        !info
            .lines(module, "sample.c", 1..=100)
            .expect("lines")
            .is_empty()
    );
    assert!(info.line_at(plain.entry).expect("line").is_some());
    assert!(info.labels(plain, "*").is_ok());
}

#[test]
fn dwarf_5() {
    check(&compile("sample5", &["-O2", "-gdwarf-5"]));
}

/// The entries of functions are in other units than their origins.
#[test]
fn optimized_at_link_time() {
    let path = compile("sample-lto", &["-O2", "-g", "-flto"]);
    let (info, module) = open(&path);
    let plain = info.functions(module, &query("plain")).expect("functions");
    let [plain] = plain.as_slice() else {
        panic!("one function: {plain:?}");
    };
    let declared = plain.declaration.as_ref().expect("declared");
    assert!(declared.file.ends_with("sample.c"), "{declared}");
    let prototype = info.prototype(plain).expect("read").expect("known");
    let parameters = prototype.parameters.iter();
    let names: Vec<&str> = parameters.map(|parameter| &*parameter.name).collect();
    assert_eq!(names, ["object", "colour", "n"]);
    let twice = info.functions(module, &query("twice")).expect("functions");
    assert!(!twice.is_empty(), "no copy of an inlined function");
    for copy in &twice {
        assert_eq!(copy.kind, FunctionKind::Inlined);
        // Or a clone of it.
        let around = copy.inlined_into.as_deref().unwrap_or_default();
        assert!(around.starts_with("plain"), "{around}");
    }
}

/// Types and inlined functions that two programs share are in a third file.
#[test]
fn shared_by_dwz() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dwz");
    let (info, module) = open(&folder.join("one"));
    let user = &info
        .functions(module, &query("first_user"))
        .expect("functions")[0];
    let variables = info
        .variables_at(user, user.entry.value)
        .expect("variables");
    let point = variables.iter().find(|variable| variable.name == "p");
    let point = point.expect("a parameter").type_id;
    assert_eq!(info.type_name(point), "struct point*");
    let structure = info
        .type_by_name(module, "struct point")
        .expect("types")
        .expect("found");
    let deep = info.member(structure, "inner").expect("members");
    assert_eq!(deep.expect("found").member.byte_offset, 8);
    let value = info.enumerator(module, "SECOND_KIND");
    assert_eq!(value.expect("enumerators"), Some(5));
    let copies = info
        .functions(module, &query("shared_helper"))
        .expect("functions");
    let [copy] = copies.as_slice() else {
        panic!("one copy: {copies:?}");
    };
    assert_eq!(copy.inlined_into.as_deref(), Some("first_user"));
    let declared = copy.declaration.as_ref().expect("declared");
    assert!(declared.file.ends_with("lib.h"), "{declared}");
}

#[test]
fn split_files_are_told_apart() {
    let path = compile("sample-split", &["-O2", "-g", "-gsplit-dwarf"]);
    let (info, module) = open(&path);
    let mut in_file = query("plain");
    in_file.file = Some("sample.c".to_string());
    let error = info.functions(module, &in_file).expect_err("not read");
    assert!(error.to_string().contains(".dwo files"), "{error}");
    assert!(
        error
            .hint
            .is_some_and(|hint| hint.contains("-gsplit-dwarf"))
    );
    // Symbols are there all the same.
    let plain = info.functions(module, &query("plain")).expect("functions");
    assert_eq!(plain[0].kind, FunctionKind::SymbolOnly);
}

#[test]
fn dwarf_4() {
    check(&compile("sample4", &["-O2", "-gdwarf-4"]));
}

#[test]
fn dwarf_3() {
    check(&compile("sample3", &["-O2", "-gdwarf-3", "-gstrict-dwarf"]));
}

#[test]
fn compressed_sections() {
    check(&compile("sample_z", &["-O2", "-gdwarf-5", "-gz"]));
}

#[test]
fn relocatable() {
    let path = compile("sample.ko", &["-O2", "-g", "-c", "-ffunction-sections"]);
    let (info, module) = open(&path);
    let plain = &info.functions(module, &query("plain")).expect("functions")[0];
    let placement = info.placement(plain.entry).expect("placement");
    assert_eq!(
        (placement.section.as_str(), placement.section_offset),
        (".text.plain", 0)
    );
}

#[test]
fn clones_have_the_name_of_their_function_without_debug_information_too() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clones.c");
    let text = "
        static volatile long sink;
        struct pair { long first, second; };
        static __attribute__((noinline)) long constant(long value, long factor)
        { sink += value; return value * factor + sink; }
        static __attribute__((noinline)) long apart(const struct pair *pair, long value)
        { sink++; return pair->second + value * sink; }
        static __attribute__((cold, noinline, noipa)) void seldom(long value) { sink -= value; }
        __attribute__((noinline, noipa)) long split(long value)
        { if (value > 9) { seldom(value); seldom(value + 1); } return value; }
        int main(int count, char **words)
        {
            struct pair pair = { count, count };
            return constant(count, 7) + constant(sink, 7) + apart(&pair, 3) + apart(&pair, sink)
                + split(count);
        }";
    std::fs::write(&source, text).expect("the source written");
    let path = source.with_extension("");
    let build = |options: &[&str]| {
        let mut gcc = Command::new("gcc");
        let status = gcc.args(options).arg(&source).arg("-o").arg(&path).status();
        assert!(status.expect("gcc runs").success());
    };
    for options in [["-O2", "-g"], ["-O2", "-g0"]] {
        build(&options);
        let (info, module) = open(&path);
        let names = |pattern: &str| -> Vec<String> {
            let functions = info.functions(module, &query(pattern)).expect("functions");
            let mut names: Vec<String> = functions
                .iter()
                .map(|function| function.linkage_name.to_string())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("constant"), ["constant.constprop.0"], "{options:?}");
        assert_eq!(names("apart"), ["apart.isra.0"], "{options:?}");
        assert_eq!(names("apart.isra.0"), ["apart.isra.0"], "{options:?}");
        assert_eq!(names("split"), ["split"], "{options:?}");
        assert_eq!(names("split.cold"), ["split.cold"], "{options:?}");
        // The linker puts what seldom runs first.
        let entry = |name| info.symbol(module, name).expect("a symbol").address;
        assert!(entry("split.cold").value < entry("split").value);
        let split = info.functions(module, &query("split")).expect("functions");
        assert_eq!(split.first().expect("found").entry, entry("split"));
    }
}

#[test]
fn what_the_kernel_refuses_for_a_function_it_refuses_for_its_clones() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused.c");
    let function = |name: &str| {
        format!(".type {name},@function\\n{name}: nop\\nret\\n.size {name},.-{name}\\n")
    };
    let names = [
        "secret",
        "secret.part.0",
        "secret.isra.0.cold",
        "secretive",
        "open.part.0",
    ];
    let text = format!(
        "__asm__(\"{}.pushsection _kprobe_blacklist,\\\"a\\\"\\n.quad secret\\n.popsection\");",
        names.map(function).concat()
    );
    std::fs::write(&source, text).expect("the source written");
    let path = source.with_extension("ko");
    let mut gcc = Command::new("gcc");
    let status = gcc.arg("-c").arg(&source).arg("-o").arg(&path).status();
    assert!(status.expect("gcc runs").success());
    let (info, module) = open(&path);
    let refused = names.map(|name| {
        let functions = info.functions(module, &query(name)).expect("functions");
        let probeable = info.probeable(functions.first().expect("found"));
        matches!(probeable, Ok(Probeable::Refused(_)))
    });
    assert_eq!(refused, [true, true, true, false, false]);
}

#[test]
fn instructions_begin_where_the_assembler_says() {
    for (name, options) in [
        ("instructions", &["-O2", "-g"][..]),
        ("instructions_alone", &["-O2", "-g0"]),
    ] {
        let path = compile(name, options);
        let (info, module) = open(&path);
        let functions = info.functions(module, &query("plain")).expect("functions");
        let function = functions.first().expect("found");
        let listing = Command::new("objdump")
            .args(["-d", "--no-show-raw-insn", "--disassemble=plain"])
            .arg(&path)
            .output()
            .expect("objdump runs");
        let text = String::from_utf8_lossy(&listing.stdout).into_owned();
        let begins: Vec<u64> = text
            .lines()
            .filter_map(|line| u64::from_str_radix(line.trim().split_once(":\t")?.0, 16).ok())
            .collect();
        assert!(begins.len() > 3, "{text}");
        for pair in begins.windows(2) {
            for value in pair[0]..pair[1] {
                let begin = info.instruction_at(function, Address { module, value });
                assert_eq!(begin.expect("readable"), Some(pair[0]), "{name} {value:#x}");
            }
        }
    }
}

#[test]
fn stack_frames() {
    let path = compile("sample_o0", &["-O0", "-g"]);
    let (info, module) = open(&path);
    let plain = &info.functions(module, &query("plain")).expect("functions")[0];
    let sum = info
        .variables_at(plain, plain.entry.value + 16)
        .expect("variables");
    let sum = sum
        .iter()
        .find(|variable| variable.name == "sum")
        .expect("sum");
    let location = info
        .location(plain, sum, plain.entry.value + 16)
        .expect("location");
    assert!(matches!(location, Location::Memory(_)), "{location:?}");
}

/// Asks for everything; whatever comes back is fine as long as it does.
fn ask_everything(path: &Path) {
    let Ok(info) = DebugInfo::open(KernelPaths::default()) else {
        return;
    };
    let Ok(module) = info.module(&path.display().to_string()) else {
        return;
    };
    for function in info.functions(module, &query("*")).unwrap_or_default() {
        for pc in [function.entry.value, function.entry.value.wrapping_add(9)] {
            for variable in info.variables_at(&function, pc).unwrap_or_default() {
                let _ = info.location(&function, &variable, pc);
                let _ = info.type_name(variable.type_id);
                let _ = info.size_of(variable.type_id);
                let _ = info.members(variable.type_id);
            }
        }
        let _ = info.prototype(&function);
        let _ = info.lines_of(&function);
        let _ = info.labels(&function, "*");
        let _ = info.call_sites(&function);
        let _ = info.placement(function.entry);
        let _ = info.probeable(&function);
    }
    let _ = info.globals(module, "*", None);
    let _ = info.lines(module, "*", 0..=u32::MAX);
    let _ = info.tracepoints(module, "*");
    let _ = info.enumerator(module, "GREEN");
    let _ = info.type_by_name(module, "outer");
    let _ = info.function_at(
        Address {
            module,
            value: 0x401_000,
        },
        true,
    );
}

#[test]
fn corrupt_files_give_errors_not_panics() {
    for (name, options) in [
        ("corrupt5", vec!["-O2", "-gdwarf-5"]),
        ("corrupt4", vec!["-O2", "-gdwarf-4"]),
        ("corrupt_o", vec!["-O2", "-g", "-c"]),
    ] {
        let path = compile(name, &options);
        let good = std::fs::read(&path).expect("reads");
        let bad_path = path.with_extension("bad");
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |limit: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % limit.max(1) as u64) as usize
        };
        for round in 0..150 {
            let mut bad = good.clone();
            for _ in 0..1 + next(24) {
                let at = next(bad.len());
                bad[at] = [0, 0xff, 0x80, 0x7f, next(256) as u8][next(5)];
            }
            if round % 10 == 0 {
                bad.truncate(next(good.len()));
            }
            // A new inode each time: files stay mapped.
            let _ = std::fs::remove_file(&bad_path);
            std::fs::write(&bad_path, &bad).expect("writes");
            ask_everything(&bad_path);
        }
    }
}
