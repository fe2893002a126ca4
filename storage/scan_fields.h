/*
 * scan_fields - which fields the rows of a unit have, and how many rows each: of a block from its zone maps and
 * the tables of its metadata, without a value being read; of a journal batch from its rows.
 *
 * All rows of the unit are counted, matching or not, and those deleted by order as long as they are stored.
 * Maps that storage has not taken apart (col_map_has_whole) are passed over.
 *
 * Thread:  as scan: one scratch a thread.
 * Memory:  the scratch's.
 * Errors:  those of scan_select; and what the callback returns, if that is not 0.
 */
#ifndef STORAGE_SCAN_FIELDS_H
#define STORAGE_SCAN_FIELDS_H

#include "storage/scan.h"

struct scan_fields_one {
	struct expr_field
		field; /* a text, or a path that ends in what is no map; its keys die with the call */
	unsigned kinds; /* bit 1 << enum expr_cell_kind */
	uint32_t rows;  /* at least 1 */
};

typedef int (*scan_fields_cb)(void *arg, const struct scan_fields_one *one);

/* Calls back for each field, of a journal batch more than once. */
int scan_fields(const struct scan *s, size_t unit, struct scan_scratch *scratch, scan_fields_cb cb,
	void *arg, struct scan_stats *stats, struct diag *d);

#endif
