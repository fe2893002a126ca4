/* Goal: names, words and defaults of an event's fields are found exactly, and nothing else is. */
#include "tests/support/check_cmocka.h"

#include "proto/wire/event.h"

static void text_names_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		assert_int_equal(event_text_find(span_str(event_text_name((enum event_text)i))), i);
	assert_int_equal(event_text_find(SPAN_LIT("Event_type")), -1);
	assert_int_equal(event_text_find(SPAN_LIT("event_typ")), -1);
	assert_int_equal(event_text_find(SPAN_LIT("")), -1);
}

static void severity_words(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_SEVERITY_COUNT; i++) {
		char digit[2] = { (char)('0' + i), 0 };

		assert_int_equal(
			event_severity_find(span_str(event_severity_name((enum event_severity)i))),
			i);
		assert_int_equal(event_severity_find(span_str(digit)), i);
	}
	assert_int_equal(event_severity_find(SPAN_LIT("WARN")), EVENT_SEVERITY_WARNING);
	assert_int_equal(event_severity_find(SPAN_LIT("Err")), EVENT_SEVERITY_ERROR);
	assert_int_equal(event_severity_find(SPAN_LIT("8")), -1);
	assert_int_equal(event_severity_find(SPAN_LIT("")), -1);
	assert_int_equal(event_severity_find(SPAN_LIT("errors")), -1);
}

static void severity_defaults(void **state)
{
	(void)state;
	assert_int_equal(event_severity_default(SPAN_LIT("ERROR")), EVENT_SEVERITY_ERROR);
	assert_int_equal(event_severity_default(SPAN_LIT("ALERT")), EVENT_SEVERITY_ALERT);
	assert_int_equal(event_severity_default(SPAN_LIT("anything")), EVENT_SEVERITY_INFO);
	assert_int_equal(event_severity_default(SPAN_NONE), EVENT_SEVERITY_INFO);
}

static void bytes_are_those_of_texts_and_metadata(void **state)
{
	struct event ev = { .metadata = SPAN_LIT("\x80") };

	(void)state;
	assert_int_equal(event_bytes(&ev), 1);
	ev.text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("AUTH");
	ev.text[EVENT_TEXT_HOST] = SPAN_LIT("");
	assert_int_equal(event_bytes(&ev), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_names_round_trip),
		cmocka_unit_test(severity_words),
		cmocka_unit_test(severity_defaults),
		cmocka_unit_test(bytes_are_those_of_texts_and_metadata),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
