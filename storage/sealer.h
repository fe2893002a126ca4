/*
 * sealer - turns committed, unsealed journal rows into segments with their sidecars, and gives back
 * the journal files that are no longer needed.
 *
 * A seal takes the oldest unsealed rows, up to seal_rows rows or seal_bytes bytes, groups them by
 * retention class and UTC day of their event time (storage/partition.h) and makes one manifest change
 * of them: all new segments, and the new sealed id. Killed at any point, the store is as before or as
 * after.
 *
 * Life:    open beside the collector's store_writer, step..., close.
 * Durable: when a step returned SEALER_DONE its segments are, and the journal files are gone that
 *          held nothing else.
 * Thread:  one, the collector's S. It takes the manifest's lock for the moments of a change.
 * Memory:  the segments of one pass, SEALER_PASS_BYTES of raw rows or one block if that is more; a
 *          seal that needs more reads the journal again. About 100 bytes for each hour of a seal.
 * Errors:  a failed step leaves nothing behind and may be tried again. -ENOSPC: even after the spare
 *          journal file was given up there was no room. ERR_LIMIT: LIMIT_SEGMENTS live;
 *          astrocompact --merge helps.
 */
#ifndef STORAGE_SEALER_H
#define STORAGE_SEALER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/sealer_merge.h"
#include "storage/store.h"

struct retain_class_set;

enum {
	SEALER_IDLE = 0,
	SEALER_DONE = 1,
	/* Raw rows of the segments that are written at the same time. */
	SEALER_PASS_BYTES = 16 << 20,
};

/* Where store_conf says 0. */
#define SEALER_AGE_NS (INT64_C(600) * 1000000000)

struct sealer_conf {
	const struct store_conf *store; /* seal_rows, seal_bytes, seal_age_ns; copied */
	struct store_writer *writer;    /* for the journal's files; NULL: they are left alone */
	const struct retain_class_set
		*classes; /* outlives the sealer; NULL: the default class alone */
};

struct sealer;

int sealer_open(const struct sealer_conf *conf, struct sealer **out, struct diag *d);
void sealer_close(struct sealer **s);

/* What one step did. */
struct sealer_report {
	uint64_t rows_count;
	uint64_t raw_bytes;
	uint32_t segments_count;
	uint64_t file_bytes; /* of the segments without sidecars */
	uint64_t sealed_id;
	uint64_t lost_ids;  /* unreadable journal rows that were stepped over ... */
	struct diag damage; /* ... and why; their file is linked into DATA/bad. Code 0: none */
	int64_t took_ns;
};

/*
 * Seals once if it is due (or force is set and anything is unsealed), and keeps a spare journal file
 * ready. SEALER_DONE (1): sealed, there may be more; call again. SEALER_IDLE (0): nothing to do now.
 * out may be NULL.
 */
int sealer_step(struct sealer *s, bool force, struct sealer_report *out, struct diag *d);

/*
 * When a step had nothing to do: one step of merging small segments (storage/sealer_merge.h), some
 * tenths of a second of work at most. Its SEALER_MERGE_... codes and report.
 */
int sealer_tidy(struct sealer *s, struct sealer_merge_report *out, struct diag *d);

/* Unsealed rows and bytes as of the last step, for metrics. */
uint64_t sealer_pending_rows(const struct sealer *s);
uint64_t sealer_pending_bytes(const struct sealer *s);

/*
 * For the thread's loop: sleeps until something may have become due, sealer_wake, or timeout_ms.
 * sealer_wake is free for any thread.
 */
void sealer_wait(struct sealer *s, int timeout_ms);
void sealer_wake(struct sealer *s);

#endif
