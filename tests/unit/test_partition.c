/*
 * Goal: rows of few days get a group for each, rows of many are pooled by the rule in the header, no
 * row is without a group or in one of another class, and the groups count what they are given.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/clock.h"
#include "storage/manifest.h"
#include "storage/partition.h"

#define HOUR (INT64_C(3600) * CLOCK_NS_PER_SEC)

enum { HOUR_ROWS = 5000, DAY_ROWS = 100, DAYS_FREE = 8 };

static const struct partition_conf seal = {
	.hour_rows_min = HOUR_ROWS,
	.day_rows_min = DAY_ROWS,
	.days_free = DAYS_FREE,
};

static void add_class(struct partition *p, unsigned class_idx, int64_t hour, int rows)
{
	for (int i = 0; i < rows; i++)
		assert_int_equal(partition_count(p, class_idx, hour * HOUR + i, 10), 0);
}

static void add(struct partition *p, int64_t hour, int rows)
{
	add_class(p, 0, hour, rows);
}

static const struct partition_group *group_of(struct partition *p, unsigned class_idx, int64_t hour)
{
	return &p->groups[partition_of(p, class_idx, hour * HOUR)];
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

static void a_group_for_each_day(void **state)
{
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	for (int hour = 0; hour < 24 * 5; hour++)
		add(&p, hour - 30, 1 + hour % 5);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 24 * 5 * 3);
	assert_int_equal(p.groups_count, 6);
	for (int hour = 0; hour < 24 * 5; hour++) {
		const struct partition_group *g = group_of(&p, 0, hour - 30);

		assert_int_equal(g->day, partition_day((hour - 30) * HOUR));
		assert_int_equal(g->hour, MANIFEST_HOUR_DAY);
	}
	partition_fini(&p);
}

static void a_full_hour_has_its_own(void **state)
{
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	add(&p, 24 * 10 + 7, HOUR_ROWS);
	add(&p, 24 * 10 + 8, HOUR_ROWS - 1);
	add(&p, 24 * 10 + 9, 1);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 2 * HOUR_ROWS);
	assert_int_equal(p.groups_count, 2);
	assert_int_equal(group_of(&p, 0, 24 * 10 + 7)->hour, 7);
	assert_int_equal(group_of(&p, 0, 24 * 10 + 8)->hour, MANIFEST_HOUR_DAY);
	assert_ptr_equal(group_of(&p, 0, 24 * 10 + 8), group_of(&p, 0, 24 * 10 + 9));
	partition_fini(&p);
}

static void classes_are_apart(void **state)
{
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	for (unsigned i = 0; i < LIMIT_CLASSES; i++)
		add_class(&p, i, 100, 2);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 2 * LIMIT_CLASSES);
	for (unsigned i = 0; i < LIMIT_CLASSES; i++)
		assert_int_equal(group_of(&p, i, 100)->class_idx, i);
	partition_fini(&p);
}

/* A seal of clocks that are all over the place: few files, and each class has a mixed one. */
static void rare_days_are_mixed(void **state)
{
	struct partition p;
	unsigned mixed = 0;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	add(&p, 24 * 5000, 2000);
	for (int day = -2000; day < 2000; day++)
		add_class(&p, (unsigned)day % 2, day * 24, 3);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 2000 + 4000 * 3);
	assert_int_equal(p.groups_count, DAYS_FREE + 2);
	assert_int_equal(group_of(&p, 0, 24 * 5000)->day, 5000);
	for (int day = -2000; day < 2000; day++) {
		const struct partition_group *g = group_of(&p, (unsigned)day % 2, day * 24);

		assert_int_equal(g->class_idx, (unsigned)day % 2);
		mixed += g->hour == MANIFEST_HOUR_MIXED;
		if (g->hour != MANIFEST_HOUR_MIXED)
			assert_int_equal(g->day, day);
	}
	assert_int_equal(mixed, 4000 - DAYS_FREE + 1);
	partition_fini(&p);
}

/* However many days are full, and in however many classes: LIMIT_SEAL_SEGMENTS groups hold them. */
static void many_days_are_bounded(void **state)
{
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	for (int day = 0; day < 200; day++)
		add_class(&p, (unsigned)day % LIMIT_CLASSES, day * 24, DAY_ROWS + day % 7);
	assert_int_equal(partition_plan(&p), 0);
	assert_int_equal(p.groups_count, LIMIT_SEAL_SEGMENTS);
	for (int day = 0; day < 200; day++)
		assert_int_equal(group_of(&p, (unsigned)day % LIMIT_CLASSES, day * 24)->class_idx,
			(unsigned)day % LIMIT_CLASSES);
	partition_fini(&p);
}

static void known_to_be_one_group(void **state)
{
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	partition_single(&p, 3, 100, 7, 70);
	check_sums(&p, 7);
	assert_int_equal(p.groups_count, 1);
	assert_int_equal(group_of(&p, 3, 2400)->day, 100);
	partition_reset(&p);
	add(&p, 5, 4);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 4);
	partition_fini(&p);
}

/* PARTITION_KEYS_MAX is reached: what comes after is mixed, and nothing is lost from the count. */
static void too_many_hours_to_count(void **state)
{
	const int hours = PARTITION_KEYS_MAX + 1000;
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	for (int hour = 0; hour < hours; hour++)
		add(&p, hour, 1);
	assert_int_equal(p.other_rows[0], 1000);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, (uint64_t)hours);
	assert_int_equal(group_of(&p, 0, hours - 1)->hour, MANIFEST_HOUR_MIXED);
	partition_reset(&p);
	add(&p, 5, 4);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 4);
	assert_int_equal(p.groups_count, 1);
	assert_int_equal(partition_of(&p, 0, 5 * HOUR), 0);
	partition_fini(&p);
}

static void small_days_stay_mixed(void **state)
{
	const struct partition_conf merge = { .day_rows_min = 100 };
	struct partition p;

	(void)state;
	assert_int_equal(partition_init(&p, &merge), 0);
	add(&p, 3, 60);
	add(&p, 20, 60);
	add(&p, 30, 99);
	assert_int_equal(partition_plan(&p), 0);
	check_sums(&p, 219);
	assert_int_equal(p.groups_count, 2);
	assert_int_equal(group_of(&p, 0, 0)->hour, MANIFEST_HOUR_DAY);
	assert_int_equal(group_of(&p, 0, 30)->hour, MANIFEST_HOUR_MIXED);
	partition_fini(&p);
}

static void passes_keep_their_bounds(void **state)
{
	struct partition p;
	unsigned next;

	(void)state;
	assert_int_equal(partition_init(&p, &seal), 0);
	for (int day = 0; day < 30; day++)
		add(&p, day * 24, DAY_ROWS);
	assert_int_equal(partition_plan(&p), 0);
	assert_int_equal(partition_pass(&p, 0, 16, UINT64_MAX), 16);
	assert_int_equal(partition_pass(&p, 20, 16, UINT64_MAX), 30);
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
		cmocka_unit_test(a_group_for_each_day),
		cmocka_unit_test(a_full_hour_has_its_own),
		cmocka_unit_test(classes_are_apart),
		cmocka_unit_test(rare_days_are_mixed),
		cmocka_unit_test(many_days_are_bounded),
		cmocka_unit_test(known_to_be_one_group),
		cmocka_unit_test(too_many_hours_to_count),
		cmocka_unit_test(small_days_stay_mixed),
		cmocka_unit_test(passes_keep_their_bounds),
	};

	return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
