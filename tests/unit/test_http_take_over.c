/*
 * Goal: a connection that its handler has taken over carries bytes both ways, as fast as each side takes
 * them; its end is told once.
 * Method: a server and its clients on one loop; a step of the loop at a time until a condition holds.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/http/http_server.h"
#include "tests/support/http_bench.h"

enum { PART_BYTES = 32 << 10 };

/* Echoes whatever comes, until a '~'; sends `to_send` bytes first. */
static void send_rest(struct http_bench *b, struct http_call *call)
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
	struct http_bench *b = arg;

	b->raw_read += bytes.n;
	assert_int_equal(http_call_send(call, bytes.p, bytes.n), bytes.n);
	if (memchr(bytes.p, '~', bytes.n)) {
		b->raw = NULL;
		http_call_end(call, true);
	}
}

static void raw_drained(void *arg, struct http_call *call)
{
	struct http_bench *b = arg;

	b->raw_drains++;
	send_rest(b, call);
}

static const struct http_call_ops raw_ops = { raw_read, raw_drained };

static void on_raw_gone(void *arg, struct http_call *call)
{
	struct http_bench *b = arg;

	b->gone++;
	b->raw = NULL;
	assert_int_equal(http_call_send(call, "x", 1), 1);
	http_call_end(call, false);
}

static void on_raw(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 101, .fields = "Upgrade: echo\r\n" };
	struct http_bench *b = arg;

	b->raw = call;
	http_call_on_gone(call, on_raw_gone, b);
	http_call_take_over(call, &head, &raw_ops, b);
	if (b->raw)
		send_rest(b, call);
}

static const struct http_server_route routes[] = {
	{ "/raw", HTTP_PARSE_GET, on_raw },
	{ "/echo", HTTP_PARSE_GET, http_bench_echo },
};

static const struct http_server_conf conf = { .routes = routes,
	.routes_count = ARRAY_COUNT(routes) };

static int set_up(void **state)
{
	return http_bench_open(state, &conf, 0);
}

/* Bytes go both ways, those that came with the request, too; the end is the handler's. */
static void a_connection_taken_over(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16];
	int fd = http_bench_client(b);

	socket_kit_say(fd,
		"GET /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ");
	http_bench_hear(b, fd, text, sizeof text, "early ");
	assert_non_null(strstr(text, "HTTP/1.1 101 Switching Protocols\r\n"));
	assert_non_null(strstr(text, "Connection: Upgrade\r\nUpgrade: echo\r\n"));
	assert_null(strstr(text, "Content-Length"));
	socket_kit_say(fd, HTTP_BENCH_GET("/echo?no request"));
	http_bench_hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_null(strstr(text, "200 OK"));
	assert_int_equal(http_server_counters(b->server)->requests, 1);
	socket_kit_say(fd, "the end~");
	http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_string_equal(text, "the end~");
	assert_null(b->raw);
	assert_int_equal(b->gone, 0);
	close(fd);
}

/* What the kernel does not take stays with the handler, who is told when there is room. */
static void taken_over_and_slow(void **state)
{
	enum { BYTES = 8 << 20 };
	struct http_bench *b = *state;
	static char text[1 << 20];
	size_t heard;
	const struct linger reset = { .l_onoff = 1 };
	int fd = http_bench_client(b), small = 64 << 10;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	b->to_send = BYTES;
	socket_kit_say(fd, HTTP_BENCH_GET("/raw"));
	for (int i = 0; i < 100; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	/* The kernel takes what both ends have room for, and counts twice what it was asked for. */
	assert_in_range(BYTES - b->to_send, 1, 2 * LIMIT_HTTP_SENT_BYTES + 4 * small);
	heard = http_bench_hear(b, fd, text, sizeof text, "\r\n\r\n");
	assert_non_null(strstr(text, "\r\n\r\n"));
	heard -= (size_t)(strstr(text, "\r\n\r\n") + 4 - text);
	while (heard < BYTES)
		heard += http_bench_hear(b, fd, text, sizeof text, "r");
	assert_int_equal(heard, BYTES);
	assert_int_equal(b->to_send, 0);
	assert_true(b->raw_drains > 10);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
	HTTP_BENCH_UNTIL(b, !b->raw);
	assert_int_equal(b->gone, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_connection_taken_over, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(taken_over_and_slow, set_up, http_bench_close),
	};

	return cmocka_run_group_tests_name("http_take_over", tests, NULL, NULL);
}
