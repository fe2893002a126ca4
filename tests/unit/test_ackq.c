/*
 * Goal: acks leave in the order of their frames, each when its batch is durable, none lost or
 * changed. Method: a queue against the obvious array, filled and emptied in turns.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "collector/ackq.h"

static void test_order(void **state)
{
	struct span got;
	struct ackq q;

	(void)state;
	ackq_init(&q);
	assert_false(ackq_pop(&q, UINT64_MAX, &got));
	assert_int_equal(ackq_push(&q, 7, SPAN_LIT("late")), 0);
	assert_int_equal(ackq_push(&q, 0, SPAN_LIT("safe already")), 0);
	/* The second is safe, but it is not its turn. */
	assert_false(ackq_pop(&q, 6, &got));
	assert_true(ackq_pop(&q, 7, &got));
	assert_true(span_eq(got, SPAN_LIT("late")));
	assert_true(ackq_pop(&q, 7, &got));
	assert_true(span_eq(got, SPAN_LIT("safe already")));
	assert_int_equal(q.count, 0);
	ackq_fini(&q);
}

/* Ids of every length, empty included; the buffer stays within what can wait. */
static void test_full(void **state)
{
	uint8_t id[LIMIT_CHUNK_BYTES];
	uint64_t pushed = 0, popped = 0;
	struct span got;
	struct ackq q;

	(void)state;
	ackq_init(&q);
	for (unsigned round = 0; round < 20; round++) {
		while (!ackq_full(&q)) {
			memset(id, (int)(pushed & 0xff), sizeof id);
			assert_int_equal(
				ackq_push(&q, pushed, span_of(id, pushed % (sizeof id + 1))), 0);
			pushed++;
		}
		for (unsigned i = 0; i < LIMIT_ACKS_PENDING - round; i++) {
			memset(id, (int)(popped & 0xff), sizeof id);
			assert_true(ackq_pop(&q, pushed, &got));
			assert_true(span_eq(got, span_of(id, popped % (sizeof id + 1))));
			popped++;
		}
		assert_int_equal(q.count, round);
		assert_true(q.bytes.cap <= q.bytes.max);
	}
	ackq_fini(&q);
}

/* An ack that waits for more than its batch holds up those behind it, until it is let go. */
static void test_held(void **state)
{
	struct span got;
	struct ackq q;

	(void)state;
	ackq_init(&q);
	assert_int_equal(ackq_push(&q, 1, SPAN_LIT("a")), 0);
	assert_int_equal(ackq_push(&q, ACKQ_HELD, SPAN_LIT("first held")), 0);
	assert_int_equal(ackq_push(&q, ACKQ_HELD, SPAN_LIT("")), 0);
	assert_int_equal(ackq_push(&q, 2, SPAN_LIT("b")), 0);
	assert_int_equal(q.pushed, 4);
	assert_true(ackq_pop(&q, 9, &got));
	assert_false(ackq_pop(&q, 9, &got));
	ackq_release(&q, 2, 3);
	assert_false(ackq_pop(&q, 9, &got));
	ackq_release(&q, 1, 5);
	assert_false(ackq_pop(&q, 4, &got));
	assert_true(ackq_pop(&q, 5, &got));
	assert_true(span_eq(got, SPAN_LIT("first held")));
	assert_true(ackq_pop(&q, 5, &got));
	assert_int_equal(got.n, 0);
	assert_true(ackq_pop(&q, 5, &got));
	assert_int_equal(q.count, 0);
	ackq_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
