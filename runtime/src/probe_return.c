// SPDX-License-Identifier: GPL-2.0-or-later
/* probe_return.c - function returns, through kretprobes. */
#include <linux/slab.h>

#include "runtime.h"
#include "compat.h"

#define MAXACTIVE_MOST	(1 << 16)

struct return_probe {
	struct kretprobe kretprobe;
	struct rst_probe_state *state;
	char symbol[];
};

static struct return_probe *probe_of(struct kretprobe *kretprobe)
{
	return container_of(kretprobe, struct return_probe, kretprobe);
}

/* Keeps values of the entry; without them the return is not worth catching. */
static int entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct rst_probe_state *state = probe_of(rst_get_kretprobe(instance))->state;
	struct rst_context *c;
	unsigned long flags;

	if (!rst_enter(state, regs, &c, &flags))
		return 1;
	c->saved = (uint64_t *)instance->data;
	c->saved_size = state->probe->saved_size;
	memset(instance->data, 0, state->probe->saved_size);
	state->probe->entry_handler(c);
	/* the slot behind the last probe: a hit of this one is its return */
	c->saved = NULL;
	rst_leave(c, rst_script.probe_count, flags);
	return 0;
}

static int return_hit(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct kretprobe *kretprobe = rst_get_kretprobe(instance);
	struct rst_probe_state *state;
	struct rst_context *c;
	unsigned long flags;

	/* gone: unregistered while this call was under way */
	if (unlikely(!kretprobe))
		return 0;
	state = probe_of(kretprobe)->state;
	if (!rst_enter(state, regs, &c, &flags))
		return 0;
	c->is_return = true;
	c->return_address = rst_get_kretprobe_caller(instance);
	if (state->probe->entry_handler) {
		c->saved = (uint64_t *)instance->data;
		c->saved_size = state->probe->saved_size;
	}
	c->probe_data = instance;
	state->handler(c);
	c->saved = NULL;
	rst_leave(c, state->index, flags);
	return 0;
}

static int return_arm_one(struct rst_probe_state *state)
{
	const struct rst_probe *probe = state->probe;
	const char *module = probe->module ? probe->module : "";
	unsigned int size = probe->symbol ? strlen(probe->symbol) + strlen(module) + 2 : 0;
	struct return_probe *this;
	int error;

	state->address = rst_address_of(probe);
	if (!state->address && !probe->symbol)
		return -ENOENT;
	/* the kernel takes memory for each, whatever programs must go for it */
	if (probe->maxactive < 0 || probe->maxactive > MAXACTIVE_MOST)
		return -E2BIG;
	this = rst_allocate(sizeof(*this) + size);
	if (!this)
		return -ENOMEM;
	this->state = state;
	this->kretprobe.handler = return_hit;
	if (probe->entry_handler) {
		this->kretprobe.entry_handler = entry;
		this->kretprobe.data_size = probe->saved_size;
	}
	this->kretprobe.maxactive = probe->maxactive > 0 ?
					    probe->maxactive :
					    max_t(int, 15, 6 * num_possible_cpus());
	if (state->address) {
		this->kretprobe.kp.addr = (kprobe_opcode_t *)state->address;
	} else {
		snprintf(this->symbol, size, "%s%s%s", module, *module ? ":" : "", probe->symbol);
		this->kretprobe.kp.symbol_name = this->symbol;
		this->kretprobe.kp.offset = probe->symbol_offset;
	}
	error = register_kretprobe(&this->kretprobe);
	if (error) {
		rst_free(this);
		return error;
	}
	/* the kernel steps over an ENDBR, but the function starts before it */
	if (!state->address)
		state->address = (unsigned long)this->kretprobe.kp.addr;
	state->mechanism = this;
	state->is_armed = true;
	return 0;
}

static int return_arm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		int error;

		if (state->probe->kind != RST_PROBE_RETURN)
			continue;
		error = return_arm_one(state);
		if (error)
			rst_probe_failed(state, error);
		cond_resched();
	}
	return 0;
}

static bool return_is_ours(const struct rst_probe_state *state)
{
	return state->mechanism && state->probe->kind == RST_PROBE_RETURN;
}

static void return_disarm(void)
{
	struct rst_probe_state *state;
	struct kretprobe **list;
	unsigned int count = 0;

	list = rst_allocate(sizeof(*list) * (rst_script.probe_count + 1ul));
	rst_for_each_probe(state) {
		struct return_probe *this = state->mechanism;

		if (!return_is_ours(state) || !state->is_armed)
			continue;
		state->is_armed = false;
		if (list)
			list[count++] = &this->kretprobe;
		else
			unregister_kretprobe(&this->kretprobe);
	}
	if (count)
		unregister_kretprobes(list, count);
	rst_free(list);
}

static void return_release(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		if (!return_is_ours(state))
			continue;
		rst_free(state->mechanism);
		state->mechanism = NULL;
	}
}

static uint64_t return_missed(struct rst_probe_state *state)
{
	struct return_probe *this = state->mechanism;

	return return_is_ours(state) ? this->kretprobe.nmissed + this->kretprobe.kp.nmissed : 0;
}

static int return_set(struct rst_probe_state *state, bool on)
{
	struct kretprobe *kretprobe = &((struct return_probe *)state->mechanism)->kretprobe;

	return on ? enable_kretprobe(kretprobe) : disable_kretprobe(kretprobe);
}

static void return_module_changed(struct rst_probe_state *state, bool comes)
{
	struct return_probe *this = state->mechanism;

	if (comes) {
		return_arm_one(state);
		return;
	}
	unregister_kretprobe(&this->kretprobe);
	rst_free(this);
	state->mechanism = NULL;
	state->is_armed = false;
	state->address = 0;
}

const struct rst_mechanism rst_return_mechanism = {
	.name = "return",
	.set = return_set,
	.module = return_module_changed,
	.arm = return_arm,
	.disarm = return_disarm,
	.missed = return_missed,
	.release = return_release,
};
