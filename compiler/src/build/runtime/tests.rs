// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

fn words(line: &str) -> Vec<String> {
    split_shell(line).into_iter().next().unwrap_or_default()
}

#[test]
fn a_compilers_own_words_are_left_out() {
    let command = words(
        "gcc-12 -Wp,-MMD,/m/.s.o.d -nostdinc -I./include -include ./k.h -O2 -g \
         -DKBUILD_BASENAME='\"s\"' -DKBUILD_MODNAME='\"m\"' -c -o /m/s.o /m/s.c",
    );
    assert_eq!(
        compile_flags(&command).join(" "),
        "gcc-12 -nostdinc -I./include -include ./k.h -O2 -g -DKBUILD_MODNAME=\"m\""
    );
}

#[test]
fn a_linkers_objects_are_left_out() {
    let recorded = Recorded::parse(
        "cmd_m.ko := ld -r -m elf_x86_64 --build-id=sha1 -T a/module.lds -o m.ko m.o m.mod.o;  true",
    )
    .unwrap();
    assert_eq!(
        link_flags(&recorded).unwrap().join(" "),
        "ld -r -m elf_x86_64 --build-id=sha1 -T a/module.lds"
    );
}

#[test]
fn the_runtimes_entry_points_are_not_sealed() {
    let objtool = words("./objtool --ibt --orc --module --link /m/m.o");
    let objtool = without_object(&objtool);
    assert_eq!(objtool.join(" "), "./objtool --ibt --orc --module --link");
    assert_eq!(
        core_objtool(&objtool, Path::new("core.o")).join(" "),
        "./objtool --orc --module --link core.o"
    );
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let core = directory.path().join("core o.o");
    fs::write(&core, "").unwrap();
    let runtime = Runtime {
        directory: directory.path().to_owned(),
        working_directory: "/build tree".into(),
        compile: words("gcc -DX='\"a b\"' -O2"),
        objtool: Vec::new(),
        link: words("ld -r"),
        objects: vec![core.clone()],
        raw_core: core.clone(),
        symbols: ["memcpy".to_owned(), "rst_put".to_owned()].into(),
    };
    assert_eq!(Runtime::read(directory.path()), None);
    runtime.write().unwrap();
    assert_eq!(Runtime::read(directory.path()), Some(runtime));
    // a runtime whose object is gone is built again
    fs::remove_file(core).unwrap();
    assert_eq!(Runtime::read(directory.path()), None);
}

#[test]
fn sources_without_a_kbuild_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.c"), "").unwrap();
    assert!(source_files(directory.path()).is_err());
    fs::write(directory.path().join("Kbuild"), "").unwrap();
    fs::write(directory.path().join("m.mod.c"), "").unwrap();
    fs::write(directory.path().join("a.o"), "").unwrap();
    let names: Vec<PathBuf> = source_files(directory.path())
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, [PathBuf::from("Kbuild"), PathBuf::from("a.c")]);
}

#[test]
fn objtool_is_found_in_what_kbuild_shows() {
    let output = "make -f ./scripts/Makefile.build obj=/x\n  gcc-10 -c -o /x/a.o /x/a.c\n   \
                  ./tools/objtool/objtool orc generate  --module --no-fp /x/a.o\nset -e; ld -r\n";
    let shown = objtool_shown(output).unwrap();
    let wanted = [
        "./tools/objtool/objtool",
        "orc",
        "generate",
        "--module",
        "--no-fp",
    ];
    assert_eq!(shown, wanted);
    assert_eq!(objtool_shown("ld -r -o /x/objtool.o"), None);
}
