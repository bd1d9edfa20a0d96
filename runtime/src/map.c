// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * map.c - arrays. A plain array is one part under the global's lock; an array
 * of statistics has a part for every CPU, each with its own lock, and one more
 * into which iterations merge. The memory for as many entries as it may have,
 * with texts of common length, is taken when the session is set up; for longer
 * ones rst_map_grow() adds some before it is needed (see arena.h).
 */
#include "arena.h"

#define ITERATION_DEPTH	4
#define COMMON_TEXT	64	/* bytes of a text that memory is there for from the start */

struct rst_node {
	struct rst_node *chain;		/* the next in its bucket */
	struct rst_node *older, *newer;
	uint32_t key_words;
	uint32_t hash;
	/* then the value, then the key's words at map->key_offset */
};

struct string_value {
	char *text;			/* NULL: never set */
	unsigned int length;
	unsigned int words;		/* of the piece that text is */
};

struct rst_part {
	struct rst_lock lock;		/* first: its address is the part's */
	unsigned int count;
	struct rst_node **buckets;
	struct rst_node *oldest, *newest;
	struct rst_arena *arena;
	unsigned long overflows;
	unsigned long shortages;	/* memory had not grown in time */
	unsigned long replaced;		/* the oldest of a wrapping array, for others */
					/* 64 bytes: cheap to index, and few CPUs share a line */
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
	bool may_grow;			/* some text may be longer than common */
	struct rst_map_spec spec;
	unsigned int string_size;
	unsigned int key_capacity, common_key;	/* words: at most, and with texts of COMMON_TEXT bytes */
	unsigned int value_words;	/* most words of a text that is a value, else 0 */
	unsigned int common_size;	/* bytes of an entry with texts of COMMON_TEXT bytes */
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

	return (struct rst_string){ .text = value->text ? value->text : "", .length = value->length };
}

struct rst_string rst_node_string(struct rst_context *c, struct rst_node *node)
{
	return rst_string_save(c, string_of(node));
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

/* ---- memory ------------------------------------------------------------------ */

/* Few sizes, so that what one entry gives back suits the next. */
static unsigned int round_words(unsigned int words, unsigned int common, unsigned int most)
{
	words = words <= common ? common : (words + 7) & ~7u;
	return words < most ? words : most;
}

static unsigned int node_size_words(const struct rst_map *map, unsigned int key_words)
{
	unsigned int fixed = map->key_offset / 8;

	return round_words(fixed + key_words, fixed + map->common_key, fixed + map->key_capacity);
}

static void part_remove(const struct rst_map *map, struct rst_part *part, struct rst_node *node);

/* Bytes for the entries that may still come, if they are like those that are there. */
static unsigned long needed_bytes(const struct rst_map *map, const struct rst_part *part)
{
	unsigned long count = __atomic_load_n(&part->count, __ATOMIC_RELAXED);
	unsigned long size = (part->arena->total - part->arena->available) / (count + 1);

	if (size < map->common_size)
		size = map->common_size;
	return size * (map->spec.maximum_entries - count);
}

/* For `node`, or a new one: a wrapping array gives its oldest entries for it. */
static void *part_take(struct rst_context *c, struct rst_map *map, struct rst_part *part,
		       unsigned int words, const struct rst_node *node)
{
	void *piece = rst_arena_take(part->arena, words);

	if (RST_UNLIKELY(!piece) && rst_memory_await(c, map))
		piece = rst_arena_take(part->arena, words);
	while (RST_UNLIKELY(!piece) && map->spec.wrap && part->oldest && part->oldest != node) {
		part_remove(map, part, part->oldest);
		part->replaced++;
		piece = rst_arena_take(part->arena, words);
	}
	if (RST_UNLIKELY(!piece) && !part->count) {
		rst_arena_reset(part->arena);
		piece = rst_arena_take(part->arena, words);
	}
	if (map->may_grow && rst_arena_is_short(part->arena, needed_bytes(map, part)))
		rst_memory_wanted(c);
	part->shortages += !piece;
	return piece;
}

static void fail_short(struct rst_context *c, const struct rst_map *map)
{
	rst_failf(c, NULL, "array '%s' has no memory for long texts that come so fast", map->spec.name);
}

void rst_node_set_string(struct rst_context *c, struct rst_map *map, struct rst_node *node,
			 struct rst_string s)
{
	struct string_value *value = node_value(node);
	unsigned int words = round_words((s.length + 8ul) / 8, COMMON_TEXT / 8, map->value_words);

	if (words > value->words) {
		struct rst_part *part = &map->parts[0];
		char *text;

		text = part_take(c, map, part, words, node);
		if (!text) {
			fail_short(c, map);
			return;
		}
		if (value->text)
			rst_arena_give(part->arena, value->text, value->words);
		value->text = text;
		value->words = words;
	}
	value->length = rst_string_copy(c, value->text, s).length;
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
	if (map->spec.value_type == RST_STRING) {
		struct string_value *value = node_value(node);

		if (value->text)
			rst_arena_give(part->arena, value->text, value->words);
	}
	rst_arena_give(part->arena, node, node_size_words(map, node->key_words));
	part->count--;
}

static void value_clear(const struct rst_map *map, struct rst_node *node)
{
	if (map->spec.value_type == RST_STAT)
		rst_stat_initialise(node_value(node), &map->spec.stat, map->stat_is_plain);
	else
		memset(node_value(node), 0, map->key_offset - sizeof(*node));
}

/* A new entry with an empty value; NULL when the part is full. */
static struct rst_node *part_insert(struct rst_context *c, struct rst_map *map,
				    struct rst_part *part, struct rst_key key)
{
	struct rst_node **bucket = bucket_of(map, part, key.hash);
	struct rst_node *node;

	if (part->count >= map->spec.maximum_entries) {
		if (!map->spec.wrap) {
			part->overflows++;
			return NULL;
		}
		part_remove(map, part, part->oldest);
		part->replaced++;
	}
	node = part_take(c, map, part, node_size_words(map, key.count), NULL);
	if (!node)
		return NULL;
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
	if (!part->count)
		return;
	memset(part->buckets, 0, sizeof(*part->buckets) * (1ul << (32 - map->hash_shift)));
	part->oldest = NULL;
	part->newest = NULL;
	part->count = 0;
	rst_arena_reset(part->arena);
}

static int part_create(struct rst_map *map, struct rst_part *part)
{
	unsigned int largest = node_size_words(map, map->key_capacity);
	unsigned long entries = map->spec.maximum_entries;
	unsigned long first = entries * map->common_size;
	unsigned long worst = entries * 8 * (largest + map->value_words);

	if (largest < map->value_words)
		largest = map->value_words;
	if (first > worst)
		first = worst;
	/* room for one of the longest is always there */
	if (first < 8ul * (largest + map->value_words))
		first = 8ul * (largest + map->value_words);
	part->buckets = rst_allocate(sizeof(*part->buckets) * (1ul << (32 - map->hash_shift)));
	part->arena = rst_allocate(sizeof(*part->arena));
	if (!part->buckets || !part->arena)
		return -1;
	map->may_grow = first < worst;
	/* pieces of other sizes lie about when texts differ in length: twice as much */
	return rst_arena_create(part->arena, first, map->may_grow ? 2 * worst : first, largest);
}

/* ---- the whole ---------------------------------------------------------------- */

/* Bytes of a value in its node. */
static unsigned int value_size(const struct rst_map_spec *spec, bool stat_is_plain)
{
	switch (spec->value_type) {
	case RST_STAT:
		return rst_stat_size(&spec->stat, stat_is_plain);
	case RST_STRING:
		return sizeof(struct string_value);
	default:
		return 8;
	}
}

/* Where an entry's key starts, how long it can be, and what is common. */
static void lay_out(struct rst_map *map)
{
	const struct rst_map_spec *spec = &map->spec;
	unsigned int most = (map->string_size + 6) / 8, common = COMMON_TEXT / 8;
	unsigned int i;

	if (common > most)
		common = most;
	map->key_offset = sizeof(struct rst_node) + value_size(spec, map->stat_is_plain);
	for (i = 0; i < spec->key_count; i++) {
		bool is_string = spec->key_types[i] == RST_STRING;

		map->key_capacity += 1 + (is_string ? most : 0);
		map->common_key += 1 + (is_string ? common : 0);
	}
	map->common_size = map->key_offset + 8 * map->common_key;
	if (spec->value_type == RST_STRING) {
		map->value_words = (map->string_size + 7) / 8;
		map->common_size += COMMON_TEXT;
	}
}

struct rst_map *rst_map_create(const struct rst_map_spec *spec, unsigned int string_size,
			       unsigned int cpus)
{
	struct rst_map *map = rst_allocate(sizeof(*map));
	bool is_stat = spec->value_type == RST_STAT;
	unsigned int i;

	if (!map)
		return NULL;
	map->spec = *spec;
	map->string_size = string_size;
	if (!map->spec.maximum_entries)
		map->spec.maximum_entries = 1;
	if (map->spec.iterations > ITERATION_DEPTH)
		map->spec.iterations = ITERATION_DEPTH;
	map->stat_is_plain = spec->stat.histogram == RST_HISTOGRAM_NONE && !spec->stat.needs_variance;
	lay_out(map);
	map->hash_shift = 32;
	while (map->hash_shift > 1 && 1u << (32 - map->hash_shift) < map->spec.maximum_entries)
		map->hash_shift--;
	map->cpus = is_stat ? cpus : 1;
	map->part_count = map->cpus + (is_stat && map->spec.iterations);
	map->parts = rst_allocate(sizeof(*map->parts) * map->part_count);
	if (!map->parts)
		goto failed;
	for (i = 0; i < map->part_count; i++)
		if (part_create(map, &map->parts[i]))
			goto failed;
	if (map->part_count > map->cpus)
		map->merged = &map->parts[map->cpus];
	for (i = 0; i < map->spec.iterations; i++) {
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

static bool part_grow(const struct rst_map *map, struct rst_part *part)
{
	struct rst_arena *arena = part->arena;
	unsigned long needed, others = 0;
	unsigned int i;

	if (!rst_arena_begin_growth(arena))
		return false;
	needed = needed_bytes(map, part);
	if (rst_arena_is_short(arena, needed))
		rst_arena_grow(arena, arena->first / 4 + needed);
	/* into this one goes what all the others hold */
	if (part == map->merged) {
		for (i = 0; i < map->cpus; i++)
			others += map->parts[i].arena->total - map->parts[i].arena->first;
		if (arena->total < arena->first + others)
			rst_arena_grow(arena, arena->first + others - arena->total);
	}
	rst_arena_end_growth(arena);
	return true;
}

bool rst_map_grow(struct rst_map *map, unsigned int cpu)
{
	bool is_done = true;
	unsigned int i;

	if (!map->may_grow)
		return true;
	for (i = 0; i < map->part_count; i++)
		is_done &= part_grow(map, &map->parts[map->cpus > 1 && i < map->cpus ?
							  (cpu + i) % map->cpus :
							  i]);
	return is_done;
}

void rst_map_destroy(struct rst_map *map)
{
	unsigned int i;

	if (!map)
		return;
	for (i = 0; map->parts && i < map->part_count; i++) {
		if (map->parts[i].arena)
			rst_arena_destroy(map->parts[i].arena);
		rst_free(map->parts[i].arena);
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

unsigned long rst_map_shortages(const struct rst_map *map)
{
	unsigned long total = 0;
	unsigned int i;

	for (i = 0; i < map->part_count; i++)
		total += map->parts[i].shortages;
	return total;
}

unsigned long rst_map_replaced(const struct rst_map *map)
{
	unsigned long total = 0;
	unsigned int i;

	/* not what merging had no room for: the CPUs' parts still have it */
	for (i = 0; i < map->cpus; i++)
		total += map->parts[i].replaced;
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

static void fail_full(struct rst_context *c, const struct rst_map *map, const struct rst_part *part)
{
	if (part->count < map->spec.maximum_entries)
		fail_short(c, map);
	else if (map->spec.is_sized)
		rst_failf(c, NULL, "Array overflow, check size limit (%u)",
			  map->spec.maximum_entries);
	else
		rst_fail(c, "Array overflow, check MAXMAPENTRIES", NULL);
}

RST_COLD struct rst_node *insert_new(struct rst_context *c, struct rst_map *map,
				     struct rst_part *part, struct rst_key key)
{
	struct rst_node *node;

	if (!key_is_usable(c, map, key))
		return NULL;
	node = part_insert(c, map, part, key);
	if (!node)
		fail_full(c, map, part);
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

RST_COLD void stat_map_add_new(struct rst_context *c, struct rst_map *map,
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
				merged = rst_scratch(c, rst_stat_size(&map->spec.stat, false));
				if (merged)
					rst_stat_initialise(merged, &map->spec.stat, false);
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
	struct rst_stat *stat;

	if (!map->stat_is_plain)
		return node_value(node);
	stat = rst_scratch(c, rst_stat_size(&map->spec.stat, false));
	if (!stat)
		return NULL;
	rst_stat_initialise(stat, &map->spec.stat, false);
	rst_stat_merge(stat, node_value(node), &map->spec.stat);
	rst_stat_finish(stat, &map->spec.stat);
	return stat;
}

/* Fills map->merged from all CPUs. False: more keys than an array may have. */
static bool merge_parts(struct rst_context *c, struct rst_map *map)
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
				into = part_insert(c, map, map->merged, key);
			if (into)
				rst_stat_merge(node_value(into), node_value(node), &map->spec.stat);
			else
				complete = false;
		}
		rst_unlock(&part->lock);
	}
	if (!map->stat_is_plain)
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

	if (map->depth >= map->spec.iterations) {
		rst_fail(c, "foreach loops over one array are nested deeper than 4", NULL);
		return NULL;
	}
	if (how->limit >= 0 && how->limit < limit)
		limit = how->limit;
	if (!limit)
		return NULL;
	/* an outer loop stands on the merged nodes: they stay as they are */
	if (map->merged && map->depth == 0 && !merge_parts(c, map)) {
		if (map->merged->count < map->spec.maximum_entries)
			fail_short(c, map);
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
