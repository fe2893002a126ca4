/* Goal: arena memory is aligned, apart, bounded by max, and given back by reset and release. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/arena.h"

enum { MAX = 1 << 20 };

/* Method: every piece is filled with its own number and looked at again at the end. */
static void pieces_do_not_overlap(void **state)
{
	uint8_t *pieces[200];
	size_t sizes[200];
	struct arena a;

	(void)state;
	arena_init(&a, MAX);
	for (size_t i = 0; i < 200; i++) {
		sizes[i] = i * 37 % 4000;
		pieces[i] = arena_alloc(&a, sizes[i]);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)i, sizes[i]);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(pieces[i][k], (uint8_t)i);
	arena_fini(&a);
}

static void max_is_the_end(void **state)
{
	struct arena a;
	size_t taken = 0;

	(void)state;
	arena_init(&a, MAX);
	while (arena_alloc(&a, 1000))
		taken += 1008;
	assert_int_equal(taken, MAX / 1008 * 1008);
	assert_int_equal(a.used, taken);
	assert_int_equal(a.high, taken);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, MAX + 1));
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	assert_int_equal(a.high, taken);
	assert_non_null(arena_alloc(&a, MAX));
	assert_null(arena_alloc(&a, 1));
	arena_fini(&a);
	arena_fini(&a);
}

static void calloc_and_dup(void **state)
{
	struct arena a;
	uint64_t *v;

	(void)state;
	arena_init(&a, MAX);
	memset(arena_alloc(&a, 4096), 0xFF, 4096);
	arena_reset(&a);
	v = arena_calloc(&a, 100, sizeof *v);
	assert_non_null(v);
	for (int i = 0; i < 100; i++)
		assert_int_equal(v[i], 0);
	assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
	assert_string_equal(arena_dup(&a, "text", 5), "text");
	assert_non_null(arena_dup(&a, NULL, 0));
	arena_fini(&a);
}

/* Method: at any place, within a chunk and at its end; what stood before the mark is untouched. */
static void release_goes_back(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, MAX);
	for (size_t n = 0; n < 200; n++) {
		struct arena_mark m = arena_mark(&a);
		uint8_t *before, *first;
		size_t held;

		first = arena_alloc(&a, n * 113 % 9000 + 1);
		arena_release(&a, m);
		before = arena_alloc(&a, 100);
		held = arena_held(&a);
		memset(before, (int)n, 100);
		m = arena_mark(&a);
		for (int i = 0; i < 10; i++)
			memset(arena_alloc(&a, n * 97 % 30000), 0xFF, n * 97 % 30000);
		arena_release(&a, m);
		assert_int_equal(a.used, m.used);
		assert_int_equal(arena_held(&a), held);
		for (int i = 0; i < 100; i++)
			assert_int_equal(before[i], (uint8_t)n);
		assert_non_null(first);
	}
	arena_fini(&a);
	assert_int_equal(arena_held(&a), 0);
}

/* Method: the same turns again and again take no further chunk; a small one leaves the others to trim. */
static void recycled(void **state)
{
	struct arena a;
	size_t held = 0;

	(void)state;
	arena_init(&a, MAX);
	a.recycle = true;
	for (int turn = 0; turn < 20; turn++) {
		struct arena_mark m;

		arena_reset(&a);
		m = arena_mark(&a);
		for (size_t n = 1; n < 80000; n += n / 2 + 1)
			memset(arena_alloc(&a, n), turn, n);
		if (turn % 2)
			arena_release(&a, m);
		if (turn == 5)
			held = arena_held(&a);
		if (turn > 5)
			assert_int_equal(arena_held(&a), held);
	}
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 100));
	assert_int_equal(arena_held(&a), held);
	arena_trim(&a);
	assert_in_range(arena_held(&a), 100, held - 1);
	arena_fini(&a);
	assert_int_equal(arena_held(&a), 0);
}

/* Method: small and large pieces by turns; they stand apart, and little of the chunks is left over. */
static void tight(void **state)
{
	static const size_t sizes[] = { 24, 8192, 300, 16, 40000, 1000, 8192, 64 };
	uint8_t *pieces[200];
	struct arena a;

	(void)state;
	arena_init(&a, 8 * MAX);
	a.tight = a.recycle = true;
	for (int turn = 0; turn < 3; turn++) {
		arena_reset(&a);
		for (size_t i = 0; i < 200; i++) {
			size_t n = sizes[i % 8] + i;

			pieces[i] = arena_alloc(&a, n);
			memset(pieces[i], (int)i, n);
		}
		for (size_t i = 0; i < 200; i++) {
			for (size_t k = 0; k < sizes[i % 8] + i; k++)
				assert_int_equal(pieces[i][k], (uint8_t)i);
		}
		arena_trim(&a);
		assert_in_range(arena_held(&a), a.used, a.used + a.used / 6);
	}
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_overlap),
		cmocka_unit_test(max_is_the_end),
		cmocka_unit_test(calloc_and_dup),
		cmocka_unit_test(release_goes_back),
		cmocka_unit_test(recycled),
		cmocka_unit_test(tight),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
