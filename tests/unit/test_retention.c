/* Goal: what is dropped, in which order and why, by a clock that the test holds. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "storage/retention.h"

#define DAY (INT64_C(86400) * CLOCK_NS_PER_SEC)
/* 2026-11-20T00:00:00Z */
#define NOW (INT64_C(1795132800) * CLOCK_NS_PER_SEC)

#define ITEM(n, t, b)                                     \
	{                                                 \
		.no = (n), .newest_ns = (t), .bytes = (b) \
	}

static struct retention_rules rules(int64_t keep_ns, uint64_t bytes_max)
{
	struct retention_rules r = { .keep_ns = keep_ns, .bytes_max = bytes_max };

	clock_fake(NOW, 0);
	r.now_ns = clock_wall_ns();
	clock_real();
	return r;
}

static void no_rule_keeps_all(void **state)
{
	struct retention_item items[] = { ITEM(1, INT64_MIN, UINT64_MAX),
		ITEM(2, NOW, UINT64_MAX) };
	struct retention_rules r = rules(0, 0);
	struct retention_total t;

	(void)state;
	assert_int_equal(retention_choose(&r, items, 2, &t), 0);
	assert_int_equal(t.kept_count, 2);
	assert_true(t.kept_bytes == UINT64_MAX);
	assert_int_equal(retention_choose(&r, items, 0, &t), 0);
	assert_int_equal(t.kept_count, 0);
}

static void age_is_that_of_the_newest_event(void **state)
{
	struct retention_item items[] = {
		ITEM(1, NOW - 90 * DAY, 5),
		ITEM(2, NOW - 90 * DAY - 1, 7),
		ITEM(3, NOW + 400 * DAY, 1),
		ITEM(4, INT64_MIN, 2),
	};
	struct retention_rules r = rules(90 * DAY, 0);
	struct retention_total t;

	(void)state;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[0].verdict, RETENTION_KEEP);
	assert_int_equal(items[1].verdict, RETENTION_AGE);
	assert_int_equal(items[2].verdict, RETENTION_KEEP);
	assert_int_equal(items[3].verdict, RETENTION_AGE);
	assert_int_equal(t.age_count, 2);
	assert_int_equal(t.age_bytes, 9);
	assert_int_equal(t.kept_bytes, 6);
}

static void size_takes_the_oldest(void **state)
{
	struct retention_item items[] = {
		ITEM(4, NOW - 1 * DAY, 100),
		ITEM(2, NOW - 3 * DAY, 100),
		ITEM(3, NOW - 3 * DAY, 100),
		ITEM(1, NOW - 2 * DAY, 100),
	};
	struct retention_rules r = rules(0, 250);
	struct retention_total t;

	(void)state;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[0].verdict, RETENTION_KEEP);
	assert_int_equal(items[1].verdict, RETENTION_SIZE);
	assert_int_equal(items[1].over_bytes, 150);
	assert_int_equal(items[2].verdict, RETENTION_SIZE);
	assert_int_equal(items[2].over_bytes, 50);
	assert_int_equal(items[3].verdict, RETENTION_KEEP);
	assert_int_equal(t.size_bytes, 200);
	r.bytes_max = 400;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(t.kept_count, 4);
	r.bytes_max = 399;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(t.kept_count, 3);
}

static void age_frees_room_for_size(void **state)
{
	struct retention_item items[] = { ITEM(1, NOW - 9 * DAY, 300),
		ITEM(2, NOW - 3 * DAY, 100) };
	struct retention_rules r = rules(5 * DAY, 150);
	struct retention_total t;

	(void)state;
	assert_int_equal(retention_choose(&r, items, 2, &t), 0);
	assert_int_equal(items[0].verdict, RETENTION_AGE);
	assert_int_equal(items[1].verdict, RETENTION_KEEP);
	assert_int_equal(t.age_count, 1);
	assert_int_equal(t.size_count, 0);
}

static void reasons_are_told(void **state)
{
	struct retention_item items[] = { ITEM(1, NOW - 9 * DAY, 300),
		ITEM(2, NOW - 7200 * CLOCK_NS_PER_SEC, 200) };
	struct retention_rules r = rules(5 * DAY, 150);
	struct retention_total t;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(retention_choose(&r, items, 2, &t), 0);
	retention_explain(&r, &items[0], &b);
	buf_put(&b, "", 1);
	assert_string_equal(
		(char *)b.p, "newest event 2026-11-11T00:00:00Z is 9 d old, keep is 5 d");
	buf_reset(&b);
	retention_explain(&r, &items[1], &b);
	buf_put(&b, "", 1);
	assert_string_equal((char *)b.p,
		"newest event 2026-11-19T22:00:00Z is 2 h old, keep is 5 d; "
		"oldest while 50 bytes above the size of 150");
	buf_fini(&b);
}

static void odd_times(void **state)
{
	(void)state;
	assert_true(retention_time_odd(0, NOW));
	assert_true(retention_time_odd(NOW + 367 * DAY, NOW));
	assert_true(retention_time_odd(INT64_MIN, NOW));
	assert_false(retention_time_odd(NOW, NOW));
	assert_false(retention_time_odd(NOW - 20 * 365 * DAY, NOW));
	assert_false(retention_time_odd(INT64_MAX, INT64_MAX - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rule_keeps_all),
		cmocka_unit_test(age_is_that_of_the_newest_event),
		cmocka_unit_test(size_takes_the_oldest),
		cmocka_unit_test(age_frees_room_for_size),
		cmocka_unit_test(reasons_are_told),
		cmocka_unit_test(odd_times),
	};

	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
