#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "query/export.h"
#include "query/live_int.h"

enum {
	/* What the filters say, written out twice, and the fields. */
	KEY_BYTES = 4 * LIMIT_EXPR_TEXT_BYTES + LIMIT_COLUMNS_BYTES + (64 << 10),
};

struct live_question *live_question_new(void)
{
	struct live_question *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	engine_request_init(&q->req);
	columns_init(&q->fields);
	buf_init(&q->key, KEY_BYTES);
	q->req.want_total = false;
	q->req.threads = 1;
	q->req.limit = LIMIT_LIVE_EVENTS;
	q->req.budget_bytes = LIMIT_LIVE_PAGE_BYTES;
	return q;
}

void live_question_free(struct live_question **q)
{
	if (!*q)
		return;
	ASSERT(!(*q)->tails);
	engine_request_fini(&(*q)->req);
	columns_fini(&(*q)->fields);
	buf_fini(&(*q)->key);
	free(*q);
	*q = NULL;
}

/* Of /api/logs, but of no meaning where events come as they come. */
static bool is_of_pages(struct span name)
{
	static const char *const names[] = { "order", "limit", "offset", "cursor", "wait", "total",
		"count", "explain" };

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (span_eq(name, span_str(names[i])))
			return true;
	}
	return false;
}

int live_question_param(
	struct live_question *q, struct span name, struct span value, struct engine_err *err)
{
	if (span_eq(name, SPAN_LIT("fields")))
		return export_param_columns(&q->fields, "fields", value, err);
	if (!is_of_pages(name)) {
		q->has_after |= span_eq(name, SPAN_LIT("after"));
		return engine_param(&q->req, name, value, err);
	}
	*err = (struct engine_err){ .code = ERR_RANGE };
	snprintf(err->field, sizeof err->field, "%.*s", (int)name.n, (const char *)name.p);
	snprintf(err->error, sizeof err->error, "has no meaning for a live tail");
	snprintf(err->hint, sizeof err->hint, "leave it out, or ask /api/logs");
	return err->code;
}

/* What is asked, in one form, however it was written. */
static int make_key(struct live_question *q)
{
	struct buf *key = &q->key;

	engine_explain_where(&q->req, key);
	buf_printf(key, "%" PRId64 ",%" PRId64, q->req.from_ns, q->req.to_ns);
	for (size_t i = 0; i < q->fields.count; i++) {
		buf_put_u8(key, ',');
		buf_put_span(key, q->fields.list[i].name);
	}
	return key->err;
}

int live_question_check(struct live_question *q, struct engine_err *err)
{
	int rc;

	/* `after` is of one tail; what is asked is the same wherever it begins. */
	q->after = q->req.after;
	q->req.after = 0;
	q->req.order = ENGINE_ORDER_ARRIVAL;
	rc = engine_request_check(&q->req, err);
	if (rc < 0)
		return rc;
	rc = make_key(q);
	if (rc < 0) {
		*err = (struct engine_err){ .code = rc, .field = "q" };
		snprintf(err->error, sizeof err->error, "the filters are too large together");
	}
	return rc;
}
