/*
 * Search in a SHAPED page: letters stand only in constant text and in tokens, and never across two of
 * them, unless a pattern says otherwise. So the longest letters of what is searched for are looked up
 * once in each template and each word, and in the columns that rows repeat, which answer from their
 * dictionaries in turn. If nothing has them no row is looked at, not even for its template.
 */
#include "storage/col_text_search_int.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_letters.h"

enum {
	/* A larger residue is asked only for the rows that are looked at. */
	RESIDUE_WHOLE = COL_TEXT_STEP_ROWS,
};

/* The longest run of letters. */
static int letters_of(const struct needle *x, struct col_text_letters *out)
{
	size_t best = 0, best_at = 0;

	for (size_t i = 0, n; i < x->n; i += n + 1) {
		for (n = 0; i + n < x->n && col_letters_is_letter(x->lower[i + n]);)
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
	return needle_init(&out->needle, span_of(x->lower + best_at, best));
}

/* Letters of a pattern's own, or two tokens side by side: what is searched for may stand across. */
static bool is_odd(const struct col_text_template *t)
{
	unsigned before = 0;

	for (size_t i = 0; i < t->pattern.n; i++) {
		unsigned c = t->pattern.p[i];

		if (c < COL_TOKEN_WORD) {
			if (col_letters_is_letter((uint8_t)c))
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

/* ---- what the page itself says ---- */

/* All words at once: mostly that is the end of it. */
static struct span pool_words(const struct col_text_shaped *p)
{
	const uint32_t *offs = p->pool_offs + p->templates_count;

	return span_of(p->pool + offs[0], offs[p->words_count] - offs[0]);
}

static bool slot_words_have(const struct col_text_search *s, const struct col_text_slot *slot)
{
	for (uint32_t i = 0; s->in_words && i < slot->words_count; i++) {
		if (col_text_search_has(&s->letters, col_text_pool_at(s->p, slot->word_idx + i)))
			return true;
	}
	return false;
}

/* The slot's digits may be letters. */
static bool is_hex(const struct col_text_search *s, const struct col_text_slot *slot)
{
	return s->letters.hex &&
	       (slot->method == COL_TEXT_NUMBERS || slot->method == COL_TEXT_GROUPS) &&
	       slot->class != COL_TOKEN_DEC && slot->class != COL_TOKEN_IP4;
}

static enum col_text_verdict judge(
	const struct col_text_search *s, const struct col_text_template *t)
{
	unsigned verdict = is_odd(t) ? COL_TEXT_ASK : COL_TEXT_NO;

	for (unsigned i = 0; i < t->slots_count; i++) {
		const struct col_text_slot *slot = &s->p->slots[t->slot_idx + i];

		if (is_hex(s, slot))
			verdict = COL_TEXT_ASK;
		if (!slot_words_have(s, slot))
			continue;
		if (slot->method == COL_TEXT_WORD)
			return COL_TEXT_YES;
		verdict = verdict == COL_TEXT_NO ? COL_TEXT_SOME : verdict;
	}
	return verdict;
}

/* What has to be asked elsewhere for a template. */
static int note_shown(struct col_text_search *s, const struct col_text_template *t)
{
	s->shows_sources |= t->sources;
	s->shows_emails |= t->emails_count > 0;
	for (unsigned i = 0; t->leaves && i < t->slots_count; i++) {
		const struct col_text_slot *slot = &s->p->slots[t->slot_idx + i];

		if (!col_text_search_is_leaf(slot))
			continue;
		/* The number comes from the page. */
		if (slot->leaf >= LIMIT_MAP_PATHS)
			return ERR_CORRUPT;
		if (slot->leaf >= s->leaves_count)
			s->leaves_count = slot->leaf + 1;
	}
	return 0;
}

static int judge_all(struct col_text_search *s)
{
	struct col_text_shaped *p = s->p;
	int rc = 0;

	s->verdicts = arena_alloc(p->base.work, (size_t)p->templates_count + 1);
	if (!s->verdicts)
		return -ENOMEM;
	s->in_words = col_text_search_has(&s->letters, pool_words(p));
	for (uint32_t i = 0; i < p->templates_count && rc == 0; i++) {
		const struct col_text_template *t = &p->templates[i];

		s->verdicts[i] = COL_TEXT_NO;
		if (t->rows_count == 0)
			continue;
		s->verdicts[i] = (uint8_t)judge(s, t);
		if (s->verdicts[i] == COL_TEXT_NO || s->verdicts[i] == COL_TEXT_SOME)
			rc = note_shown(s, t);
	}
	return rc;
}

/* ---- what others say ---- */

/* found has a byte for each of count; NULL if none is set. */
static uint8_t *if_any(uint8_t *found, size_t count)
{
	return memchr(found, 1, count) ? found : NULL;
}

static int ask_emails(struct col_text_search *s)
{
	struct col_text_shaped *p = s->p;
	uint8_t *found = arena_alloc(p->base.work, (size_t)p->emails_count + 1);
	int rc = col_text_shape_emails(p);

	if (!found)
		return -ENOMEM;
	if (rc < 0 || p->emails_count == 0)
		return rc;
	memset(found, 1, p->emails_count);
	rc = p->emails->ops->contains(p->emails, &s->letters.needle, found);
	s->emails = rc == 0 ? if_any(found, p->emails_count) : NULL;
	return rc;
}

/* A column that can only say its values. */
static int read_source(struct col_text_search *s, unsigned source, uint8_t *found)
{
	const struct col_text_env *env = s->p->base.env;
	uint32_t rows = s->p->base.rows_count;
	struct span *values = arena_alloc(s->p->base.work, rows * sizeof *values);
	int rc;

	if (!values)
		return -ENOMEM;
	rc = env->source ? env->source(env->ctx, source, NULL, rows, values) : ERR_CORRUPT;
	for (uint32_t i = 0; i < rows && rc == 0; i++)
		found[i] = found[i] && col_text_search_has(&s->letters, values[i]);
	return rc;
}

static int ask_source(struct col_text_search *s, unsigned source)
{
	const struct col_text_env *env = s->p->base.env;
	uint32_t rows = s->p->base.rows_count;
	uint8_t *found = arena_alloc(s->p->base.work, rows);
	int rc;

	if (!found)
		return -ENOMEM;
	memcpy(found, s->match, rows);
	rc = env->source_contains
		     ? env->source_contains(env->ctx, source, &s->letters.needle, found)
		     : read_source(s, source, found);
	s->sources[source] = rc == 0 ? if_any(found, rows) : NULL;
	return rc;
}

/* A byte for each leaf that is shown as a word; NULL: no memory. */
static uint8_t *shown_leaves(const struct col_text_search *s)
{
	uint8_t *leaves = arena_calloc(s->p->base.work, s->leaves_count, 1);

	for (uint32_t i = 0; leaves && i < s->p->slots_count; i++) {
		const struct col_text_slot *slot = &s->p->slots[i];

		if (col_text_search_is_leaf(slot) && slot->leaf < s->leaves_count)
			leaves[slot->leaf] = 1;
	}
	return leaves;
}

static int ask_leaves(struct col_text_search *s)
{
	const struct col_text_env *env = s->p->base.env;

	s->leaves = shown_leaves(s);
	if (!s->leaves)
		return -ENOMEM;
	if (!env->leaves_contain)
		return 0;
	return env->leaves_contain(env->ctx, &s->letters.needle, s->leaves, s->leaves_count);
}

static bool shows_letters(const struct col_text_search *s, const struct col_text_template *t)
{
	bool found = s->emails && t->emails_count > 0;

	for (unsigned i = 0; i < COL_TEXT_SOURCES; i++)
		found |= s->sources[i] && t->sources >> i & 1;
	for (unsigned i = 0; t->leaves && i < t->slots_count && !found; i++) {
		const struct col_text_slot *slot = &s->p->slots[t->slot_idx + i];

		found = col_text_search_is_leaf(slot) && slot->leaf < s->leaves_count &&
			s->leaves[slot->leaf];
	}
	return found;
}

static int ask_others(struct col_text_search *s)
{
	int rc = s->shows_emails ? ask_emails(s) : 0;

	for (unsigned i = 0; i < COL_TEXT_SOURCES && rc == 0; i++) {
		if (s->shows_sources >> i & 1)
			rc = ask_source(s, i);
	}
	if (rc == 0 && s->leaves_count > 0)
		rc = ask_leaves(s);
	for (uint32_t i = 0; i < s->p->templates_count && rc == 0; i++) {
		if (s->verdicts[i] == COL_TEXT_NO && shows_letters(s, &s->p->templates[i]))
			s->verdicts[i] = COL_TEXT_SOME;
	}
	return rc;
}

/* ---- rows ---- */

/* The rows of a step that are of the residue: found has a byte for each, no other row has it. */
static int answer_step(struct col_text_shaped *p, uint32_t step, uint32_t count,
	const uint8_t *found, uint8_t *match)
{
	const uint16_t *codes;
	int rc = col_text_shape_codes_of(p, step, &codes);

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		bool has = codes[i] == COL_TEXT_RESIDUE && *found++;

		match[i] = match[i] && has;
	}
	return rc;
}

/* No template has it: the residue is asked, and codes are read of the steps that have such rows. */
static int answer_residue(struct col_text_shaped *p, const struct needle *x, uint8_t *match)
{
	uint8_t *found = arena_alloc(p->base.work, (size_t)p->residue_count + 1);
	uint32_t rows = p->base.rows_count, step = 0;
	int rc = col_text_shape_residue(p);

	if (!found)
		return -ENOMEM;
	memset(found, 1, (size_t)p->residue_count + 1);
	if (rc == 0 && p->residue_count > 0)
		rc = p->residue->ops->contains(p->residue, x, found);
	for (uint32_t first = 0; first < rows && rc == 0; first += COL_TEXT_STEP_ROWS, step++) {
		uint32_t at = col_text_shape_before(p, step, COL_TEXT_RESIDUE);
		uint32_t end = col_text_shape_before(p, step + 1, COL_TEXT_RESIDUE);
		uint32_t left = rows - first;
		uint32_t n = left < COL_TEXT_STEP_ROWS ? left : COL_TEXT_STEP_ROWS;

		if (memchr(found + at, 1, end - at) && memchr(match + first, 1, n))
			rc = answer_step(p, step, n, found + at, match + first);
		else
			memset(match + first, 0, n);
	}
	return rc;
}

/* All rows of a template have one verdict. */
static int answer_templates(
	struct col_text_search *s, const struct col_text_question *q, uint8_t *match)
{
	uint8_t of_code[COL_TEXT_TEMPLATE + LIMIT_TEXT_TEMPLATES] = { 0 };
	int rc;

	for (uint32_t i = 0; i < s->p->templates_count; i++) {
		uint8_t v = s->verdicts[i];

		of_code[COL_TEXT_TEMPLATE + i] =
			v == COL_TEXT_YES && !s->letters.whole ? COL_TEXT_ASK : v;
	}
	rc = col_text_shape_codes(s->p);
	return rc < 0 ? rc : col_text_match_templates(s->p, q, of_code, match);
}

static int answer_rows(struct col_text_search *s, const struct col_text_question *q, uint8_t *match)
{
	struct col_text_board b;
	int rc = col_text_shape_codes(s->p);

	if (rc == 0)
		rc = col_text_match_board(s->p, COL_TEXT_NO, &b);
	for (uint32_t i = 0; i < s->p->templates_count && rc == 0; i++) {
		uint8_t v = s->verdicts[i];

		memset(col_text_match_cells(&b, i), v == COL_TEXT_SOME ? COL_TEXT_NO : v,
			s->p->templates[i].rows_count);
	}
	if (rc == 0)
		rc = col_text_search_rows(s, &b);
	/* Letters are there: now the rest. */
	for (uint32_t i = 0; rc == 0 && !s->letters.whole && i < s->p->base.rows_count; i++)
		b.cells[i] = b.cells[i] == COL_TEXT_NO ? COL_TEXT_NO : COL_TEXT_ASK;
	return rc < 0 ? rc : col_text_match_finish(s->p, q, &b, COL_TEXT_NO, match);
}

static int answer(struct col_text_search *s, const struct needle *x, uint8_t *match)
{
	struct col_text_question q = { .needle = x };
	struct col_text_shaped *p = s->p;
	int rc = judge_all(s);

	if (rc == 0)
		rc = ask_others(s);
	if (rc < 0)
		return rc;
	if (memchr(s->verdicts, COL_TEXT_SOME, p->templates_count))
		return answer_rows(s, &q, match);
	if (memchr(s->verdicts, COL_TEXT_YES, p->templates_count) ||
		memchr(s->verdicts, COL_TEXT_ASK, p->templates_count) ||
		p->residue_count > RESIDUE_WHOLE)
		return answer_templates(s, &q, match);
	return answer_residue(p, x, match);
}

int col_text_shape_contains(struct col_text_page *base, const struct needle *x, uint8_t *match)
{
	struct col_text_search s = { .p = (struct col_text_shaped *)base, .match = match };
	int rc = letters_of(x, &s.letters);

	if (rc == 0)
		rc = col_text_shape_counts(s.p);
	if (rc == 0 && s.letters.needle.n > 0) {
		rc = answer(&s, x, match);
	} else if (rc == 0) {
		/* Nothing to go by. */
		s.verdicts = arena_alloc(base->work, s.p->templates_count);
		rc = s.verdicts ? 0 : -ENOMEM;
		if (rc == 0) {
			memset(s.verdicts, COL_TEXT_ASK, s.p->templates_count);
			rc = answer_templates(
				&s, &(struct col_text_question){ .needle = x }, match);
		}
	}
	needle_fini(&s.letters.needle);
	return rc;
}

/* ---- letters ---- */

/* The letters of others that templates show. */
static int add_shown(const struct col_text_search *s, struct col_letters *out)
{
	const struct col_text_env *env = s->p->base.env;
	struct col_text_shaped *p = s->p;
	uint8_t *leaves;
	int rc = s->shows_emails ? col_text_shape_emails(p) : 0;

	if (rc == 0 && s->shows_emails && p->emails_count > 0)
		rc = p->emails->ops->letters(p->emails, out);
	for (unsigned i = 0; i < COL_TEXT_SOURCES && rc == 0; i++) {
		if (s->shows_sources >> i & 1)
			rc = env->source_letters ? env->source_letters(env->ctx, i, out)
						 : COL_TEXT_LETTERS_NOT;
	}
	if (rc != 0 || s->leaves_count == 0)
		return rc;
	if (!env->leaves_letters)
		return COL_TEXT_LETTERS_NOT;
	leaves = shown_leaves(s);
	return leaves ? env->leaves_letters(env->ctx, leaves, s->leaves_count, out) : -ENOMEM;
}

int col_text_shape_letters(struct col_text_page *base, struct col_letters *out)
{
	struct col_text_search s = { .p = (struct col_text_shaped *)base };
	struct col_text_shaped *p = s.p;
	int rc = col_text_shape_counts(p);

	for (uint32_t i = 0; i < p->templates_count && rc == 0; i++) {
		const struct col_text_template *t = &p->templates[i];

		if (t->rows_count > 0)
			rc = is_odd(t) ? COL_TEXT_LETTERS_NOT : note_shown(&s, t);
	}
	if (rc == 0)
		rc = add_shown(&s, out);
	if (rc == 0)
		rc = col_text_shape_residue(p);
	if (rc == 0 && p->residue_count > 0)
		rc = p->residue->ops->letters(p->residue, out);
	if (rc == 0)
		col_letters_add(out, pool_words(p));
	return rc;
}
