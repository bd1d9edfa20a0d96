/* SPDX-License-Identifier: GPL-2.0-or-later */
/* values.h - types of the test module whose functions are called with known arguments */
#ifndef VALUES_H
#define VALUES_H

#include <linux/types.h>

/* Called as it is written: not inlined, not cloned, its parameters left alone. */
#define CALLED noinline __attribute__((noipa))

struct pair {
	long first;
	int second;
	short third;
};

struct large {
	long number[4];
};

enum colour { RED = 1, GREEN = 5, BLUE = -3 };
enum big_constants { HUGE_CONSTANT = 0x123456789aULL };

struct fields {
	unsigned int one : 1;
	unsigned int three : 3;
	int negative : 5;
	unsigned int wide : 20;
	unsigned long straddling : 40;
	long far_side : 24;
	enum colour colour : 4;
	bool flag : 1;
};

struct packed_fields {
	u8 before;
	u32 odd : 13;
	u64 over : 61;
	s32 last : 9;
} __attribute__((packed));

typedef unsigned int number_type;
typedef const volatile number_type number_alias;

union either {
	u32 word;
	u8 byte[4];
	struct {
		u16 low;
		s16 high;
	};
};

struct unknown_here;

struct node {
	struct node *next;
	int value;
	number_alias aliased;
	union either either;
	union {
		int inner_number;
		char inner_text[8];
	};
	struct {
		int deep;
		struct {
			int deeper;
		};
	};
	int grid[2][3];
	char text[12];
	char letter;
	signed char small;
	unsigned char byte;
	short half;
	unsigned short unsigned_half;
	bool truth;
	enum colour colour;
	float quarter;
	double half_precise;
	struct fields fields;
	struct packed_fields packed;
	struct unknown_here *opaque;
	int (*function)(int number);
	void *anything;
	struct pair pairs[2];
	int count;
	int rest[];
};

/* other.c */
extern struct node *values_node;
extern const char *text_global;
int values_other(int number);
void values_prepare(void);

/* clones.c */
long values_clones(struct node *node);

/* calls.c: a result for each name, or -EINVAL */
int values_call(const char *name, long *result);

/* faults.c: the same, with pointers to what is not there */
int values_call_fault(const char *name, long *result);
long values_pointer(struct node *pointer);

#endif
