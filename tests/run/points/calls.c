// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls, inlined copies, labels and library calls to put probes on. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
volatile int sink;
static inline __attribute__((always_inline)) int scaled(int value)
{
	sink += value;
	return value * 3;
}
__attribute__((noinline)) int leaf(int value)
{
	sink++;
	return value + 1;
}
__attribute__((noinline)) int middle(int value)
{
	int twice = leaf(value) * 2;

	if (twice > 100)
		goto big;
	return twice + 1;
big:
	sink = twice;
	return twice;
}
__attribute__((noinline)) int outer(int value)
{
	int result = middle(value) + scaled(value);

	return result + leaf(value + 10);
}
static __attribute__((noinline)) int hidden(int value)
{
	return leaf(value) - 1;
}
/* At an address that the linker is told. */
__attribute__((noinline, section(".fixed"))) int fixed(int value)
{
	sink = value;
	return value * 2;
}
int main(int argc, char **argv)
{
	int total = leaf(1);
	total += outer(argc + 4);
	total += hidden(50);
	total += middle(60);
	total += fixed(7);
	if (write(1, "written\n", 8) < 0)
		return 1;
	puts("done");
	return total == 0;
}
