/*
 * ws - the opening of a WebSocket (RFC 6455, section 4), a server's side of it.
 *
 * No extension and no subprotocol is ever agreed to: whoever offers some goes on without.
 *
 * Thread:  none of its own.
 * Memory:  none.
 */
#ifndef PROTO_HTTP_WS_H
#define PROTO_HTTP_WS_H

#include <stdbool.h>

#include "proto/http/http_call.h"

enum {
	/* "Upgrade: websocket ..." of the answer 101, with its NUL. */
	WS_FIELDS_BYTES = 128,
};

/* False: *problem is the answer: 426 where no WebSocket 13 is asked for, 400 for a malformed key. */
bool ws_wanted(const struct http_parse_request *req, struct http_call_problem *problem);
/* The header lines of the answer to a request that is wanted. */
void ws_fields(const struct http_parse_request *req, char dst[WS_FIELDS_BYTES]);

#endif
