// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::ast::{ExprKind, StmtKind};
use crate::diag::Renderer;
use crate::print::{self, shape};

mod errors;
mod robustness;
mod samples;

/// Parses as a guru with these arguments; gives the printed tree and the rendered messages.
fn parse_with(text: &str, environment: &Environment<'_>, args: &[&str]) -> (File, String) {
    let mut sources = SourceMap::new();
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let library = LibraryMacros::default();
    let (file, diagnostics) =
        parse_script(&mut sources, "<input>", text, environment, &library, &args);
    let render = |diagnostic: &Diagnostic| Renderer::default().render(diagnostic, &sources);
    (file, diagnostics.iter().map(render).collect())
}

fn guru() -> Environment<'static> {
    Environment {
        guru: true,
        ..Environment::default()
    }
}

/// Parses without errors.
#[track_caller]
fn parse(text: &str) -> File {
    let (file, messages) = parse_with(text, &guru(), &[]);
    assert_eq!(messages, "", "{text}");
    file
}

/// An expression in printed form with a pair of parentheses around every operator.
#[track_caller]
fn tree(text: &str) -> String {
    let file = parse(&format!("function test() {{ return {text}\n }}"));
    let Some(Item::Function(function)) = file.items.first() else {
        panic!("{file:?}")
    };
    let crate::ast::FunctionBody::Block(body) = &function.body else {
        panic!("{function:?}")
    };
    let StmtKind::Block(body) = &body.kind else {
        panic!("{body:?}")
    };
    match body.as_slice() {
        [
            crate::ast::Stmt {
                kind: StmtKind::Return(Some(expr)),
                ..
            },
        ] => grouped(expr),
        _ => panic!("{body:?}"),
    }
}

fn grouped(expr: &crate::ast::Expr) -> String {
    match &expr.kind {
        ExprKind::Binary { op, left, right } => {
            format!("({} {} {})", grouped(left), op.symbol(), grouped(right))
        }
        ExprKind::Assign { op, target, value } => {
            format!("({} {} {})", grouped(target), op.symbol(), grouped(value))
        }
        ExprKind::Unary { op, operand } => format!("({}{})", op.symbol(), grouped(operand)),
        ExprKind::Ternary {
            condition,
            then,
            otherwise,
        } => {
            format!(
                "({} ? {} : {})",
                grouped(condition),
                grouped(then),
                grouped(otherwise)
            )
        }
        ExprKind::Regex { left, .. } => format!("({} =~)", grouped(left)),
        ExprKind::In { indexes, .. } => {
            let key = |key: &Option<_>| key.as_ref().map_or("*".to_owned(), grouped);
            format!(
                "([{}] in)",
                indexes.iter().map(key).collect::<Vec<_>>().join(",")
            )
        }
        ExprKind::IncDec {
            prefix: true,
            operand,
            ..
        } => format!("(++{})", grouped(operand)),
        ExprKind::IncDec { operand, .. } => format!("({}++)", grouped(operand)),
        ExprKind::AddressOf(operand) => format!("(&{})", grouped(operand)),
        _ => print::expr(expr),
    }
}

#[test]
fn precedence_from_loose_to_tight() {
    for (text, expected) in [
        // Each level beside the next tighter one, on both sides.
        ("a = b ? c : d", "(a = (b ? c : d))"),
        ("a ? b : c = d", "((a ? b : c) = d)"),
        ("a ? b = c : d", "(a ? (b = c) : d)"),
        ("a || b ? c : d", "((a || b) ? c : d)"),
        ("a ? b : c || d", "(a ? b : (c || d))"),
        ("a && b || c && d", "((a && b) || (c && d))"),
        ("a | b && c | d", "((a | b) && (c | d))"),
        ("a ^ b | c ^ d", "((a ^ b) | (c ^ d))"),
        ("a & b ^ c & d", "((a & b) ^ (c & d))"),
        ("a in x & b in x", "(([a] in) & ([b] in))"),
        ("a == b in x", "([(a == b)] in)"),
        ("[a, *, c] in x && d", "(([a,*,c] in) && d)"),
        ("!a in x", "([(!a)] in)"),
        ("a << b < c << d", "((a << b) < (c << d))"),
        ("a < b == c", "((a < b) == c)"),
        ("a . b << c . d", "((a . b) << (c . d))"),
        ("a . b + c . d", "((a . (b + c)) . d)"),
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a * -b % !c", "((a * (-b)) % (!c))"),
        ("-a++", "(-(a++))"),
        ("- ++a", "(-(++a))"),
        ("~ ! - + a", "(~(!(-(+a))))"),
        ("&a->b++", "((&a->b)++)"),
        // Associativity.
        ("a = b += c <<< d", "(a = (b += (c <<< d)))"),
        ("a - b - c", "((a - b) - c)"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a >>> b >> c << d", "(((a >>> b) >> c) << d)"),
        ("a . b =~ \"x\" && c", "(((a . b) =~) && c)"),
        ("a =~ \"x\" in y", "([(a =~)] in)"),
        // Literals take their sign.
        ("-5", "-5"),
        ("- -5", "5"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", "-1"),
        ("0x10 + 010", "(16 + 8)"),
        ("a -5", "(a - 5)"),
    ] {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn suffixes_belong_to_what_they_follow() {
    for (text, expected) in [
        ("$a->b[1]->c$$", "Target"),
        ("$$vars", "Target"),
        ("$return$", "Target"),
        ("@cast(p, \"t\", \"m\" \"n\")->x[2]", "Cast"),
        ("@var(\"v@f.c\")->x$", "Var"),
        ("a->b->c[3]", "Autocast"),
        ("f(x)->d", "Autocast"),
        ("f(x)[1]", "Autocast"),
        ("a[1, 2]->c", "Autocast"),
        ("(a)[1]", "Autocast"),
        ("($a)->b", "Autocast"),
        ("a[1]", "Index"),
        ("@hist_log(a)[1]", "Index"),
        ("@hist_linear(a, -1, 0x10, 2)[1]", "Index"),
    ] {
        let file = parse(&format!("probe begin {{ {text} }}"));
        let shape = shape(&file);
        assert!(
            shape.contains(&format!("Expr(Expr {{ kind: {expected}")),
            "{text}: {shape}"
        );
    }
}

#[test]
fn pretty_printing_marks_are_split_off() {
    let file = parse("probe begin { $a$ $b->c$$ $$vars $d[1]$ e->f$ }");
    let text = print::file(&file);
    assert_eq!(
        text,
        "probe begin {\n  $a$;\n  $b->c$$;\n  $$vars;\n  $d[1]$;\n  e->f$;\n}\n"
    );
}

#[test]
fn probe_points_are_multiplied_out() {
    let file = parse(
        "probe {a, b.{c, d(\"x\")}}.e?, kernel.function(-3).return! if (x > 1), p*q.**.if {}",
    );
    let Some(Item::Probe(probe)) = file.items.first() else {
        panic!()
    };
    let points: Vec<_> = probe.points.iter().map(|point| point.to_string()).collect();
    assert_eq!(
        points,
        [
            "a.e ?",
            "b.c.e ?",
            "b.d(\"x\").e ?",
            "kernel.function(-3).return ! if (x > 1)",
            "p*q.**.if",
        ]
    );
}

#[test]
fn a_glob_ends_before_a_condition() {
    let file = parse("probe foo* if (x) {}");
    let Some(Item::Probe(probe)) = file.items.first() else {
        panic!()
    };
    assert!(probe.points[0].condition.is_some());
    assert_eq!(probe.points[0].components.len(), 1);
}

#[test]
fn aliases_keep_their_kind_and_epilogue() {
    let file = parse("probe a = b, c {} , { x = 1 } probe d += e {} probe f = g = h ? {}");
    let aliases: Vec<_> = file
        .items
        .iter()
        .map(|item| match item {
            Item::Alias(alias) => (alias.names.len(), alias.kind, alias.epilogue.is_some()),
            _ => panic!("{item:?}"),
        })
        .collect();
    use crate::ast::AliasKind::{Epilogue, Prologue};
    assert_eq!(
        aliases,
        [
            (1, Prologue, true),
            (1, Epilogue, false),
            (2, Prologue, false)
        ]
    );
}

#[test]
fn globals_and_functions() {
    let text = "global a%, b%[3], c = \"x\" \"y\", d = -3; private e\nprivate global f\n\
                function g:string(a:long, b) : 3 { return a }\n\
                private function h() %{ /* pure */ %}\n\
                function string(x) { } %{ int i; %}";
    assert_eq!(
        print::file(&parse(text)),
        "global a%\nglobal b%[3]\nglobal c = \"xy\"\nglobal d = -3\nprivate global e\n\
         private global f\nfunction g:string(a:long, b) : 3 {\n  return a;\n}\n\
         private function h() %{ /* pure */ %}\nfunction string(x) {\n}\n%{ int i; %}\n"
    );
}

#[test]
fn statements_need_no_semicolons() {
    let file = parse("probe begin { x = 3 4 \"x\" y if (a) b; else c while (d) ; next ++e }");
    assert_eq!(
        print::file(&file),
        "probe begin {\n  x = 3;\n  4;\n  \"x\";\n  y;\n  if (a)\n    b;\n  else\n    c;\n  \
         while (d)\n    ;\n  next;\n  ++e;\n}\n"
    );
}

#[test]
fn strings_are_decoded_and_glued() {
    let file = parse(
        r#"probe begin { "a\n\"\x41\101\q\\" /* c */ "b\0z" # d
        "é" }"#,
    );
    let Some(Item::Probe(probe)) = file.items.first() else {
        panic!()
    };
    let StmtKind::Block(body) = &probe.body.kind else {
        panic!()
    };
    let StmtKind::Expr(expr) = &body[0].kind else {
        panic!()
    };
    assert_eq!(
        expr.kind,
        ExprKind::String(b"a\n\"AAq\\b\0z\xc3\xa9".to_vec())
    );
}

#[test]
fn arguments_are_pasted() {
    let text = "probe begin { x = $1 + @1 . @2 + $# . @# }";
    let (file, messages) = parse_with(text, &guru(), &["1 + y", "a\"b\\n"]);
    assert_eq!(messages, "");
    assert_eq!(
        print::file(&file),
        "probe begin {\n  x = 1 + y + \"1 + y\" . \"a\\\"b\\\\n\" + 2 . \"2\";\n}\n"
    );
    assert_eq!(file.used_args, [1, 2]);
}

#[test]
fn spans_point_at_the_text() {
    let text = "probe begin { foo = bar + 1 }";
    let mut sources = SourceMap::new();
    let (file, _) = parse_script(
        &mut sources,
        "f",
        text,
        &guru(),
        &LibraryMacros::default(),
        &[],
    );
    let Some(Item::Probe(probe)) = file.items.first() else {
        panic!()
    };
    assert_eq!(sources.text(probe.span), text);
    assert_eq!(sources.text(probe.keyword), "probe");
    let StmtKind::Block(body) = &probe.body.kind else {
        panic!()
    };
    let StmtKind::Expr(expr) = &body[0].kind else {
        panic!()
    };
    assert_eq!(sources.text(expr.span), "foo = bar + 1");
    assert_eq!(sources.text(expr.token), "=");
}

#[test]
fn printf_formats_are_typed() {
    use crate::ast::{Conversion, Directive, FormatFlag, FormatPiece, FormatSize};
    let text = b"a%% %-*s %08llx %.3d%#p %m";
    let pieces = format::parse_format(text).unwrap_or_default();
    let directive = |flag, width, precision, conversion| {
        FormatPiece::Directive(Directive {
            flag,
            width,
            precision,
            conversion,
        })
    };
    let text = |text: &str| FormatPiece::Literal(text.as_bytes().to_vec());
    let none = FormatSize::Unspecified;
    assert_eq!(
        pieces,
        [
            text("a% "),
            directive(
                Some(FormatFlag::Left),
                FormatSize::Dynamic,
                none,
                Conversion::String
            ),
            text(" "),
            directive(
                Some(FormatFlag::ZeroPad),
                FormatSize::Fixed(8),
                none,
                Conversion::Hex
            ),
            text(" "),
            directive(None, none, FormatSize::Fixed(3), Conversion::Decimal),
            directive(Some(FormatFlag::Alternate), none, none, Conversion::Pointer),
            text(" "),
            directive(None, none, none, Conversion::Memory),
        ]
    );
    for bad in ["%", "%z", "%-+d", "%5", "%.", "%99999999999d", "%n"] {
        assert!(format::parse_format(bad.as_bytes()).is_err(), "{bad}");
    }
}
