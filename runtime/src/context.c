// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * context.c - one context per possible CPU, and what happens around a handler
 * that is not on the fast path: refusals, soft errors, overload.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "runtime.h"

struct rst_cpu __percpu *rst_cpus;
unsigned int rst_cpu_count;
struct rst_limits rst_limits;

/* Overload is estimated from one run in so many. */
#define SAMPLE_EVERY	16

/* ---- memory ----------------------------------------------------------------- */

static atomic64_t allocated = ATOMIC64_INIT(0);
static bool refused;

struct allocation {
	unsigned long size;
	unsigned long padding;
};

void *rst_allocate(unsigned long size)
{
	struct allocation *a;

	size += sizeof(*a);
	if (rst_script.maximum_memory &&
	    atomic64_read(&allocated) + size > rst_script.maximum_memory) {
		refused = true;
		return NULL;
	}
	a = kvzalloc(size, GFP_KERNEL);
	if (!a)
		return NULL;
	a->size = size;
	atomic64_add(size, &allocated);
	return a + 1;
}

void rst_free(void *memory)
{
	struct allocation *a;

	if (!memory)
		return;
	a = (struct allocation *)memory - 1;
	atomic64_sub(a->size, &allocated);
	kvfree(a);
}

uint64_t rst_allocated_bytes(void)
{
	return atomic64_read(&allocated);
}

/* Whether STP_MAXMEMORY stood in the way. */
bool rst_memory_refused(void)
{
	return refused;
}

/* ---- contexts ---------------------------------------------------------------- */

void rst_contexts_destroy(void)
{
	unsigned int cpu;

	if (!rst_cpus)
		return;
	for_each_possible_cpu(cpu) {
		struct rst_cpu *this = per_cpu_ptr(rst_cpus, cpu);

		rst_free(this->scratch_start);
		rst_free(this->hits);
		rst_free(this->counters);
		rst_free(this->discard);
		rst_free(this->context.match_buffer);
	}
	free_percpu(rst_cpus);
	rst_cpus = NULL;
}

int rst_contexts_create(void)
{
	unsigned int cpu;

	rst_limits.actions = rst_script.maximum_actions > 0 ? rst_script.maximum_actions : LONG_MAX;
	rst_limits.minimum_stack = rst_script.minimum_stack;
	rst_limits.overload_interval = rst_script.overload_interval;
	rst_limits.overload_threshold = rst_script.overload_threshold;
	rst_limits.has_timing = rst_script.has_timing;
	if (rst_script.has_timing)
		rst_limits.sample_every = 1;
	else
		rst_limits.sample_every = rst_script.overload_interval ? SAMPLE_EVERY : 0;

	rst_cpu_count = nr_cpu_ids;
	rst_cpus = __alloc_percpu(sizeof(struct rst_cpu), 64);
	if (!rst_cpus)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct rst_cpu *this = per_cpu_ptr(rst_cpus, cpu);
		struct rst_context *c = &this->context;

		this->scratch_start = rst_allocate(rst_script.scratch_size);
		this->counters = rst_allocate(sizeof(*this->counters) *
					      (rst_script.probe_count + 1ul));
		this->hits = rst_allocate(sizeof(*this->hits) * (rst_script.probe_count + 1ul));
		this->discard = rst_allocate(RST_OUTPUT_LIMIT);
		c->match_buffer = rst_allocate(rst_script.string_size);
		this->is_stopped = 1;
		this->runs_to_sample = rst_limits.sample_every;
		if (!this->scratch_start || !this->hits || !this->counters || !this->discard ||
		    !c->match_buffer)
			return -ENOMEM;
		this->random = (uint64_t)get_cycles() * (2 * cpu + 1);
		c->scratch = this->scratch_start;
		c->scratch_end = this->scratch_start + rst_script.scratch_size;
		c->maximum_nesting = rst_script.maximum_nesting;
		c->string_size = rst_script.string_size;
		c->cpu = cpu;
		c->output.context = c;
	}
	return 0;
}

void rst_contexts_stop(bool stop)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu_ptr(rst_cpus, cpu)->is_stopped, stop);
}

/* ---- refusals ------------------------------------------------------------------ */

void rst_count_skip(struct rst_probe_state *state, struct rst_cpu *cpu,
		    enum rst_skip_reason reason)
{
	static const char text[] =
		"Skipped too many probes, check MAXSKIPPED or try again with stap -t for more details.";
	static atomic_t counted = ATOMIC_INIT(0);

	cpu->counters[state->index].skipped[reason]++;
	/* SystemTap does not hold reentrancy against a script either */
	if (reason == RST_SKIP_REENTRANT || reason == RST_SKIP_NMI)
		return;
	if (atomic_inc_return(&counted) == (int)rst_script.maximum_skipped + 1 &&
	    !rst_script.suppress_handler_errors)
		rst_session_fail(text, sizeof(text) - 1);
}

void rst_refuse(struct rst_probe_state *state, struct rst_cpu *cpu, unsigned long flags)
{
	if (READ_ONCE(rst_state) == RST_STATE_RUNNING && state->enabled) {
		if (!cpu->busy)
			rst_count_skip(state, cpu, RST_SKIP_LOW_STACK);
		else
			rst_count_skip(state, cpu, in_nmi() ? RST_SKIP_NMI : RST_SKIP_REENTRANT);
	}
	local_irq_restore(flags);
}

/* ---- tracepoint functions of scripts -------------------------------------------- */

struct rst_context *rst_probe_enter(struct rst_probe *probe)
{
	struct rst_context *c;
	unsigned long flags;

	if (!rst_enter(probe->state, NULL, &c, &flags))
		return NULL;
	rst_cpu_of(c)->irq_flags = flags;
	return c;
}

void rst_probe_run(struct rst_context *c)
{
	const struct rst_probe *probe = c->probe;

	probe->handler(c);
	rst_probe_leave(c);
}

void rst_probe_leave(struct rst_context *c)
{
	rst_leave(c, c->probe->index, rst_cpu_of(c)->irq_flags);
}

/* ---- process context -------------------------------------------------------------- */

struct rst_context *rst_enter_process(struct rst_probe_state *state)
{
	struct rst_context *c;
	struct rst_cpu *cpu;

	preempt_disable_notrace();
	cpu = this_cpu_ptr(rst_cpus);
	if (READ_ONCE(cpu->busy)) {
		/* a handler cannot be interrupted by process context */
		preempt_enable_notrace();
		return NULL;
	}
	WRITE_ONCE(cpu->busy, 1);
	barrier();
	c = &cpu->context;
	c->probe = state->probe;
	c->actions = rst_limits.actions;
	c->regs = NULL;
	c->saved = NULL;
	c->address = 0;
	c->user_mode = false;
	c->aborted = false;
	c->next = false;
	c->is_return = false;
	if (rst_limits.has_timing)
		cpu->entered = get_cycles();
	return c;
}

void rst_leave_process(struct rst_context *c, unsigned int index)
{
	/* begin and end may take as long as they like: no overload */
	rst_cpu_of(c)->interval_cycles = 0;
	rst_finish(c, index);
	preempt_enable_notrace();
}

/* ---- measuring and overload ----------------------------------------------------------------------- */

void rst_measure(struct rst_cpu *cpu)
{
	/* 0 wraps: the next 2^32 - 1 runs are not measured */
	cpu->runs_to_sample = rst_limits.sample_every;
	if (rst_limits.sample_every)
		cpu->entered = get_cycles();
}

void rst_account(struct rst_cpu *cpu, struct rst_counters *counters)
{
	uint64_t now = get_cycles();
	uint64_t spent = now - cpu->entered;

	cpu->entered = 0;
	if (rst_limits.has_timing) {
		counters->cycles += spent;
		if (!counters->minimum_cycles || spent < counters->minimum_cycles)
			counters->minimum_cycles = spent;
		if (spent > counters->maximum_cycles)
			counters->maximum_cycles = spent;
	}
	if (!rst_limits.overload_interval || rst_state != RST_STATE_RUNNING)
		return;
	cpu->interval_cycles += rst_limits.has_timing ? spent : SAMPLE_EVERY * spent;
	if (likely(now - cpu->interval_start <= rst_limits.overload_interval))
		return;
	if (cpu->interval_cycles > rst_limits.overload_threshold) {
		char buffer[160];
		struct rst_text t = { .start = buffer, .size = sizeof(buffer) };

		rst_text_add(&t, "probe overhead (");
		rst_text_add_decimal(&t, cpu->interval_cycles);
		rst_text_add(&t, " cycles) exceeded threshold (");
		rst_text_add_decimal(&t, rst_limits.overload_threshold);
		rst_text_add(&t, " cycles) in last ");
		rst_text_add_decimal(&t, now - cpu->interval_start);
		rst_text_add(&t, " cycles");
		counters->skipped[RST_SKIP_OVERLOAD]++;
		rst_session_fail(buffer, t.length);
	}
	cpu->interval_start = now;
	cpu->interval_cycles = 0;
}

/* ---- soft errors ----------------------------------------------------------------------- */

void rst_fail(struct rst_context *c, const char *text, const char *location)
{
	if (c->error)
		return;
	c->error = text;
	c->error_location = location;
	c->location_text[0] = 0;
}

void rst_failf(struct rst_context *c, const char *location, const char *format, ...)
{
	struct rst_text t = { .start = c->error_text, .size = sizeof(c->error_text) };
	va_list arguments;

	if (c->error)
		return;
	c->error_text[0] = 0;
	va_start(arguments, format);
	rst_text_format(&t, format, arguments);
	va_end(arguments);
	rst_fail(c, c->error_text, location);
}

void rst_fail_at(struct rst_context *c, const char *location)
{
	if (c->error && !c->error_location)
		c->error_location = location;
}

void rst_fail_called_from(struct rst_context *c, const char *location)
{
	struct rst_text t = { .start = c->location_text, .size = sizeof(c->location_text) };

	if (!c->error)
		return;
	t.length = strlen(c->location_text);
	if (c->error_location != c->location_text) {
		t.length = 0;
		c->location_text[0] = 0;
		if (c->error_location)
			rst_text_add(&t, c->error_location);
		c->error_location = c->location_text;
	}
	rst_text_add(&t, " (called from ");
	rst_text_add(&t, location);
	rst_text_add(&t, ")");
}

struct rst_string rst_catch(struct rst_context *c)
{
	const char *text = c->error;

	c->error = NULL;
	c->error_location = NULL;
	if (!text)
		text = "";
	return rst_string_save(c, (struct rst_string){ .text = text, .length = strlen(text) });
}

void rst_scratch_exhausted(struct rst_context *c)
{
	rst_fail(c, "out of memory for the strings of one statement", NULL);
}

void rst_count_truncation(struct rst_context *c)
{
	rst_cpu_of(c)->truncated++;
}

void rst_report_error(struct rst_context *c)
{
	const char *text = c->error, *location = c->error_location;
	char buffer[900];
	struct rst_text t = { .start = buffer, .size = sizeof(buffer) };

	c->error = NULL;
	c->error_location = NULL;
	c->nesting = 0;
	/* abort() leaves without a word */
	if (c->aborted && !*text)
		return;
	if (rst_script.suppress_handler_errors) {
		atomic64_inc(&rst_suppressed_count);
		return;
	}
	rst_text_add(&t, text);
	if (location) {
		rst_text_add(&t, " ");
		rst_text_add(&t, location);
	}
	rst_text_add(&t, " in probe ");
	rst_text_add(&t, c->probe->name);
	if (atomic64_inc_return(&rst_error_count) > rst_script.maximum_errors)
		rst_session_fail(buffer, t.length);
	else
		rst_control_post(RST_CONTROL_ERROR, buffer, t.length);
}

void rst_exit(struct rst_context *c)
{
	rst_session_request_exit(RST_STATE_STOPPING);
}

/* ---- conditions ---------------------------------------------------------------------------- */

/*
 * Every gate is set anew at once, so that the very next hit obeys; mechanisms
 * stay armed, a closed gate costs a hit about ten instructions.
 */
void rst_conditions_evaluate(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state)
		state->enabled = !state->paused &&
				 (!state->probe->condition || state->probe->condition());
}

void rst_conditions_changed(struct rst_context *c)
{
	rst_conditions_evaluate();
}
