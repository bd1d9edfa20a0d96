// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session.c - from START to ENDED: what exists, what is armed, what state the
 * handlers see. All of it runs in process context under one mutex, but for the
 * requests to stop, which come from handlers.
 */
#include <linux/rcupdate.h>

#include "runtime.h"
#include "transport.h"

int rst_state = RST_STATE_LOADED;
struct rst_probe_state *rst_states;
int64_t rst_target_pid;
DEFINE_MUTEX(rst_session_mutex);
atomic64_t rst_error_count = ATOMIC64_INIT(0);
atomic64_t rst_suppressed_count = ATOMIC64_INIT(0);

static const struct rst_mechanism *const mechanisms[] = {
	&rst_ftrace_mechanism,	  &rst_kprobe_mechanism,     &rst_return_mechanism,
	&rst_tracepoint_mechanism, &rst_uprobe_mechanism,    &rst_task_mechanism,
	&rst_perf_mechanism,	  &rst_netfilter_mechanism,  &rst_procfs_mechanism,
	&rst_timer_mechanism,
};

static unsigned int armed_mechanisms;

/* ---- creation ----------------------------------------------------------------- */

static int create_string_parameters(void)
{
	unsigned int i;

	for (i = 0; i < rst_script.parameter_count; i++) {
		struct rst_parameter *parameter = &rst_script.parameters[i];
		struct rst_string_variable *variable = parameter->value;

		if (parameter->type == RST_STRING && !variable->text)
			pr_warn("%s: no storage for string global %s\n", THIS_MODULE->name,
				parameter->name);
	}
	return 0;
}

int rst_session_create(void)
{
	unsigned int i;

	rst_states = rst_allocate(sizeof(*rst_states) * (rst_script.probe_count + 1ul));
	if (!rst_states)
		return -ENOMEM;
	for (i = 0; i < rst_script.probe_count; i++) {
		struct rst_probe *probe = &rst_script.probes[i];

		rst_states[i].probe = probe;
		rst_states[i].handler = probe->handler;
		rst_states[i].index = i;
		probe->index = i;
		probe->state = &rst_states[i];
	}
	rst_growth_prepare();
	for (i = 0; i < rst_script.map_count; i++) {
		struct rst_map_spec *spec = &rst_script.maps[i];

		*spec->map = rst_map_create(spec, rst_script.string_size, rst_cpu_count);
		if (!*spec->map)
			return -ENOMEM;
	}
	for (i = 0; i < rst_script.stat_count; i++) {
		struct rst_stat_variable_spec *spec = &rst_script.stats[i];

		*spec->variable = rst_stat_create(&spec->spec, rst_cpu_count);
		if (!*spec->variable)
			return -ENOMEM;
	}
	if (rst_script.initialise)
		rst_script.initialise();
	rst_guru_prepare();
	if (rst_user_files_open())
		return -ENOMEM;
	return create_string_parameters();
}

void rst_session_destroy(void)
{
	unsigned int i;

	rst_growth_destroy();
	for (i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (mechanisms[i]->release)
			mechanisms[i]->release();
	for (i = 0; i < rst_script.map_count; i++) {
		rst_map_destroy(*rst_script.maps[i].map);
		*rst_script.maps[i].map = NULL;
	}
	for (i = 0; i < rst_script.stat_count; i++) {
		rst_stat_destroy(*rst_script.stats[i].variable);
		*rst_script.stats[i].variable = NULL;
	}
	rst_user_files_close();
	rst_guru_destroy();
	rst_free(rst_states);
	rst_states = NULL;
	rst_relocate_destroy();
	rst_namespace_forget();
}

/* ---- ends that come from handlers -------------------------------------------------- */

void rst_session_request_exit(int state)
{
	int now = READ_ONCE(rst_state);

	/* an error outranks an exit() of another CPU, nothing outranks an error */
	while (now < state && now != RST_STATE_LOADED && now != RST_STATE_ENDED) {
		int before = cmpxchg(&rst_state, now, state);

		if (before == now)
			break;
		now = before;
	}
	rst_contexts_stop(true);
	rst_control_post(RST_CONTROL_REQUEST_EXIT, NULL, 0);
}

void rst_session_fail(const char *text, unsigned int length)
{
	rst_control_post(RST_CONTROL_ERROR, text, length);
	rst_session_request_exit(RST_STATE_ERROR);
}

void rst_probe_failed(struct rst_probe_state *state, int error)
{
	state->is_waiting = rst_is_unloaded(state->probe);
	if (state->probe->is_optional || state->is_waiting)
		return;
	if (state->address)
		rst_control_format(RST_CONTROL_WARNING,
				   "probe %s (address 0x%lx) registration error [man warning::pass5] (rc %d)",
				   state->probe->name, state->address, error);
	else
		rst_control_format(RST_CONTROL_WARNING,
				   "probe %s registration error [man warning::pass5] (rc %d)",
				   state->probe->name, error);
}

/* ---- start and stop ------------------------------------------------------------------ */

static bool is_armable(const struct rst_probe *probe)
{
	return probe->kind != RST_PROBE_BEGIN && probe->kind != RST_PROBE_END &&
	       probe->kind != RST_PROBE_ERROR;
}

/* Which mechanism holds a probe's hook: kprobes may have a function that ftrace refused. */
static const struct rst_mechanism *mechanism_of(const struct rst_probe_state *state)
{
	switch (state->probe->kind) {
	case RST_PROBE_FUNCTION:
		return state->mechanism ? &rst_kprobe_mechanism : &rst_ftrace_mechanism;
	case RST_PROBE_ADDRESS:
		return &rst_kprobe_mechanism;
	case RST_PROBE_RETURN:
		return &rst_return_mechanism;
	case RST_PROBE_TRACEPOINT:
		return &rst_tracepoint_mechanism;
	case RST_PROBE_TIMER:
	case RST_PROBE_JIFFIES:
		return &rst_timer_mechanism;
	case RST_PROBE_PERF:
	case RST_PROBE_BREAKPOINT:
		return &rst_perf_mechanism;
	case RST_PROBE_USER:
	case RST_PROBE_USER_RETURN:
		return &rst_uprobe_mechanism;
	case RST_PROBE_NETFILTER:
		return &rst_netfilter_mechanism;
	case RST_PROBE_TASK:
	case RST_PROBE_SYSCALL:
		return &rst_task_mechanism;
	case RST_PROBE_PROCFS_READ:
	case RST_PROBE_PROCFS_WRITE:
		return &rst_procfs_mechanism;
	default:
		return NULL;
	}
}

bool rst_is_switchable(const struct rst_probe_state *state)
{
	const struct rst_mechanism *mechanism = mechanism_of(state);

	return state->is_armed && mechanism && mechanism->set;
}

void rst_conditions_apply(void)
{
	struct rst_probe_state *state;

	rst_ftrace_settle();
	rst_for_each_probe(state) {
		bool closed = READ_ONCE(state->probe->closed);
		int error;

		if (closed == state->is_off || !rst_is_switchable(state))
			continue;
		error = mechanism_of(state)->set(state, !closed);
		if (!error)
			state->is_off = closed;
		else if (!closed)
			rst_probe_failed(state, error);
		/* a gate that moved meanwhile was compared with what the hook was before */
		smp_mb();
		if (!error && READ_ONCE(state->probe->closed) != closed)
			rst_conditions_again();
		cond_resched();
	}
}

/* Called under the session's mutex while it runs. */
void rst_session_module(const char *module, bool comes)
{
	struct rst_probe_state *state;

	if (!comes)
		rst_sections_forget(module);
	rst_for_each_probe(state) {
		const struct rst_mechanism *mechanism = mechanism_of(state);

		if (!state->probe->module || strcmp(state->probe->module, module) || !mechanism ||
		    state->is_armed == comes)
			continue;
		/* ftrace refuses nothing that kprobes would not take by name */
		if (comes && mechanism == &rst_ftrace_mechanism)
			mechanism = &rst_kprobe_mechanism;
		if (!mechanism->module)
			continue;
		mechanism->module(state, comes);
		state->is_waiting = !state->is_armed;
		if (state->is_armed)
			state->is_off = false;
	}
	if (comes)
		rst_conditions_apply();
}

static void disarm_all(void)
{
	while (armed_mechanisms)
		mechanisms[--armed_mechanisms]->disarm();
}

static int arm_all(void)
{
	struct rst_probe_state *state;
	unsigned int wanted = 0, armed = 0;

	for (armed_mechanisms = 0; armed_mechanisms < ARRAY_SIZE(mechanisms);) {
		int error = mechanisms[armed_mechanisms++]->arm();

		if (error) {
			rst_control_format(RST_CONTROL_ERROR, "cannot set up %s probes (rc %d)",
					   mechanisms[armed_mechanisms - 1]->name, error);
			return error;
		}
	}
	rst_for_each_probe(state) {
		if (!is_armable(state->probe) || state->probe->is_optional)
			continue;
		wanted++;
		/* it is armed when its module comes */
		armed += state->is_armed || state->is_waiting;
	}
	if (wanted && !armed) {
		if (wanted == 1)
			rst_control_format(RST_CONTROL_ERROR,
					   "the script's probe could not be armed");
		else
			rst_control_format(RST_CONTROL_ERROR,
					   "none of the script's %u probes could be armed", wanted);
		return -ENOENT;
	}
	return 0;
}

void rst_session_let_run(void)
{
	rst_contexts_stop(false);
	/* a hit may have ended the session before, or while the gates were being opened */
	smp_mb();
	if (READ_ONCE(rst_state) != RST_STATE_RUNNING)
		rst_contexts_stop(true);
}

int rst_session_start(int64_t target)
{
	int error;

	if (rst_state != RST_STATE_LOADED)
		return -EALREADY;
	rst_target_pid = target;
	rst_monitor_started();
	rst_conditions_evaluate();
	WRITE_ONCE(rst_state, RST_STATE_STARTING);
	rst_run_kind(RST_PROBE_BEGIN);
	if (READ_ONCE(rst_state) != RST_STATE_STARTING)
		return 0;	/* exit() or an error in begin: staprun was told */
	rst_conditions_evaluate();
	error = arm_all();
	if (error) {
		rst_session_request_exit(RST_STATE_ERROR);
		return error;
	}
	rst_conditions_apply();
	if (cmpxchg(&rst_state, RST_STATE_STARTING, RST_STATE_RUNNING) == RST_STATE_STARTING)
		rst_session_let_run();
	return 0;
}

void rst_session_stop(bool with_end)
{
	int state = READ_ONCE(rst_state);

	if (state == RST_STATE_ENDED)
		return;
	if (state == RST_STATE_LOADED) {
		WRITE_ONCE(rst_state, RST_STATE_ENDED);
		return;
	}
	/* handlers stop at once, taking the hooks out takes its time */
	if (state != RST_STATE_ERROR)
		cmpxchg(&rst_state, state, RST_STATE_STOPPING);
	rst_contexts_stop(true);
	disarm_all();
	synchronize_rcu();
	if (with_end) {
		/* a handler may have failed while it was being disarmed */
		if (READ_ONCE(rst_state) == RST_STATE_ERROR)
			rst_run_kind(RST_PROBE_ERROR);
		else
			rst_run_kind(RST_PROBE_END);
	}
	WRITE_ONCE(rst_state, RST_STATE_ENDED);
}

/* ---- requests of staprun ------------------------------------------------------------------ */

int rst_session_set(const char *name, const char *value)
{
	unsigned int i;

	if (rst_state != RST_STATE_LOADED)
		return -EBUSY;
	for (i = 0; i < rst_script.parameter_count; i++) {
		struct rst_parameter *parameter = &rst_script.parameters[i];
		struct rst_string_variable *variable = parameter->value;
		unsigned int length = strlen(value);

		if (strcmp(parameter->name, name))
			continue;
		if (parameter->type == RST_LONG)
			return kstrtoll(value, 0, (long long *)parameter->value);
		if (parameter->type != RST_STRING)
			return -EINVAL;
		if (length >= rst_script.string_size)
			return -E2BIG;
		if (!variable->text)
			return -ENOMEM;
		memcpy(variable->text, value, length + 1);
		variable->length = length;
		return 0;
	}
	return -ENOENT;
}

/* All probes but the one that writes arrays for the monitor, who looks on. */
void rst_session_pause(bool paused)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state)
		if (is_armable(state->probe) &&
		    !(state->probe->kind == RST_PROBE_PROCFS_READ &&
		      !strcmp(state->probe->path, "monitor_globals")))
			state->paused = paused;
	rst_conditions_evaluate();
	if (rst_state == RST_STATE_RUNNING)
		rst_conditions_apply();
}

int rst_session_toggle(unsigned int index, bool on)
{
	if (index >= rst_script.probe_count)
		return -EINVAL;
	rst_states[index].paused = !on;
	rst_conditions_evaluate();
	if (rst_state == RST_STATE_RUNNING)
		rst_conditions_apply();
	return 0;
}
