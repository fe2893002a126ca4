#include "proto/http/http_call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/http/http_conn_int.h"
#include "proto/http/http_reply.h"

enum {
	/* Up to here head and body leave in one write. */
	CALL_TOGETHER_BYTES = 16 << 10,
	CALL_HEAD_BYTES = 4096,
	CALL_PROBLEM_BYTES = 64 << 10,
	/*
	 * A stream to a client of so short a round trip fills a network of 2 Gbit/s with LIMIT_HTTP_SENT_BYTES
	 * on their way. More would only leave the processor's caches before it is received.
	 */
	CALL_NEAR_US = 1000,
};

const struct http_parse_request *http_call_request(const struct http_call *call)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	return &call->conn->req;
}

struct span http_call_part(const struct http_call *call)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	return call->conn->part;
}

const char *http_call_peer(const struct http_call *call)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	return call->peer;
}

void http_call_read(struct http_call *call, http_call_body_cb cb, void *arg)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(call->conn->route->streams);
	call->on_body = cb;
	call->body_arg = arg;
}

void http_call_on_gone(struct http_call *call, http_call_cb cb, void *arg)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	call->on_gone = cb;
	call->gone_arg = arg;
}

static bool is_gone(const struct http_call *call)
{
	return call->gone || !call->conn->conn || call->conn->conn->closing;
}

static void count(struct http_call *call, int status)
{
	ASSERT(status >= 101);
	ASSERT(status < 600);
	call->conn->server->counters.replies[status / 100]++;
}

/* The head into *out; the request's own wishes (HEAD, keep-alive) are heeded here. */
static void make_head(struct http_call *call, const struct http_call_head *head,
	enum http_reply_body kind, uint64_t length, struct buf *out)
{
	const struct http_server_conf *conf = &call->conn->server->conf;

	http_reply_head(out, head, kind, length, call->conn->keep_alive, clock_wall_ns());
	if (conf->put_fields)
		conf->put_fields(conf->arg, &call->conn->req, out);
	buf_put_str(out, "\r\n");
	ASSERT(!out->err || out->err == -ENOMEM);
}

void http_call_reply(struct http_call *call, const struct http_call_head *head, struct buf *body)
{
	struct http_conn *hc = call->conn;
	struct buf first;

	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(!call->streaming);
	count(call, head->status);
	buf_init(&first, CALL_HEAD_BYTES + CALL_TOGETHER_BYTES);
	if (!is_gone(call) && !body->err) {
		make_head(call, head, HTTP_REPLY_LENGTH, body->len, &first);
		if (hc->req.method == HTTP_PARSE_HEAD)
			buf_reset(body);
		if (body->len <= CALL_TOGETHER_BYTES) {
			buf_put_span(&first, buf_span(body));
			buf_reset(body);
		}
	}
	if (first.err || body->err) {
		conn_close(hc->conn, -ENOMEM);
	} else if (!is_gone(call) && body->len) {
		conn_write_more(hc->conn, first.p, first.len);
		call->out = *body;
		*body = (struct buf){ .max = body->max };
	} else if (!is_gone(call)) {
		call->out = first;
		buf_init(&first, 0);
	}
	hc->server->counters.held_bytes += call->out.len;
	buf_fini(&first);
	buf_fini(body);
	http_conn_released(hc);
}

void http_call_text(struct http_call *call, int status, const char *type, const char *text)
{
	struct http_call_head head = { .status = status, .type = type };
	struct buf body;

	buf_init(&body, strlen(text) + 1);
	buf_put_str(&body, text);
	http_call_reply(call, &head, &body);
}

void http_call_problem(struct http_call *call, const struct http_call_problem *problem)
{
	struct http_call_head head = {
		.status = problem->status, .type = "application/json", .fields = problem->fields
	};
	struct buf body;

	buf_init(&body, CALL_PROBLEM_BYTES);
	http_reply_problem(&body, problem);
	http_call_reply(call, &head, &body);
}

/* ---------------------------------------------------------------- streams */

/* A reader that takes nothing has write_ms, and time for the bytes that wait; see http_conn_int.h. */
static void stream_put(struct http_call *call, const void *p, size_t n, bool more)
{
	struct http_conn *hc = call->conn;
	bool waiting = conn_queued(hc->conn) > 0;
	int rc = more ? conn_write_more(hc->conn, p, n) : conn_write(hc->conn, p, n);

	if (rc < 0) {
		conn_close(hc->conn, -ENOBUFS);
		return;
	}
	hc->server->counters.bytes_out += n;
	if (conn_queued(hc->conn) == 0)
		http_conn_deadline(hc, 0, 0);
	else if (!waiting)
		http_conn_deadline(hc, hc->server->conf.write_ms, n);
	else
		hc->deadline_ms += (int64_t)(n / hc->server->conf.write_rate);
}

void http_call_begin(
	struct http_call *call, const struct http_call_head *head, http_call_cb on_drain, void *arg)
{
	struct http_conn *hc = call->conn;
	struct buf first;

	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(!call->streaming);
	count(call, head->status);
	call->streaming = true;
	call->chunked = hc->req.minor > 0;
	call->on_drain = on_drain;
	call->drain_arg = arg;
	if (!call->chunked)
		hc->keep_alive = false;
	if (is_gone(call))
		return;
	if (conn_rtt_us(hc->conn) <= CALL_NEAR_US)
		conn_bound_sent(hc->conn, LIMIT_HTTP_SENT_BYTES);
	buf_init(&first, CALL_HEAD_BYTES);
	make_head(
		call, head, call->chunked ? HTTP_REPLY_CHUNKED : HTTP_REPLY_UNTIL_CLOSE, 0, &first);
	if (first.err)
		conn_close(hc->conn, first.err);
	else
		stream_put(call, first.p, first.len, false);
	buf_fini(&first);
}

/* True: there is somebody to send it to. */
static bool stream_goes_on(const struct http_call *call)
{
	return !is_gone(call) && call->conn->req.method != HTTP_PARSE_HEAD;
}

/* What stands before a chunk. */
static void put_size(struct http_call *call, size_t n)
{
	char size[24];

	stream_put(call, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", n), true);
}

void http_call_write(struct http_call *call, const void *p, size_t n)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(call->streaming);
	ASSERT(call->out.len == 0);
	if (n == 0 || !stream_goes_on(call))
		return;
	if (!call->chunked) {
		stream_put(call, p, n, false);
		return;
	}
	put_size(call, n);
	if (!is_gone(call))
		stream_put(call, p, n, true);
	if (!is_gone(call))
		stream_put(call, "\r\n", 2, false);
}

void http_call_give(struct http_call *call, struct buf *part)
{
	struct http_conn *hc = call->conn;

	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(call->streaming);
	ASSERT(!http_call_full(call));
	if (part->len > 0 && stream_goes_on(call) && call->chunked)
		put_size(call, part->len);
	if (part->len == 0 || !stream_goes_on(call)) {
		buf_fini(part);
		return;
	}
	if (call->chunked)
		buf_put(part, "\r\n", 2);
	if (part->err) {
		conn_close(hc->conn, part->err);
		return;
	}
	call->out = *part;
	call->out_at = 0;
	*part = (struct buf){ .max = part->max };
	hc->server->counters.held_bytes += call->out.len;
	hc->phase_ms = (int64_t)uv_now(hc->server->loop);
	http_conn_deadline(hc, hc->server->conf.write_ms, call->out.len);
	http_conn_pump(hc);
}

bool http_call_take_back(struct http_call *call, struct buf *out)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	if (!call->spare.p)
		return false;
	*out = call->spare;
	call->spare = (struct buf){ .max = 0 };
	return true;
}

bool http_call_full(const struct http_call *call)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	return !is_gone(call) &&
	       (call->out.len > 0 || conn_queued(call->conn->conn) >= LIMIT_HTTP_WRITE_BYTES);
}

void http_call_end(struct http_call *call, bool whole)
{
	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(call->streaming);
	ASSERT(is_gone(call) || !whole || call->out.len == 0);
	if (!is_gone(call) && !whole)
		conn_close(call->conn->conn, -ECANCELED);
	else if (stream_goes_on(call) && call->chunked)
		stream_put(call, "0\r\n\r\n", 5, false);
	http_conn_released(call->conn);
}

/* ---------------------------------------------------------------- connections taken over */

void http_call_take_over(struct http_call *call, const struct http_call_head *head,
	const struct http_call_ops *ops, void *arg)
{
	struct http_conn *hc = call->conn;
	struct buf first;

	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(!call->streaming);
	count(call, head->status);
	call->streaming = true;
	call->ops = ops;
	call->ops_arg = arg;
	hc->keep_alive = false;
	if (is_gone(call))
		return;
	buf_init(&first, CALL_HEAD_BYTES);
	make_head(call, head, head->status == 101 ? HTTP_REPLY_UPGRADE : HTTP_REPLY_UNTIL_CLOSE, 0,
		&first);
	conn_bound_sent(hc->conn, LIMIT_HTTP_SENT_BYTES);
	if (first.err)
		conn_close(hc->conn, first.err);
	else
		stream_put(call, first.p, first.len, false);
	buf_fini(&first);
	if (!is_gone(call))
		http_conn_hand_over(hc);
}

size_t http_call_send(struct http_call *call, const void *p, size_t n)
{
	struct http_conn *hc = call->conn;
	size_t sent;

	CHECK_TAG(call, HTTP_CALL_TAG);
	ASSERT(call->ops);
	if (is_gone(call))
		return n;
	sent = conn_offer(hc->conn, p, n);
	if (is_gone(call))
		return n;
	hc->server->counters.bytes_out += sent;
	if (sent < n && hc->deadline_ms == 0)
		http_conn_deadline(hc, hc->server->conf.write_ms, n - sent);
	return sent;
}
