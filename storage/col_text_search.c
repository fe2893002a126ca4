/*
 * Search in a SHAPED page: letters stand only in constant text and in tokens, and never across two of
 * them, unless a pattern says otherwise. So the longest letters of what is searched for are looked up
 * in each template and each word once; what that leaves is rebuilt, if letters are not all there is.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_match_int.h"

/* The letters that are looked up, and whether they are all there is. */
struct letters {
	struct scan_text_needle needle; /* points into the one asked for */
	bool hex;                       /* hex digits may have them */
	bool whole;
};

static bool is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26 || c == '_' || c >= 0x80;
}

/* The longest run of letters; 0: there is none, which says nothing of any row. */
static int letters_of(const struct scan_text_needle *x, struct letters *out)
{
	size_t best = 0, best_at = 0;

	for (size_t i = 0, n; i < x->n; i += n + 1) {
		for (n = 0; i + n < x->n && is_letter(x->lower[i + n]);)
			n++;
		if (n > best) {
			best = n;
			best_at = i;
		}
	}
	out->whole = best == x->n;
	out->hex = true;
	for (size_t i = 0; i < best; i++)
		out->hex &= x->lower[best_at + i] >= 'a' && x->lower[best_at + i] <= 'f';
	return scan_text_needle_init(&out->needle, span_of(x->lower + best_at, best));
}

static bool has(const struct letters *l, struct span s)
{
	return s.p && scan_text_find(&l->needle, s, 0) != SIZE_MAX;
}

/* Letters of a pattern's own, or two tokens side by side: what is searched for may stand across. */
static bool is_odd(const struct col_text_template *t)
{
	unsigned before = 0;

	for (size_t i = 0; i < t->pattern.n; i++) {
		unsigned c = t->pattern.p[i];

		if (c < COL_TOKEN_WORD) {
			if (is_letter((uint8_t)c))
				return true;
			before = 0;
			continue;
		}
		i += col_token_has_param(c);
		/* Digits join words, but have no letters. */
		if (before && before != COL_TOKEN_INT && c != COL_TOKEN_INT &&
			before != COL_TOKEN_DEC && c != COL_TOKEN_DEC && before != COL_TOKEN_IP4 &&
			c != COL_TOKEN_IP4)
			return true;
		before = c;
	}
	return false;
}

/* Words of the slot, once each; then the rows by their words. */
static int search_words(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, const struct letters *l, uint8_t *cells)
{
	uint8_t *found = arena_alloc(p->base.mem, slot->words_count);
	int64_t v[COL_TEXT_MATCH_ROWS];
	struct col_stream *s;
	bool any = false;
	int rc;

	if (!found)
		return -ENOMEM;
	for (uint32_t i = 0; i < slot->words_count; i++) {
		found[i] = has(l, col_text_pool_at(p, slot->word_idx + i));
		any |= found[i];
	}
	if (!any)
		return 0;
	rc = col_text_shape_stream(p, t, slot, 0, &s);
	for (uint32_t first = 0; first < t->rows_count && rc == 0; first += COL_TEXT_MATCH_ROWS) {
		uint32_t n = t->rows_count - first;

		n = n < COL_TEXT_MATCH_ROWS ? n : COL_TEXT_MATCH_ROWS;
		rc = col_stream_get(s, first, n, v);
		for (uint32_t i = 0; i < n && rc == 0; i++) {
			if ((uint64_t)v[i] >= slot->words_count)
				return ERR_CORRUPT;
			cells[first + i] |= found[v[i]];
		}
	}
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* What of a slot is not on the page itself. */
struct outside {
	unsigned sources; /* bits: copies of them are shown */
	bool emails;
	bool leaves;
};

static int search_template(struct col_text_shaped *p, const struct col_text_template *t,
	const struct letters *l, uint8_t *cells, struct outside *out)
{
	int rc = 0;

	memset(cells, is_odd(t) ? COL_TEXT_ASK : COL_TEXT_NO, t->rows_count);
	for (unsigned i = 0; i < t->slots_count && rc == 0 && cells[0] != COL_TEXT_ASK; i++) {
		const struct col_text_slot *slot = &p->slots[t->slot_idx + i];

		if (slot->method == COL_TEXT_WORD && has(l, col_text_pool_at(p, slot->word_idx))) {
			memset(cells, COL_TEXT_YES, t->rows_count);
			return 0;
		}
		if (slot->method == COL_TEXT_WORDS)
			rc = search_words(p, t, slot, l, cells);
		else if (l->hex &&
			 (slot->method == COL_TEXT_NUMBERS || slot->method == COL_TEXT_GROUPS) &&
			 slot->class != COL_TOKEN_DEC && slot->class != COL_TOKEN_IP4)
			memset(cells, COL_TEXT_ASK, t->rows_count);
		else if (slot->method == COL_TEXT_LEAF && slot->class == COL_TOKEN_WORD)
			out->leaves = true;
		else if (slot->class == COL_TOKEN_EMAIL)
			out->emails = true;
		else if (slot->class == COL_TOKEN_COPY)
			out->sources |= 1u << slot->param;
	}
	return rc;
}

/* The e-mail addresses, once each; rows that show one that has the letters. */
static int search_emails(
	struct col_text_shaped *p, const struct letters *l, struct col_text_board *b)
{
	uint32_t email = 0;
	uint8_t *found = arena_alloc(p->base.mem, (size_t)p->emails_count + 1);
	int rc = col_text_shape_emails(p);

	if (!found)
		return -ENOMEM;
	if (rc < 0 || p->emails_count == 0)
		return rc;
	memset(found, 1, p->emails_count);
	rc = p->emails->ops->contains(p->emails, &l->needle, found);
	if (rc < 0 || !memchr(found, 1, p->emails_count))
		return rc;
	col_text_match_walk(p, b);
	for (uint32_t row = 0; row < p->base.rows_count; row++) {
		unsigned code = p->codes[row];
		uint8_t *cell = col_text_match_cell(b, code);

		if (code < COL_TEXT_TEMPLATE)
			continue;
		for (unsigned i = p->templates[code - COL_TEXT_TEMPLATE].emails_count; i > 0; i--)
			*cell |= found[email++];
	}
	return 0;
}

/* Rows, rising, of templates that show the source; their cells in the same order. */
static int search_source(struct col_text_shaped *p, unsigned source, const struct letters *l,
	struct col_text_board *b, const uint8_t *match)
{
	const struct col_text_env *env = p->base.env;
	uint32_t rows[COL_TEXT_MATCH_ROWS], count = 0;
	struct span values[COL_TEXT_MATCH_ROWS];
	uint8_t *cells[COL_TEXT_MATCH_ROWS];
	int rc = env->source ? 0 : ERR_CORRUPT;

	col_text_match_walk(p, b);
	for (uint32_t row = 0; row < p->base.rows_count && rc == 0; row++) {
		unsigned code = p->codes[row];
		uint8_t *cell = col_text_match_cell(b, code);

		if (match[row] && cell && *cell == COL_TEXT_NO && code >= COL_TEXT_TEMPLATE &&
			p->templates[code - COL_TEXT_TEMPLATE].sources >> source & 1) {
			rows[count] = row;
			cells[count++] = cell;
		}
		if (count == 0 || (count < COL_TEXT_MATCH_ROWS && row + 1 < p->base.rows_count))
			continue;
		rc = env->source(env->ctx, source, rows, count, values);
		for (uint32_t i = 0; i < count && rc == 0; i++)
			*cells[i] = has(l, values[i]);
		count = 0;
	}
	return rc;
}

/* Words that are leaves of the row's metadata. */
static int search_leaf(struct col_text_shaped *p, uint32_t template, uint32_t leaf,
	const struct letters *l, struct col_text_board *b, const uint8_t *match)
{
	const struct col_text_env *env = p->base.env;
	struct col_text_leaf leaves[COL_TEXT_MATCH_ROWS];
	uint32_t rows[COL_TEXT_MATCH_ROWS], count = 0;
	uint8_t *cell = col_text_match_cells(b, template), *cells[COL_TEXT_MATCH_ROWS];
	int rc = env->leaf ? 0 : ERR_CORRUPT;

	for (uint32_t row = 0; row < p->base.rows_count && rc == 0; row++) {
		if (p->codes[row] == COL_TEXT_TEMPLATE + template) {
			if (match[row] && *cell == COL_TEXT_NO) {
				rows[count] = row;
				cells[count++] = cell;
			}
			cell++;
		}
		if (count == 0 || (count < COL_TEXT_MATCH_ROWS && row + 1 < p->base.rows_count))
			continue;
		rc = env->leaf(env->ctx, leaf, rows, count, leaves);
		for (uint32_t i = 0; i < count && rc == 0; i++)
			*cells[i] = leaves[i].kind == COL_TEXT_LEAF_WORD && has(l, leaves[i].word);
		count = 0;
	}
	return rc;
}

static int search_leaves(struct col_text_shaped *p, const struct letters *l,
	struct col_text_board *b, const uint8_t *match)
{
	int rc = 0;

	for (uint32_t i = 0; i < p->templates_count && rc == 0; i++) {
		const struct col_text_template *t = &p->templates[i];

		for (unsigned k = 0; t->leaves && k < t->slots_count && rc == 0; k++) {
			const struct col_text_slot *slot = &p->slots[t->slot_idx + k];

			if (slot->method == COL_TEXT_LEAF && slot->class == COL_TOKEN_WORD)
				rc = search_leaf(p, i, slot->leaf, l, b, match);
		}
	}
	return rc;
}

/* Cells: NO where the letters cannot be, else YES or ASK. */
static int search_letters(struct col_text_shaped *p, const struct letters *l,
	struct col_text_board *b, const uint8_t *match)
{
	struct outside out = { 0 };
	int rc = 0;

	for (uint32_t i = 0; i < p->templates_count && rc == 0; i++) {
		if (p->templates[i].rows_count > 0)
			rc = search_template(
				p, &p->templates[i], l, col_text_match_cells(b, i), &out);
	}
	if (rc == 0 && out.emails)
		rc = search_emails(p, l, b);
	for (unsigned s = 0; s < COL_TEXT_SOURCES && rc == 0; s++) {
		if (out.sources >> s & 1)
			rc = search_source(p, s, l, b, match);
	}
	if (rc == 0 && out.leaves)
		rc = search_leaves(p, l, b, match);
	return rc;
}

int col_text_shape_contains(
	struct col_text_page *base, const struct scan_text_needle *x, uint8_t *match)
{
	struct col_text_shaped *p = (struct col_text_shaped *)base;
	struct col_text_question q = { .needle = x };
	struct letters l;
	struct col_text_board b;
	int rc = letters_of(x, &l);

	if (rc == 0)
		rc = col_text_shape_codes(p);
	if (rc == 0)
		rc = col_text_match_board(p, COL_TEXT_ASK, &b);
	if (rc == 0 && l.needle.n > 0)
		rc = search_letters(p, &l, &b, match);
	/* Letters are there: now the rest. Cells may hold both verdicts, or-ed. */
	for (uint32_t i = 0; rc == 0 && i < base->rows_count; i++)
		b.cells[i] = b.cells[i] == COL_TEXT_NO               ? COL_TEXT_NO
			     : l.whole && b.cells[i] == COL_TEXT_YES ? COL_TEXT_YES
								     : COL_TEXT_ASK;
	scan_text_needle_fini(&l.needle);
	return rc < 0 ? rc : col_text_match_finish(p, &q, &b, COL_TEXT_NO, match);
}
