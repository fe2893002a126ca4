/*
 * json_in - strict JSON text (RFC 8259) to msgpack, in one pass and without a tree.
 *
 * What becomes what:
 *   integers   exact within -2^63 .. 2^64-1; -0 and larger ones become float64
 *   fractions  and exponents: float64, correctly rounded; beyond its range ERR_RANGE
 *   strings    UTF-8, escapes resolved, \u0000 kept
 *   objects    in their order, keys that occur twice kept twice (the reader of the map decides)
 * Every header has the smallest width that fits.
 *
 * Text that is not well formed inside a string - bytes that are not UTF-8, half of a surrogate pair
 * as an escape - fails with ERR_SYNTAX, or with JSON_IN_REPAIR becomes U+FFFD: one for each maximal
 * part of a sequence, as Unicode 3.9 recommends. Doors that take events repair, for an event with
 * one cut character is worth keeping; where a program is told what is wrong with its text, nothing
 * is repaired. A byte order mark is never JSON.
 *
 * Thread:  none of its own.
 * Memory:  what it appends to the caller's buffer (at most 3 bytes for one of text, plus 16), and a
 *          fixed stack frame. The current LC_NUMERIC must be "C", as in all our programs.
 * Malice:  depth is limited by LIMIT_DEPTH, members of an object by LIMIT_MAP_PAIRS, all else by
 *          the buffer's maximum. Time grows with the length of the text (an array or object that
 *          outgrows its header is moved at most twice).
 */
#ifndef PROTO_WIRE_JSON_IN_H
#define PROTO_WIRE_JSON_IN_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum json_in_flag {
	JSON_IN_REPAIR = 1 << 0,
};

/* Where and why a text was refused. */
struct json_in_error {
	size_t off;           /* of the byte that does not fit, from 0 */
	size_t line;          /* from 1 */
	size_t column;        /* bytes in that line, from 1 */
	int found;            /* that byte, or -1: the text ends there */
	const char *expected; /* "a value", "',' or '}'" ... static text */
};

/*
 * Reads one value, white space before it allowed, and appends it to out. *out_used is the count of
 * bytes up to the value's end; what follows is the caller's business (NDJSON: expect white space).
 * A number ends where the text ends.
 *
 * ERR_TRUNCATED: the text ends inside the value, or has none; more bytes may help.
 * ERR_SYNTAX, ERR_RANGE, ERR_DEPTH, ERR_LIMIT (members, or the buffer is full), -ENOMEM.
 * After a failure the buffer is as it was, and *e (unless NULL) tells the place.
 */
int json_in_value(struct span text, unsigned flags, struct buf *out, size_t *out_used,
	struct json_in_error *e);

/* The whole text is one value and white space around it; otherwise as json_in_value. */
int json_in_text(struct span text, unsigned flags, struct buf *out, struct json_in_error *e);

/* "line 2, column 7: expected a value, found '}'" into dst, always terminated; returns dst. */
const char *json_in_explain(const struct json_in_error *e, char *dst, size_t cap);

#endif
