/*
 * Goal: the actions of a bulk are understood as clients write them, and the answer has what each client
 *       asks for, letter by letter.
 * Method: tables of actions and of answers.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/es_bulk.h"
#include "proto/wire/json_in.h"

static struct buf value, out;

static int setup(void **state)
{
	(void)state;
	buf_init(&value, 1 << 20);
	buf_init(&out, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&value);
	buf_fini(&out);
	return 0;
}

static int read_action(const char *text, struct es_bulk_action *action)
{
	buf_reset(&value);
	assert_int_equal(json_in_text(span_str(text), 0, &value, NULL), 0);
	return es_bulk_action_read(buf_span(&value), action);
}

static void actions_are_understood(void **state)
{
	struct es_bulk_action a;

	(void)state;
	assert_int_equal(read_action("{\"create\":{\"_index\":\"filebeat-8.11.1\"}}", &a), 0);
	assert_int_equal(a.verb, ES_BULK_CREATE);
	assert_true(span_eq(a.index, SPAN_LIT("filebeat-8.11.1")));
	assert_null(a.id.p);
	assert_int_equal(
		read_action(
			"{\"index\":{\"_id\":\"7\",\"_type\":\"_doc\",\"routing\":null,\"_index\":\"l\"}}",
			&a),
		0);
	assert_int_equal(a.verb, ES_BULK_INDEX);
	assert_true(span_eq(a.id, SPAN_LIT("7")));
	assert_int_equal(read_action("{\"index\":{}}", &a), 0);
	assert_null(a.index.p);
	assert_int_equal(read_action("{\"delete\":{\"_index\":\"l\",\"_id\":\"7\"}}", &a), 0);
	assert_false(es_bulk_has_document(a.verb));
	assert_int_equal(read_action("{\"update\":{\"_id\":\"7\"}}", &a), 0);
	assert_true(es_bulk_has_document(a.verb));
}

static void what_is_no_action_is_refused(void **state)
{
	static const char *const texts[] = { "{}", "[]", "1", "{\"message\":\"m\"}",
		"{\"index\":1}", "{\"index\":{},\"create\":{}}", "{\"Index\":{}}" };
	struct es_bulk_action a;
	char text[LIMIT_ES_NAME_BYTES + 64];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_int_equal(read_action(texts[i], &a), ERR_SYNTAX);
	n = (size_t)snprintf(text, sizeof text, "{\"index\":{\"_index\":\"");
	memset(text + n, 'x', LIMIT_ES_NAME_BYTES + 1);
	strcpy(text + n + LIMIT_ES_NAME_BYTES, "\"}}");
	assert_int_equal(read_action(text, &a), 0);
	strcpy(text + n + LIMIT_ES_NAME_BYTES, "x\"}}");
	assert_int_equal(read_action(text, &a), ERR_LIMIT);
}

static void the_filter_of_each_client_is_understood(void **state)
{
	(void)state;
	assert_int_equal(es_bulk_members(SPAN_NONE), ES_BULK_ALL);
	assert_int_equal(es_bulk_members(SPAN_LIT("hits")), ES_BULK_ALL);
	/* Logstash, and Filebeat. */
	assert_int_equal(es_bulk_members(SPAN_LIT("errors,items.*.error,items.*.status")),
		ES_BULK_ERRORS | ES_BULK_ERROR | ES_BULK_STATUS);
	assert_int_equal(
		es_bulk_members(SPAN_LIT("errors,items.index.status,items.index.error,items.create."
					 "status,items.create.error")),
		ES_BULK_ERRORS | ES_BULK_ERROR | ES_BULK_STATUS);
	assert_int_equal(es_bulk_members(SPAN_LIT("took,items.*.error.reason,")),
		ES_BULK_TOOK | ES_BULK_ERROR);
	assert_int_equal(
		es_bulk_members(SPAN_LIT("items")), ES_BULK_ERROR | ES_BULK_STATUS | ES_BULK_REST);
}

static void assert_answer(unsigned members, const char *want)
{
	const struct es_bulk_item good = {
		.verb = ES_BULK_CREATE, .status = 201, .index = SPAN_LIT("l\"s"), .event_id = 41
	};
	const struct es_bulk_item bad = { .verb = ES_BULK_INDEX,
		.status = 400,
		.index = SPAN_LIT("logs"),
		.id = SPAN_LIT("7"),
		.type = "mapper_parsing_exception",
		.reason = SPAN_LIT("no \"object\"") };

	buf_reset(&out);
	es_bulk_begin(&out, members, 3, true);
	es_bulk_item_put(&out, members, &good);
	es_bulk_item_put(&out, members, &bad);
	es_bulk_end(&out, members);
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.p, want);
}

static void the_answer_has_what_is_asked_for(void **state)
{
	(void)state;
	assert_answer(ES_BULK_ALL,
		"{\"took\":3,\"errors\":true,\"items\":[{\"create\":{\"_index\":\"l\\\"s\",\"_id\":\"41\","
		"\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0},"
		"\"_seq_no\":41,\"_primary_term\":1,\"status\":201}},{\"index\":{\"_index\":\"logs\",\"_id\":\"7\","
		"\"status\":400,\"error\":{\"type\":\"mapper_parsing_exception\",\"reason\":\"no \\\"object\\\"\"}}}]}");
	assert_answer(ES_BULK_ERRORS | ES_BULK_STATUS | ES_BULK_ERROR,
		"{\"errors\":true,\"items\":[{\"create\":{\"status\":201}},{\"index\":{\"status\":400,\"error\":"
		"{\"type\":\"mapper_parsing_exception\",\"reason\":\"no \\\"object\\\"\"}}}]}");
	assert_answer(ES_BULK_ERROR,
		"{\"items\":[{\"index\":{\"error\":{\"type\":\"mapper_parsing_exception\",\"reason\":"
		"\"no \\\"object\\\"\"}}}]}");
	assert_answer(ES_BULK_TOOK, "{\"took\":3}");
}

static void a_request_is_refused_in_its_own_words(void **state)
{
	(void)state;
	buf_reset(&out);
	es_bulk_problem(&out, 400, "illegal_argument_exception", SPAN_LIT("line 1"));
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.p,
		"{\"error\":{\"root_cause\":[{\"type\":\"illegal_argument_exception\",\"reason\":\"line 1\"}],"
		"\"type\":\"illegal_argument_exception\",\"reason\":\"line 1\"},\"status\":400}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_are_understood),
		cmocka_unit_test(what_is_no_action_is_refused),
		cmocka_unit_test(the_filter_of_each_client_is_understood),
		cmocka_unit_test(the_answer_has_what_is_asked_for),
		cmocka_unit_test(a_request_is_refused_in_its_own_words),
	};

	return cmocka_run_group_tests_name("es_bulk", tests, setup, teardown);
}
