// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_netfilter.c - netfilter.hook(): arguments 0 to 4 are hooknum, skb, in,
 * out and the verdict, which starts as NF_ACCEPT and counts as the handler
 * leaves it.
 */
#include <linux/netfilter.h>
#include <net/net_namespace.h>

#include "runtime.h"

struct netfilter_probe {
	struct rst_probe_state *state;
	struct nf_hook_ops operations;
};

static unsigned int netfilter_hit(void *private, struct sk_buff *skb, const struct nf_hook_state *hook)
{
	struct netfilter_probe *this = private;
	struct rst_context *c;
	unsigned int verdict;
	unsigned long flags;

	if (!rst_enter(this->state, NULL, &c, &flags))
		return NF_ACCEPT;
	c->probe_data = skb;
	c->arguments[0] = hook->hook;
	c->arguments[1] = (unsigned long)skb;
	c->arguments[2] = (unsigned long)hook->in;
	c->arguments[3] = (unsigned long)hook->out;
	c->arguments[4] = NF_ACCEPT;
	this->state->handler(c);
	verdict = c->arguments[4];
	/* a verdict that takes the packet over must come from guru code that does so */
	if (verdict > NF_MAX_VERDICT || !rst_script.is_guru)
		verdict = NF_ACCEPT;
	rst_leave(c, this->state->index, flags);
	return verdict;
}

static int netfilter_arm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		const struct rst_probe *probe = state->probe;
		struct netfilter_probe *this;
		int error;

		if (probe->kind != RST_PROBE_NETFILTER)
			continue;
		this = rst_allocate(sizeof(*this));
		if (!this)
			return -ENOMEM;
		this->state = state;
		this->operations.hook = netfilter_hit;
		this->operations.priv = this;
		this->operations.pf = probe->netfilter_family;
		this->operations.hooknum = probe->netfilter_hook;
		this->operations.priority = probe->netfilter_priority;
		error = nf_register_net_hook(&init_net, &this->operations);
		if (error) {
			rst_free(this);
			rst_probe_failed(state, error);
			continue;
		}
		state->mechanism = this;
		state->is_armed = true;
	}
	return 0;
}

static int netfilter_set(struct rst_probe_state *state, bool on)
{
	struct netfilter_probe *this = state->mechanism;

	if (on)
		return nf_register_net_hook(&init_net, &this->operations);
	nf_unregister_net_hook(&init_net, &this->operations);
	return 0;
}

static void netfilter_disarm(void)
{
	struct rst_probe_state *state;
	bool any = false;

	rst_for_each_probe(state) {
		struct netfilter_probe *this = state->mechanism;

		if (state->probe->kind != RST_PROBE_NETFILTER || !this)
			continue;
		if (!state->is_off)
			nf_unregister_net_hook(&init_net, &this->operations);
		any = true;
	}
	if (!any)
		return;
	/* packets on their way hold the hooks for a grace period */
	synchronize_net();
	rst_for_each_probe(state) {
		if (state->probe->kind != RST_PROBE_NETFILTER || !state->mechanism)
			continue;
		rst_free(state->mechanism);
		state->mechanism = NULL;
		state->is_armed = false;
	}
}

const struct rst_mechanism rst_netfilter_mechanism = {
	.name = "netfilter",
	.set = netfilter_set,
	.arm = netfilter_arm,
	.disarm = netfilter_disarm,
};
