// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_tracepoint.c - tracepoints of the kernel and of modules that come and
 * go. The function that is called belongs to the script: only it knows the
 * arguments.
 */
#include <linux/tracepoint.h>

#include "runtime.h"

static bool tracepoint_is_watching;
/* A module's tracepoints may go while a condition takes a probe out. */
static DEFINE_MUTEX(attachments);

static bool is_tracepoint(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_TRACEPOINT && state->probe->tracepoint_function;
}

static void tracepoint_attach(struct tracepoint *tracepoint)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		int error;

		if (!is_tracepoint(state) || state->is_armed ||
		    strcmp(state->probe->tracepoint, tracepoint->name))
			continue;
		error = tracepoint_probe_register(tracepoint, state->probe->tracepoint_function,
						  state->probe);
		if (error) {
			rst_probe_failed(state, error);
			continue;
		}
		state->mechanism = tracepoint;
		state->is_armed = true;
		/* a condition may have been at it while the module went */
		state->is_off = false;
	}
}

static void detach(struct rst_probe_state *state)
{
	if (!state->is_off)
		tracepoint_probe_unregister(state->mechanism, state->probe->tracepoint_function,
					    state->probe);
	state->is_off = false;
	state->mechanism = NULL;
	state->is_armed = false;
}

static void attach_kernel(struct tracepoint *tracepoint, void *unused)
{
	tracepoint_attach(tracepoint);
}

static int tracepoint_module_changed(struct notifier_block *block, unsigned long action, void *data)
{
	struct module *module = ((struct tp_module *)data)->mod;
	struct rst_probe_state *state;
	unsigned int i;

	mutex_lock(&attachments);
	for (i = 0; i < module->num_tracepoints; i++) {
		struct tracepoint *tracepoint =
			tracepoint_ptr_deref(&module->tracepoints_ptrs[i]);

		if (action == MODULE_STATE_COMING) {
			tracepoint_attach(tracepoint);
			continue;
		}
		rst_for_each_probe(state)
			if (is_tracepoint(state) && state->mechanism == tracepoint)
				detach(state);
	}
	mutex_unlock(&attachments);
	return NOTIFY_OK;
}

static int tracepoint_set(struct rst_probe_state *state, bool on)
{
	int error = -ENOENT;

	mutex_lock(&attachments);
	if (state->is_armed && on)
		error = tracepoint_probe_register(state->mechanism,
						  state->probe->tracepoint_function, state->probe);
	else if (state->is_armed)
		error = tracepoint_probe_unregister(
			state->mechanism, state->probe->tracepoint_function, state->probe);
	if (!error)
		state->is_off = !on;
	mutex_unlock(&attachments);
	return error;
}

static struct notifier_block tracepoint_watcher = { .notifier_call = tracepoint_module_changed };

static int tracepoint_arm(void)
{
	struct rst_probe_state *state;
	bool wanted = false;

	rst_for_each_probe(state)
		wanted |= is_tracepoint(state);
	if (!wanted)
		return 0;
	for_each_kernel_tracepoint(attach_kernel, NULL);
	/* also tells of the modules that are loaded already */
	tracepoint_is_watching = register_tracepoint_module_notifier(&tracepoint_watcher) == 0;
	rst_for_each_probe(state)
		if (is_tracepoint(state) && !state->is_armed)
			rst_probe_failed(state, -ENOENT);
	return 0;
}

static void tracepoint_disarm(void)
{
	struct rst_probe_state *state;
	bool any = false;

	if (tracepoint_is_watching)
		unregister_tracepoint_module_notifier(&tracepoint_watcher);
	tracepoint_is_watching = false;
	rst_for_each_probe(state) {
		if (!is_tracepoint(state) || !state->is_armed)
			continue;
		detach(state);
		any = true;
	}
	if (any)
		tracepoint_synchronize_unregister();
}

const struct rst_mechanism rst_tracepoint_mechanism = {
	.name = "tracepoint",
	.set = tracepoint_set,
	.arm = tracepoint_arm,
	.disarm = tracepoint_disarm,
};
