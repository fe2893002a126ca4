/*
 * sealer_merge - what the sealer does when nothing is to be sealed: small segments become larger ones,
 * a step at a time (storage/merge.h, the tiers of storage/merge_plan.h), so that a store without cron
 * stays fast to query. The thorough work, harder compression, days as a whole, is astrocompact's.
 *
 * Life:    open, step..., close; close drops a merge under way.
 * Lock:    DATA/compact.lock is held while a merge is under way; where astrocompact holds it, nothing
 *          is merged. astrocompact waits for us (compact.h: lock_wait_ns), so a merge is bounded by
 *          SEALER_MERGE_BYTES of input.
 * Thread:  one, the sealer's.
 * Memory:  SEALER_MERGE_MEMORY of decoded rows while a merge is under way, and a block being written;
 *          an index over the live segments while planning.
 * Errors:  a merge that fails is reported once; its inputs are left alone until the process ends.
 */
#ifndef STORAGE_SEALER_MERGE_H
#define STORAGE_SEALER_MERGE_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/manifest.h"
#include "storage/store.h"
#include "storage/vfs.h"

enum {
	SEALER_MERGE_IDLE = 0, /* nothing is worth it now */
	SEALER_MERGE_MORE = 1, /* under way: call again */
	SEALER_MERGE_DONE = 2, /* one merge was done */
	/* Segments of like size that become one. */
	SEALER_MERGE_FANOUT = 8,
	SEALER_MERGE_SMALL_BYTES = 256 << 10,
	SEALER_MERGE_BYTES = 512 << 20,
	SEALER_MERGE_MEMORY = 48 << 20,
	/* A day that is over is tidied up when nothing came to it for so long. */
	SEALER_MERGE_QUIET_S = 600,
	SEALER_MERGE_GRACE_S = 3600,
	SEALER_MERGE_TIDY_BYTES = 64 << 20,
};

struct publish_pool;
struct sealer_merge;

struct sealer_merge_conf {
	const struct vfs *vfs;
	int dir; /* DATA */
	const uint8_t *uuid;
	struct manifest *manifest;
	struct store_reader *reader;
	struct publish_pool *pool;
	uint32_t block_rows; /* of seg_writer */
};

struct sealer_merge_report {
	uint64_t segments_before;
	uint64_t segments_after;
	uint64_t rows_count;
	uint64_t bytes_before;
	uint64_t bytes_after;
	int64_t took_ns; /* in steps, without the waits between them */
};

int sealer_merge_open(
	const struct sealer_merge_conf *conf, struct sealer_merge **out, struct diag *d);
void sealer_merge_close(struct sealer_merge **m);

/* out is set with SEALER_MERGE_DONE. */
int sealer_merge_step(struct sealer_merge *m, struct sealer_merge_report *out, struct diag *d);

#endif
