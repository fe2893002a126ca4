/*
 * Goal: the list of fields says what it leaves out: paths beyond its length, units beyond those it looks into,
 * units it had no time for or could not read.
 * Method: toy_scan, with a storage/scan_fields.h of our own that names as many paths as the test likes.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "query/engine.h"
#include "query/fields.h"
#include "storage/scan_fields.h"
#include "tests/support/toy_scan.h"

enum {
	UNITS = LIMIT_QUERY_FIELD_UNITS + 10,
	/* Of every event: id, times, severity, texts. */
	GIVEN = 4 + EVENT_TEXT_COUNT,
};

static_assert((int)UNITS <= (int)TOY_UNITS_MAX, "the toy has room");

static struct event events[UNITS];
static struct engine *engine;
static unsigned paths;   /* that each unit has */
static unsigned looks;   /* units looked into */
static int64_t cost_ns;  /* of each */
static unsigned damaged; /* the look that fails, from 1; 0: none */

int scan_fields(const struct scan *s, size_t unit, struct scan_scratch *scratch, scan_fields_cb cb,
	void *arg, struct scan_stats *stats, struct diag *d)
{
	int rc = 0;

	(void)scratch;
	(void)stats;
	assert_int_equal(scan_unit(s, unit)->rows_count, 1);
	clock_fake(clock_wall_ns(), clock_mono_ns() + cost_ns);
	if (++looks == damaged)
		return diag_set(d, ERR_CORRUPT, "a.seg", 7, "damaged on purpose");
	for (unsigned i = 0; i < paths && rc == 0; i++) {
		struct scan_fields_one one = { .kinds = 1u << EXPR_CELL_NUMBER, .rows = 1 };
		char key[16];
		struct span keys[] = { span_of(key, (size_t)snprintf(key, sizeof key, "p%u", i)) };

		one.field = (struct expr_field){
			.kind = EXPR_FIELD_META, .keys = keys, .keys_count = 1
		};
		rc = cb(arg, &one);
	}
	return rc;
}

/* One event a unit, and what the list says of them, as JSON too. */
static void list(size_t units, int64_t budget_ns, struct fields_result *out, char *json, size_t cap)
{
	struct store_snapshot s = { .events = events, .events_count = units, .damaged = -1 };
	struct engine_request filter;
	struct engine_err err;
	struct buf text;
	struct diag d;

	for (size_t i = 0; i < units; i++) {
		events[i] = (struct event){ .id = i + 1, .time_ns = (int64_t)i };
		s.cuts[++s.units_count] = i + 1;
	}
	looks = 0;
	engine_request_init(&filter);
	filter.budget_ns = budget_ns;
	assert_int_equal(engine_request_check(&filter, &err), 0);
	assert_int_equal(fields_run(engine, &s, &filter, out, &d), 0);
	engine_request_fini(&filter);
	buf_init(&text, 1 << 20);
	assert_int_equal(fields_put(out, &text), 0);
	/* Its end tells the rest. */
	snprintf(json, cap, "%.*s", text.len > 100 ? 100 : (int)text.len,
		(const char *)text.p + (text.len > 100 ? text.len - 100 : 0));
	buf_fini(&text);
}

static void as_many_fields_as_may_be(void **state)
{
	struct fields_result r;
	char json[128];

	(void)state;
	paths = LIMIT_QUERY_FIELDS - GIVEN;
	list(2, 0, &r, json, sizeof json);
	assert_int_equal(r.count, LIMIT_QUERY_FIELDS);
	assert_false(r.more);
	assert_null(strstr(json, "partial"));
	fields_result_fini(&r);
	paths++;
	list(2, 0, &r, json, sizeof json);
	assert_int_equal(r.count, LIMIT_QUERY_FIELDS);
	assert_true(r.more);
	assert_non_null(strstr(json, "\"partial\":\"fields\""));
	fields_result_fini(&r);
}

static void as_many_units_as_may_be(void **state)
{
	struct fields_result r;
	char json[128];

	(void)state;
	paths = 1;
	list(UNITS, 0, &r, json, sizeof json);
	assert_int_equal(looks, LIMIT_QUERY_FIELD_UNITS);
	assert_int_equal(r.events, LIMIT_QUERY_FIELD_UNITS);
	assert_int_equal(r.total, UNITS);
	assert_int_equal(r.fields[r.count - 1].events, LIMIT_QUERY_FIELD_UNITS);
	assert_null(strstr(json, "partial"));
	fields_result_fini(&r);
}

static void time_runs_out(void **state)
{
	struct fields_result r;
	char json[128];

	(void)state;
	paths = 1;
	cost_ns = LIMIT_QUERY_MS * CLOCK_NS_PER_MS / 10;
	list(20, LIMIT_QUERY_MS * CLOCK_NS_PER_MS, &r, json, sizeof json);
	assert_in_range(looks, 10, 11);
	assert_int_equal(r.events, looks);
	assert_int_equal(r.total, 20);
	assert_int_equal(r.partial, ENGINE_PARTIAL_TIME);
	assert_non_null(strstr(json, "\"partial\":\"time\""));
	fields_result_fini(&r);
	cost_ns = 0;
}

static void a_damaged_unit(void **state)
{
	struct fields_result r;
	char json[128];

	(void)state;
	paths = 1;
	damaged = 2;
	list(3, 0, &r, json, sizeof json);
	damaged = 0;
	assert_int_equal(looks, 3);
	assert_int_equal(r.events, 2);
	assert_int_equal(r.stats.damaged_units, 1);
	assert_int_equal(r.partial, ENGINE_PARTIAL_DAMAGE);
	assert_non_null(strstr(json, "\"partial\":\"damage\""));
	fields_result_fini(&r);
}

static int set_up(void **state)
{
	(void)state;
	clock_fake(0, 1);
	engine = engine_new();
	return engine ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	engine_free(&engine);
	clock_real();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_fields_as_may_be),
		cmocka_unit_test(as_many_units_as_may_be),
		cmocka_unit_test(time_runs_out),
		cmocka_unit_test(a_damaged_unit),
	};

	return cmocka_run_group_tests_name("fields", tests, set_up, tear_down);
}
