/*
 * seg_footer - the footer of a segment in memory, and to and from bytes (FORMAT.md: segment).
 *
 * Life:    init, filled by the writer or by seg_footer_decode, fini.
 * Memory:  arrays for blocks and their pages; a count is checked against the bytes that must stand
 *          behind it before anything is allocated.
 * Errors:  ERR_CORRUPT with the offset of the section in the diag.
 */
#ifndef STORAGE_SEG_FOOTER_H
#define STORAGE_SEG_FOOTER_H

#include "proto/base/buf.h"
#include "storage/seg_reader.h"

struct seg_dict {
	struct seg_page page; /* encoding 0: the column has no dictionary */
	uint32_t entries_count;
};

struct seg_type {
	struct span name; /* absent: rows without an event type */
	uint64_t rows_count;
};

struct seg_footer {
	uint32_t blocks_count;
	uint32_t blocks_cap;
	struct seg_block *blocks;
	struct seg_page *pages; /* blocks_count * SEG_COL_COUNT */
	struct seg_dict dicts[SEG_COL_COUNT];
	bool types_complete;
	uint32_t types_count;
	struct seg_type *types; /* names point into the footer's bytes */
};

void seg_footer_init(struct seg_footer *f);
void seg_footer_fini(struct seg_footer *f);

/* Room for one block more, cleared, and its pages. NULL: out of memory. */
struct seg_block *seg_footer_add(struct seg_footer *f, struct seg_page **out_pages);
/* 0 or -ENOMEM; the array is cleared. */
int seg_footer_types(struct seg_footer *f, uint32_t count);

/*
 * Appends the footer's bytes. Pages that are inline have their `off` as an offset into inline_bytes.
 */
void seg_footer_encode(const struct seg_footer *f, const struct buf *inline_bytes, struct buf *out);
/* footer stands at file offset off; pages must lie within [pages_off, off). */
int seg_footer_decode(struct seg_footer *f, struct span footer, uint64_t off, uint64_t pages_off,
	const char *name, struct diag *d);

/* Totals and bounds over all blocks; the fields that only the file knows are left alone. */
void seg_footer_info(const struct seg_footer *f, struct seg_info *out);

#endif
