// SPDX-License-Identifier: GPL-2.0-or-later
//! IR to C: one translation unit that includes `rstap.h` and nothing else.
//!
//! [`generate`] writes, in this order: macros, storage of globals and the tables
//! that describe it, embedded C, regular expressions, functions (callees before
//! callers), handlers, conditions, tracepoint functions, the table of probes and
//! `struct rst_script`. All names of ours begin with `script_`; nothing here
//! knows about the kernel.

mod analysis;
mod assign;
mod body;
mod carried;
mod condition;
mod embedded;
mod expression;
mod fields;
mod kernel_lines;
mod map;
mod print;
mod probes;
mod regex;
mod statement;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::ir::arena::EntityId;
use crate::ir::*;
use crate::regex::Regex;

use analysis::Analysis;
use body::{Body, FunctionInfo, FunctionInfos};
use writer::{Writer, identifier, quote};

/// Calls within calls that no stack is too small for: `RST_SHALLOW_NESTING` in `rstap.h`.
const SHALLOW_NESTING: u32 = 16;

/// Why no C could be made of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodegenError {
    pub message: String,
}

impl CodegenError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for CodegenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CodegenError {}

/// What all functions of the unit share.
pub(crate) struct Unit<'a> {
    program: &'a Program,
    analysis: Analysis,
    /// Arrays and scalar statistics, in the order of the runtime's tables.
    maps: Vec<GlobalId>,
    stats: Vec<GlobalId>,
    functions: RefCell<FunctionInfos>,
    regexes: RefCell<Vec<(String, bool, Regex)>>,
}

impl Unit<'_> {
    fn string_size(&self) -> u32 {
        self.program.limits.string_size.max(8)
    }

    /// Bytes of scratch memory that a string takes at most.
    fn string_bytes(&self) -> u64 {
        u64::from(self.string_size()).next_multiple_of(8)
    }

    /// Bytes of scratch memory that a merged statistic takes at most:
    /// `struct rst_stat` and its histogram.
    fn stat_bytes(&self) -> u64 {
        128 + 128 * 8
    }

    /// The literal `"near LOCATION"`.
    fn location(&self, id: LocationId) -> String {
        match self.program.locations.get(id) {
            Some(location) if !location.is_empty() => quote(format!("near {location}").as_bytes()),
            _ => "NULL".to_owned(),
        }
    }

    fn stat_spec(&self, id: GlobalId) -> String {
        if let Some(index) = self.maps.iter().position(|map| *map == id) {
            return format!("&script_maps[{index}].stat");
        }
        let index = self.stats.iter().position(|stat| *stat == id).unwrap_or(0);
        format!("&script_stats[{index}].spec")
    }

    fn function_name(&self, id: FunctionId) -> String {
        format!(
            "script_function_{}",
            identifier(&self.program.functions[id].c_name)
        )
    }

    /// What is known of a function; for one that is still being written (it is
    /// recursive) the most careful assumption.
    fn function_info(&self, id: FunctionId) -> FunctionInfo {
        if let Some(info) = self.functions.borrow().get(&id) {
            return info.clone();
        }
        let function = &self.program.functions[id];
        FunctionInfo {
            may_fail: true,
            needs_result: function.returns == Type::String,
            returns_argument: true,
            leaves_scratch: false,
            may_say_next: self.analysis.function(id).has_next,
            scratch: 0,
        }
    }

    /// Number of the table for a pattern, and the scratch bytes that matching takes.
    fn regex(&self, pattern: &str, captures: bool) -> Result<(usize, u64), CodegenError> {
        let mut regexes = self.regexes.borrow_mut();
        let known = regexes
            .iter()
            .position(|(text, kept, _)| text == pattern && *kept == captures);
        let index = match known {
            Some(index) => index,
            None => {
                let compiled = crate::regex::compile(pattern, captures)
                    .map_err(|error| CodegenError::new(format!("regular expression: {error}")))?;
                regexes.push((pattern.to_owned(), captures, compiled));
                regexes.len() - 1
            }
        };
        Ok((
            index,
            regexes
                .get(index)
                .map_or(0, |(_, _, regex)| regex.scratch()),
        ))
    }

    fn signature(&self, id: FunctionId, needs_result: bool) -> String {
        let function = &self.program.functions[id];
        let mut list = vec!["struct rst_context *c".to_owned()];
        if needs_result {
            list.push("char *result".to_owned());
        }
        let body = Body::new(self, self.analysis.function(id), &function.locals, Some(id));
        for (local, declaration) in function.locals.iter().take(function.parameters) {
            let name = match &function.body {
                FunctionBody::Script(_) => body.local(local).to_owned(),
                FunctionBody::C(_) => format!("l_{}", identifier(&declaration.name)),
            };
            list.push(match declaration.ty {
                Type::String => format!("struct rst_string {name}"),
                _ => format!("int64_t {name}"),
            });
        }
        let ty = match function.returns {
            Type::Long => "int64_t",
            Type::String => "struct rst_string",
            Type::Void | Type::Stat => "void",
        };
        let keywords = match &function.body {
            FunctionBody::C(code) if code.is_pure => "static inline",
            _ => "static",
        };
        format!(
            "{keywords} {ty} {}({})",
            self.function_name(id),
            list.join(", ")
        )
    }

    /// Writes one function and remembers what its callers must know.
    fn function(&self, out: &mut Writer, id: FunctionId) -> Result<(), CodegenError> {
        let function = &self.program.functions[id];
        let uses = self.analysis.function(id);
        let is_recursive = self.analysis.is_recursive(id);
        let block = match &function.body {
            FunctionBody::C(code) => {
                let traits = embedded::traits(&code.text);
                let needs_result = embedded::needs_result(function, code);
                let info = FunctionInfo {
                    may_fail: traits.may_fail,
                    needs_result,
                    returns_argument: code.text.contains("RST_ARG_"),
                    leaves_scratch: traits.may_fail,
                    may_say_next: traits.may_say_next,
                    scratch: 2 * self.string_bytes(),
                };
                embedded::function(out, self, function, code, &self.signature(id, needs_result));
                self.functions.borrow_mut().insert(id, info);
                return Ok(());
            }
            FunctionBody::Script(block) => block,
        };
        let mut body = Body::new(self, uses, &function.locals, Some(id));
        body.counts_statements = self.analysis.counts_function(id);
        body.info.needs_result = is_recursive && function.returns == Type::String;
        body.block(block, true)?;
        let needs_result = body.info.needs_result;
        let (mut entry, mut closing) = (Vec::new(), Vec::new());
        if is_recursive
            || self
                .program
                .limits
                .nesting
                .is_some_and(|n| n < self.nesting())
            || self.analysis.call_depth() > SHALLOW_NESTING
        {
            body.info.may_fail = true;
            entry.push(format!(
                "if (RST_UNLIKELY(!rst_may_nest(c, {})))",
                self.location(function.location)
            ));
            entry.push(match function.returns {
                Type::Void | Type::Stat => "\treturn;".to_owned(),
                _ => "\treturn value;".to_owned(),
            });
            entry.push("c->nesting++;".to_owned());
            closing.push("c->nesting--;".to_owned());
        }
        let result = match function.returns {
            Type::Void | Type::Stat => None,
            ty => Some((ty, "value")),
        };
        if is_recursive {
            // The assumption that callers in the cycle made.
            body.info.may_fail = true;
        }
        let (text, info) = body.finish(&self.signature(id, needs_result), &entry, &closing, result);
        out.raw(&text);
        self.functions.borrow_mut().insert(id, info);
        Ok(())
    }

    fn handler(&self, out: &mut Writer, id: HandlerId) -> Result<u64, CodegenError> {
        let handler = &self.program.handlers[id];
        let uses = self.analysis.handler(id);
        let mut body = Body::new(self, uses, &handler.locals, None);
        body.counts_statements = self.analysis.counts_handler(id);
        body.takes_locks = self.analysis.is_concurrent(id);
        body.block(&handler.body, true)?;
        let mut closing = Vec::new();
        if self.analysis.changes_conditions(uses) {
            closing.push("rst_conditions_changed(c);".to_owned());
        }
        let signature = format!(
            "static void script_handler_{}(struct rst_context *c)",
            id.index()
        );
        let (text, info) = body.finish(&signature, &[], &closing, None);
        out.raw(&text);
        Ok(info.scratch)
    }

    /// MAXNESTING where the script does not set it.
    fn nesting(&self) -> u32 {
        let is_recursive = self
            .program
            .functions
            .ids()
            .any(|id| self.analysis.is_recursive(id));
        self.analysis.call_depth() + 1 + if is_recursive { 10 } else { 0 }
    }

    /// Scratch bytes that a run of a handler with `own` bytes can need: its own
    /// and the deepest chain of functions; each function of a recursive cycle
    /// counts MAXNESTING times.
    fn scratch_below(&self, uses: &analysis::Uses) -> u64 {
        let nesting = u64::from(
            self.program
                .limits
                .nesting
                .unwrap_or_else(|| self.nesting()),
        );
        let infos = self.functions.borrow();
        let mut deepest: BTreeMap<FunctionId, u64> = BTreeMap::new();
        for id in self.analysis.functions_in_order() {
            let own = infos.get(&id).map_or(0, |info| info.scratch);
            let times = if self.analysis.is_recursive(id) {
                nesting.max(1)
            } else {
                1
            };
            let below = self
                .analysis
                .function(id)
                .functions
                .iter()
                .filter_map(|callee| deepest.get(callee))
                .max()
                .copied()
                .unwrap_or(0);
            deepest.insert(id, below.saturating_add(own.saturating_mul(times)));
        }
        uses.functions
            .iter()
            .filter_map(|id| deepest.get(id))
            .max()
            .copied()
            .unwrap_or(0)
    }
}

/// The C object of a global.
fn global_name(global: &Global) -> String {
    format!("script_{}", identifier(&global.c_name))
}

/// Writes the C of a whole script.
///
/// # Errors
///
/// An invalid program (see [`verify::verify`]), a regular expression that is not
/// valid or too large, or something that the runtime cannot do.
pub fn generate(program: &Program) -> Result<String, CodegenError> {
    verify::verify(program).map_err(|errors| {
        CodegenError::new(format!(
            "the program is inconsistent: {}",
            errors.join("; ")
        ))
    })?;
    let is_stat =
        |global: &Global| matches!(global.kind, GlobalKind::Scalar { ty: Type::Stat, .. });
    let is_array = |global: &Global| matches!(global.kind, GlobalKind::Array { .. });
    let ids = |wanted: &dyn Fn(&Global) -> bool| {
        program
            .globals
            .iter()
            .filter(|(_, g)| wanted(g))
            .map(|(id, _)| id)
            .collect()
    };
    let unit = Unit {
        program,
        analysis: Analysis::new(program),
        maps: ids(&is_array),
        stats: ids(&is_stat),
        functions: RefCell::default(),
        regexes: RefCell::default(),
    };

    let mut functions = Writer::default();
    let order = unit.analysis.functions_in_order();
    for id in &order {
        if unit.analysis.is_recursive(*id)
            && let FunctionBody::Script(_) = program.functions[*id].body
        {
            let is_string = program.functions[*id].returns == Type::String;
            functions.line(format!("{};", unit.signature(*id, is_string)));
        }
    }
    for id in order {
        unit.function(&mut functions, id)?;
    }
    let mut scratch = 0;
    for id in program.handlers.ids() {
        let own = unit.handler(&mut functions, id)?;
        let below = unit.scratch_below(unit.analysis.handler(id));
        scratch = scratch.max(own.saturating_add(below));
    }
    let conditions = condition::functions(&unit, &mut functions)?;

    let mut out = Writer::default();
    tables::head(&unit, &mut out);
    for code in &program.embedded {
        embedded::top_level(&mut out, code);
    }
    tables::array_accessors(&unit, &mut out);
    for (index, (_, _, compiled)) in unit.regexes.borrow().iter().enumerate() {
        out.raw(&regex::definition(
            compiled,
            &format!("script_regex_{index}"),
        ));
    }
    out.raw(&functions.into_text());
    probes::table(&unit, &mut out, &conditions)?;
    tables::script(&unit, &mut out, scratch)?;
    Ok(embedded::number_lines(&out.into_text()))
}
