/*
 * Goal: what is remembered of a frame says of each of its parts whether it is stored, in whatever order
 *       that happens; its ack waits for the last of them; and no list of ids is longer than a frame may bring.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "collector/parts_ledger.h"
#include "proto/base/check.h"

static const struct parts_ledger_frame e = { .named = true, .id = { 1, 1 }, .ack = 10 };
static const struct parts_ledger_frame f = { .named = true, .id = { 2, 2 }, .ack = 11 };
static const struct parts_ledger_frame unnamed = { .ack = 12 };

static struct parts_ledger l;
static struct store_chunk ids[LIMIT_FRAME_CHUNKS];
static uint64_t released[4], released_seq[4];
static unsigned released_count;

static int setup(void **state)
{
	(void)state;
	parts_ledger_init(&l);
	released_count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	parts_ledger_fini(&l);
	return 0;
}

static void release(void *arg, uint64_t ack, uint64_t seq)
{
	(void)arg;
	if (released_count < ARRAY_COUNT(released)) {
		released[released_count] = ack;
		released_seq[released_count] = seq;
	}
	released_count++;
}

static bool same(struct store_chunk a, struct store_chunk b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static void expect_ids(uint32_t messages, const struct parts_ledger_frame *own, unsigned count, ...)
{
	va_list list;

	assert_int_equal(parts_ledger_ids(&l, messages, own, ids), count);
	va_start(list, count);
	for (unsigned i = 0; i < count; i++)
		assert_true(same(ids[i], va_arg(list, struct store_chunk)));
	va_end(list);
}

static void settle(uint32_t messages, const struct parts_ledger_frame *own, uint64_t seq)
{
	parts_ledger_settle(&l, messages, own, seq, release, NULL);
}

static struct store_chunk open_of(const struct parts_ledger_frame *frame, uint32_t part)
{
	return parts_ledger_id(frame->id, part, PARTS_LEDGER_OPEN);
}

static struct store_chunk stored_of(const struct parts_ledger_frame *frame, uint32_t part)
{
	return parts_ledger_id(frame->id, part, PARTS_LEDGER_STORED);
}

/* They are on disk. */
static void ids_do_not_change(void **state)
{
	(void)state;
	assert_true(same(open_of(&e, 0), parts_ledger_id((struct store_chunk){ 1, 1 }, 0, 1)));
	assert_true(same(stored_of(&e, 0), parts_ledger_id((struct store_chunk){ 1, 1 }, 0, 2)));
	assert_false(same(open_of(&e, 0), stored_of(&e, 0)));
	assert_false(same(open_of(&e, 0), open_of(&e, 1)));
	assert_false(same(open_of(&e, 0), open_of(&f, 0)));
}

static void a_frame_with_events(void **state)
{
	(void)state;
	assert_true(parts_ledger_add(&l, &e, 4, 0));
	assert_true(parts_ledger_add(&l, &e, 6, 3));
	expect_ids(0, &e, 3, e.id, open_of(&e, 4), open_of(&e, 6));
	settle(0, &e, 5);
	assert_true(parts_ledger_waits(&l, 10));
	assert_false(parts_ledger_waits(&l, 11));
	assert_int_equal(parts_ledger_messages(&l, e.id), 1 << 0 | 1 << 3);
	assert_int_equal(parts_ledger_messages(&l, f.id), 0);
	/* The next frame ends the second of them. */
	expect_ids(1 << 3, &f, 2, stored_of(&e, 6), f.id);
	settle(1 << 3, &f, 6);
	assert_int_equal(released_count, 0);
	expect_ids(1 << 0, NULL, 1, stored_of(&e, 4));
	settle(1 << 0, NULL, 7);
	assert_int_equal(released_count, 1);
	assert_int_equal(released[0], 10);
	assert_int_equal(released_seq[0], 7);
	assert_true(parts_ledger_empty(&l));
}

/* Its own id goes with what is stored of it first. */
static void a_frame_of_nothing_but_parts(void **state)
{
	(void)state;
	assert_true(parts_ledger_add(&l, &e, 0, 0));
	assert_true(parts_ledger_add(&l, &e, 1, 1));
	settle(0, &e, 0);
	assert_true(parts_ledger_add(&l, &f, 0, 1));
	settle(0, &f, 0);
	expect_ids(1 << 1, NULL, 3, e.id, open_of(&e, 0), f.id);
	settle(1 << 1, NULL, 3);
	assert_int_equal(released_count, 1);
	assert_int_equal(released[0], 11);
	expect_ids(1 << 0, NULL, 1, stored_of(&e, 0));
	/* Nothing of it was worth storing: what was before is waited for. */
	settle(1 << 0, NULL, 0);
	assert_int_equal(released_count, 2);
	assert_int_equal(released_seq[1], 3);
}

static void a_frame_that_is_dropped(void **state)
{
	(void)state;
	assert_true(parts_ledger_add(&l, &e, 0, 0));
	settle(0, &e, 1);
	assert_true(parts_ledger_add(&l, &f, 0, 0));
	parts_ledger_abort(&l);
	expect_ids(1 << 0, NULL, 1, stored_of(&e, 0));
	assert_false(parts_ledger_waits(&l, 11));
}

static void one_without_an_id_only_waits(void **state)
{
	(void)state;
	assert_true(parts_ledger_add(&l, &unnamed, 0, 0));
	expect_ids(0, &unnamed, 0);
	settle(0, &unnamed, 1);
	assert_true(parts_ledger_waits(&l, 12));
	assert_int_equal(parts_ledger_messages(&l, (struct store_chunk){ 0, 0 }), 0);
	expect_ids(1 << 0, NULL, 0);
	settle(1 << 0, NULL, 2);
	assert_int_equal(released[0], 12);
	assert_true(parts_ledger_empty(&l));
}

static struct parts_ledger_frame frame_of(uint64_t n)
{
	return (struct parts_ledger_frame){ .named = true, .id = { 100 + n, 0 }, .ack = 100 + n };
}

/* As many frames as can wait, and the longest list of ids there is. */
static void limits_are_kept(void **state)
{
	const uint32_t all = (UINT32_C(1) << LIMIT_PARTIALS) - 1;

	(void)state;
	for (uint64_t n = 0; n < LIMIT_PARTIAL_FRAMES; n++) {
		struct parts_ledger_frame frame = frame_of(n);

		assert_true(parts_ledger_add(&l, &frame, 0, n % LIMIT_PARTIALS));
		settle(0, &frame, 0);
	}
	assert_false(parts_ledger_add(&l, &e, 0, 0));
	assert_int_equal(parts_ledger_ids(&l, all, &e, ids), LIMIT_FRAME_CHUNKS);
	settle(all, &e, 1);
	assert_int_equal(released_count, LIMIT_PARTIAL_FRAMES);
	assert_true(parts_ledger_empty(&l));
	/* Frames of several messages bring no more. */
	for (uint64_t n = 0; n < LIMIT_PARTIAL_FRAMES / LIMIT_PARTIALS; n++) {
		struct parts_ledger_frame frame = frame_of(n);

		for (unsigned m = 0; m < LIMIT_PARTIALS; m++)
			assert_true(parts_ledger_add(&l, &frame, m, m));
		settle(0, &frame, 0);
	}
	assert_false(parts_ledger_add(&l, &e, 0, 0));
	for (unsigned m = 0; m < LIMIT_PARTIALS; m++) {
		assert_in_range(
			parts_ledger_ids(&l, UINT32_C(1) << m, &e, ids), 1, LIMIT_FRAME_CHUNKS);
		settle(UINT32_C(1) << m, NULL, 1);
	}
	assert_true(parts_ledger_empty(&l));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ids_do_not_change, setup, teardown),
		cmocka_unit_test_setup_teardown(a_frame_with_events, setup, teardown),
		cmocka_unit_test_setup_teardown(a_frame_of_nothing_but_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_frame_that_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(one_without_an_id_only_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_kept, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
