// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages about scripts on their way to the user: rendered, each once, counted.

use crate::output::{tell, tell_line};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::IsTerminal;

use rstap_syntax::diag::{Colors, Diagnostic, ErrorFormat, Renderer};
use rstap_syntax::span::SourceMap;

use crate::cli::Options;
use crate::cli::options::{MessageFormat, When};

/// Prints diagnostics to stderr.
#[derive(Debug)]
pub struct Messages {
    renderer: Renderer,
    seen: RefCell<HashSet<String>>,
    suppressed: Cell<usize>,
    suppress_warnings: bool,
    warnings_are_errors: bool,
    shows_all: bool,
}

impl Messages {
    pub fn new(options: &Options) -> Messages {
        let format = match options.error_format {
            MessageFormat::Stap => ErrorFormat::Stap,
            MessageFormat::Human => ErrorFormat::Human,
            MessageFormat::Json => ErrorFormat::Json,
        };
        Messages {
            renderer: Renderer {
                format,
                colors: colors(options.color),
            },
            seen: RefCell::default(),
            suppressed: Cell::new(0),
            suppress_warnings: options.suppress_warnings,
            warnings_are_errors: options.warnings_are_errors,
            shows_all: options.verbosity.iter().any(|level| *level > 0),
        }
    }

    /// Shows them; a message that was shown before is counted only. Gives the number of errors,
    /// warnings among them under `-W`.
    pub fn show(&self, diagnostics: &[Diagnostic], sources: &SourceMap) -> usize {
        let mut errors = 0;
        for diagnostic in diagnostics {
            let is_warning = !diagnostic.is_error();
            if is_warning && self.suppress_warnings && !self.warnings_are_errors {
                continue;
            }
            if !is_warning || self.warnings_are_errors {
                errors += 1;
            }
            let text = self.text(diagnostic, sources);
            if !self.seen.borrow_mut().insert(text.clone()) && !self.shows_all {
                self.suppressed.set(self.suppressed.get() + 1);
                continue;
            }
            tell!("{text}");
        }
        errors
    }

    /// Text of one message. Why something failed is said once: several probes may use an alias
    /// that does not fit this kernel.
    fn text(&self, diagnostic: &Diagnostic, sources: &SourceMap) -> String {
        if diagnostic.causes.is_empty() || self.renderer.format == ErrorFormat::Json {
            return self.renderer.render(diagnostic, sources);
        }
        let render = |cause| self.renderer.render(cause, sources);
        let causes: String = diagnostic.causes.iter().map(render).collect();
        if self.seen.borrow_mut().insert(causes) || self.shows_all {
            return self.renderer.render(diagnostic, sources);
        }
        let alone = Diagnostic {
            causes: Vec::new(),
            ..diagnostic.clone()
        };
        let alone = alone.note("the cause is shown above");
        self.renderer.render(&alone, sources)
    }

    /// A warning that has no place in a script.
    pub fn warn(&self, text: &str) {
        if !self.suppress_warnings {
            tell_line!("WARNING: {text}");
        }
    }

    /// What is said last of all.
    pub fn finish(&self) {
        if self.suppressed.get() > 0 {
            tell_line!(
                "Number of similar error messages suppressed: {}.\nRerun with -v to see them.",
                self.suppressed.get()
            );
        }
    }
}

fn colors(when: When) -> Option<Colors> {
    let variable = std::env::var("SYSTEMTAP_COLORS").ok();
    let is_wanted = match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            std::io::stderr().is_terminal()
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
                && std::env::var_os("NO_COLOR").is_none()
                && variable.as_deref() != Some("")
        }
    };
    is_wanted.then(|| {
        variable
            .and_then(|text| Colors::parse(&text))
            .unwrap_or_default()
    })
}
