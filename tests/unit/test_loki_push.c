/*
 * Goal: both bodies of a Loki push become the same records; labels are read with all their escapes, what
 *       cannot be read is kept as text; no body makes the reader do more than refuse it.
 * Method: records as JSON against what is expected; bodies of protobuf made by hand; every prefix.
 */
#include "tests/support/check_cmocka.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "proto/wire/loki_push.h"

static struct loki_push push;
static struct buf got; /* "time record\n" for each line */

static int on_entry(void *arg, const struct loki_push_entry *entry)
{
	(void)arg;
	if (entry->has_time)
		buf_printf(&got, "%" PRId64 " ", entry->time_ns);
	else
		buf_put_str(&got, "- ");
	assert_int_equal(json_out_value(entry->record, &got), 0);
	buf_put_u8(&got, '\n');
	return 0;
}

static int setup(void **state)
{
	(void)state;
	loki_push_init(&push, on_entry, NULL);
	buf_init(&got, 16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loki_push_fini(&push);
	buf_fini(&got);
	return 0;
}

static void assert_got(const char *want)
{
	buf_put_u8(&got, 0);
	assert_string_equal((const char *)got.p, want);
}

static int json(const char *text)
{
	struct json_in_error e;

	buf_reset(&got);
	return loki_push_json(&push, span_str(text), &e);
}

static void json_streams_become_records(void **state)
{
	(void)state;
	assert_int_equal(
		json("{\"streams\":[{\"stream\":{\"app\":\"api\",\"level\":\"warn\"},\"values\":["
		     "[\"1700000000000000001\",\"hello\",{\"trace_id\":\"7\"}],"
		     "[\"1700000000000000002\",\"again\"]]},"
		     "{\"values\":[[\"3\",\"no labels\"]],\"stream\":{}}]}"),
		0);
	assert_got("1700000000000000001 {\"service\":\"api\",\"app\":\"api\",\"level\":\"warn\","
		   "\"trace_id\":\"7\",\"description\":\"hello\"}\n"
		   "1700000000000000002 {\"service\":\"api\",\"app\":\"api\",\"level\":\"warn\","
		   "\"description\":\"again\"}\n"
		   "3 {\"description\":\"no labels\"}\n");
	assert_int_equal(json("{\"streams\":[]}"), 0);
	assert_got("");
}

static void a_line_that_is_an_object_is_its_members(void **state)
{
	(void)state;
	assert_int_equal(
		json("{\"streams\":[{\"stream\":{\"job\":\"fluent-bit\",\"msg\":\"x\"},\"values\":["
		     "[\"1\",\"{\\\"msg\\\":\\\"paid\\\",\\\"n\\\":2}\"],"
		     "[\"2\",\"{\\\"msg\\\":\"],[\"3\",\"{} {}\"],[\"4\",\"[1]\"],[\"5\",\"{}\"]]}]}"),
		0);
	assert_got(
		"1 {\"service\":\"fluent-bit\",\"job\":\"fluent-bit\",\"msg\":\"x\",\"msg\":\"paid\",\"n\":2}\n"
		"2 {\"service\":\"fluent-bit\",\"job\":\"fluent-bit\",\"msg\":\"x\",\"description\":\"{\\\"msg\\\":\"}\n"
		"3 {\"service\":\"fluent-bit\",\"job\":\"fluent-bit\",\"msg\":\"x\",\"description\":\"{} {}\"}\n"
		"4 {\"service\":\"fluent-bit\",\"job\":\"fluent-bit\",\"msg\":\"x\",\"description\":\"[1]\"}\n"
		"5 {\"service\":\"fluent-bit\",\"job\":\"fluent-bit\",\"msg\":\"x\"}\n");
}

static void labels_are_our_fields_by_other_names(void **state)
{
	(void)state;
	assert_int_equal(
		json("{\"streams\":[{\"stream\":{\"job\":\"j\",\"service_name\":\"s\",\"instance\":"
		     "\"i\"},\"values\":[[\"1\",\"a\",{\"detected_level\":\"error\",\"n\":1}]]},"
		     "{\"stream\":{\"service\":\"own\",\"app\":\"a\",\"detected_level\":\"info\"},"
		     "\"values\":[[\"2\",\"b\",{\"detected_level\":\"warn\"}]]}]}"),
		0);
	assert_got(
		"1 {\"service\":\"s\",\"host\":\"i\",\"job\":\"j\",\"service_name\":\"s\",\"instance\":\"i\","
		"\"level\":\"error\",\"detected_level\":\"error\",\"n\":1,\"description\":\"a\"}\n"
		"2 {\"level\":\"info\",\"service\":\"own\",\"app\":\"a\",\"detected_level\":\"info\","
		"\"detected_level\":\"warn\",\"description\":\"b\"}\n");
}

static void times_that_are_none_are_left_to_arrival(void **state)
{
	(void)state;
	assert_int_equal(
		json("{\"streams\":[{\"stream\":{},\"values\":[[\"\",\"a\"],[\"1.5\",\"b\"],"
		     "[\"99999999999999999999\",\"c\"],[17,\"d\"],[\"9223372036854775808\",\"e\"]]}]}"),
		0);
	assert_got(
		"- {\"description\":\"a\"}\n- {\"description\":\"b\"}\n- {\"description\":\"c\"}\n"
		"17 {\"description\":\"d\"}\n- {\"description\":\"e\"}\n");
}

static void json_of_another_shape_is_refused(void **state)
{
	static const char *const texts[] = { "[]", "{}", "{\"streams\":{}}", "{\"streams\":[1]}",
		"{\"streams\":[{\"stream\":{}}]}", "{\"streams\":[{\"values\":[]}]}",
		"{\"streams\":[{\"stream\":1,\"values\":[]}]}",
		"{\"streams\":[{\"stream\":{},\"values\":1}]}",
		"{\"streams\":[{\"stream\":{},\"values\":[[\"1\"]]}]}",
		"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",2]]}]}",
		"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"a\",\"b\"]]}]}",
		"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"a\",{},{}]]}]}",
		"{\"streams\":[{\"stream\":{},\"values\":[[null,\"a\"]]}]}" };
	struct json_in_error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_int_equal(json(texts[i]), ERR_TYPE);
	assert_int_equal(loki_push_json(&push, SPAN_LIT("{\"streams\":[}"), &e), ERR_SYNTAX);
	assert_int_equal(e.off, 12);
}

/* ---- labels ---- */

static int labels(const char *text, struct loki_push_pair *pairs, uint32_t *count)
{
	static struct buf unescaped;

	if (unescaped.max == 0)
		buf_init(&unescaped, 1 << 20);
	return loki_push_labels(span_str(text), &unescaped, pairs, LIMIT_LOKI_LABELS, count);
}

static void labels_are_read_as_go_writes_them(void **state)
{
	struct loki_push_pair pairs[LIMIT_LOKI_LABELS];
	uint32_t count;

	(void)state;
	assert_int_equal(labels("{}", pairs, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(labels(" { a = \"b\" , c=`raw\\n`, } ", pairs, &count), 0);
	assert_int_equal(count, 2);
	assert_true(span_eq(pairs[0].name, SPAN_LIT("a")));
	assert_true(span_eq(pairs[0].value, SPAN_LIT("b")));
	assert_true(span_eq(pairs[1].name, SPAN_LIT("c")));
	assert_true(span_eq(pairs[1].value, SPAN_LIT("raw\\n")));
	assert_int_equal(
		labels("{x=\"\\\"\\\\\\n\\t\\x41\\102\\u00e9\\U0001F600, }=\"}", pairs, &count), 0);
	assert_int_equal(count, 1);
	assert_true(span_eq(pairs[0].value, SPAN_LIT("\"\\\n\tAB\xc3\xa9\xf0\x9f\x98\x80, }=")));
}

static void labels_that_are_none_are_refused(void **state)
{
	static const char *const texts[] = { "", "a=\"b\"", "{", "{a}", "{a=b}", "{a=\"b}",
		"{a=\"b\"", "{=\"b\"}", "{a=\"b\" c=\"d\"}", "{a=\"b\",,}", "{,}", "{a=\"\\q\"}",
		"{a=\"\\", "{a=\"\\x4\"}", "{a=\"\\ud800\"}", "{a=\"\\U00110000\"}",
		"{a=\"\\777\"}", "{a=\"b\"} x", "{a=`b}" };
	struct loki_push_pair pairs[LIMIT_LOKI_LABELS];
	struct buf many;
	uint32_t count;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_int_equal(labels(texts[i], pairs, &count), ERR_SYNTAX);
	buf_init(&many, 1 << 16);
	buf_put_str(&many, "{");
	for (int i = 0; i < LIMIT_LOKI_LABELS; i++)
		buf_printf(&many, "l%d=\"v\",", i);
	buf_put(&many, "}", 2);
	assert_int_equal(labels((char *)many.p, pairs, &count), 0);
	assert_int_equal(count, LIMIT_LOKI_LABELS);
	many.len -= 2;
	buf_put(&many, "x=\"y\"}", 7);
	assert_int_equal(labels((char *)many.p, pairs, &count), ERR_LIMIT);
	buf_fini(&many);
}

/* ---- protobuf ---- */

static void put_bytes(struct buf *b, unsigned number, struct span s)
{
	ASSERT(s.n < 0x4000);
	buf_put_u8(b, (uint8_t)(number << 3 | 2));
	if (s.n >= 0x80)
		buf_put_u8(b, (uint8_t)(s.n | 0x80));
	buf_put_u8(b, (uint8_t)(s.n >= 0x80 ? s.n >> 7 : s.n));
	buf_put_span(b, s);
}

/* A message of one stream and one entry, with what old and new clients add. */
static void make_push(struct buf *out, const char *labels_text, const char *line)
{
	struct buf entry, stream, pair;

	buf_init(&entry, 1 << 16);
	buf_init(&stream, 1 << 16);
	buf_init(&pair, 1 << 16);
	put_bytes(&entry, 1, SPAN_LIT("\x08\x80\xe2\xcf\xaa\x06\x10\x05"));
	put_bytes(&entry, 2, span_str(line));
	put_bytes(&pair, 1, SPAN_LIT("trace_id"));
	put_bytes(&pair, 2, SPAN_LIT("7"));
	put_bytes(&entry, 3, buf_span(&pair));
	/* The entry before the labels, and a hash behind. */
	put_bytes(&stream, 2, buf_span(&entry));
	put_bytes(&stream, 1, span_str(labels_text));
	buf_put(&stream, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
	put_bytes(out, 1, buf_span(&stream));
	/* Fields nobody knows. */
	buf_put(out, "\x4d\x01\x02\x03\x04\x51\x01\x02\x03\x04\x05\x06\x07\x08\x78\x01", 16);
	buf_fini(&entry);
	buf_fini(&stream);
	buf_fini(&pair);
}

static void protobuf_streams_become_records(void **state)
{
	struct buf body;

	(void)state;
	buf_init(&body, 1 << 16);
	buf_reset(&got);
	assert_int_equal(
		loki_push_protobuf(&push,
			SPAN_LIT("\x0a\x19\x0a\x07{a=\"b\"}\x12\x0e\x0a\x08\x08\x80\xe2\xcf\xaa\x06"
				 "\x10\x05\x12\x02hi")),
		0);
	assert_got("1700000000000000005 {\"a\":\"b\",\"description\":\"hi\"}\n");
	make_push(&body, "{app=\"api\"}", "{\"n\":1}");
	make_push(&body, "{app=\"api}", "second");
	buf_reset(&got);
	assert_int_equal(loki_push_protobuf(&push, buf_span(&body)), 0);
	assert_got(
		"1700000000000000005 {\"service\":\"api\",\"app\":\"api\",\"trace_id\":\"7\",\"n\":1}\n"
		"1700000000000000005 {\"_labels\":\"{app=\\\"api}\",\"trace_id\":\"7\","
		"\"description\":\"second\"}\n");
	for (size_t n = 0; n < body.len; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, body.p, n);
		buf_reset(&got);
		loki_push_protobuf(&push, span_of(copy, n));
		free(copy);
	}
	buf_fini(&body);
}

static void protobuf_that_is_none_is_refused(void **state)
{
	(void)state;
	buf_reset(&got);
	assert_int_equal(loki_push_protobuf(&push, SPAN_LIT("")), 0);
	assert_int_equal(loki_push_protobuf(&push, SPAN_LIT("\x0a\x19\x0a")), ERR_TRUNCATED);
	assert_int_equal(loki_push_protobuf(&push, SPAN_LIT("\x0b")), ERR_SYNTAX);
	assert_int_equal(loki_push_protobuf(&push, SPAN_LIT("\x02\x00")), ERR_SYNTAX);
	assert_int_equal(loki_push_protobuf(&push, SPAN_LIT("{\"streams\":[]}")), ERR_SYNTAX);
	assert_got("");
}

/* Labels that are too many stand in the record as one value. */
static void many_labels_are_one_value(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_put_str(&text, "{\"streams\":[{\"stream\":{");
	for (int i = 0; i <= LIMIT_LOKI_LABELS; i++)
		buf_printf(&text, "%s\"l%d\":\"v\"", i ? "," : "", i);
	buf_put(&text, "},\"values\":[[\"1\",\"a\"]]}]}", 26);
	assert_int_equal(json((char *)text.p), 0);
	assert_memory_equal(got.p, "1 {\"_labels\":{\"l0\":\"v\",", 23);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_streams_become_records),
		cmocka_unit_test(a_line_that_is_an_object_is_its_members),
		cmocka_unit_test(labels_are_our_fields_by_other_names),
		cmocka_unit_test(times_that_are_none_are_left_to_arrival),
		cmocka_unit_test(json_of_another_shape_is_refused),
		cmocka_unit_test(labels_are_read_as_go_writes_them),
		cmocka_unit_test(labels_that_are_none_are_refused),
		cmocka_unit_test(protobuf_streams_become_records),
		cmocka_unit_test(protobuf_that_is_none_is_refused),
		cmocka_unit_test(many_labels_are_one_value),
	};

	return cmocka_run_group_tests_name("loki_push", tests, setup, teardown);
}
