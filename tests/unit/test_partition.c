/*
 * Goal: rows of few hours get a group for each, rows of many are pooled by the rule in the header, no
 * row is without a group, and the groups count what they are given.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/clock.h"
#include "storage/manifest.h"
#include "storage/partition.h"

#define HOUR (INT64_C(3600) * CLOCK_NS_PER_SEC)

static void add(struct partition *p, int64_t hour, int rows)
{
	for (int i = 0; i < rows; i++)
		assert_int_equal(partition_count(p, hour * HOUR + i, 10), 0);
}

/* Every group's sums, and that each is within the limit. */
static void check_sums(const struct partition *p, uint64_t rows_want)
{
	uint64_t rows = 0;

	assert_in_range(p->groups_count, 1, LIMIT_SEAL_SEGMENTS);
	for (unsigned i = 0; i < p->groups_count; i++) {
		rows += p->groups[i].rows_count;
		assert_int_equal(p->groups[i].bytes, 10 * p->groups[i].rows_count);
	}
	assert_int_equal(rows, rows_want);
}

static void hours_and_days_round_down(void **state)
{
	(void)state;
	assert_int_equal(partition_hour(0), 0);
	assert_int_equal(partition_hour(HOUR - 1), 0);
	assert_int_equal(partition_hour(-1), -1);
	assert_int_equal(partition_hour(-HOUR), -1);
	assert_int_equal(partition_hour(-HOUR - 1), -2);
	assert_int_equal(partition_day(-1), -1);
	assert_int_equal(partition_day(24 * HOUR), 1);
	assert_int_equal(partition_day(INT64_MIN), -106752);
	assert_int_equal(partition_day(INT64_MAX), 106751);
}

static void few_hours_have_their_own(void **state)
{
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, false, 1), 0);
	for (int hour = 0; hour < LIMIT_SEAL_SEGMENTS; hour++)
		add(&p, hour - 3, 1 + hour % 5);
	assert_int_equal(partition_plan(&p), 0);
	assert_int_equal(p.groups_count, LIMIT_SEAL_SEGMENTS);
	for (int hour = 0; hour < LIMIT_SEAL_SEGMENTS; hour++) {
		const struct partition_group *g = &p.groups[partition_of(&p, (hour - 3) * HOUR)];

		assert_int_equal(g->day * 24 + g->hour, hour - 3);
		assert_int_equal(g->rows_count, 1 + hour % 5);
	}
	partition_fini(&p);
}

static void many_hours_are_pooled(void **state)
{
	struct partition p;
	const struct partition_group *g;

	(void)state;
	assert_int_equal(partition_init(&p, false, 1), 0);
	add(&p, 24 * 10 + 7, 500);
	for (int hour = 0; hour < 24 * 20; hour++)
		add(&p, hour, 2);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 500 + 24 * 20 * 2);
	g = &p.groups[partition_of(&p, (24 * 10 + 7) * HOUR)];
	assert_int_equal(g->hour, 7);
	assert_int_equal(g->day, 10);
	g = &p.groups[partition_of(&p, 3 * HOUR)];
	assert_int_equal(g->hour, MANIFEST_HOUR_DAY);
	assert_int_equal(g->day, 0);
	for (unsigned i = 0; i < p.groups_count; i++)
		assert_int_not_equal(p.groups[i].rows_count, 0);
	partition_fini(&p);
}

static void many_days_are_mixed(void **state)
{
	struct partition p;
	unsigned mixed = 0;

	(void)state;
	assert_int_equal(partition_init(&p, false, 1), 0);
	for (int day = -2000; day < 2000; day++)
		add(&p, day * 24, 3);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 4000 * 3);
	assert_int_equal(p.groups_count, LIMIT_SEAL_SEGMENTS);
	for (int day = -2000; day < 2000; day++) {
		const struct partition_group *g = &p.groups[partition_of(&p, day * 24 * HOUR)];

		mixed += g->hour == MANIFEST_HOUR_MIXED;
		if (g->hour != MANIFEST_HOUR_MIXED)
			assert_int_equal(g->day, day);
	}
	assert_int_equal(mixed, 4000 - LIMIT_SEAL_SEGMENTS + 1);
	partition_fini(&p);
}

/* PARTITION_KEYS_MAX is reached: what comes after is mixed, and nothing is lost from the count. */
static void too_many_hours_to_count(void **state)
{
	const int hours = PARTITION_KEYS_MAX + 1000;
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, false, 1), 0);
	for (int hour = 0; hour < hours; hour++)
		add(&p, hour, 1);
	assert_int_equal(p.other_rows, 1000);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, (uint64_t)hours);
	assert_int_equal(p.groups[partition_of(&p, (hours - 1) * HOUR)].hour, MANIFEST_HOUR_MIXED);
	partition_reset(&p);
	add(&p, 5, 4);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 4);
	assert_int_equal(p.groups_count, 1);
	assert_int_equal(partition_of(&p, 5 * HOUR), 0);
	partition_fini(&p);
}

static void small_days_stay_mixed(void **state)
{
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, true, 100), 0);
	add(&p, 3, 60);
	add(&p, 20, 60);
	add(&p, 30, 99);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 219);
	assert_int_equal(p.groups_count, 2);
	assert_int_equal(p.groups[partition_of(&p, 0)].hour, MANIFEST_HOUR_DAY);
	assert_int_equal(p.groups[partition_of(&p, 30 * HOUR)].hour, MANIFEST_HOUR_MIXED);
	partition_fini(&p);
}

static void passes_keep_their_bounds(void **state)
{
	struct partition p;
	unsigned next;

	(void)state;
	assert_int_equal(partition_init(&p, false, 1), 0);
	for (int hour = 0; hour < 40; hour++)
		add(&p, hour, 100);
	assert_int_equal(partition_plan(&p), 0);
	assert_int_equal(partition_pass(&p, 0, 16, UINT64_MAX), 16);
	assert_int_equal(partition_pass(&p, 32, 16, UINT64_MAX), 40);
	assert_int_equal(partition_pass(&p, 5, 16, 3500), 8);
	assert_int_equal(partition_pass(&p, 5, 16, 1), 6);
	for (unsigned at = 0; at < p.groups_count; at = next) {
		next = partition_pass(&p, at, 7, 10000);
		assert_in_range(next, at + 1, at + 7);
	}
	partition_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_and_days_round_down),
		cmocka_unit_test(few_hours_have_their_own),
		cmocka_unit_test(many_hours_are_pooled),
		cmocka_unit_test(many_days_are_mixed),
		cmocka_unit_test(too_many_hours_to_count),
		cmocka_unit_test(small_days_stay_mixed),
		cmocka_unit_test(passes_keep_their_bounds),
	};

	return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
