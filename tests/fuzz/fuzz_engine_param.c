/*
 * Goal: no query string makes the engine's parameters read or write outside their bounds; every refusal
 * names its field and says what is wrong; what is accepted has a sum that its cursor carries.
 */
#include <stdint.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/http/http_url.h"
#include "query/engine.h"
#include "query/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool give_all(struct engine_request *req, struct span rest, struct engine_err *err)
{
	struct span name, value;
	struct arena a;
	int rc;

	arena_init(&a, 1 << 16);
	while ((rc = http_url_param(&rest, &a, &name, &value)) == 0) {
		rc = engine_param(req, name, value, err);
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

static void try_cursor(const struct engine_request *req)
{
	struct engine_place place = req->place, got;
	char text[ENGINE_CURSOR_BYTES];

	place.query_sum = req->query_sum;
	page_cursor_put(&place, text);
	ASSERT(page_cursor_get(span_str(text), &got) == 0);
	ASSERT(got.time_ns == place.time_ns);
	ASSERT(got.id == place.id);
	ASSERT(got.query_sum == place.query_sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_err err = { .code = 0 };
	struct engine_request req;

	engine_request_init(&req);
	if (size && give_all(&req, span_of(data, size), &err) &&
		engine_request_check(&req, &err) == 0) {
		ASSERT(req.limit >= 1);
		ASSERT(req.limit <= ENGINE_LIMIT_MAX);
		ASSERT(req.from_ns <= req.to_ns);
		try_cursor(&req);
	}
	engine_request_fini(&req);
	return 0;
}
