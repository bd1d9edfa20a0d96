// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * histogram.c - the picture of a histogram, laid out as SystemTap prints it:
 * 50 columns of bars, counts right-aligned, buckets further than two from any
 * that is not empty left out with a tilde.
 */
#include "pure.h"

#define BAR_WIDTH	50
#define NEIGHBOURS	2	/* empty buckets shown beside one that is not */

static void put_many(struct rst_output *o, char byte, unsigned int count)
{
	char block[64];

	memset(block, byte, sizeof(block));
	while (count) {
		unsigned int part = count < sizeof(block) ? count : sizeof(block);

		rst_put(o, block, part);
		count -= part;
	}
}

/* The value printed for a bucket, and the sign before it for the outer ones. */
static int64_t bucket_value(const struct rst_stat_spec *spec, int bucket, int last, char *sign)
{
	*sign = 0;
	if (spec->histogram == RST_HISTOGRAM_LOG) {
		if (bucket == 64)
			return 0;
		if (bucket > 64)
			return (int64_t)(1ull << (bucket - 65));
		return (int64_t)(0 - (1ull << (63 - bucket)));
	}
	if (bucket == 0) {
		*sign = '<';
		return spec->low;
	}
	if (bucket == last) {
		*sign = '>';
		bucket--;
	}
	return (int64_t)((uint64_t)spec->low + (uint64_t)(bucket - 1) * (uint64_t)spec->step);
}

/* Characters of a label or a count. */
static unsigned int width_of(int64_t value, char sign)
{
	char buffer[24];
	char *end = buffer + sizeof(buffer);
	char *start = rst_format_decimal(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);

	return (end - start) + (value < 0) + (sign != 0);
}

static bool has_neighbour(const struct rst_stat *s, int bucket, int low, int high)
{
	int from = bucket - NEIGHBOURS > low ? bucket - NEIGHBOURS : low;
	int to = bucket + NEIGHBOURS < high ? bucket + NEIGHBOURS : high;
	int i;

	for (i = from; i <= to; i++)
		if (s->histogram[i])
			return true;
	return false;
}

void rst_put_histogram(struct rst_output *o, const struct rst_stat *s, const struct rst_stat_spec *spec)
{
	int last = rst_histogram_buckets(spec) - 1;
	int low, high, i;
	uint64_t highest = 0, scale = 1;
	unsigned int value_width = 5;	/* as wide as the heading, "value" */
	unsigned int count_width;
	bool skipping = false;
	char sign;

	if (!s || !s->histogram || !s->count)
		return;
	low = last;
	high = 0;
	for (i = 0; i <= last; i++) {
		if (!s->histogram[i])
			continue;
		if (s->histogram[i] > highest)
			highest = s->histogram[i];
		if (i < low)
			low = i;
		if (i > high)
			high = i;
	}
	/* empty buckets at the ends, but the outer ones only when they count something */
	low = low > NEIGHBOURS ? low - NEIGHBOURS : 0;
	high = high + NEIGHBOURS < last ? high + NEIGHBOURS : last;
	if (spec->histogram == RST_HISTOGRAM_LINEAR) {
		if (low == 0 && !s->histogram[0])
			low = 1;
		if (high == last && !s->histogram[last])
			high = last - 1;
	}
	if (highest > BAR_WIDTH)
		scale = (highest + BAR_WIDTH - 1) / BAR_WIDTH;
	for (i = low; i <= high; i++) {
		int64_t value = bucket_value(spec, i, last, &sign);
		unsigned int width = width_of(value, sign);

		if (width > value_width && has_neighbour(s, i, low, high))
			value_width = width;
	}
	count_width = width_of(highest, 0);

	put_many(o, ' ', value_width - 5);
	rst_put(o, "value |", 7);
	put_many(o, '-', BAR_WIDTH);
	rst_put(o, " count\n", 7);
	for (i = low; i <= high; i++) {
		uint64_t count = s->histogram[i];
		int64_t value = bucket_value(spec, i, last, &sign);
		unsigned int bar = count / scale;

		if (!has_neighbour(s, i, low, high)) {
			if (!skipping) {
				put_many(o, ' ', value_width);
				rst_put(o, " ~\n", 3);
			}
			skipping = true;
			continue;
		}
		skipping = false;
		put_many(o, ' ', value_width - width_of(value, sign));
		if (sign)
			rst_put(o, &sign, 1);
		rst_put_decimal(o, value);
		rst_put(o, " |", 2);
		put_many(o, '@', bar);
		put_many(o, ' ', BAR_WIDTH - bar + 1 + count_width - width_of(count, 0));
		rst_put_decimal(o, count);
		rst_put(o, "\n", 1);
	}
	rst_put(o, "\n", 1);
}
