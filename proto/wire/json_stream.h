/*
 * json_stream - the JSON values of a body that comes in pieces, one after another as msgpack.
 *
 * What bodies look like is found out from their first bytes:
 *	values   one value, several with white space between them or nothing at all, each on as many lines
 *	         as it likes; an array counts as its elements
 *	lines    a value on each line (NDJSON): a body whose first line holds whole values, or is no JSON.
 *	         A line that is bad costs itself alone
 * Lines may end in CRLF; empty ones are passed over; a byte order mark before all is, too.
 *
 * Life:    init, then for each piece: feed, and next until JSON_STREAM_MORE; fini.
 * Thread:  none of its own.
 * Memory:  what of a value has come with earlier pieces, at most LIMIT_JSON_STREAM_BYTES and a piece;
 *          json_stream_bytes tells. Values that lie in one piece are read where they lie.
 * Malice:  a value that comes in many pieces is looked at again only when it has doubled.
 * Errors:  negative: what follows cannot be read, json_stream_explain says why: ERR_SYNTAX, ERR_RANGE,
 *          ERR_DEPTH, ERR_LIMIT (a value too large, or too many members), ERR_TRUNCATED, -ENOMEM.
 */
#ifndef PROTO_WIRE_JSON_STREAM_H
#define PROTO_WIRE_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "proto/wire/json_in.h"

enum json_stream_outcome {
	JSON_STREAM_MORE = 1, /* this piece is used up */
	JSON_STREAM_BAD,      /* a line that is passed over; see json_stream_explain */
};

enum json_stream_flag {
	JSON_STREAM_LINES = 1 << 0, /* do not find out: they are lines */
};

enum { JSON_STREAM_TEXT_BYTES = 160 };

/* Private but for line, index and lines. */
struct json_stream {
	struct buf head;      /* the body's beginning, until it is known what it is */
	struct buf carry;     /* the beginning of a value that is not whole */
	struct span window;   /* what is being read: part of the piece, or the carry */
	struct span rest;     /* of the piece, behind the window */
	const uint8_t *begin; /* of the line in the window */
	size_t try_at;        /* a value is not looked at again before it has so many bytes */
	uint64_t line;        /* from 1: of the value or the bad line that next told of */
	uint64_t index;       /* from 0: of the value among all */
	uint64_t next_line, next_index;
	uint64_t passed; /* bytes read, of values */
	struct json_in_error error;
	const char *reason; /* instead of error, or NULL */
	unsigned flags;
	int failed;
	bool last;                   /* no piece follows */
	bool lines;                  /* what it is; see known */
	bool known, begun, skipping; /* of lines: inside one, inside one that is passed over */
	bool in_array, array_new, after_value; /* of values */
};

void json_stream_init(struct json_stream *s, unsigned flags);
void json_stream_fini(struct json_stream *s);
size_t json_stream_bytes(const struct json_stream *s);

/* The piece must stay as it is until next has returned JSON_STREAM_MORE or failed. */
void json_stream_feed(struct json_stream *s, struct span piece, bool last);

/* 0: the next value stands alone in out, which is emptied before. Or an outcome; or negative. */
int json_stream_next(struct json_stream *s, struct buf *out);

/* Why a line was bad or the stream failed: a clause, always terminated; returns dst. */
const char *json_stream_explain(const struct json_stream *s, char dst[JSON_STREAM_TEXT_BYTES]);

#endif
