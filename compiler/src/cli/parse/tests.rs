// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

fn words(line: &str) -> Vec<String> {
    super::super::rc::split_words(line)
}

fn good(line: &str) -> Options {
    parse(&words(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn bad(line: &str) -> String {
    parse(&words(line)).expect_err(line).to_string()
}

#[test]
fn the_script_is_the_first_word() {
    let options = good("-v a.stp x y");
    assert_eq!(
        options.action,
        Action::Script(ScriptSource::File("a.stp".into()))
    );
    assert_eq!(options.arguments, ["x", "y"]);
    assert_eq!(options.verbosity, [1; 5]);
    let options = good("-e 'probe begin {}' x");
    assert_eq!(
        options.action,
        Action::Script(ScriptSource::Text("probe begin {}".into()))
    );
    assert_eq!(options.arguments, ["x"]);
    assert_eq!(good("-").action, Action::Script(ScriptSource::Standard));
}

#[test]
fn options_may_follow_the_script_until_two_hyphens() {
    let options = good("a.stp one -g two -- -v --foo");
    assert!(options.guru);
    assert_eq!(options.arguments, ["one", "two", "-v", "--foo"]);
    assert_eq!(options.verbosity, [0; 5]);
}

#[test]
fn values_stick_to_short_options() {
    let options = good("-p4 -vvv --vp 00010 -DMAX=-3 -DFLAG -G n=5 -c '-x y' a.stp -mname.ko");
    assert_eq!(options.last_pass, 4);
    assert_eq!(options.verbosity, [3, 3, 3, 4, 3]);
    assert_eq!(
        options.macros,
        [("MAX".into(), Some("-3".into())), ("FLAG".into(), None)]
    );
    assert_eq!(options.global_values, [("n".into(), "5".into())]);
    assert_eq!(options.command.as_deref(), Some("-x y"));
    assert_eq!(options.module_name.as_deref(), Some("name"));
}

#[test]
fn listings_stand_alone() {
    let options = good("-L 'kernel.function(\"vfs_*\")'");
    assert!(matches!(options.action, Action::List { .. }));
    assert!(bad("-l begin -L end").contains("only one of the -l/-L/--dump-*"));
    assert!(bad("-l begin -e x").starts_with("Cannot specify a script with"));
    assert!(bad("--dump-functions -p2").starts_with("Cannot specify -p with"));
}

#[test]
fn refusals_are_systemtaps() {
    for (line, message) in [
        ("-p6 a", "Invalid pass number (should be 1-5)."),
        ("-x 3 -c ls a", "You can't specify -c and -x together."),
        ("-s 0 a", "Invalid buffer size (should be 1-4095)."),
        (
            "-m a-b a",
            "ERROR: Safety pattern mismatch for -m parameter ('a-b' vs. '^[a-z0-9_]+$') rc=1",
        ),
        (
            "-D 1a a",
            "ERROR: Safety pattern mismatch for -D parameter ('1a' vs. '^[a-z_][a-z_0-9]*(=-?[a-z_0-9]+)?$') rc=1",
        ),
        (
            "-G x a",
            "ERROR: Safety pattern mismatch for -G parameter ('x' vs. '^[a-z_][a-z0-9_]*=[a-z0-9_.-]+$') rc=1",
        ),
        (
            "--vp 123456 a",
            "Invalid --vp argument: it takes 1 to 5 digits.",
        ),
        ("-x abc a", "Invalid target process ID number."),
        ("-x 0 a", "Invalid target process ID number."),
        (
            "-S 1,0 -o f a",
            "Invalid file size option for -S: megabytes and number of files must be above 0.",
        ),
        ("-o '' a", "Empty FILE name of -o invalid."),
        (
            "-F --monitor a",
            "You can't specify -F and --monitor together.",
        ),
        ("-c '' a", "Empty CMD string invalid."),
        ("-T abc a", "Invalid timeout interval."),
        ("--color=foo a", "Invalid argument 'foo' for --color."),
        (
            "--suppress-time-limits a",
            "ERROR --suppress-time-limits requires guru mode (-g)",
        ),
        (
            "-e x -e y",
            "Only one script can be given on the command line.",
        ),
        ("", "A script must be specified."),
        ("--foo", "rstap: unrecognized option '--foo'"),
        ("-Z", "rstap: invalid option -- 'Z'"),
        ("-c", "rstap: option requires an argument -- 'c'"),
        ("--remote", "rstap: option '--remote' requires an argument"),
        (
            "--rlimit a",
            "rstap: option '--rlimit' is ambiguous; possibilities: '--rlimit-as'",
        ),
        (
            "--skip-badvars=3 a",
            "rstap: option '--skip-badvars' doesn't allow an argument",
        ),
        (
            "--compatible=9.0 a",
            "ERROR: systemtap version 5.6 cannot be compatible with future version 9.0",
        ),
        (
            "--runtime=x a",
            "ERROR: x is an invalid argument for --runtime",
        ),
    ] {
        let text = bad(line);
        assert!(text.starts_with(message), "{line}: {text}");
    }
}

#[test]
fn what_rstap_lacks_is_refused_and_never_ignored() {
    for spec in OPTIONS {
        if let Support::No(why) = spec.support {
            let value = match spec.value {
                Value::Required(_) => "=x",
                _ => "",
            };
            let text = bad(&format!("{}{value} a.stp", spec.name()));
            assert!(text.contains(why), "{text}");
        }
    }
    assert!(bad("--remote=libvirt://host a").contains("not supported"));
    for place in ["ssh://", "ssh://h:port", "a/b", "-oProxyCommand=x", "h x"] {
        assert!(bad(&format!("'--remote={place}' a")).contains("ssh://[USER@]HOST"));
    }
    let remotes = |line: &str| good(line).remotes;
    let ssh = |host: &str, port| {
        let host = host.to_owned();
        vec![Remote::Ssh { host, port }]
    };
    assert_eq!(
        remotes("--remote=ssh://me@host:22 a"),
        ssh("me@host", Some(22))
    );
    assert_eq!(remotes("--remote=host.net a"), ssh("host.net", None));
}

#[test]
fn what_has_no_effect_says_so() {
    assert!(
        good("--all-modules a.stp").warnings[0]
            .starts_with("WARNING: option --all-modules has no effect")
    );
    assert!(good("-w --all-modules a.stp").warnings.is_empty());
    assert!(good("--download-debuginfo=no a.stp").warnings.is_empty());
    assert!(bad("--privilege=stapusr a.stp").contains("not supported"));
}

#[test]
fn beginnings_of_names_are_enough() {
    assert!(good("--skip a.stp").skip_badvars);
    assert_eq!(good("--vers").action, Action::Version);
}

#[test]
fn info_and_explain_are_first_words_only() {
    assert_eq!(good("info").action, Action::Info);
    assert_eq!(good("info -r 6.1.0").release.as_deref(), Some("6.1.0"));
    assert_eq!(
        good("explain E0101").action,
        Action::Explain(Some("E0101".into()))
    );
    assert_eq!(
        good("./info").action,
        Action::Script(ScriptSource::File("./info".into()))
    );
    assert_eq!(
        good("-v info").action,
        Action::Script(ScriptSource::File("info".into()))
    );
}

#[test]
fn remotes_are_machines() {
    assert_eq!(
        good("--remote=vm:6.1.0-56-cloud-amd64 a").remotes,
        [Remote::Machine {
            release: Some("6.1.0-56-cloud-amd64".into()),
            with_kvm: false
        }]
    );
    assert_eq!(
        good("--remote vm a").remotes,
        [Remote::Machine {
            release: None,
            with_kvm: false
        }]
    );
}

#[test]
fn every_option_has_one_name_and_a_sentence() {
    let mut seen = std::collections::BTreeSet::new();
    for spec in OPTIONS {
        assert!(seen.insert(spec.name()), "{} twice", spec.name());
        assert!(spec.short.is_some() || spec.long.is_some());
        if spec.support == Support::Yes {
            assert!(spec.help.ends_with('.'), "{}: {}", spec.id, spec.help);
        }
    }
    command().debug_assert();
}
