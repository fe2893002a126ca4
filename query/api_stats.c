#include "query/api_stats.h"

#include <inttypes.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "query/agg.h"
#include "query/agg_answer.h"
#include "query/api_job.h"

#define RECENT_NS (24 * 3600 * CLOCK_NS_PER_SEC)

enum {
	/* Values listed of one field. */
	VALUES_MAX = 1000,
	BY_TYPE = 0,
	BY_ENTITY,
	BY_SEVERITY,
	BY_TIME,
	PARTS,
};

struct ask {
	struct api_job base;
	struct agg_request req; /* its own spec is the histogram */
	int64_t now_ns;
};

/* What is asked in one go. */
struct parts {
	struct agg_spec specs[PARTS];
	const struct agg_spec *list[PARTS];
	struct agg_result results[PARTS];
	uint64_t recent;
};

/* ---------------------------------------------------------------- asking */

static void count_by(struct agg_spec *s, struct expr_field field)
{
	*s = (struct agg_spec){ .by = { field },
		.by_count = 1,
		.calls = { { .function = AGG_COUNT, .name = SPAN_LIT("count") } },
		.calls_count = 1,
		.limit = VALUES_MAX };
}

static void make_specs(const struct ask *a, struct parts *p)
{
	count_by(&p->specs[BY_TYPE], expr_field_text(EVENT_TEXT_EVENT_TYPE));
	count_by(&p->specs[BY_ENTITY], expr_field_text(EVENT_TEXT_ENTITY_TYPE));
	count_by(&p->specs[BY_SEVERITY], expr_field_of(EXPR_FIELD_SEVERITY));
	p->specs[BY_TIME] = a->req.spec;
	for (int i = 0; i < PARTS; i++)
		p->list[i] = &p->specs[i];
}

/* Events of the last 24 hours, and later. */
static int count_recent(
	struct ask *a, struct engine *engine, struct store_snapshot *snap, uint64_t *out)
{
	struct engine_request last = a->req.filter;
	struct agg_spec count = {
		.calls = { { .function = AGG_COUNT } }, .calls_count = 1, .limit = 1
	};
	const struct agg_spec *list = &count;
	struct agg_result r;
	int rc;

	if (last.from_ns < a->now_ns - RECENT_NS)
		last.from_ns = a->now_ns - RECENT_NS;
	*out = 0;
	if (last.from_ns > last.to_ns)
		return 0;
	rc = agg_run_all(engine, snap, &last, &list, 1, &r, &a->base.why);
	if (rc < 0)
		return rc;
	*out = r.total;
	agg_result_fini(&r);
	return 0;
}

/* ---------------------------------------------------------------- answering */

/* {"AUTH":12,...}; what has no such field is not in it. */
static void put_counts(const char *name, const struct agg_result *r, struct buf *out)
{
	bool first = true;

	buf_printf(out, ",\"%s\":{", name);
	for (uint32_t i = 0; i < r->rows_count; i++) {
		const struct agg_cell *value = agg_cell(r, i, 0);

		if (value->kind == AGG_CELL_NULL)
			continue;
		if (!first)
			buf_put_u8(out, ',');
		agg_answer_put_cell(value, out);
		buf_printf(out, ":%" PRId64, agg_cell(r, i, 1)->i);
		first = false;
	}
	buf_put_u8(out, '}');
}

static void put_histogram(const struct agg_result *r, struct buf *out)
{
	buf_printf(out, ",\"histogram\":{\"bucket_ns\":%" PRId64 ",\"buckets\":[", r->bucket_ns);
	for (uint32_t i = 0; i < r->rows_count; i++) {
		buf_put_str(out, i ? ",[" : "[");
		agg_answer_put_cell(agg_cell(r, i, 0), out);
		buf_printf(out, ",%" PRId64 "]", agg_cell(r, i, 1)->i);
	}
	buf_put_str(out, "]}");
}

static int put_body(struct ask *a, const struct parts *p)
{
	const struct agg_result *r = p->results;
	struct buf *out = &a->base.body;

	buf_printf(out,
		"{\"status\":\"success\",\"total_logs\":%" PRIu64 ",\"recent_24h\":%" PRIu64,
		r[BY_TYPE].total, p->recent);
	put_counts("by_event_type", &r[BY_TYPE], out);
	put_counts("by_entity_type", &r[BY_ENTITY], out);
	put_counts("by_severity", &r[BY_SEVERITY], out);
	put_histogram(&r[BY_TIME], out);
	agg_answer_put_end(&r[BY_TYPE], out);
	buf_put_str(out, "}\n");
	return out->err;
}

/* ---------------------------------------------------------------- the route */

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct ask *a = (struct ask *)j;
	struct parts p;
	struct engine_result told;
	int rc;

	make_specs(a, &p);
	rc = agg_run_all(engine, snap, &a->req.filter, p.list, PARTS, p.results, &j->why);
	if (rc < 0)
		return rc;
	told = agg_answer_run(&p.results[BY_TYPE]);
	api_job_count(&told);
	rc = count_recent(a, engine, snap, &p.recent);
	if (rc == 0)
		rc = put_body(a, &p);
	for (int i = 0; i < PARTS; i++)
		agg_result_fini(&p.results[i]);
	return rc;
}

/* What selects events, and the histogram's bucket. */
static int take(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	static const struct span others[] = { { (const uint8_t *)"by", 2 },
		{ (const uint8_t *)"agg", 3 }, { (const uint8_t *)"top", 3 },
		{ (const uint8_t *)"limit", 5 }, { (const uint8_t *)"order", 5 },
		{ (const uint8_t *)"min", 3 }, { (const uint8_t *)"max", 3 } };

	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		if (!span_eq(name, others[i]))
			continue;
		*err = (struct engine_err){ .code = ERR_UNKNOWN,
			.error = "no such parameter of the statistics",
			.hint = "/api/query groups and orders as you like" };
		memcpy(err->field, name.p, name.n);
		return err->code;
	}
	return agg_param(&((struct ask *)j)->req, name, value, err);
}

static void fini(struct api_job *j)
{
	agg_request_fini(&((struct ask *)j)->req);
}

void api_stats_get(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct ask), .run = run, .fini = fini
	};
	struct query *q = arg;
	struct ask *a = api_job_new(q, call, &kind);
	struct engine_err err = { .code = 0 };

	if (!a)
		return;
	a->now_ns = clock_wall_ns();
	agg_request_init(&a->req);
	a->req.filter.budget_ns = conf_num(&q->conf, CONF_QUERY_TIME_MAX);
	a->req.spec.bucket = true;
	a->req.spec.limit = AGG_LIMIT_MAX;
	if (api_job_params(&a->base, take) < 0)
		return;
	if (agg_request_check(&a->req, &err) < 0)
		api_job_refuse(&a->base, &err);
	else
		api_job_start(&a->base);
}
