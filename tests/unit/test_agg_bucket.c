/*
 * Goal: every time lies in one bucket, buckets follow one another without gaps, begin where people expect
 * them to, and neither the ends of an int64 nor an offset breaks that; the automatic width is the smallest
 * handy one that fits.
 * Method: known dates, and seeded times and widths against the definition.
 */
#include "tests/support/check_cmocka.h"

#include "proto/base/clock.h"
#include "proto/base/timefmt.h"
#include "query/agg_bucket.h"

#define HOUR (3600 * CLOCK_NS_PER_SEC)
#define DAY  (24 * HOUR)

static uint64_t seed = 20261130;

static uint64_t rnd(void)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return seed ^ seed >> 29;
}

static int64_t at(const char *text)
{
	struct timefmt t;

	assert_int_equal(timefmt_parse(span_str(text), &t), 0);
	return t.ns;
}

static void expect(int64_t width, int64_t zone, const char *time, const char *begin)
{
	struct agg_bucket b = agg_bucket_of(width, zone);

	assert_int_equal(agg_bucket_begin(&b, agg_bucket_index(&b, at(time))), at(begin));
}

static void known_dates(void **state)
{
	(void)state;
	expect(HOUR, 0, "2026-11-20T14:59:59.999999999Z", "2026-11-20T14:00:00Z");
	expect(HOUR, 0, "1969-12-31T23:59:59.9Z", "1969-12-31T23:00:00Z");
	expect(15 * HOUR / 60, 0, "2026-11-20T14:46:00Z", "2026-11-20T14:45:00Z");
	expect(DAY, 0, "2024-02-29T23:00:00Z", "2024-02-29T00:00:00Z");
	expect(DAY, 2 * HOUR, "2024-02-29T23:00:00Z", "2024-02-29T22:00:00Z");
	expect(DAY, -(11 * HOUR / 2), "2024-02-29T03:00:00Z", "2024-02-28T05:30:00Z");
	expect(HOUR, 11 * HOUR / 2, "2024-02-29T03:10:00Z", "2024-02-29T02:30:00Z");
	/* Mondays: of 1970, of 2026, and before the epoch. */
	expect(7 * DAY, 0, "1970-01-05T00:00:00Z", "1970-01-05T00:00:00Z");
	expect(7 * DAY, 0, "1970-01-04T23:59:59Z", "1969-12-29T00:00:00Z");
	expect(7 * DAY, 0, "2026-11-22T12:00:00Z", "2026-11-16T00:00:00Z");
	expect(7 * DAY, -5 * HOUR, "2026-11-23T04:59:59Z", "2026-11-16T05:00:00Z");
}

static void every_time(void **state)
{
	static const int64_t ends[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1,
		INT64_MAX };

	(void)state;
	for (int i = 0; i < 200000; i++) {
		int64_t width = (int64_t)(rnd() >> (2 + rnd() % 61)) + 1;
		int64_t zone = ((int64_t)(rnd() % 47) - 23) * HOUR;
		int64_t t = i % 3 ? (int64_t)rnd() : ends[rnd() % 7], n;
		struct agg_bucket b;

		if (width > AGG_BUCKET_NS_MAX)
			width = AGG_BUCKET_NS_MAX;
		if (width < DAY)
			zone = zone % width ? 0 : zone;
		b = agg_bucket_of(width, zone);
		n = agg_bucket_index(&b, t);
		/* Numbers of buckets end where an int64 does: then the last one is open. */
		if (n == INT64_MAX || n == INT64_MIN)
			continue;
		assert_true(agg_bucket_begin(&b, n) <= t);
		assert_true(agg_bucket_end(&b, n) >= t);
		if (agg_bucket_end(&b, n) < INT64_MAX) {
			assert_int_equal(agg_bucket_begin(&b, n + 1), agg_bucket_end(&b, n) + 1);
			assert_int_equal(agg_bucket_index(&b, agg_bucket_end(&b, n) + 1), n + 1);
		}
		if (agg_bucket_begin(&b, n) > INT64_MIN)
			assert_int_equal(agg_bucket_index(&b, agg_bucket_begin(&b, n) - 1), n - 1);
	}
}

static int64_t count(int64_t width, int64_t from, int64_t to)
{
	struct agg_bucket b = agg_bucket_of(width, 0);

	return agg_bucket_index(&b, to) - agg_bucket_index(&b, from) + 1;
}

static void automatic(void **state)
{
	int64_t day = at("2026-11-20");

	(void)state;
	assert_int_equal(agg_bucket_auto(day, day + DAY - 1, 24, 0), HOUR);
	assert_int_equal(agg_bucket_auto(day, day + DAY, 24, 0), 2 * HOUR);
	assert_int_equal(agg_bucket_auto(day, day + 30 * DAY - 1, 100, 0), 12 * HOUR);
	assert_int_equal(agg_bucket_auto(day, day, 4, 0), 1000);
	assert_int_equal(
		agg_bucket_auto(day, day + 60 * CLOCK_NS_PER_SEC - 1, 60, 0), CLOCK_NS_PER_SEC);
	for (int i = 0; i < 20000; i++) {
		int64_t from = (int64_t)rnd(), to = (int64_t)(rnd() >> rnd() % 60), width;
		uint32_t most = AGG_BUCKET_AUTO_MIN + (uint32_t)(rnd() % 500);

		if (__builtin_add_overflow(from, to & INT64_MAX, &to))
			to = INT64_MAX;
		width = agg_bucket_auto(from, to, most, 0);
		assert_true(count(width, from, to) <= most);
		if (width > 1000 && width <= 365 * DAY)
			assert_true(count(width / 10, from, to) > most);
	}
	assert_true(count(agg_bucket_auto(INT64_MIN, INT64_MAX, 4, 0), INT64_MIN, INT64_MAX) <= 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_dates),
		cmocka_unit_test(every_time),
		cmocka_unit_test(automatic),
	};

	return cmocka_run_group_tests_name("agg_bucket", tests, NULL, NULL);
}
