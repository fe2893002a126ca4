/*
 * Rows of templates whose slots may show what is searched for: by the words' numbers, by addresses,
 * by what other columns said of their rows, and, a window of rows at a time, by words of metadata, all
 * leaves of a window together: whoever decodes them does it once.
 */
#include "storage/col_text_search_int.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"

/* ---- words ---- */

static int by_words(struct col_text_search *s, const struct col_text_template *t,
	const struct col_text_slot *slot, uint8_t *cells)
{
	uint8_t *found = arena_alloc(s->p->base.work, slot->words_count);
	int64_t v[COL_TEXT_MATCH_ROWS];
	struct col_stream *stream;
	int rc;

	if (!found)
		return -ENOMEM;
	for (uint32_t i = 0; i < slot->words_count; i++)
		found[i] = col_text_search_has(
			&s->letters, col_text_pool_at(s->p, slot->word_idx + i));
	if (!memchr(found, 1, slot->words_count))
		return 0;
	rc = col_text_shape_stream(s->p, t, slot, 0, &stream);
	for (uint32_t first = 0; first < t->rows_count && rc == 0; first += COL_TEXT_MATCH_ROWS) {
		uint32_t n = t->rows_count - first;

		n = n < COL_TEXT_MATCH_ROWS ? n : COL_TEXT_MATCH_ROWS;
		rc = col_stream_get(stream, first, n, v);
		for (uint32_t i = 0; i < n && rc == 0; i++) {
			if ((uint64_t)v[i] >= slot->words_count)
				return ERR_CORRUPT;
			cells[first + i] |= found[v[i]];
		}
	}
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

static int words_of_template(struct col_text_search *s, uint32_t template, uint8_t *cells)
{
	const struct col_text_template *t = &s->p->templates[template];
	int rc = 0;

	for (unsigned i = 0; i < t->slots_count && rc == 0; i++) {
		const struct col_text_slot *slot = &s->p->slots[t->slot_idx + i];

		if (slot->method == COL_TEXT_WORDS)
			rc = by_words(s, t, slot, cells);
	}
	return rc;
}

/* ---- addresses and other columns ---- */

static void by_columns(struct col_text_search *s, struct col_text_board *b)
{
	struct col_text_shaped *p = s->p;
	uint32_t email = 0;

	col_text_match_walk(p, b);
	for (uint32_t row = 0; row < p->base.rows_count; row++) {
		unsigned code = p->codes[row], template = code - COL_TEXT_TEMPLATE;
		uint8_t *cell = col_text_match_cell(b, code), found = 0;
		const struct col_text_template *t;

		if (code < COL_TEXT_TEMPLATE)
			continue;
		t = &p->templates[template];
		for (unsigned i = t->emails_count; i > 0; i--, email++)
			found |= s->emails && s->emails[email];
		for (unsigned left = t->sources; left; left &= left - 1) {
			const uint8_t *rows = s->sources[__builtin_ctz(left)];

			found |= rows && rows[row];
		}
		if (*cell == COL_TEXT_NO)
			*cell = found;
	}
}

/* ---- metadata ---- */

/* Rows of a window: their cells, and those of them that show a leaf. */
struct window {
	uint32_t first;
	uint32_t count;
	uint8_t *cells[COL_TEXT_STEP_ROWS]; /* NULL: the row is absent */
	uint8_t *shown[COL_TEXT_STEP_ROWS];
	uint32_t rows[COL_TEXT_STEP_ROWS];
	struct col_text_leaf leaves[COL_TEXT_STEP_ROWS];
};

static int by_leaf(
	struct col_text_search *s, struct window *w, uint32_t leaf, const uint8_t *templates)
{
	const struct col_text_env *env = s->p->base.env;
	uint32_t n = 0;
	int rc;

	for (uint32_t i = 0; i < w->count; i++) {
		uint32_t row = w->first + i;
		unsigned code = s->p->codes[row];

		if (code < COL_TEXT_TEMPLATE || !templates[code - COL_TEXT_TEMPLATE] ||
			!s->match[row] || *w->cells[i] != COL_TEXT_NO)
			continue;
		w->shown[n] = w->cells[i];
		w->rows[n++] = row;
	}
	if (n == 0)
		return 0;
	rc = env->leaf ? env->leaf(env->ctx, leaf, w->rows, n, w->leaves) : ERR_CORRUPT;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		*w->shown[i] = w->leaves[i].kind == COL_TEXT_LEAF_WORD &&
			       col_text_search_has(&s->letters, w->leaves[i].word);
	return rc;
}

/* A byte for each template that is open and shows the leaf; false: there is none. */
static bool templates_of(const struct col_text_search *s, uint32_t leaf, uint8_t *out)
{
	bool any = false;

	for (uint32_t i = 0; i < s->p->templates_count; i++) {
		const struct col_text_template *t = &s->p->templates[i];

		out[i] = 0;
		for (unsigned k = 0; t->leaves && k < t->slots_count; k++) {
			const struct col_text_slot *slot = &s->p->slots[t->slot_idx + k];

			out[i] |= col_text_search_is_leaf(slot) && slot->leaf == leaf &&
				  s->verdicts[i] == COL_TEXT_SOME;
		}
		any |= out[i];
	}
	return any;
}

/* Templates of each leaf that may have the letters, leaves_count times templates_count; NULL: memory. */
static uint8_t *list_templates(
	const struct col_text_search *s, uint32_t *leaves, uint32_t *out_count)
{
	uint32_t width = s->p->templates_count, most = 0, n = 0;
	uint8_t *lists;

	for (uint32_t i = 0; i < s->leaves_count; i++)
		most += s->leaves[i];
	lists = arena_alloc(s->p->base.work, (size_t)most * width + 1);
	for (uint32_t i = 0; lists && i < s->leaves_count; i++) {
		if (s->leaves[i] && templates_of(s, i, lists + (size_t)n * width))
			leaves[n++] = i;
	}
	*out_count = n;
	return lists;
}

static int by_leaves(struct col_text_search *s, struct col_text_board *b)
{
	struct col_text_shaped *p = s->p;
	struct window *w = arena_alloc(p->base.work, sizeof *w);
	uint32_t *leaves = arena_alloc(p->base.work, s->leaves_count * sizeof *leaves), n, row = 0;
	uint8_t *templates = leaves ? list_templates(s, leaves, &n) : NULL;
	int rc = w && templates ? 0 : -ENOMEM;

	col_text_match_walk(p, b);
	while (rc == 0 && n > 0 && row < p->base.rows_count) {
		uint32_t left = p->base.rows_count - row;

		w->first = row;
		w->count = left < COL_TEXT_STEP_ROWS ? left : COL_TEXT_STEP_ROWS;
		for (uint32_t i = 0; i < w->count; i++, row++)
			w->cells[i] = col_text_match_cell(b, p->codes[row]);
		for (uint32_t k = 0; k < n && rc == 0; k++)
			rc = by_leaf(s, w, leaves[k], templates + (size_t)k * p->templates_count);
	}
	return rc;
}

int col_text_search_rows(struct col_text_search *s, struct col_text_board *b)
{
	bool columns = s->emails != NULL;
	int rc = 0;

	for (uint32_t i = 0; i < s->p->templates_count && rc == 0; i++) {
		if (s->verdicts[i] == COL_TEXT_SOME && s->in_words)
			rc = words_of_template(s, i, col_text_match_cells(b, i));
	}
	for (unsigned i = 0; i < COL_TEXT_SOURCES; i++)
		columns |= s->sources[i] != NULL;
	if (rc == 0 && columns)
		by_columns(s, b);
	if (rc == 0 && s->leaves_count > 0 && memchr(s->leaves, 1, s->leaves_count))
		rc = by_leaves(s, b);
	return rc;
}
