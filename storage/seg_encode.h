/*
 * seg_encode - turns the columns of a full block into pages, with the dictionaries that the blocks
 * of one segment share, and measures the block's bounds.
 *
 * Life:    init, one call for each block, the dictionaries at the end, fini.
 * Thread:  one at a time.
 * Memory:  the dictionaries (col_dict.h), codes of one column, pages of one block.
 * Errors:  -ENOMEM.
 */
#ifndef STORAGE_SEG_ENCODE_H
#define STORAGE_SEG_ENCODE_H

#include "proto/base/buf.h"
#include "storage/block.h"
#include "storage/col_dict.h"
#include "storage/seg_footer.h"

struct seg_encode {
	struct col_dict_maker dicts[SEG_COL_BYTES];
	struct buf raw;          /* a page before it is wrapped */
	struct buf pages;        /* to be written to the file next */
	struct buf inline_pages; /* kept for the footer; a page's off counts from its start */
	uint64_t pages_off;      /* where `pages` will stand in the file */
	int compress_level;
	/* Rows by code of the event types; types_complete ends when a block's types are not codes. */
	bool types_complete;
	uint64_t *type_rows;
	uint16_t *codes; /* of the column at hand */
	uint8_t *used;   /* by code: occurs in the block at hand */
};

int seg_encode_init(struct seg_encode *e, uint64_t pages_off, int compress_level);
void seg_encode_fini(struct seg_encode *e);

/* Encodes all columns to e->pages and describes them; the block has rows in rising id order. */
int seg_encode_block(struct seg_encode *e, const struct block *b, struct seg_block *out,
	struct seg_page *out_pages);
/* The dictionaries as pages, and the event types, into the footer. */
int seg_encode_finish(struct seg_encode *e, struct seg_footer *f);

/* The pages were written: the next ones follow them. */
void seg_encode_written(struct seg_encode *e);

#endif
