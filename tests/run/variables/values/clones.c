// SPDX-License-Identifier: GPL-2.0-or-later
/* clones.c - functions that the compiler clones for how they are called, and calls that it makes jumps */
#include <linux/types.h>

#include "values.h"

static volatile long sink;

/* Always called with the same factor: constant_factor.constprop.0. */
static noinline long constant_factor(long value, long factor)
{
	sink += value * factor;
	return value * factor + sink;
}

/* Of the structure one member is passed: taken_apart.isra.0. */
static noinline long taken_apart(const struct node *node, long value)
{
	sink += node->value;
	return node->value + value * sink;
}

static void CALLED __cold seldom(long value)
{
	sink -= value;
}

/* What calls a cold function is moved away: with_cold_part.cold. */
static long CALLED with_cold_part(long value)
{
	if (value > 100) {
		seldom(value);
		value -= 50;
		seldom(value);
	}
	return value + 1;
}

static long CALLED jumped_to(long value)
{
	sink++;
	return value + 1;
}

static long CALLED passes_on(long value)
{
	sink += value;
	return jumped_to(value * 2);
}

long CALLED values_clones(struct node *node)
{
	long total, value = 11;

	asm volatile("" : "+r"(value));
	total = constant_factor(value, 7);
	total += constant_factor(value * 7, 7);
	total += taken_apart(node, 5);
	total += taken_apart(node, 6);
	total += with_cold_part(3);
	total += with_cold_part(300);
	total += passes_on(21);
	return total + jumped_to(1);
}
