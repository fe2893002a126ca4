/*
 * Goal: msgpack and events are written as the JSON their header promises; damage is refused and
 *       leaves the buffer as it was.
 * Method: tables; every prefix, every size of buffer, every position of a special byte in a string.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/json_out.h"
#include "proto/wire/json_scan_int.h"

static struct buf out;

static int setup(void **state)
{
	(void)state;
	buf_init(&out, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static int value_out(struct span mp)
{
	uint8_t *copy = malloc(mp.n ? mp.n : 1);
	int rc;

	assert_non_null(copy);
	if (mp.n)
		memcpy(copy, mp.p, mp.n);
	rc = json_out_value(span_of(copy, mp.n), &out);
	free(copy);
	return rc;
}

static void assert_text(const char *want)
{
	assert_int_equal(out.err, 0);
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.p, want);
}

static void assert_becomes(struct span mp, const char *want)
{
	buf_reset(&out);
	assert_int_equal(value_out(mp), 0);
	assert_text(want);
}

static void assert_refuses(struct span mp, int code)
{
	buf_reset(&out);
	buf_put_str(&out, "kept");
	assert_int_equal(value_out(mp), code);
	assert_text("kept");
}

#define BECOMES(mp, want) assert_becomes(SPAN_LIT(mp), want)
#define REFUSES(mp, code) assert_refuses(SPAN_LIT(mp), code)

static void scalars(void **state)
{
	(void)state;
	BECOMES("\xc0", "null");
	BECOMES("\xc2", "false");
	BECOMES("\xc3", "true");
	BECOMES("\x7f", "127");
	BECOMES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
	BECOMES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808");
	BECOMES("\xe0", "-32");
	BECOMES("\xca\x3f\x80\x00\x00", "1.0");
	BECOMES("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1");
	BECOMES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null");
	BECOMES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null");
	BECOMES("\xa0", "\"\"");
	BECOMES("\xa3"
		"abc",
		"\"abc\"");
}

static void strings_are_escaped_exactly(void **state)
{
	(void)state;
	BECOMES("\xa8\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
	BECOMES("\xa4\x00\x0b\x1f\x7f", "\"\\u0000\\u000b\\u001f\x7f\"");
	BECOMES("\xa9\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	BECOMES("\xa3"
		"a\xff"
		"b",
		"\"a\xef\xbf\xbd"
		"b\"");
	BECOMES("\xa5\xe2\x82\"\xed\xa0", "\"\xef\xbf\xbd\\\"\xef\xbf\xbd\xef\xbf\xbd\"");
	BECOMES("\xa2\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void a_special_byte_is_seen_wherever_it_is(void **state)
{
	(void)state;
	for (size_t n = 1; n < 40; n++)
		for (size_t at = 0; at < n; at++) {
			char text[40], want[64] = "\"";

			memset(text, 'x', n);
			text[at] = '\n';
			memset(want + 1, 'x', n + 1);
			memcpy(want + 1 + at, "\\n", 2);
			memcpy(want + n + 2, "\"", 2);
			buf_reset(&out);
			json_out_string(span_of(text, n), &out);
			assert_text(want);
			buf_reset(&out);
			json_out_escaped(span_of(text, n), &out);
			want[n + 2] = 0;
			assert_text(want + 1);
		}
	buf_reset(&out);
	json_out_string(SPAN_NONE, &out);
	assert_text("\"\"");
}

/* Whatever the processor has: sixteen bytes at once say what twice eight say, and what each byte says. */
static void all_widths_of_the_scan_agree(void **state)
{
	uint8_t text[16];
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		unsigned high = 0, high8 = 0, mask = 0, mask8 = 0, plain = 0;

		for (int i = 0; i < 16; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			/* Mostly letters, so that single finds are common; all values come. */
			text[i] = round % 3 ? (uint8_t)("abcx \"\\\x1f\x20\x21\x23\x5b\x5d\x7f\x80z"
							      [seed >> 60])
					    : (uint8_t)(seed >> 56);
			plain |= (unsigned)!json_scan_plain(text[i]) << i;
		}
		for (unsigned i = 0; i < 16; i += JSON_SCAN_STEP)
			mask |= json_scan_mask(text + i, &high) << i;
		for (unsigned i = 0; i < 16; i += JSON_SCAN_WORD_STEP)
			mask8 |= json_scan_mask_word(text + i, &high8) << i;
		assert_int_equal(mask, plain);
		assert_int_equal(mask8, plain);
		assert_int_equal(high != 0, high8 != 0);
	}
}

static void bytes_become_base64(void **state)
{
	(void)state;
	BECOMES("\xc4\x00", "\"\"");
	BECOMES("\xc4\x01"
		"f",
		"\"Zg==\"");
	BECOMES("\xc4\x02"
		"fo",
		"\"Zm8=\"");
	BECOMES("\xc4\x03"
		"foo",
		"\"Zm9v\"");
	BECOMES("\xc4\x04"
		"foob",
		"\"Zm9vYg==\"");
	BECOMES("\xc4\x05"
		"fooba",
		"\"Zm9vYmE=\"");
	BECOMES("\xc4\x06"
		"foobar",
		"\"Zm9vYmFy\"");
	BECOMES("\xc4\x03\xfb\xff\xfe", "\"+//+\"");
}

static void times_in_ext_are_told_and_others_kept(void **state)
{
	(void)state;
	BECOMES("\xd7\x00\x66\xb9\x4d\x00\x3b\x9a\xc9\xff", "\"2024-08-11T23:45:04.999999999Z\"");
	BECOMES("\xc7\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\"1970-01-01T00:00:00Z\"");
	BECOMES("\xd6\xff\x00\x00\x00\x01", "\"1970-01-01T00:00:01Z\"");
	BECOMES("\xd7\xff\x77\x35\x94\x00\x00\x00\x00\x01", "\"1970-01-01T00:00:01.5Z\"");
	BECOMES("\xc7\x0c\xff\x1d\xcd\x65\x00\xff\xff\xff\xff\xff\xff\xff\xff",
		"\"1969-12-31T23:59:59.5Z\"");
	/* No nanoseconds, or no time that 64 bits of them hold. */
	BECOMES("\xd7\x00\x00\x00\x00\x00\x3b\x9a\xca\x00",
		"{\"ext\":0,\"data\":\"AAAAADuaygA=\"}");
	BECOMES("\xc7\x0c\xff\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff",
		"{\"ext\":-1,\"data\":\"AAAAAH//////////\"}");
	BECOMES("\xd4\x05\x41", "{\"ext\":5,\"data\":\"QQ==\"}");
	BECOMES("\xd6\x00\x01\x02\x03\x04", "{\"ext\":0,\"data\":\"AQIDBA==\"}");
}

static void arrays_and_maps(void **state)
{
	(void)state;
	BECOMES("\x90", "[]");
	BECOMES("\x80", "{}");
	BECOMES("\x93\x01\x92\x02\x80\xa1x", "[1,[2,{}],\"x\"]");
	BECOMES("\x82\xa1"
		"a\x81\xa1"
		"b\x90\xa1"
		"a\xc0",
		"{\"a\":{\"b\":[]},\"a\":null}");
	BECOMES("\xdc\x00\x01\xdf\x00\x00\x00\x01\xa0\xc2", "[{\"\":false}]");
}

static void keys_that_are_no_strings_become_their_text(void **state)
{
	(void)state;
	BECOMES("\x86\x01\x01\xff\x02\xc0\x03\xc3\x04\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x05\xc4\x01"
		"f\x06",
		"{\"1\":1,\"-1\":2,\"null\":3,\"true\":4,\"1.5\":5,\"Zg==\":6}");
	BECOMES("\x81\xd6\xff\x00\x00\x00\x01\x01", "{\"1970-01-01T00:00:01Z\":1}");
	BECOMES("\x81\x92\x01\xa1\"\x02", "{\"[1,\\\"\\\\\\\"\\\"]\":2}");
	BECOMES("\x81\x81\xa1"
		"a\x90\x90",
		"{\"{\\\"a\\\":[]}\":[]}");
	BECOMES("\x82\xd4\x05\x41\x01\x80\x02",
		"{\"{\\\"ext\\\":5,\\\"data\\\":\\\"QQ==\\\"}\":1,\"{}\":2}");
	BECOMES("\x81\x81\x81\x01\x02\x03\x04", "{\"{\\\"{\\\\\\\"1\\\\\\\":2}\\\":3}\":4}");
	BECOMES("\x81\x81\x81\x80\x01\x02\x03", "{\"{\\\"{\\\\\\\"{}\\\\\\\":1}\\\":2}\":3}");
	REFUSES("\x81\x81\x81\x81\x80\x00\x00\x00\x00", ERR_DEPTH);
	/* As many as one likes beside each other. */
	BECOMES("\x85\x80\x00\x80\x00\x80\x00\x80\x00\x80\x00",
		"{\"{}\":0,\"{}\":0,\"{}\":0,\"{}\":0,\"{}\":0}");
}

static void damage_is_refused(void **state)
{
	(void)state;
	REFUSES("", ERR_TRUNCATED);
	REFUSES("\xc1", ERR_SYNTAX);
	REFUSES("\x01\x02", ERR_CORRUPT);
	REFUSES("\x93\x01\x02", ERR_TRUNCATED);
	REFUSES("\xdd\xff\xff\xff\xff\x01", ERR_TRUNCATED);
	REFUSES("\xdf\xff\xff\xff\xff", ERR_TRUNCATED);
	REFUSES("\xdb\xff\xff\xff\xff"
		"abc",
		ERR_TRUNCATED);
	REFUSES("\x81\xa1"
		"a\xc1",
		ERR_SYNTAX);
}

static void every_prefix_is_cut_short(void **state)
{
	static const char mp[] = "\x84\xa1"
				 "a\x92\xcd\x01\x00\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\x01\xa0"
				 "\x80\x90\xd7\x00\x66\xb9\x4d\x00\x3b\x9a\xc9\xff\xc4\x03"
				 "foo";

	(void)state;
	for (size_t n = 0; n < sizeof mp - 1; n++)
		assert_refuses(span_of(mp, n), ERR_TRUNCATED);
	buf_reset(&out);
	assert_int_equal(value_out(SPAN_LIT(mp)), 0);
}

static void depth_is_limited(void **state)
{
	uint8_t mp[LIMIT_DEPTH + 1];

	(void)state;
	memset(mp, 0x91, sizeof mp);
	mp[LIMIT_DEPTH] = 0x90;
	assert_refuses(span_of(mp, sizeof mp), ERR_DEPTH);
	buf_reset(&out);
	assert_int_equal(value_out(span_of(mp + 1, sizeof mp - 1)), 0);
	assert_int_equal(out.len, 2 * LIMIT_DEPTH);
}

static void a_buffer_of_any_size_is_enough_or_refused(void **state)
{
	struct span mp = SPAN_LIT("\x85\xa1"
				  "a\x93\x01\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa2\n\xff\x80\x90"
				  "\xd7\x00\x66\xb9\x4d\x00\x3b\x9a\xc9\xff\xc4\x03"
				  "foo\x01\x02\xd4\x05\x41\xc2");
	size_t whole;

	(void)state;
	buf_reset(&out);
	assert_int_equal(json_out_value(mp, &out), 0);
	whole = out.len;
	for (size_t max = 0; max <= whole + JSON_OUT_KEY_NEST_MAX + 40; max++) {
		struct buf small;
		int rc;

		buf_init(&small, max);
		rc = json_out_value(mp, &small);
		if (rc == 0) {
			assert_int_equal(small.len, whole);
			assert_memory_equal(small.p, out.p, whole);
		} else {
			assert_true(max < whole + 40);
			assert_int_equal(rc, ERR_LIMIT);
			assert_int_equal(small.len, 0);
		}
		assert_int_equal(small.err, 0);
		buf_fini(&small);
	}
}

/* ---- events ---- */

static struct event full_event(void)
{
	struct event ev = {
		.id = 42,
		.time_ns = INT64_C(1723419904999999999),
		.received_ns = INT64_C(1723419905000000000),
		.severity = EVENT_SEVERITY_ERROR,
		.metadata = SPAN_LIT("\x82\xa4"
				     "code\xcd\x01\xf4\xa5"
				     "stack\x90"),
	};

	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ev.text[i] = span_str(event_text_name((enum event_text)i));
	return ev;
}

static void an_event_has_its_fields_in_order(void **state)
{
	struct event ev = full_event();

	(void)state;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	assert_text("{\"id\":42,\"timestamp\":\"2024-08-11T23:45:04.999999999Z\","
		    "\"received\":\"2024-08-11T23:45:05Z\",\"event_type\":\"event_type\","
		    "\"severity\":\"error\",\"entity_type\":\"entity_type\","
		    "\"entity_id\":\"entity_id\",\"user_id\":\"user_id\","
		    "\"description\":\"description\",\"ip_address\":\"ip_address\","
		    "\"user_agent\":\"user_agent\",\"service\":\"service\",\"host\":\"host\","
		    "\"metadata\":{\"code\":500,\"stack\":[]}}");
}

static void absent_is_not_empty(void **state)
{
	struct event ev = { .severity = EVENT_SEVERITY_INFO };

	(void)state;
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("");
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	assert_text(
		"{\"id\":0,\"timestamp\":\"1970-01-01T00:00:00Z\","
		"\"received\":\"1970-01-01T00:00:00Z\",\"severity\":\"info\",\"user_id\":\"\"}");
}

static void large_ids_are_strings(void **state)
{
	struct event ev = { .id = (UINT64_C(1) << 53) - 1 };

	(void)state;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	assert_memory_equal(out.p, "{\"id\":9007199254740991,", 23);
	ev.id++;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	assert_memory_equal(out.p, "{\"id\":\"9007199254740992\",", 25);
	ev.id = UINT64_MAX;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	assert_memory_equal(out.p, "{\"id\":\"18446744073709551615\",", 29);
}

static void flags_are_words(void **state)
{
	struct event ev = { .flags = EVENT_FLAG_TIME_ODD | EVENT_FLAG_CUT };
	static const char want[] = ",\"flags\":[\"time_odd\",\"cut\"]}";

	(void)state;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	assert_memory_equal(out.p + out.len - strlen(want), want, strlen(want));
	/* A flag of a newer version is not known by name. */
	ev.flags = 0x80;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	assert_memory_equal(out.p + out.len - 20, "verity\":\"emergency\"}", 20);
}

/* The names are written as constants, with more bytes than count. */
static void every_severity_has_its_name(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_SEVERITY_COUNT; i++) {
		struct event ev = { .severity = (uint8_t)i };
		char want[64];
		int n = snprintf(want, sizeof want, ",\"severity\":\"%s\"}",
			event_severity_name((enum event_severity)i));

		buf_reset(&out);
		assert_int_equal(json_out_event(&ev, &out), 0);
		assert_true(out.len > (size_t)n);
		assert_memory_equal(out.p + out.len - n, want, n);
	}
}

/* Whichever field it is that must be escaped, the fields around it stand as they are. */
static void any_field_may_need_escapes(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		struct event ev = full_event();
		char plain[2048], *at;
		struct buf small;

		ev.text[i] = SPAN_LIT("@");
		buf_reset(&out);
		assert_int_equal(json_out_event(&ev, &out), 0);
		buf_put_u8(&out, 0);
		strcpy(plain, (const char *)out.p);
		ev.text[i] = SPAN_LIT("\n\xff\xc3\xa9");
		buf_init(&small, 1 << 16);
		assert_int_equal(json_out_event(&ev, &small), 0);
		at = strchr(plain, '@');
		assert_non_null(at);
		assert_memory_equal(small.p, plain, at - plain);
		assert_memory_equal(small.p + (at - plain), "\\n\xef\xbf\xbd\xc3\xa9", 7);
		assert_int_equal(small.len, strlen(plain) + 6);
		assert_memory_equal(small.p + (at - plain) + 7, at + 1, strlen(at + 1));
		buf_fini(&small);
	}
}

/* Pairs that are written at once, and those that are not, side by side. */
static void maps_of_all_kinds_of_pairs(void **state)
{
	(void)state;
	BECOMES("\x88\xa1"
		"a\xa1x\xa1\"\x01\xa1"
		"b\xa1\n\xa1"
		"c\x91\x02\xa1"
		"d\xc0\xa1"
		"e\xc3\xa1"
		"f\xc2\x01\xa1z",
		"{\"a\":\"x\",\"\\\"\":1,\"b\":\"\\n\",\"c\":[2],\"d\":null,\"e\":true,"
		"\"f\":false,\"1\":\"z\"}");
	BECOMES("\x84\xa1"
		"a\xd0\x80\xa1"
		"b\xca\x3f\x80\x00\x00\xa1"
		"c\x81\xa1"
		"d\xd9\x02ok\xa1"
		"e\xc4\x01"
		"f",
		"{\"a\":-128,\"b\":1.0,\"c\":{\"d\":\"ok\"},\"e\":\"Zg==\"}");
}

static void damaged_metadata_costs_only_itself(void **state)
{
	struct event ev = { .metadata = SPAN_LIT("\x82\xa1") };
	static const char want[] = ",\"metadata\":null}";

	(void)state;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), JSON_OUT_DAMAGED);
	assert_memory_equal(out.p + out.len - strlen(want), want, strlen(want));
}

static void metadata_may_be_ready(void **state)
{
	struct event ev = full_event();
	struct json_out_memo memo = { .time = { .text = "" } };
	struct buf want;

	(void)state;
	buf_init(&want, 1 << 20);
	assert_int_equal(json_out_event(&ev, &want), 0);
	ev.metadata = SPAN_LIT("{\"code\":500,\"stack\":[]}");
	buf_reset(&out);
	assert_int_equal(json_out_event_ready(&ev, &memo, &out), 0);
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.p, want.p, want.len);
	for (size_t max = 0; max < want.len; max++) {
		struct buf small;

		buf_init(&small, max);
		assert_int_equal(json_out_event_ready(&ev, &memo, &small), ERR_LIMIT);
		assert_int_equal(small.len, 0);
		buf_fini(&small);
	}
	buf_fini(&want);
}

static void an_event_that_does_not_fit_leaves_nothing(void **state)
{
	struct event ev = full_event();
	size_t whole;

	(void)state;
	buf_reset(&out);
	assert_int_equal(json_out_event(&ev, &out), 0);
	whole = out.len;
	for (size_t max = 0; max < whole; max++) {
		struct buf small;

		buf_init(&small, max);
		assert_int_equal(json_out_event(&ev, &small), ERR_LIMIT);
		assert_int_equal(small.len, 0);
		assert_int_equal(small.err, 0);
		buf_fini(&small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars),
		cmocka_unit_test(strings_are_escaped_exactly),
		cmocka_unit_test(a_special_byte_is_seen_wherever_it_is),
		cmocka_unit_test(all_widths_of_the_scan_agree),
		cmocka_unit_test(bytes_become_base64),
		cmocka_unit_test(times_in_ext_are_told_and_others_kept),
		cmocka_unit_test(arrays_and_maps),
		cmocka_unit_test(keys_that_are_no_strings_become_their_text),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(every_prefix_is_cut_short),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(a_buffer_of_any_size_is_enough_or_refused),
		cmocka_unit_test(an_event_has_its_fields_in_order),
		cmocka_unit_test(absent_is_not_empty),
		cmocka_unit_test(large_ids_are_strings),
		cmocka_unit_test(flags_are_words),
		cmocka_unit_test(every_severity_has_its_name),
		cmocka_unit_test(any_field_may_need_escapes),
		cmocka_unit_test(maps_of_all_kinds_of_pairs),
		cmocka_unit_test(damaged_metadata_costs_only_itself),
		cmocka_unit_test(metadata_may_be_ready),
		cmocka_unit_test(an_event_that_does_not_fit_leaves_nothing),
	};

	return cmocka_run_group_tests_name("json_out", tests, setup, teardown);
}
