/*
 * Goal: every format says what its name promises; nothing an event holds drives a terminal.
 * Method: golden texts of a plain, an empty and a hostile event; a zone set by hand.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/printable.h"
#include "proto/base/utf8.h"
#include "tools/show.h"

static struct buf out;

static struct event plain_event(void)
{
	struct event ev = {
		.id = 42,
		.time_ns = INT64_C(1786000000123456789),
		.received_ns = INT64_C(1786000001000000000),
		.severity = EVENT_SEVERITY_ERROR,
		.metadata = SPAN_LIT("\x83\xa4"
				     "code\xcd\x01\xf4\xa3"
				     "why\xa4"
				     "none\xa4"
				     "list\x92\x01\xa1x"),
	};

	ev.text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("PAYMENT");
	ev.text[EVENT_TEXT_ENTITY_TYPE] = SPAN_LIT("order");
	ev.text[EVENT_TEXT_ENTITY_ID] = SPAN_LIT("ORD-1042");
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("anna");
	ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("card declined,\ntwice");
	ev.text[EVENT_TEXT_SERVICE] = SPAN_LIT("order-api");
	return ev;
}

/* Everything that a terminal might obey. */
static struct event hostile_event(void)
{
	struct event ev = { .id = 7, .severity = EVENT_SEVERITY_INFO };
	struct span text = SPAN_LIT("\x1b]0;owned\x07\x1b[2J\r\x7f\xc2\x9b"
				    "31m\xe2\x80\xae"
				    "x\xff\x00\n\t=1");

	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ev.text[i] = text;
	ev.metadata = SPAN_LIT("\x81\xa5k\x1b[m\n\xa7v\x1b[m\xc2\x9b\n");
	return ev;
}

static const char *shown(
	const struct event *ev, enum show_format format, bool utc, bool colour, bool terminal)
{
	const struct term term = { .tty = terminal, .colour = colour, .columns = 80 };
	struct buf record;
	struct show s;

	buf_reset(&out);
	buf_init(&record, 1 << 20);
	show_init(&s, format, utc, &term, NULL);
	show_event(&s, ev, &record);
	show_lay(&s, buf_span(&record), &out);
	show_end(&s, &out);
	show_fini(&s);
	buf_fini(&record);
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	return (const char *)out.p;
}

static void short_is_one_line(void **state)
{
	struct event ev = plain_event();
	struct event none = { .severity = EVENT_SEVERITY_NOTICE };

	(void)state;
	assert_string_equal(shown(&ev, SHOW_SHORT, true, false, false),
		"2026-08-06 07:06:40.123Z error  order-api PAYMENT order/ORD-1042 (anna): "
		"card declined,\\ntwice\n");
	assert_string_equal(
		shown(&none, SHOW_SHORT, true, false, false), "1970-01-01 00:00:00.000Z notice\n");
	ev.text[EVENT_TEXT_ENTITY_TYPE] = SPAN_NONE;
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("");
	ev.severity = EVENT_SEVERITY_INFO;
	assert_string_equal(shown(&ev, SHOW_SHORT, true, true, true),
		"2026-08-06 07:06:40.123Z info   order-api PAYMENT ORD-1042: card declined,\\ntwice\n");
}

static void colours_are_for_severities(void **state)
{
	struct event ev = { .severity = EVENT_SEVERITY_ERROR };

	(void)state;
	assert_string_equal(shown(&ev, SHOW_SHORT, true, true, true),
		"1970-01-01 00:00:00.000Z \x1b[1;31merror \x1b[0m\n");
	ev.severity = EVENT_SEVERITY_WARNING;
	assert_string_equal(shown(&ev, SHOW_SHORT, true, true, true),
		"1970-01-01 00:00:00.000Z \x1b[1;33mwarn  \x1b[0m\n");
	assert_string_equal(
		shown(&ev, SHOW_SHORT, true, false, true), "1970-01-01 00:00:00.000Z warn  \n");
}

static void times_are_local_unless_told(void **state)
{
	struct event ev = plain_event();

	(void)state;
	setenv("TZ", "XST-05:30", 1);
	tzset();
	assert_memory_equal(
		shown(&ev, SHOW_SHORT, false, false, false), "2026-08-06 12:36:40.123 error", 29);
	assert_memory_equal(shown(&ev, SHOW_VERBOSE, false, false, false),
		"2026-08-06 12:36:40.123456789 +05:30 [id=42]\n", 45);
	setenv("TZ", "XST+03:30", 1);
	tzset();
	assert_memory_equal(shown(&ev, SHOW_VERBOSE, false, false, false),
		"2026-08-06 03:36:40.123456789 -03:30 [id=42]\n", 45);
	/* A zone cannot push a time over the edge. */
	ev.time_ns = INT64_MIN;
	assert_memory_equal(shown(&ev, SHOW_SHORT, false, false, false), "1677-09-21", 10);
	setenv("TZ", "UTC", 1);
	tzset();
}

static void verbose_has_every_field(void **state)
{
	struct event ev = plain_event();

	(void)state;
	ev.flags = EVENT_FLAG_TIME_ARRIVAL;
	assert_string_equal(shown(&ev, SHOW_VERBOSE, true, false, false),
		"2026-08-06 07:06:40.123456789Z [id=42]\n"
		"    event_type=PAYMENT\n"
		"    severity=error\n"
		"    entity_type=order\n"
		"    entity_id=ORD-1042\n"
		"    user_id=anna\n"
		"    description=card declined,\\ntwice\n"
		"    service=order-api\n"
		"    received=2026-08-06 07:06:41Z\n"
		"    metadata.code=500\n"
		"    metadata.why=none\n"
		"    metadata.list=[1,\"x\"]\n"
		"    flag=time_arrival\n");
	ev.metadata = SPAN_LIT("\x82\x01\x02\xa1");
	assert_non_null(strstr(shown(&ev, SHOW_VERBOSE, true, false, false),
		"    metadata.?=2\n    metadata=(damaged)\n"));
}

static void other_forms_of_a_line(void **state)
{
	struct event ev = plain_event();

	(void)state;
	assert_memory_equal(shown(&ev, SHOW_SHORT_ISO, true, false, false),
		"2026-08-06T07:06:40.123Z error  order-api", 41);
	setenv("TZ", "XST-05:30", 1);
	tzset();
	assert_memory_equal(shown(&ev, SHOW_SHORT_ISO, false, false, false),
		"2026-08-06T12:36:40.123+05:30 error", 35);
	setenv("TZ", "UTC", 1);
	tzset();
	assert_string_equal(shown(&ev, SHOW_TABLE, true, false, false),
		"timestamp                 severity  service    event_type  entity_type  entity_id  "
		"user_id  description\n"
		"2026-08-06 07:06:40.123Z  error     order-api  PAYMENT     order        ORD-1042   "
		"anna     card declined,\\ntwice\n");
	assert_non_null(strstr(shown(&ev, SHOW_LOGFMT, true, false, false),
		" description=\"card declined,\\ntwice\" service=order-api metadata.code=500 "));
	assert_non_null(strstr(
		shown(&ev, SHOW_JSON_PRETTY, true, false, false), "\n  \"user_id\": \"anna\",\n"));
}

static void programs_get_exact_bytes(void **state)
{
	struct event ev = hostile_event();
	struct event none = { .severity = EVENT_SEVERITY_INFO };

	(void)state;
	assert_non_null(
		strstr(shown(&ev, SHOW_JSON, true, false, false), "\\u001b]0;owned\\u0007"));
	shown(&ev, SHOW_CAT, true, false, false);
	assert_int_equal(out.len, ev.text[EVENT_TEXT_DESCRIPTION].n + 2);
	assert_memory_equal(out.p, ev.text[EVENT_TEXT_DESCRIPTION].p, out.len - 2);
	assert_string_equal(shown(&none, SHOW_CAT, true, false, false), "");
	assert_string_equal(shown(&ev, SHOW_ID, true, false, false), "7\n");
	assert_non_null(strstr(shown(&ev, SHOW_CSV, true, false, false), "\xe2\x80\xae"));
}

static bool is_safe_everywhere(enum show_format format)
{
	return format == SHOW_SHORT || format == SHOW_SHORT_ISO || format == SHOW_VERBOSE ||
	       format == SHOW_LOGFMT || format == SHOW_TABLE;
}

static void a_terminal_gets_nothing_to_obey(void **state)
{
	struct event ev = hostile_event();

	(void)state;
	for (int format = SHOW_SHORT; format <= SHOW_ID; format++) {
		for (int terminal = 0; terminal < 2; terminal++) {
			if (!terminal && !is_safe_everywhere((enum show_format)format))
				continue;
			shown(&ev, (enum show_format)format, true, false, terminal);
			for (size_t i = 0; i < out.len - 1;) {
				uint32_t cp;
				size_t n = utf8_next(out.p + i, out.len - i, &cp);

				if (cp != '\n' && cp != '\t' &&
					!(format == SHOW_CSV && cp == '\r' && i == out.len - 3))
					assert_false(printable_hidden(cp));
				i += n;
			}
		}
	}
	assert_string_equal(shown(&ev, SHOW_CAT, true, false, true),
		"\\x1b]0;owned\\x07\\x1b[2J\\r\\x7f\\x9b31m\\u202ex\xef\xbf\xbd\\x00\n\t=1\n");
	/* Still JSON, with the same value. */
	assert_non_null(strstr(shown(&ev, SHOW_JSON, true, false, true),
		"\\r\\u007f\\u009b31m\\u202ex\xef\xbf\xbd\\u0000\\n\\t=1\""));
}

static void csv_has_a_header(void **state)
{
	const struct term term = { .columns = 80 };
	struct show s;

	(void)state;
	buf_reset(&out);
	show_init(&s, SHOW_CSV, true, &term, NULL);
	show_header(&s, &out);
	assert_memory_equal(out.p, "id,timestamp,", 13);
	s.format = SHOW_JSON;
	buf_reset(&out);
	show_header(&s, &out);
	assert_int_equal(out.len, 0);
	show_fini(&s);
}

static void formats_have_names(void **state)
{
	(void)state;
	assert_int_equal(show_format_find("short"), SHOW_SHORT);
	assert_int_equal(show_format_find("json"), SHOW_JSON);
	assert_int_equal(show_format_find("csv"), SHOW_CSV);
	assert_int_equal(show_format_find("verbose"), SHOW_VERBOSE);
	assert_int_equal(show_format_find("cat"), SHOW_CAT);
	assert_int_equal(show_format_find("id"), SHOW_ID);
	assert_int_equal(show_format_find("json-pretty"), SHOW_JSON_PRETTY);
	assert_int_equal(show_format_find("table"), SHOW_TABLE);
	assert_int_equal(show_format_find("xml"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_is_one_line),
		cmocka_unit_test(colours_are_for_severities),
		cmocka_unit_test(times_are_local_unless_told),
		cmocka_unit_test(times_are_local_unless_told),
		cmocka_unit_test(verbose_has_every_field),
		cmocka_unit_test(other_forms_of_a_line),
		cmocka_unit_test(programs_get_exact_bytes),
		cmocka_unit_test(a_terminal_gets_nothing_to_obey),
		cmocka_unit_test(csv_has_a_header),
		cmocka_unit_test(formats_have_names),
	};
	int rc;

	buf_init(&out, 1 << 20);
	rc = cmocka_run_group_tests_name("show", tests, NULL, NULL);
	buf_fini(&out);
	return rc;
}
