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
	/* What is packed: parts of one step, and the head and the tail of the whole, and the end. */
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

/* Of plain text the loop takes the parts from the run, also while a step makes others. */
struct export_job {
	struct api_job base;
	struct export_request req;
	struct export_run *run;
	unsigned pieces; /* of the next step */
	size_t waiting;  /* bytes of parts that are ready; counted in exports_ready */
	int rc;          /* of the last step */
	/* For a client that takes it packed. */
	struct gzip_out *gzip; /* NULL: plain */
	struct parts made;     /* by the worker, in the last step */
	struct parts stock;    /* the worker's: memory for what is packed */
	struct parts ready;    /* the loop's: to be given to the connection */
	struct parts spare;    /* the loop's: memory of parts that were given, for the next step */
	bool packed;           /* no further step */
};

/* ---------------------------------------------------------------- the worker's part */

/* The thread of the step or its helper. */
static bool on_part(void *arg)
{
	struct export_job *e = arg;

	return !api_job_call(&e->base);
}

/* The snapshot stays until the client has taken the last event. */
static int open_run(struct export_job *e, const struct store_snapshot *snap)
{
	struct store_snapshot *kept;
	int rc;

	if (e->run)
		return 0;
	if (store_snapshot_slim(snap, &kept) < 0)
		return diag_set(&e->base.why, -ENOMEM, "", -1, "cannot begin the export");
	rc = export_open(kept, &e->req, &e->run, &e->base.why);
	if (rc < 0) {
		store_snapshot_free(&kept);
		return rc;
	}
	e->base.snap = kept;
	if (!e->gzip)
		export_on_part(e->run, on_part, e);
	return 0;
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

static int pack_parts(struct export_job *e)
{
	struct buf part;
	int rc = 0;

	while (rc == 0 && export_take(e->run, &part))
		rc = pack(e, &part);
	e->packed = rc < 0 || export_done(e->run);
	if (rc == 0 && e->packed)
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
	if (e->rc == 0 && e->gzip)
		e->rc = pack_parts(e);
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
		e->ready.list[e->ready.count++] = e->made.list[i];
	}
	e->made.count = 0;
}

/* The next part to be sent, if it is ready. */
static bool next_part(struct export_job *e, struct buf *out)
{
	struct parts *p = &e->ready;

	if (!e->gzip)
		return export_take(e->run, out);
	if (p->count == 0)
		return false;
	*out = p->list[0];
	p->count--;
	memmove(&p->list[0], &p->list[1], p->count * sizeof p->list[0]);
	return true;
}

static size_t count_ready(struct export_job *e, size_t *out_bytes)
{
	if (!e->gzip)
		return export_waiting(e->run, out_bytes);
	*out_bytes = 0;
	for (size_t i = 0; i < e->ready.count; i++)
		*out_bytes += e->ready.list[i].len;
	return e->ready.count;
}

/* Their bytes are counted. */
static size_t parts_ready(struct export_job *e)
{
	size_t bytes, n = count_ready(e, &bytes);

	ASSERT(e->base.q->exports_ready >= e->waiting);
	e->base.q->exports_ready += bytes - e->waiting;
	e->waiting = bytes;
	return n;
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
	if (memory_is_short(e->base.q))
		buf_fini(&part);
	else if (!e->gzip)
		export_give_back(e->run, &part);
	else if (e->spare.count < SPARE_PARTS)
		e->spare.list[e->spare.count++] = part;
	else
		buf_fini(&part);
}

/* What is ready, as long as the connection takes it. */
static void give_parts(struct export_job *e)
{
	struct buf part;

	while (!http_call_full(e->base.call) && next_part(e, &part)) {
		http_call_give(e->base.call, &part);
		take_back(e);
	}
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

static bool wants_step(struct export_job *e, size_t ready)
{
	bool narrow = memory_is_short(e->base.q);

	e->pieces = narrow ? 1 : EXPORT_PIECES_MAX;
	if (narrow)
		return ready == 0 && !http_call_full(e->base.call);
	return ready <= AHEAD_PARTS;
}

/* The worker has the run from now on. */
static void begin_step(struct export_job *e)
{
	while (e->spare.count > 0) {
		struct buf *part = &e->spare.list[--e->spare.count];

		if (e->stock.count < SPARE_PARTS)
			e->stock.list[e->stock.count++] = *part;
		else
			buf_fini(part);
	}
	api_job_again(&e->base);
}

/* No further part will come. */
static bool is_over(struct export_job *e)
{
	if (e->rc < 0)
		return true;
	return e->gzip ? e->packed && e->ready.count == 0 : export_done(e->run);
}

/* Gives what the connection takes, then sees to the next step or ends. The job may be gone after it. */
static void go_on(struct export_job *e)
{
	size_t ready;

	give_parts(e);
	ready = parts_ready(e);
	if (!e->base.kept)
		return;
	if (is_over(e)) {
		if (!http_call_full(e->base.call))
			api_job_end(&e->base, is_whole(e));
	} else if (wants_step(e, ready)) {
		begin_step(e);
	}
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

/* A part is there before the step has ended. */
static void called(struct api_job *j)
{
	struct export_job *e = (struct export_job *)j;

	if (!j->streaming)
		begin(e);
	go_on(e);
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

static void count(struct export_job *e)
{
	struct engine_result r;

	if (!e->run)
		return;
	r = *export_result(e->run);
	if (e->base.gone || !is_over(e) || e->rc < 0)
		r.partial = ENGINE_PARTIAL_CANCELED;
	if (r.partial == ENGINE_PARTIAL_CANCELED)
		metrics_inc(METRICS_QUERY_EXPORTS_CUT);
	api_job_count(&r);
}

static void fini(struct api_job *j)
{
	struct export_job *e = (struct export_job *)j;

	j->q->exports_ready -= e->waiting;
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
	static const struct api_job_kind kind = { .bytes = sizeof(struct export_job),
		.run = run,
		.called = called,
		.keep = keep,
		.fini = fini };
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
