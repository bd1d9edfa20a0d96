// SPDX-License-Identifier: GPL-2.0-or-later
/* faults.c - pointers to what is not there, from every kind of context, or not known here */
#include <linux/errno.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "values.h"

/* Defined nowhere in this module. */
static long sizes[1024];

long CALLED values_forward(struct rq *rq)
{
	return (long)rq;
}

static void CALLED nothing(void)
{
	asm volatile("");
}

/* After the call of nothing() what it was called with is known to its callers alone. */
static long CALLED from_caller(long constant, long kept, long argument, long lost)
{
	asm volatile("" : : "r"(constant), "r"(kept), "r"(argument), "r"(lost));
	nothing();
	return 1;						/* line of the caller's */
}

static long (*volatile pointer_to)(long, long, long, long) = from_caller;

static long CALLED calls_it(long argument)
{
	long kept = argument * 3;
	long result;

	asm volatile("" : "+r"(kept));
	result = from_caller(42, kept, argument, kept);
	asm volatile("" : : "r"(kept), "r"(argument));
	result += from_caller(43, kept + 1, 8, 9);
	asm volatile("" : : "r"(kept), "r"(argument));
	return result + pointer_to(44, 45, 46, 47);
}

static void interrupt(struct irq_work *work)
{
	values_pointer((void *)0xdead000000000200ul);
}

static void call_in_interrupt(void)
{
	struct irq_work work;

	init_irq_work(&work, interrupt);
	irq_work_queue(&work);
	irq_work_sync(&work);
}

int values_call_fault(const char *name, long *result)
{
	void *freed;

	if (!strcmp(name, "null"))
		*result = values_pointer(NULL);
	else if (!strcmp(name, "first_page"))
		*result = values_pointer((void *)16);
	else if (!strcmp(name, "wild"))
		*result = values_pointer((void *)0xdead000000000100ul);
	else if (!strcmp(name, "hole"))
		*result = values_pointer((void *)0xffffc87654321000ul);
	else if (!strcmp(name, "end"))
		*result = values_pointer((void *)-8l);
	else if (!strcmp(name, "user"))
		*result = values_pointer((void *)0x7ffff000ul);
	else if (!strcmp(name, "command"))
		*result = values_pointer((void *)current->mm->arg_start);
	else if (!strcmp(name, "caller"))
		*result = calls_it(7);
	else if (!strcmp(name, "forward")) {
		memset(sizes, 1, sizeof(sizes));
		*result = values_forward((struct rq *)sizes);
	} else if (!strcmp(name, "interrupt"))
		call_in_interrupt();
	else if (!strcmp(name, "freed")) {
		freed = vmalloc(PAGE_SIZE);
		vfree(freed);
		*result = values_pointer(freed);
	} else
		return -EINVAL;
	return 0;
}
