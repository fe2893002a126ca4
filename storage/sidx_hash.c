#include "storage/sidx_hash.h"

#include <errno.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

uint64_t sidx_hash_value(struct span s)
{
	/* The lowest bit marks presence; fingerprints are taken from the top. */
	return s.p ? XXH3_64bits(s.p, s.n) | 1 : 0;
}

void sidx_hash_init(struct sidx_hash *h, int col)
{
	ASSERT(col >= SEG_COL_INTS);
	ASSERT(col < SEG_COL_COUNT);
	memset(h, 0, sizeof *h);
	h->col = col;
	col_dict_init(&h->dict);
	seg_decode_buf_init(&h->page);
	buf_init(&h->chunk, COL_BYTES_CHUNK_MAX + 1);
}

void sidx_hash_fini(struct sidx_hash *h)
{
	col_dict_fini(&h->dict);
	buf_fini(&h->page);
	buf_fini(&h->chunk);
	free(h->entries);
	h->entries = NULL;
}

static int load_dict(struct sidx_hash *h, const struct seg_reader *seg, struct diag *d)
{
	int rc = seg_decode_dict(seg, h->col, &h->dict, d);

	if (rc < 0)
		return rc;
	h->entries = calloc((size_t)h->dict.count + 1, sizeof *h->entries);
	if (!h->entries)
		return diag_set(d, -ENOMEM, seg_reader_name(seg), -1, "hashing a dictionary");
	for (uint32_t i = 1; i <= h->dict.count; i++)
		h->entries[i] = sidx_hash_value(col_dict_at(&h->dict, i));
	h->dict_ready = true;
	return 0;
}

static int from_codes(
	struct sidx_hash *h, const struct seg_reader *seg, uint32_t block, struct diag *d)
{
	int rc = h->dict_ready ? 0 : load_dict(h, seg, d);

	if (rc == 0)
		rc = seg_decode_codes(seg, block, h->col, &h->page, h->codes, d);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < seg_reader_block(seg, block)->rows_count; i++)
		h->rows[i] = h->entries[h->codes[i]];
	return 0;
}

static int from_bytes(
	struct sidx_hash *h, const struct seg_reader *seg, uint32_t block, struct diag *d)
{
	int rc = seg_decode_bytes(seg, block, h->col, h->lengths, &h->bytes, d);

	for (uint32_t i = 0; rc == 0 && i < h->bytes.chunks_count; i++) {
		const struct col_bytes_chunk *k = &h->bytes.chunks[i];
		struct span raw;
		size_t off = 0;

		rc = col_bytes_chunk(&h->bytes, i, &h->chunk, &raw);
		if (rc < 0)
			return seg_decode_fail(seg, block, h->col, rc, d);
		for (uint32_t r = k->row; r < k->row + k->rows_count; r++) {
			size_t n = col_bytes_length(h->lengths[r]);
			struct span s = span_of(raw.p + off, n);

			h->rows[r] = h->lengths[r] ? sidx_hash_value(s) : 0;
			off += n;
		}
	}
	return rc;
}

int sidx_hash_rows(
	struct sidx_hash *h, const struct seg_reader *seg, uint32_t block, struct diag *d)
{
	enum col_kind kind;
	int rc = seg_decode_kind(seg, block, h->col, &kind, d);

	if (rc < 0)
		return rc;
	return kind == COL_KIND_CODES ? from_codes(h, seg, block, d) : from_bytes(h, seg, block, d);
}

/* By digits of eleven bits, the lowest first; each pass keeps the order of the one before. */
void sidx_hash_sort(uint64_t *v, uint64_t *spare, size_t count, unsigned bits)
{
	uint64_t *from = v, *to = spare;
	size_t start[DIGITS];

	ASSERT(bits > 0);
	ASSERT(bits <= 64);
	for (unsigned shift = 0; shift < bits; shift += DIGIT_BITS) {
		uint64_t *swap = from;
		size_t sum = 0;

		memset(start, 0, sizeof start);
		for (size_t i = 0; i < count; i++)
			start[from[i] >> shift & (DIGITS - 1)]++;
		for (size_t k = 0; k < DIGITS; k++) {
			size_t n = start[k];

			start[k] = sum;
			sum += n;
		}
		ASSERT(sum == count);
		for (size_t i = 0; i < count; i++)
			to[start[from[i] >> shift & (DIGITS - 1)]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != v && count > 0)
		memcpy(v, from, count * sizeof *v);
}
