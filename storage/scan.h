/*
 * scan - finds the rows of a snapshot for which an expression holds (proto/expr/expr.h), reading as
 * little as possible.
 *
 * A scan is a list of units: a unit is one block of one segment, or one journal batch that is not
 * sealed yet. Units whose zone maps and sidecars exclude a match are not in the list. The caller
 * chooses in which order, and in which threads, units are worked through:
 *
 *	scan_open -> for each unit it needs: scan_select (row numbers) -> scan_fetch (whole events)
 *
 * Life:    open on a snapshot (a reference is held), close.
 * Thread:  a scan is read-only after open; each thread brings its own scan_scratch.
 * Memory:  the scan itself by units; a scratch at most SCAN_SCRATCH_BYTES.
 * Errors:  ERR_STALE from open: segments of the snapshot were retired: take a new one, open again.
 *          ERR_CORRUPT from select or fetch concerns that unit alone: the caller counts it, says so
 *          in its answer and goes on.
 */
#ifndef STORAGE_SCAN_H
#define STORAGE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/diag.h"
#include "proto/expr/expr.h"
#include "storage/store.h"

/* Which rows of a snapshot a scan is about at all: for who has counted the others (scan_cube.h). */
struct scan_part {
	const uint64_t *segments; /* bit i of word i / 64: segment i of the snapshot */
	bool journal;             /* and the rows that are not sealed */
};

/* All of it must hold. */
struct scan_spec {
	int64_t from_ns; /* event time, inclusive; INT64_MIN: open */
	int64_t to_ns;   /* inclusive; INT64_MAX: open */
	uint64_t id_min; /* inclusive; 0: open */
	uint64_t id_max; /* inclusive; UINT64_MAX: open */
	/* A normal tree (expr_normalise), or NULL: no condition. Must live as long as the scan. */
	const struct expr *where;
	const struct scan_part *part; /* NULL: all; lives until scan_open returned */
	bool warm; /* only if all it needs is in memory and it is done in a moment; else SCAN_COLD */
};

/* No condition at all: every row matches. */
void scan_spec_init(struct scan_spec *spec);

struct scan;

struct scan_unit {
	int64_t time_min_ns; /* bounds of the unit's rows, matching or not */
	int64_t time_max_ns;
	uint64_t id_min;
	uint64_t id_max;
	uint32_t rows_count;
	bool all; /* every row of the unit matches: its count needs no page */
};

/* Work done, added up by select and fetch; also what the tests count. */
struct scan_stats {
	uint64_t segments_total;
	uint64_t segments_opened; /* not excluded by the manifest's bounds */
	uint64_t blocks_total;
	uint64_t blocks_pruned; /* by zone map or sidecar */
	uint64_t blocks_read;   /* at least one page asked for */
	uint64_t pages_read;    /* asked for, whether they were open already or not */
	uint64_t bytes_read;    /* encoded bytes of those pages */
	uint64_t journal_rows;  /* unsealed rows looked at */
	uint64_t rows_matched;
	uint64_t
		sidecars_bypassed; /* missing, stale or damaged: the blocks were asked themselves */
	uint64_t regex_given_up;   /* subjects that took a regular expression too long: no match */
	uint64_t damaged_units;    /* could not be read; the answer lacks them */
	struct diag damage;        /* the first of these */
};

struct scan_hit {
	int64_t time_ns;
	uint64_t id;
	uint32_t row; /* within the unit */
};

/*
 * Dictionaries of one segment, one block's columns, one journal batch. A hostile or an extreme block
 * may take as much; most scratches stay below 8 MiB.
 */
enum { SCAN_SCRATCH_BYTES = 480 << 20 };

/* From scan_open, of a spec that says `warm`: there is no scan. */
enum { SCAN_COLD = 1 };

struct scan_scratch;
struct scan_scratch *scan_scratch_new(void);
void scan_scratch_free(struct scan_scratch **s);
/* Gives the block back that it used last (block_pool.h): others may want it. */
void scan_scratch_rest(struct scan_scratch *s);
/* Gives up what values were read into, which is much and is made anew when it is needed. */
void scan_scratch_trim(struct scan_scratch *s);
/* Bytes that the block holds that it used last, opened and decoded. */
size_t scan_scratch_held(const struct scan_scratch *s);

int scan_open(struct store_snapshot *snap, const struct scan_spec *spec, struct scan **out,
	struct scan_stats *stats, struct diag *d);
void scan_close(struct scan **s);

size_t scan_unit_count(const struct scan *s);
const struct scan_unit *scan_unit(const struct scan *s, size_t unit);

/*
 * The number of matching rows in *out_count, from sidecar and footer alone where they know.
 */
int scan_count(const struct scan *s, size_t unit, struct scan_scratch *scratch, uint64_t *out_count,
	struct scan_stats *stats, struct diag *d);
/*
 * The matching rows in id order; *out_hits lives in the scratch until its next use.
 */
int scan_select(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct scan_hit **out_hits, size_t *out_count, struct scan_stats *stats,
	struct diag *d);
/*
 * Whole events of the given rows (ascending), which must be ones that match, into out[count], without a
 * copy: their bytes live until the scratch is used again, and as long as the tree. A part of a block at a
 * time (SCAN_FETCH_ROWS) needs the least time and memory.
 */
enum { SCAN_FETCH_ROWS = 1024 };
int scan_fetch_view(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	struct scan_scratch *scratch, struct event *out, struct scan_stats *stats, struct diag *d);
/* The same with their bytes in the arena. -ENOMEM when it is full. */
int scan_fetch(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	struct scan_scratch *scratch, struct arena *arena, struct event *out,
	struct scan_stats *stats, struct diag *d);

#endif
