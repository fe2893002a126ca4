/* Verdicts on rows of a SHAPED page, and rows that have to be rebuilt to have one. */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_match_int.h"

static bool is_answer(const struct col_text_question *q, struct span s)
{
	if (q->set)
		return textset_has(q->set, s);
	return s.p && needle_find(q->needle, s, 0) != SIZE_MAX;
}

/* Rebuilds the rows whose match is ASK, and asks. */
static int ask_rows(struct col_text_shaped *p, const struct col_text_question *q, uint8_t *match)
{
	uint32_t rows[COL_TEXT_MATCH_ROWS], count = 0;
	struct col_text_value values[COL_TEXT_MATCH_ROWS];
	struct buf bytes;
	int rc = 0;

	buf_init(&bytes, COL_TEXT_RAW_MAX);
	for (uint32_t row = 0; row < p->base.rows_count && rc == 0; row++) {
		if (match[row] == COL_TEXT_ASK)
			rows[count++] = row;
		if (count == 0 || (count < COL_TEXT_MATCH_ROWS && row + 1 < p->base.rows_count))
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

int col_text_match_finish(struct col_text_shaped *p, const struct col_text_question *q,
	struct col_text_board *b, enum col_text_verdict absent, uint8_t *match)
{
	int rc = residue(p, q, b->cells + b->starts[COL_TEXT_RESIDUE], match);

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
