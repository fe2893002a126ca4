/*
 * Goal: nothing that moves a cursor, hides or turns the direction survives, all else does.
 * Method: a table, and every code point of the planes that have hidden ones.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/printable.h"
#include "proto/base/utf8.h"

static struct buf out;

static void assert_put(struct span in, enum printable_style style, const char *want)
{
	buf_reset(&out);
	printable_put(in, style, &out);
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	assert_string_equal((const char *)out.p, want);
}

static void hidden_characters_are_shown(void **state)
{
	struct span s = SPAN_LIT("a\x1b[31mb\n\tc\r\x7f\xc2\x9b"
				 "d\xe2\x80\xae"
				 "e\xef\xbb\xbf\xf3\xa0\x81\x81");

	(void)state;
	assert_put(s, PRINTABLE_LINE, "a\\x1b[31mb\\n\\tc\\r\\x7f\\x9bd\\u202ee\\ufeff\\ue0041");
	assert_put(s, PRINTABLE_TEXT, "a\\x1b[31mb\n\tc\\r\\x7f\\x9bd\\u202ee\\ufeff\\ue0041");
	assert_put(SPAN_LIT("{\"a\":\"\x7f\xc2\x85\xe2\x81\xa6\xf3\xa0\x81\x81\"}\n"),
		PRINTABLE_JSON, "{\"a\":\"\\u007f\\u0085\\u2066\\udb40\\udc41\"}\n");
	assert_put(SPAN_LIT("\0"), PRINTABLE_LINE, "\\x00");
}

static void readable_text_stays(void **state)
{
	const char *text =
		"plain, caf\xc3\xa9, \xe6\x97\xa5\xe6\x9c\xac, \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \\n";

	(void)state;
	assert_put(span_str(text), PRINTABLE_LINE, text);
	assert_put(span_str(text), PRINTABLE_JSON, text);
	assert_put(SPAN_NONE, PRINTABLE_LINE, "");
}

static void bad_bytes_are_replaced(void **state)
{
	(void)state;
	assert_put(SPAN_LIT("a\xff\xc3(\xed\xa0\x80"), PRINTABLE_LINE,
		"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_put(SPAN_LIT("\xef\xbf\xbd"), PRINTABLE_LINE, "\xef\xbf\xbd");
}

/* Whatever goes in: no byte of a control character or of a hidden code point comes out. */
static void no_code_point_slips_through(void **state)
{
	(void)state;
	for (uint32_t cp = 0; cp < 0x110000; cp += cp < 0x11000 || cp >= 0xe0000 ? 1 : 257) {
		uint8_t in[UTF8_BYTES_MAX];
		uint32_t back = 0;

		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		buf_reset(&out);
		printable_put(span_of(in, utf8_put(in, cp)), PRINTABLE_LINE, &out);
		for (size_t i = 0; i < out.len;) {
			i += utf8_next(out.p + i, out.len - i, &back);
			assert_false(printable_hidden(back));
		}
		if (!printable_hidden(cp))
			assert_int_equal(back, cp);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden_characters_are_shown),
		cmocka_unit_test(readable_text_stays),
		cmocka_unit_test(bad_bytes_are_replaced),
		cmocka_unit_test(no_code_point_slips_through),
	};
	int rc;

	buf_init(&out, 1 << 20);
	rc = cmocka_run_group_tests_name("printable", tests, NULL, NULL);
	buf_fini(&out);
	return rc;
}
