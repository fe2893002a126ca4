/*
 * send_frame - one frame on its way: its bytes, what it holds, and the chunk id it is known by.
 *
 * The id of a run is random, or the user's own: then a run repeated with the same input and the same
 * options sends the same ids, and a collector that has stored them does not store them again.
 */
#ifndef TOOLS_SEND_FRAME_H
#define TOOLS_SEND_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "tools/send_source.h"

enum {
	SEND_RUN_BYTES = 64,
	SEND_CHUNK_BYTES = SEND_RUN_BYTES + 24,
	SEND_FRAME_BYTES = 16 << 20,
};

struct send_frame {
	struct buf bytes;
	uint32_t events;
	struct send_pos first; /* of its events */
	struct send_pos last;
	char chunk[SEND_CHUNK_BYTES]; /* "" when no ack is asked for */
	size_t written;               /* of bytes, on this connection */
	bool acked;
};

#endif
