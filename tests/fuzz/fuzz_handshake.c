/*
 * Goal: no bytes make the handshake read outside them or keep more than it may, or take a client that
 *       does not know the key; the answer is the same in whatever pieces they come.
 * Method: the first byte of the input is the size of the pieces. No input can hold a digest of the random
 *         nonce, so nothing may be accepted.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/wire/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int run(
	const struct handshake_keys *keys, const uint8_t *p, size_t n, size_t piece, size_t *out_n)
{
	uint8_t out[HANDSHAKE_OUT_BYTES];
	struct handshake h;
	int rc = HANDSHAKE_MORE;

	if (handshake_init(&h, keys) < 0)
		return 0;
	ASSERT(handshake_helo(&h, out) <= sizeof out);
	for (size_t at = 0; at < n && rc == HANDSHAKE_MORE; at += piece) {
		size_t take = piece < n - at ? piece : n - at;
		uint8_t *copy = malloc(take);
		struct rcur in = rcur_of(copy, take);

		ASSERT(copy);
		memcpy(copy, p + at, take);
		rc = handshake_next(&h, keys, &in, out, out_n);
		free(copy);
		ASSERT(rc != HANDSHAKE_ACCEPTED);
		ASSERT((rc == HANDSHAKE_REFUSED) == (h.fault != FORWARD_FAULT_NONE));
		ASSERT(h.ping.cap <= LIMIT_PING_BYTES);
	}
	handshake_fini(&h);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct handshake_user user = { { (const uint8_t *)"alice", 5 },
		{ (const uint8_t *)"pw", 2 } };
	const struct handshake_keys keys = { SPAN_LIT("key"), SPAN_LIT("host:forward"), &user, 1 };
	size_t whole = 0, parts = 0;
	int a, b;

	if (n < 2)
		return 0;
	a = run(&keys, data + 1, n - 1, n, &whole);
	b = run(&keys, data + 1, n - 1, 1 + data[0] % 32, &parts);
	ASSERT(a == b);
	ASSERT(whole == parts);
	return 0;
}
