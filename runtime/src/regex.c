// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * regex.c - regular expressions. Whether a string matches is one table look-up
 * a byte; where its groups are is found by running all alternatives in step
 * (Pike's machine), so the work is bounded by length times program.
 */
#include "pure.h"

#define GROUP_SLOTS	32	/* 16 groups of a start and an end, as in rst_context */
#define NOWHERE		0xffff

static bool run_table(const struct rst_regex *regex, struct rst_string s)
{
	unsigned int state = regex->start;
	unsigned int i;

	for (i = 0; i < s.length; i++) {
		if (regex->is_accepting[state])
			return true;
		state = regex->transitions[state * regex->class_count +
					   regex->classes[(unsigned char)s.text[i]]];
		if (!state)
			return false;
	}
	if (regex->is_accepting[state])
		return true;
	/* the end of the text is a class of its own, the last: for $ */
	state = regex->transitions[state * regex->class_count + regex->class_count - 1];
	return state && regex->is_accepting[state];
}

/* One alternative on its way through the program. */
struct thread {
	unsigned int at;
	unsigned short slots[GROUP_SLOTS];
};

struct thread_list {
	struct thread *threads;
	unsigned int count;
	unsigned int *seen;	/* by instruction: the step that last added it */
};

struct machine {
	const struct rst_regex *regex;
	unsigned int instructions;
	unsigned int length;
	struct thread *stack;	/* alternatives not yet followed; bounded by the program */
};

static const unsigned int *instruction(const struct rst_regex *regex, unsigned int at)
{
	return regex->program + (unsigned long)at * RST_REGEX_WORDS;
}

/* Follows jumps from one instruction; what waits for a byte goes into the list. */
static void add(struct machine *m, struct thread_list *list, const struct thread *from,
		unsigned int position, unsigned int step)
{
	unsigned int depth = 0;

	m->stack[depth++] = *from;
	while (depth) {
		struct thread t = m->stack[--depth];
		const unsigned int *i;

		if (t.at >= m->instructions || list->seen[t.at] == step)
			continue;
		list->seen[t.at] = step;
		i = instruction(m->regex, t.at);
		switch (i[0]) {
		case RST_REGEX_JUMP:
			t.at = i[1];
			m->stack[depth++] = t;
			break;
		case RST_REGEX_SPLIT:
			/* the first choice is preferred: it must be taken off first */
			t.at = i[2];
			m->stack[depth++] = t;
			t.at = i[1];
			m->stack[depth++] = t;
			break;
		case RST_REGEX_SAVE:
			if (i[1] < GROUP_SLOTS)
				t.slots[i[1]] = position;
			t.at++;
			m->stack[depth++] = t;
			break;
		case RST_REGEX_BEGIN:
		case RST_REGEX_END:
			if (position == (i[0] == RST_REGEX_BEGIN ? 0 : m->length)) {
				t.at++;
				m->stack[depth++] = t;
			}
			break;
		default:
			list->threads[list->count++] = t;
		}
	}
}

static bool takes(const struct rst_regex *regex, const unsigned int *i, unsigned char byte)
{
	switch (i[0]) {
	case RST_REGEX_BYTE:
		return byte == i[1];
	case RST_REGEX_SET:
		return regex->program[i[1] + byte / 32] >> (byte % 32) & 1;
	default:
		return i[0] == RST_REGEX_ANY;
	}
}

/* Leftmost match, the longest of those. False: no match, or no memory. */
static bool run_groups(struct rst_context *c, const struct rst_regex *regex, struct rst_string s)
{
	unsigned int n = regex->program_length;
	struct machine m = { .regex = regex, .instructions = n, .length = s.length };
	struct thread_list now = { 0 }, then = { 0 };
	struct thread best = { 0 };
	bool found = false;
	unsigned int position, i;

	now.threads = rst_scratch(c, sizeof(struct thread) * n);
	then.threads = rst_scratch(c, sizeof(struct thread) * n);
	/* every pass through the loop of add() marks one instruction and leaves at most two */
	m.stack = rst_scratch(c, sizeof(struct thread) * (n + 2));
	now.seen = rst_scratch(c, sizeof(unsigned int) * n);
	then.seen = rst_scratch(c, sizeof(unsigned int) * n);
	if (c->error)
		return false;
	memset(now.seen, 0, sizeof(unsigned int) * n);
	memset(then.seen, 0, sizeof(unsigned int) * n);
	for (position = 0;; position++) {
		struct thread_list swap;

		/* a match can begin here, unless one began earlier already */
		if (!found) {
			struct thread fresh = { 0 };

			memset(fresh.slots, 0xff, sizeof(fresh.slots));
			add(&m, &now, &fresh, position, position + 1);
		}
		then.count = 0;
		for (i = 0; i < now.count; i++) {
			struct thread *t = &now.threads[i];
			const unsigned int *at = instruction(regex, t->at);

			if (at[0] == RST_REGEX_MATCH) {
				if (!found || t->slots[0] < best.slots[0] ||
				    (t->slots[0] == best.slots[0] && t->slots[1] > best.slots[1])) {
					best = *t;
					found = true;
				}
				continue;
			}
			if (found && t->slots[0] > best.slots[0])
				continue;
			if (position < s.length && takes(regex, at, s.text[position])) {
				struct thread next = *t;

				next.at++;
				add(&m, &then, &next, position + 1, position + 2);
			}
		}
		if (position >= s.length || (found && !then.count))
			break;
		swap = now;
		now = then;
		then = swap;
	}
	if (!found)
		return false;
	c->match_count = regex->group_count + 1;
	if (c->match_count > GROUP_SLOTS / 2)
		c->match_count = GROUP_SLOTS / 2;
	for (i = 0; i < c->match_count; i++) {
		bool both = best.slots[2 * i] != NOWHERE && best.slots[2 * i + 1] != NOWHERE;

		c->match_start[i] = both ? best.slots[2 * i] : 0;
		c->match_end[i] = both ? best.slots[2 * i + 1] : 0;
	}
	return true;
}

bool rst_regex_match(struct rst_context *c, const struct rst_regex *regex, struct rst_string s)
{
	char *mark;
	bool found;

	if (!regex->program)
		return run_table(regex, s);
	/* a failed match leaves no groups of an earlier one */
	c->match_count = 0;
	if (!run_table(regex, s))
		return false;
	c->match_text = rst_string_copy(c, c->match_buffer, s);
	s = c->match_text;
	mark = rst_scratch_mark(c);
	found = run_groups(c, regex, s);
	rst_scratch_release(c, mark);
	return found;
}
