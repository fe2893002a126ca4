/*
 * Goal: the values of a body are found whatever it looks like and in whatever pieces it comes; a bad line
 * costs itself alone; a value in many pieces is not read again and again.
 * Method: bodies as text against what is told of them, whole, byte by byte and cut at every place.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/json_out.h"
#include "proto/wire/json_stream.h"

enum { TOLD_BYTES = 1 << 16 };

/* "1 {"a":1}" for a value and its line, "2 bad", "1 failed"; each ended by a line feed. */
static void tell(struct json_stream *s, int rc, const struct buf *value, struct buf *told)
{
	buf_printf(told, "%llu ", (unsigned long long)s->line);
	if (rc == 0)
		json_out_value(buf_span(value), told);
	else
		buf_put_str(told, rc == JSON_STREAM_BAD ? "bad" : "failed");
	buf_put_u8(told, '\n');
}

/* False: it failed. */
static bool feed(struct json_stream *s, struct span piece, bool last, struct buf *told)
{
	struct buf value;
	int rc;

	buf_init(&value, 1 << 20);
	json_stream_feed(s, piece, last);
	while ((rc = json_stream_next(s, &value)) != JSON_STREAM_MORE) {
		tell(s, rc, &value, told);
		if (rc < 0)
			break;
	}
	buf_fini(&value);
	return rc >= 0;
}

/* In pieces of `step` bytes, the first of `first`. */
static void read_all(
	const char *text, size_t n, size_t first, size_t step, unsigned flags, struct buf *told)
{
	struct json_stream s;
	size_t at = 0, take = first;
	bool good = true;

	json_stream_init(&s, flags);
	buf_reset(told);
	while (good && at < n) {
		uint8_t *copy;

		take = take < n - at ? take : n - at;
		copy = malloc(take); /* so that a sanitizer sees who reads beyond */
		memcpy(copy, text + at, take);
		good = feed(&s, span_of(copy, take), false, told);
		free(copy);
		at += take;
		take = step;
	}
	if (good)
		feed(&s, SPAN_NONE, true, told);
	json_stream_fini(&s);
	buf_put_u8(told, 0);
	assert_int_equal(told->err, 0);
}

static const struct {
	const char *text, *told;
	unsigned flags;
} cases[] = {
	{ "", "" },
	{ " \n\r\n\t", "" },
	{ "{\"a\":1}", "1 {\"a\":1}\n" },
	{ "\xef\xbb\xbf{}", "1 {}\n" },
	{ "{\"a\":1}\n{\"b\":2}\n", "1 {\"a\":1}\n2 {\"b\":2}\n" },
	{ "{\"a\":1}\r\n\r\n{\"b\":2}", "1 {\"a\":1}\n3 {\"b\":2}\n" },
	{ "{}{}[1] 2", "1 {}\n1 {}\n1 [1]\n1 2\n" },
	{ "[{},{}]", "1 {}\n1 {}\n" },
	{ "[\n{}\n,\n{}\n]\n", "2 {}\n4 {}\n" },
	{ "[]", "" },
	{ "[ ] [1]\n[2,\n3]", "1 1\n2 2\n3 3\n" },
	{ "{\n\"a\":\n1}", "1 {\"a\":1}\n" },
	{ "{\n\"a\":1}\n{\n\"b\":2}", "1 {\"a\":1}\n3 {\"b\":2}\n" },
	{ "[12,345]", "1 12\n1 345\n" },
	/* Bad lines. */
	{ "{}\nx\n{}", "1 {}\n2 bad\n3 {}\n" },
	{ "x\n{}", "1 bad\n2 {}\n" },
	{ "{\"a\":\n{}", "1 bad\n2 {}\n" },
	{ "{} x\n{}", "1 {}\n1 bad\n2 {}\n" },
	{ "{}\n{\"a\"", "1 {}\n2 bad\n" },
	{ "[1]\n{", "1 [1]\n2 bad\n", JSON_STREAM_LINES },
	{ "{\n1}\n", "1 bad\n2 1\n2 bad\n", JSON_STREAM_LINES },
	{ "\xef\xbb\xbf{}\n[", "1 {}\n2 bad\n", JSON_STREAM_LINES },
	/* Values that cannot be read on. */
	{ "[{},\n{},]", "1 {}\n2 {}\n2 failed\n" },
	{ "[{}", "1 {}\n1 failed\n" },
	{ "[{} {}]", "1 {}\n1 failed\n" },
	{ "[,1]", "1 failed\n" },
	{ "[1,]", "1 1\n1 failed\n" },
	{ "[1]]", "1 1\n1 failed\n" },
	{ "{\n\"a\":x}", "2 failed\n" },
	{ "{\n\"a\":1", "2 failed\n" },
	{ "[", "1 failed\n" },
};

static void bodies_in_any_pieces(void **state)
{
	struct buf told;

	(void)state;
	buf_init(&told, TOLD_BYTES);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		size_t n = strlen(cases[i].text);

		read_all(cases[i].text, n, n, n, cases[i].flags, &told);
		assert_string_equal((char *)told.p, cases[i].told);
		for (size_t step = 1; step < 4; step++) {
			for (size_t first = 1; first < n; first++) {
				read_all(cases[i].text, n, first, step, cases[i].flags, &told);
				assert_string_equal((char *)told.p, cases[i].told);
			}
		}
	}
	buf_fini(&told);
}

static void reasons(void **state)
{
	static const struct {
		const char *text, *why;
	} told[] = {
		{ "{}\n{\"a\" 1}", "column 6: expected ':', found '1'" },
		{ "{}\n{} {\"a\" 1}", "column 9: expected ':', found '1'" },
		{ "[{},\n {\"a\" 1}]", "byte 12: expected ':', found '1'" },
		{ "[{} {}]", "byte 5: expected ',' or ']', found '{'" },
		{ "[{}", "byte 4: expected ',' or ']', found the end" },
	};
	char why[JSON_STREAM_TEXT_BYTES];
	struct buf value;

	(void)state;
	buf_init(&value, 1000);
	for (size_t i = 0; i < ARRAY_COUNT(told); i++) {
		struct json_stream s;
		int rc;

		json_stream_init(&s, 0);
		json_stream_feed(&s, span_str(told[i].text), true);
		while ((rc = json_stream_next(&s, &value)) == 0) {
		}
		assert_true(rc == JSON_STREAM_BAD || rc < 0);
		assert_string_equal(json_stream_explain(&s, why), told[i].why);
		json_stream_fini(&s);
	}
	buf_fini(&value);
}

/* A line, and a value, that are too long; what follows such a line is read. */
static void limits(void **state)
{
	enum { LONG = LIMIT_JSON_STREAM_BYTES + 1000 };
	static char text[LONG + 100];
	struct buf told;

	(void)state;
	buf_init(&told, TOLD_BYTES);
	memset(text, 'x', sizeof text);
	memcpy(text, "{}\n\"", 4);
	memcpy(text + LONG, "\"\n[]\n", 6);
	for (size_t step = 100000; step < 2 * LONG; step += 800000) {
		read_all(text, strlen(text), step, step, 0, &told);
		assert_string_equal((char *)told.p, "1 {}\n2 bad\n3 []\n");
	}
	memcpy(text, "[0,\"", 4);
	read_all(text, strlen(text), 100000, 100000, 0, &told);
	assert_string_equal((char *)told.p, "1 0\n1 failed\n");
	/* No line ever ends: it is as bad as a long one. */
	memset(text, ' ', 4);
	text[4] = '"';
	read_all(text, LONG, 100000, 100000, 0, &told);
	assert_string_equal((char *)told.p, "1 bad\n");
	buf_fini(&told);
}

/* One value byte by byte: each byte is looked at a few times, not once for each that follows. */
static void a_dribbled_value(void **state)
{
	enum { N = 200000 };
	static char text[N + 8];
	struct buf told, value;
	struct json_stream s;

	(void)state;
	buf_init(&told, N + 100);
	buf_init(&value, N + 100);
	memset(text, 'x', sizeof text);
	memcpy(text, "[\"", 2);
	memcpy(text + N, "\"]", 3);
	json_stream_init(&s, 0);
	for (size_t i = 0; i < N + 2; i++) {
		json_stream_feed(&s, span_of(text + i, 1), false);
		if (json_stream_next(&s, &value) == 0)
			tell(&s, 0, &value, &told);
	}
	assert_true(s.carry.cap <= LIMIT_JSON_STREAM_BYTES);
	json_stream_feed(&s, SPAN_NONE, true);
	for (int rc; (rc = json_stream_next(&s, &value)) != JSON_STREAM_MORE;)
		tell(&s, rc, &value, &told);
	assert_int_equal(told.len, N + 3);
	json_stream_fini(&s);
	buf_fini(&told);
	buf_fini(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_in_any_pieces),
		cmocka_unit_test(reasons),
		cmocka_unit_test(limits),
		cmocka_unit_test(a_dribbled_value),
	};

	return cmocka_run_group_tests_name("json_stream", tests, NULL, NULL);
}
