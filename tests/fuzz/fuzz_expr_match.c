/*
 * Goal: no metadata, msgpack or not, makes the tests of an expression read past its end, and a tree and
 *       its normal form agree on it.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/expr/expr_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char question[] =
	"metadata.a=1 or metadata.a.b>2.5 or metadata.a.b.c:x or metadata.a=~\"^x.*y\" or "
	"metadata.b in (true, null, \"1\") or not metadata.a.\"b c\"=* or metadata.c<x";

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct expr_parse_conf conf = { 0, WHEN_UTC };
	struct event ev = { .id = 1 };
	const struct expr *x, *normal;
	struct expr_scratch *s = expr_scratch_new();
	uint8_t *bytes = malloc(n ? n : 1);
	struct expr_builder b;
	struct expr_err err;

	ASSERT(bytes);
	ASSERT(s);
	if (n)
		memcpy(bytes, p, n);
	ev.metadata = span_of(bytes, n);
	expr_builder_init(&b);
	ASSERT(expr_parse(&b, SPAN_LIT(question), &conf, &x, &err) == 0);
	normal = expr_normalise(&b, x);
	ASSERT(normal);
	ASSERT(expr_match(x, &ev, s) == expr_match(normal, &ev, s));
	expr_builder_fini(&b);
	expr_scratch_free(&s);
	free(bytes);
	return 0;
}
