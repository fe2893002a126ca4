/*
 * Goal: no bytes make the JSON writer read or write where it must not; what it writes is JSON.
 */
#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct event ev = { .metadata = span_of(data, n) };
	struct buf js, mp;
	int rc;

	buf_init(&js, 64 << 20);
	buf_init(&mp, 64 << 20);
	if (n < 1 << 20 && json_out_value(span_of(data, n), &js) == 0) {
		/* An ext is an object in JSON, so that it may be one level too deep to be read. */
		rc = json_in_text(buf_span(&js), 0, &mp, NULL);
		ASSERT(rc == 0 || rc == ERR_DEPTH || rc == ERR_LIMIT);
	}
	buf_reset(&js);
	buf_reset(&mp);
	ev.text[EVENT_TEXT_DESCRIPTION] = span_of(data, n);
	if (json_out_event(&ev, &js) >= 0) {
		rc = json_in_text(buf_span(&js), 0, &mp, NULL);
		ASSERT(rc == 0 || rc == ERR_DEPTH || rc == ERR_LIMIT);
	}
	buf_fini(&js);
	buf_fini(&mp);
	return 0;
}
