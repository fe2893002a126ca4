#include "storage/col_shape.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_shape_int.h"

enum {
	TABLE_MIN = 1024,
	/* A longer search gives up: no input makes the tables slow. */
	PROBES_MAX = 64,
	BLOCK_ROWS_MIN = 4,
	BLOCK_ROWS_MAX = 512,
};

int col_shape_set_init(struct col_shape_set *s)
{
	*s = (struct col_shape_set){ 0 };
	s->shapes = calloc(COL_SHAPE_COUNT_MAX, sizeof *s->shapes);
	s->shape_table.size = 4 * COL_SHAPE_COUNT_MAX;
	s->shape_table.at = calloc(s->shape_table.size, sizeof *s->shape_table.at);
	s->word_table.size = TABLE_MIN;
	s->word_table.at = calloc(TABLE_MIN, sizeof *s->word_table.at);
	if (s->shapes && s->shape_table.at && s->word_table.at)
		return 0;
	col_shape_set_fini(s);
	return -ENOMEM;
}

void col_shape_set_fini(struct col_shape_set *s)
{
	for (unsigned i = 0; i < COL_SHAPE_SLABS; i++)
		free(s->slabs[i]);
	free(s->shapes);
	free(s->shape_table.at);
	free(s->words);
	free(s->word_table.at);
	*s = (struct col_shape_set){ 0 };
}

void col_shape_set_reset(struct col_shape_set *s)
{
	s->shapes_count = 0;
	s->words_count = 0;
	s->slab = 0;
	s->slab_bytes = 0;
	memset(s->by_head, 0, sizeof s->by_head);
	memset(s->by_hint, 0, sizeof s->by_hint);
	memset(s->shape_table.at, 0, s->shape_table.size * sizeof *s->shape_table.at);
	memset(s->word_table.at, 0, s->word_table.size * sizeof *s->word_table.at);
}

void *col_shape_take(struct col_shape_set *s, size_t n)
{
	void *p;

	n = (n + 7) & ~(size_t)7;
	ASSERT(n <= COL_SHAPE_SLAB_BYTES);
	if (s->slab_bytes + n > COL_SHAPE_SLAB_BYTES) {
		if (s->slab + 1 == COL_SHAPE_SLABS)
			return NULL;
		s->slab++;
		s->slab_bytes = 0;
	}
	if (!s->slabs[s->slab])
		s->slabs[s->slab] = malloc(COL_SHAPE_SLAB_BYTES);
	if (!s->slabs[s->slab])
		return NULL;
	p = s->slabs[s->slab] + s->slab_bytes;
	s->slab_bytes += n;
	return p;
}

/* ---- words ---- */

static bool grow_words(struct col_shape_set *s)
{
	struct col_shape_table t = { .size = s->word_table.size * 2 };
	uint32_t cap = t.size / 2;
	struct col_shape_word *words;

	if (cap > COL_SHAPE_WORDS_MAX)
		return false;
	words = realloc(s->words, cap * sizeof *words);
	if (!words)
		return false;
	s->words = words;
	t.at = calloc(t.size, sizeof *t.at);
	if (!t.at)
		return false;
	for (uint32_t i = 0; i < s->words_count; i++) {
		uint32_t at = (uint32_t)words[i].hash & (t.size - 1);

		while (t.at[at])
			at = (at + 1) & (t.size - 1);
		t.at[at] = i + 1;
	}
	free(s->word_table.at);
	s->word_table = t;
	s->words_cap = cap;
	return true;
}

uint32_t col_shape_word_number(struct col_shape_set *s, const uint8_t *p, size_t n)
{
	uint64_t hash = col_shape_hash(p, n);
	uint32_t mask, at;

	if (s->words_count == s->words_cap && !grow_words(s))
		return UINT32_MAX;
	mask = s->word_table.size - 1;
	at = (uint32_t)hash & mask;
	for (unsigned probes = 0; s->word_table.at[at]; probes++) {
		const struct col_shape_word *w = &s->words[s->word_table.at[at] - 1];

		if (w->hash == hash && w->text.n == n && col_shape_same(w->text.p, p, n))
			return s->word_table.at[at] - 1;
		if (probes == PROBES_MAX)
			return UINT32_MAX;
		at = (at + 1) & mask;
	}
	s->words[s->words_count] = (struct col_shape_word){ span_of(p, n), hash };
	s->word_table.at[at] = ++s->words_count;
	return s->words_count - 1;
}

/* ---- templates ---- */

/* The template's index, or where it would stand in *out_at; UINT32_MAX there: nowhere. */
static uint32_t find(
	const struct col_shape_set *s, struct span word, uint64_t hash, uint32_t *out_at)
{
	uint32_t mask = s->shape_table.size - 1, at = (uint32_t)hash & mask;
	const struct col_tokens *t = &s->tokens;

	for (unsigned probes = 0; s->shape_table.at[at]; probes++) {
		uint32_t idx = s->shape_table.at[at] - 1;
		const struct col_shape *h = &s->shapes[idx];

		if (h->hash == hash && h->pattern.n == t->pattern_len && h->word.n == word.n &&
			col_shape_same(h->pattern.p, t->pattern, t->pattern_len) &&
			col_shape_same(h->word.p, word.p, word.n))
			return idx;
		if (probes == PROBES_MAX) {
			*out_at = UINT32_MAX;
			return COL_SHAPE_NONE;
		}
		at = (at + 1) & mask;
	}
	*out_at = at;
	return COL_SHAPE_NONE;
}

static void set_slots(struct col_shape *h, const struct col_tokens *t)
{
	h->width = 0;
	h->emails_count = 0;
	for (uint32_t i = 0; i < t->count; i++) {
		struct col_shape_slot *slot = &h->slots[i];
		bool one = t->t[i].class == COL_TOKEN_WORD || t->t[i].class == COL_TOKEN_EMAIL;

		*slot = (struct col_shape_slot){ .class = t->t[i].class,
			.param = t->t[i].param,
			.values_count = one ? 1 : t->t[i].numbers_count,
			.at = h->width,
			.last = UINT32_MAX };
		h->width += slot->values_count;
		h->emails_count += slot->class == COL_TOKEN_EMAIL;
	}
	h->slots_count = (uint16_t)t->count;
}

static uint32_t create(struct col_shape_set *s, struct span word, uint64_t hash, uint32_t at)
{
	const struct col_tokens *t = &s->tokens;
	struct col_shape *h = &s->shapes[s->shapes_count];
	uint8_t *pattern;

	if (at == UINT32_MAX || s->shapes_count == COL_SHAPE_COUNT_MAX)
		return COL_SHAPE_NONE;
	pattern = col_shape_take(s, t->pattern_len + 1);
	*h = (struct col_shape){ .hash = hash, .word = word };
	h->slots = col_shape_take(s, (t->count + 1) * sizeof *h->slots);
	if (!pattern || !h->slots)
		return COL_SHAPE_NONE;
	memcpy(pattern, t->pattern, t->pattern_len);
	h->pattern = span_of(pattern, t->pattern_len);
	set_slots(h, t);
	s->shape_table.at[at] = ++s->shapes_count;
	return s->shapes_count - 1;
}

/* The template without a first word: the only one of patterns that have no word. */
static uint32_t plain_template(struct col_shape_set *s, uint64_t hash)
{
	uint32_t at, idx = find(s, SPAN_NONE, hash, &at);

	return idx != COL_SHAPE_NONE ? idx : create(s, SPAN_NONE, hash, at);
}

/*
 * The plain template of a pattern counts the forks, so it is there from the pattern's first row on,
 * mostly without rows of its own.
 */
static uint32_t template_of(struct col_shape_set *s, struct span text)
{
	const struct col_tokens *t = &s->tokens;
	uint64_t hash = col_shape_hash(t->pattern, t->pattern_len);
	struct span word = SPAN_NONE;
	uint32_t at, idx, plain;

	if (t->word_idx < 0)
		return plain_template(s, hash);
	word = span_of(text.p + t->t[t->word_idx].off, t->t[t->word_idx].len);
	idx = find(s, word, col_shape_mix(hash, col_shape_hash(word.p, word.n)), &at);
	if (idx != COL_SHAPE_NONE)
		return idx;
	plain = plain_template(s, hash);
	if (plain == COL_SHAPE_NONE || s->shapes[plain].forks == LIMIT_TEXT_FORKS)
		return plain;
	idx = find(s, word, col_shape_mix(hash, col_shape_hash(word.p, word.n)), &at);
	ASSERT(idx == COL_SHAPE_NONE);
	idx = create(s, word, col_shape_mix(hash, col_shape_hash(word.p, word.n)), at);
	if (idx != COL_SHAPE_NONE)
		s->shapes[plain].forks++;
	return idx;
}

uint64_t *col_shape_tuple(struct col_shape_set *s, struct col_shape *h)
{
	struct col_shape_block *b = h->last;
	uint32_t cap = b ? b->rows_cap * 2 : BLOCK_ROWS_MIN;
	size_t width = h->width;

	if (b && b->rows_count < b->rows_cap)
		return b->values + b->rows_count * width;
	if (cap > BLOCK_ROWS_MAX || cap * width * sizeof(uint64_t) > COL_SHAPE_SLAB_BYTES / 4)
		cap = b->rows_cap;
	b = col_shape_take(s, sizeof *b + cap * width * sizeof(uint64_t));
	if (!b)
		return NULL;
	*b = (struct col_shape_block){ .rows_cap = cap };
	if (h->last)
		h->last->next = b;
	else
		h->first = b;
	h->last = b;
	return b->values;
}

static bool fill(struct col_shape_set *s, struct col_shape *h, struct span text, uint64_t *tuple)
{
	const struct col_tokens *t = &s->tokens;
	const uint64_t *numbers = t->numbers;

	for (uint32_t i = 0; i < t->count; i++) {
		const struct col_token *k = &t->t[i];
		struct col_shape_slot *slot = &h->slots[i];
		const uint8_t *p = text.p + k->off;

		if (slot->class == COL_TOKEN_WORD) {
			uint32_t w = slot->last;

			if (w == UINT32_MAX || s->words[w].text.n != k->len ||
				!col_shape_same(s->words[w].text.p, p, k->len))
				w = col_shape_word_number(s, p, k->len);
			if (w == UINT32_MAX)
				return false;
			slot->varied |= w != slot->last && slot->last != UINT32_MAX;
			slot->last = w;
			*tuple++ = w;
		} else if (slot->class == COL_TOKEN_EMAIL) {
			*tuple++ = col_shape_place(k->off, k->len);
		} else {
			for (unsigned n = 0; n < slot->values_count; n++)
				*tuple++ = *numbers++;
		}
	}
	return true;
}

uint32_t col_shape_set_add(struct col_shape_set *s, struct span text,
	const struct col_token_sources *sources, unsigned hint)
{
	struct col_shape_guess g = { text, sources, hint, false };
	uint32_t idx;
	uint64_t *tuple;
	struct col_shape *h;

	if (text.n > LIMIT_TEXT_SHAPED_BYTES)
		return COL_SHAPE_NONE;
	idx = col_shape_match(s, &g);
	if (idx != COL_SHAPE_NONE)
		return idx;
	if (col_token_begin(&s->cutter, text, sources, s->emails, &s->tokens) != 0)
		return COL_SHAPE_NONE;
	g.closer = true;
	idx = col_shape_match(s, &g);
	if (idx != COL_SHAPE_NONE)
		return idx;
	if (col_token_cut(&s->cutter) != 0)
		return COL_SHAPE_NONE;
	idx = template_of(s, text);
	if (idx == COL_SHAPE_NONE)
		return COL_SHAPE_NONE;
	h = &s->shapes[idx];
	ASSERT(h->slots_count == s->tokens.count);
	tuple = col_shape_tuple(s, h);
	if (!tuple || !fill(s, h, text, tuple))
		return COL_SHAPE_NONE;
	h->rows_count++;
	h->last->rows_count++;
	col_shape_learn(s, text, hint, idx, tuple);
	return idx;
}

void col_shape_column(const struct col_shape *shape, unsigned at, uint64_t *out)
{
	size_t width = shape->width;

	for (const struct col_shape_block *b = shape->first; b; b = b->next) {
		const uint64_t *v = b->values + at;

		for (uint32_t i = 0; i < b->rows_count; i++, v += width)
			*out++ = *v;
	}
}
