/*
 * merge - one merge: the rows of live segments go into new ones that take their place, by one
 * manifest change. For astrocompact, and for the sealer when it has nothing to seal.
 *
 * The rows of segments of one day go into one new segment of that day (or more, where it becomes
 * full); those of mixed segments into one for each day that has enough of them, and a mixed one for
 * the rest. The new segments are then read back from the disk and must hold exactly the rows that
 * were read from the old ones; only after that the change is made. Rows that were deleted by order
 * (storage/redact.h) are left out.
 *
 * Life:    open, step... until it is done, close; close at any time before drops what was made.
 * Durable: when a step returned MERGE_DONE. Killed at any point, the store is as before or as after.
 * Thread:  one. The caller holds the lock of compact.lock; between steps anybody may change the
 *          manifest, the caller through the same handle too.
 * Memory:  memory_bytes of decoded rows, and the writers of one pass. A step decodes at most one
 *          block of an input and encodes about as much.
 * Errors:  ERR_STALE: an input is not live any more. ERR_LIMIT: not two of the inputs fit into the
 *          memory. After a negative return only merge_failed and close may follow.
 */
#ifndef STORAGE_MERGE_H
#define STORAGE_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/manifest.h"
#include "storage/store.h"
#include "storage/vfs.h"

struct merge;
struct publish_pool;

enum {
	MERGE_DONE = 0,
	MERGE_MORE = 1,
	/* Inputs of one merge. */
	MERGE_INPUTS_MAX = 512,
	/* Their blocks: the merged one then has fewer than LIMIT_SEGMENT_BLOCKS however rows fall. */
	MERGE_BLOCKS_MAX = LIMIT_SEGMENT_BLOCKS / 3,
};

struct merge_conf {
	const struct vfs *vfs;
	int dir;             /* DATA */
	const uint8_t *uuid; /* 16 bytes */
	struct manifest *manifest;
	struct store_reader *reader;
	/* All of one class and day, or all mixed; copied. The last are left out where memory ends. */
	const struct manifest_segment *inputs;
	size_t inputs_count; /* at most MERGE_INPUTS_MAX */
	int64_t created_ns;
	int compress_level;        /* of seg_writer ... */
	uint32_t block_rows;       /* ... and this */
	struct publish_pool *pool; /* NULL: one of its own */
	uint64_t memory_bytes;
};

/* Whatever it returns, *out is to be closed; after a failure merge_failed may be asked before. */
int merge_open(const struct merge_conf *conf, struct merge **out, struct diag *d);
void merge_close(struct merge **m);

/* MERGE_MORE (1): call again; MERGE_DONE (0): the new segments are live, the old ones gone. */
int merge_step(struct merge *m, struct diag *d);

/* The inputs that are taken: the first so many of those given. */
size_t merge_inputs(const struct merge *m, const struct manifest_segment **out);
/* After a failure: which input could not be read; SIZE_MAX: it was something else. */
size_t merge_failed(const struct merge *m);
/* When it is done: what was made of them. */
size_t merge_made_count(const struct merge *m);
const struct manifest_segment *merge_made(const struct merge *m, size_t i);
uint64_t merge_rows_count(const struct merge *m);
/* Rows that were left out because they had been deleted. */
uint64_t merge_redacted_count(const struct merge *m);

#endif
