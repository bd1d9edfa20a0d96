/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runtime.h - what the files of the runtime share. The path every probe hit
 * takes, rst_enter() and rst_leave(), is here and in rstap.h, inline: claiming a
 * context costs no lock and no atomic operation.
 */
#ifndef RST_RUNTIME_H
#define RST_RUNTIME_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <asm/timex.h>

#include "pure.h"
#include "rstap_protocol.h"

/* ---- session -------------------------------------------------------------- */

enum rst_state {
	RST_STATE_LOADED,	/* files exist, nothing is armed */
	RST_STATE_STARTING,	/* begin probes */
	RST_STATE_RUNNING,
	RST_STATE_STOPPING,	/* exit() was called, or EXIT came: end probes */
	RST_STATE_ERROR,	/* too many errors: error probes */
	RST_STATE_ENDED,
};

extern int rst_state;
/* A weak reference: the runtime alone is a complete, useless module. */
extern struct rst_script rst_script __attribute__((weak));

/* Why a handler did not run. The names are those of the protocol's summary. */
enum rst_skip_reason {
	RST_SKIP_REENTRANT,
	RST_SKIP_NMI,
	RST_SKIP_LOW_STACK,
	RST_SKIP_OVERLOAD,
	RST_SKIP_REASONS,
};

/* One per probe and CPU; only that CPU writes, with single instructions. */
struct rst_counters {
	uint64_t cycles;
	uint64_t squares[2];		/* of cycles, for their variance: low and high half */
	uint64_t minimum_cycles;
	uint64_t maximum_cycles;
	uint64_t truncated;		/* strings cut */
	uint64_t lost_messages;		/* output that found no room */
	uint64_t lost_bytes;
	unsigned int skipped[RST_SKIP_REASONS];
};

/* The runtime's side of a probe; one array, in the order of the script's table. */
struct rst_probe_state {
	rst_handler handler;
	struct rst_probe *probe;
	struct rst_probe_state *next;	/* another probe at the same ftrace site */
	unsigned long address;		/* resolved, 0 if none */
	unsigned int index;
	bool paused;			/* by TOGGLE */
	bool is_armed;
	bool is_off;			/* armed, but taken out while its gate is closed */
	bool wants_off;			/* its gate, as rst_ftrace_settle() found it */
	bool is_waiting;		/* its module is not loaded */
	void *mechanism;		/* owned by the file that armed it */
};

extern struct rst_probe_state *rst_states;

/* ---- output buffers -------------------------------------------------------- */

/*
 * Output of one CPU. Positions count bytes since the start and never wrap; the
 * memory is mapped twice in a row, so that any `size` bytes are contiguous.
 */
struct rst_ring {
	char *memory;
	struct page **pages;
	unsigned long size;		/* a power of two, whole pages */
	uint64_t head;			/* written by the CPU's context holder */
	uint64_t tail;			/* written by the reader (overwrite: under lock) */
	struct rst_lock lock;		/* flight recorder only */
	int is_waiting;			/* a reader sleeps */
	struct irq_work irq_work;
	struct hrtimer timer;
	wait_queue_head_t wait;
	struct mutex reader;
	uint64_t overwritten_messages;	/* flight recorder */
	uint64_t overwritten_bytes;
};

/* Everything one CPU needs; found through the per-CPU pointer below. */
struct rst_cpu {
	struct rst_context context;	/* first: the two convert into each other */
	struct rst_counters *counters;	/* by probe index */
	uint64_t entered;		/* cycle counter at entry, 0: this run is not measured */
	uint64_t interval_start;	/* overload check */
	uint64_t interval_cycles;
	bool output_is_discarded;	/* cursor is in `discard`, the ring was full */
	bool is_patient;		/* begin, end, error: a full ring is waited for */
	char *discard;
	uint64_t random;
	struct irq_work growth_interrupt;
	struct work_struct growth_work;
	struct rst_ring ring;
};

#define RST_OUTPUT_LIMIT	8192	/* bytes of a message with its header */

extern struct rst_cpu __percpu *rst_cpus;
extern unsigned int rst_cpu_count;	/* nr_cpu_ids */

static __always_inline struct rst_cpu *rst_cpu_of(struct rst_context *c)
{
	return (struct rst_cpu *)c;
}

/* ---- limits, copied from the script into one cache line -------------------- */

struct rst_limits {
	unsigned long minimum_stack;
	uint64_t overload_interval;	/* 0: no check */
	uint64_t overload_threshold;
	int sample_every;		/* one run in so many is measured, 0: none */
	bool has_timing;
};

extern struct rst_limits rst_limits;

/* ---- entry and exit of a handler ------------------------------------------ */

/*
 * Claims this CPU's context for a probe hit. False: do not run. Otherwise
 * interrupts are off until rst_leave(). The caller may come with interrupts on
 * or off, preemptible or in an NMI. rst_probe_enter() is the same for scripts.
 */
static __always_inline bool rst_enter(struct rst_probe_state *state, struct pt_regs *regs,
				      struct rst_context **context, unsigned long *saved_flags)
{
	unsigned long flags = rst_irq_save();
	struct rst_context *c = rst_this_context();
	const struct rst_probe *probe = state->probe;

	*saved_flags = flags;
	if (unlikely((c->gate | probe->closed) || rst_stack_seems_low()) &&
	    !rst_admit(probe, c, flags))
		return false;
	rst_claim(c, probe);
	c->regs = (struct rst_regs *)regs;
	c->address = state->address;
	*context = c;
	return true;
}

static __always_inline void rst_leave(struct rst_context *c, unsigned int index,
				      unsigned long flags)
{
	rst_release(c, index);
	rst_irq_restore(flags);
}

/* A whole hit, for mechanisms that only bring registers. */
static __always_inline void rst_hit(struct rst_probe_state *state, struct pt_regs *regs)
{
	struct rst_context *c;
	unsigned long flags;

	if (!rst_enter(state, regs, &c, &flags))
		return;
	if (regs)
		c->user_mode = user_mode(regs);
	state->handler(c);
	rst_leave(c, state->index, flags);
}

/*
 * Process context: claims this CPU with preemption off and interrupts on,
 * whatever the session's state, for begin, end, error and procfs probes.
 */
struct rst_context *rst_enter_process(struct rst_probe_state *state);
void rst_leave_process(struct rst_context *c, unsigned int index);

/*
 * Keeps this CPU's handlers out, so that process context may take a lock that
 * handlers take. Returns what rst_unguard() wants. `busy` is not for this: a begin
 * or end probe that slept gives back its context from another CPU, meanwhile.
 */
struct rst_guard {
	unsigned long flags;
	uint8_t was_guarded;
};

static inline struct rst_guard rst_guard(void)
{
	struct rst_guard guard;
	struct rst_cpu *cpu;

	local_irq_save(guard.flags);
	cpu = this_cpu_ptr(rst_cpus);
	guard.was_guarded = cpu->context.is_guarded;
	WRITE_ONCE(cpu->context.is_guarded, 1);
	barrier();
	return guard;
}

static inline void rst_unguard(struct rst_guard guard)
{
	barrier();
	WRITE_ONCE(this_cpu_ptr(rst_cpus)->context.is_guarded, guard.was_guarded);
	local_irq_restore(guard.flags);
}

int rst_contexts_create(void);
void rst_contexts_destroy(void);
void rst_conditions_evaluate(void);
/* Brings hooks into line with the gates; process context, under the session's mutex. */
void rst_conditions_apply(void);
void rst_conditions_again(void);
void rst_conditions_prepare(void);
void rst_conditions_destroy(void);
/* Whether the mechanism that armed a probe can take its hook out while the gate is closed. */
bool rst_is_switchable(const struct rst_probe_state *state);
/* Opens or closes the gates of all CPUs. */
void rst_contexts_stop(bool stop);

/* ---- growth.c -------------------------------------------------------------- */

void rst_growth_prepare(void);
void rst_growth_destroy(void);

/* ---- session.c ------------------------------------------------------------- */

extern int64_t rst_target_pid;
extern struct mutex rst_session_mutex;

int rst_session_create(void);
void rst_session_destroy(void);
int rst_session_start(int64_t target);
/* Disarms; with_end: runs end (or error) probes and lets the account be read. */
void rst_session_stop(bool with_end);
int rst_session_set(const char *name, const char *value);
int rst_session_toggle(unsigned int index, bool on);
/* The notifier of modules: lives as long as this module. */
int rst_modules_watch(void);
void rst_modules_unwatch(void);
void rst_session_module(const char *module, bool comes);
void rst_session_pause(bool paused);
/* Opens the gates of all CPUs, unless the session no longer runs. */
void rst_session_let_run(void);
/* From any context: no handler runs any more, staprun is asked to stop. */
void rst_session_request_exit(int state);
/* From any context: the session has failed with this text. */
void rst_session_fail(const char *text, unsigned int length);
void rst_count_skip(struct rst_probe_state *state, struct rst_cpu *cpu,
		    enum rst_skip_reason reason);
/* Says why a probe could not be armed, as SystemTap does. */
void rst_probe_failed(struct rst_probe_state *state, int error);

extern atomic64_t rst_error_count;
extern atomic64_t rst_suppressed_count;

/* ---- control.c ------------------------------------------------------------- */

int rst_control_create(struct proc_dir_entry *directory);
void rst_control_close(void);
void rst_control_destroy(void);
/* From any context; text may be cut to RST_CONTROL_MAXIMUM. */
void rst_control_post(unsigned int type, const char *text, unsigned int length);
void rst_control_format(unsigned int type, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rst_control_wake(void);
void rst_control_started(int result);

/* ---- monitor.c ------------------------------------------------------------- */

int rst_monitor_create(struct proc_dir_entry *directory);
void rst_monitor_started(void);
void rst_monitor_destroy(void);

/* ---- account.c ------------------------------------------------------------- */

/* Writes summary line number *step or a later one; 0: none left. */
unsigned int rst_account_line(char *buffer, unsigned int size, unsigned long *step);

/* ---- transport.c ------------------------------------------------------------ */

int rst_transport_create(struct proc_dir_entry *directory);
void rst_transport_destroy(void);
void rst_transport_wake_all(void);
void rst_transport_overwritten(uint64_t *messages, uint64_t *bytes);
extern bool rst_overwrites;
extern unsigned int rst_buffer_kb;

/* ---- memory of the runtime --------------------------------------------------- */

/* Memory that rst_allocate() does not give, counted as if it did; false: STP_MAXMEMORY forbids. */
bool rst_memory_charge(unsigned long size);
void rst_memory_uncharge(unsigned long size);
uint64_t rst_allocated_bytes(void);
bool rst_memory_refused(void);

/* ---- relocate.c ---------------------------------------------------------------- */

int rst_symbol_learn(const char *name, uint64_t address);
int rst_module_learn(const char *module);
int rst_section_learn(const char *module, const char *section, uint64_t address);
/* 0 when not known (yet). */
unsigned long rst_address_of(const struct rst_probe *probe);
uint64_t rst_text_start(void);		/* _stext; 0 if not known */

/* The last entry of a table at or before a place; entries begin with their offset. NULL: none. */
const void *rst_table_entry(const void *table, unsigned int count, unsigned int size, uint32_t offset);
/* file, line or file:line, as RST_USER_FILE and RST_USER_LINE say. */
void rst_put_source(struct rst_output *o, const char *file, uint32_t line, unsigned int flags);
/* The kernel's source at an address; gives whether it is known. */
bool rst_find_kernel_line(uint64_t address, const char **file, uint32_t *line);
uint64_t rst_symbol_address(const char *name);
/* Whether a probe's place is in a module that staprun told nothing of. */
bool rst_is_unloaded(const struct rst_probe *probe);
/* Whether staprun told of a module, or it came. */
bool rst_sections_are_known(const char *module);
/* It came or went: what staprun read of its sections before is worth nothing. */
void rst_module_changed(const char *module);
/* Its sections are no longer where they were. */
void rst_sections_forget(const char *module);
/* Of a module that comes, before its init function runs. */
void rst_sections_find(struct module *module);
void rst_relocate_destroy(void);

/* ---- guru.c --------------------------------------------------------------------- */

void rst_guru_prepare(void);
void rst_guru_destroy(void);

/* ---- user_stack.c --------------------------------------------------------------- */

int rst_user_files_open(void);
void rst_user_files_close(void);

/* ---- log.c ------------------------------------------------------------------------ */

void rst_log_destroy(void);

/* ---- mechanisms: each arms all probes of its kinds, and disarms what it armed ---- */

struct rst_mechanism {
	const char *name;
	int (*arm)(void);
	void (*disarm)(void);
	/* counts of misses that the kernel keeps, for the account */
	uint64_t (*missed)(struct rst_probe_state *state);
	/* frees what `missed` needed after disarm; may be NULL */
	void (*release)(void);
	/*
	 * Takes the hook of an armed probe out, or puts it back; 0 or -errno, then
	 * all stays as it was. NULL: the gate alone must do.
	 */
	int (*set)(struct rst_probe_state *state, bool on);
	/* The probe's module has come (its sections are not known), or goes. */
	void (*module)(struct rst_probe_state *state, bool comes);
};

extern const struct rst_mechanism rst_ftrace_mechanism, rst_kprobe_mechanism, rst_return_mechanism,
	rst_tracepoint_mechanism, rst_timer_mechanism, rst_perf_mechanism, rst_procfs_mechanism,
	rst_uprobe_mechanism, rst_netfilter_mechanism, rst_task_mechanism;

/* probe_ftrace.c: sets the hooks of functions as their gates say, where many differ */
void rst_ftrace_settle(void);
/* probe_procfs.c: from now on no file is made or taken away; not under the session's mutex */
void rst_procfs_close(void);
/* probe_begin.c: runs all of a kind in order of sequence */
void rst_run_kind(enum rst_probe_kind kind);

extern struct proc_dir_entry *rst_directory;

#define rst_for_each_probe(state) \
	for ((state) = rst_states; (state) < rst_states + rst_script.probe_count; (state)++)

#endif /* RST_RUNTIME_H */
