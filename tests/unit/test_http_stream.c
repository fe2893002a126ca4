/*
 * Goal: an answer of any length comes whole, in parts or at once, to whoever takes it; who does not
 * take it holds what he may and no more; its maker is told of his end, once.
 * Method: a server and its clients on one loop; a step of the loop at a time until a condition holds.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/http/http_server.h"
#include "tests/support/http_bench.h"

enum {
	STREAM_PARTS = 64,
	PART_BYTES = 32 << 10,
	BIG_BYTES = 3 << 20,
	GIVEN_PARTS = 40,
	GIVEN_BYTES = 700001,
};

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
	struct http_bench *b = arg;

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
	struct http_bench *b = arg;

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
	struct http_bench *b = arg;

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
	struct http_bench *b = arg;

	assert_ptr_equal(call, b->giving);
	b->gone++;
	b->giving = NULL;
	assert_false(http_call_full(call));
	http_call_end(call, true);
}

static void on_give(void *arg, struct http_call *call)
{
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct http_bench *b = arg;

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
	struct http_bench *b = arg;

	b->giving = call;
	http_call_on_gone(call, on_give_gone, b);
	http_call_begin(call, &head, NULL, NULL);
}

static const struct http_server_route routes[] = {
	{ "/echo", HTTP_PARSE_GET, http_bench_echo },
	{ "/big", HTTP_PARSE_GET, on_big },
	{ "/stream", HTTP_PARSE_GET, on_stream },
	{ "/flood", HTTP_PARSE_GET, on_flood },
	{ "/give", HTTP_PARSE_GET, on_give },
	{ "/silent", HTTP_PARSE_GET, on_silent },
};

static const struct http_server_conf conf = { .routes = routes,
	.routes_count = ARRAY_COUNT(routes) };

static int set_up(void **state)
{
	return http_bench_open(state, &conf, 0);
}

static int set_up_hasty(void **state)
{
	return http_bench_open(state, &conf, 1);
}

static void large_answers(void **state)
{
	struct http_bench *b = *state;
	static char text[BIG_BYTES + 4096];
	size_t n;
	int fd = http_bench_client(b);

	socket_kit_say(fd, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	n = http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(n - (size_t)(strstr(text, "\r\n\r\n") + 4 - text), BIG_BYTES);
	close(fd);
	fd = http_bench_client(b);
	socket_kit_say(fd, HTTP_BENCH_GET("/stream") HTTP_BENCH_GET("/echo?after"));
	n = http_bench_hear(b, fd, text, sizeof text, "after");
	assert_non_null(strstr(text, "Transfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(text, "\r\n0\r\n\r\nHTTP/1.1 200"));
	assert_true(n > STREAM_PARTS * PART_BYTES);
	close(fd);
	fd = http_bench_client(b);
	socket_kit_say(fd, "GET /stream HTTP/1.0\r\n\r\n");
	n = http_bench_hear(b, fd, text, sizeof text, NULL);
	assert_int_equal(
		n - (size_t)(strstr(text, "\r\n\r\n") + 4 - text), STREAM_PARTS * PART_BYTES);
	close(fd);
}

/* A peer that reads nothing holds LIMIT_HTTP_STREAM_BYTES of a stream at most. */
static void a_stream_nobody_reads(void **state)
{
	struct http_bench *b = *state;
	static char text[1 << 16];
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/flood"));
	HTTP_BENCH_UNTIL(b, http_server_counters(b->server)->requests > 0);
	HTTP_BENCH_UNTIL(b, http_server_counters(b->server)->conns_open == 0);
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
	struct http_bench *b = *state;
	const char *end;
	uint64_t sum;
	size_t n;
	int fd = http_bench_client(b);

	socket_kit_say(fd, "HEAD /give HTTP/1.1\r\nHost: x\r\n\r\n" HTTP_BENCH_GET("/give")
				   HTTP_BENCH_GET("/echo?behind"));
	http_bench_hear(b, fd, given_text, sizeof given_text, "behind");
	assert_int_equal(http_bench_count(given_text, "Transfer-Encoding: chunked\r\n"), 2);
	end = dechunk(strstr(strstr(given_text, "\r\n\r\nHTTP") + 4, "\r\n\r\n") + 4, &sum);
	assert_int_equal(sum, (uint64_t)GIVEN_PARTS * GIVEN_BYTES);
	assert_int_equal(b->taken_back, GIVEN_PARTS / 2);
	assert_memory_equal(end, "HTTP/1.1 200 OK", 15);
	close(fd);
	fd = http_bench_client(b);
	socket_kit_say(fd, "GET /give HTTP/1.0\r\n\r\n");
	n = http_bench_hear(b, fd, given_text, sizeof given_text, NULL);
	assert_int_equal(n - (size_t)(strstr(given_text, "\r\n\r\n") + 4 - given_text),
		GIVEN_PARTS * GIVEN_BYTES);
	close(fd);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
}

static void a_stream_that_is_not_whole(void **state)
{
	struct http_bench *b = *state;
	uint64_t sum;
	int fd = http_bench_client(b);

	b->broken = true;
	socket_kit_say(fd, HTTP_BENCH_GET("/give") HTTP_BENCH_GET("/echo?behind"));
	http_bench_hear(b, fd, given_text, sizeof given_text, NULL);
	assert_null(dechunk(strstr(given_text, "\r\n\r\n") + 4, &sum));
	assert_int_equal(sum, (uint64_t)GIVEN_PARTS * GIVEN_BYTES);
	assert_null(strstr(given_text, "behind"));
	close(fd);
}

/* Mid-way: its end is told once, and what waited for it is held no longer. */
static void a_client_that_resets_a_stream(void **state)
{
	struct http_bench *b = *state;
	struct linger now = { 1, 0 };
	char some[4096];
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/give") HTTP_BENCH_GET("/echo?behind"));
	HTTP_BENCH_UNTIL(b, b->given >= 1);
	assert_true(recv(fd, some, sizeof some, 0) > 0);
	assert_int_equal(http_server_counters(b->server)->held_bytes, GIVEN_BYTES + 2);
	assert_true(b->given < GIVEN_PARTS);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	HTTP_BENCH_UNTIL(b, b->gone);
	assert_int_equal(b->gone, 1);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	assert_int_equal(http_server_counters(b->server)->conns_open, 0);
}

/* Its own end is closed, it reads all the same: every part comes. */
static void a_half_closed_client_of_a_stream(void **state)
{
	struct http_bench *b = *state;
	uint64_t sum;
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/give"));
	shutdown(fd, SHUT_WR);
	http_bench_hear(b, fd, given_text, sizeof given_text, NULL);
	assert_non_null(dechunk(strstr(given_text, "\r\n\r\n") + 4, &sum));
	assert_int_equal(sum, (uint64_t)GIVEN_PARTS * GIVEN_BYTES);
	close(fd);
	/* One that may be gone does not keep a silent handler busy. */
	fd = http_bench_client(b);
	socket_kit_say(fd, HTTP_BENCH_GET("/silent"));
	shutdown(fd, SHUT_WR);
	http_bench_hear(b, fd, given_text, sizeof given_text, NULL);
	assert_int_equal(b->gone, 1);
	assert_int_equal(http_server_counters(b->server)->timeouts, 0);
	close(fd);
}

/* Where memory is short, a stream whose reader sleeps is cut like any answer. */
static void a_stream_is_shed(void **state)
{
	struct http_bench *b = *state;
	int64_t end_ns = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;
	int fd = http_bench_client(b);

	socket_kit_say(fd, HTTP_BENCH_GET("/give"));
	HTTP_BENCH_UNTIL(b, b->given >= 1);
	assert_false(http_server_shed(b->server, 1000));
	while (!http_server_shed(b->server, 1000) && clock_mono_ns() < end_ns)
		uv_run(&b->loop, UV_RUN_ONCE);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	assert_int_equal(http_server_counters(b->server)->shed, 1);
	HTTP_BENCH_UNTIL(b, b->gone);
	assert_int_equal(b->gone, 1);
	close(fd);
}

/* Who sleeps over an answer, or over a part of a stream, has his time for it. */
static void sleepers(void **state)
{
	struct http_bench *b = *state;
	int deaf = http_bench_client(b), sleeper;

	socket_kit_say(deaf, HTTP_BENCH_GET("/big") HTTP_BENCH_GET("/big") HTTP_BENCH_GET("/big")
				     HTTP_BENCH_GET("/big"));
	http_bench_run_until_timeouts(b, 1);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	close(deaf);
	sleeper = http_bench_client(b);
	socket_kit_say(sleeper, HTTP_BENCH_GET("/give"));
	http_bench_run_until_timeouts(b, 2);
	HTTP_BENCH_UNTIL(b, b->gone);
	assert_int_equal(b->gone, 1);
	assert_int_equal(http_server_counters(b->server)->held_bytes, 0);
	close(sleeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_answers, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_stream_nobody_reads, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(parts_without_a_copy, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(
			a_stream_that_is_not_whole, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(
			a_client_that_resets_a_stream, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(
			a_half_closed_client_of_a_stream, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(a_stream_is_shed, set_up, http_bench_close),
		cmocka_unit_test_setup_teardown(sleepers, set_up_hasty, http_bench_close),
	};

	return cmocka_run_group_tests_name("http_stream", tests, NULL, NULL);
}
