/*
 * chunkset - the chunk ids that were stored last: a ring in order of arrival with a hash beside it.
 * The start fills it from the chunk log and the journal (recover.h); then the collector's loop has it,
 * to recognise what is sent again (promise 2).
 *
 * An id is kept by 96 of its 128 bits. A frame whose id was never stored passes for a known one, and
 * is lost, once in 2^96 / LIMIT_CHUNKS_REMEMBERED = 2^76 frames: at a million a second, once in 2e9 years.
 *
 * Life:    init with a capacity, add and ask, fini. move hands all of it to another owner.
 * Thread:  one per set.
 * Memory:  18 bytes a place and 8 a note, taken in init; when full the oldest id is forgotten.
 */
#ifndef STORAGE_CHUNKSET_H
#define STORAGE_CHUNKSET_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/store.h"

enum { CHUNKSET_ID_WORDS = 3 };

struct chunkset {
	uint32_t (*ids)[CHUNKSET_ID_WORDS]; /* id number n at n % cap */
	uint32_t *
		slots; /* open addressing: place + 1 below CHECK_SHIFT, bits of the hash above; 0 free */
	uint64_t *notes; /* of id number n at n % notes_cap */
	uint32_t cap;
	uint32_t slots_count;
	uint32_t notes_cap;
	uint64_t seed;
	uint64_t begin; /* number of the oldest id held */
	uint64_t end;   /* number of ids ever added */
};

/* Of `cap` ids, the newest notes_cap keep the note that was given with them. -ENOMEM. */
int chunkset_init(struct chunkset *s, uint32_t cap, uint32_t notes_cap);
void chunkset_fini(struct chunkset *s);
/* *to, empty memory, becomes *from, which is as after fini. */
void chunkset_move(struct chunkset *from, struct chunkset *to);

/* False, and nothing changed, when it is there already. */
bool chunkset_add(struct chunkset *s, struct store_chunk c, uint64_t note);
/* Whether it is there; its note in *out_note (may be NULL), 0 when that is no longer kept. */
bool chunkset_has(const struct chunkset *s, struct store_chunk c, uint64_t *out_note);
/* Forgets the newest until `end` ids were ever added. What they had pushed out stays forgotten. */
void chunkset_undo(struct chunkset *s, uint64_t end);

static inline uint32_t chunkset_count(const struct chunkset *s)
{
	return (uint32_t)(s->end - s->begin);
}

#endif
