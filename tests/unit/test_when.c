/* Goal: the time words of journalctl mean what they mean there, in UTC and in a zone with summer time. */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/base/when.h"

#define SEC  CLOCK_NS_PER_SEC
#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)

/* 2026-11-20T19:06:00.5Z, a Friday */
#define NOW (INT64_C(1795201560) * SEC + SEC / 2)

static int64_t utc(const char *text)
{
	struct timefmt t;

	assert_int_equal(timefmt_parse(span_str(text), &t), 0);
	return t.ns;
}

static struct when meant(const char *text, enum when_zone zone)
{
	struct diag d = { .text = "" };
	struct when w;

	if (when_parse(span_str(text), zone, NOW, &w, &d) < 0)
		fail_msg("'%s': %s", text, d.text);
	return w;
}

static void words_and_distances(void **state)
{
	static const struct {
		const char *text;
		int64_t ns, unit_ns;
	} cases[] = {
		{ "now", NOW, 1 },
		{ "  now ", NOW, 1 },
		{ "-1h", NOW - HOUR, 1 },
		{ "+5m", NOW + 300 * SEC, 1 },
		{ "-1.5h", NOW - HOUR - HOUR / 2, 1 },
		{ "- 90 s", NOW - 90 * SEC, 1 },
		{ "-1h30min", NOW - HOUR - HOUR / 2, 1 },
		{ "1h ago", NOW - HOUR, 1 },
		{ "1h 30min ago", NOW - HOUR - HOUR / 2, 1 },
		{ "2 days ago", NOW - 2 * DAY, 1 },
		{ "10 min left", NOW + 600 * SEC, 1 },
		{ "1w ago", NOW - 7 * DAY, 1 },
		{ "1M ago", NOW - 2629800 * SEC, 1 },
		{ "1y ago", NOW - 31557600 * SEC, 1 },
		{ "250ms ago", NOW - SEC / 4, 1 },
		{ "7ns ago", NOW - 7, 1 },
		{ "@0", 0, SEC },
		{ "@1700000000.25", INT64_C(1700000000) * SEC + SEC / 4, SEC / 100 },
		{ "@-1.5", -SEC - SEC / 2, SEC / 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct when w = meant(cases[i].text, WHEN_UTC);

		assert_int_equal(w.ns, cases[i].ns);
		assert_int_equal(w.unit_ns, cases[i].unit_ns);
	}
}

static void places_in_the_calendar(void **state)
{
	static const struct {
		const char *text, *same;
		int64_t unit_ns;
	} cases[] = {
		{ "today", "2026-11-20T00:00:00Z", 1 },
		{ "yesterday", "2026-11-19T00:00:00Z", 1 },
		{ "tomorrow", "2026-11-21T00:00:00Z", 1 },
		{ "today 14:00", "2026-11-20T14:00:00Z", 60 * SEC },
		{ "yesterday 9:30", "2026-11-19T09:30:00Z", 60 * SEC },
		{ "tomorrow  14:00:05.5", "2026-11-21T14:00:05.5Z", SEC / 10 },
		{ "14:00", "2026-11-20T14:00:00Z", 60 * SEC },
		{ "14:00:30", "2026-11-20T14:00:30Z", SEC },
		{ "2026-01-02", "2026-01-02T00:00:00Z", DAY },
		{ "2026-01-02 03:04", "2026-01-02T03:04:00Z", 60 * SEC },
		{ "2026-01-02 03:04:05 UTC", "2026-01-02T03:04:05Z", SEC },
		{ "2026-01-02T03:04:05.000000001+01:00", "2026-01-02T02:04:05.000000001Z", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct when w = meant(cases[i].text, WHEN_UTC);

		assert_int_equal(w.ns, utc(cases[i].same));
		assert_int_equal(w.unit_ns, cases[i].unit_ns);
	}
}

/* Method: a zone by rule, so that no zone file is needed: summer time from 29 March to 25 October 2026. */
static void local_zone(void **state)
{
	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_int_equal(meant("today", WHEN_LOCAL).ns, utc("2026-11-19T23:00:00Z"));
	assert_int_equal(meant("14:00", WHEN_LOCAL).ns, utc("2026-11-20T13:00:00Z"));
	assert_int_equal(meant("2026-07-01 14:00", WHEN_LOCAL).ns, utc("2026-07-01T12:00:00Z"));
	assert_int_equal(meant("2026-07-01 14:00Z", WHEN_LOCAL).ns, utc("2026-07-01T14:00:00Z"));
	assert_int_equal(meant("14:00 UTC", WHEN_LOCAL).ns, utc("2026-11-20T14:00:00Z"));
	assert_int_equal(meant("2026-07-01", WHEN_LOCAL).unit_ns, DAY);
	assert_int_equal(meant("2026-03-29", WHEN_LOCAL).unit_ns, 23 * HOUR);
	assert_int_equal(meant("2026-10-25", WHEN_LOCAL).unit_ns, 25 * HOUR);
	assert_int_equal(meant("now", WHEN_LOCAL).ns, NOW);
	/* Half past midnight here is still yesterday in UTC. */
	assert_int_equal(
		meant("1969-12-31 23:30:00.5", WHEN_LOCAL).ns, -3600 * SEC - 1800 * SEC + SEC / 2);
	unsetenv("TZ");
	tzset();
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *hint;
		int rc;
	} cases[] = {
		{ "", "write now", ERR_SYNTAX },
		{ "soon", "'soon'", ERR_SYNTAX },
		{ "1h", "write -1h or '1h ago'", ERR_SYNTAX },
		{ "-1", "write now", ERR_SYNTAX },
		{ "-", "write now", ERR_SYNTAX },
		{ "1 fortnight ago", "write now", ERR_SYNTAX },
		{ "ago", "write now", ERR_SYNTAX },
		{ "today 25:00", "no time", ERR_RANGE },
		{ "2026-02-30", "no time", ERR_RANGE },
		{ "@1e3", "write now", ERR_SYNTAX },
		{ "@", "write now", ERR_SYNTAX },
		{ "@1.1234567890", "write now", ERR_SYNTAX },
		{ "@99999999999", "no time", ERR_RANGE },
		{ "-99999999999999999999h", "no time", ERR_RANGE },
		{ "300y ago", "no time", ERR_RANGE },
		{ "-200y 200y", "no time", ERR_RANGE },
		{ "todaytomorrow", "write now", ERR_SYNTAX },
		{ "::", "write now", ERR_SYNTAX },
	};
	char longest[4096];
	struct when w = { .ns = 42 };
	struct diag d;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int rc = when_parse(span_str(cases[i].text), WHEN_UTC, NOW, &w, &d);

		if (rc != cases[i].rc || !strstr(d.text, cases[i].hint))
			fail_msg("'%s': %d %s", cases[i].text, rc, d.text);
		assert_int_equal(w.ns, 42);
	}
	memset(longest, '1', sizeof longest);
	assert_int_equal(
		when_parse(span_of(longest, sizeof longest), WHEN_UTC, NOW, &w, &d), ERR_SYNTAX);
	assert_int_equal(when_parse(SPAN_NONE, WHEN_UTC, NOW, &w, NULL), ERR_SYNTAX);
}

static void durations(void **state)
{
	int64_t ns = -1;
	struct diag d;

	(void)state;
	assert_int_equal(when_duration(SPAN_LIT("0"), &ns, &d), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(when_duration(SPAN_LIT("90s"), &ns, &d), 0);
	assert_int_equal(ns, 90 * SEC);
	assert_int_equal(when_duration(SPAN_LIT(" 1h 30min "), &ns, &d), 0);
	assert_int_equal(ns, HOUR + HOUR / 2);
	assert_int_equal(when_duration(SPAN_LIT("0.000000001s"), &ns, &d), 0);
	assert_int_equal(ns, 1);
	assert_int_equal(when_duration(SPAN_LIT("90"), &ns, &d), ERR_SYNTAX);
	assert_non_null(strstr(d.text, "a number and a unit"));
	assert_int_equal(when_duration(SPAN_LIT("-1s"), &ns, &d), ERR_SYNTAX);
	assert_int_equal(when_duration(SPAN_LIT(""), &ns, &d), ERR_SYNTAX);
	assert_int_equal(when_duration(SPAN_LIT("9999y"), &ns, &d), ERR_RANGE);
	assert_int_equal(ns, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_distances),
		cmocka_unit_test(places_in_the_calendar),
		cmocka_unit_test(local_zone),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(durations),
	};

	return cmocka_run_group_tests_name("when", tests, NULL, NULL);
}
