/*
 * col_depend - integers that depend on a key: the addresses of a user, the agent of a client. For each
 * key the list of its values, the most frequent first; for each row the place in its key's list. A
 * function of the key costs nothing per row.
 *
 * Bytes: varint count of all lists' values; stream of the lengths of the lists, by key; stream of the
 * values, by key; stream of the rows' places (col_stream.h). Rows and keys are counted by whoever
 * reads, as they are by whoever writes.
 *
 * Life:    maker: init, put..., fini. col_depend: open, then get and pick in any order, for as
 *          long as bytes and arena live; there is no close.
 * Thread:  one at a time, reading too.
 * Memory:  maker: about 60 bytes a row, kept. Reading: COL_DEPEND_MEMORY_MAX from the arena at most,
 *          taken by the first read.
 * Errors:  put: in out->err. Reading: ERR_CORRUPT, also for a key that has no list; -ENOMEM.
 */
#ifndef STORAGE_COL_DEPEND_H
#define STORAGE_COL_DEPEND_H

#include "storage/col_stream.h"

enum {
	COL_DEPEND_MEMORY_MAX = 4 * COL_STREAM_MEMORY_MAX,
};

struct col_depend_in {
	uint32_t count;      /* rows, 1 .. COL_STREAM_COUNT_MAX */
	uint32_t keys_count; /* 1 .. COL_STREAM_COUNT_MAX; every key is below */
	const uint32_t *keys;
	const int64_t *values;
};

struct col_depend_work;

/* Working memory, kept between calls. */
struct col_depend_maker {
	struct col_stream_maker streams;
	struct col_depend_work *work;
};

void col_depend_maker_init(struct col_depend_maker *m, int level);
void col_depend_maker_fini(struct col_depend_maker *m);

void col_depend_put(struct col_depend_maker *m, const struct col_depend_in *in, struct buf *out);
/*
 * About the bytes that put would append; SIZE_MAX: out of memory. What it is worth is this against
 * col_stream_cost of the values.
 */
size_t col_depend_cost(struct col_depend_maker *m, const struct col_depend_in *in);

struct col_depend {
	uint32_t count;
	struct arena *mem;
	struct col_stream lengths;
	struct col_stream values;
	struct col_stream places;
	uint32_t *starts; /* of each key's list, and the end; NULL until read */
	uint64_t asked;   /* rows looked up so far */
	int64_t *all;     /* the values; NULL until many were wanted */
};

/* Moves c past it. 0, or negative, which also stands in c->err. */
int col_depend_open(struct rcur *c, uint32_t count, uint32_t keys_count, struct arena *mem,
	struct col_depend *out);
/* Rows first .. first + count - 1; keys[i] is the key of row first + i. */
int col_depend_get(
	struct col_depend *d, uint32_t first, uint32_t count, const uint32_t *keys, int64_t *out);
/* Rows in rising order; keys[i] is the key of rows[i]. */
int col_depend_pick(struct col_depend *d, const uint32_t *rows, uint32_t count,
	const uint32_t *keys, int64_t *out);

#endif
