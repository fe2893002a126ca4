/*
 * block - the rows of one block as columns in memory: what a writer fills and encodes, and what a
 * reader that wants whole blocks decodes into.
 *
 * Life:    new, then put... and block_encode, or seg_reader_rows; reset and use again; free.
 * Thread:  one at a time.
 * Memory:  grows with its rows, to BLOCK_BYTES_MAX at most; reset keeps it.
 * Errors:  -ENOMEM leaves the block as it was.
 */
#ifndef STORAGE_BLOCK_H
#define STORAGE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/wire/event.h"
#include "storage/seg_layout.h"

enum {
	/* A block takes no more rows (BLOCK_FULL) once its texts and metadata hold so many bytes. */
	BLOCK_BYTES_MAX = LIMIT_BLOCK_BYTES + LIMIT_EVENT_BYTES,
	BLOCK_FULL = 1,
};

/* One bytes column. lengths[i]: 0 absent, else bytes + 1; the bytes of all rows one after another. */
struct block_text {
	uint32_t *lengths;
	uint32_t *offs; /* start of each row's bytes */
	struct buf bytes;
};

struct block {
	uint32_t rows_count;
	uint32_t rows_cap;
	size_t bytes_count;          /* in all text columns */
	int64_t *ints[SEG_COL_INTS]; /* ids are stored as int64 of the same bits */
	struct block_text texts[SEG_COL_BYTES];
};

struct block *block_new(void);
void block_free(struct block **b);
void block_reset(struct block *b);

/*
 * Copies the event. ERR_LIMIT: its texts and metadata have LIMIT_EVENT_BYTES or more.
 * BLOCK_FULL (1): not taken, encode and reset first.
 */
int block_put(struct block *b, const struct event *ev);
/* The row as an event; its spans live in the block until reset. */
void block_get(const struct block *b, uint32_t row, struct event *out);

/* The value of one bytes column; SPAN_NONE: absent. */
struct span block_text_at(const struct block_text *t, uint32_t row);

/* Room for rows_count rows, all columns empty; for decoders. 0 or -ENOMEM. */
int block_prepare(struct block *b, uint32_t rows_count);

#endif
