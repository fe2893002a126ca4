/*
 * Goal: every value can be read back from its pair, keys are bare words, and nothing hides in a line.
 * Method: golden texts; all bytes in a value.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/printable.h"
#include "proto/base/utf8.h"
#include "tools/json_pretty.h"
#include "tools/logfmt.h"

static struct buf out, raw;

static const char *text(void)
{
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	return (const char *)out.p;
}

static const char *value(struct span s)
{
	buf_reset(&out);
	logfmt_put_value(s, &out);
	return text();
}

static void values_are_quoted_where_they_must_be(void **state)
{
	(void)state;
	assert_string_equal(value(SPAN_LIT("plain-1.5/x:y")), "plain-1.5/x:y");
	assert_string_equal(value(SPAN_LIT("caf\xc3\xa9")), "caf\xc3\xa9");
	assert_string_equal(value(SPAN_LIT("")), "\"\"");
	assert_string_equal(value(SPAN_LIT("two words")), "\"two words\"");
	assert_string_equal(value(SPAN_LIT("a=b")), "\"a=b\"");
	assert_string_equal(value(SPAN_LIT("say \"no\\\"")), "\"say \\\"no\\\\\\\"\"");
	assert_string_equal(value(SPAN_LIT("a\nb\tc\rd")), "\"a\\nb\\tc\\rd\"");
	assert_string_equal(value(SPAN_LIT("\x1b[m\x7f")), "\"\\u001b[m\\u007f\"");
	assert_string_equal(value(SPAN_LIT("\xe2\x80\xae")), "\"\\u202e\"");
	assert_string_equal(value(SPAN_LIT("\xff")), "\"\xef\xbf\xbd\"");
}

static void keys_are_bare_words(void **state)
{
	(void)state;
	buf_reset(&out);
	logfmt_put_pair(SPAN_LIT("a b=\"c\"\n"), SPAN_LIT("1"), &out);
	logfmt_put_pair(SPAN_LIT(""), SPAN_LIT("2"), &out);
	logfmt_put_pair(SPAN_LIT("none"), SPAN_NONE, &out);
	assert_string_equal(text(), "a_b__c__=1 _=2");
}

static void metadata_is_laid_flat(void **state)
{
	/* {"code":500,"a":{"b":"x y","e":{}},"l":[1,"z"]} */
	struct event ev = {
		.id = 42,
		.severity = EVENT_SEVERITY_ERROR,
		.flags = EVENT_FLAG_CUT,
		.metadata = SPAN_LIT("\x83\xa4"
				     "code\xcd\x01\xf4\xa1"
				     "a\x82\xa1"
				     "b\xa3x y\xa1"
				     "e\x80\xa1l\x92\x01\xa1z"),
	};

	(void)state;
	ev.text[EVENT_TEXT_SERVICE] = SPAN_LIT("shop");
	buf_reset(&out);
	logfmt_put_event(&ev, &raw, &out);
	assert_string_equal(text(),
		"timestamp=1970-01-01T00:00:00Z severity=error service=shop metadata.code=500 "
		"metadata.a.b=\"x y\" metadata.a.e={} metadata.l=\"[1,\\\"z\\\"]\" id=42 "
		"received=1970-01-01T00:00:00Z flag=cut");
}

static void all_bytes_are_safe(void **state)
{
	uint8_t all[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	value(span_of(all, sizeof all));
	for (size_t i = 0; i + 1 < out.len;) {
		uint32_t cp;

		i += utf8_next(out.p + i, out.len - i, &cp);
		assert_false(printable_hidden(cp));
	}
}

static void pretty_json_has_lines(void **state)
{
	(void)state;
	buf_reset(&out);
	json_pretty_put(
		SPAN_LIT("{\"a\":1,\"b\":[],\"c\":{\"d\":[true,\"x,\\\"{y\"]},\"e\":{}}"), &out);
	assert_string_equal(text(), "{\n"
				    "  \"a\": 1,\n"
				    "  \"b\": [],\n"
				    "  \"c\": {\n"
				    "    \"d\": [\n"
				    "      true,\n"
				    "      \"x,\\\"{y\"\n"
				    "    ]\n"
				    "  },\n"
				    "  \"e\": {}\n"
				    "}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_quoted_where_they_must_be),
		cmocka_unit_test(keys_are_bare_words),
		cmocka_unit_test(metadata_is_laid_flat),
		cmocka_unit_test(all_bytes_are_safe),
		cmocka_unit_test(pretty_json_has_lines),
	};
	int rc;

	buf_init(&out, 1 << 20);
	buf_init(&raw, 1 << 20);
	rc = cmocka_run_group_tests_name("logfmt", tests, NULL, NULL);
	buf_fini(&out);
	buf_fini(&raw);
	return rc;
}
