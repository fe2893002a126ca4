/*
 * col_stream - a list of integers in its own cheapest encoding, any part of which can be read alone.
 *
 * What columns are made of: times, codes, lengths, digits. Values are int64; a uint64 of the same
 * bits does as well, all arithmetic is modulo 2^64. The number of values is not part of the stream:
 * whoever writes one knows it when reading. A stream of no values has no bytes. FORMAT.md has the
 * bytes, col_stream_int.h the encodings.
 *
 * Life:    col_stream_maker: init, put..., fini; a zeroed one is initialised. col_stream: open, then
 *          get, pick in any order, for as long as the bytes it was opened on and the arena live;
 *          there is no close.
 * Thread:  one at a time; reading, too: a stream remembers what it decoded last.
 * Memory:  opening reads the headers and takes little. The first read may take tables from the
 *          arena, COL_STREAM_MEMORY_MAX at most, whatever the bytes claim.
 * Errors:  put: in out->err, which sticks. Reading takes bytes nobody vouches for: ERR_CORRUPT (or
 *          ERR_TRUNCATED in c->err); -ENOMEM when the arena is full.
 */
#ifndef STORAGE_COL_STREAM_H
#define STORAGE_COL_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/cursor.h"

enum {
	/* Values of one stream. */
	COL_STREAM_COUNT_MAX = 1 << 20,
	/* What reading one may take from the arena. */
	COL_STREAM_MEMORY_MAX = 16 << 20,
};

struct col_stream_work;

/* Working memory, kept between calls. */
struct col_stream_maker {
	int level; /* 0: as fast as the collector seals; above: whatever is smallest */
	struct col_stream_work *work;
};

void col_stream_maker_init(struct col_stream_maker *m, int level);
void col_stream_maker_fini(struct col_stream_maker *m);

/* Appends the stream of count values, at most COL_STREAM_COUNT_MAX. */
void col_stream_put(struct col_stream_maker *m, const int64_t *v, uint32_t count, struct buf *out);
/* About the bytes that put would append, without writing them; SIZE_MAX: out of memory. */
size_t col_stream_cost(struct col_stream_maker *m, const int64_t *v, uint32_t count);

struct col_stream_body;

struct col_stream {
	uint32_t count;
	struct col_stream_body *body; /* in the arena; NULL: no values */
};

/*
 * Moves c past the stream of count values and describes it in out. Its headers are checked, its
 * values when they are read. 0, or negative, which also stands in c->err.
 */
int col_stream_open(struct rcur *c, uint32_t count, struct arena *mem, struct col_stream *out);
/* Values first .. first + count - 1, which must exist. One value costs about a frame of 128. */
int col_stream_get(struct col_stream *s, uint32_t first, uint32_t count, int64_t *out);
/* The values at count places, in rising order (a place may come twice). */
int col_stream_pick(struct col_stream *s, const uint32_t *rows, uint32_t count, int64_t *out);

#endif
