// SPDX-License-Identifier: GPL-2.0-or-later
//! C text from scripts and tapsets: what can be told from its words, and the
//! names that it may use around it (systemtap.md §1.8).

use crate::ir::*;

use super::writer::{Writer, identifier, quote};
use super::{Unit, global_name};

/// What the words of embedded C tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traits {
    /// Looks at the context, so it may raise an error or take scratch memory.
    pub may_fail: bool,
    pub may_say_next: bool,
    pub needs_registers: bool,
    /// Gives its string by `RST_RETURN(struct rst_string)`.
    pub returns_string_value: bool,
    /// Fills STAP_RETVALUE (or returns through STAP_RETURN).
    pub uses_buffer: bool,
    pub uses_out: bool,
}

/// Looks at the identifiers of `text`.
pub(super) fn traits(text: &str) -> Traits {
    let mut traits = Traits::default();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        match word {
            "STAP_ERROR" => {
                traits.may_fail = true;
                traits.uses_out = true;
            }
            "STAP_NEXT" => {
                traits.may_say_next = true;
                traits.uses_out = true;
            }
            "STAP_RETURN" => {
                traits.uses_out = true;
                traits.uses_buffer = true;
            }
            "STAP_RETVALUE" | "__retvalue" => traits.uses_buffer = true,
            "RST_RETURN" => {
                traits.returns_string_value = true;
                traits.uses_out = true;
            }
            "c" | "CONTEXT" => traits.may_fail = true,
            "out" => traits.uses_out = true,
            _ => {}
        }
        if word.contains("regs") || word.contains("register") || word.contains("backtrace") {
            traits.needs_registers = true;
        }
    }
    traits
}

/// Top-level `%{ ... %}`.
pub(super) fn top_level(out: &mut Writer, code: &EmbeddedCode) {
    source_line(out, code);
    out.raw(&code.text);
    out.raw("\n");
    out.raw(HERE);
    out.blank();
}

/// Stands for a `#line` that leads back to our own text; see [`number_lines`].
pub(super) const HERE: &str = "#line here\n";

/// Compiler errors inside `code` shall name the script.
pub(super) fn source_line(out: &mut Writer, code: &EmbeddedCode) {
    out.raw(&format!(
        "#line {} {}\n",
        code.line.max(1),
        quote(code.file.as_bytes())
    ));
}

/// Gives every [`HERE`] the number of the line after it.
pub(super) fn number_lines(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 64);
    for (index, line) in text.lines().enumerate() {
        if line == "#line here" {
            result.push_str(&format!("#line {} \"script.c\"", index + 2));
        } else {
            result.push_str(line);
        }
        result.push('\n');
    }
    result
}

/// Defines and undefines the macros of the pragmas; `code` may be an expression.
pub(super) fn global_macros(out: &mut Writer, unit: &Unit, code: &EmbeddedCode, is_start: bool) {
    for (name, id, writes) in &code.globals {
        let global = &unit.program.globals[*id];
        let name = identifier(name);
        if !is_start {
            out.raw(&format!("#undef STAP_GLOBAL_GET_{name}\n"));
            if *writes {
                out.raw(&format!("#undef STAP_GLOBAL_SET_{name}\n"));
            }
            continue;
        }
        let object = global_name(global);
        match &global.kind {
            GlobalKind::Scalar { ty: Type::Long, .. } => {
                out.raw(&format!(
                    "#define STAP_GLOBAL_GET_{name}() ({object}.value)\n"
                ));
                if *writes {
                    out.raw(&format!(
                        "#define STAP_GLOBAL_SET_{name}(v) ({object}.value = (v))\n"
                    ));
                }
            }
            GlobalKind::Scalar {
                ty: Type::String, ..
            } => {
                out.raw(&format!(
                    "#define STAP_GLOBAL_GET_{name}() ({object}.value.text)\n"
                ));
                if *writes {
                    out.raw(&format!(
                        "#define STAP_GLOBAL_SET_{name}(v) ({object}.value.length = \
                         rst_string_copy(c, {object}.value.text, \
                         rst_string_from_buffer((v), MAXSTRINGLEN)).length)\n"
                    ));
                }
            }
            GlobalKind::Array {
                keys,
                value: Type::Long | Type::String,
                ..
            } => {
                let list = argument_list(keys.len());
                out.raw(&format!(
                    "#define STAP_GLOBAL_GET_{name}({list}) {object}_get(c, {list})\n"
                ));
                if *writes {
                    out.raw(&format!(
                        "#define STAP_GLOBAL_SET_{name}({list}, v) {object}_set(c, {list}, (v))\n"
                    ));
                }
            }
            _ => {}
        }
    }
}

fn argument_list(count: usize) -> String {
    (0..count)
        .map(|n| format!("k{n}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Functions behind STAP_GLOBAL_GET/SET of an array.
pub(super) fn array_accessors(out: &mut Writer, unit: &Unit, id: GlobalId) {
    let global = &unit.program.globals[id];
    let GlobalKind::Array { keys, value, .. } = &global.kind else {
        return;
    };
    let object = global_name(global);
    let (value_type, missing) = match value {
        Type::Long => ("int64_t ", "0"),
        Type::String => ("const char *", "\"\""),
        Type::Stat | Type::Void => return,
    };
    let parameters: String = keys
        .iter()
        .enumerate()
        .map(|(n, ty)| match ty {
            Type::String => format!(", const char *k{n}"),
            _ => format!(", int64_t k{n}"),
        })
        .collect();
    let strings: Vec<usize> = keys
        .iter()
        .enumerate()
        .filter(|(_, ty)| **ty == Type::String)
        .map(|(n, _)| n)
        .collect();
    let build = |out: &mut Writer| {
        for n in &strings {
            out.line(format!(
                "struct rst_string s{n} = rst_string_from_buffer(k{n}, MAXSTRINGLEN);"
            ));
        }
        let bytes = strings
            .iter()
            .map(|n| format!("s{n}.length"))
            .collect::<Vec<_>>();
        let bytes = if bytes.is_empty() {
            "0".to_owned()
        } else {
            bytes.join(" + ")
        };
        out.line(format!(
            "struct rst_key key = rst_key_begin(c, {}, {}, {bytes});",
            keys.len() - strings.len(),
            strings.len()
        ));
        out.line("struct rst_node *node;");
        out.blank();
    };
    let fill = |out: &mut Writer| {
        for (n, ty) in keys.iter().enumerate() {
            out.line(match ty {
                Type::String => format!("rst_key_string(&key, s{n});"),
                _ => format!("rst_key_long(&key, k{n});"),
            });
        }
    };
    out.open_function(format!(
        "static inline {value_type}{object}_get(struct rst_context *c{parameters})"
    ));
    build(out);
    out.line("if (!key.words)");
    out.line(format!("\treturn {missing};"));
    fill(out);
    out.line(format!("node = rst_map_find({object}.value, key);"));
    out.line(match value {
        Type::String => format!("return node ? rst_node_string(c, node).text : {missing};"),
        _ => format!("return node ? *rst_node_long(node) : {missing};"),
    });
    out.close("");
    out.blank();
    out.open_function(format!(
        "static inline void {object}_set(struct rst_context *c{parameters}, {value_type}value)"
    ));
    build(out);
    out.line("if (!key.words)");
    out.line("\treturn;");
    fill(out);
    out.line(format!("node = rst_map_insert(c, {object}.value, key);"));
    out.line("if (node)");
    out.line(match value {
        Type::String => format!(
            "\trst_node_set_string(c, {object}.value, node, \
             rst_string_from_buffer(value, MAXSTRINGLEN));"
        ),
        _ => "\t*rst_node_long(node) = value;".to_owned(),
    });
    out.close("");
    out.blank();
}

/// Whether a function's string needs a buffer of the caller's.
pub(super) fn needs_result(function: &Function, code: &EmbeddedCode) -> bool {
    let traits = traits(&code.text);
    function.returns == Type::String && (traits.uses_buffer || !traits.returns_string_value)
}

/// A whole function around embedded C; `signature` is the line before `{`.
pub(super) fn function(
    out: &mut Writer,
    unit: &Unit,
    function: &Function,
    code: &EmbeddedCode,
    signature: &str,
) {
    let traits = traits(&code.text);
    let has_buffer = needs_result(function, code);
    let parameters: Vec<(String, String, Type)> = function
        .locals
        .values()
        .take(function.parameters)
        .map(|local| {
            let name = identifier(&local.name);
            (name.clone(), format!("l_{name}"), local.ty)
        })
        .collect();
    for (name, variable, ty) in &parameters {
        out.raw(&match ty {
            Type::String => format!(
                "#define STAP_ARG_{name} ((char *){variable}.text)\n\
                 #define RST_ARG_{name} {variable}\n"
            ),
            _ => format!("#define STAP_ARG_{name} {variable}\n"),
        });
    }
    match function.returns {
        Type::Long => {
            out.raw("#define STAP_RETVALUE retvalue\n");
            out.raw("#define STAP_SET_RETURN(v) (retvalue = (v))\n");
        }
        Type::String => {
            if has_buffer {
                out.raw("#define STAP_RETVALUE (*(char (*)[MAXSTRINGLEN])result)\n");
                out.raw(
                    "#define STAP_SET_RETURN(v) \
                     rst_string_copy(c, result, rst_string_from_buffer((v), MAXSTRINGLEN))\n",
                );
            }
            out.raw("#define RST_RETURN(s) do { retvalue = (s); goto out; } while (0)\n");
        }
        // `STAP_RETURN()` of a function without a value.
        Type::Stat | Type::Void => out.raw("#define STAP_SET_RETURN(...) ((void)0)\n"),
    }
    if code.is_unmangled {
        out.raw("#define THIS (&this_arguments)\n");
    }
    global_macros(out, unit, code, true);
    out.open_function(signature);
    match function.returns {
        Type::Long => out.line("int64_t retvalue RST_MAYBE_UNUSED = 0;"),
        Type::String => out.line("struct rst_string retvalue = { NULL, 0 };"),
        Type::Stat | Type::Void => {}
    }
    if code.is_unmangled {
        out.open("struct");
        for (name, _, ty) in &parameters {
            out.line(match ty {
                Type::String => format!("char *{name};"),
                _ => format!("int64_t {name};"),
            });
        }
        match function.returns {
            Type::Long => out.line("int64_t __retvalue;"),
            Type::String if has_buffer => out.line("char *__retvalue;"),
            _ => out.line("char unused;"),
        }
        out.close(" this_arguments RST_MAYBE_UNUSED = {");
        for (name, variable, ty) in &parameters {
            out.line(match ty {
                Type::String => format!("\t.{name} = (char *){variable}.text,"),
                _ => format!("\t.{name} = {variable},"),
            });
        }
        if has_buffer {
            out.line("\t.__retvalue = result,");
        }
        out.line("};");
    }
    if has_buffer {
        out.blank();
        out.line("result[0] = '\\0';");
    }
    out.open("");
    source_line(out, code);
    out.raw(&code.text);
    out.raw("\n");
    out.raw(HERE);
    out.close("");
    if traits.uses_out {
        out.label("out");
    }
    if traits.may_fail {
        out.line("if (RST_FAILED(c))");
        out.line(format!(
            "\trst_fail_at(c, {});",
            unit.location(function.location)
        ));
    }
    match function.returns {
        Type::Long if code.is_unmangled && code.text.contains("__retvalue") => {
            out.line("return THIS->__retvalue;");
        }
        Type::Long => out.line("return retvalue;"),
        Type::String if has_buffer => {
            out.line(
                "return retvalue.text ? retvalue : rst_string_from_buffer(result, MAXSTRINGLEN);",
            );
        }
        Type::String => out.line("return retvalue.text ? retvalue : RST_LITERAL(\"\");"),
        Type::Stat | Type::Void => {
            if traits.uses_out && !traits.may_fail {
                out.line("return;");
            }
        }
    }
    out.close("");
    for (name, _, ty) in &parameters {
        out.raw(&format!("#undef STAP_ARG_{name}\n"));
        if *ty == Type::String {
            out.raw(&format!("#undef RST_ARG_{name}\n"));
        }
    }
    match function.returns {
        Type::Long => out.raw("#undef STAP_RETVALUE\n#undef STAP_SET_RETURN\n"),
        Type::String if has_buffer => {
            out.raw("#undef STAP_RETVALUE\n#undef STAP_SET_RETURN\n#undef RST_RETURN\n");
        }
        Type::String => out.raw("#undef RST_RETURN\n"),
        Type::Stat | Type::Void => out.raw("#undef STAP_SET_RETURN\n"),
    }
    if code.is_unmangled {
        out.raw("#undef THIS\n");
    }
    global_macros(out, unit, code, false);
    out.blank();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_not_substrings_decide() {
        let traits = traits("STAP_RETVALUE = rst_pid(); /* cc */");
        assert!(!traits.may_fail && traits.uses_buffer && !traits.uses_out);
        assert!(super::traits("STAP_ERROR(\"no\");").may_fail);
        assert!(super::traits("x = CONTEXT->regs->di").needs_registers);
    }

    #[test]
    fn line_markers_name_the_next_line() {
        assert_eq!(
            number_lines("a\n#line here\nb\n"),
            "a\n#line 3 \"script.c\"\nb\n"
        );
    }
}
