/*
 * scan_values - what stands at a field in the matching rows of a unit: for aggregations, which need
 * neither whole events nor their order.
 *
 *	scan_rows -> scan_rows_values, _ids, _ints, _numbers, any number of times
 *
 * Blocks of segments and batches of the journal are asked alike.
 *
 * Life:    rows live in the scratch until scan_rows or scan_select is called with it again; values until
 *          scan_rows_values or _ids is, or another unit is asked for anything.
 * Thread:  as scan: one scratch a thread.
 * Memory:  the scratch's: SCAN_VALUES_BYTES beside what the block itself takes.
 * Errors:  those of scan_select.
 */
#ifndef STORAGE_SCAN_VALUES_H
#define STORAGE_SCAN_VALUES_H

#include "storage/block_reader.h"
#include "storage/col_text.h"
#include "storage/scan.h"

/* Twice what a block's values may have, for their bytes; a cell for each; and dictionaries as cells. */
enum { SCAN_VALUES_BYTES = 72 << 20 };

/* The matching rows, ascending. */
int scan_rows(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t **out_rows, size_t *out_count, struct scan_stats *stats, struct diag *d);

/* Of `count` rows, ascending: ids (as the same 64 bits), times, times of arrival or severities. */
int scan_rows_ints(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, enum expr_field_kind which, int64_t *out,
	struct scan_stats *stats, struct diag *d);

/* Codes of rows: 0 the field is absent, else 1 + place among the cells, none of which is absent. */
struct scan_values {
	const uint32_t *codes;
	const struct expr_cell *cells;
	uint32_t cells_count;
};

/*
 * The same of any field. One value may stand among the cells more than once, and there may be cells that
 * no row has.
 */
int scan_rows_values(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct scan_values *out,
	struct scan_stats *stats, struct diag *d);

/*
 * The same of a column whose texts are kept as numbers, as those of ids are: none is written out. The
 * texts and what forms point to live as values do. SCAN_VALUES_NOT (1): it is not, or it is a batch of
 * the journal: scan_rows_values tells.
 */
enum { SCAN_VALUES_NOT = 1 };
struct scan_ids {
	const uint32_t *codes; /* 0 the field is absent, else 1 + place */
	uint32_t count;        /* of places */
	struct col_text_numbers values;
};
int scan_rows_ids(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct scan_ids *out,
	struct scan_stats *stats, struct diag *d);

/*
 * The matching rows where all that is asked is whether a column of few values has one of them: a list that
 * its block keeps, for the counting of fields that the block may keep as labels (col_text.h). It lives as long
 * as the unit is not left. SCAN_VALUES_NOT (1): other rows are asked for, or few, or a field is kept otherwise;
 * scan_rows tells. Whoever uses the list adds its rows to those that matched.
 */
int scan_list(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct expr_field *const *fields, uint32_t fields_count,
	const struct block_list **out, struct scan_stats *stats, struct diag *d);
/* What its rows have in one of these fields; SCAN_VALUES_NOT: it has no labels after all. */
int scan_list_labels(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct block_list *list, const struct expr_field *f, const uint32_t **out,
	const struct col_text_labels **labels, struct scan_stats *stats, struct diag *d);

/* As scan_rows_values, numbers alone; of kind NONE where there is none, a text that reads as one included. */
int scan_rows_numbers(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct expr_number *out,
	struct scan_stats *stats, struct diag *d);

#endif
