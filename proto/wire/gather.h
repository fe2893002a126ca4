/*
 * gather - one whole msgpack value out of input that arrives in pieces: used where it lies if it
 * lies there whole, which is the ordinary case, else copied into a buffer piece by piece. A value
 * above its limit is walked to its end without being kept.
 *
 * Life:    reset, value... until it is not GATHER_MORE; the same again for the next value.
 * Thread:  none of its own.
 * Memory:  the caller's buffer, which gather resets when it needs it.
 */
#ifndef PROTO_WIRE_GATHER_H
#define PROTO_WIRE_GATHER_H

#include "proto/base/buf.h"
#include "proto/wire/walk.h"

enum gather_outcome {
	GATHER_MORE = 1, /* all input was taken and the value is not complete */
};

struct gather {
	struct walk walk;
	bool midway; /* a value has begun to arrive */
	bool over;   /* ... and is larger than its limit */
};

void gather_reset(struct gather *g);

/*
 * One value out of the next `avail` bytes of the input: 0, and *out lies in the input or in carry.
 * Moved past, but not to be had: ERR_LIMIT, it is larger than max; ERR_DEPTH. Its end cannot be
 * known: ERR_SYNTAX. Out of memory: -ENOMEM.
 */
int gather_value(struct gather *g, struct rcur *in, size_t avail, struct buf *carry, size_t max,
	struct span *out);

#endif
