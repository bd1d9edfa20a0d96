// SPDX-License-Identifier: GPL-2.0-or-later
//! `--help`, `--version` and the manual page, from the table of options.

use std::fmt::Write;

use super::table::{OPTIONS, OptionSpec, Section, Support};

/// Ways to call rstap: arguments, what it does.
pub const USAGES: &[(&str, &str)] = &[
    ("[options] FILE [ARG]...", "Run the script in FILE."),
    ("[options] - [ARG]...", "Run the script on standard input."),
    ("[options] -e SCRIPT [ARG]...", "Run the given script."),
    ("[options] -l PROBE", "List matching probe points."),
    ("[options] -L PROBE", "List them with their variables."),
    ("info [options]", "Say what this machine and kernel can do."),
    (
        "explain [CODE]",
        "Explain an error or warning, such as E0101.",
    ),
];

/// Columns of the help.
const WIDTH: usize = 80;
/// Where the texts start.
const INDENT: usize = 27;

/// `--version`: the first line, as tools look for it, and what follows.
pub fn version() -> String {
    format!(
        "rstap (SystemTap-compatible) version {}, language of SystemTap 5.6\n\
         This is free software; you may redistribute it under the GNU General Public License,\n\
         version 2 or later. There is NO WARRANTY, to the extent permitted by law.\n\
         tested kernel versions: 5.10 ... 7.2\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// `--help`.
pub fn help() -> String {
    let mut text = String::new();
    for (number, (arguments, what)) in USAGES.iter().enumerate() {
        let start = if number == 0 { "Usage: " } else { "   or: " };
        // writing to a String does not fail
        let _ = writeln!(text, "{start}rstap {arguments:<30}  {what}");
    }
    text.push_str(
        "\nOptions (in $SYSTEMTAP_DIR/rc and on the command line):\n  \
         --                       End of the options: what follows goes to the script.\n",
    );
    for section in Section::ALL {
        let shown: Vec<&OptionSpec> = shown(section).collect();
        if shown.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{}:", section.title());
        if section == Section::Other {
            let names: Vec<String> = shown.iter().map(|spec| spec.usage()).collect();
            text.push_str(&wrap(&names.join(", "), 2, WIDTH));
            text.push('\n');
            continue;
        }
        for spec in shown {
            let usage = spec.usage();
            let _ = write!(text, "  {usage:<width$}", width = INDENT - 2);
            if usage.len() + 3 > INDENT {
                let _ = write!(text, "\n{:INDENT$}", "");
            }
            let lines = wrap(spec.help, INDENT, WIDTH);
            text.push_str(lines.trim_start());
            text.push('\n');
        }
    }
    text
}

fn shown(section: Section) -> impl Iterator<Item = &'static OptionSpec> {
    OPTIONS
        .iter()
        .filter(move |spec| spec.section == section && !spec.is_hidden)
}

/// Breaks a text into lines of at most `width` columns, each indented.
fn wrap(text: &str, indent: usize, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.len() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
        .iter()
        .map(|line| format!("{:indent$}{line}", ""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The manual page rstap(1), in man(7) macros.
pub fn manual() -> String {
    let mut text = String::from(MANUAL_HEAD);
    text.push_str(".SH SYNOPSIS\n");
    for (arguments, _) in USAGES {
        let _ = writeln!(text, ".B rstap\n{}\n.br", roff(arguments));
    }
    text.push_str(MANUAL_DESCRIPTION);
    text.push_str(".SH OPTIONS\nOptions and other words may be mixed; after\n.B \\-\\-\nall words go to the script.\n");
    for section in Section::ALL {
        let shown: Vec<&OptionSpec> = shown(section).collect();
        if shown.is_empty() {
            continue;
        }
        let _ = writeln!(text, ".SS {}", section.title());
        for spec in shown {
            let _ = writeln!(text, ".TP\n.B {}", roff(&spec.usage()));
            match spec.support {
                Support::Yes => {
                    let _ = writeln!(text, "{}", roff(spec.help));
                }
                Support::No(why) => {
                    let _ = writeln!(text, "Refused: {}.", roff(why));
                }
            }
        }
    }
    text.push_str(MANUAL_POINTS);
    text.push_str(".SH ENVIRONMENT\n");
    for spec in OPTIONS {
        if let Some(variable) = spec.environment {
            let _ = writeln!(
                text,
                ".TP\n.B {variable}\nSee\n.BR {} .",
                roff(&spec.name())
            );
        }
    }
    text.push_str(MANUAL_TAIL);
    text
}

/// Escapes what roff would read as its own.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

const MANUAL_HEAD: &str = "\
.\\\" SPDX-License-Identifier: GPL-2.0-or-later
.\\\" Made by: rstap --generate=man
.TH RSTAP 1 \"\" rstap \"User Commands\"
.SH NAME
rstap \\- trace a running Linux kernel with SystemTap scripts
";

const MANUAL_DESCRIPTION: &str = "\
.SH DESCRIPTION
rstap turns a SystemTap script into a kernel module, loads it with
.BR staprun (8),
prints what the script prints, and unloads it when the script ends.
It works in five passes: parse, analyse, translate to C, compile, run.
";

const MANUAL_POINTS: &str = "\
.SH PROBE POINTS
.TP
.B begin, end, error, timer.s(N), timer.ms(N), timer.profile
The session, and time.
.TP
.B kernel.function(\"NAME@FILE\"), module(\"M\").function(\"NAME\")
Entry of a function and all its inlined copies; with
.BR .call ,
.BR .inline ,
.BR .exported ,
.BR .return ,
.B .label(\"L\")
or
.B .callee(\"F\")
a part of these.
.TP
.B kernel.statement(\"NAME@FILE:LINE\")
A line; also :10-20, :10,15, :* and +3 from the declaration, and
.B .nearest
with code.
.TP
.B kernel.trace(\"SYSTEM:NAME\"), kprobe.function(\"NAME\"), syscall.NAME
A tracepoint; a function by its symbol alone; a system call, with
.BR .return .
.TP
.B kernel.data(\"NAME\").write, netfilter.hook(\"H\").pf(\"P\"), procfs(\"FILE\").read, perf.type(N).config(N)
A variable, a packet, a file of the script's, a performance counter.
.TP
.B process(\"PATH\").function(\"NAME\"), .statement, .library(\"L\"), .plt(\"F\"), .mark(\"M\"), .begin, .end, .syscall
A program, by path, process or build-id; without a name that of
.B \\-c
or
.BR \\-x .
.PP
Names may have wildcards.
.B ?
behind a point makes it optional,
.B !
leaves out the rest of the list when it is found, and
.B if (CONDITION)
takes its hook away while the condition is false.
.B \\-\\-dump\\-probe\\-types
lists all kinds.
";

const MANUAL_TAIL: &str = "\
.TP
.B RSTAP_DIR, SYSTEMTAP_DIR
Folder of the
.I rc
file, of keys for signing, and of the cache; without them ~/.systemtap and ~/.cache/rstap.
.TP
.B RSTAP_TAPSET, RSTAP_RUNTIME, RSTAP_STAPRUN
Where the tapset library, the C sources of the run time and the loader are, instead of beside rstap.
.TP
.B SYSTEMTAP_COLORS
Colours of messages, as
.I error=01;31:warning=00;33:source=00;34:caret=01:token=01
.TP
.B SYSTEMTAP_DEBUGINFO_PATH
Folders with debug files.
.TP
.B DEBUGINFOD_CACHE_PATH, DEBUGINFOD_TIMEOUT
Where debug files that were fetched are kept, instead of ~/.cache/debuginfod_client, and for how many seconds a
server may send nothing (90). See
.BR debuginfod (8).
.SH FILES
.TP
.I $SYSTEMTAP_DIR/rc
Options that come before those of the command line.
.TP
.I ~/.cache/rstap
Modules by the hash of what they are made of, and the run time built for each kernel.
A file
.I cache_mb_limit
in it sets its size in megabytes (256).
.SH SIGNALS
SIGINT, SIGTERM and SIGHUP end the running script with its end probes, SIGHUP not under
.BR nohup (1).
SIGQUIT leaves the module running, SIGUSR2 goes on in a new file of
.BR \\-o ;
see
.BR staprun (8).
.SH EXIT STATUS
0 when all went well or the user interrupted the running script; 1 for every error:
in the script, in building or loading it, or at run time, when nothing was found to list,
and when the command of
.B \\-c
failed.
.SH EXAMPLES
.nf
rstap \\-e 'probe begin { println(\"hello\") exit() }'
rstap \\-\\-remote=vm script.stp
rstap \\-L 'kernel.function(\"vfs_*\")'
rstap \\-r RELEASE \\-p4 \\-m name script.stp && staprun name.ko
.fi
.SH SEE ALSO
.BR staprun (8)
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_help_fits() {
        for line in help().lines() {
            assert!(line.len() <= WIDTH + 20, "{line}");
            assert_eq!(line.trim_end(), line);
        }
    }

    #[test]
    fn every_option_is_in_help_and_manual() {
        let (help, manual) = (help(), manual());
        for spec in OPTIONS.iter().filter(|spec| !spec.is_hidden) {
            assert!(
                help.split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .contains(&spec.usage()),
                "{}",
                spec.usage()
            );
            assert!(manual.contains(&roff(&spec.usage())));
        }
    }

    #[test]
    fn the_manual_in_the_tree_is_the_current_one() {
        let written = include_str!("../../../docs/man/rstap.1");
        assert!(
            written == manual(),
            "make it again: rstap --generate=man > docs/man/rstap.1"
        );
    }

    #[test]
    fn a_line_of_roff_is_never_a_request_by_accident() {
        assert_eq!(roff(".x \\ -y"), "\\&.x \\e \\-y");
    }
}
