/*
 * json_out - msgpack values and events as JSON text.
 *
 * What becomes what:
 *   integers        exact decimal; readers that keep numbers as doubles lose digits above 2^53
 *   float64, 32     the shortest text that reads back as the same number, always with a fraction
 *                   or an exponent, so that it stays a float; NaN and infinities: null
 *   str             escaped: quote, backslash and C0 only; bytes that are not UTF-8 become U+FFFD
 *   bin             string, base64 (RFC 4648 section 4)
 *   ext type 0      of 8 bytes (EventTime of the Forward protocol): RFC 3339 string
 *   ext type -1     (timestamp of msgpack): RFC 3339 string
 *   other ext       {"ext":type,"data":"base64"}
 *   map keys        that are not strings: their JSON text as a string
 *
 * Thread:  none of its own.
 * Memory:  what it appends to the caller's buffer, and a fixed stack frame.
 * Malice:  msgpack is checked while it is read; nesting beyond LIMIT_DEPTH, and maps used as keys of
 *          maps used as keys (JSON_OUT_KEY_NEST_MAX) are refused, as escaping would double each time.
 * Errors:  after a negative return the buffer holds what it held before, and no sticky error.
 */
#ifndef PROTO_WIRE_JSON_OUT_H
#define PROTO_WIRE_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "proto/base/timefmt.h"
#include "proto/wire/event.h"

enum {
	JSON_OUT_KEY_NEST_MAX = 3,
	/* Outcome of json_out_event: the metadata is no msgpack map; null stands in its place. */
	JSON_OUT_DAMAGED = 1,
};

/*
 * The one msgpack value that fills `value`. ERR_CORRUPT: an unknown or surplus byte; ERR_TRUNCATED;
 * ERR_DEPTH; ERR_LIMIT or -ENOMEM from the buffer.
 */
int json_out_value(struct span value, struct buf *out);
/* Whether that failure means that the value cannot be read, and not that the buffer is full. */
bool json_out_is_damage(int rc);

/*
 * One object: id (a number below 2^53, else a string), timestamp, received, event_type, severity (its
 * name), entity_type, entity_id, user_id, description, ip_address, user_agent, service, host,
 * metadata, and flags (an array of words) if there are any. Absent fields are left out.
 */
int json_out_event(const struct event *ev, struct buf *out);
/* What events of a list have in common. Zeroed: nothing was written. */
struct json_out_memo {
	struct timefmt_memo time, received;
};
/* The same of an event whose metadata is JSON text already, as json_out_value would have made it. */
int json_out_event_ready(const struct event *ev, struct json_out_memo *memo, struct buf *out);

/* The bytes as a JSON string, with its quotes. A failure sticks in the buffer. */
void json_out_string(struct span s, struct buf *out);

/* A number below 2^53, else its digits as a string: readers that keep numbers as doubles lose none. */
void json_out_id(uint64_t id, struct buf *out);

/* RFC 3339, in quotes. */
void json_out_time(int64_t ns, struct buf *out);
/* ["time_odd","cut"]: the words for the bits of event.flags that have one. */
void json_out_flags(unsigned flags, struct buf *out);

/* As json_out_string without the quotes. */
void json_out_escaped(struct span s, struct buf *out);

/* "time_odd", "time_arrival", "cut", "partial": the word for one bit of event.flags. Static text. */
const char *json_out_flag_name(enum event_flag flag);

#endif
