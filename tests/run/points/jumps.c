// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that the compiler makes jumps (-O2), and functions that it clones. */
volatile int sink;
int start = 100;

__attribute__((noipa)) int leaf(int value)
{
	sink++;
	return value + start;
}

__attribute__((noipa)) int passes_on(int value)
{
	sink += value;
	return leaf(value * 2);
}

__attribute__((noipa)) int calls(int value)
{
	return leaf(value) + 1;
}

struct record {
	int number, more[7];
};

/* Both calls give the same factor: foo.constprop.0. The structure is taken apart: foo.isra.0. */
static __attribute__((noinline)) int constant(int value, int factor)
{
	sink += value * factor;
	return value * factor + sink;
}

static __attribute__((noinline)) int apart(const struct record *record, int value)
{
	sink += record->number;
	return record->number + value * sink;
}

__attribute__((noipa)) int clones(struct record *record)
{
	int total = constant(record->number, 7);

	total += constant(record->number + 1, 7);
	total += apart(record, 5);
	return total + apart(record, record->more[0]);
}

int main(int argc, char **argv)
{
	struct record record = { .number = argc + 10, .more = { 6 } };

	int total = passes_on(argc + 20);

	total += calls(argc + 1);
	return total + clones(&record) == 0;
}
