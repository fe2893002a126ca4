/*
 * A test of a path into the metadata. The key sets of the rows say which have it; of these, its own column
 * gives the values. A row whose map was not taken apart is asked by its map.
 */
#include "storage/scan_int.h"

#include <errno.h>

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

/* The rows of `has` that have the path. */
static int keep_by_cells(struct scan_work *w, const struct expr *t, struct col_map *map,
	uint32_t path, const uint8_t *has, uint8_t *match)
{
	struct scan_scratch *s = w->scratch;
	struct col_map_cell cells[SCAN_SOME];
	uint32_t rows[SCAN_SOME], n = 0;
	int rc = 0;

	for (uint32_t row = 0; row < w->rows_count && rc == 0; row++) {
		if (has[row] == COL_MAP_HAS)
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
	return rc < 0 ? block_reader_fail(s->block, SEG_COL_METADATA, rc, w->d) : 0;
}

/* ---- all ---- */

static uint32_t list_open(const struct scan_work *w, const uint8_t *has, uint32_t *rows)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->rows_count; i++) {
		rows[n] = i;
		n += has[i] == COL_MAP_IN_WHOLE;
	}
	return n;
}

static int keep_apart(struct scan_work *w, const struct expr *t, struct col_map *map, uint8_t *has,
	uint8_t *match)
{
	const struct expr_field *f = &t->field;
	bool exists = t->test == EXPR_TEST_EXISTS;
	int32_t path;
	int rc;

	memcpy(has, match, w->rows_count);
	rc = col_map_has(map, f->keys, f->keys_count, has);
	if (rc < 0)
		return block_reader_fail(w->scratch->block, SEG_COL_METADATA, rc, w->d);
	path = col_map_find(map, f->keys, f->keys_count);
	/* Of a map nothing but its being there can be asked. */
	for (uint32_t i = 0; i < w->rows_count; i++)
		match[i] = has[i] == COL_MAP_HAS || (exists && has[i] == COL_MAP_HAS_MAP);
	if (path >= 0 && !exists)
		rc = keep_by_cells(w, t, map, (uint32_t)path, has, match);
	return rc == 0 ? keep_by_map(
				 w, t, w->scratch->rows, list_open(w, has, w->scratch->rows), match)
		       : rc;
}

int scan_test_meta_keep(struct scan_work *w, uint32_t node, uint8_t *match)
{
	const struct expr *t = w->scan->nodes[node].expr;
	struct scan_scratch *s = w->scratch;
	struct col_map *map;
	enum col_kind kind;
	uint8_t *has;
	int rc = block_reader_kind(s->block, SEG_COL_METADATA, &kind, w->d);

	if (rc < 0)
		return rc;
	if (kind != COL_KIND_MAP)
		return keep_by_map(
			w, t, s->rows, match_kernel_list(match, w->rows_count, s->rows), match);
	rc = block_reader_map(s->block, &map, w->d);
	if (rc < 0)
		return rc;
	has = scan_match_take(w);
	if (!has)
		return -ENOMEM;
	rc = keep_apart(w, t, map, has, match);
	scan_match_give(w);
	return rc;
}
