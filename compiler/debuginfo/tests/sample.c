// SPDX-License-Identifier: GPL-2.0-or-later

// Compiled by the tests with several versions of DWARF.
typedef unsigned long size_type;
enum colour { RED = 1, GREEN = -2 };
struct inner { char name[16]; struct { int hidden; union { long u; double d; }; }; };
struct outer {
	unsigned a : 3, b : 7;
	const struct inner *next;
	int (*call)(struct inner *, enum colour);
	short grid[2][3];
	char tail[];
};
static int counter;
struct outer global_outer;

static inline int twice(int value)
{
	return value * 2 + counter;
}

__attribute__((noinline)) size_type plain(struct outer *object, enum colour colour, int n)
{
	size_type sum = 0;
	for (int i = 0; i < n; i++) {
		sum += twice(i) + object->b;
		if (sum > 1000)
			goto out;
	}
	counter += colour;
out:
	return sum;
}

__attribute__((noinline)) double floating(double x, float y)
{
	return x * y;
}

int main(int argc, char **argv)
{
	(void)argv;
	return (int)plain(&global_outer, RED, argc) + (int)floating(argc, 2);
}
