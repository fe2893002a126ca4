/*
 * seg_decode - pages of a segment to values: each call checks the page's sum, unwraps and decodes
 * it. For the reader of whole blocks, the sidecars and scan.
 *
 * Thread:  free, each thread with its own buffers.
 * Memory:  the caller's: arrays of LIMIT_BLOCK_ROWS values and a buffer to decompress into, made by
 *          seg_decode_buf_init.
 * Errors:  ERR_CORRUPT names file, offset, block and column in the diag; -ENOMEM.
 */
#ifndef STORAGE_SEG_DECODE_H
#define STORAGE_SEG_DECODE_H

#include "proto/base/buf.h"
#include "storage/col.h"
#include "storage/col_dict.h"
#include "storage/seg_reader.h"

/* A page that is wrapped holds integers or codes: never more than this. */
enum { SEG_DECODE_PAGE_MAX = 1 << 20 };

void seg_decode_buf_init(struct buf *b);

/* What the column's page of this block holds. ERR_CORRUPT: an encoding nobody knows. */
int seg_decode_kind(
	const struct seg_reader *r, uint32_t block, int col, enum col_kind *out, struct diag *d);

/* times is needed for SEG_COL_RECEIVED alone: the decoded SEG_COL_TIME of the same block. */
int seg_decode_ints(const struct seg_reader *r, uint32_t block, int col, const int64_t *times,
	struct buf *page, int64_t *out, struct diag *d);
/* No code is greater than the entries of the dictionary. */
int seg_decode_codes(const struct seg_reader *r, uint32_t block, int col, struct buf *page,
	uint16_t *out, struct diag *d);
/* The dictionary, whole; empty where the column has none. */
int seg_decode_dict(const struct seg_reader *r, int col, struct col_dict *out, struct diag *d);
/* The same, but its values are decompressed as they are needed: code 0 asks for all. */
int seg_decode_dict_open(const struct seg_reader *r, int col, struct col_dict *out, struct diag *d);
int seg_decode_dict_need(
	const struct seg_reader *r, int col, struct col_dict *dict, unsigned code, struct diag *d);
uint32_t seg_decode_dict_count(const struct seg_reader *r, int col);

/* Whether values of an integer column are such as writers write: ids rise, severities are below eight. */
bool seg_decode_in_range(const struct seg_reader *r, uint32_t block, int col, const int64_t *v);

/* For a caller that found a decoded page to be wrong: fills the diag, returns ERR_CORRUPT. */
int seg_decode_fail(const struct seg_reader *r, uint32_t block, int col, int rc, struct diag *d);

#endif
