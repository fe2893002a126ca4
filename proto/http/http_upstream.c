/*
 * One request, one connection at a time: a link. It is made connecting, and what is written before the
 * connection stands waits in its queue. When its answer is whole and nothing forbids it, the link is kept
 * for the next request; a byte or an end that comes meanwhile closes it. A link is not used again once it
 * lay idle for LIMIT_UPSTREAM_SPARE_MS, well before the server would end it, so that no request goes into
 * a connection that is just being closed; none is ever sent twice.
 */
#include "proto/http/http_upstream.h"

#include <assert.h>
#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/net/conn.h"

enum {
	UPSTREAM_TAG = 0x48555053,
	LINK_TAG = 0x484c4e4b,
	REQUEST_HEAD_BYTES = 2 * LIMIT_HTTP_HEAD_BYTES,
	LINK_OUT_BYTES = LIMIT_HTTP_WRITE_BYTES + REQUEST_HEAD_BYTES,
	TYPE_BYTES = 256,
};

static_assert(LIMIT_UPSTREAM_SPARE_MS < LIMIT_HTTP_IDLE_MS / 2, "the other side ends it later");

struct http_upstream_request {
	struct link *link;
	http_upstream_cb cb; /* NULL: canceled */
	void *arg;
	struct span body; /* not yet handed to the socket */
	/* The answer. */
	llhttp_t parse;
	struct buf type, answer;
	bool in_type, sent, whole, again;
	int failed;
};

struct link {
	unsigned tag;
	struct http_upstream *upstream;
	struct conn *conn;
	struct http_upstream_request *request; /* NULL: a spare */
};

struct http_upstream {
	unsigned tag;
	struct http_upstream_conf conf;
	char host[ADDR_TEXT_BYTES];
	struct listener_gate gate;
	struct conn_set set;
	struct link *spares[LIMIT_UPSTREAM_SPARES];
	unsigned spares_count;
	bool closing;
	/* Their ends are turns of the loop: the last connection goes, then its set, then the memory. */
	uv_timer_t last[3];
};

/* ---------------------------------------------------------------- the answer */

static struct http_upstream_request *request_of(llhttp_t *ll)
{
	return ll->data;
}

static int put(struct http_upstream_request *r, struct buf *to, const char *at, size_t n)
{
	buf_put(to, at, n);
	if (to->err)
		r->failed = to->err;
	return to->err ? -1 : 0;
}

static int on_name(llhttp_t *ll, const char *at, size_t n)
{
	static const char name[] = "content-type";
	struct http_upstream_request *r = request_of(ll);

	/* A name that comes in two parts is not recognised, and the type stays unknown. */
	r->in_type = n == sizeof name - 1 && strncasecmp(at, name, n) == 0;
	if (r->in_type)
		buf_reset(&r->type);
	return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
	struct http_upstream_request *r = request_of(ll);

	return r->in_type ? put(r, &r->type, at, n) : 0;
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
	struct http_upstream_request *r = request_of(ll);

	return put(r, &r->answer, at, n);
}

/* "100 Continue" and its like are no answer. */
static int on_complete(llhttp_t *ll)
{
	struct http_upstream_request *r = request_of(ll);

	if (ll->status_code < 200)
		return 0;
	r->whole = true;
	r->again = llhttp_should_keep_alive(ll);
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* ---------------------------------------------------------------- the end of a request */

static void free_request(struct http_upstream_request *r)
{
	buf_fini(&r->type);
	buf_fini(&r->answer);
	free(r);
}

/* The link has let go of it. */
static void tell(struct http_upstream_request *r, int error)
{
	struct http_upstream_answer answer = { .error = error,
		.sent = r->sent,
		.status = r->parse.status_code,
		.type = r->type.len ? buf_span(&r->type) : SPAN_NONE,
		.body = buf_span(&r->answer) };

	if (r->cb)
		r->cb(r->arg, &answer);
	free_request(r);
}

static void keep_or_close(struct link *l, bool again)
{
	struct http_upstream *u = l->upstream;

	if (!again || u->closing || l->conn->closing || conn_queued(l->conn) > 0 ||
		u->spares_count == LIMIT_UPSTREAM_SPARES) {
		conn_close(l->conn, 0);
		return;
	}
	u->spares[u->spares_count++] = l;
	conn_deadline(l->conn, u->conf.spare_ms);
}

static void end_whole(struct link *l)
{
	struct http_upstream_request *r = l->request;

	l->request = NULL;
	/* An answer before the request's end: the rest of it is not wanted. */
	keep_or_close(l, r->again && r->body.n == 0);
	tell(r, 0);
}

static void end_failed(struct link *l, int error)
{
	struct http_upstream_request *r = l->request;

	l->request = NULL;
	conn_close(l->conn, error);
	tell(r, error);
}

/* ---------------------------------------------------------------- the connection */

static struct link *link_of(struct conn *c)
{
	struct link *l = c->owner;

	CHECK_TAG(l, LINK_TAG);
	return l;
}

/* As much of the body as the socket takes, and one part more. */
static void pump(struct link *l)
{
	struct http_upstream_request *r = l->request;

	while (r->body.n > 0 && conn_queued(l->conn) == 0) {
		size_t n = r->body.n < LIMIT_HTTP_WRITE_BYTES ? r->body.n : LIMIT_HTTP_WRITE_BYTES;

		if (conn_write(l->conn, r->body.p, n) < 0)
			return;
		r->body = span_of(r->body.p + n, r->body.n - n);
	}
}

static void forget_spare(struct link *l)
{
	struct http_upstream *u = l->upstream;

	for (unsigned i = 0; i < u->spares_count; i++) {
		if (u->spares[i] == l) {
			u->spares[i] = u->spares[--u->spares_count];
			return;
		}
	}
}

static void drop_spare(struct link *l)
{
	forget_spare(l);
	conn_close(l->conn, 0);
}

static size_t on_read(struct conn *c, const uint8_t *p, size_t n)
{
	struct link *l = link_of(c);
	struct http_upstream_request *r = l->request;
	llhttp_errno_t e;

	if (!r) {
		drop_spare(l);
		return n;
	}
	e = llhttp_execute(&r->parse, (const char *)p, n);
	if (r->whole)
		end_whole(l);
	else if (e != HPE_OK)
		end_failed(l, r->failed ? r->failed : ERR_SYNTAX);
	return n;
}

static void on_eof(struct conn *c)
{
	struct link *l = link_of(c);
	struct http_upstream_request *r = l->request;

	if (!r) {
		drop_spare(l);
		return;
	}
	llhttp_finish(&r->parse); /* an answer without a length ends here */
	r->again = false;
	if (r->whole)
		end_whole(l);
	else
		end_failed(l, ERR_TRUNCATED);
}

static void on_drained(struct conn *c)
{
	struct link *l = link_of(c);

	if (!l->request)
		return;
	if (!l->request->sent)
		conn_deadline(c, l->upstream->conf.answer_ms);
	l->request->sent = true;
	pump(l);
}

static void on_expired(struct conn *c)
{
	struct link *l = link_of(c);

	if (l->request)
		end_failed(l, -ETIMEDOUT);
	else
		drop_spare(l);
}

/* ---------------------------------------------------------------- the end */

static void on_gone(uv_handle_t *h)
{
	struct http_upstream *u = h->data;

	u->tag = 0;
	free(u);
}

/* The set's own handle ends in this turn, too, and perhaps later than this one. */
static void on_set_gone(uv_handle_t *h)
{
	struct http_upstream *u = h->data;

	CHECK_TAG(u, UPSTREAM_TAG);
	uv_close((uv_handle_t *)&u->last[2], on_gone);
}

static void on_idle(uv_handle_t *h)
{
	struct http_upstream *u = h->data;

	CHECK_TAG(u, UPSTREAM_TAG);
	conn_set_fini(&u->set);
	uv_close((uv_handle_t *)&u->last[1], on_set_gone);
}

/* A failure of the socket, if its request is still there; else it was told before. */
static void on_closed(struct conn *c, int why)
{
	struct link *l = link_of(c);
	struct http_upstream *u = l->upstream;
	struct http_upstream_request *r = l->request;

	forget_spare(l);
	l->tag = 0;
	free(l);
	if (r)
		tell(r, why ? why : -ECONNRESET);
	if (u->closing && u->set.count == 1)
		uv_close((uv_handle_t *)&u->last[0], on_idle);
}

void http_upstream_close(struct http_upstream **at)
{
	struct http_upstream *u = *at;

	if (!u)
		return;
	CHECK_TAG(u, UPSTREAM_TAG);
	*at = NULL;
	u->closing = true;
	if (u->set.count == 0)
		uv_close((uv_handle_t *)&u->last[0], on_idle);
	for (struct conn *c = u->set.head; c; c = c->next) {
		if (link_of(c)->request)
			link_of(c)->request->cb = NULL;
		conn_close(c, -ECANCELED);
	}
}

/* ---------------------------------------------------------------- links */

static const struct conn_ops ops = {
	.read = on_read,
	.eof = on_eof,
	.drained = on_drained,
	.expired = on_expired,
	.closed = on_closed,
};

/* A connection that is still being made; what keeps it from standing shows when it is written to. */
static struct link *new_link(struct http_upstream *u)
{
	const struct addr *to = &u->conf.to;
	int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct link *l = fd < 0 ? NULL : calloc(1, sizeof *l);

	if (!l) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	l->tag = LINK_TAG;
	l->upstream = u;
	connect(fd, (const struct sockaddr *)&to->sa, to->sa_bytes);
	u->gate.open++;
	if (conn_open(&u->set, fd, to, LINK_OUT_BYTES, &ops, l, &l->conn) < 0) {
		free(l);
		return NULL;
	}
	/* A server may answer before it has the whole body, and then read no more of it. */
	conn_read_stop(l->conn, SIZE_MAX);
	conn_deadline(l->conn, u->conf.connect_ms);
	return l;
}

/* A server that has ended it meanwhile has not been heard yet. */
static bool is_alive(const struct conn *c)
{
	uint8_t byte;

	return !c->closing && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static struct link *take_link(struct http_upstream *u)
{
	while (u->spares_count > 0) {
		struct link *l = u->spares[--u->spares_count];

		if (is_alive(l->conn)) {
			conn_deadline(l->conn, u->conf.answer_ms);
			return l;
		}
		conn_close(l->conn, 0);
	}
	return new_link(u);
}

/* ---------------------------------------------------------------- face */

static void put_line(
	struct http_upstream *u, const char *method, struct span target, struct buf *head)
{
	buf_printf(head, "%s ", method);
	buf_put_span(head, target);
	buf_printf(head, " HTTP/1.1\r\nHost: %s\r\n", u->host);
}

/* head is all but the empty line. */
static struct http_upstream_request *send_request(
	struct http_upstream *u, struct buf *head, struct span body, http_upstream_cb cb, void *arg)
{
	struct http_upstream_request *r = calloc(1, sizeof *r);
	struct link *l = r ? take_link(u) : NULL;

	CHECK_TAG(u, UPSTREAM_TAG);
	if (!l) {
		free(r);
		return NULL;
	}
	r->link = l;
	r->cb = cb;
	r->arg = arg;
	r->body = body;
	llhttp_init(&r->parse, HTTP_RESPONSE, &settings);
	r->parse.data = r;
	buf_init(&r->type, TYPE_BYTES);
	buf_init(&r->answer, u->conf.answer_max);
	l->request = r;
	buf_put_str(head, "\r\n");
	if (head->err)
		conn_close(l->conn, head->err);
	else if (conn_write(l->conn, head->p, head->len) == 0 && conn_queued(l->conn) == 0)
		on_drained(l->conn);
	return r;
}

struct http_upstream_request *http_upstream_post(struct http_upstream *u, struct span target,
	struct span fields, struct span body, http_upstream_cb cb, void *arg)
{
	struct http_upstream_request *r;
	struct buf head;

	buf_init(&head, REQUEST_HEAD_BYTES);
	put_line(u, "POST", target, &head);
	buf_printf(&head, "Content-Length: %zu\r\n", body.n);
	buf_put_span(&head, fields);
	r = send_request(u, &head, body, cb, arg);
	buf_fini(&head);
	return r;
}

struct http_upstream_request *http_upstream_get(
	struct http_upstream *u, struct span target, http_upstream_cb cb, void *arg)
{
	struct http_upstream_request *r;
	struct buf head;

	buf_init(&head, REQUEST_HEAD_BYTES);
	put_line(u, "GET", target, &head);
	r = send_request(u, &head, SPAN_NONE, cb, arg);
	buf_fini(&head);
	return r;
}

void http_upstream_cancel(struct http_upstream_request *r)
{
	r->cb = NULL;
	conn_close(r->link->conn, -ECANCELED);
}

void http_upstream_retune(struct http_upstream *u, unsigned connect_ms, unsigned answer_ms)
{
	CHECK_TAG(u, UPSTREAM_TAG);
	u->conf.connect_ms = connect_ms;
	u->conf.answer_ms = answer_ms;
}

int http_upstream_new(uv_loop_t *loop, const struct http_upstream_conf *conf,
	struct http_upstream **out, struct diag *d)
{
	struct http_upstream *u = calloc(1, sizeof *u);
	int rc = u ? conn_set_init(&u->set, loop, &u->gate) : -ENOMEM;

	if (rc < 0) {
		free(u);
		return diag_set(d, rc, "", -1, "no memory for a relay");
	}
	u->tag = UPSTREAM_TAG;
	u->conf = *conf;
	if (u->conf.spare_ms == 0)
		u->conf.spare_ms = LIMIT_UPSTREAM_SPARE_MS;
	addr_text(&conf->to, u->host);
	for (size_t i = 0; i < ARRAY_COUNT(u->last); i++) {
		uv_timer_init(loop, &u->last[i]);
		u->last[i].data = u;
	}
	*out = u;
	return 0;
}
