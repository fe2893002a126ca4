/*
 * Goal: whatever is posted in whatever pieces, each shape of the collector's HTTP door makes the same of it:
 * records that are whole msgpack and can be normalised, or reasons why not. What the head says is read
 * without trust.
 *
 * Method: the shapes and http_head as they are, over an http_intake that is played by this file.
 *
 * Input: a byte that chooses the shape, one that says where to cut, a line that is query string, content type
 * and forwarded address at once, then the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/http_alerts.h"
#include "collector/http_bulk.h"
#include "collector/http_head.h"
#include "collector/http_jsonline.h"
#include "collector/http_logs.h"
#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---------------------------------------------------------------- the intake, played */

struct http_intake_request {
	void *state;
	struct http_parse_request req;
	struct http_head head;
	struct http_intake_result result;
	uint64_t sum;
};

static struct normalise *normalise;
static struct buf scratch;

static void add(struct http_intake_request *r, const void *p, size_t n)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++)
		r->sum = (r->sum ^ bytes[i]) * UINT64_C(1099511628211);
}

void *http_intake_state(struct http_intake_request *r)
{
	return r->state;
}

const struct http_parse_request *http_intake_request(const struct http_intake_request *r)
{
	return &r->req;
}

const struct http_head *http_intake_head(const struct http_intake_request *r)
{
	return &r->head;
}

const struct http_intake_result *http_intake_result(const struct http_intake_request *r)
{
	return &r->result;
}

struct buf *http_intake_scratch(struct http_intake_request *r)
{
	(void)r;
	return &scratch;
}

int http_intake_event(struct http_intake_request *r, const struct normalise_input *raw,
	struct http_intake_place at)
{
	struct rcur c = rcur_of(raw->record.p, raw->record.n);
	struct event ev;

	ASSERT(walk_skip(&c) == 0);
	ASSERT(rcur_left(&c) == 0);
	ASSERT(at.name);
	r->result.stored++;
	add(r, raw->record.p, raw->record.n);
	normalise_event(normalise, raw, &ev);
	return 0;
}

void http_intake_bad(struct http_intake_request *r, struct http_intake_place at, const char *why)
{
	r->result.rejected++;
	add(r, &at.n, sizeof at.n);
	ASSERT(strlen(why) > 0);
}

int http_intake_refuse(
	struct http_intake_request *r, int status, const char *error, const char *hint)
{
	(void)hint;
	add(r, &status, sizeof status);
	ASSERT(status >= 400);
	ASSERT(strlen(error) > 0);
	return ERR_CANCELED;
}

int http_intake_refuse_field(
	struct http_intake_request *r, const char *field, const char *error, const char *hint)
{
	ASSERT(field);
	return http_intake_refuse(r, 400, error, hint);
}

/* ---------------------------------------------------------------- one request */

static void set_head(struct http_intake_request *r, struct span line)
{
	static const char *const names[] = { "Content-Type", "X-Forwarded-For", "Origin",
		"VL-Stream-Fields", "Content-Encoding" };
	struct http_call_problem p = { .status = 0 };

	r->req.query = line;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		r->req.fields[i].name = span_str(names[i]);
		r->req.fields[i].value = line;
	}
	/* The whole line, then as one without the fields that refuse nearly all. */
	r->req.fields_count = ARRAY_COUNT(names);
	if (http_head_read(&r->req, &r->head, &p) < 0)
		ASSERT(p.status >= 400);
	r->req.fields_count = 2;
	ASSERT(http_head_read(&r->req, &r->head, &p) == 0);
	ASSERT(r->head.peer.n <= 45);
}

static int take(struct http_intake_request *r, const struct http_intake_shape *shape,
	struct span piece, bool last)
{
	uint8_t *copy = malloc(piece.n + 1); /* so that a sanitizer sees who reads beyond */
	int rc;

	ASSERT(copy);
	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	rc = shape->take(r, span_of(copy, piece.n), last);
	ASSERT(rc <= 0);
	ASSERT(shape->held(r) < 64 << 20);
	free(copy);
	return rc;
}

/* The body was taken to its end. */
static void answer(struct http_intake_request *r, const struct http_intake_shape *shape)
{
	struct http_call_head head = { .status = 0 };
	struct buf body;

	if (!shape->answer)
		return;
	buf_init(&body, LIMIT_POST_ANSWER_BYTES);
	r->result.first_id = 1;
	shape->answer(r, &r->result, &head, &body);
	ASSERT(head.status >= 200);
	ASSERT(body.err == 0);
	buf_fini(&body);
}

static struct http_intake_request run(
	const struct http_intake_shape *shape, struct span line, struct span body, size_t cut)
{
	struct http_intake_request r = { .sum = 1 };
	int rc;

	r.state = calloc(1, shape->state_bytes);
	ASSERT(r.state);
	set_head(&r, line);
	rc = shape->begin(&r);
	if (rc == 0)
		rc = take(&r, shape, span_of(body.p, cut), false);
	if (rc == 0)
		rc = take(&r, shape, span_of(body.p + cut, body.n - cut), true);
	if (rc == 0)
		answer(&r, shape);
	shape->fini(&r);
	free(r.state);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_intake_shape *const shapes[] = { &http_logs_shape,
		&http_jsonline_shape, &http_alerts_shape, &http_bulk_shape };
	const struct http_intake_shape *shape;
	struct http_intake_request whole, cut;
	const uint8_t *end;
	struct span line, body;

	if (size < 3 || size > 32 << 10)
		return 0;
	if (!normalise) {
		ASSERT(normalise_new(&normalise) == 0);
		buf_init(&scratch, LIMIT_ENTRY_BYTES);
	}
	shape = shapes[data[0] % ARRAY_COUNT(shapes)];
	end = memchr(data + 2, '\n', size - 2);
	line = span_of(data + 2, end ? (size_t)(end - data - 2) : 0);
	body = span_of(data + 2 + line.n, size - 2 - line.n);
	whole = run(shape, line, body, body.n);
	cut = run(shape, line, body, (size_t)data[1] * body.n / 256);
	ASSERT(whole.result.stored == cut.result.stored);
	ASSERT(whole.result.rejected == cut.result.rejected);
	ASSERT(whole.sum == cut.sum);
	return 0;
}
