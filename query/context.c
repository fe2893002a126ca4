#include "query/context.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/exec.h"

enum {
	GIVEN_BEFORE = 1 << 0,
	GIVEN_AFTER = 1 << 1,
	GIVEN_SAME = 1 << 2,
	ID_TEXT_BYTES = 24,
};

/* ---------------------------------------------------------------- parameters */

void context_request_init(struct context_request *req, uint64_t id)
{
	*req = (struct context_request){ .id = id,
		.budget_ns = LIMIT_QUERY_MS * CLOCK_NS_PER_MS,
		.budget_bytes = LIMIT_QUERY_PAGE_BYTES };
}

static int refuse(struct engine_err *err, int code, const char *error, const char *hint)
{
	snprintf(err->error, sizeof err->error, "%s", error);
	snprintf(err->hint, sizeof err->hint, "%s", hint);
	err->code = code;
	return code;
}

static int read_side(struct span value, uint32_t *out, struct engine_err *err)
{
	uint32_t n = 0;
	bool good = value.n > 0 && value.n <= 4;

	for (size_t i = 0; good && i < value.n; i++) {
		good = value.p[i] >= '0' && value.p[i] <= '9';
		n = n * 10 + (uint32_t)(value.p[i] - '0');
	}
	if (!good || n > CONTEXT_SIDE_MAX)
		return refuse(err, ERR_RANGE, "not a number from 0 to 1000",
			"so many events stand on this side at most");
	*out = n;
	return 0;
}

static int read_same_one(struct span name, uint32_t *out, struct engine_err *err)
{
	int field = event_text_find(name);

	if (span_eq(name, SPAN_LIT("entity"))) {
		*out |= 1u << EVENT_TEXT_ENTITY_TYPE | 1u << EVENT_TEXT_ENTITY_ID;
		return 0;
	}
	if (field < 0)
		return refuse(err, ERR_UNKNOWN, "neither `entity` nor the name of a text field",
			"as same=entity or same=user_id,host");
	*out |= 1u << field;
	return 0;
}

static int read_same(struct span value, uint32_t *out, struct engine_err *err)
{
	size_t at = 0;

	do {
		const uint8_t *comma = memchr(value.p + at, ',', value.n - at);
		size_t end = comma ? (size_t)(comma - value.p) : value.n;
		int rc = read_same_one(span_of(value.p + at, end - at), out, err);

		if (rc < 0)
			return rc;
		at = end + 1;
	} while (at <= value.n);
	return 0;
}

static int read_one(
	struct context_request *req, unsigned which, struct span value, struct engine_err *err)
{
	if (req->given & which)
		return refuse(err, ERR_RANGE, "given twice", "give it once");
	req->given |= which;
	if (which == GIVEN_SAME)
		return read_same(value, &req->same, err);
	return read_side(value, which == GIVEN_BEFORE ? &req->before : &req->after, err);
}

int context_param(
	struct context_request *req, struct span name, struct span value, struct engine_err *err)
{
	static const struct {
		const char *name;
		unsigned which;
	} params[] = { { "before", GIVEN_BEFORE }, { "after", GIVEN_AFTER },
		{ "same", GIVEN_SAME } };

	snprintf(err->field, sizeof err->field, "%.*s", (int)(name.n < 31 ? name.n : 31),
		name.n ? (const char *)name.p : "");
	for (size_t i = 0; i < ARRAY_COUNT(params); i++) {
		if (span_eq(name, span_str(params[i].name)))
			return read_one(req, params[i].which, value, err);
	}
	return refuse(err, ERR_UNKNOWN, "no such parameter", "there are before, after and same");
}

/* ---------------------------------------------------------------- running */

struct run {
	struct engine *engine;
	struct store_snapshot *snap;
	const struct context_request *req;
	int64_t began_ns;
	struct context_result *out;
	struct diag *d;
};

static void add_stats(struct context_result *out, const struct engine_result *r)
{
	exec_stats_add(&out->stats.scan, &r->stats.scan);
	out->stats.units_total += r->stats.units_total;
	out->stats.units_visited += r->stats.units_visited;
	out->stats.units_counted += r->stats.units_counted;
	if (r->stats.threads > out->stats.threads)
		out->stats.threads = r->stats.threads;
	if (out->partial == ENGINE_WHOLE)
		out->partial = r->partial;
}

/* A parameter made here; what is wrong with it is the text of an event that is too long. */
static int set_param(struct engine_request *q, const char *name, struct span value)
{
	struct engine_err err;

	return engine_param(q, span_str(name), value, &err) < 0 ? CONTEXT_LONG_TEXT : 0;
}

static int run_one(struct run *r, struct engine_request *q, struct engine_result *out)
{
	int64_t spent_ns = clock_mono_ns() - r->began_ns;
	int rc;

	q->want_total = false;
	q->budget_bytes = r->req->budget_bytes;
	q->budget_ns = 0;
	if (r->req->budget_ns)
		q->budget_ns = spent_ns < r->req->budget_ns ? r->req->budget_ns - spent_ns : 1;
	rc = engine_run(r->engine, r->snap, q, out, r->d);
	if (rc == 0)
		add_stats(r->out, out);
	return rc;
}

static int find_event(struct run *r)
{
	char id[ID_TEXT_BYTES];
	struct engine_request q;
	struct engine_err err;
	int rc;

	engine_request_init(&q);
	snprintf(id, sizeof id, "%" PRIu64, r->req->id);
	rc = set_param(&q, "id", span_str(id));
	if (rc == 0)
		rc = engine_request_check(&q, &err);
	if (rc == 0)
		rc = run_one(r, &q, &r->out->event);
	engine_request_fini(&q);
	return rc;
}

/* The filters that make an event one of the context. */
static int ask_same(struct run *r, struct engine_request *q)
{
	const struct event *ev = &r->out->event.events[0];
	int rc = 0, asked = 0;

	for (int i = 0; i < EVENT_TEXT_COUNT && rc == 0; i++) {
		if (!(r->req->same & 1u << i) || !ev->text[i].p)
			continue;
		rc = set_param(q, event_text_name((enum event_text)i), ev->text[i]);
		asked++;
	}
	return rc || asked || !r->req->same ? rc : CONTEXT_NO_TEXT;
}

static int run_side(
	struct run *r, enum engine_order order, uint32_t limit, struct engine_result *out)
{
	const struct event *ev = &r->out->event.events[0];
	struct engine_request q;
	struct engine_err err;
	int rc;

	engine_request_init(&q);
	q.order = order;
	q.limit = limit;
	rc = ask_same(r, &q);
	if (rc == 0)
		rc = engine_request_check(&q, &err);
	if (rc == ERR_LIMIT)
		rc = CONTEXT_LONG_TEXT;
	q.place = (struct engine_place){ .set = true,
		.time_ns = ev->time_ns,
		.id = ev->id,
		.newest = store_snapshot_committed(r->snap) };
	if (rc == 0 && limit > 0)
		rc = run_one(r, &q, out);
	engine_request_fini(&q);
	return rc;
}

static void reverse(struct engine_result *r)
{
	for (size_t i = 0, k = r->count; i + 1 < k; i++) {
		struct event ev = r->events[i];

		r->events[i] = r->events[--k];
		r->events[k] = ev;
	}
}

int context_run(struct engine *e, struct store_snapshot *snap, const struct context_request *req,
	struct context_result *out, struct diag *d)
{
	struct run r = { .engine = e,
		.snap = snap,
		.req = req,
		.began_ns = clock_mono_ns(),
		.out = out,
		.d = d };
	int rc;

	ASSERT(req->before <= CONTEXT_SIDE_MAX);
	ASSERT(req->after <= CONTEXT_SIDE_MAX);
	memset(out, 0, sizeof *out);
	rc = find_event(&r);
	if (rc == 0 && out->event.count == 0)
		rc = CONTEXT_NO_EVENT;
	if (rc == 0)
		rc = run_side(&r, ENGINE_ORDER_DESC, req->before, &out->before);
	if (rc == 0)
		rc = run_side(&r, ENGINE_ORDER_ASC, req->after, &out->after);
	reverse(&out->before);
	out->stats.us = (uint64_t)(clock_mono_ns() - r.began_ns) / CLOCK_NS_PER_US;
	if (rc < 0)
		context_result_fini(out);
	return rc;
}

void context_result_fini(struct context_result *out)
{
	engine_result_fini(&out->event);
	engine_result_fini(&out->before);
	engine_result_fini(&out->after);
}
