// SPDX-License-Identifier: GPL-2.0-or-later
// program.c - values of a user program: numbers with a point, globals, structures and results
#include <stdio.h>

#define CALLED __attribute__((noipa))

enum level { LOW = -1, HIGH = 1 };

struct inner {
	unsigned int first : 3;
	int second : 7;
	float quarter;
	double half;
};

struct record {
	struct record *next;
	char name[8];
	struct inner inner;
	enum level level;
	const char *text;
	long numbers[3];
};

struct two {
	long first;
	int second;
};

struct point {
	double x, y;
};

static struct record record = {
	.next = &record,
	.name = "complete",			/* no room for a NUL */
	.inner = { 5, -33, 0.25f, -2.5 },
	.level = LOW,
	.text = "tab\t\"quote\"",
	.numbers = { 7, -8, 9 },
};
int global_number = 4711;
__thread int of_thread = 5;
float tiny = 1e-40f;

CALLED struct two two(int n)
{
	return (struct two){ n * 1000000000000l, -n };
}

CALLED struct point point(int n)
{
	return (struct point){ n, -n };
}

CALLED long walk(struct record *r, double factor, int index, const char *text)
{
	return r->numbers[index] + global_number + (long)factor + text[0] + of_thread + tiny;
}

CALLED int last(struct record *r)
{
	return r->numbers[0] + r->inner.second;
}

int main(void)
{
	long sum = walk(&record, 3.5, 1, "literal") + two(6).second + point(2).x;

	printf("%ld %d\n", sum, last(&record));
	return 0;
}
