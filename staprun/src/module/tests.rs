// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::elf::crafted;

const MODINFO: &[u8] = b"license=GPL\0name=hello\0vermagic=6.1.0-9 SMP mod_unload \0";
const INFO: &[u8] = b"version=1\0script=hello.stp\0build_id=abcd\0\
    parameter=count:long\0parameter=who:string\0needs=one\0needs=two\0module_build_id=ext4:0a1b\0";

fn this_module(name: &str) -> Vec<u8> {
    let mut bytes = vec![0; 200];
    bytes[NAME_OFFSET..NAME_OFFSET + name.len()].copy_from_slice(name.as_bytes());
    bytes
}

fn image(modinfo: &[u8], info: Option<&[u8]>) -> Vec<u8> {
    let this_module = this_module("hello");
    let mut sections = vec![
        (".modinfo", modinfo),
        (".gnu.linkonce.this_module", this_module.as_slice()),
    ];
    sections.extend(info.map(|info| (".rstap.info", info)));
    crafted::file(native_machine(), &sections, &[("weak_one", 0x20, 0)])
}

fn module() -> ModuleFile {
    ModuleFile::parse("hello.ko", image(MODINFO, Some(INFO))).expect("valid")
}

fn running(release: &str, build_id: Option<&str>) -> RunningKernel {
    RunningKernel {
        release: release.to_owned(),
        build_id: build_id.map(str::to_owned),
    }
}

#[test]
fn a_module_says_what_it_is() {
    let module = module();
    assert_eq!(module.name, "hello");
    assert_eq!(module.value("script"), Some("hello.stp"));
    assert_eq!(module.values("needs").collect::<Vec<_>>(), ["one", "two"]);
    assert!(!module.is_signed());
}

#[test]
fn foreign_modules_are_refused() {
    let refused = |image| ModuleFile::parse("x.ko", image).expect_err("foreign").0;
    assert!(refused(image(MODINFO, None)).contains("not built by rstap"));
    assert!(refused(image(MODINFO, Some(b"version=9\0"))).contains("version 9"));
    let other = crafted::file(183 ^ 62 ^ native_machine(), &[(".modinfo", MODINFO)], &[]);
    assert!(refused(other).contains("built for"));
    let object = crafted::file(native_machine(), &[(".text", b"")], &[]);
    assert!(refused(object).contains("object file"));
    let mut short = image(MODINFO, Some(INFO));
    short.truncate(short.len() / 2);
    assert!(refused(short).contains("cut short"));
}

#[test]
fn the_kernel_must_be_the_one_it_was_built_for() {
    let module = module();
    assert_eq!(
        module.check_kernel(&running("6.1.0-9", Some("ABCD"))),
        Ok(())
    );
    let unknown = module.check_kernel(&running("6.1.0-9", None));
    assert!(
        unknown
            .expect_err("no build-id")
            .0
            .contains("cannot tell whether")
    );
    let other = module
        .check_kernel(&running("6.1.0-10", None))
        .expect_err("other release")
        .0;
    assert_eq!(
        other,
        "hello.ko: module was built for 6.1.0-9, running kernel is 6.1.0-10; \
         build it with: rstap -r 6.1.0-10 -p4 -m hello hello.stp"
    );
    let other = module
        .check_kernel(&running("6.1.0-9", Some("ffff")))
        .expect_err("other build")
        .0;
    assert!(other.contains("Build-id mismatch"), "{other}");
}

#[test]
fn modules_of_the_kernel_must_be_those_it_was_built_for() {
    let module = module();
    let check = |id: Option<&str>| module.check_modules(|_| id.map(str::to_owned));
    assert_eq!(check(Some("0A1B")), Ok(()));
    // it may be loaded later
    assert_eq!(check(None), Ok(()));
    let other = check(Some("ffff")).expect_err("other build").0;
    assert!(other.contains("module ext4 with build-id 0a1b"), "{other}");
}

#[test]
fn parameters_are_checked_by_name_and_type() {
    let module = module();
    let check = |name: &str, value: &str| {
        let values = module.parameter_values(&[(name.to_owned(), value.to_owned())]);
        values
            .map(|mut values| values.pop().expect("a value").1)
            .map_err(|f| f.0)
    };
    let numbers = [
        ("-0x10", "-16"),
        ("010", "8"),
        ("+5", "5"),
        ("18446744073709551615", "-1"),
        ("-9223372036854775808", "-9223372036854775808"),
    ];
    for (given, sent) in numbers {
        assert_eq!(check("count", given).as_deref(), Ok(sent));
    }
    for (given, sent) in [("anybody", "anybody"), ("\"a b\"", "a b"), ("\"", "\"")] {
        assert_eq!(check("who", given).as_deref(), Ok(sent));
    }
    for wrong in ["ten", "", "08", "-+5", "0x", "-9223372036854775809", "5 "] {
        let text = check("count", wrong).expect_err(wrong);
        assert!(text.contains("is a number"), "{text}");
    }
    assert!(
        check("counts", "1")
            .expect_err("unknown")
            .contains("it has: count, who")
    );
}

#[test]
fn a_renamed_module_has_one_name_only() {
    let mut module = module();
    let name = private_name(&module.name, 4711);
    assert_eq!(name, "hello_4711");
    module.rename(&name).expect("renamed");
    let again = ModuleFile::parse("hello.ko", module.image).expect("valid");
    assert_eq!(again.name, "hello_4711");
    assert_eq!(value(&again.modinfo, "name"), None);
    assert_eq!(value(&again.modinfo, "license"), Some("GPL"));
}

#[test]
fn long_names_are_cut_before_the_number() {
    let name = private_name(&"x".repeat(NAME_MAXIMUM), 4_194_303);
    assert_eq!(name.len(), NAME_MAXIMUM);
    assert!(name.ends_with("x_4194303"));
}

#[test]
fn a_signed_module_is_left_alone() {
    let mut bytes = image(MODINFO, Some(INFO));
    bytes.extend_from_slice(SIGNATURE_END);
    let mut module = ModuleFile::parse("hello.ko", bytes).expect("valid");
    assert!(module.is_signed());
    assert!(
        module
            .rename("other")
            .expect_err("signed")
            .0
            .contains("signed")
    );
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    for name in ["", "..", "a/b", "a.b", "a b", "\u{e4}"] {
        assert!(!is_module_name(name), "{name}");
    }
}
