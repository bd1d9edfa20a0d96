// SPDX-License-Identifier: GPL-2.0-or-later
/* calls.c - functions whose variables the compiler keeps in every kind of place */
#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include "values.h"

static volatile int same_name = 2002;
static int calls_made;

/* The value is used, so the compiler must have it. */
#define USE(value) asm volatile("" : : "g"(value))
/* The memory is used. */
#define USE_MEMORY(pointer) asm volatile("" : : "r"(pointer) : "memory")
/* The compiler no longer knows where the value came from. */
#define HIDE(value) asm volatile("" : "+r"(value))

/* Six arguments in registers, four on the stack; all widths and signs. */
long CALLED values_integers(char c, signed char sc, unsigned char uc, short s, unsigned short us,
			    int i, unsigned int u, long l, unsigned long ul, bool b)
{
	return c + sc + uc + s + us + i + u + l + (long)ul + b;
}

/* Fourteen bytes: two registers. */
long CALLED values_pair(struct pair pair, int after)
{
	return pair.first + pair.second + pair.third + after;
}

/* On the stack as a whole. */
long CALLED values_large(struct large large, int after)
{
	return large.number[0] + large.number[3] + after;
}

struct large CALLED values_returns_large(int number)
{
	struct large large = { { number, number + 1, number + 2, number + 3 } };

	return large;
}

struct pair CALLED values_returns_pair(int number)
{
	struct pair pair = { number, -number, 3 };

	return pair;
}

/* Results of all widths. */
signed char CALLED values_returns_char(int number)
{
	return number;
}

unsigned short CALLED values_returns_short(int number)
{
	return number;
}

int CALLED values_returns_int(int number)
{
	return number;
}

unsigned int CALLED values_returns_unsigned(int number)
{
	return number;
}

long CALLED values_returns_long(int number)
{
	return number * 1000000000000L;
}

struct node *CALLED values_returns_pointer(int number)
{
	return number ? values_node : NULL;
}

bool CALLED values_returns_bool(int number)
{
	return number > 3;
}

/* Locals in stack slots; the parameter is dead after the first statement. */
long CALLED values_locals(int number)
{
	int slot = number * 2;
	struct pair pair = { number, number + 1, 7 };
	int grid[2][3] = { { 1, 2, 3 }, { 4, 5, number } };

	USE_MEMORY(&slot);
	USE_MEMORY(&pair);
	USE_MEMORY(grid);
	calls_made++;					/* line of locals */
	return slot + pair.second + grid[1][2];
}

/* A loop: the variable's place changes, and it has a value at each turn. */
int CALLED values_loop(int turns)
{
	int sum = 0;
	int turn;

	for (turn = 0; turn < turns; turn++) {
		int square = turn * turn;

		HIDE(square);
		sum += square;				/* line of the loop */
		HIDE(sum);
	}
	return sum;
}

static void CALLED values_nothing(void)
{
	asm volatile("");
}

/* After the first call the parameter is nowhere: known by the value at entry alone. */
long CALLED values_dead(long dead, int alive)
{
	USE(dead);
	values_nothing();
	calls_made++;					/* line of the dead */
	HIDE(alive);
	return alive;
}

long CALLED values_calls_dead(long kept)
{
	long other = kept + 1;
	long result;

	HIDE(other);
	result = values_dead(other, 5);
	result += values_dead(4242, 6);
	return result + other + kept;
}

/* A pointer without a value: its target is in registers. */
static __always_inline long sum_of(const struct pair *pointer)
{
	long sum = pointer->first + pointer->second;

	USE(sum);					/* line of the pointee */
	return sum;
}

long CALLED values_implicit(long first, int second)
{
	struct pair pair = { first, second, 9 };
	long sum = sum_of(&pair);

	HIDE(sum);
	return sum;
}

/* Constants, and values that only exist as arithmetic on others. */
long CALLED values_computed(int number)
{
	int constant = 42;
	int doubled = 2 * number + 1;
	unsigned char narrow = number + 300;
	const char *text = "literal";

	USE(number);
	calls_made++;					/* line of the computed */
	return number + (text[0] == 'l') + constant + (doubled - 2 * number - 1) + (narrow & 0);
}

static __always_inline int inlined_copy(int number, int factor)
{
	int product = number * factor;

	HIDE(product);
	calls_made++;					/* line of the copy */
	return product;
}

int CALLED values_inlining(int number)
{
	int once = inlined_copy(number, 10);
	int twice;

	values_nothing();
	twice = inlined_copy(number + 1, 100);
	return once + twice;
}

int CALLED values_label(int number)
{
	int left = number;

again:
	asm volatile("");
	HIDE(left);
	if (--left > 0)
		goto again;
	return number;
}

long CALLED values_node_of(struct node *node, const struct node *volatile_node)
{
	return node->value + volatile_node->value;
}

long CALLED values_text(const char *text, char *buffer, unsigned char *bytes)
{
	return text[0] + buffer[0] + bytes[0];
}

long CALLED values_pointer(struct node *pointer)
{
	return (long)pointer;
}

enum colour CALLED values_enum(enum colour colour, enum big_constants huge)
{
	return huge == HUGE_CONSTANT ? colour : RED;
}

/* Reads what a script may have written. */
long CALLED values_written(struct node *node, int number, short half, long on_stack_1,
			   long on_stack_2, long on_stack_3, long on_stack_4, unsigned char byte)
{
	return node->value + number + half + on_stack_4 + byte;
}

static int CALLED values_local_written(int number)
{
	int slot = number;

	USE_MEMORY(&slot);
	values_nothing();				/* line of the slot */
	USE_MEMORY(&slot);
	return slot + same_name;
}

/* Uses every kind of field. */
long CALLED values_sum(const struct node *node)
{
	const struct fields *fields = &node->fields;

	return node->value + node->grid[1][2] + node->rest[1] + node->truth + node->colour +
	       fields->one + fields->three + fields->negative + fields->wide +
	       fields->straddling + fields->far_side + fields->colour + fields->flag +
	       node->packed.odd + node->packed.over + node->packed.last;
}

int values_call(const char *name, long *result)
{
	struct pair pair = { 1234567890123L, -5, 77 };
	struct large large = { { 1, -2, 3, -4 } };
	struct node *node = values_node;

	if (!strcmp(name, "integers"))
		*result = values_integers('x', -1, 255, -32768, 65535, -2000000000, 4000000000u,
					  -9000000000000000000L, 18000000000000000000UL, true);
	else if (!strcmp(name, "pair"))
		*result = values_pair(pair, 33);
	else if (!strcmp(name, "large"))
		*result = values_large(large, 44);
	else if (!strcmp(name, "returns")) {
		*result = values_returns_char(-2) + values_returns_short(-3) +
			  values_returns_int(-4) + values_returns_unsigned(-5) +
			  values_returns_long(6) + values_returns_bool(7) +
			  (values_returns_pointer(1) == node) +
			  values_returns_large(8).number[3] + values_returns_pair(9).second;
	} else if (!strcmp(name, "locals"))
		*result = values_locals(21);
	else if (!strcmp(name, "loop"))
		*result = values_loop(4);
	else if (!strcmp(name, "dead"))
		*result = values_calls_dead(1000);
	else if (!strcmp(name, "implicit"))
		*result = values_implicit(600, -66);
	else if (!strcmp(name, "computed"))
		*result = values_computed(20);
	else if (!strcmp(name, "inlining"))
		*result = values_inlining(3);
	else if (!strcmp(name, "label"))
		*result = values_label(3);
	else if (!strcmp(name, "node"))
		*result = values_node_of(node, node);
	else if (!strcmp(name, "text")) {
		char buffer[] = "in the stack";
		unsigned char bytes[] = { 'b', 0 };

		*result = values_text(text_global, buffer, bytes);
	} else if (!strcmp(name, "enum"))
		*result = values_enum(BLUE, HUGE_CONSTANT);
	else if (!strcmp(name, "written"))
		*result = values_written(node, 1, 2, 3, 4, 5, 6, 7);
	else if (!strcmp(name, "local_written"))
		*result = values_local_written(8);
	else if (!strcmp(name, "sum"))
		*result = values_sum(node);
	else if (!strcmp(name, "clones"))
		*result = values_clones(node);
	else if (!strcmp(name, "other"))
		*result = values_other(9) + same_name;
	else
		return values_call_fault(name, result);
	return 0;
}
