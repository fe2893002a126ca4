/*
 * Goal: CSV that any reader of RFC 4180 splits into the same cells, and no spreadsheet runs.
 * Method: tables of cells, one whole event, one empty one.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/wire/csv_out.h"

static struct buf out;

static void assert_out(const char *want)
{
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	assert_string_equal((const char *)out.p, want);
	buf_reset(&out);
}

static void assert_cell(struct span in, const char *want)
{
	csv_out_cell(in, &out);
	assert_out(want);
}

static void cells_are_quoted_where_they_must_be(void **state)
{
	(void)state;
	assert_cell(SPAN_NONE, "");
	assert_cell(SPAN_LIT(""), "\"\"");
	assert_cell(SPAN_LIT("plain text"), "plain text");
	assert_cell(SPAN_LIT("a,b"), "\"a,b\"");
	assert_cell(SPAN_LIT("say \"hi\""), "\"say \"\"hi\"\"\"");
	assert_cell(SPAN_LIT("\""), "\"\"\"\"");
	assert_cell(SPAN_LIT("two\r\nlines"), "\"two\r\nlines\"");
	assert_cell(SPAN_LIT(" led"), "\" led\"");
	assert_cell(SPAN_LIT("caf\xc3\xa9 \xff"), "caf\xc3\xa9 \xef\xbf\xbd");
}

/* A cell of any length, with each byte at each place: against what its rule says, byte by byte. */
static void a_special_byte_is_seen_wherever_it_is(void **state)
{
	(void)state;
	for (size_t n = 1; n < 20; n++)
		for (size_t at = 0; at < n; at++)
			for (int c = 1; c < 128; c++) {
				char text[20], want[48];
				size_t len = 0;
				bool quotes = strchr("\",\r\n", c) ||
					      (c == ' ' && (at == 0 || at == n - 1));

				memset(text, 'x', n);
				text[at] = (char)c;
				if (quotes)
					want[len++] = '"';
				if (at == 0 && strchr("=+-@\t\r", c))
					want[len++] = '\'';
				for (size_t i = 0; i < n; i++) {
					want[len++] = text[i];
					if (text[i] == '"')
						want[len++] = '"';
				}
				if (quotes)
					want[len++] = '"';
				want[len] = 0;
				assert_cell(span_of(text, n), want);
			}
}

static void formulas_are_guarded(void **state)
{
	(void)state;
	assert_cell(SPAN_LIT("=1+1"), "'=1+1");
	assert_cell(SPAN_LIT("+1"), "'+1");
	assert_cell(SPAN_LIT("-1"), "'-1");
	assert_cell(SPAN_LIT("@SUM(A1)"), "'@SUM(A1)");
	assert_cell(SPAN_LIT("\tx"), "'\tx");
	assert_cell(SPAN_LIT("\rx"), "\"'\rx\"");
	assert_cell(SPAN_LIT("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
	assert_cell(SPAN_LIT("a=1"), "a=1");
}

static void an_event_is_one_line(void **state)
{
	struct event ev = { .id = UINT64_MAX,
		.time_ns = INT64_C(1500000000),
		.severity = EVENT_SEVERITY_WARNING,
		.flags = EVENT_FLAG_TIME_ODD | EVENT_FLAG_CUT,
		.metadata = SPAN_LIT("\x81\xa1"
				     "a\x92\x01\xa1\"") };

	(void)state;
	ev.text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("PAYMENT");
	ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("declined, twice");
	ev.text[EVENT_TEXT_HOST] = SPAN_LIT("");
	csv_out_event(&ev, &out);
	assert_out(
		"18446744073709551615,1970-01-01T00:00:01.5Z,1970-01-01T00:00:00Z,PAYMENT,warning,"
		",,,\"declined, twice\",,,,\"\",\"{\"\"a\"\":[1,\"\"\\\"\"\"\"]}\",time_odd cut\r\n");
}

static void absent_and_damaged_fields_are_empty_cells(void **state)
{
	struct event ev = { .severity = EVENT_SEVERITY_INFO, .metadata = SPAN_LIT("\x81") };

	(void)state;
	csv_out_event(&ev, &out);
	assert_out("0,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z,,info,,,,,,,,,,\r\n");
	csv_out_header(&out);
	assert_out("id,timestamp,received,event_type,severity,entity_type,entity_id,user_id,"
		   "description,ip_address,user_agent,service,host,metadata,flags\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_quoted_where_they_must_be),
		cmocka_unit_test(a_special_byte_is_seen_wherever_it_is),
		cmocka_unit_test(formulas_are_guarded),
		cmocka_unit_test(an_event_is_one_line),
		cmocka_unit_test(absent_and_damaged_fields_are_empty_cells),
	};
	int rc;

	buf_init(&out, 1 << 20);
	rc = cmocka_run_group_tests_name("csv_out", tests, NULL, NULL);
	buf_fini(&out);
	return rc;
}
