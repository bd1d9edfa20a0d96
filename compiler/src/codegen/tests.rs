// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs built by hand: what C they become, and that gcc accepts all of it.

mod fields;
mod fixture;

use super::*;
use fixture::*;

#[test]
fn a_counter_is_one_atomic_add() {
    let mut b = Build::new();
    let n = b.scalar("n", Type::Long);
    b.kprobe(&[], vec![run(increment(Place::Global(n)))]);
    b.probe(
        END,
        &[],
        vec![run(printf(vec![
            value(Conversion::Decimal, global(n)),
            literal("\n"),
        ]))],
    );
    let c = b.c();
    assert_has(
        &c,
        "__atomic_fetch_add(&script_global_n.value, 1LL, __ATOMIC_RELAXED);",
    );
    assert_lacks(&c, "rst_lock(");
    assert_has(&c, "rst_put(&c->output, \"\\n\", 1);");
}

#[test]
fn a_counter_that_is_also_read_is_locked() {
    let mut b = Build::new();
    let n = b.scalar("n", Type::Long);
    let limit = long(ExprKind::Compare(
        CompareOperator::Greater,
        Box::new(global(n)),
        Box::new(num(5)),
    ));
    b.kprobe(
        &[("x", Type::Long)],
        vec![
            run(set(Place::Local(LocalId::new(0)), num(3))),
            run(increment(Place::Global(n))),
            stmt(StmtKind::If {
                condition: limit,
                then: vec![stmt(StmtKind::Next)],
                otherwise: Vec::new(),
            }),
            run(printf(vec![literal("a"), literal("b")])),
        ],
    );
    let c = b.c();
    assert_has(
        &c,
        "l_x = 3LL;\n\trst_lock(&script_global_n.lock);\n\tscript_global_n.value++;",
    );
    assert_has(&c, "goto unlock_1;");
    assert_has(&c, "rst_put(&c->output, \"ab\", 2);");
    assert_has(
        &c,
        "unlock_1:;\n\trst_unlock(&script_global_n.lock);\n\tgoto out;",
    );
}

#[test]
fn locks_are_pushed_into_branches() {
    let mut b = Build::new();
    let n = b.array("n", &[Type::Long], Type::Long);
    let place = Place::Element(n, vec![num(1)]);
    b.kprobe(
        &[("x", Type::Long)],
        vec![stmt(StmtKind::If {
            condition: var(LocalId::new(0)),
            then: vec![run(increment(place))],
            otherwise: vec![],
        })],
    );
    assert_has(&b.c(), "if (l_x) {\n\t\trst_lock(");
}

#[test]
fn divisions_are_checked_and_located() {
    let mut b = Build::new();
    let x = LocalId::new(0);
    let divide = long(ExprKind::Binary(
        BinaryOperator::Divide,
        Box::new(num(7)),
        Box::new(var(x)),
    ));
    let by_two = long(ExprKind::Binary(
        BinaryOperator::Modulo,
        Box::new(var(x)),
        Box::new(num(2)),
    ));
    b.probe(
        BEGIN,
        &[("x", Type::Long)],
        vec![
            run(set(Place::Local(x), divide)),
            run(set(Place::Local(x), by_two)),
        ],
    );
    let c = b.c();
    assert_has(&c, "if (RST_UNLIKELY(l_x == 0)) {");
    assert_has(
        &c,
        "rst_fail(c, \"division by 0\", \"near operator '+' at test.stp:1:2\");",
    );
    assert_has(&c, "l_x = l_x % 2LL;");
}

#[test]
fn operands_are_evaluated_from_left_to_right() {
    let mut b = Build::new();
    let x = LocalId::new(0);
    let sum = add(
        var(x),
        long(ExprKind::Step {
            place: Place::Local(x),
            is_prefix: false,
            by: 1,
        }),
    );
    b.probe(
        BEGIN,
        &[("x", Type::Long)],
        vec![run(set(Place::Local(x), sum))],
    );
    assert_has(
        &b.c(),
        "t1 = l_x;\n\tt2 = l_x;\n\tl_x = t2 + 1LL;\n\tl_x = t1 + t2;",
    );
}

#[test]
fn functions_know_how_they_fail_and_return() {
    let mut b = Build::new();
    let pid = b.embedded("pid", Type::Long, " STAP_RETVALUE = rst_pid(); ");
    let execname = b.embedded("execname", Type::String, " RST_RETURN(rst_execname(c)); ");
    let n = b.array("n", &[Type::String, Type::Long], Type::Long);
    let keys = vec![
        call(execname, vec![], Type::String),
        call(pid, vec![], Type::Long),
    ];
    b.kprobe(&[], vec![run(increment(Place::Element(n, keys)))]);
    let c = b.c();
    assert_has(
        &c,
        "static inline int64_t script_function_pid(struct rst_context *c)",
    );
    assert_has(&c, "#line 7 \"tapset/context.stp\"");
    assert_lacks(&c, "rst_scratch_release");
    assert_has(&c, "rst_key_begin(c, 1, 1, s2.length);");
}

#[test]
fn the_runtime_knows_the_same_limit_of_calls() {
    let header = include_str!("../../../runtime/include/rstap.h");
    assert_has(
        header,
        &format!("#define RST_SHALLOW_NESTING {SHALLOW_NESTING}\n"),
    );
}

#[test]
fn strings_in_loops_have_slots_and_others_are_kept() {
    let mut b = Build::new();
    let (s, t, i) = (LocalId::new(0), LocalId::new(1), LocalId::new(2));
    let concat = |a: Expr, b: Expr| expr(ExprKind::Concat(Box::new(a), Box::new(b)), Type::String);
    let locals = [("s", Type::String), ("t", Type::String), ("i", Type::Long)];
    b.probe(
        BEGIN,
        &locals,
        vec![
            run(set(Place::Local(s), concat(text("a"), text("b")))),
            run(set(Place::Local(t), svar(s))),
            stmt(StmtKind::Loop {
                condition: Some(long(ExprKind::Compare(
                    CompareOperator::Less,
                    Box::new(var(i)),
                    Box::new(num(10)),
                ))),
                step: Some(increment(Place::Local(i))),
                body: vec![
                    run(update(Place::Local(t), BinaryOperator::Concat, text("x"))),
                    stmt(StmtKind::Continue),
                ],
            }),
            run(printf(vec![value(Conversion::String, svar(t))])),
        ],
    );
    let c = b.c();
    assert_has(&c, "base = rst_scratch_mark(c);");
    assert_has(&c, "l_t = l_s;");
    assert_has(&c, "l_t = rst_string_copy(c, slot_t, ");
    assert_has(&c, "c->actions -= ");
    assert_has(&c, "\"MAXACTION exceeded\"");
}

#[test]
fn recursion_is_counted_and_strings_come_back() {
    let mut b = Build::new();
    let f = FunctionId::new(0);
    let n = LocalId::new(0);
    let recursive = expr(
        ExprKind::Concat(
            Box::new(text("x")),
            Box::new(call(f, vec![add(var(n), num(-1))], Type::String)),
        ),
        Type::String,
    );
    let body = vec![
        stmt(StmtKind::If {
            condition: var(n),
            then: vec![stmt(StmtKind::Return(Some(recursive)))],
            otherwise: vec![],
        }),
        stmt(StmtKind::Return(Some(text("end")))),
    ];
    b.function(
        "f",
        &[("n", Type::Long)],
        &[],
        Type::String,
        FunctionBody::Script(body),
    );
    let pieces = vec![value(
        Conversion::String,
        call(f, vec![num(3)], Type::String),
    )];
    b.probe(BEGIN, &[], vec![run(printf(pieces))]);
    let c = b.c();
    assert_has(&c, "!rst_may_nest(c, ");
    assert_has(&c, "value = rst_string_copy(c, result, ");
    assert_has(&c, "value = RST_LITERAL(\"end\");");
    assert_has(&c, "rst_fail_called_from(c, ");
}

#[test]
fn try_catch_and_foreach_clean_up() {
    let mut b = Build::new();
    let a = b.array("a", &[Type::String], Type::Long);
    let s = b.array("s", &[Type::Long], Type::Stat);
    let (key, message, x, bucket) = (
        LocalId::new(0),
        LocalId::new(1),
        LocalId::new(2),
        LocalId::new(3),
    );
    let average = long(ExprKind::Stat(
        StatOperation::Average,
        StatPlace::Element(s, vec![num(1)]),
    ));
    let inner = Foreach {
        array: a,
        keys: vec![Some(key)],
        value: Some(x),
        sort: Some(Sort {
            by: SortBy::Value(StatOperation::Count),
            direction: Direction::Descending,
        }),
        limit: Some(num(10)),
        slice: Vec::new(),
        body: vec![
            run(printf(vec![
                value(Conversion::String, svar(key)),
                value(Conversion::Decimal, average),
            ])),
            stmt(StmtKind::Break),
        ],
    };
    let stats = Foreach {
        array: s,
        keys: vec![Some(x)],
        value: None,
        sort: None,
        limit: None,
        slice: vec![Some(num(3))],
        body: vec![
            run(printf(vec![value(
                Conversion::Decimal,
                long(ExprKind::Stat(
                    StatOperation::Maximum,
                    StatPlace::Iterated(s),
                )),
            )])),
            stmt(StmtKind::Next),
        ],
    };
    b.kprobe(
        &[
            ("k", Type::String),
            ("e", Type::String),
            ("x", Type::Long),
            ("b", Type::Long),
        ],
        vec![
            stmt(StmtKind::Try {
                body: vec![stmt(StmtKind::Foreach(Box::new(inner)))],
                error: Some(message),
                catch: vec![run(printf(vec![value(Conversion::String, svar(message))]))],
            }),
            stmt(StmtKind::Foreach(Box::new(stats))),
            stmt(StmtKind::ForeachHistogram {
                stat: StatPlace::Element(s, vec![num(2)]),
                histogram: Histogram::Log,
                bucket,
                value: Some(x),
                sort: Some((true, Direction::Descending)),
                limit: Some(num(4)),
                body: vec![run(printf(vec![value(Conversion::Decimal, var(bucket))]))],
            }),
            run(long(ExprKind::Accumulate {
                stat: StatPlace::Element(s, vec![num(4)]),
                value: Box::new(num(5)),
            })),
            stmt(StmtKind::DeleteElement {
                array: s,
                keys: vec![None],
            }),
        ],
    );
    let c = b.c();
    assert_has(&c, "\"empty aggregate\"");
    assert_has(&c, "rst_iterator_end(");
    assert_has(&c, "= rst_catch(c);");
    assert_has(&c, "rst_node_stat(c, script_global_s.value, ");
    assert_has(&c, "script_sort_buckets(");
    assert_has(&c, "rst_map_clear(script_global_s.value);");
}

#[test]
fn everything_else_compiles() {
    let mut b = Build::new();
    b.program.is_guru = true;
    b.program.macros.push(("DEBUG".to_owned(), None));
    b.program
        .embedded
        .push(c_code("static int twice(int x) { return 2 * x; }"));
    let name = b.scalar("name", Type::String);
    let stat = b.scalar("stat", Type::Stat);
    b.program.globals[stat].stat.histogram = Histogram::Linear {
        low: 0,
        high: 100,
        step: 10,
    };
    b.program.globals[name].is_parameter = true;
    let m = b.array("m", &[Type::Long, Type::String], Type::String);
    let w = b.array("w", &[Type::String], Type::Long);
    let mut code = c_code(
        "snprintf_like(STAP_RETVALUE, STAP_ARG_s, STAP_ARG_n); STAP_GLOBAL_SET_name(STAP_ARG_s); \
         STAP_GLOBAL_SET_w(\"k\", STAP_GLOBAL_GET_w(\"j\")); if (STAP_ARG_n < 0) STAP_ERROR(\"no\"); \
         if (STAP_ARG_n == 5) STAP_NEXT; STAP_RETURN(\"text\");",
    );
    code.globals = vec![("name".to_owned(), name, true), ("w".to_owned(), w, true)];
    b.program.embedded.push(c_code(
        "static void snprintf_like(char *to, const char *s, long n) { to[0] = s[n]; }",
    ));
    let f = b.function(
        "f",
        &[("s", Type::String), ("n", Type::Long)],
        &[],
        Type::String,
        FunctionBody::C(code),
    );
    let g = b.function(
        "g",
        &[("s", Type::String), ("n", Type::Long)],
        &[],
        Type::String,
        FunctionBody::Script(vec![
            stmt(StmtKind::If {
                condition: var(LocalId::new(1)),
                then: vec![stmt(StmtKind::Next)],
                otherwise: vec![],
            }),
            stmt(StmtKind::Return(Some(svar(LocalId::new(0))))),
        ]),
    );
    let mut unmangled = c_code("THIS->__retvalue = THIS->x + 1;");
    unmangled.is_unmangled = true;
    let h = b.function(
        "h",
        &[("x", Type::Long)],
        &[],
        Type::Long,
        FunctionBody::C(unmangled),
    );
    let (s, x) = (LocalId::new(0), LocalId::new(1));
    let overloaded = expr(
        ExprKind::Call {
            candidates: vec![f, g],
            arguments: vec![svar(s), num(2)],
        },
        Type::String,
    );
    let read = |size, is_signed| {
        long(ExprKind::Read {
            space: Space::Kernel,
            address: Box::new(var(x)),
            size,
            is_signed,
        })
    };
    let memory = |bits| Place::Memory {
        space: Space::Kernel,
        address: Box::new(var(x)),
        size: 4,
        is_signed: true,
        bits,
    };
    let element = |id, keys| expr(ExprKind::Element(id, keys), Type::String);
    let all_conversions = [
        Conversion::Unsigned,
        Conversion::Octal,
        Conversion::HexLower,
        Conversion::HexUpper,
        Conversion::Pointer,
        Conversion::Character,
        Conversion::Binary,
        Conversion::Memory,
        Conversion::MemoryHex,
    ];
    let mut body = vec![
        run(set(Place::Local(s), overloaded)),
        run(set(Place::Global(name), svar(s))),
        run(update(
            Place::Global(name),
            BinaryOperator::Concat,
            text("?"),
        )),
        run(set(Place::Element(m, vec![num(1), svar(s)]), text("v"))),
        run(update(
            Place::Element(m, vec![num(1), svar(s)]),
            BinaryOperator::Concat,
            element(m, vec![num(2), text("q")]),
        )),
        run(set(
            Place::Local(x),
            call(h, vec![read(4, true)], Type::Long),
        )),
        run(set(memory(None), num(1))),
        run(update(memory(Some((3, 5))), BinaryOperator::Or, num(1))),
        run(set(
            Place::Register {
                number: 5,
                size: 4,
                is_signed: true,
            },
            num(1),
        )),
        run(set(
            Place::ReturnValue {
                size: 8,
                is_signed: true,
            },
            long(ExprKind::Register(0)),
        )),
        run(set(Place::Saved(0), long(ExprKind::ReturnValue))),
        run(set(
            Place::SavedString(1),
            expr(ExprKind::SavedString(1), Type::String),
        )),
        run(set(
            Place::ProcfsValue,
            expr(ExprKind::ProcfsValue, Type::String),
        )),
        run(set(
            Place::Local(x),
            long(ExprKind::Match {
                string: Box::new(svar(s)),
                pattern: "^a(b|c)+$".to_owned(),
                negated: true,
                captures: true,
            }),
        )),
        run(set(
            Place::Local(x),
            long(ExprKind::Ternary(
                Box::new(long(ExprKind::In(m, vec![None, Some(text("q"))]))),
                Box::new(read(8, false)),
                Box::new(long(ExprKind::And(
                    Box::new(var(x)),
                    Box::new(long(ExprKind::Or(
                        Box::new(read(2, true)),
                        Box::new(num(1)),
                    ))),
                ))),
            )),
        )),
        run(set(
            Place::Local(x),
            long(ExprKind::HistogramBucket {
                stat: StatPlace::Scalar(stat),
                histogram: Histogram::Log,
                index: Box::new(num(1)),
            }),
        )),
        run(set(
            Place::Local(x),
            long(ExprKind::PerCpu(Box::new(long(ExprKind::Relocated {
                module: Some("ext4".to_owned()),
                section: Some(".data".to_owned()),
                offset: 16,
            })))),
        )),
        run(set(
            Place::Local(s),
            expr(
                ExprKind::MemoryString {
                    space: Space::User,
                    address: Box::new(long(ExprKind::Extend {
                        value: Box::new(var(x)),
                        size: 4,
                        is_signed: false,
                    })),
                    limit: 8,
                },
                Type::String,
            ),
        )),
        run(set(
            Place::Local(x),
            long(ExprKind::EmbeddedC(c_code(" twice(4) "))),
        )),
        run(set(
            Place::Local(x),
            long(ExprKind::CConstant("sizeof(long)".to_owned())),
        )),
        run(update(Place::Local(x), BinaryOperator::ShiftLeft, var(x))),
        run(set(
            Place::Local(x),
            long(ExprKind::Binary(
                BinaryOperator::ShiftRightLogical,
                Box::new(long(ExprKind::Unary(UnaryOperator::Not, Box::new(var(x))))),
                Box::new(num(67)),
            )),
        )),
        run(long(ExprKind::Accumulate {
            stat: StatPlace::Scalar(stat),
            value: Box::new(num(1)),
        })),
        run(printf(vec![PrintPiece::Histogram {
            stat: StatPlace::Scalar(stat),
            histogram: Histogram::Log,
        }])),
        stmt(StmtKind::DeleteGlobal(name)),
        stmt(StmtKind::DeleteGlobal(stat)),
        stmt(StmtKind::DeleteLocal(s)),
        stmt(StmtKind::DeleteElement {
            array: m,
            keys: vec![Some(num(1)), None],
        }),
        stmt(StmtKind::DeleteElement {
            array: m,
            keys: vec![Some(num(1)), Some(svar(s))],
        }),
    ];
    for conversion in all_conversions {
        let mut piece = value(conversion, var(x));
        if let PrintPiece::Value { flags, width, .. } = &mut piece {
            flags.alternate = true;
            *width = Some(num(4));
        }
        let padded = PrintPiece::Value {
            conversion: Conversion::String,
            flags: PrintFlags {
                left: true,
                ..PrintFlags::default()
            },
            width: Some(num(8)),
            precision: None,
            value: sprintf(vec![literal("<"), value(Conversion::Decimal, var(x))]),
        };
        body.push(run(printf(vec![piece, padded])));
    }
    let handler = b.kprobe(&[("s", Type::String), ("x", Type::Long)], body);
    let tracepoint = ProbeKind::Tracepoint {
        module: None,
        name: "sched_switch".to_owned(),
        arguments: vec![
            TracepointArgument {
                name: "preempt".to_owned(),
                size: 1,
                is_signed: false,
            },
            TracepointArgument {
                name: "prev".to_owned(),
                size: 8,
                is_signed: false,
            },
        ],
    };
    b.probe(
        tracepoint,
        &[],
        vec![run(printf(vec![value(
            Conversion::Decimal,
            long(ExprKind::Argument(1)),
        )]))],
    );
    let is_set = long(ExprKind::Compare(
        CompareOperator::Equal,
        Box::new(expr(ExprKind::Global(name), Type::String)),
        Box::new(text("on")),
    ));
    for probe in &mut b.program.probes {
        probe.condition = Some(is_set.clone());
    }
    b.program.probes[0].entry_handler = Some(handler);
    b.program.probes[0].saved_words = 1;
    let c = b.c();
    assert_has(&c, "all functions exhausted");
    assert_has(&c, "rst_conditions_changed(c);");
    assert_has(&c, "static bool script_condition_0(void)");
    assert_lacks(&c, "script_condition_1");
    assert_has(
        &c,
        "static void rst_tracepoint_1(void *data, unsigned char a0, unsigned long a1)",
    );
    assert_has(&c, "\t\"parameter=name:string\" \"\\0\"");
    assert_has(&c, "#define DEBUG 1");
}

#[test]
fn inconsistent_programs_are_refused() {
    let mut b = Build::new();
    b.probe(BEGIN, &[], vec![run(global(GlobalId::new(4)))]);
    let error = generate(&b.program).expect_err("no such global");
    assert!(error.message.contains("no global g4"), "{error}");
}
