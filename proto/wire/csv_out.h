/*
 * csv_out - events as CSV (RFC 4180): one header line, one line an event, lines end in CRLF.
 *
 * Columns: id, timestamp, received, event_type, severity, the other text fields in their order,
 *          metadata (as JSON), flags (words, a space between). A field that is absent is an empty
 *          cell, one that is empty is "".
 * Guard:   a text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a
 *          CR) gets an apostrophe in front. Bytes that are not UTF-8 become U+FFFD.
 *
 * Thread: any. Memory: the caller's buffer. Errors: stick in the buffer.
 */
#ifndef PROTO_WIRE_CSV_OUT_H
#define PROTO_WIRE_CSV_OUT_H

#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "proto/wire/event.h"

void csv_out_header(struct buf *out);
void csv_out_event(const struct event *ev, struct buf *out);

/* One cell of text, quoted where it must be; nothing for an absent one. */
void csv_out_cell(struct span s, struct buf *out);
/* One cell of a msgpack value as JSON, in quotes; nothing when it cannot be read. */
void csv_out_value(struct span value, struct buf *out);
void csv_out_time(int64_t ns, struct buf *out);
/* Words, a space between. */
void csv_out_flags(unsigned flags, struct buf *out);

#endif
