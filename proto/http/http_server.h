/*
 * http_server - an HTTP/1.1 server on the loop: one listener, its connections, a table of routes.
 *
 * Every thing a peer can hold has a limit and a deadline: connections, request line, head, body; the
 * time for a head, a body, between requests, and for taking an answer. A deadline runs from the
 * beginning of its phase and no byte moves it, so a peer that drips gains nothing.
 *
 *	too many connections        503 and closed
 *	request line, head, body    414, 431, 413 and closed
 *	head or body too slow       408 and closed; a body that is taken as it comes may take
 *	                            a second more for each LIMIT_HTTP_BODY_RATE bytes of it
 *	idle, or answer not taken   closed
 *	no such path                404          another method     405 with Allow
 *	host_ok says no             421          malformed          400 and closed
 *
 * HEAD is answered wherever GET is, by the same handler; OPTIONS for every path that is there, and for
 * `*`, with 204 and Allow. `Expect: 100-continue` is answered when the head is acceptable.
 *
 * Life:    open; requests arrive through the routes; drain; close. The struct is freed after `closed`.
 * Thread:  the loop's.
 * Memory:  per connection LIMIT_HTTP_HEAD_BYTES and the body, at most; one buffer of LIMIT_READ_BYTES for
 *          all bodies that are taken as they come; see http_call.h for answers.
 * Errors:  open fills a diag.
 */
#ifndef PROTO_HTTP_HTTP_SERVER_H
#define PROTO_HTTP_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/diag.h"
#include "proto/http/http_call.h"
#include "proto/net/addr.h"
#include "proto/net/listener.h"

/* The arg is that of the configuration. */
struct http_server_route {
	/*
	 * Exact, as "/api/logs", compared with the decoded path; or with one part left open, as
	 * "/api/logs/{id}": anything but a slash, see http_call_part. An exact path goes before.
	 */
	const char *path;
	unsigned methods; /* HTTP_PARSE_GET | ... */
	http_call_cb handle;
	size_t body_max; /* 0: that of the server */
	/* The handler is called with the head and asks for the body: http_call_read. */
	bool streams;
};

/* Zero means the default of limits.h. */
struct http_server_conf {
	const struct http_server_route *routes;
	size_t routes_count;
	void *arg;
	struct admit *admit; /* who may connect (proto/net/admit.h); NULL: everyone */
	/* Which Host is ours (without the port); NULL: any. Guards against DNS rebinding. */
	bool (*host_ok)(void *arg, struct span host);
	/*
	 * Further fields of every answer, each ended by CRLF; NULL: none. Of what was no request the fields
	 * are not known: req has none then.
	 */
	void (*put_fields)(void *arg, const struct http_parse_request *req, struct buf *out);
	unsigned conns_max;
	size_t body_max; /* of routes without a bound of their own; 0: a body is refused with 413 */
	unsigned head_ms;
	unsigned body_ms;
	unsigned idle_ms;
	unsigned write_ms; /* and a millisecond more per write_rate bytes of the answer */
	unsigned write_rate;
};

/* Plain numbers, written by the loop's thread only. */
struct http_server_counters {
	uint64_t conns_total;
	uint64_t conns_open;
	uint64_t conns_refused; /* conns_max was reached */
	uint64_t requests;
	uint64_t replies[6];  /* by hundreds of the status: [2] is 2xx */
	uint64_t malformed;   /* 400 of the parser */
	uint64_t too_large;   /* 413, 414, 431 */
	uint64_t timeouts;    /* 408, idle, and answers not taken */
	uint64_t hosts_wrong; /* 421 */
	uint64_t gone;        /* clients that left before their answer */
	uint64_t shed;        /* cut by http_server_shed */
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t held_bytes; /* of answers that clients have not taken yet */
};

struct http_server;
typedef void (*http_server_closed_cb)(void *arg);

int http_server_open(uv_loop_t *loop, struct listener_gate *gate, const struct addr *at,
	const struct http_server_conf *conf, struct http_server **out, struct diag *d);
/* As bound: the real port. */
const struct addr *http_server_addr(const struct http_server *s);
const struct http_server_counters *http_server_counters(const struct http_server *s);

/* New limits for what begins from now on; zero means the default. */
void http_server_retune(
	struct http_server *s, unsigned conns_max, unsigned head_ms, unsigned idle_ms);

/*
 * Cuts connections that have not taken their answer for LIMIT_HTTP_SHED_MS, oldest first, until the
 * answers held are held_max bytes at most. False: they are more, but none is that slow.
 */
bool http_server_shed(struct http_server *s, uint64_t held_max);

/* Accepts no more, closes what is idle, lets the others finish their answer and then closes them. */
void http_server_drain(struct http_server *s);
/* Ends everything now; calls in handlers' hands are told that they are gone and must end before. */
void http_server_close(struct http_server *s, http_server_closed_cb closed, void *arg);

#endif
