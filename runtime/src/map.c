// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * map.c - arrays. All memory is taken when the session is set up. A plain array
 * is one part under the global's lock; an array of statistics has a part for
 * every CPU, each with its own lock, and one more into which iterations merge.
 */
#include "pure.h"

#define ITERATION_DEPTH	4

struct rst_node {
	struct rst_node *chain;		/* the next in its bucket, or in the free list */
	struct rst_node *older, *newer;
	uint32_t key_words;
	uint32_t hash;
	/* then the value, then the key's words at map->key_offset */
};

struct string_value {
	unsigned int length;
	char text[];
};

struct rst_part {
	struct rst_lock lock;		/* first: its address is the part's */
	unsigned int count;
	struct rst_node **buckets;
	char *nodes;
	struct rst_node *free;
	struct rst_node *oldest, *newest;
	unsigned long overflows;
	unsigned long unused;		/* 64 bytes: cheap to index, and few CPUs share a line */
};

/* One entry of a foreach, with its sort key if that is a number. */
struct rst_item {
	struct rst_node *node;
	int64_t number;
	unsigned int order;
};

struct rst_iterator {
	struct rst_map *map;
	struct rst_item *items;
	unsigned int count, position;
};

struct rst_map {
	struct rst_part *parts;
	unsigned int key_offset;
	unsigned int hash_shift;	/* 32 - log2 of the number of buckets */
	bool stat_is_plain;		/* no variance, no histogram */
	struct rst_map_spec spec;
	unsigned int string_size;
	unsigned int key_capacity;	/* words */
	unsigned int node_size;
	unsigned int cpus;		/* parts that handlers fill */
	unsigned int part_count;
	unsigned int depth;		/* iterations under way */
	struct rst_part *merged;	/* statistics only: the last part */
	struct rst_iterator iterators[ITERATION_DEPTH];
};

/* ---- nodes ----------------------------------------------------------------- */

static void *node_value(struct rst_node *node)
{
	return node + 1;
}

static uint64_t *node_words(const struct rst_map *map, struct rst_node *node)
{
	return (uint64_t *)((char *)node + map->key_offset);
}

int64_t *rst_node_long(struct rst_node *node)
{
	return node_value(node);
}

static struct rst_string string_of(struct rst_node *node)
{
	struct string_value *value = node_value(node);

	return (struct rst_string){ .text = value->text, .length = value->length };
}

struct rst_string rst_node_string(struct rst_context *c, struct rst_node *node)
{
	return rst_string_save(c, string_of(node));
}

void rst_node_set_string(struct rst_context *c, struct rst_map *map, struct rst_node *node,
			 struct rst_string s)
{
	struct string_value *value = node_value(node);

	value->length = rst_string_copy(c, value->text, s).length;
}

/* Where key number `key` starts among the node's words. */
static uint64_t *key_position(const struct rst_map *map, struct rst_node *node, unsigned int key)
{
	uint64_t *word = node_words(map, node);
	unsigned int i;

	for (i = 0; i < key; i++)
		word += map->spec.key_types[i] == RST_STRING ? 1 + (word[0] + 7) / 8 : 1;
	return word;
}

static struct rst_string key_string(const struct rst_map *map, struct rst_node *node, unsigned int key)
{
	uint64_t *word = key_position(map, node, key);

	return (struct rst_string){ .text = (const char *)(word + 1), .length = word[0] };
}

int64_t rst_node_key_long(struct rst_map *map, struct rst_node *node, unsigned int key)
{
	return *key_position(map, node, key);
}

/* The words have no NUL behind a string that fills them: copy. */
struct rst_string rst_node_key_string(struct rst_context *c, struct rst_map *map,
				      struct rst_node *node, unsigned int key)
{
	return rst_string_save(c, key_string(map, node, key));
}

/* ---- one part --------------------------------------------------------------- */

RST_INLINE bool same_words(const uint64_t *a, const uint64_t *b, unsigned int count)
{
	while (count--)
		if (*a++ != *b++)
			return false;
	return true;
}

RST_INLINE struct rst_node **bucket_of(const struct rst_map *map, struct rst_part *part, uint32_t hash)
{
	return &part->buckets[(uint64_t)hash >> map->hash_shift];
}

RST_INLINE struct rst_node *part_find(const struct rst_map *map, struct rst_part *part,
				      struct rst_key key)
{
	struct rst_node *node;

	for (node = *bucket_of(map, part, key.hash); node; node = node->chain)
		if (node->hash == key.hash && node->key_words == key.count &&
		    same_words(node_words(map, node), key.words, key.count))
			return node;
	return NULL;
}

static void part_remove(const struct rst_map *map, struct rst_part *part, struct rst_node *node)
{
	struct rst_node **link = bucket_of(map, part, node->hash);

	while (*link != node)
		link = &(*link)->chain;
	*link = node->chain;
	if (node->older)
		node->older->newer = node->newer;
	else
		part->oldest = node->newer;
	if (node->newer)
		node->newer->older = node->older;
	else
		part->newest = node->older;
	node->chain = part->free;
	part->free = node;
	part->count--;
}

static void value_clear(const struct rst_map *map, struct rst_node *node)
{
	switch (map->spec.value_type) {
	case RST_STAT:
		rst_stat_initialise(node_value(node), &map->spec.stat);
		break;
	case RST_STRING: {
		struct string_value *value = node_value(node);

		value->length = 0;
		value->text[0] = 0;
		break;
	}
	default:
		*rst_node_long(node) = 0;
	}
}

/* A new entry with an empty value; NULL when the part is full. */
static struct rst_node *part_insert(const struct rst_map *map, struct rst_part *part,
				    struct rst_key key)
{
	struct rst_node **bucket = bucket_of(map, part, key.hash);
	struct rst_node *node;

	if (!part->free) {
		if (!map->spec.wrap || !part->oldest) {
			part->overflows++;
			return NULL;
		}
		part_remove(map, part, part->oldest);
	}
	node = part->free;
	part->free = node->chain;
	node->hash = key.hash;
	node->key_words = key.count;
	memcpy(node_words(map, node), key.words, 8ul * key.count);
	value_clear(map, node);
	node->chain = *bucket;
	*bucket = node;
	node->newer = NULL;
	node->older = part->newest;
	if (part->newest)
		part->newest->newer = node;
	else
		part->oldest = node;
	part->newest = node;
	part->count++;
	return node;
}

static void part_clear(const struct rst_map *map, struct rst_part *part)
{
	while (part->oldest)
		part_remove(map, part, part->oldest);
}

static int part_create(const struct rst_map *map, struct rst_part *part)
{
	unsigned int i;

	part->nodes = rst_allocate((unsigned long)map->node_size * map->spec.maximum_entries);
	part->buckets = rst_allocate(sizeof(*part->buckets) * (1ul << (32 - map->hash_shift)));
	if (!part->nodes || !part->buckets)
		return -1;
	/* backwards, so that they are taken in the order of their addresses */
	for (i = map->spec.maximum_entries; i-- > 0;) {
		struct rst_node *node =
			(struct rst_node *)(part->nodes + (unsigned long)i * map->node_size);

		node->chain = part->free;
		part->free = node;
	}
	return 0;
}

/* ---- the whole ---------------------------------------------------------------- */

static unsigned int value_size(const struct rst_map_spec *spec, unsigned int string_size)
{
	switch (spec->value_type) {
	case RST_STAT:
		return rst_stat_size(&spec->stat);
	case RST_STRING:
		return (sizeof(struct string_value) + string_size + 7) & ~7u;
	default:
		return 8;
	}
}

struct rst_map *rst_map_create(const struct rst_map_spec *spec, unsigned int string_size,
			       unsigned int cpus)
{
	struct rst_map *map = rst_allocate(sizeof(*map));
	unsigned int i;

	if (!map)
		return NULL;
	map->spec = *spec;
	map->string_size = string_size;
	if (!map->spec.maximum_entries)
		map->spec.maximum_entries = 1;
	map->key_offset = sizeof(struct rst_node) + value_size(spec, string_size);
	for (i = 0; i < spec->key_count; i++)
		map->key_capacity += spec->key_types[i] == RST_STRING ? 1 + (string_size + 6) / 8 : 1;
	map->node_size = map->key_offset + 8 * map->key_capacity;
	map->hash_shift = 32;
	while (map->hash_shift > 1 && 1u << (32 - map->hash_shift) < map->spec.maximum_entries)
		map->hash_shift--;
	map->stat_is_plain = spec->stat.histogram == RST_HISTOGRAM_NONE && !spec->stat.needs_variance;
	map->cpus = spec->value_type == RST_STAT ? cpus : 1;
	map->part_count = map->cpus + (spec->value_type == RST_STAT);
	map->parts = rst_allocate(sizeof(*map->parts) * map->part_count);
	if (!map->parts)
		goto failed;
	for (i = 0; i < map->part_count; i++)
		if (part_create(map, &map->parts[i]))
			goto failed;
	if (spec->value_type == RST_STAT)
		map->merged = &map->parts[map->cpus];
	for (i = 0; i < ITERATION_DEPTH; i++) {
		map->iterators[i].map = map;
		map->iterators[i].items =
			rst_allocate(sizeof(struct rst_item) * (unsigned long)map->spec.maximum_entries);
		if (!map->iterators[i].items)
			goto failed;
	}
	return map;
failed:
	rst_map_destroy(map);
	return NULL;
}

void rst_map_destroy(struct rst_map *map)
{
	unsigned int i;

	if (!map)
		return;
	for (i = 0; map->parts && i < map->part_count; i++) {
		rst_free(map->parts[i].nodes);
		rst_free(map->parts[i].buckets);
	}
	for (i = 0; i < ITERATION_DEPTH; i++)
		rst_free(map->iterators[i].items);
	rst_free(map->parts);
	rst_free(map);
}

unsigned long rst_map_overflows(const struct rst_map *map)
{
	unsigned long total = 0;
	unsigned int i;

	for (i = 0; i < map->part_count; i++)
		total += map->parts[i].overflows;
	return total;
}

struct rst_node *rst_map_find(struct rst_map *map, struct rst_key key)
{
	if (!key.words)
		return NULL;
	return part_find(map, &map->parts[0], key);
}

/* Whether the key fits; a literal may be longer than MAXSTRINGLEN. */
static bool key_is_usable(struct rst_context *c, const struct rst_map *map, struct rst_key key)
{
	if (RST_UNLIKELY(!key.words))
		return false;
	if (RST_UNLIKELY(key.count > map->key_capacity)) {
		rst_failf(c, NULL, "array key of '%s' is longer than MAXSTRINGLEN", map->spec.name);
		return false;
	}
	return true;
}

static void fail_full(struct rst_context *c, const struct rst_map *map)
{
	if (map->spec.is_sized)
		rst_failf(c, NULL, "Array overflow, check size limit (%u)",
			  map->spec.maximum_entries);
	else
		rst_fail(c, "Array overflow, check MAXMAPENTRIES", NULL);
}

RST_COLD struct rst_node *insert_new(struct rst_context *c, const struct rst_map *map,
				     struct rst_part *part, struct rst_key key)
{
	struct rst_node *node;

	if (!key_is_usable(c, map, key))
		return NULL;
	node = part_insert(map, part, key);
	if (!node)
		fail_full(c, map);
	return node;
}

struct rst_node *rst_map_insert_key(struct rst_context *c, struct rst_map *map, struct rst_key key)
{
	struct rst_node *node = part_find(map, &map->parts[0], key);

	if (RST_LIKELY(node != NULL))
		return node;
	return insert_new(c, map, &map->parts[0], key);
}

void rst_map_delete(struct rst_map *map, struct rst_key key)
{
	unsigned int i;

	if (!key.words)
		return;
	for (i = 0; i < map->cpus; i++) {
		struct rst_part *part = &map->parts[i];
		struct rst_node *node;

		rst_lock(&part->lock);
		node = part_find(map, part, key);
		if (node)
			part_remove(map, part, node);
		rst_unlock(&part->lock);
	}
}

void rst_map_clear(struct rst_map *map)
{
	unsigned int i;

	for (i = 0; i < map->cpus; i++) {
		rst_lock(&map->parts[i].lock);
		part_clear(map, &map->parts[i]);
		rst_unlock(&map->parts[i].lock);
	}
}

/* ---- slices --------------------------------------------------------------------- */

static bool slice_matches(const struct rst_map *map, struct rst_node *node,
			  const struct rst_slice *slice)
{
	uint64_t *word = node_words(map, node);
	unsigned int i;

	for (i = 0; i < map->spec.key_count; i++) {
		if (map->spec.key_types[i] == RST_STRING) {
			unsigned int length = word[0];

			if (slice->is_fixed[i] &&
			    (length != slice->string[i].length ||
			     memcmp(word + 1, slice->string[i].text, length)))
				return false;
			word += 1 + (length + 7) / 8;
		} else {
			if (slice->is_fixed[i] && *word != (uint64_t)slice->number[i])
				return false;
			word++;
		}
	}
	return true;
}

bool rst_map_contains_slice(struct rst_map *map, const struct rst_slice *slice)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < map->cpus && !found; i++) {
		struct rst_part *part = &map->parts[i];
		struct rst_node *node;

		rst_lock(&part->lock);
		for (node = part->oldest; node && !found; node = node->newer)
			found = slice_matches(map, node, slice);
		rst_unlock(&part->lock);
	}
	return found;
}

void rst_map_delete_slice(struct rst_map *map, const struct rst_slice *slice)
{
	unsigned int i;

	for (i = 0; i < map->cpus; i++) {
		struct rst_part *part = &map->parts[i];
		struct rst_node *node, *newer;

		rst_lock(&part->lock);
		for (node = part->oldest; node; node = newer) {
			newer = node->newer;
			if (slice_matches(map, node, slice))
				part_remove(map, part, node);
		}
		rst_unlock(&part->lock);
	}
}

/* ---- arrays of statistics ---------------------------------------------------------- */

/* The less common ends of rst_stat_map_add(), with the part's lock held. */
RST_COLD void stat_map_detail(const struct rst_map *map, struct rst_part *part, struct rst_node *node,
			      int64_t value)
{
	rst_stat_detail(node_value(node), &map->spec.stat, value);
	rst_unlock(&part->lock);
}

RST_COLD void stat_map_add_new(struct rst_context *c, const struct rst_map *map,
			       struct rst_part *part, struct rst_key key, int64_t value)
{
	struct rst_node *node = insert_new(c, map, part, key);

	if (node) {
		rst_stat_count(node_value(node), value);
		if (!map->stat_is_plain)
			rst_stat_detail(node_value(node), &map->spec.stat, value);
	}
	rst_unlock(&part->lock);
}

void rst_stat_map_add_key(struct rst_context *c, struct rst_map *map, struct rst_key key,
			  int64_t value)
{
	struct rst_part *part = &map->parts[c->cpu];
	struct rst_node *node;

	rst_lock(&part->lock);
	node = part_find(map, part, key);
	if (RST_UNLIKELY(!node)) {
		stat_map_add_new(c, map, part, key, value);
		return;
	}
	rst_stat_count(node_value(node), value);
	if (map->stat_is_plain)
		rst_unlock(&part->lock);
	else
		stat_map_detail(map, part, node, value);
}

const struct rst_stat *rst_stat_map_get(struct rst_context *c, struct rst_map *map, struct rst_key key)
{
	struct rst_stat *merged = NULL;
	unsigned int i;

	if (!key.words)
		return NULL;
	for (i = 0; i < map->cpus; i++) {
		struct rst_part *part = &map->parts[i];
		struct rst_node *node;

		if (!__atomic_load_n(&part->count, __ATOMIC_RELAXED))
			continue;
		rst_lock(&part->lock);
		node = part_find(map, part, key);
		if (node) {
			if (!merged) {
				merged = rst_scratch(c, rst_stat_size(&map->spec.stat));
				if (merged)
					rst_stat_initialise(merged, &map->spec.stat);
			}
			if (merged)
				rst_stat_merge(merged, node_value(node), &map->spec.stat);
		}
		rst_unlock(&part->lock);
		if (c->error)
			return NULL;
	}
	if (merged)
		rst_stat_finish(merged, &map->spec.stat);
	return merged;
}

bool rst_stat_map_contains(struct rst_map *map, struct rst_key key)
{
	bool found = false;
	unsigned int i;

	if (!key.words)
		return false;
	for (i = 0; i < map->cpus && !found; i++) {
		rst_lock(&map->parts[i].lock);
		found = part_find(map, &map->parts[i], key) != NULL;
		rst_unlock(&map->parts[i].lock);
	}
	return found;
}

const struct rst_stat *rst_node_stat(struct rst_context *c, struct rst_map *map, struct rst_node *node)
{
	return node_value(node);
}

/* Fills map->merged from all CPUs. False: more keys than an array may have. */
static bool merge_parts(struct rst_map *map)
{
	struct rst_node *node, *into;
	bool complete = true;
	unsigned int i;

	part_clear(map, map->merged);
	for (i = 0; i < map->cpus; i++) {
		struct rst_part *part = &map->parts[i];

		if (!__atomic_load_n(&part->count, __ATOMIC_RELAXED))
			continue;
		rst_lock(&part->lock);
		for (node = part->oldest; node; node = node->newer) {
			struct rst_key key = { .words = node_words(map, node),
					       .count = node->key_words,
					       .hash = node->hash };

			into = part_find(map, map->merged, key);
			if (!into)
				into = part_insert(map, map->merged, key);
			if (into)
				rst_stat_merge(node_value(into), node_value(node), &map->spec.stat);
			else
				complete = false;
		}
		rst_unlock(&part->lock);
	}
	for (node = map->merged->oldest; node; node = node->newer)
		rst_stat_finish(node_value(node), &map->spec.stat);
	return complete;
}

/* ---- foreach -------------------------------------------------------------------------- */

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
		return s->average;
	case RST_VARIANCE:
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
	return how->sort_by >= 0 ? key_string(map, node, how->sort_by) : string_of(node);
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

	if (map->depth >= ITERATION_DEPTH) {
		rst_fail(c, "foreach loops over one array are nested deeper than 4", NULL);
		return NULL;
	}
	if (how->limit >= 0 && how->limit < limit)
		limit = how->limit;
	if (!limit)
		return NULL;
	/* an outer loop stands on the merged nodes: they stay as they are */
	if (map->merged && map->depth == 0 && !merge_parts(map)) {
		rst_failf(c, NULL, "aggregation overflow in %s, check MAXMAPENTRIES", map->spec.name);
		return NULL;
	}
	it = &map->iterators[map->depth];
	it->count = 0;
	it->position = 0;
	for (node = part->oldest; node; node = node->newer) {
		struct rst_item item = { .node = node, .order = order++ };

		if (how->slice && !slice_matches(map, node, how->slice))
			continue;
		if (!strings && how->sort_by >= 0)
			item.number = rst_node_key_long(map, node, how->sort_by);
		else if (!strings && sorted)
			item.number = map->merged ? stat_number(node_value(node), how->operation) :
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
