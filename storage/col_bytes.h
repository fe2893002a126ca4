/*
 * col_bytes - values of a page one after another, in chunks that are compressed each for itself: a
 * reader that wants one row decompresses one chunk, and a search needs one chunk's memory.
 *
 * BYTES PAGE
 *   varint   raw bytes    of all rows
 *   frames   rows_count lengths: 0 absent, else bytes + 1 (col_pack.h)
 *   varint   chunks
 *   for each chunk: varint rows, varint encoded bytes
 *   the encoded chunks, one after another
 * A chunk ends with the row that brings it to COL_BYTES_CHUNK raw bytes or more, so only a row of
 * that size makes it larger. Encoded bytes equal to the raw bytes: stored; else one LZ4 block.
 * Valid:  rows of the chunks add up to rows_count, lengths and encoded bytes to what is there, and
 *         every LZ4 block gives exactly its raw bytes.
 */
#ifndef STORAGE_COL_BYTES_H
#define STORAGE_COL_BYTES_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"

enum {
	COL_BYTES_CHUNK = 64 << 10,
	/* Raw bytes of one chunk: a row may start just below the mark. */
	COL_BYTES_CHUNK_MAX = COL_BYTES_CHUNK + LIMIT_EVENT_BYTES,
	COL_BYTES_RAW_MAX = LIMIT_BLOCK_BYTES + LIMIT_EVENT_BYTES,
	COL_BYTES_CHUNKS_MAX = COL_BYTES_RAW_MAX / COL_BYTES_CHUNK + 1,
};

struct col_bytes_chunk {
	uint32_t row; /* the first */
	uint32_t rows_count;
	uint32_t raw_bytes;
	struct span encoded;
};

/* An opened page: where its chunks are. */
struct col_bytes {
	uint32_t raw_bytes;
	uint32_t chunks_count;
	const struct col_bytes_chunk *chunks; /* may be moved: most pages have one or few */
};

/*
 * lengths has room for rows_count values, room for COL_BYTES_CHUNKS_MAX chunks. Page and room must outlive
 * *out. ERR_CORRUPT.
 */
int col_bytes_open(struct span page, uint32_t rows_count, uint32_t *lengths,
	struct col_bytes_chunk *room, struct col_bytes *out);
/*
 * The chunk's values one after another: in the page itself, or decompressed into scratch, whose max
 * must be at least COL_BYTES_CHUNK_MAX. Valid until the scratch is used again.
 */
int col_bytes_chunk(
	const struct col_bytes *b, uint32_t chunk, struct buf *scratch, struct span *out);
/* The same into memory for its raw bytes. ERR_CORRUPT. */
int col_bytes_chunk_to(const struct col_bytes_chunk *k, uint8_t *dst);
/* The chunk that holds the row. */
uint32_t col_bytes_find(const struct col_bytes *b, uint32_t row);

static inline uint32_t col_bytes_length(uint32_t coded)
{
	return coded ? coded - 1 : 0;
}

#endif
