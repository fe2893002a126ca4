/*
 * sidx_type - the .evt sidecar: for each event type of a segment its rows in all and by block, and
 * the rows themselves of rare types. Counts over whole blocks read no page.
 *
 * Life:    open, lookups, close.
 * Thread:  nothing changes after open.
 * Memory:  the mapping and one small record for each type.
 * Errors:  every page of the file is checked in open; what lookups return then holds.
 */
#ifndef STORAGE_SIDX_TYPE_H
#define STORAGE_SIDX_TYPE_H

#include <stdbool.h>

#include "storage/sidx_common.h"

enum {
	/* A type with at most so many rows in the segment has its rows listed. */
	SIDX_TYPE_RARE_ROWS = 64,
};

struct sidx_type;

struct sidx_type_entry {
	struct span name; /* absent: rows without an event type */
	uint64_t rows_count;
	uint64_t id_min;
	uint64_t id_max;
	uint32_t blocks_count; /* that hold it */
	bool rare;             /* its rows are listed */
};

/* Rows of the type in one block. */
struct sidx_type_block {
	uint32_t block;
	uint32_t rows_count;
};

int sidx_type_build(const struct seg_reader *seg, struct buf *out, struct diag *d);

int sidx_type_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_type **out, struct diag *d);
void sidx_type_close(struct sidx_type **x);

/* False: the segment has more than LIMIT_SEGMENT_TYPES types and the sidecar knows none. */
bool sidx_type_complete(const struct sidx_type *x);
size_t sidx_type_count(const struct sidx_type *x);
void sidx_type_entry(const struct sidx_type *x, size_t i, struct sidx_type_entry *out);
/* The index of that type, -1: no row of the segment has it. Only when complete. */
int sidx_type_find(const struct sidx_type *x, struct span name);
/* Rows of type i in the block. */
uint32_t sidx_type_rows_in(const struct sidx_type *x, size_t i, uint32_t block);
/* The blocks of type i, ascending, into out[blocks_count]. */
void sidx_type_blocks(const struct sidx_type *x, size_t i, struct sidx_type_block *out);
/* The rows of rare type i in the block, ascending, into out[SIDX_TYPE_RARE_ROWS]; their number. */
uint32_t sidx_type_rows(const struct sidx_type *x, size_t i, uint32_t block, uint32_t *out);

#endif
