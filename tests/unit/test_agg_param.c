/*
 * Goal: every parameter of an aggregation means what API.md says; whatever is wrong is refused by its name,
 * with the place, with what was expected and what to do.
 * Method: values and what they make; a table of wrong ones.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/agg.h"

static struct agg_request req;
static struct engine_err err;

static int set_up(void **state)
{
	(void)state;
	agg_request_init(&req);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	agg_request_fini(&req);
	return 0;
}

static void afresh(void)
{
	agg_request_fini(&req);
	agg_request_init(&req);
}

static int give(const char *name, const char *value)
{
	return agg_param(&req, span_str(name), span_str(value), &err);
}

static void ok(const char *name, const char *value)
{
	if (give(name, value) != 0)
		fail_msg("%s=%s: %s", name, value, err.error);
}

static void checks(void)
{
	if (agg_request_check(&req, &err) < 0)
		fail_msg("%s: %s", err.field, err.error);
}

static void defaults(void **state)
{
	(void)state;
	checks();
	assert_int_equal(req.spec.calls_count, 1);
	assert_int_equal(req.spec.calls[0].function, AGG_COUNT);
	assert_true(span_eq(req.spec.calls[0].name, SPAN_LIT("count")));
	assert_int_equal(req.spec.by_count, 0);
	assert_false(req.spec.bucket);
	assert_int_equal(req.spec.limit, AGG_LIMIT_DEFAULT);
	assert_int_equal(req.spec.order, AGG_ORDER_DESC);
}

static void fields(void **state)
{
	(void)state;
	ok("by", "event_type , metadata.a.b");
	ok("by", "metadata.\"x,y\"");
	assert_int_equal(req.spec.by_count, 3);
	assert_int_equal(req.spec.by[0].kind, EXPR_FIELD_TEXT);
	assert_int_equal(req.spec.by[0].text, EVENT_TEXT_EVENT_TYPE);
	assert_int_equal(req.spec.by[1].kind, EXPR_FIELD_META);
	assert_int_equal(req.spec.by[1].keys_count, 2);
	assert_int_equal(req.spec.by[2].keys_count, 1);
	assert_true(span_eq(req.spec.by[2].keys[0], SPAN_LIT("x,y")));
	assert_true(span_eq(req.spec.by_names[1], SPAN_LIT("metadata.a.b")));
	assert_int_equal(give("by", "host"), ERR_LIMIT);
	afresh();
	assert_int_equal(agg_request_by(&req, SPAN_LIT("severity"), &err), 0);
	assert_int_equal(req.spec.by[0].kind, EXPR_FIELD_SEVERITY);
}

static void functions(void **state)
{
	(void)state;
	ok("agg", "count,distinct(user_id), sum( metadata.amount ),min(timestamp)");
	ok("agg", "p99.9(metadata.ms),median(metadata.ms),quantile(metadata.ms, 0.25)");
	assert_int_equal(req.spec.calls_count, 7);
	assert_false(req.spec.calls[0].has_field);
	assert_int_equal(req.spec.calls[1].function, AGG_DISTINCT);
	assert_true(span_eq(req.spec.calls[2].name, SPAN_LIT("sum( metadata.amount )")));
	assert_int_equal(req.spec.calls[3].field.kind, EXPR_FIELD_TIME);
	assert_true(req.spec.calls[4].quantile > 0.9989 && req.spec.calls[4].quantile < 0.9991);
	assert_true(req.spec.calls[5].quantile == 0.5);
	assert_true(req.spec.calls[6].quantile == 0.25);
	ok("agg", "count(host)");
	assert_true(req.spec.calls[7].has_field);
	assert_int_equal(give("agg", "count"), ERR_LIMIT);
	checks();
	assert_int_equal(req.spec.calls_count, 8);
}

static void buckets(void **state)
{
	static const struct {
		const char *text;
		int64_t minutes;
	} zones[] = { { "+02:00", 120 }, { " 02:00", 120 }, { "-0530", -330 }, { "+2", 120 },
		{ "-09", -540 }, { "Z", 0 }, { "UTC", 0 } };

	(void)state;
	ok("bucket", "90min");
	assert_int_equal(req.spec.bucket_ns, 90 * 60 * CLOCK_NS_PER_SEC);
	checks();
	assert_int_equal(req.spec.order, AGG_ORDER_GROUP);
	afresh();
	ok("bucket", "auto");
	ok("buckets", "50");
	assert_int_equal(req.spec.bucket_ns, 0);
	assert_int_equal(req.spec.buckets, 50);
	ok("top", "3");
	checks();
	assert_int_equal(req.spec.order, AGG_ORDER_DESC);
	for (size_t i = 0; i < ARRAY_COUNT(zones); i++) {
		afresh();
		ok("tz", zones[i].text);
		assert_int_equal(req.spec.zone_ns, zones[i].minutes * 60 * CLOCK_NS_PER_SEC);
	}
}

static void the_rest(void **state)
{
	(void)state;
	ok("bucket", "1h");
	ok("fill", "1");
	ok("limit", "5");
	ok("order", "group");
	ok("min", "-1.5");
	ok("max", "100");
	ok("event_type", "AUTH");
	ok("start_date", "2026-11-20");
	checks();
	assert_true(req.spec.fill);
	assert_int_equal(req.spec.limit, 5);
	assert_true(req.spec.has_min && req.spec.min == -1.5);
	assert_true(req.spec.has_max && req.spec.max == 100);
	assert_non_null(req.filter.where);
}

static void what_is_wrong(void **state)
{
	static const struct {
		const char *name, *value;
		int code;
		const char *error, *hint;
	} cases[] = {
		{ "by", "", ERR_SYNTAX, "at 0: expected a field, found the end", "metadata.path" },
		{ "by", "event_type,", ERR_SYNTAX, "at 11: expected a field", "" },
		{ "by", "event_type,,host", ERR_SYNTAX, "at 11: expected a field, found \",host\"",
			"" },
		{ "by", "host hots", ERR_SYNTAX, "at 5: expected a comma or the end", "" },
		{ "by", "a,b", ERR_UNKNOWN, "at 0: expected a field, found \"a,b\"", "" },
		{ "agg", "", ERR_UNKNOWN, "at 0: expected a function", "distinct(f)" },
		{ "agg", "count,summ(metadata.a)", ERR_UNKNOWN,
			"at 6: expected a function, found \"summ", "" },
		{ "agg", "sum", ERR_SYNTAX, "at 3: expected \"(\", found the end", "" },
		{ "agg", "sum()", ERR_SYNTAX, "at 4: expected a field, found \")\"", "" },
		{ "agg", "sum(metadata.a", ERR_SYNTAX, "at 14: expected \")\"", "" },
		{ "agg", "sum(host)", ERR_TYPE, "at 4: expected a field that may hold numbers",
			"metadata.path" },
		{ "agg", "quantile(metadata.a)", ERR_SYNTAX, "at 19: expected a comma", "0.99" },
		{ "agg", "quantile(metadata.a,7)", ERR_RANGE,
			"at 20: expected a number from 0 to 1", "" },
		{ "agg", "p101(metadata.a)", ERR_UNKNOWN, "at 0: expected a function", "" },
		{ "agg", "max(metadata.a,1)", ERR_SYNTAX, "at 14: expected \")\"", "" },
		{ "bucket", "1", ERR_SYNTAX, "not a width of time: \"1\"", "auto" },
		{ "bucket", "0s", ERR_RANGE, "not a width", "" },
		{ "bucket", "1M", ERR_SYNTAX, "months and years", "" },
		{ "bucket", "2 years", ERR_SYNTAX, "months and years", "" },
		{ "bucket", "60000d", ERR_RANGE, "146 years", "" },
		{ "buckets", "3", ERR_RANGE, "from 4 to 10000", "" },
		{ "tz", "Europe/Berlin", ERR_SYNTAX, "not an offset", "+02:00" },
		{ "tz", "+19:00", ERR_SYNTAX, "not an offset", "" },
		{ "tz", "+1:30", ERR_SYNTAX, "not an offset", "" },
		{ "tz", "+", ERR_SYNTAX, "not an offset", "" },
		{ "tz", "", ERR_SYNTAX, "not an offset", "" },
		{ "fill", "yes", ERR_RANGE, "from 0 to 1", "" },
		{ "top", "0", ERR_RANGE, "from 1 to 100000", "" },
		{ "limit", "100001", ERR_RANGE, "from 1 to 100000", "" },
		{ "order", "up", ERR_SYNTAX, "neither desc, asc nor group", "" },
		{ "min", "x", ERR_SYNTAX, "not a number", "" },
		{ "cursor", "x", ERR_UNKNOWN, "no such parameter of an aggregation", "limit" },
		{ "offset", "5", ERR_UNKNOWN, "no such parameter", "" },
		{ "buckte", "1h", ERR_UNKNOWN, "no such parameter", "did you mean bucket" },
		{ "evnt_type", "x", ERR_UNKNOWN, "no such parameter", "event_type" },
		{ "severity", "loud", ERR_SYNTAX, "no severity", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		afresh();
		if (give(cases[i].name, cases[i].value) != cases[i].code ||
			strcmp(err.field, cases[i].name) != 0 ||
			!strstr(err.error, cases[i].error) || !strstr(err.hint, cases[i].hint))
			fail_msg("%s=%s: %d %s: %s (%s)", cases[i].name, cases[i].value, err.code,
				err.field, err.error, err.hint);
	}
}

/* As many as there may be, each a parameter; then one more. */
static void is_limit(const char *name, const char *value, unsigned most, const char *error)
{
	char want[64];

	afresh();
	for (unsigned i = 0; i < most; i++)
		ok(name, value);
	checks();
	assert_int_equal(give(name, value), ERR_LIMIT);
	assert_string_equal(err.field, name);
	snprintf(want, sizeof want, "more than %u %s", most, error);
	assert_non_null(strstr(err.error, want));
	assert_true(err.hint[0]);
}

static void limits(void **state)
{
	char value[16], want[64];

	(void)state;
	is_limit("by", "host", LIMIT_QUERY_BY, "fields");
	is_limit("agg", "count(host)", LIMIT_QUERY_CALLS, "functions");
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "limit" : "top";

		afresh();
		snprintf(value, sizeof value, "%d", LIMIT_QUERY_GROUPS + 1);
		assert_int_equal(give(name, value), ERR_RANGE);
		assert_string_equal(err.field, name);
		snprintf(want, sizeof want, "from 1 to %d", LIMIT_QUERY_GROUPS);
		assert_non_null(strstr(err.error, want));
		afresh();
		snprintf(value, sizeof value, "%d", LIMIT_QUERY_GROUPS);
		ok(name, value);
		checks();
		assert_int_equal(req.spec.limit, LIMIT_QUERY_GROUPS);
	}
}

static void refused(const char *field)
{
	assert_true(agg_request_check(&req, &err) < 0);
	assert_string_equal(err.field, field);
	assert_true(err.error[0]);
	afresh();
}

static void contradictions(void **state)
{
	(void)state;
	ok("top", "3");
	ok("limit", "3");
	refused("limit");
	ok("bucket", "1h");
	ok("buckets", "30");
	refused("buckets");
	ok("fill", "1");
	refused("fill");
	ok("tz", "+1");
	refused("tz");
	ok("bucket", "1h");
	ok("fill", "1");
	ok("top", "3");
	refused("fill");
	ok("start_date", "2026-11-20");
	ok("end_date", "2026-11-19");
	refused("end_date");
	ok("top", "3");
	assert_int_equal(give("top", "3"), ERR_SYNTAX);
	assert_string_equal(err.error, "given twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fields, set_up, tear_down),
		cmocka_unit_test_setup_teardown(functions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(buckets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(contradictions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("agg_param", tests, NULL, NULL);
}
