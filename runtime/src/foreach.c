// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreach.c - visits an array's entries in the order a script asks for. With a
 * limit of k it sorts in O(n log k): a heap keeps the k that come first.
 */
#include "map.h"

static int64_t stat_number(const struct rst_stat *s, enum rst_stat_operation operation)
{
	switch (operation) {
	case RST_SUM:
		return s->sum;
	case RST_MINIMUM:
		return s->minimum;
	case RST_MAXIMUM:
		return s->maximum;
	case RST_AVERAGE:
		return s->count ? s->sum / s->count : 0;
	case RST_VARIANCE:
		/* whoever sorts by it has asked for it: the statistic is not a plain one */
		return s->variance;
	default:
		return s->count;
	}
}

static bool sorts_strings(const struct rst_map *map, const struct rst_iteration *how)
{
	if (how->sort_by >= 0)
		return map->spec.key_types[how->sort_by] == RST_STRING;
	return how->sort_by == RST_SORT_VALUE && map->spec.value_type == RST_STRING;
}

static struct rst_string sort_string(const struct rst_map *map, const struct rst_iteration *how,
				     struct rst_node *node)
{
	return how->sort_by >= 0 ? rst_node_key_text(map, node, how->sort_by) : rst_node_text(node);
}

/* Below 0 when a is visited before b; equal keys keep their order of insertion. */
static int item_compare(const struct rst_map *map, const struct rst_iteration *how, bool strings,
			const struct rst_item *a, const struct rst_item *b)
{
	int order = 0;

	if (strings)
		order = rst_string_compare(sort_string(map, how, a->node),
					   sort_string(map, how, b->node));
	else if (how->sort_by != RST_SORT_NONE)
		order = a->number < b->number ? -1 : a->number > b->number;
	if (order)
		return how->direction < 0 ? -order : order;
	return a->order < b->order ? -1 : 1;
}

/* Moves items[root] down until no child comes after it (the last one is on top). */
static void sift_down(const struct rst_map *map, const struct rst_iteration *how, bool strings,
		      struct rst_item *items, unsigned int root, unsigned int count)
{
	struct rst_item moving = items[root];

	for (;;) {
		unsigned int child = 2 * root + 1;

		if (child >= count)
			break;
		if (child + 1 < count &&
		    item_compare(map, how, strings, &items[child], &items[child + 1]) < 0)
			child++;
		if (item_compare(map, how, strings, &moving, &items[child]) >= 0)
			break;
		items[root] = items[child];
		root = child;
	}
	items[root] = moving;
}

struct rst_iterator *rst_iterator_begin(struct rst_context *c, struct rst_map *map,
					const struct rst_iteration *how)
{
	struct rst_part *part = map->merged ? map->merged : &map->parts[0];
	bool strings = sorts_strings(map, how);
	bool sorted = how->sort_by != RST_SORT_NONE;
	struct rst_iterator *it;
	struct rst_node *node;
	unsigned int limit = map->spec.maximum_entries;
	unsigned int order = 0, i;

	if (map->depth >= map->spec.iterations) {
		rst_fail(c, "foreach loops over one array are nested deeper than 4", NULL);
		return NULL;
	}
	if (how->limit >= 0 && how->limit < limit)
		limit = how->limit;
	if (!limit)
		return NULL;
	/* an outer loop stands on the merged nodes: they stay as they are */
	if (map->merged && map->depth == 0 && !rst_map_merge(c, map)) {
		if (map->merged->count < map->spec.maximum_entries)
			rst_map_fail_short(c, map);
		else
			rst_failf(c, NULL, "aggregation overflow in %s, check MAXMAPENTRIES",
				  map->spec.name);
		return NULL;
	}
	it = &map->iterators[map->depth];
	it->count = 0;
	it->position = 0;
	for (node = part->oldest; node; node = node->newer) {
		struct rst_item item = { .node = node, .order = order++ };

		if (how->slice && !rst_map_slice_matches(map, node, how->slice))
			continue;
		if (!strings && how->sort_by >= 0)
			item.number = rst_node_key_long(map, node, how->sort_by);
		else if (!strings && sorted)
			item.number = map->merged ? stat_number(rst_node_value(node), how->operation) :
						    *rst_node_long(node);
		if (it->count < limit) {
			it->items[it->count++] = item;
			if (it->count < limit || !sorted)
				continue;
			/* as many as wanted: from here on a heap with the last on top */
			for (i = limit / 2; i-- > 0;)
				sift_down(map, how, strings, it->items, i, limit);
		} else if (!sorted) {
			break;
		} else if (item_compare(map, how, strings, &item, &it->items[0]) < 0) {
			it->items[0] = item;
			sift_down(map, how, strings, it->items, 0, limit);
		}
	}
	if (!it->count)
		return NULL;
	if (sorted) {
		if (it->count < limit)
			for (i = it->count / 2; i-- > 0;)
				sift_down(map, how, strings, it->items, i, it->count);
		for (i = it->count - 1; i > 0; i--) {
			struct rst_item last = it->items[0];

			it->items[0] = it->items[i];
			it->items[i] = last;
			sift_down(map, how, strings, it->items, 0, i);
		}
	}
	map->depth++;
	return it;
}

struct rst_node *rst_iterator_next(struct rst_iterator *it)
{
	if (it->position >= it->count)
		return NULL;
	return it->items[it->position++].node;
}

void rst_iterator_end(struct rst_iterator *it)
{
	it->map->depth--;
}
