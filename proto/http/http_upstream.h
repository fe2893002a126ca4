/*
 * http_upstream - requests to one other HTTP server, from the loop: what a relay needs.
 *
 * Life:    new, post..., close (everything under way is dropped; the callbacks are not called), and free of
 *          its own when the loop has let go. A request lives until its callback returned, or its cancel.
 * Thread:  the loop's. A callback is never called from inside post.
 * Memory:  per request a connection, its head, and of the answer at most answer_max bytes; the body stays
 *          the caller's and must stay where it is. Connections that served are kept for the next request,
 *          at most LIMIT_UPSTREAM_SPARES, each no longer than LIMIT_UPSTREAM_SPARE_MS.
 * Errors:  told to the callback: negative errno of the socket, -ETIMEDOUT, ERR_SYNTAX (no HTTP), ERR_LIMIT
 *          (a larger answer), ERR_TRUNCATED (it ended early).
 * Malice:  nothing that the server says is believed beyond the bytes that came.
 */
#ifndef PROTO_HTTP_HTTP_UPSTREAM_H
#define PROTO_HTTP_HTTP_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/span.h"
#include "proto/net/addr.h"

struct http_upstream;
struct http_upstream_request;

struct http_upstream_conf {
	struct addr to;
	unsigned connect_ms;
	unsigned answer_ms; /* from the connection to the answer's last byte */
	size_t answer_max;  /* its body */
	unsigned spare_ms;  /* 0: LIMIT_UPSTREAM_SPARE_MS */
};

/* Spans die with the callback. */
struct http_upstream_answer {
	int error; /* 0: there is an answer */
	bool sent; /* after an error: the server may have got the request */
	int status;
	struct span type; /* Content-Type; absent: none */
	struct span body;
};
typedef void (*http_upstream_cb)(void *arg, const struct http_upstream_answer *answer);

int http_upstream_new(uv_loop_t *loop, const struct http_upstream_conf *conf,
	struct http_upstream **out, struct diag *d);
/* For requests that come from now on. */
void http_upstream_retune(struct http_upstream *u, unsigned connect_ms, unsigned answer_ms);
/* Clears the pointer. */
void http_upstream_close(struct http_upstream **u);

/*
 * POST target. fields are further header lines, each ended by CRLF; Host, Content-Length and Connection are
 * not among them. NULL: out of memory or descriptors.
 */
struct http_upstream_request *http_upstream_post(struct http_upstream *u, struct span target,
	struct span fields, struct span body, http_upstream_cb cb, void *arg);
/* GET target: the same without a body. */
struct http_upstream_request *http_upstream_get(
	struct http_upstream *u, struct span target, http_upstream_cb cb, void *arg);
/* The callback will not be called. */
void http_upstream_cancel(struct http_upstream_request *r);

#endif
