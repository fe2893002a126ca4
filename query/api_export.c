#include "query/api_export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/svc/logger.h"
#include "proto/svc/metrics.h"
#include "proto/wire/gzip_out.h"
#include "query/api_job.h"
#include "query/export.h"

enum {
	/* Parts of one step, and the head and the tail of the whole, and the end of what is packed. */
	STEP_PARTS = EXPORT_PIECES_MAX + 3,
	/* Ready parts beside which the next step is made. */
	AHEAD_PARTS = 1,
	READY_PARTS = STEP_PARTS + AHEAD_PARTS,
	SPARE_PARTS = EXPORT_PIECES_MAX,
	HEAD_BYTES = 192,
	/* So many work ahead of their clients; where more are under way, none does. */
	WIDE_EXPORTS = 2,
	/* Memory is short when the so manieth part of what answers may hold is held. */
	SHORT_PART = 4,
};

struct parts {
	struct buf list[READY_PARTS];
	size_t count;
};

struct export_job {
	struct api_job base;
	struct export_request req;
	struct export_run *run;
	unsigned pieces;       /* of the next step */
	struct parts made;     /* by the worker, in the last step */
	struct parts ready;    /* the loop's: to be given to the connection */
	struct parts spare;    /* the loop's: memory of parts that were given, for the next step */
	struct gzip_out *gzip; /* NULL: the client takes it plain */
	struct parts stock;    /* the worker's: memory for what is packed */
	int rc;                /* of the last step */
	bool done;             /* no further step */
};

/* ---------------------------------------------------------------- the worker's part */

static int open_run(struct export_job *e, struct store_snapshot *snap)
{
	int rc;

	if (e->run)
		return 0;
	rc = export_open(snap, &e->req, &e->run, &e->base.why);
	if (rc == 0)
		e->base.snap = snap;
	return rc;
}

/* Behind those that were made; the next one of the stock if there is one. */
static struct buf *new_part(struct export_job *e)
{
	struct buf *part = &e->made.list[e->made.count++];

	ASSERT(e->made.count <= STEP_PARTS);
	buf_init(part, EXPORT_BYTES_MAX);
	if (e->stock.count > 0)
		*part = e->stock.list[--e->stock.count];
	part->max = EXPORT_BYTES_MAX;
	return part;
}

static int pack(struct export_job *e, struct buf *plain)
{
	struct buf *part = new_part(e);
	int rc = gzip_out_put(e->gzip, buf_span(plain), GZIP_OUT_PART, part);

	metrics_add(METRICS_QUERY_GZIP_PLAIN, (int64_t)plain->len);
	metrics_add(METRICS_QUERY_GZIP_PACKED, (int64_t)part->len);
	export_give_back(e->run, plain);
	return rc;
}

static int take_parts(struct export_job *e)
{
	struct buf part;
	int rc = 0;

	while (rc == 0 && export_take(e->run, &part)) {
		if (e->gzip)
			rc = pack(e, &part);
		else
			*new_part(e) = part;
	}
	if (rc == 0 && e->gzip && export_done(e->run))
		rc = gzip_out_put(e->gzip, SPAN_NONE, GZIP_OUT_END, new_part(e));
	return rc < 0 ? diag_set(&e->base.why, rc, "", -1, "cannot pack the events") : 0;
}

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct export_job *e = (struct export_job *)j;
	int rc = open_run(e, snap);

	if (rc < 0)
		return rc;
	ASSERT(e->made.count == 0);
	e->rc = export_step(e->run, engine, e->pieces, &j->why);
	if (e->rc == 0)
		e->rc = take_parts(e);
	e->done = e->rc < 0 || export_done(e->run);
	return 0;
}

/* ---------------------------------------------------------------- parts */

static void free_parts(struct parts *p)
{
	for (size_t i = 0; i < p->count; i++)
		buf_fini(&p->list[i]);
	p->count = 0;
}

static void take_made(struct export_job *e)
{
	for (size_t i = 0; i < e->made.count; i++) {
		ASSERT(e->ready.count < READY_PARTS);
		e->base.q->exports_ready += e->made.list[i].len;
		e->ready.list[e->ready.count++] = e->made.list[i];
	}
	e->made.count = 0;
}

/* Where many export, or many bytes wait for clients, each waits for its own client, one part in hand. */
static bool memory_is_short(struct query *q)
{
	uint64_t held = http_server_counters(q->server)->held_bytes + q->exports_ready;

	return q->exports > WIDE_EXPORTS || held > LIMIT_QUERY_HELD_BYTES / SHORT_PART;
}

/* The memory of a part that has left; where it is short, none is kept. */
static void take_back(struct export_job *e)
{
	struct buf part;

	if (!http_call_take_back(e->base.call, &part))
		return;
	if (e->spare.count < SPARE_PARTS && !memory_is_short(e->base.q))
		e->spare.list[e->spare.count++] = part;
	else
		buf_fini(&part);
}

static void give_first(struct export_job *e)
{
	struct parts *p = &e->ready;

	ASSERT(e->base.q->exports_ready >= p->list[0].len);
	e->base.q->exports_ready -= p->list[0].len;
	http_call_give(e->base.call, &p->list[0]);
	take_back(e);
	p->count--;
	memmove(&p->list[0], &p->list[1], p->count * sizeof p->list[0]);
}

/* ---------------------------------------------------------------- the loop's part */

static void log_failure(const struct export_job *e)
{
	if (e->rc < 0 && e->rc != -ECANCELED)
		LOGGER(LOGGER_ERROR, "query", "an export failed", LOGGER_DIAG(&e->base.why));
}

/* A CSV has no place to say that something is missing: it does not end as a whole one does. */
static bool is_whole(const struct export_job *e)
{
	return e->rc == 0 &&
	       (e->req.format != EXPORT_CSV || export_result(e->run)->partial == ENGINE_WHOLE);
}

static bool wants_step(struct export_job *e)
{
	bool narrow = memory_is_short(e->base.q);

	e->pieces = narrow ? 1 : EXPORT_PIECES_MAX;
	if (narrow)
		return e->ready.count == 0 && !http_call_full(e->base.call);
	return e->ready.count <= AHEAD_PARTS;
}

/* The worker has the run from now on. */
static void begin_step(struct export_job *e)
{
	while (e->spare.count > 0) {
		struct buf *part = &e->spare.list[--e->spare.count];

		if (!e->gzip)
			export_give_back(e->run, part);
		else if (e->stock.count < SPARE_PARTS)
			e->stock.list[e->stock.count++] = *part;
		else
			buf_fini(part);
	}
	api_job_again(&e->base);
}

/* Gives what the connection takes, then sees to the next step or ends. The job may be gone after it. */
static void go_on(struct export_job *e)
{
	while (e->ready.count && !http_call_full(e->base.call))
		give_first(e);
	if (!e->base.kept)
		return;
	if (e->done && e->ready.count == 0 && !http_call_full(e->base.call))
		api_job_end(&e->base, is_whole(e));
	else if (!e->done && wants_step(e))
		begin_step(e);
}

static void on_drain(void *arg, struct http_call *call)
{
	struct export_job *e = arg;

	ASSERT(e->base.call == call);
	take_back(e);
	go_on(e);
}

static void begin(struct export_job *e)
{
	char fields[HEAD_BYTES];
	const struct http_call_head head = {
		.status = 200, .type = export_content_type(e->req.format), .fields = fields
	};

	snprintf(fields, sizeof fields,
		"Content-Disposition: attachment; filename=\"astrolabe-events.%s\"\r\n%s",
		export_format_name(e->req.format), e->gzip ? API_JOB_PACKED : API_JOB_PLAIN);
	api_job_stream(&e->base, &head, on_drain);
}

static bool keep(struct api_job *j)
{
	struct export_job *e = (struct export_job *)j;

	/* Nothing was sent yet: the failure can still be told. */
	if (!j->streaming && e->rc < 0) {
		j->rc = e->rc;
		return false;
	}
	if (!j->streaming)
		begin(e);
	log_failure(e);
	take_made(e);
	go_on(e);
	return true;
}

/* ---------------------------------------------------------------- beginning and end */

static void count(const struct export_job *e)
{
	struct engine_result r;

	if (!e->run)
		return;
	r = *export_result(e->run);
	if (!e->done || e->rc < 0 || e->base.gone)
		r.partial = ENGINE_PARTIAL_CANCELED;
	if (r.partial == ENGINE_PARTIAL_CANCELED)
		metrics_inc(METRICS_QUERY_EXPORTS_CUT);
	api_job_count(&r);
}

static void fini(struct api_job *j)
{
	struct export_job *e = (struct export_job *)j;

	for (size_t i = 0; i < e->ready.count; i++)
		j->q->exports_ready -= e->ready.list[i].len;
	free_parts(&e->ready);
	free_parts(&e->made);
	free_parts(&e->spare);
	free_parts(&e->stock);
	gzip_out_free(&e->gzip);
	count(e);
	export_close(&e->run);
	export_request_fini(&e->req);
	ASSERT(j->q->exports > 0);
	j->q->exports--;
}

static int take(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	return export_param(&((struct export_job *)j)->req, name, value, err);
}

void api_export_get(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct export_job), .run = run, .keep = keep, .fini = fini
	};
	struct query *q = arg;
	struct export_job *e = api_job_new(q, call, &kind);
	struct engine_err err;

	if (!e)
		return;
	export_request_init(&e->req);
	e->pieces = memory_is_short(q) ? 1 : EXPORT_PIECES_MAX;
	q->exports++;
	if (e->base.gzip)
		e->gzip = gzip_out_new();
	if (api_job_params(&e->base, take) < 0)
		return;
	if (export_request_check(&e->req, &err) < 0) {
		api_job_refuse(&e->base, &err);
		return;
	}
	if (http_call_request(call)->method == HTTP_PARSE_HEAD) {
		begin(e);
		api_job_end(&e->base, true);
		return;
	}
	if (q->exports > LIMIT_QUERY_EXPORTS) {
		metrics_inc(METRICS_QUERY_EXPORTS_REFUSED);
		api_job_busy(&e->base, "too many exports are under way");
		return;
	}
	metrics_inc(METRICS_QUERY_EXPORTS);
	api_job_start(&e->base);
}
