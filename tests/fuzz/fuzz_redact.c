/*
 * Goal: no record of deleted events, however damaged, makes a reader read outside it, run for ever, or
 * hold more than its limit.
 * Method: with an odd length the sums of the first copy are put right first, or nothing would get
 *       past them.
 */
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 1 << 14, HEAD_BYTES = 120, BODY_SUM = 104, HEAD_SUM = 112 };

static uint8_t file[INPUT_MAX];

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

static void put_right(size_t copy)
{
	if (copy < HEAD_BYTES)
		return;
	memcpy(file, "ASTRORED\1\0\0\0\0\0\0", 16);
	put64(file + BODY_SUM, XXH3_64bits(file + HEAD_BYTES, copy - HEAD_BYTES));
	put64(file + HEAD_SUM, XXH3_64bits(file, HEAD_SUM));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct redact_info info = { 0 };
	struct idset ids;

	if (n == 0 || n > INPUT_MAX)
		return 0;
	memcpy(file, p, n);
	if (n % 2) {
		n--;
		put_right(n / 2);
	}
	idset_init(&ids, 1 << 22);
	if (redact_decode(span_of(file, n), NULL, "fuzz", &info, &ids, NULL) == 0) {
		uint64_t first = 0, last = 0;

		ASSERT(strlen(info.reason) <= LIMIT_REDACT_REASON);
		ASSERT(idset_run(&ids, 0, UINT64_MAX, &first, &last));
		ASSERT(first == info.id_min || ids.count > info.ids_count);
	}
	idset_fini(&ids);
	return 0;
}
