#include "query/api_logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/http/http_url.h"
#include "proto/svc/logger.h"
#include "proto/svc/metrics.h"
#include "query/answer.h"
#include "query/engine.h"

enum {
	LOGS_TAG = 0x4c4f4753,
	/* Decoded names and values of one query string. */
	LOGS_ARENA_BYTES = 2 * LIMIT_HTTP_LINE_BYTES,
	/* Text about a store that cannot be read. */
	LOGS_DIAG_BYTES = 600,
};

struct logs {
	unsigned tag;
	struct query *q;
	struct http_call *call;
	struct engine_request req;
	struct pool_job job;
	struct waiter waiter;
	int64_t wait_until_ms; /* uv_now's clock; 0: answers whatever there is */
	bool gone;
	/* What the worker leaves behind. */
	int rc;
	struct diag why;
	struct buf body;
	bool empty;         /* nothing found, nothing wrong: may wait */
	uint64_t committed; /* newest id of the snapshot that was looked at */
	uint64_t covered;
};

static struct logs *logs_of_job(struct pool_job *job)
{
	struct logs *l = (struct logs *)((char *)job - offsetof(struct logs, job));

	CHECK_TAG(l, LOGS_TAG);
	return l;
}

static struct logs *logs_of_waiter(struct waiter *w)
{
	struct logs *l = (struct logs *)((char *)w - offsetof(struct logs, waiter));

	CHECK_TAG(l, LOGS_TAG);
	return l;
}

/* ---------------------------------------------------------------- the worker's part */

static void count_run(const struct engine_result *r)
{
	const struct scan_stats *s = &r->stats.scan;

	metrics_inc(METRICS_QUERY_RUNS);
	metrics_add(METRICS_QUERY_RUN_NS, (int64_t)r->stats.us * CLOCK_NS_PER_US);
	metrics_add(METRICS_QUERY_EVENTS, (int64_t)r->count);
	metrics_add(METRICS_QUERY_BLOCKS_READ, (int64_t)s->blocks_read);
	metrics_add(METRICS_QUERY_PAGES_READ, (int64_t)s->pages_read);
	metrics_add(METRICS_QUERY_PAGE_BYTES, (int64_t)s->bytes_read);
	metrics_add(METRICS_QUERY_JOURNAL_ROWS, (int64_t)s->journal_rows);
	metrics_add(METRICS_QUERY_DAMAGED, (int64_t)r->damage_count);
	if (r->partial != ENGINE_WHOLE)
		metrics_inc(METRICS_QUERY_PARTIAL_TIME + (r->partial - ENGINE_PARTIAL_TIME));
}

static void tell_damage(const struct engine_result *r)
{
	if (r->damage_count)
		LOGGER(LOGGER_ERROR, "query", "a part of the store cannot be read",
			LOGGER_UINT("parts", r->damage_count), LOGGER_DIAG(&r->damage[0]),
			LOGGER_STR("hint", "astrodump verify DIR tells more"));
}

/* A result that has nothing to say is not worth its JSON while there is time to wait. */
static void put_body(struct logs *l, const struct engine_result *r)
{
	l->committed = r->committed;
	l->covered = r->covered;
	l->empty = r->count == 0 && r->partial == ENGINE_WHOLE;
	if (l->empty && l->wait_until_ms)
		return;
	l->rc = answer_put(&l->req, r, &l->body);
	if (l->rc < 0)
		diag_set(&l->why, l->rc, "", -1, "the answer is too large");
}

static void run_once(struct logs *l, struct engine *engine)
{
	struct store_snapshot *snap = NULL;
	struct engine_result result;

	l->rc = view_snapshot(l->q->view, &snap, &l->why);
	if (l->rc < 0)
		return;
	l->rc = engine_run(engine, snap, &l->req, &result, &l->why);
	if (l->rc == 0) {
		count_run(&result);
		tell_damage(&result);
		put_body(l, &result);
		engine_result_fini(&result);
	}
	store_snapshot_free(&snap);
}

static void run(struct pool_job *job, struct engine *engine)
{
	struct logs *l = logs_of_job(job);

	l->empty = false;
	l->rc = ERR_STALE;
	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && l->rc == ERR_STALE; i++)
		run_once(l, engine);
}

/* ---------------------------------------------------------------- the end */

static void free_logs(struct logs *l)
{
	ASSERT(!l->waiter.waiting);
	l->q->logs_open--;
	engine_request_fini(&l->req);
	buf_fini(&l->body);
	l->tag = 0;
	free(l);
}

static void answer_problem(struct logs *l, const struct http_call_problem *p)
{
	http_call_on_gone(l->call, NULL, NULL);
	http_call_problem(l->call, p);
	free_logs(l);
}

static void answer_busy(struct logs *l, const char *error)
{
	const struct http_call_problem p = { .status = 503,
		.error = error,
		.hint = "try again in a moment",
		.fields = "Retry-After: 1\r\n" };

	answer_problem(l, &p);
}

static void answer_store(struct logs *l)
{
	char text[LOGS_DIAG_BYTES];
	const struct http_call_problem p = { .status = 503,
		.error = "the store cannot be read",
		.hint = diag_format(&l->why, text, sizeof text),
		.fields = "Retry-After: 1\r\n" };

	answer_problem(l, &p);
}

static void answer_failure(struct logs *l)
{
	struct http_call_problem p = { .status = 400 };

	if (l->rc == ERR_BUDGET) {
		p.error = "the offset is too deep";
		p.field = "offset";
		p.hint = "go on by the cursor in `next` instead";
	} else if (l->rc == ERR_LIMIT) {
		p.error = "the answer is too large";
		p.field = "limit";
		p.hint = "ask for fewer events at once";
	} else {
		answer_store(l);
		return;
	}
	answer_problem(l, &p);
}

static void answer(struct logs *l)
{
	static const struct http_call_head head = { .status = 200, .type = "application/json" };

	if (l->rc < 0 || l->gone || l->job.canceled) {
		answer_failure(l);
		return;
	}
	http_call_on_gone(l->call, NULL, NULL);
	http_call_reply(l->call, &head, &l->body);
	free_logs(l);
}

/* ---------------------------------------------------------------- waiting */

static void submit(struct logs *l)
{
	buf_reset(&l->body);
	if (pool_submit(l->q->pool, &l->job) == 0)
		return;
	metrics_inc(METRICS_QUERY_QUEUE_FULL);
	answer_busy(l, "too many queries at once");
}

static void on_wake(struct waiter *w, bool timed_out)
{
	struct logs *l = logs_of_waiter(w);

	if (timed_out)
		l->wait_until_ms = 0;
	submit(l);
}

/* What was looked through need not be again. */
static void wait_more(struct logs *l)
{
	int64_t left = l->wait_until_ms - (int64_t)uv_now(&l->q->loop);

	l->req.after = l->covered;
	l->waiter.seen = l->committed;
	if (left <= 0 || l->q->stopping) {
		l->wait_until_ms = 0;
		submit(l);
		return;
	}
	if (waiters_add(l->q->waiters, &l->waiter, (unsigned)left) == 0)
		return;
	metrics_inc(METRICS_QUERY_WAITERS_FULL);
	answer_busy(l, "too many clients wait for events");
}

static void on_done(struct pool_job *job)
{
	struct logs *l = logs_of_job(job);

	if (l->rc == 0 && l->empty && l->wait_until_ms && !l->gone)
		wait_more(l);
	else
		answer(l);
}

static void on_gone(void *arg, struct http_call *call)
{
	struct logs *l = arg;

	CHECK_TAG(l, LOGS_TAG);
	ASSERT(l->call == call);
	l->gone = true;
	if (l->waiter.waiting) {
		waiters_remove(l->q->waiters, &l->waiter);
		answer(l);
		return;
	}
	pool_cancel(l->q->pool, &l->job);
}

/* ---------------------------------------------------------------- the beginning */

static int problem_of(const struct engine_err *err, struct http_call_problem *out)
{
	*out = (struct http_call_problem){
		.status = 400, .error = err->error, .field = err->field, .hint = err->hint
	};
	return err->code;
}

/* The parameters of the query string into l->req. */
static int parse(struct logs *l, struct engine_err *err, struct http_call_problem *out)
{
	struct span rest = http_call_request(l->call)->query, name, value;
	struct arena arena;
	int rc;

	arena_init(&arena, LOGS_ARENA_BYTES);
	while ((rc = http_url_param(&rest, &arena, &name, &value)) == 0) {
		rc = engine_param(&l->req, name, value, err);
		if (rc < 0)
			break;
	}
	if (rc < 0 && err->code == 0)
		*out = (struct http_call_problem){ .status = 400,
			.error = "the query string is not well formed",
			.hint = "percent-encode as %XX, and send no NUL" };
	else if (rc < 0 || (rc = engine_request_check(&l->req, err)) < 0)
		rc = problem_of(err, out);
	arena_fini(&arena);
	return rc < 0 ? rc : 0;
}

static void set_budgets(struct logs *l)
{
	const struct conf *conf = &l->q->conf;
	size_t memory = (size_t)conf_num(conf, CONF_QUERY_MEMORY_MAX);

	l->req.budget_ns = conf_num(conf, CONF_QUERY_TIME_MAX);
	/* A page, its JSON and the hits that it was chosen from share the memory. */
	if (l->req.budget_bytes > memory / 8)
		l->req.budget_bytes = memory / 8;
	buf_init(&l->body, memory < LIMIT_QUERY_ANSWER_BYTES ? memory : LIMIT_QUERY_ANSWER_BYTES);
}

static struct logs *new_logs(struct query *q, struct http_call *call)
{
	struct logs *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->tag = LOGS_TAG;
	l->q = q;
	l->call = call;
	l->job.run = run;
	l->job.done = on_done;
	l->waiter.wake = on_wake;
	engine_request_init(&l->req);
	set_budgets(l);
	q->logs_open++;
	return l;
}

void api_logs_get(void *arg, struct http_call *call)
{
	static const struct http_call_problem no_memory = {
		.status = 503, .error = "out of memory", .hint = "try again in a moment"
	};
	struct query *q = arg;
	struct logs *l = new_logs(q, call);
	struct http_call_problem problem;
	struct engine_err err = { .code = 0 };

	if (!l) {
		http_call_problem(call, &no_memory);
		return;
	}
	if (parse(l, &err, &problem) < 0) {
		answer_problem(l, &problem);
		return;
	}
	if (!http_server_shed(q->server, LIMIT_QUERY_HELD_BYTES)) {
		metrics_inc(METRICS_QUERY_QUEUE_FULL);
		answer_busy(l, "too many answers wait for their clients");
		return;
	}
	if (l->req.wait_ms)
		l->wait_until_ms = (int64_t)uv_now(&q->loop) + l->req.wait_ms;
	http_call_on_gone(call, on_gone, l);
	submit(l);
}
