#include "tests/support/agg_naive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/base/check.h"
#include "query/agg_bucket.h"
#include "query/agg_int.h"

struct group {
	int64_t bucket;
	struct agg_cell values[AGG_BY_MAX];
	const struct event **events;
	size_t count;
	struct agg_cell calls[AGG_CALLS_MAX];
};

struct naive {
	const struct agg_spec *spec;
	const struct engine_request *filter;
	struct agg_bucket bucket;
	struct group *groups;
	size_t count;
	size_t total;
};

static char message[400];

/* ---------------------------------------------------------------- values */

static struct agg_cell value_at(const struct expr_field *f, const struct event *ev)
{
	struct expr_cell c;

	switch (f->kind) {
	case EXPR_FIELD_SEVERITY:
		return (struct agg_cell){ .kind = AGG_CELL_SEVERITY, .i = ev->severity };
	case EXPR_FIELD_ID:
		return (struct agg_cell){ .kind = AGG_CELL_ID, .u = ev->id };
	case EXPR_FIELD_TIME:
		return (struct agg_cell){ .kind = AGG_CELL_TIME, .i = ev->time_ns };
	case EXPR_FIELD_RECEIVED:
		return (struct agg_cell){ .kind = AGG_CELL_TIME, .i = ev->received_ns };
	case EXPR_FIELD_TEXT:
	case EXPR_FIELD_META:
		break;
	}
	expr_cell_of(f, ev, &c);
	return agg_cell_of(&c);
}

static bool is_meant(
	const struct engine_request *filter, const struct event *ev, struct expr_scratch *s)
{
	return ev->time_ns >= filter->from_ns && ev->time_ns <= filter->to_ns &&
	       (!filter->where || expr_match(filter->where, ev, s));
}

static bool same_key(
	const struct naive *n, const struct group *g, int64_t bucket, const struct agg_cell *v)
{
	bool same = g->bucket == bucket;

	for (uint32_t i = 0; i < n->spec->by_count; i++)
		same &= agg_cell_same(&g->values[i], &v[i]);
	return same;
}

static bool begins_so(const struct agg_cell *c, struct span prefix)
{
	return !prefix.p ||
	       (c->kind == AGG_CELL_TEXT && c->text.n >= prefix.n &&
		       strncasecmp((const char *)c->text.p, (const char *)prefix.p, prefix.n) == 0);
}

static void add(struct naive *n, const struct event *ev, size_t most)
{
	struct agg_cell v[AGG_BY_MAX];
	int64_t bucket = n->spec->bucket ? agg_bucket_index(&n->bucket, ev->time_ns) : 0;
	struct group *g = n->groups;

	n->total++;
	for (uint32_t i = 0; i < n->spec->by_count; i++)
		v[i] = value_at(&n->spec->by[i], ev);
	if (n->spec->by_count && !begins_so(&v[0], n->spec->prefix))
		return;
	while (g < n->groups + n->count && !same_key(n, g, bucket, v))
		g++;
	if (g == n->groups + n->count) {
		g->bucket = bucket;
		memcpy(g->values, v, sizeof v);
		g->events = calloc(most, sizeof g->events[0]);
		ASSERT(g->events);
		n->count++;
	}
	g->events[g->count++] = ev;
}

/* ---------------------------------------------------------------- functions */

static int compare_doubles(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static struct agg_cell distinct(const struct group *g, const struct expr_field *f)
{
	struct agg_cell seen[4096];
	size_t n = 0;

	for (size_t i = 0; i < g->count; i++) {
		struct agg_cell c = value_at(f, g->events[i]);
		size_t k = 0;

		while (k < n && !agg_cell_same(&seen[k], &c))
			k++;
		if (c.kind != AGG_CELL_NULL && k == n)
			seen[n++] = c;
		ASSERT(n < 4096);
	}
	return (struct agg_cell){ .kind = AGG_CELL_INT, .i = (int64_t)n };
}

static int worth(const struct agg_cell *c)
{
	if (c->kind == AGG_CELL_TEXT)
		return 1;
	return agg_cell_is_number(c) || c->kind == AGG_CELL_TIME || c->kind == AGG_CELL_SEVERITY
		       ? 2
		       : 0;
}

static struct agg_cell extreme(const struct group *g, const struct expr_field *f, int sign)
{
	struct agg_cell best = { .kind = AGG_CELL_NULL };

	for (size_t i = 0; i < g->count; i++) {
		struct agg_cell c = value_at(f, g->events[i]);

		if (worth(&c) > worth(&best) || (worth(&c) && worth(&c) == worth(&best) &&
							sign * agg_cell_cmp(&c, &best) > 0))
			best = c;
	}
	return best;
}

struct numbers {
	double *v;
	size_t count;
	__int128 ints;      /* sum of what are integers */
	long double floats; /* of the others */
	bool whole;         /* there are no others */
};

static void gather(const struct group *g, const struct expr_field *f, struct numbers *n)
{
	*n = (struct numbers){ .v = calloc(g->count + 1, sizeof n->v[0]), .whole = true };
	ASSERT(n->v);
	for (size_t i = 0; i < g->count; i++) {
		struct expr_cell c;

		expr_cell_of(f, g->events[i], &c);
		if (c.kind != EXPR_CELL_NUMBER)
			continue;
		if (c.number.kind == EXPR_NUMBER_DOUBLE) {
			n->whole = false;
			n->floats += c.number.f;
			n->v[n->count++] = c.number.f;
		} else if (c.number.kind == EXPR_NUMBER_UINT) {
			n->ints += c.number.u;
			n->v[n->count++] = (double)c.number.u;
		} else {
			n->ints += c.number.i;
			n->v[n->count++] = (double)c.number.i;
		}
	}
	qsort(n->v, n->count, sizeof n->v[0], compare_doubles);
}

static struct agg_cell sum_of(const struct numbers *n)
{
	if (n->whole && n->ints >= INT64_MIN && n->ints <= INT64_MAX)
		return (struct agg_cell){ .kind = AGG_CELL_INT, .i = (int64_t)n->ints };
	if (n->whole && n->ints > 0 && n->ints <= UINT64_MAX)
		return (struct agg_cell){ .kind = AGG_CELL_UINT, .u = (uint64_t)n->ints };
	return (struct agg_cell){ .kind = AGG_CELL_DOUBLE,
		.f = (double)((long double)n->ints + n->floats) };
}

static struct agg_cell of_numbers(const struct group *g, const struct agg_call *call)
{
	struct agg_cell c = { .kind = AGG_CELL_NULL };
	struct numbers n;
	size_t place;

	gather(g, &call->field, &n);
	place = (size_t)ceil(call->quantile * (double)n.count);
	if (n.count > 0 && call->function == AGG_SUM)
		c = sum_of(&n);
	else if (n.count > 0 && call->function == AGG_AVG)
		c = (struct agg_cell){ .kind = AGG_CELL_DOUBLE,
			.f = (double)(((long double)n.ints + n.floats) / n.count) };
	else if (n.count > 0)
		c = agg_cell_of_double(n.v[place ? place - 1 : 0]);
	free(n.v);
	return c;
}

static struct agg_cell call_of(const struct group *g, const struct agg_call *call)
{
	int64_t there = 0;

	switch (call->function) {
	case AGG_COUNT:
		for (size_t i = 0; i < g->count; i++)
			there += !call->has_field ||
				 value_at(&call->field, g->events[i]).kind != AGG_CELL_NULL;
		return (struct agg_cell){ .kind = AGG_CELL_INT, .i = there };
	case AGG_DISTINCT:
		return distinct(g, &call->field);
	case AGG_MIN:
		return extreme(g, &call->field, -1);
	case AGG_MAX:
		return extreme(g, &call->field, 1);
	case AGG_SUM:
	case AGG_AVG:
	case AGG_QUANTILE:
		break;
	}
	return of_numbers(g, call);
}

/* ---------------------------------------------------------------- order */

static int compare_groups(const void *x, const void *y, void *arg)
{
	const struct group *a = x, *b = y;
	const struct agg_spec *spec = arg;
	int c = 0;

	if (spec->order != AGG_ORDER_GROUP) {
		bool no_a = a->calls[0].kind == AGG_CELL_NULL,
		     no_b = b->calls[0].kind == AGG_CELL_NULL;

		if (no_a != no_b)
			return no_a ? 1 : -1;
		c = agg_cell_cmp(&a->calls[0], &b->calls[0]);
		c = spec->order == AGG_ORDER_DESC ? -c : c;
	}
	if (c == 0)
		c = (a->bucket > b->bucket) - (a->bucket < b->bucket);
	for (uint32_t i = 0; i < spec->by_count && c == 0; i++)
		c = agg_cell_cmp(&a->values[i], &b->values[i]);
	return c;
}

static void drop_outside(struct naive *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++) {
		const struct agg_cell *c = &n->groups[i].calls[0];
		bool in = !n->spec->has_min && !n->spec->has_max;

		if (!in && agg_cell_is_number(c))
			in = (!n->spec->has_min || agg_cell_double(c) >= n->spec->min) &&
			     (!n->spec->has_max || agg_cell_double(c) <= n->spec->max);
		if (in)
			n->groups[kept++] = n->groups[i];
		else
			free(n->groups[i].events);
	}
	n->count = kept;
}

/* ---------------------------------------------------------------- comparing */

static const char *tell(const char *what, size_t row, unsigned column)
{
	snprintf(message, sizeof message, "%s, row %zu column %u", what, row, column);
	return message;
}

/* Sums with fractions depend on their order in the last digits. */
static bool equal(const struct agg_cell *got, const struct agg_cell *want)
{
	if (got->kind == AGG_CELL_DOUBLE && want->kind == AGG_CELL_DOUBLE)
		return got->f == want->f || (isnan(got->f) && isnan(want->f)) ||
		       fabs(got->f - want->f) <= 1e-9 * (1 + fabs(want->f));
	return agg_cell_same(got, want);
}

static const char *check_row(
	const struct naive *n, const struct group *g, const struct agg_result *got, size_t row)
{
	uint32_t column = 0;
	const struct agg_cell *c = agg_cell(got, (uint32_t)row, 0);

	if (n->spec->bucket &&
		(c->kind != AGG_CELL_TIME || c->i != agg_bucket_begin(&n->bucket, g->bucket)))
		return tell("another bucket", row, 0);
	column += n->spec->bucket;
	for (uint32_t i = 0; i < n->spec->by_count; i++, column++) {
		if (!equal(&c[column], &g->values[i]))
			return tell("another value", row, column);
	}
	for (uint32_t i = 0; i < n->spec->calls_count; i++, column++) {
		if (!got->columns[column].approximate && !equal(&c[column], &g->calls[i]))
			return tell("another function's value", row, column);
	}
	return NULL;
}

static const char *check_all(const struct naive *n, const struct agg_result *got)
{
	size_t rows = n->count < n->spec->limit ? n->count : n->spec->limit;
	const char *wrong = NULL;

	if (got->partial != ENGINE_WHOLE)
		return "the result is partial";
	if (got->total != n->total || got->groups != n->count || got->rows_count != rows) {
		snprintf(message, sizeof message,
			"total %llu of %zu, groups %llu of %zu, rows %u of %zu",
			(unsigned long long)got->total, n->total, (unsigned long long)got->groups,
			n->count, got->rows_count, rows);
		return message;
	}
	for (size_t i = 0; i < rows && !wrong; i++)
		wrong = check_row(n, &n->groups[i], got, i);
	return wrong;
}

const char *agg_naive_check(const struct event *const *events, size_t count,
	const struct engine_request *filter, const struct agg_spec *spec,
	const struct agg_result *got)
{
	struct naive n = { .spec = spec, .filter = filter };
	struct expr_scratch *s = expr_scratch_new();
	const char *wrong;

	ASSERT(s);
	n.groups = calloc(count + 1, sizeof n.groups[0]);
	ASSERT(n.groups);
	if (spec->bucket)
		n.bucket = agg_bucket_of(got->bucket_ns, spec->zone_ns);
	for (size_t i = 0; i < count; i++) {
		if (is_meant(filter, events[i], s))
			add(&n, events[i], count);
	}
	/* A total is there even when nothing matches. */
	if (n.count == 0 && spec->by_count == 0 && !spec->bucket)
		n.count = 1;
	for (size_t g = 0; g < n.count; g++) {
		for (uint32_t i = 0; i < spec->calls_count; i++)
			n.groups[g].calls[i] = call_of(&n.groups[g], &spec->calls[i]);
	}
	drop_outside(&n);
	qsort_r(n.groups, n.count, sizeof n.groups[0], compare_groups, (void *)(uintptr_t)spec);
	wrong = check_all(&n, got);
	for (size_t g = 0; g < n.count; g++)
		free(n.groups[g].events);
	free(n.groups);
	expr_scratch_free(&s);
	return wrong;
}
