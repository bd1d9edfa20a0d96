// SPDX-License-Identifier: GPL-2.0-or-later
//! What stands first in a target expression: `$x`, `$return`, `@cast`, `@var`,
//! `@enum`, and the variables of probes that are no code.

use std::rc::Rc;

use rstap_debuginfo::{Function, Marker, ModuleId, Source, TypeId, TypeKind, Variable};
use rstap_syntax::ast::{self, TargetSuffix};
use rstap_syntax::diag::Diagnostic;
use rstap_syntax::span::Span;

use super::access::Selected;
use super::location::Spot;
use super::{Operand, Resolver, Value, VariableCx, build, error};
use crate::arch;
use crate::ir::{self, ExprKind};
use crate::semantic::points::{CodeContext, Context, from_target, suggest};

type Start<'e> = (Selected, &'e [TargetSuffix]);

/// How a value is printed: not at all, one level, or all levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Shallow,
    Deep,
}

/// The printing suffix of a target expression, if it has one.
pub(super) fn depth(suffixes: &[TargetSuffix]) -> Option<Depth> {
    match suffixes.last()? {
        TargetSuffix::Pretty(_) => Some(Depth::Shallow),
        TargetSuffix::PrettyDeep(_) => Some(Depth::Deep),
        _ => None,
    }
}

/// `$value = "text"` in a procfs read probe.
pub(super) fn procfs_place(
    cx: &VariableCx,
    target: &ast::Target,
    token: Span,
) -> Result<(ir::Place, Option<TypeId>), Diagnostic> {
    let Context::Procfs { is_read } = cx.context else {
        return Err(error("unresolved target-symbol expression").at(token));
    };
    if target.name != "$value" || !target.suffixes.is_empty() {
        let message = "invalid target symbol for procfs probe, $value expected";
        return Err(error(message).at(token));
    }
    if !is_read {
        let message = "procfs $value variable cannot be written in a procfs write probe";
        return Err(error(message).at(token));
    }
    Ok((ir::Place::ProcfsValue, None))
}

impl Resolver<'_> {
    pub(super) fn value(
        &mut self,
        expr: &ast::Expr,
        operand: Operand,
        indexes: Vec<ir::Expr>,
    ) -> Result<Value, Diagnostic> {
        match &expr.kind {
            ast::ExprKind::AddressOf(inner) => {
                if let Some(value) = self.at_entry(inner, expr, &indexes) {
                    return value;
                }
                let (start, suffixes) = self.start(inner, operand)?;
                let selected = self.walk(start, suffixes, indexes)?;
                self.address(selected)
            }
            ast::ExprKind::Probewrite(inner) => {
                let start = self.start(inner, operand);
                let selected =
                    start.and_then(|(start, suffixes)| self.walk(start, suffixes, indexes));
                let is_writable = self.cx.session.options.guru
                    && selected.and_then(|selected| self.place(selected)).is_ok();
                Ok(self.plain(build::number(self.at, i64::from(is_writable))))
            }
            ast::ExprKind::Enum(name) => {
                let module = self.module();
                let found = self.cx.session.target.enumerator(module, name);
                match found.map_err(|problem| from_target(&problem).at(expr.token))? {
                    Some(value) => Ok(self.plain(build::number(self.at, value))),
                    None => {
                        let message = format!("enumeration constant '{name}' not found");
                        Err(error(message).at(expr.token))
                    }
                }
            }
            ast::ExprKind::EnumName {
                type_name, module, ..
            } => self.enum_name(operand, type_name.as_deref(), module.as_deref()),
            ast::ExprKind::Deref { user, .. } => self.dereference(*user, operand, indexes),
            ast::ExprKind::Register { .. } => match operand.map(|(number, _)| number.kind) {
                Some(ExprKind::Number(number)) if (0..64).contains(&number) => {
                    let number = u16::try_from(number).unwrap_or(0);
                    Ok(self.plain(build::long(self.at, ExprKind::Register(number))))
                }
                _ => Err(error("a register needs a DWARF number from 0").at(expr.token)),
            },
            ast::ExprKind::Target(target) => self.target(target, expr, indexes),
            _ => {
                let (start, suffixes) = self.start(expr, operand)?;
                let selected = self.walk(start, suffixes, indexes)?;
                match depth(suffixes) {
                    Some(depth) => self.pretty(selected, depth),
                    None => self.load(selected, self.last_token(expr, suffixes)),
                }
            }
        }
    }

    fn plain(&self, expr: ir::Expr) -> Value {
        Value { expr, detail: None }
    }

    /// The token that a message about the whole value points at.
    fn last_token(&self, expr: &ast::Expr, suffixes: &[TargetSuffix]) -> Span {
        match suffixes.last() {
            Some(TargetSuffix::Member(name)) => name.span,
            Some(TargetSuffix::Index(index)) => index.span,
            _ => expr.token,
        }
    }

    fn target(
        &mut self,
        target: &ast::Target,
        expr: &ast::Expr,
        indexes: Vec<ir::Expr>,
    ) -> Result<Value, Diagnostic> {
        let name = target.name.as_str();
        let context = self.cx.context;
        if name.starts_with("$$")
            && let Some(value) = self.at_entry(expr, expr, &indexes)
        {
            return value;
        }
        if name.starts_with("$$")
            && let Some(text) = self.summary(name, depth(&target.suffixes))?
        {
            return Ok(Value {
                expr: text,
                detail: None,
            });
        }
        match context {
            Context::Procfs { is_read } => {
                let message = match (name, is_read) {
                    ("$value", false) if target.suffixes.is_empty() => {
                        let kind = ExprKind::ProcfsValue;
                        let expr = ir::Expr::string(kind, self.at);
                        return Ok(Value { expr, detail: None });
                    }
                    ("$value", true) => {
                        "procfs $value variable cannot be read in a procfs read probe"
                    }
                    _ => "invalid target symbol for procfs probe, $value expected",
                };
                Err(error(message).at(expr.token))
            }
            Context::Mark(marker) => {
                let marker = Rc::clone(marker);
                let value = self.marker_argument(&marker, name)?;
                match target.suffixes.first() {
                    None => Ok(self.plain(value)),
                    Some(_) => Err(error("arguments of a marker have no C type")
                        .at(expr.token)
                        .hint("name it: @cast($arg1, \"struct NAME\", \"PROGRAM\")->member")),
                }
            }
            _ => {
                if let Some(value) = self.at_entry(expr, expr, &indexes) {
                    return value;
                }
                let (start, suffixes) = self.start(expr, None)?;
                let selected = self.walk(start, suffixes, indexes)?;
                match depth(suffixes) {
                    Some(depth) => self.pretty(selected, depth),
                    None => self.load(selected, self.last_token(expr, suffixes)),
                }
            }
        }
    }

    /// In a return probe all but `$return` means its value at the function's entry:
    /// the whole expression is evaluated there and kept. `None` if this is not such
    /// an expression.
    fn at_entry(
        &mut self,
        inner: &ast::Expr,
        whole: &ast::Expr,
        indexes: &[ir::Expr],
    ) -> Option<Result<Value, Diagnostic>> {
        let code = self.code()?;
        let ast::ExprKind::Target(target) = &inner.kind else {
            return None;
        };
        let is_constant = indexes
            .iter()
            .all(|index| matches!(index.kind, ExprKind::Number(_)));
        let is_of_entry = match target.name.as_str() {
            "$return" | "$$return" => false,
            "$$vars" | "$$parms" | "$$locals" => true,
            name => !name.starts_with("$$"),
        };
        if !code.is_return || !is_of_entry {
            return None;
        }
        let text = self.cx.session.sources.borrow().text(whole.span).to_owned();
        let message = format!(
            "confusing usage, value is captured as @entry({text}) in .return probe [man \
             stapprobes] RETURN PROBES"
        );
        self.emit.warn(message, whole.token);
        // Indexes that are computed at the return are applied to what was kept.
        if !is_constant {
            return None;
        }
        let code = self.code()?;
        let context = Context::Code(Rc::new(entry_of(code)));
        let cx = VariableCx {
            context: &context,
            ..*self.cx
        };
        let mut resolver = Resolver {
            cx: &cx,
            token: self.token,
            at: self.at,
            emit: &mut *self.emit,
        };
        let value = match resolver.value(whole, None, indexes.to_vec()) {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        let detail = value.detail;
        Some(self.keep(value.expr).map(|expr| Value { expr, detail }))
    }

    /// A word that the entry handler saves; constants need no saving.
    pub(super) fn keep(&mut self, value: ir::Expr) -> Result<ir::Expr, Diagnostic> {
        if matches!(value.kind, ExprKind::Number(_) | ExprKind::Relocated { .. }) {
            return Ok(value);
        }
        Ok(self.emit.saved(value))
    }

    /// The first thing of an expression and the suffixes behind it.
    pub(super) fn start<'e>(
        &mut self,
        expr: &'e ast::Expr,
        operand: Operand,
    ) -> Result<Start<'e>, Diagnostic> {
        match &expr.kind {
            ast::ExprKind::Target(target) => Ok((self.variable(&target.name)?, &target.suffixes)),
            ast::ExprKind::Cast(cast) => Ok((self.cast(cast, operand)?, &cast.suffixes)),
            ast::ExprKind::Var {
                name,
                module,
                suffixes,
            } => Ok((self.global(name, module.as_deref())?, suffixes)),
            ast::ExprKind::Autocast { suffixes, .. } => Ok((self.autocast(operand)?, suffixes)),
            _ => Err(error("unresolved target-symbol expression").at(expr.token)),
        }
    }

    fn module(&self) -> ModuleId {
        match self.cx.context {
            Context::Code(code) => code.module,
            Context::Tracepoint(point) => point.module,
            Context::Mark(marker) => marker.address.module,
            _ => ModuleId::KERNEL,
        }
    }

    /// `$name`
    fn variable(&mut self, dollar_name: &str) -> Result<Selected, Diagnostic> {
        let name = dollar_name.strip_prefix('$').unwrap_or(dollar_name);
        match self.cx.context {
            Context::Code(code) => {
                let code = Rc::clone(code);
                self.code_variable(&code, name)
            }
            Context::Tracepoint(point) => {
                let point = Rc::clone(point);
                let arguments = point.arguments.as_deref().unwrap_or_default();
                let found = arguments
                    .iter()
                    .enumerate()
                    .find(|(_, known)| known.name == name);
                if let Some((index, argument)) = found {
                    return Ok(Selected::new(self.argument(index), argument.type_id));
                }
                if let Some(constant) = self.constant(name)? {
                    return Ok(constant);
                }
                let names = arguments.iter().map(|argument| argument.name.as_str());
                let names: Vec<String> = suggest::sorted(name, names)
                    .iter()
                    .map(|name| format!("${name}"))
                    .collect();
                let message = match names.as_slice() {
                    [] => format!("unable to find tracepoint variable '${name}'"),
                    names => format!(
                        "unable to find tracepoint variable '${name}' (alternatives: {}, $$name, \
                         $$parms, $$vars)",
                        names.join(", ")
                    ),
                };
                Err(error(message).at(self.token))
            }
            Context::Syscall { is_return } => self.syscall_variable(*is_return, name),
            Context::Netfilter => {
                const NAMES: [&str; 5] = ["hooknum", "skb", "in", "out", "verdict"];
                match NAMES.iter().position(|known| *known == name) {
                    Some(index) => self.kernel_object(index, name),
                    None => Err(error("unsupported context variable").at(self.token)),
                }
            }
            Context::Mark(_) | Context::Plt(_) | Context::Empty | Context::Procfs { .. } => {
                Err(error("unresolved target-symbol expression").at(self.token))
            }
        }
    }

    fn argument(&self, index: usize) -> Spot {
        Spot::Value(build::long(self.at, ExprKind::Argument(index)))
    }

    /// A long, for probes whose variables have no C type.
    pub(super) fn long_type(&self) -> Result<TypeId, Diagnostic> {
        let found = self
            .cx
            .session
            .target
            .type_by_name(ModuleId::KERNEL, "long int");
        match found {
            Ok(Some(id)) => Ok(id),
            Ok(None) => Err(error("the kernel's debug information has no 'long int'")),
            Err(problem) => Err(from_target(&problem).at(self.token)),
        }
    }

    /// Arguments of a packet filter hook.
    fn kernel_object(&mut self, index: usize, name: &str) -> Result<Selected, Diagnostic> {
        // Pointer types have no names: these members have them.
        let of_type = match name {
            "skb" => Some("next"),
            "in" | "out" => Some("dev"),
            _ => None,
        };
        let target = self.cx.session.target;
        let pointer = of_type.and_then(|member| {
            let packet = target.type_by_name(ModuleId::KERNEL, "struct sk_buff");
            let found = target.member(packet.ok()??, member).ok()??;
            Some(found.member.type_id)
        });
        let id = match pointer {
            Some(id) => id,
            None => self.long_type()?,
        };
        Ok(Selected::new(self.argument(index), id))
    }

    fn syscall_variable(&mut self, is_return: bool, name: &str) -> Result<Selected, Diagnostic> {
        let number = name
            .strip_prefix("arg")
            .and_then(|number| number.parse::<usize>().ok());
        let spot = match (name, number) {
            ("syscall", _) => self.argument(0),
            ("return", _) if is_return => Spot::ReturnValue,
            (_, Some(number @ 1..=6)) => self.argument(number),
            _ => {
                let message = "invalid target symbol for a syscall probe: $syscall, $arg1 to \
                               $arg6 or, in .return, $return expected";
                return Err(error(message).at(self.token));
            }
        };
        Ok(Selected::new(spot, self.long_type()?))
    }

    /// `$arg1` and so on of a static marker: a number.
    pub(super) fn marker_argument(
        &mut self,
        marker: &Marker,
        dollar_name: &str,
    ) -> Result<ir::Expr, Diagnostic> {
        let number = dollar_name.strip_prefix("$arg");
        let number = number.and_then(|number| number.parse::<usize>().ok());
        let index = number.and_then(|number| number.checked_sub(1));
        let Some(argument) = index.and_then(|index| marker.arguments.get(index)) else {
            let known = match marker.arguments.len() {
                0 => "it has no arguments".to_owned(),
                1 => "it has $arg1".to_owned(),
                count => format!("it has $arg1 to $arg{count}"),
            };
            let message = format!(
                "invalid target symbol '{dollar_name}' for marker {}: {known}",
                marker.name
            );
            return Err(error(message).at(self.token));
        };
        let spot = self.spot(&argument.location)?;
        // The type is not asked for: a marker gives size and sign.
        let selected = Selected::new(spot, TypeId::VOID);
        self.scalar(&selected, argument.size, argument.signed)
    }

    fn code_variable(&mut self, code: &CodeContext, name: &str) -> Result<Selected, Diagnostic> {
        let Some(function) = &code.function else {
            let message = "no debug information about the function: target variables need it";
            return Err(error(message).at(self.token));
        };
        if name == "return" && code.is_return {
            return self.returned(function);
        }
        let target = self.cx.session.target;
        let variables = target.variables_at(function, code.pc);
        let variables = variables.map_err(|problem| from_target(&problem).at(self.token))?;
        // Inner scopes come last.
        if let Some(variable) = variables
            .iter()
            .rev()
            .find(|variable| variable.name == name)
        {
            if !code.is_return {
                return self.local(function, variable, code.pc);
            }
            return self.saved_local(code, function, variable);
        }
        let unit = function
            .declaration
            .as_ref()
            .map(|position| &*position.file);
        if unit.is_some()
            && let Ok(globals) = target.globals(code.module, name, unit)
            && let Some(variable) = globals.first()
        {
            return self.global_variable(variable);
        }
        if let Some(constant) = self.constant(name)? {
            return Ok(constant);
        }
        Err(self.not_found(code, function, name, &variables))
    }

    /// A parameter or local, at an address.
    fn local(
        &mut self,
        function: &Function,
        variable: &Variable,
        pc: u64,
    ) -> Result<Selected, Diagnostic> {
        let target = self.cx.session.target;
        let location = target.location(Some(function), variable, pc);
        let location = location.map_err(|problem| from_target(&problem).at(self.token))?;
        let spot = self.spot(&location)?;
        Ok(Selected::new(spot, variable.type_id))
    }

    /// A variable as it was when the function was entered.
    fn saved_local(
        &mut self,
        code: &CodeContext,
        function: &Function,
        variable: &Variable,
    ) -> Result<Selected, Diagnostic> {
        let context = Context::Code(Rc::new(entry_of(code)));
        let cx = VariableCx {
            context: &context,
            ..*self.cx
        };
        let mut resolver = Resolver {
            cx: &cx,
            token: self.token,
            at: self.at,
            emit: &mut *self.emit,
        };
        let selected = resolver.local(function, variable, function.entry.value)?;
        let bare = resolver.bare(variable.type_id)?;
        let value = match (resolver.shape(&bare), &selected.spot) {
            (Some(_), _) => resolver.load(selected, self.token)?.expr,
            // Arguments passed by value in memory are still there.
            (None, Spot::Memory(address)) => {
                let address = address.clone();
                return Ok(Selected {
                    spot: Spot::Memory(self.keep(address)?),
                    ..selected
                });
            }
            (None, _) => resolver.scalar(&selected, arch::WORD_SIZE, false)?,
        };
        Ok(Selected::new(
            Spot::Value(self.keep(value)?),
            variable.type_id,
        ))
    }

    /// `$CONSTANT` of any enumeration.
    fn constant(&mut self, name: &str) -> Result<Option<Selected>, Diagnostic> {
        let found = self.cx.session.target.enumerator(self.module(), name);
        let Ok(Some(value)) = found else {
            return Ok(None);
        };
        let spot = Spot::Value(build::number(self.at, value));
        Ok(Some(Selected::new(spot, self.long_type()?)))
    }

    fn not_found(
        &self,
        code: &CodeContext,
        function: &Function,
        name: &str,
        variables: &[Variable],
    ) -> Diagnostic {
        let target = self.cx.session.target;
        let names = variables.iter().map(|variable| variable.name.as_str());
        let names = suggest::sorted(name, names);
        let names: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
        let file = function
            .declaration
            .as_ref()
            .map_or("", |position| &*position.file);
        let alternatives = match names.as_slice() {
            [] => String::new(),
            names => format!(" (alternatives: {})", names.join(", ")),
        };
        let message = format!(
            "unable to find local '{name}', [man error::dwarf] dieoffset {:#x} in {}, near pc \
             {:#x} in {} {file}{alternatives}",
            function.id.offset,
            target.module_name(code.module),
            code.pc,
            function.name,
        );
        let error = error(message).at(self.token);
        match function.source {
            Source::Symbols if code.is_user => error.hint(
                "the program has no debug information here: compile it with -g, install its \
                 debug package, or use int_arg(1), pointer_arg(1) and their like",
            ),
            _ => error,
        }
    }

    fn global_variable(&mut self, variable: &Variable) -> Result<Selected, Diagnostic> {
        let target = self.cx.session.target;
        let location = target.location(None, variable, 0);
        let location = location.map_err(|problem| from_target(&problem).at(self.token))?;
        let spot = self.spot(&location)?;
        Ok(Selected::new(spot, variable.type_id))
    }

    /// The files of code that the last argument of `@cast` or `@var` names.
    fn modules(&self, text: Option<&str>) -> Vec<ModuleId> {
        let target = self.cx.session.target;
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            let own = self.module();
            let kernel = ModuleId::KERNEL;
            return if own == kernel {
                vec![own]
            } else {
                vec![own, kernel]
            };
        };
        let mut found = Vec::new();
        for name in text.split(':') {
            // Headers are not compiled: their types are looked for in the kernel.
            let name = name.split('<').next().unwrap_or(name);
            let name = if name.is_empty() { "kernel" } else { name };
            if rstap_debuginfo::glob::is_pattern(name) && !name.contains('/') {
                let names = target.module_names(name);
                found.extend(names.iter().filter_map(|name| target.module(name).ok()));
            } else {
                found.extend(target.module(name));
            }
        }
        found
    }

    /// `@var("name@unit", "module")`
    fn global(&mut self, text: &str, module: Option<&str>) -> Result<Selected, Diagnostic> {
        let (name, unit) = match text.split_once('@') {
            Some((name, unit)) => (name, Some(unit)),
            None => (text, None),
        };
        let target = self.cx.session.target;
        let modules = self.modules(module);
        for &module in &modules {
            let Ok(found) = target.globals(module, name, unit) else {
                continue;
            };
            let best = found
                .iter()
                .find(|variable| variable.available)
                .or(found.first());
            if let Some(variable) = best {
                return self.global_variable(variable);
            }
        }
        let names: Vec<String> = modules.iter().map(|id| target.module_name(*id)).collect();
        let place = match (names.as_slice(), module) {
            ([], Some(module)) => module.to_owned(),
            (names, _) => names.join(", "),
        };
        let unit = unit.map(|unit| format!(", in {unit}")).unwrap_or_default();
        let message = format!("unable to find global '{name}' in {place}{unit}");
        Err(error(message).at(self.token))
    }

    /// `@cast(address, "type", "module")`: an object of this type at the address.
    fn cast(&mut self, cast: &ast::Cast, operand: Operand) -> Result<Selected, Diagnostic> {
        let Some((address, _)) = operand else {
            return Err(error("@cast without an operand").at(self.token));
        };
        let written = cast.type_name.trim();
        let name = written.trim_end_matches('*').trim_end();
        let stars = written.len().saturating_sub(name.len());
        let stars = written.get(written.len() - stars..).unwrap_or_default();
        let stars = stars.bytes().filter(|byte| *byte == b'*').count();
        let id = self.named_type(name, cast.module.as_deref())?;
        let mut address = address;
        // `T *` is the type of the operand itself, `T **` that of where it points to.
        for _ in 1..stars {
            address = build::read(self.space(), address, arch::WORD_SIZE, false);
        }
        if stars > 0 && cast.suffixes.is_empty() {
            return Ok(Selected::new(Spot::Value(address), self.long_type()?));
        }
        Ok(Selected {
            is_pointee: true,
            ..Selected::new(Spot::Memory(address), id)
        })
    }

    fn named_type(&self, name: &str, module: Option<&str>) -> Result<TypeId, Diagnostic> {
        let target = self.cx.session.target;
        let mut problem = None;
        for id in self.modules(module) {
            match target.type_by_name(id, name) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => problem = Some(error),
            }
        }
        let place = module.unwrap_or("kernel");
        let message = format!("type definition '{name}' not found in '{place}'");
        let diagnostic = error(message).at(self.token);
        Err(match problem {
            Some(problem) => diagnostic.note(problem.to_string()),
            None => diagnostic,
        })
    }

    /// `expression->member`: the type is that of the expression.
    fn autocast(&mut self, operand: Operand) -> Result<Selected, Diagnostic> {
        let Some((value, Some(id))) = operand else {
            return Err(error("unknown type in dereference").at(self.token));
        };
        let bare = self.bare(id)?;
        let spot = match &bare.kind {
            TypeKind::Aggregate { .. } | TypeKind::Array { .. } => Spot::Memory(value),
            _ => Spot::Value(value),
        };
        Ok(Selected::new(spot, id))
    }

    /// `@kderef(size, address)` and `@uderef(size, address)`
    fn dereference(
        &mut self,
        is_user: bool,
        operand: Operand,
        indexes: Vec<ir::Expr>,
    ) -> Result<Value, Diagnostic> {
        let size = match indexes.first().map(|size| &size.kind) {
            Some(ExprKind::Number(size @ (1 | 2 | 4 | 8))) => u8::try_from(*size).unwrap_or(8),
            _ => {
                let message = "the size of a dereference is one of the numbers 1, 2, 4 and 8";
                return Err(error(message).at(self.token));
            }
        };
        let Some((address, _)) = operand else {
            return Err(error("a dereference needs an address").at(self.token));
        };
        let space = if is_user {
            ir::Space::User
        } else {
            ir::Space::Kernel
        };
        Ok(self.plain(build::read(space, address, size, false)))
    }

    /// `@enumname(value, "enum type", "module")`: a chain of comparisons.
    fn enum_name(
        &mut self,
        operand: Operand,
        type_name: Option<&str>,
        module: Option<&str>,
    ) -> Result<Value, Diagnostic> {
        let Some((value, detail)) = operand else {
            return Err(error("@enumname without a value").at(self.token));
        };
        let id = match (type_name, detail) {
            (Some(name), _) => self.named_type(name, module)?,
            (None, Some(id)) => id,
            (None, None) => {
                let message = "the type of the value is not known; name it: @enumname(value, \
                               \"enum type\")";
                return Err(error(message).at(self.token));
            }
        };
        let bare = self.bare(id)?;
        let TypeKind::Enumeration { enumerators, .. } = &bare.kind else {
            let message = format!("'{}' is not an enumeration", self.type_name(id));
            return Err(error(message).at(self.token));
        };
        let pairs: Vec<(String, i64)> = enumerators
            .iter()
            .map(|known| (known.name.clone(), known.value))
            .collect();
        let expr = self.enum_name_call(value, pairs);
        Ok(self.plain(expr))
    }
}

/// The context at the function's entry of a return probe.
pub(super) fn entry_of(code: &CodeContext) -> CodeContext {
    let mut entry = code.clone();
    entry.is_return = false;
    entry.is_entry = true;
    entry
}
