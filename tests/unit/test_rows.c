/*
 * Goal: an answer about groups is shown as what it says, in every format; another document is refused.
 * Method: answers as JSON, golden texts.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/err.h"
#include "proto/wire/json_in.h"
#include "tools/histogram.h"
#include "tools/rows.h"

static const struct term plain = { .columns = 60 };
static const struct term tty = { .columns = 60, .tty = true };
static struct buf out, document;
static struct rows rows;

static int open_json(const char *json, size_t calls)
{
	buf_reset(&document);
	assert_int_equal(json_in_text(span_str(json), 0, &document, NULL), 0);
	return rows_open(&rows, buf_span(&document), calls, NULL);
}

static const char *text(void)
{
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	return (const char *)out.p;
}

static const char *shown(const char *json, size_t calls, enum show_format f, const struct term *t)
{
	assert_int_equal(open_json(json, calls), 0);
	buf_reset(&out);
	rows_put(&rows, f, true, t, &out);
	return text();
}

static const char services[] =
	"{\"columns\":[\"service\",\"count\",\"avg(metadata.ms)\"],"
	"\"rows\":[[\"shop\",1234567,12.5],[null,3,null],[\"a,\\\"b\\u001b\",-1,2048.25]],"
	"\"groups\":7,\"total\":1234569,\"approximate\":[\"avg(metadata.ms)\"]}";

static void tables_are_for_people(void **state)
{
	(void)state;
	assert_string_equal(shown(services, 2, SHOW_TABLE, &plain),
		"service       count  ~avg(metadata.ms)\n"
		"shop      1,234,567               12.5\n"
		"-                 3                  -\n"
		"a,\"b\\x1b         -1           2,048.25\n");
	assert_true(rows.groups == 7 && rows.total == 1234569 && rows.rough && rows.keys == 1);
	assert_non_null(
		strstr(shown(services, 2, SHOW_TABLE, &tty), "12.5  ####################\n"));
}

static void lines_are_for_programs(void **state)
{
	(void)state;
	assert_string_equal(shown(services, 2, SHOW_JSON, &plain),
		"{\"service\":\"shop\",\"count\":1234567,\"avg(metadata.ms)\":12.5}\n"
		"{\"service\":null,\"count\":3,\"avg(metadata.ms)\":null}\n"
		"{\"service\":\"a,\\\"b\\u001b\",\"count\":-1,\"avg(metadata.ms)\":2048.25}\n");
	assert_string_equal(shown(services, 2, SHOW_CSV, &plain),
		"service,count,avg(metadata.ms)\r\n"
		"shop,1234567,12.5\r\n"
		",3,\r\n"
		"\"a,\"\"b\x1b\",-1,2048.25\r\n");
	assert_string_equal(shown(services, 2, SHOW_LOGFMT, &plain),
		"service=shop count=1234567 avg(metadata.ms)=12.5\n"
		"count=3\n"
		"service=\"a,\\\"b\\u001b\" count=-1 avg(metadata.ms)=2048.25\n");
	assert_null(strchr(shown(services, 2, SHOW_CSV, &tty), 0x1b));
	assert_non_null(strstr(shown(services, 2, SHOW_JSON_PRETTY, &plain), "  \"count\": 3,\n"));
}

static const char hours[] =
	"{\"columns\":[\"time\",\"severity\",\"count\"],\"rows\":["
	"[\"2026-11-19T07:00:00Z\",\"error\",2],[\"2026-11-19T07:00:00Z\",\"info\",2],"
	"[\"2026-11-19T10:00:00Z\",\"info\",1]],"
	"\"groups\":3,\"total\":5,\"bucket_ns\":3600000000000}";

static void times_are_as_long_as_their_buckets(void **state)
{
	(void)state;
	assert_string_equal(shown(hours, 1, SHOW_TABLE, &plain),
		"time              severity  count\n"
		"2026-11-19 07:00  error         2\n"
		"2026-11-19 07:00  info          2\n"
		"2026-11-19 10:00  info          1\n");
}

static void a_histogram_has_its_gaps(void **state)
{
	struct term narrow = { .columns = 31 };

	(void)state;
	assert_int_equal(open_json(hours, 1), 0);
	buf_reset(&out);
	assert_int_equal(histogram_put(&rows, true, &narrow, &out, NULL), 0);
	assert_string_equal(text(), "    4 |#####\n"
				    "      |#####\n"
				    "      |#####\n"
				    "      |#####\n"
				    "    2 |#####\n"
				    "      |#####\n"
				    "      |#####             #####\n"
				    "      |#####             #####\n"
				    "    0 +------------------------\n"
				    "       2026-11-19 07:00  10:00\n"
				    "       5 events, 1 hour a bar\n");
	assert_int_equal(open_json(services, 2), 0);
	assert_int_equal(histogram_put(&rows, true, &narrow, &out, NULL), ERR_SYNTAX);
}

static void other_documents_are_refused(void **state)
{
	(void)state;
	assert_int_equal(open_json("[]", 1), ERR_SYNTAX);
	assert_int_equal(open_json("{\"columns\":[\"a\"],\"total\":1}", 1), ERR_SYNTAX);
	assert_int_equal(open_json("{\"columns\":[],\"rows\":[],\"total\":1}", 0), ERR_SYNTAX);
	assert_int_equal(open_json("{\"columns\":[\"a\"],\"rows\":[],\"total\":1}", 2), ERR_SYNTAX);
	/* Rows of any shape are read as far as they go. */
	shown("{\"columns\":[\"a\",\"count\"],\"rows\":[7,[],[1,2,3],[[1],{\"b\":2}]],\"total\":1}",
		1, SHOW_CSV, &plain);
	assert_string_equal(
		(const char *)out.p, "a,count\r\n,\r\n,\r\n1,2\r\n[1],\"{\"\"b\"\":2}\"\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_for_people),
		cmocka_unit_test(lines_are_for_programs),
		cmocka_unit_test(times_are_as_long_as_their_buckets),
		cmocka_unit_test(a_histogram_has_its_gaps),
		cmocka_unit_test(other_documents_are_refused),
	};
	int rc;

	buf_init(&out, 1 << 20);
	buf_init(&document, 1 << 20);
	rc = cmocka_run_group_tests_name("rows", tests, NULL, NULL);
	buf_fini(&out);
	buf_fini(&document);
	return rc;
}
