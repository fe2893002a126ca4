/*
 * arena - bump memory for one turn of work: a batch, a request, a query slice.
 *
 * Life:    init, alloc..., reset at the end of the turn (pointers die), fini.
 * Thread:  one at a time.
 * Memory:  grows in chunks up to max bytes; reset keeps one chunk and frees the others, or, of an arena
 *          that recycles, keeps all for later turns until trim. A tight one leaves little of its chunks
 *          unused. `high` is the most that was ever in use.
 * Errors:  alloc returns NULL beyond max or out of memory.
 */
#ifndef PROTO_BASE_ARENA_H
#define PROTO_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t max;
	size_t used;
	size_t high;
	size_t held;                /* by its chunks, in use or not */
	bool tight;                 /* set after init: for what is kept long, and never released */
	bool recycle;               /* set after init */
	struct arena_chunk *spares; /* of turns before */
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);
/* Chunks of turns before that this one has not used so far are freed. */
void arena_trim(struct arena *a);
/* Bytes of these. */
size_t arena_spare(const struct arena *a);
/* Bytes of its chunks, in use or not. */
static inline size_t arena_held(const struct arena *a)
{
	return a->held;
}

/* n bytes, not cleared, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n);
/* count * size bytes, cleared; NULL on overflow too. */
void *arena_calloc(struct arena *a, size_t count, size_t size);
void *arena_dup(struct arena *a, const void *p, size_t n);

/* A place to go back to: release takes back all that was allocated since the mark. */
struct arena_mark {
	struct arena_chunk *chunk;
	size_t len;
	size_t used;
};
struct arena_mark arena_mark(const struct arena *a);
void arena_release(struct arena *a, struct arena_mark m);

#endif
