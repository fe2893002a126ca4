/*
 * Goal: answers stand in the order of their requests whoever answers when; what a peer may hold has
 * its limit; a client that leaves is noticed; nothing is left behind at the end.
 * Method: a server and its clients on one loop; a step of the loop at a time until a condition holds.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/http/http_server.h"

enum {
	STREAM_PARTS = 64,
	PART_BYTES = 32 << 10,
	BIG_BYTES = 3 << 20,
	GIVEN_PARTS = 40,
	GIVEN_BYTES = 700001,
};

struct bench {
	uv_loop_t loop;
	struct listener_gate gate;
	struct http_server *server;
	struct http_call *held;   /* by /later */
	struct http_call *giving; /* by /give, /silent */
	unsigned gone, streamed, given, taken_back;
	struct http_call *taking; /* by /take, whose body comes in pieces */
	unsigned pieces;
	size_t taken;
	uint8_t last;
	struct http_call *raw; /* by /raw */
	size_t to_send, raw_read;
	unsigned raw_drains;
	bool closed, broken;
};

static void on_echo(void *arg, struct http_call *call)
{
	const struct http_parse_request *r = http_call_request(call);
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct buf body;

	(void)arg;
	assert_string_equal(http_call_peer(call), "127.0.0.1");
	buf_init(&body, 1 << 20);
	buf_put_span(&body, r->query);
	buf_put_span(&body, r->body);
	http_call_reply(call, &head, &body);
}

static void on_part(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct buf body;

	(void)arg;
	buf_init(&body, 1 << 20);
	buf_put_str(&body, "part=");
	buf_put_span(&body, http_call_part(call));
	http_call_reply(call, &head, &body);
}

static void on_later_gone(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	assert_ptr_equal(call, b->held);
	b->gone++;
}

static void on_later(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	assert_null(b->held);
	b->held = call;
	http_call_on_gone(call, on_later_gone, b);
}

static void on_big(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct buf body;

	(void)arg;
	buf_init(&body, BIG_BYTES);
	assert_int_equal(buf_reserve(&body, BIG_BYTES), 0);
	memset(body.p, 'b', BIG_BYTES);
	body.len = BIG_BYTES;
	http_call_reply(call, &head, &body);
}

static void stream_more(void *arg, struct http_call *call)
{
	static char part[PART_BYTES];
	struct bench *b = arg;

	memset(part, 's', sizeof part);
	while (b->streamed < STREAM_PARTS && !http_call_full(call)) {
		http_call_write(call, part, sizeof part);
		b->streamed++;
	}
	if (b->streamed == STREAM_PARTS) {
		b->streamed++;
		http_call_end(call, true);
	}
}

static void on_stream(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct bench *b = arg;

	b->streamed = 0;
	http_call_begin(call, &head, stream_more, b);
	stream_more(b, call);
}

/* Pays no attention to http_call_full. */
static void on_flood(void *arg, struct http_call *call)
{
	static char part[PART_BYTES];
	struct http_call_head head = { .status = 200 };

	(void)arg;
	http_call_begin(call, &head, NULL, NULL);
	for (int i = 0; i < 1024; i++)
		http_call_write(call, part, sizeof part);
	http_call_end(call, true);
}

/* Parts given whole, the next one when the last is with the kernel. */
static void give_more(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	while (b->given < GIVEN_PARTS && !http_call_full(call)) {
		struct buf part;

		buf_init(&part, GIVEN_BYTES + 16);
		/* Of every other part the memory is taken back, once. */
		if (b->given % 2 && http_call_take_back(call, &part)) {
			assert_int_equal(part.len, 0);
			assert_true(part.cap >= GIVEN_BYTES);
			assert_false(http_call_take_back(call, &part));
			b->taken_back++;
		}
		assert_int_equal(buf_reserve(&part, GIVEN_BYTES), 0);
		memset(part.p, 'a' + (int)(b->given % 26), GIVEN_BYTES);
		part.len = GIVEN_BYTES;
		b->given++;
		http_call_give(call, &part);
		assert_null(part.p);
	}
	if (b->given == GIVEN_PARTS && !http_call_full(call)) {
		b->given++;
		b->giving = NULL;
		http_call_end(call, !b->broken);
	}
}

static void on_give_gone(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	assert_ptr_equal(call, b->giving);
	b->gone++;
	b->giving = NULL;
	assert_false(http_call_full(call));
	http_call_end(call, true);
}

static void on_give(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct bench *b = arg;

	b->given = 0;
	b->giving = call;
	http_call_on_gone(call, on_give_gone, b);
	http_call_begin(call, &head, give_more, b);
	give_more(b, call);
}

/* Begins a stream and gives nothing. */
static void on_silent(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct bench *b = arg;

	b->giving = call;
	http_call_on_gone(call, on_give_gone, b);
	http_call_begin(call, &head, NULL, NULL);
}

static void on_take_gone(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	assert_ptr_equal(call, b->taking);
	b->gone++;
	b->taking = NULL;
	http_call_text(call, 200, NULL, "nobody hears this");
}

/* Answers when all is there, or at once when it meets a '!'. */
static void on_piece(void *arg, struct http_call *call, struct span piece, bool whole)
{
	struct bench *b = arg;
	char text[64];

	assert_ptr_equal(call, b->taking);
	b->pieces++;
	b->taken += piece.n;
	if (piece.n > 0)
		b->last = piece.p[piece.n - 1];
	if (piece.n > 0 && memchr(piece.p, '!', piece.n)) {
		b->taking = NULL;
		http_call_text(call, 400, "text/plain", "no more of this");
	} else if (whole) {
		snprintf(text, sizeof text, "taken %zu", b->taken);
		b->taking = NULL;
		http_call_text(call, 201, "text/plain", text);
	}
}

static void on_take(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	if (http_call_request(call)->query.p) {
		http_call_text(call, 503, "text/plain", "not now");
		return;
	}
	b->taking = call;
	b->taken = b->pieces = 0;
	http_call_on_gone(call, on_take_gone, b);
	http_call_read(call, on_piece, b);
}

/* Echoes whatever comes, until a '~'; sends `to_send` bytes first. */
static void send_rest(struct bench *b, struct http_call *call)
{
	static char piece[PART_BYTES];

	memset(piece, 'r', sizeof piece);
	while (b->to_send > 0) {
		size_t n = b->to_send < sizeof piece ? b->to_send : sizeof piece;
		size_t sent = http_call_send(call, piece, n);

		b->to_send -= sent;
		if (sent < n)
			return;
	}
}

static void raw_read(void *arg, struct http_call *call, struct span bytes)
{
	struct bench *b = arg;

	b->raw_read += bytes.n;
	assert_int_equal(http_call_send(call, bytes.p, bytes.n), bytes.n);
	if (memchr(bytes.p, '~', bytes.n)) {
		b->raw = NULL;
		http_call_end(call, true);
	}
}

static void raw_drained(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	b->raw_drains++;
	send_rest(b, call);
}

static const struct http_call_ops raw_ops = { raw_read, raw_drained };

static void on_raw_gone(void *arg, struct http_call *call)
{
	struct bench *b = arg;

	b->gone++;
	b->raw = NULL;
	assert_int_equal(http_call_send(call, "x", 1), 1);
	http_call_end(call, false);
}

static void on_raw(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 101, .fields = "Upgrade: echo\r\n" };
	struct bench *b = arg;

	b->raw = call;
	http_call_on_gone(call, on_raw_gone, b);
	http_call_take_over(call, &head, &raw_ops, b);
	if (b->raw)
		send_rest(b, call);
}

static const struct http_server_route routes[] = {
	{ "/raw", HTTP_PARSE_GET, on_raw },
	{ "/take", HTTP_PARSE_POST, on_take, .body_max = 4 << 20, .streams = true },
	{ "/echo", HTTP_PARSE_GET | HTTP_PARSE_POST, on_echo },
	{ "/later", HTTP_PARSE_GET, on_later },
	{ "/big", HTTP_PARSE_GET, on_big },
	{ "/stream", HTTP_PARSE_GET, on_stream },
	{ "/flood", HTTP_PARSE_GET, on_flood },
	{ "/give", HTTP_PARSE_GET, on_give },
	{ "/silent", HTTP_PARSE_GET, on_silent },
	{ "/echo/{name}", HTTP_PARSE_GET, on_part },
	{ "/echo/{name}/more", HTTP_PARSE_GET, on_part },
	{ "/echo/exact", HTTP_PARSE_GET, on_echo },
};

static bool host_ok(void *arg, struct span host)
{
	(void)arg;
	return !span_eq(host, SPAN_LIT("evil.example"));
}

static void put_fields(void *arg, const struct http_parse_request *req, struct buf *out)
{
	(void)arg;
	buf_printf(out, "X-Test: of %zu fields\r\n", req->fields_count);
}

static int open_bench(void **state, unsigned ms)
{
	struct bench *b = calloc(1, sizeof *b);
	struct http_server_conf conf = { .routes = routes,
		.routes_count = ARRAY_COUNT(routes),
		.arg = b,
		.host_ok = host_ok,
		.put_fields = put_fields,
		.conns_max = 4,
		.body_max = 1000,
		.head_ms = ms,
		.body_ms = ms,
		.idle_ms = ms,
		.write_ms = ms,
		.write_rate = ms ? UINT32_MAX : 0 };
	struct addr at;
	struct diag d;

	assert_non_null(b);
	assert_int_equal(uv_loop_init(&b->loop), 0);
	assert_int_equal(listener_gate_init(&b->gate, 16, &d), 0);
	assert_int_equal(addr_parse("127.0.0.1:0", &at, &d), 0);
	assert_int_equal(http_server_open(&b->loop, &b->gate, &at, &conf, &b->server, &d), 0);
	*state = b;
	return 0;
}

static int set_up(void **state)
{
	return open_bench(state, 0);
}

static int set_up_hasty(void **state)
{
	return open_bench(state, 1);
}

static void on_closed(void *arg)
{
	((struct bench *)arg)->closed = true;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	http_server_close(b->server, on_closed, b);
	if (b->held && !b->gone) {
		uv_run(&b->loop, UV_RUN_ONCE);
		http_call_text(b->held, 200, NULL, "");
	}
	assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
	assert_true(b->closed);
	assert_int_equal(b->gate.open, 0);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	free(b);
	return 0;
}

static int client(struct bench *b)
{
	const struct addr *at = http_server_addr(b->server);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	assert_int_equal(connect(fd, (const struct sockaddr *)&at->sa, at->sa_bytes), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Runs the loop until the client has `want` in its bytes (then their end), or the server ended it. */
static size_t hear(struct bench *b, int fd, char *dst, size_t cap, const char *want)
{
	int64_t end_ns = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;
	size_t n = 0;

	while (clock_mono_ns() < end_ns) {
		ssize_t got;

		uv_run(&b->loop, UV_RUN_NOWAIT);
		got = recv(fd, dst + n, cap - 1 - n, MSG_DONTWAIT);
		if (got == 0)
			break;
		if (got > 0)
			n += (size_t)got;
		dst[n] = 0;
		if (want && strstr(dst, want))
			break;
	}
	return n;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		n++;
	return n;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void pipelined_in_order(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16];
	int fd = client(b);

	say(fd, GET("/echo?one") GET("/later") GET("/echo?three") GET("/nowhere"));
	hear(b, fd, text, sizeof text, "one");
	assert_int_equal(count(text, "HTTP/1.1 200 OK"), 1);
	for (int i = 0; i < 100 && !b->held; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_non_null(b->held);
	http_call_text(b->held, 200, "text/plain", "two");
	b->held = NULL;
	hear(b, fd, text, sizeof text, "there are");
	assert_true(strstr(text, "two") < strstr(text, "three"));
	assert_true(strstr(text, "three") < strstr(text, "404 Not Found"));
	assert_int_equal(http_server_counters(b->server)->requests, 4);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	close(fd);
}

/* Bytes go both ways, those that came with the request, too; the end is the handler's. */
static void a_connection_taken_over(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16];
	int fd = client(b);

	say(fd, "GET /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ");
	hear(b, fd, text, sizeof text, "early ");
	assert_non_null(strstr(text, "HTTP/1.1 101 Switching Protocols\r\n"));
	assert_non_null(strstr(text, "Connection: Upgrade\r\nUpgrade: echo\r\n"));
	assert_null(strstr(text, "Content-Length"));
	say(fd, GET("/echo?no request"));
	hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_null(strstr(text, "200 OK"));
	assert_int_equal(http_server_counters(b->server)->requests, 1);
	say(fd, "the end~");
	hear(b, fd, text, sizeof text, NULL);
	assert_string_equal(text, "the end~");
	assert_null(b->raw);
	assert_int_equal(b->gone, 0);
	close(fd);
}

/* What the kernel does not take stays with the handler, who is told when there is room. */
static void taken_over_and_slow(void **state)
{
	enum { BYTES = 8 << 20 };
	struct bench *b = *state;
	static char text[1 << 20];
	size_t heard;
	const struct linger reset = { .l_onoff = 1 };
	int fd = client(b), small = 64 << 10;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	b->to_send = BYTES;
	say(fd, GET("/raw"));
	for (int i = 0; i < 100; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_in_range(b->to_send, BYTES / 2, BYTES);
	heard = hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "\r\n\r\n"));
	heard -= (size_t)(strstr(text, "\r\n\r\n") + 4 - text);
	while (heard < BYTES)
		heard += hear(b, fd, text, sizeof text, "r");
	assert_int_equal(heard, BYTES);
	assert_int_equal(b->to_send, 0);
	assert_true(b->raw_drains > 10);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
	while (b->raw)
		uv_run(&b->loop, UV_RUN_ONCE);
	assert_int_equal(b->gone, 1);
}

/* More than is read ahead while an answer is awaited: the rest waits in the kernel and still comes. */
static void a_long_pipeline(void **state)
{
	enum { MANY = 3000 };
	struct bench *b = *state;
	static char text[MANY * 400], ask[MANY * 64];
	size_t asked = 0, n = 0, sent = 0;
	int fd = client(b);

	asked = (size_t)sprintf(ask, GET("/later"));
	for (int i = 0; i < MANY; i++)
		asked += (size_t)sprintf(ask + asked, GET("/echo?%08d"), i);
	for (int i = 0; i < 200000 && count(text, "200 OK") < MANY + 1; i++) {
		ssize_t put = send(fd, ask + sent, asked - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += put > 0 ? (size_t)put : 0;
		uv_run(&b->loop, UV_RUN_NOWAIT);
		if (i == 50) {
			http_call_text(b->held, 200, "text/plain", "first");
			b->held = NULL;
		}
		while ((put = recv(fd, text + n, sizeof text - 1 - n, MSG_DONTWAIT)) > 0)
			n += (size_t)put;
		text[n] = 0;
	}
	assert_int_equal(count(text, "200 OK"), MANY + 1);
	for (int i = 0, at = 0; i < MANY; i++) {
		char want[16];
		const char *where;

		sprintf(want, "\n%08d", i);
		where = strstr(text + at, want);
		assert_non_null(where);
		at = (int)(where - text);
	}
	close(fd);
}

static void heads_and_methods(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16];
	int fd = client(b);

	say(fd, "HEAD /echo?abc HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "Content-Length: 3\r\n"));
	assert_null(strstr(text, "\r\n\r\nabc"));
	say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "405 Method Not Allowed"));
	assert_non_null(strstr(text, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
	say(fd, "OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "204 No Content"));
	assert_non_null(strstr(text, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
	assert_null(strstr(text, "Content-Length"));
	say(fd, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "204 No Content"));
	say(fd, "OPTIONS /none HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "404 Not Found"));
	say(fd, "GET * HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "405 Method Not Allowed"));
	say(fd, "GET /echo HTTP/1.1\r\nHost: evil.example:80\r\n\r\n");
	hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "421 "));
	assert_non_null(strstr(text, "X-Test: of 1 fields\r\n"));
	say(fd, "GET /%65cho?dec HTTP/1.0\r\n\r\n");
	hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "Connection: close\r\n"));
	assert_non_null(strstr(text, "\r\n\r\ndec"));
	close(fd);
}

static void open_parts(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16];
	int fd = client(b);

	say(fd, GET("/echo/a%2Fb") GET("/echo/12/more") GET("/echo/exact?the+query"));
	hear(b, fd, text, sizeof text, "the+query");
	assert_non_null(strstr(text, "part=a%2Fb"));
	assert_non_null(strstr(text, "part=12"));
	say(fd, GET("/echo/1/2") GET("/echo/")
			GET("/echo//more") "PUT /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(b, fd, text, sizeof text, "405 Method Not Allowed");
	assert_int_equal(count(text, "404 Not Found"), 3);
	assert_non_null(strstr(text, "405 Method Not Allowed"));
	close(fd);
}

static void bodies(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16];
	int fd = client(b);

	say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	hear(b, fd, text, sizeof text, "100 Continue\r\n\r\n");
	say(fd, "hel");
	for (int i = 0; i < 10; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	say(fd, "lo" GET("/echo?next"));
	hear(b, fd, text, sizeof text, "next");
	assert_non_null(strstr(text, "\r\n\r\nhello"));
	say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	hear(b, fd, text, sizeof text, "abcde");
	say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
	hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "413 Content Too Large"));
	assert_non_null(strstr(text, "Connection: close"));
	assert_int_equal(http_server_counters(b->server)->too_large, 1);
	close(fd);
}

/* A refused request's rest is read before the connection ends, else a reset would eat the answer. */
static void a_refusal_arrives(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16], noise[1 << 16];
	int fd = client(b);

	memset(noise, 'x', sizeof noise - 1);
	say(fd, "GET / HTTP/1.1\nHost: x\r\n\r\n");
	say(fd, noise);
	hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "400 Bad Request"));
	assert_non_null(strstr(text, "\"error\":\"a line feed without a carriage return\""));
	assert_int_equal(http_server_counters(b->server)->malformed, 1);
	close(fd);
}

static void large_answers(void **state)
{
	struct bench *b = *state;
	static char text[BIG_BYTES + 4096];
	size_t n;
	int fd = client(b);

	say(fd, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	n = hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(n - (size_t)(strstr(text, "\r\n\r\n") + 4 - text), BIG_BYTES);
	close(fd);
	fd = client(b);
	say(fd, GET("/stream") GET("/echo?after"));
	n = hear(b, fd, text, sizeof text, "after");
	assert_non_null(strstr(text, "Transfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(text, "\r\n0\r\n\r\nHTTP/1.1 200"));
	assert_true(n > STREAM_PARTS * PART_BYTES);
	close(fd);
	fd = client(b);
	say(fd, "GET /stream HTTP/1.0\r\n\r\n");
	n = hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(
		n - (size_t)(strstr(text, "\r\n\r\n") + 4 - text), STREAM_PARTS * PART_BYTES);
	close(fd);
}

static void a_client_that_leaves(void **state)
{
	struct bench *b = *state;
	struct linger now = { 1, 0 };
	int fd = client(b);

	say(fd, GET("/later"));
	for (int i = 0; i < 1000 && !b->held; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_non_null(b->held);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	for (int i = 0; i < 1000 && !b->gone; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(b->gone, 1);
	http_call_text(b->held, 200, NULL, "to nobody");
	b->held = NULL;
	assert_int_equal(http_server_counters(b->server)->conns_open, 0);
	assert_int_equal(http_server_counters(b->server)->gone, 1);
}

/* shutdown(SHUT_WR) after the request is no leaving: the answer still comes. */
static void a_half_closed_client(void **state)
{
	struct bench *b = *state;
	static char text[1 << 12];
	int fd = client(b);

	say(fd, GET("/later"));
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 1000 && !b->held; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	for (int i = 0; i < 10; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	http_call_text(b->held, 200, NULL, "still");
	b->held = NULL;
	hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "still"));
	close(fd);
}

static void one_connection_too_many(void **state)
{
	struct bench *b = *state;
	static char text[1 << 12];
	int fd[5];

	for (int i = 0; i < 5; i++) {
		fd[i] = client(b);
		for (int k = 0; k < 10; k++)
			uv_run(&b->loop, UV_RUN_NOWAIT);
	}
	hear(b, fd[4], text, sizeof text, NULL);
	assert_non_null(strstr(text, "503 Service Unavailable"));
	assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), 84);
	assert_int_equal(http_server_counters(b->server)->conns_refused, 1);
	say(fd[0], GET("/echo?alive"));
	hear(b, fd[0], text, sizeof text, "alive");
	for (int i = 0; i < 5; i++)
		close(fd[i]);
}

/* A peer that reads nothing holds LIMIT_HTTP_STREAM_BYTES of a stream at most. */
static void a_stream_nobody_reads(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16];
	int fd = client(b);

	say(fd, GET("/flood"));
	for (int i = 0; i < 1000 && http_server_counters(b->server)->requests == 0; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	for (int i = 0; i < 10; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(http_server_counters(b->server)->conns_open, 0);
	while (recv(fd, text, sizeof text, 0) > 0) {
	}
	close(fd);
}

/* Of a chunked body at `text`: the bytes of its chunks in *out_sum; where it ends, or NULL. */
static const char *dechunk(const char *text, uint64_t *out_sum)
{
	*out_sum = 0;
	for (unsigned i = 0;; i++) {
		char *at;
		unsigned long n = strtoul(text, &at, 16);

		if (at == text || at[0] != '\r' || at[1] != '\n')
			return NULL;
		if (n == 0)
			return at + 4;
		for (unsigned long k = 0; k < n; k++)
			assert_int_equal(at[2 + k], 'a' + (int)(i % 26));
		assert_memory_equal(at + 2 + n, "\r\n", 2);
		text = at + 4 + n;
		*out_sum += n;
	}
}

static char given_text[GIVEN_PARTS * (GIVEN_BYTES + 64)];

static void parts_without_a_copy(void **state)
{
	struct bench *b = *state;
	const char *end;
	uint64_t sum;
	size_t n;
	int fd = client(b);

	say(fd, "HEAD /give HTTP/1.1\r\nHost: x\r\n\r\n" GET("/give") GET("/echo?behind"));
	hear(b, fd, given_text, sizeof given_text, "behind");
	assert_int_equal(count(given_text, "Transfer-Encoding: chunked\r\n"), 2);
	end = dechunk(strstr(strstr(given_text, "\r\n\r\nHTTP") + 4, "\r\n\r\n") + 4, &sum);
	assert_int_equal(sum, (uint64_t)GIVEN_PARTS * GIVEN_BYTES);
	assert_int_equal(b->taken_back, GIVEN_PARTS / 2);
	assert_memory_equal(end, "HTTP/1.1 200 OK", 15);
	close(fd);
	fd = client(b);
	say(fd, "GET /give HTTP/1.0\r\n\r\n");
	n = hear(b, fd, given_text, sizeof given_text, NULL);
	assert_int_equal(n - (size_t)(strstr(given_text, "\r\n\r\n") + 4 - given_text),
		GIVEN_PARTS * GIVEN_BYTES);
	close(fd);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
}

static void a_stream_that_is_not_whole(void **state)
{
	struct bench *b = *state;
	uint64_t sum;
	int fd = client(b);

	b->broken = true;
	say(fd, GET("/give") GET("/echo?behind"));
	hear(b, fd, given_text, sizeof given_text, NULL);
	assert_null(dechunk(strstr(given_text, "\r\n\r\n") + 4, &sum));
	assert_int_equal(sum, (uint64_t)GIVEN_PARTS * GIVEN_BYTES);
	assert_null(strstr(given_text, "behind"));
	close(fd);
}

/* Mid-way: its end is told once, and what waited for it is held no longer. */
static void a_client_that_resets_a_stream(void **state)
{
	struct bench *b = *state;
	struct linger now = { 1, 0 };
	char some[4096];
	int fd = client(b);

	say(fd, GET("/give") GET("/echo?behind"));
	for (int i = 0; i < 1000 && b->given < 2; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_true(recv(fd, some, sizeof some, 0) > 0);
	assert_int_equal(http_server_counters(b->server)->held_bytes, GIVEN_BYTES + 2);
	assert_true(b->given < GIVEN_PARTS);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	for (int i = 0; i < 1000 && !b->gone; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(b->gone, 1);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	assert_int_equal(http_server_counters(b->server)->conns_open, 0);
}

/* Its own end is closed, it reads all the same: every part comes. */
static void a_half_closed_client_of_a_stream(void **state)
{
	struct bench *b = *state;
	uint64_t sum;
	int fd = client(b);

	say(fd, GET("/give"));
	shutdown(fd, SHUT_WR);
	hear(b, fd, given_text, sizeof given_text, NULL);
	assert_non_null(dechunk(strstr(given_text, "\r\n\r\n") + 4, &sum));
	assert_int_equal(sum, (uint64_t)GIVEN_PARTS * GIVEN_BYTES);
	close(fd);
	/* One that may be gone does not keep a silent handler busy. */
	fd = client(b);
	say(fd, GET("/silent"));
	shutdown(fd, SHUT_WR);
	hear(b, fd, given_text, sizeof given_text, NULL);
	assert_int_equal(b->gone, 1);
	assert_int_equal(http_server_counters(b->server)->timeouts, 0);
	close(fd);
}

/* Where memory is short, a stream whose reader sleeps is cut like any answer. */
static void a_stream_is_shed(void **state)
{
	struct bench *b = *state;
	int64_t end_ns = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;
	int fd = client(b);

	say(fd, GET("/give"));
	for (int i = 0; i < 1000 && b->given < 2; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_false(http_server_shed(b->server, 1000));
	while (!http_server_shed(b->server, 1000) && clock_mono_ns() < end_ns)
		uv_run(&b->loop, UV_RUN_ONCE);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	assert_int_equal(http_server_counters(b->server)->shed, 1);
	for (int i = 0; i < 1000 && !b->gone; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(b->gone, 1);
	close(fd);
}

static void run_until_timeouts(struct bench *b, uint64_t count)
{
	int64_t end_ns = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;

	while (http_server_counters(b->server)->timeouts < count && clock_mono_ns() < end_ns)
		uv_run(&b->loop, UV_RUN_ONCE);
	assert_int_equal(http_server_counters(b->server)->timeouts, count);
}

/* Every phase that a peer can draw out ends: nothing sent, half a head, half a body, nothing read. */
static void deadlines(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16];
	int idle = client(b), head = client(b), body = client(b), deaf = client(b);
	int sleeper;

	say(head, "GET /echo HTTP/1.1\r\nHo");
	say(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
	say(deaf, GET("/big") GET("/big") GET("/big") GET("/big"));
	run_until_timeouts(b, 4);
	assert_int_equal(hear(b, idle, text, sizeof text, NULL), 0);
	hear(b, head, text, sizeof text, NULL);
	assert_non_null(strstr(text, "408 Request Timeout"));
	hear(b, body, text, sizeof text, NULL);
	assert_non_null(strstr(text, "408 Request Timeout"));
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	close(idle);
	close(head);
	close(body);
	close(deaf);
	/* The same for a part of a stream. */
	sleeper = client(b);
	say(sleeper, GET("/give"));
	run_until_timeouts(b, 5);
	for (int i = 0; i < 1000 && !b->gone; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(b->gone, 1);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	close(sleeper);
}

#define TAKE(fields) "POST /take HTTP/1.1\r\nHost: x\r\n" fields "\r\n"

static void a_body_in_pieces(void **state)
{
	struct bench *b = *state;
	static char text[1 << 16], big[300001];
	int fd = client(b);

	/* All at once, with the next request behind it; none at all; chunks. */
	say(fd, TAKE("Content-Length: 5\r\n") "abcde" GET("/echo?next"));
	hear(b, fd, text, sizeof text, "next");
	assert_non_null(strstr(text, "201 Created"));
	assert_non_null(strstr(text, "taken 5"));
	say(fd, TAKE("") TAKE(
			"Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
	hear(b, fd, text, sizeof text, "taken 7");
	assert_non_null(strstr(text, "taken 0"));
	assert_int_equal(b->last, 'g');
	/* More than any buffer of one connection holds. */
	memset(big, 'x', sizeof big - 1);
	say(fd, TAKE("Content-Length: 1500000\r\nExpect: 100-continue\r\n"));
	hear(b, fd, text, sizeof text, "100 Continue");
	assert_int_equal(b->pieces, 0);
	assert_non_null(b->taking);
	for (int i = 0; i < 5; i++) {
		for (size_t at = 0; at < sizeof big - 1;) {
			ssize_t n = send(fd, big + at, sizeof big - 1 - at, MSG_DONTWAIT);

			at += n > 0 ? (size_t)n : 0;
			uv_run(&b->loop, UV_RUN_NOWAIT);
		}
	}
	hear(b, fd, text, sizeof text, "taken");
	assert_non_null(strstr(text, "taken 1500000"));
	assert_true(b->pieces > 4);
	/* Its own bound, not that of the server. */
	say(fd, TAKE("Content-Length: 4194305\r\n"));
	hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "413 "));
	assert_null(b->taking);
	close(fd);
}

/* An answer before the body's end ends the connection, and the client reads it. */
static void an_answer_before_the_body(void **state)
{
	struct bench *b = *state;
	static char text[1 << 12];
	int fd = client(b);

	say(fd, TAKE("Content-Length: 1000\r\n") "abc!");
	say(fd, "and more");
	hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "400 Bad Request"));
	assert_non_null(strstr(text, "Connection: close"));
	assert_non_null(strstr(text, "no more of this"));
	close(fd);
	fd = client(b);
	say(fd, "POST /take?no HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
	hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "503 "));
	assert_null(strstr(text, "100 Continue"));
	assert_non_null(strstr(text, "Connection: close"));
	close(fd);
}

/* The handler hears that the client has gone; the client hears what is wrong, or nothing if it has. */
static void a_body_that_goes_wrong(void **state)
{
	struct bench *b = *state;
	static char text[1 << 12];
	int fd = client(b);

	say(fd, TAKE("Transfer-Encoding: chunked\r\n") "3\r\nabc\r\nzz\r\n");
	hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(b->gone, 1);
	assert_non_null(strstr(text, "400 Bad Request"));
	assert_null(strstr(text, "nobody hears this"));
	close(fd);
	fd = client(b);
	say(fd, TAKE("Content-Length: 10\r\n") "abc");
	for (int i = 0; i < 1000 && b->pieces == 0; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_non_null(b->taking);
	close(fd);
	for (int i = 0; i < 1000 && b->gone < 2; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(b->gone, 2);
	assert_null(b->taking);
}

static void a_slow_body(void **state)
{
	struct bench *b = *state;
	static char text[1 << 12];
	int fd = client(b);

	say(fd, TAKE("Content-Length: 10\r\n") "abc");
	hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(b->gone, 1);
	assert_non_null(strstr(text, "408 "));
	close(fd);
}

static void draining(void **state)
{
	struct bench *b = *state;
	static char text[1 << 12];
	int idle = client(b), busy = client(b);

	say(idle, GET("/echo?x"));
	hear(b, idle, text, sizeof text, "x");
	say(busy, GET("/later"));
	for (int i = 0; i < 1000 && !b->held; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	http_server_drain(b->server);
	assert_int_equal(hear(b, idle, text, sizeof text, NULL), 0);
	http_call_text(b->held, 200, NULL, "last words");
	b->held = NULL;
	hear(b, busy, text, sizeof text, NULL);
	assert_non_null(strstr(text, "Connection: close"));
	assert_non_null(strstr(text, "last words"));
	close(idle);
	close(busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pipelined_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_taken_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(taken_over_and_slow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_pipeline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(heads_and_methods, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bodies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refusal_arrives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_half_closed_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_connection_too_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_nobody_reads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parts_without_a_copy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_that_is_not_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_resets_a_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_half_closed_client_of_a_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_is_shed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_in_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_before_the_body, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_that_goes_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_slow_body, set_up_hasty, tear_down),
		cmocka_unit_test_setup_teardown(deadlines, set_up_hasty, tear_down),
		cmocka_unit_test_setup_teardown(draining, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
