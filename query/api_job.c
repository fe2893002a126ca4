#include "query/api_job.h"

#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/http/http_accept.h"
#include "proto/http/http_url.h"
#include "proto/svc/logger.h"
#include "proto/svc/metrics.h"
#include "proto/wire/gzip_out.h"
#include "storage/block_pool.h"

enum {
	JOB_TAG = 0x414a4f42,
	/* Decoded names and values of one query string. */
	JOB_ARENA_BYTES = 2 * LIMIT_HTTP_LINE_BYTES,
	/* Text about a store that cannot be read. */
	JOB_DIAG_BYTES = 600,
	/* Of answers on their way, before blocks make room for them. */
	HELD_FREE_BYTES = 4 << 20,
	/* A smaller answer leaves in one packet or two, packed or not. */
	PACK_BYTES_MIN = 2 << 10,
};

static struct api_job *job_of(struct pool_job *job)
{
	struct api_job *j = (struct api_job *)((char *)job - offsetof(struct api_job, job));

	CHECK_TAG(j, JOB_TAG);
	return j;
}

/* ---------------------------------------------------------------- the worker's part */

void api_job_count(const struct engine_result *r)
{
	const struct scan_stats *s = &r->stats.scan;

	metrics_inc(METRICS_QUERY_RUNS);
	metrics_add(METRICS_QUERY_RUN_NS, (int64_t)r->stats.us * CLOCK_NS_PER_US);
	metrics_add(METRICS_QUERY_EVENTS, (int64_t)r->count);
	metrics_add(METRICS_QUERY_BLOCKS_READ, (int64_t)s->blocks_read);
	metrics_add(METRICS_QUERY_PAGES_READ, (int64_t)s->pages_read);
	metrics_add(METRICS_QUERY_PAGE_BYTES, (int64_t)s->bytes_read);
	metrics_add(METRICS_QUERY_JOURNAL_ROWS, (int64_t)s->journal_rows);
	metrics_add(METRICS_QUERY_REGEX_GIVEN_UP, (int64_t)s->regex_given_up);
	metrics_add(METRICS_QUERY_DAMAGED, (int64_t)r->damage_count);
	if (r->partial != ENGINE_WHOLE)
		metrics_inc(METRICS_QUERY_PARTIAL_TIME + (r->partial - ENGINE_PARTIAL_TIME));
	if (r->damage_count)
		LOGGER(LOGGER_ERROR, "query", "a part of the store cannot be read",
			LOGGER_UINT("parts", r->damage_count), LOGGER_DIAG(&r->damage[0]),
			LOGGER_STR("hint", "astrodump verify DIR tells more"));
}

size_t api_job_events_bytes(const struct query *q)
{
	size_t most = (size_t)conf_num(&q->conf, CONF_QUERY_MEMORY_MAX) / 8;

	return most < LIMIT_QUERY_PAGE_BYTES ? most : LIMIT_QUERY_PAGE_BYTES;
}

/* Whoever knows which parameter to lower has said so already. */
static void tell_too_large(struct api_job *j)
{
	static const struct http_call_problem large = {
		.status = 400, .error = "the answer is too large", .hint = "ask for less at once"
	};

	metrics_inc(METRICS_QUERY_ANSWERS_TOO_LARGE);
	if (!j->problem.status)
		j->problem = large;
}

static int run_once(struct api_job *j, struct engine *engine)
{
	struct store_snapshot *snap = j->snap;
	int rc = 0;

	if (!snap && !j->kind->storeless)
		rc = view_snapshot(j->q->view, &snap, &j->why);
	if (rc < 0)
		return rc;
	rc = j->kind->run(j, engine, snap);
	if (rc == ERR_LIMIT && !j->streaming)
		tell_too_large(j);
	if (snap != j->snap)
		store_snapshot_free(&snap);
	return rc;
}

/* Without the memory for it the body stays as it is. */
static void pack(struct api_job *j)
{
	struct buf packed;

	buf_init(&packed, j->body.max);
	if (gzip_out_whole(buf_span(&j->body), &packed) < 0) {
		buf_fini(&packed);
		return;
	}
	metrics_add(METRICS_QUERY_GZIP_PLAIN, (int64_t)j->body.len);
	metrics_add(METRICS_QUERY_GZIP_PACKED, (int64_t)packed.len);
	buf_fini(&j->body);
	j->body = packed;
	j->packed = true;
}

static void run(struct pool_job *job, struct engine *engine)
{
	struct api_job *j = job_of(job);

	j->rc = ERR_STALE;
	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && j->rc == ERR_STALE; i++)
		j->rc = run_once(j, engine);
	if (j->rc == 0 && j->gzip && !j->problem.status && j->body.len >= PACK_BYTES_MIN)
		pack(j);
}

bool api_job_call(struct api_job *j)
{
	CHECK_TAG(j, JOB_TAG);
	ASSERT(j->kind->called);
	return pool_call(j->q->pool, &j->job);
}

/* ---------------------------------------------------------------- the end */

static void free_job(struct api_job *j)
{
	ASSERT(!j->kept);
	j->q->jobs_open--;
	if (j->kind->fini)
		j->kind->fini(j);
	store_snapshot_free(&j->snap);
	buf_fini(&j->body);
	j->tag = 0;
	free(j);
}

void api_job_problem(struct api_job *j, const struct http_call_problem *p)
{
	CHECK_TAG(j, JOB_TAG);
	j->kept = false;
	http_call_on_gone(j->call, NULL, NULL);
	http_call_problem(j->call, p);
	free_job(j);
}

void api_job_busy(struct api_job *j, const char *error)
{
	const struct http_call_problem p = { .status = 503,
		.error = error,
		.hint = "try again in a moment",
		.fields = "Retry-After: 1\r\n" };

	api_job_problem(j, &p);
}

void api_job_end(struct api_job *j, bool whole)
{
	CHECK_TAG(j, JOB_TAG);
	ASSERT(j->streaming);
	j->kept = false;
	http_call_on_gone(j->call, NULL, NULL);
	http_call_end(j->call, whole);
	free_job(j);
}

/* For one more answer; else the job is refused. */
static bool has_room(struct api_job *j)
{
	if (http_server_shed(j->q->server, LIMIT_QUERY_HELD_BYTES))
		return true;
	metrics_inc(METRICS_QUERY_QUEUE_FULL);
	api_job_busy(j, "too many answers wait for their clients");
	return false;
}

void api_job_make_room(struct query *q)
{
	size_t held = http_server_counters(q->server)->held_bytes;
	size_t need = held > HELD_FREE_BYTES ? held - HELD_FREE_BYTES : 0;

	if (need > q->lent)
		block_pool_lend(need - q->lent);
	else
		block_pool_return(q->lent - need);
	q->lent = need;
}

static void answer_store(struct api_job *j)
{
	char text[JOB_DIAG_BYTES];
	const struct http_call_problem p = { .status = 503,
		.error = "the store cannot be read",
		.hint = diag_format(&j->why, text, sizeof text),
		.fields = "Retry-After: 1\r\n" };

	api_job_problem(j, &p);
}

static void answer(struct api_job *j)
{
	const struct http_call_head head = { .status = 200,
		.type = "application/json",
		.fields = j->packed ? API_JOB_PACKED : API_JOB_PLAIN };

	if (j->streaming) {
		api_job_end(j, false);
		return;
	}
	if (j->problem.status) {
		api_job_problem(j, &j->problem);
		return;
	}
	if (j->rc < 0 || j->gone || j->job.canceled) {
		answer_store(j);
		return;
	}
	/* Others may have been given much since this one began. */
	if (!has_room(j))
		return;
	http_call_on_gone(j->call, NULL, NULL);
	http_call_reply(j->call, &head, &j->body);
	api_job_make_room(j->q);
	free_job(j);
}

static void on_done(struct pool_job *job)
{
	struct api_job *j = job_of(job);

	if (j->kind->keep && j->rc == 0 && !j->problem.status && !j->gone) {
		j->kept = true;
		if (j->kind->keep(j))
			return; /* the job may be gone already */
		j->kept = false;
	}
	answer(j);
}

static void on_called(struct pool_job *job)
{
	struct api_job *j = job_of(job);

	if (!j->gone)
		j->kind->called(j);
}

static void on_gone(void *arg, struct http_call *call)
{
	struct api_job *j = arg;

	CHECK_TAG(j, JOB_TAG);
	ASSERT(j->call == call);
	j->gone = true;
	if (!j->kept) {
		pool_cancel(j->q->pool, &j->job);
		return;
	}
	if (j->kind->drop)
		j->kind->drop(j);
	j->kept = false;
	answer(j);
}

/* ---------------------------------------------------------------- the beginning */

void *api_job_new(struct query *q, struct http_call *call, const struct api_job_kind *kind)
{
	static const struct http_call_problem no_memory = {
		.status = 503, .error = "out of memory", .hint = "try again in a moment"
	};
	size_t memory = (size_t)conf_num(&q->conf, CONF_QUERY_MEMORY_MAX);
	struct api_job *j = calloc(1, kind->bytes);

	ASSERT(kind->bytes >= sizeof *j);
	if (!j) {
		http_call_problem(call, &no_memory);
		return NULL;
	}
	j->tag = JOB_TAG;
	j->kind = kind;
	j->q = q;
	j->call = call;
	j->gzip = http_accept_gzip(http_call_request(call));
	j->job.run = run;
	j->job.done = on_done;
	j->job.called = on_called;
	buf_init(&j->body, memory < LIMIT_QUERY_ANSWER_BYTES ? memory : LIMIT_QUERY_ANSWER_BYTES);
	q->jobs_open++;
	return j;
}

void api_job_refuse(struct api_job *j, const struct engine_err *err)
{
	const struct http_call_problem p = { .status = 400,
		.error = err->error,
		.field = err->field,
		.position = err->position,
		.hint = err->hint };

	api_job_problem(j, &p);
}

int api_job_params(struct api_job *j, api_job_param_cb take)
{
	static const struct http_call_problem malformed = { .status = 400,
		.error = "the query string is not well formed",
		.hint = "percent-encode as %XX, and send no NUL" };
	struct span rest = http_call_request(j->call)->query, name, value;
	struct engine_err err = { .code = 0 };
	struct arena arena;
	int rc;

	CHECK_TAG(j, JOB_TAG);
	arena_init(&arena, JOB_ARENA_BYTES);
	while ((rc = http_url_param(&rest, &arena, &name, &value)) == 0) {
		rc = take(j, name, value, &err);
		if (rc < 0)
			break;
	}
	arena_fini(&arena);
	if (rc >= 0)
		return 0;
	if (err.code)
		api_job_refuse(j, &err);
	else
		api_job_problem(j, &malformed);
	return rc;
}

void api_job_submit(struct api_job *j)
{
	CHECK_TAG(j, JOB_TAG);
	j->kept = j->packed = false;
	buf_reset(&j->body);
	if (pool_submit(j->q->pool, &j->job) == 0)
		return;
	metrics_inc(METRICS_QUERY_QUEUE_FULL);
	api_job_busy(j, "too many queries at once");
}

void api_job_stream(struct api_job *j, const struct http_call_head *head, http_call_cb on_drain)
{
	CHECK_TAG(j, JOB_TAG);
	ASSERT(!j->streaming);
	j->streaming = true;
	http_call_begin(j->call, head, on_drain, j);
}

void api_job_again(struct api_job *j)
{
	CHECK_TAG(j, JOB_TAG);
	ASSERT(j->streaming);
	ASSERT(j->kept);
	j->kept = false;
	pool_resubmit(j->q->pool, &j->job);
}

/* Packing takes longer than a worker's waking. */
static bool run_warm(struct api_job *j)
{
	struct engine *engine = NULL;
	struct store_snapshot *snap;

	if (j->kind->run_warm && !j->gzip)
		engine = pool_spare_engine(j->q->pool);
	if (!engine || view_same(j->q->view, &snap) != 0)
		return false;
	j->rc = j->kind->run_warm(j, engine, snap);
	store_snapshot_free(&snap);
	if (j->rc != 0)
		return false;
	metrics_inc(METRICS_QUERY_WARM);
	return true;
}

void api_job_start(struct api_job *j)
{
	CHECK_TAG(j, JOB_TAG);
	if (!has_room(j))
		return;
	http_call_on_gone(j->call, on_gone, j);
	if (run_warm(j))
		on_done(&j->job);
	else
		api_job_submit(j);
}
