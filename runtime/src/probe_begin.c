// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_begin.c - begin, end and error probes: run one after the other in
 * process context, in order of their sequence numbers, ties as written.
 */
#include <linux/sched.h>

#include "runtime.h"

static bool may_run(enum rst_probe_kind kind)
{
	int state = READ_ONCE(rst_state);

	if (kind == RST_PROBE_BEGIN)
		return state == RST_STATE_STARTING;
	if (kind == RST_PROBE_ERROR)
		return true;
	return state != RST_STATE_ERROR;
}

static void run_one(struct rst_probe_state *state)
{
	struct rst_context *c = rst_enter_process(state);

	if (!c)
		return;
	rst_cpu_of(c)->is_patient = true;
	state->handler(c);
	rst_flush(c);
	rst_cpu_of(c)->is_patient = false;
	rst_leave_process(c, state->index);
}

void rst_run_kind(enum rst_probe_kind kind)
{
	int64_t sequence = S64_MIN;
	bool more = true;

	/* few begin probes exist: a pass for each sequence number does */
	while (more) {
		int64_t next = S64_MAX;
		struct rst_probe_state *state;

		more = false;
		rst_for_each_probe(state) {
			struct rst_probe *probe = state->probe;

			if (probe->kind != kind)
				continue;
			if (probe->sequence == sequence) {
				if (!may_run(kind))
					return;
				if (!state->probe->closed)
					run_one(state);
				/* some hundred of them may take seconds */
				cond_resched();
			} else if (probe->sequence > sequence && probe->sequence <= next) {
				next = probe->sequence;
				more = true;
			}
		}
		sequence = next;
	}
}
