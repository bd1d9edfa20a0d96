// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_perf.c - perf.*, timer.profile, kernel.data() and process.data(): an event on every
 * CPU that is or comes online, or one in each thread of a process. Hardware events
 * overflow in an NMI; those of data are hardware breakpoints.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/hw_breakpoint.h>
#include <linux/llist.h>
#include <linux/perf_event.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/tracepoint.h>

#include "runtime.h"
#include "target.h"

/* An event in one thread. It stays until the end, and so does the thread's task_struct. */
struct followed {
	struct hlist_node node;		/* counters: in followed_buckets */
	struct list_head all;		/* in its probe's events */
	struct task_struct *task;
	struct perf_event *event;
	const struct rst_probe_state *state;
};

#define FOLLOWED_BITS 6
#define FOLLOWED_MAXIMUM 4096

static struct hlist_head followed_buckets[1 << FOLLOWED_BITS];
static unsigned int followed_count;
static DEFINE_MUTEX(followed_mutex);	/* changes of what is followed */

/* A thread that has just begun; its events are made in process context. */
struct new_thread {
	struct llist_node node;
	struct task_struct *task;
};

static LLIST_HEAD(new_threads);
static struct tracepoint *fork_tracepoint;
static void follow_new_threads(struct work_struct *work);
static DECLARE_WORK(follow_work, follow_new_threads);

struct perf_probe {
	struct rst_probe_state *state;
	int error;
	struct rst_file file;		/* probe->path; no inode: any program */
	struct list_head followed;
	struct perf_event *events[];	/* by CPU, under cpus_mutex */
};

/*
 * Events of CPUs that come and go. Making or releasing one may take the lock that
 * is held for writing while a CPU does so: the callback leaves it to a work queue.
 */
static DEFINE_MUTEX(cpus_mutex);
static struct cpumask cpus_new;		/* the kernel took what events they had, for good */
static int hotplug_state;
static void follow_cpus(struct work_struct *work);
static DECLARE_WORK(cpus_work, follow_cpus);

static bool is_kernel_data(const struct rst_probe *probe)
{
	return probe->kind == RST_PROBE_BREAKPOINT;
}

static bool is_user_data(const struct rst_probe *probe)
{
	return probe->kind == RST_PROBE_PERF && probe->breakpoint_length;
}

static void perf_hit(struct perf_event *event, struct perf_sample_data *data, struct pt_regs *regs)
{
	struct rst_probe_state *state = event->overflow_handler_context;
	struct perf_probe *this = state->mechanism;

	if (this->file.inode && !rst_runs_file(this->file.inode))
		return;
	/* the kernel clears the variables of a program that is not there yet */
	if (is_user_data(state->probe) && current->in_execve)
		return;
	rst_hit(state, regs);
}

/* Whether its events are in threads, not on CPUs. */
static bool follows_threads(const struct rst_probe *probe)
{
	return probe->pid || probe->perf_counter || is_user_data(probe) ||
	       (probe->path && rst_target_pid);
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

static void describe_breakpoint(const struct rst_probe *probe, struct perf_event_attr *attributes)
{
	hw_breakpoint_init(attributes);
	attributes->bp_addr = rst_address_of(probe);
	attributes->bp_len = length_type(probe->breakpoint_length);
	attributes->bp_type = probe->breakpoint_reads ? HW_BREAKPOINT_RW : HW_BREAKPOINT_W;
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

	if (probe->perf_counter)
		return perf_event_create_kernel_counter(&attributes, cpu, task, NULL, NULL);
	if (probe->breakpoint_length) {
		describe_breakpoint(probe, &attributes);
		attributes.disabled = state->is_off;
	}
	/* threads and processes that it starts */
	attributes.inherit = task != NULL;
	if (probe->breakpoint_length)
		return perf_event_create_kernel_counter(&attributes, cpu, task, perf_hit, state);
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
	return state->probe->kind == RST_PROBE_PERF || is_kernel_data(state->probe);
}

static void release_event(struct perf_probe *this, unsigned int cpu)
{
	if (this->events[cpu])
		perf_event_release_kernel(this->events[cpu]);
	this->events[cpu] = NULL;
}

static void release_events(struct perf_probe *this)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		release_event(this, cpu);
}

static void make_event(struct perf_probe *this, unsigned int cpu)
{
	struct perf_event *event = create_event(this->state, cpu, NULL);

	if (IS_ERR(event)) {
		this->error = PTR_ERR(event);
		return;
	}
	this->events[cpu] = event;
	this->state->is_armed = true;
}

/* A CPU that goes meanwhile is refused an event (-ENODEV), one that comes asks for it again. */
static bool has_failed(const struct perf_probe *this)
{
	return this->error && this->error != -ENODEV;
}

/* The debug registers of kernel data that nobody wants to know of are free for others. */
static bool leaves_registers(const struct rst_probe_state *state)
{
	return is_kernel_data(state->probe) && state->is_off;
}

static void follow_cpus(struct work_struct *work)
{
	struct rst_probe_state *state;
	unsigned int cpu;

	mutex_lock(&cpus_mutex);
	for_each_possible_cpu(cpu) {
		bool is_new = cpumask_test_and_clear_cpu(cpu, &cpus_new);

		rst_for_each_probe(state) {
			struct perf_probe *this = state->mechanism;

			if (!perf_belongs(state) || !this || follows_threads(state->probe) ||
			    has_failed(this))
				continue;
			if (is_new)
				release_event(this, cpu);
			if (!cpu_online(cpu) || this->events[cpu] || leaves_registers(state))
				continue;
			make_event(this, cpu);
			/* perf_arm() looks itself */
			if (work && has_failed(this))
				rst_probe_failed(state, this->error);
		}
	}
	mutex_unlock(&cpus_mutex);
}

static int on_cpu_online(unsigned int cpu)
{
	cpumask_set_cpu(cpu, &cpus_new);
	schedule_work(&cpus_work);
	return 0;
}

static int follow_thread(struct rst_probe_state *state, struct task_struct *task)
{
	struct perf_probe *this = state->mechanism;
	struct followed *followed;

	if (followed_count >= FOLLOWED_MAXIMUM)
		return -ENOSPC;
	followed = rst_allocate(sizeof(*followed));
	if (!followed)
		return -ENOMEM;
	followed->event = create_event(state, -1, task);
	if (IS_ERR(followed->event)) {
		int error = PTR_ERR(followed->event);

		rst_free(followed);
		return error;
	}
	get_task_struct(task);
	followed->task = task;
	followed->state = state;
	mutex_lock(&followed_mutex);
	list_add(&followed->all, &this->followed);
	hlist_add_head_rcu(&followed->node, &followed_buckets[hash_ptr(task, FOLLOWED_BITS)]);
	followed_count++;
	mutex_unlock(&followed_mutex);
	state->is_armed = true;
	return 0;
}

/* All threads that a process has now. */
static void follow_process(struct rst_probe_state *state)
{
	struct perf_probe *this = state->mechanism;
	struct task_struct **threads, *thread, *leader;
	unsigned int count = 0, i;

	rcu_read_lock();
	leader = pid_task(find_pid_ns(state->probe->pid ? state->probe->pid : rst_target_pid,
				      &init_pid_ns), PIDTYPE_TGID);
	if (leader)
		get_task_struct(leader);
	rcu_read_unlock();
	this->error = -ESRCH;
	if (!leader)
		return;
	threads = rst_allocate(FOLLOWED_MAXIMUM * sizeof(*threads));
	this->error = threads ? -ESRCH : -ENOMEM;
	rcu_read_lock();
	for_each_thread(leader, thread) {
		if (!threads || count == FOLLOWED_MAXIMUM)
			break;
		get_task_struct(thread);
		threads[count++] = thread;
	}
	rcu_read_unlock();
	for (i = 0; i < count; i++) {
		int error = follow_thread(state, threads[i]);

		if (error && error != -ESRCH)
			this->error = error;
		put_task_struct(threads[i]);
	}
	rst_free(threads);
	put_task_struct(leader);
}

/* Counters are not inherited: what is inherited cannot be read by itself. */
static void on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	static const struct rst_probe any_target;
	struct new_thread *new;

	if (!rst_is_target(&any_target))
		return;
	new = kmalloc(sizeof(*new), GFP_ATOMIC);
	if (!new)
		return;
	get_task_struct(child);
	new->task = child;
	if (llist_add(&new->node, &new_threads))
		schedule_work(&follow_work);
}

static void follow_new_threads(struct work_struct *work)
{
	struct llist_node *nodes = llist_del_all(&new_threads);
	struct new_thread *new, *next;
	struct rst_probe_state *state;

	llist_for_each_entry_safe(new, next, nodes, node) {
		if (READ_ONCE(rst_state) == RST_STATE_RUNNING)
			rst_for_each_probe(state)
				if (perf_belongs(state) && state->mechanism &&
				    state->probe->perf_counter)
					follow_thread(state, new->task);
		put_task_struct(new->task);
		kfree(new);
	}
}

static void find_fork(struct tracepoint *tracepoint, void *unused)
{
	if (!strcmp(tracepoint->name, "sched_process_fork"))
		fork_tracepoint = tracepoint;
}

static void counters_arm(void)
{
	for_each_kernel_tracepoint(find_fork, NULL);
	if (fork_tracepoint && tracepoint_probe_register(fork_tracepoint, on_fork, NULL))
		fork_tracepoint = NULL;
}

static void counters_disarm(void)
{
	if (!fork_tracepoint)
		return;
	tracepoint_probe_unregister(fork_tracepoint, on_fork, NULL);
	tracepoint_synchronize_unregister();
	fork_tracepoint = NULL;
	cancel_work_sync(&follow_work);
	follow_new_threads(NULL);
}

int64_t rst_perf_counter(struct rst_context *c, struct rst_string name)
{
	struct followed *followed;

	/* nothing is taken out while handlers run, and interrupts are off */
	hlist_for_each_entry_rcu_notrace(followed,
					 &followed_buckets[hash_ptr(current, FOLLOWED_BITS)], node) {
		struct perf_event *event = followed->event;

		if (followed->task != current ||
		    strcmp(followed->state->probe->perf_counter ?: "", name.text))
			continue;
		/* runs here: what it has counted since it was last asked */
		if (READ_ONCE(event->oncpu) == smp_processor_id())
			event->pmu->read(event);
		return local64_read(&event->count);
	}
	return 0;
}

static void perf_switch(struct perf_event *event, bool on)
{
	if (on)
		perf_event_enable(event);
	else
		perf_event_disable(event);
}

/* Those who got the debug registers meanwhile may keep them: all CPUs or none. */
static int set_kernel_data(struct perf_probe *this, bool on)
{
	unsigned int cpu;

	release_events(this);
	this->error = 0;
	this->state->is_off = !on;
	for_each_online_cpu(cpu)
		if (on && !has_failed(this))
			make_event(this, cpu);
	if (!has_failed(this))
		return 0;
	release_events(this);
	this->state->is_off = true;
	return this->error;
}

static int perf_set(struct rst_probe_state *state, bool on)
{
	struct perf_probe *this = state->mechanism;
	struct followed *followed;
	unsigned int cpu;
	int error = 0;

	mutex_lock(&followed_mutex);
	list_for_each_entry(followed, &this->followed, all)
		perf_switch(followed->event, on);
	mutex_unlock(&followed_mutex);
	mutex_lock(&cpus_mutex);
	if (is_kernel_data(state->probe)) {
		error = set_kernel_data(this, on);
	} else {
		for_each_possible_cpu(cpu)
			if (this->events[cpu])
				perf_switch(this->events[cpu], on);
		/* what is made from now on begins like this */
		state->is_off = !on;
	}
	mutex_unlock(&cpus_mutex);
	return error;
}

/* It follows some threads of its process, and others it could not. */
static bool misses_threads(const struct rst_probe_state *state)
{
	const struct perf_probe *this = state->mechanism;

	return follows_threads(state->probe) && this->error && this->error != -ESRCH;
}

/* Kernel data that other CPUs could change unseen is not watched at all. */
static void all_or_none(struct rst_probe_state *state)
{
	struct perf_probe *this = state->mechanism;

	if (!is_kernel_data(state->probe) || !has_failed(this))
		return;
	mutex_lock(&cpus_mutex);
	release_events(this);
	state->is_armed = false;
	mutex_unlock(&cpus_mutex);
}

static int perf_arm(void)
{
	struct rst_probe_state *state;
	bool any = false, counts = false;
	int result;

	rst_for_each_probe(state) {
		struct perf_probe *this;

		if (!perf_belongs(state))
			continue;
		this = rst_allocate(sizeof(*this) + rst_cpu_count * sizeof(this->events[0]));
		if (!this)
			return -ENOMEM;
		this->state = state;
		INIT_LIST_HEAD(&this->followed);
		state->mechanism = this;
		any = true;
		this->error = rst_file_open(&this->file, state->probe->path, rst_program_inode);
		if (this->error)
			continue;
		counts |= state->probe->perf_counter != NULL;
		if (follows_threads(state->probe))
			follow_process(state);
		if (is_kernel_data(state->probe)) {
			state->address = rst_address_of(state->probe);
			this->error = state->address ? 0 : -ENOENT;
		}
	}
	if (!any)
		return 0;
	if (counts)
		counters_arm();
	cpumask_clear(&cpus_new);
	result = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "rstap/perf:online", on_cpu_online,
					   NULL);
	if (result < 0)
		return result;
	hotplug_state = result;
	follow_cpus(NULL);
	rst_for_each_probe(state) {
		if (!perf_belongs(state))
			continue;
		all_or_none(state);
		if (!state->is_armed || misses_threads(state))
			rst_probe_failed(state, ((struct perf_probe *)state->mechanism)->error);
	}
	return 0;
}

static void perf_disarm(void)
{
	struct rst_probe_state *state;

	if (hotplug_state > 0)
		cpuhp_remove_state_nocalls(hotplug_state);
	hotplug_state = 0;
	cancel_work_sync(&cpus_work);
	counters_disarm();
	rst_for_each_probe(state) {
		struct perf_probe *this = state->mechanism;
		struct followed *followed, *next;

		if (!perf_belongs(state) || !this)
			continue;
		list_for_each_entry_safe(followed, next, &this->followed, all) {
			hlist_del_rcu(&followed->node);
			perf_event_release_kernel(followed->event);
			put_task_struct(followed->task);
			rst_free(followed);
			followed_count--;
		}
		release_events(this);
		rst_file_close(&this->file);
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
