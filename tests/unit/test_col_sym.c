/*
 * Goal:   symbols come back, whole groups and their beginnings, in any context, with whichever loop
 *         the processor has; what a context determines costs nothing, the rest about its entropy;
 *         damage is an error or other symbols.
 * Method: seeded lists of several sizes, skews and groups.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/col_sym_int.h"
#include "tests/support/event_gen.h"

enum { ROWS = LIMIT_BLOCK_ROWS, MEMORY = 32 << 20, GROUP = 4096 };

struct fixture {
	uint32_t syms[ROWS];
	uint32_t contexts[ROWS];
	uint16_t got[ROWS];
	uint32_t groups[64];
	struct col_sym_in in;
	struct col_sym_maker maker;
	struct col_stream_maker streams;
	struct buf page;
	struct arena mem;
	struct event_gen gen;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	col_sym_maker_init(&f->maker);
	col_stream_maker_init(&f->streams, 0);
	buf_init(&f->page, 1 << 22);
	arena_init(&f->mem, MEMORY);
	f->gen.state = 5;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	col_sym_maker_fini(&f->maker);
	col_stream_maker_fini(&f->streams);
	buf_fini(&f->page);
	arena_fini(&f->mem);
	free(f);
	return 0;
}

/* A symbol below n; small ones are more frequent the larger the skew. */
static uint32_t skewed(struct fixture *f, uint32_t n, unsigned skew)
{
	uint32_t v = event_gen_below(&f->gen, n);

	while (skew-- > 0 && v > 0)
		v = event_gen_below(&f->gen, v + 1);
	return v;
}

static void fill(struct fixture *f, uint32_t count, uint32_t syms, uint32_t contexts, unsigned skew)
{
	uint32_t groups = 0;

	for (uint32_t i = 0; i < count; i++) {
		f->contexts[i] = event_gen_below(&f->gen, contexts);
		f->syms[i] = (skewed(f, syms, skew) + f->contexts[i]) % syms;
	}
	/* Some groups are empty. */
	for (uint32_t at = 0; groups < 20 && at <= count; at += event_gen_below(&f->gen, GROUP))
		f->groups[groups++] = at;
	f->in = (struct col_sym_in){ .syms = f->syms,
		.count = count,
		.syms_count = syms,
		.contexts = contexts > 1 ? f->contexts : NULL,
		.contexts_count = contexts,
		.groups = f->groups,
		.groups_count = groups };
}

static uint32_t group_end(const struct fixture *f, uint32_t g)
{
	return g + 1 < f->in.groups_count ? f->groups[g + 1] : f->in.count;
}

/* Each group, and its beginning. */
static void check_groups(struct fixture *f, const struct col_sym *s)
{
	for (uint32_t g = 0; g < f->in.groups_count; g++) {
		uint32_t at = f->groups[g], n = group_end(f, g) - at;

		for (int part = 0; part < 2; part++, n /= 3) {
			const uint32_t *x = f->in.contexts ? f->contexts + at : NULL;

			assert_int_equal(col_sym_get(s, g, x, n, f->got), 0);
			for (uint32_t i = 0; i < n; i++)
				assert_int_equal(f->got[i], f->syms[at + i]);
		}
	}
}

/* Several groups at once, some of them in part. */
static void check_lanes(struct fixture *f, const struct col_sym *s)
{
	for (uint32_t g = 0, n; g < f->in.groups_count; g += n) {
		struct col_sym_group lanes[COL_SYM_LANES];

		n = 1 + event_gen_below(&f->gen, COL_SYM_LANES);
		if (n > f->in.groups_count - g)
			n = f->in.groups_count - g;
		for (uint32_t i = 0; i < n; i++) {
			uint32_t at = f->groups[g + i], count = group_end(f, g + i) - at;

			lanes[i] = (struct col_sym_group){ .group = g + i,
				.count = i % 3 == 1 ? count / (i + 1) : count,
				.contexts = f->in.contexts ? f->contexts + at : NULL,
				.out = f->got + at };
			memset(f->got + at, 0xff, count * sizeof *f->got);
		}
		assert_int_equal(col_sym_get_groups(s, lanes, n), 0);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t at = f->groups[g + i], end = group_end(f, g + i);

			for (uint32_t k = at; k < at + lanes[i].count; k++)
				assert_int_equal(f->got[k], f->syms[k]);
			if (at + lanes[i].count < end)
				assert_int_equal(f->got[at + lanes[i].count], 0xffff);
		}
	}
}

static void check(struct fixture *f)
{
	struct col_sym s;
	struct rcur c;

	buf_reset(&f->page);
	arena_reset(&f->mem);
	assert_int_equal(col_sym_put(&f->maker, &f->in, &f->streams, &f->page), 0);
	c = rcur_of(f->page.p, f->page.len);
	assert_int_equal(col_sym_open(&c, f->in.syms_count, f->in.contexts_count,
				 f->in.groups_count, &f->mem, &s),
		0);
	assert_int_equal(rcur_left(&c), 0);
	for (int plain = 1; plain >= 0; plain--) {
		col_sym_plain(plain);
		check_groups(f, &s);
		check_lanes(f, &s);
	}
}

static void round_trips(void **state)
{
	static const uint32_t counts[] = { 1, 2, 100, 5000, ROWS };
	static const uint32_t alphabets[] = { 1, 2, 3, 16, 17, 300, COL_SYM_ALPHABET };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
		for (size_t k = 0; k < ARRAY_COUNT(alphabets); k++) {
			for (uint32_t contexts = 1; contexts < 100; contexts = contexts * 7 + 1) {
				fill(f, counts[i], alphabets[k], contexts, (unsigned)k);
				if (col_sym_cost(&f->maker, &f->in) != SIZE_MAX)
					check(f);
			}
		}
	}
}

/* The size is near the entropy, and the cost near the size. */
static void sizes(void **state)
{
	struct fixture *f = *state;
	size_t cost;

	/* One in 64 is another symbol: 0.116 bits each. */
	fill(f, ROWS, 2, 1, 0);
	for (uint32_t i = 0; i < ROWS; i++)
		f->syms[i] = event_gen_below(&f->gen, 64) == 0;
	check(f);
	assert_in_range(f->page.len, ROWS * 11 / 800, ROWS * 13 / 800);
	cost = col_sym_cost(&f->maker, &f->in);
	assert_in_range(cost, f->page.len * 8 / 10, f->page.len * 11 / 10);
	/* Determined: tables alone. */
	fill(f, ROWS, 50, 200, 0);
	for (uint32_t i = 0; i < ROWS; i++)
		f->syms[i] = f->contexts[i] * 7 % 50;
	check(f);
	assert_in_range(f->page.len, 100, 700);
	/* One symbol: nothing at all. */
	fill(f, ROWS, 1, 3, 0);
	check(f);
	assert_int_equal(f->page.len, 0);
}

static void too_many(void **state)
{
	struct fixture *f = *state;

	fill(f, ROWS, COL_SYM_ALPHABET + 1, 1, 0);
	for (uint32_t i = 0; i < ROWS; i++)
		f->syms[i] = i % (COL_SYM_ALPHABET + 1);
	buf_reset(&f->page);
	assert_int_equal(col_sym_cost(&f->maker, &f->in), SIZE_MAX);
	assert_int_equal(col_sym_put(&f->maker, &f->in, &f->streams, &f->page), 1);
	assert_int_equal(f->page.len, 0);
}

static void damage(void **state)
{
	struct fixture *f = *state;
	uint8_t *copy;

	fill(f, 9000, 40, 5, 2);
	check(f);
	copy = malloc(f->page.len);
	for (uint32_t i = 0; i < 4000; i++) {
		size_t at = event_gen_random(&f->gen) % f->page.len;
		size_t n = i % 2 ? f->page.len : at;
		struct col_sym s;
		struct rcur c = rcur_of(copy, n);

		col_sym_plain(i / 2 % 2);
		memcpy(copy, f->page.p, f->page.len);
		copy[at] ^= (uint8_t)(1 + event_gen_below(&f->gen, 255));
		arena_reset(&f->mem);
		if (col_sym_open(&c, 40, 5, f->in.groups_count, &f->mem, &s) < 0)
			continue;
		for (uint32_t g = 0; g < f->in.groups_count; g++) {
			uint32_t first = f->groups[g], count = group_end(f, g) - first;

			if (col_sym_get(&s, g, f->contexts + first, count, f->got) < 0)
				continue;
			for (uint32_t k = 0; k < count; k++)
				assert_true(f->got[k] < 40);
		}
	}
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trips, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("col_sym", tests, NULL, NULL);
}
