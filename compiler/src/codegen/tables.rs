// SPDX-License-Identifier: GPL-2.0-or-later
//! What the runtime reads: storage of globals, and the tables of arrays,
//! statistics, parameters and probes in `struct rst_script`.

use crate::ir::*;

use super::writer::{Writer, identifier, number, quote, until_nul};
use super::{CodegenError, Unit, carried, embedded, global_name, kernel_lines};

/// Macros, the include, globals.
pub(super) fn head(unit: &Unit, out: &mut Writer) {
    let program = unit.program;
    out.line(format!("/* {} */", program.name.replace("*/", "* /")));
    out.line("#include \"rstap.h\"");
    out.blank();
    for (name, value) in &program.macros {
        out.line(format!(
            "#define {name} {}",
            value.as_deref().unwrap_or("1")
        ));
    }
    out.line("#ifndef MAXSTRINGLEN");
    out.line(format!("#define MAXSTRINGLEN {}", unit.string_size()));
    out.line("#endif");
    out.blank();
    if program.globals.values().any(is_string_scalar) {
        out.open(
            "static inline struct rst_string script_string(const struct rst_string_variable *v)",
        );
        out.line("return (struct rst_string){ .text = v->text, .length = v->length };");
        out.close("");
        out.blank();
    }
    for (id, global) in program.globals.iter() {
        storage(unit, out, id, global);
    }
    maps(unit, out);
    stats(unit, out);
    if uses_sorted_buckets(program) {
        sort_buckets(out);
    }
}

fn is_string_scalar(global: &Global) -> bool {
    matches!(
        global.kind,
        GlobalKind::Scalar {
            ty: Type::String,
            ..
        }
    )
}

/// `struct { lock; value; } script_NAME`: what is used together is in one cache line.
fn storage(unit: &Unit, out: &mut Writer, id: GlobalId, global: &Global) {
    let name = global_name(global);
    let has_lock = unit.analysis.locked.contains(&id);
    let is_shared = has_lock || unit.analysis.atomic.contains(&id);
    if is_string_scalar(global) {
        out.line(format!(
            "static char {name}_text[{}]{};",
            unit.string_size(),
            initial(global)
        ));
    }
    out.open("static struct");
    if has_lock {
        out.line("struct rst_lock lock;");
    }
    let value = match &global.kind {
        GlobalKind::Scalar {
            ty: Type::String,
            initial,
        } => {
            out.line("struct rst_string_variable value;");
            let length = match initial {
                Some(Constant::String(bytes)) => cut(unit, bytes).len(),
                _ => 0,
            };
            Some(format!("{{ .length = {length}, .text = {name}_text }}"))
        }
        GlobalKind::Scalar { ty: Type::Stat, .. } => {
            out.line("struct rst_stat_variable *value;");
            None
        }
        GlobalKind::Scalar { initial, .. } => {
            out.line("int64_t value;");
            match initial {
                Some(Constant::Long(value)) if *value != 0 => Some(number(*value)),
                _ => None,
            }
        }
        GlobalKind::Array { .. } => {
            out.line("struct rst_map *value;");
            None
        }
    };
    let aligned = if is_shared {
        " __attribute__((aligned(64)))"
    } else {
        ""
    };
    let value = value.map_or_else(String::new, |value| format!(" = {{ .value = {value} }}"));
    out.close(&format!(" {name} RST_MAYBE_UNUSED{aligned}{value};"));
    out.blank();
}

fn cut<'a>(unit: &Unit, bytes: &'a [u8]) -> &'a [u8] {
    let bytes = until_nul(bytes);
    let room = usize::try_from(unit.string_size())
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    bytes.get(..room).unwrap_or(bytes)
}

fn initial(global: &Global) -> String {
    match &global.kind {
        GlobalKind::Scalar {
            initial: Some(Constant::String(bytes)),
            ..
        } => {
            format!(" = {}", quote(until_nul(bytes)))
        }
        _ => String::new(),
    }
}

fn stat_spec(spec: &StatSpec) -> String {
    let (kind, fields) = match &spec.histogram {
        Histogram::None => ("RST_HISTOGRAM_NONE", String::new()),
        Histogram::Log => ("RST_HISTOGRAM_LOG", String::new()),
        Histogram::Linear { low, high, step } => (
            "RST_HISTOGRAM_LINEAR",
            format!(
                ", .low = {}, .high = {}, .step = {}",
                number(*low),
                number(*high),
                number(*step)
            ),
        ),
    };
    let variance = if spec.needs_variance {
        format!(
            ", .needs_variance = 1, .variance_shift = {}",
            spec.variance_shift
        )
    } else {
        String::new()
    };
    format!("{{ .histogram = {kind}{fields}{variance} }}")
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::String => "RST_STRING",
        Type::Stat => "RST_STAT",
        Type::Long | Type::Void => "RST_LONG",
    }
}

fn maps(unit: &Unit, out: &mut Writer) {
    if unit.maps.is_empty() {
        return;
    }
    out.open("static struct rst_map_spec script_maps[] =");
    for (index, id) in unit.maps.iter().enumerate() {
        let global = &unit.program.globals[*id];
        let GlobalKind::Array {
            keys,
            value,
            size,
            wrap,
        } = &global.kind
        else {
            continue;
        };
        let types = keys
            .iter()
            .map(|ty| type_name(*ty))
            .collect::<Vec<_>>()
            .join(", ");
        let entries = size.unwrap_or(u64::from(unit.program.limits.map_entries));
        out.open(format!("[{index}] ="));
        out.line(format!(".name = {},", quote(global.name.as_bytes())));
        out.line(format!(".map = &{}.value,", global_name(global)));
        out.line(format!(".key_count = {},", keys.len()));
        out.line(format!(".key_types = {{ {types} }},"));
        out.line(format!(".value_type = {},", type_name(*value)));
        out.line(format!(".wrap = {},", i32::from(*wrap)));
        out.line(format!(".is_sized = {},", i32::from(size.is_some())));
        out.line(format!(
            ".iterations = {},",
            super::map::iterations(unit.program, *id)
        ));
        out.line(format!(
            ".maximum_entries = {},",
            entries.clamp(1, u64::from(u32::MAX))
        ));
        if *value == Type::Stat {
            out.line(format!(".stat = {},", stat_spec(&global.stat)));
        }
        out.close(",");
    }
    out.close(";");
    out.blank();
}

fn stats(unit: &Unit, out: &mut Writer) {
    if unit.stats.is_empty() {
        return;
    }
    out.open("static struct rst_stat_variable_spec script_stats[] =");
    for (index, id) in unit.stats.iter().enumerate() {
        let global = &unit.program.globals[*id];
        out.open(format!("[{index}] ="));
        out.line(format!(".name = {},", quote(global.name.as_bytes())));
        out.line(format!(".variable = &{}.value,", global_name(global)));
        out.line(format!(".spec = {},", stat_spec(&global.stat)));
        out.close(",");
    }
    out.close(";");
    out.blank();
}

/// STAP_GLOBAL_GET and _SET of arrays that embedded C names.
pub(super) fn array_accessors(unit: &Unit, out: &mut Writer) {
    let in_functions =
        unit.program
            .functions
            .values()
            .filter_map(|function| match &function.body {
                FunctionBody::C(code) => Some(code),
                FunctionBody::Script(_) => None,
            });
    let mut ids: Vec<GlobalId> = in_functions
        .flat_map(|code| code.globals.iter().map(|(_, id, _)| *id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        embedded::array_accessors(out, unit, id);
    }
}

fn uses_sorted_buckets(program: &Program) -> bool {
    use crate::ir::visit::{Visitor, walk_statement};
    struct Search(bool);
    impl Visitor for Search {
        fn statement(&mut self, statement: &Stmt) {
            self.0 |= matches!(
                statement.kind,
                StmtKind::ForeachHistogram {
                    sort: Some((true, _)),
                    ..
                }
            );
            walk_statement(self, statement);
        }
    }
    let mut search = Search(false);
    search.bodies(program);
    search.0
}

/// `foreach (b in @hist_log(x) ...)` by count: insertion sort of at most 128 buckets.
fn sort_buckets(out: &mut Writer) {
    out.line("static void script_sort_buckets(const struct rst_stat *s,");
    out.line("\t\t\t\tconst struct rst_stat_spec *spec, unsigned char *order,");
    out.open_function("\t\t\t\tint64_t buckets, int direction)");
    out.line("int64_t i, j;");
    out.blank();
    out.open("for (i = 0; i < buckets && i < RST_HISTOGRAM_BUCKETS; i++)");
    out.line("int64_t count = rst_histogram_bucket(s, spec, i);");
    out.blank();
    out.open("for (j = i; j > 0; j--)");
    out.line("int64_t before = rst_histogram_bucket(s, spec, order[j - 1]);");
    out.blank();
    out.line("if (direction > 0 ? before <= count : before >= count)");
    out.line("\tbreak;");
    out.line("order[j] = order[j - 1];");
    out.close("");
    out.line("order[j] = i;");
    out.close("");
    out.close("");
    out.blank();
}

/// `struct rst_script` and the `.rstap.info` section for the loader.
pub(super) fn script(unit: &Unit, out: &mut Writer, scratch: u64) -> Result<(), CodegenError> {
    let program = unit.program;
    let limits = &program.limits;
    let parameters: Vec<&Global> = program
        .globals
        .values()
        .filter(|global| global.is_parameter)
        .collect();
    parameter_table(&parameters, out);
    // At least 16 strings: functions of the runtime take scratch memory, too.
    let scratch = (scratch + 4 * unit.string_bytes()).max(16 * unit.string_bytes());
    let scratch = u32::try_from(scratch).map_err(|_| {
        CodegenError::new(format!(
            "the script needs {scratch} bytes of working memory per CPU; \
             lower -DMAXSTRINGLEN or -DMAXNESTING"
        ))
    })?;
    let user_files = carried::files(&program.user_files, out);
    let has_kernel_lines = kernel_lines::write(&program.kernel_lines, out);
    anchors(&program.anchors, out);
    out.open("struct rst_script rst_script =");
    out.line(".interface_version = RST_INTERFACE_VERSION,");
    out.line(format!(".name = {},", quote(program.name.as_bytes())));
    let mut table = |field: &str, count: &str, name: &str, length: usize| {
        if length > 0 {
            out.line(format!(".{field} = {name},"));
            out.line(format!(".{count} = {length},"));
        }
    };
    table(
        "probes",
        "probe_count",
        "script_probes",
        program.probes.len(),
    );
    table("maps", "map_count", "script_maps", unit.maps.len());
    table("stats", "stat_count", "script_stats", unit.stats.len());
    table(
        "parameters",
        "parameter_count",
        "script_parameters",
        parameters.len(),
    );
    table(
        "user_files",
        "user_file_count",
        "script_user_files",
        user_files,
    );
    table(
        "anchors",
        "anchor_count",
        "script_anchors",
        program.anchors.len(),
    );
    if has_kernel_lines {
        out.line(".kernel_lines = &script_kernel_lines,");
    }
    out.line(format!(".string_size = {},", unit.string_size()));
    out.line(format!(".scratch_size = {},", scratch.next_multiple_of(8)));
    out.line(format!(
        ".maximum_actions = {},",
        number(i64::try_from(limits.actions).unwrap_or(i64::MAX))
    ));
    let nesting = limits.nesting.unwrap_or_else(|| unit.nesting());
    out.line(format!(".maximum_nesting = {nesting},"));
    out.line(format!(".maximum_errors = {},", limits.errors));
    out.line(format!(".maximum_skipped = {},", limits.skipped));
    out.line(format!(".minimum_stack = {},", limits.stack));
    out.line(format!(".maximum_backtrace = {},", limits.backtrace));
    out.line(format!(
        ".overload_interval = {}ull,",
        limits.overload_interval
    ));
    out.line(format!(
        ".overload_threshold = {}ull,",
        limits.overload_threshold
    ));
    out.line(format!(".maximum_memory = {}ull,", limits.memory));
    for (field, value) in [
        ("suppress_handler_errors", program.suppress_handler_errors),
        ("is_guru", program.is_guru),
        ("has_timing", program.has_timing),
    ] {
        out.line(format!(".{field} = {},", i32::from(value)));
    }
    out.close(";");
    out.blank();
    info(program, &parameters, out);
    Ok(())
}

fn parameter_table(parameters: &[&Global], out: &mut Writer) {
    if parameters.is_empty() {
        return;
    }
    out.open("static struct rst_parameter script_parameters[] =");
    for global in parameters {
        out.line(format!(
            "{{ .name = {}, .type = {}, .value = &{}.value }},",
            quote(global.name.as_bytes()),
            type_name(global.value_type()),
            global_name(global)
        ));
    }
    out.close(";");
    out.blank();
}

fn anchors(anchors: &[Anchor], out: &mut Writer) {
    if anchors.is_empty() {
        return;
    }
    out.open("static const struct rst_anchor script_anchors[] =");
    for anchor in anchors {
        let [module, section, symbol] =
            [&anchor.module, &anchor.section, &anchor.symbol].map(|text| quote(text.as_bytes()));
        let offset = anchor.offset;
        out.line(format!("{{ {module}, {section}, {symbol}, {offset:#x} }},"));
    }
    out.close(";");
}

/// What the loader reads from the file (rstap_protocol.h).
fn info(program: &Program, parameters: &[&Global], out: &mut Writer) {
    let mut entries = vec!["version=1".to_owned(), format!("script={}", program.name)];
    entries.push(format!("release={}", program.kernel_release));
    if let Some(id) = &program.kernel_build_id {
        entries.push(format!("build_id={id}"));
    }
    for global in parameters {
        let ty = if global.value_type() == Type::String {
            "string"
        } else {
            "long"
        };
        entries.push(format!("parameter={}:{ty}", identifier(&global.name)));
    }
    entries.push(format!("guru={}", i32::from(program.is_guru)));
    if program
        .macros
        .iter()
        .any(|(name, _)| name == "STP_BULKMODE")
    {
        entries.push("bulk=1".to_owned());
    }
    let modules = crate::ir::visit::kernel_modules(program);
    entries.extend(modules.iter().map(|module| format!("module={module}")));
    entries.extend(
        program
            .module_build_ids
            .iter()
            .map(|(module, id)| format!("module_build_id={module}:{id}")),
    );
    out.line("static const char script_info[]");
    out.line("\t__attribute__((section(\".rstap.info\"), used, aligned(1))) =");
    let last = entries.len().saturating_sub(1);
    for (index, entry) in entries.iter().enumerate() {
        let bytes = until_nul(entry.as_bytes());
        // The literal's own NUL ends the last entry.
        let (nul, end) = if index == last {
            ("", ";")
        } else {
            (" \"\\0\"", "")
        };
        out.line(format!("\t{}{nul}{end}", quote(bytes)));
    }
}
