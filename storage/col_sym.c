#include "storage/col_sym.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proto/base/check.h"
#include "storage/col_sym_int.h"

static_assert(COL_SYM_ALPHABET < COL_SYM_SCALE, "every symbol has a frequency");
static_assert(COL_SYM_SCALE <= INT16_MAX, "frequencies compare as signed numbers");

enum { PAD = COL_SYM_PAD };

/* ints as they are read from a stream: all of it, into the arena. */
static int64_t *take_stream(struct rcur *c, uint32_t count, struct arena *mem)
{
	struct col_stream s;
	int64_t *v = arena_calloc(mem, count ? count : 1, sizeof *v);

	if (!v)
		c->err = -ENOMEM;
	else if (col_stream_open(c, count, mem, &s) == 0)
		c->err = col_stream_get(&s, 0, count, v);
	return c->err ? NULL : v;
}

/* Where each context's pairs begin; they must rise. */
static int index_contexts(struct col_sym *s, const int64_t *contexts, uint32_t pairs)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < pairs; i++) {
		int64_t x = contexts ? contexts[i] : 0;

		if (x < 0 || x >= s->contexts_count || (at > 0 && x < at - 1))
			return ERR_CORRUPT;
		while (at <= x)
			s->first[at++] = i;
		if (i - s->first[x] >= COL_SYM_ALPHABET)
			return ERR_CORRUPT;
	}
	while (at <= s->contexts_count)
		s->first[at++] = pairs;
	return 0;
}

/* A context's frequencies, one more than it has pairs. */
static inline uint16_t *cums_of(const struct col_sym *s, uint32_t context)
{
	return s->cums + s->first[context] + context;
}

/* Frequencies of one context of n pairs, as sums of those before; weights become frequencies. */
static int add_up(int64_t *weights, uint32_t n, uint16_t *cums)
{
	uint64_t sum = 0, used = 0, cum = 0;

	for (uint32_t i = 0; i < n; i++) {
		weights[i] = weights[i] > 0 && weights[i] < 256
				     ? col_sym_weight((uint32_t)weights[i])
				     : 0;
		if (weights[i] == 0)
			return ERR_CORRUPT;
		sum += (uint64_t)weights[i];
	}
	for (uint32_t i = 0; i < n; i++) {
		weights[i] = (int64_t)(1 + (uint64_t)weights[i] * (COL_SYM_SCALE - n) / sum);
		used += (uint64_t)weights[i];
	}
	ASSERT(used <= COL_SYM_SCALE);
	weights[0] += (int64_t)(COL_SYM_SCALE - used);
	for (uint32_t i = 0; i < n; i++) {
		cums[i] = (uint16_t)cum;
		cum += (uint64_t)weights[i];
	}
	ASSERT(cum == COL_SYM_SCALE);
	cums[n] = COL_SYM_SCALE;
	return 0;
}

static int take_pairs(struct rcur *c, uint32_t pairs, struct arena *mem, struct col_sym *s)
{
	int64_t *contexts = s->contexts_count > 1 ? take_stream(c, pairs, mem) : NULL;
	int64_t *syms = take_stream(c, pairs, mem);
	int64_t *weights = take_stream(c, pairs, mem);

	if (c->err)
		return c->err;
	if (index_contexts(s, contexts, pairs) < 0)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < pairs; i++) {
		if (syms[i] < 0 || syms[i] >= s->syms_count)
			return ERR_CORRUPT;
		s->syms[i] = (uint16_t)syms[i];
	}
	for (uint32_t x = 0; x < s->contexts_count; x++) {
		uint32_t at = s->first[x], n = s->first[x + 1] - at;

		if (n > 0 && add_up(weights + at, n, cums_of(s, x)) < 0)
			return ERR_CORRUPT;
	}
	return 0;
}

static int take_groups(struct rcur *c, struct arena *mem, struct col_sym *s)
{
	int64_t *lengths = take_stream(c, s->groups_count, mem);
	uint64_t sum = 0;

	s->offs = arena_calloc(mem, s->groups_count + 1, sizeof *s->offs);
	if (!s->offs || c->err)
		return c->err ? c->err : -ENOMEM;
	for (uint32_t i = 0; i < s->groups_count; i++) {
		if (lengths[i] < 0 || lengths[i] > (int64_t)rcur_left(c))
			return ERR_CORRUPT;
		sum += (uint64_t)lengths[i];
		if (sum > rcur_left(c))
			return ERR_CORRUPT;
		s->offs[i + 1] = (uint32_t)sum;
	}
	s->body = rcur_bytes(c, (size_t)sum);
	return c->err;
}

static int open_stream(struct rcur *c, struct arena *mem, struct col_sym *s)
{
	uint64_t pairs = rcur_varint(c);
	uint32_t determined = 0, used = 0;
	int rc;

	if (c->err || pairs == 0 || pairs > COL_SYM_PAIRS)
		return ERR_CORRUPT;
	s->first = arena_calloc(mem, s->contexts_count + 1, sizeof *s->first);
	s->syms = arena_calloc(mem, pairs, sizeof *s->syms);
	s->cums = arena_calloc(mem, pairs + s->contexts_count + PAD, sizeof *s->cums);
	if (!s->first || !s->syms || !s->cums)
		return -ENOMEM;
	rc = take_pairs(c, (uint32_t)pairs, mem, s);
	if (rc < 0)
		return rc;
	for (uint32_t x = 0; x < s->contexts_count; x++) {
		determined += s->first[x + 1] - s->first[x] == 1;
		used += s->first[x + 1] > s->first[x];
	}
	return determined < used ? take_groups(c, mem, s) : 0;
}

int col_sym_open(struct rcur *c, uint32_t syms_count, uint32_t contexts_count,
	uint32_t groups_count, struct arena *mem, struct col_sym *out)
{
	int rc;

	ASSERT(contexts_count > 0);
	*out = (struct col_sym){ .syms_count = syms_count,
		.contexts_count = contexts_count,
		.groups_count = groups_count };
	if (c->err)
		return c->err;
	if (syms_count == 0 || syms_count > 65536 || contexts_count > COL_SYM_MAX)
		rc = ERR_CORRUPT;
	else
		rc = syms_count == 1 ? 0 : open_stream(c, mem, out);
	if (rc < 0 && !c->err)
		c->err = rc;
	return c->err;
}

/*
 * How many of the numbers, which rise from 0 on, are not above the slot; less 1. The first one never is, so
 * that one of the PAD behind it is above.
 */
static inline uint32_t last_below(const uint16_t *cums, uint32_t slot)
{
#ifdef __SSE2__
	const __m128i *v = (const __m128i *)(const void *)(cums + 1);
	__m128i than = _mm_set1_epi16((short)slot);
	__m128i above = _mm_packs_epi16(_mm_cmpgt_epi16(_mm_loadu_si128(v), than),
		_mm_cmpgt_epi16(_mm_loadu_si128(v + 1), than));

	return (uint32_t)__builtin_ctz((unsigned)_mm_movemask_epi8(above));
#else
	uint32_t at = 0;

	while (cums[at + 1] <= slot)
		at++;
	return at;
#endif
}

/* The pair of a context, n pairs from cums on, to which a slot belongs. */
static inline uint32_t find_slot(const uint16_t *cums, uint32_t n, uint32_t slot)
{
	uint32_t at = 0;

	while (n > PAD) {
		uint32_t half = n / 2;

		at = cums[at + half] <= slot ? at + half : at;
		n -= half;
	}
	return at + last_below(cums + at, slot);
}

/*
 * Symbol i of the lane. No branch depends on the state: words behind the group's end are read until the
 * end shows it. A context of one symbol has all slots, which leaves the state as it is: beside other
 * lanes that costs less than a branch. False: there is no such context.
 */
static inline __attribute__((always_inline)) bool next_sym(
	struct col_sym_tables t, struct col_sym_lane *l, uint32_t i, const bool alone)
{
	uint32_t x = l->contexts ? l->contexts[i] : 0, first, n, k, slot, state, word;
	const uint8_t *p = l->p < t.last ? l->p : t.last;
	const uint16_t *cums;
	uint32_t low; /* all bits if the state needs a word */

	if (x >= t.contexts_count)
		return false;
	first = t.first[x];
	n = t.first[x + 1] - first;
	if (n == 0)
		return false;
	if (alone && n == 1) {
		l->out[i] = t.syms[first];
		return true;
	}
	cums = t.cums + first + x;
	slot = l->state & (COL_SYM_SCALE - 1);
	k = find_slot(cums, n, slot);
	state = (uint32_t)(cums[k + 1] - cums[k]) * (l->state >> COL_SYM_SCALE_BITS) + slot -
		cums[k];
	word = (uint32_t)p[0] | (uint32_t)p[1] << 8;
	low = 0u - (state < COL_SYM_STATE_MIN);
	l->state = state << (low & 16) | (word & low);
	l->p += low & 2;
	l->out[i] = t.syms[first + k];
	return true;
}

/* Symbols from .. to - 1 of n lanes. */
static inline __attribute__((always_inline)) bool next_syms(
	struct col_sym_tables t, struct col_sym_lane *lanes, uint32_t n, uint32_t from, uint32_t to)
{
	struct col_sym_lane l[COL_SYM_LANES];
	bool ok = true;

	memcpy(l, lanes, n * sizeof *l);
	for (uint32_t i = from; i < to && ok; i++) {
#pragma GCC unroll 4
		for (uint32_t k = 0; k < n; k++)
			ok &= next_sym(t, &l[k], i, n == 1);
	}
	memcpy(lanes, l, n * sizeof *l);
	return ok;
}

static bool plain(
	struct col_sym_tables t, struct col_sym_lane *l, uint32_t n, uint32_t from, uint32_t to)
{
	/* More have no room in registers. */
	if (n > 4)
		return plain(t, l, 4, from, to) && plain(t, l + 4, n - 4, from, to);
	switch (n) {
	case 4:
		return next_syms(t, l, 4, from, to);
	case 3:
		return next_syms(t, l, 3, from, to);
	case 2:
		return next_syms(t, l, 2, from, to);
	default:
		return next_syms(t, l, 1, from, to);
	}
}

static _Atomic(col_sym_lanes_cb *) chosen;

static col_sym_lanes_cb *choose(bool is_plain)
{
	col_sym_lanes_cb *best = is_plain ? NULL : col_sym_x86();

	best = best ? best : plain;
	atomic_store_explicit(&chosen, best, memory_order_release);
	return best;
}

void col_sym_plain(bool is_plain)
{
	(void)choose(is_plain);
}

/* Symbols from .. to the end of each of n lanes; those that are at their end leave, their order is lost. */
static bool run_lanes(struct col_sym_tables t, struct col_sym_lane *l, uint32_t n)
{
	col_sym_lanes_cb *run = atomic_load_explicit(&chosen, memory_order_acquire);
	uint32_t from = 0;
	bool ok = true;

	run = run ? run : choose(false);
	while (n > 0 && ok) {
		uint32_t least = l[0].count, left = 0;

		for (uint32_t k = 1; k < n; k++)
			least = l[k].count < least ? l[k].count : least;
		ok = run(t, l, n, from, least);
		for (uint32_t k = 0; k < n; k++) {
			struct col_sym_lane lane = l[k];

			/* It goes behind those that stay. */
			l[k] = l[left];
			l[left] = lane;
			left += lane.count > least;
		}
		n = left;
		from = least;
	}
	return ok;
}

/* Where no symbol costs anything there are no bytes. */
static int open_lane(const struct col_sym *s, const struct col_sym_group *g, struct col_sym_lane *l)
{
	static const uint8_t none[2];
	struct rcur c;

	ASSERT(g->group < s->groups_count);
	ASSERT((g->contexts != NULL) == (s->contexts_count > 1));
	*l = (struct col_sym_lane){ .contexts = g->contexts,
		.out = g->out,
		.count = g->count,
		.p = none,
		.end = none,
		.state = COL_SYM_STATE_MIN };
	if (!s->offs)
		return 0;
	c = rcur_of(s->body.p + s->offs[g->group], s->offs[g->group + 1] - s->offs[g->group]);
	l->state = rcur_le32(&c);
	l->p = c.p;
	l->end = c.p + rcur_left(&c);
	return c.err || l->state < COL_SYM_STATE_MIN ? ERR_CORRUPT : 0;
}

int col_sym_get_groups(const struct col_sym *s, const struct col_sym_group *groups, uint32_t n)
{
	struct col_sym_tables t = { s->first, s->syms, s->cums, s->contexts_count, NULL };
	struct col_sym_lane l[COL_SYM_LANES];
	int rc = 0;

	ASSERT(n > 0);
	ASSERT(n <= COL_SYM_LANES);
	for (uint32_t i = 0; i < n && !s->first; i++)
		memset(groups[i].out, 0, groups[i].count * sizeof *groups[i].out);
	if (!s->first)
		return 0;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = open_lane(s, &groups[i], &l[i]);
	if (rc < 0)
		return rc;
	/* A group has four bytes at least. */
	t.last = s->offs ? s->body.p + s->body.n - 2 : l[0].p;
	if (!run_lanes(t, l, n))
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < n; i++) {
		if (l[i].p > l[i].end)
			rc = ERR_CORRUPT;
	}
	return rc;
}

int col_sym_get(const struct col_sym *s, uint32_t group, const uint32_t *contexts, uint32_t count,
	uint16_t *out)
{
	const struct col_sym_group one = { group, count, contexts, out };

	return col_sym_get_groups(s, &one, 1);
}
