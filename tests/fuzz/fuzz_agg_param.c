/*
 * Goal: no query string makes the parameters of an aggregation read or write outside their bounds; every
 * refusal names its field and says what is wrong; what is accepted is within its limits.
 */
#include <stdint.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/http/http_url.h"
#include "query/agg.h"
#include "query/agg_bucket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool give_all(struct agg_request *req, struct span rest, struct engine_err *err)
{
	struct span name, value;
	struct arena a;
	int rc;

	arena_init(&a, 1 << 16);
	while ((rc = http_url_param(&rest, &a, &name, &value)) == 0) {
		rc = agg_param(req, name, value, err);
		if (rc < 0)
			break;
	}
	arena_fini(&a);
	if (rc < 0 && err->code) {
		ASSERT(err->code == rc);
		ASSERT(err->error[0]);
	}
	return rc == HTTP_URL_END;
}

static void check(const struct agg_spec *s)
{
	ASSERT(s->by_count <= AGG_BY_MAX);
	ASSERT(s->calls_count >= 1);
	ASSERT(s->calls_count <= AGG_CALLS_MAX);
	ASSERT(s->limit >= 1);
	ASSERT(s->limit <= AGG_LIMIT_MAX);
	ASSERT(s->bucket_ns >= 0);
	ASSERT(s->bucket_ns <= AGG_BUCKET_NS_MAX);
	ASSERT(s->buckets >= AGG_BUCKET_AUTO_MIN);
	for (uint32_t i = 0; i < s->calls_count; i++) {
		ASSERT(s->calls[i].name.n > 0);
		ASSERT(s->calls[i].quantile >= 0);
		ASSERT(s->calls[i].quantile <= 1);
		ASSERT(s->calls[i].has_field || s->calls[i].function == AGG_COUNT);
	}
	for (uint32_t i = 0; i < s->by_count; i++)
		ASSERT(s->by_names[i].n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_err err = { .code = 0 };
	struct agg_request req;

	agg_request_init(&req);
	if (size && give_all(&req, span_of(data, size), &err) && agg_request_check(&req, &err) == 0)
		check(&req.spec);
	agg_request_fini(&req);
	return 0;
}
