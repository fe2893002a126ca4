/*
 * sidx_keys - a compact set of keys that are hashes, and for each the blocks that hold it: what the
 * sidecars .ent and .tok are made of.
 *
 * A key is (bucket, low): the keys' hashes are spread over about as many buckets as there are keys,
 * and `low` tells those of a bucket apart by up to eight bits more. A bucket costs two bits a key
 * (Elias-Fano), so a key with all of its hash costs 2 + low bits, and a lookup decodes nothing but
 * its own bucket. A key that is not there is found with a chance of one in 2^low_bits.
 *
 * TABLE, its part of a sidecar's directory
 *   varint   keys
 *   varint   buckets      0: none, and nothing follows
 *   u8       low bits (0..8); + 128: keys are marked
 *   for each page, of 1024 buckets: varint its keys, varint its bytes, u64 XXH3-64 of them
 * PAGE, all of it bits (sidx_bits.h), each part filled up to a whole byte
 *   buckets  for each bucket: a 1 for each of its keys, then a 0
 *   lows     low bits of each key, rising in a bucket
 *   marks    a bit for each key, if keys are marked
 * and where the segment has B > 1 blocks
 *   places   for each key, in the bits that the number B needs: its block; B: it has several
 *   if any has several:
 *   width    u8
 *   starts   for each 64 keys but the first 64, in so many bits: where the lists of these begin
 *   lists    for each key with several: their number less 1 as a gamma code (as many zeroes as it
 *            has bits less one, then these bits, the highest first), and the blocks by interpolation:
 *            the middle one of n in [lo, hi) less the least it can be, in the bits that the largest
 *            difference needs; then those before it, then those after it
 * Valid:  every part is as long as it says, no key twice, blocks below B and rising.
 *
 * Life:    a reader: open in the directory of a mapped sidecar, find..., close.
 * Thread:  lookups from any; only the notes of which pages have been checked change, atomically.
 * Memory:  32 bytes a page.
 * Errors:  a page's sum is checked when a lookup first reads it: ERR_CORRUPT.
 */
#ifndef STORAGE_SIDX_KEYS_H
#define STORAGE_SIDX_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/cursor.h"
#include "storage/sidx_bits.h"

enum {
	SIDX_KEYS_HASH_BITS = 33,
	SIDX_KEYS_LOW_BITS_MAX = 8,
	SIDX_KEYS_PAGE_BUCKETS = 1024,
};

/* Where a hash (below 2^33) stands among that many buckets. */
struct sidx_keys_at {
	uint32_t bucket;
	uint32_t low;
};

static inline struct sidx_keys_at sidx_keys_at(uint64_t hash, uint32_t buckets, unsigned low_bits)
{
	uint64_t v = hash * buckets;
	uint64_t rest = v & ((UINT64_C(1) << SIDX_KEYS_HASH_BITS) - 1);

	return (struct sidx_keys_at){
		(uint32_t)(v >> SIDX_KEYS_HASH_BITS),
		(uint32_t)(rest >> (SIDX_KEYS_HASH_BITS - low_bits)),
	};
}

/* ---- writing ---- */

struct sidx_keys_put {
	uint32_t buckets;
	uint32_t blocks_count; /* of the segment */
	uint8_t low_bits;
	bool marked;
	uint32_t bucket; /* the one being filled */
	uint64_t keys_count;
	uint32_t page_keys;
	struct sidx_keys_at last;
	struct buf dir;   /* page entries */
	struct buf pages; /* complete ones */
	/* The page under way. */
	struct buf upper_buf, lows_buf, marks_buf, places_buf, lists_buf, starts;
	struct sidx_bits_put upper, lows, marks, places, lists;
};

/* buckets == 0: no key may be put. */
void sidx_keys_put_init(struct sidx_keys_put *k, uint32_t buckets, unsigned low_bits, bool marked,
	uint32_t blocks_count);
void sidx_keys_put_fini(struct sidx_keys_put *k);
/* Keys by rising (bucket, low), none twice; its blocks rise. */
void sidx_keys_put(struct sidx_keys_put *k, struct sidx_keys_at at, bool mark,
	const uint32_t *blocks, uint32_t count);
/* The last page; then dir and pages are complete. 0, ERR_LIMIT or -ENOMEM of any buffer. */
int sidx_keys_put_end(struct sidx_keys_put *k);
/* The table's part of the directory. */
void sidx_keys_put_dir(const struct sidx_keys_put *k, struct buf *out);

/* ---- looking up ---- */

struct sidx_keys_page {
	uint64_t sum;
	uint64_t off; /* among the pages of the file */
	uint32_t bytes;
	uint32_t keys_count;
	_Atomic bool checked; /* its sum holds */
};

struct sidx_keys {
	uint64_t keys_count;
	uint32_t buckets;
	uint32_t blocks_count;
	uint8_t low_bits;
	bool marked;
	uint32_t pages_count;
	struct sidx_keys_page *pages;
	const uint8_t *base;
};

/*
 * Reads the table's part of a directory. Its pages stand one after another from *off of the pages in
 * `file` on; *off is moved past them. ERR_CORRUPT, -ENOMEM.
 */
int sidx_keys_open(struct sidx_keys *k, struct rcur *c, struct span file, uint64_t *off,
	uint32_t blocks_count);
void sidx_keys_close(struct sidx_keys *k);
/*
 * SIDX_KEYS_FOUND (1): the key is there, its blocks are set in blocks[] (a bit each), *out_mark is
 * its mark; 0: it is not there. ERR_CORRUPT: nothing is to be believed.
 */
enum { SIDX_KEYS_FOUND = 1 };
int sidx_keys_find(
	const struct sidx_keys *k, struct sidx_keys_at at, uint64_t *blocks, bool *out_mark);
/* Whether the page that this lookup needs was read before. */
bool sidx_keys_is_read(const struct sidx_keys *k, struct sidx_keys_at at);
/* Reads every page in full. ERR_CORRUPT. */
int sidx_keys_check(const struct sidx_keys *k);

#endif
