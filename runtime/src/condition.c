// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * condition.c - `probe X if (...)`. After a handler has changed a global that a
 * condition reads, every gate is set anew at once, so that the very next hit
 * obeys. The hooks themselves follow a moment later, from a work queue: a probe
 * whose condition is false then costs nothing.
 */
#include <linux/workqueue.h>

#include "runtime.h"

static struct rst_lock lock;

static void apply(struct work_struct *work);
static void apply_soon(struct irq_work *work);
static DECLARE_WORK(work, apply);
static struct irq_work interrupt;
static bool is_ready;

/* Gives whether some hook is not as its gate wants it. */
static bool evaluate(void)
{
	struct rst_probe_state *state;
	bool differs = false;

	/* one at a time: whoever comes last has seen every change */
	rst_lock(&lock);
	rst_for_each_probe(state) {
		bool closed = state->paused ||
			      (state->probe->condition && !state->probe->condition());

		WRITE_ONCE(state->probe->closed, closed);
		smp_mb();	/* pairs with rst_conditions_apply() */
		differs |= closed != state->is_off && rst_is_switchable(state);
	}
	rst_unlock(&lock);
	return differs;
}

void rst_conditions_evaluate(void)
{
	struct rst_guard guard = rst_guard();

	evaluate();
	rst_unguard(guard);
}

void rst_conditions_changed(struct rst_context *c)
{
	if (evaluate() && READ_ONCE(rst_state) == RST_STATE_RUNNING && READ_ONCE(is_ready))
		irq_work_queue(&interrupt);
}

static void apply_soon(struct irq_work *unused)
{
	schedule_work(&work);
}

/* Once more, when the work under way has ended. */
void rst_conditions_again(void)
{
	schedule_work(&work);
}

static void apply(struct work_struct *unused)
{
	mutex_lock(&rst_session_mutex);
	if (READ_ONCE(rst_state) == RST_STATE_RUNNING)
		rst_conditions_apply();
	mutex_unlock(&rst_session_mutex);
}

/* The first START makes it ready; see rst_session_start(). */
void rst_conditions_prepare(void)
{
	init_irq_work(&interrupt, apply_soon);
	WRITE_ONCE(is_ready, true);
}

/* No handler runs any more; not under the session's mutex, which the work takes. */
void rst_conditions_destroy(void)
{
	if (!is_ready)
		return;
	irq_work_sync(&interrupt);
	cancel_work_sync(&work);
	is_ready = false;
}
