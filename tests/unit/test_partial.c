/*
 * Goal: messages in parts come out whole and once, in both forms of Docker's; what breaks a limit, comes
 *       out of order or too late comes out as it came; what a dropped frame brought is gone.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "collector/partial.h"
#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"

static struct partial *p;
static struct buf record, said;

static int setup(void **state)
{
	(void)state;
	buf_init(&record, 8 << 20);
	buf_init(&said, 8 << 20);
	return partial_new(&p);
}

static int teardown(void **state)
{
	(void)state;
	partial_free(&p);
	partial_free(&p);
	buf_fini(&record);
	buf_fini(&said);
	return 0;
}

static struct forward_entry entry_of(const char *json)
{
	buf_reset(&record);
	assert_int_equal(json_in_text(span_str(json), 0, &record, NULL), 0);
	return (struct forward_entry){
		.record = buf_span(&record), .time_ns = 7, .has_time = true
	};
}

static int put(const char *json, int64_t now_ms)
{
	struct forward_entry e = entry_of(json);

	return partial_put(p, SPAN_LIT("t"), &e, now_ms);
}

static bool ends(const char *json)
{
	struct forward_entry e = entry_of(json);

	return partial_ends(p, SPAN_LIT("t"), &e);
}

static int answer;

static int say(void *arg, struct span tag, const struct forward_entry *e)
{
	(void)arg;
	assert_true(span_eq(tag, SPAN_LIT("t")));
	assert_int_equal(e->time_ns, 7);
	assert_int_equal(json_out_value(e->record, &said), 0);
	buf_put_str(&said, "\n");
	return answer;
}

static void expect_said(const char *want)
{
	buf_put_u8(&said, 0);
	assert_string_equal((char *)said.p, want);
	buf_reset(&said);
}

static void settle(const char *want)
{
	assert_int_equal(partial_settle(p, say, NULL), 0);
	partial_settled(p);
	expect_said(want);
}

static void flush(int64_t now_ms, const char *want)
{
	while (partial_flush(p, now_ms, say, NULL) == PARTIAL_FLUSHED)
		partial_flushed(p);
	expect_said(want);
}

#define PART(text, id, n, last)                                                      \
	"{\"container_id\":\"c\",\"log\":\"" text "\",\"partial_message\":\"true\"," \
	"\"partial_id\":\"" id "\",\"partial_ordinal\":\"" n "\",\"partial_last\":\"" last "\"}"
#define OLD_PART(text)                                                  \
	"{\"container_id\":\"c\",\"source\":\"stdout\",\"log\":\"" text \
	"\",\"partial_message\":\"true\"}"
#define OLD_LAST(text) "{\"container_id\":\"c\",\"source\":\"stdout\",\"log\":\"" text "\"}"

static void parts_become_one(void **state)
{
	(void)state;
	assert_int_equal(put(PART("ab", "i", "1", "false"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("cd", "i", "2", "false"), 0), PARTIAL_HELD);
	assert_int_equal(partial_open(p), 1);
	assert_true(partial_bytes(p) > 0);
	settle("");
	/* Another message between, in the same frame as the last part. */
	assert_int_equal(put(PART("x", "j", "1", "false"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("\\u0000e", "i", "3", "true"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("y", "j", "2", "true"), 0), PARTIAL_HELD);
	settle("{\"container_id\":\"c\",\"log\":\"abcd\\u0000e\"}\n{\"container_id\":\"c\",\"log\":\"xy\"}\n");
	assert_int_equal(partial_open(p), 0);
	flush(INT64_MAX, "");
}

static void the_old_form_ends_without_a_mark(void **state)
{
	(void)state;
	assert_false(ends(OLD_LAST("alone")));
	assert_int_equal(put(OLD_PART("ab"), 0), PARTIAL_HELD);
	assert_int_equal(put(OLD_PART("cd"), 0), PARTIAL_HELD);
	settle("");
	assert_false(ends("{\"container_id\":\"c\",\"source\":\"stderr\",\"log\":\"other\"}"));
	assert_false(ends("{\"container_id\":\"d\",\"source\":\"stdout\",\"log\":\"other\"}"));
	assert_false(ends(OLD_PART("no end")));
	assert_true(ends(OLD_LAST("e")));
	assert_false(ends(OLD_LAST("the next line")));
	settle("{\"container_id\":\"c\",\"source\":\"stdout\",\"log\":\"abcde\"}\n");
	assert_int_equal(partial_open(p), 0);
}

static void out_of_order_comes_out_as_it_came(void **state)
{
	(void)state;
	/* Not the first: it is not kept at all. */
	assert_int_equal(put(PART("b", "i", "2", "false"), 0), 0);
	assert_int_equal(partial_open(p), 0);
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("c", "i", "3", "true"), 0), 0);
	settle("");
	assert_int_equal(put(PART("d", "i", "4", "true"), 0), 0);
	settle("");
	flush(0, PART("a", "i", "1", "false") "\n");
	assert_int_equal(partial_open(p), 0);
	/* Nor is what has no text. */
	assert_int_equal(put("{\"partial_message\":\"true\"}", 0), 0);
}

static void patience_has_an_end(void **state)
{
	(void)state;
	assert_int_equal(put(PART("a", "i", "1", "false"), 1000), PARTIAL_HELD);
	settle("");
	flush(1000 + LIMIT_PARTIAL_MS - 1, "");
	flush(1000 + LIMIT_PARTIAL_MS, PART("a", "i", "1", "false") "\n");
	/* Less where an ack waits for it. */
	assert_int_equal(put(PART("a", "i", "1", "false"), 1000), PARTIAL_HELD);
	assert_int_equal(partial_settle(p, say, NULL), 0);
	assert_true(partial_unfinished(p));
	partial_settled(p);
	assert_false(partial_unfinished(p));
	assert_int_equal(partial_owed(p), 0);
	partial_owe_ack(p);
	assert_int_equal(partial_owed(p), 1);
	flush(1000 + LIMIT_PARTIAL_ACK_MS - 1, "");
	flush(1000 + LIMIT_PARTIAL_ACK_MS, PART("a", "i", "1", "false") "\n");
	assert_int_equal(partial_owed(p), 0);
}

static void a_dropped_frame_takes_its_parts_along(void **state)
{
	(void)state;
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	settle("");
	assert_int_equal(put(PART("b", "i", "2", "true"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("x", "j", "1", "false"), 0), PARTIAL_HELD);
	partial_abort(p);
	assert_int_equal(partial_open(p), 1);
	/* It comes again. */
	assert_int_equal(put(PART("b", "i", "2", "true"), 0), PARTIAL_HELD);
	assert_int_equal(partial_settle(p, say, NULL), 0);
	expect_said("{\"container_id\":\"c\",\"log\":\"ab\"}\n");
	/* What was handed out found no room: nothing is forgotten but the frame. */
	partial_abort(p);
	assert_int_equal(put(PART("B", "i", "2", "true"), 0), PARTIAL_HELD);
	settle("{\"container_id\":\"c\",\"log\":\"aB\"}\n");
	assert_int_equal(partial_open(p), 0);
}

static void one_overdue_in_the_middle_of_a_frame(void **state)
{
	(void)state;
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	settle("");
	assert_int_equal(put(PART("b", "i", "2", "true"), 0), PARTIAL_HELD);
	flush(LIMIT_PARTIAL_MS, PART("a", "i", "1", "false") "\n");
	settle("");
	flush(LIMIT_PARTIAL_MS, PART("b", "i", "2", "true") "\n");
	assert_int_equal(partial_open(p), 0);
}

static void a_message_that_is_no_event_comes_in_parts(void **state)
{
	(void)state;
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("b", "i", "2", "true"), 0), PARTIAL_HELD);
	answer = 1;
	assert_int_equal(partial_settle(p, say, NULL), 0);
	answer = 0;
	buf_reset(&said);
	partial_settled(p);
	flush(0, PART("a", "i", "1", "false") "\n" PART("b", "i", "2", "true") "\n");
	assert_int_equal(partial_open(p), 0);
}

static void limits_are_kept(void **state)
{
	char json[1024];
	unsigned held = 0;

	(void)state;
	/* Messages: the oldest is given up for the one too many. */
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		snprintf(json, sizeof json,
			"{\"log\":\"%u\",\"partial_message\":\"true\",\"partial_id\":\"%u\","
			"\"partial_ordinal\":1}",
			i, i);
		assert_int_equal(put(json, i), PARTIAL_HELD);
	}
	assert_int_equal(put(PART("a", "one too many", "1", "false"), 99), 0);
	settle("");
	flush(99,
		"{\"log\":\"0\",\"partial_message\":\"true\",\"partial_id\":\"0\",\"partial_ordinal\":1}\n");
	assert_int_equal(put(PART("a", "now it fits", "1", "false"), 99), PARTIAL_HELD);
	assert_int_equal(partial_settle(p, say, NULL), 0);
	partial_settled(p);
	while (partial_flush(p, INT64_MAX, say, NULL) == PARTIAL_FLUSHED)
		partial_flushed(p);
	buf_reset(&said);
	assert_int_equal(partial_open(p), 0);
	/* Parts of one. */
	for (unsigned i = 1; i <= LIMIT_PARTIAL_PARTS + 1; i++) {
		snprintf(json, sizeof json,
			"{\"log\":\"x\",\"partial_message\":\"true\",\"partial_id\":\"i\","
			"\"partial_ordinal\":%u}",
			i);
		held += put(json, 0) == PARTIAL_HELD;
	}
	assert_int_equal(held, LIMIT_PARTIAL_PARTS);
	partial_abort(p);
	assert_int_equal(partial_open(p), 0);
}

static void bytes_are_bounded(void **state)
{
	struct buf big;
	unsigned held = 0;

	(void)state;
	buf_init(&big, 1 << 20);
	for (unsigned i = 1; i < 100; i++) {
		buf_reset(&big);
		buf_printf(&big,
			"{\"partial_message\":\"true\",\"partial_id\":\"i\",\"partial_ordinal\":%u,"
			"\"log\":\"",
			i);
		for (unsigned k = 0; k < 16384; k++)
			buf_put_u8(&big, 'x');
		buf_put(&big, "\"}", 3);
		held += put((char *)big.p, 0) == PARTIAL_HELD;
	}
	assert_in_range(held, LIMIT_PARTIAL_BYTES / 17000, LIMIT_PARTIAL_BYTES / 16384);
	assert_true(partial_bytes(p) <= LIMIT_PARTIAL_BYTES + (64 << 10));
	partial_abort(p);
	buf_fini(&big);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_become_one),
		cmocka_unit_test(the_old_form_ends_without_a_mark),
		cmocka_unit_test(out_of_order_comes_out_as_it_came),
		cmocka_unit_test(patience_has_an_end),
		cmocka_unit_test(a_dropped_frame_takes_its_parts_along),
		cmocka_unit_test(one_overdue_in_the_middle_of_a_frame),
		cmocka_unit_test(a_message_that_is_no_event_comes_in_parts),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(bytes_are_bounded),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
