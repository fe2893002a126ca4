/*
 * seg_encode - turns the columns of a full block into pages and measures the block's bounds.
 *
 * Life:    work: init, shared by the encoders of one thread, fini after them. An encoder: init, one call
 *          for each block, the dictionaries at the end, fini.
 * Thread:  one at a time.
 * Memory:  work: the values of the columns that others refer to (1 MiB each, for a full block), what
 *          col_text and col_map keep, the pages of one block. An encoder: short pages, counts by type.
 * Errors:  -ENOMEM.
 */
#ifndef STORAGE_SEG_ENCODE_H
#define STORAGE_SEG_ENCODE_H

#include "proto/base/buf.h"
#include "storage/block.h"
#include "storage/col_map.h"
#include "storage/col_stream.h"
#include "storage/col_text.h"
#include "storage/seg_footer.h"

/* What encoding a block takes. */
struct seg_encode_work {
	struct buf pages; /* to be written to the file next */
	struct col_stream_maker stream;
	struct col_text_maker text;
	struct col_map_maker map;
	/* Values of the block's columns as far as they are needed; NULL, or room for values_cap rows. */
	struct span *values[SEG_COL_BYTES];
	bool values_ready[SEG_COL_BYTES];
	uint32_t values_cap;
	/* Codes of the columns that are keys. */
	uint32_t *keys[COL_TEXT_KEYS];
	uint32_t keys_count[COL_TEXT_KEYS]; /* codes are below it; 0: the column has none */
	uint8_t *used;                      /* by code: occurs in the block at hand */
};

int seg_encode_work_init(struct seg_encode_work *w);
void seg_encode_work_fini(struct seg_encode_work *w);

struct seg_encode {
	struct seg_encode_work *work;
	struct buf inline_pages; /* kept for the footer; a page's off counts from its start */
	uint64_t pages_off;      /* where work->pages will stand in the file */
	int compress_level;
	/* Rows by code of the event types; types_complete ends when a block's types are not codes. */
	bool types_complete;
	uint64_t *type_rows;
	uint32_t type_rows_cap;
};

int seg_encode_init(
	struct seg_encode *e, struct seg_encode_work *work, uint64_t pages_off, int compress_level);
void seg_encode_fini(struct seg_encode *e);

/* Encodes all columns to work->pages and describes them; the block has rows in rising id order. */
int seg_encode_block(struct seg_encode *e, const struct block *b, struct seg_block *out,
	struct seg_page *out_pages);
/* The dictionaries of the segment's last block as pages, and the event types, into the footer. */
int seg_encode_finish(struct seg_encode *e, const struct block *b, struct seg_footer *f);

/* The pages were written: the next ones follow them. */
void seg_encode_written(struct seg_encode *e);

/* ---- bounds of a block (seg_encode_zone.c) ---- */

/* Ids, times, severities. */
void seg_encode_measure(const struct block *b, struct seg_block *out);
/* A column of codes: each distinct value is looked at once. used: a byte for each code. */
void seg_encode_zone_coded(const struct block_text *t, uint32_t rows, uint32_t entries_count,
	uint8_t *used, struct seg_zone *out);
void seg_encode_zone(const struct span *values, uint32_t rows, struct seg_zone *out);

#endif
