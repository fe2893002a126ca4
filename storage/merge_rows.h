/*
 * merge_rows - the rows of several segments in the order of their ids, and a digest of rows by which
 * two sets of them can be compared.
 *
 * Only blocks that overlap in ids are decoded at the same time: segments one after another cost one
 * block, those of one seal as many as there are of them.
 *
 * Life:    open on readers that outlive it, next... to the end, close.
 * Thread:  one.
 * Memory:  merge_rows_peak at most.
 * Errors:  a block that cannot be read: the code, and whose it was.
 */
#ifndef STORAGE_MERGE_ROWS_H
#define STORAGE_MERGE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/wire/event.h"
#include "storage/seg_reader.h"

struct merge_rows;

/* Bytes of decoded rows that a merge of these holds at its worst moment. UINT64_MAX: no memory to tell. */
uint64_t merge_rows_peak(const struct seg_reader *const *readers, size_t readers_count);

int merge_rows_open(const struct seg_reader *const *readers, size_t readers_count,
	struct merge_rows **out, struct diag *d);
void merge_rows_close(struct merge_rows **m);

/* 1: *out_ev is the next row, its spans live until the next call; 0: there are no more. */
int merge_rows_next(struct merge_rows *m, struct event *out_ev, struct diag *d);
/* After a failure of next: the place of the reader that failed. */
size_t merge_rows_failed(const struct merge_rows *m);
/* Blocks decoded so far: a change tells the caller that time has passed. */
uint64_t merge_rows_blocks(const struct merge_rows *m);

/* Equal digests: the same rows with the same ids and the same content, in whatever order. */
struct merge_digest {
	uint64_t rows_count;
	uint64_t ids_sum;
	uint64_t content_sum;
};

/* scratch: for one row; max at least LIMIT_EVENT_BYTES. */
int merge_rows_digest(struct merge_digest *g, const struct event *ev, struct buf *scratch);

static inline int merge_rows_same(const struct merge_digest *a, const struct merge_digest *b)
{
	return a->rows_count == b->rows_count && a->ids_sum == b->ids_sum &&
	       a->content_sum == b->content_sum;
}

#endif
