// SPDX-License-Identifier: GPL-2.0-or-later
//! ELF, DWARF and BTF files, through the one door that the compiler uses.

use std::io::Write as _;
use std::path::Path;

use rstap_debuginfo::{
    Address, DebugInfo, FunctionQuery, KernelPaths, Location, ModuleId, Result, Source,
};
use tempfile::NamedTempFile;

/// The reader takes files only. It keeps what it has read until the process ends,
/// so long runs of the fuzzer are cut into processes.
fn in_file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file for the input");
    file.write_all(bytes).expect("the input written");
    file
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
        answered(info.file_offset(function.entry), path);
        answered(info.line_at(function.entry), path);
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

/// A program or a kernel module.
pub fn elf(bytes: &[u8]) {
    let file = in_file(bytes);
    let Some(info) = answered(DebugInfo::open(KernelPaths::default()), file.path()) else {
        return;
    };
    let opened = info.module(&file.path().display().to_string());
    if let Err(error) = &opened {
        assert_eq!(error.path.as_deref(), Some(file.path()), "{error}");
    }
    let Some(module) = answered(opened, file.path()) else {
        return;
    };
    ask(&info, module, file.path());
}

/// The kernel's BTF, raw or in an ELF file.
pub fn btf(bytes: &[u8]) {
    let file = in_file(bytes);
    let paths = KernelPaths {
        btf: Some(file.path().to_owned()),
        ..KernelPaths::default()
    };
    let Some(info) = answered(DebugInfo::open(paths), file.path()) else {
        return;
    };
    let _ = info.has(ModuleId::KERNEL, Source::Btf);
    ask(&info, ModuleId::KERNEL, file.path());
}
