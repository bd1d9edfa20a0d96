// SPDX-License-Identifier: GPL-2.0-or-later
//! ELF, DWARF and BTF files, through the one door that the compiler uses.

use std::path::{Path, PathBuf};

use rstap_debuginfo::{
    Address, Callee, DebugInfo, Function, FunctionQuery, KernelPaths, Location, ModuleId, Result,
    Source,
};
use tempfile::TempDir;

/// The kernel's BTF, on which that of an input which is a module builds.
const BASE_BTF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/btf/btf.o");

/// The reader takes files only. It keeps what it has read until the process ends,
/// so long runs of the fuzzer are cut into processes.
///
/// The file's name is always the same, so that an input may name itself as the file with which it
/// shares its debug information. The folder's is not: contents are known by path and time.
fn in_file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder for the input");
    let path = folder.path().join("input");
    std::fs::write(&path, bytes).expect("the input written");
    (folder, path)
}

/// What the answer is does not matter, but an error must say about which file it is.
fn answered<T>(answer: Result<T>, path: &Path) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert!(!error.message.is_empty());
            // What is missing has no place; what is damaged has one.
            let is_damage = error.message.starts_with("bad ") || error.position.is_some();
            assert!(
                !is_damage || error.path.is_some() && error.position.is_some(),
                "{error} in {}",
                path.display()
            );
            None
        }
    }
}

fn ask_of_function(info: &DebugInfo, function: &Function, path: &Path) {
    for pc in [function.entry.value, function.entry.value.wrapping_add(9)] {
        let variables = answered(info.variables_at(function, pc), path).unwrap_or_default();
        for variable in variables.iter().take(50) {
            let _: Option<Location> = answered(info.location(function, variable, pc), path);
            let _ = info.type_name(variable.type_id);
            answered(info.size_of(variable.type_id), path);
            answered(info.strip(variable.type_id), path);
            answered(info.type_of(variable.type_id), path);
            for member in answered(info.members(variable.type_id), path)
                .unwrap_or_default()
                .iter()
                .take(20)
            {
                answered(info.member(variable.type_id, &member.name), path);
                let _ = info.type_name(member.type_id);
            }
        }
    }
    answered(info.prototype(function), path);
    answered(info.return_type(function), path);
    answered(info.lines_of(function), path);
    answered(info.labels(function, "*"), path);
    answered(info.call_sites(function), path);
    answered(info.placement(function.entry), path);
    answered(info.probeable(function), path);
    answered(info.refusal(function.entry), path);
    answered(info.file_offset(function.entry), path);
    answered(info.line_at(function.entry), path);
    let _ = info.frame_at(function.entry);
    let inside = Address {
        value: function.entry.value.wrapping_add(9),
        ..function.entry
    };
    answered(info.instruction_at(function, inside), path);
}

/// Asks everything there is to ask about one file.
fn ask(info: &DebugInfo, module: ModuleId, path: &Path) {
    let query = FunctionQuery {
        name: "*".to_owned(),
        file: None,
        inlined: true,
        one_of_each: false,
    };
    let functions = answered(info.functions(module, &query), path).unwrap_or_default();
    for function in functions.iter().take(50) {
        ask_of_function(info, function, path);
        for callee in answered(info.callees(function), path)
            .unwrap_or_default()
            .iter()
            .take(20)
        {
            if let Callee::Inlined(copy) = callee {
                ask_of_function(info, copy, path);
            }
        }
    }
    for variable in answered(info.globals(module, "*", None), path)
        .unwrap_or_default()
        .iter()
        .take(50)
    {
        answered(info.global_location(variable), path);
        let _ = info.type_name(variable.type_id);
    }
    answered(info.source_files(module, "*"), path);
    answered(info.lines(module, "*", 0..=u32::MAX), path);
    answered(info.tracepoints(module, "*"), path);
    answered(info.markers(module), path);
    answered(info.plt(module), path);
    answered(info.carried_symbols(module), path);
    answered(info.carried_frames(module), path);
    answered(info.carried_lines(module), path);
    answered(info.needed_libraries(module), path);
    answered(info.symbol_functions(&module, "*"), path);
    answered(info.enumerator(module, "GREEN"), path);
    for name in ["outer", "struct outer", "enum colour", "unsigned long"] {
        answered(info.type_by_name(module, name), path);
    }
    answered(info.symbols(module, "*"), path);
    let _ = info.symbol(module, "main");
    let _ = info.build_id(module);
    for value in [0, 0x40_1000, u64::MAX] {
        let address = Address { module, value };
        answered(info.function_at(address, true), path);
        answered(info.placement(address), path);
        let _ = info.symbol_at(address);
    }
}

/// Opens a file as what the paths say; `None` if that is refused.
fn open(path: &Path, paths: KernelPaths, name: &str) -> Option<(DebugInfo, ModuleId)> {
    let info = answered(DebugInfo::open(paths), path)?;
    let opened = info.module(name);
    if let Err(error) = &opened {
        assert_eq!(error.path.as_deref(), Some(path), "{error}");
    }
    let module = answered(opened, path)?;
    Some((info, module))
}

/// A program or a kernel module; what is linked, also as a kernel.
pub fn elf(bytes: &[u8]) {
    /// Where the type of a file is in its header, and its low byte in one that is linked.
    const LINKED: (usize, u8) = (16, 2);
    let (_folder, path) = in_file(bytes);
    let paths = KernelPaths {
        btf: Some(BASE_BTF.into()),
        ..KernelPaths::default()
    };
    if let Some((info, module)) = open(&path, paths, &path.display().to_string()) {
        ask(&info, module, &path);
    }
    if bytes.get(LINKED.0) == Some(&LINKED.1) {
        let paths = KernelPaths {
            vmlinux: Some(path.clone()),
            ..KernelPaths::default()
        };
        if let Some((info, module)) = open(&path, paths, "kernel") {
            ask(&info, module, &path);
        }
    }
}

/// The kernel's BTF, raw or in an ELF file.
pub fn btf(bytes: &[u8]) {
    let (_folder, path) = in_file(bytes);
    let paths = KernelPaths {
        btf: Some(path.clone()),
        ..KernelPaths::default()
    };
    let Some(info) = answered(DebugInfo::open(paths), &path) else {
        return;
    };
    let _ = info.has(ModuleId::KERNEL, Source::Btf);
    ask(&info, ModuleId::KERNEL, &path);
}
