#include "collector/http_loki.h"

#include <errno.h>
#include <stdio.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/loki_push.h"
#include "proto/wire/snappy.h"

struct loki {
	struct loki_push push;
	struct buf unpacked;
	uint64_t index; /* of the line */
	bool json;
};

static int on_entry(void *arg, const struct loki_push_entry *entry)
{
	struct http_intake_request *r = arg;
	struct loki *l = http_intake_state(r);
	struct normalise_input raw = {
		.record = entry->record, .time_ns = entry->time_ns, .has_time = entry->has_time
	};

	return http_intake_event(r, &raw, (struct http_intake_place){ "index", l->index++ });
}

static int begin(struct http_intake_request *r)
{
	struct loki *l = http_intake_state(r);
	const struct http_head *head = http_intake_head(r);

	loki_push_init(&l->push, on_entry, r);
	buf_init(&l->unpacked, LIMIT_LOKI_BODY_BYTES);
	l->json = head->type == HTTP_HEAD_JSON || head->type == HTTP_HEAD_LINES;
	if (head->type != HTTP_HEAD_OTHER || http_head_is(head->media, "application/x-protobuf") ||
		http_head_is(head->media, "application/vnd.google.protobuf"))
		return 0;
	return http_intake_refuse(r, 415, "a type of body that is not taken",
		"send application/x-protobuf, packed with Snappy, or application/json");
}

/* What went wrong with a body, besides what the callback returned. */
static int refuse(struct http_intake_request *r, int rc, const char *what)
{
	char text[200];

	if (rc == ERR_CANCELED)
		return rc;
	if (rc == -ENOMEM)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	snprintf(text, sizeof text, "the body is not %s: %s", what, err_text(rc));
	return http_intake_refuse(r, rc == ERR_LIMIT ? 413 : 400, text, "nothing was stored");
}

static int take_json(struct http_intake_request *r, struct span body)
{
	struct loki *l = http_intake_state(r);
	struct json_in_error e = { .expected = NULL };
	char why[128], text[200];
	int rc = loki_push_json(&l->push, body, &e);

	if (rc >= 0 || rc == ERR_CANCELED || !e.expected || rc == ERR_LIMIT)
		return rc < 0 ? refuse(r, rc, "{\"streams\":[{\"stream\":{},\"values\":[]}]}") : 0;
	snprintf(text, sizeof text, "the body is not JSON: %s",
		json_in_explain(&e, why, sizeof why));
	return http_intake_refuse(r, 400, text, "nothing was stored");
}

static int take_snappy(struct http_intake_request *r, struct span body)
{
	struct loki *l = http_intake_state(r);
	size_t n;
	int rc = snappy_bytes(body, &n);

	if (rc == 0)
		rc = buf_reserve(&l->unpacked, n);
	if (rc == 0)
		rc = snappy_decode(body, l->unpacked.p, n);
	if (rc < 0)
		return refuse(r, rc, "packed with Snappy");
	rc = loki_push_protobuf(&l->push, span_of(l->unpacked.p, n));
	return rc < 0 ? refuse(r, rc, "a push request") : 0;
}

/* Who says nothing of the type sends Snappy; but curl says nothing of JSON either. */
static bool looks_like_json(struct span body)
{
	size_t i = 0;

	while (i < body.n && (body.p[i] == ' ' || body.p[i] == '\n' || body.p[i] == '\r'))
		i++;
	return body.n - i >= 2 && body.p[i] == '{' &&
	       (body.p[i + 1] == '"' || body.p[i + 1] == '}' || body.p[i + 1] <= ' ');
}

static int take(struct http_intake_request *r, struct span body, bool last)
{
	struct loki *l = http_intake_state(r);

	(void)last;
	if (http_intake_head(r)->type == HTTP_HEAD_ANY)
		l->json = looks_like_json(body);
	return l->json ? take_json(r, body) : take_snappy(r, body);
}

static size_t held(struct http_intake_request *r)
{
	struct loki *l = http_intake_state(r);

	return l->unpacked.cap + loki_push_bytes(&l->push);
}

static void fini(struct http_intake_request *r)
{
	struct loki *l = http_intake_state(r);

	loki_push_fini(&l->push);
	buf_fini(&l->unpacked);
}

static void answer(struct http_intake_request *r, const struct http_intake_result *result,
	struct http_call_head *head, struct buf *body)
{
	(void)r;
	head->type = NULL;
	head->status = 204;
	if (result->stored > 0 || result->rejected == 0)
		return;
	head->status = 400;
	head->type = "application/json";
	buf_put_str(
		body, "{\"status\":\"error\",\"error\":\"no line could be taken\",\"errors\":[");
	buf_put_span(body, result->errors);
	buf_put_str(body, "]}\n");
}

const struct http_intake_shape http_loki_shape = { .name = "/loki/api/v1/push",
	.state_bytes = sizeof(struct loki),
	.whole_max = LIMIT_LOKI_BODY_BYTES,
	.other_types = true,
	.begin = begin,
	.take = take,
	.held = held,
	.answer = answer,
	.fini = fini };
