/*
 * chunkset - the chunk ids that were stored last: a ring in order of arrival with a hash beside it.
 * The journal carries them from file to file; the collector's loop keeps its own copy to recognise
 * what is sent again (promise 2).
 *
 * Life:    init with a capacity, add and ask, fini.
 * Thread:  one per set.
 * Memory:  28 bytes per place, taken in init; when full the oldest id is forgotten.
 */
#ifndef STORAGE_CHUNKSET_H
#define STORAGE_CHUNKSET_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/store.h"

struct chunkset {
	struct store_chunk *ring; /* place of id number n: n % cap */
	uint64_t *tags;  /* caller's note beside each id, for instance where it is committed */
	uint32_t *slots; /* open addressing; place + 1, 0 is free */
	uint32_t cap;
	uint32_t slots_mask;
	uint64_t seed;
	uint64_t begin; /* number of the oldest id held */
	uint64_t end;   /* number of ids ever added */
};

int chunkset_init(struct chunkset *s, uint32_t cap);
void chunkset_fini(struct chunkset *s);

/* False, and nothing changed, when it is there already. */
bool chunkset_add(struct chunkset *s, struct store_chunk c, uint64_t tag);
/* The note given with it in *out_tag (may be NULL). */
bool chunkset_has(const struct chunkset *s, struct store_chunk c, uint64_t *out_tag);
/* Forgets the newest until `end` ids were ever added. What they had pushed out stays forgotten. */
void chunkset_undo(struct chunkset *s, uint64_t end);
void chunkset_clear(struct chunkset *s);

static inline uint32_t chunkset_count(const struct chunkset *s)
{
	return (uint32_t)(s->end - s->begin);
}

/* The i-th oldest, 0 <= i < count. */
static inline struct store_chunk chunkset_at(const struct chunkset *s, uint32_t i)
{
	return s->ring[(s->begin + i) % s->cap];
}

#endif
