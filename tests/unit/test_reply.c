/*
 * Goal: an answer of the API becomes the events it was made of; anything else is refused.
 * Method: events written by json_out and read back; tables of other answers.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "tools/reply.h"

static struct reply reply;

static int setup(void **state)
{
	(void)state;
	reply_init(&reply);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reply_fini(&reply);
	return 0;
}

static void assert_same_text(struct span a, struct span b)
{
	assert_int_equal(a.p == NULL, b.p == NULL);
	assert_true(span_eq(a, b));
}

static void events_come_back_whole(void **state)
{
	struct event evs[3] = {
		{ .id = 1, .time_ns = 1, .received_ns = 2, .severity = EVENT_SEVERITY_DEBUG },
		{ .id = UINT64_MAX,
			.time_ns = INT64_C(-1500000000),
			.severity = EVENT_SEVERITY_EMERGENCY,
			.flags = EVENT_FLAG_TIME_ODD | EVENT_FLAG_CUT,
			.metadata = SPAN_LIT(
				"\x82\xa1"
				"a\x93\x01\xc0\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa0\x80") },
		{ .id = UINT64_C(1) << 53, .severity = EVENT_SEVERITY_INFO },
	};
	struct source_page page;
	struct buf json;
	struct diag d;

	(void)state;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		evs[1].text[i] = i % 2 ? SPAN_LIT("caf\xc3\xa9 \"\n") : SPAN_LIT("");
	buf_init(&json, 1 << 20);
	buf_put_str(&json, "{\"status\":\"success\",\"logs\":[");
	for (int i = 0; i < 3; i++) {
		buf_put_str(&json, i ? "," : "");
		assert_int_equal(json_out_event(&evs[i], &json), 0);
	}
	buf_put_str(&json,
		"],\"total\":17,\"limit\":3,\"offset\":0,\"next\":\"AbC-_\",\"covered\":99,"
		"\"stats\":{\"us\":3}}");
	assert_int_equal(reply_read(&reply, buf_span(&json), &page, &d), 0);
	assert_int_equal(page.count, 3);
	assert_true(page.total_known);
	assert_int_equal(page.total, 17);
	assert_string_equal(page.next, "AbC-_");
	assert_string_equal(page.lack, "");
	for (int i = 0; i < 3; i++) {
		const struct event *ev = &page.events[i];

		assert_true(ev->id == evs[i].id);
		assert_true(ev->time_ns == evs[i].time_ns);
		assert_true(ev->received_ns == evs[i].received_ns);
		assert_int_equal(ev->severity, evs[i].severity);
		assert_int_equal(ev->flags, evs[i].flags);
		assert_same_text(ev->metadata, evs[i].metadata);
		for (int k = 0; k < EVENT_TEXT_COUNT; k++)
			assert_same_text(ev->text[k], evs[i].text[k]);
	}
	buf_fini(&json);
}

static void read_ok(const char *json, struct source_page *page)
{
	struct diag d;

	assert_int_equal(reply_read(&reply, span_str(json), page, &d), 0);
}

static void what_is_optional_may_be_absent(void **state)
{
	struct source_page page;

	(void)state;
	read_ok("{\"logs\":[],\"covered\":0}", &page);
	assert_int_equal(page.count, 0);
	assert_false(page.total_known);
	assert_string_equal(page.next, "");
	read_ok("{\"data\":[{\"id\":7,\"new_field\":{\"x\":[1]},\"flags\":[\"new_flag\"]}],\"next\":null,"
		"\"total\":null,\"covered\":\"9007199254740993\"}",
		&page);
	assert_int_equal(page.count, 1);
	assert_int_equal(page.events[0].id, 7);
	assert_false(page.total_known);
	assert_string_equal(page.next, "");
	assert_true(page.covered == UINT64_C(9007199254740993));
}

static void what_lacks_is_told(void **state)
{
	struct source_page page;

	(void)state;
	read_ok("{\"logs\":[],\"covered\":1,\"partial\":\"damage\",\"damage\":[{\"file\":\"x\"}]}",
		&page);
	assert_non_null(strstr(page.lack, "store is damaged"));
	read_ok("{\"logs\":[],\"covered\":1,\"damage\":[]}", &page);
	assert_string_equal(page.lack, "");
	read_ok("{\"logs\":[],\"covered\":1,\"partial\":\"canceled\"}", &page);
	assert_string_equal(page.lack, "the answer is not complete (canceled)");
	/* A cursor goes on from there. */
	read_ok("{\"logs\":[],\"covered\":1,\"partial\":\"time\",\"next\":\"x\"}", &page);
	assert_string_equal(page.lack, "");
	read_ok("{\"logs\":[],\"covered\":1,\"partial\":null}", &page);
	assert_string_equal(page.lack, "");
}

static void other_answers_are_refused(void **state)
{
	static const char *const texts[] = { "", "<html>", "[]", "{}", "{\"logs\":{}}",
		"{\"logs\":[1],\"covered\":1}", "{\"logs\":[{}],\"covered\":1}",
		"{\"logs\":[{\"id\":-1}],\"covered\":1}",
		"{\"logs\":[{\"id\":\"1x\"}],\"covered\":1}",
		"{\"logs\":[{\"id\":\"18446744073709551616\"}],\"covered\":1}",
		"{\"logs\":[{\"id\":1,\"timestamp\":\"today\"}],\"covered\":1}",
		"{\"logs\":[{\"id\":1,\"severity\":\"awful\"}],\"covered\":1}",
		"{\"logs\":[{\"id\":1,\"description\":7}],\"covered\":1}",
		"{\"logs\":[{\"id\":1,\"flags\":7}],\"covered\":1}", "{\"logs\":[]}",
		"{\"logs\":[{\"id\":1}", "{\"logs\":[],\"covered\":\"x\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct source_page page;
		struct diag d;

		assert_true(reply_read(&reply, span_str(texts[i]), &page, &d) < 0);
		assert_non_null(strstr(d.text, "not that of astroqueryd"));
	}
}

static void errors_are_told_safely(void **state)
{
	char text[200];

	(void)state;
	reply_error(&reply,
		SPAN_LIT(
			"{\"status\":\"error\",\"error\":\"no such\\u001b[2J field\",\"hint\":\"try x\"}"),
		400, text, sizeof text);
	assert_string_equal(text, "no such\\x1b[2J field (try x)");
	reply_error(&reply, SPAN_LIT("<html>"), 502, text, sizeof text);
	assert_string_equal(text, "the server answered with status 502");
	reply_error(&reply, SPAN_LIT("{\"error\":7}"), 500, text, 12);
	assert_string_equal(text, "the server ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_back_whole),
		cmocka_unit_test(what_is_optional_may_be_absent),
		cmocka_unit_test(what_lacks_is_told),
		cmocka_unit_test(other_answers_are_refused),
		cmocka_unit_test(errors_are_told_safely),
	};

	return cmocka_run_group_tests_name("reply", tests, setup, teardown);
}
