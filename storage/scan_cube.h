/*
 * scan_cube - counts the rows of a scan by event type, entity type, severity, service and time, as far
 * as cubes (sidx_cube.h) know them exactly, and tells what is left to be scanned.
 *
 *	scan_cube_open -> scan_cube_next until 0 -> for each scan_cube_rest: scan_open with spec.part
 *
 * A segment counts from its cube if its sidecar is there and has the dimensions and buckets asked for,
 * none of its rows is deleted by order, and its ids are all wanted; of its time, the whole buckets.
 * Every row of the snapshot that matches is in exactly one cell, or found in exactly one rest.
 *
 * Life:    open on a snapshot (a reference is held), next..., rest, close.
 * Thread:  one at a time.
 * Memory:  one segment's counts, SCAN_CUBE_BYTES at most; the list of what is left.
 * Errors:  ERR_STALE from next: segments of the snapshot were retired: take a new one, begin again.
 *          A segment or sidecar that cannot be read is left to the scan, which tells of it.
 */
#ifndef STORAGE_SCAN_CUBE_H
#define STORAGE_SCAN_CUBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/span.h"
#include "proto/expr/expr.h"
#include "storage/scan.h"
#include "storage/sidx_cube.h"
#include "storage/store.h"

enum {
	/* Cubes cannot answer this, whatever they hold: `where` tests another field than theirs. */
	SCAN_CUBE_NOT = 1,
	SCAN_CUBE_BYTES = 8 << 20,
	/* Entries of scan_cube_rest: the segments as a whole, and two ends for each size of buckets. */
	SCAN_CUBE_RESTS_MAX = 9,
};

struct scan_cube_ask {
	int64_t from_ns; /* event time, inclusive; INT64_MIN: open */
	int64_t to_ns;   /* inclusive; INT64_MAX: open */
	uint64_t id_min;
	uint64_t id_max;
	/* Normal; NULL: every row. Lives as long as the scan_cube. May hold one range of time, and-ed. */
	const struct expr *where;
	unsigned by;            /* bit n: cells are told apart by enum sidx_cube_dim n */
	int64_t bucket_ns;      /* and by time, in buckets of this; 0: not by time */
	int64_t bucket_from_ns; /* where any one of these begins */
};

/* The dimension of cubes that the field is; -1: none. */
static inline int scan_cube_dim(const struct expr_field *f)
{
	if (f->kind == EXPR_FIELD_SEVERITY)
		return SIDX_CUBE_SEVERITY;
	if (f->kind != EXPR_FIELD_TEXT)
		return -1;
	switch (f->text) {
	case EVENT_TEXT_EVENT_TYPE:
		return SIDX_CUBE_EVENT_TYPE;
	case EVENT_TEXT_ENTITY_TYPE:
		return SIDX_CUBE_ENTITY_TYPE;
	case EVENT_TEXT_SERVICE:
		return SIDX_CUBE_SERVICE;
	default:
		return -1;
	}
}

/* Every row, in one cell. */
void scan_cube_ask_init(struct scan_cube_ask *ask);

struct scan_cube_cell {
	int64_t time_ns; /* where its bucket begins; 0 when not by time */
	struct span
		text[SIDX_CUBE_DIMS]; /* of event type, entity type and service; absent possible */
	uint8_t severity;
	uint64_t rows; /* at least 1 */
};

/*
 * Gets the cells of one segment; what is not asked for is absent, and severity 0. The texts live until
 * it returns. Several cells may have the same key, of one segment too. 0, or a negative code that ends
 * next with it.
 */
typedef int (*scan_cube_cb)(void *arg, const struct scan_cube_cell *cell);

/* Rows that are left to be scanned: of these segments, and of the journal, in this time. */
struct scan_cube_rest {
	int64_t from_ns; /* for scan_spec, as this: within from_ns..to_ns of the ask */
	int64_t to_ns;
	struct scan_part part; /* lives as long as the scan_cube */
};

struct scan_cube;

int scan_cube_open(struct store_snapshot *snap, const struct scan_cube_ask *ask,
	struct scan_cube **out, struct diag *d);
void scan_cube_close(struct scan_cube **c);

/* Counts the next segment, a slice of work: 1: call again; 0: all were asked. */
int scan_cube_next(struct scan_cube *c, scan_cube_cb cb, void *arg, struct diag *d);

/* After next has returned 0: out[SCAN_CUBE_RESTS_MAX]; their number. */
size_t scan_cube_rests(const struct scan_cube *c, struct scan_cube_rest *out);
/* Segments counted from their cube, in part or whole, and rows in the cells so far: for statistics. */
size_t scan_cube_segments(const struct scan_cube *c);
uint64_t scan_cube_rows(const struct scan_cube *c);
/* How often a regular expression of ask->where was given up, which counts as no match. */
uint64_t scan_cube_given_up(const struct scan_cube *c);

#endif
