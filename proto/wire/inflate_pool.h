/*
 * inflate_pool - decompressors for many streams of which few are under way: one is taken with a
 * stream's first bytes and given back with its last, so that idle connections hold none.
 *
 * Life:    init, take and give, fini when all are back. A zeroed struct is initialised.
 * Thread:  one at a time.
 * Memory:  nothing before the first take. Then the piece, and at most LIMIT_INFLATE_SPARES idle ones of
 *          LIMIT_INFLATE_SPARE_BYTES each; what is taken is its taker's to account for.
 */
#ifndef PROTO_WIRE_INFLATE_POOL_H
#define PROTO_WIRE_INFLATE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/wire/inflate.h"

struct inflate_pool {
	struct inflate *spares[LIMIT_INFLATE_SPARES];
	unsigned spares_count;
	/* Output of LIMIT_INFLATE_PIECE_BYTES that all streams share: whoever fills it empties it. */
	uint8_t *piece;
};

void inflate_pool_init(struct inflate_pool *p);
void inflate_pool_fini(struct inflate_pool *p);

/* One that is ready for inflate_begin, and the piece is there. -ENOMEM. */
int inflate_pool_take(struct inflate_pool *p, struct inflate **out);
/* *z may be NULL, and is afterwards. */
void inflate_pool_give(struct inflate_pool *p, struct inflate **z);

/* What lies idle now. */
size_t inflate_pool_bytes(const struct inflate_pool *p);

#endif
