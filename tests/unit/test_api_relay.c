/*
 * Goal: who sends by way of the query daemon is told what became of it, whatever the collector does: that
 * it is away, takes no connection, says nothing, or says too much. Method: the relay's route on a server of
 * this test; the collector is played by a plain socket; a step of the loop at a time.
 */
#include "tests/support/check_cmocka.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "query/api_relay.h"
#include "tests/support/socket_kit.h"

struct bench {
	struct query q;
	int collector;
	struct addr at;
	bool closed;
	char heard[LIMIT_RELAY_ANSWER_BYTES + 4096];
	char asked[1 << 16];
};

static const struct http_server_route routes[] = {
	{ "/api/logs", HTTP_PARSE_POST, api_relay_post, .body_max = LIMIT_RELAY_BODY_BYTES,
		.streams = true },
};

static void open_relay(struct bench *b, int backlog)
{
	char text[ADDR_TEXT_BYTES];
	struct diag d = { 0 };

	b->collector = socket_kit_listen(backlog, &b->at);
	assert_int_equal(conf_init(&b->q.conf), 0);
	assert_int_equal(conf_set(&b->q.conf, CONF_QUERY_COLLECTOR, addr_text(&b->at, text),
				 CONF_FROM_FLAG, &d),
		0);
	assert_int_equal(api_relay_open(&b->q, &d), 0);
}

static int set_up_with(void **state, int backlog)
{
	const struct http_server_conf conf = { .routes = routes,
		.routes_count = ARRAY_COUNT(routes),
		.body_max = LIMIT_RELAY_BODY_BYTES };
	struct http_server_conf with = conf;
	struct bench *b = calloc(1, sizeof *b);
	struct addr at;
	struct diag d;

	assert_non_null(b);
	with.arg = &b->q;
	assert_int_equal(uv_loop_init(&b->q.loop), 0);
	assert_int_equal(listener_gate_init(&b->q.gate, 16, &d), 0);
	assert_int_equal(addr_parse("127.0.0.1:0", &at, &d), 0);
	assert_int_equal(http_server_open(&b->q.loop, &b->q.gate, &at, &with, &b->q.server, &d), 0);
	open_relay(b, backlog);
	*state = b;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 16);
}

static int set_up_full(void **state)
{
	return set_up_with(state, 0);
}

static void on_closed(void *arg)
{
	struct bench *b = arg;

	b->closed = true;
	api_relay_close(&b->q);
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	http_server_close(b->q.server, on_closed, b);
	assert_int_equal(uv_run(&b->q.loop, UV_RUN_DEFAULT), 0);
	assert_true(b->closed);
	assert_int_equal(uv_loop_close(&b->q.loop), 0);
	conf_fini(&b->q.conf);
	if (b->collector >= 0)
		close(b->collector);
	free(b);
	return 0;
}

static int post(struct bench *b)
{
	int fd = socket_kit_connect(http_server_addr(b->q.server));

	socket_kit_say(fd, "POST /api/logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
			   "Content-Length: 13\r\n\r\n{\"msg\":\"one\"}");
	return fd;
}

static const char *answer(struct bench *b, int fd)
{
	assert_false(socket_kit_hear(&b->q.loop, fd, b->heard, sizeof b->heard, NULL));
	close(fd);
	/* Nothing is held for it any more. */
	assert_int_equal(api_relay_counts(&b->q)->held, 0);
	return b->heard;
}

/* The collector's side: the request is there. */
static int asked(struct bench *b)
{
	int fd = socket_kit_accept(&b->q.loop, b->collector);

	assert_true(socket_kit_hear(&b->q.loop, fd, b->asked, sizeof b->asked, "\"one\"}"));
	return fd;
}

#define assert_says(text, what) assert_non_null(strstr(text, what))

static void handed_on(void **state)
{
	struct bench *b = *state;
	int fd = post(b), to = asked(b);

	assert_says(b->asked, "POST /api/logs HTTP/1.1\r\n");
	assert_says(b->asked, "X-Forwarded-For: 127.0.0.1\r\n");
	socket_kit_say(to, "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
			   "Content-Length: 2\r\n\r\n{}");
	assert_says(answer(b, fd), "HTTP/1.1 201 Created\r\n");
	assert_says(b->heard, "Content-Type: application/json\r\n");
	assert_says(b->heard, "\r\n\r\n{}");
	assert_int_equal(api_relay_counts(&b->q)->requests, 1);
	assert_int_equal(api_relay_counts(&b->q)->failed, 0);
	close(to);
}

/* Whether it is stored nobody knows. */
static void no_answer_in_time(void **state)
{
	struct bench *b = *state;
	int fd, to;

	api_relay_retune(&b->q, 0, 1);
	fd = post(b);
	to = asked(b);
	assert_says(answer(b, fd), "HTTP/1.1 504 Gateway Timeout\r\n");
	assert_says(b->heard, "the collector did not answer in time");
	assert_says(b->heard, "the same Idempotency-Key");
	assert_int_equal(api_relay_counts(&b->q)->failed, 1);
	assert_false(socket_kit_hear(&b->q.loop, to, b->asked, sizeof b->asked, NULL));
	close(to);
}

/* Its queue of connections is full, and the kernel leaves the next one without a word. */
static void no_connection_in_time(void **state)
{
	struct bench *b = *state;
	struct pollfd full = { .fd = b->collector, .events = POLLIN };
	int before = socket_kit_connect(&b->at);

	assert_int_equal(poll(&full, 1, 60000), 1);
	api_relay_retune(&b->q, 1, 0);
	assert_says(answer(b, post(b)), "HTTP/1.1 503 Service Unavailable\r\n");
	assert_says(b->heard, "the collector cannot be reached");
	assert_says(b->heard, "nothing was stored");
	assert_int_equal(api_relay_counts(&b->q)->failed, 1);
	close(before);
}

static void nobody_listens(void **state)
{
	struct bench *b = *state;

	close(b->collector);
	b->collector = -1;
	assert_says(answer(b, post(b)), "HTTP/1.1 503 Service Unavailable\r\n");
	assert_says(b->heard, "Retry-After: 1\r\n");
	assert_int_equal(api_relay_counts(&b->q)->failed, 1);
}

static void say_body(struct bench *b, int to, size_t n)
{
	char *body = malloc(n);

	assert_non_null(body);
	memset(body, 'x', n);
	socket_kit_send(&b->q.loop, to, body, n);
	free(body);
}

static void a_large_answer(void **state)
{
	struct bench *b = *state;

	for (int beyond = 0; beyond < 2; beyond++) {
		int fd = post(b), to = asked(b);
		char head[128];

		snprintf(head, sizeof head, "HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n",
			LIMIT_RELAY_ANSWER_BYTES + beyond);
		socket_kit_say(to, head);
		say_body(b, to, (size_t)(LIMIT_RELAY_ANSWER_BYTES + beyond));
		assert_says(answer(b, fd),
			beyond ? "HTTP/1.1 502 Bad Gateway\r\n" : "HTTP/1.1 201 Created\r\n");
		close(to);
	}
	assert_int_equal(api_relay_counts(&b->q)->failed, 1);
}

static void a_body_too_large(void **state)
{
	struct bench *b = *state;
	int fd = socket_kit_connect(http_server_addr(b->q.server));
	char head[256];

	snprintf(head, sizeof head,
		"POST /api/logs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		"Content-Length: %d\r\n\r\n",
		LIMIT_RELAY_BODY_BYTES + 1);
	socket_kit_say(fd, head);
	assert_true(socket_kit_hear(&b->q.loop, fd, b->heard, sizeof b->heard, "\r\n\r\n"));
	assert_says(b->heard, "HTTP/1.1 413 ");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(handed_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_answer_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_connection_in_time, set_up_full, tear_down),
		cmocka_unit_test_setup_teardown(nobody_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_large_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_too_large, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("api_relay", tests, NULL, NULL);
}
