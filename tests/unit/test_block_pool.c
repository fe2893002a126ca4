/*
 * Goal:   a block asked again is warm, whoever asks; idle readers never hold more than the budget, and
 *         where more are asked for in turn than fit, those that fit stay; with the process above its
 *         mark they make room; two threads never share one; a segment that closes takes its readers
 *         along, those that are out when they come back; another open of the same file finds none of
 *         the old ones.
 * Method: segments of seeded events; readers compared by address, the pool by its own figures; threads
 *         that take, ask and give at random while segments close and open, under a budget for a few.
 */
#include "tests/support/check_cmocka.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "storage/block_pool.h"
#include "storage/block_reader_int.h"
#include "storage/footprint.h"
#include "tests/support/event_gen.h"
#include "tests/support/seg_fixture.h"

enum { EVENTS = 3000, SEGMENTS = 6, THREADS = 4, ROUNDS = 400, SMALL = 1 << 20 };

struct world {
	struct seg_fixture fixture;
	struct event_gen gen;
	struct event *events[SEGMENTS];
	struct seg_reader *readers[SEGMENTS];
};

static const char *const names[SEGMENTS] = { "a", "b", "c", "d", "e", "f" };

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	seg_fixture_init(&w->fixture);
	event_gen_init(&w->gen, 31);
	for (int i = 0; i < SEGMENTS; i++) {
		w->events[i] = event_gen_many(&w->gen, EVENTS);
		seg_fixture_write(&w->fixture, names[i], w->events[i], EVENTS);
		w->readers[i] = seg_fixture_open(&w->fixture, names[i]);
	}
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	struct block_pool_use use;

	for (int i = 0; i < SEGMENTS; i++) {
		seg_reader_close(&w->readers[i]);
		free(w->events[i]);
	}
	block_pool_use(&use);
	event_gen_fini(&w->gen);
	seg_fixture_fini(&w->fixture);
	free(w);
	block_pool_set(LIMIT_BLOCK_POOL_BYTES);
	return use.idle_count == 0 && use.taken_count == 0 && use.taken_bytes == 0 && use.bytes == 0
		       ? 0
		       : -1;
}

/* The description of a row of the first block, as it was written. */
static void ask(struct block_reader *b, const struct event *events, uint32_t row, struct buf *bytes)
{
	struct span v, want = events[row].text[EVENT_TEXT_DESCRIPTION];
	struct diag d;

	buf_reset(bytes);
	ASSERT(block_reader_get(b, SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION, &row, 1, bytes, &v, &d) ==
		0);
	ASSERT((v.p == NULL) == (want.p == NULL));
	ASSERT(span_eq(v, want));
}

static void ask_all(struct block_reader *b)
{
	const int64_t *ints;
	struct diag d;

	for (int col = 0; col < SEG_COL_INTS; col++)
		assert_int_equal(block_reader_ints(b, col, &ints, &d), 0);
}

static struct block_pool_use now(void)
{
	struct block_pool_use use;

	block_pool_use(&use);
	return use;
}

static void warm(void **state)
{
	struct world *w = *state;
	struct block_reader *a = block_pool_take(w->readers[0], 0), *b, *first = a;
	uint64_t hits = now().hits;
	struct buf bytes;

	buf_init(&bytes, BLOCK_BYTES_MAX);
	ask(a, w->events[0], 17, &bytes);
	b = block_pool_take(w->readers[0], 0);
	assert_ptr_not_equal(a, b);
	ask(b, w->events[0], 18, &bytes);
	assert_int_equal(now().taken_count, 2);
	block_pool_give(&a);
	assert_null(a);
	assert_int_equal(now().hits, hits);
	a = block_pool_take(w->readers[0], 0);
	assert_ptr_equal(a, first);
	assert_int_equal(now().hits, hits + 1);
	assert_true(a->cols[SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION].open);
	ask(a, w->events[0], 17, &bytes);
	block_pool_give(&a);
	block_pool_give(&b);
	assert_int_equal(now().idle_count, 2);
	buf_fini(&bytes);
}

static void closed(void **state)
{
	struct world *w = *state;
	struct block_reader *in = block_pool_take(w->readers[1], 0), *out;
	struct buf bytes;

	buf_init(&bytes, BLOCK_BYTES_MAX);
	out = block_pool_take(w->readers[1], 0);
	block_pool_give(&in);
	assert_int_equal(now().idle_count, 1);
	seg_reader_close(&w->readers[1]);
	assert_int_equal(now().idle_count, 0);
	w->readers[1] = seg_fixture_open(&w->fixture, names[1]);
	in = block_pool_take(w->readers[1], 0);
	assert_ptr_not_equal(in, out);
	assert_false(in->cols[SEG_COL_TIME].open);
	ask(in, w->events[1], 5, &bytes);
	block_pool_give(&out);
	assert_int_equal(now().idle_count, 0);
	block_pool_give(&in);
	assert_int_equal(now().idle_count, 1);
	buf_fini(&bytes);
}

static void budget(void **state)
{
	struct world *w = *state;
	struct block_reader *b = block_pool_take(w->readers[0], 0);
	size_t one, kept;
	uint64_t hits;

	ask_all(b);
	block_pool_give(&b);
	one = now().bytes;
	assert_true(one > EVENTS * sizeof(int64_t));
	assert_true(block_pool_set(3 * one + one / 2) == LIMIT_BLOCK_POOL_BYTES);
	for (int i = 0; i < SEGMENTS; i++) {
		b = block_pool_take(w->readers[i], 0);
		ask_all(b);
		block_pool_give(&b);
		assert_true(now().bytes <= 3 * one + one / 2);
	}
	kept = now().idle_count;
	assert_in_range(kept, 3, SEGMENTS - 1);
	hits = now().hits;
	/* The one used last is there, and as many as were kept. */
	b = block_pool_take(w->readers[SEGMENTS - 1], 0);
	assert_int_equal(now().hits, hits + 1);
	block_pool_give(&b);
	assert_int_equal(now().idle_count, kept);
	block_pool_set(one / 2);
	assert_int_equal(now().bytes, 0);
	b = block_pool_take(w->readers[0], 0);
	ask_all(b);
	block_pool_give(&b);
	assert_int_equal(now().idle_count, 0);
}

/* Takes, asks and gives back all segments in turn; how many were warm. */
static unsigned round_trip(struct world *w)
{
	uint64_t hits = now().hits;

	for (int i = 0; i < SEGMENTS; i++) {
		struct block_reader *b = block_pool_take(w->readers[i], 0);

		ask_all(b);
		block_pool_give(&b);
	}
	return (unsigned)(now().hits - hits);
}

/* Of a round that does not fit, the same ones stay warm, but for the room that the others pass through. */
static void rounds(void **state)
{
	struct world *w = *state;
	struct block_reader *b = block_pool_take(w->readers[0], 0);
	size_t one;

	ask_all(b);
	block_pool_give(&b);
	one = now().bytes;
	block_pool_set(4 * one + one / 2);
	round_trip(w);
	for (int i = 0; i < ROUNDS; i++)
		assert_in_range(round_trip(w), 3, SEGMENTS - 1);
	/* One that is asked for more often than others comes to stay. */
	for (int i = 0; i < ROUNDS; i++) {
		b = block_pool_take(w->readers[SEGMENTS - 1], 0);
		block_pool_give(&b);
	}
	for (int i = 0; i < SEGMENTS - 1; i++) {
		b = block_pool_take(w->readers[i], 0);
		ask_all(b);
		block_pool_give(&b);
	}
	b = block_pool_take(w->readers[SEGMENTS - 1], 0);
	assert_true(b->cols[SEG_COL_TIME].open);
	block_pool_give(&b);
}

/* However often some were asked for, others that are asked for now are soon warm. */
static void turn_of_others(void **state)
{
	enum { OLD = SEGMENTS / 2 };
	struct world *w = *state;
	struct block_reader *b = block_pool_take(w->readers[0], 0);
	uint64_t hits;
	size_t one;

	ask_all(b);
	block_pool_give(&b);
	one = now().bytes;
	block_pool_set(OLD * one + one / 2);
	for (int i = 0; i < ROUNDS * OLD; i++) {
		b = block_pool_take(w->readers[i % OLD], 0);
		ask_all(b);
		block_pool_give(&b);
	}
	for (int i = 0; i < ROUNDS; i++) {
		hits = now().hits;
		for (int k = OLD; k < SEGMENTS - 1; k++) {
			b = block_pool_take(w->readers[k], 0);
			ask_all(b);
			block_pool_give(&b);
		}
	}
	assert_int_equal(now().hits - hits, SEGMENTS - 1 - OLD);
}

/* What was asked for once makes room for what one question asks for in each of its rounds. */
static void once_before(void **state)
{
	enum { ONCE = 2, OFTEN = SEGMENTS - 1 };
	struct world *w = *state;
	struct block_reader *b = block_pool_take(w->readers[0], 0);
	uint64_t hits = 0;
	size_t one;

	ask_all(b);
	block_pool_give(&b);
	one = now().bytes;
	block_pool_set((OFTEN - ONCE) * one + one / 2);
	for (int i = 0; i < ONCE; i++) {
		b = block_pool_take(w->readers[i], 0);
		ask_all(b);
		block_pool_give(&b);
	}
	for (int i = 0; i < ROUNDS; i++) {
		hits = now().hits;
		for (int k = ONCE; k < OFTEN; k++) {
			b = block_pool_take(w->readers[k], 0);
			ask_all(b);
			block_pool_give(&b);
		}
	}
	assert_int_equal(now().hits - hits, OFTEN - ONCE);
}

static void ask_little(struct block_reader *b)
{
	const int64_t *ints;
	struct diag d;

	assert_int_equal(block_reader_ints(b, SEG_COL_TIME, &ints, &d), 0);
}

/* What a question left in large blocks goes for those of another one, of which all fit. */
static void large_before(void **state)
{
	struct world *w = *state;
	struct block_reader *b = block_pool_take(w->readers[0], 0);
	uint64_t hits = 0;
	size_t large, small;

	ask_little(b);
	block_pool_give(&b);
	small = now().bytes;
	b = block_pool_take(w->readers[0], 0);
	ask_all(b);
	block_pool_give(&b);
	large = now().bytes;
	assert_true(large > 2 * small);
	assert_true(SEGMENTS * small + small / 2 < 3 * large);
	block_pool_set(3 * large);
	for (int i = 0; i < ROUNDS; i++)
		round_trip(w);
	for (int i = 0; i < ROUNDS; i++) {
		hits = now().hits;
		for (int k = 0; k < SEGMENTS; k++) {
			b = block_pool_take(w->readers[k], 0);
			ask_little(b);
			block_pool_give(&b);
		}
	}
	assert_int_equal(now().hits - hits, SEGMENTS);
	assert_int_equal(now().idle_count, SEGMENTS);
}

static void lent(void **state)
{
	struct world *w = *state;
	struct block_reader *b;
	size_t one, all;

	for (int i = 0; i < SEGMENTS; i++) {
		b = block_pool_take(w->readers[i], 0);
		ask_all(b);
		block_pool_give(&b);
	}
	all = now().bytes;
	one = all / SEGMENTS;
	assert_int_equal(now().idle_count, SEGMENTS);
	block_pool_set(2 * all);
	block_pool_lend(all);
	assert_int_equal(now().bytes, all);
	/* What is left of the budget is room for about four. */
	block_pool_lend(2 * one);
	assert_in_range(now().bytes, 1, all - 2 * one);
	assert_int_equal(now().lent, all + 2 * one);
	block_pool_return(2 * one);
	block_pool_return(all);
	assert_int_equal(now().lent, 0);
	for (int i = 0; i < SEGMENTS; i++) {
		b = block_pool_take(w->readers[i], 0);
		ask_all(b);
		block_pool_give(&b);
	}
	assert_int_equal(now().idle_count, SEGMENTS);
}

/* However much is lent, a quarter of the budget stays. */
static void lent_too_much(void **state)
{
	struct world *w = *state;
	struct block_reader *b;

	block_pool_set(4 * SMALL);
	block_pool_lend(SIZE_MAX / 2);
	for (int i = 0; i < SEGMENTS; i++) {
		b = block_pool_take(w->readers[i], 0);
		ask_all(b);
		block_pool_give(&b);
	}
	assert_in_range(now().bytes, 1, SMALL);
	block_pool_return(SIZE_MAX / 2);
}

static void fill(struct world *w)
{
	for (int i = 0; i < SEGMENTS; i++) {
		struct block_reader *b = block_pool_take(w->readers[i], 0);

		ask_all(b);
		block_pool_give(&b);
	}
}

/* A look for which it is time. */
static void look(void)
{
	static int64_t ns = CLOCK_NS_PER_SEC;

	ns += CLOCK_NS_PER_SEC;
	clock_fake(ns, ns);
	block_pool_look();
}

/* What the process holds too much, idle ones give up, all if need be, and have it again bit by bit. */
static void process_above_its_mark(void **state)
{
	enum { BESIDE_BYTES = LIMIT_QUERY_OWN_BYTES + (16 << 20) };
	struct world *w = *state;
	void *beside = mmap(
		NULL, BESIDE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct footprint_use use;
	uint64_t overs;
	int looks = 0;

	assert_ptr_not_equal(beside, MAP_FAILED);
	memset(beside, 1, BESIDE_BYTES);
	fill(w);
	assert_int_equal(now().idle_count, SEGMENTS);
	block_pool_set(now().bytes + now().bytes / SEGMENTS);
	assert_true(now().bytes < BESIDE_BYTES - LIMIT_QUERY_OWN_BYTES);
	footprint_use(&use);
	overs = use.overs;
	assert_int_equal(footprint_watch(LIMIT_QUERY_OWN_BYTES), 0);
	look();
	footprint_use(&use);
	assert_int_equal(use.overs, overs + 1);
	assert_int_equal(now().idle_count, 0);
	munmap(beside, BESIDE_BYTES);
	/* Below it again: all of it at some time, but not at once. */
	assert_int_equal(footprint_watch(SIZE_MAX / 2), 0);
	fill(w);
	while (now().idle_count < SEGMENTS && looks < ROUNDS) {
		look();
		fill(w);
		looks++;
	}
	assert_int_equal(now().idle_count, SEGMENTS);
	assert_in_range(looks, 2, ROUNDS - 1);
	footprint_watch(0);
	clock_real();
}

/* ---- threads ---- */

struct thread {
	struct world *world;
	pthread_t id;
	uint64_t seed;
};

/* Each thread has a segment of its own that it opens and closes, and all share the first. */
static void *work(void *arg)
{
	struct thread *t = arg;
	struct world *w = t->world;
	struct event_gen gen;
	struct buf bytes;

	event_gen_init(&gen, t->seed);
	buf_init(&bytes, BLOCK_BYTES_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned own = (unsigned)t->seed, which = event_gen_below(&gen, 2) ? own : 0;
		struct block_reader *b = block_pool_take(w->readers[which], 0);

		ASSERT(b);
		ask(b, w->events[which], event_gen_below(&gen, EVENTS), &bytes);
		if (event_gen_below(&gen, 20) == 0) {
			struct seg_reader *again = seg_fixture_open(&w->fixture, names[own]);

			seg_reader_close(&w->readers[own]);
			w->readers[own] = again;
		}
		block_pool_give(&b);
		ASSERT(now().bytes <= SMALL);
	}
	buf_fini(&bytes);
	event_gen_fini(&gen);
	return NULL;
}

static void threads(void **state)
{
	struct world *w = *state;
	struct thread t[THREADS];

	block_pool_set(SMALL);
	for (unsigned i = 0; i < THREADS; i++) {
		t[i] = (struct thread){ .world = w, .seed = i + 1 };
		assert_int_equal(pthread_create(&t[i].id, NULL, work, &t[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i].id, NULL);
	assert_int_equal(now().taken_count, 0);
	assert_true(now().bytes <= SMALL);
	assert_true(now().hits > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(warm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(turn_of_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(once_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lent_too_much, set_up, tear_down),
		cmocka_unit_test_setup_teardown(process_above_its_mark, set_up, tear_down),
		cmocka_unit_test_setup_teardown(threads, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("block_pool", tests, NULL, NULL);
}
