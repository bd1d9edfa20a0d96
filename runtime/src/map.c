// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * map.c - arrays. A plain array is one part under the global's lock; an array
 * of statistics has a part for every CPU, each with its own lock, and one more
 * into which iterations merge. The memory for as many entries as it may have,
 * with texts of common length, is taken when the session is set up; for longer
 * ones rst_map_grow() adds some before it is needed (see arena.h).
 */
#include "map.h"

#define COMMON_TEXT	64	/* bytes of a text that memory is there for from the start */

/* ---- nodes ----------------------------------------------------------------- */

int64_t *rst_node_long(struct rst_node *node)
{
	return rst_node_value(node);
}

struct rst_string rst_node_string(struct rst_context *c, struct rst_node *node)
{
	return rst_string_save(c, rst_node_text(node));
}

int64_t rst_node_key_long(struct rst_map *map, struct rst_node *node, unsigned int key)
{
	return *rst_node_key(map, node, key);
}

/* The words have no NUL behind a string that fills them: copy. */
struct rst_string rst_node_key_string(struct rst_context *c, struct rst_map *map,
				      struct rst_node *node, unsigned int key)
{
	return rst_string_save(c, rst_node_key_text(map, node, key));
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
		part->troubles[RST_MAP_REPLACED]++;
		piece = rst_arena_take(part->arena, words);
	}
	if (RST_UNLIKELY(!piece) && !part->count) {
		rst_arena_reset(part->arena);
		piece = rst_arena_take(part->arena, words);
	}
	if (map->may_grow && rst_arena_is_short(part->arena, needed_bytes(map, part)))
		rst_memory_wanted(c);
	part->troubles[RST_MAP_SHORTAGE] += !piece;
	return piece;
}

void rst_map_fail_short(struct rst_context *c, const struct rst_map *map)
{
	rst_failf(c, NULL, "array '%s' has no memory for long texts that come so fast", map->spec.name);
}

void rst_node_set_string(struct rst_context *c, struct rst_map *map, struct rst_node *node,
			 struct rst_string s)
{
	struct string_value *value = rst_node_value(node);
	unsigned int words = round_words((s.length + 8ul) / 8, COMMON_TEXT / 8, map->value_words);

	if (words > value->words) {
		struct rst_part *part = &map->parts[0];
		char *text;

		text = part_take(c, map, part, words, node);
		if (!text) {
			rst_map_fail_short(c, map);
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

/* For whoever holds the global's lock, and so has frozen the map if anybody has. */
RST_INLINE void part_lock(const struct rst_map *map, struct rst_part *part)
{
	if (!map->frozen_by)
		rst_lock(&part->lock);
}

RST_INLINE void part_unlock(const struct rst_map *map, struct rst_part *part)
{
	if (!map->frozen_by)
		rst_unlock(&part->lock);
}

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
		    same_words(rst_node_words(map, node), key.words, key.count))
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
		struct string_value *value = rst_node_value(node);

		if (value->text)
			rst_arena_give(part->arena, value->text, value->words);
	}
	rst_arena_give(part->arena, node, node_size_words(map, node->key_words));
	part->count--;
}

static void value_clear(const struct rst_map *map, struct rst_node *node)
{
	if (map->spec.value_type == RST_STAT)
		rst_stat_initialise(rst_node_value(node), &map->spec.stat, map->stat_is_plain);
	else
		memset(rst_node_value(node), 0, map->key_offset - sizeof(*node));
}

/* A new entry with an empty value; NULL when the part is full. */
static struct rst_node *part_insert(struct rst_context *c, struct rst_map *map,
				    struct rst_part *part, struct rst_key key)
{
	struct rst_node **bucket = bucket_of(map, part, key.hash);
	struct rst_node *node;

	if (part->count >= map->spec.maximum_entries) {
		if (!map->spec.wrap) {
			part->troubles[RST_MAP_OVERFLOW]++;
			return NULL;
		}
		part_remove(map, part, part->oldest);
		part->troubles[RST_MAP_REPLACED]++;
	}
	node = part_take(c, map, part, node_size_words(map, key.count), NULL);
	if (!node)
		return NULL;
	node->hash = key.hash;
	node->key_words = key.count;
	memcpy(rst_node_words(map, node), key.words, 8ul * key.count);
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

unsigned long rst_map_troubles(const struct rst_map *map, enum rst_map_trouble trouble)
{
	/* what merging had no room for is no loss: the CPUs' parts still have it */
	unsigned int parts = trouble == RST_MAP_REPLACED ? map->cpus : map->part_count;
	unsigned long total = 0;
	unsigned int i;

	for (i = 0; i < parts; i++)
		total += map->parts[i].troubles[trouble];
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
		rst_map_fail_short(c, map);
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

		part_lock(map, part);
		node = part_find(map, part, key);
		if (node)
			part_remove(map, part, node);
		part_unlock(map, part);
	}
}

void rst_map_clear(struct rst_map *map)
{
	unsigned int i;

	for (i = 0; i < map->cpus; i++) {
		part_lock(map, &map->parts[i]);
		part_clear(map, &map->parts[i]);
		part_unlock(map, &map->parts[i]);
	}
}

/* ---- slices --------------------------------------------------------------------- */

bool rst_map_slice_matches(const struct rst_map *map, struct rst_node *node,
			   const struct rst_slice *slice)
{
	uint64_t *word = rst_node_words(map, node);
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

		part_lock(map, part);
		for (node = part->oldest; node && !found; node = node->newer)
			found = rst_map_slice_matches(map, node, slice);
		part_unlock(map, part);
	}
	return found;
}

void rst_map_delete_slice(struct rst_map *map, const struct rst_slice *slice)
{
	unsigned int i;

	for (i = 0; i < map->cpus; i++) {
		struct rst_part *part = &map->parts[i];
		struct rst_node *node, *newer;

		part_lock(map, part);
		for (node = part->oldest; node; node = newer) {
			newer = node->newer;
			if (rst_map_slice_matches(map, node, slice))
				part_remove(map, part, node);
		}
		part_unlock(map, part);
	}
}

/* ---- arrays of statistics ---------------------------------------------------------- */

/* The less common ends of rst_stat_map_add(), with the part's lock held. */
RST_COLD void stat_map_detail(const struct rst_map *map, struct rst_part *part, struct rst_node *node,
			      int64_t value)
{
	rst_stat_detail(rst_node_value(node), &map->spec.stat, value);
	rst_unlock(&part->lock);
}

RST_COLD void stat_map_add_new(struct rst_context *c, struct rst_map *map,
			       struct rst_part *part, struct rst_key key, int64_t value)
{
	struct rst_node *node = insert_new(c, map, part, key);

	if (node) {
		rst_stat_count(rst_node_value(node), value);
		if (!map->stat_is_plain)
			rst_stat_detail(rst_node_value(node), &map->spec.stat, value);
	}
	rst_unlock(&part->lock);
}

/* With the part's lock, which it gives back. */
RST_INLINE void stat_map_add_locked(struct rst_context *c, struct rst_map *map,
				    struct rst_part *part, struct rst_key key, int64_t value)
{
	struct rst_node *node = part_find(map, part, key);

	if (RST_UNLIKELY(!node)) {
		stat_map_add_new(c, map, part, key, value);
		return;
	}
	rst_stat_count(rst_node_value(node), value);
	if (map->stat_is_plain)
		rst_unlock(&part->lock);
	else
		stat_map_detail(map, part, node, value);
}

/*
 * A reader that merges holds the part, or whoever has frozen the map. Maybe this
 * handler: all others that could take the part then wait for the global's lock.
 */
RST_COLD void stat_map_add_held(struct rst_context *c, struct rst_map *map, struct rst_key key,
				int64_t value)
{
	bool is_mine = __atomic_load_n(&map->frozen_by, __ATOMIC_RELAXED) == c->cpu + 1;
	struct rst_part *part = &map->parts[c->cpu];

	if (!is_mine)
		rst_lock(&part->lock);
	stat_map_add_locked(c, map, part, key, value);
	if (is_mine)
		rst_lock(&part->lock);
}

void rst_stat_map_add_key(struct rst_context *c, struct rst_map *map, struct rst_key key,
			  int64_t value)
{
	struct rst_part *part = &map->parts[c->cpu];

	if (RST_LIKELY(rst_try_lock(&part->lock)))
		stat_map_add_locked(c, map, part, key, value);
	else
		stat_map_add_held(c, map, key, value);
}

void rst_map_freeze(struct rst_context *c, struct rst_map *map)
{
	unsigned int i;

	for (i = 0; i < map->cpus; i++)
		rst_lock(&map->parts[i].lock);
	__atomic_store_n(&map->frozen_by, c->cpu + 1, __ATOMIC_RELAXED);
}

void rst_map_thaw(struct rst_map *map)
{
	unsigned int i;

	__atomic_store_n(&map->frozen_by, 0, __ATOMIC_RELAXED);
	for (i = 0; i < map->cpus; i++)
		rst_unlock(&map->parts[i].lock);
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
		part_lock(map, part);
		node = part_find(map, part, key);
		if (node) {
			if (!merged) {
				merged = rst_scratch(c, rst_stat_size(&map->spec.stat, false));
				if (merged)
					rst_stat_initialise(merged, &map->spec.stat, false);
			}
			if (merged)
				rst_stat_merge(merged, rst_node_value(node), &map->spec.stat);
		}
		part_unlock(map, part);
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
		part_lock(map, &map->parts[i]);
		found = part_find(map, &map->parts[i], key) != NULL;
		part_unlock(map, &map->parts[i]);
	}
	return found;
}

const struct rst_stat *rst_node_stat(struct rst_context *c, struct rst_map *map, struct rst_node *node)
{
	struct rst_stat *stat;

	if (!map->stat_is_plain)
		return rst_node_value(node);
	stat = rst_scratch(c, rst_stat_size(&map->spec.stat, false));
	if (!stat)
		return NULL;
	rst_stat_initialise(stat, &map->spec.stat, false);
	rst_stat_merge(stat, rst_node_value(node), &map->spec.stat);
	rst_stat_finish(stat, &map->spec.stat);
	return stat;
}

bool rst_map_merge(struct rst_context *c, struct rst_map *map)
{
	struct rst_node *node, *into;
	bool complete = true;
	unsigned int i;

	part_clear(map, map->merged);
	for (i = 0; i < map->cpus; i++) {
		struct rst_part *part = &map->parts[i];

		if (!__atomic_load_n(&part->count, __ATOMIC_RELAXED))
			continue;
		part_lock(map, part);
		for (node = part->oldest; node; node = node->newer) {
			struct rst_key key = { .words = rst_node_words(map, node),
					       .count = node->key_words,
					       .hash = node->hash };

			into = part_find(map, map->merged, key);
			if (!into)
				into = part_insert(c, map, map->merged, key);
			if (into)
				rst_stat_merge(rst_node_value(into), rst_node_value(node), &map->spec.stat);
			else
				complete = false;
		}
		part_unlock(map, part);
	}
	if (!map->stat_is_plain)
		for (node = map->merged->oldest; node; node = node->newer)
			rst_stat_finish(rst_node_value(node), &map->spec.stat);
	return complete;
}
