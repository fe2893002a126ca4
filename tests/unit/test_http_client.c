/*
 * Goal: every framing of HTTP/1.1 is read however it is cut; what is no HTTP, too large, too short or
 *       too slow is told as that; a kept connection that was closed is made anew.
 * Method: a server thread on a loopback port that answers each request with the next prepared text,
 *         byte by byte or whole.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "tools/http_client.h"

struct script {
	const char *const *answers; /* NULL: hang up instead of answering; "": say nothing */
	size_t count;
	size_t piece; /* bytes a write; 0: whole */
	bool hang_up; /* after each answer */
	int listener;
	char addr[64];
	char asked[1024]; /* the last request */
	char left[16];
	unsigned connections;
	pthread_t thread;
};

static void say(int fd, const char *text, size_t piece)
{
	size_t n = strlen(text);

	while (n) {
		size_t k = piece && piece < n ? piece : n;
		ssize_t done = send(fd, text, k, MSG_NOSIGNAL);

		if (done < 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

/* Reads one request; false at the end of the connection. */
static bool listen_to(struct script *s, int fd)
{
	size_t n = 0;

	s->asked[0] = 0;
	while (!strstr(s->asked, "\r\n\r\n")) {
		ssize_t got = recv(fd, s->asked + n, sizeof s->asked - 1 - n, 0);

		if (got <= 0)
			return false;
		n += (size_t)got;
		s->asked[n] = 0;
	}
	return true;
}

static void *serve(void *arg)
{
	struct script *s = arg;
	size_t at = 0;

	while (at < s->count) {
		int fd = accept(s->listener, NULL, NULL);
		bool open = fd >= 0;

		if (fd < 0)
			break;
		s->connections++;
		while (open && at < s->count && listen_to(s, fd)) {
			const char *answer = s->answers[at++];

			if (answer)
				say(fd, answer, s->piece);
			open = answer && !s->hang_up;
		}
		/* The last word is said: the client hangs up, or has to give up waiting. */
		if (open)
			recv(fd, s->left, sizeof s->left, 0);
		close(fd);
	}
	return NULL;
}

static void start(struct script *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sin;

	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&sin, sizeof sin), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sin, &len), 0);
	snprintf(s->addr, sizeof s->addr, "127.0.0.1:%u", ntohs(sin.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct script *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

/* One server that gives one answer; the body or the failure. */
static int get_once(const char *answer, size_t piece, bool hang_up, struct buf *body, int *status,
	struct diag *d)
{
	const char *const answers[] = { answer };
	struct script s = { .answers = answers, .count = 1, .piece = piece, .hang_up = hang_up };
	struct http_client *c = NULL;
	int rc;

	start(&s);
	assert_int_equal(http_client_open(s.addr, 9000, &c, d), 0);
	rc = http_client_get(c, "/x?y=1", 300, body, status, d);
	http_client_close(&c);
	stop(&s);
	return rc;
}

static void assert_body(const char *answer, bool hang_up, int want_status, const char *want)
{
	for (size_t piece = 0; piece <= 3; piece++) {
		struct buf body;
		struct diag d;
		int status;

		buf_init(&body, 1 << 20);
		assert_int_equal(get_once(answer, piece, hang_up, &body, &status, &d), 0);
		assert_int_equal(status, want_status);
		buf_put_u8(&body, 0);
		assert_string_equal((const char *)body.p, want);
		buf_fini(&body);
	}
}

static void assert_fails(const char *answer, bool hang_up, int want)
{
	struct buf body;
	struct diag d;
	int status;

	buf_init(&body, 1000);
	assert_int_equal(get_once(answer, 0, hang_up, &body, &status, &d), want);
	assert_int_equal(d.code, want);
	assert_true(strlen(d.text) > 5);
	buf_fini(&body);
}

static void every_framing_is_read(void **state)
{
	(void)state;
	assert_body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello");
	assert_body("HTTP/1.1 404 Not Found\ncontent-length:3 \n\nno\n", false, 404, "no\n");
	assert_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
		false, 200, "hello world");
	assert_body("HTTP/1.0 200 OK\r\n\r\nto the end", true, 200, "to the end");
	assert_body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n", false, 204, "");
	assert_body("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 200, "");
}

static void what_is_not_http_is_told(void **state)
{
	char long_line[LIMIT_CLIENT_HEAD_BYTES + 100];

	(void)state;
	assert_fails("SSH-2.0-OpenSSH\r\n", false, ERR_SYNTAX);
	assert_fails("HTTP/1.1 abc\r\n\r\n", false, ERR_SYNTAX);
	assert_fails("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", false, ERR_SYNTAX);
	assert_fails("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, ERR_SYNTAX);
	assert_fails("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", false,
		ERR_SYNTAX);
	assert_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, ERR_SYNTAX);
	assert_fails(
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", false, ERR_SYNTAX);
	assert_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", false,
		ERR_SYNTAX);
	memset(long_line, 'x', sizeof long_line);
	memcpy(long_line, "HTTP/1.1 200 OK\r\nA: ", 20);
	long_line[sizeof long_line - 1] = 0;
	assert_fails(long_line, false, ERR_LIMIT);
}

static void what_is_too_large_short_or_slow_is_told(void **state)
{
	(void)state;
	/* The buffer takes 1000 bytes. */
	assert_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "3ff\r\n01234567890123456789012345678901234567890123456789",
		false, ERR_LIMIT);
	assert_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "3e8\r\n01234567890123456789012345678901234567890123456789",
		true, ERR_TRUNCATED);
	assert_fails("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, ERR_TRUNCATED);
	assert_fails("HTTP/1.1 200 OK\r\nContent-Le", true, ERR_TRUNCATED);
	assert_fails("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", false, -ETIMEDOUT);
	assert_fails("", false, -ETIMEDOUT);
	assert_fails(NULL, true, ERR_TRUNCATED);
}

static void a_body_beyond_the_buffer_is_refused(void **state)
{
	char answer[3000];

	(void)state;
	memset(answer, 'x', sizeof answer);
	memcpy(answer, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", 41);
	answer[sizeof answer - 1] = 0;
	assert_fails(answer, false, ERR_LIMIT);
	/* Its head is enough. */
	answer[41 + 10] = 0;
	assert_fails(answer, false, ERR_LIMIT);
}

static void a_connection_is_kept_and_made_anew(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb", NULL,
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nc",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nd" };
	static const unsigned connections[] = { 1, 1, 2, 3 };
	struct script s = { .answers = answers, .count = 5 };
	struct http_client *c = NULL;
	struct buf body;
	struct diag d;

	(void)state;
	start(&s);
	buf_init(&body, 1000);
	assert_int_equal(http_client_open(s.addr, 9000, &c, &d), 0);
	for (int i = 0; i < 4; i++) {
		int status;

		assert_int_equal(http_client_get(c, "/", 5000, &body, &status, &d), 0);
		assert_int_equal(body.p[0], 'a' + i);
		assert_int_equal(s.connections, connections[i]);
	}
	buf_fini(&body);
	http_client_close(&c);
	stop(&s);
}

static void the_request_is_well_formed(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	struct script s = { .answers = answers, .count = 1 };
	struct http_client *c = NULL;
	char addr[100], want[300];
	struct buf body;
	struct diag d;
	int status;

	(void)state;
	start(&s);
	buf_init(&body, 1000);
	snprintf(addr, sizeof addr, "http://%s/logs/", s.addr);
	assert_int_equal(http_client_open(addr, 9000, &c, &d), 0);
	assert_int_equal(http_client_get(c, "/api/logs?a=b", 5000, &body, &status, &d), 0);
	snprintf(want, sizeof want,
		"GET /logs/api/logs?a=b HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n"
		"User-Agent: astroquery\r\n\r\n",
		s.addr);
	http_client_close(&c);
	stop(&s);
	assert_string_equal(s.asked, want);
	buf_fini(&body);
}

static void assert_name(const char *addr, const char *want)
{
	struct http_client *c = NULL;
	struct diag d;

	assert_int_equal(http_client_open(addr, 9000, &c, &d), 0);
	assert_string_equal(http_client_name(c), want);
	http_client_close(&c);
}

static void addresses(void **state)
{
	static const char *const bad[] = { "", "http://", "https://host", "host:x", "host:0",
		"host:70000", "ftp://host", "http://host:1?x", "a b", "::1", "http:///x" };

	(void)state;
	assert_name("127.0.0.1:9000", "http://127.0.0.1:9000");
	assert_name("http://127.0.0.1:9000", "http://127.0.0.1:9000");
	assert_name("HTTP://logs/", "http://logs:80");
	assert_name("logs", "http://logs:9000");
	assert_name("[::1]", "http://[::1]:9000");
	assert_name("http://[::1]:81/x/", "http://[::1]:81");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct http_client *c = NULL;
		struct diag d;

		assert_int_equal(http_client_open(bad[i], 9000, &c, &d), ERR_SYNTAX);
		assert_null(c);
	}
}

static void nobody_there_is_told_apart(void **state)
{
	struct script s = { .count = 0 };
	struct http_client *c = NULL;
	struct buf body;
	struct diag d;
	int status;

	(void)state;
	start(&s);
	stop(&s);
	buf_init(&body, 1000);
	assert_int_equal(http_client_open(s.addr, 9000, &c, &d), 0);
	assert_int_equal(http_client_get(c, "/", 1000, &body, &status, &d), -ECONNREFUSED);
	assert_true(http_client_unreachable(c));
	assert_string_equal(d.text, "cannot connect");
	http_client_close(&c);
	assert_int_equal(http_client_open("no-such-host.invalid:1", 9000, &c, &d), 0);
	assert_true(http_client_get(c, "/", 1000, &body, &status, &d) < 0);
	assert_true(http_client_unreachable(c));
	http_client_close(&c);
	http_client_close(&c);
	buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_framing_is_read),
		cmocka_unit_test(what_is_not_http_is_told),
		cmocka_unit_test(what_is_too_large_short_or_slow_is_told),
		cmocka_unit_test(a_body_beyond_the_buffer_is_refused),
		cmocka_unit_test(a_connection_is_kept_and_made_anew),
		cmocka_unit_test(the_request_is_well_formed),
		cmocka_unit_test(addresses),
		cmocka_unit_test(nobody_there_is_told_apart),
	};

	return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
