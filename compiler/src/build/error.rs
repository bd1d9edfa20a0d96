// SPDX-License-Identifier: GPL-2.0-or-later
//! What can go wrong in pass 4, in words for the person who ran the script.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why no module was built. `Display` gives the whole message, several lines where needed, without
/// a leading `ERROR:`.
#[derive(Debug)]
pub enum BuildError {
    /// A file operation failed: what was tried, on which path, why.
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The kernel has no build tree here.
    NoBuildTree {
        release: String,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// A program could not be started.
    Program { program: String, source: io::Error },
    /// The C compiler refused the script's C (embedded C, nearly always).
    Compile { output: String },
    /// A step of the build that no script can cause failed.
    Step {
        step: &'static str,
        command: String,
        output: String,
    },
    /// The kernel's compiler refused the runtime: the kernel has an interface in a form that is not
    /// known here.
    Runtime { release: String, output: String },
    /// Something was read that does not have the form it must have.
    Unexpected { what: String },
    /// The module could not be signed.
    Sign { why: String },
}

impl BuildError {
    /// For `map_err`: an I/O error with what was tried and where.
    pub(crate) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> BuildError + 'a {
        move |source| BuildError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn unexpected(what: impl Into<String>) -> BuildError {
        BuildError::Unexpected { what: what.into() }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Io {
                action,
                path,
                source,
            } => write!(f, "cannot {action} {}: {source}", path.display()),
            BuildError::NoBuildTree { release, searched } => {
                writeln!(f, "the headers of kernel {release} are not installed.")?;
                for path in searched {
                    writeln!(f, "  looked for: {}", path.display())?;
                }
                write!(f, "  install them:  {}", headers_command(release))
            }
            BuildError::Program { program, source } => {
                write!(f, "cannot run {program}: {source}")?;
                if source.kind() == io::ErrorKind::NotFound {
                    write!(f, "\n  install it:  {}", program_command(program))?;
                }
                Ok(())
            }
            BuildError::Compile { output } => write!(f, "{}", output.trim_end()),
            BuildError::Step {
                step,
                command,
                output,
            } => {
                writeln!(f, "{step} failed: {command}")?;
                write!(f, "{}", output.trim_end())
            }
            BuildError::Runtime { release, output } => {
                writeln!(f, "the runtime does not compile for kernel {release}:")?;
                for line in first_errors(output) {
                    writeln!(f, "  {line}")?;
                }
                write!(
                    f,
                    "This kernel has an interface in a form that rstap {} does not know; it knows those \
                     of Linux 5.10 to 7.2.\n  look for a newer rstap, or add the new form to \
                     src/compat.h of the runtime;  all of the compiler's output:  -vv",
                    env!("CARGO_PKG_VERSION")
                )
            }
            BuildError::Unexpected { what } => write!(f, "{what}"),
            BuildError::Sign { why } => write!(f, "cannot sign the module: {why}"),
        }
    }
}

impl std::error::Error for BuildError {}

/// How the compiler, and kbuild for what the kernel does not export, begin what is wrong.
const ERRORS: [&str; 2] = [": error: ", "ERROR: modpost: "];

/// Whether the compiler or the kernel's exports are at fault.
pub(super) fn names_interface(output: &str) -> bool {
    ERRORS.iter().any(|begin| output.contains(begin))
}

/// What the compiler says is wrong, without where; the first few, as one mistake causes many.
fn first_errors(output: &str) -> Vec<&str> {
    let mut errors: Vec<&str> = Vec::new();
    for line in output.lines() {
        let text = ERRORS
            .iter()
            .find_map(|begin| Some(line.split_once(begin)?.1));
        if let Some(text) = text.filter(|text| !errors.contains(text)) {
            errors.push(text);
        }
    }
    errors.truncate(5);
    errors
}

/// The command that installs the headers of a release, for the distribution it comes from.
pub fn headers_command(release: &str) -> String {
    if release.contains(".fc") || release.contains(".el") {
        format!("dnf install kernel-devel-{release}")
    } else if is_deb_system() {
        format!("apt-get install linux-headers-{release}")
    } else {
        format!(
            "apt-get install linux-headers-{release}   (Debian, Ubuntu) or dnf install kernel-devel-{release}   (Fedora, RHEL)"
        )
    }
}

fn program_command(program: &str) -> String {
    let name = Path::new(program)
        .file_name()
        .map_or_else(|| program.into(), |name| name.to_string_lossy());
    let package = match &*name {
        "ld" | "as" | "objcopy" | "strip" => "binutils",
        other => other,
    };
    if is_deb_system() {
        format!("apt-get install {package}")
    } else {
        format!("dnf install {package}")
    }
}

fn is_deb_system() -> bool {
    Path::new("/etc/debian_version").exists()
}
