/*
 * Goal: no bytes make the reader of the scrubs' state read past its end or allocate what a count claims,
 * and what it takes is in order.
 */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "storage/scrub_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* With the sums put right, so that the fuzzer gets behind them. */
static void mend(uint8_t *p, size_t n)
{
	uint64_t sum;

	if (n < SCRUB_STATE_HEAD_BYTES)
		return;
	sum = XXH3_64bits(p + SCRUB_STATE_HEAD_BYTES, n - SCRUB_STATE_HEAD_BYTES);
	memcpy(p + 56, &sum, sizeof sum);
	sum = XXH3_64bits(p, 64);
	memcpy(p + 64, &sum, sizeof sum);
}

static void get(const uint8_t *p, size_t n)
{
	struct scrub_state s;

	if (scrub_state_get(p, n, NULL, &s) == 0) {
		ASSERT(n == SCRUB_STATE_HEAD_BYTES + s.count * SCRUB_STATE_ENTRY_BYTES);
		for (size_t i = 1; i < s.count; i++)
			ASSERT(s.entries[i - 1].no < s.entries[i].no);
		for (size_t i = 0; i < s.count; i++)
			ASSERT(scrub_state_checked(&s, s.entries[i].no) == s.entries[i].checked_ns);
	}
	scrub_state_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);

	if (!copy)
		abort();
	memcpy(copy, p, n);
	get(copy, n);
	mend(copy, n);
	get(copy, n);
	free(copy);
	return 0;
}
