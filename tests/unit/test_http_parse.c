/*
 * Goal: every request reads the same however it is cut into pieces, and every shape that two readers
 * could take for two different requests is refused.
 * Method: feed whole, byte by byte, and split at each byte; compare what was understood.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/http/http_parse.h"

static const struct http_parse_limits limits = { 256, 1024, 64 };

/* What was understood of a stream: one line per request, then how it ended. */
struct seen {
	char text[2048];
	size_t len;
	int status;
};

static void note(struct seen *s, const struct http_parse_request *r, const struct buf *body)
{
	s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%s %.*s [%.*s]%s|",
		http_parse_method_name(r->method), (int)r->target.n, r->target.p, (int)body->len,
		body->p ? (const char *)body->p : "", r->keep_alive ? "" : " close");
	assert_true(s->len < sizeof s->text);
}

/* A connection's loop: bytes come in pieces of `step` at most, the first one of `first`. */
static void feed(const void *bytes, size_t n, size_t first, size_t step, struct seen *out)
{
	const uint8_t *at = bytes;
	static struct http_parse_request r;
	struct http_parse p;
	struct buf body;
	size_t from = 0, have = 0, took;
	bool in_body = false;
	int rc = HTTP_PARSE_MORE;

	memset(out, 0, sizeof *out);
	buf_init(&body, limits.body_max);
	http_parse_init(&p, &limits);
	while (rc >= 0) {
		if (!in_body) {
			rc = http_parse_head(&p, at + from, have - from, &r, &took);
			from += took;
			in_body = rc == 0;
			if (rc == HTTP_PARSE_MORE && took)
				continue;
		}
		if (in_body && rc >= 0) {
			rc = http_parse_body(&p, at + from, have - from, &body, &took);
			from += took;
			if (rc == 0) {
				note(out, &r, &body);
				buf_reset(&body);
				in_body = false;
				continue;
			}
		}
		if (rc != HTTP_PARSE_MORE || have == n)
			break;
		have += have == 0 ? first : step;
		if (have > n)
			have = n;
	}
	out->status = rc < 0 ? p.status : 0;
	if (rc < 0)
		assert_non_null(p.error);
	buf_fini(&body);
}

static void same_in_pieces(const void *bytes, size_t n, const char *want, int status)
{
	struct seen whole, split;

	feed(bytes, n, n, n, &whole);
	if (strcmp(whole.text, want) != 0 || whole.status != status)
		fail_msg("%.*s: got %d %s, wanted %d %s", (int)n, (const char *)bytes, whole.status,
			whole.text, status, want);
	feed(bytes, n, 1, 1, &split);
	assert_string_equal(split.text, want);
	assert_int_equal(split.status, status);
	for (size_t i = 1; i < n; i++) {
		feed(bytes, n, i, n, &split);
		assert_string_equal(split.text, want);
		assert_int_equal(split.status, status);
	}
}

static void good_requests(void **state)
{
	static const struct {
		const char *bytes, *want;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / []|" },
		{ "\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x []|" },
		{ "HEAD /x?a=b&c HTTP/1.1\r\nHost:a\r\n\r\n", "HEAD /x?a=b&c []|" },
		{ "GET / HTTP/1.0\r\n\r\n", "GET / [] close|" },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / []|" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / [] close|" },
		{ "GET http://h:1/p?q HTTP/1.1\r\nHost: h:1\r\n\r\n", "GET http://h:1/p?q []|" },
		{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * []|" },
		{ "PATCH /x HTTP/1.1\r\nHost: a\r\n\r\n", "OTHER /x []|" },
		{ "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /1 []|GET /2 []|" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 "
		  "HTTP/1.1\r\nHost: a\r\n\r\n",
			"POST / [abc]|GET /2 []|" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
			"POST / [abcd]|GET /2 []|" },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST / []|" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
			"GET / []|" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		same_in_pieces(cases[i].bytes, strlen(cases[i].bytes), cases[i].want, 0);
}

#define BAD(status, bytes)                       \
	{                                        \
		status, bytes, sizeof(bytes) - 1 \
	}

static void bad_requests(void **state)
{
	static const struct {
		int status;
		const char *bytes;
		size_t n;
	} cases[] = {
		BAD(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
		BAD(400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
		BAD(400, "GET / HTTP/1.1\r\n\r\n"),
		BAD(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
		BAD(400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
		BAD(400, "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"),
		BAD(400, "GET /# HTTP/1.1\r\nHost: a\r\n\r\n"),
		BAD(400, "GET x HTTP/1.1\r\nHost: a\r\n\r\n"),
		BAD(400, "GET /\r\nHost: a\r\n\r\n"),
		BAD(400, "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
		BAD(400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
		BAD(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
		BAD(505, "PRI * HTTP/2.0\r\n\r\n"),
		BAD(400, "DESCRIBE / RTSP/1.0\r\nHost: a\r\n\r\n"),
		BAD(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		BAD(400,
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
		BAD(400,
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\nx"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx"),
		BAD(400,
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\nx"),
		BAD(413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\nx"),
		BAD(413,
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nx"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
			 "Content-Length: 1\r\n\r\n0\r\n\r\n"),
		BAD(400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		BAD(400,
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
		BAD(400,
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
		BAD(400,
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
		BAD(400,
			"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		BAD(417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		same_in_pieces(cases[i].bytes, cases[i].n, "", cases[i].status);
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void bad_bodies(void **state)
{
	static const struct {
		int status;
		const char *bytes;
		size_t n;
	} cases[] = {
		BAD(400, CHUNKED "x\r\n"),
		BAD(400, CHUNKED "-1\r\n"),
		BAD(400, CHUNKED "+1\r\na\r\n0\r\n\r\n"),
		BAD(400, CHUNKED " 1\r\na\r\n0\r\n\r\n"),
		BAD(400, CHUNKED "1\na\r\n0\r\n\r\n"),
		BAD(400, CHUNKED "1\ra\r\n0\r\n\r\n"),
		BAD(400, CHUNKED "1\r\nab\r\n0\r\n\r\n"),
		BAD(400, CHUNKED "1\r\na\n0\r\n\r\n"),
		BAD(400, CHUNKED "1\r\naXX0\r\n\r\n"),
		BAD(400, CHUNKED "0\r\nX: y\r\n\r\n"),
		BAD(400, CHUNKED "0\r\n\rGET /\r\n"),
		BAD(400, CHUNKED "1;a\nb\r\na\r\n0\r\n\r\n"),
		BAD(413, CHUNKED "41\r\n"),
		BAD(413, CHUNKED "7fffffffffffffff\r\n"),
		BAD(400, CHUNKED "ffffffffffffffffff\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		same_in_pieces(cases[i].bytes, cases[i].n, "", cases[i].status);
}

static void limits_are_reached(void **state)
{
	static char text[LIMIT_HTTP_FIELDS * 16 + 2048];
	struct seen s;
	size_t n;

	(void)state;
	n = (size_t)sprintf(text, "GET /%0240d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	feed(text, n, n, n, &s);
	assert_int_equal(s.status, 0);
	n = (size_t)sprintf(text, "GET /%0250d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	feed(text, n, n, n, &s);
	assert_int_equal(s.status, 414);
	n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\nX: %01000d\r\n\r\n", 0);
	feed(text, n, 1, 1, &s);
	assert_int_equal(s.status, 431);
	n = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < LIMIT_HTTP_FIELDS; i++)
		n += (size_t)sprintf(text + n, "a: b\r\n");
	n += (size_t)sprintf(text + n, "\r\n");
	assert_true(n <= limits.head_max);
	feed(text, n, n, n, &s);
	assert_int_equal(s.status, 431);
}

/* One byte a chunk costs six; the framing is bounded as the body is. */
static void chunk_framing_is_bounded(void **state)
{
	static const struct http_parse_limits large = { 256, 1024, 1 << 20 };
	static struct http_parse_request r;
	struct http_parse p;
	struct buf body;
	size_t took, sent = 0;
	int rc;

	(void)state;
	buf_init(&body, large.body_max);
	http_parse_init(&p, &large);
	assert_int_equal(
		http_parse_head(&p, (const uint8_t *)CHUNKED, sizeof CHUNKED - 1, &r, &took), 0);
	do {
		rc = http_parse_body(&p, (const uint8_t *)"1\r\nx\r\n", 6, &body, &took);
		sent += 6;
	} while (rc == HTTP_PARSE_MORE);
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(p.status, 413);
	assert_true(sent < 2 * LIMIT_HTTP_CHUNK_FRAMING_BYTES);
	buf_fini(&body);
}

static void fields_are_found(void **state)
{
	static const char text[] =
		"GET http://x/a?b HTTP/1.1\r\nHost: h:9\r\nX-One: 1 \t\r\nEmpty:\r\n\r\n";
	static struct http_parse_request r;
	struct http_parse p;
	size_t took;

	(void)state;
	http_parse_init(&p, &limits);
	assert_int_equal(http_parse_head(&p, (const uint8_t *)text, sizeof text - 1, &r, &took), 0);
	assert_int_equal(took, sizeof text - 1);
	assert_true(span_eq(r.path, SPAN_LIT("/a")));
	assert_true(span_eq(r.query, SPAN_LIT("b")));
	assert_true(span_eq(r.host, SPAN_LIT("h:9")));
	assert_true(span_eq(http_parse_field(&r, "x-one"), SPAN_LIT("1")));
	assert_non_null(http_parse_field(&r, "EMPTY").p);
	assert_int_equal(http_parse_field(&r, "EMPTY").n, 0);
	assert_null(http_parse_field(&r, "x-two").p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_requests),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(bad_bodies),
		cmocka_unit_test(limits_are_reached),
		cmocka_unit_test(chunk_framing_is_bounded),
		cmocka_unit_test(fields_are_found),
	};

	return cmocka_run_group_tests_name("http_parse", tests, NULL, NULL);
}
