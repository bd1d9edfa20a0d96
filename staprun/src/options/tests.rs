// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

fn parsed(line: &str) -> Result<Options> {
    parse(line.split_whitespace().map(OsString::from))
}

fn refused(line: &str) -> String {
    match parsed(line) {
        Err(failure) => failure.0,
        Ok(options) => panic!("'{line}' was accepted: {options:?}"),
    }
}

#[test]
fn a_plain_run() {
    let options = parsed("hello.ko").expect("valid");
    assert_eq!(options.modules, ["hello.ko"]);
    assert_eq!(options.mode, Mode::Run);
}

#[test]
fn options_may_come_together_and_after_the_module() {
    let options = parsed("-vvw -oout.txt hello.ko count=7 name=a=b -x 12").expect("valid");
    assert_eq!(options.verbosity, 2);
    assert!(options.suppress_warnings);
    assert_eq!(options.output.as_deref(), Some("out.txt"));
    assert_eq!(options.target, Some(12));
    assert_eq!(
        options.parameters,
        [
            ("count".to_owned(), "7".to_owned()),
            ("name".to_owned(), "a=b".to_owned())
        ]
    );
}

#[test]
fn every_option_of_systemtap_is_known() {
    let options =
        parsed("-b 16 -u/lib/uprobes.ko -S 5,3 -T 100 -R -r 2:ssh://box -C always -N 7 -o f m.ko")
            .expect("valid");
    assert!(options.rename);
    assert_eq!(options.buffer_megabytes, Some(16));
    assert_eq!(
        options.rotation,
        Some(Rotation {
            bytes: 5 << 20,
            keep: 3
        })
    );
    assert_eq!(options.remote, Some((2, "ssh://box".to_owned())));
    assert_eq!(options.colour, Colour::Always);
    assert_eq!(options.namespaces, Some(7));
    assert_eq!(parsed("-s 8 m").expect("valid").buffer_megabytes, Some(8));
    assert!(parsed("-u m").is_ok());
    let options = parsed("-d one two").expect("valid");
    assert_eq!((options.mode, options.modules.len()), (Mode::Delete, 2));
    assert_eq!(parsed("-t 9 m").expect("valid").target, Some(9));
}

#[test]
fn options_that_exclude_each_other() {
    for line in [
        "-c true -x 1 m",
        "-A -L m",
        "-A -d m",
        "-A -b 4 m",
        "-A -c true m",
        "-A -x 1 m",
        "-A m a=1",
        "-A -N 1 m",
        "-A -r 0:here m",
        "-L -M 1 m",
        "-D -o f -L m",
        "-D -o f -d m",
        "-D -o f -c true m",
    ] {
        let text = refused(line);
        assert!(text.contains("can"), "{line}: {text}");
    }
    assert!(refused("-D m").contains("-D"));
    assert!(refused("-S 1 m").contains("output FILE"));
}

#[test]
fn options_with_nothing_to_do_are_told() {
    let texts = |line| {
        let options = parsed(line).expect("valid");
        options.without_effect().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts("-R -o f -i --summary=json m"), "");
    assert_eq!(texts("-A -o f -S 1 -i --summary=json m"), "");
    for (line, option) in [
        ("-L -o f m", "-o"),
        ("-L -i m", "-i"),
        ("-L --summary=json m", "--summary=json"),
        ("-A -R m", "-R"),
    ] {
        assert!(texts(line).starts_with(&format!("{option} has no effect")));
    }
}

#[test]
fn wrong_values_are_named() {
    assert!(refused("-s 0 m").contains("1-4095"));
    assert!(refused("-b m.ko").contains("1-4095"));
    assert!(refused("-b4096 m").contains("1-4095"));
    assert!(refused("-x abc m").contains("abc"));
    assert!(refused("-x -5 m").contains("-5"));
    assert!(refused("-S 0 -o f m").contains("-S"));
    assert!(refused("-S 1,0 -o f m").contains("-S"));
    assert!(refused("-S 18446744073709551615 -o f m").contains("-S"));
    assert!(refused("-r 5 m").contains("N:URI"));
    assert!(refused("-C red m").contains("red"));
    assert!(refused("-M 0 m").contains("-M"));
    assert!(refused("-T 0 m").contains("-T"));
    assert!(refused("-Z m").contains("-Z"));
    assert!(refused("--frob m").contains("--frob"));
    assert!(refused("m extra").contains("extra"));
    assert!(refused("m =5").contains("=5"));
    assert!(refused("-o").contains("-o"));
    assert!(refused("").contains("module"));
    let many: String = (0..65).map(|number| format!(" p{number}=1")).collect();
    assert!(refused(&format!("m{many}")).contains("65"));
}

#[test]
fn help_and_version_need_no_module() {
    assert_eq!(parsed("-h").expect("valid").mode, Mode::Help);
    assert_eq!(parsed("--version").expect("valid").mode, Mode::Version);
}

#[test]
fn two_dashes_end_the_options() {
    assert_eq!(parsed("-- -odd").expect("valid").modules, ["-odd"]);
}
