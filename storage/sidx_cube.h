/*
 * sidx_cube - the .cub sidecar: the rows of a segment counted by time bucket, event type, entity type,
 * severity and service. Histograms, totals and facets over whole buckets read no page.
 *
 * A combination is what occurs together of the dimensions the cube has: at most one row of the table
 * for each, with its total and its counts by bucket. A cube that would have too many cells
 * (LIMIT_CUBE_CELLS, and one for each SIDX_CUBE_CELL_ROWS rows) has wider buckets, then fewer
 * dimensions; one that would still have too many has none at all, and counts nothing.
 *
 * Life:    open, lookups, close.
 * Thread:  nothing changes after open; a walk belongs to one thread.
 * Memory:  the mapping, 16 bytes for each value and 8 for each bucket.
 * Errors:  every count of the file is checked in open: they add up to the segment's rows, and what
 *          lookups return then holds. They cannot tell whether the rows are still to be shown: who
 *          answers from a cube asks storage/redact.h about the segment's ids first.
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
	/* A cube costs at most about a byte and a half for so many rows. */
	SIDX_CUBE_CELL_ROWS = 8,
	/* A small segment may have so many cells all the same. */
	SIDX_CUBE_CELLS_FREE = 4096,
};

struct sidx_cube;

int sidx_cube_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_cube **out, struct diag *d);
void sidx_cube_close(struct sidx_cube **x);

/* Bit n: enum sidx_cube_dim n can be told apart. 0: there is no cube, and nothing else to ask. */
unsigned sidx_cube_dims(const struct sidx_cube *x);
/* 15 minutes, an hour, 6 hours or a day; buckets begin at multiples of it since 1970. */
int64_t sidx_cube_bucket_ns(const struct sidx_cube *x);
/* Buckets that hold a row, by time: where the i-th begins. */
uint32_t sidx_cube_buckets(const struct sidx_cube *x);
int64_t sidx_cube_bucket(const struct sidx_cube *x, uint32_t i);
/*
 * Values of a dimension: texts as they are, the absent one first; of the severity, and of a dimension
 * that the cube does not have, none are listed: severities are their own codes, the other has code 0.
 */
uint32_t sidx_cube_values(const struct sidx_cube *x, enum sidx_cube_dim dim);
struct span sidx_cube_value(const struct sidx_cube *x, enum sidx_cube_dim dim, uint32_t code);

/* Combinations, sorted by their codes in the order of enum sidx_cube_dim; the rows of one. */
uint32_t sidx_cube_combos(const struct sidx_cube *x);
void sidx_cube_combo(const struct sidx_cube *x, uint32_t combo, uint32_t out[SIDX_CUBE_DIMS]);
uint32_t sidx_cube_total(const struct sidx_cube *x, uint32_t combo);

/* All counts by bucket, one combination after the other. */
struct sidx_cube_walk {
	const struct sidx_cube *cube;
	struct sidx_bits bits;
	uint32_t combo; /* that comes next */
};

struct sidx_cube_walk sidx_cube_begin(const struct sidx_cube *x);
/*
 * The next combination's buckets that hold rows, ascending, into buckets[], and their rows into rows[],
 * each of sidx_cube_buckets(); their number. At most sidx_cube_combos() times.
 */
uint32_t sidx_cube_next(struct sidx_cube_walk *w, uint16_t *buckets, uint32_t *rows);
/* Passes over the next combination. */
void sidx_cube_skip(struct sidx_cube_walk *w);

#endif
