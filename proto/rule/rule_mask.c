/*
 * Each kind and each pattern is a finder that holds its next place. The first of these places, and what
 * touches it, is masked; finders whose place was used look for their next one.
 */
#include "proto/rule/rule_mask.h"

#include <stdint.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/rule/rule_find.h"
#include "proto/rule/rule_meta.h"
#include "proto/wire/walk.h"

enum {
	FINDER_EMAIL,
	FINDER_CARD,
	FINDER_BEARER,
	FINDER_PATTERN, /* and behind it one for each pattern */
	FINDERS_MAX = FINDER_PATTERN + LIMIT_RULE_PATTERNS,
};

struct place {
	size_t from, to;
};

struct search {
	const struct rule_mask *mask;
	struct span text;
	struct expr_scratch *scratch;
	struct place next[FINDERS_MAX];
	uint32_t live; /* bit per finder: it has a place */
	unsigned places;
	bool given_up;
};

int rule_mask_init(struct rule_mask *m)
{
	*m = (struct rule_mask){ 0 };
	return needle_init(&m->bearer, SPAN_LIT(RULE_FIND_BEARER));
}

void rule_mask_fini(struct rule_mask *m)
{
	for (unsigned i = 0; i < m->patterns_count; i++)
		expr_regex_free(&m->patterns[i]);
	needle_fini(&m->bearer);
	*m = (struct rule_mask){ 0 };
}

int rule_mask_pattern(
	struct rule_mask *m, struct span pattern, size_t *out_at, char *out_text, size_t cap)
{
	int rc;

	if (m->patterns_count == LIMIT_RULE_PATTERNS)
		return ERR_LIMIT;
	rc = expr_regex_new(pattern, &m->patterns[m->patterns_count], out_at, out_text, cap);
	m->patterns_count += rc == 0;
	return rc;
}

bool rule_mask_may(const struct rule_mask *m, struct span bytes)
{
	if (m->kinds & RULE_MASK_EMAIL && rule_find_may_email(bytes))
		return true;
	if (m->kinds & RULE_MASK_CARD && rule_find_may_card(bytes))
		return true;
	if (m->kinds & RULE_MASK_BEARER && needle_find(&m->bearer, bytes, 0) != SIZE_MAX)
		return true;
	for (unsigned i = 0; i < m->patterns_count; i++) {
		const struct needle *literal = expr_regex_literal(m->patterns[i]);

		if (literal->n == 0 || needle_find(literal, bytes, 0) != SIZE_MAX)
			return true;
	}
	return false;
}

/* ---- the places of a text ---- */

static bool find_pattern(struct search *s, unsigned idx, size_t from, struct place *at)
{
	enum expr_regex_outcome found = expr_regex_next(
		s->mask->patterns[idx], s->text, from, &at->from, &at->to, s->scratch);

	s->given_up |= found == EXPR_REGEX_GIVEN_UP;
	return found == EXPR_REGEX_FOUND;
}

static bool find(struct search *s, unsigned finder, size_t from, struct place *at)
{
	unsigned kinds = s->mask->kinds;

	switch (finder) {
	case FINDER_EMAIL:
		return kinds & RULE_MASK_EMAIL &&
		       rule_find_email(s->text, from, &at->from, &at->to);
	case FINDER_CARD:
		return kinds & RULE_MASK_CARD && rule_find_card(s->text, from, &at->from, &at->to);
	case FINDER_BEARER:
		return kinds & RULE_MASK_BEARER &&
		       rule_find_bearer(&s->mask->bearer, s->text, from, &at->from, &at->to);
	default:
		return find_pattern(s, finder - FINDER_PATTERN, from, at);
	}
}

/* The finder's place becomes the first one at or after `from`. */
static void advance(struct search *s, unsigned finder, size_t from)
{
	s->live &= ~(1u << finder);
	if (s->places > LIMIT_RULE_PLACES) {
		s->given_up = true;
	} else if (find(s, finder, from, &s->next[finder])) {
		ASSERT(s->next[finder].from >= from);
		ASSERT(s->next[finder].from < s->next[finder].to);
		ASSERT(s->next[finder].to <= s->text.n);
		s->live |= 1u << finder;
		s->places++;
	}
}

static void search_begin(
	struct search *s, const struct rule_mask *m, struct span text, struct expr_scratch *scratch)
{
	s->mask = m;
	s->text = text;
	s->scratch = scratch;
	s->live = 0;
	s->places = 0;
	s->given_up = false;
	for (unsigned f = 0; f < FINDER_PATTERN + m->patterns_count && !s->given_up; f++)
		advance(s, f, 0);
}

/* The finder whose place begins first. */
static unsigned first_finder(const struct search *s)
{
	unsigned best = (unsigned)__builtin_ctz(s->live);

	for (uint32_t rest = s->live; rest; rest &= rest - 1) {
		unsigned f = (unsigned)__builtin_ctz(rest);

		if (s->next[f].from < s->next[best].from)
			best = f;
	}
	return best;
}

/* The next place and all that touch it, as one; false: there is none, or the search was given up. */
static bool search_next(struct search *s, struct place *out)
{
	unsigned f;

	if (!s->live || s->given_up)
		return false;
	f = first_finder(s);
	*out = s->next[f];
	advance(s, f, out->to);
	while (s->live && !s->given_up) {
		struct place at;

		f = first_finder(s);
		at = s->next[f];
		if (at.from > out->to)
			break;
		if (at.to > out->to)
			out->to = at.to;
		advance(s, f, at.to);
	}
	return !s->given_up;
}

bool rule_mask_text(const struct rule_mask *m, struct span text, struct span with, struct wcur *w,
	struct expr_scratch *scratch, struct rule_mask_counts *counts)
{
	struct wcur start = *w;
	struct search s;
	struct place at;
	size_t kept = 0;

	if (text.n == 0 || !rule_mask_may(m, text))
		return false;
	search_begin(&s, m, text, scratch);
	while (search_next(&s, &at)) {
		wcur_bytes(w, text.p + kept, at.from - kept);
		wcur_bytes(w, with.p, with.n);
		kept = at.to;
	}
	if (s.given_up) {
		*w = start;
		wcur_bytes(w, with.p, with.n);
		counts->given_up++;
	} else if (kept > 0) {
		wcur_bytes(w, text.p + kept, text.n - kept);
	}
	counts->texts += s.given_up || kept > 0;
	return s.given_up || kept > 0;
}

/* ---- the texts of a value ---- */

/* An array or a map whose elements are being read; of a map each key and each value is one. */
struct level {
	uint64_t left;
	bool map;
};

struct walker {
	const struct rule_mask *mask;
	struct span with;
	struct wcur *w;
	struct expr_scratch *scratch;
	struct rule_mask_counts *counts;
	const uint8_t *kept; /* up to here the value is written */
	struct level levels[LIMIT_WALK_DEPTH + 1];
	unsigned depth;
	bool masked;
};

/* A text whose head is at `at`. */
static void mask_one(struct walker *k, const uint8_t *at, const struct walk_value *v)
{
	uint8_t head[PACK_HEAD_BYTES_MAX], *start;
	size_t head_bytes, n;

	if (!rule_mask_may(k->mask, v->data))
		return;
	wcur_bytes(k->w, k->kept, (size_t)(at - k->kept));
	k->kept = at;
	/* How long its head is, is known once the text is there. */
	start = wcur_room(k->w, PACK_HEAD_BYTES_MAX);
	if (!start)
		return;
	if (!rule_mask_text(k->mask, v->data, k->with, k->w, k->scratch, k->counts)) {
		k->w->p = start;
		return;
	}
	k->masked = true;
	k->kept = span_end(v->data);
	if (k->w->err)
		return;
	n = (size_t)(k->w->p - start) - PACK_HEAD_BYTES_MAX;
	head_bytes = rule_meta_head(head, v->type, n);
	memmove(start + head_bytes, start + PACK_HEAD_BYTES_MAX, n);
	memcpy(start, head, head_bytes);
	k->w->p = start + head_bytes + n;
}

/* Counts the value that was read, and enters it if values follow that are inside it. */
static bool step(struct walker *k, const struct walk_value *v)
{
	if (k->depth > 0)
		k->levels[k->depth - 1].left--;
	if ((v->type == WALK_ARRAY || v->type == WALK_MAP) && v->count > 0) {
		bool map = v->type == WALK_MAP;

		if (k->depth == ARRAY_COUNT(k->levels))
			return false;
		k->levels[k->depth++] = (struct level){ (uint64_t)v->count << map, map };
	}
	while (k->depth > 0 && k->levels[k->depth - 1].left == 0)
		k->depth--;
	return k->depth > 0;
}

static bool is_key(const struct walker *k)
{
	const struct level *l;

	if (k->depth == 0)
		return false;
	l = &k->levels[k->depth - 1];
	return l->map && l->left % 2 == 0;
}

bool rule_mask_value(const struct rule_mask *m, struct span value, struct span with, struct wcur *w,
	struct expr_scratch *s, struct rule_mask_counts *counts)
{
	struct walker k;
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;
	struct wcur was = *w;
	const uint8_t *at;
	bool key;

	if (value.n == 0 || !rule_mask_may(m, value))
		return false;
	/* Not the levels, which are many. */
	k.mask = m;
	k.with = with;
	k.kept = value.p;
	k.depth = 0;
	k.masked = false;
	k.w = w;
	k.scratch = s;
	k.counts = counts;
	do {
		at = c.p;
		key = is_key(&k);
		if (walk_read(&c, &v) < 0)
			break;
		if (!key && walk_is_text(&v))
			mask_one(&k, at, &v);
	} while (step(&k, &v) && w->err == 0);
	if (!k.masked)
		*w = was;
	else
		wcur_bytes(w, k.kept, (size_t)(span_end(value) - k.kept));
	return k.masked;
}
