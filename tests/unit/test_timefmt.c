/* Goal: times are read strictly, to the nanosecond, and come back as they went in. */
#include "tests/support/check_cmocka.h"

#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"

#define DAY_NS (INT64_C(86400) * CLOCK_NS_PER_SEC)

static int64_t parsed(const char *text)
{
	struct timefmt t;

	assert_int_equal(timefmt_parse(span_str(text), &t), 0);
	return t.ns;
}

static const char *given(int64_t ns)
{
	static struct timefmt_memo memo;
	static char buf[TIMEFMT_BYTES_MAX + 1];
	size_t n = timefmt_put(buf, ns);

	assert_in_range(n, 20, TIMEFMT_BYTES_MAX);
	buf[n] = 0;
	/* The first time of a minute, and one that finds it there. */
	for (int i = 0; i < 2; i++) {
		char again[TIMEFMT_BYTES_MAX];

		assert_int_equal(timefmt_put_memo(again, ns, &memo), n);
		assert_memory_equal(again, buf, n);
	}
	return buf;
}

/* Method: libc's timegm and gmtime_r as the oracle, over every day that fits. */
static void every_day_agrees_with_libc(void **state)
{
	(void)state;
	for (int64_t day = -106751; day <= 106751; day++) {
		time_t s = day * 86400;
		int64_t year;
		unsigned month, mday;
		char text[32];
		struct tm tm;

		assert_non_null(gmtime_r(&s, &tm));
		timefmt_date(day, &year, &month, &mday);
		assert_int_equal(year, tm.tm_year + 1900);
		assert_int_equal(month, tm.tm_mon + 1);
		assert_int_equal(mday, tm.tm_mday);
		assert_int_equal(timefmt_days(year, month, mday), day);
		strftime(text, sizeof text, "%Y-%m-%dT00:00:00Z", &tm);
		assert_string_equal(given(day * DAY_NS), text);
	}
}

static void round_trips(void **state)
{
	static const int64_t edges[] = { 0, 1, -1, 999999999, 1000000000, -1000000000, -999999999,
		INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1 };
	uint64_t x = 88172645463325252;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(edges); i++)
		assert_int_equal(parsed(given(edges[i])), edges[i]);
	for (int i = 0; i < 100000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		assert_int_equal(parsed(given((int64_t)x)), (int64_t)x);
	}
}

static void digits_as_needed(void **state)
{
	char buf[TIMEFMT_BYTES_MAX + 1] = "";

	(void)state;
	assert_string_equal(given(0), "1970-01-01T00:00:00Z");
	assert_string_equal(given(500000000), "1970-01-01T00:00:00.5Z");
	assert_string_equal(given(120000), "1970-01-01T00:00:00.00012Z");
	assert_string_equal(given(1), "1970-01-01T00:00:00.000000001Z");
	assert_string_equal(given(-1), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(given(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
	assert_string_equal(given(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
	buf[timefmt_put_digits(buf, 1999999, 3)] = 0;
	assert_string_equal(buf, "1970-01-01T00:00:00.001Z");
	buf[timefmt_put_digits(buf, 1999999, 0)] = 0;
	assert_string_equal(buf, "1970-01-01T00:00:00Z");
}

static void forms_that_are_taken(void **state)
{
	static const struct {
		const char *text;
		int64_t ns, unit_ns;
		bool zoned;
	} cases[] = {
		{ "1970-01-02", DAY_NS, DAY_NS, false },
		{ "1970-01-01T00:01", 60 * CLOCK_NS_PER_SEC, 60 * CLOCK_NS_PER_SEC, false },
		{ "1970-01-01 00:00:01", CLOCK_NS_PER_SEC, CLOCK_NS_PER_SEC, false },
		{ "1970-01-01t00:00:01z", CLOCK_NS_PER_SEC, CLOCK_NS_PER_SEC, true },
		{ "1970-01-01T00:00:01.5Z", 1500000000, 100000000, true },
		{ "1970-01-01T00:00:01,123456789Z", 1123456789, 1, true },
		{ "1970-01-01T02:00:00+02:00", 0, CLOCK_NS_PER_SEC, true },
		{ "1970-01-01T02:00+0200", 0, 60 * CLOCK_NS_PER_SEC, true },
		{ "1969-12-31T19:30:00-04:30", 0, CLOCK_NS_PER_SEC, true },
		{ "1970-01-01T00:00:00-00:00", 0, CLOCK_NS_PER_SEC, true },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800) * CLOCK_NS_PER_SEC, CLOCK_NS_PER_SEC,
			true },
		{ "1990-12-31T15:59:60.25-08:00", INT64_C(662688000) * CLOCK_NS_PER_SEC + 250000000,
			10000000, true },
		{ "2000-02-29", INT64_C(951782400) * CLOCK_NS_PER_SEC, DAY_NS, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct timefmt t;

		assert_int_equal(timefmt_parse(span_str(cases[i].text), &t), 0);
		assert_int_equal(t.ns, cases[i].ns);
		assert_int_equal(t.unit_ns, cases[i].unit_ns);
		assert_int_equal(t.zoned, cases[i].zoned);
	}
}

static void forms_that_are_refused(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ "", ERR_SYNTAX },
		{ "2024", ERR_SYNTAX },
		{ "2024-1-1", ERR_SYNTAX },
		{ "2024-01-01T", ERR_SYNTAX },
		{ "2024-01-01T10", ERR_SYNTAX },
		{ "2024-01-01T10:00:", ERR_SYNTAX },
		{ "2024-01-01T10:00:00.", ERR_SYNTAX },
		{ "2024-01-01T10:00:00.Z", ERR_SYNTAX },
		{ "2024-01-01T10:00:00.1234567890Z", ERR_SYNTAX },
		{ "2024-01-01  10:00:00", ERR_SYNTAX },
		{ "2024-01-01T10:00:00 Z", ERR_SYNTAX },
		{ "2024-01-01T10:00:00Zx", ERR_SYNTAX },
		{ "2024-01-01T10:00:00+1", ERR_SYNTAX },
		{ "2024-01-01Z", ERR_SYNTAX },
		{ "2024-01-01T1O:00:00Z", ERR_SYNTAX },
		{ "+024-01-01T10:00:00Z", ERR_SYNTAX },
		{ "2024-00-01", ERR_RANGE },
		{ "2024-13-01", ERR_RANGE },
		{ "2024-01-00", ERR_RANGE },
		{ "2023-02-29", ERR_RANGE },
		{ "1900-02-29", ERR_RANGE },
		{ "2024-04-31", ERR_RANGE },
		{ "2024-01-01T24:00:00Z", ERR_RANGE },
		{ "2024-01-01T10:60:00Z", ERR_RANGE },
		{ "2024-01-01T10:00:61Z", ERR_RANGE },
		{ "2024-01-01T10:00:60Z", ERR_RANGE },
		{ "2024-06-29T23:59:60Z", ERR_RANGE },
		{ "2016-12-31T23:59:60+01:00", ERR_RANGE },
		{ "2024-01-01T10:00:00+24:00", ERR_RANGE },
		{ "2024-01-01T10:00:00+01:60", ERR_RANGE },
		{ "0000-01-01", ERR_RANGE },
		{ "9999-12-31T23:59:59Z", ERR_RANGE },
		{ "1677-09-21T00:12:43.145224191Z", ERR_RANGE },
		{ "2262-04-11T23:47:16.854775808Z", ERR_RANGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct timefmt t = { .ns = 42 };

		assert_int_equal(timefmt_parse(span_str(cases[i].text), &t), cases[i].rc);
		assert_int_equal(t.ns, 42);
	}
	assert_int_equal(timefmt_parse(SPAN_NONE, &(struct timefmt){ 0 }), ERR_SYNTAX);
	assert_int_equal(
		timefmt_parse(SPAN_LIT("2024-01-01\0"), &(struct timefmt){ 0 }), ERR_SYNTAX);
}

/* Method: every single byte changed; the parser stays inside and takes only what it gives back. */
static void damage_never_reads_past_the_end(void **state)
{
	static const char good[] = "2024-08-12T23:59:59.123456789+01:00";

	(void)state;
	for (size_t i = 0; i < sizeof good - 1; i++)
		for (int v = 0; v < 256; v++) {
			char *text = test_malloc(sizeof good - 1);
			struct timefmt t;

			memcpy(text, good, sizeof good - 1);
			text[i] = (char)v;
			if (timefmt_parse(span_of(text, sizeof good - 1), &t) == 0)
				assert_int_equal(parsed(given(t.ns)), t.ns);
			timefmt_parse(span_of(text, i), &t);
			test_free(text);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_agrees_with_libc),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(digits_as_needed),
		cmocka_unit_test(forms_that_are_taken),
		cmocka_unit_test(forms_that_are_refused),
		cmocka_unit_test(damage_never_reads_past_the_end),
	};

	return cmocka_run_group_tests_name("timefmt", tests, NULL, NULL);
}
