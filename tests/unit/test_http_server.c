/*
 * Goal: answers stand in the order of their requests whoever answers when; what a peer may hold has
 * its limit; a client that leaves is noticed; nothing is left behind at the end.
 * Method: a server and its clients on one loop; a step of the loop at a time until a condition holds.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/http/http_server.h"
#include "tests/support/http_bench.h"

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
	struct http_bench *b = arg;

	assert_ptr_equal(call, b->held);
	b->gone++;
}

static void on_later(void *arg, struct http_call *call)
{
	struct http_bench *b = arg;

	assert_null(b->held);
	b->held = call;
	http_call_on_gone(call, on_later_gone, b);
}

static void on_take_gone(void *arg, struct http_call *call)
{
	struct http_bench *b = arg;

	assert_ptr_equal(call, b->taking);
	b->gone++;
	b->taking = NULL;
	http_call_text(call, 200, NULL, "nobody hears this");
}

/* Answers when all is there, or at once when it meets a '!'. */
static void on_piece(void *arg, struct http_call *call, struct span piece, bool whole)
{
	struct http_bench *b = arg;
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
	struct http_bench *b = arg;

	if (http_call_request(call)->query.p) {
		http_call_text(call, 503, "text/plain", "not now");
		return;
	}
	b->taking = call;
	b->taken = b->pieces = 0;
	http_call_on_gone(call, on_take_gone, b);
	http_call_read(call, on_piece, b);
}

static const struct http_server_route routes[] = {
	{ "/take", HTTP_PARSE_POST, on_take, .body_max = 4 << 20, .streams = true },
	{ "/echo", HTTP_PARSE_GET | HTTP_PARSE_POST, http_bench_echo },
	{ "/later", HTTP_PARSE_GET, on_later },
	{ "/echo/{name}", HTTP_PARSE_GET, on_part },
	{ "/echo/{name}/more", HTTP_PARSE_GET, on_part },
	{ "/echo/exact", HTTP_PARSE_GET, http_bench_echo },
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

static const struct http_server_conf conf = { .routes = routes,
	.routes_count = ARRAY_COUNT(routes),
	.host_ok = host_ok,
	.put_fields = put_fields };

static int set_up(void **state)
{
	return http_bench_open(state, &conf, 0);
}

static int set_up_hasty(void **state)
{
	return http_bench_open(state, &conf, 1);
}

static void pipelined_in_order(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16];
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/echo?one") HTTP_BENCH_GET("/later")
				   HTTP_BENCH_GET("/echo?three") HTTP_BENCH_GET("/nowhere"));
	http_bench_hear(b, fd, text, sizeof text, "one");
	assert_int_equal(http_bench_count(text, "HTTP/1.1 200 OK"), 1);
	HTTP_BENCH_UNTIL(b, b->held);
	assert_non_null(b->held);
	http_call_text(b->held, 200, "text/plain", "two");
	b->held = NULL;
	http_bench_hear(b, fd, text, sizeof text, "there are");
	assert_true(strstr(text, "two") < strstr(text, "three"));
	assert_true(strstr(text, "three") < strstr(text, "404 Not Found"));
	assert_int_equal(http_server_counters(b->server)->requests, 4);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	close(fd);
}

/* More than is read ahead while an answer is awaited: the rest waits in the kernel and still comes. */
static void a_long_pipeline(void **state)
{
	enum { MANY = 3000 };
	struct http_bench *b = *state;
	static char text[MANY * 400], ask[MANY * 64];
	int64_t end_ns = socket_kit_end_ns();
	size_t asked = 0, n = 0, sent = 0;
	int fd = http_bench_client(b), turns = 0;
	char last[16];

	asked = (size_t)sprintf(ask, HTTP_BENCH_GET("/later"));
	for (int i = 0; i < MANY; i++)
		asked += (size_t)sprintf(ask + asked, HTTP_BENCH_GET("/echo?%08d"), i);
	sprintf(last, "\n%08d", MANY - 1);
	while (!strstr(text + (n > 100 ? n - 100 : 0), last)) {
		ssize_t put = send(fd, ask + sent, asked - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += put > 0 ? (size_t)put : 0;
		socket_kit_step(&b->loop, end_ns);
		if (++turns >= 50 && b->held) {
			http_call_text(b->held, 200, "text/plain", "first");
			b->held = NULL;
		}
		while ((put = recv(fd, text + n, sizeof text - 1 - n, MSG_DONTWAIT)) > 0)
			n += (size_t)put;
		text[n] = 0;
	}
	assert_int_equal(http_bench_count(text, "200 OK"), MANY + 1);
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
	struct http_bench *b = *state;
	static char text[1 << 16];
	int fd = http_bench_client(b);

	socket_kit_say(fd, "HEAD /echo?abc HTTP/1.1\r\nHost: x\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "Content-Length: 3\r\n"));
	assert_null(strstr(text, "\r\n\r\nabc"));
	socket_kit_say(fd, "PUT /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "405 Method Not Allowed"));
	assert_non_null(strstr(text, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
	socket_kit_say(fd, "OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "204 No Content"));
	assert_non_null(strstr(text, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
	assert_null(strstr(text, "Content-Length"));
	socket_kit_say(fd, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "204 No Content"));
	socket_kit_say(fd, "OPTIONS /none HTTP/1.1\r\nHost: x\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "404 Not Found"));
	socket_kit_say(fd, "GET * HTTP/1.1\r\nHost: x\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "405 Method Not Allowed"));
	socket_kit_say(fd, "GET /echo HTTP/1.1\r\nHost: evil.example:80\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "}\n");
	assert_non_null(strstr(text, "421 "));
	assert_non_null(strstr(text, "X-Test: of 1 fields\r\n"));
	socket_kit_say(fd, "GET /%65cho?dec HTTP/1.0\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "Connection: close\r\n"));
	assert_non_null(strstr(text, "\r\n\r\ndec"));
	close(fd);
}

static void open_parts(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16];
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/echo/a%2Fb") HTTP_BENCH_GET("/echo/12/more")
				   HTTP_BENCH_GET("/echo/exact?the+query"));
	http_bench_hear(b, fd, text, sizeof text, "the+query");
	assert_non_null(strstr(text, "part=a%2Fb"));
	assert_non_null(strstr(text, "part=12"));
	socket_kit_say(fd, HTTP_BENCH_GET("/echo/1/2") HTTP_BENCH_GET("/echo/") HTTP_BENCH_GET(
				   "/echo//more") "PUT /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "405 Method Not Allowed");
	assert_int_equal(http_bench_count(text, "404 Not Found"), 3);
	assert_non_null(strstr(text, "405 Method Not Allowed"));
	close(fd);
}

static void bodies(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16];
	int fd = http_bench_client(b);

	socket_kit_say(fd,
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "100 Continue\r\n\r\n");
	socket_kit_say(fd, "hel");
	for (int i = 0; i < 10; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	socket_kit_say(fd, "lo" HTTP_BENCH_GET("/echo?next"));
	http_bench_hear(b, fd, text, sizeof text, "next");
	assert_non_null(strstr(text, "\r\n\r\nhello"));
	socket_kit_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "abcde");
	socket_kit_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "413 Content Too Large"));
	assert_non_null(strstr(text, "Connection: close"));
	assert_int_equal(http_server_counters(b->server)->too_large, 1);
	close(fd);
}

/* A refused request's rest is read before the connection ends, else a reset would eat the answer. */
static void a_refusal_arrives(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16], noise[1 << 16];
	int fd = http_bench_client(b);

	memset(noise, 'x', sizeof noise - 1);
	socket_kit_say(fd, "GET / HTTP/1.1\nHost: x\r\n\r\n");
	socket_kit_say(fd, noise);
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "400 Bad Request"));
	assert_non_null(strstr(text, "\"error\":\"a line feed without a carriage return\""));
	assert_int_equal(http_server_counters(b->server)->malformed, 1);
	close(fd);
}

static void a_client_that_leaves(void **state)
{
	struct http_bench *b = *state;
	struct linger now = { 1, 0 };
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/later"));
	HTTP_BENCH_UNTIL(b, b->held);
	assert_non_null(b->held);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	HTTP_BENCH_UNTIL(b, b->gone);
	assert_int_equal(b->gone, 1);
	http_call_text(b->held, 200, NULL, "to nobody");
	b->held = NULL;
	assert_int_equal(http_server_counters(b->server)->conns_open, 0);
	assert_int_equal(http_server_counters(b->server)->gone, 1);
}

/* shutdown(SHUT_WR) after the request is no leaving: the answer still comes. */
static void a_half_closed_client(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 12];
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/later"));
	shutdown(fd, SHUT_WR);
	HTTP_BENCH_UNTIL(b, b->held);
	for (int i = 0; i < 10; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	http_call_text(b->held, 200, NULL, "still");
	b->held = NULL;
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "still"));
	close(fd);
}

static void one_connection_too_many(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 12];
	int fd[5];

	for (int i = 0; i < 5; i++) {
		fd[i] = http_bench_client(b);
		for (int k = 0; k < 10; k++)
			uv_run(&b->loop, UV_RUN_NOWAIT);
	}
	http_bench_hear(b, fd[4], text, sizeof text, NULL);
	assert_non_null(strstr(text, "503 Service Unavailable"));
	assert_int_equal(strlen(strstr(text, "\r\n\r\n") + 4), 84);
	assert_int_equal(http_server_counters(b->server)->conns_refused, 1);
	socket_kit_say(fd[0], HTTP_BENCH_GET("/echo?alive"));
	http_bench_hear(b, fd[0], text, sizeof text, "alive");
	for (int i = 0; i < 5; i++)
		close(fd[i]);
}

/* As many as a server has that is told no number. */
static void connections_by_default(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 12];
	int fd[LIMIT_HTTP_CONNS + 1];

	http_server_retune(b->server, 0, 0, 0);
	b->gate.open_max = 2 * LIMIT_HTTP_CONNS;
	for (int i = 0; i <= LIMIT_HTTP_CONNS; i++) {
		fd[i] = http_bench_client(b);
		HTTP_BENCH_UNTIL(b, http_server_counters(b->server)->conns_total +
						    http_server_counters(b->server)->conns_refused >
					    (uint64_t)i);
	}
	assert_int_equal(http_server_counters(b->server)->conns_open, LIMIT_HTTP_CONNS);
	assert_int_equal(http_server_counters(b->server)->conns_refused, 1);
	http_bench_hear(b, fd[LIMIT_HTTP_CONNS], text, sizeof text, NULL);
	assert_non_null(strstr(text, "503 Service Unavailable"));
	for (int i = 0; i <= LIMIT_HTTP_CONNS; i++)
		close(fd[i]);
}

#define TAKE(fields) "POST /take HTTP/1.1\r\nHost: x\r\n" fields "\r\n"

static void a_body_in_pieces(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16], big[300001];
	int fd = http_bench_client(b);

	/* All at once, with the next request behind it; none at all; chunks. */
	socket_kit_say(fd, TAKE("Content-Length: 5\r\n") "abcde" HTTP_BENCH_GET("/echo?next"));
	http_bench_hear(b, fd, text, sizeof text, "next");
	assert_non_null(strstr(text, "201 Created"));
	assert_non_null(strstr(text, "taken 5"));
	socket_kit_say(
		fd, TAKE("") TAKE(
			    "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, "taken 7");
	assert_non_null(strstr(text, "taken 0"));
	assert_int_equal(b->last, 'g');
	/* More than any buffer of one connection holds. */
	memset(big, 'x', sizeof big - 1);
	socket_kit_say(fd, TAKE("Content-Length: 1500000\r\nExpect: 100-continue\r\n"));
	http_bench_hear(b, fd, text, sizeof text, "100 Continue");
	assert_int_equal(b->pieces, 0);
	assert_non_null(b->taking);
	for (int i = 0; i < 5; i++) {
		for (size_t at = 0; at < sizeof big - 1;) {
			ssize_t n = send(fd, big + at, sizeof big - 1 - at, MSG_DONTWAIT);

			at += n > 0 ? (size_t)n : 0;
			uv_run(&b->loop, UV_RUN_NOWAIT);
		}
	}
	http_bench_hear(b, fd, text, sizeof text, "taken");
	assert_non_null(strstr(text, "taken 1500000"));
	assert_true(b->pieces > 4);
	/* Its own bound, not that of the server. */
	socket_kit_say(fd, TAKE("Content-Length: 4194305\r\n"));
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "413 "));
	assert_null(b->taking);
	close(fd);
}

/* An answer before the body's end ends the connection, and the client reads it. */
static void an_answer_before_the_body(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 12];
	int fd = http_bench_client(b);

	socket_kit_say(fd, TAKE("Content-Length: 1000\r\n") "abc!");
	socket_kit_say(fd, "and more");
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "400 Bad Request"));
	assert_non_null(strstr(text, "Connection: close"));
	assert_non_null(strstr(text, "no more of this"));
	close(fd);
	fd = http_bench_client(b);
	socket_kit_say(fd,
		"POST /take?no HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_non_null(strstr(text, "503 "));
	assert_null(strstr(text, "100 Continue"));
	assert_non_null(strstr(text, "Connection: close"));
	close(fd);
}

/* The handler hears that the client has gone; the client hears what is wrong, or nothing if it has. */
static void a_body_that_goes_wrong(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 12];
	int fd = http_bench_client(b);

	socket_kit_say(fd, TAKE("Transfer-Encoding: chunked\r\n") "3\r\nabc\r\nzz\r\n");
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(b->gone, 1);
	assert_non_null(strstr(text, "400 Bad Request"));
	assert_null(strstr(text, "nobody hears this"));
	close(fd);
	fd = http_bench_client(b);
	socket_kit_say(fd, TAKE("Content-Length: 10\r\n") "abc");
	HTTP_BENCH_UNTIL(b, b->pieces > 0);
	assert_non_null(b->taking);
	close(fd);
	HTTP_BENCH_UNTIL(b, b->gone >= 2);
	assert_int_equal(b->gone, 2);
	assert_null(b->taking);
}

static void a_slow_body(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 12];
	int fd = http_bench_client(b);

	socket_kit_say(fd, TAKE("Content-Length: 10\r\n") "abc");
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(b->gone, 1);
	assert_non_null(strstr(text, "408 "));
	close(fd);
}

/* What a peer can draw out before its request is whole ends: nothing sent, half a head, half a body. */
static void deadlines(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16];
	int idle = http_bench_client(b), head = http_bench_client(b), body = http_bench_client(b);

	socket_kit_say(head, "GET /echo HTTP/1.1\r\nHo");
	socket_kit_say(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
	http_bench_run_until_timeouts(b, 3);
	assert_int_equal(http_bench_hear(b, idle, text, sizeof text, NULL), 0);
	http_bench_hear(b, head, text, sizeof text, NULL);
	assert_non_null(strstr(text, "408 Request Timeout"));
	http_bench_hear(b, body, text, sizeof text, NULL);
	assert_non_null(strstr(text, "408 Request Timeout"));
	close(idle);
	close(head);
	close(body);
}

static void draining(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 12];
	int idle = http_bench_client(b), busy = http_bench_client(b);

	socket_kit_say(idle, HTTP_BENCH_GET("/echo?x"));
	http_bench_hear(b, idle, text, sizeof text, "x");
	socket_kit_say(busy, HTTP_BENCH_GET("/later"));
	HTTP_BENCH_UNTIL(b, b->held);
	http_server_drain(b->server);
	assert_int_equal(http_bench_hear(b, idle, text, sizeof text, NULL), 0);
	http_call_text(b->held, 200, NULL, "last words");
	b->held = NULL;
	http_bench_hear(b, busy, text, sizeof text, NULL);
	assert_non_null(strstr(text, "Connection: close"));
	assert_non_null(strstr(text, "last words"));
	close(idle);
	close(busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pipelined_in_order, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_long_pipeline, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(heads_and_methods, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(open_parts, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(bodies, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_refusal_arrives, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_client_that_leaves, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_half_closed_client, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(one_connection_too_many, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(connections_by_default, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_body_in_pieces, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(
			an_answer_before_the_body, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_body_that_goes_wrong, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_slow_body, set_up_hasty, http_bench_close),
		cmocka_unit_test_setup_teardown(deadlines, set_up_hasty, http_bench_close),
		cmocka_unit_test_setup_teardown(draining, set_up, http_bench_close),
	};

	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
