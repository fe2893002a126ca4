/*
 * Goal:   lengths make a complete code within their bound, the best one where the bound does not
 *         bind; they come back from their bytes; damaged ones are refused.
 * Method: counts of several shapes; the best code's bits by a naive Huffman.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "storage/col_huff.h"
#include "tests/support/event_gen.h"

enum { SMALL = 60 };

static struct event_gen gen = { .state = 9 };
static uint32_t counts[COL_HUFF_SYMBOLS_MAX];
static uint8_t lengths[COL_HUFF_SYMBOLS_MAX];
static uint8_t got[COL_HUFF_SYMBOLS_MAX];
static uint16_t order[COL_HUFF_SYMBOLS_MAX];
static uint16_t codes[COL_HUFF_SYMBOLS_MAX];

static uint32_t count_of(unsigned shape, uint32_t i)
{
	switch (shape) {
	case 0:
		return 7;
	case 1:
		return 100000 / (i + 1);
	case 2:
		return event_gen_below(&gen, 3) == 0;
	case 3:
		return UINT32_C(1) << (i < 20 ? i : 0);
	default:
		return event_gen_below(&gen, 9) ? 0 : event_gen_below(&gen, 50);
	}
}

enum { SHAPES = 5 };

/* Bits of the best code, by joining the two rarest until one is left. */
static uint64_t naive_bits(uint32_t symbols)
{
	uint64_t w[SMALL], bits = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < symbols; i++) {
		if (counts[i])
			w[n++] = counts[i];
	}
	for (; n > 1; n--) {
		for (uint32_t k = 0; k < 2; k++) {
			uint32_t least = k;

			for (uint32_t i = k; i < n; i++)
				least = w[i] < w[least] ? i : least;
			uint64_t t = w[k];

			w[k] = w[least];
			w[least] = t;
		}
		w[0] += w[1];
		bits += w[0];
		w[1] = w[n - 1];
	}
	return bits;
}

static void check_code(uint32_t symbols, unsigned bits_max)
{
	uint32_t used = 0, before = 0;

	assert_int_equal(col_huff_order(lengths, symbols, order, &used), 0);
	col_huff_codes(lengths, symbols, codes);
	for (uint32_t i = 0; i < symbols; i++) {
		assert_true(lengths[i] <= bits_max);
		assert_true(counts[i] == 0 || lengths[i] > 0);
	}
	/* In order, each code begins where the one before it ended. */
	for (uint32_t i = 0; i < used; i++) {
		unsigned length = lengths[order[i]];

		assert_int_equal((uint32_t)codes[order[i]] << (COL_HUFF_BITS_MAX - length), before);
		before += UINT32_C(1) << (COL_HUFF_BITS_MAX - length);
	}
	assert_int_equal(before, UINT32_C(1) << COL_HUFF_BITS_MAX);
}

static void round_trip(uint32_t symbols, unsigned bits_max)
{
	unsigned bits = 0;
	struct buf b;

	buf_init(&b, 1 << 20);
	col_huff_lengths_put(lengths, symbols, &b);
	assert_int_equal(b.err, 0);
	assert_int_equal(col_huff_lengths_get(buf_span(&b), symbols, got, &bits), 0);
	assert_memory_equal(lengths, got, symbols);
	assert_true(bits <= bits_max);
	/* A byte more, a byte less, a symbol more. */
	buf_put_u8(&b, 0);
	assert_int_equal(col_huff_lengths_get(buf_span(&b), symbols, got, &bits), ERR_CORRUPT);
	assert_int_equal(
		col_huff_lengths_get(span_of(b.p, b.len - 2), symbols, got, &bits), ERR_CORRUPT);
	buf_fini(&b);
}

static void codes_of_every_shape(void **state)
{
	static const uint32_t sizes[] = { 2, 3, 17, SMALL, 300, 5000, COL_HUFF_SYMBOLS_MAX };
	struct col_huff_room room = { 0 };

	(void)state;
	for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
		for (unsigned shape = 0; shape < SHAPES; shape++) {
			uint32_t used = 0;
			unsigned bits;

			for (uint32_t i = 0; i < sizes[k]; i++) {
				counts[i] = count_of(shape, i);
				used += counts[i] > 0;
			}
			bits = col_huff_bits_for(used);
			assert_int_equal(col_huff_room_for(&room, sizes[k]), 0);
			col_huff_lengths(&room, counts, sizes[k], bits, lengths);
			check_code(sizes[k], bits);
			round_trip(sizes[k], bits);
		}
	}
	col_huff_room_fini(&room);
}

static void the_best_where_nothing_binds(void **state)
{
	struct col_huff_room room = { 0 };

	(void)state;
	assert_int_equal(col_huff_room_for(&room, SMALL), 0);
	for (unsigned round = 0; round < 500; round++) {
		uint32_t symbols = 2 + event_gen_below(&gen, SMALL - 2);
		uint64_t bits = 0;

		for (uint32_t i = 0; i < symbols; i++)
			counts[i] = event_gen_below(&gen, 2) ? event_gen_below(&gen, 200) : 1;
		col_huff_lengths(&room, counts, symbols, COL_HUFF_BITS_MAX, lengths);
		for (uint32_t i = 0; i < symbols; i++)
			bits += (uint64_t)counts[i] * lengths[i];
		assert_int_equal(bits, naive_bits(symbols));
	}
	col_huff_room_fini(&room);
}

/* A code that is not complete, or more than that, would leave bits without a symbol. */
static void only_complete_codes(void **state)
{
	static const uint8_t loose[] = { 1, 2, 0 }, tight[] = { 1, 1, 1 }, right[] = { 1, 2, 2 };
	uint32_t used;

	(void)state;
	assert_int_equal(col_huff_order(loose, 3, order, &used), ERR_CORRUPT);
	assert_int_equal(col_huff_order(tight, 3, order, &used), ERR_CORRUPT);
	assert_int_equal(col_huff_order(right, 3, order, &used), 0);
	assert_int_equal(used, 3);
}

static void damage(void **state)
{
	uint8_t bytes[40];
	unsigned bits;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = event_gen_below(&gen, sizeof bytes + 1);
		uint32_t symbols = 2 + event_gen_below(&gen, 200);
		uint8_t *p = malloc(n + 1);

		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)event_gen_random(&gen);
		/* Often the start of a code that stands: two words of one bit. */
		if (n > 1 && round % 2) {
			p[0] = 0x24;
			memset(p + 1, 0, n - 1);
			p[n - 1] = (uint8_t)event_gen_random(&gen);
		}
		(void)col_huff_lengths_get(span_of(p, n), symbols, got, &bits);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_of_every_shape),
		cmocka_unit_test(the_best_where_nothing_binds),
		cmocka_unit_test(only_complete_codes),
		cmocka_unit_test(damage),
	};

	return cmocka_run_group_tests_name("col_huff", tests, NULL, NULL);
}
