#include "query/api_fields.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/http/http_url.h"
#include "proto/svc/metrics.h"
#include "proto/wire/json_out.h"
#include "query/agg.h"
#include "query/agg_answer.h"
#include "query/api_job.h"
#include "query/fields.h"

enum {
	VALUES_DEFAULT = 50,
	/* Decoded name of a field in a path. */
	NAME_ARENA_BYTES = LIMIT_HTTP_LINE_BYTES,
};

static bool is_one_of(struct span name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (span_eq(name, span_str(names[i])))
			return true;
	}
	return false;
}

/* What another question has, and this one has not. */
static int refuse(struct span name, const char *error, const char *hint, struct engine_err *err)
{
	*err = (struct engine_err){ .code = ERR_UNKNOWN };
	snprintf(err->field, sizeof err->field, "%.*s", (int)name.n, (const char *)name.p);
	snprintf(err->error, sizeof err->error, "%s", error);
	snprintf(err->hint, sizeof err->hint, "%s", hint);
	return err->code;
}

/* ---------------------------------------------------------------- which fields */

struct list {
	struct api_job base;
	struct engine_request filter;
};

static void count_list(const struct fields_result *r, int64_t began_ns)
{
	struct engine_result told = { .partial = r->partial,
		.stats = { .scan = r->stats },
		.damage = { r->stats.damage },
		.damage_count = r->stats.damaged_units };

	told.stats.us = (uint64_t)(clock_mono_ns() - began_ns) / CLOCK_NS_PER_US;
	api_job_count(&told);
	if (r->more && r->partial == ENGINE_WHOLE)
		metrics_inc(METRICS_QUERY_PARTIAL_FIELDS);
}

static int run_list(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct list *l = (struct list *)j;
	struct fields_result r;
	int64_t began_ns = clock_mono_ns();
	int rc = fields_run(engine, snap, &l->filter, &r, &j->why);

	if (rc < 0)
		return rc;
	count_list(&r, began_ns);
	rc = fields_put(&r, &j->body);
	fields_result_fini(&r);
	return rc;
}

static int take_filter(
	struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	static const char *const others[] = { "order", "limit", "offset", "cursor", "after", "wait",
		"total", "count", "explain" };

	if (is_one_of(name, others, ARRAY_COUNT(others)))
		return refuse(name, "no such parameter of the list of fields",
			"it takes filters, search, q and a range of time", err);
	return engine_param(&((struct list *)j)->filter, name, value, err);
}

static void fini_list(struct api_job *j)
{
	engine_request_fini(&((struct list *)j)->filter);
}

void api_fields_get(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct list), .run = run_list, .fini = fini_list
	};
	struct query *q = arg;
	struct list *l = api_job_new(q, call, &kind);
	struct engine_err err = { .code = 0 };

	if (!l)
		return;
	engine_request_init(&l->filter);
	l->filter.budget_ns = conf_num(&q->conf, CONF_QUERY_TIME_MAX);
	if (api_job_params(&l->base, take_filter) < 0)
		return;
	if (engine_request_check(&l->filter, &err) < 0)
		api_job_refuse(&l->base, &err);
	else
		api_job_start(&l->base);
}

/* ---------------------------------------------------------------- what stands there */

struct values {
	struct api_job base;
	struct agg_request req;
};

static int put_values(const struct agg_result *r, struct buf *out)
{
	buf_put_str(out, "{\"status\":\"success\",\"field\":");
	json_out_string(r->columns[0].name, out);
	buf_put_str(out, ",\"values\":[");
	for (uint32_t i = 0; i < r->rows_count; i++) {
		buf_put_str(out, i ? ",{\"value\":" : "{\"value\":");
		agg_answer_put_cell(agg_cell(r, i, 0), out);
		buf_printf(out, ",\"count\":%" PRId64 "}", agg_cell(r, i, 1)->i);
	}
	buf_printf(out, "],\"groups\":%" PRIu64 ",\"total\":%" PRIu64, r->groups, r->total);
	if (r->approximate_groups)
		buf_put_str(out, ",\"approximate\":[\"groups\"]");
	agg_answer_put_end(r, out);
	buf_put_str(out, "}\n");
	return out->err;
}

static int run_values(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct values *v = (struct values *)j;
	struct agg_result r;
	struct engine_result told;
	int rc = agg_run(engine, snap, &v->req, &r, &j->why);

	if (rc < 0)
		return rc;
	told = agg_answer_run(&r);
	api_job_count(&told);
	rc = put_values(&r, &j->body);
	agg_result_fini(&r);
	return rc;
}

/* Filters, top, prefix. */
static int take_value(
	struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	static const char *const others[] = { "by", "agg", "bucket", "buckets", "tz", "fill",
		"order" };
	struct values *v = (struct values *)j;

	if (span_eq(name, SPAN_LIT("prefix")))
		return agg_request_prefix(&v->req, value, err);
	if (is_one_of(name, others, ARRAY_COUNT(others)))
		return refuse(name, "no such parameter of a field's values",
			"/api/query groups and orders as you like", err);
	return agg_param(&v->req, name, value, err);
}

static void fini_values(struct api_job *j)
{
	agg_request_fini(&((struct values *)j)->req);
}

/* The field named in the path. */
static int take_name(struct values *v, struct engine_err *err)
{
	struct span name = SPAN_NONE;
	struct arena arena;
	int rc;

	arena_init(&arena, NAME_ARENA_BYTES);
	rc = http_url_decode(http_call_part(v->base.call), false, &arena, &name);
	if (rc < 0)
		*err = (struct engine_err){ .code = rc,
			.field = "field",
			.error = "the name in the path is not well formed",
			.hint = "percent-encode as %XX, and send no NUL" };
	else
		rc = agg_request_by(&v->req, name, err);
	arena_fini(&arena);
	return rc;
}

void api_fields_values(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct values), .run = run_values, .fini = fini_values
	};
	struct query *q = arg;
	struct values *v = api_job_new(q, call, &kind);
	struct engine_err err = { .code = 0 };

	if (!v)
		return;
	agg_request_init(&v->req);
	v->req.filter.budget_ns = conf_num(&q->conf, CONF_QUERY_TIME_MAX);
	v->req.spec.limit = VALUES_DEFAULT;
	if (take_name(v, &err) < 0) {
		api_job_refuse(&v->base, &err);
		return;
	}
	if (api_job_params(&v->base, take_value) < 0)
		return;
	if (agg_request_check(&v->req, &err) < 0)
		api_job_refuse(&v->base, &err);
	else
		api_job_start(&v->base);
}
