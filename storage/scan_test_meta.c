/*
 * A test of a path into the metadata. The key sets of the rows say which have it; of these, its own column
 * gives the values. A row whose map was not taken apart is asked by its map.
 */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

/* ---- row by row, from the map ---- */

static int keep_by_map(struct scan_work *w, const struct expr *t, const uint32_t *rows,
	uint32_t count, uint8_t *match)
{
	struct scan_scratch *s = w->scratch;
	int rc = 0;

	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SCAN_SOME ? count - at : SCAN_SOME;
		buf_reset(&s->bytes);
		rc = block_reader_get(
			s->block, SEG_COL_METADATA, rows + at, n, &s->bytes, s->spans, w->d);
		for (uint32_t i = 0; i < n && rc == 0; i++) {
			struct event ev = { .metadata = s->spans[i] };
			struct expr_cell cell;

			expr_cell_of(&t->field, &ev, &cell);
			match[rows[at + i]] = expr_test_cell(t, &cell, s->expr);
		}
	}
	return rc;
}

/* ---- from the path's column ---- */

/* The rows of `leaf`, a byte each, have the path. */
static int keep_by_cells(struct scan_work *w, const struct expr *t, struct col_map *map,
	uint32_t path, const uint8_t *leaf, uint8_t *match)
{
	struct scan_scratch *s = w->scratch;
	struct col_map_cell cells[SCAN_SOME];
	uint32_t rows[SCAN_SOME], n = 0;
	int rc = 0;

	for (uint32_t row = 0; row < w->rows_count && rc == 0; row++) {
		if (match[row] && leaf[row])
			rows[n++] = row;
		if (n == 0 || (n < SCAN_SOME && row + 1 < w->rows_count))
			continue;
		buf_reset(&s->bytes);
		/* A byte: an empty string has an address too. */
		buf_put_u8(&s->bytes, 0);
		rc = col_map_cells(map, path, rows, n, &s->bytes, cells);
		for (uint32_t i = 0; i < n && rc == 0; i++) {
			struct expr_cell cell;

			scan_meta_cell(&cells[i], &s->bytes, &cell);
			match[rows[i]] = expr_test_cell(t, &cell, s->expr);
		}
		n = 0;
	}
	return rc;
}

/* ---- from the path's dictionary ---- */

/* A byte for each entry: the test holds. */
static int judge_entries(struct scan_work *w, const struct expr *t, struct col_map *map,
	uint32_t path, uint8_t *wanted)
{
	uint32_t entries = col_map_entries(map, path);
	struct scan_scratch *s = w->scratch;
	int rc;

	ASSERT(entries <= LIMIT_BLOCK_ROWS);
	if (!s->cells)
		s->cells = malloc(LIMIT_BLOCK_ROWS * sizeof *s->cells);
	if (!s->cells)
		return -ENOMEM;
	buf_reset(&s->bytes);
	buf_put_u8(&s->bytes, 0);
	rc = col_map_entry_cells(map, path, &s->bytes, s->cells);
	for (uint32_t i = 0; i < entries && rc == 0; i++) {
		struct expr_cell cell;

		scan_meta_cell(&s->cells[i], &s->bytes, &cell);
		wanted[i] = expr_test_cell(t, &cell, s->expr);
	}
	return rc;
}

/* One group of rows. */
static int keep_group(struct scan_work *w, struct col_map *map, uint32_t path, uint32_t group,
	const uint8_t *wanted, const uint8_t *leaf, uint8_t *match)
{
	uint32_t first = group * COL_MAP_ENTRY_ROWS, rows_count = w->rows_count - first;
	uint32_t *rows = w->scratch->rows, n;
	uint8_t found[COL_MAP_ENTRY_ROWS] = { 0 };
	const uint16_t *entries;
	int rc;

	rows_count = rows_count < COL_MAP_ENTRY_ROWS ? rows_count : COL_MAP_ENTRY_ROWS;
	match += first;
	if (!memchr(match, 1, rows_count))
		return 0;
	n = match_kernel_list(leaf + first, rows_count, rows);
	rc = col_map_entry_rows(map, path, group, n, &entries);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		found[rows[i]] = wanted[entries[i]];
	if (rc == 0)
		match_kernel_and(match, found, rows_count);
	return rc;
}

static int keep_by_entries(struct scan_work *w, const struct expr *t, struct col_map *map,
	uint32_t path, const uint8_t *leaf, uint8_t *match)
{
	uint8_t *wanted = scan_match_take(w);
	int rc = wanted ? judge_entries(w, t, map, path, wanted) : -ENOMEM;

	if (rc == 0 && !memchr(wanted, 1, col_map_entries(map, path))) {
		memset(match, 0, w->rows_count);
	} else {
		for (uint32_t g = 0; g * COL_MAP_ENTRY_ROWS < w->rows_count && rc == 0; g++)
			rc = keep_group(w, map, path, g, wanted, leaf, match);
	}
	if (wanted)
		scan_match_give(w);
	return rc;
}

/* ---- from a column of numbers ---- */

static int keep_numbers_of_group(struct scan_work *w, const struct expr *t, struct col_map *map,
	uint32_t path, uint32_t group, const uint8_t *leaf, uint8_t *match)
{
	uint32_t first = group * COL_MAP_ENTRY_ROWS, rows_count = w->rows_count - first;
	uint32_t *rows = w->scratch->rows, n;
	int64_t v[COL_MAP_ENTRY_ROWS];
	struct expr_cell cell;
	struct col_map_cell x;
	int rc;

	rows_count = rows_count < COL_MAP_ENTRY_ROWS ? rows_count : COL_MAP_ENTRY_ROWS;
	match += first;
	if (!memchr(match, 1, rows_count))
		return 0;
	n = match_kernel_list(leaf + first, rows_count, rows);
	rc = col_map_number_rows(map, path, group, n, v);
	col_map_numbers(map, path, &x);
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		if (!match[rows[i]])
			continue;
		memcpy(&x.i, &v[i], sizeof x.i);
		scan_meta_cell(&x, NULL, &cell);
		match[rows[i]] = expr_test_cell(t, &cell, w->scratch->expr);
	}
	if (rc == 0)
		match_kernel_and(match, leaf + first, rows_count);
	return rc;
}

static int keep_by_numbers(struct scan_work *w, const struct expr *t, struct col_map *map,
	uint32_t path, const uint8_t *leaf, uint8_t *match)
{
	int rc = 0;

	for (uint32_t g = 0; g * COL_MAP_ENTRY_ROWS < w->rows_count && rc == 0; g++)
		rc = keep_numbers_of_group(w, t, map, path, g, leaf, match);
	return rc;
}

/* ---- all ---- */

/* Rows of match of which only the map can tell. */
static uint32_t list_open(
	const struct scan_work *w, const uint8_t *has, const uint8_t *match, uint32_t *rows)
{
	uint32_t n = 0;

	if (!memchr(has, COL_MAP_IN_WHOLE, w->rows_count))
		return 0;
	for (uint32_t i = 0; i < w->rows_count; i++) {
		rows[n] = i;
		n += match[i] && has[i] == COL_MAP_IN_WHOLE;
	}
	return n;
}

/* The rows whose sets tell that they have the path. */
static int keep_known(struct scan_work *w, const struct expr *t, struct col_map *map,
	const uint8_t *has, uint8_t *leaf, uint8_t *match)
{
	int32_t path = col_map_find(map, t->field.keys, t->field.keys_count);
	bool exists = t->test == EXPR_TEST_EXISTS;
	struct col_map_cell kind;

	/* Of a map nothing but its being there can be asked. */
	match_kernel_is(has, w->rows_count, COL_MAP_HAS, leaf);
	for (uint32_t i = 0; i < w->rows_count && exists; i++)
		leaf[i] |= has[i] == COL_MAP_HAS_MAP;
	if (exists || path < 0) {
		match_kernel_and(match, leaf, w->rows_count);
		return 0;
	}
	if (col_map_entries(map, (uint32_t)path) > 0)
		return keep_by_entries(w, t, map, (uint32_t)path, leaf, match);
	if (col_map_numbers(map, (uint32_t)path, &kind))
		return keep_by_numbers(w, t, map, (uint32_t)path, leaf, match);
	match_kernel_and(match, leaf, w->rows_count);
	return keep_by_cells(w, t, map, (uint32_t)path, leaf, match);
}

/* has, leaf: a byte for each row to work with. */
static int keep_apart(struct scan_work *w, const struct expr *t, struct col_map *map, uint8_t *has,
	uint8_t *leaf, uint8_t *match)
{
	const struct expr_field *f = &t->field;
	uint32_t *open = w->scratch->open, open_count = 0;
	int rc = col_map_has(map, f->keys, f->keys_count, match, has);

	if (rc == 0) {
		open_count = list_open(w, has, match, open);
		rc = keep_known(w, t, map, has, leaf, match);
	}
	if (rc < 0)
		return block_reader_fail(w->scratch->block, SEG_COL_METADATA, rc, w->d);
	return keep_by_map(w, t, open, open_count, match);
}

int scan_test_meta_keep(struct scan_work *w, uint32_t node, uint8_t *match)
{
	const struct expr *t = w->scan->nodes[node].expr;
	struct scan_scratch *s = w->scratch;
	struct col_map *map;
	enum col_kind kind;
	uint8_t *has, *leaf;
	int rc = block_reader_kind(s->block, SEG_COL_METADATA, &kind, w->d);

	if (rc < 0)
		return rc;
	if (kind != COL_KIND_MAP)
		return keep_by_map(
			w, t, s->open, match_kernel_list(match, w->rows_count, s->open), match);
	rc = block_reader_map(s->block, &map, w->d);
	if (rc < 0)
		return rc;
	has = scan_match_take(w);
	leaf = has ? scan_match_take(w) : NULL;
	rc = leaf ? keep_apart(w, t, map, has, leaf, match) : -ENOMEM;
	if (leaf)
		scan_match_give(w);
	if (has)
		scan_match_give(w);
	return rc;
}
