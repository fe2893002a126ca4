#include "query/api_logs.h"

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/svc/metrics.h"
#include "query/answer.h"
#include "query/api_job.h"
#include "query/export.h"

struct logs {
	struct api_job base;
	struct engine_request req;
	struct columns fields; /* of the events; none: all */
	struct waiter waiter;
	int64_t wait_until_ms; /* uv_now's clock; 0: answers whatever there is */
	/* What the worker leaves behind. */
	bool empty;         /* nothing found, nothing wrong: may wait */
	uint64_t committed; /* newest id of the snapshot that was looked at */
	uint64_t covered;
};

static struct logs *logs_of_waiter(struct waiter *w)
{
	return (struct logs *)((char *)w - offsetof(struct logs, waiter));
}

/* ---------------------------------------------------------------- the worker's part, or the loop's */

/* A result that has nothing to say is not worth its JSON while there is time to wait. */
static int put_body(struct logs *l, const struct engine_result *r)
{
	l->committed = r->committed;
	l->covered = r->covered;
	l->empty = r->count == 0 && r->partial == ENGINE_WHOLE;
	if (l->empty && l->wait_until_ms)
		return 0;
	return answer_put(&l->req, &l->fields, r, &l->base.body);
}

static void explain(struct logs *l, int rc)
{
	static const struct http_call_problem deep = { .status = 400,
		.error = "the offset is too deep",
		.field = "offset",
		.hint = "go on by the cursor in `next` instead" };
	static const struct http_call_problem large = { .status = 400,
		.error = "the answer is too large",
		.field = "limit",
		.hint = "ask for fewer events at once" };

	if (rc == ERR_BUDGET)
		l->base.problem = deep;
	else if (rc == ERR_LIMIT)
		l->base.problem = large;
}

static int ask(struct logs *l, struct engine *engine, struct store_snapshot *snap)
{
	struct engine_result result;
	int rc;

	l->empty = false;
	l->req.wanted = answer_wanted(&l->fields);
	rc = engine_run(engine, snap, &l->req, &result, &l->base.why);
	if (rc != 0)
		return rc;
	api_job_count(&result);
	rc = put_body(l, &result);
	engine_result_fini(&result);
	return rc;
}

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct logs *l = (struct logs *)j;
	int rc = ask(l, engine, snap);

	explain(l, rc);
	return rc;
}

static int run_warm(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct logs *l = (struct logs *)j;
	int rc;

	l->req.warm = true;
	rc = ask(l, engine, snap);
	l->req.warm = false;
	return rc;
}

/* ---------------------------------------------------------------- waiting */

static void on_wake(struct waiter *w, bool timed_out)
{
	struct logs *l = logs_of_waiter(w);

	if (timed_out)
		l->wait_until_ms = 0;
	api_job_submit(&l->base);
}

/* What was looked through need not be again. */
static void wait_more(struct logs *l)
{
	struct query *q = l->base.q;
	int64_t left = l->wait_until_ms - (int64_t)uv_now(&q->loop);

	l->req.after = l->covered;
	l->waiter.seen = l->committed;
	if (left <= 0 || q->stopping) {
		l->wait_until_ms = 0;
		api_job_submit(&l->base);
		return;
	}
	if (waiters_add(q->waiters, &l->waiter, (unsigned)left) == 0)
		return;
	metrics_inc(METRICS_QUERY_WAITERS_FULL);
	api_job_busy(&l->base, "too many clients wait for events");
}

static bool keep(struct api_job *j)
{
	struct logs *l = (struct logs *)j;

	if (!l->empty || !l->wait_until_ms)
		return false;
	wait_more(l);
	return true;
}

static void drop(struct api_job *j)
{
	struct logs *l = (struct logs *)j;

	waiters_remove(j->q->waiters, &l->waiter);
}

/* ---------------------------------------------------------------- beginning and end */

static void fini(struct api_job *j)
{
	struct logs *l = (struct logs *)j;

	ASSERT(!l->waiter.waiting);
	engine_request_fini(&l->req);
	columns_fini(&l->fields);
}

static int take(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	struct logs *l = (struct logs *)j;

	if (span_eq(name, SPAN_LIT("fields")))
		return export_param_columns(&l->fields, "fields", value, err);
	return engine_param(&l->req, name, value, err);
}

void api_logs_get(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = { .bytes = sizeof(struct logs),
		.run = run,
		.run_warm = run_warm,
		.keep = keep,
		.drop = drop,
		.fini = fini };
	struct query *q = arg;
	struct logs *l = api_job_new(q, call, &kind);
	struct engine_err err = { .code = 0 };

	if (!l)
		return;
	engine_request_init(&l->req);
	columns_init(&l->fields);
	l->waiter.wake = on_wake;
	l->req.budget_ns = conf_num(&q->conf, CONF_QUERY_TIME_MAX);
	l->req.budget_bytes = api_job_events_bytes(q);
	if (api_job_params(&l->base, take) < 0)
		return;
	if (engine_request_check(&l->req, &err) < 0) {
		api_job_refuse(&l->base, &err);
		return;
	}
	if (l->req.wait_ms)
		l->wait_until_ms = (int64_t)uv_now(&q->loop) + l->req.wait_ms;
	api_job_start(&l->base);
}
