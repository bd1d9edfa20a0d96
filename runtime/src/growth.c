// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * growth.c - memory for arrays whose texts are longer than common: handlers
 * ask, a work queue allocates, before what is there is used up. Every CPU has
 * a request of its own and serves itself, so that no other can hold it up.
 */
#include "runtime.h"

static bool growth_is_ready;

void rst_memory_wanted(struct rst_context *c)
{
	/* one that is under way already is not queued again */
	irq_work_queue(&rst_cpu_of(c)->growth_interrupt);
}

static void growth_soon(struct irq_work *interrupt)
{
	/* before the program that was probed goes on: it may be in a hurry */
	queue_work(system_highpri_wq, &container_of(interrupt, struct rst_cpu, growth_interrupt)->growth_work);
}

static void growth_run(struct work_struct *work)
{
	unsigned int cpu = container_of(work, struct rst_cpu, growth_work)->context.cpu;
	unsigned int i;

	for (i = 0; i < rst_script.map_count; i++)
		rst_map_grow(*rst_script.maps[i].map, cpu);
}

/*
 * A begin, end or error probe has the time, see wait_for_reader(): it holds
 * its context and its locks while this sleeps, and nobody else wants them.
 */
bool rst_memory_await(struct rst_context *c, struct rst_map *map)
{
	if (!rst_cpu_of(c)->is_patient)
		return false;
	preempt_enable();
	while (!rst_map_grow(map, c->cpu))
		schedule_timeout_uninterruptible(1);
	preempt_disable();
	return true;
}

void rst_growth_prepare(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct rst_cpu *this = per_cpu_ptr(rst_cpus, cpu);

		init_irq_work(&this->growth_interrupt, growth_soon);
		INIT_WORK(&this->growth_work, growth_run);
	}
	growth_is_ready = true;
}

/* No handler runs any more. */
void rst_growth_destroy(void)
{
	unsigned int cpu;

	if (!growth_is_ready)
		return;
	for_each_possible_cpu(cpu) {
		irq_work_sync(&per_cpu_ptr(rst_cpus, cpu)->growth_interrupt);
		cancel_work_sync(&per_cpu_ptr(rst_cpus, cpu)->growth_work);
	}
	growth_is_ready = false;
}
