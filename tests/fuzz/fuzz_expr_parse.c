/*
 * Goal: no text makes the parser of the query language read past its end, and what it takes is printed
 *       as text that parses to the same normal tree, which holds for the same events.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct expr_parse_conf conf = { INT64_C(1795176000) * 1000000000, WHEN_UTC };

static const struct event *events(size_t *out_count)
{
	static const uint8_t metadata[] = { 0x84, 0xa1, 'a', 0x81, 0xa1, 'b', 0x07, 0xa1, 'c', 0xc3,
		0xa1, 'd', 0xa3, '4', '0', '4', 0xa1, 'e', 0xcb, 0x40, 0x29, 0, 0, 0, 0, 0, 0 };
	static struct event all[3];

	for (int i = 0; i < 3; i++) {
		all[i] = (struct event){ .id = (uint64_t)i * 7,
			.time_ns = conf.now_ns - i * INT64_C(3600000000000),
			.received_ns = conf.now_ns,
			.severity = (uint8_t)(i * 3) };
		all[i].text[i] = SPAN_LIT("AUTH");
		all[i].text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("disk \xff of anna is full");
		all[i].text[EVENT_TEXT_HOST] = SPAN_LIT("42");
	}
	all[1].metadata = span_of(metadata, sizeof metadata);
	*out_count = 3;
	return all;
}

static void same(const struct expr *a, const struct expr *b, const struct expr *c)
{
	struct expr_scratch *s = expr_scratch_new();
	size_t count;
	const struct event *ev = events(&count);

	ASSERT(s);
	for (size_t i = 0; i < count; i++) {
		bool want = expr_match(a, &ev[i], s);

		/* Where one was given up, another may have been asked in another order. */
		if (expr_scratch_given_up(s))
			break;
		ASSERT(expr_match(b, &ev[i], s) == want || expr_scratch_given_up(s));
		ASSERT(expr_match(c, &ev[i], s) == want || expr_scratch_given_up(s));
	}
	expr_scratch_free(&s);
}

/* The printed form may be longer than what may be asked. */
static void round_trip(const struct expr *x, const struct expr *normal)
{
	const struct expr *again = NULL;
	struct expr_builder b;
	struct expr_err err;
	struct buf first, second;
	int rc;

	expr_builder_init(&b);
	buf_init(&first, LIMIT_EXPR_BYTES);
	buf_init(&second, LIMIT_EXPR_BYTES);
	expr_print(normal, &first);
	ASSERT(first.err == 0);
	rc = expr_parse(&b, buf_span(&first), &conf, &again, &err);
	ASSERT(rc == 0 || rc == ERR_LIMIT || rc == ERR_DEPTH);
	if (rc == 0) {
		again = expr_normalise(&b, again);
		ASSERT(again || b.err == ERR_LIMIT);
	}
	if (rc == 0 && again) {
		expr_print(again, &second);
		ASSERT(span_eq(buf_span(&first), buf_span(&second)));
		same(x, normal, again);
	}
	buf_fini(&second);
	buf_fini(&first);
	expr_builder_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	/* Of its own size, so that a sanitizer sees a byte too far. */
	uint8_t *text = malloc(n ? n : 1);
	const struct expr *x = NULL, *normal;
	struct expr_builder b;
	struct expr_err err;

	ASSERT(text);
	if (n)
		memcpy(text, p, n);
	expr_builder_init(&b);
	if (expr_parse(&b, span_of(text, n), &conf, &x, &err) < 0) {
		ASSERT(err.at <= n);
		ASSERT(err.error[0]);
	} else {
		normal = expr_normalise(&b, x);
		ASSERT(normal || b.err == ERR_LIMIT);
		if (normal)
			round_trip(x, normal);
	}
	expr_builder_fini(&b);
	free(text);
	return 0;
}
