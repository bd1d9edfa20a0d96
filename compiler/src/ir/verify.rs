// SPDX-License-Identifier: GPL-2.0-or-later
//! The IR verifier: what codegen relies on (see [`super`]) is checked here once,
//! so that codegen can index by id and trust types.

use super::arena::{EntityId, IndexVec};
use super::*;

/// Checks a whole program; gives everything that is wrong.
///
/// # Errors
///
/// One line per problem, with the place in the script where there is one.
pub fn verify(program: &Program) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    for global in program.globals.values() {
        verify_global(global, &mut errors);
    }
    let check = |errors: &mut Vec<String>, place| Checker {
        program,
        locals: None,
        returns: None,
        loops: 0,
        iterated: Vec::new(),
        place,
        errors: std::mem::take(errors),
    };
    for function in program.functions.values() {
        let place = format!("function {}", function.name);
        if function.parameters > function.locals.len() {
            errors.push(format!("{place}: more parameters than locals"));
        }
        verify_locals(&function.locals, &place, &mut errors);
        let mut checker = check(&mut errors, place);
        checker.locals = Some(&function.locals);
        checker.returns = Some(function.returns);
        match &function.body {
            FunctionBody::Script(block) => checker.block(block),
            FunctionBody::C(code) => checker.embedded(code),
        }
        errors = checker.errors;
    }
    for (id, handler) in program.handlers.iter() {
        let place = format!("handler {id}");
        verify_locals(&handler.locals, &place, &mut errors);
        let mut checker = check(&mut errors, place);
        checker.locals = Some(&handler.locals);
        checker.block(&handler.body);
        errors = checker.errors;
    }
    for probe in &program.probes {
        let place = format!("probe {}", probe.name);
        for handler in [Some(probe.handler), probe.entry_handler]
            .into_iter()
            .flatten()
        {
            if handler.index() >= program.handlers.len() {
                errors.push(format!("{place}: no handler {handler}"));
            }
        }
        if let Some(condition) = &probe.condition {
            let mut checker = check(&mut errors, place);
            checker.expression(condition, Type::Long);
            errors = checker.errors;
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

fn verify_locals(locals: &IndexVec<LocalId, Local>, place: &str, errors: &mut Vec<String>) {
    for local in locals.values() {
        if !matches!(local.ty, Type::Long | Type::String) {
            errors.push(format!(
                "{place}: local {} has type {:?}",
                local.name, local.ty
            ));
        }
    }
}

fn verify_global(global: &Global, errors: &mut Vec<String>) {
    let name = &global.name;
    match &global.kind {
        GlobalKind::Scalar { ty, initial } => {
            let is_right = match (ty, initial) {
                (Type::Void, _) => false,
                (_, None) => true,
                (Type::Long, Some(Constant::Long(_))) => true,
                (Type::String, Some(Constant::String(_))) => true,
                _ => false,
            };
            if !is_right {
                errors.push(format!(
                    "global {name}: a {ty:?} with initial value {initial:?}"
                ));
            }
        }
        GlobalKind::Array { keys, value, .. } => {
            if keys.is_empty() || keys.len() > 9 {
                errors.push(format!(
                    "global {name}: {} keys, 1 to 9 are possible",
                    keys.len()
                ));
            }
            if keys
                .iter()
                .any(|key| !matches!(key, Type::Long | Type::String))
            {
                errors.push(format!("global {name}: keys of type {keys:?}"));
            }
            if *value == Type::Void {
                errors.push(format!("global {name}: elements without a type"));
            }
        }
    }
    if let Histogram::Linear { low, high, step } = global.stat.histogram
        && (step <= 0 || high < low)
    {
        errors.push(format!(
            "global {name}: histogram from {low} to {high} by {step}"
        ));
    }
    if global.is_parameter && !matches!(global.kind, GlobalKind::Scalar { .. }) {
        errors.push(format!(
            "global {name}: an array cannot be set from outside"
        ));
    }
}

struct Checker<'a> {
    program: &'a Program,
    locals: Option<&'a IndexVec<LocalId, Local>>,
    /// Of the function that is checked; None in a handler.
    returns: Option<Type>,
    loops: u32,
    iterated: Vec<GlobalId>,
    place: String,
    errors: Vec<String>,
}

impl Checker<'_> {
    fn report(&mut self, at: Option<LocationId>, what: impl std::fmt::Display) {
        let location = at.and_then(|at| self.program.locations.get(at));
        let location = location.map_or_else(String::new, |text| format!(" near {text}"));
        self.errors
            .push(format!("{}{location}: {what}", self.place));
    }

    fn block(&mut self, block: &[Stmt]) {
        for statement in block {
            self.statement(statement);
        }
    }

    fn in_loop(&mut self, block: &[Stmt]) {
        self.loops += 1;
        self.block(block);
        self.loops -= 1;
    }

    fn statement(&mut self, statement: &Stmt) {
        let at = Some(statement.at);
        if statement.at.index() >= self.program.locations.len() {
            self.report(None, format_args!("no location {}", statement.at));
        }
        match &statement.kind {
            StmtKind::Expr(value) => self.any(value),
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                self.expression(condition, Type::Long);
                self.block(then);
                self.block(otherwise);
            }
            StmtKind::Loop {
                condition,
                step,
                body,
            } => {
                if let Some(condition) = condition {
                    self.expression(condition, Type::Long);
                }
                if let Some(step) = step {
                    self.any(step);
                }
                self.in_loop(body);
            }
            StmtKind::Foreach(foreach) => self.foreach(foreach, statement.at),
            StmtKind::ForeachHistogram {
                stat,
                bucket,
                value,
                limit,
                body,
                ..
            } => {
                self.stat(stat, at);
                for id in [Some(*bucket), *value].into_iter().flatten() {
                    self.local(id, Type::Long, at);
                }
                if let Some(limit) = limit {
                    self.expression(limit, Type::Long);
                }
                self.in_loop(body);
            }
            StmtKind::Break | StmtKind::Continue => {
                if self.loops == 0 {
                    self.report(at, "break or continue outside of a loop");
                }
            }
            StmtKind::Return(value) => match (self.returns, value) {
                (None, _) => self.report(at, "return in a probe handler"),
                (Some(Type::Void), Some(value)) => self.any(value),
                (Some(returns), Some(value)) => self.expression(value, returns),
                (Some(_), None) => {}
            },
            StmtKind::Next => {}
            StmtKind::DeleteGlobal(id) => {
                self.global(*id, at);
            }
            StmtKind::DeleteLocal(id) => {
                self.local_type(*id, at);
            }
            StmtKind::DeleteElement { array, keys } => self.keys(*array, keys, at),
            StmtKind::Try { body, error, catch } => {
                self.block(body);
                if let Some(error) = error {
                    self.local(*error, Type::String, at);
                }
                self.block(catch);
            }
        }
    }

    fn foreach(&mut self, foreach: &Foreach, at: LocationId) {
        let at = Some(at);
        let Some((keys, value)) = self.array(foreach.array, at) else {
            return;
        };
        if foreach.keys.len() != keys.len() {
            self.report(
                at,
                format_args!("{} names for {} keys", foreach.keys.len(), keys.len()),
            );
        }
        for (name, ty) in foreach.keys.iter().zip(&keys) {
            if let Some(name) = name {
                self.local(*name, *ty, at);
            }
        }
        if let Some(name) = foreach.value {
            self.local(name, value, at);
        }
        if !foreach.slice.is_empty() {
            self.keys(foreach.array, &foreach.slice, at);
        }
        if let Some(Sort {
            by: SortBy::Key(key),
            ..
        }) = foreach.sort
            && key >= keys.len()
        {
            self.report(at, format_args!("sorted by key {key} of {}", keys.len()));
        }
        if let Some(limit) = &foreach.limit {
            self.expression(limit, Type::Long);
        }
        self.iterated.push(foreach.array);
        self.in_loop(&foreach.body);
        self.iterated.pop();
    }

    fn global(&mut self, id: GlobalId, at: Option<LocationId>) -> Option<Global> {
        let global = self.program.globals.get(id).cloned();
        if global.is_none() {
            self.report(at, format_args!("no global {id}"));
        }
        global
    }

    fn scalar(&mut self, id: GlobalId, at: Option<LocationId>) -> Option<Type> {
        match self.global(id, at)?.kind {
            GlobalKind::Scalar { ty, .. } => Some(ty),
            GlobalKind::Array { .. } => {
                self.report(at, format_args!("array {id} used as a scalar"));
                None
            }
        }
    }

    fn array(&mut self, id: GlobalId, at: Option<LocationId>) -> Option<(Vec<Type>, Type)> {
        match self.global(id, at)?.kind {
            GlobalKind::Array { keys, value, .. } => Some((keys, value)),
            GlobalKind::Scalar { .. } => {
                self.report(at, format_args!("scalar {id} used as an array"));
                None
            }
        }
    }

    fn element(&mut self, id: GlobalId, keys: &[Expr], at: Option<LocationId>) -> Option<Type> {
        let (types, value) = self.array(id, at)?;
        if types.len() != keys.len() {
            self.report(
                at,
                format_args!("{} keys for {} of {id}", keys.len(), types.len()),
            );
        }
        for (key, ty) in keys.iter().zip(types) {
            self.expression(key, ty);
        }
        Some(value)
    }

    fn keys(&mut self, id: GlobalId, keys: &[Option<Expr>], at: Option<LocationId>) {
        let Some((types, _)) = self.array(id, at) else {
            return;
        };
        if types.len() != keys.len() {
            self.report(
                at,
                format_args!("{} keys for {} of {id}", keys.len(), types.len()),
            );
        }
        for (key, ty) in keys.iter().zip(types) {
            if let Some(key) = key {
                self.expression(key, ty);
            }
        }
    }

    fn local_type(&mut self, id: LocalId, at: Option<LocationId>) -> Option<Type> {
        let ty = self
            .locals
            .and_then(|locals| locals.get(id))
            .map(|local| local.ty);
        if ty.is_none() {
            self.report(at, format_args!("no local {id}"));
        }
        ty
    }

    fn local(&mut self, id: LocalId, wanted: Type, at: Option<LocationId>) {
        if let Some(ty) = self.local_type(id, at)
            && ty != wanted
        {
            self.report(at, format_args!("local {id} is {ty:?}, wanted {wanted:?}"));
        }
    }

    fn stat(&mut self, place: &StatPlace, at: Option<LocationId>) {
        let ty = match place {
            StatPlace::Scalar(id) => self.scalar(*id, at),
            StatPlace::Element(id, keys) => self.element(*id, keys, at),
            StatPlace::Iterated(id) => {
                if !self.iterated.contains(id) {
                    self.report(at, format_args!("{id} is not being iterated here"));
                }
                self.array(*id, at).map(|(_, value)| value)
            }
        };
        if ty.is_some_and(|ty| ty != Type::Stat) {
            self.report(at, "a statistic is wanted");
        }
    }

    fn embedded(&mut self, code: &EmbeddedCode) {
        for (name, id, _) in &code.globals {
            if id.index() >= self.program.globals.len() {
                self.report(
                    None,
                    format_args!("embedded C names global {name}, no {id}"),
                );
            }
        }
    }

    /// Any type: the value is dropped.
    fn any(&mut self, expression: &Expr) {
        self.expression(expression, expression.ty);
    }

    fn expression(&mut self, expression: &Expr, wanted: Type) {
        let at = Some(expression.at);
        if expression.at.index() >= self.program.locations.len() {
            self.report(None, format_args!("no location {}", expression.at));
        }
        if expression.ty != wanted {
            self.report(
                at,
                format_args!("type {:?}, wanted {wanted:?}", expression.ty),
            );
        }
        if let Some(own) = self.own_type(expression)
            && own != expression.ty
        {
            let ty = expression.ty;
            self.report(at, format_args!("labelled {ty:?} but it is {own:?}"));
        }
    }

    fn sized(&mut self, size: u8, at: Option<LocationId>) {
        if !matches!(size, 1 | 2 | 4 | 8) {
            self.report(
                at,
                format_args!("{size} bytes of memory at once (1, 2, 4 or 8 can be)"),
            );
        }
    }

    fn pair(&mut self, left: &Expr, right: &Expr, ty: Type) {
        self.expression(left, ty);
        self.expression(right, ty);
    }

    /// Checks the operands; gives the type that the kind of expression has.
    fn own_type(&mut self, expression: &Expr) -> Option<Type> {
        let at = Some(expression.at);
        Some(match &expression.kind {
            ExprKind::Number(_)
            | ExprKind::Register(_)
            | ExprKind::ReturnValue
            | ExprKind::Argument(_)
            | ExprKind::Relocated { .. }
            | ExprKind::CConstant(_)
            | ExprKind::Saved(_) => Type::Long,
            ExprKind::String(_) | ExprKind::SavedString(_) | ExprKind::ProcfsValue => Type::String,
            ExprKind::Local(id) => self.local_type(*id, at)?,
            ExprKind::Global(id) => self.value(*id, at)?,
            ExprKind::Element(id, keys) => {
                let ty = self.element(*id, keys, at)?;
                if ty == Type::Stat {
                    self.report(at, "a statistic used as a value");
                }
                ty
            }
            ExprKind::Assign {
                place,
                operator,
                value,
            } => {
                let ty = self.place(place, at)?;
                self.expression(value, ty);
                let is_concat = *operator == Some(BinaryOperator::Concat);
                if operator.is_some() && is_concat != (ty == Type::String) {
                    self.report(at, format_args!("{operator:?} on {ty:?}"));
                }
                ty
            }
            ExprKind::Step { place, .. } => {
                if self.place(place, at)? != Type::Long {
                    self.report(at, "++ or -- on a string");
                }
                Type::Long
            }
            ExprKind::Accumulate { stat, value } => {
                self.stat(stat, at);
                self.expression(value, Type::Long);
                Type::Long
            }
            ExprKind::Unary(_, value)
            | ExprKind::PerCpu(value)
            | ExprKind::Extend { value, .. } => {
                self.expression(value, Type::Long);
                Type::Long
            }
            ExprKind::Binary(operator, left, right) => {
                if *operator == BinaryOperator::Concat {
                    self.report(at, "concatenation is an expression of its own");
                }
                self.pair(left, right, Type::Long);
                Type::Long
            }
            ExprKind::Compare(_, left, right) => {
                if !matches!(left.ty, Type::Long | Type::String) {
                    self.report(at, format_args!("comparison of {:?}", left.ty));
                }
                self.pair(left, right, left.ty);
                Type::Long
            }
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                self.pair(left, right, Type::Long);
                Type::Long
            }
            ExprKind::Ternary(condition, left, right) => {
                self.expression(condition, Type::Long);
                self.pair(left, right, expression.ty);
                expression.ty
            }
            ExprKind::Sequence(first, second) => {
                self.any(first);
                self.expression(second, expression.ty);
                expression.ty
            }
            ExprKind::Concat(left, right) => {
                self.pair(left, right, Type::String);
                Type::String
            }
            ExprKind::Match { string, .. } => {
                self.expression(string, Type::String);
                Type::Long
            }
            ExprKind::In(id, keys) => {
                self.keys(*id, keys, at);
                Type::Long
            }
            ExprKind::Call {
                candidates,
                arguments,
            } => self.call(candidates, arguments, expression.ty, at),
            ExprKind::Stat(_, place) => {
                self.stat(place, at);
                Type::Long
            }
            ExprKind::HistogramBucket { stat, index, .. } => {
                self.stat(stat, at);
                self.expression(index, Type::Long);
                Type::Long
            }
            ExprKind::Print(print) => {
                self.print(print, at);
                if print.is_string {
                    Type::String
                } else {
                    Type::Void
                }
            }
            ExprKind::Read { address, size, .. } => {
                self.sized(*size, at);
                self.expression(address, Type::Long);
                Type::Long
            }
            ExprKind::MemoryString { address, .. } => {
                self.expression(address, Type::Long);
                Type::String
            }
            ExprKind::EmbeddedC(code) => {
                self.embedded(code);
                expression.ty
            }
        })
    }

    fn value(&mut self, id: GlobalId, at: Option<LocationId>) -> Option<Type> {
        let ty = self.scalar(id, at)?;
        if ty == Type::Stat {
            self.report(at, "a statistic used as a value");
        }
        Some(ty)
    }

    fn place(&mut self, place: &Place, at: Option<LocationId>) -> Option<Type> {
        Some(match place {
            Place::Local(id) => self.local_type(*id, at)?,
            Place::Global(id) => self.value(*id, at)?,
            Place::Element(id, keys) => {
                let ty = self.element(*id, keys, at)?;
                if ty == Type::Stat {
                    self.report(at, "a statistic assigned to");
                }
                ty
            }
            Place::Memory {
                address,
                size,
                bits,
                ..
            } => {
                self.sized(*size, at);
                self.expression(address, Type::Long);
                if let Some((low, width)) = bits
                    && (*width == 0 || u32::from(*low) + u32::from(*width) > 8 * u32::from(*size))
                {
                    self.report(at, format_args!("bits {low}+{width} in {size} bytes"));
                }
                Type::Long
            }
            Place::Register { .. }
            | Place::ReturnValue { .. }
            | Place::Argument(_)
            | Place::Saved(_) => Type::Long,
            Place::SavedString(_) | Place::ProcfsValue => Type::String,
        })
    }

    fn call(
        &mut self,
        candidates: &[FunctionId],
        arguments: &[Expr],
        ty: Type,
        at: Option<LocationId>,
    ) -> Type {
        if candidates.is_empty() {
            self.report(at, "a call of no function");
        }
        for id in candidates {
            let Some(function) = self.program.functions.get(*id) else {
                self.report(at, format_args!("no function {id}"));
                continue;
            };
            if function.returns != ty {
                let returns = function.returns;
                self.report(at, format_args!("{id} returns {returns:?}, wanted {ty:?}"));
            }
            if function.parameters != arguments.len() {
                let count = function.parameters;
                self.report(
                    at,
                    format_args!("{} arguments for {count} of {id}", arguments.len()),
                );
            }
            for (parameter, argument) in function
                .locals
                .values()
                .take(function.parameters)
                .zip(arguments)
            {
                if parameter.ty != argument.ty {
                    let name = &parameter.name;
                    self.report(
                        at,
                        format_args!("argument {name} of {id} has the wrong type"),
                    );
                }
            }
        }
        for argument in arguments {
            self.any(argument);
        }
        ty
    }

    fn print(&mut self, print: &Print, at: Option<LocationId>) {
        for piece in &print.pieces {
            match piece {
                PrintPiece::Literal(_) => {}
                PrintPiece::Value {
                    conversion,
                    width,
                    precision,
                    value,
                    ..
                } => {
                    for part in [width, precision].into_iter().flatten() {
                        self.expression(part, Type::Long);
                    }
                    let ty = match conversion {
                        Conversion::String => Type::String,
                        _ => Type::Long,
                    };
                    self.expression(value, ty);
                }
                PrintPiece::Histogram { stat, .. } => self.stat(stat, at),
            }
        }
    }
}
