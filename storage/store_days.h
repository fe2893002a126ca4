/*
 * store_days - what the segments of a store hold, by UTC day: told by the manifest, no file is opened.
 *
 * A segment counts on its own day; one with events of several days on that of its oldest. Unsealed events
 * are in none.
 *
 * Life:    make, read, fini.
 * Thread:  free, on one snapshot too.
 * Memory:  an entry for each day, LIMIT_SEGMENTS at most.
 * Errors:  -ENOMEM.
 */
#ifndef STORAGE_STORE_DAYS_H
#define STORAGE_STORE_DAYS_H

#include <stddef.h>
#include <stdint.h>

#include "storage/store.h"

struct store_days_one {
	int32_t day; /* since 1970-01-01 UTC */
	uint64_t segments;
	uint64_t rows;
	uint64_t bytes; /* of segments, without sidecars */
};

struct store_days {
	struct store_days_one *list; /* oldest first */
	size_t count;
};

int store_days_make(const struct store_snapshot *snap, struct store_days *out);
void store_days_fini(struct store_days *d);

#endif
