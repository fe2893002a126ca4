/*
 * sidx_cube_cells - rows counted by time bucket and dimensions, for the maker of cubes: a table of
 * cells, which are joined when there are too many of them.
 *
 * Life:    init, add..., fold where there are still too many, sort, fini.
 * Thread:  one at a time.
 * Memory:  twelve bytes for each of up to 2 * LIMIT_CUBE_CELLS slots; sort takes 32 bytes a cell more.
 * Errors:  -ENOMEM; ERR_LIMIT: there are too many cells, and nothing is left to join.
 */
#ifndef STORAGE_SIDX_CUBE_CELLS_H
#define STORAGE_SIDX_CUBE_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "storage/sidx_cube.h"

struct sidx_cube_cells {
	unsigned dims; /* bit n: enum sidx_cube_dim n is counted by */
	int64_t bucket_ns;
	/* Slots: a key is made of codes and the bucket's place in `buckets`; rows 0: free. */
	uint64_t *keys;
	uint32_t *rows;
	uint32_t slots_count; /* a power of two, or 0 */
	uint32_t cells_count;
	/* Numbers of the buckets in order of arrival. */
	int64_t *buckets;
	uint32_t buckets_count;
	uint16_t *bucket_slots; /* place + 1, by hash */
	/* The bucket of the row before. */
	bool last_known;
	int64_t last_from_ns; /* as far as there is time: the first bucket of all begins before it */
	int64_t last_to_ns;   /* inclusive */
	uint64_t last_place;
};

/* Columns of a block; a dimension that is not counted by has none. */
struct sidx_cube_rows {
	uint32_t count;
	const int64_t *times;
	const int64_t *severities;
	const uint16_t *codes[SIDX_CUBE_DIMS];
};

/* A cell, its codes and the place of its bucket among all, which are sorted by then. */
struct sidx_cube_cell {
	uint64_t
		combo; /* codes of the dimensions counted by, each in its bits, the last the lowest */
	uint32_t bucket;
	uint32_t rows;
};

int sidx_cube_cells_init(struct sidx_cube_cells *c, unsigned dims);
void sidx_cube_cells_fini(struct sidx_cube_cells *c);

/* Counts the rows; joins cells as it must. Codes are below LIMIT_CUBE_VALUES. */
int sidx_cube_cells_add(struct sidx_cube_cells *c, const struct sidx_cube_rows *r);
/* Wider buckets, to an hour; then without service; without entity type; then wider buckets, to a day. */
int sidx_cube_cells_fold(struct sidx_cube_cells *c);
/* An empty table gets the counts of another, told apart by fewer dimensions. */
int sidx_cube_cells_take(struct sidx_cube_cells *c, const struct sidx_cube_cells *from);

/* The codes of a key as it is in `keys`. */
uint32_t sidx_cube_cells_code(uint64_t key, enum sidx_cube_dim dim);
/*
 * All cells by combination, then by time, into *out (for free()); `buckets` is sorted by then, and
 * only fini may follow. ranks: for each dimension what stands for a code; NULL: the code itself;
 * widths: bits that it takes.
 */
int sidx_cube_cells_sort(struct sidx_cube_cells *c, const uint16_t *const ranks[SIDX_CUBE_DIMS],
	const unsigned widths[SIDX_CUBE_DIMS], struct sidx_cube_cell **out);

#endif
