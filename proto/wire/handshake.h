/*
 * handshake - the greeting of a Forward server that has a shared key: HELO, PING, PONG
 * (WIRE.md, "Handshake"). Nothing is sent or logged here, and no secret is ever put out: only digests
 * of it with random bytes, compared in constant time.
 *
 * Life:    init (a new nonce), helo, next... until it is not HANDSHAKE_MORE, fini.
 * Thread:  one at a time.
 * Memory:  LIMIT_PING_BYTES at most, for a PING that straddles reads.
 */
#ifndef PROTO_WIRE_HANDSHAKE_H
#define PROTO_WIRE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/cursor.h"
#include "proto/wire/forward.h"
#include "proto/wire/gather.h"

enum {
	HANDSHAKE_RANDOM_BYTES = 16,
	HANDSHAKE_DIGEST_BYTES = 128, /* SHA-512 in hex */
	HANDSHAKE_HOST_BYTES = 300,
	/* Either message, in one write. */
	HANDSHAKE_OUT_BYTES = 64 + HANDSHAKE_HOST_BYTES + HANDSHAKE_DIGEST_BYTES,
};

struct handshake_user {
	struct span name;
	struct span password;
};

/* What a server knows; all of it outlives the handshakes. */
struct handshake_keys {
	struct span key;
	struct span
		host; /* what it calls itself, at most HANDSHAKE_HOST_BYTES; no client may have it */
	const struct handshake_user *users; /* none: names are not asked for */
	size_t users_count;
};

enum handshake_outcome {
	HANDSHAKE_MORE = 1, /* all input was taken and the PING is not complete */
	HANDSHAKE_ACCEPTED, /* frames may follow the PONG in the same input */
	HANDSHAKE_REFUSED,  /* send the PONG, then close; h->fault says why */
};

struct handshake {
	enum forward_fault fault;
	uint8_t nonce[HANDSHAKE_RANDOM_BYTES];
	uint8_t auth[HANDSHAKE_RANDOM_BYTES];
	size_t auth_bytes;
	struct gather gather;
	struct buf ping;
};

/* Negative: the system has no random bytes to give. */
int handshake_init(struct handshake *h, const struct handshake_keys *keys);
void handshake_fini(struct handshake *h);

/* What the server says first; returns its length. */
size_t handshake_helo(const struct handshake *h, uint8_t dst[HANDSHAKE_OUT_BYTES]);
/* An enum handshake_outcome; the PONG, if it is time for one, in dst[0..*out_n). -ENOMEM. */
int handshake_next(struct handshake *h, const struct handshake_keys *keys, struct rcur *in,
	uint8_t dst[HANDSHAKE_OUT_BYTES], size_t *out_n);

#endif
