/*
 * Goal: the HTTP parser reads a stream of requests the same in one piece as in any other, stays inside
 * its bytes, and never takes more than its limits.
 * Method: the first byte chooses where the rest is cut; what was understood must not depend on it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/http/http_parse.h"
#include "proto/http/http_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_parse_limits limits = { 512, 2048, 256 };

/* What was understood, as one number: order and content of all requests and bodies, and the end. */
struct seen {
	uint64_t sum;
	unsigned requests;
	int status;
};

static void add(struct seen *s, struct span bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		s->sum = (s->sum ^ bytes.p[i]) * UINT64_C(1099511628211);
	s->sum = (s->sum ^ bytes.n) * UINT64_C(1099511628211);
}

static void note(struct seen *s, const struct http_parse_request *r, const struct buf *body)
{
	struct span rest = r->query, name, value;
	struct arena a;

	s->requests++;
	add(s, r->target);
	add(s, r->host);
	add(s, buf_span(body));
	for (size_t i = 0; i < r->fields_count; i++) {
		add(s, r->fields[i].name);
		add(s, r->fields[i].value);
	}
	ASSERT(r->target.n <= limits.line_max);
	ASSERT(body->len <= limits.body_max);
	ASSERT(!r->has_length || r->length == body->len);
	arena_init(&a, 4096);
	while (http_url_param(&rest, &a, &name, &value) == 0) {
		add(s, name);
		add(s, value);
	}
	arena_fini(&a);
}

static struct seen feed(const uint8_t *at, size_t n, size_t first)
{
	static struct http_parse_request r;
	struct seen s = { 0 };
	struct http_parse p;
	struct buf body;
	size_t from = 0, have = first < n ? first : n, took;
	bool in_body = false;
	int rc = 0;

	buf_init(&body, limits.body_max);
	http_parse_init(&p, &limits);
	for (;;) {
		if (!in_body)
			rc = http_parse_head(&p, at + from, have - from, &r, &took);
		else
			rc = http_parse_body(&p, at + from, have - from, &body, &took);
		if (rc < 0)
			break;
		from += took;
		ASSERT(from <= have);
		if (rc == 0 && in_body) {
			note(&s, &r, &body);
			buf_reset(&body);
		}
		if (rc == 0)
			in_body = !in_body;
		else if (took == 0 || from == have) {
			if (have == n)
				break;
			have = n;
		}
	}
	s.status = rc < 0 ? p.status : 0;
	ASSERT(rc >= 0 || p.error);
	buf_fini(&body);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, split;
	size_t cut;

	if (size < 2)
		return 0;
	cut = 1 + (size_t)data[0] * (size - 1) / 256;
	whole = feed(data + 1, size - 1, size - 1);
	split = feed(data + 1, size - 1, cut);
	ASSERT(whole.requests == split.requests);
	ASSERT(whole.sum == split.sum);
	ASSERT(whole.status == split.status);
	return 0;
}
