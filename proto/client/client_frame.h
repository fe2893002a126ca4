/*
 * client_frame - one frame on its way: its bytes as they travel, what it holds, and the chunk id it is
 * known by. Entries are written straight into it: begin, an entry and its count for each event, seal.
 *
 * Life:    init once; begin ... seal any number of times; fini.
 * Thread:  one at a time.
 * Memory:  `bytes`, at most LIMIT_SENDER_FRAME_BYTES.
 * Errors:  those of the buffer, sticky in bytes.err.
 */
#ifndef PROTO_CLIENT_CLIENT_FRAME_H
#define PROTO_CLIENT_CLIENT_FRAME_H

#include <stdint.h>

#include "proto/base/buf.h"

enum {
	CLIENT_RUN_BYTES = 64,
	CLIENT_CHUNK_BYTES = CLIENT_RUN_BYTES + 24,
	/* What stands around entries and tag: heads of array, tag and payload, and the options. */
	CLIENT_FRAME_AROUND_BYTES = 1 + 5 + 5 + 32 + CLIENT_CHUNK_BYTES,
};

struct client_frame {
	struct buf bytes;
	size_t entries_off;
	uint32_t events;
	char chunk[CLIENT_CHUNK_BYTES]; /* "": no ack is asked for */
	size_t written;                 /* of bytes, on this connection */
};

void client_frame_init(struct client_frame *f);
void client_frame_fini(struct client_frame *f);

/* Empties it and writes what stands before the entries. */
void client_frame_begin(struct client_frame *f, struct span tag);
/* Bytes of the entries so far. */
size_t client_frame_entries(const struct client_frame *f);
/* Writes what stands after the entries; `events` and `chunk` are set. */
void client_frame_seal(struct client_frame *f);

#endif
