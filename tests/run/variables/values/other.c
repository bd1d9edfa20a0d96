// SPDX-License-Identifier: GPL-2.0-or-later
/* other.c - data, in a unit of its own */
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/module.h>
#include <linux/string.h>

#include "values.h"

struct unknown_here {
	int known_elsewhere;
};

static struct unknown_here opaque = { .known_elsewhere = 77 };

/* Two statics of one name: the other is in calls.c. */
static volatile int same_name = 1001;

int plain_global = -12345;
unsigned long global_array[4] = { 10, 20, 30, 40 };
DEFINE_PER_CPU(int, values_per_cpu);

static const char text_with_everything[] = "tab\there \"quoted\" \\ \1 \377";
const char *text_global = text_with_everything;

static int times_seven(int number)
{
	return 7 * number;
}

static struct node storage = {
	.value = -7,
	.aliased = 4000000000u,
	.either.word = 0xfffe0102,
	.inner_number = 0x64636261,
	.deep = 11,
	.deeper = 12,
	.grid = { { 1, 2, 3 }, { 4, 5, 6 } },
	.text = "short",
	.letter = 'A',
	.small = -100,
	.byte = 200,
	.half = -30000,
	.unsigned_half = 60000,
	.truth = true,
	.colour = BLUE,
	.quarter = 0.25f,
	.half_precise = -2.5,
	.fields = { 1, 5, -9, 0xabcde, 0x9876543210, -5000, GREEN, true },
	.packed = { 0x5a, 0x1234, 0x1abcdef012345678, -200 },
	.opaque = &opaque,
	.function = times_seven,
	.anything = (void *)0x1234,
	.pairs = { { 1, -2, 3 }, { -4, 5, -6 } },
	.count = 3,
	.rest = { 100, 200, 300 },
};

struct node *values_node = &storage;

int CALLED values_other(int number)
{
	return number + same_name;
}

void values_prepare(void)
{
	int cpu;

	storage.next = &storage;
	for_each_possible_cpu(cpu)
		per_cpu(values_per_cpu, cpu) = 500 + cpu;
}
