/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.h - the memory of an array's part: pieces of any number of words, so
 * that a key takes what it needs and not what MAXSTRINGLEN allows. The first
 * chunk holds every entry with texts of common length. Handlers never allocate:
 * more is added ahead of need, in process context, by rst_arena_grow().
 */
#ifndef RST_ARENA_H
#define RST_ARENA_H

#include "pure.h"

struct rst_chunk;

struct rst_arena {
	char *cursor, *end;		/* of the chunk in use */
	struct rst_chunk *in_use;
	struct rst_chunk *chunks;	/* in the order they are used up */
	struct rst_chunk *last;
	struct rst_chunk *spares;	/* grown and not yet seen by the user, who takes all at once */
	void **given;			/* pieces given back, by words */
	unsigned int largest;		/* words */
	unsigned long available;	/* bytes not in use */
	bool is_starved;		/* had no piece of a size, whatever is available */
	unsigned long first;		/* bytes of the first chunk */
	unsigned long total, limit;	/* bytes of all chunks, and most; the grower's */
	bool is_growing;
};

/* 0, or -1 without memory. */
int rst_arena_create(struct rst_arena *arena, unsigned long first, unsigned long limit,
		     unsigned int largest);
void rst_arena_destroy(struct rst_arena *arena);

/* The rest: with the lock of what it belongs to. NULL when there is no piece of that size now. */
void *rst_arena_take(struct rst_arena *arena, unsigned int words);
void rst_arena_give(struct rst_arena *arena, void *piece, unsigned int words);
/* All pieces are given back. */
void rst_arena_reset(struct rst_arena *arena);

/*
 * Without the lock, in process context. Only one grows at a time: false, somebody
 * does already. Between the two rst_arena_grow() adds so many bytes, as the limit allows.
 */
RST_INLINE bool rst_arena_begin_growth(struct rst_arena *arena)
{
	return !__atomic_exchange_n(&arena->is_growing, true, __ATOMIC_ACQUIRE);
}

RST_INLINE void rst_arena_end_growth(struct rst_arena *arena)
{
	__atomic_store_n(&arena->is_growing, false, __ATOMIC_RELEASE);
}

void rst_arena_grow(struct rst_arena *arena, unsigned long bytes);

/* Whether it should grow to hold `needed` more bytes. */
RST_INLINE bool rst_arena_is_short(const struct rst_arena *arena, unsigned long needed)
{
	return (arena->available < needed || arena->is_starved) &&
	       !__atomic_load_n(&arena->spares, __ATOMIC_RELAXED) && arena->total < arena->limit;
}

#endif /* RST_ARENA_H */
