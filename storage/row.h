/*
 * row - one event as bytes: what the collector appends, the journal holds and the sealer reads.
 *
 * ROW                                            little-endian; varints are LEB128
 *   u32      bytes       of all that follows
 *   i64      time_ns
 *   i64      received_ns
 *   u8       severity    0..7
 *   u8       flags       enum event_flag
 *   u16      present     bit i: text field i is there; bit 15: metadata is there
 *   varint   length      of each present text field in order, then of the metadata
 *   bytes                the texts in the same order, then the metadata (one msgpack map)
 * The id is not in the row: it is the first id of the batch plus the row's position.
 * Valid:  severity below 8, no unknown present bit, lengths add up to exactly `bytes`.
 *
 * Thread: none of its own. Memory: none; row_get's spans point into the input.
 */
#ifndef STORAGE_ROW_H
#define STORAGE_ROW_H

#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/cursor.h"
#include "proto/wire/event.h"

/* Bytes row_put will write at most for this event. */
size_t row_bound(const struct event *ev);

/* Appends the row; ERR_LIMIT when it would exceed LIMIT_EVENT_BYTES or the buffer: nothing is left behind. */
int row_put(struct buf *b, const struct event *ev);

/*
 * Reads the next row and moves past it; ev->id is left alone. ERR_TRUNCATED or ERR_CORRUPT: the
 * cursor's error is set too and nothing after it can be read.
 */
int row_get(struct rcur *c, struct event *ev);

#endif
