// SPDX-License-Identifier: GPL-2.0-or-later
/* probe_uprobe.c - instructions and returns of functions in user space, by file and offset. */
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/uprobes.h>

#include "runtime.h"
#include "compat.h"
#include "target.h"

/*
 * Calls under way of a function whose return probe keeps values of the entry.
 * A call is known by its thread and by where its return address is. Calls that
 * never return (longjmp, exit) stay until their place is needed: the oldest goes.
 */
struct call {
	struct hlist_node node;		/* in its bucket */
	struct list_head age;		/* in calls or unused */
	const struct task_struct *task;	/* compared only */
	unsigned long stack;
	uint64_t saved[];
};

#define CALL_BUCKET_BITS 8
#define CALLS_PER_CPU 64

struct calls {
	raw_spinlock_t lock;
	struct list_head under_way;	/* oldest first */
	struct list_head unused;
	uint64_t lost;
	void *memory;
	struct hlist_head buckets[1 << CALL_BUCKET_BITS];
};

struct user_probe {
	struct rst_probe_state *state;
	struct calls *calls;		/* NULL: nothing to keep */
	struct uprobe_consumer consumer;
	struct rst_file file;
	struct rst_file program;	/* probe->program; no inode: any */
	struct uprobe *uprobe;		/* kernels that give a handle */
};

/* ---- calls under way ------------------------------------------------------- */

static struct calls *calls_create(const struct rst_probe *probe)
{
	unsigned int count = probe->maxactive > 0 ? probe->maxactive :
						    CALLS_PER_CPU * num_possible_cpus();
	size_t size = sizeof(struct call) + ALIGN(probe->saved_size, sizeof(uint64_t));
	struct calls *this = rst_allocate(sizeof(*this));
	unsigned int i;

	if (!this)
		return NULL;
	this->memory = rst_allocate(size * count);
	if (!this->memory) {
		rst_free(this);
		return NULL;
	}
	raw_spin_lock_init(&this->lock);
	INIT_LIST_HEAD(&this->under_way);
	INIT_LIST_HEAD(&this->unused);
	for (i = 0; i < count; i++) {
		struct call *call = this->memory + size * i;

		list_add_tail(&call->age, &this->unused);
	}
	return this;
}

static void calls_destroy(struct calls *this)
{
	if (!this)
		return;
	rst_free(this->memory);
	rst_free(this);
}

static struct hlist_head *uprobe_bucket_of(struct calls *this, unsigned long stack)
{
	return &this->buckets[hash_long(stack ^ (unsigned long)current, CALL_BUCKET_BITS)];
}

/* Out of the lists: until it is put back, it belongs to the caller. */
static struct call *call_take(struct calls *this, unsigned long stack)
{
	struct call *call, *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&this->lock, flags);
	hlist_for_each_entry(call, uprobe_bucket_of(this, stack), node) {
		if (call->task != current || call->stack != stack)
			continue;
		hlist_del(&call->node);
		list_del(&call->age);
		found = call;
		break;
	}
	raw_spin_unlock_irqrestore(&this->lock, flags);
	return found;
}

static struct call *call_allocate(struct calls *this)
{
	struct call *call = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&this->lock, flags);
	if (!list_empty(&this->unused)) {
		call = list_first_entry(&this->unused, struct call, age);
		list_del(&call->age);
	} else if (!list_empty(&this->under_way)) {
		call = list_first_entry(&this->under_way, struct call, age);
		list_del(&call->age);
		hlist_del(&call->node);
		this->lost++;
	} else {
		this->lost++;
	}
	raw_spin_unlock_irqrestore(&this->lock, flags);
	return call;
}

static void call_insert(struct calls *this, struct call *call, unsigned long stack)
{
	unsigned long flags;

	call->task = current;
	call->stack = stack;
	raw_spin_lock_irqsave(&this->lock, flags);
	list_add_tail(&call->age, &this->under_way);
	hlist_add_head(&call->node, uprobe_bucket_of(this, stack));
	raw_spin_unlock_irqrestore(&this->lock, flags);
}

static void call_release(struct calls *this, struct call *call)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&this->lock, flags);
	list_add(&call->age, &this->unused);
	raw_spin_unlock_irqrestore(&this->lock, flags);
}

/* ---- hits ------------------------------------------------------------------- */

static bool uprobe_is_wanted(const struct user_probe *this)
{
	return rst_is_target(this->state->probe) && rst_runs_file(this->program.inode);
}

static void uprobe_run(struct user_probe *this, struct pt_regs *regs, unsigned long function)
{
	struct rst_probe_state *state = this->state;
	struct rst_context *c;
	unsigned long flags;

	if (!uprobe_is_wanted(this))
		return;
	if (!rst_enter(state, regs, &c, &flags))
		return;
	c->user_mode = true;
	c->is_return = function != 0;
	c->address = function ? function : instruction_pointer(regs);
	if (function)
		c->return_address = instruction_pointer(regs);
	state->handler(c);
	rst_leave(c, state->index, flags);
}

/* Keeps values of the entry; without them the return is not worth catching. */
static void run_entry(struct user_probe *this, struct pt_regs *regs)
{
	struct rst_probe_state *state = this->state;
	unsigned long stack = user_stack_pointer(regs);
	struct rst_context *c;
	unsigned long flags;
	struct call *call;

	if (!uprobe_is_wanted(this))
		return;
	/* one that never returned left its place to this one */
	call = call_take(this->calls, stack);
	if (!call)
		call = call_allocate(this->calls);
	if (!call)
		return;
	if (!rst_enter(state, regs, &c, &flags)) {
		call_release(this->calls, call);
		return;
	}
	c->user_mode = true;
	c->address = instruction_pointer(regs);
	c->saved = call->saved;
	c->saved_size = state->probe->saved_size;
	memset(call->saved, 0, state->probe->saved_size);
	state->probe->entry_handler(c);
	c->saved = NULL;
	/* the slot behind the last probe: a hit of this one is its return */
	rst_leave(c, rst_script.probe_count, flags);
	call_insert(this->calls, call, stack);
}

static void run_return(struct user_probe *this, struct pt_regs *regs, unsigned long function)
{
	struct rst_probe_state *state = this->state;
	struct rst_context *c;
	unsigned long flags;
	struct call *call;

	if (!uprobe_is_wanted(this))
		return;
	/* the return instruction took the address from the stack */
	call = call_take(this->calls, user_stack_pointer(regs) - sizeof(long));
	if (!call)
		return;
	if (rst_enter(state, regs, &c, &flags)) {
		c->user_mode = true;
		c->is_return = true;
		c->address = function;
		c->return_address = instruction_pointer(regs);
		c->saved = call->saved;
		c->saved_size = state->probe->saved_size;
		state->handler(c);
		c->saved = NULL;
		rst_leave(c, state->index, flags);
	}
	call_release(this->calls, call);
}

static int hit_entry(struct uprobe_consumer *consumer, struct pt_regs *regs RST_UPROBE_DATA)
{
	run_entry(container_of(consumer, struct user_probe, consumer), regs);
	return 0;
}

static int uprobe_hit(struct uprobe_consumer *consumer, struct pt_regs *regs RST_UPROBE_DATA)
{
	uprobe_run(container_of(consumer, struct user_probe, consumer), regs, 0);
	return 0;
}

static int hit_return(struct uprobe_consumer *consumer, unsigned long function,
		      struct pt_regs *regs RST_UPROBE_DATA)
{
	struct user_probe *this = container_of(consumer, struct user_probe, consumer);

	if (this->calls)
		run_return(this, regs, function);
	else
		uprobe_run(this, regs, function);
	return 0;
}

static int uprobe_attach(struct user_probe *this)
{
	const struct rst_probe *probe = this->state->probe;

	return rst_uprobe_register(&this->uprobe, this->file.inode, probe->offset,
				   probe->reference_counter, &this->consumer);
}

static void uprobe_detach(struct user_probe *this)
{
	rst_uprobe_unregister(this->uprobe, this->file.inode, this->state->probe->offset,
			      &this->consumer);
}

static int uprobe_set(struct rst_probe_state *state, bool on)
{
	struct user_probe *this = state->mechanism;

	if (on)
		return uprobe_attach(this);
	rst_uprobe_before_unregister(this->file.inode);
	uprobe_detach(this);
	rst_uprobe_wait();
	return 0;
}

static int uprobe_arm_one(struct rst_probe_state *state)
{
	const struct rst_probe *probe = state->probe;
	struct user_probe *this;
	int error;

	if (!probe->path)
		return -EINVAL;
	this = rst_allocate(sizeof(*this));
	if (!this)
		return -ENOMEM;
	error = rst_file_open(&this->file, probe->path, rst_mapped_inode);
	if (!error)
		error = rst_file_open(&this->program, probe->program, rst_program_inode);
	this->state = state;
	if (probe->kind == RST_PROBE_USER_RETURN)
		this->consumer.ret_handler = hit_return;
	else
		this->consumer.handler = uprobe_hit;
	if (!error && probe->kind == RST_PROBE_USER_RETURN && probe->entry_handler) {
		this->consumer.handler = hit_entry;
		this->calls = calls_create(probe);
		error = this->calls ? 0 : -ENOMEM;
	}
	if (!error)
		error = uprobe_attach(this);
	if (error) {
		calls_destroy(this->calls);
		rst_file_close(&this->program);
		rst_file_close(&this->file);
		rst_free(this);
		return error;
	}
	state->mechanism = this;
	state->is_armed = true;
	return 0;
}

static bool uprobe_belongs(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_USER || state->probe->kind == RST_PROBE_USER_RETURN;
}

static int uprobe_arm(void)
{
	unsigned int i = rst_script.probe_count;

	/* of several at one place, that which came last is called first */
	while (i--) {
		struct rst_probe_state *state = &rst_states[i];
		int error;

		if (!uprobe_belongs(state))
			continue;
		error = uprobe_arm_one(state);
		if (error)
			rst_probe_failed(state, error);
		/* the programs' own processes may wait for this CPU */
		cond_resched();
	}
	return 0;
}

static void uprobe_disarm(void)
{
	struct rst_probe_state *state;
	bool any = false;

	rst_for_each_probe(state) {
		struct user_probe *this = state->mechanism;

		if (!uprobe_belongs(state) || !this || !state->is_armed)
			continue;
		state->is_armed = false;
		if (state->is_off)
			continue;
		if (!any)
			rst_uprobe_before_unregister(this->file.inode);
		any = true;
		uprobe_detach(this);
		cond_resched();
	}
	if (any)
		rst_uprobe_wait();
}

/* After the account, which asks for lost calls. */
static void uprobe_release(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		struct user_probe *this = state->mechanism;

		if (!uprobe_belongs(state) || !this)
			continue;
		rst_file_close(&this->program);
		rst_file_close(&this->file);
		calls_destroy(this->calls);
		rst_free(this);
		state->mechanism = NULL;
	}
}

static uint64_t uprobe_missed(struct rst_probe_state *state)
{
	struct user_probe *this = state->mechanism;

	return uprobe_belongs(state) && this && this->calls ? this->calls->lost : 0;
}

const struct rst_mechanism rst_uprobe_mechanism = {
	.name = "user-space",
	.set = uprobe_set,
	.arm = uprobe_arm,
	.disarm = uprobe_disarm,
	.missed = uprobe_missed,
	.release = uprobe_release,
};
