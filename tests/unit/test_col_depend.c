/*
 * Goal:   values that depend on a key come back, all and in any part; a function of the key costs
 *         its lists alone; damage ends in an error or in values.
 * Method: seeded keys and values of several dependences, from none to a function.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "storage/col_depend.h"
#include "tests/support/event_gen.h"

enum { ROWS = 65536, OUT_MAX = 16 << 20, PICKS = 40 };

struct lists {
	uint32_t keys[ROWS];
	int64_t v[ROWS];
	int64_t got[ROWS];
	struct col_depend_maker maker;
	struct arena arena;
	struct buf out;
	struct event_gen gen;
};

static int set_up(void **state)
{
	struct lists *l = calloc(1, sizeof *l);

	if (!l)
		return -1;
	col_depend_maker_init(&l->maker, 0);
	arena_init(&l->arena, COL_DEPEND_MEMORY_MAX);
	buf_init(&l->out, OUT_MAX);
	l->gen.state = 3;
	*state = l;
	return 0;
}

static int tear_down(void **state)
{
	struct lists *l = *state;

	col_depend_maker_fini(&l->maker);
	arena_fini(&l->arena);
	buf_fini(&l->out);
	free(l);
	return 0;
}

static uint64_t of_key(uint32_t key, unsigned which)
{
	struct event_gen g = { .state = (uint64_t)key * 16 + which };

	return event_gen_random(&g);
}

/* The n-th of a key's few values; of shape 0 the only one, of shape 3 anything at all. */
static int64_t value(struct lists *l, uint32_t key, unsigned shape)
{
	switch (shape) {
	case 0:
		return (int64_t)of_key(key, 0);
	case 1:
		return (int64_t)of_key(key, event_gen_below(&l->gen, 3));
	case 2:
		return event_gen_below(&l->gen, 10) ? (int64_t)of_key(key, 1) >> 32
						    : (int64_t)event_gen_random(&l->gen) >> 32;
	default:
		return (int64_t)event_gen_random(&l->gen);
	}
}

enum { SHAPES = 4 };

static struct col_depend_in make(struct lists *l, uint32_t rows, uint32_t keys, unsigned shape)
{
	for (uint32_t i = 0; i < rows; i++) {
		l->keys[i] = event_gen_below(&l->gen, 1 + event_gen_below(&l->gen, keys));
		l->v[i] = value(l, l->keys[i], shape);
	}
	return (struct col_depend_in){
		.count = rows, .keys_count = keys, .keys = l->keys, .values = l->v
	};
}

static void open_it(struct lists *l, uint32_t rows, uint32_t keys, struct col_depend *d)
{
	struct rcur c = rcur_of(l->out.p, l->out.len);

	arena_reset(&l->arena);
	assert_int_equal(col_depend_open(&c, rows, keys, &l->arena, d), 0);
	assert_int_equal(rcur_left(&c), 0);
}

static void picks(struct lists *l, struct col_depend *d)
{
	uint32_t rows[PICKS], keys[PICKS], n = 0;

	for (uint32_t row = 0; n < PICKS && row < d->count;
		row += 1 + event_gen_below(&l->gen, 2 * d->count / PICKS + 1)) {
		rows[n] = row;
		keys[n++] = l->keys[row];
	}
	assert_int_equal(col_depend_pick(d, rows, n, keys, l->got), 0);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(l->got[i], l->v[rows[i]]);
}

static void round_trip(struct lists *l, const struct col_depend_in *in)
{
	struct col_depend d;
	size_t cost;

	buf_reset(&l->out);
	col_depend_put(&l->maker, in, &l->out);
	assert_int_equal(l->out.err, 0);
	cost = col_depend_cost(&l->maker, in);
	assert_true(l->out.len <= cost + cost / 64 + 32);
	assert_true(cost <= l->out.len + l->out.len / 64 + 32);
	open_it(l, in->count, in->keys_count, &d);
	picks(l, &d);
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t first = event_gen_below(&l->gen, in->count);
		uint32_t n = event_gen_below(&l->gen, in->count - first) % 100;

		assert_int_equal(col_depend_get(&d, first, n, l->keys + first, l->got), 0);
		assert_memory_equal(l->got, l->v + first, n * sizeof l->got[0]);
	}
	assert_int_equal(col_depend_get(&d, 0, in->count, l->keys, l->got), 0);
	assert_memory_equal(l->got, l->v, in->count * sizeof l->got[0]);
	picks(l, &d);
}

static void all_come_back(void **state)
{
	static const uint32_t rows[] = { 1, 2, 3, 100, 129, 1000, 5000, ROWS };
	struct lists *l = *state;

	for (unsigned shape = 0; shape < SHAPES; shape++) {
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			for (uint32_t keys = 1; keys <= 40000; keys = keys * 21 + 3) {
				struct col_depend_in in = make(l, rows[i], keys, shape);

				round_trip(l, &in);
			}
		}
	}
}

static void a_function_costs_its_list(void **state)
{
	struct lists *l = *state;
	struct col_depend_in in = make(l, ROWS, 100, 0);

	buf_reset(&l->out);
	col_depend_put(&l->maker, &in, &l->out);
	assert_true(l->out.len <= 100 * 8 + 64);
	/* Three values of a key: less than two bits a row. */
	in = make(l, ROWS, 100, 1);
	buf_reset(&l->out);
	col_depend_put(&l->maker, &in, &l->out);
	assert_true(l->out.len <= 300 * 8 + ROWS / 4 + 64);
}

static int any_outcome(struct lists *l, struct span bytes, uint32_t rows, uint32_t keys)
{
	struct rcur c = rcur_of(bytes.p, bytes.n);
	struct col_depend d;
	int rc;

	arena_reset(&l->arena);
	rc = col_depend_open(&c, rows, keys, &l->arena, &d);
	if (rc == 0)
		rc = col_depend_get(&d, 0, rows, l->keys, l->got);
	assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_TRUNCATED);
	return rc;
}

static void damage(void **state)
{
	struct lists *l = *state;

	for (unsigned round = 0; round < 4000; round++) {
		uint32_t keys = 1 + event_gen_below(&l->gen, 50);
		struct col_depend_in in =
			make(l, 1 + event_gen_below(&l->gen, 600), keys, round % SHAPES);
		uint8_t *p;

		buf_reset(&l->out);
		col_depend_put(&l->maker, &in, &l->out);
		l->out.p[event_gen_below(&l->gen, (unsigned)l->out.len)] ^=
			(uint8_t)(1 << event_gen_below(&l->gen, 8));
		if (round % 5 == 0)
			l->out.len = event_gen_below(&l->gen, (unsigned)l->out.len);
		if (round % 7 == 0)
			l->keys[0] = UINT32_MAX;
		p = malloc(l->out.len + 1);
		assert_non_null(p);
		memcpy(p, l->out.p, l->out.len);
		(void)any_outcome(l, span_of(p, l->out.len), in.count, keys);
		free(p);
	}
}

static void bounds(void **state)
{
	struct lists *l = *state;

	memset(l->keys, 0, sizeof l->keys);
	/* A list of one, value 0, place 0 for each row. */
	assert_int_equal(any_outcome(l, SPAN_LIT("\x01\x00\x02\x00\x00\x00\x00"), 5, 1), 0);
	/* No values; more than rows; lists longer than the values, or shorter; a place outside. */
	assert_int_equal(
		any_outcome(l, SPAN_LIT("\x00\x00\x02\x00\x00\x00\x00"), 5, 1), ERR_CORRUPT);
	assert_int_equal(
		any_outcome(l, SPAN_LIT("\x06\x00\x02\x00\x00\x00\x00"), 5, 1), ERR_CORRUPT);
	assert_int_equal(
		any_outcome(l, SPAN_LIT("\x01\x00\x04\x00\x00\x00\x00"), 5, 1), ERR_CORRUPT);
	assert_int_equal(
		any_outcome(l, SPAN_LIT("\x02\x00\x02\x00\x00\x00\x00"), 5, 1), ERR_CORRUPT);
	assert_int_equal(
		any_outcome(l, SPAN_LIT("\x01\x00\x02\x00\x00\x00\x02"), 5, 1), ERR_CORRUPT);
	/* A key nobody wrote. */
	l->keys[4] = 1;
	assert_int_equal(
		any_outcome(l, SPAN_LIT("\x01\x00\x02\x00\x00\x00\x00"), 5, 1), ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_come_back),
		cmocka_unit_test(a_function_costs_its_list),
		cmocka_unit_test(damage),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests_name("col_depend", tests, set_up, tear_down);
}
