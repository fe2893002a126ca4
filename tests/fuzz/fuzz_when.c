/* Goal: no time text, sane or not, makes the parsers of times read past its end or disagree. */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/timefmt.h"
#include "proto/base/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* What is parsed and written out is parsed to the same instant. */
static void round_trip(struct span text)
{
	char out[TIMEFMT_BYTES_MAX];
	struct timefmt t, again;

	if (timefmt_parse(text, &t) < 0)
		return;
	ASSERT(t.unit_ns > 0);
	ASSERT(timefmt_parse(span_of(out, timefmt_put(out, t.ns)), &again) == 0);
	ASSERT(again.ns == t.ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct span text = span_of(p, n);
	struct diag d;
	struct when w;
	int64_t ns;

	round_trip(text);
	if (when_parse(text, WHEN_UTC, INT64_C(1795201560000000000), &w, &d) == 0)
		ASSERT(w.unit_ns > 0);
	if (when_parse(text, WHEN_LOCAL, INT64_C(1795201560000000000), &w, &d) == 0)
		ASSERT(w.unit_ns > 0);
	if (when_duration(text, &ns, &d) == 0)
		ASSERT(ns >= 0);
	return 0;
}
