#include "query/api_explain.h"

#include "query/api_job.h"

struct ask {
	struct api_job base;
	struct engine_request req;
};

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	(void)engine;
	return engine_explain(snap, &((struct ask *)j)->req, &j->body, &j->why);
}

static void fini(struct api_job *j)
{
	engine_request_fini(&((struct ask *)j)->req);
}

static int take(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	return engine_param(&((struct ask *)j)->req, name, value, err);
}

void api_explain_get(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct ask), .run = run, .fini = fini
	};
	struct ask *a = api_job_new(arg, call, &kind);
	struct engine_err err = { .code = 0 };

	if (!a)
		return;
	engine_request_init(&a->req);
	if (api_job_params(&a->base, take) < 0)
		return;
	if (engine_request_check(&a->req, &err) < 0)
		api_job_refuse(&a->base, &err);
	else
		api_job_start(&a->base);
}
