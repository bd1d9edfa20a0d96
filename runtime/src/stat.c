// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stat.c - statistics: count, sum, extremes, variance by Welford's method in
 * integers (each value shifted left first, as @variance(x, shift) asks), and
 * histograms. Every CPU updates a part of its own; a read merges them.
 */
#include "pure.h"

struct rst_stat_part {
	struct rst_lock lock;
	struct rst_stat stat;	/* its histogram follows */
};

struct rst_stat_variable {
	char *parts;
	unsigned int stride;
	bool is_plain;		/* no variance, no histogram */
	struct rst_stat_spec spec;
	unsigned int cpus;
	unsigned int frozen_by;	/* 1 + the CPU that holds all parts' locks; 0: none */
};

/* 0 for 0; otherwise the number of the highest bit, from 1. */
static unsigned int highest_bit(uint64_t value)
{
	return value ? 64 - __builtin_clzll(value) : 0;
}

int64_t rst_histogram_buckets(const struct rst_stat_spec *spec)
{
	uint64_t count;

	if (spec->histogram != RST_HISTOGRAM_LINEAR)
		return RST_HISTOGRAM_BUCKETS;
	if (spec->step <= 0 || spec->high < spec->low)
		return 3;
	/* one more at each end for what lies outside */
	count = ((uint64_t)spec->high - (uint64_t)spec->low) / (uint64_t)spec->step + 3;
	return count < RST_HISTOGRAM_BUCKETS ? (int64_t)count : RST_HISTOGRAM_BUCKETS;
}

/* Logarithmic: 64 holds zero, 65 one, 66 two and three, ...; 63 minus one, ... */
static unsigned int stat_bucket_of(const struct rst_stat_spec *spec, int64_t value)
{
	uint64_t distance;
	unsigned int last;

	if (spec->histogram == RST_HISTOGRAM_LOG) {
		if (value >= 0)
			return 64 + highest_bit(value);
		return 64 - highest_bit(0 - (uint64_t)value);
	}
	if (value < spec->low)
		return 0;
	last = rst_histogram_buckets(spec) - 1;
	distance = ((uint64_t)value - (uint64_t)spec->low) /
		   (uint64_t)(spec->step > 0 ? spec->step : 1);
	return distance + 1 < last ? distance + 1 : last;
}

unsigned int rst_stat_size(const struct rst_stat_spec *spec, bool is_plain)
{
	unsigned int size = sizeof(struct rst_stat);

	if (is_plain)
		return offsetof(struct rst_stat, average);
	if (spec->histogram != RST_HISTOGRAM_NONE)
		size += RST_HISTOGRAM_BUCKETS * sizeof(uint64_t);
	return size;
}

void rst_stat_initialise(struct rst_stat *s, const struct rst_stat_spec *spec, bool is_plain)
{
	memset(s, 0, rst_stat_size(spec, is_plain));
	if (!is_plain && spec->histogram != RST_HISTOGRAM_NONE)
		s->histogram = (uint64_t *)(s + 1);
}

/* The parts that only some statistics have; count is that with the value. */
void rst_stat_detail(struct rst_stat *s, const struct rst_stat_spec *spec, int64_t value)
{
	if (spec->needs_variance) {
		int64_t shifted = (int64_t)((uint64_t)value << spec->variance_shift);
		int64_t before = (int64_t)((uint64_t)shifted - (uint64_t)s->shifted_average);
		int64_t after;

		s->shifted_average += before / s->count;
		after = (int64_t)((uint64_t)shifted - (uint64_t)s->shifted_average);
		s->m2 = (int64_t)((uint64_t)s->m2 + (uint64_t)before * (uint64_t)after);
	}
	if (spec->histogram != RST_HISTOGRAM_NONE)
		s->histogram[stat_bucket_of(spec, value)]++;
}

void rst_stat_merge(struct rst_stat *into, const struct rst_stat *from,
		    const struct rst_stat_spec *spec)
{
	unsigned int i;

	if (!from->count)
		return;
	if (spec->needs_variance) {
		/* Chan's rule for two sets; the quotient first, to stay within 64 bits */
		int64_t total = into->count + from->count;
		int64_t delta = (int64_t)((uint64_t)from->shifted_average -
					  (uint64_t)into->shifted_average);
		uint64_t square = (uint64_t)delta * (uint64_t)delta;
		uint64_t quotient = square / (uint64_t)total;
		uint64_t remainder = square % (uint64_t)total;
		uint64_t product = (uint64_t)into->count * (uint64_t)from->count;

		into->m2 = (int64_t)((uint64_t)into->m2 + (uint64_t)from->m2 + quotient * product +
				     remainder * product / (uint64_t)total);
		into->shifted_average += (int64_t)((uint64_t)delta * (uint64_t)from->count) / total;
	}
	if (!into->count || from->minimum < into->minimum)
		into->minimum = from->minimum;
	if (!into->count || from->maximum > into->maximum)
		into->maximum = from->maximum;
	into->count += from->count;
	into->sum = (int64_t)((uint64_t)into->sum + (uint64_t)from->sum);
	if (spec->histogram != RST_HISTOGRAM_NONE)
		for (i = 0; i < RST_HISTOGRAM_BUCKETS; i++)
			into->histogram[i] += from->histogram[i];
}

void rst_stat_finish(struct rst_stat *s, const struct rst_stat_spec *spec)
{
	if (!s->count)
		return;
	s->average = s->sum / s->count;
	if (spec->needs_variance && s->count > 1)
		s->variance = (s->m2 / (s->count - 1)) >> (2 * spec->variance_shift);
}

/* ---- scalars -------------------------------------------------------------- */

static struct rst_stat_part *part_of(struct rst_stat_variable *v, unsigned int cpu)
{
	return (struct rst_stat_part *)(v->parts + (unsigned long)cpu * v->stride);
}

struct rst_stat_variable *rst_stat_create(const struct rst_stat_spec *spec, unsigned int cpus)
{
	struct rst_stat_variable *v = rst_allocate(sizeof(*v));
	unsigned int cpu;

	if (!v)
		return NULL;
	v->spec = *spec;
	v->cpus = cpus;
	v->is_plain = spec->histogram == RST_HISTOGRAM_NONE && !spec->needs_variance;
	/* whole cache lines, so that CPUs do not share one */
	v->stride = (sizeof(struct rst_stat_part) - sizeof(struct rst_stat) + rst_stat_size(spec, false) +
		     63) & ~63u;
	v->parts = rst_allocate((unsigned long)v->stride * cpus);
	if (!v->parts) {
		rst_free(v);
		return NULL;
	}
	for (cpu = 0; cpu < cpus; cpu++)
		rst_stat_initialise(&part_of(v, cpu)->stat, &v->spec, false);
	return v;
}

void rst_stat_destroy(struct rst_stat_variable *v)
{
	if (!v)
		return;
	rst_free(v->parts);
	rst_free(v);
}

/* Unlocks: so that rst_stat_add() calls nothing but at its end. */
RST_COLD void add_detail(struct rst_stat_variable *v, struct rst_stat_part *part, int64_t value)
{
	rst_stat_detail(&part->stat, &v->spec, value);
	rst_unlock(&part->lock);
}

/* Whether this handler, which has context c, holds all parts' locks. */
RST_INLINE bool stat_is_mine(const struct rst_context *c, const struct rst_stat_variable *v)
{
	return __atomic_load_n(&v->frozen_by, __ATOMIC_RELAXED) == c->cpu + 1;
}

/* A reader that merges holds the part, or whoever has frozen the statistic: maybe this handler. */
RST_COLD void add_held(struct rst_context *c, struct rst_stat_variable *v, struct rst_stat_part *part,
		       int64_t value)
{
	bool is_mine = stat_is_mine(c, v);

	if (!is_mine)
		rst_lock(&part->lock);
	rst_stat_count(&part->stat, value);
	rst_stat_detail(&part->stat, &v->spec, value);
	if (!is_mine)
		rst_unlock(&part->lock);
}

void rst_stat_add(struct rst_context *c, struct rst_stat_variable *v, int64_t value)
{
	struct rst_stat_part *part = part_of(v, c->cpu);

	if (RST_UNLIKELY(!rst_try_lock(&part->lock))) {
		add_held(c, v, part, value);
		return;
	}
	rst_stat_count(&part->stat, value);
	if (v->is_plain)
		rst_unlock(&part->lock);
	else
		add_detail(v, part, value);
}

const struct rst_stat *rst_stat_get(struct rst_context *c, struct rst_stat_variable *v)
{
	struct rst_stat *merged = rst_scratch(c, rst_stat_size(&v->spec, false));
	bool is_mine = stat_is_mine(c, v);
	unsigned int cpu;

	if (!merged)
		return NULL;
	rst_stat_initialise(merged, &v->spec, false);
	for (cpu = 0; cpu < v->cpus; cpu++) {
		struct rst_stat_part *part = part_of(v, cpu);

		if (!__atomic_load_n(&part->stat.count, __ATOMIC_RELAXED))
			continue;
		if (!is_mine)
			rst_lock(&part->lock);
		rst_stat_merge(merged, &part->stat, &v->spec);
		if (!is_mine)
			rst_unlock(&part->lock);
	}
	rst_stat_finish(merged, &v->spec);
	return merged;
}

void rst_stat_clear(struct rst_context *c, struct rst_stat_variable *v)
{
	bool is_mine = stat_is_mine(c, v);
	unsigned int cpu;

	for (cpu = 0; cpu < v->cpus; cpu++) {
		struct rst_stat_part *part = part_of(v, cpu);

		if (!is_mine)
			rst_lock(&part->lock);
		rst_stat_initialise(&part->stat, &v->spec, false);
		if (!is_mine)
			rst_unlock(&part->lock);
	}
}

struct rst_lock rst_freezing;

void rst_stat_freeze(struct rst_context *c, struct rst_stat_variable *v)
{
	unsigned int cpu;

	for (cpu = 0; cpu < v->cpus; cpu++)
		rst_lock(&part_of(v, cpu)->lock);
	__atomic_store_n(&v->frozen_by, c->cpu + 1, __ATOMIC_RELAXED);
}

void rst_stat_thaw(struct rst_stat_variable *v)
{
	unsigned int cpu;

	__atomic_store_n(&v->frozen_by, 0, __ATOMIC_RELAXED);
	for (cpu = 0; cpu < v->cpus; cpu++)
		rst_unlock(&part_of(v, cpu)->lock);
}

int64_t rst_histogram_bucket(const struct rst_stat *s, const struct rst_stat_spec *spec, int64_t n)
{
	if (!s || !s->histogram || n < 0 || n >= rst_histogram_buckets(spec))
		return 0;
	return s->histogram[n];
}
