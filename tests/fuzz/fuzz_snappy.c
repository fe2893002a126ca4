/* Goal: no block makes the decoder of Snappy read or write outside its buffers, or ask for too much. */
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/wire/snappy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t bytes;
	uint8_t *out;

	if (snappy_bytes(span_of(data, n), &bytes) < 0)
		return 0;
	ASSERT(bytes <= 22 * n);
	out = malloc(bytes ? bytes : 1);
	ASSERT(out);
	(void)snappy_decode(span_of(data, n), out, bytes);
	free(out);
	return 0;
}
