#include "proto/http/http_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/http/http_conn_int.h"
#include "proto/http/http_url.h"

/* ---------------------------------------------------------------- routes */

enum { ALLOW_BYTES = 128 };

/* "Allow: GET, HEAD, OPTIONS\r\n" for what the routes of that path take. */
static void put_allow(char dst[ALLOW_BYTES], unsigned methods)
{
	size_t n;

	if (methods & HTTP_PARSE_GET)
		methods |= HTTP_PARSE_HEAD;
	methods |= HTTP_PARSE_OPTIONS;
	strcpy(dst, "Allow: ");
	for (unsigned bit = HTTP_PARSE_GET; bit < HTTP_PARSE_OTHER; bit <<= 1) {
		if (!(methods & bit))
			continue;
		n = strlen(dst);
		ASSERT(n + 16 < ALLOW_BYTES);
		if (n > 7)
			strcat(dst, ", ");
		strcat(dst, http_parse_method_name((enum http_parse_method)bit));
	}
	strcat(dst, "\r\n");
}

/* The path decoded, or absent when it is not well formed. Lives until the next call. */
static struct span decoded_path(struct http_server *s, struct http_conn *hc)
{
	struct span path = SPAN_NONE;

	arena_reset(&s->arena);
	if (http_url_decode(hc->req.path, false, &s->arena, &path) < 0)
		return SPAN_NONE;
	return path;
}

/* The path whose routes answer this request; NULL: none. The request's open part is noted. */
static const char *find_path(struct http_server *s, struct http_conn *hc)
{
	struct span path = decoded_path(s, hc);
	const char *found = NULL;

	hc->part = SPAN_NONE;
	for (size_t i = 0; path.p && i < s->conf.routes_count; i++) {
		if (span_eq(path, span_str(s->conf.routes[i].path)))
			return s->conf.routes[i].path;
	}
	for (size_t i = 0; path.p && !found && i < s->conf.routes_count; i++) {
		if (http_url_match(s->conf.routes[i].path, hc->req.path, &hc->part))
			found = s->conf.routes[i].path;
	}
	return found;
}

static const struct http_server_route *find_route(
	struct http_server *s, struct http_conn *hc, unsigned *out_methods)
{
	bool any = span_eq(hc->req.path, SPAN_LIT("*"));
	const char *path = find_path(s, hc);
	unsigned method = hc->req.method == HTTP_PARSE_HEAD ? HTTP_PARSE_GET : hc->req.method;
	const struct http_server_route *found = NULL;

	*out_methods = 0;
	for (size_t i = 0; (path || any) && i < s->conf.routes_count; i++) {
		const struct http_server_route *r = &s->conf.routes[i];

		if (!any && strcmp(path, r->path) != 0)
			continue;
		*out_methods |= r->methods;
		if (!any && (r->methods & method))
			found = r;
	}
	return found;
}

/* "there are /api/logs, /healthz": what a lost client may want to know. */
static void put_paths(const struct http_server *s, struct buf *out)
{
	buf_put_str(out, "there are");
	for (size_t i = 0; i < s->conf.routes_count; i++) {
		buf_put_str(out, i ? ", " : " ");
		buf_put_str(out, s->conf.routes[i].path);
	}
	buf_put_u8(out, 0);
}

static void answer_options(struct http_conn *hc, unsigned methods)
{
	char allow[ALLOW_BYTES];
	const struct http_call_head head = { .status = 204, .fields = allow };
	struct buf none;

	put_allow(allow, methods);
	buf_init(&none, 0);
	http_call_reply(&hc->call, &head, &none);
}

/* No route: OPTIONS of a path that is there, another method of it, or no such path. */
static void answer_lost(struct http_server *s, struct http_conn *hc, unsigned methods)
{
	char allow[ALLOW_BYTES];
	struct http_call_problem p = { .status = 404, .error = "no such path", .field = "path" };
	struct buf paths;

	if (methods && hc->req.method == HTTP_PARSE_OPTIONS) {
		answer_options(hc, methods);
		return;
	}
	buf_init(&paths, 4096);
	if (methods) {
		put_allow(allow, methods);
		p = (struct http_call_problem){ .status = 405,
			.error = "this path does not take that method",
			.field = "method",
			.hint = "see the Allow header",
			.fields = allow };
	} else {
		put_paths(s, &paths);
		p.hint = paths.err ? NULL : (const char *)paths.p;
	}
	http_call_problem(&hc->call, &p);
	buf_fini(&paths);
}

/* The host without its port. */
static struct span host_name(struct span host)
{
	const uint8_t *at;

	if (host.n && host.p[0] == '[') {
		at = memchr(host.p, ']', host.n);
		return at ? span_of(host.p, (size_t)(at + 1 - host.p)) : host;
	}
	at = host.n ? memchr(host.p, ':', host.n) : NULL;
	return at ? span_of(host.p, (size_t)(at - host.p)) : host;
}

/* A refusal before the body has come ends the connection after it: the body is not waited for. */
static void hold_refused(struct http_conn *hc)
{
	if (hc->req.length || hc->req.chunked)
		hc->keep_alive = false;
	http_conn_hold(hc);
}

/* The most that this route takes, as one reads it before any byte of the body. */
static bool body_fits(const struct http_server *s, struct http_conn *hc)
{
	size_t max = hc->route->body_max ? hc->route->body_max : s->conf.body_max;

	hc->parse.limits.body_max = max;
	hc->body.max = max;
	return hc->req.length <= max && (max > 0 || !hc->req.chunked);
}

static void answer_large(struct http_server *s, struct http_conn *hc)
{
	struct http_call_problem p = { .status = 413,
		.error = "the body is too large",
		.field = "body",
		.hint = hc->body.max ? "send it in parts" : "send none" };

	s->counters.too_large++;
	hold_refused(hc);
	http_call_problem(&hc->call, &p);
}

const struct http_server_route *http_server_admit(struct http_server *s, struct http_conn *hc)
{
	unsigned methods;

	s->counters.requests++;
	if (hc->req.host.p && s->conf.host_ok &&
		!s->conf.host_ok(s->conf.arg, host_name(hc->req.host))) {
		struct http_call_problem p = { .status = 421,
			.error = "this server does not answer for that host name",
			.field = "Host",
			.hint = "use its address, or name the host in the configuration" };

		s->counters.hosts_wrong++;
		hold_refused(hc);
		http_call_problem(&hc->call, &p);
		return NULL;
	}
	hc->route = find_route(s, hc, &methods);
	if (hc->route && body_fits(s, hc))
		return hc->route;
	if (hc->route) {
		answer_large(s, hc);
		return NULL;
	}
	hold_refused(hc);
	answer_lost(s, hc, methods);
	return NULL;
}

void http_server_dispatch(struct http_server *s, struct http_conn *hc)
{
	ASSERT(hc->route);
	hc->route->handle(s->conf.arg, &hc->call);
}

/* ---------------------------------------------------------------- accepting */

static const char refusal[] =
	"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
	"Content-Length: 84\r\nConnection: close\r\n\r\n"
	"{\"status\":\"error\",\"error\":\"too many connections\",\"hint\":\"close some, or try later\"}\n";

/* What the peer has sent is read, else the kernel resets the connection and the answer with it. */
static void turn_away(struct http_server *s, int fd, const struct addr *peer)
{
	char scrap[4096];

	s->counters.conns_refused++;
	s->counters.replies[5]++;
	while (send(fd, refusal, sizeof refusal - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
		errno == EINTR) {
	}
	shutdown(fd, SHUT_WR);
	while (recv(fd, scrap, sizeof scrap, MSG_DONTWAIT) == (ssize_t)sizeof scrap) {
	}
	listener_drop(s->set.gate, fd, peer);
}

static void on_sweep(uv_timer_t *t)
{
	struct http_server *s = t->data;
	int64_t now = (int64_t)uv_now(s->loop);
	struct http_conn *next;

	CHECK_TAG(s, HTTP_SERVER_TAG);
	for (struct http_conn *hc = s->conns; hc; hc = next) {
		next = hc->next;
		if (hc->deadline_ms && hc->deadline_ms <= now)
			http_conn_expired(hc);
	}
	if (!s->conns)
		uv_timer_stop(&s->sweep);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct http_server *s = arg;

	CHECK_TAG(s, HTTP_SERVER_TAG);
	if (s->counters.conns_open >= s->conf.conns_max) {
		turn_away(s, fd, peer);
		return;
	}
	http_conn_open(s, fd, peer);
	if (!uv_is_active((uv_handle_t *)&s->sweep))
		uv_timer_start(&s->sweep, on_sweep, LIMIT_SWEEP_MS, LIMIT_SWEEP_MS);
}

/* ---------------------------------------------------------------- life */

static unsigned or_default(unsigned value, unsigned standard)
{
	return value ? value : standard;
}

static void set_conf(struct http_server *s, const struct http_server_conf *conf)
{
	struct http_server_conf *c = &s->conf;

	*c = *conf;
	c->conns_max = or_default(c->conns_max, LIMIT_HTTP_CONNS);
	c->head_ms = or_default(c->head_ms, LIMIT_HTTP_HEAD_MS);
	c->body_ms = or_default(c->body_ms, LIMIT_HTTP_BODY_MS);
	c->idle_ms = or_default(c->idle_ms, LIMIT_HTTP_IDLE_MS);
	c->write_ms = or_default(c->write_ms, LIMIT_HTTP_WRITE_MS);
	c->write_rate = or_default(c->write_rate, LIMIT_HTTP_WRITE_RATE);
	s->body_max = c->body_max;
	for (size_t i = 0; i < c->routes_count; i++) {
		if (c->routes[i].body_max > s->body_max)
			s->body_max = c->routes[i].body_max;
	}
}

void http_server_retune(
	struct http_server *s, unsigned conns_max, unsigned head_ms, unsigned idle_ms)
{
	CHECK_TAG(s, HTTP_SERVER_TAG);
	s->conf.conns_max = or_default(conns_max, LIMIT_HTTP_CONNS);
	s->conf.head_ms = or_default(head_ms, LIMIT_HTTP_HEAD_MS);
	s->conf.idle_ms = or_default(idle_ms, LIMIT_HTTP_IDLE_MS);
}

/* The connection whose answer has been leaving for the longest time, if that is long enough. */
static struct http_conn *slowest(struct http_server *s)
{
	int64_t before = (int64_t)uv_now(s->loop) - LIMIT_HTTP_SHED_MS;
	struct http_conn *found = NULL;

	for (struct http_conn *hc = s->conns; hc; hc = hc->next) {
		bool sends = hc->phase == HTTP_CONN_WRITE || hc->call.streaming;

		if (sends && hc->call.out.len && hc->phase_ms <= before) {
			found = hc;
			before = hc->phase_ms;
		}
	}
	return found;
}

bool http_server_shed(struct http_server *s, uint64_t held_max)
{
	struct http_conn *hc;

	CHECK_TAG(s, HTTP_SERVER_TAG);
	while (s->counters.held_bytes > held_max && (hc = slowest(s))) {
		s->counters.shed++;
		http_conn_shed(hc);
	}
	return s->counters.held_bytes <= held_max;
}

static void init_timer(struct http_server *s, uv_timer_t *t)
{
	uv_timer_init(s->loop, t);
	t->data = s;
}

int http_server_open(uv_loop_t *loop, struct listener_gate *gate, const struct addr *at,
	const struct http_server_conf *conf, struct http_server **out, struct diag *d)
{
	struct http_server *s = calloc(1, sizeof *s);
	int rc;

	ASSERT(conf->routes_count > 0);
	if (!s)
		return diag_set(d, -ENOMEM, "", -1, "cannot start the HTTP server");
	s->tag = HTTP_SERVER_TAG;
	s->loop = loop;
	set_conf(s, conf);
	arena_init(&s->arena, 2 * LIMIT_HTTP_LINE_BYTES);
	buf_init(&s->piece, LIMIT_READ_BYTES);
	rc = conn_set_init(&s->set, loop, gate);
	if (rc < 0) {
		free(s);
		return diag_set(d, rc, "", -1, "cannot start the HTTP server");
	}
	init_timer(s, &s->sweep);
	init_timer(s, &s->later[0]);
	init_timer(s, &s->later[1]);
	rc = listener_open_tcp(&s->listener, loop, gate, at, on_accept, s, d);
	if (rc < 0) {
		s->listener_gone = true;
		http_server_close(s, NULL, NULL);
		return rc;
	}
	s->listener.admit = conf->admit;
	*out = s;
	return 0;
}

const struct addr *http_server_addr(const struct http_server *s)
{
	return &s->listener.addr;
}

const struct http_server_counters *http_server_counters(const struct http_server *s)
{
	return &s->counters;
}

/*
 * The end takes some turns of the loop: connections and listener close; then the conn_set, whose own
 * timer needs one turn more before its memory may go.
 */
static void on_last(uv_handle_t *h)
{
	struct http_server *s = h->data;

	arena_fini(&s->arena);
	buf_fini(&s->piece);
	s->tag = 0;
	if (s->closed)
		s->closed(s->closed_arg);
	free(s);
}

static void on_set_gone(uv_handle_t *h)
{
	struct http_server *s = h->data;

	uv_close((uv_handle_t *)&s->later[1], on_last);
}

static void on_sweep_gone(uv_handle_t *h)
{
	struct http_server *s = h->data;

	conn_set_fini(&s->set);
	uv_close((uv_handle_t *)&s->later[0], on_set_gone);
}

static void maybe_end(struct http_server *s)
{
	if (!s->closing || s->ending || !s->listener_gone || s->conns)
		return;
	s->ending = true;
	uv_close((uv_handle_t *)&s->sweep, on_sweep_gone);
}

static void on_listener_gone(void *arg)
{
	struct http_server *s = arg;

	CHECK_TAG(s, HTTP_SERVER_TAG);
	s->listener_gone = true;
	maybe_end(s);
}

void http_server_left(struct http_server *s, struct http_conn *hc)
{
	if (hc->prev)
		hc->prev->next = hc->next;
	else
		s->conns = hc->next;
	if (hc->next)
		hc->next->prev = hc->prev;
	ASSERT(s->counters.conns_open > 0);
	s->counters.conns_open--;
	maybe_end(s);
}

void http_server_drain(struct http_server *s)
{
	CHECK_TAG(s, HTTP_SERVER_TAG);
	if (s->draining)
		return;
	s->draining = true;
	listener_close(&s->listener, on_listener_gone);
	for (struct http_conn *hc = s->conns; hc; hc = hc->next)
		http_conn_drain(hc);
}

void http_server_close(struct http_server *s, http_server_closed_cb closed, void *arg)
{
	CHECK_TAG(s, HTTP_SERVER_TAG);
	ASSERT(!s->closing);
	s->closing = true;
	s->closed = closed;
	s->closed_arg = arg;
	if (!s->draining && !s->listener_gone)
		listener_close(&s->listener, on_listener_gone);
	s->draining = true;
	for (struct http_conn *hc = s->conns; hc; hc = hc->next) {
		if (hc->conn)
			conn_close(hc->conn, -ECANCELED);
	}
	maybe_end(s);
}
