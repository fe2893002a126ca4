/*
 * Most texts look like one that came before. A template that has some rows knows what they all had in
 * common: the text between the tokens, and words that were always the same. A new row is compared
 * with that, and only what varies is cut. The template is guessed from the first bytes of the text,
 * or from the caller's hint; where the guess is wrong, the text is cut whole.
 */
#include "proto/base/check.h"
#include "storage/col_shape_int.h"

enum { LEARN_ROWS = 4 };

static inline uint16_t *head_of(struct col_shape_set *s, struct span text)
{
	uint32_t head = 0;

	memcpy(&head, text.p, text.n < 4 ? text.n : 4);
	return s->by_head[(head * UINT32_C(0x9e3779b1)) >> 22];
}

static inline bool starts_with(const uint8_t *p, uint32_t left, struct span text)
{
	return left >= text.n && col_shape_same(p, text.p, text.n);
}

static inline bool take_slot(struct col_shape_set *s, struct col_shape_slot *slot,
	const uint8_t *text, uint32_t from, uint32_t end, const uint64_t *numbers, uint64_t *tuple)
{
	if (slot->class == COL_TOKEN_WORD) {
		const uint8_t *p = text + from;
		uint32_t w = slot->last;

		if (s->words[w].text.n != end - from ||
			!col_shape_same(s->words[w].text.p, p, end - from))
			w = col_shape_word_number(s, p, end - from);
		if (w == UINT32_MAX)
			return false;
		slot->last = w;
		tuple[slot->at] = w;
	} else if (slot->class == COL_TOKEN_EMAIL) {
		tuple[slot->at] = col_shape_place(from, end - from);
	} else {
		for (unsigned i = 0; i < slot->values_count; i++)
			tuple[slot->at + i] = numbers[i];
	}
	return true;
}

/* The token at a step's slot, by the light way or by the cutter. */
static inline uint32_t token_at(struct col_shape_set *s, const struct col_shape_guess *g,
	const struct col_shape_slot *slot, uint32_t at, uint64_t *numbers)
{
	uint32_t end;

	if (!g->closer)
		return col_token_light(g->text, g->sources, at, slot->class, slot->param, numbers);
	s->tokens.numbers_count = 0;
	end = col_token_at(&s->cutter, at, slot->class, slot->param);
	memcpy(numbers, s->tokens.numbers, COL_TOKEN_NUMBERS * sizeof *numbers);
	return end;
}

static bool match(struct col_shape_set *s, const struct col_shape_guess *g, struct col_shape *h,
	uint64_t *tuple)
{
	uint64_t numbers[COL_TOKEN_NUMBERS];
	const uint8_t *p = g->text.p;
	uint32_t at = 0, n = (uint32_t)g->text.n;

	if (g->closer)
		s->cutter.email = s->cutter.emails;
	for (uint32_t i = 0; i < h->steps_count; i++) {
		const struct col_shape_step *step = &h->steps[i];
		struct col_shape_slot *slot;
		uint32_t end;

		if (!starts_with(p + at, n - at, step->text))
			return false;
		at += (uint32_t)step->text.n;
		if (i + 1 == h->steps_count)
			break;
		slot = &h->slots[step->slot];
		end = token_at(s, g, slot, at, numbers);
		if (end == 0 || !take_slot(s, slot, p, at, end, numbers, tuple))
			return false;
		at = end;
	}
	return at == n;
}

static bool add(struct col_shape_set *s, const struct col_shape_guess *g, uint32_t idx)
{
	struct col_shape *h = &s->shapes[idx];
	uint64_t *tuple;

	if (!h->steps)
		return false;
	/* The first step is most of what there is to know: before memory is touched. */
	if (!starts_with(g->text.p, (uint32_t)g->text.n, h->steps[0].text))
		return false;
	tuple = col_shape_tuple(s, h);
	if (!tuple)
		return false;
	if (h->width > 0)
		memcpy(tuple, h->tuple, h->width * sizeof *tuple);
	if (!match(s, g, h, tuple))
		return false;
	h->rows_count++;
	h->last->rows_count++;
	return true;
}

uint32_t col_shape_match(struct col_shape_set *s, const struct col_shape_guess *g)
{
	const uint16_t *head = head_of(s, g->text);
	uint32_t other = s->by_hint[g->hint % COL_SHAPE_HINTS];

	if (head[0] && add(s, g, head[0] - 1u))
		return head[0] - 1u;
	if (head[1] && add(s, g, head[1] - 1u))
		return head[1] - 1u;
	if (other && other != head[0] && other != head[1] && add(s, g, other - 1))
		return other - 1;
	return COL_SHAPE_NONE;
}

/* Steps from the tokens of the row that was just cut; they point into its text. */
static void make_steps(
	struct col_shape_set *s, struct col_shape *h, struct span text, const uint64_t *tuple)
{
	struct col_shape_step *steps;
	uint32_t count = 0, at = 0;

	steps = col_shape_take(s, (h->slots_count + 1u) * sizeof *steps);
	if (!h->tuple)
		h->tuple = col_shape_take(s, (h->width + 1u) * sizeof *h->tuple);
	if (!steps || !h->tuple)
		return;
	for (uint32_t i = 0; i < h->slots_count; i++) {
		const struct col_token *t = &s->tokens.t[i];

		if (h->slots[i].class == COL_TOKEN_WORD && !h->slots[i].varied)
			continue;
		steps[count++] = (struct col_shape_step){ span_of(text.p + at, t->off - at), i };
		at = (uint32_t)t->off + t->len;
	}
	steps[count++] = (struct col_shape_step){ span_of(text.p + at, text.n - at), 0 };
	memcpy(h->tuple, tuple, h->width * sizeof *tuple);
	h->steps = steps;
	h->steps_count = count;
}

void col_shape_learn(struct col_shape_set *s, struct span text, unsigned hint, uint32_t idx,
	const uint64_t *tuple)
{
	struct col_shape *h = &s->shapes[idx];

	uint16_t *head = head_of(s, text);

	if (head[0] != idx + 1) {
		head[1] = head[0];
		head[0] = (uint16_t)(idx + 1);
	}
	s->by_hint[hint % COL_SHAPE_HINTS] = (uint16_t)(idx + 1);
	if (h->rows_count < LEARN_ROWS || h->rows_count < h->steps_due)
		return;
	make_steps(s, h, text, tuple);
	h->steps_due = h->rows_count + h->rows_count / 2;
}
