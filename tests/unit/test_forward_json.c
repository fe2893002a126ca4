/*
 * Goal: a JSON connection gives the entries and options that its frames hold, wherever the reads cut
 *       them; a bad value costs itself, bad text between values the connection.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/wire/forward_put.h"
#include "tests/support/forward_say.h"

static void expect(const char *text, const char *want)
{
	forward_say_expect(span_str(text), want);
}

static void frames_of_every_mode(void **state)
{
	(void)state;
	/* Go's MarshalAsJSON */
	expect("[\"docker.abc\",1700000000,{\"log\":\"hi\"},{}]",
		"M 'docker.abc'\nentry 1700000000000000000 81a36c6f67a26869\nend 1\n");
	expect("[\"a\",5,{\"x\":1}]", "M 'a'\nentry 5000000000 81a17801\nend 1\n");
	expect("[\"a\",[[5,{\"x\":1}],[6,{\"x\":2}]],{\"chunk\":\"c\",\"size\":2}]",
		"F 'a'\nentry 5000000000 81a17801\nentry 6000000000 81a17802\nend 2 chunk 'c' size 2\n");
	expect("[\"a\",[]]", "F 'a'\nend 0\n");
	/* One after another, with white space and without; options and more behind them. */
	expect("[\"a\",5,{\"x\":1},{\"chunk\":\"1\"}][\"a\",5,{\"x\":1},{\"chunk\":\"2\"},[\"]\"],7]",
		"M 'a'\nentry 5000000000 81a17801\nend 1 chunk '1'\n"
		"M 'a'\nentry 5000000000 81a17801\nend 1 chunk '2'\n");
	expect("[ \"a\" , [ [ 5 , { \"x\" : 1 } ] ] , null , 1 ]\r\n\t[\"b\",null,{}]\n",
		"F 'a'\nentry 5000000000 81a17801\nend 1\nM 'b'\nentry now 80\nend 1\n");
	/* Fluent Bit's form. */
	expect("[\"a\",[[[5,{\"m\":1}],{\"x\":1}]]]",
		"F 'a'\nentry 5000000000 81a17801 meta 81a16d01\nend 1\n");
}

static void times(void **state)
{
	(void)state;
	expect("[\"a\",1700000000.25,{}]", "M 'a'\nentry 1700000000250000000 80\nend 1\n");
	expect("[\"a\",1700000000123,{}]", "M 'a'\nentry 1700000000123000000 80\nend 1\n");
	expect("[\"a\",1.7e9,{}]", "M 'a'\nentry 1700000000000000000 80\nend 1\n");
	expect("[\"a\",0,{}]", "M 'a'\nentry now 80\nend 1\n");
	expect("[\"a\",-1e999,{}]", "M 'a'\nentry now 80\nend 1\n");
	expect("[\"a\",nothing,{}]", "M 'a'\nentry now 80\nend 1\n");
}

static void brackets_and_quotes_in_texts(void **state)
{
	(void)state;
	expect("[\"a]\\\"\",5,{\"x\":\"]}\\\\\"},{\"chunk\":\"\\\"[\\u0041\"}]",
		"M 'a]\"'\nentry 5000000000 81a178a35d7d5c\nend 1 chunk '\"[A'\n");
}

static void bad_values_cost_themselves(void **state)
{
	(void)state;
	expect("[\"a\",[[5,{\"x\":1}],[5,{\"x\" 2}],[5,{\"x\":3}]]]",
		"F 'a'\nentry 5000000000 81a17801\nentry 5000000000 81a17803\nend 2 syntax 1\n");
	expect("[\"a\",[7,[5],[5,6],[5,null]]]", "F 'a'\nend 0 shape 2 record 1 nil 1\n");
	expect("[\"a\",5,{\"x\"},{\"chunk\":\"c\"}]", "M 'a'\nend 0 chunk 'c' syntax 1\n");
	expect("[\"a\",5,[],{\"chunk\":\"c\"}]", "M 'a'\nend 0 chunk 'c' record 1\n");
	expect("[\"a\",5]", "M 'a'\nend 0 shape 1\n");
	/* PackedForward does not exist here. */
	expect("[\"a\",\"text\",{\"chunk\":\"c\"}]", "I 'a'\nend 0 chunk 'c' shape 1\n");
	expect("[\"a\",true]", "I 'a'\nend 0 shape 1\n");
	expect("[\"a\",5,{\"x\":1},{\"chunk\":7}]",
		"M 'a'\nentry 5000000000 81a17801\nend 1 odd\n");
}

static void bad_text_between_values_ends_it(void **state)
{
	(void)state;
	expect("[\"a\",5,{\"x\":1}]x", "M 'a'\nentry 5000000000 81a17801\nend 1\nfault json\n");
	expect("[\"a\" 5", "fault json\n");
	expect("[\"a\",5,{} {}]", "M 'a'\nfault json\n");
	expect("[\"a\",[[5,{}] [", "F 'a'\nentry 5000000000 80\nfault json\n");
	expect("[\"a\",[[5,{}],]", "F 'a'\nentry 5000000000 80\nfault json\n");
	expect("[\"a\",5,,", "M 'a'\nfault json\n");
	expect("[5,5,{}]", "fault tag\n");
	expect("[\"a\\q\",5,{}]", "fault tag\n");
	expect("[\"a\"]", "fault frame\n");
	expect("[\"a\",5,{},{\"compressed\":\"lzma\"}]", "M 'a'\nfault compression\n");
	expect("[\"a\",5,{},{\"x\":[]", "M 'a'\n...\n");
	expect("[\"a\",5,{\"x", "M 'a'\n...\n");
}

/* The last line alone, at several sizes of pieces. */
static void expect_end(struct span s, const char *want)
{
	static const size_t pieces[] = { SIZE_MAX, 1000, 65536 };
	struct buf out;

	buf_init(&out, 64 << 20);
	for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
		forward_say_run(s, 0, pieces[i], &out);
		assert_non_null(strstr((char *)out.p, want));
	}
	buf_fini(&out);
}

static void put_repeated(struct buf *b, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_put_str(b, text);
}

static void limits(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64 << 20);
	for (unsigned over = 0; over < 2; over++) {
		buf_reset(&b);
		buf_put_str(&b, "[\"a\",[[5,{\"x\":\"");
		put_repeated(&b, "x", LIMIT_ENTRY_BYTES - 12 + over);
		buf_put_str(&b, "\"}],[5,{}]]]");
		expect_end(buf_span(&b), over ? "\nend 1 large 1\n" : "\nend 2\n");
		buf_reset(&b);
		buf_put_str(&b, "[\"");
		put_repeated(&b, "t", LIMIT_TAG_BYTES + over);
		buf_put_str(&b, "\",5,{}]");
		expect_end(buf_span(&b), over ? "fault tag\n" : "\nend 1\n");
		/* An entry is a level of its own. */
		buf_reset(&b);
		buf_put_str(&b, "[\"a\",[[5,{\"x\":");
		put_repeated(&b, "[", LIMIT_DEPTH - 2 + over);
		put_repeated(&b, "]", LIMIT_DEPTH - 2 + over);
		buf_put_str(&b, "}]]]");
		expect_end(buf_span(&b), over ? "\nend 0 deep 1\n" : "\nend 1\n");
	}
	buf_reset(&b);
	buf_put_str(&b, "[\"a\",5,{},{\"x\":\"");
	put_repeated(&b, "o", LIMIT_OPTION_BYTES);
	buf_put_str(&b, "\"}]");
	expect_end(buf_span(&b), "fault option\n");
	buf_fini(&b);
}

static void acks(void **state)
{
	uint8_t dst[FORWARD_PUT_ACK_JSON_BYTES], chunk[LIMIT_CHUNK_BYTES];
	size_t n = forward_put_ack_json(dst, SPAN_LIT("AAEC\n\"\\\x1f\xc3\xa9"));

	(void)state;
	assert_true(span_eq(
		span_of(dst, n), SPAN_LIT("{\"ack\":\"AAEC\\u000a\\\"\\\\\\u001f\xc3\xa9\"}")));
	memset(chunk, 1, sizeof chunk);
	assert_int_equal(forward_put_ack_json(dst, span_of(chunk, sizeof chunk)), sizeof dst);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_mode),
		cmocka_unit_test(times),
		cmocka_unit_test(brackets_and_quotes_in_texts),
		cmocka_unit_test(bad_values_cost_themselves),
		cmocka_unit_test(bad_text_between_values_ends_it),
		cmocka_unit_test(limits),
		cmocka_unit_test(acks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
