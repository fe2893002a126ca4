/*
 * Goal: a field is shown as what stands there, by the name it was asked for; what is absent is so.
 * Method: one event with every kind of value, golden texts.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/err.h"
#include "tools/show_pick.h"

static struct buf out, raw;
static struct picks picks;

static int teardown(void **state)
{
	(void)state;
	pick_fini(&picks);
	return 0;
}

static struct event sample(void)
{
	/* {"n":-5,"t":"=x","f":2.5,"m":{"a.b":true,"l":[1]},"z":nil} */
	struct event ev = {
		.id = UINT64_C(1) << 60,
		.time_ns = INT64_C(1786000000500000000),
		.severity = EVENT_SEVERITY_WARNING,
		.flags = EVENT_FLAG_CUT | EVENT_FLAG_TIME_ODD,
		.metadata = SPAN_LIT("\x85\xa1n\xfb\xa1t\xa2=x\xa1"
				     "f\xcb\x40\x04\x00\x00\x00\x00\x00\x00\xa1m\x82\xa3"
				     "a.b\xc3\xa1l\x91\x01\xa1z\xc0"),
	};

	ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("two words");
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("");
	return ev;
}

static void read_list(const char *list)
{
	struct diag d;

	pick_fini(&picks);
	pick_init(&picks);
	if (pick_read(&picks, list, &d) < 0)
		fail_msg("%s: %s", list, d.text);
}

static const char *text(void)
{
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	return (const char *)out.p;
}

#define ALL                                                                                 \
	"id, timestamp,severity,description,user_id,host,metadata.n,metadata.t,metadata.f," \
	"metadata.m.\"a.b\",metadata.m.l,metadata.z,metadata.none,flags"

static void as_json(void **state)
{
	struct event ev = sample();

	(void)state;
	read_list(ALL);
	buf_reset(&out);
	show_pick_json(&picks, &ev, &out);
	assert_string_equal(text(),
		"{\"id\":\"1152921504606846976\",\"timestamp\":\"2026-08-06T07:06:40.5Z\","
		"\"severity\":\"warning\",\"description\":\"two words\",\"user_id\":\"\","
		"\"metadata.n\":-5,\"metadata.t\":\"=x\",\"metadata.f\":2.5,"
		"\"metadata.m.\\\"a.b\\\"\":true,\"metadata.m.l\":[1],\"metadata.z\":null,"
		"\"flags\":[\"time_odd\",\"cut\"]}");
}

static void as_csv(void **state)
{
	struct event ev = sample();

	(void)state;
	read_list(ALL);
	buf_reset(&out);
	show_pick_csv_header(&picks, &out);
	show_pick_csv(&picks, &ev, &out);
	assert_string_equal(text(),
		"id,timestamp,severity,description,user_id,host,metadata.n,metadata.t,metadata.f,"
		"\"metadata.m.\"\"a.b\"\"\",metadata.m.l,metadata.z,metadata.none,flags\r\n"
		"1152921504606846976,2026-08-06T07:06:40.5Z,warning,two words,\"\",,-5,'=x,2.5,"
		"true,[1],null,,time_odd cut\r\n");
}

static void as_logfmt(void **state)
{
	struct event ev = sample();

	(void)state;
	read_list("description,user_id,host,metadata.m,metadata.n");
	buf_reset(&out);
	show_pick_logfmt(&picks, &ev, &raw, &out);
	assert_string_equal(text(), "description=\"two words\" user_id=\"\" metadata.m.a.b=true "
				    "metadata.m.l=[1] metadata.n=-5");
}

static void slips_are_told(void **state)
{
	struct diag d;

	(void)state;
	pick_fini(&picks);
	pick_init(&picks);
	assert_int_equal(pick_read(&picks, "id,event_typ", &d), ERR_UNKNOWN);
	assert_non_null(strstr(d.text, "did you mean event_type?"));
	assert_int_equal(pick_read(&picks, "code", &d), ERR_UNKNOWN);
	assert_non_null(strstr(d.text, "metadata.NAME"));
	assert_true(pick_read(&picks, "id,,host", &d) < 0);
	assert_true(pick_read(&picks, "", &d) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_json),
		cmocka_unit_test(as_csv),
		cmocka_unit_test(as_logfmt),
		cmocka_unit_test(slips_are_told),
	};
	int rc;

	buf_init(&out, 1 << 20);
	buf_init(&raw, 1 << 20);
	rc = cmocka_run_group_tests_name("pick", tests, NULL, teardown);
	buf_fini(&out);
	buf_fini(&raw);
	return rc;
}
