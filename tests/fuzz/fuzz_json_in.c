/*
 * Goal: no text makes the JSON reader read or write where it must not; what it accepts is msgpack
 *       that goes to JSON and comes back byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_round_trip(struct span mp)
{
	struct rcur c = rcur_of(mp.p, mp.n);
	struct buf js, again;

	ASSERT(walk_skip(&c) == 0);
	ASSERT(rcur_left(&c) == 0);
	buf_init(&js, 64 << 20);
	buf_init(&again, 64 << 20);
	ASSERT(json_out_value(mp, &js) == 0);
	ASSERT(json_in_text(buf_span(&js), 0, &again, NULL) == 0);
	ASSERT(span_eq(buf_span(&again), mp));
	buf_fini(&js);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct json_in_error e;
	struct buf strict, repaired;
	char why[128];
	int rc, lenient;

	buf_init(&strict, 64 << 20);
	buf_init(&repaired, 64 << 20);
	rc = json_in_text(span_of(data, n), 0, &strict, &e);
	if (rc < 0) {
		ASSERT(strict.len == 0);
		ASSERT(e.off <= n);
		ASSERT((e.off == n) == (e.found < 0));
		ASSERT(strlen(json_in_explain(&e, why, sizeof why)) < sizeof why);
	}
	lenient = json_in_text(span_of(data, n), JSON_IN_REPAIR, &repaired, NULL);
	if (lenient == 0)
		check_round_trip(buf_span(&repaired));
	if (rc == 0) {
		ASSERT(lenient == 0);
		ASSERT(span_eq(buf_span(&strict), buf_span(&repaired)));
	}
	buf_fini(&strict);
	buf_fini(&repaired);
	return 0;
}
