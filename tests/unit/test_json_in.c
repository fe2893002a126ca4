/*
 * Goal: JSON text becomes the msgpack it means, in the smallest encoding; what is not JSON is
 *       refused with the place and what was expected, and leaves the buffer as it was.
 * Method: tables; every prefix of a text; every size of buffer; every position of a special byte in
 *       a string; JSONTestSuite, all of it where the shared data is, a choice of it otherwise.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/json_in.h"
#include "proto/wire/walk.h"

static struct buf out;

static int setup(void **state)
{
	(void)state;
	buf_init(&out, 64 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

/* The text from an allocation of exactly its size, so that a read beyond it is seen. */
static int text_in(struct span text, unsigned flags, struct json_in_error *e)
{
	uint8_t *copy = malloc(text.n ? text.n : 1);
	int rc;

	assert_non_null(copy);
	if (text.n)
		memcpy(copy, text.p, text.n);
	rc = json_in_text(span_of(copy, text.n), flags, &out, e);
	free(copy);
	return rc;
}

static void assert_becomes(struct span text, unsigned flags, struct span want)
{
	struct json_in_error e;

	buf_reset(&out);
	if (text_in(text, flags, &e) < 0) {
		char why[200];

		fail_msg("%.*s: %s", (int)text.n, (const char *)text.p,
			json_in_explain(&e, why, sizeof why));
	}
	assert_int_equal(out.len, want.n);
	assert_memory_equal(out.p, want.p, want.n);
}

#define BECOMES(text, want)                assert_becomes(SPAN_LIT(text), 0, SPAN_LIT(want))
#define REPAIRS_TO(text, want)             assert_becomes(SPAN_LIT(text), JSON_IN_REPAIR, SPAN_LIT(want))
#define REFUSES(text, code, off, expected) assert_refuses(SPAN_LIT(text), 0, code, off, expected)

static void assert_refuses(
	struct span text, unsigned flags, int code, size_t off, const char *expected)
{
	struct json_in_error e;

	buf_reset(&out);
	buf_put_str(&out, "kept");
	assert_int_equal(text_in(text, flags, &e), code);
	assert_int_equal(e.off, off);
	assert_string_equal(e.expected, expected);
	assert_int_equal(e.found, off < text.n ? text.p[off] : -1);
	assert_int_equal(out.err, 0);
	assert_int_equal(out.len, 4);
	assert_memory_equal(out.p, "kept", 4);
}

static void values_become_the_smallest_msgpack(void **state)
{
	(void)state;
	BECOMES("null", "\xc0");
	BECOMES(" true\r\n", "\xc3");
	BECOMES("\t false ", "\xc2");
	BECOMES("127", "\x7f");
	BECOMES("128", "\xcc\x80");
	BECOMES("256", "\xcd\x01\x00");
	BECOMES("65536", "\xce\x00\x01\x00\x00");
	BECOMES("4294967296", "\xcf\x00\x00\x00\x01\x00\x00\x00\x00");
	BECOMES("18446744073709551615", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
	BECOMES("-32", "\xe0");
	BECOMES("-33", "\xd0\xdf");
	BECOMES("-129", "\xd1\xff\x7f");
	BECOMES("-32769", "\xd2\xff\xff\x7f\xff");
	BECOMES("-2147483649", "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff");
	BECOMES("1.5", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
	BECOMES("-0", "\xcb\x80\x00\x00\x00\x00\x00\x00\x00");
	BECOMES("\"\"", "\xa0");
	BECOMES("\"abc\"", "\xa3"
			   "abc");
	BECOMES("[]", "\x90");
	BECOMES("[ ]", "\x90");
	BECOMES("{}", "\x80");
	BECOMES("[1,[2,{}],\"x\"]", "\x93\x01\x92\x02\x80\xa1x");
	BECOMES(" { \"a\" : 1 , \"b\" : [ true , null ] } ", "\x82\xa1"
							     "a\x01\xa1"
							     "b\x92\xc3\xc0");
}

static void a_key_that_occurs_twice_is_kept_twice(void **state)
{
	(void)state;
	BECOMES("{\"a\":1,\"a\":2}", "\x82\xa1"
				     "a\x01\xa1"
				     "a\x02");
}

static void escapes_are_resolved_exactly(void **state)
{
	(void)state;
	BECOMES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\xa8\"\\/\b\f\n\r\t");
	BECOMES("\"\\u0000\"", "\xa1\0");
	BECOMES("\"\\u0041\\u00e9\\u20AC\\uD83D\\ude00\"", "\xaa"
							   "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	BECOMES("\"\\uFFFF\\udbff\\udfff\"", "\xa7\xef\xbf\xbf\xf4\x8f\xbf\xbf");
	BECOMES("\"caf\xc3\xa9\\n\xf0\x9f\x98\x80 \"", "\xab"
						       "caf\xc3\xa9\n\xf0\x9f\x98\x80 ");
	REFUSES("\"\\u12G4\"", ERR_SYNTAX, 5, "four hexadecimal digits after \\u");
	REFUSES("\"\\u12", ERR_TRUNCATED, 5, "four hexadecimal digits after \\u");
	REFUSES("\"\\x\"", ERR_SYNTAX, 2, "one of \"\\/bfnrtu after a backslash");
	REFUSES("\"\\", ERR_TRUNCATED, 2, "the rest of an escape");
	REFUSES("\"a\nb\"", ERR_SYNTAX, 2, "an escape for a control character");
}

static void half_pairs_and_bad_bytes_fail_or_are_repaired(void **state)
{
	(void)state;
	REFUSES("\"a\\ud800\"", ERR_SYNTAX, 2, "both halves of a surrogate pair");
	REFUSES("\"\\udc00\\ud800\"", ERR_SYNTAX, 1, "both halves of a surrogate pair");
	REFUSES("\"\\ud800\\u0041\"", ERR_SYNTAX, 1, "both halves of a surrogate pair");
	REFUSES("\"ab\xff\"", ERR_SYNTAX, 3, "UTF-8");
	REFUSES("{\"\xed\xa0\x80\":1}", ERR_SYNTAX, 2, "UTF-8");
	REPAIRS_TO("\"a\\ud800\"", "\xa4"
				   "a\xef\xbf\xbd");
	REPAIRS_TO("\"\\ud800\\u0041\"", "\xa4\xef\xbf\xbd"
					 "A");
	REPAIRS_TO("\"\\ud800\\ud83d\\ude00\"", "\xa7\xef\xbf\xbd\xf0\x9f\x98\x80");
	REPAIRS_TO("\"\\ud800\\n\"", "\xa4\xef\xbf\xbd\n");
	REPAIRS_TO("\"\\udc00\"", "\xa3\xef\xbf\xbd");
	REPAIRS_TO("\"ab\xff"
		   "cd\xc3\"",
		"\xaa"
		"ab\xef\xbf\xbd"
		"cd\xef\xbf\xbd");
	REPAIRS_TO("\"\xf0\x9f\x98\"", "\xa3\xef\xbf\xbd");
	/* What is wrong as JSON stays wrong. */
	assert_refuses(SPAN_LIT("\"\\ud800\\u12\""), JSON_IN_REPAIR, ERR_SYNTAX, 11,
		"four hexadecimal digits after \\u");
	assert_refuses(SPAN_LIT("[\xff]"), JSON_IN_REPAIR, ERR_SYNTAX, 1, "a value");
}

static void what_is_not_json_is_refused_at_its_place(void **state)
{
	(void)state;
	REFUSES("", ERR_TRUNCATED, 0, "a value");
	REFUSES(" \n ", ERR_TRUNCATED, 3, "a value");
	REFUSES("nul", ERR_TRUNCATED, 3, "null");
	REFUSES("nulL", ERR_SYNTAX, 3, "null");
	REFUSES("True", ERR_SYNTAX, 0, "a value");
	REFUSES("[1,]", ERR_SYNTAX, 3, "a value");
	REFUSES("[1 2]", ERR_SYNTAX, 3, "',' or ']'");
	REFUSES("[1", ERR_TRUNCATED, 2, "',' or ']'");
	REFUSES("[1}", ERR_SYNTAX, 2, "',' or ']'");
	REFUSES("{\"a\":1]", ERR_SYNTAX, 6, "',' or '}'");
	REFUSES("{\"a\":1,}", ERR_SYNTAX, 7, "a name in quotes");
	REFUSES("{a:1}", ERR_SYNTAX, 1, "a name in quotes or '}'");
	REFUSES("{\"a\" 1}", ERR_SYNTAX, 5, "':'");
	REFUSES("{\"a\"", ERR_TRUNCATED, 4, "':'");
	REFUSES("{", ERR_TRUNCATED, 1, "a name in quotes");
	REFUSES("{} x", ERR_SYNTAX, 3, "nothing after the value");
	REFUSES("[01]", ERR_SYNTAX, 2, "no digit after a leading zero");
	REFUSES("[1e999]", ERR_RANGE, 1, "a number that a double can hold");
	REFUSES("\xef\xbb\xbf{}", ERR_SYNTAX, 0, "a value (a byte order mark is none)");
	REFUSES("\"abc", ERR_TRUNCATED, 4, "a closing quote");
	REFUSES("[\f1]", ERR_SYNTAX, 1, "a value");
}

static void the_place_is_told_to_people(void **state)
{
	struct json_in_error e;
	char why[200];

	(void)state;
	buf_reset(&out);
	assert_int_equal(text_in(SPAN_LIT("{\n  \"a\": [1,\n   }\n"), 0, &e), ERR_SYNTAX);
	assert_string_equal(json_in_explain(&e, why, sizeof why),
		"line 3, column 4: expected a value, found '}'");
	assert_int_equal(text_in(SPAN_LIT("[\"\x01\"]"), 0, &e), ERR_SYNTAX);
	assert_string_equal(json_in_explain(&e, why, sizeof why),
		"line 1, column 3: expected an escape for a control character, found byte 0x01");
	assert_int_equal(text_in(SPAN_LIT("[\n"), 0, &e), ERR_TRUNCATED);
	assert_string_equal(json_in_explain(&e, why, sizeof why),
		"line 2, column 1: expected a value, found the end");
	assert_int_equal(text_in(SPAN_LIT("["), 0, NULL), ERR_TRUNCATED);
}

static void every_prefix_is_cut_short(void **state)
{
	static const char text[] =
		" {\"a\":[1,-2.5e3,true,false,null,\"x\\u00e9\\ud83d\\ude00\\n\xe2\x82\xac\"],\"\":{\"b\":[]}}";

	(void)state;
	for (size_t n = 0; n < sizeof text - 1; n++) {
		struct json_in_error e;

		buf_reset(&out);
		assert_int_equal(text_in(span_of(text, n), 0, &e), ERR_TRUNCATED);
		assert_int_equal(e.found, -1);
		assert_int_equal(out.len, 0);
	}
	assert_int_equal(text_in(span_of(text, sizeof text - 1), 0, NULL), 0);
}

static void depth_is_limited(void **state)
{
	char text[2 * LIMIT_DEPTH + 2];

	(void)state;
	memset(text, '[', LIMIT_DEPTH + 1);
	memset(text + LIMIT_DEPTH + 1, ']', LIMIT_DEPTH + 1);
	assert_refuses(
		span_of(text, sizeof text), 0, ERR_DEPTH, LIMIT_DEPTH, "fewer levels of nesting");
	buf_reset(&out);
	assert_int_equal(text_in(span_of(text + 1, sizeof text - 2), 0, NULL), 0);
	assert_int_equal(out.len, LIMIT_DEPTH);
}

static void members_are_limited(void **state)
{
	struct buf text;
	struct json_in_error e;

	(void)state;
	buf_init(&text, 1 << 20);
	for (int i = 0; i < LIMIT_MAP_PAIRS; i++)
		buf_printf(&text, "%c\"k%d\":%d", i ? ',' : '{', i, i);
	buf_put_str(&text, "}");
	buf_reset(&out);
	assert_int_equal(text_in(buf_span(&text), 0, NULL), 0);
	assert_int_equal(out.p[0], 0xde);
	assert_int_equal(out.p[1] << 8 | out.p[2], LIMIT_MAP_PAIRS);
	text.len--;
	buf_put_str(&text, ",\"z\":0}");
	buf_reset(&out);
	assert_int_equal(text_in(buf_span(&text), 0, &e), ERR_LIMIT);
	assert_string_equal(e.expected, "fewer members in one object");
	buf_fini(&text);
}

/* The header of a value with n elements or bytes must have the smallest width that fits. */
static void assert_head(uint64_t n, const uint8_t *head, size_t head_bytes)
{
	struct rcur c = rcur_of(out.p, out.len);
	struct walk_value v;

	assert_true(out.len > head_bytes || n == 0);
	assert_memory_equal(out.p, head, head_bytes);
	assert_int_equal(walk_read(&c, &v), 0);
	if (v.type != WALK_STR) {
		assert_int_equal(v.count, n);
		for (uint64_t i = 0; i < n; i++)
			assert_int_equal(walk_skip(&c), 0);
	} else {
		assert_int_equal(v.data.n, n);
	}
	assert_int_equal(rcur_left(&c), 0);
}

static void arrays_have_the_header_they_need(void **state)
{
	static const struct {
		uint32_t n;
		uint8_t head[5];
		size_t head_bytes;
	} cases[] = {
		{ 15, { 0x9f }, 1 },
		{ 16, { 0xdc, 0, 16 }, 3 },
		{ 65535, { 0xdc, 0xff, 0xff }, 3 },
		{ 65536, { 0xdd, 0, 1, 0, 0 }, 5 },
		{ 70000, { 0xdd, 0, 1, 0x11, 0x70 }, 5 },
	};
	struct buf text;

	(void)state;
	buf_init(&text, 4 << 20);
	for (size_t i = 0; i < 5; i++) {
		buf_reset(&text);
		for (uint32_t k = 0; k < cases[i].n; k++)
			buf_printf(&text, "%c[%u]", k ? ',' : '[', k % 300);
		buf_put_str(&text, "]");
		buf_reset(&out);
		assert_int_equal(text_in(buf_span(&text), 0, NULL), 0);
		assert_head(cases[i].n, cases[i].head, cases[i].head_bytes);
	}
	buf_fini(&text);
}

static void strings_have_the_header_they_need(void **state)
{
	static const struct {
		uint32_t n;
		uint8_t head[5];
		size_t head_bytes;
	} cases[] = {
		{ 31, { 0xbf }, 1 },
		{ 32, { 0xd9, 32 }, 2 },
		{ 255, { 0xd9, 255 }, 2 },
		{ 256, { 0xda, 1, 0 }, 3 },
		{ 65535, { 0xda, 0xff, 0xff }, 3 },
		{ 65536, { 0xdb, 0, 1, 0, 0 }, 5 },
	};
	struct buf text;

	(void)state;
	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < 6; i++) {
		for (int escaped = 0; escaped < 2; escaped++) {
			buf_reset(&text);
			buf_put_str(&text, escaped ? "\"\\n" : "\"x");
			for (uint32_t k = 1; k < cases[i].n; k++)
				buf_put_u8(&text, 'x');
			buf_put_str(&text, "\"");
			buf_reset(&out);
			assert_int_equal(text_in(buf_span(&text), 0, NULL), 0);
			assert_head(cases[i].n, cases[i].head, cases[i].head_bytes);
			assert_int_equal(out.p[cases[i].head_bytes], escaped ? '\n' : 'x');
			assert_int_equal(out.p[out.len - 1], 'x');
		}
	}
	buf_fini(&text);
}

/* The scan steps over many bytes at once: a special one must be seen at every position. */
static void a_special_byte_is_seen_wherever_it_is(void **state)
{
	static const char *const specials[] = { "\"", "\\n", "\x1f", "\xc3\xa9", "\xff", "\x7f" };

	(void)state;
	for (size_t n = 0; n < 40; n++)
		for (size_t at = 0; at <= n; at++)
			for (size_t k = 0; k < 6; k++) {
				char text[64], want[64];
				size_t len = strlen(specials[k]);
				int rc;

				memset(text, 'x', sizeof text);
				text[0] = '"';
				memcpy(text + 1 + at, specials[k], len);
				text[1 + n + len] = '"';
				buf_reset(&out);
				rc = text_in(span_of(text, n + len + 2), 0, NULL);
				if (k == 0 || k == 2 || k == 4) {
					assert_int_equal(rc, ERR_SYNTAX);
					continue;
				}
				assert_int_equal(rc, 0);
				memset(want, 'x', sizeof want);
				memcpy(want + at, k == 1 ? "\n" : specials[k], k == 1 ? 1 : len);
				len = n + (k == 1 ? 1 : len);
				assert_memory_equal(out.p + out.len - len, want, len);
				assert_int_equal(out.len, len + (len > 31 ? 2 : 1));
			}
}

static void a_buffer_of_any_size_is_enough_or_refused(void **state)
{
	static const char text[] =
		"{\"name\":\"a rather plain value\",\"caf\\u00e9\":\"\xc3\xa9t\xc3\xa9 "
		"\\ud83d\\ude00\",\"n\":[1,2.5,-300,70000,null,"
		"1,2,3,4,5,6,7,8,9,10,11,12,13],\"bad\":\"\xff\"}";
	size_t whole;

	(void)state;
	buf_reset(&out);
	assert_int_equal(text_in(SPAN_LIT(text), JSON_IN_REPAIR, NULL), 0);
	whole = out.len;
	for (size_t max = 0; max <= whole + 16; max++) {
		struct json_in_error e;
		struct buf small;
		int rc;

		buf_init(&small, max);
		rc = json_in_text(SPAN_LIT(text), JSON_IN_REPAIR, &small, &e);
		if (rc == 0) {
			assert_true(max >= whole);
			assert_int_equal(small.len, whole);
			assert_memory_equal(small.p, out.p, whole);
		} else {
			/* A number or header may ask for a few bytes more than it needs. */
			assert_true(max < whole + 16);
			assert_int_equal(rc, ERR_LIMIT);
			assert_string_equal(e.expected, "less text (the buffer is full)");
			assert_int_equal(small.len, 0);
			assert_int_equal(small.err, 0);
		}
		buf_fini(&small);
	}
}

/* Lines as astrosend reads them: one value at a time, what follows is left. */
static void values_are_taken_one_by_one(void **state)
{
	struct span text = SPAN_LIT(" {\"a\":1}\n[2]3 \"x\"\n\n");
	static const size_t lengths[] = { 8, 4, 1, 4 };
	struct json_in_error e;
	size_t used;

	(void)state;
	buf_reset(&out);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(json_in_value(text, 0, &out, &used, NULL), 0);
		assert_int_equal(used, lengths[i]);
		text = span_of(text.p + used, text.n - used);
	}
	assert_int_equal(json_in_value(text, 0, &out, &used, &e), ERR_TRUNCATED);
	assert_int_equal(out.len, 4 + 2 + 1 + 2);
	assert_int_equal(json_in_value(SPAN_LIT("[1,\n2,}"), 0, &out, &used, &e), ERR_SYNTAX);
	assert_int_equal(e.line, 2);
	assert_int_equal(used, 4);
}

/* ---- JSONTestSuite ---- */

/* What is "either" there is decided here: kept by us, or refused with this code. */
static const struct {
	const char *name;
	int code;
	int repaired;
} decided[] = {
	{ "i_number_double_huge_neg_exp.json", 0, 0 },
	{ "i_number_pos_double_huge_exp.json", ERR_RANGE, ERR_RANGE },
	{ "i_number_huge_exp.json", ERR_RANGE, ERR_RANGE },
	{ "i_number_neg_int_huge_exp.json", ERR_RANGE, ERR_RANGE },
	{ "i_number_real_neg_overflow.json", ERR_RANGE, ERR_RANGE },
	{ "i_number_real_pos_overflow.json", ERR_RANGE, ERR_RANGE },
	{ "i_number_real_underflow.json", 0, 0 },
	{ "i_number_too_big_neg_int.json", 0, 0 },
	{ "i_number_too_big_pos_int.json", 0, 0 },
	{ "i_number_very_big_negative_int.json", 0, 0 },
	{ "i_object_key_lone_2nd_surrogate.json", ERR_SYNTAX, 0 },
	{ "i_string_UTF-16LE_with_BOM.json", ERR_SYNTAX, ERR_SYNTAX },
	{ "i_string_utf16BE_no_BOM.json", ERR_SYNTAX, ERR_SYNTAX },
	{ "i_string_utf16LE_no_BOM.json", ERR_SYNTAX, ERR_SYNTAX },
	{ "i_structure_500_nested_arrays.json", ERR_DEPTH, ERR_DEPTH },
	{ "i_structure_UTF-8_BOM_empty_object.json", ERR_SYNTAX, ERR_SYNTAX },
};

static void assert_case(const char *name, char expect, struct span text)
{
	int rc, repaired, code = ERR_SYNTAX, code_repaired = 0;

	buf_reset(&out);
	rc = text_in(text, 0, NULL);
	buf_reset(&out);
	repaired = text_in(text, JSON_IN_REPAIR, NULL);
	if (expect == 'r') {
		if (rc >= 0 || repaired >= 0)
			fail_msg("%s must be refused", name);
		return;
	}
	if (expect == 'a') {
		if (rc < 0 || repaired < 0)
			fail_msg("%s must be accepted: %s", name, err_name(rc));
		return;
	}
	/* The rest of "either" are strings that are not well formed. */
	for (size_t i = 0; i < sizeof decided / sizeof decided[0]; i++) {
		if (strcmp(decided[i].name, name) == 0) {
			code = decided[i].code;
			code_repaired = decided[i].repaired;
		}
	}
	if (rc != code || repaired != code_repaired)
		fail_msg("%s: %s and %s", name, err_name(rc), err_name(repaired));
}

static size_t base64_decode(struct span s, uint8_t *dst)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t v = 0;
	size_t n = 0;

	for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
		const char *d = strchr(digits, s.p[i]);

		assert_non_null(d);
		v = v << 6 | (uint32_t)(d - digits);
		if (i % 4)
			dst[n++] = (uint8_t)(v >> (6 - i % 4 * 2));
	}
	return n;
}

/* A line {"name":..., "expect":..., "base64":...} is read with the very code under test. */
static void run_line(struct span line)
{
	struct walk_value key, v;
	struct span fields[3] = { SPAN_NONE, SPAN_NONE, SPAN_NONE };
	struct rcur c;
	uint8_t *text;
	char name[128];
	size_t n;

	buf_reset(&out);
	assert_int_equal(json_in_text(line, 0, &out, NULL), 0);
	text = malloc(2 * out.len);
	assert_non_null(text);
	memcpy(text, out.p, out.len);
	c = rcur_of(text, out.len);
	assert_int_equal(walk_read(&c, &v), 0);
	for (uint32_t i = v.count; i-- > 0;) {
		assert_int_equal(walk_read(&c, &key), 0);
		assert_int_equal(walk_read(&c, &v), 0);
		fields[key.data.p[0] == 'n' ? 0 : key.data.p[0] == 'e' ? 1 : 2] = v.data;
	}
	snprintf(name, sizeof name, "%.*s", (int)fields[0].n, (const char *)fields[0].p);
	n = base64_decode(fields[2], text + out.len);
	assert_case(name, (char)fields[1].p[0], span_of(text + out.len, n));
	free(text);
}

static FILE *open_suite(void)
{
	const char *shared = getenv("ASTRO_SHARED"), *source = getenv("ASTRO_SOURCE");
	char command[4096];

	snprintf(command, sizeof command,
		"f='%s%s/data/vectors/json-parsing.ndjson.xz'; test -f \"$f\" && xz -dc \"$f\"",
		shared   ? shared
		: source ? source
			 : ".",
		shared ? "" : "/../shared");
	return popen(command, "r");
}

/* Where the shared data is not, the choice below stands alone. */
static void the_whole_suite_where_it_is(void **state)
{
	FILE *f = open_suite();
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int count = 0;

	(void)state;
	assert_non_null(f);
	while ((n = getline(&line, &cap, f)) > 0) {
		run_line(span_of(line, (size_t)n));
		count++;
	}
	pclose(f);
	free(line);
	print_message("# %d cases of the suite\n", count);
	assert_true(count == 0 || count == 212);
}

/* A choice of its cases by our own hand, for where the shared data is not. */
static void a_choice_of_the_suite(void **state)
{
	static const char *const good[] = { "[[]   ]", "[\"\"]", "[null, 1, \"1\", {}]", " [1]",
		"[1\n]", "[1,null,null,null,2]", "[2] ", "[0e+1]", "[0e1]", "[ 4]", "[-0]",
		"[1E22]", "[1E-2]",
		"[-0.000000000000000000000000000000000000000000000000000000000000001]",
		"[123.456e78]", "{\"asd\":\"sdf\",\"dfg\":\"fgh\"}", "{\"a\":\"b\",\"a\":\"b\"}",
		"{\"\":0}", "{\"foo\\u0000bar\": 42}", "[\"\\u0060\\u012a\\u12AB\"]",
		"[\"\\uD801\\udc37\"]", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\\\u0000\"]",
		"[\"a/*b*/c/*d//e\"]", "[\"\x7f\"]", "[\"\\uFFFE\"]", "\" \"", "[\"asd\"]",
		"[\"\xf4\x8f\xbf\xbf\"]", "[\"\xe2\x80\xa8\"]", "false", "42", "-0.1", "null",
		"\"asd\"", "true", "\"\"", "[\"a\"]\n", "[true]", " [] " };
	static const char *const bad[] = { "[1 true]", "[a\xe5]", "[\"\": 1]", "[\"\"],", "[,1]",
		"[1,,2]", "[\"x\",,]", "[\"x\"]]", "[\"\",]", "[\"x\"", "[x", "[3[4]]", "[-]",
		"[   , \"\"]", "[1:2]", "[\"a\",\n4\n,1,", "[1,]",
		("[\"\x0b"
		 "a\"\\f]"),
		"[*]", "[\"\"", "[fals]", "[nul]", "[tru]", "[-1.0.]", "[.2e-3]", "[0.1.2]",
		"[0.3e+]", "[0e]", "[1eE2]", "[+1]", "[++1]", "[Infinity]", "[NaN]", "[0x1]",
		"[1+2]", "[- 1]", "[-012]", "[1.]", "[012]", "{\"x\"::\"b\"}", "{\"a\":\"a\" 123}",
		"{key: 1}", "{1:1}", "{\"id\":0,}", "{'a':0}", "{\"a\":\"b\"}/**/", "{\"a\" \"b\"}",
		"{:\"b\"}", "{\"a\":/*comment*/\"b\"}", "[\"\\uD800\\\"]", "[\"\\uD800\\u1x\"]",
		"[\"\\{[\"", "[\"\\x00\"]", "[\"\\\xf0\x9f\x8c\x80\"]", "[\"\\a\"]",
		"[\"new\nline\"]", "[\"\t\"]", "\"\\UA66D\"", "<null>", "[1]x", "[][]", "]", "{}}",
		"{\"a\": true} \"x\"", "[\xe2\x81\xa0]", "\xef\xbb\xbf", "*", "{\"a\":\"b\"}#{}",
		"[\\u000A\"\"]", "123 4" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_case(good[i], 'a', span_str(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_case(bad[i], 'r', span_str(bad[i]));
	assert_case("NUL", 'r', SPAN_LIT("[\0]"));
	assert_case("NUL in a string", 'r', SPAN_LIT("[\"a\0a\"]"));
	assert_case("NUL after a backslash", 'r', SPAN_LIT("[\"\\\0\"]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_become_the_smallest_msgpack),
		cmocka_unit_test(a_key_that_occurs_twice_is_kept_twice),
		cmocka_unit_test(escapes_are_resolved_exactly),
		cmocka_unit_test(half_pairs_and_bad_bytes_fail_or_are_repaired),
		cmocka_unit_test(what_is_not_json_is_refused_at_its_place),
		cmocka_unit_test(the_place_is_told_to_people),
		cmocka_unit_test(every_prefix_is_cut_short),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(members_are_limited),
		cmocka_unit_test(arrays_have_the_header_they_need),
		cmocka_unit_test(strings_have_the_header_they_need),
		cmocka_unit_test(a_special_byte_is_seen_wherever_it_is),
		cmocka_unit_test(a_buffer_of_any_size_is_enough_or_refused),
		cmocka_unit_test(values_are_taken_one_by_one),
		cmocka_unit_test(the_whole_suite_where_it_is),
		cmocka_unit_test(a_choice_of_the_suite),
	};

	return cmocka_run_group_tests_name("json_in", tests, setup, teardown);
}
