/*
 * A test of a text field whose values stand in the block: by the page's own words and templates where it
 * has such an answer, by the entries of its dictionary, else value by value; and of older segments, chunk
 * by chunk.
 */
#include "storage/scan_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "storage/seg_letters.h"

static int column_of(const struct expr *t)
{
	return SEG_COL_TEXT + (int)t->field.text;
}

/* ---- value by value ---- */

int scan_test_text_rows(struct scan_work *w, const struct expr *t, const uint32_t *rows,
	uint32_t count, uint8_t *holds)
{
	struct scan_scratch *s = w->scratch;
	int rc;

	ASSERT(count <= SCAN_SOME);
	buf_reset(&s->bytes);
	rc = block_reader_get(s->block, column_of(t), rows, count, &s->bytes, s->spans, w->d);
	for (uint32_t i = 0; i < count && rc == 0; i++)
		holds[i] = expr_test_text(t, s->spans[i], s->expr);
	return rc;
}

static int keep_values(struct scan_work *w, const struct expr *t, uint8_t *match)
{
	uint32_t *rows = w->scratch->rows;
	uint32_t count = match_kernel_list(match, w->rows_count, rows);
	uint8_t holds[SCAN_SOME];
	int rc = 0;

	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SCAN_SOME ? count - at : SCAN_SOME;
		rc = scan_test_text_rows(w, t, rows + at, n, holds);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			match[rows[at + i]] = holds[i];
	}
	return rc;
}

/* ---- pages ---- */

static int keep_present(struct scan_work *w, struct col_text *page, uint8_t *match)
{
	struct span none = SPAN_NONE;
	struct textset absent = { &none, 1 };
	uint8_t *found = scan_match_take(w);
	int rc;

	if (!found)
		return -ENOMEM;
	memcpy(found, match, w->rows_count);
	rc = col_text_equal(page, &absent, found);
	if (rc == 0)
		match_kernel_without(match, found, w->rows_count);
	scan_match_give(w);
	return rc;
}

/* Each entry is asked once. */
static int keep_entries(
	struct scan_work *w, const struct expr *t, struct col_text *page, uint8_t *match)
{
	struct scan_scratch *s = w->scratch;
	uint32_t entries = col_text_entries(page), codes[SCAN_SOME], rows[SCAN_SOME];
	uint8_t *wanted = scan_match_take(w);
	int rc;

	if (!wanted)
		return -ENOMEM;
	ASSERT(entries <= LIMIT_BLOCK_ROWS);
	rc = col_text_entries_all(page, s->spans);
	for (uint32_t i = 0; i < entries && rc == 0; i++)
		wanted[i] = expr_test_text(t, s->spans[i], s->expr);
	for (uint32_t at = 0, n; at < w->rows_count && rc == 0; at += n) {
		n = w->rows_count - at < SCAN_SOME ? w->rows_count - at : SCAN_SOME;
		if (!memchr(match + at, 1, n))
			continue;
		for (uint32_t i = 0; i < n; i++)
			rows[i] = at + i;
		rc = col_text_codes(page, rows, n, codes);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			match[at + i] &= codes[i] ? wanted[codes[i] - 1] : 0;
	}
	scan_match_give(w);
	return rc;
}

/* What no table answers: if it can hold only where some bytes stand, these are searched first. */
static int keep_searched(struct scan_work *w, uint32_t node, struct col_text *page, uint8_t *match)
{
	const struct scan_node *n = &w->scan->nodes[node];
	int rc = 0;

	if (n->literal.n > 0)
		rc = col_text_contains(page, &n->literal, match);
	if (rc < 0)
		return block_reader_fail(w->scratch->block, column_of(n->expr), rc, w->d);
	return keep_values(w, n->expr, match);
}

/*
 * Of a block that was searched in vain the letters are noted, for the next search. A failure is none of
 * the search's.
 */
static void note_letters(struct scan_work *w, const struct expr *t, struct col_text *page)
{
	const struct seg_reader *seg = w->scan->segments[w->piece->segment].reader;
	struct col_letters letters = { 0 };
	int rc;

	if (t->field.text != EVENT_TEXT_DESCRIPTION || seg_letters_known(seg, w->piece->block))
		return;
	rc = col_text_letters(page, &letters);
	if (rc < 0)
		block_reader_fail(w->scratch->block, column_of(t), rc, NULL);
	if (rc != -ENOMEM)
		seg_letters_note(seg, w->piece->block, rc == 0 ? &letters : NULL);
}

static int keep_contains(
	struct scan_work *w, const struct expr *t, struct col_text *page, uint8_t *match)
{
	bool whole = !memchr(match, 0, w->rows_count);
	int rc = col_text_contains(page, &t->needle, match);

	if (rc == 0 && whole && !memchr(match, 1, w->rows_count))
		note_letters(w, t, page);
	return rc;
}

static int keep_page(struct scan_work *w, uint32_t node, uint8_t *match)
{
	const struct expr *t = w->scan->nodes[node].expr;
	struct block_reader *b = w->scratch->block;
	struct col_text *page;
	int rc = block_reader_text(b, column_of(t), &page, w->d);

	if (rc < 0)
		return rc;
	switch (t->test) {
	case EXPR_TEST_EXISTS:
		rc = keep_present(w, page, match);
		break;
	case EXPR_TEST_IN:
		return block_reader_equal(b, column_of(t), &t->texts, match, w->d);
	case EXPR_TEST_CONTAINS:
		rc = keep_contains(w, t, page, match);
		break;
	default:
		if (col_text_entries(page) == 0)
			return keep_searched(w, node, page, match);
		rc = keep_entries(w, t, page, match);
		break;
	}
	return rc < 0 ? block_reader_fail(b, column_of(t), rc, w->d) : 0;
}

/* ---- bytes, of older segments ---- */

static void keep_chunk(struct scan_work *w, const struct expr *t, const struct col_bytes_chunk *k,
	const uint32_t *lengths, struct span raw, uint8_t *match)
{
	size_t off = 0;

	for (uint32_t row = k->row; row < k->row + k->rows_count; row++) {
		uint32_t length = lengths[row];
		struct span v = length ? span_of(raw.p + off, length - 1) : SPAN_NONE;

		if (match[row])
			match[row] = expr_test_text(t, v, w->scratch->expr);
		off += col_bytes_length(length);
	}
}

/* Chunk by chunk, and only where a row is left. */
static int keep_bytes(struct scan_work *w, const struct expr *t, uint8_t *match)
{
	struct scan_scratch *s = w->scratch;
	const struct col_bytes *page;
	const uint32_t *lengths;
	int rc = block_reader_bytes(s->block, column_of(t), &page, &lengths, w->d);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < page->chunks_count; i++) {
		const struct col_bytes_chunk *k = &page->chunks[i];
		struct span raw;

		if (!memchr(match + k->row, 1, k->rows_count))
			continue;
		rc = col_bytes_chunk(page, i, &s->bytes, &raw);
		if (rc < 0)
			return block_reader_fail(s->block, column_of(t), rc, w->d);
		keep_chunk(w, t, k, lengths, raw, match);
	}
	return 0;
}

int scan_test_text_keep(struct scan_work *w, uint32_t node, uint8_t *match)
{
	const struct expr *t = w->scan->nodes[node].expr;
	enum col_kind kind;
	int rc = block_reader_kind(w->scratch->block, column_of(t), &kind, w->d);

	if (rc < 0)
		return rc;
	return kind == COL_KIND_TEXT ? keep_page(w, node, match) : keep_bytes(w, t, match);
}
