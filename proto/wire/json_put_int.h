/*
 * json_put - pieces of JSON written at a pointer, where the caller has made sure of the room: no check
 * for each, so that an event costs one.
 *
 * Every function writes at `o` and returns where it stopped. Up to JSON_PUT_SLACK bytes behind that may
 * have been written too: constants are copied in whole words, whatever their length.
 *
 * Thread: any. Memory: none. Errors: none.
 */
#ifndef PROTO_WIRE_JSON_PUT_INT_H
#define PROTO_WIRE_JSON_PUT_INT_H

#include <stdint.h>
#include <string.h>

#include "proto/base/span.h"
#include "proto/base/timefmt.h"
#include "proto/wire/json_scan_int.h"

enum { JSON_PUT_SLACK = 32 };

/* Text of ours that stands before a value, with the length that counts. */
struct json_put_label {
	char text[JSON_PUT_SLACK];
	uint8_t n;
};
#define JSON_PUT_LABEL(s)        \
	{                        \
		s, sizeof(s) - 1 \
	}

static inline uint8_t *json_put_label(uint8_t *o, const struct json_put_label *l)
{
	memcpy(o, l->text, JSON_PUT_SLACK);
	return o + l->n;
}

/* Without quotes. NULL: not all of it is plain ASCII, and what stands at `o` is of no worth. */
static inline uint8_t *json_put_plain(uint8_t *o, struct span s)
{
	return json_scan_copy(o, s.p, s.n) ? o + s.n : NULL;
}

/* At most TIMEFMT_BYTES_MAX + 2 bytes, with its quotes. */
static inline uint8_t *json_put_time(uint8_t *o, int64_t ns, struct timefmt_memo *memo)
{
	size_t n = timefmt_put_memo((char *)o + 1, ns, memo);

	o[0] = '"';
	o[n + 1] = '"';
	return o + n + 2;
}

#endif
