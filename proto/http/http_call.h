/*
 * http_call - one request on its way to one answer: what a route handler holds.
 *
 * A handler answers at once or keeps the call and answers later, always from the loop's thread and
 * exactly once: http_call_reply, http_call_problem, or http_call_begin .. http_call_end. The call is
 * gone with the answer's last function. When the client goes away first, on_gone (if set) is called
 * once; the handler stops its work and still ends the call in the usual way, which then sends nothing.
 *
 * The next request of the connection is not looked at before the answer is written: answers stand in
 * the order of their requests, and a connection holds one answer in memory at most.
 *
 * Thread:  the loop's.
 * Memory:  http_call_reply takes the body over without a copy.
 * Errors:  none to handle: a connection that fails ends, and on_gone tells.
 */
#ifndef PROTO_HTTP_HTTP_CALL_H
#define PROTO_HTTP_HTTP_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "proto/http/http_parse.h"

struct http_call;

typedef void (*http_call_cb)(void *arg, struct http_call *call);

/* The request; lives as long as the call. */
const struct http_parse_request *http_call_request(const struct http_call *call);
/* What stands in the part of the path that the route leaves open, undecoded; absent: it has none. */
struct span http_call_part(const struct http_call *call);
/* "127.0.0.1": whom to name in a log line. Lives as long as the call. */
const char *http_call_peer(const struct http_call *call);

/*
 * The body of a route that takes it as it comes: to be asked for inside the route's handler, unless that
 * one answers at once. cb has the pieces in their order, the last one (it may be empty) with whole set; a
 * piece is gone when cb returns. The call may be answered before the last one: the connection then ends
 * with the answer. A body that breaks off, is malformed, too large or too slow is a client that has gone.
 */
typedef void (*http_call_body_cb)(void *arg, struct http_call *call, struct span piece, bool whole);
void http_call_read(struct http_call *call, http_call_body_cb cb, void *arg);

/* Called once when the client has gone; replaces an earlier one; NULL clears. */
void http_call_on_gone(struct http_call *call, http_call_cb cb, void *arg);

/* Further header lines, each ended by CRLF, made of nothing a peer sent; or NULL. */
struct http_call_head {
	int status;
	const char *type;   /* Content-Type; NULL: none */
	const char *fields; /* "Allow: GET\r\n" */
	const char *cache;  /* Cache-Control; NULL: no-store */
};

/* A whole answer. The buffer is taken over and left empty. HEAD: its length is told, not its bytes. */
void http_call_reply(struct http_call *call, const struct http_call_head *head, struct buf *body);
/* The same with text that is copied. */
void http_call_text(struct http_call *call, int status, const char *type, const char *text);

/* What went wrong, as {"status":"error","error":...,"field":...,"position":...,"hint":...}; absent members are left out. */
struct http_call_problem {
	int status;
	const char *error;  /* what is wrong, a sentence without a full stop */
	const char *field;  /* the parameter or header concerned, or NULL */
	unsigned position;  /* of its value, the byte that is wrong, from 1; 0: none */
	const char *hint;   /* what to do, or NULL */
	const char *fields; /* as in http_call_head */
};
void http_call_problem(struct http_call *call, const struct http_call_problem *problem);

/*
 * An answer of unknown length, part by part: chunked in HTTP/1.1, ended by closing in HTTP/1.0.
 *
 *	begin -> write or give, while not full -> on_drain -> write or give ... -> end
 *
 * Life:          the call lives until end, whatever becomes of the client; once it is gone, parts are
 *                dropped, and the call is never full.
 * Thread:        the loop's. on_drain is never called from inside begin, write, give or end.
 * Back-pressure: http_call_full tells that a part is on its way, or that LIMIT_HTTP_WRITE_BYTES wait:
 *                then go on after on_drain. What is written nevertheless is kept up to
 *                LIMIT_HTTP_STREAM_BYTES, then the connection ends; nothing is given then.
 * Slow clients:  each part has write_ms, and a millisecond for each write_rate bytes of it, to get into
 *                the kernel; then the connection ends. While the handler has given nothing, no time runs.
 *                What is on its way counts as held: http_server_shed may cut it.
 * Half-closed:   a client that has ended its own side is given parts as any other, but waits for the
 *                next one no longer than LIMIT_HTTP_HALF_CLOSED_MS: it may be gone.
 * HEAD:          has the head alone.
 */
void http_call_begin(struct http_call *call, const struct http_call_head *head,
	http_call_cb on_drain, void *arg);
/* Copies. */
void http_call_write(struct http_call *call, const void *p, size_t n);
/* One chunk without a copy: the buffer is taken over and left empty. */
void http_call_give(struct http_call *call, struct buf *part);
/*
 * The memory of the part given last, empty, once that part is with the kernel: for a further one. False:
 * there is none. What is not taken is freed when the next part is gone.
 */
bool http_call_take_back(struct http_call *call, struct buf *out);
bool http_call_full(const struct http_call *call);
/* whole: false breaks the connection instead of ending the answer, so that nobody takes it for whole. */
void http_call_end(struct http_call *call, bool whole);

/*
 * The connection itself, for what is no answer with an end: after the head, bytes go both ways as they
 * are, and the connection ends with the call.
 *
 *	take_over -> read, send, while it takes all -> drained -> send ... -> end
 *
 * Head:         status 101 tells of another protocol, any other one of a body that closing ends.
 * Memory:       none: what the kernel does not take stays with the handler. The kernel keeps about
 *               LIMIT_HTTP_SENT_BYTES for the peer.
 * Slow clients: whoever takes nothing for write_ms, and a millisecond for each write_rate bytes that wait,
 *               is closed. A client that ends its own side is, LIMIT_HTTP_HALF_CLOSED_MS later.
 * End:          what the kernel has is still sent.
 */
struct http_call_ops {
	/* What the client sends; gone on return. May end the call. */
	void (*read)(void *arg, struct http_call *call, struct span bytes);
	/* After a send that left something: there is room again. May end the call. */
	void (*drained)(void *arg, struct http_call *call);
};
/* What the client has sent already is read from inside. */
void http_call_take_over(struct http_call *call, const struct http_call_head *head,
	const struct http_call_ops *ops, void *arg);
/* The bytes taken; the others are to be sent once more. All, and nowhere, when the client has gone. */
size_t http_call_send(struct http_call *call, const void *p, size_t n);

#endif
