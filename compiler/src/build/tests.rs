// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

#[test]
fn a_modinfo_line_is_a_string_of_its_section() {
    let line = modinfo_line(2, "note=say \"hi\"");
    assert!(line.contains("rstap_modinfo_2[]"));
    assert!(line.contains("= \"note=say \\\"hi\\\"\";"));
}
#[test]
fn adhoc() {
    let Ok(k) = std::env::var("ADHOC") else { return };
    let tree = KernelTree::at(Path::new(&k)).unwrap();
    let t = std::env::temp_dir().join("adhoc"); fs::create_dir_all(&t).unwrap();
    let c = fs::read_to_string(std::env::var("ADHOC_C").unwrap()).unwrap();
    let r = std::env::var("ADHOC_R").unwrap();
    let req = BuildRequest { c_source: &c, has_embedded_c: true, kernel: &tree, runtime_sources: Path::new(&r), runtime_root: &t.join("runtime"), temporary: &t, verbosity: 2, keep_debug: false, make_arguments: &[], modinfo: &["a=b".to_owned()], sign: None };
    for _ in 0..3 {
    let s = std::time::Instant::now();
    let plan = req.plan().unwrap();
    eprintln!("plan {:?}", s.elapsed());
    match req.compile(&plan, &plan.name) { Ok(p) => eprintln!("{}", p.display()), Err(e) => eprintln!("ERROR: {e}") }
    eprintln!("all {:?}", s.elapsed());
    }
}
