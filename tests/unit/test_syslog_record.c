/*
 * Goal: a message becomes the record that WIRE.md says, with nothing of it lost.
 * Method: messages are parsed and their records compared as JSON.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/syslog/syslog_record.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

struct kit {
	struct syslog s;
	struct syslog_record r;
	struct buf js;
};

static void kit_init(struct kit *k, const char *type, bool json)
{
	const struct syslog_record_conf conf = { .event_type = span_str(type), .json = json };

	syslog_init(&k->s, &(struct syslog_zone){ 0 });
	assert_int_equal(syslog_record_init(&k->r, &conf), 0);
	buf_init(&k->js, 1 << 20);
}

static void kit_fini(struct kit *k)
{
	buf_fini(&k->js);
	syslog_record_fini(&k->r);
}

static struct span make(struct kit *k, struct span in, bool *out_json)
{
	const struct syslog_source from = { 0 };
	struct syslog_message m;
	struct span record;
	struct rcur c;

	syslog_parse(&k->s, &from, in, &m);
	*out_json = syslog_record_make(&k->r, &k->s, &m, &record);
	c = rcur_of(record.p, record.n);
	assert_int_equal(walk_skip(&c), 0);
	assert_int_equal(rcur_left(&c), 0);
	return record;
}

static void check(struct kit *k, const char *in, const char *want)
{
	bool json;
	struct span record = make(k, span_str(in), &json);

	buf_reset(&k->js);
	assert_int_equal(json_out_value(record, &k->js), 0);
	buf_put_u8(&k->js, 0);
	assert_string_equal((const char *)k->js.p, want);
}

static void test_fields(void **state)
{
	struct kit k;

	(void)state;
	kit_init(&k, NULL, false);
	check(&k, "<165>1 2003-10-11T22:14:15Z h app 7 ID47 [e@1 a=\"1\" b=\"x\\\"y\\]\"][f] text",
		"{\"event_type\":\"ID47\",\"severity\":5,\"service\":\"app\",\"host\":\"h\","
		"\"description\":\"text\",\"metadata\":{\"facility\":\"local4\",\"procid\":\"7\","
		"\"msgid\":\"ID47\",\"sd\":{\"e@1\":{\"a\":\"1\",\"b\":\"x\\\"y]\"},\"f\":true}}}");
	check(&k, "<34>Oct 11 22:14:15 h su: failed",
		"{\"event_type\":\"AUTH\",\"severity\":2,\"service\":\"su\",\"host\":\"h\","
		"\"description\":\"failed\",\"metadata\":{\"facility\":\"auth\"}}");
	check(&k, "<86>x",
		"{\"event_type\":\"AUTH\",\"severity\":6,\"description\":\"x\","
		"\"metadata\":{\"facility\":\"authpriv\"}}");
	check(&k, "<11>x",
		"{\"event_type\":\"ERROR\",\"severity\":3,\"description\":\"x\","
		"\"metadata\":{\"facility\":\"user\"}}");
	check(&k, "<12>x",
		"{\"event_type\":\"LOG\",\"severity\":4,\"description\":\"x\","
		"\"metadata\":{\"facility\":\"user\"}}");
	check(&k, "no header",
		"{\"event_type\":\"LOG\",\"severity\":5,\"description\":\"no header\",\"metadata\":{"
		"\"facility\":\"user\",\"parse_error\":\"no_pri,no_header\"}}");
	check(&k, "<189>5: Feb  1 18:46:11: %A-5-B: x",
		"{\"event_type\":\"A-5-B\",\"severity\":5,\"service\":\"A\",\"description\":\"x\","
		"\"metadata\":{\"facility\":\"local7\",\"msgid\":\"A-5-B\",\"sequence\":\"5\"}}");
	check(&k, "<1>1 2003-02-30T22:14:15Z - - - - - x",
		"{\"event_type\":\"ERROR\",\"severity\":1,\"description\":\"x\",\"metadata\":{"
		"\"facility\":\"kern\",\"stamp\":\"2003-02-30T22:14:15Z\",\"parse_error\":\"time\"}}");
	kit_fini(&k);
}

static void test_configured_type(void **state)
{
	struct kit k;

	(void)state;
	kit_init(&k, "SYSLOG", false);
	check(&k, "<11>x",
		"{\"event_type\":\"SYSLOG\",\"severity\":3,\"description\":\"x\","
		"\"metadata\":{\"facility\":\"user\"}}");
	check(&k, "<11>1 - - - - M [a event_type=\"PAYMENT\"] x",
		"{\"event_type\":\"PAYMENT\",\"severity\":3,\"description\":\"x\",\"metadata\":{"
		"\"facility\":\"user\",\"msgid\":\"M\",\"sd\":{\"a\":true}}}");
	kit_fini(&k);
}

static void test_sd_fields(void **state)
{
	struct kit k;

	(void)state;
	kit_init(&k, NULL, false);
	check(&k,
		"<13>1 - - - - - [a user_id=\"u\\\"1\" x=\"1\" user_id=\"u2\"][b entity_type=\"ORDER\" "
		"entity_id=\"7\" ip_address=\"10.0.0.1\"] t",
		"{\"event_type\":\"LOG\",\"severity\":5,\"entity_type\":\"ORDER\",\"entity_id\":\"7\","
		"\"user_id\":\"u\\\"1\",\"ip_address\":\"10.0.0.1\",\"description\":\"t\","
		"\"metadata\":{\"facility\":\"user\",\"sd\":{\"a\":{\"x\":\"1\",\"user_id\":\"u2\"},"
		"\"b\":true}}}");
	kit_fini(&k);
}

static void test_sd_repeated(void **state)
{
	struct kit k;

	(void)state;
	kit_init(&k, NULL, false);
	check(&k, "<13>1 - - - - - [o ip=\"1\" ip=\"2\" z=\"3\"][p q=\"4\"][o ip=\"5\" y=\"6\"][p]",
		"{\"event_type\":\"LOG\",\"severity\":5,\"description\":\"\",\"metadata\":{"
		"\"facility\":\"user\",\"sd\":{\"o\":{\"ip\":[\"1\",\"2\",\"5\"],\"z\":\"3\",\"y\":"
		"\"6\"},\"p\":{\"q\":\"4\"}}}}");
	kit_fini(&k);
}

static void test_json(void **state)
{
	struct kit k;

	(void)state;
	kit_init(&k, NULL, true);
	check(&k, "<13>Nov 20 17:45:55 h app[3]: @cee: {\"msg\": \"m\", \"n\": 1}",
		"{\"event_type\":\"LOG\",\"severity\":5,\"service\":\"app\",\"host\":\"h\","
		"\"facility\":\"user\",\"procid\":\"3\",\"msg\":\"m\",\"n\":1}");
	check(&k, "<13>{\"type\": \"X\", \"level\": \"warn\", \"host\": \"k\", \"procid\": 1}",
		"{\"facility\":\"user\",\"type\":\"X\",\"level\":\"warn\",\"host\":\"k\","
		"\"procid\":1}");
	check(&k, "<13>{\"a\": 1} and more",
		"{\"event_type\":\"LOG\",\"severity\":5,\"description\":\"{\\\"a\\\": 1} and more\","
		"\"metadata\":{\"facility\":\"user\"}}");
	check(&k, "<13>@cee: [1]",
		"{\"event_type\":\"LOG\",\"severity\":5,\"description\":\"@cee: [1]\",\"metadata\":{"
		"\"facility\":\"user\"}}");
	kit_fini(&k);
}

/* An object with as many members as a record may have stays text, for ours would be too many. */
static void test_json_limit(void **state)
{
	struct kit k;
	struct buf in;
	bool json;

	(void)state;
	kit_init(&k, NULL, true);
	buf_init(&in, 1 << 20);
	for (unsigned members = LIMIT_MAP_PAIRS - 3; members <= LIMIT_MAP_PAIRS; members++) {
		buf_reset(&in);
		buf_put_str(&in, "<13>{\"m0\":0");
		for (unsigned i = 1; i < members; i++)
			buf_printf(&in, ",\"m%u\":%u", i, i);
		buf_put_str(&in, "}");
		make(&k, buf_span(&in), &json);
		/* event_type, severity, facility */
		assert_int_equal(json, members + 3 <= LIMIT_MAP_PAIRS);
	}
	buf_fini(&in);
	kit_fini(&k);
}

/* The largest message whose record grows most fits the buffer. */
static void test_largest(void **state)
{
	struct kit k;
	struct buf in;
	bool json;

	(void)state;
	kit_init(&k, NULL, true);
	buf_init(&in, 1 << 20);
	buf_put_str(&in, "<13>1 - - - - - ");
	for (unsigned i = 0; i < LIMIT_SYSLOG_ELEMENTS; i++)
		buf_printf(&in, "[e%u %c=\"v\" %c=\"v\"]", i, 'a' + i % 2, 'a' + i % 3);
	buf_put_str(&in, " ");
	while (in.len < LIMIT_SYSLOG_BYTES)
		buf_put_u8(&in, 'x');
	assert_true(make(&k, buf_span(&in), &json).n > LIMIT_SYSLOG_BYTES / 2);
	/* Every byte of bad UTF-8 becomes three: too large, so it stays text. */
	buf_reset(&in);
	buf_put_str(&in, "<13>{\"a\":\"");
	while (in.len < LIMIT_SYSLOG_BYTES - 2)
		buf_put_u8(&in, 0xff);
	buf_put_str(&in, "\"}");
	assert_true(make(&k, buf_span(&in), &json).n > LIMIT_SYSLOG_BYTES);
	assert_true(json);
	buf_fini(&in);
	kit_fini(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_configured_type),
		cmocka_unit_test(test_sd_fields),
		cmocka_unit_test(test_sd_repeated),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_limit),
		cmocka_unit_test(test_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
