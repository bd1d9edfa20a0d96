// SPDX-License-Identifier: GPL-2.0-or-later
//! Arrays and statistics: keys, elements, slices, `foreach`.

use crate::ir::visit::{Visitor, walk_expression};
use crate::ir::*;

use super::CodegenError;
use super::body::{Body, Home, Result, Value};
use super::writer::bare;

impl Body<'_> {
    fn map(&self, id: GlobalId) -> String {
        format!("{}.value", self.global(id))
    }

    fn value_type(&self, id: GlobalId) -> Type {
        self.unit.program.globals[id].value_type()
    }

    /// Builds a key from evaluated parts; gives the name of the `struct rst_key`.
    fn key(&mut self, parts: &[Value], at: LocationId) -> Result<String> {
        let mut parts = parts.to_vec();
        let count = parts.len();
        let strings = parts.iter().filter(|part| part.ty == Type::String).count();
        let key = self.variable("k", |name| format!("struct rst_key {name};"));
        if strings == 0 {
            // No longer than nine words: the kernel's stack can hold it.
            self.declare(format!("uint64_t {key}_words[{count}];"));
            for (index, part) in parts.iter().enumerate() {
                self.line(format!("{key}_words[{index}] = {};", bare(&part.text)));
            }
            self.line(format!("{key} = rst_key_of({key}_words, {count});"));
            return Ok(key);
        }
        let mut lengths = Vec::new();
        for part in &mut parts {
            if part.ty == Type::String {
                *part = self.simple(part.clone())?;
                lengths.push(format!("{}.length", part.text));
            }
        }
        let longs = count - strings;
        self.line(format!(
            "{key} = rst_key_begin(c, {longs}, {strings}, {});",
            lengths.join(" + ")
        ));
        let (longs, strings) = (to_u64(longs), to_u64(strings));
        self.take(8 * longs + (16 + self.unit.string_bytes()) * strings);
        self.check_if(&format!("RST_UNLIKELY(!{key}.words)"), Some(at));
        for part in &parts {
            let function = if part.ty == Type::String {
                "rst_key_string"
            } else {
                "rst_key_long"
            };
            self.line(format!("{function}(&{key}, {});", bare(&part.text)));
        }
        Ok(key)
    }

    fn node_variable(&mut self) -> String {
        self.variable("n", |name| format!("struct rst_node *{name};"))
    }

    /// `a[k...]`
    pub fn element(&mut self, id: GlobalId, keys: &[Expr], at: LocationId) -> Result<Value> {
        let list: Vec<&Expr> = keys.iter().collect();
        let values = self.operands(&list)?;
        let key = self.key(&values, at)?;
        let node = self.node_variable();
        let map = self.map(id);
        self.line(format!("{node} = rst_map_find({map}, {key});"));
        let ty = self.value_type(id);
        let name = self.temporary(ty);
        if ty == Type::String {
            self.line(format!(
                "{name} = {node} ? rst_node_string(c, {node}) : RST_LITERAL(\"\");"
            ));
            self.take_strings(1);
            self.check(Some(at));
            Ok(Value::string(name, Home::Statement))
        } else {
            self.line(format!("{name} = {node} ? *rst_node_long({node}) : 0;"));
            Ok(Value::long(name))
        }
    }

    /// The node of `a[keys]`, made if it is not there.
    pub fn insert(&mut self, id: GlobalId, keys: &[Value], at: LocationId) -> Result<String> {
        let key = self.key(keys, at)?;
        let node = self.node_variable();
        let map = self.map(id);
        self.line(format!("{node} = rst_map_insert(c, {map}, {key});"));
        self.check_if(&format!("RST_UNLIKELY(!{node})"), Some(at));
        Ok(node)
    }

    fn slice(&mut self, keys: &[Option<Expr>]) -> Result<String> {
        let list: Vec<&Expr> = keys.iter().flatten().collect();
        let mut values = self.operands(&list)?.into_iter();
        let slice = self.variable("slice", |name| format!("struct rst_slice {name};"));
        let (mut fixed, mut fields) = (Vec::new(), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            if key.is_none() {
                continue;
            }
            let Some(value) = values.next() else { break };
            fixed.push(format!("[{index}] = 1"));
            let field = if value.ty == Type::String {
                "string"
            } else {
                "number"
            };
            fields.push(format!("\t.{field}[{index}] = {},", bare(&value.text)));
        }
        self.line(format!("{slice} = (struct rst_slice){{"));
        self.line(format!("\t.is_fixed = {{ {} }},", fixed.join(", ")));
        for field in fields {
            self.line(field);
        }
        self.line("};");
        Ok(slice)
    }

    /// `[k...] in a`
    pub fn contains(
        &mut self,
        id: GlobalId,
        keys: &[Option<Expr>],
        at: LocationId,
    ) -> Result<Value> {
        let map = self.map(id);
        let name = self.temporary(Type::Long);
        if keys.iter().all(Option::is_some) {
            let list: Vec<&Expr> = keys.iter().flatten().collect();
            let values = self.operands(&list)?;
            let key = self.key(&values, at)?;
            self.line(match self.value_type(id) {
                Type::Stat => format!("{name} = rst_stat_map_contains({map}, {key});"),
                _ => format!("{name} = rst_map_find({map}, {key}) != NULL;"),
            });
        } else {
            let slice = self.slice(keys)?;
            self.line(format!("{name} = rst_map_contains_slice({map}, &{slice});"));
        }
        Ok(Value::long(name))
    }

    pub fn delete_element(&mut self, id: GlobalId, keys: &[Option<Expr>]) -> Result<()> {
        let map = self.map(id);
        if keys.iter().all(Option::is_none) {
            self.line(format!("rst_map_clear({map});"));
        } else if keys.iter().all(Option::is_some) {
            let list: Vec<&Expr> = keys.iter().flatten().collect();
            let at = list.first().map(|key| key.at);
            let values = self.operands(&list)?;
            let Some(at) = at else { return Ok(()) };
            let key = self.key(&values, at)?;
            self.line(format!("rst_map_delete({map}, {key});"));
        } else {
            let slice = self.slice(keys)?;
            self.line(format!("rst_map_delete_slice({map}, &{slice});"));
        }
        Ok(())
    }

    pub fn delete_global(&mut self, id: GlobalId) -> Result<()> {
        let name = self.global(id);
        match &self.unit.program.globals[id].kind {
            GlobalKind::Array { .. } => self.line(format!("rst_map_clear({name}.value);")),
            GlobalKind::Scalar { ty: Type::Stat, .. } => {
                self.line(format!("rst_stat_clear(c, {name}.value);"));
            }
            GlobalKind::Scalar {
                ty: Type::String, ..
            } => {
                self.line(format!("{name}.value.length = 0;"));
                self.line(format!("{name}.value.text[0] = '\\0';"));
            }
            GlobalKind::Scalar { .. } => self.line(format!("{name}.value = 0;")),
        }
        Ok(())
    }

    // ---- statistics ----------------------------------------------------------

    /// `stat <<< value`
    pub fn accumulate(&mut self, place: &StatPlace, value: &Expr, at: LocationId) -> Result<Value> {
        let mut list: Vec<&Expr> = match place {
            StatPlace::Element(_, keys) => keys.iter().collect(),
            StatPlace::Scalar(_) | StatPlace::Iterated(_) => Vec::new(),
        };
        list.push(value);
        let mut values = self.operands(&list)?;
        let Some(value) = values.pop() else {
            return Err(CodegenError::new("<<< without a value"));
        };
        match place {
            StatPlace::Scalar(id) => {
                let name = self.map(*id);
                self.line(format!("rst_stat_add(c, {name}, {});", bare(&value.text)));
            }
            StatPlace::Element(id, _) => {
                let key = self.key(&values, at)?;
                let name = self.map(*id);
                self.line(format!(
                    "rst_stat_map_add(c, {name}, {key}, {});",
                    bare(&value.text)
                ));
                self.check(Some(at));
            }
            StatPlace::Iterated(_) => {
                return Err(CodegenError::new("<<< to the element that foreach is at"));
            }
        }
        Ok(value)
    }

    /// A pointer to the merged statistic and whether it can be NULL.
    fn stat(&mut self, place: &StatPlace, at: LocationId) -> Result<(String, bool)> {
        if let StatPlace::Iterated(id) = place {
            let found = self.iterated.iter().rev().find(|(array, ..)| array == id);
            return match found {
                Some((_, _, Some(stat))) => Ok((stat.clone(), false)),
                _ => Err(CodegenError::new(
                    "an iterated statistic outside of its foreach",
                )),
            };
        }
        let name = self.variable("a", |name| format!("const struct rst_stat *{name};"));
        let is_element = match place {
            StatPlace::Scalar(id) | StatPlace::Iterated(id) => {
                let object = self.map(*id);
                self.line(format!("{name} = rst_stat_get(c, {object});"));
                false
            }
            StatPlace::Element(id, keys) => {
                let list: Vec<&Expr> = keys.iter().collect();
                let values = self.operands(&list)?;
                let key = self.key(&values, at)?;
                let object = self.map(*id);
                self.line(format!("{name} = rst_stat_map_get(c, {object}, {key});"));
                true
            }
        };
        self.take(self.unit.stat_bytes());
        self.check(Some(at));
        Ok((name, is_element))
    }

    /// `@count(place)` and so on.
    pub fn stat_operation(
        &mut self,
        operation: StatOperation,
        place: &StatPlace,
        at: LocationId,
    ) -> Result<Value> {
        let (stat, may_be_null) = self.stat(place, at)?;
        let field = match operation {
            StatOperation::Count => "count",
            StatOperation::Sum => "sum",
            StatOperation::Minimum => "minimum",
            StatOperation::Maximum => "maximum",
            StatOperation::Average => "average",
            StatOperation::Variance => "variance",
        };
        if matches!(operation, StatOperation::Count | StatOperation::Sum) {
            return Ok(Value::long(if may_be_null {
                format!("({stat} ? {stat}->{field} : 0)")
            } else {
                format!("{stat}->{field}")
            }));
        }
        let condition = if may_be_null {
            format!("!{stat} || {stat}->count == 0")
        } else {
            format!("{stat}->count == 0")
        };
        self.fail_if(&condition, "empty aggregate", at);
        Ok(Value::long(format!("{stat}->{field}")))
    }

    fn stat_spec(&self, place: &StatPlace) -> String {
        let (StatPlace::Scalar(id) | StatPlace::Element(id, _) | StatPlace::Iterated(id)) = place;
        self.unit.stat_spec(*id)
    }

    pub fn histogram_bucket(
        &mut self,
        place: &StatPlace,
        index: &Expr,
        at: LocationId,
    ) -> Result<Value> {
        let index = self.expression(index)?;
        let index = self.simple(index)?;
        let (stat, may_be_null) = self.stat(place, at)?;
        let spec = self.stat_spec(place);
        let call = format!("rst_histogram_bucket({stat}, {spec}, {})", index.text);
        let name = self.temporary(Type::Long);
        self.line(if may_be_null {
            format!("{name} = {stat} ? {call} : 0;")
        } else {
            format!("{name} = {call};")
        });
        Ok(Value::long(name))
    }

    /// Prints the histogram of a statistic to an output.
    pub fn put_histogram(&mut self, output: &str, stat: &(String, bool), spec: &str) {
        if stat.1 {
            self.line(format!("if ({})", stat.0));
            self.line(format!(
                "\trst_put_histogram({output}, {}, {spec});",
                stat.0
            ));
        } else {
            self.line(format!("rst_put_histogram({output}, {}, {spec});", stat.0));
        }
    }

    /// The statistic of a print piece and its specification.
    pub fn histogram_operand(
        &mut self,
        place: &StatPlace,
        at: LocationId,
    ) -> Result<((String, bool), String)> {
        let stat = self.stat(place, at)?;
        let spec = self.stat_spec(place);
        Ok((stat, spec))
    }

    // ---- iteration -----------------------------------------------------------

    fn limit(&mut self, limit: Option<&Expr>) -> Result<String> {
        let Some(limit) = limit else {
            return Ok("-1".to_owned());
        };
        let value = self.expression(limit)?;
        let value = self.simple(value)?;
        Ok(match super::expression::constant(&value.text) {
            Some(constant) => constant.max(0).to_string(),
            None => format!("{} > 0 ? {} : 0", value.text, value.text),
        })
    }

    pub fn foreach(&mut self, foreach: &Foreach, at: LocationId, is_last: bool) -> Result<()> {
        let map = self.map(foreach.array);
        let slice = if foreach.slice.iter().any(Option::is_some) {
            Some(self.slice(&foreach.slice)?)
        } else {
            None
        };
        let limit = self.limit(foreach.limit.as_ref())?;
        let how = self.variable("how", |name| format!("struct rst_iteration {name};"));
        let iterator = self.variable("it", |name| format!("struct rst_iterator *{name};"));
        let node = self.node_variable();
        self.line(format!("{how} = (struct rst_iteration){{"));
        let (by, direction, operation) = sort_fields(foreach.sort);
        self.line(format!("\t.sort_by = {by},"));
        self.line(format!("\t.direction = {direction},"));
        self.line(format!("\t.operation = {operation},"));
        self.line(format!("\t.limit = {limit},"));
        if let Some(slice) = slice {
            self.line(format!("\t.slice = &{slice},"));
        }
        self.line("};");
        self.line(format!(
            "{iterator} = rst_iterator_begin(c, {map}, &{how});"
        ));
        self.check(Some(at));
        self.end_statement(false);
        self.out.open(format!("if ({iterator})"));
        let end = self.new_label("end");
        let outer_fail = std::mem::replace(&mut self.fail_label, end.clone());
        self.enter_iterator(&iterator);
        self.loops += 1;
        self.continue_labels.push(None);
        self.out.open(format!(
            "while (({node} = rst_iterator_next({iterator})) != NULL)"
        ));
        let holds = self.begin_iteration(foreach, &map, &node, at)?;
        self.block(&foreach.body, false)?;
        self.out.close("");
        self.iterated.pop();
        self.continue_labels.pop();
        self.loops -= 1;
        self.leave_exit();
        self.fail_label = outer_fail;
        if self.is_used(&end) {
            self.out.label(&end);
        }
        self.line(format!("rst_iterator_end({iterator});"));
        if self.is_used(&end) {
            self.check(None);
        }
        self.out.close("");
        if let Some((base, level)) = holds {
            self.base = base;
            self.base_level = level;
            self.level = level;
            if !is_last {
                let base = self.base_variable();
                self.line(format!("rst_scratch_release(c, {base});"));
            }
        }
        Ok(())
    }

    /// Fetches keys, value and statistic of one step. Strings stay in scratch
    /// memory while the body runs; gives the outer base to go back to.
    fn begin_iteration(
        &mut self,
        foreach: &Foreach,
        map: &str,
        node: &str,
        at: LocationId,
    ) -> Result<Option<(String, u64)>> {
        let is_string = |body: &Self, id: &LocalId| {
            body.locals
                .get(*id)
                .is_some_and(|local| local.ty == Type::String)
        };
        let names = || foreach.keys.iter().flatten().chain(&foreach.value);
        let needs_stat = self.value_type(foreach.array) == Type::Stat
            && mentions_iterated(&foreach.body, foreach.array);
        let holds = needs_stat || names().any(|id| is_string(self, id));
        if holds {
            let base = self.base_variable();
            self.line(format!("rst_scratch_release(c, {base});"));
        }
        for (index, key) in foreach.keys.iter().enumerate() {
            let Some(id) = key else { continue };
            let name = self.local(*id).to_owned();
            if is_string(self, id) {
                let fetch = format!("rst_node_key_string(c, {map}, {node}, {index})");
                self.fetch_string(*id, &fetch, at);
            } else {
                self.line(format!(
                    "{name} = rst_node_key_long({map}, {node}, {index});"
                ));
            }
        }
        if let Some(id) = foreach.value {
            let name = self.local(id).to_owned();
            if is_string(self, &id) {
                self.fetch_string(id, &format!("rst_node_string(c, {node})"), at);
            } else {
                self.line(format!("{name} = *rst_node_long({node});"));
            }
        }
        let stat = if needs_stat {
            let stat = self.variable("a", |name| format!("const struct rst_stat *{name};"));
            self.line(format!("{stat} = rst_node_stat(c, {map}, {node});"));
            self.take(self.unit.stat_bytes());
            self.check(Some(at));
            Some(stat)
        } else {
            None
        };
        self.iterated.push((foreach.array, node.to_owned(), stat));
        if !holds {
            return Ok(None);
        }
        let inner = self.variable("base", |name| format!("char *{name} RST_MAYBE_UNUSED;"));
        self.line(format!("{inner} = rst_scratch_mark(c);"));
        let outer = (std::mem::replace(&mut self.base, inner), self.base_level);
        self.base_level = self.level;
        Ok(Some(outer))
    }

    fn fetch_string(&mut self, id: LocalId, fetch: &str, at: LocationId) {
        let name = self.local(id).to_owned();
        self.take_strings(1);
        if self.uses.confined.contains(&id) {
            self.line(format!("{name} = {fetch};"));
        } else {
            let slot = self.slot(id);
            self.line(format!("{name} = rst_string_copy(c, {slot}, {fetch});"));
        }
        self.check(Some(at));
    }

    #[allow(clippy::too_many_arguments)]
    pub fn foreach_histogram(
        &mut self,
        (place, _): (&StatPlace, Histogram),
        (bucket, count): (LocalId, Option<LocalId>),
        sort: Option<(bool, Direction)>,
        limit: Option<&Expr>,
        block: &[Stmt],
        at: LocationId,
    ) -> Result<()> {
        let limit = limit.map(|limit| self.limit(Some(limit))).transpose()?;
        let (stat, may_be_null) = self.stat(place, at)?;
        let spec = self.stat_spec(place);
        let index = self.variable("i", |name| format!("int64_t {name};"));
        let end = self.temporary(Type::Long);
        let buckets = format!("rst_histogram_buckets({spec})");
        self.line(if may_be_null {
            format!("{end} = {stat} ? {buckets} : 0;")
        } else {
            format!("{end} = {buckets};")
        });
        let mut total = String::new();
        if matches!(sort, Some((false, Direction::Descending))) {
            total = self.temporary(Type::Long);
            self.line(format!("{total} = {end};"));
        }
        let by_count = match sort {
            Some((true, direction)) => {
                let order = self.variable("order", |name| {
                    format!("unsigned char {name}[RST_HISTOGRAM_BUCKETS];")
                });
                let sign = if direction == Direction::Ascending {
                    1
                } else {
                    -1
                };
                self.line(format!(
                    "script_sort_buckets({stat}, {spec}, {order}, {end}, {sign});"
                ));
                Some(order)
            }
            _ => None,
        };
        if let Some(limit) = limit {
            let bound = self.temporary(Type::Long);
            self.line(format!("{bound} = {limit};"));
            self.line(format!("if ({bound} < {end})"));
            self.line(format!("\t{end} = {bound};"));
        }
        // The statistic stays in scratch memory while the body runs.
        let inner = self.variable("base", |name| format!("char *{name} RST_MAYBE_UNUSED;"));
        self.line(format!("{inner} = rst_scratch_mark(c);"));
        let outer = std::mem::replace(&mut self.base, inner);
        let outer_level = self.base_level;
        self.base_level = self.level;
        self.loops += 1;
        self.continue_labels.push(None);
        self.out
            .open(format!("for ({index} = 0; {index} < {end}; {index}++)"));
        let name = self.local(bucket).to_owned();
        self.line(match (by_count, sort) {
            (Some(order), _) => format!("{name} = {order}[{index}];"),
            (None, Some((false, Direction::Descending))) => {
                format!("{name} = {total} - 1 - {index};")
            }
            _ => format!("{name} = {index};"),
        });
        if let Some(count) = count {
            let count = self.local(count).to_owned();
            self.line(format!(
                "{count} = rst_histogram_bucket({stat}, {spec}, {name});"
            ));
        }
        self.block(block, false)?;
        self.out.close("");
        self.continue_labels.pop();
        self.loops -= 1;
        self.base = outer;
        self.level = self.base_level;
        self.base_level = outer_level;
        Ok(())
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn sort_fields(sort: Option<Sort>) -> (String, i32, &'static str) {
    let Some(sort) = sort else {
        return ("RST_SORT_NONE".to_owned(), 1, "RST_COUNT");
    };
    let direction = if sort.direction == Direction::Ascending {
        1
    } else {
        -1
    };
    match sort.by {
        SortBy::Key(key) => (key.to_string(), direction, "RST_COUNT"),
        SortBy::Value(operation) => {
            let operation = match operation {
                StatOperation::Count => "RST_COUNT",
                StatOperation::Sum => "RST_SUM",
                StatOperation::Minimum => "RST_MINIMUM",
                StatOperation::Maximum => "RST_MAXIMUM",
                StatOperation::Average => "RST_AVERAGE",
                StatOperation::Variance => "RST_VARIANCE",
            };
            ("RST_SORT_VALUE".to_owned(), direction, operation)
        }
    }
}

/// Whether `block` looks at the statistic of the element that foreach is at.
fn mentions_iterated(block: &[Stmt], array: GlobalId) -> bool {
    struct Search(GlobalId, bool);
    impl Visitor for Search {
        fn expression(&mut self, expression: &Expr) {
            walk_expression(self, expression);
        }
        fn stat(&mut self, place: &StatPlace) {
            self.1 |= matches!(place, StatPlace::Iterated(id) if *id == self.0);
            crate::ir::visit::walk_stat(self, place);
        }
    }
    let mut search = Search(array, false);
    search.block(block);
    search.1
}

/// How many loops over `array` can be under way at once: as deep as they nest in handlers, and
/// whatever the runtime allows when a function has one, because a function may be called in a loop.
pub(super) fn iterations(program: &Program, array: GlobalId) -> u8 {
    struct Depth {
        array: GlobalId,
        now: u8,
        most: u8,
    }
    impl Visitor for Depth {
        fn statement(&mut self, statement: &Stmt) {
            let is_over =
                matches!(&statement.kind, StmtKind::Foreach(it) if it.array == self.array);
            self.now = self.now.saturating_add(u8::from(is_over));
            self.most = self.most.max(self.now);
            crate::ir::visit::walk_statement(self, statement);
            self.now = self.now.saturating_sub(u8::from(is_over));
        }
        // No expression holds a statement.
        fn expression(&mut self, _: &Expr) {}
    }
    let mut depth = Depth {
        array,
        now: 0,
        most: 0,
    };
    for function in program.functions.values() {
        if let FunctionBody::Script(block) = &function.body {
            depth.block(block);
        }
    }
    if depth.most > 0 {
        return MAXIMUM_ITERATIONS;
    }
    for handler in program.handlers.values() {
        depth.block(&handler.body);
    }
    depth.most.min(MAXIMUM_ITERATIONS)
}

/// ITERATION_DEPTH of the runtime.
const MAXIMUM_ITERATIONS: u8 = 4;
