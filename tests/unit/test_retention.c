/* Goal: what is dropped, in which order and why, by a clock that the test holds. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "storage/retention.h"

#define DAY (INT64_C(86400) * CLOCK_NS_PER_SEC)
/* 2026-11-20T00:00:00Z */
#define NOW (INT64_C(1795132800) * CLOCK_NS_PER_SEC)

static struct retain_class_rule rule_a = {
	.name = "a", .hold_until_ns = INT64_MIN, .priority = 50
};
static struct retain_class_rule rule_b = {
	.name = "b", .hold_until_ns = INT64_MIN, .priority = 50
};

#define ITEM(n, t, b)                                                      \
	{                                                                  \
		.no = (n), .newest_ns = (t), .bytes = (b), .rule = &rule_a \
	}
#define ITEM_OF(r, n, t, b)                                            \
	{                                                              \
		.no = (n), .newest_ns = (t), .bytes = (b), .rule = (r) \
	}

static struct retention_rules rules(int64_t keep_ns, uint64_t bytes_max)
{
	struct retention_rules r = { .bytes_max = bytes_max };

	rule_a = (struct retain_class_rule){
		.name = "a", .keep_ns = keep_ns, .hold_until_ns = INT64_MIN, .priority = 50
	};
	rule_b = rule_a;
	rule_b.name = "b";
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
	assert_int_equal(t.count[RETENTION_KEEP], 2);
	assert_true(t.bytes[RETENTION_KEEP] == UINT64_MAX);
	assert_int_equal(t.over_bytes, 0);
	assert_int_equal(retention_choose(&r, items, 0, &t), 0);
	assert_int_equal(t.count[RETENTION_KEEP], 0);
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
	assert_int_equal(t.count[RETENTION_AGE], 2);
	assert_int_equal(t.bytes[RETENTION_AGE], 9);
	assert_int_equal(t.bytes[RETENTION_KEEP], 6);
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
	assert_int_equal(t.bytes[RETENTION_SIZE], 200);
	r.bytes_max = 400;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(t.count[RETENTION_KEEP], 4);
	r.bytes_max = 399;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(t.count[RETENTION_KEEP], 3);
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
	assert_int_equal(t.count[RETENTION_AGE], 1);
	assert_int_equal(t.count[RETENTION_SIZE], 0);
}

static void each_class_has_its_own_rules(void **state)
{
	struct retention_item items[] = {
		ITEM_OF(&rule_a, 1, NOW - 9 * DAY, 100),
		ITEM_OF(&rule_b, 2, NOW - 9 * DAY, 100),
		ITEM_OF(&rule_b, 3, NOW - 2 * DAY, 100),
		ITEM_OF(&rule_b, 4, NOW - 1 * DAY, 100),
		ITEM_OF(&rule_a, 5, NOW - 1 * DAY, 1000),
	};
	struct retention_rules r = rules(0, 0);
	struct retention_total t;

	(void)state;
	rule_a.keep_ns = 5 * DAY;
	rule_b.bytes_max = 150;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[0].verdict, RETENTION_AGE);
	assert_int_equal(items[1].verdict, RETENTION_CLASS_SIZE);
	assert_int_equal(items[1].over_bytes, 150);
	assert_int_equal(items[2].verdict, RETENTION_CLASS_SIZE);
	assert_int_equal(items[3].verdict, RETENTION_KEEP);
	assert_int_equal(items[4].verdict, RETENTION_KEEP);
}

static void the_lowest_class_goes_first(void **state)
{
	struct retention_item items[] = {
		ITEM_OF(&rule_a, 1, NOW - 9 * DAY, 100),
		ITEM_OF(&rule_b, 2, NOW - 2 * DAY, 100),
		ITEM_OF(&rule_b, 3, NOW - 1 * DAY, 100),
		ITEM_OF(&rule_a, 4, NOW - 1 * DAY, 100),
	};
	struct retention_rules r = rules(0, 350);
	struct retention_total t;

	(void)state;
	rule_b.priority = 10;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[1].verdict, RETENTION_SIZE);
	assert_int_equal(t.count[RETENTION_SIZE], 1);
	r.bytes_max = 150;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[0].verdict, RETENTION_SIZE);
	assert_int_equal(items[2].verdict, RETENTION_SIZE);
	assert_int_equal(items[3].verdict, RETENTION_KEEP);
	assert_int_equal(t.over_bytes, 0);
}

static void room_is_made_as_asked(void **state)
{
	struct retention_item items[] = {
		ITEM(1, NOW - 9 * DAY, 100),
		ITEM(2, NOW - 2 * DAY, 100),
		ITEM(3, NOW - 1 * DAY, 100),
	};
	struct retention_rules r = rules(5 * DAY, 0);
	struct retention_total t;

	(void)state;
	r.need = 100;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(t.count[RETENTION_AGE], 1);
	assert_int_equal(t.count[RETENTION_SIZE], 0);
	r.need = 101;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[1].verdict, RETENTION_SIZE);
	assert_int_equal(t.count[RETENTION_SIZE], 1);
	r.need = UINT64_MAX;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(t.count[RETENTION_KEEP], 0);
}

static void a_hold_beats_all(void **state)
{
	struct retention_item items[] = {
		ITEM_OF(&rule_a, 1, INT64_MIN, 100),
		ITEM_OF(&rule_b, 2, NOW - 2 * DAY, 100),
		ITEM_OF(NULL, 3, INT64_MIN, 100),
	};
	struct retention_rules r = rules(1 * DAY, 50);
	struct retention_total t;

	(void)state;
	rule_a.hold_until_ns = NOW + 1;
	rule_a.bytes_max = 1;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[0].verdict, RETENTION_HELD);
	assert_int_equal(items[1].verdict, RETENTION_AGE);
	assert_int_equal(items[2].verdict, RETENTION_UNKNOWN);
	assert_int_equal(t.over_bytes, 150);
	rule_a.hold_until_ns = NOW;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_int_equal(items[0].verdict, RETENTION_AGE);
	assert_int_equal(t.over_bytes, 50);
}

static void assert_why(
	const struct retention_rules *r, const struct retention_item *item, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	retention_explain(r, item, &b);
	buf_put_u8(&b, 0);
	assert_string_equal((char *)b.p, want);
	buf_fini(&b);
}

static void reasons_are_told(void **state)
{
	struct retention_item items[] = {
		ITEM(1, NOW - 9 * DAY, 300),
		ITEM(2, NOW - 7200 * CLOCK_NS_PER_SEC, 200),
		ITEM_OF(&rule_b, 3, NOW, 1),
		ITEM_OF(NULL, 4, NOW, 1),
	};
	struct retention_rules r = rules(5 * DAY, 150);
	struct retention_total t;

	(void)state;
	rule_b.hold_until_ns = NOW + DAY;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_why(&r, &items[0], "newest event 2026-11-11T00:00:00Z is 9 d old, keep is 5 d");
	assert_why(&r, &items[1],
		"newest event 2026-11-19T22:00:00Z is 2 h old, keep is 5 d; "
		"oldest of priority 50 while 52 bytes above the size of 150");
	assert_why(&r, &items[2], "class b is on hold until 2026-11-21T00:00:00Z");
	assert_why(&r, &items[3], "its class is not in the configuration");
	rule_b.hold_until_ns = INT64_MAX;
	assert_why(&r, &items[2], "class b is on hold");
	rule_a.bytes_max = 150;
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_why(&r, &items[1],
		"newest event 2026-11-19T22:00:00Z is 2 h old, keep is 5 d; "
		"oldest while class a is 50 bytes above its 150");
	rule_a.bytes_max = 0;
	r = (struct retention_rules){ .now_ns = NOW, .need = 301 };
	assert_int_equal(retention_choose(&r, items, ARRAY_COUNT(items), &t), 0);
	assert_why(&r, &items[1],
		"newest event 2026-11-19T22:00:00Z is 2 h old, keep is 5 d; "
		"next by priority and age while 1 bytes are needed");
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
		cmocka_unit_test(each_class_has_its_own_rules),
		cmocka_unit_test(the_lowest_class_goes_first),
		cmocka_unit_test(room_is_made_as_asked),
		cmocka_unit_test(a_hold_beats_all),
		cmocka_unit_test(reasons_are_told),
		cmocka_unit_test(odd_times),
	};

	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
