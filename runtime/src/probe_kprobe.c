// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_kprobe.c - probes at any instruction, and at functions that have no
 * ftrace site.
 */
#include <linux/slab.h>

#include "runtime.h"
#include "compat.h"

struct kprobe_probe {
	struct kprobe kprobe;
	struct rst_probe_state *state;
	char symbol[];
};

static int kprobe_hit(struct kprobe *kprobe, struct pt_regs *regs)
{
	rst_hit(container_of(kprobe, struct kprobe_probe, kprobe)->state, regs);
	return 0;
}

static bool kprobe_belongs(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_ADDRESS ||
	       (state->probe->kind == RST_PROBE_FUNCTION && !state->is_armed);
}

/* By address where it is known, else by the name of the symbol before it. */
static struct kprobe_probe *create(struct rst_probe_state *state)
{
	const struct rst_probe *probe = state->probe;
	const char *module = probe->module ? probe->module : "";
	unsigned int size = probe->symbol ? strlen(probe->symbol) + strlen(module) + 2 : 0;
	struct kprobe_probe *this;

	state->address = rst_address_of(probe);
	if (!state->address && !probe->symbol)
		return NULL;
	this = rst_allocate(sizeof(*this) + size);
	if (!this)
		return NULL;
	this->state = state;
	this->kprobe.pre_handler = kprobe_hit;
	if (state->address) {
		this->kprobe.addr = (kprobe_opcode_t *)state->address;
		return this;
	}
	snprintf(this->symbol, size, "%s%s%s", module, *module ? ":" : "", probe->symbol);
	this->kprobe.symbol_name = this->symbol;
	this->kprobe.offset = probe->symbol_offset;
	return this;
}

static int kprobe_arm_one(struct rst_probe_state *state)
{
	struct kprobe_probe *this = create(state);
	int error;

	if (!this)
		return -ENOENT;
	error = register_kprobe(&this->kprobe);
	/* some kernels say 0 although arming failed */
	if (!error && kprobe_disabled(&this->kprobe)) {
		unregister_kprobe(&this->kprobe);
		error = -EIO;
	}
	if (error) {
		rst_free(this);
		return error;
	}
	/* the kernel steps over an ENDBR, but the function starts before it */
	if (!state->address)
		state->address = (unsigned long)this->kprobe.addr;
	state->mechanism = this;
	state->is_armed = true;
	return 0;
}

static int kprobe_arm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		int error;

		if (!kprobe_belongs(state))
			continue;
		error = kprobe_arm_one(state);
		if (error)
			rst_probe_failed(state, error);
		cond_resched();
	}
	return 0;
}

static bool kprobe_is_ours(const struct rst_probe_state *state)
{
	return state->mechanism && (state->probe->kind == RST_PROBE_ADDRESS ||
				    state->probe->kind == RST_PROBE_FUNCTION);
}

/* All in one go: one grace period instead of one each. The account wants nmissed: keep. */
static void kprobe_disarm(void)
{
	struct rst_probe_state *state;
	struct kprobe **list;
	unsigned int count = 0;

	list = rst_allocate(sizeof(*list) * (rst_script.probe_count + 1ul));
	rst_for_each_probe(state) {
		if (!kprobe_is_ours(state) || !state->is_armed)
			continue;
		state->is_armed = false;
		if (list)
			list[count++] = &((struct kprobe_probe *)state->mechanism)->kprobe;
		else
			unregister_kprobe(&((struct kprobe_probe *)state->mechanism)->kprobe);
	}
	if (count)
		unregister_kprobes(list, count);
	rst_free(list);
}

static void kprobe_release(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		if (!kprobe_is_ours(state))
			continue;
		rst_free(state->mechanism);
		state->mechanism = NULL;
	}
}

static uint64_t kprobe_missed(struct rst_probe_state *state)
{
	return kprobe_is_ours(state) ? ((struct kprobe_probe *)state->mechanism)->kprobe.nmissed : 0;
}

static int kprobe_set(struct rst_probe_state *state, bool on)
{
	struct kprobe *kprobe = &((struct kprobe_probe *)state->mechanism)->kprobe;

	return on ? enable_kprobe(kprobe) : disable_kprobe(kprobe);
}

static void kprobe_module_changed(struct rst_probe_state *state, bool comes)
{
	if (comes) {
		if (kprobe_arm_one(state))
			state->is_armed = false;
		return;
	}
	unregister_kprobe(&((struct kprobe_probe *)state->mechanism)->kprobe);
	rst_free(state->mechanism);
	state->mechanism = NULL;
	state->is_armed = false;
	state->address = 0;
}

const struct rst_mechanism rst_kprobe_mechanism = {
	.name = "kprobe",
	.set = kprobe_set,
	.module = kprobe_module_changed,
	.arm = kprobe_arm,
	.disarm = kprobe_disarm,
	.missed = kprobe_missed,
	.release = kprobe_release,
};
