/*
 * Equality on a SHAPED page: a value is cut as texts are; a template without copies has it only if
 * the pattern is the same, and then slot by slot fewer rows are left. Templates with copies are asked
 * by their rows if the text that does not vary fits.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_match_int.h"

/* Values of a stream of the slot, in windows: cells stay what they are where the value is wanted. */
static int keep_equal(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, unsigned stream, int64_t want, uint8_t *cells)
{
	int64_t v[COL_TEXT_MATCH_ROWS];
	struct col_stream *s;
	int rc = col_text_shape_stream(p, t, slot, stream, &s);

	for (uint32_t first = 0; first < t->rows_count && rc == 0; first += COL_TEXT_MATCH_ROWS) {
		uint32_t n = t->rows_count - first;

		n = n < COL_TEXT_MATCH_ROWS ? n : COL_TEXT_MATCH_ROWS;
		if (!memchr(cells + first, COL_TEXT_YES, n))
			continue;
		rc = col_stream_get(s, first, n, v);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			cells[first + i] &= v[i] == want;
	}
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* ---- equality ---- */

/* A value that is looked for, cut. */
struct wanted {
	struct span text;
	bool cut; /* false: beyond the limits of what is cut */
	struct col_tokens tokens;
	struct col_token_cutter cutter;
};

static int64_t word_code(
	const struct col_text_shaped *p, const struct col_text_slot *slot, struct span word)
{
	for (uint32_t i = 0; i < slot->words_count; i++) {
		if (span_eq(col_text_pool_at(p, slot->word_idx + i), word))
			return i;
	}
	return -1;
}

/* Cells of rows whose slot does not show the token become NO; *out_ask: the slot cannot say. */
static int keep_slot(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, const struct col_token *token, struct span word,
	const uint64_t *numbers, uint8_t *cells, bool *out_ask)
{
	const uint64_t mask = (UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT) - 1;
	uint64_t zeroes = numbers[0] >> COL_TOKEN_ZEROES_SHIFT;
	int64_t code;
	int rc = 0;

	switch (slot->method) {
	case COL_TEXT_WORD:
	case COL_TEXT_WORDS:
		code = word_code(p, slot, word);
		if (code < 0)
			memset(cells, COL_TEXT_NO, t->rows_count);
		else if (slot->method == COL_TEXT_WORDS)
			rc = keep_equal(p, t, slot, 0, code, cells);
		return rc;
	case COL_TEXT_INT:
		if (zeroes > 0)
			memset(cells, COL_TEXT_NO, t->rows_count);
		return keep_equal(p, t, slot, 0, (int64_t)numbers[0], cells);
	case COL_TEXT_PADDED:
		/* As long as the slot, or longer and without zeroes. */
		if (token->len < slot->digits || (token->len > slot->digits && zeroes > 0))
			memset(cells, COL_TEXT_NO, t->rows_count);
		return keep_equal(p, t, slot, 0, (int64_t)(numbers[0] & mask), cells);
	case COL_TEXT_ZEROES:
		rc = keep_equal(p, t, slot, 0, (int64_t)zeroes, cells);
		return rc < 0 ? rc : keep_equal(p, t, slot, 1, (int64_t)(numbers[0] & mask), cells);
	case COL_TEXT_NUMBERS:
		for (unsigned i = 0; i < slot->streams_count && rc == 0; i++)
			rc = keep_equal(p, t, slot, i, (int64_t)numbers[i], cells);
		return rc;
	default:
		*out_ask = true;
		return 0;
	}
}

/* The template has the value's pattern: cells become YES, or ASK where a slot cannot say. */
static int equal_slots(struct col_text_shaped *p, const struct col_text_template *t,
	const struct wanted *w, uint8_t *cells)
{
	const uint64_t *numbers = w->tokens.numbers;
	bool ask = false;
	int rc = 0;

	memset(cells, COL_TEXT_YES, t->rows_count);
	for (unsigned i = 0; i < t->slots_count && rc == 0; i++) {
		const struct col_token *token = &w->tokens.t[i];
		struct span word = span_of(w->text.p + token->off, token->len);

		rc = keep_slot(p, t, &p->slots[t->slot_idx + i], token, word, numbers, cells, &ask);
		numbers += token->numbers_count;
	}
	for (uint32_t i = 0; ask && i < t->rows_count; i++)
		cells[i] = cells[i] ? COL_TEXT_ASK : COL_TEXT_NO;
	return rc;
}

/* Whether the value begins and ends as the template's texts do. */
static bool ends_fit(const struct col_text_template *t, struct span text)
{
	const struct col_text_step *last = t->steps;
	struct span first = t->steps->text;

	while (last->slot)
		last++;
	if (first.n > text.n || last->text.n > text.n)
		return false;
	return span_eq(first, span_of(text.p, first.n)) &&
	       span_eq(last->text, span_of(text.p + text.n - last->text.n, last->text.n));
}

/* Cells of one template for one value; what is YES or ASK already stays. */
static int equal_template(struct col_text_shaped *p, struct col_text_template *t,
	const struct wanted *w, uint8_t *scratch, uint8_t *cells)
{
	struct span pattern = span_of(w->tokens.pattern, w->tokens.pattern_len);
	int rc;

	if (t->sources) {
		rc = col_text_shape_steps(p, t);
		if (rc < 0)
			return rc;
		if (ends_fit(t, w->text))
			memset(cells, COL_TEXT_ASK, t->rows_count);
		return 0;
	}
	if (!w->cut || !span_eq(pattern, t->pattern))
		return 0;
	rc = equal_slots(p, t, w, scratch);
	for (uint32_t i = 0; i < t->rows_count; i++)
		cells[i] = cells[i] ? cells[i] : scratch[i];
	return rc;
}

static int equal_value(
	struct col_text_shaped *p, struct span value, struct col_text_board *b, uint8_t *scratch)
{
	struct wanted *w = arena_alloc(p->base.work, sizeof *w);
	int rc = 0;

	if (!w)
		return -ENOMEM;
	w->text = value;
	w->cut = col_token_begin(&w->cutter, value, NULL, p->base.depth == 1, &w->tokens) == 0 &&
		 col_token_cut(&w->cutter) == 0;
	for (uint32_t i = 0; i < p->templates_count && rc == 0; i++)
		rc = equal_template(p, &p->templates[i], w, scratch, col_text_match_cells(b, i));
	return rc;
}

int col_text_shape_equal(struct col_text_page *base, const struct textset *set, uint8_t *match)
{
	struct col_text_shaped *p = (struct col_text_shaped *)base;
	struct col_text_question q = { .set = set };
	uint8_t *scratch = arena_alloc(base->work, (size_t)base->rows_count + 1);
	enum col_text_verdict absent = textset_has(set, SPAN_NONE) ? COL_TEXT_YES : COL_TEXT_NO;
	struct col_text_board b;
	int rc = scratch ? col_text_shape_counts(p) : -ENOMEM;

	if (rc == 0)
		rc = col_text_match_board(p, COL_TEXT_NO, &b);
	for (size_t i = 0; i < set->count && rc == 0; i++) {
		if (set->values[i].p)
			rc = equal_value(p, set->values[i], &b, scratch);
	}
	return rc < 0 ? rc : col_text_match_finish(p, &q, &b, absent, match);
}
