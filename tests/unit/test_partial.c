/*
 * Goal: messages in parts come out whole and once, in both forms of Docker's; what breaks a limit, comes
 *       out of order or too late comes out as it came; what a dropped frame brought is gone; of a frame
 *       that was stored before, what is missing comes out and nothing else.
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

	return partial_put(p, SPAN_LIT("t"), &e, now_ms, true);
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

static int say_part(void *arg, struct span tag, const struct forward_entry *e)
{
	int was = answer, rc;

	answer = 0;
	rc = say(arg, tag, e);
	answer = was;
	return rc;
}

static const struct partial_out out = { say, say_part, NULL };

static uint64_t released, released_seq;

static void release(void *arg, uint64_t ack, uint64_t seq)
{
	(void)arg;
	released = ack;
	released_seq = seq;
}

/* One that wants no ack. */
static void settle(const char *want)
{
	assert_int_equal(partial_settle(p, NULL, &out), 0);
	partial_settled(p, NULL, 1, release, NULL);
	expect_said(want);
}

static void settle_as(const struct parts_ledger_frame *own, const char *want)
{
	assert_int_equal(partial_settle(p, own, &out), 0);
	partial_settled(p, own, 1, release, NULL);
	expect_said(want);
}

static void flush(int64_t now_ms, const char *want)
{
	while (partial_flush(p, now_ms, &out) == PARTIAL_FLUSHED)
		partial_flushed(p, 2, release, NULL);
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
	/* Not the first: no message begins with it. */
	assert_int_equal(put(PART("b", "i", "2", "false"), 0), PARTIAL_HELD);
	assert_int_equal(partial_open(p), 0);
	settle(PART("b", "i", "2", "false") "\n");
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	settle("");
	assert_int_equal(put(PART("c", "i", "3", "true"), 0), PARTIAL_HELD);
	settle(PART("c", "i", "3", "true") "\n");
	assert_int_equal(put(PART("d", "i", "4", "true"), 0), PARTIAL_HELD);
	settle(PART("d", "i", "4", "true") "\n");
	flush(0, PART("a", "i", "1", "false") "\n");
	/* What one frame brings of a message stays together. */
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("c", "i", "3", "true"), 0), PARTIAL_HELD);
	settle(PART("a", "i", "1", "false") "\n" PART("c", "i", "3", "true") "\n");
	assert_int_equal(partial_open(p), 0);
	/* Nor is what has no text. */
	assert_int_equal(put("{\"partial_message\":\"true\"}", 0), 0);
}

static void patience_has_an_end(void **state)
{
	const struct parts_ledger_frame own = { .ack = 7 };

	(void)state;
	assert_int_equal(put(PART("a", "i", "1", "false"), 1000), PARTIAL_HELD);
	settle("");
	flush(1000 + LIMIT_PARTIAL_MS - 1, "");
	flush(1000 + LIMIT_PARTIAL_MS, PART("a", "i", "1", "false") "\n");
	/* Less where an ack waits for it. */
	assert_int_equal(put(PART("a", "i", "1", "false"), 1000), PARTIAL_HELD);
	settle_as(&own, "");
	assert_true(partial_holds(p, 7));
	assert_false(partial_holds(p, 6));
	flush(1000 + LIMIT_PARTIAL_ACK_MS - 1, "");
	assert_true(partial_holds_any(p));
	flush(1000 + LIMIT_PARTIAL_ACK_MS, PART("a", "i", "1", "false") "\n");
	assert_false(partial_holds_any(p));
	assert_int_equal(released, 7);
	assert_int_equal(released_seq, 2);
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
	assert_int_equal(partial_settle(p, NULL, &out), 0);
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
	assert_false(partial_empty(p));
	settle(PART("b", "i", "2", "true") "\n");
	assert_true(partial_empty(p));
}

static void a_message_that_is_no_event_comes_in_parts(void **state)
{
	(void)state;
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("b", "i", "2", "true"), 0), PARTIAL_HELD);
	answer = 1;
	settle("{\"container_id\":\"c\",\"log\":\"ab\"}\n" PART("a", "i", "1", "false") "\n" PART(
		"b", "i", "2", "true") "\n");
	answer = 0;
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
	settle("");
	assert_int_equal(put(PART("a", "one too many", "1", "false"), 99), PARTIAL_HELD);
	settle(PART("a", "one too many", "1", "false") "\n");
	flush(99,
		"{\"log\":\"0\",\"partial_message\":\"true\",\"partial_id\":\"0\",\"partial_ordinal\":1}\n");
	assert_int_equal(put(PART("a", "now it fits", "1", "false"), 99), PARTIAL_HELD);
	settle("");
	while (partial_flush(p, INT64_MAX, &out) == PARTIAL_FLUSHED)
		partial_flushed(p, 2, release, NULL);
	buf_reset(&said);
	assert_int_equal(partial_open(p), 0);
	/* Parts of one: with the one too many all of them come out as they are. */
	for (unsigned i = 1; i <= LIMIT_PARTIAL_PARTS + 1; i++) {
		snprintf(json, sizeof json,
			"{\"log\":\"x\",\"partial_message\":\"true\",\"partial_id\":\"i\","
			"\"partial_ordinal\":%u}",
			i);
		held += put(json, 0) == PARTIAL_HELD;
	}
	assert_int_equal(held, LIMIT_PARTIAL_PARTS);
	assert_int_equal(partial_open(p), 1);
	partial_abort(p);
	assert_true(partial_empty(p));
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
	assert_true(partial_bytes(p) <= 2 * LIMIT_PARTIAL_BYTES + (64 << 10));
	partial_abort(p);
	buf_fini(&big);
}

/* ---- a frame again ---- */

static struct store_chunk known[16];
static unsigned known_count;

static bool is_known(void *arg, struct store_chunk id, uint64_t *seq)
{
	(void)arg;
	for (unsigned i = 0; i < known_count; i++) {
		if (known[i].lo == id.lo && known[i].hi == id.hi) {
			*seq = 100 + i;
			return true;
		}
	}
	return false;
}

static uint64_t repeat(struct store_chunk id, uint32_t ids_want, const char *want)
{
	struct store_chunk ids[LIMIT_FRAME_CHUNKS];
	uint64_t seq = 50;
	uint32_t count;

	assert_int_equal(partial_repeat(p, id, is_known, &out, ids, &count, &seq), 0);
	assert_int_equal(count, ids_want);
	for (uint32_t i = 0; i < count; i++)
		known[known_count++] = ids[i];
	expect_said(want);
	return seq;
}

/* A whole message, one that is open, one given up, and another of the second's name before it. */
static void bring_all(void)
{
	assert_int_equal(put(PART("w", "w", "1", "false"), 0), PARTIAL_HELD);
	assert_int_equal(put(OLD_PART("n"), 0), PARTIAL_HELD);
	assert_true(ends(OLD_LAST("m")));
	assert_int_equal(put(PART("w", "w", "2", "true"), 0), PARTIAL_HELD);
	assert_int_equal(put(OLD_PART("o"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("l", "l", "2", "true"), 0), PARTIAL_HELD);
	assert_int_equal(put(OLD_PART("p"), 0), PARTIAL_HELD);
}

#define OPEN_OF_ALL OLD_PART("o") "\n" OLD_PART("p") "\n"

static void of_a_frame_again_only_what_is_missing_comes_out(void **state)
{
	const struct parts_ledger_frame own = { .named = true, .id = { 1, 2 }, .ack = 0 };

	(void)state;
	known_count = 0;
	bring_all();
	assert_int_equal(partial_settle(p, &own, &out), 0);
	known_count = partial_ids(p, &own, known);
	assert_int_equal(known_count, 2); /* its own, and that a message is open */
	assert_int_equal(known[0].lo, 1);
	partial_settled(p, &own, 1, release, NULL);
	buf_reset(&said);
	/* All of it is lost but what is known. */
	partial_free(&p);
	assert_int_equal(partial_new(&p), 0);
	bring_all();
	assert_int_equal(repeat(own.id, 1, OPEN_OF_ALL), 50);
	assert_true(partial_empty(p));
	/* Now nothing is missing, and the last id is the one to wait for. */
	bring_all();
	assert_int_equal(repeat(own.id, 0, ""), 102);
	assert_true(partial_empty(p));
	/* Of a frame of another id all is known by that id alone. */
	bring_all();
	assert_int_equal(repeat((struct store_chunk){ 7, 7 }, 0, ""), 50);
}

/* What it brings again neither ends nor continues a message: part of that would be missing. */
static void a_frame_again_gives_up_what_it_touches(void **state)
{
	(void)state;
	known_count = 0;
	assert_int_equal(put(OLD_PART("a"), 0), PARTIAL_HELD);
	assert_int_equal(put(PART("x", "x", "1", "false"), 0), PARTIAL_HELD);
	settle("");
	assert_int_equal(put(OLD_PART("b"), 0), PARTIAL_HELD);
	repeat((struct store_chunk){ 3, 3 }, 0, "");
	assert_false(ends(OLD_LAST("c")));
	flush(0, OLD_PART("a") "\n");
	assert_int_equal(put(PART("y", "x", "2", "true"), 0), PARTIAL_HELD);
	settle("{\"container_id\":\"c\",\"log\":\"xy\"}\n");
	assert_true(partial_empty(p));
}

static void who_does_not_join_keeps_no_message_open(void **state)
{
	struct forward_entry e = entry_of(PART("b", "i", "2", "false"));

	(void)state;
	assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
	settle("");
	e = entry_of(PART("b", "i", "2", "true"));
	assert_int_equal(partial_put(p, SPAN_LIT("t"), &e, 0, false), PARTIAL_HELD);
	assert_true(partial_brought(p));
	settle(PART("b", "i", "2", "true") "\n");
	flush(0, PART("a", "i", "1", "false") "\n");
	assert_true(partial_empty(p));
}

/* More parts in one frame than are held of it: with an id it leaves nothing open. */
static void a_frame_of_very_many_parts_is_stored_whole(void **state)
{
	const struct parts_ledger_frame own = { .named = true, .id = { 5, 5 }, .ack = 3 };
	struct store_chunk ids[LIMIT_FRAME_CHUNKS];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < LIMIT_PARTIAL_PARTS; i++)
			assert_int_equal(put(PART("l", "l", "2", "true"), 0), PARTIAL_HELD);
		/* The one too many may begin a message; others go their way at once. */
		assert_int_equal(put(PART("a", "i", "1", "false"), 0), PARTIAL_HELD);
		assert_int_equal(put(PART("l", "l", "2", "true"), 0), 0);
		if (round > 0)
			break;
		assert_int_equal(partial_settle(p, &own, &out), 0);
		assert_int_equal(partial_ids(p, &own, ids), 1);
		partial_settled(p, &own, 1, release, NULL);
		assert_true(partial_empty(p));
		buf_reset(&said);
	}
	known_count = 0;
	repeat(own.id, 0, "");
	assert_true(partial_empty(p));
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
		cmocka_unit_test(of_a_frame_again_only_what_is_missing_comes_out),
		cmocka_unit_test(a_frame_again_gives_up_what_it_touches),
		cmocka_unit_test(who_does_not_join_keeps_no_message_open),
		cmocka_unit_test(a_frame_of_very_many_parts_is_stored_whole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
