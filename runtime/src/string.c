// SPDX-License-Identifier: GPL-2.0-or-later
/* string.c - string values: text with a length, cut at MAXSTRINGLEN and counted. */
#include "pure.h"

static const struct rst_string empty = { .text = "", .length = 0 };

struct rst_string rst_string_copy(struct rst_context *c, char *buffer, struct rst_string s)
{
	if (RST_UNLIKELY(s.length >= c->string_size)) {
		s.length = c->string_size - 1;
		rst_count_truncation(c);
	}
	/* a string may be copied onto itself: s = s */
	memmove(buffer, s.text, s.length);
	buffer[s.length] = 0;
	return (struct rst_string){ .text = buffer, .length = s.length };
}

struct rst_string rst_string_save(struct rst_context *c, struct rst_string s)
{
	char *buffer;

	if (RST_UNLIKELY(s.length >= c->string_size)) {
		s.length = c->string_size - 1;
		rst_count_truncation(c);
	}
	buffer = rst_scratch(c, s.length + 1);
	if (!buffer)
		return empty;
	memcpy(buffer, s.text, s.length);
	buffer[s.length] = 0;
	return (struct rst_string){ .text = buffer, .length = s.length };
}

struct rst_string rst_string_concat(struct rst_context *c, struct rst_string a, struct rst_string b)
{
	char *buffer;

	if (RST_UNLIKELY(a.length >= c->string_size)) {
		a.length = c->string_size - 1;
		b.length = 0;
		rst_count_truncation(c);
	} else if (RST_UNLIKELY(b.length >= c->string_size - a.length)) {
		b.length = c->string_size - a.length - 1;
		rst_count_truncation(c);
	}
	buffer = rst_scratch(c, (unsigned long)a.length + b.length + 1);
	if (!buffer)
		return empty;
	memcpy(buffer, a.text, a.length);
	memcpy(buffer + a.length, b.text, b.length);
	buffer[a.length + b.length] = 0;
	return (struct rst_string){ .text = buffer, .length = a.length + b.length };
}

int rst_string_compare(struct rst_string a, struct rst_string b)
{
	unsigned int common = a.length < b.length ? a.length : b.length;
	int order = common ? memcmp(a.text, b.text, common) : 0;

	if (order)
		return order;
	return a.length < b.length ? -1 : a.length > b.length;
}

struct rst_string rst_string_from_buffer(const char *buffer, unsigned int size)
{
	unsigned int length = 0;

	while (length < size && buffer[length])
		length++;
	return (struct rst_string){ .text = buffer, .length = length };
}

struct rst_output rst_string_output(struct rst_context *c)
{
	char *buffer = rst_scratch(c, c->string_size);

	/* the last byte is kept for the NUL */
	return (struct rst_output){
		.start = buffer,
		.cursor = buffer,
		.end = buffer ? buffer + c->string_size - 1 : buffer,
		.context = c,
		.is_string = true,
	};
}

struct rst_string rst_string_finish(struct rst_context *c, struct rst_output *o)
{
	unsigned int length = o->cursor - o->start;

	if (!o->start)
		return empty;
	*o->cursor = 0;
	/* give back what the text did not need, if nothing was taken after it */
	if (c->scratch == o->start + ((c->string_size + 7) & ~7u))
		c->scratch = o->start + ((length + 1 + 7) & ~7u);
	return (struct rst_string){ .text = o->start, .length = length };
}

/* A string is full: what fits, and nothing more of what follows. */
RST_COLD void string_cut(struct rst_output *o, const char *text, unsigned int length)
{
	unsigned int room = o->end - o->cursor;

	if (room >= length) {
		room = length;
	} else if (!o->is_cut) {
		o->is_cut = true;
		rst_count_truncation(o->context);
	}
	memcpy(o->cursor, text, room);
	o->cursor += room;
	/* what follows must not appear behind a gap */
	if (room < length)
		o->end = o->cursor;
}

void rst_put_slow(struct rst_output *o, const char *text, unsigned int length)
{
	if (o->is_string)
		string_cut(o, text, length);
	else
		rst_output_grow(o, text, length);
}
