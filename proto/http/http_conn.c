/*
 * A connection is a small machine (phases in http_conn_int.h) driven by three things: bytes, a
 * drained socket, a handler's answer. Each of them changes the state and then calls advance, the one
 * loop in which requests are read and dispatched; a handler that answers at once is inside that loop,
 * so a thousand pipelined requests take a thousand turns of it and no deeper stack.
 */
#include "proto/http/http_conn_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

static void advance(struct http_conn *hc);

static struct http_conn *conn_of(struct conn *c)
{
	struct http_conn *hc = c->owner;

	CHECK_TAG(hc, HTTP_CONN_TAG);
	return hc;
}

static bool is_open(const struct http_conn *hc)
{
	return hc->conn && !hc->conn->closing;
}

/* Part of an answer waits for the peer to take it, although a handler holds the call. */
static bool is_sending(const struct http_conn *hc)
{
	return hc->phase == HTTP_CONN_CALL && is_open(hc) &&
	       (hc->call.out.len > 0 || conn_queued(hc->conn) > 0);
}

void http_conn_deadline(struct http_conn *hc, unsigned ms, size_t bytes)
{
	int64_t now = (int64_t)uv_now(hc->server->loop);

	hc->deadline_ms = ms ? now + ms + (int64_t)(bytes / hc->server->conf.write_rate) : 0;
}

static void enter(struct http_conn *hc, enum http_conn_phase phase)
{
	const struct http_server_conf *conf = &hc->server->conf;
	unsigned ms[] = {
		[HTTP_CONN_IDLE] = conf->idle_ms,
		[HTTP_CONN_HEAD] = conf->head_ms,
		[HTTP_CONN_BODY] = conf->body_ms,
		[HTTP_CONN_CALL] = 0,
		[HTTP_CONN_WRITE] = conf->write_ms,
		[HTTP_CONN_ENDING] = 0,
	};

	hc->phase = phase;
	hc->phase_ms = (int64_t)uv_now(hc->server->loop);
	http_conn_deadline(hc, ms[phase], phase == HTTP_CONN_WRITE ? hc->call.out.len : 0);
}

/* ---------------------------------------------------------------- ending */

/* The answer's bytes are with the kernel, or nobody wants them any more. */
static void drop_answer(struct http_conn *hc)
{
	ASSERT(hc->server->counters.held_bytes >= hc->call.out.len);
	hc->server->counters.held_bytes -= hc->call.out.len;
	buf_fini(&hc->call.out);
	hc->call.out_at = 0;
}

/* The same of a part of a stream: its memory may serve another one. */
static void drop_part(struct http_conn *hc)
{
	struct http_call *call = &hc->call;
	struct buf part = call->out;

	if (!part.p)
		return;
	hc->server->counters.held_bytes -= part.len;
	buf_reset(&part);
	buf_fini(&call->spare);
	call->spare = part;
	call->out = (struct buf){ .max = part.max };
	call->out_at = 0;
}

static void free_conn(struct http_conn *hc)
{
	ASSERT(!hc->conn);
	ASSERT(!hc->call.tag);
	drop_answer(hc);
	http_server_left(hc->server, hc);
	buf_fini(&hc->in);
	buf_fini(&hc->body);
	hc->tag = 0;
	free(hc);
}

/* Says no more; the conn itself waits for the peer's end so that the last answer arrives. */
static void end(struct http_conn *hc)
{
	enter(hc, HTTP_CONN_ENDING);
	if (is_open(hc))
		conn_finish(hc->conn);
}

void http_conn_shed(struct http_conn *hc)
{
	ASSERT(hc->phase == HTTP_CONN_WRITE || hc->call.streaming);
	conn_close(hc->conn, -ETIMEDOUT);
	drop_answer(hc);
}

static void on_closed(struct conn *c, int why)
{
	struct http_conn *hc = conn_of(c);
	struct http_call *call = &hc->call;

	(void)why;
	hc->conn = NULL;
	hc->deadline_ms = 0;
	if (!call->tag) {
		free_conn(hc);
		return;
	}
	hc->server->counters.gone++;
	call->gone = true;
	drop_answer(hc);
	if (call->on_gone && !call->refused)
		call->on_gone(call->gone_arg, call);
}

static void on_eof(struct conn *c)
{
	struct http_conn *hc = conn_of(c);

	hc->eof = true;
	hc->keep_alive = false;
	if (is_sending(hc))
		return; /* the part on its way has a deadline of its own */
	if (hc->phase == HTTP_CONN_CALL)
		http_conn_deadline(hc, LIMIT_HTTP_HALF_CLOSED_MS, 0);
	else if (hc->phase != HTTP_CONN_WRITE)
		conn_close(c, 0);
}

void http_conn_drain(struct http_conn *hc)
{
	hc->keep_alive = false;
	if (hc->phase == HTTP_CONN_IDLE)
		end(hc);
}

void http_conn_hold(struct http_conn *hc)
{
	ASSERT(!hc->call.tag);
	hc->call.tag = HTTP_CALL_TAG;
	hc->call.streaming = hc->call.chunked = false;
	hc->call.gone = hc->call.refused = false;
	hc->call.on_body = NULL;
	hc->call.ops = NULL;
	enter(hc, HTTP_CONN_CALL);
}

/* ---------------------------------------------------------------- answering what is no request */

/* What of the request is meant. */
static const char *field_of(int status)
{
	switch (status) {
	case 413:
		return "body";
	case 414:
		return "target";
	case 417:
		return "Expect";
	case 431:
		return "headers";
	case 505:
		return "version";
	default:
		return "request";
	}
}

static void answer_problem(struct http_conn *hc, int status, const char *error, const char *hint)
{
	struct http_call_problem problem = {
		.status = status, .error = error, .field = field_of(status), .hint = hint
	};

	hc->keep_alive = false;
	/* What is in it may be of the request before. */
	hc->req = (struct http_parse_request){ .method = HTTP_PARSE_OTHER };
	http_conn_hold(hc);
	http_call_problem(&hc->call, &problem);
}

static void answer_refusal(struct http_conn *hc)
{
	answer_problem(hc, hc->parse.status, hc->parse.error, hc->parse.hint);
}

/* The handler, who has the call and waits for the body, lets go first; then the client is told. */
static void take_back(struct http_conn *hc)
{
	struct http_call *call = &hc->call;

	call->gone = call->refused = true;
	enter(hc, HTTP_CONN_CALL);
	if (call->on_gone)
		call->on_gone(call->gone_arg, call);
}

static void refuse(struct http_conn *hc)
{
	struct http_server_counters *n = &hc->server->counters;
	int status = hc->parse.status;

	if (status == 413 || status == 414 || status == 431)
		n->too_large++;
	else
		n->malformed++;
	if (hc->call.tag)
		take_back(hc);
	else
		answer_refusal(hc);
}

static void refuse_slow(struct http_conn *hc)
{
	hc->parse.status = 408;
	hc->parse.error = "the request did not arrive in time";
	hc->parse.hint = "send it faster";
	if (hc->call.tag)
		take_back(hc);
	else
		answer_refusal(hc);
}

/* A body that is taken as it comes and keeps coming is large, not stuck. */
static bool extend_body(struct http_conn *hc)
{
	int64_t now = (int64_t)uv_now(hc->server->loop);
	int64_t fair = hc->server->conf.body_ms +
		       (int64_t)(hc->parse.body_bytes * 1000 / LIMIT_HTTP_BODY_RATE);

	if (hc->phase != HTTP_CONN_BODY || !hc->call.tag || hc->phase_ms + fair <= now)
		return false;
	hc->deadline_ms = hc->phase_ms + fair;
	return true;
}

void http_conn_expired(struct http_conn *hc)
{
	hc->deadline_ms = 0;
	if (!is_open(hc) || extend_body(hc))
		return;
	if (hc->phase == HTTP_CONN_CALL && hc->eof && !is_sending(hc)) {
		conn_close(hc->conn, -ECONNRESET);
		return;
	}
	hc->server->counters.timeouts++;
	if (hc->phase == HTTP_CONN_HEAD || hc->phase == HTTP_CONN_BODY)
		refuse_slow(hc);
	else
		conn_close(hc->conn, -ETIMEDOUT);
	advance(hc);
}

/* ---------------------------------------------------------------- reading */

/* Bytes that are done with leave the front. Only while nothing points into `in`. */
static void compact(struct http_conn *hc)
{
	size_t left = hc->in.len - hc->in_at;

	ASSERT(hc->parse.seen == 0);
	if (hc->in_at == 0)
		return;
	memmove(hc->in.p, hc->in.p + hc->in_at, left);
	hc->in.len = left;
	hc->in_at = 0;
	if (left == 0 && hc->in.cap > HTTP_CONN_AHEAD_BYTES)
		buf_fini(&hc->in);
}

/* The handler may answer at once and so begin the next request: nothing is to be done after it. */
static void dispatch(struct http_conn *hc)
{
	hc->req.body = buf_span(&hc->body);
	http_conn_hold(hc);
	http_server_dispatch(hc->server, hc);
}

/* The handler first, who may refuse; then it has the call while the body comes. */
static void begin_stream(struct http_conn *hc)
{
	bool keep_alive = hc->keep_alive;

	http_conn_hold(hc);
	hc->keep_alive = false; /* an answer now is one before the body */
	http_server_dispatch(hc->server, hc);
	if (hc->phase != HTTP_CONN_CALL || !hc->call.tag)
		return;
	ASSERT(hc->call.on_body);
	hc->keep_alive = keep_alive;
	enter(hc, HTTP_CONN_BODY);
}

static void begin_body(struct http_conn *hc)
{
	const struct http_server_route *route = http_server_admit(hc->server, hc);

	if (!route)
		return;
	if (route->streams)
		begin_stream(hc);
	if (hc->phase == HTTP_CONN_BODY && hc->req.expect_continue &&
		(hc->req.length || hc->req.chunked))
		conn_write(hc->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static bool step_head(struct http_conn *hc)
{
	size_t took;
	int rc;

	if (hc->in.len == hc->in_at)
		return false;
	if (hc->phase == HTTP_CONN_IDLE)
		enter(hc, HTTP_CONN_HEAD);
	hc->parse.limits.body_max = hc->server->body_max;
	rc = http_parse_head(
		&hc->parse, hc->in.p + hc->in_at, hc->in.len - hc->in_at, &hc->req, &took);
	hc->in_at += took;
	if (rc == HTTP_PARSE_MORE) {
		if (took)
			compact(hc);
		return took > 0;
	}
	if (rc < 0) {
		refuse(hc);
		return true;
	}
	hc->keep_alive = hc->req.keep_alive && !hc->server->draining && !hc->eof;
	enter(hc, HTTP_CONN_BODY);
	begin_body(hc);
	return true;
}

/* To the handler that has the call. It may answer now, even before the last piece. */
static void hand_piece(struct http_conn *hc, struct span piece, bool whole)
{
	struct http_call *call = &hc->call;
	bool keep_alive = hc->keep_alive;

	if (whole)
		enter(hc, HTTP_CONN_CALL);
	else
		hc->keep_alive = false;
	call->on_body(call->body_arg, call, piece, whole);
	if (!whole && call->tag)
		hc->keep_alive = keep_alive;
}

/* Consumed bytes of n. *at moves with them before the handler is called, who may begin the next request. */
static void feed_body(struct http_conn *hc, const uint8_t *p, size_t n, size_t *at)
{
	bool streams = hc->route->streams;
	struct buf *body = streams ? &hc->server->piece : &hc->body;
	size_t took;
	int rc;

	if (streams)
		buf_reset(body);
	rc = http_parse_body(&hc->parse, p, n, body, &took);
	*at += rc < 0 ? n : took;
	if (rc < 0)
		refuse(hc);
	else if (streams && (rc == 0 || body->len > 0))
		hand_piece(hc, buf_span(body), rc == 0);
	else if (rc == 0)
		dispatch(hc);
}

static bool step_body(struct http_conn *hc)
{
	feed_body(hc, hc->in.p + hc->in_at, hc->in.len - hc->in_at, &hc->in_at);
	return hc->phase != HTTP_CONN_BODY;
}

static bool step(struct http_conn *hc)
{
	if (!is_open(hc))
		return false;
	switch (hc->phase) {
	case HTTP_CONN_IDLE:
	case HTTP_CONN_HEAD:
		return step_head(hc);
	case HTTP_CONN_BODY:
		return step_body(hc);
	case HTTP_CONN_CALL:
	case HTTP_CONN_WRITE:
	case HTTP_CONN_ENDING:
		break;
	}
	return false;
}

static void advance(struct http_conn *hc)
{
	if (hc->advancing)
		return;
	hc->advancing = true;
	while (step(hc)) {
	}
	hc->advancing = false;
}

/* Takes what it can of n bytes; 0 only while an answer is awaited and the room is used up. */
static size_t take(struct http_conn *hc, const uint8_t *p, size_t n)
{
	size_t room, took = 0;

	if (hc->phase == HTTP_CONN_ENDING)
		return n;
	if (hc->phase == HTTP_CONN_BODY) {
		feed_body(hc, p, n, &took);
		return took;
	}
	if (hc->call.tag && hc->call.ops) {
		hc->call.ops->read(hc->call.ops_arg, &hc->call, span_of(p, n));
		return n;
	}
	if (hc->phase == HTTP_CONN_CALL || hc->phase == HTTP_CONN_WRITE)
		room = hc->in.cap - hc->in.len;
	else
		room = hc->in.max - hc->in.len;
	if (room < n)
		n = room;
	buf_put(&hc->in, p, n);
	if (hc->in.err)
		conn_close(hc->conn, hc->in.err);
	return n;
}

void http_conn_hand_over(struct http_conn *hc)
{
	struct span ahead = span_of(hc->in.p + hc->in_at, hc->in.len - hc->in_at);

	ASSERT(hc->call.ops);
	hc->in_at = hc->in.len;
	if (ahead.n)
		hc->call.ops->read(hc->call.ops_arg, &hc->call, ahead);
	if (hc->paused && is_open(hc)) {
		hc->paused = false;
		conn_resume(hc->conn);
	}
}

static size_t on_read(struct conn *c, const uint8_t *p, size_t n)
{
	struct http_conn *hc = conn_of(c);
	size_t at = 0, took;

	do {
		took = take(hc, p + at, n - at);
		at += took;
		advance(hc);
	} while (took > 0 && at < n && is_open(hc));
	hc->server->counters.bytes_in += at;
	if (at < n && is_open(hc)) {
		hc->paused = true;
		conn_pause(c);
	}
	return at;
}

/* ---------------------------------------------------------------- writing */

/* The answer is with the kernel and the handler has let go: what comes next on this connection? */
static void turn(struct http_conn *hc)
{
	drop_answer(hc);
	if (!hc->keep_alive || hc->eof || hc->server->draining) {
		end(hc);
		return;
	}
	buf_fini(&hc->body);
	compact(hc);
	enter(hc, HTTP_CONN_IDLE);
	advance(hc);
	if (hc->paused && is_open(hc)) {
		hc->paused = false;
		conn_resume(hc->conn);
	}
}

void http_conn_pump(struct http_conn *hc)
{
	struct http_call *call = &hc->call;

	while (is_open(hc) && call->out_at < call->out.len && conn_queued(hc->conn) == 0) {
		size_t n = call->out.len - call->out_at;

		if (n > LIMIT_HTTP_WRITE_BYTES)
			n = LIMIT_HTTP_WRITE_BYTES;
		if (conn_write(hc->conn, call->out.p + call->out_at, n) < 0)
			return;
		call->out_at += n;
		hc->server->counters.bytes_out += n;
	}
	if (!is_open(hc) || conn_queued(hc->conn) > 0)
		return;
	if (call->tag && call->streaming && call->out_at == call->out.len) {
		/* A part of a stream is with the kernel: now it is the handler who keeps us waiting. */
		drop_part(hc);
		http_conn_deadline(hc, hc->eof ? LIMIT_HTTP_HALF_CLOSED_MS : 0, 0);
	}
	if (!call->tag && hc->phase == HTTP_CONN_WRITE && call->out_at == call->out.len)
		turn(hc);
}

static void on_drained(struct conn *c)
{
	struct http_conn *hc = conn_of(c);
	struct http_call *call = &hc->call;

	if (call->tag && call->ops) {
		http_conn_deadline(hc, hc->eof ? LIMIT_HTTP_HALF_CLOSED_MS : 0, 0);
		call->ops->drained(call->ops_arg, call);
		return;
	}
	http_conn_pump(hc);
	if (call->tag && call->streaming && is_open(hc) && !is_sending(hc) && call->on_drain)
		call->on_drain(call->drain_arg, call);
}

void http_conn_released(struct http_conn *hc)
{
	hc->call.tag = 0;
	hc->call.on_gone = hc->call.on_drain = NULL;
	hc->call.ops = NULL;
	buf_fini(&hc->call.spare);
	if (!hc->conn) {
		free_conn(hc);
		return;
	}
	if (hc->call.refused) {
		answer_refusal(hc);
		return;
	}
	enter(hc, HTTP_CONN_WRITE);
	http_conn_pump(hc);
}

/* ---------------------------------------------------------------- opening */

/* Deadlines here are kept by http_server's own sweep: they run on while reading is paused. */
static void on_expired(struct conn *c)
{
	conn_close(c, -ETIMEDOUT);
}

static const struct conn_ops ops = {
	.read = on_read,
	.eof = on_eof,
	.drained = on_drained,
	.expired = on_expired,
	.closed = on_closed,
};

static void link_conn(struct http_server *s, struct http_conn *hc)
{
	hc->next = s->conns;
	if (s->conns)
		s->conns->prev = hc;
	s->conns = hc;
	s->counters.conns_total++;
	s->counters.conns_open++;
}

void http_conn_open(struct http_server *s, int fd, const struct addr *peer)
{
	const struct http_parse_limits limits = { LIMIT_HTTP_LINE_BYTES, LIMIT_HTTP_HEAD_BYTES,
		s->conf.body_max };
	struct http_conn *hc = calloc(1, sizeof *hc);
	struct conn *c;

	if (!hc) {
		listener_drop(s->set.gate, fd, peer);
		return;
	}
	if (conn_open(&s->set, fd, peer, HTTP_CONN_OUT_BYTES, &ops, hc, &c) < 0) {
		free(hc);
		return;
	}
	hc->tag = HTTP_CONN_TAG;
	hc->server = s;
	hc->conn = c;
	hc->call.conn = hc;
	hc->keep_alive = true;
	addr_host(peer, hc->call.peer);
	http_parse_init(&hc->parse, &limits);
	buf_init(&hc->in, LIMIT_HTTP_HEAD_BYTES + HTTP_CONN_AHEAD_BYTES);
	buf_init(&hc->body, s->conf.body_max);
	link_conn(s, hc);
	enter(hc, HTTP_CONN_IDLE);
}
