/*
 * From groups to rows. What orders groups is made once for each of them: the first function's value, or the
 * bucket and the places that the values of its fields take in order. Of many groups only as many as the answer
 * takes are sorted: they are kept in a heap, the last of them at its top.
 */
#include "query/agg_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/block_pool.h"

enum {
	/* Rows after which a look is taken at what they hold. */
	LOOK_ROWS = 1024,
};

struct entry {
	struct agg_cell first; /* value of the first function, or a place in the order of groups */
	uint32_t group;
};

struct pick {
	struct agg_table *table;
	const struct agg_spec *spec;
	const struct engine_request *filter;
	struct agg_result *out;
	struct entry *entries;
	size_t count, cap;
	uint32_t *places[AGG_BY_MAX]; /* by value: its place in order; NULL: values are compared */
	struct span *copies[AGG_BY_MAX]; /* by value: its text in the result; NULL: not kept */
	struct agg_cell *cells;
	uint32_t rows_count;
	size_t rows_max;
};

/* ---------------------------------------------------------------- values of functions */

static struct agg_cell value_of(
	const struct pick *p, uint32_t call, uint32_t group, bool *out_approximate)
{
	uint32_t stat = p->table->shape->stat_of[call];

	*out_approximate = false;
	if (stat == AGG_NONE)
		return (struct agg_cell){ .kind = AGG_CELL_INT,
			.i = (int64_t)p->table->counts[group] };
	return agg_state_value(
		&p->spec->calls[call], agg_table_state(p->table, stat, group), out_approximate);
}

static bool within(const struct agg_spec *spec, const struct agg_cell *first)
{
	if (!spec->has_min && !spec->has_max)
		return true;
	if (!agg_cell_is_number(first))
		return false;
	return (!spec->has_min || agg_cell_double(first) >= spec->min) &&
	       (!spec->has_max || agg_cell_double(first) <= spec->max);
}

/* ---------------------------------------------------------------- the order */

static int compare_values(const struct pick *p, uint32_t x, uint32_t y)
{
	struct agg_key a = agg_table_key(p->table, x), b = agg_table_key(p->table, y);
	int c = (a.bucket > b.bucket) - (a.bucket < b.bucket);

	for (uint32_t i = 0; i < p->spec->by_count && c == 0; i++) {
		const uint32_t *places = p->places[i];

		if (a.ids[i] == b.ids[i])
			continue;
		if (places)
			c = places[a.ids[i]] < places[b.ids[i]] ? -1 : 1;
		else
			c = agg_dict_cmp(&p->table->dicts[i], a.ids[i], b.ids[i]);
	}
	return c;
}

/* Negative: x stands before y. What has no value of the first function stands last. */
static int compare(const void *x, const void *y, void *arg)
{
	const struct entry *a = x, *b = y;
	const struct pick *p = arg;
	int c = 0;

	if (p->spec->order != AGG_ORDER_GROUP) {
		bool no_a = a->first.kind == AGG_CELL_NULL, no_b = b->first.kind == AGG_CELL_NULL;

		c = no_a || no_b ? no_b - no_a : agg_cell_cmp(&a->first, &b->first);
		if (p->spec->order == AGG_ORDER_DESC || no_a || no_b)
			c = -c;
	}
	return c ? c : compare_values(p, a->group, b->group);
}

static int compare_ids_of(const void *x, const void *y, void *arg)
{
	return agg_dict_cmp(arg, *(const uint32_t *)x, *(const uint32_t *)y);
}

/* Where each value of a field stands among all: groups are then compared by numbers. */
static int make_places(struct pick *p, uint32_t by)
{
	struct agg_dict *d = &p->table->dicts[by];
	uint32_t *ids = malloc((d->count + (size_t)1) * sizeof ids[0]);

	p->places[by] = malloc((d->count + (size_t)1) * sizeof p->places[by][0]);
	if (!ids || !p->places[by]) {
		free(ids);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < d->count; i++)
		ids[i] = i;
	qsort_r(ids, d->count, sizeof ids[0], compare_ids_of, d);
	for (uint32_t i = 0; i < d->count; i++)
		p->places[by][ids[i]] = i;
	free(ids);
	return 0;
}

/* ---------------------------------------------------------------- choosing */

static void sink(struct pick *p, size_t at)
{
	struct entry *e = p->entries, moved = e[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= p->count)
			break;
		if (child + 1 < p->count && compare(&e[child + 1], &e[child], p) > 0)
			child++;
		if (compare(&e[child], &moved, p) <= 0)
			break;
		e[at] = e[child];
		at = child;
	}
	e[at] = moved;
}

/* The first of all groups in order; when there are more than cap, a heap with the last of them on top. */
static void offer(struct pick *p, const struct entry *e)
{
	if (p->count < p->cap) {
		p->entries[p->count++] = *e;
		if (p->count == p->cap) {
			for (size_t i = p->cap / 2; i-- > 0;)
				sink(p, i);
		}
		return;
	}
	if (compare(e, &p->entries[0], p) >= 0)
		return;
	p->entries[0] = *e;
	sink(p, 0);
}

/* Most groups of many: fewer events than the last one of those that are kept has. */
static bool is_hopeless(const struct pick *p, const struct entry *e)
{
	return p->count == p->cap && p->spec->order == AGG_ORDER_DESC &&
	       e->first.kind == AGG_CELL_INT && p->entries[0].first.kind == AGG_CELL_INT &&
	       e->first.i < p->entries[0].first.i;
}

static int choose(struct pick *p)
{
	const struct agg_table *t = p->table;

	p->cap = p->spec->limit < t->count ? p->spec->limit : t->count;
	p->entries = malloc((p->cap + 1) * sizeof p->entries[0]);
	if (!p->entries)
		return -ENOMEM;
	for (uint32_t g = 0; g < t->count; g++) {
		struct entry e = { .group = g };
		bool approximate;

		if (t->counts[g] == 0 && p->spec->by_count + p->spec->bucket > 0)
			continue;
		e.first = value_of(p, 0, g, &approximate);
		if (!within(p->spec, &e.first))
			continue;
		p->out->groups++;
		if (!is_hopeless(p, &e))
			offer(p, &e);
	}
	qsort_r(p->entries, p->count, sizeof p->entries[0], compare, p);
	return 0;
}

/* ---------------------------------------------------------------- rows */

static void put_columns(struct pick *p)
{
	struct agg_result *out = p->out;
	uint32_t n = 0;

	if (p->spec->bucket)
		out->columns[n++].name = SPAN_LIT("time");
	for (uint32_t i = 0; i < p->spec->by_count; i++)
		out->columns[n++].name = p->spec->by_names[i];
	for (uint32_t i = 0; i < p->spec->calls_count; i++)
		out->columns[n++] =
			(struct agg_column){ .name = p->spec->calls[i].name, .is_call = true };
	out->columns_count = n;
}

static int copy_text(struct pick *p, const struct agg_cell *c, struct agg_cell *out)
{
	*out = *c;
	if (c->kind != AGG_CELL_TEXT && c->kind != AGG_CELL_MSGPACK)
		return 0;
	/* A byte more: an empty text has an address too. */
	out->text.p = arena_alloc(&p->out->arena, c->text.n + 1);
	if (!out->text.p)
		return -ENOMEM;
	if (c->text.n)
		memcpy((uint8_t *)(uintptr_t)out->text.p, c->text.p, c->text.n);
	return 0;
}

/* A value stands in the result once, however many rows have it. */
static int put_value(struct pick *p, uint32_t by, uint32_t id, struct agg_cell *out)
{
	struct span *copies = p->copies[by];
	uint8_t text[AGG_FORM_BYTES];
	struct agg_cell c = agg_dict_cell(&p->table->dicts[by], id, text);
	int rc;

	*out = c;
	if (copies && copies[id].p) {
		out->text = copies[id];
		return 0;
	}
	rc = copy_text(p, &c, out);
	if (rc == 0 && copies && (c.kind == AGG_CELL_TEXT || c.kind == AGG_CELL_MSGPACK))
		copies[id] = out->text;
	return rc;
}

static int put_call(
	struct pick *p, uint32_t call, uint32_t group, uint32_t column, struct agg_cell *out)
{
	bool counts = p->spec->calls[call].function == AGG_COUNT ||
		      p->spec->calls[call].function == AGG_DISTINCT;
	struct agg_cell c;
	bool approximate;

	/* Of a bucket without events. */
	if (group == AGG_NONE) {
		*out = (struct agg_cell){ .kind = counts ? AGG_CELL_INT : AGG_CELL_NULL };
		return 0;
	}
	c = value_of(p, call, group, &approximate);
	p->out->columns[column].approximate |= approximate;
	return copy_text(p, &c, out);
}

/* One more row; 1: there is no room for it. group: AGG_NONE if none has that key. */
static int put_row(struct pick *p, const struct agg_key *key, uint32_t group)
{
	struct agg_cell *row = &p->cells[(size_t)p->rows_count * p->out->columns_count];
	uint32_t n = 0;
	int rc = 0;

	if (p->rows_count == p->rows_max)
		return 1;
	if (p->spec->bucket)
		row[n++] = (struct agg_cell){ .kind = AGG_CELL_TIME,
			.i = agg_bucket_begin(&p->table->shape->bucket, key->bucket) };
	for (uint32_t i = 0; i < p->spec->by_count && rc == 0; i++)
		rc = put_value(p, i, key->ids[i], &row[n++]);
	for (uint32_t i = 0; i < p->spec->calls_count && rc == 0; i++, n++)
		rc = put_call(p, i, group, n, &row[n]);
	if (rc < 0)
		return 1;
	if (++p->rows_count % LOOK_ROWS == 0)
		block_pool_look();
	return 0;
}

static void put_rows(struct pick *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct agg_key key = agg_table_key(p->table, p->entries[i].group);

		if (put_row(p, &key, p->entries[i].group) != 0) {
			p->out->partial = ENGINE_PARTIAL_MEMORY;
			return;
		}
	}
}

/* ---------------------------------------------------------------- buckets without events */

/* From the first bucket of the range to its last, or, where it is open, of those there are. */
static bool range_of(const struct pick *p, int64_t *out_first, int64_t *out_last)
{
	const struct agg_bucket *b = &p->table->shape->bucket;

	if (p->count > 0) {
		*out_first = agg_table_key(p->table, p->entries[0].group).bucket;
		*out_last = agg_table_key(p->table, p->entries[p->count - 1].group).bucket;
	} else if (p->filter->from_ns == INT64_MIN || p->filter->to_ns == INT64_MAX) {
		return false;
	}
	if (p->filter->from_ns != INT64_MIN)
		*out_first = agg_bucket_index(b, p->filter->from_ns);
	if (p->filter->to_ns != INT64_MAX)
		*out_last = agg_bucket_index(b, p->filter->to_ns);
	return true;
}

static int compare_ids(const void *x, const void *y, void *arg)
{
	struct pick *p = arg;
	struct agg_key a = *(const struct agg_key *)x, b = *(const struct agg_key *)y;

	for (uint32_t i = 0; i < p->spec->by_count; i++) {
		if (a.ids[i] != b.ids[i])
			return p->places[i][a.ids[i]] < p->places[i][b.ids[i]] ? -1 : 1;
	}
	return 0;
}

/* What the groups have beside their buckets, each once, in order. */
static int list_series(struct pick *p, struct agg_key **out, size_t *out_count)
{
	struct agg_key *keys = malloc((p->count + 1) * sizeof keys[0]);
	size_t n = 0;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < p->count; i++)
		keys[i] = agg_table_key(p->table, p->entries[i].group);
	qsort_r(keys, p->count, sizeof keys[0], compare_ids, p);
	for (size_t i = 0; i < p->count; i++) {
		if (n == 0 || compare_ids(&keys[n - 1], &keys[i], p) != 0)
			keys[n++] = keys[i];
	}
	if (n == 0 && p->spec->by_count == 0)
		keys[n++] = (struct agg_key){ .bucket = 0 };
	*out = keys;
	*out_count = n;
	return 0;
}

/* Every series in every bucket; entries are in that same order. */
static int put_filled(struct pick *p)
{
	struct agg_key *series;
	size_t n, at = 0;
	int64_t first = 0, last = 0;
	int rc;

	if (!range_of(p, &first, &last))
		return 0;
	rc = list_series(p, &series, &n);
	if (rc < 0)
		return rc;
	for (int64_t b = first; b <= last && n > 0 && rc == 0; b++) {
		for (size_t k = 0; k < n && rc == 0; k++) {
			struct agg_key key = series[k], next = { .bucket = 0 };
			uint32_t group = AGG_NONE;

			key.bucket = b;
			if (at < p->count)
				next = agg_table_key(p->table, p->entries[at].group);
			if (at < p->count && next.bucket == b && compare_ids(&next, &key, p) == 0)
				group = p->entries[at++].group;
			rc = put_row(p, &key, group);
		}
		if (b == INT64_MAX)
			break;
	}
	if (rc != 0 && p->rows_count < p->spec->limit)
		p->out->partial = ENGINE_PARTIAL_MEMORY;
	p->out->groups = (uint64_t)n * ((uint64_t)last - (uint64_t)first + 1);
	free(series);
	return 0;
}

/* ---------------------------------------------------------------- face */

static int prepare(struct pick *p)
{
	int rc = 0;

	for (uint32_t i = 0; i < p->spec->by_count && rc == 0; i++) {
		/* A value of a direct shape has one row. */
		if (!p->table->shape->direct)
			p->copies[i] = calloc(
				p->table->dicts[i].count + (size_t)1, sizeof p->copies[i][0]);
		if (!p->table->shape->direct && !p->copies[i])
			return -ENOMEM;
		if (p->spec->order == AGG_ORDER_GROUP)
			rc = make_places(p, i);
	}
	return rc;
}

static int need_rows(struct pick *p)
{
	size_t bytes = p->out->columns_count * sizeof p->cells[0];

	p->rows_max = p->spec->fill ? p->spec->limit : p->count;
	if (p->rows_max > LIMIT_QUERY_GROUPS_BYTES / 2 / bytes)
		p->rows_max = LIMIT_QUERY_GROUPS_BYTES / 2 / bytes;
	p->cells = arena_alloc(&p->out->arena, (p->rows_max + 1) * bytes);
	return p->cells ? 0 : -ENOMEM;
}

/*
 * Where groups found no room: each of those has `ungrouped` events at most, so the largest ones are known as
 * long as the last of them has as many.
 */
static bool is_unsure(const struct pick *p)
{
	if (p->table->ungrouped == 0 || p->out->approximate_groups)
		return p->out->approximate_groups;
	return p->spec->order != AGG_ORDER_DESC || p->table->shape->stat_of[0] != AGG_NONE ||
	       p->count < p->spec->limit || p->count == 0 ||
	       (uint64_t)p->entries[p->count - 1].first.i < p->table->ungrouped;
}

int agg_pick(struct agg_table *t, const struct engine_request *filter, struct agg_result *out)
{
	struct pick p = { .table = t, .spec = t->shape->spec, .filter = filter, .out = out };
	int rc = prepare(&p);

	if (rc == 0)
		rc = choose(&p);
	if (rc == 0) {
		put_columns(&p);
		rc = need_rows(&p);
	}
	if (rc == 0 && p.spec->fill)
		rc = put_filled(&p);
	else if (rc == 0)
		put_rows(&p);
	out->approximate_groups = rc == 0 && is_unsure(&p);
	out->cells = p.cells;
	out->rows_count = p.rows_count;
	free(p.entries);
	for (int i = 0; i < AGG_BY_MAX; i++) {
		free(p.places[i]);
		free(p.copies[i]);
	}
	return rc;
}
