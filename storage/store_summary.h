/*
 * store_summary - what a store holds, told by its manifest, the sizes of its files and the journal's
 * records: no page of a segment is read.
 *
 * Thread:  free, on one snapshot too.
 * Memory:  none but the caller's struct.
 * Errors:  -ENOMEM, ERR_STALE as of snapshot_segment_get. A file that cannot be looked at counts as
 *          missing.
 */
#ifndef STORAGE_STORE_SUMMARY_H
#define STORAGE_STORE_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "storage/sidx_common.h"
#include "storage/store.h"

/* By kind: enum sidx_kind, then these. */
enum {
	STORE_SUMMARY_SEGMENT = SIDX_COUNT,
	STORE_SUMMARY_JOURNAL, /* the spare file among them */
	STORE_SUMMARY_KINDS,
};

struct store_summary_files {
	uint64_t count;
	uint64_t bytes;
	uint64_t missing; /* of live segments */
	uint64_t stale;   /* sidecars of another content or an older version, when looked into */
	uint64_t damaged; /* that do not hold, likewise */
};

struct store_summary_class {
	char name[LIMIT_CLASS_BYTES];
	uint64_t segments;
	uint64_t rows;
	uint64_t bytes; /* of its segments, without sidecars */
	int64_t time_min_ns;
	int64_t time_max_ns;
};

enum store_summary_collector {
	STORE_SUMMARY_NO_COLLECTOR,
	STORE_SUMMARY_STARTING,
	STORE_SUMMARY_RUNNING,
};

struct store_summary {
	uint64_t committed; /* last id */
	uint64_t sealed;
	uint64_t segments;
	uint64_t blocks;
	uint64_t rows_sealed; /* with those deleted by order that segments still hold */
	uint64_t rows_unsealed;
	uint64_t rows_unsealed_bytes;
	int64_t time_min_ns; /* of all rows; where there is none, greater than the max */
	int64_t time_max_ns;
	struct store_summary_files files[STORE_SUMMARY_KINDS];
	struct store_summary_class classes[LIMIT_CLASSES]; /* by name */
	uint32_t classes_count;
	uint32_t classes_more; /* segments of classes beyond these: of earlier configurations */
	uint64_t lost_ids;     /* in journal records that cannot be read */
	bool deletes;          /* orders to delete are not done: some rows are hidden */
	enum store_summary_collector collector;
	int64_t beat_ns; /* the collector's last sign of life; 0: none is known */
	/* Of the file system: room that the collector could use, and all; 0: not known. */
	uint64_t disk_free;
	uint64_t disk_total;
};

/* look_inside: opens all sidecars, which reads their directories, and all of a cube. */
int store_summary_make(
	struct store_snapshot *snap, bool look_inside, struct store_summary *out, struct diag *d);

/* All bytes of segments, sidecars and journal. */
uint64_t store_summary_bytes(const struct store_summary *s);

#endif
