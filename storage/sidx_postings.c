#include "storage/sidx_postings.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	CAP_MIN = 4096,
	DIGIT_BITS = 11,
	DIGITS = 1 << DIGIT_BITS,
	PASSES = SIDX_KEYS_HASH_BITS / DIGIT_BITS,
};

static_assert(PASSES * DIGIT_BITS == SIDX_KEYS_HASH_BITS, "whole digits");
static_assert(LIMIT_SEGMENT_BLOCKS <= 1 << SIDX_POSTINGS_BLOCK_BITS, "a block fits");

void sidx_postings_init(struct sidx_postings *p)
{
	memset(p, 0, sizeof *p);
	sidx_postings_reset(p, 0, 1);
}

void sidx_postings_fini(struct sidx_postings *p)
{
	free(p->v);
	p->v = NULL;
	p->cap = 0;
	p->count = 0;
}

void sidx_postings_reset(struct sidx_postings *p, unsigned range, unsigned ranges)
{
	uint64_t all = UINT64_C(1) << SIDX_KEYS_HASH_BITS;

	ASSERT(range < ranges);
	ASSERT(ranges <= 1u << 24);
	p->count = 0;
	p->full = false;
	p->err = 0;
	p->lo = all * range / ranges;
	p->hi = all * (range + 1) / ranges;
	memset(p->recent, 0, sizeof p->recent);
}

/* By digits of eleven bits, the lowest first; each pass keeps the order of the one before. */
static void sort(uint64_t *v, uint64_t *spare, size_t count)
{
	uint64_t *from = v, *to = spare;
	uint32_t start[PASSES][DIGITS];

	memset(start, 0, sizeof start);
	for (size_t i = 0; i < count; i++) {
		for (int k = 0; k < PASSES; k++)
			start[k][sidx_postings_hash(from[i]) >> (k * DIGIT_BITS) & (DIGITS - 1)]++;
	}
	for (int k = 0; k < PASSES; k++) {
		uint64_t *swap = from;
		uint32_t sum = 0;

		for (size_t i = 0; i < DIGITS; i++) {
			uint32_t n = start[k][i];

			start[k][i] = sum;
			sum += n;
		}
		ASSERT(sum == count);
		for (size_t i = 0; i < count; i++) {
			uint64_t h = sidx_postings_hash(from[i]);

			to[start[k][h >> (k * DIGIT_BITS) & (DIGITS - 1)]++] = from[i];
		}
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, count * sizeof *v);
}

/* Sorts, and drops what stands twice: next to each other, for blocks and mostly tags came in turn. */
static int tidy(struct sidx_postings *p)
{
	uint64_t *spare;
	size_t n = 0;

	if (p->count == 0)
		return 0;
	spare = malloc(p->count * sizeof *spare);
	if (!spare)
		return -ENOMEM;
	sort(p->v, spare, p->count);
	free(spare);
	for (size_t i = 0; i < p->count; i++) {
		if (n == 0 || p->v[i] != p->v[n - 1])
			p->v[n++] = p->v[i];
	}
	p->count = n;
	return 0;
}

static int make_room(struct sidx_postings *p)
{
	size_t cap = p->cap ? p->cap * 2 : CAP_MIN;
	uint64_t *v;
	int rc;

	if (cap > LIMIT_SIDX_POSTINGS) {
		rc = tidy(p);
		p->full = p->count > p->cap / 4 * 3;
		return rc;
	}
	v = realloc(p->v, cap * sizeof *v);
	if (!v)
		return -ENOMEM;
	p->v = v;
	p->cap = cap;
	return 0;
}

void sidx_postings_grow(struct sidx_postings *p, uint64_t posting)
{
	if (p->full || p->err)
		return;
	p->err = make_room(p);
	if (!p->full && !p->err)
		p->v[p->count++] = posting;
}

int sidx_postings_sort(struct sidx_postings *p)
{
	if (p->err)
		return p->err;
	return p->full ? ERR_LIMIT : tidy(p);
}

bool sidx_postings_next(const struct sidx_postings *p, uint32_t buckets, unsigned low_bits,
	struct sidx_postings_group *g)
{
	const uint64_t *end = p->count ? p->v + p->count : p->v;

	g->v = g->v ? g->v + g->count : p->v;
	if (g->v == end)
		return false;
	g->at = sidx_keys_at(sidx_postings_hash(*g->v), buckets, low_bits);
	for (g->count = 1; g->v + g->count < end; g->count++) {
		struct sidx_keys_at at =
			sidx_keys_at(sidx_postings_hash(g->v[g->count]), buckets, low_bits);

		if (at.bucket != g->at.bucket || at.low != g->at.low)
			break;
	}
	return true;
}

static int block_cmp(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return (a > b) - (a < b);
}

uint32_t sidx_postings_blocks(const struct sidx_postings_group *g, uint32_t *out)
{
	uint64_t seen[LIMIT_SEGMENT_BLOCKS / 64] = { 0 };
	uint32_t n = 0;
	bool rising = true;

	if (g->count == 1) {
		out[0] = sidx_postings_block(*g->v);
		return 1;
	}
	/* Two hashes of one key: the blocks rise in each, not over both. */
	for (size_t i = 0; i < g->count; i++) {
		uint32_t block = sidx_postings_block(g->v[i]);

		if (seen[block / 64] >> block % 64 & 1)
			continue;
		seen[block / 64] |= UINT64_C(1) << block % 64;
		rising = rising && (n == 0 || block > out[n - 1]);
		out[n++] = block;
	}
	if (!rising)
		qsort(out, n, sizeof *out, block_cmp);
	return n;
}

size_t sidx_postings_keys(const struct sidx_postings *p)
{
	size_t n = p->count > 0;

	for (size_t i = 1; i < p->count; i++)
		n += sidx_postings_hash(p->v[i]) != sidx_postings_hash(p->v[i - 1]);
	return n;
}
