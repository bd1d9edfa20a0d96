// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_ftrace.c - function entries at their ftrace sites: two ftrace_ops for
 * any number of functions, one that saves all registers and one that saves
 * none, each with a table from address to probes. Arming any number costs about
 * as much as arming one kprobe.
 *
 * What has no ftrace site is left to kprobes (is_armed stays false).
 */
#include <linux/bsearch.h>
#include <linux/hash.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "runtime.h"
#include "compat.h"

struct site {
	unsigned long address;
	struct rst_probe_state *probes;
};

struct sites {
	struct rst_probe_state *only;	/* of the only function, else NULL */
	struct site *table;
	unsigned int shift;		/* 64 - log2 of the table's size */
	unsigned int mask;
	bool is_registered;
	unsigned int used;		/* addresses that are in the filter */
	struct ftrace_ops ops;
};

/* With ENDBR in front, the site is that much behind the function's address. */
#define SITE_DISTANCE	4

static struct sites with_regs, without_regs;

static __always_inline unsigned int slot_of(const struct sites *sites, unsigned long address)
{
	return (address * GOLDEN_RATIO_64) >> sites->shift;
}

static __always_inline struct rst_probe_state *find(const struct sites *sites, unsigned long address)
{
	unsigned int slot = slot_of(sites, address);

	while (sites->table[slot].address != address) {
		if (unlikely(!sites->table[slot].address))
			return NULL;
		slot = (slot + 1) & sites->mask;
	}
	return sites->table[slot].probes;
}

static __always_inline void ftrace_hit(const struct sites *sites, unsigned long ip, struct pt_regs *regs)
{
	struct rst_probe_state *state = sites->only;
	struct rst_context *c;
	unsigned long flags;

	if (!state)
		state = find(sites, ip);
	for (; state; state = state->next) {
		if (!rst_enter(state, regs, &c, &flags))
			continue;
		state->handler(c);
		rst_leave(c, state->index, flags);
	}
}

static void hit_with_regs(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			  rst_ftrace_regs *regs)
{
	ftrace_hit(&with_regs, ip, rst_ftrace_get_regs(regs));
}

static void hit_without_regs(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			     rst_ftrace_regs *regs)
{
	ftrace_hit(&without_regs, ip, NULL);
}

/* ---- tables ------------------------------------------------------------------------- */

static void table_add(struct sites *sites, unsigned long address, struct rst_probe_state *state)
{
	unsigned int slot = slot_of(sites, address);

	while (sites->table[slot].address && sites->table[slot].address != address)
		slot = (slot + 1) & sites->mask;
	sites->table[slot].address = address;
	/* the chain of the second address is that of the first */
	if (sites->table[slot].probes != state) {
		struct rst_probe_state **link = &sites->table[slot].probes;

		while (*link && *link != state)
			link = &(*link)->next;
		*link = state;
	}
}

static bool ftrace_belongs(const struct sites *sites, const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_FUNCTION && state->address &&
	       state->probe->needs_regs == (sites == &with_regs);
}

static int table_create(struct sites *sites, unsigned int count)
{
	unsigned int bits = 2;

	/* two addresses a function, at most half full */
	while ((1u << bits) < 4 * count)
		bits++;
	sites->shift = 64 - bits;
	sites->mask = (1u << bits) - 1;
	sites->table = rst_allocate(sizeof(*sites->table) << bits);
	return sites->table ? 0 : -ENOMEM;
}

static void sites_destroy(struct sites *sites)
{
	if (!sites->table)
		return;
	if (sites->is_registered)
		unregister_ftrace_function(&sites->ops);
	sites->is_registered = false;
	rst_ftrace_free_filter(&sites->ops);
	rst_free(sites->table);
	sites->table = NULL;
}

/* ---- arming ----------------------------------------------------------------------------- */

static bool is_accepted(struct sites *sites, unsigned long *addresses, unsigned int count)
{
	if (count == 1)
		return !ftrace_set_filter_ip(&sites->ops, addresses[0], 0, 0);
	return !rst_ftrace_set_filter_ips(&sites->ops, addresses, count, false);
}

/*
 * One address that is no site makes the kernel refuse a whole list: halve it
 * until the bad ones stand alone. They become 0. Gives how many are good.
 */
static unsigned int filter_range(struct sites *sites, unsigned long *addresses, unsigned int count)
{
	unsigned int half = count / 2;

	if (!count)
		return 0;
	if (is_accepted(sites, addresses, count))
		return count;
	if (count == 1) {
		addresses[0] = 0;
		return 0;
	}
	return filter_range(sites, addresses, half) +
	       filter_range(sites, addresses + half, count - half);
}

static int by_address(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

/* The same function twice is refused. Gives how many are left. */
static unsigned int sort_unique(unsigned long *addresses, unsigned int used)
{
	unsigned int i, count = 0;

	sort(addresses, used, sizeof(*addresses), by_address, NULL);
	for (i = 0; i < used; i++)
		if (!count || addresses[i] != addresses[count - 1])
			addresses[count++] = addresses[i];
	return count;
}

static int set_filters(struct sites *sites, unsigned int count)
{
	unsigned long *addresses = rst_allocate(count * sizeof(*addresses));
	struct rst_probe_state *state;
	unsigned int used = 0, accepted, i;
	bool is_single = true;

	if (!addresses)
		return -ENOMEM;
	rst_for_each_probe(state)
		if (ftrace_belongs(sites, state))
			addresses[used++] = state->address;
	count = sort_unique(addresses, used);
	accepted = filter_range(sites, addresses, count);
	for (i = 0, used = 0; i < count; i++)
		if (addresses[i])
			addresses[used++] = addresses[i];
	rst_for_each_probe(state) {
		if (!ftrace_belongs(sites, state) ||
		    !bsearch(&state->address, addresses, used, sizeof(*addresses), by_address))
			continue;
		state->is_armed = true;
		state->next = NULL;
	}
	rst_free(addresses);
	rst_for_each_probe(state) {
		if (!ftrace_belongs(sites, state) || !state->is_armed)
			continue;
		if (!sites->only)
			sites->only = state;
		is_single &= sites->only->address == state->address;
		table_add(sites, state->address, state);
		table_add(sites, state->address + SITE_DISTANCE, state);
	}
	if (!is_single)
		sites->only = NULL;
	return accepted;
}

/* Whether another probe at this address wants its hits. */
static bool is_shared(const struct rst_probe_state *state)
{
	struct rst_probe_state *other;

	rst_for_each_probe(other)
		if (other != state && other->probe->kind == RST_PROBE_FUNCTION &&
		    other->is_armed && !other->is_off && !other->mechanism &&
		    other->address == state->address &&
		    other->probe->needs_regs == state->probe->needs_regs)
			return true;
	return false;
}

/* An empty filter would mean all functions: the last one out ends the registration. */
static int ftrace_set(struct rst_probe_state *state, bool on)
{
	struct sites *sites = state->probe->needs_regs ? &with_regs : &without_regs;
	int error = 0;

	if (is_shared(state))
		return 0;
	if (!on && sites->used == 1) {
		error = unregister_ftrace_function(&sites->ops);
		sites->is_registered = error != 0;
	} else if (!on) {
		error = ftrace_set_filter_ip(&sites->ops, state->address, 1, 0);
	} else if (sites->used) {
		error = ftrace_set_filter_ip(&sites->ops, state->address, 0, 0);
	} else {
		/* the filter still names the last one that went */
		error = ftrace_set_filter_ip(&sites->ops, state->address, 0, 1);
		if (!error)
			error = register_ftrace_function(&sites->ops);
		sites->is_registered = !error;
	}
	if (!error)
		sites->used += on ? 1 : -1;
	return error;
}

static bool is_at_site(const struct sites *sites, const struct rst_probe_state *state)
{
	return ftrace_belongs(sites, state) && state->is_armed && !state->mechanism;
}

/* These functions, and no others; -errno when nothing or not all was done. */
static int filter_exactly(struct sites *sites, unsigned long *addresses, unsigned int count)
{
	unsigned int i;
	int error;

	if (!count) {
		error = sites->is_registered ? unregister_ftrace_function(&sites->ops) : 0;
		sites->is_registered &= error != 0;
		return error;
	}
	error = rst_ftrace_set_filter_ips(&sites->ops, addresses, count, true);
	if (sites->is_registered)
		return error;
	/* cheap as long as the filter is not in use */
	for (i = 0; error == -EOPNOTSUPP && i < count; i++)
		if (ftrace_set_filter_ip(&sites->ops, addresses[i], 0, i == 0))
			return -EINVAL;
	if (error && error != -EOPNOTSUPP)
		return error;
	error = register_ftrace_function(&sites->ops);
	sites->is_registered = !error;
	return error;
}

/*
 * Each change of a filter that is in use makes the kernel look at all its functions, some
 * milliseconds of a CPU that nobody else gets: one change for all functions that differ.
 */
static void sites_settle(struct sites *sites)
{
	struct rst_probe_state *state;
	unsigned int differing = 0, used = 0;
	unsigned long *addresses;
	int error;

	rst_for_each_probe(state) {
		if (!is_at_site(sites, state))
			continue;
		state->wants_off = READ_ONCE(state->probe->closed);
		differing += state->wants_off != state->is_off;
		used += !state->wants_off;
	}
	if (differing < 2)
		return;
	addresses = rst_allocate((used + 1ul) * sizeof(*addresses));
	if (!addresses)
		return;
	used = 0;
	rst_for_each_probe(state)
		if (is_at_site(sites, state) && !state->wants_off)
			addresses[used++] = state->address;
	used = sort_unique(addresses, used);
	error = filter_exactly(sites, addresses, used);
	rst_free(addresses);
	if (error)
		return;
	sites->used = used;
	rst_for_each_probe(state)
		if (is_at_site(sites, state))
			state->is_off = state->wants_off;
}

/* What it cannot do, rst_conditions_apply() does one by one. */
void rst_ftrace_settle(void)
{
	sites_settle(&with_regs);
	sites_settle(&without_regs);
	/* pairs with evaluate(): what the hooks are is written before gates are read again */
	smp_mb();
}

/* When the module comes back, kprobes take over. */
static void ftrace_module_changed(struct rst_probe_state *state, bool comes)
{
	if (comes)
		return;
	if (!state->is_off)
		ftrace_set(state, false);
	state->is_armed = false;
	state->is_off = false;
	state->address = 0;
}

static void leave_to_kprobes(struct sites *sites)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state)
		if (ftrace_belongs(sites, state))
			state->is_armed = false;
}

static int sites_arm(struct sites *sites, ftrace_func_t function, unsigned long flags)
{
	struct rst_probe_state *state;
	unsigned int count = 0;
	int accepted, error;

	rst_for_each_probe(state)
		count += ftrace_belongs(sites, state);
	if (!count)
		return 0;
	error = table_create(sites, count);
	if (error)
		return error;
	memset(&sites->ops, 0, sizeof(sites->ops));
	sites->only = NULL;
	sites->ops.func = function;
	sites->ops.flags = flags | RST_FTRACE_SELF_PROTECTED | FTRACE_OPS_FL_PERMANENT;
	accepted = set_filters(sites, count);
	if (accepted <= 0) {
		sites_destroy(sites);
		return accepted;
	}
	error = register_ftrace_function(&sites->ops);
	if (error) {
		leave_to_kprobes(sites);
		sites_destroy(sites);
		return 0;
	}
	sites->is_registered = true;
	sites->used = accepted;
	return 0;
}

static int ftrace_arm(void)
{
	struct rst_probe_state *state;
	int error;

	rst_for_each_probe(state)
		if (state->probe->kind == RST_PROBE_FUNCTION)
			state->address = rst_address_of(state->probe);
	error = sites_arm(&with_regs, hit_with_regs, FTRACE_OPS_FL_SAVE_REGS);
	if (!error)
		error = sites_arm(&without_regs, hit_without_regs, 0);
	return error;
}

static void ftrace_disarm(void)
{
	sites_destroy(&with_regs);
	sites_destroy(&without_regs);
}

const struct rst_mechanism rst_ftrace_mechanism = {
	.name = "function",
	.set = ftrace_set,
	.module = ftrace_module_changed,
	.arm = ftrace_arm,
	.disarm = ftrace_disarm,
};
