/*
 * Goal: every parameter means what API.md says; whatever is wrong is refused by its name, with what was
 * expected and what to do; a cursor is taken back unchanged and in no other way.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "query/engine.h"
#include "query/page.h"

#define DAY_NS (INT64_C(86400) * 1000000000)
/* 2024-08-12T00:00:00Z */
#define AUG_NS (INT64_C(1723420800) * 1000000000)

static struct engine_request req;
static struct engine_err err;

static int set_up(void **state)
{
	(void)state;
	engine_request_init(&req);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	engine_request_fini(&req);
	return 0;
}

static int give(const char *name, const char *value)
{
	return engine_param(&req, span_str(name), span_str(value), &err);
}

static void ok(const char *name, const char *value)
{
	if (give(name, value) != 0)
		fail_msg("%s=%s: %s", name, value, err.error);
}

static void afresh(void)
{
	engine_request_fini(&req);
	engine_request_init(&req);
}

static void filters(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		ok(event_text_name((enum event_text)i), "a");
		ok(event_text_name((enum event_text)i), "");
		ok(event_text_name((enum event_text)i), "a");
		assert_int_equal(req.text[i]->count, 3);
	}
	ok("severity", "error");
	ok("severity", "0");
	assert_int_equal(req.severity_mask, 1 << 3 | 1 << 0);
	ok("id", "18446744073709551615");
	ok("id", "7");
	ok("received", "2024-08-12T00:00:00.000000001Z");
	assert_int_equal(req.received->values[0], AUG_NS + 1);
	assert_int_equal(engine_request_check(&req, &err), 0);
	assert_int_equal(req.where->kind, EXPR_AND);
	assert_int_equal(expr_tests_count(req.where), EVENT_TEXT_COUNT + 3);
}

static void times(void **state)
{
	static const struct {
		const char *name, *value;
		int64_t from, to;
	} cases[] = {
		{ "start_date", "2024-08-12", AUG_NS, INT64_MAX },
		{ "start_time", "2024-08-12", AUG_NS, INT64_MAX },
		{ "start_time", "2024-08-12T02:00:00+02:00", AUG_NS, INT64_MAX },
		{ "start_time", "2024-08-12T02:00:00 02:00", AUG_NS, INT64_MAX },
		{ "end_date", "2024-08-11", INT64_MIN, AUG_NS - 1 },
		{ "end_date", "2024-08-11 23:59:59", INT64_MIN, AUG_NS - 1 },
		{ "end_date", "2024-08-11 23:59", INT64_MIN, AUG_NS - 1 },
		{ "end_date", "2024-08-11T23:59:59.999Z", INT64_MIN, AUG_NS - 1 },
		{ "end_date", "2024-08-12T00:00:00.000000000Z", INT64_MIN, AUG_NS },
		{ "end_time", "2024-08-12", INT64_MIN, AUG_NS - 1 },
		{ "end_time", "2024-08-12T00:00:00.000000001Z", INT64_MIN, AUG_NS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		afresh();
		ok(cases[i].name, cases[i].value);
		assert_int_equal(req.from_ns, cases[i].from);
		assert_int_equal(req.to_ns, cases[i].to);
		assert_int_equal(req.spelled_as_time, strstr(cases[i].name, "time") != NULL);
	}
}

static void singles(void **state)
{
	(void)state;
	ok("limit", "1000");
	ok("offset", "12");
	ok("order", "asc");
	ok("total", "none");
	ok("search", "Declined");
	assert_int_equal(req.limit, 1000);
	assert_int_equal(req.offset, 12);
	assert_int_equal(req.order, ENGINE_ORDER_ASC);
	assert_false(req.want_total);
	assert_true(span_eq(req.search, SPAN_LIT("Declined")));
	assert_int_equal(engine_request_check(&req, &err), 0);
	afresh();
	ok("after", "0");
	ok("wait", "60");
	assert_int_equal(req.order, ENGINE_ORDER_ARRIVAL);
	assert_int_equal(req.wait_ms, 60000);
	assert_int_equal(engine_request_check(&req, &err), 0);
}

static void refusals(void **state)
{
	static const struct {
		const char *name, *value;
		int code;
		const char *in_error, *in_hint;
	} cases[] = {
		{ "evnt_type", "x", ERR_UNKNOWN, "no such parameter", "event_type" },
		{ "startdate", "x", ERR_UNKNOWN, "no such parameter", "start_date" },
		{ "qqqqqqqqqqqq", "x", ERR_UNKNOWN, "no such parameter", "API.md" },
		{ "", "x", ERR_UNKNOWN, "no such parameter", "" },
		{ "severity", "loud", ERR_SYNTAX, "\"loud\"", "emergency" },
		{ "severity", "8", ERR_SYNTAX, "\"8\"", "0 to 7" },
		{ "id", "x", ERR_SYNTAX, "\"x\"", "" },
		{ "id", "-1", ERR_SYNTAX, "\"-1\"", "" },
		{ "id", "18446744073709551616", ERR_RANGE, "number", "" },
		{ "limit", "0", ERR_RANGE, "1 to 1000", "" },
		{ "limit", "1001", ERR_RANGE, "1 to 1000", "" },
		{ "limit", "-1", ERR_SYNTAX, "1 to 1000", "" },
		{ "limit", "18446744073709551616", ERR_RANGE, "1 to 1000", "" },
		{ "limit", "NaN", ERR_SYNTAX, "NaN", "" },
		{ "limit", "", ERR_SYNTAX, "\"\"", "" },
		{ "offset", "99999999999999999999999", ERR_RANGE, "", "" },
		{ "order", "up", ERR_SYNTAX, "neither asc nor desc", "oldest" },
		{ "total", "yes", ERR_SYNTAX, "neither exact nor none", "" },
		{ "start_date", "yesterday", ERR_SYNTAX, "not a date or time: \"yesterday\"",
			"UTC" },
		{ "start_date", "2024-02-30", ERR_RANGE, "no such date", "UTC" },
		{ "end_date", "2024-08-12T24:00:01Z", ERR_RANGE, "no such date", "UTC" },
		{ "end_time", "", ERR_SYNTAX, "not a date", "UTC" },
		{ "timestamp", "1723420800", ERR_SYNTAX, "not a date", "UTC" },
		{ "after", "x", ERR_SYNTAX, "\"x\"", "" },
		{ "wait", "61", ERR_RANGE, "0 to 60", "" },
		{ "cursor", "abc", ERR_SYNTAX, "not a cursor", "`next`" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		afresh();
		assert_int_equal(give(cases[i].name, cases[i].value), cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.field, cases[i].name);
		if (!strstr(err.error, cases[i].in_error) || !strstr(err.hint, cases[i].in_hint))
			fail_msg("%s=%s: %s (%s)", cases[i].name, cases[i].value, err.error,
				err.hint);
	}
	/* Anything may be in a name or value; errors are bounded. */
	afresh();
	assert_int_equal(engine_param(&req, span_of("a\0b", 3), SPAN_LIT("x"), &err), ERR_UNKNOWN);
	{
		static uint8_t big[100000];

		memset(big, '9', sizeof big);
		assert_int_equal(engine_param(&req, span_of(big, sizeof big), SPAN_LIT("x"), &err),
			ERR_UNKNOWN);
		assert_int_equal(
			engine_param(&req, SPAN_LIT("limit"), span_of(big, sizeof big), &err),
			ERR_RANGE);
		assert_int_equal(
			engine_param(&req, SPAN_LIT("end_time"), span_of(big, sizeof big), &err),
			ERR_SYNTAX);
		assert_int_equal(
			engine_param(&req, SPAN_LIT("user_id"), span_of(big, sizeof big), &err),
			ERR_LIMIT);
		assert_int_equal(
			engine_param(&req, SPAN_LIT("search"), span_of(big, sizeof big), &err),
			ERR_LIMIT);
	}
}

static void given_twice(void **state)
{
	static const char *const pairs[][4] = {
		{ "limit", "1", "limit", "2" },
		{ "search", "a", "search", "a" },
		{ "start_date", "2024-08-12", "start_time", "2024-08-12" },
		{ "end_date", "2024-08-12", "end_date", "2024-08-12" },
		{ "order", "asc", "order", "asc" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		afresh();
		ok(pairs[i][0], pairs[i][1]);
		assert_int_equal(give(pairs[i][2], pairs[i][3]), ERR_SYNTAX);
		assert_string_equal(err.error, "given twice");
	}
}

/* A number of a limit as a value, and what a refusal says of it. */
static void is_limit(const char *name, unsigned least, unsigned most)
{
	char value[16], range[48];

	snprintf(range, sizeof range, "from %u to %u", least, most);
	afresh();
	if (strcmp(name, "wait") == 0)
		ok("after", "1");
	snprintf(value, sizeof value, "%u", most + 1);
	assert_int_equal(give(name, value), ERR_RANGE);
	assert_string_equal(err.field, name);
	assert_non_null(strstr(err.error, range));
	assert_true(err.hint[0]);
	afresh();
	if (strcmp(name, "wait") == 0)
		ok("after", "1");
	snprintf(value, sizeof value, "%u", most);
	ok(name, value);
	assert_int_equal(engine_request_check(&req, &err), 0);
}

static void limits_of_numbers(void **state)
{
	(void)state;
	is_limit("limit", 1, LIMIT_QUERY_ROWS);
	assert_int_equal(req.limit, LIMIT_QUERY_ROWS);
	is_limit("wait", 0, LIMIT_QUERY_WAIT_S);
	assert_int_equal(req.wait_ms, LIMIT_QUERY_WAIT_S * 1000);
}

/* As many values as there may be, as long as they may be together; then a byte more. */
static void limit_of_all_values(void **state)
{
	static uint8_t text[LIMIT_QUERY_VALUES_BYTES];
	enum { EACH = LIMIT_QUERY_VALUES_BYTES / (EVENT_TEXT_COUNT * LIMIT_QUERY_VALUES) };
	size_t left = LIMIT_QUERY_VALUES_BYTES;

	(void)state;
	memset(text, 'v', sizeof text);
	for (int f = 0; f < EVENT_TEXT_COUNT; f++) {
		struct span name = span_str(event_text_name((enum event_text)f));

		for (int i = 0; i < LIMIT_QUERY_VALUES; i++) {
			text[0] = (uint8_t)('0' + i);
			assert_int_equal(engine_param(&req, name, span_of(text, EACH), &err), 0);
			left -= EACH;
		}
	}
	assert_int_equal(
		engine_param(&req, SPAN_LIT("search"), span_of(text, left + 1), &err), ERR_LIMIT);
	assert_string_equal(err.field, "search");
	assert_non_null(strstr(err.error, "longer than"));
	assert_true(err.hint[0]);
	req.given = 0;
	assert_int_equal(engine_param(&req, SPAN_LIT("search"), span_of(text, left), &err), 0);
	assert_int_equal(engine_request_check(&req, &err), 0);
	assert_int_equal(give("q", "x"), ERR_LIMIT);
	assert_string_equal(err.field, "q");
}

static void limits_of_values(void **state)
{
	char value[16];

	(void)state;
	for (int i = 0; i < LIMIT_QUERY_VALUES; i++) {
		sprintf(value, "%d", i);
		ok("user_id", value);
		ok("id", value);
	}
	assert_int_equal(give("user_id", "one more"), ERR_LIMIT);
	assert_int_equal(give("id", "99"), ERR_LIMIT);
	assert_int_equal(engine_request_check(&req, &err), 0);
}

static void expressions(void **state)
{
	uint32_t sum;

	(void)state;
	ok("q", "severity>=error or disk");
	ok("q", "user=anna");
	ok("event_type", "AUTH");
	ok("id", "7");
	assert_int_equal(engine_request_check(&req, &err), 0);
	assert_int_equal(req.where->kind, EXPR_AND);
	assert_int_equal(expr_tests_count(req.where), 5);
	sum = req.query_sum;
	/* The same, asked in another way. */
	afresh();
	ok("q", "type=AUTH (DISK or level>warning) id in (7) user_id=anna");
	assert_int_equal(engine_request_check(&req, &err), 0);
	assert_int_equal(req.query_sum, sum);
	afresh();
	ok("q", "user=anna");
	ok("q", "a and user=");
	assert_int_equal(engine_request_check(&req, &err), ERR_SYNTAX);
	assert_string_equal(err.field, "q");
	assert_int_equal(err.position, 12);
	assert_string_equal(err.error, "at position 12: expected a value, found the end");
	afresh();
	ok("q", "usr=1");
	assert_int_equal(engine_request_check(&req, &err), ERR_UNKNOWN);
	assert_string_equal(err.hint, "did you mean user?");
	afresh();
	ok("count", "none");
	assert_false(req.want_total);
	assert_int_equal(give("total", "exact"), ERR_SYNTAX);
	assert_string_equal(err.error, "given twice");
	ok("explain", "1");
	assert_true(req.explain);
	assert_int_equal(give("explain", "yes"), ERR_SYNTAX);
}

/* A page later, an hour ago is still an hour before the first page. */
static void a_walk_keeps_its_now(void **state)
{
	struct engine_place place = { .total_known = true };
	char text[ENGINE_CURSOR_BYTES];

	(void)state;
	ok("q", "timestamp>=-1h");
	assert_int_equal(engine_request_check(&req, &err), 0);
	place.query_sum = req.query_sum;
	place.now_ns = req.now_ns;
	page_cursor_put(&place, text);
	afresh();
	req.now_ns = place.now_ns + DAY_NS;
	ok("q", "timestamp>=-1h");
	ok("cursor", text);
	assert_int_equal(engine_request_check(&req, &err), 0);
	assert_int_equal(req.now_ns, place.now_ns);
}

static void contradictions(void **state)
{
	static const struct {
		const char *pairs[3][2], *field;
	} cases[] = {
		{ { { "start_date", "2024-08-12" }, { "end_date", "2024-08-11" } }, "end_date" },
		{ { { "start_time", "2024-08-12" }, { "end_time", "2024-08-12" } }, "end_time" },
		{ { { "wait", "1" } }, "wait" },
		{ { { "after", "1" }, { "order", "desc" } }, "order" },
		{ { { "after", "1" }, { "offset", "1" } }, "offset" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		afresh();
		for (int k = 0; k < 3 && cases[i].pairs[k][0]; k++)
			ok(cases[i].pairs[k][0], cases[i].pairs[k][1]);
		assert_int_equal(engine_request_check(&req, &err), ERR_RANGE);
		assert_string_equal(err.field, cases[i].field);
		assert_true(err.hint[0]);
	}
}

static void cursors(void **state)
{
	struct engine_place place = {
		.time_ns = -5, .id = UINT64_MAX, .newest = 77, .total = 1000, .now_ns = 12345
	};
	struct engine_place got;
	char text[ENGINE_CURSOR_BYTES], bad[ENGINE_CURSOR_BYTES];

	(void)state;
	place.total_known = true;
	ok("user_id", "anna");
	ok("user_id", "bob");
	assert_int_equal(engine_request_check(&req, &err), 0);
	place.query_sum = req.query_sum;
	page_cursor_put(&place, text);
	assert_int_equal(page_cursor_get(span_str(text), &got), 0);
	assert_int_equal(got.time_ns, -5);
	assert_int_equal(got.id, UINT64_MAX);
	assert_int_equal(got.newest, 77);
	assert_int_equal(got.total, 1000);
	assert_int_equal(got.now_ns, 12345);
	assert_true(got.total_known);
	/* No other text is taken: every character changed, the ends cut. */
	for (size_t i = 0; i < strlen(text); i++) {
		for (int c = 1; c < 256; c++) {
			strcpy(bad, text);
			if (bad[i] == (char)c)
				continue;
			bad[i] = (char)c;
			assert_int_equal(page_cursor_get(span_str(bad), &got), ERR_SYNTAX);
		}
		assert_int_equal(page_cursor_get(span_of(text, i), &got), ERR_SYNTAX);
	}
	/* Another order of the same values is the same query; another value is another. */
	afresh();
	ok("cursor", text);
	ok("user_id", "bob");
	ok("user_id", "anna");
	ok("limit", "7");
	assert_int_equal(engine_request_check(&req, &err), 0);
	afresh();
	ok("cursor", text);
	ok("user_id", "anna");
	assert_int_equal(engine_request_check(&req, &err), ERR_RANGE);
	assert_string_equal(err.field, "cursor");
	afresh();
	ok("cursor", text);
	ok("offset", "0");
	assert_int_equal(engine_request_check(&req, &err), ERR_RANGE);
	assert_string_equal(err.field, "offset");
}

static void keys(void **state)
{
	static const int64_t at[] = { INT64_MIN, -1, 0, 1, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(at); i++) {
		for (int o = ENGINE_ORDER_DESC; o <= ENGINE_ORDER_ASC; o++) {
			struct page_key k = page_key((enum engine_order)o, at[i], 9);
			int64_t t;
			uint64_t id;

			page_key_place((enum engine_order)o, k, &t, &id);
			assert_int_equal(t, at[i]);
			assert_int_equal(id, 9);
		}
		if (i == 0)
			continue;
		assert_true(page_key_less(page_key(ENGINE_ORDER_ASC, at[i - 1], 9),
			page_key(ENGINE_ORDER_ASC, at[i], 1)));
		assert_true(page_key_less(page_key(ENGINE_ORDER_DESC, at[i], 1),
			page_key(ENGINE_ORDER_DESC, at[i - 1], 9)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(filters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(times, set_up, tear_down),
		cmocka_unit_test_setup_teardown(singles, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(given_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_of_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits_of_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limit_of_all_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(expressions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_walk_keeps_its_now, set_up, tear_down),
		cmocka_unit_test_setup_teardown(contradictions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cursors, set_up, tear_down),
		cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests_name("engine_param", tests, NULL, NULL);
}
