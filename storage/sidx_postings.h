/*
 * sidx_postings - (hash, tag, block) triples gathered from the rows of a segment, sorted and turned
 * into a sidx_keys table.
 *
 * Life:    init, then add... and sort; reset for the next segment or range; fini.
 * Thread:  one at a time.
 * Memory:  8 bytes a triple, LIMIT_SIDX_POSTINGS of them at most, as many again while sorting, and
 *          32 KiB to notice most of those that come again. At the limit they are sorted and what
 *          stands twice goes; if that does not help `full` is set and the triples are of no use:
 *          the hashes are then gathered range by range.
 */
#ifndef STORAGE_SIDX_POSTINGS_H
#define STORAGE_SIDX_POSTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "storage/sidx_keys.h"

enum {
	SIDX_POSTINGS_BLOCK_BITS = 12,
	SIDX_POSTINGS_TAG_BITS = 64 - SIDX_KEYS_HASH_BITS - SIDX_POSTINGS_BLOCK_BITS,
	SIDX_POSTINGS_RECENT = 4096,
};

struct sidx_postings {
	uint64_t *v;
	size_t count;
	size_t cap;
	uint64_t recent[SIDX_POSTINGS_RECENT];
	uint64_t lo, hi; /* of hashes that are taken */
	bool full;
	int err;
};

static inline uint64_t sidx_postings_hash(uint64_t posting)
{
	return posting >> (64 - SIDX_KEYS_HASH_BITS);
}

static inline uint32_t sidx_postings_tag(uint64_t posting)
{
	return (uint32_t)(posting >> SIDX_POSTINGS_BLOCK_BITS) &
	       ((1u << SIDX_POSTINGS_TAG_BITS) - 1);
}

static inline uint32_t sidx_postings_block(uint64_t posting)
{
	return (uint32_t)posting & ((1u << SIDX_POSTINGS_BLOCK_BITS) - 1);
}

void sidx_postings_init(struct sidx_postings *p);
void sidx_postings_fini(struct sidx_postings *p);
/* Empty again, for the hashes of range `range` out of `ranges`. */
void sidx_postings_reset(struct sidx_postings *p, unsigned range, unsigned ranges);
void sidx_postings_grow(struct sidx_postings *p, uint64_t posting);

/* The hash's top bits count; blocks must not fall from one call to the next. */
static inline void sidx_postings_add(
	struct sidx_postings *p, uint64_t hash, uint32_t tag, uint32_t block)
{
	uint64_t top = hash >> (64 - SIDX_KEYS_HASH_BITS), posting;
	uint64_t *recent = &p->recent[hash >> 52];

	posting = top << (64 - SIDX_KEYS_HASH_BITS) | (uint64_t)tag << SIDX_POSTINGS_BLOCK_BITS |
		  block;
	if (*recent == ~posting || top < p->lo || top >= p->hi)
		return;
	*recent = ~posting;
	if (p->count < p->cap)
		p->v[p->count++] = posting;
	else
		sidx_postings_grow(p, posting);
}

/* By hash; equal ones as they came, so by block. 0, -ENOMEM, or ERR_LIMIT when full. */
int sidx_postings_sort(struct sidx_postings *p);

/* Walks a sorted list by keys of a table: the triples of one (bucket, low). */
struct sidx_postings_group {
	struct sidx_keys_at at;
	const uint64_t *v;
	size_t count;
};

/* The group behind *g, or the first one when g->v is NULL; false: there is none. */
bool sidx_postings_next(const struct sidx_postings *p, uint32_t buckets, unsigned low_bits,
	struct sidx_postings_group *g);
/* Its blocks, each once, into out[LIMIT_SEGMENT_BLOCKS]; their number. */
uint32_t sidx_postings_blocks(const struct sidx_postings_group *g, uint32_t *out);
/* Different hashes. */
size_t sidx_postings_keys(const struct sidx_postings *p);

#endif
