// SPDX-License-Identifier: GPL-2.0-or-later
/* guru.c - what scripts in guru mode may do to a process and to the kernel. */
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "runtime.h"

#define LONGEST_DELAY_US 1000000

/* Sending takes locks that the probed code may hold: an interrupt does it. */
struct late_signal {
	struct irq_work work;
	struct task_struct *task;
	int number;
};

static DEFINE_PER_CPU(struct late_signal, late_signals);

static void send_late(struct irq_work *work)
{
	struct late_signal *this = container_of(work, struct late_signal, work);
	struct task_struct *task = this->task;

	send_sig(this->number, task, 1);
	WRITE_ONCE(this->task, NULL);
	put_task_struct(task);
}

void rst_guru_prepare(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		init_irq_work(&per_cpu_ptr(&late_signals, cpu)->work, send_late);
}

/* No handler runs any more. */
void rst_guru_destroy(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu_ptr(&late_signals, cpu)->work);
}

void rst_raise(int64_t number)
{
	struct late_signal *this = this_cpu_ptr(&late_signals);

	/* the one before is on its way to the same task */
	if (READ_ONCE(this->task) || !valid_signal(number))
		return;
	this->number = number;
	this->task = current;
	get_task_struct(current);
	irq_work_queue(&this->work);
}

/* By the clock, as udelay() alone is only as good as the measure taken while booting. */
void rst_delay(struct rst_context *c, int64_t microseconds)
{
	u64 end = ktime_get_mono_fast_ns() + microseconds * NSEC_PER_USEC;
	/* should the clock stand still while interrupts are off */
	int64_t left = microseconds * 64;

	if (microseconds < 0 || microseconds > LONGEST_DELAY_US) {
		rst_failf(c, NULL, "a delay of %lld microseconds is not between 0 and %d",
			  (long long)microseconds, LONGEST_DELAY_US);
		return;
	}
	for (; left > 0 && ktime_get_mono_fast_ns() < end; left--)
		udelay(1);
}

void rst_panic(struct rst_string text)
{
	panic("%.*s", (int)text.length, text.text);
}

void rst_dump_stack(void)
{
	dump_stack();
}
