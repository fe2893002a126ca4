/* Verdicts on rows of a SHAPED page, and rows that have to be rebuilt to have one. */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_match_int.h"
#include "storage/col_text_place.h"

enum {
	/* Cells that are found by their place, row by row. */
	FEW = 32,
	/* Residue of more than one row in so many is asked by the rows that are left. */
	RESIDUE_FEW = 16,
};

static bool is_answer(const struct col_text_question *q, struct span s)
{
	if (q->set)
		return textset_has(q->set, s);
	return s.p && needle_find(q->needle, s, 0) != SIZE_MAX;
}

/* The first row from `row` on whose match is ASK; rows_count: there is none. */
static uint32_t next_ask(const struct col_text_shaped *p, const uint8_t *match, uint32_t row)
{
	const uint8_t *at = memchr(match + row, COL_TEXT_ASK, p->base.rows_count - row);

	return at ? (uint32_t)(at - match) : p->base.rows_count;
}

/* Rebuilds the rows whose match is ASK, and asks. */
static int ask_rows(struct col_text_shaped *p, const struct col_text_question *q, uint8_t *match)
{
	uint32_t rows[COL_TEXT_MATCH_ROWS], count = 0, row = next_ask(p, match, 0);
	struct col_text_value values[COL_TEXT_MATCH_ROWS];
	struct buf bytes;
	int rc = 0;

	buf_init(&bytes, COL_TEXT_RAW_MAX);
	while (row < p->base.rows_count && rc == 0) {
		rows[count++] = row;
		row = next_ask(p, match, row + 1);
		if (count < COL_TEXT_MATCH_ROWS && row < p->base.rows_count)
			continue;
		buf_reset(&bytes);
		rc = col_text_shape_get(&p->base, rows, count, &bytes, values);
		for (uint32_t i = 0; i < count && rc == 0; i++) {
			struct col_text_value v = values[i];

			match[rows[i]] = is_answer(
				q, v.length ? span_of(bytes.p + v.off, v.length - 1) : SPAN_NONE);
		}
		count = 0;
	}
	buf_fini(&bytes);
	return rc;
}

/* ---- verdicts on rows of a template ---- */

static uint32_t rows_of(const struct col_text_shaped *p, uint32_t code)
{
	if (code >= COL_TEXT_TEMPLATE)
		return p->templates[code - COL_TEXT_TEMPLATE].rows_count;
	return code == COL_TEXT_RESIDUE ? p->residue_count : 0;
}

int col_text_match_board(
	struct col_text_shaped *p, enum col_text_verdict verdict, struct col_text_board *out)
{
	uint32_t codes = COL_TEXT_TEMPLATE + p->templates_count, at = 0;
	struct arena *mem = p->base.work;

	out->cells = arena_alloc(mem, (size_t)p->base.rows_count + 1);
	out->starts = arena_alloc(mem, codes * sizeof *out->starts);
	out->next = arena_alloc(mem, codes * sizeof *out->next);
	if (!out->cells || !out->starts || !out->next)
		return -ENOMEM;
	memset(out->cells, verdict, p->base.rows_count);
	for (uint32_t code = 0; code < codes; code++) {
		out->starts[code] = at;
		at += rows_of(p, code);
	}
	ASSERT(at <= p->base.rows_count);
	return 0;
}

void col_text_match_walk(const struct col_text_shaped *p, struct col_text_board *b)
{
	memcpy(b->next, b->starts, (COL_TEXT_TEMPLATE + p->templates_count) * sizeof *b->next);
}

/* Rows that are asked for get the verdict of their cell. */
static void apply(struct col_text_shaped *p, struct col_text_board *b, enum col_text_verdict absent,
	uint8_t *match)
{
	col_text_match_walk(p, b);
	for (uint32_t row = 0; row < p->base.rows_count; row++) {
		unsigned code = p->codes[row];
		const uint8_t *cell = col_text_match_cell(b, code);
		unsigned v = cell ? *cell : absent;

		match[row] = match[row] ? (uint8_t)v : 0;
	}
}

/* The residue's cells: only those rows that are asked for are looked at. */
static int residue(struct col_text_shaped *p, const struct col_text_question *q, uint8_t *cells,
	const uint8_t *match)
{
	uint32_t at = 0;
	int rc = col_text_shape_residue(p);

	if (rc < 0 || p->residue_count == 0)
		return rc;
	for (uint32_t row = 0; row < p->base.rows_count; row++) {
		if (p->codes[row] == COL_TEXT_RESIDUE)
			cells[at++] = match[row] != 0;
	}
	if (q->set)
		return p->residue->ops->equal(p->residue, q->set, cells);
	return p->residue->ops->contains(p->residue, q->needle, cells);
}

/* ---- few rows ---- */

struct found {
	uint32_t cells[FEW];
	uint32_t count;
};

/* Cells that are not NO. 1: there are more than a few. */
static int list_cells(const uint8_t *cells, uint32_t count, struct found *out)
{
	out->count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t eight;

		for (; count - i >= sizeof eight; i += (uint32_t)sizeof eight) {
			memcpy(&eight, cells + i, sizeof eight);
			if (eight)
				break;
		}
		if (i == count || cells[i] == COL_TEXT_NO)
			continue;
		if (out->count == FEW)
			return 1;
		out->cells[out->count++] = i;
	}
	return 0;
}

/* The verdict of the cells for their rows; all other rows are NO. */
static int apply_few(struct col_text_shaped *p, const struct col_text_board *b,
	const struct found *found, uint8_t *match)
{
	uint32_t codes = COL_TEXT_TEMPLATE + p->templates_count, code = 0, rows[FEW];
	uint8_t verdicts[FEW];
	int rc = 0;

	for (uint32_t i = 0; i < found->count && rc == 0; i++) {
		uint32_t cell = found->cells[i];

		while (code + 1 < codes && b->starts[code + 1] <= cell)
			code++;
		rc = col_text_place_row(p, code, cell - b->starts[code], &rows[i]);
		if (rc == 0)
			verdicts[i] = match[rows[i]] ? b->cells[cell] : COL_TEXT_NO;
	}
	if (rc < 0)
		return rc;
	memset(match, COL_TEXT_NO, p->base.rows_count);
	for (uint32_t i = 0; i < found->count; i++)
		match[rows[i]] = verdicts[i];
	return 0;
}

/* All of the residue is asked, and then few rows of all. 1: they are not few; nothing was done. */
static int finish_few(struct col_text_shaped *p, const struct col_text_question *q,
	struct col_text_board *b, uint8_t *match)
{
	uint8_t *residue = b->cells + b->starts[COL_TEXT_RESIDUE];
	struct found found;
	int rc = 0;

	if (!q->set || p->counts_bytes.n == 0 ||
		p->residue_count > p->base.rows_count / RESIDUE_FEW)
		return 1;
	if (p->residue_count > 0) {
		rc = col_text_shape_residue(p);
		memset(residue, COL_TEXT_YES, p->residue_count);
		if (rc == 0)
			rc = p->residue->ops->equal(p->residue, q->set, residue);
	}
	if (rc == 0)
		rc = list_cells(b->cells, p->base.rows_count, &found);
	if (rc == 0)
		rc = apply_few(p, b, &found, match);
	return rc == 0 ? ask_rows(p, q, match) : rc;
}

int col_text_match_finish(struct col_text_shaped *p, const struct col_text_question *q,
	struct col_text_board *b, enum col_text_verdict absent, uint8_t *match)
{
	int rc = absent == COL_TEXT_NO ? finish_few(p, q, b, match) : 1;

	if (rc <= 0)
		return rc;
	rc = col_text_shape_codes(p);
	if (rc == 0)
		rc = residue(p, q, b->cells + b->starts[COL_TEXT_RESIDUE], match);
	if (rc < 0)
		return rc;
	apply(p, b, absent, match);
	return ask_rows(p, q, match);
}

int col_text_match_templates(struct col_text_shaped *p, const struct col_text_question *q,
	const uint8_t *of_code, uint8_t *match)
{
	uint8_t *cells = arena_alloc(p->base.work, (size_t)p->residue_count + 1);
	uint32_t at = 0;
	int rc = cells ? residue(p, q, cells, match) : -ENOMEM;

	if (rc < 0)
		return rc;
	for (uint32_t row = 0; row < p->base.rows_count; row++) {
		unsigned code = p->codes[row];
		uint8_t v = code == COL_TEXT_RESIDUE ? cells[at++] : of_code[code];

		match[row] = match[row] ? v : 0;
	}
	return memchr(of_code, COL_TEXT_ASK, COL_TEXT_TEMPLATE + p->templates_count)
		       ? ask_rows(p, q, match)
		       : 0;
}
