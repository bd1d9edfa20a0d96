// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of probes, and the functions that tracepoints call.

use crate::ir::arena::EntityId;
use crate::ir::*;

use super::writer::{Writer, number, quote};
use super::{CodegenError, Unit};

/// Fields of `struct rst_probe` that are not zero.
struct Fields(Vec<String>);

impl Fields {
    fn text(&mut self, name: &str, value: &str) {
        self.0
            .push(format!(".{name} = {},", quote(value.as_bytes())));
    }
    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }
    fn number(&mut self, name: &str, value: i64) {
        if value != 0 {
            self.0.push(format!(".{name} = {},", number(value)));
        }
    }
    fn unsigned(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.0.push(format!(".{name} = {value:#x}ull,"));
        }
    }
    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.0.push(format!(".{name} = 1,"));
        }
    }
    fn place(&mut self, place: &CodePlace) {
        self.optional("module", place.module.as_deref());
        self.optional("section", place.section.as_deref());
        self.optional("symbol", place.symbol.as_deref());
        self.unsigned("symbol_offset", place.symbol_offset);
        self.unsigned("offset", place.offset);
        self.flag("is_absolute", place.is_absolute);
    }
}

/// Tracepoint functions and the table of probes.
pub(super) fn table(
    unit: &Unit,
    out: &mut Writer,
    conditions: &[Option<String>],
) -> Result<(), CodegenError> {
    let probes = &unit.program.probes;
    if probes.is_empty() {
        return Ok(());
    }
    let has_tracepoints = probes
        .iter()
        .any(|probe| matches!(probe.kind, ProbeKind::Tracepoint { .. }));
    if has_tracepoints {
        out.line(format!(
            "static struct rst_probe script_probes[{}];",
            probes.len()
        ));
        out.blank();
    }
    for (index, probe) in probes.iter().enumerate() {
        if let ProbeKind::Tracepoint { arguments, .. } = &probe.kind {
            tracepoint_function(unit, out, index, probe, arguments)?;
        }
    }
    out.open(format!(
        "static struct rst_probe script_probes[{}] =",
        probes.len()
    ));
    for (index, probe) in probes.iter().enumerate() {
        let condition = conditions.get(index).and_then(Option::as_deref);
        out.open(format!("[{index}] ="));
        for field in fields(unit, index, probe, condition).0 {
            out.line(field);
        }
        out.close(",");
    }
    out.close(";");
    out.blank();
    Ok(())
}

fn fields(unit: &Unit, index: usize, probe: &Probe, condition: Option<&str>) -> Fields {
    let mut fields = Fields(Vec::new());
    fields
        .0
        .push(format!(".kind = {},", kind_name(&probe.kind)));
    fields.0.push(format!(".index = {index},"));
    fields.text("name", &probe.name);
    fields.text("script_name", &probe.script_name);
    fields.text("script_location", &probe.location);
    if unit.program.has_timing {
        let chain = match probe.derivation.as_slice() {
            [] => probe.script_name.clone(),
            chain => chain.join(" <- "),
        };
        fields.text("derivation", &chain);
    }
    fields.optional(
        "function",
        Some(probe.function.as_str()).filter(|name| !name.is_empty()),
    );
    // A tracepoint's function calls its handler by name: without this second user the compiler puts
    // the handler into it.
    if !matches!(probe.kind, ProbeKind::Tracepoint { .. }) {
        fields.0.push(format!(
            ".handler = script_handler_{},",
            probe.handler.index()
        ));
    }
    if let Some(entry) = probe.entry_handler {
        fields.0.push(format!(
            ".entry_handler = script_handler_{},",
            entry.index()
        ));
    }
    if let Some(condition) = condition {
        fields.0.push(format!(".condition = {condition},"));
    }
    let needs_registers = |handler: HandlerId| {
        unit.analysis
            .needs_registers(unit.analysis.handler(handler))
    };
    fields.flag(
        "needs_regs",
        needs_registers(probe.handler) || probe.entry_handler.is_some_and(needs_registers),
    );
    fields.flag("is_optional", probe.is_optional);
    let saved = 8 * u64::try_from(probe.saved_words).unwrap_or(u64::MAX / 16)
        + unit.string_bytes() * u64::try_from(probe.saved_strings).unwrap_or(0);
    if saved != 0 {
        fields.0.push(format!(".saved_size = {saved},"));
    }
    kind_fields(&mut fields, index, &probe.kind);
    fields
}

fn kind_name(kind: &ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Begin { .. } => "RST_PROBE_BEGIN",
        ProbeKind::End { .. } => "RST_PROBE_END",
        ProbeKind::Error { .. } => "RST_PROBE_ERROR",
        ProbeKind::Timer { .. } => "RST_PROBE_TIMER",
        ProbeKind::Jiffies { .. } => "RST_PROBE_JIFFIES",
        ProbeKind::Function(_) => "RST_PROBE_FUNCTION",
        ProbeKind::Return { .. } => "RST_PROBE_RETURN",
        ProbeKind::Address(_) => "RST_PROBE_ADDRESS",
        ProbeKind::Tracepoint { .. } => "RST_PROBE_TRACEPOINT",
        ProbeKind::Perf { .. }
        | ProbeKind::Breakpoint {
            in_process: true, ..
        } => "RST_PROBE_PERF",
        ProbeKind::ProcfsRead { .. } => "RST_PROBE_PROCFS_READ",
        ProbeKind::ProcfsWrite { .. } => "RST_PROBE_PROCFS_WRITE",
        ProbeKind::User {
            is_return: false, ..
        } => "RST_PROBE_USER",
        ProbeKind::User {
            is_return: true, ..
        } => "RST_PROBE_USER_RETURN",
        ProbeKind::Breakpoint { .. } => "RST_PROBE_BREAKPOINT",
        ProbeKind::Netfilter { .. } => "RST_PROBE_NETFILTER",
        ProbeKind::Task { .. } => "RST_PROBE_TASK",
        ProbeKind::Syscall { .. } => "RST_PROBE_SYSCALL",
    }
}

fn kind_fields(fields: &mut Fields, index: usize, kind: &ProbeKind) {
    match kind {
        ProbeKind::Begin { sequence }
        | ProbeKind::End { sequence }
        | ProbeKind::Error { sequence } => fields.number("sequence", *sequence),
        ProbeKind::Timer {
            interval_ns: interval,
            randomize_ns: randomize,
        }
        | ProbeKind::Jiffies {
            interval,
            randomize,
        } => {
            fields.unsigned("interval_ns", *interval);
            fields.unsigned("randomize_ns", *randomize);
        }
        ProbeKind::Function(place) | ProbeKind::Address(place) => fields.place(place),
        ProbeKind::Return { place, maxactive } => {
            fields.place(place);
            fields.number("maxactive", i64::from(*maxactive));
        }
        ProbeKind::Tracepoint { module, name, .. } => {
            fields.optional("module", module.as_deref());
            fields.text("tracepoint", name);
            fields
                .0
                .push(format!(".tracepoint_function = rst_tracepoint_{index},"));
        }
        ProbeKind::Perf {
            ty,
            config,
            period,
            is_frequency,
            program,
            counter,
        } => {
            fields.optional("path", program.as_deref());
            fields.optional("perf_counter", counter.as_deref());
            fields.number("perf_type", i64::from(*ty));
            fields.unsigned("perf_config", *config);
            fields.unsigned("perf_period", *period);
            fields.flag("perf_is_frequency", *is_frequency);
        }
        ProbeKind::ProcfsRead {
            path,
            mode,
            maximum_size,
        }
        | ProbeKind::ProcfsWrite {
            path,
            mode,
            maximum_size,
        } => {
            fields.text("path", path);
            fields
                .0
                .push(format!(".mode = {mode:#o},").replace("0o", "0"));
            fields.number("maximum_size", i64::from(*maximum_size));
        }
        ProbeKind::User {
            path,
            program,
            offset,
            reference_counter,
            pid,
            maxactive,
            ..
        } => {
            fields.text("path", path);
            fields.optional("program", program.as_deref());
            fields.unsigned("offset", *offset);
            fields.unsigned("reference_counter", *reference_counter);
            fields.number("pid", *pid);
            fields.number("maxactive", i64::from(*maxactive));
        }
        ProbeKind::Breakpoint {
            symbol,
            place,
            length,
            reads,
            in_process: _,
        } => {
            fields.place(&CodePlace {
                symbol: symbol.clone().or_else(|| place.symbol.clone()),
                ..place.clone()
            });
            fields.number("breakpoint_length", i64::from(*length));
            fields.flag("breakpoint_reads", *reads);
        }
        ProbeKind::Netfilter {
            hook,
            family,
            priority,
        } => {
            fields.number("netfilter_hook", i64::from(*hook));
            fields.number("netfilter_family", i64::from(*family));
            fields.number("netfilter_priority", i64::from(*priority));
        }
        ProbeKind::Task { event, path, pid } => {
            fields.number("task_event", i64::from(*event));
            fields.optional("path", path.as_deref());
            fields.number("pid", *pid);
        }
        ProbeKind::Syscall {
            is_return,
            path,
            pid,
        } => {
            let event = if *is_return {
                "RST_TASK_SYSCALL_RETURN"
            } else {
                "RST_TASK_SYSCALL"
            };
            fields.0.push(format!(".task_event = {event},"));
            fields.optional("path", path.as_deref());
            fields.number("pid", *pid);
        }
    }
}

/// `void f(void *data, ...)` for a tracepoint: stores the arguments that the
/// handler looks at, each extended from the type that the kernel passes.
fn tracepoint_function(
    unit: &Unit,
    out: &mut Writer,
    index: usize,
    probe: &Probe,
    arguments: &[TracepointArgument],
) -> Result<(), CodegenError> {
    let used = unit
        .analysis
        .arguments(unit.analysis.handler(probe.handler));
    let last = 64 - used.leading_zeros();
    let known = u32::try_from(arguments.len()).unwrap_or(u32::MAX);
    if last > known {
        return Err(CodegenError::new(format!(
            "probe {} has {known} arguments, its handler wants argument {last}",
            probe.name
        )));
    }
    let parameters: String = arguments
        .iter()
        .enumerate()
        .map(|(n, argument)| {
            let ty = match (argument.size, argument.is_signed) {
                (1, true) => "signed char",
                (1, false) => "unsigned char",
                (2, true) => "short",
                (2, false) => "unsigned short",
                (4, true) => "int",
                (4, false) => "unsigned int",
                (_, true) => "long",
                (_, false) => "unsigned long",
            };
            format!(", {ty} a{n}")
        })
        .collect();
    out.open_function(format!(
        "static void rst_tracepoint_{index}(void *data{parameters})"
    ));
    out.line(format!(
        "struct rst_context *c = rst_probe_enter(&script_probes[{index}]);"
    ));
    out.blank();
    out.line("if (!c)");
    out.line("\treturn;");
    for n in 0..arguments.len() {
        if used >> n & 1 == 1 {
            out.line(format!("c->arguments[{n}] = (uint64_t)(int64_t)a{n};"));
        }
    }
    // called by name, so that the compiler may put it here
    out.line(format!("script_handler_{}(c);", probe.handler.index()));
    out.line(format!("rst_probe_leave(c, {index});"));
    out.close("");
    out.blank();
    Ok(())
}
