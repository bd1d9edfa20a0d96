// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe_timer.c - timer.s() down to timer.ns() on high-resolution timers,
 * timer.jiffies() on the timer wheel.
 */
#include <linux/hrtimer.h>
#include <linux/timer.h>
#include <asm/irq_regs.h>

#include "runtime.h"
#include "compat.h"

struct timer_probe {
	struct rst_probe_state *state;
	bool is_stopping;	/* timer wheel: the handler starts it again itself */
	struct hrtimer hrtimer;
	struct timer_list wheel;
};

/* The interval, give or take what .randomize() allows; in ns or in jiffies. */
static uint64_t next_interval(const struct rst_probe *probe)
{
	int64_t interval = probe->interval_ns;

	if (probe->randomize_ns > 0)
		interval += (int64_t)(rst_random() % (2 * (uint64_t)probe->randomize_ns + 1)) -
			    probe->randomize_ns;
	return interval > 0 ? interval : 1;
}

static enum hrtimer_restart hit_hrtimer(struct hrtimer *hrtimer)
{
	struct timer_probe *this = container_of(hrtimer, struct timer_probe, hrtimer);

	rst_hit(this->state, get_irq_regs());
	if (READ_ONCE(rst_state) != RST_STATE_RUNNING && READ_ONCE(rst_state) != RST_STATE_STARTING)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(hrtimer, ns_to_ktime(next_interval(this->state->probe)));
	return HRTIMER_RESTART;
}

static void hit_wheel(struct timer_list *timer)
{
	struct timer_probe *this = container_of(timer, struct timer_probe, wheel);

	rst_hit(this->state, get_irq_regs());
	if (!READ_ONCE(this->is_stopping))
		mod_timer(timer, jiffies + next_interval(this->state->probe));
}

static bool timer_belongs(const struct rst_probe_state *state)
{
	return state->probe->kind == RST_PROBE_TIMER || state->probe->kind == RST_PROBE_JIFFIES;
}

static void start(struct timer_probe *this)
{
	const struct rst_probe *probe = this->state->probe;
	uint64_t interval;

	preempt_disable();
	interval = next_interval(probe);
	preempt_enable();
	WRITE_ONCE(this->is_stopping, false);
	if (probe->kind == RST_PROBE_TIMER)
		hrtimer_start(&this->hrtimer, ns_to_ktime(interval), HRTIMER_MODE_REL_HARD);
	else
		mod_timer(&this->wheel, jiffies + interval);
}

static void stop(struct timer_probe *this)
{
	WRITE_ONCE(this->is_stopping, true);
	if (this->state->probe->kind == RST_PROBE_TIMER)
		hrtimer_cancel(&this->hrtimer);
	else
		timer_delete_sync(&this->wheel);
}

/* An interval begins anew when the condition comes true. */
static int timer_set(struct rst_probe_state *state, bool on)
{
	if (on)
		start(state->mechanism);
	else
		stop(state->mechanism);
	return 0;
}

static int timer_arm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		struct timer_probe *this;

		if (!timer_belongs(state))
			continue;
		this = rst_allocate(sizeof(*this));
		if (!this)
			return -ENOMEM;
		this->state = state;
		if (state->probe->kind == RST_PROBE_TIMER)
			rst_hrtimer_setup(&this->hrtimer, hit_hrtimer, CLOCK_MONOTONIC,
					  HRTIMER_MODE_REL_HARD);
		else
			timer_setup(&this->wheel, hit_wheel, 0);
		start(this);
		state->mechanism = this;
		state->is_armed = true;
	}
	return 0;
}

static void timer_disarm(void)
{
	struct rst_probe_state *state;

	rst_for_each_probe(state) {
		struct timer_probe *this = state->mechanism;

		if (!timer_belongs(state) || !this)
			continue;
		stop(this);
		rst_free(this);
		state->mechanism = NULL;
		state->is_armed = false;
	}
}

const struct rst_mechanism rst_timer_mechanism = {
	.name = "timer",
	.set = timer_set,
	.arm = timer_arm,
	.disarm = timer_disarm,
};
