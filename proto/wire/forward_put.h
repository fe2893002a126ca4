/*
 * forward_put - writes what travels in Forward frames: acks (the collector's only answer), entries
 * and whole frames (what a sender needs).
 *
 * Thread:  none of its own.
 * Memory:  the caller's buffer.
 * Errors:  those of the buffer, sticky in buf.err.
 */
#ifndef PROTO_WIRE_FORWARD_PUT_H
#define PROTO_WIRE_FORWARD_PUT_H

#include "proto/base/buf.h"
#include "proto/base/limits.h"

enum {
	/* {"ack": chunk}: map head, "ack", and a str16 at most. */
	FORWARD_PUT_ACK_BYTES = 1 + 4 + 3 + LIMIT_CHUNK_BYTES,
	/* {"ack":"..."} with each byte of it escaped. */
	FORWARD_PUT_ACK_JSON_BYTES = 8 + 6 * LIMIT_CHUNK_BYTES + 2,
	/* Array head and EventTime before an entry's record. */
	FORWARD_PUT_ENTRY_HEAD_BYTES = 1 + 10,
};

/* The ack of a chunk (at most LIMIT_CHUNK_BYTES) into dst; returns its length. */
size_t forward_put_ack(uint8_t dst[FORWARD_PUT_ACK_BYTES], struct span chunk);
/* The same on a JSON connection. */
size_t forward_put_ack_json(uint8_t dst[FORWARD_PUT_ACK_JSON_BYTES], struct span chunk);

/* [EventTime, record]; record is one msgpack map. Times outside EventTime's u32 seconds go as nil. */
void forward_put_entry(struct buf *b, int64_t time_ns, struct span record);

/* What a sender says about a frame. */
struct forward_put_frame {
	struct span tag;
	struct span chunk; /* absent: no ack wanted */
};

/* [tag, time, record, options]. */
void forward_put_message(
	struct buf *b, const struct forward_put_frame *f, int64_t time_ns, struct span record);
/* [tag, [entry, ...], options]; entries as forward_put_entry wrote them, one after another. */
void forward_put_forward(
	struct buf *b, const struct forward_put_frame *f, struct span entries, uint32_t count);
/* [tag, entries as one bin, options]. */
void forward_put_packed(
	struct buf *b, const struct forward_put_frame *f, struct span entries, uint32_t count);

#endif
