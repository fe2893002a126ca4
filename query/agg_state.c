#include "query/agg_int.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "proto/base/check.h"

size_t agg_state_bytes(enum agg_stat_kind kind)
{
	static const size_t bytes[] = {
		[AGG_STAT_PRESENT] = sizeof(uint64_t),
		[AGG_STAT_DISTINCT] = sizeof(struct hll),
		[AGG_STAT_SUM] = sizeof(struct agg_sum),
		[AGG_STAT_LEAST] = sizeof(struct agg_best),
		[AGG_STAT_MOST] = sizeof(struct agg_best),
		[AGG_STAT_QUANTILE] = sizeof(struct quantile),
	};

	return bytes[kind];
}

static void best_fini(struct agg_best *b, size_t *held)
{
	*held -= b->cap;
	free(b->text);
	*b = (struct agg_best){ .text = NULL };
}

void agg_state_fini(enum agg_stat_kind kind, void *state, size_t *held)
{
	switch (kind) {
	case AGG_STAT_DISTINCT:
		hll_fini(state, held);
		break;
	case AGG_STAT_QUANTILE:
		quantile_fini(state, held);
		break;
	case AGG_STAT_LEAST:
	case AGG_STAT_MOST:
		best_fini(state, held);
		break;
	case AGG_STAT_PRESENT:
	case AGG_STAT_SUM:
		break;
	}
}

/* ---------------------------------------------------------------- sums */

static void add_float(struct agg_sum *s, double v)
{
	double sum = s->floats + v;

	s->lost += fabs(s->floats) >= fabs(v) ? (s->floats - sum) + v : (v - sum) + s->floats;
	s->floats = sum;
	s->has_floats = true;
}

static void add_number(struct agg_sum *s, struct expr_number n)
{
	if (n.kind == EXPR_NUMBER_INT)
		s->ints += n.i;
	else if (n.kind == EXPR_NUMBER_UINT)
		s->ints += n.u;
	else
		add_float(s, n.f);
	s->count++;
}

static void join_sum(struct agg_sum *to, const struct agg_sum *from)
{
	to->ints += from->ints;
	to->count += from->count;
	if (!from->has_floats)
		return;
	add_float(to, from->floats);
	to->lost += from->lost;
}

static double sum_of(const struct agg_sum *s)
{
	/* An infinity has lost nothing that could be told. */
	return isfinite(s->floats) ? (double)s->ints + s->floats + s->lost : s->floats;
}

static struct agg_cell sum_value(const struct agg_sum *s)
{
	if (s->count == 0)
		return (struct agg_cell){ .kind = AGG_CELL_NULL };
	if (!s->has_floats && s->ints >= INT64_MIN && s->ints <= INT64_MAX)
		return (struct agg_cell){ .kind = AGG_CELL_INT, .i = (int64_t)s->ints };
	if (!s->has_floats && s->ints > 0 && s->ints <= UINT64_MAX)
		return (struct agg_cell){ .kind = AGG_CELL_UINT, .u = (uint64_t)s->ints };
	return (struct agg_cell){ .kind = AGG_CELL_DOUBLE, .f = sum_of(s) };
}

static struct agg_cell average(const struct agg_sum *s)
{
	if (s->count == 0)
		return (struct agg_cell){ .kind = AGG_CELL_NULL };
	return (struct agg_cell){ .kind = AGG_CELL_DOUBLE, .f = sum_of(s) / (double)s->count };
}

/* ---------------------------------------------------------------- the least, the greatest */

/* What is worth more than any of the other kind: numbers, then texts; the rest is passed over. */
static int worth(const struct agg_cell *c)
{
	switch (c->kind) {
	case AGG_CELL_DOUBLE:
		return isnan(c->f) ? 0 : 2;
	case AGG_CELL_INT:
	case AGG_CELL_UINT:
	case AGG_CELL_ID:
	case AGG_CELL_TIME:
	case AGG_CELL_SEVERITY:
		return 2;
	case AGG_CELL_TEXT:
		return 1;
	case AGG_CELL_NULL:
	case AGG_CELL_BOOL:
	case AGG_CELL_MSGPACK:
		break;
	}
	return 0;
}

static bool beats(enum agg_stat_kind kind, const struct agg_cell *c, const struct agg_cell *best)
{
	int is = worth(c), was = worth(best);

	if (is != was)
		return is > was;
	if (is == 0)
		return false;
	return kind == AGG_STAT_LEAST ? agg_cell_cmp(c, best) < 0 : agg_cell_cmp(c, best) > 0;
}

static int set_best(struct agg_best *b, const struct agg_cell *c, size_t *held)
{
	if (c->kind == AGG_CELL_TEXT && c->text.n >= b->cap) {
		uint32_t cap = (uint32_t)c->text.n + 16;
		uint8_t *text = realloc(b->text, cap);

		if (!text)
			return -ENOMEM;
		*held += cap - b->cap;
		b->text = text;
		b->cap = cap;
	}
	b->cell = *c;
	if (c->kind != AGG_CELL_TEXT)
		return 0;
	if (c->text.n)
		memcpy(b->text, c->text.p, c->text.n);
	b->cell.text.p = b->text;
	return 0;
}

static int offer(
	enum agg_stat_kind kind, struct agg_best *b, const struct agg_cell *c, size_t *held)
{
	return beats(kind, c, &b->cell) ? set_best(b, c, held) : 0;
}

/* ---------------------------------------------------------------- face */

int agg_state_add(enum agg_stat_kind kind, void *state, const struct agg_cell *c, uint64_t hash,
	uint32_t times, uint32_t exact_max, size_t *held)
{
	if (c->kind == AGG_CELL_NULL)
		return 0;
	switch (kind) {
	case AGG_STAT_PRESENT:
		*(uint64_t *)state += times;
		return 0;
	case AGG_STAT_DISTINCT:
		return hll_add(state, hash, exact_max, held);
	case AGG_STAT_LEAST:
	case AGG_STAT_MOST:
		return offer(kind, state, c, held);
	case AGG_STAT_SUM:
	case AGG_STAT_QUANTILE:
		break;
	}
	UNREACHABLE();
}

static double double_of(struct expr_number n)
{
	if (n.kind == EXPR_NUMBER_INT)
		return (double)n.i;
	return n.kind == EXPR_NUMBER_UINT ? (double)n.u : n.f;
}

int agg_state_add_number(enum agg_stat_kind kind, void *state, struct expr_number n,
	uint32_t exact_max, size_t *held)
{
	if (n.kind == EXPR_NUMBER_NONE || (n.kind == EXPR_NUMBER_DOUBLE && isnan(n.f)))
		return 0;
	if (kind == AGG_STAT_QUANTILE)
		return quantile_add(state, double_of(n), exact_max, held);
	ASSERT(kind == AGG_STAT_SUM);
	add_number(state, n);
	return 0;
}

int agg_state_join(
	enum agg_stat_kind kind, void *to, const void *from, uint32_t exact_max, size_t *held)
{
	switch (kind) {
	case AGG_STAT_PRESENT:
		*(uint64_t *)to += *(const uint64_t *)from;
		return 0;
	case AGG_STAT_DISTINCT:
		return hll_join(to, from, exact_max, held);
	case AGG_STAT_SUM:
		join_sum(to, from);
		return 0;
	case AGG_STAT_LEAST:
	case AGG_STAT_MOST:
		return offer(kind, to, &((const struct agg_best *)from)->cell, held);
	case AGG_STAT_QUANTILE:
		return quantile_join(to, from, exact_max, held);
	}
	UNREACHABLE();
}

struct agg_cell agg_state_value(const struct agg_call *call, void *state, bool *out_approximate)
{
	struct quantile *q;

	*out_approximate = false;
	switch (call->function) {
	case AGG_COUNT:
		return (struct agg_cell){ .kind = AGG_CELL_INT,
			.i = (int64_t) * (uint64_t *)state };
	case AGG_DISTINCT:
		*out_approximate = !hll_is_exact(state);
		return (struct agg_cell){ .kind = AGG_CELL_INT, .i = (int64_t)hll_count(state) };
	case AGG_SUM:
		return sum_value(state);
	case AGG_AVG:
		return average(state);
	case AGG_MIN:
	case AGG_MAX:
		return ((struct agg_best *)state)->cell;
	case AGG_QUANTILE:
		break;
	}
	q = state;
	if (q->count == 0)
		return (struct agg_cell){ .kind = AGG_CELL_NULL };
	*out_approximate = !quantile_is_exact(q);
	return agg_cell_of_double(quantile_at(q, call->quantile));
}
