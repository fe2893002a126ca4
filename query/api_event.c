#include "query/api_event.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/http/http_url.h"
#include "query/answer.h"
#include "query/api_job.h"
#include "query/context.h"

enum { ID_ARENA_BYTES = 4096, ID_DIGITS_MAX = 20 };

struct ask {
	struct api_job base;
	struct context_request req;
	bool around; /* the context is asked for, not the event alone */
};

/* ---------------------------------------------------------------- the worker's part */

static void put_cursor(const char *name, const char *cursor, struct buf *out)
{
	buf_printf(out, ",\"%s\":", name);
	if (cursor[0])
		buf_printf(out, "\"%s\"", cursor);
	else
		buf_put_str(out, "null");
}

static int put_list(const char *name, const struct engine_result *r, struct buf *out)
{
	int rc;

	buf_printf(out, ",\"%s\":[", name);
	rc = answer_put_events(r, NULL, out);
	buf_put_u8(out, ']');
	return rc;
}

static int put_around(const struct context_result *r, struct buf *out)
{
	int rc = put_list("before", &r->before, out);

	if (rc == 0)
		rc = put_list("after", &r->after, out);
	put_cursor("earlier", r->before.next, out);
	put_cursor("later", r->after.next, out);
	return rc;
}

/* Of the two lists, whichever has some: what the event's own search met does not matter any more. */
static void put_damage(const struct context_result *r, struct buf *out)
{
	answer_put_damage(r->before.damage_count ? &r->before : &r->after, out);
}

static int put_body(struct ask *a, const struct context_result *r)
{
	struct buf *out = &a->base.body;
	int rc;

	buf_put_str(out, "{\"status\":\"success\",\"log\":");
	rc = answer_put_events(&r->event, NULL, out);
	if (rc == 0 && a->around)
		rc = put_around(r, out);
	if (rc < 0)
		return rc;
	if (r->partial != ENGINE_WHOLE && a->around) {
		buf_printf(out, ",\"partial\":\"%s\"", engine_partial_name(r->partial));
		put_damage(r, out);
	}
	answer_put_stats(&r->stats, r->event.count + r->before.count + r->after.count, out);
	buf_put_str(out, "}\n");
	return out->err;
}

/* Not found is said for certain only when the whole store could be looked through. */
static void explain_none(struct ask *a, const struct context_result *r)
{
	struct api_job *j = &a->base;

	if (r->partial == ENGINE_WHOLE) {
		snprintf(j->problem_text, sizeof j->problem_text,
			"the newest id is %" PRIu64 "; older events may be retired or deleted",
			r->event.committed);
		j->problem = (struct http_call_problem){ .status = 404,
			.error = "there is no event of that id",
			.field = "id",
			.hint = j->problem_text };
		return;
	}
	j->problem = (struct http_call_problem){ .status = 503,
		.error = "the event was not found in what could be read of the store",
		.field = "id",
		.hint = engine_partial_name(r->partial),
		.fields = "Retry-After: 1\r\n" };
}

static void explain(struct ask *a, int rc, const struct context_result *r)
{
	static const struct http_call_problem no_text = { .status = 400,
		.error = "the event has none of the fields that are to be the same",
		.field = "same",
		.hint = "leave it out, or name a field that the event has" };
	static const struct http_call_problem long_text = { .status = 400,
		.error = "the texts that are to be the same are too long to ask for",
		.field = "same",
		.hint = "leave out the longest one: description, mostly" };
	static const struct http_call_problem large = { .status = 400,
		.error = "the answer is too large",
		.field = "before",
		.hint = "ask for fewer events at once" };

	if (rc == CONTEXT_NO_EVENT)
		explain_none(a, r);
	else if (rc == CONTEXT_NO_TEXT)
		a->base.problem = no_text;
	else if (rc == CONTEXT_LONG_TEXT)
		a->base.problem = long_text;
	else if (rc == ERR_LIMIT)
		a->base.problem = large;
}

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct ask *a = (struct ask *)j;
	struct context_result r;
	int rc = context_run(engine, snap, &a->req, &r, &j->why);

	explain(a, rc, &r);
	if (rc < 0)
		return rc;
	api_job_count(&r.event);
	if (rc == 0 && a->req.before)
		api_job_count(&r.before);
	if (rc == 0 && a->req.after)
		api_job_count(&r.after);
	if (rc == 0) {
		rc = put_body(a, &r);
		explain(a, rc, &r);
	}
	context_result_fini(&r);
	return rc < 0 ? rc : 0;
}

/* ---------------------------------------------------------------- the beginning */

/* Decimal digits that fit 64 bits, and no zero. */
static bool read_id(struct http_call *call, uint64_t *out)
{
	struct arena arena;
	struct span text = SPAN_NONE;
	uint64_t id = 0;
	bool good;

	arena_init(&arena, ID_ARENA_BYTES);
	good = http_url_decode(http_call_part(call), false, &arena, &text) == 0 && text.n > 0 &&
	       text.n <= ID_DIGITS_MAX;
	for (size_t i = 0; good && i < text.n; i++) {
		uint64_t digit = (uint64_t)text.p[i] - '0';

		good = digit <= 9 && id <= (UINT64_MAX - digit) / 10;
		id = id * 10 + digit;
	}
	arena_fini(&arena);
	*out = id;
	return good && id > 0;
}

static int take(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	struct ask *a = (struct ask *)j;

	if (a->around)
		return context_param(&a->req, name, value, err);
	*err = (struct engine_err){ .code = ERR_UNKNOWN,
		.error = "an event by its id has no parameters",
		.hint = "filters belong to /api/logs, before and after to /api/logs/{id}/context" };
	snprintf(err->field, sizeof err->field, "%.*s", (int)(name.n < 31 ? name.n : 31),
		name.n ? (const char *)name.p : "");
	return err->code;
}

static void fini(struct api_job *j)
{
	(void)j;
}

static void begin(struct query *q, struct http_call *call, bool around)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct ask), .run = run, .fini = fini
	};
	static const struct http_call_problem not_an_id = { .status = 404,
		.error = "no such path, and not the id of an event",
		.field = "id",
		.hint = "an id is a number from 1 on, as in /api/logs/7" };
	struct ask *a = api_job_new(q, call, &kind);
	uint64_t id;

	if (!a)
		return;
	if (!read_id(call, &id)) {
		api_job_problem(&a->base, &not_an_id);
		return;
	}
	context_request_init(&a->req, id);
	a->around = around;
	if (around)
		a->req.before = a->req.after = CONTEXT_SIDE_DEFAULT;
	a->req.budget_ns = conf_num(&q->conf, CONF_QUERY_TIME_MAX);
	a->req.budget_bytes = api_job_events_bytes(q) / 2;
	if (api_job_params(&a->base, take) == 0)
		api_job_start(&a->base);
}

void api_event_get(void *arg, struct http_call *call)
{
	begin(arg, call, false);
}

void api_event_context(void *arg, struct http_call *call)
{
	begin(arg, call, true);
}
