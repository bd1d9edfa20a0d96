// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * context.c - one context per possible CPU, and what happens around a handler
 * that is not on the fast path: refusals, soft errors, overload.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "runtime.h"
#include "compat.h"

struct rst_cpu __percpu *rst_cpus;
unsigned int rst_cpu_count;
struct rst_limits rst_limits;
/* rst_facts is constant to all others: the name that this file writes to is another. */
struct rst_facts rst_facts_learnt ____cacheline_aligned;
__asm__(".globl rst_facts\n.set rst_facts, rst_facts_learnt");

/* Overload is estimated from one run in so many. */
#define SAMPLE_EVERY	16
/* Where a virtual flags word keeps RST_INTERRUPTS_ON. */
#define VIRTUAL_ON	(1ul << 62)

/* ---- memory ----------------------------------------------------------------- */

static atomic64_t allocated = ATOMIC64_INIT(0);
static bool refused;

struct allocation {
	unsigned long size;
	unsigned long padding;
};

bool rst_memory_charge(unsigned long size)
{
	if (atomic64_add_return(size, &allocated) <= rst_script.maximum_memory ||
	    !rst_script.maximum_memory)
		return true;
	atomic64_sub(size, &allocated);
	refused = true;
	return false;
}

void rst_memory_uncharge(unsigned long size)
{
	atomic64_sub(size, &allocated);
}

void *rst_allocate(unsigned long size)
{
	struct allocation *a;

	size += sizeof(*a);
	if (!rst_memory_charge(size))
		return NULL;
	/* a script that wants too much fails; no program is killed to please it */
	a = kvzalloc(size, GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!a) {
		rst_memory_uncharge(size);
		return NULL;
	}
	a->size = size;
	return a + 1;
}

void rst_free(void *memory)
{
	struct allocation *a;

	if (!memory)
		return;
	a = (struct allocation *)memory - 1;
	rst_memory_uncharge(a->size);
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

static void facts_learn(void);

#define CPUS_SIZE	(num_possible_cpus() * sizeof(struct rst_cpu))

/* ---- contexts ---------------------------------------------------------------- */

void rst_contexts_destroy(void)
{
	unsigned int cpu;

	if (!rst_cpus)
		return;
	for_each_possible_cpu(cpu) {
		struct rst_cpu *this = per_cpu_ptr(rst_cpus, cpu);

		rst_free(this->context.scratch_start);
		rst_free(this->context.hits);
		rst_free(this->counters);
		rst_free(this->discard);
		rst_free(this->context.match_buffer);
	}
	free_percpu(rst_cpus);
	rst_memory_uncharge(CPUS_SIZE);
	rst_cpus = NULL;
}

int rst_contexts_create(void)
{
	unsigned int cpu;

	rst_limits.minimum_stack = rst_script.minimum_stack;
	rst_limits.overload_interval = rst_script.overload_interval;
	rst_limits.overload_threshold = rst_script.overload_threshold;
	rst_limits.has_timing = rst_script.has_timing;
	if (rst_script.has_timing)
		rst_limits.sample_every = 1;
	else
		rst_limits.sample_every = rst_script.overload_interval ? SAMPLE_EVERY : 0;

	facts_learn();

	rst_cpu_count = nr_cpu_ids;
	if (!rst_memory_charge(CPUS_SIZE))
		return -ENOMEM;
	rst_cpus = __alloc_percpu(sizeof(struct rst_cpu), 64);
	if (!rst_cpus) {
		rst_memory_uncharge(CPUS_SIZE);
		return -ENOMEM;
	}
	rst_facts_learnt.contexts = (__force unsigned long)rst_cpus;
	for_each_possible_cpu(cpu) {
		struct rst_cpu *this = per_cpu_ptr(rst_cpus, cpu);
		struct rst_context *c = &this->context;

		c->self = c;
		c->scratch_start = rst_allocate(rst_script.scratch_size);
		this->counters = rst_allocate(sizeof(*this->counters) *
					      (rst_script.probe_count + 1ul));
		c->hits = rst_allocate(sizeof(*c->hits) * (rst_script.probe_count + 1ul));
		this->discard = rst_allocate(RST_OUTPUT_LIMIT);
		c->match_buffer = rst_allocate(rst_script.string_size);
		c->is_stopped = 1;
		c->runs_to_sample = INT_MAX;
		if (rst_limits.sample_every) {
			c->is_sampled = 1;
			c->runs_to_sample = 0;
		}
		if (!c->scratch_start || !c->hits || !this->counters || !this->discard ||
		    !c->match_buffer)
			return -ENOMEM;
		this->random = (uint64_t)get_cycles() * (2 * cpu + 1);
		c->scratch = c->scratch_start;
		c->scratch_end = c->scratch_start + rst_script.scratch_size;
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
		WRITE_ONCE(per_cpu_ptr(rst_cpus, cpu)->context.is_stopped, stop);
}

/* ---- facts that the fast path reads -------------------------------------------- */

static void facts_learn(void)
{
	unsigned long minimum = rst_limits.minimum_stack;

	rst_facts_learnt.actions = rst_script.maximum_actions > 0 ? rst_script.maximum_actions : LONG_MAX;
	if (minimum > THREAD_SIZE / 2)
		minimum = THREAD_SIZE / 2;
	/* with no minimum the lowest byte alone is low */
	rst_facts_learnt.stack_mask = THREAD_SIZE - roundup_pow_of_two(minimum | 1);
	/* lockdep keeps a flag of its own, which every lock compares with the real one */
	rst_facts_learnt.interrupts_are_virtual = boot_cpu_has(X86_FEATURE_XENPV) ||
						  IS_ENABLED(CONFIG_TRACE_IRQFLAGS);
	rst_facts_learnt.pid = offsetof(struct task_struct, pid);
	rst_facts_learnt.tgid = offsetof(struct task_struct, tgid);
	rst_facts_learnt.comm = offsetof(struct task_struct, comm);
	rst_facts_learnt.current_task = rst_current_task_address();
}

unsigned long rst_irq_save_virtual(void)
{
	unsigned long flags;

	local_irq_save(flags);
	/* the bit of the real register would make the caller switch the real one */
	return RST_FLAGS_ARE_VIRTUAL | (flags & ~RST_INTERRUPTS_ON) |
	       (flags & RST_INTERRUPTS_ON ? VIRTUAL_ON : 0);
}

void rst_irq_restore_virtual(unsigned long flags)
{
	local_irq_restore((flags & ~(RST_FLAGS_ARE_VIRTUAL | VIRTUAL_ON)) |
			  (flags & VIRTUAL_ON ? RST_INTERRUPTS_ON : 0));
}

static bool stack_is_low(void)
{
	unsigned long here = current_stack_pointer;

	/* on another stack (irq, exception) the difference is huge: those start empty */
	return here - (unsigned long)current->stack < rst_limits.minimum_stack;
}

/* Stacks of interrupts are as small as one page, and where they end is not known here. */
#define DEEP_NESTING	(2 * RST_SHALLOW_NESTING)
/* For what functions call: reporting an error takes half of it. */
#define DEEP_STACK	4096ul

bool rst_may_nest_deeper(struct rst_context *c, const char *location)
{
	unsigned long left = current_stack_pointer - (unsigned long)current->stack;

	if (c->nesting >= c->maximum_nesting)
		rst_fail(c, "MAXNESTING exceeded", location);
	else if (left < THREAD_SIZE ? left < max(DEEP_STACK, rst_limits.minimum_stack) :
				      c->nesting >= DEEP_NESTING)
		rst_fail(c, "no stack left for another function", location);
	else
		return true;
	return false;
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

/* What the fast path cannot decide. False: it has given the interrupts back. */
bool rst_admit(const struct rst_probe *probe, struct rst_context *c, unsigned long flags)
{
	struct rst_cpu *cpu = rst_cpu_of(c);

	if (READ_ONCE(rst_state) != RST_STATE_RUNNING || c->is_stopped || probe->closed)
		goto refused;
	if (c->busy || c->is_guarded) {
		rst_count_skip(probe->state, cpu, in_nmi() ? RST_SKIP_NMI : RST_SKIP_REENTRANT);
		goto refused;
	}
	if (stack_is_low()) {
		rst_count_skip(probe->state, cpu, RST_SKIP_LOW_STACK);
		goto refused;
	}
	/* before anything else is written: an NMI may come */
	WRITE_ONCE(c->busy, 1);
	barrier();
	if (c->is_sampled) {
		c->is_sampled = 0;
		cpu->entered = get_cycles();
	}
	return true;
refused:
	rst_irq_restore(flags);
	return false;
}

/* ---- process context -------------------------------------------------------------- */

struct rst_context *rst_enter_process(struct rst_probe_state *state)
{
	struct rst_context *c;
	struct rst_cpu *cpu;

	preempt_disable_notrace();
	cpu = this_cpu_ptr(rst_cpus);
	c = &cpu->context;
	if (READ_ONCE(c->busy)) {
		/* a handler cannot be interrupted by process context */
		preempt_enable_notrace();
		return NULL;
	}
	rst_claim(c, state->probe);
	c->regs = NULL;
	c->saved = NULL;
	c->address = 0;
	if (rst_limits.has_timing)
		cpu->entered = get_cycles();
	return c;
}

void rst_leave_process(struct rst_context *c, unsigned int index)
{
	/* begin and end may take as long as they like: no overload */
	rst_cpu_of(c)->interval_cycles = 0;
	rst_release(c, index);
	preempt_enable_notrace();
}

/* ---- measuring and overload ----------------------------------------------------------------------- */

static void account(struct rst_cpu *cpu, struct rst_counters *counters);

/*
 * runs_to_sample has fallen below 0: either this run was measured, or the next
 * one shall be, which the gate tells it.
 */
void rst_sample(struct rst_context *c, unsigned int index)
{
	struct rst_cpu *cpu = rst_cpu_of(c);

	if (!rst_limits.sample_every) {
		c->runs_to_sample = INT_MAX;
		return;
	}
	c->runs_to_sample = 0;
	if (cpu->entered) {
		account(cpu, &cpu->counters[index]);
		c->runs_to_sample = rst_limits.sample_every - 1;
		if (c->runs_to_sample)
			return;
	}
	c->is_sampled = 1;
}

static void account(struct rst_cpu *cpu, struct rst_counters *counters)
{
	uint64_t now = get_cycles();
	uint64_t spent = now - cpu->entered;
	uint64_t intervals;

	cpu->entered = 0;
	if (rst_limits.has_timing) {
		unsigned __int128 square = (unsigned __int128)spent * spent;
		uint64_t low = counters->squares[0] + (uint64_t)square;

		counters->squares[1] += (uint64_t)(square >> 64) + (low < (uint64_t)square);
		counters->squares[0] = low;
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
	/* hits may be rare: the threshold is for one interval, and more have passed */
	intervals = (now - cpu->interval_start) / rst_limits.overload_interval;
	if (cpu->interval_start && cpu->interval_cycles / intervals > rst_limits.overload_threshold) {
		const struct rst_probe *probe = cpu->context.probe;
		char buffer[512];
		struct rst_text t = { .start = buffer, .size = sizeof(buffer) };

		rst_text_add(&t, "probe overhead (");
		rst_text_add_decimal(&t, cpu->interval_cycles);
		rst_text_add(&t, " cycles) exceeded threshold (");
		rst_text_add_decimal(&t, rst_limits.overload_threshold);
		rst_text_add(&t, " cycles) in last ");
		rst_text_add_decimal(&t, now - cpu->interval_start);
		rst_text_add(&t, " cycles, last in probe ");
		rst_text_add(&t, probe->name);
		rst_text_add(&t, " at ");
		rst_text_add(&t, probe->script_location);
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
	rst_cpu_of(c)->counters[c->probe->index].truncated++;
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
