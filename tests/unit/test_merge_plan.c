/*
 * Goal: by cron only closed days and mixed segments are merged, small ones first, within every bound;
 * by the sealer full tiers of any day, and days that are closed and quiet.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "storage/merge_plan.h"

#define HOUR_NS (INT64_C(3600) * CLOCK_NS_PER_SEC)

/* now: day 20, 01:30 */
#define CONF_VALUES                                                                      \
	{                                                                                \
		.now_ns = (20 * 24 + 1) * HOUR_NS + HOUR_NS / 2, .grace_ns = HOUR_NS,    \
		.small_bytes = 1000, .ratio = 4, .bytes_max = 100000, .blocks_max = 100, \
		.segments_max = 10,                                                      \
	}

static const struct merge_plan_conf conf = CONF_VALUES;

static struct manifest_segment seg(uint64_t no, int32_t day, uint8_t hour, uint64_t bytes)
{
	return (struct manifest_segment){
		.no = no,
		.day = day,
		.hour = hour,
		.file_bytes = bytes,
		.blocks_count = 1,
		.rows_count = 1,
		.class_name = "default",
	};
}

/* The numbers of one merge's inputs are `want`, ended by 0. */
static void assert_merge(const struct merge_plan *p, size_t merge,
	const struct manifest_segment *segs, const uint64_t *want)
{
	size_t n = 0;

	assert_true(merge < p->merges_count);
	while (want[n] != 0)
		n++;
	assert_int_equal(p->merges[merge].count, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(segs[p->inputs[p->merges[merge].first + i]].no, want[i]);
}

static void closed_days_only(void **state)
{
	const struct manifest_segment segs[] = {
		seg(1, 18, 3, 50),
		seg(2, 20, 0, 10),
		seg(3, 18, 23, 40),
		seg(4, 19, 7, 10),
		seg(5, 19, 24, 20),
		seg(6, 20, 1, 10),
		seg(7, 17, 1, 10),
	};
	struct merge_plan_conf early = conf;
	struct merge_plan p;

	(void)state;
	assert_int_equal(merge_plan_make(&conf, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 2);
	assert_merge(&p, 0, segs, (uint64_t[]){ 3, 1, 0 });
	assert_merge(&p, 1, segs, (uint64_t[]){ 4, 5, 0 });
	merge_plan_fini(&p);
	early.now_ns = 20 * 24 * HOUR_NS + HOUR_NS - 1;
	assert_int_equal(merge_plan_make(&early, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 1);
	merge_plan_fini(&p);
}

static void mixed_at_any_time_and_apart(void **state)
{
	const struct manifest_segment segs[] = {
		seg(1, 18, 25, 50),
		seg(2, 18, 3, 10),
		seg(3, 40, 25, 40),
		seg(4, 18, 4, 10),
	};
	struct merge_plan p;

	(void)state;
	assert_int_equal(merge_plan_make(&conf, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 2);
	assert_merge(&p, 0, segs, (uint64_t[]){ 3, 1, 0 });
	assert_true(p.merges[0].mixed);
	assert_merge(&p, 1, segs, (uint64_t[]){ 2, 4, 0 });
	assert_false(p.merges[1].mixed);
	merge_plan_fini(&p);
}

static void classes_stay_apart(void **state)
{
	struct manifest_segment segs[] = { seg(1, 18, 1, 50), seg(2, 18, 2, 10),
		seg(3, 18, 3, 10) };
	struct merge_plan p;

	(void)state;
	strcpy(segs[0].class_name, "audit");
	assert_int_equal(merge_plan_make(&conf, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 1);
	assert_merge(&p, 0, segs, (uint64_t[]){ 2, 3, 0 });
	merge_plan_fini(&p);
}

static void a_large_one_waits(void **state)
{
	struct manifest_segment segs[] = {
		seg(1, 18, 24, 50000),
		seg(2, 18, 2, 900),
		seg(3, 18, 3, 8000),
		seg(4, 18, 4, 1100),
	};
	struct merge_plan p;

	(void)state;
	assert_int_equal(merge_plan_make(&conf, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_merge(&p, 0, segs, (uint64_t[]){ 2, 4, 3, 0 });
	merge_plan_fini(&p);
	segs[0].file_bytes = 40000;
	assert_int_equal(merge_plan_make(&conf, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_merge(&p, 0, segs, (uint64_t[]){ 2, 4, 3, 1, 0 });
	merge_plan_fini(&p);
	assert_int_equal(merge_plan_make(&conf, segs, 2, NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
}

static void bounds_of_one_merge(void **state)
{
	struct manifest_segment segs[30];
	bool skip[30] = { true };
	struct merge_plan_conf c = conf;
	struct merge_plan p;

	(void)state;
	for (uint64_t i = 0; i < 30; i++)
		segs[i] = seg(i + 1, 3, (uint8_t)(i % 24), 900);
	assert_int_equal(merge_plan_make(&c, segs, 30, skip, &p), 0);
	assert_int_equal(p.merges[0].count, 10);
	assert_int_equal(segs[p.inputs[0]].no, 2);
	merge_plan_fini(&p);
	c.bytes_max = 3000;
	assert_int_equal(merge_plan_make(&c, segs, 30, NULL, &p), 0);
	assert_int_equal(p.merges[0].count, 3);
	merge_plan_fini(&p);
	c.blocks_max = 2;
	assert_int_equal(merge_plan_make(&c, segs, 30, NULL, &p), 0);
	assert_int_equal(p.merges[0].count, 2);
	merge_plan_fini(&p);
	c.bytes_max = 500;
	assert_int_equal(merge_plan_make(&c, segs, 30, NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
	assert_int_equal(merge_plan_make(&c, segs, 0, NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
}

static void days_at_the_ends_of_time(void **state)
{
	const struct manifest_segment segs[] = {
		seg(1, INT32_MAX, 1, 5),
		seg(2, INT32_MAX, 2, 5),
		seg(3, -106752, 1, 5),
		seg(4, -106752, 1, 5),
	};
	struct merge_plan p;

	(void)state;
	assert_int_equal(merge_plan_make(&conf, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 1);
	assert_merge(&p, 0, segs, (uint64_t[]){ 3, 4, 0 });
	merge_plan_fini(&p);
}

/* ---- tiers ---- */

static const struct merge_plan_tiers tiers = {
	.small_bytes = 100,
	.fanout = 4,
	.bytes_max = 100000,
	.blocks_max = 100,
	.quiet_no = 0,
	.tidy = CONF_VALUES,
};

static struct manifest_segment aged(uint64_t no, int32_t day, uint64_t bytes, uint64_t id)
{
	struct manifest_segment s = seg(no, day, MANIFEST_HOUR_DAY, bytes);

	s.id_first = id;
	return s;
}

/* Four of like size, the oldest first, of any day; the cheapest tier comes first. */
static void full_tiers_are_merged(void **state)
{
	const struct manifest_segment segs[] = {
		aged(1, 20, 900, 50),
		aged(2, 20, 1100, 40),
		aged(3, 20, 1599, 30),
		aged(4, 20, 400, 60),
		aged(5, 20, 1, 70),
		aged(6, 20, 99, 20),
		aged(7, 20, 50, 90),
		aged(8, 20, 100, 10),
		aged(9, 20, 30, 80),
		aged(10, 20, 30, 85),
	};
	struct merge_plan p;

	(void)state;
	assert_int_equal(merge_plan_tier(&tiers, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 1);
	assert_merge(&p, 0, segs, (uint64_t[]){ 6, 5, 9, 10, 0 });
	merge_plan_fini(&p);
	assert_int_equal(merge_plan_tier(&tiers, segs, 8, NULL, &p), 0);
	assert_merge(&p, 0, segs, (uint64_t[]){ 3, 2, 1, 4, 0 });
	merge_plan_fini(&p);
	assert_int_equal(merge_plan_tier(&tiers, segs, 3, NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
}

static void tiers_keep_their_bounds(void **state)
{
	struct manifest_segment segs[4];
	struct merge_plan_tiers c = tiers;
	bool skip[4] = { false, false, true, false };
	struct merge_plan p;

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(segs); i++)
		segs[i] = aged(i + 1, 20, 1000, i);
	assert_int_equal(merge_plan_tier(&c, segs, 4, skip, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
	c.bytes_max = 3999;
	assert_int_equal(merge_plan_tier(&c, segs, 4, NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
	c.bytes_max = 4000;
	c.blocks_max = 4;
	assert_int_equal(merge_plan_tier(&c, segs, 4, NULL, &p), 0);
	assert_int_equal(p.merges_count, 1);
	merge_plan_fini(&p);
	c.blocks_max = 3;
	assert_int_equal(merge_plan_tier(&c, segs, 4, NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
	segs[1].day = 21;
	c = tiers;
	assert_int_equal(merge_plan_tier(&c, segs, 4, NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
}

static void quiet_days_are_tidied(void **state)
{
	const struct manifest_segment segs[] = {
		aged(1, 18, 900, 1),
		aged(2, 18, 50, 2),
		aged(3, 20, 50, 3),
		aged(4, 20, 50, 4),
		aged(5, 17, 50, 5),
		aged(6, 17, 50, 6),
	};
	struct merge_plan_tiers c = tiers;
	struct merge_plan p;

	(void)state;
	c.quiet_no = 1;
	assert_int_equal(merge_plan_tier(&c, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 0);
	merge_plan_fini(&p);
	c.quiet_no = 5;
	assert_int_equal(merge_plan_tier(&c, segs, ARRAY_COUNT(segs), NULL, &p), 0);
	assert_int_equal(p.merges_count, 1);
	assert_merge(&p, 0, segs, (uint64_t[]){ 2, 1, 0 });
	merge_plan_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_days_only),
		cmocka_unit_test(mixed_at_any_time_and_apart),
		cmocka_unit_test(classes_stay_apart),
		cmocka_unit_test(a_large_one_waits),
		cmocka_unit_test(bounds_of_one_merge),
		cmocka_unit_test(days_at_the_ends_of_time),
		cmocka_unit_test(full_tiers_are_merged),
		cmocka_unit_test(tiers_keep_their_bounds),
		cmocka_unit_test(quiet_days_are_tidied),
	};

	return cmocka_run_group_tests_name("merge_plan", tests, NULL, NULL);
}
