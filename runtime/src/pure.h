/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pure.h - the ground under the parts of the runtime that know no kernel:
 * maps, statistics, formatting, strings, regular expressions. They compile in
 * user space as well, where sanitizers and fuzzers reach them (runtime/tests).
 */
#ifndef RST_PURE_H
#define RST_PURE_H

#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#define __KERNEL_HEADERS_INCLUDED__
#else
#define offsetof(type, member) __builtin_offsetof(type, member)
enum { false, true };
/* rstap.h has its own int64_t, which glibc's headers would contradict. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ size);
void *memmove(void *to, const void *from, __SIZE_TYPE__ size);
void *memset(void *to, int byte, __SIZE_TYPE__ size);
int memcmp(const void *a, const void *b, __SIZE_TYPE__ size);
__SIZE_TYPE__ strlen(const char *text);
#endif

#include "rstap.h"

/* Zeroed memory in process context, NULL when there is none; counted for STP_MAXMEMORY. */
void *rst_allocate(unsigned long size);
void rst_free(void *memory);

/* Makes room for length more bytes in a context's own output and puts them. */
void rst_output_grow(struct rst_output *o, const char *text, unsigned int length);

/* ---- maps ---------------------------------------------------------------- */

/* string_size as MAXSTRINGLEN; cpus: how many context->cpu numbers there can be. */
struct rst_map *rst_map_create(const struct rst_map_spec *spec, unsigned int string_size,
			       unsigned int cpus);
void rst_map_destroy(struct rst_map *map);
/* What happens where a map has no room. */
enum rst_map_trouble {
	RST_MAP_OVERFLOW,	/* an update was refused: the map was full */
	RST_MAP_SHORTAGE,	/* an update was refused: its memory had not grown in time */
	RST_MAP_REPLACED,	/* the oldest entry of a wrapping array made room */
	RST_MAP_TROUBLES
};
unsigned long rst_map_troubles(const struct rst_map *map, enum rst_map_trouble trouble);
/*
 * Adds memory where it runs short, for this CPU first; process context. False: elsewhere the same
 * is being done for a part of it.
 */
bool rst_map_grow(struct rst_map *map, unsigned int cpu);

/* From a handler: rst_map_grow() shall be called for all maps soon ... */
void rst_memory_wanted(struct rst_context *c);
/* ... or for this one now, where the handler may wait. False: it may not. */
bool rst_memory_await(struct rst_context *c, struct rst_map *map);

/* ---- statistics ---------------------------------------------------------- */

struct rst_stat_variable *rst_stat_create(const struct rst_stat_spec *spec, unsigned int cpus);
void rst_stat_destroy(struct rst_stat_variable *v);

/*
 * Bytes of a statistic with its histogram behind it. Plain: without variance and
 * histogram, for rst_stat_count() and as the source of rst_stat_merge() alone.
 */
unsigned int rst_stat_size(const struct rst_stat_spec *spec, bool is_plain);
/* Makes memory of rst_stat_size() bytes an empty statistic. */
void rst_stat_initialise(struct rst_stat *s, const struct rst_stat_spec *spec, bool is_plain);

/* What every statistic has of one more value ... */
RST_INLINE void rst_stat_count(struct rst_stat *s, int64_t value)
{
	s->sum = (int64_t)((uint64_t)s->sum + (uint64_t)value);
	if (RST_UNLIKELY(!s->count++)) {
		s->minimum = value;
		s->maximum = value;
	} else if (value < s->minimum) {
		s->minimum = value;
	} else if (value > s->maximum) {
		s->maximum = value;
	}
}

/* ... and then its variance and histogram, if the spec asks for them. */
void rst_stat_detail(struct rst_stat *s, const struct rst_stat_spec *spec, int64_t value);

void rst_stat_merge(struct rst_stat *into, const struct rst_stat *from,
		    const struct rst_stat_spec *spec);
/* Computes average and variance from the sums. */
void rst_stat_finish(struct rst_stat *s, const struct rst_stat_spec *spec);

/* ---- formatting ---------------------------------------------------------- */

/* Writes the digits so that they end before `end`; gives where they start. */
char *rst_format_decimal(char *end, uint64_t value);
char *rst_format_hex(char *end, uint64_t value, bool upper);

/* A growing text in a fixed buffer, for messages; always ends with a NUL. */
struct rst_text {
	char *start;
	unsigned int length;
	unsigned int size;
};

void rst_text_add(struct rst_text *t, const char *text);
void rst_text_add_bytes(struct rst_text *t, const char *text, unsigned int length);
void rst_text_add_decimal(struct rst_text *t, int64_t value);
/* %d %u %x %p %s %c %%, with l, ll, h, z, width and 0 as in C; returns the length. */
void rst_text_format(struct rst_text *t, const char *format, __builtin_va_list arguments);

#endif /* RST_PURE_H */
