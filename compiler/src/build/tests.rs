// SPDX-License-Identifier: GPL-2.0-or-later
use std::process::Command;

use super::elf::NAME_PLACEHOLDER;
use super::*;

/// An object with the two places of a module's name, and symbols of every kind.
fn module_object(directory: &Path) -> PathBuf {
    let source = directory.join("module.s");
    let text = format!(
        ".section .modinfo,\"a\"\n.asciz \"license=GPL\"\n.asciz \"name={NAME_PLACEHOLDER}\"\n\
         .asciz \"depends=\"\n.section .gnu.linkonce.this_module,\"aw\"\n.zero 24\n\
         .asciz \"{NAME_PLACEHOLDER}\"\n.zero 100\n.text\n.globl here\nhere: call there\n\
         .weak perhaps\n.quad perhaps\n"
    );
    fs::write(&source, text).unwrap();
    let object = directory.join("module.o");
    let status = Command::new("as")
        .arg("-o")
        .args([&object, &source])
        .status()
        .unwrap();
    assert!(status.success());
    object
}

#[test]
fn a_modinfo_line_is_a_string_of_its_section() {
    let line = modinfo_line(2, "note=say \"hi\"");
    assert!(line.contains("rstap_modinfo_2[]"));
    assert!(line.contains("= \"note=say \\\"hi\\\"\";"));
}

#[test]
fn a_modules_name_is_put_into_both_places() {
    let directory = tempfile::tempdir().unwrap();
    let mut data = fs::read(module_object(directory.path())).unwrap();
    let size = data.len();
    elf::set_module_name(&mut data, "short").unwrap();
    assert_eq!(data.len(), size);
    let text = String::from_utf8_lossy(&data);
    assert!(text.contains("name=short\0\0"));
    assert!(text.contains("\0short\0\0"));
    assert!(text.contains("depends="));
    assert!(!text.contains("placeholder"));
    // there is no place for a second name
    assert!(elf::set_module_name(&mut data, "other").is_err());
}

#[test]
fn names_that_do_not_fit_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = fs::read(module_object(directory.path())).unwrap();
    let longest = "x".repeat(elf::MODULE_NAME_SIZE - 1);
    assert!(elf::set_module_name(&mut data.clone(), &longest).is_ok());
    let too_long = "x".repeat(elf::MODULE_NAME_SIZE);
    assert!(elf::set_module_name(&mut data.clone(), &too_long).is_err());
    assert!(elf::set_module_name(&mut data.clone(), "").is_err());
}

#[test]
fn symbols_are_sorted_by_kind() {
    let directory = tempfile::tempdir().unwrap();
    let data = fs::read(module_object(directory.path())).unwrap();
    let symbols = elf::symbols(&data, "module.o").unwrap();
    assert!(symbols.defined.contains("here"));
    assert!(symbols.undefined.contains("there"));
    assert!(!symbols.undefined.contains("perhaps"));
}

#[test]
fn damaged_objects_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let data = fs::read(module_object(directory.path())).unwrap();
    for end in (0..data.len()).step_by(7) {
        let mut cut = data.get(..end).unwrap().to_vec();
        let _ = elf::symbols(&cut, "cut");
        let _ = elf::set_module_name(&mut cut, "name");
    }
    assert!(elf::symbols(b"\x7fELF", "cut").is_err());
}

/// Gives one byte of every 16 another value.
#[test]
fn corrupted_objects_do_not_panic() {
    let directory = tempfile::tempdir().unwrap();
    let data = fs::read(module_object(directory.path())).unwrap();
    for at in (0..data.len()).step_by(3) {
        let mut bad = data.clone();
        if let Some(byte) = bad.get_mut(at) {
            *byte ^= 0xff;
        }
        let _ = elf::symbols(&bad, "bad");
        let _ = elf::set_module_name(&mut bad, "name");
    }
}
