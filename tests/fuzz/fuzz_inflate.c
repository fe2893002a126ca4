/*
 * Goal: no bytes make inflate read or write where it must not, hand out more than it may, or hand
 *       out anything else when they come in other pieces.
 * Method: the first byte of the input says the kind and the size of the pieces of the second run.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/wire/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { PLAIN_BYTES_MAX = 32 << 10, ROOM = 4096 };

static struct inflate *z;

static int feed(const uint8_t *p, size_t n, size_t room, struct buf *got)
{
	uint8_t *copy = malloc(n), *to = malloc(room);
	struct rcur in = rcur_of(copy, n);
	int rc;

	ASSERT(copy);
	ASSERT(to);
	memcpy(copy, p, n);
	do {
		struct wcur out = wcur_of(to, room);

		rc = inflate_next(z, &in, &out);
		buf_put(got, to, (size_t)(out.p - to));
	} while (rc == INFLATE_FULL);
	free(copy);
	free(to);
	return rc;
}

static enum inflate_fault run(enum inflate_kind kind, const uint8_t *p, size_t n, size_t piece,
	size_t room, struct buf *got)
{
	int rc = inflate_begin(z, kind, PLAIN_BYTES_MAX);

	for (size_t at = 0; at < n && rc >= 0; at += piece)
		rc = feed(p + at, piece < n - at ? piece : n - at, room, got);
	if (rc >= 0)
		inflate_end(z);
	ASSERT(got->len <= PLAIN_BYTES_MAX + room);
	ASSERT(inflate_bytes(z) <= INFLATE_BYTES_MAX);
	return inflate_fault(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum inflate_kind kinds[] = { INFLATE_GZIP, INFLATE_ZLIB, INFLATE_ZSTD };
	enum inflate_kind kind;
	struct buf whole, parts;
	enum inflate_fault a, b;

	if (n < 2 || (!z && inflate_new(&z) < 0))
		return 0;
	kind = kinds[data[0] % ARRAY_COUNT(kinds)];
	buf_init(&whole, 4 << 20);
	buf_init(&parts, 4 << 20);
	a = run(kind, data + 1, n - 1, n, ROOM, &whole);
	b = run(kind, data + 1, n - 1, 1 + data[0] / 3 % 32, 1 + data[0], &parts);
	/* What is too long is found with the piece in which it is, damage further on in the same or not. */
	if (a != INFLATE_FAULT_SIZE && b != INFLATE_FAULT_SIZE)
		ASSERT(a == b);
	if (a == INFLATE_FAULT_NONE)
		ASSERT(span_eq(buf_span(&whole), buf_span(&parts)));
	buf_fini(&whole);
	buf_fini(&parts);
	return 0;
}
