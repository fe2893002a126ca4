/*
 * Goal: a request is told once what became of it: an answer in any framing, or why there is none, and
 * whether the server may have got it. Connections are used again where that is safe, bounded in number
 * and age. Method: the server is played by this file, with plain sockets; a step of the loop at a time
 * until a condition holds.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/http/http_upstream.h"
#include "tests/support/socket_kit.h"

enum {
	ANSWER_MAX = 4096,
	LARGE_BYTES = 8 << 20,
	MANY = LIMIT_UPSTREAM_SPARES + 2,
};

struct told {
	unsigned calls;
	int error, status;
	bool sent;
	char type[64], body[ANSWER_MAX + 1];
};

struct bench {
	uv_loop_t loop;
	int listener;
	struct http_upstream_conf conf;
	struct http_upstream *upstream;
	struct told told[MANY];
	/* Of the request that a connection sent last. */
	char asked[1 << 16];
};

static void open_upstream(struct bench *b)
{
	struct diag d;

	assert_int_equal(http_upstream_new(&b->loop, &b->conf, &b->upstream, &d), 0);
}

/* Every connection is let go of, and then the memory. */
static void close_upstream(struct bench *b)
{
	http_upstream_close(&b->upstream);
	assert_null(b->upstream);
	assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
}

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	assert_int_equal(uv_loop_init(&b->loop), 0);
	b->conf = (struct http_upstream_conf){
		.connect_ms = 60000, .answer_ms = 60000, .answer_max = ANSWER_MAX
	};
	b->listener = socket_kit_listen(64, &b->conf.to);
	open_upstream(b);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	close_upstream(b);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	close(b->listener);
	free(b);
	return 0;
}

/* ---------------------------------------------------------------- steps */

static void on_answer(void *arg, const struct http_upstream_answer *answer)
{
	struct told *t = arg;

	t->calls++;
	t->error = answer->error;
	t->sent = answer->sent;
	t->status = answer->status;
	assert_true(answer->type.n < sizeof t->type && answer->body.n < sizeof t->body);
	snprintf(
		t->type, sizeof t->type, "%.*s", (int)answer->type.n, (const char *)answer->type.p);
	snprintf(
		t->body, sizeof t->body, "%.*s", (int)answer->body.n, (const char *)answer->body.p);
}

static struct http_upstream_request *post(struct bench *b, struct told *t, struct span body)
{
	struct http_upstream_request *r;

	*t = (struct told){ 0 };
	r = http_upstream_post(b->upstream, SPAN_LIT("/api/logs?x=1"),
		SPAN_LIT("Content-Type: text/plain\r\n"), body, on_answer, t);
	assert_non_null(r);
	assert_int_equal(t->calls, 0);
	return r;
}

static void until_told(struct bench *b, const struct told *t)
{
	int64_t end_ns = socket_kit_end_ns();

	while (t->calls == 0)
		socket_kit_step(&b->loop, end_ns);
	assert_int_equal(t->calls, 1);
}

static void until_told_in_all(struct bench *b, unsigned want)
{
	int64_t end_ns = socket_kit_end_ns();
	unsigned calls;

	do {
		socket_kit_step(&b->loop, end_ns);
		calls = 0;
		for (size_t i = 0; i < MANY; i++)
			calls += b->told[i].calls;
	} while (calls < want);
	assert_int_equal(calls, want);
}

static void nobody_connects(struct bench *b)
{
	for (int i = 0; i < 5; i++)
		uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(accept(b->listener, NULL, NULL), -1);
}

static int take_connection(struct bench *b)
{
	return socket_kit_accept(&b->loop, b->listener);
}

static bool hear(struct bench *b, int fd, const char *want)
{
	return socket_kit_hear(&b->loop, fd, b->asked, sizeof b->asked, want);
}

static void answer(struct bench *b, int fd, const char *text)
{
	assert_true(hear(b, fd, "\r\n\r\nhello"));
	socket_kit_say(fd, text);
}

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* ---------------------------------------------------------------- answers */

static void one_connection_for_many_requests(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n"
		"content-type: application/json\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"
		"CONTENT-TYPE:application/json\r\nContent-Length: 2\r\n\r\n{}",
	};
	struct bench *b = *state;
	struct told *t = b->told;
	int fd = -1;

	for (size_t i = 0; i < ARRAY_COUNT(answers); i++) {
		post(b, t, SPAN_LIT("hello"));
		if (fd < 0)
			fd = take_connection(b);
		answer(b, fd, answers[i]);
		until_told(b, t);
		assert_int_equal(t->error, 0);
		assert_int_equal(t->status, 201);
		assert_string_equal(t->type, "application/json");
		assert_string_equal(t->body, "{}");
	}
	assert_non_null(strstr(b->asked, "POST /api/logs?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(b->asked, "Content-Length: 5\r\nContent-Type: text/plain\r\n\r\n"));
	nobody_connects(b);
	close(fd);
}

/* It has no body and says nothing of one; the connection serves what comes after. */
static void a_question(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	int fd = -1;

	for (int i = 0; i < 2; i++) {
		*t = (struct told){ 0 };
		assert_non_null(http_upstream_get(b->upstream, SPAN_LIT("/metrics"), on_answer, t));
		if (fd < 0)
			fd = take_connection(b);
		assert_true(hear(b, fd, "\r\n\r\n"));
		assert_non_null(strstr(b->asked, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:"));
		assert_null(strstr(b->asked, "Content-Length"));
		socket_kit_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n");
		until_told(b, t);
		assert_int_equal(t->status, 200);
		assert_string_equal(t->body, "a 1\n");
	}
	nobody_connects(b);
	close(fd);
}

static void byte_by_byte(void **state)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad";
	struct bench *b = *state;
	struct told *t = b->told;
	int fd;

	post(b, t, SPAN_LIT("hello"));
	fd = take_connection(b);
	assert_true(hear(b, fd, "hello"));
	for (const char *p = text; *p; p++) {
		assert_int_equal(t->calls, 0);
		assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
		for (int i = 0; i < 3; i++)
			uv_run(&b->loop, UV_RUN_NOWAIT);
	}
	until_told(b, t);
	assert_int_equal(t->status, 400);
	assert_string_equal(t->type, "");
	assert_string_equal(t->body, "bad");
	close(fd);
}

/* Its length is told by the connection's end, which cannot serve again. */
static void an_answer_without_a_length(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	int fd;

	post(b, t, SPAN_LIT("hello"));
	fd = take_connection(b);
	answer(b, fd, "HTTP/1.1 200 OK\r\n\r\nall of it");
	shutdown(fd, SHUT_WR);
	until_told(b, t);
	assert_int_equal(t->error, 0);
	assert_string_equal(t->body, "all of it");
	assert_false(hear(b, fd, NULL));
	close(fd);
	post(b, t, SPAN_LIT("hello"));
	fd = take_connection(b);
	answer(b, fd, OK_EMPTY);
	until_told(b, t);
	close(fd);
}

static void what_is_no_answer(void **state)
{
	static char long_type[512], long_head[ANSWER_MAX + 512];
	const struct {
		const char *text;
		int error;
	} cases[] = {
		{ "", ERR_TRUNCATED },
		{ "HTTP/1.1 201 Cre", ERR_TRUNCATED },
		{ "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n{}", ERR_TRUNCATED },
		{ "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
			ERR_TRUNCATED },
		{ "nonsense\r\n\r\n", ERR_SYNTAX },
		{ "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ERR_SYNTAX },
		{ long_head, ERR_LIMIT },
		{ long_type, ERR_LIMIT },
	};
	struct bench *b = *state;
	struct told *t = b->told;

	sprintf(long_head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%0*d", ANSWER_MAX + 1,
		ANSWER_MAX + 1, 0);
	sprintf(long_type, "HTTP/1.1 200 OK\r\nContent-Type: %0300d\r\n\r\n", 0);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int fd;

		post(b, t, SPAN_LIT("hello"));
		fd = take_connection(b);
		answer(b, fd, cases[i].text);
		shutdown(fd, SHUT_WR);
		until_told(b, t);
		assert_int_equal(t->error, cases[i].error);
		assert_true(t->sent);
		assert_false(hear(b, fd, NULL));
		close(fd);
	}
}

/* ---------------------------------------------------------------- the server is not there */

static void nobody_listens(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;

	close(b->listener);
	post(b, t, SPAN_LIT("hello"));
	until_told(b, t);
	assert_int_equal(t->error, -ECONNREFUSED);
	assert_false(t->sent);
	b->listener = socket_kit_listen(1, &b->conf.to);
}

/* The kernel takes no further connection where so many wait; it does not refuse them either. */
static void a_server_that_takes_no_connection(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	int full, waiting;
	struct pollfd one = { .events = POLLIN };

	close_upstream(b);
	full = socket_kit_listen(0, &b->conf.to);
	b->conf.connect_ms = 1;
	waiting = socket_kit_connect(&b->conf.to);
	one.fd = full;
	assert_int_equal(poll(&one, 1, 60000), 1);
	open_upstream(b);
	post(b, t, SPAN_LIT("hello"));
	until_told(b, t);
	assert_int_equal(t->error, -ETIMEDOUT);
	assert_false(t->sent);
	close(waiting);
	close(full);
}

static void a_server_that_does_not_answer(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	int fd;

	close_upstream(b);
	b->conf.answer_ms = 1;
	open_upstream(b);
	post(b, t, SPAN_LIT("hello"));
	fd = take_connection(b);
	until_told(b, t);
	assert_int_equal(t->error, -ETIMEDOUT);
	assert_true(t->sent);
	assert_false(hear(b, fd, NULL));
	close(fd);
}

/* ---------------------------------------------------------------- connections that wait */

static void spares_are_bounded(void **state)
{
	struct bench *b = *state;
	unsigned ended = 0;
	int fds[MANY];

	for (size_t i = 0; i < MANY; i++)
		post(b, &b->told[i], SPAN_LIT("hello"));
	for (size_t i = 0; i < MANY; i++)
		fds[i] = take_connection(b);
	/* One after the other; which connection has which request is not said. */
	for (size_t i = 0; i < MANY; i++) {
		answer(b, fds[i], OK_EMPTY);
		until_told_in_all(b, i + 1);
	}
	/* Those beyond are ended at once. */
	for (size_t i = LIMIT_UPSTREAM_SPARES; i < MANY; i++)
		assert_false(hear(b, fds[i], NULL));
	for (size_t i = 0; i < MANY; i++) {
		char byte;

		ended += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
	}
	assert_int_equal(ended, MANY - LIMIT_UPSTREAM_SPARES);
	for (size_t i = 0; i < LIMIT_UPSTREAM_SPARES; i++)
		post(b, &b->told[i], SPAN_LIT("hello"));
	for (size_t i = 0; i < LIMIT_UPSTREAM_SPARES; i++)
		answer(b, fds[i], OK_EMPTY);
	until_told_in_all(b, MANY);
	nobody_connects(b);
	for (size_t i = 0; i < MANY; i++)
		close(fds[i]);
}

static void a_spare_grows_old(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	int fd;

	close_upstream(b);
	b->conf.spare_ms = 1;
	open_upstream(b);
	post(b, t, SPAN_LIT("hello"));
	fd = take_connection(b);
	answer(b, fd, OK_EMPTY);
	until_told(b, t);
	assert_false(hear(b, fd, NULL));
	close(fd);
	assert_int_equal(t->calls, 1);
}

/* The server has ended it, or says what nobody asked: the next request goes another way. */
static void a_spare_that_is_not_good(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;

	for (int how = 0; how < 3; how++) {
		int fd, next;

		post(b, t, SPAN_LIT("hello"));
		fd = take_connection(b);
		answer(b, fd, OK_EMPTY);
		until_told(b, t);
		if (how == 0)
			shutdown(fd, SHUT_WR);
		else
			socket_kit_say(fd, "HTTP/1.1 408 Request Timeout\r\n\r\n");
		socket_kit_until_there(fd, how == 0);
		/* Heard before the next request, or found out by it. */
		if (how == 1)
			assert_false(hear(b, fd, NULL));
		post(b, t, SPAN_LIT("hello"));
		next = take_connection(b);
		answer(b, next,
			"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
		until_told(b, t);
		assert_int_equal(t->error, 0);
		assert_int_equal(t->status, 200);
		assert_false(hear(b, next, NULL));
		close(fd);
		close(next);
	}
}

/* ---------------------------------------------------------------- bodies, ends */

static void a_large_body(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	int64_t end_ns = socket_kit_end_ns();
	static const uint8_t body[LARGE_BYTES];
	size_t got = 0;
	int fd;

	post(b, t, span_of(body, sizeof body));
	fd = take_connection(b);
	while (got < LARGE_BYTES) {
		ssize_t n = recv(fd, b->asked, sizeof b->asked, MSG_DONTWAIT);

		got += n > 0 ? (size_t)n : 0;
		socket_kit_step(&b->loop, end_ns);
	}
	assert_int_equal(t->calls, 0);
	socket_kit_say(fd, OK_EMPTY);
	until_told(b, t);
	assert_int_equal(t->status, 200);
	close(fd);
}

/* Nobody reads the rest of the body; the answer is heard all the same, and the connection of no more use. */
static void an_answer_before_the_body(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	static const uint8_t body[LARGE_BYTES];
	int64_t end_ns = socket_kit_end_ns();
	ssize_t got;
	int fd;

	post(b, t, span_of(body, sizeof body));
	fd = take_connection(b);
	socket_kit_say(fd, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
	until_told(b, t);
	assert_int_equal(t->error, 0);
	assert_int_equal(t->status, 413);
	do {
		socket_kit_step(&b->loop, end_ns);
		got = recv(fd, b->asked, sizeof b->asked, MSG_DONTWAIT);
	} while (got > 0 || (got < 0 && errno == EAGAIN));
	close(fd);
}

static void nobody_waits_any_more(void **state)
{
	struct bench *b = *state;
	struct told *t = b->told;
	struct http_upstream_request *r = post(b, t, SPAN_LIT("hello"));
	int fd = take_connection(b);

	http_upstream_cancel(r);
	assert_false(hear(b, fd, NULL));
	close(fd);
	/* One whose connection does not stand yet. */
	http_upstream_cancel(post(b, t, SPAN_LIT("hello")));
	fd = take_connection(b);
	assert_false(hear(b, fd, NULL));
	close(fd);
	/* The end: requests under way, and a spare. */
	post(b, t, SPAN_LIT("hello"));
	fd = take_connection(b);
	answer(b, fd, OK_EMPTY);
	until_told(b, t);
	post(b, &b->told[1], SPAN_LIT("hello"));
	post(b, &b->told[2], SPAN_LIT("hello"));
	close_upstream(b);
	assert_int_equal(b->told[1].calls + b->told[2].calls, 0);
	close(fd);
	open_upstream(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			one_connection_for_many_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_question, set_up, tear_down),
		cmocka_unit_test_setup_teardown(byte_by_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_without_a_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_server_that_takes_no_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_that_does_not_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(spares_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spare_grows_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spare_that_is_not_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_large_body, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_before_the_body, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_waits_any_more, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("http_upstream", tests, NULL, NULL);
}
