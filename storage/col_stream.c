#include "storage/col_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_stream_int.h"

enum {
	/* Runs are tried where they are at least so long on average. */
	RUNS_RATIO = 3,
	/* Distinct values are looked for where a value costs so much, and they are not mostly new. */
	DICT_VALUE_BITS = 10,
	DICT_COUNT_MIN = 16,
	DICT_RATIO = 3,
};

struct col_stream_work {
	struct col_stream_room outer;
	struct col_stream_room inner; /* of the streams inside a stream */
	struct buf nest;              /* a stream made of others, to be compared */
	struct buf best; /* the shortest of them; empty: none is shorter than the plan */
	struct col_stream_distinct distinct;
	int64_t *values;
	int64_t *places;
	uint32_t values_cap;
};

void col_stream_maker_init(struct col_stream_maker *m, int level)
{
	*m = (struct col_stream_maker){ .level = level };
}

void col_stream_maker_fini(struct col_stream_maker *m)
{
	struct col_stream_work *w = m->work;

	m->work = NULL;
	if (!w)
		return;
	col_stream_plan_room_fini(&w->outer);
	col_stream_plan_room_fini(&w->inner);
	buf_fini(&w->nest);
	buf_fini(&w->best);
	col_stream_distinct_fini(&w->distinct);
	free(w->values);
	free(w->places);
	free(w);
}

static struct col_stream_work *work_of(struct col_stream_maker *m)
{
	if (!m->work) {
		m->work = calloc(1, sizeof *m->work);
		if (m->work)
			buf_init(&m->work->nest, COL_STREAM_MEMORY_MAX);
		if (m->work)
			buf_init(&m->work->best, COL_STREAM_MEMORY_MAX);
	}
	return m->work;
}

static bool values_for(struct col_stream_work *w, uint32_t count)
{
	if (count <= w->values_cap)
		return true;
	free(w->values);
	free(w->places);
	w->values = malloc(count * sizeof *w->values);
	w->places = malloc(count * sizeof *w->places);
	w->values_cap = w->values && w->places ? count : 0;
	return w->values_cap > 0;
}

static void put_nest(
	struct col_stream_work *w, uint8_t form, uint32_t values, uint32_t places, int level)
{
	struct col_stream_plan p;

	buf_reset(&w->nest);
	buf_put_u8(&w->nest, form);
	col_pack_varint(&w->nest, values);
	if (!col_stream_plan_make(&p, &w->inner, w->values, values, level)) {
		w->nest.err = -ENOMEM;
		return;
	}
	col_stream_plan_put(&p, &w->inner, &w->nest);
	if (!col_stream_plan_make(&p, &w->inner, w->places, places, level))
		w->nest.err = -ENOMEM;
	else
		col_stream_plan_put(&p, &w->inner, &w->nest);
}

static void put_runs(
	struct col_stream_work *w, const int64_t *v, uint32_t count, uint32_t runs, int level)
{
	uint32_t at = 0, start = 0;

	if (!values_for(w, runs)) {
		w->nest.err = -ENOMEM;
		return;
	}
	for (uint32_t i = 1; i <= count; i++) {
		if (i < count && v[i] == v[i - 1])
			continue;
		ASSERT(at < runs);
		w->values[at] = v[start];
		w->places[at++] = i - start - 1;
		start = i;
	}
	ASSERT(at == runs);
	put_nest(w, COL_STREAM_RUNS, runs, runs, level);
}

/* So many distinct values that more would hardly be shorter than the plan. */
static uint32_t dict_most(const struct col_stream_plan *p, uint32_t count, int level)
{
	uint64_t bits = (uint64_t)p->cost * 8;
	uint32_t most = 1;

	if (level > 0)
		return count / DICT_RATIO;
	while (most < count / DICT_RATIO &&
		(uint64_t)most * p->width + (uint64_t)count * (col_pack_width(most) - 1) < bits)
		most *= 2;
	return most < count / DICT_RATIO ? most : count / DICT_RATIO;
}

/* false: they are too many, or out of memory. */
static bool put_dict(struct col_stream_work *w, const struct col_stream_plan *p, const int64_t *v,
	uint32_t count, int level)
{
	uint32_t most = dict_most(p, count, level);
	int n;

	if (!values_for(w, count)) {
		w->nest.err = -ENOMEM;
		return false;
	}
	n = most < 2 ? 0
		     : col_stream_distinct_find(&w->distinct, v, count, most, w->values, w->places);
	if (n < 0)
		w->nest.err = -ENOMEM;
	if (n > 0)
		put_nest(w, COL_STREAM_DICT, (uint32_t)n, count, level);
	return n > 0;
}

static void keep_if_shorter(struct col_stream_work *w, size_t than)
{
	struct buf t = w->best;

	if (w->nest.err || w->nest.len >= than)
		return;
	if (w->best.len > 0 && w->nest.len >= w->best.len)
		return;
	w->best = w->nest;
	w->nest = t;
}

/* The best plan in p or, if it is shorter, a whole stream in w->best. 0 or -ENOMEM. */
static int choose(struct col_stream_work *w, int level, const int64_t *v, uint32_t count,
	struct col_stream_plan *p)
{
	buf_reset(&w->nest);
	buf_reset(&w->best);
	if (!col_stream_plan_make(p, &w->outer, v, count, level))
		return -ENOMEM;
	if (p->form < COL_STREAM_FRAMES)
		return 0;
	if (p->runs <= count / RUNS_RATIO) {
		put_runs(w, v, count, p->runs, level);
		keep_if_shorter(w, p->cost);
	}
	if (!w->nest.err && count >= DICT_COUNT_MIN && p->cost * 8 / count >= DICT_VALUE_BITS &&
		p->width > COL_STREAM_DIRECT_BITS && put_dict(w, p, v, count, level))
		keep_if_shorter(w, p->cost);
	return w->nest.err;
}

void col_stream_put(struct col_stream_maker *m, const int64_t *v, uint32_t count, struct buf *out)
{
	struct col_stream_work *w = work_of(m);
	struct col_stream_plan p;
	int rc;

	ASSERT(count <= COL_STREAM_COUNT_MAX);
	if (count == 0 || out->err)
		return;
	rc = w ? choose(w, m->level, v, count, &p) : -ENOMEM;
	if (rc < 0)
		out->err = rc;
	else if (w->best.len > 0)
		buf_put_span(out, buf_span(&w->best));
	else
		col_stream_plan_put(&p, &w->outer, out);
}

size_t col_stream_cost(struct col_stream_maker *m, const int64_t *v, uint32_t count)
{
	struct col_stream_work *w = work_of(m);
	struct col_stream_plan p;

	ASSERT(count <= COL_STREAM_COUNT_MAX);
	if (count == 0)
		return 0;
	if (!w || choose(w, m->level, v, count, &p) < 0)
		return SIZE_MAX;
	return w->best.len > 0 ? w->best.len : p.cost;
}

int col_stream_open(struct rcur *c, uint32_t count, struct arena *mem, struct col_stream *out)
{
	*out = (struct col_stream){ .count = count };
	if (count > COL_STREAM_COUNT_MAX && !c->err)
		c->err = ERR_CORRUPT;
	if (count > 0 && !c->err)
		out->body = col_stream_body_open(c, count, false, mem);
	return c->err;
}

int col_stream_get(struct col_stream *s, uint32_t first, uint32_t count, int64_t *out)
{
	ASSERT(first <= s->count);
	ASSERT(count <= s->count - first);
	return count ? col_stream_body_get(s->body, first, count, out) : 0;
}

int col_stream_pick(struct col_stream *s, const uint32_t *rows, uint32_t count, int64_t *out)
{
	return count ? col_stream_body_pick(s->body, rows, count, out) : 0;
}
