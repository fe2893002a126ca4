#include "query/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/expr/expr_parse.h"
#include "query/engine_param_int.h"
#include "query/page.h"
#include "storage/scan_fetch.h"

enum {
	/* Tables of values beside their bytes. */
	REQUEST_ARENA_BYTES = LIMIT_QUERY_VALUES_BYTES + (64 << 10),
};

void engine_request_init(struct engine_request *req)
{
	*req = (struct engine_request){
		.from_ns = INT64_MIN,
		.to_ns = INT64_MAX,
		.upto = UINT64_MAX,
		.order = ENGINE_ORDER_DESC,
		.limit = ENGINE_LIMIT_DEFAULT,
		.want_total = true,
		.now_ns = clock_wall_ns(),
		.budget_ns = LIMIT_QUERY_MS * CLOCK_NS_PER_MS,
		.budget_bytes = LIMIT_QUERY_PAGE_BYTES,
		.threads = 2,
		.wanted = SCAN_FETCH_ALL,
	};
	arena_init(&req->arena, REQUEST_ARENA_BYTES);
	expr_builder_init(&req->builder);
}

void engine_request_fini(struct engine_request *req)
{
	arena_fini(&req->arena);
	expr_builder_fini(&req->builder);
	memset(req, 0, sizeof *req);
}

/* ---------------------------------------------------------------- contradictions */

static int refuse(struct engine_err *err, const char *field, const char *error, const char *hint)
{
	*err = (struct engine_err){ .code = ERR_RANGE };
	snprintf(err->field, sizeof err->field, "%s", field);
	snprintf(err->error, sizeof err->error, "%s", error);
	snprintf(err->hint, sizeof err->hint, "%s", hint);
	return ERR_RANGE;
}

static int check_places(const struct engine_request *req, struct engine_err *err)
{
	if (req->place.set && (req->given & ENGINE_PARAM_OFFSET))
		return refuse(err, "offset", "a cursor already says where to go on",
			"give cursor or offset, not both");
	if (req->given & ENGINE_PARAM_AFTER) {
		if (req->place.set)
			return refuse(err, "cursor", "`after` already says where to go on",
				"give after or cursor, not both");
		if (req->given & (ENGINE_PARAM_ORDER | ENGINE_PARAM_OFFSET))
			return refuse(err, req->given & ENGINE_PARAM_ORDER ? "order" : "offset",
				"`after` answers in the order of arrival",
				"leave out order and offset");
	} else if (req->given & ENGINE_PARAM_WAIT) {
		return refuse(err, "wait", "there is nothing to wait for without `after`",
			"give after=ID, the newest id you have seen (0 for all)");
	}
	return 0;
}

/* ---------------------------------------------------------------- one expression of all filters */

static const struct expr *numbers_in(
	struct expr_builder *b, enum expr_field_kind kind, const struct engine_numbers *t)
{
	const struct expr_field f = expr_field_of(kind);
	struct expr_range ranges[LIMIT_QUERY_VALUES];

	if (!t)
		return expr_true(b);
	ASSERT(t->count <= LIMIT_QUERY_VALUES);
	for (size_t i = 0; i < t->count; i++) {
		ranges[i].lo = kind == EXPR_FIELD_ID ? (uint64_t)t->values[i]
						     : expr_time_key(t->values[i]);
		ranges[i].hi = ranges[i].lo;
	}
	return expr_ranges(b, &f, ranges, (uint32_t)t->count);
}

/* NULL: refused. */
static const struct expr *parse_q(
	struct engine_request *req, struct span text, struct engine_err *err)
{
	const struct expr_parse_conf conf = { .now_ns = req->now_ns, .zone = WHEN_UTC };
	const struct expr *x = NULL;
	struct expr_err e;

	if (expr_parse(&req->builder, text, &conf, &x, &e) == 0)
		return x;
	*err = (struct engine_err){ .code = e.code, .field = "q", .position = (unsigned)e.at + 1 };
	snprintf(err->error, sizeof err->error, "at position %zu: %s", e.at + 1, e.error);
	snprintf(err->hint, sizeof err->hint, "%s", e.hint);
	return NULL;
}

static int sum_query(struct engine_request *req, struct engine_err *err)
{
	int rc = page_query_sum(req, &req->query_sum);

	if (rc == 0)
		return 0;
	refuse(err, "q", "the expression is too long once it is written out",
		"ask for less at once");
	return err->code = rc;
}

static int make_where(struct engine_request *req, struct engine_err *err)
{
	const struct expr_field description = expr_field_text(EVENT_TEXT_DESCRIPTION);
	struct expr_builder *b = &req->builder;
	const struct expr *x;

	/* A request may be checked again once more of it is known. */
	expr_builder_fini(b);
	expr_builder_init(b);
	x = expr_true(b);
	for (size_t i = 0; req->q && i < req->q->count; i++) {
		const struct expr *one = parse_q(req, req->q->values[i], err);

		if (!one)
			return err->code;
		x = expr_and(b, x, one);
	}
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		const struct engine_texts *t = req->text[i];

		if (t)
			x = expr_and(b, x,
				expr_text_in(b, (enum event_text)i, t->values, (uint32_t)t->count));
	}
	if (req->severity_mask)
		x = expr_and(b, x, expr_severity(b, req->severity_mask));
	x = expr_and(b, x, numbers_in(b, EXPR_FIELD_ID, req->ids));
	x = expr_and(b, x, numbers_in(b, EXPR_FIELD_TIME, req->times));
	x = expr_and(b, x, numbers_in(b, EXPR_FIELD_RECEIVED, req->received));
	if (req->search.n > 0)
		x = expr_and(b, x, expr_contains(b, &description, req->search));
	req->where = expr_normalise(b, x);
	if (req->where)
		return sum_query(req, err);
	refuse(err, "", "the filters are too large together", "ask for fewer values at once");
	return err->code = b->err;
}

int engine_request_check(struct engine_request *req, struct engine_err *err)
{
	int rc = check_places(req, err);

	if (req->place.set)
		req->now_ns = req->place.now_ns;
	if (rc == 0)
		rc = make_where(req, err);
	if (rc < 0)
		return rc;
	if (req->from_ns > req->to_ns)
		return refuse(err, req->spelled_as_time ? "end_time" : "end_date",
			"the range ends before it begins", "exchange the two, or leave one out");
	if (req->place.set && req->place.query_sum != req->query_sum)
		return refuse(err, "cursor", "the cursor belongs to another query",
			"repeat the parameters it came from, or leave it out");
	return 0;
}
