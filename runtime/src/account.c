// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * account.c - the final account, line by line as the protocol's SUMMARY says.
 * Made when it is read, so it needs no memory however many probes there are.
 */
#include "runtime.h"
#include "transport.h"

static const char *const skip_names[RST_SKIP_REASONS] = {
	[RST_SKIP_REENTRANT] = "reentrant",
	[RST_SKIP_NMI] = "nmi",
	[RST_SKIP_LOW_STACK] = "low-stack",
	[RST_SKIP_OVERLOAD] = "overload",
};

static void add_number(struct rst_text *t, const char *name, uint64_t value)
{
	rst_text_add(t, name);
	rst_text_add_decimal(t, value);
}

static void add_probe(struct rst_text *t, const struct rst_probe *probe)
{
	rst_text_add(t, " probe=");
	rst_text_add(t, probe->name);
}

/* ---- lines about the whole session: steps 0 to SESSION_LINES - 1 ----------------------- */

#define SESSION_LINES	5

static void session_line(struct rst_text *t, unsigned int line)
{
	uint64_t messages, bytes;

	switch (line) {
	case 0:
		if (atomic64_read(&rst_error_count))
			add_number(t, "kind=errors count=", atomic64_read(&rst_error_count));
		break;
	case 1:
		if (atomic64_read(&rst_suppressed_count))
			add_number(t, "kind=suppressed-errors count=",
				   atomic64_read(&rst_suppressed_count));
		break;
	case 2:
		rst_transport_overwritten(&messages, &bytes);
		if (messages) {
			add_number(t, "kind=lost-output bytes=", bytes);
			add_number(t, " messages=", messages);
		}
		break;
	case 3:
		if (rst_control_lost())
			add_number(t, "kind=lost-messages count=", rst_control_lost());
		break;
	case 4:
		add_number(t, "kind=memory bytes=", rst_allocated_bytes());
		add_number(t, " cpus=", num_possible_cpus());
		break;
	}
}

static const char *const map_troubles[RST_MAP_TROUBLES] = {
	[RST_MAP_OVERFLOW] = "kind=full-map map=",
	[RST_MAP_SHORTAGE] = "kind=short-map map=",
	[RST_MAP_REPLACED] = "kind=replaced-entries map=",
};

static void map_line(struct rst_text *t, const struct rst_map_spec *spec, unsigned int line)
{
	unsigned long count = rst_map_troubles(*spec->map, line);

	if (!count)
		return;
	rst_text_add(t, map_troubles[line]);
	rst_text_add(t, spec->name);
	add_number(t, " count=", count);
}

/* ---- lines about a probe ------------------------------------------------------------------ */

static void skip_line(struct rst_text *t, const struct rst_probe_state *state,
		      enum rst_skip_reason reason)
{
	uint64_t total = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		total += per_cpu_ptr(rst_cpus, cpu)->counters[state->index].skipped[reason];
	if (!total)
		return;
	rst_text_add(t, "kind=skipped reason=");
	rst_text_add(t, skip_names[reason]);
	add_number(t, " count=", total);
	add_probe(t, state->probe);
}

static void truncated_line(struct rst_text *t, const struct rst_probe_state *state)
{
	uint64_t total = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		total += per_cpu_ptr(rst_cpus, cpu)->counters[state->index].truncated;
	if (!total)
		return;
	add_number(t, "kind=truncated-strings count=", total);
	add_probe(t, state->probe);
}

static void lost_line(struct rst_text *t, const struct rst_probe_state *state)
{
	uint64_t messages = 0, bytes = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct rst_counters *counters =
			&per_cpu_ptr(rst_cpus, cpu)->counters[state->index];

		messages += counters->lost_messages;
		bytes += counters->lost_bytes;
	}
	if (!messages)
		return;
	add_number(t, "kind=lost-output bytes=", bytes);
	add_number(t, " messages=", messages);
	add_probe(t, state->probe);
}

static void missed_line(struct rst_text *t, struct rst_probe_state *state, const char *kind,
			const struct rst_mechanism *mechanism)
{
	uint64_t missed = mechanism->missed(state);

	if (!missed)
		return;
	rst_text_add(t, kind);
	add_number(t, " count=", missed);
	add_probe(t, state->probe);
}

/* Each on a line of its own behind the others: the texts may have blanks. */
static void add_place(struct rst_text *t, const struct rst_probe *probe)
{
	rst_text_add(t, "\nplace=");
	rst_text_add(t, probe->script_location);
	if (probe->derivation) {
		rst_text_add(t, "\nfrom=");
		rst_text_add(t, probe->derivation);
	}
}

static void hits_line(struct rst_text *t, const struct rst_probe_state *state)
{
	uint64_t hits = 0, cycles = 0, low = 0, high = 0, minimum = U64_MAX, maximum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct rst_counters *counters =
			&per_cpu_ptr(rst_cpus, cpu)->counters[state->index];

		hits += per_cpu_ptr(rst_cpus, cpu)->context.hits[state->index];
		cycles += counters->cycles;
		low += counters->squares[0];
		high += counters->squares[1] + (low < counters->squares[0]);
		if (counters->minimum_cycles)
			minimum = min(minimum, counters->minimum_cycles);
		maximum = max(maximum, counters->maximum_cycles);
	}
	if (!hits)
		return;
	add_number(t, "kind=probe hits=", hits);
	/* without -t only a sample is measured: no figures rather than wrong ones */
	if (rst_limits.has_timing) {
		add_number(t, " minimum=", maximum ? minimum : 0);
		add_number(t, " average=", cycles / hits);
		add_number(t, " maximum=", maximum);
		add_number(t, " cycles=", cycles);
		add_number(t, " squares_low=", low);
		add_number(t, " squares_high=", high);
	}
	add_number(t, " index=", state->index);
	add_probe(t, state->probe);
	add_place(t, state->probe);
}

#define PROBE_LINES	(RST_SKIP_REASONS + 5)

static void probe_line(struct rst_text *t, struct rst_probe_state *state, unsigned int line)
{
	if (line < RST_SKIP_REASONS)
		skip_line(t, state, line);
	else if (line == RST_SKIP_REASONS)
		missed_line(t, state, "kind=missed-kprobes", &rst_kprobe_mechanism);
	else if (line == RST_SKIP_REASONS + 1)
		missed_line(t, state, "kind=missed-returns",
			    state->probe->kind == RST_PROBE_USER_RETURN ? &rst_uprobe_mechanism :
									  &rst_return_mechanism);
	else if (line == RST_SKIP_REASONS + 2)
		truncated_line(t, state);
	else if (line == RST_SKIP_REASONS + 3)
		lost_line(t, state);
	else
		hits_line(t, state);
}

unsigned int rst_account_line(char *buffer, unsigned int size, unsigned long *step)
{
	unsigned long maps_end = SESSION_LINES + RST_MAP_TROUBLES * rst_script.map_count;
	unsigned long end = maps_end + (unsigned long)rst_script.probe_count * PROBE_LINES;

	while (*step < end) {
		struct rst_text t = { .start = buffer, .size = size };
		unsigned long now = (*step)++;

		buffer[0] = 0;
		if (now < SESSION_LINES)
			session_line(&t, now);
		else if (now < maps_end)
			map_line(&t, &rst_script.maps[(now - SESSION_LINES) / RST_MAP_TROUBLES],
				 (now - SESSION_LINES) % RST_MAP_TROUBLES);
		else
			probe_line(&t, &rst_states[(now - maps_end) / PROBE_LINES],
				   (now - maps_end) % PROBE_LINES);
		if (t.length)
			return t.length;
	}
	return 0;
}
