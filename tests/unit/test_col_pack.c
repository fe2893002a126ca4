/*
 * Goal: every width gives back its values, frames too, with and without vectors, and no decoder reads
 * past its bytes.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "storage/col_pack_int.h"
#include "tests/support/event_gen.h"

enum { COUNT = 300 };

static uint64_t state = 1;

static uint64_t next(void)
{
	struct event_gen g = { .state = state };
	uint64_t v = event_gen_random(&g);

	state = g.state;
	return v;
}

/* All of them, more than they are; what is behind them changes none. */
static void more(const uint64_t *v, size_t count, unsigned width, struct span packed)
{
	uint64_t got[COUNT], add = next();

	col_pack_get_plus(packed, count, width, add, got);
	for (size_t i = 0; i < count; i++) {
		size_t bit = i * width;

		assert_int_equal(got[i], v[i] + add);
		assert_int_equal(col_pack_at(packed, width, i), v[i]);
		if (width > 0 && width <= COL_PACK_LOAD_BITS && bit / 8 + 8 <= packed.n)
			assert_int_equal(
				col_pack_load(packed.p, bit) << (64 - width) >> (64 - width), v[i]);
	}
}

/* Method: the packed bytes stand in a block of exactly their size, so that a sanitizer sees more. */
static void one_width(unsigned width, size_t count, size_t behind)
{
	uint64_t v[COUNT], got[COUNT];
	size_t bytes = col_pack_bytes(count, width);
	uint8_t *p = malloc(bytes + behind + (bytes + behind == 0));

	assert_non_null(p);
	memset(p + bytes, 0xa5, behind);
	for (size_t i = 0; i < count; i++)
		v[i] = width ? next() >> (64 - width) : 0;
	col_pack_put(v, count, width, p);
	if (behind == 0) {
		col_pack_get(p, count, width, got);
		assert_memory_equal(v, got, count * sizeof v[0]);
	}
	more(v, count, width, span_of(p, bytes + behind));
	free(p);
}

static void every_width(void **unused)
{
	(void)unused;
	for (unsigned width = 0; width <= 64; width++) {
		for (size_t count = 0; count < COUNT; count += 1 + count / 7) {
			for (size_t behind = 0; behind < 40; behind += 1 + next() % 8) {
				col_pack_plain(behind % 2);
				one_width(width, count, behind);
			}
			col_pack_plain(true);
			one_width(width, count, 0);
		}
	}
	col_pack_plain(false);
}

static void every_width_of_16(void **unused)
{
	(void)unused;
	for (unsigned width = 0; width <= 16; width++) {
		for (size_t count = 0; count < COUNT; count += 1 + count / 7) {
			uint16_t v[COUNT], got[COUNT];
			size_t bytes = col_pack_bytes(count, width);
			uint8_t *p = malloc(bytes + (bytes == 0));

			assert_non_null(p);
			for (size_t i = 0; i < count; i++)
				v[i] = width ? (uint16_t)(next() >> (64 - width)) : 0;
			col_pack_put16(v, count, width, p);
			col_pack_get16(p, count, width, got);
			assert_memory_equal(v, got, count * sizeof v[0]);
			free(p);
		}
	}
}

static void widths(void **unused)
{
	(void)unused;
	assert_int_equal(col_pack_width(0), 0);
	assert_int_equal(col_pack_width(1), 1);
	assert_int_equal(col_pack_width(255), 8);
	assert_int_equal(col_pack_width(UINT64_MAX), 64);
}

static void frames_come_back(void **unused)
{
	int64_t v[COUNT], got[COUNT];
	struct buf b;
	struct rcur c;

	(void)unused;
	buf_init(&b, 1 << 20);
	for (unsigned shift = 0; shift < 64; shift += 5) {
		for (size_t i = 0; i < COUNT; i++)
			v[i] = (int64_t)next() >> shift;
		v[COUNT / 2] = shift % 2 ? INT64_MIN : INT64_MAX;
		buf_reset(&b);
		col_pack_frames_put(v, COUNT, &b);
		assert_int_equal(b.err, 0);
		c = rcur_of(b.p, b.len);
		col_pack_frames_get(&c, COUNT, got);
		assert_int_equal(c.err, 0);
		assert_int_equal(rcur_left(&c), 0);
		assert_memory_equal(v, got, sizeof v);
	}
	buf_fini(&b);
}

static void damaged_frames(void **unused)
{
	static const uint8_t wide[] = { 65, 0, 1, 2, 3 };
	int64_t got[COUNT];
	struct rcur c = rcur_of(wide, sizeof wide);

	(void)unused;
	col_pack_frames_get(&c, 4, got);
	assert_int_equal(c.err, ERR_CORRUPT);
	c = rcur_of("\x08\x00\x01", 3);
	col_pack_frames_get(&c, 4, got);
	assert_int_equal(c.err, ERR_TRUNCATED);
	c = rcur_of("", 0);
	col_pack_frames_get(&c, 1, got);
	assert_int_equal(c.err, ERR_TRUNCATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_width),
		cmocka_unit_test(every_width_of_16),
		cmocka_unit_test(widths),
		cmocka_unit_test(frames_come_back),
		cmocka_unit_test(damaged_frames),
	};

	return cmocka_run_group_tests_name("col_pack", tests, NULL, NULL);
}
