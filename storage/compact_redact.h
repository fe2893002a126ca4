/*
 * compact_redact - deletion by order of a person, in two steps: an order hides its events from every
 * reader at once (storage/redact.h), the purge takes their rows out of the segments for good.
 *
 * The purge writes each segment that holds such rows anew without them, reads it back, and replaces
 * it by one manifest change; a segment of which nothing is left is dropped. Rows still in the journal
 * are hidden there and purged after they were sealed. When no segment and no unsealed row can have an
 * order's events any more, the order is marked done; its ids stay on record.
 *
 * Thread:  one; within a compact, which holds the lock.
 * Memory:  a block, a seg_writer, and the set of ids (LIMIT_REDACT_BYTES).
 * Errors:  a segment that cannot be rewritten is told, counted and left, and its orders stay open.
 */
#ifndef STORAGE_COMPACT_REDACT_H
#define STORAGE_COMPACT_REDACT_H

#include "storage/compact.h"
#include "storage/idset.h"
#include "storage/redact.h"
#include "storage/retain_class.h"

enum { COMPACT_REDACT_NOTHING = 1 };

/*
 * Hides the events with these ids, but those of classes under legal hold (*out_held of them): when 0
 * is returned no reader that takes a snapshot from now on sees them, and the order survives a crash.
 * Unsealed events are of the class that `classes` gives them; NULL: default. reason is kept with the
 * ids. COMPACT_REDACT_NOTHING (1): no id was left; nothing was written. In a dry run nothing ever is.
 */
int compact_redact_order(struct compact *c, const struct idset *ids,
	const struct retain_class_set *classes, struct span reason, struct redact_info *out,
	uint64_t *out_held, struct diag *d);

/* Rewrites what holds deleted rows, and marks orders done. */
int compact_redact_purge(struct compact *c, struct diag *d);

#endif
