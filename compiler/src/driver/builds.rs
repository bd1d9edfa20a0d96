// SPDX-License-Identifier: GPL-2.0-or-later
//! Which builds of the kernel and its modules a script's addresses are good for, and by which
//! symbols it finds the sections of modules that are loaded while it runs.

use std::collections::BTreeMap;

use rstap_debuginfo::{DebugInfo, Symbol};

use crate::ir::{Anchor, Program, visit};

/// Says in the program where the addresses that were read from these files come from.
pub fn bind(program: &mut Program, files: &DebugInfo) {
    let build_id = |name: &str| files.build_id(files.module(name).ok()?);
    program.kernel_build_id = build_id("kernel");
    program.module_build_ids = visit::kernel_modules(program)
        .into_iter()
        .filter_map(|name| build_id(&name).map(|id| (name, id)))
        .collect();
    program.anchors = anchors(files, program);
}

/// One for each section that the script names, if the section has a symbol that is the only one
/// of its name.
fn anchors(files: &DebugInfo, program: &Program) -> Vec<Anchor> {
    let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, section) in visit::kernel_sections(program) {
        modules.entry(module).or_default().push(section);
    }
    modules
        .iter()
        .flat_map(|(module, sections)| of_module(files, module, sections))
        .collect()
}

fn of_module(files: &DebugInfo, module: &str, sections: &[String]) -> Vec<Anchor> {
    let symbols = files
        .opened(module)
        .and_then(|id| files.symbols(id, "*").ok())
        .unwrap_or_default();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for symbol in &symbols {
        *uses.entry(&symbol.name).or_default() += 1;
    }
    let mut found: BTreeMap<String, Anchor> = BTreeMap::new();
    let is_only = |symbol: &&Symbol| uses.get(symbol.name.as_str()) == Some(&1);
    for symbol in symbols.iter().filter(is_only) {
        if found.len() == sections.len() {
            break;
        }
        let Ok(place) = files.placement(symbol.address) else {
            continue;
        };
        if sections.contains(&place.section) && !found.contains_key(&place.section) {
            let anchor = Anchor {
                module: module.to_owned(),
                section: place.section.clone(),
                symbol: symbol.name.clone(),
                offset: place.section_offset,
            };
            found.insert(place.section, anchor);
        }
    }
    found.into_values().collect()
}
