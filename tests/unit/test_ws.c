/*
 * Goal: frames are read the same however they are cut, everything that RFC 6455 forbids is refused at the
 * first byte that shows it, with the right close code; and only who asks for WebSocket 13 gets it.
 * Method: tables of frames, each read whole and byte by byte; the examples of the RFC.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/sha1.h"
#include "proto/http/ws.h"
#include "proto/http/ws_frame.h"

enum { BYTES_MAX = 4 * LIMIT_WS_MESSAGE_BYTES };

static uint8_t bytes[BYTES_MAX];
static size_t bytes_n;

static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

/* A client's frame; first: the first byte; bits: of the length, 0 for the shortest form. */
static void put_frame(unsigned first, const void *payload, size_t n, unsigned bits)
{
	const uint8_t *p = payload;
	uint8_t *to = bytes + bytes_n;

	ASSERT(bytes_n + n + 14 <= BYTES_MAX);
	if (bits == 0)
		bits = n > 0xffff ? 64 : n > 125 ? 16 : 7;
	*to++ = (uint8_t)first;
	*to++ = (uint8_t)(0x80 | (bits == 64 ? 127 : bits == 16 ? 126 : n));
	for (unsigned b = bits; bits > 7 && b > 0; b -= 8)
		*to++ = (uint8_t)((uint64_t)n >> (b - 8));
	memcpy(to, mask, sizeof mask);
	to += sizeof mask;
	for (size_t i = 0; i < n; i++)
		*to++ = p[i] ^ mask[i % 4];
	bytes_n = (size_t)(to - bytes);
}

static void put_text(unsigned first, const char *text)
{
	put_frame(first, text, strlen(text), 0);
}

/* Everything that is read, one character each: t, b, c, i, o; then the failure. */
struct heard {
	char seen[64];
	size_t seen_n;
	unsigned code;  /* of the failure, or of the last close frame */
	size_t fail_at; /* bytes that were taken when it failed */
	struct ws_frame_seen last;
	uint8_t control[WS_FRAME_CONTROL_BYTES];
};

static void hear(struct heard *h, size_t step)
{
	struct ws_frame f = { 0 };
	size_t at = 0, took;
	int rc = 0;

	memset(h, 0, sizeof *h);
	while (at < bytes_n && rc >= 0) {
		size_t n = bytes_n - at < step ? bytes_n - at : step;

		rc = ws_frame_next(&f, bytes + at, n, &took, &h->last);
		at += took;
		assert_true(rc != WS_FRAME_MORE || took == n);
		if (rc != 0)
			continue;
		assert_true(h->seen_n + 1 < sizeof h->seen);
		h->seen[h->seen_n++] = ".tb.....cio"[h->last.op];
		if (h->last.op == WS_FRAME_CLOSE)
			h->code = h->last.code;
		if (h->last.control.n)
			memcpy(h->control, h->last.control.p, h->last.control.n);
	}
	h->fail_at = at;
	if (rc < 0) {
		h->code = f.code;
		assert_non_null(f.reason);
		assert_true(rc == ERR_SYNTAX || rc == ERR_LIMIT);
	}
}

/* The same in one piece and in pieces of 1, 2, 3 and 7 bytes. */
static struct heard hear_all(void)
{
	static const size_t steps[] = { 1, 2, 3, 7, BYTES_MAX };
	struct heard first, again;

	hear(&first, steps[0]);
	for (size_t i = 1; i < ARRAY_COUNT(steps); i++) {
		hear(&again, steps[i]);
		assert_string_equal(again.seen, first.seen);
		assert_int_equal(again.code, first.code);
	}
	bytes_n = 0;
	return first;
}

static void examples_of_the_rfc(void **state)
{
	static const uint8_t hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51,
		0x58 };
	uint8_t sum[SHA1_BYTES];
	struct heard h;

	(void)state;
	memcpy(bytes, hello, sizeof hello);
	bytes_n = sizeof hello;
	h = hear_all();
	assert_string_equal(h.seen, "t");
	assert_int_equal(h.last.bytes, 5);
	sha1(SPAN_LIT("abc"), sum);
	assert_memory_equal(sum,
		"\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d",
		sizeof sum);
	sha1(SPAN_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), sum);
	assert_memory_equal(sum,
		"\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5\xe5\x46\x70\xf1",
		sizeof sum);
	sha1(SPAN_NONE, sum);
	assert_memory_equal(sum,
		"\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09",
		sizeof sum);
}

static void lengths(void **state)
{
	static const size_t good[] = { 0, 1, 125, 126, 127, 128, 65535, LIMIT_WS_MESSAGE_BYTES };
	static char text[LIMIT_WS_MESSAGE_BYTES + 1];

	(void)state;
	memset(text, 'x', sizeof text);
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		struct heard h;

		put_frame(0x81, text, good[i], 0);
		put_frame(0x82, text, good[i], 0);
		h = hear_all();
		assert_string_equal(h.seen, "tb");
		assert_int_equal(h.last.bytes, good[i]);
	}
	put_frame(0x81, text, sizeof text, 0);
	assert_int_equal(hear_all().code, WS_FRAME_TOO_LARGE);
	put_frame(0x01, text, 40000, 0);
	put_frame(0x80, text, 40000, 0);
	assert_int_equal(hear_all().code, WS_FRAME_TOO_LARGE);
	/* The shortest form alone, and no 64th bit. */
	put_frame(0x81, text, 125, 16);
	assert_int_equal(hear_all().code, WS_FRAME_PROTOCOL);
	put_frame(0x81, text, 65535, 64);
	assert_int_equal(hear_all().code, WS_FRAME_PROTOCOL);
	memcpy(bytes, "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10);
	bytes_n = 10;
	assert_int_equal(hear_all().code, WS_FRAME_PROTOCOL);
	memcpy(bytes, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10);
	bytes_n = 10;
	assert_int_equal(hear_all().code, WS_FRAME_TOO_LARGE);
}

static void refused_at_the_first_byte(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		unsigned op = first & 15;
		bool good = !(first & 0x70) && (op == 1 || op == 2 || (op >= 8 && op <= 10));
		struct heard h;

		if (op >= 8 && !(first & 0x80))
			good = false;
		put_frame(first, "", 0, 0);
		hear(&h, 1);
		bytes_n = 0;
		assert_int_equal(h.code == WS_FRAME_PROTOCOL, !good);
		assert_int_equal(h.fail_at, good ? 6 : 1);
	}
	/* No mask: at the second. */
	memcpy(bytes, "\x81\x00", 2);
	bytes_n = 2;
	assert_int_equal(hear_all().code, WS_FRAME_PROTOCOL);
}

static void control_frames(void **state)
{
	static const char long_one[126] = "";
	struct heard h;

	(void)state;
	put_text(0x01, "be");
	put_frame(0x89, "hi\xff", 3, 0);
	put_text(0x00, "gi");
	put_frame(0x8a, long_one, 125, 0);
	put_text(0x80, "n");
	h = hear_all();
	assert_string_equal(h.seen, "iot");
	assert_int_equal(h.last.bytes, 5);
	put_frame(0x89, "hi\xff", 3, 0);
	h = hear_all();
	assert_memory_equal(h.control, "hi\xff", 3);
	put_frame(0x89, long_one, 126, 0);
	assert_int_equal(hear_all().code, WS_FRAME_PROTOCOL);
	put_text(0x01, "a");
	put_text(0x81, "b");
	assert_int_equal(hear_all().code, WS_FRAME_PROTOCOL);
	put_text(0x81, "a");
	put_text(0x80, "b");
	h = hear_all();
	assert_string_equal(h.seen, "t");
	assert_int_equal(h.code, WS_FRAME_PROTOCOL);
}

static void close_codes(void **state)
{
	static const uint8_t bad_reason[] = { 0x03, 0xe8, 0xc3, 0x28 };

	(void)state;
	for (unsigned code = 0; code <= 0xffff; code++) {
		bool good = (code >= 1000 && code < 1015 && code != 1004 && code != 1005 &&
				    code != 1006) ||
			    (code >= 3000 && code < 5000);
		uint8_t payload[2] = { (uint8_t)(code >> 8), (uint8_t)code };
		struct heard h;

		put_frame(0x88, payload, 2, 0);
		hear(&h, 8);
		bytes_n = 0;
		assert_string_equal(h.seen, good ? "c" : "");
		assert_int_equal(h.code, good ? code : WS_FRAME_PROTOCOL);
	}
	put_frame(0x88, "", 0, 0);
	assert_int_equal(hear_all().code, WS_FRAME_NO_CODE);
	put_frame(0x88, "\x03", 1, 0);
	assert_int_equal(hear_all().code, WS_FRAME_PROTOCOL);
	put_frame(0x88, bad_reason, sizeof bad_reason, 0);
	assert_int_equal(hear_all().code, WS_FRAME_BAD_TEXT);
}

/* Bad text fails at the byte that makes it bad, wherever frames end. */
static void text_is_utf8(void **state)
{
	static const char good[] = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 \xf0\x9f\x98\x80";
	static const char bad[] = "\xce\xba\xf4\x90\x80\x80zzz";
	struct heard h;

	(void)state;
	put_text(0x81, good);
	for (size_t i = 0; i < strlen(good); i++)
		put_frame((i ? 0 : 1) | (i + 1 < strlen(good) ? 0 : 0x80), good + i, 1, 0);
	assert_string_equal(hear_all().seen, "tt");
	put_text(0x81, bad);
	hear(&h, 1);
	assert_int_equal(h.fail_at, 6 + 4);
	assert_int_equal(hear_all().code, WS_FRAME_BAD_TEXT);
	put_frame(0x81, good, 1, 0);
	assert_int_equal(hear_all().code, WS_FRAME_BAD_TEXT);
	put_frame(0x82, bad, strlen(bad), 0);
	assert_string_equal(hear_all().seen, "b");
}

static void too_many_parts(void **state)
{
	struct ws_frame f = { 0 };
	struct ws_frame_seen seen;
	size_t took;
	int rc = WS_FRAME_MORE;

	(void)state;
	put_frame(0x01, "", 0, 0);
	put_frame(0x00, "", 0, 0);
	assert_int_equal(ws_frame_next(&f, bytes, 6, &took, &seen), WS_FRAME_MORE);
	for (unsigned i = 1; i < LIMIT_WS_FRAGMENTS; i++)
		assert_int_equal(ws_frame_next(&f, bytes + 6, 6, &took, &seen), WS_FRAME_MORE);
	rc = ws_frame_next(&f, bytes + 6, 6, &took, &seen);
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(f.code, WS_FRAME_POLICY);
	bytes_n = 0;
}

static void heads_of_ours(void **state)
{
	uint8_t head[WS_FRAME_HEAD_BYTES];

	(void)state;
	assert_int_equal(ws_frame_head(head, WS_FRAME_TEXT, 125), 2);
	assert_memory_equal(head, "\x81\x7d", 2);
	assert_int_equal(ws_frame_head(head, WS_FRAME_PING, 0), 2);
	assert_memory_equal(head, "\x89\x00", 2);
	assert_int_equal(ws_frame_head(head, WS_FRAME_TEXT, 126), 4);
	assert_memory_equal(head, "\x81\x7e\x00\x7e", 4);
	assert_int_equal(ws_frame_head(head, WS_FRAME_TEXT, 65536), 10);
	assert_memory_equal(head, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

/* ---------------------------------------------------------------- opening */

static struct http_parse_request ask(
	const char *upgrade, const char *connection, const char *version, const char *key)
{
	const char *const pairs[][2] = { { "Upgrade", upgrade }, { "connection", connection },
		{ "Sec-WebSocket-Version", version }, { "Sec-WebSocket-Key", key },
		{ "Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits" } };
	struct http_parse_request req = { .method = HTTP_PARSE_GET, .minor = 1 };

	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		if (pairs[i][1])
			req.fields[req.fields_count++] =
				(struct http_parse_field){ span_str(pairs[i][0]),
					span_str(pairs[i][1]) };
	}
	return req;
}

static void who_is_let_in(void **state)
{
	static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
	static const struct {
		const char *upgrade, *connection, *version, *key;
		int status;
	} cases[] = {
		{ "websocket", "Upgrade", "13", key, 0 },
		{ "h2c, WebSocket", "keep-alive ,\tupgrade", "13", key, 0 },
		{ NULL, "Upgrade", "13", key, 426 },
		{ "websocket", NULL, "13", key, 426 },
		{ "websockets", "Upgrade", "13", key, 426 },
		{ "websocket", "close", "13", key, 426 },
		{ "websocket", "Upgrade", NULL, key, 426 },
		{ "websocket", "Upgrade", "8", key, 426 },
		{ "websocket", "Upgrade", "13", NULL, 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=", 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQAA", 400 },
		{ "websocket", "Upgrade", "13", "dGhlIHNhbXBs SBub25jZQ==", 400 },
	};
	struct http_call_problem problem;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct http_parse_request req =
			ask(cases[i].upgrade, cases[i].connection, cases[i].version, cases[i].key);

		assert_int_equal(ws_wanted(&req, &problem), cases[i].status == 0);
		if (cases[i].status)
			assert_int_equal(problem.status, cases[i].status);
		req.method = HTTP_PARSE_HEAD;
		assert_false(ws_wanted(&req, &problem));
		assert_int_equal(problem.status, 426);
		assert_non_null(strstr(problem.fields, "Sec-WebSocket-Version: 13\r\n"));
	}
}

static void the_answer(void **state)
{
	struct http_parse_request req =
		ask("websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ==");
	char fields[WS_FIELDS_BYTES];

	(void)state;
	ws_fields(&req, fields);
	assert_string_equal(fields, "Upgrade: websocket\r\n"
				    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfc),
		cmocka_unit_test(lengths),
		cmocka_unit_test(refused_at_the_first_byte),
		cmocka_unit_test(control_frames),
		cmocka_unit_test(close_codes),
		cmocka_unit_test(text_is_utf8),
		cmocka_unit_test(too_many_parts),
		cmocka_unit_test(heads_of_ours),
		cmocka_unit_test(who_is_let_in),
		cmocka_unit_test(the_answer),
	};

	return cmocka_run_group_tests_name("ws", tests, NULL, NULL);
}
