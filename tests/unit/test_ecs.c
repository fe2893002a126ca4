/*
 * Goal: documents of the Elastic Common Schema become records with our names, nested or dotted, and nothing
 *       of them is lost or kept twice.
 * Method: documents and records as JSON; every buffer that is too small.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/ecs.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"

static struct ecs *ecs;
static struct buf doc, record, text;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(ecs_new(&ecs), 0);
	buf_init(&doc, 1 << 20);
	buf_init(&record, 1 << 20);
	buf_init(&text, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ecs_free(&ecs);
	buf_fini(&doc);
	buf_fini(&record);
	buf_fini(&text);
	return 0;
}

static void assert_becomes(const char *in, const struct ecs_more *more, const char *want)
{
	static const struct ecs_more none;

	buf_reset(&doc);
	buf_reset(&record);
	buf_reset(&text);
	assert_int_equal(json_in_text(span_str(in), 0, &doc, NULL), 0);
	assert_int_equal(ecs_record(ecs, buf_span(&doc), more ? more : &none, &record), 0);
	assert_int_equal(json_out_value(buf_span(&record), &text), 0);
	buf_put_u8(&text, 0);
	assert_string_equal((const char *)text.p, want);
}

static void nested_fields_are_found(void **state)
{
	(void)state;
	assert_becomes(
		"{\"@timestamp\":\"2026-01-12T00:00:00.000Z\",\"message\":\"m\",\"host\":{\"name\":"
		"\"h\"},\"log\":{\"level\":\"warn\"},\"service\":{\"name\":\"s\"},\"user\":{\"id\":"
		"\"u\"},\"event\":{\"action\":\"login\"},\"source\":{\"ip\":\"192.0.2.1\"},"
		"\"user_agent\":{\"original\":\"curl\"}}",
		NULL,
		"{\"message\":\"m\",\"timestamp\":\"2026-01-12T00:00:00.000Z\",\"host\":\"h\",\"level\":\"warn\","
		"\"service\":\"s\",\"user_id\":\"u\",\"event_type\":\"login\",\"ip_address\":\"192.0.2.1\","
		"\"user_agent\":\"curl\"}");
}

static void dotted_fields_are_the_same(void **state)
{
	(void)state;
	assert_becomes(
		"{\"host.name\":\"h\",\"log.level\":\"warn\",\"service.name\":\"s\",\"user.name\":\"n\","
		"\"event.kind\":\"alert\",\"client.ip\":\"192.0.2.1\",\"ecs.version\":\"8.0.0\"}",
		NULL,
		"{\"ecs.version\":\"8.0.0\",\"host\":\"h\",\"level\":\"warn\",\"service\":\"s\",\"user_id\":\"n\","
		"\"event_type\":\"alert\",\"ip_address\":\"192.0.2.1\"}");
}

static void the_first_name_that_is_there_is_taken(void **state)
{
	(void)state;
	assert_becomes(
		"{\"user\":{\"name\":\"n\",\"id\":7},\"event\":{\"kind\":\"alert\",\"action\":\"a\"}}",
		NULL,
		"{\"user\":{\"name\":\"n\"},\"event\":{\"kind\":\"alert\"},\"user_id\":7,\"event_type\":\"a\"}");
	/* What says nothing or is of another type is no field. */
	assert_becomes(
		"{\"event\":{\"kind\":\"event\"},\"host\":{\"name\":[\"h\"]},\"log\":{\"level\":\"\"}}",
		NULL,
		"{\"event\":{\"kind\":\"event\"},\"metadata\":{\"host\":{\"name\":[\"h\"]},\"log\":{\"level\":\"\"}}}");
}

static void what_is_left_of_an_object_stays(void **state)
{
	(void)state;
	assert_becomes(
		"{\"host\":{\"os\":{\"type\":\"linux\"},\"name\":\"h\",\"ip\":[\"::1\"]},\"log\":{\"offset\":"
		"5,\"level\":\"info\",\"file\":{\"path\":\"/l\"}},\"agent\":{\"type\":\"filebeat\"}}",
		NULL,
		"{\"agent\":{\"type\":\"filebeat\"},\"host\":\"h\",\"level\":\"info\",\"metadata\":{\"host\":{\"os\":"
		"{\"type\":\"linux\"},\"ip\":[\"::1\"]},\"log\":{\"offset\":5,\"file\":{\"path\":\"/l\"}}}}");
}

/* An event in our own shape goes through as it is. */
static void our_own_names_have_the_last_word(void **state)
{
	(void)state;
	assert_becomes(
		"{\"event_type\":\"AUTH\",\"event\":{\"action\":\"a\"},\"host\":\"own\",\"host.name\":\"h\","
		"\"metadata\":{\"k\":1},\"timestamp\":\"t\",\"@timestamp\":\"x\"}",
		NULL,
		"{\"event_type\":\"AUTH\",\"event\":{\"action\":\"a\"},\"host\":\"own\",\"host.name\":\"h\","
		"\"timestamp\":\"t\",\"@timestamp\":\"x\",\"metadata\":{\"k\":1}}");
	assert_becomes("{\"metadata\":{\"k\":1},\"service\":{\"name\":\"s\",\"id\":\"1\"}}", NULL,
		"{\"service\":\"s\",\"metadata\":{\"service\":{\"id\":\"1\"},\"k\":1}}");
}

static void index_and_id_are_kept(void **state)
{
	const struct ecs_more more = { .index = SPAN_LIT("logs"), .id = SPAN_LIT("7") };

	(void)state;
	assert_becomes("{\"a\":1}", &more, "{\"_index\":\"logs\",\"_id\":\"7\",\"a\":1}");
	assert_becomes("{}", NULL, "{}");
}

static void what_is_no_document_is_refused(void **state)
{
	static const struct ecs_more none;

	(void)state;
	buf_reset(&record);
	buf_put_str(&record, "kept");
	assert_int_equal(ecs_record(ecs, SPAN_LIT("\x01"), &none, &record), ERR_TYPE);
	assert_int_equal(ecs_record(ecs, SPAN_LIT("\x81\xa1"), &none, &record), ERR_TRUNCATED);
	assert_int_equal(ecs_record(ecs, SPAN_LIT("\xde\xff\xff"), &none, &record), ERR_LIMIT);
	assert_int_equal(ecs_record(ecs, SPAN_LIT("\x81\x01\xc1"), &none, &record), ERR_SYNTAX);
	assert_int_equal(record.len, 4);
	assert_int_equal(record.err, 0);
}

static void a_buffer_that_is_too_small_is_as_it_was(void **state)
{
	static const struct ecs_more none;
	size_t whole;

	(void)state;
	assert_becomes("{\"host\":{\"name\":\"h\",\"ip\":\"::1\"},\"a\":[1,2,3]}", NULL,
		"{\"a\":[1,2,3],\"host\":\"h\",\"metadata\":{\"host\":{\"ip\":\"::1\"}}}");
	whole = record.len;
	for (size_t max = 1; max < whole; max++) {
		struct buf small;

		buf_init(&small, max);
		buf_put_u8(&small, 'k');
		assert_int_equal(ecs_record(ecs, buf_span(&doc), &none, &small), ERR_LIMIT);
		assert_int_equal(small.len, 1);
		buf_fini(&small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_fields_are_found),
		cmocka_unit_test(dotted_fields_are_the_same),
		cmocka_unit_test(the_first_name_that_is_there_is_taken),
		cmocka_unit_test(what_is_left_of_an_object_stays),
		cmocka_unit_test(our_own_names_have_the_last_word),
		cmocka_unit_test(index_and_id_are_kept),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(a_buffer_that_is_too_small_is_as_it_was),
	};

	return cmocka_run_group_tests_name("ecs", tests, setup, teardown);
}
