/*
 * http_reply - the bytes of an answer's head, and of an error's body.
 *
 * Thread:  none of its own.
 * Memory:  what it appends to the caller's buffer.
 * Errors:  stick in the buffer.
 */
#ifndef PROTO_HTTP_HTTP_REPLY_H
#define PROTO_HTTP_HTTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/http/http_call.h"

enum http_reply_body {
	HTTP_REPLY_LENGTH,
	HTTP_REPLY_CHUNKED,
	HTTP_REPLY_UNTIL_CLOSE,
	HTTP_REPLY_UPGRADE, /* another protocol follows */
};

/* "Not Found"; "Unknown" for a status that is never sent here. Static text. */
const char *http_reply_reason(int status);

/* Status line and fields, without the empty line. length counts for HTTP_REPLY_LENGTH. */
void http_reply_head(struct buf *out, const struct http_call_head *head, enum http_reply_body body,
	uint64_t length, bool keep_alive, int64_t wall_ns);

/* {"status":"error","error":...,"field":...,"hint":...}; any bytes become valid JSON. */
void http_reply_problem(struct buf *out, const struct http_call_problem *problem);

#endif
