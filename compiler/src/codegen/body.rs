// SPDX-License-Identifier: GPL-2.0-or-later
//! The C function that is being written: its locals, temporaries, scratch
//! memory and ways out. Statements and expressions are in files of their own.
//!
//! **Scratch memory.** A function remembers the level at its entry; what one
//! statement takes is given back when it ends. Between statements the level is
//! in the C variable `base`. A string that is assigned outside of any loop is
//! *kept*: its bytes stay where they are and `base` moves up. A string that is
//! assigned inside a loop owns a slot of MAXSTRINGLEN bytes for the whole run.

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::arena::IndexVec;
use crate::ir::*;

use super::analysis::{Uses, uses_of_block, uses_of_expression};
use super::writer::{Writer, identifier, quote};
use super::{CodegenError, Unit, global_name};

pub(super) type Result<T> = std::result::Result<T, CodegenError>;

/// How long the bytes of a string value live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// Until something in [`Value::reads`] is assigned.
    Variable,
    /// Until the statement ends.
    Statement,
    /// Until the function returns.
    Frame,
    /// Longer than this function runs.
    Outside,
}

/// Variables whose change would change a pending value.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    pub locals: BTreeSet<LocalId>,
    pub globals: BTreeSet<GlobalId>,
    /// Registers, saved words, `$value`.
    pub other: bool,
}

impl Reads {
    pub fn and(mut self, more: &Reads) -> Self {
        self.locals.extend(&more.locals);
        self.globals.extend(&more.globals);
        self.other |= more.other;
        self
    }
}

/// A C expression without effects that cannot fail.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub text: String,
    pub ty: Type,
    pub reads: Reads,
    /// Strings only.
    pub home: Home,
}

impl Value {
    pub fn long(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ty: Type::Long,
            reads: Reads::default(),
            home: Home::Outside,
        }
    }

    pub fn string(text: impl Into<String>, home: Home) -> Self {
        Self {
            text: text.into(),
            ty: Type::String,
            reads: Reads::default(),
            home,
        }
    }

    /// The same dependencies around another text.
    pub fn map(self, text: impl FnOnce(&str) -> String) -> Self {
        Self {
            text: text(&self.text),
            ..self
        }
    }

    /// A name or a constant: may be written twice.
    pub fn is_simple(&self) -> bool {
        self.text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_')
    }
}

/// Something that must be undone on the way out of the function.
#[derive(Debug, Clone)]
enum Exit {
    Iterator(String),
    /// Locks are held; jump here to release them and leave.
    Locked(String),
}

/// What callers must know about a function that has been written.
#[derive(Debug, Clone, Default)]
pub(super) struct FunctionInfo {
    pub may_fail: bool,
    /// Has a parameter `char *result` of MAXSTRINGLEN bytes.
    pub needs_result: bool,
    /// The string returned may be one of the arguments.
    pub returns_argument: bool,
    /// The string returned may be in scratch memory.
    pub leaves_scratch: bool,
    /// May set c->next.
    pub may_say_next: bool,
    /// Scratch bytes while it runs, without the functions that it calls.
    pub scratch: u64,
}

/// See the module's comment.
pub(super) struct Body<'a> {
    pub unit: &'a Unit<'a>,
    pub uses: &'a Uses,
    pub locals: &'a IndexVec<LocalId, Local>,
    /// None in a handler.
    pub function: Option<FunctionId>,
    pub out: Writer,
    names: Vec<String>,
    longs: Vec<String>,
    strings: Vec<String>,
    declarations: Vec<String>,
    slots: BTreeSet<LocalId>,
    counter: u32,
    /// Where a failure goes, and which labels are used.
    pub fail_label: String,
    used_labels: BTreeSet<String>,
    exits: Vec<Exit>,
    cleanups: Vec<(String, Vec<String>)>,
    /// Variable with the scratch level between statements.
    pub base: String,
    pub base_level: u64,
    pub level: u64,
    peak: u64,
    uses_scratch: bool,
    uses_base: bool,
    /// The statement's scratch memory must not be given back.
    pub keeps_scratch: bool,
    pub loops: u32,
    /// Innermost loop's label for `continue`; None: C's own.
    pub continue_labels: Vec<Option<String>>,
    /// Statistics of arrays being iterated: array, node, statistic.
    pub iterated: Vec<(GlobalId, String, Option<String>)>,
    pub info: FunctionInfo,
    pub counts_statements: bool,
    /// Locks may be taken in the statements at hand.
    pub takes_locks: bool,
}

impl<'a> Body<'a> {
    pub fn new(
        unit: &'a Unit<'a>,
        uses: &'a Uses,
        locals: &'a IndexVec<LocalId, Local>,
        function: Option<FunctionId>,
    ) -> Self {
        let mut taken = BTreeSet::new();
        let names = locals
            .iter()
            .map(|(id, local)| {
                let name = format!("l_{}", identifier(&local.name));
                let name = if taken.contains(&name) {
                    format!("{name}_{id}")
                } else {
                    name
                };
                taken.insert(name.clone());
                name
            })
            .collect();
        Self {
            unit,
            uses,
            locals,
            function,
            out: Writer::at(1),
            names,
            longs: Vec::new(),
            strings: Vec::new(),
            declarations: Vec::new(),
            slots: BTreeSet::new(),
            counter: 0,
            fail_label: "out".to_owned(),
            used_labels: BTreeSet::new(),
            exits: Vec::new(),
            cleanups: Vec::new(),
            base: "base".to_owned(),
            base_level: 0,
            level: 0,
            peak: 0,
            uses_scratch: false,
            uses_base: false,
            keeps_scratch: false,
            loops: 0,
            continue_labels: Vec::new(),
            iterated: Vec::new(),
            info: FunctionInfo::default(),
            counts_statements: false,
            takes_locks: false,
        }
    }

    // ---- names ---------------------------------------------------------------

    pub fn local(&self, id: LocalId) -> &str {
        use crate::ir::arena::EntityId;
        self.names
            .get(id.index())
            .map_or("l_missing", String::as_str)
    }

    pub fn is_parameter(&self, id: LocalId) -> bool {
        use crate::ir::arena::EntityId;
        self.function
            .is_some_and(|function| id.index() < self.unit.program.functions[function].parameters)
    }

    pub fn global(&self, id: GlobalId) -> String {
        global_name(&self.unit.program.globals[id])
    }

    pub fn line(&mut self, line: impl AsRef<str>) {
        self.out.line(line);
    }

    fn next_number(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    /// A new variable for a value of `ty`.
    pub fn temporary(&mut self, ty: Type) -> String {
        let n = self.next_number();
        if ty == Type::String {
            self.strings.push(format!("s{n}"));
            format!("s{n}")
        } else {
            self.longs.push(format!("t{n}"));
            format!("t{n}")
        }
    }

    /// A new variable of another C type; `declare` gets the name.
    pub fn variable(&mut self, prefix: &str, declare: impl FnOnce(&str) -> String) -> String {
        let name = format!("{prefix}{}", self.next_number());
        self.declarations.push(declare(&name));
        name
    }

    /// A declaration as it is.
    pub fn declare(&mut self, declaration: String) {
        self.declarations.push(declaration);
    }

    pub fn new_label(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.next_number())
    }

    /// `goto label;`, remembering that the label is needed.
    pub fn jump(&mut self, label: &str) {
        self.used_labels.insert(label.to_owned());
        self.line(format!("goto {label};"));
    }

    pub fn is_used(&self, label: &str) -> bool {
        self.used_labels.contains(label)
    }

    // ---- values --------------------------------------------------------------

    /// Puts a value into a temporary of its own, so that nothing changes it.
    pub fn save(&mut self, value: Value) -> Result<Value> {
        if value.ty == Type::String && value.home == Home::Variable {
            let name = self.temporary(Type::String);
            self.line(format!("{name} = rst_string_save(c, {});", value.text));
            self.take_strings(1);
            self.check(None);
            return Ok(Value::string(name, Home::Statement));
        }
        let name = self.temporary(value.ty);
        self.line(format!("{name} = {};", super::writer::bare(&value.text)));
        Ok(Value {
            text: name,
            ty: value.ty,
            reads: Reads::default(),
            home: value.home,
        })
    }

    /// The value under a name or as a constant that may be written twice.
    pub fn simple(&mut self, value: Value) -> Result<Value> {
        if value.is_simple() {
            return Ok(value);
        }
        let name = self.temporary(value.ty);
        self.line(format!("{name} = {};", super::writer::bare(&value.text)));
        // The bytes of a string still belong to whom they did.
        let reads = if value.ty == Type::String && value.home == Home::Variable {
            value.reads
        } else {
            Reads::default()
        };
        Ok(Value {
            text: name,
            ty: value.ty,
            reads,
            home: value.home,
        })
    }

    /// Whether evaluating something with `uses` may change a pending value.
    pub fn conflicts(&self, value: &Value, uses: &Uses) -> bool {
        value
            .reads
            .locals
            .iter()
            .any(|id| uses.assigned.contains(id))
            || (!value.reads.globals.is_empty()
                && self
                    .unit
                    .analysis
                    .globals_written(uses)
                    .iter()
                    .any(|id| value.reads.globals.contains(id)))
            || (value.reads.other && uses.has_other_effects)
    }

    /// Evaluates operands from left to right; later ones do not change earlier ones.
    pub fn operands(&mut self, expressions: &[&Expr]) -> Result<Vec<Value>> {
        let uses: Vec<Uses> = expressions.iter().map(|e| uses_of_expression(e)).collect();
        let mut values = Vec::with_capacity(expressions.len());
        for (index, expression) in expressions.iter().enumerate() {
            let value = self.expression(expression)?;
            let later = uses.get(index + 1..).unwrap_or_default();
            let value = if later.iter().any(|uses| self.conflicts(&value, uses)) {
                self.save(value)?
            } else {
                value
            };
            values.push(value);
        }
        Ok(values)
    }

    // ---- failures ------------------------------------------------------------

    /// After something that may have failed.
    pub fn check(&mut self, at: Option<LocationId>) {
        self.check_if("RST_FAILED(c)", at);
    }

    /// The same with a condition that is cheaper to test than c->error.
    pub fn check_if(&mut self, condition: &str, at: Option<LocationId>) {
        self.out.open(format!("if ({condition})"));
        if let Some(at) = at {
            let location = self.unit.location(at);
            self.line(format!("rst_fail_at(c, {location});"));
        }
        self.fail_jump();
        self.out.close("");
    }

    /// Raises an error if `condition` holds.
    pub fn fail_if(&mut self, condition: &str, text: &str, at: LocationId) {
        self.out.open(format!("if (RST_UNLIKELY({condition}))"));
        self.fail(text, at);
        self.out.close("");
    }

    pub fn fail(&mut self, text: &str, at: LocationId) {
        let location = self.unit.location(at);
        self.line(format!(
            "rst_fail(c, {}, {location});",
            quote(text.as_bytes())
        ));
        self.fail_jump();
    }

    pub fn fail_jump(&mut self) {
        let label = self.fail_label.clone();
        self.info.may_fail |= label == "out";
        self.jump(&label);
    }

    // ---- scratch memory ------------------------------------------------------

    pub fn take(&mut self, bytes: u64) {
        self.uses_scratch = true;
        self.level = self.level.saturating_add(bytes);
        self.peak = self.peak.max(self.level);
    }

    pub fn take_strings(&mut self, count: u64) {
        // One word more: the runtime keeps a NUL and aligns.
        self.take(count * (self.unit.string_bytes() + 8));
    }

    /// A statement ends: its scratch memory is free again, unless a local keeps it.
    pub fn end_statement(&mut self, is_last: bool) {
        if self.level > self.base_level {
            let base = self.base.clone();
            if self.keeps_scratch {
                if !is_last {
                    self.uses_base = true;
                    self.line(format!("{base} = rst_scratch_mark(c);"));
                }
                self.base_level = self.level;
            } else if !is_last {
                self.uses_base = true;
                self.line(format!("rst_scratch_release(c, {base});"));
            }
        }
        self.level = self.base_level;
        self.keeps_scratch = false;
    }

    /// `base` as it is, for code that needs the variable.
    pub fn base_variable(&mut self) -> String {
        if self.base == "base" {
            self.uses_base = true;
        }
        self.base.clone()
    }

    /// The slot of a string that is assigned in a loop.
    pub fn slot(&mut self, id: LocalId) -> String {
        self.slots.insert(id);
        format!("slot_{}", &self.local(id)[2..])
    }

    /// Assigns a string to a local: copies only if the bytes would not last.
    pub fn assign_string(&mut self, id: LocalId, value: &Value, at: LocationId) {
        let name = self.local(id).to_owned();
        let lasts = value.home >= Home::Frame;
        let in_loop = self.uses.assigned_in_loop.contains(&id);
        if lasts {
            self.line(format!("{name} = {};", value.text));
        } else if in_loop {
            let slot = self.slot(id);
            self.line(format!(
                "{name} = rst_string_copy(c, {slot}, {});",
                value.text
            ));
        } else if value.home == Home::Statement {
            self.line(format!("{name} = {};", value.text));
            self.keeps_scratch = true;
        } else {
            self.line(format!("{name} = rst_string_save(c, {});", value.text));
            self.take_strings(1);
            self.check(Some(at));
            self.keeps_scratch = true;
        }
    }

    // ---- ways out ------------------------------------------------------------

    pub fn enter_iterator(&mut self, name: &str) {
        self.exits.push(Exit::Iterator(name.to_owned()));
    }

    pub fn leave_exit(&mut self) {
        self.exits.pop();
    }

    /// Ends iterators and jumps to the function's end, releasing locks.
    pub fn leave(&mut self) {
        let mut label = "out".to_owned();
        for exit in self.exits.clone().into_iter().rev() {
            match exit {
                Exit::Iterator(name) => self.line(format!("rst_iterator_end({name});")),
                Exit::Locked(target) => label = target,
            }
        }
        self.jump(&label);
    }

    /// Takes locks around statements: those of globals, then the one that lets a single handler
    /// freeze statistics. So whoever has frozen one waits for no global, and adds to other
    /// statistics at once, and everybody else may wait for the statistic.
    pub fn with_locks(
        &mut self,
        locks: &BTreeSet<GlobalId>,
        statements: &[Stmt],
        is_last: bool,
    ) -> Result<()> {
        let label = self.new_label("unlock");
        let analysis = &self.unit.analysis;
        let frozen = analysis.frozen_by(&uses_of_block(statements));
        let mut pairs: Vec<(String, String)> = Vec::new();
        for id in locks.iter().filter(|id| analysis.locked.contains(id)) {
            let name = self.global(*id);
            pairs.push((
                format!("rst_lock(&{name}.lock);"),
                format!("rst_unlock(&{name}.lock);"),
            ));
        }
        if !frozen.is_empty() {
            pairs.push((
                "rst_lock(&rst_freezing);".to_owned(),
                "rst_unlock(&rst_freezing);".to_owned(),
            ));
        }
        for id in &frozen {
            let name = self.global(*id);
            let kind = match self.unit.program.globals[*id].kind {
                GlobalKind::Array { .. } => "map",
                GlobalKind::Scalar { .. } => "stat",
            };
            pairs.push((
                format!("rst_{kind}_freeze(c, {name}.value);"),
                format!("rst_{kind}_thaw({name}.value);"),
            ));
        }
        for (take, _) in &pairs {
            self.line(take);
        }
        let outer = std::mem::replace(&mut self.fail_label, label.clone());
        self.exits.push(Exit::Locked(label.clone()));
        self.block(statements, is_last)?;
        self.exits.pop();
        self.fail_label = outer;
        let release: Vec<String> = pairs
            .into_iter()
            .rev()
            .map(|(_, release)| release)
            .collect();
        for line in &release {
            self.line(line);
        }
        self.cleanups.push((label, release));
        Ok(())
    }

    // ---- the whole function --------------------------------------------------

    /// Puts the pieces together: declarations, entry, body, ways out.
    /// `closing` are lines that run on every way out; `result` is returned.
    pub fn finish(
        mut self,
        signature: &str,
        entry: &[String],
        closing: &[String],
        result: Option<(Type, &str)>,
    ) -> (String, FunctionInfo) {
        let cleanups: Vec<(String, Vec<String>)> = std::mem::take(&mut self.cleanups)
            .into_iter()
            .filter(|(label, _)| self.used_labels.contains(label))
            .collect();
        let slots = std::mem::take(&mut self.slots);
        let mut out = Writer::default();
        out.open_function(signature);
        for (id, local) in self.locals.iter() {
            if self.is_parameter(id) {
                continue;
            }
            let name = self.local(id);
            out.line(match local.ty {
                Type::String => {
                    format!("struct rst_string {name} RST_MAYBE_UNUSED = RST_LITERAL(\"\");")
                }
                _ => format!("int64_t {name} RST_MAYBE_UNUSED = 0;"),
            });
        }
        match result {
            Some((Type::Long, name)) => out.line(format!("int64_t {name} = 0;")),
            Some((Type::String, name)) => {
                out.line(format!("struct rst_string {name} = RST_LITERAL(\"\");"));
            }
            _ => {}
        }
        declare(&mut out, "int64_t", &self.longs);
        declare(&mut out, "struct rst_string", &self.strings);
        for declaration in &self.declarations {
            out.line(declaration);
        }
        for id in &slots {
            out.line(format!("char *slot_{};", &self.local(*id)[2..]));
        }
        let has_frame = self.function.is_some() && (self.uses_scratch || !slots.is_empty());
        if has_frame {
            out.line("char *frame = rst_scratch_mark(c);");
        }
        if self.uses_base {
            out.line("char *base;");
        }
        out.blank();
        for line in entry {
            out.line(line);
        }
        let slot_bytes = self.unit.string_bytes();
        for id in &slots {
            let slot = format!("slot_{}", &self.local(*id)[2..]);
            out.line(format!("{slot} = rst_scratch(c, {slot_bytes});"));
            out.line(format!("if (RST_UNLIKELY(!{slot}))"));
            out.line("\tgoto out;");
            self.used_labels.insert("out".to_owned());
            self.info.may_fail = true;
        }
        if self.uses_base {
            out.line("base = rst_scratch_mark(c);");
        }
        out.raw(&std::mem::take(&mut self.out).into_text());
        if self.used_labels.contains("out")
            || cleanups
                .iter()
                .any(|(label, _)| self.used_labels.contains(label))
        {
            out.label("out");
        }
        for line in closing {
            out.line(line);
        }
        if has_frame {
            out.line("rst_scratch_release(c, frame);");
        }
        match result {
            Some((_, name)) => out.line(format!("return {name};")),
            None if !cleanups.is_empty() => out.line("return;"),
            None => {}
        }
        for (label, lines) in &cleanups {
            out.label(label);
            for line in lines {
                out.line(line);
            }
            out.line("goto out;");
        }
        out.close("");
        out.blank();
        let slot_count = u64::try_from(slots.len()).unwrap_or(u64::MAX);
        self.info.scratch = self
            .peak
            .saturating_add(slot_count.saturating_mul(slot_bytes));
        (out.into_text(), self.info)
    }
}

/// `type a, b, c;` in lines of a readable length.
fn declare(out: &mut Writer, ty: &str, names: &[String]) {
    let separator = if ty.ends_with('*') { "" } else { " " };
    for chunk in names.chunks(12) {
        out.line(format!("{ty}{separator}{};", chunk.join(", ")));
    }
}

/// Functions by id, for callers.
pub(super) type FunctionInfos = BTreeMap<FunctionId, FunctionInfo>;
