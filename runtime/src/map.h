/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map.h - what an array is made of, for map.c, which keeps it, and foreach.c,
 * which visits it.
 */
#ifndef RST_MAP_H
#define RST_MAP_H

#include "arena.h"

#define ITERATION_DEPTH	4

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
	unsigned long troubles[RST_MAP_TROUBLES];
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
	unsigned int frozen_by;		/* 1 + the CPU that holds all parts' locks; 0: none */
	unsigned int part_count;
	unsigned int depth;		/* iterations under way */
	struct rst_part *merged;	/* statistics only: the last part */
	struct rst_iterator iterators[ITERATION_DEPTH];
};

/* ---- nodes ----------------------------------------------------------------- */

RST_INLINE void *rst_node_value(struct rst_node *node)
{
	return node + 1;
}

RST_INLINE uint64_t *rst_node_words(const struct rst_map *map, struct rst_node *node)
{
	return (uint64_t *)((char *)node + map->key_offset);
}

RST_INLINE struct rst_string rst_node_text(struct rst_node *node)
{
	struct string_value *value = rst_node_value(node);

	return (struct rst_string){ .text = value->text ? value->text : "", .length = value->length };
}

/* Where key number `key` starts among the node's words. */
RST_INLINE uint64_t *rst_node_key(const struct rst_map *map, struct rst_node *node, unsigned int key)
{
	uint64_t *word = rst_node_words(map, node);
	unsigned int i;

	for (i = 0; i < key; i++)
		word += map->spec.key_types[i] == RST_STRING ? 1 + (word[0] + 7) / 8 : 1;
	return word;
}

RST_INLINE struct rst_string rst_node_key_text(const struct rst_map *map, struct rst_node *node,
					       unsigned int key)
{
	uint64_t *word = rst_node_key(map, node, key);

	return (struct rst_string){ .text = (const char *)(word + 1), .length = word[0] };
}

bool rst_map_slice_matches(const struct rst_map *map, struct rst_node *node,
			   const struct rst_slice *slice);
/* Fills map->merged from all CPUs. False: more keys than an array may have. */
bool rst_map_merge(struct rst_context *c, struct rst_map *map);
/* The error of an update for which there was no memory in time. */
void rst_map_fail_short(struct rst_context *c, const struct rst_map *map);

#endif /* RST_MAP_H */
