use rstap::library::TapsetLibrary;
use rstap::semantic::{analyze, session::*};
use rstap_syntax::{diag::*, span::SourceMap, Environment, parse_script};
fn main() {
    let text = std::env::args().nth(1).unwrap();
    let mut sources = SourceMap::new();
    let env = || Environment { tapset: true, ..Default::default() };
    let t0 = std::time::Instant::now();
    let library = TapsetLibrary::open(&["tapsets".into()], env(), &mut sources);
    eprintln!("library {:?}", t0.elapsed());
    for d in &library.diagnostics { eprintln!("{d:?}"); }
    let e = Environment { guru: true, ..Default::default() };
    let (file, diags) = parse_script(&mut sources, "<input>", text, &e, library.macros(), &[]);
    for d in diags { eprintln!("{}: {:?}", d.heading(), d); }
    let target = rstap::target::RealTarget::new(Default::default());
    let session = Session::new(&target, &library, SemanticOptions::default(), sources);
    session.add_user_file("<input>".into(), file);
    let p = analyze::analyze(&session, "<input>");
    eprintln!("analyzed {:?}", t0.elapsed());
    for d in session.take_diagnostics() { eprintln!("{}: {} {:?}", d.heading(), d.message, d.primary.map(|s| session.location(s))); for c in &d.causes { eprintln!("   {}", c.message); } }
    if let Some(p) = p { println!("{:#?}", p.handlers); for (i, f) in p.functions.iter() { println!("{i} {} {:?}", f.name, f.returns); } for g in p.globals.values() { println!("{} {:?}", g.name, g.kind); } for pr in &p.probes { println!("{} {:?} {}", pr.name, pr.kind, pr.handler); } }
}
