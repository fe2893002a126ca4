/*
 * sealer_seal - one seal: the oldest committed, unsealed rows become segments. For sealer.c.
 *
 * Thread: the sealer's. Memory and errors: as in sealer.h.
 */
#ifndef STORAGE_SEALER_SEAL_H
#define STORAGE_SEALER_SEAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "storage/ctl.h"
#include "storage/manifest.h"
#include "storage/partition.h"
#include "storage/publish.h"
#include "storage/retain_class.h"
#include "storage/sealer.h"
#include "storage/vfs.h"

enum {
	/* An hour with so many rows of one seal gets a segment of its own. */
	SEALER_SEAL_HOUR_ROWS = 1 << 20,
	/*
	 * Fewer than astrocompact's: the collector's memory is mostly one block being decoded, held
	 * and encoded. Whole ones take 72 MiB of PSS while sealing, half ones 46, for 4 % more bytes.
	 */
	SEALER_SEAL_BLOCK_ROWS = LIMIT_BLOCK_ROWS * 3 / 8,
};

struct sealer {
	const struct vfs *vfs;
	uint64_t seal_rows;
	uint64_t seal_bytes;
	int64_t seal_age_ns;
	struct store_writer *writer;
	const struct retain_class_set *classes;
	struct store_reader *reader;
	int dir;
	uint8_t uuid[16];
	struct ctl *ctl;
	struct manifest *manifest;
	struct publish_pool *pool;
	struct sealer_merge *merge;
	struct partition part;
	struct buf scratch;

	uint64_t pending_rows;
	uint64_t pending_bytes;
	uint64_t oldest_id;     /* first unsealed row, 0: none ... */
	int64_t oldest_mono_ns; /* ... and since when */
	bool dated;             /* oldest_mono_ns was set before */
	uint64_t seen_id;       /* committed when that was looked at */
	bool failed;            /* the last step did: the wait is for its own sake */

	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken; /* under the lock */
};

/* Seals rows of snap, which has some, or ids without rows; out may be NULL. */
int sealer_seal_once(
	struct sealer *s, struct store_snapshot *snap, struct sealer_report *out, struct diag *d);

#endif
