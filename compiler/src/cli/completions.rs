// SPDX-License-Identifier: GPL-2.0-or-later
//! Shell completions, from the table of options.

use std::fmt::Write;

use super::table::{OPTIONS, OptionSpec, Support, Value};

fn offered() -> impl Iterator<Item = &'static OptionSpec> {
    OPTIONS
        .iter()
        .filter(|spec| !spec.is_hidden && spec.support == Support::Yes)
}

/// What a value is, for the shells that can complete it.
fn kind(value: Value) -> Option<&'static str> {
    match value {
        Value::Required("FILE") => Some("file"),
        Value::Required("DIR") => Some("directory"),
        _ => None,
    }
}

/// For bash.
pub fn bash() -> String {
    let mut words = String::new();
    let mut directories = Vec::new();
    for spec in offered() {
        for name in names(spec) {
            words.push(' ');
            words.push_str(&name);
            if kind(spec.value) == Some("directory") {
                directories.push(name);
            }
        }
    }
    format!(
        "# SPDX-License-Identifier: GPL-2.0-or-later\n\
         # Made by: rstap --generate=bash\n\
         _rstap() {{\n\
         \tlocal current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}\n\
         \tcase $previous in\n\
         \t{})\n\
         \t\tmapfile -t COMPREPLY < <(compgen -d -- \"$current\")\n\
         \t\treturn ;;\n\
         \tesac\n\
         \tif [[ $current == -* ]]; then\n\
         \t\tmapfile -t COMPREPLY < <(compgen -W '{}' -- \"$current\")\n\
         \telse\n\
         \t\tmapfile -t COMPREPLY < <(compgen -f -X '!*.stp' -- \"$current\"; compgen -d -- \"$current\")\n\
         \tfi\n\
         }}\n\
         complete -o filenames -F _rstap rstap\n",
        directories.join(" | "),
        words.trim_start()
    )
}

/// For zsh.
pub fn zsh() -> String {
    let mut text = String::from(
        "#compdef rstap\n# SPDX-License-Identifier: GPL-2.0-or-later\n# Made by: rstap --generate=zsh\n_arguments -s \\\n",
    );
    for spec in offered() {
        let help = spec
            .help
            .replace('\\', "\\\\")
            .replace('\'', "'\\''")
            .replace('[', "\\[")
            .replace(']', "\\]")
            .replace(':', "\\:");
        let action = match kind(spec.value) {
            Some("directory") => "_files -/",
            Some(_) => "_files",
            None => "",
        };
        for name in names(spec) {
            let (suffix, value) = match (spec.value, name.starts_with("--")) {
                (Value::Flag, _) => ("", String::new()),
                (Value::Required(value), true) => ("=", format!(":{}:{action}", plain(value))),
                (Value::Required(value), false) => ("+", format!(":{}:{action}", plain(value))),
                (Value::Optional(value), true) => ("=-", format!("::{}:{action}", plain(value))),
                (Value::Optional(_), false) => ("", String::new()),
            };
            // writing to a String does not fail
            let _ = writeln!(text, "  '*{name}{suffix}[{help}]{value}' \\");
        }
    }
    text.push_str("  '1:script:_files -g \"*.stp\"' \\\n  '*:argument:_files'\n");
    text
}

/// For fish.
pub fn fish() -> String {
    let mut text = String::from(
        "# SPDX-License-Identifier: GPL-2.0-or-later\n# Made by: rstap --generate=fish\n",
    );
    for spec in offered() {
        text.push_str("complete -c rstap");
        if let Some(short) = spec.short {
            let _ = write!(text, " -s {short}");
        }
        if let Some(long) = spec.long {
            let _ = write!(text, " -l {long}");
        }
        if let Value::Required(_) = spec.value {
            text.push_str(" -r");
        }
        let help = spec.help.replace('\\', "\\\\").replace('\'', "\\'");
        let _ = writeln!(text, " -d '{help}'");
    }
    text
}

fn names(spec: &OptionSpec) -> Vec<String> {
    let short = spec.short.map(|short| format!("-{short}"));
    let long = spec.long.map(|long| format!("--{long}"));
    short.into_iter().chain(long).collect()
}

/// A value's name without what zsh reads as its own.
fn plain(value: &str) -> String {
    value.replace(['[', ']'], "").replace(':', " ")
}
