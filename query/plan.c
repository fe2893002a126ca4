#include "query/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

/* ---------------------------------------------------------------- what the scan is asked */

static void no_later(struct scan_spec *spec, int64_t to_ns)
{
	if (to_ns < spec->to_ns)
		spec->to_ns = to_ns;
}

static void no_earlier(struct scan_spec *spec, int64_t from_ns)
{
	if (from_ns > spec->from_ns)
		spec->from_ns = from_ns;
}

/* Ids and times of a test that must hold, from the first to the last. */
static void narrow(const struct expr *x, struct scan_spec *spec)
{
	uint64_t lo, hi;

	if (x->kind != EXPR_TEST || x->test != EXPR_TEST_RANGES)
		return;
	ASSERT(x->ranges_count > 0);
	lo = x->ranges[0].lo;
	hi = x->ranges[x->ranges_count - 1].hi;
	if (x->field.kind == EXPR_FIELD_TIME) {
		no_earlier(spec, expr_key_time(lo));
		no_later(spec, expr_key_time(hi));
	} else if (x->field.kind == EXPR_FIELD_ID) {
		spec->id_min = lo > spec->id_min ? lo : spec->id_min;
		spec->id_max = hi < spec->id_max ? hi : spec->id_max;
	}
}

bool plan_spec(const struct engine_request *req, struct store_snapshot *snap, struct scan_spec *out)
{
	ASSERT(req->where);
	scan_spec_init(out);
	out->from_ns = req->from_ns;
	out->to_ns = req->to_ns;
	out->where = req->where->kind == EXPR_TRUE ? NULL : req->where;
	out->warm = req->warm;
	out->id_max = store_snapshot_committed(snap);
	if (req->place.set && req->place.newest < out->id_max)
		out->id_max = req->place.newest;
	if (req->upto < out->id_max)
		out->id_max = req->upto;
	if (req->order == ENGINE_ORDER_ARRIVAL)
		out->id_min = req->after == UINT64_MAX ? UINT64_MAX : req->after + 1;
	/* Pages after the first need nothing that stands before them; the total came with the cursor. */
	if (req->place.set && req->order == ENGINE_ORDER_DESC)
		no_later(out, req->place.time_ns);
	if (req->place.set && req->order == ENGINE_ORDER_ASC)
		no_earlier(out, req->place.time_ns);
	narrow(req->where, out);
	for (uint32_t i = 0; req->where->kind == EXPR_AND && i < req->where->args_count; i++)
		narrow(req->where->args[i], out);
	return req->where->kind != EXPR_FALSE && out->from_ns <= out->to_ns &&
	       out->id_min <= out->id_max;
}

/* ---------------------------------------------------------------- units in order */

static void put_bounds(enum engine_order order, const struct scan_unit *u, struct plan_unit *out)
{
	switch (order) {
	case ENGINE_ORDER_ASC:
		out->lo = page_time(u->time_min_ns);
		out->hi = page_time(u->time_max_ns);
		break;
	case ENGINE_ORDER_DESC:
		out->lo = ~page_time(u->time_max_ns);
		out->hi = ~page_time(u->time_min_ns);
		break;
	case ENGINE_ORDER_ARRIVAL:
		out->lo = u->id_min;
		out->hi = u->id_max;
		break;
	}
}

static int compare_units(const void *x, const void *y)
{
	const struct plan_unit *a = x, *b = y;

	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return (a->hi > b->hi) - (a->hi < b->hi);
}

/* The smallest `a` that is left: rows up to the place are behind us, and bounds say where work is. */
static uint64_t first_key(const struct plan *p)
{
	if (!p->resumed)
		return 0;
	return p->place.a + (p->place.b == UINT64_MAX && p->place.a < UINT64_MAX);
}

static int list_units(struct plan *p)
{
	uint64_t first = first_key(p);
	size_t n = p->scan ? scan_unit_count(p->scan) : 0;

	if (n == 0)
		return 0;
	p->units = calloc(n, sizeof p->units[0]);
	if (!p->units)
		return -ENOMEM;
	for (size_t u = 0; u < n; u++) {
		const struct scan_unit *from = scan_unit(p->scan, u);
		struct plan_unit *to = &p->units[p->units_count++];

		*to = (struct plan_unit){
			.unit = (uint32_t)u, .rows_count = from->rows_count, .all = from->all
		};
		put_bounds(p->order, from, to);
		if (to->lo < first)
			to->lo = first;
	}
	qsort(p->units, n, sizeof p->units[0], compare_units);
	return 0;
}

/* ---------------------------------------------------------------- face */

int plan_make(const struct engine_request *req, struct store_snapshot *snap, struct plan *out,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_spec spec;
	int rc = 0;

	*out = (struct plan){ .order = req->order, .resumed = req->place.set };
	out->need_total = req->want_total && !req->place.set;
	if (out->resumed)
		out->place = page_key(req->order, req->place.time_ns, req->place.id);
	if (plan_spec(req, snap, &spec))
		rc = scan_open(snap, &spec, &out->scan, stats, d);
	if (rc == 0 && list_units(out) < 0)
		rc = diag_set(d, -ENOMEM, "", -1, "cannot plan the query");
	if (rc != 0)
		plan_free(out);
	return rc;
}

void plan_free(struct plan *p)
{
	if (p->scan)
		scan_close(&p->scan);
	free(p->units);
	*p = (struct plan){ .order = p->order };
}

size_t plan_cluster(const struct plan *p, size_t from)
{
	size_t end = from + 1;
	uint64_t hi;

	ASSERT(from < p->units_count);
	hi = p->units[from].hi;
	while (end < p->units_count && p->units[end].lo <= hi) {
		if (p->units[end].hi > hi)
			hi = p->units[end].hi;
		end++;
	}
	return end;
}
