/*
 * Goal:   every way in which a loop is written gives the same as the plain one, and that is right.
 * Method: seeded bytes, codes and values of every length around the width of a register, dense and
 *         sparse, at odd addresses; what stands beside the rows stays as it was.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "storage/match_kernel.h"
#include "tests/support/event_gen.h"

enum { ROWS_MAX = 300, GUARD = 0x5a };

struct world {
	struct event_gen dice;
	uint8_t match[ROWS_MAX + 2], want[ROWS_MAX + 2], table[65536];
	uint16_t codes[ROWS_MAX + 1];
	int64_t values[ROWS_MAX + 1];
	uint32_t list[ROWS_MAX];
	uint32_t rows, codes_count;
};

static void roll(struct world *w)
{
	unsigned one_in = 1 + event_gen_below(&w->dice, 20);

	w->rows = event_gen_below(&w->dice, ROWS_MAX);
	w->codes_count = event_gen_below(&w->dice, 2) ? 1 + event_gen_below(&w->dice, 40) : 65536;
	for (uint32_t i = 0; i < ROWS_MAX; i++) {
		w->match[1 + i] = event_gen_below(&w->dice, one_in) == 0;
		w->codes[1 + i] = (uint16_t)event_gen_below(&w->dice, w->codes_count);
		w->values[1 + i] = event_gen_below(&w->dice, 2)
					   ? (int64_t)event_gen_random(&w->dice)
					   : (int64_t)event_gen_below(&w->dice, 100) - 50;
	}
	for (uint32_t i = 0; i < w->codes_count; i++)
		w->table[i] = event_gen_below(&w->dice, 3) == 0;
	w->match[0] = w->match[1 + w->rows] = GUARD;
	memcpy(w->want, w->match, sizeof w->want);
}

static void assert_as_wanted(struct world *w)
{
	assert_memory_equal(w->match, w->want, w->rows + 2);
}

static void count_and_list(struct world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->rows; i++)
		n += w->match[1 + i];
	assert_int_equal(match_kernel_count(w->match + 1, w->rows), n);
	assert_int_equal(match_kernel_list(w->match + 1, w->rows, w->list), n);
	for (uint32_t i = 0, k = 0; i < w->rows; i++) {
		if (w->match[1 + i])
			assert_int_equal(w->list[k++], i);
	}
	assert_as_wanted(w);
}

static void codes(struct world *w)
{
	uint16_t code = w->codes[1 + event_gen_below(&w->dice, ROWS_MAX)];
	uint8_t out[ROWS_MAX];

	match_kernel_map(w->codes + 1, w->rows, w->table, w->codes_count, out);
	for (uint32_t i = 0; i < w->rows; i++)
		assert_int_equal(out[i], w->table[w->codes[1 + i]]);
	match_kernel_table(w->codes + 1, w->rows, w->table, w->codes_count, w->match + 1);
	for (uint32_t i = 0; i < w->rows; i++)
		w->want[1 + i] &= w->table[w->codes[1 + i]];
	assert_as_wanted(w);
	match_kernel_equal(w->codes + 1, w->rows, code, w->match + 1);
	for (uint32_t i = 0; i < w->rows; i++)
		w->want[1 + i] &= w->codes[1 + i] == code;
	assert_as_wanted(w);
}

static void numbers(struct world *w)
{
	static const uint64_t widths[] = { 0, 1, 60, UINT64_MAX, UINT64_C(1) << 63, INT64_MAX };
	uint64_t least = (uint64_t)w->values[1 + event_gen_below(&w->dice, ROWS_MAX)];
	uint64_t width = widths[event_gen_below(&w->dice, 6)];
	uint8_t mask = (uint8_t)event_gen_random(&w->dice);
	bool negate = event_gen_below(&w->dice, 2);

	match_kernel_range(w->values + 1, w->rows, least, width, negate, w->match + 1);
	for (uint32_t i = 0; i < w->rows; i++)
		w->want[1 + i] &= ((uint64_t)w->values[1 + i] - least <= width) != negate;
	assert_as_wanted(w);
	for (uint32_t i = 0; i < ROWS_MAX; i++)
		w->values[1 + i] &= 7;
	match_kernel_mask(w->values + 1, w->rows, mask, w->match + 1);
	for (uint32_t i = 0; i < w->rows; i++)
		w->want[1 + i] &= mask >> w->values[1 + i] & 1;
	assert_as_wanted(w);
}

static void joins(struct world *w)
{
	uint8_t other[ROWS_MAX];

	match_kernel_is(w->match + 1, w->rows, 0, other);
	for (uint32_t i = 0; i < w->rows; i++)
		assert_int_equal(other[i], !w->match[1 + i]);
	match_kernel_or(w->match + 1, other, w->rows);
	assert_int_equal(match_kernel_count(w->match + 1, w->rows), w->rows);
	match_kernel_without(w->match + 1, other, w->rows);
	assert_as_wanted(w);
	match_kernel_and(w->match + 1, other, w->rows);
	assert_int_equal(match_kernel_count(w->match + 1, w->rows), 0);
}

static void every_level(void **state)
{
	static void (*const loops[])(struct world *) = { count_and_list, codes, numbers, joins };
	static struct world w;

	(void)state;
	for (int level = MATCH_KERNEL_PLAIN; level <= MATCH_KERNEL_AVX2; level++) {
		if (!match_kernel_force((enum match_kernel_level)level)) {
			print_message("# level %d: not on this processor\n", level);
			continue;
		}
		event_gen_init(&w.dice, 20261130);
		for (int round = 0; round < 4000; round++) {
			roll(&w);
			loops[round % 4](&w);
		}
		event_gen_fini(&w.dice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level),
	};

	return cmocka_run_group_tests_name("match_kernel", tests, NULL, NULL);
}
