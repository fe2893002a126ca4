/*
 * http_conn_int - one connection of an http_server, and what http_server, http_conn and http_call
 * know of each other.
 *
 * PHASES                      deadline           leaves by
 *   IDLE    no byte of a request   idle_ms       a byte
 *   HEAD    part of a head         head_ms       the head is whole (or refused)
 *   BODY    part of a body         body_ms       the body is whole (or refused); of a stream, whose
 *                                                handler has the call already, answered early, too
 *   CALL    a handler has it       none *        the handler's answer
 *   WRITE   the answer leaves      write_ms      the last byte is with the kernel -> IDLE or ENDING
 *   ENDING  nothing more is said   the conn's    the peer ends too, or LIMIT_LINGER_MS
 *   * of a stream: write_ms for each part that waits for the peer; http_call.h
 * What arrives during CALL and WRITE waits in `in` as far as it has room, then in the kernel.
 *
 * Life:    from accept until the descriptor is closed and no handler holds the call, whichever is last.
 */
#ifndef PROTO_HTTP_HTTP_CONN_INT_H
#define PROTO_HTTP_HTTP_CONN_INT_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/http/http_call.h"
#include "proto/http/http_parse.h"
#include "proto/http/http_server.h"
#include "proto/net/conn.h"

enum {
	HTTP_CONN_TAG = 0x48434f4e,
	HTTP_CALL_TAG = 0x4843414c,
	HTTP_SERVER_TAG = 0x48535256,
	/* Beside a whole head: the beginning of the next one, and read-ahead that shows a gone client. */
	HTTP_CONN_AHEAD_BYTES = 4096,
	HTTP_CONN_OUT_BYTES = LIMIT_HTTP_STREAM_BYTES + 4096,
};

enum http_conn_phase {
	HTTP_CONN_IDLE,
	HTTP_CONN_HEAD,
	HTTP_CONN_BODY,
	HTTP_CONN_CALL,
	HTTP_CONN_WRITE,
	HTTP_CONN_ENDING,
};

struct http_call {
	unsigned tag; /* 0 while no handler holds it */
	struct http_conn *conn;
	http_call_cb on_gone, on_drain;
	void *gone_arg, *drain_arg;
	http_call_body_cb on_body; /* of a route that streams */
	void *body_arg;
	struct buf out; /* answer; bytes before out_at are with the socket */
	size_t out_at;
	struct buf spare;                /* of a stream: memory of the last part */
	const struct http_call_ops *ops; /* of a connection that was taken over */
	void *ops_arg;
	bool streaming, chunked, gone;
	bool refused; /* the body was: told when the handler has let go */
	char peer[ADDR_TEXT_BYTES];
};

struct http_conn {
	unsigned tag;
	struct http_server *server;
	struct http_conn *prev, *next;
	struct conn *conn; /* NULL once closed */
	enum http_conn_phase phase;
	int64_t deadline_ms; /* on uv_now's clock; 0: none */
	int64_t phase_ms;    /* on that clock: when it began */
	struct http_parse parse;
	struct http_parse_request req;
	const struct http_server_route *route;
	struct span part; /* of req.path; see http_call_part */
	struct buf in;    /* head of the request, then what follows it */
	size_t in_at;     /* first byte not consumed */
	struct buf body;
	bool keep_alive, eof, advancing, paused;
	struct http_call call;
};

struct http_server {
	unsigned tag;
	uv_loop_t *loop;
	struct http_server_conf conf;
	struct http_server_counters counters;
	struct listener listener;
	struct conn_set set;
	struct http_conn *conns;
	struct arena arena; /* decoded paths, for one dispatch */
	struct buf piece;   /* of a body that is taken as it comes; for one call */
	size_t body_max;    /* the largest of all routes */
	uv_timer_t sweep, later[2];
	bool draining, closing, listener_gone, ending;
	http_server_closed_cb closed;
	void *closed_arg;
};

/* A new connection; the descriptor is taken over. */
void http_conn_open(struct http_server *s, int fd, const struct addr *peer);
/* Its deadline has passed. */
void http_conn_expired(struct http_conn *hc);
/* The server is draining: an idle one ends. */
void http_conn_drain(struct http_conn *hc);

/* The call now belongs to a handler, or to whoever answers a problem. */
void http_conn_hold(struct http_conn *hc);
/* http_call: hands bytes to the socket as it takes them; the rest after it drained. */
void http_conn_pump(struct http_conn *hc);
/* http_call: what waits to be read goes to the handler that took the connection over. */
void http_conn_hand_over(struct http_conn *hc);
/* http_call: the handler is done with the call. */
void http_conn_released(struct http_conn *hc);
/* The answer is given up, and the connection with it. */
void http_conn_shed(struct http_conn *hc);
/* ms from now and a millisecond more per write_rate bytes; 0: none. */
void http_conn_deadline(struct http_conn *hc, unsigned ms, size_t bytes);

/* http_server: calls the handler of hc->route. */
void http_server_dispatch(struct http_server *s, struct http_conn *hc);
/* The route, whose body may come; NULL: a problem was answered. */
const struct http_server_route *http_server_admit(struct http_server *s, struct http_conn *hc);
void http_server_left(struct http_server *s, struct http_conn *hc);

#endif
