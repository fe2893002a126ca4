/*
 * Goal: the columns that were asked for, in their order, as JSON and as CSV; a wrong name is told.
 * Method: tables of names over one event that has everything, and one that has nothing.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/err.h"
#include "proto/wire/columns.h"

/* {"n":1.5,"s":"=x","b":true,"m":{"a":"in","l":[1,"\""],"z":null},"d":1,"d":2} */
static const char metadata[] = "\x86\xa1n\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa1s\xa2=x\xa1"
			       "b\xc3\xa1m\x83\xa1"
			       "a\xa2in\xa1l\x92\x01\xa1\"\xa1z\xc0\xa1"
			       "d\x01\xa1"
			       "d\x02";
static struct columns columns;
static struct buf out;

static struct event full_event(void)
{
	struct event ev = { .id = 42,
		.time_ns = 1,
		.received_ns = INT64_C(1000000000),
		.severity = EVENT_SEVERITY_ERROR,
		.flags = EVENT_FLAG_TIME_ODD | EVENT_FLAG_CUT,
		.metadata = SPAN_LIT(metadata) };

	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ev.text[i] = span_str(event_text_name((enum event_text)i));
	ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("a \"b\", c");
	return ev;
}

static void assert_writes(
	const struct event *ev, const char *names, const char *json, const char *csv)
{
	struct span bad;

	columns_init(&columns);
	assert_int_equal(columns_add(&columns, span_str(names), &bad), 0);
	buf_init(&out, 1 << 16);
	assert_int_equal(columns_json(&columns, ev, &out), 0);
	buf_put_u8(&out, 0);
	assert_string_equal((const char *)out.p, json);
	buf_reset(&out);
	columns_csv_header(&columns, &out);
	columns_csv(&columns, ev, &out);
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	assert_memory_equal(out.p, names, strlen(names));
	assert_string_equal((const char *)out.p + strlen(names), csv);
	buf_fini(&out);
	columns_fini(&columns);
}

static void fields_in_the_order_asked_for(void **state)
{
	struct event ev = full_event();

	(void)state;
	assert_writes(
		&ev, "user_id,id", "{\"user_id\":\"user_id\",\"id\":42}", "\r\nuser_id,42\r\n");
	assert_writes(&ev, "timestamp,received,severity,flags",
		"{\"timestamp\":\"1970-01-01T00:00:00.000000001Z\",\"received\":"
		"\"1970-01-01T00:00:01Z\",\"severity\":\"error\",\"flags\":[\"time_odd\",\"cut\"]}",
		"\r\n1970-01-01T00:00:00.000000001Z,1970-01-01T00:00:01Z,error,time_odd cut\r\n");
	assert_writes(&ev, "description,description",
		"{\"description\":\"a \\\"b\\\", c\",\"description\":\"a \\\"b\\\", c\"}",
		"\r\n\"a \"\"b\"\", c\",\"a \"\"b\"\", c\"\r\n");
	assert_writes(&ev, "metadata",
		"{\"metadata\":{\"n\":1.5,\"s\":\"=x\",\"b\":true,\"m\":{\"a\":\"in\",\"l\":[1,\"\\\"\"],"
		"\"z\":null},\"d\":1,\"d\":2}}",
		"\r\n\"{\"\"n\"\":1.5,\"\"s\"\":\"\"=x\"\",\"\"b\"\":true,\"\"m\"\":{\"\"a\"\":\"\"in\"\","
		"\"\"l\"\":[1,\"\"\\\"\"\"\"],\"\"z\"\":null},\"\"d\"\":1,\"\"d\"\":2}\"\r\n");
}

static void paths_into_the_metadata(void **state)
{
	struct event ev = full_event();

	(void)state;
	assert_writes(&ev, "metadata.n,metadata.s,metadata.b,metadata.d",
		"{\"metadata.n\":1.5,\"metadata.s\":\"=x\",\"metadata.b\":true,\"metadata.d\":2}",
		"\r\n1.5,'=x,true,2\r\n");
	assert_writes(&ev, "metadata.m.a,metadata.m.l,metadata.m.z",
		"{\"metadata.m.a\":\"in\",\"metadata.m.l\":[1,\"\\\"\"],\"metadata.m.z\":null}",
		"\r\nin,\"[1,\"\"\\\"\"\"\"]\",null\r\n");
	assert_writes(&ev, "metadata.none,metadata.n.x,metadata.m.a.b,host", "{\"host\":\"host\"}",
		"\r\n,,,host\r\n");
}

static void what_is_absent_is_left_out(void **state)
{
	struct event ev = { .severity = EVENT_SEVERITY_INFO };

	(void)state;
	assert_writes(&ev, "host,metadata,flags,metadata.a", "{}", "\r\n,,,\r\n");
	/* Cut short: null where it stands alone, nothing below it. */
	ev.metadata = SPAN_LIT("\x82\xa1");
	assert_writes(&ev, "metadata,metadata.a", "{\"metadata\":null}", "\r\n,\r\n");
}

static void assert_refuses(const char *names, int code, const char *bad)
{
	struct span got;

	columns_init(&columns);
	assert_int_equal(columns_add(&columns, span_str(names), &got), code);
	assert_true(span_eq(got, span_str(bad)));
	columns_fini(&columns);
}

static void a_wrong_name_is_told(void **state)
{
	static char many[LIMIT_COLUMNS * 3 + 3], deep[LIMIT_DEPTH * 2 + 32];

	(void)state;
	assert_refuses("", ERR_SYNTAX, "");
	assert_refuses("id,,host", ERR_SYNTAX, "");
	assert_refuses("id,hsot", ERR_UNKNOWN, "hsot");
	assert_refuses("metadata.", ERR_SYNTAX, "metadata.");
	assert_refuses("metadata.a..b", ERR_SYNTAX, "metadata.a..b");
	assert_refuses("metadatax", ERR_UNKNOWN, "metadatax");
	for (int i = 0; i <= LIMIT_COLUMNS; i++)
		strcat(many, i ? ",id" : "id");
	assert_refuses(many, ERR_LIMIT, "id");
	many[LIMIT_COLUMNS * 3 - 1] = 0;
	columns_init(&columns);
	assert_int_equal(columns_add(&columns, span_str(many), &(struct span){ 0 }), 0);
	assert_int_equal(columns.count, LIMIT_COLUMNS);
	columns_fini(&columns);
	strcpy(deep, "metadata");
	for (int i = 0; i <= LIMIT_DEPTH; i++)
		strcat(deep, ".a");
	assert_refuses(deep, ERR_DEPTH, deep);
}

/* Names and their parts are of one memory. */
static void names_have_so_many_bytes_together(void **state)
{
	static char name[LIMIT_COLUMNS_BYTES + 2];
	struct span bad;

	(void)state;
	memset(name, 'k', sizeof name - 1);
	memcpy(name, "metadata.", 9);
	assert_refuses(name, ERR_LIMIT, name);
	columns_init(&columns);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			columns_add(&columns, span_of(name, LIMIT_COLUMNS_BYTES / 4), &bad), 0);
	assert_int_equal(
		columns_add(&columns, span_of(name, LIMIT_COLUMNS_BYTES / 4), &bad), ERR_LIMIT);
	assert_int_equal(bad.n, LIMIT_COLUMNS_BYTES / 4);
	assert_int_equal(columns.count, 3);
	/* What is shorter may still come. */
	assert_int_equal(columns_add(&columns, SPAN_LIT("host"), &bad), 0);
	columns_fini(&columns);
}

static void a_small_buffer_is_left_as_it_was(void **state)
{
	struct event ev = full_event();
	struct span bad;

	(void)state;
	columns_init(&columns);
	assert_int_equal(columns_add(&columns, SPAN_LIT("id,host,metadata"), &bad), 0);
	for (size_t max = 0; max < 90; max++) {
		buf_init(&out, max);
		assert_int_equal(columns_json(&columns, &ev, &out), ERR_LIMIT);
		assert_int_equal(out.len, 0);
		assert_int_equal(out.err, 0);
		buf_fini(&out);
	}
	columns_fini(&columns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_in_the_order_asked_for),
		cmocka_unit_test(paths_into_the_metadata),
		cmocka_unit_test(what_is_absent_is_left_out),
		cmocka_unit_test(a_wrong_name_is_told),
		cmocka_unit_test(names_have_so_many_bytes_together),
		cmocka_unit_test(a_small_buffer_is_left_as_it_was),
	};

	return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
