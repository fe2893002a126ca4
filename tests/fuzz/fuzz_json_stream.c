/*
 * Goal: json_stream on any body: what is told of it does not depend on where it was cut, every value told is
 * whole msgpack, and a stream that has failed stays failed.
 *
 * Input: a byte of flags, a byte that says where to cut, then the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/wire/json_stream.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t sum, count;
};

static void add(struct seen *s, uint64_t v)
{
	s->sum = (s->sum ^ v) * UINT64_C(1099511628211);
}

static void note(struct seen *s, const struct json_stream *j, int rc, const struct buf *value)
{
	char why[JSON_STREAM_TEXT_BYTES];
	struct rcur c = rcur_of(value->p, value->len);

	s->count++;
	add(s, (uint64_t)(int64_t)rc);
	add(s, j->line);
	if (rc != 0) {
		ASSERT(strlen(json_stream_explain(j, why)) > 0);
		return;
	}
	ASSERT(walk_skip(&c) == 0);
	ASSERT(rcur_left(&c) == 0);
	for (size_t i = 0; i < value->len; i++)
		add(s, value->p[i]);
}

/* Each piece in memory of its own, so that a sanitizer sees who reads beyond it. */
static bool feed(struct seen *s, struct json_stream *j, struct span piece, bool last)
{
	uint8_t *copy = malloc(piece.n + 1);
	struct buf value;
	int rc;

	ASSERT(copy);
	if (piece.n > 0)
		memcpy(copy, piece.p, piece.n);
	buf_init(&value, 1 << 20);
	json_stream_feed(j, span_of(copy, piece.n), last);
	while ((rc = json_stream_next(j, &value)) != JSON_STREAM_MORE) {
		note(s, j, rc, &value);
		if (rc < 0)
			break;
	}
	ASSERT(rc > 0 || json_stream_next(j, &value) == rc);
	buf_fini(&value);
	free(copy);
	return rc > 0;
}

static struct seen run(struct span body, size_t cut, unsigned flags)
{
	struct seen s = { 0 };
	struct json_stream j;

	json_stream_init(&j, flags);
	if (feed(&s, &j, span_of(body.p, cut), cut == body.n) && cut < body.n)
		feed(&s, &j, span_of(body.p + cut, body.n - cut), true);
	json_stream_fini(&j);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;
	struct span body;
	unsigned flags;

	if (size < 2 || size > 32 << 10)
		return 0;
	flags = data[0] & 1 ? JSON_STREAM_LINES : 0;
	body = span_of(data + 2, size - 2);
	whole = run(body, body.n, flags);
	cut = run(body, (size_t)data[1] * body.n / 256, flags);
	ASSERT(whole.count == cut.count);
	ASSERT(whole.sum == cut.sum);
	return 0;
}
