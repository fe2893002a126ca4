/*
 * sidx_cube - the .cub sidecar: the rows of a segment counted by time bucket, event type, entity type,
 * severity and service. Histograms, totals and facets over whole buckets read no page.
 *
 * A cube has up to two tables of all the segment's rows: a small one by event type and severity, and
 * one by all dimensions. A table has a line for each combination of values that occurs, with its total
 * and its rows in each bucket. Where a table would have too many cells (more than LIMIT_CUBE_CELLS, or
 * than one for each SIDX_CUBE_CELL_ROWS rows) its buckets are wider, then dimensions are left out; one
 * that would still have too many is not there.
 *
 * Life:    open, lookups, close.
 * Thread:  free for all; a walk belongs to one thread.
 * Memory:  the mapping, 16 bytes for each value and 8 for each bucket.
 * Errors:  the sum of all bytes, the values and the lines are checked in open: totals add up to the
 *          segment's rows. The counts by bucket are many, and checked when they are first asked for.
 *          What lookups return then holds. They cannot tell whether the rows are still to be shown:
 *          who answers from a cube asks storage/redact.h about the segment's ids first.
 */
#ifndef STORAGE_SIDX_CUBE_H
#define STORAGE_SIDX_CUBE_H

#include <stdbool.h>

#include "proto/base/limits.h"
#include "storage/sidx_bits.h"
#include "storage/sidx_common.h"

enum sidx_cube_dim {
	SIDX_CUBE_EVENT_TYPE,
	SIDX_CUBE_ENTITY_TYPE,
	SIDX_CUBE_SEVERITY,
	SIDX_CUBE_SERVICE,
	SIDX_CUBE_DIMS,
};

enum {
	SIDX_CUBE_TABLES = 2,
	/* A cell costs about a byte; a table has at most one for so many rows ... */
	SIDX_CUBE_CELL_ROWS = 8,
	/* ... but so many in any case. */
	SIDX_CUBE_CELLS_FREE = 4096,
};

struct sidx_cube;

struct sidx_cube_table {
	unsigned dims; /* bit n: told apart by enum sidx_cube_dim n */
	/* 15 minutes, an hour, 6 hours or a day; buckets begin at multiples of it since 1970. */
	int64_t bucket_ns;
	uint32_t buckets_count;
	const int64_t *buckets; /* that hold rows: where they begin, rising */
	uint32_t combos_count;  /* lines */
	/* For the calls below. */
	unsigned widths[SIDX_CUBE_DIMS];
	unsigned combo_width;
	unsigned total_width;
	struct span combos;
	struct span totals;
	struct span counts;
};

int sidx_cube_build(const struct seg_reader *seg, struct buf *out, struct diag *d);

int sidx_cube_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_cube **out, struct diag *d);
void sidx_cube_close(struct sidx_cube **x);

/* 0..SIDX_CUBE_TABLES; the one with fewer lines first. */
size_t sidx_cube_tables(const struct sidx_cube *x);
const struct sidx_cube_table *sidx_cube_table(const struct sidx_cube *x, size_t i);
/*
 * Codes of a dimension: of texts, in order of the values, the absent one first; severities are their
 * own codes. A code may be of rows of the other table alone. A dimension in no table has none.
 */
uint32_t sidx_cube_values(const struct sidx_cube *x, enum sidx_cube_dim dim);
struct span sidx_cube_value(const struct sidx_cube *x, enum sidx_cube_dim dim, uint32_t code);

/* The codes of a line, 0 of dimensions that the table has not; its rows. */
void sidx_cube_combo(const struct sidx_cube_table *t, uint32_t line, uint32_t out[SIDX_CUBE_DIMS]);
uint32_t sidx_cube_total(const struct sidx_cube_table *t, uint32_t line);

/*
 * Whether the counts by bucket of table i hold: rise, and add up to the totals. Looked at once; a table
 * where they do not must not be walked. ERR_CORRUPT from sidx_cube_check: of any table.
 */
bool sidx_cube_counted(const struct sidx_cube *x, size_t i);
int sidx_cube_check(const struct sidx_cube *x, struct diag *d);

/* All counts by bucket, line after line. */
struct sidx_cube_walk {
	const struct sidx_cube_table *table;
	struct sidx_bits bits;
	uint32_t line; /* that comes next */
};

struct sidx_cube_walk sidx_cube_begin(const struct sidx_cube_table *t);
/*
 * The next line: indexes of its buckets, rising, into buckets[], and the rows in them into rows[], each
 * with room for buckets_count; their number. At most combos_count times.
 */
uint32_t sidx_cube_next(struct sidx_cube_walk *w, uint16_t *buckets, uint32_t *rows);

#endif
