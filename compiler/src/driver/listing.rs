// SPDX-License-Identifier: GPL-2.0-or-later
//! `-l`, `-L` and `--dump-…`: pass 2's knowledge as lines on stdout.

use std::collections::BTreeSet;

use rstap_syntax::span::SourceMap;

use super::passes::Passes;
use crate::cli::Action;
use crate::semantic::points;
use crate::semantic::session::{Library, Session as Semantic};
use crate::target::RealTarget;

/// Prints what the options ask for. False when nothing was found.
pub fn list(passes: &Passes<'_>) -> bool {
    let mut sources = SourceMap::new();
    let library = passes.library(&mut sources);
    let target = RealTarget::new(passes.kernel.paths.clone());
    let lines: BTreeSet<String> = match &passes.options.action {
        Action::List { point, .. } => {
            // the point becomes the only probe of a script
            let text = format!("probe {point} {{ }}\n");
            let (tree, diagnostics) = passes.parse_text(&library, &mut sources, &text);
            let semantic = Semantic::new(&target, &library, passes.semantic_options(), sources);
            let unit = semantic.add_user_file("<input>".to_owned(), tree);
            let derived: Vec<_> = semantic
                .unit(unit)
                .probes
                .iter()
                .flat_map(|probe| points::derive(&semantic, probe, unit))
                .collect();
            // what went wrong is shown only to those who ask twice, as SystemTap does
            if passes.options.verbose(2) > 1 {
                let mut all = diagnostics;
                all.extend(semantic.take_diagnostics());
                passes.messages.show(&all, &semantic.sources.borrow());
            }
            derived.into_iter().map(|derived| derived.listed).collect()
        }
        Action::DumpProbeTypes => points::table::dump().lines().map(str::to_owned).collect(),
        Action::DumpProbeAliases => library.alias_names().into_iter().collect(),
        _ => library.function_names().into_iter().collect(),
    };
    for line in &lines {
        println!("{line}");
    }
    !lines.is_empty()
}
