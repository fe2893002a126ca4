#include "query/api_query.h"

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "query/agg.h"
#include "query/agg_answer.h"
#include "query/api_job.h"

struct ask {
	struct api_job base;
	struct agg_request req;
};

static int put_body(struct ask *a, const struct agg_result *r)
{
	static const struct http_call_problem large = { .status = 400,
		.error = "the answer is too large",
		.field = "limit",
		.hint = "ask for fewer groups" };
	struct engine_result run = agg_answer_run(r);
	int rc;

	api_job_count(&run);
	rc = agg_answer_put(r, &a->base.body);
	if (rc == ERR_LIMIT)
		a->base.problem = large;
	return rc;
}

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct ask *a = (struct ask *)j;
	struct agg_result r;
	int rc = agg_run(engine, snap, &a->req, &r, &j->why);

	if (rc < 0)
		return rc;
	rc = put_body(a, &r);
	agg_result_fini(&r);
	return rc;
}

static int take(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	return agg_param(&((struct ask *)j)->req, name, value, err);
}

static void fini(struct api_job *j)
{
	agg_request_fini(&((struct ask *)j)->req);
}

void api_query_get(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct ask), .run = run, .fini = fini
	};
	struct query *q = arg;
	struct ask *a = api_job_new(q, call, &kind);
	struct engine_err err = { .code = 0 };

	if (!a)
		return;
	agg_request_init(&a->req);
	a->req.filter.budget_ns = conf_num(&q->conf, CONF_QUERY_TIME_MAX);
	if (api_job_params(&a->base, take) < 0)
		return;
	if (agg_request_check(&a->req, &err) < 0)
		api_job_refuse(&a->base, &err);
	else
		api_job_start(&a->base);
}
