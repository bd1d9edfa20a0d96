// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_task.c - begin and end of processes and threads, and their system
 * calls. A new task is met in its own context, at the start of schedule_tail(), a
 * dying one while it still has its memory (the tracepoint sched_process_exit came
 * after that until 6.15); the rest comes from tracepoints.
 */
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/kprobes.h>
#include <linux/sched/signal.h>
#include <linux/tracepoint.h>
#include <asm/syscall.h>

#include "runtime.h"
#include "target.h"

struct task_probe {
	struct rst_file file;	/* probe->path; no inode: any */
};

static bool task_belongs(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_TASK || state->probe->kind == RST_PROBE_SYSCALL;
}

static bool is_meant(const struct rst_probe_state *state)
{
	const struct task_probe *this = state->mechanism;

	return this && rst_is_target(state->probe) && rst_runs_file(this->file.inode);
}

static void task_run(enum rst_task_event event)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		struct rst_context *c;
		unsigned long flags;

		if (state->probe->kind != RST_PROBE_TASK || state->probe->task_event != event ||
		    !is_meant(state))
			continue;
		if (!rst_enter(state, current_pt_regs(), &c, &flags))
			continue;
		c->user_mode = true;
		state->handler(c);
		rst_leave(c, state->index, flags);
	}
}

/* ---- where events come from ------------------------------------------------------------ */

static int on_new_task(struct kprobe *kprobe, struct pt_regs *regs)
{
	if (!current->mm)
		return 0;
	task_run(thread_group_leader(current) ? RST_TASK_BEGIN : RST_TASK_THREAD_BEGIN);
	return 0;
}

static void on_exec(void *data, struct task_struct *task, pid_t old, struct linux_binprm *program)
{
	task_run(RST_TASK_BEGIN);
}

/*
 * Processes that have ended, as many as may end at once. All threads that end at the same
 * moment have been counted down before the first of them comes here: that one ends the process.
 */
#define ENDED_BITS 8

static struct ended {
	const struct signal_struct *process;	/* compared only */
	uint64_t since;				/* the address may be another's later */
} ended_processes[1 << ENDED_BITS];
static DEFINE_RAW_SPINLOCK(ended_lock);

static bool ends_process(void)
{
	struct ended this = { current->signal, current->group_leader->start_boottime };
	struct ended *place = &ended_processes[hash_ptr(current->signal, ENDED_BITS)];
	unsigned long flags;
	bool is_first;

	if (atomic_read(&current->signal->live))
		return false;
	raw_spin_lock_irqsave(&ended_lock, flags);
	is_first = place->process != this.process || place->since != this.since;
	*place = this;
	raw_spin_unlock_irqrestore(&ended_lock, flags);
	return is_first;
}

static int on_exit(struct kprobe *kprobe, struct pt_regs *regs)
{
	if (!current->mm)
		return 0;
	if (!thread_group_leader(current))
		task_run(RST_TASK_THREAD_END);
	if (ends_process())
		task_run(RST_TASK_END);
	return 0;
}

static void run_syscall(struct pt_regs *regs, enum rst_task_event event, long number)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		struct rst_context *c;
		unsigned long flags;

		if (state->probe->kind != RST_PROBE_SYSCALL || state->probe->task_event != event ||
		    !is_meant(state))
			continue;
		if (!rst_enter(state, regs, &c, &flags))
			continue;
		c->user_mode = true;
		c->arguments[0] = number;
		syscall_get_arguments(current, regs, (unsigned long *)&c->arguments[1]);
		state->handler(c);
		rst_leave(c, state->index, flags);
	}
}

static void on_syscall(void *data, struct pt_regs *regs, long number)
{
	run_syscall(regs, RST_TASK_SYSCALL, number);
}

static void on_syscall_return(void *data, struct pt_regs *regs, long result)
{
	run_syscall(regs, RST_TASK_SYSCALL_RETURN, result);
}

static struct hook {
	struct kprobe kprobe;
	unsigned int events;		/* bits of enum rst_task_event that need it */
	bool is_armed;
} hooks[] = {
	{ { .symbol_name = "schedule_tail", .pre_handler = on_new_task },
	  1 << RST_TASK_BEGIN | 1 << RST_TASK_THREAD_BEGIN },
	{ { .symbol_name = "exit_mm_release", .pre_handler = on_exit },
	  1 << RST_TASK_END | 1 << RST_TASK_THREAD_END },
};

static struct source {
	const char *name;
	void *function;
	unsigned int events;
	bool is_armed;
	struct tracepoint *tracepoint;
} sources[] = {
	{ "sched_process_exec", on_exec, 1 << RST_TASK_BEGIN },
	{ "sys_enter", on_syscall, 1 << RST_TASK_SYSCALL },
	{ "sys_exit", on_syscall_return, 1 << RST_TASK_SYSCALL_RETURN },
};

static void find_tracepoint(struct tracepoint *tracepoint, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strcmp(tracepoint->name, sources[i].name))
			sources[i].tracepoint = tracepoint;
}

/* The events of all probes that are not off. */
static unsigned int events_wanted(void)
{
	struct rst_probe_state *state;
	unsigned int events = 0;

	rst_for_each_probe(state)
		if (task_belongs(state) && state->mechanism && !state->is_off)
			events |= 1u << state->probe->task_event;
	return events;
}

/* Sets the hooks that these events need and takes out the others. */
static void set_hooks(unsigned int events)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		bool wanted = hooks[i].events & events;

		if (wanted && !hooks[i].is_armed) {
			/* what the last time left in it */
			hooks[i].kprobe.addr = NULL;
			hooks[i].kprobe.flags = 0;
			hooks[i].is_armed = register_kprobe(&hooks[i].kprobe) == 0;
		} else if (!wanted && hooks[i].is_armed) {
			unregister_kprobe(&hooks[i].kprobe);
			hooks[i].is_armed = false;
		}
	}
	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		struct source *source = &sources[i];
		bool wanted = source->events & events;

		if (wanted && !source->is_armed && source->tracepoint) {
			source->is_armed = tracepoint_probe_register(source->tracepoint,
								     source->function, NULL) == 0;
		} else if (!wanted && source->is_armed) {
			tracepoint_probe_unregister(source->tracepoint, source->function, NULL);
			source->is_armed = false;
			any = true;
		}
	}
	if (any)
		tracepoint_synchronize_unregister();
}

static int prepare(struct rst_probe_state *state)
{
	struct task_probe *this = rst_allocate(sizeof(*this));
	int error;

	if (!this)
		return -ENOMEM;
	error = rst_file_open(&this->file, state->probe->path, rst_program_inode);
	if (error) {
		rst_free(this);
		return error;
	}
	state->mechanism = this;
	return 0;
}

static bool has_source(int event)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if ((sources[i].events & 1u << event) && sources[i].is_armed)
			return true;
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if ((hooks[i].events & 1u << event) && hooks[i].is_armed)
			return true;
	return false;
}

static int task_set(struct rst_probe_state *state, bool on)
{
	state->is_off = !on;
	set_hooks(events_wanted());
	if (!on || has_source(state->probe->task_event))
		return 0;
	state->is_off = true;
	return -ENOENT;
}

static int task_arm(void)
{
	struct rst_probe_state *state;
	unsigned int events;

	rst_for_each_probe(state) {
		int error;

		if (!task_belongs(state))
			continue;
		error = prepare(state);
		if (error)
			rst_probe_failed(state, error);
	}
	events = events_wanted();
	if (!events)
		return 0;
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	set_hooks(events);
	rst_for_each_probe(state) {
		if (!task_belongs(state) || !state->mechanism)
			continue;
		state->is_armed = has_source(state->probe->task_event);
		if (!state->is_armed)
			rst_probe_failed(state, -ENOENT);
	}
	return 0;
}

static void task_disarm(void)
{
	struct rst_probe_state *state;

	set_hooks(0);
	rst_for_each_probe(state) {
		struct task_probe *this = state->mechanism;

		if (!task_belongs(state) || !this)
			continue;
		rst_file_close(&this->file);
		rst_free(this);
		state->mechanism = NULL;
		state->is_armed = false;
	}
}

const struct rst_mechanism rst_task_mechanism = {
	.name = "process",
	.set = task_set,
	.arm = task_arm,
	.disarm = task_disarm,
};
