// SPDX-License-Identifier: GPL-2.0-or-later
//! `-l`, `-L` and `--dump-…`: pass 2's knowledge as lines on stdout.

use rstap_syntax::span::SourceMap;

use super::passes::Passes;
use crate::cli::Action;
use crate::ir;
use crate::output::say;
use crate::semantic::list::{self, Listing};
use crate::semantic::lower::Lowering;
use crate::semantic::points::{self, Derived};
use crate::semantic::session::Session as Semantic;
use crate::target::RealTarget;

/// Prints what the options ask for. False when nothing was found.
pub fn list(passes: &Passes<'_>) -> bool {
    let mut sources = SourceMap::new();
    let library = passes.library(&mut sources);
    let target = RealTarget::new(passes.kernel.paths.clone());
    let is_verbose = passes.options.verbose(2) > 0;
    let text = match &passes.options.action {
        Action::List {
            point,
            with_variables,
        } => {
            // the point becomes the only probe of a script
            let script = format!("probe {point} {{ }}\n");
            let (tree, mut diagnostics) = passes.parse_text(&library, &mut sources, &script);
            let semantic = Semantic::new(&target, &library, passes.semantic_options(), sources);
            semantic.is_listing_names.set(!with_variables);
            let unit = semantic.add_user_file(tree);
            let listing = Listing {
                has_variables: *with_variables,
                is_verbose: *with_variables && is_verbose,
            };
            let mut lines: Vec<String> = semantic
                .unit(unit)
                .probes
                .iter()
                .flat_map(|probe| {
                    list::list(&semantic, probe, unit, listing, &|derived| {
                        locals(&semantic, derived)
                    })
                })
                .collect();
            lines.sort();
            // what went wrong is shown only to those who ask twice, as SystemTap does
            if passes.options.verbose(2) > 1 {
                diagnostics.extend(semantic.take_diagnostics());
                passes
                    .messages
                    .show(&diagnostics, &semantic.sources.borrow());
            }
            lines.iter().flat_map(|line| [line, "\n"]).collect()
        }
        Action::DumpProbeTypes => points::table::dump(),
        other => {
            let semantic = Semantic::new(&target, &library, passes.semantic_options(), sources);
            if *other == Action::DumpProbeAliases {
                list::dump_aliases(&semantic, is_verbose)
            } else {
                list::dump_functions(&semantic, is_verbose)
            }
        }
    };
    say!("{text}");
    // The process ends: giving back each piece of the debug files' tables would take its time.
    std::mem::forget(target);
    !text.is_empty()
}

/// Variables that the bodies of aliases set, with the types that they turn out to have.
fn locals(semantic: &Semantic<'_>, derived: &Derived) -> Vec<(String, ir::Type)> {
    let before = semantic.take_diagnostics();
    let program = Lowering::new(semantic).run(std::slice::from_ref(derived));
    // a body that does not fit this kernel still has its other variables
    semantic.take_diagnostics();
    for diagnostic in before {
        semantic.report(diagnostic);
    }
    program
        .handlers
        .values()
        .flat_map(|handler| handler.locals.values())
        .filter(|local| !local.name.starts_with('_'))
        .map(|local| (local.name.clone(), local.ty))
        .collect()
}
