/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rstap_script.h - a part of rstap.h: what a script is to the runtime, its
 * probes and tables, and how a handler is entered and left.
 */
#ifndef RSTAP_SCRIPT_H
#define RSTAP_SCRIPT_H

/* ---- probes ------------------------------------------------------------- */

enum rst_probe_kind {
	RST_PROBE_BEGIN,
	RST_PROBE_END,
	RST_PROBE_ERROR,
	RST_PROBE_TIMER,	/* hrtimer: interval_ns, randomize_ns */
	RST_PROBE_JIFFIES,	/* interval_ns and randomize_ns count jiffies */
	RST_PROBE_FUNCTION,	/* function entry: ftrace, else kprobe */
	RST_PROBE_RETURN,	/* function return */
	RST_PROBE_ADDRESS,	/* any instruction: kprobe */
	RST_PROBE_TRACEPOINT,
	RST_PROBE_PERF,
	RST_PROBE_PROCFS_READ,
	RST_PROBE_PROCFS_WRITE,
	RST_PROBE_USER,		/* uprobe */
	RST_PROBE_USER_RETURN,
	RST_PROBE_BREAKPOINT,	/* hardware breakpoint on data */
	RST_PROBE_NETFILTER,
	RST_PROBE_TASK,		/* process begin/end, thread begin/end: see task_event */
	RST_PROBE_SYSCALL,	/* process.syscall[.return] */
};

/* rst_probe.task_event. System calls: arguments[0] is the number (or the result), then six. */
enum rst_task_event {
	RST_TASK_BEGIN,
	RST_TASK_END,
	RST_TASK_THREAD_BEGIN,
	RST_TASK_THREAD_END,
	RST_TASK_SYSCALL,
	RST_TASK_SYSCALL_RETURN,
};

typedef void (*rst_handler)(struct rst_context *c);

/*
 * One probe point of the script. All pointers are to constant data of the
 * script's object; state of the runtime hangs at `state`.
 */
struct rst_probe {
	enum rst_probe_kind kind;
	unsigned int index;		/* position in the table */
	unsigned int closed;		/* the runtime's: condition is false, or paused by --monitor */
	const char *name;		/* resolved point: kernel.function("vfs_read@fs/read_write.c:450") */
	const char *script_name;	/* as the script wrote it */
	const char *script_location;	/* FILE:LINE:COLUMN */
	const char *derivation;		/* -t: through which aliases and wildcards; else NULL */
	const char *function;		/* that the point is in, or its tracepoint; NULL: none */
	rst_handler handler;		/* NULL for tracepoints: their function calls it */
	rst_handler entry_handler;	/* return probes that keep values of the entry, else NULL */
	bool (*condition)(void);	/* `if (...)`: armed only while true; NULL: always */
	bool needs_regs;
	bool is_optional;		/* `?`: a failed registration is not worth a warning */
	int64_t sequence;		/* begin, end, error */
	int64_t interval_ns;
	int64_t randomize_ns;
	/* where: functions and addresses */
	const char *module;		/* NULL: the kernel itself */
	const char *section;		/* modules: ELF section that offset counts from */
	const char *symbol;		/* symbol at or before the point, NULL if none */
	uint64_t symbol_offset;		/* from symbol to the point */
	uint64_t offset;		/* from _stext, or from section */
	bool is_absolute;		/* offset is a run-time address */
	/* return probes */
	int maxactive;			/* 0: default */
	unsigned int saved_size;	/* bytes that entry_handler writes to c->saved */
	/* tracepoints */
	const char *tracepoint;		/* name without system */
	void *tracepoint_function;	/* made by the script: void f(void *data, ...) */
	/* user space */
	const char *path;
	const char *program;		/* that must run in the process, where path is a library; NULL: any */
	uint64_t reference_counter;	/* offset of a semaphore, 0: none */
	int64_t pid;			/* 0: any */
	int task_event;			/* enum rst_task_event: RST_PROBE_TASK, RST_PROBE_SYSCALL */
	/* perf events */
	unsigned int perf_type;
	uint64_t perf_config;
	uint64_t perf_period;
	bool perf_is_frequency;
	const char *perf_counter;	/* counts under this name instead of sampling; else NULL */
	/* procfs: path is the file's name */
	unsigned int mode;		/* permission bits that the point adds to the file's */
	unsigned int maximum_size;
	/* breakpoints */
	unsigned int breakpoint_length;
	bool breakpoint_reads;		/* .rw */
	/* netfilter: arguments 0..4 are hooknum, skb, in, out, verdict (in and out) */
	int netfilter_hook, netfilter_family, netfilter_priority;
	struct rst_probe_state *state;
};

unsigned long rst_irq_save_virtual(void);
void rst_irq_restore_virtual(unsigned long flags);
/* The gate is not open, or the stack seems low: true when the handler may run all the same. */
bool rst_admit(const struct rst_probe *probe, struct rst_context *c, unsigned long flags);
void rst_report_error(struct rst_context *c);
void rst_output_commit(struct rst_context *c);
void rst_sample(struct rst_context *c, unsigned int index);

RST_INLINE unsigned long rst_irq_save(void)
{
	unsigned long flags;

	if (RST_UNLIKELY(rst_is_set(rst_facts.interrupts_are_virtual)))
		return rst_irq_save_virtual();
	rst_flags_save(flags);
	return flags;
}

RST_INLINE void rst_irq_restore(unsigned long flags)
{
	if (RST_LIKELY(flags & RST_INTERRUPTS_ON))
		rst_interrupts_on();
	else if (RST_UNLIKELY(flags & RST_FLAGS_ARE_VIRTUAL))
		rst_irq_restore_virtual(flags);
}

RST_INLINE struct rst_context *rst_this_context(void)
{
	struct rst_context *c = (struct rst_context *)rst_per_cpu_word(rst_facts.contexts);

	if (!c)
		__builtin_unreachable();
	return c;
}

/* Stacks lie at multiples of their size, but for some interrupt stacks: rst_admit() knows. */
RST_INLINE bool rst_stack_seems_low(void)
{
	return rst_stack_has_no_bit_of(rst_facts.stack_mask);
}

/*
 * An NMI that finds the gate open is done before the CPU goes on here, so a
 * plain load and store claim the context.
 */
RST_INLINE void rst_claim(struct rst_context *c, const struct rst_probe *probe)
{
	c->busy = 1;
	__asm__ volatile("" : : : "memory");
	c->probe = probe;
	c->actions = rst_facts.actions;
	c->user_mode = 0;
	c->aborted = 0;
	c->next = 0;
	c->is_return = 0;
}

RST_INLINE void rst_release(struct rst_context *c, unsigned int index)
{
	if ((unsigned long)c->error | (unsigned long)c->output.cursor) {
		if (RST_UNLIKELY(c->error != NULL))
			rst_report_error(c);
		if (c->output.cursor)
			rst_output_commit(c);
	}
	c->scratch = c->scratch_start;
	c->hits[index]++;
	if (RST_UNLIKELY(--c->runs_to_sample < 0))
		rst_sample(c, index);
	__asm__ volatile("" : : : "memory");
	c->busy = 0;
}

/*
 * For tracepoint functions, which the script defines itself because only it
 * knows their arguments: claim, fill arguments, run, release.
 *   struct rst_context *c = rst_probe_enter(probe);
 *   if (c) { c->arguments[0] = ...; rst_probe_run(c); }
 * rst_probe_enter() leaves interrupts off and gives NULL (counted, restored)
 * when the handler must not run now; rst_probe_run() runs the handler and
 * gives everything back.
 */
RST_INLINE struct rst_context *rst_probe_enter(struct rst_probe *probe)
{
	unsigned long flags = rst_irq_save();
	struct rst_context *c = rst_this_context();

	if (RST_UNLIKELY((c->gate | probe->closed) || rst_stack_seems_low()) &&
	    !rst_admit(probe, c, flags))
		return NULL;
	rst_claim(c, probe);
	c->irq_flags = flags;
	c->regs = NULL;
	c->address = 0;
	return c;
}

/*
 * The second half of rst_probe_run(), for a function that calls its handler
 * itself, so that the compiler can inline it; index is the probe's.
 */
RST_INLINE void rst_probe_leave(struct rst_context *c, unsigned int index)
{
	rst_release(c, index);
	rst_irq_restore(c->irq_flags);
}

RST_INLINE void rst_probe_run(struct rst_context *c)
{
	const struct rst_probe *probe = c->probe;

	probe->handler(c);
	rst_probe_leave(c, probe->index);
}

/* After a handler changed a global that some probe's condition reads. */
void rst_conditions_changed(struct rst_context *c);

/* ---- globals that -G or staprun's NAME=VALUE may set --------------------- */

struct rst_parameter {
	const char *name;
	enum rst_type type;
	void *value;		/* int64_t *, or struct rst_string_variable * */
};

/* A string global's storage: text has string_size bytes behind it. */
struct rst_string_variable {
	unsigned int length;
	char *text;
};

/* ---- the script --------------------------------------------------------- */

struct rst_stat_variable_spec {
	const char *name;
	struct rst_stat_variable **variable;	/* filled by the runtime */
	struct rst_stat_spec spec;
};

/*
 * What is carried along of a program or library: tables by place in the file,
 * ascending; names are offsets into `names`.
 */
struct rst_user_symbol {
	uint32_t offset, size, name;
};

enum rst_frame_rule {
	RST_FRAME_UNKNOWN,
	RST_FRAME_OUTERMOST,
	RST_FRAME_STACK,	/* frame address: stack pointer + cfa */
	RST_FRAME_POINTER,	/* frame address: frame pointer + cfa */
	RST_FRAME_STUB,		/* of the procedure linkage table */
};

struct rst_user_frame {
	uint32_t offset;
	uint32_t rule;
	int32_t cfa;
	int32_t saved_bp;	/* where the frame pointer is saved, from the frame address; 0: nowhere */
};

struct rst_user_line {
	uint32_t offset, file, line;	/* line 0: none */
};

struct rst_user_file {
	const char *path;
	const char *names;
	const struct rst_user_symbol *symbols;
	const struct rst_user_frame *frames;
	const struct rst_user_line *lines;
	unsigned int symbol_count, frame_count, line_count;
};

/* Source lines of the kernel, packed by the compiler: rows in blocks, see codegen/kernel_lines.rs. */
struct rst_line_block {
	uint32_t offset, position;	/* from _stext; of the first row, in `rows` */
};

struct rst_kernel_lines {
	const struct rst_line_block *blocks;
	const unsigned char *rows;
	const char *const *files;	/* the first is NULL: no line */
	unsigned int block_count, size;
};

/*
 * A symbol of a kernel module, `offset` behind the start of a section: where the
 * section is when the module comes while the session runs.
 */
struct rst_anchor {
	const char *module;
	const char *section;
	const char *symbol;
	uint64_t offset;
};

/* Everything the runtime must know; defined once, as `rst_script`, by the script. */
struct rst_script {
	unsigned int interface_version;	/* RST_INTERFACE_VERSION */
	const char *name;		/* script file, for messages */
	struct rst_probe *probes;
	unsigned int probe_count;
	struct rst_map_spec *maps;
	unsigned int map_count;
	struct rst_stat_variable_spec *stats;
	unsigned int stat_count;
	struct rst_parameter *parameters;
	unsigned int parameter_count;
	struct rst_user_file *user_files;
	unsigned int user_file_count;
	const struct rst_kernel_lines *kernel_lines;	/* NULL: none */
	const struct rst_anchor *anchors;
	unsigned int anchor_count;
	/* limits, from -D or the defaults */
	unsigned int string_size;		/* MAXSTRINGLEN */
	unsigned int scratch_size;		/* bytes of scratch per context */
	long maximum_actions;			/* MAXACTION; 0: no limit */
	unsigned int maximum_nesting;		/* MAXNESTING */
	unsigned int maximum_errors;		/* MAXERRORS */
	unsigned int maximum_skipped;		/* MAXSKIPPED */
	unsigned int minimum_stack;		/* MINSTACKSPACE */
	unsigned int maximum_backtrace;		/* MAXBACKTRACE */
	uint64_t overload_interval;		/* cycles; 0: no overload check */
	uint64_t overload_threshold;
	uint64_t maximum_memory;		/* STP_MAXMEMORY in bytes; 0: no limit */
	bool suppress_handler_errors;
	bool is_guru;
	bool has_timing;			/* -t */
	/* set up string globals; NULL if there are none */
	void (*initialise)(void);
};

extern struct rst_script rst_script;

#endif /* RSTAP_SCRIPT_H */
