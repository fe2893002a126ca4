#include "query/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

/* ---------------------------------------------------------------- what every scan has in common */

static const struct expr *received_in(struct expr_builder *b, const struct engine_numbers *t)
{
	const struct expr_field f = expr_field_of(EXPR_FIELD_RECEIVED);
	struct expr_range ranges[LIMIT_QUERY_VALUES];

	ASSERT(t->count <= LIMIT_QUERY_VALUES);
	for (size_t i = 0; i < t->count; i++)
		ranges[i].lo = ranges[i].hi = expr_time_key(t->values[i]);
	return expr_ranges(b, &f, ranges, (uint32_t)t->count);
}

/* The request's filters as one expression; NULL: the builder's error. */
static const struct expr *where_of(const struct engine_request *req, struct expr_builder *b)
{
	const struct expr_field description = expr_field_text(EVENT_TEXT_DESCRIPTION);
	const struct expr *x = expr_true(b);

	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		const struct engine_texts *t = req->text[i];

		if (t)
			x = expr_and(b, x,
				expr_text_in(b, (enum event_text)i, t->values, (uint32_t)t->count));
	}
	if (req->severity_mask)
		x = expr_and(b, x, expr_severity(b, req->severity_mask));
	if (req->received)
		x = expr_and(b, x, received_in(b, req->received));
	if (req->search.n > 0)
		x = expr_and(b, x, expr_contains(b, &description, req->search));
	return expr_normalise(b, x);
}

static void common_spec(const struct engine_request *req, const struct plan *p,
	struct store_snapshot *snap, struct scan_spec *spec)
{
	scan_spec_init(spec);
	spec->from_ns = req->from_ns;
	spec->to_ns = req->to_ns;
	spec->where = p->where;
	spec->id_max = store_snapshot_committed(snap);
	if (req->place.set && req->place.newest < spec->id_max)
		spec->id_max = req->place.newest;
	if (req->order == ENGINE_ORDER_ARRIVAL)
		spec->id_min = req->after == UINT64_MAX ? UINT64_MAX : req->after + 1;
	/* Pages after the first need nothing that stands before them; the total came with the cursor. */
	if (!p->resumed)
		return;
	if (req->order == ENGINE_ORDER_DESC && req->place.time_ns < spec->to_ns)
		spec->to_ns = req->place.time_ns;
	if (req->order == ENGINE_ORDER_ASC && req->place.time_ns > spec->from_ns)
		spec->from_ns = req->place.time_ns;
}

/* ---------------------------------------------------------------- one scan for each combination */

static size_t values_count(const struct engine_numbers *t)
{
	return t ? t->count : 1;
}

/* False: nothing can match this combination. */
static bool narrow(const struct engine_request *req, size_t nth, struct scan_spec *spec)
{
	size_t ids = values_count(req->ids), times = values_count(req->times);

	if (req->ids) {
		uint64_t id = (uint64_t)req->ids->values[nth % ids];

		if (id < spec->id_min || id > spec->id_max)
			return false;
		spec->id_min = spec->id_max = id;
	}
	if (req->times) {
		int64_t t = req->times->values[nth / ids % times];

		if (t < spec->from_ns || t > spec->to_ns)
			return false;
		spec->from_ns = spec->to_ns = t;
	}
	return spec->from_ns <= spec->to_ns && spec->id_min <= spec->id_max;
}

static int open_scans(const struct engine_request *req, struct store_snapshot *snap, struct plan *p,
	struct scan_stats *stats, struct diag *d)
{
	size_t combinations = values_count(req->ids) * values_count(req->times);

	ASSERT(combinations <= LIMIT_QUERY_SCANS);
	for (size_t i = 0; i < combinations; i++) {
		struct scan_spec spec;
		int rc;

		common_spec(req, p, snap, &spec);
		if (!narrow(req, i, &spec))
			continue;
		rc = scan_open(snap, &spec, &p->scans[p->scans_count], stats, d);
		if (rc < 0)
			return rc;
		p->scans_count++;
	}
	return 0;
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
	size_t n = 0;

	for (size_t s = 0; s < p->scans_count; s++)
		n += scan_unit_count(p->scans[s]);
	if (n == 0)
		return 0;
	p->units = calloc(n, sizeof p->units[0]);
	if (!p->units)
		return -ENOMEM;
	for (size_t s = 0; s < p->scans_count; s++) {
		for (size_t u = 0; u < scan_unit_count(p->scans[s]); u++) {
			const struct scan_unit *from = scan_unit(p->scans[s], u);
			struct plan_unit *to = &p->units[p->units_count++];

			*to = (struct plan_unit){ .scan = (uint32_t)s,
				.unit = (uint32_t)u,
				.rows_count = from->rows_count,
				.all = from->all };
			put_bounds(p->order, from, to);
			if (to->lo < first)
				to->lo = first;
		}
	}
	ASSERT(p->units_count == n);
	qsort(p->units, n, sizeof p->units[0], compare_units);
	return 0;
}

/* ---------------------------------------------------------------- face */

int plan_make(const struct engine_request *req, struct store_snapshot *snap, struct plan *out,
	struct scan_stats *stats, struct diag *d)
{
	int rc;

	*out = (struct plan){ .order = req->order, .resumed = req->place.set };
	out->need_total = req->want_total && !req->place.set;
	if (out->resumed)
		out->place = page_key(req->order, req->place.time_ns, req->place.id);
	expr_builder_init(&out->filters);
	out->where = where_of(req, &out->filters);
	rc = out->where ? open_scans(req, snap, out, stats, d)
			: diag_set(d, out->filters.err, "", -1, "cannot plan the query");
	if (rc == 0 && list_units(out) < 0)
		rc = diag_set(d, -ENOMEM, "", -1, "cannot plan the query");
	if (rc < 0)
		plan_free(out);
	return rc;
}

void plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->scans_count; i++)
		scan_close(&p->scans[i]);
	expr_builder_fini(&p->filters);
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
