// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_perf.c - perf.* and timer.profile: a counting event on every CPU that
 * is or comes online, or one that follows a process. Hardware events overflow
 * in an NMI.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/perf_event.h>
#include <linux/pid.h>
#include <linux/sched/task.h>

#include "runtime.h"

struct perf_probe {
	struct rst_probe_state *state;
	int error;
	struct perf_event *task_event;
	struct perf_event *events[];	/* by CPU */
};

static int hotplug_state;

static void perf_hit(struct perf_event *event, struct perf_sample_data *data, struct pt_regs *regs)
{
	rst_hit(event->overflow_handler_context, regs);
}

static struct perf_event *create_event(struct rst_probe_state *state, int cpu,
				       struct task_struct *task)
{
	const struct rst_probe *probe = state->probe;
	struct perf_event_attr attributes = {
		.type = probe->perf_type,
		.config = probe->perf_config,
		.size = sizeof(attributes),
		.disabled = state->is_off,
	};

	if (probe->perf_is_frequency) {
		attributes.freq = 1;
		attributes.sample_freq = probe->perf_period;
	} else {
		attributes.sample_period = probe->perf_period;
	}
	return perf_event_create_kernel_counter(&attributes, cpu, task, perf_hit, state);
}

static bool perf_belongs(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_PERF;
}

static int on_cpu_online(unsigned int cpu)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		struct perf_probe *this = state->mechanism;
		struct perf_event *event;

		if (!perf_belongs(state) || !this || state->probe->pid)
			continue;
		event = create_event(state, cpu, NULL);
		if (IS_ERR(event)) {
			this->error = PTR_ERR(event);
			continue;
		}
		this->events[cpu] = event;
		state->is_armed = true;
	}
	return 0;
}

static int on_cpu_offline(unsigned int cpu)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		struct perf_probe *this = state->mechanism;

		if (!perf_belongs(state) || !this || !this->events[cpu])
			continue;
		perf_event_release_kernel(this->events[cpu]);
		this->events[cpu] = NULL;
	}
	return 0;
}

static void follow_process(struct rst_probe_state *state)
{
	struct perf_probe *this = state->mechanism;
	struct pid *pid = find_get_pid(state->probe->pid);
	struct task_struct *task = pid ? get_pid_task(pid, PIDTYPE_PID) : NULL;
	struct perf_event *event;

	put_pid(pid);
	this->error = -ESRCH;
	if (!task)
		return;
	event = create_event(state, -1, task);
	put_task_struct(task);
	if (IS_ERR(event)) {
		this->error = PTR_ERR(event);
		return;
	}
	this->task_event = event;
	state->is_armed = true;
}

static void perf_switch(struct perf_event *event, bool on)
{
	if (on)
		perf_event_enable(event);
	else
		perf_event_disable(event);
}

static int perf_set(struct rst_probe_state *state, bool on)
{
	struct perf_probe *this = state->mechanism;
	unsigned int cpu;

	if (this->task_event)
		perf_switch(this->task_event, on);
	/* no CPU comes or goes between here and its new event */
	cpus_read_lock();
	for_each_online_cpu(cpu)
		if (this->events[cpu])
			perf_switch(this->events[cpu], on);
	state->is_off = !on;
	cpus_read_unlock();
	return 0;
}

static int perf_arm(void)
{
	struct rst_probe_state *state;
	bool any = false;
	int result;

	rst_for_each_probe(state) {
		struct perf_probe *this;

		if (!perf_belongs(state))
			continue;
		this = rst_allocate(sizeof(*this) + rst_cpu_count * sizeof(this->events[0]));
		if (!this)
			return -ENOMEM;
		this->state = state;
		state->mechanism = this;
		any = true;
		if (state->probe->pid)
			follow_process(state);
	}
	if (!any)
		return 0;
	result = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "rstap/perf:online", on_cpu_online,
				   on_cpu_offline);
	if (result < 0)
		return result;
	hotplug_state = result;
	rst_for_each_probe(state)
		if (perf_belongs(state) && !state->is_armed)
			rst_probe_failed(state, ((struct perf_probe *)state->mechanism)->error);
	return 0;
}

static void perf_disarm(void)
{
	struct rst_probe_state *state;

	/* calls on_cpu_offline() for every CPU */
	if (hotplug_state > 0)
		cpuhp_remove_state(hotplug_state);
	hotplug_state = 0;
	rst_for_each_probe(state) {
		struct perf_probe *this = state->mechanism;

		if (!perf_belongs(state) || !this)
			continue;
		if (this->task_event)
			perf_event_release_kernel(this->task_event);
		rst_free(this);
		state->mechanism = NULL;
		state->is_armed = false;
	}
}

const struct rst_mechanism rst_perf_mechanism = {
	.name = "perf",
	.set = perf_set,
	.arm = perf_arm,
	.disarm = perf_disarm,
};
