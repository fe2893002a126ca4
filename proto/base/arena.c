#include "proto/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

enum {
	ARENA_ALIGN = 16,
	ARENA_CHUNK_BYTES_MIN = 16 * 1024,
	ARENA_TIGHT_BYTES_MIN = 4 * 1024,
	/* So many chunks of it are filled side by side. */
	ARENA_TIGHT_CHUNKS = 8,
	ARENA_CHUNK_BYTES_MAX = 1024 * 1024,
	/* With more than that, an arena that recycles is like any other. */
	ARENA_RECYCLE_BYTES_MAX = 4 * 1024 * 1024,
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t cap;
	size_t len;
	alignas(ARENA_ALIGN) uint8_t bytes[];
};

static size_t room_of(const struct arena_chunk *c)
{
	return c->cap - c->len;
}

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

/* Those in front of `end`. */
static void free_chunks(struct arena *a, struct arena_chunk *c, const struct arena_chunk *end)
{
	while (c != end) {
		struct arena_chunk *next = c->next;

		a->held -= sizeof *c + c->cap;
		free(c);
		c = next;
	}
}

void arena_trim(struct arena *a)
{
	free_chunks(a, a->spares, NULL);
	a->spares = NULL;
}

size_t arena_spare(const struct arena *a)
{
	size_t bytes = 0;

	for (const struct arena_chunk *c = a->spares; c; c = c->next)
		bytes += sizeof *c + c->cap;
	return bytes;
}

void arena_fini(struct arena *a)
{
	free_chunks(a, a->chunks, NULL);
	arena_trim(a);
	*a = (struct arena){
		.max = a->max, .high = a->high, .tight = a->tight, .recycle = a->recycle
	};
}

/* Chunks in front of `end` come before the spare ones. */
static void spare_chunks(struct arena *a, const struct arena_chunk *end)
{
	struct arena_chunk **at = &a->chunks, *first = a->chunks, *rest;

	while (*at != end)
		at = &(*at)->next;
	if (at == &a->chunks)
		return;
	rest = *at;
	*at = a->spares;
	a->spares = first;
	a->chunks = rest;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *c = a->chunks;

	a->used = 0;
	if (a->recycle && a->held <= ARENA_RECYCLE_BYTES_MAX) {
		spare_chunks(a, NULL);
		return;
	}
	arena_trim(a);
	if (!c)
		return;
	free_chunks(a, c->next, NULL);
	c->next = NULL;
	c->len = 0;
}

struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){ a->chunks, a->chunks ? a->chunks->len : 0, a->used };
}

void arena_release(struct arena *a, struct arena_mark m)
{
	ASSERT(m.used <= a->used);
	ASSERT(!a->tight);
	if (a->recycle)
		spare_chunks(a, m.chunk);
	else
		free_chunks(a, a->chunks, m.chunk);
	a->chunks = m.chunk;
	if (m.chunk)
		m.chunk->len = m.len;
	a->used = m.used;
}

/* The first spare one with room for n bytes; NULL: none. */
static struct arena_chunk *take_spare(struct arena *a, size_t n)
{
	struct arena_chunk **at = &a->spares, *c;

	while (*at && (*at)->cap < n)
		at = &(*at)->next;
	c = *at;
	if (c)
		*at = c->next;
	return c;
}

static struct arena_chunk *new_chunk(struct arena *a, size_t cap)
{
	struct arena_chunk *c = malloc(sizeof *c + cap);

	if (!c)
		return NULL;
	c->cap = cap;
	a->held += sizeof *c + cap;
	return c;
}

static struct arena_chunk *add_chunk(struct arena *a, size_t n)
{
	size_t cap = !a->chunks ? 0 : a->tight ? a->used / 8 : a->chunks->cap * 2;
	size_t least = a->tight ? ARENA_TIGHT_BYTES_MIN : ARENA_CHUNK_BYTES_MIN;
	struct arena_chunk *c, **at = &a->chunks;

	if (cap < least)
		cap = least;
	if (cap > ARENA_CHUNK_BYTES_MAX)
		cap = ARENA_CHUNK_BYTES_MAX;
	if (cap < n)
		cap = n;
	c = take_spare(a, n);
	if (!c)
		c = new_chunk(a, cap);
	if (!c)
		return NULL;
	c->len = 0;
	/* What is left of other chunks is not given up for less. */
	while (a->tight && *at && room_of(*at) > c->cap - n)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
	return c;
}

/* Of a few chunks the one that n bytes fill best; NULL: none has room. */
static struct arena_chunk *best_chunk(const struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunks, *best = NULL;

	for (int i = 0; c && i < ARENA_TIGHT_CHUNKS; i++, c = c->next) {
		if (room_of(c) >= n && (!best || room_of(c) < room_of(best)))
			best = c;
	}
	return best;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunks;
	size_t take;
	void *p;

	if (n > a->max)
		return NULL;
	take = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	ASSERT(a->used <= a->max);
	if (take > a->max - a->used)
		return NULL;
	if (a->tight)
		c = best_chunk(a, take);
	if (!c || take > room_of(c))
		c = add_chunk(a, take);
	if (!c)
		return NULL;
	p = c->bytes + c->len;
	c->len += take;
	a->used += take;
	if (a->used > a->high)
		a->high = a->used;
	return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	p = arena_alloc(a, n);
	if (p)
		memset(p, 0, n);
	return p;
}

void *arena_dup(struct arena *a, const void *p, size_t n)
{
	void *to = arena_alloc(a, n);

	if (to && n)
		memcpy(to, p, n);
	return to;
}
