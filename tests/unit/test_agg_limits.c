/*
 * Goal: an aggregation at a limit is served, one beyond it says so: groups that the memory does not hold, rows
 * that the answer does not hold, values that are no longer kept one by one, groupings of one pass.
 * Method: events made to measure over toy_scan and toy_values; long texts overlap, so that few bytes make many.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "query/agg.h"
#include "tests/support/toy_scan.h"

enum {
	/* Rows with a time and all functions that half the memory of an answer holds, and some more. */
	ROWS_FIT = LIMIT_QUERY_GROUPS_BYTES / 2 /
		   ((1 + LIMIT_QUERY_CALLS) * (int)sizeof(struct agg_cell)),
	ROWS_MORE = ROWS_FIT + 1000,
	EVENTS = ROWS_MORE > LIMIT_QUERY_DISTINCT_EXACT + 1 ? ROWS_MORE
							    : LIMIT_QUERY_DISTINCT_EXACT + 1,
	UNIT_ROWS = 4000,
	META_BYTES = 8,
	/* So many different texts of so many bytes are more than groups may take. */
	TEXTS = 1100,
	TEXT_BYTES = LIMIT_QUERY_GROUP_BYTES / 1000,
};

static_assert((int)ROWS_MORE < (int)LIMIT_QUERY_GROUPS,
	"it is the memory that ends the rows, not their number");
static_assert(EVENTS <= TOY_UNITS_MAX * UNIT_ROWS, "units enough");

static struct event events[EVENTS];
static uint8_t metas[EVENTS][META_BYTES];
static uint8_t text[TEXT_BYTES + 2 * TEXTS];
static struct engine *engine;
/* LIMIT_QUERY_CALLS functions, and LIMIT_QUERY_GROUPS. */
static char every_function[LIMIT_QUERY_CALLS * sizeof "count"], most_groups[16];

/* Ids and numbers from 1 on, a second apart. */
static int set_up(void **state)
{
	(void)state;
	engine = engine_new();
	memset(text, 't', sizeof text);
	snprintf(most_groups, sizeof most_groups, "%d", LIMIT_QUERY_GROUPS);
	for (int i = 0; i < LIMIT_QUERY_CALLS; i++)
		strcat(every_function, i ? ",count" : "count");
	for (uint32_t i = 0; i < EVENTS; i++) {
		uint32_t n = __builtin_bswap32(i + 1);

		memcpy(metas[i], "\x81\xa1v\xce", 4);
		memcpy(metas[i] + 4, &n, sizeof n);
		events[i] = (struct event){ .id = i + 1,
			.time_ns = i * CLOCK_NS_PER_SEC,
			.metadata = span_of(metas[i], META_BYTES) };
		if (i < 2 * TEXTS)
			events[i].text[EVENT_TEXT_USER_ID] = span_of(text, TEXT_BYTES + i);
	}
	return engine ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	engine_free(&engine);
	return 0;
}

static void cut(struct store_snapshot *s, size_t count)
{
	*s = (struct store_snapshot){ .events = events, .events_count = count, .damaged = -1 };
	while (s->cuts[s->units_count] < count) {
		size_t next = s->cuts[s->units_count] + UNIT_ROWS;

		s->cuts[++s->units_count] = next < count ? next : count;
	}
}

/* The parameters, name and value in turn, of the first count events. */
static void ask_within(
	int64_t budget_ns, size_t count, const char *const *params, struct agg_result *out)
{
	struct store_snapshot s;
	struct agg_request r;
	struct engine_err err;
	struct diag d;

	cut(&s, count);
	agg_request_init(&r);
	for (; *params; params += 2) {
		if (agg_param(&r, span_str(params[0]), span_str(params[1]), &err) < 0)
			fail_msg("%s=%s: %s (%s)", params[0], params[1], err.error, err.hint);
	}
	r.filter.budget_ns = budget_ns;
	assert_int_equal(agg_request_check(&r, &err), 0);
	assert_int_equal(agg_run(engine, &s, &r, out, &d), 0);
	agg_request_fini(&r);
}

static void ask(size_t count, const char *const *params, struct agg_result *out)
{
	ask_within(0, count, params, out);
}

/* Fewer than LIMIT_QUERY_GROUP_BYTES are all told apart; of more, the rest is counted. */
static void groups_beyond_the_memory(void **state)
{
	static const char *const params[] = { "by", "user_id", NULL };
	struct agg_result r;
	uint64_t in_rows = 0;

	(void)state;
	ask(TEXTS / 2, params, &r);
	assert_int_equal(r.partial, ENGINE_WHOLE);
	assert_int_equal(r.groups, TEXTS / 2);
	assert_int_equal(r.ungrouped, 0);
	agg_result_fini(&r);
	ask(TEXTS, params, &r);
	assert_int_equal(r.partial, ENGINE_PARTIAL_GROUPS);
	assert_int_equal(r.total, TEXTS);
	assert_true(r.ungrouped > 0);
	assert_in_range(r.groups, TEXTS / 2, TEXTS - 1);
	for (uint32_t i = 0; i < r.rows_count; i++)
		in_rows += (uint64_t)agg_cell(&r, i, 1)->i;
	assert_int_equal(in_rows + r.ungrouped, TEXTS);
	agg_result_fini(&r);
}

/* What functions keep of groups that are there has a part of the memory to itself; then no more is looked at. */
static void functions_beyond_the_memory(void **state)
{
	static const char *const params[] = { "by", "id", "agg", "min(user_id)", NULL };
	struct agg_result r;

	(void)state;
	ask(TEXTS / 2, params, &r);
	assert_int_equal(r.partial, ENGINE_WHOLE);
	assert_int_equal(r.groups, TEXTS / 2);
	agg_result_fini(&r);
	ask(2 * TEXTS, params, &r);
	assert_int_equal(r.partial, ENGINE_PARTIAL_MEMORY);
	agg_result_fini(&r);
}

/* More rows than LIMIT_QUERY_GROUPS_BYTES hold, of groups that there are. */
static void rows_beyond_the_answer(void **state)
{
	static const char *const params[] = { "bucket", "1s", "agg", every_function, "limit",
		most_groups, NULL };
	struct agg_result r;

	(void)state;
	ask(ROWS_FIT, params, &r);
	assert_int_equal(r.columns_count, 1 + LIMIT_QUERY_CALLS);
	assert_int_equal(r.partial, ENGINE_WHOLE);
	assert_int_equal(r.rows_count, ROWS_FIT);
	agg_result_fini(&r);
	ask(ROWS_MORE, params, &r);
	assert_int_equal(r.partial, ENGINE_PARTIAL_MEMORY);
	assert_int_equal(r.rows_count, ROWS_FIT);
	assert_int_equal(r.groups, ROWS_MORE);
	agg_result_fini(&r);
}

/* Beside a large result no other run fills groups: it waits as long as it may. */
static void a_large_result_keeps_its_turn(void **state)
{
	static const char *const large[] = { "bucket", "1s", "agg", every_function, "limit",
		most_groups, NULL };
	static const char *const small[] = { "by", "user_id", NULL };
	struct agg_result r, other;

	(void)state;
	ask(ROWS_FIT, large, &r);
	ask_within(CLOCK_NS_PER_MS, 10, small, &other);
	assert_int_equal(other.partial, ENGINE_PARTIAL_TIME);
	assert_int_equal(other.total, 0);
	agg_result_fini(&other);
	agg_result_fini(&r);
	ask(10, small, &r);
	assert_int_equal(r.total, 10);
	/* A small one keeps nothing. */
	ask(10, small, &other);
	assert_int_equal(other.partial, ENGINE_WHOLE);
	agg_result_fini(&other);
	agg_result_fini(&r);
}

/* The same of buckets without events; and fewer because fewer were asked for is no lack. */
static void filled_rows_beyond_the_answer(void **state)
{
	static const char *const most[] = { "bucket", "1s", "agg", every_function, "limit",
		most_groups, "fill", "1", NULL };
	static const char *const few[] = { "bucket", "1s", "limit", "10", "fill", "1", NULL };
	struct event last = events[1];
	struct agg_result r;

	(void)state;
	events[1].time_ns = (ROWS_FIT - 1) * CLOCK_NS_PER_SEC;
	ask(2, most, &r);
	assert_int_equal(r.partial, ENGINE_WHOLE);
	assert_int_equal(r.rows_count, ROWS_FIT);
	assert_int_equal(agg_cell(&r, ROWS_FIT - 1, 1)->i, 1);
	agg_result_fini(&r);
	events[1].time_ns += CLOCK_NS_PER_SEC;
	ask(2, most, &r);
	assert_int_equal(r.partial, ENGINE_PARTIAL_MEMORY);
	assert_int_equal(r.rows_count, ROWS_FIT);
	assert_int_equal(r.groups, ROWS_FIT + 1);
	agg_result_fini(&r);
	ask(2, few, &r);
	assert_int_equal(r.partial, ENGINE_WHOLE);
	assert_int_equal(r.rows_count, 10);
	agg_result_fini(&r);
	events[1] = last;
}

static void values_kept_one_by_one(void **state)
{
	static const char *const distinct[] = { "agg", "distinct(id)", NULL };
	struct agg_result r;

	(void)state;
	ask(LIMIT_QUERY_DISTINCT_EXACT, distinct, &r);
	assert_false(r.columns[0].approximate);
	assert_int_equal(agg_cell(&r, 0, 0)->i, LIMIT_QUERY_DISTINCT_EXACT);
	agg_result_fini(&r);
	ask(LIMIT_QUERY_DISTINCT_EXACT + 1, distinct, &r);
	assert_true(r.columns[0].approximate);
	assert_in_range(agg_cell(&r, 0, 0)->i, LIMIT_QUERY_DISTINCT_EXACT * 19 / 20,
		LIMIT_QUERY_DISTINCT_EXACT * 21 / 20);
	assert_int_equal(r.partial, ENGINE_WHOLE);
	agg_result_fini(&r);
}

static void numbers_kept_one_by_one(void **state)
{
	static const char *const median[] = { "agg", "median(metadata.v)", NULL };
	struct agg_result r;
	double v;

	(void)state;
	ask(LIMIT_QUERY_QUANTILE_EXACT, median, &r);
	assert_false(r.columns[0].approximate);
	assert_int_equal(agg_cell(&r, 0, 0)->i, LIMIT_QUERY_QUANTILE_EXACT / 2);
	agg_result_fini(&r);
	ask(LIMIT_QUERY_QUANTILE_EXACT + 1, median, &r);
	assert_true(r.columns[0].approximate);
	v = agg_cell(&r, 0, 0)->kind == AGG_CELL_DOUBLE ? agg_cell(&r, 0, 0)->f
							: (double)agg_cell(&r, 0, 0)->i;
	assert_true(v > LIMIT_QUERY_QUANTILE_EXACT * 0.45);
	assert_true(v < LIMIT_QUERY_QUANTILE_EXACT * 0.55);
	agg_result_fini(&r);
}

/* As many groupings of one pass as there may be: each is what it is alone. */
static void groupings_of_one_pass(void **state)
{
	static struct agg_request r[LIMIT_QUERY_GROUPINGS];
	static struct agg_result together[LIMIT_QUERY_GROUPINGS];
	const struct agg_spec *specs[LIMIT_QUERY_GROUPINGS];
	struct store_snapshot s;
	struct engine_err err;
	struct diag d;

	(void)state;
	cut(&s, 5000);
	for (int i = 0; i < LIMIT_QUERY_GROUPINGS; i++) {
		char width[] = "1m";

		width[0] = (char)('1' + i);
		agg_request_init(&r[i]);
		assert_int_equal(agg_param(&r[i], SPAN_LIT("bucket"), span_str(width), &err), 0);
		assert_int_equal(agg_request_check(&r[i], &err), 0);
		specs[i] = &r[i].spec;
	}
	assert_int_equal(
		agg_run_all(engine, &s, &r[0].filter, specs, LIMIT_QUERY_GROUPINGS, together, &d),
		0);
	for (int i = 0; i < LIMIT_QUERY_GROUPINGS; i++) {
		struct agg_result alone;

		assert_int_equal(agg_run(engine, &s, &r[i], &alone, &d), 0);
		assert_int_equal(together[i].total, 5000);
		assert_int_equal(together[i].rows_count, alone.rows_count);
		assert_int_equal(alone.rows_count, (5000 + 60 * (i + 1) - 1) / (60 * (i + 1)));
		for (uint32_t row = 0; row < alone.rows_count; row++)
			assert_int_equal(
				agg_cell(&together[i], row, 1)->i, agg_cell(&alone, row, 1)->i);
		agg_result_fini(&alone);
		agg_result_fini(&together[i]);
		agg_request_fini(&r[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_beyond_the_memory),
		cmocka_unit_test(functions_beyond_the_memory),
		cmocka_unit_test(rows_beyond_the_answer),
		cmocka_unit_test(a_large_result_keeps_its_turn),
		cmocka_unit_test(filled_rows_beyond_the_answer),
		cmocka_unit_test(values_kept_one_by_one),
		cmocka_unit_test(numbers_kept_one_by_one),
		cmocka_unit_test(groupings_of_one_pass),
	};

	return cmocka_run_group_tests_name("agg_limits", tests, set_up, tear_down);
}
