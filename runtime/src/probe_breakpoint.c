// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_breakpoint.c - kernel.data(): hardware breakpoints on every CPU. Those
 * of process.data() are events of its threads, in probe_perf.c.
 */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>

#include "runtime.h"

static void breakpoint_hit(struct perf_event *event, struct perf_sample_data *data, struct pt_regs *regs)
{
	rst_hit(event->overflow_handler_context, regs);
}

static int length_type(unsigned int length)
{
	switch (length) {
	case 1:
		return HW_BREAKPOINT_LEN_1;
	case 2:
		return HW_BREAKPOINT_LEN_2;
	case 4:
		return HW_BREAKPOINT_LEN_4;
	default:
		return HW_BREAKPOINT_LEN_8;
	}
}

void rst_breakpoint_describe(const struct rst_probe *probe, struct perf_event_attr *attributes)
{
	hw_breakpoint_init(attributes);
	attributes->bp_addr = rst_address_of(probe);
	attributes->bp_len = length_type(probe->breakpoint_length);
	attributes->bp_type = probe->breakpoint_reads ? HW_BREAKPOINT_RW : HW_BREAKPOINT_W;
}

static int breakpoint_arm_one(struct rst_probe_state *state)
{
	const struct rst_probe *probe = state->probe;
	struct perf_event_attr attributes;
	void *generic;

	state->address = rst_address_of(probe);
	if (!state->address)
		return -ENOENT;
	rst_breakpoint_describe(probe, &attributes);
	/* by way of a number: recent kernels give per-CPU pointers an address space of their own */
	generic = (void *)(unsigned long)register_wide_hw_breakpoint(&attributes, breakpoint_hit, state);
	if (IS_ERR(generic))
		return PTR_ERR(generic);
	state->mechanism = generic;
	state->is_armed = true;
	return 0;
}

static void breakpoint_remove(struct rst_probe_state *state)
{
	unregister_wide_hw_breakpoint((struct perf_event *__percpu *)(unsigned long)state->mechanism);
	state->mechanism = NULL;
}

/* The debug register is free for others meanwhile, who may keep it. */
static int breakpoint_set(struct rst_probe_state *state, bool on)
{
	if (on)
		return breakpoint_arm_one(state);
	breakpoint_remove(state);
	return 0;
}

static int breakpoint_arm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		int error;

		if (state->probe->kind != RST_PROBE_BREAKPOINT)
			continue;
		error = breakpoint_arm_one(state);
		if (error)
			rst_probe_failed(state, error);
	}
	return 0;
}

static void breakpoint_disarm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		if (state->probe->kind != RST_PROBE_BREAKPOINT)
			continue;
		if (state->mechanism)
			breakpoint_remove(state);
		state->is_armed = false;
	}
}

const struct rst_mechanism rst_breakpoint_mechanism = {
	.name = "breakpoint",
	.set = breakpoint_set,
	.arm = breakpoint_arm,
	.disarm = breakpoint_disarm,
};
