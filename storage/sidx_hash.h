/*
 * sidx_hash - hashes of a text column row by row, and sorting of such numbers: what sidecars of
 * exact values are built with.
 *
 * Life:    init with a column, rows for each block of one segment, fini.
 * Memory:  a hash for each row of a block and for each entry of the column's dictionary.
 */
#ifndef STORAGE_SIDX_HASH_H
#define STORAGE_SIDX_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "storage/seg_decode.h"

struct sidx_hash {
	int col;
	uint64_t rows[LIMIT_BLOCK_ROWS]; /* of the last block; 0: absent */
	bool dict_ready;
	uint64_t *entries; /* by code; entries[0] is 0 */
	struct col_dict dict;
	struct buf page;
	uint16_t codes[LIMIT_BLOCK_ROWS];
	uint32_t lengths[LIMIT_BLOCK_ROWS];
	struct col_bytes bytes;
	struct buf chunk;
};

/* Absent: 0. A value never hashes to 0. */
uint64_t sidx_hash_value(struct span s);

void sidx_hash_init(struct sidx_hash *h, int col);
void sidx_hash_fini(struct sidx_hash *h);
/* Fills h->rows for that block. */
int sidx_hash_rows(
	struct sidx_hash *h, const struct seg_reader *seg, uint32_t block, struct diag *d);

/* Sorts v[count] by its lowest `bits`; the other bits are 0. spare has room for as many. */
void sidx_hash_sort(uint64_t *v, uint64_t *spare, size_t count, unsigned bits);

#endif
