#include "collector/http_logs.h"

#include <errno.h>
#include <stdio.h>

#include "proto/base/err.h"

struct logs {
	struct json_stream stream;
	uint64_t bytes; /* of the body so far */
};

static struct http_intake_place place(const struct json_stream *s)
{
	if (s->lines)
		return (struct http_intake_place){ "line", s->line };
	return (struct http_intake_place){ "index", s->index };
}

static bool is_map(struct span value)
{
	return (value.p[0] & 0xf0) == 0x80 || value.p[0] == 0xde || value.p[0] == 0xdf;
}

static int refuse_values(struct http_intake_request *r, struct json_stream *s, int rc)
{
	char why[JSON_STREAM_TEXT_BYTES], error[JSON_STREAM_TEXT_BYTES + 40];

	if (rc == -ENOMEM)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	snprintf(error, sizeof error, "line %llu, %s", (unsigned long long)s->line,
		json_stream_explain(s, why));
	return http_intake_refuse(r, rc == ERR_LIMIT ? 413 : 400, error,
		"nothing was stored; send one JSON object, an array of them, or one on each line "
		"as application/x-ndjson, where a bad line costs itself alone");
}

int http_logs_next(struct http_intake_request *r, struct json_stream *s, struct span *out_record,
	struct http_intake_place *out_at)
{
	struct buf *scratch = http_intake_scratch(r);
	char why[JSON_STREAM_TEXT_BYTES];
	int rc;

	for (;;) {
		rc = json_stream_next(s, scratch);
		*out_at = place(s);
		*out_record = buf_span(scratch);
		if (rc < 0)
			return refuse_values(r, s, rc);
		if (rc == JSON_STREAM_BAD)
			http_intake_bad(r, *out_at, json_stream_explain(s, why));
		else if (rc == 0 && !is_map(*out_record))
			http_intake_bad(r, *out_at, "an event is an object");
		else
			return rc;
	}
}

static int begin(struct http_intake_request *r)
{
	struct logs *l = http_intake_state(r);
	bool lines = http_intake_head(r)->type == HTTP_HEAD_LINES;

	json_stream_init(&l->stream, lines ? JSON_STREAM_LINES : 0);
	return 0;
}

static int take(struct http_intake_request *r, struct span bytes, bool last)
{
	struct logs *l = http_intake_state(r);
	struct normalise_input raw = { .has_time = false };
	struct http_intake_place at;
	int rc;

	l->bytes += bytes.n;
	if (last && l->bytes == 0)
		return http_intake_refuse(
			r, 400, "the body is empty", "send a JSON object, or an array of them");
	json_stream_feed(&l->stream, bytes, last);
	while ((rc = http_logs_next(r, &l->stream, &raw.record, &at)) == 0) {
		rc = http_intake_event(r, &raw, at);
		if (rc < 0)
			break;
	}
	return rc < 0 ? rc : 0;
}

static size_t held(struct http_intake_request *r)
{
	return json_stream_bytes(&((struct logs *)http_intake_state(r))->stream);
}

static void fini(struct http_intake_request *r)
{
	json_stream_fini(&((struct logs *)http_intake_state(r))->stream);
}

const struct http_intake_shape http_logs_shape = { .name = "/api/logs",
	.state_bytes = sizeof(struct logs),
	.begin = begin,
	.take = take,
	.held = held,
	.fini = fini };
