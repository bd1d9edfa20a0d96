// SPDX-License-Identifier: GPL-2.0-or-later
/* probe_uprobe.c - instructions and returns of functions in user space, by file and offset. */
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/uprobes.h>

#include "runtime.h"
#include "compat.h"
#include "target.h"

struct user_probe {
	struct rst_probe_state *state;
	struct uprobe_consumer consumer;
	struct inode *inode;
#ifdef RST_HAVE_UPROBE_NOSYNC
	struct uprobe *uprobe;
#endif
};

static void run(struct rst_probe_state *state, struct pt_regs *regs, unsigned long function)
{
	struct rst_context *c;
	unsigned long flags;

	if (!rst_is_target(state->probe))
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

#ifdef RST_HAVE_UPROBE_DATA
static int hit(struct uprobe_consumer *consumer, struct pt_regs *regs, __u64 *data)
#else
static int hit(struct uprobe_consumer *consumer, struct pt_regs *regs)
#endif
{
	run(container_of(consumer, struct user_probe, consumer)->state, regs, 0);
	return 0;
}

#ifdef RST_HAVE_UPROBE_DATA
static int hit_return(struct uprobe_consumer *consumer, unsigned long function,
		      struct pt_regs *regs, __u64 *data)
#else
static int hit_return(struct uprobe_consumer *consumer, unsigned long function,
		      struct pt_regs *regs)
#endif
{
	run(container_of(consumer, struct user_probe, consumer)->state, regs, function);
	return 0;
}

static int attach(struct user_probe *this)
{
	const struct rst_probe *probe = this->state->probe;

#ifdef RST_HAVE_UPROBE_NOSYNC
	this->uprobe = uprobe_register(this->inode, probe->offset, probe->reference_counter,
				       &this->consumer);
	return IS_ERR(this->uprobe) ? PTR_ERR(this->uprobe) : 0;
#else
	if (probe->reference_counter)
		return uprobe_register_refctr(this->inode, probe->offset, probe->reference_counter,
					      &this->consumer);
	return uprobe_register(this->inode, probe->offset, &this->consumer);
#endif
}

static int arm_one(struct rst_probe_state *state)
{
	const struct rst_probe *probe = state->probe;
	struct user_probe *this;
	struct path path;
	int error;

	if (!probe->path)
		return -EINVAL;
	error = kern_path(probe->path, LOOKUP_FOLLOW, &path);
	if (error)
		return error;
	this = rst_allocate(sizeof(*this));
	if (!this) {
		path_put(&path);
		return -ENOMEM;
	}
	/* an overlay's file is mapped from the layer below */
	this->inode = igrab(d_real_inode(path.dentry));
	path_put(&path);
	this->state = state;
	if (probe->kind == RST_PROBE_USER_RETURN)
		this->consumer.ret_handler = hit_return;
	else
		this->consumer.handler = hit;
	error = this->inode ? attach(this) : -ENOENT;
	if (error) {
		iput(this->inode);
		rst_free(this);
		return error;
	}
	state->mechanism = this;
	state->is_armed = true;
	return 0;
}

static bool belongs(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_USER || state->probe->kind == RST_PROBE_USER_RETURN;
}

static int arm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		int error;

		if (!belongs(state))
			continue;
		error = arm_one(state);
		if (error)
			rst_probe_failed(state, error);
	}
	return 0;
}

static void disarm(void)
{
	struct rst_probe_state *state;
	bool any = false;

	rst_for_each_probe(state) {
		struct user_probe *this = state->mechanism;

		if (!belongs(state) || !this)
			continue;
		any = true;
#ifdef RST_HAVE_UPROBE_NOSYNC
		uprobe_unregister_nosync(this->uprobe, &this->consumer);
#else
		uprobe_unregister(this->inode, state->probe->offset, &this->consumer);
#endif
	}
#ifdef RST_HAVE_UPROBE_NOSYNC
	if (any)
		uprobe_unregister_sync();
#endif
	if (!any)
		return;
	rst_for_each_probe(state) {
		struct user_probe *this = state->mechanism;

		if (!belongs(state) || !this)
			continue;
		iput(this->inode);
		rst_free(this);
		state->mechanism = NULL;
		state->is_armed = false;
	}
}

const struct rst_mechanism rst_uprobe_mechanism = {
	.name = "user-space",
	.arm = arm,
	.disarm = disarm,
};
