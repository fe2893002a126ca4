/*
 * seg_reader - one sealed segment, mapped: its footer decoded and checked, its pages checked and
 * decoded on demand.
 *
 * Life:    open, any number of reads, close. The mapping stays valid when the file is unlinked.
 * Thread:  nothing changes after open: any number of threads, each with its own block or scratch.
 * Memory:  about 2 KiB for each block; the mapping.
 * Errors:  ERR_CORRUPT from open: the file is no use at all; from a read: that page alone. The diag
 *          names file, offset, block and column. ERR_TOO_NEW: the version or an incompat bit.
 */
#ifndef STORAGE_SEG_READER_H
#define STORAGE_SEG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/span.h"
#include "storage/block.h"
#include "storage/seg_layout.h"
#include "storage/vfs.h"

struct seg_info {
	uint8_t store_uuid[16];
	uint64_t segment_id;
	uint64_t sum; /* names the exact content; sidecars carry it */
	int64_t created_ns;
	uint64_t file_bytes;
	uint64_t raw_bytes; /* of the texts and metadata before encoding */
	uint64_t rows_count;
	uint32_t blocks_count;
	uint64_t id_min;
	uint64_t id_max;
	int64_t time_min_ns;
	int64_t time_max_ns;
	int64_t received_min_ns;
	int64_t received_max_ns;
	uint8_t severity_mask;
};

/* What the present values of a text column lie between, cut to 16 bytes. */
struct seg_zone {
	uint32_t present_count; /* 0: every row is absent and the bounds mean nothing */
	uint8_t min_n;
	uint8_t max_n;
	uint8_t min[SEG_LAYOUT_PREFIX_BYTES];
	uint8_t max[SEG_LAYOUT_PREFIX_BYTES];
};

struct seg_block {
	uint32_t rows_count;
	uint64_t raw_bytes;
	uint64_t id_min;
	uint64_t id_max;
	int64_t time_min_ns;
	int64_t time_max_ns;
	int64_t received_min_ns;
	int64_t received_max_ns;
	uint32_t severity_rows[EVENT_SEVERITY_COUNT];
	struct seg_zone text[EVENT_TEXT_COUNT];
};

/* Where a page is, how it is encoded. */
struct seg_page {
	uint8_t encoding; /* enum col_encoding of col.h */
	uint8_t codec;    /* SEG_LAYOUT_CODEC_... */
	bool is_inline;   /* in the footer: no offset, no sum of its own */
	uint64_t off;     /* in the file */
	uint64_t bytes;
	uint64_t sum;
};

struct seg_reader;

/* dir and name as for vfs->open. */
int seg_reader_open(
	const struct vfs *vfs, int dir, const char *name, struct seg_reader **out, struct diag *d);
void seg_reader_close(struct seg_reader **r);
/* Nobody reads it for a while: the pages of its mapping are given back. Any thread. */
void seg_reader_idle(const struct seg_reader *r);

const struct seg_info *seg_reader_info(const struct seg_reader *r);
const char *seg_reader_name(const struct seg_reader *r);
/* block < info->blocks_count */
const struct seg_block *seg_reader_block(const struct seg_reader *r, uint32_t block);
const struct seg_page *seg_reader_page(const struct seg_reader *r, uint32_t block, int col);
/* NULL: the column has no segment dictionary. */
const struct seg_page *seg_reader_dict_page(const struct seg_reader *r, int col);
/* "id", "timestamp" ... "metadata". Static text. */
const char *seg_reader_col_name(int col);

/* Rows of each event type in the whole segment, absent as SPAN_NONE; false: there are too many types to list. */
bool seg_reader_types_complete(const struct seg_reader *r);
size_t seg_reader_type_count(const struct seg_reader *r);
struct span seg_reader_type(const struct seg_reader *r, size_t i, uint64_t *out_rows);

/* Decodes the whole block: every page is checked. Then block_get(b, row, &ev). */
int seg_reader_rows(const struct seg_reader *r, uint32_t block, struct block *b, struct diag *d);
/* The checksum of one page, or of a column's dictionary, without decoding it. */
int seg_reader_check_page(const struct seg_reader *r, uint32_t block, int col, struct diag *d);
int seg_reader_check_dict(const struct seg_reader *r, int col, struct diag *d);

#endif
