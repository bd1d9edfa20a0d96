// SPDX-License-Identifier: GPL-2.0-or-later
/* arena.c - see arena.h. */
#include "arena.h"

struct rst_chunk {
	struct rst_chunk *next;
	unsigned long size;
	char memory[];
};

static struct rst_chunk *chunk_create(unsigned long size)
{
	struct rst_chunk *chunk = rst_allocate(sizeof(*chunk) + size);

	if (chunk)
		chunk->size = size;
	return chunk;
}

static void chunks_destroy(struct rst_chunk *chunk)
{
	while (chunk) {
		struct rst_chunk *next = chunk->next;

		rst_free(chunk);
		chunk = next;
	}
}

static void enter(struct rst_arena *arena, struct rst_chunk *chunk)
{
	arena->in_use = chunk;
	arena->cursor = chunk->memory;
	arena->end = chunk->memory + chunk->size;
}

int rst_arena_create(struct rst_arena *arena, unsigned long first, unsigned long limit,
		     unsigned int largest)
{
	arena->largest = largest;
	arena->given = rst_allocate(sizeof(*arena->given) * (largest + 1ul));
	arena->chunks = chunk_create(first);
	if (!arena->given || !arena->chunks)
		return -1;
	arena->last = arena->chunks;
	arena->first = first;
	arena->total = first;
	arena->available = first;
	arena->limit = limit;
	enter(arena, arena->chunks);
	return 0;
}

void rst_arena_destroy(struct rst_arena *arena)
{
	rst_free(arena->given);
	chunks_destroy(arena->chunks);
	chunks_destroy(arena->spares);
}

/* What was grown becomes part of the chunks. */
static void take_spares(struct rst_arena *arena)
{
	struct rst_chunk *chunk = __atomic_exchange_n(&arena->spares, NULL, __ATOMIC_ACQUIRE);

	while (chunk) {
		struct rst_chunk *next = chunk->next;

		chunk->next = NULL;
		arena->last->next = chunk;
		arena->last = chunk;
		arena->available += chunk->size;
		chunk = next;
	}
}

static void *take_given(struct rst_arena *arena, unsigned int words)
{
	void *piece = arena->given[words];

	if (piece)
		arena->given[words] = *(void **)piece;
	return piece;
}

static void put_given(struct rst_arena *arena, void *piece, unsigned int words)
{
	*(void **)piece = arena->given[words];
	arena->given[words] = piece;
}

static void *take_fresh(struct rst_arena *arena, unsigned int words)
{
	unsigned long size = 8ul * words;
	char *piece;

	while (size > (unsigned long)(arena->end - arena->cursor)) {
		unsigned long left = (arena->end - arena->cursor) / 8;

		if (!arena->in_use->next)
			take_spares(arena);
		if (!arena->in_use->next)
			return NULL;
		/* the end of a chunk is a piece as well */
		if (left && left <= arena->largest)
			put_given(arena, arena->cursor, left);
		enter(arena, arena->in_use->next);
	}
	piece = arena->cursor;
	arena->cursor += size;
	return piece;
}

void *rst_arena_take(struct rst_arena *arena, unsigned int words)
{
	void *piece;
	unsigned int more;

	if (RST_UNLIKELY(!words || words > arena->largest))
		return NULL;
	piece = take_given(arena, words);
	if (!piece)
		piece = take_fresh(arena, words);
	/* the rest of a larger piece stays a piece */
	for (more = words + 1; !piece && more <= arena->largest; more++) {
		piece = take_given(arena, more);
		if (piece)
			put_given(arena, (char *)piece + 8ul * words, more - words);
	}
	if (piece)
		arena->available -= 8ul * words;
	else
		arena->is_starved = true;
	return piece;
}

void rst_arena_give(struct rst_arena *arena, void *piece, unsigned int words)
{
	put_given(arena, piece, words);
	arena->available += 8ul * words;
}

void rst_arena_reset(struct rst_arena *arena)
{
	const struct rst_chunk *chunk;

	take_spares(arena);
	memset(arena->given, 0, sizeof(*arena->given) * (arena->largest + 1ul));
	arena->available = 0;
	for (chunk = arena->chunks; chunk; chunk = chunk->next)
		arena->available += chunk->size;
	enter(arena, arena->chunks);
}

void rst_arena_grow(struct rst_arena *arena, unsigned long bytes)
{
	unsigned long room = arena->limit - arena->total;
	struct rst_chunk *chunk;

	bytes = (bytes < room ? bytes : room) & ~7ul;
	if (bytes < 8ul * arena->largest)
		return;
	chunk = chunk_create(bytes);
	if (!chunk)
		return;
	arena->is_starved = false;
	arena->total += bytes;
	chunk->next = __atomic_load_n(&arena->spares, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&arena->spares, &chunk->next, chunk, 0, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}
