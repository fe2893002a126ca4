/*
 * Goal: JSON to msgpack and back means to jansson what it meant before, and jansson agrees on what
 *       is JSON at all.
 * Method: random values that jansson prints in its various styles; random damage to those texts.
 */
#include "tests/support/check_cmocka.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"

enum {
	ROUNDS = 20000,
	TREE_DEPTH = 5,
};

static uint64_t seed = 1;

static uint64_t rnd(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() % n);
}

/* Text of every kind: plain, escapes, two to four bytes a character. At most 100 bytes. */
static size_t random_text(char *dst)
{
	static const char *const bits[] = { "a", "B", "7", " ", "\"", "\\", "/", "\n", "\t", "\x01",
		"\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80", "word",
		"ORD-" };
	unsigned count = below(8) ? below(12) : below(25);
	size_t n = 0;

	while (count--) {
		const char *bit = bits[below(4) ? below(4) : below(17)];

		memcpy(dst + n, bit, strlen(bit));
		n += strlen(bit);
	}
	dst[n] = 0;
	return n;
}

static json_t *random_value(int depth)
{
	char text[128];
	json_t *v;

	switch (below(depth ? 9 : 6)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(below(2));
	case 2:
		return json_integer((json_int_t)(rnd() >> below(64)));
	case 3:
		return json_real((double)(int64_t)rnd() / (double)(1 + (rnd() >> below(64))));
	case 4:
		return json_real((double)below(100000) / 100);
	case 5:
		return json_stringn(text, random_text(text));
	case 6:
		v = json_array();
		for (unsigned n = below(20); n-- > 0;)
			json_array_append_new(v, random_value(depth - 1));
		return v;
	default:
		v = json_object();
		for (unsigned n = below(20); n-- > 0;) {
			random_text(text);
			json_object_set_new(v, text, random_value(depth - 1));
		}
		return v;
	}
}

static char *random_print(const json_t *v)
{
	size_t flags = JSON_ENCODE_ANY | (below(2) ? JSON_COMPACT : 0) |
		       (below(2) ? JSON_ENSURE_ASCII : 0) | (below(2) ? JSON_INDENT(3) : 0) |
		       (below(2) ? JSON_ESCAPE_SLASH : 0);

	return json_dumps(v, flags);
}

static void what_goes_in_comes_out(void **state)
{
	struct buf mp, js;

	(void)state;
	buf_init(&mp, 64 << 20);
	buf_init(&js, 64 << 20);
	for (int i = 0; i < ROUNDS / 10; i++) {
		uint64_t seed_before = seed;
		json_t *v = random_value(1 + (int)below(TREE_DEPTH)), *again;
		char *text = random_print(v);
		struct json_in_error e;
		json_error_t je;
		char why[200];

		assert_non_null(text);
		buf_reset(&mp);
		buf_reset(&js);
		if (json_in_text(span_str(text), 0, &mp, &e) < 0)
			fail_msg("seed %llu: %s", (unsigned long long)seed_before,
				json_in_explain(&e, why, sizeof why));
		assert_int_equal(json_out_value(buf_span(&mp), &js), 0);
		again = json_loadb((const char *)js.p, js.len, JSON_DECODE_ANY, &je);
		if (!again || !json_equal(v, again))
			fail_msg("seed %llu: %s\nbecame %.*s\n%s", (unsigned long long)seed_before,
				text, (int)js.len, (const char *)js.p, again ? "" : je.text);
		json_decref(again);
		json_decref(v);
		free(text);
	}
	buf_fini(&mp);
	buf_fini(&js);
}

static void damage(char *text, size_t n)
{
	static const char bytes[] = "{}[]\",:0123456789+-.eE\\ntfu \xff\xc3\x01";

	for (unsigned k = 1 + below(3); k-- > 0;)
		text[below((unsigned)n)] = bytes[below(sizeof bytes - 1)];
}

/* But for keys with a NUL, which jansson's objects cannot hold. */
static void jansson_agrees_on_what_is_json(void **state)
{
	struct buf mp;
	int good = 0, bad = 0;

	(void)state;
	buf_init(&mp, 64 << 20);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t seed_before = seed;
		json_t *v = random_value((int)below(3)), *again;
		char *text = random_print(v);
		size_t n = strlen(text);
		json_error_t je;
		int rc;

		damage(text, n);
		buf_reset(&mp);
		rc = json_in_text(span_of(text, n), 0, &mp, NULL);
		again = json_loadb(
			text, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &je);
		if (!again && json_error_code(&je) == json_error_null_byte_in_key)
			assert_int_equal(rc, 0);
		else if ((rc == 0) != (again != NULL))
			fail_msg("seed %llu: %s\nours: %s, jansson: %s",
				(unsigned long long)seed_before, text, err_name(rc),
				again ? "good" : je.text);
		good += rc == 0;
		bad += rc != 0;
		json_decref(again);
		json_decref(v);
		free(text);
	}
	assert_true(good > ROUNDS / 20);
	assert_true(bad > ROUNDS / 20);
	buf_fini(&mp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(jansson_agrees_on_what_is_json),
	};

	return cmocka_run_group_tests_name("json_oracle", tests, NULL, NULL);
}
