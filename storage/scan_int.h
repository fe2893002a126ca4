/*
 * scan_int - the inside of a scan, for scan*.c and their tests.
 *
 * scan_plan makes the list of units and notes for each which conditions its bounds leave open;
 * scan_select decides these on codes and columns; scan_fetch makes events of the rows.
 */
#ifndef STORAGE_SCAN_INT_H
#define STORAGE_SCAN_INT_H

#include <stdatomic.h>

#include "storage/block_reader.h"
#include "storage/scan.h"
#include "proto/base/needle.h"
#include "proto/base/textset.h"
#include "storage/sidx_set.h"

/* Conditions, cheapest to decide first. */
enum {
	SCAN_COND_ID = 1 << 0,
	SCAN_COND_SEVERITY = 1 << 1,
	SCAN_COND_TIME = 1 << 2,
	SCAN_COND_RECEIVED = 1 << 3,
	SCAN_COND_CONTAINS = 1 << 4,
	SCAN_COND_TEXT = 1 << 5, /* << enum event_text */
	SCAN_COND_TYPE = SCAN_COND_TEXT << EVENT_TEXT_EVENT_TYPE,
	/* Some of the unit's rows were deleted: those are left out (storage/redact.h). */
	SCAN_COND_SHOWN = 1 << 30,
};

struct scan_segment {
	const struct seg_reader *reader;
	size_t snapshot_idx;
	const struct sidx_set *sidecars;
};

struct scan_piece {
	struct scan_unit unit; /* first: what the caller sees */
	uint32_t conds;        /* still open */
	bool counted;          /* `count` is exact */
	uint64_t count;
	bool journal;
	uint32_t segment; /* index in segments; of a journal batch: its number in the snapshot */
	uint32_t block;
	_Atomic bool touched; /* a page of it was read: for the statistics */
};

struct scan {
	struct store_snapshot *snap; /* NULL: made of readers alone */
	uint64_t serial;             /* tells scans apart in a scratch */
	struct scan_spec spec;
	uint32_t conds; /* that the spec asks for at all */
	struct textset sets[EVENT_TEXT_COUNT];
	struct needle needle;
	struct scan_segment *segments;
	size_t segments_count;
	struct scan_piece *pieces;
	size_t pieces_count;
	size_t pieces_cap;
};

/* What the conditions of one scan say of the entries of a dictionary. */
struct scan_verdict {
	uint64_t scan_serial;
	uint64_t dict_serial;
	uint32_t wanted_count;
	uint16_t wanted_code; /* when it is the only one */
	uint8_t *wanted;      /* by code, LIMIT_DICT_ENTRIES + 1 */
};

struct scan_scratch {
	struct block_reader *block;
	struct scan_verdict verdicts[EVENT_TEXT_COUNT];
	struct buf batch;
	struct buf bytes; /* values that were asked for, a chunk */
	uint8_t match[LIMIT_BLOCK_ROWS];
	uint32_t rows[LIMIT_BLOCK_ROWS];
	struct span spans[LIMIT_BLOCK_ROWS];
	struct scan_hit hits[LIMIT_BLOCK_ROWS];
};

/* What works on one unit carries along. */
struct scan_work {
	const struct scan *scan;
	struct scan_piece *piece;
	struct scan_scratch *scratch;
	struct scan_stats *stats;
	struct diag *d;
	const struct seg_reader *reader; /* NULL for a journal batch */
	uint32_t rows_count;
};

/* A scan of segments alone, in that order; the readers must outlive it. For tests. */
int scan_open_readers(const struct seg_reader *const *readers, size_t count,
	const struct scan_spec *spec, struct scan **out, struct scan_stats *stats, struct diag *d);

/* ---- scan_plan ---- */

int scan_plan_init(struct scan *s, const struct scan_spec *spec);
/* Adds the units of a segment that may hold a match. */
int scan_plan_segment(struct scan *s, const struct seg_reader *r, size_t snapshot_idx,
	struct scan_stats *stats, struct diag *d);
int scan_plan_batch(struct scan *s, size_t snapshot_idx, struct diag *d);
/* Whether bounds of time and id leave any match possible. */
bool scan_plan_overlaps(const struct scan *s, int64_t time_min_ns, int64_t time_max_ns,
	uint64_t id_min, uint64_t id_max);

/* ---- scan_column ---- */

/* The work's block in the scratch's reader, and its pages in the statistics. NULL: a journal batch. */
struct block_reader *scan_column_enter(struct scan_work *w);
/* What the scan's conditions on a field say of the codes of the block's segment. */
int scan_column_verdict(struct scan_work *w, int text, const struct scan_verdict **out);
/* All that the scan asks of a value of this field. */
bool scan_column_wants(const struct scan *s, int text, struct span v);
/* The rows of a journal batch. */
int scan_column_batch(struct scan_work *w, struct span *out);

/* ---- scan_select ---- */

/* Sets scratch->match for each row of a block; their number. */
int scan_select_match(struct scan_work *w, uint32_t *out_count);
struct scan_work scan_select_work(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	struct scan_stats *stats, struct diag *d);

#endif
